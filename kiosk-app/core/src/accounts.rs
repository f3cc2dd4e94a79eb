//! Money that lies at the backend: gift cards as a way to pay.
//!
//! - It is set aside first (hold), and taken once the rest of the order is paid (capture); a guest who stops gets it back at
//!   once (release), and a hold that nobody takes ends by itself at the backend.
//! - Each is an attempt like any other: on disk before the first byte, started once. Unlike a terminal's, these commands carry
//!   a key of ours, the attempt's id, and the backend gives one key one effect: what is not answered is asked again with the
//!   same key, after a restart, too.
//! - A hold that is not answered in [`HOLD_TRIES`] is released, whatever became of it: the guest pays otherwise. The backend
//!   remembers the release, so that a hold that arrives after it takes nothing.
//! - Who stands before the screen decides about the holds of their own order. Of an order whose guest has gone, or that was
//!   found at start, holds are taken where they and what is paid cover it, and released where they do not.
//! - Offline nothing begins. What has begun waits for the network.

#[cfg(test)]
mod tests;

use crate::{
    device::Consent,
    effect::Who,
    event::{Event, PaymentFact, TaskKind},
    ids::Id,
    money::Minor,
    now::Now,
    payments::{Busy, How, OpenAttempt, Settled, Tender},
    terminal::{CommandKind, TerminalReceipt},
};
use alloc::{
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::fmt;

/// How long the backend has for an answer; then there is none.
pub const ASK_FOR_MS: u64 = 6_000;
/// How often a hold is asked for before the guest is told that there is no answer.
pub const HOLD_TRIES: u32 = 2;
/// Unanswered tries after which a person is called to a guest who waits for a capture.
const LEFT_AFTER: u32 = 4;
/// The first pause before a question is repeated; each is twice as long as the one before.
const FIRST_PAUSE_MS: u64 = 1_500;
/// The longest pause.
const PAUSE_MAX_MS: u64 = 60_000;
/// Attempts without an end; with as many no further one begins.
const OPEN_MAX: usize = 64;

/// The number of a gift card. It is a secret: whoever knows it can spend what is on it. Never written down, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct GiftCode(String);

impl GiftCode {
    /// Digits of a number.
    pub const DIGITS: usize = 16;

    /// The number in what was typed or scanned; spaces and hyphens do not count. `None` for what cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        (digits.len() == Self::DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit())).then_some(Self(digits))
    }

    /// The number itself, for the way to the backend.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What may be shown and printed of it.
    pub fn ending(&self) -> &str {
        self.0.get(Self::DIGITS - 4..).unwrap_or_default()
    }
}

impl fmt::Debug for GiftCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GiftCode(..)")
    }
}

/// What the backend is asked, under the attempt's id as the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountAsk {
    /// What is on it? Moves nothing.
    Look {
        /// The gift card.
        code: GiftCode,
    },
    /// Set so much aside.
    Hold {
        /// The gift card.
        code: GiftCode,
        /// How much.
        amount: Minor,
    },
    /// Take what this attempt has set aside.
    Capture,
    /// Put back what this attempt has set aside, or may have.
    Release,
    /// Put back what another attempt has taken, or a part of it.
    Refund {
        /// That attempt.
        original: Id,
        /// How much.
        amount: Minor,
    },
}

/// What the backend answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountAnswer {
    /// So much can be spent.
    Balance(Minor),
    /// It is set aside.
    Held,
    /// It is taken.
    Captured,
    /// Nothing is set aside any more.
    Released,
    /// It is back.
    Refunded,
    /// Nothing moved, and will not.
    Refused(AccountRefusal),
    /// No answer: it may have been heard or not.
    Silent,
}

/// Why nothing moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccountRefusal {
    /// There is no such gift card.
    Unknown,
    /// There is not so much on it.
    TooLittle,
    /// It cannot be used: blocked, run out, of another currency.
    NotUsable,
    /// Too many wrong numbers were tried here.
    TooMany,
    /// What was set aside is gone, and there is not enough left.
    Gone,
}

