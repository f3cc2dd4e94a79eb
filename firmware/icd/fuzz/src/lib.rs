//! peripheral-icd-fuzz: what must hold for any bytes on the line. The fuzz targets call these with what they invent, a test of peripheral-icd
//! with what is kept in `corpus/`.

use peripheral_icd::{Decoder, Features, Firmware, Header, HostLink, MAX_FRAME, McuEvent, McuLink, ToHost, ToMcu, encode_frame};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

/// Nothing panics, what is accepted is written again byte for byte as the same message, and the first whole frame behind
/// any rubbish is found.
pub(crate) fn frames(line: &[u8]) {
    one_way::<ToMcu>(line, ToMcu::OpenDrawer { id: 7, pulse_ms: 100 });
    one_way::<ToHost>(line, ToHost::Presence(true));
}

fn one_way<M: Serialize + DeserializeOwned + Copy + PartialEq + Debug>(line: &[u8], good: M) {
    let mut decoder = Decoder::new();
    let mut out = [0; MAX_FRAME + 2];
    for (header, message) in line.iter().filter_map(|&byte| decoder.push::<M>(byte)).flatten() {
        let n = encode_frame(header, &message, &mut out).expect("what was read can be written");
        let mut other = Decoder::new();
        let again = out[..n].iter().find_map(|&byte| other.push::<M>(byte));
        assert_eq!(again, Some(Ok((header, message))));
    }
    let header = Header { session: 1, sequence: 2 };
    let n = encode_frame(header, &good, &mut out).expect("a short message");
    let found = out[..n].iter().filter_map(|&byte| decoder.push::<M>(byte)).any(|frame| frame == Ok((header, good)));
    assert!(found, "a whole frame was lost behind what came before it");
}

/// A board in a session does nothing for bytes that no host of that session sent, and hears its host behind them.
pub(crate) fn sessions(line: &[u8]) {
    let mut board = McuLink::new(Features::ALL, Firmware { major: 0, minor: 1, patch: 0 });
    let mut host = HostLink::new();
    let mut out = [0; MAX_FRAME + 2];
    let n = host.hello(Features::ALL, 5, &mut out).expect("a hello");
    assert!(out[..n].iter().any(|&byte| matches!(board.push(byte), Some(Ok(McuEvent::Hello { .. })))));
    let n = board.answer((1, 1), 5, 0xC0FF_EE01, &mut out).expect("an answer");
    out[..n].iter().for_each(|&byte| _ = host.push(byte));
    for &byte in line {
        // A Hello is answered whoever sends it; anything else would need the session's id and a CRC.
        match board.push(byte) {
            Some(Ok(McuEvent::Hello { .. })) | Some(Err(_)) | None => {}
            Some(Ok(event)) => panic!("{event:?} was obeyed"),
        }
    }
    let n = host.send(&ToMcu::Ping { token: 9 }, &mut out).expect("a ping");
    let heard = out[..n].iter().any(|&byte| board.push(byte) == Some(Ok(McuEvent::Ping { token: 9 })));
    assert!(heard, "the host was lost behind what came before it");
}
