//! From checkout to 'thank you'.
//!
//! - Choosing a tender places the order: `OrderPlaced` and `PaymentStarted` are one record, the charge follows.
//! - After a refusal the order stays placed: the guest pays again (the same order and payment, a new attempt), pays at the
//!   counter, or goes back; going back cancels the order, keeps the basket, and a later try is a new order.
//! - Cancelling asks the terminal to stop; the terminal's outcome still decides. Stopped, the order is cancelled and the
//!   guest chooses again at checkout.
//! - A payment at the counter is no payment yet: the order is placed, its slip is printed, the counter takes the money.
//! - An order that costs nothing asks no terminal.
//! - A tip is part of what is paid, and of no tax; it is frozen with the order.

use super::{
    Order, Overlay, PayView, Print, Session,
    parts::{Part, PartState, share},
    turn::{SaleUndo, Turn, Undo},
};
use crate::{
    device::{DeviceKind, Health},
    effect::{Effect, Signal},
    event::{Event, PaymentFact, PlacedOrder, Problem, Progress, Stage},
    ids::Id,
    money::Minor,
    paper::{Paper, Receipt, Settlement},
    payments::{How, Settled, Tender},
    terminal::Command,
};
use alloc::{string::String, vec, vec::Vec};

/// The most receipts awaited from the printer.
const AWAITED_MAX: usize = 8;
/// The most receipts sent to the printer for one order: paper is not a toy.
const PRINTS_MAX: u32 = 5;

impl Session {
    /// True while the terminal works on this visit's payment.
    pub(super) fn is_paying(&self) -> bool {
        let pay = self.visit.as_deref().map(|v| v.pay);
        matches!(pay, Some(PayView::Waiting { .. } | PayView::Cancelling | PayView::Checking | PayView::GivingBack))
    }

    pub(super) fn pay(&mut self, turn: &mut Turn<'_>, tender: Tender) {
        if self.may_pay(turn) {
            self.sell(turn, tender);
        }
    }

    /// True where the guest may choose how to pay.
    pub(super) fn may_pay(&self, turn: &Turn<'_>) -> bool {
        let Some(visit) = self.visit.as_deref() else { return false };
        match self.stage {
            Stage::Basket | Stage::Checkout => {
                !visit.basket.lines.is_empty() && self.shown_overlay(turn.config.ask_service) != Some(Overlay::Service)
            }
            Stage::Paying => matches!(visit.pay, PayView::Declined { .. } | PayView::TerminalLost | PayView::Part),
            _ => false,
        }
    }

    /// Sells what is in the basket, or takes another try at the order already placed.
    pub(super) fn sell(&mut self, turn: &mut Turn<'_>, tender: Tender) {
        self.sell_part(turn, tender, None);
    }

    /// The same, and at most so much of it.
    pub(super) fn sell_part(&mut self, turn: &mut Turn<'_>, tender: Tender, most: Option<Minor>) {
        let Some(visit) = self.visit.as_deref() else { return };
        let tip = visit.tip_amount(&turn.config.pay);
        let first = share(visit.priced.total + tip, usize::from(visit.parts));
        let open = visit.order.as_ref().map_or(visit.priced.total + tip, |order| order.open());
        let next = visit.order.as_ref().map_or(first, |order| order.next_part());
        let total = most.map_or(next, |most| most.min(open));
        let at_counter = match tender {
            Tender::Card => false,
            Tender::Cash if turn.config.pay.counter => true,
            // Not taken at this kiosk.
            Tender::Cash | Tender::Wallet | Tender::Gift | Tender::Points => return,
        };
        if !turn.can_record {
            return self.notice(turn, Problem::CannotRecord);
        }
        if turn.now.utc_ms.is_none() {
            return self.notice(turn, Problem::ClockUnset);
        }
        let charges = !at_counter && total > Minor::ZERO;
        if charges && (self.is_lost(DeviceKind::Terminal) || turn.payments.is_busy()) {
            return self.notice(turn, Problem::TerminalLost);
        }
        if charges && total > turn.config.terminal.amount_max {
            return self.call_person(turn);
        }
        if at_counter && self.takes_holds(turn) {
            return;
        }
        let Some(visit) = self.visit.as_deref() else { return };
        let undo = SaleUndo { stage: self.stage, pay: visit.pay, placed: visit.order.is_none(), attempt: None };
        let before = turn.events.len();
        self.place(turn);
        if !charges {
            turn.undo = Undo::Sale(undo);
            return self.sold(turn, if at_counter { PayView::AtCounter } else { PayView::Approved });
        }
        match self.charge(turn, total) {
            Some(attempt) => turn.undo = Undo::Sale(SaleUndo { attempt: Some(attempt), ..undo }),
            None => {
                turn.events.truncate(before);
                if let Some(visit) = self.visit.as_deref_mut().filter(|_| undo.placed) {
                    visit.order = None;
                }
                self.notice(turn, Problem::TerminalLost);
            }
        }
    }

