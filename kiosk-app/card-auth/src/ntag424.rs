//! Commands, keys and file settings of the NTAG 424 DNA (data sheet NT4H2421Gx), as far as issuing and reading guest cards
//! needs them.

use crate::{
    crypto::{BLOCK, Key},
    ev2::native,
};
use alloc::vec::Vec;

/// A card's UID.
pub type Uid7 = [u8; 7];

/// INS of ChangeKey.
pub const CHANGE_KEY: u8 = 0xC4;
/// INS of ChangeFileSettings.
pub const CHANGE_FILE_SETTINGS: u8 = 0x5F;
/// INS of GetFileSettings.
pub const GET_FILE_SETTINGS: u8 = 0xF5;
/// INS of GetKeyVersion.
pub const GET_KEY_VERSION: u8 = 0x64;
/// INS of GetCardUID.
pub const GET_CARD_UID: u8 = 0x51;
/// INS of WriteData.
pub const WRITE_DATA: u8 = 0x8D;
/// The NDEF file's number; its ISO id is E104.
pub const NDEF_FILE: u8 = 0x02;
/// Bytes of the NDEF file.
pub const NDEF_BYTES: usize = 256;

/// The five keys of the application, and what we use them for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum KeyNo {
    /// Changes keys and settings. Derived for each card; stays at the backend.
    Master = 0,
    /// Encrypts the PICC data. The same on all cards of a tenant: it has to be known before the card is.
    Picc = 1,
    /// MACs messages and proves the card by EV2First. Derived for each card; kiosks get it for the cards they meet.
    File = 2,
    /// Not used; derived for each card, so that nobody else can use it.
    Third = 3,
    /// Not used; derived for each card.
    Fourth = 4,
}

impl KeyNo {
    /// All of them, the master last: a card whose issue was interrupted can then be gone on with under the old master.
    pub const ISSUE_ORDER: [Self; 5] = [Self::Picc, Self::File, Self::Third, Self::Fourth, Self::Master];
}

/// Data of ChangeKey, in the open; it is sent by [`Session::full`](crate::ev2::Session::full) with the key's number as its
/// header. The master's own change ends the session, and its answer has no MAC.
pub fn change_key_data(number: KeyNo, old: &Key, new: &Key, version: u8) -> Vec<u8> {
    let mut data = new.expose().to_vec();
    if number == KeyNo::Master {
        data.push(version);
        return data;
    }
    data.iter_mut().zip(old.expose()).for_each(|(byte, old)| *byte ^= old);
    data.push(version);
    data.extend(crc32(new.expose()).to_le_bytes());
    data
}

/// The card's side: the new key and its version; `None` where `old` is not the key that the host thought.
pub fn changed_key(number: u8, old: &Key, data: &[u8]) -> Option<(Key, u8)> {
    let (bytes, rest) = data.split_first_chunk::<BLOCK>()?;
    if number == KeyNo::Master as u8 {
        return Some((Key::new(*bytes), *rest.first().filter(|_| rest.len() == 1)?));
    }
    let new: [u8; 16] = core::array::from_fn(|at| bytes[at] ^ old.expose()[at]);
    let (version, crc) = rest.split_first()?;
    (crc == crc32(&new).to_le_bytes()).then(|| (Key::new(new), *version))
}

/// CRC-32 (IEEE 802.3) without the final inversion, as ChangeKey wants it.
fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1))))
}

/// GetKeyVersion, in the open: factory keys have version 0, ours another.
pub fn get_key_version(number: KeyNo) -> Vec<u8> {
    native(GET_KEY_VERSION, &[number as u8])
}

/// Who may do what with a file: a key's number, [`FREE`] or [`NOBODY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Access {
    pub read: u8,
    pub write: u8,
    pub read_write: u8,
    pub change: u8,
}

/// Access without a key.
pub const FREE: u8 = 0xE;
/// No access.
pub const NOBODY: u8 = 0xF;

/// How a message names the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Meta {
    /// PICC data under this key at this place.
    Encrypted { key: u8, at: u32 },
    /// UID and counter in the open.
    Plain { uid_at: u32, counter_at: u32 },
}

/// What a card writes into its file at each tap. Places are bytes from the beginning of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sdm {
    /// The card's name and counter.
    pub meta: Meta,
    /// Key of MAC and encrypted file data.
    pub file_key: u8,
    /// Where the MAC's input begins.
    pub mac_input_at: u32,
    /// Where the MAC's 16 digits go.
    pub mac_at: u32,
    /// Place and length, in digits, of encrypted file data.
    pub enc: Option<(u32, u32)>,
}

