//! The loop's thread and the handles on it.

use crate::{
    adapters::{DeskSide, Fitted, Hands, SharedCurrency, Waking, Wires},
    agent,
    clock::{Clock, SystemClock},
    config::{AgentPaths, KioskConfig},
    content::{self, Content, Shown},
    engine::{Dead, Engine},
    fleet::{Camera, FleetDoor, Status, wipe_files},
    glass::{GlassSide, Glazier},
    journal::Journal,
    mailbox::{Mailbox, Message, Refused, Sender, mailbox},
    outbox::OutboxJournal,
    start,
    supervise::Stopping,
};
use anyhow::{Context as _, Result};
use edge_db::link::AskService;
use kiosk_content::{Picture, Shop, Theme};
use kiosk_core::{Catalogue, DeskIntent, DeviceEvent, Input, Intent, Kiosk, Now, Snapshot};
use kiosk_devices::BoardConfig;
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Where the screen gets its snapshots. Called on the shell's thread: it must hand over and return. Dropped when the
/// shell ends, so that a channel inside it tells the screen.
pub type Sink = Box<dyn Fn(Arc<Snapshot>) + Send>;

/// The loop looks around at least this often.
const IDLE: Duration = Duration::from_secs(1);
/// A stop waits this long for a payment at the terminal; after that the attempt is left open on disk and counts as sent.
const STOP_WAIT_MS: u64 = 60_000;
/// A stop waits this long for adapters to end; one that hangs in its device is left behind.
const JOIN_WAIT: Duration = Duration::from_secs(3);
/// Exit status of a process whose shell failed: `EX_SOFTWARE` of sysexits.h.
const EXIT_FAILED: i32 = 70;

/// A running kiosk without its screen. Dropping it stops it.
#[derive(Debug)]
pub struct Shell {
    handle: ShellHandle,
    stopping: Stopping,
    thread: Option<JoinHandle<()>>,
    /// Disconnected once every adapter has ended.
    alive: Receiver<()>,
    /// Answers the agent for as long as the shell lives.
    _asked: Option<AskService>,
}

/// What the screen holds: the way in, and what to draw with.
#[derive(Clone)]
pub struct ShellHandle {
    sender: Sender,
    beats: Arc<AtomicU64>,
    content: Shown,
    board: Arc<BoardConfig>,
    camera: Arc<OnceLock<Camera>>,
    glazier: Arc<OnceLock<Glazier>>,
}

impl std::fmt::Debug for ShellHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShellHandle").field("beats", &self.beats()).finish_non_exhaustive()
    }
}

impl Shell {
    /// Reads what the config names, opens the disk, restores what is on it, and starts the adapters and the loop.
    ///
    /// The loop ends the whole process with status 70 if it panics or the disk fails in a way that only a restart can
    /// settle: a kiosk must not show a menu behind which nothing runs.
    ///
    /// # Errors
    /// A sentence that says which file is wrong, where, and what to do.
    pub fn start(config: KioskConfig, sink: Sink) -> Result<Self> {
        Self::start_with(config, Arc::new(SystemClock::new()), sink)
    }

