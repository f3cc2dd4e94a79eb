#![allow(clippy::unwrap_used)]
use super::*;

fn at(mono_ms: u64, quality: ClockQuality) -> Now {
    Now { mono_ms, utc_ms: (quality != ClockQuality::Unset).then_some(1_800_000_000_000), offset_min: 0, quality }
}
fn now() -> Now {
    at(1_000, ClockQuality::Unset)
}
fn online() -> Network {
    Network { cable: true, online: true, ..Network::default() }
}
fn setup() -> Setup {
    Setup::new(Lang(0), vec!["Europe/Berlin".into(), "Asia/Tbilisi".into()], "https://cem.example".into(), 0)
}
fn at_code() -> Setup {
    let mut setup = setup();
    setup.intent(now(), SetupIntent::Next);
    setup.event(now(), SetupEvent::Network(online()));
    let synced = at(2_000, ClockQuality::Synced);
    for _ in 0..3 {
        setup.intent(synced, SetupIntent::Next);
    }
    assert_eq!(setup.view().step, Step::Code);
    setup
}
fn tried(works: Option<bool>) -> Tried {
    Tried { kind: DeviceKind::Printer, works, what: "no paper".into() }
}

#[test]
fn a_stranger_goes_from_the_language_to_the_first_guest() {
    let mut setup = at_code();
    let join = setup.intent(now(), SetupIntent::Code("ab12-cd34".into()));
    assert_eq!(join, [SetupEffect::Join { code: "AB12CD34".into(), backend: "https://cem.example".into() }]);
    setup.event(now(), SetupEvent::Progress(Joining::Menu));
    let joined = Joined { store: "s-001".into(), device: "k-01".into(), role: "kiosk".into() };
    assert_eq!(setup.event(now(), SetupEvent::JoinDone(Ok(joined))), [SetupEffect::TryDevices]);
    setup.event(now(), SetupEvent::Devices(vec![tried(Some(true)), tried(None)]));
    setup.intent(now(), SetupIntent::Next);
    assert_eq!(setup.intent(now(), SetupIntent::TestSale), [SetupEffect::TestSale]);
    setup.event(now(), SetupEvent::TestDone(Ok(())));
    setup.intent(now(), SetupIntent::Next);
    assert_eq!(setup.view().step, Step::Ready);
    assert_eq!(setup.intent(now(), SetupIntent::Open), [SetupEffect::Open]);
}

#[test]
fn without_a_network_nobody_is_asked_for_a_code() {
    let mut setup = setup();
    assert_eq!(setup.intent(now(), SetupIntent::Next), [SetupEffect::LookAtNetwork]);
    setup.event(now(), SetupEvent::Network(Network::default()));
    setup.intent(now(), SetupIntent::Next);
    assert_eq!(setup.view().step, Step::Network);
}

#[test]
fn a_locked_network_asks_for_its_passphrase_and_says_when_it_is_wrong() {
    let mut setup = setup();
    setup.intent(now(), SetupIntent::Next);
    let wifi = vec![Wifi { ssid: "Boyd's".into(), signal: 80, locked: true }];
    setup.event(now(), SetupEvent::Network(Network { wifi, ..Network::default() }));
    setup.intent(now(), SetupIntent::ChooseWifi(0));
    assert_eq!(setup.view().step, Step::Passphrase);
    let effects = setup.intent(now(), SetupIntent::Passphrase("open sesame".into()));
    assert_eq!(alloc::format!("{effects:?}"), "[JoinWifi]", "no passphrase in a log");
    setup.event(now(), SetupEvent::WifiDone(Err(SetupTrouble::WrongPassphrase)));
    assert_eq!((setup.view().step, setup.view().trouble), (Step::Passphrase, Some(SetupTrouble::WrongPassphrase)));
    setup.intent(now(), SetupIntent::Passphrase("correct".into()));
    assert_eq!(setup.event(now(), SetupEvent::WifiDone(Ok(()))), [SetupEffect::LookAtNetwork]);
}

