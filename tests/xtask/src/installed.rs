//! The packages, installed in a fresh Debian root and run as their units say: each process by its own user, with the
//! secrets that systemd would hand it. They sell and upload; what may read what is tried out.
//!
//! systemd itself does not run in such a root: that its units start, watch and restart the processes is seen in the machine.

use crate::{
    machine::{
        root::Root,
        world::{DEVICE, Place, World},
    },
    package::{self, Arch},
    packages,
    run::{Failed, Run},
};
use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const ARRIVES: Duration = Duration::from_secs(120);
const PLACED: &str = "cem.order.placed.v1";

/// A retired device hears of it with its next report.
const WIPES: Duration = Duration::from_secs(180);

/// What a guest does: by the names of the controls. Emulated, or beside other work, a screen may take its time.
const VISIT: [&str; 12] = [
    "wait_stage = \"attract\"",
    "tap = \"Touch to order\"",
    "wait_stage = \"browse\"",
    "tap = \"Takeaway\"",
    "tap = \"Add Shakshuka\"",
    "tap = \"Review order\"",
    "wait_stage = \"basket\"",
    "tap = \"Go to pay\"",
    "wait_stage = \"checkout\"",
    "tap = \"By card, phone or watch\"",
    "wait_stage = \"done\"",
    "screenshot = \"installed-done\"",
];

fn scenario() -> String {
    let steps = VISIT.map(|step| format!("[[step]]\n{step}\nwithin_s = 60\n"));
    format!("title = \"A sale in an installed kiosk\"\n\n{}", steps.join("\n"))
}

/// `cargo xtask installed [--arch amd64|arm64]`.
pub(crate) fn command(words: &[&str]) -> Result<(), Failed> {
    let arch = Arch::of(words, "installed", Arch::here())?;
    let run = Run::at_root()?;
    crate::build_world(&run)?;
    let outcome = story(&run, arch);
    run.report();
    outcome
}

/// Installs, sells, uploads. The programs for tests must be built already.
pub(crate) fn story(run: &Run, arch: Arch) -> Result<(), Failed> {
    packages::ensure(run, packages::ROOT)?;
    let debs = package::build(run, arch)?;
    let place = run.target().join("installed").join(arch.debian());
    let mut root = None;
    run.step(&format!("install into a fresh root, {}", arch.debian()), || {
        let fresh = Root::fresh(run, arch, false, &place.join("root"))?;
        fresh.install(&debs)?;
        root = Some(fresh);
        Ok(())
    })?;
    let root = root.ok_or_else(|| Failed("no root".into()))?;
    run.step("each process by its own user: sell, upload", || sell(run, &root, &place))
}

fn sell(run: &Run, root: &Root, place: &Path) -> Result<(), Failed> {
    let world = World::start(run, &place.join("world"), Place::Package(root.clone()))?;
    world.configure_kiosk(root, "127.0.0.1")?;
    root.output(&["update-ca-certificates"])?;
    world.terminal("mode approve")?;
    prepare(root)?;
    world.leave_code(root, "127.0.0.1", &world.code(&["enrol", "--device", DEVICE, "--role", "kiosk"])?)?;
    visit(root, &world, place, 1)?;
    println!("  enrolled, sold, uploaded");
    walls(root)?;
    reader(root, place)?;

    // The device dies: another one takes its place, knowing nothing of what it had.
    let code = world.code(&["replace", DEVICE])?;
    root.output(&["sh", "-c", "rm -rf /var/lib/cem/agent/* /var/lib/cem/kiosk/*"])?;
    world.configure_kiosk(root, "127.0.0.1")?;
    world.leave_code(root, "127.0.0.1", &code)?;
    visit(root, &world, place, 2)?;
    println!("  replaced: the new device sold and uploaded in a log of its own");
    retire(root, &world, place)
}

fn retire(root: &Root, world: &World, place: &Path) -> Result<(), Failed> {
    let mut agent = agent(root, place)?;
    world.fleet(&["retire", DEVICE])?;
    let until = Instant::now() + WIPES;
    let secrets = root.folder.join("var/lib/cem/agent/enrolment");
    while agent.0.try_wait()?.is_none() || ["token", "device.key", "keys.json"].iter().any(|name| secrets.join(name).exists()) {
        if Instant::now() > until {
            return Err(Failed(format!("the retired device has not wiped itself within {} s", WIPES.as_secs())));
        }
        thread::sleep(Duration::from_secs(1));
    }
    println!("  retired: it sent what it had, and holds neither token nor keys any more");
    Ok(())
}

fn agent(root: &Root, place: &Path) -> Result<Running, Failed> {
    start(root, "cem-sync-agent", "cem-agent", &["/usr/bin/sync-agent", "run", "--config", "/etc/cem/agent.toml"], place)
}

/// Agent and kiosk run; a guest comes, orders, pays, goes.
fn visit(root: &Root, world: &World, place: &Path, nth: usize) -> Result<(), Failed> {
    let _agent = agent(root, place)?;
    root.write("var/cache/visit.toml", &scenario())?;
    let kiosk =
        ["/usr/bin/kiosk-app", "--config", "/var/lib/cem/kiosk/kiosk.toml", "--headless", "--scenario", "/var/cache/visit.toml"];
    let pictures = ["--screenshots", "/var/lib/cem/kiosk/pictures"];
    let mut visit = start(root, "cem-kiosk", "cem-kiosk", &[&kiosk[..], &pictures[..]].concat(), place)?;
    if !visit.0.wait()?.success() {
        return Err(Failed(format!("the visit failed: see {}", place.join("cem-kiosk.log").display())));
    }
    let seen = world
        .wait_until("the order", ARRIVES, |seen| seen.count(PLACED) == nth && seen.count("cem.payment.approved.v1") == nth)?;
    println!("  a paid order is at the backend, {} events in all", seen.kinds.len());
    Ok(())
}

