//! The NTAG 424 DNA (data sheet NT4H2421Gx): one application with five keys, an NDEF file that writes a new message into
//! itself at each tap, and mutual authentication to change either.

use super::{Identity, SW_NOT_FOUND, SW_OK, Tag, selects};
use card_auth::{
    Key, diversify, ev2, hex,
    ntag424::{self, FREE, FileSettings, KeyNo, Meta, NDEF_BYTES, Sdm, Uid7},
    sun::{self, Mirror},
};

/// The application of NFC Forum type 4 tags.
const NDEF_APP: [u8; 7] = [0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01];

/// Status bytes after `91`.
mod status {
    pub(super) const ILLEGAL: u8 = 0x1C;
    pub(super) const INTEGRITY: u8 = 0x1E;
    pub(super) const LENGTH: u8 = 0x7E;
    pub(super) const DENIED: u8 = 0x9D;
    pub(super) const PARAMETER: u8 = 0x9E;
    pub(super) const AUTHENTICATION: u8 = 0xAE;
}

/// One card.
pub struct Ntag424 {
    uid: Uid7,
    keys: [(Key, u8); 5],
    file: [u8; NDEF_BYTES],
    settings: FileSettings,
    counter: u32,
    draw: u64,
    state: State,
}

#[derive(Default)]
struct State {
    app: bool,
    file: bool,
    challenge: Option<(u8, ev2::CardChallenge)>,
    session: Option<(u8, ev2::Session)>,
    /// This activation's tap is counted.
    counted: bool,
}

impl Ntag424 {
    /// As NXP delivers it.
    pub fn blank(uid: Uid7) -> Self {
        let mut file = [0; NDEF_BYTES];
        // An empty NDEF message.
        file[..5].copy_from_slice(&[0, 3, 0xD0, 0, 0]);
        let seed = uid.iter().fold(0x9E37_79B9_7F4A_7C15, |seed: u64, byte| seed.rotate_left(8) ^ u64::from(*byte));
        Self {
            uid,
            keys: std::array::from_fn(|_| (Key::FACTORY, 0)),
            file,
            settings: FileSettings::FACTORY,
            counter: 0,
            draw: seed,
            state: State::default(),
        }
    }

    /// As `kiosk-app nfc issue` leaves it; `None` where `base` is no host and path.
    pub fn issued(uid: Uid7, master: &Key, picc: &Key, base: &str) -> Option<Self> {
        let mut card = Self::blank(uid);
        let template = ntag424::template(base)?;
        card.file[..template.file.len()].copy_from_slice(&template.file);
        card.settings = template.settings;
        for number in KeyNo::ISSUE_ORDER {
            let key = if number == KeyNo::Picc { picc.clone() } else { diversify::card_key(master, &uid, number) };
            card.keys[number as usize] = (key, 1);
        }
        Some(card)
    }

    /// Its number.
    pub fn uid(&self) -> Uid7 {
        self.uid
    }

    /// The URL that the next reader will see: a tap of its own, which counts.
    pub fn tap(&mut self) -> String {
        self.activate();
        self.counted();
        let file = self.mirrored();
        let length = usize::from(file[1]) + 2;
        format!("https://{}", String::from_utf8_lossy(file.get(7..length).unwrap_or_default()))
    }

