#![allow(clippy::unwrap_used)]
use super::*;
use crate::{Event, data};
use serde_json::json;

fn money(minor: i64) -> data::Money {
    data::Money::new(minor, "EUR")
}

fn line() -> data::Line {
    let modifier =
        data::Modifier { group: "milk".into(), sku: "m-oat".into(), name: "Oat".into(), quantity: 1, amount: money(50) };
    data::Line {
        line: 1,
        parent: None,
        sku: "flat-white".into(),
        name: "Flat white".into(),
        quantity: 1,
        amount: money(430),
        modifiers: vec![modifier],
        tax_code: "A".into(),
    }
}

fn order() -> Value {
    data::OrderPlaced {
        order: "o".into(),
        number: "A1".into(),
        called_name: Some("Jane".into()),
        service: "eat_in".into(),
        table: None,
        lines: vec![line()],
        discounts: vec![data::Discount { line: None, kind: "offer".into(), id: None, reason: None, amount: money(10) }],
        tax: vec![data::Tax { code: "A".into(), rate: "0.07".into(), base: money(400), amount: money(28), included: true }],
        tip: None,
        total: money(420),
        business_date: "2026-11-21".into(),
        page: None,
    }
    .to_value()
}

/// A complete `data` of every known type, made with the typed shapes.
fn complete(kind: &str) -> Value {
    let text = |s: &str| s.to_owned();
    match kind {
        kinds::PRESENCE_SEEN => data::PresenceSeen { seconds: Some(3) }.to_value(),
        kinds::VISIT_STARTED => {
            data::VisitStarted { trigger: text("touch"), role: text("kiosk"), language: text("en") }.to_value()
        }
        kinds::VISIT_IDENTIFIED => data::VisitIdentified {
            method: text("uid"),
            assurance: text("low"),
            visits_before: Some(2),
            token: Some(text("1:ab")),
            counter: None,
        }
        .to_value(),
        kinds::VISITOR_JOINED => {
            data::VisitorJoined { token: text("1:ab"), display_name: None, language: None, text_version: text("1") }.to_value()
        }
        kinds::VISIT_STAGE_CHANGED => data::StageChanged { from: text("browse"), to: text("item"), touches: Some(1) }.to_value(),
        kinds::ITEM_VIEWED => data::ItemViewed { sku: Some(text("x")) }.to_value(),
        kinds::SEARCH_MADE => data::SearchMade { query: Some(text("tea")), results: Some(4) }.to_value(),
        kinds::BASKET_CHANGED => data::BasketChanged { action: text("add"), line: line(), by: text("customer") }.to_value(),
        kinds::OFFER_SHOWN | kinds::OFFER_ACCEPTED | kinds::OFFER_DISMISSED => {
            data::Offer { offer: text("o"), reason: text("new"), control: None }.to_value()
        }
        kinds::CONSULTANT_ANSWERED => data::ConsultantAnswered { question: text("hungry"), answer: text("very") }.to_value(),
        kinds::ORDER_PLACED => order(),
        kinds::ORDER_PROGRESSED => {
            data::OrderProgressed { order: text("o"), state: text("ready"), promised: None, station: None }.to_value()
        }
        payment if payment.starts_with("cem.payment.") => data::Payment {
            payment: text("p"),
            order: text("o"),
            attempt: text("a"),
            tender: text("card"),
            amount: money(420),
            rounding: None,
            terminal: None,
            reference: None,
            outcome: None,
            original: None,
            lines: vec![],
            staff: None,
        }
        .to_value(),
        till if till.starts_with("cem.till.") => data::Till {
            till: text("t"),
            shift: text("s"),
            counted: Some(money(1)),
            expected: None,
            amount: None,
            reason: None,
            staff: None,
        }
        .to_value(),
        kinds::LOYALTY_EARNED | kinds::LOYALTY_BURNED => {
            data::Loyalty { entry: text("e"), points: 4, order: None, balance_after: None, pending: true }.to_value()
        }
        kinds::WALLET_CREDITED | kinds::WALLET_DEBITED | kinds::WALLET_REVERSED => {
            data::WalletEntry { entry: text("e"), amount: money(5), order: None, lease: None }.to_value()
        }
        kinds::REFERRAL_USED | kinds::REFERRAL_EARNED => data::Referral { code: text("c"), points: None }.to_value(),
        kinds::PRICE_MATCHED | kinds::PRICE_OVERRIDDEN => {
            data::PriceChanged { sku: text("x"), from: money(2), to: money(1), reason: text("r"), staff: None }.to_value()
        }
        kinds::RECEIPT_ISSUED => data::ReceiptIssued { order: text("o"), channel: text("print"), copy: Some(false) }.to_value(),
        kinds::FEEDBACK_GIVEN => data::FeedbackGiven {
            csat: Some(5),
            ces: None,
            nps: None,
            comment: None,
            channel: text("kiosk"),
            touchpoint: text("food"),
        }
        .to_value(),
        kinds::VISIT_ENDED => data::VisitEnded { outcome: text("completed"), duration_ms: 40_000, touches: 9 }.to_value(),
        kinds::HELP_CALLED | kinds::HELP_ANSWERED => data::Help { place: text("k"), seconds: None, staff: None }.to_value(),
        kinds::TASK_RAISED | kinds::TASK_CLOSED => {
            data::Task { task: text("t"), kind: text("refund"), subject: None, staff: None, outcome: None }.to_value()
        }
        staff if staff.starts_with("cem.staff.") => {
            data::Staff { staff: text("st-1"), subject: None, reason: None, amount: None, proof: None }.to_value()
        }
        kinds::ARTICLE_SOLD_OUT | kinds::ARTICLE_BACK => data::Article { sku: text("x"), left: None, staff: None }.to_value(),
        kinds::CONSENT_CHANGED => {
            data::ConsentChanged { from: text("none"), to: text("personal"), text_version: text("1"), dietary: None }.to_value()
        }
        kinds::VISITOR_ERASURE_REQUESTED => data::ErasureRequested { by: text("guest") }.to_value(),
        kinds::PROBLEM_SHOWN => data::ProblemShown { problem: text("card_declined"), stage: None }.to_value(),
        kinds::DEVICE_CLOCK_SAMPLED => data::ClockSampled {
            boot: text("b"),
            uptime: crate::time::uptime(5),
            backend_time: crate::time::rfc3339(0),
            round_trip_ms: 40,
        }
        .to_value(),
        kinds::LOG_LOST => data::LogLost { log: text("l"), from: 1, to: 2 }.to_value(),
        _ => json!({}),
    }
}

