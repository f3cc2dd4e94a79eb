//! One kiosk: the session and the payments beside it.
//!
//! # What the shell promises
//!
//! - It carries out all effects of a step, in order, before the next step. At the first failure it stops, and
//!   [`Input::EffectFailed`] is the very next input.
//! - It sends [`Input::Tick`] no later than [`Snapshot::next_tick_ms`].
//!
//! # What the kiosk promises
//!
//! - Law 1: in every step the record comes before all other effects. At most one record a step, but for what is found at
//!   start.
//! - A visit or a sale whose beginning could not be recorded is taken back: nobody was charged, the guest is told.
//! - Every other record that failed is kept and offered again, one each [`RETRY_MS`], in order; until all of them are on
//!   disk, no visit and no sale begins. The truth about money is in [`Payments`] meanwhile. [`BACKLOG_MAX`] bounds what is
//!   kept; beyond it, records without a payment are dropped.

use crate::{
    Arc, CommandKind, CommandOutcome,
    accounts::{Accounts, is_account},
    catalogue::Catalogue,
    closed::{Closed, Fleet},
    config::Config,
    desk::{Around, Desk, DeskIntent, RestoredDesk},
    device::{DeviceEvent, DeviceKind},
    effect::{Effect, Record, Who},
    event::{Event, Problem, Progress, Stage, TaskKind},
    ids::{Id, IdMaker},
    money::Minor,
    now::Now,
    number::OrderCounter,
    payments::{How, NewCommand, Payments, Restored, Settled, Verdict, close::Comparison, enquiry::NOBODY, parts::Stand},
    recovered::Recovery,
    session::{
        Failure, Input, Overlay, Session, Snapshot, language_tag,
        turn::{Turn, Undo},
    },
    terminal::DayTotals,
};
use alloc::{boxed::Box, collections::VecDeque, string::String, vec::Vec};

/// How long after a failed record the next try is made.
pub const RETRY_MS: u64 = 1_000;
/// The most records kept while the disk takes nothing.
pub const BACKLOG_MAX: usize = 256;
/// The most forgotten visitors who are remembered as such; none of their visits lasts until so many others are forgotten.
const FORGOTTEN_MAX: usize = 256;

/// One kiosk as a pure machine.
#[derive(Clone, Debug)]
pub struct Kiosk {
    config: Config,
    catalogue: Arc<Catalogue>,
    /// The next menu, waiting for the attract screen.
    coming: Option<Arc<Catalogue>>,
    session: Session,
    payments: Payments,
    accounts: Accounts,
    counter: OrderCounter,
    desk: Desk,
    closed: Closed,
    ids: IdMaker,
    /// What is to be recorded of what was found at start.
    found: Vec<(Who, Event)>,
    recovery: Recovery,
    /// Visitors who are to be forgotten, the newest last: what is still to come of them names nobody.
    forgotten: Vec<String>,
    /// What the last step asked for, until the next input shows that it was done.
    last: Last,
    backlog: VecDeque<Vec<Effect>>,
    retry_at_ms: u64,
    /// The fiscal device does not answer.
    sealer_lost: bool,
}

/// What the last step asked for.
#[derive(Clone, Debug, Default)]
struct Last {
    /// The records, and the prints that wait for them.
    kept: Vec<Effect>,
    undo: Undo,
    /// Records of attempts found at start, each to be tried again by itself.
    found: Vec<Effect>,
    /// It was the front of the backlog.
    from_backlog: bool,
    charge: Option<Id>,
    /// A disk that took nothing was asked whether it takes something again.
    probe: bool,
    /// The desk and its till as they were, where a failed record takes them back.
    desk: Option<Box<Desk>>,
}

impl Kiosk {
    /// At the attract screen, with nothing on disk.
    pub fn new(config: Config, catalogue: Arc<Catalogue>) -> Self {
        Self {
            session: Session::new(&config),
            ids: IdMaker::new(config.seed),
            coming: None,
            payments: Payments::new(config.terminal),
            accounts: Accounts::default(),
            counter: OrderCounter::default(),
            desk: Desk::default(),
            closed: Closed::default(),
            found: Vec::new(),
            last: Last::default(),
            backlog: VecDeque::new(),
            retry_at_ms: 0,
            sealer_lost: false,
            recovery: Recovery::default(),
            forgotten: Vec::new(),
            config,
            catalogue,
        }
    }

