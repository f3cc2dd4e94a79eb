//! The till: a book of numbered lines, and what follows from it.
//!
//! Everything that a till knows is a fold over its [`Entry`]s: [`Till::apply`] takes one up, and [`Till::write`] makes the
//! next one. The lines are on disk in the transaction of the event they belong to, so that after any crash the till is what
//! its book says.
//!
//! # Arithmetic
//!
//! What should be in the drawer is float + cash taken (change taken off) - cash given back + paid in - paid out - dropped.
//! It is shown only once the drawer was counted. Over is counted less expected.
//!
//! # Shifts
//!
//! A shift is opened by a person with a float. A kiosk that sells without one opens it by itself, without a float, and takes
//! no cash until a person puts one in. It ends with a Z; the next shift has the next number. It belongs to the shop's day on
//! which it began.

mod compare;
mod entry;
mod report;

pub use compare::{Comparison, Differing, TerminalFact};
pub use entry::{Detail, Entry, EntryKind};
pub use report::{Heading, serial_text};

use crate::{
    basket::TaxAmount,
    desk::CashMove,
    ids::Id,
    money::Minor,
    paper::{CashReport, Count},
    payments::Tender,
};
use alloc::{string::String, vec::Vec};

/// Movements of cash that are kept for the screen.
const MOVES_MAX: usize = 20;
/// Payments of a terminal's period that are kept to compare with; a shop makes a tenth of that.
pub const PERIOD_MAX: usize = 5_000;

/// All tenders, in the order of reports.
pub const TENDERS: [Tender; 5] = [Tender::Card, Tender::Cash, Tender::Wallet, Tender::Gift, Tender::Points];

/// A till, as its book says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Till {
    /// Number of the last line.
    pub last_entry: u64,
    /// The last receipt number.
    pub last_serial: u32,
    /// Number of the last shift that was opened.
    pub last_shift: u32,
    /// The open shift.
    pub shift: Option<Shift>,
    /// Card payments since the terminal's last end of day, oldest first.
    pub period: Vec<TerminalFact>,
    /// True where the period holds more payments than are kept.
    pub period_full: bool,
}

/// An open shift.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// Its id.
    pub id: Id,
    /// Its number, and that of its Z.
    pub number: u32,
    /// The shop's day on which it began.
    pub business_date: String,
    /// When it began.
    pub opened_utc_ms: Option<i64>,
    /// Who put the float in: a staff number, empty while nobody did.
    pub opened_by: String,
    /// The sums so far.
    pub sums: Sums,
    /// Cash moved besides sales, newest last.
    pub moves: Vec<(CashMove, Minor, String)>,
    /// True once the terminal has made its end of day within this shift.
    pub end_of_day: bool,
    /// Attempts that were carried over, with who took them.
    pub carried: Vec<(Id, String)>,
}

/// Sums of a shift.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Orders paid.
    pub sales: Count,
    /// Orders or parts of them given back; the amount is above zero.
    pub refunds: Count,
    /// Orders cancelled before they were paid.
    pub voids: Count,
    /// What offers and changed prices took off; above zero.
    pub discounts: Count,
    /// Tips, less those given back.
    pub tips: Minor,
    /// What cash rounding added up to.
    pub rounding: Minor,
    /// Tax by code, refunds taken off.
    pub tax: Vec<TaxAmount>,
    /// Money by tender in the order of [`TENDERS`]: how many lines, and in less out.
    pub tenders: [Count; 5],
    /// The drawer.
    pub cash: CashReport,
    /// Drawer openings without a sale.
    pub no_sales: u32,
    /// First and last receipt number.
    pub serials: Option<(u32, u32)>,
}

/// What is to be written: all of an [`Entry`] that does not follow from the till.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Which tender.
    pub tender: Option<Tender>,
    /// How much; signed.
    pub amount: Minor,
    /// The order.
    pub order: Option<Id>,
    /// Its number.
    pub order_number: String,
    /// The attempt.
    pub attempt: Option<Id>,
    /// The terminal's receipt number.
    pub receipt: Option<u32>,
    /// Who.
    pub staff: String,
    /// Who approved.
    pub approver: String,
    /// Why.
    pub reason: String,
    /// What it is made of.
    pub detail: Detail,
}

