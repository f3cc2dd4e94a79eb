// SPDX-License-Identifier: GPL-3.0-only
//! What was found out about each part of the kiosk, with its cure: the lines of `kiosk-app check`, in every language and
//! without stopping anything.

use super::{PageRowView, Tone};
use crate::ui::{view_model::page::say, words::Tongue};
use kiosk_core::{
    desk::Seen,
    device::{DeviceKind, Health},
};

/// Screen, glass, clock.
pub(super) fn machine_row(t: Tongue, seen: Seen) -> PageRowView {
    let screen = say!(t, "Screen", "Экран");
    let glass = say!(t, "Glass", "Стекло");
    let clock = say!(t, "Clock", "Часы");
    let (title, tone, word) = match seen {
        Seen::Screen => (screen, Tone::Good, say!(t, "as the board-config says", "как в описании платы")),
        Seen::NoScreen => (
            screen,
            Tone::Attention,
            say!(t, "Not known to the system: plug it in and start again.", "Система его не видит: подключите и перезапустите."),
        ),
        Seen::OtherScreen => (
            screen,
            Tone::Bad,
            say!(
                t,
                "Of another size: choose the board-config of this screen.",
                "Другого размера: выберите описание платы для этого экрана."
            ),
        ),
        Seen::Glass => (glass, Tone::Good, say!(t, "can be touched", "чувствует касания")),
        Seen::NoGlass => (
            glass,
            Tone::Attention,
            say!(
                t,
                "Nothing can be touched: plug its cable in and start again.",
                "Касаний нет: подключите кабель и перезапустите."
            ),
        ),
        Seen::Clock => (clock, Tone::Good, say!(t, "set, and kept by its battery", "идут и хранятся батарейкой")),
        Seen::ClockForgets => (
            clock,
            Tone::Attention,
            say!(
                t,
                "Set, and forgotten without power: fit a clock with a battery.",
                "Идут, но без питания собьются: установите часы с батарейкой."
            ),
        ),
        Seen::ClockUnset => (
            clock,
            Tone::Bad,
            say!(
                t,
                "Never set: connect the network, or set it at the screen.",
                "Не установлены: подключите сеть или задайте время."
            ),
        ),
    };
    PageRowView { tone, ..PageRowView::told(title, word) }
}

/// `None` for what has no line of its own.
pub(super) fn device_row(t: Tongue, kind: DeviceKind, health: Health) -> Option<PageRowView> {
    let title = match kind {
        DeviceKind::Terminal => say!(t, "Card terminal", "Терминал оплаты"),
        DeviceKind::Reader => say!(t, "Guest card reader", "Считыватель карт гостей"),
        DeviceKind::Scanner => say!(t, "Code scanner", "Сканер кодов"),
        DeviceKind::Printer => say!(t, "Receipt printer", "Принтер чеков"),
        DeviceKind::Peripherals => say!(t, "Lights and keys", "Подсветка и клавиши"),
        DeviceKind::Backend => say!(t, "The way to the backend", "Связь с сервером"),
        DeviceKind::Disk => say!(t, "Disk", "Диск"),
        // Its line is the machine's.
        DeviceKind::Clock => return None,
    };
    let (tone, word) = match (kind, health) {
        (_, Health::Ok) => (Tone::Good, say!(t, "works", "работает")),
        (DeviceKind::Printer, Health::Low) => {
            (Tone::Attention, say!(t, "Paper is nearly out: put a new roll in.", "Бумага кончается: вставьте новый рулон."))
        }
        (_, Health::Low) => (Tone::Attention, say!(t, "works, and needs a look", "работает, требует внимания")),
        (DeviceKind::Printer, Health::Blocked) => {
            (Tone::Bad, say!(t, "Put paper in and close the cover.", "Вставьте бумагу и закройте крышку."))
        }
        (DeviceKind::Terminal, Health::Blocked) => (
            Tone::Bad,
            say!(
                t,
                "It refuses us: end the payment at it, and compare the till password.",
                "Отказывает: завершите оплату на нём и сверьте пароль кассы."
            ),
        ),
        (DeviceKind::Terminal, Health::Lost) => (
            Tone::Bad,
            say!(
                t,
                "Switch it on, and compare its address with the board-config.",
                "Включите его и сверьте адрес с описанием платы."
            ),
        ),
        (DeviceKind::Reader, Health::Lost) => (
            Tone::Bad,
            say!(t, "Look at its cable, then start its service again.", "Проверьте кабель, затем перезапустите службу."),
        ),
        (DeviceKind::Peripherals, Health::Lost) => {
            (Tone::Bad, say!(t, "Plug the board in; a new one must be flashed.", "Подключите плату; новую нужно прошить."))
        }
        (DeviceKind::Backend, _) => (
            Tone::Attention,
            say!(t, "Look at the network. Guests are served meanwhile.", "Проверьте сеть. Гости обслуживаются как обычно."),
        ),
        (DeviceKind::Disk, _) => (
            Tone::Bad,
            say!(t, "Nothing can be recorded: make room, or replace it.", "Запись невозможна: освободите место или замените."),
        ),
        (_, Health::Blocked | Health::Lost) => {
            (Tone::Bad, say!(t, "Look at its cable and its power.", "Проверьте кабель и питание."))
        }
    };
    Some(PageRowView { tone, ..PageRowView::told(title, word) })
}
