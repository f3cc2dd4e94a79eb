//! The journal as a model: what is on disk after a crash, and how a broken one would be.

use super::Mutant;
use kiosk_core::{
    Event, Id, Minor, OpenAttempt, Restored,
    accounts::is_account,
    event::{PaymentFact, Progress, TaskKind, TerminalBook},
    payments::OrderInParts,
};
use std::collections::{BTreeMap, BTreeSet};

/// Where an attempt stands on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Started,
    Unknown,
    Approved,
    Declined,
    Resolved,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) attempts: BTreeMap<Id, (PaymentFact, State)>,
    pub(super) received: BTreeSet<Id>,
    /// What each order is over, and what is known to be taken of those in parts.
    pub(super) due: BTreeMap<Id, Minor>,
    pub(super) cancelled: BTreeSet<Id>,
    pub(super) tasks: Vec<(TaskKind, Id)>,
    pub(super) book: TerminalBook,
    pub(super) mutant: Option<Mutant>,
    /// What an over-hasty journal has acknowledged and not written.
    pub(super) late: Vec<Vec<Event>>,
}

impl Disk {
    pub(super) fn commit(&mut self, events: &[Event]) {
        if self.mutant == Some(Mutant::AcknowledgesBeforeCommit) {
            self.late.push(events.to_vec());
            if self.late.len() > 1 {
                let oldest = self.late.remove(0);
                self.write(&oldest);
            }
            return;
        }
        self.write(events);
    }

    /// The process is gone, and with it what was not written.
    pub(super) fn crash(&mut self) {
        self.late.clear();
    }

    /// Everything is written at last.
    pub(super) fn flush(&mut self) {
        for events in std::mem::take(&mut self.late) {
            self.write(&events);
        }
    }

    fn write(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::OrderPlaced(placed) => {
                    self.due.insert(placed.order, placed.to_pay());
                }
                Event::PaymentStarted(fact) | Event::PaymentAcknowledged(fact) => self.put(fact, State::Started),
                Event::PaymentApproved(fact) => self.put(fact, State::Approved),
                Event::PaymentDeclined(fact) => self.put(fact, State::Declined),
                Event::PaymentUnknown(fact) => self.put(fact, State::Unknown),
                Event::PaymentResolved(fact) | Event::PaymentConfirmed(fact) => self.put(fact, State::Resolved),
                Event::TerminalBook(book) => self.book = book.clone(),
                Event::TaskRaised { kind, subject, .. } => self.tasks.push((*kind, *subject)),
                Event::OrderProgressed { order, state: Progress::Received } => {
                    self.received.insert(*order);
                }
                Event::OrderProgressed { order, state: Progress::Cancelled } => {
                    self.cancelled.insert(*order);
                }
                _ => {}
            }
        }
    }

    fn put(&mut self, fact: &PaymentFact, state: State) {
        self.attempts.insert(fact.attempt, (fact.clone(), state));
    }

    /// What the kiosk is told at its start.
    pub(super) fn restored(&self) -> Restored {
        let open = self.attempts.values().filter(|(_, state)| matches!(state, State::Started | State::Unknown));
        let mut restored = Restored {
            open: open
                .map(|(fact, state)| OpenAttempt {
                    fact: self.told(fact),
                    visit: None,
                    number: "A-1".into(),
                    unknown: *state == State::Unknown,
                    placed: !self.received.contains(&fact.order) && !self.cancelled.contains(&fact.order),
                })
                .collect(),
            provisional: self
                .attempts
                .values()
                .filter(|(fact, state)| *state == State::Resolved && fact.trail.provisional)
                .map(|(fact, _)| fact.clone())
                .collect(),
            book: self.book.clone(),
            held: self.held(),
            parts: self.parts(),
            abandoned: Vec::new(),
            paid: None,
        };
        if self.mutant == Some(Mutant::ForgetsOpenAttempts) {
            restored.open.clear();
        }
        if self.mutant == Some(Mutant::ForgetsHolds) {
            restored.open.retain(|open| !is_account(open.fact.tender));
        }
        restored
    }

    /// Orders that are not paid and of which a part is taken or may be.
    fn parts(&self) -> Vec<OrderInParts> {
        let ended = |order: &Id| self.received.contains(order) || self.cancelled.contains(order);
        let unpaid = self.due.iter().filter(|(order, _)| !ended(order));
        let parts = unpaid.map(|(order, due)| {
            let of = self
                .attempts
                .values()
                .filter(|(fact, _)| fact.order == *order && (fact.amount < *due || is_account(fact.tender)));
            let mut taken: Vec<(Id, Minor)> = Vec::new();
            let mut lives = false;
            for (fact, state) in of {
                let said = fact.outcome.as_deref().is_some_and(|word| word.ends_with("not_charged"));
                let moved = *state == State::Approved || (*state == State::Resolved && !said);
                lives |= moved || matches!(state, State::Started | State::Unknown);
                if moved {
                    taken.push((fact.attempt, fact.amount));
                }
            }
            (lives, OrderInParts { order: *order, due: *due, taken })
        });
        parts.filter(|(lives, _)| *lives).map(|(_, parts)| parts).collect()
    }

    fn told(&self, fact: &PaymentFact) -> PaymentFact {
        let mut fact = fact.clone();
        match self.mutant {
            Some(Mutant::TakesAcknowledgementForGranted) if !is_account(fact.tender) => {
                fact.trail.acknowledged = true;
                fact.trail.heard_utc_ms = fact.trail.began_utc_ms;
            }
            Some(Mutant::LosesTheNumberBefore) => fact.trail.receipt_before = self.book.last_receipt.map(|last| last + 1),
            _ => {}
        }
        fact
    }

    fn held(&self) -> Vec<(u32, u32, Id)> {
        if self.mutant == Some(Mutant::DropsUnique) {
            return Vec::new();
        }
        let held = |(fact, _): &(PaymentFact, State)| Some((fact.trail.period?, fact.reference?, fact.attempt));
        self.attempts.values().filter_map(held).collect()
    }
}
