//! How all of it is put together: `run` and `once`. A device that is to be enrolled waits for that first.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cem_contract::enrol::EnrolmentState;
use cem_contract::kinds;
use edge_db::link::{Answer, Ask, AskServer, AskService, WakeReceiver, uid_of};
use edge_db::{CacheKey, OpenError};
use sd_notify::NotifyState;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tracing::{info, warn};

use crate::alive;
use crate::cards::Cards;
use crate::commands::{End, Orders};
use crate::config::Config;
use crate::control::{Holder, Server};
use crate::engine::{Engine, Limits};
use crate::enrol::vault::{CACHE_KEY, Seal, Vault};
use crate::enrol::{self, Enrolled};
use crate::feed::Feed;
use crate::gift::Gifts;
use crate::http::Client;
use crate::mirror::Mirror;
use crate::report::{Fleet, Reporter};
use crate::retry::{Policy, Retry};
use crate::staff::Staff;
use crate::store::Store;
use crate::supervise::Tasks;
use crate::upload::{Command, Seen, Until, Upload, Watcher, Wiring};
use crate::visitors::{STORE_CURSOR, Visitors};
use crate::wipe;

/// How long `run` waits for another `sync-agent` command to let go of the agent's file.
const LOCK_PATIENCE: Duration = Duration::from_secs(15);
const HOUSEKEEPING: Duration = Duration::from_secs(600);
/// The upload ends by itself within this after it was told to stop; then it is cut off. Nothing is lost by that.
const STOP_BOUND: Duration = Duration::from_secs(15);
/// Commands and dates that may wait.
const CHANNEL: usize = 64;

/// Everything that lives as long as the agent.
struct Parts {
    store: Store,
    client: Client,
    upload: Upload<Client>,
    stop: watch::Sender<bool>,
    wake: Arc<Notify>,
    dates: mpsc::Receiver<(i64, u64)>,
    orders: mpsc::Sender<Command>,
    _control: Server,
}

/// `sync-agent run`: until told to stop; then drains what it can and ends.
///
/// # Errors
/// When it cannot start, or when a task ended that must not.
pub async fn run(config: Arc<Config>, print_events: bool) -> anyhow::Result<()> {
    let mut stop_signal = StopSignal::new()?;
    let (config, enrolled) = tokio::select! {
        settled = enrol::settle(config) => settled?,
        () = stop_signal.received() => return Ok(()),
    };
    let (printer, watcher) = printer(print_events)?;
    let Parts { store, client, upload, stop, wake, dates, orders, _control } = assemble(&config, watcher).await?;
    if let Err(error) = keep_cache_key(&config, &store).await {
        warn!(error = format!("{error:#}"), "the visitor cache has a key for this run only");
    }
    let mut tasks = Tasks::default();
    let (end, mut ends) = mpsc::channel(2);
    let fleet = enrolled.as_ref().map(|enrolled| fleet(&config, enrolled, &store, &client, end));
    if let Some(fleet) = &fleet {
        report_copy(fleet, &store).await?;
        start_fleet(fleet, &store, &client, &mut tasks);
    }
    let _ask = serve_questions(&config, &client, &store, fleet.clone(), &mut tasks)?;
    start_reports(&config, &client, &store, (dates, orders), fleet, &mut tasks);
    start_mirrors(&config, &store, &mut tasks)?;
    let _waker = listen_for_wakeups(&config, Arc::clone(&wake));
    info!(source = config.source, backend = config.backend.url, "running");
    if let Some(printer) = &printer {
        // Whoever follows the events learns by this line that everything listens and that it may be told to stop.
        printer.say("running");
    }
    tasks.spawn("watchdog", alive::feed(upload.beats()));
    alive::tell(NotifyState::Ready);
    let mut upload = tokio::spawn(upload.run(Until::STOPPED));
    let ended = tokio::select! {
        () = stop_signal.received() => None,
        Some(end) = ends.recv() => Some(end),
        error = tasks.first_end() => return Err(error),
        ended = &mut upload => {
            return Err(match ended {
                Ok(Ok(_)) => anyhow::anyhow!("task `upload` ended"),
                Ok(Err(error)) => error.context("task `upload` failed"),
                Err(_) => anyhow::anyhow!("task `upload` panicked"),
            });
        }
    };
    info!(?ended, "stopping");
    alive::tell(NotifyState::Stopping);
    let _ = stop.send(true);
    match tokio::time::timeout(STOP_BOUND, upload).await {
        Ok(Ok(Ok(None))) => info!("everything is sent"),
        Ok(Ok(Ok(Some(left)))) => info!(left, "stopped with events left; they are sent after the next start"),
        Ok(Ok(Err(error))) => return Err(error.context("task `upload` failed")),
        Ok(Err(_)) => anyhow::bail!("task `upload` panicked"),
        Err(_) => warn!("the upload did not end in time and was cut off; its events are sent again"),
    }
    tasks.stop().await;
    if let (Some(End::Wipe), Some(enrolled)) = (ended, enrolled) {
        drop((client, store));
        tokio::task::spawn_blocking(move || wipe::device(&config, &enrolled)).await??;
    }
    Ok(())
}

