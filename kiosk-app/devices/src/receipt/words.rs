//! The words on a receipt. They are law's words and hardware's limits, not the shop's: so they stand here and not in the
//! translations of the screen.

use super::vocabulary::{AR, EN, RU};
use kiosk_core::{Currency, Minor, Tender};

/// The words of one language.
#[derive(Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ReceiptWords {
    /// Written from the right.
    pub right_to_left: bool,
    pub order: &'static str,
    pub copy: &'static str,
    pub eat_in: &'static str,
    pub takeaway: &'static str,
    pub goods: &'static str,
    pub total: &'static str,
    pub tax: &'static str,
    pub net: &'static str,
    pub gross: &'static str,
    pub page: &'static str,
    pub thanks: &'static str,
    pub receipt: &'static str,
    pub tip: &'static str,
    pub rounding: &'static str,
    pub given: &'static str,
    pub change: &'static str,
    pub refund: &'static str,
    pub of_order: &'static str,
    pub reason: &'static str,
    pub staff: &'static str,
    pub in_doubt: &'static str,
    /// The fiscal device did not answer.
    pub unsigned: &'static str,
    pub merchant: &'static str,
    pub customer: &'static str,
    pub test: &'static str,
    /// X, Z.
    pub report: [&'static str; 2],
    pub till: &'static str,
    pub business_date: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    pub receipts: &'static str,
    pub sales: &'static str,
    pub refunds: &'static str,
    pub voids: &'static str,
    pub discounts: &'static str,
    pub tips: &'static str,
    pub by_tender: &'static str,
    pub drawer: &'static str,
    pub float: &'static str,
    pub paid_in: &'static str,
    pub paid_out: &'static str,
    pub dropped: &'static str,
    pub expected: &'static str,
    pub counted: &'static str,
    pub over: &'static str,
    pub short: &'static str,
    pub terminal: &'static str,
    pub by_terminal: &'static str,
    pub by_journal: &'static str,
    pub agrees: &'static str,
    pub differs: &'static str,
    pub carried_over: &'static str,
    pub no_sales: &'static str,
    /// Card, cash, stored value, gift card, points.
    pub tenders: [&'static str; 5],
    /// Stands before the digits of a minor unit.
    pub decimal: char,
    pub(super) day_first: bool,
}

impl ReceiptWords {
    /// Words for a BCP 47 tag, English if there are none.
    pub fn of(language: &str) -> &'static Self {
        match language.split(['-', '_']).next() {
            Some(l) if l.eq_ignore_ascii_case("ru") => &RU,
            Some(l) if l.eq_ignore_ascii_case("ar") => &AR,
            _ => &EN,
        }
    }

    /// The word for a tender.
    pub fn tender(&self, tender: Tender) -> &'static str {
        self.tenders[match tender {
            Tender::Card => 0,
            Tender::Cash => 1,
            Tender::Wallet => 2,
            Tender::Gift => 3,
            Tender::Points => 4,
        }]
    }

    /// An amount without its currency: "1250" minor units of EUR is "12.50".
    pub fn money(&self, amount: Minor, currency: Currency) -> String {
        let digits = u32::from(currency.exponent.min(9));
        let unit = 10u64.pow(digits);
        let minor = amount.0.unsigned_abs();
        let sign = if amount.is_negative() { "-" } else { "" };
        match digits {
            0 => format!("{sign}{minor}"),
            _ => format!("{sign}{}{}{:0w$}", minor / unit, self.decimal, minor % unit, w = digits as usize),
        }
    }

    /// A rate in millionths as per cent, without needless zeros: 70 000 is "7%", 8 875 is "0.8875%".
    pub fn rate(&self, ppm: u32) -> String {
        let (whole, part) = (ppm / 10_000, ppm % 10_000);
        if part == 0 {
            return format!("{whole}%");
        }
        let part = format!("{part:04}");
        format!("{whole}{}{}%", self.decimal, part.trim_end_matches('0'))
    }

    /// Local date and time, to the minute.
    pub fn date(&self, utc_ms: i64, offset_min: i32) -> String {
        let minutes = utc_ms.div_euclid(60_000) + i64::from(offset_min);
        let (y, m, d) = civil(minutes.div_euclid(1440));
        let (hour, minute) = (minutes.rem_euclid(1440) / 60, minutes.rem_euclid(60));
        if self.day_first {
            format!("{d:02}.{m:02}.{y:04} {hour:02}:{minute:02}")
        } else {
            format!("{y:04}-{m:02}-{d:02} {hour:02}:{minute:02}")
        }
    }
}

/// A moment in UTC as ISO 8601, to the second.
pub(crate) fn stamp(utc_ms: i64) -> String {
    let seconds = utc_ms.div_euclid(1000);
    let (y, m, d) = civil(seconds.div_euclid(86_400));
    let rest = seconds.rem_euclid(86_400);
    format!("{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest % 3600 / 60, rest % 60)
}

/// Year, month, day of a day counted from 1970-01-01 (Howard Hinnant, `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_rates_and_dates_read_as_people_write_them() {
        let kwd = Currency { code: *b"KWD", exponent: 3 };
        let jpy = Currency { code: *b"JPY", exponent: 0 };
        assert_eq!(EN.money(Minor(1250), Currency::EUR), "12.50");
        assert_eq!(RU.money(Minor(-5), Currency::EUR), "-0,05");
        assert_eq!(EN.money(Minor(i64::MIN), jpy), "-9223372036854775808");
        assert_eq!(EN.money(Minor(1), kwd), "0.001");
        assert_eq!(EN.rate(70_000), "7%");
        assert_eq!(EN.rate(8875), "0.8875%");
        assert_eq!(RU.rate(205_000), "20,5%");
        assert_eq!(EN.date(1_795_255_800_123, 60), "2026-11-21 11:10");
        assert_eq!(RU.date(951_782_400_000, 0), "29.02.2000 00:00");
        assert_eq!(EN.date(-60_000, 0), "1969-12-31 23:59");
        assert_eq!(stamp(1_795_255_800_123), "2026-11-21T10:10:00Z");
    }
}
