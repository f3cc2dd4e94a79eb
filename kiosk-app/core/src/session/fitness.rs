//! How the kiosk itself is: devices, disk, clock. What is shown of it, who is told, and what it forbids.
//!
//! - A change that lasts [`SETTLE_MS`] is told by an event of the device, the same thing at most once in [`TELL_EVERY_MS`]:
//!   a plug that comes and goes does not fill the log. A disk that took nothing is told whenever it takes something again.
//! - With a disk that takes nothing, or a clock that nobody has set, no visit begins: a guest would choose in vain.
//! - A clock that is unset is set by hand, at the page that staff open in place of their desk.

use super::{Session, turn::Turn};
use crate::{
    config::Config,
    device::{DeviceKind, Health},
    effect::{Effect, Who},
    event::{Event, Problem},
    now::Now,
    session::language_tag,
    setup::local_time,
};
use alloc::{string::String, vec::Vec};

/// How long a change must last before it is told.
pub const SETTLE_MS: u64 = 2_000;
/// How often the same thing is told at most.
pub const TELL_EVERY_MS: u64 = 60_000;

/// The page on which a person sets the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AskTime {
    /// What was typed is no date of this century.
    pub wrong: bool,
    /// It is being set.
    pub busy: bool,
}

/// One thing that can fail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    kind: DeviceKind,
    health: Health,
    /// What the log says of it.
    told: Health,
    /// The worst since it was told, and since when.
    worst: Health,
    worst_since_ms: u64,
    tell_at_ms: Option<u64>,
    told_at_ms: Option<u64>,
}

/// All that can fail, and the page on which the clock is set.
#[derive(Clone, Debug, Default)]
pub(super) struct Fitness {
    parts: Vec<Part>,
    asks_time: Option<AskTime>,
    asks_until_ms: u64,
}

impl Fitness {
    fn of(&self, kind: DeviceKind) -> Health {
        self.parts.iter().find(|part| part.kind == kind).map_or(Health::Ok, |part| part.health)
    }

    pub(super) fn is_lost(&self, kind: DeviceKind) -> bool {
        self.of(kind) == Health::Lost
    }

    /// What is not well.
    pub(super) fn shown(&self) -> Vec<(DeviceKind, Health)> {
        self.parts.iter().map(|part| (part.kind, part.health)).filter(|(_, health)| *health != Health::Ok).collect()
    }

    pub(super) fn asks_time(&self) -> Option<AskTime> {
        self.asks_time
    }

    fn part(&mut self, kind: DeviceKind) -> &mut Part {
        let at = self.parts.iter().position(|part| part.kind == kind).unwrap_or_else(|| {
            let ok = Health::Ok;
            let part = Part { kind, health: ok, told: ok, worst: ok, worst_since_ms: 0, tell_at_ms: None, told_at_ms: None };
            self.parts.push(part);
            self.parts.len() - 1
        });
        &mut self.parts[at]
    }

    /// It is not there and never was: shown as such, told to nobody.
    pub(super) fn not_fitted(&mut self, kind: DeviceKind) {
        let part = self.part(kind);
        (part.health, part.told) = (Health::Lost, Health::Lost);
    }

    pub(super) fn set(&mut self, kind: DeviceKind, health: Health, now: Now) {
        if self.of(kind) == health {
            return;
        }
        let part = self.part(kind);
        part.health = health;
        if severity(health) > severity(part.worst) {
            (part.worst, part.worst_since_ms) = (health, now.mono_ms);
        }
        let settled = now.mono_ms.saturating_add(SETTLE_MS);
        let again = part.told_at_ms.map_or(0, |at| at.saturating_add(TELL_EVERY_MS));
        part.tell_at_ms = Some(settled.max(again));
    }

    /// When something is to be told or given up. What cannot be recorded is not told either.
    pub(super) fn next_tick_ms(&self) -> Option<u64> {
        let busy = self.asks_time.map(|asks| if asks.busy { 0 } else { self.asks_until_ms });
        self.tell_at_ms().into_iter().chain(busy).min()
    }

    fn tell_at_ms(&self) -> Option<u64> {
        let silent = self.is_lost(DeviceKind::Disk);
        self.parts.iter().filter_map(|part| part.tell_at_ms).min().filter(|_| !silent)
    }

    pub(super) fn has_news(&self, now: Now) -> bool {
        self.tell_at_ms().is_some_and(|at| at <= now.mono_ms)
    }

    fn news(&mut self, now: Now) -> Vec<Event> {
        let due = |part: &&mut Part| part.tell_at_ms.is_some_and(|at| at <= now.mono_ms);
        let mut news = Vec::new();
        for part in self.parts.iter_mut().filter(due) {
            part.tell_at_ms = None;
            // While these two fail nothing is sold: however short it was, it is told.
            let grave = matches!(part.kind, DeviceKind::Disk | DeviceKind::Clock);
            if part.health == part.told && !grave {
                (part.worst, part.worst_since_ms) = (part.health, now.mono_ms);
                continue;
            }
            news.push(part.tell(now));
        }
        news
    }
}

