//! How a file is opened: bounds, durability, identity, clock. All from outside.

use crate::{Identity, OpenError};
use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Milliseconds since 1970 by the best clock known.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Bounds. What happens at each is said there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Hard bound of the database file, bytes. Telemetry is refused from `telemetry_percent` of it, new sales from
    /// `sale_percent`, settlements at the bound itself. The files beside it (WAL, ballast) come on top.
    pub max_bytes: u64,
    /// Share of `max_bytes` that telemetry may fill. Before that is refused, acknowledged rows are given up early.
    pub telemetry_percent: u8,
    /// Share of `max_bytes` that new sales may fill.
    pub sale_percent: u8,
    /// Free bytes on the disk below which telemetry is refused.
    pub disk_reserve_bytes: u64,
    /// A file of zeros that is deleted when the disk is full, so that sales under way can be settled. 0: none.
    pub ballast_bytes: u64,
    /// How long acknowledged rows are kept, for a backend that lost some.
    pub retention_days: u32,
    /// How long lines of the till's book are kept that nobody has exported.
    pub till_days: u32,
    /// Commits that may wait in memory; beyond it [`crate::Refused::Busy`]. Telemetry gets three quarters of it.
    pub queue_len: usize,
    /// Commits in one transaction.
    pub group_len: usize,
    /// Events in one commit.
    pub commit_events: usize,
    /// Rows handled in one transaction of housekeeping, rows returned at most by one read.
    pub batch_rows: usize,
    /// Bytes of one event on the wire; the contract says 32 KiB.
    pub event_bytes: usize,
    /// How long the writer gathers when more than one commit was under way; a third of the last fsync, at most 5 ms, where
    /// those just answered come back at once. Zero: not at all.
    pub gather: Duration,
    /// The WAL is copied into the database when it is this large and nobody waits.
    pub checkpoint_idle_bytes: u64,
    /// The WAL is copied into the database when it is this large, whoever waits.
    pub checkpoint_bytes: u64,
    /// The WAL is grown to this size with written zeros beforehand, and kept.
    pub wal_bytes: u64,
    /// Rows of the log's tail whose checksums are verified at start.
    pub tail_rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            telemetry_percent: 80,
            sale_percent: 95,
            disk_reserve_bytes: 64 << 20,
            ballast_bytes: 4 << 20,
            retention_days: 35,
            till_days: 400,
            queue_len: 1024,
            group_len: 256,
            commit_events: 1000,
            batch_rows: 1000,
            event_bytes: 32 << 10,
            gather: Duration::from_micros(200),
            checkpoint_idle_bytes: 4 << 20,
            checkpoint_bytes: 16 << 20,
            wal_bytes: 18 << 20,
            tail_rows: 256,
        }
    }
}

impl Limits {
    /// Small bounds for tests: kilobytes where a shop has megabytes.
    #[must_use]
    pub fn small() -> Self {
        Self {
            max_bytes: 4 << 20,
            disk_reserve_bytes: 0,
            ballast_bytes: 64 << 10,
            checkpoint_idle_bytes: 64 << 10,
            checkpoint_bytes: 128 << 10,
            wal_bytes: 160 << 10,
            ..Self::default()
        }
    }

    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let bad = |field, why: &str| Err(OpenError::Option { field, why: why.to_owned() });
        if self.max_bytes < 1 << 18 {
            return bad("max_bytes", "at least 262144 bytes are needed");
        }
        if self.telemetry_percent > self.sale_percent || self.sale_percent > 100 {
            return bad("sale_percent", "telemetry_percent <= sale_percent <= 100 must hold");
        }
        if self.queue_len == 0 || self.group_len == 0 || self.commit_events == 0 || self.batch_rows == 0 {
            return bad("queue_len", "queue_len, group_len, commit_events and batch_rows must not be 0");
        }
        if self.checkpoint_bytes > self.wal_bytes {
            return bad("wal_bytes", "must hold at least checkpoint_bytes");
        }
        Ok(())
    }

    pub(crate) fn retention_ms(&self) -> i64 {
        i64::from(self.retention_days) * 86_400_000
    }

    pub(crate) fn till_ms(&self) -> i64 {
        i64::from(self.till_days.max(self.retention_days)) * 86_400_000
    }
}

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// After fsync of the WAL (`synchronous=FULL`). The only one for a shop.
    #[default]
    Full,
    /// Without fsync (`synchronous=NORMAL`): a power cut loses commits that were answered. For benches, and for the
    /// test that proves that the power-cut test bites.
    DangerousNormal,
}

/// How to open a file that this process writes.
#[derive(Clone)]
pub struct OutboxOptions {
    /// The database file; its directory is made when missing. Beside it live `-wal`, `-shm`, `-lock` and `-ballast`.
    pub path: PathBuf,
    /// The CloudEvents source of this device, `/stores/s-001/devices/k-01`.
    pub source: String,
    /// Bounds.
    pub limits: Limits,
    /// When a commit counts as done.
    pub durability: Durability,
    /// Whose file it is; `None` asks the machine ([`Identity::of_this_machine`]). Where it differs from the one stored,
    /// a new log is opened before the first event.
    pub identity: Option<Identity>,
    /// Clock for `recordedtime` and the retention window.
    pub clock: Clock,
    /// The agent's file, read (never written) by housekeeping for its watermarks. May not exist yet.
    pub watermarks: Option<PathBuf>,
    /// Socket of the agent's [`crate::link::WakeReceiver`]: gets a byte after each COMMIT.
    pub wake: Option<PathBuf>,
    /// Move a damaged file aside and go on with what can be read. Off: [`OpenError::Damaged`].
    pub salvage: bool,
    /// Name of a registered SQLite VFS; `None` is the system's. Fault tests set it.
    pub vfs: Option<String>,
}

impl OutboxOptions {
    /// The defaults of a shop.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, source: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            source: source.into(),
            limits: Limits::default(),
            durability: Durability::Full,
            identity: None,
            clock: Arc::new(system_clock),
            watermarks: None,
            wake: None,
            salvage: true,
            vfs: None,
        }
    }

    pub(crate) fn check(&self) -> Result<(), OpenError> {
        self.limits.check()?;
        if !self.source.starts_with('/') || self.source.len() > 200 || self.source.chars().any(|c| c.is_control() || c == ' ') {
            let why = format!("`{}` is not a path such as /stores/s-001/devices/k-01", self.source.escape_debug());
            return Err(OpenError::Option { field: "source", why });
        }
        Ok(())
    }
}

impl fmt::Debug for OutboxOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxOptions").field("path", &self.path).field("source", &self.source).finish_non_exhaustive()
    }
}

fn system_clock() -> i64 {
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}
