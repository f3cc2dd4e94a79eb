//! Drives the [`Engine`]: reads the logs, sends what it says, writes down what it decides.
//!
//! One task owns the engine, the files' readers and the requests on their way. SQLite is only touched on the blocking
//! pool, one short call at a time. Nothing here decides what an answer means.

mod tap;

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use edge_db::link::{Answer, Ask, AskClient};
use edge_db::{LogInfo, Row};
use serde_json::json;
use tap::{Taken, Tap};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep_until};
use tracing::{debug, error, info, warn};
use uuid::Uuid;

use crate::alive::Beats;
use crate::engine::{Command as Next, Effect, Engine, OnConflict, Order, Ticket};
use crate::http::{Sent, Wire};
use crate::store::{Put, Store};

/// How often the files are looked at when no wake-up came.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A file that cannot be read now is read again after this.
const READ_AGAIN_MS: u64 = 500;
/// How long the kiosk may take to say that it opened a new log.
const KIOSK_BUDGET: Duration = Duration::from_millis(500);
/// Events that move into a new log in one transaction.
const MOVE_ROWS: usize = 500;
/// Of a run as short as this that the backend asks for, the quarantine is asked about each number.
const FEW: u64 = 1_000;

/// The way to the backend.
pub trait Transport: Send + Sync + 'static {
    /// Sends one batch: `body` is the JSON array, `ids` the events in it.
    fn post_events(&self, ids: Vec<Uuid>, body: Vec<u8>) -> impl Future<Output = Sent> + Send;
    /// Whether the device token is another one than at the last request.
    fn token_changed(&self) -> bool;
}

impl Transport for crate::http::Client {
    async fn post_events(&self, ids: Vec<Uuid>, body: Vec<u8>) -> Sent {
        crate::http::Client::post_events(self, &ids, body).await
    }
    fn token_changed(&self) -> bool {
        self.token().changed()
    }
}

/// One event and what became of it, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `accepted`, `duplicate` or `quarantined`.
    pub status: &'static str,
    /// Its number.
    pub sequence: u64,
    /// Its type.
    pub kind: String,
    /// Its id.
    pub id: Uuid,
    /// Why it is in quarantine.
    pub reason: Option<String>,
}

/// Called for each event that needs nothing more.
pub type Watcher = Arc<dyn Fn(&Seen) + Send + Sync>;

/// Orders to the upload from other tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Send a quarantined event again.
    Replay {
        /// Its log.
        log: Uuid,
        /// Its number.
        sequence: u64,
    },
    /// The backend does not have these numbers any more: send them again.
    Resend {
        /// Source of the log.
        source: String,
        /// The log.
        log: Uuid,
        /// The first.
        from: u64,
        /// The last.
        to: u64,
        /// Up to where the log was settled when the backend was told so.
        settled: u64,
    },
}

/// What the upload is wired to.
pub struct Wiring {
    /// Where events go, for people: `backend`, `mirror lake`.
    pub name: String,
    /// The agent's file.
    pub store: Store,
    /// Notified when a log grew.
    pub wake: Arc<Notify>,
    /// Orders of other tasks.
    pub commands: mpsc::Receiver<Command>,
    /// True: finish what can be finished and end.
    pub stop: watch::Receiver<bool>,
    /// Sees every settled event.
    pub watcher: Option<Watcher>,
    /// How long a lone event waits for company.
    pub gather: Duration,
    /// Dates of the backend, with the round trip in milliseconds.
    pub dates: Option<mpsc::Sender<(i64, u64)>>,
    /// Where the kiosk answers questions.
    pub kiosk: PathBuf,
}

/// When to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until {
    /// End when nothing is left to send; else only when told to stop.
    pub drained: bool,
    /// Without progress for this long: end with what is left.
    pub patience: Duration,
    /// After this many failures in a row: end with what is left.
    pub max_failures: u32,
}

