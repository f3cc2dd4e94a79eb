//! The light ring: a frame is a pure function of what is meant, since when, and how it is to be shown.
//!
//! Meanings differ in form and not in colour alone (approved is the whole ring, declined four separate marks), nothing
//! blinks faster than twice a second (WCAG 2.3.1 allows three flashes), and with reduced motion nothing moves at all.

use crate::Millis;
use peripheral_icd::Signal;

/// Lights in the ring, number 0 at the top, clockwise.
pub const RING: usize = 16;

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// One picture of the ring.
pub type Frame = [Rgb; RING];

/// All off.
pub const DARK: Frame = [[0; 3]; RING];

/// A moving picture changes this often, milliseconds.
pub const FRAME_MS: Millis = 30;

const WHITE: Rgb = [255, 230, 190];
const BLUE: Rgb = [0, 120, 255];
const GREEN: Rgb = [0, 255, 60];
const RED: Rgb = [255, 20, 0];
const AMBER: Rgb = [255, 130, 0];

/// What the ring shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// No host: one dim dot at the bottom, standing still.
    Alone,
    /// As the host wishes.
    Signal(Signal),
}

/// How it is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// Nothing moves.
    pub reduced_motion: bool,
    /// Ambient light, 0 dark to 255.
    pub ambient: u8,
}

/// The picture of `look`, `elapsed` after it was first shown.
pub fn frame(look: Look, elapsed: Millis, manner: Manner) -> Frame {
    let moving = !manner.reduced_motion;
    let elapsed = fold(elapsed);
    let mut frame = DARK;
    for (i, light) in frame.iter_mut().enumerate() {
        let (colour, level) = match look {
            Look::Alone => (AMBER, if i == RING / 2 { 40 } else { 0 }),
            Look::Signal(signal) => shape(signal, i, elapsed, moving),
        };
        *light = dim(colour, level, manner.ambient);
    }
    frame
}

/// An hour is a multiple of every period here: 32 bits are enough, which the microcontroller divides a hundred times faster.
fn fold(elapsed: Millis) -> u32 {
    const HOUR: Millis = 3_600_000;
    (if elapsed < HOUR { elapsed } else { HOUR + elapsed % HOUR }) as u32
}

/// Colour and level, 0 to 255, of light `i`.
fn shape(signal: Signal, i: usize, elapsed: u32, moving: bool) -> (Rgb, u8) {
    let lit = |yes: bool| if yes { 255 } else { 0 };
    match signal {
        Signal::Idle => (WHITE, if moving { 24 + wave(elapsed, 4_000) / 6 } else { 40 }),
        Signal::TapHere => (BLUE, if moving { comet(i, elapsed, 1_200) } else { 255 }),
        Signal::Thinking if moving => (WHITE, comet(i, elapsed, 1_600).max(comet(i + RING / 2, elapsed, 1_600))),
        Signal::Thinking => (WHITE, if i.is_multiple_of(2) { 120 } else { 0 }),
        Signal::Approved => (GREEN, lit(!moving || i as u32 * 300 / RING as u32 <= elapsed)),
        Signal::Declined => {
            let faint = moving && (500..1_000).contains(&elapsed);
            (
                RED,
                if i % 4 != 2 {
                    0
                } else if faint {
                    40
                } else {
                    255
                },
            )
        }
        Signal::CallStaff => {
            let upper = !moving || elapsed % 1_000 < 500;
            (AMBER, lit((i + RING / 4) % RING < RING / 2 && upper || i == RING / 2))
        }
        Signal::Ready => {
            let even = !moving || elapsed % 2_000 < 1_000;
            (GREEN, if i.is_multiple_of(2) == even { 255 } else { 40 })
        }
    }
}

/// Up and down again in `period`, 0 to 255.
fn wave(elapsed: u32, period: u32) -> u8 {
    let at = (elapsed % period) * 512 / period;
    (if at < 256 { at } else { 511 - at }) as u8
}

