//! Law 1 and its exceptions, without a thread and without a clock.

use crate::support::{World, answer, approved, at, engine, pay, to_checkout};
use edge_db::{AttemptState, Class};
use kiosk_core::{
    CommandOutcome, DeviceEvent, Input, Stage, Tender,
    device::{DeviceKind, Health},
    event::Problem,
    session::{Overlay, PayView},
};
use kiosk_shell::{Durability, JournalError};

fn full() -> JournalError {
    JournalError::NotNow("the disk is full".into())
}

#[test]
fn a_payment_is_on_disk_before_the_terminal_is_asked() {
    let (mut engine, world) = engine();
    to_checkout(&mut engine, 1);
    pay(&mut engine, 2, Tender::Card);
    assert!(world.place("record cem.payment.started.v1") < world.place("charge 390"));
    let sale = world.commits().into_iter().find(|commit| commit.class == Class::Sale).unwrap();
    assert_eq!((sale.orders.len(), sale.attempts.len()), (1, 1), "order and attempt are in the same transaction");
    assert_eq!(sale.counter.unwrap().value, 1);
    assert!(engine.money_in_flight());
}

#[test]
fn an_approval_is_on_disk_before_the_receipt_is_printed() {
    let (mut engine, world) = engine();
    to_checkout(&mut engine, 1);
    pay(&mut engine, 2, Tender::Card);
    answer(&mut engine, &world, 3, approved());
    assert!(world.place("record cem.payment.approved.v1") < world.place("print A-1"));
    let snapshot = engine.snapshot(at(4));
    assert_eq!((snapshot.stage, snapshot.pay), (Stage::Done, PayView::Approved));
    assert!(!engine.money_in_flight());
    let attempt = world.commits().iter().flat_map(|c| c.attempts.clone()).next_back().unwrap();
    assert_eq!((attempt.state, attempt.reference), (AttemptState::Approved, Some(17)));
}

#[test]
fn a_declined_and_an_unknown_payment_are_recorded_as_what_they_are() {
    let ends = [
        (CommandOutcome::Declined { code: 0x6C }, "record cem.payment.declined.v1", PayView::Declined { code: 0x6C }),
        (CommandOutcome::Unknown, "record cem.payment.unknown.v1", PayView::Checking),
    ];
    for (outcome, recorded, shown) in ends {
        let (mut engine, world) = engine();
        to_checkout(&mut engine, 1);
        pay(&mut engine, 2, Tender::Card);
        answer(&mut engine, &world, 3, outcome);
        world.place(recorded);
        assert_eq!(engine.snapshot(at(4)).pay, shown);
        assert!(!world.did("print"), "nothing is printed for what is not paid");
    }
}

#[test]
fn a_sale_that_cannot_be_recorded_is_not_charged_and_the_guest_is_told() {
    let (mut engine, world) = engine();
    to_checkout(&mut engine, 1);
    world.refuse(Class::Sale, full());
    pay(&mut engine, 2, Tender::Card);
    assert!(!world.did("charge") && !world.did("record cem.order"));
    let snapshot = engine.snapshot(at(3));
    assert_eq!(snapshot.overlay, Some(Overlay::Problem(Problem::CannotRecord)));
    assert_eq!((snapshot.stage, snapshot.order), (Stage::Checkout, None), "the basket is where it was");
    assert_eq!(engine.counts().refused, 1);
}

#[test]
fn an_approval_that_cannot_be_recorded_prints_nothing_and_is_recorded_once_the_disk_takes_it() {
    let (mut engine, world) = engine();
    to_checkout(&mut engine, 1);
    pay(&mut engine, 2, Tender::Card);
    world.refuse(Class::Settlement, full());
    answer(&mut engine, &world, 3, approved());
    assert!(!world.did("print") && !world.did("record cem.payment.approved"));
    assert!(engine.money_in_flight());
    world.refuse_nothing();
    let due = engine.snapshot(at(4)).next_tick_ms.unwrap();
    engine.handle(at(due), Input::Tick).unwrap();
    assert!(world.place("record cem.payment.approved.v1") < world.place("print A-1"));
    assert!(!engine.money_in_flight());
}

#[test]
fn no_sale_begins_while_the_end_of_a_payment_is_not_on_disk() {
    let (mut engine, world) = engine();
    to_checkout(&mut engine, 1);
    pay(&mut engine, 2, Tender::Card);
    world.refuse(Class::Settlement, full());
    answer(&mut engine, &world, 3, approved());
    let before = world.commits().len();
    engine.intent(at(4), kiosk_core::Intent::Finish).unwrap();
    to_checkout(&mut engine, 5);
    pay(&mut engine, 6, Tender::Card);
    let sales = world.commits().iter().skip(before).filter(|commit| commit.class == Class::Sale).count();
    assert_eq!(sales, 0);
}

