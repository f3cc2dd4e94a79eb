//! The agent's own file, for tasks: every call runs on the blocking pool. The file itself is [`edge_db::AgentStore`]'s.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cem_contract::NewEvent;
use edge_db::{AgentStore, CachedProfile, Class, Commit, CommitError, OpenError, Person, Quarantined, Refused, Row, Ticket};
use serde_json::Value;
use tracing::warn;
use uuid::Uuid;

use crate::clock::Floor;
use crate::lines::{Origin, Sink};

/// Replays that are picked up at once.
const REPLAYS: usize = 1_000;
const FLOOR: &str = "clock.floor_ms";

/// The agent's file. Clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<AgentStore>,
    origin: Origin,
    /// The mirror whose watermarks these are; `None` for the backend's.
    mirror: Option<Arc<str>>,
}

/// Something to write down about the upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// Everything up to this number is settled.
    Watermark {
        /// Source of the log.
        source: String,
        /// The log.
        log: Uuid,
        /// The number.
        up_to: u64,
    },
    /// This event is kept apart.
    Quarantine {
        /// Source of the log.
        source: String,
        /// The log.
        log: Uuid,
        /// The event.
        row: Row,
        /// Why.
        reason: String,
    },
    /// This event was taken after all.
    Released {
        /// Its id.
        id: Uuid,
    },
}

