//! A key of its own for each card, derived from a master key (NXP AN10922, AES-128).
//!
//! The derived key is the CMAC under the master key of `01 || input`, padded to 32 bytes. The input of ours is the card's UID
//! (7 bytes), the key's number (1 byte) and [`SYSTEM`]: a key read out of one card opens no other card and no other slot.
//! The master keys stay at the backend; a kiosk only ever gets derived keys.

use crate::{
    crypto::Key,
    ntag424::{KeyNo, Uid7},
};

/// Last part of the input: keeps apart what one master key is used for.
pub const SYSTEM: &[u8; 8] = b"CEMKIOSK";

/// The longest input, bytes.
pub const INPUT_MAX: usize = 31;

/// AN10922, 2.2. `None` for an input of no bytes, or of more than [`INPUT_MAX`].
pub fn an10922(master: &Key, input: &[u8]) -> Option<Key> {
    (1..=INPUT_MAX).contains(&input.len()).then(|| Key::new(master.cmac_padded(&[&[1], input], 2)))
}

/// The key in slot `key` of the card `uid`.
pub fn card_key(master: &Key, uid: &Uid7, key: KeyNo) -> Key {
    // 1 + 7 + 1 + 8 bytes: between one block and two, where AN10922's padding is CMAC's own.
    Key::new(master.cmac_padded(&[&[1], uid, &[key as u8], SYSTEM], 2))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::hex::test_bytes;

    #[test]
    fn an10922_gives_its_published_key() {
        let master = Key::from_hex("00112233445566778899AABBCCDDEEFF").unwrap();
        let input = test_bytes("04782E21801D803042F54E585020416275");
        assert_eq!(an10922(&master, &input), Key::from_hex("A8DD63A3B89D54B37CA802473FDA9175"));
    }

    #[test]
    fn a_short_input_is_padded_to_two_blocks_and_a_long_one_refused() {
        let master = Key::FACTORY;
        let short = an10922(&master, &[7]).unwrap();
        assert_ne!(short, Key::new(master.cmac(&[&[1, 7]])), "one block would be plain CMAC");
        assert_eq!((an10922(&master, &[]), an10922(&master, &[0; 32])), (None, None));
        assert!(an10922(&master, &[0; 31]).is_some());
    }

    #[test]
    fn each_card_and_each_slot_has_a_key_of_its_own() {
        let master = Key::new([7; 16]);
        let uid = [4, 1, 2, 3, 4, 5, 6];
        let key = card_key(&master, &uid, KeyNo::File);
        assert_eq!(Some(key.clone()), an10922(&master, &[&uid[..], &[2], SYSTEM].concat()));
        assert_ne!(key, card_key(&master, &uid, KeyNo::Master));
        assert_ne!(key, card_key(&master, &[4, 1, 2, 3, 4, 5, 7], KeyNo::File));
    }
}
