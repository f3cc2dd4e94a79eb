//! From a signed profile to the guest that the core greets.
//!
//! A profile counts where its envelope is signed by a key that this kiosk believes, was made for this store and this card, has not
//! expired, and is not older than the last one seen of that visitor.

use crate::{clock::Clock, keys::KeyRing, words};
use cem_contract::{Envelope, IssuedProfile, PROFILE_PAYLOAD_TYPE, UsualModifier, history::History, time::parse_rfc3339};
use kiosk_core::{
    catalogue::Allergen,
    device::{Guest, UsualItem},
    habit::{Because, Habit, Habits, Moment, Rhythm},
};
use std::{collections::BTreeMap, sync::Arc};

/// Visitors whose last version is remembered; beyond it the oldest pseudonym in order of text is forgotten.
const VERSIONS: usize = 4096;
/// A profile no older than this was just made.
const JUST_MADE_MS: i64 = 60_000;
/// Things of a usual order that are taken.
const USUAL: usize = 32;
/// Things of a history that are looked at: more than fit the wire.
const HABITS: usize = 128;
/// Characters of a name that are taken: it is shown in large letters and printed.
const NAME_CHARS: usize = 40;

/// `Some(None)`: the card is known, and its owner wants to be nobody here. `None`: the profile does not count.
pub(crate) type Found = Option<Option<Guest>>;

/// Judges profiles.
pub(crate) struct LookUp {
    keys: KeyRing,
    store: String,
    clock: Arc<dyn Clock>,
    versions: BTreeMap<String, u64>,
}

impl LookUp {
    /// For profiles made for `store`.
    pub(crate) fn new(keys: KeyRing, store: String, clock: Arc<dyn Clock>) -> Self {
        Self { keys, store, clock, versions: BTreeMap::new() }
    }

    /// A profile that the agent has answered with: just made, or out of its own cache.
    pub(crate) fn fresh(&mut self, envelope: &str, token: &str) -> Found {
        let profile = self.believed(envelope, token)?;
        let issued = parse_rfc3339(&profile.issued);
        let now = self.clock.now().utc_ms;
        let old = issued.zip(now).is_some_and(|(issued, now)| now.saturating_sub(issued) > JUST_MADE_MS);
        Some(guest(profile, issued.filter(|_| old), now))
    }

    /// A profile out of the cache: shown with its age, and only while the time is known.
    pub(crate) fn stored(&mut self, envelope: &str, token: &str) -> Found {
        let now = self.clock.now().utc_ms?;
        let profile = self.believed(envelope, token)?;
        let as_of_ms = parse_rfc3339(&profile.issued);
        Some(guest(profile, as_of_ms, Some(now)))
    }

    /// The key of the card by which this profile was found, if the profile brings it and counts.
    pub(crate) fn card_key(&mut self, envelope: &str, token: &str) -> Option<card_auth::Key> {
        let profile = self.believed(envelope, token)?;
        let key = profile.card_keys.iter().find(|key| key.token == token)?;
        card_auth::Key::from_hex(&key.key)
    }

    fn believed(&mut self, envelope: &str, token: &str) -> Option<IssuedProfile> {
        match self.judge(envelope, token) {
            Ok(profile) => Some(profile),
            // The reason names no visitor and no token.
            Err(why) => {
                tracing::warn!(why, "a profile does not count");
                None
            }
        }
    }

    fn judge(&mut self, envelope: &str, token: &str) -> Result<IssuedProfile, String> {
        let envelope: Envelope = serde_json::from_str(envelope).map_err(|_| "not an envelope".to_owned())?;
        let profile: IssuedProfile =
            envelope.verify(PROFILE_PAYLOAD_TYPE, &self.keys.now().profiles).map_err(|error| error.to_string())?.into_inner();
        if profile.store != self.store {
            return Err("made for another store".to_owned());
        }
        if !profile.tokens.iter().any(|own| own == token) {
            return Err("made for another card".to_owned());
        }
        let expires = parse_rfc3339(&profile.expires).ok_or("without a time of expiry")?;
        if self.clock.now().utc_ms.is_some_and(|now| now >= expires) {
            return Err("expired".to_owned());
        }
        self.keep_version(&profile)?;
        Ok(profile)
    }

