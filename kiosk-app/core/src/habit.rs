//! What a guest is likely to take now, by that guest's own history: counts that fade with time, the time of day, the weekday, and
//! the days between one time and the next. Of other guests nothing is known here but how popular a thing is in the shop, which
//! decides between equals.
//!
//! The weights come faded and scaled (the wire's `history`); only their proportions mean something. Everything is counted in whole
//! numbers, so that two machines rank alike.
//!
//! # How it ranks
//!
//! A thing's score is its weight in all, one and a half times what of it falls into this part of the day (two hours; 60 % of that for
//! the parts beside it, 20 % for the next), and 30 % of what falls on this weekday. A thing that has not been taken for more than four
//! times its usual gap counts four fifths. The numbers were chosen on the second-last baskets of the public data set 'The Complete
//! Journey'; `cargo xtask bench basket` measures them on the last ones.

use crate::device::UsualItem;
use alloc::vec::Vec;

/// Parts of a day, two hours each, from midnight UTC.
pub const PARTS: usize = 12;
/// Orders before a thing is a habit.
const MIN_ORDERS: u32 = 3;
/// Things in a usual order.
const USUAL_MAX: usize = 5;
/// Twentieths that a thing's weight in all, in this part of the day, in the parts around it, and on this weekday count.
const WHOLE: u64 = 20;
const PART: u64 = 30;
const BESIDE: [u64; 2] = [18, 6];
const WEEKDAY: u64 = 6;
/// Usual gaps after which a thing may have been given up.
const GAPS: i64 = 4;

/// Weights by part of the day and by weekday, Monday first, both of UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rhythm {
    /// Two hours each, from midnight.
    pub parts: [u16; PARTS],
    /// From Monday.
    pub days: [u16; 7],
}

/// A moment, as far as habits know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    part: usize,
    weekday: usize,
    day: i64,
}

impl Moment {
    /// From milliseconds since 1970.
    pub fn at(utc_ms: i64) -> Self {
        let hours = utc_ms.div_euclid(3_600_000);
        let day = hours.div_euclid(24);
        // Both remainders are small and not negative; 1 January 1970 was a Thursday.
        Self { part: (hours.rem_euclid(24) / 2) as usize, weekday: (day + 3).rem_euclid(7) as usize, day }
    }
}

/// A thing that this guest takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Habit {
    /// What, as it was taken last.
    pub item: UsualItem,
    /// In how many orders.
    pub orders: u32,
    /// The last of them, days since 1970.
    pub last_day: i64,
    /// Days from one to the next, 0 where there was one only.
    pub gap_days: u16,
    /// When, and how much it counts.
    pub rhythm: Rhythm,
}

/// Why a thing is offered: true of this guest's own orders, and to be said in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Because {
    /// Half of the times or more it was on this weekday.
    ThisWeekday,
    /// Two thirds of the times or more it was at this time of day.
    ThisTimeOfDay,
    /// It is taken often, whenever it is.
    Often,
}

/// All that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Habits {
    /// When this guest orders at all, on the scale of the things.
    pub whole: Rhythm,
    /// Things, in any order.
    pub items: Vec<Habit>,
}

impl Rhythm {
    /// What counts at a moment, in twentieths.
    fn at(&self, moment: Moment) -> u64 {
        let part = |away: usize| u64::from(self.parts[(moment.part + away) % PARTS]);
        let around: u64 = BESIDE.iter().zip(1..).map(|(share, away)| share * (part(away) + part(PARTS - away))).sum();
        WHOLE * self.total() + PART * part(0) + around + WEEKDAY * u64::from(self.days[moment.weekday])
    }

    fn total(&self) -> u64 {
        self.parts.iter().map(|weight| u64::from(*weight)).sum()
    }
}

impl Habit {
    fn score(&self, moment: Moment) -> u64 {
        let score = self.rhythm.at(moment);
        let given_up = self.gap_days > 0 && moment.day - self.last_day > GAPS * i64::from(self.gap_days);
        if given_up { score * 4 / 5 } else { score }
    }

    /// Why it is offered now.
    pub fn because(&self, moment: Moment) -> Because {
        let days: u64 = self.rhythm.days.iter().map(|weight| u64::from(*weight)).sum();
        let near = [0, 1, PARTS - 1].map(|away| u64::from(self.rhythm.parts[(moment.part + away) % PARTS]));
        if 2 * u64::from(self.rhythm.days[moment.weekday]) >= days {
            Because::ThisWeekday
        } else if 3 * near.iter().sum::<u64>() >= 2 * self.rhythm.total() {
            Because::ThisTimeOfDay
        } else {
            Because::Often
        }
    }
}

impl Habits {
    /// The things, the likeliest first. `popular` tells how often the shop sells a thing, and decides between equals.
    pub fn ranked(&self, moment: Moment, popular: impl Fn(&str) -> u32) -> Vec<&Habit> {
        let mut ranked: Vec<&Habit> = self.items.iter().collect();
        // Stable: what is equal in all keeps its place.
        ranked.sort_by_key(|habit| core::cmp::Reverse((habit.score(moment), popular(&habit.item.sku))));
        ranked
    }