    /// What the disk knows, before the first step. Attempts without an outcome count as sent: the next step records them
    /// as unknown.
    pub fn restore(&mut self, restored: Restored, counter: OrderCounter) {
        let language = language_tag(&self.catalogue, self.config.language);
        let Restored { open, provisional, book, held, parts, abandoned, paid } = restored;
        self.payments.restore(book, held, provisional);
        for half in parts.iter().filter(|half| !open.iter().any(|open| open.fact.order == half.order)) {
            if let Some((attempt, _)) = half.taken.first() {
                self.found.push((Who { language: language.clone(), ..Who::default() }, open_parts(half.order, *attempt)));
            }
        }
        self.payments.restore_parts(parts);
        for open in open {
            self.recovery.found(&open);
            let account = is_account(open.fact.tender);
            let settled = if account { self.accounts.found(open, &language) } else { self.payments.found(open, &language) };
            if let Some(settled) = settled {
                self.found.extend(settled.events.into_iter().map(|event| (settled.who.clone(), event)));
            }
        }
        if let Some(paid) = paid {
            self.recovery.paid(&paid);
        }
        for (order, visit) in abandoned {
            let who = Who { visit, language: language.clone(), ..Who::default() };
            self.found.push((who, Event::OrderProgressed { order, state: Progress::Cancelled }));
        }
        self.counter = counter;
    }

    /// What the disk knows of the till, before the first step.
    pub fn restore_desk(&mut self, restored: RestoredDesk) {
        self.desk.restore(restored);
    }