/// A head that goes round in `period` and a tail of five lights behind it.
fn comet(i: usize, elapsed: u32, period: u32) -> u8 {
    let head = ((elapsed % period) * RING as u32 / period) as usize;
    let behind = (head + RING - i % RING) % RING;
    255u8.checked_shr(behind as u32).filter(|_| behind < 6).unwrap_or(0)
}

/// A fifth of the brightness in the dark, all of it by day; what is lit at all stays visible.
fn dim(colour: Rgb, level: u8, ambient: u8) -> Rgb {
    let by = 51 + u32::from(ambient) * 4 / 5;
    colour.map(|c| {
        let full = u32::from(c) * u32::from(level);
        let scaled = full * by / (255 * 255);
        if full > 0 { scaled.clamp(1, 255) as u8 } else { 0 }
    })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;

    const ALL: [Signal; 7] =
        [Signal::Idle, Signal::TapHere, Signal::Thinking, Signal::Approved, Signal::Declined, Signal::CallStaff, Signal::Ready];
    const DAY: Manner = Manner { reduced_motion: false, ambient: 255 };

    fn lit(frame: &Frame) -> u16 {
        frame.iter().enumerate().map(|(i, l)| u16::from(*l != [0; 3]) << i).sum()
    }

    #[test]
    fn with_reduced_motion_nothing_ever_changes() {
        for look in ALL.map(Look::Signal).into_iter().chain([Look::Alone]) {
            let still = Manner { reduced_motion: true, ..DAY };
            assert!((0..5_000).all(|at| frame(look, at, still) == frame(look, 0, still)), "{look:?}");
        }
    }

    #[test]
    fn meanings_differ_in_form_and_not_in_colour_alone() {
        for manner in [DAY, Manner { reduced_motion: true, ..DAY }] {
            let forms: std::vec::Vec<_> = [Signal::Approved, Signal::Declined, Signal::CallStaff]
                .into_iter()
                .map(|s| lit(&frame(Look::Signal(s), 2_000, manner)))
                .collect();
            assert_eq!(forms[0], 0xFFFF);
            assert_eq!(forms[1], 0b0100_0100_0100_0100);
            assert!(!forms.contains(&0) && forms[2] != forms[1] && forms[2] != forms[0]);
        }
    }

    #[test]
    fn no_light_flashes_more_than_twice_a_second() {
        for signal in ALL {
            for i in 0..RING {
                let on = |at| frame(Look::Signal(signal), at, DAY)[i].iter().any(|&c| c > 60);
                let flashes = (0..10_000).filter(|&at| on(at + 1) && !on(at)).count();
                assert!(flashes <= 20, "{signal:?} light {i}: {flashes} in ten seconds");
            }
        }
    }

    #[test]
    fn the_ring_is_five_times_dimmer_in_the_dark_and_never_vanishes() {
        let night = Manner { ambient: 0, ..DAY };
        let sum = |m| frame(Look::Signal(Signal::Approved), 1_000, m).iter().flatten().map(|&c| u32::from(c)).sum::<u32>();
        assert!((4..=6).contains(&(sum(DAY) / sum(night))));
        for signal in ALL {
            assert!((0..4_000).step_by(30).all(|at| lit(&frame(Look::Signal(signal), at, night)) != 0), "{signal:?}");
        }
    }

    #[test]
    fn the_ring_never_draws_more_than_half_an_ampere() {
        // 20 mA a colour at full value, by the data sheet of the WS2812B.
        for signal in ALL {
            for at in (0..4_000).step_by(10) {
                let sum: u32 = frame(Look::Signal(signal), at, DAY).iter().flatten().map(|&c| u32::from(c)).sum();
                assert!(sum * 20 / 255 <= 500, "{signal:?} at {at}: {} mA", sum * 20 / 255);
            }
        }
    }

    proptest! {
        #[test]
        fn any_time_and_any_light_make_a_picture(at in any::<u64>(), ambient in any::<u8>(), reduced_motion in any::<bool>()) {
            for signal in ALL {
                frame(Look::Signal(signal), at % (1 << 48), Manner { reduced_motion, ambient });
            }
        }
    }
}