/// What the units make before they start a process.
fn prepare(root: &Root) -> Result<(), Failed> {
    for user in ["cem-kiosk", "cem-agent", "cem-nfc"] {
        root.output(&["install", "-d", "-o", user, "-g", "cem", "-m", "0750", &format!("/run/{user}")])?;
    }
    Ok(())
}

/// A process of ours inside; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(root: &Root, unit: &str, user: &str, words: &[&str], place: &Path) -> Result<Running, Failed> {
    let mut command: Command = root.inside_as(user, "cem");
    let text = fs::read_to_string(root.folder.join("usr/lib/systemd/system").join(format!("{unit}.service")))?;
    let mask = text.lines().find_map(|line| line.strip_prefix("UMask=")).unwrap_or("0022");
    command.args(["sh", "-c", &format!("umask {mask}; exec \"$@\""), "sh"]).args(words);
    command.env("CREDENTIALS_DIRECTORY", format!("/run/credentials/{unit}.service"));
    let log = fs::File::create(place.join(format!("{unit}.log")))?;
    let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
    Ok(Running(child))
}

/// The reader's process, started as its default file says, waits for its kiosk where the board-configs say, and for nobody else.
fn reader(root: &Root, place: &Path) -> Result<(), Failed> {
    let default = fs::read_to_string(root.folder.join("etc/default/cem-nfc-sidecar"))?;
    let words = default.lines().find_map(|line| line.strip_prefix("READER="));
    let words = words.ok_or_else(|| Failed("/etc/default/cem-nfc-sidecar has no line READER=".into()))?;
    let words: Vec<&str> = ["/usr/bin/nfc-sidecar"].into_iter().chain(words.split_whitespace()).collect();
    let _reader = start(root, "cem-nfc-sidecar", "cem-nfc", &words, place)?;
    let board = fs::read_to_string(root.folder.join("usr/share/cem/boards/raspberry-pi-5-touch2-720x1280.toml"))?;
    let socket = board.lines().find_map(|line| line.strip_prefix("socket = \"")?.strip_suffix('"'));
    let socket = socket.ok_or_else(|| Failed("the board-config names no socket".into()))?;
    let until = Instant::now() + Duration::from_secs(60);
    let reaches = |user: &str, group: &str| -> Result<bool, Failed> {
        Ok(root.inside_as(user, group).args(["test", "-w", socket]).status()?.success())
    };
    while !reaches("cem-kiosk", "cem")? {
        if Instant::now() > until {
            return Err(Failed(format!("the reader does not listen at {socket}: see cem-nfc-sidecar.log")));
        }
        thread::sleep(Duration::from_millis(200));
    }
    if reaches("cem-backend", "cem-backend")? {
        return Err(Failed(format!("strangers reach {socket}")));
    }
    println!("  the reader's process waits for the kiosk at {socket}");
    Ok(())
}

/// The agent reads what was sold and cannot write it; neither reads the other's secrets; the backend is nobody's business.
fn walls(root: &Root) -> Result<(), Failed> {
    let until = Instant::now() + Duration::from_secs(5);
    while !root.folder.join("var/lib/cem/agent/agent.db").exists() && Instant::now() < until {
        thread::sleep(Duration::from_millis(100));
    }
    let allowed = |user: &str, group: &str, what: &str, path: &str| -> Result<bool, Failed> {
        Ok(root.inside_as(user, group).args(["test", what, path]).status()?.success())
    };
    let kiosk_db = "/var/lib/cem/kiosk/kiosk.db";
    for (user, group, what, path, expected) in [
        ("cem-kiosk", "cem", "-w", kiosk_db, true),
        ("cem-agent", "cem", "-r", kiosk_db, true),
        ("cem-agent", "cem", "-w", kiosk_db, false),
        ("cem-agent", "cem", "-w", "/var/lib/cem/kiosk", false),
        ("cem-agent", "cem", "-r", "/var/lib/cem/kiosk/kiosk.db-lock", false),
        ("cem-kiosk", "cem", "-r", "/var/lib/cem/agent/agent.db", true),
        ("cem-kiosk", "cem", "-w", "/var/lib/cem/agent/agent.db", false),
        ("cem-kiosk", "cem", "-r", "/var/lib/cem/agent/enrolment/token", false),
        ("cem-agent", "cem", "-r", "/var/lib/cem/kiosk/tenant.key", false),
        ("cem-backend", "cem-backend", "-r", "/var/lib/cem/agent/enrolment/token", false),
        ("cem-backend", "cem-backend", "-r", kiosk_db, false),
        ("cem-agent", "cem", "-r", "/var/lib/cem-backend/cem.db", false),
    ] {
        if allowed(user, group, what, path)? != expected {
            let verb = if expected { "cannot" } else { "can" };
            return Err(Failed(format!("{user} {verb} {} {path}", if what == "-r" { "read" } else { "write" })));
        }
    }
    println!("  who may read and write what: 12 cases as they should be");
    Ok(())
}
