//! The shift: float, cash in and out, X, counting blind, the terminal's end of day, Z.

use super::{CashMove, Closing, ClosingView, Desk, DeskPage, Notice, Reason, TillView, day};
use crate::{
    config::Config,
    effect::Effect,
    event::Event,
    ids::Id,
    money::Minor,
    now::Now,
    paper::Paper,
    payments::{
        NewCommand, Payments, Tender,
        close::{Comparison as Found, Standing},
    },
    session::{
        language_tag,
        turn::{Turn, Undo},
    },
    staff::{Person, StaffRole},
    terminal::{Command, DayTotals},
    till::{Comparison, EntryKind, Heading, Line, TerminalFact},
};
use alloc::{boxed::Box, string::String, vec::Vec};

/// The most that is put into a drawer or taken out at once, in minor units: more is a slip of the finger.
const CASH_MAX: Minor = Minor(100_000_000);

impl Desk {
    pub(super) fn open_shift(&mut self, turn: &mut Turn<'_>, float: Minor) {
        if float.is_negative() || float > CASH_MAX {
            self.notice = Some(Notice::BadAmount);
        } else if self.till.takes_cash() {
            self.notice = Some(Notice::ShiftOpen);
        } else if self.can_record(turn) {
            // A kiosk that has sold since its last Z has opened the shift by itself: only the float is missing.
            let kind = if self.till.shift.is_some() { EntryKind::Float } else { EntryKind::Opened };
            let line = Line { tender: Some(Tender::Cash), amount: float, staff: self.staff(), ..Line::default() };
            self.write(turn, kind, line);
            turn.effect(Effect::OpenDrawer);
            self.notice = Some(Notice::Opened);
            self.page = DeskPage::Till;
        }
    }

    pub(super) fn move_cash(
        &mut self,
        turn: &mut Turn<'_>,
        how: CashMove,
        amount: Minor,
        reason: &Reason,
        approver: Option<&Person>,
    ) {
        let out = how != CashMove::PaidIn;
        // What is in the drawer is not told before it is counted, so that what is taken out is bounded, not compared.
        if amount <= Minor::ZERO || amount > CASH_MAX {
            self.notice = Some(Notice::BadAmount);
        } else if !self.till.takes_cash() {
            self.notice = Some(Notice::NoShift);
        } else if self.can_record(turn) {
            let kind = match how {
                CashMove::PaidIn => EntryKind::PaidIn,
                CashMove::PaidOut => EntryKind::PaidOut,
                CashMove::SafeDrop => EntryKind::SafeDrop,
            };
            let signed = if out { -amount } else { amount };
            let line = Line { tender: Some(Tender::Cash), amount: signed, ..self.line(approver, reason) };
            self.write(turn, kind, line);
            turn.effect(Effect::OpenDrawer);
            self.notice = Some(Notice::CashMoved);
        }
    }

    pub(super) fn no_sale(&mut self, turn: &mut Turn<'_>, reason: &Reason, approver: Option<&Person>) {
        if self.can_record(turn) {
            let line = self.line(approver, reason);
            self.write(turn, EntryKind::NoSale, line);
            turn.effect(Effect::OpenDrawer);
            self.notice = Some(Notice::CashMoved);
        }
    }

    pub(super) fn x_report(&mut self, turn: &mut Turn<'_>) {
        let manager = self.person.as_ref().is_some_and(|person| person.role >= StaffRole::Manager);
        let heading = self.heading(turn, manager);
        let Some(shift) = &self.till.shift else {
            self.notice = Some(Notice::NoShift);
            return;
        };
        let report = shift.report(heading, false, None);
        self.prints.push((report.period, false));
        turn.effect(Effect::Print(Paper::Report(report.clone())));
        self.report = Some(Box::new(report));
        self.page = DeskPage::Report;
    }

    /// The drawer was counted. Counting again is possible, and each count stands in the book.
    pub(super) fn count(&mut self, turn: &mut Turn<'_>, amount: Minor) {
        if amount.is_negative() || amount > CASH_MAX {
            self.notice = Some(Notice::BadAmount);
        } else if !self.till.takes_cash() {
            self.notice = Some(Notice::NoShift);
        } else if self.can_record(turn) {
            let line = Line { tender: Some(Tender::Cash), amount, staff: self.staff(), ..Line::default() };
            self.write(turn, EntryKind::Counted, line);
        }
    }

