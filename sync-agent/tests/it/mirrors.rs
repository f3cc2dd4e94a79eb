//! Mirrors against receivers that enforce their documented limits and keep their documented silences.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use cem_contract::NewEvent;
use edge_db::Class;
use serde_json::{Value, json};
use sync_agent::clock::Floor;
use sync_agent::config::{self, Config};
use sync_agent::mirror::Mirror;
use sync_agent::store::Store;
use sync_agent::upload::{Until, Upload, Wiring};
use tokio::sync::{Notify, mpsc, watch};
use uuid::Uuid;

use crate::ledger::{Ledger, Reply};
use crate::tcp::{Break, Handler, Server};

struct Shop {
    _dir: tempfile::TempDir,
    store: Store,
    config: Config,
}

const SOURCE: &str = "/stores/s-001/devices/k-01";

impl Shop {
    fn new(mirror: &str) -> Shop {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "s3cret\n").unwrap();
        std::fs::write(dir.path().join("admin"), "karaf:karaf\n").unwrap();
        let text = format!(
            "outbox = \"kiosk.db\"\nstate = \"agent.db\"\nsource = \"{SOURCE}\"\n[backend]\nurl = \"http://127.0.0.1:1\"\n\
             token_file = \"secret\"\n[[mirror]]\nname = \"m\"\nsecret_file = \"secret\"\n{mirror}"
        );
        let config = Config::parse(&text, &dir.path().join("agent.toml")).unwrap();
        let store = Store::open(&config.state, SOURCE).unwrap();
        Shop { _dir: dir, store, config }
    }

    fn record(&self, events: impl IntoIterator<Item = NewEvent>) {
        self.store.raw().enqueue(Class::Sale, events.into_iter().collect()).unwrap();
    }

    fn mirror(&self) -> Mirror {
        Mirror::new(&self.config.mirror[0], "", Floor::default()).unwrap()
    }

    /// Sends what there is; what is left, if something is.
    async fn send(&self, mirror: Mirror, patience: Duration) -> Option<String> {
        let (_stop, stopped) = watch::channel(false);
        let (_orders, commands) = mpsc::channel(1);
        let wiring = Wiring {
            name: "mirror m".to_owned(),
            store: self.store.of_mirror("m"),
            wake: Arc::new(Notify::new()),
            commands,
            stop: stopped,
            watcher: None,
            gather: Duration::from_millis(1),
            dates: None,
            kiosk: self.config.kiosk_path(),
        };
        let engine = mirror.engine(SOURCE);
        let upload = Upload::new(engine, Arc::new(mirror), wiring, &self.config.outbox, &self.config.state);
        upload.run(Until { drained: true, patience, max_failures: 1 }).await.unwrap()
    }

    async fn mark(&self) -> u64 {
        let log = self.store.raw().outbox().log().unwrap().log;
        self.store.of_mirror("m").watermark(SOURCE, log).await.unwrap()
    }
}

const PATIENT: Duration = Duration::from_secs(30);

fn event(kind: &str, visitor: Option<&str>, data: Value) -> NewEvent {
    NewEvent {
        id: Uuid::now_v7(),
        kind: kind.to_owned(),
        time_ms: 1_795_257_000_123,
        visitid: visitor.map(|_| Uuid::from_u128(7)),
        visitor: visitor.map(str::to_owned),
        consent: cem_contract::Consent::None,
        clock: cem_contract::Clock::Synced,
        boot: "b".into(),
        uptime_ms: 5,
        data,
    }
}

async fn receiver(handler: impl Fn(&str, Option<&str>, &[u8]) -> Reply + Send + Sync + 'static) -> Server {
    let handler: Handler = Arc::new(handler);
    Server::start_with(Ledger::default(), Some(handler)).await
}

