//! Orders: found, looked at, printed again, cancelled, paid in cash; prices changed; unknown payments settled.

use super::{Answer, CashView, Desk, DeskPage, Notice, OrderSearch, Query, Reason, UnknownView, What, day, verdict_word};
use crate::{
    basket::{LineId, Priced, PricedLine},
    effect::Effect,
    event::{Event, PaymentFact, Progress},
    ids::Id,
    money::Minor,
    paper::{CashGiven, Paper, Receipt, Settlement},
    payments::{Payments, Tender, Unresolved, Verdict},
    refund::{Sold, SoldState},
    session::{Session, language_tag, turn::Turn},
    staff::Person,
    terminal::{CommandKind, Enquiry},
    till::{EntryKind, Line, serial_text},
};
use alloc::{boxed::Box, string::String, vec, vec::Vec};

/// Characters of a search that are taken.
const SEARCH_MAX: usize = 200;

/// What is still to be paid of an order.
pub(super) fn due(sold: &Sold) -> Minor {
    if sold.state != SoldState::Unpaid {
        return Minor::ZERO;
    }
    let taken: Minor = sold.taken.iter().map(|taken| taken.amount).sum();
    (sold.total + sold.tip - taken).max(Minor::ZERO)
}

impl Desk {
    pub(super) fn find(&mut self, turn: &mut Turn<'_>, search: OrderSearch, append: bool) {
        let cut = |text: &str| -> String { text.trim().chars().take(SEARCH_MAX).collect() };
        let skip = if append { u32::try_from(self.orders.len()).unwrap_or(u32::MAX) } else { 0 };
        self.search = OrderSearch { number: cut(&search.number), code: cut(&search.code), skip, ..search };
        self.page = DeskPage::Orders;
        if !append {
            self.orders.clear();
            self.more = false;
        }
        let request = self.ask(What::Orders { append });
        let (search, business_date) = (self.search.clone(), day(turn.now, turn.config));
        let query = Query::Orders { search, business_date, offset_min: turn.now.offset_min };
        turn.effect(Effect::Look { request, query });
    }

    pub(super) fn look_at(&mut self, turn: &mut Turn<'_>, order: Id) {
        let request = self.ask(What::Order);
        turn.effect(Effect::Look { request, query: Query::Order(order) });
    }

    pub(super) fn found(&mut self, request: u32, answer: Answer) {
        let Some(what) = self.answered(request) else { return };
        match (what, answer) {
            (What::Orders { append }, Answer::Orders { orders, more }) => {
                if !append {
                    self.orders.clear();
                }
                self.orders.extend(orders);
                self.more = more;
            }
            (What::Order, Answer::Order(Some(sold))) => {
                self.order = Some(sold);
                self.picks.clear();
                self.run = None;
                if !matches!(self.page, DeskPage::Refund | DeskPage::Cash) {
                    self.page = DeskPage::Order;
                }
            }
            (What::Staff, Answer::Staff(people)) => self.people = people,
            (What::Service, Answer::Service(facts)) => self.service.facts = Some(*facts),
            (What::Order, Answer::Order(None)) => self.notice = Some(Notice::NoOrder),
            _ => self.notice = Some(Notice::CannotRead),
        }
    }

    pub(super) fn reprint(&mut self, turn: &mut Turn<'_>) {
        let Some(order) = self.order.as_ref().filter(|order| order.state == SoldState::Paid) else {
            return self.notice = Some(Notice::NotNow);
        };
        let receipt = self.receipt(turn, order, true, None);
        self.prints.push((order.order, true));
        turn.effect(Effect::Print(Paper::Sale(receipt)));
    }

    /// An order's receipt out of what is on disk; `cash` is what it is being paid with.
    fn receipt(&self, turn: &Turn<'_>, sold: &Sold, copy: bool, cash: Option<CashView>) -> Receipt {
        let serial = sold.serial.map(|serial| serial_text(&turn.config.desk.till, serial)).unwrap_or_default();
        let mut paid: Vec<(Tender, Minor)> = sold.taken.iter().map(|taken| (taken.tender, taken.amount)).collect();
        if let Some(cash) = cash {
            paid.push((Tender::Cash, cash.due));
        }
        let rounding = sold.rounding + cash.map_or(Minor::ZERO, |cash| cash.rounding);
        let cash = cash.map(|cash| CashGiven { given: cash.given, change: cash.change });
        Receipt {
            order: sold.order,
            number: sold.number.clone(),
            called_name: sold.called_name.clone(),
            service: sold.service,
            priced: priced(sold),
            paid,
            masked: sold.taken.iter().map(|taken| taken.masked.clone()).find(|masked| !masked.is_empty()).unwrap_or_default(),
            settlement: Settlement { serial, tip: sold.tip, rounding, cash, ..Settlement::default() },
            copy,
            language: language_tag(turn.catalogue, turn.config.language),
            placed_utc_ms: sold.placed_utc_ms,
        }
    }

