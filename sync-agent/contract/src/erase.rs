//! Erasure: what is left of a person's events names nobody, at the backend and on devices alike.
//!
//! An erased event keeps id, log, sequence, type, place and time, money and tax, and is marked `erased: true`. What is
//! kept is listed, what is personal is not: a member that a later version adds is dropped until somebody decides.

use crate::kinds;
use serde_json::{Map, Value};

/// Attributes of the envelope that stay.
const ENVELOPE: &[&str] = &[
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "datacontenttype",
    "log",
    "sequence",
    "recordedtime",
    "visitid",
    "consent",
    "clock",
    "boot",
    "uptime",
];

/// Members of `data` that stay in known types, at any depth.
const MEMBERS: &[&str] = &[
    "action",
    "alarm",
    "amount",
    "attempt",
    "backend_time",
    "balance_after",
    "base",
    "boot",
    "by",
    "channel",
    "control",
    "copy",
    "counted",
    "csat",
    "currency",
    "discounts",
    "duration_ms",
    "entry",
    "expected",
    "from",
    "group",
    "included",
    "kind",
    "lease",
    "left",
    "line",
    "lines",
    "log",
    "method",
    "minor",
    "modifiers",
    "nps",
    "ces",
    "number",
    "order",
    "original",
    "outcome",
    "parent",
    "payment",
    "pending",
    "place",
    "points",
    "problem",
    "promised",
    "quantity",
    "rate",
    "reference",
    "results",
    "role",
    "round_trip_ms",
    "seconds",
    "service",
    "shift",
    "sku",
    "stage",
    "state",
    "station",
    "tax",
    "tax_code",
    "tender",
    "terminal",
    "text_version",
    "till",
    "tip",
    "to",
    "total",
    "touches",
    "touchpoint",
    "trigger",
    "uptime",
    "visits_before",
    "assurance",
    "business_date",
    // How devices are: words for things.
    "devices",
    "was",
    "reader",
    "printer",
    "board",
    "backend",
    "disk",
    "clock",
];

/// Members that hold free text in some types: kept only within a line or a tax, where they name articles and rates.
const WITHIN_MONEY: &[(&str, &str)] = &[("name", "sku"), ("code", "rate")];

/// The event without the person.
///
/// # Errors
/// Where `raw` is no JSON object.
pub fn scrub(raw: &str) -> serde_json::Result<String> {
    let mut members: Map<String, Value> = serde_json::from_str(raw)?;
    let known = members.get("type").and_then(Value::as_str).is_some_and(|kind| kinds::ALL.contains(&kind));
    let data = members.remove("data").map(|data| scrub_data(data, known));
    members.retain(|name, _| ENVELOPE.contains(&name.as_str()));
    if let Some(data) = data {
        members.insert("data".to_owned(), data);
    }
    members.insert("erased".to_owned(), Value::Bool(true));
    serde_json::to_string(&members)
}

/// An order's data without the person, as a device keeps it beside its events.
pub fn scrub_order(data: Value) -> Value {
    scrub_data(data, true)
}

/// Of a type that is not known, words mean nothing, so only numbers and what is shaped like money stay.
fn scrub_data(value: Value, known: bool) -> Value {
    match value {
        Value::Object(members) if is_money(&members) => Value::Object(members),
        Value::Object(members) => {
            let within =
                |name: &str| WITHIN_MONEY.iter().any(|(member, beside)| *member == name && members.contains_key(*beside));
            let keep: Vec<String> =
                members.keys().filter(|name| MEMBERS.contains(&name.as_str()) || within(name)).cloned().collect();
            let mut members = members;
            let kept = keep.into_iter().filter_map(|name| Some((name.clone(), scrub_data(members.remove(&name)?, known))));
            Value::Object(kept.filter(|(_, value)| known || !value.is_string()).collect())
        }
        Value::Array(items) => Value::Array(
            items.into_iter().map(|item| scrub_data(item, known)).filter(|item| known || !item.is_string()).collect(),
        ),
        other => other,
    }
}

fn is_money(members: &Map<String, Value>) -> bool {
    members.len() == 2
        && members.get("minor").is_some_and(Value::is_i64)
        && members.get("currency").and_then(Value::as_str).is_some_and(|code| code.len() == 3)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_of_an_order_is_money_and_articles() {
        let order = json!({
            "specversion": "1.0", "id": "1", "type": kinds::ORDER_PLACED, "sequence": "7", "visitor": "v_canary",
            "consent": "personal", "extension": "canary",
            "data": {
                "order": "o", "called_name": "canary", "page": "canary", "total": {"minor": 390, "currency": "EUR"},
                "lines": [{"line": 1, "sku": "tea", "name": "Tea", "amount": {"minor": 390, "currency": "EUR"}, "wish": "canary"}],
                "tax": [{"code": "A", "rate": "0.07", "amount": {"minor": 25, "currency": "EUR"}}],
            },
        });
        let left: Value = serde_json::from_str(&scrub(&order.to_string()).unwrap()).unwrap();
        assert!(!left.to_string().contains("canary"), "{left}");
        assert_eq!(
            (&left["erased"], &left["sequence"], &left["data"]["total"]["minor"]),
            (&json!(true), &json!("7"), &json!(390))
        );
        assert_eq!((&left["data"]["lines"][0]["name"], &left["data"]["tax"][0]["code"]), (&json!("Tea"), &json!("A")));
        assert_eq!(scrub_order(order["data"].clone())["called_name"], Value::Null);
    }

    #[test]
    fn an_erased_event_is_still_an_event_that_is_taken() {
        let joined = json!({
            "specversion": "1.0", "id": "0192f0c1-0000-7000-8000-000000000001", "source": "/stores/s-001/devices/k-01",
            "type": kinds::VISITOR_JOINED, "time": "2026-11-21T10:30:00.123Z", "log": "0192f0c1-0000-7000-8000-000000000002",
            "sequence": "00000000000000000042", "visitor": "v_canary", "data": {"token": "1:canary", "text_version": "1"},
        });
        let left = scrub(&joined.to_string()).unwrap();
        assert!(!left.contains("canary"), "{left}");
        let event = crate::Event::parse(&left).unwrap();
        assert_eq!(event.validate(), Ok(()));
        let lacking = crate::Event { extra: Map::new(), ..event };
        assert!(lacking.validate().is_err(), "only what is marked may lack its token");
    }
}