    pub(super) fn end_of_day(&mut self, turn: &mut Turn<'_>) {
        if self.closing.attempt.is_some() {
            return;
        }
        if self.till.takes_cash() && self.counted().is_none() {
            self.notice = Some(Notice::CountFirst);
            return;
        }
        if !self.can_record(turn) {
            return;
        }
        let new = NewCommand {
            command: Command::EndOfDay,
            payment: Id::default(),
            order: Id::default(),
            original: None,
            lines: Vec::new(),
            staff: self.staff(),
        };
        match turn.command(new) {
            Some(attempt) => self.closing = Closing { attempt: Some(attempt), ..Closing::default() },
            None => self.notice = Some(Notice::TerminalBusy),
        }
    }

    /// What became of the end of day at the terminal.
    pub(crate) fn end_of_day_ended(&mut self, turn: &mut Turn<'_>, totals: Option<(Id, DayTotals)>) {
        let Some(attempt) = self.closing.attempt else { return };
        if let Some((_, totals)) = totals.filter(|(ended, _)| *ended == attempt) {
            self.closing.attempt = None;
            return self.compare(turn, attempt, totals);
        }
        let over = turn.events.iter().any(|event| match event {
            Event::PaymentDeclined(fact) | Event::PaymentUnknown(fact) | Event::PaymentResolved(fact) => fact.attempt == attempt,
            _ => false,
        });
        if over {
            self.closing = Closing { no_totals: true, ..Closing::default() };
        }
    }

    fn compare(&mut self, turn: &mut Turn<'_>, attempt: Id, totals: DayTotals) {
        let facts = self.facts(turn.payments);
        let amount = totals.amount;
        let (view, found): (Comparison, Found) = Comparison::make(totals, &facts);
        let staff = self.staff();
        let events = turn.payments.compared(&found, turn.ids, turn.now, &staff);
        turn.events.extend(events);
        for id in &view.confirmed {
            self.judge(turn, EntryKind::Confirmed, &facts, *id);
        }
        for differing in view.differing.iter().filter(|differing| differing.terminal.is_some()) {
            self.judge(turn, EntryKind::Contradicted, &facts, differing.fact.attempt);
        }
        let line = Line { tender: Some(Tender::Card), amount, attempt: Some(attempt), staff, ..Line::default() };
        self.write(turn, EntryKind::EndOfDay, line);
        // The terminal's day is closed whether the disk has room or not.
        turn.undo = Undo::Later;
        self.closing.no_totals = false;
        self.closing.comparison = Some(Box::new(view));
    }

    fn judge(&mut self, turn: &mut Turn<'_>, kind: EntryKind, facts: &[(TerminalFact, Option<Standing>)], attempt: Id) {
        let Some((fact, _)) = facts.iter().find(|(fact, _)| fact.attempt == attempt) else { return };
        let line = Line {
            amount: fact.amount,
            order: fact.order,
            order_number: fact.order_number.clone(),
            attempt: Some(attempt),
            receipt: fact.receipt,
            staff: self.staff(),
            ..Line::default()
        };
        self.write(turn, kind, line);
    }

    /// Card payments of the terminal's period, each with its doubt.
    fn facts(&self, payments: &Payments) -> Vec<(TerminalFact, Option<Standing>)> {
        let said = |attempt: Id| payments.provisional().iter().any(|fact| fact.attempt == attempt);
        let mut facts: Vec<_> = self
            .till
            .period
            .iter()
            .cloned()
            .map(|fact| {
                let doubt = match (said(fact.attempt), fact.moved == Minor::ZERO) {
                    (true, true) => Some(Standing::SaidNotCharged),
                    (true, false) => Some(Standing::SaidCharged),
                    (false, _) => None,
                };
                (fact, doubt)
            })
            .filter(|(fact, doubt)| fact.moved != Minor::ZERO || doubt.is_some())
            .collect();
        let add = |fact: &crate::event::PaymentFact, doubt, facts: &mut Vec<_>| {
            let known = facts.iter().any(|(known, _): &(TerminalFact, _)| known.attempt == fact.attempt);
            if fact.tender == Tender::Card && !known {
                facts.push((TerminalFact::uncounted(fact, self.number_of(fact.order)), Some(doubt)));
            }
        };
        for fact in payments.provisional() {
            add(fact, Standing::SaidNotCharged, &mut facts);
        }
        for unresolved in payments.unresolved() {
            add(unresolved.fact, Standing::Open, &mut facts);
        }
        facts
    }

