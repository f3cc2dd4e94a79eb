//! The cards of the demo. Their numbers are fixed, so that a backend can be told beforehand who comes.

use card_auth::TagKind;

/// A card that can be placed on the simulated reader.
///
/// | Card | What it is |
/// |---|---|
/// | `jane` | NTAG 424 DNA, `04A1B2C3D4E580` |
/// | `ivan` | NTAG 424 DNA, `04B2C3D4E5F681` |
/// | `stranger` | NTAG 424 DNA, `04C3D4E5F60782`, of the same shop, known to nobody |
/// | `blank`, `blank-2`, `blank-3` | NTAG 424 DNA as delivered |
/// | `badge` | NTAG 424 DNA, `04E5F607189984`: Mia's, who works in the shop |
/// | `ring` | NTAG21x, `04D4E5F6071883`: a number and nothing else |
/// | `copy` | NTAG21x with Jane's number |
/// | `four` | an old card with a number of four bytes |
/// | `replay` | a telephone that plays a message of Jane's card, which somebody has read before |
/// | `phone` | a telephone without the shop's application: a new number at each tap |
/// | `app` | a telephone with the shop's application |
/// | `bank` | a bank card: told by its directory, and nothing of it is read |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Card {
    Jane,
    Ivan,
    Stranger,
    Badge,
    Blank,
    Blank2,
    Blank3,
    Ring,
    Copy,
    Four,
    Replay,
    Phone,
    App,
    Bank,
}

impl Card {
    /// The words of the control lines.
    pub const WORDS: [(&'static str, Self); 14] = [
        ("jane", Self::Jane),
        ("ivan", Self::Ivan),
        ("stranger", Self::Stranger),
        ("badge", Self::Badge),
        ("bank", Self::Bank),
        ("blank", Self::Blank),
        ("blank-2", Self::Blank2),
        ("blank-3", Self::Blank3),
        ("ring", Self::Ring),
        ("copy", Self::Copy),
        ("four", Self::Four),
        ("replay", Self::Replay),
        ("phone", Self::Phone),
        ("app", Self::App),
    ];

    /// Host and path that the demo's cards lead to.
    pub const BASE: &'static str = "cem.example/t";

    /// The telephone's signing key.
    pub(crate) const APP_SEED: [u8; 32] = *b"a telephone of the demo, no more";

    /// By its word.
    pub fn named(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(w, _)| *w == word).map(|(_, card)| *card)
    }

    /// The number of those that have one of seven bytes.
    pub fn uid(self) -> Option<[u8; 7]> {
        match self {
            Self::Jane | Self::Copy | Self::Replay => Some([0x04, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0x80]),
            Self::Ivan => Some([0x04, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6, 0x81]),
            Self::Stranger => Some([0x04, 0xC3, 0xD4, 0xE5, 0xF6, 0x07, 0x82]),
            Self::Badge => Some([0x04, 0xE5, 0xF6, 0x07, 0x18, 0x99, 0x84]),
            Self::Ring => Some([0x04, 0xD4, 0xE5, 0xF6, 0x07, 0x18, 0x83]),
            Self::Blank => Some([0x04, 0xB1, 0xA0, 0x00, 0x00, 0x01, 0x90]),
            Self::Blank2 => Some([0x04, 0xB1, 0xA0, 0x00, 0x00, 0x02, 0x90]),
            Self::Blank3 => Some([0x04, 0xB1, 0xA0, 0x00, 0x00, 0x03, 0x90]),
            Self::Four | Self::Phone | Self::App | Self::Bank => None,
        }
    }

    /// What a kiosk makes a pseudonym of, where the card proves or says anything.
    pub fn id(self) -> Option<(TagKind, Vec<u8>)> {
        match self {
            Self::Jane | Self::Ivan | Self::Stranger | Self::Badge => Some((TagKind::Ntag424, self.uid()?.to_vec())),
            Self::Ring | Self::Copy => Some((TagKind::Uid, self.uid()?.to_vec())),
            Self::Four => Some((TagKind::Uid, vec![0xDE, 0xAD, 0xBE, 0xEF])),
            Self::App => Some((TagKind::Hce, crate::nfc::Phone::with_app(Self::APP_SEED).id()?.to_vec())),
            Self::Blank | Self::Blank2 | Self::Blank3 | Self::Replay | Self::Phone | Self::Bank => None,
        }
    }
}
