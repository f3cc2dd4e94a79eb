//! Where the glass feels a finger, and where the picture meant it: marks are touched one after the other, and what makes both
//! fit is worked out, tried, proven with one more mark, and only then kept.

use super::{Desk, DeskPage};
use crate::{
    effect::{Effect, GlassOrder},
    session::turn::Turn,
};

/// A side of the screen.
pub const SIDE: i32 = 10_000;
/// Without a touch for this long, everything stays as it was: nobody must be locked out by a glass that feels wrong.
pub const GLASS_IDLE_MS: u64 = 30_000;
/// How far beside a mark a finger may be, once all is corrected.
const BESIDE: i32 = 500;
/// The most that one touch may miss what fits all of them.
const MISSES: f64 = 0.03;
/// What felt marks span at least, of what they should: below it somebody has touched one place again and again.
const SPANS: f64 = 0.05;
/// A correction in parts of this.
const MILLION: f64 = 1_000_000.0;
/// No glass is off by more.
const MOST: f64 = 8.0;

/// A place on the screen, from its upper left corner, in parts of [`SIDE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// Of the width.
    pub x: i32,
    /// Of the height.
    pub y: i32,
}

const fn at(x: i32, y: i32) -> Spot {
    Spot { x, y }
}

/// The marks that are touched, in this order.
pub const MARKS: [Spot; 5] = [at(1_200, 1_000), at(8_800, 1_000), at(8_800, 9_000), at(1_200, 9_000), at(5_000, 5_000)];
/// The mark that proves it.
pub const PROOF: Spot = at(3_000, 6_600);

/// An affine map of the screen onto itself, both sides being 1: `x' = a x + b y + c`, `y' = d x + e y + f`, as
/// `[a, b, c, d, e, f]` in millionths. The same six that libinput takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction(pub [i32; 6]);

impl Default for Correction {
    fn default() -> Self {
        Self([1_000_000, 0, 0, 0, 1_000_000, 0])
    }
}

impl Correction {
    fn parts(self) -> [f64; 6] {
        self.0.map(|part| f64::from(part) / MILLION)
    }

    fn of_parts(parts: [f64; 6]) -> Option<Self> {
        let fits = parts.iter().all(|part| (-MOST..=MOST).contains(part));
        let rounded = |part: f64| {
            let nearest = part * MILLION + if part < 0.0 { -0.5 } else { 0.5 };
            // Within 8 million, so nothing is cut off but the fraction.
            #[allow(clippy::cast_possible_truncation)]
            let whole = nearest as i32;
            whole
        };
        fits.then(|| Self(parts.map(rounded)))
    }

    /// Where a touch is meant.
    #[must_use]
    pub fn of(self, (x, y): (f64, f64)) -> (f64, f64) {
        let [a, b, c, d, e, f] = self.parts();
        (a * x + b * y + c, d * x + e * y + f)
    }

    /// This correction of what `first` has corrected; `None` where both together are none.
    #[must_use]
    pub fn after(self, first: Self) -> Option<Self> {
        Self::of_parts(one_after(self.parts(), first.parts()))
    }

    /// This correction of what a matrix of libinput has made of a touch: one matrix for both.
    #[must_use]
    pub fn after_matrix(self, first: [f32; 6]) -> [f32; 6] {
        let both = one_after(self.parts(), first.map(f64::from));
        // Six digits are more than any glass has.
        #[allow(clippy::cast_possible_truncation)]
        both.map(|part| part as f32)
    }

