//! One step at a time: an input into the core, its effects out, in order, without a thread.
//!
//! [`Engine::handle`] is the whole law 1: what a step wants recorded is on disk before what follows it is begun; the first
//! effect that fails stops the rest and is the core's very next input.
//!
//! # When the disk takes nothing
//! - Telemetry that is refused for want of room is dropped and counted; it never stops a visit.
//! - Anything else that is refused comes back to the core as `EffectFailed(Record)`. A sale that was about to begin is then
//!   taken back: it is refused rather than lost, and nothing was charged. The end of a payment is kept by the core, offered
//!   again every second, and no visit and no sale begins until it is on disk.
//! - The end of a payment that contradicts what is stored, or that the contract does not take, is recorded in part
//!   rather than not at all: see [`Engine`]'s `settle`.
//! - A disk that failed so that nobody knows what is on it ([`JournalError::Dead`]) ends the engine. Its process must exit and
//!   recover from disk; attempts found open there count as sent.

use crate::{
    journal::{Journal, JournalError, Wait},
    record::Recorder,
};
use edge_db::{Class, Commit, TillRows};
use kiosk_core::{
    AccountAsk, Catalogue, Command, DeviceEvent, Effect, Enquiry, GlassOrder, Id, Input, Intent, Kiosk, Now, Paper, Record,
    Signal, Snapshot,
    desk::{Answer, CardAnswer, CardErrand, Edited, Query, StaffEdit},
    device::DeviceKind,
    session::Failure,
    staff::{Credential, Pin, SignInResult},
};
use std::sync::Arc;

/// Failures that one input may lead to in a row; the core answers each with less.
const FOLLOW_UPS: usize = 8;
/// Events that a replay gathers into one transaction.
const REPLAY_EVENTS: usize = 256;

/// Hands: what acts on the world. Each call only hands over and never waits; results come back as inputs.
pub trait Ports: Send {
    /// Sends the terminal a financial command. False: not taken, and nothing was or will be sent.
    fn command(&mut self, attempt: Id, command: Command) -> bool;
    /// Asks the terminal for its last receipt. False: not taken, and no answer will come.
    fn enquire(&mut self, attempt: Id) -> bool;
    /// Asks a running command to stop; it still ends by its own outcome.
    fn abort_command(&mut self, attempt: Id);
    /// Asks who this is. Where nobody can be asked there is no answer.
    fn identify(&mut self, token: String);
    /// Asks about money that lies at the backend. Where nobody can be asked there is no answer.
    fn account(&mut self, _: Id, _: AccountAsk) {}
    /// Prints. False: not taken.
    fn print(&mut self, paper: Paper) -> bool;
    /// Light and sound.
    fn signal(&mut self, signal: Signal);
    /// Pulses the drawer. False: not taken.
    fn open_drawer(&mut self) -> bool;
    /// Sets a clock that nothing has set, by the time on the wall (`2026-11-22 10:31`).
    fn set_clock(&mut self, _: &str) {}
    /// Does something for the staff's desk. False: nobody does such things here, and there will be no answer.
    fn run_errand(&mut self, _: Errand) -> bool {
        false
    }
}

/// What the staff's desk wants done off the loop. Each but the last two is answered by an event with its `request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Who is this?
    SignIn {
        /// Which question.
        request: u32,
        /// What was shown.
        credential: Credential,
    },
    /// A PIN of one's own.
    ChoosePin {
        /// Which question.
        request: u32,
        /// Staff number.
        staff: String,
        /// The PIN.
        pin: Pin,
    },
    /// Read from disk.
    Look {
        /// Which question.
        request: u32,
        /// What.
        query: Query,
    },
    /// Something about guests' cards.
    Cards {
        /// Which question.
        request: u32,
        /// Who wants it: a staff number.
        staff: String,
        /// What.
        errand: CardErrand,
    },
    /// Change who works here.
    EditStaff {
        /// Which question.
        request: u32,
        /// Who changes it.
        by: String,
        /// What.
        edit: StaffEdit,
    },
    /// What touches on the glass mean.
    Glass(GlassOrder),
    /// Forget who is signed in.
    SignOut,
}

impl Errand {
    /// The answer where nobody does it.
    fn undone(&self) -> Option<DeviceEvent> {
        match *self {
            Self::SignIn { request, .. } => Some(DeviceEvent::SignedIn { request, result: SignInResult::NoRoster }),
            Self::ChoosePin { request, .. } => Some(DeviceEvent::PinChosen { request, taken: false }),
            Self::Look { request, .. } => Some(DeviceEvent::Found { request, answer: Answer::Failed }),
            Self::EditStaff { request, .. } => Some(DeviceEvent::StaffEdited { request, edited: Edited::NotKept }),
            Self::Cards { errand: CardErrand::Stop, .. } | Self::Glass(_) | Self::SignOut => None,
            Self::Cards { request, .. } => Some(DeviceEvent::Cards { request, answer: CardAnswer::NotHere }),
        }
    }
}

