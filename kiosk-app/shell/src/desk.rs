//! The till's book on disk, and what the staff's desk reads there.
//!
//! A line of the book is a row with its number, shift, kind, receipt number and order as columns, and a JSON body for the
//! rest. What is read for the desk is made of orders, attempts, refunds and the book, by the thread `desk`, so that the loop
//! never waits for it.

use crate::{record::uuid, words};
use cem_contract::data;
use edge_db::{AttemptKind, AttemptRow, AttemptState, CommitError, OrderRow, OrderState, Outbox, RefundRow, TillRow};
use kiosk_core::{
    Currency, Id, Minor, PricedModifier, Service, TaxAmount, Tender,
    desk::{Answer, Brief, ORDERS_MAX, OrderLine, OrderSearch, Query, RefundBegun, RestoredDesk},
    money::allocate,
    refund::{Pick, Sold, SoldLine, SoldState, Taken},
    till::{Detail, Entry, EntryKind, Till},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Orders of a day that a search looks through.
const SEARCHED: usize = 2_000;
/// Unpaid orders that are known again after a start.
const UNPAID: usize = 128;
/// Lines of the book that a start reads; a shift has a tenth of that.
const LINES: usize = 50_000;

/// Tax as it is kept.
#[derive(Serialize, Deserialize)]
pub(crate) struct TaxBody {
    pub(crate) code: String,
    pub(crate) rate_ppm: u32,
    pub(crate) base: i64,
    pub(crate) amount: i64,
    pub(crate) included: bool,
}

/// What a line is made of, as it is kept.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DetailBody {
    pub(crate) tax: Vec<TaxBody>,
    pub(crate) tip: i64,
    pub(crate) rounding: i64,
    pub(crate) discounts: i64,
    pub(crate) lines: Vec<(u32, u16)>,
    pub(crate) counted: Option<i64>,
}

/// A line of the book beside its columns.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct EntryBody {
    pub(crate) shift_number: u32,
    pub(crate) business_date: String,
    pub(crate) tender: Option<String>,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) order_number: String,
    pub(crate) attempt: Option<Uuid>,
    pub(crate) receipt: Option<u32>,
    pub(crate) staff: String,
    pub(crate) approver: String,
    pub(crate) reason: String,
    pub(crate) at_utc_ms: Option<i64>,
    pub(crate) detail: DetailBody,
}

/// A refund beside its columns.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct RefundBody {
    order_number: String,
    amount: i64,
    picks: Vec<(u32, u16)>,
    staff: String,
    approver: String,
    reason: String,
    detail: DetailBody,
}

fn id(uuid: Uuid) -> Id {
    Id(uuid.into_bytes())
}

fn picks(pairs: &[(u32, u16)]) -> Vec<Pick> {
    pairs.iter().map(|(line, quantity)| Pick { line: *line, quantity: *quantity }).collect()
}

fn pairs(picks: &[Pick]) -> Vec<(u32, u16)> {
    picks.iter().map(|pick| (pick.line, pick.quantity)).collect()
}

impl DetailBody {
    fn of(detail: &Detail) -> Self {
        let tax = |tax: &TaxAmount| TaxBody {
            code: tax.code.clone(),
            rate_ppm: tax.rate_ppm,
            base: tax.base.0,
            amount: tax.amount.0,
            included: tax.included,
        };
        Self {
            tax: detail.tax.iter().map(tax).collect(),
            tip: detail.tip.0,
            rounding: detail.rounding.0,
            discounts: detail.discounts.0,
            lines: pairs(&detail.lines),
            counted: detail.counted.map(|counted| counted.0),
        }
    }

    fn detail(self) -> Detail {
        let tax = |tax: TaxBody| TaxAmount {
            code: tax.code,
            rate_ppm: tax.rate_ppm,
            base: Minor(tax.base),
            amount: Minor(tax.amount),
            included: tax.included,
        };
        Detail {
            tax: self.tax.into_iter().map(tax).collect(),
            tip: Minor(self.tip),
            rounding: Minor(self.rounding),
            discounts: Minor(self.discounts),
            lines: picks(&self.lines),
            counted: self.counted.map(Minor),
        }
    }
}