impl AccountRefusal {
    /// The word on disk.
    fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown_card",
            Self::TooLittle => "too_little",
            Self::NotUsable => "not_usable",
            Self::TooMany => "too_many",
            Self::Gone => "hold_lost",
        }
    }
}

/// True for a tender whose money lies at the backend.
pub fn is_account(tender: Tender) -> bool {
    tender == Tender::Gift
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Holding,
    Held,
    Capturing,
    /// `bears`: the order of a guest who has gone falls with it.
    Releasing {
        bears: bool,
    },
    Refunding,
}

#[derive(Clone, Debug)]
struct Attempt {
    fact: PaymentFact,
    who: Who,
    state: State,
    code: Option<GiftCode>,
    tries: u32,
    /// When it is asked next; `None` while it is asked, or has nothing to ask.
    next_ms: Option<u64>,
    /// When the question counts as unanswered.
    until_ms: Option<u64>,
}

/// All attempts at accounts that have no end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    attempts: Vec<Attempt>,
}

impl Accounts {
    /// Begins to set something aside. Gives back the fact as it is to be recorded, and the question.
    pub(crate) fn hold(
        &mut self,
        fact: PaymentFact,
        who: Who,
        code: GiftCode,
        now: Now,
    ) -> Result<(PaymentFact, AccountAsk), Busy> {
        let ask = AccountAsk::Hold { code: code.clone(), amount: fact.amount };
        self.begin(fact, who, State::Holding, Some(code), now).map(|fact| (fact, ask))
    }

    /// Begins to put something back.
    pub(crate) fn refund(&mut self, fact: PaymentFact, now: Now) -> Result<(PaymentFact, AccountAsk), Busy> {
        let Some(original) = fact.original else { return Err(Busy) };
        let ask = AccountAsk::Refund { original, amount: fact.amount };
        self.begin(fact, Who::default(), State::Refunding, None, now).map(|fact| (fact, ask))
    }

    fn begin(
        &mut self,
        mut fact: PaymentFact,
        who: Who,
        state: State,
        code: Option<GiftCode>,
        now: Now,
    ) -> Result<PaymentFact, Busy> {
        if self.attempts.len() >= OPEN_MAX || self.attempts.iter().any(|known| known.fact.attempt == fact.attempt) {
            return Err(Busy);
        }
        fact.trail.began_utc_ms = now.utc_ms;
        let until_ms = Some(now.mono_ms.saturating_add(ASK_FOR_MS));
        self.attempts.push(Attempt { fact: fact.clone(), who, state, code, tries: 0, next_ms: None, until_ms });
        Ok(fact)
    }

    /// Takes up an attempt found on disk without an end. What is to be recorded of it, if that was not done before.
    pub(crate) fn found(&mut self, open: OpenAttempt, language: &str) -> Option<Settled> {
        if self.attempts.iter().any(|known| known.fact.attempt == open.fact.attempt) {
            return None;
        }
        let who = Who { visit: open.visit, visitor: None, consent: Consent::None, language: language.to_string() };
        let state = match open.fact.kind {
            CommandKind::Authorise if open.fact.trail.acknowledged && open.placed => State::Held,
            CommandKind::Authorise => State::Releasing { bears: open.placed },
            CommandKind::Reverse | CommandKind::Refund => State::Refunding,
            CommandKind::EndOfDay => return None,
        };
        let next_ms = (state != State::Held).then_some(0);
        let attempt = Attempt { fact: open.fact, who, state, code: None, tries: 0, next_ms, until_ms: None };
        let settled = (!open.unknown)
            .then(|| attempt.settled(How::Unknown { checking: true }, Some(Event::PaymentUnknown), Some("found_open")));
        self.attempts.push(attempt);
        settled
    }

    /// The start of an attempt could not be recorded, so that nobody was asked.
    pub(crate) fn forget(&mut self, attempt: Id) {
        self.attempts.retain(|known| known.fact.attempt != attempt);
    }

