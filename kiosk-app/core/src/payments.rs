//! Payments beside the session: a payment outlives its visit.
//!
//! - Each financial command is an attempt of its own. It is started once, sent at most once, and ends approved, declined
//!   or unknown; a second try is a second attempt.
//! - At most one attempt runs at a time: there is one terminal.
//! - What is found without an outcome at start counts as sent, and becomes unknown. So does an attempt that the terminal
//!   left without an answer for `TerminalLimits::answer_ms`, and one approved over another amount than was asked for.
//! - An unknown attempt never settles another order and is never sent again. It stays in [`Payments::unresolved`] until a
//!   person decides, or until the terminal's approval of exactly this attempt arrives after all. A new guest can be served
//!   meanwhile, up to [`UNRESOLVED_MAX`].
//! - An outcome that contradicts a closed attempt moves nothing. If it says that money moved, it is recorded for its own
//!   payment ('late_approval'), and the attempt is listed for a person: a refund may be due.

use crate::{
    CommandOutcome,
    device::Consent,
    effect::Who,
    event::{Event, PaymentFact},
    ids::Id,
    money::Minor,
    terminal::{DayTotals, TerminalReceipt},
};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};

/// With this many unresolved attempts the terminal, or what lies between, cannot be trusted: no card payment begins.
pub const UNRESOLVED_MAX: usize = 100;
/// How many closed attempts are remembered, to recognise what comes late.
const CLOSED_MAX: usize = 64;

/// A way to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tender {
    /// Card or telephone at the terminal.
    Card,
    /// Cash, at the counter.
    Cash,
    /// Stored value.
    Wallet,
    /// Gift card.
    Gift,
    /// Loyalty points.
    Points,
}

/// An attempt found without an outcome on disk at start: it counts as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAttempt {
    /// What was recorded by `PaymentStarted` (or `PaymentUnknown`).
    pub fact: PaymentFact,
    /// The visit it belongs to.
    pub visit: Option<Id>,
    /// True where `PaymentUnknown` is already recorded.
    pub unknown: bool,
}

/// How a person settled an unknown attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The terminal's journal shows the money; with its receipt number, where there is one.
    Charged {
        /// Terminal receipt number.
        reference: Option<u32>,
    },
    /// No money moved.
    NotCharged,
}

/// Why an attempt may not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// What an input meant for a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) order: Id,
    pub(crate) who: Who,
    /// What is recorded.
    pub(crate) event: Event,
    pub(crate) how: How,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Approved(TerminalReceipt),
    /// The terminal's day is closed.
    Totals(DayTotals),
    Declined {
        code: u8,
    },
    NotSent,
    Unknown,
    /// Approved after it had become unknown.
    ApprovedLate(TerminalReceipt),
    /// Approved after it had been declined, or again with another amount: listed for a person, moves nothing.
    Contradicted,
    /// A person says that it was charged.
    Charged,
    /// A person says that it was not.
    NotCharged,
    /// A person has dealt with a contradiction; the order is not concerned.
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running {
        deadline_ms: u64,
    },
    Declined,
    Settled,
    Unknown,
    /// `waiting` where the order still waits for this attempt.
    Contradicted {
        waiting: bool,
    },
}

#[derive(Clone, Debug)]
struct Attempt {
    fact: PaymentFact,
    who: Who,
    state: State,
}

/// All payments of this kiosk that may still matter.
#[derive(Clone, Debug, Default)]
pub struct Payments {
    attempts: Vec<Attempt>,
}

impl Payments {
    /// Attempts that only a person can settle now, oldest first.
    pub fn unresolved(&self) -> impl Iterator<Item = &PaymentFact> {
        let open = |a: &&Attempt| matches!(a.state, State::Unknown | State::Contradicted { .. });
        self.attempts.iter().filter(open).map(|a| &a.fact)
    }

    /// The attempt that is at the terminal now.
    pub fn running(&self) -> Option<&PaymentFact> {
        self.attempts.iter().find(|a| matches!(a.state, State::Running { .. })).map(|a| &a.fact)
    }

