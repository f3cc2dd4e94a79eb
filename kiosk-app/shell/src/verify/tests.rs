#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    config::TenantKey,
    keys::{KeyRing, Keys},
    pseudonym::KnownBadges,
};
use card_auth::{
    diversify, hex,
    sun::{self, Mirror},
};
use kiosk_devices::{ExchangeError, ReaderError, ReaderLine, Uid};
use std::collections::BTreeMap;

mod rotation;
mod session;

const UID: [u8; 7] = [0x04, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0x80];
const PICC: Key = Key::new([2; 16]);

fn file_key() -> Key {
    diversify::card_key(&Key::new([1; 16]), &UID, KeyNo::File)
}

/// The key of every card, and a card that was lost.
pub(crate) struct KnownKeys(pub(crate) Option<Key>, pub(crate) Option<String>);
impl CardKeys for KnownKeys {
    fn file_key(&mut self, _: &str) -> Option<Key> {
        self.0.clone()
    }
    fn is_blocked(&mut self, tokens: &[String]) -> bool {
        tokens.iter().any(|token| Some(token) == self.1.as_ref())
    }
}

#[derive(Default)]
pub(crate) struct Memory(Mutex<BTreeMap<String, u32>>);
impl TapCounters for Memory {
    fn take(&self, token: &str, counter: u32) -> Option<bool> {
        let mut known = self.0.lock().unwrap();
        let new = known.get(token).is_none_or(|last| counter > *last);
        if new {
            known.insert(token.to_owned(), counter);
        }
        Some(new)
    }
}

/// A reader with a telephone on it.
struct Phone(Option<hce::SigningKey>);
impl TagReader for Phone {
    fn next(&mut self, _: Duration) -> Result<ReaderLine, ReaderError> {
        Err(ReaderError::Timeout)
    }
    fn exchange(&mut self, apdu: &[u8], _: Duration) -> Result<Vec<u8>, ExchangeError> {
        let key = self.0.as_ref().ok_or_else(|| ExchangeError::Card("gone".into()))?;
        let challenge = apdu[5..21].try_into().unwrap();
        Ok([&hce::prove(key, challenge)[..], &[0x90, 0x00]].concat())
    }
}

pub(crate) fn test_verifier(key: Option<Key>) -> Verifier {
    Verifier {
        pseudonyms: Pseudonyms::new(test_keys(3), KnownBadges::default()),
        policy: CardPolicy::default(),
        keys: Box::new(KnownKeys(key, None)),
        counters: Arc::new(Memory::default()),
        handed: Handed::default(),
    }
}

fn test_keys(version: u32) -> KeyRing {
    let tenant = (1..=version).rev().map(|version| TenantKey { version, bytes: [u8::try_from(version).unwrap() + 4; 32] });
    KeyRing::new(Keys { tenant: tenant.collect(), picc: Some(PICC), ..Keys::default() })
}

fn message(counter: u32) -> String {
    let card = Mirror { uid: UID, counter };
    let mac = hex::upper(&sun::message_mac(&file_key(), &card, b""));
    format!("https://x/t?picc_data={}&cmac={mac}", hex::upper(&sun::picc_data(&PICC, &card, [9; 5])))
}

fn tag(kind: reader::TagKind, uid: &[u8], url: Option<String>) -> Tag {
    Tag { number: 1, kind, uid: Uid::new(uid).unwrap(), url, data: Vec::new() }
}

fn tap(verifier: &mut Verifier, url: String) -> Option<DeviceEvent> {
    verifier.see(&tag(reader::TagKind::Ntag424, &UID, Some(url)), &mut Phone(None))
}

fn assurance(event: Option<DeviceEvent>) -> Option<(Method, Assurance, Option<u32>)> {
    match event {
        Some(DeviceEvent::CardSeen { method, assurance, counter, token }) => {
            assert!(token.starts_with("3:") && !token.to_uppercase().contains("A1B2C3"), "{token}");
            Some((method, assurance, counter))
        }
        _ => None,
    }
}

const NOT_GENUINE: Option<DeviceEvent> = Some(DeviceEvent::CardRefused(CardRefusal::NotGenuine));

#[test]
fn a_message_is_proven_by_the_cards_key_once() {
    let mut verifier = test_verifier(Some(file_key()));
    assert_eq!(assurance(tap(&mut verifier, message(5))), Some((Method::Ntag424, Assurance::High, Some(5))));
    assert_eq!(tap(&mut verifier, message(5)), NOT_GENUINE, "the same message again");
    assert_eq!(tap(&mut verifier, message(4)), NOT_GENUINE, "an older one");
    assert!(assurance(tap(&mut verifier, message(6))).is_some());
}

