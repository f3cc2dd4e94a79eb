//! A terminal as a model: what it has done, what it says when asked, and what people and faults do to it.

use kiosk_core::{Currency, DayTotals, Enquiry, Id, Minor, TerminalReceipt};

/// How a command ends at the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Approve,
    /// Declined without a receipt number.
    Decline,
    /// Declined with one, as terminals do that print a slip for every transaction.
    DeclineNumbered,
    /// Approved after a long while.
    ApproveSlowly,
}

/// What the terminal does by itself where nobody acknowledges its completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unheard {
    Keep,
    /// Reverses after 1 s, with a receipt of its own.
    Reverse,
    /// Forgets it after 1 s.
    Forget,
    /// Reverses after 8 s.
    ReverseLate,
}

/// What happens at the terminal at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Decide { attempt: Id, amount: Minor, answer: Answer, reverses: bool },
    Reverse(Id),
    Forget(Id),
    HandSale(Minor),
    HandEndOfDay,
}

/// One transaction in its books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) number: u32,
    pub(super) trace: u32,
    pub(super) amount: Minor,
    /// The attempt that it is for; `None` for what was done by hand.
    pub(super) by: Option<Id>,
    pub(super) period: u32,
    pub(super) reversed: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Terminal {
    pub(super) books: Vec<Entry>,
    pub(super) period: u32,
    pub(super) gives_traces: bool,
    number: u32,
    trace: u32,
    /// A declined transaction was the last.
    declined_last: bool,
    plan: Vec<(u64, Act)>,
    pub(super) unheard: Option<Unheard>,
    /// Busy with a command until then.
    busy_until_ms: u64,
}

impl Terminal {
    /// With so many receipts of this period already, made by hand.
    pub(super) fn with_receipts(count: u32, gives_traces: bool) -> Self {
        let mut terminal = Self { gives_traces, trace: 100, ..Self::default() };
        for _ in 0..count {
            terminal.enter(Minor(111), None);
        }
        terminal
    }

    pub(super) fn plan(&mut self, at_ms: u64, act: Act) {
        if let Act::Decide { .. } = act {
            self.busy_until_ms = at_ms;
        }
        self.plan.push((at_ms, act));
        self.plan.sort_by_key(|(at, _)| *at);
    }

    /// When the terminal is free again.
    pub(super) fn free_at(&self) -> u64 {
        self.busy_until_ms
    }

    /// Lets everything happen that is due.
    pub(super) fn advance(&mut self, now_ms: u64) {
        while self.plan.first().is_some_and(|(at, _)| *at <= now_ms) {
            let (at, act) = self.plan.remove(0);
            self.act(at, act);
        }
    }

    pub(super) fn idle(&self) -> bool {
        self.plan.is_empty()
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        self.plan.first().map(|(at, _)| *at)
    }

    fn act(&mut self, at: u64, act: Act) {
        match act {
            Act::Decide { attempt, amount, answer, reverses } => match answer {
                Answer::Approve | Answer::ApproveSlowly => {
                    self.enter(amount, Some(attempt));
                    match self.unheard.filter(|_| reverses) {
                        Some(Unheard::Reverse) => self.plan(at + 1_000, Act::Reverse(attempt)),
                        Some(Unheard::ReverseLate) => self.plan(at + 8_000, Act::Reverse(attempt)),
                        Some(Unheard::Forget) => self.plan(at + 1_000, Act::Forget(attempt)),
                        Some(Unheard::Keep) | None => {}
                    }
                }
                Answer::Decline => self.trace += 1,
                Answer::DeclineNumbered => {
                    (self.number, self.trace, self.declined_last) = (self.number + 1, self.trace + 1, true);
                }
            },
            Act::Reverse(attempt) => {
                let own = |entry: &&mut Entry| entry.by == Some(attempt) && !entry.reversed;
                if let Some(entry) = self.books.iter_mut().rev().find(own) {
                    entry.reversed = true;
                    let amount = entry.amount;
                    self.enter(amount, None);
                    if let Some(own) = self.books.last_mut() {
                        own.reversed = true;
                    }
                }
            }
            Act::Forget(attempt) => {
                self.books.retain(|entry| entry.by != Some(attempt));
                self.number = self.books.iter().rev().find(|e| e.period == self.period).map_or(0, |entry| entry.number);
            }
            Act::HandSale(amount) => self.enter(amount, None),
            Act::HandEndOfDay => self.end_of_day(),
        }
    }

    fn enter(&mut self, amount: Minor, by: Option<Id>) {
        (self.number, self.trace, self.declined_last) = (self.number + 1, self.trace + 1, false);
        let (number, trace, period) = (self.number, self.trace, self.period);
        self.books.push(Entry { number, trace, amount, by, period, reversed: false });
    }

    fn end_of_day(&mut self) {
        self.period += 1;
        (self.number, self.declined_last) = (0, false);
    }

    /// Repeat receipt (06 20).
    pub(super) fn last(&self, now_ms: u64) -> Enquiry {
        if now_ms < self.busy_until_ms || self.declined_last {
            return Enquiry::Failed;
        }
        Enquiry::Last(self.books.iter().rev().find(|entry| entry.period == self.period).map(|entry| self.receipt(entry)))
    }

    pub(super) fn receipt(&self, entry: &Entry) -> TerminalReceipt {
        TerminalReceipt {
            terminal: "T1".into(),
            number: entry.number,
            amount: entry.amount,
            currency: Some(Currency::EUR),
            masked: String::new(),
            trace: self.gives_traces.then_some(entry.trace),
        }
    }

    /// Closes the day and says what it sums up to.
    pub(super) fn totals(&mut self) -> DayTotals {
        let day = self.books.iter().filter(|entry| entry.period == self.period && !entry.reversed);
        let totals = DayTotals { terminal: "T1".into(), amount: day.map(|entry| entry.amount).sum(), ..DayTotals::default() };
        self.end_of_day();
        totals
    }

    /// What was charged for an attempt and not given back.
    pub(super) fn charged(&self, attempt: Id) -> Option<&Entry> {
        self.books.iter().find(|entry| entry.by == Some(attempt) && !entry.reversed)
    }
}
