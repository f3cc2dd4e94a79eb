//! Visitors from a file, for demonstrations and migrations: `cem-backend seed --file visitors.toml`.
//!
//! ```toml
//! [[visitor]]
//! visitor = "v_00000000000000000000000000000001"
//! tokens = ["1:8f2c…"]            # <key version>:<hex>, as the shop's kiosks make them
//! stores = ["s-001"]              # whose devices keep the profile
//! display_name = "Jane"
//! language = "en"
//! consent = "personal"            # none, service, personal, marketing
//! points = 412
//! usual = [{ sku = "flat-white", quantity = 1, modifiers = [{ sku = "oat-milk", quantity = 1 }] }]
//! ```
//!
//! Gift cards may stand beside them, for a demonstration or to take them over from another system:
//!
//! ```toml
//! [[gift_card]]
//! code = "4000123456789012"      # 16 digits
//! balance = { minor = 2000, currency = "EUR" }
//! ```
//!
//! Further members: `text_version`, `phone_ending`, `dietary`, `segments`, `referral`, `tier`, `visits`, `first_seen`,
//! `last_seen`. A visitor who is there already gets these values again; what events said since then stays.

use crate::{
    gift, keys,
    people::{
        self, Touched, consent,
        visitor::{self, Name},
    },
    store,
};
use anyhow::{Context, bail, ensure};
use cem_contract::{Consent, Profile, UsualItem, data::Money, time};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use std::path::Path;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    visitor: Vec<Entry>,
    #[serde(default)]
    gift_card: Vec<Gift>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Gift {
    code: String,
    balance: Money,
}

/// The code is not shown.
impl std::fmt::Debug for Gift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gift(..)")
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    visitor: String,
    #[serde(default)]
    tokens: Vec<String>,
    #[serde(default)]
    stores: Vec<String>,
    consent: Consent,
    #[serde(default)]
    text_version: String,
    display_name: Option<String>,
    language: Option<String>,
    phone_ending: Option<String>,
    #[serde(default)]
    dietary: Vec<String>,
    #[serde(default)]
    segments: Vec<String>,
    #[serde(default)]
    points: i64,
    #[serde(default)]
    usual: Vec<UsualItem>,
    referral: Option<String>,
    tier: Option<String>,
    #[serde(default)]
    visits: u64,
    first_seen: Option<String>,
    last_seen: Option<String>,
}

/// What a file said about a visitor, as it is kept beside the profile.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Seed {
    at_ms: i64,
    display_name: Option<String>,
    language: Option<String>,
    phone_ending: Option<String>,
    dietary: Vec<String>,
    segments: Vec<String>,
    points: i64,
    usual: Vec<UsualItem>,
    referral: Option<String>,
    pub(crate) tier: Option<String>,
    visits: u64,
    first_seen: Option<String>,
    last_seen: Option<String>,
}

impl Seed {
    /// Fills the members of a profile that events do not make, and starts those that they add to.
    pub(crate) fn fill(self, profile: &mut Profile, names: &mut Vec<Name>) {
        names.push(Name { at_ms: self.at_ms, display_name: self.display_name, language: self.language });
        profile.phone_ending = self.phone_ending.or(profile.phone_ending.take());
        profile.dietary.extend(self.dietary);
        profile.segments.extend(self.segments);
        profile.points = profile.points.saturating_add(self.points);
        profile.points_as_of = Some(time::rfc3339(self.at_ms)).max(profile.points_as_of.take());
        profile.usual.extend(self.usual);
        profile.referral = self.referral.or(profile.referral.take());
        profile.visits += self.visits;
        profile.first_seen = self.first_seen.into_iter().chain(profile.first_seen.take()).min();
        profile.last_seen = self.last_seen.max(profile.last_seen.take());
    }
}

/// Reads a file and stores its visitors in one transaction. Gives how many.
pub(crate) fn run(data: &Path, file: &Path, now_ms: i64) -> anyhow::Result<usize> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let File { visitor: entries, gift_card } =
        parse(&text).with_context(|| format!("{} is not a list of visitors", file.display()))?;
    let mut connection = store::open(data)?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for entry in &entries {
        plant(&transaction, entry, now_ms).with_context(|| format!("visitor {}", entry.visitor))?;
    }
    if !gift_card.is_empty() {
        let profiles = keys::profile_key(data)?.verifying_key();
        let codes = gift::GiftKey::of(&keys::FleetKeys::open(data, &profiles)?)?;
        for card in &gift_card {
            ensure!(gift::plant(&transaction, &codes, &card.code, &card.balance)?, "a gift card's code has 16 digits");
        }
    }
    transaction.commit()?;
    Ok(entries.len())
}