impl Store {
    /// Opens the file, made when missing. Blocks.
    ///
    /// # Errors
    /// [`OpenError::InUse`] while another process writes it; else as [`OpenError`] says.
    pub fn open(path: &Path, source: &str) -> Result<Store, OpenError> {
        let inner = Arc::new(AgentStore::open(path, source)?);
        let stored = inner.state(FLOOR).ok().flatten();
        let floor = stored.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok()).unwrap_or(0);
        Ok(Store {
            inner,
            origin: Origin { boot: crate::clock::boot_id(), floor: Floor::new(floor.max(crate::clock::built_ms())) },
            mirror: None,
        })
    }

    /// The same file with the watermarks of a mirror: nothing that is put here touches those of the backend.
    #[must_use]
    pub fn of_mirror(&self, name: &str) -> Store {
        Store { mirror: Some(Arc::from(name)), ..self.clone() }
    }

    /// The stored floor under the clock.
    #[must_use]
    pub fn floor(&self) -> &Floor {
        &self.origin.floor
    }

    /// Who writes events here.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The file itself, for callers on blocking threads.
    #[must_use]
    pub fn raw(&self) -> &AgentStore {
        &self.inner
    }

    async fn blocking<R: Send + 'static>(&self, job: impl FnOnce(&AgentStore) -> R + Send + 'static) -> anyhow::Result<R> {
        let inner = Arc::clone(&self.inner);
        Ok(tokio::task::spawn_blocking(move || job(&inner)).await?)
    }

    /// Everything up to this number of a log is settled.
    ///
    /// # Errors
    /// When the file fails.
    pub async fn watermark(&self, source: &str, log: Uuid) -> anyhow::Result<u64> {
        if let Some(key) = self.mirror_key(log) {
            return Ok(self.note(key).await?.and_then(|text| text.parse().ok()).unwrap_or(0));
        }
        let source = source.to_owned();
        Ok(self.blocking(move |s| s.watermark(&source, log)).await??)
    }

    /// Writes down, in this order: an event is in quarantine before a watermark passes it.
    ///
    /// # Errors
    /// When the file fails.
    pub async fn put(&self, puts: Vec<Put>) -> anyhow::Result<()> {
        if self.mirror.is_some() {
            return self.put_mirror(puts).await;
        }
        self.blocking(move |store| {
            puts.into_iter().try_for_each(|put| match put {
                Put::Watermark { source, log, up_to } => again(|| store.acknowledge_to(&source, log, up_to)).map(drop),
                Put::Quarantine { source, log, row, reason } => {
                    again(|| store.quarantine(&source, log, &row, &reason, crate::clock::now_ms())).map(drop)
                }
                Put::Released { id } => again(|| store.quarantine_drop(id)).map(drop),
            })
        })
        .await??;
        Ok(())
    }

    async fn put_mirror(&self, puts: Vec<Put>) -> anyhow::Result<()> {
        for put in puts {
            match put {
                Put::Watermark { log, up_to, .. } => {
                    if let Some(key) = self.mirror_key(log) {
                        self.set_note(key, up_to.to_string()).await?;
                    }
                }
                Put::Quarantine { row, reason, .. } => {
                    warn!(mirror = self.mirror.as_deref(), event = %row.id, kind = row.kind, reason, "left out for this mirror");
                }
                Put::Released { .. } => {}
            }
        }
        Ok(())
    }

    fn mirror_key(&self, log: Uuid) -> Option<String> {
        self.mirror.as_ref().map(|name| format!("mirror.{name}.{log}"))
    }

    /// The events of a log that are in quarantine under these numbers, as rows to send.
    ///
    /// # Errors
    /// When the file fails.
    pub async fn quarantined_rows(&self, log: Uuid, numbers: Vec<u64>) -> anyhow::Result<Vec<Row>> {
        let found = self.blocking(|store| store.quarantine_replays(REPLAYS)).await??;
        let wanted = |q: &Quarantined| q.log == log && numbers.contains(&q.sequence);
        Ok(found.into_iter().filter(wanted).map(row_of).collect())
    }

    /// Log and number of the quarantined events that a person wants sent again.
    ///
    /// # Errors
    /// When the file fails.
    pub async fn replays(&self) -> anyhow::Result<Vec<(Uuid, u64)>> {
        if self.mirror.is_some() {
            return Ok(Vec::new());
        }
        let found = self.blocking(|store| store.quarantine_replays(REPLAYS)).await??;
        Ok(found.into_iter().map(|q| (q.log, q.sequence)).collect())
    }

    /// Takes events of a log that collided into the agent's own, under their old ids; durable when it returns.
    ///
    /// # Errors
    /// When the file fails.
    pub async fn adopt(&self, rows: Vec<Row>) -> anyhow::Result<Vec<Uuid>> {
        let taken = self.blocking(move |store| again(|| store.adopt(rows.clone()))).await??;
        Ok(taken.sequences.into_iter().map(|(id, _)| id).collect())
    }

    /// Opens a new log for the agent's own events.
    ///
    /// # Errors
    /// When the file fails.
    pub async fn open_new_log(&self, why: String) -> anyhow::Result<Uuid> {
        Ok(self.blocking(move |store| again(|| store.open_new_log(&why))).await??.log)
    }

    /// Records an event of the agent itself; durable when it returns. One that finds no room is given up and logged:
    /// what the agent says about itself must not stop it.
    ///
    /// # Errors
    /// When the file fails.
    pub async fn record(&self, kind: &str, data: Value) -> anyhow::Result<()> {
        let event = self.origin.event(kind, data);
        let kind = kind.to_owned();
        let result = self.blocking(move |store| again(|| store.enqueue(Class::Telemetry, vec![event.clone()]))).await?;
        match result {
            Err(CommitError::Refused(refused)) if !matches!(refused, Refused::Poisoned { .. } | Refused::Closed) => {
                warn!(%refused, kind, "an event of the agent itself was given up");
                Ok(())
            }
            other => Ok(other.map(drop)?),
        }
    }

    /// Raises the floor under the clock to an authenticated time.
    ///
    /// # Errors
    /// When the file fails.
    pub async fn raise_floor(&self, authenticated_ms: i64) -> anyhow::Result<()> {
        match self.origin.floor.raise(authenticated_ms) {
            Some(floor) => self.set_note(FLOOR, floor.to_string()).await,
            None => Ok(()),
        }
    }

    /// A text kept under a name.
    ///
    /// # Errors
    /// When the file fails.
    pub async fn note(&self, key: impl Into<String>) -> anyhow::Result<Option<String>> {
        let key = key.into();
        let bytes = self.blocking(move |store| store.state(&key)).await??;
        Ok(bytes.and_then(|b| String::from_utf8(b).ok()).filter(|text| !text.is_empty()))
    }

    /// Keeps a text under a name.
    ///
    /// # Errors
    /// When the file fails.
    pub async fn set_note(&self, key: impl Into<String>, value: String) -> anyhow::Result<()> {
        let key = key.into();
        Ok(self.blocking(move |store| again(|| store.set_state(&key, value.as_bytes()))).await??)
    }

    /// The envelope of the visitor with this token, unless expired.
    ///
    /// # Errors
    /// When the file fails.
    pub async fn cached(&self, token: String) -> anyhow::Result<Option<Vec<u8>>> {
        let now = self.origin.floor.now_ms();
        Ok(self.blocking(move |store| store.profile_by_token(&token, now)).await??)
    }

    /// Keeps a profile; false when a newer one is kept already.
    ///
    /// # Errors
    /// When the file fails.
    pub async fn cache(&self, profile: CachedProfile) -> anyhow::Result<bool> {
        let now = self.origin.floor.now_ms();
        Ok(self.blocking(move |store| again(|| store.put_profile(&profile, now))).await??)
    }

    /// Forgets a person in the agent's own file: profile, tokens, events, quarantine.
    ///
    /// # Errors
    /// When the file fails, or a reader did not let go of it.
    pub async fn forget_person(&self, person: Person) -> anyhow::Result<()> {
        self.blocking(move |store| again(|| store.forget_person(&person)).map(drop)).await??;
        Ok(())
    }

    /// Forgets visitors, profiles and tokens: they are not in the store's cache any more.
    ///
    /// # Errors
    /// When the file fails.
    pub async fn forget(&self, visitors: Vec<String>) -> anyhow::Result<()> {
        self.blocking(move |store| visitors.iter().try_for_each(|v| again(|| store.forget(v)).map(drop))).await??;
        Ok(())
    }

    /// Retention, expired profiles, checkpoints.
    ///
    /// # Errors
    /// When the file fails.
    pub async fn housekeep(&self) -> anyhow::Result<()> {
        Ok(self.blocking(|store| again(|| store.housekeep())).await??)
    }
}

