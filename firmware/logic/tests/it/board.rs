//! What the board says and does, and when.

use super::bench::{Bench, QUIET, start};
use peripheral_icd::*;
use peripheral_logic::{host::PATIENCE_MS, light::DARK, words::Words, *};

#[test]
fn after_hello_the_host_is_told_how_everything_is_in_one_go() {
    let mut bench = Bench::new(start());
    bench.hello(Features::ALL);
    assert_eq!(
        bench.news(),
        [
            ToHost::Presence(false),
            ToHost::Headphones(false),
            ToHost::Started { cause: ResetCause::Power, boots: 3 },
            ToHost::Contact { contact: Contact::Door, open: false },
            ToHost::Contact { contact: Contact::Tamper, open: false },
            ToHost::Climate { centi_celsius: 2000, fan_percent: 0, ambient: 127, supply_mv: 12_003 },
            ToHost::Update { state: UpdateState::Confirmed, offset: 0 },
            ToHost::Layout { pins: pins::checksum(&pins::FIRMWARE) },
        ]
    );
}

#[test]
fn the_board_keeps_the_time_for_a_host_that_was_switched_off() {
    let mut bench = Bench::new(start());
    bench.hello(Features::ALL);
    bench.send(&ToMcu::SetTime { utc_s: 1_795_253_460 });
    bench.news();
    bench.pass(90_000, false);
    bench.hello(Features::ALL);
    assert!(bench.news().contains(&ToHost::Clock { utc_s: 1_795_253_550, age_s: 90 }));
}

#[test]
fn a_host_of_version_one_hears_nothing_that_it_does_not_know() {
    let mut bench = Bench::new(Start { cause: ResetCause::Panic, words: Some(Words::default()), ..start() });
    bench.hello(Features::V1);
    bench.levels.keys = 1;
    bench.levels.door = true;
    bench.pass(2_000, true);
    let key = Key::Up;
    assert_eq!(bench.news(), [ToHost::Presence(false), ToHost::Headphones(false), ToHost::Key { key, down: true }]);
}

#[test]
fn even_the_worst_start_fits_into_one_step() {
    let mut words = Words::default();
    words.push(&[b'w'; 96]);
    let mut bench = Bench::new(Start {
        cause: ResetCause::Panic,
        words: Some(words),
        standing: (UpdateState::RolledBack, u32::MAX),
        boots: u32::MAX,
        pins: u32::MAX,
        ..start()
    });
    bench.hello(Features::ALL);
    bench.send(&ToMcu::SetTime { utc_s: u32::MAX });
    bench.levels.supply = 1;
    bench.pass(400_000, false);
    // A host that says hello anew is told everything anew.
    bench.news();
    bench.hello(Features::ALL);
    assert!(bench.last.bytes().is_empty() || bench.last.bytes().len() < board::SAY);
    bench.pass(50, true);
    let news = bench.news();
    assert!(news.contains(&ToHost::Fault { fault: Fault::UpdateRolledBack, detail: u32::MAX }));
    assert!(news.contains(&ToHost::Fault { fault: Fault::HostPowerCycled, detail: 1 }));
    assert!(news.contains(&ToHost::Fault { fault: Fault::BrownOut, detail: 4 }));
    let said: Vec<u8> =
        news.iter().filter_map(|m| if let ToHost::LastWords { bytes, .. } = m { Some(*bytes) } else { None }).flatten().collect();
    assert_eq!(said, words.text());
}

#[test]
fn both_ports_are_equals_and_who_said_hello_last_is_the_host() {
    let mut bench = Bench::new(start());
    bench.hello(Features::ALL);
    let old = bench.frame(&ToMcu::OpenDrawer { id: 1, pulse_ms: 100 });
    bench.pass(1_000, true);
    bench.port = Port::Uart;
    bench.hello(Features::ALL);
    assert_eq!(bench.last.port, Port::Uart);
    bench.port = Port::Usb;
    bench.bytes(&old);
    assert_eq!(bench.pulses, []);
    bench.port = Port::Uart;
    bench.send(&ToMcu::OpenDrawer { id: 2, pulse_ms: 100 });
    assert_eq!(bench.pulses, [(1_000, 100)]);
}

#[test]
fn a_replayed_drawer_command_never_opens_it() {
    let mut bench = Bench::new(start());
    bench.hello(Features::ALL);
    bench.pass(1_000, true);
    let frame = bench.frame(&ToMcu::OpenDrawer { id: 1, pulse_ms: 100 });
    bench.bytes(&frame);
    for _ in 0..50 {
        bench.pass(1_000, true);
        bench.bytes(&frame);
    }
    bench.hello(Features::ALL);
    bench.bytes(&frame);
    assert_eq!(bench.pulses.len(), 1);
}

#[test]
fn silence_is_safe_at_once_and_costs_the_host_its_power_in_the_end() {
    let mut bench = Bench::new(start());
    bench.hello(Features::ALL);
    bench.pass(200_000, true);
    bench.send(&ToMcu::Show(Signal::CallStaff));
    assert!(bench.last.tone.is_some());
    let lost = bench.now;
    bench.pass(1_600, false);
    assert!(!bench.board.is_open() && bench.last.tone.is_none());
    assert_eq!(bench.board.ring(bench.now).iter().filter(|l| **l != [0; 3]).count(), 1);
    bench.pass(PATIENCE_MS, false);
    assert!(bench.last.host_off && bench.now - lost < PATIENCE_MS + 2_000);
    bench.pass(host::OFF_MS, false);
    assert!(!bench.last.host_off);
}