    pub(super) fn carry_over(&mut self, turn: &mut Turn<'_>, attempt: Id) {
        if !self.can_record(turn) {
            return;
        }
        let fact = turn.payments.unresolved().find(|u| u.fact.attempt == attempt).map(|u| u.fact.clone());
        let Some(fact) = fact.filter(|_| !self.is_carried(attempt)) else { return };
        let line = Line {
            tender: Some(fact.tender),
            amount: fact.amount,
            order: Some(fact.order),
            order_number: self.number_of(fact.order),
            attempt: Some(attempt),
            staff: self.staff(),
            ..Line::default()
        };
        self.write(turn, EntryKind::Carried, line);
    }

    fn is_carried(&self, attempt: Id) -> bool {
        self.till.shift.as_ref().is_some_and(|shift| shift.carried.iter().any(|(id, _)| *id == attempt))
    }

    pub(super) fn finish(&mut self, turn: &mut Turn<'_>) {
        self.notice = match () {
            () if self.till.shift.is_none() => Some(Notice::NoShift),
            () if self.till.takes_cash() && self.counted().is_none() => Some(Notice::CountFirst),
            () if !self.has_end_of_day() => Some(Notice::EndOfDayFirst),
            () if self.unknown_left(turn.payments) > 0 => Some(Notice::UnknownLeft),
            () => None,
        };
        if self.notice.is_some() || !self.can_record(turn) {
            return;
        }
        let heading = self.heading(turn, true);
        let Some(report) = self.till.shift.as_ref().map(|shift| shift.report(heading, true, self.closing.comparison.as_deref()))
        else {
            return;
        };
        let mut line = Line { amount: self.till.expected(), staff: self.staff(), ..Line::default() };
        line.detail.counted = self.counted();
        self.write(turn, EntryKind::Closed, line);
        self.closing = Closing::default();
        self.prints.push((report.period, false));
        turn.effect(Effect::Print(Paper::Report(report.clone())));
        self.report = Some(Box::new(report));
        self.page = DeskPage::Report;
        self.notice = Some(Notice::Closed);
    }

    fn counted(&self) -> Option<Minor> {
        self.till.shift.as_ref().and_then(|shift| shift.sums.cash.counted)
    }

    fn has_end_of_day(&self) -> bool {
        self.closing.no_totals || self.till.shift.as_ref().is_some_and(|shift| shift.end_of_day)
    }

    fn unknown_left(&self, payments: &Payments) -> usize {
        payments.unresolved().filter(|unresolved| !self.is_carried(unresolved.fact.attempt)).count()
    }

    fn heading(&self, turn: &Turn<'_>, cash: bool) -> Heading {
        let by = |attempt: Id| -> String {
            let carried = self.till.shift.iter().flat_map(|shift| &shift.carried).find(|(id, _)| *id == attempt);
            carried.map(|(_, staff)| staff.clone()).unwrap_or_default()
        };
        let unresolved = turn.payments.unresolved().map(|unresolved| {
            let fact = unresolved.fact;
            (self.number_of(fact.order), fact.amount, by(fact.attempt))
        });
        Heading {
            till: turn.config.desk.till.clone(),
            staff: self.person.as_ref().map(|person| person.name.clone()).unwrap_or_default(),
            to_utc_ms: turn.now.utc_ms,
            unresolved: unresolved.collect(),
            cash,
            language: language_tag(turn.catalogue, turn.config.language),
        }
    }

    pub(super) fn till_view(&self, config: &Config, now: Now) -> TillView {
        let till = config.desk.till.clone();
        let Some(shift) = &self.till.shift else { return TillView { till, ..TillView::default() } };
        TillView {
            till,
            open: true,
            cash: self.till.takes_cash(),
            number: shift.number,
            business_date: shift.business_date.clone(),
            overdue: day(now, config) > shift.business_date,
            opened_utc_ms: shift.opened_utc_ms,
            opened_by: shift.opened_by.clone(),
            moves: shift.moves.clone(),
        }
    }

    pub(super) fn closing_view(&self, payments: &Payments) -> ClosingView {
        let counted = self.counted();
        let expected = counted.map(|_| self.till.expected());
        let unknown = self.unknown_left(payments);
        let cash_ready = counted.is_some() || !self.till.takes_cash();
        ClosingView {
            counted,
            expected,
            over: counted.zip(expected).map(|(counted, expected)| counted - expected),
            running: self.closing.attempt.is_some(),
            comparison: self.closing.comparison.clone(),
            no_totals: self.closing.no_totals,
            unknown,
            ready: self.till.shift.is_some() && cash_ready && self.has_end_of_day() && unknown == 0,
        }
    }
}
