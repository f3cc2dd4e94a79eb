// SPDX-License-Identifier: GPL-3.0-only
//! Guests' cards: given out, blocked, replaced.

use super::*;
use kiosk_core::desk::{BATCH_MAX, Holder, MakingView};

impl Pages<'_> {
    /// New ones for whoever comes, or somebody's.
    pub(super) fn cards(&self) -> PageView {
        let t = self.t;
        let cards = &self.desk.cards;
        let mut page = titled(say!(t, "Guest cards", "Карты гостей"), "");
        if cards.search.is_empty() {
            page.rows = vec![
                PageRowView::leading(
                    say!(t, "A guest's card", "Карта гостя"),
                    say!(t, "a new one, or a lost one is replaced", "новая или взамен потерянной"),
                    asks(Ask::HolderName),
                ),
                PageRowView::leading(
                    say!(t, "Cards to hand out", "Карты для раздачи"),
                    say!(t, "for guests who join later", "для гостей, которые присоединятся позже"),
                    asks(Ask::CardCount),
                ),
            ];
            return page;
        }
        page.text = say!(t, format!("found for “{}”", cards.search), format!("по запросу «{}»", cards.search));
        page.rows = cards.found.iter().map(|holder| self.holder_row(holder)).collect();
        if cards.found.is_empty() && !self.desk.busy {
            let title = say!(t, "Nobody is called like that here", "Никого с таким именем").to_owned();
            let text = say!(t, "Try fewer letters.", "Попробуйте меньше букв.").to_owned();
            page.notice = Some(NoticeView { tone: Tone::Quiet, title, text });
        }
        page.actions = vec![ActionView::say(say!(t, "Look again", "Искать снова"), asks(Ask::HolderName))];
        page
    }

    fn holder_row(&self, holder: &Holder) -> PageRowView {
        let said = desk_says(DeskIntent::OpenHolder(holder.visitor.clone()));
        PageRowView::leading(self.holder_title(holder), self.holder_detail(holder), said)
    }

    fn holder_title(&self, holder: &Holder) -> String {
        if holder.name.is_empty() { say!(self.t, "Without a name", "Без имени").to_owned() } else { holder.name.clone() }
    }

    fn holder_detail(&self, holder: &Holder) -> String {
        let t = self.t;
        let points = say!(t, format!("{} points", holder.points), format!("баллов: {}", holder.points));
        if holder.phone_ending.is_empty() { points } else { format!("… {} · {points}", holder.phone_ending) }
    }

    /// One guest's cards.
    pub(super) fn holder(&self) -> PageView {
        let t = self.t;
        let cards = &self.desk.cards;
        let Some(holder) = &cards.holder else { return self.cards() };
        let new = |title, detail, replaces| {
            PageRowView::leading(title, detail, desk_says(DeskIntent::MakeCards { count: 1, replaces }))
        };
        let mut page = titled(&self.holder_title(holder), &self.holder_detail(holder));
        page.rows = vec![
            new(
                say!(t, "A card more", "Ещё одна карта"),
                say!(t, "the others stay good", "остальные продолжают действовать"),
                false,
            ),
            new(
                say!(t, "Lost: a new card", "Потеряна: новая карта"),
                say!(t, "all others are blocked; points and history stay", "остальные блокируются; баллы и история остаются"),
                true,
            ),
        ];
        if self.may(Act::BlockCards) {
            page.rows.push(PageRowView {
                tone: Tone::Attention,
                ..PageRowView::leading(
                    say!(t, "Lost: only block", "Потеряна: только блокировать"),
                    say!(t, "a new card can wait", "новую можно сделать потом"),
                    asks(Ask::CardsLost),
                )
            });
        }
        if let Some(count) = cards.blocked {
            let title = say!(t, format!("Cards blocked: {count}"), format!("Заблокировано карт: {count}"));
            let text =
                say!(t, "Every shop refuses them within a minute.", "Через минуту их не примет ни один магазин.").to_owned();
            page.notice = Some(NoticeView { tone: Tone::Good, title, text });
        }
        page
    }

    /// At the reader.
    pub(super) fn making(&self) -> PageView {
        let t = self.t;
        let Some(making) = &self.desk.cards.making else { return self.cards() };
        let MakingView { count, made, .. } = *making;
        let mut page = if making.is_done() {
            titled(
                &say!(t, format!("Done: {made}"), format!("Готово: {made}")),
                say!(t, "The reader reads guests' cards again.", "Считыватель снова читает карты гостей."),
            )
        } else {
            titled(
                say!(t, "A blank card to the reader", "Чистую карту — к считывателю"),
                say!(
                    t,
                    "Leave it there until it says so, about two seconds. Taken away too soon, the same card is gone on with.",
                    "Не убирайте, пока не появится ответ — около двух секунд. Убрали раньше — приложите ту же карту снова.",
                ),
            )
        };
        page.stats = vec![(format!("{made} / {count}"), say!(t, "made", "сделано").to_owned())];
        if let Some(holder) = &self.desk.cards.holder {
            page.stats.push((self.holder_title(holder), say!(t, "for", "для").to_owned()));
        }
        page.notice = making.last.map(|step| self.card_step(step));
        page.actions =
            vec![act(if making.is_done() { say!(t, "Done", "Готово") } else { say!(t, "Stop", "Закончить") }, DeskIntent::Back)];
        page
    }

    fn card_step(&self, step: CardStep) -> NoticeView {
        let t = self.t;
        let (tone, title, text) = match step {
            CardStep::Made { blocked: 0, .. } => (
                Tone::Good,
                say!(t, "This card is ready", "Карта готова"),
                say!(t, "It was read back and checked.", "Она прочитана и проверена."),
            ),
            CardStep::Made { .. } => (
                Tone::Good,
                say!(t, "This card is ready, the lost one is blocked", "Карта готова, потерянная заблокирована"),
                say!(t, "Points and history are with it.", "Баллы и история теперь на ней."),
            ),
            CardStep::MadeBefore => (
                Tone::Quiet,
                say!(t, "This one is ready already", "Эта карта уже готова"),
                say!(t, "The next, please.", "Следующую."),
            ),
            CardStep::TakenAway => (
                Tone::Attention,
                say!(t, "Taken away too soon", "Убрали слишком рано"),
                say!(t, "The same card again: it is gone on with.", "Ту же карту ещё раз: продолжим с того же места."),
            ),
            CardStep::WrongKind => (
                Tone::Bad,
                say!(t, "This kind cannot be a guest card", "Такая карта не подойдёт"),
                say!(t, "NTAG 424 DNA, blank.", "Нужна чистая NTAG 424 DNA."),
            ),
            CardStep::Foreign => (
                Tone::Bad,
                say!(t, "This card is not blank", "Карта не чистая"),
                say!(t, "It holds another shop's keys and stays as it is.", "На ней чужие ключи; она осталась как была."),
            ),
            CardStep::Faulty => (
                Tone::Bad,
                say!(t, "This card does not keep what is written", "Карта не сохраняет записанное"),
                say!(t, "Once more, or put it aside.", "Попробуйте ещё раз или отложите её."),
            ),
            CardStep::NoBackend => (
                Tone::Attention,
                say!(t, "The network is away", "Нет сети"),
                say!(t, "The same card again once it is back.", "Приложите ту же карту, когда она появится."),
            ),
            CardStep::Refused => (
                Tone::Bad,
                say!(t, "This card was refused", "В этой карте отказано"),
                say!(t, "It is somebody else's, or was reported lost.", "Она чужая, или о её потере сообщили."),
            ),
        };
        NoticeView { tone, title: title.to_owned(), text: text.to_owned() }
    }

    pub(super) fn holder_name(&self) -> PageView {
        let t = self.t;
        PageView {
            pad: Some(PadView {
                entry: Entry::HolderName,
                typing: Typing::Text,
                label: say!(t, "Name or telephone", "Имя или телефон").to_owned(),
                given: String::new(),
                most: 40,
            }),
            actions: vec![ActionView::enter(say!(t, "Find", "Найти"))],
            ..titled(
                say!(t, "Whose card?", "Чья карта?"),
                say!(t, "Part of the name, or the last digits of the number.", "Часть имени или последние цифры номера."),
            )
        }
    }

    pub(super) fn card_count(&self) -> PageView {
        let t = self.t;
        PageView {
            pad: Some(PadView {
                entry: Entry::CardCount,
                typing: Typing::Number,
                label: say!(t, "Cards", "Карт").to_owned(),
                given: String::new(),
                most: 3,
            }),
            actions: vec![ActionView::enter(say!(t, "Begin", "Начать"))],
            ..titled(
                say!(t, "How many cards?", "Сколько карт?"),
                &say!(t, format!("Up to {BATCH_MAX}, one after the other."), format!("До {BATCH_MAX}, одна за другой.")),
            )
        }
    }

    pub(super) fn cards_lost(&self) -> PageView {
        let t = self.t;
        let name = self.desk.cards.holder.as_ref().map(|holder| self.holder_title(holder)).unwrap_or_default();
        PageView {
            actions: vec![act(say!(t, "Yes, block them", "Да, заблокировать"), DeskIntent::BlockCards)],
            ..titled(
                &say!(t, format!("Block all cards of {name}?"), format!("Заблокировать все карты: {name}?")),
                say!(
                    t,
                    "They cannot be unblocked. Points and history stay with the guest.",
                    "Разблокировать их нельзя. Баллы и история остаются у гостя.",
                ),
            )
        }
    }
}