    /// Takes one input and says what is to be done.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Effect> {
        let last = core::mem::take(&mut self.last);
        self.session.look_at_clock(now);
        if let Input::EffectFailed(Failure::Record) = input {
            self.record_failed(now, last);
            return Vec::new();
        }
        self.recorded(now, &last);
        if input == Input::Tick
            && let Some(effects) = self.offer_again(now)
        {
            return effects;
        }
        if let Input::Device(DeviceEvent::SealerAnswers(answers)) = input {
            self.sealer_lost = !answers;
        }
        self.closed.tick(now);
        if let Input::Device(DeviceEvent::Fleet(word)) = input {
            return self.told(now, word);
        }
        if let Input::Device(DeviceEvent::Forgotten { visitors }) = &input {
            self.forget(visitors);
        }
        if self.closed.is_closed() && self.session.is_free() && is_a_guests(&input) {
            return Vec::new();
        }
        let charge = last.charge;
        let totals = totals_of(&input);
        let is_closed = self.closed.is_closed();
        self.turn(now, totals, |session, desk, turn| match input {
            Input::Device(DeviceEvent::CommandEnded { attempt, outcome }) => {
                let settled = turn.payments.ended(attempt, outcome, now);
                payment(session, turn, settled);
            }
            Input::Device(DeviceEvent::Account { attempt, answer }) => {
                if !session.looked_at_gift(turn, attempt, answer) {
                    let settled = turn.accounts.answered(attempt, answer, now);
                    payment(session, turn, settled);
                }
            }
            Input::Device(DeviceEvent::CommandAcknowledged { attempt }) => {
                let settled = turn.payments.heard(attempt, now);
                payment(session, turn, settled);
            }
            Input::Device(DeviceEvent::TerminalStatus { attempt, ref code }) => {
                let settled = turn.payments.heard(attempt, now);
                payment(session, turn, settled);
                desk.terminal_status(attempt, *code);
                session.take(turn, input);
            }
            Input::Device(DeviceEvent::Enquired { attempt, enquiry }) => {
                desk.enquired(attempt, &enquiry);
                let settled = turn.payments.enquired(attempt, enquiry, now);
                payment(session, turn, settled);
            }
            Input::EffectFailed(Failure::Device(DeviceKind::Terminal)) => {
                let settled = charge.and_then(|attempt| turn.payments.ended(attempt, CommandOutcome::NotSent, now));
                payment(session, turn, settled);
            }
            Input::EffectFailed(Failure::Device(kind)) if desk.device_failed(kind) => {}
            Input::Desk(DeskIntent::Open) if now.utc_ms.is_none() => session.ask_time(now, turn.config),
            Input::Desk(DeskIntent::SetClock(digits)) => session.set_time(turn, &digits),
            Input::Desk(DeskIntent::Touched) if session.is_asking_time() => {}
            Input::Desk(_) if session.is_asking_time() => session.stop_asking_time(),
            Input::Desk(intent) => {
                turn.who = Some(Who { language: language_tag(turn.catalogue, turn.config.language), ..Who::default() });
                session.keep(turn);
                desk.take(turn, session, intent);
            }
            Input::Device(DeviceEvent::SealerAnswers(_)) => {}
            Input::Device(event) => {
                let closed =
                    is_closed && session.is_free() && matches!(event, DeviceEvent::CardSeen { .. } | DeviceEvent::Scanned { .. });
                if !desk.device(turn, session, &event) && !closed {
                    session.take(turn, Input::Device(event));
                }
            }
            Input::Tick => {
                match turn.payments.overdue(now).or_else(|| turn.payments.ask_overdue(now)).or_else(|| turn.accounts.overdue(now))
                {
                    None if desk.is_due(turn) => desk.tick(turn),
                    None if turn.can_record && session.has_news(now) => session.tell_news(turn),
                    None => session.take(turn, Input::Tick),
                    settled => payment(session, turn, settled),
                }
            }
            other => session.take(turn, other),
        })
    }

    /// What the fleet tells this kiosk.
    fn told(&mut self, now: Now, word: Fleet) -> Vec<Effect> {
        self.closed.hear(word, now);
        self.turn(now, None, |_, _, _| {})
    }

    /// A named person (`staff` is an id) has settled an unknown attempt. Empty where that attempt is not unresolved, or the
    /// receipt that was named belongs to another payment.
    pub fn resolve(&mut self, now: Now, attempt: Id, verdict: Verdict, staff: &str) -> Vec<Effect> {
        if core::mem::take(&mut self.last).from_backlog {
            self.backlog.pop_front();
        }
        self.turn(now, None, |session, _, turn| {
            let settled = turn.payments.resolve(attempt, verdict, staff, now);
            payment(session, turn, settled);
        })
    }

    /// Begins a reversal, a refund or an end of day: an attempt of its own, recorded before it is sent. `None` where the
    /// terminal is busy, or the disk takes nothing. Its end comes as [`DeviceEvent::CommandEnded`].
    pub fn command(&mut self, now: Now, new: NewCommand) -> Option<(Id, Vec<Effect>)> {
        if core::mem::take(&mut self.last).from_backlog {
            self.backlog.pop_front();
        }
        let mut begun = None;
        let effects = self.turn(now, None, |_, _, turn| begun = turn.command(new));
        Some((begun?, effects))
    }

    /// Takes over what an end-of-day comparison found (see [`crate::payments::close`]).
    pub fn compared(&mut self, now: Now, comparison: &Comparison, staff: &str) -> Vec<Effect> {
        if core::mem::take(&mut self.last).from_backlog {
            self.backlog.pop_front();
        }
        self.turn(now, None, |_, _, turn| {
            let events = turn.payments.compared(comparison, turn.ids, now, staff);
            turn.events.extend(events);
        })
    }

    /// What the screen shows.
    pub fn snapshot(&self, now: Now) -> Snapshot {
        let recovered = self.recovery.shown(now).filter(|_| self.session.is_free());
        let desk = self.desk.view(&self.payments, &self.config, self.catalogue.currency, now);
        let says_its_name = self.closed.says_its_name() && self.session.is_free();
        let (out_of_service, identify) = (self.is_out_of_service(), says_its_name.then(|| self.config.desk.till.clone()));
        Snapshot {
            next_tick_ms: self.next_tick_ms(),
            recovered,
            desk,
            out_of_service,
            identify,
            ..self.session.snapshot(&self.catalogue, &self.config)
        }
    }

    /// No guest is served any more, and none is at the screen.
    pub fn is_out_of_service(&self) -> bool {
        self.closed.is_closed() && self.session.is_free()
    }

    /// A new menu, in force from the next attract screen on, so that no price changes under a guest's eyes.
    pub fn replace_catalogue(&mut self, catalogue: Arc<Catalogue>) {
        self.coming = Some(catalogue);
        self.change_menu();
    }

    /// The menu in force.
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// The payments, for those that only a person can settle.
    pub fn payments(&self) -> &Payments {
        &self.payments
    }

    /// True while the backend has not answered something about money that lies there, or something is set aside.
    pub fn waits_for_accounts(&self) -> bool {
        self.accounts.is_open()
    }

    /// Where the order numbers stand, to be kept on disk with each order.
    pub fn counter(&self) -> &OrderCounter {
        &self.counter
    }

    fn next_tick_ms(&self) -> Option<u64> {
        if !self.found.is_empty() {
            return Some(0);
        }
        let retry = (!self.backlog.is_empty() || self.session.disk_is_lost()).then_some(self.retry_at_ms);
        let timers = [
            retry,
            self.payments.deadline_ms(),
            self.accounts.deadline_ms(),
            self.recovery.until_ms(),
            self.session.next_tick_ms(&self.config),
            self.desk.next_tick_ms(&self.config),
            self.closed.next_tick_ms(),
        ];
        timers.into_iter().flatten().min()
    }

    fn change_menu(&mut self) {
        if self.session.is_free()
            && let Some(catalogue) = self.coming.take()
        {
            self.catalogue = catalogue;
        }
    }

    /// Runs one decision and makes effects of what it left behind.
    fn turn(
        &mut self,
        now: Now,
        totals: Option<(Id, DayTotals)>,
        decide: impl FnOnce(&mut Session, &mut Desk, &mut Turn<'_>),
    ) -> Vec<Effect> {
        let before = self.desk.is_open().then(|| Box::new(self.desk.clone()));
        let found = core::mem::take(&mut self.found);
        let catalogue = Arc::clone(&self.catalogue);
        self.payments.set_currency(catalogue.currency);
        let was_at = self.session.stage();
        let mut turn = Turn {
            now,
            config: &self.config,
            catalogue: &catalogue,
            ids: &mut self.ids,
            payments: &mut self.payments,
            accounts: &mut self.accounts,
            counter: &mut self.counter,
            can_record: self.backlog.is_empty() && !(self.config.sells_signed_only && self.sealer_lost),
            events: Vec::new(),
            effects: Vec::new(),
            who: None,
            undo: Undo::default(),
        };
        decide(&mut self.session, &mut self.desk, &mut turn);
        if self.closed.is_closed() {
            self.session.close(&mut turn);
        }
        let missed = turn.payments.missed_comparisons(turn.ids, now);
        turn.events.extend(missed);
        let at_checkout = self.session.stage() == Stage::Checkout && was_at != Stage::Checkout;
        if let Some(attempt) = turn.payments.ask(now) {
            turn.effect(Effect::Enquire { attempt });
        } else if at_checkout && turn.can_record && turn.payments.wants_number(now) {
            turn.effect(Effect::Enquire { attempt: NOBODY });
        }
        settle_holds(&self.session, &mut turn);
        self.session.part_given_back(&mut turn);
        self.desk.refund_ended(&mut turn);
        self.desk.end_of_day_ended(&mut turn, totals);
        let takes_back = turn.undo != Undo::Later;
        let before = before.filter(|_| takes_back).or_else(|| takes_back.then(|| Box::new(self.desk.clone())));
        self.desk.observe(&mut Around { now, config: &self.config, ids: turn.ids }, &mut turn.events);
        self.desk.number_papers(&self.config, &turn.events, &mut turn.effects);
        let Turn { events, effects: acts, who, undo, .. } = turn;
        for event in &events {
            self.recovery.happened(event, now, self.config.recovered_ms);
        }
        self.recovery.left(&self.payments, &self.accounts, now, self.config.recovered_ms);
        if !self.session.is_free() {
            self.recovery.guest_has_gone_on();
        }
        let mut who = who.unwrap_or_else(|| self.session.who(&catalogue));
        who.forget(&self.forgotten);
        if events.contains(&Event::ErasureRequested) {
            // This one still says who; whatever follows does not.
            self.forgotten.extend(who.visitor.clone());
        }
        self.change_menu();

        let nameless = |mut who: Who| {
            who.forget(&self.forgotten);
            who
        };
        let found = found.into_iter().map(|(who, event)| Effect::Record(nameless(who).record(now, [event].into())));
        let found = found.collect::<Vec<_>>();
        let record = (!events.is_empty()).then(|| Effect::Record(who.record(now, events)));
        let mut effects = found.clone();
        if self.backlog.is_empty() || record.is_none() {
            effects.extend(record);
            effects.extend(acts);
            self.last = Last { desk: before, ..Last::of(&effects[found.len()..], undo, found) };
        } else {
            // What happened earlier is recorded earlier: this waits its turn, and the paper with it.
            let (waits, at_once) = acts.into_iter().partition(|act| matches!(act, Effect::Print(_)));
            self.keep(record.into_iter().chain::<Vec<_>>(waits).collect());
            effects.extend::<Vec<_>>(at_once);
            self.last = Last { found, ..Last::default() };
        }
        effects
    }

    /// What the last step asked to be recorded is on disk. Telemetry says nothing about the disk: it may have been dropped.
    fn recorded(&mut self, now: Now, last: &Last) {
        if last.from_backlog {
            self.backlog.pop_front();
            self.retry_at_ms = now.mono_ms;
        }
        if last.probe {
            self.session.disk_is_back(now);
        } else if last.from_backlog || matches!(last.undo, Undo::Sale(_)) {
            self.session.disk(now, true);
        }
    }

    /// A record that failed, or where none waits the question whether the disk takes something again.
    fn offer_again(&mut self, now: Now) -> Option<Vec<Effect>> {
        if self.retry_at_ms > now.mono_ms {
            return None;
        }
        if let Some(effects) = self.backlog.front() {
            self.last = Last { from_backlog: true, ..Last::default() };
            return Some(effects.clone());
        }
        let event = self.session.disk_probe(now).filter(|_| self.session.disk_is_lost())?;
        let who = Who { language: language_tag(&self.catalogue, self.config.language), ..Who::default() };
        self.last = Last { probe: true, ..Last::default() };
        Some([Effect::Record(who.record(now, [event].into()))].into())
    }

    fn record_failed(&mut self, now: Now, last: Last) {
        self.retry_at_ms = now.mono_ms.saturating_add(RETRY_MS);
        self.session.disk(now, false);
        for effect in last.found {
            self.keep([effect].into());
        }
        match last.undo {
            Undo::Later => self.keep(last.kept),
            Undo::Visit => self.session.wipe(self.config.language),
            Undo::Command(attempt) => {
                self.payments.forget(attempt);
                self.accounts.forget(attempt);
                self.session.not_giving_back(attempt);
            }
            Undo::Desk => {}
            Undo::Sale(sale) => {
                if let Some(attempt) = sale.attempt {
                    self.payments.forget(attempt);
                    self.accounts.forget(attempt);
                }
                self.session.take_sale_back(sale);
            }
        }
        let at_desk = self.desk.is_open();
        if let Some(desk) = last.desk {
            self.desk = *desk;
        }
        if at_desk {
            self.desk.not_recorded();
        } else if !last.from_backlog && !last.probe {
            self.session.show(now, &self.config, Overlay::Problem(Problem::CannotRecord));
        }
        self.change_menu();
    }

    /// What waits for the disk, and what is still to come, names these no more.
    fn forget(&mut self, visitors: &[String]) {
        self.forgotten.extend(visitors.iter().cloned());
        self.forgotten.drain(..self.forgotten.len().saturating_sub(FORGOTTEN_MAX));
        for effect in self.backlog.iter_mut().flatten() {
            if let Effect::Record(record) = effect {
                record.forget(visitors);
            }
        }
        self.backlog.retain_mut(|effects| {
            effects.retain(|effect| !matches!(effect, Effect::Record(record) if record.events.is_empty()));
            !effects.is_empty()
        });
    }

    fn keep(&mut self, effects: Vec<Effect>) {
        let full = self.backlog.len() >= BACKLOG_MAX;
        if !effects.is_empty() && (!full || effects.iter().any(is_about_money)) {
            self.backlog.push_back(effects);
        }
    }
}

