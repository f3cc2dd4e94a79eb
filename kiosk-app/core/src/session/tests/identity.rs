//! Cards, greetings, the usual, and staying anonymous.

use super::*;
use crate::device::CardRefusal;

#[test]
fn a_card_begins_a_visit_with_a_neutral_greeting_and_the_answer_makes_it_personal() {
    let mut rig = Rig::new();
    rig.tap("1:aa");
    assert_eq!((rig.see().stage, rig.see().identifying, rig.see().guest), (Stage::Greeting, true, None));
    assert!(rig.last.contains(&Effect::Identify { token: "1:aa".into() }));
    rig.known("1:aa", Some(jane()));
    let see = rig.see();
    assert_eq!((see.stage, see.identifying, see.guest.unwrap().display_name.as_str()), (Stage::Greeting, false, "Jane"));
    assert_eq!(see.usual.unwrap().total, Minor(430 + 320));
    let [record] = &records(&rig.last)[..] else { panic!() };
    assert_eq!((record.visitor.as_deref(), record.consent), (Some("v_0123456789abcdef0123456789abcdef"), Consent::Personal));
    assert!(matches!(record.events[..], [Event::VisitIdentified { visits_before: Some(23), .. }]));
}

#[test]
fn the_usual_is_three_touches() {
    let mut rig = Rig::new();
    rig.tap("1:aa").known("1:aa", Some(jane())).touch(Intent::OrderUsual);
    let see = rig.see();
    assert_eq!((see.stage, see.service), (Stage::Paying, Some(Service::EatIn)));
    let [record] = &records(&rig.last)[..] else { panic!("one record") };
    let by_usual = |e: &&Event| matches!(e, Event::BasketChanged { by: By::Usual, .. });
    assert_eq!(record.events.iter().filter(by_usual).count(), 2);
    assert!(record.events.iter().any(|e| matches!(e, Event::OrderPlaced(o) if o.called_name == "Jane")));
    rig.approve();
    assert_eq!(rig.see().stage, Stage::Done);
    rig.touch(Intent::Finish);
    let touches = rig.events().iter().rev().find_map(|e| match e {
        Event::VisitEnded { touches, .. } => Some(*touches),
        _ => None,
    });
    assert_eq!(touches, Some(4), "card, 'order it', terminal, and the one that leaves");
}

#[test]
fn the_usual_joins_a_basket_that_was_begun() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::QuickAdd(FRIES)).tap("1:aa").known("1:aa", Some(jane()));
    assert_eq!(rig.see().stage, Stage::Browse, "the menu is not taken away");
    rig.touch(Intent::OrderUsual);
    assert_eq!((rig.see().stage, rig.see().basket_count), (Stage::Checkout, 3));
    assert!(rig.charges().is_empty());
}

#[test]
fn a_usual_of_which_something_is_sold_out_is_not_offered() {
    let mut rig = Rig::new();
    let mut guest = jane();
    guest.usual.push(crate::device::UsualItem { sku: "cake".into(), modifiers: Vec::new(), quantity: 1 });
    rig.tap("1:aa").known("1:aa", Some(guest)).touch(Intent::OrderUsual);
    assert_eq!((rig.see().usual, rig.see().stage), (None, Stage::Greeting));
}

#[test]
fn a_usual_knows_sizes_parts_and_what_was_left_out() {
    let mut rig = Rig::new();
    let item = |sku: &str, modifiers: &[&str]| crate::device::UsualItem {
        sku: sku.into(),
        modifiers: modifiers.iter().map(|m| ((*m).into(), 1)).collect(),
        quantity: 1,
    };
    let usual = [item("cola-l", &[]), item("burger", &["cheese"]), item("combo", &["fries", "flat-white", "oat-milk"])];
    rig.tap("1:aa").known("1:aa", Some(Guest { usual: usual.into(), ..jane() }));
    let priced = rig.see().usual.unwrap();
    assert_eq!(priced.lines[0].sku, "cola-l");
    assert_eq!(priced.lines[1].modifiers.iter().map(|m| m.sku.as_str()).collect::<Vec<_>>(), ["cheese"], "no onions");
    assert_eq!(priced.total, Minor(390 + 890 + 120 + 1190 + 40 + 50));
}

