//! Joining, more of it, less of it, none of it, being forgotten.

use super::*;
use crate::{Record, catalogue::Allergen, device::Assurance};
use alloc::vec;

fn joined(rig: &mut Rig) -> &mut Rig {
    rig.tap("1:cc").known("1:cc", None).touch(Intent::Agree(Question::Join))
}

fn last(rig: &Rig) -> Record {
    records(&rig.last)[0].clone()
}

#[test]
fn joining_is_one_touch_and_the_kiosk_makes_the_pseudonym() {
    let mut rig = Rig::new();
    joined(&mut rig);
    let record = last(&rig);
    let visitor = record.visitor.clone().unwrap();
    assert!(visitor.starts_with("v_") && visitor.len() == 34, "{visitor}");
    assert_eq!(record.consent, Consent::Service);
    assert_eq!(record.events, [Event::VisitorJoined { token: "1:cc".into(), language: "en".into() }]);
    let guest = rig.see().guest.unwrap();
    assert_eq!((guest.visitor, guest.display_name.as_str(), rig.see().overlay), (visitor, "", None));
}

#[test]
fn a_stranger_who_says_no_is_left_alone_for_the_whole_visit() {
    for no in [Intent::Decline, Intent::Dismiss, Intent::ChooseService(Service::EatIn)] {
        let mut rig = Rig::new();
        rig.tap("1:cc").known("1:cc", None).touch(no);
        assert_eq!((rig.see().overlay, rig.see().guest), (None, None));
        rig.touch(Intent::Agree(Question::Join));
        assert_eq!(rig.see().guest, None, "nobody asks, so nobody can agree");
        rig.touch(Intent::ChooseService(Service::EatIn)).touch(Intent::QuickAdd(CROISSANT)).touch(Intent::Checkout);
        rig.touch(Intent::Pay(Tender::Card)).approve();
        assert_eq!((rig.see().stage, rig.see().question), (Stage::Done, None));
    }
}

#[test]
fn where_nobody_could_say_who_it_is_the_question_waits_for_the_end() {
    let mut rig = Rig::browsing();
    rig.tap("1:cc").wait(300);
    assert_eq!(rig.see().overlay, None);
    rig.touch(Intent::QuickAdd(CROISSANT)).touch(Intent::Checkout).touch(Intent::Pay(Tender::Card)).approve();
    assert_eq!(rig.see().question, Some(Question::Join));
    rig.touch(Intent::Agree(Question::Join));
    assert!(matches!(rig.last_events()[..], [Event::VisitorJoined { .. }]));
    assert_eq!(rig.see().question, Some(Question::Level(Consent::Personal)), "more is a question of its own");
}

#[test]
fn a_shop_that_takes_nobody_in_at_the_kiosk_says_that_the_card_is_not_known() {
    let mut rig = Rig::with(crate::Config { joining: false, ..crate::Config::default() });
    rig.tap("1:cc").known("1:cc", None);
    assert_eq!(rig.see().overlay, Some(Overlay::Problem(Problem::UnknownCard)));
}

#[test]
fn a_higher_level_needs_its_own_question_and_only_the_next_one_is_asked() {
    let mut rig = Rig::new();
    joined(&mut rig);
    rig.touch(Intent::Agree(Question::Level(Consent::Personal)));
    assert_eq!(rig.see().guest.unwrap().consent, Consent::Service, "it was not asked");
    rig.touch(Intent::Ask(Question::Level(Consent::Marketing)));
    assert_eq!(rig.see().overlay, None, "two steps at once are not asked");
    rig.touch(Intent::Ask(Question::Level(Consent::Personal)));
    assert_eq!(rig.see().overlay, Some(Overlay::Ask(Question::Level(Consent::Personal))));
    rig.touch(Intent::Agree(Question::Level(Consent::Personal)));
    let changed = Event::ConsentChanged { from: Consent::Service, to: Consent::Personal, dietary: None };
    assert_eq!((last(&rig).events, last(&rig).consent), (vec![changed], Consent::Personal));
}

#[test]
fn less_is_in_force_at_once_and_none_ends_in_an_anonymous_visit() {
    let mut rig = Rig::new();
    rig.tap("1:aa").known("1:aa", Some(jane())).touch(Intent::KeepLess(Consent::Service));
    assert_eq!((rig.see().usual, rig.see().guest.unwrap().visits_before), (None, 0));
    rig.touch(Intent::KeepLess(Consent::Personal));
    assert_eq!(rig.see().guest.unwrap().consent, Consent::Service, "less is never more");
    rig.touch(Intent::KeepLess(Consent::None));
    let record = last(&rig);
    assert_eq!(record.visitor, Some(jane().visitor), "said by the one whose consent ends");
    assert_eq!(record.consent, Consent::Service);
    assert_eq!(rig.see().guest, None);
    rig.touch(Intent::ChooseService(Service::EatIn));
    assert_eq!((last(&rig).visitor, last(&rig).consent), (None, Consent::None));
}

