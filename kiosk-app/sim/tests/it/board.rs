use kiosk_core::{
    DeviceEvent, Signal,
    device::{DeviceKind, Health, Key},
};
use kiosk_devices::{Peripherals, SerialBoard};
use kiosk_sim::BoardSim;
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
    assert!(board.open_drawer());
    assert!(sim.wait_for(SOON, |s| s.drawer_pulses == 1));
    // Too soon: the coil is cooling. The frames behind it show that it has been refused, not that it is late.
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
