//! The one writer: requests that wait together are committed together, each in a savepoint of its own, and hear of it
//! only after the commit. When nobody waits it folds what they have left to be folded.

use super::{Result, StoreError, now_ms};
use crate::people;
use rusqlite::{Connection, ErrorCode};
use std::{
    iter,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};
use tokio::sync::{oneshot, watch};

/// Requests that may wait for the writer; beyond, the caller is told to come back.
const QUEUE: usize = 256;
/// Requests in one commit.
const GROUP: usize = 64;
/// Nothing is folded until nobody has come for this long, or somebody is going to look.
const LULL: Duration = Duration::from_millis(20);
/// After folding failed, for want of room perhaps, it is tried again.
const TROUBLE: Duration = Duration::from_secs(5);
/// Visits and visitors folded in one transaction, for whose length a request may have to wait.
const STEP: usize = 64;
/// Beyond this many to be folded, requests wait for some of it.
const BEHIND: usize = 20_000;

type Finish = Box<dyn FnOnce(std::result::Result<(), String>) + Send>;
/// Gives the answer, and whether the disk failed.
type Job = Box<dyn FnOnce(&Connection) -> (Finish, bool) + Send>;

/// The way to the writer thread.
#[derive(Clone)]
pub(crate) struct Writer {
    jobs: SyncSender<Job>,
    feed: watch::Receiver<i64>,
    alive: Arc<watch::Receiver<()>>,
    /// Whether something committed is still to be folded.
    behind: Arc<AtomicBool>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> anyhow::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let (feed_end, feed) = watch::channel(last_of(&connection, "feed"));
        let (alive_end, alive) = watch::channel(());
        let behind = Arc::new(AtomicBool::new(people::is_behind(&connection, 0)?));
        let told = Arc::clone(&behind);
        std::thread::Builder::new().name("cem-writer".to_owned()).spawn(move || {
            let _alive = alive_end;
            serve(&connection, &queue, &feed_end, &told);
        })?;
        Ok(Self { jobs, feed, alive: Arc::new(alive), behind })
    }

    /// Returns once everything that is on disk now is folded.
    pub(crate) async fn caught_up(&self) -> Result<()> {
        if self.behind.load(SeqCst) { self.run(|_| Ok(())).await } else { Ok(()) }
    }

    /// Runs `write` in a savepoint of the next commit, after everything before it was folded. `Ok` means on disk; after an
    /// `Err` nothing of it is there.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let folded = |connection: &Connection| {
            people::catch_up(connection, usize::MAX, now_ms())?;
            write(connection)
        };
        self.run_ahead(folded).await
    }

    /// The same, for what neither reads nor changes anything folded.
    pub(crate) async fn run_ahead<T: Send + 'static>(
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

fn serve(connection: &Connection, queue: &Receiver<Job>, feed: &watch::Sender<i64>, behind: &AtomicBool) {
    let mut erasures = last_of(connection, "erasure");
    let pause = Arc::new(Mutex::new(LULL));
    while let Some(first) = next(queue, behind.load(SeqCst), &pause) {
        let group = iter::once(first).chain(queue.try_iter()).take(GROUP);
        if !commit(connection, group, behind) {
            return;
        }
        if people::is_behind(connection, BEHIND).unwrap_or(false) && !commit(connection, iter::once(fold_some(&pause)), behind) {
            return;
        }
        let last = last_of(connection, "feed");
        feed.send_if_modified(|known| std::mem::replace(known, last) != last);
        let erased = last_of(connection, "erasure");
        if std::mem::replace(&mut erasures, erased) != erased {
            // What was erased must not be read in the log either.
            truncate_log(connection);
        }
    }
    // Nothing waits any more: leave a small log behind.
    truncate_log(connection);
}

/// What to do next: the next request, or, where something is to be folded and nobody comes for a while, some of that.
/// `None` when the last handle is gone.
fn next(queue: &Receiver<Job>, behind: bool, pause: &Pause) -> Option<Job> {
    if !behind {
        return queue.recv().ok();
    }
    let waits = std::mem::replace(&mut *pause.lock().unwrap_or_else(PoisonError::into_inner), LULL);
    match queue.recv_timeout(waits) {
        Ok(job) => Some(job),
        Err(RecvTimeoutError::Timeout) => Some(fold_some(pause)),
        Err(RecvTimeoutError::Disconnected) => None,
    }
}

/// How long nobody may have come before the next step of folding.
type Pause = Arc<Mutex<Duration>>;

/// One step of folding, which nobody waits for. The next follows at once, or after a while if this one failed.
fn fold_some(pause: &Pause) -> Job {
    let pause = Arc::clone(pause);
    Box::new(move |connection| {
        let folded = in_savepoint(connection, |connection| people::catch_up(connection, STEP, now_ms()));
        let (after, fatal) = match &folded {
            Ok(()) => (Duration::ZERO, false),
            Err(error) => {
                tracing::error!(%error, "what was stored could not be folded");
                (TROUBLE, matches!(error, StoreError::Sqlite(error) if is_fatal(error)))
            }
        };
        *pause.lock().unwrap_or_else(PoisonError::into_inner) = after;
        (Box::new(|_| ()), fatal)
    })
}

fn truncate_log(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        tracing::warn!(%error, "the write-ahead log was not truncated");
    }
}

/// Runs and commits a group. False when the process must not go on: after a failed write to disk nobody knows what the
/// pages in memory are worth, so the only safe way on is to start again from the disk.
fn commit(connection: &Connection, group: impl Iterator<Item = Job>, behind: &AtomicBool) -> bool {
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
    // Before anybody hears that something is there: whoever then looks waits for the folds.
    behind.store(people::is_behind(connection, 0).unwrap_or(true), SeqCst);
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