impl Last {
    fn of(effects: &[Effect], undo: Undo, found: Vec<Effect>) -> Self {
        let kept = match undo {
            Undo::Later => effects.iter().filter(|e| matches!(e, Effect::Record(_) | Effect::Print(_))).cloned().collect(),
            Undo::Visit | Undo::Sale(_) | Undo::Command(_) | Undo::Desk => Vec::new(),
        };
        let charge = effects.iter().find_map(|effect| match effect {
            Effect::Command { attempt, .. } => Some(*attempt),
            _ => None,
        });
        Self { kept, undo, found, from_backlog: false, charge, probe: false, desk: None }
    }
}

/// Brings an outcome to the visit that waits for it, or records it for the one that has gone.
pub(crate) fn payment(session: &mut Session, turn: &mut Turn<'_>, settled: Option<Settled>) {
    let Some(mut settled) = settled else { return };
    if settled.how == How::Contradicted
        && let Some(Event::PaymentResolved(fact)) = settled.events.first()
    {
        // It must not be forgotten with this process.
        let (task, kind, subject) = (turn.ids.next(turn.now), TaskKind::Refund, fact.attempt);
        settled.events.push(Event::TaskRaised { task, kind, subject, staff: None });
    }
    let stand = turn.payments.account(&settled);
    if settled.kind == CommandKind::Authorise && session.awaits(settled.order) {
        return session.settled(turn, settled);
    }
    // A card that does not bring money is settled itself by now; what is set aside may wait for another one.
    let falls = matches!(settled.how, How::NotCharged | How::AccountRefused(_));
    let taken = if let Stand::Open(taken) = stand { taken } else { Minor::ZERO };
    let progress = match settled.how {
        // A part of it, or nothing more of it: its guest has gone, and what was taken is a person's business.
        How::Approved(_)
        | How::ApprovedLate(_)
        | How::Charged
        | How::Declined { .. }
        | How::NotSent
        | How::NotCharged
        | How::AccountRefused(_)
            if taken > Minor::ZERO =>
        {
            if settled.kind == CommandKind::Authorise {
                settled.events.push(open_parts(settled.order, settled.attempt));
            }
            None
        }
        How::Approved(_) | How::ApprovedLate(_) | How::Charged => Some(Progress::Received),
        // Something else of it has no end yet, and decides.
        _ if turn.accounts.is_open_for(settled.order) || (falls && turn.payments.is_open_for(settled.order)) => None,
        How::Declined { .. } | How::NotSent | How::NotCharged | How::AccountRefused(_) => Some(Progress::Cancelled),
        How::Held | How::Unknown { .. } | How::Left | How::Contradicted | How::Closed | How::Totals(_) | How::Heard => None,
    };
    turn.events.extend(settled.events);
    if let Some(state) = progress.filter(|_| settled.kind == CommandKind::Authorise) {
        turn.event(Event::OrderProgressed { order: settled.order, state });
    }
    turn.who = Some(settled.who);
}

