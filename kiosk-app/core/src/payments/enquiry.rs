//! What the terminal's last receipt says about an attempt of which nobody knows the end.
//!
//! # It was charged
//!
//! Only where all of this holds (law 2): this attempt saw the terminal's acknowledgement or an intermediate status; the
//! receipt is the first after the number stored before the attempt, in the same end-of-day period; terminal, amount and
//! currency are equal; no other payment holds its number. And beyond the law, because a terminal may decline without giving
//! a number, and may take back what nobody acknowledged:
//! - Where the terminal can be used by hand (`TerminalLimits::by_hand`), the number before must have been read, and the
//!   receipt be seen, within `hand_ms` of this attempt: too short a time for anybody to make a sale of the same amount.
//! - It must be the last receipt still after `reversal_ms`.
//!
//! # It was not charged
//!
//! Only where the last receipt is the very one from before the attempt, with the same trace number (which goes on over an
//! end of day, so that numbers that began again cannot look like it), and the terminal's own time to finish
//! (`processing_ms`) is over.
//!
//! # Everything else
//!
//! is left to a named person, who sees the receipt.

use super::{Attempt, How, Payments, Settled, State};
use crate::{
    config::TerminalLimits,
    event::{Event, PaymentFact},
    ids::Id,
    now::Now,
    payments::book::Book,
    terminal::{CommandKind, Enquiry, TerminalReceipt},
};
use alloc::vec::Vec;

/// How long after a failed enquiry the next one is made.
pub const ASK_EVERY_MS: u64 = 3_000;
/// How long an enquiry may take; then it counts as failed.
pub const ASK_FOR_MS: u64 = 30_000;
/// Enquiries that fail beyond the terminal's processing time, before a person is asked instead.
const FAILURES_MAX: u8 = 3;
/// An enquiry on behalf of no attempt: it reads the number before the next one.
pub(crate) const NOBODY: Id = Id([0; 16]);

/// The receipt that fits, as it was first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    number: u32,
    trace: Option<u32>,
    at_ms: u64,
}

/// How far the asking has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// The next enquiry is due then. `since_ms` is when nobody knew any more: `None` until the first step after a start.
    Due { at_ms: u64, since_ms: Option<u64>, first: Option<Look>, failures: u8 },
    /// Asked; counts as failed then.
    Asked { until_ms: u64, since_ms: u64, first: Option<Look>, failures: u8 },
    /// A person must decide.
    Person,
}

impl Check {
    /// Of an attempt found at start.
    pub(super) fn of_found(fact: &PaymentFact) -> Self {
        match fact.kind {
            CommandKind::EndOfDay => Self::Person,
            CommandKind::Authorise | CommandKind::Reverse | CommandKind::Refund => {
                Self::Due { at_ms: 0, since_ms: None, first: None, failures: 0 }
            }
        }
    }

    /// Of an attempt that has just become unknown.
    pub(super) fn of_live(fact: &PaymentFact, now: Now) -> Self {
        match Self::of_found(fact) {
            Self::Due { first, failures, .. } => Self::Due { at_ms: now.mono_ms, since_ms: Some(now.mono_ms), first, failures },
            other => other,
        }
    }

    /// True while the terminal is being asked.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self, Self::Person)
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        match self {
            Self::Due { at_ms, .. } => Some(*at_ms),
            Self::Asked { until_ms, .. } => Some(*until_ms),
            Self::Person => None,
        }
    }
}

/// What a last receipt says about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Charged,
    NotCharged,
    Unclear,
}

impl Payments {
    /// The next enquiry to be made, if one is due. One at a time, and none while a command runs.
    pub(crate) fn ask(&mut self, now: Now) -> Option<Id> {
        let busy = |a: &Attempt| matches!(a.state, State::Running { .. } | State::Unknown(Check::Asked { .. }));
        if self.attempts.iter().any(busy) {
            return None;
        }
        let due = |a: &&mut Attempt| matches!(a.state, State::Unknown(Check::Due { at_ms, .. }) if at_ms <= now.mono_ms);
        let attempt = self.attempts.iter_mut().find(due)?;
        if let State::Unknown(Check::Due { since_ms, first, failures, .. }) = attempt.state {
            let until_ms = now.mono_ms.saturating_add(ASK_FOR_MS);
            let since_ms = since_ms.unwrap_or(now.mono_ms);
            attempt.state = State::Unknown(Check::Asked { until_ms, since_ms, first, failures });
        }
        Some(attempt.fact.attempt)
    }

    /// True where the number before the next attempt should be read now: the terminal can be used by hand, and nobody knows
    /// what was done there lately.
    pub(crate) fn wants_number(&self, now: Now) -> bool {
        self.limits.by_hand && !self.is_busy() && !self.book.is_fresh(&self.limits, now)
    }

    /// An enquiry that was never answered.
    pub(crate) fn ask_overdue(&mut self, now: Now) -> Option<Settled> {
        let late = |a: &&Attempt| matches!(a.state, State::Unknown(Check::Asked { until_ms, .. }) if until_ms <= now.mono_ms);
        let attempt = self.attempts.iter().find(late)?.fact.attempt;
        self.enquired(attempt, Enquiry::Failed, now)
    }

