//! Orders, payment attempts and order counters, on a connection.

use crate::{
    AttemptRow, AttemptState, OrderCounter, OrderRow, OrderState,
    log::{Sum, uuid},
    notes,
};
use rusqlite::{Connection, OptionalExtension as _, params, types::Value};
use uuid::Uuid;

/// A row that was refused, or could not be written.
pub(crate) enum PutError {
    Conflict(String),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for PutError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn order_crc(row: &OrderRow, body: &str) -> u32 {
    Sum::default()
        .bytes(row.order.as_bytes())
        .bytes(row.number.as_bytes())
        .bytes(row.business_date.as_bytes())
        .bytes(row.visit.unwrap_or_default().as_bytes())
        .bytes(row.state.word().as_bytes())
        .num(row.total_minor)
        .bytes(row.currency.as_bytes())
        .bytes(body.as_bytes())
        .num(row.updated_ms)
        .done()
}

fn attempt_crc(row: &AttemptRow) -> u32 {
    Sum::default()
        .bytes(row.attempt.as_bytes())
        .bytes(row.payment.as_bytes())
        .bytes(row.order.as_bytes())
        .bytes(row.terminal.as_bytes())
        .bytes(row.tender.as_bytes())
        .num(row.amount_minor)
        .bytes(row.currency.as_bytes())
        .bytes(row.state.word().as_bytes())
        .maybe(row.reference)
        .maybe(row.period)
        .maybe(row.receipt_before)
        .num(i64::from(row.acknowledged))
        .bytes(row.outcome.as_deref().unwrap_or("\0").as_bytes())
        .num(row.updated_ms)
        .done()
}

/// Inserts or replaces an order.
pub(crate) fn put_order(conn: &Connection, row: &OrderRow) -> Result<(), PutError> {
    let body = row.body.to_string();
    conn.prepare_cached(
        "INSERT INTO orders(id, number, business_date, visit, state, total_minor, currency, body, updated_ms, crc)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT(id) DO UPDATE SET number = excluded.number, business_date = excluded.business_date, visit = excluded.visit,
           state = excluded.state, total_minor = excluded.total_minor, currency = excluded.currency, body = excluded.body,
           updated_ms = excluded.updated_ms, crc = excluded.crc",
    )?
    .execute(params![
        row.order.as_bytes().as_slice(),
        row.number,
        row.business_date,
        row.visit.as_ref().map(|visit| visit.as_bytes().as_slice()),
        row.state.word(),
        row.total_minor,
        row.currency,
        body,
        row.updated_ms,
        order_crc(row, &body)
    ])?;
    Ok(())
}

/// Replaces an order that is there.
pub(crate) fn replace_order(conn: &Connection, row: &OrderRow) -> rusqlite::Result<()> {
    match put_order(conn, row) {
        Err(PutError::Sqlite(error)) => Err(error),
        // An order contradicts nothing.
        Ok(()) | Err(PutError::Conflict(_)) => Ok(()),
    }
}

/// Inserts or replaces an attempt. A settled one never becomes open again, and a terminal's receipt belongs to one
/// attempt only.
pub(crate) fn put_attempt(conn: &Connection, row: &AttemptRow) -> Result<(), PutError> {
    if row.state.is_open()
        && let Some(stored) = attempt(conn, row.attempt)?
        && !stored.state.is_open()
    {
        return Err(PutError::Conflict(format!("attempt {} is {} already", row.attempt, stored.state.word())));
    }
    let done = conn
        .prepare_cached(
            "INSERT INTO attempts(id, payment, order_id, terminal, tender, amount_minor, currency, state, reference, period,
               receipt_before, acknowledged, outcome, updated_ms, crc)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
             ON CONFLICT(id) DO UPDATE SET payment = excluded.payment, order_id = excluded.order_id,
               terminal = excluded.terminal, tender = excluded.tender, amount_minor = excluded.amount_minor,
               currency = excluded.currency, state = excluded.state, reference = excluded.reference,
               period = excluded.period, receipt_before = excluded.receipt_before, acknowledged = excluded.acknowledged,
               outcome = excluded.outcome, updated_ms = excluded.updated_ms, crc = excluded.crc",
        )?
        .execute(params![
            row.attempt.as_bytes().as_slice(),
            row.payment.as_bytes().as_slice(),
            row.order.as_bytes().as_slice(),
            row.terminal,
            row.tender,
            row.amount_minor,
            row.currency,
            row.state.word(),
            row.reference,
            row.period,
            row.receipt_before,
            row.acknowledged,
            row.outcome,
            row.updated_ms,
            attempt_crc(row)
        ]);
    match done {
        Ok(_) => Ok(notes::put_note(conn, row.attempt, &row.note)?),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
            let (receipt, period) = (row.reference.unwrap_or_default(), row.period.unwrap_or_default());
            let why = format!(
                "receipt {receipt} of terminal {} in period {period} is held by another attempt than {}",
                row.terminal, row.attempt
            );
            Err(PutError::Conflict(why))
        }
        Err(error) => Err(error.into()),
    }
}

