//! Events and the logs they belong to, on a connection. Used by both files and by readers.
//!
//! A row's key is `log number << 40 | sequence`: events of one log lie side by side in the order of their numbers, so a
//! commit appends to one page. The number itself comes from the log's row, written in the same transaction.

use crate::{Batch, Hole, LogInfo, Row};
use cem_contract::NewEvent;
use rusqlite::{Connection, OptionalExtension as _, params, types::Value};
use uuid::Uuid;

const SEQUENCE_BITS: u32 = 40;
const SEQUENCE_MAX: u64 = (1 << SEQUENCE_BITS) - 1;
/// Logs that one file may hold.
const LOGS_MAX: i64 = 1 << 22;

/// A log as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) n: i64,
    pub(crate) id: Uuid,
    pub(crate) source: String,
    pub(crate) first: u64,
    pub(crate) head: u64,
    pub(crate) opened_ms: i64,
    pub(crate) why: String,
}

impl Log {
    fn crc(&self) -> u32 {
        Sum::default()
            .num(self.n)
            .bytes(self.id.as_bytes())
            .bytes(self.source.as_bytes())
            .num(self.first as i64)
            .num(self.head as i64)
            .num(self.opened_ms)
            .bytes(self.why.as_bytes())
            .done()
    }

    pub(crate) fn key(&self, sequence: u64) -> i64 {
        (self.n << SEQUENCE_BITS) | (sequence.min(SEQUENCE_MAX) as i64)
    }

    pub(crate) fn info(&self, current: bool) -> LogInfo {
        LogInfo {
            log: self.id,
            source: self.source.clone(),
            first: self.first,
            head: self.head,
            opened_ms: self.opened_ms,
            current,
        }
    }
}

/// CRC-32 over fields, each with its length, so that bytes cannot wander from one field to the next.
#[derive(Default)]
pub(crate) struct Sum(crc32fast::Hasher);

impl Sum {
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    pub(crate) fn num(mut self, number: i64) -> Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    pub(crate) fn maybe(self, number: Option<u32>) -> Self {
        self.num(number.map_or(-1, i64::from))
    }

    pub(crate) fn done(self) -> u32 {
        self.0.finalize()
    }
}

fn row_crc(log: Uuid, row: &Row) -> u32 {
    Sum::default()
        .bytes(log.as_bytes())
        .num(row.sequence as i64)
        .bytes(row.id.as_bytes())
        .bytes(row.kind.as_bytes())
        .num(row.time_ms)
        .num(row.recorded_ms)
        .bytes(&row.body)
        .done()
}

/// All logs of the file, oldest first, and the numbers of those whose row is damaged.
pub(crate) fn load(conn: &Connection) -> rusqlite::Result<(Vec<Log>, Vec<i64>)> {
    let mut statement = conn.prepare_cached("SELECT n, log, source, first, head, opened_ms, why, crc FROM logs ORDER BY n")?;
    let mut rows = statement.query([])?;
    let (mut logs, mut bad) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let n: i64 = row.get(0)?;
        match stored_log(row) {
            Ok((log, crc)) if log.crc() == crc && (1..LOGS_MAX).contains(&n) => logs.push(log),
            _ => bad.push(n),
        }
    }
    Ok((logs, bad))
}

fn stored_log(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Log, u32)> {
    let log = Log {
        n: row.get(0)?,
        id: uuid(row, 1)?,
        source: row.get(2)?,
        first: number(row, 3)?,
        head: number(row, 4)?,
        opened_ms: row.get(5)?,
        why: row.get(6)?,
    };
    Ok((log, row.get(7)?))
}

/// Opens a log behind those that are there. `log` keeps its id when given (salvage), else gets a new one.
pub(crate) fn open_log(conn: &Connection, source: &str, now_ms: i64, why: &str) -> rusqlite::Result<Log> {
    let n: i64 = conn.query_row("SELECT coalesce(max(n), 0) + 1 FROM logs", [], |row| row.get(0))?;
    let log = Log { n, id: Uuid::now_v7(), source: source.to_owned(), first: 1, head: 0, opened_ms: now_ms, why: why.to_owned() };
    store_log(conn, &log)?;
    Ok(log)
}

/// Writes a log's row.
pub(crate) fn store_log(conn: &Connection, log: &Log) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO logs(n, log, source, first, head, opened_ms, why, crc) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT(n) DO UPDATE SET first = excluded.first, head = excluded.head, crc = excluded.crc",
    )?
    .execute(params![
        log.n,
        log.id.as_bytes().as_slice(),
        log.source,
        log.first as i64,
        log.head as i64,
        log.opened_ms,
        log.why,
        log.crc()
    ])?;
    Ok(())
}

