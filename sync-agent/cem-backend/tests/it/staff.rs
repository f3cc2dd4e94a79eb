//! Who works in a store: ops edit, devices hear of it, managers edit from a device, and what signing in is good for.

use crate::{
    backend::{Answer, Backend, DEVICE},
    enrol::{ask, code, enrolled, now_ms},
};
use cem_contract::{
    Envelope, SigningKey,
    enrol::{EnrolAnswer, KEY_ROSTER, PURPOSE_PIN_PEPPER, ScopedKey},
    pin,
    staff::{CHANGE_PAYLOAD_TYPE, StaffAction, StaffAssertion, StaffChange, StaffRole, StaffRoster},
    time::rfc3339,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use uuid::Uuid;

const SEED: u8 = 1;

struct Shop {
    backend: Backend,
    ops: String,
    device: EnrolAnswer,
}

impl Shop {
    /// Without `--allow-static-staff`: as a shop runs.
    fn open() -> Self {
        let backend = Backend::start_in(tempfile::tempdir().unwrap(), &[]);
        let ops = backend.token("ops", "");
        let device = enrolled(&ask(&backend, &code(&backend, &ops, "k-01"), SEED));
        Self { backend, ops, device }
    }

    fn edit(&self, staff: &str, action: &StaffAction) -> Answer {
        self.backend.json("POST", &self.ops, "/v1/stores/s-001/staff", &json!({"staff": staff, "action": action}))
    }

    fn add(&self, staff: &str, role: StaffRole) {
        let action = StaffAction::Add { display_name: staff.to_uppercase(), role, badge: None, pin: None, ends: None };
        assert_eq!(self.edit(staff, &action).status, 200);
    }

    fn roster(&self, envelope: &Value) -> StaffRoster {
        let envelope: Envelope = serde_json::from_value(envelope.clone()).unwrap();
        StaffRoster::verify(&envelope, &self.device.trust_root.keys_for(KEY_ROSTER), "s-001").unwrap().into_inner()
    }

    fn search(&self, assertion: &str) -> Answer {
        let authorization = format!("Bearer {}", self.device.token);
        let headers = [("Authorization", authorization.as_str()), ("CEM-Staff", assertion)];
        self.backend.send("GET", "/v1/visitors?query=nora", &headers, b"")
    }

    fn pass_on(&self, change: &StaffChange) -> Value {
        let envelope = Envelope::sign(CHANGE_PAYLOAD_TYPE, &serde_json::to_vec(change).unwrap(), &key());
        self.backend.json("POST", &self.device.token, "/v1/stores/s-001/staff", &json!(envelope)).json()
    }
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[SEED; 32])
}

fn assertion(staff: &str, role: StaffRole) -> String {
    StaffAssertion::new(staff, role, DEVICE, now_ms(), i64::MAX).sign(&key()).unwrap()
}

#[test]
fn a_leaver_is_told_of_while_the_device_waits_for_news() {
    let shop = Shop::open();
    shop.add("st-1", StaffRole::Staff);
    shop.add("st-2", StaffRole::Manager);
    let page = shop.backend.get(&shop.device.token, "/v1/stores/s-001/feed").json();
    let before = shop.roster(&page["items"][0]["envelope"]);
    assert_eq!((before.members.len(), page["items"].as_array().unwrap().len()), (2, 1), "the feed has the last one only");
    let next = page["next"].as_str().unwrap();
    let began = Instant::now();
    let shop = &shop;
    std::thread::scope(|scope| {
        let path = format!("/v1/stores/s-001/feed?wait=25&after={next}");
        let poll = scope.spawn(move || shop_get(&shop.backend, &shop.device.token, &path));
        assert_eq!(shop.edit("st-1", &StaffAction::End { at: rfc3339(now_ms()) }).status, 200);
        let news = poll.join().unwrap();
        let after = shop.roster(&news["items"][0]["envelope"]);
        assert!(after.version > before.version);
        assert_eq!(after.members.iter().map(|member| member.staff.as_str()).collect::<Vec<_>>(), ["st-2"]);
        // Asked for by itself, it is the same, and nobody else's device gets it.
        let asked_for = shop.roster(&shop_get(&shop.backend, &shop.device.token, "/v1/stores/s-001/roster"));
        assert_eq!((asked_for.version, asked_for.members.len()), (after.version, 1));
        shop.backend.get(&shop.device.token, "/v1/stores/s-002/roster").is_problem(403);
    });
    assert!(began.elapsed() < Duration::from_secs(20), "not by the end of the poll");
}

fn shop_get(backend: &Backend, token: &str, path: &str) -> Value {
    backend.get(token, path).json()
}

