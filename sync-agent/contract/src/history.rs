//! What a guest ordered before, folded into at most [`HISTORY_BYTES`]: all that a kiosk's recommender gets to know.
//!
//! It is the guest's own history alone. An order weighs less the older it is (a factor of e in [`DECAY_DAYS`]) and the more
//! lines it has: of a large order each thing says little about the next one. Weights are whole numbers with one scale
//! within a history; only their proportions mean something. Hours and weekdays are those of UTC, on both sides, so that no
//! time zone has to be agreed on; a shop's own clock only finds words for them.
//!
//! On the wire:
//!
//! ```json
//! {"v":1,"hours":[0,0,0,9000,120,0,0,0,0,0,0,0],"days":[0,2000,2100,1900,2000,1120,0],
//!  "items":[["flat-white",[["oat-milk",1]],19,20789,3,[0,0,0,8100,0,0,0,0,0,0,0,0],[0,2000,1900,1800,1700,700,0]]]}
//! ```

use crate::{UsualModifier, limits::HISTORY_BYTES};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Parts of a day, two hours each, from midnight UTC.
pub const PARTS: usize = 12;
/// Days in which an order's weight falls to 1/e.
const DECAY_DAYS: f64 = 250.0;
/// The largest weight that is written.
const LARGEST: f64 = 9_999.0;
/// A form that this version reads.
const VERSION: u8 = 1;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Weights by part of the day and by weekday, Monday first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rhythm {
    /// Two hours each, from midnight UTC.
    pub parts: [u16; PARTS],
    /// From Monday, UTC.
    pub days: [u16; 7],
}

/// One thing that was ordered, in the form in which it was last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
pub struct Habit {
    /// Article or variant.
    pub sku: String,
    /// Chosen modifiers.
    pub modifiers: Vec<UsualModifier>,
    /// In how many orders.
    pub orders: u32,
    /// The last of them, days since 1970, UTC.
    pub last_day: i32,
    /// Days from one to the next on average; 0 for a single one.
    pub gap_days: u16,
    /// When, and how much it counts.
    pub rhythm: Rhythm,
}

type Row = (String, Vec<(String, u32)>, u32, i32, u16, [u16; PARTS], [u16; 7]);

impl From<Row> for Habit {
    fn from((sku, modifiers, orders, last_day, gap_days, parts, days): Row) -> Self {
        let modifiers = modifiers.into_iter().map(|(sku, quantity)| UsualModifier { sku, quantity }).collect();
        Self { sku, modifiers, orders, last_day, gap_days, rhythm: Rhythm { parts, days } }
    }
}

impl From<Habit> for Row {
    fn from(habit: Habit) -> Self {
        let modifiers = habit.modifiers.into_iter().map(|m| (m.sku, m.quantity)).collect();
        (habit.sku, modifiers, habit.orders, habit.last_day, habit.gap_days, habit.rhythm.parts, habit.rhythm.days)
    }
}

/// A guest's own history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    v: u8,
    hours: [u16; PARTS],
    days: [u16; 7],
    /// The weightiest things first.
    pub items: Vec<Habit>,
}

/// An order that happened.
#[derive(Clone, Debug)]
pub struct PastOrder {
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// What, each thing once, with its modifiers.
    pub things: Vec<(String, Vec<UsualModifier>)>,
}

impl History {
    /// Folds orders, the oldest first, as of `now_ms`. Things that would not fit the wire are left out, the lightest first.
    pub fn fold(orders: &[PastOrder], now_ms: i64) -> Self {
        let mut all = Weights::default();
        let mut things: BTreeMap<&str, Thing<'_>> = BTreeMap::new();
        for order in orders.iter().filter(|order| !order.things.is_empty()) {
            let age = now_ms.saturating_sub(order.at_ms).max(0).div_euclid(DAY_MS) as f64;
            let weight = (-age / DECAY_DAYS).exp() / (order.things.len() as f64).sqrt();
            all.add(order.at_ms, weight);
            for (sku, modifiers) in &order.things {
                let thing = things.entry(sku).or_insert_with(|| Thing::first(order.at_ms));
                thing.weights.add(order.at_ms, weight);
                (thing.last_ms, thing.modifiers, thing.orders) = (order.at_ms, modifiers, thing.orders + 1);
            }
        }
        let scale = LARGEST / all.largest().max(f64::MIN_POSITIVE);
        let mut weighed: Vec<(f64, Habit)> =
            things.into_iter().map(|(sku, thing)| (thing.weights.parts.iter().sum(), thing.habit(sku, scale))).collect();
        weighed.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.sku.cmp(&b.1.sku)));
        let Rhythm { parts, days } = all.scaled(scale);
        let mut history = Self { v: VERSION, hours: parts, days, items: Vec::new() };
        let mut room = HISTORY_BYTES.saturating_sub(bytes(&history));
        for (_, habit) in weighed {
            // With the comma before it.
            let taken = bytes(&habit) + 1;
            if taken > room {
                break;
            }
            room -= taken;
            history.items.push(habit);
        }
        history
    }

    /// When this guest comes at all.
    pub fn rhythm(&self) -> Rhythm {
        Rhythm { parts: self.hours, days: self.days }
    }

    /// True if this version knows what the fields mean.
    pub fn is_readable(&self) -> bool {
        self.v == VERSION
    }
}

fn bytes(what: &impl Serialize) -> usize {
    serde_json::to_vec(what).map_or(usize::MAX, |text| text.len())
}

