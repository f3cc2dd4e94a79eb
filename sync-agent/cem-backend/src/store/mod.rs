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

use crate::people;
use anyhow::{Context, bail};
use rusqlite::{Connection, OpenFlags};
use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Other processes (`token`, `seed`) write for milliseconds; longer than this, something is wrong.
const BUSY: Duration = Duration::from_secs(5);

/// Pages that the writer keeps in memory: the ends of all indexes, and a whole request, which is never written twice.
const CACHE_KIB: i64 = 64 * 1024;
/// Pages in the log before it is copied back, 32 MiB: each time costs two more fsyncs.
const CHECKPOINT_PAGES: i64 = 8_192;

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
        // What a stop or a crash has left.
        let transaction = connection.unchecked_transaction()?;
        people::catch_up(&transaction, usize::MAX, now_ms())?;
        transaction.commit()?;
        Ok(Self { writer: Writer::start(connection)?, readers: Readers::open(database(data), 4)?, epoch: epoch.into() })
    }
}

impl Store {
    /// Reads what is folded from events: everything that was acknowledged before is in it.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.caught_up().await?;
        self.readers.run(read).await
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
    // One thread at a time has this connection.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).with_context(|| format!("cannot open {}", path.display()))?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "secure_delete", "on")?;
    connection.pragma_update(None, "foreign_keys", "on")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
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
    try_lock(data)?.with_context(|| format!("another cem-backend serves {}: stop it first", data.display()))
}

/// The same; `None` where another process serves it.
pub(crate) fn try_lock(data: &Path) -> anyhow::Result<Option<File>> {
    make_private_directory(data)?;
    let file = make_private_file(&data.join("serve.lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", data.display())),
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ingest::{self, MayWrite, read_batch};
    use serde_json::json;
    use uuid::Uuid;

    const SOURCE: &str = "/stores/s-001/devices/k-01";

    /// Stores the start of a visit, as a request does.
    fn store_visit(connection: &Connection, number: u64) -> Result<()> {
        let event = json!([{
            "specversion": "1.0", "id": Uuid::from_u128(u128::from(number)), "source": SOURCE, "type": "cem.visit.started.v1",
            "time": "2026-11-21T10:30:00.123Z", "log": Uuid::from_u128(7), "sequence": cem_contract::time::sequence(number),
            "clock": "synced", "visitid": Uuid::from_u128(u128::from(number)), "visitor": "v_1", "consent": "personal",
            "data": {"trigger": "touch", "role": "kiosk", "language": "en"},
        }]);
        let batch = read_batch(event.to_string().as_bytes()).unwrap();
        ingest::take(connection, &MayWrite::Source(SOURCE.to_owned()), &batch, 0).map(drop)
    }

    fn visits(connection: &Connection) -> Result<(i64, u64)> {
        let visits = connection.query_row("SELECT count(*) FROM visit", [], |row| row.get(0))?;
        Ok((visits, people::visitor::profile(connection, "v_1")?.map_or(0, |profile| profile.visits)))
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn what_a_crash_left_unfolded_is_folded_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        // Acknowledged, and then the power was cut.
        let connection = open(folder.path()).unwrap();
        for number in 1..=3 {
            store_visit(&connection, number).unwrap();
        }
        assert_eq!(visits(&connection).unwrap(), (0, 0));
        drop(connection);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(runtime().block_on(store.readers.run(visits)).unwrap(), (3, 3));
    }

    #[test]
    fn whoever_reads_sees_everything_that_was_acknowledged_before() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        runtime().block_on(async {
            for number in 1..=50_u64 {
                store.writer.run_ahead(move |connection| store_visit(connection, number)).await.unwrap();
                assert_eq!(store.read(visits).await.unwrap(), (i64::try_from(number).unwrap(), number));
            }
        });
    }

    #[test]
    fn what_changes_a_person_finds_everything_before_it_folded() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        runtime().block_on(async {
            let ahead = store.writer.run_ahead(|connection| store_visit(connection, 1));
            let erases = store.writer.run(|connection| {
                assert_eq!(visits(connection)?, (1, 1));
                let mut touched = people::Touched::default();
                people::erase::person(connection, &mut touched, "v_1", 0)?;
                people::fold(connection, touched, 0)
            });
            let late = store.writer.run_ahead(|connection| store_visit(connection, 2));
            let (first, second, third) = tokio::join!(ahead, erases, late);
            assert!(first.is_ok() && second.is_ok() && third.is_ok());
            let bodies =
                store.read(|connection| people::visitor::strings(connection, "SELECT body FROM event WHERE ?1 = ''", ""));
            for body in bodies.await.unwrap() {
                assert!(!body.contains("v_1") && body.contains("\"erased\":true"), "{body}");
            }
            assert_eq!(store.read(visits).await.unwrap(), (2, 0));
        });
    }

    #[test]
    fn what_nobody_asks_for_is_folded_when_nobody_comes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        runtime().block_on(async {
            let mut feed = store.writer.feed();
            feed.mark_unchanged();
            store.writer.run_ahead(|connection| store_visit(connection, 1)).await.unwrap();
            // The store hears of its new guest without having asked.
            feed.changed().await.unwrap();
            assert_eq!(store.readers.run(visits).await.unwrap(), (1, 1));
        });
    }
}
