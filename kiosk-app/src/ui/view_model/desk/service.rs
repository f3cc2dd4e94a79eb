// SPDX-License-Identifier: GPL-3.0-only
//! The pages of whoever mends the kiosk. Nothing of a guest stands on them.

use super::{check, *};
use kiosk_core::{
    desk::{Aiming, MARKS, ServiceFacts, TOUCH_PLACES, Trial},
    device::{DeviceKind, Health, Method},
};

impl Pages<'_> {
    pub(super) fn service(&self) -> PageView {
        let t = self.t;
        let mut page = titled(
            say!(t, "How is this kiosk?", "Как работает этот киоск?"),
            say!(t, "Nothing of guests or of the till is shown here.", "Данных гостей и кассы здесь нет."),
        );
        let view = self.desk.service.clone().unwrap_or_default();
        let facts = view.facts.clone().unwrap_or_default();
        page.stats = vec![
            (
                facts.unsent.map_or("–".to_owned(), |count| count.to_string()),
                say!(t, "events to send", "событий к отправке").to_owned(),
            ),
            (facts.software.clone(), say!(t, "version", "версия").to_owned()),
        ];
        self.device_rows(&mut page.rows);
        self.trial_rows(&view, &mut page.rows);
        self.fact_rows(&facts, &mut page.rows);
        page.actions = vec![act(say!(t, "Look again", "Обновить"), DeskIntent::Try(Trial::Look))];
        page
    }

    /// Each thing that is not as it should be says what to do; what works says so in one line.
    pub(super) fn check(&self) -> PageView {
        let t = self.t;
        let mut page = titled(
            say!(t, "What is wrong, and what to do", "Что не так и что делать"),
            say!(t, "Looked at while the kiosk goes on.", "Проверено без остановки киоска."),
        );
        let facts = self.desk.service.as_ref().and_then(|service| service.facts.as_ref());
        let seen = facts.map(|facts| facts.seen.as_slice()).unwrap_or_default();
        let devices = &self.scene.snapshot.devices;
        page.rows = seen.iter().map(|seen| check::machine_row(t, *seen)).collect();
        page.rows.extend(devices.iter().filter_map(|(kind, health)| check::device_row(t, *kind, *health)));
        let bad = page.rows.iter().filter(|row| row.tone != Tone::Good).count();
        let (tone, title) = if bad == 0 {
            (Tone::Good, say!(t, "Everything that was looked at works.", "Всё проверенное работает.").to_owned())
        } else {
            let title = say!(t, "To be put right: {}", "Нужно исправить: {}");
            (Tone::Attention, title.replacen("{}", &bad.to_string(), 1))
        };
        page.notice = Some(NoticeView { tone, title, text: String::new() });
        page.actions = vec![act(say!(t, "Look again", "Обновить"), DeskIntent::Go(DeskPage::Check))];
        page
    }

    fn device_rows(&self, rows: &mut Vec<PageRowView>) {
        let t = self.t;
        let kinds = [
            (DeviceKind::Terminal, say!(t, "Card terminal", "Терминал оплаты")),
            (DeviceKind::Reader, say!(t, "Guest card reader", "Считыватель карт гостей")),
            (DeviceKind::Scanner, say!(t, "Code scanner", "Сканер кодов")),
            (DeviceKind::Printer, say!(t, "Receipt printer", "Принтер чеков")),
            (DeviceKind::Peripherals, say!(t, "Lights and keys", "Подсветка и клавиши")),
            (DeviceKind::Backend, say!(t, "The way to the backend", "Связь с сервером")),
        ];
        for (kind, name) in kinds {
            if kind == DeviceKind::Scanner && !self.scene.board.scanner {
                continue;
            }
            let health =
                self.scene.snapshot.devices.iter().find(|(known, _)| *known == kind).map_or(Health::Ok, |(_, health)| *health);
            let (tone, word) = match health {
                Health::Ok => (Tone::Good, say!(t, "works", "работает")),
                Health::Low => (Tone::Attention, say!(t, "needs a look", "требует внимания")),
                Health::Blocked => (Tone::Bad, say!(t, "cannot work", "не может работать")),
                Health::Lost => (Tone::Bad, say!(t, "not there", "не отвечает")),
            };
            let section = if rows.is_empty() { say!(t, "Devices", "Устройства").to_owned() } else { String::new() };
            rows.push(PageRowView { section, badge: word.to_owned(), tone, ..PageRowView::told(name, "") });
        }
    }

    fn trial_rows(&self, view: &kiosk_core::desk::ServiceView, rows: &mut Vec<PageRowView>) {
        let t = self.t;
        let card = match view.card {
            None => say!(t, "lay a card on the reader: it shows here", "приложите карту: она появится здесь"),
            Some(Method::Ntag424) => say!(t, "a card with a secure message was read", "прочитана карта с защищённым сообщением"),
            Some(Method::Hce) => say!(t, "a telephone was read", "прочитан телефон"),
            Some(_) => say!(t, "a plain card was read", "прочитана простая карта"),
        };
        rows.push(PageRowView {
            section: say!(t, "Try out", "Проверить").to_owned(),
            tone: if view.card.is_some() { Tone::Good } else { Tone::Plain },
            ..PageRowView::told(say!(t, "Reader", "Считыватель"), card)
        });
        rows.push(PageRowView::leading(
            say!(t, "Check", "Проверка"),
            say!(t, "what is wrong, and what to do", "что не так и что делать"),
            desk_says(DeskIntent::Go(DeskPage::Check)),
        ));
        rows.push(PageRowView::leading(
            say!(t, "Light and sound", "Свет и звук"),
            say!(t, "each touch shows the next signal", "каждое касание — следующий сигнал"),
            desk_says(DeskIntent::Try(Trial::Light(view.light))),
        ));
        rows.push(PageRowView::leading(
            say!(t, "Test print", "Пробная печать"),
            say!(t, "a page that sells nothing", "страница без продажи"),
            desk_says(DeskIntent::Try(Trial::Print)),
        ));
        rows.push(PageRowView::leading(
            say!(t, "Touch", "Касания"),
            say!(t, "does the glass feel a finger from top to bottom?", "чувствует ли стекло палец сверху донизу?"),
            desk_says(DeskIntent::Go(DeskPage::TouchTest)),
        ));
        rows.push(PageRowView::leading(
            say!(t, "Correct touches", "Настроить касания"),
            say!(
                t,
                "a touch counts beside the finger? Measure the glass",
                "касание срабатывает рядом с пальцем? Измерьте стекло"
            ),
            desk_says(DeskIntent::Go(DeskPage::Glass)),
        ));
        rows.push(PageRowView::leading(
            say!(t, "Log", "Журнал"),
            say!(t, "the newest lines", "последние строки"),
            desk_says(DeskIntent::Go(DeskPage::Log)),
        ));
    }

    fn fact_rows(&self, facts: &ServiceFacts, rows: &mut Vec<PageRowView>) {
        let t = self.t;
        let none = || "–".to_owned();
        let number = |value: Option<u64>| value.map_or_else(none, |value| value.to_string());
        let fact = |title: &str, value: String| PageRowView { value, ..PageRowView::told(title, "") };
        let network = facts.address.clone().unwrap_or_else(none);
        rows.push(PageRowView {
            section: say!(t, "Facts", "Сведения").to_owned(),
            ..fact(say!(t, "Name and address", "Имя и адрес"), format!("{} · {network}", facts.host))
        });
        let minutes = facts.oldest_s.map(|seconds| seconds.div_ceil(60));
        rows.push(fact(say!(t, "Oldest unsent, minutes", "Старейшее неотправленное, мин"), number(minutes)));
        rows.push(fact(say!(t, "Menu", "Меню"), self.scene.catalogue.version.clone()));
        rows.push(fact(say!(t, "Key for cards", "Ключ карт"), number(facts.key_version.map(u64::from))));
        rows.push(fact(say!(t, "Staff list", "Список сотрудников"), number(facts.roster_version)));
        rows.push(fact(say!(t, "Free on the disk, MiB", "Свободно на диске, МиБ"), number(facts.disk_free_mib)));
    }

    pub(super) fn touch_test(&self) -> PageView {
        let t = self.t;
        let touched = self.desk.service.as_ref().map_or(0, |service| service.touched);
        let done = touched.count_ones() == u32::from(TOUCH_PLACES);
        let mut page = titled(
            say!(t, "Touch each line", "Коснитесь каждой строки"),
            say!(
                t,
                "At its left end, in its middle, at its right end: it turns green.",
                "Слева, посередине, справа: строка станет зелёной."
            ),
        );
        for place in 0..TOUCH_PLACES {
            let felt = touched & (1 << place) != 0;
            page.rows.push(PageRowView {
                tone: if felt { Tone::Good } else { Tone::Plain },
                badge: if felt { say!(t, "felt", "есть").to_owned() } else { String::new() },
                ..PageRowView::leading(format!("{}", place + 1), "", desk_says(DeskIntent::Try(Trial::Touch(place))))
            });
        }
        if done {
            let title = say!(t, "The glass feels every line.", "Стекло чувствует все строки.").to_owned();
            page.notice = Some(NoticeView { tone: Tone::Good, title, text: String::new() });
        }
        page.actions = vec![act(say!(t, "From the beginning", "Сначала"), DeskIntent::Try(Trial::TouchAgain))];
        page
    }

    /// Marks, one after the other; then what came of it.
    pub(super) fn marks(&self) -> PageView {
        let t = self.t;
        let glass = self.desk.service.as_ref().map(|service| service.glass).unwrap_or_default();
        if let Some(mark) = glass.mark() {
            let title = match glass.aiming {
                Aiming::Proof => say!(t, "Once more, to be sure", "Ещё раз для проверки").to_owned(),
                _ => say!(t, "Touch the mark: {} of {}", "Коснитесь метки: {} из {}")
                    .replacen("{}", &glass.number().to_string(), 1)
                    .replacen("{}", &MARKS.len().to_string(), 1),
            };
            let text = say!(
                t,
                "With the tip of a finger, in its middle. Not touched for half a minute, everything stays as it was.",
                "Кончиком пальца, точно в середину. Без касания полминуты всё останется как было."
            );
            return PageView { mark: Some(mark), ..titled(&title, text) };
        }
        let (tone, title, text) = match glass.aiming {
            Aiming::Kept => (
                Tone::Good,
                say!(t, "Touches are corrected.", "Касания скорректированы."),
                say!(t, "This is kept on this machine.", "Настройка сохранена на этом устройстве."),
            ),
            Aiming::Forgotten => (
                Tone::Good,
                say!(t, "Nothing is corrected any more.", "Коррекция снята."),
                say!(t, "Touches count where the glass feels them.", "Касания засчитываются там, где их чувствует стекло."),
            ),
            Aiming::Missed => (
                Tone::Attention,
                say!(t, "The last mark was missed.", "Последняя метка не задета."),
                say!(t, "Everything is as it was before.", "Всё осталось как было."),
            ),
            Aiming::Unfit | Aiming::Marks | Aiming::Proof => (
                Tone::Attention,
                say!(t, "These touches do not fit together.", "Касания не согласуются между собой."),
                say!(
                    t,
                    "Everything is as it was before. Clean the glass, touch each mark once, and try again.",
                    "Всё осталось как было. Протрите стекло, коснитесь каждой метки один раз и попробуйте снова."
                ),
            ),
        };
        let mut page = titled(
            say!(t, "Touches where they are meant", "Точность касаний"),
            say!(t, "Five marks are touched, and one more proves it.", "Пять меток, и ещё одна для проверки."),
        );
        page.notice = Some(NoticeView { tone, title: title.to_owned(), text: text.to_owned() });
        page.actions = vec![
            act(say!(t, "Correct nothing", "Снять коррекцию"), DeskIntent::Try(Trial::AimForget)),
            act(say!(t, "Measure again", "Измерить снова"), DeskIntent::Try(Trial::AimAgain)),
        ];
        page
    }

    pub(super) fn log(&self) -> PageView {
        let t = self.t;
        let facts = self.desk.service.as_ref().and_then(|service| service.facts.as_ref());
        let lines = facts.map(|facts| facts.log.as_slice()).unwrap_or_default();
        let mut page = titled(
            say!(t, "The newest lines of the log", "Последние строки журнала"),
            say!(t, "All of it: journalctl -u cem-kiosk", "Целиком: journalctl -u cem-kiosk"),
        );
        page.rows = lines.iter().rev().map(|line| PageRowView::told("", line.clone())).collect();
        page.actions = vec![act(say!(t, "Look again", "Обновить"), DeskIntent::Try(Trial::Look))];
        page
    }
}