/// Where in the day and in the week a time lies, UTC: the part, and the day from Monday.
pub fn place_of(at_ms: i64) -> (usize, usize) {
    let hour = at_ms.div_euclid(HOUR_MS).rem_euclid(24);
    // 1 January 1970 was a Thursday.
    let day = (at_ms.div_euclid(DAY_MS) + 3).rem_euclid(7);
    (usize::try_from(hour).unwrap_or(0) / (24 / PARTS), usize::try_from(day).unwrap_or(0))
}

/// What is counted of one thing.
struct Thing<'a> {
    weights: Weights,
    modifiers: &'a [UsualModifier],
    orders: u32,
    first_ms: i64,
    last_ms: i64,
}

impl Thing<'_> {
    fn first(at_ms: i64) -> Self {
        Self { weights: Weights::default(), modifiers: &[], orders: 0, first_ms: at_ms, last_ms: at_ms }
    }

    fn habit(self, sku: &str, scale: f64) -> Habit {
        let days = self.last_ms.saturating_sub(self.first_ms).max(0) / DAY_MS;
        let gaps = i64::from(self.orders.saturating_sub(1)).max(1);
        Habit {
            sku: sku.to_owned(),
            modifiers: self.modifiers.to_vec(),
            orders: self.orders,
            last_day: i32::try_from(self.last_ms.div_euclid(DAY_MS)).unwrap_or(i32::MAX),
            gap_days: u16::try_from(days / gaps).unwrap_or(u16::MAX),
            rhythm: self.weights.scaled(scale),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Weights {
    parts: [f64; PARTS],
    days: [f64; 7],
}

impl Weights {
    fn add(&mut self, at_ms: i64, weight: f64) {
        let (part, day) = place_of(at_ms);
        self.parts[part] += weight;
        self.days[day] += weight;
    }

    fn largest(&self) -> f64 {
        self.parts.iter().chain(&self.days).copied().fold(0.0, f64::max)
    }

    fn scaled(&self, scale: f64) -> Rhythm {
        // Within 0 and `LARGEST` by the scale.
        let whole = |weight: f64| (weight * scale).round() as u16;
        Rhythm { parts: self.parts.map(whole), days: self.days.map(whole) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Monday, 30 November 2026, 08:00 UTC.
    const MONDAY_8: i64 = 1_796_025_600_000;

    fn order(at_ms: i64, skus: &[&str]) -> PastOrder {
        PastOrder { at_ms, things: skus.iter().map(|sku| ((*sku).to_owned(), Vec::new())).collect() }
    }

    #[test]
    fn a_time_lies_in_its_part_of_the_day_and_of_the_week() {
        assert_eq!(place_of(MONDAY_8), (4, 0));
        assert_eq!(place_of(MONDAY_8 - 8 * HOUR_MS - 1), (11, 6), "the last moment of Sunday");
        assert_eq!(place_of(0), (0, 3), "a Thursday");
        assert_eq!(place_of(-1), (11, 2));
    }

    #[test]
    fn old_and_large_orders_weigh_less() {
        let of = |orders: &[PastOrder]| History::fold(orders, MONDAY_8);
        let weight = |history: &History, sku: &str| {
            let habit = history.items.iter().find(|habit| habit.sku == sku).unwrap();
            habit.rhythm.parts.iter().map(|part| u32::from(*part)).sum::<u32>()
        };
        let old = of(&[order(MONDAY_8 - 250 * DAY_MS, &["tea"]), order(MONDAY_8, &["coffee"])]);
        let share = f64::from(weight(&old, "tea")) / f64::from(weight(&old, "coffee"));
        assert!((share - 1.0 / std::f64::consts::E).abs() < 0.001, "{share}");
        let large = of(&[order(MONDAY_8, &["a", "b", "c", "d"]), order(MONDAY_8, &["coffee"])]);
        assert_eq!(weight(&large, "coffee"), 2 * weight(&large, "a"));
        assert_eq!(old.items[0].sku, "coffee", "the weightiest first");
    }

    #[test]
    fn a_thing_is_kept_as_it_was_last_ordered() {
        let with = |sku: &str| vec![UsualModifier { sku: sku.into(), quantity: 1 }];
        let cup = |at_ms, milk| PastOrder { at_ms, things: vec![("flat-white".into(), with(milk))] };
        let history = History::fold(&[cup(MONDAY_8 - DAY_MS, "milk"), cup(MONDAY_8, "oat-milk")], MONDAY_8);
        let habit = &history.items[0];
        assert_eq!((habit.orders, habit.modifiers[0].sku.as_str()), (2, "oat-milk"));
        assert_eq!((habit.last_day, habit.gap_days), (20_787, 1));
    }

    #[test]
    fn a_history_fits_the_wire_and_reads_as_it_was_written() {
        let many: Vec<PastOrder> = (0..300)
            .map(|n| order(MONDAY_8 - n * DAY_MS, &[&format!("article-with-a-long-name-{n}"), "flat-white"]))
            .rev()
            .collect();
        let history = History::fold(&many, MONDAY_8);
        let text = serde_json::to_string(&history).unwrap();
        assert!(
            text.len() <= HISTORY_BYTES && history.items.len() >= 15,
            "{} things in {} bytes",
            history.items.len(),
            text.len()
        );
        assert_eq!(history.items[0].sku, "flat-white");
        assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history);
        assert!(history.is_readable() && !History::default().is_readable());
    }

    #[test]
    fn nobody_has_no_history_and_a_wrong_clock_does_no_harm() {
        assert!(History::fold(&[], MONDAY_8).items.is_empty());
        assert!(History::fold(&[order(MONDAY_8, &[])], MONDAY_8).items.is_empty());
        let future = History::fold(&[order(i64::MAX, &["tea"]), order(i64::MIN / 2, &["cake"])], MONDAY_8);
        assert_eq!(future.items[0].sku, "tea");
    }
}