/// The other connection of this process may hold the write lock for a moment, and the queue may be full.
fn again<T>(mut job: impl FnMut() -> Result<T, CommitError>) -> Result<T, CommitError> {
    let mut left = 400;
    loop {
        match job() {
            Err(error) if is_busy(&error) && left > 0 => {
                left -= 1;
                std::thread::park_timeout(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

fn is_busy(error: &CommitError) -> bool {
    matches!(error, CommitError::Refused(Refused::Busy { .. }) | CommitError::Write(edge_db::WriteError::Busy))
}

fn row_of(q: Quarantined) -> Row {
    Row { sequence: q.sequence, id: q.id, kind: q.kind, time_ms: q.at_ms, recorded_ms: q.at_ms, body: q.body }
}

impl Sink for Store {
    type Pending = Ticket;

    fn submit(&self, event: NewEvent) -> Result<Ticket, String> {
        let mut left = 6_000;
        loop {
            match self.inner.outbox().submit(Commit::events(Class::Sale, vec![event.clone()])) {
                Err(Refused::Busy { .. }) if left > 0 => {
                    left -= 1;
                    std::thread::park_timeout(Duration::from_millis(5));
                }
                other => return other.map_err(|refused| refused.to_string()),
            }
        }
    }

    fn wait(&self, pending: Ticket) -> Result<u64, String> {
        let committed = pending.wait().map_err(|e| e.to_string())?;
        committed.sequences.first().map(|(_, sequence)| *sequence).ok_or_else(|| "no number was given".to_owned())
    }
}
