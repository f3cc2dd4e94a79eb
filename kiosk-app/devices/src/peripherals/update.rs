//! A new program for the board, over the same link.
//!
//! | Bytes of the file | What |
//! |---|---|
//! | 8 | `CEMFW1\r\n` |
//! | 4 | Length of the image, little-endian |
//! | 64 | Ed25519 signature over the image |
//! | rest | The image as it lies in flash from the slot's first byte on |
//!
//! Whether the signature is right is the board's business alone: it has the key in a page that no update touches. The host
//! only carries bytes.

use super::SerialBoard;
use crate::port::{Notice, Peripherals};
use peripheral_icd::{ToMcu, UpdateState, crc32};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

const MAGIC: &[u8; 8] = b"CEMFW1\r\n";
const HEAD: usize = 8 + 4 + 64;

/// Size of a slot in the board's flash.
pub const IMAGE_MAX: usize = 64 * 1024;

/// A piece may be lost on a noisy line: it is sent again so many times.
const TRIES: u32 = 4;
/// How long a piece is waited for.
const PIECE: Duration = Duration::from_secs(1);
/// How long the check of a whole program is waited for.
const CHECK: Duration = Duration::from_secs(12);
/// How long a program has, from its start on trial, to prove itself.
const TRIAL: Duration = Duration::from_secs(120);

/// A program and its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedImage {
    image: Vec<u8>,
    signature: [u8; 64],
}

/// Why the program on the board is still the one before.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UpdateError {
    /// Not a file of ours.
    #[error("this is no signed program of a board: {0}")]
    NotAnImage(&'static str),
    /// The board is not there.
    #[error("the board does not answer; nothing was changed")]
    Silent,
    /// The board's program takes no updates over the link, or has no key.
    #[error("the board's program takes no updates over the link; flash it by BOOTSEL once (firmware/README.md)")]
    NotOffered,
    /// The board did not take it.
    #[error("the board answered {0:?}; nothing was changed")]
    Refused(UpdateState),
    /// It ran and did not prove itself.
    #[error("the new program did not prove itself, and the one before runs again")]
    RolledBack,
}

impl SignedImage {
    /// From an image and its signature.
    ///
    /// # Errors
    /// An image that is empty or larger than a slot.
    pub fn new(image: Vec<u8>, signature: [u8; 64]) -> Result<Self, UpdateError> {
        match image.len() {
            0 => Err(UpdateError::NotAnImage("it is empty")),
            n if n > IMAGE_MAX => Err(UpdateError::NotAnImage("it is larger than 64 KiB")),
            _ => Ok(Self { image, signature }),
        }
    }

    /// Reads a file of the layout above.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(file: &[u8]) -> Result<Self, UpdateError> {
        let (head, image) = file.split_at_checked(HEAD).ok_or(UpdateError::NotAnImage("it is too short"))?;
        let (magic, rest) = head.split_at(8);
        let (length, signature) = rest.split_at(4);
        if magic != MAGIC {
            return Err(UpdateError::NotAnImage("it does not begin with CEMFW1"));
        }
        if length != (image.len() as u32).to_le_bytes() {
            return Err(UpdateError::NotAnImage("it is cut short or has a tail"));
        }
        let signature = signature.try_into().map_err(|_| UpdateError::NotAnImage("it is too short"))?;
        Self::new(image.to_vec(), signature)
    }

    /// As a file.
    pub fn to_file(&self) -> Vec<u8> {
        [MAGIC, &(self.image.len() as u32).to_le_bytes()[..], &self.signature, &self.image].concat()
    }

    /// The program's bytes.
    pub fn image(&self) -> &[u8] {
        &self.image
    }
}

