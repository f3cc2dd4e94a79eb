//! Identifiers made inside the core: 128-bit UUIDv7 values from [`crate::Now`] and a seeded generator.

use crate::now::Now;
use core::fmt;

/// A UUIDv7 as 16 bytes, big-endian (RFC 9562). Made once, kept for ever. `Display` writes the hyphenated lower-case text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub [u8; 16]);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl Id {
    /// Reads the hyphenated text of any UUID, in either case; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != 36 {
            return None;
        }
        let mut bytes = [0; 16];
        let mut digits = 0;
        for (at, &c) in text.iter().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) {
                if c != b'-' {
                    return None;
                }
                continue;
            }
            let digit = u8::try_from(char::from(c).to_digit(16)?).ok()?;
            bytes[digits / 2] = bytes[digits / 2] << 4 | digit;
            digits += 1;
        }
        Some(Self(bytes))
    }
}

/// Makes [`Id`]s: the time in front, 74 bits of xoshiro256++ (Blackman and Vigna, 2019) behind. Unique, not secret: who
/// sees a few ids can foresee the next, so none of them opens anything.
#[derive(Clone, Debug)]
pub struct IdMaker {
    state: [u64; 4],
}

impl IdMaker {
    /// Two makers with the same seed make the same ids: draw the seed anew at each start.
    pub fn new(seed: [u8; 32]) -> Self {
        let mut state = [0; 4];
        let mut mix = 0u64;
        for (word, chunk) in state.iter_mut().zip(seed.chunks_exact(8)) {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(chunk);
            mix = mix.wrapping_add(u64::from_le_bytes(bytes));
            *word = split_mix(&mut mix);
        }
        Self { state }
    }

    /// The next id. Without a clock, the time since boot stands in front: such ids sort before all others.
    pub fn next(&mut self, now: Now) -> Id {
        let ms = now.utc_ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(now.mono_ms);
        let time = (ms & 0xffff_ffff_ffff) << 16;
        let high = time | 0x7000 | (self.random() >> 52);
        let low = (self.random() >> 2) | 1 << 63;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&high.to_be_bytes());
        bytes[8..].copy_from_slice(&low.to_be_bytes());
        Id(bytes)
    }

    fn random(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }
}

/// SplitMix64 (Steele, Lea, Flood, 2014): spreads a poor seed, so that xoshiro never starts from zeros.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::now::ClockQuality;
    use alloc::{collections::BTreeSet, string::ToString};

    fn at(utc_ms: Option<i64>) -> Now {
        Now { mono_ms: 77, utc_ms, offset_min: 0, quality: ClockQuality::Synced }
    }

    #[test]
    fn an_id_carries_the_time_the_version_and_the_variant() {
        // The time stamp of the example in RFC 9562, A.6.
        let id = IdMaker::new([7; 32]).next(at(Some(1_645_557_742_000)));
        let text = id.to_string();
        assert!(text.starts_with("017f22e2-79b0-7"), "{text}");
        assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{text}");
        assert_eq!(text.len(), 36);
        assert_eq!(Id::parse(&text), Some(id));
        assert_eq!(Id::parse(&text.to_uppercase()), Some(id));
    }

    #[test]
    fn without_a_clock_the_time_since_boot_stands_in_front() {
        let mut ids = IdMaker::new([0; 32]);
        assert!(ids.next(at(None)).to_string().starts_with("00000000-004d-7"));
        assert!(ids.next(at(Some(-5))).to_string().starts_with("00000000-004d-7"));
    }

    #[test]
    fn even_a_seed_of_zeros_gives_distinct_ids() {
        let mut ids = IdMaker::new([0; 32]);
        let made: BTreeSet<Id> = (0..10_000).map(|_| ids.next(at(Some(1)))).collect();
        assert_eq!(made.len(), 10_000);
    }

    #[test]
    fn anything_that_is_not_a_uuid_is_refused() {
        for text in ["", "017f22e2", "017f22e2-79b0-7cc3-98c4-dc0c0c07398g", "017f22e2079b0-7cc3-98c4-dc0c0c07398f", "äöü"] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }
}
