//! Every way in which a card payment can go wrong, enumerated: the real core, a model of the journal, a model of the
//! terminal, and virtual time.
//!
//! A schedule is a number: where the kiosk crashes, which message is lost, late or doubled, how the terminal answers, what is
//! done at it by hand, what it takes back by itself, what it tells, how staff decide, whether the guest pays in two parts, with a
//! gift card, or with both, what the network does to the gift card's messages (then nobody uses the terminal by hand), and whether
//! a second guest pays the same. After each the books of the terminal are held against what is on disk:
//!
//! - no order is charged more than it is over, and no attempt is charged or sent twice;
//! - what was charged is recorded as charged, or waits for a person, or is a task for one;
//! - what is made was charged in full, or is a task for a person;
//! - what was taken for an order that is not made is a task for a person;
//! - nothing stays set aside on a gift card;
//! - no payment is settled by the receipt of another.
//!
//! A person may err, and the day's comparison must tell; what a sale by hand over the very same amount hides from a sum is
//! not counted against it.

mod disk;
mod judge;
mod office;
mod schedule;
mod terminal;

use disk::{Disk, State};
use kiosk_core::{
    AccountAnswer, AccountAsk, Arc, Catalogue, ClockQuality, Command, CommandKind, CommandOutcome, Config, Currency, DeviceEvent,
    Effect, Enquiry, Id, Input, Intent, Kiosk, Minor, Now, OrderCounter, Service, Stage, Tender,
    catalogue::Tax,
    event::Problem,
    event::TerminalBook,
    intent::Secret,
    payments::{
        NewCommand, Verdict,
        close::{self, Standing},
    },
    session::{Overlay, PayView},
};
use office::{Office, Way};
use schedule::{Crash, Hand, Pays, Wire};
pub use schedule::{SCHEDULES, Schedule};
use terminal::{Act, Answer, Terminal};

/// What everybody pays.
const PRICE: Minor = Minor(320);
/// What is on the gift card: less than that, or more.
const ON_GIFT: [Minor; 2] = [Minor(120), Minor(500)];
/// A sale by hand takes so long: longer than `TerminalLimits::hand_ms`.
const HAND_MS: u64 = 21_000;
/// How long a kiosk takes to start again.
const RESTART_MS: u64 = 3_000;

/// A journal, or what works on it, broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Mutant {
    AcknowledgesBeforeCommit,
    RecordsAfterTheCharge,
    ForgetsOpenAttempts,
    TakesAcknowledgementForGranted,
    LosesTheNumberBefore,
    DropsUnique,
    SendsAgain,
    ForgetsHolds,
    NewKeyForEachQuestion,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::AcknowledgesBeforeCommit,
        Self::RecordsAfterTheCharge,
        Self::ForgetsOpenAttempts,
        Self::TakesAcknowledgementForGranted,
        Self::LosesTheNumberBefore,
        Self::DropsUnique,
        Self::SendsAgain,
        Self::ForgetsHolds,
        Self::NewKeyForEachQuestion,
    ];
}

/// What was seen over many schedules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Schedules run.
    pub schedules: u64,
    /// Charges that the terminal made for us.
    pub charges: u64,
    /// Attempts that the terminal's own last receipt settled.
    pub by_enquiry: u64,
    /// Attempts left to a person.
    pub by_person: u64,
}

/// Runs the schedules `from`, `from + every`, ... below `count`, in an order that meets each of [`SCHEDULES`] once.
///
/// # Errors
/// The first schedule in which money is taken twice, forgotten, or mistaken.
pub fn run(count: u64, from: u64, every: u64, mutant: Option<Mutant>) -> Result<Seen, String> {
    let mut seen = Seen::default();
    for n in (from..count).step_by(every.max(1) as usize) {
        let number = n.wrapping_mul(1_000_003) % SCHEDULES;
        let schedule = Schedule::number(number);
        let mut world = World::new(schedule, mutant);
        world.play();
        world.judge().map_err(|why| format!("schedule {number}: {why}\n{schedule:?}"))?;
        seen.schedules += 1;
        seen.charges += world.terminal.books.iter().filter(|entry| entry.by.is_some()).count() as u64;
        seen.by_enquiry += world.by_enquiry;
        seen.by_person += world.by_person;
    }
    Ok(seen)
}

struct World {
    schedule: Schedule,
    mutant: Option<Mutant>,
    kiosk: Kiosk,
    terminal: Terminal,
    office: Office,
    /// Questions to the backend, for a key that is made anew each time.
    questions: u8,
    disk: Disk,
    now_ms: u64,
    /// What this process will hear.
    coming: Vec<(u64, DeviceEvent)>,
    crashed: bool,
    sent: Vec<Id>,
    sent_twice: bool,
    enquiries: u32,
    by_enquiry: u64,
    by_person: u64,
    starts: u8,
}

