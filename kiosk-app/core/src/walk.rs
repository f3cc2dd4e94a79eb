//! A random walk: whatever comes, in whatever order, the laws hold.

#![allow(clippy::unwrap_used)]

use crate::{
    ArticleId, Command, CommandOutcome, Effect, Event, Id, Input, Intent, Lang, LineId, Minor, OpenAttempt, OrderCounter,
    Restored, Service, Tender,
    catalogue::{Allergen, CategoryId},
    config::{Config, PayConfig, Tip},
    consent::Question,
    device::{Alarm, Assurance, CardRefusal, Consent, DeviceEvent, DeviceKind, Guest, Health, Key, Method},
    event::{Outcome, PaymentFact, Stage},
    fixture::CROISSANT,
    rig::{Rig, ivan, jane},
    session::Failure,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec,
    vec::Vec,
};
use proptest::{prelude::*, sample::select};

/// A step of the walk; what refers to the past is resolved when it is taken.
#[derive(Clone, Debug)]
enum Move {
    Touch(Intent),
    /// All the touches that lead to the terminal, or to the counter.
    Sale(Tender),
    /// A known guest with the usual.
    Usual,
    Device(DeviceEvent),
    /// Outcome for one of the attempts ever sent, counted from the last.
    Ended {
        back: usize,
        outcome: Word,
    },
    Status {
        back: usize,
    },
    Printed(Health),
    /// Fails the last step's first effect of this kind, where it had one.
    FailRecord,
    FailDevice(DeviceKind),
    /// A failure that nothing explains.
    StrayFailure,
    Wait(u64),
    /// Time passes without its ticks.
    Sleep(u64),
}

#[derive(Clone, Copy, Debug)]
enum Word {
    Approved,
    OtherAmount,
    Declined,
    NotSent,
    Unknown,
}

fn intents() -> impl Strategy<Value = Intent> {
    let article = || (0u32..9).prop_map(ArticleId);
    let line = || (0u32..6).prop_map(LineId);
    let service = select(vec![Service::EatIn, Service::Takeaway]);
    let tender = select(vec![Tender::Card, Tender::Card, Tender::Card, Tender::Cash, Tender::Gift]);
    let plain = select(vec![
        Intent::Begin,
        Intent::SeeMenu,
        Intent::OrderUsual,
        Intent::StayAnonymous,
        Intent::Add,
        Intent::Back,
        Intent::OpenBasket,
        Intent::Checkout,
        Intent::CancelPayment,
        Intent::PrintReceipt,
        Intent::Finish,
        Intent::StartOver,
        Intent::CallPerson,
        Intent::AskWhy,
        Intent::AskPrivacy,
        Intent::Decline,
        Intent::ForgetMe,
        Intent::KeepLess(Consent::None),
        Intent::KeepDietary(true),
        Intent::StillHere,
        Intent::Dismiss,
        Intent::ToggleEasyAccess,
        Intent::Touched,
    ]);
    prop_oneof![
        6 => plain,
        3 => service.prop_map(Intent::ChooseService),
        1 => (0u8..4).prop_map(|l| Intent::ChooseLanguage(Lang(l))),
        1 => (0u32..4).prop_map(|c| Intent::OpenCategory(CategoryId(c))),
        4 => article().prop_map(Intent::QuickAdd),
        3 => article().prop_map(Intent::OpenArticle),
        1 => (0u8..4).prop_map(Intent::ChooseVariant),
        3 => (prop::option::of(0u8..4), 0u8..3, 0u8..4, any::<u8>())
            .prop_map(|(part, group, choice, count)| Intent::SetChoice { part, group, choice, count }),
        3 => (0u8..4, 0u8..4).prop_map(|(part, choice)| Intent::ChoosePart { part, choice }),
        1 => any::<u16>().prop_map(Intent::SetQuantity),
        1 => (any::<u16>(), prop_oneof![any::<i64>(), 0i64..5_000]).prop_map(|(quantity, amount)| Intent::AddOpenPrice {
            sku: "w".into(),
            name: "Weighed".into(),
            quantity,
            amount: Minor(amount),
        }),
        1 => line().prop_map(Intent::EditLine),
        1 => (line(), any::<u16>()).prop_map(|(line, n)| Intent::SetLineQuantity(line, n)),
        1 => line().prop_map(Intent::RemoveLine),
        1 => select(Allergen::ALL.to_vec()).prop_map(Intent::ToggleAllergen),
        6 => tender.prop_map(Intent::Pay),
        1 => prop::option::of(0u8..4).prop_map(Intent::Tip),
        2 => (0u8..5).prop_map(Intent::Parts),
        1 => any::<u8>().prop_map(|n| Intent::Rate(n % 8)),
        2 => select(vec![Intent::Ask as fn(Question) -> Intent, Intent::Agree])
            .prop_flat_map(|make| question().prop_map(make)),
    ]
}