impl SerialBoard {
    /// Gives the board a new program and waits until it has proved itself: half a minute over USB, a minute over a UART.
    /// `progress` gets bytes sent of bytes in all. Keys and everything else that comes meanwhile is kept for
    /// [`Peripherals::next`].
    ///
    /// # Errors
    /// Why the program on the board is still the one before.
    pub fn install(&mut self, new: &SignedImage, progress: &mut dyn FnMut(usize, usize)) -> Result<(), UpdateError> {
        self.wait(PIECE * 5, |board| board.link.is_open().then_some(())).ok_or(UpdateError::Silent)?;
        if !self.features.has(peripheral_icd::Features::UPDATE) {
            return Err(UpdateError::NotOffered);
        }
        let (image, all) = (&new.image, new.image.len());
        self.ask(&ToMcu::UpdateBegin { length: all as u32, crc: crc32(image) }, PIECE)?;
        for (piece, offset) in image.chunks(32).zip((0..).step_by(32)) {
            let mut bytes = [0xFF; 32];
            bytes[..piece.len()].copy_from_slice(piece);
            self.ask(&ToMcu::UpdateData { offset, bytes }, PIECE)?;
            progress(offset as usize + piece.len(), all);
        }
        for half in 0..2 {
            let mut bytes = [0; 32];
            bytes.copy_from_slice(&new.signature[usize::from(half) * 32..][..32]);
            self.ask(&ToMcu::UpdateSignature { half, bytes }, PIECE)?;
        }
        self.commit()
    }

    /// Has it checked and started, and waits for the verdict.
    fn commit(&mut self) -> Result<(), UpdateError> {
        self.answer = None;
        self.send(&ToMcu::UpdateCommit);
        match self.wait(CHECK, |board| board.answer.take()).ok_or(UpdateError::Silent)? {
            UpdateState::Accepted => {}
            other => return Err(UpdateError::Refused(other)),
        }
        // The board restarts into it. What it says of itself with each session until then is the verdict.
        let verdict = self.wait(TRIAL, |board| match board.answer.take() {
            Some(UpdateState::Confirmed) => Some(Ok(())),
            Some(UpdateState::RolledBack) => Some(Err(UpdateError::RolledBack)),
            _ => None,
        });
        verdict.unwrap_or(Err(UpdateError::Silent))
    }

    /// Sends until it is answered; the board takes what it has already as if it were new.
    fn ask(&mut self, message: &ToMcu, patience: Duration) -> Result<(), UpdateError> {
        for _ in 0..TRIES {
            self.answer = None;
            if !self.send(message) {
                return Err(UpdateError::Silent);
            }
            match self.wait(patience, |board| board.answer.take()) {
                Some(UpdateState::Ready) => return Ok(()),
                Some(other) => return Err(UpdateError::Refused(other)),
                None => {}
            }
        }
        Err(UpdateError::Silent)
    }

    /// Tends the link until `done` says something, `None` after `patience`.
    fn wait<T>(&mut self, patience: Duration, mut done: impl FnMut(&mut Self) -> Option<T>) -> Option<T> {
        let until = Instant::now() + patience;
        let mut kept = VecDeque::new();
        let outcome = loop {
            self.tell(Notice::Alive);
            if let Some(outcome) = done(self) {
                break Some(outcome);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break None;
            }
            self.turn(left);
            kept.append(&mut self.events);
            kept.drain(..kept.len().saturating_sub(super::EVENTS_MAX));
        };
        kept.append(&mut self.events);
        self.events = kept;
        outcome
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_read_as_it_was_written_and_a_damaged_one_is_named() {
        let image = SignedImage::new(vec![7; 1_000], [9; 64]).unwrap();
        let file = image.to_file();
        assert_eq!(SignedImage::parse(&file).unwrap(), image);
        for bad in [&file[..50], &file[..file.len() - 1], &[&file[..], b"x"].concat(), &[b"x", &file[..]].concat()] {
            assert!(matches!(SignedImage::parse(bad), Err(UpdateError::NotAnImage(_))));
        }
        assert!(SignedImage::new(vec![], [0; 64]).is_err() && SignedImage::new(vec![0; IMAGE_MAX + 1], [0; 64]).is_err());
    }
}
