//! Time on a board without a clock of its own.
//!
//! A board that was switched off wakes up in 1970 or at the last shutdown. The floor is the latest time that the
//! backend told in an answer only it can have given; it is stored and only rises. TLS checks certificates against
//! `max(system clock, floor)`, so that such a board still connects. Order is never by clock: it is by `sequence`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::UnixTime;

/// An answer's date may be this far ahead of the system clock at most when that clock is known to be right.
pub const MAX_AHEAD_MS: i64 = 10 * 365 * 86_400_000;

/// 2026-01-01: no build of this program is older, so no clock that says less is right.
const BUILT_MS: i64 = 1_767_225_600_000;

/// When this program was built, or a time before that: the floor of a device that never heard of a time. Packages set
/// `SOURCE_DATE_EPOCH`, seconds since 1970.
#[must_use]
pub fn built_ms() -> i64 {
    let seconds = option_env!("SOURCE_DATE_EPOCH").and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    seconds.saturating_mul(1_000).max(BUILT_MS)
}

/// The stored floor under the clock, milliseconds since 1970. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Floor(Arc<AtomicI64>);

impl Floor {
    /// A floor as it was stored.
    #[must_use]
    pub fn new(ms: i64) -> Floor {
        Floor(Arc::new(AtomicI64::new(ms)))
    }

    /// The floor itself.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Raises the floor to an authenticated time. The new floor, if it rose by a minute or more: worth storing.
    pub fn raise(&self, authenticated_ms: i64) -> Option<i64> {
        let before = self.get();
        let sane = authenticated_ms.min(before.max(now_ms()).saturating_add(MAX_AHEAD_MS));
        (sane >= before + 60_000).then(|| {
            self.0.fetch_max(sane, Ordering::Relaxed);
            sane
        })
    }

    /// The best time known now: the system clock, but never below the floor.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        now_ms().max(self.get())
    }
}

impl rustls::time_provider::TimeProvider for Floor {
    fn current_time(&self) -> Option<UnixTime> {
        let ms = u64::try_from(self.now_ms()).unwrap_or(0);
        Some(UnixTime::since_unix_epoch(Duration::from_millis(ms)))
    }
}

/// The system clock, milliseconds since 1970, whatever it is worth.
#[must_use]
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// The boot id of this machine; empty where the kernel gives none.
#[must_use]
pub fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().chars().take(36).collect()
}

/// Milliseconds since boot.
#[must_use]
pub fn uptime_ms() -> u64 {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(at.tv_sec).unwrap_or(0).saturating_mul(1_000) + u64::try_from(at.tv_nsec).unwrap_or(0) / 1_000_000
}

/// How far the system clock can be trusted: `synced` once the kernel says that something disciplines it and it is not
/// below the floor, `estimated` when it is at least not below the floor, else `unset`.
#[must_use]
pub fn quality(floor: &Floor) -> cem_contract::Clock {
    quality_of(now_ms(), floor.get(), std::path::Path::new("/run/systemd/timesync/synchronized").exists())
}

fn quality_of(now_ms: i64, floor_ms: i64, synchronised: bool) -> cem_contract::Clock {
    if now_ms < BUILT_MS || now_ms + 60_000 < floor_ms {
        cem_contract::Clock::Unset
    } else if synchronised {
        cem_contract::Clock::Synced
    } else {
        cem_contract::Clock::Estimated
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rustls::time_provider::TimeProvider as _;

    #[test]
    fn the_floor_only_rises_and_is_worth_storing_by_the_minute() {
        let floor = Floor::new(1_000_000);
        assert_eq!(floor.raise(1_000_100), None);
        assert_eq!(floor.raise(2_000_000), Some(2_000_000));
        assert_eq!(floor.raise(500_000), None);
        assert_eq!(floor.get(), 2_000_000);
    }

    #[test]
    fn a_board_that_wakes_up_before_the_floor_connects_at_the_floor() {
        let ahead = now_ms() + 86_400_000;
        let at = Floor::new(ahead).current_time().unwrap();
        assert_eq!(at.as_secs(), u64::try_from(ahead / 1_000).unwrap());
        assert!(Floor::new(0).current_time().unwrap().as_secs() > 1_700_000_000);
    }

    #[test]
    fn a_device_that_never_heard_of_a_time_starts_at_its_build() {
        let dir = tempfile::tempdir().unwrap();
        let store = crate::store::Store::open(&dir.path().join("agent.db"), "/stores/s/devices/k").unwrap();
        assert!(store.floor().get() >= BUILT_MS);
    }

    #[tokio::test]
    async fn the_floor_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let open = || crate::store::Store::open(&dir.path().join("agent.db"), "/stores/s/devices/k").unwrap();
        let ahead = now_ms() + 86_400_000;
        open().raise_floor(ahead).await.unwrap();
        assert_eq!(open().floor().get(), ahead);
    }

    #[test]
    fn an_absurd_date_cannot_lift_the_floor_out_of_reach() {
        let floor = Floor::new(0);
        floor.raise(i64::MAX);
        assert!(floor.get() <= now_ms() + MAX_AHEAD_MS + 1_000);
    }

    #[test]
    fn a_clock_below_the_floor_is_unset_however_sure_it_is() {
        let built = 1_800_000_000_000;
        assert_eq!(quality_of(built, 0, true), cem_contract::Clock::Synced);
        assert_eq!(quality_of(built, built + 120_000, true), cem_contract::Clock::Unset);
        assert_eq!(quality_of(built, 0, false), cem_contract::Clock::Estimated);
        assert_eq!(quality_of(5, 0, true), cem_contract::Clock::Unset);
    }
}
