//! An order that is paid in parts, one after another at the terminal.
//!
//! Each part is an attempt and a payment of its own. A part that nobody knows about stays out of the rest, which goes on. Once
//! the parts cover the order it is made. A guest who stops gets each part back by a reversal of its own, recorded like any
//! command; what cannot be given back here, and what a guest leaves behind, is a task for a person.

use super::{Order, PartView, PayView, Session, turn::Turn};
use crate::{
    accounts::is_account,
    effect::Signal,
    event::{Event, Stage},
    ids::Id,
    kiosk::open_parts,
    money::{Minor, allocate},
    payments::{NewCommand, Tender},
    terminal::Command,
};
use alloc::{string::String, vec};

/// One part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) attempt: Id,
    pub(super) payment: Id,
    pub(super) tender: Tender,
    pub(super) amount: Minor,
    pub(super) state: PartState,
}

/// Where a part stands. One that moved nothing is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartState {
    Running,
    /// Set aside on a gift card.
    Held,
    /// With the terminal's receipt number, 0 for none.
    Taken(u32),
    Unknown,
}

impl Order {
    fn sum(&self, which: impl Fn(PartState) -> bool) -> Minor {
        self.parts.iter().filter(|part| which(part.state)).map(|part| part.amount).sum()
    }

    pub(super) fn taken(&self) -> Minor {
        self.sum(|state| matches!(state, PartState::Taken(_)))
    }

    /// What is set aside and not taken yet.
    pub(super) fn held(&self) -> Minor {
        self.sum(|state| state == PartState::Held)
    }

    pub(super) fn unknown(&self) -> Minor {
        self.sum(|state| state == PartState::Unknown)
    }

    /// What no part has been tried for that may still bring it.
    pub(super) fn open(&self) -> Minor {
        self.placed.to_pay() - self.sum(|_| true)
    }

    pub(super) fn is_covered(&self) -> bool {
        self.taken() >= self.placed.to_pay()
    }

    /// What the next part is over: an equal share of what is open.
    pub(super) fn next_part(&self) -> Minor {
        share(self.open(), usize::from(self.of).saturating_sub(self.cards()))
    }

    /// Parts by card; a gift card is none of the equal parts.
    fn cards(&self) -> usize {
        self.parts.iter().filter(|part| part.tender == Tender::Card).count()
    }

    /// True where it is paid by more than one attempt, or may be.
    pub(super) fn is_split(&self) -> bool {
        self.of > 1 || self.parts.iter().any(|part| part.amount < self.placed.to_pay() || is_account(part.tender))
    }

    pub(super) fn mark(&mut self, attempt: Id, state: PartState) {
        if let Some(part) = self.parts.iter_mut().find(|part| part.attempt == attempt) {
            part.state = state;
        }
    }

    pub(super) fn drop_part(&mut self, attempt: Id) {
        self.parts.retain(|part| part.attempt != attempt);
    }

    pub(super) fn part_view(&self) -> Option<PartView> {
        let running = self.parts.iter().position(|part| part.state == PartState::Running);
        let at = match running {
            Some(at) => self.parts.iter().take(at).filter(|part| part.tender == Tender::Card).count(),
            None => self.cards(),
        };
        let amount = running.and_then(|at| self.parts.get(at)).map_or_else(|| self.next_part(), |part| part.amount);
        self.is_split().then(|| PartView {
            number: u8::try_from(at + 1).unwrap_or(u8::MAX).min(self.of),
            of: self.of,
            amount,
            taken: self.taken() + self.held(),
            unknown: self.unknown(),
            gift: self.parts.iter().filter(|part| is_account(part.tender)).map(|part| part.amount).sum(),
        })
    }
}

/// The first of so many equal shares, at least one.
pub(super) fn share(whole: Minor, of: usize) -> Minor {
    allocate(whole, &vec![Minor(1); of.max(1)]).first().copied().unwrap_or(whole)
}

impl Session {
    pub(super) fn choose_parts(&mut self, most: u8, parts: u8) {
        if let (Stage::Basket | Stage::Checkout, Some(visit)) = (self.stage, self.visit.as_deref_mut())
            && visit.order.is_none()
            && (parts == 1 || (2..=most).contains(&parts))
        {
            visit.parts = parts;
        }
    }

