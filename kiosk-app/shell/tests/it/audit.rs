//! The journal that an auditor gets: read and checked without any program of ours.

use crate::support::NOON;
use edge_db::{Class, Commit, Limits, Outbox, OutboxOptions, TillRow, TillRows};
use kiosk_shell::audit::{COLUMNS, Wanted, export, release};
use std::{path::Path, process::Command, sync::Arc};
use uuid::Uuid;

const DAY_MS: i64 = 86_400_000;

fn row(number: u64, kind: &str, serial: Option<u32>, body: serde_json::Value) -> TillRow {
    let (till, shift, order) = ("k-01".into(), Uuid::from_u128(7), serial.map(|n| Uuid::from_u128(n.into())));
    TillRow { till, number, shift, shift_number: 1, kind: kind.into(), serial, order, body, at_ms: NOON }
}

/// Seven lines over two days, one with everything that a line of text can hold.
fn book() -> Vec<TillRow> {
    let body = |date: &str, amount: i64, reason: &str| {
        serde_json::json!({
            "shift_number": 1, "business_date": date, "tender": "card", "amount": amount, "currency": "EUR", "order_number": "A-1",
            "receipt": 17, "staff": "1001", "reason": reason, "at_utc_ms": NOON,
            "detail": {"tax": [{"code": "A", "rate_ppm": 70_000, "base": 364, "amount": 26, "included": true}]},
        })
    };
    vec![
        row(1, "opened", None, body("2026-11-21", 0, "")),
        row(2, "paid", None, body("2026-11-21", 390, "")),
        row(3, "sold", Some(1), body("2026-11-21", 390, "")),
        row(4, "no_sale", None, body("2026-11-21", 0, "Mrs Boyd, \"the tall one\",\nwanted change")),
        row(5, "refunded", Some(2), body("2026-11-22", -390, "damaged")),
        row(6, "end_of_day", None, body("2026-11-22", 0, "")),
        row(7, "closed", None, body("2026-11-22", 0, "")),
    ]
}

fn outbox(db: &Path, now_ms: i64) -> Outbox {
    let limits = Limits { till_days: 400, ..Limits::small() };
    let options =
        OutboxOptions { limits, clock: Arc::new(move || now_ms), ..OutboxOptions::new(db, "/stores/s-001/devices/k-01") };
    Outbox::open(options).unwrap()
}

fn written(db: &Path) {
    let till = TillRows { entries: book(), ..TillRows::default() };
    outbox(db, NOON).commit(Commit { class: Class::Sale, till, ..Commit::default() }).unwrap();
}

fn wanted(from: Option<&str>, to: Option<&str>) -> Wanted {
    Wanted { till: "k-01".into(), from: from.map(Into::into), to: to.map(Into::into) }
}

