use crate::backend::{Backend, DEVICE, Log, cli};
use cem_contract::{Envelope, IssuedProfile, PROFILE_PAYLOAD_TYPE, VerifyingKey};
use serde_json::{Value, json};
use uuid::Uuid;

const JANE: &str = "v_0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";
const SEED: &str = r#"
[[visitor]]
visitor = "v_0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
tokens = ["1:8f2c"]
stores = ["s-001"]
display_name = "Zebulon"
language = "en"
consent = "personal"
phone_ending = "4711"
points = 412
usual = [{ sku = "flat-white", quantity = 1, modifiers = [{ sku = "oat-milk", quantity = 1 }] }]
"#;

fn seeded() -> Backend {
    let backend = Backend::start();
    let file = backend.folder.path().join("visitors.toml");
    std::fs::write(&file, SEED).unwrap();
    let output = cli(backend.folder.path(), &["seed", "--file", file.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    std::fs::remove_file(&file).unwrap();
    backend
}

fn signing_key(backend: &Backend) -> VerifyingKey {
    let output = cli(backend.folder.path(), &["profile-key"]);
    let line = String::from_utf8(output.stdout).unwrap();
    let (_, public) = line.trim().split_once(' ').unwrap();
    let bytes: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&public[at * 2..at * 2 + 2], 16).unwrap()).collect();
    VerifyingKey::from_bytes(&bytes.try_into().unwrap()).unwrap()
}

/// A visit of the seeded guest, as a kiosk tells it.
fn visit(log: &mut Log, visitor: Option<&str>, number: &str) -> (String, Vec<Value>) {
    let id = Uuid::now_v7().to_string();
    let started = json!({"trigger": "tap", "role": "kiosk", "language": "en"});
    let identified = json!({"method": "uid", "assurance": "low", "token": "1:8f2c"});
    let feedback = json!({"csat": 4, "comment": "Zebulon liked it", "channel": "kiosk", "touchpoint": "food"});
    let ended = json!({"outcome": "completed", "duration_ms": 1, "touches": 2});
    let events = vec![
        log.of(&id, None, "cem.visit.started.v1", started),
        log.of(&id, visitor, "cem.visit.identified.v1", identified),
        log.order(&id, visitor, number, "Zebulon"),
        log.of(&id, visitor, "cem.feedback.given.v1", feedback),
        log.of(&id, visitor, "cem.visit.ended.v1", ended),
    ];
    (id, events)
}

#[test]
fn a_token_is_resolved_into_a_profile_that_the_kiosk_can_check() {
    let backend = seeded();
    let device = backend.token("device", "/stores/s-002/devices/k-09");
    let answer = backend.json("POST", &device, "/v1/visitors/resolve", &json!({"tokens": ["2:0000", "1:8f2c"]}));
    assert_eq!(answer.status, 200, "{answer:?}");
    let envelope: Envelope = serde_json::from_str(&answer.body).unwrap();
    let issued: IssuedProfile = envelope.verify(PROFILE_PAYLOAD_TYPE, &[signing_key(&backend)]).unwrap().into_inner();
    assert_eq!((issued.profile.visitor.as_str(), issued.profile.points, issued.store.as_str()), (JANE, 412, "s-002"));
    assert_eq!(
        (issued.profile.usual[0].sku.as_str(), issued.tokens),
        ("flat-white", vec!["1:8f2c".to_owned(), "2:0000".to_owned()])
    );
    backend.json("POST", &device, "/v1/visitors/resolve", &json!({"tokens": ["1:ffff"]})).is_problem(404);
    backend.json("POST", &device, "/v1/visitors/resolve", &json!({"tokens": []})).is_problem(400);
    backend.json("POST", &device, "/v1/visitors/resolve", &json!({"token": "1:8f2c"})).is_problem(400);
    let page = backend.get(&device, "/v1/stores/s-002/visitors").json();
    assert_eq!(page["items"][0]["visitor"], json!(JANE), "the store keeps whom it has met");
}