    /// As [`Shell::start`], with another clock.
    ///
    /// # Errors
    /// As [`Shell::start`].
    pub fn start_with(config: KioskConfig, clock: Arc<dyn Clock>, sink: Sink) -> Result<Self> {
        let (content, known) = content::open(&config.content)?;
        let board = Arc::new(BoardConfig::load(&config.board)?);
        let shared = start::Shared::new(&config);
        let disk = start::open(&config, &shared, &board, &content)?;
        let currency = SharedCurrency::new(Mutex::new(content.catalogue.currency));
        let shown = Shown::new(RwLock::new(Arc::new(content)));
        let glazier = Arc::<OnceLock<Glazier>>::default();
        let glass = GlassSide::new(config.glass(), glazier.clone());
        let desk = start::desk_side(&config, &shared, disk.outbox.clone(), &clock, glass);
        let desk = DeskSide { board: Some(board.clone()), ..desk };
        let (fiscal, wake) = start::fiscal_side(&config, &board, &disk.outbox).unzip();
        let fitted = start::fit(&config, &shared, &board, &shown, &clock, &disk.outbox, fiscal)?;
        let fitted = Fitted { desk: Some(desk), ..fitted };
        let (sender, inbox) = mailbox();
        let stopping = Stopping::default();
        let (end, alive) = channel();
        let beats = Arc::<AtomicU64>::default();
        let wires = Wires::new(sender.clone(), stopping.clone(), end).counting(beats.clone());
        let hands = Hands::start(fitted, &wires, currency.clone()).context("the adapters could not be started")?;
        content::watch(known, wires).context("the content could not be watched")?;
        let (status, camera) = (Arc::<Status>::default(), Arc::<OnceLock<Camera>>::default());
        let door = |agent: &AgentPaths| FleetDoor {
            to_loop: sender.clone(),
            status: status.clone(),
            camera: camera.clone(),
            pictures: agent.answer.parent().map(Path::to_owned).unwrap_or_default(),
        };
        let asked = config.agent.as_ref().map(|agent| agent::answer_at(agent, disk.outbox.clone(), door(agent))).transpose();
        let asked = asked.context("agent.answer: the socket cannot be made")?;
        let journal: Box<dyn Journal> = Box::new(OutboxJournal::new(disk.outbox));
        let journal = match wake {
            Some(wake) => Box::new(Waking { journal, wake }),
            None => journal,
        };
        let engine = Engine::new(disk.kiosk, disk.recorder, journal, Box::new(hands));
        let handle = ShellHandle { sender, beats: beats.clone(), content: shown.clone(), board, camera, glazier };
        let wiped = Wiped { kiosk_db: config.kiosk_db(), own: config.own_files.clone() };
        let work = Loop { engine, inbox, clock, sink, beats, shown, currency, status, wiped, pending: None, last: None };
        let thread = thread::Builder::new().name("shell".to_owned()).spawn(move || run_to_the_end(work))?;
        Ok(Self { handle, stopping, thread: Some(thread), alive, _asked: asked })
    }

    /// A handle for the screen.
    pub fn handle(&self) -> ShellHandle {
        self.handle.clone()
    }

    /// Ends everything: no new sale, a payment in flight is waited for (60 s at most), the disk is closed. Returns when
    /// that is done.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // Fails only where the loop has ended already.
        let _ = self.handle.sender.message(Message::Stop);
        if thread.join().is_err() {
            tracing::error!("the shell's thread ended by a panic");
        }
        self.stopping.stop();
        if self.alive.recv_timeout(JOIN_WAIT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!("an adapter did not end in time and is left behind");
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.end();
    }
}

impl ShellHandle {
    /// What the guest wants. Never blocks.
    ///
    /// # Errors
    /// [`Refused::Full`] where the loop is thousands of touches behind (counted and logged), [`Refused::Stopped`] once it
    /// has ended.
    pub fn send(&self, intent: Intent) -> std::result::Result<(), Refused> {
        self.sender.intent(intent)
    }

    /// What staff want. Never waits.
    ///
    /// # Errors
    /// As [`ShellHandle::send`].
    pub fn desk(&self, intent: DeskIntent) -> std::result::Result<(), Refused> {
        self.sender.touch(Input::Desk(intent))
    }

    /// Whoever has the screen gives a way to make a picture of it. The first counts.
    pub fn set_camera(&self, camera: Camera) {
        let _ = self.camera.set(camera);
    }

    /// Whoever has the glass gives a way to correct its touches; what was kept ([`crate::kept_glass`]) holds already. The first
    /// counts.
    pub fn set_glazier(&self, glazier: Glazier) {
        let _ = self.glazier.set(glazier);
    }

    /// Touches that were refused since the start.
    pub fn refused(&self) -> u64 {
        self.sender.refused()
    }

    /// Rounds of the loop since the start: it grows at least once a second while the loop makes progress, whatever else the
    /// process does. A watchdog is fed by its growing and by nothing else.
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// All content in force: what the ids in the last snapshot refer to. A new menu comes into force at an attract screen,
    /// and is another `Arc` from then on.
    pub fn content(&self) -> Arc<Content> {
        self.content.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The menu in force.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.content().catalogue.clone()
    }

