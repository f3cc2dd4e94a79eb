//! What a guest is told, who paid just before the kiosk started again and may still stand in front of it.

use crate::{
    accounts::Accounts,
    event::{Event, Progress, TaskKind},
    ids::Id,
    money::Minor,
    now::Now,
    payments::{OpenAttempt, Payments},
    terminal::CommandKind,
};
use alloc::string::String;

/// Who paid longer ago than this before the start has gone.
const STILL_THERE_MS: i64 = 300_000;
/// The same for a payment whose end was on disk already: who paid has most likely read it.
const STILL_THERE_PAID_MS: i64 = 120_000;

/// What became of a payment that was at the terminal when the kiosk stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The order.
    pub order: Id,
    /// Its number ('A-17').
    pub number: String,
    /// What was asked for.
    pub amount: Minor,
    /// How it stands.
    pub state: RecoveredState,
}

/// How such a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecoveredState {
    /// 'We are checking your payment.'
    Checking,
    /// 'Your payment was received', and the order is being made.
    Received,
    /// 'Your payment was not taken', and the order is cancelled.
    NotTaken,
    /// Nobody can say by machine: 'a person is coming'.
    AskStaff,
}

/// The payment that is told of: the newest one found at start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recovery {
    told: Option<(Id, Recovered)>,
    began_utc_ms: Option<i64>,
    until_ms: Option<u64>,
    /// It was approved before the stop.
    paid: bool,
}

impl Recovery {
    pub(crate) fn found(&mut self, open: &OpenAttempt) {
        let newer = self.told.as_ref().is_none_or(|(attempt, _)| *attempt < open.fact.attempt);
        if open.fact.kind == CommandKind::Authorise && newer {
            let (order, number, amount) = (open.fact.order, open.number.clone(), open.fact.amount);
            self.told = Some((open.fact.attempt, Recovered { order, number, amount, state: RecoveredState::Checking }));
            self.began_utc_ms = open.fact.trail.began_utc_ms;
        }
    }

    /// The last payment was approved and on disk, and the guest may not have read it: the visit has no end.
    pub(crate) fn paid(&mut self, paid: &OpenAttempt) {
        if self.told.is_none() {
            self.found(paid);
            self.paid = true;
            if let Some((_, told)) = &mut self.told {
                told.state = RecoveredState::Received;
            }
        }
    }

    pub(crate) fn happened(&mut self, event: &Event, now: Now, for_ms: u64) {
        let Some((_, told)) = &mut self.told else { return };
        // Paid in part: what was taken is a person's business.
        if let Event::TaskRaised { task, kind: TaskKind::OpenParts, .. } = event
            && *task == told.order
        {
            told.state = RecoveredState::AskStaff;
            self.until_ms = Some(now.mono_ms.saturating_add(for_ms));
        }
        let Event::OrderProgressed { order, state } = event else { return };
        if *order != told.order {
            return;
        }
        told.state = if *state == Progress::Cancelled { RecoveredState::NotTaken } else { RecoveredState::Received };
        self.until_ms = Some(now.mono_ms.saturating_add(for_ms));
    }

    /// Looks whether the terminal is still being asked.
    pub(crate) fn left(&mut self, payments: &Payments, accounts: &Accounts, now: Now, for_ms: u64) {
        let Some((attempt, told)) = &mut self.told else { return };
        if told.state == RecoveredState::Received && self.until_ms.is_none() {
            self.until_ms = Some(now.mono_ms.saturating_add(for_ms));
        }
        if told.state == RecoveredState::Checking
            && (accounts.is_left(*attempt) || payments.unresolved().any(|open| open.fact.attempt == *attempt && !open.checking))
        {
            told.state = RecoveredState::AskStaff;
            self.until_ms = Some(now.mono_ms.saturating_add(for_ms));
        }
        if self.until_ms.is_some_and(|until| until <= now.mono_ms) {
            self.guest_has_gone_on();
        }
    }

    /// Another visit has begun: nobody waits for it any more.
    pub(crate) fn guest_has_gone_on(&mut self) {
        (self.told, self.until_ms) = (None, None);
    }

    pub(crate) fn until_ms(&self) -> Option<u64> {
        self.until_ms
    }

    pub(crate) fn shown(&self, now: Now) -> Option<Recovered> {
        let ago = now.utc_ms.zip(self.began_utc_ms).map(|(now, began)| now.saturating_sub(began));
        let fresh = match self.paid {
            true => ago.is_some_and(|ago| ago <= STILL_THERE_PAID_MS),
            false => ago.is_none_or(|ago| ago <= STILL_THERE_MS),
        };
        self.told.as_ref().filter(|_| fresh).map(|(_, told)| told.clone())
    }
}