    /// Places the order, unless it is placed.
    pub(super) fn place(&mut self, turn: &mut Turn<'_>) {
        let Some(visit) = self.visit.as_deref_mut().filter(|v| v.order.is_none()) else { return };
        let (number, business_date) = turn.counter.next(turn.now, turn.config.day_turn_min, turn.config.device);
        let placed = PlacedOrder {
            order: turn.ids.next(turn.now),
            number,
            called_name: visit.guest.as_ref().map_or_else(String::new, |g| g.display_name.clone()),
            service: visit.basket.service,
            priced: visit.priced.clone(),
            tip: visit.tip_amount(&turn.config.pay),
            business_date,
        };
        turn.event(Event::OrderPlaced(placed.clone().into()));
        let payment = turn.ids.next(turn.now);
        visit.order = Some(Order {
            placed,
            payment,
            placed_utc_ms: turn.now.utc_ms,
            paid: Vec::new(),
            of: visit.parts,
            parts: Vec::new(),
            giving: None,
            gives_next: false,
            to_counter: false,
        });
    }

    /// Starts an attempt at the placed order. `None` where the payments refuse one.
    fn charge(&mut self, turn: &mut Turn<'_>, amount: Minor) -> Option<Id> {
        let who = self.who(turn.catalogue);
        let order = self.placed_order()?;
        // One payment for an order in one; each part is a payment of its own.
        let split = order.is_split() || amount < order.placed.to_pay();
        let payment = if split { turn.ids.next(turn.now) } else { order.payment };
        let fact = PaymentFact::card(payment, order.placed.order, turn.ids.next(turn.now), amount);
        let attempt = fact.attempt;
        let fact = turn.payments.begin(fact, who, turn.now).ok()?;
        order.parts.push(Part { attempt, payment, tender: Tender::Card, amount, state: PartState::Running });
        if split {
            turn.payments.in_parts(order.placed.order, order.placed.to_pay());
        }
        turn.event(Event::PaymentStarted(fact));
        turn.effect(Effect::Command { attempt, command: Command::Authorise { amount } });
        turn.signal(Signal::TapHere);
        self.close_overlay();
        self.set_pay(PayView::Waiting { tender: Tender::Card, code: None });
        self.go(turn, Stage::Paying);
        Some(attempt)
    }

    /// A sale that could not be recorded never was.
    pub(crate) fn take_sale_back(&mut self, undo: SaleUndo) {
        let Some(visit) = self.visit.as_deref_mut() else { return };
        visit.pay = undo.pay;
        if let (Some(order), Some(attempt)) = (&mut visit.order, undo.attempt) {
            order.drop_part(attempt);
        }
        if undo.placed
            && let Some(order) = visit.order.take()
        {
            visit.prints = 0;
            self.prints.retain(|print| print.order != order.placed.order);
        }
        // The usual went straight to the terminal: its basket is best seen at checkout.
        self.stage = if undo.stage == Stage::Greeting { Stage::Checkout } else { undo.stage };
    }

    pub(super) fn terminal_status(&mut self, turn: &Turn<'_>, attempt: Id, now: u8) {
        let ours = turn.payments.running().is_some_and(|fact| fact.attempt == attempt);
        let Some(visit) = self.visit.as_deref_mut().filter(|_| ours) else { return };
        if let PayView::Waiting { code, .. } = &mut visit.pay {
            *code = Some(now);
        }
    }

    pub(super) fn cancel_payment(&mut self, turn: &mut Turn<'_>) {
        match self.visit.as_deref().map(|v| v.pay) {
            Some(PayView::Waiting { .. }) => {
                if let Some(attempt) = turn.payments.running().map(|fact| fact.attempt) {
                    turn.effect(Effect::AbortCommand { attempt });
                    self.set_pay(PayView::Cancelling);
                }
            }
            Some(PayView::Part) => self.give_back(turn),
            _ => self.give_order_up(turn, Stage::Checkout),
        }
    }

    /// Cancels the order that was placed and not paid, and goes back with the basket. Nothing where that is not so.
    pub(super) fn give_order_up(&mut self, turn: &mut Turn<'_>, to: Stage) {
        let unpaid = matches!(self.visit.as_deref().map(|v| v.pay), Some(PayView::Declined { .. } | PayView::TerminalLost));
        if self.stage == Stage::Paying && unpaid {
            if self.is_partly_paid() { self.show_parts() } else { self.cancel_order(turn, to) }
        }
    }