/// No hardware at all: for replays of baskets.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPorts;

impl Ports for NoPorts {
    fn command(&mut self, _: Id, _: Command) -> bool {
        false
    }
    fn enquire(&mut self, _: Id) -> bool {
        false
    }
    fn abort_command(&mut self, _: Id) {}
    fn identify(&mut self, _: String) {}
    fn print(&mut self, _: Paper) -> bool {
        false
    }
    fn signal(&mut self, _: Signal) {}
    fn open_drawer(&mut self) -> bool {
        false
    }
}

/// Which records are on disk before the next effect is begun. In every case all records are written in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// All. What a shop uses.
    #[default]
    Every,
    /// Those that belong to a sale or a payment; telemetry is handed over and its end looked at later.
    Money,
    /// None until [`Engine::flush`]. Only for replays: the engine then refuses to charge, print or open the drawer, many
    /// records make one transaction, and a record that is refused ends the engine, so that a replay is whole or fails.
    DangerousAtFlush,
}

/// The disk failed so that only a restart of the process tells what is on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal has failed and the process must be restarted: {0}")]
pub struct Dead(pub String);

/// What the engine counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Telemetry events that found no room on disk.
    pub dropped: u64,
    /// Records about money that were refused.
    pub refused: u64,
    /// Ends of payments that were recorded in part only.
    pub partial: u64,
}

/// A kiosk without a screen and without a clock.
pub struct Engine {
    kiosk: Kiosk,
    recorder: Recorder,
    journal: Box<dyn Journal>,
    ports: Box<dyn Ports>,
    durability: Durability,
    commanding: Option<Id>,
    /// The end of a payment was refused, and the core will offer it again.
    owes: bool,
    /// Records of a replay that wait for company.
    gathered: Commit,
    counts: Counts,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("commanding", &self.commanding).field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine that waits for every record. `kiosk` has been restored from the journal already.
    pub fn new(kiosk: Kiosk, recorder: Recorder, journal: Box<dyn Journal>, ports: Box<dyn Ports>) -> Self {
        Self {
            kiosk,
            recorder,
            journal,
            ports,
            durability: Durability::Every,
            commanding: None,
            owes: false,
            gathered: Commit::default(),
            counts: Counts::default(),
        }
    }

    /// With another choice of what is waited for.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Takes one input, carries out what it leads to, and returns when all of that is done or handed over.
    ///
    /// # Errors
    /// [`Dead`]: the process must exit.
    pub fn handle(&mut self, now: Now, input: Input) -> Result<(), Dead> {
        self.handle_shown(now, input, &mut |_| {})
    }

    /// As [`Engine::handle`]; calls `show` whenever the core has something new to show. What is decided is shown before the
    /// disk has it, so that a touch answers within a frame, unless it is about money: that is shown once it is on disk.
    ///
    /// # Errors
    /// [`Dead`]: the process must exit.
    pub fn handle_shown(&mut self, now: Now, input: Input, show: &mut dyn FnMut(&Kiosk)) -> Result<(), Dead> {
        if let Input::Device(DeviceEvent::CommandEnded { attempt, .. }) = &input
            && self.commanding == Some(*attempt)
        {
            self.commanding = None;
        }
        let mut next = Some(input);
        for _ in 0..=FOLLOW_UPS {
            let Some(input) = next.take() else { return Ok(()) };
            let effects = self.kiosk.step(now, input);
            let money = effects.iter().any(is_money);
            if !money {
                show(&self.kiosk);
            }
            next = self.carry_out(effects)?;
            if money && next.is_none() {
                show(&self.kiosk);
            }
        }
        tracing::error!(failure = ?next, "an effect failed again and again; the rest was left out");
        Ok(())
    }

    /// The same for an intent.
    ///
    /// # Errors
    /// As [`Engine::handle`].
    pub fn intent(&mut self, now: Now, intent: Intent) -> Result<(), Dead> {
        self.handle(now, Input::Intent(intent))
    }

    /// What the screen shows.
    pub fn snapshot(&self, now: Now) -> Snapshot {
        self.kiosk.snapshot(now)
    }