fn parse(text: &str) -> anyhow::Result<File> {
    let file: File = toml::from_str(text)?;
    for entry in &file.visitor {
        let who = &entry.visitor;
        ensure!(who.starts_with("v_") && who.len() <= 64, "visitor {who:?}: an id is v_ and 32 hex digits");
        for token in &entry.tokens {
            let fits = token.split_once(':').is_some_and(|(version, hex)| {
                !version.is_empty()
                    && version.bytes().all(|b| b.is_ascii_digit())
                    && !hex.is_empty()
                    && hex.bytes().all(|b| b.is_ascii_hexdigit())
            });
            ensure!(fits, "visitor {who}: a token is <key version>:<hex>, for example 1:8f2c01");
        }
        for at in entry.first_seen.iter().chain(&entry.last_seen) {
            ensure!(time::parse_rfc3339(at).is_some(), "visitor {who}: {at:?} is no time like 2026-11-21T10:30:00Z");
        }
    }
    Ok(file)
}

fn plant(connection: &Connection, entry: &Entry, now_ms: i64) -> anyhow::Result<()> {
    if connection.prepare_cached("SELECT 1 FROM erased_visitor WHERE id = ?1")?.exists([&entry.visitor])? {
        bail!("has been erased and stays so: choose another id");
    }
    visitor::know(connection, &entry.visitor)?;
    let seed = Seed {
        at_ms: now_ms,
        display_name: entry.display_name.clone(),
        language: entry.language.clone(),
        phone_ending: entry.phone_ending.clone(),
        dietary: entry.dietary.clone(),
        segments: entry.segments.clone(),
        points: entry.points,
        usual: entry.usual.clone(),
        referral: entry.referral.clone(),
        tier: entry.tier.clone(),
        visits: entry.visits,
        first_seen: entry.first_seen.clone(),
        last_seen: entry.last_seen.clone(),
    };
    connection.execute("UPDATE visitor SET seed = ?2 WHERE id = ?1", params![entry.visitor, serde_json::to_string(&seed)?])?;
    consent::say_here(connection, &entry.visitor, entry.consent, &entry.text_version, now_ms)?;
    let mut touched = Touched::default();
    touched.visitors.insert(entry.visitor.clone());
    for token in &entry.tokens {
        visitor::claim(connection, &mut touched, token, &entry.visitor, now_ms)?;
    }
    for store in &entry.stores {
        visitor::comes_to(connection, &entry.visitor, store)?;
    }
    Ok(people::fold(connection, touched, now_ms)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const JANE: &str = r#"
        [[visitor]]
        visitor = "v_00000000000000000000000000000001"
        tokens = ["1:8f2c"]
        stores = ["s-001"]
        display_name = "Jane"
        language = "en"
        consent = "personal"
        points = 412
        visits = 23
        usual = [{ sku = "flat-white", quantity = 1, modifiers = [{ sku = "oat-milk", quantity = 1 }] }]
    "#;

    #[test]
    fn a_seeded_visitor_has_a_profile_and_is_found_by_token() {
        let connection = store::in_memory();
        for entry in parse(JANE).unwrap().visitor {
            plant(&connection, &entry, 5).unwrap();
            plant(&connection, &entry, 6).unwrap();
        }
        let id = visitor::by_token(&connection, "1:8f2c").unwrap().unwrap();
        let profile = visitor::profile(&connection, &id).unwrap().unwrap();
        assert_eq!((profile.display_name.as_deref(), profile.points, profile.visits), (Some("Jane"), 412, 23));
        assert_eq!((profile.consent, profile.usual[0].modifiers[0].sku.as_str()), (Consent::Personal, "oat-milk"));
        assert!(visitor::is_known_in(&connection, &id, "s-001").unwrap());
    }

    #[test]
    fn a_typo_is_named_with_its_line() {
        let text = JANE.replace("points", "pionts");
        let error = format!("{:#}", parse(&text).unwrap_err());
        assert!(error.contains("pionts") && error.contains("line 9"), "{error}");
        assert!(parse(&JANE.replace("1:8f2c", "8f2c")).is_err());
    }
}
