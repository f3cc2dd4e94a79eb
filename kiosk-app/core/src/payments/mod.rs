//! Payments beside the session: a payment outlives its visit.
//!
//! - Each financial command is an attempt of its own, of one of four kinds. It is started once, sent at most once, and ends
//!   approved, declined or unknown; a second try is a second attempt.
//! - At most one attempt runs at a time: there is one terminal.
//! - What is found without an outcome at start counts as sent, and becomes unknown. So does an attempt that the terminal
//!   left without an answer for `TerminalLimits::answer_ms`, and one approved over another amount than was asked for.
//! - Of an unknown attempt the terminal is asked for its last receipt, until that settles it or leaves it to a person (see
//!   [`enquiry`]); meanwhile no other attempt begins. One that is left to a person does not hinder the next guest, up to
//!   [`UNRESOLVED_MAX`].
//! - An unknown attempt never settles another order and is never sent again. It stays in [`Payments::unresolved`] until a
//!   named person decides, or until the terminal's approval of exactly this attempt arrives after all.
//! - What a person or an enquiry has decided is provisional until an end-of-day comparison confirms it ([`close`]).
//! - An order may be paid in parts ([`OrderInParts`]): each is an attempt and a payment of its own, the order is paid once
//!   they cover it, and one that is unknown hinders the others only while the terminal is being asked.
//! - An outcome that contradicts a closed attempt moves nothing. If it says that money moved, it is recorded for its own
//!   payment ('late_approval'), and the attempt is listed for a person: a refund may be due.

pub(crate) mod book;
pub mod close;
pub mod enquiry;
pub(crate) mod parts;
#[cfg(test)]
mod tests;

use crate::{
    accounts::AccountRefusal,
    config::TerminalLimits,
    device::Consent,
    effect::Who,
    event::{Event, PaymentFact, TerminalBook},
    ids::Id,
    money::{Currency, Minor},
    now::Now,
    terminal::{Command, CommandKind, CommandOutcome, DayTotals, TerminalReceipt},
};
use alloc::{
    string::{String, ToString},
    vec,
    vec::Vec,
};
use book::Book;
use enquiry::Check;
pub use parts::OrderInParts;

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
    /// Number of its order ('A-17'), empty where there is none.
    pub number: String,
    /// True where `PaymentUnknown` is already recorded.
    pub unknown: bool,
    /// True while its order is neither made nor cancelled.
    pub placed: bool,
}

/// What the disk knows about money at start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Attempts without an outcome.
    pub open: Vec<OpenAttempt>,
    /// Settled attempts that no end-of-day comparison has confirmed.
    pub provisional: Vec<PaymentFact>,
    /// Where the terminal's receipt numbers stand.
    pub book: TerminalBook,
    /// Receipt numbers held in the current period and the one before, as (period, number, attempt).
    pub held: Vec<(u32, u32, Id)>,
    /// Orders that are not paid and of which a part is taken or under way.
    pub parts: Vec<OrderInParts>,
    /// Orders that were placed, whose payments all ended without money, and that nobody has cancelled; with their visits.
    pub abandoned: Vec<(Id, Option<Id>)>,
    /// The last payment, where it was approved and its visit has no end: whoever paid may not have read it.
    pub paid: Option<OpenAttempt>,
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

/// A command that staff ask for: a reversal, a refund, an end of day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCommand {
    /// What is asked of the terminal.
    pub command: Command,
    /// The payment that is given back; all zeros for an end of day.
    pub payment: Id,
    /// Its order; all zeros for an end of day.
    pub order: Id,
    /// The attempt that took the money.
    pub original: Option<Id>,
    /// Order lines that are given back; empty for the whole.
    pub lines: Vec<u32>,
    /// Who asks for it; a staff id.
    pub staff: String,
}

