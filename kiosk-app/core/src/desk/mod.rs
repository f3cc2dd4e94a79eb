//! The staff's desk: a pure machine beside the session and the payments, opened by signing in.
//!
//! What it wants read comes by [`Query`] and [`Answer`], what it shows is [`DeskView`], what staff want is [`DeskIntent`].

mod intent;
mod look;
mod view;

pub use intent::{CashMove, DeskIntent, DeskPage, OrderSearch, Reason, tender_word, verdict_word};
pub use look::{Answer, ORDERS_MAX, OrderLine, Query};
pub use view::{ApprovalView, CashView, ClosingView, DeskView, Notice, RefundView, SignInView, TillView, UnknownView};
