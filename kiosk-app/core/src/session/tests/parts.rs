//! Several cards for one order.

use super::*;
use crate::{
    CommandOutcome,
    config::PayConfig,
    event::{Progress, Stage, TaskKind},
    payments::{OrderInParts, Restored, Verdict},
    terminal::Command,
};
use alloc::vec;

/// Two croissants of 3.20 and one of 3.20 for two people: 6.40 and a cent that does not divide.
fn in_parts(parts: u8) -> Rig {
    let mut rig = Rig::with(Config { pay: PayConfig { parts: 4, ..PayConfig::default() }, ..Config::default() });
    rig.touch(Intent::Begin).touch(Intent::ChooseService(crate::Service::Takeaway));
    rig.touch(Intent::AddOpenPrice { sku: "x".into(), name: "X".into(), quantity: 1, amount: Minor(1_001) });
    rig.touch(Intent::Checkout).touch(Intent::Parts(parts));
    rig
}

fn pay(rig: &mut Rig) -> Minor {
    rig.touch(Intent::Pay(Tender::Card));
    assert!(matches!(rig.see().pay, PayView::Waiting { .. }), "{:?}", rig.see().pay);
    rig.charges().last().unwrap().1
}

fn progress(rig: &Rig, wanted: Progress) -> usize {
    rig.count(|event| matches!(event, Event::OrderProgressed { state, .. } if *state == wanted))
}

fn tasks(rig: &Rig) -> usize {
    rig.count(|event| matches!(event, Event::TaskRaised { kind: TaskKind::OpenParts, .. }))
}

fn approve(rig: &mut Rig, receipt: u32) {
    let amount = rig.charges().last().unwrap().1;
    rig.ended(CommandOutcome::approved(amount, receipt, "Visa **** 1234"));
}

#[test]
fn each_part_is_an_attempt_and_a_payment_of_its_own_and_the_order_is_made_once_they_cover_it() {
    let mut rig = in_parts(3);
    let mut amounts = Vec::new();
    for part in 1..=3 {
        amounts.push(pay(&mut rig).0);
        let view = rig.see().part.unwrap();
        assert_eq!((view.number, view.of), (part, 3));
        assert_eq!(progress(&rig, Progress::Received), 0, "the kitchen waits");
        approve(&mut rig, u32::from(part));
        if part < 3 {
            assert_eq!((rig.see().pay, rig.see().stage), (PayView::Part, Stage::Paying));
        }
    }
    assert_eq!(amounts, [334, 334, 333]);
    assert_eq!((rig.see().pay, progress(&rig, Progress::Received)), (PayView::Approved, 1));
    let payments: alloc::collections::BTreeSet<Id> = rig
        .events()
        .into_iter()
        .filter_map(|event| if let Event::PaymentStarted(fact) = event { Some(fact.payment) } else { None })
        .collect();
    assert_eq!(payments.len(), 3);
    let receipt = rig.last.iter().find_map(|effect| match effect {
        Effect::Print(crate::Paper::Sale(receipt)) => Some(receipt.paid.clone()),
        _ => None,
    });
    assert_eq!(receipt.unwrap().iter().map(|(_, amount)| amount.0).collect::<Vec<_>>(), [334, 334, 333]);
}

#[test]
fn a_declined_part_is_tried_again_and_the_rest_can_be_paid_at_the_counter() {
    let mut rig = in_parts(2);
    assert_eq!(pay(&mut rig), Minor(501));
    rig.decline();
    assert_eq!(pay(&mut rig), Minor(501), "the same part, another attempt");
    approve(&mut rig, 1);
    pay(&mut rig);
    rig.decline().touch(Intent::Back);
    assert_eq!(rig.see().pay, PayView::Part, "nothing is cancelled while a part is taken");
    rig.touch(Intent::Pay(Tender::Cash));
    assert_eq!((rig.see().stage, rig.see().pay), (Stage::Done, PayView::AtCounter));
    assert_eq!(
        (rig.see().to_pay, rig.see().to_pay_in_cash),
        (Minor(1_001), Minor(500)),
        "what is left is what the counter takes"
    );
    assert_eq!((progress(&rig, Progress::Received), progress(&rig, Progress::Cancelled)), (0, 0), "it waits for the counter");
    rig.touch(Intent::Finish);
    assert_eq!(tasks(&rig), 0, "the counter sees it");
}

