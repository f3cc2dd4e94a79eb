//! Cards for the simulated reader. Each keeps its state from tap to tap.

mod drawer;
mod ntag424;
mod simple;

pub(super) use drawer::Drawer;
pub use drawer::Keys;
pub use ntag424::Ntag424;
pub use simple::{BankCard, Emulator, Phone, Type2};

/// What a card shows in anti-collision (ISO/IEC 14443-3) and activation (14443-4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// SENS_RES as the PN532 reports it.
    pub atqa: [u8; 2],
    /// SEL_RES: bit 5 says ISO-DEP.
    pub sak: u8,
    /// 4, 7 or 10 bytes.
    pub uid: Vec<u8>,
    /// Answer to select with its length in front; empty without ISO-DEP.
    pub ats: Vec<u8>,
}

impl Identity {
    pub(super) fn iso_dep(uid: &[u8]) -> Self {
        let atqa = if uid.len() == 4 { [0x00, 0x04] } else { [0x03, 0x44] };
        Self { atqa, sak: 0x20, uid: uid.to_vec(), ats: vec![0x06, 0x77, 0x77, 0x71, 0x02, 0x80] }
    }
}

/// A card, or what behaves like one.
pub trait Tag: Send {
    /// It comes into the field or is activated anew: whatever was begun is over.
    fn activate(&mut self);
    /// What it shows since it was activated.
    fn identity(&self) -> Identity;
    /// One exchange: an APDU of ISO-DEP, or a command of a simpler card. `None`: it does not answer.
    fn exchange(&mut self, data: &[u8]) -> Option<Vec<u8>>;
}

/// Status words.
pub(super) const SW_OK: [u8; 2] = [0x90, 0x00];
pub(super) const SW_NOT_FOUND: [u8; 2] = [0x6A, 0x82];

/// The application id of a SELECT by name.
pub(super) fn selects(apdu: &[u8]) -> Option<&[u8]> {
    match apdu {
        [0x00, 0xA4, 0x04, 0x00, length, rest @ ..] => rest.get(..usize::from(*length)),
        _ => None,
    }
}