    pub(super) fn cancel_order(&mut self, turn: &mut Turn<'_>, to: Stage) {
        let Some(visit) = self.visit.as_deref_mut() else { return };
        visit.pay = PayView::None;
        if let Some(order) = visit.order.take() {
            turn.event(Event::OrderProgressed { order: order.placed.order, state: Progress::Cancelled });
        }
        self.close_overlay();
        self.go(turn, to);
        turn.signal(Signal::Idle);
    }

    /// True where the order in front of the screen is `order`, and not paid yet.
    pub(crate) fn awaits(&self, order: Id) -> bool {
        let current = self.visit.as_deref().and_then(|v| v.order.as_ref()).map(|o| o.placed.order);
        self.stage == Stage::Paying && current == Some(order)
    }

    /// What became of a payment for the order in front of the screen.
    pub(crate) fn settled(&mut self, turn: &mut Turn<'_>, settled: Settled) {
        let cancelling = self.visit.as_deref().is_some_and(|v| v.pay == PayView::Cancelling);
        let reference = settled.events.iter().find_map(|event| match event {
            Event::PaymentResolved(fact) => fact.reference,
            _ => None,
        });
        turn.events.extend(settled.events);
        self.part_ended(settled.attempt, &settled.how, reference);
        match settled.how {
            How::Approved(receipt) | How::ApprovedLate(receipt) => {
                self.touch(turn);
                if let Some(visit) = self.visit.as_deref_mut() {
                    visit.masked = receipt.masked;
                }
                self.taken(turn);
            }
            How::Charged => self.taken(turn),
            How::Declined { .. } | How::NotSent if cancelling => {
                self.alive(turn);
                self.nothing_moved(turn);
            }
            How::NotCharged => {
                self.alive(turn);
                self.nothing_moved(turn);
            }
            How::Declined { code } => {
                self.touch(turn);
                self.refused(turn, PayView::Declined { code }, Problem::CardDeclined, Signal::Declined);
            }
            How::NotSent => {
                self.alive(turn);
                self.refused(turn, PayView::TerminalLost, Problem::TerminalLost, Signal::Declined);
            }
            How::Unknown { checking: true } => {
                self.alive(turn);
                self.refused(turn, PayView::Checking, Problem::PaymentUnknown, Signal::Thinking);
            }
            How::Unknown { checking: false } => {
                self.alive(turn);
                self.refused(turn, PayView::Unknown, Problem::PaymentUnknown, Signal::CallStaff);
                self.show_parts();
            }
            How::Left => {
                self.alive(turn);
                self.set_pay(PayView::Unknown);
                self.show_parts();
                turn.signal(Signal::CallStaff);
            }
            How::Contradicted => self.contradicted(turn),
            How::Held => self.held(turn),
            How::AccountRefused(why) => self.account_refused(turn, why),
            How::Closed | How::Totals(_) | How::Heard => {}
        }
    }

    /// Writes down what became of a part; an order in one has one.
    fn part_ended(&mut self, attempt: Id, how: &How, reference: Option<u32>) {
        let Some(order) = self.placed_order() else { return };
        match how {
            How::Approved(receipt) | How::ApprovedLate(receipt) => order.mark(attempt, PartState::Taken(receipt.number)),
            How::Charged => order.mark(attempt, PartState::Taken(reference.unwrap_or(0))),
            How::Declined { .. } | How::NotSent | How::NotCharged | How::AccountRefused(_) => order.drop_part(attempt),
            How::Held => order.mark(attempt, PartState::Held),
            How::Unknown { .. } | How::Left | How::Contradicted => order.mark(attempt, PartState::Unknown),
            How::Closed | How::Totals(_) | How::Heard => {}
        }
    }

    /// Money has come: all of it, or a part.
    fn taken(&mut self, turn: &mut Turn<'_>) {
        let Some(order) = self.placed_order() else { return };
        if !order.is_split() || order.is_covered() {
            return self.sold(turn, PayView::Approved);
        }
        if self.goes_on_with_holds(turn) {
            return;
        }
        self.alive(turn);
        self.show_parts();
        turn.signal(Signal::Approved);
    }

    /// Nothing came of an attempt: back to the choice, or to the other parts.
    fn nothing_moved(&mut self, turn: &mut Turn<'_>) {
        if self.is_partly_paid() || turn.payments.running().is_some() {
            self.show_parts();
        } else {
            self.cancel_order(turn, Stage::Checkout);
        }
    }

