//! Giving money back: what is picked, part by part to where it came from, one command at a time.
//!
//! Each part is an attempt of its own, recorded with what it is for before the terminal hears of it. Where the terminal
//! declines, cash is offered, which needs another right. A part whose end nobody knows stops the refund: it stands among
//! the unknown payments, what was picked counts as given back, and the guest's paper says so.

use super::{Desk, DeskPage, Notice, Reason, RefundBegun, RefundView, book::at_terminal};
use crate::{
    accounts::is_account,
    basket::TaxAmount,
    effect::Effect,
    event::{Event, PaymentFact},
    ids::Id,
    money::{Minor, scale},
    paper::{Paper, RefundReceipt, RefundedLine},
    payments::{NewCommand, Tender},
    refund::{Back, Pick, Sold, SoldState, Way, Worth},
    session::{language_tag, turn::Turn},
    staff::Person,
    terminal::{Command, CommandKind},
    till::{Detail, Line, serial_text},
};
use alloc::{boxed::Box, string::String, vec::Vec};

/// A refund being made.
#[derive(Clone, Debug)]
pub(super) struct Run {
    refund: Id,
    worth: Worth,
    picks: Vec<Pick>,
    backs: Vec<Back>,
    done: usize,
    pub(super) attempt: Option<Id>,
    pub(super) code: Option<u8>,
    offer_cash: bool,
    over: bool,
    /// A part is done and on its way to disk: the next begins with the next tick, never in the same record.
    next: bool,
    reason: String,
    approver: String,
    /// The parts of an order that is not made go back, and then it is cancelled. It was never sold, so that the till has no
    /// document for it.
    cancels: bool,
}

impl Run {
    /// What has not gone back yet.
    pub(super) fn left(&self) -> Minor {
        self.backs.iter().skip(self.done).map(|back| back.amount).sum()
    }

    fn gone(&self) -> Minor {
        self.backs.iter().take(self.done).map(|back| back.amount).sum()
    }

    /// What the next part is made of: its share, so that all parts sum up to the whole.
    fn detail(&self, amount: Minor) -> Detail {
        let (before, after) = (self.gone(), self.gone() + amount);
        let share = |whole: Minor| part(whole, after, self.worth.total) - part(whole, before, self.worth.total);
        let tax = |tax: &TaxAmount| TaxAmount { base: -share(tax.base), amount: -share(tax.amount), ..tax.clone() };
        Detail {
            tax: self.worth.tax.iter().map(tax).collect(),
            tip: -share(self.worth.tip),
            lines: if self.done == 0 { self.picks.clone() } else { Vec::new() },
            ..Detail::default()
        }
    }
}

fn part(whole: Minor, of: Minor, all: Minor) -> Minor {
    scale(whole, u64::try_from(of.0).unwrap_or(0), u64::try_from(all.0).unwrap_or(0))
}

impl Desk {
    pub(super) fn worth(&self) -> Option<Worth> {
        self.order.as_ref()?.worth(&self.picks).ok()
    }

    pub(super) fn pick(&mut self, pick: Pick) {
        let Some(order) = self.order.as_ref().filter(|_| self.run.is_none()) else { return };
        let left = order.tops().find(|line| line.line == pick.line).map(|l| l.quantity.saturating_sub(order.returned_of(l.line)));
        let Some(left) = left else { return };
        self.picks.retain(|known| known.line != pick.line);
        let quantity = pick.quantity.min(left);
        if quantity > 0 {
            self.picks.push(Pick { quantity, ..pick });
        }
    }

    pub(super) fn pick_all(&mut self) {
        let Some(order) = self.order.as_ref().filter(|_| self.run.is_none()) else { return };
        let left = order.tops().map(|l| Pick { line: l.line, quantity: l.quantity.saturating_sub(order.returned_of(l.line)) });
        self.picks = left.filter(|pick| pick.quantity > 0).collect();
    }

