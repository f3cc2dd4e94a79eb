//! The watchdog, fed by progress and by nothing else.

use embassy_rp::{
    Peri,
    peripherals::WATCHDOG,
    watchdog::{ResetReason, Watchdog},
};
use embassy_time::{Duration, Timer};
use peripheral_icd::ResetCause;
use portable_atomic::{AtomicU32, Ordering};

/// A task whose progress is watched.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Brain,
    Ring,
    Uart,
    Usb,
}

const ALL: u32 = 0b1111;

/// Nobody may be without progress for longer.
const PATIENCE: Duration = Duration::from_millis(2_000);

/// A task that waits for the outside says at least this often that it still does.
pub(crate) const SIGN_OF_LIFE: Duration = Duration::from_millis(400);

static PROGRESS: AtomicU32 = AtomicU32::new(0);

/// `part` has done something, or has looked and found nothing to do.
pub(crate) fn progress(part: Part) {
    PROGRESS.fetch_or(1 << part as u32, Ordering::Relaxed);
}

/// Allows one long piece of work, once: what follows must make progress again within `patience`.
pub(crate) fn allow(patience: Duration) {
    // SAFETY: a single write to a register that only ever receives such writes.
    Watchdog::new(unsafe { WATCHDOG::steal() }).feed(patience);
}

/// Takes the watchdog over from the boot program.
pub(crate) fn start(peripheral: Peri<'static, WATCHDOG>) -> Watchdog {
    let mut watchdog = Watchdog::new(peripheral);
    watchdog.start(PATIENCE);
    watchdog
}

/// Why the chip was reset. Panics too restart by force; their words tell them from a wanted restart.
pub(crate) fn cause(watchdog: &mut Watchdog) -> ResetCause {
    match watchdog.reset_reason() {
        Some(ResetReason::TimedOut) => ResetCause::Watchdog,
        Some(ResetReason::Forced) => ResetCause::Own,
        None => ResetCause::Power,
    }
}

/// Restarts the chip.
pub(crate) fn restart() -> ! {
    cortex_m::interrupt::disable();
    // SAFETY: nothing else runs any more, so nobody else uses the watchdog.
    let mut watchdog = Watchdog::new(unsafe { WATCHDOG::steal() });
    loop {
        watchdog.trigger_reset();
    }
}

#[embassy_executor::task]
pub(crate) async fn run(mut watchdog: Watchdog) -> ! {
    loop {
        if PROGRESS.load(Ordering::Relaxed) == ALL {
            PROGRESS.store(0, Ordering::Relaxed);
            watchdog.feed(PATIENCE);
        }
        Timer::after_millis(100).await;
    }
}
