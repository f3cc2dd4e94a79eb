//! The microcontroller board behind a tty (USB CDC-ACM, UART or a pty), speaking peripheral-icd.

use crate::port::{Peripherals, Waker};
use kiosk_core::{
    DeviceEvent, Signal,
    device::{DeviceKind, Health, Key},
};
use peripheral_icd::{self as icd, HostEvent, HostLink, MAX_FRAME, ToHost, ToMcu};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    fs::{Mode, OFlags},
    io::Errno,
    termios::{OptionalActions, isatty, tcgetattr, tcsetattr},
};
use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const PING: Duration = Duration::from_millis(icd::PING_MS as u64);
const SILENCE: Duration = Duration::from_millis(icd::SILENCE_MS as u64);
const RETRY: Duration = Duration::from_millis(250);

/// Length of the drawer pulse asked for: what most 24 V drawers are specified for.
const DRAWER_PULSE_MS: u16 = 100;

/// The adapter: opens the tty, says hello, and does both again whenever the board is lost.
#[derive(Debug)]
pub struct SerialBoard {
    path: PathBuf,
    waker: Waker,
    link: HostLink,
    tty: Option<Tty>,
    retry_at: Instant,
    health: Option<Health>,
    signal: Signal,
    drawer_id: u32,
    events: VecDeque<DeviceEvent>,
}

#[derive(Debug)]
struct Tty {
    fd: OwnedFd,
    heard: Instant,
    ping_at: Instant,
}

impl SerialBoard {
    /// A board behind `path`; opens it on the first call.
    pub fn new(path: &Path) -> std::io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            waker: Waker::new()?,
            link: HostLink::new(),
            tty: None,
            retry_at: Instant::now(),
            health: None,
            signal: Signal::Idle,
            drawer_id: 0,
            events: VecDeque::new(),
        })
    }

    fn open(&mut self, now: Instant) -> Result<(), Errno> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&self.path, flags, Mode::empty())?;
        if !isatty(&fd) {
            return Err(Errno::NOTTY);
        }
        let mut raw = tcgetattr(&fd)?;
        raw.make_raw();
        tcsetattr(&fd, OptionalActions::Now, &raw)?;
        self.tty = Some(Tty { fd, heard: now, ping_at: now + PING });
        self.hello();
        Ok(())
    }

    fn hello(&mut self) {
        let mut out = [0; MAX_FRAME + 2];
        let nonce = fresh_nonce();
        if let Some(n) = self.link.hello(icd::Features::V1, nonce, &mut out) {
            self.write(&out[..n]);
        }
    }

    fn send(&mut self, message: &ToMcu) -> bool {
        let mut out = [0; MAX_FRAME + 2];
        self.link.send(message, &mut out).is_some_and(|n| self.write(&out[..n]))
    }

    /// Writes a frame. A tty that takes no more is as good as lost: a frame is 62 bytes at most.
    fn write(&mut self, bytes: &[u8]) -> bool {
        let Some(tty) = &self.tty else { return false };
        let whole = matches!(rustix::io::write(&tty.fd, bytes), Ok(n) if n == bytes.len());
        if !whole {
            self.lose("cannot be written");
        }
        whole
    }

    fn lose(&mut self, why: &str) {
        self.tty = None;
        self.link = HostLink::new();
        self.retry_at = Instant::now() + RETRY;
        self.report(Health::Lost, why);
    }

    fn report(&mut self, health: Health, why: &str) {
        if self.health.replace(health) != Some(health) {
            tracing::info!(?health, why, "peripherals");
            self.events.push_back(DeviceEvent::Health(DeviceKind::Peripherals, health));
        }
    }

    /// Opens, pings and gives up as the clock demands; returns when it wants to be called again.
    fn tend(&mut self, now: Instant) -> Instant {
        if self.tty.is_none() {
            if now < self.retry_at {
                return self.retry_at;
            }
            if let Err(e) = self.open(now) {
                self.lose(&std::io::Error::from(e).to_string());
                return self.retry_at;
            }
        }
        let Some(tty) = &mut self.tty else { return self.retry_at };
        let silent_at = tty.heard + SILENCE;
        if now >= silent_at {
            self.lose("silent");
            return self.retry_at;
        }
        if now < tty.ping_at {
            return tty.ping_at.min(silent_at);
        }
        tty.ping_at = now + PING;
        let next = tty.ping_at.min(silent_at);
        if self.link.is_open() {
            self.send(&ToMcu::Ping { token: 0 });
        } else {
            self.hello();
        }
        next
    }

    fn read(&mut self) {
        let mut chunk = [0; 256];
        let Some(tty) = &mut self.tty else { return };
        match rustix::io::read(&tty.fd, &mut chunk) {
            Ok(0) => self.lose("hung up"),
            Ok(n) => chunk[..n].iter().for_each(|&b| self.take(b)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(e) => self.lose(&std::io::Error::from(e).to_string()),
        }
    }

    fn take(&mut self, byte: u8) {
        let event = match self.link.push(byte) {
            None => return,
            Some(Ok(event)) => event,
            Some(Err(error)) => return tracing::debug!(?error, "board frame refused"),
        };
        if let Some(tty) = &mut self.tty {
            tty.heard = Instant::now();
        }
        match event {
            HostEvent::Open { version, firmware, .. } => {
                tracing::info!(version, ?firmware, "board says hello");
                self.report(Health::Ok, "hello");
                self.send(&ToMcu::Show(to_icd(self.signal)));
            }
            HostEvent::Incompatible { min, max } => {
                tracing::error!(min, max, "the board speaks none of our versions: update its firmware");
                self.report(Health::Blocked, "version");
            }
            HostEvent::Message(message) => self.message(message),
        }
    }

    fn message(&mut self, message: ToHost) {
        match message {
            ToHost::Key { key, down: true } => self.events.push_back(DeviceEvent::Key(from_icd(key))),
            ToHost::Presence(near) => self.events.push_back(DeviceEvent::Presence(near)),
            ToHost::Headphones(there) => self.events.push_back(DeviceEvent::Headphones(there)),
            ToHost::Drawer { id, state } => tracing::info!(id, ?state, "drawer"),
            ToHost::Fault { fault, detail } => tracing::warn!(?fault, detail, "board fault"),
            ToHost::Nack { sequence, reason } => tracing::warn!(sequence, ?reason, "board did not obey"),
            ToHost::Key { down: false, .. } | ToHost::Pong { .. } | ToHost::Hello { .. } => {}
            other => tracing::debug!(?other, "board says more than was asked for"),
        }
    }
}