    /// When the running attempt becomes unknown, by `Now::mono_ms`.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.attempts.iter().find_map(|a| match a.state {
            State::Running { deadline_ms } => Some(deadline_ms),
            _ => None,
        })
    }

    /// Takes up an attempt found on disk. What is to be recorded of it, if that was not done before.
    pub(crate) fn found(&mut self, open: OpenAttempt, language: &str) -> Option<Settled> {
        if self.attempts.iter().any(|a| a.fact.attempt == open.fact.attempt) {
            return None;
        }
        let who = Who { visit: open.visit, visitor: None, consent: Consent::None, language: language.to_string() };
        self.attempts.push(Attempt { fact: open.fact, who, state: State::Unknown });
        let attempt = self.attempts.last()?;
        (!open.unknown).then(|| attempt.settled(How::Unknown, Event::PaymentUnknown, Some("found_open"), None))
    }

    /// Begins an attempt.
    pub(crate) fn begin(&mut self, fact: PaymentFact, who: Who, deadline_ms: u64) -> Result<(), Busy> {
        let known = self.attempts.iter().any(|a| a.fact.attempt == fact.attempt);
        if known || self.running().is_some() || self.unresolved().count() >= UNRESOLVED_MAX {
            return Err(Busy);
        }
        let closed = |a: &Attempt| matches!(a.state, State::Settled | State::Declined);
        if self.attempts.iter().filter(|a| closed(a)).count() >= CLOSED_MAX
            && let Some(oldest) = self.attempts.iter().position(closed)
        {
            self.attempts.remove(oldest);
        }
        self.attempts.push(Attempt { fact, who, state: State::Running { deadline_ms } });
        Ok(())
    }

    /// The start of a running attempt could not be recorded, so that it was never sent.
    pub(crate) fn forget(&mut self, attempt: Id) {
        self.attempts.retain(|a| a.fact.attempt != attempt || !matches!(a.state, State::Running { .. }));
    }

    /// The terminal has spoken. `None` where that changes nothing.
    pub(crate) fn ended(&mut self, attempt: Id, outcome: CommandOutcome) -> Option<Settled> {
        let attempt = self.attempts.iter_mut().find(|a| a.fact.attempt == attempt)?;
        match attempt.state {
            State::Running { .. } => Some(attempt.end(outcome)),
            State::Unknown => attempt.end_late(outcome),
            State::Declined => attempt.contradict(outcome),
            State::Settled | State::Contradicted { .. } => None,
        }
    }

    /// Makes the running attempt unknown once its time is over.
    pub(crate) fn overdue(&mut self, mono_ms: u64) -> Option<Settled> {
        let late = |a: &&mut Attempt| matches!(a.state, State::Running { deadline_ms } if deadline_ms <= mono_ms);
        let attempt = self.attempts.iter_mut().find(late)?;
        attempt.state = State::Unknown;
        Some(attempt.settled(How::Unknown, Event::PaymentUnknown, Some("no_answer"), None))
    }

    /// A person has decided. `None` where the attempt is not unresolved.
    pub(crate) fn resolve(&mut self, attempt: Id, verdict: Verdict) -> Option<Settled> {
        let attempt = self.attempts.iter_mut().find(|a| a.fact.attempt == attempt)?;
        let waiting = match attempt.state {
            State::Unknown => true,
            State::Contradicted { waiting } => waiting,
            State::Running { .. } | State::Declined | State::Settled => return None,
        };
        let (how, word, reference) = match verdict {
            Verdict::Charged { reference } => (How::Charged, "charged", reference),
            Verdict::NotCharged => (How::NotCharged, "not_charged", None),
        };
        attempt.state = State::Settled;
        let how = if waiting { how } else { How::Closed };
        Some(attempt.settled(how, Event::PaymentResolved, Some(word), reference))
    }
}

