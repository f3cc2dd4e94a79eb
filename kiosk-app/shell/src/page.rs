//! The guest's page: its address on the receipt, and what the backend learns of it.
//!
//! The 128-bit token is not kept anywhere: it is made again from the order's id, under the tenant's key, whenever a receipt
//! is printed. Whoever has the receipt has the token; whoever has the events, the database or the logs has its SHA-256, with
//! which no page is opened. Of several versions of the key the oldest in use counts: a receipt that is printed again says
//! the same.

use crate::keys::KeyRing;
use card_auth::page_token;
use cem_contract::hex;
use kiosk_core::Id;
use sha2::{Digest as _, Sha256};

/// Makes the tokens of guests' pages.
#[derive(Clone, PartialEq, Eq)]
pub struct Pages(KeyRing);

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pages")
    }
}

impl Pages {
    pub(crate) fn new(ring: KeyRing) -> Self {
        Self(ring)
    }

    /// `None` while this kiosk has no key yet: then the order has no page.
    fn token(&self, order: Id) -> Option<[u8; 16]> {
        self.0.now().tenant.last().map(|key| page_token(&key.bytes, &order.0))
    }

    /// What stands in the QR code: the page's address, and behind '#', which no browser sends, the order by which staff find it.
    pub(crate) fn address(&self, url: &str, order: Id) -> Option<String> {
        Some(format!("{url}{}#{order}", hex::encode(&self.token(order)?)))
    }

    /// `page` of `cem.order.placed.v1`.
    pub(crate) fn hash(&self, order: Id) -> Option<String> {
        Some(hex::encode(&Sha256::digest(self.token(order)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::TenantKey, keys::Keys};

    fn pages(bytes: [u8; 32]) -> Pages {
        let tenant = vec![TenantKey { version: 2, bytes: [9; 32] }, TenantKey { version: 1, bytes }];
        Pages::new(KeyRing::new(Keys { tenant, ..Keys::default() }))
    }

    #[test]
    fn without_a_key_an_order_has_no_page() {
        let pages = Pages::new(KeyRing::default());
        assert_eq!((pages.hash(Id([1; 16])), pages.address("https://shop.example/g/", Id([1; 16]))), (None, None));
    }

    #[test]
    fn the_backend_knows_the_hash_of_what_the_receipt_alone_holds() {
        let pages = pages([7; 32]);
        let (one, other) = (Id([1; 16]), Id([2; 16]));
        let address = pages.address("https://shop.example/g/", one).unwrap_or_default();
        let hash = |order| pages.hash(order).unwrap_or_default();
        let token = address.strip_prefix("https://shop.example/g/").and_then(|rest| rest.split('#').next()).unwrap_or_default();
        assert_eq!(token.len(), 32);
        assert_eq!(hash(one), hex::encode(&Sha256::digest(hex::decode(token).unwrap_or_default())));
        assert!(!hash(one).contains(token) && hash(one) != hash(other));
        assert!(address.ends_with(&one.to_string()), "staff find the order by the same code");
        assert_ne!(self::pages([8; 32]).hash(one), pages.hash(one));
    }
}
