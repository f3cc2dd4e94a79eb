//! A domain event becomes a wire event and the rows that it implies, in one commit.
//!
//! | Domain | Wire | Row |
//! |---|---|---|
//! | `OrderPlaced` | `cem.order.placed.v1` | order `placed`, with the event's data as its body; the day's counter |
//! | `OrderProgressed` | `cem.order.progressed.v1` | that order's state, where it was placed since the start |
//! | `Payment…` | `cem.payment.*.v1` | the attempt in that state |
//! | all others | the type of their name | none |
//!
//! The mapping is written by hand, because domain types may change and wire types may not.

use crate::{desk, page::Pages, proof::Proofs, words};
use cem_contract::{NewEvent, data, kinds};
use edge_db::{AttemptNote, AttemptRow, AttemptState, Class, Commit, OrderCounter, OrderRow, OrderState, TerminalRow};
use kiosk_core::{
    By, CommandKind, Currency, Event, Id, Minor, Now, PlacedOrder, PricedLine, Record, Stage, Tender,
    catalogue::Allergen,
    consent::{TEXT_VERSION, Use},
    device::{Alarm, Consent, DeviceKind},
    event::{BasketAction, Outcome, PaymentFact, Problem, Progress, TaskKind, TerminalBook, Trigger},
    ids::IdMaker,
    till::{Entry, EntryKind},
};
use serde_json::Value;
use std::collections::VecDeque;
use uuid::Uuid;

/// Orders whose rows are kept at hand for a change of state.
const RECENT_ORDERS: usize = 32;

/// Who records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// This device, `k-01`: where help is called to.
    pub device: String,
    /// `kiosk` or `counter`.
    pub role: &'static str,
    /// Name of the till; empty for one that keeps no book, as a replay.
    pub till: String,
    /// Name of the terminal in payment rows.
    pub terminal: String,
    /// Boot id of the machine.
    pub boot: String,
    /// Makes event ids unique; drawn anew at each start.
    pub seed: [u8; 32],
    /// Makes guests' pages known to the backend; `None` where the shop has none.
    pub pages: Option<Pages>,
}

/// Makes commits.
#[derive(Debug)]
pub struct Recorder {
    who: Recording,
    ids: IdMaker,
    orders: VecDeque<OrderRow>,
    proofs: Proofs,
}

/// How much a record matters when room is short: what begins a sale makes the whole record one, because it may still be
/// refused; what only finishes a sale must be taken.
pub(crate) fn class_of(events: &[Event]) -> Class {
    let class = |event: &Event| match event {
        Event::OrderPlaced(_)
        | Event::PaymentStarted(_)
        | Event::ConsentChanged { .. }
        | Event::VisitorJoined { .. }
        | Event::ErasureRequested => Class::Sale,
        Event::PaymentApproved(_)
        | Event::PaymentDeclined(_)
        | Event::PaymentUnknown(_)
        | Event::PaymentResolved(_)
        | Event::PaymentAcknowledged(_)
        | Event::PaymentConfirmed(_)
        | Event::TerminalBook(_)
        | Event::TaskRaised { .. } => Class::Settlement,
        // Asks a disk that took nothing whether it takes a sale again.
        Event::DeviceChanged { kind: DeviceKind::Disk, .. } => Class::Sale,
        _ => Class::Telemetry,
    };
    let has = |wanted| events.iter().any(|event| class(event) == wanted);
    match (has(Class::Sale), has(Class::Settlement)) {
        (true, _) => Class::Sale,
        (false, true) => Class::Settlement,
        // What is done at the desk is refused rather than lost, like a sale.
        (false, false) if events.iter().any(|event| matches!(event, Event::Booked(_))) => Class::Sale,
        (false, false) => Class::Telemetry,
    }
}

impl Recorder {
    /// With no order at hand.
    pub fn new(who: Recording) -> Self {
        Self { ids: IdMaker::new(who.seed), who, orders: VecDeque::new(), proofs: Proofs::default() }
    }

    /// With the proofs of those who sign in.
    pub(crate) fn with_proofs(self, proofs: Proofs) -> Self {
        Self { proofs, ..self }
    }

    /// Forgets the orders at hand with the names in them. Their states still change, without the rest of their rows.
    pub fn forget(&mut self) {
        self.orders.clear();
    }