    /// The terminal has answered an enquiry. `None` where that changes nothing that is shown or recorded.
    pub(crate) fn enquired(&mut self, attempt: Id, enquiry: Enquiry, now: Now) -> Option<Settled> {
        if attempt == NOBODY {
            if !self.is_busy() {
                self.read(&enquiry, now);
            }
            return None;
        }
        let attempt = self.attempts.iter_mut().find(|a| a.fact.attempt == attempt)?;
        let State::Unknown(Check::Asked { since_ms, first, failures, .. }) = attempt.state else { return None };
        let over = now.mono_ms.saturating_sub(since_ms) >= self.limits.processing_ms;
        let again = |first, failures| {
            let at_ms = now.mono_ms.saturating_add(ASK_EVERY_MS);
            State::Unknown(Check::Due { at_ms, since_ms: Some(since_ms), first, failures })
        };
        let last = match enquiry {
            Enquiry::Unsupported => {
                self.book.blind = true;
                return Some(attempt.leave());
            }
            Enquiry::Failed if over && failures >= FAILURES_MAX => return Some(attempt.leave()),
            Enquiry::Failed => {
                attempt.state = again(first, if over { failures.saturating_add(1) } else { 0 });
                return None;
            }
            Enquiry::Last(last) => last,
        };
        attempt.seen.clone_from(&last);
        match (attempt.judge(last.as_ref(), first, &self.book, &self.limits, now), last) {
            (Says::Charged, Some(receipt)) => {
                let look = first.unwrap_or(Look { number: receipt.number, trace: receipt.trace, at_ms: now.mono_ms });
                if now.mono_ms.saturating_sub(look.at_ms) < self.limits.reversal_ms {
                    let at_ms = look.at_ms.saturating_add(self.limits.reversal_ms);
                    let first = Some(look);
                    attempt.state = State::Unknown(Check::Due { at_ms, since_ms: Some(since_ms), first, failures });
                    return None;
                }
                let settled = attempt.charged(&receipt, &mut self.book, now);
                self.keep_provisional(&settled);
                Some(settled)
            }
            (Says::NotCharged, _) if over => {
                attempt.state = State::Settled;
                attempt.fact.trail.provisional = true;
                let settled = attempt.settled(How::NotCharged, Event::PaymentResolved, Some("enquiry_not_charged"), None);
                self.keep_provisional(&settled);
                Some(settled)
            }
            (Says::NotCharged, _) => {
                attempt.state = again(None, 0);
                None
            }
            (Says::Unclear | Says::Charged, last) => {
                let settled = attempt.leave();
                // It may show that the day was closed by hand, and with it the totals that this attempt is in.
                self.read(&Enquiry::Last(last), now);
                Some(settled)
            }
        }
    }

    fn read(&mut self, enquiry: &Enquiry, now: Now) {
        match enquiry {
            Enquiry::Last(Some(receipt)) => self.book.read(receipt, now),
            Enquiry::Last(None) => self.book.read_none(now),
            Enquiry::Unsupported | Enquiry::Failed => {}
        }
    }
}

impl Attempt {
    fn leave(&mut self) -> Settled {
        self.state = State::Unknown(Check::Person);
        let mut settled = self.settled(How::Left, Event::PaymentUnknown, Some("left_to_staff"), None);
        // It is on disk as unknown already.
        settled.events = Vec::new();
        settled
    }

    fn charged(&mut self, receipt: &TerminalReceipt, book: &mut Book, now: Now) -> Settled {
        self.state = State::Settled;
        self.fact.trail.provisional = true;
        let reference = self.take_receipt(receipt, book, now);
        let mut settled = self.settled(How::Charged, Event::PaymentResolved, Some("enquiry_charged"), reference);
        settled.events.push(Event::TerminalBook(book.page().clone()));
        settled
    }

    fn judge(&self, last: Option<&TerminalReceipt>, first: Option<Look>, book: &Book, limits: &TerminalLimits, now: Now) -> Says {
        let trail = &self.fact.trail;
        let (Some(before), Some(period), Some(last)) = (trail.receipt_before, trail.period, last) else { return Says::Unclear };
        if period != book.page().period || trail.tid.is_empty() || last.terminal != trail.tid {
            return Says::Unclear;
        }
        let same_trace = trail.trace_before.is_some() && trail.trace_before == last.trace;
        if last.number == before && same_trace {
            return Says::NotCharged;
        }
        let later = trail.trace_before.zip(last.trace).is_none_or(|(before, trace)| trace > before);
        let ours = trail.acknowledged
            && last.number == before.saturating_add(1)
            && last.amount == self.fact.amount
            && last.currency.is_some()
            && last.currency == book.currency
            && book.is_free(period, last.number)
            && later;
        let still = first.is_none_or(|look| (look.number, look.trace) == (last.number, last.trace));
        let in_time = !limits.by_hand || first.is_some() || self.heard_within(limits.hand_ms, now);
        if ours && still && in_time { Says::Charged } else { Says::Unclear }
    }

    /// True where the terminal was last known to work on this attempt no longer ago than `ms`.
    fn heard_within(&self, ms: u64, now: Now) -> bool {
        if let Some(heard) = self.heard_ms {
            return now.mono_ms.saturating_sub(heard) <= ms;
        }
        let ago = now.utc_ms.zip(self.fact.trail.heard_utc_ms).map(|(now, heard)| now.saturating_sub(heard));
        ago.and_then(|ago| u64::try_from(ago).ok()).is_some_and(|ago| ago <= ms)
    }
}
