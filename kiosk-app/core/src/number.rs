//! Order numbers and the business day.

use alloc::string::String;

/// Where the order numbers of the day stand; kept on disk by the shell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderCounter {
    /// `2026-11-21`, empty before the first order.
    pub business_date: String,
    /// The last number given, 0 before the first of the day.
    pub last: u32,
}
