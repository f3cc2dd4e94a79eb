// SPDX-License-Identifier: GPL-3.0-only
//! A kiosk that is played through by hand: intents and devices go in, effects are answered as the devices would.

use kiosk_core::{
    AccountAnswer, Catalogue, ClockQuality, CommandOutcome, Config, DeskIntent, DeviceEvent, Effect, Id, Intent, Kiosk, Lang,
    Minor, Now, OpenAttempt, OrderCounter, Restored, Snapshot,
    config::PayConfig,
    device::{Assurance, Consent, DeviceKind, Guest, Health, Method, UsualItem},
    event::PaymentFact,
    habit::Because,
    intent::Secret,
    payments::Verdict,
    session::{Failure, Input},
};
use std::sync::Arc;

/// Saturday, 21 November 2026, 09:31 UTC; 10:31 in the shop.
const MORNING_MS: i64 = 1_795_253_460_000;

/// A visit in the making.
pub(crate) struct Rehearsal {
    kiosk: Kiosk,
    catalogue: Arc<Catalogue>,
    now: Now,
    charge: Option<kiosk_core::Id>,
    /// What the backend was asked last about money there.
    asked: Option<kiosk_core::Id>,
    order: Option<kiosk_core::Id>,
    lang: Lang,
}

impl Rehearsal {
    pub(crate) fn new(catalogue: Arc<Catalogue>, pay: PayConfig, lang: Lang) -> Self {
        let now = Now { mono_ms: 1_000_000, utc_ms: Some(MORNING_MS), offset_min: 60, quality: ClockQuality::Synced };
        let config = Config { language: lang, pay, ..Config::default() };
        Self { kiosk: Kiosk::new(config, catalogue.clone()), catalogue, now, charge: None, asked: None, order: None, lang }
    }

    pub(crate) fn now(&self) -> Now {
        self.now
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.kiosk.snapshot(self.now)
    }

    pub(crate) fn intent(&mut self, intent: Intent) -> &mut Self {
        self.input(Input::Intent(intent))
    }

    pub(crate) fn intents(&mut self, intents: impl IntoIterator<Item = Intent>) -> &mut Self {
        for intent in intents {
            self.intent(intent);
        }
        self
    }

    pub(crate) fn device(&mut self, event: DeviceEvent) -> &mut Self {
        self.input(Input::Device(event))
    }

    pub(crate) fn health(&mut self, kind: DeviceKind, health: Health) -> &mut Self {
        self.device(DeviceEvent::Health(kind, health))
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, ms: u64) -> &mut Self {
        self.now.mono_ms += ms;
        self.now.utc_ms = self.now.utc_ms.map(|utc| utc.saturating_add_unsigned(ms));
        self.input(Input::Tick)
    }

    /// The disk takes nothing.
    pub(crate) fn disk_full(&mut self) -> &mut Self {
        self.input(Input::EffectFailed(Failure::Record))
    }

    /// Nothing has set the clock since the power came.
    pub(crate) fn without_time(&mut self) -> &mut Self {
        (self.now.utc_ms, self.now.quality) = (None, ClockQuality::Unset);
        self.input(Input::Tick)
    }

    pub(crate) fn desk(&mut self, intent: DeskIntent) -> &mut Self {
        self.input(Input::Desk(intent))
    }

    /// Into the menu, to eat in.
    pub(crate) fn browse(&mut self) -> &mut Self {
        self.intents([Intent::Begin, Intent::ChooseService(kiosk_core::Service::EatIn)])
    }

    /// Opens the category with this key.
    pub(crate) fn category(&mut self, key: &str) -> &mut Self {
        let at = self.catalogue.categories.iter().zip(0..).find(|(c, _)| c.key == key).map(|(_, at)| at);
        match at {
            Some(at) => self.intent(Intent::OpenCategory(kiosk_core::CategoryId(at))),
            None => self,
        }
    }

    /// Opens the article with this SKU.
    pub(crate) fn open(&mut self, sku: &str) -> &mut Self {
        match self.catalogue.find(sku) {
            Some((id, _)) => self.intent(Intent::OpenArticle(id)),
            None => self,
        }
    }

    /// A basket with several kinds of lines.
    pub(crate) fn fill(&mut self) -> &mut Self {
        self.open("harbour-burger").choose(0, 1, 1).choose(1, 0, 1).intent(Intent::Add);
        self.open("flat-white").choose(0, 1, 1).intent(Intent::Add);
        self.open("almond-croissant").intent(Intent::Add)
    }

    /// In the open article.
    pub(crate) fn choose(&mut self, group: u8, choice: u8, count: u8) -> &mut Self {
        self.intent(Intent::SetChoice { part: None, group, choice, count })
    }

    /// A filled basket, at checkout.
    pub(crate) fn checkout(&mut self) -> &mut Self {
        self.browse().fill().intents([Intent::OpenBasket, Intent::Checkout])
    }

    /// The terminal is asked.
    pub(crate) fn pay(&mut self) -> &mut Self {
        self.intent(Intent::Pay(kiosk_core::Tender::Card))
    }

