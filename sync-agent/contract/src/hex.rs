//! Bytes as lower-case hex digits.

/// Writes bytes as hex digits, two a byte.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads hex digits of either case; `None` for anything else, an odd number of them included.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.bytes().map(|byte| char::from(byte).to_digit(16)).collect::<Option<Vec<_>>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| u8::try_from(high * 16 + low).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_either_case_are_read_and_anything_else_is_refused() {
        assert_eq!(decode("00fFa5"), Some(vec![0, 255, 0xa5]));
        assert_eq!(decode(&encode(&[1, 2, 254])), Some(vec![1, 2, 254]));
        for bad in ["0", "0g", "0x12", "é1"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