#[test]
fn a_forged_message_and_a_strange_number_are_refused() {
    let mut verifier = test_verifier(Some(Key::new([8; 16])));
    assert_eq!(tap(&mut verifier, message(5)), NOT_GENUINE);
    let mut verifier = test_verifier(Some(file_key()));
    let other = tag(reader::TagKind::Ntag424, &[4, 9, 9, 9, 9, 9, 9], Some(message(5)));
    assert_eq!(verifier.see(&other, &mut Phone(None)), NOT_GENUINE, "the message of another card");
    assert!(assurance(tap(&mut verifier, message(5))).is_some(), "which spends nothing");
}

#[test]
fn without_the_cards_key_the_message_goes_with_the_look_up() {
    let mut verifier = test_verifier(None);
    let event = tap(&mut verifier, message(5)).unwrap();
    let DeviceEvent::CardSeen { token, assurance: Assurance::Low, .. } = event else { panic!("{event:?}") };
    assert_eq!(verifier.handed.of(&token).message, Some(message(5)));
    assert_eq!(verifier.handed.of("1:another").message, None);
}

#[test]
fn a_lost_card_is_refused_whatever_it_proves() {
    let mut verifier = test_verifier(Some(file_key()));
    let Some(DeviceEvent::CardSeen { token, .. }) = tap(&mut verifier, message(5)) else { panic!("it is good") };
    verifier.keys = Box::new(KnownKeys(Some(file_key()), Some(token)));
    assert_eq!(tap(&mut verifier, message(6)), Some(DeviceEvent::CardRefused(CardRefusal::Blocked)));
    verifier.keys = Box::new(KnownKeys(Some(file_key()), None));
    assert!(assurance(tap(&mut verifier, message(6))).is_some(), "which spent nothing");
}

#[test]
fn a_card_of_another_shop_is_a_number() {
    let mut verifier = test_verifier(None);
    let foreign = format!("https://x?picc_data={}&cmac=94EED9EE65337086", "0".repeat(32));
    for url in [foreign, "https://example.org".to_owned()] {
        assert_eq!(assurance(tap(&mut verifier, url)), Some((Method::Uid, Assurance::Low, None)));
    }
}

#[test]
fn numbers_that_identify_nobody_are_refused() {
    let mut verifier = test_verifier(None);
    let mut see = |uid: &[u8]| verifier.see(&tag(reader::TagKind::Uid, uid, None), &mut Phone(None));
    assert_eq!(see(&[8, 1, 2, 3]), Some(DeviceEvent::CardRefused(CardRefusal::RandomNumber)));
    assert_eq!(see(&[9, 1, 2, 3]), Some(DeviceEvent::CardRefused(CardRefusal::NotTaken)));
    assert_eq!(assurance(see(&UID)), Some((Method::Uid, Assurance::Low, None)));
    verifier.policy.four_byte = true;
    let four = tag(reader::TagKind::Uid, &[9, 1, 2, 3], None);
    assert!(assurance(verifier.see(&four, &mut Phone(None))).is_some());
}

#[test]
fn a_telephone_proves_its_key_or_is_refused() {
    let mut verifier = test_verifier(None);
    let key = hce::SigningKey::from_bytes(&[5; 32]);
    let data = [&[hce::VERSION][..], key.verifying_key().as_bytes(), &[0x90, 0]].concat();
    let phone = Tag { data, ..tag(reader::TagKind::Hce, &[8, 1, 2, 3], None) };
    let mut see = |key: Option<[u8; 32]>| verifier.see(&phone, &mut Phone(key.map(|key| hce::SigningKey::from_bytes(&key))));
    assert_eq!(assurance(see(Some([5; 32]))), Some((Method::Hce, Assurance::High, None)));
    assert_eq!(see(Some([6; 32])), NOT_GENUINE);
    assert_eq!(see(None), None, "it left");
}

#[test]
fn a_badge_is_known_by_an_older_version_and_a_card_goes_by_the_newest() {
    let mut verifier = test_verifier(None);
    let tokens = verifier.pseudonyms.of(TagKind::Uid, &UID).unwrap();
    assert_eq!(tokens.iter().map(|token| &token[..2]).collect::<Vec<_>>(), ["3:", "2:", "1:"]);
    let seen = |verifier: &mut Verifier| match verifier.see(&tag(reader::TagKind::Uid, &UID, None), &mut Phone(None)) {
        Some(DeviceEvent::CardSeen { token, .. }) => token,
        other => panic!("{other:?}"),
    };
    assert_eq!(seen(&mut verifier), tokens[0]);
    let badges = KnownBadges::default();
    verifier.pseudonyms = Pseudonyms::new(test_keys(3), badges.clone());
    badges.set(&[tokens[1].clone()]);
    assert_eq!(seen(&mut verifier), tokens[1]);
}

#[test]
fn before_the_agent_has_given_a_key_no_card_is_told_of() {
    let mut verifier = test_verifier(None);
    verifier.pseudonyms = Pseudonyms::new(KeyRing::default(), KnownBadges::default());
    assert_eq!(verifier.see(&tag(reader::TagKind::Uid, &UID, None), &mut Phone(None)), None);
}
