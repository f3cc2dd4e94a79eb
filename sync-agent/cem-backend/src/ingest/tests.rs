#![allow(clippy::unwrap_used)]
use super::*;
use crate::store::in_memory;
use serde_json::{Value, json};

const SOURCE: &str = "/stores/s-001/devices/k-01";
const LOG: u128 = 0x0192_e000_0000_7000_8000_0000_0000_0000;

fn event(id: u128, log: u128, sequence: u64) -> Value {
    json!({
        "specversion": "1.0", "id": Uuid::from_u128(id), "source": SOURCE, "type": "cem.help.called.v1",
        "time": "2026-11-21T10:30:00.123Z", "log": Uuid::from_u128(log), "sequence": cem_contract::time::sequence(sequence),
        "clock": "synced", "data": {"place": "terrace"},
    })
}

/// The same event without a required field.
fn broken(mut event: Value) -> Value {
    event["data"] = json!({});
    event
}

fn take_all(connection: &Connection, events: &[Value]) -> BatchAnswer {
    let body = serde_json::to_vec(events).unwrap();
    take(connection, &MayWrite::Source(SOURCE.into()), &read_batch(&body).unwrap(), 1_795_257_000_000).unwrap()
}

fn statuses(connection: &Connection, events: &[Value]) -> Vec<Status> {
    take_all(connection, events).results.iter().map(|result| result.status).collect()
}

fn gaps_of(answer: &BatchAnswer) -> Vec<(u64, u64)> {
    answer.resend.iter().map(|run| (run.from, run.to)).collect()
}

#[test]
fn an_event_is_accepted_once_and_a_duplicate_for_ever() {
    let db = in_memory();
    let one = event(1, LOG, 1);
    assert_eq!(statuses(&db, &[one.clone(), one.clone()]), [Status::Accepted, Status::Duplicate]);
    assert_eq!(statuses(&db, std::slice::from_ref(&one)), [Status::Duplicate]);
    // Also when its body has become one that would be refused, or its number another: the id was judged first.
    assert_eq!(statuses(&db, &[broken(one), event(1, LOG, 2)]), [Status::Duplicate, Status::Duplicate]);
}

#[test]
fn the_number_of_a_duplicate_counts_as_seen_and_as_used() {
    let db = in_memory();
    assert!(take_all(&db, &[event(1, LOG, 1), event(2, LOG, 3)]).resend.len() == 1);
    assert!(take_all(&db, &[event(1, LOG, 2)]).resend.is_empty());
    assert_eq!(statuses(&db, &[event(9, LOG, 2)]), [Status::Conflict]);
}

#[test]
fn a_number_used_by_another_id_is_a_conflict() {
    let db = in_memory();
    assert_eq!(statuses(&db, &[event(1, LOG, 1), event(2, LOG, 1)]), [Status::Accepted, Status::Conflict]);
    // In a new log the same event is taken, and its old number still belongs to the first.
    assert_eq!(statuses(&db, &[event(2, LOG + 1, 1), event(3, LOG, 1)]), [Status::Accepted, Status::Conflict]);
}

#[test]
fn a_number_used_by_a_rejected_event_belongs_to_that_event() {
    let db = in_memory();
    assert_eq!(statuses(&db, &[broken(event(1, LOG, 1)), event(2, LOG, 1)]), [Status::Rejected, Status::Conflict]);
    assert_eq!(statuses(&db, &[broken(event(1, LOG, 1)), event(1, LOG, 1)]), [Status::Rejected, Status::Accepted]);
    assert_eq!(statuses(&db, &[event(1, LOG, 1)]), [Status::Duplicate]);
}

#[test]
fn a_rejected_event_says_why_and_its_number_counts_as_seen() {
    let db = in_memory();
    let answer = take_all(&db, &[broken(event(1, LOG, 1)), event(2, LOG, 2)]);
    assert_eq!(answer.results[0].reason.as_deref(), Some("data.place: missing"));
    assert!(answer.resend.is_empty());
}

#[test]
fn a_foreign_source_is_rejected_alone_and_leaves_no_trace() {
    let db = in_memory();
    let mut foreign = event(1, LOG, 7);
    foreign["source"] = json!("/stores/s-001/devices/k-02");
    let answer = take_all(&db, &[event(2, LOG, 1), foreign]);
    assert_eq!(answer.results[1].status, Status::Rejected);
    assert!(answer.resend.is_empty());
    let sources: i64 = db.query_row("SELECT count(*) FROM source", [], |row| row.get(0)).unwrap();
    assert_eq!(sources, 1);
}

#[test]
fn a_store_token_may_write_for_what_is_under_it_and_not_for_a_namesake() {
    let may = MayWrite::Under("/stores/s-1".into());
    assert!(may.allows("/stores/s-1/devices/k-01"));
    assert!(!may.allows("/stores/s-1") && !may.allows("/stores/s-12/devices/k-01"));
    assert!(!MayWrite::Source("/stores/s-1/devices/k-1".into()).allows("/stores/s-1/devices/k-12"));
}

