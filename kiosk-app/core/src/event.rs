//! What happened, in the past tense. Each maps by hand (in kiosk-shell's `record.rs`) to one wire event of the CEM
//! contract; the names follow it.

use crate::{
    basket::{Priced, PricedLine},
    catalogue::Service,
    device::{Assurance, Consent, Method},
    ids::Id,
    money::Minor,
    payments::Tender,
};
use alloc::{boxed::Box, string::String};

/// Where a visit stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Stage {
    #[default]
    Attract,
    Greeting,
    Browse,
    Item,
    Basket,
    Checkout,
    Paying,
    Done,
    Feedback,
}

/// What began a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Trigger {
    Presence,
    Touch,
    Tap,
    Staff,
}

/// On whose initiative a basket changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum By {
    Customer,
    Usual,
    Offer,
    Consultant,
    Staff,
}

/// How a basket changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BasketAction {
    Add,
    Remove,
    Change,
}

/// How a visit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Outcome {
    Completed,
    Abandoned,
    TimedOut,
    StaffClosed,
}

/// A problem that was shown to the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Problem {
    CardDeclined,
    TerminalLost,
    PaymentUnknown,
    PrinterBlocked,
    ReaderLost,
    BankCardAtReader,
    UnknownCard,
    CannotRecord,
    SoldOut,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Progress {
    Received,
    Making,
    Ready,
    Collected,
    Cancelled,
}

/// An order as it was placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedOrder {
    /// Its id.
    pub order: Id,
    /// What is called out: device letter and counter.
    pub number: String,
    /// Name called out, may be empty.
    pub called_name: String,
    /// Eat in or takeaway.
    pub service: Service,
    /// Lines, discounts, taxes and total, frozen.
    pub priced: Priced,
    /// The shop's day, `2026-11-21`.
    pub business_date: String,
}

/// What a payment event carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentFact {
    /// The payment: one for an order and tender.
    pub payment: Id,
    /// The order it is for.
    pub order: Id,
    /// The financial command.
    pub attempt: Id,
    /// How.
    pub tender: Tender,
    /// How much.
    pub amount: Minor,
    /// Terminal receipt number, where one was given.
    pub reference: Option<u32>,
    /// Word for the outcome, where the type does not say it all.
    pub outcome: Option<String>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Event {
    PresenceSeen { seconds: u32 },
    VisitStarted { visit: Id, trigger: Trigger, language: String },
    VisitIdentified { method: Method, assurance: Assurance, visits_before: Option<u32>, token: String, counter: Option<u32> },
    StageChanged { from: Stage, to: Stage, touches: u32 },
    ItemViewed { sku: String },
    BasketChanged { action: BasketAction, line: Box<PricedLine>, by: By },
    OrderPlaced(Box<PlacedOrder>),
    OrderProgressed { order: Id, state: Progress },
    PaymentStarted(PaymentFact),
    PaymentApproved(PaymentFact),
    PaymentDeclined(PaymentFact),
    PaymentUnknown(PaymentFact),
    PaymentResolved(PaymentFact),
    ReceiptIssued { order: Id, copy: bool },
    FeedbackGiven { csat: u8 },
    VisitEnded { outcome: Outcome, duration_ms: u64, touches: u32 },
    HelpCalled { stage: Stage },
    ProblemShown { problem: Problem, stage: Stage },
    ConsentChanged { from: Consent, to: Consent },
}
