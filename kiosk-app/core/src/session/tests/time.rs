//! Silence, leaving, and what goes with the guest.

use super::*;

#[test]
fn silence_asks_and_then_wipes() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::QuickAdd(FRIES)).wait(59_999);
    assert_eq!(rig.see().overlay, None);
    rig.wait(1);
    let until_ms = rig.mono_ms + 15_000;
    assert_eq!(rig.see().overlay, Some(Overlay::StillThere { until_ms }));
    rig.wait(14_999);
    assert_eq!(rig.see().stage, Stage::Browse);
    rig.wait(1);
    assert_eq!((rig.see().stage, rig.see().basket_count), (Stage::Attract, 0));
    assert!(matches!(rig.last_events()[..], [Event::VisitEnded { outcome: Outcome::TimedOut, .. }]));
}

#[test]
fn any_sign_of_life_closes_the_question() {
    for intent in [Intent::StillHere, Intent::Touched, Intent::Dismiss, Intent::QuickAdd(CROISSANT)] {
        let mut rig = Rig::browsing();
        rig.wait(60_000).touch(intent).wait(59_999);
        assert_eq!((rig.see().overlay, rig.see().stage), (None, Stage::Browse));
    }
}

#[test]
fn nothing_times_out_while_the_terminal_works() {
    let mut rig = Rig::paying();
    rig.wait(179_999);
    assert!(matches!(rig.see().pay, PayView::Waiting { .. }));
    assert_eq!(rig.see().overlay, None);
    rig.wait(1);
    assert_eq!(rig.see().pay, PayView::Checking);
    rig.left();
    assert_eq!(rig.see().pay, PayView::Unknown);
    assert!(rig.last.contains(&Effect::Signal(Signal::CallStaff)));
    assert_eq!(rig.kiosk.payments().unresolved().count(), 1);
}

#[test]
fn thank_you_goes_by_itself_and_that_completes_the_visit() {
    let mut rig = Rig::paying();
    rig.approve().wait(19_999);
    assert_eq!(rig.see().stage, Stage::Done);
    rig.wait(1);
    assert!(matches!(rig.last_events()[..], [Event::VisitEnded { outcome: Outcome::Completed, .. }]));
}

#[test]
fn a_guest_who_leaves_a_refused_order_cancels_it() {
    let mut rig = Rig::paying();
    rig.decline().wait(75_000);
    assert!(matches!(
        rig.last_events()[..],
        [
            Event::OrderProgressed { state: crate::event::Progress::Cancelled, .. },
            Event::VisitEnded { outcome: Outcome::TimedOut, .. }
        ]
    ));
}

#[test]
fn starting_over_is_confirmed_where_something_is_lost() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::QuickAdd(FRIES)).touch(Intent::StartOver);
    assert_eq!(rig.see().overlay, Some(Overlay::ConfirmStartOver));
    rig.touch(Intent::Dismiss).touch(Intent::StartOver).touch(Intent::StartOver);
    assert_eq!(rig.see().stage, Stage::Attract);
    assert!(matches!(rig.last_events()[..], [Event::VisitEnded { outcome: Outcome::Abandoned, .. }]));
    assert_eq!(rig.last.last(), Some(&Effect::Signal(Signal::Idle)));
}

#[test]
fn language_and_large_text_are_the_guests_and_go_with_them() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::ChooseLanguage(Lang(1))).touch(Intent::ToggleEasyAccess).touch(Intent::StartOver);
    assert_eq!((rig.see().lang, rig.see().easy_access), (Lang(0), false));
    rig.touch(Intent::ToggleEasyAccess).wait(60_000);
    assert!(!rig.see().easy_access, "nobody came");
}

#[test]
fn who_came_near_and_left_is_seen() {
    let mut rig = Rig::new();
    rig.device(DeviceEvent::Presence(true)).wait(4_500).device(DeviceEvent::Presence(false));
    assert!(matches!(rig.last_events()[..], [Event::PresenceSeen { seconds: 4 }]));
    assert_eq!(records(&rig.last)[0].visit, None);
    rig.device(DeviceEvent::Presence(true)).touch(Intent::Begin).device(DeviceEvent::Presence(false));
    assert!(rig.last.is_empty(), "that was the guest");
}

#[test]
fn help_can_be_called_from_everywhere() {
    let mut rig = Rig::new();
    rig.touch(Intent::CallPerson);
    assert!(matches!(rig.last_events()[..], [Event::HelpCalled { stage: Stage::Attract }]));
    let mut rig = Rig::paying();
    rig.touch(Intent::CallPerson);
    assert!(matches!(rig.last_events()[..], [Event::HelpCalled { stage: Stage::Paying }]));
}

#[test]
fn what_was_being_chosen_goes_with_its_guest() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::OpenArticle(COLA)).touch(Intent::ChooseVariant(1)).wait(75_000).touch(Intent::Begin).touch(Intent::Dismiss);
    rig.touch(Intent::OpenArticle(COLA));
    assert_eq!(rig.see().draft.unwrap().variant, None, "nothing of the guest before");
}
