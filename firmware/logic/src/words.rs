//! Last words: what a panic or a fault leaves in memory that a reset does not clear.

use peripheral_icd::crc32;

/// Bytes of text that are kept.
pub const TEXT: usize = 96;

/// Bytes of the whole record.
pub const SIZE: usize = TEXT + 8;

const MAGIC: u32 = 0x4C57_0001;

/// A text that is cut where it becomes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    text: [u8; TEXT],
    filled: usize,
}

impl Default for Words {
    fn default() -> Self {
        Self { text: [0; TEXT], filled: 0 }
    }
}

impl Words {
    /// Adds text, as much of it as there is room for.
    pub fn push(&mut self, text: &[u8]) {
        let n = text.len().min(TEXT - self.filled);
        self.text[self.filled..self.filled + n].copy_from_slice(&text[..n]);
        self.filled += n;
    }

    /// Adds a number to the base 2 to 16.
    pub fn push_number(&mut self, number: u32, base: u32) {
        let (mut digits, mut rest, mut from) = ([0; 32], number, 32);
        loop {
            from -= 1;
            digits[from] = b"0123456789abcdef"[(rest % base) as usize & 15];
            rest /= base;
            if rest == 0 {
                return self.push(&digits[from..]);
            }
        }
    }

    /// The text, padded with zeros.
    pub fn text(&self) -> &[u8; TEXT] {
        &self.text
    }

    /// As it stands in memory: magic, CRC-32 of the text, text.
    pub fn to_record(&self) -> [u8; SIZE] {
        let mut record = [0; SIZE];
        record[..4].copy_from_slice(&MAGIC.to_le_bytes());
        record[4..8].copy_from_slice(&crc32(&self.text).to_le_bytes());
        record[8..].copy_from_slice(&self.text);
        record
    }

    /// What memory holds; `None` if nobody has written there, as after power came on.
    pub fn from_record(record: &[u8; SIZE]) -> Option<Self> {
        let mut text = [0; TEXT];
        text.copy_from_slice(&record[8..]);
        let intact = record[..4] == MAGIC.to_le_bytes() && record[4..8] == crc32(&text).to_le_bytes();
        intact.then_some(Self { text, filled: TEXT })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_and_rubbish_is_not_taken_for_words() {
        let mut words = Words::default();
        words.push(b"board.rs:");
        words.push_number(7_120, 10);
        words.push(b" ");
        words.push_number(0xBEEF, 16);
        assert!(words.text().starts_with(b"board.rs:7120 beef\0"));
        let record = words.to_record();
        assert_eq!(Words::from_record(&record).map(|w| *w.text()), Some(*words.text()));
        for bit in 0..SIZE * 8 {
            let mut torn = record;
            torn[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Words::from_record(&torn), None);
        }
        assert_eq!(Words::from_record(&[0; SIZE]), None);
    }

    #[test]
    fn too_many_words_are_cut() {
        let mut words = Words::default();
        (0..100).for_each(|_| words.push(b"0123456"));
        assert!(words.text().iter().all(u8::is_ascii_digit));
    }
}
