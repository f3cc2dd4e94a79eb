//! The cards of the demo. Their numbers are fixed, so that a backend can be told beforehand who comes.

use kiosk_devices::{ReaderLine, Tag, TagKind, Uid};

/// A card that can be placed on the simulated reader.
///
/// | Card | Number |
/// |---|---|
/// | `jane` | `04A1B2C3D4E580` |
/// | `ivan` | `04B2C3D4E5F681` |
/// | `stranger` | `04C3D4E5F60782`, known to nobody |
/// | `bank` | none: a bank card is told by its application, and nothing of it is read |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Card {
    Jane,
    Ivan,
    Stranger,
    Bank,
}

impl Card {
    /// The words of the control lines.
    pub const WORDS: [(&'static str, Self); 4] =
        [("jane", Self::Jane), ("ivan", Self::Ivan), ("stranger", Self::Stranger), ("bank", Self::Bank)];

    /// By its word.
    pub fn named(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(w, _)| *w == word).map(|(_, card)| *card)
    }

    /// The number, seven bytes as of an NXP chip; `None` for the bank card.
    pub fn uid(self) -> Option<[u8; 7]> {
        match self {
            Self::Jane => Some([0x04, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0x80]),
            Self::Ivan => Some([0x04, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6, 0x81]),
            Self::Stranger => Some([0x04, 0xC3, 0xD4, 0xE5, 0xF6, 0x07, 0x82]),
            Self::Bank => None,
        }
    }

    /// What the sidecar writes when it is placed.
    pub fn line(self) -> ReaderLine {
        match self.uid().and_then(|uid| Uid::new(&uid)) {
            Some(uid) => ReaderLine::Tap(Tag { kind: TagKind::Uid, uid, url: None }),
            None => ReaderLine::BankCard,
        }
    }
}