/// An attempt that only a person can settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unresolved<'a> {
    /// What it is.
    pub fact: &'a PaymentFact,
    /// The terminal is still being asked; a person may wait for that.
    pub checking: bool,
    /// The terminal's last receipt as the enquiry saw it, which need not be this attempt's.
    pub seen: Option<&'a TerminalReceipt>,
    /// The attempt had ended otherwise before the terminal said that money moved.
    pub contradicted: bool,
}

/// Why an attempt may not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// What an input meant for a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) order: Id,
    pub(crate) attempt: Id,
    pub(crate) amount: Minor,
    /// The attempt that this one gives back.
    pub(crate) original: Option<Id>,
    pub(crate) kind: CommandKind,
    pub(crate) who: Who,
    /// What is recorded, the attempt's own event first; may be empty.
    pub(crate) events: Vec<Event>,
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
    /// Nobody knows; `checking` while the terminal is being asked.
    Unknown {
        checking: bool,
    },
    /// The terminal was asked and cannot tell: a person must.
    Left,
    /// Set aside at the backend, and not taken yet.
    Held,
    /// The backend set nothing aside, or has lost it; `None` where it does not answer.
    AccountRefused(Option<AccountRefusal>),
    /// Approved after it had become unknown.
    ApprovedLate(TerminalReceipt),
    /// Approved after it had been declined, or again with another amount: listed for a person, moves nothing.
    Contradicted,
    /// A person, or the terminal's last receipt, says that it was charged.
    Charged,
    /// A person, or the terminal's last receipt, says that it was not.
    NotCharged,
    /// A person has dealt with a contradiction; the order is not concerned.
    Closed,
    /// Nothing that the screen shows: the terminal is known to work on it.
    Heard,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Running {
        deadline_ms: u64,
    },
    Declined,
    Settled,
    Unknown(Check),
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
    /// When the terminal was last heard working on it, by this process's clock.
    heard_ms: Option<u64>,
    seen: Option<TerminalReceipt>,
}

/// All payments of this kiosk that may still matter.
#[derive(Clone, Debug, Default)]
pub struct Payments {
    attempts: Vec<Attempt>,
    provisional: Vec<PaymentFact>,
    book: Book,
    limits: TerminalLimits,
    parts: Vec<OrderInParts>,
}

impl Payments {
    /// Nothing known; bounded by `limits`.
    pub(crate) fn new(limits: TerminalLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Attempts that are not settled, oldest first.
    pub fn unresolved(&self) -> impl Iterator<Item = Unresolved<'_>> {
        self.attempts.iter().filter_map(|a| {
            let (checking, contradicted) = match &a.state {
                State::Unknown(check) => (check.is_open(), false),
                State::Contradicted { .. } => (false, true),
                State::Running { .. } | State::Declined | State::Settled => return None,
            };
            Some(Unresolved { fact: &a.fact, checking, seen: a.seen.as_ref(), contradicted })
        })
    }

    /// Settled by a person or an enquiry, and not yet confirmed by an end-of-day comparison.
    pub fn provisional(&self) -> &[PaymentFact] {
        &self.provisional
    }

    /// Where the terminal's receipt numbers stand.
    pub fn book(&self) -> &TerminalBook {
        self.book.page()
    }

    /// The attempt that is at the terminal now.
    pub fn running(&self) -> Option<&PaymentFact> {
        self.attempts.iter().find(|a| matches!(a.state, State::Running { .. })).map(|a| &a.fact)
    }

    /// True while no new attempt may begin: one runs, one is being asked about, or too many are unresolved.
    pub fn is_busy(&self) -> bool {
        let busy = |a: &Attempt| match &a.state {
            State::Running { .. } => true,
            State::Unknown(check) => check.is_open(),
            State::Declined | State::Settled | State::Contradicted { .. } => false,
        };
        self.attempts.iter().any(busy) || self.unresolved().count() >= UNRESOLVED_MAX
    }

    /// True where an attempt for this order runs, or is not settled.
    pub(crate) fn is_open_for(&self, order: Id) -> bool {
        self.running().is_some_and(|fact| fact.order == order) || self.unresolved().any(|open| open.fact.order == order)
    }

