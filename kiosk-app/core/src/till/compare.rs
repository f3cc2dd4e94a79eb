//! The terminal's end of day beside the till's book, payment by payment.
//!
//! What is laid to which payment is decided in [`crate::payments::close`]; here both sides are put next to each other, for
//! the screen and for the Z.

use super::Entry;
use crate::{
    event::PaymentFact,
    ids::Id,
    money::Minor,
    payments::close::{self, Finding, Standing},
    terminal::{CommandKind, DayTotals},
};
use alloc::{string::String, vec::Vec};

/// A card payment of the terminal's period, as the book has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TerminalFact {
    /// The attempt.
    pub attempt: Id,
    /// The order.
    pub order: Option<Id>,
    /// 'A-17', empty where it is not known any more.
    pub order_number: String,
    /// What the book counts: above zero for money taken, below for money given back, nothing where it says that none moved.
    pub moved: Minor,
    /// What it was over, with the same sign.
    pub amount: Minor,
    /// The terminal's receipt number.
    pub receipt: Option<u32>,
    /// When.
    pub at_utc_ms: Option<i64>,
}

/// Terminal and book side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What the terminal says, by scheme.
    pub totals: DayTotals,
    /// How many card payments the book counts, in and out.
    pub journal_count: u32,
    /// Their sum.
    pub journal: Minor,
    /// The terminal's sum less the book's.
    pub difference: Minor,
    /// What of it no payment explains.
    pub unexplained: Minor,
    /// True where nothing of it is left unexplained.
    pub explained: bool,
    /// Verdicts that the end of day agrees with.
    pub confirmed: Vec<Id>,
    /// Payments on which terminal and book do not agree, or which might be why: doubtful ones, those whose receipt number the
    /// terminal has not closed, and those that alone would make up the difference.
    pub differing: Vec<Differing>,
}

/// A payment on which terminal and book do not agree, or might not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differing {
    /// As the book has it.
    pub fact: TerminalFact,
    /// What the terminal must have counted of it, `None` where that does not follow.
    pub terminal: Option<Minor>,
    /// True where its receipt number lies outside of what the terminal has closed.
    pub foreign_receipt: bool,
}

impl TerminalFact {
    pub(super) fn of(entry: &Entry, attempt: Id) -> Self {
        Self {
            attempt,
            order: entry.order,
            order_number: entry.order_number.clone(),
            moved: entry.amount,
            amount: entry.amount,
            receipt: entry.receipt,
            at_utc_ms: entry.at_utc_ms,
        }
    }

    /// Of a payment that the book does not count.
    pub fn uncounted(fact: &PaymentFact, order_number: String) -> Self {
        Self {
            attempt: fact.attempt,
            order: Some(fact.order),
            order_number,
            moved: Minor::ZERO,
            amount: if fact.kind == CommandKind::Authorise { fact.amount } else { -fact.amount },
            receipt: fact.reference,
            at_utc_ms: fact.trail.began_utc_ms,
        }
    }

    fn entry(&self, doubt: Option<Standing>) -> close::Entry {
        let kind = if self.amount.is_negative() { CommandKind::Refund } else { CommandKind::Authorise };
        let amount = Minor(self.amount.0.saturating_abs());
        close::Entry { attempt: self.attempt, kind, amount, standing: doubt.unwrap_or(Standing::Firm) }
    }
}

impl Comparison {
    /// Compares. `facts` are the card payments since the last end of day and those whose end is doubtful, each with its
    /// doubt.
    pub fn make(totals: DayTotals, facts: &[(TerminalFact, Option<Standing>)]) -> (Self, close::Comparison) {
        let entries: Vec<close::Entry> = facts.iter().map(|(fact, doubt)| fact.entry(*doubt)).collect();
        let found = close::compare(&entries, &totals);
        let counted = facts.iter().filter(|(fact, _)| fact.moved != Minor::ZERO).count();
        let difference = found.counted - found.expected;
        let mut confirmed = Vec::new();
        let mut differing = Vec::new();
        for (fact, doubt) in facts {
            let foreign_receipt = is_foreign(fact, &totals);
            let finding = found.findings.iter().find(|finding| attempt_of(finding) == fact.attempt);
            let terminal = match finding {
                Some(Finding::Confirmed(attempt)) => {
                    confirmed.push(*attempt);
                    continue;
                }
                Some(Finding::WasCharged(_)) => Some(fact.amount),
                Some(Finding::WasNotCharged(_)) => Some(Minor::ZERO),
                None => None,
            };
            let alone = difference != Minor::ZERO && (fact.moved == -difference || fact.amount == difference);
            let open = doubt.is_some() && found.unexplained != Minor::ZERO;
            if terminal.is_some() || foreign_receipt || open || (alone && found.unexplained != Minor::ZERO) {
                differing.push(Differing { fact: fact.clone(), terminal, foreign_receipt });
            }
        }
        differing.sort_by_key(|differing| (differing.terminal.is_none(), !differing.foreign_receipt));
        let view = Self {
            totals,
            journal_count: u32::try_from(counted).unwrap_or(u32::MAX),
            journal: found.expected,
            difference,
            unexplained: found.unexplained,
            explained: found.unexplained == Minor::ZERO,
            confirmed,
            differing,
        };
        (view, found)
    }

    /// True where both sides agree to the cent and nothing was contradicted.
    pub fn balances(&self) -> bool {
        self.difference == Minor::ZERO && self.differing.is_empty()
    }
}

/// A receipt number that the terminal's closed range does not hold. A range that wraps around 9999 is not judged.
fn is_foreign(fact: &TerminalFact, totals: &DayTotals) -> bool {
    let (Some(receipt), Some(first), Some(last)) = (fact.receipt, totals.first_receipt, totals.last_receipt) else {
        return false;
    };
    fact.moved != Minor::ZERO && first <= last && !(first..=last).contains(&receipt)
}

fn attempt_of(finding: &Finding) -> Id {
    match finding {
        Finding::Confirmed(attempt) | Finding::WasCharged(attempt) | Finding::WasNotCharged(attempt) => *attempt,
    }
}
