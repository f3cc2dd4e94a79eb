//! `cargo xtask machine`: a whole emulated machine that boots the installed packages to the attract screen, takes an order by
//! touches, sends it to a backend on the host, loses its power in the middle of a sale and of an upload, and comes back
//! with the truth.
//!
//! Touches are sent to its virtual tablet, pictures are what its display shows; what counts is what the backend has in the
//! end. Pictures and the console's words lie in `target/machine/<arch>/`, for people to look at.

mod image;
mod qemu;
pub(crate) mod root;
pub(crate) mod world;

use crate::{
    package::{self, Arch},
    packages,
    run::{Failed, Run},
};
use qemu::{Image, Machine};
use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use world::{DEVICE, Place, World};

/// An emulated processor on a busy host is slow: nothing here is a measure of a real board.
const BOOT: Duration = Duration::from_secs(1800);
const ARRIVES: Duration = Duration::from_secs(180);
/// Longest wait until the display stands still.
const STILL: Duration = Duration::from_secs(30);
/// How long a kiosk shows its name, and a little more.
const NAMED: Duration = Duration::from_secs(20);

/// Where to touch, in pixels of the 720x1280 display.
const BEGIN: (u32, u32) = (360, 900);
const EAT_IN: (u32, u32) = (360, 885);
const ADD_FIRST: (u32, u32) = (272, 620);
const REVIEW: (u32, u32) = (549, 1068);
const GO_TO_PAY: (u32, u32) = (360, 1063);
const BY_CARD: (u32, u32) = (360, 640);
const DONE: (u32, u32) = (360, 1063);

/// `cargo xtask machine [--arch amd64|arm64]`.
pub(crate) fn command(words: &[&str]) -> Result<(), Failed> {
    let arch = Arch::of(words, "machine", Arch::Arm64)?;
    let run = Run::at_root()?;
    crate::build_world(&run)?;
    let outcome = story(&run, arch);
    run.report();
    outcome
}

/// All of it. The programs for tests must be built already.
pub(crate) fn story(run: &Run, arch: Arch) -> Result<(), Failed> {
    packages::ensure(run, packages::MACHINE)?;
    packages::ensure(run, packages::ROOT)?;
    let debs = package::build(run, arch)?;
    let debs: Vec<PathBuf> = debs.into_iter().filter(|file| !is_of(file, "cem-backend") && !is_of(file, "cem-fleet")).collect();
    let folder = run.target().join("machine").join(arch.debian());
    fs::create_dir_all(folder.join("pictures"))?;
    let mut world = World::start(run, &folder.join("world"), Place::Host)?;
    let mut image = None;
    run.step("its disk", || {
        image = Some(image::make(run, arch, &debs, &world, &folder)?);
        Ok(())
    })?;
    let image = image.ok_or_else(|| Failed("no disk".into()))?;
    // Copied before and booted last: the code in the other one is good for fifteen minutes only.
    let bare = image::bare(run, &image)?;
    run.step("boots, sells, loses its power, comes back", || tell(&image, &folder, &mut world))?;
    run.step("boots as its packages leave it: nobody has told it who it is", || assistant(&bare, &folder))
}

fn is_of(file: &Path, package: &str) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{package}_")))
}

/// A machine that nobody has told anything but its board shows the first-start assistant.
fn assistant(image: &Image, folder: &Path) -> Result<(), Failed> {
    Act::boot(image, folder, "bare", ASSISTANT)?.cut_power()?;
    Ok(fs::remove_file(&image.disk)?)
}

/// What the console says once the screen can be touched, and what is on it then.
type Screen = (&'static str, &'static str);
const KIOSK: Screen = ("the screen is up", "attract");
/// Its unit is started when the assistant's first page is drawn.
const ASSISTANT: Screen = ("Started cem-kiosk.service", "assistant");

/// One machine in the course of the story.
struct Act<'a> {
    machine: Machine,
    folder: &'a Path,
    name: &'static str,
}

impl<'a> Act<'a> {
    /// Power on, until the screen can be touched and the agent runs.
    fn boot(image: &Image, folder: &'a Path, name: &'static str, screen: Screen) -> Result<Self, Failed> {
        let machine = Machine::start(image, folder)?;
        let mut act = Self { machine, folder, name };
        let outcome = act.up(screen);
        if outcome.is_err() {
            act.keep_words();
        }
        outcome.map(|()| act)
    }

    fn up(&mut self, (up, shows): Screen) -> Result<(), Failed> {
        println!("{}: power on", self.name);
        for (what, words) in [
            ("the system manager runs", "systemd["),
            ("the kiosk starts", "Starting cem-kiosk.service"),
            ("the screen can be touched", up),
        ] {
            let at = self.machine.wait_for(words, BOOT)?;
            println!("  {:6.1} s  {what}", at.as_secs_f64());
        }
        self.machine.wait_for("reported", BOOT)?;
        let report =
            |line: &&String| ["finished in", " @", "Id=", "MemoryCurrent=", "NRestarts="].iter().any(|word| line.contains(word));
        for line in self.machine.said.iter().map(|(_, line)| line).filter(|line| line.contains("]: ")).filter(report) {
            println!("           {}", line.split_once("]: ").map_or(line.as_str(), |(_, said)| said));
        }
        self.still(shows)
    }

    /// Waits until the display stands still, and takes its picture.
    fn still(&mut self, name: &str) -> Result<(), Failed> {
        let picture = self.folder.join("pictures").join(format!("{}-{name}.png", self.name));
        let until = Instant::now() + STILL;
        let mut last = Vec::new();
        loop {
            self.machine.picture(&picture)?;
            let now = fs::read(&picture)?;
            if now == last || Instant::now() > until {
                return Ok(());
            }
            last = now;
            thread::sleep(Duration::from_millis(1500));
        }
    }

