// SPDX-License-Identifier: GPL-3.0-only
//! The machine's clock, as long as the scenario leaves it alone; else one that nothing has set since the power came.

use kiosk_core::{ClockQuality, Now};
use kiosk_shell::{Clock, SystemClock};
use std::sync::{Mutex, PoisonError};

/// A clock that a scenario can take away.
#[derive(Debug, Default)]
pub(super) struct ShopClock {
    system: SystemClock,
    gone: Mutex<Option<Gone>>,
}

/// The time is not known, except from the wall of the shop.
#[derive(Clone, Copy, Debug, Default)]
struct Gone {
    /// Milliseconds since 1970 at which the monotonic clock stood at zero, by what a person said.
    zero_ms: Option<i64>,
}

impl ShopClock {
    /// Takes the time away, or gives it back.
    pub(super) fn set_gone(&self, gone: bool) {
        *self.gone.lock().unwrap_or_else(PoisonError::into_inner) = gone.then(Gone::default);
    }
}

impl Clock for ShopClock {
    fn now(&self) -> Now {
        let now = self.system.now();
        let gone = *self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        match gone {
            None => now,
            Some(Gone { zero_ms: None }) => Now { utc_ms: None, quality: ClockQuality::Unset, ..now },
            Some(Gone { zero_ms: Some(zero_ms) }) => {
                Now { utc_ms: Some(zero_ms.saturating_add_unsigned(now.mono_ms)), quality: ClockQuality::Estimated, ..now }
            }
        }
    }

    fn hint(&self, utc_ms: i64) {
        let mono_ms = i64::try_from(self.system.now().mono_ms).unwrap_or(i64::MAX);
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *gone {
            None => self.system.hint(utc_ms),
            Some(gone) => gone.zero_ms = Some(utc_ms.saturating_sub(mono_ms)),
        }
    }
}
