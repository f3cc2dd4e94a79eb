//! Errors, sorted by what the caller does next.

use std::{io, path::PathBuf};
use uuid::Uuid;

/// A file could not be opened. Nothing was written to it, unless the variant says so.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes this file.
    #[error("{} is being written by another process; stop that one first", path.display())]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// The linked SQLite has the WAL-reset bug (3.7.0 to 3.51.2).
    #[error("SQLite {found} is linked, at least 3.51.3 is needed; build with the bundled one")]
    SqliteTooOld {
        /// Version found at run time.
        found: String,
    },
    /// A newer program wrote a file that this one must not touch.
    #[error("{}: module `{module}` has version {found}, which needs a program that reads at least {needs}; this one reads {ours}; install the newer release again", path.display())]
    TooNew {
        /// The database file.
        path: PathBuf,
        /// Module of the `schema` table.
        module: String,
        /// Version found.
        found: u32,
        /// Lowest version that may open it.
        needs: u32,
        /// Version of this program.
        ours: u32,
    },
    /// The file is damaged and could not be salvaged, or salvage was turned off.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// An option makes no sense.
    #[error("option `{field}`: {why}")]
    Option {
        /// Name of the option.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The operating system said no.
    #[error("{}: {doing}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// SQLite said no, for a reason that is not damage.
    #[error("{}: {doing}: {source}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Its answer.
        source: rusqlite::Error,
    },
}

/// A commit was not taken into the queue: nothing of it will ever be on disk and no number was used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// An event does not satisfy the contract. A programming error of the caller: it must not be tried again.
    #[error("event {event}: {field}: {why}")]
    Invalid {
        /// Id of the event.
        event: Uuid,
        /// JSON path of the field, `data.lines`.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// The commit holds more than the limits allow, or rows that this file does not keep.
    #[error("{what} is {size}, the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size, bytes or count.
        size: u64,
        /// Its bound.
        limit: u64,
    },
    /// The queue in memory is full: the disk is slower than the producers. May be tried again.
    #[error("the writer is busy ({waiting} commits wait)")]
    Busy {
        /// Commits that wait.
        waiting: usize,
    },
    /// No room on disk for this class of commit. A sale is refused rather than lost.
    #[error("no room on disk for {class:?} ({used} of {bound} bytes used)")]
    Full {
        /// The class that was refused.
        class: crate::Class,
        /// Bytes in use, file pages that hold something.
        used: u64,
        /// Bytes this class may use.
        bound: u64,
    },
    /// A write failed before; the process must exit and recover from disk.
    #[error("the disk failed before ({why}); restart the process")]
    Poisoned {
        /// The first failure.
        why: String,
    },
    /// The outbox is being closed.
    #[error("the outbox is closed")]
    Closed,
}

/// A commit was taken into the queue and did not become durable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The disk is full. Rolled back: nothing is on disk, no number was used.
    #[error("the disk is full: {why}")]
    Full {
        /// SQLite's words.
        why: String,
    },
    /// A row contradicts one that is stored (a terminal receipt held by another payment, an attempt that is settled).
    /// Rolled back: nothing is on disk, no number was used.
    #[error("{why}")]
    Conflict {
        /// Which row, and why.
        why: String,
    },
    /// Another connection held the file for too long. Nothing is on disk, no number was used; may be tried again.
    #[error("the file was locked for too long")]
    Busy,
    /// An earlier write failed and this one was not tried. Nothing of it is on disk.
    #[error("not written, an earlier write failed: {why}")]
    NotWritten {
        /// The earlier failure.
        why: String,
    },
    /// Writing failed and whether the commit is on disk is unknown until the file is opened again. The outbox takes
    /// nothing more; the process must exit and recover from disk.
    #[error("writing failed, the outcome is unknown until a restart: {why}")]
    Unknown {
        /// The failure.
        why: String,
    },
}

/// Either half of writing: not taken, or taken and failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Not taken into the queue.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Taken, and failed.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Reading failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file at this path is another one now (salvaged or replaced): open it again.
    #[error("{} was replaced; open it again", path.display())]
    Replaced {
        /// The database file.
        path: PathBuf,
    },
    /// The file was written by a newer program that forbids this one to read it.
    #[error("{} needs a newer program to be read (version {needs}, this one has {ours})", path.display())]
    TooNew {
        /// The database file.
        path: PathBuf,
        /// Lowest version that may read it.
        needs: u32,
        /// Version of this program.
        ours: u32,
    },
    /// A row, or the file, is damaged. Never skipped in silence.
    #[error("damaged: {0}")]
    Damaged(String),
    /// The file is locked for longer than the reader waits. May be tried again.
    #[error("the file is busy")]
    Busy,
    /// Anything else.
    #[error(transparent)]
    Sqlite(rusqlite::Error),
    /// The operating system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match error.sqlite_error_code() {
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Self::Busy,
            _ if crate::file::is_damage(&error) => Self::Damaged(error.to_string()),
            _ => Self::Sqlite(error),
        }
    }
}
