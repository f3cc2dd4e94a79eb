//! AES-128 as the cards use it: CBC (NIST SP 800-38A), CMAC (SP 800-38B, RFC 4493), and the MAC of eight bytes.

use aes::{
    Aes128,
    cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit},
};
use core::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroize as _;

/// Bytes of a key and of a block.
pub(crate) const BLOCK: usize = 16;

/// One block.
pub(crate) type Block = [u8; BLOCK];

/// An AES-128 key. Not shown by `Debug`, compared in constant time, wiped when dropped.
#[derive(Clone)]
pub struct Key(Block);

impl Key {
    /// The key that NXP delivers cards with.
    pub const FACTORY: Self = Self([0; BLOCK]);

    /// A key of these bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
    /// The bytes, for whoever has to store or send them.
    pub const fn expose(&self) -> &[u8; 16] {
        &self.0
    }
    /// From 32 hex digits.
    pub fn from_hex(hex: &str) -> Option<Self> {
        crate::hex::array(hex).map(Self)
    }

    fn cipher(&self) -> Aes128 {
        Aes128::new(&self.0.into())
    }

    pub(crate) fn encrypt_block(&self, block: Block) -> Block {
        let mut block = block.into();
        self.cipher().encrypt_block(&mut block);
        block.into()
    }

    /// CBC over whole blocks; bytes after the last whole block stay as they are.
    pub(crate) fn cbc_encrypt(&self, iv: Block, data: &mut [u8]) {
        let cipher = self.cipher();
        let mut last = iv;
        for chunk in data.chunks_exact_mut(BLOCK) {
            let mut block: Block = core::array::from_fn(|at| chunk[at] ^ last[at]);
            let mut inner = block.into();
            cipher.encrypt_block(&mut inner);
            block = inner.into();
            chunk.copy_from_slice(&block);
            last = block;
        }
    }

    pub(crate) fn cbc_decrypt(&self, iv: Block, data: &mut [u8]) {
        let cipher = self.cipher();
        let mut last = iv;
        for chunk in data.chunks_exact_mut(BLOCK) {
            let coded: Block = core::array::from_fn(|at| chunk[at]);
            let mut inner = coded.into();
            cipher.decrypt_block(&mut inner);
            let plain: Block = inner.into();
            for (at, byte) in chunk.iter_mut().enumerate() {
                *byte = plain[at] ^ last[at];
            }
            last = coded;
        }
    }

    /// CMAC of RFC 4493 over `parts`, one after the other.
    pub fn cmac(&self, parts: &[&[u8]]) -> [u8; 16] {
        self.cmac_padded(parts, 1)
    }

    /// CMAC whose padding fills at least `blocks` blocks, as AN10922 wants it.
    pub(crate) fn cmac_padded(&self, parts: &[&[u8]], blocks: usize) -> Block {
        let cipher = self.cipher();
        let mut zero = [0; BLOCK].into();
        cipher.encrypt_block(&mut zero);
        let full = doubled(zero.into());
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let blocks = length.div_ceil(BLOCK).max(blocks);
        let whole = length == blocks * BLOCK;
        let last = if whole { full } else { doubled(full) };
        let mut bytes = parts.iter().flat_map(|part| part.iter().copied()).chain([0x80]);
        let mut state = [0; BLOCK];
        for number in 1..=blocks {
            for (at, byte) in state.iter_mut().enumerate() {
                *byte ^= bytes.next().unwrap_or(0) ^ if number == blocks { last[at] } else { 0 };
            }
            let mut inner = state.into();
            cipher.encrypt_block(&mut inner);
            state = inner.into();
        }
        state
    }

    /// The eight bytes at odd places of the CMAC: what the cards send.
    pub(crate) fn short_mac(&self, parts: &[&[u8]]) -> [u8; 8] {
        let mac = self.cmac(parts);
        core::array::from_fn(|at| mac[2 * at + 1])
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Key {}

/// Multiplication by x in GF(2^128), without a branch on the key.
fn doubled(block: Block) -> Block {
    let value = u128::from_be_bytes(block);
    ((value << 1) ^ ((value >> 127) * 0x87)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::hex::{self, test_bytes};
    use cmac::{Cmac, Mac};

    #[test]
    fn cmac_gives_the_values_of_rfc_4493() {
        let key = Key::from_hex("2b7e151628aed2a6abf7158809cf4f3c").unwrap();
        let message = test_bytes(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
             30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        );
        for (length, mac) in [
            (0, "bb1d6929e95937287fa37d129b756746"),
            (16, "070a16b46b4d4144f79bdd9dd04a287c"),
            (40, "dfa66747de9ae63030ca32611497c827"),
            (64, "51f0bebf7e3b9d92fc49741779363cfe"),
        ] {
            assert_eq!(key.cmac(&[&message[..length]]), hex::array::<16>(mac).unwrap(), "{length} bytes");
        }
        // The subkeys of section 4.
        let first = doubled(key.encrypt_block([0; 16]));
        assert_eq!(first, hex::array::<16>("fbeed618357133667c85e08f7236a8de").unwrap());
        assert_eq!(doubled(first), hex::array::<16>("f7ddac306ae266ccf90bc11ee46d513b").unwrap());
    }

    #[test]
    fn cmac_agrees_with_another_implementation_at_every_length() {
        for length in 0..=80u8 {
            let message: alloc::vec::Vec<u8> = (0..length).collect();
            let key = Key([length; 16]);
            let mut other = Cmac::<Aes128>::new(&key.0.into());
            other.update(&message);
            let parts = message.split_at(message.len() / 3);
            assert_eq!(key.cmac(&[parts.0, parts.1])[..], other.finalize().into_bytes()[..], "{length} bytes");
        }
    }

    #[test]
    fn cbc_gives_the_values_of_sp_800_38a_and_comes_back() {
        let key = Key::from_hex("2b7e151628aed2a6abf7158809cf4f3c").unwrap();
        let iv = hex::array("000102030405060708090a0b0c0d0e0f").unwrap();
        let plain = test_bytes("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        let mut data = plain.clone();
        key.cbc_encrypt(iv, &mut data);
        assert_eq!(data, test_bytes("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"));
        key.cbc_decrypt(iv, &mut data);
        assert_eq!(data, plain);
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(alloc::format!("{:?}", Key([0xAB; 16])), "Key(..)");
    }
}
