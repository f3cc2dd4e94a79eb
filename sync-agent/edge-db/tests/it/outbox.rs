use crate::common::*;
use edge_db::{
    AttemptState, Class, Commit, LogReader, OpenError, OrderCounter, OrderState, Outbox, OutboxOptions, Refused, WriteError,
};
use std::{collections::BTreeSet, fs, path::Path, sync::Arc, thread};
use uuid::Uuid;

#[test]
fn numbers_are_gapless_under_concurrent_producers() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let outbox = Arc::new(open(&path));
    let threads: Vec<_> = (0..16)
        .map(|producer| {
            let outbox = outbox.clone();
            thread::spawn(move || {
                (0..50).map(|n| outbox.commit(telemetry(producer * 1000 + n)).unwrap().sequences[0].1).collect::<Vec<_>>()
            })
        })
        .collect();
    let given: BTreeSet<u64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(given, (1..=800).collect());
    let health = outbox.health();
    assert_eq!((health.commits, health.events, health.waiting), (800, 800, 0));
    assert!(health.transactions < 800, "16 producers share transactions, {} were needed", health.transactions);
    let stored = rows(&path);
    assert_eq!(stored.iter().map(|row| row.sequence).collect::<Vec<_>>(), (1..=800).collect::<Vec<_>>());
}

#[test]
fn the_stored_bytes_are_the_contract_s_event_with_its_place_in_the_log() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let outbox = open(&path);
    let committed = outbox.commit(telemetry(7)).unwrap();
    let row = rows(&path).remove(0);
    assert_eq!(row.body, event(7).seal(SOURCE, committed.log, 1, NOW_MS));
    assert_eq!((row.id, row.kind.as_str(), row.time_ms, row.recorded_ms), (event(7).id, "cem.presence.seen.v1", NOW_MS, NOW_MS));
}

#[test]
fn order_payment_counter_and_event_are_one_transaction() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let outbox = open(&path);
    let terminal = edge_db::TerminalRow {
        terminal: "t-1".to_owned(),
        tid: "T1".to_owned(),
        period: 3,
        last_receipt: Some(42),
        last_trace: None,
        updated_ms: NOW_MS,
    };
    let good = Commit {
        terminal: Some(terminal.clone()),
        class: Class::Sale,
        events: vec![event(1)],
        orders: vec![order(1)],
        attempts: vec![attempt(1, AttemptState::Started)],
        counter: Some(OrderCounter { business_date: "2026-11-21".to_owned(), value: 17 }),
        ..Commit::default()
    };
    outbox.commit(good).unwrap();
    let settled = edge_db::AttemptRow { reference: Some(42), period: Some(3), ..attempt(1, AttemptState::Approved) };
    outbox.commit(Commit { attempts: vec![settled], class: Class::Settlement, ..Commit::default() }).unwrap();
    let stolen = edge_db::AttemptRow { reference: Some(42), period: Some(3), ..attempt(2, AttemptState::Approved) };
    let bad = Commit {
        terminal: Some(edge_db::TerminalRow { last_receipt: Some(43), ..terminal.clone() }),
        class: Class::Settlement,
        events: vec![event(2)],
        orders: vec![order(2)],
        attempts: vec![stolen],
        counter: Some(OrderCounter { business_date: "2026-11-21".to_owned(), value: 18 }),
        ..Commit::default()
    };
    let error = outbox.submit(bad).unwrap().wait().unwrap_err();
    assert!(matches!(&error, WriteError::Conflict { why } if why.contains("receipt 42")), "{error}");
    assert_eq!(outbox.order(order(1).order).unwrap(), Some(order(1)));
    assert_eq!(outbox.order(order(2).order).unwrap(), None);
    assert_eq!(outbox.order_counter("2026-11-21").unwrap(), 17);
    assert_eq!(outbox.order_counter("2026-11-22").unwrap(), 0);
    assert_eq!(outbox.terminal("t-1").unwrap(), Some(terminal));
    assert_eq!(outbox.held_receipts("t-1", 3).unwrap(), [(3, 42, attempt(1, AttemptState::Started).attempt)]);
    assert_eq!(rows(&path).len(), 1);
    assert_eq!(outbox.log().unwrap().head, 1);
}

