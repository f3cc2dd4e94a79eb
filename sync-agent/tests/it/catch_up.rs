//! How many bytes and how much time a catch-up costs. Counts are asserted; times are printed and belong to a bench.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cem_contract::NewEvent;
use edge_db::{Class, Commit, Outbox, OutboxOptions};
use serde_json::json;
use sync_agent::clock::Floor;
use sync_agent::config::Config;
use sync_agent::http::Client;
use sync_agent::retry::Jitter;
use sync_agent::run::engine;
use sync_agent::store::Store;
use sync_agent::upload::{Until, Upload, Wiring};
use tokio::sync::{Notify, mpsc, watch};
use uuid::Uuid;

use crate::ledger::Ledger;
use crate::tcp::Server;

/// A UUIDv7 of its own millisecond: ids made in one burst would compress better than a shop's.
fn id(jitter: &mut Jitter, ms: u64) -> Uuid {
    let random = (u128::from(jitter.between(0, u64::MAX)) << 64) | u128::from(jitter.between(0, u64::MAX));
    let bits = (u128::from(ms) << 80) | (random & ((1 << 80) - 1));
    uuid::Builder::from_u128(bits).with_version(uuid::Version::SortRand).with_variant(uuid::Variant::RFC4122).into_uuid()
}

/// A basket of one to four articles, as a shop sells them.
fn order(jitter: &mut Jitter, n: u64) -> NewEvent {
    let lines: Vec<_> = (0..jitter.between(1, 4))
        .map(|line| {
            let sku = jitter.between(100, 400);
            let minor = jitter.between(150, 1_400);
            json!({"line": line + 1, "sku": format!("A-{sku}"), "name": format!("Article {sku}"), "quantity": jitter.between(1, 3),
                "amount": {"minor": minor, "currency": "EUR"}, "tax_code": "A"})
        })
        .collect();
    let now = 1_795_257_000_000 + n * 731;
    NewEvent {
        id: id(jitter, now),
        kind: "cem.order.placed.v1".into(),
        time_ms: i64::try_from(now).unwrap(),
        visitid: Some(id(jitter, now - 60_000)),
        visitor: None,
        consent: cem_contract::Consent::None,
        clock: cem_contract::Clock::Synced,
        boot: "3c7b2f60-1fd6-4a5e-9d0e-6a1f2a9c0b11".into(),
        uptime_ms: 5_000 + n * 731,
        data: json!({"order": id(jitter, now), "number": format!("A-{}", n % 100), "service": "eat_in", "lines": lines, "discounts": [],
            "tax": [{"code": "A", "rate": "0.07", "base": {"minor": 1_000, "currency": "EUR"}, "amount": {"minor": 70, "currency": "EUR"},
                "included": true}], "total": {"minor": jitter.between(200, 4_000), "currency": "EUR"}, "business_date": "2026-11-21"}),
    }
}

fn rss_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

async fn catch_up(events: u64, round_trip: Duration) -> (usize, usize, Duration) {
    let server = Server::start(Ledger::default()).await;
    *server.delay.lock().unwrap() = round_trip;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "right").unwrap();
    let text = format!(
        "outbox = \"kiosk.db\"\nstate = \"agent.db\"\nsource = \"/stores/s-001/devices/k-01\"\n[backend]\nurl = \"{}\"\ntoken_file = \"token\"\n",
        server.url
    );
    let config = Config::parse(&text, &dir.path().join("agent.toml")).unwrap();
    let mut jitter = Jitter::seeded("baskets");
    let kiosk = Outbox::open(OutboxOptions::new(&config.outbox, &config.source)).unwrap();
    let mut raw = 0;
    for first in (0..events).step_by(500) {
        let some: Vec<NewEvent> = (first..(first + 500).min(events)).map(|n| order(&mut jitter, n)).collect();
        raw += some.iter().map(|e| e.seal(&config.source, Uuid::nil(), 1, 0).len()).sum::<usize>();
        kiosk.commit(Commit::events(Class::Sale, some)).unwrap();
    }
    let store = Store::open(&config.state, &config.source).unwrap();
    let (_stop, stopped) = watch::channel(false);
    let (_orders, commands) = mpsc::channel(1);
    let wiring = Wiring {
        name: "backend".to_owned(),
        store: store.clone(),
        wake: Arc::new(Notify::new()),
        commands,
        stop: stopped,
        watcher: None,
        gather: Duration::from_millis(20),
        dates: None,
        kiosk: config.kiosk_path(),
    };
    let client = Client::new(&config.backend, config.batch.pipeline, Floor::default()).unwrap();
    let upload = Upload::new(engine(&config), Arc::new(client), wiring, &config.outbox, &config.state);
    let begun = Instant::now();
    assert_eq!(upload.run(Until::ONCE).await.unwrap(), None);
    let took = begun.elapsed();
    let ledger = server.ledger.lock().unwrap();
    assert_eq!(ledger.stored.len() as u64, events);
    assert!(ledger.applied.values().all(|times| *times == 1));
    (raw, server.wire_bytes.load(Ordering::Relaxed), took)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batched_events_of_real_size_cost_little_on_the_wire() {
    let (raw, wire, _) = catch_up(3_000, Duration::ZERO).await;
    println!("{} bytes an event as JSON, {} on the wire", raw / 3_000, wire / 3_000);
    assert!(raw / 3_000 > 700, "events of a real size");
    assert!(wire / 3_000 <= 160, "{} bytes an event on the wire", wire / 3_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_live_event_is_small_too() {
    let (raw, wire, _) = catch_up(1, Duration::ZERO).await;
    println!("{raw} bytes as JSON, {wire} on the wire");
    assert!(wire * 100 <= raw * 62, "{wire} of {raw} bytes");
}

/// `cargo test --release -p sync-agent --test it -- --ignored --nocapture a_hundred_thousand`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a figure, not a rule"]
async fn a_hundred_thousand_events_over_a_round_trip_of_fifty_milliseconds() {
    let before = rss_bytes();
    let (raw, wire, took) = catch_up(100_000, Duration::from_millis(50)).await;
    println!(
        "100,000 events: {} bytes as JSON, {} on the wire, {took:?}; the test's own memory grew by {} MB, its ledger included",
        raw / 100_000,
        wire / 100_000,
        (rss_bytes() - before) >> 20
    );
}
