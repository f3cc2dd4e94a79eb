use ed25519_dalek::Signature;
use kiosk_devices::{
    FiscalDevice, FiscalError, FiscalRequest, TcpFiscal,
    fiscal::{FiscalTax, FromFiscal, Seal, ToFiscal},
};
use kiosk_sim::{FiscalSim, fiscal::signed_bytes};
use std::{net::TcpListener, time::Duration};

fn request(receipt: u32) -> FiscalRequest {
    FiscalRequest {
        till: "k-01".into(),
        receipt,
        kind: "sale".into(),
        total: 1250,
        currency: "EUR".into(),
        at_ms: Some(1_795_257_000_000),
        tax: vec![FiscalTax { code: "A".into(), rate_ppm: 70_000, base: 1168, amount: 82 }],
    }
}

fn bench(wait_ms: u64) -> (FiscalSim, TcpFiscal) {
    let sim = FiscalSim::start(([127, 0, 0, 1], 0).into()).unwrap();
    let device = TcpFiscal::new(&sim.address().to_string(), Duration::from_millis(wait_ms));
    (sim, device)
}

#[test]
fn a_signature_is_of_what_was_asked_and_the_same_receipt_is_signed_once() {
    let (sim, mut device) = bench(10_000);
    let seal = device.sign(&request(1)).unwrap();
    let bytes: Vec<u8> = (0..64).map(|i| u8::from_str_radix(&seal.signature[2 * i..2 * i + 2], 16).unwrap()).collect();
    let signature = Signature::from_slice(&bytes).unwrap();
    sim.public_key().verify_strict(&signed_bytes(&request(1)), &signature).unwrap();
    let other = FiscalRequest { total: 1251, ..request(1) };
    assert!(sim.public_key().verify_strict(&signed_bytes(&other), &signature).is_err());
    assert_eq!(device.sign(&request(1)).unwrap(), seal);
    assert_eq!(device.sign(&request(2)).unwrap().counter, 2);
}

#[test]
fn outages_are_told_apart_from_refusals_and_a_lost_answer_is_fetched() {
    let (sim, mut device) = bench(10_000);
    sim.obey("refuse").unwrap();
    assert!(matches!(device.sign(&request(1)), Err(FiscalError::Refused(why)) if why.contains("certificate")));
    sim.obey("cut").unwrap();
    assert!(matches!(device.sign(&request(1)), Err(FiscalError::Lost(_))));
    sim.obey("sign").unwrap();
    assert_eq!((device.sign(&request(1)).unwrap().counter, sim.signed()), (1, 1));
    let (silent, mut device) = bench(30);
    silent.obey("silent").unwrap();
    assert!(matches!(device.sign(&request(1)), Err(FiscalError::Lost(_))));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(matches!(TcpFiscal::new(&nobody.to_string(), Duration::from_secs(10)).sign(&request(1)), Err(FiscalError::Lost(_))));
    assert!(silent.obey("sing").is_err());
}

#[test]
fn the_messages_are_those_of_the_crates_documentation() {
    let asked = serde_json::to_string(&ToFiscal::Sign(request(17))).unwrap();
    assert_eq!(
        asked,
        r#"{"sign":{"till":"k-01","receipt":17,"kind":"sale","total":1250,"currency":"EUR","at_ms":1795257000000,"tax":[{"code":"A","rate_ppm":70000,"base":1168,"amount":82}]}}"#
    );
    let refused: FromFiscal = serde_json::from_str(r#"{"refused":"the certificate has expired"}"#).unwrap();
    assert_eq!(refused, FromFiscal::Refused("the certificate has expired".into()));
    let seal = r#"{"seal":{"device":"SIM-1","transaction":4,"counter":9,"algorithm":"ed25519","signature":"ab","at_ms":1}}"#;
    let expected = Seal {
        device: "SIM-1".into(),
        transaction: 4,
        counter: 9,
        algorithm: "ed25519".into(),
        signature: "ab".into(),
        at_ms: 1,
        ..Seal::default()
    };
    assert_eq!(serde_json::from_str::<FromFiscal>(seal).unwrap(), FromFiscal::Seal(expected));
}

#[test]
fn a_device_says_how_it_is_and_signs_nothing() {
    let (sim, mut device) = bench(10_000);
    let state = device.state().unwrap();
    assert_eq!((state.device.as_str(), state.counter, sim.signed()), ("SIM-1", 0, 0));
    sim.obey("refuse").unwrap();
    assert!(matches!(device.state(), Err(FiscalError::Refused(why)) if why == "the certificate has expired"));
}