#[test]
fn the_same_id_of_another_source_is_another_event() {
    let db = in_memory();
    let mut other = event(1, LOG, 1);
    other["source"] = json!("/stores/s-001/devices/k-02");
    let body = serde_json::to_vec(&[event(1, LOG, 1), other]).unwrap();
    let answer = take(&db, &MayWrite::Under("/stores/s-001".into()), &read_batch(&body).unwrap(), 0).unwrap();
    assert!(answer.results.iter().all(|result| result.status == Status::Accepted));
}

#[test]
fn missing_numbers_are_asked_for_until_they_come_or_are_said_to_be_lost() {
    let db = in_memory();
    assert_eq!(gaps_of(&take_all(&db, &[event(5, LOG, 5)])), [(1, 4)]);
    assert_eq!(gaps_of(&take_all(&db, &[event(2, LOG, 2), event(9, LOG, 9)])), [(1, 1), (3, 4), (6, 8)]);
    let mut lost = event(10, LOG + 1, 1);
    lost["type"] = json!("cem.log.lost.v1");
    lost["data"] = json!({"log": Uuid::from_u128(LOG), "from": 6, "to": 8});
    assert_eq!(gaps_of(&take_all(&db, &[lost])), [(1, 1), (3, 4)]);
    assert!(take_all(&db, &[event(1, LOG, 1), event(3, LOG, 3), event(4, LOG, 4)]).resend.is_empty());
    let rows: i64 = db.query_row("SELECT count(*) FROM seen", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 2, "one row a log without gaps");
}

#[test]
fn no_more_than_a_hundred_runs_are_asked_for_at_once() {
    let db = in_memory();
    let events: Vec<Value> = (1..=150u64).map(|n| event(u128::from(n), LOG, n * 2)).collect();
    assert_eq!(take_all(&db, &events).resend.len(), RESEND_RUNS);
}

#[test]
fn unknown_types_and_members_are_stored_as_they_came() {
    let db = in_memory();
    let raw = r#"{"specversion":"1.0", "zeta": 1e2, "id":"00000000-0000-7000-8000-000000000001","source":"/stores/s-001/devices/k-01",
        "type":"cem.later.v9","time":"2026-11-21T10:30:00Z","log":"00000000-0000-7000-8000-000000000002",
        "sequence":"00000000000000000001","data":[{"deep":12345678901234567890123}]}"#;
    let body = format!("[{raw}]");
    let answer = take(&db, &MayWrite::Source(SOURCE.into()), &read_batch(body.as_bytes()).unwrap(), 0).unwrap();
    assert_eq!(answer.results[0].status, Status::Accepted);
    let stored: String = db.query_row("SELECT body FROM event", [], |row| row.get(0)).unwrap();
    assert_eq!(stored, raw);
}

#[test]
fn elements_that_are_no_events_are_rejected_each_with_what_it_had_for_an_id() {
    let db = in_memory();
    let mut large = event(3, LOG, 1);
    large["data"]["note"] = json!("x".repeat(40_000));
    let mut unnamed = event(4, LOG, 2);
    unnamed["id"] = json!("not-a-uuid");
    let answer = take_all(&db, &[json!(1), json!({}), unnamed, large.clone(), event(5, LOG, 3)]);
    let told: Vec<(&str, Status)> = answer.results.iter().map(|result| (result.id.as_str(), result.status)).collect();
    let (third, fourth) = (Uuid::from_u128(3).to_string(), Uuid::from_u128(5).to_string());
    let expected = [
        ("", Status::Rejected),
        ("", Status::Rejected),
        ("not-a-uuid", Status::Rejected),
        (third.as_str(), Status::Rejected),
        (fourth.as_str(), Status::Accepted),
    ];
    assert_eq!(told, expected);
    assert!(answer.results[3].reason.as_deref().is_some_and(|reason| reason.contains("32768")));
    assert!(answer.resend.is_empty(), "the numbers of rejected events count as seen");
    assert_eq!(statuses(&db, &[event(3, LOG, 1)]), [Status::Accepted], "made smaller, it is judged afresh");
}

#[test]
fn what_is_no_array_of_at_most_a_thousand_is_no_batch() {
    assert!(matches!(read_batch(b"{}"), Err(NoBatch::NotAnArray(_))));
    assert!(matches!(read_batch(b"[1"), Err(NoBatch::NotAnArray(_))));
    assert!(matches!(read_batch(b"[\xff]"), Err(NoBatch::NotAnArray(_))));
    assert!(read_batch(b" [ ] ").unwrap().is_empty());
    let many = format!("[{}]", vec!["1"; 1_001].join(","));
    assert!(matches!(read_batch(many.as_bytes()), Err(NoBatch::TooMany(1_001))));
    let nested = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read_batch(nested.as_bytes()).is_ok_and(|batch| batch[0].event.is_err()));
}
