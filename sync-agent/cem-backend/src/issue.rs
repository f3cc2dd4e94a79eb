//! Signed profiles: what a kiosk is given of a visitor, in an envelope that it can check without us.

use crate::{
    cards,
    people::{
        agreed,
        visitor::{self, history},
    },
    store::Result,
};
use cem_contract::{Consent, Envelope, IssuedProfile, PROFILE_PAYLOAD_TYPE, Profile, SigningKey, time};
use rusqlite::Connection;

/// How long a kiosk may use a profile without hearing of it: as long as a shop may be offline.
const VALID_MS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// Signs a survivor's profile for a store.
pub(crate) fn issue(connection: &Connection, key: &SigningKey, profile: Profile, store: &str, now_ms: i64) -> Result<Envelope> {
    issue_to(connection, key, profile, (store, None), now_ms)
}

/// The same for the store whose kiosk has read a code of theirs, which it calls `code`: it is among the tokens this once.
pub(crate) fn issue_to(
    connection: &Connection,
    key: &SigningKey,
    profile: Profile,
    (store, code): (&str, Option<&str>),
    now_ms: i64,
) -> Result<Envelope> {
    let survivor = profile.visitor.clone();
    let personal = profile.consent >= Consent::Personal;
    let visits = personal.then(|| visitor::recent_visits(connection, &survivor)).transpose()?;
    let history = visits.map(|visits| serde_json::to_value(history(&visits, now_ms))).transpose()?;
    let mut tokens = visitor::tokens(connection, &survivor)?;
    let blocked = tokens.iter().map(|token| cards::is_blocked(connection, token)).collect::<Result<Vec<_>>>()?;
    let mut lost = blocked.into_iter();
    tokens.retain(|_| !lost.next().unwrap_or(false));
    let card_keys = cards::of(connection, &tokens)?;
    tokens.extend(code.map(str::to_owned));
    let issued = IssuedProfile {
        store: store.to_owned(),
        issued: time::rfc3339(now_ms),
        expires: time::rfc3339(now_ms + VALID_MS),
        lease: None,
        history,
        tier: visitor::tier(connection, &survivor)?,
        card_keys,
        tokens,
        profile: agreed::of(profile),
    };
    Ok(Envelope::sign(PROFILE_PAYLOAD_TYPE, &serde_json::to_vec(&issued)?, key))
}
