//! Hex digits of either case to bytes and back.

use alloc::{string::String, vec::Vec};

/// Exactly `N` bytes.
pub fn array<const N: usize>(text: &str) -> Option<[u8; N]> {
    bytes(text, N)?.try_into().ok()
}

/// At most `max` bytes.
pub fn bytes(text: &str, max: usize) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(2) || text.len() / 2 > max {
        return None;
    }
    text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// Upper-case digits, as a card mirrors them.
pub fn upper(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

fn digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
pub(crate) fn test_bytes(text: &str) -> Vec<u8> {
    #![allow(clippy::unwrap_used)]
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    bytes(&text, 1024).unwrap()
}