    /// An order from before the start whose state may still change.
    pub fn remember(&mut self, order: OrderRow) {
        self.keep(order);
    }

    /// The commit of a record. Amounts are of `currency`.
    pub fn commit(&mut self, record: &Record, currency: Currency) -> Commit {
        let mut commit = Commit { class: class_of(&record.events), ..Commit::default() };
        for event in &record.events {
            let wire = self.wire(event, currency);
            let data = wire.as_ref().map_or(&Value::Null, |(_, data)| data);
            self.rows(event, data, record, currency, &mut commit);
            if let Some((kind, mut data)) = wire {
                self.prove(event, &mut data, record.at);
                commit.events.push(self.envelope(kind, data, record));
            }
        }
        commit
    }

    /// What staff did goes with the proof that they had signed in here, where there is one.
    fn prove(&self, event: &Event, data: &mut Value, at: Now) {
        let (Event::StaffSignedIn { staff } | Event::StaffApproved { staff, .. }) = event else { return };
        if let (Some(proof), Value::Object(data)) = (self.proofs.of(staff, at.utc_ms), data) {
            data.insert("proof".to_owned(), proof.into());
        }
    }

    fn envelope(&mut self, kind: &str, data: Value, record: &Record) -> NewEvent {
        NewEvent {
            id: uuid(self.ids.next(record.at)),
            kind: kind.to_owned(),
            time_ms: time_ms(record.at),
            visitid: record.visit.map(uuid),
            // The core sees to it as well: without that consent no event names anybody.
            visitor: record.visitor.clone().filter(|_| record.consent.allows(Use::VisitorId)),
            consent: words::consent(record.consent),
            clock: words::clock(record.at.quality),
            boot: self.who.boot.clone(),
            uptime_ms: record.at.mono_ms,
            data,
        }
    }

    /// Wire type and data: one arm an event, so that a new event does not compile without its wire type. `None` for what
    /// only the rows say: a terminal's end of day is told by the till's own events.
    fn wire(&self, event: &Event, currency: Currency) -> Option<(&'static str, Value)> {
        let payment = |fact| self.payment(fact, currency).to_value();
        Some(match event {
            Event::PaymentStarted(fact)
            | Event::PaymentApproved(fact)
            | Event::PaymentDeclined(fact)
            | Event::PaymentUnknown(fact)
            | Event::PaymentResolved(fact)
                if fact.kind == CommandKind::EndOfDay =>
            {
                return None;
            }
            Event::PaymentAcknowledged(_) | Event::PaymentConfirmed(_) | Event::TerminalBook(_) | Event::RefundBegun(_) => {
                return None;
            }
            Event::TaskRaised { task, kind, subject, staff } => (kinds::TASK_RAISED, task_raised(*task, *kind, *subject, staff)),
            Event::PresenceSeen { seconds } => (kinds::PRESENCE_SEEN, data::PresenceSeen { seconds: Some(*seconds) }.to_value()),
            Event::VisitStarted { trigger, language, .. } => (kinds::VISIT_STARTED, self.started(*trigger, language)),
            Event::VisitIdentified { .. } => (kinds::VISIT_IDENTIFIED, identified(event)),
            Event::StageChanged { from, to, touches } => (kinds::VISIT_STAGE_CHANGED, stage_changed(*from, *to, *touches)),
            Event::ItemViewed { sku } => (kinds::ITEM_VIEWED, data::ItemViewed { sku: Some(sku.clone()) }.to_value()),
            Event::BasketChanged { action, line, by } => (kinds::BASKET_CHANGED, basket(*action, line, *by, currency)),
            Event::OrderPlaced(order) => {
                let page = self.who.pages.as_ref().and_then(|pages| pages.hash(order.order));
                (kinds::ORDER_PLACED, data::OrderPlaced { page, ..placed(order, currency) }.to_value())
            }
            Event::OrderProgressed { order, state } => (kinds::ORDER_PROGRESSED, progressed(*order, *state)),
            Event::PaymentStarted(fact) => (kinds::PAYMENT_STARTED, payment(fact)),
            Event::PaymentApproved(fact) => (approved_kind(fact.kind), payment(fact)),
            Event::PaymentDeclined(fact) => (kinds::PAYMENT_DECLINED, payment(fact)),
            Event::PaymentUnknown(fact) => (kinds::PAYMENT_UNKNOWN, payment(fact)),
            Event::PaymentResolved(fact) => (kinds::PAYMENT_RESOLVED, payment(fact)),
            Event::ReceiptIssued { order, copy } => (kinds::RECEIPT_ISSUED, receipt(*order, *copy)),
            Event::FeedbackGiven { csat } => (kinds::FEEDBACK_GIVEN, feedback(*csat)),
            Event::VisitEnded { outcome, duration_ms, touches } => (kinds::VISIT_ENDED, ended(*outcome, *duration_ms, *touches)),
            Event::HelpCalled { .. } => (kinds::HELP_CALLED, self.help()),
            Event::ProblemShown { problem, stage } => (kinds::PROBLEM_SHOWN, problem_shown(*problem, *stage)),
            Event::AlarmRaised { alarm, detail } => (kinds::DEVICE_ALARM, alarm_raised(*alarm, detail)),
            Event::DeviceChanged { .. } => (kinds::DEVICE_HEALTH, device_changed(event)),
            Event::ConsentChanged { from, to, dietary } => {
                (kinds::CONSENT_CHANGED, consent_changed(*from, *to, dietary.as_deref()))
            }
            Event::VisitorJoined { token, language } => (kinds::VISITOR_JOINED, joined(token, language)),
            Event::ErasureRequested => {
                (kinds::VISITOR_ERASURE_REQUESTED, data::ErasureRequested { by: "guest".into() }.to_value())
            }
            Event::Booked(entry) => return self.booked(entry, currency),
            Event::StaffSignedIn { staff } => (kinds::STAFF_SIGNED_IN, signed_in(staff)),
            Event::StaffApproved { staff, act, subject, amount } => {
                (kinds::STAFF_APPROVED, approved(staff, act.word(), subject, amount.map(|amount| money(amount, currency))))
            }
            Event::PriceOverridden { .. } => (kinds::PRICE_OVERRIDDEN, overridden(event, currency)),
        })
    }

