//! What the backend has. Per source and log, ranges of numbers; the one that begins at 0 ends at the watermark.

use super::AgentStore;
use crate::{
    CommitError, ReadError, Watermark,
    log::{self, Sum},
};
use rusqlite::{Connection, Transaction, params};
use std::ops::RangeInclusive;
use uuid::Uuid;

impl AgentStore {
    /// Every number up to and including this one is acknowledged or quarantined. 0: nothing yet.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn watermark(&self, source: &str, log: Uuid) -> Result<u64, ReadError> {
        let ranges = load(&self.lock(), source, log)?;
        Ok(ranges.first().filter(|range| *range.start() == 0).map_or(0, |range| *range.end()))
    }

    /// The watermarks of all logs ever seen.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn watermarks(&self) -> Result<Vec<Watermark>, ReadError> {
        Ok(stored_watermarks(&self.lock())?)
    }

    /// Numbers beyond the watermark that are acknowledged already, ascending.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn acknowledged_beyond(&self, source: &str, log: Uuid) -> Result<Vec<RangeInclusive<u64>>, ReadError> {
        let mut ranges = load(&self.lock(), source, log)?;
        ranges.retain(|range| *range.start() != 0);
        Ok(ranges)
    }

    /// These numbers are at the backend. Returns the watermark.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn acknowledge(&self, source: &str, log: Uuid, sequences: &[u64]) -> Result<u64, CommitError> {
        self.write(|tx| add(tx, source, log, sequences.iter().map(|n| *n..=*n)))
    }

    /// Every number up to this one is at the backend, or was given up before this agent came: a log that begins at
    /// `first` is begun by `acknowledge_to(first - 1)`. Returns the watermark.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn acknowledge_to(&self, source: &str, log: Uuid, up_to: u64) -> Result<u64, CommitError> {
        self.write(|tx| add(tx, source, log, [0..=up_to]))
    }

    /// The backend lacks these numbers of a log: they are to be sent again, whatever the watermark says.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_resend(&self, source: &str, log: Uuid, from: u64, to: u64) -> Result<(), CommitError> {
        self.write(|tx| {
            tx.prepare_cached(
                "INSERT INTO resend(source, log, from_n, to_n) VALUES(?1, ?2, ?3, ?4)
                 ON CONFLICT(source, log, from_n) DO UPDATE SET to_n = max(to_n, excluded.to_n)",
            )?
            .execute(params![source, log.as_bytes().as_slice(), from as i64, to as i64])
            .map(drop)
        })
    }

    /// What is to be sent again: source, log, numbers.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn resends(&self) -> Result<Vec<(String, Uuid, RangeInclusive<u64>)>, ReadError> {
        let conn = self.lock();
        let mut statement = conn.prepare_cached("SELECT source, log, from_n, to_n FROM resend ORDER BY source, log, from_n")?;
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, log::uuid(row, 1)?, log::number(row, 2)?..=log::number(row, 3)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    /// The part of a resend up to and including `done` was sent; the whole of it when `done` reaches its end.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn resent(&self, source: &str, log: Uuid, from: u64, done: u64) -> Result<(), CommitError> {
        self.write(|tx| {
            let id = log.as_bytes().as_slice();
            tx.prepare_cached(
                "INSERT OR REPLACE INTO resend(source, log, from_n, to_n)
                 SELECT source, log, ?4 + 1, to_n FROM resend WHERE source = ?1 AND log = ?2 AND from_n = ?3 AND to_n > ?4",
            )?
            .execute(params![source, id, from as i64, done as i64])?;
            tx.prepare_cached("DELETE FROM resend WHERE source = ?1 AND log = ?2 AND from_n = ?3")?
                .execute(params![source, id, from as i64])
                .map(drop)
        })
    }
}

fn crc(source: &str, log: Uuid, range: &RangeInclusive<u64>) -> u32 {
    Sum::default().bytes(source.as_bytes()).bytes(log.as_bytes()).num(*range.start() as i64).num(*range.end() as i64).done()
}

/// The stored ranges, ascending. One with a wrong checksum is left out: its events are sent again.
fn load(conn: &Connection, source: &str, log: Uuid) -> rusqlite::Result<Vec<RangeInclusive<u64>>> {
    let mut statement =
        conn.prepare_cached("SELECT from_n, to_n, crc FROM acked WHERE source = ?1 AND log = ?2 ORDER BY from_n")?;
    let rows = statement.query_map(params![source, log.as_bytes().as_slice()], |row| {
        Ok((log::number(row, 0)?..=log::number(row, 1)?, row.get::<_, u32>(2)?))
    })?;
    let mut ranges = Vec::new();
    for row in rows {
        let (range, stored) = row?;
        if stored == crc(source, log, &range) {
            ranges.push(range);
        }
    }
    Ok(ranges)
}

/// Adds ranges, joins those that touch, stores what changed. Returns the watermark.
pub(super) fn add(
    tx: &Transaction<'_>,
    source: &str,
    log: Uuid,
    new: impl IntoIterator<Item = RangeInclusive<u64>>,
) -> rusqlite::Result<u64> {
    let before = load(tx, source, log)?;
    let mut all = before.clone();
    // Number 1 touches the beginning: there is no number 0.
    all.extend(new.into_iter().map(|range| if *range.start() == 1 { 0..=*range.end() } else { range }));
    all.sort_by_key(|range| *range.start());
    let mut joined: Vec<RangeInclusive<u64>> = Vec::with_capacity(all.len());
    for range in all {
        match joined.last_mut() {
            Some(last) if *range.start() <= last.end().saturating_add(1) => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => joined.push(range),
        }
    }
    let id = log.as_bytes().as_slice();
    for gone in before.iter().filter(|range| !joined.contains(range)) {
        tx.prepare_cached("DELETE FROM acked WHERE source = ?1 AND log = ?2 AND from_n = ?3")?.execute(params![
            source,
            id,
            *gone.start() as i64
        ])?;
    }
    for range in joined.iter().filter(|range| !before.contains(range)) {
        tx.prepare_cached("INSERT OR REPLACE INTO acked(source, log, from_n, to_n, crc) VALUES(?1, ?2, ?3, ?4, ?5)")?
            .execute(params![source, id, *range.start() as i64, *range.end() as i64, crc(source, log, range)])?;
    }
    Ok(joined.first().filter(|range| *range.start() == 0).map_or(0, |range| *range.end()))
}

/// The watermarks in a file, those with a wrong checksum left out.
pub(crate) fn stored_watermarks(conn: &Connection) -> rusqlite::Result<Vec<Watermark>> {
    let mut statement = conn.prepare_cached("SELECT source, log, to_n, crc FROM acked WHERE from_n = 0")?;
    let rows = statement.query_map([], |row| {
        let mark = Watermark { source: row.get(0)?, log: log::uuid(row, 1)?, up_to: log::number(row, 2)? };
        Ok((mark, row.get::<_, u32>(3)?))
    })?;
    let mut marks = Vec::new();
    for row in rows {
        let (mark, stored) = row?;
        if stored == crc(&mark.source, mark.log, &(0..=mark.up_to)) {
            marks.push(mark);
        }
    }
    Ok(marks)
}
