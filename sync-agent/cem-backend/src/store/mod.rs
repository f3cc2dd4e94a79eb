//! The one SQLite file, `cem.db`: WAL, `synchronous=FULL`, one writer thread with group commit, few readers.
//!
//! Erased text must not stay in free pages, so `secure_delete` is on and the write-ahead log is truncated after an
//! erasure.

mod readers;
mod schema;
mod writer;

pub(crate) use readers::Readers;
pub(crate) use schema::new_epoch;
pub(crate) use writer::Writer;

use anyhow::{Context, bail};
use rusqlite::{Connection, OpenFlags};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Other processes (`token`, `seed`) write for milliseconds; longer than this, something is wrong.
const BUSY: Duration = Duration::from_secs(5);

/// SQLite 3.7.0 to 3.51.2 can corrupt a database when its write-ahead log is reset under a reader.
const OLDEST_SQLITE: i32 = 3_051_003;

/// Why an operation of the store failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The queue to the writer is full, the disk is full, or the program stops: later.
    #[error("the store is busy: {0}")]
    Busy(String),
    /// SQLite failed.
    #[error("the store failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A stored body is not what was written: the file was changed by somebody else, or the disk lies.
    #[error("a stored document is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
}

pub(crate) type Result<T> = std::result::Result<T, StoreError>;

/// The store of a running backend.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    /// Names this database in cursors, so that a cursor of another one is noticed.
    pub(crate) epoch: Arc<str>,
}

impl Store {
    /// Opens or makes the store in `data` and starts its writer.
    pub(crate) fn open(data: &Path) -> anyhow::Result<Self> {
        let connection = open(data)?;
        let epoch: String = connection.query_row("SELECT value FROM meta WHERE name = 'epoch'", [], |row| row.get(0))?;
        Ok(Self { writer: Writer::start(connection)?, readers: Readers::open(database(data), 4)?, epoch: epoch.into() })
    }
}

/// Opens or makes the database in `data`, which is made too, with a connection that may write.
pub(crate) fn open(data: &Path) -> anyhow::Result<Connection> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        bail!("SQLite {} is linked in; at least 3.51.3 is needed", rusqlite::version());
    }
    make_private_directory(data)?;
    open_file(&database(data))
}

/// The same, of a file wherever it lies.
pub(crate) fn open_file(path: &Path) -> anyhow::Result<Connection> {
    make_private_file(path)?;
    let connection = Connection::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "secure_delete", "on")?;
    connection.pragma_update(None, "foreign_keys", "on")?;
    schema::migrate(&connection).with_context(|| format!("cannot prepare {}", path.display()))?;
    crate::devices::schema::migrate(&connection).with_context(|| format!("cannot prepare {}", path.display()))?;
    Ok(connection)
}

/// Opens a database that this process does not change.
pub(crate) fn open_for_reading(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The file in a data folder.
pub(crate) fn database(data: &Path) -> PathBuf {
    data.join("cem.db")
}

/// Personal data lies here: nobody but the backend's own user may look in.
fn make_private_directory(data: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if data.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("cannot make the data folder {}", data.display()))
}

/// SQLite gives its log the rights of the database, which it would make readable for everybody.
pub(crate) fn make_private_file(path: &Path) -> anyhow::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).with_context(|| format!("cannot open {}", path.display()))
}

/// Holds the folder for one serving process: two would not hear of each other's news.
pub(crate) fn lock(data: &Path) -> anyhow::Result<File> {
    make_private_directory(data)?;
    let file = make_private_file(&data.join("serve.lock"))?;
    file.try_lock().with_context(|| format!("another cem-backend serves {}: stop it first", data.display()))?;
    Ok(file)
}

/// The machine's clock, milliseconds since 1970. The only place that reads it.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(crate) fn in_memory() -> Connection {
    #![allow(clippy::unwrap_used)]
    let connection = Connection::open_in_memory().unwrap();
    schema::migrate(&connection).unwrap();
    crate::devices::schema::migrate(&connection).unwrap();
    connection
}