fn config(schedule: &Schedule, start: u8) -> Config {
    let mut config = Config { ask_service: false, seed: [start + 1; 32], ..Config::default() };
    config.terminal.by_hand = schedule.hand != Hand::Nothing;
    config.pay.parts = 2;
    config.pay.gift = true;
    config
}

fn catalogue() -> Arc<Catalogue> {
    Arc::new(Catalogue {
        version: String::new(),
        currency: Currency::EUR,
        languages: vec!["en".into()],
        taxes: vec![Tax { code: "full".into(), rate_ppm: 190_000, included: true, ..Tax::default() }],
        categories: Vec::new(),
        articles: Vec::new(),
        groups: Vec::new(),
    })
}

impl World {
    fn new(schedule: Schedule, mutant: Option<Mutant>) -> Self {
        let terminal = Terminal::with_receipts(schedule.receipts, schedule.traces);
        let last_trace = terminal.books.last().filter(|_| schedule.traces).map(|entry| entry.trace);
        let book =
            TerminalBook { tid: "T1".into(), period: 1, last_receipt: Some(schedule.receipts), last_trace, at_utc_ms: None };
        let disk = Disk { book, mutant, ..Disk::default() };
        let mut world = Self {
            kiosk: Kiosk::new(config(&schedule, 0), catalogue()),
            schedule,
            mutant,
            terminal,
            office: Office::with(ON_GIFT[usize::from(schedule.pays == Pays::Gift)]),
            questions: 0,
            disk,
            now_ms: 1_000,
            coming: Vec::new(),
            crashed: false,
            sent: Vec::new(),
            sent_twice: false,
            enquiries: 0,
            by_enquiry: 0,
            by_person: 0,
            starts: 0,
        };
        world.kiosk.restore(world.disk.restored(), OrderCounter::default());
        world
    }

    fn now(&self) -> Now {
        let utc_ms = Some(1_795_262_400_000 + i64::try_from(self.now_ms).unwrap_or(0));
        Now { mono_ms: self.now_ms, utc_ms, offset_min: 0, quality: ClockQuality::Synced }
    }

    fn play(&mut self) {
        self.guest(true);
        self.settle(400_000);
        if self.schedule.second_guest {
            self.guest(false);
            self.settle(400_000);
        }
        self.staff();
        self.settle(100_000);
        self.close_the_day();
        self.disk.flush();
    }

    /// Orders and pays by card.
    fn guest(&mut self, first: bool) {
        if first && self.schedule.hand == Hand::SameBefore {
            self.terminal.plan(self.now_ms + HAND_MS, Act::HandSale(self.asked()));
        }
        let open = Intent::AddOpenPrice { sku: "x".into(), name: "X".into(), quantity: 1, amount: PRICE };
        for intent in [Intent::Begin, Intent::ChooseService(Service::Takeaway), open, Intent::OpenBasket, Intent::Checkout] {
            self.input(Input::Intent(intent));
        }
        self.settle(100);
        if first && self.schedule.hand == Hand::SameBefore {
            // The guest hesitates while somebody makes a sale by hand.
            for _ in 0..2 {
                self.settle(HAND_MS / 2 + 100);
                self.input(Input::Intent(Intent::StillHere));
            }
        }
        if self.has_gift() {
            self.input(Input::Intent(Intent::OpenGift));
            return self.input(Input::Intent(Intent::GiftCode(Secret("4000123456789012".into()))));
        }
        if self.schedule.pays == Pays::TwoCards {
            self.input(Input::Intent(Intent::Parts(2)));
        }
        self.input(Input::Intent(Intent::Pay(Tender::Card)));
    }

    /// What the first attempt asks for, and somebody may take by hand as well.
    fn asked(&self) -> Minor {
        if self.schedule.pays == Pays::TwoCards { Minor(PRICE.0 / 2) } else { PRICE }
    }

    fn has_gift(&self) -> bool {
        matches!(self.schedule.pays, Pays::GiftAndCard | Pays::Gift)
    }

