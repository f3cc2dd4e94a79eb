//! Where [`Now`] comes from: the machine, or a test.

use jiff::{Timestamp, civil, tz::TimeZone};
use kiosk_core::{ClockQuality, Now};
use rustix::time::{ClockId, clock_gettime};
use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// 2026-01-01T00:00:00Z. This program did not exist before: a clock that says so was never set.
const FLOOR_MS: i64 = 1_767_225_600_000;
/// Made by systemd-timesyncd once it has heard a time server (systemd-timesyncd.service(8)).
const SYNCHRONIZED: &str = "/run/systemd/timesync/synchronized";

/// A source of time. Asked once for each step of the loop.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Now;

    /// What time it is now by somebody else's clock, milliseconds since 1970: counted on from here for as long as this clock
    /// has none of its own, and marked as estimated.
    fn hint(&self, utc_ms: i64);

    /// What a clock on the wall of the shop shows, `2026-11-22 10:31`: a hint by a person. Nothing for what is no time.
    fn hint_by_wall(&self, local: &str) {
        if let Some(utc_ms) = utc_of(&TimeZone::UTC, local) {
            self.hint(utc_ms);
        }
    }
}

/// The machine's clocks: `CLOCK_BOOTTIME` for time-outs, which counts through a suspend and never steps, and the
/// real-time clock for windows and for `time` of events.
#[derive(Debug)]
pub struct SystemClock {
    zone: TimeZone,
    /// Milliseconds since 1970 at which the monotonic clock stood at zero, by a hint; 0 without one.
    hint_ms: AtomicI64,
}

impl SystemClock {
    /// A clock in the machine's own time zone.
    pub fn new() -> Self {
        Self::in_zone(TimeZone::system())
    }

    /// A clock in a zone chosen by the shop.
    pub fn in_zone(zone: TimeZone) -> Self {
        Self { zone, hint_ms: AtomicI64::new(0) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let hint_ms = self.hint_ms.load(Ordering::Relaxed);
        judge(&self.zone, boot_ms(), millis(since_epoch), Path::new(SYNCHRONIZED).exists(), hint_ms)
    }

    fn hint(&self, utc_ms: i64) {
        let zero = utc_ms.saturating_sub(i64::try_from(boot_ms()).unwrap_or(i64::MAX));
        self.hint_ms.store(zero, Ordering::Relaxed);
    }

    fn hint_by_wall(&self, local: &str) {
        if let Some(utc_ms) = utc_of(&self.zone, local) {
            self.hint(utc_ms);
        }
    }
}

/// Milliseconds since 1970 of a time on the wall in a zone. Of an hour that comes twice, the first.
fn utc_of(zone: &TimeZone, local: &str) -> Option<i64> {
    let wall = civil::DateTime::strptime("%Y-%m-%d %H:%M", local).ok()?;
    Some(wall.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond())
}

/// A clock that stands still until it is told to go on.
#[derive(Clone, Debug)]
pub struct VirtualClock(Arc<Mutex<Now>>);

impl VirtualClock {
    /// A clock that says `now`.
    pub fn new(now: Now) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Lets time pass.
    pub fn advance(&self, ms: u64) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.mono_ms = now.mono_ms.saturating_add(ms);
        now.utc_ms = now.utc_ms.map(|utc| utc.saturating_add_unsigned(ms));
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Now {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hint(&self, utc_ms: i64) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.quality == ClockQuality::Unset {
            (now.utc_ms, now.quality) = (Some(utc_ms), ClockQuality::Estimated);
        }
    }
}

fn boot_ms() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let s = u64::try_from(time.tv_sec).unwrap_or(0);
    let ms = u64::try_from(time.tv_nsec / 1_000_000).unwrap_or(0);
    s.saturating_mul(1_000).saturating_add(ms)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn judge(zone: &TimeZone, mono_ms: u64, utc_ms: i64, synchronized: bool, hint_ms: i64) -> Now {
    let by_hint = hint_ms.saturating_add_unsigned(mono_ms);
    let (utc_ms, synchronized) = if utc_ms < FLOOR_MS && by_hint >= FLOOR_MS { (by_hint, false) } else { (utc_ms, synchronized) };
    let quality = match (utc_ms < FLOOR_MS, synchronized) {
        (true, _) => ClockQuality::Unset,
        (false, true) => ClockQuality::Synced,
        (false, false) => ClockQuality::Estimated,
    };
    let offset_s = Timestamp::from_millisecond(utc_ms).map_or(0, |at| zone.to_offset(at).seconds());
    Now {
        mono_ms,
        utc_ms: (quality != ClockQuality::Unset).then_some(utc_ms),
        offset_min: i16::try_from(offset_s / 60).unwrap_or(0),
        quality,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_clock_before_this_program_existed_is_unset() {
        let now = judge(&TimeZone::UTC, 7, FLOOR_MS - 1, true, 0);
        assert_eq!((now.utc_ms, now.quality), (None, ClockQuality::Unset));
    }

    #[test]
    fn a_clock_is_synced_only_when_the_system_says_so() {
        assert_eq!(judge(&TimeZone::UTC, 7, FLOOR_MS, false, 0).quality, ClockQuality::Estimated);
        assert_eq!(judge(&TimeZone::UTC, 7, FLOOR_MS, true, 0).quality, ClockQuality::Synced);
    }

    #[test]
    fn the_offset_follows_summer_time() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(judge(&zone, 7, FLOOR_MS, true, 0).offset_min, 60);
        assert_eq!(judge(&zone, 7, FLOOR_MS + 181 * 86_400_000, true, 0).offset_min, 120);
    }

    #[test]
    fn a_hint_counts_only_while_the_clock_was_never_set_and_is_not_called_sure() {
        let now = judge(&TimeZone::UTC, 7, 0, true, FLOOR_MS + 1_000);
        assert_eq!((now.utc_ms, now.quality), (Some(FLOOR_MS + 1_007), ClockQuality::Estimated));
        let now = judge(&TimeZone::UTC, 7, FLOOR_MS + 5, true, FLOOR_MS + 1_000);
        assert_eq!((now.utc_ms, now.quality), (Some(FLOOR_MS + 5), ClockQuality::Synced));
        assert_eq!(judge(&TimeZone::UTC, 7, 0, true, 99).quality, ClockQuality::Unset);
    }

    #[test]
    fn the_time_on_the_wall_is_that_of_the_shops_zone() {
        let clock = SystemClock::in_zone(TimeZone::get("Europe/Berlin").unwrap());
        let utc = |local| utc_of(&clock.zone, local);
        assert_eq!(utc("2026-11-21 10:31"), Some(1_795_253_460_000));
        assert_eq!(utc("2026-07-21 10:31"), Some(1_784_622_660_000), "in summer");
        assert_eq!(utc("2026-11-31 10:31"), None);
    }

    #[test]
    fn the_monotonic_clock_does_not_go_back() {
        let clock = SystemClock::new();
        let first = clock.now();
        assert!(clock.now().mono_ms >= first.mono_ms && first.mono_ms > 0);
    }
}