    /// When something is due, by `Now::mono_ms`.
    pub fn deadline_ms(&self) -> Option<u64> {
        let due = self.attempts.iter().filter_map(|a| match &a.state {
            State::Running { deadline_ms } => Some(*deadline_ms),
            State::Unknown(check) => check.due_ms(),
            State::Declined | State::Settled | State::Contradicted { .. } => None,
        });
        due.min()
    }

    /// What the disk knows, before anything else.
    pub(crate) fn restore(&mut self, book: TerminalBook, held: Vec<(u32, u32, Id)>, provisional: Vec<PaymentFact>) {
        self.book = Book::restored(book, held);
        self.provisional = provisional;
    }

    /// Takes up an attempt found on disk. What is to be recorded of it, if that was not done before.
    pub(crate) fn found(&mut self, open: OpenAttempt, language: &str) -> Option<Settled> {
        if self.attempts.iter().any(|a| a.fact.attempt == open.fact.attempt) {
            return None;
        }
        let who = Who { visit: open.visit, visitor: None, consent: Consent::None, language: language.to_string() };
        let check = Check::of_found(&open.fact);
        let checking = check.is_open();
        self.attempts.push(Attempt { fact: open.fact, who, state: State::Unknown(check), heard_ms: None, seen: None });
        let attempt = self.attempts.last()?;
        (!open.unknown).then(|| attempt.settled(How::Unknown { checking }, Event::PaymentUnknown, Some("found_open"), None))
    }

    /// Begins an attempt; gives back the fact as it is to be recorded, with its trail.
    pub(crate) fn begin(&mut self, fact: PaymentFact, who: Who, now: Now) -> Result<PaymentFact, Busy> {
        if self.is_busy() || self.attempts.iter().any(|a| a.fact.attempt == fact.attempt) {
            return Err(Busy);
        }
        let closed = |a: &Attempt| matches!(a.state, State::Settled | State::Declined);
        if self.attempts.iter().filter(|a| closed(a)).count() >= CLOSED_MAX
            && let Some(oldest) = self.attempts.iter().position(closed)
        {
            self.attempts.remove(oldest);
        }
        let fact = PaymentFact { trail: self.book.trail(&self.limits, now), ..fact };
        let state = State::Running { deadline_ms: now.mono_ms.saturating_add(self.limits.answer_ms) };
        self.attempts.push(Attempt { fact: fact.clone(), who, state, heard_ms: None, seen: None });
        Ok(fact)
    }

    /// The start of a running attempt could not be recorded, so that it was never sent.
    pub(crate) fn forget(&mut self, attempt: Id) {
        self.attempts.retain(|a| a.fact.attempt != attempt || !matches!(a.state, State::Running { .. }));
    }

    /// The terminal has acknowledged the command, or sent an intermediate status for it.
    pub(crate) fn heard(&mut self, attempt: Id, now: Now) -> Option<Settled> {
        let attempt = self.attempts.iter_mut().find(|a| a.fact.attempt == attempt)?;
        if !matches!(attempt.state, State::Running { .. } | State::Unknown(_)) {
            return None;
        }
        attempt.heard_ms = Some(now.mono_ms);
        if attempt.fact.trail.acknowledged {
            return None;
        }
        attempt.fact.trail.acknowledged = true;
        attempt.fact.trail.heard_utc_ms = now.utc_ms;
        Some(attempt.settled(How::Heard, Event::PaymentAcknowledged, None, None))
    }

    /// The terminal has spoken. `None` where that changes nothing.
    pub(crate) fn ended(&mut self, attempt: Id, outcome: CommandOutcome, now: Now) -> Option<Settled> {
        let attempt = self.attempts.iter_mut().find(|a| a.fact.attempt == attempt)?;
        match attempt.state {
            State::Running { .. } => Some(attempt.end(outcome, &mut self.book, now)),
            State::Unknown(_) => attempt.end_late(outcome, &mut self.book, now),
            State::Declined => attempt.contradict(outcome),
            State::Settled | State::Contradicted { .. } => None,
        }
    }