    /// The terminal tells how it goes on.
    pub(crate) fn status(&mut self, code: u8) -> &mut Self {
        match self.charge {
            Some(attempt) => self.device(DeviceEvent::TerminalStatus { attempt, code }),
            None => self,
        }
    }

    /// The terminal tells how it ended.
    pub(crate) fn ended(&mut self, outcome: CommandOutcome) -> &mut Self {
        match self.charge.take() {
            Some(attempt) => self.device(DeviceEvent::CommandEnded { attempt, outcome }),
            None => self,
        }
    }

    pub(crate) fn approved(&mut self) -> &mut Self {
        let snapshot = self.snapshot();
        let amount = snapshot.part.map_or(snapshot.to_pay, |part| part.amount);
        self.ended(CommandOutcome::approved(amount, 17, "Visa •••• 1234"))
    }

    pub(crate) fn printed(&mut self, health: Health) -> &mut Self {
        match self.order {
            Some(order) => self.device(DeviceEvent::Printed { order, health }),
            None => self,
        }
    }

    /// A gift card's number was typed.
    pub(crate) fn gift(&mut self) -> &mut Self {
        self.intents([Intent::OpenGift, Intent::GiftCode(Secret("4000123456789012".to_owned()))])
    }

    /// The backend answers what it was asked last.
    pub(crate) fn account(&mut self, answer: AccountAnswer) -> &mut Self {
        match self.asked {
            Some(attempt) => self.device(DeviceEvent::Account { attempt, answer }),
            None => self,
        }
    }

    /// As after a restart in the middle of a payment; the terminal's last receipt says how it ended, or is waited for.
    pub(crate) fn restarted(&mut self, paid: Option<bool>) -> &mut Self {
        let id = |n: u8| Id([n; 16]);
        let mut fact = PaymentFact::card(id(1), id(2), id(3), Minor(1_250));
        fact.trail.began_utc_ms = self.now.utc_ms;
        let open = OpenAttempt { fact, visit: Some(id(4)), number: "A-17".to_owned(), unknown: true, placed: true };
        let restored = match paid {
            Some(true) => Restored { paid: Some(open), ..Restored::default() },
            _ => Restored { open: vec![open], ..Restored::default() },
        };
        self.kiosk.restore(restored, OrderCounter::default());
        self.input(Input::Tick);
        if paid == Some(false) {
            let effects = self.kiosk.resolve(self.now, id(3), Verdict::NotCharged, "1001");
            drop(effects);
        }
        self
    }

    /// A code is held to the scanner.
    pub(crate) fn scan(&mut self, code: &str) -> &mut Self {
        self.device(DeviceEvent::Scanned { code: code.to_owned(), token: "1:ac".to_owned() })
    }

    /// A guest card is held to the reader.
    pub(crate) fn card(&mut self) -> &mut Self {
        let (method, assurance) = (Method::Ntag424, Assurance::High);
        self.device(DeviceEvent::CardSeen { token: "1:ab".to_owned(), method, assurance, counter: Some(7) })
    }

    /// Jane, or Ivan where Russian is spoken; with the usual, or new to the shop.
    pub(crate) fn guest(&mut self, known: bool) -> &mut Self {
        let russian = self.catalogue.languages.get(usize::from(self.lang.0)).is_some_and(|tag| tag == "ru");
        let item = |sku: &str, modifiers: &[(&str, u8)]| UsualItem {
            sku: sku.to_owned(),
            modifiers: modifiers.iter().map(|(sku, count)| ((*sku).to_owned(), *count)).collect(),
            quantity: 1,
        };
        let guest = Guest {
            visitor: "v_00000000000000000000000000000000".to_owned(),
            display_name: if russian { "Иван" } else { "Jane" }.to_owned(),
            language: if russian { "ru" } else { "en" }.to_owned(),
            consent: if known { Consent::Personal } else { Consent::Service },
            usual: if known { vec![item("flat-white", &[("milk-oat", 1)]), item("almond-croissant", &[])] } else { Vec::new() },
            usual_because: known.then_some(Because::ThisTimeOfDay),
            dietary: Vec::new(),
            points: 412,
            visits_before: 23,
            as_of_ms: Some(MORNING_MS - 29 * 60_000),
        };
        self.card().device(DeviceEvent::Identified { token: "1:ab".to_owned(), guest: Some(guest), proven: false })
    }

    /// A guest card by which nobody is known.
    pub(crate) fn stranger(&mut self) -> &mut Self {
        self.card().device(DeviceEvent::Identified { token: "1:ab".to_owned(), guest: None, proven: false })
    }

    fn input(&mut self, input: Input) -> &mut Self {
        for effect in self.kiosk.step(self.now, input) {
            match effect {
                Effect::Command { attempt, .. } => self.charge = Some(attempt),
                Effect::Account { attempt, .. } => self.asked = Some(attempt),
                Effect::Print(paper) => self.order = Some(paper.subject()),
                _ => {}
            }
        }
        self
    }
}