#[test]
fn a_pin_is_given_once_and_must_be_replaced_and_its_hash_fits_the_devices_pepper() {
    let shop = Shop::open();
    shop.add("st-1", StaffRole::Staff);
    let answer = shop.backend.json("POST", &shop.ops, "/v1/stores/s-001/staff/st-1/pin", &json!({}));
    let given = answer.json()["pin"].as_str().unwrap().to_owned();
    assert_eq!(given.len(), 6);
    let member = shop.roster(&shop_get(&shop.backend, &shop.device.token, "/v1/stores/s-001/roster")).members.remove(0);
    let pepper = ScopedKey::newest(&shop.device.keys, PURPOSE_PIN_PEPPER).unwrap().bytes().unwrap();
    assert!(pin::verify(&given, member.pin.as_deref().unwrap(), &pepper).unwrap() && member.must_reset);
    let listed = shop.backend.get(&shop.ops, "/v1/stores/s-001/staff").json();
    assert_eq!((&listed["items"][0]["has_pin"], &listed["items"][0]["must_reset"]), (&json!(true), &json!(true)));
    assert!(!listed.to_string().contains("argon2"));
    shop.backend.json("POST", &shop.ops, "/v1/stores/s-001/staff/st-9/pin", &json!({})).is_problem(404);
    shop.backend.json("POST", &shop.device.token, "/v1/stores/s-001/staff/st-1/pin", &json!({})).is_problem(403);
}

#[test]
fn a_manager_edits_the_staff_from_a_device_and_others_do_not() {
    let shop = Shop::open();
    shop.add("st-1", StaffRole::Manager);
    shop.add("st-2", StaffRole::Staff);
    let change = |by: &str, staff: &str, role| {
        let action = StaffAction::Role { role };
        StaffChange { id: Uuid::now_v7(), at: rfc3339(now_ms()), by: by.into(), staff: staff.into(), action }
    };
    let good = change("st-1", "st-2", StaffRole::Service);
    assert_eq!(shop.pass_on(&good), json!({"outcome": "made"}));
    assert_eq!(shop.pass_on(&good), json!({"outcome": "made"}), "sent twice, made once");
    assert_eq!(shop.pass_on(&change("st-2", "st-1", StaffRole::Staff))["outcome"], json!("refused"));
    let roles: Vec<StaffRole> = shop
        .roster(&shop_get(&shop.backend, &shop.device.token, "/v1/stores/s-001/roster"))
        .members
        .iter()
        .map(|member| member.role)
        .collect();
    assert_eq!(roles, [StaffRole::Manager, StaffRole::Service]);
}

#[test]
fn signing_in_at_a_device_opens_the_staff_routes_for_whom_the_role_allows() {
    let shop = Shop::open();
    for (staff, role) in [("st-1", StaffRole::Manager), ("st-2", StaffRole::Service), ("st-3", StaffRole::Staff)] {
        shop.add(staff, role);
    }
    assert_eq!(shop.search(&assertion("st-1", StaffRole::Manager)).status, 200);
    assert_eq!(shop.search(&assertion("st-3", StaffRole::Staff)).status, 200);
    let refused = |header: &str| {
        let answer = shop.search(header);
        answer.is_problem(403);
        assert_eq!(answer.json()["type"], json!("urn:cem:problem:assertion"));
        answer.json()["detail"].as_str().unwrap().to_owned()
    };
    assert!(refused(&assertion("st-2", StaffRole::Service)).contains("no guest's data"));
    assert!(refused(&assertion("st-3", StaffRole::Manager)).contains("role has changed"), "nobody promotes themselves");
    assert!(refused(&assertion("st-9", StaffRole::Staff)).contains("does not work here"));
    let old = StaffAssertion::new("st-1", StaffRole::Manager, DEVICE, now_ms() - 16 * 60 * 1_000, i64::MAX);
    assert!(refused(&old.sign(&key()).unwrap()).contains("sign in again"));
    let forged = StaffAssertion::new("st-1", StaffRole::Manager, DEVICE, now_ms(), i64::MAX);
    refused(&forged.sign(&SigningKey::from_bytes(&[9; 32])).unwrap());
    let elsewhere = StaffAssertion::new("st-1", StaffRole::Manager, "/stores/s-001/devices/k-02", now_ms(), i64::MAX);
    assert!(refused(&elsewhere.sign(&key()).unwrap()).contains("another device"));
    refused("st-1");
    // Static tokens are for tests only.
    let fixed = shop.backend.token("staff", "");
    shop.backend.get(&fixed, "/v1/visitors?query=nora").is_problem(403);
    // Out at once.
    assert_eq!(shop.edit("st-1", &StaffAction::End { at: rfc3339(now_ms()) }).status, 200);
    assert!(refused(&assertion("st-1", StaffRole::Manager)).contains("does not work here"));
}
