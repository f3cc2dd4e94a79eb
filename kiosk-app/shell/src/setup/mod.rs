//! The first start, carried out: what [`kiosk_core::setup`] decides is done to this machine, with the sync agent, and to the
//! devices.
//!
//! ```text
//! SetupHandle::send ──▶ thread `setup`: Setup::intent ──▶ [SetupEffect…] ──▶ thread `setup-work`, one after the other
//!        Arc<SetupView> ◀──────┘   ▲                                               │
//!                                  └────────────── SetupEvent ◀────────────────────┘
//! ```
//!
//! It ends with `kiosk.toml` written beside the kiosk's data: from then on the program starts as that kiosk. Nothing is
//! written before the device is enrolled, so that a start that is given up half way begins anew.

mod join;
mod machine;
mod settings;

pub use machine::{Machine, NetworkManager};
pub use settings::FirstStart;

use crate::check::{self, Finding, Part, Verdict};
use crate::clock::Clock;
use kiosk_core::{
    Command, Currency, Id, Minor, Now,
    device::DeviceKind,
    setup::{Setup, SetupEffect, SetupEvent, SetupIntent, SetupTrouble, SetupView, Tried},
    terminal::CommandOutcome,
};
use kiosk_devices::{AbortFlag, BoardConfig, FinancialRequest, open_terminal};
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

/// The test sale: one minor unit.
const TEST_AMOUNT: Minor = Minor(1);

/// Where views go.
pub type SetupSink = Box<dyn Fn(Arc<SetupView>) + Send>;

enum Message {
    Intent(SetupIntent),
    Event(SetupEvent),
    Stop,
}

/// The way in.
#[derive(Clone)]
pub struct SetupHandle(Sender<Message>);

impl SetupHandle {
    /// Sends what the person wants. Once the first start has ended, nobody listens.
    pub fn send(&self, intent: SetupIntent) {
        let _ = self.0.send(Message::Intent(intent));
    }
}

/// A first start under way.
pub struct SetupShell {
    to_loop: Sender<Message>,
    threads: Vec<JoinHandle<()>>,
}