impl Till {
    /// Takes up what is on disk: the counters, and the lines of the open shift and of the terminal's period, in order.
    pub fn restored(last_entry: u64, last_serial: u32, last_shift: u32, entries: &[Entry]) -> Self {
        let mut till = Self::default();
        entries.iter().for_each(|entry| till.apply(entry));
        till.last_entry = till.last_entry.max(last_entry);
        till.last_serial = till.last_serial.max(last_serial);
        till.last_shift = till.last_shift.max(last_shift);
        till
    }

    /// Makes the next line and takes it up. A line that needs a shift opens one by itself where none is: then there are two.
    pub fn write(&mut self, kind: EntryKind, line: Line, at: Opening<'_>) -> Vec<Entry> {
        let mut made = Vec::new();
        if self.shift.is_none() && kind != EntryKind::Opened && !kind.is_about_signatures() {
            made.push(self.one(EntryKind::Opened, Line { tender: Some(Tender::Cash), ..Line::default() }, at));
        }
        made.push(self.one(kind, line, at));
        made
    }

    fn one(&mut self, kind: EntryKind, line: Line, at: Opening<'_>) -> Entry {
        let (shift, shift_number, business_date) = match self.shift.as_ref().filter(|_| kind != EntryKind::Opened) {
            Some(shift) => (shift.id, shift.number, shift.business_date.clone()),
            // Behind the last shift.
            None if kind.is_about_signatures() => (Id::default(), self.last_shift, at.business_date.into()),
            None => (at.shift, self.last_shift.saturating_add(1), at.business_date.into()),
        };
        let serial = matches!(kind, EntryKind::Sold | EntryKind::Refunded).then(|| self.last_serial.saturating_add(1));
        let entry = Entry {
            number: self.last_entry.saturating_add(1),
            shift,
            shift_number,
            business_date,
            kind,
            tender: line.tender,
            amount: line.amount,
            serial,
            order: line.order,
            order_number: line.order_number,
            attempt: line.attempt,
            receipt: line.receipt,
            staff: line.staff,
            approver: line.approver,
            reason: line.reason,
            detail: line.detail,
            at_utc_ms: at.utc_ms,
        };
        self.apply(&entry);
        entry
    }

    /// Takes a line up.
    pub fn apply(&mut self, entry: &Entry) {
        self.last_entry = self.last_entry.max(entry.number);
        self.last_shift = self.last_shift.max(entry.shift_number);
        if let Some(serial) = entry.serial {
            self.last_serial = self.last_serial.max(serial);
        }
        self.note_period(entry);
        match entry.kind {
            EntryKind::Opened => {
                self.shift = Some(Shift {
                    id: entry.shift,
                    number: entry.shift_number,
                    business_date: entry.business_date.clone(),
                    opened_utc_ms: entry.at_utc_ms,
                    ..Shift::default()
                });
            }
            EntryKind::Closed => {
                self.shift.take_if(|shift| shift.id == entry.shift);
                return;
            }
            _ => {}
        }
        if let Some(shift) = self.shift.as_mut().filter(|shift| shift.id == entry.shift) {
            shift.apply(entry);
        }
    }

    /// Card payments are kept until the terminal's end of day, over shifts.
    fn note_period(&mut self, entry: &Entry) {
        if entry.kind == EntryKind::EndOfDay {
            self.period.clear();
            self.period_full = false;
            return;
        }
        let moves = matches!(entry.kind, EntryKind::Paid | EntryKind::Returned) && entry.tender == Some(Tender::Card);
        let Some(attempt) = entry.attempt.filter(|_| moves) else { return };
        match self.period.iter_mut().find(|fact| fact.attempt == attempt) {
            Some(fact) => fact.moved += entry.amount,
            None => self.keep(TerminalFact::of(entry, attempt)),
        }
    }

    fn keep(&mut self, fact: TerminalFact) {
        if self.period.len() < PERIOD_MAX {
            self.period.push(fact);
        } else {
            self.period_full = true;
        }
    }

    /// What the book counts of an attempt, in (above zero) or out.
    pub fn booked(&self, attempt: Id) -> Minor {
        self.period.iter().find(|fact| fact.attempt == attempt).map_or(Minor::ZERO, |fact| fact.moved)
    }

    /// What should be in the drawer. Zero without a shift.
    pub fn expected(&self) -> Minor {
        self.shift.as_ref().map_or(Minor::ZERO, |shift| shift.sums.cash.expected)
    }

