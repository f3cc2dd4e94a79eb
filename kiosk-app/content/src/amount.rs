//! Amounts as people write them, read exactly: decimal text in, minor units out, never through a float.

use kiosk_core::{Minor, money::Currency};

/// Active codes of ISO 4217 with other than two digits after the point, then those with two.
const NO_DIGITS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
const THREE_DIGITS: &str = "BHD IQD JOD KWD LYD OMR TND";
const TWO_DIGITS: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF \
     CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR \
     JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK \
     NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT \
     TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD XCG YER ZAR ZMW ZWG";

/// The currency of three upper-case letters, `None` where ISO 4217 knows none.
pub(crate) fn currency(letters: &str) -> Option<Currency> {
    let code: [u8; 3] = letters.as_bytes().try_into().ok()?;
    let lists = [(NO_DIGITS, 0), (TWO_DIGITS, 2), (THREE_DIGITS, 3)];
    lists
        .iter()
        .find(|(list, _)| list.split_ascii_whitespace().any(|c| c == letters))
        .map(|(_, exponent)| Currency { code, exponent: *exponent })
}

/// All codes, for 'did you mean'.
pub(crate) fn currencies() -> impl Iterator<Item = &'static str> {
    [TWO_DIGITS, NO_DIGITS, THREE_DIGITS].into_iter().flat_map(str::split_ascii_whitespace)
}

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAmount {
    /// Not digits with at most one point.
    Form,
    /// A comma where the point belongs.
    Comma,
    /// Below zero.
    Negative,
    /// More digits after the point than the currency has.
    Digits,
    /// Above the bound.
    Large,
}

/// '3.40' in minor units of the currency: digits, at most one point, at most as many digits after it as the currency has.
pub(crate) fn amount(text: &str, currency: Currency, greatest: i64) -> Result<Minor, NoAmount> {
    if text.starts_with('-') {
        return Err(NoAmount::Negative);
    }
    if text.contains(',') {
        return Err(NoAmount::Comma);
    }
    let (whole, part) = match text.split_once('.') {
        Some((_, "")) => return Err(NoAmount::Form),
        Some((whole, part)) => (whole, part),
        None => (text, ""),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) {
        return Err(NoAmount::Form);
    }
    let exponent = usize::from(currency.exponent);
    if part.len() > exponent {
        return Err(NoAmount::Digits);
    }
    let mut minor = 0i64;
    for digit in whole.bytes().chain(part.bytes()).chain(std::iter::repeat_n(b'0', exponent - part.len())) {
        let next = minor.checked_mul(10).and_then(|m| m.checked_add(i64::from(digit - b'0')));
        minor = next.filter(|m| *m <= greatest).ok_or(NoAmount::Large)?;
    }
    Ok(Minor(minor))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const MOST: i64 = 100_000_000;

    #[test]
    fn amounts_are_read_by_the_digits_of_their_currency() {
        let yen = currency("JPY").unwrap();
        let dinar = currency("KWD").unwrap();
        assert_eq!(amount("3.40", Currency::EUR, MOST), Ok(Minor(340)));
        assert_eq!(amount("3.4", Currency::EUR, MOST), Ok(Minor(340)));
        assert_eq!(amount("3", Currency::EUR, MOST), Ok(Minor(300)));
        assert_eq!(amount("0.00", Currency::EUR, MOST), Ok(Minor(0)));
        assert_eq!(amount("340", yen, MOST), Ok(Minor(340)));
        assert_eq!(amount("1.234", dinar, MOST), Ok(Minor(1_234)));
    }

    #[test]
    fn what_is_no_amount_says_why() {
        for (text, why) in [
            ("", NoAmount::Form),
            (".50", NoAmount::Form),
            ("3.", NoAmount::Form),
            ("3.4.0", NoAmount::Form),
            ("+3", NoAmount::Form),
            ("3 ", NoAmount::Form),
            ("٣", NoAmount::Form),
            ("€3", NoAmount::Form),
            ("3,40", NoAmount::Comma),
            ("-3.40", NoAmount::Negative),
            ("3.405", NoAmount::Digits),
            ("99999999999999999999999", NoAmount::Large),
            ("1000000.01", NoAmount::Large),
        ] {
            assert_eq!(amount(text, Currency::EUR, MOST), Err(why), "{text:?}");
        }
        assert_eq!(amount("3.4", currency("JPY").unwrap(), MOST), Err(NoAmount::Digits));
    }

    #[test]
    fn every_listed_currency_is_found_once() {
        let mut codes: Vec<_> = currencies().collect();
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count);
        assert!(codes.iter().all(|c| currency(c).is_some()));
        assert_eq!(currency("EUR"), Some(Currency::EUR));
        assert_eq!(currency("eur"), None);
        assert_eq!(currency("XXX"), None);
    }

    proptest! {
        #[test]
        fn an_amount_written_out_is_read_back(minor in 0..=MOST) {
            let text = format!("{}.{:02}", minor / 100, minor % 100);
            prop_assert_eq!(amount(&text, Currency::EUR, MOST), Ok(Minor(minor)));
        }

        #[test]
        fn any_text_is_an_answer(text in ".{0,40}") {
            let _ = amount(&text, Currency::EUR, MOST);
        }
    }
}