    /// What leads these touches to [`MARKS`], with the least squares of what is left; `None` where no affine map does.
    #[must_use]
    pub fn fit(felt: &[Spot; 5]) -> Option<Self> {
        let felt = felt.map(share);
        let meant = MARKS.map(share);
        let mut sums = [0.0; 5];
        for (x, y) in felt {
            for (sum, part) in sums.iter_mut().zip([x * x, x * y, x, y * y, y]) {
                *sum += part;
            }
        }
        let [xx, xy, x, yy, y] = sums;
        let n = f64::from(u8::try_from(felt.len()).unwrap_or(u8::MAX));
        let normal = [[xx, xy, x], [xy, yy, y], [x, y, n]];
        let line = |coordinate: fn((f64, f64)) -> f64| {
            let mut right = [0.0; 3];
            for (&(x, y), &mark) in felt.iter().zip(&meant) {
                let to = coordinate(mark);
                for (sum, part) in right.iter_mut().zip([x * to, y * to, to]) {
                    *sum += part;
                }
            }
            solve(normal, right)
        };
        let ([a, b, c], [d, e, f]) = (line(|mark| mark.0)?, line(|mark| mark.1)?);
        let correction = Self::of_parts([a, b, c, d, e, f])?;
        let near = |(felt, mark): (&(f64, f64), &(f64, f64))| {
            let (x, y) = correction.of(*felt);
            (x - mark.0).abs() <= MISSES && (y - mark.1).abs() <= MISSES
        };
        felt.iter().zip(&meant).all(near).then_some(correction)
    }
}

fn one_after([a, b, c, d, e, f]: [f64; 6], [g, h, i, j, k, l]: [f64; 6]) -> [f64; 6] {
    [a * g + b * j, a * h + b * k, a * i + b * l + c, d * g + e * j, d * h + e * k, d * i + e * l + f]
}

fn share(spot: Spot) -> (f64, f64) {
    (f64::from(spot.x) / f64::from(SIDE), f64::from(spot.y) / f64::from(SIDE))
}

fn determinant([[a, b, c], [d, e, f], [g, h, i]]: [[f64; 3]; 3]) -> f64 {
    a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
}

/// Three equations by Cramer's rule; `None` where they hardly differ.
fn solve(normal: [[f64; 3]; 3], right: [f64; 3]) -> Option<[f64; 3]> {
    let whole = determinant(normal);
    if whole < SPANS * SPANS {
        return None;
    }
    let mut found = [0.0; 3];
    for (column, value) in found.iter_mut().enumerate() {
        let mut replaced = normal;
        for (row, part) in replaced.iter_mut().zip(right) {
            row[column] = part;
        }
        *value = determinant(replaced) / whole;
    }
    Some(found)
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aiming {
    /// The marks are touched.
    #[default]
    Marks,
    /// What was worked out holds for now; one more mark proves it.
    Proof,
    /// It is kept.
    Kept,
    /// The touches fit nothing: everything stays as it was.
    Unfit,
    /// The last mark was missed: everything is as it was.
    Missed,
    /// Nothing is corrected any more.
    Forgotten,
}

/// Touches so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlassView {
    /// How far it is.
    pub aiming: Aiming,
    /// Where the marks were felt, those of them that were touched.
    pub felt: [Spot; 5],
    /// How many were touched.
    pub count: u8,
}

impl GlassView {
    /// The mark to be touched; `None` where none is.
    pub fn mark(&self) -> Option<Spot> {
        match self.aiming {
            Aiming::Marks => MARKS.get(usize::from(self.count)).copied(),
            Aiming::Proof => Some(PROOF),
            _ => None,
        }
    }

    /// Which one that is, from 1.
    pub fn number(&self) -> u8 {
        self.count + 1
    }
}

impl Desk {
    /// Whether the glass is being measured now.
    pub(super) fn is_aiming(&self) -> bool {
        self.page == DeskPage::Glass && self.service.glass.mark().is_some()
    }

    /// A touch on the page of marks.
    pub(super) fn aim(&mut self, turn: &mut Turn<'_>, spot: Spot) {
        if !self.is_aiming() {
            return;
        }
        let glass = &mut self.service.glass;
        if glass.aiming == Aiming::Proof {
            let near = (spot.x - PROOF.x).abs() <= BESIDE && (spot.y - PROOF.y).abs() <= BESIDE;
            glass.aiming = if near { Aiming::Kept } else { Aiming::Missed };
            turn.effect(Effect::Glass(if near { GlassOrder::Keep } else { GlassOrder::Back }));
            return;
        }
        if let Some(felt) = glass.felt.get_mut(usize::from(glass.count)) {
            *felt = spot;
            glass.count += 1;
        }
        if usize::from(glass.count) < MARKS.len() {
            return;
        }
        match Correction::fit(&glass.felt) {
            Some(correction) => {
                glass.aiming = Aiming::Proof;
                turn.effect(Effect::Glass(GlassOrder::Try(correction)));
            }
            None => glass.aiming = Aiming::Unfit,
        }
    }