#[test]
fn a_commit_that_is_refused_takes_nobody_with_it() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let outbox = open(&path);
    let approved = Commit { attempts: vec![attempt(1, AttemptState::Approved)], ..Commit::default() };
    outbox.commit(approved).unwrap();
    let reopened = || Commit { events: vec![event(99)], attempts: vec![attempt(1, AttemptState::Started)], ..Commit::default() };
    let tickets: Vec<_> = (0..40).map(|n| outbox.submit(if n % 4 == 1 { reopened() } else { telemetry(n) }).unwrap()).collect();
    let mut expected = 1;
    for (n, ticket) in tickets.into_iter().enumerate() {
        match ticket.wait() {
            Ok(committed) => {
                assert_eq!(committed.sequences[0].1, expected);
                expected += 1;
            }
            Err(error) => assert!(n % 4 == 1 && matches!(error, WriteError::Conflict { .. }), "{n}: {error}"),
        }
    }
    assert_eq!(rows(&path).len(), 30);
}

#[test]
fn an_open_attempt_is_found_again_and_a_settled_one_stays_settled() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let outbox = open(&path);
    let put = |row| outbox.commit(Commit { attempts: vec![row], class: Class::Settlement, ..Commit::default() });
    put(attempt(1, AttemptState::Started)).unwrap();
    put(attempt(2, AttemptState::Unknown)).unwrap();
    put(attempt(3, AttemptState::Declined)).unwrap();
    assert!(put(attempt(3, AttemptState::Unknown)).is_err());
    drop(outbox);
    let outbox = open(&path);
    assert_eq!(outbox.open_attempts().unwrap(), [attempt(1, AttemptState::Started), attempt(2, AttemptState::Unknown)]);
    assert_eq!(outbox.attempts_of(order(3).order).unwrap(), [attempt(3, AttemptState::Declined)]);
}

#[test]
fn an_order_is_replaced_and_the_counter_never_falls() {
    let dir = tempdir();
    let outbox = open(&dir.path().join("kiosk.db"));
    let counter = |value| Some(OrderCounter { business_date: "2026-11-21".to_owned(), value });
    outbox.commit(Commit { orders: vec![order(1)], counter: counter(5), ..Commit::default() }).unwrap();
    let ready = edge_db::OrderRow { state: OrderState::Ready, ..order(1) };
    outbox.commit(Commit { orders: vec![ready.clone()], counter: counter(3), ..Commit::default() }).unwrap();
    assert_eq!(outbox.newest_orders(10).unwrap(), [ready]);
    assert_eq!(outbox.order_counter("2026-11-21").unwrap(), 5);
}

#[test]
fn a_reopened_file_goes_on_in_the_same_log() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let outbox = open(&path);
    assert!(outbox.opened().created);
    let log = outbox.commit(telemetry(1)).unwrap().log;
    drop(outbox);
    let outbox = open(&path);
    assert!(!outbox.opened().created && outbox.opened().new_log.is_none());
    let committed = outbox.commit(telemetry(2)).unwrap();
    assert_eq!((committed.log, committed.sequences[0].1), (log, 2));
}

#[test]
fn a_second_writer_is_refused() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let first = open(&path);
    assert!(matches!(Outbox::open(options(&path)), Err(OpenError::InUse { .. })));
    drop(first);
    open(&path);
}

#[test]
fn a_copied_file_opens_a_log_of_its_own_and_keeps_the_old_one() {
    let dir = tempdir();
    let (path, copy) = (dir.path().join("kiosk.db"), dir.path().join("copy.db"));
    let outbox = open(&path);
    let log = outbox.commit(telemetry(1)).unwrap().log;
    drop(outbox);
    fs::copy(&path, &copy).unwrap();
    fs::copy(dir.path().join("kiosk.db-wal"), dir.path().join("copy.db-wal")).unwrap();
    let outbox = open(&copy);
    assert_eq!(outbox.opened().new_log.as_deref(), Some("copied"));
    let committed = outbox.commit(telemetry(2)).unwrap();
    assert_ne!(committed.log, log);
    assert_eq!(committed.sequences[0].1, 1);
    let reader = LogReader::open(&copy).unwrap().unwrap();
    let logs = reader.logs().unwrap();
    assert_eq!(
        logs.iter().map(|info| (info.log, info.head, info.current)).collect::<Vec<_>>(),
        [(log, 1, false), (committed.log, 1, true)]
    );
    drop(outbox);
    assert!(open(&copy).opened().new_log.is_none());
    assert!(open(&path).opened().new_log.is_none());
}

#[test]
fn another_source_opens_another_log() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    open(&path).commit(telemetry(1)).unwrap();
    let outbox = Outbox::open(OutboxOptions { source: "/stores/s-001/devices/k-02".to_owned(), ..options(&path) }).unwrap();
    assert_eq!(outbox.opened().new_log.as_deref(), Some("another source"));
    assert_eq!(LogReader::open(&path).unwrap().unwrap().source().unwrap(), "/stores/s-001/devices/k-02");
}

