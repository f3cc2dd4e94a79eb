//! What a signal sounds like: short, once, by pitch and rhythm and not by loudness.

use crate::Millis;
use peripheral_icd::Signal;

/// What the buzzer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tone {
    /// Pitch, hertz.
    pub hz: u16,
    /// Share of the period that the buzzer is driven, 1 to 50 percent: how loud it is.
    pub duty_percent: u8,
}

/// Pitch (0: a rest) and length in milliseconds.
type Note = (u16, u16);

const APPROVED: &[Note] = &[(880, 90), (0, 30), (1175, 140)];
const DECLINED: &[Note] = &[(330, 260)];
const CALL_STAFF: &[Note] = &[(660, 120), (0, 120), (660, 120)];
const READY: &[Note] = &[(784, 110), (988, 110), (1175, 200)];

fn melody(signal: Signal) -> &'static [Note] {
    match signal {
        Signal::Idle | Signal::TapHere | Signal::Thinking => &[],
        Signal::Approved => APPROVED,
        Signal::Declined => DECLINED,
        Signal::CallStaff => CALL_STAFF,
        Signal::Ready => READY,
    }
}

/// The tone of `signal`, `elapsed` after it was first shown, at `volume` 0 to 100; `None` for silence.
pub fn tone(signal: Signal, elapsed: Millis, volume: u8) -> Option<Tone> {
    let mut left = elapsed;
    let hz = melody(signal).iter().find_map(|&(hz, ms)| {
        let here = left < Millis::from(ms);
        left = left.saturating_sub(ms.into());
        here.then_some(hz)
    })?;
    let duty_percent = volume.min(100).div_ceil(2);
    (hz != 0 && duty_percent != 0).then_some(Tone { hz, duty_percent })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Signal; 7] =
        [Signal::Idle, Signal::TapHere, Signal::Thinking, Signal::Approved, Signal::Declined, Signal::CallStaff, Signal::Ready];

    #[test]
    fn approved_rises_and_declined_is_low() {
        assert_eq!(tone(Signal::Approved, 0, 100), Some(Tone { hz: 880, duty_percent: 50 }));
        assert_eq!(tone(Signal::Approved, 100, 100), None);
        assert_eq!(tone(Signal::Approved, 120, 100), Some(Tone { hz: 1175, duty_percent: 50 }));
        assert_eq!(tone(Signal::Declined, 259, 10), Some(Tone { hz: 330, duty_percent: 5 }));
    }

    #[test]
    fn every_sound_ends_within_half_a_second_and_none_sounds_at_volume_zero() {
        for signal in ALL {
            assert!((500..3_000).all(|at| tone(signal, at, 100).is_none()));
            assert!((0..600).all(|at| tone(signal, at, 0).is_none()));
            assert!((0..600).filter_map(|at| tone(signal, at, 255)).all(|t| t.duty_percent == 50));
        }
    }
}
