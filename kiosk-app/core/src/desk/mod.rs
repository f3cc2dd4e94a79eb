//! The staff's desk: a pure machine beside the session and the payments, opened by signing in.
//!
//! - What it wants read comes by [`Query`] and [`Answer`], what it shows is [`DeskView`], what staff want is [`DeskIntent`].
//! - Each [`DeskIntent`] that needs a right goes through [`Desk::allowed`]: it is done, or kept until a second person has
//!   approved it, or refused. Nobody approves their own act.
//! - What could not be recorded was not done: the kiosk puts the desk back as it was.
//! - The till's book is written here ([`book`]), out of the events of every step, whoever caused them.
//! - Silence of [`crate::config::DeskConfig::idle_ms`] signs out; the visit in front of the screen goes on where it was.

mod book;
mod cards;
mod glass;
mod intent;
mod look;
mod orders;
mod people;
mod return_goods;
mod shift;
mod sign_in;
mod view;

pub(crate) use book::Around;
pub use book::{Brief, RefundBegun, RestoredDesk};
pub use cards::{BATCH_MAX, CardAnswer, CardErrand, CardStep, CardsView, Holder, MakingView};
pub use glass::{Aiming, Correction, GLASS_IDLE_MS, GlassView, MARKS, PROOF, SIDE, Spot};
pub use intent::{CashMove, DeskIntent, DeskPage, OrderSearch, Reason, tender_word, verdict_word};
pub use look::{Answer, ORDERS_MAX, OrderLine, Query};
pub use people::{Colleague, Edited, GivenPin, Seen, ServiceFacts, ServiceView, StaffEdit, TOUCH_PLACES, Trial};
pub use view::{ApprovalView, CashView, ClosingView, DeskView, Notice, RefundView, SignInView, TillView, UnknownView};

use crate::{
    config::Config,
    device::{DeviceEvent, DeviceKind, Health},
    effect::{Effect, Who},
    event::Event,
    ids::Id,
    money::{Currency, Minor},
    now::Now,
    number::business_date,
    paper::Report,
    payments::Payments,
    refund::{Pick, Sold},
    session::{
        Session, language_tag,
        turn::{Turn, Undo},
    },
    staff::{Act, May, Need, Person},
    terminal::Enquiry,
    till::{Comparison, EntryKind, Line, Till},
};
use alloc::{
    boxed::Box,
    collections::VecDeque,
    string::{String, ToString},
    vec::Vec,
};

/// The longest signature that is kept, with what belongs to it.
const SEAL_MAX: usize = 1_000;

/// The desk. All that belongs to who is signed in goes with them; the till stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desk {
    open: bool,
    page: DeskPage,
    person: Option<Person>,
    sign_in: SignInView,
    notice: Option<Notice>,
    /// What waits for a second person.
    pending: Option<Pending>,
    /// What the shell was asked and has not answered.
    waiting: Option<Waiting>,
    requests: u32,
    last_touch_ms: u64,
    search: OrderSearch,
    orders: Vec<OrderLine>,
    more: bool,
    order: Option<Box<Sold>>,
    picks: Vec<Pick>,
    run: Option<return_goods::Run>,
    cash: Option<CashView>,
    /// Unknown payments that the terminal was asked about again, with what it said.
    asked: Vec<(Id, Option<Enquiry>)>,
    report: Option<Box<Report>>,
    cards: CardsView,
    closing: Closing,
    /// Receipts and reports at the printer.
    prints: Vec<(Id, bool)>,
    people: Vec<Colleague>,
    colleague: Option<String>,
    /// Whom the edit is about that the shell works on.
    edited: Option<String>,
    given_pin: Option<GivenPin>,
    wants_new_badge: bool,
    service: ServiceView,
    /// Badges that open the desk.
    badges: Vec<String>,
    till: Till,
    /// Orders whose payment may still end.
    briefs: VecDeque<Brief>,
    /// Refunds whose terminal has not said its last word.
    begun: Vec<RefundBegun>,
    /// Receipt numbers of the last orders, for what is printed of them later.
    serials: VecDeque<(Id, u32)>,
}