#[test]
fn an_unset_clock_must_be_set_by_a_person_and_a_synced_one_need_not() {
    let mut setup = setup();
    setup.intent(now(), SetupIntent::Next);
    setup.event(now(), SetupEvent::Network(online()));
    setup.intent(now(), SetupIntent::Next);
    setup.intent(now(), SetupIntent::Next);
    assert_eq!(setup.view().step, Step::Clock, "nobody knows the date");
    setup.intent(now(), SetupIntent::OpenClock);
    assert_eq!(setup.intent(now(), SetupIntent::Clock("202602301200".into())), []);
    assert_eq!(setup.view().trouble, Some(SetupTrouble::NoDate));
    let effects = setup.intent(now(), SetupIntent::Clock("202611221031".into()));
    assert_eq!(effects, [SetupEffect::SetClock { local: "2026-11-22 10:31".into() }]);
    setup.event(now(), SetupEvent::ClockDone(Ok(())));
    setup.intent(now(), SetupIntent::Next);
    assert_eq!(setup.view().step, Step::Screen);
}

#[test]
fn a_clock_that_only_a_battery_kept_is_confirmed_by_one_touch() {
    let mut setup = setup();
    setup.intent(now(), SetupIntent::Next);
    setup.event(now(), SetupEvent::Network(online()));
    setup.intent(now(), SetupIntent::Next);
    setup.intent(now(), SetupIntent::ConfirmClock);
    assert_eq!(setup.view().step, Step::Clock, "there is nothing to confirm");
    setup.intent(at(2_000, ClockQuality::Estimated), SetupIntent::ConfirmClock);
    assert_eq!(setup.view().step, Step::Screen);
}

#[test]
fn a_refused_code_can_be_typed_again_and_nothing_else_is_lost() {
    for trouble in [SetupTrouble::WrongCode, SetupTrouble::UsedCode, SetupTrouble::LateCode, SetupTrouble::NoBackend] {
        let mut setup = at_code();
        setup.intent(now(), SetupIntent::Code("AAAA".into()));
        setup.event(now(), SetupEvent::JoinDone(Err(trouble)));
        assert_eq!((setup.view().step, setup.view().trouble), (Step::Code, Some(trouble)));
        assert!(!setup.view().busy);
    }
}

#[test]
fn what_never_answers_is_given_up_and_can_be_tried_again() {
    let mut setup = at_code();
    setup.intent(now(), SetupIntent::Code("AAAA".into()));
    let due = setup.next_tick_ms().unwrap();
    setup.event(at(due, ClockQuality::Synced), SetupEvent::Tick);
    assert_eq!((setup.view().step, setup.view().trouble), (Step::Code, Some(SetupTrouble::NoAnswer)));
    assert_eq!(setup.intent(now(), SetupIntent::Code("AAAA".into())).len(), 1);
}

#[test]
fn a_device_that_does_not_work_is_passed_only_on_purpose() {
    let mut setup = at_code();
    setup.intent(now(), SetupIntent::Code("AAAA".into()));
    setup.event(now(), SetupEvent::JoinDone(Ok(Joined::default())));
    setup.event(now(), SetupEvent::Devices(vec![tried(Some(false))]));
    setup.intent(now(), SetupIntent::Next);
    assert_eq!(setup.view().step, Step::Devices);
    setup.intent(now(), SetupIntent::Skip);
    assert_eq!(setup.view().step, Step::TestSale);
}

#[test]
fn back_keeps_what_was_answered_and_never_leaves_a_shop_that_was_joined() {
    let mut setup = at_code();
    for step in [Step::Screen, Step::Clock, Step::Network, Step::Language] {
        setup.intent(now(), SetupIntent::Back);
        assert_eq!(setup.view().step, step);
    }
    let mut joined = at_code();
    joined.intent(now(), SetupIntent::Code("AAAA".into()));
    joined.intent(now(), SetupIntent::Back);
    assert_eq!(joined.view().step, Step::Joining);
    joined.event(now(), SetupEvent::JoinDone(Ok(Joined::default())));
    joined.event(now(), SetupEvent::Devices(Vec::new()));
    joined.intent(now(), SetupIntent::Back);
    assert_eq!(joined.view().step, Step::Devices);
}