    /// A guest who pays in parts goes on with the next one at once; one whose gift card is of no use pays by card.
    fn next_part(&mut self) {
        if self.schedule.pays == Pays::Card {
            return;
        }
        let seen = self.kiosk.snapshot(self.now());
        let gift = seen.gift_view.as_ref();
        let useless = gift.is_some_and(|gift| gift.problem.is_some())
            || matches!(seen.overlay, Some(Overlay::Problem(Problem::GiftRefused | Problem::GiftOffline)));
        if gift.is_some_and(|gift| gift.balance.is_some()) {
            self.input(Input::Intent(Intent::UseGift(None)));
        } else if useless {
            self.input(Input::Intent(Intent::Dismiss));
            self.input(Input::Intent(Intent::Pay(Tender::Card)));
        } else if seen.pay == PayView::Part {
            self.input(Input::Intent(Intent::Pay(Tender::Card)));
        }
    }

    /// Lets everything happen that is due within `for_ms`.
    fn settle(&mut self, for_ms: u64) {
        let until = self.now_ms + for_ms;
        for _ in 0..10_000 {
            let tick = self.kiosk.snapshot(self.now()).next_tick_ms.map(|due| due.max(self.now_ms));
            let coming = self.coming.iter().map(|(at, _)| *at).min();
            let times = [tick, coming, self.terminal.next_ms(), self.office.next_ms()];
            let Some(next) = times.into_iter().flatten().min().filter(|at| *at <= until) else {
                break;
            };
            self.now_ms = self.now_ms.max(next);
            self.terminal.advance(self.now_ms);
            self.office.advance(self.now_ms);
            if let Some(at) = self.coming.iter().position(|(at, _)| *at <= self.now_ms) {
                let (_, event) = self.coming.remove(at);
                self.hear(event);
            } else if tick.is_some_and(|tick| tick <= self.now_ms) {
                self.input(Input::Tick);
            }
            self.next_part();
            let waiting = !self.kiosk.payments().is_busy()
                && !self.kiosk.waits_for_accounts()
                && self.office.next_ms().is_none()
                && self.coming.is_empty()
                && self.terminal.idle();
            if waiting && for_ms > 200_000 && self.kiosk.snapshot(self.now()).stage == Stage::Attract {
                return;
            }
        }
        self.now_ms = until;
        self.terminal.advance(until);
    }

    fn hear(&mut self, event: DeviceEvent) {
        let ends = matches!(event, DeviceEvent::CommandEnded { .. });
        let acknowledges = matches!(event, DeviceEvent::CommandAcknowledged { .. });
        if ends && self.dies(Crash::BeforeOutcomeRecorded) {
            return self.restart();
        }
        let held = matches!(event, DeviceEvent::Account { answer: AccountAnswer::Held, .. });
        self.input(Input::Device(event));
        if (held && self.dies(Crash::AfterHeld))
            || (ends && self.dies(Crash::AfterOutcomeRecorded))
            || (acknowledges && self.dies(Crash::AfterAcknowledgement))
        {
            self.restart();
        }
    }

    fn dies(&mut self, here: Crash) -> bool {
        let now = !self.crashed && self.schedule.crash == here;
        self.crashed |= now;
        now
    }

    fn restart(&mut self) {
        self.disk.crash();
        self.coming.clear();
        self.now_ms += RESTART_MS;
        self.starts += 1;
        self.terminal.advance(self.now_ms);
        self.kiosk = Kiosk::new(config(&self.schedule, self.starts), catalogue());
        let restored = self.disk.restored();
        if self.mutant == Some(Mutant::SendsAgain) {
            for open in &restored.open {
                self.send(open.fact.attempt, open.fact.amount);
            }
        }
        self.kiosk.restore(restored, OrderCounter { business_date: "2026-11-21".into(), last: u32::from(self.starts) * 10 });
        self.input(Input::Tick);
    }

    fn input(&mut self, input: Input) {
        let effects = self.kiosk.step(self.now(), input);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, mut effects: Vec<Effect>) {
        if self.mutant == Some(Mutant::RecordsAfterTheCharge) {
            effects.sort_by_key(|effect| !matches!(effect, Effect::Command { .. }));
        }
        for effect in effects {
            match effect {
                Effect::Record(record) => {
                    self.by_enquiry += record.events.iter().filter(|event| settled_by_enquiry(event)).count() as u64;
                    self.disk.commit(&record.events);
                    let started = record.events.iter().any(|event| matches!(event, kiosk_core::Event::PaymentStarted(_)));
                    if started && self.dies(Crash::AfterStartRecorded) {
                        return self.restart();
                    }
                }
                Effect::Command { attempt, command: Command::EndOfDay } => {
                    let totals = self.terminal.totals();
                    self.coming
                        .push((self.now_ms, DeviceEvent::CommandEnded { attempt, outcome: CommandOutcome::Totals(totals) }));
                }
                Effect::Command { attempt, command } => {
                    self.send(attempt, command.amount());
                    if self.dies(Crash::AfterSend) {
                        return self.restart();
                    }
                }
                Effect::Enquire { attempt } => {
                    self.enquire(attempt);
                    if attempt != Id::default() && self.enquiries > 1 && self.dies(Crash::AfterFirstLook) {
                        return self.restart();
                    }
                }
                Effect::Account { attempt, ask } => {
                    let here = match ask {
                        AccountAsk::Hold { .. } => Some(Crash::AfterHoldSent),
                        AccountAsk::Capture => Some(Crash::AfterCaptureSent),
                        _ => None,
                    };
                    self.ask(attempt, &ask);
                    if here.is_some_and(|here| self.dies(here)) {
                        return self.restart();
                    }
                }
                _ => {}
            }
        }
    }

