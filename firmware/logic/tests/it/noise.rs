//! Whatever is on the wire: nothing wrong is accepted, no pulse is given, and one valid frame is enough to be back.

use super::bench::{Bench, start};
use peripheral_icd::*;
use peripheral_logic::*;

struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: usize) -> usize {
        (self.roll() % n as u64) as usize
    }
}

/// Corrupted, truncated and replayed drawer commands at a board with a session.
fn torment(frames: u64, seed: u64) -> (Bench, u64) {
    let (mut bench, mut dice) = (Bench::new(start()), Dice(seed));
    bench.hello(Features::ALL);
    bench.pass(1_000, true);
    let spent = bench.frame(&ToMcu::OpenDrawer { id: 1, pulse_ms: 100 });
    // A later number: intact it would be obeyed.
    let live = bench.frame(&ToMcu::OpenDrawer { id: 2, pulse_ms: 100 });
    bench.bytes(&spent);
    assert_eq!(bench.pulses.len(), 1);
    let mut accepted = 0;
    for n in 0..frames {
        let mut bad = live.clone();
        match n % 4 {
            0 => (0..=dice.below(5)).for_each(|_| {
                let bit = 8 + dice.below((live.len() - 2) * 8);
                bad[bit / 8] ^= 1 << (bit % 8);
            }),
            1 => bad.truncate(1 + dice.below(live.len() - 2)),
            2 => bad.copy_from_slice(&spent),
            _ => {
                let at = 1 + dice.below(live.len() - 2);
                bad.drain(at..(at + 1 + dice.below(4)).min(live.len() - 1));
                bad.insert(at, dice.roll() as u8 | 1);
            }
        }
        if bad == live {
            continue;
        }
        bad.push(0);
        for &b in &bad {
            let out = bench.board.step(bench.now, Input::Byte(Port::Usb, b));
            accepted += u64::from(out.drawer_ms.is_some() || !out.bytes().is_empty());
        }
        if n % 10_000 == 0 {
            // After half a frame, the very next whole one is taken: here by a copy of the board, so that it stays good.
            bench.bytes(&live[..7]);
            let mut copy = bench.board.clone();
            let pulsed = live.iter().any(|&b| copy.step(bench.now + 60_000, Input::Byte(Port::Usb, b)).drawer_ms.is_some());
            assert!(pulsed, "the live frame was lost after {n}");
        }
    }
    (bench, accepted)
}

#[test]
fn ten_million_corrupted_truncated_and_replayed_frames_are_refused() {
    let (bench, accepted) = torment(10_000_000, 0x9E37_79B9_7F4A_7C15);
    assert_eq!((accepted, bench.pulses.len()), (0, 1));
}
