//! From a path to a running writer: lock, recover, migrate, check, salvage, whose log is it.

use crate::{
    Hole, Identity, OpenError, OutboxOptions, SalvageReport, agent,
    ballast::Ballast,
    file::{self, io_error, sql_error},
    link::WakeSender,
    log::{self, Log},
    money, retention, salvage,
    schema::{self, Module},
    till,
    writer::{Message, Shared, Writer, in_transaction},
};
use rusqlite::{Connection, wal::CheckpointMode};
use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicU32, mpsc::Receiver},
};
use uuid::Uuid;

/// Which of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Kiosk,
    Agent,
}

impl Kind {
    pub(crate) fn modules(self) -> &'static [&'static Module] {
        match self {
            Self::Kiosk => &[&schema::LOG, &schema::MONEY, &till::TILL, &schema::TAPS],
            Self::Agent => &[&schema::LOG, &schema::AGENT],
        }
    }
}

/// What was found when a file was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// The file did not exist before.
    pub created: bool,
    /// Why a new log was opened in a file that had one: copied, salvaged, another source, rolled back.
    pub new_log: Option<String>,
    /// Rows of the log's tail that cannot be read.
    pub holes: Vec<Hole>,
    /// The file was damaged; what could be read is in a new one.
    pub salvage: Option<SalvageReport>,
    pub(crate) has_money: bool,
}

/// Opens a file up to the writer, which is not running yet.
pub(crate) fn open(options: &OutboxOptions, kind: Kind, inbox: Receiver<Message>) -> Result<(Writer, Opened), OpenError> {
    options.check()?;
    file::assert_sqlite()?;
    let path = &options.path;
    let lock = file::lock(path)?;
    salvage::finish(path).map_err(io_error(path, "finish a salvage"))?;
    let created = !path.try_exists().map_err(io_error(path, "look at"))?;
    let shared = Arc::new(Shared::default());
    let (mut conn, holes, salvaged) = match attempt(options, kind, &shared.frames) {
        Ok((conn, holes)) => (conn, holes, None),
        Err(OpenError::Damaged { why, .. }) if options.salvage => {
            tracing::error!(why, "the file is damaged; going on with what can be read");
            let report = salvage::run(options, kind, why)?;
            let (conn, holes) = attempt(options, kind, &shared.frames)?;
            (conn, holes, Some(report))
        }
        Err(error) => return Err(error),
    };
    if created {
        file::sync_dir(path).map_err(io_error(path, "make its name durable"))?;
    }
    let (log, new_log) = whose(&mut conn, options, kind, salvaged.is_some())?;
    let wal = file::beside(path, "-wal");
    file::grow_with_zeros(&wal, options.limits.wal_bytes).map_err(io_error(&wal, "grow the WAL"))?;
    let refused = log::meta(&conn, "telemetry_refused").map_err(sql_error(path, "read counts"))?;
    shared.telemetry_refused.store(refused.and_then(|text| text.parse().ok()).unwrap_or(0), std::sync::atomic::Ordering::Relaxed);
    let ballast = Ballast::new(path, options.limits.ballast_bytes, options.limits.disk_reserve_bytes);
    shared.disk_free.store(ballast.disk_free(), std::sync::atomic::Ordering::Relaxed);
    shared.ballast_there.store(ballast.is_there(), std::sync::atomic::Ordering::Relaxed);
    let opened = Opened { created, new_log, holes, salvage: salvaged, has_money: kind == Kind::Kiosk };
    let writer = Writer {
        path: path.clone(),
        conn,
        log,
        limits: options.limits.clone(),
        shared,
        inbox,
        clock: options.clock.clone(),
        ballast,
        wake: options.wake.as_ref().map(WakeSender::new),
        watermarks: options.watermarks.clone(),
        acked: HashMap::new(),
        has_money: kind == Kind::Kiosk,
        pace: crate::pace::Pace::new(options.limits.gather),
        checkpoint_from: 0,
        _lock: lock,
    };
    writer.measure();
    Ok((writer, opened))
}

