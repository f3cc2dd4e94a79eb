//! A person is forgotten: nothing of them is left in the bytes of a file, and nothing of the money is lost.

use crate::common::*;
use edge_db::{AgentStore, Class, Commit, LogReader, NewEvent, OrderRow, Person};
use serde_json::{Value, json};
use std::{fs, path::Path};

const VISITOR: &str = "v_canary0123456789abcdef01234567";
const MERGED: &str = "v_canaryfedcba9876543210fedcba98";
const TOKEN: &str = "1:canary00ff";
const CANARIES: [&str; 4] = ["v_canary", "1:canary", "Canary Boyd", "canary-page"];

fn person() -> Person {
    Person { visitors: vec![VISITOR.to_owned(), MERGED.to_owned()], tokens: vec![TOKEN.to_owned()] }
}

fn of_visit(n: u64, visit: u64, kind: &str, visitor: Option<&str>, data: Value) -> NewEvent {
    let visitid = Some(order(visit).visit.unwrap());
    NewEvent { kind: kind.to_owned(), visitid, visitor: visitor.map(str::to_owned), data, ..event(n) }
}

fn money(minor: i64) -> Value {
    json!({ "minor": minor, "currency": "EUR" })
}

fn placed(n: u64) -> (Value, OrderRow) {
    let data = json!({
        "order": order(n).order.to_string(), "number": format!("A-{n}"), "called_name": "Canary Boyd", "service": "eat_in",
        "page": "canary-page", "discounts": [], "total": money(1250), "business_date": "2026-11-21",
        "lines": [{ "line": 1, "sku": "tea", "name": "Tea", "quantity": 1, "amount": money(1250) }],
        "tax": [{ "code": "A", "rate": "0.07", "base": money(1168), "amount": money(82), "included": true }],
    });
    (data.clone(), OrderRow { body: data, ..order(n) })
}

/// Visit 1 is the person's: known by the card only, then by name, with an order. Visit 2 is somebody else's.
fn visits() -> Commit {
    let (mine, row) = placed(1);
    let other = json!({ "token": "1:other", "method": "uid", "assurance": "low" });
    let events = vec![
        of_visit(1, 1, "cem.visit.started.v1", None, json!({ "trigger": "tap", "role": "kiosk", "language": "en" })),
        of_visit(2, 1, "cem.visit.identified.v1", None, json!({ "token": TOKEN, "method": "uid", "assurance": "low" })),
        of_visit(3, 1, "cem.order.placed.v1", Some(MERGED), mine),
        of_visit(4, 2, "cem.visit.identified.v1", Some("v_other"), other),
        NewEvent {
            kind: "cem.order.progressed.v1".into(),
            data: json!({ "order": order(1).order, "state": "ready" }),
            ..event(5)
        },
        event(6),
    ];
    Commit { events, orders: vec![row, order(2)], class: Class::Sale, ..Commit::default() }
}

fn assert_no_canary(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        for canary in CANARIES {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} in {}", path.display());
        }
    }
}

#[test]
fn nothing_of_a_person_is_left_and_money_and_numbers_stay() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let outbox = open(&path);
    let log = outbox.commit(visits()).unwrap().log;
    assert!(outbox.take_tap(TOKEN, 7).unwrap());
    // Acknowledged rows are rewritten like all others.
    outbox.acknowledged(log, 3).unwrap();
    let before = rows(&path);
    assert_eq!(outbox.forget(&person()).unwrap(), 5, "four events and an order");
    assert_no_canary(dir.path());
    let after = rows(&path);
    let place = |rows: &[edge_db::Row]| rows.iter().map(|row| (row.sequence, row.id, row.kind.clone())).collect::<Vec<_>>();
    assert_eq!(place(&before), place(&after));
    let body = |n: usize| serde_json::from_slice::<Value>(&after[n].body).unwrap();
    assert_eq!((&body(2)["erased"], &body(2)["data"]["total"]), (&json!(true), &money(1250)));
    assert_eq!((&body(2)["data"]["tax"][0]["amount"], &body(2)["data"]["lines"][0]["name"]), (&money(82), &json!("Tea")));
    assert_eq!(body(4)["erased"], true, "what tells of their order");
    assert_eq!((&after[3].body, &after[5].body), (&before[3].body, &before[5].body), "nobody else is touched");
    let order = outbox.order(order(1).order).unwrap().unwrap();
    assert_eq!((order.total_minor, order.number.as_str(), &order.body["total"]), (1250, "A-1", &money(1250)));
    assert_eq!(outbox.forget(&person()).unwrap(), 0, "done again, it changes nothing");
    drop(outbox);
    let outbox = open(&path);
    assert_eq!(outbox.opened().holes, [], "every checksum is right");
    assert_eq!(outbox.commit(telemetry(9)).unwrap().sequences[0].1, 7, "the next number follows");
    assert_no_canary(dir.path());
}

#[test]
fn a_long_log_is_gone_through_to_its_end_while_sales_go_on() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let mut options = options(&path);
    options.limits.max_bytes = 64 << 20;
    let outbox = edge_db::Outbox::open(options).unwrap();
    for n in 0..50 {
        outbox.commit(Commit::events(Class::Sale, (0..100).map(|k| event(1_000 + n * 100 + k)).collect())).unwrap();
    }
    outbox.commit(visits()).unwrap();
    std::thread::scope(|scope| {
        let sales = scope.spawn(|| (0..50).map(|n| outbox.commit(telemetry(100_000 + n)).unwrap().sequences[0].1).max());
        assert_eq!(outbox.forget(&person()).unwrap(), 5);
        assert_eq!(sales.join().unwrap(), Some(5_056));
    });
    assert_no_canary(dir.path());
    assert_eq!(rows(&path).len(), 5_056);
}

#[test]
fn the_agent_forgets_what_it_has_taken_over_and_put_aside() {
    let dir = tempdir();
    let kiosk = tempdir();
    let outbox = open(&kiosk.path().join("kiosk.db"));
    let log = outbox.commit(visits()).unwrap().log;
    let reader = LogReader::open(kiosk.path().join("kiosk.db")).unwrap().unwrap();
    let rows = reader.after(log, 0, 10, usize::MAX).unwrap().rows;
    let store = AgentStore::open_with(options(&dir.path().join("agent.db"))).unwrap();
    store.adopt(rows.clone()).unwrap();
    store.quarantine(SOURCE, log, &rows[2], "it was refused", NOW_MS).unwrap();
    store.quarantine(SOURCE, log, &rows[5], "it was refused", NOW_MS).unwrap();
    let profile = edge_db::CachedProfile {
        visitor: VISITOR.to_owned(),
        tokens: vec![TOKEN.to_owned(), "1:canary01".to_owned()],
        version: 1,
        expires_ms: NOW_MS + 1_000,
        envelope: b"Canary Boyd".to_vec(),
    };
    store.put_profile(&profile, NOW_MS).unwrap();
    assert_eq!(store.forget_person(&person()).unwrap(), 5, "four events, and one in quarantine");
    assert_no_canary(dir.path());
    let aside = store.quarantine_list(None, 10).unwrap();
    assert_eq!(aside.len(), 2);
    let erased: Value = serde_json::from_slice(&aside[0].body).unwrap();
    assert_eq!((&erased["erased"], &erased["data"]["total"]), (&json!(true), &money(1250)));
    assert_eq!(aside[1].body, rows[5].body);
    assert_eq!(store.forget_person(&Person::default()).unwrap(), 0, "nobody is nobody");
}
