//! The HTTP client against a server that breaks: what each breakage is called.

use std::path::Path;

use cem_contract::NewEvent;
use serde_json::json;
use sync_agent::clock::Floor;
use sync_agent::config::Config;
use sync_agent::engine::Verdict;
use sync_agent::enrol::{Enrolled, configured};
use sync_agent::http::{Client, Wire};
use uuid::Uuid;

use crate::ledger::Ledger;
use crate::tcp::{Break, Server};

pub fn client(url: &str, dir: &Path, timeout_ms: u64) -> Client {
    std::fs::write(dir.join("token"), "right\n").unwrap();
    let text = format!(
        "outbox = \"k\"\nstate = \"a\"\nsource = \"/stores/s/devices/k\"\n[backend]\nurl = \"{url}\"\ntoken_file = \"token\"\n\
         timeout_ms = {timeout_ms}\n"
    );
    let config = Config::parse(&text, &dir.join("agent.toml")).unwrap();
    Client::new(&config.backend, 4, Floor::default()).unwrap()
}

fn batch(count: u64) -> (Vec<Uuid>, Vec<u8>) {
    let log = Uuid::now_v7();
    let mut body = Vec::new();
    let mut ids = Vec::new();
    for sequence in 1..=count {
        let event = NewEvent {
            id: Uuid::now_v7(),
            kind: "demo.sold".into(),
            time_ms: 0,
            visitid: None,
            visitor: None,
            consent: cem_contract::Consent::None,
            clock: cem_contract::Clock::Synced,
            boot: "b".into(),
            uptime_ms: 1,
            data: json!({}),
        };
        body.push(if sequence == 1 { b'[' } else { b',' });
        body.extend(event.seal("/stores/s/devices/k", log, sequence, 0));
        ids.push(event.id);
    }
    body.push(b']');
    (ids, body)
}

#[tokio::test]
async fn connections_are_kept_and_bodies_compressed() {
    let server = Server::start(Ledger { token: Some("right".into()), ..Ledger::default() }).await;
    let dir = tempfile::tempdir().unwrap();
    let client = client(&server.url, dir.path(), 5_000);
    for _ in 0..10 {
        let (ids, body) = batch(50);
        let sent = client.post_events(&ids, body).await;
        assert_eq!(sent.outcome, Wire::Answered { verdicts: vec![Verdict::Accepted; 50], resend: vec![] });
    }
    assert_eq!(*server.connections.lock().unwrap(), 1);
    assert_eq!(server.ledger.lock().unwrap().stored.len(), 500);
}

#[tokio::test]
async fn requests_go_by_the_proxy_that_was_typed_when_the_device_was_enrolled() {
    let proxy = Server::start(Ledger::default()).await;
    let dir = tempfile::tempdir().unwrap();
    crate::orders::vault(&dir.path().join("enrolment"), &proxy.url);
    std::fs::write(dir.path().join("enrolment/token"), "right").unwrap();
    let text = "outbox = \"k\"\nstate = \"a\"\n[enrol]\nfolder = \"enrolment\"\nseal = \"file\"\n[backend]\nproxy = \"http://other:1\"\n";
    let config = Config::parse(text, &dir.path().join("agent.toml")).unwrap();
    let enrolled = Enrolled::open(config.enrol.as_ref().unwrap()).unwrap().unwrap();
    let config = configured(&config, &enrolled).unwrap();
    let client = Client::new(&config.backend, 1, Floor::default()).unwrap();
    client.get("v1/erasures", None).await.unwrap();
    let asked = proxy.paths.lock().unwrap().clone();
    assert!(asked.iter().any(|path| path.contains("http://127.0.0.1:9/v1/erasures")), "{asked:?}");
}

#[tokio::test]
async fn every_breakage_on_the_wire_is_an_unknown_outcome_and_the_next_request_works() {
    let server = Server::start(Ledger::default()).await;
    let dir = tempfile::tempdir().unwrap();
    for how in [Break::ResetAtOnce, Break::ResetAfter, Break::HalfAnswer, Break::Silence, Break::EndlessHeader] {
        let client = client(&server.url, dir.path(), if how == Break::Silence { 50 } else { 5_000 });
        server.then(vec![how]);
        let (ids, body) = batch(3);
        let sent = client.post_events(&ids, body.clone()).await;
        assert!(matches!(sent.outcome, Wire::Unknown { .. }), "{how:?}: {:?}", sent.outcome);
        let sent = client.post_events(&ids, body).await;
        assert!(matches!(sent.outcome, Wire::Answered { .. }), "{how:?}: {:?}", sent.outcome);
    }
    assert!(server.ledger.lock().unwrap().applied.values().all(|times| *times == 1));
}

#[tokio::test]
async fn an_answer_in_slices_is_an_answer() {
    let server = Server::start(Ledger::default()).await;
    let dir = tempfile::tempdir().unwrap();
    server.then(vec![Break::Slices]);
    let (ids, body) = batch(5);
    let sent = client(&server.url, dir.path(), 5_000).post_events(&ids, body).await;
    assert!(matches!(sent.outcome, Wire::Answered { .. }), "{:?}", sent.outcome);
}

#[tokio::test]
async fn nobody_listening_is_an_unknown_outcome() {
    let dir = tempfile::tempdir().unwrap();
    let sent = client("http://127.0.0.1:1", dir.path(), 500).post_events(&[], b"[]".to_vec()).await;
    assert!(matches!(&sent.outcome, Wire::Unknown { what, .. } if what.starts_with("cannot connect")), "{:?}", sent.outcome);
}

#[tokio::test]
async fn a_missing_token_file_sends_nothing() {
    let server = Server::start(Ledger::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let client = client(&server.url, dir.path(), 500);
    std::fs::remove_file(dir.path().join("token")).unwrap();
    let sent = client.post_events(&[], b"[]".to_vec()).await;
    assert!(matches!(sent.outcome, Wire::Unauthorised(_)));
    assert_eq!(server.ledger.lock().unwrap().requests, 0);
}
