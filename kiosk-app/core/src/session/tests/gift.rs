//! Gift cards: alone, with a card, with the counter, and whatever becomes of the answer.

use super::*;
use crate::{
    CommandOutcome,
    accounts::{AccountAnswer, AccountAsk, AccountRefusal},
    config::PayConfig,
    device::DeviceKind,
    event::{Event, Progress, Stage, TaskKind},
    intent::Secret,
    payments::{OpenAttempt, OrderInParts, Restored},
    session::Overlay,
};
use alloc::{vec, vec::Vec};

const CODE: &str = "1234 5678 9012 3456";

fn at_checkout() -> Rig {
    let pay = PayConfig { parts: 4, gift: true, ..PayConfig::default() };
    let mut rig = Rig::with(Config { pay, ..Config::default() });
    rig.touch(Intent::Begin).touch(Intent::ChooseService(crate::Service::Takeaway));
    rig.touch(Intent::AddOpenPrice { sku: "x".into(), name: "X".into(), quantity: 1, amount: Minor(1_001) });
    rig.touch(Intent::Checkout);
    rig
}

/// The last thing that the backend was asked.
fn asked(rig: &Rig) -> Option<(Id, AccountAsk)> {
    rig.all.iter().rev().find_map(|effect| match effect {
        Effect::Account { attempt, ask } => Some((*attempt, ask.clone())),
        _ => None,
    })
}

fn answer(rig: &mut Rig, answer: AccountAnswer) {
    let attempt = asked(rig).unwrap().0;
    rig.device(DeviceEvent::Account { attempt, answer });
}

/// Looks at a gift card with so much on it, and uses it.
fn hold(rig: &mut Rig, balance: i64) -> Minor {
    rig.touch(Intent::OpenGift).touch(Intent::GiftCode(Secret(CODE.into())));
    answer(rig, AccountAnswer::Balance(Minor(balance)));
    rig.touch(Intent::UseGift(None));
    let Some((_, AccountAsk::Hold { amount, .. })) = asked(rig) else { panic!("{:?}", asked(rig)) };
    let recorded = rig.last.iter().position(|effect| matches!(effect, Effect::Record(_)));
    let sent = rig.last.iter().position(|effect| matches!(effect, Effect::Account { .. }));
    assert!(recorded < sent, "on disk before the first byte");
    answer(rig, AccountAnswer::Held);
    amount
}

fn progress(rig: &Rig, wanted: Progress) -> usize {
    rig.count(|event| matches!(event, Event::OrderProgressed { state, .. } if *state == wanted))
}

fn lose_network(rig: &mut Rig) {
    rig.device(DeviceEvent::Health(DeviceKind::Backend, crate::device::Health::Lost));
}

#[test]
fn the_balance_is_shown_and_what_is_used_is_taken_before_the_order_is_made() {
    let mut rig = at_checkout();
    rig.touch(Intent::OpenGift).touch(Intent::GiftCode(Secret(CODE.into())));
    assert!(rig.see().gift_view.unwrap().asking);
    answer(&mut rig, AccountAnswer::Balance(Minor(2_000)));
    let view = rig.see().gift_view.unwrap();
    assert_eq!((view.balance, view.uses, view.rest, view.ending.as_str()), (Some(Minor(2_000)), Minor(1_001), Minor(0), "3456"));
    rig.touch(Intent::UseGift(None));
    assert_eq!(rig.see().pay, PayView::Waiting { tender: Tender::Gift, code: None });
    answer(&mut rig, AccountAnswer::Held);
    assert_eq!((asked(&rig).unwrap().1, progress(&rig, Progress::Received)), (AccountAsk::Capture, 0));
    answer(&mut rig, AccountAnswer::Captured);
    assert_eq!((rig.see().pay, rig.see().stage, progress(&rig, Progress::Received)), (PayView::Approved, Stage::Done, 1));
    let paid = rig.last.iter().find_map(|effect| match effect {
        Effect::Print(crate::Paper::Sale(receipt)) => Some(receipt.paid.clone()),
        _ => None,
    });
    assert_eq!(paid.unwrap(), [(Tender::Gift, Minor(1_001))]);
    assert!(!alloc::format!("{:?}", rig.all).contains("9012"), "the number is in nothing that can be written down");
}

#[test]
fn the_rest_is_paid_by_card_and_only_then_the_gift_card_is_taken() {
    let mut rig = at_checkout();
    assert_eq!(hold(&mut rig, 400), Minor(400));
    let part = rig.see().part.unwrap();
    assert_eq!((rig.see().pay, part.amount, part.taken, part.gift), (PayView::Part, Minor(601), Minor(400), Minor(400)));
    rig.touch(Intent::Pay(Tender::Card));
    assert_eq!(rig.charges().last().unwrap().1, Minor(601));
    rig.decline().touch(Intent::Pay(Tender::Card)).approve();
    assert_eq!((asked(&rig).unwrap().1, progress(&rig, Progress::Received)), (AccountAsk::Capture, 0));
    answer(&mut rig, AccountAnswer::Captured);
    assert_eq!((rig.see().pay, progress(&rig, Progress::Received)), (PayView::Approved, 1));
    assert_eq!(rig.count(|event| matches!(event, Event::PaymentApproved(_))), 2);
}