/// Connects, migrates and checks.
fn attempt(options: &OutboxOptions, kind: Kind, frames: &Arc<AtomicU32>) -> Result<(Connection, Vec<Hole>), OpenError> {
    let path = &options.path;
    let mut conn = file::connect(options, options.durability, frames)?;
    // What an earlier process could not fsync may be in the page cache only: copying it back writes it anew.
    conn.wal_checkpoint_v2(Some(c"main"), CheckpointMode::PASSIVE).map_err(sql_error(path, "recover"))?;
    schema::migrate(&mut conn, path, kind.modules())?;
    let holes = check(&conn, options, kind)?;
    Ok((conn, holes))
}

/// What must be right before the first sale: money, the counters, the log's tail. The rest waits for `quick_check`.
fn check(conn: &Connection, options: &OutboxOptions, kind: Kind) -> Result<Vec<Hole>, OpenError> {
    let path = &options.path;
    let damaged = |why: String| OpenError::Damaged { path: path.clone(), why };
    if kind == Kind::Kiosk {
        money::check(conn, options.limits.tail_rows).map_err(sql_error(path, "check orders and payments"))?;
        till::check(conn).map_err(sql_error(path, "check the till's book"))?;
    }
    let (logs, bad) = log::load(conn).map_err(sql_error(path, "read the logs"))?;
    if let Some(n) = bad.first() {
        return Err(damaged(format!("the row of log {n} has a wrong checksum")));
    }
    for log in logs.iter().filter(|log| log.why != salvage::SALVAGED) {
        let highest = log::highest(conn, log).map_err(sql_error(path, "read a log's end"))?;
        let expected = (log.head >= log.first).then_some(log.head);
        if highest != expected {
            return Err(damaged(format!("log {} counts to {} and ends at {highest:?}", log.id, log.head)));
        }
    }
    let Some(log) = logs.last() else { return Ok(Vec::new()) };
    let tail = log.head.saturating_sub(options.limits.tail_rows as u64);
    let batch =
        log::read(conn, log, tail, options.limits.tail_rows, usize::MAX).map_err(sql_error(path, "read the log's tail"))?;
    for hole in &batch.holes {
        tracing::error!(log = %hole.log, from = hole.from, to = hole.to, why = hole.why, "events cannot be read");
    }
    Ok(batch.holes)
}

/// The log that new events go to: the last one, unless this is not the file that it was.
fn whose(conn: &mut Connection, options: &OutboxOptions, kind: Kind, salvaged: bool) -> Result<(Log, Option<String>), OpenError> {
    let path = &options.path;
    let identity = match &options.identity {
        Some(identity) => identity.clone(),
        None => Identity::of_this_machine(path).map_err(io_error(path, "look at"))?,
    }
    .text();
    let (mut logs, _) = log::load(conn).map_err(sql_error(path, "read the logs"))?;
    let stored = log::meta(conn, "identity").map_err(sql_error(path, "read the identity"))?;
    let why = match logs.last() {
        _ if salvaged || logs.last().is_some_and(|log| log.why == salvage::SALVAGED) => Some("after salvage"),
        None => Some("created"),
        Some(_) if stored.as_deref() != Some(&identity) => Some("copied"),
        Some(log) if log.source != options.source => Some("another source"),
        Some(log) if rolled_back(conn, options, kind, log) => Some("rolled back"),
        Some(_) => None,
    };
    let first = logs.is_empty();
    let Some(why) = why else { return Ok((logs.remove(logs.len() - 1), None)) };
    let now = (options.clock)();
    let log = in_transaction(conn, |tx| {
        log::set_meta(tx, "identity", &identity)?;
        log::open_log(tx, &options.source, now, why)
    })
    .map_err(sql_error(path, "open a log"))?;
    if !first {
        tracing::warn!(why, log = %log.id, "a new log was opened");
    }
    Ok((log, (salvaged || !first).then(|| why.to_owned())))
}

/// True when the backend acknowledged numbers that this file never gave: an older state of it came back.
fn rolled_back(conn: &Connection, options: &OutboxOptions, kind: Kind, log: &Log) -> bool {
    let marks = match (kind, &options.watermarks) {
        (Kind::Agent, _) => agent::stored_watermarks(conn).unwrap_or_default(),
        (Kind::Kiosk, Some(agent_db)) => retention::watermarks(agent_db).unwrap_or_default(),
        (Kind::Kiosk, None) => Vec::new(),
    };
    let known = |id: Uuid| marks.iter().find(|mark| mark.log == id && mark.source == log.source);
    known(log.id).is_some_and(|mark| mark.up_to > log.head)
}
