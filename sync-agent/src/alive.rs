//! What the service manager hears of the agent: started, stopping, and alive for as long as the upload goes round.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::{error, warn};

/// Rounds of a loop. Whoever watches sees whether the number grows.
#[derive(Debug, Clone, Default)]
pub struct Beats(Arc<AtomicU64>);

impl Beats {
    /// One more round.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Rounds so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Tells systemd; without it nothing happens.
pub fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "the service manager was not told");
    }
}

/// Feeds the watchdog, if there is one: only when the upload went round since the last time.
///
/// # Errors
/// None: it ends with the process.
pub async fn feed(beats: Beats) -> anyhow::Result<()> {
    match sd_notify::watchdog_enabled() {
        None => std::future::pending().await,
        Some(limit) => feed_with(beats, limit / 3, || tell(NotifyState::Watchdog)).await,
    }
}

async fn feed_with(beats: Beats, every: Duration, mut fed: impl FnMut()) -> ! {
    let mut seen = None;
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = beats.count();
        if seen.replace(now) == Some(now) {
            error!(rounds = now, "the upload stands still; the watchdog is not fed");
        } else {
            fed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_only_while_the_upload_goes_round() {
        let beats = Beats::default();
        let count = Arc::new(AtomicU64::new(0));
        let fed = Arc::clone(&count);
        let task = tokio::spawn(feed_with(beats.clone(), Duration::from_secs(10), move || {
            fed.fetch_add(1, Ordering::Relaxed);
        }));
        let after = async |seconds| tokio::time::sleep(Duration::from_secs(seconds)).await;
        for _ in 0..3 {
            beats.beat();
            after(10).await;
        }
        let alive = count.load(Ordering::Relaxed);
        assert!(alive >= 3, "{alive}");
        after(10).await;
        let last = count.load(Ordering::Relaxed);
        after(600).await;
        assert_eq!(count.load(Ordering::Relaxed), last, "a loop that stands still is not alive");
        beats.beat();
        after(10).await;
        assert_eq!(count.load(Ordering::Relaxed), last + 1);
        task.abort();
    }
}