    pub(super) fn void(&mut self, turn: &mut Turn<'_>, reason: &Reason, approver: Option<&Person>) {
        let Some(order) = self.order.clone() else { return };
        let unknown = turn.payments.unresolved().any(|unresolved| unresolved.fact.order == order.order);
        let running = turn.payments.running().is_some_and(|fact| fact.order == order.order);
        if order.state != SoldState::Unpaid || unknown || running || turn.accounts.is_open_for(order.order) {
            self.notice = Some(Notice::NotNow);
            return;
        }
        // Paid in part: that goes back first.
        if order.left() > Minor::ZERO {
            return self.give_parts_back(turn, &order, reason, approver);
        }
        if !self.can_record(turn) {
            return;
        }
        self.cancelled(turn, &order, self.line(approver, reason));
        self.order = Some(Box::new(Sold { state: SoldState::Cancelled, ..*order }));
        self.notice = Some(Notice::Voided);
    }

    /// Writes down that an order is not made.
    pub(super) fn cancelled(&mut self, turn: &mut Turn<'_>, order: &Sold, line: Line) {
        turn.event(Event::OrderProgressed { order: order.order, state: Progress::Cancelled });
        let line = Line { amount: order.total, order: Some(order.order), order_number: order.number.clone(), ..line };
        self.write(turn, EntryKind::Void, line);
    }

    pub(super) fn change_price(
        &mut self,
        turn: &mut Turn<'_>,
        session: &mut Session,
        line: LineId,
        amount: Minor,
        reason: &Reason,
    ) {
        if amount.is_negative() {
            self.notice = Some(Notice::BadAmount);
            return;
        }
        if !self.can_record(turn) {
            return;
        }
        let Some((sku, from)) = session.override_price(turn, line, amount) else {
            self.notice = Some(Notice::NotNow);
            return;
        };
        let staff = self.staff();
        turn.event(Event::PriceOverridden { sku, from, to: amount, reason: reason.to_book(), staff });
        let booked = Line { amount: amount - from, ..self.line(None, reason) };
        self.write(turn, EntryKind::Override, booked);
        self.notice = Some(Notice::Overridden);
    }

    /// Cash for an order that is to be paid at the counter. The drawer opens once it is on disk.
    pub(super) fn take_cash(&mut self, turn: &mut Turn<'_>, given: Minor) {
        let Some(order) = self.order.clone() else { return };
        let exact = due(&order);
        let due = turn.config.pay.in_cash(exact, turn.catalogue.currency);
        let unknown = turn.payments.unresolved().any(|unresolved| unresolved.fact.order == order.order);
        let at_account = turn.accounts.is_open_for(order.order);
        self.notice = match () {
            () if order.state != SoldState::Unpaid || exact == Minor::ZERO || unknown || at_account => Some(Notice::NotNow),
            () if !self.till.takes_cash() => Some(Notice::NoShift),
            () if given < due => Some(Notice::TooLittle),
            () => None,
        };
        if self.notice.is_some() || !self.can_record(turn) {
            return;
        }
        self.know(&order);
        let (payment, attempt) = (turn.ids.next(turn.now), turn.ids.next(turn.now));
        let fact = PaymentFact {
            tender: Tender::Cash,
            rounding: due - exact,
            staff: Some(self.staff()),
            ..PaymentFact::card(payment, order.order, attempt, due)
        };
        turn.event(Event::PaymentApproved(fact));
        turn.event(Event::OrderProgressed { order: order.order, state: Progress::Received });
        let cash = CashView { due, rounding: due - exact, given, change: given - due };
        let sold = *order;
        let receipt = self.receipt(turn, &sold, false, Some(cash));
        turn.effect(Effect::OpenDrawer);
        turn.effect(Effect::Print(Paper::Sale(receipt)));
        self.prints.push((sold.order, false));
        self.cash = Some(cash);
        self.order = Some(Box::new(Sold { state: SoldState::Paid, ..sold }));
    }