/// Raises the day's counter.
pub(crate) fn raise_counter(conn: &Connection, counter: &OrderCounter) -> rusqlite::Result<()> {
    let value = i64::try_from(counter.value).unwrap_or(i64::MAX);
    conn.prepare_cached(
        "INSERT INTO order_counters(business_date, value, crc) VALUES(?1, ?2, ?3)
         ON CONFLICT(business_date) DO UPDATE SET value = excluded.value, crc = excluded.crc WHERE excluded.value > value",
    )?
    .execute(params![counter.business_date, value, counter_crc(&counter.business_date, value)])?;
    Ok(())
}

fn counter_crc(business_date: &str, value: i64) -> u32 {
    Sum::default().bytes(business_date.as_bytes()).num(value).done()
}

/// The day's counter, 0 when nothing was ordered yet.
pub(crate) fn counter(conn: &Connection, business_date: &str) -> rusqlite::Result<u64> {
    let stored: Option<(i64, u32)> = conn
        .prepare_cached("SELECT value, crc FROM order_counters WHERE business_date = ?1")?
        .query_row([business_date], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match stored {
        None => Ok(0),
        Some((value, crc)) if crc == counter_crc(business_date, value) => Ok(u64::try_from(value).unwrap_or(0)),
        Some(_) => Err(damaged("order counter", business_date)),
    }
}

/// With its note.
fn select_attempts(which: &str) -> String {
    let note = notes::NOTE_COLUMNS;
    format!(
        "SELECT a.id, payment, order_id, terminal, tender, amount_minor, currency, state, reference, period, receipt_before,
           acknowledged, outcome, updated_ms, a.crc, {note} FROM attempts a LEFT JOIN attempt_notes n ON n.id = a.id {which}"
    )
}

fn stored_attempt(row: &rusqlite::Row<'_>) -> rusqlite::Result<AttemptRow> {
    let word: String = row.get(7)?;
    let read = AttemptRow {
        attempt: uuid(row, 0)?,
        payment: uuid(row, 1)?,
        order: uuid(row, 2)?,
        terminal: row.get(3)?,
        tender: row.get(4)?,
        amount_minor: row.get(5)?,
        currency: row.get(6)?,
        state: AttemptState::from_word(&word).ok_or_else(|| damaged("attempt state", &word))?,
        reference: row.get(8)?,
        period: row.get(9)?,
        receipt_before: row.get(10)?,
        acknowledged: row.get(11)?,
        outcome: row.get(12)?,
        note: notes::stored_note(row, 15, uuid(row, 0)?)?,
        updated_ms: row.get(13)?,
    };
    if attempt_crc(&read) != row.get::<_, u32>(14)? {
        return Err(damaged("attempt checksum", &read.attempt.to_string()));
    }
    Ok(read)
}

/// An attempt by its id.
pub(crate) fn attempt(conn: &Connection, id: Uuid) -> rusqlite::Result<Option<AttemptRow>> {
    conn.prepare_cached(&select_attempts("WHERE a.id = ?1"))?.query_row([id.as_bytes().as_slice()], stored_attempt).optional()
}

/// Attempts whose outcome is open, oldest first.
pub(crate) fn open_attempts(conn: &Connection) -> rusqlite::Result<Vec<AttemptRow>> {
    conn.prepare_cached(&select_attempts("WHERE state IN ('started', 'unknown') ORDER BY a.id"))?
        .query_map([], stored_attempt)?
        .collect()
}

/// Settled attempts that no end-of-day comparison has confirmed, oldest first.
pub(crate) fn provisional_attempts(conn: &Connection) -> rusqlite::Result<Vec<AttemptRow>> {
    conn.prepare_cached(&select_attempts("WHERE n.provisional = 1 AND state NOT IN ('started', 'unknown') ORDER BY a.id"))?
        .query_map([], stored_attempt)?
        .collect()
}

/// Attempts of an order, oldest first.
pub(crate) fn attempts_of(conn: &Connection, order: Uuid) -> rusqlite::Result<Vec<AttemptRow>> {
    conn.prepare_cached(&select_attempts("WHERE order_id = ?1 ORDER BY a.id"))?
        .query_map([order.as_bytes().as_slice()], stored_attempt)?
        .collect()
}

const ORDER: &str = "SELECT id, number, business_date, visit, state, total_minor, currency, body, updated_ms, crc FROM orders";

fn stored_order(row: &rusqlite::Row<'_>) -> rusqlite::Result<OrderRow> {
    let (word, body): (String, String) = (row.get(4)?, row.get(7)?);
    let visit: Option<[u8; 16]> = row.get(3)?;
    let read = OrderRow {
        order: uuid(row, 0)?,
        number: row.get(1)?,
        business_date: row.get(2)?,
        visit: visit.map(Uuid::from_bytes),
        state: OrderState::from_word(&word).ok_or_else(|| damaged("order state", &word))?,
        total_minor: row.get(5)?,
        currency: row.get(6)?,
        body: serde_json::from_str(&body).map_err(|error| damaged("order body", &error.to_string()))?,
        updated_ms: row.get(8)?,
    };
    if order_crc(&read, &body) != row.get::<_, u32>(9)? {
        return Err(damaged("order checksum", &read.order.to_string()));
    }
    Ok(read)
}

/// An order by its id.
pub(crate) fn order(conn: &Connection, id: Uuid) -> rusqlite::Result<Option<OrderRow>> {
    conn.prepare_cached(&format!("{ORDER} WHERE id = ?1"))?.query_row([id.as_bytes().as_slice()], stored_order).optional()
}

/// The newest orders, newest first.
pub(crate) fn newest_orders(conn: &Connection, limit: usize) -> rusqlite::Result<Vec<OrderRow>> {
    conn.prepare_cached(&format!("{ORDER} ORDER BY rowid DESC LIMIT ?1"))?
        .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], stored_order)?
        .collect()
}

