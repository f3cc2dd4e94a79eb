//! Whatever is on the line: nothing wrong is accepted, nothing panics, and one valid frame is enough to be back.

use peripheral_icd::*;
use proptest::prelude::*;

/// SplitMix64: fast enough for hundreds of thousands of cases, and the same ones every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.roll() % n as u64) as usize
    }
}

const HEADER: Header = Header { session: 0x0102_0304, sequence: 9 };
const DRAWER: ToMcu = ToMcu::OpenDrawer { id: 77, pulse_ms: 100 };

fn drawer_frame() -> Vec<u8> {
    let mut out = [0; MAX_FRAME + 2];
    let n = encode_frame(HEADER, &DRAWER, &mut out).unwrap();
    out[..n].to_vec()
}

fn accepted(decoder: &mut Decoder, bytes: &[u8]) -> Vec<(Header, ToMcu)> {
    bytes.iter().filter_map(|&b| decoder.push::<ToMcu>(b)).filter_map(Result::ok).collect()
}

#[test]
fn hundreds_of_thousands_of_corrupted_frames_are_refused_and_each_good_one_behind_them_is_taken() {
    let (good, mut dice, mut decoder) = (drawer_frame(), Dice(1), Decoder::new());
    for case in 0..200_000 {
        let mut bad = good.clone();
        match case % 4 {
            // One to four bits flipped.
            0 => (0..=dice.below(4)).for_each(|_| {
                let bit = dice.below(bad.len() * 8);
                bad[bit / 8] ^= 1 << (bit % 8);
            }),
            // Cut short.
            1 => bad.truncate(dice.below(good.len() - 1)),
            // Bytes lost or doubled in the middle.
            2 => {
                let at = 1 + dice.below(good.len() - 2);
                bad.splice(at..=at, vec![good[at] ^ 0x55; 2 * dice.below(2)]);
            }
            // Noise of any length.
            _ => bad = (0..dice.below(150)).map(|_| dice.roll() as u8).collect(),
        }
        if bad == good || bad[..] == good[..good.len() - 1] {
            continue;
        }
        let taken = accepted(&mut decoder, &bad);
        // A flip of the frame's own zeros leaves it whole for the decoder; it is then the same frame, not another.
        assert!(taken.iter().all(|t| *t == (HEADER, DRAWER)), "case {case}: {taken:?}");
        let intact_inside = bad.windows(good.len() - 2).any(|w| w == &good[1..good.len() - 1]);
        assert!(taken.is_empty() || intact_inside, "case {case} was accepted");
        assert_eq!(accepted(&mut decoder, &good), [(HEADER, DRAWER)], "case {case}: not back within one frame");
    }
}

#[test]
fn two_million_bytes_of_noise_hold_no_frame() {
    let (mut dice, mut decoder) = (Dice(2), Decoder::new());
    for _ in 0..250_000 {
        // Many zeros, so that there are many short frames.
        let word = dice.roll().to_le_bytes().map(|b| if b < 40 { 0 } else { b });
        assert_eq!(accepted(&mut decoder, &word), []);
    }
}

proptest! {
    #[test]
    fn every_frame_reads_as_it_was_written(
        session in any::<u32>(), sequence in any::<u32>(), token in any::<u32>(), uptime_ms in any::<u32>(),
    ) {
        let header = Header { session, sequence };
        let message = ToHost::Pong { token, uptime_ms };
        let mut out = [0; MAX_FRAME + 2];
        let n = encode_frame(header, &message, &mut out).unwrap();
        prop_assert!(out[1..n - 1].iter().all(|&b| b != 0));
        prop_assert_eq!(decode_frame(&mut out[1..n - 1]), Ok((header, message)));
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..90)) {
        prop_assert!(decode_frame::<ToMcu>(&mut bytes.clone()).is_err());
        prop_assert!(decode_frame::<ToHost>(&mut bytes).is_err());
    }
}

#[test]
fn a_buffer_too_small_is_no_frame() {
    for n in 0..drawer_frame().len() {
        assert_eq!(encode_frame(HEADER, &DRAWER, &mut vec![0; n]), None);
    }
}
