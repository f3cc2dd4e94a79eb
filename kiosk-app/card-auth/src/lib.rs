//! card-auth: what a guest's card proves, and the pseudonym that stands for it.
//!
//! | Module | What |
//! |---|---|
//! | [`sun`] | the message that an NTAG 424 DNA makes at each tap: read, checked, and made (for simulators) |
//! | [`ev2`] | mutual authentication and secure messaging, both sides |
//! | [`ntag424`] | commands, key slots and file settings for issuing cards |
//! | [`issue`] | making a guest card of a blank one, from wherever it was interrupted |
//! | [`diversify`] | a key of its own for each card (AN10922) |
//! | [`hce`] | challenge and response of a telephone with the shop's application |
//!
//! A card's number never leaves the adapter that read it. What goes on is its pseudonym: a keyed hash, so that nobody
//! without the tenant's key can tell which card it was, or try all numbers until one fits. It is written
//! `<key version>:<64 lower-case hex digits>`, so that keys can change and old pseudonyms be recognised.
//!
//! The hash is HMAC-SHA256 (RFC 2104, FIPS 198-1) under the tenant's key over `kind || length || id`: the kind in one
//! byte ([`TagKind`]), the length of the id in one byte, the id. Kind and length keep apart what is not the same thing, even
//! where its bytes are equal. Whoever has the key can try all numbers: seven bytes are many, four bytes are not.
//!
//! This crate does no IO, draws no random numbers, keeps no key, and never writes a number or a key into an error. What it
//! compares with a secret it compares in constant time.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod crypto;
pub mod diversify;
pub mod ev2;
pub mod hce;
pub mod hex;
pub mod issue;
pub mod ntag424;
pub mod sun;

pub use crypto::Key;
pub use sun::SunMessage;

use alloc::string::String;
use core::fmt::{self, Write};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The longest id, in bytes.
pub const ID_MAX: usize = 255;

/// What an id is the id of. The numbers are part of the hash and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TagKind {
    /// UID of an NTAG 424 DNA, taken from a valid secure message.
    Ntag424 = 1,
    /// UID of any card, as it says of itself: it can be copied.
    Uid = 2,
    /// Id that a telephone's application has proven.
    Hce = 3,
    /// Id in a code shown on the guest's page.
    Qr = 4,
    /// Telephone number in E.164, digits only.
    Phone = 5,
}

/// Why there is no pseudonym for an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Four bytes that begin with 08: drawn anew at each tap (ISO/IEC 14443-3, 6.5.4), as telephones and passports do. It
    /// would make a new stranger each time.
    RandomUid,
    /// No bytes at all.
    Empty,
    /// More than [`ID_MAX`] bytes.
    TooLong,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RandomUid => "the card shows a random number at each tap; it cannot be recognised by it",
            Self::Empty => "the card shows no number",
            Self::TooLong => "the card's number is longer than 255 bytes",
        })
    }
}

impl core::error::Error for Refusal {}

