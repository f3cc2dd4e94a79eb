//! The lines of the till's book.

use crate::{basket::TaxAmount, ids::Id, money::Minor, payments::Tender, refund::Pick};
use alloc::{string::String, vec::Vec};

/// What a line of the book says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A shift begins. `amount` is the float; without `staff` the first sale of the day began it by itself.
    Opened,
    /// The float of a shift that began by itself is put in.
    Float,
    /// A tender brought money. Below zero where what was booked turned out not to have moved.
    Paid,
    /// An order is paid for: it gets the next receipt number. `amount` is its total with tip.
    Sold,
    /// A tender gave money back. `amount` is below zero.
    Returned,
    /// What went back of an order: it gets the next receipt number. `amount` is below zero.
    Refunded,
    /// Cash put in besides sales.
    PaidIn,
    /// Cash taken out for the shop's expenses; below zero.
    PaidOut,
    /// Cash taken out to the safe; below zero.
    SafeDrop,
    /// The drawer was opened without a sale.
    NoSale,
    /// An order was cancelled before it was paid. `amount` is what it was over.
    Void,
    /// A price was changed. `amount` is by how much the line changed.
    Override,
    /// The drawer was counted blind. `amount` is what was in it.
    Counted,
    /// The terminal's end of day. `amount` is what the terminal says of all schemes.
    EndOfDay,
    /// A person's verdict on a payment. `amount` is what it was over; `reason` is `charged` or `not_charged`.
    Verdict,
    /// The end of day agrees with a verdict.
    Confirmed,
    /// The end of day contradicts a verdict: a task was raised.
    Contradicted,
    /// A payment without a known end goes over into the next shift, in the name of `staff`.
    Carried,
    /// The shift is over (Z). `amount` is what should be in the drawer.
    Closed,
    /// A fiscal device has signed the receipt of this order; `reason` is what it said, as it is.
    Signed,
    /// A receipt went out without a signature, because the fiscal device did not answer. It is signed later.
    Unsigned,
}

impl EntryKind {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::Opened,
        Self::Float,
        Self::Paid,
        Self::Sold,
        Self::Returned,
        Self::Refunded,
        Self::PaidIn,
        Self::PaidOut,
        Self::SafeDrop,
        Self::NoSale,
        Self::Void,
        Self::Override,
        Self::Counted,
        Self::EndOfDay,
        Self::Verdict,
        Self::Confirmed,
        Self::Contradicted,
        Self::Carried,
        Self::Closed,
        Self::Signed,
        Self::Unsigned,
    ];

    /// The word on disk and in the auditor's file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Float => "float",
            Self::Paid => "paid",
            Self::Sold => "sold",
            Self::Returned => "returned",
            Self::Refunded => "refunded",
            Self::PaidIn => "paid_in",
            Self::PaidOut => "paid_out",
            Self::SafeDrop => "safe_drop",
            Self::NoSale => "no_sale",
            Self::Void => "void",
            Self::Override => "override",
            Self::Counted => "counted",
            Self::EndOfDay => "end_of_day",
            Self::Verdict => "verdict",
            Self::Confirmed => "confirmed",
            Self::Contradicted => "contradicted",
            Self::Carried => "carried",
            Self::Closed => "closed",
            Self::Signed => "signed",
            Self::Unsigned => "unsigned",
        }
    }

    /// The kind of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// True where the line is about a receipt that went out before: it belongs to no shift of its own.
    pub fn is_about_signatures(self) -> bool {
        matches!(self, Self::Signed | Self::Unsigned)
    }

    /// True where the line moves cash in the drawer, if its tender is cash.
    pub fn moves_money(self) -> bool {
        matches!(self, Self::Opened | Self::Float | Self::Paid | Self::Returned | Self::PaidIn | Self::PaidOut | Self::SafeDrop)
    }
}

/// A line of the till's book. Numbers have no gap and no double; the row is written in the transaction of the event that
/// it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number in the till's book, from 1.
    pub number: u64,
    /// The shift.
    pub shift: Id,
    /// Number of the shift, and of its Z, from 1.
    pub shift_number: u32,
    /// The shop's day on which the shift began.
    pub business_date: String,
    /// What it says.
    pub kind: EntryKind,
    /// Which tender, where money is meant.
    pub tender: Option<Tender>,
    /// How much; signed.
    pub amount: Minor,
    /// Receipt number, for [`EntryKind::Sold`] and [`EntryKind::Refunded`]: no gap and no double a till.
    pub serial: Option<u32>,
    /// The order it belongs to.
    pub order: Option<Id>,
    /// That order's number, 'A-17'; empty for none.
    pub order_number: String,
    /// The attempt it belongs to.
    pub attempt: Option<Id>,
    /// The terminal's receipt number.
    pub receipt: Option<u32>,
    /// Who did it: a staff number, empty for nobody.
    pub staff: String,
    /// Who approved: a staff number, empty for nobody.
    pub approver: String,
    /// Why: a key or the staff's words; never about a guest.
    pub reason: String,
    /// What it is made of.
    pub detail: Detail,
    /// When, by the clock then known.
    pub at_utc_ms: Option<i64>,
}

/// What a sold or refunded order is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Tax, one entry a code; below zero for what went back.
    pub tax: Vec<TaxAmount>,
    /// Tip; below zero for what went back.
    pub tip: Minor,
    /// What cash rounding added, or took off.
    pub rounding: Minor,
    /// What offers took off; above zero.
    pub discounts: Minor,
    /// Lines that went back.
    pub lines: Vec<Pick>,
    /// What was counted in the drawer, for [`EntryKind::Closed`].
    pub counted: Option<Minor>,
}
