//! The one thread that writes a file: gathers commits into a transaction, one fsync for all of them, then answers.

use crate::{
    Class, Commit, Committed, Limits, Refused, WriteError,
    ballast::Ballast,
    exported,
    file::{self, FRAME, PAGE},
    link::WakeSender,
    log::{self, Log},
    money::{self, PutError},
    notes,
    options::Clock,
    pace::Pace,
    retention::{self, CLOCK_FLOOR_MS},
    till,
};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, wal::CheckpointMode};
use std::{
    collections::HashMap,
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    },
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Pause after the last commit before the WAL is copied back: long enough not to come between two touches.
const QUIET: Duration = Duration::from_millis(50);
/// Between two rounds of housekeeping.
const ROUND: Duration = Duration::from_secs(60);
/// Transactions of housekeeping in one round, so that a commit never waits for long.
const ROUND_BATCHES: usize = 20;

pub(crate) type Done = Box<dyn FnOnce(Result<Committed, WriteError>) + Send>;

/// A commit in the queue.
pub(crate) struct Pending {
    pub(crate) commit: Commit,
    pub(crate) made: Instant,
    pub(crate) done: Done,
}

/// What the writer is told.
// Nearly all messages are commits: a box would cost each of them an allocation and save nothing.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Message {
    Commit(Pending),
    Run(Box<dyn FnOnce(&mut Writer) + Send>),
    Stop,
}

/// What the writer and its handles share. Numbers only grow unless said otherwise.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) poisoned: OnceLock<String>,
    /// Commits in the queue, now.
    pub(crate) waiting: AtomicUsize,
    /// Bytes in use, now.
    pub(crate) used: AtomicU64,
    /// Free bytes on the disk at the last look.
    pub(crate) disk_free: AtomicU64,
    /// Frames in the WAL, now.
    pub(crate) frames: Arc<AtomicU32>,
    pub(crate) transactions: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) telemetry_refused: AtomicU64,
    /// The writer has been asked to make room and has not come to it.
    pub(crate) room_asked: AtomicBool,
    pub(crate) trimmed: AtomicU64,
    pub(crate) ballast_there: AtomicBool,
}

impl Shared {
    /// Whether a commit of this class may be taken now.
    pub(crate) fn admit(&self, class: Class, limits: &Limits) -> Result<(), Refused> {
        if let Some(why) = self.poisoned.get() {
            return Err(Refused::Poisoned { why: why.clone() });
        }
        let waiting = self.waiting.load(Relaxed);
        let queue = if class == Class::Telemetry { (limits.queue_len * 3).div_ceil(4) } else { limits.queue_len };
        if waiting >= queue {
            return Err(Refused::Busy { waiting });
        }
        let (used, bound) = (self.used.load(Relaxed), bound(class, limits));
        let disk_low = class == Class::Telemetry && self.disk_free.load(Relaxed) < limits.disk_reserve_bytes;
        if used >= bound || disk_low {
            return Err(Refused::Full { class, used, bound });
        }
        Ok(())
    }
}

/// Bytes that a class may fill. Settlements are bounded by the file itself.
pub(crate) fn bound(class: Class, limits: &Limits) -> u64 {
    match class {
        Class::Telemetry => limits.max_bytes / 100 * u64::from(limits.telemetry_percent),
        Class::Sale => limits.max_bytes / 100 * u64::from(limits.sale_percent),
        Class::Settlement => u64::MAX,
    }
}

/// The thread's state.
pub(crate) struct Writer {
    pub(crate) path: PathBuf,
    pub(crate) conn: Connection,
    pub(crate) log: Log,
    pub(crate) limits: Limits,
    pub(crate) shared: Arc<Shared>,
    pub(crate) inbox: Receiver<Message>,
    pub(crate) clock: Clock,
    pub(crate) ballast: Ballast,
    pub(crate) wake: Option<WakeSender>,
    pub(crate) watermarks: Option<PathBuf>,
    pub(crate) acked: HashMap<Uuid, u64>,
    pub(crate) has_money: bool,
    pub(crate) pace: Pace,
    pub(crate) checkpoint_from: u32,
    /// Held as long as this process may write.
    pub(crate) _lock: File,
}

