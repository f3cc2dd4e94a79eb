//! Payments beside the session: a payment outlives its visit.

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
