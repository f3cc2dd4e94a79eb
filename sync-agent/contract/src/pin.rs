//! Hashes of staff PINs: argon2id (RFC 9106) with the store's pepper as its secret, written as a PHC string.
//!
//! A PIN has few digits: whoever has hash and pepper can try them all. What keeps it is that the pepper is sealed to the
//! machine, and that a kiosk locks after wrong ones.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

/// Kibibytes of memory: 19 MiB and two passes take a tenth of a second on a small board.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashes from outside may not make us work harder than this.
const MAX_MEMORY_KIB: u32 = 64 * 1024;
const MAX_PASSES: u32 = 8;
const MAX_LANES: u32 = 4;
const HASH_BYTES: usize = 32;
/// Bytes of salt.
pub const SALT_BYTES: usize = 16;
/// Digits of a PIN: four to eight.
pub const PIN_DIGITS: std::ops::RangeInclusive<usize> = 4..=8;

/// Why a PIN cannot be hashed or checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// Not four to eight digits.
    #[error("a PIN has four to eight digits")]
    NotAPin,
    /// Digits that everybody tries first: 0000, 1234.
    #[error("this PIN is too easy to guess: choose one that is no row and no repetition")]
    TooEasy,
    /// The hash is not one of ours, or asks for more work than is allowed.
    #[error("the stored PIN cannot be used: it must be set anew")]
    NotAHash,
}

/// Whether a PIN may be chosen.
///
/// # Errors
/// As [`PinError`] says.
pub fn check(pin: &str) -> Result<(), PinError> {
    let digits = pin.as_bytes();
    if !PIN_DIGITS.contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(PinError::NotAPin);
    }
    let row = |by: i16| digits.windows(2).all(|pair| i16::from(pair[1]) - i16::from(pair[0]) == by);
    if row(0) || row(1) || row(-1) { Err(PinError::TooEasy) } else { Ok(()) }
}

/// Hashes a PIN.
///
/// # Errors
/// When it is no PIN (easy ones are hashed: [`check`] is for those who choose).
pub fn hash(pin: &str, salt: &[u8; SALT_BYTES], pepper: &[u8]) -> Result<String, PinError> {
    if !PIN_DIGITS.contains(&pin.len()) || !pin.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PinError::NotAPin);
    }
    let out = derive(pin, salt, pepper, (MEMORY_KIB, PASSES, LANES))?;
    let (salt, out) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(out));
    Ok(format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${out}"))
}

/// Whether a PIN is the one of a hash. Takes the same time for a right and a wrong one.
///
/// # Errors
/// When the hash cannot be used. A PIN that is none is simply wrong.
pub fn verify(pin: &str, hash: &str, pepper: &[u8]) -> Result<bool, PinError> {
    let parsed = parse(hash).ok_or(PinError::NotAHash)?;
    let out = derive(pin, &parsed.salt, pepper, parsed.cost)?;
    let differ = out.iter().zip(&parsed.hash).fold(0, |differ, (a, b)| differ | (a ^ b));
    Ok(differ == 0)
}

struct Parsed {
    cost: (u32, u32, u32),
    salt: Vec<u8>,
    hash: Vec<u8>,
}

fn parse(text: &str) -> Option<Parsed> {
    let mut parts = text.strip_prefix("$argon2id$v=19$")?.split('$');
    let (cost, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let mut numbers = cost.split(',');
    let mut number = |name: &str| numbers.next()?.strip_prefix(name)?.parse::<u32>().ok();
    let cost = (number("m=")?, number("t=")?, number("p=")?);
    let parsed = Parsed { cost, salt: STANDARD_NO_PAD.decode(salt).ok()?, hash: STANDARD_NO_PAD.decode(hash).ok()? };
    let is_ours = parts.next().is_none()
        && parsed.hash.len() == HASH_BYTES
        && (8..=64).contains(&parsed.salt.len())
        && cost.0 <= MAX_MEMORY_KIB
        && cost.1 <= MAX_PASSES
        && cost.2 <= MAX_LANES;
    is_ours.then_some(parsed)
}

fn derive(pin: &str, salt: &[u8], pepper: &[u8], cost: (u32, u32, u32)) -> Result<[u8; HASH_BYTES], PinError> {
    let params = Params::new(cost.0, cost.1, cost.2, Some(HASH_BYTES)).map_err(|_| PinError::NotAHash)?;
    let argon = Argon2::new_with_secret(pepper, Algorithm::Argon2id, Version::V0x13, params).map_err(|_| PinError::NotAHash)?;
    let mut out = [0; HASH_BYTES];
    argon.hash_password_into(pin.as_bytes(), salt, &mut out).map_err(|_| PinError::NotAHash)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_pin_is_right_with_its_pepper_only() {
        let hash = hash("4711", &[7; SALT_BYTES], b"pepper").unwrap();
        assert!(verify("4711", &hash, b"pepper").unwrap());
        assert!(!verify("4712", &hash, b"pepper").unwrap());
        assert!(!verify("4711", &hash, b"salt").unwrap());
        assert!(!verify("", &hash, b"pepper").unwrap());
    }

    #[test]
    fn a_hash_has_the_form_that_every_implementation_reads() {
        let hash = hash("4711", &[7; SALT_BYTES], b"").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"), "{hash}");
    }

    #[test]
    fn rows_and_repetitions_are_not_chosen() {
        assert_eq!(check("4711"), Ok(()));
        for easy in ["0000", "1234", "87654321"] {
            assert_eq!(check(easy), Err(PinError::TooEasy), "{easy}");
        }
        for no_pin in ["", "123", "123456789", "12a4", "１２３４"] {
            assert_eq!(check(no_pin), Err(PinError::NotAPin), "{no_pin}");
        }
    }

    #[test]
    fn a_hash_that_is_rubbish_or_asks_for_gigabytes_is_refused() {
        let good = hash("4711", &[7; SALT_BYTES], b"").unwrap();
        for bad in [
            String::new(),
            good.replace("argon2id", "argon2i"),
            good.replace("m=19456", "m=4294967295"),
            good.replace("t=2", "t=1000000"),
            good.replace("$BwcHBwcHBwcHBwcHBwcHBw$", "$AA$"),
            format!("{good}$more"),
        ] {
            assert_eq!(verify("4711", &bad, b""), Err(PinError::NotAHash), "{bad}");
        }
    }
}
