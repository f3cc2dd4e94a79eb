//! The till's book follows what happened: after every step its events are read, whoever caused them, and what they mean for
//! the till is written beside them, into the same record.

use super::Desk;
use crate::{
    basket::TaxAmount,
    config::Config,
    effect::Effect,
    event::{Event, PaymentFact, PlacedOrder, Progress},
    ids::{Id, IdMaker},
    money::Minor,
    now::Now,
    paper::Paper,
    payments::Tender,
    refund::{Pick, Sold},
    terminal::CommandKind,
    till::{Detail, EntryKind, Line, Opening, Till, serial_text},
};
use alloc::{string::String, vec::Vec};

/// Orders whose payment may still end; beyond it the oldest are forgotten, and their sale is booked without its taxes.
const BRIEFS_MAX: usize = 128;
/// Orders whose receipt number is at hand.
const SERIALS_MAX: usize = 32;

/// What the desk needs from disk at start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoredDesk {
    /// The till, as its book says.
    pub till: Till,
    /// Orders that are placed and whose payment may still end.
    pub briefs: Vec<Brief>,
    /// Refunds whose end nobody knows.
    pub begun: Vec<RefundBegun>,
}

/// What the book needs of an order when it is paid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brief {
    /// The order.
    pub order: Id,
    /// 'A-17'.
    pub number: String,
    /// What it is over, tip included.
    pub total: Minor,
    /// Tip in it.
    pub tip: Minor,
    /// What offers took off.
    pub discounts: Minor,
    /// Tax by code.
    pub tax: Vec<TaxAmount>,
}

/// A part of a refund that was begun: what the disk must know before the first byte goes to the terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefundBegun {
    /// The attempt that gives it back.
    pub attempt: Id,
    /// The refund it is part of: one for all tenders.
    pub refund: Id,
    /// The order.
    pub order: Id,
    /// Its number.
    pub order_number: String,
    /// How much goes back by this attempt.
    pub amount: Minor,
    /// What was picked, for the whole refund.
    pub picks: Vec<Pick>,
    /// What this part is made of; amounts below zero, as in the book.
    pub detail: Detail,
    /// Who.
    pub staff: String,
    /// Who approved, empty for nobody.
    pub approver: String,
    /// Why.
    pub reason: String,
}

/// What a step is judged by.
pub(crate) struct Around<'a> {
    pub(crate) now: Now,
    pub(crate) config: &'a Config,
    pub(crate) ids: &'a mut IdMaker,
}

impl Desk {
    /// Writes the book's lines behind `events`.
    pub(crate) fn observe(&mut self, around: &mut Around<'_>, events: &mut Vec<Event>) {
        let mut lines = Vec::new();
        for event in &*events {
            match event {
                Event::OrderPlaced(placed) => self.know_placed(placed),
                Event::OrderProgressed { order, state: Progress::Received } => lines.extend(self.sold(*order, events)),
                Event::OrderProgressed { order, state: Progress::Cancelled } => {
                    self.briefs.retain(|brief| brief.order != *order);
                }
                Event::PaymentApproved(fact) => self.moved(fact, fact.amount, &mut lines),
                Event::PaymentResolved(fact) => {
                    if let Some(amount) = resolved(fact) {
                        self.moved(fact, amount, &mut lines);
                    }
                }
                Event::PaymentDeclined(fact) => self.begun.retain(|begun| begun.attempt != fact.attempt),
                Event::RefundBegun(begun) => self.begun.push((**begun).clone()),
                _ => {}
            }
        }
        // The order's money comes first, its receipt number after it.
        lines.sort_by_key(|(kind, _)| matches!(kind, EntryKind::Sold | EntryKind::Refunded));
        let date = super::day(around.now, around.config);
        for (kind, line) in lines {
            let shift = around.ids.next(around.now);
            let opening = Opening { shift, business_date: &date, utc_ms: around.now.utc_ms };
            events.extend(self.till.write(kind, line, opening).into_iter().map(|entry| Event::Booked(entry.into())));
        }
    }

    /// Puts the book's receipt numbers on what this step prints.
    pub(crate) fn number_papers(&mut self, config: &Config, events: &[Event], effects: &mut [Effect]) {
        let mut refunded = None;
        for event in events {
            let Event::Booked(entry) = event else { continue };
            match (entry.kind, entry.order, entry.serial) {
                (EntryKind::Sold, Some(order), Some(serial)) => {
                    if self.serials.len() >= SERIALS_MAX {
                        self.serials.pop_front();
                    }
                    self.serials.push_back((order, serial));
                }
                (EntryKind::Refunded, _, Some(serial)) => refunded = Some(serial),
                _ => {}
            }
        }
        for effect in effects {
            let serial = match effect {
                Effect::Print(Paper::Sale(receipt)) if receipt.settlement.serial.is_empty() => {
                    let known = self.serials.iter().rev().find(|(order, _)| *order == receipt.order);
                    known.map(|(_, serial)| (&mut receipt.settlement.serial, *serial))
                }
                Effect::Print(Paper::Refund(receipt)) if !receipt.in_doubt => {
                    refunded.map(|serial| (&mut receipt.serial, serial))
                }
                _ => None,
            };
            if let Some((text, serial)) = serial {
                *text = serial_text(&config.desk.till, serial);
            }
        }
    }

