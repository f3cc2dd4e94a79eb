//! Devices, disk and clock: what is told, what is refused, and how it comes back.

use super::*;
use crate::{
    CommandOutcome, DeskIntent, Now,
    device::{DeviceEvent, DeviceKind, Health},
    now::ClockQuality,
};

type Told = (DeviceKind, Health, Health, Option<u32>);

/// What was told of devices.
fn told(rig: &Rig) -> Vec<Told> {
    let told = |event: &Event| match event {
        Event::DeviceChanged { kind, health, was, seconds } => Some((*kind, *health, *was, *seconds)),
        _ => None,
    };
    rig.events().into_iter().filter_map(told).collect()
}

fn health(rig: &mut Rig, kind: DeviceKind, health: Health) {
    rig.device(DeviceEvent::Health(kind, health));
}

/// A kiosk whose clock nobody has set.
struct NoClock(Rig);

impl NoClock {
    fn input(&mut self, input: Input) -> Vec<Effect> {
        let now = Now { utc_ms: None, quality: ClockQuality::Unset, ..self.0.now() };
        self.0.kiosk.step(now, input)
    }

    fn see(&self) -> Snapshot {
        self.0.kiosk.snapshot(Now { utc_ms: None, quality: ClockQuality::Unset, ..self.0.now() })
    }
}

#[test]
fn a_device_that_is_lost_is_told_once_it_is_sure_and_again_when_it_is_back() {
    let mut rig = Rig::new();
    health(&mut rig, DeviceKind::Reader, Health::Lost);
    rig.wait(SETTLE_MS - 1);
    assert_eq!(told(&rig), []);
    rig.wait(1);
    assert_eq!(told(&rig), [(DeviceKind::Reader, Health::Lost, Health::Ok, None)]);
    assert_eq!(rig.records().last().unwrap().visit, None);
    rig.wait(90_000);
    health(&mut rig, DeviceKind::Reader, Health::Ok);
    rig.wait(SETTLE_MS);
    assert_eq!(told(&rig)[1..], [(DeviceKind::Reader, Health::Ok, Health::Lost, Some(94))]);
    assert_eq!(rig.see().next_tick_ms, None);
}

#[test]
fn a_plug_that_comes_and_goes_does_not_fill_the_log() {
    let mut rig = Rig::new();
    health(&mut rig, DeviceKind::Printer, Health::Blocked);
    rig.wait(500);
    health(&mut rig, DeviceKind::Printer, Health::Ok);
    rig.wait(10_000);
    assert_eq!(told(&rig), [], "what lasted for half a second is no news");
    for _ in 0..60 {
        health(&mut rig, DeviceKind::Printer, Health::Lost);
        rig.wait(5_000);
        health(&mut rig, DeviceKind::Printer, Health::Ok);
        rig.wait(5_000);
    }
    let count = told(&rig).len();
    assert!((2..=11).contains(&count), "{count} in ten minutes");
}

#[test]
fn what_is_not_fitted_is_missed_by_nobody() {
    let mut rig = Rig::new();
    rig.device(DeviceEvent::NotFitted(DeviceKind::Printer)).wait(100_000);
    assert_eq!(told(&rig), []);
    assert_eq!(rig.see().devices, [(DeviceKind::Printer, Health::Lost)]);
}

#[test]
fn a_change_during_a_visit_belongs_to_the_device_and_not_to_the_guest() {
    let mut rig = Rig::new();
    rig.tap("1:aa").known("1:aa", Some(jane()));
    health(&mut rig, DeviceKind::Terminal, Health::Lost);
    rig.wait(SETTLE_MS);
    let of_device = |record: &&crate::Record| matches!(record.events[..], [Event::DeviceChanged { .. }]);
    let records = rig.records();
    let record = records.iter().find(|record| of_device(record)).unwrap();
    assert_eq!((record.visit, &record.visitor), (None, &None));
}

#[test]
fn a_disk_that_takes_nothing_closes_the_kiosk_until_it_takes_something_again_and_that_is_told() {
    let mut rig = Rig::paying();
    rig.fail(Failure::Record);
    assert!(rig.see().devices.contains(&(DeviceKind::Disk, Health::Lost)));
    rig.touch(Intent::StartOver).touch(Intent::StartOver);
    assert_eq!(rig.see().stage, Stage::Attract);
    rig.touch(Intent::Begin);
    let see = rig.see();
    assert_eq!((see.stage, see.overlay), (Stage::Attract, Some(Overlay::Problem(Problem::CannotRecord))));
    // It is asked again and again, without a word to the guest.
    for _ in 0..5 {
        rig.mono_ms = rig.see().next_tick_ms.unwrap();
        rig.input(Input::Tick);
        assert!(matches!(rig.last_events()[..], [Event::DeviceChanged { kind: DeviceKind::Disk, .. }]));
        rig.fail(Failure::Record);
        rig.touch(Intent::Dismiss);
        assert_eq!(rig.see().overlay, None);
    }
    rig.all.clear();
    rig.wait(1_000);
    assert!(matches!(told(&rig)[..], [(DeviceKind::Disk, Health::Ok, Health::Lost, Some(5..=7))]), "{:?}", told(&rig));
    assert_eq!(rig.see().devices, []);
    rig.touch(Intent::Begin).wait(30_000);
    assert_eq!((rig.see().stage, told(&rig).len()), (Stage::Browse, 1));
}

