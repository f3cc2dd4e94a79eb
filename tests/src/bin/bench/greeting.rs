//! From the card on the reader to the greeting by name in what the screen shows: the whole shell, agent and backend, with the
//! reader at the pace of wire and radio. Drawing is the screen's business and measured there.

use anyhow::{Context, Result, bail};
use cem_tests::{
    appliance::{Appliance, Parts},
    control,
};
use kiosk_core::{Intent, Snapshot, Stage};
use kiosk_shell::{KioskConfig, Shell, SystemClock};
use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(20);
/// Until the reader's process has noticed that a card has left: it looks ten times a second.
const LEFT: Duration = Duration::from_millis(400);

/// What the screen shows, and since when.
#[derive(Default)]
struct Shown {
    stage: Option<Stage>,
    named: bool,
    at: Option<Instant>,
}

#[derive(Clone, Default)]
struct Screen(Arc<(Mutex<Shown>, Condvar)>);

impl Screen {
    fn put(&self, snapshot: &Snapshot) {
        let named = snapshot.guest.as_ref().is_some_and(|guest| !guest.display_name.is_empty());
        let mut shown = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = Shown { stage: Some(snapshot.stage), named, at: Some(Instant::now()) };
        self.0.1.notify_all();
    }

    /// When it shows something like that.
    fn until(&self, what: &str, like: impl Fn(&Shown) -> bool) -> Result<Instant> {
        let shown = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.1.wait_timeout_while(shown, PATIENCE, |shown| !like(shown));
        let (shown, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            bail!("the screen never showed {what}");
        }
        shown.at.context("nothing was shown")
    }
}

/// Sorted times to the neutral greeting and to the one by name.
pub(super) struct Times {
    pub(super) neutral: Vec<Duration>,
    pub(super) named: Vec<Duration>,
}

pub(super) fn run(taps: usize) -> Result<Times> {
    let folder = tempfile::tempdir()?;
    let appliance = Appliance::start(folder.path(), Parts::Everything)?;
    let config = KioskConfig::load(appliance.kiosk_config())?;
    let screen = Screen::default();
    let sink = screen.clone();
    let shell = Shell::start_with(config, Arc::new(SystemClock::new()), Box::new(move |snapshot| sink.put(&snapshot)))?;
    let handle = shell.handle();
    let reader = appliance.run_folder().join("reader.ctl");
    let mut times = Times { neutral: Vec::new(), named: Vec::new() };
    screen.until("the attract screen", |shown| shown.stage == Some(Stage::Attract))?;
    for _ in 0..taps {
        std::thread::park_timeout(LEFT);
        let placed = Instant::now();
        control::send(&reader, "place jane")?;
        let neutral = screen.until("a greeting", |shown| shown.stage == Some(Stage::Greeting))?;
        let named = screen.until("her name", |shown| shown.named)?;
        times.neutral.push(neutral.saturating_duration_since(placed));
        times.named.push(named.saturating_duration_since(placed));
        control::send(&reader, "remove")?;
        for _ in 0..2 {
            // The second one confirms the first, where that is asked for.
            let _ = handle.send(Intent::StartOver);
        }
        screen.until("the attract screen", |shown| shown.stage == Some(Stage::Attract))?;
    }
    shell.stop();
    appliance.stop()?;
    times.neutral.sort();
    times.named.sort();
    Ok(times)
}