    /// Makes the running attempt unknown once its time is over.
    pub(crate) fn overdue(&mut self, now: Now) -> Option<Settled> {
        let late = |a: &&mut Attempt| matches!(a.state, State::Running { deadline_ms } if deadline_ms <= now.mono_ms);
        let attempt = self.attempts.iter_mut().find(late)?;
        Some(attempt.becomes_unknown("no_answer", None, &mut self.book, now))
    }

    /// A named person has decided. `None` where the attempt is not unresolved, or where the receipt that is named belongs to
    /// another payment.
    pub(crate) fn resolve(&mut self, attempt: Id, verdict: Verdict, staff: &str, now: Now) -> Option<Settled> {
        let attempt = self.attempts.iter_mut().find(|a| a.fact.attempt == attempt)?;
        let waiting = match attempt.state {
            State::Unknown(_) => true,
            State::Contradicted { waiting } => waiting,
            State::Running { .. } | State::Declined | State::Settled => return None,
        };
        let (how, word, reference) = match verdict {
            Verdict::Charged { reference } => (How::Charged, "charged", reference),
            Verdict::NotCharged => (How::NotCharged, "not_charged", None),
        };
        let period = attempt.fact.trail.period;
        if let Some(number) = reference
            && !self.book.hold(period, number, attempt.fact.attempt)
        {
            return None;
        }
        attempt.state = State::Settled;
        attempt.fact.staff = Some(staff.to_string());
        attempt.fact.trail.provisional = true;
        // The day it belongs to has ended: no comparison will come.
        self.book.unseen |= period.is_some_and(|period| period < self.book.page().period);
        let how = if waiting { how } else { How::Closed };
        let mut settled = attempt.settled(how, Event::PaymentResolved, Some(word), reference);
        if attempt.fact.kind == CommandKind::EndOfDay {
            self.book.turn(now);
            settled.events.push(Event::TerminalBook(self.book.page().clone()));
        }
        self.keep_provisional(&settled);
        Some(settled)
    }

    /// Another currency, with the catalogue: what an enquiry compares with.
    pub(crate) fn set_currency(&mut self, currency: Currency) {
        self.book.currency = Some(currency);
    }

    fn keep_provisional(&mut self, settled: &Settled) {
        for event in &settled.events {
            if let Event::PaymentResolved(fact) = event
                && fact.trail.provisional
                && self.provisional.len() < UNRESOLVED_MAX
            {
                self.provisional.push(fact.clone());
            }
        }
    }
}

impl Attempt {
    fn end(&mut self, outcome: CommandOutcome, book: &mut Book, now: Now) -> Settled {
        match outcome {
            CommandOutcome::Approved(receipt) if self.is_answered_by(&receipt) => {
                self.state = State::Settled;
                let reference = self.take_receipt(&receipt, book, now);
                let mut settled = self.settled(How::Approved(receipt), Event::PaymentApproved, None, reference);
                settled.events.push(Event::TerminalBook(book.page().clone()));
                settled
            }
            CommandOutcome::Totals(totals) if self.fact.kind == CommandKind::EndOfDay => {
                self.state = State::Settled;
                book.turn(now);
                let mut settled = self.settled(How::Totals(totals), Event::PaymentApproved, None, None);
                settled.events.push(Event::TerminalBook(book.page().clone()));
                settled
            }
            CommandOutcome::Approved(receipt) => {
                let word = amount_word(receipt.amount);
                let settled = self.becomes_unknown(&word, Some(receipt.number), book, now);
                self.seen = Some(receipt);
                settled
            }
            CommandOutcome::Totals(_) => self.becomes_unknown("unexpected_totals", None, book, now),
            CommandOutcome::Declined { code } => {
                self.state = State::Declined;
                let word = alloc::format!("code_{code:02x}");
                self.settled(How::Declined { code }, Event::PaymentDeclined, Some(&word), None)
            }
            CommandOutcome::NotSent => {
                self.state = State::Declined;
                self.settled(How::NotSent, Event::PaymentDeclined, Some("not_sent"), None)
            }
            CommandOutcome::Unknown => self.becomes_unknown("", None, book, now),
        }
    }

