//! What is known of the terminal's receipt numbers: where they stand, and which payment holds which.

use crate::{
    config::TerminalLimits,
    event::{TerminalBook, Trail},
    ids::Id,
    money::Currency,
    now::Now,
    terminal::TerminalReceipt,
};
use alloc::{collections::BTreeMap, vec::Vec};

/// Numbers of ZVT go up to 9999; two periods are kept.
const HELD_MAX: usize = 20_000;

/// One terminal's numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    page: TerminalBook,
    /// (period, number) and the attempt that holds it.
    held: BTreeMap<(u32, u32), Id>,
    /// When the page was last true, by this process's clock.
    true_ms: Option<u64>,
    pub(crate) currency: Option<Currency>,
    /// A period has ended whose totals nobody has seen.
    pub(crate) unseen: bool,
    /// The terminal cannot be asked, so that an end of day made by hand may go unnoticed.
    pub(crate) blind: bool,
}

impl Book {
    pub(crate) fn restored(page: TerminalBook, held: Vec<(u32, u32, Id)>) -> Self {
        let held: BTreeMap<_, _> = held.into_iter().map(|(period, number, attempt)| ((period, number), attempt)).collect();
        let mut page = page;
        // A page that was lost must not make a number look new that is held.
        if let Some((&(period, number), _)) = held.last_key_value()
            && (period, number) > (page.period, page.last_receipt.unwrap_or(0))
        {
            (page.period, page.last_receipt) = (period, Some(number));
            page.last_trace = None;
        }
        Self { page, held, true_ms: None, currency: None, unseen: false, blind: false }
    }

    pub(crate) fn page(&self) -> &TerminalBook {
        &self.page
    }

    /// By what an attempt that begins now will be known again.
    pub(crate) fn trail(&self, limits: &TerminalLimits, now: Now) -> Trail {
        let certain = !limits.by_hand || self.is_fresh(limits, now);
        Trail {
            tid: self.page.tid.clone(),
            period: Some(self.page.period),
            receipt_before: self.page.last_receipt.filter(|_| certain),
            trace_before: self.page.last_trace.filter(|_| certain),
            began_utc_ms: now.utc_ms,
            ..Trail::default()
        }
    }

    /// True where nobody can have made a sale by hand since the page was last true.
    pub(crate) fn is_fresh(&self, limits: &TerminalLimits, now: Now) -> bool {
        self.page.last_receipt.is_some() && self.true_ms.is_some_and(|then| now.mono_ms.saturating_sub(then) <= limits.hand_ms)
    }

    /// The terminal has just given this receipt. Where its numbers have begun again, or another terminal stands there, a new
    /// period has begun without a word to us.
    pub(crate) fn take(&mut self, receipt: &TerminalReceipt, now: Now) {
        let again = receipt.number != 0
            && (self.page.last_receipt.is_some_and(|last| receipt.number <= last)
                || !self.is_free(self.page.period, receipt.number));
        if again || self.is_other(receipt) {
            self.turn_unseen(now);
        }
        self.note(receipt, now);
    }

    /// The terminal says that this is its last receipt, which may be known already.
    pub(crate) fn read(&mut self, receipt: &TerminalReceipt, now: Now) {
        let again = self.page.last_receipt.is_some_and(|last| {
            let other_trace = self.page.last_trace.zip(receipt.trace).is_some_and(|(ours, theirs)| ours != theirs);
            receipt.number < last || (receipt.number == last && other_trace)
        });
        if (again && receipt.number != 0) || self.is_other(receipt) {
            self.turn_unseen(now);
        }
        self.note(receipt, now);
    }

    /// The terminal says that it has no receipt in this period.
    pub(crate) fn read_none(&mut self, now: Now) {
        if self.page.last_receipt.is_some_and(|last| last > 0) {
            self.turn_unseen(now);
        }
        self.page.last_receipt = Some(0);
        self.page.last_trace = None;
        self.page.at_utc_ms = now.utc_ms;
        self.true_ms = Some(now.mono_ms);
    }

    fn note(&mut self, receipt: &TerminalReceipt, now: Now) {
        if !receipt.terminal.is_empty() {
            self.page.tid.clone_from(&receipt.terminal);
        }
        if receipt.number == 0 {
            // It moved money and has no number: the one before is no longer the last.
            (self.page.last_receipt, self.page.last_trace, self.true_ms) = (None, None, None);
        } else {
            (self.page.last_receipt, self.page.last_trace) = (Some(receipt.number), receipt.trace);
            self.true_ms = Some(now.mono_ms);
        }
        self.page.at_utc_ms = now.utc_ms;
    }

    fn is_other(&self, receipt: &TerminalReceipt) -> bool {
        !receipt.terminal.is_empty() && !self.page.tid.is_empty() && receipt.terminal != self.page.tid
    }

    fn turn_unseen(&mut self, now: Now) {
        self.turn(now);
        self.unseen = true;
    }

    /// The terminal's day is closed, or may be: numbers may begin again.
    pub(crate) fn turn(&mut self, now: Now) {
        self.page.period = self.page.period.saturating_add(1);
        (self.page.last_receipt, self.page.last_trace, self.true_ms) = (None, None, None);
        self.page.at_utc_ms = now.utc_ms;
        let oldest = self.page.period.saturating_sub(1);
        self.held.retain(|(period, _), _| *period >= oldest);
    }

    /// Gives a number to an attempt. False where another one holds it.
    pub(crate) fn hold(&mut self, period: Option<u32>, number: u32, attempt: Id) -> bool {
        let Some(period) = period else { return true };
        if self.held.len() >= HELD_MAX {
            self.held.pop_first();
        }
        *self.held.entry((period, number)).or_insert(attempt) == attempt
    }

    /// True where no payment holds this number.
    pub(crate) fn is_free(&self, period: u32, number: u32) -> bool {
        !self.held.contains_key(&(period, number))
    }
}
