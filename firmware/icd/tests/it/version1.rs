//! Version 1 as it stands on the wire. Nobody edits this file: boards in shops speak these bytes. A new version, or a new
//! message of this one, gets a file or a test of its own.
//!
//! The bytes were made by another implementation (Python: `zlib.crc32`, COBS and postcard written out by hand).

use peripheral_icd::*;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

const S: u32 = 0x1122_3344;
const FIRMWARE: Firmware = Firmware { major: 0, minor: 1, patch: 2 };

fn check<M: Serialize + DeserializeOwned + PartialEq + Debug>(session: u32, sequence: u32, message: M, bytes: &str) {
    let bytes: Vec<u8> = bytes.split(' ').map(|b| u8::from_str_radix(b, 16).unwrap()).collect();
    let header = Header { session, sequence };
    let mut out = [0xAA; MAX_FRAME + 2];
    let n = encode_frame(header, &message, &mut out).unwrap();
    assert_eq!(out[..n], bytes, "{message:?} is written differently");
    let mut decoder = Decoder::new();
    let read: Vec<_> = bytes.iter().filter_map(|&b| decoder.push::<M>(b)).collect();
    assert_eq!(read, [Ok((header, message))]);
}

#[test]
fn host_to_mcu() {
    check(
        0,
        0,
        ToMcu::Hello { min: 1, max: 1, features: Features::V1, nonce: 0xA1B2_C3D4 },
        "00 01 01 01 01 01 01 01 01 01 0D 01 01 1F D4 87 CB 8D 0A 7B 6B 4B AE 00",
    );
    check(S, 1, ToMcu::Ping { token: 300 }, "00 06 44 33 22 11 01 01 01 08 01 AC 02 60 8A CD D9 00");
    check(S, 2, ToMcu::Show(Signal::Idle), "00 06 44 33 22 11 02 01 01 02 02 05 63 02 63 66 00");
    check(S, 3, ToMcu::Show(Signal::TapHere), "00 06 44 33 22 11 03 01 01 07 02 01 50 E1 38 DA 00");
    check(S, 4, ToMcu::Show(Signal::Thinking), "00 06 44 33 22 11 04 01 01 07 02 02 52 80 34 5E 00");
    check(S, 5, ToMcu::Show(Signal::Approved), "00 06 44 33 22 11 05 01 01 07 02 03 61 63 6F E2 00");
    check(S, 6, ToMcu::Show(Signal::Declined), "00 06 44 33 22 11 06 01 01 07 02 04 6C 84 9F FA 00");
    check(S, 7, ToMcu::Show(Signal::CallStaff), "00 06 44 33 22 11 07 01 01 07 02 05 5F 67 C4 46 00");
    check(S, 255, ToMcu::OpenDrawer { id: 7, pulse_ms: 100 }, "00 06 44 33 22 11 FF 01 01 08 03 07 64 C5 BE 2A 07 00");
    check(
        S,
        256,
        ToMcu::OpenDrawer { id: u32::MAX, pulse_ms: u16::MAX },
        "00 05 44 33 22 11 02 01 01 0E 03 FF FF FF FF 0F FF FF 03 CD C8 AC 30 00",
    );
}