impl Part {
    fn tell(&mut self, now: Now) -> Event {
        let seconds = now.mono_ms.saturating_sub(self.worst_since_ms) / 1_000;
        let back = severity(self.health) < severity(self.worst);
        let event = Event::DeviceChanged {
            kind: self.kind,
            health: self.health,
            was: if back { self.worst } else { self.told },
            seconds: back.then(|| u32::try_from(seconds).unwrap_or(u32::MAX)),
        };
        self.tell_at_ms = None;
        self.told_at_ms = Some(now.mono_ms);
        self.told = self.health;
        if back {
            (self.worst, self.worst_since_ms) = (self.health, now.mono_ms);
        }
        event
    }
}

fn severity(health: Health) -> u8 {
    match health {
        Health::Ok => 0,
        Health::Low => 1,
        Health::Blocked => 2,
        Health::Lost => 3,
    }
}

impl Session {
    pub(super) fn health(&mut self, now: Now, kind: DeviceKind, health: Health) {
        self.fitness.set(kind, health, now);
    }

    pub(super) fn is_lost(&self, kind: DeviceKind) -> bool {
        self.fitness.is_lost(kind)
    }

    /// Every step brings the time, or shows that there is none.
    pub(crate) fn look_at_clock(&mut self, now: Now) {
        let health = if now.utc_ms.is_some() { Health::Ok } else { Health::Lost };
        self.fitness.set(DeviceKind::Clock, health, now);
    }

    /// The disk has taken a record that it might have refused, or has refused one.
    pub(crate) fn disk(&mut self, now: Now, takes: bool) {
        self.fitness.set(DeviceKind::Disk, if takes { Health::Ok } else { Health::Lost }, now);
    }

    pub(crate) fn disk_is_lost(&self) -> bool {
        self.is_lost(DeviceKind::Disk)
    }

    /// Asked of a disk that took nothing: where this is on disk, it takes something again.
    pub(crate) fn disk_probe(&self, now: Now) -> Option<Event> {
        let mut part = *self.fitness.parts.iter().find(|part| part.kind == DeviceKind::Disk)?;
        part.health = Health::Ok;
        Some(part.tell(now))
    }

    /// What the probe says is on disk.
    pub(crate) fn disk_is_back(&mut self, now: Now) {
        self.disk(now, true);
        self.fitness.part(DeviceKind::Disk).tell(now);
    }

    /// Why no visit may begin.
    pub(super) fn closed(&self) -> Option<Problem> {
        if self.is_lost(DeviceKind::Disk) {
            return Some(Problem::CannotRecord);
        }
        self.is_lost(DeviceKind::Clock).then_some(Problem::ClockUnset)
    }

    /// True where something is to be told now.
    pub(crate) fn has_news(&self, now: Now) -> bool {
        self.fitness.has_news(now)
    }

    /// Tells what has changed: it belongs to the device and not to the guest in front of it.
    pub(crate) fn tell_news(&mut self, turn: &mut Turn<'_>) {
        turn.who = Some(Who { language: language_tag(turn.catalogue, turn.config.language), ..Who::default() });
        turn.events.extend(self.fitness.news(turn.now));
    }

    /// Staff stand in front of a kiosk that does not know the time.
    pub(crate) fn ask_time(&mut self, now: Now, config: &Config) {
        self.close_overlay();
        self.fitness.asks_time = Some(AskTime::default());
        self.fitness.asks_until_ms = now.mono_ms.saturating_add(config.desk.idle_ms);
    }

    /// True while the page is open on which the clock is set.
    pub(crate) fn is_asking_time(&self) -> bool {
        self.fitness.asks_time.is_some()
    }

    pub(crate) fn stop_asking_time(&mut self) {
        self.fitness.asks_time = None;
    }

    /// A person says what time it is: twelve digits, local time.
    pub(crate) fn set_time(&mut self, turn: &mut Turn<'_>, digits: &str) {
        if !self.is_asking_time() || turn.now.utc_ms.is_some() {
            return self.stop_asking_time();
        }
        self.ask_time(turn.now, turn.config);
        let local: Option<String> = local_time(digits);
        self.fitness.asks_time = Some(AskTime { wrong: local.is_none(), busy: local.is_some() });
        if let Some(local) = local {
            turn.effect(Effect::SetClock { local });
        }
    }

    /// The clock was set, or could not be, or nobody is there any more.
    pub(super) fn tick_time(&mut self, turn: &Turn<'_>) {
        let Some(asks) = &mut self.fitness.asks_time else { return };
        let late = turn.now.mono_ms >= self.fitness.asks_until_ms;
        if turn.now.utc_ms.is_some() || late {
            return self.stop_asking_time();
        }
        if core::mem::take(&mut asks.busy) {
            asks.wrong = true;
        }
    }

    /// Refuses to begin, in words. True where it did.
    pub(super) fn refuses(&mut self, turn: &mut Turn<'_>) -> bool {
        let problem = if turn.can_record { self.closed() } else { Some(Problem::CannotRecord) };
        if let Some(problem) = problem {
            self.notice(turn, problem);
        }
        problem.is_some()
    }
}
