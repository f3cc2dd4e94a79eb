#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    ingest::{self, MayWrite, read_batch},
    store::in_memory,
};
use cem_contract::{Consent, Profile, Status};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

const NOW: i64 = 1_795_260_000_000;
const K1: &str = "/stores/s-001/devices/k-01";
const K2: &str = "/stores/s-001/devices/k-02";
const KITCHEN: &str = "/stores/s-001/devices/kds-1";
const V1: &str = "v_11111111111111111111111111111111";
const V2: &str = "v_22222222222222222222222222222222";

/// Makes events of several devices, each with its own gapless log.
#[derive(Default)]
struct Script {
    events: Vec<Value>,
    sequences: std::collections::BTreeMap<&'static str, u64>,
}

impl Script {
    fn add(&mut self, source: &'static str, second: i64, kind: &str, data: Value, more: Value) -> &mut Self {
        let sequence = self.sequences.entry(source).or_default();
        *sequence += 1;
        let log = Uuid::from_u128(source.len() as u128 + u128::from(source.as_bytes()[source.len() - 1]));
        let mut event = json!({
            "specversion": "1.0", "id": Uuid::from_u128(self.events.len() as u128 + 1), "source": source,
            "type": format!("cem.{kind}.v1"), "time": cem_contract::time::rfc3339(1_795_257_000_000 + second * 1_000),
            "log": log, "sequence": cem_contract::time::sequence(*sequence), "clock": "synced", "data": data,
        });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.events.push(event);
        self
    }
}

fn visit(n: u8) -> String {
    Uuid::from_u128(0x100 + u128::from(n)).to_string()
}

fn order(id: &str, number: &str, minor: i64) -> Value {
    let total = json!({"minor": minor, "currency": "EUR"});
    json!({
        "order": id, "number": number, "called_name": "Zebulon", "service": "eat_in", "discounts": [], "business_date": "2026-11-21",
        "lines": [{"line": 1, "sku": "flat-white", "name": "Flat white", "quantity": 1, "amount": total, "modifiers": [], "tax_code": "A"}],
        "tax": [{"code": "A", "rate": "0.07", "base": total, "amount": {"minor": 7, "currency": "EUR"}, "included": true}],
        "total": total,
    })
}

fn payment(order: &str) -> Value {
    json!({"payment": "p-1", "order": order, "attempt": "a-1", "tender": "card", "amount": {"minor": 430, "currency": "EUR"}})
}

#[test]
fn without_consent_an_event_names_nobody_whoever_wrote_it() {
    let mut script = Script::default();
    let started = json!({"trigger": "touch", "role": "kiosk", "language": "en"});
    let withdrawn = json!({"from": "service", "to": "none", "text_version": "2"});
    script.add(K1, 0, "visit.started", started, json!({"visitid": visit(1), "visitor": V1, "consent": "none"})).add(
        K1,
        1,
        "consent.changed",
        withdrawn,
        json!({"visitid": visit(2), "visitor": V2, "consent": "none"}),
    );
    let connection = after(&script.events);
    let named = |id: &str| -> i64 {
        connection
            .query_row("SELECT count(*) FROM event WHERE visitor = ?1 OR instr(body, ?1) > 0", [id], |row| row.get(0))
            .unwrap()
    };
    assert_eq!((named(V1), named(V2)), (0, 1));
}

#[test]
fn what_somebody_must_not_eat_is_what_they_last_agreed_to_keep() {
    let mut script = Script::default();
    let who = json!({"visitid": visit(1), "visitor": V1, "consent": "service"});
    let joined = json!({"token": "1:ab", "language": "en", "text_version": "2"});
    let kept = |from: &str, to: &str, dietary: &[&str]| json!({"from": from, "to": to, "text_version": "2", "dietary": dietary});
    script
        .add(K1, 0, "visitor.joined", joined, who.clone())
        .add(K1, 1, "consent.changed", kept("service", "service", &["nuts"]), who.clone())
        .add(K1, 2, "consent.changed", kept("service", "service", &["milk", "nuts"]), who.clone());
    assert_eq!(profile_of(&after(&script.events)).dietary, ["milk", "nuts"]);
    script.add(K1, 3, "consent.changed", json!({"from": "service", "to": "personal", "text_version": "2"}), who.clone());
    assert_eq!(profile_of(&after(&script.events)).dietary, ["milk", "nuts"], "another level says nothing about it");
    script.add(K1, 4, "consent.changed", json!({"from": "personal", "to": "none", "text_version": "2"}), who);
    assert_eq!(profile_of(&after(&script.events)).dietary, [""; 0], "without any consent nothing is told");
}