/// The row of a line.
pub(crate) fn till_row(till: &str, entry: &Entry, currency: Currency, at_ms: i64) -> TillRow {
    let body = EntryBody {
        shift_number: entry.shift_number,
        business_date: entry.business_date.clone(),
        tender: entry.tender.map(|tender| words::tender(tender).to_owned()),
        amount: entry.amount.0,
        currency: currency.letters().to_owned(),
        order_number: entry.order_number.clone(),
        attempt: entry.attempt.map(uuid),
        receipt: entry.receipt,
        staff: entry.staff.clone(),
        approver: entry.approver.clone(),
        reason: entry.reason.clone(),
        at_utc_ms: entry.at_utc_ms,
        detail: DetailBody::of(&entry.detail),
    };
    TillRow {
        till: till.to_owned(),
        number: entry.number,
        shift: uuid(entry.shift),
        shift_number: entry.shift_number,
        kind: entry.kind.word().to_owned(),
        serial: entry.serial,
        order: entry.order.map(uuid),
        body: serde_json::to_value(body).unwrap_or_default(),
        at_ms,
    }
}

/// The line of a row; `None` for one of a later release.
fn entry_of(row: &TillRow) -> Option<Entry> {
    let body: EntryBody = serde_json::from_value(row.body.clone()).ok()?;
    Some(Entry {
        number: row.number,
        shift: id(row.shift),
        shift_number: body.shift_number,
        business_date: body.business_date,
        kind: EntryKind::from_word(&row.kind)?,
        tender: body.tender.as_deref().and_then(words::tender_of),
        amount: Minor(body.amount),
        serial: row.serial,
        order: row.order.map(id),
        order_number: body.order_number,
        attempt: body.attempt.map(id),
        receipt: body.receipt,
        staff: body.staff,
        approver: body.approver,
        reason: body.reason,
        detail: body.detail.detail(),
        at_utc_ms: body.at_utc_ms,
    })
}

/// The row of a refund that is about to be sent.
pub(crate) fn refund_row(begun: &RefundBegun, at_ms: i64) -> RefundRow {
    let body = RefundBody {
        order_number: begun.order_number.clone(),
        amount: begun.amount.0,
        picks: pairs(&begun.picks),
        staff: begun.staff.clone(),
        approver: begun.approver.clone(),
        reason: begun.reason.clone(),
        detail: DetailBody::of(&begun.detail),
    };
    RefundRow {
        attempt: uuid(begun.attempt),
        refund: uuid(begun.refund),
        order: uuid(begun.order),
        body: serde_json::to_value(body).unwrap_or_default(),
        at_ms,
    }
}

fn begun_of(row: &RefundRow) -> RefundBegun {
    let body: RefundBody = serde_json::from_value(row.body.clone()).unwrap_or_default();
    RefundBegun {
        attempt: id(row.attempt),
        refund: id(row.refund),
        order: id(row.order),
        order_number: body.order_number,
        amount: Minor(body.amount),
        picks: picks(&body.picks),
        detail: body.detail.detail(),
        staff: body.staff,
        approver: body.approver,
        reason: body.reason,
    }
}

/// What the disk knows of a till.
///
/// # Errors
/// When the rows cannot be read: then nothing may be sold.
pub(crate) fn restored(outbox: &Outbox, till: &str) -> Result<RestoredDesk, CommitError> {
    let head = outbox.till(till)?.unwrap_or_default();
    let rows = outbox.till_entries(till, head.open_from(), LINES)?;
    let entries: Vec<Entry> = rows.iter().filter_map(entry_of).collect();
    let mut restored = RestoredDesk {
        till: Till::restored(head.last_entry, head.last_serial, head.last_shift, &entries),
        ..RestoredDesk::default()
    };
    for row in outbox.newest_orders(UNPAID)?.iter().rev().filter(|row| row.state == OrderState::Placed) {
        if let Some(sold) = sold_of(row) {
            let (order, number, tip, total, tax) = (sold.order, sold.number, sold.tip, sold.total + sold.tip, sold.tax);
            restored.briefs.push(Brief { order, number, total, tip, tax, discounts: Minor::ZERO });
        }
    }
    for attempt in outbox.open_attempts()? {
        if matches!(attempt.note.kind, AttemptKind::Refund | AttemptKind::Reverse) {
            let refunds = outbox.refunds_of(attempt.order)?;
            restored.begun.extend(refunds.iter().filter(|row| row.attempt == attempt.attempt).map(begun_of));
        }
    }
    Ok(restored)
}

