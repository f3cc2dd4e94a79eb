use ed25519_dalek::{Signer, SigningKey};
use kiosk_core::device::{Alarm, Ambient};
use kiosk_core::{
    DeviceEvent, Signal,
    device::{DeviceKind, Health, Key},
};
use kiosk_devices::{
    Notice, Peripherals, SerialBoard,
    peripherals::{Expect, SignedImage, UpdateError, version},
};
use kiosk_sim::{BoardPlan, BoardSim};
use peripheral_icd::{Features, UpdateState, pins};
use std::{path::PathBuf, time::Duration};

const SOON: Duration = Duration::from_secs(5);

fn bench() -> (tempfile::TempDir, PathBuf, BoardSim, SerialBoard) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("board.pty");
    let sim = BoardSim::start(&path).unwrap();
    let board = SerialBoard::new(&path).unwrap();
    (dir, path, sim, board)
}

fn next(board: &mut SerialBoard) -> DeviceEvent {
    board.next(SOON).unwrap()
}

fn open(board: &mut SerialBoard) {
    assert_eq!(next(board), DeviceEvent::Health(DeviceKind::Peripherals, Health::Ok));
    assert!(matches!(next(board), DeviceEvent::Presence(_)));
    assert!(matches!(next(board), DeviceEvent::Headphones(_)));
}

#[test]
fn a_board_says_hello_and_how_everything_stands() {
    let (_dir, _, sim, mut board) = bench();
    sim.obey("presence on").unwrap();
    assert_eq!(next(&mut board), DeviceEvent::Health(DeviceKind::Peripherals, Health::Ok));
    assert_eq!(next(&mut board), DeviceEvent::Presence(true));
    assert_eq!(next(&mut board), DeviceEvent::Headphones(false));
}

#[test]
fn keys_presence_and_headphones_arrive_in_order() {
    let (_dir, _, sim, mut board) = bench();
    assert!(sim.obey("key up").is_err(), "no kiosk is connected yet");
    open(&mut board);
    for line in ["key up", "key help", "presence on", "headphones on", "key select"] {
        sim.obey(line).unwrap();
    }
    let heard: Vec<_> = (0..5).map(|_| next(&mut board)).collect();
    let expect = [
        DeviceEvent::Key(Key::Up),
        DeviceEvent::Key(Key::Help),
        DeviceEvent::Presence(true),
        DeviceEvent::Headphones(true),
        DeviceEvent::Key(Key::Select),
    ];
    assert_eq!(heard, expect);
}

#[test]
fn signals_are_shown_and_the_drawer_opens_once() {
    let (_dir, _, sim, mut board) = bench();
    assert!(!board.open_drawer(), "there is no session yet");
    open(&mut board);
    board.show(Signal::Approved);
    assert!(sim.wait_for(SOON, |s| s.signal == Some(peripheral_icd::Signal::Approved)));
    // A coil of unknown past is given a rest when the board starts.
    let pulsed = |_| board.open_drawer() && sim.wait_for(Duration::from_millis(100), |s| s.drawer_pulses == 1);
    assert!((0..50).any(pulsed));
    // Too soon: the coil is cooling. The frame behind it shows that it has been refused, not that it is late.
    assert!(board.open_drawer());
    board.show(Signal::Idle);
    assert!(sim.wait_for(SOON, |s| s.signal == Some(peripheral_icd::Signal::Idle)));
    assert_eq!(sim.state().drawer_pulses, 1);
}