fn question() -> impl Strategy<Value = Question> {
    select(vec![Question::Join, Question::Level(Consent::Personal), Question::Level(Consent::Marketing)])
}

fn devices() -> impl Strategy<Value = DeviceEvent> {
    let token = || (0u8..3).prop_map(|n| n.to_string());
    let guest = select(vec![
        None,
        Some(jane()),
        Some(ivan()),
        Some(Guest { consent: Consent::None, ..jane() }),
        Some(Guest { consent: Consent::Service, ..jane() }),
    ]);
    let kind = select(vec![DeviceKind::Terminal, DeviceKind::Printer, DeviceKind::Reader]);
    let health = select(vec![Health::Ok, Health::Ok, Health::Lost, Health::Blocked]);
    prop_oneof![
        1 => any::<bool>().prop_map(DeviceEvent::Presence),
        1 => select(vec![Key::Up, Key::Down, Key::Select, Key::Back, Key::Help]).prop_map(DeviceEvent::Key),
        1 => select(vec![Key::Up, Key::Down, Key::Select, Key::Back, Key::Help]).prop_map(DeviceEvent::KeyHeld),
        1 => select(vec![Alarm::BoardMismatch, Alarm::CaseOpened])
            .prop_map(|alarm| DeviceEvent::Alarm { alarm, detail: "walk".into() }),
        1 => any::<bool>().prop_map(DeviceEvent::Headphones),
        4 => token().prop_map(|token| DeviceEvent::CardSeen {
            token,
            method: Method::Uid,
            assurance: Assurance::Low,
            counter: None
        }),
        1 => select(vec![jane(), ivan()]).prop_map(|guest| DeviceEvent::Forgotten { visitors: vec![guest.visitor] }),
        1 => Just(DeviceEvent::BankCardSeen),
        1 => Just(DeviceEvent::CardRefused(CardRefusal::RandomNumber)),
        4 => (token(), guest, any::<bool>()).prop_map(|(token, guest, proven)| DeviceEvent::Identified { token, guest, proven }),
        1 => (kind, health).prop_map(|(kind, health)| DeviceEvent::Health(kind, health)),
        1 => Just(DeviceEvent::CommandEnded { attempt: Id([9; 16]), outcome: CommandOutcome::Unknown }),
    ]
}

fn moves() -> impl Strategy<Value = Move> {
    let word = select(vec![Word::Approved, Word::Approved, Word::Declined, Word::OtherAmount, Word::NotSent, Word::Unknown]);
    let kinds = select(vec![DeviceKind::Terminal, DeviceKind::Printer, DeviceKind::Backend, DeviceKind::Peripherals]);
    prop_oneof![
        40 => intents().prop_map(Move::Touch),
        6 => select(vec![Tender::Card, Tender::Card, Tender::Cash]).prop_map(Move::Sale),
        2 => Just(Move::Usual),
        8 => devices().prop_map(Move::Device),
        12 => (0usize..3, word).prop_map(|(back, outcome)| Move::Ended { back, outcome }),
        1 => (0usize..2).prop_map(|back| Move::Status { back }),
        2 => select(vec![Health::Ok, Health::Low, Health::Blocked]).prop_map(Move::Printed),
        4 => Just(Move::FailRecord),
        2 => kinds.prop_map(Move::FailDevice),
        1 => Just(Move::StrayFailure),
        3 => select(vec![0u64, 300, 1_000, 6_000, 20_000, 60_000, 75_000, 180_000]).prop_map(Move::Wait),
        1 => (0u64..200_000).prop_map(Move::Sleep),
    ]
}

/// What is known from the records that reached the disk.
#[derive(Default)]
struct Disk {
    started: BTreeMap<Id, PaymentFact>,
    ended: BTreeSet<Id>,
    placed: BTreeSet<Id>,
    received: BTreeMap<Id, u32>,
    /// What is to be paid of an order, and what has come.
    due: BTreeMap<Id, Minor>,
    came: BTreeMap<Id, Minor>,
    visits: BTreeSet<Id>,
    closed: BTreeSet<Id>,
    numbers: BTreeSet<(String, String)>,
}