/// Gives the event the log's next number and stores it. The log's row is stored by the caller, in the same transaction.
pub(crate) fn append(conn: &Connection, log: &mut Log, event: &NewEvent, recorded_ms: i64) -> rusqlite::Result<u64> {
    let sequence = log.head + 1;
    let row = Row {
        sequence,
        id: event.id,
        kind: event.kind.clone(),
        time_ms: event.time_ms,
        recorded_ms,
        body: event.seal(&log.source, log.id, sequence, recorded_ms),
    };
    insert(conn, log, &row)?;
    log.head = sequence;
    Ok(sequence)
}

/// Stores a row under the number it carries.
pub(crate) fn insert(conn: &Connection, log: &Log, row: &Row) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO events(key, id, kind, time_ms, recorded_ms, body, crc) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            log.key(row.sequence),
            row.id.as_bytes().as_slice(),
            row.kind,
            row.time_ms,
            row.recorded_ms,
            row.body,
            row_crc(log.id, row)
        ])?;
    Ok(())
}

/// Puts another body into a row, everything else as it was. A row whose checksum was wrong before keeps its wrong one: it is
/// not made right by this. False where there is no such row.
pub(crate) fn replace_body(conn: &Connection, logs: &[Log], key: i64, body: Vec<u8>) -> rusqlite::Result<bool> {
    let Some(log) = logs.iter().find(|log| log.n == key >> SEQUENCE_BITS) else { return Ok(false) };
    let sequence = key as u64 & SEQUENCE_MAX;
    let good = conn
        .prepare_cached("SELECT key, id, kind, time_ms, recorded_ms, body, crc FROM events WHERE key = ?1")?
        .query_row([key], |row| Ok(stored_row(row, log.id, sequence)))?;
    let crc = good.map_or(0, |row| row_crc(log.id, &Row { body: body.clone(), ..row }));
    let changed =
        conn.prepare_cached("UPDATE events SET body = ?2, crc = ?3 WHERE key = ?1")?.execute(params![key, body, crc])?;
    Ok(changed > 0)
}

/// Numbers after `after`, at most `max_rows` rows or about `max_bytes` of bodies (one row at least).
pub(crate) fn read(conn: &Connection, log: &Log, after: u64, max_rows: usize, max_bytes: usize) -> rusqlite::Result<Batch> {
    let after = after.max(log.first.saturating_sub(1));
    let mut batch = Batch { next: after, ..Batch::default() };
    if after >= log.head {
        return Ok(batch);
    }
    let mut statement = conn.prepare_cached(
        "SELECT key, id, kind, time_ms, recorded_ms, body, crc FROM events WHERE key > ?1 AND key <= ?2 ORDER BY key LIMIT ?3",
    )?;
    let limit = i64::try_from(max_rows.max(1)).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![log.key(after), log.key(log.head), limit])?;
    let (mut looked_at, mut bytes) = (0, 0);
    let hole = |from, to, why: &str| Hole { log: log.id, from, to, why: why.to_owned() };
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => break,
            // What came before the damaged page is good; the caller meets the damage at the start of its next read.
            Err(_) if looked_at > 0 => return Ok(batch),
            Err(error) => return Err(error),
        };
        let sequence = (row.get::<_, i64>(0)? as u64) & SEQUENCE_MAX;
        if sequence > batch.next + 1 {
            batch.holes.push(hole(batch.next + 1, sequence - 1, "missing"));
        }
        match stored_row(row, log.id, sequence) {
            Some(row) => {
                bytes += row.body.len();
                batch.rows.push(row);
            }
            None => batch.holes.push(hole(sequence, sequence, "wrong checksum")),
        }
        batch.next = sequence;
        looked_at += 1;
        if bytes >= max_bytes {
            return Ok(batch);
        }
    }
    if looked_at < max_rows.max(1) && batch.next < log.head {
        batch.holes.push(hole(batch.next + 1, log.head, "missing"));
        batch.next = log.head;
    }
    Ok(batch)
}

/// The row, if its checksum is right.
fn stored_row(row: &rusqlite::Row<'_>, log: Uuid, sequence: u64) -> Option<Row> {
    let read = Row {
        sequence,
        id: uuid(row, 1).ok()?,
        kind: row.get(2).ok()?,
        time_ms: row.get(3).ok()?,
        recorded_ms: row.get(4).ok()?,
        body: row.get(5).ok()?,
    };
    let crc: u32 = row.get(6).ok()?;
    (row_crc(log, &read) == crc).then_some(read)
}

