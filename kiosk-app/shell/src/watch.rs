//! `kiosk-app nfc watch`: what each tap proves, one line each, for whoever sets a reader up or looks into a complaint.

use crate::{
    adapters::{Asking, Settled},
    agent::KeyAtHand,
    clock::SystemClock,
    config::KioskConfig,
    keys::KeyAsker,
    start::{Shared, identity, open_outbox},
    verify::Verifier,
    words,
};
use anyhow::{Context as _, Result};
use kiosk_core::{
    DeviceEvent,
    device::{Assurance, CardRefusal},
};
use kiosk_devices::{BoardConfig, ReaderError, ReaderLine, Tag, TagReader, open_reader};
use serde::Serialize;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

const WAIT: Duration = Duration::from_millis(250);

/// What one tap has proven. The card's number is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TapLine {
    /// `ntag424`, `uid`, `hce`.
    pub method: Option<&'static str>,
    /// `high` or `low`.
    pub assurance: Option<&'static str>,
    /// The card's pseudonym.
    pub token: Option<String>,
    /// Bytes of the number that it showed; `None` of a bank card.
    pub uid_len: Option<usize>,
    /// The counter of its message.
    pub counter: Option<u32>,
    /// From the reader's word to the end of all checks, milliseconds.
    pub ms: u64,
    /// Why it identifies nobody: `random`, `not_taken`, `not_genuine`, `blocked`, `bank_card`, `left`.
    pub refused: Option<&'static str>,
}

impl TapLine {
    /// The line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Reads taps as this kiosk would, with its keys, counters and agent, and gives a line for each until `stop` is set. The
/// kiosk itself must not be running: it holds the file of counters.
///
/// # Errors
/// A sentence that says what is missing.
pub fn watch(config: &KioskConfig, stop: &AtomicBool, mut say: impl FnMut(&TapLine)) -> Result<()> {
    let board = BoardConfig::load(&config.board)?;
    let mut reader =
        open_reader(&board).with_context(|| format!("{} names no reader; give it a [reader] table", config.board.display()))?;
    let outbox = open_outbox(config)?;
    let clock: Arc<dyn crate::Clock> = Arc::new(SystemClock::new());
    let shared = Shared::new(config);
    if let Some(agent) = &config.agent {
        KeyAsker::new(&agent.ask, shared.ring.clone()).at_start();
    }
    let (mut verifier, mut asking) = identity(config, &shared, &clock, &outbox, &KeyAtHand::asked(config.agent.as_ref()));
    while !stop.load(Ordering::Relaxed) {
        match reader.next(WAIT) {
            Ok(ReaderLine::Tap(tag)) => say(&tap(&tag, &mut *reader, &mut verifier, asking.as_mut())),
            Ok(ReaderLine::BankCard) => say(&TapLine { refused: Some("bank_card"), ..TapLine::default() }),
            Ok(ReaderLine::Down { why }) => tracing::warn!(why, "the reader does not work"),
            Ok(_) | Err(ReaderError::Timeout) => {}
            Err(ReaderError::Lost(why)) => {
                tracing::warn!(why, "the reader is lost");
                std::thread::park_timeout(WAIT);
            }
        }
    }
    Ok(())
}

fn tap(tag: &Tag, reader: &mut dyn TagReader, verifier: &mut Verifier, asking: Option<&mut Asking>) -> TapLine {
    let begun = Instant::now();
    let mut line = TapLine { uid_len: Some(tag.uid.bytes().len()), ..TapLine::default() };
    match verifier.see(tag, reader) {
        Some(DeviceEvent::CardSeen { token, method, assurance, counter }) => {
            let settled = asking.filter(|_| assurance == Assurance::Low).map(|asking| asking.settle(&token));
            let assurance = match settled {
                Some(Settled::Refused(why)) => {
                    line.refused = Some(word(why));
                    assurance
                }
                Some(Settled::Known(_, assurance)) => assurance,
                Some(Settled::Unsaid) | None => assurance,
            };
            (line.method, line.assurance) = (Some(words::method(method)), Some(words::assurance(assurance)));
            (line.token, line.counter) = (Some(token), counter);
        }
        Some(DeviceEvent::CardRefused(why)) => line.refused = Some(word(why)),
        _ => line.refused = Some("left"),
    }
    line.ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    line
}

fn word(why: CardRefusal) -> &'static str {
    match why {
        CardRefusal::RandomNumber => "random",
        CardRefusal::NotTaken => "not_taken",
        CardRefusal::NotGenuine => "not_genuine",
        CardRefusal::Blocked => "blocked",
        CardRefusal::Code => "code",
    }
}
