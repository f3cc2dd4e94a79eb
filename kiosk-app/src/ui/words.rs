// SPDX-License-Identifier: GPL-3.0-only
//! Texts that are made from values: money, times, counts of things. Sentences without values live in the `.slint` files
//! and are translated there.
//!
//! Pure: a value and a [`Tongue`] in, a text out.

use kiosk_core::{Currency, Minor, Now, RecoveredState, catalogue::Allergen, habit::Because};

/// A no-break space: a number is not torn from its unit.
const NBSP: char = '\u{a0}';
/// Minutes of a day.
const DAY_MIN: i64 = 24 * 60;

/// A language these texts are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tongue {
    /// English.
    En,
    /// Russian.
    Ru,
}

impl Tongue {
    /// The tongue for a BCP 47 tag; English where there is no other.
    pub fn of(tag: &str) -> Self {
        match tag.split(['-', '_']).next() {
            Some(primary) if primary.eq_ignore_ascii_case("ru") => Self::Ru,
            _ => Self::En,
        }
    }

    /// The tag under which the bundled translations of the screens are found.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ru => "ru",
        }
    }
}

/// The shop's own time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// Days since 1970-01-01.
    pub day: i64,
    /// Minute of the day, 0 to 1439.
    pub minute: u16,
}

impl LocalTime {
    /// The local time of `now`, `None` while the clock is unset.
    pub fn of(now: &Now) -> Option<Self> {
        Some(Self::at(now.utc_ms?, now.offset_min))
    }

    /// The local time of an instant.
    pub fn at(utc_ms: i64, offset_min: i16) -> Self {
        let minutes = utc_ms.div_euclid(60_000).saturating_add(i64::from(offset_min));
        let minute = u16::try_from(minutes.rem_euclid(DAY_MIN)).unwrap_or(0);
        Self { day: minutes.div_euclid(DAY_MIN), minute }
    }

    /// '10:31'.
    pub fn clock(self) -> String {
        format!("{}:{:02}", self.minute / 60, self.minute % 60)
    }

    /// '30.11.2026 18:30'.
    pub fn day_and_clock(self) -> String {
        let (year, month, day) = self.date();
        format!("{day}.{month:02}.{year} {}", self.clock())
    }

    /// Year, month and day of the Gregorian calendar: days are counted from the first of March of a year 0, so that the leap
    /// day is the last of its year.
    fn date(self) -> (i64, i64, i64) {
        let days = self.day + 719_468;
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        (year + era * 400 + i64::from(month <= 2), month, day)
    }

    /// 0 is Monday. The first of January 1970 was a Thursday.
    fn weekday(self) -> usize {
        usize::try_from((self.day + 3).rem_euclid(7)).unwrap_or(0)
    }
}

/// '€21.80', '21,80 €'.
pub fn money(amount: Minor, currency: Currency, tongue: Tongue) -> String {
    let digits = usize::from(currency.exponent);
    let minor = amount.0.unsigned_abs().to_string();
    let minor = format!("{minor:0>width$}", width = digits + 1);
    let (whole, part) = minor.split_at(minor.len() - digits);
    let (group, point) = match tongue {
        Tongue::En => (',', '.'),
        Tongue::Ru => (NBSP, ','),
    };
    let mut number = grouped(whole, group);
    if !part.is_empty() {
        number.push(point);
        number.push_str(part);
    }
    let sign = if amount.is_negative() { "−" } else { "" };
    match (tongue, symbol(currency)) {
        (Tongue::En, Some(symbol)) => format!("{sign}{symbol}{number}"),
        (Tongue::En, None) => format!("{sign}{}{NBSP}{number}", currency.letters()),
        (Tongue::Ru, symbol) => format!("{sign}{number}{NBSP}{}", symbol.unwrap_or(currency.letters())),
    }
}

/// '+ €1.20'; empty for nothing.
pub fn surcharge(amount: Minor, currency: Currency, tongue: Tongue) -> String {
    if amount == Minor::ZERO {
        return String::new();
    }
    format!("+{NBSP}{}", money(amount, currency, tongue))
}

/// 'from €3.40'.
pub fn from_price(amount: Minor, currency: Currency, tongue: Tongue) -> String {
    let money = money(amount, currency, tongue);
    match tongue {
        Tongue::En => format!("from {money}"),
        Tongue::Ru => format!("от{NBSP}{money}"),
    }
}