    fn touch(&mut self, (x, y): (u32, u32), then: &str) -> Result<(), Failed> {
        self.machine.touch(x, y)?;
        thread::sleep(Duration::from_millis(500));
        self.still(then)
    }

    /// From the attract screen to the terminal.
    fn order(&mut self) -> Result<(), Failed> {
        self.touch(BEGIN, "1-begun")?;
        self.touch(EAT_IN, "2-menu")?;
        self.touch(ADD_FIRST, "3-added")?;
        self.touch(REVIEW, "4-basket")?;
        self.touch(GO_TO_PAY, "5-checkout")?;
        self.touch(BY_CARD, "6-paying")
    }

    fn cut_power(self) -> Result<(), Failed> {
        println!("{}: power cut", self.name);
        let Self { machine, folder, name } = self;
        write_words(folder, name, &machine.cut_power())
    }

    fn keep_words(&mut self) {
        self.machine.listen();
        if let Err(Failed(why)) = write_words(self.folder, self.name, &self.machine.said) {
            eprintln!("{why}");
        }
    }
}

fn write_words(folder: &Path, name: &str, said: &[(Duration, String)]) -> Result<(), Failed> {
    let text: String = said.iter().map(|(at, line)| format!("{:8.2} {line}\n", at.as_secs_f64())).collect();
    Ok(fs::write(folder.join(format!("console-{name}.txt")), text)?)
}

/// What the fleet has a machine do that nobody stands beside.
fn obey(act: &mut Act<'_>, world: &World) -> Result<(), Failed> {
    let tell = |what: &str| -> Result<String, Failed> {
        world.fleet(&["tell", DEVICE, what])?;
        world.told(what, ARRIVES)
    };
    tell("identify")?;
    act.still("fleet-identify")?;
    // The name goes by itself.
    thread::sleep(NAMED);
    let id = tell("screenshot")?;
    let picture = act.folder.join("pictures").join("fleet-screenshot.png");
    let _ = fs::remove_file(&picture);
    world.fleet(&["answer", &id, "--to", &picture.display().to_string()])?;
    world.fleet(&["lock", DEVICE])?;
    act.machine.wait_for("the backend turned this device away", ARRIVES)?;
    act.still("fleet-locked")?;
    world.fleet(&["unlock", DEVICE])?;
    world.told("unlock", ARRIVES)?;
    act.still("fleet-unlocked")?;
    tell("restart")?;
    act.machine.wait_for(KIOSK.0, BOOT)?;
    act.still("fleet-restarted")?;
    println!("  it named itself, sent a picture of its screen, was locked, unlocked and started again by the fleet");
    Ok(())
}

const PLACED: &str = "cem.order.placed.v1";
const STARTED: &str = "cem.payment.started.v1";
const APPROVED: &str = "cem.payment.approved.v1";
const UNKNOWN: &str = "cem.payment.unknown.v1";
const RESOLVED: &str = "cem.payment.resolved.v1";

fn tell(image: &Image, folder: &Path, world: &mut World) -> Result<(), Failed> {
    world.terminal("mode approve")?;
    let mut act = Act::boot(image, folder, "first", KIOSK)?;
    act.order()?;
    let seen = world.wait_until("a paid order", ARRIVES, |seen| seen.count(PLACED) == 1)?;
    println!("  a paid order is at the backend, {} events", seen.kinds.len());
    act.still("7-done")?;
    act.touch(DONE, "8-attract")?;

    // In the middle of a sale: the terminal has the amount, nobody has said yes or no.
    world.terminal("mode manual")?;
    act.order()?;
    world.wait_until("the second payment's start", ARRIVES, |seen| seen.count(STARTED) == 2)?;
    act.cut_power()?;

    let mut act = Act::boot(image, folder, "second", KIOSK)?;
    let seen = world
        .wait_until("a word about the payment that was cut", ARRIVES, |seen| seen.count(UNKNOWN) + seen.count(RESOLVED) > 0)?;
    if seen.count(APPROVED) != 1 {
        return Err(Failed("a payment that nobody approved counts as approved".into()));
    }
    println!("  the payment that was cut is neither approved nor lost: it counts as unknown until somebody knows");
    act.still("truth")?;
    world.terminal("mode approve")?;

    // In the middle of an upload: the backend has the request and does not answer.
    world.hold_backend(true)?;
    act.order()?;
    thread::sleep(Duration::from_secs(5));
    act.cut_power()?;
    world.hold_backend(false)?;

    let mut act = Act::boot(image, folder, "third", KIOSK)?;
    let seen = world.wait_until("the payment of the cut upload", ARRIVES, |seen| seen.count(APPROVED) == 2)?;
    act.still("truth")?;
    obey(&mut act, world)?;
    act.cut_power()?;
    println!("  at the backend: {}", seen.summary.trim());
    for (kind, expected) in [(STARTED, 3), (APPROVED, 2)] {
        println!("  {:3}  {kind}", seen.count(kind));
        if seen.count(kind) != expected {
            return Err(Failed(format!("{kind}: {expected} were expected, {} are there", seen.count(kind))));
        }
    }
    if seen.summary.split("\"missing\":").skip(1).any(|rest| !rest.starts_with('0')) {
        return Err(Failed(format!("events are missing at the backend: {}", seen.summary)));
    }
    Ok(())
}
