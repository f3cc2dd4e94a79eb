//! A database file that this process owns: lock, directory, WAL grown beforehand, pragmas.

use crate::{Durability, OpenError, OutboxOptions};
use rusqlite::{Connection, FileControl, OpenFlags, config::DbConfig};
use rustix::fs::{FlockOperation, flock};
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// Bytes of a database page. Fixed, so that bounds can be reckoned in pages.
pub(crate) const PAGE: u64 = 4096;
/// Bytes of a page in the WAL, with its header.
pub(crate) const FRAME: u64 = PAGE + 24;
/// 'CEM1': marks a file as one of ours.
pub(crate) const APPLICATION_ID: i32 = 0x4345_4d31;
/// Lowest SQLite without the WAL-reset bug.
const SQLITE_MIN: i32 = 3_051_003;
const BUSY: Duration = Duration::from_secs(5);

/// `path` with something appended to its file name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

pub(crate) fn io_error(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { path, doing, source }
}

/// Sorts what SQLite says into damage and the rest.
pub(crate) fn sql_error(path: &Path, doing: &'static str) -> impl FnOnce(rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    move |source| {
        if is_damage(&source) {
            OpenError::Damaged { path, why: format!("{doing}: {source}") }
        } else {
            OpenError::Sqlite { path, doing, source }
        }
    }
}

/// True where the file itself is at fault.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::{Error, ErrorCode as Code};
    matches!(error.sqlite_error_code(), Some(Code::DatabaseCorrupt | Code::NotADatabase))
        || matches!(
            error,
            Error::InvalidColumnType(..)
                | Error::FromSqlConversionFailure(..)
                | Error::IntegralValueOutOfRange(..)
                | Error::Utf8Error(..)
        )
}

/// Refuses a SQLite that can corrupt a WAL database by itself.
pub(crate) fn assert_sqlite() -> Result<(), OpenError> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(OpenError::SqliteTooOld { found: rusqlite::version().to_owned() });
    }
    Ok(())
}

/// Makes the directory and takes the writer's lock; held until the returned file is dropped.
///
/// The lock is on a file of its own: closing any descriptor of the database itself would drop SQLite's POSIX locks.
pub(crate) fn lock(path: &Path) -> Result<File, OpenError> {
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        fs::create_dir_all(dir).map_err(io_error(dir, "make the directory"))?;
    }
    let name = beside(path, "-lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        // Whoever may read the database must not be able to take its writer's lock.
        .mode(0o600)
        .open(&name)
        .map_err(io_error(&name, "open the lock"))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(errno) => Err(OpenError::Io { path: name, doing: "lock", source: errno.into() }),
    }
}

/// Makes names in the file's directory durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

/// Makes sure that the file has at least `bytes` bytes, all of them written, not merely allocated: an fsync after
/// overwriting costs one disk write, after growing it costs the file system's journal too.
pub(crate) fn grow_with_zeros(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    let mut size = file.metadata()?.len();
    if size >= bytes {
        return Ok(());
    }
    let zeros = vec![0; 1 << 16];
    file.seek(SeekFrom::End(0))?;
    while size < bytes {
        let piece = usize::try_from(bytes - size).unwrap_or(usize::MAX).min(zeros.len());
        file.write_all(&zeros[..piece])?;
        size += piece as u64;
    }
    file.sync_all()?;
    sync_dir(path)
}

/// Opens the file for writing, creating it when missing. `frames` always holds the WAL's length in pages.
pub(crate) fn connect(options: &OutboxOptions, durability: Durability, frames: &Arc<AtomicU32>) -> Result<Connection, OpenError> {
    let path = &options.path;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = match &options.vfs {
        None => Connection::open_with_flags(path, flags),
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str()),
    }
    .map_err(sql_error(path, "open"))?;
    setup(&mut conn, options, durability, frames).map_err(sql_error(path, "set up"))?;
    let mode: String =
        conn.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0)).map_err(sql_error(path, "switch to WAL"))?;
    if mode != "wal" {
        let source = io::Error::other(format!("this file system allows only journal_mode={mode}, WAL is needed"));
        return Err(OpenError::Io { path: path.clone(), doing: "switch to WAL", source });
    }
    // Only now does the file have a WAL to persist.
    conn.file_control(Some(c"main"), FileControl::PersistWal(&mut 1)).map_err(sql_error(path, "keep the WAL"))?;
    Ok(conn)
}

fn setup(
    conn: &mut Connection,
    options: &OutboxOptions,
    durability: Durability,
    frames: &Arc<AtomicU32>,
) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(64);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    // page_size counts only while the file is empty; secure_delete because an erased visitor must be gone from the pages.
    conn.pragma_update(None, "page_size", PAGE as i64)?;
    conn.pragma_update(None, "synchronous", if durability == Durability::Full { "FULL" } else { "NORMAL" })?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "secure_delete", true)?;
    conn.pragma_update(None, "cache_size", -4096)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.query_row(&format!("PRAGMA max_page_count={}", options.limits.max_bytes / PAGE), [], |_| Ok(()))?;
    conn.query_row(&format!("PRAGMA journal_size_limit={}", options.limits.wal_bytes), [], |_| Ok(()))?;
    let frames = frames.clone();
    // Replaces SQLite's automatic checkpoint: the owner decides when.
    conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
        frames.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }))
}
