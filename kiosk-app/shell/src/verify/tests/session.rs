//! Mutual authentication, where the policy asks for it beyond the card's message.

use super::*;
use card_auth::ev2::CardChallenge;

/// A card that holds `key` in the slot that is asked for.
struct Card {
    key: Key,
    challenge: Option<CardChallenge>,
}

impl Card {
    fn with(key: Key) -> Self {
        Self { key, challenge: None }
    }
}

impl TagReader for Card {
    fn next(&mut self, _: Duration) -> Result<ReaderLine, ReaderError> {
        Err(ReaderError::Timeout)
    }
    fn exchange(&mut self, apdu: &[u8], _: Duration) -> Result<Vec<u8>, ExchangeError> {
        if apdu[1] == ev2::AUTHENTICATE {
            let (challenge, coded) = CardChallenge::new(&self.key, [5; 16]);
            self.challenge = Some(challenge);
            return Ok([&coded[..], &[0x91, ev2::MORE]].concat());
        }
        let proof = self.challenge.take().and_then(|challenge| challenge.finish(&apdu[5..37], [1; 4]));
        Ok(proof.map_or(vec![0x91, 0xAE], |(proof, _)| [&proof[..], &[0x91, 0x00]].concat()))
    }
}

fn strict() -> Verifier {
    let mut verifier = test_verifier(Some(file_key()));
    verifier.policy.session = true;
    verifier
}

fn lay(verifier: &mut Verifier, counter: u32, card: &mut dyn TagReader) -> Option<DeviceEvent> {
    verifier.see(&tag(reader::TagKind::Ntag424, &UID, Some(message(counter))), card)
}

#[test]
fn a_card_proves_its_key_beside_its_message() {
    let seen = lay(&mut strict(), 5, &mut Card::with(file_key()));
    assert_eq!(assurance(seen), Some((Method::Ntag424, Assurance::High, Some(5))));
}

#[test]
fn a_message_that_somebody_else_plays_is_refused_and_stays_good_for_its_card() {
    let mut verifier = strict();
    assert_eq!(lay(&mut verifier, 5, &mut Card::with(Key::new([8; 16]))), NOT_GENUINE);
    assert_eq!(lay(&mut verifier, 5, &mut Phone(None)), None, "it left");
    assert!(assurance(lay(&mut verifier, 5, &mut Card::with(file_key()))).is_some());
}
