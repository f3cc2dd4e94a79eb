//! Keys: bouncing contacts in, edges and repeats out.

use crate::Millis;
use peripheral_icd::Key;

/// How many keys there are.
pub const KEYS: usize = 5;

/// The keys in the order of their bits in [`crate::Levels::keys`].
pub const ORDER: [Key; KEYS] = [Key::Up, Key::Down, Key::Select, Key::Back, Key::Help];

/// Samples in a row that must agree: with [`crate::SAMPLE_MS`] an edge is told 10 to 15 ms after it happened, and a
/// contact that bounces for less than 10 ms makes one edge.
pub const AGREE: u8 = 3;

/// A held key repeats after this, milliseconds.
pub const REPEAT_AFTER_MS: Millis = 500;

/// And then this often, milliseconds.
pub const REPEAT_EVERY_MS: Millis = 120;

/// Longer than this nobody holds a key, milliseconds: it is stuck.
pub const STUCK_MS: Millis = 30_000;

/// A contact without its bouncing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Debounce {
    state: bool,
    against: u8,
}

impl Debounce {
    /// The settled state.
    pub fn state(&self) -> bool {
        self.state
    }

    /// Takes a sample; true if the settled state changed by it.
    pub fn sample(&mut self, raw: bool) -> bool {
        if raw == self.state {
            self.against = 0;
            return false;
        }
        self.against += 1;
        if self.against < AGREE {
            return false;
        }
        *self = Self { state: raw, against: 0 };
        true
    }
}

/// What a key did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEvent {
    /// Went down or came up.
    Edge(Key, bool),
    /// Is still down.
    Repeat(Key),
    /// Has been down for [`STUCK_MS`]; said once until it comes up.
    Stuck(Key),
}

#[derive(Clone, Copy, Debug, Default)]
struct One {
    contact: Debounce,
    since: Millis,
    repeat_at: Millis,
    stuck: bool,
}

/// The whole pad.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keypad {
    keys: [One; KEYS],
}

impl Keypad {
    /// Takes a sample of all keys, bit 0 first, 1 for down, and tells what happened, one event a key at most.
    pub fn sample(&mut self, now: Millis, down: u8, mut tell: impl FnMut(KeyEvent)) {
        for (i, (one, key)) in self.keys.iter_mut().zip(ORDER).enumerate() {
            if one.contact.sample(down >> i & 1 == 1) {
                (one.since, one.repeat_at, one.stuck) = (now, now + REPEAT_AFTER_MS, false);
                tell(KeyEvent::Edge(key, one.contact.state()));
            } else if one.contact.state() && !one.stuck {
                if now - one.since >= STUCK_MS {
                    one.stuck = true;
                    tell(KeyEvent::Stuck(key));
                } else if now >= one.repeat_at {
                    one.repeat_at = now + REPEAT_EVERY_MS;
                    tell(KeyEvent::Repeat(key));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    fn play(samples: impl IntoIterator<Item = u8>) -> Vec<(Millis, KeyEvent)> {
        let (mut pad, mut heard) = (Keypad::default(), vec![]);
        for (i, down) in samples.into_iter().enumerate() {
            let now = i as Millis * crate::SAMPLE_MS;
            pad.sample(now, down, |event| heard.push((now, event)));
        }
        heard
    }

    #[test]
    fn a_bouncing_press_is_one_edge_within_fifteen_milliseconds_of_the_last_bounce() {
        let heard = play([0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1]);
        assert_eq!(heard, [(40, KeyEvent::Edge(Key::Up, true))]);
    }

    #[test]
    fn a_held_key_repeats_until_it_is_taken_for_stuck() {
        let heard = play(std::iter::repeat_n(0b100, 6200));
        assert_eq!(heard[0], (10, KeyEvent::Edge(Key::Select, true)));
        assert_eq!(heard[1], (510, KeyEvent::Repeat(Key::Select)));
        assert_eq!(heard[2], (630, KeyEvent::Repeat(Key::Select)));
        assert_eq!(heard.last(), Some(&(30_010, KeyEvent::Stuck(Key::Select))));
    }

    proptest! {
        #[test]
        fn edges_alternate_and_never_come_without_three_samples_that_agree(samples in proptest::collection::vec(0u8..32, 0..600)) {
            let heard = play(samples.iter().copied());
            for (bit, key) in ORDER.into_iter().enumerate() {
                let mut down = false;
                for (at, event) in &heard {
                    if let KeyEvent::Edge(k, now_down) = *event && k == key {
                        prop_assert_ne!(down, now_down);
                        down = now_down;
                        let i = (*at / crate::SAMPLE_MS) as usize;
                        prop_assert!(samples[i - 2..=i].iter().all(|s| (s >> bit & 1 == 1) == down));
                    }
                }
            }
        }
    }
}