#[test]
fn staff_see_profile_history_and_notes_and_find_guests() {
    let backend = seeded();
    let (device, staff) = (backend.token("device", DEVICE), backend.token("staff", ""));
    let mut log = Log::new(DEVICE);
    let ((older, first), (newer, second)) = (visit(&mut log, Some(JANE), "A1"), visit(&mut log, None, "A2"));
    let mut second: Vec<Value> = second;
    for event in &mut second {
        event["time"] = json!("2026-11-21T12:00:00.000Z");
    }
    backend.events(&device, &second);
    backend.events(&device, &first);
    let profile = backend.get(&staff, &format!("/v1/visitors/{JANE}")).json();
    assert_eq!((profile["visits"].clone(), profile["last_feedback"]["csat"].clone()), (json!(2), json!(4)));
    assert_eq!(profile["last_seen"], json!("2026-11-21T12:00:00.000Z"));

    let page = backend.get(&staff, &format!("/v1/visitors/{JANE}/visits?limit=1")).json();
    assert_eq!(page["items"][0]["visitid"], json!(newer), "newest first, and found by the card alone");
    let next = page["next"].as_str().unwrap();
    let page = backend.get(&staff, &format!("/v1/visitors/{JANE}/visits?limit=5&before={next}")).json();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1));
    let visit = &page["items"][0];
    assert_eq!((visit["visitid"].clone(), visit["orders"][0]["total"]["minor"].clone()), (json!(older), json!(430)));
    assert_eq!(visit["feedback"][0]["comment"], json!("Zebulon liked it"));

    for query in ["zebu", "4711", "a2"] {
        let found = backend.get(&staff, &format!("/v1/visitors?query={query}&store=s-001")).json();
        assert_eq!(found["items"][0]["visitor"], json!(JANE), "{query}");
    }
    assert_eq!(backend.get(&staff, "/v1/visitors?query=zebu&store=s-009").json()["items"], json!([]));
    let note = backend.json("POST", &staff, &format!("/v1/visitors/{JANE}/notes"), &json!({"text": "likes the window seat"}));
    assert_eq!((note.status, note.json()["staff"].clone()), (201, json!("st-7")));
    let export = backend.get(&staff, &format!("/v1/visitors/{JANE}/export")).json();
    assert_eq!(
        (export["notes"][0]["text"].clone(), export["tokens"][0].clone()),
        (json!("likes the window seat"), json!("1:8f2c"))
    );
    assert_eq!((export["events"].as_array().map(Vec::len), export["visits"].as_array().map(Vec::len)), (Some(10), Some(2)));
}

#[test]
fn consent_is_set_by_staff_and_by_channels_and_the_later_word_wins() {
    let backend = seeded();
    let (staff, channel) = (backend.token("staff", ""), backend.token("channel", "/channels/web"));
    let path = format!("/v1/visitors/{JANE}/consent");
    let set = |token: &str, level: &str| backend.json("PUT", token, &path, &json!({"consent": level, "text_version": "2"}));
    let version = |answer: &crate::backend::Answer| answer.json()["version"].as_u64();
    let before = backend.get(&staff, &format!("/v1/visitors/{JANE}"));
    assert_eq!(set(&staff, "none").json()["consent"], json!("none"));
    assert_eq!(set(&channel, "marketing").json()["consent"], json!("marketing"));
    let after = backend.get(&staff, &format!("/v1/visitors/{JANE}"));
    assert!(version(&after) > version(&before));
    set(&staff, "everything").is_problem(400);
    set(&backend.token("device", DEVICE), "none").is_problem(403);
    backend
        .json("PUT", &staff, "/v1/visitors/v_nobody/consent", &json!({"consent": "none", "text_version": "2"}))
        .is_problem(404);
}

