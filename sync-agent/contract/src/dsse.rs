//! Signed envelopes: DSSE (Dead Simple Signing Envelope, secure-systems-lab/dsse v1.0) with Ed25519 (RFC 8032).
//!
//! The signature covers the exact payload bytes and their type (`PAE`), so that nothing is ever re-serialised to be
//! checked. What was checked is a [`Verified`]; there is no other way to make one.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use ed25519_dalek::{Signature, Signer};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

pub use ed25519_dalek::{SigningKey, VerifyingKey};

/// The payload type of a guest's profile.
pub const PROFILE_PAYLOAD_TYPE: &str = "application/vnd.cem.profile.v1+json";

/// More signatures than this are not looked at: two keys are valid at once, the rest is somebody's idea of work for us.
const MAX_SIGNATURES: usize = 8;

/// An envelope as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The payload's bytes in base64.
    pub payload: String,
    /// What the payload is.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// One is enough.
    pub signatures: Vec<EnvelopeSignature>,
}

/// A signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeSignature {
    /// A hint which key it is by: see [`key_id`].
    #[serde(default)]
    pub keyid: String,
    /// The 64 bytes of the signature in base64.
    pub sig: String,
}

/// What came out of an envelope whose signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    value: T,
    key_id: String,
}

impl<T> Verified<T> {
    /// The payload.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// The payload, by value.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// The payload read as something else by a function that cannot fail: still believed.
    pub(crate) fn map<U>(self, read: impl FnOnce(T) -> U) -> Verified<U> {
        Verified { value: read(self.value), key_id: self.key_id }
    }

    /// The id of the key that signed it.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }
}

/// Why an envelope is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Made for another purpose.
    #[error("the envelope holds {found:?}, wanted is {wanted:?}")]
    WrongType {
        /// What it says it holds.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// The payload is not base64.
    #[error("the payload is not base64")]
    NotBase64,
    /// No signature by any of the keys.
    #[error("no signature by a key that is trusted here")]
    NotSigned,
    /// Signed, but not of the expected shape: the two ends disagree.
    #[error("the payload is signed, but not what it says: {0}")]
    NotReadable(String),
}

impl Envelope {
    /// Signs these exact bytes.
    pub fn sign(payload_type: &str, payload: &[u8], key: &SigningKey) -> Self {
        let signature = key.sign(&pae(payload_type, payload));
        Self {
            payload: STANDARD.encode(payload),
            payload_type: payload_type.to_owned(),
            signatures: vec![EnvelopeSignature {
                keyid: key_id(&key.verifying_key()),
                sig: STANDARD.encode(signature.to_bytes()),
            }],
        }
    }

    /// Checks that one of `keys` signed the payload as this type, and gives the exact bytes.
    pub fn verify_bytes(&self, payload_type: &str, keys: &[VerifyingKey]) -> Result<Verified<Vec<u8>>, EnvelopeError> {
        if self.payload_type != payload_type {
            return Err(EnvelopeError::WrongType { found: self.payload_type.clone(), wanted: payload_type.to_owned() });
        }
        let payload = decode(&self.payload).ok_or(EnvelopeError::NotBase64)?;
        let message = pae(payload_type, &payload);
        // The key id is not covered by the signature, so it never decides: every key is tried.
        for signature in self.signatures.iter().take(MAX_SIGNATURES) {
            let Some(signature) = decode(&signature.sig).and_then(|bytes| Signature::from_slice(&bytes).ok()) else { continue };
            if let Some(key) = keys.iter().find(|key| key.verify_strict(&message, &signature).is_ok()) {
                return Ok(Verified { value: payload, key_id: key_id(key) });
            }
        }
        Err(EnvelopeError::NotSigned)
    }

    /// As [`Envelope::verify_bytes`], reading the payload as JSON once it is believed. For profiles, `T` is
    /// [`crate::IssuedProfile`] and the type [`PROFILE_PAYLOAD_TYPE`].
    pub fn verify<T: DeserializeOwned>(&self, payload_type: &str, keys: &[VerifyingKey]) -> Result<Verified<T>, EnvelopeError> {
        let bytes = self.verify_bytes(payload_type, keys)?;
        let value = serde_json::from_slice(&bytes.value).map_err(|error| EnvelopeError::NotReadable(error.to_string()))?;
        Ok(Verified { value, key_id: bytes.key_id })
    }
}

