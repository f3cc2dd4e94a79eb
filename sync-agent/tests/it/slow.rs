//! A line that is slow in every way, on a virtual clock: up to ten seconds each way, a few thousand bytes a second, answers
//! that are lost, and a client that gives up while its request is still on its way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::HeaderMap;
use sync_agent::http::{Answer, Sent, Wire, outcome};
use sync_agent::retry::Jitter;
use sync_agent::upload::Transport;
use uuid::Uuid;

use crate::ledger::Ledger;
use crate::storm::Device;

/// After this the client gives up; what it sent may still arrive.
const TIMEOUT: Duration = Duration::from_secs(15);

struct Line {
    ledger: Arc<Mutex<Ledger>>,
    jitter: Mutex<Jitter>,
    /// Longest delay each way, milliseconds.
    late_ms: u64,
    /// Bytes a second towards the backend; one request after the other.
    bandwidth: u64,
    upward: Arc<tokio::sync::Mutex<()>>,
    /// Of a hundred answers so many are lost.
    loss: u64,
}

impl Line {
    fn new(seed: u64, late_ms: u64, bandwidth: u64, loss: u64) -> Arc<Line> {
        let jitter = Mutex::new(Jitter::seeded(&format!("line {seed}")));
        Arc::new(Line { ledger: Arc::default(), jitter, late_ms, bandwidth, upward: Arc::default(), loss })
    }

    fn delay(&self) -> Duration {
        Duration::from_millis(self.jitter.lock().unwrap().between(0, self.late_ms))
    }
}

impl Transport for Line {
    async fn post_events(&self, ids: Vec<Uuid>, body: Vec<u8>) -> Sent {
        let (there, back) = (self.delay(), self.delay());
        let lost = self.jitter.lock().unwrap().between(0, 99) < self.loss;
        let takes = Duration::from_secs_f64(body.len() as f64 / self.bandwidth as f64);
        let (ledger, upward) = (Arc::clone(&self.ledger), Arc::clone(&self.upward));
        // A task of its own: it arrives whether or not anybody still waits for the answer.
        let request = tokio::spawn(async move {
            let first_come = upward.lock().await;
            tokio::time::sleep(takes).await;
            drop(first_come);
            tokio::time::sleep(there).await;
            let reply = ledger.lock().unwrap().serve(None, &body);
            if lost {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(back).await;
            reply
        });
        match tokio::time::timeout(TIMEOUT, request).await {
            Ok(Ok(reply)) => {
                let answer =
                    Answer { status: reply.status, headers: HeaderMap::new(), body: reply.body.into(), round_trip_ms: 1 };
                outcome(&ids, &answer)
            }
            _ => Sent {
                outcome: Wire::Unknown { what: "no answer in time".into(), retry_after_ms: None },
                date_ms: None,
                round_trip_ms: 0,
                status: None,
            },
        }
    }

    fn token_changed(&self) -> bool {
        false
    }
}

async fn exactly_once(line: Arc<Line>) -> Duration {
    const EVENTS: usize = 400;
    let mut device = Device::new("[batch]\nmax_events = 20\n");
    device.sell(&vec!["demo.sold"; EVENTS]);
    let begun = tokio::time::Instant::now();
    device.drain(&line).await;
    let took = begun.elapsed();
    // What was given up on arrives as well.
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let ledger = line.ledger.lock().unwrap();
    assert_eq!(ledger.stored.len(), EVENTS);
    assert!(ledger.applied.values().all(|times| *times == 1));
    let least = Duration::from_secs_f64(EVENTS as f64 * 300.0 / line.bandwidth as f64);
    assert!(took >= least, "{took:?} for what takes {least:?} at least");
    took
}

#[tokio::test(start_paused = true)]
async fn delays_of_up_to_ten_seconds_leave_exactly_one_effect() {
    for (seed, late_ms, loss) in [(1, 500, 0), (2, 3_000, 10), (3, 10_000, 0), (4, 10_000, 50)] {
        exactly_once(Line::new(seed, late_ms, 1_000_000, loss)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_of_a_few_thousand_bytes_a_second_leaves_exactly_one_effect() {
    for (seed, bandwidth, loss) in [(5, 64_000, 30), (6, 8_000, 0), (7, 4_000, 20)] {
        exactly_once(Line::new(seed, 1_000, bandwidth, loss)).await;
    }
}
