//! The engine against a scripted backend on a virtual clock.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::retry::{Jitter, Policy};

const POLICY: Policy = Policy { base_ms: 100, cap_ms: 10_000, budget: 60, spread_ms: 5_000 };
const LIMITS: Limits = Limits { max_events: 50, max_bytes: 5_000_000, window: 800 };

/// A backend that stores by number and can misbehave.
#[derive(Default)]
struct Backend {
    stored: BTreeMap<u64, u32>,
    poison: BTreeSet<u64>,
    crashing: BTreeSet<u64>,
    rejected: BTreeSet<u64>,
    forgotten: Option<(u64, u64)>,
    largest: Option<usize>,
    all_refused: bool,
    requests: u32,
    probes: u32,
}

impl Backend {
    fn serve(&mut self, numbers: &[u64]) -> Outcome {
        self.requests += 1;
        self.probes += u32::from(numbers.is_empty());
        let has = |set: &BTreeSet<u64>| numbers.iter().any(|n| set.contains(n));
        if self.all_refused || has(&self.poison) {
            return Outcome::Refused("400: not a batch".into());
        }
        if has(&self.crashing) {
            return unknown();
        }
        if self.largest.is_some_and(|largest| numbers.len() > largest) {
            return Outcome::TooLarge;
        }
        let verdicts = numbers.iter().map(|n| self.take(*n)).collect();
        let lacking = self.forgotten.take_if(|_| !numbers.is_empty());
        Outcome::Answered { verdicts, resend: lacking.map(|(from, to)| (0, from, to)).into_iter().collect() }
    }

    fn take(&mut self, number: u64) -> Verdict {
        if self.rejected.contains(&number) {
            return Verdict::Rejected("data.lines: missing".into());
        }
        let times = self.stored.entry(number).or_insert(0);
        *times += 1;
        if *times == 1 { Verdict::Accepted } else { Verdict::Duplicate }
    }
}

fn unknown() -> Outcome {
    Outcome::Unknown { what: "reset".into(), retry_after_ms: None }
}

/// Runs one log of `head` numbers until nothing is left or `until_ms` has passed.
struct Run {
    engine: Engine,
    log: usize,
    head: u64,
    missing: BTreeSet<u64>,
    now_ms: u64,
    watermark: u64,
    quarantined: BTreeMap<u64, String>,
    effects: Vec<Effect>,
    waiting: Vec<(u64, Ticket, Outcome)>,
}