/// An act that waits for a second person.
#[derive(Clone, Debug)]
struct Pending {
    shown: ApprovalView,
    intent: DeskIntent,
}

/// What the shell was asked.
#[derive(Clone, Debug)]
struct Waiting {
    request: u32,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    SignIn,
    Approval,
    Pin,
    Orders { append: bool },
    Order,
    Cards,
    Staff,
    Edit,
    Service,
}

/// How far closing the shift is.
#[derive(Clone, Debug, Default)]
struct Closing {
    /// The end of day at the terminal.
    attempt: Option<Id>,
    comparison: Option<Box<Comparison>>,
    no_totals: bool,
}

impl Desk {
    /// What the disk knows.
    pub(crate) fn restore(&mut self, restored: RestoredDesk) {
        self.till = restored.till;
        self.briefs = restored.briefs.into();
        self.begun = restored.begun;
    }

    /// True while somebody stands at the desk.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// When something is due: the next part of a refund at once, else the sign-out.
    pub(crate) fn next_tick_ms(&self, config: &Config) -> Option<u64> {
        if self.goes_on() {
            return Some(0);
        }
        if self.is_aiming() {
            return Some(self.last_touch_ms.saturating_add(GLASS_IDLE_MS));
        }
        let waits = self.run_attempt().is_some();
        (self.open && !waits).then(|| self.last_touch_ms.saturating_add(config.desk.idle_ms))
    }

    /// True where a tick now is for the desk.
    pub(crate) fn is_due(&self, turn: &Turn<'_>) -> bool {
        self.next_tick_ms(turn.config).is_some_and(|at| at <= turn.now.mono_ms)
    }

    /// Time passed.
    pub(crate) fn tick(&mut self, turn: &mut Turn<'_>) {
        turn.undo = Undo::Desk;
        turn.who = Some(Who { language: language_tag(turn.catalogue, turn.config.language), ..Who::default() });
        if self.is_aiming() {
            self.last_touch_ms = turn.now.mono_ms;
            self.show_service(turn);
        } else if self.goes_on() {
            self.go_on(turn);
        } else {
            self.leave(turn);
        }
    }

    /// The terminal says how far it is.
    pub(crate) fn terminal_status(&mut self, attempt: Id, code: u8) {
        if let Some(run) = self.run.as_mut().filter(|run| run.attempt == Some(attempt)) {
            run.code = Some(code);
        }
    }

    /// The attempt of this desk that is at the terminal.
    fn run_attempt(&self) -> Option<Id> {
        self.run.as_ref().and_then(|run| run.attempt).or(self.closing.attempt)
    }

    /// Staff want something.
    pub(crate) fn take(&mut self, turn: &mut Turn<'_>, session: &mut Session, intent: DeskIntent) {
        turn.undo = Undo::Desk;
        self.notice = None;
        self.last_touch_ms = turn.now.mono_ms;
        match intent {
            DeskIntent::Open => return self.show_sign_in(turn),
            _ if !self.open => return,
            DeskIntent::SignIn(credential) => return self.show_credential(turn, credential),
            DeskIntent::SignOut => return self.leave(turn),
            DeskIntent::Back => return self.back(turn),
            DeskIntent::Dismiss | DeskIntent::Touched => return,
            _ => {}
        }
        if let DeskIntent::ChoosePin(pin) = intent {
            return self.choose_pin(turn, pin);
        }
        // Nothing else before somebody is signed in for good, while a second person is asked for, or while the shell works.
        let signed_in = self.person.is_some() && !matches!(self.page, DeskPage::SignIn | DeskPage::ChoosePin);
        if !signed_in || self.pending.is_some() || self.waiting.is_some() {
            return;
        }
        if self.only_service() && !Self::is_service(&intent) {
            return self.notice = Some(Notice::MayNot);
        }
        if let Some((act, amount)) = self.needs(&intent) {
            match self.allowed(turn.config, act, amount) {
                May::Yes => {}
                May::Approved(role) => {
                    let order = self.order.as_ref().map(|order| order.number.clone()).unwrap_or_default();
                    self.pending = Some(Pending { shown: ApprovalView { act, role, amount, order }, intent });
                    return;
                }
                May::No => return self.notice = Some(Notice::MayNot),
            }
        }
        self.perform(turn, session, intent, None);
    }

