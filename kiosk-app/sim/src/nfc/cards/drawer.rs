//! The demo's cards, by the words of the control lines.

use super::{BankCard, Emulator, Ntag424, Phone, Tag, Type2};
use crate::Card;
use card_auth::Key;
use std::collections::BTreeMap;

/// What the demo's cards are issued with.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Cards' own keys are derived from it.
    pub master: Key,
    /// Encrypts what a card says of itself.
    pub picc: Key,
}

impl Keys {
    /// For tests: keys that everybody knows.
    pub const KNOWN: Self = Self { master: Key::new([0xC1; 16]), picc: Key::new([0xC2; 16]) };

    /// Draws new ones.
    pub fn draw() -> std::io::Result<Self> {
        let draw = || {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(Key::new(bytes))
        };
        Ok(Self { master: draw()?, picc: draw()? })
    }
}

/// Cards are taken from it and come back as they have become.
#[derive(Default)]
pub(crate) struct Drawer {
    used: BTreeMap<String, Box<dyn Tag>>,
}

impl Drawer {
    /// What there is.
    pub(crate) fn words() -> String {
        Card::WORDS.map(|(word, _)| word).join(", ")
    }

    /// The card of that name, `None` where there is none.
    pub(crate) fn take(&mut self, word: &str, keys: &Keys) -> Option<Box<dyn Tag>> {
        let card = Card::named(word)?;
        if let Some(used) = self.used.remove(word) {
            return Some(used);
        }
        Some(match card {
            Card::Jane | Card::Ivan | Card::Stranger | Card::Badge => Box::new(issued(card.uid()?, keys)?),
            Card::Copy => Box::new(Type2::new(&card.uid()?)),
            Card::Four => Box::new(Type2::new(&[0xDE, 0xAD, 0xBE, 0xEF])),
            Card::Ring => Box::new(Type2::new(&card.uid()?)),
            Card::Phone => Box::new(Phone::stranger()),
            Card::App => Box::new(Phone::with_app(Card::APP_SEED)),
            Card::Bank => Box::new(BankCard::default()),
            Card::Replay => {
                // Jane's card, read by somebody's telephone before she came.
                let url = issued(Card::Jane.uid()?, keys)?.tap();
                Box::new(Emulator::new(Card::Jane.uid()?, &url))
            }
            Card::Blank | Card::Blank2 | Card::Blank3 => Box::new(Ntag424::blank(card.uid()?)),
        })
    }

    /// Puts a card back.
    pub(crate) fn put_back(&mut self, word: String, card: Box<dyn Tag>) {
        self.used.insert(word, card);
    }
}

fn issued(uid: [u8; 7], keys: &Keys) -> Option<Ntag424> {
    Ntag424::issued(uid, &keys.master, &keys.picc, Card::BASE)
}
