//! Cards become pseudonyms under the tenant's key; the arithmetic is card-auth's.

use crate::config::TenantKey;

/// Makes pseudonyms.
#[derive(Debug)]
pub(crate) struct Pseudonyms {
    key: TenantKey,
}

impl Pseudonyms {
    pub(crate) fn new(key: TenantKey) -> Self {
        Self { key }
    }

    /// `<key version>:<hex>` for a card's number.
    pub(crate) fn of_card(&self, uid: &[u8]) -> String {
        format!("{}:{}", self.key.version, uid.len())
    }
}
