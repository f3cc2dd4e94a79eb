// SPDX-License-Identifier: GPL-3.0-only
//! The pages of the desk: what staff put right, and the till.
//!
//! One question a page. What a page cannot know before a person has answered (why, how much) is asked on a page of its own,
//! and only then said to the core: see [`Ask`].

mod cards;
mod check;
mod people;
mod service;
mod till;
mod words;

use super::{
    Scene,
    page::{ActionView, Entry, NoticeView, PadView, PageRowView, PageView, Said, Tone, Typing, say},
    setup::words,
};
use crate::ui::words::{LocalTime, Tongue, times};
use kiosk_core::{
    Id, Minor, Tender,
    desk::{CardStep, CashMove, DeskIntent, DeskPage, DeskView, Notice, OrderLine, OrderSearch, Reason, UnknownView},
    payments::Verdict,
    refund::{Pick, Sold, SoldLine, SoldState, Way},
    staff::{Act, May, Person, StaffRole},
    terminal::Enquiry,
};

/// What the screen asks before it says anything to the core. Nothing of it is kept once the desk is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The PIN of this staff number.
    Pin(String),
    /// Part of an order number.
    OrderNumber,
    /// What the guest gave.
    CashGiven,
    /// The float of a new shift.
    Float,
    /// How much cash, for this.
    CashMove(CashMove),
    /// Why, for this much cash.
    CashReason(CashMove, Minor),
    /// Why the drawer is opened.
    DrawerReason,
    /// Why the open order is cancelled.
    VoidReason,
    /// Why it goes back.
    RefundReason,
    /// A guest's name, or the end of a telephone number.
    HolderName,
    /// How many cards.
    CardCount,
    /// All cards of the open guest are lost: are you sure?
    CardsLost,
    /// The number of somebody new.
    NewNumber,
    /// The name of whoever gets this number.
    NewName(String),
    /// The role of whoever gets this number and name.
    NewRole(String, String),
    /// Another role for this number.
    RoleOf(String),
    /// When this number leaves.
    EndOf(String),
    /// The last moment of this number.
    EndDate(String),
    /// What became of a payment: are you sure?
    Verdict(Id, Verdict),
}

/// The page of the desk, with what the screen asks over it.
pub fn page(scene: &Scene<'_>, desk: &DeskView, ask: Option<&Ask>) -> PageView {
    let t = scene.tongue();
    let pages = Pages { scene, desk, t };
    let mut page = match (&desk.approval, ask) {
        (_, Some(Ask::Pin(staff))) => pages.pin(staff),
        (Some(_), _) => pages.approval(),
        (None, Some(ask)) => pages.ask(ask),
        (None, None) => pages.of(desk.page),
    };
    let role = say!(t, "staff", "персонал");
    page.place = format!("{} · {role}", scene.shop.name);
    if let Some(person) = desk.person.as_ref().filter(|_| desk.page != DeskPage::ChoosePin) {
        page.who = who(person, &desk.till.till);
        page.leave = Some(desk_says(DeskIntent::SignOut));
    }
    page.words = words(t);
    page.back = Some(match ask {
        Some(_) => Said::Ask(None),
        None if desk.page == DeskPage::Home => desk_says(DeskIntent::SignOut),
        None => desk_says(DeskIntent::Back),
    });
    if let Some(notice) = desk.notice {
        page.notice = Some(pages.notice(notice));
    } else if desk.busy && page.notice.is_none() {
        let title = say!(t, "One moment", "Одну минуту").to_owned();
        page.notice = Some(NoticeView { tone: Tone::Quiet, title, text: String::new() });
    }
    if desk.busy {
        page.actions.iter_mut().for_each(|action| action.enabled = false);
    }
    page
}

fn who(person: &Person, till: &str) -> String {
    let name = if person.name.is_empty() { &person.id } else { &person.name };
    if till.is_empty() { name.clone() } else { format!("{name} · {till}") }
}

fn desk_says(intent: DeskIntent) -> Said {
    Said::Desk(intent)
}