#[tokio::test]
async fn a_captive_portal_is_not_taken_for_a_cloudevents_receiver() {
    let taken = Arc::new(Mutex::new(0));
    let (counted, portal) = (Arc::clone(&taken), Arc::new(Mutex::new(true)));
    let here = Arc::clone(&portal);
    let server = receiver(move |_, authorization, body| {
        if *here.lock().unwrap() {
            return Reply::new(200, "<html>log in</html>");
        }
        assert_eq!(authorization, Some("Bearer s3cret"));
        *counted.lock().unwrap() += serde_json::from_slice::<Vec<Value>>(body).unwrap().len();
        Reply::new(202, "queued by lake")
    })
    .await;
    let shop = Shop::new(&format!("kind = \"cloudevents\"\nurl = \"{}/in\"\nmarker = \"by lake\"\n", server.url));
    shop.record((0..30).map(|_| event("demo.sold", None, json!({}))));
    assert!(shop.send(shop.mirror(), PATIENT).await.is_some());
    assert_eq!((shop.mark().await, *taken.lock().unwrap()), (0, 0));
    *portal.lock().unwrap() = false;
    assert_eq!(shop.send(shop.mirror(), PATIENT).await, None);
    assert_eq!((shop.mark().await, *taken.lock().unwrap()), (30, 30));
    assert_eq!(
        shop.store.raw().watermark(SOURCE, shop.store.raw().outbox().log().unwrap().log).unwrap(),
        0,
        "the backend's own mark"
    );
}

/// Segment: 500 KB a request, 32 KB an event, Basic with the write key; 200 even for what it drops; dedupes by `messageId`.
#[tokio::test]
async fn the_segment_protocol_is_spoken_within_its_limits() {
    let calls: Arc<Mutex<HashMap<String, Value>>> = Arc::default();
    let (kept, largest) = (Arc::clone(&calls), Arc::new(Mutex::new(0)));
    let seen = Arc::clone(&largest);
    let server = receiver(move |route, authorization, body| {
        if route == "GET /" {
            return Reply::new(404, "");
        }
        assert_eq!(route, "POST /v1/batch");
        let basic = base64::engine::general_purpose::STANDARD.encode("s3cret:");
        assert_eq!(authorization, Some(format!("Basic {basic}").as_str()));
        let mut largest = seen.lock().unwrap();
        *largest = body.len().max(*largest);
        let Ok(request) = serde_json::from_slice::<Value>(body) else { return Reply::new(400, "{\"success\":false}") };
        let batch = request["batch"].as_array().unwrap();
        if body.len() > 500_000 || batch.iter().any(|call| call.to_string().len() > 32_768) {
            return Reply::new(400, "{\"success\":false}");
        }
        for call in batch.iter().filter(|call| call["userId"].is_string() || call["anonymousId"].is_string()) {
            kept.lock().unwrap().entry(call["messageId"].as_str().unwrap().to_owned()).or_insert_with(|| call.clone());
        }
        Reply::new(200, "{\"success\":true}")
    })
    .await;
    let shop = Shop::new(&format!("kind = \"segment\"\nurl = \"{}\"\n", server.url));
    let big = "x".repeat(20_000);
    shop.record((0..60).map(|n| event("demo.sold", (n % 2 == 0).then_some("v_1"), json!({"text": big}))));
    server.then(vec![Break::ResetAfter]);
    while shop.send(shop.mirror(), PATIENT).await.is_some() {}
    assert_eq!(shop.mark().await, 60);
    let calls = calls.lock().unwrap();
    assert_eq!(calls.len(), 60);
    assert!(*largest.lock().unwrap() <= 500_000);
    let call = calls.values().find(|call| call["userId"] == "v_1").unwrap();
    assert_eq!(
        (&call["type"], &call["event"], &call["timestamp"]),
        (&json!("track"), &json!("demo.sold"), &json!("2026-11-21T10:30:00.123Z"))
    );
    assert!(calls.values().any(|call| call["anonymousId"] == SOURCE));
}

