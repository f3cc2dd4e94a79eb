//! Where things lie in flash, and the little of flash that journal and update need.
//!
//! | From | Bytes | What |
//! |---|---|---|
//! | 0x000000 | 24 KiB | The boot program |
//! | 0x006000 | 8 KiB | [`crate::journal`]: two sectors |
//! | 0x008000 | 4 KiB | Provisioned once ([`provision`]): the public key for updates |
//! | 0x010000 | 64 KiB | The program that runs |
//! | 0x020000 | 64 KiB | The program that is arriving |
//! | 0x030000 | 64 KiB | The program before |

use peripheral_icd::provision;

/// Least that can be erased, bytes.
pub const SECTOR: u32 = 4096;

/// What is programmed at once, bytes.
pub const PAGE: usize = 256;

/// Size of each of the three slots.
pub const SLOT: u32 = 64 * 1024;

/// The journal's two sectors.
pub const JOURNAL: u32 = 0x6000;

/// The program that runs.
pub const RUNNING: u32 = 0x1_0000;

/// The program that is arriving.
pub const ARRIVING: u32 = 0x2_0000;

/// The program before.
pub const BEFORE: u32 = 0x3_0000;

/// Flash did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlashError;

/// NOR flash: erasing makes ones, programming makes zeros. An operation that power is cut in leaves anything in the
/// sector that was being erased or in the bytes that were being programmed, and changes nothing anywhere else.
pub trait Flash {
    /// Fills `into` from `at` on.
    fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), FlashError>;
    /// Erases the sector at `at`.
    fn erase(&mut self, at: u32) -> Result<(), FlashError>;
    /// Programs `bytes`, which lie within one page.
    fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), FlashError>;
    /// The chip as memory: `length` bytes from `at` on, cut where it ends.
    fn mapped(&self, at: u32, length: u32) -> &[u8];
}

/// The public key that updates are signed with, if one has been provisioned.
pub fn update_key<F: Flash>(flash: &mut F) -> Option<[u8; 32]> {
    let mut page = [0; provision::SIZE];
    flash.read(provision::AT, &mut page).ok()?;
    provision::key(&page)
}

/// CRC-32 of `length` bytes from `at` on.
pub fn crc_of<F: Flash>(flash: &mut F, at: u32, length: u32) -> Result<u32, FlashError> {
    let mut crc = peripheral_icd::Crc32::new();
    let mut chunk = [0; 64];
    for from in (0..length).step_by(chunk.len()) {
        let n = ((length - from) as usize).min(chunk.len());
        flash.read(at + from, &mut chunk[..n])?;
        crc.update(&chunk[..n]);
    }
    Ok(crc.finish())
}