fn exported(db: &Path, wanted: &Wanted) -> String {
    let mut out = Vec::new();
    export(db, wanted, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The lines that stand in the file itself, run by a shell: prints the first line that was changed.
fn checked(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let script: String = text.lines().filter_map(|line| line.strip_prefix("#   ")).map(|line| format!("{line}\n")).collect();
    let script = script.replace("FILE", file.to_str().unwrap());
    let done = Command::new("sh").arg("-c").arg(&script).output().unwrap();
    assert!(done.status.success() && done.stderr.is_empty(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_shell_and_sha256sum_find_every_line_that_was_changed_left_out_or_moved() {
    let dir = tempfile::tempdir().unwrap();
    let (db, file) = (dir.path().join("kiosk.db"), dir.path().join("journal.csv"));
    written(&db);
    let good = exported(&db, &wanted(None, None));
    std::fs::write(&file, &good).unwrap();
    assert_eq!(checked(&file), "", "nothing was changed");
    let lines: Vec<&str> = good.lines().collect();
    let first = lines.iter().position(|line| line.starts_with("till,")).unwrap() + 1;
    assert_eq!(lines.len() - first, 7);
    for at in first..lines.len() {
        let mut changed = lines.clone();
        let other = changed[at].replacen("EUR", "USD", 1);
        changed[at] = &other;
        std::fs::write(&file, changed.join("\n") + "\n").unwrap();
        assert!(checked(&file).starts_with(&other), "line {at}");
        if at + 1 < lines.len() {
            let mut short = lines.clone();
            short.remove(at);
            std::fs::write(&file, short.join("\n") + "\n").unwrap();
            assert!(checked(&file).starts_with(lines[at + 1]), "without line {at}");
            let mut moved = lines.clone();
            moved.swap(at, at + 1);
            std::fs::write(&file, moved.join("\n") + "\n").unwrap();
            assert!(!checked(&file).is_empty(), "line {at} moved");
        }
    }
}

#[test]
fn an_auditor_reads_receipts_amounts_and_taxes_and_nobodys_words() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("kiosk.db");
    written(&db);
    let text = exported(&db, &wanted(None, None));
    assert!(text.contains("\n") && text.contains(&COLUMNS.join(",")));
    let sold = text.lines().find(|line| line.contains(",sold,")).unwrap();
    for part in [
        "k-01,3,2026-11-21T10:30:00.000Z,2026-11-21,1,sold,k-01-000001,A-1,",
        ",card,390,EUR,",
        "A:70000ppm:base=364:tax=26:included",
    ] {
        assert!(sold.contains(part), "{part}: {sold}");
    }
    let no_sale = text.lines().find(|line| line.contains(",no_sale,")).unwrap();
    assert!(no_sale.contains(",own_words,") && !text.contains("Boyd"), "{no_sale}");
    assert!(text.contains(",damaged,"));
}

#[test]
fn a_day_of_its_own_has_the_hashes_that_it_has_in_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (db, file) = (dir.path().join("kiosk.db"), dir.path().join("day.csv"));
    written(&db);
    let whole = exported(&db, &wanted(None, None));
    let day = exported(&db, &wanted(Some("2026-11-22"), Some("2026-11-22")));
    let lines: Vec<&str> = day.lines().filter(|line| line.starts_with("k-01,")).collect();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| whole.contains(line)));
    std::fs::write(&file, &day).unwrap();
    assert_eq!(checked(&file), "");
    assert!(export(&db, &wanted(Some("22.11.2026"), None), &mut Vec::new()).is_err());
    let none = exported(&db, &wanted(Some("2027-01-01"), None));
    assert!(!none.contains("\nk-01,"));
}

#[test]
fn lines_stay_until_they_are_kept_elsewhere_and_the_chain_goes_on_behind_those_that_went() {
    let dir = tempfile::tempdir().unwrap();
    let (db, file) = (dir.path().join("kiosk.db"), dir.path().join("rest.csv"));
    written(&db);
    let whole = exported(&db, &wanted(None, None));
    let later = outbox(&db, NOON + 100 * DAY_MS);
    later.housekeep().unwrap();
    assert_eq!(later.till_entries("k-01", 1, 100).unwrap().len(), 7, "nobody has exported them");
    drop(later);
    let first_day = wanted(None, Some("2026-11-21"));
    let written = export(&db, &first_day, &mut Vec::new()).unwrap();
    assert_eq!((written.lines, written.last), (4, 4));
    release(&db, "k-01", &written).unwrap();
    let young = outbox(&db, NOON + 10 * DAY_MS);
    young.housekeep().unwrap();
    assert_eq!(young.till_entries("k-01", 1, 100).unwrap().len(), 7, "they are not old yet");
    drop(young);
    let old = outbox(&db, NOON + 100 * DAY_MS);
    old.housekeep().unwrap();
    assert_eq!(old.till_entries("k-01", 1, 100).unwrap().first().map(|row| row.number), Some(5));
    drop(old);
    let rest = exported(&db, &wanted(None, None));
    assert!(rest.lines().filter(|line| line.starts_with("k-01,")).all(|line| whole.contains(line)));
    std::fs::write(&file, &rest).unwrap();
    assert_eq!(checked(&file), "");
    let forgotten = outbox(&db, NOON + 500 * DAY_MS);
    forgotten.housekeep().unwrap();
    let left = forgotten.till_entries("k-01", 1, 100).unwrap();
    assert_eq!(left.first().map(|row| row.number), Some(7), "what belongs to no closed shift and period stays for ever");
}
