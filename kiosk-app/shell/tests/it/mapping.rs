//! Every domain event becomes a wire event that the contract takes.

use cem_contract::{Clock, Consent as WireConsent, validate};
use edge_db::{AttemptState, Class, OrderState};
use kiosk_core::{
    By, ClockQuality, CommandKind, Currency, Event, Id, LineId, Minor, Now, PlacedOrder, Priced, PricedLine, PricedModifier,
    Record, Service, Stage, TaxAmount, Tender,
    catalogue::Allergen,
    device::{Assurance, Consent, DeviceKind, Health, Method},
    event::{BasketAction, Outcome, PaymentFact, Problem, Progress, TaskKind, TerminalBook, Trigger},
    staff::Act,
    till::{EntryKind, Line, Opening, Till},
};
use kiosk_shell::{Recorder, Recording};
use serde_json::json;

fn recorder() -> Recorder {
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

fn record(events: Vec<Event>) -> Record {
    let at = Now { mono_ms: 12_345, utc_ms: Some(1_795_257_000_123), offset_min: 60, quality: ClockQuality::Estimated };
    Record {
        visit: Some(Id([2; 16])),
        visitor: Some("v_00112233445566778899aabbccddeeff".into()),
        consent: Consent::Personal,
        language: "en".into(),
        at,
        events,
    }
}

fn line() -> PricedLine {
    PricedLine {
        line: 1,
        parent: None,
        id: LineId(1),
        sku: "flat-white".into(),
        name: "Flat white".into(),
        quantity: 2,
        amount: Minor(790),
        modifiers: vec![PricedModifier {
            group: "milk".into(),
            sku: "oat".into(),
            name: "Oat milk".into(),
            quantity: 1,
            amount: Minor(100),
        }],
        tax_code: "A".into(),
    }
}

fn placed() -> PlacedOrder {
    let tax = TaxAmount { code: "A".into(), rate_ppm: 70_000, base: Minor(738), amount: Minor(52), included: true };
    PlacedOrder {
        order: Id([3; 16]),
        number: "A-17".into(),
        called_name: "Jane".into(),
        service: Service::Takeaway,
        priced: Priced { lines: vec![line()], tax: vec![tax], goods: Minor(790), total: Minor(790) },
        tip: Minor(100),
        business_date: "2026-11-21".into(),
    }
}

fn fact() -> PaymentFact {
    PaymentFact { reference: Some(17), ..PaymentFact::card(Id([4; 16]), Id([3; 16]), Id([5; 16]), Minor(790)) }
}

/// One of each; "" for what only the rows say. The match has no wildcard: a new event does not compile until it stands here
/// and below.
fn wire_type(event: &Event) -> &'static str {
    match event {
        Event::PaymentAcknowledged(_) | Event::PaymentConfirmed(_) | Event::TerminalBook(_) | Event::RefundBegun(_) => "",
        Event::PaymentApproved(fact) if fact.kind == CommandKind::EndOfDay => "",
        Event::PaymentApproved(fact) if fact.kind == CommandKind::Reverse => "cem.payment.reversed.v1",
        Event::PaymentApproved(fact) if fact.kind == CommandKind::Refund => "cem.payment.refunded.v1",
        Event::TaskRaised { .. } => "cem.task.raised.v1",
        Event::PresenceSeen { .. } => "cem.presence.seen.v1",
        Event::VisitStarted { .. } => "cem.visit.started.v1",
        Event::VisitIdentified { .. } => "cem.visit.identified.v1",
        Event::StageChanged { .. } => "cem.visit.stage_changed.v1",
        Event::ItemViewed { .. } => "cem.item.viewed.v1",
        Event::BasketChanged { .. } => "cem.basket.changed.v1",
        Event::OrderPlaced(_) => "cem.order.placed.v1",
        Event::OrderProgressed { .. } => "cem.order.progressed.v1",
        Event::PaymentStarted(_) => "cem.payment.started.v1",
        Event::PaymentApproved(_) => "cem.payment.approved.v1",
        Event::PaymentDeclined(_) => "cem.payment.declined.v1",
        Event::PaymentUnknown(_) => "cem.payment.unknown.v1",
        Event::PaymentResolved(_) => "cem.payment.resolved.v1",
        Event::ReceiptIssued { .. } => "cem.receipt.issued.v1",
        Event::FeedbackGiven { .. } => "cem.feedback.given.v1",
        Event::VisitEnded { .. } => "cem.visit.ended.v1",
        Event::HelpCalled { .. } => "cem.help.called.v1",
        Event::ProblemShown { .. } => "cem.problem.shown.v1",
        Event::ConsentChanged { .. } => "cem.consent.changed.v1",
        Event::VisitorJoined { .. } => "cem.visitor.joined.v1",
        Event::ErasureRequested => "cem.visitor.erasure_requested.v1",
        Event::Booked(entry) => match entry.kind {
            EntryKind::Opened | EntryKind::Float => "cem.till.opened.v1",
            EntryKind::PaidIn | EntryKind::PaidOut | EntryKind::SafeDrop => "cem.till.cash_moved.v1",
            EntryKind::NoSale => "cem.till.drawer_opened.v1",
            EntryKind::Closed => "cem.till.closed.v1",
            // Other events say it.
            _ => "",
        },
        Event::StaffSignedIn { .. } => "cem.staff.signed_in.v1",
        Event::StaffApproved { .. } => "cem.staff.approved.v1",
        Event::PriceOverridden { .. } => "cem.price.overridden.v1",
        Event::AlarmRaised { .. } => "cem.device.alarm.v1",
        Event::DeviceChanged { .. } => "cem.device.health.v1",
    }
}

