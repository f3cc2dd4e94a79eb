//! The cash drawer's coil: what a command may do to it. The length of a pulse is held a second time by the hardware
//! that makes it, so that neither a hung program nor a wrong number burns the coil.

use crate::Millis;
use peripheral_icd::{DRAWER_PULSE_MS, Drawer as Answer};

/// Rest after a pulse before the next, milliseconds: the one-shot in front of the coil keeps 512 by itself.
pub const REST_MS: Millis = 520;

/// Coil time that may be used at once, milliseconds.
pub const BUDGET_MS: Millis = 1_000;

/// The budget fills by one millisecond in this many: a duty of 5 % in the long run.
pub const REFILL: Millis = 20;

/// The coil as the program knows it.
#[derive(Clone, Copy, Debug)]
pub struct Drawer {
    free_at: Millis,
    /// Unused coil time in 1/[`REFILL`] milliseconds.
    budget: Millis,
    counted_at: Millis,
}

impl Drawer {
    /// A coil of unknown past: cold enough for one pulse of the greatest length only, after a rest.
    pub const fn new(now: Millis) -> Self {
        Self { free_at: now + REST_MS, budget: *DRAWER_PULSE_MS.end() as Millis * REFILL, counted_at: now }
    }

    /// A command for a pulse. `Pulsed` means: give it now.
    pub fn pulse(&mut self, now: Millis, pulse_ms: u16) -> Answer {
        let pulse = Millis::from(pulse_ms);
        self.budget = (self.budget + (now - self.counted_at)).min(BUDGET_MS * REFILL);
        self.counted_at = now;
        if !DRAWER_PULSE_MS.contains(&pulse_ms) || now < self.free_at || self.budget < pulse * REFILL {
            return Answer::TooSoon;
        }
        self.budget -= pulse * REFILL;
        self.free_at = now + pulse + REST_MS;
        Answer::Pulsed
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn whatever_is_commanded_the_coil_rests_and_stays_below_its_duty(
            commands in proptest::collection::vec((0u64..3_000, any::<u16>()), 0..300),
        ) {
            let (mut drawer, mut now, mut pulses) = (Drawer::new(0), 0, Vec::new());
            for (wait, any) in commands {
                now += wait;
                let pulse_ms = any % 700;
                if drawer.pulse(now, pulse_ms) == Answer::Pulsed {
                    prop_assert!(DRAWER_PULSE_MS.contains(&pulse_ms));
                    pulses.push((now, Millis::from(pulse_ms)));
                }
            }
            for pair in pulses.windows(2) {
                prop_assert!(pair[1].0 >= pair[0].0 + pair[0].1 + REST_MS);
            }
            for (i, &(from, _)) in pulses.iter().enumerate() {
                let mut sum = 0;
                for &(at, ms) in &pulses[i..] {
                    sum += ms;
                    prop_assert!(sum <= BUDGET_MS + (at - from) / REFILL + 1);
                }
            }
        }
    }

    #[test]
    fn a_drawer_opens_for_one_customer_after_the_other() {
        let mut drawer = Drawer::new(0);
        let mut now = REST_MS;
        for _ in 0..100 {
            assert_eq!(drawer.pulse(now, 100), Answer::Pulsed);
            assert_eq!(drawer.pulse(now + 599, 100), Answer::TooSoon);
            now += 5_000;
        }
    }
}
