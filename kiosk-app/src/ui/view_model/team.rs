// SPDX-License-Identifier: GPL-3.0-only
//! What the shop's own people are told at the attract screen: what is not well, and the page on which they set the clock.

use super::{
    Scene,
    page::{ActionView, Entry, NoticeView, PadView, PageView, Said, Tone, Typing, say},
    setup::words,
};
use crate::ui::words::Tongue;
use kiosk_core::{
    desk::DeskIntent,
    device::{DeviceKind, Health},
    session::AskTime,
};

/// One line for the team, empty while all is well. What is not fitted is missed by nobody.
pub(super) fn sign(scene: &Scene<'_>) -> String {
    let t = scene.tongue();
    let fitted = |kind: DeviceKind| match kind {
        DeviceKind::Terminal => scene.board.terminal.is_some(),
        DeviceKind::Printer => scene.board.printer,
        DeviceKind::Reader => scene.board.reader,
        DeviceKind::Scanner => scene.board.scanner,
        DeviceKind::Peripherals | DeviceKind::Backend | DeviceKind::Disk | DeviceKind::Clock => true,
    };
    let mut wrong: Vec<_> = scene.snapshot.devices.iter().filter(|(kind, _)| fitted(*kind)).collect();
    // What stops most comes first: the line has an end.
    wrong.sort_by_key(|(kind, _)| match kind {
        DeviceKind::Clock | DeviceKind::Disk => 0,
        DeviceKind::Terminal => 1,
        DeviceKind::Printer => 2,
        DeviceKind::Reader | DeviceKind::Scanner => 3,
        DeviceKind::Peripherals | DeviceKind::Backend => 4,
    });
    let parts: Vec<&str> = wrong.into_iter().filter_map(|(kind, health)| wrong_with(*kind, *health, t)).collect();
    if parts.is_empty() {
        return String::new();
    }
    format!("{}: {}", say!(t, "For our team", "Для сотрудников"), parts.join(" · "))
}

fn wrong_with(kind: DeviceKind, health: Health, t: Tongue) -> Option<&'static str> {
    let gone = matches!(health, Health::Lost | Health::Blocked);
    Some(match kind {
        DeviceKind::Printer if health == Health::Low => say!(t, "little paper is left", "заканчивается бумага для чеков"),
        DeviceKind::Printer if health == Health::Blocked => say!(t, "the printer needs paper", "в принтере нет бумаги"),
        DeviceKind::Peripherals if health == Health::Low => {
            say!(t, "light and keypad need a look", "проверьте подсветку и клавиши")
        }
        _ if !gone => return None,
        DeviceKind::Printer => say!(t, "the printer does not answer", "принтер не отвечает"),
        DeviceKind::Terminal => say!(t, "the payment terminal does not answer", "платёжный терминал не отвечает"),
        DeviceKind::Reader => say!(t, "the guest card reader does not answer", "считыватель карт не отвечает"),
        DeviceKind::Scanner => say!(t, "the code scanner does not answer", "сканер кодов не отвечает"),
        DeviceKind::Peripherals => say!(t, "light and keypad do not answer", "подсветка и клавиши не отвечают"),
        DeviceKind::Backend => say!(t, "no connection", "нет связи"),
        DeviceKind::Disk => say!(t, "no room left to record orders", "нет места для записи заказов"),
        DeviceKind::Clock => {
            say!(t, "set the clock: hold the shop’s name", "установите время: удерживайте название магазина")
        }
    })
}

/// The page on which a person sets the clock.
pub(super) fn time_page(scene: &Scene<'_>, asks: AskTime) -> PageView {
    let t = scene.tongue();
    let desk = |intent| Said::Desk(intent);
    let label = say!(t, "Year, month, day, hour, minute", "Год, месяц, день, час, минута");
    let pad =
        PadView { entry: Entry::ShopClock, typing: Typing::DateTime, label: label.to_owned(), given: String::new(), most: 12 };
    let wrong = NoticeView {
        tone: Tone::Bad,
        title: say!(t, "That is no date", "Такой даты нет").to_owned(),
        text: say!(t, "Twelve digits: 2026 11 22 10 31.", "Двенадцать цифр: 2026 11 22 10 31.").to_owned(),
    };
    PageView {
        place: format!("{} · {}", scene.shop.name, say!(t, "staff", "персонал")),
        back: Some(desk(DeskIntent::Back)),
        title: say!(t, "What time is it?", "Который час?").to_owned(),
        text: say!(
            t,
            "This kiosk was without power and knows no time yet. Receipts and prices go by it, so it sells nothing before.",
            "Киоск был без питания и ещё не знает времени. По нему печатаются чеки и действуют цены, поэтому до этого он не продаёт.",
        )
        .to_owned(),
        notice: asks.wrong.then_some(wrong),
        pad: Some(pad),
        actions: vec![ActionView::enter(say!(t, "Set it and open", "Установить и открыть")).when(!asks.busy)],
        words: words(t),
        ..PageView::default()
    }
}
