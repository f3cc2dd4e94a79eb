//! The thread `backend`: is the way to the backend open? Asked apart from look-ups, which must not wait for it.

use super::{HealthReport, Wires};
use crate::supervise::supervised;
use kiosk_core::device::{DeviceKind, Health};
use std::{thread::JoinHandle, time::Duration};

/// How often the way is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Says how the way to the backend is; bounded by its own time-out.
pub(crate) type Look = Box<dyn FnMut() -> Health + Send>;

/// Starts the thread.
pub(crate) fn start(mut look: Look, wires: Wires) -> std::io::Result<JoinHandle<()>> {
    let mut report = HealthReport::new(DeviceKind::Backend);
    let to_lost = wires.clone();
    let stopping = wires.stopping.clone();
    let mut health = HealthReport::new(DeviceKind::Backend);
    supervised(
        "backend",
        stopping,
        move || report.always(Health::Lost, &to_lost),
        move || {
            health.forget();
            loop {
                health.say(look(), &wires);
                if wires.stopping.wait(LOOK_EVERY) {
                    return;
                }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::adapters::test_wires;
    use kiosk_core::DeviceEvent;

    #[test]
    fn a_lost_way_is_told_at_once() {
        let (wires, heard) = test_wires();
        let thread = start(Box::new(|| Health::Lost), wires.clone()).unwrap();
        assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Backend, Health::Lost));
        wires.stopping.stop();
        thread.join().unwrap();
        assert_eq!(heard.next_event(), None);
    }
}
