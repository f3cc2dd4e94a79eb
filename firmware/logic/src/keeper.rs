//! Flash and journal in one hand: carries out what [`Board::step`](crate::Board::step) asks of flash, on the microcontroller
//! and behind the simulated board alike.

use crate::{
    Board, FlashJob, Input,
    flash::{self, ARRIVING, Flash, PAGE, SECTOR},
    journal::{Journal, Kind},
    signature, update,
};
use peripheral_icd::UpdateState;

/// Flash with its journal. Without a journal, because flash cannot be written, the board runs and takes no updates.
#[derive(Debug)]
pub struct Keeper<F> {
    flash: F,
    journal: Option<Journal>,
}

/// What flash knows at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// How often the board has started.
    pub boots: u32,
    /// A block of session ids that no start before has used.
    pub block: u32,
    /// How this program came to run, and the CRC-32 of the last update.
    pub standing: (UpdateState, u32),
}

impl<F: Flash> Keeper<F> {
    /// Reads the journal, counts the start, and takes a block of session ids. Where flash cannot be written the block comes
    /// from `fallback`, which should differ from start to start.
    pub fn open(mut flash: F, fallback: u32) -> (Self, Known) {
        let mut journal = Journal::open(&mut flash).ok();
        let [block, boots, _] = journal.as_ref().and_then(|j| j.get(Kind::Start)).unwrap_or_default();
        let (block, boots) = (block.wrapping_add(1), boots.wrapping_add(1));
        let reserved = journal.as_mut().is_some_and(|j| j.append(&mut flash, Kind::Start, [block, boots, 0]).is_ok());
        let block = if reserved { block } else { fallback | 0x8_0000 };
        let standing = journal.as_ref().map_or((UpdateState::Confirmed, 0), update::standing);
        (Self { flash, journal }, Known { boots, block, standing })
    }

    /// The chip.
    pub fn flash(&mut self) -> &mut F {
        &mut self.flash
    }

    /// Gives the chip back.
    pub fn into_flash(self) -> F {
        self.flash
    }

    /// Does the job, and says what came of it.
    pub fn work(&mut self, job: FlashJob, board: &Board) -> Input {
        match job {
            FlashJob::Write(at) => Input::Written(self.write(at, board.page())),
            FlashJob::Check(length, crc) => Input::Checked(self.check(length, crc, board.signature())),
        }
    }

    fn write(&mut self, at: u32, page: &[u8; PAGE]) -> bool {
        let erased = !at.is_multiple_of(SECTOR) || self.flash.erase(at).is_ok();
        let mut back = [0; PAGE];
        erased && self.flash.program(at, page).is_ok() && self.flash.read(at, &mut back).is_ok() && back == *page
    }

    /// Whole, signed by the holder of the provisioned key, and noted in the journal.
    fn check(&mut self, length: u32, crc: u32, signature: &[u8; 64]) -> UpdateState {
        if flash::crc_of(&mut self.flash, ARRIVING, length) != Ok(crc) {
            return UpdateState::WrongCrc;
        }
        let key = flash::update_key(&mut self.flash);
        let program = self.flash.mapped(ARRIVING, length);
        if !key.is_some_and(|key| signature::verify(&key, program, signature)) {
            return UpdateState::WrongSignature;
        }
        let Some(journal) = &mut self.journal else { return UpdateState::FlashFault };
        match update::stage(&mut self.flash, journal, length, crc) {
            Ok(()) => UpdateState::Accepted,
            Err(_) => UpdateState::FlashFault,
        }
    }

    /// A fresh block of session ids. Without one no new session is opened, which is safe.
    pub fn reserve(&mut self) -> Option<Input> {
        let journal = self.journal.as_mut()?;
        let [block, boots, _] = journal.get(Kind::Start)?;
        let block = block.wrapping_add(1);
        journal.append(&mut self.flash, Kind::Start, [block, boots, 0]).ok()?;
        Some(Input::Reserved(block))
    }

    /// The program on trial has proved itself. One that cannot be noted is rolled back at the next start: safe, and told.
    pub fn confirm(&mut self) {
        if let Some(journal) = &mut self.journal {
            let _ = update::confirm(&mut self.flash, journal);
        }
    }
}
