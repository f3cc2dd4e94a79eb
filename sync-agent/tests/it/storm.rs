//! The whole upload with real files on a virtual clock; the way to the backend is a function.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cem_contract::NewEvent;
use edge_db::{Class, Commit, Limits, Outbox, OutboxOptions};
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use sync_agent::config::Config;
use sync_agent::http::{Answer, Sent, Wire, outcome};
use sync_agent::run::engine;
use sync_agent::store::Store;
use sync_agent::upload::{Command, Seen, Transport, Until, Upload, Wiring};
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc, watch};
use uuid::Uuid;

use crate::ledger::{Ledger, Reply};

const SOURCE: &str = "/stores/s-001/devices/k-01";

/// What happens to a request, beside what the ledger says.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The ledger's answer arrives.
    None,
    /// Nothing reaches the backend.
    Unreachable,
    /// The backend applies everything; the answer is lost.
    AnswerLost,
    /// A captive portal answers 200.
    Portal,
    /// The last result is missing.
    OneShort,
    /// Two results changed places.
    Shuffled,
    /// Something on the way answers.
    Status(Reply),
}

/// The way to a [`Ledger`], with faults.
pub struct Way {
    pub ledger: Mutex<Ledger>,
    pub faults: Mutex<VecDeque<Fault>>,
    pub latency: Duration,
    pub token: Mutex<String>,
    pub token_changed: Mutex<bool>,
}

impl Way {
    fn new(ledger: Ledger, faults: impl IntoIterator<Item = Fault>) -> Arc<Way> {
        Arc::new(Way {
            ledger: Mutex::new(ledger),
            faults: Mutex::new(faults.into_iter().collect()),
            latency: Duration::from_millis(25),
            token: Mutex::new("right".into()),
            token_changed: Mutex::new(false),
        })
    }
}

