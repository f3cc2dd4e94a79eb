//! A disk that loses power: from what was written and synced, the images that may be found afterwards.
//!
//! What was synced is there. Of what was written since the last sync of its file, each sector of 512 bytes is there or
//! is not, whatever came before or after it.

use crate::vfs::Op;
use std::{collections::BTreeMap, fs, path::Path};

const SECTOR: usize = 512;

/// Small, fast, the same on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        // xorshift64*, Vigna 2016
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound.max(1)
    }
}

pub type Files = BTreeMap<String, Vec<u8>>;

/// The disk at one moment.
#[derive(Clone, Default)]
pub struct Disk {
    durable: Files,
    pending: Vec<Op>,
}

impl Disk {
    /// The files of a database as they are now, all durable.
    pub fn of(database: &Path) -> Self {
        let mut durable = Files::new();
        for ending in ["", "-wal"] {
            if let Ok(bytes) = fs::read(with_ending(database, ending)) {
                durable.insert(ending.to_owned(), bytes);
            }
        }
        Self { durable, pending: Vec::new() }
    }

    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Sync { file } => {
                let (synced, waiting) = std::mem::take(&mut self.pending).into_iter().partition(|op| touches(op, file));
                self.pending = waiting;
                for op in synced {
                    change(&mut self.durable, &op, &mut |_| true);
                }
            }
            Op::Acknowledged(_) => {}
            op => self.pending.push(op.clone()),
        }
    }

    /// What may be found after a power cut now.
    pub fn cut(&self, random: &mut Random) -> Files {
        let mut files = self.durable.clone();
        let mode = random.below(6);
        let kept = random.below(self.pending.len() + 1);
        for (at, op) in self.pending.iter().enumerate() {
            let last = at + 1 == self.pending.len();
            let mut keep: Box<dyn FnMut(&mut Random) -> bool> = match mode {
                // nothing, everything, in order up to some point, in order with the last one torn, any writes, any sectors
                0 => Box::new(|_| false),
                1 => Box::new(|_| true),
                2 => Box::new(move |_| at < kept),
                3 => Box::new(move |random| !last || random.below(2) == 0),
                4 => {
                    let whole = random.below(2) == 0;
                    Box::new(move |_| whole)
                }
                _ => Box::new(|random| random.below(2) == 0),
            };
            change(&mut files, op, &mut |_| keep(random));
        }
        files
    }
}

fn touches(op: &Op, name: &str) -> bool {
    match op {
        Op::Write { file, .. } | Op::Truncate { file, .. } | Op::Delete { file } | Op::Sync { file } => file == name,
        Op::Acknowledged(_) => false,
    }
}

/// Does what `op` says to those sectors that `keep` picks.
fn change(files: &mut Files, op: &Op, keep: &mut dyn FnMut(usize) -> bool) {
    match op {
        Op::Write { file, at, bytes } => {
            let content = files.entry(file.clone()).or_default();
            let mut start = *at as usize;
            let end = start + bytes.len();
            while start < end {
                let stop = end.min((start / SECTOR + 1) * SECTOR);
                if keep(start / SECTOR) {
                    if content.len() < stop {
                        content.resize(stop, 0);
                    }
                    let from = start - *at as usize;
                    content[start..stop].copy_from_slice(&bytes[from..from + stop - start]);
                }
                start = stop;
            }
        }
        Op::Truncate { file, size } if keep(0) => files.entry(file.clone()).or_default().resize(*size as usize, 0),
        Op::Delete { file } if keep(0) => drop(files.remove(file)),
        _ => {}
    }
}

/// Puts an image where a program can open it.
pub fn store(files: &Files, database: &Path) {
    for ending in ["", "-wal", "-shm", "-journal"] {
        let path = with_ending(database, ending);
        match files.get(ending) {
            Some(bytes) => fs::write(path, bytes).unwrap(),
            None => drop(fs::remove_file(path)),
        }
    }
}

pub fn with_ending(database: &Path, ending: &str) -> std::path::PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
