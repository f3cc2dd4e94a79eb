//! Events and the logs they belong to, on a connection. Used by both files and by readers.
//!
//! A row's key is `log number << 40 | sequence`: events of one log lie side by side in the order of their numbers, so a
//! commit appends to one page. The number itself comes from the log's row, written in the same transaction.

use crate::{Batch, Hole, LogInfo, Row};
use cem_contract::NewEvent;
use rusqlite::{Connection, OptionalExtension as _, params};
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

/// Logs that have events and no readable row of their own, as far as those events tell: for salvage.
pub(crate) fn unlisted(conn: &Connection) -> Vec<Log> {
    let mut logs = Vec::new();
    let mut n = 0;
    loop {
        let next = conn.query_row(
            "SELECT key, body FROM events WHERE key >= ?1 ORDER BY key LIMIT 1",
            [(n + 1) << SEQUENCE_BITS],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)),
        );
        let Ok((key, body)) = next else { return logs };
        n = key >> SEQUENCE_BITS;
        let event = std::str::from_utf8(&body).ok().and_then(|text| cem_contract::Event::parse(text).ok());
        if let Some(event) = event.filter(|_| n < LOGS_MAX) {
            let first = key as u64 & SEQUENCE_MAX;
            logs.push(Log { n, id: event.log, source: event.source, first, head: first, opened_ms: 0, why: String::new() });
        }
    }
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