impl Until {
    /// `sync-agent once`.
    pub const ONCE: Until = Until { drained: true, patience: Duration::from_secs(30), max_failures: 8 };
    /// What is still tried after SIGTERM.
    pub const STOPPING: Until = Until { drained: true, patience: Duration::from_secs(5), max_failures: 1 };
    /// `sync-agent run`.
    pub const STOPPED: Until = Until { drained: false, patience: Duration::MAX, max_failures: u32::MAX };
}

struct LogRef {
    tap: usize,
    log: Uuid,
    source: String,
}

#[derive(Clone)]
struct Head {
    sequence: u64,
    id: Uuid,
    kind: String,
}

/// The upload of all logs of a device.
pub struct Upload<T> {
    engine: Engine,
    transport: Arc<T>,
    wiring: Wiring,
    taps: Vec<Option<Tap>>,
    logs: Vec<LogRef>,
    flights: HashMap<Ticket, Vec<Head>>,
    requests: JoinSet<(Ticket, Sent)>,
    began: Instant,
    progress: Instant,
    gather_until: Option<Instant>,
    /// Logs of the kiosk that it was told to close.
    collided: HashSet<Uuid>,
    beats: Beats,
}

/// The agent's own file comes second, so that its index is known.
const OWN: usize = 1;

impl<T: Transport> Upload<T> {
    /// An upload of the kiosk's file and the agent's own.
    pub fn new(engine: Engine, transport: Arc<T>, wiring: Wiring, outbox: &Path, state: &Path) -> Upload<T> {
        let now = Instant::now();
        Upload {
            engine,
            transport,
            wiring,
            taps: vec![Some(Tap::new(outbox)), Some(Tap::new(state))],
            logs: Vec::new(),
            flights: HashMap::new(),
            requests: JoinSet::new(),
            began: now,
            progress: now,
            gather_until: None,
            collided: HashSet::new(),
            beats: Beats::default(),
        }
    }

    /// Grows at least once a second while the upload makes progress, with or without a backend.
    pub fn beats(&self) -> Beats {
        self.beats.clone()
    }