/// 'Saturday, 10:31'; empty while nobody knows.
pub fn weekday_clock(time: Option<LocalTime>, tongue: Tongue) -> String {
    let Some(time) = time else { return String::new() };
    format!("{}, {}", weekday(time.weekday(), tongue), time.clock())
}

/// '22 November 2026, 10:31'.
pub fn day_clock(time: LocalTime, tongue: Tongue) -> String {
    let (year, month, day) = kiosk_core::number::civil(time.day);
    format!("{day} {} {year}, {}", month_name(month, tongue), time.clock())
}

/// 'as of 10:02', with the day where it was not today.
pub fn as_of(known: LocalTime, now: Option<LocalTime>, tongue: Tongue) -> String {
    let clock = known.clock();
    let today = now.is_none_or(|now| now.day == known.day);
    match (tongue, today) {
        (Tongue::En, true) => format!("as of {clock}"),
        (Tongue::En, false) => format!("as of {}, {clock}", weekday(known.weekday(), tongue)),
        (Tongue::Ru, true) => format!("на {clock}"),
        (Tongue::Ru, false) => format!("{}, на {clock}", weekday(known.weekday(), tongue).to_lowercase()),
    }
}

/// 'Your usual'.
pub fn usual(tongue: Tongue) -> &'static str {
    match tongue {
        Tongue::En => "Your usual",
        Tongue::Ru => "Ваш обычный заказ",
    }
}

/// Why this is the usual, in the words of a weekday or a time of day: 'You often take this on Mondays'.
pub fn usual_because(because: Because, now: LocalTime, tongue: Tongue) -> &'static str {
    const EN: [&str; 7] = [
        "You often take this on Mondays",
        "You often take this on Tuesdays",
        "You often take this on Wednesdays",
        "You often take this on Thursdays",
        "You often take this on Fridays",
        "You often take this on Saturdays",
        "You often take this on Sundays",
    ];
    const RU: [&str; 7] = [
        "Вы часто берёте это по понедельникам",
        "Вы часто берёте это по вторникам",
        "Вы часто берёте это по средам",
        "Вы часто берёте это по четвергам",
        "Вы часто берёте это по пятницам",
        "Вы часто берёте это по субботам",
        "Вы часто берёте это по воскресеньям",
    ];
    match (because, tongue) {
        (Because::ThisWeekday, Tongue::En) => EN[now.weekday()],
        (Because::ThisWeekday, Tongue::Ru) => RU[now.weekday()],
        (Because::ThisTimeOfDay, Tongue::En) => "You often take this at this time of day",
        (Because::ThisTimeOfDay, Tongue::Ru) => "Вы часто берёте это в это время дня",
        (Because::Often, Tongue::En) => "You often take this",
        (Because::Often, Tongue::Ru) => "Вы часто берёте это",
    }
}

/// '23 visits so far'.
pub fn visits(count: u32, tongue: Tongue) -> String {
    match (tongue, count) {
        (Tongue::En, 1) => "1 visit so far".to_owned(),
        (Tongue::En, _) => format!("{count} visits so far"),
        (Tongue::Ru, _) => format!("вы были у нас {count}{NBSP}{}", russian(count, ["раз", "раза", "раз"])),
    }
}

/// What became of a payment that was at the terminal when the kiosk stopped: a heading and a sentence.
pub fn recovered(state: RecoveredState, number: &str, amount: &str, tongue: Tongue) -> (&'static str, String) {
    match (tongue, state) {
        (Tongue::En, RecoveredState::Checking) => (
            "We are checking your payment.",
            format!("It is {amount} for order {number}. Please do not pay again; it takes a moment."),
        ),
        (Tongue::En, RecoveredState::Received) => {
            ("Your payment was received.", format!("It was {amount} for order {number}, and we are making it."))
        }
        (Tongue::En, RecoveredState::NotTaken) => (
            "Your payment was not taken.",
            format!("Nothing was charged for order {number}. We are sorry: please order again, or ask us."),
        ),
        (Tongue::En, RecoveredState::AskStaff) => (
            "A colleague looks at your payment.",
            format!("It is {amount} for order {number}. Please do not pay again; somebody comes to you."),
        ),
        (Tongue::Ru, RecoveredState::Checking) => {
            ("Проверяем вашу оплату.", format!("{amount}, заказ {number}. Пожалуйста, не платите ещё раз: это займёт минуту."))
        }
        (Tongue::Ru, RecoveredState::Received) => ("Оплата прошла.", format!("{amount}, заказ {number}. Уже готовим.")),
        (Tongue::Ru, RecoveredState::NotTaken) => {
            ("Оплата не прошла.", format!("За заказ {number} ничего не списано. Простите: закажите ещё раз или спросите нас."))
        }
        (Tongue::Ru, RecoveredState::AskStaff) => (
            "Сотрудник проверит вашу оплату.",
            format!("{amount}, заказ {number}. Пожалуйста, не платите ещё раз: к вам подойдут."),
        ),
    }
}