/// Settings of the NDEF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// Who may do what.
    pub access: Access,
    /// Messages; `None` as delivered.
    pub sdm: Option<Sdm>,
}

impl FileSettings {
    /// As NXP delivers the NDEF file: everybody reads and writes it, no messages.
    pub const FACTORY: Self = Self { access: Access { read: FREE, write: FREE, read_write: FREE, change: 0 }, sdm: None };

    /// Data of ChangeFileSettings, sent in full with the file's number as its header.
    pub fn to_bytes(self) -> Vec<u8> {
        let Access { read, write, read_write, change } = self.access;
        let mut out = Vec::from([if self.sdm.is_some() { 0x40 } else { 0 }, read_write << 4 | change, read << 4 | write]);
        let Some(sdm) = self.sdm else { return out };
        out.push(0xC1 | if sdm.enc.is_some() { 0x10 } else { 0 });
        let meta = if let Meta::Encrypted { key, .. } = sdm.meta { key } else { FREE };
        // Nobody reads the counter by command.
        out.extend([0xF0 | NOBODY, meta << 4 | sdm.file_key]);
        let mut place = |at: u32| out.extend(&at.to_le_bytes()[..3]);
        match sdm.meta {
            Meta::Encrypted { at, .. } => place(at),
            Meta::Plain { uid_at, counter_at } => {
                place(uid_at);
                place(counter_at);
            }
        }
        place(sdm.mac_input_at);
        if let Some((at, length)) = sdm.enc {
            place(at);
            place(length);
        }
        place(sdm.mac_at);
        out
    }

    /// Reads what [`FileSettings::to_bytes`] writes. `None` for what this crate does not use.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[option, low, high], rest) = bytes.split_first_chunk::<3>()?;
        let access = Access { read: high >> 4, write: high & 15, read_write: low >> 4, change: low & 15 };
        match option {
            0 if rest.is_empty() => Some(Self { access, sdm: None }),
            0x40 => Some(Self { access, sdm: Some(Self::sdm(rest)?) }),
            _ => None,
        }
    }

    fn sdm(bytes: &[u8]) -> Option<Sdm> {
        let (&[options, _, keys], mut rest) = bytes.split_first_chunk::<3>()?;
        let with_enc = match options {
            0xC1 => false,
            0xD1 => true,
            _ => return None,
        };
        let mut place = || {
            let (&[a, b, c], after) = rest.split_first_chunk::<3>()?;
            rest = after;
            Some(u32::from_le_bytes([a, b, c, 0]))
        };
        let meta = match keys >> 4 {
            FREE => Meta::Plain { uid_at: place()?, counter_at: place()? },
            key => Meta::Encrypted { key, at: place()? },
        };
        let mac_input_at = place()?;
        let enc = if with_enc { Some((place()?, place()?)) } else { None };
        let sdm = Sdm { meta, file_key: keys & 15, mac_input_at, mac_at: place()?, enc };
        rest.is_empty().then_some(sdm)
    }

    /// Data of a response to GetFileSettings: type, these settings, and the file's size in the middle.
    pub fn to_report(self) -> Vec<u8> {
        let bytes = self.to_bytes();
        let mut out = Vec::from([0]);
        out.extend_from_slice(&bytes[..3]);
        out.extend(&NDEF_BYTES.to_le_bytes()[..3]);
        out.extend_from_slice(&bytes[3..]);
        out
    }

    /// Reads the response to GetFileSettings.
    pub fn from_report(bytes: &[u8]) -> Option<Self> {
        let (&[0, option, low, high, _, _, _], rest) = bytes.split_first_chunk::<7>()? else { return None };
        Self::from_bytes(&[&[option, low, high], rest].concat())
    }
}

/// What is written into a card: the NDEF file, and the settings that make it speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The file: length, and one URI record with zeros where the card writes.
    pub file: Vec<u8>,
    /// The settings after it was written.
    pub settings: FileSettings,
}