#[test]
fn forgetting_is_confirmed_recorded_once_and_final() {
    let mut rig = Rig::new();
    rig.tap("1:aa").known("1:aa", Some(jane())).touch(Intent::ForgetMe);
    assert_eq!((rig.see().overlay, rig.last_events().len()), (Some(Overlay::ConfirmForget), 0));
    rig.touch(Intent::Dismiss).touch(Intent::ForgetMe).touch(Intent::ForgetMe);
    assert_eq!((last(&rig).events, last(&rig).visitor), (vec![Event::ErasureRequested], Some(jane().visitor)));
    assert_eq!((rig.see().overlay, rig.see().guest, rig.see().usual), (Some(Overlay::Forgotten), None, None));
    rig.touch(Intent::ChooseService(Service::EatIn));
    assert_eq!(last(&rig).visitor, None);
}

#[test]
fn what_ends_after_forgetting_names_nobody() {
    let mut rig = Rig::new();
    rig.tap("1:aa").known("1:aa", Some(jane())).touch(Intent::OrderUsual);
    rig.device(DeviceEvent::Forgotten { visitors: vec![jane().visitor] });
    assert_eq!((rig.see().guest, rig.see().order.unwrap().called_name.as_str()), (None, ""));
    let before = rig.all.len();
    rig.approve().touch(Intent::Finish);
    let after = records(&rig.all[before..]);
    assert!(!after.is_empty());
    assert!(after.iter().all(|record| record.visitor.is_none() && record.consent == Consent::None), "{after:#?}");
}

#[test]
fn what_waits_for_the_disk_is_forgotten_too() {
    let mut rig = Rig::new();
    rig.tap("1:aa").known("1:aa", Some(jane())).touch(Intent::SeeMenu).fail(Failure::Record);
    rig.touch(Intent::KeepLess(Consent::Service));
    rig.device(DeviceEvent::Forgotten { visitors: vec![jane().visitor] });
    let before = rig.all.len();
    rig.wait(3_000);
    let late = records(&rig.all[before..]);
    assert!(!late.is_empty());
    assert!(late.iter().all(|record| record.visitor.is_none()), "{late:#?}");
}

#[test]
fn a_card_that_can_be_copied_decides_nothing() {
    let mut rig = Rig::new();
    let seen = |token: &str| DeviceEvent::CardSeen {
        token: token.into(),
        method: crate::device::Method::Uid,
        assurance: Assurance::Low,
        counter: None,
    };
    rig.device(seen("1:aa")).known("1:aa", Some(Guest { consent: Consent::Service, ..jane() }));
    assert!(!rig.see().may_change);
    for intent in [
        Intent::ForgetMe,
        Intent::ForgetMe,
        Intent::KeepLess(Consent::None),
        Intent::Ask(Question::Level(Consent::Personal)),
        Intent::Agree(Question::Level(Consent::Personal)),
        Intent::KeepDietary(true),
    ] {
        rig.touch(intent);
        assert_eq!(rig.last_events().len(), 0);
    }
    assert_eq!(rig.see().guest.unwrap().consent, Consent::Service);
}

#[test]
fn a_card_at_thank_you_makes_the_visit_its_guests() {
    let mut rig = Rig::paying();
    rig.approve().tap("1:bb").known("1:bb", Some(ivan()));
    let see = rig.see();
    assert_eq!((see.stage, see.lang, see.guest.unwrap().points), (Stage::Done, Lang(0), 412), "nothing moves");
    let record = last(&rig);
    assert_eq!(record.visitor.as_deref(), Some("v_ivan"));
    assert!(matches!(&record.events[..], [Event::VisitIdentified { token, .. }] if token == "1:bb"));
    rig.touch(Intent::Finish);
    assert_eq!(last(&rig).visitor.as_deref(), Some("v_ivan"));
}

#[test]
fn what_a_guest_avoids_filters_the_menu_and_is_kept_by_its_own_consent() {
    let mut rig = Rig::new();
    rig.tap("1:aa").known("1:aa", Some(Guest { dietary: vec![Allergen::Nuts], ..jane() }));
    assert_eq!(rig.see().avoid, [Allergen::Nuts]);
    rig.touch(Intent::ToggleAllergen(Allergen::Milk)).touch(Intent::KeepDietary(true));
    let kept =
        |dietary: Vec<Allergen>| Event::ConsentChanged { from: Consent::Personal, to: Consent::Personal, dietary: Some(dietary) };
    assert_eq!(last(&rig).events, [kept(vec![Allergen::Milk, Allergen::Nuts])]);
    rig.touch(Intent::KeepDietary(true));
    assert!(rig.last_events().is_empty(), "nothing new");
    rig.touch(Intent::KeepDietary(false));
    assert_eq!(last(&rig).events, [kept(Vec::new())]);
    assert_eq!(rig.see().avoid.len(), 2, "today's filter stays");
}

#[test]
fn what_is_not_kept_is_not_recorded() {
    let mut rig = Rig::new();
    rig.tap("1:aa").known("1:aa", Some(jane())).touch(Intent::ToggleAllergen(Allergen::Nuts)).touch(Intent::Finish);
    assert_eq!(rig.count(|e| matches!(e, Event::ConsentChanged { .. })), 0);
}
