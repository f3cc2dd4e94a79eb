//! A telephone with the shop's application (host card emulation, ISO/IEC 7816-4 under an AID of our own): it proves that it
//! holds a signing key; the shop keeps no secret for it.
//!
//! | Command | Answer |
//! |---|---|
//! | `00 A4 04 00 09 F0 "CEMKIOSK" 00` SELECT | `01`, the public key (Ed25519, 32 bytes), `90 00` |
//! | `80 88 00 00 10 <challenge, 16 bytes> 00` | the signature (64 bytes) over `"cem-kiosk hce 1" \|\| challenge \|\| public key`, `90 00` |
//!
//! The public key is the telephone's id ([`TagKind::Hce`](crate::TagKind::Hce)). The application answers only where its owner
//! allows it (unlocked, or opened): whoever may select it can recognise the telephone. A challenge is used once.

pub use ed25519_dalek::SigningKey;
use ed25519_dalek::{Signature, Signer, VerifyingKey};

/// The application's id.
pub const AID: &[u8; 9] = b"\xF0CEMKIOSK";
/// The application's version, first byte of its answer to SELECT.
pub const VERSION: u8 = 1;
/// Bytes of a challenge.
pub const CHALLENGE: usize = 16;

const CONTEXT: &[u8; 15] = b"cem-kiosk hce 1";
const SIGNED: usize = CONTEXT.len() + CHALLENGE + 32;

/// The public key in the application's answer to SELECT, status bytes included.
pub fn identity(selected: &[u8]) -> Option<[u8; 32]> {
    match selected {
        [VERSION, key @ .., 0x90, 0x00] => key.try_into().ok(),
        _ => None,
    }
}

/// The command that challenges it.
pub fn challenge_apdu(challenge: &[u8; CHALLENGE]) -> [u8; 22] {
    let mut apdu = [0; 22];
    apdu[..5].copy_from_slice(&[0x80, 0x88, 0, 0, 16]);
    apdu[5..21].copy_from_slice(challenge);
    apdu
}

/// True if `response`, status bytes included, proves that the telephone holds the key that it named.
pub fn is_proof(identity: &[u8; 32], challenge: &[u8; CHALLENGE], response: &[u8]) -> bool {
    let [signature @ .., 0x90, 0x00] = response else { return false };
    let (Ok(key), Ok(signature)) = (VerifyingKey::from_bytes(identity), Signature::from_slice(signature)) else { return false };
    // Strict: keys of small order, which fit any message, are refused.
    key.verify_strict(&message(identity, challenge), &signature).is_ok()
}

/// The telephone's side: the signature.
pub fn prove(key: &SigningKey, challenge: &[u8; CHALLENGE]) -> [u8; 64] {
    key.sign(&message(key.verifying_key().as_bytes(), challenge)).to_bytes()
}

fn message(identity: &[u8; 32], challenge: &[u8; CHALLENGE]) -> [u8; SIGNED] {
    let mut message = [0; SIGNED];
    message[..15].copy_from_slice(CONTEXT);
    message[15..31].copy_from_slice(challenge);
    message[31..].copy_from_slice(identity);
    message
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::vec::Vec;

    fn phone() -> (SigningKey, [u8; 32]) {
        let key = SigningKey::from_bytes(&[9; 32]);
        let identity = key.verifying_key().to_bytes();
        (key, identity)
    }

    fn response(signature: [u8; 64]) -> Vec<u8> {
        [&signature[..], &[0x90, 0]].concat()
    }

    #[test]
    fn a_telephone_proves_the_key_that_it_named() {
        let (key, public) = phone();
        let selected = [&[VERSION][..], &public, &[0x90, 0]].concat();
        assert_eq!(identity(&selected), Some(public));
        assert_eq!(identity(&selected[1..]), None);
        assert!(is_proof(&public, &[1; 16], &response(prove(&key, &[1; 16]))));
        assert_eq!(challenge_apdu(&[7; 16])[4..7], [16, 7, 7]);
    }

    #[test]
    fn an_old_proof_another_telephone_and_every_flipped_bit_are_refused() {
        let (key, public) = phone();
        let good = response(prove(&key, &[1; 16]));
        assert!(!is_proof(&public, &[2; 16], &good), "an answer to an earlier challenge");
        assert!(!is_proof(&SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes(), &[1; 16], &good));
        for bit in 0..64 * 8 {
            let mut forged = good.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_proof(&public, &[1; 16], &forged), "bit {bit}");
        }
        assert!(!is_proof(&public, &[1; 16], &good[..65]) && !is_proof(&public, &[1; 16], &[]));
        // The neutral element as a key would accept any message of a lenient verifier.
        let mut small = [0; 32];
        small[0] = 1;
        assert!(!is_proof(&small, &[1; 16], &response([0; 64])));
    }
}
