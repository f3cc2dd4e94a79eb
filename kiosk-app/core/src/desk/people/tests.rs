//! A manager edits the staff; a service person mends the kiosk.

use super::*;
use crate::{
    desk::{Aiming, Answer, CashMove, DeskView, GLASS_IDLE_MS, MARKS, OrderSearch, PROOF, Reason},
    device::{Assurance, Health},
    effect::GlassOrder,
    money::Minor,
    rig::Rig,
    session::Input,
    staff::{Credential, Person, Pin, SignInResult},
};
use alloc::{boxed::Box, vec};

fn signed_in(role: StaffRole) -> Rig {
    let mut rig = Rig::new();
    rig.input(Input::Desk(DeskIntent::Open));
    let pin = Pin::new("907152").expect("a PIN");
    rig.input(Input::Desk(DeskIntent::SignIn(Credential::Pin { staff: "1001".into(), pin })));
    let person = Person { id: "1001".into(), name: "Mia".into(), role, must_reset: false };
    let request = request(&rig);
    rig.device(DeviceEvent::SignedIn { request, result: SignInResult::Welcome(person) });
    rig
}

fn request(rig: &Rig) -> u32 {
    let request = rig.last.iter().find_map(|effect| match effect {
        Effect::SignIn { request, .. } | Effect::Look { request, .. } | Effect::EditStaff { request, .. } => Some(*request),
        _ => None,
    });
    request.expect("something was asked")
}

fn view(rig: &Rig) -> DeskView {
    *rig.see().desk.expect("the desk is open")
}

fn ben() -> Colleague {
    Colleague { staff: "1002".into(), name: "Ben".into(), ..Colleague::default() }
}

fn with_list() -> Rig {
    let mut rig = signed_in(StaffRole::Manager);
    rig.input(Input::Desk(DeskIntent::Go(DeskPage::Staff)));
    let request = request(&rig);
    rig.device(DeviceEvent::Found { request, answer: Answer::Staff(vec![ben()]) });
    rig
}

#[test]
fn a_manager_gives_a_new_pin_which_is_shown_once_and_leaves_a_trace() {
    let mut rig = with_list();
    rig.input(Input::Desk(DeskIntent::OpenColleague("1002".into())));
    assert_eq!(view(&rig).page, DeskPage::Colleague);
    rig.input(Input::Desk(DeskIntent::EditStaff(StaffEdit::NewPin { staff: "1002".into() })));
    assert!(matches!(rig.last.as_slice(), [Effect::EditStaff { by, .. }] if by == "1001"));
    let asked = request(&rig);
    rig.device(DeviceEvent::StaffEdited { request: asked, edited: Edited::Done(Some(GivenPin("604817".into()))) });
    let shown = view(&rig);
    assert_eq!((shown.given_pin.map(|pin| pin.0).as_deref(), shown.notice), (Some("604817"), None), "the PIN is what counts");
    let traced = |event: &Event| matches!(event, Event::StaffApproved { staff, act: Act::ManageStaff, subject, .. } if staff == "1001" && subject == "1002");
    assert_eq!(rig.count(traced), 1);
    let again = request(&rig);
    rig.device(DeviceEvent::Found { request: again, answer: Answer::Staff(vec![ben()]) });
    rig.input(Input::Desk(DeskIntent::Back));
    rig.input(Input::Desk(DeskIntent::OpenColleague("1002".into())));
    assert_eq!(view(&rig).given_pin, None);
}

#[test]
fn a_badge_is_given_by_laying_it_on_the_reader_and_opens_nothing_meanwhile() {
    let mut rig = with_list();
    rig.input(Input::Desk(DeskIntent::OpenColleague("1002".into())));
    rig.input(Input::Desk(DeskIntent::NewBadge));
    assert!(view(&rig).wants_new_badge);
    let card = |token: &str| DeviceEvent::CardSeen {
        token: token.into(),
        method: Method::Ntag424,
        assurance: Assurance::Low,
        counter: None,
    };
    rig.device(card("1:ba"));
    let badge = Some("1:ba".into());
    let edit = StaffEdit::Badge { staff: "1002".into(), badge };
    assert!(matches!(rig.last.as_slice(), [Effect::EditStaff { edit: asked, .. }] if *asked == edit));
    let asked = request(&rig);
    rig.device(DeviceEvent::StaffEdited { request: asked, edited: Edited::Refused });
    assert_eq!((view(&rig).notice, view(&rig).wants_new_badge), (Some(Notice::StaffRefused), false));
    assert_eq!(rig.count(|event| matches!(event, Event::StaffApproved { .. })), 0);
}

#[test]
fn staff_who_are_no_managers_edit_nobody() {
    let mut rig = signed_in(StaffRole::Staff);
    for intent in [DeskIntent::Go(DeskPage::Staff), DeskIntent::EditStaff(StaffEdit::NewPin { staff: "1002".into() })] {
        rig.input(Input::Desk(intent));
        assert_eq!((view(&rig).page, view(&rig).notice), (DeskPage::Home, Some(Notice::MayNot)));
        assert!(rig.last.is_empty());
    }
}