    fn started(&self, trigger: Trigger, language: &str) -> Value {
        let trigger = words::trigger(trigger).into();
        data::VisitStarted { trigger, role: self.who.role.into(), language: language.to_owned() }.to_value()
    }

    fn help(&self) -> Value {
        data::Help { place: self.who.device.clone(), seconds: None, staff: None }.to_value()
    }

    fn payment(&self, fact: &PaymentFact, currency: Currency) -> data::Payment {
        data::Payment {
            payment: fact.payment.to_string(),
            order: fact.order.to_string(),
            attempt: fact.attempt.to_string(),
            tender: words::tender(fact.tender).into(),
            amount: money(fact.amount, currency),
            rounding: Some(fact.rounding).filter(|rounding| *rounding != Minor::ZERO).map(|rounding| money(rounding, currency)),
            terminal: self.terminal_of(fact.tender),
            reference: fact.reference.map(|number| number.to_string()),
            outcome: fact.outcome.clone(),
            original: fact.original.map(|attempt| attempt.to_string()),
            lines: fact.lines.clone(),
            staff: fact.staff.clone(),
        }
    }

    /// What the contract says of a line of the till's book: nothing of those that another event tells.
    fn booked(&self, entry: &Entry, currency: Currency) -> Option<(&'static str, Value)> {
        let kind = match entry.kind {
            EntryKind::Opened | EntryKind::Float => kinds::TILL_OPENED,
            EntryKind::PaidIn | EntryKind::PaidOut | EntryKind::SafeDrop => kinds::TILL_CASH_MOVED,
            EntryKind::NoSale => kinds::TILL_DRAWER_OPENED,
            EntryKind::Closed => kinds::TILL_CLOSED,
            _ => return None,
        };
        let closed = entry.kind == EntryKind::Closed;
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let reason = match entry.kind {
            EntryKind::PaidIn | EntryKind::PaidOut | EntryKind::SafeDrop => {
                Some(format!("{}: {}", entry.kind.word(), entry.reason))
            }
            _ => some(&entry.reason),
        };
        let till = data::Till {
            till: self.who.till.clone(),
            shift: entry.shift.to_string(),
            counted: entry.detail.counted.filter(|_| closed).map(|counted| money(counted, currency)),
            expected: closed.then(|| money(entry.amount, currency)),
            amount: (!closed && entry.kind != EntryKind::NoSale).then(|| money(entry.amount, currency)),
            reason,
            staff: some(&entry.staff),
        };
        Some((kind, till.to_value()))
    }

