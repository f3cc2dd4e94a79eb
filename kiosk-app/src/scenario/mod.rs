// SPDX-License-Identifier: GPL-3.0-only
//! A visit as a file: steps that a shop manager can read, played on the real screens with the real shell.
//!
//! Nothing here sleeps for luck: every step waits for what it needs, a snapshot or a word on the screen, and gives up at
//! its bound.

mod clock;
mod steps;

use crate::{
    board,
    camera::{self, Photograph},
    control,
    feed::Feed,
    headless::Headless,
    ui::{Ui, access_tree, said_to},
};
use anyhow::{Context as _, Result, anyhow, bail};
use clock::ShopClock;
use kiosk_core::{Stage, session::Overlay};
use kiosk_shell::{Clock, Content, KioskConfig, Shell, ShellHandle};
use slint::ComponentHandle as _;
use std::{
    path::{Path, PathBuf},
    rc::Rc,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, channel},
    },
    time::{Duration, Instant},
};
use steps::{Action, Scenario, Step};

/// Names the folder of control sockets, where the scenario does not.
const RUN_DIR: &str = "KIOSK_RUN_DIR";
/// How long a finger is held, where it is held.
const HOLD: Duration = Duration::from_secs(2);
/// How often the screen looks at the clock while nothing comes from the shell.
const FRAME: Duration = Duration::from_millis(50);

/// Plays the scenario in `file` on a screen of `size`, or of the board's.
///
/// # Errors
/// The first step that could not be done in its time: its number, its words, and what was on the screen instead.
pub fn run(config: &KioskConfig, file: &Path, pictures: Option<&Path>, size: Option<(u32, u32)>) -> Result<()> {
    let scenario = Scenario::load(file)?;
    let clock = Arc::new(ShopClock::default());
    let feed = Feed::default();
    let sink = feed.clone();
    let shell = Shell::start_with(
        config.clone(),
        clock.clone(),
        Box::new(move |snapshot| {
            sink.put(snapshot);
        }),
    )?;
    let result = Play::open(&scenario, config, &shell, (clock, feed), size).and_then(|mut play| {
        let pictures = pictures.unwrap_or(Path::new("."));
        play.play(&scenario, pictures)
    });
    shell.stop();
    result.with_context(|| format!("the scenario {} failed", file.display()))
}

/// The screen on which a scenario is played.
struct Play {
    headless: Headless,
    ui: Ui,
    feed: Feed,
    handle: ShellHandle,
    content: Arc<Content>,
    clock: Arc<ShopClock>,
    /// What the screen shows.
    now: Stage,
    overlay: Option<Overlay>,
    drawn: Instant,
    /// Keys of the pad that have arrived.
    pad: u32,
    /// Who wants a picture of the screen: the fleet, through the shell.
    photographers: Receiver<SyncSender<Photograph>>,
    run: Option<PathBuf>,
}

impl Play {
    fn open(
        scenario: &Scenario,
        config: &KioskConfig,
        shell: &Shell,
        (clock, feed): (Arc<ShopClock>, Feed),
        size: Option<(u32, u32)>,
    ) -> Result<Self> {
        let handle = shell.handle();
        let (width, height) = size.unwrap_or_else(|| board::size(&handle));
        let headless = Headless::install(width, height)?;
        let to = handle.clone();
        let send = Rc::new(move |intent| {
            // What is refused is counted and logged by the shell; the step that follows will not find what it waits for.
            let _ = to.send(intent);
        });
        let content = handle.content();
        let say = said_to(&handle);
        let mut ui = Ui::new((*content).clone(), board::facts(&handle), send, &say)?;
        if let Some(seconds) = config.session.still_there_s {
            ui.set_still_there_ms(u64::from(seconds) * 1000);
        }
        ui.set_reduced_motion(true);
        ui.app().show()?;
        let (ask, photographers) = channel();
        handle.set_camera(camera::camera(move |done| ask.send(done).map_err(|_| "the screen is not up".to_owned())));
        let run = scenario.run.clone().or_else(|| std::env::var_os(RUN_DIR).map(PathBuf::from));
        let drawn = Instant::now();
        Ok(Self {
            headless,
            ui,
            feed,
            handle,
            content,
            clock,
            now: Stage::Attract,
            overlay: None,
            drawn,
            pad: 0,
            photographers,
            run,
        })
    }

