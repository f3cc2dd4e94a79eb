//! AuthenticateEV2First and the secure messages after it (data sheet NT4H2421Gx, 9.1; AN12196, 5): both sides prove that they
//! hold a key, then commands carry a MAC and, where the data is secret, ciphertext.
//!
//! The host side is for kiosks and for personalising; the card side serves simulators. Randomness comes from the caller.
//! Every response goes with its status bytes, as a reader hands it on.

use crate::crypto::{BLOCK, Block, Key};
use alloc::vec::Vec;
use core::fmt;
use subtle::ConstantTimeEq;

/// INS of AuthenticateEV2First.
pub const AUTHENTICATE: u8 = 0x71;
/// INS that goes on with what was begun.
pub const MORE: u8 = 0xAF;
/// Status of success, after `91`.
pub const OK: u8 = 0x00;

const MAC: usize = 8;

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ev2Error {
    /// The card refused; its status byte after `91`.
    Refused(u8),
    /// Not what the standard says: cut, too long, another status.
    Shape,
    /// The other side does not hold the key, or something in between changed a byte.
    Forged,
}

impl fmt::Display for Ev2Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) => write!(f, "the card refused: 91{status:02X}"),
            Self::Shape => f.write_str("the card's answer has not the shape it should have"),
            Self::Forged => f.write_str("the other side does not hold the key"),
        }
    }
}

impl core::error::Error for Ev2Error {}

/// Wraps a native command in an APDU.
pub fn native(ins: u8, data: &[u8]) -> Vec<u8> {
    let mut apdu = Vec::from([0x90, ins, 0, 0]);
    if let Some(length) = u8::try_from(data.len()).ok().filter(|length| *length > 0) {
        apdu.push(length);
        apdu.extend_from_slice(data);
    }
    apdu.push(0);
    apdu
}

/// Splits a response into data and status, `91 xx` or `90 00`.
///
/// # Errors
/// [`Ev2Error::Refused`] for any status but those in `good`, [`Ev2Error::Shape`].
pub fn split<'a>(response: &'a [u8], good: &[u8]) -> Result<&'a [u8], Ev2Error> {
    match response {
        [data @ .., 0x91, status] if good.contains(status) => Ok(data),
        [data @ .., 0x90, 0x00] if good.contains(&OK) => Ok(data),
        [.., 0x91, status] => Err(Ev2Error::Refused(*status)),
        _ => Err(Ev2Error::Shape),
    }
}

/// First command: the key's number, no capabilities.
pub fn first_apdu(key_number: u8) -> Vec<u8> {
    native(AUTHENTICATE, &[key_number, 0])
}

/// The host after its answer to the card's challenge.
pub struct Pending {
    key: Key,
    rnd_a: Block,
    rnd_b: Block,
}

/// Answers the card's challenge: the second command, and what waits for the card's own proof.
///
/// # Errors
/// As [`Ev2Error`] says.
pub fn answer(key: &Key, rnd_a: [u8; 16], response: &[u8]) -> Result<(Vec<u8>, Pending), Ev2Error> {
    let mut rnd_b: Block = split(response, &[MORE])?.try_into().map_err(|_| Ev2Error::Shape)?;
    key.cbc_decrypt([0; BLOCK], &mut rnd_b);
    let mut data = [0; 2 * BLOCK];
    data[..BLOCK].copy_from_slice(&rnd_a);
    data[BLOCK..].copy_from_slice(&rotated(rnd_b));
    key.cbc_encrypt([0; BLOCK], &mut data);
    Ok((native(MORE, &data), Pending { key: key.clone(), rnd_a, rnd_b }))
}

impl Pending {
    /// Checks that the card holds the key.
    ///
    /// # Errors
    /// As [`Ev2Error`] says.
    pub fn finish(self, response: &[u8]) -> Result<Session, Ev2Error> {
        let mut data: [u8; 32] = split(response, &[OK])?.try_into().map_err(|_| Ev2Error::Shape)?;
        self.key.cbc_decrypt([0; BLOCK], &mut data);
        let [t0, t1, t2, t3, ..] = data;
        let good: bool = data[4..20].ct_eq(&rotated(self.rnd_a)).into();
        if !good {
            return Err(Ev2Error::Forged);
        }
        Ok(Session::new(&self.key, &self.rnd_a, &self.rnd_b, [t0, t1, t2, t3]))
    }
}

/// Keys and counter that both sides share.
pub struct Session {
    enc: Key,
    mac: Key,
    ti: [u8; 4],
    counter: u16,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session(command {})", self.counter)
    }
}

#[derive(Clone, Copy)]
enum Towards {
    Card,
    Host,
}

impl Session {
    fn new(key: &Key, rnd_a: &Block, rnd_b: &Block, ti: [u8; 4]) -> Self {
        let mut vector = [0; 2 * BLOCK];
        vector[2..6].copy_from_slice(&[0, 1, 0, 0x80]);
        vector[6..8].copy_from_slice(&rnd_a[..2]);
        for at in 0..6 {
            vector[8 + at] = rnd_a[2 + at] ^ rnd_b[at];
        }
        vector[14..24].copy_from_slice(&rnd_b[6..]);
        vector[24..].copy_from_slice(&rnd_a[8..]);
        let mut derive = |label: [u8; 2]| {
            vector[..2].copy_from_slice(&label);
            Key::new(key.cmac(&[&vector]))
        };
        Self { enc: derive([0xA5, 0x5A]), mac: derive([0x5A, 0xA5]), ti, counter: 0 }
    }

