//! The microcontroller board behind a tty (USB CDC-ACM, UART or a pty), speaking peripheral-icd.
//!
//! The adapter opens the tty, says hello, and does both again, less and less often, whenever the board is lost. It pings for
//! as long as it is told that its program makes progress ([`crate::Notice::Alive`]); when it is not, it falls silent, and the
//! board does to its host what it does to one that hangs. What is written waits in a bounded place and never blocks; of
//! several signals that could not be sent in time only the newest is. What the board says of itself is held against
//! the board-config ([`Expect`]): a difference is [`Health::Low`] and an alarm.

mod report;
mod tty;
mod update;

pub use report::{Expect, FITTED, version};
pub use update::{IMAGE_MAX, SignedImage, UpdateError};

use crate::port::{Grace, Notice, Peripherals, Waker};
use kiosk_core::{
    DeviceEvent, Signal,
    device::{Ambient, DeviceKind, Health, Key},
};
use peripheral_icd::{self as icd, Features, HostEvent, HostLink, MAX_FRAME, ToHost, ToMcu, UpdateState};
use report::Report;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tty::Tty;

const PING: Duration = Duration::from_millis(icd::PING_MS as u64);
const SILENCE: Duration = Duration::from_millis(icd::SILENCE_MS as u64);

/// Waits between attempts to reach a lost board: doubled from the first to the last.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// Pings go on for this long after the last [`Notice::Alive`]: longer than any commit takes, short beside the board's 30 s.
const ALIVE: Duration = Duration::from_secs(10);

/// Length of the drawer pulse asked for: what most 24 V drawers are specified for.
const DRAWER_PULSE_MS: u16 = 100;

/// Events that may wait to be taken; more come only from a board that is broken, and the oldest go.
const EVENTS_MAX: usize = 256;

/// Below these readings of ambient light it is dark or dim, and above them by [`AMBIENT_STEP`] it no longer is.
const AMBIENT: [(u8, Ambient); 2] = [(12, Ambient::Dark), (48, Ambient::Dim)];
const AMBIENT_STEP: u8 = 8;

/// How light and sound are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comfort {
    /// Nothing on the ring moves.
    pub reduced_motion: bool,
    /// Loudness of the buzzer, 0 to 100.
    pub volume: u8,
}

impl Default for Comfort {
    fn default() -> Self {
        Self { reduced_motion: false, volume: 60 }
    }
}

/// The adapter.
#[derive(Debug)]
pub struct SerialBoard {
    path: PathBuf,
    waker: Waker,
    link: HostLink,
    tty: Option<Tty>,
    heard: Instant,
    ping_at: Instant,
    alive_until: Instant,
    retry_at: Instant,
    retry: Duration,
    health: Option<Health>,
    comfort: Comfort,
    signal: Signal,
    /// The signal has changed and could not be sent yet.
    show_due: bool,
    drawer_id: u32,
    features: Features,
    report: Report,
    ambient: Ambient,
    kept_time: Option<u32>,
    /// The last answer to an update, or what the board says of its program.
    answer: Option<UpdateState>,
    events: VecDeque<DeviceEvent>,
}

