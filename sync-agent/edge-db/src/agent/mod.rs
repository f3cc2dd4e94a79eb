//! The agent's file: what is acknowledged, what is quarantined, who is known, and a log of its own.
//!
//! Its log is written like the kiosk's, with FULL. Everything else is written by a second connection without fsync
//! (`synchronous=NORMAL`): a power cut may lose the last of it, never mix it, and what is lost is only asked for or sent
//! again.

mod acks;
mod cards;
mod quarantine;
mod staff;
mod visitors;

pub(crate) use acks::stored_watermarks;
pub use cards::is_card_blocked;
pub(crate) use quarantine::forget_in_quarantine;
pub use quarantine::{QuarantineState, Quarantined};
pub use staff::{StoredRoster, is_locked, staff_roster};
pub use visitors::{CachedProfile, cached_profile};

use crate::{
    CacheKey, Class, Commit, CommitError, Committed, Durability, LogInfo, NewEvent, OpenError, Outbox, OutboxOptions, ReadError,
    Row, WriteError, file, log, open::Kind, writer::in_transaction,
};
use rusqlite::{Connection, OpenFlags, Transaction};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

/// Another process's agent file, opened for a look that never keeps its writer waiting. `None` while there is none.
pub(crate) fn beside(agent_db: &Path) -> Result<Option<Connection>, ReadError> {
    if !agent_db.try_exists()? {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(agent_db, flags)?;
    conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(crate::schema::found(&conn, crate::schema::AGENT.name)?.map(|_| conn))
}

/// The agent's file, owned by this process. All methods are short; none waits for an fsync except those that write
/// events ([`AgentStore::enqueue`], [`AgentStore::adopt`]).
#[derive(Debug)]
pub struct AgentStore {
    conn: Mutex<Connection>,
    key: Mutex<CacheKey>,
    frames: Arc<AtomicU32>,
    outbox: Outbox,
}

impl AgentStore {
    /// Opens the file with the defaults of a shop.
    ///
    /// # Errors
    /// As [`OpenError`] says.
    pub fn open(path: impl Into<PathBuf>, source: impl Into<String>) -> Result<Self, OpenError> {
        Self::open_with(OutboxOptions::new(path, source))
    }

    /// Opens the file.
    ///
    /// # Errors
    /// As [`OpenError`] says.
    pub fn open_with(options: OutboxOptions) -> Result<Self, OpenError> {
        let outbox = Outbox::open_kind(options, Kind::Agent)?;
        let frames = Arc::new(AtomicU32::new(0));
        let conn = file::connect(outbox.options(), Durability::DangerousNormal, &frames)?;
        // Of no use after this process, until somebody gives one that lasts ([`AgentStore::use_cache_key`]).
        let key = CacheKey::random().ok_or_else(|| OpenError::Io {
            path: outbox.options().path.clone(),
            doing: "draw a key for the visitor cache",
            source: std::io::Error::other("the system gives no random numbers"),
        })?;
        Ok(Self { conn: Mutex::new(conn), key: Mutex::new(key), frames, outbox })
    }

    /// The writer of the agent's own log.
    #[must_use]
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Writes events into the agent's own log, in one transaction. They are durable when this returns.
    ///
    /// # Errors
    /// Refused or failed, as [`CommitError`] says.
    pub fn enqueue(&self, class: Class, events: Vec<NewEvent>) -> Result<Committed, CommitError> {
        self.outbox.commit(Commit::events(class, events))
    }

    /// Takes events of a log that collided (`conflict`) into the agent's own, under their old ids. They are durable when
    /// this returns; acknowledge them in their old log then. Rows whose bytes were not made by the contract are left
    /// out; compare the ids.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn adopt(&self, rows: Vec<Row>) -> Result<Committed, CommitError> {
        self.outbox.run_fallible(move |writer| {
            let mut log = writer.log.clone();
            let sequences = in_transaction(&mut writer.conn, |tx| {
                let mut sequences = Vec::with_capacity(rows.len());
                for row in rows {
                    let sequence = log.head + 1;
                    let Some(body) = log::reseal(&row.body, log.id, sequence) else { continue };
                    log::insert(tx, &log, &Row { sequence, body, ..row })?;
                    log.head = sequence;
                    sequences.push((row.id, sequence));
                }
                log::store_log(tx, &log)?;
                Ok(sequences)
            })?;
            writer.log = log;
            Ok(Committed { log: writer.log.id, sequences })
        })
    }

    /// Opens a new log for the agent's own events, after a `conflict` in the present one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open_new_log(&self, why: &str) -> Result<LogInfo, CommitError> {
        self.outbox.open_new_log(why)
    }

    /// Acknowledged rows, expired profiles: what housekeeping gives up.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn housekeep(&self) -> Result<(), CommitError> {
        let now = (self.outbox.options().clock)();
        self.write(|tx| visitors::expire(tx, now))?;
        for mark in self.watermarks().unwrap_or_default() {
            self.outbox.acknowledged(mark.log, mark.up_to)?;
        }
        self.outbox.housekeep()
    }

    /// A value kept under a name.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn state(&self, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        use rusqlite::OptionalExtension as _;
        let value = self
            .lock()
            .prepare_cached("SELECT value FROM state WHERE key = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()?;
        Ok(value)
    }

    /// Keeps a value under a name. Without fsync: it may be an older one after a power cut.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_state(&self, key: &str, value: &[u8]) -> Result<(), CommitError> {
        self.write(|tx| {
            tx.prepare_cached(
                "INSERT INTO state(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
            )?
            .execute(rusqlite::params![key, value])
            .map(drop)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere rolled its transaction back; the connection is as good as before.
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One transaction of the lazy connection.
    fn write<T>(&self, job: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, CommitError> {
        let value = in_transaction(&mut self.lock(), job).map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => WriteError::Full { why: error.to_string() },
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => WriteError::Busy,
            _ => {
                // The same disk carries the log: nothing more is written by either connection.
                self.outbox.poison(&error.to_string());
                WriteError::Unknown { why: error.to_string() }
            }
        })?;
        self.outbox.saw_frames(self.frames.load(Relaxed));
        Ok(value)
    }
}