    pub(super) fn refund(&mut self, turn: &mut Turn<'_>, reason: &Reason, approver: Option<&Person>) {
        if self.run.is_some() {
            return;
        }
        let Some(order) = self.order.clone().filter(|order| order.state != SoldState::Unpaid) else {
            self.notice = Some(Notice::NotNow);
            return;
        };
        let unit = turn.config.pay.unit(turn.catalogue.currency);
        let parts = order.worth(&self.picks).and_then(|worth| order.split(worth.total, unit).map(|backs| (worth, backs)));
        let Ok((worth, backs)) = parts else {
            self.notice = Some(Notice::TooMuch);
            return;
        };
        if !self.can_record(turn) {
            return;
        }
        self.run = Some(Run {
            refund: turn.ids.next(turn.now),
            worth,
            picks: self.picks.clone(),
            backs,
            done: 0,
            attempt: None,
            code: None,
            offer_cash: false,
            over: false,
            next: false,
            reason: reason.to_book(),
            approver: approver.map(|person| person.id.clone()).unwrap_or_default(),
            cancels: false,
        });
        self.go_on(turn);
    }

    /// What was paid of an order that is not made.
    pub(super) fn give_parts_back(&mut self, turn: &mut Turn<'_>, order: &Sold, reason: &Reason, approver: Option<&Person>) {
        let Ok(backs) = order.split(order.left(), turn.config.pay.unit(turn.catalogue.currency)) else { return };
        if self.run.is_some() || !self.can_record(turn) {
            return;
        }
        self.run = Some(Run {
            refund: turn.ids.next(turn.now),
            worth: Worth { total: order.left(), ..Worth::default() },
            picks: Vec::new(),
            backs,
            done: 0,
            attempt: None,
            code: None,
            offer_cash: false,
            over: false,
            next: false,
            reason: reason.to_book(),
            approver: approver.map(|person| person.id.clone()).unwrap_or_default(),
            cancels: true,
        });
        self.page = DeskPage::Refund;
        self.go_on(turn);
    }

    /// The rest in cash, whatever it was paid with.
    pub(super) fn refund_in_cash(&mut self, turn: &mut Turn<'_>, approver: Option<&Person>) {
        let Some(run) = self.run.as_mut().filter(|run| run.offer_cash && run.attempt.is_none() && !run.over) else { return };
        if !self.till.takes_cash() {
            self.notice = Some(Notice::NoShift);
            return;
        }
        let unit = turn.config.pay.unit(turn.catalogue.currency);
        for back in run.backs.iter_mut().skip(run.done) {
            let paid = self.order.as_ref().and_then(|order| order.taken.iter().find(|taken| taken.attempt == back.original));
            *back = back.in_cash(unit, paid.map_or(back.amount, |paid| paid.left()));
        }
        run.offer_cash = false;
        if let Some(person) = approver {
            run.approver = person.id.clone();
        }
        self.go_on(turn);
    }