    pub(super) fn placed_order(&mut self) -> Option<&mut Order> {
        self.visit.as_deref_mut()?.order.as_mut()
    }

    /// True where something of the order has been taken, or may have been.
    pub(super) fn is_partly_paid(&self) -> bool {
        let order = self.visit.as_deref().and_then(|visit| visit.order.as_ref());
        order.is_some_and(|order| order.taken() + order.held() + order.unknown() > Minor::ZERO)
    }

    /// Shows how far the parts are, where the terminal does not work on one.
    pub(super) fn show_parts(&mut self) {
        if let Some(visit) = self.visit.as_deref_mut()
            && let Some(order) = &visit.order
            && !order.parts.iter().any(|part| part.state == PartState::Running)
        {
            visit.pay = if order.open() > Minor::ZERO { PayView::Part } else { PayView::Unknown };
            self.close_overlay();
        }
    }

    /// The guest does not go on: what was taken goes back.
    pub(super) fn give_back(&mut self, turn: &mut Turn<'_>) {
        self.put_back_holds(turn);
        let Some(order) = self.placed_order() else { return };
        order.gives_next = false;
        let part = order.parts.iter().find_map(|part| match part.state {
            PartState::Taken(receipt) => Some((*part, receipt)),
            _ => None,
        });
        let (id, unknown) = (order.placed.order, order.unknown());
        match part {
            // Nothing is left with us.
            None if unknown == Minor::ZERO => self.cancel_order(turn, Stage::Checkout),
            None | Some((_, 0)) => self.call_staff(turn),
            Some((part, receipt)) => {
                let command = Command::Reverse { amount: part.amount, receipt };
                let (payment, original, staff) = (part.payment, Some(part.attempt), String::new());
                let new = NewCommand { command, payment, order: id, original, lines: vec![], staff };
                match turn.command(new) {
                    None => self.call_staff(turn),
                    Some(attempt) => {
                        if let Some(order) = self.placed_order() {
                            order.giving = Some((attempt, part.attempt));
                        }
                        self.set_pay(PayView::GivingBack);
                        turn.signal(Signal::Thinking);
                    }
                }
            }
        }
    }

    /// What became of the reversal of a part. The next one begins with the next tick, never in the same record.
    pub(crate) fn part_given_back(&mut self, turn: &mut Turn<'_>) {
        let Some((attempt, part)) = self.placed_order().and_then(|order| order.giving) else { return };
        let done = turn.events.iter().find_map(|event| match event {
            Event::PaymentApproved(fact) if fact.attempt == attempt => Some(true),
            Event::PaymentDeclined(fact) | Event::PaymentUnknown(fact) if fact.attempt == attempt => Some(false),
            _ => None,
        });
        let Some(done) = done else { return };
        let Some(order) = self.placed_order() else { return };
        order.giving = None;
        if done {
            order.drop_part(part);
            order.gives_next = true;
        }
        if !done {
            self.call_staff(turn);
        }
        self.alive(turn);
    }

    /// The reversal could not be recorded, so that it was never sent.
    pub(crate) fn not_giving_back(&mut self, attempt: Id) {
        if let Some(order) = self.placed_order().filter(|order| order.giving.is_some_and(|(giving, _)| giving == attempt)) {
            order.giving = None;
            self.show_parts();
        }
    }

    pub(super) fn gives_next(&self) -> bool {
        self.visit.as_deref().and_then(|visit| visit.order.as_ref()).is_some_and(|order| order.gives_next)
    }

    /// A person takes the rest, or gives back what there is.
    fn call_staff(&mut self, turn: &mut Turn<'_>) {
        self.set_pay(PayView::ToStaff);
        self.leave_parts(turn);
        turn.signal(Signal::CallStaff);
    }

    /// Makes a task of what was taken for an order that is not paid.
    pub(super) fn leave_parts(&mut self, turn: &mut Turn<'_>) {
        let Some(order) = self.placed_order().filter(|order| !order.is_covered()) else { return };
        let taken = order.parts.iter().find(|part| matches!(part.state, PartState::Taken(_)));
        if let Some(part) = taken {
            let event = open_parts(order.placed.order, part.attempt);
            turn.event(event);
        }
    }
}
