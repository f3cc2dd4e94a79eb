//! Frames: COBS, CRC-32, header. [`Decoder`] takes bytes one by one and needs no allocation.

use crate::crc32;
use serde::{Serialize, de::DeserializeOwned};

const HEADER: usize = 8;
const CRC: usize = 4;

/// Longest postcard message, bytes.
pub const MAX_PAYLOAD: usize = 48;

/// Longest frame between its two zeros, bytes: header, payload, CRC and the one byte that COBS adds below 254.
pub const MAX_FRAME: usize = HEADER + MAX_PAYLOAD + CRC + 1;

/// What stands before a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The session, 0 in the host's `Hello`.
    pub session: u32,
    /// Number within the session and direction, from 1.
    pub sequence: u32,
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Longer than [`MAX_FRAME`].
    TooLong,
    /// Not COBS, or too short for header and CRC.
    Malformed,
    /// The CRC does not fit.
    Crc,
    /// Intact, but of a message that this version does not know, or with bytes left over. The header can be trusted.
    Unknown(Header),
}

/// Writes one frame, both zeros included, and returns its length; `None` if `out` is too small. `out` of
/// `MAX_FRAME + 2` is always large enough for the messages of this crate.
pub fn encode_frame<M: Serialize>(header: Header, message: &M, out: &mut [u8]) -> Option<usize> {
    let mut raw = [0; MAX_FRAME];
    raw[..4].copy_from_slice(&header.session.to_le_bytes());
    raw[4..HEADER].copy_from_slice(&header.sequence.to_le_bytes());
    let payload = postcard::to_slice(message, &mut raw[HEADER..HEADER + MAX_PAYLOAD]).ok()?.len();
    let end = HEADER + payload;
    let crc = crc32(&raw[..end]);
    raw[end..end + CRC].copy_from_slice(&crc.to_le_bytes());
    cobs_frame(&raw[..end + CRC], out)
}

/// Reads what stood between two zeros. `cobs` is used as working space and holds rubbish afterwards.
pub fn decode_frame<M: DeserializeOwned>(cobs: &mut [u8]) -> Result<(Header, M), FrameError> {
    if cobs.len() > MAX_FRAME {
        return Err(FrameError::TooLong);
    }
    let n = uncobs(cobs).filter(|&n| n > HEADER + CRC).ok_or(FrameError::Malformed)?;
    let (body, crc) = cobs[..n].split_at(n - CRC);
    if crc != crc32(body).to_le_bytes() {
        return Err(FrameError::Crc);
    }
    let word = |at: usize| u32::from_le_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]]);
    let header = Header { session: word(0), sequence: word(4) };
    match postcard::take_from_bytes(&body[HEADER..]) {
        Ok((message, [])) => Ok((header, message)),
        _ => Err(FrameError::Unknown(header)),
    }
}

/// Finds frames in a stream of bytes.
#[derive(Clone, Debug)]
pub struct Decoder {
    buffer: [u8; MAX_FRAME],
    filled: usize,
    overrun: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder that has seen nothing.
    pub const fn new() -> Self {
        Self { buffer: [0; MAX_FRAME], filled: 0, overrun: false }
    }

    /// Takes one byte. `Some` when it ended a frame or something that should have been one.
    pub fn push<M: DeserializeOwned>(&mut self, byte: u8) -> Option<Result<(Header, M), FrameError>> {
        if byte != 0 {
            match self.buffer.get_mut(self.filled) {
                Some(slot) => {
                    *slot = byte;
                    self.filled += 1;
                }
                None => self.overrun = true,
            }
            return None;
        }
        let (filled, overrun) = (self.filled, self.overrun);
        (self.filled, self.overrun) = (0, false);
        match (filled, overrun) {
            (0, _) => None,
            (_, true) => Some(Err(FrameError::TooLong)),
            (n, false) => Some(decode_frame(&mut self.buffer[..n])),
        }
    }
}

/// Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999) between two zeros. `raw` is below 254 bytes, so one code
/// byte more is all it costs.
fn cobs_frame(raw: &[u8], out: &mut [u8]) -> Option<usize> {
    debug_assert!(raw.len() < 254);
    let n = raw.len() + 3;
    let out = out.get_mut(..n)?;
    out.fill(0);
    out[2..n - 1].copy_from_slice(raw);
    let mut code = 1;
    for i in 2..n - 1 {
        if out[i] == 0 {
            out[code] = (i - code) as u8;
            code = i;
        }
    }
    out[code] = (n - 1 - code) as u8;
    Some(n)
}

/// Undoes COBS in place and returns the length, `None` if a code byte points past the end or a zero is inside.
fn uncobs(bytes: &mut [u8]) -> Option<usize> {
    let (mut read, mut write) = (0, 0);
    while read < bytes.len() {
        let code = usize::from(bytes[read]);
        let end = read + code;
        if code == 0 || end > bytes.len() {
            return None;
        }
        for i in read + 1..end {
            if bytes[i] == 0 {
                return None;
            }
            bytes[write] = bytes[i];
            write += 1;
        }
        read = end;
        if read < bytes.len() && code != 255 {
            bytes[write] = 0;
            write += 1;
        }
    }
    Some(write)
}