#[test]
fn mcu_to_host() {
    check(
        S,
        1,
        ToHost::Hello { version: 1, min: 1, max: 1, features: Features::V1, nonce: 0xA1B2_C3D4, firmware: FIRMWARE },
        "00 06 44 33 22 11 01 01 01 01 0A 01 01 01 1F D4 87 CB 8D 0A 07 01 02 8C 98 6F 45 00",
    );
    check(
        S,
        2,
        ToHost::Pong { token: 300, uptime_ms: 86_400_000 },
        "00 06 44 33 22 11 02 01 01 0C 01 AC 02 80 B8 99 29 97 A3 5C 2A 00",
    );
    check(S, 3, ToHost::Key { key: Key::Up, down: true }, "00 06 44 33 22 11 03 01 01 02 02 06 01 4F 87 AF D7 00");
    check(S, 4, ToHost::Key { key: Key::Down, down: false }, "00 06 44 33 22 11 04 01 01 03 02 01 05 16 B8 14 7C 00");
    check(S, 5, ToHost::Key { key: Key::Select, down: true }, "00 06 44 33 22 11 05 01 01 08 02 02 01 F7 D0 49 86 00");
    check(S, 6, ToHost::Key { key: Key::Back, down: false }, "00 06 44 33 22 11 06 01 01 03 02 03 05 BD CB BD D9 00");
    check(S, 7, ToHost::Key { key: Key::Help, down: true }, "00 06 44 33 22 11 07 01 01 08 02 04 01 58 66 8C 47 00");
    check(S, 8, ToHost::Presence(true), "00 06 44 33 22 11 08 01 01 07 03 01 D2 20 E4 A9 00");
    check(S, 9, ToHost::Presence(false), "00 06 44 33 22 11 09 01 01 02 03 05 E1 C3 BF 15 00");
    check(S, 10, ToHost::Headphones(true), "00 06 44 33 22 11 0A 01 01 07 04 01 1E 17 6D AB 00");
    check(S, 11, ToHost::Headphones(false), "00 06 44 33 22 11 0B 01 01 02 04 05 2D F4 36 17 00");
    check(S, 12, ToHost::Drawer { id: 7, state: Drawer::Pulsed }, "00 06 44 33 22 11 0C 01 01 03 05 07 05 72 47 EE 1C 00");
    check(S, 13, ToHost::Drawer { id: 7, state: Drawer::TooSoon }, "00 06 44 33 22 11 0D 01 01 08 05 07 01 50 7C 9E CD 00");
    check(S, 14, ToHost::Drawer { id: 7, state: Drawer::NotFitted }, "00 06 44 33 22 11 0E 01 01 08 05 07 02 77 37 7F 65 00");
    check(S, 15, ToHost::Fault { fault: Fault::KeyStuck, detail: 0 }, "00 06 44 33 22 11 0F 01 01 02 06 01 05 71 75 01 60 00");
    check(
        S,
        16,
        ToHost::Fault { fault: Fault::PresenceSensor, detail: 1000 },
        "00 06 44 33 22 11 10 01 01 09 06 01 E8 07 A5 0A FA 59 00",
    );
    check(
        S,
        17,
        ToHost::Fault { fault: Fault::LightRing, detail: 2000 },
        "00 06 44 33 22 11 11 01 01 09 06 02 D0 0F AB 80 52 8E 00",
    );
    check(
        S,
        18,
        ToHost::Fault { fault: Fault::BrownOut, detail: 3000 },
        "00 06 44 33 22 11 12 01 01 09 06 03 B8 17 86 94 57 BF 00",
    );
    check(
        S,
        19,
        ToHost::Fault { fault: Fault::WatchdogReset, detail: 4000 },
        "00 06 44 33 22 11 13 01 01 09 06 04 A0 1F F6 92 72 FA 00",
    );
    check(
        S,
        20,
        ToHost::Nack { sequence: 255, reason: NackReason::UnknownMessage },
        "00 06 44 33 22 11 14 01 01 04 07 FF 01 05 E6 E0 8E CB 00",
    );
    check(
        S,
        21,
        ToHost::Nack { sequence: 255, reason: NackReason::OutOfRange },
        "00 06 44 33 22 11 15 01 01 09 07 FF 01 01 EE D0 23 70 00",
    );
}

#[test]
fn limits_and_intervals() {
    assert_eq!((VERSIONS, MAX_PAYLOAD, MAX_FRAME), ((1, 1), 48, 61));
    assert_eq!((PING_MS, SILENCE_MS, DRAWER_PULSE_MS), (500, 1500, 10..=500));
    assert_eq!(Features::V1.0, 31);
    let bits = [Features::KEYPAD, Features::PRESENCE, Features::HEADPHONES, Features::LIGHT_RING, Features::DRAWER];
    assert_eq!(bits.map(|b| b.0), [1, 2, 4, 8, 16]);
}