/// As [`read`], but steps over a damaged page: what lies between the last good row and the next readable one is a hole.
pub(crate) fn read_over_damage(
    conn: &Connection,
    log: &Log,
    after: u64,
    max_rows: usize,
    max_bytes: usize,
) -> rusqlite::Result<Batch> {
    let damage = match read(conn, log, after, max_rows, max_bytes) {
        Err(error) if crate::file::is_damage(&error) => error,
        other => return other,
    };
    let start = after.max(log.first.saturating_sub(1)) + 1;
    let readable = |sequence| read(conn, log, sequence - 1, 1, 0);
    let (mut bad, mut width) = (start, 1);
    let mut good = loop {
        let probe = bad + width;
        if probe > log.head {
            break log.head + 1;
        }
        match readable(probe) {
            Ok(_) => break probe,
            Err(error) if crate::file::is_damage(&error) => bad = probe,
            Err(error) => return Err(error),
        }
        width *= 2;
    };
    while good - bad > 1 {
        let middle = bad + (good - bad) / 2;
        match readable(middle) {
            Ok(_) => good = middle,
            Err(_) => bad = middle,
        }
    }
    let hole = Hole { log: log.id, from: start, to: good - 1, why: damage.to_string() };
    Ok(Batch { rows: Vec::new(), holes: vec![hole], next: good - 1 })
}

/// Takes a log's row that was found by itself, unless one is there. Of several the one that counts furthest is right.
pub(crate) fn insert_carved_log(conn: &Connection, n: i64, values: &[Value], why: &str) -> rusqlite::Result<()> {
    let [
        _,
        Value::Blob(id),
        Value::Text(source),
        Value::Integer(first),
        Value::Integer(head),
        Value::Integer(opened_ms),
        Value::Text(was),
        Value::Integer(crc),
    ] = values
    else {
        return Ok(());
    };
    let (Ok(id), Ok(first), Ok(head)) = (Uuid::from_slice(id), u64::try_from(*first), u64::try_from(*head)) else {
        return Ok(());
    };
    let log = Log { n, id, source: source.clone(), first, head, opened_ms: *opened_ms, why: was.clone() };
    if i64::from(log.crc()) != *crc || !(1..LOGS_MAX).contains(&n) {
        return Ok(());
    }
    match by_number(conn, n)? {
        Some(known) if (known.head, known.first) >= (log.head, log.first) => Ok(()),
        _ => replace_log(conn, &Log { why: why.to_owned(), ..log }),
    }
}

/// Takes an event that was found by itself, if its checksum fits the log that its bytes name; makes the log's row where
/// there is none.
pub(crate) fn insert_carved(conn: &Connection, key: i64, values: &[Value], why: &str) -> rusqlite::Result<()> {
    let [
        _,
        Value::Blob(id),
        Value::Text(kind),
        Value::Integer(time_ms),
        Value::Integer(recorded_ms),
        Value::Blob(body),
        Value::Integer(crc),
    ] = values
    else {
        return Ok(());
    };
    let event = std::str::from_utf8(body).ok().and_then(|text| cem_contract::Event::parse(text).ok());
    let (Ok(id), Some(event)) = (Uuid::from_slice(id), event) else { return Ok(()) };
    let (n, sequence) = (key >> SEQUENCE_BITS, key as u64 & SEQUENCE_MAX);
    let row = Row { sequence, id, kind: kind.clone(), time_ms: *time_ms, recorded_ms: *recorded_ms, body: body.clone() };
    if i64::from(row_crc(event.log, &row)) != *crc || event.sequence != sequence || !(1..LOGS_MAX).contains(&n) {
        return Ok(());
    }
    let log = match by_number(conn, n)? {
        Some(log) if log.id != event.log || sequence < log.first => return Ok(()),
        Some(log) => Log { head: log.head.max(sequence), ..log },
        None => Log { n, id: event.log, source: event.source, first: 1, head: sequence, opened_ms: 0, why: why.to_owned() },
    };
    let there = conn.prepare_cached("SELECT 1 FROM events WHERE key = ?1")?.exists([key])?;
    if !there {
        replace_log(conn, &log)?;
        insert(conn, &log, &row)?;
    }
    Ok(())
}

fn by_number(conn: &Connection, n: i64) -> rusqlite::Result<Option<Log>> {
    Ok(load(conn)?.0.into_iter().find(|log| log.n == n))
}

fn replace_log(conn: &Connection, log: &Log) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM logs WHERE n = ?1 OR log = ?2")?.execute(params![log.n, log.id.as_bytes().as_slice()])?;
    store_log(conn, log)
}