impl SerialBoard {
    /// A board behind `path`; opens it on the first call.
    ///
    /// # Errors
    /// Where the system has no file handle left.
    pub fn new(path: &Path) -> std::io::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            path: path.to_owned(),
            waker: Waker::new()?,
            link: HostLink::new(),
            tty: None,
            heard: now,
            ping_at: now,
            alive_until: now + ALIVE,
            retry_at: now,
            retry: RETRY.0,
            health: None,
            comfort: Comfort::default(),
            signal: Signal::Idle,
            show_due: false,
            drawer_id: 0,
            features: Features(0),
            report: Report::default(),
            ambient: Ambient::default(),
            kept_time: None,
            answer: None,
            events: VecDeque::new(),
        })
    }

    /// Holds what the board says of itself against this.
    #[must_use]
    pub fn expecting(mut self, expect: Expect) -> Self {
        self.report = Report::new(expect);
        self
    }

    /// Tells the board how light and sound are to be.
    #[must_use]
    pub fn with_comfort(mut self, comfort: Comfort) -> Self {
        self.comfort = comfort;
        self
    }

    fn hello(&mut self) {
        let mut out = [0; MAX_FRAME + 2];
        if let Some(n) = self.link.hello(Features::ALL, fresh_nonce(), &mut out) {
            self.write(&out[..n]);
        }
    }

    /// False without a session, and where the board cannot do it.
    fn send(&mut self, message: &ToMcu) -> bool {
        let mut out = [0; MAX_FRAME + 2];
        self.features.has(message.needs()) && self.link.send(message, &mut out).is_some_and(|n| self.write(&out[..n]))
    }

    fn write(&mut self, frame: &[u8]) -> bool {
        let Some(tty) = &mut self.tty else { return false };
        let written = tty.write(frame);
        if let Err(error) = written {
            self.lose(&std::io::Error::from(error).to_string());
        }
        written.is_ok()
    }

    fn lose(&mut self, why: &str) {
        self.tty = None;
        self.link = HostLink::new();
        self.retry_at = Instant::now() + self.retry;
        self.retry = (self.retry * 2).min(RETRY.1);
        self.say(Health::Lost, why);
    }

    /// Tells how the board is, if that has changed, and what a person should look into.
    fn say(&mut self, health: Health, why: &str) {
        for (alarm, detail) in self.report.alarms.drain(..) {
            tracing::warn!(?alarm, detail, "board");
            self.events.push_back(DeviceEvent::Alarm { alarm, detail });
        }
        if self.health.replace(health) != Some(health) {
            tracing::info!(?health, why, "peripherals");
            self.events.push_back(DeviceEvent::Health(DeviceKind::Peripherals, health));
        }
    }

    fn judge(&mut self) {
        let health = if self.report.is_sound() { Health::Ok } else { Health::Low };
        self.say(health, "by its own report");
    }

    /// Opens, pings and gives up as the clock demands; returns when it wants to be called again.
    fn tend(&mut self, now: Instant) -> Instant {
        if self.tty.is_none() {
            if now < self.retry_at {
                return self.retry_at;
            }
            match Tty::open(&self.path) {
                Ok(tty) => {
                    (self.tty, self.heard, self.ping_at) = (Some(tty), now, now + PING);
                    self.hello();
                }
                Err(error) => self.lose(&std::io::Error::from(error).to_string()),
            }
        }
        if self.tty.is_none() {
            return self.retry_at;
        }
        if now >= self.alive_until {
            // The program hangs: the board is to notice. Nothing is heard in this time, and that is not its fault.
            self.heard = now;
            self.ping_at = now;
            return now + PING;
        }
        let silent_at = self.heard + SILENCE;
        if now >= silent_at {
            self.lose("silent");
            return self.retry_at;
        }
        if now >= self.ping_at {
            self.ping_at = now + PING;
            if self.link.is_open() {
                self.send(&ToMcu::Ping { token: 0 });
            } else {
                self.hello();
            }
        }
        self.ping_at.min(silent_at)
    }

    fn read(&mut self) {
        let mut chunk = [0; 256];
        let Some(tty) = &self.tty else { return };
        match tty.read(&mut chunk) {
            Ok(bytes) => bytes.iter().for_each(|&b| self.take(b)),
            Err(error) => self.lose(&std::io::Error::from(error).to_string()),
        }
    }

    /// Writes what waited, then the newest signal if it could not be sent before.
    fn flush(&mut self) {
        let Some(tty) = &mut self.tty else { return };
        if let Err(error) = tty.flush() {
            return self.lose(&std::io::Error::from(error).to_string());
        }
        if self.show_due && tty.is_idle() {
            self.show_due = false;
            self.send(&ToMcu::Show(to_icd(self.signal)));
        }
    }

    fn take(&mut self, byte: u8) {
        let event = match self.link.push(byte) {
            None => return,
            Some(Ok(event)) => event,
            Some(Err(error)) => return tracing::debug!(?error, "board frame refused"),
        };
        self.heard = Instant::now();
        match event {
            HostEvent::Open { version, features, firmware } => {
                tracing::info!(version, features = features.0, ?firmware, "board says hello");
                (self.features, self.retry, self.show_due) = (features, RETRY.0, false);
                self.report.hello(features, firmware);
                self.judge();
                let Comfort { reduced_motion, volume } = self.comfort;
                self.send(&ToMcu::Comfort { reduced_motion, volume });
                self.send(&ToMcu::Show(to_icd(self.signal)));
            }
            HostEvent::Incompatible { min, max } => {
                tracing::error!(min, max, "the board speaks none of our versions: update its firmware");
                self.say(Health::Blocked, "version");
            }
            HostEvent::Message(message) => self.message(message),
        }
    }

    fn message(&mut self, message: ToHost) {
        match message {
            ToHost::Key { key, down: true } => self.events.push_back(DeviceEvent::Key(from_icd(key))),
            ToHost::KeyRepeat(key) => self.events.push_back(DeviceEvent::KeyHeld(from_icd(key))),
            ToHost::Presence(near) => self.events.push_back(DeviceEvent::Presence(near)),
            ToHost::Headphones(there) => self.events.push_back(DeviceEvent::Headphones(there)),
            ToHost::Drawer { id, state } => tracing::info!(id, ?state, "drawer"),
            ToHost::Nack { sequence, reason } => tracing::warn!(sequence, ?reason, "board did not obey"),
            ToHost::Time { grace, granted_ms: 0 } => tracing::warn!(?grace, "the board grants no more time"),
            ToHost::Time { grace, granted_ms } => tracing::debug!(?grace, granted_ms, "the board grants time"),
            ToHost::LastWords { part, bytes } => {
                tracing::warn!(part, words = %String::from_utf8_lossy(&bytes).trim_end_matches('\0'), "the board's last words");
            }
            ToHost::Clock { utc_s, .. } => self.kept_time = Some(utc_s),
            ToHost::Update { state, offset } => {
                tracing::debug!(?state, offset, "board update");
                self.answer = Some(state);
            }
            ToHost::Started { cause, boots } => self.report.started(cause, boots),
            ToHost::Fault { fault, detail } => self.report.fault(fault, detail),
            ToHost::Layout { pins } => self.report.layout(pins),
            ToHost::Contact { contact, open } => self.report.contact(contact, open),
            ToHost::Climate { centi_celsius, ambient, supply_mv, .. } => {
                self.report.climate(centi_celsius, supply_mv);
                let light = around(self.ambient, ambient);
                if std::mem::replace(&mut self.ambient, light) != light {
                    self.events.push_back(DeviceEvent::Ambient(light));
                }
            }
            ToHost::Key { down: false, .. } | ToHost::Pong { .. } | ToHost::Hello { .. } => return,
        }
        self.judge();
        if self.events.len() > EVENTS_MAX {
            self.events.pop_front();
        }
    }

    /// One round: what is due, and what the tty brings within `timeout`. True if it was ended by a wake.
    fn turn(&mut self, timeout: Duration) -> bool {
        let now = Instant::now();
        let again = self.tend(now);
        if !self.events.is_empty() {
            return false;
        }
        let until = again.min(now + timeout);
        let wait = timespec(until.saturating_duration_since(now) + Duration::from_micros(100));
        let mut fds = vec![PollFd::new(self.waker.fd(), PollFlags::IN)];
        fds.extend(self.tty.as_ref().map(|tty| PollFd::new(tty, tty.interest())));
        let _ = poll(&mut fds, Some(&wait));
        let woken = !fds[0].revents().is_empty();
        let ready = fds.get(1).map_or(PollFlags::empty(), PollFd::revents);
        drop(fds);
        if ready.contains(PollFlags::OUT) {
            self.flush();
        }
        if !(ready - PollFlags::OUT).is_empty() {
            self.read();
        }
        if woken {
            self.waker.drain();
        }
        woken
    }
}