#[test]
fn the_kiosk_speaks_the_guests_language_unless_another_was_chosen() {
    let mut rig = Rig::new();
    rig.tap("1:bb").known("1:bb", Some(ivan()));
    assert_eq!(rig.see().lang, Lang(1));
    let mut rig = Rig::new();
    rig.touch(Intent::ChooseLanguage(Lang(0))).tap("1:bb").known("1:bb", Some(ivan()));
    assert_eq!((rig.see().lang, rig.see().stage), (Lang(0), Stage::Greeting));
}

#[test]
fn an_answer_after_the_budget_joins_without_moving_anything() {
    let mut rig = Rig::new();
    rig.tap("1:bb").wait(300);
    assert!(!rig.see().identifying);
    assert!(matches!(rig.last_events()[..], [Event::VisitIdentified { visits_before: None, .. }]));
    rig.touch(Intent::ChooseService(Service::EatIn));
    rig.known("1:bb", Some(ivan()));
    let see = rig.see();
    assert_eq!((see.stage, see.lang, see.guest.unwrap().display_name.as_str()), (Stage::Browse, Lang(0), "Ivan"));
    assert_eq!(rig.count(|e| matches!(e, Event::VisitIdentified { .. })), 1);
    rig.touch(Intent::QuickAdd(FRIES));
    assert_eq!(records(&rig.last)[0].visitor.as_deref(), Some("v_ivan"));
}

#[test]
fn a_stranger_goes_on_anonymously_with_a_quiet_word() {
    let mut rig = Rig::new();
    rig.tap("1:cc").known("1:cc", None);
    assert_eq!((rig.see().stage, rig.see().overlay), (Stage::Greeting, Some(Overlay::Ask(Question::Join))));
    rig.touch(Intent::ChooseService(Service::EatIn));
    assert_eq!((rig.see().stage, rig.see().overlay), (Stage::Browse, None), "one touch leads into the menu");
}

#[test]
fn consent_decides_what_is_used() {
    let mut rig = Rig::new();
    rig.tap("1:aa").known("1:aa", Some(Guest { consent: Consent::None, ..jane() }));
    assert_eq!((rig.see().guest, rig.see().usual), (None, None));
    assert!(rig.events().iter().all(|e| !matches!(e, Event::VisitIdentified { .. })));
    rig.touch(Intent::SeeMenu);
    assert_eq!(records(&rig.last)[0].visitor, None);
    let mut rig = Rig::new();
    rig.tap("1:aa").known("1:aa", Some(Guest { consent: Consent::Service, ..jane() }));
    let guest = rig.see().guest.unwrap();
    assert_eq!((guest.display_name.as_str(), guest.usual.len(), guest.visits_before), ("Jane", 0, 0));
    assert_eq!(rig.see().usual, None);
}

#[test]
fn anonymous_is_one_touch_away() {
    let mut rig = Rig::new();
    rig.tap("1:aa").known("1:aa", Some(jane())).touch(Intent::StayAnonymous);
    assert_eq!((rig.see().stage, rig.see().guest, rig.see().usual), (Stage::Browse, None, None));
    assert_eq!(records(&rig.last)[0].visitor, None);
    rig.touch(Intent::ChooseService(Service::EatIn)).touch(Intent::QuickAdd(FRIES)).touch(Intent::OpenBasket);
    rig.touch(Intent::Pay(Tender::Card));
    assert_eq!(rig.see().order.unwrap().called_name, "");
}

