//! With a real database: restarts, and the replay of baskets.

use crate::support::{at, catalogue, config, pay, recorder, to_checkout};
use edge_db::{AttemptState, Limits, LogReader, OpenError, OrderState, Outbox, OutboxOptions};
use kiosk_core::{
    Command, CommandOutcome, Currency, DeviceEvent, Enquiry, Id, Input, Intent, Kiosk, Minor, Paper, RecoveredState, Service,
    Signal, Tender, TerminalReceipt,
};
use kiosk_shell::{Engine, OutboxJournal, Ports, Recording, order_counter, replay, restored};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

const TERMINAL: &str = "k-01/terminal";

/// A terminal that takes every command and enquiry and never answers.
struct Silent;

impl Ports for Silent {
    fn command(&mut self, _: Id, _: Command) -> bool {
        true
    }
    fn enquire(&mut self, _: Id) -> bool {
        true
    }
    fn abort_command(&mut self, _: Id) {}
    fn identify(&mut self, _: String) {}
    fn print(&mut self, _: Paper) -> bool {
        true
    }
    fn signal(&mut self, _: Signal) {}
    fn open_drawer(&mut self) -> bool {
        true
    }
}

fn open(dir: &Path) -> Arc<Outbox> {
    let mut options = OutboxOptions::new(dir.join("kiosk.db"), "/stores/s-001/devices/k-01");
    options.limits = Limits { max_bytes: 64 << 20, ..Limits::small() };
    // A child of another test holds the lock, too, between its fork and its exec.
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match Outbox::open(options.clone()) {
            Err(OpenError::InUse { .. }) if Instant::now() < until => std::thread::yield_now(),
            opened => return Arc::new(opened.unwrap()),
        }
    }
}

fn started(outbox: &Arc<Outbox>, ports: Box<dyn Ports>) -> Engine {
    let mut kiosk = Kiosk::new(config(), catalogue());
    let mut recorder = recorder();
    kiosk.restore(restored(outbox, TERMINAL, &mut recorder).unwrap(), order_counter(outbox).unwrap());
    Engine::new(kiosk, recorder, Box::new(OutboxJournal::new(outbox.clone())), ports)
}

fn kinds(dir: &Path) -> Vec<String> {
    let reader = LogReader::open(dir.join("kiosk.db")).unwrap().unwrap();
    let log = reader.logs().unwrap().pop().unwrap();
    let mut kinds = Vec::new();
    let mut after = 0;
    loop {
        let batch = reader.after(log.log, after, 1000, usize::MAX).unwrap();
        assert!(batch.holes.is_empty());
        kinds.extend(batch.rows.iter().map(|row| row.kind.clone()));
        if batch.next == after {
            return kinds;
        }
        after = batch.next;
    }
}

#[test]
fn an_order_that_is_paid_in_part_is_known_again_and_made_once_the_rest_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(dir.path());
    let mut engine = started(&outbox, Box::new(Silent));
    to_checkout(&mut engine, 1);
    engine.intent(at(2), Intent::Parts(2)).unwrap();
    pay(&mut engine, 3, Tender::Card);
    let first = engine.kiosk().payments().running().unwrap().clone();
    let receipt = TerminalReceipt { number: 7, amount: first.amount, ..TerminalReceipt::default() };
    let outcome = CommandOutcome::Approved(receipt);
    engine.handle(at(4), Input::Device(DeviceEvent::CommandEnded { attempt: first.attempt, outcome })).unwrap();
    pay(&mut engine, 5, Tender::Card);
    let second = engine.kiosk().payments().running().unwrap().clone();
    assert_ne!(second.payment, first.payment);
    drop((engine, outbox));

    let outbox = open(dir.path());
    let restored = restored(&outbox, TERMINAL, &mut recorder()).unwrap();
    let parts = &restored.parts[0];
    assert_eq!((parts.order, parts.due), (first.order, first.amount + second.amount));
    assert_eq!(parts.taken, [(first.attempt, first.amount)]);
    let mut engine = started(&outbox, Box::new(Silent));
    engine.handle(at(20), Input::Tick).unwrap();
    let state = |outbox: &Outbox| outbox.order(uuid::Uuid::from_bytes(first.order.0)).unwrap().unwrap().state;
    assert_eq!(state(&outbox), OrderState::Placed);
    let receipt = TerminalReceipt { number: 8, amount: second.amount, ..TerminalReceipt::default() };
    let outcome = CommandOutcome::Approved(receipt);
    engine.handle(at(21), Input::Device(DeviceEvent::CommandEnded { attempt: second.attempt, outcome })).unwrap();
    assert_eq!(state(&outbox), OrderState::Received, "the second part covers it");
}

#[test]
fn a_payment_found_open_at_start_counts_as_sent_and_the_numbers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(dir.path());
    let mut engine = started(&outbox, Box::new(Silent));
    to_checkout(&mut engine, 1);
    pay(&mut engine, 2, Tender::Card);
    assert_eq!(outbox.open_attempts().unwrap()[0].state, AttemptState::Started);
    drop((engine, outbox));

    let outbox = open(dir.path());
    let mut engine = started(&outbox, Box::new(Silent));
    engine.handle(at(10), Input::Tick).unwrap();
    assert_eq!(outbox.open_attempts().unwrap()[0].state, AttemptState::Unknown);
    assert_eq!(engine.kiosk().payments().unresolved().count(), 1);
    assert_eq!(engine.snapshot(at(10)).recovered.unwrap().number, "A-1", "its guest is told");
    let attempt = engine.kiosk().payments().unresolved().next().unwrap().fact.attempt;
    let enquired = DeviceEvent::Enquired { attempt, enquiry: Enquiry::Unsupported };
    engine.handle(at(11), Input::Device(enquired)).unwrap();
    to_checkout(&mut engine, 20);
    pay(&mut engine, 21, Tender::Card);
    let snapshot = engine.snapshot(at(22));
    assert_eq!(snapshot.order.unwrap().number, "A-2", "another guest is served, and no number is given twice");
    drop((engine, outbox));

    let outbox = open(dir.path());
    let again = restored(&outbox, TERMINAL, &mut recorder()).unwrap();
    assert_eq!(again.open.iter().map(|open| open.unknown).collect::<Vec<_>>(), [true, false]);
    drop(outbox);
    assert!(kinds(dir.path()).contains(&"cem.payment.unknown.v1".to_owned()));
}