impl Peripherals for SerialBoard {
    fn next(&mut self, timeout: Duration) -> Option<DeviceEvent> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if self.turn(left) || left.is_zero() {
                return self.events.pop_front();
            }
        }
    }

    fn show(&mut self, signal: Signal) {
        self.signal = signal;
        if !self.link.is_open() {
            return;
        }
        self.show_due = self.tty.as_ref().is_some_and(|tty| !tty.is_idle());
        if !self.show_due {
            self.send(&ToMcu::Show(to_icd(signal)));
        }
    }

    fn tell(&mut self, notice: Notice) {
        let message = match notice {
            Notice::Alive => {
                self.alive_until = Instant::now() + ALIVE;
                return;
            }
            Notice::AskTime(Grace::Boot) => ToMcu::AskTime(icd::Grace::Boot),
            Notice::AskTime(Grace::Update) => ToMcu::AskTime(icd::Grace::Update),
            Notice::AskTime(Grace::Payment) => ToMcu::AskTime(icd::Grace::Payment),
            Notice::Time(utc_s) => ToMcu::SetTime { utc_s },
        };
        self.send(&message);
    }

    fn kept_time(&mut self) -> Option<u32> {
        self.kept_time.take()
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

/// How light it is by a reading, 0 to 255, where `before` is what it was: so that dusk does not flicker.
fn around(before: Ambient, reading: u8) -> Ambient {
    let below = |(limit, light): (u8, Ambient)| {
        let stays = before == light || (before == Ambient::Dark && light == Ambient::Dim);
        reading < if stays { limit.saturating_add(AMBIENT_STEP) } else { limit }
    };
    AMBIENT.into_iter().find(|step| below(*step)).map_or(Ambient::Day, |(_, light)| light)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dusk_does_not_flicker() {
        let mut light = Ambient::Day;
        let mut seen = vec![];
        for reading in [200, 50, 47, 55, 47, 57, 40, 11, 15, 11, 21, 200] {
            light = around(light, reading);
            seen.push(light);
        }
        use Ambient::{Dark, Day, Dim};
        assert_eq!(seen, [Day, Day, Dim, Dim, Dim, Day, Dim, Dark, Dark, Dark, Dim, Day]);
    }
}