#[test]
fn telemetry_without_room_is_dropped_and_counted_and_the_visit_goes_on() {
    let (mut engine, world) = engine();
    world.refuse(Class::Telemetry, full());
    to_checkout(&mut engine, 1);
    assert_eq!(engine.snapshot(at(2)).stage, Stage::Checkout);
    assert!(engine.counts().dropped > 0);
    pay(&mut engine, 3, Tender::Card);
    assert!(world.did("charge 390"), "a sale still has room");
}

#[test]
fn a_dead_disk_ends_the_engine_before_anything_is_charged() {
    let (mut engine, world) = engine();
    to_checkout(&mut engine, 1);
    world.refuse(Class::Sale, JournalError::Dead("fsync failed".into()));
    assert!(engine.intent(at(2), kiosk_core::Intent::Pay(Tender::Card)).is_err());
    assert!(!world.did("charge"));
}

#[test]
fn an_approval_whose_receipt_number_is_held_by_another_is_recorded_without_it() {
    let (mut engine, world) = engine();
    to_checkout(&mut engine, 1);
    pay(&mut engine, 2, Tender::Card);
    world.hold_receipt(17);
    answer(&mut engine, &world, 3, approved());
    let attempt = world.commits().iter().flat_map(|c| c.attempts.clone()).next_back().unwrap();
    assert_eq!((attempt.state, attempt.reference), (AttemptState::Approved, None));
    assert_eq!(attempt.outcome.as_deref(), Some("receipt_held_by_another"));
    assert_eq!(engine.counts().partial, 1);
    assert!(world.place("record cem.payment.approved.v1") < world.place("print A-1"));
}

#[test]
fn a_charge_that_the_terminal_does_not_take_counts_as_not_sent() {
    let (mut engine, world) = engine();
    to_checkout(&mut engine, 1);
    world.terminal_busy(true);
    pay(&mut engine, 2, Tender::Card);
    world.place("record cem.payment.declined.v1");
    assert_eq!(engine.snapshot(at(3)).pay, PayView::TerminalLost);
    assert!(!engine.money_in_flight());
}

#[test]
fn a_second_charge_is_not_sent_while_the_terminal_still_works_on_the_first() {
    let (mut engine, world) = engine();
    to_checkout(&mut engine, 1);
    pay(&mut engine, 2, Tender::Card);
    let overdue = engine.snapshot(at(3)).next_tick_ms.unwrap();
    engine.handle(at(overdue), Input::Tick).unwrap();
    world.place("record cem.payment.unknown.v1");
    engine.intent(at(overdue + 1), kiosk_core::Intent::Finish).unwrap();
    to_checkout(&mut engine, overdue + 2);
    pay(&mut engine, overdue + 3, Tender::Card);
    let charges = world.done().iter().filter(|done| done.starts_with("charge")).count();
    assert_eq!(charges, 1);
}

#[test]
fn what_a_touch_decides_is_shown_at_once_and_an_approval_only_from_the_disk() {
    let (mut engine, world) = engine();
    to_checkout(&mut engine, 1);
    pay(&mut engine, 2, Tender::Card);
    world.refuse(Class::Settlement, full());
    let mut shown = Vec::new();
    let ended = DeviceEvent::CommandEnded { attempt: world.charged(), outcome: approved() };
    engine.handle_shown(at(3), Input::Device(ended), &mut |kiosk| shown.push(kiosk.snapshot(at(3)).overlay)).unwrap();
    assert_eq!(shown, [Some(Overlay::Problem(Problem::CannotRecord))]);
}

#[test]
fn a_replay_never_touches_hardware() {
    let (engine, world) = engine();
    let mut engine = engine.with_durability(Durability::DangerousAtFlush);
    to_checkout(&mut engine, 1);
    pay(&mut engine, 2, Tender::Card);
    assert!(!world.did("charge") && !world.did("print"));
    engine.flush().unwrap();
}

#[test]
fn a_lost_terminal_is_not_asked() {
    let (mut engine, world): (_, World) = engine();
    let lost = DeviceEvent::Health(DeviceKind::Terminal, Health::Lost);
    engine.handle(at(1), Input::Device(lost)).unwrap();
    to_checkout(&mut engine, 2);
    pay(&mut engine, 3, Tender::Card);
    assert!(!world.did("charge") && !world.did("record cem.payment.started"));
}
