//! What can be paid in coins. Only the part of an order that is paid in cash is rounded, after tax and tip; the difference
//! is a line of its own in order, till and receipt, and changes no tax.

use crate::money::{Currency, Minor};

/// The smallest amount that is paid in coins, in minor units, where it is more than one of them. What shops of a country
/// agree on beyond that (five cents of a euro in Finland, Ireland, the Netherlands) is a setting of the shop.
const UNITS: [([u8; 3], i64); 18] = [
    // Reserve Bank of Australia, 1992.
    (*b"AUD", 5),
    // Central Bank of Barbados, 2014.
    (*b"BBD", 5),
    // Central Bank of The Bahamas, 2020.
    (*b"BSD", 5),
    // Department of Finance Canada, Economic Action Plan 2012: the nearest five cents.
    (*b"CAD", 5),
    // Ordinance on Coinage (SR 941.101): five Rappen.
    (*b"CHF", 5),
    // Act 254/2004: to the nearest koruna.
    (*b"CZK", 100),
    // Danmarks Nationalbank: 50 øre.
    (*b"DKK", 50),
    // Hong Kong Monetary Authority: ten cents.
    (*b"HKD", 10),
    // Act III of 2008: to the nearest five forint.
    (*b"HUF", 500),
    // Bank of Israel: ten agorot.
    (*b"ILS", 10),
    // Bank Negara Malaysia, 2008: five sen.
    (*b"MYR", 5),
    // Norges Bank: whole kroner since 2012.
    (*b"NOK", 100),
    // Reserve Bank of New Zealand, 2006: ten cents.
    (*b"NZD", 10),
    // Riksbank, Act 1970:1029: whole kronor since 2010.
    (*b"SEK", 100),
    // Monetary Authority of Singapore: five cents.
    (*b"SGD", 5),
    // Bank of Thailand: 25 satang.
    (*b"THB", 25),
    // Central Bank of Trinidad and Tobago, 2018: five cents.
    (*b"TTD", 5),
    // South African Reserve Bank: ten cents since 2002.
    (*b"ZAR", 10),
];

/// The smallest amount of `currency` that is paid in coins.
pub fn unit_of(currency: Currency) -> Minor {
    let known = UNITS.iter().find(|(code, _)| *code == currency.code);
    Minor(known.map_or(1, |(_, unit)| *unit))
}

/// The multiple of `unit` nearest to `amount`; one in the middle goes away from zero, as half a krona does. `amount` itself
/// where `unit` is 1 or less.
pub fn rounded(amount: Minor, unit: Minor) -> Minor {
    if unit <= Minor(1) {
        return amount;
    }
    let rest = amount.0 % unit.0;
    let up = if rest.abs() * 2 >= unit.0 { unit.0 * rest.signum() } else { 0 };
    Minor((amount.0 - rest).saturating_add(up))
}

/// The greatest multiple of `unit` that is no more than `amount`, which is not negative.
pub(crate) fn floor(amount: Minor, unit: Minor) -> Minor {
    if unit <= Minor(1) { amount } else { Minor(amount.0 - amount.0 % unit.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(letters: &str) -> Minor {
        Currency::new(letters, 2).map(unit_of).unwrap_or_default()
    }

    #[test]
    fn amounts_end_where_the_canadian_budget_of_2012_says() {
        // https://www.budget.canada.ca/2012/themes/rounding-arrondissement-eng.html
        let cents = [(461, 460), (462, 460), (463, 465), (464, 465), (466, 465), (467, 465), (468, 470), (469, 470), (465, 465)];
        for (exact, paid) in cents {
            assert_eq!(rounded(Minor(exact), of("CAD")), Minor(paid));
        }
        // https://www.opc.gouv.qc.ca/en/consumer/topic/price-discount/store/other-subject/phasing-out-penny/
        assert_eq!(rounded(Minor(598), of("CAD")), Minor(600));
        assert_eq!(rounded(Minor(597), of("CAD")), Minor(595));
    }

    #[test]
    fn francs_end_in_five_rappen_as_swiss_shops_have_published() {
        // A shop's rule as told to the makers of its software: https://github.com/craftcms/commerce/discussions/3216
        let rappen =
            [(999, 1000), (998, 1000), (997, 995), (996, 995), (995, 995), (994, 995), (993, 995), (992, 990), (991, 990)];
        for (exact, paid) in rappen {
            assert_eq!(rounded(Minor(exact), of("CHF")), Minor(paid));
        }
        // What remains over and under, by the last digit: https://github.com/ultrasonicsoft/ngx-swiss-five-rappen-chf-pipe
        for (digit, over) in [(1, -1), (2, -2), (3, 2), (4, 1), (6, -1), (7, -2), (8, 2), (9, 1)] {
            assert_eq!(rounded(Minor(100 + digit), of("CHF")) - Minor(100 + digit), Minor(over));
        }
        // Change to the nearest 0.05, table A-1 of Oracle Retail POS Suite Implementation Guide, volume 1, release 14.1.
        for (due, given) in [(1, 0), (2, 0), (3, 5), (4, 5), (5, 5), (6, 5), (7, 5), (8, 10), (9, 10)] {
            assert_eq!(rounded(Minor(due), of("CHF")), Minor(given));
        }
    }

    #[test]
    fn each_currency_has_its_own_coins() {
        assert_eq!(rounded(Minor(1_249), of("SEK")), Minor(1_200));
        assert_eq!(rounded(Minor(1_250), of("SEK")), Minor(1_300), "half a krona goes up");
        assert_eq!(rounded(Minor(1_274), of("DKK")), Minor(1_250));
        assert_eq!(rounded(Minor(1_275), of("DKK")), Minor(1_300));
        assert_eq!(rounded(Minor(1_243), of("CHF")), Minor(1_245));
        assert_eq!(rounded(Minor(1_243), of("EUR")), Minor(1_243));
        assert_eq!(rounded(Minor(-1_243), of("CHF")), Minor(-1_245));
        assert_eq!(floor(Minor(1_244), of("CHF")), Minor(1_240));
    }

    proptest! {
        #[test]
        fn rounding_is_within_half_a_coin_and_gives_coins(amount in any::<i64>(), unit in 0i64..1_000) {
            let amount = Minor(amount / 2);
            let paid = rounded(amount, Minor(unit));
            prop_assert!((paid - amount).0.abs() * 2 <= unit.max(0));
            prop_assert!(unit <= 1 || paid.0 % unit == 0);
        }
    }
}
