//! What is asked of a payment terminal, and what it answers.
//!
//! Each [`Command`] moves money or closes the terminal's day, is an attempt of its own, and is sent at most once (law 2). An
//! [`Enquiry`] moves nothing and may be repeated.

use crate::money::{Currency, Minor};
use alloc::{string::String, vec::Vec};

/// A financial command. ZVT: authorisation 06 01, reversal 06 30, refund 06 31, end of day 06 50.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Take money.
    Authorise {
        /// How much; more than nothing.
        amount: Minor,
    },
    /// Take a payment of the same end-of-day period back, as if it had never been.
    Reverse {
        /// What that payment was over.
        amount: Minor,
        /// The receipt number of that payment.
        receipt: u32,
    },
    /// Give money back to a card.
    Refund {
        /// How much; more than nothing.
        amount: Minor,
    },
    /// Close the terminal's day; answered by [`CommandOutcome::Totals`].
    EndOfDay,
}

/// What sort of command an attempt is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CommandKind {
    /// [`Command::Authorise`]
    #[default]
    Authorise,
    /// [`Command::Reverse`]
    Reverse,
    /// [`Command::Refund`]
    Refund,
    /// [`Command::EndOfDay`]
    EndOfDay,
}

impl Command {
    /// What it is over, in whole; nothing for an end of day.
    pub fn amount(self) -> Minor {
        match self {
            Self::Authorise { amount } | Self::Reverse { amount, .. } | Self::Refund { amount } => amount,
            Self::EndOfDay => Minor::ZERO,
        }
    }

    /// Its sort.
    pub fn kind(self) -> CommandKind {
        match self {
            Self::Authorise { .. } => CommandKind::Authorise,
            Self::Reverse { .. } => CommandKind::Reverse,
            Self::Refund { .. } => CommandKind::Refund,
            Self::EndOfDay => CommandKind::EndOfDay,
        }
    }
}

/// What a terminal says of a command that it has carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TerminalReceipt {
    /// Terminal id (TID, ZVT BMP 29); empty where the terminal did not say.
    pub terminal: String,
    /// Receipt number (ZVT BMP 87, 1 to 9999); 0 where the terminal did not say.
    pub number: u32,
    /// What it was over.
    pub amount: Minor,
    /// Its currency (ZVT BMP 49), `None` where the terminal did not say.
    pub currency: Option<Currency>,
    /// Card scheme and last digits ('Visa **** 1234'), may be empty. Never a card number.
    pub masked: String,
    /// Trace number (ZVT BMP 0B): counts every transaction of the terminal, and goes on over an end of day.
    pub trace: Option<u32>,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandOutcome {
    /// Carried out: money moved.
    Approved(TerminalReceipt),
    /// Nothing moved, and the terminal said so.
    Declined {
        /// ZVT result code.
        code: u8,
    },
    /// The end of day is done.
    Totals(DayTotals),
    /// Not one byte of the command was written.
    NotSent,
    /// Bytes were written and no answer settles it.
    Unknown,
}

impl CommandOutcome {
    /// An approval of which the terminal says no more.
    pub fn approved(amount: Minor, number: u32, masked: &str) -> Self {
        Self::Approved(TerminalReceipt { number, amount, masked: masked.into(), ..TerminalReceipt::default() })
    }
}

/// What the terminal answers when it is asked for its last receipt (ZVT 06 20).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enquiry {
    /// The last command that it carried out with success, of whoever asked for it; `None` where it has none in this period.
    /// A terminal that is still busy, or whose last transaction was declined and hides the one before, is
    /// [`Enquiry::Failed`].
    Last(Option<TerminalReceipt>),
    /// This terminal cannot say.
    Unsupported,
    /// No answer now; ask again.
    Failed,
}

/// The terminal's own sum of one card scheme since its last end of day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemeTotal {
    /// 'girocard', 'Visa'; as the terminal writes it.
    pub scheme: String,
    /// How many transactions.
    pub count: u32,
    /// Their sum; refunds and reversals are taken off.
    pub amount: Minor,
}

/// What an end of day says (ZVT 06 50).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayTotals {
    /// Terminal id; empty where the terminal did not say.
    pub terminal: String,
    /// By scheme, in the terminal's order. At most 16.
    pub rows: Vec<SchemeTotal>,
    /// The sum over all schemes, as the terminal says it.
    pub amount: Minor,
    /// First receipt number of the period that was closed.
    pub first_receipt: Option<u32>,
    /// Its last receipt number.
    pub last_receipt: Option<u32>,
}

/// What an adapter hears while a command runs, before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminalWord {
    /// The terminal has taken the command (ZVT 80 00 00). Said once, before any status.
    Acknowledged,
    /// An intermediate status (ZVT 04 FF) with its byte; implies that the command was taken.
    Status(u8),
}
