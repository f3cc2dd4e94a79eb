use crate::common::*;
use edge_db::{Class, Commit, CommitError, Outbox, OutboxOptions, Refused, WriteError};
use std::path::Path;

fn tiny(path: &Path) -> OutboxOptions {
    let mut options = options(path);
    options.limits.max_bytes = 1 << 20;
    options
}

/// Commits events of 4 KB until one is not taken; how many were.
fn fill(outbox: &Outbox, class: Class, start: u64) -> (u64, CommitError) {
    for n in start.. {
        if let Err(error) = outbox.commit(Commit::events(class, vec![large_event(n, 4000)])) {
            return (n - start, error);
        }
    }
    unreachable!("the file has a bound")
}

#[test]
fn telemetry_is_given_up_first_then_new_sales_and_what_was_begun_is_finished() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let outbox = Outbox::open(tiny(&path)).unwrap();
    let (telemetry, error) = fill(&outbox, Class::Telemetry, 0);
    assert!(matches!(error, CommitError::Refused(Refused::Full { class: Class::Telemetry, .. })), "{error}");
    let (sales, error) = fill(&outbox, Class::Sale, telemetry);
    assert!(matches!(error, CommitError::Refused(Refused::Full { class: Class::Sale, .. })), "{error}");
    assert!(sales > 10, "{sales}");
    let (settlements, error) = fill(&outbox, Class::Settlement, telemetry + sales);
    assert!(matches!(error, CommitError::Write(WriteError::Full { .. })), "{error}");
    assert!(settlements > 3, "{settlements}");
    let all = telemetry + sales + settlements;
    assert_eq!(outbox.health().telemetry_refused, 1);
    assert!(outbox.health().poisoned.is_none());
    assert!(outbox.health().used_bytes <= 1 << 20);
    assert_eq!(rows(&path).len() as u64, all);
    assert_eq!(outbox.log().unwrap().head, all);
    drop(outbox);
    let outbox = Outbox::open(tiny(&path)).unwrap();
    assert_eq!(outbox.log().unwrap().head, all);
    assert!(outbox.opened().salvage.is_none() && outbox.opened().holes.is_empty());
}

#[test]
fn acknowledged_rows_are_given_up_before_telemetry_is() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let outbox = Outbox::open(tiny(&path)).unwrap();
    let log = outbox.log().unwrap().log;
    for n in 1..=1000 {
        let committed = outbox.commit(Commit::events(Class::Telemetry, vec![large_event(n, 4000)])).unwrap();
        assert_eq!(committed.sequences[0].1, n);
        outbox.acknowledged(log, n).unwrap();
    }
    assert!(outbox.health().trimmed > 700);
    assert_eq!(outbox.health().telemetry_refused, 0);
    assert_eq!(rows(&path).last().unwrap().sequence, 1000);
}

#[test]
fn a_full_file_takes_events_again_once_the_backend_has_the_old_ones() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let outbox = Outbox::open(tiny(&path)).unwrap();
    let (count, _) = fill(&outbox, Class::Settlement, 0);
    let log = outbox.log().unwrap().log;
    outbox.acknowledged(log, count - 2).unwrap();
    let committed = outbox.commit(Commit::events(Class::Settlement, vec![large_event(count, 4000)])).unwrap();
    assert_eq!(committed.sequences[0].1, count + 1);
    assert_eq!(outbox.commit(telemetry(count + 1)).unwrap().sequences[0].1, count + 2);
}

/// Where not even a sale is taken, nothing comes to the writer that could bring it to its bounds.
#[test]
fn a_sale_that_was_refused_is_taken_once_the_backend_has_the_old_rows() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let outbox = Outbox::open(tiny(&path)).unwrap();
    let (count, _) = fill(&outbox, Class::Sale, 0);
    let log = outbox.log().unwrap().log;
    outbox.acknowledged(log, count).unwrap();
    let sale = |n| Commit::events(Class::Sale, vec![large_event(n, 4000)]);
    let first = outbox.commit(sale(count));
    assert!(matches!(first, Err(CommitError::Refused(Refused::Full { .. }))), "{first:?}");
    // Returns once the writer has come to what it was asked before.
    outbox.acknowledged(log, count).unwrap();
    assert_eq!(outbox.commit(sale(count)).unwrap().sequences[0].1, count + 1);
}

#[test]
fn a_queue_in_memory_is_bounded_and_keeps_a_quarter_for_sales() {
    let dir = tempdir();
    let mut options = options(&dir.path().join("kiosk.db"));
    options.limits.queue_len = 8;
    let outbox = Outbox::open(options).unwrap();
    // The writer is held up by the first completion until all others have been tried.
    let (hold, held) = std::sync::mpsc::sync_channel::<()>(0);
    let (started, begun) = std::sync::mpsc::channel();
    let block = Box::new(move |_| {
        started.send(()).unwrap();
        let _ = held.recv();
    });
    outbox.submit_with(telemetry(0), block).unwrap();
    begun.recv().unwrap();
    let tickets: Vec<_> = (1..20).filter_map(|n| outbox.submit(telemetry(n)).ok()).collect();
    assert_eq!(tickets.len(), 6);
    assert!(matches!(outbox.submit(telemetry(20)), Err(Refused::Busy { waiting: 6 })));
    let sale = outbox.submit(Commit::events(Class::Sale, vec![event(21)])).unwrap();
    hold.send(()).unwrap();
    assert_eq!(sale.wait().unwrap().sequences[0].1, 8);
    tickets.into_iter().for_each(|ticket| drop(ticket.wait().unwrap()));
}

#[test]
fn the_ballast_is_written_and_its_absence_is_healed() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let ballast = dir.path().join("kiosk.db-ballast");
    let outbox = open(&path);
    assert_eq!(std::fs::metadata(&ballast).unwrap().len(), outbox.options().limits.ballast_bytes);
    assert!(outbox.health().ballast);
    std::fs::remove_file(&ballast).unwrap();
    outbox.housekeep().unwrap();
    assert!(ballast.exists());
}
