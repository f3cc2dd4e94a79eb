//! Who is this card? The visitor cache against a backend that is there, slow, gone, and one that says forget.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use edge_db::link::{Answer, Ask, AskServer};
use serde_json::{Value, json};
use sync_agent::store::Store;
use sync_agent::visitors::Visitors;

use crate::ledger::{Ledger, Reply};
use crate::tcp::{Break, Server};
use crate::wire::client;

fn envelope(visitor: &str, version: u64, token: &str) -> Value {
    let payload = json!({"visitor": visitor, "version": version, "tokens": [token], "store": "s", "issued": "2026-11-21T10:00:00Z",
        "expires": "2126-11-21T10:00:00Z"});
    let payload = base64::engine::general_purpose::STANDARD.encode(payload.to_string());
    json!({"payload": payload, "payloadType": "application/vnd.cem.profile.v1+json", "signatures": []})
}

struct Shop {
    dir: tempfile::TempDir,
    server: Server,
    store: Store,
}

impl Shop {
    async fn new() -> Shop {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(Ledger::default()).await;
        let store = Store::open(&dir.path().join("agent.db"), "/stores/s/devices/k").unwrap();
        Shop { dir, server, store }
    }

    fn visitors(&self, fresh: Duration) -> Visitors {
        let client = client(&self.server.url, self.dir.path(), 5_000);
        Visitors::new(client, self.store.clone(), Duration::from_millis(250), fresh, Some("s"), &self.kiosk())
    }

    fn kiosk(&self) -> std::path::PathBuf {
        self.dir.path().join("kiosk.ask")
    }

    fn route(&self, path: &'static str, reply: Reply) {
        self.server.routes.lock().unwrap().insert(path, reply);
    }
}

async fn ask(visitors: &Visitors, token: &str) -> Answer {
    visitors.answer(Ask::Resolve { token: token.into(), message: None, older: Vec::new() }).await
}

fn says(answer: &Answer, expected: &Value) -> bool {
    matches!(answer, Answer::Profile { envelope } if serde_json::from_str::<Value>(envelope.get()).unwrap() == *expected)
}

#[tokio::test]
async fn a_card_is_asked_for_once_and_then_answered_from_the_cache() {
    let shop = Shop::new().await;
    let jane = envelope("v_1", 3, "1:aa");
    shop.route("/v1/visitors/resolve", Reply::new(200, jane.to_string()));
    let visitors = shop.visitors(Duration::from_secs(600));
    assert!(says(&ask(&visitors, "1:aa").await, &jane));
    shop.server.then(vec![Break::ResetAtOnce; 5]);
    assert!(says(&ask(&visitors, "1:aa").await, &jane), "fresh: the backend is not asked");
    let restarted = shop.visitors(Duration::from_secs(600));
    assert!(says(&ask(&restarted, "1:aa").await, &jane), "offline: the cache is better than nothing");
    assert_eq!(ask(&restarted, "1:bb").await, Answer::Unavailable);
}

#[tokio::test]
async fn only_the_backend_itself_says_that_nobody_is_known() {
    let shop = Shop::new().await;
    let visitors = shop.visitors(Duration::ZERO);
    shop.route("/v1/visitors/resolve", Reply::problem(404, "nobody"));
    assert_eq!(ask(&visitors, "1:aa").await, Answer::Unknown);
    shop.route("/v1/visitors/resolve", Reply::new(404, "<html>"));
    assert_eq!(ask(&visitors, "1:aa").await, Answer::Unavailable);
    shop.route("/v1/visitors/resolve", Reply::new(200, "<html>"));
    assert_eq!(ask(&visitors, "1:aa").await, Answer::Unavailable);
}

#[tokio::test]
async fn a_version_below_the_one_kept_is_not_taken() {
    let shop = Shop::new().await;
    let visitors = shop.visitors(Duration::ZERO);
    let new = envelope("v_1", 5, "1:aa");
    shop.route("/v1/visitors/resolve", Reply::new(200, new.to_string()));
    ask(&visitors, "1:aa").await;
    shop.route("/v1/visitors/resolve", Reply::new(200, envelope("v_1", 4, "1:aa").to_string()));
    assert!(says(&ask(&visitors, "1:aa").await, &new));
}