/// `sync-agent once`: sends what is there. What keeps the rest from being sent, if something is left.
///
/// # Errors
/// When it cannot start, or the agent's file fails.
pub async fn once(config: Arc<Config>, print_events: bool) -> anyhow::Result<Option<String>> {
    let mut stop_signal = StopSignal::new()?;
    let config = match &config.enrol {
        Some(enrol) => match Enrolled::open(enrol)? {
            Some(enrolled) => Arc::new(enrol::configured(&config, &enrolled)?),
            None => return Ok(Some("this device is not enrolled".to_owned())),
        },
        None => config,
    };
    let (_printer, watcher) = printer(print_events)?;
    let Parts { store, client, upload, dates, _control, .. } = assemble(&config, watcher).await?;
    let mut tasks = Tasks::default();
    let reporter = Reporter { config: Arc::clone(&config), store, client, started: Instant::now(), fleet: None };
    tasks.spawn("clock", reporter.watch_clock(Duration::ZERO, dates));
    tokio::select! {
        left = upload.run(Until::ONCE) => left,
        error = tasks.first_end() => Err(error),
        () = stop_signal.received() => Ok(Some("told to stop".to_owned())),
    }
}

fn printer(print_events: bool) -> anyhow::Result<(Option<Printer>, Option<Watcher>)> {
    if !print_events {
        return Ok((None, None));
    }
    let (printer, watcher) = Printer::start()?;
    Ok((Some(printer), Some(watcher)))
}

async fn assemble(config: &Arc<Config>, watcher: Option<Watcher>) -> anyhow::Result<Parts> {
    let store = open_store(config).await?;
    let client = Client::new(&config.backend, config.batch.pipeline + 2, store.floor().clone())?;
    client.token().header().map_err(anyhow::Error::msg)?;
    let wake = Arc::new(Notify::new());
    let (orders, commands) = mpsc::channel(CHANNEL);
    let (date, dates) = mpsc::channel(CHANNEL);
    let (stop, stopped) = watch::channel(false);
    let holder = holder(config, &store, orders.clone(), &wake);
    let control = Server::start(&config.control_path(), holder)?;
    let wiring = Wiring {
        name: "backend".to_owned(),
        store: store.clone(),
        wake: Arc::clone(&wake),
        commands,
        stop: stopped,
        watcher,
        gather: Duration::from_millis(config.batch.gather_ms),
        dates: Some(date),
        kiosk: config.kiosk_path(),
    };
    let upload = Upload::new(engine(config), Arc::new(client.clone()), wiring, &config.outbox, &config.state);
    Ok(Parts { store, client, upload, stop, wake, dates, orders, _control: control })
}

fn holder(config: &Arc<Config>, store: &Store, orders: mpsc::Sender<Command>, wake: &Arc<Notify>) -> Holder {
    let wake = Arc::clone(wake);
    Holder {
        store: store.clone(),
        config: Arc::clone(config),
        orders: Some(Arc::new(move |command| {
            if orders.blocking_send(command).is_err() {
                warn!("a command came while the agent stops; it is carried out after the next start");
            }
        })),
        grown: Some(Arc::new(move || wake.notify_one())),
    }
}

