//! From checkout to the receipt.

use super::*;
use crate::{
    Command, CommandOutcome,
    config::{PayConfig, Tip},
    event::{Progress, Stage},
    paper::Paper,
};
use alloc::vec;

#[test]
fn order_and_payment_are_one_record_and_the_charge_follows_it() {
    let rig = Rig::paying();
    let [
        Effect::Record(record),
        Effect::Command { attempt, command: Command::Authorise { amount } },
        Effect::Signal(Signal::TapHere),
    ] = &rig.last[..]
    else {
        panic!("{:?}", rig.last)
    };
    let [Event::OrderPlaced(order), Event::PaymentStarted(fact), Event::StageChanged { to: Stage::Paying, .. }] =
        &record.events[..]
    else {
        panic!("{:?}", record.events)
    };
    assert_eq!((fact.attempt, fact.amount, fact.order), (*attempt, *amount, order.order));
    assert_eq!((order.number.as_str(), order.business_date.as_str(), order.priced.total), ("A-1", "2026-11-21", *amount));
    assert_eq!(Some(order.as_ref()), rig.see().order.as_ref());
}

#[test]
fn approved_it_is_recorded_printed_and_thanked_for() {
    let mut rig = Rig::paying();
    rig.device(DeviceEvent::TerminalStatus { attempt: rig.attempts()[0], code: 0x0a });
    assert_eq!(rig.see().pay, PayView::Waiting { tender: Tender::Card, code: Some(0x0a) });
    rig.approve();
    let [Effect::Record(record), Effect::Print(Paper::Sale(receipt)), Effect::Signal(Signal::Approved)] = &rig.last[..] else {
        panic!("{:?}", rig.last)
    };
    assert!(matches!(
        record.events[..],
        [
            Event::PaymentApproved(_),
            Event::TerminalBook(_),
            Event::OrderProgressed { state: Progress::Received, .. },
            Event::StageChanged { .. },
            ..
        ]
    ));
    assert_eq!(
        (receipt.copy, receipt.masked.as_str(), &receipt.paid[..]),
        (false, "Visa **** 1234", &[(Tender::Card, Minor(320))][..])
    );
    assert_eq!((rig.see().stage, rig.see().pay, rig.see().masked.as_str()), (Stage::Done, PayView::Approved, "Visa **** 1234"));
}

#[test]
fn feedback_is_one_touch_and_finishing_wipes() {
    let mut rig = Rig::paying();
    rig.approve().touch(Intent::Rate(9)).touch(Intent::Rate(5));
    assert_eq!((rig.see().stage, rig.see().rated), (Stage::Feedback, Some(5)));
    rig.touch(Intent::Rate(1)).touch(Intent::Finish);
    assert_eq!(rig.count(|e| matches!(e, Event::FeedbackGiven { csat: 5 })), 1);
    let Some(Event::VisitEnded { outcome: Outcome::Completed, touches, .. }) = rig.last_events().last().copied() else {
        panic!()
    };
    assert_eq!(*touches, 10, "five to pay, the terminal, four here");
    let see = rig.see();
    assert_eq!((see.stage, see.visit, see.order, see.basket_count, see.next_tick_ms), (Stage::Attract, None, None, 0, None));
}

#[test]
fn a_declined_order_is_paid_by_another_attempt_at_the_same_payment() {
    let mut rig = Rig::paying();
    rig.decline();
    assert_eq!((rig.see().stage, rig.see().pay), (Stage::Paying, PayView::Declined { code: 0x6c }));
    rig.touch(Intent::Pay(Tender::Card)).approve();
    let facts: Vec<_> = rig
        .events()
        .into_iter()
        .filter_map(|e| match e {
            Event::PaymentStarted(fact) => Some((fact.payment, fact.order, fact.attempt)),
            _ => None,
        })
        .collect();
    let [one, two] = facts[..] else { panic!("{facts:?}") };
    assert_eq!((one.0, one.1), (two.0, two.1));
    assert_ne!(one.2, two.2);
    assert_eq!(rig.count(|e| matches!(e, Event::OrderPlaced(_))), 1);
    assert_eq!(rig.see().stage, Stage::Done);
}

#[test]
fn going_back_after_a_refusal_cancels_the_order_and_keeps_the_basket() {
    let mut rig = Rig::paying();
    rig.decline().touch(Intent::Back);
    assert_eq!((rig.see().stage, rig.see().basket_count, rig.see().order), (Stage::Basket, 1, None));
    assert!(matches!(rig.last_events()[0], Event::OrderProgressed { state: Progress::Cancelled, .. }));
    rig.touch(Intent::Pay(Tender::Card));
    assert_eq!(rig.see().order.unwrap().number, "A-2");
}

