//! The guest's page: its address on the receipt, and what the backend learns of it.
//!
//! The 128-bit token is not kept anywhere: it is made again from the order's id, under the tenant's key, whenever a receipt
//! is printed. Whoever has the receipt has the token; whoever has the events, the database or the logs has its SHA-256, with
//! which no page is opened.

use crate::config::TenantKey;
use card_auth::page_token;
use cem_contract::hex;
use kiosk_core::Id;
use sha2::{Digest as _, Sha256};

/// Makes the tokens of guests' pages.
#[derive(Clone, PartialEq, Eq)]
pub struct Pages([u8; 32]);

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pages")
    }
}

impl Pages {
    pub(crate) fn new(key: &TenantKey) -> Self {
        Self(key.bytes)
    }

    /// What stands in the QR code: the page's address, and behind '#', which no browser sends, the order by which staff find it.
    pub(crate) fn address(&self, url: &str, order: Id) -> String {
        format!("{url}{}#{order}", hex::encode(&page_token(&self.0, &order.0)))
    }

    /// `page` of `cem.order.placed.v1`.
    pub(crate) fn hash(&self, order: Id) -> String {
        hex::encode(&Sha256::digest(page_token(&self.0, &order.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backend_knows_the_hash_of_what_the_receipt_alone_holds() {
        let pages = Pages([7; 32]);
        let (one, other) = (Id([1; 16]), Id([2; 16]));
        let address = pages.address("https://shop.example/g/", one);
        let token = address.strip_prefix("https://shop.example/g/").and_then(|rest| rest.split('#').next()).unwrap_or_default();
        assert_eq!(token.len(), 32);
        assert_eq!(pages.hash(one), hex::encode(&Sha256::digest(hex::decode(token).unwrap_or_default())));
        assert!(!pages.hash(one).contains(token) && pages.hash(one) != pages.hash(other));
        assert!(address.ends_with(&one.to_string()), "staff find the order by the same code");
        assert_ne!(Pages([8; 32]).hash(one), pages.hash(one));
    }
}