    /// True where cash may be taken and given: a person has put a float in.
    pub fn takes_cash(&self) -> bool {
        self.shift.as_ref().is_some_and(|shift| !shift.opened_by.is_empty())
    }
}

/// What a line needs that the till does not know: what a shift that begins by itself is called, and the time.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// Id of a shift that begins with this line.
    pub shift: Id,
    /// The shop's day.
    pub business_date: &'a str,
    /// By the clock.
    pub utc_ms: Option<i64>,
}

impl Shift {
    fn apply(&mut self, entry: &Entry) {
        self.sums.apply(entry);
        match entry.kind {
            EntryKind::Opened | EntryKind::Float if !entry.staff.is_empty() => self.opened_by = entry.staff.clone(),
            EntryKind::EndOfDay => self.end_of_day = true,
            EntryKind::Carried => {
                if let Some(attempt) = entry.attempt {
                    self.carried.push((attempt, entry.staff.clone()));
                }
            }
            _ => {}
        }
        let how = match entry.kind {
            EntryKind::PaidIn => CashMove::PaidIn,
            EntryKind::PaidOut => CashMove::PaidOut,
            EntryKind::SafeDrop => CashMove::SafeDrop,
            _ => return,
        };
        if self.moves.len() >= MOVES_MAX {
            self.moves.remove(0);
        }
        self.moves.push((how, Minor(entry.amount.0.saturating_abs()), entry.reason.clone()));
    }
}

impl Sums {
    fn apply(&mut self, entry: &Entry) {
        let amount = entry.amount;
        if let Some(serial) = entry.serial {
            self.serials = Some(self.serials.map_or((serial, serial), |(first, last)| (first.min(serial), last.max(serial))));
        }
        match entry.kind {
            EntryKind::Opened | EntryKind::Float => self.cash.float += amount,
            EntryKind::Paid | EntryKind::Returned => self.money(entry),
            EntryKind::Sold => {
                add(&mut self.sales, amount);
                self.detail(&entry.detail);
            }
            EntryKind::Refunded => {
                add(&mut self.refunds, -amount);
                self.detail(&entry.detail);
            }
            EntryKind::PaidIn => self.cash.paid_in += amount,
            EntryKind::PaidOut => self.cash.paid_out -= amount,
            EntryKind::SafeDrop => self.cash.dropped -= amount,
            EntryKind::NoSale => self.no_sales = self.no_sales.saturating_add(1),
            EntryKind::Void => add(&mut self.voids, amount),
            EntryKind::Override => add(&mut self.discounts, -amount),
            EntryKind::Counted => self.cash.counted = Some(amount),
            EntryKind::EndOfDay
            | EntryKind::Verdict
            | EntryKind::Confirmed
            | EntryKind::Contradicted
            | EntryKind::Carried
            | EntryKind::Closed
            | EntryKind::Signed
            | EntryKind::Unsigned => {}
        }
        let cash = &mut self.cash;
        cash.expected = cash.float + cash.sales - cash.refunds + cash.paid_in - cash.paid_out - cash.dropped;
    }

    fn money(&mut self, entry: &Entry) {
        let at = TENDERS.iter().position(|tender| Some(*tender) == entry.tender);
        if let Some(count) = at.and_then(|at| self.tenders.get_mut(at)) {
            add(count, entry.amount);
        }
        if entry.tender == Some(Tender::Cash) {
            match entry.kind {
                EntryKind::Paid => self.cash.sales += entry.amount,
                _ => self.cash.refunds -= entry.amount,
            }
        }
    }

    fn detail(&mut self, detail: &Detail) {
        self.tips += detail.tip;
        self.rounding += detail.rounding;
        if detail.discounts > Minor::ZERO {
            add(&mut self.discounts, detail.discounts);
        }
        for tax in &detail.tax {
            match self.tax.iter_mut().find(|sum| sum.code == tax.code && sum.rate_ppm == tax.rate_ppm) {
                Some(sum) => {
                    sum.base += tax.base;
                    sum.amount += tax.amount;
                }
                None => self.tax.push(tax.clone()),
            }
        }
    }
}

fn add(to: &mut Count, amount: Minor) {
    to.count = to.count.saturating_add(1);
    to.amount += amount;
}

#[cfg(test)]
mod tests;