    /// What an intent needs, and how much it is about.
    fn needs(&self, intent: &DeskIntent) -> Option<(Act, Option<Minor>)> {
        let none = |act| Some((act, None));
        match intent {
            DeskIntent::Find(_) | DeskIntent::More | DeskIntent::OpenOrder(_) => none(Act::SeeOrders),
            DeskIntent::Go(DeskPage::Orders) => none(Act::SeeOrders),
            DeskIntent::Go(DeskPage::Staff) | DeskIntent::EditStaff(_) | DeskIntent::NewBadge => none(Act::ManageStaff),
            DeskIntent::Go(DeskPage::Service | DeskPage::Check | DeskPage::TouchTest | DeskPage::Glass | DeskPage::Log)
            | DeskIntent::Try(_) => none(Act::Service),
            DeskIntent::Reprint => none(Act::Reprint),
            DeskIntent::Void(_) => Some((Act::Void, self.order.as_ref().map(|order| order.total))),
            DeskIntent::Override { amount, .. } => Some((Act::Override, Some(*amount))),
            DeskIntent::TakeCash { .. } => none(Act::TakeCash),
            DeskIntent::Refund { .. } => Some((Act::Refund, self.worth().map(|worth| worth.total))),
            DeskIntent::RefundInCash => Some((Act::RefundInCash, self.run.as_ref().map(|run| run.left()))),
            DeskIntent::Resolve { .. } | DeskIntent::Enquire(_) => none(Act::Resolve),
            DeskIntent::OpenShift { .. } => none(Act::OpenShift),
            DeskIntent::MoveCash { how, amount, .. } => {
                let act = match how {
                    CashMove::PaidIn => Act::PayIn,
                    CashMove::PaidOut => Act::PayOut,
                    CashMove::SafeDrop => Act::SafeDrop,
                };
                Some((act, Some(*amount)))
            }
            DeskIntent::NoSale { .. } => none(Act::NoSale),
            DeskIntent::XReport => none(Act::XReport),
            DeskIntent::FindHolder(_) | DeskIntent::OpenHolder(_) | DeskIntent::MakeCards { .. } => none(Act::IssueCards),
            DeskIntent::Go(DeskPage::Cards) => none(Act::IssueCards),
            DeskIntent::BlockCards => none(Act::BlockCards),
            DeskIntent::Close | DeskIntent::Count { .. } => none(Act::CloseShift),
            DeskIntent::EndOfDay | DeskIntent::Finish | DeskIntent::CarryOver(_) => none(Act::ZReport),
            _ => None,
        }
    }

    /// Whether who is signed in may. Above the staff's limit a manager is needed whatever the table says.
    fn allowed(&self, config: &Config, act: Act, amount: Option<Minor>) -> May {
        let Some(person) = &self.person else { return May::No };
        let may = config.desk.may.may(person.role, act);
        let limited = matches!(act, Act::Refund | Act::RefundInCash | Act::Override | Act::Void);
        let above = limited && config.desk.staff_limit.is_some_and(|limit| amount.is_some_and(|amount| amount > limit));
        match may {
            May::Yes if above && person.role < crate::staff::StaffRole::Manager => {
                May::Approved(crate::staff::StaffRole::Manager)
            }
            may => may,
        }
    }

