//! ZVT, the protocol between tills ("ECR") and payment terminals ("PT") of the German-speaking markets, over TCP.
//!
//! Source: the public specification "ZVT Protocol", PA00P015 and PA00P016, of Verband der Terminalhersteller e. V.
//!
//! | Direction | Bytes | Name | Here |
//! |---|---|---|---|
//! | ECR | `06 00` | Registration | [`command::registration`] |
//! | ECR | `06 01` | Authorization | [`command::authorization`] |
//! | ECR | `06 30` | Reversal, by receipt number | [`command::reversal`] |
//! | ECR | `06 31` | Refund | [`command::refund`] |
//! | ECR | `06 50` | End of day, with totals | [`command::end_of_day`] |
//! | ECR | `06 20` | Repeat receipt, our enquiry | [`command::repeat_receipt`] |
//! | ECR | `05 01` | Status enquiry | [`command::status_enquiry`] |
//! | ECR | `06 B0` | Abort | [`command::abort`] |
//! | PT | `80 00 00` | Positive acknowledgement | [`FromTerminal::Ack`] |
//! | PT | `84 xx 00` | Negative acknowledgement | [`FromTerminal::Nack`] |
//! | PT | `04 FF` | Intermediate status | [`FromTerminal::Intermediate`] |
//! | PT | `04 0F` | Status information | [`FromTerminal::Status`] |
//! | PT | `06 0F` | Completion | [`FromTerminal::Completion`] |
//! | PT | `06 1E` | Abort | [`FromTerminal::Abort`] |
//! | PT | `06 D1`, `06 D3` | Print line, text block | [`FromTerminal::Print`], masked |
//!
//! An APDU is class, instruction, a length of one byte (or `FF` and two bytes, the lower first), data. Over TCP there is no
//! other framing, so a packet may hold half an APDU or three. Numbers are BCD; optional fields ("bitmaps") stand behind
//! one byte that names them. The receiver of a command acknowledges it before anything else.
//!
//! A card number that comes in a status information is dropped where it is parsed: [`StatusInformation`] has no field
//! for it, and the buffers that held it are overwritten. What a slip shows of one is masked ([`crate::mask`]). Nothing here logs an APDU's data.

mod apdu;
mod client;
pub mod command;
mod exchange;
mod fields;
mod print;
pub mod tlv;

pub use apdu::{Apdu, Framer};
pub use client::{ZvtLimits, ZvtTerminal};
pub use command::{SlipsTo, ZvtPassword};
pub use exchange::{Exchange, Question, Reply, Step};
pub use fields::{FieldError, FromTerminal, SingleTotals, StatusInformation};
pub use print::{Copy, Print, SlipBook};

#[cfg(test)]
mod frozen;
