//! The end-of-day comparison: the terminal's own totals against what the journal says of the period that they close.
//!
//! It confirms what persons and enquiries decided, or names the payments whose verdict the totals contradict. Totals are
//! sums: a difference is laid to payments only where exactly one choice of doubtful payments explains it to the cent.

use super::Payments;
use crate::{
    event::{Event, PaymentFact, TaskKind},
    ids::{Id, IdMaker},
    money::Minor,
    now::Now,
    terminal::{CommandKind, DayTotals},
};
use alloc::vec::Vec;

/// Doubtful payments that a difference is tried to be explained by; with more of them nothing is laid to any.
const DOUBTFUL_MAX: usize = 16;

/// How sure the journal is of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The terminal said itself, at its end, that it was carried out.
    Firm,
    /// A person or an enquiry says that it was carried out.
    SaidCharged,
    /// A person or an enquiry says that it was not.
    SaidNotCharged,
    /// Nobody has decided.
    Open,
}

/// A card payment, reversal or refund of the period. Those that were declined are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub attempt: Id,
    /// What sort of command; an end of day counts nothing.
    pub kind: CommandKind,
    /// Over how much, without a sign.
    pub amount: Minor,
    /// How sure.
    pub standing: Standing,
}

/// What the comparison says of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The totals agree with what was said of it.
    Confirmed(Id),
    /// The totals show that money moved where it was said, or not yet decided, that none did.
    WasCharged(Id),
    /// The totals lack what was said to have been charged.
    WasNotCharged(Id),
}

/// Journal against totals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What the journal expects: all that is firm or said to be charged, what was given back taken off.
    pub expected: Minor,
    /// What the terminal says.
    pub counted: Minor,
    /// What no payment explains: 0 where it balances or the findings explain it.
    pub unexplained: Minor,
    /// Of every doubtful payment; empty where a difference stays unexplained.
    pub findings: Vec<Finding>,
}

impl Comparison {
    /// True where journal and terminal agree, and nothing doubtful was contradicted.
    pub fn balances(&self) -> bool {
        self.unexplained == Minor::ZERO && self.findings.iter().all(|finding| matches!(finding, Finding::Confirmed(_)))
    }
}

impl Entry {
    /// What it adds to the terminal's totals if it was carried out.
    fn signed(&self) -> Minor {
        match self.kind {
            CommandKind::Authorise => self.amount,
            CommandKind::Reverse | CommandKind::Refund => -self.amount,
            CommandKind::EndOfDay => Minor::ZERO,
        }
    }

    fn counts(&self) -> bool {
        matches!(self.standing, Standing::Firm | Standing::SaidCharged)
    }

    /// What the totals differ by if what was said of it is wrong.
    fn flipped(&self) -> Minor {
        if self.counts() { -self.signed() } else { self.signed() }
    }
}

/// Compares the journal of a period with the terminal's totals of it.
pub fn compare(entries: &[Entry], totals: &DayTotals) -> Comparison {
    let expected: Minor = entries.iter().filter(|e| e.counts()).map(Entry::signed).sum();
    let difference = totals.amount - expected;
    let doubtful: Vec<&Entry> = entries.iter().filter(|e| e.standing != Standing::Firm).collect();
    let base = Comparison { expected, counted: totals.amount, ..Comparison::default() };
    let Some(wrong) = explain(&doubtful, difference) else { return Comparison { unexplained: difference, ..base } };
    let finding = |(at, entry): (usize, &&Entry)| match (wrong >> at & 1 == 1, entry.counts()) {
        (false, _) => Finding::Confirmed(entry.attempt),
        (true, true) => Finding::WasNotCharged(entry.attempt),
        (true, false) => Finding::WasCharged(entry.attempt),
    };
    Comparison { findings: doubtful.iter().enumerate().map(finding).collect(), ..base }
}