    /// A question to the backend, with the faults of the schedule.
    fn ask(&mut self, attempt: Id, ask: &AccountAsk) {
        self.questions = self.questions.wrapping_add(1);
        let anew = self.mutant == Some(Mutant::NewKeyForEachQuestion) && !matches!(ask, AccountAsk::Look { .. });
        let key = if anew { Id([self.questions; 16]) } else { attempt };
        let now = self.now_ms;
        let way = self.office.way(self.schedule.office, key, ask, now);
        let silent = DeviceEvent::Account { attempt, answer: AccountAnswer::Silent };
        if way == Way::Unheard {
            return self.coming.push((now + 5_000, silent));
        }
        let answer = self.office.hear(key, ask, now);
        let said = DeviceEvent::Account { attempt, answer };
        if way == Way::Unanswered {
            // It comes in the end, when nobody waits for it any more.
            self.coming.extend([(now + 5_000, silent), (now + 9_000, said)]);
        } else {
            self.coming.push((now + 50, said.clone()));
            if !self.schedule.traces {
                self.coming.push((now + 60, said));
            }
        }
    }

    /// A command on the wire, with the faults of the schedule for the first one.
    fn send(&mut self, attempt: Id, amount: Minor) {
        self.sent_twice |= self.sent.contains(&attempt);
        let first = self.sent.is_empty();
        self.sent.push(attempt);
        let Schedule { wire, answer, unheard, .. } = self.schedule;
        let (wire, answer) = if first { (wire, answer) } else { (Wire::Whole, Answer::Approve) };
        let now = self.now_ms;
        let takes = if answer == Answer::ApproveSlowly { 30_000 } else { 5_000 };
        let ends = now + takes;
        let end = |outcome| DeviceEvent::CommandEnded { attempt, outcome };
        let lost = (ends + 1_000, end(CommandOutcome::Unknown));
        if wire == Wire::CommandLost {
            self.coming.push((now + 6_000, end(CommandOutcome::Unknown)));
            return self.by_hand(first, now + 1_000);
        }
        if wire != Wire::AcknowledgementLost {
            self.coming.push((now + 100, DeviceEvent::CommandAcknowledged { attempt }));
            self.coming.push((ends - 100, DeviceEvent::TerminalStatus { attempt, code: 0x17 }));
        }
        let dies_first = first
            && !self.crashed
            && matches!(
                self.schedule.crash,
                Crash::AfterStartRecorded | Crash::AfterSend | Crash::AfterAcknowledgement | Crash::BeforeOutcomeRecorded
            );
        let unacknowledged = matches!(wire, Wire::AcknowledgementLost | Wire::CompletionLost) || dies_first;
        self.terminal.unheard = Some(unheard);
        self.terminal.plan(ends, Act::Decide { attempt, amount, answer, reverses: unacknowledged && first });
        // What the terminal will say is known once it has decided; the number is what it will then be.
        let mut future = self.terminal.clone();
        future.advance(ends);
        let said = match future.charged(attempt) {
            Some(entry) => CommandOutcome::Approved(future.receipt(entry)),
            None => CommandOutcome::Declined { code: 5 },
        };
        match wire {
            Wire::Whole => self.coming.push((ends, end(said))),
            Wire::CompletionLate => self.coming.extend([lost, (ends + 2_000, end(said))]),
            Wire::CompletionTwice => self.coming.extend([(ends, end(said.clone())), (ends + 500, end(said))]),
            Wire::AcknowledgementLost | Wire::CompletionLost | Wire::CommandLost => self.coming.push(lost),
        }
        self.by_hand(first, ends);
    }

