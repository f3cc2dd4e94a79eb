//! What happens when the disk, the devices or the order of things fails.

#![allow(clippy::unwrap_used)]

use crate::{
    CommandOutcome, Effect, Event, Id, Input, Intent, Minor, OpenAttempt, OrderCounter, Restored, Service, Signal, Tender,
    device::{DeviceEvent, DeviceKind},
    event::{PaymentFact, Problem, Progress, Stage},
    fixture::{CROISSANT, FRIES},
    payments::Verdict,
    rig::{Rig, jane, records},
    session::{Failure, Overlay, PayView},
};
use alloc::vec::Vec;

const PROBLEM: Option<Overlay> = Some(Overlay::Problem(Problem::CannotRecord));

fn open_attempt(unknown: bool) -> OpenAttempt {
    let fact = PaymentFact::card(Id([1; 16]), Id([2; 16]), Id([3; 16]), Minor(750));
    OpenAttempt { fact, visit: Some(Id([4; 16])), number: "A-16".into(), unknown, placed: true }
}

fn found(open: impl IntoIterator<Item = OpenAttempt>) -> Restored {
    Restored { open: open.into_iter().collect(), ..Restored::default() }
}

fn approval(amount: i64) -> CommandOutcome {
    CommandOutcome::approved(Minor(amount), 9, "x")
}

#[test]
fn a_sale_that_cannot_be_recorded_is_taken_back() {
    let mut rig = Rig::paying();
    rig.fail(Failure::Record);
    assert!(rig.last.is_empty());
    let see = rig.see();
    assert_eq!((see.stage, see.overlay, see.order, see.pay), (Stage::Checkout, PROBLEM, None, PayView::None));
    assert_eq!((rig.kiosk.payments().running(), see.basket_count), (None, 1));
    rig.touch(Intent::Pay(Tender::Card));
    assert!(matches!(rig.last[..], [Effect::Record(_), Effect::Command { .. }, _]), "the disk may be well again");
}

#[test]
fn a_further_attempt_that_cannot_be_recorded_is_taken_back_alone() {
    let mut rig = Rig::paying();
    rig.decline().touch(Intent::Pay(Tender::Card)).fail(Failure::Record);
    let see = rig.see();
    assert_eq!((see.stage, see.pay, see.order.is_some()), (Stage::Paying, PayView::Declined { code: 0x6c }, true));
}

#[test]
fn an_order_for_the_counter_that_cannot_be_recorded_prints_nothing() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::QuickAdd(FRIES)).touch(Intent::Checkout).touch(Intent::Pay(Tender::Cash)).fail(Failure::Record);
    assert_eq!((rig.see().stage, rig.see().order), (Stage::Checkout, None));
}

#[test]
fn a_visit_that_cannot_be_recorded_does_not_begin() {
    let mut rig = Rig::new();
    rig.tap("1:aa").fail(Failure::Record);
    assert_eq!((rig.see().stage, rig.see().visit, rig.see().overlay), (Stage::Attract, None, PROBLEM));
    rig.wait(6_000);
    assert_eq!(rig.see().overlay, None);
    rig.touch(Intent::Begin);
    assert_eq!(rig.see().stage, Stage::Browse);
}

#[test]
fn an_approval_that_cannot_be_recorded_is_offered_again_until_it_is() {
    let mut rig = Rig::paying();
    rig.approve();
    let first = rig.last.clone();
    rig.fail(Failure::Record);
    assert_eq!((rig.see().stage, rig.see().pay), (Stage::Done, PayView::Approved), "the money has moved");
    rig.mono_ms += 1_000;
    assert_eq!(rig.see().next_tick_ms, Some(rig.mono_ms));
    rig.input(Input::Tick);
    assert_eq!(rig.last[..], first[..2], "the record and the receipt");
    rig.fail(Failure::Record).wait(999);
    assert!(rig.last.is_empty());
    rig.mono_ms += 1;
    rig.input(Input::Tick);
    assert_eq!(rig.last[..], first[..2]);
    rig.touch(Intent::Rate(5)).wait(5_000);
    assert_eq!(rig.all.iter().filter(|e| **e == first[0]).count(), 3, "recorded, and not offered again");
}