fn after(events: &[Value]) -> Connection {
    let db = in_memory();
    send(&db, events, 100);
    db
}

fn profile_of(db: &Connection) -> Profile {
    profile(db, V1).unwrap()
}

/// Two visits of one guest whom two kiosks met offline, a third by card alone, the kitchen's words, feedback, points.
fn story() -> Vec<Value> {
    let mut script = Script::default();
    let v1 = json!({"visitid": visit(1), "visitor": V1, "consent": "personal"});
    let v2 = json!({"visitid": visit(2), "visitor": V2, "consent": "service"});
    let card = json!({"visitid": visit(3)});
    let joined = json!({"token": "1:ab", "display_name": "Zebulon", "language": "en", "text_version": "1"});
    let identified = json!({"method": "uid", "assurance": "low", "token": "1:ab"});
    let ended = json!({"outcome": "completed", "duration_ms": 40_000, "touches": 9});
    let started = json!({"trigger": "touch", "role": "kiosk", "language": "en"});
    script
        .add(K1, 0, "visit.started", started.clone(), json!({"visitid": visit(1)}))
        .add(K1, 2, "visitor.joined", joined.clone(), v1.clone())
        .add(K1, 9, "order.placed", order("o-1", "A1", 430), v1.clone())
        .add(K1, 10, "payment.started", payment("o-1"), v1.clone())
        .add(K1, 12, "payment.approved", payment("o-1"), v1.clone())
        .add(K1, 13, "loyalty.earned", json!({"entry": "e-1", "points": 4, "pending": true}), v1.clone())
        .add(
            K1,
            14,
            "feedback.given",
            json!({"csat": 5, "comment": "Zebulon was here", "channel": "kiosk", "touchpoint": "food"}),
            v1.clone(),
        )
        .add(K1, 20, "visit.ended", ended.clone(), v1.clone())
        .add(KITCHEN, 11, "order.progressed", json!({"order": "o-1", "state": "making"}), json!({}))
        .add(KITCHEN, 15, "order.progressed", json!({"order": "o-1", "state": "collected"}), json!({}))
        .add(K2, 100, "visit.started", started.clone(), json!({"visitid": visit(2)}))
        .add(K2, 101, "visitor.joined", joined, v2.clone())
        .add(K2, 102, "consent.changed", json!({"from": "service", "to": "marketing", "text_version": "2"}), v2.clone())
        .add(K2, 103, "order.placed", order("o-2", "B1", 500), v2.clone())
        .add(K2, 104, "loyalty.earned", json!({"entry": "e-1", "points": 4, "pending": true}), v2.clone())
        .add(K2, 105, "visit.ended", ended, v2)
        .add(K2, 200, "visit.started", started, card.clone())
        .add(K2, 201, "visit.identified", identified, card.clone())
        .add(K2, 202, "order.placed", order("o-3", "B2", 650), card.clone())
        .add(K2, 203, "loyalty.burned", json!({"entry": "e-2", "points": 3, "pending": false}), card);
    script.events
}

fn erasure_request(of: &str) -> Value {
    let mut script = Script::default();
    let source = "/stores/s-001/devices/counter";
    script.add(source, 300, "visitor.erasure_requested", json!({"by": "guest"}), json!({"visitor": of}));
    let mut event = script.events.remove(0);
    event["id"] = json!(Uuid::from_u128(999));
    event
}