fn asks(ask: Ask) -> Said {
    Said::Ask(Some(ask))
}

fn act(text: &str, intent: DeskIntent) -> ActionView {
    ActionView::say(text, desk_says(intent))
}

fn titled(title: &str, text: &str) -> PageView {
    PageView { title: title.to_owned(), text: text.to_owned(), ..PageView::default() }
}

struct Pages<'a> {
    scene: &'a Scene<'a>,
    desk: &'a DeskView,
    t: Tongue,
}

impl Pages<'_> {
    fn of(&self, page: DeskPage) -> PageView {
        match page {
            DeskPage::SignIn => self.sign_in(),
            DeskPage::ChoosePin => self.choose_pin(),
            DeskPage::Home => self.home(),
            DeskPage::Unknown => self.unknown(),
            DeskPage::Orders => self.orders(),
            DeskPage::Order => self.order(),
            DeskPage::Refund => self.refund(),
            DeskPage::Cash => self.cash(),
            DeskPage::Till => self.till(),
            DeskPage::Report => self.report(),
            DeskPage::Closing => self.closing(),
            DeskPage::Cards => self.cards(),
            DeskPage::Holder => self.holder(),
            DeskPage::Making => self.making(),
            DeskPage::Staff => self.people(),
            DeskPage::Colleague => self.colleague(),
            DeskPage::Service => self.service(),
            DeskPage::Check => self.check(),
            DeskPage::TouchTest => self.touch_test(),
            DeskPage::Glass => self.marks(),
            DeskPage::Log => self.log(),
        }
    }

    fn money(&self, amount: Minor) -> String {
        self.scene.money(amount)
    }

    fn clock(&self, utc_ms: Option<i64>) -> String {
        utc_ms.map_or_else(String::new, |ms| LocalTime::at(ms, self.scene.now.offset_min).clock())
    }

    fn may(&self, act: Act) -> bool {
        let may = self.desk.may.iter().find(|(known, _)| *known == act).map(|(_, may)| *may);
        may.is_some_and(|may| may != May::No)
    }

    fn money_pad(&self, entry: Entry, label: &str) -> Option<PadView> {
        let exponent = self.scene.catalogue.currency.exponent;
        Some(PadView { entry, typing: Typing::Money { exponent }, label: label.to_owned(), given: String::new(), most: 9 })
    }

    fn sign_in(&self) -> PageView {
        let t = self.t;
        let mut page = titled(
            say!(t, "Who is there?", "Кто вы?"),
            say!(t, "Your badge to the reader, or your number.", "Приложите бейдж к считывателю или введите номер."),
        );
        if let Some(person) = &self.desk.sign_in.known {
            return self.pin(&person.id);
        }
        page.pad = Some(PadView {
            entry: Entry::StaffNumber,
            typing: Typing::Number,
            label: say!(t, "Staff number", "Табельный номер").to_owned(),
            given: String::new(),
            most: 16,
        });
        page.notice = self.refusal();
        page.actions = vec![ActionView::enter(say!(t, "Go on", "Дальше"))];
        page
    }

    fn refusal(&self) -> Option<NoticeView> {
        let t = self.t;
        let sign_in = &self.desk.sign_in;
        let left = sign_in.paused_until_ms.map(|until| until.saturating_sub(self.scene.now.mono_ms).div_ceil(1000));
        let text = match left.filter(|seconds| *seconds > 0) {
            Some(seconds) => {
                say!(t, format!("The next try is taken in {seconds} s."), format!("Следующая попытка — через {seconds} с."))
            }
            None => say!(t, "Try again, or ask your manager for a new PIN.", "Повторите или попросите новый PIN у менеджера.")
                .to_owned(),
        };
        let title = say!(t, "That did not fit", "Не подошло").to_owned();
        (sign_in.refused || left.is_some_and(|s| s > 0)).then_some(NoticeView { tone: Tone::Bad, title, text })
    }

    fn pin(&self, staff: &str) -> PageView {
        let t = self.t;
        let known = self.desk.sign_in.known.as_ref().filter(|person| person.id == staff && !person.name.is_empty());
        let name = known.map_or(staff, |person| person.name.as_str());
        PageView {
            pad: Some(PadView {
                entry: Entry::Pin(staff.to_owned()),
                typing: Typing::Secret,
                label: "PIN".to_owned(),
                given: String::new(),
                most: 12,
            }),
            notice: self.refusal(),
            actions: vec![ActionView::enter(say!(t, "Sign in", "Войти"))],
            ..titled(name, say!(t, "Your PIN, please. Nobody else needs to see it.", "Введите PIN так, чтобы никто не видел."))
        }
    }

    fn choose_pin(&self) -> PageView {
        let t = self.t;
        PageView {
            pad: Some(PadView {
                entry: Entry::NewPin,
                typing: Typing::Secret,
                label: say!(t, "New PIN", "Новый PIN").to_owned(),
                given: String::new(),
                most: 12,
            }),
            actions: vec![ActionView::enter(say!(t, "Use this PIN", "Сохранить PIN"))],
            ..titled(
                say!(t, "Choose a PIN of your own", "Придумайте свой PIN"),
                say!(
                    t,
                    "4 to 12 digits, no run and no birthday. Only you know it from now on.",
                    "4–12 цифр, не подряд. Знать его будете только вы."
                ),
            )
        }
    }

    fn approval(&self) -> PageView {
        let t = self.t;
        let Some(asked) = &self.desk.approval else { return PageView::default() };
        let about = [asked.amount.map(|amount| self.money(amount)), Some(asked.order.clone()).filter(|order| !order.is_empty())];
        let about: Vec<String> = about.into_iter().flatten().collect();
        let mut page = titled(
            match asked.role {
                StaffRole::Manager => say!(t, "A manager, please", "Нужен менеджер"),
                StaffRole::Staff | StaffRole::Service => say!(t, "A colleague, please", "Нужен коллега"),
            },
            say!(
                t,
                "A second person looks at it and approves with badge or number.",
                "Второй человек смотрит и подтверждает бейджем или номером."
            ),
        );
        page.stats = vec![(if about.is_empty() { "·".to_owned() } else { about.join(" · ") }, self.act(asked.act).to_owned())];
        page.pad = Some(PadView {
            entry: Entry::StaffNumber,
            typing: Typing::Number,
            label: say!(t, "Staff number", "Табельный номер").to_owned(),
            given: String::new(),
            most: 16,
        });
        page.notice = self.refusal();
        page.actions = vec![ActionView::enter(say!(t, "Go on", "Дальше"))];
        page
    }

    fn home(&self) -> PageView {
        let t = self.t;
        let desk = self.desk;
        let name =
            desk.person.as_ref().map(|p| if p.name.is_empty() { p.id.clone() } else { p.name.clone() }).unwrap_or_default();
        let mut page = titled(&say!(t, format!("Hello, {name}"), format!("Здравствуйте, {name}")), "");
        let row = |title: &str, detail: String, to: DeskPage| PageRowView::leading(title, detail, desk_says(DeskIntent::Go(to)));
        if !desk.unknown.is_empty() {
            let count = desk.unknown.len();
            page.rows.push(PageRowView {
                tone: Tone::Bad,
                badge: count.to_string(),
                ..row(
                    say!(t, "Payments nobody knows the end of", "Платежи с неизвестным исходом"),
                    say!(
                        t,
                        "Look at the terminal's journal, then say what became of them.",
                        "Посмотрите журнал терминала и укажите исход."
                    )
                    .to_owned(),
                    DeskPage::Unknown,
                )
            });
        }
        if self.may(Act::SeeOrders) {
            page.rows.push(row(
                say!(t, "Orders", "Заказы"),
                say!(t, "find, print again, give back, take cash", "найти, напечатать, вернуть, принять наличные").to_owned(),
                DeskPage::Orders,
            ));
        }
        if self.may(Act::IssueCards) {
            page.rows.push(row(
                self.act(Act::IssueCards),
                say!(t, "give one out, block a lost one, replace it", "выдать, заблокировать потерянную, заменить").to_owned(),
                DeskPage::Cards,
            ));
        }
        let till = if desk.till.open {
            say!(
                t,
                format!("shift {} since {}", desk.till.number, self.clock(desk.till.opened_utc_ms)),
                format!("смена {} с {}", desk.till.number, self.clock(desk.till.opened_utc_ms))
            )
        } else {
            say!(t, "no shift is open", "смена не открыта").to_owned()
        };
        let overdue = desk.till.open && desk.till.overdue;
        page.rows.push(PageRowView {
            tone: if overdue { Tone::Attention } else { Tone::Plain },
            badge: if overdue { say!(t, "time for a Z", "пора снять Z").to_owned() } else { String::new() },
            ..row(say!(t, "Till", "Касса"), till, DeskPage::Till)
        });
        if self.may(Act::ManageStaff) {
            page.rows.push(row(
                self.act(Act::ManageStaff),
                say!(t, "who works here, badges, PINs", "кто здесь работает, бейджи, PIN").to_owned(),
                DeskPage::Staff,
            ));
        }
        if self.may(Act::Service) {
            page.rows.push(row(
                self.act(Act::Service),
                say!(t, "devices, network, queue, log", "устройства, сеть, очередь, журнал").to_owned(),
                DeskPage::Service,
            ));
        }
        page.actions = vec![act(say!(t, "Back to the guests", "К гостям"), DeskIntent::SignOut)];
        page
    }

    fn unknown(&self) -> PageView {
        let t = self.t;
        let mut page = titled(
            say!(t, "What became of these?", "Что стало с этими платежами?"),
            say!(
                t,
                "Nobody pays twice: say what the terminal's own journal shows. It is checked at the end of day.",
                "Дважды никто не платит: укажите то, что видно в журнале терминала. В конце дня это сверяется.",
            ),
        );
        for unknown in &self.desk.unknown {
            self.unknown_rows(unknown, &mut page.rows);
        }
        if self.desk.unknown.is_empty() {
            let title = say!(t, "All payments are settled", "Все платежи закрыты").to_owned();
            page.notice = Some(NoticeView { tone: Tone::Good, title, text: String::new() });
        }
        page
    }

    fn unknown_rows(&self, unknown: &UnknownView, rows: &mut Vec<PageRowView>) {
        let t = self.t;
        let number = if unknown.number.is_empty() { "?" } else { &unknown.number };
        let kind = if unknown.refund { say!(t, "refund", "возврат") } else { self.tender(unknown.tender) };
        let mut what = vec![self.clock(unknown.at_utc_ms), kind.to_owned(), self.seen(unknown)];
        if !unknown.carried_by.is_empty() {
            what.push(say!(t, format!("taken over by {}", unknown.carried_by), format!("перенёс {}", unknown.carried_by)));
        }
        what.retain(|part| !part.is_empty());
        rows.push(PageRowView {
            section: format!("{number} · {}", self.money(unknown.amount)),
            ..PageRowView::told(what.join(" · "), self.why(&unknown.why))
        });
        for verdict in &unknown.verdicts {
            let (title, tone) = match verdict {
                Verdict::Charged { .. } if unknown.refund => (say!(t, "The money went back", "Деньги возвращены"), Tone::Plain),
                Verdict::Charged { .. } => (say!(t, "It was charged", "Деньги списаны"), Tone::Plain),
                Verdict::NotCharged if unknown.refund => (say!(t, "Nothing went back", "Возврата не было"), Tone::Plain),
                Verdict::NotCharged => (say!(t, "It was not charged", "Деньги не списаны"), Tone::Plain),
            };
            let detail = match verdict {
                Verdict::Charged { reference: Some(receipt) } => say!(t, format!("receipt {receipt}"), format!("чек {receipt}")),
                _ => String::new(),
            };
            rows.push(PageRowView { tone, ..PageRowView::leading(title, detail, asks(Ask::Verdict(unknown.attempt, *verdict))) });
        }
        if unknown.tender == Tender::Card && !unknown.asking {
            rows.push(PageRowView::leading(
                say!(t, "Ask the terminal again", "Спросить терминал ещё раз"),
                "",
                desk_says(DeskIntent::Enquire(unknown.attempt)),
            ));
        }
    }

    /// What the terminal said of its last receipt.
    fn seen(&self, unknown: &UnknownView) -> String {
        let t = self.t;
        if unknown.asking {
            return say!(t, "the terminal is being asked…", "спрашиваем терминал…").to_owned();
        }
        match &unknown.seen {
            None => String::new(),
            Some(Enquiry::Last(Some(receipt))) => {
                let amount = self.money(receipt.amount);
                say!(
                    t,
                    format!("its last receipt: {} over {amount}", receipt.number),
                    format!("последний чек: {} на {amount}", receipt.number)
                )
            }
            Some(Enquiry::Last(None)) => say!(t, "the terminal has no receipt", "чеков в терминале нет").to_owned(),
            Some(Enquiry::Unsupported) => say!(t, "the terminal cannot be asked", "терминал не отвечает на запрос").to_owned(),
            Some(Enquiry::Failed) => say!(t, "the terminal does not answer", "терминал не отвечает").to_owned(),
        }
    }

    fn why(&self, word: &str) -> &'static str {
        let t = self.t;
        match word {
            "no_answer" => say!(t, "The terminal did not answer in time.", "Терминал не ответил вовремя."),
            "found_open" => say!(t, "The kiosk was switched off in the middle of it.", "Киоск выключили посреди оплаты."),
            "late_approval" => {
                say!(t, "The terminal said yes after it had said no.", "Терминал сначала отказал, потом подтвердил.")
            }
            word if word.starts_with("amount_differs") => {
                say!(t, "The terminal named another amount.", "Терминал назвал другую сумму.")
            }
            _ => "",
        }
    }

    fn tender(&self, tender: Tender) -> &'static str {
        let t = self.t;
        match tender {
            Tender::Card => say!(t, "card", "карта"),
            Tender::Cash => say!(t, "cash", "наличные"),
            Tender::Wallet => say!(t, "wallet", "кошелёк"),
            Tender::Gift => say!(t, "gift card", "подарочная карта"),
            Tender::Points => say!(t, "points", "баллы"),
        }
    }

    fn orders(&self) -> PageView {
        let t = self.t;
        let search = &self.desk.search;
        let mut page = titled(say!(t, "Today's orders", "Заказы за сегодня"), "");
        if !search.number.is_empty() {
            page.text = say!(t, format!("with '{}'", search.number), format!("с «{}»", search.number));
        }
        page.rows = self.desk.orders.iter().map(|order| self.order_line(order)).collect();
        if self.desk.more_orders {
            page.rows.push(PageRowView::leading(say!(t, "Show more", "Показать ещё"), "", desk_says(DeskIntent::More)));
        }
        if self.desk.orders.is_empty() && !self.desk.busy {
            let title = say!(t, "No order fits", "Ничего не найдено").to_owned();
            page.notice = Some(NoticeView { tone: Tone::Quiet, title, text: String::new() });
        }
        let unpaid = OrderSearch { unpaid: !search.unpaid, ..OrderSearch::default() };
        let other =
            if search.unpaid { say!(t, "All orders", "Все заказы") } else { say!(t, "To be paid", "К оплате") };
        page.actions = vec![
            act(other, DeskIntent::Find(unpaid)),
            ActionView::say(say!(t, "By number", "По номеру"), asks(Ask::OrderNumber)),
        ];
        page
    }

    fn order_line(&self, order: &OrderLine) -> PageRowView {
        let t = self.t;
        let (badge, tone) = match (order.unknown, order.returned, order.state) {
            (true, ..) => (say!(t, "payment unknown", "платёж неизвестен"), Tone::Bad),
            (_, true, _) => (say!(t, "given back", "возврат"), Tone::Plain),
            (_, _, SoldState::Unpaid) => (say!(t, "to be paid", "к оплате"), Tone::Attention),
            (_, _, SoldState::Paid) => ("", Tone::Plain),
            (_, _, SoldState::Cancelled) => (say!(t, "cancelled", "отменён"), Tone::Quiet),
        };
        PageRowView {
            value: self.money(order.total),
            badge: badge.to_owned(),
            tone,
            ..PageRowView::leading(&*order.number, self.clock(order.placed_utc_ms), desk_says(DeskIntent::OpenOrder(order.order)))
        }
    }

    fn order(&self) -> PageView {
        let t = self.t;
        let Some(order) = self.desk.order.as_deref() else { return titled(say!(t, "Order", "Заказ"), "") };
        let mut page = titled(&self.order_title(order), &self.clock(order.placed_utc_ms));
        page.rows = order.lines.iter().map(|line| self.sold_line(order, line)).collect();
        for taken in &order.taken {
            let detail = [
                taken.masked.clone(),
                taken.receipt.map(|r| say!(t, format!("receipt {r}"), format!("чек {r}"))).unwrap_or_default(),
            ];
            let detail: Vec<String> = detail.into_iter().filter(|part| !part.is_empty()).collect();
            page.rows.push(PageRowView {
                value: self.money(taken.amount),
                ..PageRowView::told(self.tender(taken.tender), detail.join(" · "))
            });
        }
        if let Some(row) = page.rows.get_mut(order.lines.len()) {
            row.section = say!(t, "Paid", "Оплачено").to_owned();
        }
        page.stats = vec![(self.money(Minor(order.total.0 + order.tip.0)), say!(t, "in all", "всего").to_owned())];
        if self.desk.due > Minor::ZERO {
            page.stats.push((self.money(self.desk.due), say!(t, "still to be paid", "осталось оплатить").to_owned()));
        }
        page.actions = self.order_actions(order);
        page
    }

    fn order_title(&self, order: &Sold) -> String {
        if order.called_name.is_empty() { order.number.clone() } else { format!("{} · {}", order.number, order.called_name) }
    }

    fn sold_line(&self, order: &Sold, line: &SoldLine) -> PageRowView {
        let t = self.t;
        let back: u32 = order.returned.iter().filter(|pick| pick.line == line.line).map(|pick| u32::from(pick.quantity)).sum();
        let badge = match back {
            0 => String::new(),
            n => say!(t, format!("{n} given back"), format!("возвращено: {n}")),
        };
        let name = times(u32::from(line.quantity), &line.name);
        let value = if line.parent.is_some() && line.amount == Minor::ZERO { String::new() } else { self.money(line.amount) };
        PageRowView {
            value,
            badge,
            tone: if line.parent.is_some() { Tone::Quiet } else { Tone::Plain },
            ..PageRowView::told(name, "")
        }
    }

    fn order_actions(&self, order: &Sold) -> Vec<ActionView> {
        let t = self.t;
        let mut actions = Vec::new();
        if self.may(Act::Reprint) {
            actions.push(act(say!(t, "Print again", "Напечатать ещё раз"), DeskIntent::Reprint));
        }
        match order.state {
            SoldState::Unpaid => {
                if self.may(Act::Void) {
                    actions.push(ActionView::say(say!(t, "Cancel it", "Отменить"), asks(Ask::VoidReason)));
                }
                if self.may(Act::TakeCash) && self.desk.due > Minor::ZERO {
                    actions.push(act(say!(t, "Take cash", "Принять наличные"), DeskIntent::Go(DeskPage::Cash)));
                }
            }
            SoldState::Paid if self.may(Act::Refund) => {
                actions.push(act(say!(t, "Give back", "Вернуть деньги"), DeskIntent::Go(DeskPage::Refund)));
            }
            SoldState::Paid | SoldState::Cancelled => {}
        }
        actions
    }

    fn refund(&self) -> PageView {
        let t = self.t;
        let (Some(order), Some(refund)) = (self.desk.order.as_deref(), &self.desk.refund) else {
            return titled(say!(t, "Give back", "Возврат"), "");
        };
        let mut page = titled(say!(t, "What goes back?", "Что возвращаем?"), &self.order_title(order));
        for line in order.lines.iter().filter(|line| line.parent.is_none()) {
            let gone: u16 = order.returned.iter().filter(|pick| pick.line == line.line).map(|pick| pick.quantity).sum();
            let left = line.quantity.saturating_sub(gone);
            let count = refund.picks.iter().find(|pick| pick.line == line.line).map_or(0, |pick| pick.quantity);
            let says = desk_says(DeskIntent::Pick(Pick { line: line.line, quantity: count }));
            let detail = say!(t, format!("{left} of {}", line.quantity), format!("{left} из {}", line.quantity));
            page.rows.push(PageRowView {
                value: self.money(line.amount),
                count,
                most: if refund.running { 0 } else { left },
                says: (left > 0 && !refund.running).then_some(says),
                tone: if left == 0 { Tone::Quiet } else { Tone::Plain },
                ..PageRowView::told(&*line.name, detail)
            });
        }
        if let Some(worth) = &refund.worth {
            page.stats = vec![(self.money(worth.total), say!(t, "goes back", "к возврату").to_owned())];
        }
        for (at, (tender, amount, way)) in refund.backs.iter().enumerate() {
            let done = at < refund.done;
            page.rows.push(PageRowView {
                section: if at == 0 { say!(t, "How", "Как").to_owned() } else { String::new() },
                value: self.money(*amount),
                badge: if done { "✓".to_owned() } else { String::new() },
                tone: if done { Tone::Good } else { Tone::Plain },
                ..PageRowView::told(self.way(*tender, way), "")
            });
        }
        if refund.running {
            let title = say!(t, "At the terminal", "На терминале").to_owned();
            let text = say!(t, "It may ask for the card.", "Он может попросить карту.").to_owned();
            page.notice = Some(NoticeView { tone: Tone::Attention, title, text });
            return page;
        }
        if refund.offer_cash {
            page.actions = vec![act(say!(t, "Give the rest in cash", "Остаток наличными"), DeskIntent::RefundInCash)];
        } else {
            page.actions = vec![
                act(say!(t, "Everything", "Всё"), DeskIntent::PickAll),
                ActionView::say(say!(t, "Give back", "Вернуть"), asks(Ask::RefundReason)).when(refund.worth.is_some()),
            ];
        }
        page
    }

    fn way(&self, tender: Tender, way: &Way) -> String {
        let t = self.t;
        let how = match way {
            Way::Reverse { .. } => say!(t, "undone at the terminal", "отмена на терминале"),
            Way::Card => say!(t, "back to the card", "обратно на карту"),
            Way::Cash => say!(t, "in cash", "наличными"),
            Way::Account => say!(t, "to where it came from", "туда, откуда пришло"),
        };
        format!("{} · {how}", self.tender(tender))
    }

    fn cash(&self) -> PageView {
        let t = self.t;
        let Some(order) = self.desk.order.as_deref() else { return titled(say!(t, "Cash", "Наличные"), "") };
        if let Some(cash) = self.desk.cash {
            return PageView {
                stats: vec![
                    (self.money(cash.change), say!(t, "change", "сдача").to_owned()),
                    (self.money(cash.given), say!(t, "given", "получено").to_owned()),
                    (self.money(cash.due), say!(t, "was due", "к оплате").to_owned()),
                ],
                actions: vec![act(say!(t, "Done", "Готово"), DeskIntent::Back)],
                ..titled(&say!(t, format!("{} is paid", order.number), format!("{} оплачен", order.number)), "")
            };
        }
        let due = self.desk.due_in_cash;
        PageView {
            stats: vec![(self.money(due), say!(t, "to pay", "к оплате").to_owned())],
            pad: self.money_pad(Entry::CashGiven, say!(t, "Given by the guest", "Получено от гостя")),
            actions: vec![
                act(say!(t, "Exactly this", "Без сдачи"), DeskIntent::TakeCash { given: due }),
                ActionView::enter(say!(t, "Take it", "Принять")),
            ],
            ..titled(&order.number, "")
        }
    }

    fn ask(&self, ask: &Ask) -> PageView {
        let t = self.t;
        match ask {
            Ask::Pin(staff) => self.pin(staff),
            Ask::OrderNumber => PageView {
                pad: Some(PadView {
                    entry: Entry::OrderNumber,
                    typing: Typing::Number,
                    label: say!(t, "Number", "Номер").to_owned(),
                    given: String::new(),
                    most: 6,
                }),
                actions: vec![ActionView::enter(say!(t, "Find", "Найти"))],
                ..titled(
                    say!(t, "Which order?", "Какой заказ?"),
                    say!(t, "The digits are enough: 17 finds A-17.", "Достаточно цифр: 17 найдёт A-17."),
                )
            },
            Ask::CashGiven => self.cash(),
            Ask::Float => PageView {
                pad: self.money_pad(Entry::Float, say!(t, "In the drawer now", "Сейчас в ящике")),
                actions: vec![ActionView::enter(say!(t, "Begin", "Открыть"))],
                ..titled(say!(t, "Count the float", "Пересчитайте размен"), "")
            },
            Ask::CashMove(how) => PageView {
                pad: self.money_pad(Entry::CashMove(*how), say!(t, "How much", "Сколько")),
                actions: vec![ActionView::enter(say!(t, "Go on", "Дальше"))],
                ..titled(self.cash_move(*how), "")
            },
            Ask::CashReason(how, amount) => {
                let (how, amount) = (*how, *amount);
                self.reasons(self.cash_move(how), &Reason::CASH, |reason| DeskIntent::MoveCash { how, amount, reason })
            }
            Ask::DrawerReason => self.reasons(self.act(Act::NoSale), &Reason::DRAWER, |reason| DeskIntent::NoSale { reason }),
            Ask::VoidReason => self.reasons(self.act(Act::Void), &Reason::RETURNS, DeskIntent::Void),
            Ask::RefundReason => self.reasons(self.act(Act::Refund), &Reason::RETURNS, |reason| DeskIntent::Refund { reason }),
            Ask::HolderName => self.holder_name(),
            Ask::CardCount => self.card_count(),
            Ask::CardsLost => self.cards_lost(),
            Ask::Verdict(attempt, verdict) => self.sure(*attempt, *verdict),
            Ask::NewNumber | Ask::NewName(_) | Ask::NewRole(..) | Ask::RoleOf(_) | Ask::EndOf(_) | Ask::EndDate(_) => {
                self.ask_of_people(ask)
            }
        }
    }

    fn reasons(&self, title: &str, reasons: &[Reason], said: impl Fn(Reason) -> DeskIntent) -> PageView {
        let rows =
            reasons.iter().map(|reason| PageRowView::leading(self.reason(reason.word()), "", desk_says(said(reason.clone()))));
        PageView { rows: rows.collect(), ..titled(say!(self.t, "Why?", "Почему?"), title) }
    }

    fn sure(&self, attempt: Id, verdict: Verdict) -> PageView {
        let t = self.t;
        let unknown = self.desk.unknown.iter().find(|unknown| unknown.attempt == attempt);
        let amount = unknown.map(|unknown| self.money(unknown.amount)).unwrap_or_default();
        let (title, text) = match verdict {
            Verdict::Charged { .. } => (
                say!(t, format!("{amount} was charged?"), format!("{amount} списаны?")),
                say!(
                    t,
                    "The order counts as paid, and the guest gets a receipt.",
                    "Заказ считается оплаченным, гость получит чек."
                ),
            ),
            Verdict::NotCharged => (
                say!(t, format!("{amount} was not charged?"), format!("{amount} не списаны?")),
                say!(t, "The order is cancelled, or can be paid anew.", "Заказ отменяется, или его можно оплатить заново."),
            ),
        };
        PageView {
            actions: vec![act(say!(t, "Yes, I have looked", "Да, я проверил"), DeskIntent::Resolve { attempt, verdict })],
            ..titled(&title, text)
        }
    }
}