/// Why a transaction failed as a whole. It was rolled back, or the writer is done for.
enum Failure {
    Full(String),
    Busy,
    Fatal(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error.to_string()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Fatal(error.to_string()),
        }
    }
}

type Answers = Vec<Result<Committed, WriteError>>;

impl Writer {
    /// Runs until told to stop or every handle is gone.
    pub(crate) fn run(mut self) {
        self.measure();
        let mut next = None;
        loop {
            match next.take().or_else(|| self.receive()) {
                Some(Message::Commit(first)) => {
                    let (group, leftover) = self.gather(first);
                    next = leftover;
                    self.write(group);
                }
                Some(Message::Run(job)) => job(&mut self),
                Some(Message::Stop) | None => break,
            }
        }
        if self.shared.poisoned.get().is_none() {
            self.checkpoint();
        }
    }

    /// The next message; does what is due while there is none. `None` when every handle is gone.
    fn receive(&mut self) -> Option<Message> {
        loop {
            match self.inbox.try_recv() {
                Ok(message) => return Some(message),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            let due = self.wal_bytes() >= self.limits.checkpoint_idle_bytes && self.frames() >= self.checkpoint_from;
            match self.inbox.recv_timeout(if due { QUIET } else { ROUND }) {
                Ok(message) => return Some(message),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) if due => self.checkpoint(),
                Err(RecvTimeoutError::Timeout) => self.housekeep(),
            }
        }
    }

