//! The one writer: requests that wait together are committed together, each in a savepoint of its own, and hear of it
//! only after the commit.

use super::{Result, StoreError};
use rusqlite::{Connection, ErrorCode};
use std::sync::{
    Arc,
    mpsc::{Receiver, SyncSender, sync_channel},
};
use tokio::sync::{oneshot, watch};

/// Requests that may wait for the writer; beyond, the caller is told to come back.
const QUEUE: usize = 256;
/// Requests in one commit.
const GROUP: usize = 64;

type Finish = Box<dyn FnOnce(std::result::Result<(), String>) + Send>;
type Job = Box<dyn FnOnce(&Connection) -> Finish + Send>;

/// The way to the writer thread.
#[derive(Clone)]
pub(crate) struct Writer {
    jobs: SyncSender<Job>,
    feed: watch::Receiver<i64>,
    alive: Arc<watch::Receiver<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> anyhow::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let (feed_end, feed) = watch::channel(last_of(&connection, "feed"));
        let (alive_end, alive) = watch::channel(());
        std::thread::Builder::new().name("cem-writer".to_owned()).spawn(move || {
            let _alive = alive_end;
            serve(connection, &queue, &feed_end);
        })?;
        Ok(Self { jobs, feed, alive: Arc::new(alive) })
    }

    /// Runs `write` in a savepoint of the next commit. `Ok` means on disk; after an `Err` nothing of it is there.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let written = in_savepoint(connection, write);
            Box::new(move |committed| {
                let outcome = committed.map_err(StoreError::Busy).and(written);
                // The caller may have gone away; what was committed stays committed.
                let _ = answer.send(outcome);
            })
        });
        self.jobs.try_send(job).map_err(|_| StoreError::Busy("too many requests wait for the disk".to_owned()))?;
        result.await.unwrap_or_else(|_| Err(StoreError::Busy("stopping".to_owned())))
    }

    /// Changes whenever something was added to the feed.
    pub(crate) fn feed(&self) -> watch::Receiver<i64> {
        self.feed.clone()
    }

    /// Returns once the writer thread has ended, which it does by itself only when it must not go on.
    pub(crate) async fn ended(&self) {
        let mut alive = (*self.alive).clone();
        while alive.changed().await.is_ok() {}
    }
}

fn serve(connection: Connection, queue: &Receiver<Job>, feed: &watch::Sender<i64>) {
    let mut erasures = last_of(&connection, "erasure");
    while let Ok(first) = queue.recv() {
        let group = std::iter::once(first).chain(queue.try_iter()).take(GROUP);
        if !commit(&connection, group) {
            return;
        }
        let last = last_of(&connection, "feed");
        feed.send_if_modified(|known| std::mem::replace(known, last) != last);
        let erased = last_of(&connection, "erasure");
        if std::mem::replace(&mut erasures, erased) != erased {
            // What was erased must not be read in the log either.
            truncate_log(&connection);
        }
    }
    // Nothing waits any more: leave a small log behind.
    truncate_log(&connection);
}

fn truncate_log(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        tracing::warn!(%error, "the write-ahead log was not truncated");
    }
}

/// Runs and commits a group. False when the process must not go on: after a failed write to disk nobody knows what the
/// pages in memory are worth, so the only safe way on is to start again from the disk.
fn commit(connection: &Connection, group: impl Iterator<Item = Job>) -> bool {
    let began = connection.execute_batch("BEGIN IMMEDIATE");
    let mut finish = Vec::with_capacity(GROUP);
    let outcome = match &began {
        Ok(()) => {
            finish.extend(group.map(|job| job(connection)));
            connection.execute_batch("COMMIT")
        }
        Err(_) => {
            // Answered without running: the jobs are dropped, and their callers hear that the store is busy.
            drop(group.collect::<Vec<_>>());
            began
        }
    };
    let (answer, go_on) = match outcome {
        Ok(()) => (Ok(()), true),
        Err(error) => {
            tracing::error!(%error, "a commit failed");
            if !connection.is_autocommit() {
                let _ = connection.execute_batch("ROLLBACK");
            }
            (Err(error.to_string()), !is_fatal(&error))
        }
    };
    for finish in finish {
        finish(answer.clone());
    }
    go_on
}

fn in_savepoint<T>(connection: &Connection, write: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    connection.execute_batch("SAVEPOINT job")?;
    match write(connection) {
        Ok(value) => {
            connection.execute_batch("RELEASE job")?;
            Ok(value)
        }
        Err(error) => {
            connection.execute_batch("ROLLBACK TO job; RELEASE job")?;
            Err(error)
        }
    }
}

fn is_fatal(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// The last row that was ever added to a table.
fn last_of(connection: &Connection, table: &str) -> i64 {
    let last = connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = ?1")
        .and_then(|mut query| query.query_row([table], |row| row.get(0)));
    last.unwrap_or(0)
}
