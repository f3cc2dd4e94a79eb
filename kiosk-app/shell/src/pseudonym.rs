//! Cards become pseudonyms under the tenant's key; the arithmetic is card-auth's.

use crate::config::TenantKey;
use card_auth::{Refusal, TagKind, pseudonym};

/// Makes pseudonyms. Keeps the key, never a card's number.
#[derive(Debug)]
pub(crate) struct Pseudonyms {
    key: TenantKey,
}

impl Pseudonyms {
    pub(crate) fn new(key: TenantKey) -> Self {
        Self { key }
    }

    /// `<key version>:<hex>` for an id of that kind.
    ///
    /// # Errors
    /// For a number that identifies nobody.
    pub(crate) fn of(&self, kind: TagKind, id: &[u8]) -> Result<Vec<String>, Refusal> {
        Ok(vec![pseudonym(&self.key.bytes, self.key.version, kind, id)?])
    }
}
