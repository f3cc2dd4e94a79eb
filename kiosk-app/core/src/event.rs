//! What happened, in the past tense. Each maps by hand (in kiosk-shell's `record.rs`) to one wire event of the CEM
//! contract; the names follow it.

use crate::{
    basket::{Priced, PricedLine},
    catalogue::{Allergen, Service},
    desk::RefundBegun,
    device::{Alarm, Assurance, Consent, DeviceKind, Health, Method},
    ids::Id,
    money::Minor,
    payments::Tender,
    staff::Act,
    terminal::CommandKind,
    till::Entry,
};
use alloc::{boxed::Box, string::String, vec::Vec};

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
    RandomCard,
    CardNotTaken,
    CardNotGenuine,
    CardBlocked,
    UnknownCard,
    CodeRefused,
    CodeUnchecked,
    CodeUnknown,
    CannotRecord,
    GiftUnknown,
    GiftRefused,
    GiftOffline,
    ClockUnset,
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
    /// For the people who work here, on top of the total; no tax is in it.
    pub tip: Minor,
    /// The shop's day, `2026-11-21`.
    pub business_date: String,
}

impl PlacedOrder {
    /// What is to be paid, tip included.
    pub fn to_pay(&self) -> Minor {
        self.priced.total + self.tip
    }
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
    /// What of `amount` cash rounding added (above zero) or took off.
    pub rounding: Minor,
    /// Terminal receipt number, where one was given.
    pub reference: Option<u32>,
    /// Word for the outcome, where the type does not say it all.
    pub outcome: Option<String>,
    /// What sort of command it is.
    pub kind: CommandKind,
    /// The attempt that took the money which a reversal or refund gives back.
    pub original: Option<Id>,
    /// Order lines that a refund is for; empty for the whole.
    pub lines: Vec<u32>,
    /// Who asked for it, or decided it; a staff id, never a name.
    pub staff: Option<String>,
    /// What only the disk keeps.
    pub trail: Trail,
}

impl PaymentFact {
    /// A card payment about to begin.
    pub fn card(payment: Id, order: Id, attempt: Id, amount: Minor) -> Self {
        Self {
            payment,
            order,
            attempt,
            tender: Tender::Card,
            amount,
            rounding: Minor::ZERO,
            reference: None,
            outcome: None,
            kind: CommandKind::Authorise,
            original: None,
            lines: Vec::new(),
            staff: None,
            trail: Trail::default(),
        }
    }
}

/// By what an attempt is known again at the terminal. Kept on disk, never sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// Terminal id (TID), empty while unknown.
    pub tid: String,
    /// End-of-day period of the terminal, counted here from 1.
    pub period: Option<u32>,
    /// The terminal's last receipt number before this attempt, 0 where it had none in the period; `None` while unknown.
    pub receipt_before: Option<u32>,
    /// The trace number of that receipt.
    pub trace_before: Option<u32>,
    /// The trace number of this attempt's own receipt.
    pub trace: Option<u32>,
    /// True once the terminal has acknowledged the command or sent an intermediate status for it.
    pub acknowledged: bool,
    /// When the attempt began, `None` without a clock.
    pub began_utc_ms: Option<i64>,
    /// When the terminal was last known to work on it, as far as that is on disk.
    pub heard_utc_ms: Option<i64>,
    /// True where it was settled by a person or by an enquiry, and no end-of-day comparison has confirmed it yet.
    pub provisional: bool,
}

/// Where the receipt numbers of the terminal stand. One row, kept on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalBook {
    /// Terminal id (TID), empty until it has said so.
    pub tid: String,
    /// The end-of-day period, counted here from 1: it turns whenever the numbering may have begun again.
    pub period: u32,
    /// Last receipt number known, 0 where the terminal said that there is none; `None` while unknown.
    pub last_receipt: Option<u32>,
    /// Its trace number, where the terminal gives them.
    pub last_trace: Option<u32>,
    /// When the terminal last said so, `None` without a clock.
    pub at_utc_ms: Option<i64>,
}