/// 'incl. 7 % VAT'.
pub fn tax(rate_ppm: u32, included: bool, tongue: Tongue) -> String {
    let rate = percent(rate_ppm, tongue);
    match (tongue, included) {
        (Tongue::En, true) => format!("incl. {rate} VAT"),
        (Tongue::En, false) => format!("plus {rate} tax"),
        (Tongue::Ru, true) => format!("в том числе НДС {rate}"),
        (Tongue::Ru, false) => format!("плюс налог {rate}"),
    }
}

/// '780 kcal'.
pub fn kcal(kcal: u32, tongue: Tongue) -> String {
    match tongue {
        Tongue::En => format!("{kcal}{NBSP}kcal"),
        Tongue::Ru => format!("{kcal}{NBSP}ккал"),
    }
}

/// 'oat milk', '2 × cheddar'.
pub fn times(count: u32, name: &str) -> String {
    if count == 1 { name.to_owned() } else { format!("{count}{NBSP}×{NBSP}{name}") }
}

/// 'gluten': one of the fourteen of Regulation (EU) No 1169/2011, Annex II, in a guest's words.
pub fn allergen(allergen: Allergen, tongue: Tongue) -> &'static str {
    let (en, ru) = match allergen {
        Allergen::Gluten => ("gluten", "глютен"),
        Allergen::Crustaceans => ("crustaceans", "ракообразные"),
        Allergen::Egg => ("egg", "яйцо"),
        Allergen::Fish => ("fish", "рыба"),
        Allergen::Peanut => ("peanut", "арахис"),
        Allergen::Soya => ("soya", "соя"),
        Allergen::Milk => ("milk", "молоко"),
        Allergen::Nuts => ("nuts", "орехи"),
        Allergen::Celery => ("celery", "сельдерей"),
        Allergen::Mustard => ("mustard", "горчица"),
        Allergen::Sesame => ("sesame", "кунжут"),
        Allergen::Sulphites => ("sulphites", "сульфиты"),
        Allergen::Lupin => ("lupin", "люпин"),
        Allergen::Molluscs => ("molluscs", "моллюски"),
    };
    match tongue {
        Tongue::En => en,
        Tongue::Ru => ru,
    }
}

/// 'Which size?'.
pub fn which_size(tongue: Tongue) -> &'static str {
    match tongue {
        Tongue::En => "Which size?",
        Tongue::Ru => "Какой размер?",
    }
}

/// 'Total' and 'Order', as the receipt in the code says them.
pub fn receipt_words(tongue: Tongue) -> (&'static str, &'static str) {
    match tongue {
        Tongue::En => ("Order", "Total"),
        Tongue::Ru => ("Заказ", "Итого"),
    }
}

/// '7 %', with the fraction that there is.
pub fn percent(rate_ppm: u32, tongue: Tongue) -> String {
    let (whole, part) = (rate_ppm / 10_000, rate_ppm % 10_000);
    let point = if tongue == Tongue::En { '.' } else { ',' };
    let part = format!("{part:04}");
    let part = part.trim_end_matches('0');
    if part.is_empty() { format!("{whole}{NBSP}%") } else { format!("{whole}{point}{part}{NBSP}%") }
}

fn grouped(whole: &str, separator: char) -> String {
    let mut out = String::with_capacity(whole.len() + whole.len() / 3);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(separator);
        }
        out.push(digit);
    }
    out
}

fn symbol(currency: Currency) -> Option<&'static str> {
    Some(match &currency.code {
        b"EUR" => "€",
        b"USD" => "$",
        b"GBP" => "£",
        b"JPY" => "¥",
        b"RUB" => "₽",
        b"UAH" => "₴",
        b"TRY" => "₺",
        _ => return None,
    })
}

fn weekday(day: usize, tongue: Tongue) -> &'static str {
    let days = match tongue {
        Tongue::En => ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
        Tongue::Ru => ["Понедельник", "Вторник", "Среда", "Четверг", "Пятница", "Суббота", "Воскресенье"],
    };
    days.get(day).copied().unwrap_or_default()
}