struct Walk {
    rig: Rig,
    disk: Disk,
    sent: BTreeMap<Id, Minor>,
    printed: Vec<Id>,
}

impl Walk {
    fn take(&mut self, step: Move) {
        match step {
            Move::Touch(intent) => self.input(Input::Intent(intent)),
            Move::Sale(tender) => {
                for intent in [
                    Intent::Begin,
                    Intent::ChooseService(Service::Takeaway),
                    Intent::QuickAdd(CROISSANT),
                    Intent::Checkout,
                    Intent::Pay(tender),
                ] {
                    self.input(Input::Intent(intent));
                }
            }
            Move::Usual => {
                let (token, method, assurance) = (String::from("j"), Method::Ntag424, Assurance::High);
                self.input(Input::Device(DeviceEvent::CardSeen { token: token.clone(), method, assurance, counter: Some(1) }));
                self.input(Input::Device(DeviceEvent::Identified { token, guest: Some(jane()), proven: false }));
                self.input(Input::Intent(Intent::OrderUsual));
            }
            Move::Device(event) => self.input(Input::Device(event)),
            Move::Ended { back, outcome } => {
                if let Some((attempt, amount)) = self.rig.charges().into_iter().rev().nth(back) {
                    let outcome = word(outcome, amount);
                    self.input(Input::Device(DeviceEvent::CommandEnded { attempt, outcome }));
                }
            }
            Move::Status { back } => {
                if let Some(attempt) = self.rig.attempts().into_iter().rev().nth(back) {
                    self.input(Input::Device(DeviceEvent::TerminalStatus { attempt, code: 4 }));
                }
            }
            Move::Printed(health) => {
                if let Some(order) = self.printed.pop() {
                    self.input(Input::Device(DeviceEvent::Printed { order, health }));
                }
            }
            Move::FailRecord => self.fail(|e| matches!(e, Effect::Record(_)), Failure::Record),
            Move::FailDevice(kind) => self.fail(|e| device_of(e) == Some(kind), Failure::Device(kind)),
            Move::StrayFailure => self.input(Input::EffectFailed(Failure::Device(DeviceKind::Terminal))),
            Move::Wait(ms) => self.wait(ms),
            Move::Sleep(ms) => {
                self.commit();
                self.rig.mono_ms += ms;
            }
        }
    }

    fn wait(&mut self, ms: u64) {
        let until = self.rig.mono_ms + ms;
        for round in 0.. {
            let Some(due) = self.rig.see().next_tick_ms.filter(|due| *due <= until) else { break };
            assert!(round < 1_000, "a tick that is due must get something done");
            self.rig.mono_ms = self.rig.mono_ms.max(due);
            self.input(Input::Tick);
        }
        self.rig.mono_ms = until;
    }

    /// The last step's effects up to the first that fails are carried out; that one and those after it are not.
    fn fail(&mut self, which: impl Fn(&Effect) -> bool, failure: Failure) {
        let Some(at) = self.rig.last.iter().position(which) else { return };
        for lost in self.rig.last.split_off(at) {
            if let Effect::Command { attempt, .. } = lost {
                self.sent.remove(&attempt);
                self.rig.all.retain(|e| !matches!(e, Effect::Command { attempt: a, .. } if *a == attempt));
            }
            if let Effect::Print(paper) = lost {
                self.printed.retain(|order| *order != paper.subject());
            }
        }
        self.input(Input::EffectFailed(failure));
    }

    /// What the last step asked to be recorded is on disk now.
    fn commit(&mut self) {
        for effect in core::mem::take(&mut self.rig.last) {
            if let Effect::Record(record) = effect {
                assert!(!record.events.is_empty());
                for event in &record.events {
                    self.disk.learn(event, record.visit);
                }
            }
        }
    }

