//! The till's book, what refunds are for, and wrong PINs, on a connection. In the kiosk's file, a module of their own.
//!
//! A line of the book gets the next number, and a receipt the next receipt number, or the whole commit is refused: both are
//! without a gap and without a double by construction, because they are checked against the till's head in the transaction
//! that writes them.

use crate::{
    Exported, OrderRow, RefundRow, StaffRow, TillHead, TillRow, TillRows,
    log::{Sum, uuid},
    money::{self, PutError, damaged},
    schema::{Module, Step},
};
use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Value};

/// Tables of the till.
pub(crate) const TILL: Module = Module {
    name: "till",
    steps: &[Step {
        min_reader: 1,
        sql: "CREATE TABLE till_entries(
                till TEXT NOT NULL, number INTEGER NOT NULL, shift BLOB NOT NULL, kind TEXT NOT NULL, serial INTEGER,
                order_id BLOB, body TEXT NOT NULL, at_ms INTEGER NOT NULL, crc INTEGER NOT NULL,
                PRIMARY KEY(till, number)) WITHOUT ROWID;
              CREATE UNIQUE INDEX till_serials ON till_entries(till, serial) WHERE serial IS NOT NULL;
              CREATE INDEX till_orders ON till_entries(order_id) WHERE order_id IS NOT NULL;
              CREATE TABLE tills(
                till TEXT PRIMARY KEY, last_entry INTEGER NOT NULL, last_serial INTEGER NOT NULL, last_shift INTEGER NOT NULL,
                shift_from INTEGER NOT NULL, period_from INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
                crc INTEGER NOT NULL) WITHOUT ROWID;
              CREATE TABLE refunds(
                attempt BLOB PRIMARY KEY, refund BLOB NOT NULL, order_id BLOB NOT NULL, body TEXT NOT NULL,
                at_ms INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
              CREATE INDEX refunds_order ON refunds(order_id);
              CREATE TABLE staff(
                staff TEXT PRIMARY KEY, wrong INTEGER NOT NULL, at_ms INTEGER, pin TEXT, crc INTEGER NOT NULL) WITHOUT ROWID;",
    }],
};

/// The tables, and by how many columns a row of each is known when it is found by itself.
pub(crate) const TABLES: [(&str, usize); 4] = [("till_entries", 9), ("tills", 8), ("refunds", 6), ("staff", 5)];

const ENTRY: &str = "SELECT till, number, shift, kind, serial, order_id, body, at_ms, crc FROM till_entries";
const REFUND: &str = "SELECT attempt, refund, order_id, body, at_ms, crc FROM refunds";

fn entry_crc(row: &TillRow, body: &str) -> u32 {
    Sum::default()
        .bytes(row.till.as_bytes())
        .num(row.number as i64)
        .bytes(row.shift.as_bytes())
        .bytes(row.kind.as_bytes())
        .maybe(row.serial)
        .bytes(row.order.unwrap_or_default().as_bytes())
        .bytes(body.as_bytes())
        .num(row.at_ms)
        .done()
}

fn head_crc(head: &TillHead) -> u32 {
    Sum::default()
        .bytes(head.till.as_bytes())
        .num(head.last_entry as i64)
        .num(i64::from(head.last_serial))
        .num(i64::from(head.last_shift))
        .num(head.shift_from as i64)
        .num(head.period_from as i64)
        .num(head.updated_ms)
        .done()
}

fn refund_crc(row: &RefundRow, body: &str) -> u32 {
    let ids = Sum::default().bytes(row.attempt.as_bytes()).bytes(row.refund.as_bytes()).bytes(row.order.as_bytes());
    ids.bytes(body.as_bytes()).num(row.at_ms).done()
}

fn staff_crc(row: &StaffRow) -> u32 {
    Sum::default()
        .bytes(row.staff.as_bytes())
        .num(i64::from(row.wrong))
        .num(row.at_ms.unwrap_or(i64::MIN))
        .bytes(row.pin.as_deref().unwrap_or("\0").as_bytes())
        .done()
}

