//! What the tests share: small files, simple events, a clock that stands still.

use edge_db::{AttemptRow, AttemptState, Class, Commit, Limits, NewEvent, OrderRow, OrderState, Outbox, OutboxOptions};
use serde_json::json;
use std::{path::Path, sync::Arc};
use uuid::Uuid;

pub const SOURCE: &str = "/stores/s-001/devices/k-01";
/// 2026-11-21.
pub const NOW_MS: i64 = 1_795_257_000_000;

/// A directory in memory where there is one: these tests are about behaviour, not about the disk's speed.
pub fn tempdir() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

pub fn options(path: &Path) -> OutboxOptions {
    OutboxOptions { limits: Limits::small(), clock: Arc::new(|| NOW_MS), ..OutboxOptions::new(path, SOURCE) }
}

pub fn open(path: &Path) -> Outbox {
    Outbox::open(options(path)).unwrap()
}

/// An event whose id carries `n`.
pub fn event(n: u64) -> NewEvent {
    NewEvent {
        id: Uuid::from_u64_pair(0x0192_f0c1_0000_7000, 0x8000_0000_0000_0000 | n),
        kind: "cem.presence.seen.v1".to_owned(),
        time_ms: NOW_MS,
        visitid: None,
        visitor: None,
        consent: cem_contract::Consent::None,
        clock: cem_contract::Clock::Synced,
        boot: "b".to_owned(),
        uptime_ms: n,
        data: json!({ "seconds": n }),
    }
}

/// An event of about this many bytes.
pub fn large_event(n: u64, bytes: usize) -> NewEvent {
    NewEvent { data: json!({ "seconds": n, "pad": "x".repeat(bytes) }), ..event(n) }
}

pub fn telemetry(n: u64) -> Commit {
    Commit::events(Class::Telemetry, vec![event(n)])
}

pub fn order(n: u64) -> OrderRow {
    OrderRow {
        order: Uuid::from_u64_pair(0x0192_0000_0000_7000, n),
        number: format!("A-{n}"),
        business_date: "2026-11-21".to_owned(),
        visit: Some(Uuid::from_u64_pair(0x0192_0000_0000_7001, n)),
        state: OrderState::Placed,
        total_minor: 1250,
        currency: "EUR".to_owned(),
        body: json!({ "lines": [n] }),
        updated_ms: NOW_MS,
    }
}

pub fn attempt(n: u64, state: AttemptState) -> AttemptRow {
    AttemptRow {
        attempt: Uuid::from_u64_pair(0x0192_0000_0000_7002, n),
        payment: Uuid::from_u64_pair(0x0192_0000_0000_7003, n),
        order: order(n).order,
        terminal: "t-1".to_owned(),
        tender: "card".to_owned(),
        amount_minor: 1250,
        currency: "EUR".to_owned(),
        state,
        reference: None,
        period: None,
        receipt_before: Some(41),
        acknowledged: false,
        outcome: None,
        note: edge_db::AttemptNote { tid: "T1".to_owned(), trace_before: Some(7), ..Default::default() },
        updated_ms: NOW_MS,
    }
}

/// All rows of the current log, read by a reader of its own.
pub fn rows(path: &Path) -> Vec<edge_db::Row> {
    let reader = edge_db::LogReader::open(path).unwrap().unwrap();
    let log = reader.logs().unwrap().pop().unwrap().log;
    let batch = reader.after(log, 0, usize::MAX, usize::MAX).unwrap();
    assert_eq!(batch.holes, []);
    batch.rows
}