/// Unomi: drops a type without a schema in silence, takes one profile a request, refuses long or odd ids, and believes
/// `itemId` only with the peer's key (not checked here), so that each event must be sent once.
#[tokio::test]
async fn unomi_learns_our_types_before_it_gets_them() {
    #[derive(Default)]
    struct Unomi {
        scopes: BTreeSet<String>,
        types: BTreeSet<String>,
        stored: Vec<String>,
        dropped: u32,
    }
    let unomi: Arc<Mutex<Unomi>> = Arc::default();
    let inside = Arc::clone(&unomi);
    let fits = |id: &Value| {
        id.as_str().is_some_and(|id| id.len() <= 60 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-@.".contains(&b)))
    };
    let server = receiver(move |route, authorization, body| {
        let mut unomi = inside.lock().unwrap();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let admin = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("karaf:karaf"));
        match route {
            "POST /cxs/scopes" if authorization == Some(&admin) => {
                unomi.scopes.insert(body["itemId"].as_str().unwrap().to_owned());
                Reply::new(204, "")
            }
            "POST /cxs/jsonSchema" if authorization == Some(&admin) => {
                assert_eq!(body["self"]["target"], "events");
                unomi.types.insert(body["self"]["name"].as_str().unwrap().to_owned());
                Reply::new(200, "")
            }
            "POST /cxs/eventcollector?timestamp=1795257000123" => {
                let events = body["events"].as_array().unwrap();
                let ids = [
                    &body["sessionId"],
                    &body["profileId"],
                    &events[0]["itemId"],
                    &events[0]["source"]["itemId"],
                    &events[0]["target"]["itemId"],
                ];
                if events.len() != 1 || !ids.into_iter().all(fits) {
                    return Reply::new(400, "Request rejected by the server because: Invalid received data");
                }
                if !unomi.types.contains(events[0]["eventType"].as_str().unwrap())
                    || !unomi.scopes.contains(events[0]["scope"].as_str().unwrap())
                {
                    unomi.dropped += 1;
                    return Reply::new(200, "{\"updated\":0}");
                }
                unomi.stored.push(events[0]["itemId"].as_str().unwrap().to_owned());
                Reply::new(200, "{\"updated\":4}")
            }
            _ => Reply::new(404, ""),
        }
    })
    .await;
    let shop = Shop::new(&format!("kind = \"unomi\"\nurl = \"{}\"\nadmin_file = \"admin\"\nscope = \"shop\"\n", server.url));
    shop.record((0..20).map(|n| event(if n % 2 == 0 { "demo.sold" } else { "demo.seen" }, Some("v_1"), json!({"n": n}))));
    shop.record([event("demo.device", None, json!({}))]);
    assert_eq!(shop.send(shop.mirror(), PATIENT).await, None);
    assert_eq!(shop.mark().await, 21);
    let unomi = unomi.lock().unwrap();
    assert_eq!((unomi.stored.len(), unomi.dropped), (21, 0));
    assert_eq!(unomi.stored.iter().collect::<BTreeSet<_>>().len(), 21);
}

#[tokio::test]
async fn an_event_that_a_mirror_cannot_take_is_left_out_for_that_mirror_alone() {
    let server = receiver(|route, _, body| match route {
        "POST /in" if String::from_utf8_lossy(body).contains("demo.bad") => Reply::new(422, "no"),
        _ => Reply::new(200, "ok"),
    })
    .await;
    let shop = Shop::new(&format!("kind = \"cloudevents\"\nurl = \"{}/in\"\nmarker = \"ok\"\n", server.url));
    shop.record((0..40).map(|n| event(if n == 17 { "demo.bad" } else { "demo.sold" }, None, json!({}))));
    assert_eq!(shop.send(shop.mirror(), PATIENT).await, None);
    assert_eq!((shop.mark().await, shop.store.raw().quarantine_count().unwrap()), (40, 0));
}

#[test]
fn a_mirror_without_its_secret_does_not_start() {
    let shop = Shop::new("kind = \"segment\"\nurl = \"http://127.0.0.1:1\"\n");
    let missing = config::Mirror { secret_file: Some("/nowhere/key".into()), ..shop.config.mirror[0].clone() };
    let said = Mirror::new(&missing, "", Floor::default()).err().unwrap().to_string();
    assert!(said.contains("/nowhere/key"), "{said}");
}
