//! The thread `scanner`: codes go to the loop, each with its pseudonym; the look-up is given the code itself.

use super::{HealthReport, Wires};
use crate::{
    pseudonym::Pseudonyms,
    supervise::supervised,
    verify::{Handed, Tap},
};
use card_auth::TagKind;
use kiosk_core::{
    DeviceEvent,
    device::{Assurance, DeviceKind, Health},
    scan,
};
use kiosk_devices::{CodeScanner, ScannerError};
use std::{thread::JoinHandle, time::Duration};

/// The wait for the next code.
const WAIT: Duration = Duration::from_millis(250);
/// The pause before a lost scanner is asked again.
const LOST_PAUSE: Duration = Duration::from_millis(200);

/// A scanner, and what makes its codes into look-ups.
pub(crate) struct ScannerSide {
    pub(crate) scanner: Box<dyn CodeScanner>,
    pub(crate) pseudonyms: Pseudonyms,
    pub(crate) handed: Handed,
}

/// Starts the thread.
pub(crate) fn start(side: ScannerSide, wires: Wires) -> std::io::Result<JoinHandle<()>> {
    let mut report = HealthReport::new(DeviceKind::Scanner);
    let to_lost = wires.clone();
    let stopping = wires.stopping.clone();
    let mut worker = Worker { side, wires, health: HealthReport::new(DeviceKind::Scanner) };
    supervised("scanner", stopping, move || report.always(Health::Lost, &to_lost), move || worker.run())
}

struct Worker {
    side: ScannerSide,
    wires: Wires,
    health: HealthReport,
}

impl Worker {
    fn run(&mut self) {
        self.health.forget();
        while !self.wires.stopping.is_stopped() {
            match self.side.scanner.next(WAIT) {
                Ok(code) => {
                    self.health.say(Health::Ok, &self.wires);
                    self.hear(code);
                }
                Err(ScannerError::Timeout) => self.health.say(Health::Ok, &self.wires),
                Err(ScannerError::Lost(why)) => {
                    tracing::debug!(why, "the scanner is lost");
                    self.health.say(Health::Lost, &self.wires);
                    self.wires.stopping.wait(LOST_PAUSE);
                }
            }
        }
    }

    fn hear(&self, code: String) {
        // Without a key no guest is known here; the core says so in its own words.
        let tokens = self.side.pseudonyms.of(TagKind::Qr, code.as_bytes()).unwrap_or_default();
        let token = tokens.into_iter().next().unwrap_or_default();
        if scan::meaning(&code) == scan::Meaning::Guest {
            let tap = Tap { assurance: Assurance::Low, message: Some(code.clone()), older: Vec::new() };
            self.side.handed.put(&token, tap);
        }
        self.wires.send(DeviceEvent::Scanned { code, token });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        adapters::test_wires,
        config::TenantKey,
        keys::{KeyRing, Keys},
        pseudonym::KnownBadges,
    };
    use std::collections::VecDeque;

    struct Codes {
        left: VecDeque<Result<String, ScannerError>>,
        wires: Wires,
    }
    impl CodeScanner for Codes {
        fn next(&mut self, _: Duration) -> Result<String, ScannerError> {
            self.left.pop_front().unwrap_or_else(|| {
                self.wires.stopping.stop();
                Err(ScannerError::Timeout)
            })
        }
    }

    #[test]
    fn a_guests_code_goes_to_the_look_up_and_its_pseudonym_to_the_record() {
        let (wires, heard) = test_wires();
        let lost = || Err(ScannerError::Lost("unplugged".into()));
        let left = VecDeque::from([Ok("CEMG0123".to_owned()), lost(), lost(), Err(ScannerError::Timeout), Ok("400638".into())]);
        let ring = KeyRing::new(Keys { tenant: vec![TenantKey { version: 3, bytes: [7; 32] }], ..Keys::default() });
        let handed = Handed::default();
        let side = ScannerSide {
            scanner: Box::new(Codes { left, wires: wires.clone() }),
            pseudonyms: Pseudonyms::new(ring, KnownBadges::default()),
            handed: handed.clone(),
        };
        start(side, wires).unwrap().join().unwrap();
        assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Scanner, Health::Ok));
        let DeviceEvent::Scanned { code, token } = heard.event() else { panic!("nothing was scanned") };
        assert!(code == "CEMG0123" && token.starts_with("3:") && !token.contains("0123"), "{token}");
        assert_eq!(handed.of(&token).message.as_deref(), Some("CEMG0123"));
        assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Scanner, Health::Lost));
        assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Scanner, Health::Ok));
        let DeviceEvent::Scanned { token, .. } = heard.event() else { panic!("nothing was scanned") };
        assert_eq!(handed.of(&token).message, None, "no other code goes to the backend");
        assert_eq!(heard.next_event(), None);
    }

    #[test]
    fn a_guests_code_begins_alike_at_both_ends() {
        assert_eq!(scan::GUEST_CODE_PREFIX, cem_contract::codes::GUEST_CODE_PREFIX);
    }
}
