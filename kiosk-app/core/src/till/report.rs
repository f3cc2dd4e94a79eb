//! X and Z reports out of a shift.

use super::{Comparison, Shift, TENDERS};
use crate::{
    ids::Id,
    money::Minor,
    paper::{CarriedOver, Count, Difference, Report, ReportKind, TerminalReport},
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

/// What a report says above and beside the sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heading {
    /// Name of the till.
    pub till: String,
    /// A short name.
    pub staff: String,
    /// When it is made.
    pub to_utc_ms: Option<i64>,
    /// Payments whose end nobody knows: order number, amount, who takes them over.
    pub unresolved: Vec<(String, Minor, String)>,
    /// True where the drawer's sums may be told: never on an X before somebody counts.
    pub cash: bool,
    /// BCP 47 tag.
    pub language: String,
}

/// A receipt number as it is printed: the till's name and at least six digits.
pub fn serial_text(till: &str, serial: u32) -> String {
    format!("{till}-{serial:06}")
}

impl Shift {
    /// The report of this shift. `closing` makes it a Z, with the terminal's comparison where there was one.
    pub fn report(&self, heading: Heading, closing: bool, comparison: Option<&Comparison>) -> Report {
        let Heading { till, staff, to_utc_ms, unresolved, cash, language } = heading;
        let sums = &self.sums;
        let tenders = TENDERS.into_iter().zip(sums.tenders).filter(|(_, count)| count.count > 0);
        Report {
            period: self.id,
            kind: if closing { ReportKind::Z } else { ReportKind::X },
            number: closing.then_some(self.number),
            business_date: self.business_date.clone(),
            from_utc_ms: self.opened_utc_ms,
            to_utc_ms,
            staff,
            serials: sums.serials.map(|(first, last)| (serial_text(&till, first), serial_text(&till, last))),
            till,
            sales: sums.sales,
            tax: sums.tax.clone(),
            refunds: sums.refunds,
            voids: sums.voids,
            discounts: sums.discounts,
            tips: sums.tips,
            rounding: sums.rounding,
            tenders: tenders.collect(),
            cash: (cash && !self.opened_by.is_empty()).then_some(sums.cash),
            terminal: comparison.map(terminal_report),
            unresolved: unresolved.into_iter().map(|(number, amount, staff)| CarriedOver { number, amount, staff }).collect(),
            no_sales: sums.no_sales,
            copy: false,
            language,
        }
    }

    /// Its id, for whoever waits for the paper.
    pub fn period(&self) -> Id {
        self.id
    }
}

fn terminal_report(comparison: &Comparison) -> TerminalReport {
    let totals = &comparison.totals;
    let count = totals.rows.iter().map(|row| row.count).fold(0, u32::saturating_add);
    let differences = comparison.differing.iter().map(|differing| {
        let fact = &differing.fact;
        Difference {
            name: fact.receipt.map_or_else(|| fact.order_number.clone(), |receipt| receipt.to_string()),
            terminal: differing.terminal.filter(|amount| *amount != Minor::ZERO),
            journal: Some(fact.moved).filter(|amount| *amount != Minor::ZERO),
        }
    });
    TerminalReport {
        rows: totals.rows.iter().map(|r| (r.scheme.clone(), Count { count: r.count, amount: r.amount })).collect(),
        terminal: Count { count, amount: totals.amount },
        journal: Count { count: comparison.journal_count, amount: comparison.journal },
        differences: differences.collect(),
    }
}
