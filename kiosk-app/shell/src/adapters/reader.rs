//! The thread `reader`: cards in the field are checked and become pseudonyms. While the desk makes cards, they are made.

use super::{HealthReport, Wires};
use crate::{issue::Issuer, supervise::supervised, verify::Verifier};
use kiosk_core::{
    DeviceEvent,
    device::{DeviceKind, Health},
};
use kiosk_devices::{ReaderError, ReaderLine, TagReader};
use std::{thread::JoinHandle, time::Duration};

/// The wait for the next line; the reader itself tells a silent sidecar from a quiet one.
const WAIT: Duration = Duration::from_millis(250);
/// The pause before a lost reader is asked again.
const LOST_PAUSE: Duration = Duration::from_millis(200);

/// Starts the thread.
pub(crate) fn start(
    reader: Box<dyn TagReader>,
    verifier: Verifier,
    issuer: Option<Issuer>,
    wires: Wires,
) -> std::io::Result<JoinHandle<()>> {
    let mut report = HealthReport::new(DeviceKind::Reader);
    let to_lost = wires.clone();
    let stopping = wires.stopping.clone();
    let mut worker = Worker { reader, verifier, issuer, wires, health: HealthReport::new(DeviceKind::Reader) };
    supervised("reader", stopping, move || report.always(Health::Lost, &to_lost), move || worker.run())
}

struct Worker {
    reader: Box<dyn TagReader>,
    verifier: Verifier,
    issuer: Option<Issuer>,
    wires: Wires,
    health: HealthReport,
}

impl Worker {
    fn run(&mut self) {
        self.health.forget();
        while !self.wires.stopping.is_stopped() {
            match self.reader.next(WAIT) {
                Ok(line) => self.hear(line),
                Err(ReaderError::Timeout) => {}
                Err(ReaderError::Lost(why)) => {
                    tracing::debug!(why, "the reader is lost");
                    self.health.say(Health::Lost, &self.wires);
                    self.wires.stopping.wait(LOST_PAUSE);
                }
            }
        }
    }

    fn hear(&mut self, line: ReaderLine) {
        let health = if matches!(line, ReaderLine::Down { .. }) { Health::Lost } else { Health::Ok };
        self.health.say(health, &self.wires);
        match line {
            ReaderLine::Tap(tag) => {
                if let Some(issuer) = &mut self.issuer
                    && let Some(job) = issuer.bench.job()
                {
                    let step = issuer.make(&job, &tag, &mut *self.reader);
                    return self.wires.send(DeviceEvent::CardStep(step));
                }
                if let Some(event) = self.verifier.see(&tag, &mut *self.reader) {
                    self.wires.send(event);
                }
            }
            ReaderLine::BankCard => self.wires.send(DeviceEvent::BankCardSeen),
            ReaderLine::Down { why } => tracing::warn!(why, "the reader's process runs, its reader does not"),
            ReaderLine::Up { reader } => tracing::info!(reader, "the reader works"),
            ReaderLine::Gone | ReaderLine::Beat | ReaderLine::Answer { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{adapters::test_wires, verify::tests::test_verifier};
    use kiosk_core::device::{Assurance, CardRefusal, Method};
    use kiosk_devices::{ExchangeError, Tag, TagKind, Uid};
    use std::collections::VecDeque;

    struct Lines {
        left: VecDeque<Result<ReaderLine, ReaderError>>,
        wires: Wires,
    }
    impl TagReader for Lines {
        fn next(&mut self, _: Duration) -> Result<ReaderLine, ReaderError> {
            self.left.pop_front().unwrap_or_else(|| {
                self.wires.stopping.stop();
                Err(ReaderError::Timeout)
            })
        }
        fn exchange(&mut self, _: &[u8], _: Duration) -> Result<Vec<u8>, ExchangeError> {
            Err(ExchangeError::Lost("no card".into()))
        }
    }

    fn tap(uid: &[u8]) -> Result<ReaderLine, ReaderError> {
        Ok(ReaderLine::Tap(Tag { number: 1, kind: TagKind::Uid, uid: Uid::new(uid).unwrap(), url: None, data: Vec::new() }))
    }

    #[test]
    fn a_card_becomes_a_token_that_does_not_show_its_number() {
        let (wires, heard) = test_wires();
        let lines = VecDeque::from([
            Ok(ReaderLine::Up { reader: "sim".into() }),
            tap(&[0x04, 0xDE, 0x5F, 0x1E, 0xAC, 0xC0, 0x40]),
            tap(&[0x08, 1, 2, 3]),
            Ok(ReaderLine::BankCard),
            Err(ReaderError::Lost("silent".into())),
            Err(ReaderError::Lost("silent".into())),
            Ok(ReaderLine::Gone),
        ]);
        let reader = Lines { left: lines, wires: wires.clone() };
        let thread = start(Box::new(reader), test_verifier(None), None, wires).unwrap();
        thread.join().unwrap();
        assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Reader, Health::Ok));
        let DeviceEvent::CardSeen { token, method: Method::Uid, assurance: Assurance::Low, counter: None } = heard.event() else {
            panic!("no card was seen")
        };
        assert!(token.starts_with("3:") && !token.to_uppercase().contains("DE5F1E"), "{token}");
        assert_eq!(heard.event(), DeviceEvent::CardRefused(CardRefusal::RandomNumber));
        assert_eq!(heard.event(), DeviceEvent::BankCardSeen);
        assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Reader, Health::Lost));
        assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Reader, Health::Ok));
        assert_eq!(heard.next_event(), None);
    }
}
