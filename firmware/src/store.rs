//! Flash: the journal, the arriving program, and whether it is one of ours.

use embassy_rp::{
    Peri,
    flash::{Blocking, Flash as Chip},
    peripherals::FLASH,
};
use peripheral_logic::flash::{Flash, FlashError, SECTOR};

const SIZE: usize = 2 * 1024 * 1024;

/// The chip beside the RP2040.
pub(crate) struct Store(Chip<'static, FLASH, Blocking, SIZE>);

impl Store {
    pub(crate) fn new(peripheral: Peri<'static, FLASH>) -> Self {
        Self(Chip::new_blocking(peripheral))
    }
}

impl Flash for Store {
    fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), FlashError> {
        self.0.blocking_read(at, into).map_err(|_| FlashError)
    }

    fn erase(&mut self, at: u32) -> Result<(), FlashError> {
        self.0.blocking_erase(at, at + SECTOR).map_err(|_| FlashError)
    }

    fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), FlashError> {
        self.0.blocking_write(at, bytes).map_err(|_| FlashError)
    }

    fn mapped(&self, at: u32, length: u32) -> &[u8] {
        let length = length.min((SIZE as u32).saturating_sub(at));
        // SAFETY: flash is mapped into memory from there on; writing it takes `&mut self`.
        unsafe { core::slice::from_raw_parts((0x1000_0000 + at) as *const u8, length as usize) }
    }
}