#[test]
fn an_open_payment_buys_three_minutes() {
    let mut bench = Bench::new(start());
    bench.hello(Features::ALL);
    bench.pass(200_000, true);
    bench.news();
    bench.send(&ToMcu::AskTime(Grace::Payment));
    bench.send(&ToMcu::AskTime(Grace::Payment));
    let grace = Grace::Payment;
    assert_eq!(bench.news(), [ToHost::Time { grace, granted_ms: 180_000 }, ToHost::Time { grace, granted_ms: 0 }]);
    bench.pass(179_000, false);
    assert!(!bench.last.host_off);
    bench.pass(2_000, false);
    assert!(bench.last.host_off);
}

#[test]
fn in_a_brown_out_nothing_draws_and_the_drawer_stays_shut() {
    let mut bench = Bench::new(start());
    bench.hello(Features::ALL);
    bench.pass(2_000, true);
    bench.news();
    bench.levels = Levels { supply: 1_900, thermistor: 300, ..QUIET };
    bench.pass(5, true);
    assert_eq!(bench.news()[0], ToHost::Fault { fault: Fault::BrownOut, detail: 8_490 });
    bench.send(&ToMcu::Show(Signal::Approved));
    bench.send(&ToMcu::OpenDrawer { id: 1, pulse_ms: 100 });
    assert_eq!((bench.last.fan, bench.last.tone, bench.board.ring(bench.now)), (0, None, DARK));
    assert_eq!(bench.pulses, []);
    assert_eq!(bench.news(), [ToHost::Drawer { id: 1, state: Drawer::TooSoon }]);
    bench.levels = Levels { thermistor: 300, ..QUIET };
    bench.pass(5, true);
    assert_eq!(bench.last.fan, 100);
}

#[test]
fn a_key_is_told_within_fifteen_milliseconds_and_repeats_while_held() {
    let mut bench = Bench::new(start());
    bench.hello(Features::ALL);
    bench.pass(1_000, true);
    bench.news();
    bench.levels.keys = 1 << 2;
    bench.pass(15, true);
    assert_eq!(bench.news(), [ToHost::Key { key: Key::Select, down: true }]);
    bench.pass(620, true);
    assert_eq!(bench.news(), [ToHost::KeyRepeat(Key::Select), ToHost::KeyRepeat(Key::Select)]);
    bench.levels.keys = 0;
    bench.pass(15, true);
    assert_eq!(bench.news(), [ToHost::Key { key: Key::Select, down: false }]);
}

#[test]
fn session_ids_are_never_used_twice_even_when_a_block_runs_out() {
    let mut bench = Bench::new(start());
    let mut reserved = 0;
    for i in 1..board::BLOCK + 10 {
        let mut out = [0; MAX_FRAME + 2];
        let n = bench.host.hello(Features::V1, 100 + i, &mut out).unwrap();
        for &b in &out[..n] {
            bench.step(Input::Byte(Port::Usb, b));
            if bench.last.reserve {
                reserved += 1;
                bench.step(Input::Reserved(1_000));
            }
        }
        assert!(bench.host.is_open(), "{i}");
    }
    assert_eq!(reserved, 1);
}

#[test]
fn a_program_on_trial_proves_itself_by_ten_seconds_of_session_or_gives_up_after_ninety() {
    let trial = Start { standing: (UpdateState::Trial, 5), ..start() };
    let mut bench = Bench::new(trial);
    bench.hello(Features::ALL);
    bench.send(&ToMcu::UpdateBegin { length: 100, crc: 0 });
    assert!(bench.news().contains(&ToHost::Update { state: UpdateState::Refused, offset: 0 }));
    bench.pass(9_990, true);
    assert!(!bench.last.confirm);
    bench.pass(10, true);
    assert_eq!(bench.news().pop(), Some(ToHost::Update { state: UpdateState::Confirmed, offset: 0 }));
    bench.pass(200_000, false);
    assert!(!bench.last.restart);
    let mut bench = Bench::new(trial);
    bench.pass(89_990, false);
    assert!(!bench.last.restart);
    bench.pass(10, false);
    assert!(bench.last.restart);
}

#[test]
fn a_program_arrives_is_checked_and_started() {
    let mut bench = Bench::new(start());
    bench.hello(Features::ALL);
    bench.news();
    bench.send(&ToMcu::UpdateBegin { length: 300, crc: 9 });
    for offset in (0..300).step_by(32) {
        bench.send(&ToMcu::UpdateData { offset, bytes: [offset as u8; 32] });
        if let Some(FlashJob::Write(_)) = bench.last.job {
            // Until flash is done nothing else is taken.
            bench.send(&ToMcu::UpdateCommit);
            assert_eq!(bench.news().pop(), Some(ToHost::Update { state: UpdateState::Refused, offset: 0 }));
            bench.step(Input::Written(true));
        }
        assert_eq!(bench.news().pop(), Some(ToHost::Update { state: UpdateState::Ready, offset: (offset + 32).min(300) }));
    }
    bench.send(&ToMcu::UpdateSignature { half: 0, bytes: [1; 32] });
    bench.send(&ToMcu::UpdateSignature { half: 1, bytes: [2; 32] });
    bench.send(&ToMcu::UpdateCommit);
    assert_eq!(bench.last.job, Some(FlashJob::Check(300, 9)));
    bench.step(Input::Checked(UpdateState::WrongSignature));
    bench.pass(1_000, true);
    assert!(!bench.last.restart);
    bench.step(Input::Checked(UpdateState::Accepted));
    bench.pass(95, true);
    assert!(!bench.last.restart);
    bench.pass(5, true);
    assert!(bench.last.restart);
}