    /// A command whose data is encrypted and protected (CommMode.FULL); `header` goes in the open.
    pub fn full(&self, ins: u8, header: &[u8], data: &[u8]) -> Vec<u8> {
        let mut coded = padded(data);
        self.enc.cbc_encrypt(self.iv(Towards::Card, self.counter), &mut coded);
        self.protected(ins, header, &coded)
    }

    /// A command in the open with a MAC (CommMode.MAC).
    pub fn protected(&self, ins: u8, header: &[u8], data: &[u8]) -> Vec<u8> {
        let mac = self.mac.short_mac(&[&[ins], &self.counter.to_le_bytes(), &self.ti, header, data]);
        native(ins, &[header, data, &mac].concat())
    }

    /// Checks the response to the last command and gives its data as it came. The next command has the next number.
    ///
    /// # Errors
    /// As [`Ev2Error`] says; the session is then of no more use.
    pub fn response<'a>(&mut self, response: &'a [u8]) -> Result<&'a [u8], Ev2Error> {
        let body = split(response, &[OK])?;
        let (data, mac) = body.split_at(body.len().checked_sub(MAC).ok_or(Ev2Error::Shape)?);
        let next = self.counter.wrapping_add(1);
        let expected = self.mac.short_mac(&[&[OK], &next.to_le_bytes(), &self.ti, data]);
        if !bool::from(expected.ct_eq(mac)) {
            return Err(Ev2Error::Forged);
        }
        self.counter = next;
        Ok(data)
    }

    /// The same for a response whose data is encrypted.
    ///
    /// # Errors
    /// As [`Ev2Error`] says.
    pub fn response_full(&mut self, response: &[u8]) -> Result<Vec<u8>, Ev2Error> {
        let mut data = self.response(response)?.to_vec();
        self.enc.cbc_decrypt(self.iv(Towards::Host, self.counter), &mut data);
        unpadded(&data).map(<[u8]>::to_vec).ok_or(Ev2Error::Shape)
    }

    fn iv(&self, towards: Towards, counter: u16) -> Block {
        let mut block = [0; BLOCK];
        block[..2].copy_from_slice(match towards {
            Towards::Card => &[0xA5, 0x5A],
            Towards::Host => &[0x5A, 0xA5],
        });
        block[2..6].copy_from_slice(&self.ti);
        block[6..8].copy_from_slice(&counter.to_le_bytes());
        self.enc.encrypt_block(block)
    }
}

/// The card's side of the first two commands.
pub struct CardChallenge {
    key: Key,
    rnd_b: Block,
}

impl CardChallenge {
    /// The challenge, and its encrypted form for the host.
    pub fn new(key: &Key, rnd_b: [u8; 16]) -> (Self, [u8; 16]) {
        let mut coded = rnd_b;
        key.cbc_encrypt([0; BLOCK], &mut coded);
        (Self { key: key.clone(), rnd_b }, coded)
    }

    /// The card's proof and its session; `None` if the host does not hold the key.
    pub fn finish(self, data: &[u8], ti: [u8; 4]) -> Option<([u8; 32], Session)> {
        let mut data: [u8; 32] = data.try_into().ok()?;
        self.key.cbc_decrypt([0; BLOCK], &mut data);
        let (rnd_a, proof) = data.split_first_chunk::<BLOCK>()?;
        if !bool::from(proof.ct_eq(&rotated(self.rnd_b))) {
            return None;
        }
        let session = Session::new(&self.key, rnd_a, &self.rnd_b, ti);
        let mut answer = [0; 2 * BLOCK];
        answer[..4].copy_from_slice(&ti);
        answer[4..20].copy_from_slice(&rotated(*rnd_a));
        self.key.cbc_encrypt([0; BLOCK], &mut answer);
        Some((answer, session))
    }
}

impl Session {
    /// The card's side: checks a command's MAC; header and data as they came.
    pub fn heard<'a>(&self, ins: u8, body: &'a [u8]) -> Option<&'a [u8]> {
        let (data, mac) = body.split_at(body.len().checked_sub(MAC)?);
        let expected = self.mac.short_mac(&[&[ins], &self.counter.to_le_bytes(), &self.ti, data]);
        bool::from(expected.ct_eq(mac)).then_some(data)
    }

    /// The card's side: the data of a checked command, decrypted.
    pub fn heard_full(&self, data: &[u8]) -> Option<Vec<u8>> {
        let mut data = data.to_vec();
        self.enc.cbc_decrypt(self.iv(Towards::Card, self.counter), &mut data);
        unpadded(&data).map(<[u8]>::to_vec)
    }

    /// The card's side: a response with its MAC and without status, and the next number.
    pub fn say(&mut self, data: &[u8]) -> Vec<u8> {
        self.counter = self.counter.wrapping_add(1);
        let mac = self.mac.short_mac(&[&[OK], &self.counter.to_le_bytes(), &self.ti, data]);
        [data, &mac].concat()
    }

    /// The card's side: the same with encrypted data.
    pub fn say_full(&mut self, data: &[u8]) -> Vec<u8> {
        let mut coded = padded(data);
        self.enc.cbc_encrypt(self.iv(Towards::Host, self.counter.wrapping_add(1)), &mut coded);
        self.say(&coded)
    }
}

fn rotated(mut block: Block) -> Block {
    block.rotate_left(1);
    block
}

/// ISO/IEC 9797-1, method 2.
fn padded(data: &[u8]) -> Vec<u8> {
    let mut padded = data.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(BLOCK), 0);
    padded
}

fn unpadded(data: &[u8]) -> Option<&[u8]> {
    let end = data.iter().rposition(|byte| *byte != 0)?;
    (data[end] == 0x80).then(|| &data[..end])
}

#[cfg(test)]
mod tests;
