//! What is written and read: commits in, rows out.

use cem_contract::NewEvent;
use serde_json::Value;
use uuid::Uuid;

/// How much a commit matters when room is short. Given up in this order, first to last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// What is nice to know: stages, views, health. Refused first, before a number is given, and counted.
    #[default]
    Telemetry,
    /// What begins a sale: an order, a payment about to be started. Refused rather than lost.
    Sale,
    /// What finishes a recorded sale: approved, declined, unknown, resolved. May use the reserve and the ballast.
    Settlement,
}

/// One transaction: all of it becomes durable or nothing.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// How much it matters.
    pub class: Class,
    /// Events, in the order in which they get their numbers.
    pub events: Vec<NewEvent>,
    /// Orders to insert or replace.
    pub orders: Vec<OrderRow>,
    /// Payment attempts to insert or replace.
    pub attempts: Vec<AttemptRow>,
    /// Where the terminal's receipt numbers stand, to insert or replace.
    pub terminal: Option<TerminalRow>,
    /// The day's order counter, raised to this value (never lowered).
    pub counter: Option<OrderCounter>,
    /// What the till writes.
    pub till: TillRows,
}

impl Commit {
    /// A commit of events only.
    #[must_use]
    pub fn events(class: Class, events: Vec<NewEvent>) -> Self {
        Self { class, events, ..Self::default() }
    }
}

/// What a till writes in one transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TillRows {
    /// Lines of the book, in the order of their numbers. A line that is not the next one is a conflict.
    pub entries: Vec<TillRow>,
    /// What refunds are for, before their command is sent.
    pub refunds: Vec<RefundRow>,
    /// Wrong PINs, and PINs of one's own.
    pub staff: Vec<StaffRow>,
    /// Orders of which only the state changes, and when it did. One that is not there is left out.
    pub states: Vec<(Uuid, OrderState, i64)>,
}

impl TillRows {
    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() + self.refunds.len() + self.staff.len() + self.states.len()
    }

    /// True for none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A line of a till's book.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TillRow {
    /// Which till.
    pub till: String,
    /// Its number, from 1, without a gap.
    pub number: u64,
    /// The shift.
    pub shift: Uuid,
    /// Number of the shift; kept in the till's head. 0 in a row that was read: there the body says it.
    pub shift_number: u32,
    /// What it says; `opened`, `closed` and `end_of_day` begin and end what a start must read.
    pub kind: String,
    /// Receipt number, without a gap.
    pub serial: Option<u32>,
    /// The order it is about.
    pub order: Option<Uuid>,
    /// All else, as the kiosk wants to read it back; with `shift_number`.
    pub body: Value,
    /// When, milliseconds since 1970 by the clock then known.
    pub at_ms: i64,
}

/// Where a till's numbers stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TillHead {
    /// Which till.
    pub till: String,
    /// Number of the last line.
    pub last_entry: u64,
    /// The last receipt number.
    pub last_serial: u32,
    /// Number of the last shift.
    pub last_shift: u32,
    /// The line that opened the shift, 0 while none is open.
    pub shift_from: u64,
    /// The first line of the terminal's period, 0 for the first of all.
    pub period_from: u64,
    /// When it changed, milliseconds since 1970.
    pub updated_ms: i64,
}

impl TillHead {
    /// The first line that a start must read: that of the open shift, or of the terminal's period.
    #[must_use]
    pub fn open_from(&self) -> u64 {
        let period = self.period_from.max(1);
        if self.shift_from == 0 { period } else { period.min(self.shift_from) }
    }
}

/// What an attempt that gives money back is for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RefundRow {
    /// The attempt.
    pub attempt: Uuid,
    /// The refund: one for all its attempts.
    pub refund: Uuid,
    /// The order.
    pub order: Uuid,
    /// Lines, amounts, taxes, as the kiosk wants to read them back.
    pub body: Value,
    /// When it was begun, milliseconds since 1970.
    pub at_ms: i64,
}

/// What this device alone knows of a staff number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaffRow {
    /// Staff number.
    pub staff: String,
    /// Wrong tries since the last good one.
    pub wrong: u32,
    /// When the last of them was, `None` without a clock.
    pub at_ms: Option<i64>,
    /// A change of PIN made here that has not come back with a roster yet, as the kiosk wants to read it back.
    pub pin: Option<String>,
}

/// What became durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The log that the numbers belong to.
    pub log: Uuid,
    /// Event id and the number it got, in the order of the commit.
    pub sequences: Vec<(Uuid, u64)>,
}

/// The day's order counter: the part of an order number that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderCounter {
    /// The shop's day, `2026-11-21`.
    pub business_date: String,
    /// Last number given on that day.
    pub value: u64,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }
        impl $name {
            /// The word stored on disk.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
            /// The state of a stored word, if it is one.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// Where an order stands.
    OrderState {
        /// Recorded, payment not finished.
        Placed = "placed",
        /// Paid for and with the kitchen.
        Received = "received",
        /// Being made.
        Making = "making",
        /// To be collected.
        Ready = "ready",
        /// Handed over.
        Collected = "collected",
        /// Will not be made.
        Cancelled = "cancelled",
    }
}

words! {
    /// Where a payment attempt stands.
    AttemptState {
        /// Recorded; counts as sent to the terminal.
        Started = "started",
        /// Paid.
        Approved = "approved",
        /// Not paid.
        Declined = "declined",
        /// Nobody knows yet.
        Unknown = "unknown",
        /// Was unknown, settled by an enquiry or a person; see `outcome`.
        Resolved = "resolved",
    }
}