    /// True where the next part of a refund is due.
    pub(super) fn goes_on(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.next && run.attempt.is_none())
    }

    fn next_or_over(&mut self, turn: &mut Turn<'_>) {
        let Some(run) = &mut self.run else { return };
        if run.done < run.backs.len() { run.next = true } else { self.finish_refund(turn, false) }
    }

    /// Begins the next part. Cash parts are done at once, with the terminal's parts one after another.
    pub(super) fn go_on(&mut self, turn: &mut Turn<'_>) {
        if let Some(run) = &mut self.run {
            run.next = false;
        }
        while let Some((back, detail)) = self.next_part() {
            match back.way {
                Way::Cash if !self.till.takes_cash() => return self.stop(Notice::NoShift, true),
                Way::Cash => self.hand_out(turn, back, detail),
                Way::Reverse { receipt } => {
                    return self.send(turn, Command::Reverse { amount: back.amount, receipt }, back, detail);
                }
                Way::Card => return self.send(turn, Command::Refund { amount: back.amount }, back, detail),
                Way::Account if is_account(back.tender) => {
                    return self.send(turn, Command::Refund { amount: back.amount }, back, detail);
                }
                Way::Account => return self.stop(Notice::TerminalDeclined, true),
            }
        }
        self.finish_refund(turn, false);
    }

    fn next_part(&self) -> Option<(Back, Detail)> {
        let run = self.run.as_ref()?;
        let back = run.backs.get(run.done)?;
        Some((*back, Detail { rounding: -back.rounding, ..run.detail(back.amount) }))
    }

    pub(super) fn stop(&mut self, notice: Notice, offer_cash: bool) {
        self.notice = Some(notice);
        if let Some(run) = &mut self.run {
            run.attempt = None;
            run.next = false;
            run.offer_cash = offer_cash;
        }
    }

    fn begun(&self, attempt: Id, amount: Minor, detail: Detail) -> Option<RefundBegun> {
        let (run, order) = (self.run.as_ref()?, self.order.as_ref()?);
        Some(RefundBegun {
            attempt,
            refund: run.refund,
            order: order.order,
            order_number: order.number.clone(),
            amount,
            picks: run.picks.clone(),
            detail,
            staff: self.staff(),
            approver: run.approver.clone(),
            reason: run.reason.clone(),
        })
    }

    fn send(&mut self, turn: &mut Turn<'_>, command: Command, back: Back, detail: Detail) {
        let (Some(order), Some(run)) = (&self.order, &self.run) else { return };
        let new = NewCommand {
            command,
            payment: back.payment,
            order: order.order,
            original: Some(back.original),
            lines: pieces(&run.picks),
            staff: self.staff(),
        };
        let begun = match back.way {
            Way::Account => turn.account_refund(back.tender, new),
            _ => turn.command(new),
        };
        let Some(attempt) = begun else { return self.stop(Notice::TerminalBusy, true) };
        if let Some(begun) = self.begun(attempt, back.amount, detail).filter(|_| !self.cancels()) {
            turn.event(Event::RefundBegun(begun.into()));
        }
        if let Some(run) = &mut self.run {
            run.attempt = Some(attempt);
            run.code = None;
        }
    }

    /// Cash out of the drawer, which opens once it is on disk.
    fn hand_out(&mut self, turn: &mut Turn<'_>, back: Back, detail: Detail) {
        let Some(order) = self.order.as_ref().map(|order| order.order) else { return };
        let attempt = turn.ids.next(turn.now);
        let Some(begun) = self.begun(attempt, back.amount, detail) else { return };
        let fact = PaymentFact {
            tender: Tender::Cash,
            kind: CommandKind::Refund,
            original: Some(back.original),
            lines: pieces(&begun.picks),
            staff: Some(self.staff()),
            rounding: back.rounding,
            ..PaymentFact::card(back.payment, order, attempt, back.handed())
        };
        if !self.cancels() {
            turn.event(Event::RefundBegun(begun.into()));
        }
        turn.event(Event::PaymentApproved(fact));
        if !turn.effects.contains(&Effect::OpenDrawer) {
            turn.effect(Effect::OpenDrawer);
        }
        if let Some(run) = &mut self.run {
            run.done += 1;
        }
    }

    fn cancels(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.cancels)
    }

    /// What became of the part at the terminal.
    pub(crate) fn refund_ended(&mut self, turn: &mut Turn<'_>) {
        let Some(attempt) = self.run.as_ref().and_then(|run| run.attempt) else { return };
        let end = turn.events.iter().find_map(|event| match event {
            Event::PaymentApproved(fact) if fact.attempt == attempt => Some(End::Done),
            Event::PaymentDeclined(fact) if fact.attempt == attempt => Some(End::Declined),
            Event::PaymentUnknown(fact) if fact.attempt == attempt => Some(End::Unknown),
            Event::PaymentResolved(fact) if fact.attempt == attempt => Some(End::Unknown),
            _ => None,
        });
        let Some(end) = end else { return };
        if let Some(run) = &mut self.run {
            run.attempt = None;
        }
        match end {
            End::Done => {
                if let Some(run) = &mut self.run {
                    run.done += 1;
                }
                self.next_or_over(turn);
            }
            End::Declined => self.stop(Notice::TerminalDeclined, true),
            End::Unknown => {
                self.finish_refund(turn, true);
                self.notice = Some(Notice::RefundUnknown);
            }
        }
    }

    /// The guest's paper, and the order as it stands now.
    fn finish_refund(&mut self, turn: &mut Turn<'_>, in_doubt: bool) {
        let (Some(order), Some(run)) = (self.order.clone(), self.run.as_mut()) else { return };
        run.over = true;
        let (run_approver, run_reason) = (run.approver.clone(), run.reason.clone());
        let paper = paper(turn, &order, run, in_doubt, &self.person);
        self.prints.push((run.refund, false));
        turn.effect(Effect::Print(Paper::Refund(paper)));
        let mut returned = order.returned.clone();
        returned.extend(run.picks.iter().copied());
        let mut sold = Sold { returned, ..(*order).clone() };
        for back in &run.backs {
            if let Some(taken) = sold.taken.iter_mut().find(|taken| taken.attempt == back.original) {
                taken.returned += back.handed();
            }
        }
        let cancels = run.cancels && !in_doubt;
        let line = Line { staff: self.staff(), approver: run_approver, reason: run_reason, ..Line::default() };
        if cancels {
            self.cancelled(turn, &order, line);
            sold.state = SoldState::Cancelled;
        }
        self.order = Some(Box::new(sold));
        self.picks.clear();
        self.notice = Some(if cancels { Notice::Voided } else { Notice::Refunded });
        self.page = DeskPage::Refund;
    }

    pub(super) fn refund_view(&self, unit: Minor) -> RefundView {
        if let Some(run) = &self.run {
            return RefundView {
                picks: run.picks.clone(),
                worth: Some(run.worth.clone()),
                backs: run.backs.iter().map(|back| (back.tender, back.handed(), back.way)).collect(),
                done: run.done,
                running: run.attempt.is_some(),
                code: run.code,
                offer_cash: run.offer_cash,
            };
        }
        let worth = self.worth();
        let backs = self.order.as_ref().zip(worth.as_ref()).and_then(|(order, worth)| order.split(worth.total, unit).ok());
        let backs = backs.unwrap_or_default().iter().map(|back| (back.tender, back.handed(), back.way)).collect();
        RefundView { picks: self.picks.clone(), worth, backs, ..RefundView::default() }
    }
}

