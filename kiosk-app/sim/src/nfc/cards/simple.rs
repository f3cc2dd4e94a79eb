//! Cards that keep no secret of ours, telephones, and a bank card.

use super::{Identity, SW_NOT_FOUND, SW_OK, Tag, selects};
use card_auth::hce;

/// A card with a number and some pages, without ISO-DEP: an NTAG21x where the number has 7 bytes, an old 4-byte card else.
#[derive(Clone, Debug)]
pub struct Type2 {
    uid: Vec<u8>,
}

impl Type2 {
    /// A card of this number, 4 or 7 bytes.
    pub fn new(uid: &[u8]) -> Self {
        Self { uid: uid.to_vec() }
    }
}

impl Tag for Type2 {
    fn activate(&mut self) {}

    fn identity(&self) -> Identity {
        let (atqa, sak) = if self.uid.len() == 4 { ([0x00, 0x04], 0x08) } else { ([0x00, 0x44], 0x00) };
        Identity { atqa, sak, uid: self.uid.clone(), ats: Vec::new() }
    }

    fn exchange(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        // READ of four pages; the number stands in the first.
        match data {
            [0x30, _] if self.uid.len() == 7 => Some(self.uid.iter().copied().chain([0; 9]).collect()),
            _ => None,
        }
    }
}

/// A telephone. Its number is drawn anew at each tap; with the shop's application it proves who it is.
pub struct Phone {
    key: Option<hce::SigningKey>,
    draw: u32,
    selected: bool,
}

impl Phone {
    /// A telephone without the shop's application.
    pub fn stranger() -> Self {
        Self { key: None, draw: 0, selected: false }
    }
    /// A telephone with it.
    pub fn with_app(seed: [u8; 32]) -> Self {
        Self { key: Some(hce::SigningKey::from_bytes(&seed)), draw: 0, selected: false }
    }
    /// What its application names itself by.
    pub fn id(&self) -> Option<[u8; 32]> {
        self.key.as_ref().map(|key| key.verifying_key().to_bytes())
    }
}

impl Tag for Phone {
    fn activate(&mut self) {
        // Any number but the last; real ones are random.
        self.draw = self.draw.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.selected = false;
    }

    fn identity(&self) -> Identity {
        let [a, b, c, _] = self.draw.to_be_bytes();
        Identity::iso_dep(&[0x08, a, b, c])
    }

    fn exchange(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        if let Some(aid) = selects(data) {
            self.selected = aid == hce::AID && self.key.is_some();
        }
        let key = self.key.as_ref().filter(|_| self.selected);
        Some(match (key, data) {
            (Some(key), [0x80, 0x88, 0, 0, 16, challenge @ .., _]) => match challenge.try_into() {
                Ok(challenge) => [&hce::prove(key, challenge)[..], &SW_OK].concat(),
                Err(_) => vec![0x67, 0x00],
            },
            (Some(key), _) if selects(data).is_some() => [&[hce::VERSION][..], key.verifying_key().as_bytes(), &SW_OK].concat(),
            _ => SW_NOT_FOUND.to_vec(),
        })
    }
}

/// A bank card. It answers as one and notes whatever is asked of it beyond its directory.
#[derive(Clone, Debug, Default)]
pub struct BankCard {
    /// Commands after the one that shows that it is a bank card.
    pub read: std::sync::Arc<std::sync::atomic::AtomicU32>,
    told: bool,
}

impl Tag for BankCard {
    fn activate(&mut self) {
        self.told = false;
    }

    fn identity(&self) -> Identity {
        Identity::iso_dep(&[0x5A, 0x17, 0x23, 0x42])
    }

    fn exchange(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        if self.told {
            self.read.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        Some(match selects(data) {
            Some(b"2PAY.SYS.DDF01") => {
                self.told = true;
                // FCI with the directory's name and nothing more.
                [&[0x6F, 0x10, 0x84, 0x0E][..], b"2PAY.SYS.DDF01", &SW_OK].concat()
            }
            _ => SW_NOT_FOUND.to_vec(),
        })
    }
}

/// A telephone that plays a card: a number that somebody chose, and a file that somebody copied.
#[derive(Clone, Debug)]
pub struct Emulator {
    uid: [u8; 7],
    file: Vec<u8>,
}

impl Emulator {
    /// Shows `url` under the number `uid`.
    pub fn new(uid: [u8; 7], url: &str) -> Self {
        let rest = url.strip_prefix("https://").unwrap_or(url);
        let payload = u8::try_from(rest.len() + 1).unwrap_or(0);
        let head = [0, payload.wrapping_add(4), 0xD1, 0x01, payload, b'U', 0x04];
        Self { uid, file: [&head[..], rest.as_bytes()].concat() }
    }
}

impl Tag for Emulator {
    fn activate(&mut self) {}

    fn identity(&self) -> Identity {
        Identity::iso_dep(&self.uid)
    }

    fn exchange(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        Some(match *data {
            [0x00, 0xA4, 0x00, ..] => SW_OK.to_vec(),
            [0x00, 0xB0, high, low, length] => {
                let from = usize::from(u16::from_be_bytes([high, low])).min(self.file.len());
                let to = (from + usize::from(length)).min(self.file.len());
                [&self.file[from..to], &SW_OK].concat()
            }
            _ if selects(data) == Some(&[0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01]) => SW_OK.to_vec(),
            _ => SW_NOT_FOUND.to_vec(),
        })
    }
}