/// Reads what the desk asks for.
pub(crate) fn look(outbox: &Outbox, terminal: &str, query: &Query) -> Answer {
    let answer = match query {
        Query::Orders { search, business_date, offset_min } => orders(outbox, search, business_date, *offset_min),
        // The door's to say.
        Query::Staff | Query::Service => Ok(Answer::Failed),
        Query::Order(order) => order_of(outbox, terminal, uuid(*order)).map(|sold| Answer::Order(sold.map(Box::new))),
    };
    answer.unwrap_or_else(|error| {
        tracing::error!(%error, "the desk could not read");
        Answer::Failed
    })
}

fn orders(outbox: &Outbox, search: &OrderSearch, business_date: &str, offset_min: i16) -> Result<Answer, CommitError> {
    let rows = outbox.newest_orders(SEARCHED)?;
    let open: Vec<Uuid> = outbox.open_attempts()?.into_iter().map(|attempt| attempt.order).collect();
    let wanted = |row: &&OrderRow| fits(row, search, business_date, offset_min);
    let mut found = rows.iter().filter(wanted).skip(search.skip as usize);
    let mut orders = Vec::new();
    for row in found.by_ref().take(ORDERS_MAX) {
        orders.push(OrderLine {
            order: id(row.order),
            number: row.number.clone(),
            placed_utc_ms: placed_ms(row.order),
            total: Minor(row.total_minor),
            state: state_of(row.state),
            returned: !outbox.refunds_of(row.order)?.is_empty(),
            unknown: open.contains(&row.order),
        });
    }
    Ok(Answer::Orders { orders, more: found.next().is_some() })
}

fn fits(row: &OrderRow, search: &OrderSearch, business_date: &str, offset_min: i16) -> bool {
    let by_code = !search.code.is_empty();
    // A receipt may be of another day.
    let day = by_code || business_date.is_empty() || row.business_date == business_date;
    let number = row.number.to_ascii_uppercase().contains(&search.number.to_ascii_uppercase());
    let code = !by_code || search.code.rsplit(['/', '=', '#']).any(|part| Id::parse(part) == Some(id(row.order)));
    let around = search.around_min.is_none_or(|wanted| {
        let minute = placed_ms(row.order).map(|ms| (ms / 60_000 + i64::from(offset_min)).rem_euclid(1_440));
        minute.is_some_and(|minute| (minute - i64::from(wanted)).abs() <= i64::from(OrderSearch::AROUND_MIN))
    });
    day && number && code && around && (!search.unpaid || row.state == OrderState::Placed)
}

/// The time in an order's id (UUIDv7); `None` for one that was made without a clock.
fn placed_ms(order: Uuid) -> Option<i64> {
    let bytes = order.as_bytes();
    let ms = bytes[..6].iter().fold(0_i64, |ms, byte| ms << 8 | i64::from(*byte));
    (ms > 1_600_000_000_000).then_some(ms)
}

fn state_of(state: OrderState) -> SoldState {
    match state {
        OrderState::Placed => SoldState::Unpaid,
        OrderState::Cancelled => SoldState::Cancelled,
        OrderState::Received | OrderState::Making | OrderState::Ready | OrderState::Collected => SoldState::Paid,
    }
}

/// An order with all that was paid and given back.
fn order_of(outbox: &Outbox, terminal: &str, order: Uuid) -> Result<Option<Sold>, CommitError> {
    let Some(mut sold) = outbox.order(order)?.as_ref().and_then(sold_of) else { return Ok(None) };
    let attempts = outbox.attempts_of(order)?;
    let period = outbox.terminal(terminal)?.map(|row| row.period);
    sold.taken = attempts
        .iter()
        .filter(|row| row.note.kind == AttemptKind::Authorise && has_moved(row))
        .map(|row| Taken {
            payment: id(row.payment),
            attempt: id(row.attempt),
            tender: words::tender_of(&row.tender).unwrap_or(Tender::Card),
            amount: Minor(row.amount_minor),
            receipt: row.reference,
            reversible: row.terminal == terminal && row.period.is_some() && row.period == period,
            masked: String::new(),
            returned: returned(&attempts, row.attempt),
        })
        .collect();
    let mut refunds: Vec<Uuid> = Vec::new();
    for row in outbox.refunds_of(order)? {
        let lives = attempts.iter().any(|attempt| attempt.attempt == row.attempt && may_have_moved(attempt));
        if lives && !refunds.contains(&row.refund) {
            refunds.push(row.refund);
            sold.returned.extend(begun_of(&row).picks);
        }
    }
    let book = outbox.till_entries_of(order)?;
    let document = book.iter().find(|row| row.kind == EntryKind::Sold.word());
    sold.serial = document.and_then(|row| row.serial);
    sold.rounding = document.and_then(entry_of).map_or(Minor::ZERO, |entry| entry.detail.rounding);
    Ok(Some(sold))
}

