//! Codes of the guest's page, from the receipt to the kiosk that reads one.

use crate::backend::{Answer, Backend, Log};
use cem_contract::hex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const JANE: &str = "v_00000000000000000000000000000001";
const VISIT: &str = "0192f0c0-0000-7000-8000-000000000001";
const LATER: &str = "0192f0c0-0000-7000-8000-000000000002";
const DEVICE: &str = "/stores/s-001/devices/k-01";
const SECRET: [u8; 16] = [0x5A; 16];

fn token(byte: u8) -> String {
    format!("1:{}", hex::encode(&[byte; 32]))
}

struct Shop {
    backend: Backend,
    device: String,
    log: Log,
}

impl Shop {
    /// Jane has joined and paid; the receipt leads to her page.
    fn open() -> Self {
        let backend = Backend::start();
        let device = backend.token("device", DEVICE);
        let mut log = Log::new(DEVICE);
        let joined = json!({"token": token(0xAA), "display_name": "Jane", "text_version": "1"});
        let mut joined = log.of(VISIT, Some(JANE), "cem.visitor.joined.v1", joined);
        joined["consent"] = json!("personal");
        let mut order = log.order(VISIT, Some(JANE), "A-1", "Jane");
        order["data"]["page"] = json!(hex::encode(&Sha256::digest(SECRET)));
        assert_eq!(backend.events(&device, &[joined, order]).statuses(), ["accepted", "accepted"]);
        Self { backend, device, log }
    }

    fn get(&self, path: &str) -> Answer {
        self.backend.send("GET", path, &[("Accept-Language", "de-AT,en;q=0.5")], b"")
    }

    /// What a telephone shows, as a scanner reads it.
    fn code(&self) -> String {
        let answer = self.get(&format!("/g/{}/code.svg", hex::encode(&SECRET)));
        assert_eq!(answer.status, 200, "{answer:?}");
        read(&answer.body)
    }

    fn scan(&self, code: &str, token: &str) -> Answer {
        let body = json!({"tokens": [token], "message": code});
        self.backend.json("POST", &self.device, "/v1/visitors/resolve", &body)
    }
}

/// The text in a picture that this backend draws.
fn read(svg: &str) -> String {
    const SCALE: usize = 4;
    let number = |text: &str| text.parse::<usize>().unwrap();
    let side = number(svg.split("viewBox=\"0 0 ").nth(1).unwrap().split(' ').next().unwrap());
    let mut dark = vec![false; side * side];
    for module in svg.split("<path d=\"").nth(1).unwrap().split("h1v1h-1z").filter_map(|m| m.strip_prefix('M')) {
        let (x, y) = module.split_once(' ').unwrap();
        dark[number(y) * side + number(x)] = true;
    }
    let pixels = side * SCALE;
    let mut image =
        rqrr::PreparedImage::prepare_from_greyscale(
            pixels,
            pixels,
            |x, y| {
                if dark[y / SCALE * side + x / SCALE] { 0 } else { 255 }
            },
        );
    image.detect_grids().first().unwrap().decode().unwrap().1
}

fn issued(answer: &Answer) -> Value {
    use base64::Engine as _;
    assert_eq!(answer.status, 200, "{answer:?}");
    let payload = answer.json()["payload"].as_str().unwrap().to_owned();
    serde_json::from_slice(&base64::engine::general_purpose::STANDARD.decode(payload).unwrap()).unwrap()
}

fn refused(answer: &Answer) -> bool {
    answer.status == 403 && answer.json()["type"] == "urn:cem:problem:code-refused"
}