    /// Does it; `approver` is who allowed it.
    fn perform(&mut self, turn: &mut Turn<'_>, session: &mut Session, intent: DeskIntent, approver: Option<&Person>) {
        let needs = self.needs(&intent);
        let before = turn.events.len();
        match intent {
            DeskIntent::Go(page) => self.go(turn, page),
            DeskIntent::Find(search) => self.find(turn, search, false),
            DeskIntent::More => self.find(turn, self.search.clone(), true),
            DeskIntent::OpenOrder(order) => self.look_at(turn, order),
            DeskIntent::Reprint => self.reprint(turn),
            DeskIntent::Void(reason) => self.void(turn, &reason, approver),
            DeskIntent::Override { line, amount, reason } => self.change_price(turn, session, line, amount, &reason),
            DeskIntent::TakeCash { given } => self.take_cash(turn, given),
            DeskIntent::Pick(pick) => self.pick(pick),
            DeskIntent::PickAll => self.pick_all(),
            DeskIntent::Refund { reason } => self.refund(turn, &reason, approver),
            DeskIntent::RefundInCash => self.refund_in_cash(turn, approver),
            DeskIntent::Enquire(attempt) => self.ask_terminal(turn, attempt),
            DeskIntent::Resolve { attempt, verdict } => self.resolve(turn, session, attempt, verdict),
            DeskIntent::OpenShift { float } => self.open_shift(turn, float),
            DeskIntent::MoveCash { how, amount, reason } => self.move_cash(turn, how, amount, &reason, approver),
            DeskIntent::NoSale { reason } => self.no_sale(turn, &reason, approver),
            DeskIntent::XReport => self.x_report(turn),
            DeskIntent::FindHolder(text) => self.find_holder(turn, &text),
            DeskIntent::OpenHolder(visitor) => self.open_holder(&visitor),
            DeskIntent::BlockCards => self.block_cards(turn),
            DeskIntent::MakeCards { count, replaces } => self.make_cards(turn, count, replaces),
            DeskIntent::Close => self.page = DeskPage::Closing,
            DeskIntent::Count { amount } => self.count(turn, amount),
            DeskIntent::EndOfDay => self.end_of_day(turn),
            DeskIntent::CarryOver(attempt) => self.carry_over(turn, attempt),
            DeskIntent::Finish => self.finish(turn),
            DeskIntent::OpenColleague(staff) => self.open_colleague(&staff),
            DeskIntent::EditStaff(edit) => self.edit_staff(turn, edit),
            DeskIntent::NewBadge => self.wants_new_badge = self.page == DeskPage::Colleague,
            DeskIntent::Try(trial) => self.try_out(turn, trial),
            _ => {}
        }
        // What needs more than being staff leaves a trace of who allowed it, where it was done.
        if let Some((act, amount)) = needs
            && turn.events.len() > before
            && (approver.is_some() || turn.config.desk.may.need(act) != Need::Staff)
        {
            let staff = approver.or(self.person.as_ref()).map(|person| person.id.clone()).unwrap_or_default();
            let subject = self.order.as_ref().map(|order| order.order.to_string()).unwrap_or_default();
            turn.event(Event::StaffApproved { staff, act, subject, amount });
        }
    }

    /// Hardware or the shell says something that is the desk's. False where it is not.
    pub(crate) fn device(&mut self, turn: &mut Turn<'_>, session: &mut Session, event: &DeviceEvent) -> bool {
        match event {
            DeviceEvent::SignedIn { request, result } => self.signed_in(turn, session, *request, result.clone()),
            DeviceEvent::PinChosen { request, taken } => self.pin_chosen(turn, *request, *taken),
            DeviceEvent::Found { request, answer } => self.found(*request, answer.clone()),
            DeviceEvent::Cards { request, answer } => self.cards_answered(*request, answer.clone()),
            DeviceEvent::CardStep(step) => return self.card_step(turn, *step),
            DeviceEvent::Badges(badges) => self.badges = badges.clone(),
            DeviceEvent::Sealed { order, signed, note } => self.sealed(turn, *order, *signed, note),
            DeviceEvent::DrawerStuck if self.open => self.notice = Some(Notice::NoDrawer),
            DeviceEvent::StaffGone { staff } => self.staff_gone(turn, staff),
            DeviceEvent::StaffEdited { request, edited } => self.staff_edited(turn, *request, edited.clone()),
            DeviceEvent::CardSeen { .. } if self.new_badge(turn, event) => {}
            DeviceEvent::CardSeen { token, assurance, .. } if self.wants_badge(token) => {
                self.badge(turn, token.clone(), *assurance);
            }
            // Nobody's code begins a visit behind the desk.
            DeviceEvent::Scanned { .. } if self.open => {}
            DeviceEvent::Printed { order, health } => return self.printed(turn, *order, *health),
            _ => return false,
        }
        true
    }

