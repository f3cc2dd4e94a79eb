//! Order numbers and the business day.
//!
//! A number is the device's letter and a counter: 'A-17'. The counter begins anew when the business day moves forward,
//! and only then: a clock that is set back, or found after having been lost, never gives a number twice in a day. Numbers
//! may have gaps (a sale that could not be recorded burns its number); they are called out, not counted.

use crate::now::{ClockQuality, Now};
use alloc::{
    format,
    string::{String, ToString},
};

/// The business date while no clock was ever known.
const UNKNOWN_DATE: &str = "1970-01-01";
const DAY_MS: i64 = 86_400_000;
/// 9999-12-31T23:59:59.999Z: later times have no four-digit year and count as unset.
const LATEST_MS: i64 = 253_402_300_799_999;

/// Where the order numbers of the day stand; kept on disk by the shell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderCounter {
    /// `2026-11-21`, empty before the first order.
    pub business_date: String,
    /// The last number given, 0 before the first of the day.
    pub last: u32,
}

impl OrderCounter {
    /// The next number of `device` and the business date it belongs to. The day turns `day_turn_min` minutes after local
    /// midnight; without a clock the last known date stays in force.
    pub fn next(&mut self, now: Now, day_turn_min: u16, device: char) -> (String, String) {
        if let Some(date) = business_date(now, day_turn_min) {
            self.turn(date, now.quality);
        } else if self.business_date.is_empty() {
            self.business_date = UNKNOWN_DATE.to_string();
        }
        self.last = self.last.saturating_add(1);
        (format!("{device}-{}", self.last), self.business_date.clone())
    }

    fn turn(&mut self, date: String, quality: ClockQuality) {
        let known = !self.business_date.is_empty() && self.business_date != UNKNOWN_DATE;
        if !known {
            self.business_date = date;
        } else if date > self.business_date {
            self.business_date = date;
            self.last = 0;
        } else if date < self.business_date && quality == ClockQuality::Synced {
            // The clock had run ahead. The date is put right; the counter goes on, since its numbers are in use today.
            self.business_date = date;
        }
    }
}

/// The shop's day as `2026-11-21`, `None` while the clock is unset or beyond four-digit years.
pub fn business_date(now: Now, day_turn_min: u16) -> Option<String> {
    let utc = now.utc_ms.filter(|ms| (0..=LATEST_MS).contains(ms) && now.quality != ClockQuality::Unset)?;
    let local = utc + (i64::from(now.offset_min) - i64::from(day_turn_min)) * 60_000;
    let (year, month, day) = civil(local.div_euclid(DAY_MS));
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

/// Days since 1970-01-01 to the proleptic Gregorian date, year, month, day (Hinnant, 'chrono-compatible low-level date
/// algorithms').
pub fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(utc_ms: i64, offset_min: i16) -> Now {
        Now { mono_ms: 0, utc_ms: Some(utc_ms), offset_min, quality: ClockQuality::Synced }
    }
    const NOON: i64 = 1_795_262_400_000; // 2026-11-21T12:00:00Z
    const HOUR: i64 = 3_600_000;

    #[test]
    fn the_day_turns_at_the_shops_hour_in_local_time() {
        assert_eq!(business_date(at(NOON, 60), 240).unwrap(), "2026-11-21");
        assert_eq!(business_date(at(NOON + 14 * HOUR, 60), 240).unwrap(), "2026-11-21", "03:00 local");
        assert_eq!(business_date(at(NOON + 15 * HOUR, 60), 240).unwrap(), "2026-11-22", "04:00 local");
        assert_eq!(business_date(at(0, 0), 240).unwrap(), "1969-12-31");
        assert_eq!(business_date(at(951_782_400_000, 0), 0).unwrap(), "2000-02-29");
        assert_eq!(business_date(at(4_107_542_400_000, 0), 0).unwrap(), "2100-03-01");
        assert_eq!(business_date(at(i64::MAX, 0), 0), None);
        assert_eq!(business_date(at(-1, 0), 0), None);
        assert_eq!(business_date(at(LATEST_MS, i16::MIN), u16::MAX).unwrap().len(), 10);
    }

    #[test]
    fn numbers_begin_anew_when_the_day_moves_forward_and_only_then() {
        let mut counter = OrderCounter::default();
        assert_eq!(counter.next(at(NOON, 0), 0, 'A').0, "A-1");
        assert_eq!(counter.next(at(NOON, 0), 0, 'A').0, "A-2");
        let (number, date) = counter.next(at(NOON + 24 * HOUR, 0), 0, 'A');
        assert_eq!((number.as_str(), date.as_str()), ("A-1", "2026-11-22"));
        let (number, date) = counter.next(at(NOON, 0), 0, 'A');
        assert_eq!((number.as_str(), date.as_str()), ("A-2", "2026-11-21"), "set back by an authenticated source");
        let guess = Now { quality: ClockQuality::Estimated, ..at(NOON - 24 * HOUR, 0) };
        assert_eq!(counter.next(guess, 0, 'A').1, "2026-11-21", "an estimate never sets the day back");
    }

    #[test]
    fn without_a_clock_the_last_known_day_stays() {
        let unset = Now { mono_ms: 5, utc_ms: None, offset_min: 0, quality: ClockQuality::Unset };
        let mut counter = OrderCounter { business_date: "2026-11-20".into(), last: 6 };
        assert_eq!(counter.next(unset, 0, 'B'), ("B-7".into(), "2026-11-20".into()));
        let mut fresh = OrderCounter::default();
        assert_eq!(fresh.next(unset, 0, 'B'), ("B-1".into(), UNKNOWN_DATE.into()));
        assert_eq!(fresh.next(at(NOON, 0), 0, 'B'), ("B-2".into(), "2026-11-21".into()), "found: the count goes on");
    }
}