enum End {
    Done,
    Declined,
    Unknown,
}

/// The wire names lines: one that goes back in several pieces stands there as often.
fn pieces(picks: &[Pick]) -> Vec<u32> {
    let pieces = picks.iter().flat_map(|pick| core::iter::repeat_n(pick.line, usize::from(pick.quantity)));
    pieces.take(crate::refund::LINES_MAX).collect()
}

fn paper(turn: &Turn<'_>, order: &Sold, run: &Run, in_doubt: bool, person: &Option<Person>) -> RefundReceipt {
    let till = &turn.config.desk.till;
    let name = |line: u32| order.lines.iter().find(|l| l.line == line).map(|l| l.name.clone()).unwrap_or_default();
    let lines = run.worth.lines.iter().map(|(pick, amount)| RefundedLine {
        name: name(pick.line),
        quantity: pick.quantity,
        amount: *amount,
    });
    RefundReceipt {
        refund: run.refund,
        // Numbered by the book once it has a line for it.
        serial: String::new(),
        number: order.number.clone(),
        of_serial: order.serial.map(|serial| serial_text(till, serial)).unwrap_or_default(),
        lines: lines.collect(),
        tax: run.worth.tax.clone(),
        tip: run.worth.tip,
        total: run.worth.total,
        paid: run
            .backs
            .iter()
            .map(|back| (if back.way == Way::Cash { Tender::Cash } else { back.tender }, back.handed()))
            .collect(),
        rounding: run.backs.iter().map(|back| back.rounding).sum(),
        masked: order.taken.iter().find(|taken| at_terminal(taken.tender)).map(|t| t.masked.clone()).unwrap_or_default(),
        slip: Vec::new(),
        fiscal: Vec::new(),
        fiscal_qr: String::new(),
        in_doubt,
        reason: run.reason.clone(),
        staff: person.as_ref().map(|person| person.name.clone()).unwrap_or_default(),
        copy: false,
        language: language_tag(turn.catalogue, turn.config.language),
        at_utc_ms: turn.now.utc_ms,
    }
}
