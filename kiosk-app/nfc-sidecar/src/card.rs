//! A card in the field: what it is, and what it has to say without a key.

use kiosk_devices::{ReaderLine, Tag, TagKind, Uid};
use nfc1::{BaudRate, Device, Error, Modulation, ModulationType, Timeout, target_info::TargetInfo};
use std::time::Duration;

/// One exchange with a card takes no longer.
pub(crate) const EXCHANGE: Timeout = Timeout::Duration(Duration::from_millis(600));
/// An answer of 256 bytes with status, and the reader's own byte; a shorter buffer would be an error.
const ANSWER: usize = 264;
/// SEL_RES, bit 5: the card speaks ISO/IEC 14443-4.
const ISO_DEP: u8 = 0x20;

const A_106: Modulation = Modulation { modulation_type: ModulationType::Iso14443a, baud_rate: BaudRate::Baud106 };

/// NFC Forum type 4: the NDEF application.
const SELECT_NDEF: &[u8] = &[0x00, 0xA4, 0x04, 0x00, 0x07, 0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01, 0x00];
/// Its file with the message, E104 on an NTAG 424.
const SELECT_FILE: &[u8] = &[0x00, 0xA4, 0x00, 0x0C, 0x02, 0xE1, 0x04];
/// The shop's application on a telephone: F0 "CEMKIOSK".
const SELECT_OURS: &[u8] = b"\x00\xA4\x04\x00\x09\xF0CEMKIOSK\x00";
/// The directory that every contactless bank card has.
const SELECT_BANK: &[u8] = b"\x00\xA4\x04\x00\x0E2PAY.SYS.DDF01\x00";

/// What is read at once: our URLs fit, and fewer bytes are a faster tap.
const FIRST_READ: u8 = 128;
/// More than that no URL of a card has.
const FILE_MAX: usize = 512;

/// A card that was found.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) uid: Uid,
    iso_dep: bool,
}

/// Looks for a card once. Bounded: a third of a second if the chip says nothing.
pub(crate) fn find(device: &mut Device) -> Result<Option<Found>, Error> {
    let target = device.initiator_select_passive_target(&A_106)?;
    let TargetInfo::Iso14443a(info) = target.target_info else { return Ok(None) };
    // Without a card all of it is zero; a length that the array does not have is a lie of the chip.
    let uid = info.uid.get(..info.uid_len).and_then(Uid::new);
    Ok(uid.map(|uid| Found { uid, iso_dep: info.sak & ISO_DEP != 0 }))
}

/// Sends a command to the card; data and status bytes.
pub(crate) fn exchange(device: &mut Device, apdu: &[u8]) -> Result<Vec<u8>, Error> {
    device.initiator_transceive_bytes(apdu, ANSWER, EXCHANGE)
}

/// True while the card that was found is still there. A look that fails looks again: one lost frame is no lost card.
pub(crate) fn is_there(device: &mut Device, card: &Found) -> Result<bool, Error> {
    if device.initiator_target_is_present_any().is_ok() {
        return Ok(true);
    }
    Ok(find(device)?.as_ref() == Some(card))
}

/// What the kiosk is told of a new card.
///
/// # Errors
/// When the card left in between: it is looked for again.
pub(crate) fn read(device: &mut Device, card: &Found, number: u32) -> Result<ReaderLine, Error> {
    let tap = |kind, url, data| ReaderLine::Tap(Tag { number, kind, uid: card.uid.clone(), url, data });
    if !card.iso_dep {
        return Ok(tap(TagKind::Uid, None, Vec::new()));
    }
    if is_ok(&exchange(device, SELECT_NDEF)?) {
        let url = url(device)?;
        return Ok(tap(TagKind::Ntag424, url, Vec::new()));
    }
    let ours = exchange(device, SELECT_OURS)?;
    if is_ok(&ours) {
        return Ok(tap(TagKind::Hce, None, ours));
    }
    if is_ok(&exchange(device, SELECT_BANK)?) {
        return Ok(ReaderLine::BankCard);
    }
    Ok(tap(TagKind::Uid, None, Vec::new()))
}

fn is_ok(answer: &[u8]) -> bool {
    answer.ends_with(&[0x90, 0x00])
}

/// The URL in the card's file; `None` where there is none.
fn url(device: &mut Device) -> Result<Option<String>, Error> {
    if !is_ok(&exchange(device, SELECT_FILE)?) {
        return Ok(None);
    }
    let mut file = read_binary(device, 0, FIRST_READ)?;
    if file.is_empty() {
        // A short file refuses to be read beyond its end.
        file = read_binary(device, 0, 2)?;
    }
    let [high, low, ..] = file[..] else { return Ok(None) };
    let length = 2 + usize::from(u16::from_be_bytes([high, low]));
    while file.len() < length.min(FILE_MAX) {
        let (Ok(at), left) = (u16::try_from(file.len()), length - file.len()) else { return Ok(None) };
        let more = read_binary(device, at, u8::try_from(left).unwrap_or(FIRST_READ).min(FIRST_READ))?;
        if more.is_empty() {
            return Ok(None);
        }
        file.extend(more);
    }
    Ok(file.get(2..length).and_then(uri))
}

fn read_binary(device: &mut Device, at: u16, length: u8) -> Result<Vec<u8>, Error> {
    let [high, low] = at.to_be_bytes();
    let mut answer = exchange(device, &[0x00, 0xB0, high, low, length])?;
    let good = is_ok(&answer);
    answer.truncate(if good { answer.len().saturating_sub(2) } else { 0 });
    Ok(answer)
}

/// The URI of a message of one short record (NFC Forum: NDEF 1.0, URI RTD 1.0).
fn uri(message: &[u8]) -> Option<String> {
    let [0xD1, 0x01, length, b'U', prefix, rest @ ..] = message else { return None };
    let prefix = ["", "http://www.", "https://www.", "http://", "https://"].get(usize::from(*prefix))?;
    let text = rest.get(..usize::from(*length).checked_sub(1)?)?;
    Some(format!("{prefix}{}", std::str::from_utf8(text).ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_address_in_a_message_is_read() {
        assert_eq!(uri(b"\xD1\x01\x06U\x04x.org").as_deref(), Some("https://x.org"));
        assert_eq!(uri(b"\xD1\x01\x03U\x00a:trailing").as_deref(), Some("a:"));
        for bad in [
            &b""[..],
            b"\xD0\x00\x00",
            b"\xD1\x01\x06U\x04x",
            b"\xD1\x01\x00U\x04",
            b"\xD1\x01\x02U\x63x",
            b"\xD1\x01\x02U\x04\xFF",
        ] {
            assert_eq!(uri(bad), None, "{bad:?}");
        }
    }
}