#[test]
fn equal_parts_share_what_the_gift_card_leaves() {
    let mut rig = at_checkout();
    rig.touch(Intent::Parts(2));
    hold(&mut rig, 401);
    assert_eq!(rig.see().part.unwrap().amount, Minor(300));
    rig.touch(Intent::Pay(Tender::Card)).approve();
    rig.touch(Intent::Pay(Tender::Card)).approve();
    answer(&mut rig, AccountAnswer::Captured);
    assert_eq!(progress(&rig, Progress::Received), 1);
}

#[test]
fn a_guest_who_stops_has_everything_back_on_the_gift_card() {
    let mut rig = at_checkout();
    hold(&mut rig, 400);
    rig.touch(Intent::CancelPayment);
    assert_eq!((asked(&rig).unwrap().1, rig.see().stage), (AccountAsk::Release, Stage::Checkout));
    answer(&mut rig, AccountAnswer::Released);
    assert_eq!((progress(&rig, Progress::Cancelled), progress(&rig, Progress::Received)), (1, 0));
    assert_eq!(rig.see().stage, Stage::Checkout, "and goes on");
}

#[test]
fn a_guest_who_goes_away_has_it_back_too() {
    let mut rig = at_checkout();
    hold(&mut rig, 400);
    rig.wait(60_000 + 15_000);
    assert_eq!((asked(&rig).unwrap().1, rig.see().stage), (AccountAsk::Release, Stage::Attract));
    answer(&mut rig, AccountAnswer::Released);
    assert_eq!((progress(&rig, Progress::Cancelled), rig.kiosk.snapshot(rig.now()).next_tick_ms), (1, None));
}

#[test]
fn the_counter_takes_the_rest_after_the_gift_card() {
    let mut rig = at_checkout();
    hold(&mut rig, 400);
    rig.touch(Intent::Pay(Tender::Cash));
    assert_eq!(asked(&rig).unwrap().1, AccountAsk::Capture);
    answer(&mut rig, AccountAnswer::Captured);
    assert_eq!((rig.see().pay, rig.see().to_pay_in_cash), (PayView::AtCounter, Minor(601)));
    assert_eq!((progress(&rig, Progress::Received), progress(&rig, Progress::Cancelled)), (0, 0));
}

#[test]
fn without_an_answer_nothing_is_taken_and_the_guest_pays_otherwise() {
    let mut rig = at_checkout();
    rig.touch(Intent::OpenGift).touch(Intent::GiftCode(Secret(CODE.into())));
    answer(&mut rig, AccountAnswer::Balance(Minor(2_000)));
    rig.touch(Intent::UseGift(None));
    rig.wait(20_000);
    assert_eq!(rig.see().stage, Stage::Checkout);
    let told = |event: &Event| matches!(event, Event::ProblemShown { problem: crate::event::Problem::GiftOffline, .. });
    assert_eq!(rig.count(told), 1);
    rig.touch(Intent::Pay(Tender::Card)).approve();
    assert_eq!(progress(&rig, Progress::Received), 1);
    rig.wait(120_000);
    assert_eq!(asked(&rig).unwrap().1, AccountAsk::Release, "whatever became of it is put back");
    answer(&mut rig, AccountAnswer::Released);
    assert_eq!(
        (progress(&rig, Progress::Received), progress(&rig, Progress::Cancelled)),
        (1, 1),
        "the first order, not the second"
    );
}

#[test]
fn a_capture_without_an_answer_is_repeated_and_makes_the_order_once_it_is_answered() {
    let mut rig = at_checkout();
    hold(&mut rig, 2_000);
    rig.wait(120_000);
    assert_eq!(progress(&rig, Progress::Received), 0, "nothing is made before the money is there");
    assert!(rig.count(|event| matches!(event, Event::PaymentUnknown(_))) == 1);
    rig.touch(Intent::Finish).wait(400_000);
    assert_eq!((rig.see().stage, asked(&rig).unwrap().1), (Stage::Attract, AccountAsk::Capture));
    answer(&mut rig, AccountAnswer::Captured);
    assert_eq!((progress(&rig, Progress::Received), progress(&rig, Progress::Cancelled)), (1, 0));
}

#[test]
fn a_hold_that_is_lost_leaves_the_rest_to_be_paid() {
    let mut rig = at_checkout();
    hold(&mut rig, 400);
    rig.touch(Intent::Pay(Tender::Card)).approve();
    answer(&mut rig, AccountAnswer::Refused(AccountRefusal::Gone));
    assert_eq!((rig.see().pay, rig.see().part.unwrap().amount), (PayView::Part, Minor(400)));
    rig.touch(Intent::Pay(Tender::Card)).approve();
    assert_eq!((rig.see().pay, progress(&rig, Progress::Received)), (PayView::Approved, 1));
}