    fn play(&mut self, scenario: &Scenario, pictures: &Path) -> Result<()> {
        self.headless.settle();
        for (number, step) in (1usize..).zip(&scenario.steps) {
            println!("{number:3}/{} {step}", scenario.steps.len());
            self.step(step, pictures).with_context(|| format!("step {number} ({step})"))?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, pictures: &Path) -> Result<()> {
        let until = Instant::now() + step.within();
        match &step.action {
            Action::Tap(label) => self.tap(label, until),
            Action::Hold(label) => {
                let _ = self.until(until, |this| this.says(label));
                self.headless.hold(self.ui.app(), label, HOLD)
            }
            Action::Type(keys) => self.type_keys(keys, until),
            Action::PinOf(staff) => {
                let pin = self.pin_of(staff)?;
                self.type_keys(&pin, until)
            }
            Action::WaitStage(stage) => self
                .until(until, |this| this.now == *stage)
                .map_err(|()| anyhow!("the visit stands at '{}'", steps::word(self.now))),
            Action::ExpectText(text) => {
                self.until(until, |this| this.says(text)).map_err(|()| anyhow!("the screen says: {}", self.words()))
            }
            Action::ExpectNoText(text) => {
                self.until(until, |this| !this.says(text)).map_err(|()| anyhow!("the screen still says it: {}", self.words()))
            }
            Action::Screenshot(name) => {
                self.draw(Instant::now());
                self.headless.settle();
                self.headless.screenshot(&pictures.join(format!("{name}.png")))
            }
            Action::Control { socket, line } => self.control(socket, line),
            Action::Clock { gone } => {
                self.clock.set_gone(*gone);
                // The shell looks at the clock with whatever comes next.
                let _ = self.handle.send(kiosk_core::Intent::Dismiss);
                Ok(())
            }
            Action::KeyTo(label) => self.key_to(label, until),
        }
    }

    fn type_keys(&mut self, keys: &str, until: Instant) -> Result<()> {
        keys.chars().try_for_each(|key| self.tap(&key.to_string(), until))
    }

    /// The PIN that whoever set the shop up was given for this person.
    fn pin_of(&self, staff: &str) -> Result<String> {
        let file = self.run.as_deref().unwrap_or(Path::new(".")).join("staff.toml");
        let text = std::fs::read_to_string(&file).with_context(|| format!("{}: the first PINs", file.display()))?;
        let pins: toml::Table = text.parse().with_context(|| file.display().to_string())?;
        let pin = pins.get(staff).and_then(toml::Value::as_str);
        Ok(pin.with_context(|| format!("{} names no {staff}", file.display()))?.to_owned())
    }

    /// Presses 'down' until the control is in focus, each time waiting for the focus to move.
    fn key_to(&mut self, label: &str, until: Instant) -> Result<()> {
        let mut passed: Vec<String> = Vec::new();
        loop {
            let focused = self.ui.focused().map(str::to_owned);
            if focused.as_deref().is_some_and(|focused| focused.starts_with(label)) {
                return Ok(());
            }
            passed.extend(focused.clone());
            self.control("board.ctl", "key down")?;
            let count = self.pad;
            self.until(until, |this| this.pad != count)
                .map_err(|()| anyhow!("the keys went over {} and never came to '{label}'", passed.join(" | ")))?;
        }
    }

    /// Waits for the control and touches it.
    fn tap(&mut self, label: &str, until: Instant) -> Result<()> {
        let there = |this: &mut Self| {
            // What a sheet still covers takes no touch yet.
            access_tree::takes_a_touch(&access_tree::nodes(this.ui.app().window()), label)
        };
        // Where it never comes, the touch itself says best what is there instead.
        let _ = self.until(until, there);
        self.headless.tap(self.ui.app(), label)
    }

    /// Draws what comes until `done`, `Err` where that takes longer than `until`.
    fn until(&mut self, until: Instant, mut done: impl FnMut(&mut Self) -> bool) -> Result<(), ()> {
        loop {
            self.draw(Instant::now());
            if done(self) {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(());
            }
            self.draw(until.min(Instant::now() + FRAME));
        }
    }

    /// Draws the next snapshot, waiting for one until `until`, and lets the screen's clock go on as the wall's.
    fn draw(&mut self, until: Instant) {
        let snapshot = self.feed.wait(until);
        let now = self.clock.now();
        match snapshot {
            Some(snapshot) => {
                let content = self.handle.content();
                if !Arc::ptr_eq(&content, &self.content) {
                    self.ui.set_content((*content).clone());
                    self.content = content;
                }
                (self.now, self.overlay, self.pad) = (snapshot.stage, snapshot.overlay, snapshot.pad.count());
                self.ui.show(snapshot, now);
            }
            None => self.ui.refresh(now),
        }
        let passed = self.drawn.elapsed();
        self.drawn = Instant::now();
        self.headless.advance(passed);
        // Views come into being when they are drawn.
        self.headless.pixels();
        for done in self.photographers.try_iter() {
            let _ = done.send(camera::photograph(&self.ui));
        }
    }

    fn says(&self, text: &str) -> bool {
        access_tree::says(&access_tree::nodes(self.ui.app().window()), text)
    }

    fn words(&self) -> String {
        let nodes = access_tree::nodes(self.ui.app().window());
        let words: Vec<&str> = nodes.iter().map(|node| node.label.as_str()).filter(|label| !label.is_empty()).collect();
        words.join(" | ")
    }

    fn control(&self, socket: &str, line: &str) -> Result<()> {
        let Some(run) = &self.run else {
            bail!("where are the control sockets? Write run = \"DIR\" into the scenario, or set {RUN_DIR}");
        };
        control::send(&run.join(socket), line)
    }
}