    fn terminal_of(&self, tender: Tender) -> Option<String> {
        (tender == Tender::Card).then(|| self.who.terminal.clone())
    }

    /// The rows that an event implies. An order and its payment in one record make one row each, in their last state.
    fn rows(&mut self, event: &Event, data: &Value, record: &Record, currency: Currency, commit: &mut Commit) {
        match event {
            Event::OrderPlaced(order) => {
                let row = order_row(order, data.clone(), record, currency);
                commit.counter = counter(order);
                self.keep(row.clone());
                put(&mut commit.orders, row, |row| row.order);
            }
            Event::OrderProgressed { order, state } => {
                if let Some(row) = self.orders.iter_mut().find(|row| row.order == uuid(*order)) {
                    row.state = order_state(*state);
                    row.updated_ms = time_ms(record.at);
                    put(&mut commit.orders, row.clone(), |row| row.order);
                } else {
                    // One from before the start: only its state changes.
                    commit.till.states.push((uuid(*order), order_state(*state), time_ms(record.at)));
                }
            }
            Event::PaymentStarted(fact) => self.attempt(fact, AttemptState::Started, record, currency, commit),
            Event::PaymentApproved(fact) => self.attempt(fact, AttemptState::Approved, record, currency, commit),
            Event::PaymentDeclined(fact) => self.attempt(fact, AttemptState::Declined, record, currency, commit),
            Event::PaymentUnknown(fact) => self.attempt(fact, AttemptState::Unknown, record, currency, commit),
            Event::PaymentResolved(fact) | Event::PaymentConfirmed(fact) => {
                self.attempt(fact, AttemptState::Resolved, record, currency, commit);
            }
            Event::PaymentAcknowledged(fact) => self.attempt(fact, AttemptState::Started, record, currency, commit),
            Event::TerminalBook(book) => commit.terminal = Some(self.terminal_row(book, record)),
            Event::Booked(entry) if !self.who.till.is_empty() => {
                commit.till.entries.push(desk::till_row(&self.who.till, entry, currency, time_ms(record.at)));
            }
            Event::RefundBegun(begun) => commit.till.refunds.push(desk::refund_row(begun, time_ms(record.at))),
            _ => {}
        }
    }

    fn attempt(&self, fact: &PaymentFact, state: AttemptState, record: &Record, currency: Currency, commit: &mut Commit) {
        let row = AttemptRow {
            attempt: uuid(fact.attempt),
            payment: uuid(fact.payment),
            order: uuid(fact.order),
            terminal: self.terminal_of(fact.tender).unwrap_or_default(),
            tender: words::tender(fact.tender).to_owned(),
            amount_minor: fact.amount.0,
            currency: currency.letters().to_owned(),
            state,
            reference: fact.reference,
            period: fact.trail.period,
            receipt_before: fact.trail.receipt_before,
            acknowledged: fact.trail.acknowledged,
            outcome: fact.outcome.clone(),
            note: note(fact),
            updated_ms: time_ms(record.at),
        };
        put(&mut commit.attempts, row, |row| row.attempt);
    }

    fn terminal_row(&self, book: &TerminalBook, record: &Record) -> TerminalRow {
        TerminalRow {
            terminal: self.who.terminal.clone(),
            tid: book.tid.clone(),
            period: book.period,
            last_receipt: book.last_receipt,
            last_trace: book.last_trace,
            updated_ms: time_ms(record.at),
        }
    }

    fn keep(&mut self, row: OrderRow) {
        if self.orders.len() == RECENT_ORDERS {
            self.orders.pop_front();
        }
        self.orders.push_back(row);
    }
}

/// Inserts a row, or replaces the one with its key.
fn put<T, K: PartialEq>(rows: &mut Vec<T>, row: T, key: impl Fn(&T) -> K) {
    match rows.iter_mut().find(|other| key(other) == key(&row)) {
        Some(other) => *other = row,
        None => rows.push(row),
    }
}

