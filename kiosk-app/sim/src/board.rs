//! The microcontroller board, simulated: peripheral-icd on a pseudo-terminal.

use crate::{
    control::{Answer, unknown},
    lock,
};
use peripheral_icd::{Drawer, Features, Firmware, Key, LinkError, MAX_FRAME, McuEvent, McuLink, SILENCE_MS, Signal, ToHost};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags},
    io::Errno,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{OptionalActions, tcgetattr, tcsetattr},
};
use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// A running board. The link to its pty goes when this is dropped.
#[derive(Debug)]
pub struct BoardSim {
    shared: Arc<Shared>,
    path: PathBuf,
}

/// What can be seen of the board from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoardState {
    /// A kiosk has said hello.
    pub connected: bool,
    /// What the light ring shows.
    pub signal: Option<Signal>,
    /// How often the drawer was opened.
    pub drawer_pulses: u32,
    /// Frames that were refused.
    pub refused: u32,
}

#[derive(Debug)]
struct Shared {
    pty: OwnedFd,
    /// Kept open, so that a kiosk that closes its end does not hang up the line.
    _slave: OwnedFd,
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug)]
struct Inner {
    link: McuLink,
    session: u32,
    started: Instant,
    heard: Instant,
    drawer: Option<Instant>,
    presence: bool,
    headphones: bool,
    seen: BoardState,
}

/// The coil of a drawer is given time to cool.
const DRAWER_REST: Duration = Duration::from_millis(500);
const SILENCE: Duration = Duration::from_millis(SILENCE_MS as u64);

impl BoardSim {
    /// Makes a pty and a symbolic link `path` to it; when this returns, it can be opened.
    pub fn start(path: &Path) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let pty = openpt(flags)?;
        grantpt(&pty)?;
        unlockpt(&pty)?;
        let name = ptsname(&pty, vec![])?;
        let slave = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let mut raw = tcgetattr(&slave)?;
        raw.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &raw)?;
        if std::fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink()) {
            std::fs::remove_file(path)?;
        }
        std::os::unix::fs::symlink(PathBuf::from(name.to_string_lossy().into_owned()), path)?;
        let now = Instant::now();
        let inner = Inner {
            link: McuLink::new(Features::V1, Firmware { major: 0, minor: 1, patch: 0 }),
            session: getrandom::u32().map_err(io::Error::other)?,
            started: now,
            heard: now,
            drawer: None,
            presence: false,
            headphones: false,
            seen: BoardState::default(),
        };
        let shared = Shared { pty, _slave: slave, inner: Mutex::new(inner), changed: Condvar::new() };
        let shared = Arc::new(shared);
        let inside = Arc::downgrade(&shared);
        thread::Builder::new().name("board".into()).spawn(move || {
            while let Some(shared) = inside.upgrade() {
                shared.turn();
            }
        })?;
        Ok(Self { shared, path: path.to_owned() })
    }

    /// What can be seen of the board from outside.
    pub fn state(&self) -> BoardState {
        lock(&self.shared.inner).seen.clone()
    }

    /// Waits until the board looks like that; false after `patience`.
    pub fn wait_for(&self, patience: Duration, mut like: impl FnMut(&BoardState) -> bool) -> bool {
        let inner = lock(&self.shared.inner);
        let wait = self.shared.changed.wait_timeout_while(inner, patience, |inner| !like(&inner.seen));
        !wait.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Obeys a control line.
    pub fn obey(&self, line: &str) -> Answer {
        let on = |word: &str| match word {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err(unknown(word, "on, off")),
        };
        let mut inner = lock(&self.shared.inner);
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["presence", word] => {
                inner.presence = on(word)?;
                let presence = inner.presence;
                self.shared.send(&mut inner, &ToHost::Presence(presence));
                Ok(())
            }
            ["headphones", word] => {
                inner.headphones = on(word)?;
                let headphones = inner.headphones;
                self.shared.send(&mut inner, &ToHost::Headphones(headphones));
                Ok(())
            }
            ["key", word] => {
                let key = key_named(word).ok_or_else(|| unknown(word, "up, down, select, back, help"))?;
                let sent = [true, false].iter().all(|&down| self.shared.send(&mut inner, &ToHost::Key { key, down }));
                if sent { Ok(()) } else { Err("no kiosk is connected to the board".into()) }
            }
            _ => Err(unknown(line, "presence, headphones, key")),
        }
    }
}

