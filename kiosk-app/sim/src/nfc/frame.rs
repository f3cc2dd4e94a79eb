//! Frames of the PN532 (UM0701-02, 6.2.1).

/// The chip has understood a frame.
pub(super) const ACK: [u8; 6] = [0, 0, 0xFF, 0, 0xFF, 0];
/// It has not.
pub(super) const NACK: [u8; 6] = [0, 0, 0xFF, 0xFF, 0, 0];
/// A syntax error at the application's level.
pub(super) const ERROR: [u8; 8] = [0, 0, 0xFF, 1, 0xFF, 0x7F, 0x81, 0];

const TO_CHIP: u8 = 0xD4;
const TO_HOST: u8 = 0xD5;
/// More never fits between two marks of the host.
const BUFFER: usize = 1024;

/// What the host has sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FromHost {
    /// A command with its data, and the bytes that it took on the wire.
    Command { code: u8, data: Vec<u8>, bytes: usize },
    /// The host gives up the running command.
    Ack,
    /// A frame whose checksum is wrong.
    Bad,
}

/// Finds frames in the bytes of the line.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
}

impl Frames {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let excess = self.bytes.len().saturating_sub(BUFFER);
        self.bytes.drain(..excess);
    }

    /// The next whole frame; what stands before it (the long preamble that wakes the chip) is skipped.
    pub(super) fn next(&mut self) -> Option<FromHost> {
        let start = self.bytes.windows(2).position(|pair| pair == [0, 0xFF])?;
        let rest = &self.bytes[start + 2..];
        let (frame, used) = match *rest {
            [0x00, 0xFF, ..] => (FromHost::Ack, 2),
            [0xFF, 0xFF, high, low, check, ref rest @ ..] => {
                let length = usize::from(high) << 8 | usize::from(low);
                body(rest, length, high.wrapping_add(low).wrapping_add(check) == 0, 5)?
            }
            [0xFF, 0xFF, ..] => return None,
            [low, check, ref rest @ ..] => body(rest, usize::from(low), low.wrapping_add(check) == 0, 2)?,
            _ => return None,
        };
        self.bytes.drain(..start + 2 + used);
        Some(frame)
    }
}

/// The body of a frame of `length` bytes after a header of `header`; `None` while it is not all there.
fn body(rest: &[u8], length: usize, good: bool, header: usize) -> Option<(FromHost, usize)> {
    if !good || length < 2 {
        return Some((FromHost::Bad, header));
    }
    let body = rest.get(..length + 1)?;
    let sum = body.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    let used = header + length + 1;
    Some(match body {
        [TO_CHIP, code, data @ .., _] if sum == 0 => {
            (FromHost::Command { code: *code, data: data.to_vec(), bytes: used + 4 }, used)
        }
        _ => (FromHost::Bad, used),
    })
}

/// The chip's answer to a command.
pub(super) fn answer(code: u8, data: &[u8]) -> Vec<u8> {
    let length = data.len() + 2;
    let mut frame = vec![0, 0, 0xFF];
    match u8::try_from(length) {
        Ok(length) => frame.extend([length, length.wrapping_neg()]),
        Err(_) => {
            let (high, low) = ((length >> 8) as u8, length as u8);
            frame.extend([0xFF, 0xFF, high, low, high.wrapping_add(low).wrapping_neg()]);
        }
    }
    let body = [&[TO_HOST, code.wrapping_add(1)], data].concat();
    let sum = body.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    frame.extend(body);
    frame.extend([sum.wrapping_neg(), 0]);
    frame
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn all(bytes: &[u8]) -> Vec<FromHost> {
        let mut frames = Frames::default();
        frames.push(bytes);
        std::iter::from_fn(|| frames.next()).collect()
    }

    #[test]
    fn commands_are_found_after_the_bytes_that_wake_the_chip() {
        let wake = [0x55, 0x55, 0, 0, 0, 0, 0];
        let version = [0, 0, 0xFF, 2, 0xFE, 0xD4, 0x02, 0x2A, 0];
        let found = all(&[&wake[..], &version, &ACK].concat());
        assert_eq!(found, [FromHost::Command { code: 2, data: vec![], bytes: 9 }, FromHost::Ack]);
        assert_eq!(all(&[0, 0, 0xFF, 2, 0xFE, 0xD4, 0x02, 0x2B, 0]), [FromHost::Bad]);
    }

    #[test]
    fn a_frame_that_comes_in_pieces_is_waited_for() {
        let bytes = [0, 0, 0xFF, 3, 0xFD, 0xD4, 0x40, 7, 0xE5, 0];
        let mut frames = Frames::default();
        for byte in &bytes[..8] {
            frames.push(&[*byte]);
            assert_eq!(frames.next(), None);
        }
        frames.push(&bytes[8..]);
        assert_eq!(frames.next(), Some(FromHost::Command { code: 0x40, data: vec![7], bytes: 10 }));
    }

    #[test]
    fn long_answers_are_extended_frames() {
        assert_eq!(answer(2, &[0x32, 1, 6, 7])[..7], [0, 0, 0xFF, 6, 0xFA, 0xD5, 3]);
        let long = answer(0x40, &[0; 259]);
        assert_eq!(long[..8], [0, 0, 0xFF, 0xFF, 0xFF, 1, 5, 0xFA]);
        let sum = long[8..long.len() - 1].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        assert_eq!((sum, long.len()), (0, 8 + 261 + 2));
    }
}