impl SetupShell {
    /// Starts the loop; `sink` gets every view, the last one when the kiosk may open, then `opened` is called.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn start(
        settings: FirstStart,
        machine: Box<dyn Machine>,
        clock: Arc<dyn Clock>,
        sink: SetupSink,
        opened: Box<dyn FnOnce() + Send>,
    ) -> std::io::Result<Self> {
        let (to_loop, inbox) = channel();
        let (work, jobs) = channel();
        let rotation = BoardConfig::load(&settings.board).map_or(0, |board| board.display.rotation);
        let setup = Setup::new(kiosk_core::Lang(0), settings.zones.clone(), settings.backend.clone(), rotation);
        let events = to_loop.clone();
        let mut worker = Worker { settings, machine, events };
        let threads = vec![
            std::thread::Builder::new().name("setup-work".into()).spawn(move || worker.run(&jobs))?,
            std::thread::Builder::new().name("setup".into()).spawn(move || turn(setup, &inbox, &work, &clock, &sink, opened))?,
        ];
        Ok(Self { to_loop, threads })
    }

    /// The way in.
    pub fn handle(&self) -> SetupHandle {
        SetupHandle(self.to_loop.clone())
    }

    /// Ends it.
    pub fn stop(self) {
        let _ = self.to_loop.send(Message::Stop);
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

fn turn(
    mut setup: Setup,
    inbox: &Receiver<Message>,
    work: &Sender<SetupEffect>,
    clock: &Arc<dyn Clock>,
    sink: &SetupSink,
    opened: Box<dyn FnOnce() + Send>,
) {
    sink(Arc::new(setup.view().clone()));
    loop {
        let now: Now = clock.now();
        let wait = setup.next_tick_ms().map_or(3_600_000, |due| due.saturating_sub(now.mono_ms).max(1));
        let effects = match inbox.recv_timeout(Duration::from_millis(wait)) {
            Ok(Message::Intent(intent)) => setup.intent(clock.now(), intent),
            Ok(Message::Event(event)) => setup.event(clock.now(), event),
            Err(RecvTimeoutError::Timeout) => setup.event(clock.now(), SetupEvent::Tick),
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        };
        sink(Arc::new(setup.view().clone()));
        for effect in effects {
            if effect == SetupEffect::Open {
                return opened();
            }
            let _ = work.send(effect);
        }
    }
}

/// Does one thing after the other; each is bounded in time by itself.
struct Worker {
    settings: FirstStart,
    machine: Box<dyn Machine>,
    events: Sender<Message>,
}

impl Worker {
    fn run(&mut self, jobs: &Receiver<SetupEffect>) {
        while let Ok(effect) = jobs.recv() {
            if let Some(event) = self.carry_out(effect) {
                let _ = self.events.send(Message::Event(event));
            }
        }
    }

    fn carry_out(&mut self, effect: SetupEffect) -> Option<SetupEvent> {
        Some(match effect {
            SetupEffect::LookAtNetwork => SetupEvent::Network(self.machine.network(self.settings.first_hop())),
            SetupEffect::JoinWifi { ssid, passphrase } => SetupEvent::WifiDone(self.machine.join_wifi(&ssid, &passphrase)),
            SetupEffect::SetProxy(proxy) => {
                self.settings.set_proxy(&proxy);
                return None;
            }
            SetupEffect::SetZone(zone) => SetupEvent::ClockDone(self.machine.set_zone(&zone)),
            SetupEffect::SetClock { local } => SetupEvent::ClockDone(self.machine.set_clock(&local)),
            SetupEffect::Rotate(degrees) => {
                self.settings.rotation = Some(degrees);
                return None;
            }
            SetupEffect::Join { code, backend } => {
                self.settings.backend.clone_from(&backend);
                let events = self.events.clone();
                let progress = move |joining| {
                    let _ = events.send(Message::Event(SetupEvent::Progress(joining)));
                };
                SetupEvent::JoinDone(join::join(&self.settings, &code, &progress))
            }
            SetupEffect::TryDevices => SetupEvent::Devices(self.try_devices()),
            SetupEffect::TestSale => SetupEvent::TestDone(self.test_sale()),
            SetupEffect::Open => return None,
        })
    }

    fn try_devices(&self) -> Vec<Tried> {
        match BoardConfig::load(&self.settings.board) {
            Ok(board) => check::check(&board).iter().filter_map(tried).collect(),
            Err(error) => {
                let what = format!("{}: {error}", self.settings.board.display());
                vec![Tried { kind: DeviceKind::Peripherals, works: Some(false), what }]
            }
        }
    }

    /// One minor unit, taken and given back at once: nothing is sold, so that nothing is recorded as a sale.
    fn test_sale(&self) -> Result<(), SetupTrouble> {
        let failed = |_| SetupTrouble::TestFailed;
        let board = BoardConfig::load(&self.settings.board).map_err(failed)?;
        let mut terminal = open_terminal(&board).ok_or(SetupTrouble::TestFailed)?;
        let currency = crate::Content::load(self.settings.content.clone()).map_or(Currency::EUR, |c| c.catalogue.currency);
        let mut run = |command| {
            let request = FinancialRequest { attempt: Id::default(), command, currency };
            terminal.run(&request, &AbortFlag::new(), &mut |_| {}).0
        };
        let CommandOutcome::Approved(receipt) = run(Command::Authorise { amount: TEST_AMOUNT }) else {
            return Err(SetupTrouble::TestFailed);
        };
        match run(Command::Reverse { amount: TEST_AMOUNT, receipt: receipt.number }) {
            CommandOutcome::Approved(_) => Ok(()),
            other => {
                tracing::error!(
                    ?other,
                    receipt = receipt.number,
                    "the test payment was not taken back; reverse it at the terminal"
                );
                Err(SetupTrouble::TestFailed)
            }
        }
    }
}

fn tried(finding: &Finding) -> Option<Tried> {
    let kind = match finding.part {
        Part::Reader => DeviceKind::Reader,
        Part::Scanner => DeviceKind::Scanner,
        Part::Terminal => DeviceKind::Terminal,
        Part::Printer => DeviceKind::Printer,
        Part::Board => DeviceKind::Peripherals,
        // The person sees and touches them while asking; a fiscal device is asked by `check` and at each receipt.
        Part::Display | Part::Touch | Part::Clock | Part::Fiscal => return None,
    };
    let works = match finding.verdict {
        Verdict::Works | Verdict::Doubtful => Some(true),
        Verdict::Fault => Some(false),
        Verdict::NotFitted => None,
    };
    let what = if finding.cure.is_empty() { finding.what.clone() } else { format!("{}. {}", finding.what, finding.cure) };
    Some(Tried { kind, works, what })
}
