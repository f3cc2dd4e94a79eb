// SPDX-License-Identifier: GPL-3.0-only
//! What the service manager hears of the kiosk: started, stopping, and alive for as long as screen and shell both go on.

use kiosk_shell::ShellHandle;
use sd_notify::NotifyState;
use std::time::{Duration, Instant};

/// Feeds the watchdog. Asked from the screen's own thread, so that a screen that hangs is not alive either; and fed only
/// where the shell's loop went round since the last time.
pub(crate) struct Watchdog {
    /// `None` where nobody watches.
    every: Option<Duration>,
    last: Option<(Instant, u64)>,
}

impl Watchdog {
    /// The watchdog that systemd set up for this process, if it did.
    pub(crate) fn of_this_process() -> Self {
        Self::every(sd_notify::watchdog_enabled().map(|limit| limit / 3))
    }

    fn every(every: Option<Duration>) -> Self {
        Self { every, last: None }
    }

    /// Called once a second at least.
    pub(crate) fn look(&mut self, handle: &ShellHandle) {
        if self.is_fed(Instant::now(), handle.beats()) {
            tell(NotifyState::Watchdog);
        }
    }

    fn is_fed(&mut self, now: Instant, beats: u64) -> bool {
        let Some(every) = self.every else { return false };
        match self.last {
            Some((then, _)) if now.saturating_duration_since(then) < every => return false,
            Some((_, seen)) if seen == beats => {
                tracing::error!(beats, "the shell stands still; the watchdog is not fed");
                return false;
            }
            _ => {}
        }
        self.last = Some((now, beats));
        true
    }
}

/// Tells systemd; without it nothing happens.
pub(crate) fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager was not told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_fed_at_its_pace_and_only_while_the_shell_goes_round() {
        let mut dog = Watchdog::every(Some(Duration::from_secs(10)));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(dog.is_fed(at(0), 0));
        assert!(!dog.is_fed(at(5), 5), "too early");
        assert!(dog.is_fed(at(10), 10));
        assert!(!dog.is_fed(at(20), 10) && !dog.is_fed(at(60), 10), "the shell stands still");
        assert!(dog.is_fed(at(61), 11));
    }

    #[test]
    fn without_a_service_manager_nobody_is_told() {
        assert!(!Watchdog::every(None).is_fed(Instant::now(), 1));
    }
}