#[test]
fn a_wake_ends_the_wait() {
    let (_dir, _, _sim, mut board) = bench();
    open(&mut board);
    board.waker().wake();
    let before = std::time::Instant::now();
    assert_eq!(board.next(Duration::from_secs(60)), None);
    assert!(before.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_board_that_goes_is_lost_and_comes_back_with_its_signal() {
    let (_dir, path, sim, mut board) = bench();
    open(&mut board);
    board.show(Signal::TapHere);
    assert!(sim.wait_for(SOON, |s| s.signal == Some(peripheral_icd::Signal::TapHere)));
    drop(sim);
    assert_eq!(next(&mut board), DeviceEvent::Health(DeviceKind::Peripherals, Health::Lost));
    assert!(!board.open_drawer());
    let again = BoardSim::start(&path).unwrap();
    open(&mut board);
    assert!(again.wait_for(SOON, |s| s.connected && s.signal == Some(peripheral_icd::Signal::TapHere)));
}

#[test]
fn a_board_that_is_not_the_one_in_the_config_raises_an_alarm_and_is_not_quite_well() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("board.pty");
    let features = Features(Features::ALL.0 & !Features::DRAWER.0);
    let _sim = BoardSim::start_with(&path, BoardPlan { features, ..BoardPlan::default() }).unwrap();
    let expect = Expect {
        fitted: Some(vec![Features::KEYPAD, Features::DRAWER]),
        firmware: version("9.0.0"),
        pins: Some(pins::checksum(&pins::FIRMWARE[..5])),
    };
    let mut board = SerialBoard::new(&path).unwrap().expecting(expect);
    let mut alarms = vec![];
    let mut health = None;
    while alarms.len() < 3 {
        match next(&mut board) {
            DeviceEvent::Alarm { alarm: Alarm::BoardMismatch, detail } => alarms.push(detail),
            DeviceEvent::Health(DeviceKind::Peripherals, is) => health = Some(is),
            _ => {}
        }
    }
    assert_eq!(health, Some(Health::Low));
    assert!(alarms[0].contains("drawer") && alarms[1].contains("9.0.0") && alarms[2].contains("pins"), "{alarms:?}");
}

#[test]
fn an_open_door_is_an_alarm_and_dusk_is_told() {
    let (_dir, _, sim, mut board) = bench();
    open(&mut board);
    sim.obey("door open").unwrap();
    assert!(matches!(next(&mut board), DeviceEvent::Alarm { alarm: Alarm::CaseOpened, .. }));
    drop(board);
    // With the next session everything is told anew, the light too.
    sim.obey("light 0").unwrap();
    assert!(sim.wait_for(SOON, |s| !s.connected));
    let mut board = SerialBoard::new(&_dir.path().join("board.pty")).unwrap();
    let seen: Vec<_> = std::iter::from_fn(|| Some(next(&mut board))).take(5).collect();
    // The board follows light slowly: how dark it is by now depends on when the session began.
    assert!(seen.iter().any(|event| matches!(event, DeviceEvent::Ambient(Ambient::Dark | Ambient::Dim))), "{seen:?}");
}

#[test]
fn the_time_survives_a_kiosk_that_loses_it() {
    let (_dir, path, _sim, mut board) = bench();
    open(&mut board);
    board.tell(Notice::Time(1_795_253_460));
    // Both go over the same line, in order.
    board.show(Signal::TapHere);
    assert!(_sim.wait_for(SOON, |s| s.signal == Some(peripheral_icd::Signal::TapHere)));
    drop(board);
    let mut board = SerialBoard::new(&path).unwrap();
    open(&mut board);
    while board.next(Duration::from_millis(50)).is_some() {}
    let kept = board.kept_time().unwrap();
    assert!((1_795_253_460..1_795_253_520).contains(&kept), "{kept}");
    assert_eq!(board.kept_time(), None);
}

#[test]
fn a_signed_program_is_installed_over_the_link_and_another_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("board.pty");
    let (key, other) = (SigningKey::from_bytes(&[7; 32]), SigningKey::from_bytes(&[8; 32]));
    let plan = BoardPlan { update_key: Some(key.verifying_key().to_bytes()), ..BoardPlan::default() };
    let sim = BoardSim::start_with(&path, plan).unwrap();
    let mut board = SerialBoard::new(&path).unwrap();
    let program = vec![0x5A; 1_000];
    let signed = |key: &SigningKey| SignedImage::new(program.clone(), key.sign(&program).to_bytes()).unwrap();
    let refused = board.install(&signed(&other), &mut |_, _| ());
    assert_eq!(refused, Err(UpdateError::Refused(UpdateState::WrongSignature)));
    let mut sent = 0;
    board.install(&signed(&key), &mut |now, all| sent = now * 100 / all).unwrap();
    assert_eq!((sent, sim.state().boots), (100, 2));
    // What happened meanwhile was kept for whoever asks next.
    assert_eq!(next(&mut board), DeviceEvent::Health(DeviceKind::Peripherals, Health::Ok));
}

#[test]
fn what_is_not_a_tty_is_lost_not_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, "x").unwrap();
    for path in [path, dir.path().join("nothing")] {
        let mut board = SerialBoard::new(&path).unwrap();
        assert_eq!(next(&mut board), DeviceEvent::Health(DeviceKind::Peripherals, Health::Lost));
        assert_eq!(board.next(Duration::from_millis(5)), None);
    }
}
