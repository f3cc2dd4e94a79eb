//! Gift cards over HTTP: who may, what is said, and that no code is on the disk.

use crate::backend::{Answer, Backend, DEVICE};
use serde_json::{Value, json};
use std::fs;
use uuid::Uuid;

struct Shop {
    backend: Backend,
    device: String,
    staff: String,
}

impl Shop {
    fn open() -> Self {
        let backend = Backend::start();
        let (device, staff) = (backend.token("device", DEVICE), backend.token("staff", "/stores/s-001"));
        Self { backend, device, staff }
    }

    fn keyed(&self, token: &str, path: &str, key: u128, body: &Value) -> Answer {
        let (authorization, key) = (format!("Bearer {token}"), Uuid::from_u128(key).to_string());
        let headers = [("Authorization", authorization.as_str()), ("CEM-Staff", "st-7"), ("Idempotency-Key", key.as_str())];
        self.backend.send("POST", path, &headers, body.to_string().as_bytes())
    }

    fn issue(&self, minor: i64) -> String {
        let issued = self.keyed(&self.staff, "/v1/gift-cards", 1, &json!({"amount": eur(minor)}));
        assert_eq!(issued.status, 201, "{issued:?}");
        issued.json()["code"].as_str().unwrap().to_owned()
    }

    fn balance(&self, code: &str) -> Value {
        self.backend.get(&self.device, &format!("/v1/gift-cards/{code}")).json()["balance"]["minor"].clone()
    }
}

fn eur(minor: i64) -> Value {
    json!({"minor": minor, "currency": "EUR"})
}

fn hold(key: u128) -> Value {
    json!({"hold": Uuid::from_u128(key).to_string()})
}

#[test]
fn a_gift_card_is_issued_held_captured_and_given_back_under_keys() {
    let shop = Shop::open();
    let code = shop.issue(2_000);
    assert_eq!(shop.issue(2_000), code, "the same key, the same card");
    let path = |what: &str| format!("/v1/gift-cards/{code}/{what}");
    for _ in 0..2 {
        let held = shop.keyed(&shop.device, &path("holds"), 2, &json!({"amount": eur(1_250), "order": "o-1"}));
        assert_eq!(
            (held.status, held.json()["state"].as_str(), held.json()["balance"]["minor"].as_i64()),
            (200, Some("held"), Some(750))
        );
    }
    let much = shop.keyed(&shop.device, &path("holds"), 3, &json!({"amount": eur(751)}));
    much.is_problem(409);
    assert_eq!(much.json()["type"], "urn:cem:problem:gift-too-little");
    // Whoever takes it need not know the code any more.
    for _ in 0..2 {
        let taken = shop.keyed(&shop.device, "/v1/gift-cards/-/captures", 2, &hold(2));
        assert_eq!((taken.status, taken.json()["state"].as_str()), (200, Some("captured")));
    }
    assert_eq!(shop.balance(&code), 750);
    let back = json!({"hold": Uuid::from_u128(2).to_string(), "amount": eur(250)});
    for _ in 0..2 {
        assert_eq!(shop.keyed(&shop.device, "/v1/gift-cards/-/refunds", 4, &back).json()["state"], "refunded");
    }
    assert_eq!(shop.balance(&code), 1_000);
    let more = json!({"hold": Uuid::from_u128(2).to_string(), "amount": eur(1_001)});
    shop.keyed(&shop.device, "/v1/gift-cards/-/refunds", 5, &more).is_problem(409);
}

#[test]
fn a_release_that_comes_first_keeps_its_hold_out() {
    let shop = Shop::open();
    let code = shop.issue(500);
    assert_eq!(shop.keyed(&shop.device, "/v1/gift-cards/-/releases", 9, &hold(9)).json()["state"], "released");
    let late = shop.keyed(&shop.device, &format!("/v1/gift-cards/{code}/holds"), 9, &json!({"amount": eur(500)}));
    late.is_problem(409);
    assert_eq!((late.json()["type"].as_str(), shop.balance(&code)), (Some("urn:cem:problem:gift-gone"), json!(500)));
}

#[test]
fn only_devices_spend_only_staff_issue_and_wrong_codes_are_bounded() {
    let shop = Shop::open();
    let body = json!({"amount": eur(500)});
    shop.keyed(&shop.device, "/v1/gift-cards", 1, &body).is_problem(403);
    shop.keyed(&shop.staff, "/v1/gift-cards/1234567890123456/holds", 1, &body).is_problem(403);
    shop.backend.json("POST", &shop.device, "/v1/gift-cards/-/captures", &hold(1)).is_problem(400);
    let statuses: Vec<u16> =
        (0..32).map(|n| shop.backend.get(&shop.device, &format!("/v1/gift-cards/{:016}", 10_000 + n)).status).collect();
    assert_eq!((statuses[0], *statuses.last().unwrap()), (404, 429), "{statuses:?}");
}

#[test]
fn no_code_is_on_the_disk() {
    let shop = Shop::open();
    let code = shop.issue(500);
    shop.keyed(&shop.device, &format!("/v1/gift-cards/{code}/holds"), 2, &json!({"amount": eur(100)}));
    for entry in fs::read_dir(shop.backend.folder.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(code.len()).any(|window| window == code.as_bytes()));
    }
}