impl Run {
    fn new(head: u64) -> Run {
        let mut engine = Engine::new(Retry::new(POLICY, 4, "k-01", 0), LIMITS, POLICY.cap_ms);
        let log = engine.add_log(0, OnConflict::Move);
        Run {
            engine,
            log,
            head,
            missing: BTreeSet::new(),
            now_ms: 0,
            watermark: 0,
            quarantined: BTreeMap::new(),
            effects: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// `meddle` sees the honest outcome of a request and may replace it; `delay` says how long the answer takes.
    fn until(
        &mut self,
        until_ms: u64,
        backend: &mut Backend,
        mut meddle: impl FnMut(Outcome) -> Outcome,
        mut delay: impl FnMut() -> u64,
    ) {
        while self.now_ms < until_ms {
            match self.engine.poll(self.now_ms) {
                Command::Read(order) => self.read(order, backend, &mut meddle, &mut delay),
                Command::Probe(ticket) => {
                    let outcome = meddle(backend.serve(&[]));
                    self.waiting.push((self.now_ms + delay(), ticket, outcome));
                }
                Command::Sleep { until_ms: wake } => {
                    let next = self.waiting.iter().map(|w| w.0).min();
                    let Some(at) = next.into_iter().chain(wake).min() else { return };
                    self.now_ms = self.now_ms.max(at);
                    self.land();
                }
            }
        }
    }

    fn read(
        &mut self,
        order: Order,
        backend: &mut Backend,
        meddle: &mut impl FnMut(Outcome) -> Outcome,
        delay: &mut impl FnMut() -> u64,
    ) {
        let there = |n: &u64| !self.missing.contains(n);
        let numbers: Vec<u64> = match order.only() {
            Some(only) => only.iter().copied().filter(there).collect(),
            None => (order.after + 1..=order.to.min(self.head)).filter(there).take(order.max_events).collect(),
        };
        let next = numbers.last().copied().unwrap_or(order.after);
        let (ticket, effects) = self.engine.sent(order, numbers.clone(), next, numbers.len() * 700);
        self.write(effects);
        if let Some(ticket) = ticket {
            let outcome = meddle(backend.serve(&numbers));
            self.waiting.push((self.now_ms + delay(), ticket, outcome));
        }
    }

    fn land(&mut self) {
        let (due, rest): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(|w| w.0 <= self.now_ms);
        self.waiting = rest;
        for (_, ticket, outcome) in due {
            let effects = self.engine.answered(self.now_ms, ticket, outcome);
            self.write(effects);
        }
    }

    fn write(&mut self, effects: Vec<Effect>) {
        for effect in &effects {
            match effect {
                Effect::Watermark { number, .. } => {
                    assert!(*number > self.watermark, "a watermark only rises");
                    self.watermark = *number;
                }
                Effect::Quarantine { number, reason, .. } => {
                    assert!(self.quarantined.insert(*number, reason.clone()).is_none(), "{number} quarantined twice");
                }
                _ => {}
            }
        }
        self.effects.extend(effects);
    }

    fn alarms(&self) -> Vec<&'static str> {
        self.effects.iter().filter_map(|e| if let Effect::Alarm { kind, .. } = e { Some(*kind) } else { None }).collect()
    }
}

fn honest(outcome: Outcome) -> Outcome {
    outcome
}

#[test]
fn a_good_backend_gets_everything_once_in_full_batches() {
    let (mut run, mut backend) = (Run::new(1_000), Backend::default());
    run.until(u64::MAX, &mut backend, honest, || 50);
    assert!(run.engine.is_drained());
    assert_eq!((run.watermark, backend.stored.len(), backend.requests), (1_000, 1_000, 20));
    assert!(run.now_ms <= 20 / 4 * 50, "pipelined: {} ms", run.now_ms);
}

#[test]
fn lost_answers_refusals_and_crashes_in_any_mixture_leave_exactly_one_effect() {
    for seed in 0..60_u64 {
        let mut jitter = Jitter::seeded(&seed.to_string());
        let mut delays = jitter.clone();
        let (mut run, mut backend) = (Run::new(700), Backend::default());
        backend.poison = [(seed * 7) % 700 + 1, 350].into();
        backend.crashing = [(seed * 13) % 700 + 1].into();
        backend.rejected = [(seed * 31) % 700 + 1].into();
        backend.largest = Some(40);
        let loss = seed % 50;
        let mut meddle = |outcome: Outcome| match jitter.between(0, 99) {
            n if n < loss => unknown(),
            n if n < loss + 3 => Outcome::Unknown { what: "503".into(), retry_after_ms: Some(2_000) },
            n if n < loss + 4 => Outcome::Answered { verdicts: vec![Verdict::Accepted; 60], resend: Vec::new() },
            _ => outcome,
        };
        run.until(3_600_000, &mut backend, &mut meddle, || delays.between(0, 400));
        backend.crashing.clear();
        run.until(u64::MAX, &mut backend, honest, || 5);
        assert!(run.engine.is_drained(), "seed {seed}");
        assert_eq!(run.watermark, 700, "seed {seed}");
        let bad: BTreeSet<u64> = backend.poison.union(&backend.rejected).copied().collect();
        assert_eq!(run.quarantined.keys().copied().collect::<BTreeSet<_>>(), bad, "seed {seed}");
        assert!((1..=700).all(|n| bad.contains(&n) != backend.stored.contains_key(&n)), "seed {seed}");
    }
}

#[test]
fn an_event_that_crashes_the_backend_delays_nobody_but_itself() {
    let (mut run, mut backend) = (Run::new(400), Backend::default());
    backend.crashing = [123].into();
    run.until(300_000, &mut backend, honest, || 20);
    assert_eq!(backend.stored.len(), 399);
    assert_eq!((run.watermark, run.quarantined.len()), (122, 0));
}

#[test]
fn one_poison_event_in_a_hundred_is_found_and_the_rest_arrives() {
    let (mut run, mut backend) = (Run::new(1_000), Backend::default());
    backend.poison = (1..=9).map(|n| n * 100).collect();
    run.until(u64::MAX, &mut backend, honest, || 20);
    assert_eq!(run.quarantined.keys().copied().collect::<BTreeSet<_>>(), backend.poison);
    assert_eq!((run.watermark, backend.stored.len()), (1_000, 991));
    assert!(run.quarantined.values().all(|reason| reason.contains("not a batch")));
}

#[test]
fn a_route_that_refuses_the_empty_batch_quarantines_nothing_and_alarms_once() {
    let (mut run, mut backend) = (Run::new(100), Backend { all_refused: true, ..Backend::default() });
    run.until(600_000, &mut backend, honest, || 20);
    assert!(run.quarantined.is_empty());
    assert_eq!(run.alarms(), ["route_refused"]);
    backend.all_refused = false;
    run.until(u64::MAX, &mut backend, honest, || 20);
    assert_eq!((run.watermark, backend.stored.len()), (100, 100));
}

#[test]
fn ten_quarantines_without_an_accepted_stop_and_the_first_accepted_goes_on() {
    let (mut run, mut backend) = (Run::new(60), Backend::default());
    backend.rejected = (1..=60).collect();
    run.until(1_000_000, &mut backend, honest, || 20);
    assert_eq!(run.quarantined.len(), 10);
    assert_eq!(run.alarms(), ["sending_stopped"]);
    assert!(backend.requests < 30, "looks again slowly: {} requests", backend.requests);
    backend.rejected = [30].into();
    run.until(u64::MAX, &mut backend, honest, || 20);
    assert_eq!((run.watermark, run.quarantined.len(), backend.stored.len()), (60, 11, 49));
}

#[test]
fn ten_poison_events_in_a_row_stop_too() {
    let (mut run, mut backend) = (Run::new(60), Backend::default());
    backend.poison = (1..=60).collect();
    run.until(1_000_000, &mut backend, honest, || 20);
    assert_eq!((run.quarantined.len(), run.alarms()), (10, vec!["sending_stopped"]));
    let before = backend.requests;
    run.until(2_000_000, &mut backend, honest, || 20);
    assert!(backend.requests - before < 60, "{}", backend.requests - before);
}

#[test]
fn a_refused_token_stops_sending_and_is_tried_slowly() {
    let (mut run, mut backend) = (Run::new(10), Backend::default());
    run.until(100_000, &mut backend, |_| Outcome::Unauthorised("401".into()), || 5);
    assert_eq!(run.alarms(), ["token_refused"]);
    assert!((10..25).contains(&backend.requests), "{} requests", backend.requests);
    assert_eq!(backend.requests - backend.probes, 1, "after the first refusal only empty batches go out");
    backend.stored.clear();
    run.until(u64::MAX, &mut backend, honest, || 5);
    assert_eq!(run.watermark, 10);
}

#[test]
fn too_large_is_halved_and_remembered_and_a_single_one_is_quarantined() {
    let (mut run, mut backend) = (Run::new(200), Backend { largest: Some(13), ..Backend::default() });
    run.until(u64::MAX, &mut backend, honest, || 5);
    assert_eq!((run.watermark, run.quarantined.len()), (200, 0));
    let (mut run, mut backend) = (Run::new(3), Backend { largest: Some(0), ..Backend::default() });
    run.until(60_000, &mut backend, honest, || 5);
    assert_eq!(run.quarantined.len(), 3);
    assert!(run.quarantined[&1].contains("too large"));
}

#[test]
fn what_the_backend_lost_is_sent_again_and_what_the_file_lost_is_said() {
    let (mut run, mut backend) = (Run::new(100), Backend::default());
    run.until(u64::MAX, &mut backend, honest, || 5);
    (20..=40).for_each(|n| {
        backend.stored.remove(&n);
    });
    run.missing = (30..=32).collect();
    backend.forgotten = Some((20, 40));
    run.head = 101;
    run.engine.woken(run.log);
    run.until(u64::MAX, &mut backend, honest, || 5);
    assert!((1..=101).all(|n| (30..=32).contains(&n) != backend.stored.contains_key(&n)));
    let lost: Vec<_> = run.effects.iter().filter(|e| matches!(e, Effect::Lost { .. })).collect();
    assert_eq!(lost, [&Effect::Lost { log: 0, from: 30, to: 32 }]);
    assert!(run.engine.is_drained());
}

#[test]
fn numbers_that_are_only_on_their_way_are_not_sent_twice_because_the_backend_lacks_them() {
    let (mut run, mut backend) = (Run::new(200), Backend::default());
    let mut first = true;
    let meddle = |outcome: Outcome| match outcome {
        Outcome::Answered { verdicts, .. } if !std::mem::take(&mut first) => {
            Outcome::Answered { verdicts, resend: vec![(0, 1, 50)] }
        }
        other => other,
    };
    let mut slow = [900, 10, 10, 10].into_iter();
    run.until(u64::MAX, &mut backend, meddle, || slow.next().unwrap_or(10));
    assert!(backend.stored.values().all(|times| *times == 1));
}

#[test]
fn a_hole_in_the_file_is_passed_over_and_said_once() {
    let (mut run, mut backend) = (Run::new(120), Backend::default());
    run.missing = (40..=60).collect();
    run.until(u64::MAX, &mut backend, honest, || 5);
    assert_eq!((run.watermark, backend.stored.len()), (120, 99));
    assert!(run.effects.contains(&Effect::Lost { log: 0, from: 40, to: 60 }));
}

#[test]
fn a_conflict_closes_the_log_and_hands_it_over() {
    let (mut run, mut backend) = (Run::new(10), Backend::default());
    let conflict = |outcome: Outcome| match outcome {
        Outcome::Answered { mut verdicts, resend } => {
            verdicts[4] = Verdict::Conflict("number used by another event".into());
            Outcome::Answered { verdicts, resend }
        }
        other => other,
    };
    run.until(u64::MAX, &mut backend, conflict, || 5);
    assert!(matches!(run.effects.last(), Some(Effect::Conflict { log: 0, .. })));
    assert_eq!(run.watermark, 4);
    assert!(run.engine.is_drained());
    let moved = run.engine.add_log(0, OnConflict::Move);
    run.log = moved;
    run.watermark = 0;
    run.until(u64::MAX, &mut backend, honest, || 5);
    assert_eq!(run.watermark, 10);
}

#[test]
fn an_event_sent_again_from_the_quarantine_is_told_apart() {
    let (mut run, mut backend) = (Run::new(5), Backend::default());
    backend.rejected = [3].into();
    run.until(u64::MAX, &mut backend, honest, || 5);
    assert_eq!((run.watermark, run.quarantined.len()), (5, 1));
    backend.rejected.clear();
    run.engine.replay(0, 3);
    run.until(u64::MAX, &mut backend, honest, || 5);
    assert!(run.effects.contains(&Effect::Stored { log: 0, number: 3, new: true, replayed: true }));
}

#[test]
fn a_backend_that_is_away_is_probed_with_empty_batches_only() {
    let (mut run, mut backend) = (Run::new(1_000), Backend::default());
    run.until(600_000, &mut backend, |_| unknown(), || 5);
    assert!(backend.requests - backend.probes <= 4 + TRIP, "{} of {}", backend.probes, backend.requests);
    assert_eq!(run.engine.trouble(), Some("the backend cannot be reached or gives no valid answer"));
    run.until(u64::MAX, &mut backend, honest, || 5);
    assert_eq!(run.watermark, 1_000);
    assert_eq!(run.engine.trouble(), None);
}

#[test]
fn memory_is_bounded_while_one_event_waits() {
    let (mut run, mut backend) = (Run::new(100_000), Backend::default());
    let retry_all = |outcome: Outcome| match outcome {
        Outcome::Answered { verdicts, resend } => {
            Outcome::Answered { verdicts: verdicts.iter().map(|_| Verdict::Retry("store busy".into())).collect(), resend }
        }
        other => other,
    };
    run.until(60_000, &mut backend, retry_all, || 5);
    assert!(backend.stored.len() <= LIMITS.window + LIMITS.max_events, "{}", backend.stored.len());
}