    /// Sends until told to end. What keeps the rest from being sent, if something is left.
    ///
    /// # Errors
    /// When the agent's own file fails: the process must exit and recover from disk.
    pub async fn run(mut self, mut until: Until) -> anyhow::Result<Option<String>> {
        self.look(true).await?;
        for (log, sequence) in self.wiring.store.replays().await? {
            self.obey(Command::Replay { log, sequence }).await?;
        }
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.beats.beat();
            let sleep = self.work().await?;
            if until.drained {
                match self.ends(&until) {
                    Some(None) => {
                        // Something may have been committed since the last look.
                        self.look(true).await?;
                        if self.engine.is_drained() {
                            return Ok(None);
                        }
                        continue;
                    }
                    Some(left) => return Ok(left),
                    None => {}
                }
            }
            let Upload { requests, wiring, gather_until, began, .. } = &mut self;
            let gathering = gather_until.is_some();
            tokio::select! {
                biased;
                changed = wiring.stop.changed(), if until == Until::STOPPED => {
                    if changed.is_err() || *wiring.stop.borrow() {
                        until = Until::STOPPING;
                        self.progress = Instant::now();
                        self.look(true).await?;
                    }
                }
                Some(done) = requests.join_next() => self.landed(done).await?,
                Some(command) = wiring.commands.recv() => self.obey(command).await?,
                () = wiring.wake.notified(), if !gathering => self.gather_until = Some(Instant::now() + wiring.gather),
                () = until_or_never(*gather_until) => {
                    self.gather_until = None;
                    self.look(false).await?;
                }
                () = until_or_never(sleep.map(|ms| *began + Duration::from_millis(ms))) => {}
                _ = ticks.tick() => self.tick().await?,
            }
        }
    }

    /// Does all that can be done now; the time of the next thing to do.
    async fn work(&mut self) -> anyhow::Result<Option<u64>> {
        loop {
            let now_ms = self.now_ms();
            match self.engine.poll(now_ms) {
                Next::Sleep { until_ms } => return Ok(until_ms),
                Next::Probe(ticket) => self.send(ticket, Vec::new(), b"[]".to_vec()),
                Next::Read(order) => self.read_and_send(order).await?,
            }
        }
    }

    /// `Some(None)`: nothing is left. `Some(Some(sentence))`: something is, and it will not change soon.
    fn ends(&self, until: &Until) -> Option<Option<String>> {
        if self.engine.is_drained() {
            return Some(None);
        }
        let hopeless = self.engine.is_refused() || self.engine.is_stopped() || self.engine.failures() >= until.max_failures;
        if hopeless || self.progress.elapsed() >= until.patience {
            let why = self.engine.trouble().unwrap_or("the backend takes too long");
            return Some(Some(why.to_owned()));
        }
        None
    }

    async fn tick(&mut self) -> anyhow::Result<()> {
        if self.engine.is_refused() && self.transport.token_changed() {
            info!("the token file changed, trying again");
            self.engine.token_changed(self.now_ms());
        }
        self.look(false).await
    }

    /// Looks for new logs and new numbers.
    async fn look(&mut self, always: bool) -> anyhow::Result<()> {
        for index in 0..self.taps.len() {
            let looked = self.with_tap(index, move |tap| tap.look(always)).await?;
            match looked {
                Ok(Some(logs)) => self.learn(index, logs).await?,
                Ok(None) => {}
                Err(error) if index == OWN && always => return Err(error.into()),
                Err(error) => warn!(%error, file = index, "a log cannot be read now"),
            }
        }
        Ok(())
    }

    async fn learn(&mut self, tap: usize, logs: Vec<LogInfo>) -> anyhow::Result<()> {
        for info in logs {
            let known = self.logs.iter().position(|l| l.log == info.log && l.source == info.source);
            let index = match known {
                Some(index) => index,
                None => {
                    let stored = self.wiring.store.watermark(&info.source, info.log).await?;
                    let on_conflict = if tap == OWN { OnConflict::Move } else { OnConflict::Adopt };
                    info!(to = self.wiring.name, log = %info.log, watermark = stored, head = info.head, "draining a log");
                    self.logs.push(LogRef { tap, log: info.log, source: info.source });
                    // What the file no longer holds was acknowledged before it was given up.
                    self.engine.add_log(stored.max(info.first.saturating_sub(1)), on_conflict)
                }
            };
            if info.head > self.engine.cursor(index) {
                self.engine.woken(index);
            }
        }
        Ok(())
    }

    async fn read_and_send(&mut self, order: Order) -> anyhow::Result<()> {
        let index = order.log;
        let (tap, log) = (self.logs[index].tap, self.logs[index].log);
        let (order, read) = self.with_tap(tap, move |tap| (tap.read(log, &order).map(pack), order)).await.map(|(r, o)| (o, r))?;
        let mut packed = match read {
            Ok(packed) => packed,
            Err(error) => {
                warn!(%error, %log, "rows cannot be read now");
                self.engine.read_failed(self.now_ms(), order, READ_AGAIN_MS);
                return Ok(());
            }
        };
        if let Some(only) = order.only()
            && only.len() > packed.heads.len()
        {
            let store = self.wiring.store.clone();
            packed = add_quarantined(&store, log, only, packed).await?;
        }
        let numbers = packed.heads.iter().map(|h| h.sequence).collect();
        let (ticket, effects) = self.engine.sent(order, numbers, packed.next, packed.body.len());
        self.carry_out(effects, &[]).await?;
        if let Some(ticket) = ticket {
            self.send(ticket, packed.heads, packed.body);
        }
        Ok(())
    }

    fn send(&mut self, ticket: Ticket, heads: Vec<Head>, body: Vec<u8>) {
        let ids = heads.iter().map(|h| h.id).collect();
        let transport = Arc::clone(&self.transport);
        debug!(events = heads.len(), bytes = body.len(), "sending");
        self.flights.insert(ticket, heads);
        self.requests.spawn(async move { (ticket, transport.post_events(ids, body).await) });
    }

    async fn landed(&mut self, done: Result<(Ticket, Sent), tokio::task::JoinError>) -> anyhow::Result<()> {
        let (ticket, sent) = done?;
        let heads = self.flights.remove(&ticket).unwrap_or_default();
        if let Wire::Unknown { what, .. } | Wire::Refused(what) | Wire::Unauthorised(what) = &sent.outcome {
            debug!(what, status = sent.status, events = heads.len(), "not answered event by event");
        }
        if let (Some(dates), Some(date)) = (&self.wiring.dates, sent.date_ms) {
            // A full channel means that samples abound.
            let _ = dates.try_send((date, sent.round_trip_ms));
        }
        let logs = &self.logs;
        let outcome = sent.outcome.into_outcome(|source, log| logs.iter().position(|l| l.log == log && l.source == source));
        let before = self.engine.trouble();
        let effects = self.engine.answered(self.now_ms(), ticket, outcome);
        match self.engine.trouble() {
            now if now == before => {}
            Some(trouble) => warn!(to = self.wiring.name, "{trouble}; events wait in their file"),
            None => info!(to = self.wiring.name, "sending again"),
        }
        self.carry_out(effects, &heads).await
    }

    /// Writes down and tells what the engine decided, in its order.
    async fn carry_out(&mut self, effects: Vec<Effect>, heads: &[Head]) -> anyhow::Result<()> {
        let (mut puts, mut seen, mut adopted) = (Vec::new(), Vec::new(), Vec::new());
        for effect in effects {
            match effect {
                Effect::Watermark { log, number } => {
                    let LogRef { log, source, .. } = &self.logs[log];
                    puts.push(Put::Watermark { source: source.clone(), log: *log, up_to: number });
                }
                Effect::Stored { log: _, number, new, replayed } => {
                    self.progress = Instant::now();
                    if let Ok(at) = heads.binary_search_by_key(&number, |h| h.sequence) {
                        let Head { sequence, id, kind } = heads[at].clone();
                        let status = if new { "accepted" } else { "duplicate" };
                        seen.push(Seen { status, sequence, kind, id, reason: None });
                        if replayed {
                            puts.push(Put::Released { id });
                        }
                    }
                }
                Effect::Quarantine { log, number, reason } => {
                    self.progress = Instant::now();
                    self.quarantine(log, number, reason, &mut puts, &mut seen).await?;
                }
                Effect::Adopt { log, number, reason } => {
                    self.progress = Instant::now();
                    adopted.push((log, number, reason));
                }
                Effect::Lost { log, from, to } => self.tell_lost(log, from, to).await?,
                Effect::Conflict { log, reason } => {
                    // The move reads the watermark from the file.
                    self.wiring.store.put(std::mem::take(&mut puts)).await?;
                    self.move_log(log, &reason).await?;
                }
                Effect::Alarm { kind, detail } => self.alarm(kind, &detail).await?,
            }
        }
        // First the copies, then the watermark that passes the originals.
        self.adopt(adopted, &mut puts).await?;
        if !puts.is_empty() {
            self.wiring.store.put(puts).await?;
        }
        if let Some(watcher) = &self.wiring.watcher {
            seen.iter().for_each(|s| watcher(s));
        }
        Ok(())
    }

    async fn quarantine(
        &mut self,
        log: usize,
        number: u64,
        reason: String,
        puts: &mut Vec<Put>,
        seen: &mut Vec<Seen>,
    ) -> anyhow::Result<()> {
        let LogRef { tap, log, source } = &self.logs[log];
        let (tap, log, source) = (*tap, *log, source.clone());
        let mut row = self.with_tap(tap, move |tap| tap.at(log, number)).await?.ok().flatten();
        if row.is_none() {
            row = self.wiring.store.quarantined_rows(log, vec![number]).await?.pop();
        }
        let Some(row) = row else {
            return self
                .alarm("quarantine_unreadable", &format!("event {number} of log {log} was refused and cannot be read"))
                .await;
        };
        warn!(event = %row.id, kind = row.kind, %log, sequence = number, reason, "quarantined");
        seen.push(Seen {
            status: "quarantined",
            sequence: number,
            kind: row.kind.clone(),
            id: row.id,
            reason: Some(reason.clone()),
        });
        puts.push(Put::Quarantine { source, log, row, reason });
        Ok(())
    }

    async fn tell_lost(&mut self, log: usize, from: u64, to: u64) -> anyhow::Result<()> {
        let log = self.logs[log].log;
        error!(%log, from, to, "events are lost: the file no longer holds them");
        self.own_event(cem_contract::kinds::LOG_LOST, json!({"log": log, "from": from, "to": to})).await
    }

    /// Events of the kiosk whose numbers are used by others: they go out under their old ids in the agent's own log, and
    /// the kiosk is asked to open a new one.
    async fn adopt(&mut self, events: Vec<(usize, u64, String)>, puts: &mut Vec<Put>) -> anyhow::Result<()> {
        let Some((index, _, why)) = events.first().cloned() else { return Ok(()) };
        let LogRef { tap, log, source } = &self.logs[index];
        let (tap, log, source) = (*tap, *log, source.clone());
        let mut rows = Vec::new();
        for (_, number, _) in &events {
            let number = *number;
            rows.extend(self.with_tap(tap, move |tap| tap.at(log, number)).await??);
        }
        let taken = self.wiring.store.adopt(rows.clone()).await?;
        rows.retain(|row| !taken.contains(&row.id));
        puts.splice(0..0, rows.into_iter().map(|row| Put::Quarantine { source: source.clone(), log, row, reason: why.clone() }));
        self.wiring.wake.notify_one();
        if self.collided.contains(&log) {
            return Ok(());
        }
        let kiosk = self.wiring.kiosk.clone();
        let ask =
            move || AskClient::new(kiosk).ask(&Ask::OpenLog { log }, KIOSK_BUDGET).is_ok_and(|answer| answer == Answer::Done);
        let done = tokio::task::spawn_blocking(ask).await?;
        if done {
            self.collided.insert(log);
        }
        let cure = if done { "the kiosk opens a new log" } else { "restart the kiosk so that it opens a new log" };
        self.alarm("log_conflict", &format!("numbers of log {log} are used by other events ({why}): {cure}")).await
    }

    /// The agent's own log was copied or restored: its unsettled events move into a new one.
    async fn move_log(&mut self, index: usize, reason: &str) -> anyhow::Result<()> {
        let (tap, log) = (self.logs[index].tap, self.logs[index].log);
        self.wiring.store.open_new_log(format!("conflict: {reason}")).await?;
        let (mut after, mut moved) = (self.engine.watermark(index), 0);
        loop {
            let batch = self.with_tap(tap, move |tap| tap.after(log, after, MOVE_ROWS)).await??;
            if batch.next <= after {
                break;
            }
            after = batch.next;
            let rows: Vec<Row> = batch.rows.into_iter().filter(|row| !self.engine.is_settled(index, row.sequence)).collect();
            moved += self.wiring.store.adopt(rows).await?.len();
        }
        let source = self.logs[index].source.clone();
        self.wiring.store.put(vec![Put::Watermark { source, log, up_to: after }]).await?;
        let detail = format!("numbers of log {log} are used by other events ({reason}); {moved} events moved into a new log");
        self.alarm("log_conflict", &detail).await?;
        self.look(true).await
    }

    async fn alarm(&mut self, kind: &'static str, detail: &str) -> anyhow::Result<()> {
        let to = self.wiring.name.clone();
        error!(alarm = kind, to, detail);
        self.own_event(cem_contract::kinds::DEVICE_ALARM, json!({"alarm": kind, "detail": detail, "by": "sync-agent", "to": to}))
            .await
    }

    async fn own_event(&mut self, kind: &str, data: serde_json::Value) -> anyhow::Result<()> {
        self.wiring.store.record(kind, data).await?;
        self.wiring.wake.notify_one();
        Ok(())
    }

    async fn obey(&mut self, command: Command) -> anyhow::Result<()> {
        let (log, sequence) = match command {
            Command::Replay { log, sequence } => (log, sequence),
            Command::Resend { source, log, from, to, settled } => {
                return self.send_again(&source, log, (from, to), settled).await;
            }
        };
        if let Some(index) = self.logs.iter().position(|l| l.log == log) {
            self.engine.replay(index, sequence);
            return Ok(());
        }
        // The file that held this log is gone: the event goes out under its old id in the agent's own.
        let rows = self.wiring.store.quarantined_rows(log, vec![sequence]).await?;
        let taken = self.wiring.store.adopt(rows).await?;
        self.wiring.store.put(taken.into_iter().map(|id| Put::Released { id }).collect()).await?;
        self.look(true).await
    }

    /// The backend has lost what it once had. What it never took is not sent: that is in quarantine.
    async fn send_again(&mut self, source: &str, log: Uuid, (from, to): (u64, u64), settled: u64) -> anyhow::Result<()> {
        let Some(index) = self.logs.iter().position(|l| l.log == log && l.source == source) else { return Ok(()) };
        let mut kept_apart = Vec::new();
        if to.saturating_sub(from) < FEW {
            let rows = self.wiring.store.quarantined_rows(log, (from..=to).collect()).await?;
            kept_apart = rows.iter().map(|row| row.sequence).collect();
            kept_apart.sort_unstable();
        }
        let starts = std::iter::once(from).chain(kept_apart.iter().map(|n| n + 1));
        let ends = kept_apart.iter().map(|n| n.saturating_sub(1)).chain([to]);
        let runs: Vec<_> = starts.zip(ends).filter(|(from, to)| from <= to).collect();
        self.engine.lacking(index, &runs, settled);
        Ok(())
    }

    /// Lends a tap to the blocking pool.
    async fn with_tap<R: Send + 'static>(
        &mut self,
        index: usize,
        job: impl FnOnce(&mut Tap) -> R + Send + 'static,
    ) -> anyhow::Result<R> {
        let Some(mut tap) = self.taps[index].take() else { anyhow::bail!("a reader died, see the messages before this") };
        let (tap, result) = tokio::task::spawn_blocking(move || {
            let result = job(&mut tap);
            (tap, result)
        })
        .await?;
        self.taps[index] = Some(tap);
        Ok(result)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Rows as they go on the wire.
struct Packed {
    heads: Vec<Head>,
    body: Vec<u8>,
    next: u64,
}

impl Packed {
    /// The same with further rows, in order.
    fn with(self, rows: Vec<Row>) -> Packed {
        let Ok(parts) = serde_json::from_slice::<Vec<&serde_json::value::RawValue>>(&self.body) else { return self };
        let mut all: Vec<(Head, Vec<u8>)> =
            self.heads.into_iter().zip(parts.iter().map(|p| p.get().as_bytes().to_vec())).collect();
        all.extend(rows.into_iter().map(|row| (head(&row), row.body)));
        all.sort_by_key(|(head, _)| head.sequence);
        join(all, self.next)
    }
}

fn pack(taken: Taken) -> Packed {
    join(taken.rows.into_iter().map(|row| (head(&row), row.body)), taken.next)
}

fn head(row: &Row) -> Head {
    Head { sequence: row.sequence, id: row.id, kind: row.kind.clone() }
}

fn join(events: impl IntoIterator<Item = (Head, Vec<u8>)>, next: u64) -> Packed {
    let mut packed = Packed { heads: Vec::new(), body: vec![b'['], next };
    for (head, body) in events {
        if !packed.heads.is_empty() {
            packed.body.push(b',');
        }
        packed.body.extend_from_slice(&body);
        packed.heads.push(head);
    }
    packed.body.push(b']');
    packed
}

/// Events that are sent again after their rows were given up still have a copy in the quarantine.
async fn add_quarantined(store: &Store, log: Uuid, only: &[u64], packed: Packed) -> anyhow::Result<Packed> {
    let missing: Vec<u64> = only.iter().copied().filter(|n| packed.heads.iter().all(|h| h.sequence != *n)).collect();
    let rows = store.quarantined_rows(log, missing).await?;
    Ok(if rows.is_empty() { packed } else { packed.with(rows) })
}

async fn until_or_never(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
