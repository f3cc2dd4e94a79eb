//! The visitor cache at rest: who reads the agent's file without its key learns how many guests the store knows, and nothing
//! about any of them.
//!
//! | Stored | As |
//! |---|---|
//! | the envelope | nonce (12 bytes), AES-256-GCM of it, tag (16 bytes); the name of the visitor is authenticated with it |
//! | pseudonym and cards | HMAC-SHA256 under a key of its own: found again, not read |
//!
//! The key is the agent's, sealed to the machine by it; the kiosk asks for it ([`crate::link::Ask::CacheKey`]) and keeps it in
//! memory only.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac, rand,
};
use std::{fmt, sync::Arc};

/// The key of the visitor cache. Clones share it.
#[derive(Clone)]
pub struct CacheKey(Arc<Keys>);

struct Keys {
    bytes: [u8; CacheKey::BYTES],
    seal: LessSafeKey,
    names: hmac::Key,
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CacheKey(..)")
    }
}

impl CacheKey {
    /// How long it is.
    pub const BYTES: usize = 32;

    /// The key with these bytes; `None` where there are not as many.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; Self::BYTES] = bytes.try_into().ok()?;
        let main = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        let seal = UnboundKey::new(&AES_256_GCM, hmac::sign(&main, b"envelopes").as_ref()).ok()?;
        let names = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&main, b"names").as_ref());
        Some(Self(Arc::new(Keys { bytes, seal: LessSafeKey::new(seal), names })))
    }

    /// A new key of the system's random numbers; `None` where it gives none.
    #[must_use]
    pub fn random() -> Option<Self> {
        let mut bytes = [0; Self::BYTES];
        rand::fill(&mut bytes).ok()?;
        Self::from_bytes(&bytes)
    }

    /// Its bytes: for whoever keeps it.
    #[must_use]
    pub fn bytes(&self) -> &[u8; Self::BYTES] {
        &self.0.bytes
    }

    /// What a pseudonym or a card is stored as.
    pub(crate) fn name(&self, text: &str) -> String {
        let tag = hmac::sign(&self.0.names, text.as_bytes());
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// By what a file is known to be under this key.
    pub(crate) fn id(&self) -> String {
        self.name("the key itself")
    }

    /// The sealed bytes; `None` where the system gives no random numbers.
    pub(crate) fn seal(&self, owner: &str, plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).ok()?;
        let mut body = plain.to_vec();
        let sealed = self.0.seal.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(owner), &mut body);
        sealed.ok()?;
        Some([&nonce[..], &body].concat())
    }

    /// What was sealed for this owner under this key; `None` for anything else.
    pub(crate) fn open(&self, owner: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
        let mut body = body.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let length = self.0.seal.open_in_place(nonce, Aad::from(owner), &mut body).ok()?.len();
        body.truncate(length);
        Some(body)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_owner_under_its_key_and_not_otherwise() {
        let (key, other) = (CacheKey::from_bytes(&[7; 32]).unwrap(), CacheKey::from_bytes(&[8; 32]).unwrap());
        let sealed = key.seal("v_1", b"Jane").unwrap();
        assert_eq!(key.open("v_1", &sealed).as_deref(), Some(&b"Jane"[..]));
        assert!(!sealed.windows(4).any(|window| window == b"Jane"));
        assert_ne!(key.seal("v_1", b"Jane").unwrap(), sealed, "another nonce each time");
        assert_eq!((key.open("v_2", &sealed), other.open("v_1", &sealed), key.open("v_1", b"short")), (None, None, None));
        for bit in 0..sealed.len() * 8 {
            let mut broken = sealed.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open("v_1", &broken), None, "bit {bit}");
        }
    }

    #[test]
    fn names_are_found_again_and_not_read() {
        let (key, other) = (CacheKey::from_bytes(&[7; 32]).unwrap(), CacheKey::from_bytes(&[8; 32]).unwrap());
        assert_eq!(key.name("1:ab"), key.name("1:ab"));
        assert_ne!(key.name("1:ab"), other.name("1:ab"));
        assert_eq!(format!("{key:?}"), "CacheKey(..)");
        assert!(CacheKey::from_bytes(&[7; 31]).is_none() && CacheKey::random().is_some());
    }
}
