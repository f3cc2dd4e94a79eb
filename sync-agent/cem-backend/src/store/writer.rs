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
/// Gives the answer, and whether the disk failed.
type Job = Box<dyn FnOnce(&Connection) -> (Finish, bool) + Send>;

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
            let fatal = matches!(&written, Err(StoreError::Sqlite(error)) if is_fatal(error));
            let finish: Finish = Box::new(move |committed| {
                // The caller may have gone away; what was committed stays committed.
                let _ = answer.send(committed.map_err(StoreError::Busy).and(written));
            });
            (finish, fatal)
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
    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        tracing::error!(%error, "a transaction could not begin");
        // The jobs are dropped without having run; their callers hear that the store is busy.
        drop(group.collect::<Vec<_>>());
        return !is_fatal(&error);
    }
    let (finish, fatal): (Vec<Finish>, Vec<bool>) = group.map(|job| job(connection)).unzip();
    let committed = connection.execute_batch("COMMIT");
    let mut go_on = !fatal.contains(&true);
    if let Err(error) = &committed {
        tracing::error!(%error, "a commit failed");
        go_on &= !is_fatal(error);
        if !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
    }
    let answer = committed.map_err(|error| error.to_string());
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn insert(connection: &Connection, name: &str) -> Result<()> {
        connection.execute("INSERT INTO source(name) VALUES (?1)", [name])?;
        Ok(())
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn a_request_that_fails_leaves_nothing_and_harms_nobody_in_its_group() {
        let writer = Writer::start(crate::store::in_memory()).unwrap();
        runtime().block_on(async {
            let failing = writer.run(|connection| {
                insert(connection, "half")?;
                insert(connection, "half")
            });
            let (first, second, third) = tokio::join!(writer.run(|c| insert(c, "a")), failing, writer.run(|c| insert(c, "b")));
            assert!(first.is_ok() && second.is_err() && third.is_ok());
            let names =
                writer.run(|c| crate::people::visitor::strings(c, "SELECT name FROM source WHERE name <> ?1 ORDER BY 1", ""));
            assert_eq!(names.await.unwrap(), ["a", "b"]);
        });
    }

    #[test]
    fn more_requests_than_the_queue_holds_are_told_to_come_back() {
        let writer = Writer::start(crate::store::in_memory()).unwrap();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let (inside, entered) = std::sync::mpsc::channel::<()>();
        runtime().block_on(async {
            let handle = writer.clone();
            let blocked = handle.run(move |_| {
                inside.send(()).unwrap();
                gate.recv().unwrap();
                Ok(())
            });
            let mut blocked = std::pin::pin!(blocked);
            assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(blocked.as_mut().poll(cx))).await.is_pending());
            entered.recv().unwrap();
            let mut waiting = Vec::new();
            for _ in 0..QUEUE {
                let mut request = Box::pin(writer.run(|_| Ok(())));
                assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(request.as_mut().poll(cx))).await.is_pending());
                waiting.push(request);
            }
            assert!(matches!(writer.run(|_| Ok(())).await, Err(StoreError::Busy(_))));
            open.send(()).unwrap();
            blocked.await.unwrap();
            for request in waiting {
                request.await.unwrap();
            }
        });
    }

    #[test]
    fn a_panic_in_the_writer_is_noticed_by_whoever_watches_it() {
        let writer = Writer::start(crate::store::in_memory()).unwrap();
        runtime().block_on(async {
            let lost = writer.run::<()>(|_| panic!("made by the test"));
            assert!(matches!(lost.await, Err(StoreError::Busy(_))));
            writer.ended().await;
        });
    }
}
