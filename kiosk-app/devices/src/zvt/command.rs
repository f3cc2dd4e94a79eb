//! What the till sends, and the number formats of both sides.

use super::Apdu;
use kiosk_core::{Command, Currency, Minor};

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
/// from the ECR.
const CONFIG: u8 = 0b0011_1000;
/// Receipts of payments (bit 1) and of administration (bit 2) come to the ECR, as text blocks (bit 7).
const SLIPS: u8 = 0b1000_0110;

/// Where the terminal's own slips are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlipsTo {
    /// By the terminal.
    #[default]
    Terminal,
    /// Here: they come in by `06 D1` and `06 D3`.
    Till,
}

/// Payment type 40: the terminal decides by the card, without GeldKarte.
const BY_CARD: u8 = 0x40;

/// `06 00`: logs the ECR on. Moves no money and may be repeated.
pub fn registration(password: ZvtPassword, currency: u16, slips: SlipsTo) -> Apdu {
    let config = CONFIG | if slips == SlipsTo::Till { SLIPS } else { 0 };
    let mut data = password.0.to_vec();
    data.push(config);
    data.extend(bcd::<2>(currency.into()));
    if slips == SlipsTo::Till {
        // Container 06: of the optional commands (26) this till takes (0A) text blocks.
        data.extend([0x06, 0x06, 0x26, 0x04, 0x0A, 0x02, 0x06, 0xD3]);
    }
    Apdu::new([0x06, 0x00], &data)
}

/// A financial command. `None` if an amount is not within 1 and 999,999,999,999, a receipt number not within 1 and 9999, or
/// the currency has no number here.
pub fn financial(command: Command, currency: Currency, password: ZvtPassword) -> Option<Apdu> {
    match command {
        Command::Authorise { amount } => authorization(amount, currency),
        Command::Reverse { amount, receipt } => reversal(password, amount, receipt, currency),
        Command::Refund { amount } => refund(password, amount, currency),
        Command::EndOfDay => Some(end_of_day(password)),
    }
}

/// `06 01`: asks for money.
pub fn authorization(amount: Minor, currency: Currency) -> Option<Apdu> {
    let mut data = money(amount, currency)?;
    data.extend([0x19, BY_CARD]);
    Some(Apdu::new([0x06, 0x01], &data))
}

/// `06 30`: takes back the payment with this receipt number, of the period that is open, over this amount.
pub fn reversal(password: ZvtPassword, amount: Minor, receipt: u32, currency: Currency) -> Option<Apdu> {
    (1..=9999).contains(&receipt).then_some(())?;
    let mut data = password.0.to_vec();
    data.push(0x87);
    data.extend(bcd::<2>(receipt.into()));
    data.extend(money(amount, currency)?);
    Some(Apdu::new([0x06, 0x30], &data))
}

/// `06 31`: gives money to a card that is shown.
pub fn refund(password: ZvtPassword, amount: Minor, currency: Currency) -> Option<Apdu> {
    Some(Apdu::new([0x06, 0x31], &[&password.0[..], &money(amount, currency)?].concat()))
}

/// `06 50`: closes the period and says its totals.
pub fn end_of_day(password: ZvtPassword) -> Apdu {
    Apdu::new([0x06, 0x50], &password.0)
}

/// `06 20`: says and prints the last receipt again. Moves no money and may be repeated.
pub fn repeat_receipt(password: ZvtPassword) -> Apdu {
    Apdu::new([0x06, 0x20], &password.0)
}

/// `05 01`: asks how the terminal is. Moves no money and may be repeated.
pub fn status_enquiry(password: ZvtPassword) -> Apdu {
    Apdu::new([0x05, 0x01], &password.0)
}

/// Fields 04 and 49.
fn money(amount: Minor, currency: Currency) -> Option<Vec<u8>> {
    let minor = u64::try_from(amount.0).ok().filter(|m| (1..1_000_000_000_000).contains(m))?;
    let mut data = vec![0x04];
    data.extend(bcd::<6>(minor));
    data.push(0x49);
    data.extend(bcd::<2>(number_of(currency)?.into()));
    Some(data)
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

/// The currency of a number. All of them have two digits behind the point.
pub fn currency_of(number: u16) -> Option<Currency> {
    NUMBERS.iter().find(|(_, n)| *n == number).map(|(code, _)| Currency { code: **code, exponent: 2 })
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
        let password = ZvtPassword::parse("000000").unwrap();
        assert_eq!(refund(password, Minor(0), Currency::EUR), None);
        for receipt in [0, 10_000, u32::MAX] {
            assert_eq!(reversal(password, Minor(1), receipt, Currency::EUR), None);
        }
        assert!(NUMBERS.iter().all(|(_, n)| currency_of(*n).and_then(number_of) == Some(*n)));
    }

    #[test]
    fn a_password_is_six_digits_and_stays_unseen() {
        assert!(ZvtPassword::parse("12345").is_none());
        assert!(ZvtPassword::parse("12345x").is_none());
        assert_eq!(format!("{:?}", ZvtPassword::parse("123456")), "Some(ZvtPassword)");
    }
}