/// Reads every attempt, every counter and the newest orders, checksums verified.
pub(crate) fn check(conn: &Connection, orders: usize) -> rusqlite::Result<()> {
    let mut statement = conn.prepare(&select_attempts(""))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        stored_attempt(row)?;
    }
    newest_orders(conn, orders)?;
    let days: Vec<String> = conn
        .prepare("SELECT business_date FROM order_counters")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    days.iter().try_for_each(|day| counter(conn, day).map(drop))
}

/// Takes a row that was found by itself, if its checksum is right. Of several versions of one row the newest stays, a
/// settled attempt before an open one.
pub(crate) fn insert_carved(conn: &Connection, table: &str, mut values: Vec<Value>) -> rusqlite::Result<()> {
    if table == "attempts" && settled_later(conn, &values)? {
        return Ok(());
    }
    let order_changed = match table {
        "orders" => values.get(8).cloned(),
        _ => None,
    };
    if let (Some(Value::Integer(changed)), Some(id)) = (order_changed, values.first()) {
        let newer: Option<i64> =
            conn.query_row("SELECT updated_ms FROM orders WHERE id = ?1", [id], |row| row.get(0)).optional()?;
        if newer.is_some_and(|newer| newer >= changed) {
            return Ok(());
        }
    }
    let marks = vec!["?"; values.len()].join(", ");
    let id = values.first().cloned().unwrap_or(Value::Null);
    let key = match table {
        "order_counters" => "business_date",
        "terminals" => "terminal",
        _ => "id",
    };
    conn.execute_batch("SAVEPOINT carved")?;
    let previous = conn.execute(&format!("DELETE FROM {table} WHERE {key} = ?1"), [&id])?;
    let inserted = conn.execute(&format!("INSERT INTO {table} VALUES({marks})"), rusqlite::params_from_iter(values.drain(..)));
    let good = inserted.is_ok()
        && match table {
            "orders" => conn.query_row(&format!("{ORDER} WHERE id = ?1"), [&id], stored_order).is_ok(),
            "attempts" => conn.query_row(&select_attempts("WHERE a.id = ?1"), [&id], stored_attempt).is_ok(),
            // The WAL's newest comes first: what is there stays.
            "attempt_notes" => previous == 0 && matches!(&id, Value::Blob(id) if notes::note_is_good(conn, id)),
            "terminals" => previous == 0 && matches!(&id, Value::Text(name) if notes::terminal(conn, name).is_ok()),
            // A counter only rises, and the WAL's newest comes first: one that is there stays.
            _ => previous == 0 && matches!(&id, Value::Text(day) if counter(conn, day).is_ok()),
        };
    conn.execute_batch(if good { "RELEASE carved" } else { "ROLLBACK TO carved; RELEASE carved" })
}