/// Writes all of a commit's rows.
pub(crate) fn put(conn: &Connection, rows: &TillRows) -> Result<(), PutError> {
    for entry in &rows.entries {
        put_entry(conn, entry)?;
    }
    for refund in &rows.refunds {
        let body = refund.body.to_string();
        conn.prepare_cached(
            "INSERT OR REPLACE INTO refunds(attempt, refund, order_id, body, at_ms, crc) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            refund.attempt.as_bytes().as_slice(),
            refund.refund.as_bytes().as_slice(),
            refund.order.as_bytes().as_slice(),
            body,
            refund.at_ms,
            refund_crc(refund, &body)
        ])?;
    }
    for (order, state, at_ms) in &rows.states {
        if let Some(row) = money::order(conn, *order)? {
            money::put_order(conn, &OrderRow { state: *state, updated_ms: *at_ms, ..row })?;
        }
    }
    for staff in &rows.staff {
        conn.prepare_cached("INSERT OR REPLACE INTO staff(staff, wrong, at_ms, pin, crc) VALUES(?1, ?2, ?3, ?4, ?5)")?
            .execute(params![staff.staff, staff.wrong, staff.at_ms, staff.pin, staff_crc(staff)])?;
    }
    Ok(())
}

fn put_entry(conn: &Connection, row: &TillRow) -> Result<(), PutError> {
    let mut head = head(conn, &row.till)?.unwrap_or_else(|| TillHead { till: row.till.clone(), ..TillHead::default() });
    if row.number != head.last_entry + 1 {
        return Err(PutError::Conflict(format!("line {} of till {} after line {}", row.number, row.till, head.last_entry)));
    }
    if row.serial.is_some_and(|serial| serial != head.last_serial + 1) {
        let serial = row.serial.unwrap_or_default();
        return Err(PutError::Conflict(format!("receipt {serial} of till {} after {}", row.till, head.last_serial)));
    }
    let body = row.body.to_string();
    conn.prepare_cached(
        "INSERT INTO till_entries(till, number, shift, kind, serial, order_id, body, at_ms, crc)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        row.till,
        row.number as i64,
        row.shift.as_bytes().as_slice(),
        row.kind,
        row.serial,
        row.order.as_ref().map(|order| order.as_bytes().as_slice()),
        body,
        row.at_ms,
        entry_crc(row, &body)
    ])?;
    head.last_entry = row.number;
    head.last_serial = row.serial.unwrap_or(head.last_serial);
    head.last_shift = head.last_shift.max(row.shift_number);
    head.updated_ms = row.at_ms;
    match row.kind.as_str() {
        "opened" => head.shift_from = row.number,
        "closed" => head.shift_from = 0,
        "end_of_day" => head.period_from = row.number + 1,
        _ => {}
    }
    put_head(conn, &head)?;
    Ok(())
}

fn put_head(conn: &Connection, head: &TillHead) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO tills(till, last_entry, last_serial, last_shift, shift_from, period_from, updated_ms, crc)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        head.till,
        head.last_entry as i64,
        head.last_serial,
        head.last_shift,
        head.shift_from as i64,
        head.period_from as i64,
        head.updated_ms,
        head_crc(head)
    ])?;
    Ok(())
}

/// Where a till's numbers stand, `None` before its first line.
pub(crate) fn head(conn: &Connection, till: &str) -> rusqlite::Result<Option<TillHead>> {
    let read = |row: &Row<'_>| {
        let head = TillHead {
            till: row.get(0)?,
            last_entry: row.get::<_, i64>(1)? as u64,
            last_serial: row.get(2)?,
            last_shift: row.get(3)?,
            shift_from: row.get::<_, i64>(4)? as u64,
            period_from: row.get::<_, i64>(5)? as u64,
            updated_ms: row.get(6)?,
        };
        if head_crc(&head) != row.get::<_, u32>(7)? {
            return Err(damaged("till", &head.till));
        }
        Ok(head)
    };
    conn.prepare_cached(
        "SELECT till, last_entry, last_serial, last_shift, shift_from, period_from, updated_ms, crc FROM tills WHERE till = ?1",
    )?
    .query_row([till], read)
    .optional()
}

fn stored_entry(row: &Row<'_>) -> rusqlite::Result<TillRow> {
    let body: String = row.get(6)?;
    let order: Option<[u8; 16]> = row.get(5)?;
    let read = TillRow {
        till: row.get(0)?,
        number: row.get::<_, i64>(1)? as u64,
        shift: uuid(row, 2)?,
        shift_number: 0,
        kind: row.get(3)?,
        serial: row.get(4)?,
        order: order.map(uuid::Uuid::from_bytes),
        body: serde_json::from_str(&body).map_err(|error| damaged("till line", &error.to_string()))?,
        at_ms: row.get(7)?,
    };
    if entry_crc(&read, &body) != row.get::<_, u32>(8)? {
        return Err(damaged("till line", &read.number.to_string()));
    }
    Ok(read)
}