#[test]
fn offline_gift_cards_are_refused_with_a_word() {
    let mut rig = at_checkout();
    assert!(rig.see().gift);
    lose_network(&mut rig);
    rig.touch(Intent::OpenGift);
    assert_eq!(rig.see().overlay, Some(Overlay::Problem(crate::event::Problem::GiftOffline)));
}

#[test]
fn wrong_numbers_are_bounded_and_then_a_person_comes() {
    let mut rig = at_checkout();
    rig.touch(Intent::OpenGift);
    for _ in 0..5 {
        rig.touch(Intent::GiftCode(Secret(CODE.into())));
        answer(&mut rig, AccountAnswer::Refused(AccountRefusal::Unknown));
        assert_eq!(rig.see().gift_view.unwrap().problem, Some(crate::event::Problem::GiftUnknown));
    }
    let before = rig.all.len();
    rig.touch(Intent::GiftCode(Secret(CODE.into())));
    assert_eq!(rig.see().overlay, Some(Overlay::PersonCalled));
    assert!(!rig.all[before..].iter().any(|effect| matches!(effect, Effect::Account { .. })));
}

#[test]
fn after_a_restart_a_hold_is_taken_where_the_order_is_covered_and_put_back_where_it_is_not() {
    for (taken, due, wanted) in
        [(600, 1_000, AccountAsk::Capture), (0, 1_000, AccountAsk::Release), (0, 400, AccountAsk::Capture)]
    {
        let mut rig = Rig::new();
        let order = Id([7; 16]);
        let mut fact = crate::event::PaymentFact {
            tender: Tender::Gift,
            ..crate::event::PaymentFact::card(Id([1; 16]), order, Id([2; 16]), Minor(400))
        };
        fact.trail.acknowledged = true;
        let taken: Vec<_> = if taken > 0 { vec![(Id([3; 16]), Minor(taken))] } else { Vec::new() };
        let open = vec![OpenAttempt { fact, visit: None, number: "A-1".into(), unknown: false, placed: true }];
        let parts = vec![OrderInParts { order, due: Minor(due), taken }];
        rig.kiosk.restore(Restored { open, parts, ..Restored::default() }, crate::OrderCounter::default());
        rig.wait(0);
        assert_eq!(asked(&rig).unwrap().1, wanted);
        let (said, end) = match wanted {
            AccountAsk::Capture => (AccountAnswer::Captured, Progress::Received),
            _ => (AccountAnswer::Released, Progress::Cancelled),
        };
        answer(&mut rig, said);
        assert_eq!(progress(&rig, end), 1, "{due}");
        assert_eq!(rig.count(|event| matches!(event, Event::TaskRaised { kind: TaskKind::OpenParts, .. })), 0);
    }
}

#[test]
fn after_a_restart_a_hold_waits_for_the_card_beside_it() {
    for charged in [true, false] {
        let mut rig = at_checkout();
        hold(&mut rig, 400);
        rig.touch(Intent::Pay(Tender::Card)).ended(CommandOutcome::Unknown).left();
        rig.touch(Intent::Finish).wait(400_000);
        assert_eq!(rig.see().stage, Stage::Attract);
        assert!(matches!(asked(&rig).unwrap().1, AccountAsk::Hold { .. }), "neither taken nor put back yet");
        let now = rig.now();
        let unknown = rig.kiosk.payments().unresolved().next().unwrap().fact.attempt;
        let verdict =
            if charged { crate::payments::Verdict::Charged { reference: None } } else { crate::payments::Verdict::NotCharged };
        let effects = rig.kiosk.resolve(now, unknown, verdict, "1001");
        rig.all.extend(effects);
        answer(&mut rig, if charged { AccountAnswer::Captured } else { AccountAnswer::Released });
        let made = usize::from(charged);
        assert_eq!((progress(&rig, Progress::Received), progress(&rig, Progress::Cancelled)), (made, 1 - made));
    }
}

#[test]
fn so_much_by_card_and_the_rest_by_another() {
    let mut rig = at_checkout();
    rig.touch(Intent::PayAmount(Minor(300)));
    assert_eq!(rig.charges().last().unwrap().1, Minor(300));
    rig.approve();
    assert_eq!((rig.see().pay, rig.see().part.unwrap().amount), (PayView::Part, Minor(701)));
    rig.touch(Intent::PayAmount(Minor(9_999)));
    assert_eq!(rig.charges().last().unwrap().1, Minor(701), "never more than what is open");
    rig.approve();
    assert_eq!((rig.see().pay, progress(&rig, Progress::Received)), (PayView::Approved, 1));
}
