//! What the till sends, and the number formats of both sides.

use super::Apdu;
use kiosk_core::{Currency, Minor};

/// The terminal's ECR password: six digits. Not shown by `Debug`.
#[derive(Clone, Copy)]
pub struct ZvtPassword([u8; 3]);

impl ZvtPassword {
    /// From six decimal digits.
    pub fn parse(digits: &str) -> Option<Self> {
        (digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit())).then_some(())?;
        Some(Self(bcd(digits.parse().ok()?)))
    }
}

impl std::fmt::Debug for ZvtPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ZvtPassword")
    }
}

/// Config byte of the registration: intermediate statuses wanted (bit 3), payments (bit 4) and administration (bit 5) only
/// from the ECR; the receipt bits (1, 2) are clear, so the terminal prints its own card slips.
const CONFIG: u8 = 0b0011_1000;

/// Payment type 40: the terminal decides by the card, without GeldKarte.
const BY_CARD: u8 = 0x40;

/// `06 00`: logs the ECR on. Moves no money and may be repeated.
pub fn registration(password: ZvtPassword, currency: u16) -> Apdu {
    let [c1, c2] = bcd(currency.into());
    let [p1, p2, p3] = password.0;
    Apdu::new([0x06, 0x00], &[p1, p2, p3, CONFIG, c1, c2])
}

/// `06 01`: asks for money. `None` if the amount is not within 1 and 999,999,999,999 or the currency has no number here.
pub fn authorization(amount: Minor, currency: Currency) -> Option<Apdu> {
    let minor = u64::try_from(amount.0).ok().filter(|m| (1..1_000_000_000_000).contains(m))?;
    let mut data = vec![0x04];
    data.extend(bcd::<6>(minor));
    data.push(0x49);
    data.extend(bcd::<2>(number_of(currency)?.into()));
    data.extend([0x19, BY_CARD]);
    Some(Apdu::new([0x06, 0x01], &data))
}

/// `06 B0`: asks the terminal to stop what runs. It ends by its own word.
pub fn abort() -> Apdu {
    Apdu::new([0x06, 0xB0], &[])
}

/// The lowest `2 * N` decimal digits, two a byte.
pub fn bcd<const N: usize>(mut value: u64) -> [u8; N] {
    let mut out = [0; N];
    for byte in out.iter_mut().rev() {
        *byte = (((value % 100 / 10) << 4) | (value % 10)) as u8;
        value /= 100;
    }
    out
}

/// Reads BCD, `None` if a half-byte is not a digit.
pub fn from_bcd(bytes: &[u8]) -> Option<u64> {
    bytes.iter().try_fold(0u64, |n, b| {
        let (high, low) = (u64::from(b >> 4), u64::from(b & 15));
        (high < 10 && low < 10).then_some(())?;
        n.checked_mul(100)?.checked_add(high * 10 + low)
    })
}

/// ISO 4217 numbers of the currencies that ZVT terminals are sold for.
const NUMBERS: [(&[u8; 3], u16); 14] = [
    (b"EUR", 978),
    (b"CHF", 756),
    (b"GBP", 826),
    (b"USD", 840),
    (b"PLN", 985),
    (b"CZK", 203),
    (b"HUF", 348),
    (b"DKK", 208),
    (b"SEK", 752),
    (b"NOK", 578),
    (b"RON", 946),
    (b"BGN", 975),
    (b"TRY", 949),
    (b"RUB", 643),
];

/// The ISO 4217 number.
pub fn number_of(currency: Currency) -> Option<u16> {
    NUMBERS.iter().find(|(code, _)| **code == currency.code).map(|(_, n)| *n)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bcd_reads_as_it_writes() {
        assert_eq!(bcd::<6>(1250), [0, 0, 0, 0, 0x12, 0x50]);
        assert_eq!(from_bcd(&bcd::<6>(999_999_999_999)), Some(999_999_999_999));
        assert_eq!(from_bcd(&[0x1A]), None);
        assert_eq!(from_bcd(&[0x99; 12]), None);
    }

    #[test]
    fn amounts_that_a_terminal_cannot_take_are_not_sent() {
        for minor in [0, -1, i64::MIN, 1_000_000_000_000, i64::MAX] {
            assert_eq!(authorization(Minor(minor), Currency::EUR), None);
        }
        let unknown = Currency { code: *b"XTS", exponent: 2 };
        assert_eq!(authorization(Minor(1), unknown), None);
    }

    #[test]
    fn a_password_is_six_digits_and_stays_unseen() {
        assert!(ZvtPassword::parse("12345").is_none());
        assert!(ZvtPassword::parse("12345x").is_none());
        assert_eq!(format!("{:?}", ZvtPassword::parse("123456")), "Some(ZvtPassword)");
    }
}