#[test]
fn an_event_that_breaks_the_contract_is_refused_by_the_name_of_its_field() {
    let dir = tempdir();
    let outbox = open(&dir.path().join("kiosk.db"));
    let mut bad = event(1);
    bad.kind = "cem.visit.started.v1".to_owned();
    bad.data = serde_json::json!({ "trigger": "touch", "role": 7, "language": "en" });
    let refused = outbox.submit(Commit::events(Class::Sale, vec![bad])).unwrap_err();
    assert!(matches!(&refused, Refused::Invalid { field, .. } if field == "data.role"), "{refused}");
    let large = outbox.submit(Commit::events(Class::Sale, vec![large_event(1, 33 << 10)])).unwrap_err();
    assert!(matches!(large, Refused::TooLarge { what: "event", .. }), "{large}");
    let many = Commit::events(Class::Telemetry, (0..1001).map(event).collect());
    assert!(matches!(outbox.submit(many), Err(Refused::TooLarge { .. })));
    assert_eq!(outbox.log().unwrap().head, 0);
}

#[test]
fn options_that_make_no_sense_are_refused_by_name() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    for source in ["", "k-01", "/stores/s 1", "/stores/\n"] {
        let error = Outbox::open(OutboxOptions { source: source.to_owned(), ..options(&path) }).unwrap_err();
        assert!(matches!(error, OpenError::Option { field: "source", .. }), "{error}");
    }
    let mut small = options(&path);
    small.limits.max_bytes = 1000;
    assert!(matches!(Outbox::open(small), Err(OpenError::Option { field: "max_bytes", .. })));
    let foreign = dir.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t(x)").unwrap();
    assert!(matches!(Outbox::open(options(&foreign)), Err(OpenError::Option { field: "path", .. })));
}

#[test]
fn a_completion_is_called_once_for_every_commit_taken() {
    let dir = tempdir();
    let outbox = open(&dir.path().join("kiosk.db"));
    let (sender, receiver) = std::sync::mpsc::channel();
    for n in 0..10 {
        let sender = sender.clone();
        outbox.submit_with(telemetry(n), Box::new(move |answer| sender.send(answer).unwrap())).unwrap();
    }
    drop((outbox, sender));
    let sequences: Vec<u64> = receiver.iter().map(|answer| answer.unwrap().sequences[0].1).collect();
    assert_eq!(sequences, (1..=10).collect::<Vec<_>>());
}

#[test]
fn a_panicking_completion_does_not_stop_the_writer() {
    let dir = tempdir();
    let outbox = open(&dir.path().join("kiosk.db"));
    outbox.submit_with(telemetry(1), Box::new(|_| panic!("on purpose"))).unwrap();
    assert_eq!(outbox.commit(telemetry(2)).unwrap().sequences[0].1, 2);
}

#[test]
fn one_commit_costs_one_transaction_and_the_wal_keeps_its_prepared_size() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let mut options = options(&path);
    // Making the tables writes more than the smallest log holds.
    options.limits.wal_bytes = 256 * 1024;
    let outbox = Outbox::open(options).unwrap();
    let wal = || fs::metadata(dir.path().join("kiosk.db-wal")).unwrap().len();
    let prepared = outbox.options().limits.wal_bytes;
    assert_eq!(wal(), prepared);
    let before = outbox.health().transactions;
    for n in 0..300 {
        outbox.commit(telemetry(n)).unwrap();
    }
    assert_eq!(outbox.health().transactions - before, 300);
    assert!(outbox.health().checkpoints > 0, "the WAL is copied back at its bound, nobody being idle");
    assert_eq!(wal(), prepared);
    drop(outbox);
    assert_eq!(wal(), prepared);
    assert_eq!(rows(&path).len(), 300);
}

#[test]
fn a_reader_does_not_exist_before_the_file_and_never_holds_a_checkpoint() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    assert!(LogReader::open(&path).unwrap().is_none());
    fs::write(&path, b"").unwrap();
    assert!(LogReader::open(&path).unwrap().is_none());
    let outbox = open(&path);
    let reader = LogReader::open(&path).unwrap().unwrap();
    let log = reader.logs().unwrap()[0].log;
    let version = reader.data_version().unwrap();
    let mut next = 0;
    for n in 0..200 {
        outbox.commit(telemetry(n)).unwrap();
        next = reader.after(log, next, 1, usize::MAX).unwrap().next;
    }
    assert_eq!((next, reader.head(log).unwrap()), (200, 200));
    assert_ne!(reader.data_version().unwrap(), version);
    outbox.housekeep().unwrap();
    let wal = outbox.health().wal_bytes;
    assert!(wal < outbox.options().limits.checkpoint_bytes, "{wal} bytes wait in the WAL");
    assert_eq!(reader.after(Uuid::nil(), 0, 10, 10).unwrap().rows, []);
}