/// True where an attempt is known to have moved money.
pub(crate) fn has_moved(row: &AttemptRow) -> bool {
    match row.state {
        AttemptState::Approved => true,
        AttemptState::Resolved => !row.outcome.as_deref().is_some_and(|word| word.ends_with("not_charged")),
        AttemptState::Started | AttemptState::Declined | AttemptState::Unknown => false,
    }
}

/// True where it has, or may have.
pub(crate) fn may_have_moved(row: &AttemptRow) -> bool {
    has_moved(row) || row.state.is_open()
}

/// What went back to an attempt, or may have.
pub(crate) fn returned(attempts: &[AttemptRow], original: Uuid) -> Minor {
    let back = attempts.iter().filter(|row| row.note.original == Some(original) && may_have_moved(row));
    back.map(|row| Minor(row.amount_minor)).sum()
}

/// An order as it was placed; `None` for one that cannot be read any more.
pub(crate) fn sold_of(row: &OrderRow) -> Option<Sold> {
    let placed: data::OrderPlaced = serde_json::from_value(row.body.clone()).ok()?;
    let lines: Vec<SoldLine> = placed.lines.iter().map(line_of).collect();
    Some(Sold {
        order: id(row.order),
        visit: row.visit.map(id),
        number: row.number.clone(),
        called_name: placed.called_name.clone().unwrap_or_default(),
        service: if placed.service == "takeaway" { Service::Takeaway } else { Service::EatIn },
        business_date: row.business_date.clone(),
        placed_utc_ms: placed_ms(row.order),
        state: state_of(row.state),
        serial: None,
        lines: discounted(lines, &placed.discounts),
        tax: placed.tax.iter().map(tax_of).collect(),
        tip: placed.tip.map_or(Minor::ZERO, |tip| Minor(tip.minor)),
        points: 0,
        total: Minor(row.total_minor),
        rounding: Minor::ZERO,
        taken: Vec::new(),
        returned: Vec::new(),
    })
}

fn line_of(line: &data::Line) -> SoldLine {
    let modifier = |modifier: &data::Modifier| PricedModifier {
        group: modifier.group.clone(),
        sku: modifier.sku.clone(),
        name: modifier.name.clone(),
        quantity: u8::try_from(modifier.quantity).unwrap_or(u8::MAX),
        amount: Minor(modifier.amount.minor),
    };
    SoldLine {
        line: line.line,
        parent: line.parent,
        sku: line.sku.clone(),
        name: line.name.clone(),
        quantity: u16::try_from(line.quantity).unwrap_or(u16::MAX),
        amount: Minor(line.amount.minor),
        tax_code: line.tax_code.clone(),
        modifiers: line.modifiers.iter().map(modifier).collect(),
    }
}

/// Takes discounts off: one of a line off that line, one of the order off all lines in proportion, to the last cent.
fn discounted(mut lines: Vec<SoldLine>, discounts: &[data::Discount]) -> Vec<SoldLine> {
    for discount in discounts {
        let amount = Minor(discount.amount.minor);
        let weights: Vec<Minor> =
            lines.iter().map(|l| if discount.line.is_none_or(|n| n == l.line) { l.amount } else { Minor::ZERO }).collect();
        for (line, share) in lines.iter_mut().zip(allocate(amount, &weights)) {
            line.amount -= share;
        }
    }
    lines
}

fn tax_of(tax: &data::Tax) -> TaxAmount {
    let (whole, part) = tax.rate.split_once('.').unwrap_or((&tax.rate, ""));
    let part = format!("{part:0<6}");
    let ppm =
        whole.parse::<u32>().unwrap_or(0).saturating_mul(1_000_000) + part.get(..6).and_then(|p| p.parse().ok()).unwrap_or(0);
    TaxAmount {
        code: tax.code.clone(),
        rate_ppm: ppm,
        base: Minor(tax.base.minor),
        amount: Minor(tax.amount.minor),
        included: tax.included,
    }
}