#[test]
fn a_sale_that_the_disk_takes_shows_that_it_is_well() {
    let mut rig = Rig::paying();
    rig.fail(Failure::Record).touch(Intent::Pay(Tender::Card)).approve();
    assert_eq!((rig.see().stage, rig.see().devices), (Stage::Done, Vec::new()));
    rig.wait(SETTLE_MS);
    assert_eq!(told(&rig).len(), 1, "that it failed is told for all that");
}

#[test]
fn an_approval_that_waited_for_the_disk_is_followed_by_the_news_of_it() {
    let mut rig = Rig::paying();
    rig.approve().fail(Failure::Record).wait(SETTLE_MS + 2_000);
    assert_eq!(rig.count(|event| matches!(event, Event::PaymentApproved(_))), 2, "offered twice, recorded once");
    assert!(matches!(told(&rig)[..], [(DeviceKind::Disk, Health::Ok, Health::Lost, Some(_))]));
}

#[test]
fn without_a_time_nothing_is_sold_and_the_guest_is_told() {
    let mut kiosk = NoClock(Rig::new());
    kiosk.input(Input::Intent(Intent::Begin));
    let see = kiosk.see();
    assert_eq!((see.stage, see.overlay), (Stage::Attract, Some(Overlay::Problem(Problem::ClockUnset))));
    assert_eq!(see.devices, [(DeviceKind::Clock, Health::Lost)]);
    // A guest who was already here keeps the basket.
    let mut rig = Rig::browsing();
    rig.touch(Intent::QuickAdd(CROISSANT)).touch(Intent::Checkout);
    let mut kiosk = NoClock(rig);
    assert!(!kiosk.input(Input::Intent(Intent::Pay(Tender::Card))).iter().any(|e| matches!(e, Effect::Command { .. })));
    let see = kiosk.see();
    assert_eq!((see.stage, see.order, see.basket_count), (Stage::Checkout, None, 1));
    assert_eq!(see.overlay, Some(Overlay::Problem(Problem::ClockUnset)));
}

#[test]
fn a_person_sets_the_time_before_the_first_sale() {
    let mut kiosk = NoClock(Rig::new());
    kiosk.input(Input::Desk(DeskIntent::Open));
    assert_eq!(kiosk.see().asks_time, Some(AskTime::default()));
    assert_eq!(kiosk.see().desk, None, "without a time nobody's badge can be judged");
    assert_eq!(kiosk.input(Input::Desk(DeskIntent::SetClock("202613011031".into()))), []);
    assert_eq!(kiosk.see().asks_time, Some(AskTime { wrong: true, busy: false }));
    let effects = kiosk.input(Input::Desk(DeskIntent::SetClock("202611211031".into())));
    assert_eq!(effects, [Effect::SetClock { local: "2026-11-21 10:31".into() }]);
    assert_eq!((kiosk.see().asks_time, kiosk.see().next_tick_ms), (Some(AskTime { wrong: false, busy: true }), Some(0)));
    // The clock knows it now.
    let mut rig = kiosk.0;
    rig.input(Input::Tick).wait(SETTLE_MS);
    assert_eq!((rig.see().asks_time, rig.see().devices), (None, Vec::new()));
    assert_eq!(told(&rig), [(DeviceKind::Clock, Health::Ok, Health::Lost, Some(2))]);
    rig.touch(Intent::ChooseService(Service::Takeaway)).touch(Intent::QuickAdd(CROISSANT)).touch(Intent::OpenBasket);
    rig.touch(Intent::Pay(Tender::Card)).ended(CommandOutcome::NotSent);
    assert!(rig.see().order.is_some());
}

#[test]
fn a_clock_that_goes_takes_no_time_from_anybody_and_the_page_closes_by_itself() {
    let mut rig = Rig::new();
    rig.input(Input::Desk(DeskIntent::SetClock("202611211031".into())));
    assert_eq!(rig.last, []);
    let mut kiosk = NoClock(Rig::new());
    kiosk.input(Input::Desk(DeskIntent::Open));
    kiosk.input(Input::Desk(DeskIntent::Touched));
    assert!(kiosk.see().asks_time.is_some());
    kiosk.0.mono_ms = kiosk.see().next_tick_ms.unwrap().max(kiosk.0.mono_ms + 90_000);
    kiosk.input(Input::Tick);
    kiosk.input(Input::Tick);
    assert_eq!(kiosk.see().asks_time, None);
    kiosk.input(Input::Desk(DeskIntent::Open));
    kiosk.input(Input::Desk(DeskIntent::Back));
    assert_eq!(kiosk.see().asks_time, None);
}
