//! Ten thousand agents come back after an outage of the backend: the real engine and the real retry code on a virtual
//! clock. Stated: 100 events a kiosk-hour (eight visits of a dozen events), a backend that takes C = 10,000 events a
//! second, 50 ms a request; what is offered beyond 1.5 C in a second gets 503 with `Retry-After: 5`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sync_agent::engine::{Command, Effect, Engine, Limits, OnConflict, Outcome, Ticket, Verdict};
use sync_agent::retry::{Policy, Retry};

const EVENTS_AN_HOUR: u64 = 100;
const CAPACITY: u64 = 10_000;
const ROUND_TRIP_MS: u64 = 50;
const POLICY: Policy = Policy { base_ms: 200, cap_ms: 30_000, budget: 10, spread_ms: 600_000 };
const LIMITS: Limits = Limits { max_events: 500, max_bytes: 1 << 20, window: 3_000 };

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Poll,
    Answer(Ticket, usize, u8),
}

struct Fleet {
    engines: Vec<Engine>,
    /// Numbers given and settled, by kiosk.
    heads: Vec<u64>,
    settled: Vec<u64>,
    queue: BinaryHeap<Reverse<(u64, usize, What)>>,
    /// Events offered in each second after the backend is back.
    offered: Vec<u64>,
    refused: u64,
    back_ms: u64,
    last_ms: u64,
}

impl Fleet {
    fn new(kiosks: usize, outage_ms: u64) -> Fleet {
        let mut fleet = Fleet {
            engines: Vec::new(),
            heads: vec![outage_ms * EVENTS_AN_HOUR / 3_600_000; kiosks],
            settled: vec![0; kiosks],
            queue: BinaryHeap::new(),
            offered: vec![0; 7_200],
            refused: 0,
            back_ms: outage_ms,
            last_ms: 0,
        };
        for kiosk in 0..kiosks {
            let retry = Retry::new(POLICY, 4, &format!("/stores/s-{}/devices/k-{}", kiosk / 4, kiosk % 4), 0);
            let mut engine = Engine::new(retry, LIMITS, POLICY.cap_ms);
            engine.add_log(0, OnConflict::Move);
            fleet.engines.push(engine);
            // A kiosk notices the outage with its next event.
            fleet.queue.push(Reverse(((kiosk as u64 * 7_919) % 36_000, kiosk, What::Poll)));
        }
        fleet
    }

    fn run(&mut self) {
        while let Some(Reverse((now_ms, kiosk, what))) = self.queue.pop() {
            if let What::Answer(ticket, events, status) = what {
                let outcome = match status {
                    0 => Outcome::Unknown { what: "cannot connect".into(), retry_after_ms: None },
                    1 => Outcome::Unknown { what: "503".into(), retry_after_ms: Some(5_000) },
                    _ => Outcome::Answered { verdicts: vec![Verdict::Accepted; events], resend: Vec::new() },
                };
                for effect in self.engines[kiosk].answered(now_ms, ticket, outcome) {
                    if let Effect::Watermark { number, .. } = effect {
                        self.settled[kiosk] = number;
                        self.last_ms = now_ms;
                    }
                }
            }
            self.poll(now_ms, kiosk);
        }
    }

    fn poll(&mut self, now_ms: u64, kiosk: usize) {
        loop {
            match self.engines[kiosk].poll(now_ms) {
                Command::Sleep { until_ms: Some(at) } => {
                    self.queue.push(Reverse((at.max(now_ms + 1), kiosk, What::Poll)));
                    return;
                }
                Command::Sleep { until_ms: None } => return,
                Command::Probe(ticket) => self.offer(now_ms, kiosk, ticket, 0),
                Command::Read(order) => {
                    let last = self.heads[kiosk].min(order.to).min(order.after + order.max_events as u64);
                    let numbers: Vec<u64> = match order.only() {
                        Some(only) => only.to_vec(),
                        None => (order.after + 1..=last).collect(),
                    };
                    let next = numbers.last().copied().unwrap_or(order.after);
                    let events = numbers.len();
                    if let (Some(ticket), _) = self.engines[kiosk].sent(order, numbers, next, events * 770) {
                        self.offer(now_ms, kiosk, ticket, events);
                    }
                }
            }
        }
    }

    fn offer(&mut self, now_ms: u64, kiosk: usize, ticket: Ticket, events: usize) {
        let status = match now_ms.checked_sub(self.back_ms) {
            None => 0,
            Some(since) => {
                let second = &mut self.offered[usize::try_from(since / 1_000).unwrap()];
                *second += events as u64;
                let full = *second > CAPACITY * 3 / 2;
                self.refused += u64::from(full);
                if full { 1 } else { 2 }
            }
        };
        self.queue.push(Reverse((now_ms + ROUND_TRIP_MS, kiosk, What::Answer(ticket, events, status))));
    }
}

fn after_an_outage_of(minutes: u64) {
    let mut fleet = Fleet::new(10_000, minutes * 60_000);
    fleet.run();
    let peak = fleet.offered.iter().max().copied().unwrap_or(0);
    let drained_s = fleet.last_ms.saturating_sub(fleet.back_ms) / 1_000;
    println!(
        "10,000 kiosks after {minutes} min: peak {:.2} C, drained in {drained_s} s, {} requests refused",
        peak as f64 / CAPACITY as f64,
        fleet.refused
    );
    assert_eq!(fleet.settled, fleet.heads, "nothing is left");
    assert!(peak * 2 <= CAPACITY * 3, "peak {peak} events a second");
    assert!(drained_s <= 900, "{drained_s} s");
}

#[test]
fn ten_thousand_kiosks_after_half_an_hour_come_back_without_a_stampede() {
    after_an_outage_of(30);
}

/// The figure itself: `cargo test --release -p sync-agent --test it -- --ignored --nocapture four_hours`.
#[test]
#[ignore = "a minute without optimisation"]
fn ten_thousand_kiosks_after_four_hours_come_back_without_a_stampede() {
    after_an_outage_of(240);
}
