//! Somebody near: a sensor that flickers in, a calm answer out.

use crate::{Millis, SAMPLE_MS};

/// Seen for this long in sum, somebody is near, milliseconds.
pub const NEAR_AFTER_MS: Millis = 300;

/// Unseen for this long in sum, nobody is, milliseconds: a person who stands still is lost by a radar now and then.
pub const AWAY_AFTER_MS: Millis = 4_000;

const FULL: u16 = 24_000;
const RISE: u16 = (FULL as Millis * SAMPLE_MS / NEAR_AFTER_MS) as u16;
const FALL: u16 = (FULL as Millis * SAMPLE_MS / AWAY_AFTER_MS) as u16;

/// A leaky sum of what the sensor says: it must fill to become near and drain to become away, so that neither flickers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    sum: u16,
    near: bool,
}

impl Presence {
    /// The calm answer.
    pub fn near(&self) -> bool {
        self.near
    }

    /// Takes a sample every [`SAMPLE_MS`]; true if the answer changed by it.
    pub fn sample(&mut self, seen: bool) -> bool {
        self.sum = if seen { (self.sum + RISE).min(FULL) } else { self.sum.saturating_sub(FALL) };
        let near = if self.near { self.sum > 0 } else { self.sum == FULL };
        core::mem::replace(&mut self.near, near) != near
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn near_comes_after_300_ms_and_goes_after_4_s() {
        let mut presence = Presence::default();
        let near = (1..).find(|_| presence.sample(true)).map(|n: Millis| n * SAMPLE_MS);
        let away = (1..).find(|_| presence.sample(false)).map(|n: Millis| n * SAMPLE_MS);
        assert_eq!((near, away), (Some(NEAR_AFTER_MS), Some(AWAY_AFTER_MS)));
    }

    #[test]
    fn a_sensor_that_loses_a_person_for_three_seconds_does_not_lose_the_person() {
        let mut presence = Presence::default();
        assert_eq!((0..100).filter(|_| presence.sample(true)).count(), 1);
        assert!((0..600).all(|_| !presence.sample(false)) && presence.near());
    }

    proptest! {
        #[test]
        fn changes_are_never_closer_together_than_the_times_say(seen in proptest::collection::vec(any::<bool>(), 0..4000)) {
            let (mut presence, mut last) = (Presence::default(), 0);
            for (i, seen) in seen.into_iter().enumerate() {
                if presence.sample(seen) {
                    let least = if presence.near() { NEAR_AFTER_MS } else { AWAY_AFTER_MS };
                    prop_assert!((i as Millis + 1 - last) * SAMPLE_MS >= least);
                    last = i as Millis + 1;
                }
            }
        }
    }
}