impl Default for TerminalBook {
    fn default() -> Self {
        Self { tid: String::new(), period: 1, last_receipt: None, last_trace: None, at_utc_ms: None }
    }
}

/// Why a person must do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// Money was taken that the shop may not keep: give it back.
    Refund,
    /// A payment that is said to have been taken is not in the terminal's totals: collect it, or write it off.
    MissingPayment,
    /// An order was paid in part, and its guest has gone: take the rest, or give back what there is. `subject` is a part's
    /// attempt, the task's id that of the order, so that it is one task however often it is raised.
    OpenParts,
    /// The terminal was closed by hand: its totals must be compared on paper.
    CompareTotals,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Event {
    PresenceSeen {
        seconds: u32,
    },
    VisitStarted {
        visit: Id,
        trigger: Trigger,
        language: String,
    },
    VisitIdentified {
        method: Method,
        assurance: Assurance,
        visits_before: Option<u32>,
        token: String,
        counter: Option<u32>,
    },
    StageChanged {
        from: Stage,
        to: Stage,
        touches: u32,
    },
    ItemViewed {
        sku: String,
    },
    BasketChanged {
        action: BasketAction,
        line: Box<PricedLine>,
        by: By,
    },
    OrderPlaced(Box<PlacedOrder>),
    OrderProgressed {
        order: Id,
        state: Progress,
    },
    PaymentStarted(PaymentFact),
    /// Rows only: the terminal has taken the command.
    PaymentAcknowledged(PaymentFact),
    PaymentApproved(PaymentFact),
    PaymentDeclined(PaymentFact),
    PaymentUnknown(PaymentFact),
    PaymentResolved(PaymentFact),
    /// Rows only: an end-of-day comparison has confirmed a provisional verdict.
    PaymentConfirmed(PaymentFact),
    /// Rows only.
    TerminalBook(TerminalBook),
    /// `subject` is the attempt.
    TaskRaised {
        task: Id,
        kind: TaskKind,
        subject: Id,
        staff: Option<String>,
    },
    ReceiptIssued {
        order: Id,
        copy: bool,
    },
    FeedbackGiven {
        csat: u8,
    },
    VisitEnded {
        outcome: Outcome,
        duration_ms: u64,
        touches: u32,
    },
    HelpCalled {
        stage: Stage,
    },
    ProblemShown {
        problem: Problem,
        stage: Stage,
    },
    ConsentChanged {
        from: Consent,
        to: Consent,
        /// What the guest must not eat, where it is about that.
        dietary: Option<Vec<Allergen>>,
    },
    /// Somebody wants to be known next time. Recorded under the pseudonym that was made for them.
    VisitorJoined {
        token: String,
        language: String,
    },
    /// The guest wants to be forgotten.
    ErasureRequested,
    /// A line of the till's book: a row always, and a wire event where the contract has one.
    Booked(Box<Entry>),
    /// Rows only: what a refund is for, before its command is sent.
    RefundBegun(Box<RefundBegun>),
    /// Somebody has signed in at the desk.
    StaffSignedIn {
        staff: String,
    },
    /// Somebody has done, or allowed somebody else to do, what needs a right. `subject` is an order's id or empty.
    StaffApproved {
        staff: String,
        act: Act,
        subject: String,
        amount: Option<Minor>,
    },
    /// A price was changed by hand.
    PriceOverridden {
        sku: String,
        from: Minor,
        to: Minor,
        reason: String,
        staff: String,
    },
    /// A person should look into a device.
    AlarmRaised {
        alarm: Alarm,
        detail: String,
    },
    /// A device, the disk or the clock is better or worse than the log said.
    DeviceChanged {
        kind: DeviceKind,
        health: Health,
        was: Health,
        /// How long it was so, where it is better now.
        seconds: Option<u32>,
    },
}