    fn input(&mut self, input: Input) {
        self.commit();
        let failed_record = input == Input::EffectFailed(Failure::Record);
        let before = self.rig.see();
        let running = self.rig.kiosk.payments().running().cloned();
        self.rig.input(input);
        self.law_one(failed_record);
        for effect in &self.rig.last {
            match effect {
                Effect::Command { attempt, command: Command::Authorise { amount } } => {
                    assert!(running.is_none(), "one attempt at the terminal");
                    assert!(self.sent.insert(*attempt, *amount).is_none(), "an attempt is sent once");
                    assert!(*amount > Minor::ZERO);
                }
                Effect::Print(paper) => self.printed.push(paper.subject()),
                Effect::Record(record) => {
                    for event in &record.events {
                        if let Event::OrderPlaced(order) = event {
                            assert_eq!(order.priced, self.rig.see().basket, "sold is what is in the basket");
                            assert!(!order.priced.lines.is_empty());
                        }
                        if let Event::VisitEnded { outcome, .. } = event {
                            assert!(running.is_none() || *outcome != Outcome::TimedOut, "no time-out while a payment runs");
                        }
                    }
                }
                _ => {}
            }
        }
        let see = self.rig.see();
        if before.visit.is_some() && see.visit.is_some() && before.visit != see.visit {
            panic!("no visit follows another without an attract screen");
        }
        self.state_holds();
    }

    /// Records come first, and a charge only with its own start among them.
    fn law_one(&self, failed_record: bool) {
        let acts = self.rig.last.iter().position(|e| !matches!(e, Effect::Record(_))).unwrap_or(self.rig.last.len());
        assert!(self.rig.last[acts..].iter().all(|e| !matches!(e, Effect::Record(_))), "record, then act");
        assert!(!failed_record || acts == 0, "a failed record is not answered by another");
        for effect in &self.rig.last {
            let Effect::Command { attempt, command: Command::Authorise { amount } } = effect else { continue };
            let start = |e: &&Event| matches!(e, Event::PaymentStarted(f) if (f.attempt, f.amount) == (*attempt, *amount));
            assert_eq!(self.rig.last_events().iter().filter(|e| start(e)).count(), 1, "started in the same step");
        }
    }

    fn state_holds(&self) {
        let see = self.rig.see();
        assert_eq!(see.visit.is_none(), see.stage == Stage::Attract);
        if see.stage == Stage::Attract {
            assert_eq!((see.basket.lines.len(), &see.guest, &see.order, &see.draft), (0, &None, &None, &None));
            assert_eq!((see.usual.is_some(), see.identifying, see.rated), (false, false, None));
        } else {
            assert!(see.next_tick_ms.is_some(), "a timer always runs outside attract");
        }
        assert_eq!(see.draft.is_some(), see.stage == Stage::Item);
        let lines: Minor = see.basket.lines.iter().map(|l| l.amount).sum();
        assert_eq!(lines, see.basket.goods);
        for line in &see.basket.lines {
            assert!(line.quantity >= 1);
        }
        if let Some(guest) = &see.guest {
            assert!(guest.consent >= Consent::Service);
            assert!(guest.consent >= Consent::Personal || see.usual.is_none());
        }
        if matches!(see.stage, Stage::Paying | Stage::Done | Stage::Feedback) {
            assert!(see.order.is_some());
        }
    }
}

impl Disk {
    fn learn(&mut self, event: &Event, visit: Option<Id>) {
        match event {
            Event::VisitStarted { visit: id, .. } => {
                assert_eq!(visit, Some(*id));
                assert!(self.visits.insert(*id), "a visit starts once");
            }
            Event::VisitEnded { .. } => {
                let visit = visit.unwrap();
                assert!(self.visits.contains(&visit), "what ends has begun");
                assert!(self.closed.insert(visit), "a visit ends once");
            }
            Event::OrderPlaced(order) => {
                assert!(self.placed.insert(order.order));
                self.due.insert(order.order, order.to_pay());
                assert!(self.numbers.insert((order.business_date.clone(), order.number.clone())), "a number is given once");
            }
            Event::PaymentStarted(fact) => {
                assert!(self.placed.contains(&fact.order), "no payment without an order");
                assert!(self.started.insert(fact.attempt, fact.clone()).is_none());
            }
            Event::PaymentApproved(fact) | Event::PaymentDeclined(fact) => {
                assert_eq!(self.started.get(&fact.attempt).map(|f| f.order), Some(fact.order));
                assert!(self.ended.insert(fact.attempt), "an attempt ends once");
                let moved = matches!(event, Event::PaymentApproved(_)).then_some(fact.amount).unwrap_or_default();
                let signed = if fact.kind == crate::CommandKind::Authorise { moved } else { -moved };
                *self.came.entry(fact.order).or_default() += signed;
            }
            Event::PaymentUnknown(fact) => assert!(self.started.contains_key(&fact.attempt)),
            Event::PaymentResolved(fact) => {
                assert!(self.started.contains_key(&fact.attempt));
                let came = self.came.entry(fact.order).or_default();
                *came += fact.amount;
            }
            Event::OrderProgressed { order, state } => {
                assert!(self.placed.contains(order));
                if *state == crate::event::Progress::Received {
                    *self.received.entry(*order).or_default() += 1;
                    assert_eq!(self.received[order], 1, "an order is made once");
                    let (due, came) = (self.due.get(order).copied(), self.came.get(order).copied().unwrap_or_default());
                    assert!(due.is_none_or(|due| came >= due), "made once it is paid: {came:?} of {due:?}");
                }
            }
            _ => {}
        }
    }
}

