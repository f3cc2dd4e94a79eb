//! Which program runs: a new one arrives over the link, runs on trial, and stays or goes.
//!
//! ```text
//!  arriving, signed ─▶ Staged ─▶ old one saved ─▶ Saved ─▶ new one copied ─▶ Trial ─▶ started ─▶ Tried ─▶ Confirmed
//!                                                                                                  │ not confirmed
//!                                                  RolledBack ◀─ old one copied back ◀─ Back ◀─────┘
//! ```
//!
//! Each arrow is one journal record, and what lies between two records can be done again from its beginning: a power cut
//! at any flash operation leaves the old program or the new one, never a mixture. The program before stays in flash until
//! the next update. [`boot`] is what the boot program does, [`Intake`] what the running program does.

use crate::flash::{ARRIVING, BEFORE, Flash, FlashError, PAGE, RUNNING, SECTOR, SLOT, crc_of};
use crate::journal::{Journal, Kind};
use peripheral_icd::UpdateState;

/// A program on trial that has not been confirmed for so long gives up by itself, milliseconds.
pub const TRIAL_MS: crate::Millis = 90_000;

/// A session without a break of this length confirms a program on trial, milliseconds.
pub const PROVE_MS: crate::Millis = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Stage {
    Confirmed,
    Staged,
    Saved,
    Trial,
    Tried,
    Back,
    RolledBack,
}

const STAGES: [Stage; 7] =
    [Stage::Confirmed, Stage::Staged, Stage::Saved, Stage::Trial, Stage::Tried, Stage::Back, Stage::RolledBack];

/// Stage, length and CRC-32 of the last update; a board that was never updated runs what it was made with.
fn last(journal: &Journal) -> (Stage, u32, u32) {
    let [stage, length, crc] = journal.get(Kind::Update).unwrap_or([0; 3]);
    (STAGES.get(stage as usize).copied().unwrap_or(Stage::Confirmed), length, crc)
}

/// What the boot program does before it starts the program that runs. True: on trial, with a watchdog that the program
/// must take over. After an error, which only flash that no longer holds what is written gives, what is there is started all
/// the same.
pub fn boot<F: Flash>(flash: &mut F) -> Result<bool, FlashError> {
    let mut journal = Journal::open(flash)?;
    loop {
        let (stage, length, crc) = last(&journal);
        let next = match stage {
            Stage::Confirmed | Stage::RolledBack => return Ok(false),
            Stage::Staged if length > SLOT || crc_of(flash, ARRIVING, length)? != crc => Stage::RolledBack,
            Stage::Staged => {
                copy(flash, RUNNING, BEFORE, SLOT)?;
                Stage::Saved
            }
            // Flash that does not take the new program gets the old one back.
            Stage::Saved => match copy(flash, ARRIVING, RUNNING, length) {
                Ok(()) => Stage::Trial,
                Err(FlashError) => Stage::Back,
            },
            Stage::Trial => Stage::Tried,
            Stage::Tried => Stage::Back,
            Stage::Back => {
                copy(flash, BEFORE, RUNNING, SLOT)?;
                Stage::RolledBack
            }
        };
        journal.append(flash, Kind::Update, [next as u32, length, crc])?;
        if next == Stage::Tried {
            return Ok(true);
        }
    }
}

/// Whole sectors, read back.
fn copy<F: Flash>(flash: &mut F, from: u32, to: u32, length: u32) -> Result<(), FlashError> {
    let (mut page, mut back) = ([0; PAGE], [0; PAGE]);
    for at in (0..length.min(SLOT)).step_by(PAGE) {
        if at % SECTOR == 0 {
            flash.erase(to + at)?;
        }
        flash.read(from + at, &mut page)?;
        flash.program(to + at, &page)?;
        flash.read(to + at, &mut back)?;
        if page != back {
            return Err(FlashError);
        }
    }
    Ok(())
}

/// How the running program came to run, as the host is told it, and the CRC-32 of the last update.
pub fn standing(journal: &Journal) -> (UpdateState, u32) {
    let (stage, _, crc) = last(journal);
    let state = match stage {
        Stage::Tried => UpdateState::Trial,
        Stage::RolledBack => UpdateState::RolledBack,
        _ => UpdateState::Confirmed,
    };
    (state, crc)
}

