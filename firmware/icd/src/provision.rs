//! The page of flash that is written once, when a board is made: the public key that its updates are signed with.
//!
//! | Bytes | What |
//! |---|---|
//! | 4 | `KEY1` |
//! | 32 | Ed25519 public key |
//! | 4 | CRC-32 of those 36, little-endian |

use crate::crc32;

/// Where it lies, from the beginning of flash.
pub const AT: u32 = 0x8000;

/// Bytes of it that mean something.
pub const SIZE: usize = 40;

const MAGIC: &[u8; 4] = b"KEY1";

/// The page of this key.
pub fn page(key: &[u8; 32]) -> [u8; SIZE] {
    let mut page = [0; SIZE];
    page[..4].copy_from_slice(MAGIC);
    page[4..36].copy_from_slice(key);
    let crc = crc32(&page[..36]);
    page[36..].copy_from_slice(&crc.to_le_bytes());
    page
}

/// The key in a page, if one has been written and is whole.
pub fn key(page: &[u8; SIZE]) -> Option<[u8; 32]> {
    let (body, crc) = page.split_at(36);
    let key = body.strip_prefix(MAGIC)?;
    (crc == crc32(body).to_le_bytes()).then(|| key.try_into().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written_and_a_torn_page_holds_none() {
        let written = page(&[7; 32]);
        assert_eq!(key(&written), Some([7; 32]));
        for bit in 0..SIZE * 8 {
            let mut torn = written;
            torn[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key(&torn), None);
        }
        assert_eq!(key(&[0xFF; SIZE]), None);
    }
}
