//! The messages beyond version 1: their bytes, and that nobody gets one that was not asked for.

use peripheral_icd::*;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

const FIRMWARE: Firmware = Firmware { major: 1, minor: 0, patch: 0 };

/// Payload bytes are pinned one by one; framing around them is pinned by version 1.
fn check<M: Serialize + DeserializeOwned + PartialEq + Debug>(message: M, payload: &[u8]) {
    let mut out = [0; MAX_FRAME + 2];
    let header = Header { session: 7, sequence: 9 };
    let n = encode_frame(header, &message, &mut out).unwrap();
    let raw = postcard::to_slice(&message, &mut [0; MAX_PAYLOAD]).unwrap().to_vec();
    assert_eq!(raw, payload, "{message:?} is written differently");
    assert_eq!(decode_frame(&mut out[1..n - 1]), Ok((header, message)));
}

fn with(head: &[u8], tail: [u8; 32]) -> Vec<u8> {
    [head, &tail[..]].concat()
}

#[test]
fn bytes_to_the_board() {
    check(ToMcu::Show(Signal::Ready), &[2, 6]);
    check(ToMcu::AskTime(Grace::Boot), &[4, 0]);
    check(ToMcu::AskTime(Grace::Update), &[4, 1]);
    check(ToMcu::AskTime(Grace::Payment), &[4, 2]);
    check(ToMcu::Comfort { reduced_motion: true, volume: 100 }, &[5, 1, 100]);
    check(ToMcu::UpdateBegin { length: 300, crc: 1 }, &[6, 0xAC, 2, 1]);
    check(ToMcu::UpdateData { offset: 32, bytes: [5; 32] }, &with(&[7, 32], [5; 32]));
    check(ToMcu::UpdateSignature { half: 1, bytes: [6; 32] }, &with(&[8, 1], [6; 32]));
    check(ToMcu::UpdateCommit, &[9]);
    check(ToMcu::SetTime { utc_s: 1_795_253_460 }, &[10, 0xD4, 0xC9, 0x85, 0xD8, 6]);
}

#[test]
fn bytes_to_the_host() {
    check(ToHost::Time { grace: Grace::Update, granted_ms: 300 }, &[8, 1, 0xAC, 2]);
    check(ToHost::Started { cause: ResetCause::Own, boots: 5 }, &[9, 3, 5]);
    check(ToHost::LastWords { part: 2, bytes: [65; 32] }, &with(&[10, 2], [65; 32]));
    check(ToHost::Climate { centi_celsius: -1, fan_percent: 50, ambient: 255, supply_mv: 300 }, &[11, 1, 50, 255, 0xAC, 2]);
    check(ToHost::Contact { contact: Contact::Tamper, open: true }, &[12, 1, 1]);
    check(ToHost::KeyRepeat(Key::Help), &[13, 4]);
    check(ToHost::Update { state: UpdateState::RolledBack, offset: 32 }, &[14, 8, 32]);
    check(ToHost::Fault { fault: Fault::UpdateRolledBack, detail: 3 }, &[6, 8, 3]);
    check(ToHost::Clock { utc_s: 300, age_s: 7 }, &[15, 0xAC, 2, 7]);
    check(ToHost::Layout { pins: 300 }, &[16, 0xAC, 2]);
}

#[test]
fn a_board_obeys_only_what_it_can_do_and_knows_what_its_host_can_use() {
    for (features, obeyed) in [(Features::V1, false), (Features::ALL, true)] {
        let (mut host, mut mcu) = (HostLink::new(), McuLink::new(features, FIRMWARE));
        let mut out = [0; MAX_FRAME + 2];
        let n = host.hello(Features::COMFORT, 5, &mut out).unwrap();
        out[..n].iter().filter_map(|&b| mcu.push(b)).for_each(drop);
        assert_eq!(mcu.host_features(), Features::COMFORT);
        let n = mcu.answer((1, 1), 5, 100, &mut out).unwrap();
        out[..n].iter().filter_map(|&b| host.push(b)).for_each(drop);
        let asked = ToMcu::AskTime(Grace::Boot);
        let n = host.send(&asked, &mut out).unwrap();
        let heard: Vec<_> = out[..n].iter().filter_map(|&b| mcu.push(b)).collect();
        let nack = McuEvent::Reply(ToHost::Nack { sequence: 1, reason: NackReason::UnknownMessage });
        assert_eq!(heard, [Ok(if obeyed { McuEvent::Command(asked) } else { nack })]);
    }
}
