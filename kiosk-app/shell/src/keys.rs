//! What this kiosk holds of keys, all of it in memory: what `kiosk.toml` names, and what the agent was given for this device.
//!
//! The agent is asked at every start and once a minute from then on, so that a new version (after `fleet lock`, for example)
//! counts without a restart, and so that nothing of it needs to lie in a file of the kiosk's. The agent keeps its own sealed to
//! the machine where that works. Until it has answered, cards are not recognised and nobody signs in by PIN; what is for sale
//! is sold.

use crate::config::{KioskConfig, TenantKey};
use card_auth::Key;
use cem_contract::enrol::{
    EnrolmentState, KEY_PROFILES, KEY_ROSTER, PURPOSE_PICC_DATA, PURPOSE_PIN_PEPPER, PURPOSE_TENANT, ScopedKey, TrustRoot,
};
use ed25519_dalek::VerifyingKey;
use edge_db::link::{Answer, Ask, AskClient};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use zeroize::Zeroizing;

/// What the agent may take to answer.
const BUDGET: Duration = Duration::from_secs(2);
/// What the first question may hold the start up by.
const START_BUDGET: Duration = Duration::from_millis(500);
/// While the agent has not answered yet.
const AGAIN: Duration = Duration::from_secs(2);
/// From then on.
const EVERY: Duration = Duration::from_secs(60);

/// The keys in force.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    /// Under which cards become pseudonyms, the newest first.
    pub(crate) tenant: Vec<TenantKey>,
    /// Reads the number out of a card's message.
    pub(crate) picc: Option<Key>,
    /// Secrets that PIN hashes are made with, the newest first.
    pub(crate) peppers: Vec<Zeroizing<[u8; 32]>>,
    /// Whose signature on a profile counts.
    pub(crate) profiles: Vec<VerifyingKey>,
    /// Whose signature on a staff list counts.
    pub(crate) rosters: Vec<VerifyingKey>,
}

/// The keys of this kiosk, shared by all who use them.
#[derive(Clone, Default)]
pub(crate) struct KeyRing(Arc<Ring>);

impl PartialEq for KeyRing {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for KeyRing {}

#[derive(Default)]
struct Ring {
    /// What the config names: counts beside what the agent gives.
    configured: Keys,
    now: RwLock<Arc<Keys>>,
}

impl KeyRing {
    /// With these and no others, until the agent gives more.
    pub(crate) fn new(configured: Keys) -> Self {
        let now = RwLock::new(Arc::new(configured.clone()));
        Self(Arc::new(Ring { configured, now }))
    }

    /// What the config names.
    pub(crate) fn configured(config: &KioskConfig) -> Self {
        let publics = |keys: &[crate::config::ProfileKey]| keys.iter().map(|key| key.public).collect();
        Self::new(Keys {
            tenant: config.tenant_key.iter().cloned().collect(),
            picc: config.cards.picc_key.clone(),
            peppers: config.desk.pin_pepper.iter().cloned().collect(),
            profiles: publics(&config.profile_keys),
            rosters: publics(&config.roster_keys),
        })
    }

    /// The keys in force now.
    pub(crate) fn now(&self) -> Arc<Keys> {
        self.0.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes what the agent holds. Of a purpose that it holds nothing for, what the config names stays.
    pub(crate) fn take(&self, scoped: &[ScopedKey], trust: &TrustRoot) {
        let Keys { tenant, picc, peppers, mut profiles, mut rosters } = self.0.configured.clone();
        let versions = |purpose: &str| {
            let mut keys: Vec<_> = scoped.iter().filter(|key| key.purpose == purpose).collect();
            keys.sort_by_key(|key| std::cmp::Reverse(key.version));
            keys.into_iter().filter_map(|key| Some((key.version, key.bytes()?))).collect::<Vec<_>>()
        };
        let tenants = versions(PURPOSE_TENANT).into_iter();
        let given = tenants.filter_map(|(version, bytes)| Some(TenantKey { version, bytes: bytes.try_into().ok()? }));
        let given_picc = versions(PURPOSE_PICC_DATA).into_iter().find_map(|(_, bytes)| Some(Key::new(bytes.try_into().ok()?)));
        let given_peppers =
            versions(PURPOSE_PIN_PEPPER).into_iter().filter_map(|(_, bytes)| Some(Zeroizing::new(bytes.try_into().ok()?)));
        profiles.extend(trust.keys_for(KEY_PROFILES));
        rosters.extend(trust.keys_for(KEY_ROSTER));
        let new = Keys {
            tenant: or(given.collect(), tenant),
            picc: given_picc.or(picc),
            peppers: or(given_peppers.collect(), peppers),
            profiles,
            rosters,
        };
        let newest = new.tenant.first().map(|key| key.version);
        let before = self.now().tenant.first().map(|key| key.version);
        if newest != before {
            tracing::info!(version = newest, "the key for guests' cards is in force");
        }
        *self.0.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
    }
}

fn or<T>(given: Vec<T>, configured: Vec<T>) -> Vec<T> {
    if given.is_empty() { configured } else { given }
}

/// Asks the agent for this device's keys.
pub(crate) struct KeyAsker {
    client: AskClient,
    ring: KeyRing,
}

impl KeyAsker {
    pub(crate) fn new(ask: &std::path::Path, ring: KeyRing) -> Self {
        Self { client: AskClient::new(ask), ring }
    }