    /// True where an attempt has no end.
    pub(crate) fn is_open(&self) -> bool {
        !self.attempts.is_empty()
    }

    /// True where an attempt for this order has no end.
    pub(crate) fn is_open_for(&self, order: Id) -> bool {
        self.attempts.iter().any(|known| known.fact.order == order)
    }

    /// True where nobody has answered this attempt for long.
    pub(crate) fn is_left(&self, attempt: Id) -> bool {
        self.attempts.iter().any(|known| known.fact.attempt == attempt && known.tries >= LEFT_AFTER)
    }

    /// Takes what an attempt has set aside.
    pub(crate) fn capture(&mut self, attempt: Id, now: Now) -> Option<AccountAsk> {
        self.held_one(attempt)?.turn(State::Capturing, now)
    }

    /// Puts it back. The order does not depend on it.
    pub(crate) fn release(&mut self, attempt: Id, now: Now) -> Option<AccountAsk> {
        self.held_one(attempt)?.turn(State::Releasing { bears: false }, now)
    }

    fn held_one(&mut self, attempt: Id) -> Option<&mut Attempt> {
        self.attempts.iter_mut().find(|known| known.fact.attempt == attempt && known.state == State::Held)
    }

    /// Orders for which something is set aside, each with how much.
    pub(crate) fn held(&self) -> Vec<(Id, Minor)> {
        let mut held: Vec<(Id, Minor)> = Vec::new();
        for known in self.attempts.iter().filter(|known| known.state == State::Held) {
            match held.iter_mut().find(|(order, _)| *order == known.fact.order) {
                Some((_, sum)) => *sum += known.fact.amount,
                None => held.push((known.fact.order, known.fact.amount)),
            }
        }
        held
    }

    /// Takes all that is set aside for an order whose guest has gone, or puts it back.
    pub(crate) fn decide(&mut self, order: Id, take: bool, now: Now) -> Vec<(Id, AccountAsk)> {
        let state = if take { State::Capturing } else { State::Releasing { bears: true } };
        let held = self.attempts.iter_mut().filter(|known| known.fact.order == order && known.state == State::Held);
        held.filter_map(|known| known.turn(state, now).map(|ask| (known.fact.attempt, ask))).collect()
    }

    /// The next question that is due to be repeated. One at a time.
    pub(crate) fn ask(&mut self, now: Now) -> Option<(Id, AccountAsk)> {
        let due = |known: &&mut Attempt| known.next_ms.is_some_and(|due| due <= now.mono_ms);
        let attempt = self.attempts.iter_mut().find(due)?;
        let ask = attempt.question()?;
        attempt.next_ms = None;
        attempt.until_ms = Some(now.mono_ms.saturating_add(ASK_FOR_MS));
        Some((attempt.fact.attempt, ask))
    }

