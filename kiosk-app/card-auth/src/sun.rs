//! Secure Unique NFC: the message that an NTAG 424 DNA makes anew at each tap (NXP AN12196, 3; data sheet NT4H2421Gx, 9.3).
//!
//! The card serves a URL into which it has written, at fixed places, either `picc_data` (encrypted UID and counter) or
//! `uid` and `ctr` in the open, optionally `enc` (encrypted file data), and `cmac`. The MAC's key is derived from the card's
//! file key, UID and counter; what it is taken over begins at `enc` and ends before the MAC's digits, so that the parameter's
//! name `&cmac=` belongs to it, or is nothing where there is no `enc`.
//!
//! A message is a one-time password, not a challenge: whoever checks it has to remember the last counter of each card.

use crate::{
    crypto::{BLOCK, Key},
    hex,
    ntag424::Uid7,
};
use alloc::vec::Vec;
use core::fmt;
use subtle::ConstantTimeEq;

/// The longest URL that is looked at, bytes; a card's file has 256.
pub const URL_MAX: usize = 512;
/// The longest encrypted file data, bytes.
pub const ENC_MAX: usize = 256;

/// How a message names the card.
#[derive(Clone, PartialEq, Eq)]
pub enum Picc {
    /// Under the PICC-data key.
    Encrypted([u8; 16]),
    /// In the open.
    Plain(Mirror),
}

/// UID and read counter as the card counts it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mirror {
    /// The card's UID.
    pub uid: Uid7,
    /// Taps so far, 24 bits.
    pub counter: u32,
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mirror(uid: .., counter: {})", self.counter)
    }
}

/// A message out of a URL, not yet checked.
#[derive(Clone, PartialEq, Eq)]
pub struct SunMessage {
    picc: Picc,
    /// What the MAC is taken over.
    mac_input: Vec<u8>,
    enc: Option<Vec<u8>>,
    mac: [u8; 8],
}

impl fmt::Debug for SunMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SunMessage(..)")
    }
}

/// What a valid message proves.
#[derive(Clone, PartialEq, Eq)]
pub struct Proven {
    /// Which card, and its counter.
    pub card: Mirror,
    /// Decrypted file data, where the card mirrors it.
    pub file_data: Option<Vec<u8>>,
}

impl fmt::Debug for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proven({:?})", self.card)
    }
}

/// Why a message proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SunError {
    /// Not a URL with the parameters of a message.
    Shape,
    /// Encrypted for another PICC-data key, or without UID or counter.
    Picc,
    /// The MAC is wrong: a forgery, or another key.
    Mac,
}

impl fmt::Display for SunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shape => "not a secure message",
            Self::Picc => "made with another PICC-data key, or without UID and counter",
            Self::Mac => "the message's MAC is wrong",
        })
    }
}

impl core::error::Error for SunError {}

impl SunMessage {
    /// Finds the message in a URL: `picc_data=` (or `picc=`, `e=`), or `uid=` and `ctr=`; `enc=` directly followed by
    /// `&cmac=`; `cmac=` (or `c=`), which is last.
    ///
    /// # Errors
    /// [`SunError::Shape`].
    pub fn from_url(url: &str) -> Result<Self, SunError> {
        if url.len() > URL_MAX {
            return Err(SunError::Shape);
        }
        let (_, query) = url.split_once('?').ok_or(SunError::Shape)?;
        let value = |names: &[&str]| {
            query
                .split('&')
                .find_map(|pair| pair.split_once('=').filter(|(name, _)| names.contains(name)).map(|(_, value)| value))
        };
        let mac_hex = value(&["cmac", "c"]).ok_or(SunError::Shape)?;
        let mac = hex::array(mac_hex).ok_or(SunError::Shape)?;
        let picc = match value(&["picc_data", "picc", "e"]) {
            Some(text) => Picc::Encrypted(hex::array(text).ok_or(SunError::Shape)?),
            None => Picc::Plain(Self::mirror(value(&["uid"]), value(&["ctr"])).ok_or(SunError::Shape)?),
        };
        let (mac_input, enc) = match value(&["enc"]) {
            None => (Vec::new(), None),
            Some(text) => {
                let data = hex::bytes(text, ENC_MAX).filter(|data| !data.is_empty() && data.len().is_multiple_of(BLOCK));
                let at = query.find("enc=").ok_or(SunError::Shape)? + 4;
                let end = query.rfind(mac_hex).filter(|end| *end > at).ok_or(SunError::Shape)?;
                (query.as_bytes()[at..end].to_vec(), Some(data.ok_or(SunError::Shape)?))
            }
        };
        Ok(Self { picc, mac_input, enc, mac })
    }

