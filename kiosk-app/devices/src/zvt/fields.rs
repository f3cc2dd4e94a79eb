//! What the terminal says. The card number is dropped here.

use super::{Apdu, apdu::wipe, command::from_bcd, print::Print, tlv};
use kiosk_core::{DayTotals, Minor, terminal::SchemeTotal};

/// Why an APDU could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// A field is longer than what is left.
    #[error("field {0:02X} is cut short")]
    Short(u8),
    /// A number has a half-byte that is not a digit.
    #[error("field {0:02X} is not a number")]
    Number(u8),
}

/// The end of a payment in the terminal's words. There is no field for a card number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusInformation {
    /// Field 27: 0 approved, anything else why not.
    pub result_code: Option<u8>,
    /// Field 04, minor units.
    pub amount: Option<u64>,
    /// Field 49, ISO 4217 number.
    pub currency: Option<u16>,
    /// Field 0B.
    pub trace: Option<u32>,
    /// Field 87, restarts after an end of day.
    pub receipt: Option<u32>,
    /// Field 29.
    pub terminal_id: Option<u32>,
    /// Last four digits of field 22, if the terminal shows them.
    pub last_digits: Option<[u8; 4]>,
    /// Field 8B, at most 32 printable characters.
    pub card_name: String,
    /// Field 60 of an end of day: what each card scheme took since the last one.
    pub totals: Option<SingleTotals>,
    /// The field at which reading stopped because this version does not know its length.
    pub unknown_field: Option<u8>,
}

/// Field 60: numbers of the first and the last receipt, then a count and a sum for each of seven schemes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SingleTotals {
    /// First and last receipt number of the period.
    pub receipts: (u32, u32),
    /// girocard, JCB, Mastercard, American Express, Visa, Diners, others: count and minor units.
    pub schemes: [(u8, u64); 7],
}

/// The schemes of field 60 in their order.
const SCHEMES: [&str; 7] = ["girocard", "JCB", "Mastercard", "American Express", "Visa", "Diners", "Other cards"];

impl SingleTotals {
    fn read(value: &[u8]) -> Option<Self> {
        let receipt = |at: usize| from_bcd(value.get(at..at + 2)?).and_then(|n| u32::try_from(n).ok());
        let mut schemes = [(0, 0); 7];
        for (n, scheme) in schemes.iter_mut().enumerate() {
            let at = 4 + n * 7;
            *scheme = (*value.get(at)?, from_bcd(value.get(at + 1..at + 7)?)?);
        }
        Some(Self { receipts: (receipt(0)?, receipt(2)?), schemes })
    }

    /// In the words of the core. `whole` is what the terminal says of all schemes together; their sum where it says nothing.
    pub fn day(&self, whole: Option<u64>, terminal: String) -> DayTotals {
        let minor = |amount: u64| Minor(i64::try_from(amount).unwrap_or(i64::MAX));
        let used = SCHEMES.iter().zip(self.schemes).filter(|(_, (count, amount))| *count > 0 || *amount > 0);
        let row = |(name, (count, amount)): (&&str, (u8, u64))| SchemeTotal {
            scheme: (*name).to_owned(),
            count: count.into(),
            amount: minor(amount),
        };
        let rows: Vec<_> = used.map(row).collect();
        let sum = self.schemes.iter().map(|(_, amount)| amount).sum();
        DayTotals {
            terminal,
            rows,
            amount: minor(whole.unwrap_or(sum)),
            first_receipt: Some(self.receipts.0).filter(|n| *n > 0),
            last_receipt: Some(self.receipts.1).filter(|n| *n > 0),
        }
    }
}

/// One message of the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromTerminal {
    /// `80 00 00`
    Ack,
    /// `84 xx 00`
    Nack(u8),
    /// `04 FF`
    Intermediate {
        /// What to show.
        status: u8,
        /// How long it may take, minutes.
        timeout_min: Option<u8>,
    },
    /// `04 0F`
    Status(StatusInformation),
    /// `06 0F`
    Completion {
        /// What a status enquiry was answered: 0 is ready. Anything else completes with fields, or nothing.
        status: Option<u8>,
    },
    /// `06 1E`
    Abort {
        /// Why.
        code: u8,
    },
    /// `06 D1` and `06 D3`: something to print.
    Print(Print),
    /// Anything else.
    Other([u8; 2]),
}

impl FromTerminal {
    /// Reads an APDU.
    pub fn read(apdu: &Apdu) -> Result<Self, FieldError> {
        let first = apdu.data().first().copied();
        Ok(match apdu.control() {
            [0x80, 0x00] => Self::Ack,
            [0x84, code] => Self::Nack(code),
            [0x04, 0xFF] => Self::Intermediate {
                status: first.ok_or(FieldError::Short(0xFF))?,
                // A container 06 may stand in the place of the optional time-out.
                timeout_min: apdu
                    .data()
                    .get(1..2)
                    .filter(|_| apdu.data().len() == 2 || apdu.data().get(2) == Some(&0x06))
                    .and_then(from_bcd)
                    .and_then(|n| u8::try_from(n).ok()),
            },
            [0x04, 0x0F] => Self::Status(StatusInformation::read(apdu.data())?),
            [0x06, 0x0F] => Self::Completion { status: first },
            [0x06, 0x1E] => Self::Abort { code: first.unwrap_or(0xFF) },
            [0x06, 0xD1] => Self::Print(Print::line(apdu.data())),
            [0x06, 0xD3] => Self::Print(Print::block(apdu.data())),
            other => Self::Other(other),
        })
    }
}

