//! What is given up, and when: acknowledged rows, oldest first, never one beyond the watermark.

use crate::{
    ReadError, agent,
    log::{self, Log},
};
use rusqlite::{Connection, TransactionBehavior, params};
use std::path::Path;
use uuid::Uuid;

/// Times before this (2026-01-01) come from a clock that was never set.
pub(crate) const CLOCK_FLOOR_MS: i64 = 1_767_225_600_000;

/// Up to where the backend has everything of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// The source of the log.
    pub source: String,
    /// The log.
    pub log: Uuid,
    /// Every number up to and including this one is acknowledged or quarantined.
    pub up_to: u64,
}

/// The watermarks in an agent's file, read without disturbing its writer. Empty when the file does not exist yet.
///
/// # Errors
/// As [`ReadError`] says; a busy file is an error too, ask again later.
pub fn watermarks(agent_db: &Path) -> Result<Vec<Watermark>, ReadError> {
    agent::beside(agent_db)?.map_or(Ok(Vec::new()), |conn| agent::stored_watermarks(&conn).map_err(ReadError::from))
}

/// Gives up the oldest rows of `log` up to `up_to`, at most `limit` of them and only those recorded before `before_ms`
/// (`None`: whenever). Rows recorded by a clock that was never set take the age of the next row after them. Returns how
/// many went.
pub(crate) fn trim(
    conn: &mut Connection,
    log: &mut Log,
    up_to: u64,
    before_ms: Option<i64>,
    limit: usize,
) -> rusqlite::Result<u64> {
    let up_to = up_to.min(log.head);
    if up_to < log.first {
        return Ok(0);
    }
    let limit = limit as u64;
    let last = match before_ms {
        None => up_to.min(log.first.saturating_add(limit - 1)),
        Some(before_ms) => match last_old(conn, log, up_to, before_ms, limit)? {
            Some(last) => last,
            None => return Ok(0),
        },
    };
    let trimmed = Log { first: last + 1, ..log.clone() };
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.prepare_cached("DELETE FROM events WHERE key >= ?1 AND key <= ?2")?.execute(params![log.key(log.first), log.key(last)])?;
    log::store_log(&tx, &trimmed)?;
    tx.commit()?;
    let gone = last + 1 - log.first;
    *log = trimmed;
    Ok(gone)
}

/// The last number of the run of old rows at the log's beginning.
fn last_old(conn: &Connection, log: &Log, up_to: u64, before_ms: i64, limit: u64) -> rusqlite::Result<Option<u64>> {
    let mut statement = conn.prepare_cached("SELECT key, recorded_ms FROM events WHERE key >= ?1 AND key <= ?2 ORDER BY key")?;
    let mut rows = statement.query(params![log.key(log.first), log.key(up_to)])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let (key, recorded_ms): (i64, i64) = (row.get(0)?, row.get(1)?);
        if recorded_ms < CLOCK_FLOOR_MS {
            continue;
        }
        if recorded_ms >= before_ms {
            break;
        }
        let sequence = log.first + (key - log.key(log.first)) as u64;
        last = Some(sequence);
        if sequence - log.first + 1 >= limit {
            break;
        }
    }
    Ok(last)
}