#[test]
fn a_refused_order_can_be_paid_at_the_counter() {
    let mut rig = Rig::paying();
    rig.decline().touch(Intent::Pay(Tender::Cash));
    assert_eq!((rig.see().stage, rig.see().pay), (Stage::Done, PayView::AtCounter));
    assert_eq!(rig.see().order.unwrap().number, "A-1");
    let Some(Effect::Print(Paper::Sale(slip))) = rig.last.iter().find(|e| matches!(e, Effect::Print(_))) else { panic!() };
    assert!(slip.paid.is_empty());
    assert_eq!(rig.count(|e| matches!(e, Event::OrderProgressed { .. })), 0, "not before it is paid");
}

#[test]
fn what_is_not_offered_is_not_taken() {
    let mut rig = Rig::with(Config { pay: PayConfig { counter: false, ..PayConfig::default() }, ..Config::default() });
    rig.touch(Intent::Begin).touch(Intent::Dismiss).touch(Intent::QuickAdd(FRIES)).touch(Intent::Checkout);
    for tender in [Tender::Cash, Tender::Wallet, Tender::Gift, Tender::Points] {
        rig.touch(Intent::Pay(tender));
        assert_eq!((rig.see().stage, rig.see().order), (Stage::Checkout, None));
    }
    assert!(!rig.see().pay_at_counter);
}

#[test]
fn cancelling_asks_the_terminal_and_the_outcome_decides() {
    let mut rig = Rig::paying();
    rig.touch(Intent::CancelPayment);
    assert_eq!(rig.last, [Effect::AbortCommand { attempt: rig.attempts()[0] }]);
    assert_eq!(rig.see().pay, PayView::Cancelling);
    rig.touch(Intent::CancelPayment);
    assert!(rig.last.is_empty());
    rig.decline();
    assert_eq!((rig.see().stage, rig.see().order, rig.see().basket_count), (Stage::Checkout, None, 1));
    let mut rig = Rig::paying();
    rig.touch(Intent::CancelPayment).approve();
    assert_eq!(rig.see().stage, Stage::Done, "too late: it is paid");
}

#[test]
fn a_terminal_that_is_not_there_is_not_asked() {
    let mut rig = Rig::browsing();
    rig.device(DeviceEvent::Health(DeviceKind::Terminal, Health::Lost)).touch(Intent::QuickAdd(FRIES)).touch(Intent::OpenBasket);
    rig.touch(Intent::Pay(Tender::Card));
    assert_eq!((rig.see().stage, rig.see().overlay), (Stage::Basket, Some(Overlay::Problem(Problem::TerminalLost))));
    rig.device(DeviceEvent::Health(DeviceKind::Terminal, Health::Ok)).touch(Intent::Pay(Tender::Card));
    rig.ended(CommandOutcome::NotSent);
    assert_eq!((rig.see().stage, rig.see().pay), (Stage::Paying, PayView::TerminalLost));
    rig.touch(Intent::Pay(Tender::Card)).fail(Failure::Device(DeviceKind::Terminal));
    assert_eq!(rig.see().pay, PayView::TerminalLost);
    assert_eq!(rig.count(|e| matches!(e, Event::PaymentDeclined(f) if f.outcome.as_deref() == Some("not_sent"))), 2);
}

#[test]
fn an_amount_beyond_the_terminals_limit_calls_a_person() {
    let mut rig = Rig::browsing();
    let dear = Intent::AddOpenPrice { sku: "w".into(), name: "Ring".into(), quantity: 1, amount: Minor(1_000_001) };
    rig.touch(dear).touch(Intent::Checkout).touch(Intent::Pay(Tender::Card));
    assert_eq!((rig.see().stage, rig.see().overlay, rig.see().order), (Stage::Checkout, Some(Overlay::PersonCalled), None));
}

#[test]
fn what_costs_nothing_asks_no_terminal() {
    let mut rig = Rig::browsing();
    let free = Intent::AddOpenPrice { sku: "w".into(), name: "Water".into(), quantity: 1, amount: Minor(0) };
    rig.touch(free).touch(Intent::Checkout).touch(Intent::Pay(Tender::Card));
    assert_eq!((rig.see().stage, rig.charges().len()), (Stage::Done, 0));
    assert_eq!(rig.count(|e| matches!(e, Event::OrderProgressed { state: Progress::Received, .. })), 1);
}