#[test]
fn a_code_on_the_guests_page_is_read_once_and_names_its_guest() {
    let shop = Shop::open();
    let page = shop.get(&format!("/g/{}", hex::encode(&SECRET)));
    assert!(page.status == 200 && page.body.contains("Ihr Code"), "{page:?}");
    assert!(!page.body.contains("Jane") && !page.body.contains(JANE), "whoever finds a receipt learns no name");
    assert!(!page.body.contains("<script"));
    let (code, next) = (shop.code(), shop.code());
    assert_ne!(code, next);
    let profile = issued(&shop.scan(&code, &token(1)));
    assert_eq!(profile["visitor"], JANE);
    assert!(profile["tokens"].as_array().unwrap().contains(&json!(token(1))), "the kiosk sees that it is the answer to its code");
    assert!(refused(&shop.scan(&code, &token(1))), "a second time, at whatever kiosk");
    assert!(refused(&shop.scan(&code, &token(2))));
    let profile = issued(&shop.scan(&next, &token(3)));
    assert!(!profile["tokens"].as_array().unwrap().contains(&json!(token(1))), "a code that is spent is no card");
    let by_token = json!({"tokens": [token(1)]});
    assert_eq!(shop.backend.json("POST", &shop.device, "/v1/visitors/resolve", &by_token).status, 404);
}

#[test]
fn forged_codes_and_unknown_pages_are_refused_in_the_same_words() {
    let shop = Shop::open();
    let code = shop.code();
    let forged = format!("{}0", &code[..code.len() - 1]);
    for wrong in [if forged == code { format!("{}1", &code[..code.len() - 1]) } else { forged }, "CEMG".into(), "CEMGxyz".into()]
    {
        assert!(refused(&shop.scan(&wrong, &token(1))), "{wrong}");
    }
    assert_eq!(shop.scan(&code, "not a pseudonym").status, 400);
    let unknown = hex::encode(&[1; 16]);
    for path in [format!("/g/{unknown}"), format!("/g/{unknown}/code.svg"), "/g/x".into(), "/g/x/code.svg".into()] {
        assert_eq!(shop.get(&path).status, 404, "{path}");
    }
    assert_eq!(issued(&shop.scan(&code, &token(1)))["visitor"], JANE, "nothing of that has spent the code");
}

#[test]
fn a_visit_that_knows_only_the_code_joins_its_guest() {
    let mut shop = Shop::open();
    let code = shop.code();
    issued(&shop.scan(&code, &token(1)));
    let seen = json!({"method": "qr", "assurance": "low", "token": token(1)});
    let seen = shop.log.of(LATER, None, "cem.visit.identified.v1", seen);
    let order = shop.log.order(LATER, None, "A-2", "");
    assert_eq!(shop.backend.events(&shop.device, &[seen, order]).statuses(), ["accepted", "accepted"]);
    assert_eq!(issued(&shop.scan(&shop.code(), &token(2)))["visits"], 2);
}

#[test]
fn whoever_takes_consent_back_or_is_forgotten_has_no_code_and_is_found_by_no_card() {
    for forget in [false, true] {
        let mut shop = Shop::open();
        let (code, other) = (shop.code(), shop.code());
        issued(&shop.scan(&other, &token(1)));
        let word = if forget {
            shop.log.of(VISIT, Some(JANE), "cem.visitor.erasure_requested.v1", json!({"by": "visitor"}))
        } else {
            let data = json!({"from": "service", "to": "none", "text_version": "2"});
            shop.log.of(VISIT, Some(JANE), "cem.consent.changed.v1", data)
        };
        let answer = shop.backend.events(&shop.device, &[word]);
        assert_eq!(answer.statuses(), ["accepted"], "{answer:?}");
        assert!(refused(&shop.scan(&code, &token(2))), "a code that was shown before");
        let path = format!("/g/{}/code.svg", hex::encode(&SECRET));
        assert_eq!(shop.get(&path).status, 404);
        let seen = |shop: &mut Shop, byte: u8| {
            let data = json!({"method": "uid", "assurance": "low", "token": token(byte)});
            shop.log.of(LATER, None, "cem.visit.identified.v1", data)
        };
        let taps = [seen(&mut shop, 0xAA), seen(&mut shop, 1)];
        assert_eq!(shop.backend.events(&shop.device, &taps).statuses(), ["accepted", "accepted"]);
        let staff = shop.backend.token("staff", "");
        let visits = shop.backend.get(&staff, &format!("/v1/visitors/{JANE}/visits"));
        assert_eq!(visits.status, if forget { 404 } else { 200 }, "{visits:?}");
        assert!(!visits.body.contains(LATER), "{visits:?}");
    }
}
