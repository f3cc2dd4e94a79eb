//! Events that the backend can never take. They count as done for the watermark, so that they block nobody, and are
//! kept until a person decides.

use super::{AgentStore, acks};
use crate::{
    CommitError, ReadError, Row,
    log::{self, Sum},
};
use rusqlite::{OptionalExtension as _, params};
use uuid::Uuid;

/// What is to become of a quarantined event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QuarantineState {
    /// Waits for a person.
    Held,
    /// Is to be sent again.
    Replay,
}

impl QuarantineState {
    fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Replay => "replay",
        }
    }
}

/// An event in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The event's id.
    pub id: Uuid,
    /// Source of its log.
    pub source: String,
    /// Its log.
    pub log: Uuid,
    /// Its number there.
    pub sequence: u64,
    /// Its type.
    pub kind: String,
    /// Why it is here, in the backend's words.
    pub reason: String,
    /// What is to become of it.
    pub state: QuarantineState,
    /// Since when, milliseconds since 1970.
    pub at_ms: i64,
    /// How many times it came here: replays that failed again.
    pub times: u32,
    /// The CloudEvent, the exact bytes.
    pub body: Vec<u8>,
}

const SELECT: &str = "SELECT id, source, log, sequence, kind, reason, state, at_ms, times, body, crc FROM quarantine";

impl AgentStore {
    /// Puts an event aside and acknowledges its number, in one transaction. Returns the watermark.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn quarantine(&self, source: &str, log: Uuid, row: &Row, reason: &str, at_ms: i64) -> Result<u64, CommitError> {
        self.write(|tx| {
            tx.prepare_cached(
                "INSERT INTO quarantine(id, source, log, sequence, kind, reason, state, at_ms, times, body, crc)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, 'held', ?7, 1, ?8, ?9)
                 ON CONFLICT(id) DO UPDATE SET reason = excluded.reason, state = 'held', at_ms = excluded.at_ms,
                   times = times + 1, body = excluded.body, crc = excluded.crc",
            )?
            .execute(params![
                row.id.as_bytes().as_slice(),
                source,
                log.as_bytes().as_slice(),
                row.sequence as i64,
                row.kind,
                reason,
                at_ms,
                row.body,
                crc(row.id, &row.body)
            ])?;
            acks::add(tx, source, log, [row.sequence..=row.sequence])
        })
    }

    /// How many events are in quarantine.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn quarantine_count(&self) -> Result<u64, ReadError> {
        let conn = self.lock();
        let count = conn.prepare_cached("SELECT count(*) FROM quarantine")?.query_row([], |row| log::number(row, 0))?;
        Ok(count)
    }

    /// Events in quarantine, by id (the order in which they were made), at most `limit` after the id `after`.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn quarantine_list(&self, after: Option<Uuid>, limit: usize) -> Result<Vec<Quarantined>, ReadError> {
        self.quarantined(&format!("{SELECT} WHERE id > ?1 ORDER BY id LIMIT ?2"), after, limit)
    }

    /// Events that are to be sent again.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn quarantine_replays(&self, limit: usize) -> Result<Vec<Quarantined>, ReadError> {
        self.quarantined(&format!("{SELECT} WHERE state = 'replay' AND id > ?1 ORDER BY id LIMIT ?2"), None, limit)
    }

    /// One event in quarantine.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn quarantine_show(&self, id: Uuid) -> Result<Option<Quarantined>, ReadError> {
        let conn = self.lock();
        let found =
            conn.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?.query_row([id.as_bytes().as_slice()], stored).optional()?;
        Ok(found)
    }

    /// Marks an event to be sent again. False when it is not in quarantine.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn quarantine_replay(&self, id: Uuid) -> Result<bool, CommitError> {
        self.write(|tx| {
            let changed = tx
                .prepare_cached("UPDATE quarantine SET state = ?2 WHERE id = ?1")?
                .execute(params![id.as_bytes().as_slice(), QuarantineState::Replay.word()])?;
            Ok(changed > 0)
        })
    }

    /// Takes an event out of quarantine: it was accepted after all, or a person gave it up. False when it is not there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn quarantine_drop(&self, id: Uuid) -> Result<bool, CommitError> {
        self.write(|tx| {
            let gone = tx.prepare_cached("DELETE FROM quarantine WHERE id = ?1")?.execute([id.as_bytes().as_slice()])?;
            Ok(gone > 0)
        })
    }

    fn quarantined(&self, sql: &str, after: Option<Uuid>, limit: usize) -> Result<Vec<Quarantined>, ReadError> {
        let conn = self.lock();
        let after = after.unwrap_or_default();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = conn
            .prepare_cached(sql)?
            .query_map(params![after.as_bytes().as_slice(), limit], stored)?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }
}

/// Rewrites what `left` has another body for. Returns how many.
pub(crate) fn forget_in_quarantine(store: &AgentStore, left: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Result<u64, CommitError> {
    store.write(|tx| {
        let mut statement = tx.prepare_cached("SELECT id, body FROM quarantine")?;
        let rows = statement.query_map([], |row| Ok((log::uuid(row, 0)?, row.get::<_, Vec<u8>>(1)?)))?;
        let theirs = rows.filter_map(|row| row.map(|(id, body)| left(&body).map(|left| (id, left))).transpose());
        let theirs = theirs.collect::<rusqlite::Result<Vec<_>>>()?;
        for (id, body) in &theirs {
            tx.prepare_cached("UPDATE quarantine SET body = ?2, crc = ?3 WHERE id = ?1")?.execute(params![
                id.as_bytes().as_slice(),
                body,
                crc(*id, body)
            ])?;
        }
        Ok(theirs.len() as u64)
    })
}

fn crc(id: Uuid, body: &[u8]) -> u32 {
    Sum::default().bytes(id.as_bytes()).bytes(body).done()
}

fn stored(row: &rusqlite::Row<'_>) -> rusqlite::Result<Quarantined> {
    let state: String = row.get(6)?;
    let quarantined = Quarantined {
        id: log::uuid(row, 0)?,
        source: row.get(1)?,
        log: log::uuid(row, 2)?,
        sequence: log::number(row, 3)?,
        kind: row.get(4)?,
        reason: row.get(5)?,
        state: if state == QuarantineState::Replay.word() { QuarantineState::Replay } else { QuarantineState::Held },
        at_ms: row.get(7)?,
        times: row.get(8)?,
        body: row.get(9)?,
    };
    if crc(quarantined.id, &quarantined.body) != row.get::<_, u32>(10)? {
        return Err(rusqlite::Error::FromSqlConversionFailure(10, rusqlite::types::Type::Integer, "wrong checksum".into()));
    }
    Ok(quarantined)
}