    /// Writes down that a receipt was signed, or went out without.
    fn sealed(&mut self, turn: &mut Turn<'_>, order: Id, signed: bool, note: &str) {
        turn.who = Some(Who { language: language_tag(turn.catalogue, turn.config.language), ..Who::default() });
        let kind = if signed { EntryKind::Signed } else { EntryKind::Unsigned };
        let reason = note.chars().filter(|c| !c.is_control()).take(SEAL_MAX).collect();
        let line = Line { order: Some(order), order_number: self.number_of(order), reason, ..Line::default() };
        self.write(turn, kind, line);
    }

    fn printed(&mut self, turn: &mut Turn<'_>, subject: Id, health: Health) -> bool {
        let Some(at) = self.prints.iter().position(|(id, _)| *id == subject) else { return false };
        let (order, is_receipt) = self.prints.remove(at);
        if !matches!(health, Health::Ok | Health::Low) {
            self.notice = Some(Notice::NotPrinted);
        } else if is_receipt {
            turn.event(Event::ReceiptIssued { order, copy: true });
        }
        true
    }

    /// An effect of the desk could not be carried out. False where it was not the desk's.
    pub(crate) fn device_failed(&mut self, kind: DeviceKind) -> bool {
        match kind {
            DeviceKind::Printer if self.open && !self.prints.is_empty() => {
                self.prints.pop();
                self.notice = Some(Notice::NotPrinted);
                true
            }
            DeviceKind::Peripherals if self.open => {
                self.notice = Some(Notice::NoDrawer);
                true
            }
            _ => false,
        }
    }

    /// What could not be recorded was not done.
    pub(crate) fn not_recorded(&mut self) {
        self.waiting = None;
        if self.goes_on() {
            self.stop(Notice::CannotRecord, true);
        }
        if self.open {
            self.notice = Some(Notice::CannotRecord);
        }
    }

    fn go(&mut self, turn: &mut Turn<'_>, page: DeskPage) {
        match page {
            DeskPage::Orders => self.find(turn, OrderSearch::default(), false),
            DeskPage::Staff => self.show_staff(turn),
            DeskPage::Service => self.show_service(turn),
            DeskPage::TouchTest => {
                self.service.touched = 0;
                self.page = page;
            }
            DeskPage::Glass => self.aim_again(turn),
            DeskPage::Log => self.page = page,
            DeskPage::Check => {
                self.try_out(turn, Trial::Look);
                self.page = page;
            }
            DeskPage::Home if self.only_service() => self.show_service(turn),
            DeskPage::Home | DeskPage::Unknown | DeskPage::Till => self.page = page,
            DeskPage::Cards => {
                self.cards = CardsView::default();
                self.page = page;
            }
            DeskPage::Refund if self.order.is_some() => {
                self.picks.clear();
                self.run = None;
                self.page = page;
            }
            DeskPage::Cash if self.order.is_some() => {
                self.cash = None;
                self.page = page;
            }
            _ => {}
        }
    }

    fn back(&mut self, turn: &mut Turn<'_>) {
        if self.pending.take().is_some() {
            self.sign_in = SignInView::default();
            return;
        }
        if self.run_attempt().is_some() {
            return;
        }
        self.give_up_aiming(turn);
        self.page = match self.page {
            DeskPage::SignIn | DeskPage::ChoosePin => return self.leave(turn),
            DeskPage::Service if self.only_service() => return self.leave(turn),
            DeskPage::Colleague => DeskPage::Staff,
            DeskPage::Check | DeskPage::TouchTest | DeskPage::Glass | DeskPage::Log => DeskPage::Service,
            DeskPage::Home | DeskPage::Staff | DeskPage::Service => DeskPage::Home,
            DeskPage::Unknown | DeskPage::Orders | DeskPage::Till => DeskPage::Home,
            DeskPage::Cards | DeskPage::Holder | DeskPage::Making => self.back_from_cards(turn),
            DeskPage::Order => DeskPage::Orders,
            DeskPage::Refund | DeskPage::Cash => DeskPage::Order,
            DeskPage::Report | DeskPage::Closing => DeskPage::Till,
        };
        (self.given_pin, self.wants_new_badge) = (None, false);
        if self.page != DeskPage::Order {
            self.run = None;
        }
        if let (DeskPage::Order, Some(order)) = (self.page, self.order.as_ref().map(|order| order.order)) {
            self.look_at(turn, order);
        }
    }

