//! The outbox: what a process may do with the file it owns.

use crate::{
    AttemptRow, Class, Commit, CommitError, Committed, LogInfo, OpenError, Opened, OrderRow, OutboxOptions, RefundRow, Refused,
    StaffRow, TerminalRow, TillHead, TillRow, WriteError, log, money, notes,
    open::{self, Kind},
    till,
    writer::{Message, Pending, Shared, Writer, in_transaction},
};
use rusqlite::Connection;
use std::{
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Messages beside commits that may wait in the channel.
const SPARE: usize = 64;

/// The writer of a database file. One thread writes; handles are cheap to share by `&` or `Arc`. Dropping it answers
/// everything that waits, then closes the file.
#[derive(Debug)]
pub struct Outbox {
    sender: SyncSender<Message>,
    shared: Arc<Shared>,
    options: OutboxOptions,
    opened: Opened,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("poisoned", &self.poisoned).field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

/// How the outbox is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The failure after which nothing is written any more.
    pub poisoned: Option<String>,
    /// Commits in the queue.
    pub waiting: usize,
    /// Bytes in use in the file.
    pub used_bytes: u64,
    /// The file's hard bound.
    pub max_bytes: u64,
    /// Free bytes on the disk at the last look.
    pub disk_free_bytes: u64,
    /// Bytes in the WAL that are not yet copied back.
    pub wal_bytes: u64,
    /// Transactions since start: with [`crate::Durability::Full`], the fsyncs of commits.
    pub transactions: u64,
    /// Commits since start that became durable.
    pub commits: u64,
    /// Events since start that became durable.
    pub events: u64,
    /// Checkpoints since start; each costs about three fsyncs.
    pub checkpoints: u64,
    /// Telemetry commits refused for want of room, over the life of the file.
    pub telemetry_refused: u64,
    /// Acknowledged events given up since start.
    pub trimmed: u64,
    /// True while the ballast file is in place.
    pub ballast: bool,
}

/// The answer to a commit, to be waited for.
#[derive(Debug)]
#[must_use = "a commit is durable only when its ticket says so"]
pub struct Ticket(Receiver<Result<Committed, WriteError>>);

impl Ticket {
    /// Waits until the commit is on disk.
    ///
    /// # Errors
    /// As [`WriteError`] says.
    pub fn wait(self) -> Result<Committed, WriteError> {
        self.0.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// The answer, if it comes in time. `None` says nothing about the outcome; the ticket can be asked again.
    pub fn wait_timeout(&self, budget: Duration) -> Option<Result<Committed, WriteError>> {
        match self.0.recv_timeout(budget) {
            Ok(answer) => Some(answer),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Some(Err(gone())),
        }
    }
}

fn gone() -> WriteError {
    WriteError::Unknown { why: "the writer is gone".to_owned() }
}

impl Outbox {
    /// Opens the kiosk's file: log, orders, payments.
    ///
    /// Takes the lock, recovers, migrates, checks money tables and the log's tail, salvages a damaged file, opens a new
    /// log where the file is not this machine's, and starts the writer thread.
    ///
    /// # Errors
    /// As [`OpenError`] says.
    pub fn open(options: OutboxOptions) -> Result<Self, OpenError> {
        Self::open_kind(options, Kind::Kiosk)
    }

    pub(crate) fn open_kind(options: OutboxOptions, kind: Kind) -> Result<Self, OpenError> {
        let (sender, inbox) = sync_channel(options.limits.queue_len.saturating_add(SPARE));
        let (writer, opened) = open::open(&options, kind, inbox)?;
        let shared = writer.shared.clone();
        let thread = std::thread::Builder::new()
            .name("edge-db writer".to_owned())
            .spawn(move || writer.run())
            .map_err(crate::file::io_error(&options.path, "start the writer thread"))?;
        Ok(Self { sender, shared, options, opened, thread: Some(thread) })
    }

    /// Queues a commit. Returns at once; wait for the ticket before acting on it.
    ///
    /// # Errors
    /// As [`Refused`] says; nothing of it will be on disk.
    pub fn submit(&self, commit: Commit) -> Result<Ticket, Refused> {
        let (sender, receiver) = sync_channel(1);
        self.submit_with(
            commit,
            Box::new(move |answer| {
                // A dropped ticket is nobody's loss.
                let _ = sender.send(answer);
            }),
        )?;
        Ok(Ticket(receiver))
    }

    /// As [`Outbox::submit`]; `done` is called by the writer thread and must not block. It is always called, unless this
    /// returns an error.
    ///
    /// # Errors
    /// As [`Refused`] says; nothing of it will be on disk.
    pub fn submit_with(
        &self,
        commit: Commit,
        done: Box<dyn FnOnce(Result<Committed, WriteError>) + Send>,
    ) -> Result<(), Refused> {
        self.check(&commit)?;
        let class = commit.class;
        self.shared.admit(class, &self.options.limits).inspect_err(|refused| {
            if matches!(refused, Refused::Full { .. }) {
                self.refused_for_room(class);
            }
        })?;
        self.shared.waiting.fetch_add(1, Relaxed);
        let refused = match self.sender.try_send(Message::Commit(Pending { commit, made: Instant::now(), done })) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(_)) => Refused::Busy { waiting: self.shared.waiting.load(Relaxed) },
            Err(TrySendError::Disconnected(_)) => Refused::Closed,
        };
        self.shared.waiting.fetch_sub(1, Relaxed);
        Err(refused)
    }

    /// What is refused here never comes to the writer, which makes room only for what comes: it is asked, once at a time.
    fn refused_for_room(&self, class: Class) {
        if class == Class::Telemetry {
            self.shared.telemetry_refused.fetch_add(1, Relaxed);
        }
        if !self.shared.room_asked.swap(true, Relaxed) {
            let asked = self.sender.try_send(Message::Run(Box::new(|writer: &mut Writer| writer.asked_for_room())));
            if asked.is_err() {
                // A full queue brings the writer to its bounds by itself.
                self.shared.room_asked.store(false, Relaxed);
            }
        }
    }

    /// Commits and waits.
    ///
    /// # Errors
    /// Refused or failed, as [`CommitError`] says.
    pub fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        Ok(self.submit(commit)?.wait()?)
    }

    fn check(&self, commit: &Commit) -> Result<(), Refused> {
        let limits = &self.options.limits;
        let too_large = |what, size: usize, limit: usize| Refused::TooLarge { what, size: size as u64, limit: limit as u64 };
        let count = commit.events.len();
        if count > limits.commit_events {
            return Err(too_large("number of events", count, limits.commit_events));
        }
        let till = commit.till.len() + usize::from(commit.terminal.is_some());
        let rows = commit.orders.len() + commit.attempts.len() + till;
        if rows > limits.commit_events {
            return Err(too_large("number of rows", rows, limits.commit_events));
        }
        if rows + usize::from(commit.counter.is_some()) > 0 && !self.opened.has_money {
            return Err(too_large("number of money rows", rows, 0));
        }
        for event in &commit.events {
            event.validate().map_err(|invalid| Refused::Invalid {
                event: event.id,
                field: invalid.path.clone(),
                why: invalid.problem.clone(),
            })?;
            let bytes = event.seal(&self.options.source, Uuid::max(), i64::MAX as u64, 0).len();
            if bytes > limits.event_bytes {
                return Err(too_large("event", bytes, limits.event_bytes));
            }
        }
        Ok(())
    }

    /// What was found when the file was opened.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// The options it was opened with.
    #[must_use]
    pub fn options(&self) -> &OutboxOptions {
        &self.options
    }

    /// Counts and levels, without asking the writer.
    #[must_use]
    pub fn health(&self) -> Health {
        let shared = &self.shared;
        Health {
            poisoned: shared.poisoned.get().cloned(),
            waiting: shared.waiting.load(Relaxed),
            used_bytes: shared.used.load(Relaxed),
            max_bytes: self.options.limits.max_bytes,
            disk_free_bytes: shared.disk_free.load(Relaxed),
            wal_bytes: u64::from(shared.frames.load(Relaxed)) * crate::file::FRAME,
            transactions: shared.transactions.load(Relaxed),
            commits: shared.commits.load(Relaxed),
            events: shared.events.load(Relaxed),
            checkpoints: shared.checkpoints.load(Relaxed),
            telemetry_refused: shared.telemetry_refused.load(Relaxed),
            trimmed: shared.trimmed.load(Relaxed),
            ballast: shared.ballast_there.load(Relaxed),
        }
    }

    /// The log that new events go to.
    ///
    /// # Errors
    /// When the writer is gone.
    pub fn log(&self) -> Result<LogInfo, CommitError> {
        self.run(|writer| writer.log.info(true))
    }

    /// Payment attempts whose outcome is open, oldest first. What is found at start counts as sent.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub fn open_attempts(&self) -> Result<Vec<AttemptRow>, CommitError> {
        self.query(money::open_attempts)
    }

    /// Settled attempts that no end-of-day comparison has confirmed, oldest first.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub fn provisional_attempts(&self) -> Result<Vec<AttemptRow>, CommitError> {
        self.query(money::provisional_attempts)
    }

    /// Where a terminal's receipt numbers stand, `None` before its first receipt.
    ///
    /// # Errors
    /// When the row cannot be read.
    pub fn terminal(&self, name: &str) -> Result<Option<TerminalRow>, CommitError> {
        let name = name.to_owned();
        self.query(move |conn| notes::terminal(conn, &name))
    }

    /// Receipt numbers held by attempts at a terminal, from a period on: period, number, attempt.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub fn held_receipts(&self, name: &str, from_period: u32) -> Result<Vec<(u32, u32, Uuid)>, CommitError> {
        let name = name.to_owned();
        self.query(move |conn| notes::held_receipts(conn, &name, from_period))
    }

    /// Attempts of an order, oldest first.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub fn attempts_of(&self, order: Uuid) -> Result<Vec<AttemptRow>, CommitError> {
        self.query(move |conn| money::attempts_of(conn, order))
    }

    /// An order by its id.
    ///
    /// # Errors
    /// When the row cannot be read.
    pub fn order(&self, order: Uuid) -> Result<Option<OrderRow>, CommitError> {
        self.query(move |conn| money::order(conn, order))
    }

    /// True where one of the last events, at most `tail` of them, is of this type and this visit.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub fn has_recent(&self, kind: &'static str, visit: Uuid, tail: usize) -> Result<bool, CommitError> {
        self.query(move |conn| log::has_recent(conn, kind, visit, tail))
    }

    /// The newest orders, newest first.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub fn newest_orders(&self, limit: usize) -> Result<Vec<OrderRow>, CommitError> {
        self.query(move |conn| money::newest_orders(conn, limit))
    }

    /// The last order number given on a day, 0 when none.
    ///
    /// # Errors
    /// When the row cannot be read.
    pub fn order_counter(&self, business_date: &str) -> Result<u64, CommitError> {
        let date = business_date.to_owned();
        self.query(move |conn| money::counter(conn, &date))
    }

    /// Where a till's numbers stand, `None` before its first line.
    ///
    /// # Errors
    /// When the row cannot be read.
    pub fn till(&self, till: &str) -> Result<Option<TillHead>, CommitError> {
        let till = till.to_owned();
        self.query(move |conn| till::head(conn, &till))
    }

    /// Lines of a till's book from a number on, ascending, at most `limit`.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub fn till_entries(&self, till: &str, from: u64, limit: usize) -> Result<Vec<TillRow>, CommitError> {
        let till = till.to_owned();
        self.query(move |conn| till::entries_from(conn, &till, from, limit))
    }

    /// Lines of the book that are about an order.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub fn till_entries_of(&self, order: Uuid) -> Result<Vec<TillRow>, CommitError> {
        self.query(move |conn| till::entries_of(conn, order))
    }

    /// What was given back of an order, or may have been, oldest first.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub fn refunds_of(&self, order: Uuid) -> Result<Vec<RefundRow>, CommitError> {
        self.query(move |conn| till::refunds_of(conn, order))
    }

    /// What this device alone knows of a staff number.
    ///
    /// # Errors
    /// When the row cannot be read.
    pub fn staff(&self, staff: &str) -> Result<Option<StaffRow>, CommitError> {
        let staff = staff.to_owned();
        self.query(move |conn| till::staff(conn, &staff))
    }

    /// Tells the outbox that the backend has everything of a log up to this number; housekeeping may give it up once
    /// the retention window has passed.
    ///
    /// # Errors
    /// When the writer is gone.
    pub fn acknowledged(&self, log: Uuid, up_to: u64) -> Result<(), CommitError> {
        self.run(move |writer| writer.acknowledged(log, up_to))
    }

    /// Does now what is otherwise done when nobody waits: retention, ballast, checkpoint.
    ///
    /// # Errors
    /// When the writer is gone.
    pub fn housekeep(&self) -> Result<(), CommitError> {
        self.run(Writer::housekeep)
    }

    /// Opens a new log: after a `conflict`, because another copy of this file gave the same numbers. Events of the old
    /// one stay where they are.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open_new_log(&self, why: &str) -> Result<LogInfo, CommitError> {
        let why = why.to_owned();
        self.run_fallible(move |writer| {
            let now = (writer.clock)();
            let source = writer.log.source.clone();
            writer.log = in_transaction(&mut writer.conn, |tx| log::open_log(tx, &source, now, &why))?;
            Ok(writer.log.info(true))
        })
    }

    /// SQLite's own check of the whole file, for the time after the first paint and for the night. Empty: all is well.
    ///
    /// # Errors
    /// When the writer is gone.
    pub fn quick_check(&self) -> Result<Vec<String>, CommitError> {
        let found = self.run(|writer| {
            let mut statement = writer.conn.prepare("PRAGMA quick_check(20)")?;
            let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
            lines.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        Ok(match found {
            Ok(lines) => lines.into_iter().filter(|line| line != "ok").collect(),
            Err(error) => vec![error.to_string()],
        })
    }

    /// Another connection of this process failed to write.
    pub(crate) fn poison(&self, why: &str) {
        let _ = self.shared.poisoned.set(why.to_owned());
    }

    /// Another connection of this process left the WAL at this length; past the bound the writer copies it back.
    pub(crate) fn saw_frames(&self, frames: u32) {
        self.shared.frames.store(frames, Relaxed);
        if u64::from(frames) * crate::file::FRAME >= self.options.limits.checkpoint_idle_bytes {
            // Full: somebody else wakes the writer anyway.
            let _ = self.sender.try_send(Message::Run(Box::new(Writer::checkpoint_if_due)));
        }
    }

    fn query<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CommitError> {
        self.run_fallible(move |writer| job(&writer.conn))
    }

    pub(crate) fn run_fallible<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Writer) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CommitError> {
        self.run(job)?.map_err(|error| WriteError::Unknown { why: error.to_string() }.into())
    }

    /// Runs a job on the writer thread and waits for it.
    pub(crate) fn run<T: Send + 'static>(&self, job: impl FnOnce(&mut Writer) -> T + Send + 'static) -> Result<T, CommitError> {
        let (sender, receiver) = sync_channel(1);
        let job = move |writer: &mut Writer| {
            let _ = sender.send(job(writer));
        };
        self.sender.send(Message::Run(Box::new(job))).map_err(|_| Refused::Closed)?;
        receiver.recv().map_err(|_| Refused::Closed.into())
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let _ = self.sender.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
