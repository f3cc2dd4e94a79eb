//! The host's heartbeat and its supply. The last line of reliability: a host that has stopped breathing is switched off
//! and on. Only the host's supply is switched; there is no pin for the payment terminal's.
//!
//! ```text
//!   power on ──▶ waits (180 s, doubled each time in a row, 1 h at most) ──▶ hears it ──▶ bears 30 s of silence,
//!       ▲                               │                                                or what was granted
//!       └────────── 5 s off ◀───────────┴──────────────────────────────────────────────────────┘
//! ```

use crate::Millis;
use peripheral_icd::{Grace, SILENCE_MS};

/// Silence that is borne without being asked, milliseconds: a kiosk that is restarted by systemd is back by then.
pub const PATIENCE_MS: Millis = 30_000;

/// The supply stays off for this long, milliseconds.
pub const OFF_MS: Millis = 5_000;

/// Longest wait for a host that does not come, milliseconds.
pub const LONGEST_WAIT_MS: Millis = 3_600_000;

/// An unbroken heartbeat of this length after a question makes its kind available again, milliseconds.
pub const REARM_MS: Millis = 10_000;

/// An unbroken heartbeat of this length ends the row of power cycles, milliseconds.
pub const HEALTHY_MS: Millis = 600_000;

/// How long silence may last when it was asked for.
pub const fn granted(grace: Grace) -> Millis {
    match grace {
        Grace::Boot | Grace::Payment => 180_000,
        Grace::Update => 600_000,
    }
}

/// What the board knows of its host.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    off_until: Option<Millis>,
    /// Silence is borne until then.
    until: Millis,
    heard: Option<Millis>,
    /// Since when the heartbeat is unbroken.
    unbroken: Millis,
    used: [Option<Millis>; 3],
    in_a_row: u8,
}

/// What happened to the host's supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// Switched off, for the how manieth time in a row.
    Off(u8),
    /// Switched on again.
    On,
}

impl Host {
    /// A host that was given power just now.
    pub const fn new(now: Millis) -> Self {
        Self { off_until: None, until: now + granted(Grace::Boot), heard: None, unbroken: now, used: [None; 3], in_a_row: 0 }
    }

    /// True while its supply is cut.
    pub fn is_off(&self) -> bool {
        self.off_until.is_some()
    }

    /// How often its supply was cut in a row.
    pub fn in_a_row(&self) -> u8 {
        self.in_a_row
    }

    /// An accepted frame of its session.
    pub fn hear(&mut self, now: Millis) {
        if self.heard.is_none_or(|before| now - before > Millis::from(SILENCE_MS)) {
            self.unbroken = now;
        }
        self.heard = Some(now);
        self.until = self.until.max(now + PATIENCE_MS);
        for used in &mut self.used {
            if used.is_some_and(|at| now - at.max(self.unbroken) >= REARM_MS) {
                *used = None;
            }
        }
        if now - self.unbroken >= HEALTHY_MS {
            self.in_a_row = 0;
        }
    }

    /// It asks for time. How long it gets from now on; 0 if this kind was used and no heartbeat has come between.
    pub fn ask(&mut self, now: Millis, grace: Grace) -> Millis {
        let used = &mut self.used[grace as usize];
        if used.is_some() {
            return 0;
        }
        *used = Some(now);
        self.until = self.until.max(now + granted(grace));
        granted(grace)
    }