/// Sends events in batches of the given size; every event is sent twice.
fn send(connection: &Connection, events: &[Value], batch: usize) {
    let may = MayWrite::Under("/stores/s-001".into());
    for chunk in events.chunks(batch) {
        let twice: Vec<&Value> = chunk.iter().chain(chunk).collect();
        let answer = ingest::take(connection, &may, &read_batch(&serde_json::to_vec(&twice).unwrap()).unwrap(), NOW).unwrap();
        assert!(answer.results.iter().all(|r| matches!(r.status, Status::Accepted | Status::Duplicate)), "{answer:?}");
        // With single events what is to be folded piles up; with larger batches it is folded in pieces between them.
        catch_up(connection, batch - 1, NOW).unwrap();
    }
    catch_up(connection, usize::MAX, NOW).unwrap();
}

fn profile(connection: &Connection, id: &str) -> Option<Profile> {
    visitor::profile(connection, id).unwrap()
}

/// All visits and profiles, without the versions, which count changes and so depend on the order of arrival.
fn known(connection: &Connection) -> Vec<String> {
    let mut all = visitor::strings(connection, "SELECT body || ?1 FROM visit ORDER BY id", "").unwrap();
    for id in [V1, V2] {
        all.push(serde_json::to_string(&profile(connection, id).map(|p| Profile { version: 0, ..p })).unwrap());
    }
    all.extend(visitor::strings(connection, "SELECT ord || state || ?1 FROM visit_order ORDER BY 1", "").unwrap());
    all
}

/// Everything that is in the database, as text.
fn dump(connection: &Connection) -> String {
    let tables = visitor::strings(connection, "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> ?1", "").unwrap();
    let mut text = String::new();
    for table in tables {
        let mut query = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = query.column_count();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                text.push_str(&format!("{table}: {:?}\n", row.get::<_, rusqlite::types::Value>(column).unwrap()));
            }
        }
    }
    text
}

#[test]
fn a_story_is_folded_into_visits_orders_and_one_person() {
    let db = in_memory();
    send(&db, &story(), 100);
    let profile = profile(&db, V2).unwrap();
    assert_eq!((profile.visitor.as_str(), profile.merged_into.as_deref()), (V1, Some(V1)));
    assert_eq!((profile.display_name.as_deref(), profile.visits, profile.points), (Some("Zebulon"), 3, 1));
    assert_eq!(profile.consent, Consent::Personal, "the stricter of the merged");
    assert_eq!(profile.last_feedback.unwrap().csat, Some(5));
    let visits = visitor::recent_visits(&db, V1).unwrap();
    assert_eq!(visits.len(), 3);
    let first = &visits[2];
    assert_eq!((first.visitid.clone(), first.outcome.as_deref(), first.touches), (visit(1), Some("completed"), Some(9)));
    let order = &first.orders[0];
    assert_eq!((order.state.as_str(), order.payments.len(), order.payments[0].state.as_str()), ("collected", 1, "approved"));
    assert_eq!(visits[0].visitor.as_deref(), Some(V1), "found by the card alone");
}

#[test]
fn consent_of_a_late_join_is_not_lost_and_the_version_only_rises() {
    let db = in_memory();
    let mut last = 0;
    for event in story() {
        send(&db, &[event], 1);
        let version = [V1, V2].iter().filter_map(|id| profile(&db, id)).map(|p| p.version).max().unwrap_or(0);
        assert!(version >= last, "{version} after {last}");
        last = version;
    }
    assert!(last > 0);
}

#[test]
fn a_guest_who_joins_anew_with_the_erased_card_is_a_new_person() {
    let db = in_memory();
    send(&db, &story(), 100);
    send(&db, &[erasure_request(V1)], 1);
    let late = NOW / 1_000 - 1_795_257_000 + 60;
    let joined = json!({"token": "1:ab", "display_name": "Nora", "text_version": "3"});
    let v3 = "v_33333333333333333333333333333333";
    let mut script = Script::default();
    let source = "/stores/s-001/devices/k-0333";
    script.add(source, late, "visitor.joined", joined, json!({"visitor": v3, "visitid": visit(9), "consent": "service"})).add(
        source,
        late + 1,
        "visit.identified",
        json!({"method": "uid", "assurance": "low", "token": "1:ab"}),
        json!({"visitid": visit(10)}),
    );
    let mut events = script.events;
    events[0]["id"] = json!(Uuid::from_u128(5_001));
    events[1]["id"] = json!(Uuid::from_u128(5_002));
    send(&db, &events, 2);
    let nora = profile(&db, v3).unwrap();
    assert_eq!((nora.display_name.as_deref(), nora.visits), (Some("Nora"), 2));
    assert_eq!(profile(&db, V1), None);
}

