//! Payments beside the session: a payment outlives its visit.

use crate::{event::PaymentFact, ids::Id};

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

/// All payments of this kiosk.
#[derive(Clone, Debug, Default)]
pub struct Payments {}

impl Payments {
    /// Attempts that only a person can settle now, oldest first.
    pub fn unresolved(&self) -> impl Iterator<Item = &PaymentFact> {
        core::iter::empty()
    }
}