    /// The terminal says that an attempt it had refused moved money after all. No second attempt may go through.
    fn contradicted(&mut self, turn: &mut Turn<'_>) {
        if let Some(attempt) = turn.payments.running().map(|fact| fact.attempt) {
            turn.effect(Effect::AbortCommand { attempt });
            self.set_pay(PayView::Cancelling);
            turn.signal(Signal::CallStaff);
        } else {
            self.refused(turn, PayView::Unknown, Problem::PaymentUnknown, Signal::CallStaff);
        }
    }

    fn refused(&mut self, turn: &mut Turn<'_>, pay: PayView, problem: Problem, signal: Signal) {
        self.set_pay(pay);
        self.close_overlay();
        self.problem_shown(turn, problem);
        turn.signal(signal);
    }

    /// The order is taken: to be made now, or once the counter has the money.
    pub(super) fn sold(&mut self, turn: &mut Turn<'_>, pay: PayView) {
        self.alive(turn);
        self.set_pay(pay);
        self.close_overlay();
        let Some(order) = self.visit.as_deref_mut().and_then(|v| v.order.as_mut()) else { return };
        let total = order.placed.to_pay();
        if pay == PayView::Approved {
            turn.event(Event::OrderProgressed { order: order.placed.order, state: Progress::Received });
            if total > Minor::ZERO && !order.is_split() {
                order.paid = vec![(Tender::Card, total)];
            }
        }
        if order.is_split() {
            let taken = order.parts.iter().filter(|part| matches!(part.state, PartState::Taken(_)));
            order.paid = taken.map(|part| (part.tender, part.amount)).collect();
        }
        self.go(turn, Stage::Done);
        self.print(turn);
        turn.signal(Signal::Approved);
    }

    pub(super) fn rate(&mut self, turn: &mut Turn<'_>, score: u8) {
        let Some(visit) = self.visit.as_deref_mut() else { return };
        if self.stage == Stage::Done && (1..=5).contains(&score) {
            visit.rated = Some(score);
            turn.event(Event::FeedbackGiven { csat: score });
            self.go(turn, Stage::Feedback);
        }
    }

    pub(super) fn print_again(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.stage, Stage::Done | Stage::Feedback) {
            self.print(turn);
        }
    }

    fn print(&mut self, turn: &mut Turn<'_>) {
        let who = self.who(turn.catalogue);
        let Some(visit) = self.visit.as_deref_mut() else { return };
        let Some(order) = &visit.order else { return };
        if visit.prints >= PRINTS_MAX {
            return;
        }
        if self.prints.len() >= AWAITED_MAX {
            self.prints.remove(0);
        }
        let copy = visit.receipt_printed || self.prints.iter().any(|print| print.order == order.placed.order);
        self.prints.push(Print { order: order.placed.order, copy, who });
        visit.prints += 1;
        turn.effect(Effect::Print(Paper::Sale(Receipt {
            order: order.placed.order,
            number: order.placed.number.clone(),
            called_name: order.placed.called_name.clone(),
            service: order.placed.service,
            priced: order.placed.priced.clone(),
            paid: order.paid.clone(),
            masked: visit.masked.clone(),
            settlement: Settlement { tip: order.placed.tip, ..Settlement::default() },
            copy,
            language: super::language_tag(turn.catalogue, self.lang),
            placed_utc_ms: order.placed_utc_ms,
        })));
    }

    pub(super) fn printed(&mut self, turn: &mut Turn<'_>, order: Id, health: Health) {
        self.health(turn.now, DeviceKind::Printer, health);
        let Some(at) = self.prints.iter().position(|print| print.order == order) else { return };
        let print = self.prints.remove(at);
        let ours = self.visit.as_deref().and_then(|v| v.order.as_ref()).is_some_and(|o| o.placed.order == order);
        if matches!(health, Health::Ok | Health::Low) {
            turn.event(Event::ReceiptIssued { order, copy: print.copy });
            turn.who = Some(print.who);
            if let Some(visit) = self.visit.as_deref_mut().filter(|_| ours) {
                visit.receipt_printed = true;
            }
        } else if ours && matches!(self.stage, Stage::Done | Stage::Feedback) {
            self.notice(turn, Problem::PrinterBlocked);
        }
    }

    pub(super) fn print_failed(&mut self, turn: &mut Turn<'_>) {
        // The newest one was not begun.
        self.prints.pop();
        if matches!(self.stage, Stage::Done | Stage::Feedback) {
            self.notice(turn, Problem::PrinterBlocked);
        }
    }

    pub(super) fn set_pay(&mut self, pay: PayView) {
        if let Some(visit) = self.visit.as_deref_mut() {
            visit.pay = pay;
        }
    }
}