/// The engine that a configuration asks for.
#[must_use]
pub fn engine(config: &Config) -> Engine {
    let policy = Policy {
        base_ms: config.retry.base_ms,
        cap_ms: config.retry.cap_ms,
        budget: config.retry.budget,
        spread_ms: config.retry.spread_s.saturating_mul(1_000),
    };
    let batch = config.batch;
    let limits =
        Limits { max_events: batch.max_events, max_bytes: batch.max_bytes, window: batch.max_events * (batch.pipeline + 2) };
    Engine::new(Retry::new(policy, batch.pipeline, &config.source, 0), limits, policy.cap_ms)
}

async fn open_store(config: &Arc<Config>) -> anyhow::Result<Store> {
    let begun = Instant::now();
    loop {
        let task = Arc::clone(config);
        match tokio::task::spawn_blocking(move || Store::open(&task.state, &task.source)).await? {
            Err(OpenError::InUse { .. }) if begun.elapsed() < LOCK_PATIENCE => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            other => return other.with_context(|| format!("cannot open the agent's file {}", config.state.display())),
        }
    }
}

/// The visitor cache lies on disk under a key that is sealed to the machine where that works. One that cannot be read, because
/// the disk is in another machine, is replaced, and the cache filled anew.
async fn keep_cache_key(config: &Arc<Config>, store: &Store) -> anyhow::Result<()> {
    let (config, file) = (Arc::clone(config), store.clone());
    let known = tokio::task::spawn_blocking(move || {
        let vault = match &config.enrol {
            Some(enrol) => Vault::new(&enrol.folder, enrol.seal),
            None => Vault::new(&config.state.with_extension("keys"), Seal::Auto),
        };
        let stored = vault.get(CACHE_KEY).unwrap_or_else(|error| {
            warn!(error = format!("{error:#}"), "the visitor cache's key is not of this machine: the cache begins anew");
            None
        });
        let key = match stored.and_then(|bytes| CacheKey::from_bytes(&bytes)) {
            Some(key) => key,
            None => {
                let key = file.raw().cache_key();
                vault.put(CACHE_KEY, key.bytes())?;
                key
            }
        };
        anyhow::Ok(file.raw().use_cache_key(key)?)
    });
    if !known.await?? {
        store.set_note(STORE_CURSOR, String::new()).await?;
    }
    Ok(())
}

fn fleet(config: &Arc<Config>, enrolled: &Arc<Enrolled>, store: &Store, client: &Client, end: mpsc::Sender<End>) -> Fleet {
    let orders = Orders::new(Arc::clone(config), Arc::clone(enrolled), store.clone(), client.clone(), end);
    let staff = Staff::new(Arc::clone(enrolled), store.clone(), client.clone());
    Fleet { enrolled: Arc::clone(enrolled), machine: enrol::machine(&config.state), orders, staff }
}

/// A copied disk is healed by a new log, which the files open by themselves; people should know of it.
async fn report_copy(fleet: &Fleet, store: &Store) -> anyhow::Result<()> {
    if !fleet.enrolled.is_copied(&fleet.machine) {
        return Ok(());
    }
    warn!("this is another machine or disk than was enrolled: `fleet replace` gives this device a name of its own");
    let detail = "another machine or disk than was enrolled";
    let data = json!({"alarm": "copied", "detail": detail, "by": "sync-agent", "machine": fleet.machine});
    store.record(kinds::DEVICE_ALARM, data).await
}

fn start_fleet(fleet: &Fleet, store: &Store, client: &Client, tasks: &mut Tasks) {
    let Fleet { enrolled, orders, staff, .. } = fleet.clone();
    let cards = Cards::new(client.clone(), store.clone(), staff.clone());
    let feed = Feed { enrolled, store: store.clone(), client: client.clone(), staff, cards, orders: orders.clone() };
    tasks.spawn("feed", feed.clone().follow());
    tasks.spawn("refresh", feed.refresh());
    tasks.spawn("retire", orders.retire());
}

