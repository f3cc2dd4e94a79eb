//! One step's working table: what it may read, what it decides, what it has gathered.

use super::PayView;
use crate::{
    accounts::Accounts,
    catalogue::Catalogue,
    config::Config,
    effect::{Effect, Signal, Who},
    event::{Event, PaymentFact, Stage},
    ids::{Id, IdMaker},
    now::Now,
    number::OrderCounter,
    payments::{NewCommand, Payments, Tender},
    terminal::CommandKind,
};
use alloc::vec::Vec;

/// What a step reads, and what it leaves behind. Events are recorded before any of the effects is carried out: that
/// makes law 1 a matter of construction.
pub(crate) struct Turn<'a> {
    pub(crate) now: Now,
    pub(crate) config: &'a Config,
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) ids: &'a mut IdMaker,
    pub(crate) payments: &'a mut Payments,
    pub(crate) accounts: &'a mut Accounts,
    pub(crate) counter: &'a mut OrderCounter,
    /// False while the disk takes nothing: then no visit and no sale begins.
    pub(crate) can_record: bool,
    pub(crate) events: Vec<Event>,
    pub(crate) effects: Vec<Effect>,
    /// Whose the events are, where that is not the visit in front of the screen.
    pub(crate) who: Option<Who>,
    /// How to take this step back if it cannot be recorded.
    pub(crate) undo: Undo,
}

/// What a failed record takes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Undo {
    /// Nothing: it is recorded later.
    #[default]
    Later,
    /// The visit that it began.
    Visit,
    /// The sale, or the further attempt, that it began.
    Sale(SaleUndo),
    /// What was done at the desk.
    Desk,
    /// The command that it began beside the sale in front of the screen.
    Command(Id),
}

/// A sale as it stood before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SaleUndo {
    pub(crate) stage: Stage,
    pub(crate) pay: PayView,
    /// The order was placed in this step, too.
    pub(crate) placed: bool,
    pub(crate) attempt: Option<Id>,
}

impl Turn<'_> {
    pub(crate) fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        self.effect(Effect::Signal(signal));
    }

    /// Begins a command that is no sale of the visit in front of the screen; its record comes first. `None` where no
    /// attempt may begin now.
    pub(crate) fn command(&mut self, new: NewCommand) -> Option<Id> {
        if !self.can_record {
            return None;
        }
        let attempt = self.ids.next(self.now);
        let NewCommand { command, payment, order, original, lines, staff } = new;
        let fact = PaymentFact {
            kind: command.kind(),
            original,
            lines,
            staff: Some(staff).filter(|staff| !staff.is_empty()),
            ..PaymentFact::card(payment, order, attempt, command.amount())
        };
        let fact = self.payments.begin(fact, Who::default(), self.now).ok()?;
        self.event(Event::PaymentStarted(fact));
        self.effect(Effect::Command { attempt, command });
        self.undo = Undo::Command(attempt);
        Some(attempt)
    }

    /// Begins to give back what came from an account, as [`Turn::command`] does at the terminal.
    pub(crate) fn account_refund(&mut self, tender: Tender, new: NewCommand) -> Option<Id> {
        if !self.can_record {
            return None;
        }
        let attempt = self.ids.next(self.now);
        let NewCommand { command, payment, order, original, lines, staff } = new;
        let fact = PaymentFact {
            tender,
            kind: CommandKind::Refund,
            original,
            lines,
            staff: Some(staff).filter(|staff| !staff.is_empty()),
            ..PaymentFact::card(payment, order, attempt, command.amount())
        };
        let (fact, ask) = self.accounts.refund(fact, self.now).ok()?;
        self.event(Event::PaymentStarted(fact));
        self.effect(Effect::Account { attempt, ask });
        self.undo = Undo::Command(attempt);
        Some(attempt)
    }

    /// `ms` from now, by `Now::mono_ms`.
    pub(crate) fn after(&self, ms: u64) -> u64 {
        self.now.mono_ms.saturating_add(ms)
    }
}