    /// The usual for this moment: what is likelier than not, by orders like one made now. Empty where nothing is.
    pub fn usual(&self, moment: Moment) -> Vec<&Habit> {
        let half = self.whole.at(moment).div_ceil(2);
        let ranked = self.ranked(moment, |_| 0).into_iter();
        ranked.filter(|habit| habit.orders >= MIN_ORDERS && habit.score(moment) >= half).take(USUAL_MAX).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    /// Monday, 30 November 2026, 08:00 UTC.
    const MONDAY_8: i64 = 1_796_025_600_000;
    const HOUR: i64 = 3_600_000;

    /// Taken so often in these parts of the day, and on Mondays alone or on all working days alike.
    fn habit(sku: &str, parts: &[(usize, u16)], mondays: bool) -> Habit {
        let mut rhythm = Rhythm::default();
        parts.iter().for_each(|(part, weight)| rhythm.parts[*part] = *weight);
        let all: u16 = rhythm.parts.iter().sum();
        if mondays {
            rhythm.days[0] = all;
        } else {
            rhythm.days[..5].fill(all / 5);
        }
        let item = UsualItem { sku: sku.into(), modifiers: Vec::new(), quantity: 1 };
        Habit { item, orders: 10, last_day: 20_786, gap_days: 2, rhythm }
    }

    /// Flat white in the morning, a burger at noon, and each day a cookie or not.
    fn office_worker() -> Habits {
        let whole = habit("", &[(4, 500), (6, 500)], false).rhythm;
        let items = vec![
            habit("cookie", &[(4, 100), (6, 100)], false),
            habit("flat-white", &[(4, 490)], false),
            habit("burger", &[(6, 480)], false),
        ];
        Habits { whole, items }
    }

    fn skus(habits: &[&Habit]) -> Vec<alloc::string::String> {
        habits.iter().map(|habit| habit.item.sku.clone()).collect()
    }

    #[test]
    fn a_moment_is_a_part_of_the_day_and_a_weekday() {
        assert_eq!(Moment::at(MONDAY_8), Moment { part: 4, weekday: 0, day: 20_787 });
        assert_eq!(Moment::at(-1), Moment { part: 11, weekday: 2, day: -1 });
    }

    #[test]
    fn the_usual_of_the_morning_is_not_that_of_noon() {
        let habits = office_worker();
        assert_eq!(skus(&habits.usual(Moment::at(MONDAY_8))), ["flat-white"]);
        assert_eq!(skus(&habits.usual(Moment::at(MONDAY_8 + 4 * HOUR))), ["burger"]);
        assert_eq!(skus(&habits.ranked(Moment::at(MONDAY_8), |_| 0)), ["flat-white", "burger", "cookie"]);
    }

    #[test]
    fn what_was_taken_twice_is_no_habit() {
        let mut habits = office_worker();
        habits.items[1].orders = 2;
        assert!(habits.usual(Moment::at(MONDAY_8)).is_empty());
        assert!(Habits::default().usual(Moment::at(MONDAY_8)).is_empty());
    }

    #[test]
    fn a_thing_given_up_steps_back_and_the_shop_decides_between_equals() {
        let mut habits =
            Habits { items: vec![habit("tea", &[(4, 100)], false), habit("coffee", &[(4, 100)], false)], ..office_worker() };
        let now = Moment::at(MONDAY_8);
        assert_eq!(skus(&habits.ranked(now, |sku| u32::from(sku == "coffee")))[0], "coffee");
        assert_eq!(skus(&habits.ranked(now, |_| 0))[0], "tea");
        habits.items[0].last_day = 20_787 - 9;
        assert_eq!(skus(&habits.ranked(now, |_| 0))[0], "coffee");
    }

    #[test]
    fn the_reason_given_is_true_and_goes_with_its_cause() {
        let because = |habit: &Habit, at| habit.because(Moment::at(at));
        let monday = habit("cake", &[(4, 100)], true);
        assert_eq!(because(&monday, MONDAY_8), Because::ThisWeekday);
        assert_eq!(because(&monday, MONDAY_8 + 24 * HOUR), Because::ThisTimeOfDay);
        assert_eq!(because(&monday, MONDAY_8 + 36 * HOUR), Because::Often);
        assert_eq!(because(&habit("tea", &[(4, 100), (9, 100)], false), MONDAY_8), Because::Often);
    }

    proptest! {
        #[test]
        fn more_of_a_thing_never_ranks_it_lower(
            parts in proptest::array::uniform12(0..5_000u16), days in proptest::array::uniform7(0..5_000u16), more in 0..12usize, at in any::<i64>(),
        ) {
            let moment = Moment::at(at / 2);
            let thing = |rhythm| Habit { rhythm, last_day: moment.day, ..habit("x", &[], false) };
            let less = Rhythm { parts, days };
            let mut greater = less;
            greater.parts[more] += 1;
            prop_assert!(thing(greater).score(moment) > thing(less).score(moment));
        }
    }
}