#[test]
fn a_service_person_mends_and_sees_neither_orders_nor_till() {
    let mut rig = signed_in(StaffRole::Service);
    assert_eq!(view(&rig).page, DeskPage::Service);
    let asked = request(&rig);
    let facts = ServiceFacts { software: "0.1.0".into(), unsent: Some(3), ..ServiceFacts::default() };
    rig.device(DeviceEvent::Found { request: asked, answer: Answer::Service(Box::new(facts.clone())) });
    assert_eq!(view(&rig).service.and_then(|service| service.facts), Some(facts));
    for intent in [
        DeskIntent::Find(OrderSearch::default()),
        DeskIntent::Go(DeskPage::Orders),
        DeskIntent::Go(DeskPage::Till),
        DeskIntent::Go(DeskPage::Unknown),
        DeskIntent::Go(DeskPage::Staff),
        DeskIntent::NoSale { reason: Reason::Test },
        DeskIntent::XReport,
        DeskIntent::MoveCash { how: CashMove::PaidIn, amount: Minor(100), reason: Reason::Test },
    ] {
        rig.input(Input::Desk(intent.clone()));
        assert_eq!((view(&rig).page, view(&rig).notice), (DeskPage::Service, Some(Notice::MayNot)), "{intent:?}");
        assert!(rig.last.is_empty(), "{intent:?}");
    }
    let shown = view(&rig);
    assert!(shown.unknown.is_empty() && shown.orders.is_empty() && shown.order.is_none() && shown.report.is_none());
    rig.tap("1:aa");
    assert_eq!(view(&rig).service.and_then(|service| service.card), Some(Method::Ntag424), "the reader works");
    assert_eq!(rig.see().guest, None);
    rig.input(Input::Desk(DeskIntent::Try(Trial::Light(0))));
    assert_eq!(rig.last, [Effect::Signal(Signal::TapHere)]);
    rig.input(Input::Desk(DeskIntent::Go(DeskPage::TouchTest))).input(Input::Desk(DeskIntent::Try(Trial::Touch(11))));
    assert_eq!(view(&rig).service.map(|service| service.touched), Some(1 << 11));
    rig.input(Input::Desk(DeskIntent::Back));
    assert_eq!(view(&rig).page, DeskPage::Service);
    rig.input(Input::Desk(DeskIntent::Back));
    assert_eq!(rig.see().desk, None, "there is no other page to go back to");
}

fn aim(rig: &mut Rig, spot: Spot) {
    rig.input(Input::Desk(DeskIntent::Try(Trial::Aim(spot))));
}

fn at_the_marks() -> Rig {
    let mut rig = signed_in(StaffRole::Service);
    let asked = request(&rig);
    rig.device(DeviceEvent::Found { request: asked, answer: Answer::Service(Box::default()) });
    rig.input(Input::Desk(DeskIntent::Go(DeskPage::Glass)));
    rig
}

fn glass(rig: &Rig) -> GlassView {
    view(rig).service.unwrap_or_default().glass
}

/// A glass that feels everything a little further right and below.
fn touched(mark: Spot) -> Spot {
    Spot { x: mark.x + 400, y: mark.y + 300 }
}

#[test]
fn a_glass_is_measured_proven_by_one_more_mark_and_only_then_kept() {
    let mut rig = at_the_marks();
    for (number, mark) in (1..).zip(MARKS) {
        assert_eq!((glass(&rig).mark(), glass(&rig).number()), (Some(mark), number));
        aim(&mut rig, touched(mark));
    }
    let [Effect::Glass(GlassOrder::Try(correction))] = rig.last[..] else { panic!("{:?}", rig.last) };
    let (x, y) = correction.of((0.54, 0.53));
    assert!((x - 0.5).abs() < 0.001 && (y - 0.5).abs() < 0.001, "{x}, {y}");
    assert_eq!((glass(&rig).aiming, glass(&rig).mark()), (Aiming::Proof, Some(PROOF)));
    aim(&mut rig, Spot { x: PROOF.x - 200, y: PROOF.y + 90 });
    assert_eq!((rig.last.as_slice(), glass(&rig).aiming), (&[Effect::Glass(GlassOrder::Keep)][..], Aiming::Kept));
    aim(&mut rig, PROOF);
    assert!(rig.last.is_empty(), "nothing is measured any more");
    rig.input(Input::Desk(DeskIntent::Try(Trial::AimForget)));
    assert_eq!((rig.last.as_slice(), glass(&rig).aiming), (&[Effect::Glass(GlassOrder::Forget)][..], Aiming::Forgotten));
}

#[test]
fn a_glass_that_feels_wrong_after_all_goes_back_to_what_it_was() {
    let mut rig = at_the_marks();
    let tried = |rig: &mut Rig| MARKS.into_iter().for_each(|mark| aim(rig, touched(mark)));
    tried(&mut rig);
    aim(&mut rig, MARKS[0]);
    assert_eq!((rig.last.as_slice(), glass(&rig).aiming), (&[Effect::Glass(GlassOrder::Back)][..], Aiming::Missed));
    rig.input(Input::Desk(DeskIntent::Try(Trial::AimAgain)));
    tried(&mut rig);
    rig.wait(GLASS_IDLE_MS);
    assert!(rig.last.contains(&Effect::Glass(GlassOrder::Back)), "nobody proved it: {:?}", rig.last);
    assert_eq!(view(&rig).page, DeskPage::Service);
    let mut rig = at_the_marks();
    MARKS.into_iter().for_each(|_| aim(&mut rig, PROOF));
    assert_eq!((rig.last.as_slice(), glass(&rig).aiming), (&[][..], Aiming::Unfit), "one place is no glass");
}

#[test]
fn a_test_print_sells_nothing_and_says_when_it_did_not_come() {
    let mut rig = at_the_marks();
    rig.input(Input::Desk(DeskIntent::Try(Trial::Print)));
    let [Effect::Print(Paper::Test(page))] = &rig.last[..] else { panic!("{:?}", rig.last) };
    let id = page.id;
    rig.device(DeviceEvent::Printed { order: id, health: Health::Blocked });
    assert_eq!(view(&rig).notice, Some(Notice::NotPrinted));
    assert!(rig.last.is_empty(), "nothing of it is recorded: {:?}", rig.last);
}
