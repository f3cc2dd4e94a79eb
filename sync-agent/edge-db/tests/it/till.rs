//! The till's book: numbers without a gap, over restarts, refusals, damage and trimming.

use crate::common::*;
use edge_db::{Class, Commit, CommitError, StaffRow, TillRow, TillRows, WriteError};
use uuid::Uuid;

fn line(number: u64, kind: &str, serial: Option<u32>) -> TillRow {
    TillRow {
        till: "1".into(),
        number,
        shift: Uuid::from_u128(7),
        shift_number: 1,
        kind: kind.into(),
        serial,
        order: None,
        body: serde_json::json!({"shift_number": 1, "amount": 5}),
        at_ms: NOW_MS + number as i64,
    }
}

fn commit(entries: Vec<TillRow>) -> Commit {
    Commit { class: Class::Sale, till: TillRows { entries, ..TillRows::default() }, ..Commit::default() }
}

#[test]
fn a_line_or_receipt_that_is_not_the_next_is_refused_with_all_of_its_commit() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let outbox = open(&path);
    outbox.commit(commit(vec![line(1, "opened", None), line(2, "sold", Some(1))])).unwrap();
    for wrong in [line(2, "sold", Some(2)), line(4, "sold", Some(2)), line(3, "sold", Some(1)), line(3, "sold", Some(3))] {
        let error = outbox.commit(commit(vec![wrong])).unwrap_err();
        assert!(matches!(error, CommitError::Write(WriteError::Conflict { .. })), "{error}");
    }
    let error = outbox.commit(commit(vec![line(3, "sold", Some(2)), line(9, "sold", Some(3))])).unwrap_err();
    assert!(matches!(error, CommitError::Write(WriteError::Conflict { .. })), "{error}");
    outbox.commit(commit(vec![line(3, "sold", Some(2))])).unwrap();
    drop(outbox);
    let outbox = open(&path);
    let head = outbox.till("1").unwrap().unwrap();
    assert_eq!((head.last_entry, head.last_serial, head.last_shift, head.open_from()), (3, 2, 1, 1));
    assert_eq!(outbox.till_entries("1", 2, 10).unwrap().len(), 2);
}

#[test]
fn a_start_reads_from_the_shift_or_the_terminals_period_whichever_is_earlier() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let outbox = open(&path);
    outbox.commit(commit(vec![line(1, "opened", None), line(2, "paid", None), line(3, "end_of_day", None)])).unwrap();
    assert_eq!(outbox.till("1").unwrap().unwrap().open_from(), 1);
    outbox.commit(commit(vec![line(4, "closed", None)])).unwrap();
    assert_eq!(outbox.till("1").unwrap().unwrap().open_from(), 4);
    outbox.commit(commit(vec![line(5, "opened", None)])).unwrap();
    assert_eq!(outbox.till("1").unwrap().unwrap().open_from(), 4);
}

#[test]
fn wrong_pins_are_remembered() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let row = StaffRow { staff: "1001".into(), wrong: 3, at_ms: Some(NOW_MS), pin: None };
    let outbox = open(&path);
    let till = TillRows { staff: vec![row.clone()], ..TillRows::default() };
    outbox.commit(Commit { class: Class::Sale, till, ..Commit::default() }).unwrap();
    drop(outbox);
    let outbox = open(&path);
    assert_eq!(outbox.staff("1001").unwrap(), Some(row));
    assert_eq!(outbox.staff("1002").unwrap(), None);
}

#[test]
fn a_damaged_head_comes_back_from_the_book_and_no_number_is_given_twice() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let outbox = open(&path);
    outbox.commit(commit(vec![line(1, "opened", None), line(2, "sold", Some(1)), line(3, "sold", Some(2))])).unwrap();
    drop(outbox);
    rusqlite::Connection::open(&path).unwrap().execute_batch("UPDATE tills SET last_serial = 0").unwrap();
    let outbox = open(&path);
    assert!(outbox.opened().salvage.as_ref().unwrap().torn_tables.contains(&"tills".to_owned()));
    let head = outbox.till("1").unwrap().unwrap();
    assert_eq!((head.last_entry, head.last_serial, head.last_shift, head.open_from()), (3, 2, 1, 1));
    outbox.commit(commit(vec![line(4, "sold", Some(3))])).unwrap();
}
