//! How many wrong codes are heard in a time, from everybody together: whoever asks may come from any address.

use std::sync::{Mutex, PoisonError};

/// Wrong codes in a row before everybody has to wait.
const BURST: i64 = 30;
/// One more is heard after this many milliseconds. With codes of 60 bits, guessing for a year finds one in 10^11.
const EVERY_MS: i64 = 2_000;

/// A bucket of wrong codes.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    state: Mutex<(i64, i64)>,
}

impl Limiter {
    /// Whether a code may be looked at now.
    ///
    /// # Errors
    /// Seconds to wait.
    pub(crate) fn check(&self, now_ms: i64) -> Result<(), u64> {
        let spent = self.settle(now_ms).0;
        if spent < BURST { Ok(()) } else { Err(u64::try_from(EVERY_MS / 1_000).unwrap_or(1)) }
    }

    /// A code was wrong.
    pub(crate) fn spend(&self, now_ms: i64) {
        self.settle(now_ms);
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 += 1;
    }

    /// Spent, and the time up to which is settled.
    fn settle(&self, now_ms: i64) -> (i64, i64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (spent, since) = *state;
        let regained = (now_ms - since).max(0) / EVERY_MS;
        *state = if spent <= regained { (0, now_ms) } else { (spent - regained, since + regained * EVERY_MS) };
        *state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_thirty_wrong_codes_one_is_heard_every_two_seconds() {
        let limiter = Limiter::default();
        for _ in 0..BURST {
            assert_eq!(limiter.check(1_000), Ok(()));
            limiter.spend(1_000);
        }
        assert_eq!(limiter.check(1_000 + EVERY_MS - 1), Err(2));
        assert_eq!(limiter.check(1_000 + EVERY_MS), Ok(()));
        limiter.spend(1_000 + EVERY_MS);
        assert!(limiter.check(1_000 + EVERY_MS).is_err());
        assert_eq!(limiter.check(1_000_000), Ok(()));
        assert_eq!(limiter.check(0), Ok(()), "a clock that was set back locks nobody out");
    }
}
