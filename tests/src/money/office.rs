//! The backend's gift cards as a model: one key, one effect; and what the network does to question and answer.

use kiosk_core::{AccountAnswer, AccountAsk, AccountRefusal, Id, Minor};
use std::collections::BTreeMap;

/// What happens to the first hold or the first capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Nothing,
    HoldLost,
    HoldUnanswered,
    /// It arrives long after it was given up, and after its release.
    HoldLate,
    CaptureLost,
    CaptureUnanswered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Held,
    Captured,
    Released,
}

/// How long a hold lasts.
const HOLD_MS: u64 = 900_000;

#[derive(Clone, Debug, Default)]
pub(super) struct Office {
    balance: Minor,
    pub(super) holds: BTreeMap<Id, (Minor, State, u64)>,
    late: Vec<(u64, Id, AccountAsk)>,
    faulted: bool,
}

/// How an answer comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Whole,
    /// The question was heard, the answer is lost.
    Unanswered,
    /// The question itself is lost, or comes late.
    Unheard,
}

impl Office {
    /// With so much on the card.
    pub(super) fn with(balance: Minor) -> Self {
        Self { balance, ..Self::default() }
    }

    /// What the network does to this question. A late one is kept for later.
    pub(super) fn way(&mut self, fault: Fault, attempt: Id, ask: &AccountAsk, now_ms: u64) -> Way {
        let meant = matches!(
            (fault, ask),
            (Fault::HoldLost | Fault::HoldUnanswered | Fault::HoldLate, AccountAsk::Hold { .. })
                | (Fault::CaptureLost | Fault::CaptureUnanswered, AccountAsk::Capture)
        );
        // A late hold is late each time; the others fail once.
        if !meant || (self.faulted && fault != Fault::HoldLate) {
            return Way::Whole;
        }
        self.faulted = true;
        match fault {
            Fault::HoldUnanswered | Fault::CaptureUnanswered => Way::Unanswered,
            Fault::HoldLate => {
                self.late.push((now_ms + 30_000, attempt, ask.clone()));
                Way::Unheard
            }
            Fault::Nothing | Fault::HoldLost | Fault::CaptureLost => Way::Unheard,
        }
    }

    pub(super) fn advance(&mut self, now_ms: u64) {
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.late).into_iter().partition(|(at, ..)| *at <= now_ms);
        self.late = later;
        for (at, attempt, ask) in due {
            self.hear(attempt, &ask, at);
        }
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        self.late.iter().map(|(at, ..)| *at).min()
    }

    pub(super) fn hear(&mut self, key: Id, ask: &AccountAsk, now_ms: u64) -> AccountAnswer {
        let known = self.holds.get(&key).copied();
        match (ask, known) {
            (AccountAsk::Look { .. }, _) => AccountAnswer::Balance(self.available(now_ms)),
            (AccountAsk::Hold { .. }, Some((_, State::Held, _))) => AccountAnswer::Held,
            (AccountAsk::Hold { .. }, Some((_, State::Captured, _))) => AccountAnswer::Captured,
            (AccountAsk::Hold { .. }, Some((_, State::Released, _))) => AccountAnswer::Refused(AccountRefusal::Gone),
            (AccountAsk::Hold { amount, .. }, None) if *amount > self.available(now_ms) => {
                AccountAnswer::Refused(AccountRefusal::TooLittle)
            }
            (AccountAsk::Hold { amount, .. }, None) => {
                self.holds.insert(key, (*amount, State::Held, now_ms + HOLD_MS));
                AccountAnswer::Held
            }
            (AccountAsk::Capture, Some((amount, State::Held, until))) => {
                if until <= now_ms && self.available(now_ms) < amount {
                    return AccountAnswer::Refused(AccountRefusal::Gone);
                }
                self.balance -= amount;
                self.holds.insert(key, (amount, State::Captured, until));
                AccountAnswer::Captured
            }
            (AccountAsk::Capture | AccountAsk::Release, Some((_, State::Captured, _))) => AccountAnswer::Captured,
            (AccountAsk::Capture, _) => AccountAnswer::Refused(AccountRefusal::Gone),
            (AccountAsk::Release, known) => {
                let amount = known.map_or(Minor::ZERO, |(amount, ..)| amount);
                self.holds.insert(key, (amount, State::Released, now_ms));
                AccountAnswer::Released
            }
            (AccountAsk::Refund { .. }, _) => AccountAnswer::Refunded,
        }
    }

    fn available(&self, now_ms: u64) -> Minor {
        let held = self.holds.values().filter(|(_, state, until)| *state == State::Held && *until > now_ms);
        self.balance - held.map(|(amount, ..)| *amount).sum()
    }
}
