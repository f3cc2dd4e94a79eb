//! A small shop, a journal that can refuse, and ports that only remember.

use edge_db::{Class, Commit};
use kiosk_core::{
    Article, Catalogue, CategoryId, ClockQuality, Command, CommandOutcome, Config, Currency, DeviceEvent, Id, Input, Intent,
    Kiosk, Minor, Now, Paper, Service, Signal, Tender, Text,
    catalogue::{Allergens, ByService, Category, Tax, TaxId},
};
use kiosk_shell::{Engine, Journal, JournalError, Ports, Recorder, Recording, Wait};
use std::sync::{Arc, Mutex};

/// 2026-11-21T10:30:00Z
pub(crate) const NOON: i64 = 1_795_257_000_000;

pub(crate) fn at(mono_ms: u64) -> Now {
    let utc_ms = Some(NOON.saturating_add_unsigned(mono_ms));
    Now { mono_ms, utc_ms, offset_min: 60, quality: ClockQuality::Synced }
}

pub(crate) fn text(text: &str) -> Text {
    Text(vec![text.to_owned()])
}

/// One article, 3.90 in the shop and away.
pub(crate) fn catalogue() -> Arc<Catalogue> {
    let article = Article {
        sku: "flat-white".into(),
        name: text("Flat white"),
        description: text(""),
        picture: String::new(),
        tint: 0,
        price: ByService::both(Minor(390)),
        tax: ByService::both(TaxId(0)),
        variants: Vec::new(),
        groups: Vec::new(),
        parts: Vec::new(),
        allergens: Allergens::FREE,
        kcal: None,
        badge: Text::default(),
        available: true,
    };
    let category =
        Category { key: "coffee".into(), name: text("Coffee"), picture: String::new(), articles: vec![kiosk_core::ArticleId(0)] };
    Arc::new(Catalogue {
        version: "1".into(),
        currency: Currency::EUR,
        languages: vec!["en".into()],
        taxes: vec![Tax { code: "A".into(), rate_ppm: 70_000, included: true, ..Tax::default() }],
        categories: vec![category],
        articles: vec![article],
        groups: Vec::new(),
    })
}

pub(crate) fn config() -> Config {
    let mut config = Config { seed: [9; 32], ..Config::default() };
    config.pay.parts = 4;
    config
}

pub(crate) fn recorder() -> Recorder {
    Recorder::new(Recording {
        device: "k-01".into(),
        role: "kiosk",
        till: "1".into(),
        terminal: "k-01/terminal".into(),
        boot: "boot-1".into(),
        seed: [1; 32],
        pages: None,
    })
}

/// What happened, in order, and what the journal shall refuse.
#[derive(Clone, Default)]
pub(crate) struct World(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    done: Vec<String>,
    commits: Vec<Commit>,
    refuse: Vec<(Class, JournalError)>,
    charges: Vec<Id>,
    terminal_busy: bool,
    /// A receipt number that another payment holds.
    held: Option<u32>,
}

impl World {
    /// Everything done so far: `record cem.payment.started.v1`, `charge 390`.
    pub(crate) fn done(&self) -> Vec<String> {
        self.0.lock().unwrap().done.clone()
    }
    /// Where in that order something stands.
    pub(crate) fn place(&self, what: &str) -> usize {
        let done = self.done();
        done.iter().position(|d| d == what).unwrap_or_else(|| panic!("'{what}' is not among {done:?}"))
    }
    pub(crate) fn did(&self, what: &str) -> bool {
        self.done().iter().any(|d| d.starts_with(what))
    }
    pub(crate) fn commits(&self) -> Vec<Commit> {
        self.0.lock().unwrap().commits.clone()
    }
    pub(crate) fn refuse(&self, class: Class, error: JournalError) {
        self.0.lock().unwrap().refuse.push((class, error));
    }
    pub(crate) fn refuse_nothing(&self) {
        self.0.lock().unwrap().refuse.clear();
    }
    pub(crate) fn charged(&self) -> Id {
        *self.0.lock().unwrap().charges.last().expect("nothing was charged")
    }
    pub(crate) fn hold_receipt(&self, number: u32) {
        self.0.lock().unwrap().held = Some(number);
    }
    pub(crate) fn terminal_busy(&self, busy: bool) {
        self.0.lock().unwrap().terminal_busy = busy;
    }
    fn note(&self, what: String) {
        self.0.lock().unwrap().done.push(what);
    }
}

impl Journal for World {
    fn commit(&mut self, commit: Commit, _: Wait) -> Result<(), JournalError> {
        let mut seen = self.0.lock().unwrap();
        if let Some((_, error)) = seen.refuse.iter().find(|(class, _)| *class == commit.class) {
            return Err(error.clone());
        }
        if seen.held.is_some() && commit.attempts.iter().any(|attempt| attempt.reference == seen.held) {
            return Err(JournalError::Conflict("that receipt is held by another attempt".into()));
        }
        let kinds: Vec<_> = commit.events.iter().map(|event| format!("record {}", event.kind)).collect();
        seen.done.extend(kinds);
        seen.commits.push(commit);
        Ok(())
    }
    fn flush(&mut self) -> Result<(), JournalError> {
        Ok(())
    }
}

impl Ports for World {
    fn command(&mut self, attempt: Id, command: Command) -> bool {
        if self.0.lock().unwrap().terminal_busy {
            return false;
        }
        self.note(format!("charge {}", command.amount().0));
        self.0.lock().unwrap().charges.push(attempt);
        true
    }
    fn enquire(&mut self, _: Id) -> bool {
        self.note("enquire".into());
        true
    }
    fn abort_command(&mut self, _: Id) {
        self.note("abort".into());
    }
    fn identify(&mut self, _: String) {
        self.note("identify".into());
    }
    fn print(&mut self, paper: Paper) -> bool {
        if let Paper::Sale(receipt) = paper {
            self.note(format!("print {}", receipt.number));
        }
        true
    }
    fn signal(&mut self, _: Signal) {}
    fn open_drawer(&mut self) -> bool {
        true
    }
}

/// An engine in that world, and the world.
pub(crate) fn engine() -> (Engine, World) {
    let world = World::default();
    let kiosk = Kiosk::new(config(), catalogue());
    (Engine::new(kiosk, recorder(), Box::new(world.clone()), Box::new(world.clone())), world)
}

/// From the attract screen to one flat white in the basket at checkout.
pub(crate) fn to_checkout(engine: &mut Engine, mono_ms: u64) {
    for intent in [
        Intent::Begin,
        Intent::ChooseService(Service::EatIn),
        Intent::OpenCategory(CategoryId(0)),
        Intent::QuickAdd(kiosk_core::ArticleId(0)),
        Intent::OpenBasket,
        Intent::Checkout,
    ] {
        engine.intent(at(mono_ms), intent).unwrap();
    }
}

pub(crate) fn pay(engine: &mut Engine, mono_ms: u64, tender: Tender) {
    engine.intent(at(mono_ms), Intent::Pay(tender)).unwrap();
}

/// The terminal's answer to the last charge.
pub(crate) fn answer(engine: &mut Engine, world: &World, mono_ms: u64, outcome: CommandOutcome) {
    let ended = DeviceEvent::CommandEnded { attempt: world.charged(), outcome };
    engine.handle(at(mono_ms), Input::Device(ended)).unwrap();
}

pub(crate) fn approved() -> CommandOutcome {
    CommandOutcome::approved(Minor(390), 17, "**** 1234")
}
