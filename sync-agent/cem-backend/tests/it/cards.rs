//! Guests' cards: keys for whoever signed in, cards that prove themselves, lost ones, and one message at two kiosks.

use crate::{
    backend::{Answer, Backend, DEVICE, Log},
    enrol::{ask, code, enrolled, now_ms},
};
use card_auth::{
    Key, hex,
    issue::CardSet,
    ntag424::KeyNo,
    sun::{self, Mirror},
};
use cem_contract::{
    SigningKey,
    enrol::EnrolAnswer,
    staff::{StaffAction, StaffAssertion, StaffRole},
};
use serde_json::{Value, json};

const UID: [u8; 7] = [4, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66];
const JANE: &str = "v_00000000000000000000000000000001";
const BLOCKED: &str = "urn:cem:problem:card-blocked";

struct Shop {
    backend: Backend,
    ops: String,
    device: EnrolAnswer,
}

impl Shop {
    /// Jane has joined by an old card; `st-1` works here.
    fn open() -> Self {
        let backend = Backend::start_in(tempfile::tempdir().unwrap(), &[]);
        let ops = backend.token("ops", "");
        let device = enrolled(&ask(&backend, &code(&backend, &ops, "k-01"), 1));
        let shop = Self { backend, ops, device };
        let action = StaffAction::Add { display_name: "Mia".into(), role: StaffRole::Staff, badge: None, pin: None, ends: None };
        let body = json!({"staff": "st-1", "action": action});
        assert_eq!(shop.backend.json("POST", &shop.ops, "/v1/stores/s-001/staff", &body).status, 200);
        let mut log = Log::new(DEVICE);
        let data = json!({"token": token(0xAA), "display_name": "Jane", "text_version": "1"});
        let joined = log.of("0192f0c0-0000-7000-8000-000000000001", Some(JANE), "cem.visitor.joined.v1", data);
        assert_eq!(shop.backend.events(&shop.device.token, &[joined]).statuses(), ["accepted"]);
        shop
    }

    fn as_staff(&self, path: &str, body: &Value) -> Answer {
        let key = SigningKey::from_bytes(&[1; 32]);
        let assertion = StaffAssertion::new("st-1", StaffRole::Staff, DEVICE, now_ms(), i64::MAX).sign(&key).unwrap();
        let authorization = format!("Bearer {}", self.device.token);
        let headers = [("Authorization", authorization.as_str()), ("CEM-Staff", assertion.as_str())];
        self.backend.send("POST", path, &headers, body.to_string().as_bytes())
    }

    fn keys(&self, uid: [u8; 7]) -> CardSet {
        let answer = self.as_staff("/v1/cards/keys", &json!({"uid": hex::upper(&uid)}));
        assert_eq!(answer.status, 200, "{answer:?}");
        let said: cem_contract::cards::CardKeys = serde_json::from_str(&answer.body).unwrap();
        let keys: Vec<Key> = said.keys.iter().map(|digits| Key::from_hex(digits).unwrap()).collect();
        CardSet::new(keys.try_into().unwrap(), said.version).unwrap()
    }

    fn issue(&self, uid: [u8; 7], body: &Value) -> Answer {
        let mut body = body.clone();
        body["message"] = json!(message(&self.keys(uid), uid, 1));
        self.as_staff("/v1/cards", &body)
    }

    fn resolve(&self, tokens: &[String]) -> Answer {
        self.backend.json("POST", &self.device.token, "/v1/visitors/resolve", &json!({"tokens": tokens}))
    }

    fn issued(&self, tokens: &[String]) -> Value {
        use base64::Engine as _;
        let answer = self.resolve(tokens);
        assert_eq!(answer.status, 200, "{answer:?}");
        let payload = answer.json()["payload"].as_str().unwrap().to_owned();
        let bytes = base64::engine::general_purpose::STANDARD.decode(payload).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }
}

fn token(byte: u8) -> String {
    format!("1:{}", format!("{byte:02x}").repeat(32))
}