    /// A new menu, in force from the next attract screen on.
    pub fn replace_catalogue(&mut self, catalogue: Arc<Catalogue>) {
        self.kiosk.replace_catalogue(catalogue);
    }

    /// Lets go of the orders whose rows are kept at hand, and of the names in them.
    pub(crate) fn forget_orders_at_hand(&mut self) {
        self.recorder.forget();
    }

    /// The core, to look at.
    pub fn kiosk(&self) -> &Kiosk {
        &self.kiosk
    }

    /// True while a terminal works, or the end of a payment is not on disk yet: not a moment to stop at.
    pub fn money_in_flight(&self) -> bool {
        self.commanding.is_some() || self.owes
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Waits until all that was handed over is on disk.
    ///
    /// # Errors
    /// [`Dead`]: the process must exit.
    pub fn flush(&mut self) -> Result<(), Dead> {
        self.submit_gathered()?;
        self.journal.flush().or_else(|error| self.note(error, Class::Sale, 0))
    }

    /// Carries effects out up to the first that fails, and returns that failure as the next input.
    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<Option<Input>, Dead> {
        for effect in effects {
            let failed = match effect {
                Effect::Record(record) => (!self.record(&record)?).then_some(Input::EffectFailed(Failure::Record)),
                effect => self.act(effect),
            };
            if failed.is_some() {
                return Ok(failed);
            }
        }
        Ok(None)
    }

    /// Hands one action over. A look-up that cannot be made is no failure: the visit goes on anonymously when its budget is
    /// spent.
    fn act(&mut self, effect: Effect) -> Option<Input> {
        let replay = self.durability == Durability::DangerousAtFlush;
        let (taken, device) = match effect {
            Effect::Record(_) => return None,
            Effect::Command { attempt, command } => return self.command(attempt, command),
            Effect::Enquire { attempt } => {
                let refused = replay || self.commanding.is_some() || !self.ports.enquire(attempt);
                return refused.then_some(Input::Device(DeviceEvent::Enquired { attempt, enquiry: Enquiry::Failed }));
            }
            Effect::AbortCommand { attempt } => {
                self.ports.abort_command(attempt);
                return None;
            }
            Effect::Account { attempt, ask } => {
                if !replay {
                    self.ports.account(attempt, ask);
                }
                return None;
            }
            Effect::Identify { token } => {
                self.ports.identify(token);
                return None;
            }
            Effect::Signal(signal) => {
                self.ports.signal(signal);
                return None;
            }
            Effect::SetClock { local } => {
                self.ports.set_clock(&local);
                return None;
            }
            Effect::SignIn { request, credential } => return self.errand(Errand::SignIn { request, credential }),
            Effect::ChoosePin { request, staff, pin } => return self.errand(Errand::ChoosePin { request, staff, pin }),
            Effect::Look { request, query } => return self.errand(Errand::Look { request, query }),
            Effect::Cards { request, staff, errand } => return self.errand(Errand::Cards { request, staff, errand }),
            Effect::EditStaff { request, by, edit } => return self.errand(Errand::EditStaff { request, by, edit }),
            Effect::Glass(order) => return self.errand(Errand::Glass(order)),
            Effect::SignOut => return self.errand(Errand::SignOut),
            Effect::Print(paper) => (!replay && self.ports.print(paper), DeviceKind::Printer),
            Effect::OpenDrawer => (!replay && self.ports.open_drawer(), DeviceKind::Peripherals),
        };
        (!taken).then_some(Input::EffectFailed(Failure::Device(device)))
    }

    /// One command at a time: a second one while the first has no end is not sent.
    fn command(&mut self, attempt: Id, command: Command) -> Option<Input> {
        let free = self.commanding.is_none() && self.durability != Durability::DangerousAtFlush;
        if free && self.ports.command(attempt, command) {
            self.commanding = Some(attempt);
            return None;
        }
        tracing::warn!(busy = !free, "a command was not sent");
        Some(Input::EffectFailed(Failure::Device(DeviceKind::Terminal)))
    }

    /// An errand that nobody runs is answered at once.
    fn errand(&mut self, errand: Errand) -> Option<Input> {
        let undone = errand.undone();
        if self.ports.run_errand(errand) { None } else { undone.map(Input::Device) }
    }

    /// True where the record counts as taken: on disk, or telemetry that may be lost.
    fn record(&mut self, record: &Record) -> Result<bool, Dead> {
        let commit = self.recorder.commit(record, self.kiosk.catalogue().currency);
        if self.durability == Durability::DangerousAtFlush {
            return self.gather(commit).map(|()| true);
        }
        let (class, events) = (commit.class, commit.events.len() as u64);
        let result = match class {
            Class::Settlement => self.settle(commit),
            Class::Telemetry | Class::Sale => self.journal.commit(commit, self.wait(class)),
        };
        if class == Class::Settlement {
            self.owes = result.is_err();
        }
        let Err(error) = result else { return Ok(true) };
        self.note(error, class, events)?;
        Ok(class == Class::Telemetry)
    }

    fn wait(&self, class: Class) -> Wait {
        match self.durability {
            Durability::Every => Wait::Durable,
            Durability::Money if class != Class::Telemetry => Wait::Durable,
            Durability::Money | Durability::DangerousAtFlush => Wait::Later,
        }
    }

    fn gather(&mut self, commit: Commit) -> Result<(), Dead> {
        self.gathered.events.extend(commit.events);
        self.gathered.orders.extend(commit.orders);
        self.gathered.attempts.extend(commit.attempts);
        self.gathered.till.states.extend(commit.till.states);
        self.gathered.terminal = commit.terminal.or(self.gathered.terminal.take());
        // Days only go forward in a replay, and the disk keeps the greatest number of each.
        let other_day =
            |old: &edge_db::OrderCounter| commit.counter.as_ref().is_some_and(|new| new.business_date != old.business_date);
        let turns = self.gathered.counter.as_ref().is_some_and(other_day);
        let full = self.gathered.events.len() >= REPLAY_EVENTS;
        if turns || full {
            let counter = commit.counter;
            self.submit_gathered()?;
            self.gathered.counter = counter;
        } else if commit.counter.is_some() {
            self.gathered.counter = commit.counter;
        }
        Ok(())
    }

    fn submit_gathered(&mut self) -> Result<(), Dead> {
        let commit = std::mem::take(&mut self.gathered);
        if commit.events.is_empty() && commit.counter.is_none() && commit.attempts.is_empty() && commit.terminal.is_none() {
            return Ok(());
        }
        // Nothing of a replay may be refused for being telemetry.
        let commit = Commit { class: Class::Sale, ..commit };
        self.journal.commit(commit, Wait::Later).map_err(|error| Dead(error.to_string()))
    }

    /// Records the end of a payment. One that cannot be recorded as it is, is recorded in part, because an approval that is
    /// not on disk is worse than one that a person must look at: without a receipt number that another payment holds; as
    /// events only, where the rows say otherwise already; as rows only, where the contract does not take the events.
    fn settle(&mut self, commit: Commit) -> Result<(), JournalError> {
        let how = self.wait(Class::Settlement);
        // The till's book may be put right by a count; that money moved must be on disk whatever the book says.
        let bookless =
            |commit: &Commit| Commit { till: TillRows { entries: Vec::new(), ..commit.till.clone() }, ..commit.clone() };
        let mut without_number = commit.clone();
        for attempt in &mut without_number.attempts {
            attempt.reference = None;
            attempt.outcome = Some("receipt_held_by_another".to_owned());
        }
        let (without_book, with_neither) = (bookless(&commit), bookless(&without_number));
        let events_only = Commit { orders: Vec::new(), attempts: Vec::new(), ..without_book.clone() };
        let rows_only = Commit { events: Vec::new(), ..commit.clone() };
        let mut result = self.journal.commit(commit, how);
        for part in [without_number, without_book, with_neither, events_only] {
            let Err(JournalError::Conflict(why)) = &result else { break };
            tracing::error!(why, "the end of a payment contradicts what is stored and is recorded in part");
            self.counts.partial += 1;
            result = self.journal.commit(part, how);
        }
        if let Err(JournalError::Invalid(why)) = &result {
            tracing::error!(why, "the end of a payment is no valid event; only its rows are recorded");
            self.counts.partial += 1;
            result = self.journal.commit(rows_only, how);
        }
        result
    }

    /// Counts and logs a refusal; a dead journal is the caller's end.
    fn note(&mut self, error: JournalError, class: Class, events: u64) -> Result<(), Dead> {
        if let JournalError::Dead(why) = error {
            return Err(Dead(why));
        }
        if class == Class::Telemetry {
            self.counts.dropped += events;
            tracing::warn!(%error, dropped_so_far = self.counts.dropped, "telemetry was not recorded");
        } else {
            self.counts.refused += 1;
            tracing::error!(%error, ?class, "a record was refused");
        }
        Ok(())
    }
}

fn is_money(effect: &Effect) -> bool {
    matches!(effect, Effect::Record(record) if crate::record::class_of(&record.events) != Class::Telemetry)
}
