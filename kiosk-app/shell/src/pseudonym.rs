//! Cards become pseudonyms under the tenant's key; the arithmetic is card-auth's.

use crate::keys::KeyRing;
use card_auth::{Key, TagKind, pseudonym};
use std::sync::{Arc, Mutex, PoisonError};

/// Badges of those who work here now, from the desk's thread to the reader's.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownBadges(Arc<Mutex<Vec<String>>>);

impl KnownBadges {
    /// These and no others.
    pub(crate) fn set(&self, badges: &[String]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = badges.to_vec();
    }

    fn has(&self, token: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|badge| badge == token)
    }
}

/// Why a card has no pseudonym here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPseudonym {
    /// Its number identifies nobody.
    Refused,
    /// This kiosk has no key yet: the agent has not answered.
    NoKey,
}

/// Makes pseudonyms. Keeps no key of its own, and never a card's number.
pub(crate) struct Pseudonyms {
    ring: KeyRing,
    badges: KnownBadges,
}

impl Pseudonyms {
    pub(crate) fn new(ring: KeyRing, badges: KnownBadges) -> Self {
        Self { ring, badges }
    }

    /// Reads the number out of a card's message.
    pub(crate) fn picc(&self) -> Option<Key> {
        self.ring.now().picc.clone()
    }

    /// `<key version>:<hex>` for an id of that kind, under every version in use: the one to go by first. That is the newest,
    /// but for a badge that the staff list knows by an older one.
    ///
    /// # Errors
    /// For a number that identifies nobody, and while there is no key.
    pub(crate) fn of(&self, kind: TagKind, id: &[u8]) -> Result<Vec<String>, NoPseudonym> {
        let keys = self.ring.now();
        let made = keys.tenant.iter().map(|key| pseudonym(&key.bytes, key.version, kind, id));
        let mut tokens = made.collect::<Result<Vec<_>, _>>().map_err(|_| NoPseudonym::Refused)?;
        if tokens.is_empty() {
            tracing::warn!("a card was not recognised: this kiosk has no key for cards yet");
            return Err(NoPseudonym::NoKey);
        }
        if let Some(at) = tokens.iter().position(|token| self.badges.has(token)) {
            tokens.swap(0, at);
        }
        Ok(tokens)
    }
}