    fn random<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| {
            self.draw = self.draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.draw >> 56) as u8
        })
    }

    fn counted(&mut self) {
        if !self.state.counted && self.settings.sdm.is_some() {
            self.counter = (self.counter + 1) & 0xFF_FFFF;
            self.state.counted = true;
        }
    }

    /// The file as it is read without authentication.
    fn mirrored(&mut self) -> [u8; NDEF_BYTES] {
        let mut file = self.file;
        let Some(Sdm { meta, file_key, mac_input_at, mac_at, enc }) = self.settings.sdm else { return file };
        let card = Mirror { uid: self.uid, counter: self.counter };
        match meta {
            Meta::Encrypted { key, at } => {
                let random = self.random();
                put(&mut file, at, &hex::upper(&sun::picc_data(&self.key(key), &card, random)));
            }
            Meta::Plain { uid_at, counter_at } => {
                put(&mut file, uid_at, &hex::upper(&self.uid));
                put(&mut file, counter_at, &hex::upper(&self.counter.to_be_bytes()[1..]));
            }
        }
        let key = self.key(file_key);
        if let Some((at, length)) = enc {
            // Half of the place is the data, the whole place its digits.
            let mut data = part(&file, at, at + length / 2).to_vec();
            sun::encrypt_file_data(&key, &card, &mut data);
            put(&mut file, at, &hex::upper(&data));
        }
        let mac = sun::message_mac(&key, &card, part(&file, mac_input_at, mac_at));
        put(&mut file, mac_at, &hex::upper(&mac));
        file
    }

    fn key(&self, number: u8) -> Key {
        self.keys.get(usize::from(number)).map_or(Key::FACTORY, |(key, _)| key.clone())
    }

    fn may(&self, right: u8) -> bool {
        right == FREE || self.state.session.as_ref().is_some_and(|(number, _)| *number == right)
    }

    fn read(&mut self, from: u16, length: u8) -> Vec<u8> {
        if !self.state.file {
            return vec![0x69, 0x85];
        }
        if !self.may(self.settings.access.read) && !self.may(self.settings.access.read_write) {
            return vec![0x69, 0x82];
        }
        let file = if self.state.session.is_some() {
            self.file
        } else {
            self.counted();
            self.mirrored()
        };
        let from = usize::from(from);
        let length = if length == 0 { NDEF_BYTES } else { usize::from(length) };
        let Some(rest) = file.get(from..) else { return vec![0x6A, 0x86] };
        [&rest[..length.min(rest.len())], &SW_OK].concat()
    }

    fn write(&mut self, at: u16, data: &[u8]) -> Vec<u8> {
        if !self.state.file {
            return vec![0x69, 0x85];
        }
        if !self.may(self.settings.access.write) && !self.may(self.settings.access.read_write) {
            return vec![0x69, 0x82];
        }
        let at = usize::from(at);
        match self.file.get_mut(at..at + data.len()) {
            Some(place) => {
                place.copy_from_slice(data);
                SW_OK.to_vec()
            }
            None => vec![0x6A, 0x86],
        }
    }

    /// A native command in its APDU.
    fn native(&mut self, ins: u8, data: &[u8]) -> Vec<u8> {
        if !self.state.app {
            return failed(status::ILLEGAL);
        }
        match (ins, data) {
            (ev2::AUTHENTICATE, [number, 0]) if usize::from(*number) < self.keys.len() => {
                let random = self.random();
                let (challenge, coded) = ev2::CardChallenge::new(&self.key(*number), random);
                (self.state.challenge, self.state.session) = (Some((*number, challenge)), None);
                [&coded[..], &[0x91, ev2::MORE]].concat()
            }
            (ev2::MORE, data) => self.authenticated(data),
            (ntag424::GET_KEY_VERSION, [number]) if self.state.session.is_none() => match self.keys.get(usize::from(*number)) {
                Some((_, version)) => vec![*version, 0x91, 0x00],
                None => failed(status::PARAMETER),
            },
            (ntag424::GET_FILE_SETTINGS, [ntag424::NDEF_FILE]) if self.state.session.is_none() => {
                [&self.settings.to_report()[..], &[0x91, 0x00]].concat()
            }
            _ => self.secured(ins, data),
        }
    }

    fn authenticated(&mut self, data: &[u8]) -> Vec<u8> {
        let Some((number, challenge)) = self.state.challenge.take() else { return failed(status::ILLEGAL) };
        let ti = self.random();
        let Some((proof, session)) = challenge.finish(data, ti) else { return failed(status::AUTHENTICATION) };
        self.state.session = Some((number, session));
        [&proof[..], &[0x91, 0x00]].concat()
    }

    /// A command inside a session. Whatever is wrong with it ends the session.
    fn secured(&mut self, ins: u8, body: &[u8]) -> Vec<u8> {
        let Some((number, mut session)) = self.state.session.take() else { return failed(status::AUTHENTICATION) };
        let Some(data) = session.heard(ins, body) else { return failed(status::INTEGRITY) };
        let outcome = match (ins, data) {
            (ntag424::CHANGE_KEY, [key, coded @ ..]) => {
                session.heard_full(coded).map(|data| self.change_key(number, *key, &data))
            }
            (ntag424::CHANGE_FILE_SETTINGS, [ntag424::NDEF_FILE, coded @ ..]) => {
                session.heard_full(coded).map(|data| self.change_settings(number, &data))
            }
            (ntag424::GET_CARD_UID, []) => Some(Ok(Done::Full(self.uid.to_vec()))),
            (ntag424::GET_FILE_SETTINGS, [ntag424::NDEF_FILE]) => Some(Ok(Done::Open(self.settings.to_report()))),
            (ntag424::GET_KEY_VERSION, [key]) => {
                let version = self.keys.get(usize::from(*key)).map(|(_, version)| Done::Open(vec![*version]));
                Some(version.ok_or(status::PARAMETER))
            }
            _ => Some(Err(status::ILLEGAL)),
        };
        match outcome.unwrap_or(Err(status::LENGTH)) {
            Err(why) => failed(why),
            Ok(Done::Over) => vec![0x91, 0x00],
            Ok(done) => {
                let said = match done {
                    Done::Full(data) => session.say_full(&data),
                    Done::Open(data) => session.say(&data),
                    Done::Over => Vec::new(),
                };
                self.state.session = Some((number, session));
                [&said[..], &[0x91, 0x00]].concat()
            }
        }
    }

    fn change_key(&mut self, by: u8, number: u8, data: &[u8]) -> Result<Done, u8> {
        if by != KeyNo::Master as u8 {
            return Err(status::AUTHENTICATION);
        }
        let slot = self.keys.get_mut(usize::from(number)).ok_or(status::PARAMETER)?;
        *slot = ntag424::changed_key(number, &slot.0, data).ok_or(status::INTEGRITY)?;
        Ok(if number == by { Done::Over } else { Done::Open(Vec::new()) })
    }

    fn change_settings(&mut self, by: u8, data: &[u8]) -> Result<Done, u8> {
        if self.settings.access.change != by {
            return Err(status::DENIED);
        }
        self.settings = FileSettings::from_bytes(data).filter(fits).ok_or(status::PARAMETER)?;
        self.counter = 0;
        Ok(Done::Open(Vec::new()))
    }
}