/// Lines of a till from a number on, ascending.
pub(crate) fn entries_from(conn: &Connection, till: &str, from: u64, limit: usize) -> rusqlite::Result<Vec<TillRow>> {
    conn.prepare_cached(&format!("{ENTRY} WHERE till = ?1 AND number >= ?2 ORDER BY number LIMIT ?3"))?
        .query_map(params![till, from as i64, i64::try_from(limit).unwrap_or(i64::MAX)], stored_entry)?
        .collect()
}

/// Lines about an order, ascending.
pub(crate) fn entries_of(conn: &Connection, order: uuid::Uuid) -> rusqlite::Result<Vec<TillRow>> {
    conn.prepare_cached(&format!("{ENTRY} WHERE order_id = ?1 ORDER BY till, number"))?
        .query_map([order.as_bytes().as_slice()], stored_entry)?
        .collect()
}

fn stored_refund(row: &Row<'_>) -> rusqlite::Result<RefundRow> {
    let body: String = row.get(3)?;
    let read = RefundRow {
        attempt: uuid(row, 0)?,
        refund: uuid(row, 1)?,
        order: uuid(row, 2)?,
        body: serde_json::from_str(&body).map_err(|error| damaged("refund", &error.to_string()))?,
        at_ms: row.get(4)?,
    };
    if refund_crc(&read, &body) != row.get::<_, u32>(5)? {
        return Err(damaged("refund", &read.attempt.to_string()));
    }
    Ok(read)
}

/// Refunds of an order, oldest first.
pub(crate) fn refunds_of(conn: &Connection, order: uuid::Uuid) -> rusqlite::Result<Vec<RefundRow>> {
    conn.prepare_cached(&format!("{REFUND} WHERE order_id = ?1 ORDER BY attempt"))?
        .query_map([order.as_bytes().as_slice()], stored_refund)?
        .collect()
}

/// Wrong tries and a PIN of one's own, `None` where nothing is known.
pub(crate) fn staff(conn: &Connection, id: &str) -> rusqlite::Result<Option<StaffRow>> {
    let read = |row: &Row<'_>| {
        let read = StaffRow { staff: row.get(0)?, wrong: row.get(1)?, at_ms: row.get(2)?, pin: row.get(3)? };
        if staff_crc(&read) != row.get::<_, u32>(4)? {
            return Err(damaged("staff", &read.staff));
        }
        Ok(read)
    };
    conn.prepare_cached("SELECT staff, wrong, at_ms, pin, crc FROM staff WHERE staff = ?1")?.query_row([id], read).optional()
}