#[test]
fn what_the_terminal_said_of_a_payment_and_where_its_numbers_stand_outlive_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(dir.path());
    let mut engine = started(&outbox, Box::new(Silent));
    to_checkout(&mut engine, 1);
    let receipt = |number| TerminalReceipt {
        terminal: "T1".into(),
        number,
        amount: Minor(390),
        currency: Some(Currency::EUR),
        masked: String::new(),
        trace: Some(100 + number),
    };
    let nobody = DeviceEvent::Enquired { attempt: Id([0; 16]), enquiry: Enquiry::Last(Some(receipt(4))) };
    engine.handle(at(2), Input::Device(nobody)).unwrap();
    pay(&mut engine, 3, Tender::Card);
    let attempt = engine.kiosk().payments().running().unwrap().attempt;
    engine.handle(at(4), Input::Device(DeviceEvent::CommandAcknowledged { attempt })).unwrap();
    drop((engine, outbox));

    let outbox = open(dir.path());
    let found = restored(&outbox, TERMINAL, &mut recorder()).unwrap();
    let trail = &found.open[0].fact.trail;
    assert_eq!((trail.receipt_before, trail.trace_before, trail.period), (Some(4), Some(104), Some(1)));
    assert_eq!((trail.tid.as_str(), trail.acknowledged, trail.heard_utc_ms.is_some()), ("T1", true, true));
    let mut engine = started(&outbox, Box::new(Silent));
    engine.handle(at(5), Input::Tick).unwrap();
    for mono_ms in [6, 20_000] {
        let enquiry = Enquiry::Last(Some(receipt(5)));
        engine.handle(at(mono_ms), Input::Device(DeviceEvent::Enquired { attempt, enquiry })).unwrap();
        engine.handle(at(mono_ms + 11_000), Input::Tick).unwrap();
    }
    assert_eq!(engine.snapshot(at(31_000)).recovered.unwrap().state, RecoveredState::Received);
    drop((engine, outbox));

    let outbox = open(dir.path());
    assert_eq!(outbox.newest_orders(1).unwrap()[0].state, OrderState::Received, "the kitchen makes it");
    let found = restored(&outbox, TERMINAL, &mut recorder()).unwrap();
    assert_eq!((found.open.len(), found.provisional.len(), found.held.len()), (0, 1, 1));
    assert_eq!((found.book.last_receipt, found.book.tid.as_str()), (Some(5), "T1"));
}

#[test]
fn an_order_whose_payment_was_refused_just_before_a_stop_is_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(dir.path());
    let mut engine = started(&outbox, Box::new(Silent));
    to_checkout(&mut engine, 1);
    pay(&mut engine, 2, Tender::Card);
    let attempt = engine.kiosk().payments().running().unwrap().attempt;
    let outcome = CommandOutcome::Declined { code: 5 };
    engine.handle(at(3), Input::Device(DeviceEvent::CommandEnded { attempt, outcome })).unwrap();
    drop((engine, outbox));
    let outbox = open(dir.path());
    let mut engine = started(&outbox, Box::new(Silent));
    engine.handle(at(10), Input::Tick).unwrap();
    assert_eq!(outbox.newest_orders(1).unwrap()[0].state, OrderState::Cancelled);
}

#[test]
fn a_replay_of_open_price_baskets_is_on_disk_after_its_flush_without_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = open(dir.path());
    let who = Recording::here("k-01", "kiosk").unwrap();
    let mut engine = replay(outbox.clone(), config(), catalogue(), who).unwrap();
    const VISITS: u64 = 50;
    for visit in 0..VISITS {
        let now = at(visit * 1_000);
        let line = |n: u64| Intent::AddOpenPrice {
            sku: n.to_string(),
            name: format!("Product {n}"),
            quantity: 1,
            amount: Minor(100 + i64::try_from(n).unwrap()),
        };
        let intents = [Intent::Begin, Intent::ChooseService(Service::Takeaway), line(visit), line(visit + 1), Intent::OpenBasket];
        for intent in intents.into_iter().chain([Intent::Checkout, Intent::Pay(Tender::Cash), Intent::Finish]) {
            engine.intent(now, intent).unwrap();
        }
    }
    engine.flush().unwrap();
    let orders = outbox.newest_orders(1_000).unwrap();
    assert_eq!(orders.len() as u64, VISITS);
    let total: i64 = orders.iter().map(|order| order.total_minor).sum();
    let wanted: u64 = (0..VISITS).map(|visit| 201 + 2 * visit).sum();
    assert_eq!(total, i64::try_from(wanted).unwrap());
    let head = outbox.log().unwrap().head;
    drop((engine, outbox));
    let kinds = kinds(dir.path());
    assert_eq!(kinds.len() as u64, head);
    assert_eq!(kinds.iter().filter(|kind| *kind == "cem.visit.ended.v1").count() as u64, VISITS);
}
