//! What an order costs in instalments, as information: no contract is made on a kiosk, a person is called.
//!
//! An instalment is that of an annuity: `amount * i / (1 - (1 + i)^-n)` with a twelfth of the yearly borrowing rate as `i`,
//! rounded up to the minor unit; the last one takes what is left. The annual percentage rate of charge is the solution of the
//! equation in Annex I of Directive 2008/48/EC, over equal months: what is lent, less the fee that is paid at once, is what
//! all instalments are worth on that day. Everything is whole numbers, rates to the millionth.

use crate::money::{Minor, scale};
use alloc::vec::Vec;

/// One, as factors are kept here.
const ONE: u128 = 1 << 60;
/// The most instalments of a plan.
pub const MONTHS_MAX: u16 = 120;
/// A rate above this is not told apart from it: 1000 %.
const RATE_MAX_PPM: u32 = 10_000_000;

/// What a shop's lender offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instalments {
    /// From which order on.
    pub from: Minor,
    /// How many months each, at most [`MONTHS_MAX`].
    pub months: Vec<u16>,
    /// Yearly borrowing rate, nominal, in millionths.
    pub rate_ppm: u32,
    /// Paid at the beginning.
    pub fee: Minor,
}

/// An offer reckoned for an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// How many instalments.
    pub months: u16,
    /// Each but the last.
    pub instalment: Minor,
    /// The last.
    pub last: Minor,
    /// Everything that is paid, the fee included.
    pub total: Minor,
    /// Annual percentage rate of charge, in millionths.
    pub apr_ppm: u32,
}

impl Instalments {
    /// The offers for an order over `amount`; none where it is too small for them.
    pub fn quotes(&self, amount: Minor) -> Vec<Quote> {
        if amount < self.from || amount <= self.fee || amount <= Minor::ZERO {
            return Vec::new();
        }
        self.months.iter().filter_map(|months| self.quote(amount, *months)).collect()
    }

    fn quote(&self, amount: Minor, months: u16) -> Option<Quote> {
        let plan = annuity(amount, self.rate_ppm, months)?;
        let paid: Minor = plan.iter().copied().sum();
        let flows: Vec<(u16, Minor)> = (1..).zip(plan.iter().copied()).collect();
        Some(Quote {
            months,
            instalment: *plan.first()?,
            last: *plan.last()?,
            total: paid + self.fee,
            apr_ppm: apr_ppm(amount - self.fee, &flows)?,
        })
    }
}

/// The instalments of a loan at a nominal yearly rate; `None` for no months, too many, or no amount.
pub fn annuity(amount: Minor, rate_ppm: u32, months: u16) -> Option<Vec<Minor>> {
    if months == 0 || months > MONTHS_MAX || amount <= Minor::ZERO {
        return None;
    }
    let size = u128::try_from(amount.0).ok()?;
    // What one unit a month is worth now.
    let factor = ONE * 12_000_000 / (12_000_000 + u128::from(rate_ppm));
    let (mut worth, mut power) = (0, ONE);
    for _ in 0..months {
        power = power * factor / ONE;
        worth += power;
    }
    let each = Minor(i64::try_from((size * ONE).div_ceil(worth)).ok()?);
    let mut left = amount;
    let mut plan = Vec::new();
    for month in 1..=months {
        left += scale(left, u64::from(rate_ppm), 12_000_000);
        let paid = if month == months { left } else { each.min(left) };
        left -= paid;
        plan.push(paid);
    }
    Some(plan)
}

/// The annual percentage rate of charge of `lent`, paid back by `flows` (months from now, how much), in millionths. `None`
/// where nothing is lent, or less is paid back than was lent.
pub fn apr_ppm(lent: Minor, flows: &[(u16, Minor)]) -> Option<u32> {
    let size = u128::try_from(lent.0).ok().filter(|size| *size > 0)?;
    let paid: Minor = flows.iter().map(|(_, amount)| *amount).sum();
    if paid < lent || flows.iter().any(|(months, amount)| *months > MONTHS_MAX || amount.is_negative()) {
        return None;
    }
    let worth = |factor: u128| -> u128 {
        flows.iter().map(|(months, amount)| u128::try_from(amount.0).unwrap_or(0) * power(factor, *months)).sum()
    };
    // What a unit a month later is worth now lies between these; what is paid back is worth more the nearer it is to one.
    let (mut low, mut high) = (ONE / 2, ONE);
    while high - low > 1 {
        let middle = low.midpoint(high);
        if worth(middle) < size * ONE { low = middle } else { high = middle }
    }
    // A year, step by step, so that no product leaves its bounds.
    let year = (0..12).fold(ONE, |year, _| year * ONE / high);
    let ppm = ((year - ONE) * 1_000_000 + ONE / 2) / ONE;
    Some(u32::try_from(ppm).unwrap_or(RATE_MAX_PPM).min(RATE_MAX_PPM))
}