impl Peripherals for SerialBoard {
    fn next(&mut self, timeout: Duration) -> Option<DeviceEvent> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let now = Instant::now();
            let again = self.tend(now);
            if !self.events.is_empty() {
                continue;
            }
            if now >= deadline {
                return None;
            }
            let wait = timespec(again.min(deadline).saturating_duration_since(now) + Duration::from_micros(100));
            let mut fds = vec![PollFd::new(self.waker.fd(), PollFlags::IN)];
            fds.extend(self.tty.as_ref().map(|t| PollFd::new(&t.fd, PollFlags::IN)));
            let _ = poll(&mut fds, Some(&wait));
            let (woken, readable) = (!fds[0].revents().is_empty(), fds.get(1).is_some_and(|f| !f.revents().is_empty()));
            drop(fds);
            if readable {
                self.read();
            }
            if woken {
                self.waker.drain();
                return self.events.pop_front();
            }
        }
    }

    fn show(&mut self, signal: Signal) {
        self.signal = signal;
        if self.link.is_open() {
            self.send(&ToMcu::Show(to_icd(signal)));
        }
    }

    fn open_drawer(&mut self) -> bool {
        self.drawer_id = self.drawer_id.wrapping_add(1);
        self.send(&ToMcu::OpenDrawer { id: self.drawer_id, pulse_ms: DRAWER_PULSE_MS })
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }
}

/// For `poll`; a day at most.
pub(crate) fn timespec(wait: Duration) -> Timespec {
    Timespec { tv_sec: wait.as_secs().min(86_400) as i64, tv_nsec: wait.subsec_nanos().into() }
}

/// A nonce need only differ from those before it; without the system's randomness the clock does that.
fn fresh_nonce() -> u32 {
    getrandom::u32().unwrap_or_else(|_| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.subsec_nanos() ^ t.as_secs() as u32)
    })
}

fn to_icd(signal: Signal) -> icd::Signal {
    match signal {
        Signal::Idle => icd::Signal::Idle,
        Signal::TapHere => icd::Signal::TapHere,
        Signal::Thinking => icd::Signal::Thinking,
        Signal::Approved => icd::Signal::Approved,
        Signal::Declined => icd::Signal::Declined,
        Signal::CallStaff => icd::Signal::CallStaff,
    }
}

fn from_icd(key: icd::Key) -> Key {
    match key {
        icd::Key::Up => Key::Up,
        icd::Key::Down => Key::Down,
        icd::Key::Select => Key::Select,
        icd::Key::Back => Key::Back,
        icd::Key::Help => Key::Help,
    }
}