/// The arriving program is whole and signed: the next start begins with it.
pub fn stage<F: Flash>(flash: &mut F, journal: &mut Journal, length: u32, crc: u32) -> Result<(), FlashError> {
    journal.append(flash, Kind::Update, [Stage::Staged as u32, length, crc])
}

/// The program on trial has proved itself.
pub fn confirm<F: Flash>(flash: &mut F, journal: &mut Journal) -> Result<(), FlashError> {
    match last(journal) {
        (Stage::Tried, length, crc) => journal.append(flash, Kind::Update, [Stage::Confirmed as u32, length, crc]),
        _ => Ok(()),
    }
}

/// What to do with a message about an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Answer, with the number of bytes in flash.
    Say(UpdateState, u32),
    /// Write [`Intake::page`] at this address, erasing its sector first if it is the first page there; then go on by
    /// [`Intake::written`].
    Write(u32),
    /// Check what has arrived against this length and CRC-32 and [`Intake::signature`].
    Check(u32, u32),
}

/// Takes a new program piece by piece.
#[derive(Clone, Debug)]
pub struct Intake {
    length: u32,
    crc: u32,
    offset: u32,
    page: [u8; PAGE],
    signature: [u8; 64],
    halves: u8,
}

impl Default for Intake {
    fn default() -> Self {
        Self::new()
    }
}

impl Intake {
    /// Nothing announced.
    pub const fn new() -> Self {
        Self { length: 0, crc: 0, offset: 0, page: [0xFF; PAGE], signature: [0; 64], halves: 0 }
    }

    /// A program is announced.
    pub fn begin(&mut self, length: u32, crc: u32) -> Next {
        *self = Self::new();
        if length == 0 || length > SLOT {
            return Next::Say(UpdateState::Refused, 0);
        }
        (self.length, self.crc) = (length, crc);
        Next::Say(UpdateState::Ready, 0)
    }

    /// The next piece. One that is there already is answered as if it were new: an answer was lost.
    pub fn data(&mut self, offset: u32, bytes: &[u8; 32]) -> Next {
        if self.length == 0 || offset > self.offset || !offset.is_multiple_of(32) {
            return Next::Say(UpdateState::Refused, self.offset);
        }
        if offset < self.offset || self.offset == self.length {
            return Next::Say(UpdateState::Ready, self.offset);
        }
        let within = offset as usize % PAGE;
        if within == 0 {
            self.page = [0xFF; PAGE];
        }
        let n = (self.length - offset).min(32);
        self.page[within..within + n as usize].copy_from_slice(&bytes[..n as usize]);
        self.offset += n;
        if self.offset == self.length || (self.offset as usize).is_multiple_of(PAGE) {
            return Next::Write(ARRIVING + offset / PAGE as u32 * PAGE as u32);
        }
        Next::Say(UpdateState::Ready, self.offset)
    }

    /// The page was written, or not.
    pub fn written(&mut self, well: bool) -> Next {
        if well {
            return Next::Say(UpdateState::Ready, self.offset);
        }
        *self = Self::new();
        Next::Say(UpdateState::FlashFault, 0)
    }

    /// Half of the signature.
    pub fn sign(&mut self, half: u8, bytes: &[u8; 32]) -> Next {
        let Some(place) = self.signature.chunks_exact_mut(32).nth(half.into()) else {
            return Next::Say(UpdateState::Refused, self.offset);
        };
        place.copy_from_slice(bytes);
        self.halves |= 1 << half;
        Next::Say(UpdateState::Ready, self.offset)
    }

    /// All was sent.
    pub fn commit(&mut self) -> Next {
        if self.length == 0 || self.offset != self.length || self.halves != 3 {
            return Next::Say(UpdateState::Refused, self.offset);
        }
        Next::Check(self.length, self.crc)
    }

    /// The page to be written.
    pub fn page(&self) -> &[u8; PAGE] {
        &self.page
    }

    /// The signature to be checked.
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }
}

