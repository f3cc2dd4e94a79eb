//! When the writer closes a group: pure, so that it can be tried on a clock of its own.
//!
//! Producers that wait for their commit before they make the next (closed loop) come back as soon as they are answered.
//! A transaction that does not wait for them makes each of them wait for two fsyncs. Commits that come by chance (open
//! loop) gain nothing from waiting. Which of the two it is, the writer learns from what came in the first third of the
//! last fsyncs: nearly everybody who was answered, or about a third as many.

use std::time::{Duration, Instant};

/// Rounds that are remembered, as the weight of a fading sum.
const MEMORY: f64 = 16.0;
/// Of those answered, how many must come back at once to count as a closed loop.
const CLOSED: f64 = 0.75;
/// The writer never waits for longer than this, however slow the disk is.
const LONGEST: Duration = Duration::from_millis(5);

/// A nap shorter than this takes as long as this anyway.
const SHORTEST_NAP: Duration = Duration::from_micros(50);

/// The end of a transaction.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// When the first of its producers was told.
    answered: Instant,
    /// A commit made before this is from a producer that came back.
    soon: Instant,
}

/// What the writer remembers of its last rounds.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// What is waited at least where more than one commit was under way. Zero: nothing is waited for at all.
    least: Duration,
    /// The last two rounds, newest first: what waited in the queue came before the newest was answered.
    rounds: [Option<Round>; 2],
    /// Commits under way when each of the last transactions ended: those answered and those that had come since.
    under_way: [usize; 4],
    answered: f64,
    came_soon: f64,
    /// How long the last transaction took, nearly all of it its fsync.
    took: Duration,
}

impl Pace {
    pub(crate) fn new(least: Duration) -> Self {
        // A closed loop until the contrary is seen: whoever starts many producers at once gets whole groups at once.
        Self { least, rounds: [None; 2], under_way: [1; 4], answered: MEMORY, came_soon: MEMORY, took: Duration::ZERO }
    }

    /// A commit that was made at this moment goes into the group.
    pub(crate) fn came(&mut self, made: Instant) {
        let round = self.rounds.iter().flatten().find(|round| round.answered <= made);
        if round.is_some_and(|round| made <= round.soon) {
            self.came_soon += 1.0;
        }
    }

    /// Until when to wait for another commit; `None` where the group of `len` is to be written now.
    pub(crate) fn wait_until(&self, len: usize, waits_since: Instant) -> Option<Instant> {
        if self.least.is_zero() || self.under_way.iter().all(|expected| len >= *expected) {
            return None;
        }
        let least = waits_since + self.least;
        match self.rounds[0] {
            Some(round) if self.came_soon >= self.answered * CLOSED => Some(least.max(round.soon)),
            _ => Some(least),
        }
    }

    /// How long to look away while waiting. To be woken by each of many commits costs their producers more than the fsync
    /// that is saved, so on a slow disk the writer looks about sixty times an fsync; `None` on a fast one.
    pub(crate) fn nap(&self) -> Option<Duration> {
        Some(self.took.min(LONGEST * 3) / 64).filter(|nap| *nap >= SHORTEST_NAP)
    }