impl Drop for BoardSim {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn key_named(word: &str) -> Option<Key> {
    Some(match word {
        "up" => Key::Up,
        "down" => Key::Down,
        "select" => Key::Select,
        "back" => Key::Back,
        "help" => Key::Help,
        _ => return None,
    })
}

impl Shared {
    /// Waits for bytes for a tenth of a second at most and takes them.
    fn turn(&self) {
        let mut fds = [PollFd::new(&self.pty, PollFlags::IN)];
        let _ = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 100_000_000 }));
        let readable = !fds[0].revents().is_empty();
        let mut chunk = [0; 256];
        let n = if readable { rustix::io::read(&self.pty, &mut chunk).unwrap_or(0) } else { 0 };
        let mut inner = lock(&self.inner);
        chunk[..n].iter().for_each(|&byte| self.take(&mut inner, byte));
        if inner.link.is_open() && inner.heard.elapsed() > SILENCE {
            inner.link.close();
            inner.seen.connected = false;
        }
        self.changed.notify_all();
    }

    fn take(&self, inner: &mut Inner, byte: u8) {
        match inner.link.push(byte) {
            None => {}
            Some(Ok(event)) => {
                inner.heard = Instant::now();
                self.obey(inner, event);
            }
            Some(Err(error)) => {
                if error != LinkError::Session {
                    tracing::debug!(?error, "frame refused");
                }
                inner.seen.refused += 1;
            }
        }
    }

    fn obey(&self, inner: &mut Inner, event: McuEvent) {
        match event {
            McuEvent::Hello { min, max, nonce } => self.welcome(inner, (min, max), nonce),
            McuEvent::Ping { token } => {
                let uptime_ms = inner.started.elapsed().as_millis() as u32;
                self.send(inner, &ToHost::Pong { token, uptime_ms });
            }
            McuEvent::Show(signal) => inner.seen.signal = Some(signal),
            McuEvent::OpenDrawer { id, .. } => {
                let hot = inner.drawer.is_some_and(|last| last.elapsed() < DRAWER_REST);
                if !hot {
                    inner.drawer = Some(Instant::now());
                    inner.seen.drawer_pulses += 1;
                }
                let state = if hot { Drawer::TooSoon } else { Drawer::Pulsed };
                self.send(inner, &ToHost::Drawer { id, state });
            }
            McuEvent::Reply(message) => drop(self.send(inner, &message)),
            McuEvent::Command(command) => tracing::debug!(?command, "not a feature of this board"),
        }
    }

    fn welcome(&self, inner: &mut Inner, versions: (u8, u8), nonce: u32) {
        inner.session = inner.session.wrapping_add(1);
        let mut out = [0; MAX_FRAME + 2];
        let session = inner.session;
        if let Some(n) = inner.link.answer(versions, nonce, session, &mut out) {
            self.write(&out[..n]);
        }
        inner.seen.connected = inner.link.is_open();
        let (presence, headphones) = (inner.presence, inner.headphones);
        self.send(inner, &ToHost::Presence(presence));
        self.send(inner, &ToHost::Headphones(headphones));
    }

    /// False without a session.
    fn send(&self, inner: &mut Inner, message: &ToHost) -> bool {
        let mut out = [0; MAX_FRAME + 2];
        let n = inner.link.send(message, &mut out);
        n.is_some_and(|n| self.write(&out[..n]))
    }

    fn write(&self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            match rustix::io::write(&self.pty, bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }
}