    /// Commits that go into one transaction: what waits, and what [`Pace`] says is worth waiting for.
    fn gather(&mut self, first: Pending) -> (Vec<Pending>, Option<Message>) {
        self.pace.came(first.made);
        let mut group = vec![first];
        let mut waits_since = None;
        while group.len() < self.limits.group_len {
            let message = match self.inbox.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    let now = Instant::now();
                    let Some(until) = self.pace.wait_until(group.len(), *waits_since.get_or_insert(now)) else { break };
                    let left = until.saturating_duration_since(now);
                    if let Some(nap) = self.pace.nap()
                        && nap < left
                    {
                        std::thread::sleep(nap);
                        continue;
                    }
                    match self.inbox.recv_timeout(left) {
                        Ok(message) => message,
                        Err(_) => break,
                    }
                }
            };
            match message {
                Message::Commit(pending) => {
                    self.pace.came(pending.made);
                    group.push(pending);
                }
                other => return (group, Some(other)),
            }
        }
        (group, None)
    }

    /// Writes a group and answers everyone in it.
    fn write(&mut self, group: Vec<Pending>) {
        let (answered, begun) = (group.len(), Instant::now());
        let commits: Vec<&Commit> = group.iter().map(|pending| &pending.commit).collect();
        let answers = match self.transact(&commits) {
            Ok(answers) => answers,
            Err(Failure::Full(why)) => self.write_one_by_one(&commits, &why),
            Err(failure) => {
                let error = self.give_up(failure);
                vec![Err(error); commits.len()]
            }
        };
        if let Some(wake) = &self.wake
            && answers.iter().any(Result::is_ok)
        {
            wake.wake();
        }
        let (first, waiting) = (Instant::now(), self.shared.waiting.load(Relaxed));
        for (pending, answer) in group.into_iter().zip(answers) {
            self.shared.waiting.fetch_sub(1, Relaxed);
            let done = pending.done;
            if catch_unwind(AssertUnwindSafe(|| done(answer))).is_err() {
                tracing::error!("a completion callback panicked");
            }
        }
        self.pace.answered(first, Instant::now(), first.duration_since(begun), answered, waiting);
        self.measure();
        self.keep_bounds();
    }

    /// One transaction, a savepoint for each commit: one that is refused takes nobody with it.
    fn transact(&mut self, commits: &[&Commit]) -> Result<Answers, Failure> {
        if let Some(why) = self.shared.poisoned.get() {
            return Ok(vec![Err(WriteError::NotWritten { why: why.clone() }); commits.len()]);
        }
        let before = self.log.head;
        let result = transact(&mut self.conn, &mut self.log, commits, (self.clock)());
        match &result {
            Ok(answers) => {
                self.shared.transactions.fetch_add(1, Relaxed);
                self.shared.commits.fetch_add(answers.iter().filter(|answer| answer.is_ok()).count() as u64, Relaxed);
                self.shared.events.fetch_add(self.log.head - before, Relaxed);
            }
            Err(_) => self.log.head = before,
        }
        Ok(result?)
    }

    /// The disk is full: telemetry is given up, sales get another try alone, settlements also the ballast.
    fn write_one_by_one(&mut self, commits: &[&Commit], why: &str) -> Answers {
        tracing::error!(why, "the disk is full");
        self.make_room();
        let mut answers = Answers::with_capacity(commits.len());
        for commit in commits {
            let mut answer = match commit.class {
                Class::Telemetry => Err(Failure::Full(why.to_owned())),
                _ => self.transact(&[commit]),
            };
            if commit.class == Class::Settlement && matches!(answer, Err(Failure::Full(_))) && self.ballast.release() {
                tracing::error!("ballast released for a settlement");
                answer = self.transact(&[commit]);
            }
            answers.push(match answer {
                Ok(mut one) => one.pop().unwrap_or(Err(WriteError::Busy)),
                Err(failure) => Err(self.give_up(failure)),
            });
        }
        answers
    }

    /// Sorts a failure; after a fatal one nothing is written any more.
    fn give_up(&mut self, failure: Failure) -> WriteError {
        match failure {
            Failure::Full(why) => WriteError::Full { why },
            Failure::Busy => WriteError::Busy,
            Failure::Fatal(why) => {
                self.poison(&why);
                WriteError::Unknown { why }
            }
        }
    }

    fn poison(&self, why: &str) {
        tracing::error!(why, "writing failed; the process must exit and recover from disk");
        let _ = self.shared.poisoned.set(why.to_owned());
    }

    fn frames(&self) -> u32 {
        self.shared.frames.load(Relaxed)
    }

    fn wal_bytes(&self) -> u64 {
        u64::from(self.frames()) * FRAME
    }

    /// Looks at how much is in use. What the WAL holds beyond its prepared size counts as well.
    pub(crate) fn measure(&self) {
        let pragma = |sql| -> u64 {
            let count =
                self.conn.prepare_cached(sql).and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)));
            count.map_or(0, |count| u64::try_from(count).unwrap_or(0))
        };
        let pages = pragma("PRAGMA page_count").saturating_sub(pragma("PRAGMA freelist_count"));
        self.shared.used.store(pages * PAGE + self.wal_bytes().saturating_sub(self.limits.wal_bytes), Relaxed);
    }

    /// After a group: the WAL at its bound, telemetry at its own.
    fn keep_bounds(&mut self) {
        if self.shared.poisoned.get().is_some() {
            return;
        }
        if self.wal_bytes() >= self.limits.checkpoint_bytes && self.frames() >= self.checkpoint_from {
            self.checkpoint();
        }
        if self.shared.used.load(Relaxed) >= bound(Class::Telemetry, &self.limits) {
            self.make_room();
        }
    }

    /// As the name says.
    pub(crate) fn checkpoint_if_due(&mut self) {
        if self.wal_bytes() >= self.limits.checkpoint_idle_bytes && self.frames() >= self.checkpoint_from {
            self.checkpoint();
        }
    }

    /// Copies the whole WAL back, empties it and writes zeros over its old bytes. `WouldBlock` where a reader stands in it.
    pub(crate) fn scrub(&mut self) -> std::io::Result<()> {
        match self.conn.wal_checkpoint_v2(Some(c"main"), CheckpointMode::TRUNCATE) {
            Ok(_) => {}
            Err(error) if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => {
                return Err(std::io::ErrorKind::WouldBlock.into());
            }
            Err(error) => {
                let why = error.to_string();
                self.done(Err::<(), _>(error), "empty the WAL");
                return Err(std::io::Error::other(why));
            }
        }
        self.shared.frames.store(0, Relaxed);
        file::grow_with_zeros(&file::beside(&self.path, "-wal"), self.limits.wal_bytes)
    }

    /// Copies the WAL back into the database, as far as readers allow.
    pub(crate) fn checkpoint(&mut self) {
        let frames = self.frames();
        // Where a reader is in the way, the next try waits for another eighth of the bound.
        self.checkpoint_from = frames + u32::try_from(self.limits.checkpoint_idle_bytes / FRAME / 8).unwrap_or(u32::MAX).max(1);
        match self.conn.wal_checkpoint_v2(Some(c"main"), CheckpointMode::PASSIVE) {
            Ok((all, done)) => {
                self.shared.checkpoints.fetch_add(1, Relaxed);
                if all == done {
                    self.shared.frames.store(0, Relaxed);
                    self.checkpoint_from = 0;
                }
            }
            Err(error) => match Failure::from(error) {
                // The WAL still holds everything; there is only no room to copy it to.
                Failure::Full(why) => tracing::error!(why, "checkpoint"),
                Failure::Busy => {}
                Failure::Fatal(why) => self.poison(&why),
            },
        }
    }

    /// Looks at the agent's watermarks. Another process's file: trouble with it is only logged.
    pub(crate) fn look_at_watermarks(&mut self) {
        let Some(path) = &self.watermarks else { return };
        match retention::watermarks(path) {
            Ok(marks) => marks.into_iter().for_each(|mark| self.acknowledged(mark.log, mark.up_to)),
            Err(error) => tracing::warn!(%error, "cannot read the agent's watermarks"),
        }
    }

    /// The backend has everything of this log up to here.
    pub(crate) fn acknowledged(&mut self, log: Uuid, up_to: u64) {
        let mark = self.acked.entry(log).or_default();
        *mark = up_to.max(*mark);
    }

    /// Everything that need not be done now: retention, ballast, the count of what was refused.
    pub(crate) fn housekeep(&mut self) {
        if self.shared.poisoned.get().is_some() {
            return;
        }
        self.look_at_watermarks();
        let before_ms = (self.clock)().saturating_sub(self.limits.retention_ms());
        self.trim(Some(before_ms), |_| false);
        if self.has_money {
            let rows = self.limits.batch_rows;
            let trimmed = in_transaction(&mut self.conn, |tx| money::trim(tx, CLOCK_FLOOR_MS, before_ms, rows));
            self.done(trimmed, "give up old orders");
            let marks = exported::exported(&self.path).unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot read which lines of the till are exported; they are kept");
                Vec::new()
            });
            let old = till::Old {
                from_ms: CLOCK_FLOOR_MS,
                before_ms,
                forgotten_ms: (self.clock)().saturating_sub(self.limits.till_ms()),
            };
            let trimmed = in_transaction(&mut self.conn, |tx| till::trim(tx, &old, &marks, rows));
            self.done(trimmed, "give up old lines of the till");
        }
        let refused = self.shared.telemetry_refused.load(Relaxed).to_string();
        if !matches!(log::meta(&self.conn, "telemetry_refused"), Ok(Some(stored)) if stored == refused) && refused != "0" {
            let stored = in_transaction(&mut self.conn, |tx| log::set_meta(tx, "telemetry_refused", &refused));
            self.done(stored, "count what was refused");
        }
        self.shared.disk_free.store(self.ballast.disk_free(), Relaxed);
        self.ballast.restore(self.limits.disk_reserve_bytes);
        self.shared.ballast_there.store(self.ballast.is_there(), Relaxed);
        self.measure();
        if self.wal_bytes() >= self.limits.checkpoint_idle_bytes {
            self.checkpoint();
        }
    }

    /// Somebody was refused for want of room. The backend may have taken rows since that was last looked at.
    pub(crate) fn asked_for_room(&mut self) {
        self.shared.room_asked.store(false, Relaxed);
        if self.shared.poisoned.get().is_none() {
            self.make_room();
        }
    }

    /// Gives up acknowledged rows early, oldest first, until telemetry has a tenth of its share again.
    fn make_room(&mut self) {
        self.look_at_watermarks();
        let enough = bound(Class::Telemetry, &self.limits) / 10 * 9;
        self.trim(None, |writer| {
            writer.measure();
            writer.shared.used.load(Relaxed) < enough
        });
        self.measure();
        self.shared.disk_free.store(self.ballast.disk_free(), Relaxed);
        self.shared.ballast_there.store(self.ballast.is_there(), Relaxed);
    }

    /// Trims log after log until `enough` says so.
    fn trim(&mut self, before_ms: Option<i64>, enough: impl Fn(&Self) -> bool) {
        let logs = match log::load(&self.conn) {
            Ok((logs, _)) => logs,
            Err(error) => return self.done(Err::<(), _>(error), "read the logs"),
        };
        let mut batches = 0;
        for mut log in logs {
            let Some(&up_to) = self.acked.get(&log.id) else { continue };
            while batches < ROUND_BATCHES && !enough(self) {
                batches += 1;
                match retention::trim(&mut self.conn, &mut log, up_to, before_ms, self.limits.batch_rows) {
                    Ok(0) => break,
                    Ok(gone) => self.shared.trimmed.fetch_add(gone, Relaxed),
                    Err(error) => return self.done(Err::<(), _>(error), "give up old events"),
                };
                if log.id == self.log.id {
                    self.log.first = log.first;
                }
                if self.wal_bytes() >= self.limits.checkpoint_bytes {
                    self.checkpoint();
                }
            }
        }
    }

    /// Housekeeping may fail for want of room or a lock; anything else is the end of this writer.
    fn done<T>(&self, result: rusqlite::Result<T>, doing: &str) {
        if let Err(error) = result {
            match Failure::from(error) {
                Failure::Full(why) => tracing::warn!(why, doing, "no room"),
                Failure::Busy => {}
                Failure::Fatal(why) => self.poison(&format!("{doing}: {why}")),
            }
        }
    }
}