    fn keep_version(&mut self, profile: &IssuedProfile) -> Result<(), String> {
        let (visitor, version) = (&profile.profile.visitor, profile.profile.version);
        if self.versions.get(visitor).is_some_and(|seen| version < *seen) {
            return Err("older than one seen before".to_owned());
        }
        if self.versions.len() >= VERSIONS && !self.versions.contains_key(visitor) {
            self.versions.pop_first();
        }
        self.versions.insert(visitor.clone(), version);
        Ok(())
    }
}

fn guest(issued: IssuedProfile, as_of_ms: Option<i64>, now_ms: Option<i64>) -> Option<Guest> {
    let profile = issued.profile;
    let (usual, usual_because) = match issued.history.zip(now_ms).and_then(|(history, now)| habitual(history, now)) {
        Some((usual, because)) => (usual, Some(because)),
        None => (usual(profile.usual), None),
    };
    // Whatever the profile holds, only what was agreed to comes in.
    let known = Guest {
        visitor: profile.visitor,
        display_name: profile.display_name.unwrap_or_default().chars().take(NAME_CHARS).collect(),
        language: profile.language.unwrap_or_default(),
        consent: words::consent_of(profile.consent),
        usual,
        usual_because,
        dietary: Allergen::ALL.into_iter().filter(|allergen| profile.dietary.iter().any(|word| word == allergen.key())).collect(),
        points: profile.points,
        visits_before: u32::try_from(profile.visits).unwrap_or(u32::MAX),
        as_of_ms,
    };
    known.as_agreed()
}

fn usual(items: Vec<cem_contract::UsualItem>) -> Vec<UsualItem> {
    let item = |item: cem_contract::UsualItem| thing(item.sku, item.modifiers, item.quantity);
    items.into_iter().take(USUAL).map(item).collect()
}

fn thing(sku: String, modifiers: Vec<UsualModifier>, quantity: u32) -> UsualItem {
    UsualItem {
        sku,
        modifiers: modifiers.into_iter().map(|m| (m.sku, u8::try_from(m.quantity).unwrap_or(u8::MAX))).collect(),
        quantity: u16::try_from(quantity).unwrap_or(u16::MAX),
    }
}

/// What the guest's own history says for this moment, and why the first of it; `None` where it says nothing or is of a form that
/// this version does not know.
fn habitual(history: serde_json::Value, now_ms: i64) -> Option<(Vec<UsualItem>, Because)> {
    let history: History = serde_json::from_value(history).ok().filter(History::is_readable)?;
    let rhythm = |r: cem_contract::history::Rhythm| Rhythm { parts: r.parts, days: r.days };
    let habits = Habits {
        whole: rhythm(history.rhythm()),
        items: history
            .items
            .into_iter()
            .take(HABITS)
            .map(|habit| Habit {
                item: thing(habit.sku, habit.modifiers, 1),
                orders: habit.orders,
                last_day: habit.last_day.into(),
                gap_days: habit.gap_days,
                rhythm: rhythm(habit.rhythm),
            })
            .collect(),
    };
    let moment = Moment::at(now_ms);
    let usual = habits.usual(moment);
    let because = usual.first()?.because(moment);
    Some((usual.into_iter().map(|habit| habit.item.clone()).collect(), because))
}