/// The id as the wire and the disk know it.
pub(crate) fn uuid(id: Id) -> Uuid {
    Uuid::from_bytes(id.0)
}

/// Milliseconds since 1970. While nobody knows the time it counts from the boot: such an event is marked `unset`, and the
/// backend corrects it by boot and uptime.
fn time_ms(at: Now) -> i64 {
    at.utc_ms.unwrap_or_else(|| i64::try_from(at.mono_ms).unwrap_or(i64::MAX))
}

fn money(amount: Minor, currency: Currency) -> data::Money {
    data::Money::new(amount.0, currency.letters())
}

fn note(fact: &PaymentFact) -> AttemptNote {
    AttemptNote {
        kind: words::attempt_kind(fact.kind),
        original: fact.original.map(uuid),
        lines: fact.lines.clone(),
        staff: fact.staff.clone(),
        tid: fact.trail.tid.clone(),
        trace: fact.trail.trace,
        trace_before: fact.trail.trace_before,
        began_ms: fact.trail.began_utc_ms,
        heard_ms: fact.trail.heard_utc_ms,
        provisional: fact.trail.provisional,
    }
}

/// What an approval of this sort of command is called.
fn approved_kind(kind: CommandKind) -> &'static str {
    match kind {
        CommandKind::Authorise | CommandKind::EndOfDay => kinds::PAYMENT_APPROVED,
        CommandKind::Reverse => kinds::PAYMENT_REVERSED,
        CommandKind::Refund => kinds::PAYMENT_REFUNDED,
    }
}

fn task_raised(task: Id, kind: TaskKind, subject: Id, staff: &Option<String>) -> Value {
    let (task, kind, subject) = (task.to_string(), words::task(kind).into(), Some(subject.to_string()));
    data::Task { task, kind, subject, staff: staff.clone(), outcome: None }.to_value()
}

fn identified(event: &Event) -> Value {
    let Event::VisitIdentified { method, assurance, visits_before, token, counter } = event else { return Value::Null };
    data::VisitIdentified {
        method: words::method(*method).into(),
        assurance: words::assurance(*assurance).into(),
        visits_before: visits_before.map(u64::from),
        token: Some(token.clone()).filter(|token| !token.is_empty()),
        counter: *counter,
    }
    .to_value()
}

fn stage_changed(from: Stage, to: Stage, touches: u32) -> Value {
    data::StageChanged { from: words::stage(from).into(), to: words::stage(to).into(), touches: Some(touches) }.to_value()
}

fn basket(action: BasketAction, line: &PricedLine, by: By, currency: Currency) -> Value {
    let line = wire_line(line, currency);
    data::BasketChanged { action: words::action(action).into(), line, by: words::by(by).into() }.to_value()
}

fn progressed(order: Id, state: Progress) -> Value {
    let state = words::progress(state).into();
    data::OrderProgressed { order: order.to_string(), state, promised: None, station: None }.to_value()
}

fn receipt(order: Id, copy: bool) -> Value {
    data::ReceiptIssued { order: order.to_string(), channel: "print".into(), copy: Some(copy) }.to_value()
}

fn feedback(csat: u8) -> Value {
    let (channel, touchpoint) = ("kiosk".into(), "ordering".into());
    data::FeedbackGiven { csat: Some(csat), ces: None, nps: None, comment: None, channel, touchpoint }.to_value()
}

fn ended(outcome: Outcome, duration_ms: u64, touches: u32) -> Value {
    data::VisitEnded { outcome: words::outcome(outcome).into(), duration_ms, touches }.to_value()
}

fn problem_shown(problem: Problem, stage: Stage) -> Value {
    data::ProblemShown { problem: words::problem(problem).into(), stage: Some(words::stage(stage).into()) }.to_value()
}

fn signed_in(staff: &str) -> Value {
    data::Staff { staff: staff.to_owned(), subject: None, reason: None, amount: None, proof: None }.to_value()
}

fn approved(staff: &str, act: &str, subject: &str, amount: Option<data::Money>) -> Value {
    let subject = Some(subject.to_owned()).filter(|subject| !subject.is_empty());
    data::Staff { staff: staff.to_owned(), subject, reason: Some(act.to_owned()), amount, proof: None }.to_value()
}