fn keys(conn: &Connection, sql: &str) -> rusqlite::Result<Vec<Value>> {
    conn.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

/// True where the row of a table, known by its first columns, has the checksum that belongs to it.
fn is_good(conn: &Connection, table: &str, key: &Value, number: Option<i64>) -> bool {
    match (table, key) {
        ("till_entries", key) => {
            conn.query_row(&format!("{ENTRY} WHERE till = ?1 AND number = ?2"), params![key, number], stored_entry).is_ok()
        }
        ("tills", Value::Text(till)) => matches!(head(conn, till), Ok(Some(_))),
        ("refunds", key) => conn.query_row(&format!("{REFUND} WHERE attempt = ?1"), [key], stored_refund).is_ok(),
        ("staff", Value::Text(id)) => matches!(staff(conn, id), Ok(Some(_))),
        _ => false,
    }
}

/// Reads the heads and what a start needs of the books, checksums verified.
pub(crate) fn check(conn: &Connection) -> rusqlite::Result<()> {
    for till in keys(conn, "SELECT till FROM tills")? {
        let Value::Text(till) = till else { continue };
        if let Some(head) = head(conn, &till)? {
            entries_from(conn, &till, head.open_from(), usize::MAX)?;
        }
    }
    Ok(())
}

/// Takes a row that was found by itself, if its checksum is right and nothing newer is there.
pub(crate) fn insert_carved(conn: &Connection, table: &str, values: &[Value]) -> rusqlite::Result<()> {
    let Some(key) = values.first() else { return Ok(()) };
    let number = match values.get(1) {
        Some(Value::Integer(number)) if table == "till_entries" => Some(*number),
        _ => None,
    };
    let marks = vec!["?"; values.len()].join(", ");
    conn.execute_batch("SAVEPOINT carved")?;
    let inserted = conn.execute(&format!("INSERT INTO {table} VALUES({marks})"), rusqlite::params_from_iter(values));
    let good = inserted.is_ok() && is_good(conn, table, key, number);
    conn.execute_batch(if good { "RELEASE carved" } else { "ROLLBACK TO carved; RELEASE carved" })
}

/// Deletes rows whose checksum is wrong, and puts the heads where the books that are left say that they are: no number is
/// given twice. Returns how many of each table.
pub(crate) fn purge(conn: &Connection) -> rusqlite::Result<Vec<(&'static str, usize)>> {
    let mut purged = Vec::new();
    let numbered: Vec<(Value, i64)> = conn
        .prepare("SELECT till, number FROM till_entries")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut count = 0;
    for (till, number) in numbered.iter().filter(|(till, number)| !is_good(conn, "till_entries", till, Some(*number))) {
        count += conn.execute("DELETE FROM till_entries WHERE till = ?1 AND number = ?2", params![till, number])?;
    }
    purged.push(("till_entries", count));
    for (table, key) in [("tills", "till"), ("refunds", "attempt"), ("staff", "staff")] {
        let mut count = 0;
        for id in keys(conn, &format!("SELECT {key} FROM {table}"))? {
            if !is_good(conn, table, &id, None) {
                count += conn.execute(&format!("DELETE FROM {table} WHERE {key} = ?1"), [&id])?;
            }
        }
        purged.push((table, count));
    }
    for till in keys(conn, "SELECT DISTINCT till FROM till_entries")? {
        if let Value::Text(till) = till {
            raise_head(conn, &till)?;
        }
    }
    Ok(purged)
}

/// The head of a till is never behind its book.
fn raise_head(conn: &Connection, till: &str) -> rusqlite::Result<()> {
    let mut head = head(conn, till)?.unwrap_or_else(|| TillHead { till: till.to_owned(), ..TillHead::default() });
    for row in entries_from(conn, till, head.last_entry + 1, usize::MAX)? {
        head.last_entry = row.number;
        head.last_serial = head.last_serial.max(row.serial.unwrap_or(0));
        let shift = row.body.get("shift_number").and_then(serde_json::Value::as_u64).and_then(|n| u32::try_from(n).ok());
        head.last_shift = head.last_shift.max(shift.unwrap_or(0));
        match row.kind.as_str() {
            "opened" => head.shift_from = row.number,
            "closed" => head.shift_from = 0,
            "end_of_day" => head.period_from = row.number + 1,
            _ => {}
        }
        head.updated_ms = row.at_ms;
    }
    put_head(conn, &head)
}

/// When lines are old.
pub(crate) struct Old {
    /// Times before it come from a clock that was never set.
    pub(crate) from_ms: i64,
    /// As old as orders are kept.
    pub(crate) before_ms: i64,
    /// So old that nobody will export them any more.
    pub(crate) forgotten_ms: i64,
}

/// Gives up lines of closed shifts and periods, at most `limit` at a time: those that are exported and old, and those that
/// are forgotten. Then the refunds of orders that are gone. Numbers go on.
pub(crate) fn trim(conn: &Connection, old: &Old, marks: &[Exported], limit: usize) -> rusqlite::Result<usize> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut gone = 0;
    for till in keys(conn, "SELECT till FROM tills")? {
        let Value::Text(till) = till else { continue };
        let Some(head) = head(conn, &till)? else { continue };
        let open_from = head.open_from() as i64;
        let exported = exported_up_to(conn, &till, old, marks)?;
        gone += conn
            .prepare_cached(
                "DELETE FROM till_entries WHERE till = ?1 AND number IN (SELECT number FROM till_entries
                   WHERE till = ?1 AND number < ?2 AND (number <= ?3 OR (at_ms >= ?4 AND at_ms < ?5)) ORDER BY number LIMIT ?6)",
            )?
            .execute(params![till, open_from, exported, old.from_ms, old.forgotten_ms, limit])?;
    }
    gone += conn
        .prepare_cached("DELETE FROM refunds WHERE at_ms < ?1 AND NOT EXISTS(SELECT 1 FROM orders WHERE id = refunds.order_id)")?
        .execute([old.before_ms])?;
    Ok(gone)
}

/// The last mark whose line is old: what is left of the book begins behind a line whose hash is known.
fn exported_up_to(conn: &Connection, till: &str, old: &Old, marks: &[Exported]) -> rusqlite::Result<i64> {
    let mut up_to = 0;
    for number in marks.iter().filter(|mark| mark.till == till).filter_map(|mark| i64::try_from(mark.number).ok()) {
        let at: Option<i64> = conn
            .prepare_cached("SELECT at_ms FROM till_entries WHERE till = ?1 AND number = ?2")?
            .query_row(params![till, number], |row| row.get(0))
            .optional()?;
        if at.is_some_and(|at| at < old.before_ms) {
            up_to = up_to.max(number);
        }
    }
    Ok(up_to)
}