    /// `reference` is of an approval that does not fit: then asking the terminal tells nothing new.
    fn becomes_unknown(&mut self, word: &str, reference: Option<u32>, book: &mut Book, now: Now) -> Settled {
        let check = if reference.is_some() { Check::Person } else { Check::of_live(&self.fact, now) };
        let checking = check.is_open();
        self.state = State::Unknown(check);
        let word = Some(word).filter(|word| !word.is_empty());
        let mut settled = self.settled(How::Unknown { checking }, Event::PaymentUnknown, word, reference);
        if self.fact.kind == CommandKind::EndOfDay {
            // The numbering may have begun again: what comes next must not be compared with what was.
            book.turn(now);
            settled.events.push(Event::TerminalBook(book.page().clone()));
        }
        settled
    }

    fn is_answered_by(&self, receipt: &TerminalReceipt) -> bool {
        self.fact.kind != CommandKind::EndOfDay && receipt.amount == self.fact.amount
    }

    /// Writes the terminal's receipt down; gives its number where nobody else holds it.
    fn take_receipt(&mut self, receipt: &TerminalReceipt, book: &mut Book, now: Now) -> Option<u32> {
        book.take(receipt, now);
        self.fact.trail.period = Some(book.page().period);
        self.fact.trail.trace = receipt.trace;
        if !receipt.terminal.is_empty() {
            self.fact.trail.tid.clone_from(&receipt.terminal);
        }
        (receipt.number != 0 && book.hold(Some(book.page().period), receipt.number, self.fact.attempt)).then_some(receipt.number)
    }

    /// Only an approval is believed late: a decline might be the answer to something else, and a person looks anyway.
    fn end_late(&mut self, outcome: CommandOutcome, book: &mut Book, now: Now) -> Option<Settled> {
        match outcome {
            CommandOutcome::Approved(receipt) if self.is_answered_by(&receipt) => {
                self.state = State::Settled;
                let reference = self.take_receipt(&receipt, book, now);
                let how = How::ApprovedLate(receipt);
                let mut settled = self.settled(how, Event::PaymentResolved, Some("late_approval"), reference);
                settled.events.push(Event::TerminalBook(book.page().clone()));
                Some(settled)
            }
            other => self.contradict(other),
        }
    }

    fn contradict(&mut self, outcome: CommandOutcome) -> Option<Settled> {
        let CommandOutcome::Approved(receipt) = outcome else { return None };
        let word = if receipt.amount == self.fact.amount { "late_approval".to_string() } else { amount_word(receipt.amount) };
        self.state = State::Contradicted { waiting: matches!(self.state, State::Unknown(_)) };
        let number = Some(receipt.number).filter(|number| *number != 0);
        self.seen = Some(receipt);
        // Its row says what it said, and what the terminal says now: a person looks at both.
        Some(self.settled(How::Contradicted, Event::PaymentResolved, Some(&word), number))
    }

    fn settled(&self, how: How, event: fn(PaymentFact) -> Event, word: Option<&str>, reference: Option<u32>) -> Settled {
        let fact = PaymentFact { reference, outcome: word.map(ToString::to_string), ..self.fact.clone() };
        let PaymentFact { order, kind, attempt, amount, original, .. } = self.fact;
        Settled { order, attempt, amount, original, kind, who: self.who.clone(), events: vec![event(fact)], how }
    }
}

fn amount_word(amount: Minor) -> String {
    alloc::format!("amount_differs_{}", amount.0)
}