    fn mirror(uid: Option<&str>, counter: Option<&str>) -> Option<Mirror> {
        let [a, b, c] = hex::array(counter?)?;
        Some(Mirror { uid: hex::array(uid?)?, counter: u32::from_be_bytes([0, a, b, c]) })
    }

    /// The card and counter that the message claims: to look the card's key up, not to believe. A message in the open
    /// needs no key.
    ///
    /// # Errors
    /// [`SunError::Picc`].
    pub fn claimed(&self, picc_key: &Key) -> Result<Mirror, SunError> {
        let mut data = match &self.picc {
            Picc::Plain(mirror) => return Ok(*mirror),
            Picc::Encrypted(data) => *data,
        };
        picc_key.cbc_decrypt([0; BLOCK], &mut data);
        // C7: UID and counter are mirrored, the UID has 7 bytes.
        let [0xC7, u0, u1, u2, u3, u4, u5, u6, c0, c1, c2, ..] = data else { return Err(SunError::Picc) };
        Ok(Mirror { uid: [u0, u1, u2, u3, u4, u5, u6], counter: u32::from_le_bytes([c0, c1, c2, 0]) })
    }

    /// Checks the MAC under the card's file key, in constant time.
    ///
    /// # Errors
    /// [`SunError::Picc`] or [`SunError::Mac`].
    pub fn verify(&self, picc_key: &Key, file_key: &Key) -> Result<Proven, SunError> {
        let card = self.claimed(picc_key)?;
        let session = Session::new(file_key, &card);
        let good: bool = session.mac.short_mac(&[&self.mac_input]).ct_eq(&self.mac).into();
        if !good {
            return Err(SunError::Mac);
        }
        let file_data = self.enc.clone().map(|mut data| {
            session.enc.cbc_decrypt(session.iv(&card), &mut data);
            data
        });
        Ok(Proven { card, file_data })
    }
}

/// The keys of one tap.
struct Session {
    mac: Key,
    enc: Key,
}

impl Session {
    fn new(file_key: &Key, card: &Mirror) -> Self {
        let counter = &card.counter.to_le_bytes()[..3];
        let derive = |label: [u8; 2]| Key::new(file_key.cmac(&[&label, &[0, 1, 0, 0x80], &card.uid, counter]));
        Self { mac: derive([0x3C, 0xC3]), enc: derive([0xC3, 0x3C]) }
    }

    fn iv(&self, card: &Mirror) -> [u8; 16] {
        let mut block = [0; BLOCK];
        block[..3].copy_from_slice(&card.counter.to_le_bytes()[..3]);
        self.enc.encrypt_block(block)
    }
}

/// The card's side: what a tap writes into the file. `random` is the last five bytes of the PICC data.
pub fn picc_data(picc_key: &Key, card: &Mirror, random: [u8; 5]) -> [u8; 16] {
    let mut data = [0; BLOCK];
    data[0] = 0xC7;
    data[1..8].copy_from_slice(&card.uid);
    data[8..11].copy_from_slice(&card.counter.to_le_bytes()[..3]);
    data[11..].copy_from_slice(&random);
    picc_key.cbc_encrypt([0; BLOCK], &mut data);
    data
}

/// The card's side: the MAC over `input`, the part of the file from the MAC's input offset to the MAC itself.
pub fn message_mac(file_key: &Key, card: &Mirror, input: &[u8]) -> [u8; 8] {
    Session::new(file_key, card).mac.short_mac(&[input])
}

/// The card's side: file data as it is mirrored; whole blocks.
pub fn encrypt_file_data(file_key: &Key, card: &Mirror, data: &mut [u8]) {
    let session = Session::new(file_key, card);
    session.enc.cbc_encrypt(session.iv(card), data);
}

#[cfg(test)]
mod tests;