#[cfg(test)]
pub(crate) mod model;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    extern crate std;
    use super::model::{Chip, Cut};
    use super::*;
    use std::{vec, vec::Vec};

    const LENGTH: u32 = 3 * SECTOR + 1_000;

    /// What the board does with a program: starts it; it confirms itself if it is a good one.
    fn start(chip: &mut Chip, good: u8) -> Option<u8> {
        boot(chip).ok()?;
        let running = chip.program_in(RUNNING)?;
        if running == good {
            let mut journal = Journal::open(chip).ok()?;
            confirm(chip, &mut journal).ok()?;
        }
        Some(running)
    }

    /// A board that runs program 1 and has program 2 staged.
    fn staged() -> Chip {
        let mut chip = Chip::new();
        chip.fill(RUNNING, SLOT, 1);
        chip.fill(ARRIVING, LENGTH, 2);
        let crc = crc_of(&mut chip, ARRIVING, LENGTH).unwrap();
        let mut journal = Journal::open(&mut chip).unwrap();
        stage(&mut chip, &mut journal, LENGTH, crc).unwrap();
        chip
    }

    fn operations(good: u8) -> u32 {
        let mut chip = staged();
        let before = chip.operations();
        (0..3).for_each(|_| _ = start(&mut chip, good));
        chip.operations() - before
    }

    #[test]
    fn a_good_program_stays_and_a_bad_one_goes() {
        let mut chip = staged();
        assert_eq!([start(&mut chip, 2), start(&mut chip, 2), start(&mut chip, 2)], [Some(2); 3]);
        let mut chip = staged();
        assert_eq!([start(&mut chip, 1), start(&mut chip, 1), start(&mut chip, 1)], [Some(2), Some(1), Some(1)]);
        assert_eq!(standing(&Journal::open(&mut chip).unwrap()).0, UpdateState::RolledBack);
    }

    #[test]
    fn power_cut_at_any_flash_operation_leaves_one_whole_program_and_the_right_one_in_the_end() {
        for good in [1, 2] {
            for at in 0..operations(good) {
                for cut in [Cut::Nothing, Cut::Half, Cut::Noise] {
                    let mut chip = staged();
                    chip.cut_at(at, cut);
                    (0..3).for_each(|_| _ = start(&mut chip, good));
                    chip.power_on();
                    // The second cut falls somewhere else.
                    chip.cut_at(at * 7 % 500, cut);
                    (0..3).for_each(|_| _ = start(&mut chip, good));
                    chip.power_on();
                    let ran: Vec<_> = (0..4).map(|_| start(&mut chip, good)).collect();
                    assert!(ran.iter().all(Option::is_some), "good {good}, cut {cut:?} at {at}: {ran:?}");
                    // A good one that power was cut in while on trial may be gone too; a bad one is gone for certain.
                    let end = ran[3].unwrap();
                    assert!(end == 1 || end == good, "good {good}, cut {cut:?} at {at}: {ran:?}");
                    assert_eq!(ran[2], ran[3]);
                }
            }
        }
    }

    #[test]
    fn a_program_whose_bytes_rotted_after_it_was_staged_is_not_started() {
        let mut chip = staged();
        chip.flip(ARRIVING + 5_000);
        assert_eq!(start(&mut chip, 2), Some(1));
    }

    #[test]
    fn pieces_arrive_in_order_and_a_lost_answer_does_no_harm() {
        let mut intake = Intake::new();
        let mut written = vec![];
        assert_eq!(intake.data(0, &[1; 32]), Next::Say(UpdateState::Refused, 0));
        assert_eq!(intake.begin(SLOT + 1, 0), Next::Say(UpdateState::Refused, 0));
        assert_eq!(intake.begin(600, 77), Next::Say(UpdateState::Ready, 0));
        for offset in (0..600).step_by(32) {
            for _ in 0..2 {
                match intake.data(offset, &[offset as u8; 32]) {
                    Next::Write(at) => {
                        written.push((at, intake.page()[0], intake.page()[255]));
                        assert_eq!(intake.written(true), Next::Say(UpdateState::Ready, (offset + 32).min(600)));
                    }
                    next => assert_eq!(next, Next::Say(UpdateState::Ready, (offset + 32).min(600))),
                }
            }
            assert_eq!(intake.data(offset + 64, &[0; 32]), Next::Say(UpdateState::Refused, (offset + 32).min(600)));
        }
        assert_eq!(written, [(ARRIVING, 0, 224), (ARRIVING + 256, 0, 224), (ARRIVING + 512, 0, 0xFF)]);
        assert_eq!(intake.commit(), Next::Say(UpdateState::Refused, 600));
        assert_eq!(intake.sign(2, &[0; 32]), Next::Say(UpdateState::Refused, 600));
        intake.sign(0, &[3; 32]);
        intake.sign(1, &[4; 32]);
        assert_eq!(intake.commit(), Next::Check(600, 77));
        assert_eq!((intake.signature()[31], intake.signature()[32]), (3, 4));
    }
}