#[test]
fn one_card_is_asked_about_once() {
    let mut rig = Rig::new();
    rig.tap("1:aa").tap("1:aa").known("1:aa", Some(jane())).tap("1:aa");
    assert_eq!(rig.all.iter().filter(|e| matches!(e, Effect::Identify { .. })).count(), 1);
    rig.tap("1:bb");
    assert!(rig.last.contains(&Effect::Identify { token: "1:bb".into() }));
}

#[test]
fn cards_are_not_looked_up_while_paying_and_answers_to_nobody_are_ignored() {
    let mut rig = Rig::paying();
    rig.tap("1:aa");
    assert!(rig.last.is_empty());
    rig.known("1:aa", Some(jane()));
    assert_eq!(rig.see().guest, None);
}

#[test]
fn a_bank_card_at_the_reader_is_explained() {
    let mut rig = Rig::new();
    rig.device(DeviceEvent::BankCardSeen);
    assert_eq!((rig.see().overlay, rig.see().visit), (Some(Overlay::Problem(Problem::BankCardAtReader)), None));
    rig.wait(6_000);
    assert_eq!(rig.see().overlay, None);
}

#[test]
fn why_this_is_shown_stays_until_it_is_closed() {
    let mut rig = Rig::new();
    rig.tap("1:aa").known("1:aa", Some(jane())).touch(Intent::AskWhy);
    assert_eq!(rig.see().overlay, Some(Overlay::WhyThis));
    rig.touch(Intent::Dismiss);
    assert_eq!((rig.see().overlay, rig.see().stage), (None, Stage::Greeting));
}

fn scanned(code: &str) -> DeviceEvent {
    DeviceEvent::Scanned { code: code.into(), token: "1:cd".into() }
}

#[test]
fn a_guests_code_greets_as_a_card_does_and_proves_no_more_than_one_that_can_be_copied() {
    let mut rig = Rig::new();
    rig.device(scanned("CEMG00FF"));
    assert_eq!((rig.see().stage, rig.see().identifying), (Stage::Greeting, true));
    assert!(rig.last.contains(&Effect::Identify { token: "1:cd".into() }));
    rig.known("1:cd", Some(jane()));
    assert_eq!(rig.see().guest.unwrap().display_name, "Jane");
    let seen = |e: &Event| matches!(e, Event::VisitIdentified { method: Method::Qr, assurance: Assurance::Low, .. });
    assert_eq!(rig.count(seen), 1);
}

#[test]
fn a_guests_code_that_is_late_used_or_cannot_be_checked_leads_to_a_word_and_never_to_joining() {
    let problem = |rig: &mut Rig| match rig.see().overlay {
        Some(Overlay::Problem(problem)) => Some(problem),
        _ => None,
    };
    let mut rig = Rig::browsing();
    rig.device(scanned("CEMG00FF")).device(DeviceEvent::CardRefused(CardRefusal::Code));
    assert_eq!(problem(&mut rig), Some(Problem::CodeRefused));
    rig.wait(300);
    assert_eq!(problem(&mut rig), Some(Problem::CodeRefused), "its answer has come: nothing else is said later");
    let mut rig = Rig::browsing();
    rig.device(scanned("CEMG00FF")).known("1:cd", None);
    assert_eq!(problem(&mut rig), Some(Problem::CodeRefused), "nobody joins by a code");
    let mut rig = Rig::browsing();
    rig.device(scanned("CEMG00FF")).wait(300);
    assert_eq!((problem(&mut rig), rig.see().identifying), (Some(Problem::CodeUnchecked), false));
    rig.known("1:cd", Some(jane()));
    assert_eq!(rig.see().guest.map(|guest| guest.display_name).as_deref(), Some("Jane"), "a late answer joins quietly");
}

#[test]
fn a_code_of_something_else_identifies_nobody() {
    let mut rig = Rig::browsing();
    rig.device(scanned("4006381333931"));
    assert_eq!(rig.see().overlay, Some(Overlay::Problem(Problem::CodeUnknown)));
    assert!(!rig.last.iter().any(|effect| matches!(effect, Effect::Identify { .. })));
}