#[tokio::test]
async fn a_slow_backend_costs_no_more_than_its_budget() {
    let shop = Shop::new().await;
    let visitors = shop.visitors(Duration::ZERO);
    shop.server.then(vec![Break::Silence]);
    let begun = std::time::Instant::now();
    assert_eq!(ask(&visitors, "1:aa").await, Answer::Unavailable);
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_ping_says_whether_the_backend_is_in_reach() {
    let shop = Shop::new().await;
    let visitors = shop.visitors(Duration::ZERO);
    assert_eq!(visitors.answer(Ask::Ping).await, Answer::Done);
    shop.server.then(vec![Break::ResetAtOnce; 2]);
    ask(&visitors, "1:aa").await;
    assert_eq!(visitors.answer(Ask::Ping).await, Answer::Unavailable);
    assert_eq!(visitors.answer(Ask::Ping).await, Answer::Done);
}

#[tokio::test]
async fn the_stores_list_fills_the_cache_and_the_erasure_list_empties_it_and_tells_the_kiosk() {
    let shop = Shop::new().await;
    let (jane, ivan) = (envelope("v_1", 1, "1:aa"), envelope("v_2", 1, "1:bb"));
    let list = json!({"items": [{"cursor": "1", "kind": "visitor", "visitor": "v_1", "envelope": jane},
        {"cursor": "2", "kind": "visitor", "visitor": "v_2", "envelope": ivan}], "next": "2"});
    shop.route("/v1/stores/s/visitors", Reply::new(200, list.to_string()));
    shop.route("/v1/erasures", Reply::new(200, json!({"items": [], "next": "e0"}).to_string()));
    let visitors = shop.visitors(Duration::from_secs(600));
    visitors.round().await.unwrap();
    shop.route("/v1/visitors/resolve", Reply::new(500, ""));
    assert!(says(&ask(&visitors, "1:aa").await, &jane) && says(&ask(&visitors, "1:bb").await, &ivan));

    let erasure = json!({"cursor": "e1", "visitor": "v_1", "merged": ["v_9"], "tokens": ["1:aa"], "at": "2026-11-21T10:00:00Z"});
    shop.route("/v1/erasures?limit=200&after=e0", Reply::new(200, json!({"items": [erasure], "next": "e1"}).to_string()));
    shop.route("/v1/erasures?limit=200&after=e1", Reply::new(200, json!({"items": [], "next": "e1"}).to_string()));
    shop.route("/v1/stores/s/visitors?limit=200&after=2", Reply::new(200, json!({"items": [], "next": "2"}).to_string()));
    assert!(visitors.round().await.unwrap(), "the kiosk is not there, and still has to forget");
    assert_eq!(ask(&visitors, "1:aa").await, Answer::Unavailable);
    let told = kiosk(&shop.kiosk());
    assert!(!visitors.round().await.unwrap());
    assert!(!visitors.round().await.unwrap(), "it is told once");
    assert_eq!(*told.1.lock().unwrap(), ["v_1 v_9 1:aa"]);
    assert_eq!(ask(&visitors, "1:aa").await, Answer::Unavailable);
    assert!(says(&ask(&visitors, "1:bb").await, &ivan));
    assert!(shop.server.paths.lock().unwrap().iter().any(|p| p == "/v1/stores/s/visitors?limit=200&after=2"));
}

fn kiosk(path: &Path) -> (edge_db::link::AskService, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let service = AskServer::bind(path, &[]).unwrap().serve(move |ask| match ask {
        Ask::Forget { visitor, merged, tokens } => {
            heard.lock().unwrap().push([&[visitor], &merged[..], &tokens[..]].concat().join(" "));
            Answer::Done
        }
        _ => Answer::Unavailable,
    });
    (service.unwrap(), told)
}