/// Of an order whose guest has gone, what is set aside is taken where it and what is paid cover the order, and put back where
/// they do not. While a terminal's payment for it has no end, it waits.
fn settle_holds(session: &Session, turn: &mut Turn<'_>) {
    for (order, held) in turn.accounts.held() {
        if session.has_order(order) || turn.payments.is_open_for(order) {
            continue;
        }
        let covered = turn.payments.stands_at(order).is_some_and(|(due, taken)| taken + held >= due);
        for (attempt, ask) in turn.accounts.decide(order, covered, turn.now) {
            turn.effect(Effect::Account { attempt, ask });
        }
    }
    if let Some((attempt, ask)) = turn.accounts.ask(turn.now) {
        turn.effect(Effect::Account { attempt, ask });
    }
}

/// A person must see to an order that is paid in part.
pub(crate) fn open_parts(order: Id, attempt: Id) -> Event {
    Event::TaskRaised { task: order, kind: TaskKind::OpenParts, subject: attempt, staff: None }
}

/// What a guest does who comes to the kiosk.
fn is_a_guests(input: &Input) -> bool {
    match input {
        Input::Intent(_) => true,
        Input::Device(event) => matches!(
            event,
            DeviceEvent::Presence(_)
                | DeviceEvent::Key(_)
                | DeviceEvent::KeyHeld(_)
                | DeviceEvent::Scanned { .. }
                | DeviceEvent::BankCardSeen
                | DeviceEvent::CardRefused(_)
                | DeviceEvent::Identified { .. }
        ),
        _ => false,
    }
}

/// The terminal's totals, where an input brings them.
fn totals_of(input: &Input) -> Option<(Id, DayTotals)> {
    match input {
        Input::Device(DeviceEvent::CommandEnded { attempt, outcome: CommandOutcome::Totals(totals) }) => {
            Some((*attempt, totals.clone()))
        }
        _ => None,
    }
}

fn is_about_money(effect: &Effect) -> bool {
    let Effect::Record(Record { events, .. }) = effect else { return false };
    events.iter().any(|event| {
        matches!(
            event,
            Event::OrderPlaced(_)
                | Event::OrderProgressed { .. }
                | Event::PaymentStarted(_)
                | Event::PaymentAcknowledged(_)
                | Event::PaymentConfirmed(_)
                | Event::TerminalBook(_)
                | Event::TaskRaised { .. }
                | Event::Booked(_)
                | Event::RefundBegun(_)
                | Event::PaymentApproved(_)
                | Event::PaymentDeclined(_)
                | Event::PaymentUnknown(_)
                | Event::PaymentResolved(_)
        )
    })
}

#[cfg(test)]
mod tests;