impl Transport for Way {
    async fn post_events(&self, ids: Vec<Uuid>, body: Vec<u8>) -> Sent {
        tokio::time::sleep(self.latency).await;
        let fault = self.faults.lock().unwrap().pop_front().unwrap_or(Fault::None);
        let token = self.token.lock().unwrap().clone();
        let honest = || self.ledger.lock().unwrap().serve(Some(&token), &body);
        let cut = |what: &str| Sent {
            outcome: Wire::Unknown { what: what.into(), retry_after_ms: None },
            date_ms: None,
            round_trip_ms: 0,
            status: None,
        };
        let reply = match fault {
            Fault::None => honest(),
            Fault::Unreachable => return cut("cannot connect"),
            Fault::AnswerLost => {
                honest();
                return cut("reset");
            }
            Fault::Portal => Reply::new(200, "<html>Welcome to the free wireless network</html>"),
            Fault::OneShort => altered(honest(), |results| drop(results.pop())),
            Fault::Shuffled => altered(honest(), |results| results.reverse()),
            Fault::Status(reply) => reply,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &reply.headers {
            headers.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        outcome(&ids, &Answer { status: reply.status, headers, body: reply.body.into(), round_trip_ms: 25 })
    }

    fn token_changed(&self) -> bool {
        std::mem::take(&mut self.token_changed.lock().unwrap())
    }
}

fn altered(mut reply: Reply, change: impl FnOnce(&mut Vec<Value>)) -> Reply {
    if let Ok(mut answer) = serde_json::from_slice::<Value>(&reply.body)
        && let Some(results) = answer["results"].as_array_mut()
    {
        change(results);
        reply.body = answer.to_string().into_bytes();
    }
    reply
}

/// A device: the kiosk's file, the agent's file, a configuration.
pub struct Device {
    dir: TempDir,
    pub store: Store,
    pub kiosk: Option<Outbox>,
    config: Config,
}

impl Device {
    pub fn new(extra: &str) -> Device {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "outbox = \"kiosk.db\"\nstate = \"agent.db\"\nsource = \"{SOURCE}\"\n\
             [backend]\nurl = \"http://127.0.0.1:1\"\ntoken_file = \"token\"\n{extra}"
        );
        let config = Config::parse(&text, &dir.path().join("agent.toml")).unwrap();
        let store = Store::open(&config.state, SOURCE).unwrap();
        Device { dir, store, kiosk: None, config }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Commits events of these types to the kiosk's file.
    pub fn sell(&mut self, kinds: &[&str]) {
        let path = self.config.outbox.clone();
        let kiosk = self.kiosk.get_or_insert_with(|| {
            Outbox::open(OutboxOptions { limits: Limits::small(), ..OutboxOptions::new(path, SOURCE) }).unwrap()
        });
        for some in kinds.chunks(500) {
            kiosk.commit(Commit::events(Class::Sale, some.iter().map(|kind| event(kind)).collect())).unwrap();
        }
    }

    pub fn record(&self, kinds: &[&str]) {
        self.store.raw().enqueue(Class::Sale, kinds.iter().map(|kind| event(kind)).collect()).unwrap();
    }

    fn wiring(&self, seen: &Arc<Mutex<Vec<Seen>>>) -> (Wiring, Handles) {
        let (stop, stopped) = watch::channel(false);
        let (orders, commands) = mpsc::channel(8);
        let wake = Arc::new(Notify::new());
        let seen = Arc::clone(seen);
        let wiring = Wiring {
            name: "backend".to_owned(),
            store: self.store.clone(),
            wake: Arc::clone(&wake),
            commands,
            stop: stopped,
            watcher: Some(Arc::new(move |s: &Seen| seen.lock().unwrap().push(s.clone()))),
            gather: Duration::from_millis(20),
            dates: None,
            kiosk: self.config.kiosk_path(),
        };
        (wiring, Handles { stop, orders, wake })
    }

    fn upload<T: Transport>(&self, way: &Arc<T>) -> (Upload<T>, Handles, Arc<Mutex<Vec<Seen>>>) {
        let seen = Arc::default();
        let (wiring, handles) = self.wiring(&seen);
        let upload = Upload::new(engine(&self.config), Arc::clone(way), wiring, &self.config.outbox, &self.config.state);
        (upload, handles, seen)
    }

    pub async fn once(&self, way: &Arc<Way>) -> Option<String> {
        let (upload, _handles, _) = self.upload(way);
        upload.run(Until::ONCE).await.unwrap()
    }

    /// Sends until all is settled, however long it takes on the virtual clock.
    pub async fn drain<T: Transport>(&self, way: &Arc<T>) {
        let (upload, _handles, _) = self.upload(way);
        let patient = Until { drained: true, patience: Duration::from_secs(7 * 86_400), max_failures: u32::MAX };
        assert_eq!(upload.run(patient).await.unwrap(), None);
    }

    fn quarantined(&self) -> Vec<(String, String)> {
        self.store.raw().quarantine_list(None, 1_000).unwrap().into_iter().map(|q| (q.kind, q.reason)).collect()
    }
}

struct Handles {
    stop: watch::Sender<bool>,
    orders: mpsc::Sender<Command>,
    wake: Arc<Notify>,
}

fn event(kind: &str) -> NewEvent {
    NewEvent {
        id: Uuid::now_v7(),
        kind: kind.to_owned(),
        time_ms: 1_795_257_000_123,
        visitid: None,
        visitor: None,
        consent: cem_contract::Consent::None,
        clock: cem_contract::Clock::Synced,
        boot: "b".into(),
        uptime_ms: 5,
        data: json!({"note": "x"}),
    }
}

/// Nothing applied twice; the logs without gaps.
fn assert_exactly_once(way: &Way, expected: usize) {
    let ledger = way.ledger.lock().unwrap();
    assert!(ledger.applied.values().all(|times| *times == 1));
    assert_eq!(ledger.count("demo.sold"), expected);
}

#[tokio::test(start_paused = true)]
async fn both_logs_arrive_once_and_in_order() {
    let mut device = Device::new("");
    device.sell(&["demo.sold"; 1_200]);
    device.record(&["demo.sold"; 30]);
    let way = Way::new(Ledger::default(), []);
    assert_eq!(device.once(&way).await, None);
    assert_exactly_once(&way, 1_230);
    let logs = way.ledger.lock().unwrap().logs();
    let mut lengths: Vec<usize> = logs.values().map(Vec::len).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [30, 1_200]);
    assert!(logs.values().all(|n| n.iter().enumerate().all(|(at, n)| *n == at as u64 + 1)));
    assert_eq!(device.once(&way).await, None);
    assert_exactly_once(&way, 1_230);
}

#[tokio::test(start_paused = true)]
async fn every_way_in_which_an_answer_can_be_wrong_leads_to_the_same_ledger() {
    let faults = [
        Fault::Unreachable,
        Fault::AnswerLost,
        Fault::Portal,
        Fault::OneShort,
        Fault::Shuffled,
        Fault::Status(Reply::new(204, "")),
        Fault::Status(Reply::new(302, "")),
        Fault::Status(Reply::new(500, "oops")),
        Fault::Status(Reply::new(502, "<html>")),
        Fault::Status(Reply::problem(503, "later").after(3)),
        Fault::Status(Reply::problem(429, "slower").after(2)),
        Fault::Status(Reply::new(200, "{\"results\":[]}")),
        Fault::Status(Reply::new(200, "")),
    ];
    for fault in &faults {
        let mut device = Device::new("");
        device.sell(&["demo.sold"; 40]);
        let way = Way::new(Ledger::default(), vec![fault.clone(); 2]);
        device.drain(&way).await;
        assert_exactly_once(&way, 40);
        assert_eq!(device.quarantined(), [], "{fault:?}");
    }
    let mut device = Device::new("[batch]\nmax_events = 20\n");
    device.sell(&["demo.sold"; 600]);
    let all = (0..10).flat_map(|n| faults.iter().cycle().skip(n * 3).take(11).cloned()).collect::<Vec<_>>();
    let way = Way::new(Ledger::default(), all);
    device.drain(&way).await;
    assert_exactly_once(&way, 600);
    assert_eq!(device.quarantined(), []);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_event_is_kept_apart_with_its_reason_and_the_rest_goes_on() {
    let mut device = Device::new("");
    device.sell(&["demo.sold", "demo.bad", "demo.sold"]);
    let way = Way::new(Ledger { rejects: vec!["demo.bad"], ..Ledger::default() }, []);
    assert_eq!(device.once(&way).await, None);
    assert_exactly_once(&way, 2);
    assert_eq!(device.quarantined(), [("demo.bad".into(), "data.lines: missing".into())]);
}

#[tokio::test(start_paused = true)]
async fn a_poison_event_is_found_by_halving_and_kept_apart() {
    let mut device = Device::new("");
    let mut kinds = vec!["demo.sold"; 300];
    kinds[123] = "demo.poison";
    device.sell(&kinds);
    let way = Way::new(Ledger { poisons: vec!["demo.poison"], ..Ledger::default() }, []);
    assert_eq!(device.once(&way).await, None);
    assert_exactly_once(&way, 299);
    assert_eq!(device.quarantined(), [("demo.poison".into(), "400: not a batch".into())]);
    let ledger = way.ledger.lock().unwrap();
    assert!(ledger.empty_requests >= 1, "[] was answered before the quarantine");
    assert!(ledger.requests < 40, "{} requests", ledger.requests);
}

#[tokio::test(start_paused = true)]
async fn too_large_batches_are_halved() {
    let mut device = Device::new("");
    device.sell(&["demo.sold"; 400]);
    let way = Way::new(Ledger { largest: Some(20_000), ..Ledger::default() }, []);
    assert_eq!(device.once(&way).await, None);
    assert_exactly_once(&way, 400);
    assert_eq!(device.quarantined(), []);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_loses_nothing_raises_one_alarm_and_heals_when_the_file_changes() {
    let mut device = Device::new("");
    device.sell(&["demo.sold"; 5]);
    let way = Way::new(Ledger { token: Some("new".into()), ..Ledger::default() }, []);
    assert_eq!(device.once(&way).await.as_deref(), Some("the backend refuses the device token"));
    assert_eq!(device.quarantined(), []);
    let (upload, handles, seen) = device.upload(&way);
    let running = tokio::spawn(upload.run(Until::STOPPED));
    tokio::time::sleep(Duration::from_secs(5)).await;
    *way.token.lock().unwrap() = "new".into();
    *way.token_changed.lock().unwrap() = true;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_exactly_once(&way, 5);
    assert_eq!(seen.lock().unwrap().iter().filter(|s| s.kind == "demo.sold").count(), 5);
    handles.stop.send(true).unwrap();
    assert_eq!(running.await.unwrap().unwrap(), None);
    // One for each run that met the refusal; not one for each request.
    assert_eq!(way.ledger.lock().unwrap().count("cem.device.alarm.v1"), 2);
}

#[tokio::test(start_paused = true)]
async fn ten_quarantines_in_a_row_stop_with_a_sentence() {
    let mut device = Device::new("");
    device.sell(&["demo.bad"; 40]);
    let way = Way::new(Ledger { rejects: vec!["demo.bad"], ..Ledger::default() }, []);
    let left = device.once(&way).await.unwrap();
    assert!(left.contains("refuses event after event"), "{left}");
    assert_eq!(device.quarantined().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_away_ends_once_with_a_sentence_and_loses_nothing() {
    let mut device = Device::new("");
    device.sell(&["demo.sold"; 5]);
    let way = Way::new(Ledger::default(), vec![Fault::Unreachable; 100]);
    assert!(device.once(&way).await.unwrap().contains("cannot be reached"));
    way.faults.lock().unwrap().clear();
    assert_eq!(device.once(&way).await, None);
    assert_exactly_once(&way, 5);
}

#[tokio::test(start_paused = true)]
async fn a_live_event_is_on_its_way_within_fifty_milliseconds_of_a_wake_up() {
    let mut device = Device::new("");
    device.sell(&["demo.sold"]);
    let way = Way::new(Ledger::default(), []);
    let (upload, handles, _) = device.upload(&way);
    let running = tokio::spawn(upload.run(Until::STOPPED));
    tokio::time::sleep(Duration::from_secs(3)).await;
    device.sell(&["demo.sold"; 2]);
    handles.wake.notify_one();
    // 20 ms gathering and 25 ms on the way.
    tokio::time::sleep(Duration::from_millis(49)).await;
    assert_exactly_once(&way, 3);
    assert_eq!(way.ledger.lock().unwrap().requests, 2, "two events gathered into one request");
    device.sell(&["demo.sold"]);
    // Without a wake-up the file is looked at twice a second.
    tokio::time::sleep(Duration::from_millis(560)).await;
    assert_exactly_once(&way, 4);
    handles.stop.send(true).unwrap();
    assert_eq!(running.await.unwrap().unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn the_kiosks_file_may_appear_later() {
    let mut device = Device::new("");
    let way = Way::new(Ledger::default(), []);
    let (upload, handles, _) = device.upload(&way);
    let running = tokio::spawn(upload.run(Until::STOPPED));
    tokio::time::sleep(Duration::from_secs(2)).await;
    device.sell(&["demo.sold"; 3]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_exactly_once(&way, 3);
    handles.stop.send(true).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_quarantined_event_is_sent_again_when_a_person_says_so() {
    let mut device = Device::new("");
    device.sell(&["demo.sold", "demo.bad"]);
    let way = Way::new(Ledger { rejects: vec!["demo.bad"], ..Ledger::default() }, []);
    let (upload, handles, _) = device.upload(&way);
    let running = tokio::spawn(upload.run(Until::STOPPED));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let held = device.store.raw().quarantine_list(None, 10).unwrap();
    assert_eq!(held.len(), 1);
    way.ledger.lock().unwrap().rejects.clear();
    device.store.raw().quarantine_replay(held[0].id).unwrap();
    handles.orders.send(Command::Replay { log: held[0].log, sequence: held[0].sequence }).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(way.ledger.lock().unwrap().count("demo.bad"), 1);
    assert_eq!(device.quarantined(), []);
    handles.stop.send(true).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn numbers_used_by_a_clone_move_the_agents_own_events_into_a_new_log() {
    let device = Device::new("");
    device.record(&["demo.sold"; 20]);
    let log = device.store.raw().outbox().log().unwrap().log.to_string();
    let mut ledger = Ledger::default();
    ledger.occupy(&log, 6..=12);
    let way = Way::new(ledger, []);
    assert_eq!(device.once(&way).await, None);
    assert_exactly_once(&way, 20);
    assert_eq!(way.ledger.lock().unwrap().count("cem.device.alarm.v1"), 1);
    assert_ne!(device.store.raw().outbox().log().unwrap().log.to_string(), log);
    assert_eq!(device.quarantined(), []);
}

#[tokio::test(start_paused = true)]
async fn numbers_used_by_a_clone_of_the_kiosk_send_its_events_in_the_agents_log() {
    let mut device = Device::new("");
    device.sell(&["demo.sold"; 20]);
    let log = device.kiosk.as_ref().unwrap().log().unwrap().log.to_string();
    let mut ledger = Ledger::default();
    ledger.occupy(&log, 6..=12);
    let way = Way::new(ledger, []);
    assert_eq!(device.once(&way).await, None);
    assert_exactly_once(&way, 20);
    assert_eq!(device.quarantined(), []);
}

#[tokio::test(start_paused = true)]
async fn losing_the_agents_file_costs_only_sending_again() {
    let mut device = Device::new("");
    device.sell(&["demo.sold"; 50]);
    let way = Way::new(Ledger::default(), []);
    assert_eq!(device.once(&way).await, None);
    let fresh = tempfile::tempdir().unwrap();
    device.store = Store::open(&fresh.path().join("agent.db"), SOURCE).unwrap();
    device.config.state = fresh.path().join("agent.db");
    assert_eq!(device.once(&way).await, None);
    assert_exactly_once(&way, 50);
    assert!(device.path().join("agent.db").exists());
}
