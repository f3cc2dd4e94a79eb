//! The way onto the disk, as small as the engine needs it.

use edge_db::Commit;

/// Whether [`Journal::commit`] waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Returns once the commit is on disk.
    Durable,
    /// Returns once the commit has its place in the queue. A failure found later is told by a later call.
    Later,
}

/// Why a commit is not on disk, by what the caller does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Nothing of it is on disk, and the same commit may be tried again.
    #[error("not now: {0}")]
    NotNow(String),
    /// Nothing of it is on disk, and it contradicts what is.
    #[error("contradiction: {0}")]
    Conflict(String),
    /// Nothing of it is on disk, and it never can be: a fault of this program.
    #[error("not a valid record: {0}")]
    Invalid(String),
    /// Nobody knows before a restart.
    #[error("failed: {0}")]
    Dead(String),
}

/// Puts commits on disk, in the order of the calls.
pub trait Journal: Send {
    /// One transaction.
    ///
    /// # Errors
    /// By what to do next; with [`Wait::Later`] also a failure of an earlier commit, and then only [`JournalError::Dead`].
    fn commit(&mut self, commit: Commit, wait: Wait) -> Result<(), JournalError>;

    /// Returns when everything handed over before is on disk.
    ///
    /// # Errors
    /// [`JournalError::Dead`].
    fn flush(&mut self) -> Result<(), JournalError>;
}