    /// Asks the terminal again. What it says is shown; it settles by itself only under the rules of the payments.
    pub(super) fn ask_terminal(&mut self, turn: &mut Turn<'_>, attempt: Id) {
        let there = turn.payments.unresolved().any(|unresolved| unresolved.fact.attempt == attempt);
        if !there || turn.payments.is_busy() || self.asked.iter().any(|(_, enquiry)| enquiry.is_none()) {
            self.notice = Some(Notice::TerminalBusy);
            return;
        }
        self.asked.retain(|(known, _)| *known != attempt);
        self.asked.push((attempt, None));
        turn.effect(Effect::Enquire { attempt });
    }

    /// What the terminal says.
    pub(crate) fn enquired(&mut self, attempt: Id, enquiry: &Enquiry) {
        if let Some((_, said)) = self.asked.iter_mut().find(|(known, _)| *known == attempt) {
            *said = Some(enquiry.clone());
        }
    }

    /// A named person says what became of a payment.
    pub(super) fn resolve(&mut self, turn: &mut Turn<'_>, session: &mut Session, attempt: Id, verdict: Verdict) {
        if !self.can_record(turn) {
            return;
        }
        let Some(fact) = turn.payments.unresolved().find(|u| u.fact.attempt == attempt).map(|u| u.fact.clone()) else {
            self.notice = Some(Notice::NotNow);
            return;
        };
        let staff = self.staff();
        let Some(settled) = turn.payments.resolve(attempt, verdict, &staff, turn.now) else {
            self.notice = Some(Notice::NotNow);
            return;
        };
        crate::kiosk::payment(session, turn, Some(settled));
        let line = Line {
            tender: Some(fact.tender),
            amount: fact.amount,
            order: Some(fact.order),
            order_number: self.number_of(fact.order),
            attempt: Some(attempt),
            receipt: fact.reference,
            staff,
            reason: verdict_word(verdict).into(),
            ..Line::default()
        };
        self.write(turn, EntryKind::Verdict, line);
        // A person has spoken: that is not taken back by itself, but offered to the disk until it is there.
        turn.undo = crate::session::turn::Undo::Later;
        self.notice = Some(Notice::Resolved);
    }

    pub(super) fn unknown(&self, payments: &Payments) -> Vec<UnknownView> {
        payments.unresolved().map(|unresolved| self.unknown_view(unresolved)).collect()
    }

    fn unknown_view(&self, unresolved: Unresolved<'_>) -> UnknownView {
        let Unresolved { fact, checking, seen, .. } = unresolved;
        let asked = self.asked.iter().find(|(attempt, _)| *attempt == fact.attempt).map(|(_, enquiry)| enquiry.clone());
        let fits = seen.filter(|receipt| receipt.amount == fact.amount && receipt.number > 0);
        let reference = fact.reference.or(fits.map(|receipt| receipt.number));
        let carried = self.till.shift.iter().flat_map(|shift| &shift.carried).find(|(attempt, _)| *attempt == fact.attempt);
        UnknownView {
            attempt: fact.attempt,
            order: fact.order,
            number: self.number_of(fact.order),
            refund: fact.kind != CommandKind::Authorise,
            tender: fact.tender,
            amount: fact.amount,
            at_utc_ms: fact.trail.began_utc_ms,
            asking: checking || asked == Some(None),
            seen: asked.flatten().or(seen.map(|receipt| Enquiry::Last(Some(receipt.clone())))),
            why: fact.outcome.clone().unwrap_or_default(),
            carried_by: carried.map(|(_, staff)| staff.clone()).unwrap_or_default(),
            verdicts: vec![Verdict::Charged { reference }, Verdict::NotCharged],
        }
    }
}

/// What a receipt says of an order that was read back.
fn priced(sold: &Sold) -> Priced {
    let line = |line: &crate::refund::SoldLine| PricedLine {
        line: line.line,
        parent: line.parent,
        id: LineId(line.line),
        sku: line.sku.clone(),
        name: line.name.clone(),
        quantity: line.quantity,
        amount: line.amount,
        modifiers: line.modifiers.clone(),
        tax_code: line.tax_code.clone(),
    };
    let goods = sold.lines.iter().map(|line| line.amount).sum();
    Priced { lines: sold.lines.iter().map(line).collect(), tax: sold.tax.clone(), goods, total: sold.total }
}