/// The name of a key: the first 16 bytes of the SHA-256 of its 32 bytes, as hex.
pub fn key_id(key: &VerifyingKey) -> String {
    Sha256::digest(key.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// DSSE's pre-authentication encoding: what is signed.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}

/// DSSE lets a signer choose either alphabet.
fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    #[test]
    fn the_pre_authentication_encoding_is_that_of_the_dsse_protocol() {
        let pae = pae("http://example.com/HelloWorld", b"hello world");
        assert_eq!(pae, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn the_key_of_rfc_8032_has_this_id() {
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5,
            0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let public = SigningKey::from_bytes(&seed).verifying_key();
        assert_eq!(public.as_bytes()[..4], [0xd7, 0x5a, 0x98, 0x01]);
        assert_eq!(key_id(&public), "21fe31dfa154a261626bf854046fd227");
    }

    /// Frozen: devices in shops hold envelopes of these bytes. Nobody edits this test.
    #[test]
    fn a_signed_envelope_has_these_bytes_for_ever() {
        let envelope = Envelope::sign(PROFILE_PAYLOAD_TYPE, br#"{"visitor":"v_1"}"#, &key(7));
        assert_eq!(serde_json::to_string(&envelope).unwrap(), FROZEN);
    }

    #[test]
    fn a_payload_is_believed_from_either_of_two_keys_and_no_third() {
        let envelope = Envelope::sign("t", br#"{"a":1}"#, &key(2));
        let keys = [key(1).verifying_key(), key(2).verifying_key()];
        let verified: Verified<Value> = envelope.verify("t", &keys).unwrap();
        assert_eq!((verified.get(), verified.key_id()), (&json!({"a": 1}), key_id(&keys[1]).as_str()));
        assert_eq!(envelope.verify_bytes("t", &keys[..1]), Err(EnvelopeError::NotSigned));
        assert_eq!(envelope.verify_bytes("t", &[]), Err(EnvelopeError::NotSigned));
    }

    #[test]
    fn a_payload_signed_as_one_type_is_not_believed_as_another() {
        let mut envelope = Envelope::sign("t", b"{}", &key(1));
        let keys = [key(1).verifying_key()];
        assert!(matches!(envelope.verify_bytes("u", &keys), Err(EnvelopeError::WrongType { .. })));
        envelope.payload_type = "u".to_owned();
        assert_eq!(envelope.verify_bytes("u", &keys), Err(EnvelopeError::NotSigned));
    }

    #[test]
    fn every_flipped_bit_of_payload_or_signature_is_refused() {
        let envelope = Envelope::sign("t", b"{\"points\":412}", &key(1));
        let keys = [key(1).verifying_key()];
        let (payload, sig) = (decode(&envelope.payload).unwrap(), decode(&envelope.signatures[0].sig).unwrap());
        for bit in 0..payload.len() * 8 {
            let mut flipped = payload.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let forged = Envelope { payload: STANDARD.encode(flipped), ..envelope.clone() };
            assert_eq!(forged.verify_bytes("t", &keys), Err(EnvelopeError::NotSigned));
        }
        for bit in (0..sig.len() * 8).step_by(7) {
            let mut flipped = sig.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let mut forged = envelope.clone();
            forged.signatures[0].sig = STANDARD.encode(flipped);
            assert_eq!(forged.verify_bytes("t", &keys), Err(EnvelopeError::NotSigned));
        }
    }

    #[test]
    fn both_alphabets_of_base64_are_read_and_rubbish_is_refused() {
        let payload = [0xfbu8, 0xff, 0xfe];
        let mut envelope = Envelope::sign("t", &payload, &key(1));
        envelope.payload = URL_SAFE.encode(payload);
        assert!(envelope.verify_bytes("t", &[key(1).verifying_key()]).is_ok());
        envelope.payload = "%%%".to_owned();
        assert_eq!(envelope.verify_bytes("t", &[key(1).verifying_key()]), Err(EnvelopeError::NotBase64));
    }

    const FROZEN: &str = concat!(
        r#"{"payload":"eyJ2aXNpdG9yIjoidl8xIn0=","payloadType":"application/vnd.cem.profile.v1+json","signatures":["#,
        r#"{"keyid":"fe812c12f3ab4ce6ac5db69ac352f906","#,
        r#""sig":"6x47TQhrZnG6qeGZ7+8iTqqzkkkViJBo6lmC4+A0jPbq1wgoKznNEshN+xH5U6NrtS8LFJz9uTFFW3FaWI4ZBg=="}]}"#
    );
}
