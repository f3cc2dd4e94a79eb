//! Money in integer minor units. A shop sells in one currency, so amounts inside the core are bare [`Minor`]; the
//! currency travels with the catalogue.
//!
//! Rounding happens in two places only: tax, half away from zero at the minor unit ([`crate::price`]), and what is paid in
//! coins ([`crate::cash`]). Everything else is exact: prices are whole minor units, quantities are whole numbers, and what
//! must be split (a combo's price over its parts) is split by largest remainder, so that the shares sum up exactly.

use alloc::vec::Vec;
use core::ops::{Add, AddAssign, Neg, Sub, SubAssign};

/// An amount in minor units (cents for EUR, yen for JPY). Arithmetic panics never: use the `checked_*` forms on input
/// from outside; the operators saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minor(pub i64);

impl Minor {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Sum, `None` on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// Product with a count, `None` on overflow.
    pub fn checked_mul(self, count: i64) -> Option<Self> {
        self.0.checked_mul(count).map(Self)
    }

    /// Product with a count; saturates.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(i64::from(count)))
    }

    /// True below zero.
    pub fn is_negative(self) -> bool {
        self.0 < 0
    }
}

/// `part * numerator / denominator`, rounded half away from zero, exact in between. 0 where `denominator` is 0; saturates.
pub(crate) fn scale(part: Minor, numerator: u64, denominator: u64) -> Minor {
    let product = i128::from(part.0) * i128::from(numerator);
    let denominator = i128::from(denominator);
    if denominator == 0 {
        return Minor::ZERO;
    }
    let (whole, rest) = (product.abs() / denominator, product.abs() % denominator);
    let rounded = (whole + i128::from(rest >= denominator - rest)) * product.signum();
    Minor(i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX }))
}

/// Splits `whole` in proportion to `weights` by largest remainder: the shares sum up to `whole` to the last unit. Ties go
/// to the earlier share; weights below zero count as zero; where all are zero, the shares are equal. Empty for no weights.
pub fn allocate(whole: Minor, weights: &[Minor]) -> Vec<Minor> {
    let mut weights: Vec<i128> = weights.iter().map(|w| i128::from(w.0.max(0))).collect();
    if weights.iter().all(|w| *w == 0) {
        weights.fill(1);
    }
    let sum: i128 = weights.iter().sum();
    let size = i128::from(whole.0.unsigned_abs());
    let mut shares: Vec<i128> = weights.iter().map(|w| size * w / sum).collect();
    let mut left = size - shares.iter().sum::<i128>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    // A stable sort, so that the earlier of two equal remainders is served first.
    order.sort_by_key(|i| core::cmp::Reverse(size * weights[*i] % sum));
    for i in order {
        if left == 0 {
            break;
        }
        shares[i] += 1;
        left -= 1;
    }
    let sign = i128::from(whole.0.signum());
    shares.into_iter().map(|share| Minor(i64::try_from(share * sign).unwrap_or(i64::MIN))).collect()
}

impl Add for Minor {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}
impl Sub for Minor {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}
impl Neg for Minor {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}
impl AddAssign for Minor {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
impl SubAssign for Minor {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}
impl core::iter::Sum for Minor {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

/// An ISO 4217 currency: its letters and how many digits its minor unit has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency {
    /// Three upper-case letters.
    pub code: [u8; 3],
    /// Digits after the decimal point: 2 for EUR, 0 for JPY, 3 for KWD.
    pub exponent: u8,
}

impl Currency {
    /// Euro.
    pub const EUR: Self = Self { code: *b"EUR", exponent: 2 };
    /// United States dollar.
    pub const USD: Self = Self { code: *b"USD", exponent: 2 };

    /// From three upper-case letters and the digits of the minor unit (at most 4); `None` for anything else.
    pub fn new(letters: &str, exponent: u8) -> Option<Self> {
        let code: [u8; 3] = letters.as_bytes().try_into().ok()?;
        (code.iter().all(u8::is_ascii_uppercase) && exponent <= 4).then_some(Self { code, exponent })
    }

    /// The three letters.
    pub fn letters(&self) -> &str {
        core::str::from_utf8(&self.code).unwrap_or("XXX")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn half_a_cent_is_rounded_away_from_zero() {
        assert_eq!(scale(Minor(1), 1, 2), Minor(1));
        assert_eq!(scale(Minor(3), 1, 2), Minor(2));
        assert_eq!(scale(Minor(-1), 1, 2), Minor(-1));
        assert_eq!(scale(Minor(10), 1, 3), Minor(3));
        assert_eq!(scale(Minor(-10), 2, 3), Minor(-7));
        assert_eq!(scale(Minor(10), 1, 0), Minor(0));
        assert_eq!(scale(Minor(i64::MAX), 3, 1), Minor(i64::MAX));
        assert_eq!(scale(Minor(i64::MIN), 3, 1), Minor(i64::MIN));
    }

    #[test]
    fn the_largest_remainder_is_served_first_and_ties_go_to_the_earlier() {
        assert_eq!(allocate(Minor(100), &[Minor(1), Minor(1), Minor(1)]), [Minor(34), Minor(33), Minor(33)]);
        assert_eq!(allocate(Minor(890), &[Minor(690), Minor(290), Minor(270)]), [Minor(491), Minor(207), Minor(192)]);
        assert_eq!(allocate(Minor(5), &[Minor(0), Minor(0)]), [Minor(3), Minor(2)]);
        assert_eq!(allocate(Minor(-5), &[Minor(1), Minor(1)]), [Minor(-3), Minor(-2)]);
        assert!(allocate(Minor(5), &[]).is_empty());
    }

    #[test]
    fn a_currency_is_three_capitals_and_at_most_four_digits() {
        assert_eq!(Currency::new("EUR", 2), Some(Currency::EUR));
        for (letters, exponent) in [("eur", 2), ("EURO", 2), ("E1R", 2), ("EUR", 5), ("", 2)] {
            assert_eq!(Currency::new(letters, exponent), None);
        }
    }

    proptest! {
        #[test]
        fn shares_sum_up_to_the_whole_and_are_within_one_of_exact(
            whole in any::<i64>(), weights in prop::collection::vec(any::<i64>().prop_map(Minor), 1..9),
        ) {
            let shares = allocate(Minor(whole), &weights);
            let sum: i128 = shares.iter().map(|s| i128::from(s.0)).sum();
            prop_assert_eq!(sum, i128::from(whole));
            let mut clean: Vec<i128> = weights.iter().map(|w| i128::from(w.0.max(0))).collect();
            if clean.iter().all(|w| *w == 0) {
                clean = vec![1; clean.len()];
            }
            let total: i128 = clean.iter().sum();
            for (share, weight) in shares.iter().zip(clean) {
                let off = (i128::from(share.0) * total - i128::from(whole) * weight).abs();
                prop_assert!(off < total);
            }
        }

        #[test]
        fn scaling_is_within_half_a_unit(part in -1_000_000_000i64..1_000_000_000, rate in 0u64..2_000_000) {
            let tax = scale(Minor(part), rate, 1_000_000);
            let off = (i128::from(tax.0) * 1_000_000 - i128::from(part) * i128::from(rate)).abs();
            prop_assert!(off * 2 <= 1_000_000);
        }

        #[test]
        fn no_arithmetic_panics(a in any::<i64>(), b in any::<i64>(), n in any::<u32>()) {
            let (x, y) = (Minor(a), Minor(b));
            let _ = (x + y, x - y, -x, x.times(n), scale(x, u64::MAX, 1), scale(x, 1, u64::MAX));
        }
    }
}