enum Done {
    Open(Vec<u8>),
    Full(Vec<u8>),
    /// Done, and the session with it.
    Over,
}

impl Tag for Ntag424 {
    fn activate(&mut self) {
        self.state = State::default();
    }

    fn identity(&self) -> Identity {
        Identity::iso_dep(&self.uid)
    }

    fn exchange(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        if let Some(aid) = selects(data) {
            let counted = self.state.counted;
            self.state = State { app: aid == NDEF_APP, counted, ..State::default() };
            return Some(if self.state.app { SW_OK } else { SW_NOT_FOUND }.to_vec());
        }
        Some(match *data {
            [0x00, 0xA4, 0x00, _, 0x02, 0xE1, 0x04, ..] if self.state.app => {
                self.state.file = true;
                SW_OK.to_vec()
            }
            [0x00, 0xA4, ..] => SW_NOT_FOUND.to_vec(),
            [0x00, 0xB0, high, low, length] => self.read(u16::from_be_bytes([high, low]), length),
            [0x00, 0xD6, high, low, length, ref data @ ..] if data.len() == usize::from(length) => {
                self.write(u16::from_be_bytes([high, low]), data)
            }
            [0x90, ins, 0, 0, 0] => self.native(ins, &[]),
            [0x90, ins, 0, 0, length, ref data @ .., 0] if data.len() == usize::from(length) => self.native(ins, data),
            _ => vec![0x6D, 0x00],
        })
    }
}