fn one_of_each() -> Vec<Event> {
    let token = "1:00ff".to_owned();
    let mut events = vec![
        Event::PresenceSeen { seconds: 3 },
        Event::VisitStarted { visit: Id([2; 16]), trigger: Trigger::Touch, language: "en".into() },
        Event::VisitIdentified { method: Method::Uid, assurance: Assurance::Low, visits_before: Some(9), token, counter: None },
        Event::StageChanged { from: Stage::Attract, to: Stage::Browse, touches: 1 },
        Event::ItemViewed { sku: "flat-white".into() },
        Event::DeviceChanged { kind: DeviceKind::Printer, health: Health::Ok, was: Health::Blocked, seconds: Some(94) },
        Event::BasketChanged { action: BasketAction::Add, line: Box::new(line()), by: By::Usual },
        Event::OrderPlaced(Box::new(placed())),
        Event::OrderProgressed { order: Id([3; 16]), state: Progress::Received },
        Event::PaymentStarted(fact()),
        Event::PaymentApproved(fact()),
        Event::PaymentDeclined(fact()),
        Event::PaymentUnknown(fact()),
        Event::PaymentResolved(fact()),
        Event::PaymentAcknowledged(fact()),
        Event::PaymentConfirmed(fact()),
        Event::PaymentApproved(PaymentFact { kind: CommandKind::EndOfDay, ..fact() }),
        Event::PaymentApproved(PaymentFact { kind: CommandKind::Reverse, original: Some(Id([6; 16])), ..fact() }),
        Event::PaymentApproved(PaymentFact {
            kind: CommandKind::Refund,
            original: Some(Id([6; 16])),
            lines: vec![1, 2],
            staff: Some("1002".into()),
            ..fact()
        }),
        Event::TerminalBook(TerminalBook::default()),
        Event::TaskRaised { task: Id([8; 16]), kind: TaskKind::Refund, subject: Id([5; 16]), staff: None },
        Event::ReceiptIssued { order: Id([3; 16]), copy: false },
        Event::FeedbackGiven { csat: 5 },
        Event::VisitEnded { outcome: Outcome::Completed, duration_ms: 61_000, touches: 7 },
        Event::HelpCalled { stage: Stage::Browse },
        Event::ProblemShown { problem: Problem::PrinterBlocked, stage: Stage::Done },
        Event::ConsentChanged { from: Consent::Service, to: Consent::None, dietary: None },
        Event::ConsentChanged { from: Consent::Service, to: Consent::Service, dietary: Some(vec![Allergen::Nuts]) },
        Event::VisitorJoined { token: "1:00ff".into(), language: "en".into() },
        Event::ErasureRequested,
        Event::StaffSignedIn { staff: "1001".into() },
        Event::StaffApproved {
            staff: "1002".into(),
            act: Act::Refund,
            subject: Id([3; 16]).to_string(),
            amount: Some(Minor(390)),
        },
        Event::PriceOverridden {
            sku: "x".into(),
            from: Minor(390),
            to: Minor(300),
            reason: "goodwill".into(),
            staff: "1001".into(),
        },
    ];
    events.extend(book());
    events
}

/// A till's book with a line of each kind.
fn book() -> Vec<Event> {
    let mut till = Till::default();
    let opening = Opening { shift: Id([8; 16]), business_date: "2026-11-21", utc_ms: None };
    let write = |kind| {
        let line = Line { amount: Minor(100), staff: "1001".into(), reason: "test".into(), ..Line::default() };
        till.write(kind, line, opening)
    };
    EntryKind::ALL.into_iter().flat_map(write).map(|entry| Event::Booked(entry.into())).collect()
}

#[test]
fn every_event_becomes_a_wire_event_that_the_contract_takes() {
    let events = one_of_each();
    let mut recorder = recorder();
    for event in events {
        let wanted = wire_type(&event);
        let commit = recorder.commit(&record(vec![event]), Currency::EUR);
        if wanted.is_empty() {
            assert_eq!(commit.events, []);
            continue;
        }
        let [wire] = commit.events.as_slice() else { panic!("{wanted}: not one event") };
        assert_eq!(wire.kind, wanted);
        validate(wire).unwrap_or_else(|invalid| panic!("{wanted}: {invalid}"));
    }
}

