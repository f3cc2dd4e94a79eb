//! Gift cards: `/v1/gift-cards/{code}` and `holds`, `captures`, `releases`, `refunds`, `top-ups` under it.
//!
//! ```text
//! GET  /v1/gift-cards/{code}              (device) -> GiftCard
//! POST /v1/gift-cards/{code}/holds        (device) {"amount", "order"} -> GiftMoved, state held
//! POST /v1/gift-cards/{code}/captures     (device) {"hold"} -> GiftMoved, state captured
//! POST /v1/gift-cards/{code}/releases     (device) {"hold"} -> GiftMoved, state released, or captured where that came first
//! POST /v1/gift-cards/{code}/refunds      (device) {"hold", "amount"} -> GiftMoved, state refunded
//! POST /v1/gift-cards                     (staff)  {"amount"} -> GiftIssued
//! POST /v1/gift-cards/{code}/top-ups      (staff)  {"amount"} -> GiftMoved, state topped_up
//! ```
//!
//! - Each `POST` carries an `Idempotency-Key`, a UUID: the same key of the same source has one effect and the same answer, for
//!   ever. A hold's key names it later (`hold`), so that whoever asks need not keep the code: `-` stands for it in captures,
//!   releases and refunds.
//! - A hold ends by itself after [`HOLD_SECONDS`]. A capture that comes later still takes what is there, if it is enough.
//! - A release is remembered even where its hold never arrived: a hold that arrives after it is refused.
//! - A hold goes back in full or in parts by refunds, never by more than was captured.
//! - The code is a secret. A backend keeps no more of it than a keyed hash and its last four digits.

use crate::data::Money;
use serde::{Deserialize, Serialize};

/// How long a hold lasts.
pub const HOLD_SECONDS: u64 = 900;
/// The header that carries the key.
pub const KEY_HEADER: &str = "Idempotency-Key";
/// Stands for a code that is not known any more.
pub const NO_CODE: &str = "-";

/// `urn:cem:problem:gift-too-little`: there is not so much on it.
pub const TOO_LITTLE: &str = "urn:cem:problem:gift-too-little";
/// `urn:cem:problem:gift-not-usable`: blocked, run out, or of another currency.
pub const NOT_USABLE: &str = "urn:cem:problem:gift-not-usable";
/// `urn:cem:problem:gift-unknown`: no gift card has this code.
pub const UNKNOWN: &str = "urn:cem:problem:gift-unknown";
/// `urn:cem:problem:gift-gone`: what was held is released, or there is no such hold, or not enough left.
pub const GONE: &str = "urn:cem:problem:gift-gone";
/// `urn:cem:problem:gift-too-many`: too many wrong codes; `Retry-After` says when to come back.
pub const TOO_MANY: &str = "urn:cem:problem:gift-too-many";

/// What can be spent now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftCard {
    /// Without what others hold.
    pub balance: Money,
    /// The last four digits.
    pub ending: String,
    /// When it runs out, RFC 3339; absent where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// The body of `holds` and `top-ups`, and of `POST /v1/gift-cards`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftAmount {
    /// How much.
    pub amount: Money,
    /// The order that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
}

/// The body of `captures`, `releases` and `refunds`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftHold {
    /// The hold's key.
    pub hold: String,
    /// How much, for refunds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftMoved {
    /// `held`, `captured`, `released`, `refunded`, `topped_up`.
    pub state: String,
    /// What can be spent now; absent where no card is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<Money>,
}

/// A new gift card. The code is told in this answer and kept by nobody; the same key is answered with the same code.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftIssued {
    /// 16 digits.
    pub code: String,
    /// What is on it.
    pub balance: Money,
}

/// What a kiosk wants of the backend about a gift card.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GiftWant {
    /// What is on it?
    Look {
        /// 16 digits.
        code: String,
    },
    /// Set so much aside.
    Hold {
        /// 16 digits.
        code: String,
        /// How much.
        amount: Money,
    },
    /// Take what this key has set aside.
    Capture,
    /// Put it back.
    Release,
    /// Put back what another key has taken, or a part of it.
    Refund {
        /// The key of that hold.
        hold: String,
        /// How much.
        amount: Money,
    },
}

/// What the backend said to a [`GiftWant`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GiftSaid {
    /// So much can be spent.
    Balance(Money),
    /// [`GiftMoved::state`].
    Moved(String),
    /// Nothing moved: the kind of the problem.
    Refused(String),
}

/// Codes are not shown.
macro_rules! hidden {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

hidden!(GiftIssued, GiftWant);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_said_about_gift_cards_has_one_shape_on_the_wire() {
        let moved: GiftMoved = serde_json::from_value(json!({"state": "held", "later": 1})).unwrap();
        assert_eq!((moved.state.as_str(), moved.balance), ("held", None));
        let want = GiftWant::Hold { code: "1234567890123456".into(), amount: Money::new(500, "EUR") };
        let wire = serde_json::to_value(&want).unwrap();
        assert_eq!(wire["hold"]["amount"], json!({"minor": 500, "currency": "EUR"}));
        assert!(serde_json::from_value::<GiftWant>(wire).unwrap() == want && !format!("{want:?}").contains("3456"));
    }
}
