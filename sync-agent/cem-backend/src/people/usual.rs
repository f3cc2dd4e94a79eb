//! What a guest usually orders, and the short history for a kiosk's recommender: both from the last visits.

use cem_contract::{
    UsualItem, UsualModifier, Visit, VisitOrder,
    history::{History, PastOrder},
    time,
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Orders before anything is called usual.
const MIN_ORDERS: usize = 3;
/// Things in a usual order.
const MAX_ITEMS: usize = 5;

#[derive(Deserialize)]
struct Line {
    sku: String,
    #[serde(default)]
    parent: Value,
    #[serde(default = "one")]
    quantity: u32,
    #[serde(default)]
    modifiers: Vec<Modifier>,
}

#[derive(Deserialize)]
struct Modifier {
    sku: String,
    #[serde(default = "one")]
    quantity: u32,
}

fn one() -> u32 {
    1
}

/// Things in at least half of the last orders, configured the same way each time, the most frequent first.
pub(super) fn usual(visits: &[Visit]) -> Vec<UsualItem> {
    let orders: Vec<Vec<UsualItem>> = visits.iter().flat_map(|visit| &visit.orders).map(|order| items(&order.lines)).collect();
    if orders.len() < MIN_ORDERS {
        return Vec::new();
    }
    let mut counts: BTreeMap<String, (usize, UsualItem)> = BTreeMap::new();
    for order in &orders {
        let mut counted = BTreeSet::new();
        for item in order {
            let key = key(item);
            if counted.insert(key.clone()) {
                counts.entry(key).or_insert_with(|| (0, item.clone())).0 += 1;
            }
        }
    }
    let mut frequent: Vec<(usize, UsualItem)> = counts.into_values().filter(|(count, _)| count * 2 >= orders.len()).collect();
    frequent.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    frequent.into_iter().take(MAX_ITEMS).map(|(_, item)| item).collect()
}

/// What a kiosk's recommender gets to know, within the bound of the wire, as of `now_ms`. The visits come newest first.
pub(crate) fn history(visits: &[Visit], now_ms: i64) -> History {
    let orders: Vec<PastOrder> = visits.iter().rev().flat_map(|visit| &visit.orders).filter_map(past).collect();
    History::fold(&orders, now_ms)
}

fn past(order: &VisitOrder) -> Option<PastOrder> {
    let at_ms = time::parse_rfc3339(&order.placed)?;
    let things: BTreeMap<String, Vec<UsualModifier>> =
        items(&order.lines).into_iter().map(|item| (item.sku, item.modifiers)).collect();
    Some(PastOrder { at_ms, things: things.into_iter().collect() })
}

/// The lines of an order that a guest would order again; parts of a combo come with the combo.
fn items(lines: &Value) -> Vec<UsualItem> {
    let lines = lines.as_array().map(Vec::as_slice).unwrap_or_default();
    let read = lines.iter().filter_map(|line| Line::deserialize(line).ok()).filter(|line| line.parent.is_null());
    read.map(|line| UsualItem {
        sku: line.sku,
        quantity: line.quantity.max(1),
        modifiers: line.modifiers.into_iter().map(|m| UsualModifier { sku: m.sku, quantity: m.quantity.max(1) }).collect(),
    })
    .collect()
}

fn key(item: &UsualItem) -> String {
    let mut modifiers: Vec<String> = item.modifiers.iter().map(|m| format!("{}x{}", m.quantity, m.sku)).collect();
    modifiers.sort();
    format!("{} {}", item.sku, modifiers.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn visit(lines: Value) -> Visit {
        Visit { orders: vec![VisitOrder { lines, ..VisitOrder::default() }], ..Visit::default() }
    }

    fn coffee() -> Value {
        json!({"sku": "flat-white", "quantity": 1, "modifiers": [{"sku": "oat", "quantity": 1}]})
    }

    #[test]
    fn what_is_in_half_of_the_orders_is_usual_and_combo_parts_are_not() {
        let part = json!({"sku": "fries", "parent": 1, "quantity": 1});
        let visits = [
            visit(json!([coffee(), part])),
            visit(json!([coffee()])),
            visit(json!([{"sku": "tea", "quantity": 1}])),
            visit(json!([coffee()])),
        ];
        let usual = usual(&visits);
        assert_eq!(usual.len(), 1);
        assert_eq!((usual[0].sku.as_str(), usual[0].modifiers[0].sku.as_str()), ("flat-white", "oat"));
    }

    #[test]
    fn two_orders_make_nothing_usual() {
        assert!(usual(&[visit(json!([coffee()])), visit(json!([coffee()]))]).is_empty());
    }

    #[test]
    fn the_history_is_of_whole_orders_by_the_time_they_were_placed() {
        let at = |placed: &str, lines: Value| {
            let order = VisitOrder { lines, placed: placed.into(), ..VisitOrder::default() };
            Visit { orders: vec![order], ..Visit::default() }
        };
        let part = json!({"sku": "fries", "parent": 1, "quantity": 1});
        let plain = json!({"sku": "flat-white", "quantity": 2});
        let visits =
            [at("2026-11-30T08:00:00.000Z", json!([coffee(), part])), at("2026-11-27T08:10:00.000Z", json!([plain, plain]))];
        let history = history(&visits, 1_796_025_600_000);
        assert_eq!(history.items.len(), 1);
        let habit = &history.items[0];
        assert_eq!((habit.orders, habit.gap_days, habit.modifiers[0].sku.as_str()), (2, 2, "oat"), "as it was last");
        assert!(habit.rhythm.parts[4] > 0 && habit.rhythm.days[0] > habit.rhythm.days[4], "{habit:?}");
    }
}