/// The month in a date.
fn month_name(month: i64, tongue: Tongue) -> &'static str {
    let months = match tongue {
        Tongue::En => [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ],
        Tongue::Ru => {
            ["января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря"]
        }
    };
    usize::try_from(month - 1).ok().and_then(|at| months.get(at)).copied().unwrap_or_default()
}

/// The form for a count: 1 раз, 2 раза, 5 раз.
fn russian(count: u32, [one, few, many]: [&'static str; 3]) -> &'static str {
    match (count % 10, count % 100) {
        (_, 11..=14) => many,
        (1, _) => one,
        (2..=4, _) => few,
        _ => many,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_date_has_its_month_by_name() {
        assert_eq!(day_clock(LocalTime { day: 20_779, minute: 631 }, Tongue::Ru), "22 ноября 2026, 10:31");
    }

    const YEN: Currency = Currency { code: *b"JPY", exponent: 0 };
    const FRANC: Currency = Currency { code: *b"CHF", exponent: 2 };

    #[test]
    fn money_stands_as_each_language_writes_it() {
        assert_eq!(money(Minor(2180), Currency::EUR, Tongue::En), "€21.80");
        assert_eq!(money(Minor(2180), Currency::EUR, Tongue::Ru), "21,80\u{a0}€");
        assert_eq!(money(Minor(5), Currency::EUR, Tongue::En), "€0.05");
        assert_eq!(money(Minor(-120), Currency::EUR, Tongue::En), "−€1.20");
        assert_eq!(money(Minor(123_456_789), Currency::EUR, Tongue::En), "€1,234,567.89");
        assert_eq!(money(Minor(123_456), Currency::EUR, Tongue::Ru), "1\u{a0}234,56\u{a0}€");
    }

    #[test]
    fn currencies_without_minor_units_or_symbols_are_written_too() {
        assert_eq!(money(Minor(500), YEN, Tongue::En), "¥500");
        assert_eq!(money(Minor(350), FRANC, Tongue::En), "CHF\u{a0}3.50");
        assert_eq!(money(Minor(350), FRANC, Tongue::Ru), "3,50\u{a0}CHF");
    }

    #[test]
    fn a_surcharge_of_nothing_is_not_mentioned() {
        assert_eq!(surcharge(Minor::ZERO, Currency::EUR, Tongue::En), "");
        assert_eq!(surcharge(Minor(120), Currency::EUR, Tongue::En), "+\u{a0}€1.20");
    }

    #[test]
    fn the_day_is_known_from_the_epoch_and_the_offset() {
        // 2026-11-21T09:31:00Z is a Saturday.
        let saturday = LocalTime::at(1_795_253_460_000, 60);
        assert_eq!(weekday_clock(Some(saturday), Tongue::En), "Saturday, 10:31");
        assert_eq!(weekday_clock(Some(saturday), Tongue::Ru), "Суббота, 10:31");
        assert_eq!(LocalTime::at(-60_000, 0), LocalTime { day: -1, minute: 1439 });
        assert_eq!(weekday_clock(None, Tongue::En), "");
    }

    #[test]
    fn how_old_a_balance_is_says_the_day_only_when_it_is_another() {
        let known = LocalTime { day: 20_778, minute: 602 };
        assert_eq!(as_of(known, Some(LocalTime { day: 20_778, minute: 700 }), Tongue::En), "as of 10:02");
        assert_eq!(as_of(known, Some(LocalTime { day: 20_779, minute: 700 }), Tongue::En), "as of Saturday, 10:02");
    }

    #[test]
    fn russian_counts_have_three_forms() {
        let form = |n| visits(n, Tongue::Ru);
        assert!(form(1).ends_with("раз") && form(2).ends_with("раза") && form(5).ends_with("раз"));
        assert!(form(11).ends_with("раз") && form(12).ends_with("раз") && form(23).ends_with("раза"));
        assert_eq!(visits(1, Tongue::En), "1 visit so far");
    }

    #[test]
    fn a_tax_rate_keeps_its_fraction() {
        assert_eq!(tax(70_000, true, Tongue::En), "incl. 7\u{a0}% VAT");
        assert_eq!(tax(55_000, false, Tongue::Ru), "плюс налог 5,5\u{a0}%");
    }

    #[test]
    fn an_unknown_language_is_spoken_to_in_english() {
        assert_eq!(Tongue::of("ru-RU"), Tongue::Ru);
        assert_eq!(Tongue::of("de"), Tongue::En);
        assert_eq!(Tongue::of(""), Tongue::En);
    }
}