    /// Once, at the start, within half a second: in most starts the agent is up, and the first card is recognised.
    pub(crate) fn at_start(&mut self) -> bool {
        self.ask(START_BUDGET)
    }

    /// How long until the next question.
    pub(crate) fn again(&mut self) -> Duration {
        if self.ask(BUDGET) { EVERY } else { AGAIN }
    }

    /// True where the agent gave them. One that is not enrolled holds none.
    fn ask(&mut self, budget: Duration) -> bool {
        let Ok(Answer::Keys { keys }) = self.client.ask(&Ask::Keys, budget) else { return false };
        let trust = match self.client.ask(&Ask::Enrolment, budget) {
            Ok(Answer::Enrolment { state: EnrolmentState::Enrolled { enrolment } }) => enrolment.trust_root,
            _ => return false,
        };
        self.ring.take(&keys, &trust);
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cem_contract::{
        SigningKey,
        enrol::{Enrolment, TrustedKey},
    };
    use edge_db::link::AskServer;

    fn scoped(purpose: &str, version: u32, byte: u8, length: usize) -> ScopedKey {
        let key = cem_contract::hex::encode(&vec![byte; length]);
        ScopedKey { purpose: purpose.into(), version, key, retires: None }
    }

    fn trust() -> TrustRoot {
        let key = SigningKey::from_bytes(&[3; 32]).verifying_key();
        TrustRoot { keys: vec![TrustedKey::new(&key, &[KEY_ROSTER])], ..TrustRoot::default() }
    }

    #[test]
    fn the_newest_version_comes_first_and_what_the_agent_lacks_stays_as_configured() {
        let pepper = Zeroizing::new([9; 32]);
        let ring = KeyRing::new(Keys { peppers: vec![pepper.clone()], ..Keys::default() });
        ring.take(&[scoped(PURPOSE_TENANT, 1, 0x11, 32), scoped(PURPOSE_TENANT, 2, 0x22, 32)], &trust());
        let keys = ring.now();
        assert_eq!(keys.tenant.iter().map(|key| (key.version, key.bytes[0])).collect::<Vec<_>>(), [(2, 0x22), (1, 0x11)]);
        assert_eq!((&keys.peppers, keys.rosters.len(), keys.profiles.len()), (&vec![pepper], 1, 0));
        ring.take(&[scoped(PURPOSE_PIN_PEPPER, 4, 0x44, 32), scoped(PURPOSE_TENANT, 3, 0x33, 5)], &trust());
        let keys = ring.now();
        assert!(keys.tenant.is_empty(), "five bytes are no key");
        assert_eq!(keys.peppers.len(), 1);
        assert_eq!(keys.peppers[0][0], 0x44);
    }

    #[test]
    fn the_agent_is_asked_again_until_it_has_answered_and_then_once_a_minute() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ask");
        let ring = KeyRing::default();
        let mut asker = KeyAsker::new(&path, ring.clone());
        assert!(!asker.at_start());
        assert_eq!(asker.again(), AGAIN);
        let server = AskServer::bind(&path, &[]).unwrap();
        let _service = server
            .serve(|ask| match ask {
                Ask::Keys => Answer::Keys { keys: vec![scoped(PURPOSE_TENANT, 1, 0x11, 32)] },
                _ => {
                    let enrolment = Enrolment { trust_root: trust(), ..Enrolment::default() };
                    Answer::Enrolment { state: EnrolmentState::Enrolled { enrolment: Box::new(enrolment) } }
                }
            })
            .unwrap();
        assert_eq!(asker.again(), EVERY);
        assert_eq!(ring.now().tenant.len(), 1);
    }
}