/// The places that the card writes to lie within its file.
fn fits(settings: &FileSettings) -> bool {
    let Some(sdm) = settings.sdm else { return true };
    let meta = match sdm.meta {
        Meta::Encrypted { at, .. } => at + 32,
        Meta::Plain { uid_at, counter_at } => (uid_at + 14).max(counter_at + 6),
    };
    let enc = sdm.enc.map_or(0, |(at, length)| at + length);
    let end = meta.max(enc).max(sdm.mac_at + 16);
    sdm.mac_input_at <= sdm.mac_at && usize::try_from(end).is_ok_and(|end| end <= NDEF_BYTES)
}

fn failed(status: u8) -> Vec<u8> {
    vec![0x91, status]
}

fn part(file: &[u8; NDEF_BYTES], from: u32, to: u32) -> &[u8] {
    file.get(from as usize..to as usize).unwrap_or_default()
}

fn put(file: &mut [u8; NDEF_BYTES], at: u32, text: &str) {
    if let Some(place) = file.get_mut(at as usize..at as usize + text.len()) {
        place.copy_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use card_auth::SunMessage;

    #[test]
    fn each_tap_of_an_issued_card_is_a_new_message_with_the_next_number() {
        let (master, picc, uid) = (Key::new([1; 16]), Key::new([2; 16]), [4, 1, 2, 3, 4, 5, 6]);
        let mut card = Ntag424::issued(uid, &master, &picc, "cem.example/t").unwrap();
        let file_key = diversify::card_key(&master, &uid, KeyNo::File);
        for counter in 1..=3 {
            let message = SunMessage::from_url(&card.tap()).unwrap();
            assert_eq!(message.verify(&picc, &file_key).unwrap().card, Mirror { uid, counter });
        }
    }

    #[test]
    fn a_card_with_file_data_mirrors_it_encrypted() {
        let uid = [4, 1, 2, 3, 4, 5, 6];
        let mut card = Ntag424::blank(uid);
        let head = format!("x.org/?picc_data={}&enc=", "0".repeat(32));
        let text = format!("{head}{}{}&cmac={}", "A".repeat(16), "0".repeat(16), "0".repeat(16));
        let emulator = super::super::Emulator::new(uid, &text);
        let mut emulator = emulator;
        let file = emulator.exchange(&[0, 0xB0, 0, 0, 0xFF]).unwrap();
        card.file[..file.len() - 2].copy_from_slice(&file[..file.len() - 2]);
        let at = |text: &str| u32::try_from(7 + text.len()).unwrap();
        let enc = at(&head);
        card.settings.sdm = Some(Sdm {
            meta: Meta::Encrypted { key: 0, at: at("x.org/?picc_data=") },
            file_key: 0,
            mac_input_at: enc,
            mac_at: enc + 32 + 6,
            enc: Some((enc, 32)),
        });
        let proven = SunMessage::from_url(&card.tap()).unwrap().verify(&Key::FACTORY, &Key::FACTORY).unwrap();
        assert_eq!(proven.file_data.as_deref(), Some(&b"AAAAAAAAAAAAAAAA"[..]));
    }

    #[test]
    fn nothing_is_changed_without_the_right_key() {
        let mut card = Ntag424::blank([4, 1, 2, 3, 4, 5, 6]);
        card.exchange(&[0, 0xA4, 4, 0, 7, 0xD2, 0x76, 0, 0, 0x85, 1, 1, 0]);
        let change = ev2::native(ntag424::CHANGE_KEY, &[0; 41]);
        assert_eq!(card.exchange(&change).unwrap(), [0x91, 0xAE]);
        card.exchange(&ev2::first_apdu(0)).unwrap();
        assert_eq!(card.exchange(&ev2::native(ev2::MORE, &[0; 32])).unwrap(), [0x91, 0xAE]);
        assert_eq!(card.exchange(&[0, 0xB0, 0, 0, 4]).unwrap(), [0x69, 0x85], "no file is selected");
    }
}
