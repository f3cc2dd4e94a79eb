//! Who may say what when.

use peripheral_icd::*;
use serde::Serialize;

const FIRMWARE: Firmware = Firmware { major: 1, minor: 0, patch: 0 };
type Bytes = Vec<u8>;

fn written(write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Bytes {
    let mut out = [0; MAX_FRAME + 2];
    let n = write(&mut out).unwrap();
    out[..n].to_vec()
}

fn at_mcu(mcu: &mut McuLink, bytes: &[u8]) -> Vec<Result<McuEvent, LinkError>> {
    bytes.iter().filter_map(|&b| mcu.push(b)).collect()
}

fn at_host(host: &mut HostLink, bytes: &[u8]) -> Vec<Result<HostEvent, LinkError>> {
    bytes.iter().filter_map(|&b| host.push(b)).collect()
}

/// Says hello and gives back both sides of it as they were on the wire.
fn greet(host: &mut HostLink, mcu: &mut McuLink, nonce: u32, session: u32) -> (Bytes, Bytes) {
    let hello = written(|out| host.hello(Features::V1, nonce, out));
    assert_eq!(at_mcu(mcu, &hello), [Ok(McuEvent::Hello { min: 1, max: 1, nonce })]);
    let answer = written(|out| mcu.answer((1, 1), nonce, session, out));
    let open = HostEvent::Open { version: 1, features: Features::V1, firmware: FIRMWARE };
    assert_eq!(at_host(host, &answer), [Ok(open)]);
    (hello, answer)
}

fn pair() -> (HostLink, McuLink) {
    (HostLink::new(), McuLink::new(Features::V1, FIRMWARE))
}

const OPEN: ToMcu = ToMcu::OpenDrawer { id: 1, pulse_ms: 100 };

fn frame<M: Serialize>(session: u32, sequence: u32, message: &M) -> Bytes {
    written(|out| encode_frame(Header { session, sequence }, message, out))
}

#[test]
fn before_hello_nothing_is_said_and_nothing_obeyed() {
    let (mut host, mut mcu) = pair();
    let mut out = [0; MAX_FRAME + 2];
    assert_eq!(host.send(&OPEN, &mut out), None);
    assert_eq!(mcu.send(&ToHost::Presence(true), &mut out), None);
    assert_eq!(at_mcu(&mut mcu, &frame(0, 1, &OPEN)), [Err(LinkError::Session)]);
    assert_eq!(at_host(&mut host, &frame(0, 1, &ToHost::Presence(true))), [Err(LinkError::Session)]);
}

#[test]
fn a_replayed_drawer_command_opens_nothing_in_its_session_nor_in_a_later_one() {
    let (mut host, mut mcu) = pair();
    let (hello, _) = greet(&mut host, &mut mcu, 5, 100);
    let open = written(|out| host.send(&OPEN, out));
    assert_eq!(at_mcu(&mut mcu, &open), [Ok(McuEvent::OpenDrawer { id: 1, pulse_ms: 100 })]);
    assert_eq!(at_mcu(&mut mcu, &open), [Err(LinkError::Stale)]);
    // A recording of the whole session, its hello included.
    assert_eq!(at_mcu(&mut mcu, &hello), [Ok(McuEvent::Hello { min: 1, max: 1, nonce: 5 })]);
    written(|out| mcu.answer((1, 1), 5, 101, out));
    assert_eq!(at_mcu(&mut mcu, &open), [Err(LinkError::Session)]);
    // And after the real host has opened a session of its own.
    greet(&mut host, &mut mcu, 6, 102);
    assert_eq!(at_mcu(&mut mcu, &open), [Err(LinkError::Session)]);
}

#[test]
fn numbers_may_skip_but_never_fall() {
    let (mut host, mut mcu) = pair();
    greet(&mut host, &mut mcu, 5, 100);
    let ping = |n| frame(100, n, &ToMcu::Ping { token: n });
    assert_eq!(at_mcu(&mut mcu, &ping(3)), [Ok(McuEvent::Ping { token: 3 })]);
    assert_eq!(at_mcu(&mut mcu, &ping(2)), [Err(LinkError::Stale)]);
    assert_eq!(at_mcu(&mut mcu, &ping(u32::MAX)), [Ok(McuEvent::Ping { token: u32::MAX })]);
    assert_eq!(at_mcu(&mut mcu, &ping(u32::MAX)), [Err(LinkError::Stale)]);
}

#[test]
fn a_recorded_answer_to_hello_does_not_open_a_session_at_the_host() {
    let (mut host, mut mcu) = pair();
    let (_, answer) = greet(&mut host, &mut mcu, 5, 100);
    assert_eq!(at_host(&mut host, &answer), [Err(LinkError::Nonce)]);
    written(|out| host.hello(Features::V1, 6, out));
    assert_eq!(at_host(&mut host, &answer), [Err(LinkError::Nonce)]);
    assert!(!host.is_open());
}

#[test]
fn events_of_the_mcu_are_heard_once() {
    let (mut host, mut mcu) = pair();
    greet(&mut host, &mut mcu, 5, 100);
    let key = ToHost::Key { key: Key::Select, down: true };
    let press = written(|out| mcu.send(&key, out));
    assert_eq!(at_host(&mut host, &press), [Ok(HostEvent::Message(key))]);
    assert_eq!(at_host(&mut host, &press), [Err(LinkError::Stale)]);
    // The same from the session before a reset of the board.
    greet(&mut host, &mut mcu, 6, 101);
    assert_eq!(at_host(&mut host, &press), [Err(LinkError::Session)]);
}

#[test]
fn sides_without_a_version_in_common_say_so() {
    let (mut host, mut mcu) = pair();
    written(|out| host.hello(Features::V1, 5, out));
    let answer = written(|out| mcu.answer((2, 9), 5, 100, out));
    assert!(!mcu.is_open());
    assert_eq!(at_host(&mut host, &answer), [Ok(HostEvent::Incompatible { min: 1, max: 1 })]);
    assert!(!host.is_open());
    // A newer host that still speaks version 1.
    written(|out| mcu.answer((1, 9), 5, 101, out));
    assert!(mcu.is_open());
    // One that turns its range around.
    written(|out| mcu.answer((9, 1), 5, 102, out));
    assert!(!mcu.is_open());
}

#[test]
fn what_cannot_be_obeyed_is_answered() {
    let (mut host, mut mcu) = pair();
    greet(&mut host, &mut mcu, 5, 100);
    let nack = |sequence, reason| [Ok(McuEvent::Reply(ToHost::Nack { sequence, reason }))];
    let long = ToMcu::OpenDrawer { id: 1, pulse_ms: 501 };
    assert_eq!(at_mcu(&mut mcu, &frame(100, 1, &long)), nack(1, NackReason::OutOfRange));
    // A message of a later version: variant 200 is not known here.
    assert_eq!(at_mcu(&mut mcu, &frame(100, 2, &(200u8, 1u8))), nack(2, NackReason::UnknownMessage));
    assert_eq!(at_mcu(&mut mcu, &frame(100, 2, &(200u8, 1u8))), [Err(LinkError::Stale)]);
    // The host counts what it does not know and goes on.
    let header = Header { session: 100, sequence: 9 };
    let unknown = at_host(&mut host, &frame(100, 9, &(200u8, 1u8)));
    assert_eq!(unknown, [Err(LinkError::Frame(FrameError::Unknown(header)))]);
    assert!(host.is_open());
}

#[test]
fn a_board_without_a_drawer_says_so() {
    let mut mcu = McuLink::new(Features::KEYPAD, FIRMWARE);
    written(|out| mcu.answer((1, 1), 5, 100, out));
    let state = Drawer::NotFitted;
    assert_eq!(at_mcu(&mut mcu, &frame(100, 1, &OPEN)), [Ok(McuEvent::Reply(ToHost::Drawer { id: 1, state }))]);
}

#[test]
fn silence_closes_the_session_of_the_mcu() {
    let (mut host, mut mcu) = pair();
    greet(&mut host, &mut mcu, 5, 100);
    let ping = written(|out| host.send(&ToMcu::Ping { token: 1 }, out));
    mcu.close();
    assert_eq!(at_mcu(&mut mcu, &ping), [Err(LinkError::Session)]);
}