fn serve_questions(
    config: &Config,
    client: &Client,
    store: &Store,
    fleet: Option<Fleet>,
    tasks: &mut Tasks,
) -> anyhow::Result<AskService> {
    let limits = config.visitors;
    let (budget, fresh) = (Duration::from_millis(limits.resolve_ms), Duration::from_secs(limits.fresh_s));
    let visitors = Visitors::new(client.clone(), store.clone(), budget, fresh, config.store(), &config.kiosk_path());
    if limits.refresh_s > 0 {
        tasks.spawn("visitors", visitors.clone().keep_current(Duration::from_secs(limits.refresh_s)));
    }
    let runtime = tokio::runtime::Handle::current();
    let path = config.ask_path();
    let shown = path.display().to_string();
    let server = AskServer::bind(path, &who_may_ask(config)?)
        .with_context(|| format!("{shown}: cannot listen for the kiosk's questions"))?;
    let cards = fleet.as_ref().map(|fleet| Cards::new(client.clone(), store.clone(), fleet.staff.clone()));
    let gifts = Gifts::new(client.clone());
    Ok(server.serve(move |ask| match (&fleet, &cards, ask) {
        (_, _, Ask::Gift { key, want }) => runtime.block_on(gifts.answer(key, *want)),
        (_, Some(cards), Ask::Cards { staff, want }) => runtime.block_on(cards.answer(staff, *want)),
        (Some(fleet), _, ask) => answer(fleet, ask).unwrap_or_else(|ask| runtime.block_on(visitors.answer(ask))),
        (None, _, ask) => runtime.block_on(visitors.answer(ask)),
    })?)
}

/// The users beside the agent's own who may ask.
pub(crate) fn who_may_ask(config: &Config) -> anyhow::Result<Vec<u32>> {
    let mut uids = config.link.uids.clone();
    for user in &config.link.users {
        uids.push(uid_of(user).context("`link.users`")?);
    }
    Ok(uids)
}

/// What an enrolled device answers the kiosk; other questions come back.
fn answer(fleet: &Fleet, ask: Ask) -> Result<Answer, Ask> {
    Ok(match ask {
        Ask::Enrol { .. } | Ask::Enrolment => {
            Answer::Enrolment { state: EnrolmentState::Enrolled { enrolment: Box::new(fleet.enrolled.enrolment()) } }
        }
        Ask::Keys => Answer::Keys { keys: fleet.enrolled.keys() },
        Ask::Assert { staff } => fleet.staff.assert(&staff),
        Ask::ChangeStaff { change } => fleet.staff.change(&change),
        other => return Err(other),
    })
}

fn start_reports(
    config: &Arc<Config>,
    client: &Client,
    store: &Store,
    (dates, orders): (mpsc::Receiver<(i64, u64)>, mpsc::Sender<Command>),
    fleet: Option<Fleet>,
    tasks: &mut Tasks,
) {
    let (store, client, started) = (store.clone(), client.clone(), Instant::now());
    let reporter = Reporter { config: Arc::clone(config), store, client, started, fleet };
    let report = config.report;
    if let Some(device) = config.device()
        && report.status_s > 0
    {
        tasks.spawn("status", reporter.clone().post_status(device.to_owned(), Duration::from_secs(report.status_s), orders));
    }
    if report.health_s > 0 {
        tasks.spawn("health", reporter.clone().record_health(Duration::from_secs(report.health_s)));
    }
    tasks.spawn("housekeeping", reporter.clone().keep_house(HOUSEKEEPING));
    tasks.spawn("clock", reporter.watch_clock(Duration::from_secs(report.clock_s), dates));
}