    /// Money has moved by an attempt, or turned out not to have.
    fn moved(&mut self, fact: &PaymentFact, amount: Minor, lines: &mut Vec<(EntryKind, Line)>) {
        let back = match fact.kind {
            CommandKind::Authorise => false,
            CommandKind::Reverse | CommandKind::Refund => true,
            CommandKind::EndOfDay => return,
        };
        let booked = self.till.booked(fact.attempt);
        let signed = if back { -amount } else { amount };
        if signed == booked {
            if signed == Minor::ZERO {
                self.begun.retain(|begun| begun.attempt != fact.attempt);
            }
            return;
        }
        let line = Line {
            tender: Some(fact.tender),
            amount: signed - booked,
            order: Some(fact.order),
            order_number: self.number_of(fact.order),
            attempt: Some(fact.attempt),
            receipt: fact.reference,
            staff: fact.staff.clone().unwrap_or_default(),
            ..Line::default()
        };
        lines.push((if back { EntryKind::Returned } else { EntryKind::Paid }, line));
        let Some(at) = self.begun.iter().position(|begun| begun.attempt == fact.attempt) else { return };
        let begun = self.begun.remove(at);
        let document = Line {
            amount: -begun.amount,
            order: Some(begun.order),
            order_number: begun.order_number,
            attempt: Some(begun.attempt),
            staff: begun.staff,
            approver: begun.approver,
            reason: begun.reason,
            detail: begun.detail,
            ..Line::default()
        };
        lines.push((EntryKind::Refunded, document));
    }

    /// An order is paid for: what its receipt number stands for. Nothing for an order that was not waited for.
    fn sold(&mut self, order: Id, events: &[Event]) -> Option<(EntryKind, Line)> {
        let brief = match self.briefs.iter().position(|brief| brief.order == order) {
            Some(at) => self.briefs.remove(at)?,
            // Placed before a start that did not find it: the payment at least says how much.
            None => events.iter().find_map(|event| match event {
                Event::PaymentApproved(fact) | Event::PaymentResolved(fact) if fact.order == order => {
                    Some(Brief { order, total: fact.amount, ..Brief::default() })
                }
                _ => None,
            })?,
        };
        let rounding = events.iter().map(|event| match event {
            Event::PaymentApproved(fact) if fact.order == order => fact.rounding,
            _ => Minor::ZERO,
        });
        let rounding = rounding.sum();
        let detail = Detail { rounding, tax: brief.tax, tip: brief.tip, discounts: brief.discounts, ..Detail::default() };
        let line = Line { amount: brief.total, order: Some(order), order_number: brief.number, detail, ..Line::default() };
        Some((EntryKind::Sold, line))
    }

    fn know_placed(&mut self, placed: &PlacedOrder) {
        let priced = &placed.priced;
        self.keep_brief(Brief {
            order: placed.order,
            number: placed.number.clone(),
            total: placed.to_pay(),
            tip: placed.tip,
            tax: priced.tax.clone(),
            ..Brief::default()
        });
    }

    /// An order that was read back is about to be paid.
    pub(super) fn know(&mut self, sold: &Sold) {
        self.keep_brief(Brief {
            order: sold.order,
            number: sold.number.clone(),
            total: sold.total + sold.tip,
            tip: sold.tip,
            tax: sold.tax.clone(),
            discounts: Minor::ZERO,
        });
    }

    fn keep_brief(&mut self, brief: Brief) {
        self.briefs.retain(|known| known.order != brief.order);
        if self.briefs.len() >= BRIEFS_MAX {
            self.briefs.pop_front();
        }
        self.briefs.push_back(brief);
    }

    /// What an order is called; empty where nobody here knows any more.
    pub(super) fn number_of(&self, order: Id) -> String {
        let brief = self.briefs.iter().find(|brief| brief.order == order).map(|brief| &brief.number);
        let open = self.order.as_ref().filter(|sold| sold.order == order).map(|sold| &sold.number);
        let begun = self.begun.iter().find(|begun| begun.order == order).map(|begun| &begun.order_number);
        brief.or(open).or(begun).cloned().unwrap_or_default()
    }
}

/// What the word of a resolved payment says to have moved; `None` where it says nothing about that.
fn resolved(fact: &PaymentFact) -> Option<Minor> {
    let word = fact.outcome.as_deref()?;
    match word {
        "charged" | "enquiry_charged" | "late_approval" => Some(fact.amount),
        "not_charged" | "enquiry_not_charged" => Some(Minor::ZERO),
        _ => word.strip_prefix("amount_differs_").and_then(|amount| amount.parse().ok()).map(Minor),
    }
}

/// True for a tender whose attempts a terminal settles.
pub(super) fn at_terminal(tender: Tender) -> bool {
    tender == Tender::Card
}