impl AttemptState {
    /// True while the outcome is open.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Started | Self::Unknown)
    }
}

/// An order as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderRow {
    /// Its id.
    pub order: Uuid,
    /// What is called out, `A-17`.
    pub number: String,
    /// The shop's day, `2026-11-21`.
    pub business_date: String,
    /// The visit it was placed in.
    pub visit: Option<Uuid>,
    /// Where it stands.
    pub state: OrderState,
    /// Total in minor units.
    pub total_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// The order itself, as the kiosk wants to read it back.
    pub body: Value,
    /// When this row changed, milliseconds since 1970 by the clock then known.
    pub updated_ms: i64,
}

words! {
    /// What sort of financial command an attempt is.
    #[derive(Default)]
    AttemptKind {
        /// Takes money.
        #[default]
        Authorise = "authorise",
        /// Takes a payment of the same period back.
        Reverse = "reverse",
        /// Gives money back.
        Refund = "refund",
        /// Closes the terminal's day.
        EndOfDay = "end_of_day",
    }
}

/// What is kept of an attempt beside its state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptNote {
    /// What sort of command.
    pub kind: AttemptKind,
    /// The attempt whose money a reversal or refund gives back.
    pub original: Option<Uuid>,
    /// Order lines that are given back; empty for the whole.
    pub lines: Vec<u32>,
    /// Staff id of who asked for it or decided it.
    pub staff: Option<String>,
    /// The id that the terminal itself gives (TID), empty while unknown.
    pub tid: String,
    /// Trace number of the attempt's receipt.
    pub trace: Option<u32>,
    /// Trace number of the receipt before.
    pub trace_before: Option<u32>,
    /// When it began, milliseconds since 1970; `None` without a clock.
    pub began_ms: Option<i64>,
    /// When the terminal was last known to work on it.
    pub heard_ms: Option<i64>,
    /// Settled by a person or an enquiry, and not yet confirmed by an end-of-day comparison.
    pub provisional: bool,
}

/// Where a terminal's receipt numbers stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TerminalRow {
    /// Which terminal, as in [`AttemptRow::terminal`].
    pub terminal: String,
    /// The id that it gives itself, empty while unknown.
    pub tid: String,
    /// End-of-day period, from 1.
    pub period: u32,
    /// Last receipt number, 0 for none in this period; `None` while unknown.
    pub last_receipt: Option<u32>,
    /// Its trace number.
    pub last_trace: Option<u32>,
    /// When this row changed, milliseconds since 1970 by the clock then known.
    pub updated_ms: i64,
}

/// One financial command to a terminal, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    /// Its id.
    pub attempt: Uuid,
    /// The payment it belongs to: one for an order and tender.
    pub payment: Uuid,
    /// The order to be paid.
    pub order: Uuid,
    /// Which terminal; empty for tenders without one.
    pub terminal: String,
    /// card, wallet, cash, gift, points.
    pub tender: String,
    /// Amount in minor units.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// Where it stands.
    pub state: AttemptState,
    /// The terminal's receipt number. Unique for a terminal and period: held by one attempt only.
    pub reference: Option<u32>,
    /// The terminal's end-of-day period that `reference` counts in.
    pub period: Option<u32>,
    /// The terminal's last receipt number before this attempt.
    pub receipt_before: Option<u32>,
    /// True once the terminal acknowledged the command or sent an intermediate status.
    pub acknowledged: bool,
    /// Word for the outcome, where the state does not say it all.
    pub outcome: Option<String>,
    /// What is kept beside.
    pub note: AttemptNote,
    /// When this row changed, milliseconds since 1970 by the clock then known.
    pub updated_ms: i64,
}

/// One stored event, as it goes on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Number in its log, from 1, without gaps.
    pub sequence: u64,
    /// The event's id.
    pub id: Uuid,
    /// Its type, `cem.order.placed.v1`.
    pub kind: String,
    /// When it happened, milliseconds since 1970.
    pub time_ms: i64,
    /// When it was recorded, milliseconds since 1970.
    pub recorded_ms: i64,
    /// The CloudEvent, the exact bytes that were committed.
    pub body: Vec<u8>,
}

/// A log in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogInfo {
    /// Its id.
    pub log: Uuid,
    /// The source its events carry.
    pub source: String,
    /// Lowest number that the file may still hold; those below were acknowledged and given up, or lost.
    pub first: u64,
    /// Highest number given, 0 when none.
    pub head: u64,
    /// When it was opened, milliseconds since 1970.
    pub opened_ms: i64,
    /// True for the log that new events go to: the last of the file.
    pub current: bool,
}

/// Numbers that a file should hold and cannot give back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The log.
    pub log: Uuid,
    /// First number lost.
    pub from: u64,
    /// Last number lost.
    pub to: u64,
    /// What was found there.
    pub why: String,
}

/// A piece of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Good rows, ascending.
    pub rows: Vec<Row>,
    /// Numbers between those asked for and the last one looked at that cannot be read. Never skipped in silence: the
    /// caller says what they were (`cem.log.lost.v1`).
    pub holes: Vec<Hole>,
    /// Continue after this number. Equal to what was asked for when nothing is left.
    pub next: u64,
}