/// Mirrors look at the files by themselves, end with the process, and are named in their alarms.
fn start_mirrors(config: &Arc<Config>, store: &Store, tasks: &mut Tasks) -> anyhow::Result<()> {
    for mirror in &config.mirror {
        let client = Mirror::new(mirror, &config.backend.proxy, store.floor().clone())
            .with_context(|| format!("mirror `{}`", mirror.name))?;
        let engine = client.engine(&config.source);
        let (orders, commands) = mpsc::channel(1);
        let (stop, stopped) = watch::channel(false);
        let wiring = Wiring {
            name: format!("mirror {}", mirror.name),
            store: store.of_mirror(&mirror.name),
            wake: Arc::default(),
            commands,
            stop: stopped,
            watcher: None,
            gather: Duration::from_millis(config.batch.gather_ms),
            dates: None,
            kiosk: config.kiosk_path(),
        };
        let upload = Upload::new(engine, Arc::new(client), wiring, &config.outbox, &config.state);
        tasks.spawn("mirror", async move {
            // Both ends live as long as the upload: nobody orders a mirror about.
            let _ends = (orders, stop);
            upload.run(Until::STOPPED).await.map(drop)
        });
    }
    Ok(())
}

/// A thread that hands the kiosk's datagrams on. Without it the files are looked at twice a second.
fn listen_for_wakeups(config: &Config, wake: Arc<Notify>) -> Option<StopOnDrop> {
    let path = config.wake_path();
    let receiver = match WakeReceiver::bind(&path) {
        Ok(receiver) => receiver,
        Err(error) => {
            warn!(%error, path = %path.display(), "no wake-ups: new events are found within half a second");
            return None;
        }
    };
    let stop = StopOnDrop::default();
    let stopped = Arc::clone(&stop.0);
    let thread = std::thread::Builder::new().name("wake".into()).spawn(move || {
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            match receiver.wait(Duration::from_secs(1)) {
                Ok(true) => wake.notify_one(),
                Ok(false) => {}
                Err(error) => return warn!(%error, "wake-ups stopped"),
            }
        }
    });
    if let Err(error) = thread {
        warn!(%error, "no thread for wake-ups");
    }
    Some(stop)
}

#[derive(Default)]
struct StopOnDrop(Arc<std::sync::atomic::AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

struct StopSignal {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
}

impl StopSignal {
    fn new() -> anyhow::Result<StopSignal> {
        Ok(StopSignal { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// Prints one line an event on a thread of its own, so that a reader who stalls never holds the upload: lines beyond
/// [`PRINT_LINES`] are left out and counted. Dropping it waits [`PRINT_FLUSH`] for the rest.
struct Printer {
    lines: Option<std::sync::mpsc::SyncSender<String>>,
    done: std::sync::mpsc::Receiver<()>,
}

const PRINT_LINES: usize = 65_536;
const PRINT_FLUSH: Duration = Duration::from_secs(2);

impl Printer {
    fn start() -> anyhow::Result<(Printer, Watcher)> {
        let (lines, waiting) = std::sync::mpsc::sync_channel::<String>(PRINT_LINES);
        let (ready, done) = std::sync::mpsc::channel();
        std::thread::Builder::new().name("print".into()).spawn(move || {
            let mut out = std::io::stdout();
            // A closed pipe is nobody's loss.
            while let Ok(line) = waiting.recv() {
                if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
                    break;
                }
            }
            let _ = ready.send(());
        })?;
        let sender = lines.clone();
        let watcher: Watcher = Arc::new(move |seen: &Seen| {
            if let Err(std::sync::mpsc::TrySendError::Full(line)) = sender.try_send(line_of(seen)) {
                warn!(line, "nobody reads the printed events");
            }
        });
        Ok((Printer { lines: Some(lines), done }, watcher))
    }
}

impl Printer {
    fn say(&self, line: &str) {
        if let Some(lines) = &self.lines {
            let _ = lines.try_send(line.to_owned());
        }
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        self.lines = None;
        if self.done.recv_timeout(PRINT_FLUSH).is_err() {
            warn!("not all printed events were read");
        }
    }
}

/// `accepted 00000000000000000042 cem.order.placed.v1 <id>`.
fn line_of(seen: &Seen) -> String {
    let number = cem_contract::time::sequence(seen.sequence);
    let reason = seen.reason.as_deref().map(|r| format!(" {r}")).unwrap_or_default();
    format!("{} {number} {} {}{reason}", seen.status, seen.kind, seen.id)
}