/// The one choice of doubtful entries that explains the difference, as bits; none for no difference. `None` where no choice
/// does, or more than one.
fn explain(doubtful: &[&Entry], difference: Minor) -> Option<u32> {
    if difference == Minor::ZERO {
        return Some(0);
    }
    if doubtful.len() > DOUBTFUL_MAX {
        return None;
    }
    let sum = |bits: &u32| -> Minor {
        doubtful.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, entry)| entry.flipped()).sum()
    };
    let mut fitting = (1..1u32 << doubtful.len()).filter(|bits| sum(bits) == difference);
    let only = fitting.next()?;
    fitting.next().is_none().then_some(only)
}

impl Payments {
    /// Takes the findings over: confirmed verdicts are no longer provisional, a contradicted one becomes a task for a person,
    /// and so does a difference that nothing explains.
    pub(crate) fn compared(&mut self, comparison: &Comparison, ids: &mut IdMaker, now: Now, staff: &str) -> Vec<Event> {
        let mut events = Vec::new();
        for finding in &comparison.findings {
            let (attempt, kind) = match finding {
                Finding::Confirmed(attempt) => (*attempt, self.unproven(*attempt).then_some(TaskKind::CompareTotals)),
                Finding::WasCharged(attempt) => (*attempt, Some(TaskKind::Refund)),
                Finding::WasNotCharged(attempt) => (*attempt, Some(TaskKind::MissingPayment)),
            };
            if let Some(kind) = kind {
                let staff = Some(staff.into());
                events.push(Event::TaskRaised { task: ids.next(now), kind, subject: attempt, staff });
            }
            if let Some(at) = self.provisional.iter().position(|fact| fact.attempt == attempt) {
                events.push(Event::PaymentConfirmed(confirmed(self.provisional.remove(at))));
            }
        }
        if comparison.unexplained != Minor::ZERO {
            for fact in core::mem::take(&mut self.provisional) {
                let (task, staff) = (ids.next(now), Some(staff.into()));
                events.push(Event::TaskRaised { task, kind: TaskKind::CompareTotals, subject: fact.attempt, staff });
                events.push(Event::PaymentConfirmed(confirmed(fact)));
            }
        }
        events
    }

    /// True where sums that agree do not prove that nothing was charged: the terminal may have been closed by hand before, with
    /// the payment in totals that nobody saw. Only a receipt number and a trace from before the attempt would have shown that.
    fn unproven(&self, attempt: Id) -> bool {
        let Some(fact) = self.provisional.iter().find(|fact| fact.attempt == attempt) else { return false };
        let not_charged = fact.outcome.as_deref().is_some_and(|word| word.ends_with("not_charged"));
        let shows = fact.trail.receipt_before.is_some_and(|before| before > 0) && fact.trail.trace_before.is_some();
        not_charged && (self.book.blind || !shows)
    }

    /// Verdicts of periods that ended without a comparison (the terminal was closed by hand): tasks for a person.
    pub(crate) fn missed_comparisons(&mut self, ids: &mut IdMaker, now: Now) -> Vec<Event> {
        if !core::mem::take(&mut self.book.unseen) {
            return Vec::new();
        }
        let period = self.book().period;
        // That the numbers began again must outlive a stop.
        let mut events = Vec::from([Event::TerminalBook(self.book().clone())]);
        let over = |fact: &PaymentFact| fact.trail.period.is_some_and(|p| p < period);
        let (missed, kept): (Vec<_>, Vec<_>) = core::mem::take(&mut self.provisional).into_iter().partition(over);
        self.provisional = kept;
        for fact in missed {
            let task = ids.next(now);
            events.push(Event::TaskRaised { task, kind: TaskKind::CompareTotals, subject: fact.attempt, staff: None });
            events.push(Event::PaymentConfirmed(confirmed(fact)));
        }
        events
    }
}

/// No longer provisional: it is confirmed, or somebody has the task.
fn confirmed(mut fact: PaymentFact) -> PaymentFact {
    fact.trail.provisional = false;
    fact
}