    /// When something is due, by `Now::mono_ms`.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        self.attempts.iter().filter_map(|known| known.next_ms.or(known.until_ms)).min()
    }

    /// A question whose answer did not come.
    pub(crate) fn overdue(&mut self, now: Now) -> Option<Settled> {
        let late = |known: &&Attempt| known.until_ms.is_some_and(|until| until <= now.mono_ms);
        let attempt = self.attempts.iter().find(late)?.fact.attempt;
        self.answered(attempt, AccountAnswer::Silent, now)
    }

    /// The backend has answered. `None` where that changes nothing: what answers an earlier question comes late.
    pub(crate) fn answered(&mut self, attempt: Id, answer: AccountAnswer, now: Now) -> Option<Settled> {
        let at = self.attempts.iter().position(|known| known.fact.attempt == attempt)?;
        let known = self.attempts.get_mut(at)?;
        let settled = match (known.state, answer) {
            (_, AccountAnswer::Silent) => return known.silent(now),
            (State::Holding, AccountAnswer::Held) => {
                known.state = State::Held;
                (known.code, known.next_ms, known.until_ms, known.tries) = (None, None, None, 0);
                known.fact.trail.acknowledged = true;
                known.fact.trail.heard_utc_ms = now.utc_ms;
                return Some(known.settled(How::Held, Some(Event::PaymentAcknowledged), None));
            }
            (State::Holding, AccountAnswer::Refused(why)) => known.declined(How::AccountRefused(Some(why)), why.word()),
            (State::Capturing, AccountAnswer::Captured) | (State::Refunding, AccountAnswer::Refunded) => {
                let receipt = TerminalReceipt { amount: known.fact.amount, ..TerminalReceipt::default() };
                known.settled(How::Approved(receipt), Some(Event::PaymentApproved), None)
            }
            (State::Capturing, AccountAnswer::Refused(_) | AccountAnswer::Released) => {
                known.declined(How::AccountRefused(Some(AccountRefusal::Gone)), AccountRefusal::Gone.word())
            }
            (State::Refunding, AccountAnswer::Refused(why)) => known.declined(How::Declined { code: 0 }, why.word()),
            (State::Releasing { bears }, AccountAnswer::Released | AccountAnswer::Refused(_)) => {
                known.declined(if bears { How::NotCharged } else { How::Closed }, "released")
            }
            (State::Releasing { .. }, AccountAnswer::Captured) => {
                // It was taken before a crash, and the order has fallen since.
                let mut settled = known.settled(How::Closed, Some(Event::PaymentApproved), None);
                let (task, subject) = (attempt, attempt);
                settled.events.push(Event::TaskRaised { task, kind: TaskKind::Refund, subject, staff: None });
                settled
            }
            _ => return None,
        };
        self.attempts.remove(at);
        Some(settled)
    }
}

impl Attempt {
    /// Another thing is wanted of the backend from now on.
    fn turn(&mut self, state: State, now: Now) -> Option<AccountAsk> {
        (self.state, self.code, self.tries) = (state, None, 0);
        (self.next_ms, self.until_ms) = (None, Some(now.mono_ms.saturating_add(ASK_FOR_MS)));
        self.question()
    }

    fn question(&self) -> Option<AccountAsk> {
        Some(match self.state {
            State::Holding => AccountAsk::Hold { code: self.code.clone()?, amount: self.fact.amount },
            State::Held => return None,
            State::Capturing => AccountAsk::Capture,
            State::Releasing { .. } => AccountAsk::Release,
            State::Refunding => AccountAsk::Refund { original: self.fact.original?, amount: self.fact.amount },
        })
    }

    fn silent(&mut self, now: Now) -> Option<Settled> {
        if self.state == State::Held || self.until_ms.is_none() {
            return None;
        }
        let pause = FIRST_PAUSE_MS.saturating_mul(1 << self.tries.min(16)).min(PAUSE_MAX_MS);
        self.tries = self.tries.saturating_add(1);
        (self.next_ms, self.until_ms) = (Some(now.mono_ms.saturating_add(pause)), None);
        let unknown = |attempt: &Self, how| Some(attempt.settled(how, Some(Event::PaymentUnknown), Some("no_answer")));
        match self.state {
            State::Holding if self.tries >= HOLD_TRIES => {
                (self.state, self.code, self.tries) = (State::Releasing { bears: false }, None, 0);
                unknown(self, How::AccountRefused(None))
            }
            State::Capturing | State::Refunding if self.tries == 1 => unknown(self, How::Unknown { checking: true }),
            State::Capturing if self.tries == LEFT_AFTER => Some(self.settled(How::Left, None, None)),
            _ => None,
        }
    }

    fn declined(&self, how: How, word: &str) -> Settled {
        self.settled(how, Some(Event::PaymentDeclined), Some(word))
    }

    fn settled(&self, how: How, event: Option<fn(PaymentFact) -> Event>, word: Option<&str>) -> Settled {
        let fact = PaymentFact { outcome: word.map(ToString::to_string), ..self.fact.clone() };
        let PaymentFact { order, kind, attempt, amount, original, .. } = self.fact;
        let events = event.map_or_else(Vec::new, |event| vec![event(fact)]);
        Settled { order, attempt, amount, original, kind, who: self.who.clone(), events, how }
    }
}
