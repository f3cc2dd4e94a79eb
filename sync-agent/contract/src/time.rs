//! The formats of times and numbers on the wire.

/// The last millisecond that the date library can write, a day before the end of the year 9999.
const LAST_MS: i64 = 253_402_207_200_000;

/// Writes milliseconds since 1970 as RFC 3339 in UTC with three decimals: `2026-11-21T10:30:00.123Z`.
///
/// Times outside 1970 to 9999 are drawn to the nearest of the two ends: a wrong clock must not stop a sale.
pub fn rfc3339(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms.clamp(0, LAST_MS)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

/// Reads an RFC 3339 date and time, with any offset, as milliseconds since 1970. `None` for anything else.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    if !is_rfc3339(text.as_bytes()) {
        return None;
    }
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// Writes a sequence number as 20 digits.
pub fn sequence(number: u64) -> String {
    format!("{number:020}")
}

/// Reads a sequence number: exactly 20 digits, from 1, at most `i64::MAX` (so that every database can hold it).
pub fn parse_sequence(text: &str) -> Option<u64> {
    if text.len() != 20 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse::<u64>().ok().filter(|n| (1..=i64::MAX as u64).contains(n))
}

/// Writes milliseconds since boot as 15 digits.
pub fn uptime(ms: u64) -> String {
    format!("{:015}", ms.min(999_999_999_999_999))
}

/// The grammar of RFC 3339, section 5.6. The date library alone would take more: week dates, a space, no seconds.
fn is_rfc3339(text: &[u8]) -> bool {
    const SHAPE: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let fits = |pattern: &[u8], text: &[u8]| {
        pattern.len() == text.len()
            && pattern.iter().zip(text).all(|(p, t)| match p {
                b'd' => t.is_ascii_digit(),
                p => p.eq_ignore_ascii_case(t),
            })
    };
    let Some((head, mut rest)) = text.split_at_checked(SHAPE.len()) else { return false };
    if !fits(SHAPE, head) {
        return false;
    }
    if let [b'.', after @ ..] = rest {
        let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return false;
        }
        rest = &after[digits..];
    }
    match rest {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', offset @ ..] => fits(b"dd:dd", offset),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_are_written_with_milliseconds_and_read_back() {
        assert_eq!(rfc3339(1_795_257_000_123), "2026-11-21T10:30:00.123Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(parse_rfc3339("2026-11-21T10:30:00.123Z"), Some(1_795_257_000_123));
        assert_eq!(parse_rfc3339("2026-11-21T12:30:00.123+02:00"), Some(1_795_257_000_123));
        assert_eq!(parse_rfc3339("2026-11-21T10:30:00Z"), Some(1_795_257_000_000));
    }

    #[test]
    fn a_clock_beyond_the_calendar_is_drawn_to_its_end() {
        assert_eq!(rfc3339(i64::MIN), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(i64::MAX), "9999-12-30T22:00:00.000Z");
    }

    #[test]
    fn what_is_not_rfc_3339_is_not_a_time() {
        for text in ["", "2026-11-21", "2026-11-21 10:30:00Z", "2026-11-21T10:30Z", "2026-11-21T10:30:00", "2026-13-21T10:30:00Z"]
        {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
        assert_eq!(parse_rfc3339("2026-11-21T10:30:00.Z"), None);
        assert_eq!(parse_rfc3339("2026-11-21T10:30:00.1234567890Z"), None);
        assert_eq!(parse_rfc3339("2026-11-21T10:30:00Zé"), None);
    }

    #[test]
    fn a_sequence_has_exactly_twenty_digits_and_starts_at_one() {
        assert_eq!(sequence(42), "00000000000000000042");
        assert_eq!(parse_sequence("00000000000000000042"), Some(42));
        assert_eq!(parse_sequence("09223372036854775807"), Some(i64::MAX as u64));
        for text in [
            "00000000000000000000",
            "42",
            "0000000000000000004x",
            "09223372036854775808",
            "99999999999999999999",
            "+0000000000000000042",
        ] {
            assert_eq!(parse_sequence(text), None, "{text}");
        }
    }

    #[test]
    fn an_uptime_has_fifteen_digits() {
        assert_eq!(uptime(12_345_678), "000000012345678");
        assert_eq!(uptime(u64::MAX), "999999999999999");
    }
}
