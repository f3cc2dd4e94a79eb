//! What is known of a guest, and the shapes of the visitor endpoints.

use crate::{Consent, data::Money};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// What the backend knows of a visitor. Times are RFC 3339.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Pseudonym: `v_` and 32 hex digits.
    pub visitor: String,
    /// The id that was asked for was merged into this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<String>,
    /// Last digits of the telephone number; the number itself stays at the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_ending: Option<String>,
    /// The name to be greeted by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// BCP 47 tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What the visitor has agreed to. An unknown word is read as the strictest.
    #[serde(default, deserialize_with = "consent")]
    pub consent: Consent,
    /// Diets and allergies as the visitor told them.
    #[serde(default)]
    pub dietary: Vec<String>,
    /// Groups that offers are aimed at.
    #[serde(default)]
    pub segments: Vec<String>,
    /// Loyalty points; may be below zero.
    #[serde(default)]
    pub points: i64,
    /// When `points` was counted: a device subtracts its own entries since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points_as_of: Option<String>,
    /// What may be spent from stored value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet: Option<Wallet>,
    /// What the visitor usually orders.
    #[serde(default)]
    pub usual: Vec<UsualItem>,
    /// Offers as the shop's rules made them.
    #[serde(default)]
    pub offers: Vec<Value>,
    /// The visitor's own referral code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral: Option<String>,
    /// How many visits.
    #[serde(default)]
    pub visits: u64,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
    /// The last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// The last feedback given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_feedback: Option<Feedback>,
    /// Rises with every change: a device refuses one below the last it saw.
    pub version: u64,
}

/// Spending limits of stored value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wallet {
    /// With the backend in reach.
    pub limit: Money,
    /// Without.
    pub offline_limit: Money,
}

/// A thing of the usual order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsualItem {
    /// Article or variant.
    pub sku: String,
    /// How many, at least 1.
    pub quantity: u32,
    /// Chosen modifiers.
    #[serde(default)]
    pub modifiers: Vec<UsualModifier>,
}

/// A modifier of a usual thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsualModifier {
    /// What.
    pub sku: String,
    /// How many, at least 1.
    pub quantity: u32,
}

/// Feedback as it is shown in a profile and in a visit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    /// Satisfaction, 1 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csat: Option<i64>,
    /// Effort, 1 to 7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ces: Option<i64>,
    /// Recommendation, 0 to 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nps: Option<i64>,
    /// In the guest's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// `kiosk`, `guest_page`, `counter`.
    pub channel: String,
    /// `ordering`, `food`, `staff`.
    pub touchpoint: String,
    /// When.
    pub at: String,
}

/// The payload of a signed profile: what a kiosk is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IssuedProfile {
    /// The profile itself, its members beside these.
    #[serde(flatten)]
    pub profile: Profile,
    /// The visitor's tokens, `<key version>:<hex>`.
    pub tokens: Vec<String>,
    /// The store it was made for.
    pub store: String,
    /// When it was made.
    pub issued: String,
    /// From when it must not be used.
    pub expires: String,
    /// What this device may spend offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// For the recommender: a [`crate::history::History`] of at most [`crate::limits::HISTORY_BYTES`], kept as it came, so that
    /// a form of a later version does not spoil the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<Value>,
    /// Loyalty tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Keys of those of the visitor's cards that have proven themselves to the backend.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub card_keys: Vec<CardKey>,
}

/// A share of what may be spent, given to one device for a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// Its id, named by the entries that use it.
    pub lease: String,
    /// Points.
    #[serde(default)]
    pub points: i64,
    /// Stored value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// From when it is void.
    pub expires: String,
}

/// The body of `POST /v1/visitors/resolve`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolveRequest {
    /// `<key version>:<hex>`: one card under each of the tenant's keys.
    pub tokens: Vec<String>,
    /// The address that the card made at this tap, where the device has no key to check it: if it is genuine, the profile
    /// brings the key of this card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The key of one card, for checking what that card says.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardKey {
    /// The card's pseudonym.
    pub token: String,
    /// 16 bytes in hex. It checks messages of this card and opens no other.
    pub key: String,
}

impl std::fmt::Debug for CardKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CardKey(..)")
    }
}