#[cfg(test)]
pub(crate) use tests::test_profile;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{clock::VirtualClock, keys::Keys};
    use cem_contract::{Profile, time::rfc3339};
    use ed25519_dalek::SigningKey;
    use kiosk_core::{ClockQuality, Now};

    const NOW: i64 = 1_795_257_000_000;
    const TOKEN: &str = "1:00ff";

    fn issued() -> IssuedProfile {
        IssuedProfile {
            profile: Profile {
                visitor: "v_00112233445566778899aabbccddeeff".into(),
                display_name: Some("Jane".into()),
                consent: cem_contract::Consent::Personal,
                usual: vec![cem_contract::UsualItem { sku: "flat-white".into(), quantity: 1, modifiers: Vec::new() }],
                points: 412,
                visits: 9,
                version: 5,
                ..Profile::default()
            },
            tokens: vec![TOKEN.into()],
            store: "s-001".into(),
            issued: rfc3339(NOW - 1_000),
            expires: rfc3339(NOW + 1_000),
            ..IssuedProfile::default()
        }
    }

    fn signed(profile: &IssuedProfile) -> String {
        let key = SigningKey::from_bytes(&[7; 32]);
        let payload = serde_json::to_vec(profile).unwrap();
        serde_json::to_string(&Envelope::sign(PROFILE_PAYLOAD_TYPE, &payload, &key)).unwrap()
    }

    /// Jane's signed profile, her token, and a look-up that believes it.
    pub(crate) fn test_profile() -> (String, String, LookUp) {
        (signed(&issued()), TOKEN.into(), look_up().0)
    }

    fn look_up() -> (LookUp, VirtualClock) {
        let clock = VirtualClock::new(Now { mono_ms: 0, utc_ms: Some(NOW), offset_min: 0, quality: ClockQuality::Synced });
        let public = SigningKey::from_bytes(&[7; 32]).verifying_key();
        let keys = KeyRing::new(Keys { profiles: vec![public], ..Keys::default() });
        (LookUp::new(keys, "s-001".into(), Arc::new(clock.clone())), clock)
    }

    #[test]
    fn a_signed_profile_becomes_a_guest() {
        let (mut look_up, _) = look_up();
        let guest = look_up.fresh(&signed(&issued()), TOKEN).unwrap().unwrap();
        assert_eq!((guest.display_name.as_str(), guest.points, guest.visits_before), ("Jane", 412, 9));
        assert_eq!((guest.usual.len(), guest.as_of_ms), (1, None));
        let stored = look_up.stored(&signed(&issued()), TOKEN).unwrap().unwrap();
        assert_eq!(stored.as_of_ms, Some(NOW - 1_000));
    }

    #[test]
    fn the_usual_is_that_of_the_hour_and_says_why() {
        use cem_contract::history::PastOrder;
        // Coffee in the hour of now, soup four hours later, on nine days each.
        let day = |n: i64| NOW - n * 86_400_000;
        let order = |at_ms, sku: &str| PastOrder { at_ms, things: vec![(sku.to_owned(), Vec::new())] };
        let orders: Vec<PastOrder> =
            (1..10).rev().flat_map(|n| [order(day(n), "flat-white"), order(day(n) + 4 * 3_600_000, "soup")]).collect();
        let history = serde_json::to_value(History::fold(&orders, NOW)).unwrap();
        let profile = |history| IssuedProfile { history: Some(history), expires: rfc3339(NOW + 86_400_000), ..issued() };
        let (mut look_up, clock) = look_up();
        let mut usual = |history: &serde_json::Value| {
            let guest = look_up.fresh(&signed(&profile(history.clone())), TOKEN).unwrap().unwrap();
            (guest.usual[0].sku.clone(), guest.usual.len(), guest.usual_because)
        };
        assert_eq!(usual(&history), ("flat-white".into(), 1, Some(Because::ThisTimeOfDay)));
        clock.advance(4 * 3_600_000);
        assert_eq!(usual(&history), ("soup".into(), 1, Some(Because::ThisTimeOfDay)));
        let later = serde_json::json!({"v": 2, "things": []});
        assert_eq!(usual(&later), ("flat-white".into(), 1, None), "the profile's own, without a reason");
    }

    #[test]
    fn a_profile_of_another_key_store_card_or_time_does_not_count() {
        let (mut look_up, clock) = look_up();
        let forged = signed(&issued()).replacen("sig\":\"", "sig\":\"AAAA", 1);
        assert_eq!(look_up.fresh(&forged, TOKEN), None);
        assert_eq!(look_up.fresh("{}", TOKEN), None);
        assert_eq!(look_up.fresh(&signed(&issued()), "1:00fe"), None);
        assert_eq!(look_up.fresh(&signed(&IssuedProfile { store: "s-002".into(), ..issued() }), TOKEN), None);
        clock.advance(1_000);
        assert_eq!(look_up.fresh(&signed(&issued()), TOKEN), None);
    }

    #[test]
    fn a_profile_older_than_one_seen_is_refused() {
        let (mut look_up, _) = look_up();
        assert!(look_up.fresh(&signed(&issued()), TOKEN).is_some());
        let mut older = issued();
        older.profile.version = 4;
        assert_eq!(look_up.stored(&signed(&older), TOKEN), None);
    }

    #[test]
    fn a_guest_without_consent_is_nobody_and_history_needs_the_personal_level() {
        let (mut look_up, _) = look_up();
        let mut profile = issued();
        profile.profile.consent = cem_contract::Consent::Service;
        assert!(look_up.fresh(&signed(&profile), TOKEN).unwrap().unwrap().usual.is_empty());
        profile.profile.consent = cem_contract::Consent::None;
        assert_eq!(look_up.fresh(&signed(&profile), TOKEN), Some(None));
    }
}
