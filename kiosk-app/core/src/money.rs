//! Money in integer minor units. A shop sells in one currency, so amounts inside the core are bare [`Minor`]; the
//! currency travels with the catalogue.

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

    /// True below zero.
    pub fn is_negative(self) -> bool {
        self.0 < 0
    }
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

    /// The three letters.
    pub fn letters(&self) -> &str {
        core::str::from_utf8(&self.code).unwrap_or("XXX")
    }
}
