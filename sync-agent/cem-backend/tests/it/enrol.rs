//! A device's life as ops and the device see it: code, enrolment, lock, replacement, retirement.

use crate::backend::{Answer, Backend, DEVICE, Log};
use cem_contract::{
    Command, CommandKind, SigningKey,
    enrol::{EnrolAnswer, KEY_COMMANDS, Machine},
    hex,
    time::rfc3339,
};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

pub(crate) fn code(backend: &Backend, ops: &str, device: &str) -> String {
    let answer = backend.json("POST", ops, "/v1/fleet/codes", &json!({"store": "s-001", "device": device, "role": "kiosk"}));
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["code"].as_str().unwrap().to_owned()
}

pub(crate) fn ask(backend: &Backend, code: &str, seed: u8) -> Answer {
    let key = hex::encode(SigningKey::from_bytes(&[seed; 32]).verifying_key().as_bytes());
    let machine = json!({"id": format!("m-{seed}"), "disk": "d-1"});
    let body = json!({"code": code, "public_key": key, "machine": machine}).to_string();
    backend.send("POST", "/v1/devices/enrol", &[("Content-Type", "application/json")], body.as_bytes())
}

pub(crate) fn enrolled(answer: &Answer) -> EnrolAnswer {
    assert_eq!(answer.status, 201, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

fn refused(answer: &Answer, status: u16, kind: &str) {
    answer.is_problem(status);
    assert_eq!(answer.json()["type"], json!(format!("urn:cem:problem:{kind}")));
}

fn post(backend: &Backend, ops: &str, path: &str) -> Answer {
    backend.json("POST", ops, path, &json!({}))
}

fn commands(enrolled: &EnrolAnswer, answer: &Value) -> Vec<CommandKind> {
    let keys = enrolled.trust_root.keys_for(KEY_COMMANDS);
    let given: Vec<Command> = serde_json::from_value(answer["commands"].clone()).unwrap();
    given.iter().map(|command| command.verify(DEVICE, &keys, now_ms()).unwrap().into_inner()).collect()
}

fn told(enrolled: &EnrolAnswer, answer: &Answer) -> CommandKind {
    answer.is_problem(401);
    let command: Command = serde_json::from_value(answer.json()["command"].clone()).unwrap();
    command.verify(DEVICE, &enrolled.trust_root.keys_for(KEY_COMMANDS), now_ms()).unwrap().into_inner()
}

#[test]
fn a_wrong_a_used_and_a_late_code_are_refused_differently_and_counted() {
    let backend = Backend::start();
    let ops = backend.token("ops", "");
    let given = code(&backend, &ops, "k-01");
    refused(&ask(&backend, "0000-0000-0000", 1), 403, "enrol-code-wrong");
    refused(&ask(&backend, "abc", 1), 400, "enrol-malformed");
    let answer = enrolled(&ask(&backend, &given, 1));
    assert_eq!((answer.config.source.as_str(), answer.config.till, answer.config.order_letter.as_str()), (DEVICE, 1, "A"));
    refused(&ask(&backend, &given, 2), 409, "enrol-code-used");

    let late = code(&backend, &ops, "k-02");
    let db = rusqlite::Connection::open(backend.folder.path().join("cem.db")).unwrap();
    db.execute("UPDATE enrol_code SET expires_ms = ?1 WHERE used_ms IS NULL", [now_ms() - 1]).unwrap();
    refused(&ask(&backend, &late, 2), 410, "enrol-code-late");

    let counted = backend.get(&ops, "/v1/fleet/summary").json()["counted"].clone();
    let expected = json!({"enrol_refused_late": 1, "enrol_refused_malformed": 1, "enrol_refused_used": 1, "enrol_refused_wrong": 1,
        "enrolled": 1});
    assert_eq!(counted, expected);
    let stored: Vec<u8> = db.query_row("SELECT hash FROM enrol_code LIMIT 1", [], |row| row.get(0)).unwrap();
    assert_eq!(stored.len(), 32, "a code is stored hashed");
}

#[test]
fn guessing_codes_is_stopped_and_even_a_right_one_has_to_wait() {
    let backend = Backend::start();
    let ops = backend.token("ops", "");
    let given = code(&backend, &ops, "k-01");
    // A slow machine regains a guess every two seconds: enough wrong ones come in any case.
    let answers: Vec<u16> =
        (0..200).map(|_| ask(&backend, "0000-0000-0000", 1).status).take_while(|status| *status == 403).collect();
    assert!((30..200).contains(&answers.len()), "{}", answers.len());
    let answer = ask(&backend, &given, 1);
    if answer.status == 429 {
        refused(&answer, 429, "enrol-too-many");
        assert_eq!(answer.header("retry-after"), Some("2"));
    }
}

#[test]
fn an_enrolled_device_writes_reports_and_fetches_its_keys() {
    let backend = Backend::start();
    let ops = backend.token("ops", "");
    let device = enrolled(&ask(&backend, &code(&backend, &ops, "k-01"), 1));
    assert_eq!(backend.events(&device.token, &[Log::new(DEVICE).help()]).statuses(), ["accepted"]);
    let keys = backend.get(&device.token, "/v1/devices/k-01/keys").json();
    assert_eq!(keys["keys"], json!(device.keys));
    backend.get(&device.token, "/v1/devices/k-02/keys").is_problem(403);
    let listed = backend.get(&ops, "/v1/fleet/devices?store=s-001").json();
    let enrolment = &listed["items"][0]["enrolment"];
    assert_eq!((&enrolment["state"], &enrolment["till"], &enrolment["order_letter"]), (&json!("active"), &json!(1), &json!("A")));
    assert!(!listed.to_string().contains(&device.token));
    let again = backend.json("POST", &ops, "/v1/fleet/codes", &json!({"store": "s-001", "device": "k-01", "role": "kiosk"}));
    again.is_problem(409);
    backend.json("POST", &device.token, "/v1/fleet/codes", &json!({"store": "s", "device": "k", "role": "r"})).is_problem(403);
    backend.json("POST", &ops, "/v1/fleet/codes", &json!({"store": "s/../t", "device": "k", "role": "r"})).is_problem(400);
}

#[test]
fn a_locked_device_is_out_at_once_is_told_so_and_comes_back_when_unlocked() {
    let backend = Backend::start();
    let ops = backend.token("ops", "");
    let device = enrolled(&ask(&backend, &code(&backend, &ops, "k-01"), 1));
    let other = enrolled(&ask(&backend, &code(&backend, &ops, "k-02"), 2));
    let locked = post(&backend, &ops, "/v1/fleet/devices/k-01/lock").json();
    assert_eq!(locked, json!({"state": "locked", "key_version": 2}));
    assert_eq!(told(&device, &backend.events(&device.token, &[])), CommandKind::Lock);
    assert_eq!(told(&device, &backend.json("POST", &device.token, "/v1/devices/k-01/status", &json!({}))), CommandKind::Lock);
    // The others hear of the new key by the feed, and get old and new.
    let feed = backend.get(&other.token, "/v1/stores/s-001/feed").json();
    assert_eq!(feed["items"][0]["kind"], json!("keys"));
    let keys = backend.get(&other.token, "/v1/devices/k-02/keys").json();
    let tenant: Vec<&Value> = keys["keys"].as_array().unwrap().iter().filter(|key| key["purpose"] == json!("tenant")).collect();
    assert_eq!(tenant.len(), 2);
    assert!(tenant[0]["retires"].is_string() && tenant[1]["retires"].is_null() && tenant[0]["key"] != tenant[1]["key"]);

    assert_eq!(post(&backend, &ops, "/v1/fleet/devices/k-01/unlock").status, 200);
    post(&backend, &ops, "/v1/fleet/devices/k-01/unlock").is_problem(409);
    let answer = backend.json("POST", &device.token, "/v1/devices/k-01/status", &json!({}));
    assert_eq!(commands(&device, &answer.json()), [CommandKind::Unlock]);
    assert_eq!(backend.events(&device.token, &[Log::new(DEVICE).help()]).statuses(), ["accepted"]);
}

#[test]
fn a_replaced_device_is_out_and_its_name_till_and_letter_go_on() {
    let backend = Backend::start();
    let ops = backend.token("ops", "");
    let first = enrolled(&ask(&backend, &code(&backend, &ops, "k-01"), 1));
    let mut log = Log::new(DEVICE);
    backend.events(&first.token, &[log.help(), log.help()]);
    log.help();
    backend.events(&first.token, &[log.help()]);
    backend.json("POST", &first.token, "/v1/devices/k-01/status", &json!({"queue_depth": 7, "oldest_unsent_s": 60}));
    let given = post(&backend, &ops, "/v1/fleet/devices/k-01/replace");
    assert_eq!(given.status, 201);
    let given = given.json();
    assert_eq!((&given["unsent"]["queue_depth"], &given["unsent"]["oldest_unsent_s"]), (&json!(7), &json!(60)));
    assert_eq!((&given["unsent"]["logs"][0]["last"], &given["unsent"]["logs"][0]["missing"]), (&json!(4), &json!(1)));
    // Out before the new one comes, and for ever.
    assert_eq!(told(&first, &backend.events(&first.token, &[])), CommandKind::Lock);
    let second = enrolled(&ask(&backend, given["code"].as_str().unwrap(), 2));
    assert_eq!(second.config, first.config);
    assert_eq!(told(&first, &backend.events(&first.token, &[])), CommandKind::Lock);
    assert_eq!(backend.events(&second.token, &[Log::new(DEVICE).help()]).statuses(), ["accepted"]);
    post(&backend, &ops, "/v1/fleet/devices/k-99/replace").is_problem(404);
}

#[test]
fn a_retired_device_is_told_to_wipe_itself_and_is_out_when_it_says_that_it_did() {
    let backend = Backend::start();
    let ops = backend.token("ops", "");
    let device = enrolled(&ask(&backend, &code(&backend, &ops, "k-01"), 1));
    let answer = backend.json("POST", &ops, "/v1/fleet/devices/k-01/retire", &json!({"now": false}));
    assert_eq!(answer.json(), json!({"state": "retiring"}));
    let status = |body: Value| backend.json("POST", &device.token, "/v1/devices/k-01/status", &body);
    let given = status(json!({})).json();
    assert_eq!(commands(&device, &given), [CommandKind::Retire]);
    // What it still has, it may still send.
    assert_eq!(backend.events(&device.token, &[Log::new(DEVICE).help()]).statuses(), ["accepted"]);
    let said =
        |outcome: &str| json!({"answers": [{"id": given["commands"][0]["id"], "outcome": outcome, "at": rfc3339(now_ms())}]});
    assert_eq!(commands(&device, &status(said("started")).json()), [CommandKind::Retire]);
    assert_eq!(status(said("done")).json(), json!({"commands": []}));
    assert_eq!(told(&device, &status(json!({}))), CommandKind::RetireNow);

    let other = enrolled(&ask(&backend, &code(&backend, &ops, "k-01"), 3));
    let answer = backend.json("POST", &ops, "/v1/fleet/devices/k-01/retire", &json!({"now": true}));
    assert_eq!(answer.json(), json!({"state": "retired"}));
    assert_eq!(told(&other, &backend.events(&other.token, &[])), CommandKind::RetireNow);
}

#[test]
fn commands_are_answered_once_and_what_comes_with_the_answer_is_kept() {
    let backend = Backend::start();
    let ops = backend.token("ops", "");
    let device = enrolled(&ask(&backend, &code(&backend, &ops, "k-01"), 1));
    let id = backend.json("POST", &ops, "/v1/fleet/devices/k-01/commands", &json!({"kind": "logs"})).json()["id"].clone();
    backend.json("POST", &ops, "/v1/fleet/devices/k-01/commands", &json!({"kind": "retire_now"})).is_problem(400);
    let answer = backend.json("POST", &device.token, "/v1/devices/k-01/status", &json!({})).json();
    assert_eq!(commands(&device, &answer), [CommandKind::Logs]);
    let path = format!("/v1/devices/k-01/logs?command={}", id.as_str().unwrap());
    let authorization = format!("Bearer {}", device.token);
    let sent = backend.send("POST", &path, &[("Authorization", &authorization), ("Content-Type", "text/html")], b"line 1\n");
    assert_eq!(sent.status, 204, "{sent:?}");
    let said = json!({"answers": [{"id": id, "outcome": "done"}]});
    assert_eq!(backend.json("POST", &device.token, "/v1/devices/k-01/status", &said).json(), json!({"commands": []}));
    let kept = backend.get(&ops, &format!("/v1/fleet/commands/{}/answer", id.as_str().unwrap()));
    assert_eq!((kept.body.as_str(), kept.header("content-type")), ("line 1\n", Some("text/plain; charset=utf-8")));
    let listed = backend.get(&ops, "/v1/fleet/devices/k-01/commands").json();
    assert_eq!((&listed["items"][0]["outcome"], &listed["items"][0]["has_answer"]), (&json!("done"), &json!(true)));
    backend.get(&device.token, "/v1/fleet/devices/k-01/commands").is_problem(403);
}

#[test]
fn a_copied_disk_is_noticed_shown_and_counted_once() {
    let backend = Backend::start();
    let ops = backend.token("ops", "");
    let device = enrolled(&ask(&backend, &code(&backend, &ops, "k-01"), 1));
    let report = |id: &str| {
        let machine = Machine { id: id.into(), disk: "d-1".into(), model: String::new() };
        backend.json("POST", &device.token, "/v1/devices/k-01/status", &json!({"machine": machine}));
        backend.get(&ops, "/v1/fleet/devices").json()["items"][0]["enrolment"]["copied"].clone()
    };
    assert_eq!(report("m-1"), Value::Null);
    assert!(report("m-7").is_string());
    report("m-7");
    assert_eq!(backend.get(&ops, "/v1/fleet/summary").json()["counted"]["copied"], json!(1));
    assert_eq!(backend.events(&device.token, &[Log::new(DEVICE).help()]).statuses(), ["accepted"], "nothing is lost by it");
}