#[test]
fn receipts_are_recorded_once_on_paper_and_copies_say_so() {
    let mut rig = Rig::paying();
    rig.approve();
    let order = rig.see().order.unwrap().order;
    rig.device(DeviceEvent::Printed { order, health: Health::Blocked });
    assert_eq!((rig.see().overlay, rig.see().receipt_printed), (Some(Overlay::Problem(Problem::PrinterBlocked)), false));
    assert_eq!(rig.see().devices, [(DeviceKind::Printer, Health::Blocked)]);
    rig.touch(Intent::PrintReceipt).device(DeviceEvent::Printed { order, health: Health::Low });
    assert!(matches!(rig.last_events()[..], [Event::ReceiptIssued { copy: false, .. }]));
    rig.touch(Intent::PrintReceipt);
    assert!(matches!(&rig.last[..], [Effect::Print(Paper::Sale(receipt))] if receipt.copy));
    for _ in 0..10 {
        rig.touch(Intent::PrintReceipt);
    }
    assert_eq!(rig.all.iter().filter(|e| matches!(e, Effect::Print(_))).count(), 5, "paper is not a toy");
}

#[test]
fn a_receipt_that_comes_out_late_belongs_to_its_own_visit() {
    let mut rig = Rig::paying();
    rig.approve();
    let (order, visit) = (rig.see().order.unwrap().order, rig.see().visit);
    rig.touch(Intent::Finish).touch(Intent::Begin).device(DeviceEvent::Printed { order, health: Health::Ok });
    assert_eq!(records(&rig.last)[0].visit, visit);
    assert!(!rig.see().receipt_printed);
}

#[test]
fn paying_waits_for_the_answer_about_the_service() {
    let mut rig = Rig::new();
    rig.touch(Intent::Begin).touch(Intent::QuickAdd(FRIES)).touch(Intent::Checkout).touch(Intent::Pay(Tender::Card));
    assert_eq!((rig.see().stage, rig.see().overlay), (Stage::Checkout, Some(Overlay::Service)));
    rig.touch(Intent::ChooseService(Service::EatIn)).touch(Intent::Pay(Tender::Card));
    assert_eq!(rig.see().stage, Stage::Paying);
}

#[test]
fn a_frozen_order_does_not_follow_the_basket() {
    let mut rig = Rig::paying();
    rig.touch(Intent::QuickAdd(FRIES)).touch(Intent::RemoveLine(LineId(1))).touch(Intent::OpenBasket);
    assert_eq!((rig.see().stage, rig.see().basket.total), (Stage::Paying, Minor(320)));
}

#[test]
fn a_tip_is_asked_for_never_chosen_beforehand_and_in_no_tax() {
    let tips = vec![Tip::Share(50_000), Tip::Share(100_000), Tip::Amount(Minor(150))];
    let mut rig = Rig::with(Config { pay: PayConfig { tips, ..PayConfig::default() }, ..Config::default() });
    rig.touch(Intent::Begin).touch(Intent::ChooseService(crate::Service::Takeaway));
    rig.touch(Intent::QuickAdd(crate::fixture::CROISSANT)).touch(Intent::Checkout);
    let see = rig.see();
    assert_eq!((see.tip, see.to_pay), (None, Minor(320)));
    assert_eq!(see.tips.iter().map(|tip| tip.amount.0).collect::<Vec<_>>(), [16, 32, 150]);
    rig.touch(Intent::Tip(Some(1)));
    assert_eq!(rig.see().to_pay, Minor(352));
    rig.touch(Intent::Tip(Some(9)));
    assert_eq!(rig.see().tip, Some(Some(1)), "there is no such tip");
    rig.touch(Intent::Tip(None));
    assert_eq!(rig.see().to_pay, Minor(320));
    rig.touch(Intent::Tip(Some(2))).touch(Intent::Pay(Tender::Card));
    let placed = rig.see().order.unwrap();
    assert_eq!((placed.priced.total, placed.tip, placed.to_pay()), (Minor(320), Minor(150), Minor(470)));
    assert_eq!(placed.priced.tax[0].amount, Minor(21), "3.20 * 7 / 107, whatever the tip");
    assert_eq!(rig.charges().last().unwrap().1, Minor(470));
    rig.touch(Intent::Tip(None));
    assert_eq!(rig.see().to_pay, Minor(470), "it is frozen with the order");
    rig.approve();
    let paper = rig.last.iter().find_map(|effect| match effect {
        Effect::Print(Paper::Sale(receipt)) => Some(receipt),
        _ => None,
    });
    let paper = paper.unwrap();
    assert_eq!((paper.settlement.tip, paper.paid.clone()), (Minor(150), vec![(Tender::Card, Minor(470))]));
    let sold = rig.events().into_iter().find_map(|event| match event {
        Event::Booked(entry) if entry.kind == crate::till::EntryKind::Sold => Some(entry),
        _ => None,
    });
    assert_eq!(sold.map(|entry| (entry.amount, entry.detail.tip)), Some((Minor(470), Minor(150))));
}
