use crate::common::*;
use edge_db::{AttemptState, Class, Commit, LogReader, OpenError, Outbox, OutboxOptions, ReadError};
use std::{
    fs::{self, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A file with `events` events of about 700 bytes, an order with its attempt every tenth, and an empty WAL.
fn shop(events: u64) -> (TempDir, PathBuf) {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let outbox = open(&path);
    for n in 1..=events {
        let mut commit = Commit::events(Class::Telemetry, vec![large_event(n, 600)]);
        if n % 10 == 0 {
            commit.orders.push(order(n));
            commit.attempts.push(attempt(n, AttemptState::Unknown));
            commit.counter = Some(edge_db::OrderCounter { business_date: "2026-11-21".to_owned(), value: n });
        }
        outbox.commit(commit).unwrap();
    }
    drop(outbox);
    (dir, path)
}

fn sql(path: &Path, text: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(text).unwrap();
}

/// Overwrites a page, counted from 1, and takes the WAL away, which would heal it.
fn smash(path: &Path, page: u64) {
    fs::write(path.with_extension("db-wal"), []).unwrap();
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start((page - 1) * 4096)).unwrap();
    file.write_all(&[0x5a; 4096]).unwrap();
}

/// Pages of a table that hold rows.
fn leaves(path: &Path, table: &str) -> Vec<u64> {
    let conn = rusqlite::Connection::open(path).unwrap();
    let mut statement = conn.prepare("SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = 'leaf' ORDER BY path").unwrap();
    let pages = statement.query_map([table], |row| row.get::<_, i64>(0)).unwrap();
    pages.map(|page| page.unwrap() as u64).collect()
}

#[test]
fn a_changed_row_is_reported_and_its_neighbours_are_read() {
    let (_dir, path) = shop(20);
    for change in
        ["body = body || ' '", "id = randomblob(16)", "kind = 'cem.other.v1'", "time_ms = 1", "recorded_ms = 1", "crc = crc + 1"]
    {
        let (_dir, copy) = shop(20);
        sql(&copy, &format!("UPDATE events SET {change} WHERE key & 0xff = 7"));
        let reader = LogReader::open(&copy).unwrap().unwrap();
        let batch = reader.after(reader.logs().unwrap()[0].log, 0, 100, usize::MAX).unwrap();
        assert_eq!((batch.rows.len(), batch.next), (19, 20), "{change}");
        assert_eq!(batch.holes.iter().map(|hole| (hole.from, hole.to)).collect::<Vec<_>>(), [(7, 7)], "{change}");
        assert_eq!(open(&copy).opened().holes, batch.holes);
    }
    sql(&path, "UPDATE events SET key = key + 1000 WHERE key & 0xff = 20");
    assert!(open(&path).opened().salvage.is_some(), "a number beyond the counter");
}

#[test]
fn missing_rows_are_reported_by_their_numbers() {
    let (_dir, path) = shop(20);
    sql(&path, "DELETE FROM events WHERE key & 0xff IN (1, 2, 8, 9, 10)");
    let reader = LogReader::open(&path).unwrap().unwrap();
    let log = reader.logs().unwrap()[0].log;
    let ranges = |after, rows| {
        let batch = reader.after(log, after, rows, usize::MAX).unwrap();
        batch.holes.iter().map(|hole| (hole.from, hole.to)).collect::<Vec<_>>()
    };
    assert_eq!(ranges(0, 100), [(1, 2), (8, 10)]);
    assert_eq!(ranges(7, 1), [(8, 10)]);
    sql(&path, "DELETE FROM events WHERE key & 0xff > 15");
    assert_eq!(ranges(11, 100), [(16, 20)]);
    let outbox = open(&path);
    let report = outbox.opened().salvage.clone().unwrap();
    let holes: Vec<_> = report.holes.iter().map(|hole| (hole.from, hole.to)).collect();
    // Old copies of deleted rows may still be found in the WAL: the more the better, as long as the count is right.
    assert!(report.events + holes.iter().map(|(from, to)| to - from + 1).sum::<u64>() == 20, "{holes:?}");
    assert_eq!(outbox.opened().new_log.as_deref(), Some("after salvage"));
}

#[test]
fn a_destroyed_page_is_stepped_over_by_the_reader_and_salvaged_by_the_owner() {
    let (_dir, path) = shop(200);
    let pages = leaves(&path, "events");
    smash(&path, pages[pages.len() / 2]);
    let reader = LogReader::open(&path).unwrap().unwrap();
    let log = reader.logs().unwrap()[0].log;
    let (mut next, mut seen, mut lost) = (0, 0, 0);
    loop {
        let batch = reader.after(log, next, 50, usize::MAX).unwrap();
        if batch.next == next {
            break;
        }
        seen += batch.rows.len() as u64;
        lost += batch.holes.iter().map(|hole| hole.to - hole.from + 1).sum::<u64>();
        next = batch.next;
    }
    assert_eq!((next, seen + lost), (200, 200));
    assert!((1..=8).contains(&lost), "{lost}");
    let outbox = open(&path);
    assert_ne!(outbox.quick_check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_destroyed_tail_is_salvaged_and_the_damaged_file_is_kept() {
    let (dir, path) = shop(200);
    smash(&path, *leaves(&path, "events").last().unwrap());
    let reader = LogReader::open(&path).unwrap().unwrap();
    let old = reader.logs().unwrap()[0].log;
    let outbox = open(&path);
    let report = outbox.opened().salvage.clone().unwrap();
    let lost: u64 = report.holes.iter().map(|hole| hole.to - hole.from + 1).sum();
    assert_eq!(report.events + lost, 200);
    assert!((1..=8).contains(&lost), "{lost}");
    assert_eq!(report.holes.last().unwrap().to, 200, "the counter knows how far the log went");
    assert_eq!(outbox.newest_orders(100).unwrap().len(), 20);
    assert_eq!(outbox.open_attempts().unwrap().len(), 20);
    assert!(dir.path().join("kiosk.db.damaged-1").exists() && dir.path().join("kiosk.db.damaged-1-wal").exists());
    assert!(matches!(reader.after(old, 0, 1, 1), Err(ReadError::Replaced { .. })));
    let reader = LogReader::open(&path).unwrap().unwrap();
    let batch = reader.after(old, 0, 1000, usize::MAX).unwrap();
    assert_eq!((batch.rows.len() as u64, batch.next), (report.events, 200));
    assert_ne!(outbox.commit(telemetry(1)).unwrap().log, old);
    assert_eq!(outbox.quick_check().unwrap(), Vec::<String>::new());
    drop(outbox);
    let again = open(&path);
    assert!(again.opened().salvage.is_none() && again.opened().new_log.is_none());
    assert_eq!(again.log().unwrap().head, 1);
}

#[test]
fn a_file_whose_first_page_is_gone_is_set_aside_and_the_shop_opens() {
    for what in ["smashed", "cut", "text"] {
        let (dir, path) = shop(50);
        match what {
            "smashed" => smash(&path, 1),
            "cut" => {
                fs::write(path.with_extension("db-wal"), []).unwrap();
                OpenOptions::new().write(true).open(&path).unwrap().set_len(5000).unwrap();
            }
            _ => {
                fs::write(path.with_extension("db-wal"), []).unwrap();
                fs::write(&path, "this is no database, and long enough not to be taken for an empty one").unwrap();
            }
        }
        let outbox = open(&path);
        let report = outbox.opened().salvage.clone().unwrap();
        assert_eq!(report.events, if what == "smashed" { 50 } else { 0 }, "{what}");
        assert_eq!(report.holes, [], "{what}");
        assert_eq!(outbox.commit(telemetry(1)).unwrap().sequences[0].1, 1);
        assert!(dir.path().join("kiosk.db.damaged-1").exists());
    }
}

#[test]
fn rows_are_carved_out_of_single_pages_where_the_way_to_them_is_lost() {
    for table in ["events", "orders", "attempts", "logs", "order_counters"] {
        let (_dir, path) = shop(200);
        let reader = LogReader::open(&path).unwrap().unwrap();
        let log = reader.logs().unwrap()[0].log;
        drop(reader);
        let conn = rusqlite::Connection::open(&path).unwrap();
        let root: i64 = conn.query_row("SELECT rootpage FROM sqlite_master WHERE name = ?1", [table], |row| row.get(0)).unwrap();
        drop(conn);
        smash(&path, root as u64);
        let outbox = open(&path);
        let report = outbox.opened().salvage.clone().unwrap();
        assert_eq!((report.events, report.holes.len()), (200, 0), "{table}: {report:?}");
        let reader = LogReader::open(&path).unwrap().unwrap();
        assert_eq!(reader.after(log, 0, 1000, usize::MAX).unwrap().rows.len(), 200, "{table}");
        let lost = |name| if table == name { 0 } else { 20 };
        // A table of one page is gone with it.
        assert!(outbox.newest_orders(100).unwrap().len() >= lost("orders"), "{table}");
        assert!(outbox.open_attempts().unwrap().len() >= lost("attempts"), "{table}");
        let counter = outbox.order_counter("2026-11-21").unwrap();
        assert!(counter == 200 || table == "order_counters", "{table}: {counter}");
        assert_eq!(outbox.quick_check().unwrap(), Vec::<String>::new());
    }
}

#[test]
fn what_was_acknowledged_and_given_up_does_not_come_back_as_lost() {
    let (_dir, path) = shop(50);
    let mut opts = options(&path);
    opts.limits.retention_days = 0;
    opts.clock = std::sync::Arc::new(|| NOW_MS + 1);
    let outbox = Outbox::open(opts).unwrap();
    let log = outbox.log().unwrap().log;
    outbox.acknowledged(log, 30).unwrap();
    outbox.housekeep().unwrap();
    assert_eq!(outbox.log().unwrap().first, 31);
    drop(outbox);
    smash(&path, 1);
    let report = open(&path).opened().salvage.clone().unwrap();
    assert_eq!((report.events, report.holes), (20, vec![]));
}

#[test]
fn damage_is_an_error_where_salvage_is_turned_off() {
    let (dir, path) = shop(50);
    smash(&path, 1);
    let before = fs::read(&path).unwrap();
    assert!(matches!(Outbox::open(OutboxOptions { salvage: false, ..options(&path) }), Err(OpenError::Damaged { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(!dir.path().join("kiosk.db.damaged-1").exists());
}

#[test]
fn a_changed_payment_is_damage() {
    let (_dir, path) = shop(50);
    sql(&path, "UPDATE attempts SET amount_minor = 1 WHERE id = (SELECT min(id) FROM attempts)");
    let outbox = open(&path);
    let report = outbox.opened().salvage.clone().unwrap();
    assert_eq!((report.events, report.holes.len()), (50, 0));
    assert_eq!(outbox.open_attempts().unwrap().len(), 4, "the changed one is not believed; it is in the file that was kept");
}

#[test]
fn a_second_salvage_keeps_both_damaged_files() {
    let (dir, path) = shop(50);
    for n in 1..=2 {
        smash(&path, 1);
        open(&path).commit(telemetry(n)).unwrap();
        assert!(dir.path().join(format!("kiosk.db.damaged-{n}")).exists());
    }
}

#[test]
fn a_salvage_that_was_interrupted_anywhere_is_finished_by_the_next_start() {
    // Before the damaged file moved: the half-made new one is thrown away and made again.
    let (dir, path) = shop(50);
    fs::write(dir.path().join("kiosk.db.salvage"), b"half").unwrap();
    assert_eq!(open(&path).log().unwrap().head, 50);
    assert!(!dir.path().join("kiosk.db.salvage").exists());

    // After it moved, with and without its WAL having followed.
    for wal_moved in [false, true] {
        let (dir, path) = shop(50);
        let salvaged = dir.path().join("kiosk.db.salvage");
        fs::copy(&path, &salvaged).unwrap();
        fs::rename(&path, dir.path().join("kiosk.db.damaged-1")).unwrap();
        if wal_moved {
            fs::rename(dir.path().join("kiosk.db-wal"), dir.path().join("kiosk.db.damaged-1-wal")).unwrap();
        }
        let outbox = open(&path);
        assert_eq!(LogReader::open(&path).unwrap().unwrap().logs().unwrap()[0].head, 50);
        assert!(dir.path().join("kiosk.db.damaged-1-wal").exists() && !salvaged.exists());
        drop(outbox);
    }
}