    /// A transaction that took so long has ended: its producers, `answered` of them, were told from `first` to `last`;
    /// before that `waiting` commits were under way, theirs included.
    pub(crate) fn answered(&mut self, first: Instant, last: Instant, took: Duration, answered: usize, waiting: usize) {
        self.rounds = [Some(Round { answered: first, soon: last + (took / 3).min(LONGEST) }), self.rounds[0]];
        self.took = took;
        self.under_way.rotate_right(1);
        self.under_way[0] = waiting.max(answered);
        let fade = 1.0 - 1.0 / MEMORY;
        self.came_soon *= fade;
        self.answered = self.answered * fade + answered as f64;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{collections::VecDeque, iter};

    /// Of an fsync, as all times here.
    const FSYNC: Duration = Duration::from_millis(6);
    /// What a commit costs the writer beside the fsync.
    const EACH: Duration = Duration::from_micros(5);

    /// Numbers without a pattern, the same each time.
    struct Random(u64);

    impl Random {
        fn unit(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }

        /// The time to the next of events that come by chance.
        fn gap(&mut self, mean: Duration) -> Duration {
            mean.mul_f64(-(1.0 - self.unit()).ln())
        }
    }

    /// Runs the writer on a clock of its own; `next` says when the producer of a commit that was answered at a time makes
    /// others. Gives the latencies in fsyncs, sorted, and the transactions.
    fn run(first: Vec<Duration>, mut next: impl FnMut(Duration) -> Vec<Duration>, commits: usize) -> (Vec<f64>, usize) {
        let zero = Instant::now();
        let mut pace = Pace::new(Duration::from_micros(200));
        let mut queue = VecDeque::from(first);
        let (mut now, mut latencies, mut transactions) = (Duration::ZERO, Vec::new(), 0);
        while latencies.len() < commits
            && let Some(made) = queue.pop_front()
        {
            now = now.max(made);
            let mut group = vec![made];
            pace.came(zero + made);
            let mut waits_since = None;
            loop {
                let until = match queue.front() {
                    Some(made) if *made <= now => now,
                    _ => match pace.wait_until(group.len(), *waits_since.get_or_insert(zero + now)) {
                        None => break,
                        Some(until) => now.max(until - zero),
                    },
                };
                let Some(made) = queue.pop_front_if(|made| *made <= until) else {
                    now = until;
                    break;
                };
                now = now.max(made);
                pace.came(zero + made);
                group.push(made);
            }
            let took = FSYNC + EACH * u32::try_from(group.len()).unwrap();
            now += took;
            transactions += 1;
            let waiting = group.len() + queue.partition_point(|made| *made <= now);
            pace.answered(zero + now, zero + now, took, group.len(), waiting);
            for made in group {
                latencies.push((now - made).as_secs_f64() / FSYNC.as_secs_f64());
                for made in next(now) {
                    queue.insert(queue.partition_point(|other| *other <= made), made);
                }
            }
        }
        latencies.sort_unstable_by(f64::total_cmp);
        (latencies, transactions)
    }

    fn p99(latencies: &[f64]) -> f64 {
        latencies[latencies.len() * 99 / 100]
    }

    #[test]
    fn producers_that_come_back_at_once_wait_for_one_fsync_each() {
        for (producers, slowest_us) in [(1, 300), (2, 300), (16, 300), (64, 100)] {
            let mut random = Random(producers);
            let first = iter::repeat_n(Duration::ZERO, usize::try_from(producers).unwrap()).collect();
            let back = |now| vec![now + Duration::from_micros(20) + Duration::from_micros(slowest_us).mul_f64(random.unit())];
            let (latencies, transactions) = run(first, back, 20_000);
            assert!(p99(&latencies) <= 1.2, "{producers} producers: {}", p99(&latencies));
            assert!(transactions as f64 <= 1.05 * 20_000.0 / producers as f64, "{producers}: {transactions}");
        }
    }

    #[test]
    fn a_producer_that_now_and_then_thinks_does_not_hold_up_the_others_for_long() {
        let mut random = Random(3);
        let back = |now| vec![now + if random.unit() < 0.002 { FSYNC * 9 } else { Duration::from_micros(100) }];
        let (latencies, transactions) = run(vec![Duration::ZERO; 16], back, 20_000);
        assert!(p99(&latencies) <= 1.5 && transactions < 20_000 * 2 / 16, "{} {transactions}", p99(&latencies));
    }

    #[test]
    fn one_that_sends_64_and_waits_for_all_gets_them_into_one_transaction() {
        let wave = |now| (1..=64).map(move |n| now + Duration::from_micros(25) * n);
        let mut answered = 0;
        let next = |now| {
            answered += 1;
            wave(now).take(if answered % 64 == 0 { 64 } else { 0 }).collect()
        };
        let (_, transactions) = run(wave(Duration::ZERO).collect(), next, 200 * 64);
        assert!(transactions <= 210, "{transactions} for 200 waves");
    }

    #[test]
    fn commits_that_come_by_chance_wait_for_two_fsyncs_at_most() {
        for mean_in_fsyncs in [20.0, 4.0, 1.0, 0.5, 0.25, 1.0 / 16.0] {
            let mut random = Random(11);
            let mut at = Duration::ZERO;
            let made = (0..20_000).map(|_| {
                at += random.gap(FSYNC.mul_f64(mean_in_fsyncs));
                at
            });
            let (latencies, _) = run(made.collect(), |_| Vec::new(), 20_000);
            assert!(p99(&latencies) <= 2.1, "one each {mean_in_fsyncs} fsyncs: {}", p99(&latencies));
        }
    }
}