fn transact(conn: &mut Connection, log: &mut Log, commits: &[&Commit], now_ms: i64) -> rusqlite::Result<Answers> {
    let before = log.head;
    let mut tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut answers = Answers::with_capacity(commits.len());
    for commit in commits {
        let head = log.head;
        let mut savepoint = tx.savepoint()?;
        match apply(&savepoint, log, commit, now_ms) {
            Ok(committed) => {
                savepoint.commit()?;
                answers.push(Ok(committed));
            }
            Err(PutError::Conflict(why)) => {
                log.head = head;
                savepoint.rollback()?;
                savepoint.commit()?;
                answers.push(Err(WriteError::Conflict { why }));
            }
            Err(PutError::Sqlite(error)) => return Err(error),
        }
    }
    if log.head != before {
        log::store_log(&tx, log)?;
    }
    tx.commit()?;
    Ok(answers)
}

fn apply(conn: &Connection, log: &mut Log, commit: &Commit, now_ms: i64) -> Result<Committed, PutError> {
    for order in &commit.orders {
        money::put_order(conn, order)?;
    }
    for attempt in &commit.attempts {
        money::put_attempt(conn, attempt)?;
    }
    if let Some(terminal) = &commit.terminal {
        notes::put_terminal(conn, terminal)?;
    }
    if let Some(counter) = &commit.counter {
        money::raise_counter(conn, counter)?;
    }
    till::put(conn, &commit.till)?;
    let mut sequences = Vec::with_capacity(commit.events.len());
    for event in &commit.events {
        sequences.push((event.id, log::append(conn, log, event, now_ms)?));
    }
    Ok(Committed { log: log.id, sequences })
}

pub(crate) fn in_transaction<T>(
    conn: &mut Connection,
    job: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = job(&tx)?;
    tx.commit()?;
    Ok(value)
}