    /// Lets time pass.
    pub fn pass(&mut self, now: Millis) -> Option<Supply> {
        match self.off_until {
            Some(until) if now >= until => {
                let wait = (granted(Grace::Boot) << self.in_a_row.min(8)).min(LONGEST_WAIT_MS);
                *self = Self { until: now + wait, in_a_row: self.in_a_row, ..Self::new(now) };
                // The time to boot comes with the power: it need not and cannot be asked for on top.
                self.used[Grace::Boot as usize] = Some(now);
                Some(Supply::On)
            }
            None if now >= self.until => {
                self.off_until = Some(now + OFF_MS);
                self.in_a_row = self.in_a_row.saturating_add(1);
                Some(Supply::Off(self.in_a_row))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    /// Lets `ms` pass without a word; when the supply was switched.
    fn silence(host: &mut Host, from: Millis, ms: Millis) -> Vec<(Millis, Supply)> {
        (from..from + ms).step_by(100).filter_map(|now| host.pass(now).map(|s| (now, s))).collect()
    }

    fn beat(host: &mut Host, from: Millis, ms: Millis) -> Millis {
        for now in (from..from + ms).step_by(500) {
            host.hear(now);
            assert_eq!(host.pass(now), None);
        }
        from + ms
    }

    #[test]
    fn a_host_that_stops_breathing_is_switched_off_and_on() {
        let mut host = Host::new(0);
        let now = beat(&mut host, 20_000, 200_000);
        let switched = silence(&mut host, now, 60_000);
        assert_eq!(switched, [(now - 500 + PATIENCE_MS, Supply::Off(1)), (now - 500 + PATIENCE_MS + OFF_MS, Supply::On)]);
    }

    #[test]
    fn a_host_that_never_comes_is_tried_less_and_less_often() {
        let mut host = Host::new(0);
        let off: Vec<_> = silence(&mut host, 0, 20_000_000)
            .into_iter()
            .filter_map(|(at, s)| matches!(s, Supply::Off(_)).then_some(at))
            .collect();
        let waits: Vec<_> = off.windows(2).map(|w| w[1] - w[0] - OFF_MS).collect();
        assert_eq!(off[0], 180_000);
        assert_eq!(waits[..6], [360_000, 720_000, 1_440_000, 2_880_000, 3_600_000, 3_600_000]);
    }

    #[test]
    fn ten_healthy_minutes_end_the_row() {
        let mut host = Host::new(0);
        silence(&mut host, 0, 200_000);
        assert_eq!(host.in_a_row(), 1);
        beat(&mut host, 200_000, HEALTHY_MS + 500);
        assert_eq!(host.in_a_row(), 0);
    }

    #[test]
    fn a_host_may_ask_for_time_once_in_a_row_by_kind() {
        let mut host = Host::new(0);
        let now = beat(&mut host, 1_000, 20_000);
        assert_eq!(host.ask(now, Grace::Update), 600_000);
        assert_eq!(host.ask(now, Grace::Update), 0);
        assert_eq!(host.ask(now, Grace::Payment), 180_000);
        assert_eq!(silence(&mut host, now, 599_900), []);
        assert_eq!(silence(&mut host, now + 600_000, 100), [(now + 600_000, Supply::Off(1))]);
    }

    #[test]
    fn each_payment_may_ask_again_after_ten_seconds_of_heartbeat() {
        let (mut host, mut now) = (Host::new(0), 1_000);
        for _ in 0..20 {
            now = beat(&mut host, now, REARM_MS + 1_000);
            assert_eq!(host.ask(now, Grace::Payment), 180_000);
        }
    }

    #[test]
    fn a_host_that_starts_asks_and_dies_for_ever_is_not_borne_for_ever() {
        let (mut host, mut now, mut off) = (Host::new(0), 0, vec![]);
        while off.is_empty() && now < 10_000_000 {
            host.hear(now);
            host.ask(now, Grace::Boot);
            off = silence(&mut host, now, 40_000);
            now += 40_000;
        }
        assert!(now <= 240_000, "{now}");
    }

    proptest! {
        #[test]
        fn nothing_that_a_host_says_keeps_a_silent_one_on_for_more_than_ten_minutes(
            steps in proptest::collection::vec((0u64..70_000, 0usize..4), 1..80),
        ) {
            let (mut host, mut now) = (Host::new(0), 0);
            for (wait, what) in steps {
                silence(&mut host, now, wait);
                now += wait;
                if !host.is_off() {
                    match what {
                        0 => host.hear(now),
                        kind => _ = host.ask(now, [Grace::Boot, Grace::Update, Grace::Payment][kind - 1]),
                    }
                }
            }
            let switched = silence(&mut host, now, LONGEST_WAIT_MS + OFF_MS + 200);
            prop_assert!(!switched.is_empty());
            if host.in_a_row() == 1 && !matches!(switched[0].1, Supply::On) {
                prop_assert!(switched[0].0 <= now + 600_100);
            }
        }
    }
}