    /// Colours and shapes in force.
    pub fn theme(&self) -> Arc<Theme> {
        self.content().theme.clone()
    }

    /// Names, languages and attract texts in force.
    pub fn shop(&self) -> Arc<Shop> {
        self.content().shop.clone()
    }

    /// Pictures by key.
    pub fn pictures(&self) -> Arc<BTreeMap<String, Picture>> {
        self.content().pictures.clone()
    }

    /// The board: its display, and where the guest finds the terminal.
    pub fn board(&self) -> Arc<BoardConfig> {
        self.board.clone()
    }
}

/// The loop with all it owns.
struct Loop {
    engine: Engine,
    inbox: Mailbox,
    clock: Arc<dyn Clock>,
    sink: Sink,
    beats: Arc<AtomicU64>,
    shown: Shown,
    currency: SharedCurrency,
    status: Arc<Status>,
    wiped: Wiped,
    /// Content that the core has been given and not put in force yet.
    pending: Option<Arc<Content>>,
    last: Option<Arc<Snapshot>>,
}

/// What a wipe deletes.
#[derive(Default)]
struct Wiped {
    kiosk_db: PathBuf,
    own: Vec<PathBuf>,
}

fn run_to_the_end(mut work: Loop) {
    let result = catch_unwind(AssertUnwindSafe(|| work.run()));
    let why = match result {
        Ok(Ok(())) => return,
        Ok(Err(dead)) => dead.to_string(),
        Err(_) => "it panicked".to_owned(),
    };
    tracing::error!(why, "the shell has failed; the process ends, to start again from what is on disk");
    std::process::exit(EXIT_FAILED);
}

impl Loop {
    fn run(&mut self) -> Result<(), Dead> {
        self.step(Input::Tick)?;
        loop {
            match self.next()? {
                None => {}
                Some(Message::Input(input)) => self.step(input)?,
                Some(Message::Content(content)) => self.take(*content)?,
                Some(Message::Wipe(done)) => {
                    self.wind_up()?;
                    wipe_files(&self.wiped.kiosk_db, &self.wiped.own);
                    tracing::warn!("this kiosk was retired: everything that it recorded and was given is deleted");
                    let _ = done.send(());
                    return Ok(());
                }
                Some(Message::Forget { visitors, done }) => self.forget(visitors, &done)?,
                Some(Message::Stop) => break,
            }
        }
        self.wind_up()
    }

    /// The next message, with a tick before it where one is due.
    fn next(&mut self) -> Result<Option<Message>, Dead> {
        let due = self.last.as_ref().and_then(|snapshot| snapshot.next_tick_ms);
        let left = |now: Now| due.map_or(IDLE, |at| Duration::from_millis(at.saturating_sub(now.mono_ms)).min(IDLE));
        let message = self.inbox.next(left(self.clock.now()));
        self.beats.fetch_add(1, Ordering::Relaxed);
        if due.is_some_and(|at| self.clock.now().mono_ms >= at) {
            self.step(Input::Tick)?;
        }
        Ok(message)
    }

    fn step(&mut self, input: Input) -> Result<(), Dead> {
        let now = self.clock.now();
        let Self { engine, sink, shown, currency, pending, last, .. } = self;
        engine.handle_shown(now, input, &mut |kiosk| {
            put_in_force(kiosk, pending, shown, currency);
            publish(kiosk.snapshot(now), last, sink);
        })?;
        self.status.say(self.engine.kiosk().is_out_of_service() && !self.engine.money_in_flight());
        Ok(())
    }

    fn take(&mut self, content: Content) -> Result<(), Dead> {
        let content = Arc::new(content);
        self.engine.replace_catalogue(content.catalogue.clone());
        self.pending = Some(content);
        self.step(Input::Tick)
    }

    fn forget(&mut self, visitors: Vec<String>, done: &SyncSender<()>) -> Result<(), Dead> {
        self.engine.forget_orders_at_hand();
        self.step(Input::Device(DeviceEvent::Forgotten { visitors }))?;
        // Whoever asked may have given up.
        let _ = done.send(());
        Ok(())
    }