#[test]
fn a_guest_who_stops_gets_each_part_back_by_a_reversal_of_its_own() {
    let mut rig = in_parts(3);
    for receipt in [7, 8] {
        pay(&mut rig);
        approve(&mut rig, receipt);
    }
    rig.touch(Intent::CancelPayment);
    let reversal = |rig: &Rig| {
        rig.last.iter().find_map(|effect| match effect {
            Effect::Command { command: Command::Reverse { amount, receipt }, .. } => Some((amount.0, *receipt)),
            _ => None,
        })
    };
    assert_eq!((reversal(&rig), rig.see().pay), (Some((334, 7)), PayView::GivingBack));
    assert!(rig.last_events().iter().any(|event| matches!(event, Event::PaymentStarted(_))), "recorded before it is sent");
    approve(&mut rig, 9);
    assert_eq!(reversal(&rig), None, "never two in one record");
    rig.wait(0);
    assert_eq!(reversal(&rig), Some((334, 8)));
    approve(&mut rig, 10);
    rig.wait(0);
    assert_eq!((rig.see().stage, progress(&rig, Progress::Cancelled), tasks(&rig)), (Stage::Checkout, 1, 0));
}

#[test]
fn what_cannot_be_given_back_here_is_a_task() {
    let mut rig = in_parts(2);
    pay(&mut rig);
    approve(&mut rig, 7);
    rig.touch(Intent::CancelPayment).decline();
    assert_eq!((rig.see().pay, tasks(&rig), progress(&rig, Progress::Cancelled)), (PayView::ToStaff, 1, 0));
    rig.touch(Intent::Finish);
    assert_eq!((rig.see().stage, tasks(&rig)), (Stage::Attract, 1));
    // So is what a guest leaves behind.
    let mut rig = in_parts(2);
    pay(&mut rig);
    approve(&mut rig, 7);
    rig.wait(400_000);
    assert_eq!((rig.see().stage, tasks(&rig), progress(&rig, Progress::Cancelled)), (Stage::Attract, 1, 0));
}

#[test]
fn a_part_that_stays_unknown_hinders_only_itself() {
    let mut rig = in_parts(2);
    pay(&mut rig);
    let unknown = rig.attempts()[0];
    rig.ended(CommandOutcome::Unknown);
    assert_eq!(rig.see().pay, PayView::Checking);
    rig.left();
    let view = rig.see().part.unwrap();
    assert_eq!((rig.see().pay, view.amount, view.unknown), (PayView::Part, Minor(500), Minor(501)));
    pay(&mut rig);
    approve(&mut rig, 7);
    assert_eq!((rig.see().pay, progress(&rig, Progress::Received)), (PayView::Unknown, 0), "no part is left, and one is unknown");
    let now = rig.now();
    rig.last = rig.kiosk.resolve(now, unknown, Verdict::Charged { reference: Some(6) }, "1001");
    rig.all.extend(rig.last.clone());
    assert_eq!((rig.see().pay, progress(&rig, Progress::Received)), (PayView::Approved, 1));
}

#[test]
fn an_order_in_parts_is_made_after_its_guest_has_gone_only_once_it_is_covered() {
    for (first, second) in [(true, true), (true, false), (false, true)] {
        let mut rig = in_parts(2);
        pay(&mut rig);
        if first {
            approve(&mut rig, 7);
        } else {
            rig.ended(CommandOutcome::Unknown).left();
        }
        pay(&mut rig);
        rig.ended(CommandOutcome::Unknown).left();
        rig.touch(Intent::Finish).wait(400_000);
        let now = rig.now();
        let open: Vec<Id> = rig.kiosk.payments().unresolved().map(|open| open.fact.attempt).collect();
        for (at, attempt) in open.into_iter().enumerate() {
            let charged = if at == 0 && !first { false } else { second };
            let verdict = if charged { Verdict::Charged { reference: None } } else { Verdict::NotCharged };
            let effects = rig.kiosk.resolve(now, attempt, verdict, "1001");
            rig.all.extend(effects);
        }
        let made = usize::from(first && second);
        assert_eq!(progress(&rig, Progress::Received), made, "{first} {second}");
        assert_eq!(tasks(&rig) > 0, made == 0 || first, "{first} {second}");
    }
}

#[test]
fn a_start_finds_an_order_that_is_paid_in_part_and_makes_it_a_task() {
    let mut rig = Rig::new();
    let parts = vec![OrderInParts { order: Id([1; 16]), due: Minor(1_000), taken: vec![(Id([2; 16]), Minor(500))] }];
    rig.kiosk.restore(Restored { parts, ..Restored::default() }, crate::OrderCounter::default());
    rig.wait(0);
    assert_eq!(tasks(&rig), 1);
}
