//! The terminal's end of day beside the till's book, payment by payment.
//!
//! The terminal says sums and the range of its receipt numbers; the book has single payments. What differs is explained
//! where exactly one set of doubtful payments makes up the difference: then the verdicts outside it are confirmed, and those
//! within it are contradicted. Where nothing or more than one thing explains it, nothing is confirmed, and a person looks
//! at the list.

use super::{Entry, EntryKind};
use crate::{ids::Id, money::Minor, terminal::DayTotals};
use alloc::{string::String, vec::Vec};

/// Doubtful payments of which every combination is tried.
const DOUBTFUL_MAX: usize = 12;

/// How far a card payment is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// By the terminal's own word.
    #[default]
    Settled,
    /// By a person's, until the end of day.
    Provisional,
    /// Not at all.
    Unknown,
}

/// A card payment of the terminal's period, as the book has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TerminalFact {
    /// The attempt.
    pub attempt: Id,
    /// The order.
    pub order: Option<Id>,
    /// 'A-17'.
    pub order_number: String,
    /// What it was over: above zero for a payment, below for what was to go back.
    pub amount: Minor,
    /// What the book counts of it: `amount`, or nothing.
    pub moved: Minor,
    /// The terminal's receipt number.
    pub receipt: Option<u32>,
    /// How far it is known.
    pub standing: Standing,
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
    /// Verdicts that the end of day agrees with.
    pub confirmed: Vec<Id>,
    /// Payments that explain the difference, or might; those that the terminal cannot have, by their receipt number, first.
    pub differing: Vec<Differing>,
    /// True where `differing` makes up the difference to the cent, and nothing else does.
    pub explained: bool,
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
    pub(super) fn of(entry: &Entry, attempt: Id, standing: Standing) -> Self {
        let moved = if entry.kind == EntryKind::Verdict { Minor::ZERO } else { entry.amount };
        Self {
            attempt,
            order: entry.order,
            order_number: entry.order_number.clone(),
            amount: entry.amount,
            moved,
            receipt: entry.receipt,
            standing,
            at_utc_ms: entry.at_utc_ms,
        }
    }

    /// What changes in the book's sum if the opposite of what it counts is true.
    fn flip(&self) -> Minor {
        if self.moved == Minor::ZERO { self.amount } else { -self.moved }
    }
}

/// Compares. `facts` are the card payments since the last end of day, with those whose end nobody knows.
pub fn compare(totals: DayTotals, facts: &[TerminalFact]) -> Comparison {
    let moved = facts.iter().filter(|fact| fact.moved != Minor::ZERO);
    let journal_count = u32::try_from(moved.count()).unwrap_or(u32::MAX);
    let journal: Minor = facts.iter().map(|fact| fact.moved).sum();
    let difference = totals.amount - journal;
    let doubtful: Vec<&TerminalFact> = facts.iter().filter(|fact| fact.standing != Standing::Settled).collect();
    let explanation = explain(difference, &doubtful);
    let explained = explanation.is_some();
    let mut confirmed = Vec::new();
    let mut differing = Vec::new();
    for fact in facts {
        let foreign_receipt = is_foreign(fact, &totals);
        let flipped = explanation.as_ref().map(|set| set.contains(&fact.attempt));
        match flipped {
            // With the difference explained, what is not part of the explanation is right.
            Some(false) if fact.standing == Standing::Provisional => confirmed.push(fact.attempt),
            Some(false) => {}
            Some(true) => {
                let terminal = Some(fact.moved + fact.flip());
                differing.push(Differing { fact: fact.clone(), terminal, foreign_receipt });
            }
            None if foreign_receipt || fact.standing != Standing::Settled || fact.flip() == difference => {
                differing.push(Differing { fact: fact.clone(), terminal: None, foreign_receipt });
            }
            None => {}
        }
    }
    differing.sort_by_key(|differing| !differing.foreign_receipt);
    Comparison { totals, journal_count, journal, difference, confirmed, differing, explained }
}

/// A receipt number that the terminal's closed range does not hold.
fn is_foreign(fact: &TerminalFact, totals: &DayTotals) -> bool {
    let (Some(receipt), Some(first), Some(last)) = (fact.receipt, totals.first_receipt, totals.last_receipt) else {
        return false;
    };
    // A range that wraps around 9999 is not judged.
    fact.moved != Minor::ZERO && first <= last && !(first..=last).contains(&receipt)
}

/// The one set of doubtful payments that makes up the difference. `None` where none or more than one does.
fn explain(difference: Minor, doubtful: &[&TerminalFact]) -> Option<Vec<Id>> {
    if doubtful.len() > DOUBTFUL_MAX {
        return None;
    }
    let mut found = None;
    for set in 0u32..1 << doubtful.len() {
        let members = || doubtful.iter().enumerate().filter(move |(at, _)| set >> at & 1 == 1).map(|(_, fact)| *fact);
        let sum: Minor = members().map(TerminalFact::flip).sum();
        if sum == difference {
            if found.is_some() {
                return None;
            }
            found = Some(members().map(|fact| fact.attempt).collect());
        }
    }
    found
}