#[test]
fn the_typed_shape_of_every_known_type_is_valid() {
    for kind in kinds::ALL {
        assert_eq!(validate_data(kind, Some(&complete(kind))), Ok(()), "{kind}");
    }
}

#[test]
fn every_known_type_is_in_the_table_and_lacks_nothing_but_its_required_fields() {
    for kind in kinds::ALL {
        let fields = required(kind).unwrap_or_else(|| panic!("{kind} is not in the table"));
        let complete = complete(kind);
        for (name, _) in fields {
            let mut data = complete.clone();
            data.as_object_mut().unwrap().remove(*name).unwrap_or_else(|| panic!("{kind}: no {name}"));
            let invalid = validate_data(kind, Some(&data)).unwrap_err();
            assert_eq!(invalid.to_string(), format!("data.{name}: missing"), "{kind}");
            data.as_object_mut().unwrap().insert((*name).to_owned(), Value::Null);
            assert_eq!(validate_data(kind, Some(&data)).unwrap_err().path, format!("data.{name}"), "{kind}");
        }
        let mut bare = complete.as_object().unwrap().clone();
        bare.retain(|name, _| fields.iter().any(|(required, _)| required == name));
        assert_eq!(validate_data(kind, Some(&Value::Object(bare))), Ok(()), "{kind}");
    }
}

