// SPDX-License-Identifier: GPL-3.0-only
//! The way of a snapshot from the shell's thread to the screen: a place for the latest one. What was overtaken is not
//! drawn.

use kiosk_core::Snapshot;
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The latest snapshot, taken at most once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feed(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    latest: Mutex<Option<Arc<Snapshot>>>,
    came: Condvar,
}

impl Feed {
    /// Puts a snapshot there. True where none was waiting: somebody must be told.
    pub(crate) fn put(&self, snapshot: Arc<Snapshot>) -> bool {
        let was_empty = self.lock().replace(snapshot).is_none();
        self.0.came.notify_all();
        was_empty
    }

    /// The latest snapshot, where there is a new one.
    pub(crate) fn take(&self) -> Option<Arc<Snapshot>> {
        self.lock().take()
    }

    /// As [`Feed::take`], waiting until one comes, or until `until`.
    pub(crate) fn wait(&self, until: Instant) -> Option<Arc<Snapshot>> {
        let mut latest = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if latest.is_some() || left == Duration::ZERO {
                return latest.take();
            }
            latest = self.0.came.wait_timeout(latest, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Snapshot>>> {
        self.0.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_latest_snapshot_is_drawn_and_only_the_first_wakes() {
        let feed = Feed::default();
        let later = Arc::new(Snapshot { basket_count: 2, ..Snapshot::default() });
        assert!(feed.put(Arc::default()));
        assert!(!feed.put(later.clone()));
        assert_eq!(feed.take(), Some(later));
        assert_eq!(feed.take(), None);
    }

    #[test]
    fn waiting_ends_with_a_snapshot_or_with_the_time() {
        let feed = Feed::default();
        assert_eq!(feed.wait(Instant::now()), None);
        let (other, minute) = (feed.clone(), Instant::now() + Duration::from_secs(60));
        let thread = std::thread::spawn(move || other.wait(minute));
        feed.put(Arc::default());
        assert!(thread.join().unwrap().is_some());
    }
}