/// The body of `PUT /v1/visitors/{visitor}/consent`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentChange {
    /// The new level's word.
    pub consent: String,
    /// The text that was agreed to.
    pub text_version: String,
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// To be given as `after` (`before` in a list that runs backwards) for the next page; opaque. Absent at the end of
    /// lists that end; lists that grow always have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An entry of `GET /v1/erasures`: what every kiosk must forget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Opaque place in the list.
    pub cursor: String,
    /// The surviving id.
    pub visitor: String,
    /// Ids that were merged into it.
    pub merged: Vec<String>,
    /// The tokens.
    pub tokens: Vec<String>,
    /// When it was asked for.
    pub at: String,
}

/// A note of the staff about a visitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its id.
    pub id: String,
    /// What was written.
    pub text: String,
    /// By whom.
    pub staff: String,
    /// When.
    pub at: String,
}

/// A visit as it is folded from its events. Words and amounts are as the devices wrote them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Visit {
    /// Its id.
    pub visitid: String,
    /// Who, absent when anonymous.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visitor: Option<String>,
    /// The store of its first event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Devices and channels that took part.
    pub sources: Vec<String>,
    /// When it began.
    pub started: String,
    /// When it ended, absent while it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// What began it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// `kiosk` or `counter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// BCP 47 tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// How the guest was recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// How far that is proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assurance: Option<String>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// How many touches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub touches: Option<u64>,
    /// Orders placed in it.
    pub orders: Vec<VisitOrder>,
    /// Feedback given in it.
    pub feedback: Vec<Feedback>,
    /// Gestures of the staff, as written.
    pub gestures: Vec<Value>,
    /// How many events were folded.
    pub events: u64,
    /// How far the times can be trusted, by the least certain event; absent where all clocks were synced. `corrected`
    /// by a sample of the backend's clock, `estimated`, `unset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
    /// The person has been erased: what is left names nobody.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// An order within a visit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VisitOrder {
    /// Its id.
    pub order: String,
    /// What is called out.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub number: Value,
    /// The name called out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub called_name: Option<String>,
    /// `eat_in` or `takeaway`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Lines as written.
    pub lines: Value,
    /// Discounts as written.
    pub discounts: Value,
    /// Taxes as written.
    pub tax: Value,
    /// Tip as written.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub tip: Value,
    /// What is to be paid.
    pub total: Value,
    /// The shop's day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_date: Option<String>,
    /// When it was placed.
    pub placed: String,
    /// How far it is: `placed` until the first word from the kitchen.
    pub state: String,
    /// Payments for it.
    pub payments: Vec<VisitPayment>,
    /// Receipts issued for it, by channel.
    pub receipts: Vec<String>,
}

/// A payment of an order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VisitPayment {
    /// Its id.
    pub payment: String,
    /// The last financial command.
    pub attempt: Value,
    /// How.
    pub tender: String,
    /// How much.
    pub amount: Value,
    /// `started`, `approved`, `declined`, `unknown`, `resolved`, `refunded`, `reversed`.
    pub state: String,
    /// What was decided, where a type does not say it all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
}

fn consent<'de, D: Deserializer<'de>>(from: D) -> Result<Consent, D::Error> {
    let word = String::deserialize(from)?;
    Ok(Consent::from_word(&word).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn an_issued_profile_has_its_members_beside_those_of_the_profile() {
        let issued = IssuedProfile {
            profile: Profile { visitor: "v_1".into(), consent: Consent::Personal, version: 3, ..Profile::default() },
            tokens: vec!["1:ab".into()],
            store: "s-001".into(),
            ..IssuedProfile::default()
        };
        let wire = serde_json::to_value(&issued).unwrap();
        assert_eq!((&wire["visitor"], &wire["consent"], &wire["tokens"][0]), (&json!("v_1"), &json!("personal"), &json!("1:ab")));
        assert_eq!(serde_json::from_value::<IssuedProfile>(wire).unwrap(), issued);
    }

    #[test]
    fn an_unknown_consent_is_read_as_the_strictest_and_unknown_members_are_ignored() {
        let profile: Profile =
            serde_json::from_value(json!({"visitor": "v_1", "consent": "telepathy", "version": 1, "mood": "good"})).unwrap();
        assert_eq!(profile.consent, Consent::None);
    }
}