impl Attempt {
    fn end(&mut self, outcome: CommandOutcome) -> Settled {
        match outcome {
            CommandOutcome::Approved(receipt) if receipt.amount == self.fact.amount => {
                self.state = State::Settled;
                let number = receipt.number;
                self.settled(How::Approved(receipt), Event::PaymentApproved, None, Some(number))
            }
            CommandOutcome::Approved(receipt) => {
                self.state = State::Unknown;
                let word = amount_word(receipt.amount);
                self.settled(How::Unknown, Event::PaymentUnknown, Some(&word), Some(receipt.number))
            }
            CommandOutcome::Totals(totals) => {
                self.state = State::Settled;
                self.settled(How::Totals(totals), Event::PaymentApproved, None, None)
            }
            CommandOutcome::Declined { code } => {
                self.state = State::Declined;
                let word = alloc::format!("code_{code:02x}");
                self.settled(How::Declined { code }, Event::PaymentDeclined, Some(&word), None)
            }
            CommandOutcome::NotSent => {
                self.state = State::Declined;
                self.settled(How::NotSent, Event::PaymentDeclined, Some("not_sent"), None)
            }
            CommandOutcome::Unknown => {
                self.state = State::Unknown;
                self.settled(How::Unknown, Event::PaymentUnknown, None, None)
            }
        }
    }

    /// Only an approval is believed late: a decline might be the answer to something else, and a person looks anyway.
    fn end_late(&mut self, outcome: CommandOutcome) -> Option<Settled> {
        match outcome {
            CommandOutcome::Approved(receipt) if receipt.amount == self.fact.amount => {
                self.state = State::Settled;
                let number = receipt.number;
                let how = How::ApprovedLate(receipt);
                Some(self.settled(how, Event::PaymentResolved, Some("late_approval"), Some(number)))
            }
            other => self.contradict(other),
        }
    }

    fn contradict(&mut self, outcome: CommandOutcome) -> Option<Settled> {
        let CommandOutcome::Approved(TerminalReceipt { amount, number, .. }) = outcome else { return None };
        let word = if amount == self.fact.amount { "late_approval".to_string() } else { amount_word(amount) };
        self.state = State::Contradicted { waiting: self.state == State::Unknown };
        Some(self.settled(How::Contradicted, Event::PaymentResolved, Some(&word), Some(number)))
    }

    fn settled(&self, how: How, event: fn(PaymentFact) -> Event, word: Option<&str>, reference: Option<u32>) -> Settled {
        let fact = PaymentFact { reference, outcome: word.map(ToString::to_string), ..self.fact.clone() };
        Settled { order: self.fact.order, who: self.who.clone(), event: event(fact), how }
    }
}