/// The highest number stored in a log, whatever its row says.
pub(crate) fn highest(conn: &Connection, log: &Log) -> rusqlite::Result<Option<u64>> {
    let key: Option<i64> = conn
        .prepare_cached("SELECT key FROM events WHERE key > ?1 AND key <= ?2 ORDER BY key DESC LIMIT 1")?
        .query_row(params![log.key(0), log.key(SEQUENCE_MAX)], |row| row.get(0))
        .optional()?;
    Ok(key.map(|key| key as u64 & SEQUENCE_MAX))
}

/// The bytes of an event under another log and number, everything else as it was. `None` when `body` was not sealed by
/// the contract.
pub(crate) fn reseal(body: &[u8], log: Uuid, sequence: u64) -> Option<Vec<u8>> {
    // Inside a JSON string every quote has a backslash before it, so the first match is the member itself.
    const LOG: &[u8] = br#","log":""#;
    const MIDDLE: &[u8] = br#"","sequence":""#;
    let at = body.windows(LOG.len()).position(|window| window == LOG)? + LOG.len();
    let middle = at + 36;
    let digits = middle + MIDDLE.len();
    let end = digits + 20;
    if body.get(middle..digits)? != MIDDLE || body.get(end)? != &b'"' {
        return None;
    }
    let mut out = Vec::with_capacity(body.len());
    out.extend_from_slice(&body[..at]);
    out.extend_from_slice(log.hyphenated().to_string().as_bytes());
    out.extend_from_slice(MIDDLE);
    out.extend_from_slice(cem_contract::time::sequence(sequence).as_bytes());
    out.extend_from_slice(&body[end..]);
    Some(out)
}

/// A UUID stored as 16 bytes.
pub(crate) fn uuid(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    let bytes: [u8; 16] = row.get(column)?;
    Ok(Uuid::from_bytes(bytes))
}

/// A number that is never negative.
pub(crate) fn number(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// A value of `meta`.
pub(crate) fn meta(conn: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()
}

/// Sets a value of `meta`.
pub(crate) fn set_meta(conn: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO meta(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value")?
        .execute([key, value])?;
    Ok(())
}

/// True where one of the last events, at most `tail` of them, is of this type and this visit.
pub(crate) fn has_recent(conn: &Connection, kind: &str, visit: Uuid, tail: usize) -> rusqlite::Result<bool> {
    let visit = visit.to_string();
    let mut statement =
        conn.prepare_cached("SELECT body FROM (SELECT kind, body FROM events ORDER BY key DESC LIMIT ?1) WHERE kind = ?2")?;
    let mut rows = statement.query(rusqlite::params![i64::try_from(tail).unwrap_or(i64::MAX), kind])?;
    while let Some(row) = rows.next()? {
        let body: Vec<u8> = row.get(0)?;
        let event: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
        if event.is_some_and(|event| event.get("visitid").and_then(serde_json::Value::as_str) == Some(visit.as_str())) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn event(data: serde_json::Value) -> NewEvent {
        NewEvent {
            id: Uuid::from_u128(7),
            kind: "cem.presence.seen.v1".to_owned(),
            time_ms: 1,
            visitid: Some(Uuid::from_u128(8)),
            visitor: None,
            consent: cem_contract::Consent::None,
            clock: cem_contract::Clock::Unset,
            boot: r#"a","log":"b"#.to_owned(),
            uptime_ms: 3,
            data,
        }
    }

    #[test]
    fn a_resealed_event_equals_one_sealed_there() {
        let (old, new) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let event = event(json!({ "log": "x", "text": r#"","log":"00000000-0000-0000-0000-000000000001","sequence":""# }));
        for source in ["/stores/s-001/devices/k-01", r#"/odd/","log":""#] {
            let moved = reseal(&event.seal(source, old, 5, 9), new, 1 << 39).unwrap();
            assert_eq!(moved, event.seal(source, new, 1 << 39, 9));
        }
    }

    #[test]
    fn what_the_contract_did_not_seal_is_not_resealed() {
        for body in ["", "{}", r#"{"a":1,"log":"short"}"#, r#"{"a":1,"log":"00000000-0000-0000-0000-000000000001","n":1}"#] {
            assert_eq!(reseal(body.as_bytes(), Uuid::nil(), 1), None);
        }
    }

    #[test]
    fn bytes_cannot_wander_between_the_fields_of_a_checksum() {
        assert_ne!(Sum::default().bytes(b"ab").bytes(b"c").done(), Sum::default().bytes(b"a").bytes(b"bc").done());
    }
}