#[test]
fn nothing_begins_while_records_wait_and_they_keep_their_order() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::QuickAdd(FRIES)).fail(Failure::Record);
    assert_eq!(rig.see().overlay, PROBLEM);
    rig.touch(Intent::QuickAdd(CROISSANT)).touch(Intent::Checkout);
    assert!(rig.last.is_empty(), "waits behind the first");
    rig.touch(Intent::Pay(Tender::Card));
    assert_eq!((rig.see().stage, rig.see().overlay, rig.charges().len()), (Stage::Checkout, PROBLEM, 0));
    rig.all.clear();
    rig.wait(1_000).wait(0).wait(0);
    let skus: Vec<_> = rig
        .events()
        .into_iter()
        .map(|e| match e {
            Event::BasketChanged { line, .. } => line.sku.as_str(),
            Event::StageChanged { .. } => "stage",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(skus, ["fries", "croissant", "stage"]);
    rig.touch(Intent::Pay(Tender::Card));
    assert_eq!(rig.charges().len(), 1);
}

#[test]
fn what_is_kept_is_bounded_and_money_is_kept_above_the_bound() {
    let mut rig = Rig::paying();
    rig.touch(Intent::CallPerson).fail(Failure::Record);
    for _ in 0..1_000 {
        rig.touch(Intent::CallPerson);
        if !records(&rig.last).is_empty() {
            rig.fail(Failure::Record);
        }
    }
    rig.approve();
    rig.all.clear();
    rig.wait(10_000);
    assert_eq!(rig.count(|e| matches!(e, Event::HelpCalled { .. })), super::BACKLOG_MAX);
    assert_eq!(rig.count(|e| matches!(e, Event::PaymentApproved(_))), 1);
}

#[test]
fn a_failed_look_up_goes_on_anonymously_and_a_failed_printer_says_so() {
    let mut rig = Rig::new();
    rig.tap("1:aa").fail(Failure::Device(DeviceKind::Backend));
    assert!(!rig.see().identifying);
    let mut rig = Rig::paying();
    rig.approve().fail(Failure::Device(DeviceKind::Printer));
    assert_eq!(rig.see().overlay, Some(Overlay::Problem(Problem::PrinterBlocked)));
}

#[test]
fn what_was_at_the_terminal_before_the_start_is_unknown_and_charges_nobody() {
    let mut rig = Rig::new();
    rig.kiosk.restore(found([open_attempt(false)]), OrderCounter { business_date: "2026-11-21".into(), last: 16 });
    assert_eq!(rig.see().next_tick_ms, Some(0));
    rig.wait(0);
    let [record] = &records(&rig.last)[..] else { panic!() };
    assert_eq!((record.visit, record.language.as_str()), (Some(Id([4; 16])), "en"));
    assert!(matches!(&record.events[..], [Event::PaymentUnknown(f)] if f.outcome.as_deref() == Some("found_open")));
    assert_eq!(rig.kiosk.payments().unresolved().count(), 1);
    assert!(rig.kiosk.payments().is_busy(), "settled before anything else");
    rig.left();
    // A new guest is served meanwhile.
    rig.touch(Intent::ChooseService(Service::Takeaway)).touch(Intent::QuickAdd(FRIES)).touch(Intent::OpenBasket);
    rig.touch(Intent::Pay(Tender::Card));
    assert_eq!((rig.see().order.unwrap().number.as_str(), rig.charges().len()), ("A-17", 1));
    // Its late approval settles its own order and nothing else.
    rig.device(DeviceEvent::CommandEnded { attempt: Id([3; 16]), outcome: approval(750) });
    let [record] = &records(&rig.last)[..] else { panic!() };
    assert_eq!(record.visit, Some(Id([4; 16])));
    assert!(matches!(
        &record.events[..],
        [Event::PaymentResolved(f), Event::TerminalBook(_), Event::OrderProgressed { order: Id([2, ..]), state: Progress::Received }, ..]
            if f.outcome.as_deref() == Some("late_approval")
    ));
    assert!(matches!(rig.see().pay, PayView::Waiting { .. }));
    assert_eq!(rig.kiosk.payments().unresolved().count(), 0);
}

#[test]
fn what_is_already_recorded_as_unknown_is_only_listed() {
    let mut rig = Rig::new();
    rig.kiosk.restore(found([open_attempt(true)]), OrderCounter::default());
    rig.input(Input::Tick);
    assert_eq!(rig.last, [Effect::Enquire { attempt: Id([3; 16]) }]);
    let effects = rig.kiosk.resolve(rig.now(), Id([3; 16]), Verdict::NotCharged, "1001");
    let [record] = &records(&effects)[..] else { panic!() };
    assert!(matches!(record.events[..], [Event::PaymentResolved(_), Event::OrderProgressed { state: Progress::Cancelled, .. }]));
    assert!(rig.kiosk.resolve(rig.now(), Id([3; 16]), Verdict::NotCharged, "1001").is_empty());
}

#[test]
fn found_attempts_that_cannot_be_recorded_are_offered_again() {
    let mut rig = Rig::new();
    rig.kiosk.restore(found([open_attempt(false)]), OrderCounter::default());
    rig.touch(Intent::Begin).fail(Failure::Record);
    assert_eq!(rig.see().stage, Stage::Attract);
    rig.mono_ms += 1_000;
    rig.input(Input::Tick);
    assert!(matches!(rig.last_events()[..], [Event::PaymentUnknown(_)]));
    rig.touch(Intent::Begin);
    assert_eq!(rig.see().stage, Stage::Browse);
}

#[test]
fn a_payment_outlives_its_visit() {
    let mut rig = Rig::paying();
    let visit = rig.see().visit;
    rig.ended(CommandOutcome::Unknown);
    assert_eq!(rig.see().pay, PayView::Checking);
    assert!(matches!(rig.last.last(), Some(Effect::Enquire { attempt }) if *attempt == rig.attempts()[0]));
    rig.left();
    assert_eq!((rig.see().pay, rig.last.last()), (PayView::Unknown, Some(&Effect::Signal(Signal::CallStaff))));
    rig.touch(Intent::Pay(Tender::Card));
    assert_eq!(rig.charges().len(), 1, "nobody is charged twice");
    rig.touch(Intent::Finish).tap("1:aa").known("1:aa", Some(jane()));
    rig.approve();
    let [record] = &records(&rig.last)[..] else { panic!() };
    assert_eq!((record.visit, record.visitor.as_ref()), (visit, None));
    assert!(matches!(
        record.events[..],
        [Event::PaymentResolved(_), Event::TerminalBook(_), Event::OrderProgressed { state: Progress::Received, .. }, ..]
    ));
    assert_eq!(rig.see().stage, Stage::Greeting, "Jane sees nothing of it");
}

#[test]
fn the_guest_who_waits_is_served_when_an_unknown_payment_clears() {
    let mut rig = Rig::paying();
    rig.ended(CommandOutcome::Unknown).approve();
    assert_eq!(rig.see().stage, Stage::Done);
    let mut rig = Rig::paying();
    rig.ended(CommandOutcome::Unknown);
    let attempt = rig.attempts()[0];
    let effects = rig.kiosk.resolve(rig.now(), attempt, Verdict::Charged { reference: None }, "1001");
    assert!(effects.iter().any(|e| matches!(e, Effect::Print(_))));
    assert_eq!(rig.see().stage, Stage::Done);
    let mut rig = Rig::paying();
    rig.ended(CommandOutcome::Unknown);
    let attempt = rig.attempts()[0];
    rig.kiosk.resolve(rig.now(), attempt, Verdict::NotCharged, "1001");
    assert_eq!((rig.see().stage, rig.see().order), (Stage::Checkout, None));
}

#[test]
fn an_unknown_payment_leaves_its_order_to_a_person() {
    let mut rig = Rig::paying();
    rig.ended(CommandOutcome::Unknown).left().wait(75_000);
    assert_eq!(rig.see().stage, Stage::Attract);
    assert_eq!(rig.count(|e| matches!(e, Event::OrderProgressed { .. })), 0);
    assert_eq!(rig.kiosk.payments().unresolved().count(), 1);
}

#[test]
fn an_approval_after_a_refusal_stops_the_second_attempt() {
    let mut rig = Rig::paying();
    let first = rig.attempts()[0];
    rig.decline().touch(Intent::Pay(Tender::Card));
    rig.device(DeviceEvent::CommandEnded { attempt: first, outcome: approval(320) });
    assert!(rig.last.contains(&Effect::AbortCommand { attempt: rig.attempts()[1] }));
    assert_eq!(rig.see().pay, PayView::Cancelling);
    assert_eq!(rig.kiosk.payments().unresolved().count(), 1);
    let mut rig = Rig::paying();
    let first = rig.attempts()[0];
    rig.decline().device(DeviceEvent::CommandEnded { attempt: first, outcome: approval(320) });
    assert_eq!(rig.see().pay, PayView::Unknown);
    rig.touch(Intent::Pay(Tender::Card));
    assert_eq!(rig.charges().len(), 1);
}

#[test]
fn an_outcome_of_nobodys_attempt_changes_nothing() {
    let mut rig = Rig::paying();
    rig.device(DeviceEvent::CommandEnded { attempt: Id([77; 16]), outcome: approval(320) });
    assert!(rig.last.is_empty());
    assert!(matches!(rig.see().pay, PayView::Waiting { .. }));
}

#[test]
fn where_too_much_is_unresolved_the_terminal_is_not_trusted() {
    let mut rig = Rig::new();
    let many = (0..100u8).map(|n| {
        let mut open = open_attempt(true);
        open.fact.attempt = Id([n; 16]);
        open
    });
    rig.kiosk.restore(found(many), OrderCounter::default());
    rig.touch(Intent::ChooseService(Service::Takeaway)).touch(Intent::QuickAdd(FRIES)).touch(Intent::Checkout);
    rig.touch(Intent::Pay(Tender::Card));
    let see = rig.see();
    assert_eq!((see.stage, see.overlay), (Stage::Checkout, Some(Overlay::Problem(Problem::TerminalLost))));
    assert_eq!((see.order, rig.charges().len()), (None, 0));
    assert_eq!(rig.count(|e| matches!(e, Event::OrderPlaced(_))), 0);
    rig.touch(Intent::Pay(Tender::Cash));
    assert_eq!(rig.see().stage, Stage::Done, "the counter still takes money");
}
