//! When the backend may be talked to. Pure: time comes in as milliseconds of a monotonic clock, randomness
//! from a generator seeded by the device, so that a fleet of agents can be run on a virtual clock.
//!
//! - **Delays** grow exponentially with full jitter, up to a cap; `Retry-After` is a floor that no success of
//!   another request lowers.
//! - **A budget** of short delays a minute: a backend that answers every second request is not hammered.
//! - **A breaker** opens after [`TRIP`] failures in a row. While it is open only an empty batch is sent, one at a
//!   time; its success closes the breaker.
//! - **The spread**: after an outage of `t` the first upload waits up to `min(spread, t / 8)`, drawn per device, so
//!   that ten thousand kiosks do not come back in one second.

/// Failures in a row that open the breaker.
pub const TRIP: u32 = 3;
/// No wish of a server for silence is honoured beyond this, in milliseconds.
pub const MAX_RETRY_AFTER_MS: u64 = 3_600_000;

/// A small seeded generator (SplitMix64). Not for secrets.
#[derive(Debug, Clone)]
pub struct Jitter(u64);

impl Jitter {
    /// The same device draws the same numbers.
    #[must_use]
    pub fn seeded(device: &str) -> Jitter {
        let fnv = device.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
        Jitter(fnv)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly drawn from `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        let width = u128::from(high.saturating_sub(low)) + 1;
        let drawn = (u128::from(self.next()) * width) >> 64;
        low.saturating_add(u64::try_from(drawn).unwrap_or(0))
    }
}

/// The numbers of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Upper end of the first delay, in milliseconds.
    pub base_ms: u64,
    /// Upper end of any delay, in milliseconds.
    pub cap_ms: u64,
    /// Short delays a minute.
    pub budget: u32,
    /// Upper end of the wait after a long outage, in milliseconds.
    pub spread_ms: u64,
}

/// What may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Batches, this many at once at most.
    Open {
        /// How many requests may be on their way.
        parallel: usize,
    },
    /// One empty batch, to see whether the backend is there.
    Probe,
    /// Nothing before this time.
    Wait {
        /// Milliseconds of the same clock.
        until_ms: u64,
    },
}

/// Says at which point of the failure count a request was sent, so that one outage that breaks four
/// requests counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit(u64);

/// The state of the path to one backend.
#[derive(Debug, Clone)]
pub struct Retry {
    policy: Policy,
    pipeline: usize,
    jitter: Jitter,
    epoch: u64,
    failures: u32,
    failing_since_ms: Option<u64>,
    backoff_until_ms: u64,
    asked_until_ms: u64,
    refused: bool,
    tokens_milli: u64,
    tokens_at_ms: u64,
}

impl Retry {
    /// A path that has not failed yet.
    #[must_use]
    pub fn new(policy: Policy, pipeline: usize, device: &str, now_ms: u64) -> Retry {
        Retry {
            policy,
            pipeline: pipeline.max(1),
            jitter: Jitter::seeded(device),
            epoch: 0,
            failures: 0,
            failing_since_ms: None,
            backoff_until_ms: 0,
            asked_until_ms: 0,
            refused: false,
            tokens_milli: u64::from(policy.budget) * 1_000,
            tokens_at_ms: now_ms,
        }
    }

    /// What may be sent at this time.
    #[must_use]
    pub fn gate(&self, now_ms: u64) -> Gate {
        let until_ms = self.backoff_until_ms.max(self.asked_until_ms);
        if now_ms < until_ms {
            Gate::Wait { until_ms }
        } else if self.failures >= TRIP || self.refused {
            Gate::Probe
        } else if self.failures > 0 {
            Gate::Open { parallel: 1 }
        } else {
            Gate::Open { parallel: self.pipeline }
        }
    }

    /// Must be taken when a request is sent and given back with its outcome.
    #[must_use]
    pub fn permit(&self) -> Permit {
        Permit(self.epoch)
    }

    /// Failures in a row, one outage counted once.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The backend refused the token and has not taken it since.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// A whole request failed: no answer, an answer that means nothing, 429, 5xx.
    pub fn failed(&mut self, now_ms: u64, permit: Permit, retry_after_ms: Option<u64>) {
        if let Some(asked) = retry_after_ms {
            let asked = asked.min(MAX_RETRY_AFTER_MS);
            let apart = self.jitter.between(0, asked / 4 + self.policy.base_ms);
            self.asked_until_ms = self.asked_until_ms.max(now_ms + asked + apart);
        }
        if permit.0 < self.epoch {
            return;
        }
        self.epoch += 1;
        self.failures = self.failures.saturating_add(1);
        self.failing_since_ms.get_or_insert(now_ms);
        let low = if self.spend(now_ms) { 0 } else { self.policy.cap_ms / 2 };
        let high = self.policy.base_ms.saturating_mul(1 << self.failures.saturating_sub(1).min(24)).min(self.policy.cap_ms);
        self.backoff_until_ms = now_ms + self.jitter.between(low, high.max(low));
    }

    /// 401 or 403. Says whether this is new, that is, worth an alarm.
    pub fn refused(&mut self, now_ms: u64) -> bool {
        let new = !self.refused;
        self.refused = true;
        self.epoch += 1;
        self.backoff_until_ms = now_ms + self.jitter.between(self.policy.cap_ms / 2, self.policy.cap_ms);
        new
    }

    /// The token file changed: worth a try at once.
    pub fn token_changed(&mut self, now_ms: u64) {
        if self.refused {
            self.backoff_until_ms = now_ms;
        }
    }

    /// A request was answered as the contract says.
    pub fn succeeded(&mut self, now_ms: u64) {
        if self.failures == 0 && !self.refused {
            return;
        }
        let outage_ms = match self.failing_since_ms {
            Some(since) if self.failures >= TRIP => now_ms.saturating_sub(since),
            _ => 0,
        };
        let hold = self.jitter.between(0, self.policy.spread_ms.min(outage_ms / 8));
        self.backoff_until_ms = now_ms + hold;
        self.failures = 0;
        self.failing_since_ms = None;
        self.refused = false;
    }

    /// A delay for something of its own that failed `attempts` times while the path itself works.
    pub fn delay_ms(&mut self, attempts: u32) -> u64 {
        let high = self.policy.base_ms.saturating_mul(1 << attempts.min(24)).min(self.policy.cap_ms);
        self.jitter.between(0, high)
    }

    /// Takes one short delay from the budget; false when there is none left.
    fn spend(&mut self, now_ms: u64) -> bool {
        let full = u64::from(self.policy.budget) * 1_000;
        let grown = now_ms.saturating_sub(self.tokens_at_ms).saturating_mul(full) / 60_000;
        self.tokens_milli = (self.tokens_milli + grown).min(full);
        self.tokens_at_ms = now_ms;
        let some = self.tokens_milli >= 1_000;
        self.tokens_milli = self.tokens_milli.saturating_sub(1_000);
        some
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { base_ms: 200, cap_ms: 30_000, budget: 10, spread_ms: 600_000 };

    fn retry() -> Retry {
        Retry::new(POLICY, 4, "/stores/s-001/devices/k-01", 0)
    }

    fn fail(retry: &mut Retry, now_ms: u64) -> u64 {
        let permit = retry.permit();
        retry.failed(now_ms, permit, None);
        match retry.gate(now_ms) {
            Gate::Wait { until_ms } => until_ms - now_ms,
            _ => 0,
        }
    }

    #[test]
    fn delays_double_up_to_the_cap_and_never_exceed_it() {
        for device in 0..200 {
            let mut retry = Retry::new(Policy { budget: 1_000, ..POLICY }, 4, &device.to_string(), 0);
            let mut now = 0;
            for failure in 0..30_u32 {
                let delay = fail(&mut retry, now);
                assert!(delay <= (200_u64 << failure.min(10)).min(30_000), "failure {failure}: {delay}");
                now += delay;
            }
        }
    }

    #[test]
    fn two_devices_draw_different_delays_and_one_device_always_the_same() {
        let draw = |device: &str| {
            let mut retry = Retry::new(POLICY, 4, device, 0);
            (0..8).map(|_| fail(&mut retry, 0)).collect::<Vec<_>>()
        };
        assert_ne!(draw("k-01"), draw("k-02"));
        assert_eq!(draw("k-01"), draw("k-01"));
    }

    #[test]
    fn one_outage_that_breaks_four_requests_counts_once() {
        let mut retry = retry();
        let permits: Vec<Permit> = (0..4).map(|_| retry.permit()).collect();
        permits.into_iter().for_each(|p| retry.failed(10, p, None));
        assert_eq!(retry.failures(), 1);
    }

    #[test]
    fn the_breaker_lets_one_empty_batch_through_and_its_success_opens_the_pipeline() {
        let mut retry = retry();
        let mut now = 0;
        for _ in 0..TRIP {
            now += fail(&mut retry, now);
        }
        assert_eq!(retry.gate(now), Gate::Probe);
        retry.succeeded(now);
        assert_eq!(retry.gate(now + 1_000), Gate::Open { parallel: 4 });
    }

    #[test]
    fn a_long_outage_spreads_the_devices_over_the_configured_time() {
        let mut latest = 0;
        for device in 0..500 {
            let mut retry = Retry::new(POLICY, 4, &device.to_string(), 0);
            (0..TRIP).for_each(|_| {
                fail(&mut retry, 0);
            });
            let back = 4 * 3_600_000;
            retry.succeeded(back);
            if let Gate::Wait { until_ms } = retry.gate(back) {
                latest = latest.max(until_ms - back);
            }
        }
        assert!((500_000..=600_000).contains(&latest), "{latest}");
    }

    #[test]
    fn retry_after_is_a_floor_that_no_other_success_lowers() {
        let mut retry = retry();
        let permit = retry.permit();
        retry.failed(0, permit, Some(20_000));
        retry.succeeded(5);
        assert!(matches!(retry.gate(19_999), Gate::Wait { until_ms } if (20_000..=25_200).contains(&until_ms)));
    }

    #[test]
    fn an_absurd_retry_after_is_cut() {
        let mut retry = retry();
        let permit = retry.permit();
        retry.failed(0, permit, Some(u64::MAX));
        assert!(matches!(retry.gate(0), Gate::Wait { until_ms } if until_ms <= MAX_RETRY_AFTER_MS * 5 / 4 + 200));
    }

    #[test]
    fn without_budget_every_delay_is_long() {
        let mut retry = Retry::new(Policy { budget: 2, ..POLICY }, 4, "k", 0);
        (0..2).for_each(|_| {
            fail(&mut retry, 0);
            retry.succeeded(0);
        });
        assert!(fail(&mut retry, 0) >= 15_000);
    }

    #[test]
    fn a_refused_token_is_new_once_and_tried_slowly_or_when_its_file_changes() {
        let mut retry = retry();
        assert!(retry.refused(0));
        assert!(!retry.refused(0));
        assert!(matches!(retry.gate(14_999), Gate::Wait { .. }));
        retry.token_changed(1_000);
        assert_eq!(retry.gate(1_000), Gate::Probe);
        retry.succeeded(1_000);
        assert_eq!(retry.gate(1_000), Gate::Open { parallel: 4 });
    }

    #[test]
    fn drawn_numbers_cover_their_range_and_stay_in_it() {
        let mut jitter = Jitter::seeded("x");
        let drawn: Vec<u64> = (0..1_000).map(|_| jitter.between(5, 9)).collect();
        assert!((5..=9).all(|n| drawn.contains(&n)) && drawn.iter().all(|n| (5..=9).contains(n)));
        assert!(jitter.between(0, u64::MAX) > 0 && jitter.between(3, 3) == 3 && jitter.between(4, 3) >= 4);
    }
}