fn word(word: Word, amount: Minor) -> CommandOutcome {
    let approved = |amount| CommandOutcome::approved(amount, 1, "x");
    match word {
        Word::Approved => approved(amount),
        Word::OtherAmount => approved(amount + Minor(1)),
        Word::Declined => CommandOutcome::Declined { code: 5 },
        Word::NotSent => CommandOutcome::NotSent,
        Word::Unknown => CommandOutcome::Unknown,
    }
}

fn device_of(effect: &Effect) -> Option<DeviceKind> {
    match effect {
        Effect::Command { .. } | Effect::Enquire { .. } | Effect::Account { .. } | Effect::AbortCommand { .. } => {
            Some(DeviceKind::Terminal)
        }
        Effect::Identify { .. } => Some(DeviceKind::Backend),
        Effect::Print(_) => Some(DeviceKind::Printer),
        Effect::Signal(_) | Effect::OpenDrawer => Some(DeviceKind::Peripherals),
        Effect::EditStaff { .. }
        | Effect::SignIn { .. }
        | Effect::ChoosePin { .. }
        | Effect::SignOut
        | Effect::Look { .. }
        | Effect::Cards { .. }
        | Effect::Glass(_)
        | Effect::SetClock { .. } => None,
        Effect::Record(_) => None,
    }
}

fn walk(config: Config, found: bool, steps: Vec<Move>) -> Walk {
    let mut walk = Walk { rig: Rig::with(config), disk: Disk::default(), sent: BTreeMap::new(), printed: Vec::new() };
    if found {
        let fact = PaymentFact::card(Id([1; 16]), Id([2; 16]), Id([3; 16]), Minor(750));
        walk.disk.placed.insert(fact.order);
        walk.disk.started.insert(fact.attempt, fact.clone());
        let open = OpenAttempt { fact, visit: Some(Id([4; 16])), number: "A-1".into(), unknown: false, placed: true };
        walk.rig.kiosk.restore(Restored { open: [open].into(), ..Restored::default() }, OrderCounter::default());
    }
    for step in steps {
        walk.take(step);
    }
    walk
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_the_laws_hold(
        ask_service in any::<bool>(),
        pay_at_counter in any::<bool>(),
        found in any::<bool>(),
        steps in prop::collection::vec(moves(), 0..200),
    ) {
        let pay = PayConfig { counter: pay_at_counter, parts: 3, tips: vec![Tip::Share(100_000), Tip::Amount(Minor(100))], ..PayConfig::default() };
        let config = Config { ask_service, pay, ..Config::default() };
        let mut walk = walk(config, found, steps);
        // Left alone for long enough, every kiosk comes back to an attract screen with everything recorded.
        for _ in 0..4 {
            walk.wait(400_000);
        }
        walk.commit();
        prop_assert_eq!(walk.rig.see().stage, Stage::Attract);
        prop_assert_eq!(&walk.disk.visits, &walk.disk.closed);
        prop_assert!(walk.sent.keys().all(|attempt| walk.disk.started.contains_key(attempt)), "no charge without a record");
        prop_assert!(walk.rig.kiosk.payments().running().is_none());
        let unresolved: BTreeSet<Id> = walk.rig.kiosk.payments().unresolved().map(|u| u.fact.attempt).collect();
        for attempt in walk.disk.started.keys() {
            prop_assert!(walk.disk.ended.contains(attempt) || unresolved.contains(attempt) || walk.resolved(*attempt));
        }
    }
}

impl Walk {
    fn resolved(&self, attempt: Id) -> bool {
        self.rig.count(|e| matches!(e, Event::PaymentResolved(f) if f.attempt == attempt)) > 0
    }
}
