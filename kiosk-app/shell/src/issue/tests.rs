#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    config::TenantKey,
    keys::{KeyRing, Keys},
    pseudonym::KnownBadges,
};
use card_auth::hex;
use cem_contract::cards::{CARD_KEYS, CardKeys, CardsBlocked};
use kiosk_devices::{ExchangeError, ReaderError, ReaderLine, TagKind as Kind, Uid};

const UID: [u8; 7] = [4, 1, 2, 3, 4, 5, 6];

/// A backend that gives keys and notes what it is told.
#[derive(Clone, Default)]
struct Office {
    heard: Arc<Mutex<Vec<CardWant>>>,
    away: bool,
    refuses: bool,
}

impl CardOffice for Office {
    fn ask(&mut self, staff: &str, want: CardWant) -> Result<CardSaid, NoOffice> {
        assert_eq!(staff, "1001");
        self.heard.lock().unwrap().push(want.clone());
        match want {
            _ if self.away => Err(NoOffice::Away),
            _ if self.refuses => Err(NoOffice::Refused("no".into())),
            CardWant::Keys(request) => {
                let set = CardSet::derive(&Key::new([1; 16]), &Key::new([2; 16]), &hex::array(&request.uid).unwrap(), 1).unwrap();
                let keys: Vec<String> = set.keys().iter().map(|key| hex::upper(key.expose())).collect();
                assert_eq!(keys.len(), CARD_KEYS);
                Ok(CardSaid::Keys(CardKeys { version: 1, keys }))
            }
            CardWant::Issued(issued) => {
                Ok(CardSaid::Bound(CardBound { visitor: issued.visitor, blocked: u64::from(issued.replaces) }))
            }
            CardWant::Find { query } => {
                Ok(CardSaid::Found(vec![WireHolder { visitor: "v_1".into(), name: query, phone_ending: "11".into(), points: 3 }]))
            }
            CardWant::Block { .. } => Ok(CardSaid::Blocked(CardsBlocked { blocked: 2 })),
        }
    }
}

/// A reader from which the card is taken at the first exchange.
struct Empty;
impl TagReader for Empty {
    fn next(&mut self, _: Duration) -> Result<ReaderLine, ReaderError> {
        Err(ReaderError::Timeout)
    }
    fn exchange(&mut self, _: &[u8], _: Duration) -> Result<Vec<u8>, ExchangeError> {
        Err(ExchangeError::Card("gone".into()))
    }
}

/// A card that answers everything with a refusal, as another shop's does to the master key.
struct Foreign;
impl TagReader for Foreign {
    fn next(&mut self, _: Duration) -> Result<ReaderLine, ReaderError> {
        Err(ReaderError::Timeout)
    }
    fn exchange(&mut self, apdu: &[u8], _: Duration) -> Result<Vec<u8>, ExchangeError> {
        Ok(match apdu[1] {
            0xA4 => vec![0x90, 0x00],
            card_auth::ntag424::GET_KEY_VERSION => vec![7, 0x91, 0x00],
            _ => vec![0x91, 0xAE],
        })
    }
}

fn tag(kind: Kind, uid: &[u8]) -> Tag {
    Tag { number: 1, kind, uid: Uid::new(uid).unwrap(), url: None, data: Vec::new() }
}

fn test_pseudonyms() -> Pseudonyms {
    let tenant = vec![TenantKey { version: 1, bytes: [3; 32] }];
    Pseudonyms::new(KeyRing::new(Keys { tenant, ..Keys::default() }), KnownBadges::default())
}

fn issuer(office: &Office) -> Issuer {
    let template = address("cem.example/t").unwrap();
    Issuer { office: Box::new(office.clone()), pseudonyms: test_pseudonyms(), template, bench: Bench::default() }
}

fn job(count: u16) -> Job {
    Job::new("1001".into(), Some("v_1".into()), true, count)
}

#[test]
fn a_card_counts_once_the_backend_has_it_and_the_batch_ends_by_itself() {
    let mut issuer = issuer(&Office::default());
    issuer.bench.put(Some(job(2)));
    let mut made = |token: &str| {
        let job = issuer.bench.job().unwrap();
        issuer.finished(&job, token.into(), "https://x".into())
    };
    assert_eq!(made("1:aa"), CardStep::Made { made: 1, of: 2, blocked: 1 });
    assert_eq!(made("1:aa"), CardStep::MadeBefore, "laid on again");
    assert_eq!(made("1:bb"), CardStep::Made { made: 2, of: 2, blocked: 1 });
    assert_eq!(issuer.bench.job(), None, "the reader reads guests again");
}

#[test]
fn what_is_no_blank_card_of_the_kind_is_told_apart() {
    let office = Office::default();
    let mut issuer = issuer(&office);
    issuer.bench.put(Some(job(1)));
    assert_eq!(issuer.make(&job(1), &tag(Kind::Uid, &UID), &mut Empty), CardStep::WrongKind);
    assert_eq!(issuer.make(&job(1), &tag(Kind::Ntag424, &UID[..4]), &mut Empty), CardStep::WrongKind);
    assert!(office.heard.lock().unwrap().is_empty(), "the backend is not asked about those");
    assert_eq!(issuer.make(&job(1), &tag(Kind::Ntag424, &UID), &mut Empty), CardStep::TakenAway);
    assert_eq!(issuer.make(&job(1), &tag(Kind::Ntag424, &UID), &mut Foreign), CardStep::Foreign);
    let told = office.heard.lock().unwrap();
    assert!(told.iter().all(|want| matches!(want, CardWant::Keys(_))), "nothing was bound");
}

#[test]
fn without_a_backend_nothing_is_written_into_a_card() {
    for (office, step) in [
        (Office { away: true, ..Office::default() }, CardStep::NoBackend),
        (Office { refuses: true, ..Office::default() }, CardStep::Refused),
    ] {
        let mut issuer = issuer(&office);
        assert_eq!(issuer.make(&job(1), &tag(Kind::Ntag424, &UID), &mut Empty), step);
    }
}

#[test]
fn holders_are_found_and_their_cards_blocked_through_the_office() {
    let mut office = Office::default();
    assert_eq!(holders(&mut office, "1001", "Jane").unwrap()[0].name, "Jane");
    assert_eq!(block(&mut office, "1001", "v_1"), Ok(2));
    let mut away = Office { away: true, ..Office::default() };
    assert_eq!(block(&mut away, "1001", "v_1"), Err(NoOffice::Away));
}

#[test]
fn keys_come_as_five_or_not_at_all() {
    let hex16 = "00".repeat(16);
    assert!(set_of(CardKeys { version: 1, keys: vec![hex16.clone(); 5] }).is_some());
    assert!(set_of(CardKeys { version: 1, keys: vec![hex16.clone(); 4] }).is_none());
    assert!(set_of(CardKeys { version: 0, keys: vec![hex16; 5] }).is_none());
    assert!(set_of(CardKeys { version: 1, keys: vec!["zz".into(); 5] }).is_none());
}