#[test]
fn two_ids_of_one_card_become_one_person_and_the_smallest_id_survives() {
    let backend = Backend::start();
    let (k1, k2) = (backend.token("device", DEVICE), backend.token("device", "/stores/s-001/devices/k-02"));
    let staff = backend.token("staff", "");
    let (a, b) = ("v_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "v_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    let joined = json!({"token": "1:77", "display_name": "Nora", "text_version": "1"});
    let visit = Uuid::now_v7().to_string();
    backend.events(&k2, &[Log::new("/stores/s-001/devices/k-02").of(&visit, Some(b), "cem.visitor.joined.v1", joined.clone())]);
    let changes = backend.get(&k1, "/v1/stores/s-001/visitors").json();
    backend.events(&k1, &[Log::new(DEVICE).of(&Uuid::now_v7().to_string(), Some(a), "cem.visitor.joined.v1", joined)]);
    let merged = backend.get(&staff, &format!("/v1/visitors/{b}")).json();
    assert_eq!(
        (merged["visitor"].clone(), merged["merged_into"].clone(), merged["visits"].clone()),
        (json!(a), json!(a), json!(2))
    );
    let next = changes["next"].as_str().unwrap();
    let changes = backend.get(&k1, &format!("/v1/stores/s-001/visitors?after={next}")).json();
    let told: Vec<(&str, &str)> = changes["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["kind"].as_str().unwrap(), item["visitor"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("visitor_removed", b), ("visitor", a)]);
}

#[test]
fn an_erased_person_is_gone_from_every_answer_and_from_the_files() {
    let backend = seeded();
    let (device, staff, ops) = (backend.token("device", DEVICE), backend.token("staff", ""), backend.token("ops", ""));
    let mut log = Log::new(DEVICE);
    let (_, events) = visit(&mut log, Some(JANE), "A1");
    let (_, late) = visit(&mut log, Some(JANE), "A2");
    backend.events(&device, &events);
    let path = format!("/v1/visitors/{JANE}");
    backend.json("POST", &staff, &format!("{path}/notes"), &json!({"text": "Zebulon tips well"}));
    backend.json("DELETE", &staff, &path, &json!(null)).is_problem(403);
    backend.json("DELETE", &device, &path, &json!(null)).is_problem(403);
    for _ in 0..2 {
        assert_eq!(backend.json("DELETE", &ops, &path, &json!(null)).status, 202);
    }
    backend.get(&staff, &path).is_problem(404);
    backend.get(&staff, &format!("{path}/visits")).is_problem(404);
    backend.get(&staff, &format!("{path}/export")).is_problem(404);
    backend.json("POST", &device, "/v1/visitors/resolve", &json!({"tokens": ["1:8f2c"]})).is_problem(404);
    assert_eq!(backend.get(&staff, "/v1/visitors?query=zebulon").json()["items"], json!([]));

    assert!(backend.events(&device, &late).statuses().iter().all(|status| status == "accepted"), "late events are accepted");
    backend.get(&staff, &path).is_problem(404);
    let list = backend.get(&device, "/v1/erasures").json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    assert_eq!((list["items"][0]["visitor"].clone(), list["items"][0]["tokens"].clone()), (json!(JANE), json!(["1:8f2c"])));
    let next = list["next"].as_str().unwrap();
    assert_eq!(backend.get(&device, &format!("/v1/erasures?after={next}")).json()["items"], json!([]));

    let stored = backend.get(&ops, "/v1/fleet/events").json();
    let stored = stored["items"].as_array().unwrap();
    assert_eq!(stored.len(), 10);
    assert!(stored.iter().all(|item| item["event"]["erased"] == json!(true)));
    let order = stored.iter().find(|item| item["event"]["type"] == json!("cem.order.placed.v1")).unwrap();
    assert_eq!(order["event"]["data"]["total"]["minor"], json!(430));
    let feed = backend.get(&device, "/v1/stores/s-001/feed").body;
    assert!(!feed.contains("Zebulon") && feed.contains("erasure"), "{feed}");
    assert_eq!(backend.get(&ops, "/v1/fleet/summary").json()["totals"], json!([{"currency": "EUR", "minor": 860}]));

    let folder = backend.kill();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"Zebulon"), "the name is still on the disk");
    }
}

#[test]
fn a_device_may_ask_for_an_erasure_by_an_event() {
    let backend = seeded();
    let (device, staff) = (backend.token("device", DEVICE), backend.token("staff", ""));
    let mut event = Log::new(DEVICE).event("cem.visitor.erasure_requested.v1", json!({"by": "guest"}));
    event["visitor"] = json!(JANE);
    assert_eq!(backend.events(&device, &[event]).statuses(), ["accepted"]);
    backend.get(&staff, &format!("/v1/visitors/{JANE}")).is_problem(404);
    assert_eq!(backend.get(&device, "/v1/erasures").json()["items"][0]["visitor"], json!(JANE));
}

#[test]
fn who_may_read_persons_is_decided_by_token_store_and_flag() {
    let backend = seeded();
    let path = format!("/v1/visitors/{JANE}");
    let (own, other) = (backend.token("device", DEVICE), backend.token("device", "/stores/s-002/devices/k-01"));
    assert_eq!(backend.get(&own, &path).status, 200);
    backend.get(&other, &path).is_problem(403);
    backend.get(&own, "/v1/visitors/v_nobody").is_problem(404);
    backend.get(&own, &format!("{path}/visits")).is_problem(403);
    backend.get(&own, "/v1/visitors?query=zebulon").is_problem(403);
    backend.get(&own, "/v1/stores/s-002/visitors").is_problem(403);
    backend.get(&backend.token("ops", ""), &path).is_problem(403);
    backend.get(&backend.token("channel", "/channels/web"), &path).is_problem(403);
    let staff = backend.token("staff", "");
    let bearer = format!("Bearer {staff}");
    backend.send("GET", &path, &[("Authorization", &bearer)], b"").is_problem(403);
    backend.send("GET", &path, &[("CEM-Staff", "st-7")], b"").is_problem(401);
    let strict = Backend::start_in(backend.kill(), &[]);
    strict.get(&staff, &path).is_problem(403);
}