fn overridden(event: &Event, currency: Currency) -> Value {
    let Event::PriceOverridden { sku, from, to, reason, staff } = event else { return Value::Null };
    let (from, to) = (money(*from, currency), money(*to, currency));
    data::PriceChanged { sku: sku.clone(), from, to, reason: reason.clone(), staff: Some(staff.clone()) }.to_value()
}

fn consent_changed(from: Consent, to: Consent, dietary: Option<&[Allergen]>) -> Value {
    let (from, to) = (words::consent(from).word().into(), words::consent(to).word().into());
    let dietary = dietary.map(|avoided| avoided.iter().map(|allergen| allergen.key().to_owned()).collect());
    data::ConsentChanged { from, to, text_version: TEXT_VERSION.into(), dietary }.to_value()
}

fn joined(token: &str, language: &str) -> Value {
    data::VisitorJoined {
        token: token.to_owned(),
        display_name: None,
        language: Some(language.to_owned()),
        text_version: TEXT_VERSION.into(),
    }
    .to_value()
}

fn alarm_raised(alarm: Alarm, detail: &str) -> Value {
    serde_json::json!({ "alarm": words::alarm(alarm), "detail": detail, "by": "kiosk" })
}

fn device_changed(event: &Event) -> Value {
    let Event::DeviceChanged { kind, health, was, seconds } = event else { return Value::Null };
    let name = words::device(*kind);
    serde_json::json!({ "devices": { name: words::health(*health) }, "was": words::health(*was), "seconds": seconds, "by": "kiosk" })
}

fn placed(order: &PlacedOrder, currency: Currency) -> data::OrderPlaced {
    let priced = &order.priced;
    data::OrderPlaced {
        order: order.order.to_string(),
        number: order.number.clone(),
        called_name: Some(order.called_name.clone()).filter(|name| !name.is_empty()),
        service: words::service(order.service).into(),
        table: None,
        lines: priced.lines.iter().map(|line| wire_line(line, currency)).collect(),
        discounts: Vec::new(),
        tax: priced
            .tax
            .iter()
            .map(|tax| data::Tax {
                code: tax.code.clone(),
                rate: words::rate(tax.rate_ppm),
                base: money(tax.base, currency),
                amount: money(tax.amount, currency),
                included: tax.included,
            })
            .collect(),
        tip: Some(order.tip).filter(|tip| *tip != Minor::ZERO).map(|tip| money(tip, currency)),
        total: money(priced.total, currency),
        business_date: order.business_date.clone(),
        page: None,
    }
}

fn wire_line(line: &PricedLine, currency: Currency) -> data::Line {
    data::Line {
        line: line.line,
        parent: line.parent,
        sku: line.sku.clone(),
        name: line.name.clone(),
        quantity: u32::from(line.quantity),
        amount: money(line.amount, currency),
        modifiers: line
            .modifiers
            .iter()
            .map(|modifier| data::Modifier {
                group: modifier.group.clone(),
                sku: modifier.sku.clone(),
                name: modifier.name.clone(),
                quantity: u32::from(modifier.quantity),
                amount: money(modifier.amount, currency),
            })
            .collect(),
        tax_code: line.tax_code.clone(),
    }
}

fn order_row(order: &PlacedOrder, body: Value, record: &Record, currency: Currency) -> OrderRow {
    OrderRow {
        order: uuid(order.order),
        number: order.number.clone(),
        business_date: order.business_date.clone(),
        visit: record.visit.map(uuid),
        state: OrderState::Placed,
        total_minor: order.priced.total.0,
        currency: currency.letters().to_owned(),
        body,
        updated_ms: time_ms(record.at),
    }
}

fn order_state(state: Progress) -> OrderState {
    match state {
        Progress::Received => OrderState::Received,
        Progress::Making => OrderState::Making,
        Progress::Ready => OrderState::Ready,
        Progress::Collected => OrderState::Collected,
        Progress::Cancelled => OrderState::Cancelled,
    }
}

/// The counter behind 'A-17'.
fn counter(order: &PlacedOrder) -> Option<OrderCounter> {
    let value = order.number.rsplit('-').next()?.parse().ok()?;
    Some(OrderCounter { business_date: order.business_date.clone(), value })
}