    /// The marks from the first.
    pub(super) fn aim_again(&mut self, turn: &mut Turn<'_>) {
        self.give_up_aiming(turn);
        self.service.glass = GlassView::default();
        self.page = DeskPage::Glass;
    }

    /// Touches are taken as the glass gives them.
    pub(super) fn forget_glass(&mut self, turn: &mut Turn<'_>) {
        self.service.glass = GlassView { aiming: Aiming::Forgotten, ..GlassView::default() };
        turn.effect(Effect::Glass(GlassOrder::Forget));
    }

    /// What is tried and not proven goes.
    pub(super) fn give_up_aiming(&mut self, turn: &mut Turn<'_>) {
        if self.page == DeskPage::Glass && self.service.glass.aiming == Aiming::Proof {
            turn.effect(Effect::Glass(GlassOrder::Back));
        }
        self.service.glass = GlassView::default();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
    use super::*;

    /// What a glass feels that is off in this way.
    fn felt(glass: impl Fn((f64, f64)) -> (f64, f64)) -> [Spot; 5] {
        MARKS.map(|mark| {
            let (x, y) = glass(share(mark));
            at((x * f64::from(SIDE)) as i32, (y * f64::from(SIDE)) as i32)
        })
    }

    fn leads_back(glass: impl Fn((f64, f64)) -> (f64, f64) + Copy) {
        let correction = Correction::fit(&felt(glass)).unwrap();
        for place in [(0.0, 0.0), (1.0, 1.0), (0.3, 0.66), (0.9, 0.1)] {
            let (x, y) = correction.of(glass(place));
            assert!((x - place.0).abs() < 0.002 && (y - place.1).abs() < 0.002, "{place:?} became {x}, {y}");
        }
    }

    #[test]
    fn touches_beside_the_marks_are_led_to_them() {
        leads_back(|(x, y)| (x, y));
        leads_back(|(x, y)| (x * 0.9 + 0.03, y * 1.04 - 0.02));
        leads_back(|(x, y)| (x + 0.05 * y, y - 0.04 * x));
        // Mounted the other way round, turned, mirrored.
        leads_back(|(x, y)| (1.0 - x, 1.0 - y));
        leads_back(|(x, y)| (1.0 - y, x));
        leads_back(|(x, y)| (x, 1.0 - y));
    }

    #[test]
    fn a_finger_that_trembles_is_forgiven_and_one_that_missed_a_mark_is_not() {
        let mut touches = felt(|(x, y)| (x + 0.02, y));
        touches[2].x += 80;
        touches[4].y -= 80;
        assert!(Correction::fit(&touches).is_some());
        touches[4].y -= 2_000;
        assert_eq!(Correction::fit(&touches), None);
        assert_eq!(Correction::fit(&[at(5_000, 5_000); 5]), None, "one place is no glass");
        assert_eq!(Correction::fit(&felt(|(x, _)| (x, 0.5))), None, "nor is a line");
    }

    #[test]
    fn a_correction_of_what_is_corrected_already_is_one_correction() {
        let first = Correction([900_000, 0, 50_000, 0, 1_100_000, -20_000]);
        let second = Correction([1_000_000, 20_000, 0, -10_000, 980_000, 10_000]);
        let both = second.after(first).unwrap();
        let (x, y) = both.of((0.4, 0.7));
        let (meant_x, meant_y) = second.of(first.of((0.4, 0.7)));
        assert!((x - meant_x).abs() < 1e-5 && (y - meant_y).abs() < 1e-5);
        assert_eq!(Correction::default().after(first), Some(first));
        assert_eq!(Correction([8_000_000; 6]).after(Correction([8_000_000; 6])), None);
    }
}