#[test]
fn a_reader_pages_by_rows_and_by_bytes() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let outbox = open(&path);
    outbox.commit(Commit::events(Class::Telemetry, (0..30).map(|n| large_event(n, 1000)).collect())).unwrap();
    let reader = LogReader::open(&path).unwrap().unwrap();
    let log = outbox.log().unwrap().log;
    assert_eq!(reader.after(log, 0, 10, usize::MAX).unwrap().rows.len(), 10);
    let by_bytes = reader.after(log, 10, 100, 5000).unwrap();
    assert_eq!((by_bytes.rows.len(), by_bytes.next), (4, 14));
    assert_eq!(reader.after(log, 14, 100, 1).unwrap().rows.len(), 1);
    assert_eq!(reader.after(log, 30, 100, 100).unwrap().rows.len(), 0);
    assert_eq!(reader.at(log, 17).unwrap().rows[0].id, event(16).id);
}

#[test]
fn acknowledged_rows_are_kept_for_the_window_and_then_given_up() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let clock = Arc::new(std::sync::atomic::AtomicI64::new(NOW_MS));
    let ticks = clock.clone();
    let set = |ms| clock.store(ms, std::sync::atomic::Ordering::Relaxed);
    let outbox = Outbox::open(OutboxOptions {
        clock: Arc::new(move || ticks.load(std::sync::atomic::Ordering::Relaxed)),
        ..options(&path)
    })
    .unwrap();
    const DAY: i64 = 86_400_000;
    set(5_000); // a clock that was never set: these rows have the age of the next one
    outbox.commit(telemetry(1)).unwrap();
    set(NOW_MS);
    outbox.commit(telemetry(2)).unwrap();
    set(NOW_MS + 10 * DAY);
    outbox.commit(telemetry(3)).unwrap();
    let log = outbox.log().unwrap().log;
    outbox.acknowledged(log, 2).unwrap();
    outbox.housekeep().unwrap();
    assert_eq!(outbox.log().unwrap().first, 1, "the window has not passed");
    set(NOW_MS + 100 * DAY);
    outbox.housekeep().unwrap();
    assert_eq!(outbox.log().unwrap().first, 3, "number 3 is not acknowledged, whatever its age");
    assert_eq!(rows(&path).iter().map(|row| row.sequence).collect::<Vec<_>>(), [3]);
    outbox.acknowledged(log, 3).unwrap();
    outbox.housekeep().unwrap();
    assert_eq!(outbox.commit(telemetry(4)).unwrap().sequences[0].1, 4, "an empty log goes on counting");
    drop(outbox);
    assert_eq!(open(&path).log().unwrap().first, 4);
}

#[test]
fn a_file_of_the_next_version_is_opened_if_it_says_so() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    open(&path).commit(telemetry(1)).unwrap();
    set_schema(&path, 2, 1);
    let outbox = open(&path);
    assert_eq!(outbox.commit(telemetry(2)).unwrap().sequences[0].1, 2);
    assert_eq!(rows(&path).len(), 2);
    drop(outbox);
    set_schema(&path, 3, 2);
    let error = Outbox::open(options(&path)).unwrap_err();
    assert!(matches!(error, OpenError::TooNew { found: 3, needs: 2, ours: 1, .. }), "{error}");
    assert!(matches!(LogReader::open(&path), Err(edge_db::ReadError::TooNew { .. })));
}

fn set_schema(path: &Path, version: u32, min_reader: u32) {
    let conn = rusqlite::Connection::open(path).unwrap();
    conn.execute("UPDATE schema SET version = ?1, min_reader = ?2 WHERE module = 'log'", [version, min_reader]).unwrap();
}

/// Long form: `cargo test -p edge-db -- --ignored --nocapture`.
#[test]
#[ignore = "writes 250 MB"]
fn a_month_of_events_opens_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kiosk.db");
    let month = || OutboxOptions { limits: edge_db::Limits::default(), ..options(&path) };
    let outbox = Outbox::open(month()).unwrap();
    for n in 0..500 {
        let mut commit = Commit::events(Class::Sale, (0..1000).map(|at| large_event(n * 1000 + at, 250)).collect());
        for at in 0..34 {
            commit.orders.push(order(n * 34 + at));
            commit.attempts.push(attempt(n * 34 + at, AttemptState::Approved));
        }
        outbox.commit(commit).unwrap();
    }
    drop(outbox);
    let before = std::time::Instant::now();
    let outbox = Outbox::open(month()).unwrap();
    let took = before.elapsed();
    println!("{} MB, {} events, opened in {took:?}", fs::metadata(&path).unwrap().len() >> 20, outbox.log().unwrap().head);
    assert!(took.as_secs() < 1, "{took:?}");
}
