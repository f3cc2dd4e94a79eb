//! `kiosk-app nfc issue`: guests' cards made of blank ones without the screen, one or a batch, one line for each card laid on.

use crate::{
    KioskConfig, SystemClock,
    issue::{AgentOffice, Bench, Issuer, Job, address},
    keys::KeyAsker,
    start,
};
use anyhow::{Context as _, Result, bail, ensure};
use kiosk_core::{
    desk::CardStep,
    staff::{Credential, Pin, SignInResult},
};
use kiosk_devices::{BoardConfig, ReaderError, ReaderLine, open_reader};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde::Serialize;
use std::{
    io::Read as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

const WAIT: Duration = Duration::from_millis(250);

/// What is to be made, and by whom.
#[derive(Clone, Debug)]
pub struct IssueOrder {
    /// Staff number.
    pub staff: String,
    /// Their PIN.
    pub pin: Pin,
    /// Whose card it is; without, cards are made for whoever comes.
    pub visitor: Option<String>,
    /// The holder's other cards are lost.
    pub replaces: bool,
    /// How many.
    pub count: u16,
}

/// What became of a card that was laid on the reader.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IssueLine {
    /// `made`, `made_before`, `taken_away`, `wrong_kind`, `foreign`, `faulty`, `no_backend`, `refused`.
    pub step: &'static str,
    /// How many are made.
    pub made: u16,
    /// Of how many.
    pub of: u16,
    /// Lost cards that were blocked with it.
    pub blocked: u32,
    /// From the reader's word to the end, milliseconds.
    pub ms: u64,
}

impl IssueLine {
    /// The line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Reads a PIN from standard input, which does not show it where it is a terminal.
///
/// # Errors
/// When nothing can be read, or it is no PIN.
pub fn read_pin() -> Result<Pin> {
    let stdin = std::io::stdin();
    let shown = tcgetattr(&stdin).ok();
    if let Some(shown) = &shown {
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        let _ = tcsetattr(&stdin, OptionalActions::Now, &hidden);
    }
    // Wiped when this returns. A line is handed over whole by a terminal and by a pipe.
    let mut typed = Zeroizing::new([0; 64]);
    let read = stdin.lock().read(&mut *typed);
    if let Some(shown) = &shown {
        let _ = tcsetattr(&stdin, OptionalActions::Now, shown);
    }
    let count = read.context("the PIN cannot be read")?;
    let digits = typed.get(..count).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
    Pin::new(digits.trim()).context("a PIN has 4 to 8 digits")
}

/// Makes cards until there are so many, or `stop` is set. The kiosk itself must not be running: it holds the reader and the
/// file in which wrong PINs are counted.
///
/// # Errors
/// A sentence that says what is missing, or who may not.
pub fn issue(config: &KioskConfig, order: &IssueOrder, stop: &AtomicBool, mut say: impl FnMut(&IssueLine)) -> Result<()> {
    let agent = config.agent.as_ref().context("cards need the backend's keys: kiosk.toml has no [agent]")?;
    let base = config.cards.address.as_deref().context("kiosk.toml names no [cards] address to write into cards")?;
    let template = address(base).context("[cards] address does not fit on a card")?;
    let board = BoardConfig::load(&config.board)?;
    let mut reader =
        open_reader(&board).with_context(|| format!("{} names no reader; give it a [reader] table", config.board.display()))?;
    let shared = start::Shared::new(config);
    KeyAsker::new(&agent.ask, shared.ring.clone()).at_start();
    let staff = sign_in(config, &shared, order)?;
    let bench = Bench::default();
    bench.put(Some(Job::new(staff, order.visitor.clone(), order.replaces, order.count)));
    let office = Box::new(AgentOffice::new(&agent.ask));
    let mut issuer = Issuer { office, pseudonyms: start::pseudonyms(&shared), template, bench: bench.clone() };
    let mut line = IssueLine { of: order.count, ..IssueLine::default() };
    while let Some(job) = bench.job().filter(|_| !stop.load(Ordering::Relaxed)) {
        match reader.next(WAIT) {
            Ok(ReaderLine::Tap(tag)) => {
                let begun = Instant::now();
                let step = issuer.make(&job, &tag, &mut *reader);
                line = told(step, line.made, job.count, begun.elapsed());
                say(&line);
            }
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

fn sign_in(config: &KioskConfig, shared: &start::Shared, order: &IssueOrder) -> Result<String> {
    let clock: Arc<dyn crate::Clock> = Arc::new(SystemClock::new());
    let mut door = start::door(config, shared, start::open_outbox(config)?, &clock);
    let credential = Credential::Pin { staff: order.staff.clone(), pin: order.pin.clone() };
    match door.sign_in(&credential) {
        SignInResult::Welcome(person) => {
            ensure!(!person.must_reset, "this PIN was given by somebody else: choose one at the desk first");
            Ok(person.id)
        }
        SignInResult::PinNeeded(_) | SignInResult::Refused { pause_ms: 0 } => bail!("number and PIN do not fit"),
        SignInResult::Refused { pause_ms } => {
            bail!("number and PIN do not fit; the next try is taken in {} s", pause_ms.div_ceil(1000))
        }
        SignInResult::NoRoster => bail!("no staff list is in force here: the agent brings it once the backend is reached"),
        SignInResult::CannotRecord => bail!("the try could not be counted on disk, so it was not tried"),
    }
}

fn told(step: CardStep, before: u16, of: u16, took: Duration) -> IssueLine {
    let (word, made, blocked) = match step {
        CardStep::Made { made, blocked, .. } => ("made", made, blocked),
        CardStep::MadeBefore => ("made_before", before, 0),
        CardStep::TakenAway => ("taken_away", before, 0),
        CardStep::WrongKind => ("wrong_kind", before, 0),
        CardStep::Foreign => ("foreign", before, 0),
        CardStep::Faulty => ("faulty", before, 0),
        CardStep::NoBackend => ("no_backend", before, 0),
        CardStep::Refused => ("refused", before, 0),
    };
    IssueLine { step: word, made, of, blocked, ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX) }
}