/// How the length of a field is known.
enum Length {
    Fixed(usize),
    /// Two or three bytes `Fx`, a decimal digit each.
    Digits(usize),
    /// BER.
    Tlv,
}

/// Lengths of all fields of the specification.
fn length_of(field: u8) -> Option<Length> {
    Some(match field {
        0x01 | 0x02 | 0x03 | 0x05 | 0x19 | 0x27 | 0x8A | 0x8C | 0xA0 | 0xD0 | 0xD2 | 0xD3 => Length::Fixed(1),
        0xE0 | 0xE9 | 0xEA | 0xF0 | 0xF9..=0xFD => Length::Fixed(1),
        0x0D | 0x0E | 0x17 | 0x3A | 0x49 | 0x87 => Length::Fixed(2),
        0x0B | 0x0C | 0x37 | 0x3D | 0x88 | 0xAA => Length::Fixed(3),
        0x29 => Length::Fixed(4),
        0xBA => Length::Fixed(5),
        0x04 => Length::Fixed(6),
        0x3B | 0xEB => Length::Fixed(8),
        0x2A => Length::Fixed(15),
        0x22 | 0x23 | 0x2D | 0x8B | 0xA7 | 0xD1 | 0xE1..=0xE8 | 0xF1..=0xF8 => Length::Digits(2),
        0x24 | 0x2E | 0x3C | 0x60 | 0x92 | 0x9A | 0xAF => Length::Digits(3),
        0x06 => Length::Tlv,
        _ => return None,
    })
}

/// The value of a field and what stands behind it.
fn split(length: &Length, rest: &[u8]) -> Option<(usize, usize)> {
    let (head, n) = match *length {
        Length::Fixed(n) => (0, n),
        Length::Digits(n) => (
            n,
            rest.get(..n)?.iter().try_fold(0, |sum, b| {
                let digit = usize::from(b & 15);
                (digit < 10).then_some(sum * 10 + digit)
            })?,
        ),
        Length::Tlv => tlv::length(rest)?,
    };
    (head + n <= rest.len()).then_some((head, head + n))
}

impl StatusInformation {
    /// Reads the fields of `04 0F`. Stops at a field whose length nobody here knows.
    pub fn read(data: &[u8]) -> Result<Self, FieldError> {
        let mut info = Self::default();
        let mut rest = data;
        while let [field, tail @ ..] = rest {
            let Some(length) = length_of(*field) else {
                info.unknown_field = Some(*field);
                break;
            };
            let (start, end) = split(&length, tail).ok_or(FieldError::Short(*field))?;
            info.take(*field, &tail[start..end])?;
            rest = &tail[end..];
        }
        Ok(info)
    }

    fn take(&mut self, field: u8, value: &[u8]) -> Result<(), FieldError> {
        let number = || from_bcd(value).ok_or(FieldError::Number(field));
        let small = || number().map(|n| u32::try_from(n).ok());
        match field {
            0x04 => self.amount = Some(number()?),
            0x0B => self.trace = small()?,
            0x27 => self.result_code = value.first().copied(),
            0x29 => self.terminal_id = small()?,
            0x49 => self.currency = number()?.try_into().ok(),
            0x87 => self.receipt = small()?,
            0x60 => self.totals = SingleTotals::read(value),
            0x22 => self.last_digits = last_digits(value),
            0x8B => self.card_name = card_name(value),
            _ => {}
        }
        Ok(())
    }

    /// The terminal's number as it stands on slips, eight digits; empty where it was not said.
    pub fn terminal(&self) -> String {
        self.terminal_id.map(|id| format!("{id:08}")).unwrap_or_default()
    }

    /// Scheme and last digits as may be printed: `VISA **** 1234`; empty if the terminal says neither.
    pub fn masked(&self) -> String {
        let digits = self.last_digits.map(|d| format!("**** {}", String::from_utf8_lossy(&d)));
        [Some(self.card_name.clone()).filter(|n| !n.is_empty()), digits].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// The last four digits, if they are digits and not masked themselves. Nothing else of the number is looked at.
fn last_digits(value: &[u8]) -> Option<[u8; 4]> {
    let nibble = |i: usize| value.get(i / 2).map(|b| if i.is_multiple_of(2) { b >> 4 } else { b & 15 });
    let mut end = value.len() * 2;
    if end > 0 && nibble(end - 1) == Some(0xF) {
        end -= 1;
    }
    let mut out = [0; 4];
    for (k, slot) in out.iter_mut().enumerate() {
        let digit = nibble((end + k).checked_sub(4)?)?;
        *slot = (digit < 10).then_some(b'0' + digit)?;
    }
    Some(out)
}

/// Printable characters up to the first zero. A name with many digits is no name: a card number must not come in by it.
fn card_name(value: &[u8]) -> String {
    let end = value.iter().position(|&b| b == 0).unwrap_or(value.len());
    let mut name = String::with_capacity(32);
    name.extend(value[..end].iter().filter(|b| (0x20..0x7F).contains(*b)).take(32).map(|&b| char::from(b)));
    if name.bytes().filter(u8::is_ascii_digit).count() > 6 {
        wipe(&mut name.into_bytes());
        return String::new();
    }
    name.trim().to_owned()
}