#[test]
fn an_erased_event_keeps_money_and_tax_and_its_place() {
    let raw = story()[2].to_string();
    let erased: Value = serde_json::from_str(&erase::scrub(&raw).unwrap()).unwrap();
    assert_eq!(erased["erased"], json!(true));
    for kept in ["id", "log", "sequence", "type"] {
        assert_eq!(erased[kept], story()[2][kept]);
    }
    for kept in ["total", "tax", "lines", "discounts", "order"] {
        assert_eq!(erased["data"][kept], story()[2]["data"][kept]);
    }
    assert!(erased.get("visitor").is_none() && erased["data"].get("called_name").is_none());
    assert_eq!(erase::scrub(&erased.to_string()).unwrap(), erased.to_string(), "twice is once");
}

#[test]
fn of_an_alarm_its_word_is_left_but_not_what_somebody_wrote() {
    let raw = json!({"type": "cem.device.alarm.v1", "id": "i", "data": {"alarm": "log_conflict", "detail": "Zebulon called"}});
    let erased = erase::scrub(&raw.to_string()).unwrap();
    assert!(erased.contains("log_conflict") && !erased.contains("Zebulon"), "{erased}");
}

#[test]
fn of_an_unknown_type_only_numbers_and_money_are_left() {
    let raw = json!({"type": "cem.later.v2", "id": "i", "nickname": "Zeb", "data": {"order": "Zeb", "name": "Zeb", "points": 3,
        "to": ["Zeb"], "from": {"deep": "Zeb"}, "amount": {"minor": 5, "currency": "EUR"}, "tip": "Zeb"}});
    let erased = erase::scrub(&raw.to_string()).unwrap();
    assert!(!erased.contains("Zeb"), "{erased}");
    assert!(erased.contains(r#""amount":{"currency":"EUR","minor":5}"#) && erased.contains(r#""points":3"#), "{erased}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_order_of_arrival_gives_the_same_visits_and_persons(
        events in Just(story()).prop_shuffle(), batch in 1usize..12,
    ) {
        let (straight, shuffled) = (in_memory(), in_memory());
        send(&straight, &story(), 100);
        send(&shuffled, &events, batch);
        prop_assert_eq!(known(&straight), known(&shuffled));
    }

    #[test]
    fn whenever_the_erasure_arrives_nothing_names_the_person_in_the_end(
        events in Just([story(), vec![erasure_request(V1)]].concat()).prop_shuffle(), batch in 1usize..12,
    ) {
        let db = in_memory();
        send(&db, &events, batch);
        let text = dump(&db);
        prop_assert!(!text.contains("Zebulon"), "{}", text);
        prop_assert!(profile(&db, V1).is_none() && profile(&db, V2).is_none());
        for line in text.lines().filter(|line| line.contains("1:ab") || line.contains(V1) || line.contains(V2)) {
            prop_assert!(line.starts_with("erasure:") || line.starts_with("erased_"), "{}", line);
        }
        let told = crate::feed::erasures(&db, 0, 500, "").unwrap();
        let mut told: Vec<String> = told.into_iter().flat_map(|e| [vec![e.visitor], e.merged, e.tokens].concat()).collect();
        told.sort();
        told.dedup();
        prop_assert_eq!(told, ["1:ab", V1, V2]);
        let minor: i64 = db.query_row("SELECT sum(minor) FROM visit_order", [], |row| row.get(0)).unwrap();
        prop_assert_eq!(minor, 430 + 500 + 650);
    }
}