/// A template for `https://<base>?picc_data=…&cmac=…`; `base` is host and path. `None` where it does not fit.
pub fn template(base: &str) -> Option<Template> {
    const HEAD: usize = 7;
    let url = alloc::format!("{base}?picc_data={}&cmac={}", "0".repeat(32), "0".repeat(16));
    let good = !base.is_empty() && base.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'&' | b'#'));
    let payload = u8::try_from(url.len() + 1).ok().filter(|_| good)?;
    let mut file = Vec::from([0, payload.checked_add(4)?, 0xD1, 0x01, payload, b'U', 0x04]);
    file.extend_from_slice(url.as_bytes());
    if file.len() > NDEF_BYTES {
        return None;
    }
    let picc_at = u32::try_from(HEAD + base.len() + "?picc_data=".len()).ok()?;
    let mac_at = picc_at + 32 + 6;
    let sdm = Sdm {
        meta: Meta::Encrypted { key: KeyNo::Picc as u8, at: picc_at },
        file_key: KeyNo::File as u8,
        mac_input_at: mac_at,
        mac_at,
        enc: None,
    };
    let access = Access { read: FREE, write: KeyNo::Master as u8, read_write: KeyNo::Master as u8, change: KeyNo::Master as u8 };
    Some(Template { file, settings: FileSettings { access, sdm: Some(sdm) } })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::hex::test_bytes;

    #[test]
    fn the_published_settings_are_written_and_read() {
        // AN12196, table 18, but for the right to read the counter: here nobody has it.
        let access = Access { read: FREE, write: 0, read_write: 0, change: 0 };
        let meta = Meta::Encrypted { key: 2, at: 0x20 };
        let sdm = Sdm { meta, file_key: 1, mac_input_at: 0x43, mac_at: 0x43, enc: None };
        let settings = FileSettings { access, sdm: Some(sdm) };
        assert_eq!(settings.to_bytes(), test_bytes("4000E0C1FF21200000430000430000"));
        assert_eq!(FileSettings::from_bytes(&test_bytes("4000E0C1F121200000430000430000")), Some(settings));
        // Table 7: encrypted file data, all keys 0.
        let report = FileSettings::from_report(&test_bytes("0040EEEE000100D1FE001F00004400004400002000006A0000")).unwrap();
        let sdm = report.sdm.unwrap();
        assert_eq!((sdm.meta, sdm.enc, sdm.mac_at), (Meta::Encrypted { key: 0, at: 0x1F }, Some((0x44, 0x20)), 0x6A));
    }

    #[test]
    fn settings_come_back_as_they_went() {
        let plain = Sdm { meta: Meta::Plain { uid_at: 9, counter_at: 30 }, file_key: 2, mac_input_at: 40, mac_at: 90, enc: None };
        for sdm in [None, Some(plain), Some(Sdm { enc: Some((50, 32)), ..plain })] {
            let settings = FileSettings { sdm, ..FileSettings::FACTORY };
            assert_eq!(FileSettings::from_bytes(&settings.to_bytes()), Some(settings));
            assert_eq!(FileSettings::from_report(&settings.to_report()), Some(settings));
        }
        for bad in ["", "00", "4000E0", "4000E0C1F121200000430000", "4000E0C1F12120000043000043000000", "FFFFFF"] {
            assert_eq!(FileSettings::from_bytes(&test_bytes(bad)), None, "{bad}");
        }
    }

    #[test]
    fn a_changed_key_is_understood_only_by_a_card_with_the_old_one() {
        let (old, new) = (Key::new([1; 16]), Key::new([2; 16]));
        for number in KeyNo::ISSUE_ORDER {
            let data = change_key_data(number, &old, &new, 7);
            assert_eq!(changed_key(number as u8, &old, &data), Some((new.clone(), 7)));
        }
        let data = change_key_data(KeyNo::File, &old, &new, 7);
        assert_eq!(changed_key(2, &Key::FACTORY, &data), None);
        assert_eq!(changed_key(2, &old, &data[..20]), None);
    }

    #[test]
    fn the_published_crc_of_a_key_comes_out() {
        assert_eq!(crc32(&test_bytes("F3847D627727ED3BC9C4CC050489B966")).to_le_bytes()[..], test_bytes("789DFADC"));
    }

    #[test]
    fn a_template_has_room_where_the_card_writes() {
        let template = template("cem.example/t").unwrap();
        let sdm = template.settings.sdm.unwrap();
        let Meta::Encrypted { at, .. } = sdm.meta else { panic!() };
        let at = usize::try_from(at).unwrap();
        assert_eq!(&template.file[at - 10..at + 32], format!("picc_data={}", "0".repeat(32)).as_bytes());
        let mac = usize::try_from(sdm.mac_at).unwrap();
        assert_eq!((&template.file[mac - 5..mac], template.file.len()), (&b"cmac="[..], mac + 16));
        assert_eq!(usize::from(template.file[1]) + 2, template.file.len());
        for bad in ["", "a b", "x?y", &"x".repeat(200)] {
            assert_eq!(super::template(bad), None);
        }
    }
    use alloc::format;
}