    fn by_hand(&mut self, first: bool, free_ms: u64) {
        if !first {
            return;
        }
        let free_ms = free_ms.max(self.terminal.free_at());
        match self.schedule.hand {
            Hand::Nothing | Hand::SameBefore => {}
            Hand::SameAfter => self.terminal.plan(free_ms + HAND_MS, Act::HandSale(self.asked())),
            Hand::OtherAfter => self.terminal.plan(free_ms + HAND_MS, Act::HandSale(Minor(777))),
            Hand::EndOfDayAfter => self.terminal.plan(free_ms + 9_000, Act::HandEndOfDay),
            Hand::EndOfDayAndSameAfter => {
                self.terminal.plan(free_ms + 9_000, Act::HandEndOfDay);
                self.terminal.plan(free_ms + 9_000 + HAND_MS, Act::HandSale(self.asked()));
            }
        }
    }

    fn enquire(&mut self, attempt: Id) {
        let enquiry = match self.schedule.enquiry {
            0 => self.terminal.last(self.now_ms),
            1 if self.enquiries.is_multiple_of(2) => Enquiry::Failed,
            1 => self.terminal.last(self.now_ms),
            _ => Enquiry::Unsupported,
        };
        self.enquiries += u32::from(attempt != Id::default());
        self.coming.push((self.now_ms, DeviceEvent::Enquired { attempt, enquiry }));
    }

    /// A person looks at what is left, after a restart that must not change anything.
    fn staff(&mut self) {
        self.restart();
        self.settle(400_000);
        let open: Vec<Id> = self.kiosk.payments().unresolved().map(|open| open.fact.attempt).collect();
        for (at, attempt) in open.into_iter().enumerate() {
            self.by_person += 1;
            // Once: two errors that make up for each other are in no sum.
            let errs = self.schedule.staff_errs && at == 0;
            let truth = self.terminal.charged(attempt).map(|entry| entry.number);
            let last = self.terminal.books.last().map(|entry| entry.number);
            let verdict = match (truth, errs) {
                (Some(number), false) => Verdict::Charged { reference: Some(number) },
                (None, false) | (Some(_), true) => Verdict::NotCharged,
                (None, true) => Verdict::Charged { reference: last },
            };
            let effects = self.kiosk.resolve(self.now(), attempt, verdict, "1001");
            if effects.is_empty() {
                // That receipt is another's; the person says what they think without one.
                let verdict = Verdict::Charged { reference: None };
                let effects = self.kiosk.resolve(self.now(), attempt, verdict, "1001");
                self.carry_out(effects);
            } else {
                self.carry_out(effects);
            }
        }
    }

    fn close_the_day(&mut self) {
        let period = self.kiosk.payments().book().period;
        let new = NewCommand {
            command: Command::EndOfDay,
            payment: Id::default(),
            order: Id::default(),
            original: None,
            lines: Vec::new(),
            staff: "1002".into(),
        };
        let Some((_, effects)) = self.kiosk.command(self.now(), new) else { return };
        let before = self.terminal.period;
        self.carry_out(effects);
        let Some((_, DeviceEvent::CommandEnded { attempt, outcome: CommandOutcome::Totals(totals) })) = self.coming.pop() else {
            return;
        };
        let ended = DeviceEvent::CommandEnded { attempt, outcome: CommandOutcome::Totals(totals.clone()) };
        self.input(Input::Device(ended));
        debug_assert_eq!(self.terminal.period, before + 1);
        let entries: Vec<close::Entry> = self.disk.attempts.values().filter_map(|row| entry(row, period)).collect();
        let comparison = close::compare(&entries, &totals);
        let effects = self.kiosk.compared(self.now(), &comparison, "1002");
        self.carry_out(effects);
    }
}

fn entry((fact, state): &(kiosk_core::event::PaymentFact, State), period: u32) -> Option<close::Entry> {
    if fact.kind == CommandKind::EndOfDay || fact.trail.period != Some(period) {
        return None;
    }
    let standing = match (state, fact.outcome.as_deref()) {
        (State::Approved, _) | (State::Resolved, Some("late_approval")) => Standing::Firm,
        (State::Resolved, Some("not_charged" | "enquiry_not_charged")) => Standing::SaidNotCharged,
        (State::Resolved, _) => Standing::SaidCharged,
        (State::Started | State::Unknown, _) => Standing::Open,
        (State::Declined, _) => return None,
    };
    Some(close::Entry { attempt: fact.attempt, kind: fact.kind, amount: fact.amount, standing })
}

fn settled_by_enquiry(event: &kiosk_core::Event) -> bool {
    let kiosk_core::Event::PaymentResolved(fact) = event else { return false };
    fact.outcome.as_deref().is_some_and(|word| word.starts_with("enquiry_"))
}