fn amount_word(amount: Minor) -> String {
    alloc::format!("amount_differs_{}", amount.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn id(n: u8) -> Id {
        Id([n; 16])
    }

    fn fact(attempt: u8) -> PaymentFact {
        PaymentFact::card(id(100), id(200), id(attempt), Minor(1250))
    }

    fn begun() -> Payments {
        let mut payments = Payments::default();
        payments.begin(fact(1), Who { visit: Some(id(9)), ..Who::default() }, 1000).unwrap();
        payments
    }

    fn approved(amount: i64) -> CommandOutcome {
        CommandOutcome::approved(Minor(amount), 17, "**** 1")
    }

    #[test]
    fn an_approval_settles_its_attempt_once() {
        let mut payments = begun();
        let settled = payments.ended(id(1), approved(1250)).unwrap();
        assert!(matches!(&settled.how, How::Approved(receipt) if receipt.masked == "**** 1"));
        assert_eq!(settled.who.visit, Some(id(9)));
        assert!(matches!(settled.event, Event::PaymentApproved(PaymentFact { reference: Some(17), .. })));
        assert_eq!(payments.ended(id(1), approved(1250)), None);
        assert_eq!(payments.ended(id(1), CommandOutcome::Declined { code: 5 }), None);
        assert_eq!((payments.running(), payments.unresolved().count()), (None, 0));
    }

    #[test]
    fn one_attempt_runs_at_a_time_and_none_begins_twice() {
        let mut payments = begun();
        assert_eq!(payments.begin(fact(2), Who::default(), 5), Err(Busy));
        payments.ended(id(1), CommandOutcome::Declined { code: 5 }).unwrap();
        assert_eq!(payments.begin(fact(1), Who::default(), 5), Err(Busy), "never sent again");
        assert_eq!(payments.begin(fact(2), Who::default(), 5), Ok(()));
    }

    #[test]
    fn silence_makes_an_attempt_unknown_until_a_person_decides() {
        let mut payments = begun();
        assert_eq!(payments.overdue(999), None);
        assert_eq!(payments.overdue(1000).unwrap().how, How::Unknown);
        assert_eq!(payments.unresolved().count(), 1);
        assert_eq!(payments.begin(fact(2), Who::default(), 5), Ok(()), "another guest can be served");
        let resolved = payments.resolve(id(1), Verdict::Charged { reference: Some(4) }).unwrap();
        assert_eq!(resolved.how, How::Charged);
        assert!(matches!(resolved.event, Event::PaymentResolved(PaymentFact { reference: Some(4), .. })));
        assert_eq!(payments.resolve(id(1), Verdict::NotCharged), None);
        assert_eq!(payments.resolve(id(2), Verdict::NotCharged), None, "it still runs");
    }

    #[test]
    fn a_late_approval_settles_its_own_attempt_and_a_late_decline_settles_nothing() {
        let mut payments = begun();
        payments.ended(id(1), CommandOutcome::Unknown).unwrap();
        assert_eq!(payments.ended(id(1), CommandOutcome::Declined { code: 5 }), None);
        assert_eq!(payments.unresolved().count(), 1);
        assert!(matches!(payments.ended(id(1), approved(1250)).unwrap().how, How::ApprovedLate(_)));
        assert_eq!(payments.unresolved().count(), 0);
    }

    #[test]
    fn an_approval_after_a_decline_is_recorded_and_left_to_a_person() {
        let mut payments = begun();
        payments.ended(id(1), CommandOutcome::Declined { code: 5 }).unwrap();
        let settled = payments.ended(id(1), approved(1250)).unwrap();
        assert_eq!(settled.how, How::Contradicted);
        assert!(matches!(&settled.event, Event::PaymentResolved(f) if f.outcome.as_deref() == Some("late_approval")));
        assert_eq!(payments.unresolved().count(), 1);
        assert_eq!(payments.ended(id(1), approved(1250)), None, "once");
        assert_eq!(payments.resolve(id(1), Verdict::Charged { reference: None }).unwrap().how, How::Closed);
    }

    #[test]
    fn an_approval_of_another_amount_is_unknown() {
        let mut payments = begun();
        let settled = payments.ended(id(1), approved(1000)).unwrap();
        assert_eq!(settled.how, How::Unknown);
        assert!(matches!(&settled.event, Event::PaymentUnknown(f) if f.outcome.as_deref() == Some("amount_differs_1000")));
        assert_eq!(payments.ended(id(1), approved(1000)).unwrap().how, How::Contradicted);
    }

    #[test]
    fn what_is_found_at_start_counts_as_sent() {
        let mut payments = Payments::default();
        let open = OpenAttempt { fact: fact(1), visit: Some(id(9)), unknown: false };
        let settled = payments.found(open.clone(), "en").unwrap();
        assert!(matches!(settled.event, Event::PaymentUnknown(_)));
        assert_eq!(settled.who.visit, Some(id(9)));
        assert_eq!(payments.found(open, "en"), None, "once");
        let known = OpenAttempt { fact: fact(2), visit: None, unknown: true };
        assert_eq!(payments.found(known, "en"), None, "already recorded");
        assert_eq!(payments.unresolved().count(), 2);
        assert_eq!(payments.begin(fact(1), Who::default(), 5), Err(Busy));
    }

    #[test]
    fn foreign_outcomes_are_ignored_and_memory_is_bounded() {
        let mut payments = Payments::default();
        assert_eq!(payments.ended(id(7), approved(1)), None);
        for n in 0..200 {
            payments.begin(fact(n), Who::default(), 5).unwrap();
            payments.ended(id(n), CommandOutcome::NotSent).unwrap();
        }
        assert_eq!(payments.attempts.len(), CLOSED_MAX);
        for n in 0..100 {
            payments
                .begin(
                    PaymentFact { attempt: Id([n, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), ..fact(0) },
                    Who::default(),
                    5,
                )
                .unwrap();
            payments.overdue(5).unwrap();
        }
        assert_eq!(payments.begin(fact(201), Who::default(), 5), Err(Busy), "too much is unresolved");
    }
}
