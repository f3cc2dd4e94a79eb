//! A flash chip that power can be cut in.

extern crate std;
use crate::flash::{BEFORE, Flash, FlashError, SECTOR, SLOT};
use std::{vec, vec::Vec};

/// What the operation that power is cut in leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// As if it had not begun.
    Nothing,
    /// The first half is done.
    Half,
    /// Bits anyhow: some done, some not.
    Noise,
}

#[derive(Clone, Debug)]
pub(crate) struct Chip {
    bytes: Vec<u8>,
    done: u32,
    cut: Option<(u32, Cut)>,
    off: bool,
}

impl Chip {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0xFF; (BEFORE + SLOT) as usize], done: 0, cut: None, off: false }
    }

    /// Cuts power in the `n`th operation from now on.
    pub(crate) fn cut_at(&mut self, n: u32, cut: Cut) {
        self.cut = Some((self.done + n, cut));
    }

    pub(crate) fn power_on(&mut self) {
        (self.cut, self.off) = (None, false);
    }

    pub(crate) fn operations(&self) -> u32 {
        self.done
    }

    /// A program: the same byte all over, which no mixture of two programs is.
    pub(crate) fn fill(&mut self, at: u32, length: u32, program: u8) {
        self.bytes[at as usize..(at + length) as usize].fill(program);
    }

    /// Which whole program a slot holds, by its first three sectors and a bit.
    pub(crate) fn program_in(&self, at: u32) -> Option<u8> {
        let bytes = &self.bytes[at as usize..(at + 3 * SECTOR + 1_000) as usize];
        bytes.iter().all(|b| *b == bytes[0]).then_some(bytes[0])
    }

    pub(crate) fn flip(&mut self, at: u32) {
        self.bytes[at as usize] ^= 1;
    }

    /// Applies `to` to the bytes from `at` on, or as much of it as a cut lets through.
    fn operate(&mut self, at: u32, to: &[u8]) -> Result<(), FlashError> {
        if self.off {
            return Err(FlashError);
        }
        let place = &mut self.bytes[at as usize..at as usize + to.len()];
        let cut = self.cut.filter(|&(n, _)| n == self.done).map(|(_, cut)| cut);
        self.done += 1;
        match cut {
            None => place.copy_from_slice(to),
            Some(Cut::Nothing) => {}
            Some(Cut::Half) => place[..to.len() / 2].copy_from_slice(&to[..to.len() / 2]),
            Some(Cut::Noise) => {
                let mut dice = self.done.wrapping_mul(0x9E37_79B9) | 1;
                for (old, new) in place.iter_mut().zip(to) {
                    dice ^= dice << 13;
                    dice ^= dice >> 17;
                    dice ^= dice << 5;
                    let mask = dice as u8;
                    *old = (*old & mask) | (new & !mask);
                }
            }
        }
        self.off = cut.is_some();
        if self.off { Err(FlashError) } else { Ok(()) }
    }
}

impl Flash for Chip {
    fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), FlashError> {
        if self.off {
            return Err(FlashError);
        }
        into.copy_from_slice(&self.bytes[at as usize..at as usize + into.len()]);
        Ok(())
    }

    fn erase(&mut self, at: u32) -> Result<(), FlashError> {
        assert_eq!(at % SECTOR, 0);
        self.operate(at, &[0xFF; SECTOR as usize])
    }

    fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), FlashError> {
        assert!(at as usize % 256 + bytes.len() <= 256, "a page is passed");
        let anded: Vec<u8> = self.bytes[at as usize..].iter().zip(bytes).map(|(old, new)| old & new).collect();
        self.operate(at, &anded)
    }

    fn mapped(&self, at: u32, length: u32) -> &[u8] {
        let end = (at + length).min(self.bytes.len() as u32);
        &self.bytes[at as usize..end as usize]
    }
}
