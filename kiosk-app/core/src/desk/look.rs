//! What the desk reads from disk, and what it is answered.

use super::{
    OrderSearch,
    people::{Colleague, ServiceFacts},
};
use crate::{
    ids::Id,
    money::Minor,
    refund::{Sold, SoldState},
};
use alloc::{boxed::Box, string::String, vec::Vec};

/// Orders of one answer.
pub const ORDERS_MAX: usize = 20;

/// What is to be read. Nothing changes by it, and it may be asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Orders of the shop's day that fit, newest first, at most [`ORDERS_MAX`].
    Orders {
        /// What to look for.
        search: OrderSearch,
        /// The shop's day, `2026-11-21`; empty for whatever is newest.
        business_date: String,
        /// Local offset from UTC in minutes, for the time of day.
        offset_min: i16,
    },
    /// One order with all that was paid and given back.
    Order(Id),
    /// Who works here now.
    Staff,
    /// How this kiosk is.
    Service,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Orders, newest first.
    Orders {
        /// Those of this answer.
        orders: Vec<OrderLine>,
        /// True where a further look would find more.
        more: bool,
    },
    /// The order, `None` where there is none.
    Order(Option<Box<Sold>>),
    /// Who works here now, by number.
    Staff(Vec<Colleague>),
    /// How this kiosk is.
    Service(Box<ServiceFacts>),
    /// It could not be read.
    Failed,
}

/// An order in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderLine {
    /// The order.
    pub order: Id,
    /// 'A-17'.
    pub number: String,
    /// When it was placed.
    pub placed_utc_ms: Option<i64>,
    /// What it was over.
    pub total: Minor,
    /// Where it stands.
    pub state: SoldState,
    /// True where some of it went back.
    pub returned: bool,
    /// True where a payment for it has no known end.
    pub unknown: bool,
}
