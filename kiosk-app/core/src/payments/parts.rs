//! Orders that are paid in parts: what has been taken of each, however long its guest stays.

use super::{How, Payments, Settled};
use crate::{ids::Id, money::Minor, terminal::CommandKind};
use alloc::vec::Vec;

/// Orders in parts that are remembered; beyond it the oldest are forgotten, and a person finds them among the unpaid.
const ORDERS_MAX: usize = 128;

/// An order that is paid in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderInParts {
    /// The order.
    pub order: Id,
    /// What is to be paid in all.
    pub due: Minor,
    /// What has been taken, by attempt.
    pub taken: Vec<(Id, Minor)>,
}

/// How an order stands after a payment for it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// It is paid by one payment or by none.
    Whole,
    /// Its parts cover it.
    Covered,
    /// They do not; so much is taken.
    Open(Minor),
}

impl OrderInParts {
    fn taken(&self) -> Minor {
        self.taken.iter().map(|(_, amount)| *amount).sum()
    }
}

impl Payments {
    /// The next attempt takes a part of this order.
    pub(crate) fn in_parts(&mut self, order: Id, due: Minor) {
        if self.parts.iter().any(|known| known.order == order) {
            return;
        }
        if self.parts.len() >= ORDERS_MAX {
            self.parts.remove(0);
        }
        self.parts.push(OrderInParts { order, due, taken: Vec::new() });
    }

    /// What is to be paid of such an order, and what has been taken.
    pub(crate) fn stands_at(&self, order: Id) -> Option<(Minor, Minor)> {
        self.parts.iter().find(|known| known.order == order).map(|known| (known.due, known.taken()))
    }

    /// What was known of such orders before the start.
    pub(crate) fn restore_parts(&mut self, parts: Vec<OrderInParts>) {
        self.parts = parts;
    }

    /// Counts what an end means for its order.
    pub(crate) fn account(&mut self, settled: &Settled) -> Stand {
        let Some(at) = self.parts.iter().position(|known| known.order == settled.order) else { return Stand::Whole };
        let order = &mut self.parts[at];
        let moved = matches!(settled.how, How::Approved(_) | How::ApprovedLate(_) | How::Charged);
        match settled.kind {
            CommandKind::Authorise if moved => {
                order.taken.retain(|(attempt, _)| *attempt != settled.attempt);
                order.taken.push((settled.attempt, settled.amount));
            }
            CommandKind::Reverse if moved => order.taken.retain(|(attempt, _)| Some(*attempt) != settled.original),
            CommandKind::Refund if moved => {
                if let Some((_, left)) = order.taken.iter_mut().find(|(attempt, _)| Some(*attempt) == settled.original) {
                    *left -= settled.amount;
                }
                order.taken.retain(|(_, left)| *left > Minor::ZERO);
            }
            _ => {}
        }
        let (taken, due) = (order.taken(), order.due);
        if taken < due {
            return Stand::Open(taken);
        }
        self.parts.remove(at);
        Stand::Covered
    }
}
