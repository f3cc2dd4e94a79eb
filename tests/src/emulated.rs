//! The emulated board in the place of the simulated one: the very image that goes onto the chip, in real time, with its
//! UART at the terminal device that the kiosk opens and its keys pressed at the pins.

use crate::{appliance::root, proc::Running};
use anyhow::{Context, Result};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{OptionalActions, tcgetattr, tcsetattr},
};
use std::{
    fs,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

/// Node starts, and the board boots.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running emulator. Dropped, it is killed.
pub struct EmulatedBoard {
    _emulator: Running,
}

impl EmulatedBoard {
    /// Takes the place of the simulated board in `run`: its `board.pty` and its `board.ctl`. `images` is the folder of the
    /// two programs that `cargo xtask firmware build` makes.
    pub fn start(run: &Path, logs: &Path, images: &Path) -> Result<Self> {
        let (board, kiosk) = (Pty::open()?, Pty::open()?);
        let (pty, control) = (run.join("board.pty"), run.join("board.ctl"));
        for place in [&pty, &control] {
            fs::remove_file(place).ok();
        }
        std::os::unix::fs::symlink(&kiosk.path, &pty).with_context(|| pty.display().to_string())?;
        let mut command = Command::new("node");
        command.arg(root().join("firmware/emulator/serve.mjs")).arg(&board.path).arg("--control").arg(&control);
        command.env("FIRMWARE_IMAGES", images);
        let mut emulator = Running::start("emulated-board", command, logs)?;
        emulator.wait_for("the emulated board", PATIENCE, |line| (line == "ready").then_some(()))?;
        thread::Builder::new().name("wire".to_owned()).spawn(move || wire(&board, &kiosk))?;
        Ok(Self { _emulator: emulator })
    }
}

/// Both ends of a pty: who holds the far one open keeps the near one from hanging up.
struct Pty {
    near: OwnedFd,
    _far: OwnedFd,
    path: PathBuf,
}

impl Pty {
    fn open() -> Result<Self> {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&near)?;
        unlockpt(&near)?;
        let path = PathBuf::from(ptsname(&near, vec![])?.to_string_lossy().into_owned());
        let far = rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let mut raw = tcgetattr(&far)?;
        raw.make_raw();
        tcsetattr(&far, OptionalActions::Now, &raw)?;
        Ok(Self { near, _far: far, path })
    }
}

/// A null modem cable, for as long as the process lives.
fn wire(a: &Pty, b: &Pty) {
    let mut chunk = [0; 512];
    loop {
        let mut fds = [PollFd::new(&a.near, PollFlags::IN), PollFd::new(&b.near, PollFlags::IN)];
        if poll(&mut fds, None).is_err() {
            continue;
        }
        let readable = [0, 1].map(|end| !fds[end].revents().is_empty());
        for (readable, from, to) in [(readable[0], a, b), (readable[1], b, a)] {
            if readable {
                let Ok(n @ 1..) = rustix::io::read(&from.near, &mut chunk) else { return };
                if rustix::io::write(&to.near, &chunk[..n]).is_err() {
                    return;
                }
            }
        }
    }
}