fn power(factor: u128, times: u16) -> u128 {
    (0..times).fold(ONE, |power, _| power * factor / ONE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn monthly(amount: i64, months: u16) -> Vec<(u16, Minor)> {
        (1..=months).map(|month| (month, Minor(amount))).collect()
    }

    fn percent(ppm: u32, digits: u32) -> u32 {
        let step = 10_u32.pow(4 - digits);
        (ppm + step / 2) / step
    }

    /// Directive 98/7/EC, Annex III: 1,000 lent, 1,200 paid back after a year and a half are 12.92 %; with 50 kept for costs
    /// 16.85 %; paid back by 600 after one year and 600 after two, 13.07 %.
    #[test]
    fn the_annual_rate_is_that_of_the_directives_examples() {
        let after = [(18, Minor(120_000))];
        assert_eq!(percent(apr_ppm(Minor(100_000), &after).unwrap(), 2), 1_292);
        assert_eq!(percent(apr_ppm(Minor(95_000), &after).unwrap(), 2), 1_685);
        let twice = [(12, Minor(60_000)), (24, Minor(60_000))];
        assert_eq!(percent(apr_ppm(Minor(100_000), &twice).unwrap(), 2), 1_307);
    }

    /// British lenders' representative examples, https://www.moneysavingexpert.com/loans/personal-loans-apr-examples/: amount,
    /// 36 monthly payments, APR to one decimal.
    #[test]
    fn the_annual_rate_is_that_of_lenders_representative_examples() {
        for (amount, payment, rate) in [
            (200_000, 6_687, 132),
            (370_000, 11_579, 82),
            (600_000, 17_541, 34),
            (370_000, 11_341, 67),
            (1_600_000, 46_501, 30),
            (1_600_000, 46_570, 31),
        ] {
            let apr = apr_ppm(Minor(amount), &monthly(payment, 36)).unwrap();
            assert_eq!(percent(apr, 1), rate, "{amount}");
        }
    }

    /// Regulation Z (12 CFR 1026), Appendix J, example (c)(1)(i): 5,000 by 24 monthly payments of 230 is a nominal 9.69 %,
    /// which compounds to 10.13 % a year; and an annuity over that rate is that payment.
    #[test]
    fn the_annuity_is_that_of_regulation_z() {
        let apr = apr_ppm(Minor(500_000), &monthly(23_000, 24)).unwrap();
        assert_eq!(percent(apr, 2), 1_013);
        let plan = annuity(Minor(500_000), 96_900, 24).unwrap();
        assert!((plan[0].0 - 23_000).abs() <= 1, "{plan:?}");
    }

    #[test]
    fn offers_begin_at_their_amount_and_say_everything_that_is_paid() {
        let offer = Instalments { from: Minor(30_000), months: vec![6, 12], rate_ppm: 99_000, fee: Minor(500) };
        assert!(offer.quotes(Minor(29_999)).is_empty());
        let [half, year] = offer.quotes(Minor(60_000))[..] else { panic!("two offers") };
        assert_eq!(year.total, year.instalment.times(11) + year.last + Minor(500));
        assert!(half.total < year.total && year.apr_ppm > 99_000 && half.apr_ppm > year.apr_ppm, "the fee weighs more");
        let free = Instalments { rate_ppm: 0, fee: Minor::ZERO, ..offer };
        let [_, year] = free.quotes(Minor(60_001))[..] else { panic!("two offers") };
        assert_eq!((year.instalment, year.last, year.total, year.apr_ppm), (Minor(5_001), Minor(4_990), Minor(60_001), 0));
    }

    proptest! {
        #[test]
        fn a_plan_pays_the_loan_and_its_interest_and_nothing_panics(
            amount in 1i64..100_000_000, rate in 0u32..2_000_000, months in 1u16..=120, fee in 0i64..1_000,
        ) {
            let plan = annuity(Minor(amount), rate, months).unwrap();
            let paid: Minor = plan.iter().copied().sum();
            prop_assert!(paid >= Minor(amount) && plan.len() == usize::from(months));
            prop_assert!(plan.iter().all(|part| *part >= Minor::ZERO));
            // The interest of each month is rounded, which the last instalment makes up for.
            let growth = if rate <= 300_000 { 25 } else { i64::MAX };
            prop_assert!(plan[plan.len() - 1].0 - plan[0].0 <= growth.saturating_mul(i64::from(months)));
            let offer = Instalments { from: Minor::ZERO, months: vec![months], rate_ppm: rate, fee: Minor(fee) };
            for quote in offer.quotes(Minor(amount)) {
                // No less than the borrowing rate compounded, but for the cents of small loans.
                prop_assert!(amount < 1_000_000 || u64::from(quote.apr_ppm) + 100 >= u64::from(rate).min(9_000_000));
            }
        }
    }
}
