//! Issuing guests' cards: `POST /v1/cards/keys`, `POST /v1/cards`, `POST /v1/visitors/{visitor}/cards/block`,
//! `GET /v1/cards/blocked`.
//!
//! Who issues a card has signed in at the device (`CEM-Staff`). The device asks for the keys of the one card that lies on its
//! reader, writes them into it, and shows the backend a message that only a card with these keys can make. The master key
//! that keys are derived from never leaves the backend. A card's number is on the wire in this one question and nowhere
//! else, and is neither kept nor logged.
//!
//! A lost card is blocked by its holder's name: the card itself is not there. All of a holder's cards are blocked at once;
//! balance and history are the holder's, so that a new card has them as soon as it is bound.

use serde::{Deserialize, Serialize};

/// Slots of a card.
pub const CARD_KEYS: usize = 5;
/// `urn:cem:problem:card-blocked`: the card was reported lost.
pub const CARD_BLOCKED_PROBLEM: &str = "urn:cem:problem:card-blocked";

/// The body of `POST /v1/cards/keys`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardKeysRequest {
    /// The card's number, 14 hex digits.
    pub uid: String,
}

/// The answer: what one card is made with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardKeys {
    /// Version of the keys on the card, 1 to 255.
    pub version: u8,
    /// [`CARD_KEYS`] keys of 16 bytes in hex, by slot.
    pub keys: Vec<String>,
}

/// The body of `POST /v1/cards`: this card is finished.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardIssued {
    /// The card's pseudonym.
    pub token: String,
    /// The address that the finished card made: proof that it holds its keys.
    pub message: String,
    /// Whose card it is; absent where it is handed out to whoever comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor: Option<String>,
    /// The holder's other cards are lost: they are blocked with this.
    #[serde(default)]
    pub replaces: bool,
}

/// The answer to a [`CardIssued`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardBound {
    /// Whose it is, the surviving id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor: Option<String>,
    /// Cards that were blocked because of it.
    #[serde(default)]
    pub blocked: u64,
}

/// The answer to `POST /v1/visitors/{visitor}/cards/block`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardsBlocked {
    /// Cards that are blocked now and were not before.
    pub blocked: u64,
}

/// Whoever may hold a card, as staff see them when they look for one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The pseudonym.
    pub visitor: String,
    /// Their name, may be empty.
    #[serde(default)]
    pub name: String,
    /// Last digits of their telephone number, may be empty.
    #[serde(default)]
    pub phone_ending: String,
    /// Their points.
    #[serde(default)]
    pub points: i64,
}

/// What a kiosk wants of the backend about cards, for somebody who has signed in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CardWant {
    /// The keys of the card with this number.
    Keys(CardKeysRequest),
    /// A card is finished.
    Issued(CardIssued),
    /// Who is called like that, or has a telephone number that ends so?
    Find {
        /// What staff typed.
        query: String,
    },
    /// All cards of this visitor are lost.
    Block {
        /// Whose.
        visitor: String,
    },
}

/// What the backend said to a [`CardWant`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CardSaid {
    /// The keys.
    Keys(CardKeys),
    /// The card is bound.
    Bound(CardBound),
    /// These.
    Found(Vec<Holder>),
    /// They are blocked.
    Blocked(CardsBlocked),
}

/// Numbers, keys, names and pseudonyms are not shown.
macro_rules! hidden {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

hidden!(CardKeysRequest, CardKeys, CardIssued, Holder, CardWant, CardSaid);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_said_about_cards_has_one_shape_on_the_wire() {
        let keys = CardKeys { version: 1, keys: vec!["00".repeat(16); CARD_KEYS] };
        let wire = serde_json::to_value(CardSaid::Keys(keys.clone())).unwrap();
        assert_eq!((&wire["keys"]["version"], wire["keys"]["keys"].as_array().unwrap().len()), (&json!(1), 5));
        assert!(serde_json::from_value::<CardSaid>(wire).unwrap() == CardSaid::Keys(keys));
        let issued: CardIssued = serde_json::from_value(json!({"token": "1:ab", "message": "https://x"})).unwrap();
        assert_eq!((issued.visitor, issued.replaces), (None, false));
    }

    #[test]
    fn nothing_secret_is_shown_by_debug() {
        let want = CardWant::Keys(CardKeysRequest { uid: "04A1B2C3D4E580".into() });
        let said = CardSaid::Keys(CardKeys { version: 1, keys: vec!["ab".repeat(16)] });
        let holder = Holder { visitor: "v_1".into(), name: "Jane".into(), phone_ending: "42".into(), points: 1 };
        let shown = format!("{want:?} {said:?} {holder:?}");
        assert!(
            !shown.contains("04A1") && !shown.contains("abab") && !shown.contains("Jane") && !shown.contains("v_1"),
            "{shown}"
        );
    }
}