    /// No intent is taken any more; what hardware says about money in flight still is.
    fn wind_up(&mut self) -> Result<(), Dead> {
        let until = self.clock.now().mono_ms.saturating_add(STOP_WAIT_MS);
        while self.engine.money_in_flight() && self.clock.now().mono_ms < until {
            if let Some(Message::Input(input @ Input::Device(_))) = self.next()? {
                self.step(input)?;
            }
        }
        if self.engine.money_in_flight() {
            tracing::warn!("a payment had no end when the kiosk was stopped; it counts as sent at the next start");
        }
        self.engine.flush()
    }
}

/// The screen must never draw ids of one menu from another: both change before the first snapshot that needs them.
fn put_in_force(kiosk: &Kiosk, pending: &mut Option<Arc<Content>>, shown: &Shown, currency: &SharedCurrency) {
    if let Some(content) = pending.take_if(|content| Arc::ptr_eq(&content.catalogue, kiosk.catalogue())) {
        tracing::info!(menu = content.catalogue.version, "new content is in force");
        *currency.lock().unwrap_or_else(PoisonError::into_inner) = content.catalogue.currency;
        *shown.write().unwrap_or_else(PoisonError::into_inner) = content;
    }
}

fn publish(snapshot: Snapshot, last: &mut Option<Arc<Snapshot>>, sink: &Sink) {
    if last.as_deref() != Some(&snapshot) {
        let snapshot = Arc::new(snapshot);
        *last = Some(snapshot.clone());
        sink(snapshot);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        clock::VirtualClock,
        engine::Ports,
        journal::{Journal, JournalError, Wait},
        record::{Recorder, Recording},
    };
    use edge_db::{AttemptState, Commit};
    use kiosk_core::{
        ClockQuality, Command, CommandOutcome, Config, DeviceEvent, Id, Minor, Paper, Service, Signal, Stage, Tender,
    };
    use std::path::Path;

    /// A journal and a terminal that remember.
    #[derive(Clone, Default)]
    struct World {
        commits: Arc<Mutex<Vec<Commit>>>,
        charge: Arc<Mutex<Option<(Id, Minor)>>>,
    }

    impl Journal for World {
        fn commit(&mut self, commit: Commit, _: Wait) -> std::result::Result<(), JournalError> {
            self.commits.lock().unwrap().push(commit);
            Ok(())
        }
        fn flush(&mut self) -> std::result::Result<(), JournalError> {
            Ok(())
        }
    }

    impl Ports for World {
        fn command(&mut self, attempt: Id, command: Command) -> bool {
            *self.charge.lock().unwrap() = Some((attempt, command.amount()));
            true
        }
        fn enquire(&mut self, _: Id) -> bool {
            false
        }
        fn abort_command(&mut self, _: Id) {}
        fn identify(&mut self, _: String) {}
        fn print(&mut self, _: Paper) -> bool {
            true
        }
        fn signal(&mut self, _: Signal) {}
        fn open_drawer(&mut self) -> bool {
            true
        }
    }

    fn demo() -> Content {
        Content::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/demo")).unwrap()
    }

    /// A loop that stands still, its queue, its world, and what it has shown.
    fn a_loop(content: Content) -> (Loop, Sender, World, Receiver<Arc<Snapshot>>) {
        let world = World::default();
        let who = Recording {
            device: "k-01".into(),
            role: "kiosk",
            till: "1".into(),
            terminal: "t".into(),
            boot: "b".into(),
            seed: [1; 32],
            pages: None,
        };
        let kiosk = Kiosk::new(Config::default(), content.catalogue.clone());
        let engine = Engine::new(kiosk, Recorder::new(who), Box::new(world.clone()), Box::new(world.clone()));
        let now = Now { mono_ms: 1, utc_ms: Some(1_795_257_000_000), offset_min: 0, quality: ClockQuality::Synced };
        let (sender, inbox) = mailbox();
        let (shows, shown) = channel();
        let currency = SharedCurrency::new(Mutex::new(content.catalogue.currency));
        let work = Loop {
            engine,
            inbox,
            clock: Arc::new(VirtualClock::new(now)),
            sink: Box::new(move |snapshot| shows.send(snapshot).unwrap()),
            beats: Arc::default(),
            shown: Shown::new(RwLock::new(Arc::new(content))),
            currency,
            status: Arc::default(),
            wiped: Wiped::default(),
            pending: None,
            last: None,
        };
        (work, sender, world, shown)
    }

    fn order(sender: &Sender, tender: Tender) {
        let line = Intent::AddOpenPrice { sku: "x".into(), name: "X".into(), quantity: 1, amount: Minor(390) };
        let begin = [Intent::Begin, Intent::ChooseService(Service::EatIn), line];
        for intent in begin.into_iter().chain([Intent::OpenBasket, Intent::Checkout, Intent::Pay(tender)]) {
            sender.intent(intent).unwrap();
        }
    }

    #[test]
    fn a_stop_waits_for_the_payment_at_the_terminal_and_takes_no_touch_meanwhile() {
        let (mut work, sender, world, shown) = a_loop(demo());
        let waiting = thread::spawn(move || {
            let result = work.run();
            (result, work)
        });
        order(&sender, Tender::Card);
        let paying = shown.iter().find(|snapshot| snapshot.stage == Stage::Paying);
        assert!(paying.is_some());
        sender.message(Message::Stop).unwrap();
        sender.intent(Intent::CancelPayment).unwrap();
        let (attempt, amount) = world.charge.lock().unwrap().unwrap();
        let outcome = CommandOutcome::approved(amount, 3, "");
        sender.device(DeviceEvent::CommandEnded { attempt, outcome }).unwrap();
        let (result, work) = waiting.join().unwrap();
        result.unwrap();
        assert!(!work.engine.money_in_flight());
        let commits = world.commits.lock().unwrap();
        let last = commits.iter().flat_map(|commit| &commit.attempts).next_back().unwrap();
        assert_eq!(last.state, AttemptState::Approved);
    }

    #[test]
    fn a_retired_kiosk_ends_its_payment_and_deletes_its_files_before_it_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (kiosk_db, key) = (folder.path().join("kiosk.db"), folder.path().join("tenant.key"));
        for path in [&kiosk_db, &key] {
            std::fs::write(path, "x").unwrap();
        }
        let (mut work, sender, world, shown) = a_loop(demo());
        work.wiped = Wiped { kiosk_db: kiosk_db.clone(), own: vec![key.clone()] };
        let waiting = thread::spawn(move || work.run());
        order(&sender, Tender::Card);
        assert!(shown.iter().any(|snapshot| snapshot.stage == Stage::Paying));
        let (done, wiped) = std::sync::mpsc::sync_channel(1);
        sender.message(Message::Wipe(done)).unwrap();
        assert!(kiosk_db.exists(), "money first");
        let (attempt, amount) = world.charge.lock().unwrap().unwrap();
        sender.device(DeviceEvent::CommandEnded { attempt, outcome: CommandOutcome::approved(amount, 3, "") }).unwrap();
        wiped.recv().unwrap();
        assert!(!kiosk_db.exists() && !key.exists());
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn a_new_menu_and_its_pictures_come_into_force_together_at_the_next_attract_screen() {
        let (mut work, sender, _, _shown) = a_loop(demo());
        let old = work.shown.read().unwrap().clone();
        order(&sender, Tender::Cash);
        sender.message(Message::Content(Box::new(demo()))).unwrap();
        while let Some(message) = work.inbox.next(Duration::ZERO) {
            match message {
                Message::Input(input) => work.step(input).unwrap(),
                Message::Content(content) => work.take(*content).unwrap(),
                Message::Forget { visitors, done } => work.forget(visitors, &done).unwrap(),
                Message::Stop | Message::Wipe(_) => unreachable!("nobody stops it"),
            }
        }
        assert!(Arc::ptr_eq(&old, &work.shown.read().unwrap()), "a visit keeps the menu that it began with");
        work.step(Input::Intent(Intent::Finish)).unwrap();
        let new = work.shown.read().unwrap().clone();
        assert!(!Arc::ptr_eq(&old, &new));
        assert!(Arc::ptr_eq(&new.catalogue, work.engine.kiosk().catalogue()));
    }
}