/// What a card with these keys says at a tap.
fn message(set: &CardSet, uid: [u8; 7], counter: u32) -> String {
    let card = Mirror { uid, counter };
    let mac = hex::upper(&sun::message_mac(set.key(KeyNo::File), &card, b""));
    format!("https://x/t?picc_data={}&cmac={mac}", hex::upper(&sun::picc_data(set.key(KeyNo::Picc), &card, [9; 5])))
}

#[test]
fn keys_of_one_card_go_to_whoever_signed_in_and_to_nobody_else() {
    let shop = Shop::open();
    let (one, other) = (shop.keys(UID), shop.keys([4, 9, 9, 9, 9, 9, 9]));
    assert!(one == shop.keys(UID), "the same card has the same keys");
    for number in KeyNo::ISSUE_ORDER {
        assert_eq!(one.key(number) == other.key(number), number == KeyNo::Picc, "{number:?}");
    }
    let body = json!({"uid": "04112233445566"});
    for token in [&shop.device.token, &shop.ops] {
        shop.backend.json("POST", token, "/v1/cards/keys", &body).is_problem(403);
    }
    for uid in ["", "04", "0411223344556677", "zz112233445566"] {
        shop.as_staff("/v1/cards/keys", &json!({"uid": uid})).is_problem(400);
    }
    // Who asked is on record, and neither the number nor a key is.
    let db = rusqlite::Connection::open(shop.backend.folder.path().join("cem.db")).unwrap();
    let asked: i64 =
        db.query_row("SELECT count(*) FROM audit WHERE action = 'card.keys' AND staff = 'st-1'", [], |r| r.get(0)).unwrap();
    assert_eq!(asked, 3);
    drop(db);
    let stored = std::fs::read(shop.backend.folder.path().join("cem.db")).unwrap();
    assert!(!stored.windows(7).any(|bytes| bytes == UID));
}

#[test]
fn a_card_is_bound_by_its_own_message_and_brings_its_key_to_the_stores_devices() {
    let shop = Shop::open();
    let new = token(0xBB);
    let forged = json!({"token": new, "message": "https://x/t?picc_data=00&cmac=00", "visitor": JANE});
    shop.as_staff("/v1/cards", &forged).is_problem(403);
    let bound = shop.issue(UID, &json!({"token": new, "visitor": JANE}));
    assert_eq!((bound.status, bound.json()["visitor"].as_str()), (201, Some(JANE)), "{bound:?}");
    assert_eq!(shop.issue(UID, &json!({"token": new, "visitor": JANE})).status, 201, "said twice");
    let profile = shop.issued(std::slice::from_ref(&new));
    let key = shop.keys(UID).key(KeyNo::File).clone();
    assert_eq!(profile["card_keys"], json!([{"token": new, "key": hex::upper(key.expose())}]));
    assert_eq!(profile["tokens"], json!([token(0xAA), new]), "the old card stays good");
    shop.issue(UID, &json!({"token": new, "visitor": "v_nobody"})).is_problem(404);
    // A card without a holder waits for whoever joins with it.
    let free = [4, 7, 7, 7, 7, 7, 7];
    assert_eq!(shop.issue(free, &json!({"token": token(0xCC)})).json()["visitor"], Value::Null);
    shop.resolve(&[token(0xCC)]).is_problem(404);
}