    /// Everything that belongs to who was signed in goes.
    fn leave(&mut self, turn: &mut Turn<'_>) {
        self.give_up_aiming(turn);
        self.stop_making(turn);
        if self.person.is_some() {
            turn.effect(Effect::SignOut);
        }
        let old = core::mem::take(self);
        *self = Self {
            requests: old.requests,
            prints: old.prints,
            badges: old.badges,
            till: old.till,
            briefs: old.briefs,
            begun: old.begun,
            serials: old.serials,
            // An end of day that runs is compared even if nobody waits for it.
            closing: Closing { attempt: old.closing.attempt, ..Closing::default() },
            ..Self::default()
        };
    }

    /// Writes a line of the book, now.
    fn write(&mut self, turn: &mut Turn<'_>, kind: EntryKind, line: Line) {
        let date = day(turn.now, turn.config);
        let (shift, now) = (turn.ids.next(turn.now), turn.now);
        for entry in self.till.write(kind, line, crate::till::Opening { shift, business_date: &date, utc_ms: now.utc_ms }) {
            turn.event(Event::Booked(entry.into()));
        }
    }

    fn staff(&self) -> String {
        self.person.as_ref().map(|person| person.id.clone()).unwrap_or_default()
    }

    fn line(&self, approver: Option<&Person>, reason: &Reason) -> Line {
        let approver = approver.map(|person| person.id.clone()).unwrap_or_default();
        Line { staff: self.staff(), approver, reason: reason.to_book(), ..Line::default() }
    }

    /// True where a step may be recorded; says so where not.
    fn can_record(&mut self, turn: &Turn<'_>) -> bool {
        if !turn.can_record {
            self.notice = Some(Notice::CannotRecord);
        }
        turn.can_record
    }

    /// What the screen shows, `None` while closed.
    pub(crate) fn view(&self, payments: &Payments, config: &Config, currency: Currency, now: Now) -> Option<Box<DeskView>> {
        let due = self.order.as_ref().map_or(Minor::ZERO, |order| orders::due(order));
        self.open.then(|| {
            Box::new(DeskView {
                page: self.page,
                person: self.person.clone(),
                approval: self.pending.as_ref().map(|pending| pending.shown.clone()),
                notice: self.notice,
                sign_in: self.sign_in.clone(),
                busy: self.waiting.is_some() || self.run_attempt().is_some(),
                may: Act::ALL.iter().map(|act| (*act, self.allowed(config, *act, None))).collect(),
                unknown: if self.only_service() { Vec::new() } else { self.unknown(payments) },
                search: self.search.clone(),
                orders: self.orders.clone(),
                more_orders: self.more,
                order: self.order.clone(),
                due,
                due_in_cash: config.pay.in_cash(due, currency),
                refund: (self.page == DeskPage::Refund).then(|| self.refund_view(config.pay.unit(currency))),
                cash: self.cash,
                till: self.till_view(config, now),
                report: self.report.clone(),
                cards: self.cards.clone(),
                closing: (self.page == DeskPage::Closing).then(|| self.closing_view(payments)),
                people: self.people.clone(),
                colleague: self.colleague.clone(),
                given_pin: self.given_pin.clone(),
                wants_new_badge: self.wants_new_badge,
                service: self.page.is_service().then(|| self.service.clone()),
            })
        })
    }
}

/// The shop's day, as far as it is known.
fn day(now: Now, config: &Config) -> String {
    business_date(now, config.day_turn_min).unwrap_or_else(|| "1970-01-01".into())
}

#[cfg(test)]
mod tests;
