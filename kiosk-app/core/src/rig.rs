//! A kiosk on the bench: a clock that is turned by hand, and everything it ever asked for.

use crate::{
    Arc, CommandOutcome, Config, Effect, Enquiry, Event, Id, Input, Intent, Kiosk, Minor, Now, Snapshot, Tender,
    device::{Assurance, Consent, DeviceEvent, Guest, Method, UsualItem},
    effect::Record,
    fixture,
    habit::Because,
    now::ClockQuality,
    session::{Failure, PayView},
};
use alloc::{vec, vec::Vec};

pub(crate) struct Rig {
    pub(crate) kiosk: Kiosk,
    pub(crate) mono_ms: u64,
    /// Of the last step.
    pub(crate) last: Vec<Effect>,
    /// Of all steps.
    pub(crate) all: Vec<Effect>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let kiosk = Kiosk::new(config, Arc::new(fixture::cafe()));
        Self { kiosk, mono_ms: 1_000_000, last: Vec::new(), all: Vec::new() }
    }

    /// A visit in the menu, to be taken away, without a question left.
    pub(crate) fn browsing() -> Self {
        let mut rig = Self::new();
        rig.touch(Intent::Begin).touch(Intent::ChooseService(crate::Service::Takeaway));
        rig
    }

    /// Croissant in the basket, waiting for the terminal.
    pub(crate) fn paying() -> Self {
        let mut rig = Self::browsing();
        rig.touch(Intent::QuickAdd(fixture::CROISSANT)).touch(Intent::Checkout).touch(Intent::Pay(Tender::Card));
        assert!(matches!(rig.see().pay, PayView::Waiting { .. }));
        rig
    }

    pub(crate) fn now(&self) -> Now {
        let utc_ms = Some(1_795_262_400_000 + i64::try_from(self.mono_ms).unwrap_or(0));
        Now { mono_ms: self.mono_ms, utc_ms, offset_min: 60, quality: ClockQuality::Synced }
    }

    pub(crate) fn input(&mut self, input: Input) -> &mut Self {
        self.last = self.kiosk.step(self.now(), input);
        self.all.extend(self.last.iter().cloned());
        self
    }

    pub(crate) fn touch(&mut self, intent: Intent) -> &mut Self {
        self.input(Input::Intent(intent))
    }

    pub(crate) fn device(&mut self, event: DeviceEvent) -> &mut Self {
        self.input(Input::Device(event))
    }

    pub(crate) fn fail(&mut self, failure: Failure) -> &mut Self {
        self.input(Input::EffectFailed(failure))
    }

    /// Lets time pass, with the ticks that are asked for.
    pub(crate) fn wait(&mut self, ms: u64) -> &mut Self {
        let until = self.mono_ms + ms;
        while let Some(due) = self.see().next_tick_ms.filter(|due| *due <= until) {
            self.mono_ms = self.mono_ms.max(due);
            self.input(Input::Tick);
        }
        self.mono_ms = until;
        self
    }

    pub(crate) fn see(&self) -> Snapshot {
        self.kiosk.snapshot(self.now())
    }

    pub(crate) fn tap(&mut self, token: &str) -> &mut Self {
        self.device(DeviceEvent::CardSeen {
            token: token.into(),
            method: Method::Ntag424,
            assurance: Assurance::High,
            counter: Some(7),
        })
    }

    pub(crate) fn known(&mut self, token: &str, guest: Option<Guest>) -> &mut Self {
        self.device(DeviceEvent::Identified { token: token.into(), guest, proven: false })
    }

    pub(crate) fn ended(&mut self, outcome: CommandOutcome) -> &mut Self {
        let attempt = self.attempts().last().copied().unwrap_or_default();
        self.device(DeviceEvent::CommandEnded { attempt, outcome })
    }

    pub(crate) fn approve(&mut self) -> &mut Self {
        let amount = self.charges().last().map_or(Minor::ZERO, |charge| charge.1);
        self.ended(CommandOutcome::approved(amount, 17, "Visa **** 1234"))
    }

    /// The terminal cannot say what its last receipt was.
    pub(crate) fn left(&mut self) -> &mut Self {
        let asked = self.all.iter().rev().find_map(|effect| match effect {
            Effect::Enquire { attempt } => Some(*attempt),
            _ => None,
        });
        self.device(DeviceEvent::Enquired { attempt: asked.unwrap_or_default(), enquiry: Enquiry::Unsupported })
    }

    pub(crate) fn decline(&mut self) -> &mut Self {
        self.ended(CommandOutcome::Declined { code: 0x6c })
    }

    pub(crate) fn attempts(&self) -> Vec<Id> {
        self.charges().into_iter().map(|charge| charge.0).collect()
    }

    /// All that was ever sent to the terminal.
    pub(crate) fn charges(&self) -> Vec<(Id, Minor)> {
        let charge = |effect: &Effect| match effect {
            Effect::Command { attempt, command } => Some((*attempt, command.amount())),
            _ => None,
        };
        self.all.iter().filter_map(charge).collect()
    }

    pub(crate) fn records(&self) -> Vec<&Record> {
        records(&self.all)
    }

    /// Everything that was ever recorded.
    pub(crate) fn events(&self) -> Vec<&Event> {
        self.records().into_iter().flat_map(|record| &record.events).collect()
    }

    pub(crate) fn last_events(&self) -> Vec<&Event> {
        records(&self.last).into_iter().flat_map(|record| &record.events).collect()
    }

    pub(crate) fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.events().into_iter().filter(|event| is(event)).count()
    }
}

pub(crate) fn records(effects: &[Effect]) -> Vec<&Record> {
    let records = effects.iter().filter_map(|effect| match effect {
        Effect::Record(record) => Some(record),
        _ => None,
    });
    records.collect()
}

/// Jane, who agreed to be remembered, and who has the same each day.
pub(crate) fn jane() -> Guest {
    Guest {
        visitor: "v_0123456789abcdef0123456789abcdef".into(),
        display_name: "Jane".into(),
        language: "en-GB".into(),
        consent: Consent::Personal,
        usual: vec![
            UsualItem { sku: "flat-white".into(), modifiers: vec![("oat-milk".into(), 1)], quantity: 1 },
            UsualItem { sku: "croissant".into(), modifiers: Vec::new(), quantity: 1 },
        ],
        usual_because: Some(Because::Often),
        dietary: Vec::new(),
        points: 412,
        visits_before: 23,
        as_of_ms: None,
    }
}

/// Ivan, who reads Russian.
pub(crate) fn ivan() -> Guest {
    Guest { display_name: "Ivan".into(), language: "ru".into(), usual: Vec::new(), visitor: "v_ivan".into(), ..jane() }
}
