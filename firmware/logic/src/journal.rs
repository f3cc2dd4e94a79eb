//! A few numbers that survive: records of 32 bytes, appended, in two sectors that take turns.
//!
//! The newest intact record of a kind counts. A record that power was cut in fails its CRC and is passed over. When a
//! sector is full, the newest of each kind go to the other one, which is erased first: everything in it has been copied
//! by then, since that is also done at every [`Journal::open`].

use crate::flash::{Flash, FlashError, JOURNAL, SECTOR};
use peripheral_icd::crc32;

const RECORD: u32 = 32;
const SLOTS: u32 = SECTOR / RECORD;
const KINDS: usize = 2;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// How often the board has started, and the next block of session ids.
    Start,
    /// How far an update has come: stage, length, CRC-32.
    Update,
}

/// Three words.
pub type Value = [u32; 3];

/// The journal, with what it holds in memory.
#[derive(Clone, Copy, Debug)]
pub struct Journal {
    sector: u32,
    next: u32,
    sequence: u32,
    newest: [Option<(u32, u32, Value)>; KINDS],
}

impl Journal {
    /// Reads both sectors. Flash that was never written is an empty journal.
    pub fn open<F: Flash>(flash: &mut F) -> Result<Self, FlashError> {
        let mut journal = Self { sector: 0, next: 0, sequence: 0, newest: [None; KINDS] };
        let mut free = [0; 2];
        for sector in 0..2 {
            for slot in 0..SLOTS {
                let mut raw = [0; RECORD as usize];
                flash.read(address(sector, slot), &mut raw)?;
                if raw.iter().any(|&b| b != 0xFF) {
                    free[sector as usize] = slot + 1;
                }
                let Some((sequence, kind, value)) = parse(&raw) else { continue };
                let newest = &mut journal.newest[kind];
                if newest.is_none_or(|(before, _, _)| before < sequence) {
                    *newest = Some((sequence, sector, value));
                }
                if sequence > journal.sequence {
                    (journal.sequence, journal.sector) = (sequence, sector);
                }
            }
        }
        journal.next = free[journal.sector as usize];
        for kind in 0..KINDS {
            if let Some((_, sector, value)) = journal.newest[kind]
                && sector != journal.sector
            {
                journal.append_raw(flash, kind, value)?;
            }
        }
        Ok(journal)
    }

    /// The newest of its kind.
    pub fn get(&self, kind: Kind) -> Option<Value> {
        self.newest[kind as usize].map(|(_, _, value)| value)
    }

    /// Writes a record. When this returns `Ok`, a power cut does not lose it any more.
    pub fn append<F: Flash>(&mut self, flash: &mut F, kind: Kind, value: Value) -> Result<(), FlashError> {
        self.append_raw(flash, kind as usize, value)
    }

    fn append_raw<F: Flash>(&mut self, flash: &mut F, kind: usize, value: Value) -> Result<(), FlashError> {
        if self.next >= SLOTS {
            self.turn(flash)?;
        }
        self.write(flash, kind, value)
    }

    /// Goes on in the other sector.
    fn turn<F: Flash>(&mut self, flash: &mut F) -> Result<(), FlashError> {
        self.sector ^= 1;
        self.next = 0;
        flash.erase(address(self.sector, 0))?;
        for kind in 0..KINDS {
            if let Some((_, _, value)) = self.newest[kind] {
                self.write(flash, kind, value)?;
            }
        }
        Ok(())
    }

    fn write<F: Flash>(&mut self, flash: &mut F, kind: usize, value: Value) -> Result<(), FlashError> {
        let sequence = self.sequence.checked_add(1).ok_or(FlashError)?;
        let mut raw = [0; RECORD as usize];
        for (word, place) in [sequence, kind as u32].into_iter().chain(value).zip(raw.chunks_exact_mut(4)) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let crc = crc32(&raw[..28]);
        raw[28..].copy_from_slice(&crc.to_le_bytes());
        let at = address(self.sector, self.next);
        self.next += 1;
        flash.program(at, &raw)?;
        let mut back = [0; RECORD as usize];
        flash.read(at, &mut back)?;
        if back != raw {
            return Err(FlashError);
        }
        self.sequence = sequence;
        self.newest[kind] = Some((sequence, self.sector, value));
        Ok(())
    }
}

fn address(sector: u32, slot: u32) -> u32 {
    JOURNAL + sector * SECTOR + slot * RECORD
}

fn parse(raw: &[u8; RECORD as usize]) -> Option<(u32, usize, Value)> {
    let word = |i: usize| u32::from_le_bytes([raw[i * 4], raw[i * 4 + 1], raw[i * 4 + 2], raw[i * 4 + 3]]);
    let kind = word(1) as usize;
    (word(7) == crc32(&raw[..28]) && kind < KINDS).then(|| (word(0), kind, [word(2), word(3), word(4)]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    extern crate std;
    use super::*;
    use crate::update::model::{Chip, Cut};

    #[test]
    fn values_are_found_again_over_many_turns_of_the_sectors() {
        let mut chip = Chip::new();
        for n in 0..1_000u32 {
            let mut journal = Journal::open(&mut chip).unwrap();
            let before = journal.get(Kind::Start);
            assert_eq!(before.map(|v| v[0]), n.checked_sub(1));
            journal.append(&mut chip, Kind::Start, [n, 2, 3]).unwrap();
            if n == 5 {
                journal.append(&mut chip, Kind::Update, [7, 8, 9]).unwrap();
            }
            assert_eq!(journal.get(Kind::Update), (n >= 5).then_some([7, 8, 9]));
        }
    }

    #[test]
    fn a_power_cut_at_any_operation_leaves_the_old_value_or_the_new_one() {
        let mut clean = Chip::new();
        for n in 0..130 {
            let mut journal = Journal::open(&mut clean).unwrap();
            if n == 0 {
                journal.append(&mut clean, Kind::Update, [42, 0, 0]).unwrap();
            }
            journal.append(&mut clean, Kind::Start, [n, 0, 0]).unwrap();
        }
        // From here on, each append is cut at each of its operations, at the turn of the sectors too.
        for n in 130..400 {
            for at in 0..8 {
                for cut in [Cut::Nothing, Cut::Half, Cut::Noise] {
                    let mut chip = clean.clone();
                    chip.cut_at(at, cut);
                    if let Ok(mut journal) = Journal::open(&mut chip) {
                        let _ = journal.append(&mut chip, Kind::Start, [n, 0, 0]);
                    }
                    chip.power_on();
                    // The next start is cut too.
                    chip.cut_at(at / 2, cut);
                    let _ = Journal::open(&mut chip);
                    chip.power_on();
                    let mut journal = Journal::open(&mut chip).unwrap();
                    let got = journal.get(Kind::Start).unwrap()[0];
                    assert!(got == n || got == n - 1, "{got} after {n}, cut {cut:?} at {at}");
                    assert_eq!(journal.get(Kind::Update), Some([42, 0, 0]));
                    journal.append(&mut chip, Kind::Start, [n + 1, 0, 0]).unwrap();
                    assert_eq!(Journal::open(&mut chip).unwrap().get(Kind::Start), Some([n + 1, 0, 0]));
                }
            }
            Journal::open(&mut clean).unwrap().append(&mut clean, Kind::Start, [n, 0, 0]).unwrap();
        }
    }
}
