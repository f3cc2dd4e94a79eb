//! Named threads that come back after a panic, and the one signal that ends them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

/// Waits between restarts of a thread that panics: doubled from the first to the last, and from the start again only
/// with the process.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// Told once that the shell ends; waiting on it replaces sleeping.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stopping(Arc<(Mutex<bool>, Condvar)>);

impl Stopping {
    /// Ends all waits.
    pub(crate) fn stop(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// True once told.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, at most `time`; true once told.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let told = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (told, _) = self.0.1.wait_timeout_while(told, time, |told| !*told).unwrap_or_else(PoisonError::into_inner);
        *told
    }
}

/// Runs `body` on a thread of that name until it returns. A panic is logged, `lost` is called, and `body` runs again
/// after a back-off.
pub(crate) fn supervised(
    name: &'static str,
    stopping: Stopping,
    mut lost: impl FnMut() + Send + 'static,
    mut body: impl FnMut() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let mut wait = BACK_OFF.0;
        while !stopping.is_stopped() {
            if catch_unwind(AssertUnwindSafe(&mut body)).is_ok() {
                return;
            }
            tracing::error!(thread = name, restart_in_ms = wait.as_millis() as u64, "an adapter panicked");
            lost();
            stopping.wait(wait);
            wait = (wait * 2).min(BACK_OFF.1);
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn an_adapter_that_panics_is_reported_lost_and_runs_again() {
        let (lost, reports) = channel();
        let (runs, seen) = channel();
        let mut run = 0;
        let thread = supervised(
            "test",
            Stopping::default(),
            move || lost.send(()).unwrap(),
            move || {
                run += 1;
                runs.send(run).unwrap();
                assert!(run > 1, "the first run fails");
            },
        )
        .unwrap();
        thread.join().unwrap();
        assert_eq!(seen.iter().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(reports.iter().count(), 1);
    }

    #[test]
    fn a_stopped_wait_ends_at_once() {
        let stopping = Stopping::default();
        stopping.stop();
        assert!(stopping.wait(Duration::from_secs(3600)) && stopping.is_stopped());
    }
}
