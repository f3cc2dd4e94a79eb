//! One kiosk: the session and the payments beside it.

use crate::{
    catalogue::Catalogue,
    config::Config,
    effect::Effect,
    ids::Id,
    now::Now,
    number::OrderCounter,
    payments::{OpenAttempt, Payments, Verdict},
    session::{Input, Snapshot},
};
use alloc::{sync::Arc, vec::Vec};

/// One kiosk as a pure machine. The shell carries out all effects of one step, in order, before the next step; where one
/// fails, the very next input is `Input::EffectFailed`.
#[derive(Clone, Debug)]
pub struct Kiosk {
    catalogue: Arc<Catalogue>,
    payments: Payments,
}

impl Kiosk {
    /// At the attract screen, with nothing on disk.
    pub fn new(_config: Config, catalogue: Arc<Catalogue>) -> Self {
        Self { catalogue, payments: Payments::default() }
    }

    /// What the disk knows, before the first step. Attempts without an outcome count as sent: the next step records them
    /// as unknown.
    pub fn restore(&mut self, _open: Vec<OpenAttempt>, _counter: OrderCounter) {}

    /// Takes one input and says what is to be done.
    pub fn step(&mut self, _now: Now, _input: Input) -> Vec<Effect> {
        Vec::new()
    }

    /// A person has settled an unknown attempt. Empty where that attempt is not unresolved.
    pub fn resolve(&mut self, _now: Now, _attempt: Id, _verdict: Verdict) -> Vec<Effect> {
        Vec::new()
    }

    /// What the screen shows.
    pub fn snapshot(&self, _now: Now) -> Snapshot {
        Snapshot::default()
    }

    /// A new menu, in force from the next attract screen on, so that no price changes under a guest's eyes.
    pub fn replace_catalogue(&mut self, catalogue: Arc<Catalogue>) {
        self.catalogue = catalogue;
    }

    /// The menu in force.
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// The payments, for those that only a person can settle.
    pub fn payments(&self) -> &Payments {
        &self.payments
    }
}
