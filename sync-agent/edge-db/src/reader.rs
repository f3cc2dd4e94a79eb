//! Reading a file that another process writes: the agent drains the kiosk's log by it.

use crate::{
    AttemptRow, Batch, LogInfo, OrderRow, ReadError, TillRow,
    log::{self, Log},
    money, schema, till,
};
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};
use uuid::Uuid;

/// How long a reader waits for the writer's recovery; it never waits for commits.
const BUSY: Duration = Duration::from_millis(250);

/// A read-only view of a file's logs. No read transaction outlives one call, so that a reader, even a hung one, does not
/// hold the writer's checkpoint for longer than that.
#[derive(Debug)]
pub struct LogReader {
    conn: Connection,
    path: PathBuf,
    file: (u64, u64),
}

impl LogReader {
    /// Opens a file for reading. `None` while it does not exist, or its owner has not finished creating it.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn open(path: impl Into<PathBuf>) -> Result<Option<Self>, ReadError> {
        let path = path.into();
        let Some(file) = identity(&path)? else { return Ok(None) };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&path, flags)?;
        conn.busy_timeout(BUSY)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        conn.pragma_update(None, "cell_size_check", true)?;
        conn.pragma_update(None, "cache_size", -2048)?;
        match schema::found(&conn, schema::LOG.name)? {
            None => return Ok(None),
            Some(found) if found.min_reader as usize > schema::LOG.steps.len() => {
                return Err(ReadError::TooNew { path, needs: found.min_reader, ours: schema::LOG.steps.len() as u32 });
            }
            Some(_) => {}
        }
        let reader = Self { conn, path, file };
        Ok(if reader.logs()?.is_empty() { None } else { Some(reader) })
    }

    /// All logs of the file, oldest first.
    ///
    /// # Errors
    /// As [`ReadError`] says; a damaged log row is an error.
    pub fn logs(&self) -> Result<Vec<LogInfo>, ReadError> {
        let logs = self.load()?;
        let last = logs.len().saturating_sub(1);
        Ok(logs.iter().enumerate().map(|(at, log)| log.info(at == last)).collect())
    }

    /// Lines of a till's book from a number on, ascending, at most `limit`; none where the file has no till.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn till_entries(&self, till: &str, from: u64, limit: usize) -> Result<Vec<TillRow>, ReadError> {
        if schema::found(&self.conn, till::TILL.name)?.is_none() {
            return Ok(Vec::new());
        }
        Ok(till::entries_from(&self.conn, till, from, limit)?)
    }

    /// The tills of the file.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn tills(&self) -> Result<Vec<String>, ReadError> {
        if schema::found(&self.conn, till::TILL.name)?.is_none() {
            return Ok(Vec::new());
        }
        let mut statement = self.conn.prepare("SELECT till FROM tills ORDER BY till")?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
    }

    /// The source that new events carry.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn source(&self) -> Result<String, ReadError> {
        self.load()?.pop().map(|log| log.source).ok_or_else(|| ReadError::Damaged("no log in the file".to_owned()))
    }

    /// The highest number given in a log, 0 when none or when the log is unknown.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn head(&self, log: Uuid) -> Result<u64, ReadError> {
        Ok(self.load()?.into_iter().find(|stored| stored.id == log).map_or(0, |log| log.head))
    }

    /// Events of `log` numbered above `sequence`, ascending: at most `max_rows`, and no more once their bodies reach
    /// `max_bytes` (one at least). Numbers that cannot be read are in [`Batch::holes`].
    ///
    /// # Errors
    /// As [`ReadError`] says. [`ReadError::Replaced`]: open the file again.
    pub fn after(&self, log: Uuid, sequence: u64, max_rows: usize, max_bytes: usize) -> Result<Batch, ReadError> {
        if identity(&self.path)? != Some(self.file) {
            return Err(ReadError::Replaced { path: self.path.clone() });
        }
        // Head and rows must be of one moment: otherwise rows trimmed in between would look lost.
        let moment = self.conn.unchecked_transaction()?;
        let Some(log) = self.load()?.into_iter().find(|stored| stored.id == log) else { return Ok(empty(sequence)) };
        let batch = log::read_over_damage(&moment, &log, sequence, max_rows, max_bytes)?;
        moment.finish()?;
        Ok(batch)
    }

    /// One event by its number.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn at(&self, log: Uuid, sequence: u64) -> Result<Batch, ReadError> {
        match sequence.checked_sub(1) {
            None => Ok(empty(0)),
            Some(before) => {
                let mut batch = self.after(log, before, 1, usize::MAX)?;
                batch.rows.retain(|row| row.sequence == sequence);
                Ok(batch)
            }
        }
    }

    /// A number that changes when another connection has committed. Cheap: no page is read.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn data_version(&self) -> Result<i64, ReadError> {
        Ok(self.conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
    }

    /// Orders of the file, newest first: for support and tests.
    ///
    /// # Errors
    /// As [`ReadError`] says; the agent's file has none.
    pub fn newest_orders(&self, limit: usize) -> Result<Vec<OrderRow>, ReadError> {
        Ok(money::newest_orders(&self.conn, limit)?)
    }

    /// Payment attempts whose outcome is open, oldest first: for support and tests.
    ///
    /// # Errors
    /// As [`ReadError`] says; the agent's file has none.
    pub fn open_attempts(&self) -> Result<Vec<AttemptRow>, ReadError> {
        Ok(money::open_attempts(&self.conn)?)
    }

    fn load(&self) -> Result<Vec<Log>, ReadError> {
        let (logs, bad) = log::load(&self.conn)?;
        match bad.first() {
            None => Ok(logs),
            Some(n) => Err(ReadError::Damaged(format!("the row of log {n} has a wrong checksum"))),
        }
    }
}

fn empty(next: u64) -> Batch {
    Batch { next, ..Batch::default() }
}

/// Device and inode of a file; `None` when it does not exist.
fn identity(path: &Path) -> Result<Option<(u64, u64)>, ReadError> {
    match fs::metadata(path) {
        Ok(meta) if meta.len() == 0 => Ok(None),
        Ok(meta) => Ok(Some((meta.dev(), meta.ino()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