#[test]
fn a_lost_card_is_refused_everywhere_and_its_holder_keeps_everything_on_a_new_one() {
    let shop = Shop::open();
    let (old, new) = (token(0xAA), token(0xBB));
    let feed = shop.backend.get(&shop.device.token, "/v1/stores/s-001/feed?after=x").json();
    let next = feed["next"].as_str().unwrap().to_owned();
    let before = shop.issued(std::slice::from_ref(&old));
    let bound = shop.issue(UID, &json!({"token": new, "visitor": JANE, "replaces": true})).json();
    assert_eq!(bound, json!({"visitor": JANE, "blocked": 1}));
    let refused = shop.resolve(std::slice::from_ref(&old));
    refused.is_problem(403);
    assert_eq!(refused.json()["type"], json!(BLOCKED));
    let after = shop.issued(std::slice::from_ref(&new));
    assert_eq!((&after["visitor"], &after["display_name"], &after["points"]), (&json!(JANE), &json!("Jane"), &before["points"]));
    assert_eq!(after["tokens"], json!([new]), "a kiosk that has only this profile does not know the lost card");
    let news = shop.backend.get(&shop.device.token, &format!("/v1/stores/s-001/feed?after={next}")).json();
    let kinds: Vec<_> = news["items"].as_array().unwrap().iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"card_blocked") && kinds.contains(&"visitor"), "{kinds:?}");
    let listed = shop.backend.get(&shop.device.token, "/v1/cards/blocked?limit=1").json();
    assert_eq!(listed, json!({"items": [old], "next": old}));
    assert_eq!(shop.backend.get(&shop.device.token, &format!("/v1/cards/blocked?after={old}")).json()["items"], json!([]));
    // The lost card cannot be issued anew, and blocking again blocks nothing more but the new one.
    shop.issue(UID, &json!({"token": old, "visitor": JANE})).is_problem(403);
    let path = format!("/v1/visitors/{JANE}/cards/block");
    assert_eq!(shop.as_staff(&path, &json!({})).json(), json!({"blocked": 1}));
    shop.resolve(&[new]).is_problem(403);
    shop.as_staff("/v1/visitors/v_nobody/cards/block", &json!({})).is_problem(404);
    shop.backend.json("POST", &shop.device.token, &path, &json!({})).is_problem(403);
}

#[test]
fn a_card_under_a_newer_key_of_the_tenant_is_known_by_both_names() {
    let shop = Shop::open();
    let (old, new) = (token(0xAA), format!("2:{}", "dd".repeat(32)));
    shop.resolve(std::slice::from_ref(&new)).is_problem(404);
    let profile = shop.issued(&[new.clone(), old.clone()]);
    assert_eq!(profile["tokens"], json!([old, new]));
    assert_eq!(shop.issued(std::slice::from_ref(&new))["visitor"], json!(JANE), "by the new one alone from now on");
}

#[test]
fn one_message_at_two_kiosks_is_flagged_and_at_one_it_is_not() {
    let shop = Shop::open();
    let (mut one, mut other) = (Log::new(DEVICE), Log::new("/stores/s-001/devices/k-02"));
    let second = shop.backend.token("device", "/stores/s-001/devices/k-02");
    let tap = |log: &mut Log, counter: i64| {
        let data = json!({"method": "ntag424", "assurance": "high", "token": token(0xBB), "counter": counter});
        log.of(&uuid::Uuid::now_v7().to_string(), None, "cem.visit.identified.v1", data)
    };
    let seen = tap(&mut one, 7);
    for _ in 0..2 {
        shop.backend.events(&shop.device.token, std::slice::from_ref(&seen));
    }
    shop.backend.events(&shop.device.token, &[tap(&mut one, 8)]);
    shop.backend.events(&second, &[tap(&mut other, 9)]);
    let summary = || shop.backend.get(&shop.ops, "/v1/fleet/summary").json();
    assert_eq!((summary()["replays"].clone(), summary()["counted"]["card_used_at_two_kiosks"].clone()), (json!([]), Value::Null));
    assert_eq!(shop.backend.events(&second, &[tap(&mut other, 7)]).statuses(), ["accepted"], "a fact is taken");
    let replay = summary()["replays"][0].clone();
    assert_eq!((&replay["counter"], &replay["sources"]), (&json!(7), &json!([DEVICE, "/stores/s-001/devices/k-02"])));
    assert_eq!(summary()["counted"]["card_used_at_two_kiosks"], json!(1));
    assert!(!summary().to_string().contains("bbbb"), "ops see no pseudonym");
}