/// The 128-bit token of the guest's page of an order. Kind 255 is no kind of card, so that no card can have this pseudonym.
pub fn page_token(tenant_key: &[u8; 32], order: &[u8; 16]) -> [u8; 16] {
    let mut block = [0; 64];
    block[..32].copy_from_slice(tenant_key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(&[255, 16]);
    mac.update(order);
    let hash = mac.finalize().into_bytes();
    core::array::from_fn(|at| hash[at])
}

/// The pseudonym of `id` under the tenant's key, `<version>:<hex>`.
///
/// # Errors
/// [`Refusal`] for an id that identifies nobody.
pub fn pseudonym(tenant_key: &[u8; 32], version: impl Into<u32>, kind: TagKind, id: &[u8]) -> Result<String, Refusal> {
    let length = u8::try_from(id.len()).map_err(|_| Refusal::TooLong)?;
    match (kind, id) {
        (_, []) => return Err(Refusal::Empty),
        (TagKind::Uid | TagKind::Ntag424, [0x08, _, _, _]) => return Err(Refusal::RandomUid),
        _ => {}
    }
    // HMAC pads a key to the hash's block with zeros; done here, nothing is left that could fail.
    let mut block = [0; 64];
    block[..32].copy_from_slice(tenant_key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(&[kind as u8, length]);
    mac.update(id);
    let hash = mac.finalize().into_bytes();
    let mut text = String::with_capacity(70);
    // Writing to a string cannot fail.
    let _ = write!(text, "{}:", version.into());
    for byte in hash {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::string::ToString;

    const KEY: [u8; 32] =
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31];
    const UID: [u8; 7] = [0x04, 0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6];

    #[test]
    fn pseudonyms_equal_those_of_another_implementation() {
        // Made with Python's hmac: hmac.new(key, bytes([kind, len(id)]) + id, sha256).
        type Vector = (&'static [u8; 32], u32, TagKind, &'static [u8], &'static str);
        let vectors: [Vector; 5] = [
            (&KEY, 1, TagKind::Ntag424, &UID, "1:71a19e618b1644a27eddf0b0e951d2b5304167f59fc90bee5b663da82219136d"),
            (&KEY, 1, TagKind::Uid, &UID, "1:a8b47632480df4d0fcd6a223dfa28fceed063135480b12225a932b773bd0fee8"),
            (
                &KEY,
                1,
                TagKind::Uid,
                &[0xde, 0xad, 0xbe, 0xef],
                "1:0337062a2fd90c59119658ad604c16405bd251a445d39903b0f945db7759472c",
            ),
            (
                &[0xff; 32],
                65535,
                TagKind::Hce,
                b"wallet-1",
                "65535:d0050a99ef02ae4dcb75c18c5007bb3a92377416d6e8cb5c41cd4398fa12c2bf",
            ),
            (&KEY, 2, TagKind::Qr, &[0; 255], "2:c23fe663a9cb473fcf0c43abefbacda2d12faccfb8ce456e3fc64251e9cec9be"),
        ];
        for (key, version, kind, id, expected) in vectors {
            assert_eq!(pseudonym(key, version, kind, id).unwrap(), expected);
        }
    }

    #[test]
    fn every_bit_of_key_kind_and_id_matters() {
        let one = pseudonym(&KEY, 1u16, TagKind::Uid, &UID).unwrap();
        assert_ne!(one, pseudonym(&KEY, 1u16, TagKind::Hce, &UID).unwrap());
        for bit in 0..256 {
            let mut key = KEY;
            key[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(one, pseudonym(&key, 1u16, TagKind::Uid, &UID).unwrap(), "key bit {bit}");
        }
        for bit in 0..56 {
            let mut uid = UID;
            uid[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(one, pseudonym(&KEY, 1u16, TagKind::Uid, &uid).unwrap(), "id bit {bit}");
        }
        assert_ne!(one, pseudonym(&KEY, 1u16, TagKind::Uid, &UID[..6]).unwrap());
    }

    #[test]
    fn what_identifies_nobody_is_refused() {
        for kind in [TagKind::Uid, TagKind::Ntag424] {
            assert_eq!(pseudonym(&KEY, 1u16, kind, &[0x08, 1, 2, 3]), Err(Refusal::RandomUid));
            assert!(pseudonym(&KEY, 1u16, kind, &[0x08, 1, 2, 3, 4, 5, 6]).is_ok(), "seven bytes are no random number");
            assert!(pseudonym(&KEY, 1u16, kind, &[0x09, 1, 2, 3]).is_ok());
        }
        assert!(pseudonym(&KEY, 1u16, TagKind::Hce, &[0x08, 1, 2, 3]).is_ok(), "a proven id may begin as it likes");
        assert_eq!(pseudonym(&KEY, 1u16, TagKind::Uid, &[]), Err(Refusal::Empty));
        assert_eq!(pseudonym(&KEY, 1u16, TagKind::Qr, &[0; 256]), Err(Refusal::TooLong));
    }

    #[test]
    fn a_refusal_names_no_number() {
        for refusal in [Refusal::RandomUid, Refusal::Empty, Refusal::TooLong] {
            assert!(!refusal.to_string().is_empty());
        }
    }
}