/// True when an attempt is stored that is newer than this version of it, or settled while this one is open.
fn settled_later(conn: &Connection, values: &[Value]) -> rusqlite::Result<bool> {
    let (Some(Value::Blob(id)), Some(Value::Text(state)), Some(Value::Integer(changed))) =
        (values.first(), values.get(7), values.get(13))
    else {
        return Ok(true);
    };
    let Some(stored) = Uuid::from_slice(id).ok().map(|id| attempt(conn, id)).transpose()?.flatten() else { return Ok(false) };
    let open = AttemptState::from_word(state).is_none_or(AttemptState::is_open);
    Ok((!stored.state.is_open() && open) || (stored.state.is_open() == open && stored.updated_ms >= *changed))
}

/// Deletes rows whose checksum is wrong: for salvage, where the damaged file is kept. Returns how many of each table.
pub(crate) fn purge(conn: &Connection) -> rusqlite::Result<Vec<(&'static str, usize)>> {
    // First the notes, so that an attempt is not given up for its note.
    let beside = notes::purge(conn)?;
    let mut purged = [("orders", 0), ("attempts", 0), ("order_counters", 0)];
    for (name, count) in &mut purged[..2] {
        let ids: Vec<Vec<u8>> =
            conn.prepare(&format!("SELECT id FROM {name}"))?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for id in ids {
            let good = match *name {
                "orders" => conn.prepare_cached(&format!("{ORDER} WHERE id = ?1"))?.query_row([&id], stored_order).is_ok(),
                _ => conn.prepare_cached(&select_attempts("WHERE a.id = ?1"))?.query_row([&id], stored_attempt).is_ok(),
            };
            if !good {
                *count += conn.execute(&format!("DELETE FROM {name} WHERE id = ?1"), [&id])?;
            }
        }
    }
    let days: Vec<String> = conn
        .prepare("SELECT business_date FROM order_counters")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for day in days.iter().filter(|day| counter(conn, day).is_err()) {
        purged[2].1 += conn.execute("DELETE FROM order_counters WHERE business_date = ?1", [day])?;
    }
    Ok(purged.into_iter().chain(beside).collect())
}

/// Gives up orders that changed last between `from_ms` and `before_ms`, with their attempts, unless one of those is
/// open. At most `limit` at a time.
pub(crate) fn trim(conn: &Connection, from_ms: i64, before_ms: i64, limit: usize) -> rusqlite::Result<usize> {
    let old: Vec<Vec<u8>> = conn
        .prepare_cached(
            "SELECT id FROM orders AS o WHERE updated_ms >= ?1 AND updated_ms < ?2
             AND NOT EXISTS(SELECT 1 FROM attempts a WHERE a.order_id = o.id AND a.state IN ('started', 'unknown'))
             ORDER BY updated_ms LIMIT ?3",
        )?
        .query_map(params![from_ms, before_ms, i64::try_from(limit).unwrap_or(i64::MAX)], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for id in &old {
        conn.prepare_cached("DELETE FROM attempt_notes WHERE id IN (SELECT id FROM attempts WHERE order_id = ?1)")?
            .execute([id])?;
        conn.prepare_cached("DELETE FROM attempts WHERE order_id = ?1")?.execute([id])?;
        conn.prepare_cached("DELETE FROM orders WHERE id = ?1")?.execute([id])?;
    }
    Ok(old.len())
}

pub(crate) fn damaged(what: &str, found: &str) -> rusqlite::Error {
    let text = format!("{what}: {found}");
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Null, text.into())
}
