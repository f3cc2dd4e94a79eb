//! What the service manager hears: started, stopping, and alive for as long as the writer commits.

use crate::store::Writer;
use sd_notify::NotifyState;
use std::time::Duration;

/// A writer that needs longer than this for nothing has a disk that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tells systemd; without it nothing happens.
pub(crate) fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager was not told");
    }
}

/// A restore looks through a whole database twice.
const LONG: Duration = Duration::from_secs(30 * 60);

/// Does something before the start that may take longer than the watchdog waits.
pub(crate) fn patiently<T>(work: impl FnOnce() -> T) -> T {
    let Some(limit) = sd_notify::watchdog_enabled() else { return work() };
    let wait = |long: Duration| tell(NotifyState::WatchdogUsec(u32::try_from(long.as_micros()).unwrap_or(u32::MAX)));
    wait(LONG);
    let done = work();
    wait(limit);
    done
}

/// Feeds the watchdog, if there is one: each time only after an empty write went through the writer's queue and its commit.
pub(crate) async fn feed(writer: Writer) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut every = tokio::time::interval(limit / 3);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        match tokio::time::timeout(PATIENCE, writer.run_ahead(|_| Ok(()))).await {
            Ok(Ok(())) => tell(NotifyState::Watchdog),
            // A full queue is work that goes on; whether it does is seen at the next round.
            Ok(Err(error)) => tracing::warn!(%error, "the watchdog is not fed"),
            Err(_) => tracing::error!("the writer does not answer; the watchdog is not fed"),
        }
    }
}