#[test]
fn a_wrong_json_type_is_named_with_its_path() {
    let cases = [
        ("/lines", json!("x"), "data.lines: not an array"),
        ("/lines/0", json!(1), "data.lines[0]: not an object"),
        (
            "/lines/0/amount",
            json!("4.30"),
            "data.lines[0].amount: not an amount of money, {\"minor\": 1250, \"currency\": \"EUR\"}",
        ),
        (
            "/lines/0/modifiers/0/amount/minor",
            json!(0.5),
            "data.lines[0].modifiers[0].amount.minor: not an integer of minor units",
        ),
        ("/total/currency", json!(978), "data.total.currency: not a string"),
        ("/total", json!({"currency": "EUR"}), "data.total.minor: missing"),
        ("/tax/0/included", json!("yes"), "data.tax[0].included: not a boolean"),
        ("/order", json!(7), "data.order: not a string"),
        ("/number", json!([]), "data.number: neither a string nor a number"),
    ];
    for (pointer, value, reason) in cases {
        let mut data = order();
        *data.pointer_mut(pointer).unwrap() = value;
        assert_eq!(validate_data(kinds::ORDER_PLACED, Some(&data)).unwrap_err().to_string(), reason);
    }
}

#[test]
fn nothing_else_refuses_an_event() {
    let mut data = order();
    let members = data.as_object_mut().unwrap();
    members.insert("service".into(), json!("by_drone"));
    members.insert("total".into(), json!({"minor": -1, "currency": "???"}));
    members.insert("business_date".into(), json!("yesterday"));
    members.insert("tip".into(), json!("generous"));
    members.insert("unheard_of".into(), json!([[]]));
    members.insert("lines".into(), json!([]));
    assert_eq!(validate_data(kinds::ORDER_PLACED, Some(&data)), Ok(()));
    assert_eq!(validate_data("cem.order.placed.v2", None), Ok(()));
    assert_eq!(validate_data("com.example.whatever", Some(&json!([1]))), Ok(()));
}

#[test]
fn data_that_is_no_object_is_refused_where_fields_are_required() {
    assert_eq!(validate_data(kinds::VISIT_ENDED, None).unwrap_err().to_string(), "data: missing");
    assert_eq!(validate_data(kinds::VISIT_ENDED, Some(&json!([]))).unwrap_err().to_string(), "data: not an object");
    assert_eq!(validate_data(kinds::DEVICE_ALARM, None), Ok(()));
}

fn wire() -> Map<String, Value> {
    json!({"specversion": "1.0", "id": "0192f0c1-0000-7000-8000-000000000001", "source": "/s", "type": "t",
        "time": "2026-11-21T10:30:00.123Z", "log": "0192e000-0000-7000-8000-000000000003",
        "sequence": "00000000000000000042"})
    .as_object()
    .unwrap()
    .clone()
}

#[test]
fn the_envelope_needs_what_places_an_event_and_no_more() {
    assert!(Event::from_members(wire()).is_ok());
    for name in ["specversion", "id", "source", "type", "time", "log", "sequence"] {
        let mut event = wire();
        event.remove(name);
        assert_eq!(Event::from_members(event).unwrap_err().to_string(), format!("{name}: missing"));
    }
}

#[test]
fn a_malformed_attribute_of_the_envelope_is_named() {
    let cases = [
        ("specversion", json!("0.3"), "specversion: not 1.0"),
        ("id", json!("{0192f0c1-0000-7000-8000-000000000001}"), "id: not a UUID"),
        ("id", json!(1), "id: not a string"),
        ("source", json!(""), "source: empty"),
        ("time", json!("yesterday"), "time: not an RFC 3339 time"),
        ("recordedtime", json!("soon"), "recordedtime: not an RFC 3339 time"),
        ("sequence", json!("42"), "sequence: not 20 digits from 1 on"),
        ("sequence", json!(42), "sequence: not a string"),
        ("visitor", json!({}), "visitor: not a string"),
    ];
    for (name, value, reason) in cases {
        let mut event = wire();
        event.insert(name.to_owned(), value);
        assert_eq!(Event::from_members(event).unwrap_err().to_string(), reason);
    }
}

#[test]
fn what_is_no_json_object_is_refused_without_a_path() {
    for text in ["", "[]", "1", "{", "null"] {
        assert!(Event::parse(text).unwrap_err().to_string().starts_with("not a JSON object"), "{text}");
    }
}