#[test]
fn the_envelope_carries_visit_visitor_consent_and_how_far_the_time_can_be_trusted() {
    let mut recorder = recorder();
    let commit = recorder.commit(&record(vec![Event::FeedbackGiven { csat: 5 }]), Currency::EUR);
    let wire = &commit.events[0];
    assert_eq!(wire.visitid.unwrap().into_bytes(), [2; 16]);
    assert_eq!(wire.visitor.as_deref(), Some("v_00112233445566778899aabbccddeeff"));
    assert_eq!((wire.consent, wire.clock, wire.boot.as_str()), (WireConsent::Personal, Clock::Estimated, "boot-1"));
    assert_eq!((wire.time_ms, wire.uptime_ms), (1_795_257_000_123, 12_345));
    assert_eq!(wire.id.get_version_num(), 7);
    let mut unset = record(vec![Event::PresenceSeen { seconds: 1 }]);
    unset.at = Now { utc_ms: None, quality: ClockQuality::Unset, ..unset.at };
    let commit = recorder.commit(&unset, Currency::EUR);
    assert_eq!((commit.events[0].time_ms, commit.events[0].clock), (12_345, Clock::Unset));
}

#[test]
fn an_order_is_mapped_to_the_last_field() {
    let commit = recorder().commit(&record(vec![Event::OrderPlaced(Box::new(placed()))]), Currency::EUR);
    let id = "03030303-0303-0303-0303-030303030303";
    let euro = |minor: i64| json!({"minor": minor, "currency": "EUR"});
    let data = json!({
        "order": id, "number": "A-17", "called_name": "Jane", "service": "takeaway", "business_date": "2026-11-21",
        "lines": [{
            "line": 1, "sku": "flat-white", "name": "Flat white", "quantity": 2, "amount": euro(790), "tax_code": "A",
            "modifiers": [{"group": "milk", "sku": "oat", "name": "Oat milk", "quantity": 1, "amount": euro(100)}],
        }],
        "discounts": [],
        "tax": [{"code": "A", "rate": "0.07", "base": euro(738), "amount": euro(52), "included": true}],
        "tip": euro(100), "total": euro(790),
    });
    assert_eq!(commit.events[0].data, data);
    let row = &commit.orders[0];
    assert_eq!((row.number.as_str(), row.state, row.total_minor), ("A-17", OrderState::Placed, 790));
    assert_eq!((row.currency.as_str(), &row.body), ("EUR", &data));
    let counter = commit.counter.unwrap();
    assert_eq!((counter.business_date.as_str(), counter.value), ("2026-11-21", 17));
}

#[test]
fn order_and_payment_of_one_record_are_one_transaction_with_one_row_each() {
    let events = vec![
        Event::OrderPlaced(Box::new(placed())),
        Event::PaymentStarted(PaymentFact { reference: None, ..fact() }),
        Event::PaymentApproved(fact()),
        Event::OrderProgressed { order: Id([3; 16]), state: Progress::Received },
    ];
    let commit = recorder().commit(&record(events), Currency::EUR);
    assert_eq!((commit.events.len(), commit.orders.len(), commit.attempts.len()), (4, 1, 1));
    assert_eq!(commit.orders[0].state, OrderState::Received);
    let attempt = &commit.attempts[0];
    assert_eq!((attempt.state, attempt.reference, attempt.amount_minor), (AttemptState::Approved, Some(17), 790));
    assert_eq!((attempt.tender.as_str(), attempt.terminal.as_str()), ("card", "k-01/terminal"));
}

#[test]
fn an_order_changes_its_state_in_a_later_record() {
    let mut recorder = recorder();
    recorder.commit(&record(vec![Event::OrderPlaced(Box::new(placed()))]), Currency::EUR);
    let ready = vec![Event::OrderProgressed { order: Id([3; 16]), state: Progress::Ready }];
    let commit = recorder.commit(&record(ready), Currency::EUR);
    assert_eq!((commit.orders[0].state, commit.orders[0].number.as_str()), (OrderState::Ready, "A-17"));
    let stranger = vec![Event::OrderProgressed { order: Id([9; 16]), state: Progress::Ready }];
    assert!(recorder.commit(&record(stranger), Currency::EUR).orders.is_empty());
}

#[test]
fn cash_names_no_terminal() {
    let cash = PaymentFact { tender: Tender::Cash, reference: None, ..fact() };
    let commit = recorder().commit(&record(vec![Event::PaymentApproved(cash)]), Currency::EUR);
    assert_eq!(commit.attempts[0].terminal, "");
    assert_eq!(commit.events[0].data.get("terminal"), None);
}

#[test]
fn what_begins_a_sale_may_be_refused_and_what_ends_a_payment_may_not() {
    let class = |events| recorder().commit(&record(events), Currency::EUR).class;
    let stage = Event::StageChanged { from: Stage::Paying, to: Stage::Done, touches: 0 };
    assert_eq!(class(vec![stage.clone()]), Class::Telemetry);
    assert_eq!(class(vec![Event::PaymentApproved(fact()), stage.clone()]), Class::Settlement);
    assert_eq!(class(vec![Event::PaymentUnknown(fact())]), Class::Settlement);
    assert_eq!(class(vec![Event::OrderPlaced(Box::new(placed())), Event::PaymentApproved(fact())]), Class::Sale);
    assert_eq!(class(vec![Event::PaymentStarted(fact())]), Class::Sale);
}
