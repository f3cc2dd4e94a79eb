//! What the fleet tells a device: believed by its signature, in time, and once; and what keeps a device from being retired.

use std::path::Path;
use std::sync::{Arc, Mutex};

use cem_contract::enrol::{DeviceConfig, Enrolment, KEY_COMMANDS, TrustRoot, TrustedKey};
use cem_contract::{Command, CommandKind, CommandOutcome, SigningKey, hex};
use edge_db::link::{Answer, Ask, AskServer, AskService};
use sync_agent::clock::now_ms;
use sync_agent::commands::{End, Orders};
use sync_agent::config::Config;
use sync_agent::enrol::Enrolled;
use sync_agent::http::Client;
use sync_agent::store::Store;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::ledger::Ledger;
use crate::tcp::Server;

const SOURCE: &str = "/stores/s/devices/k";

struct Device {
    dir: tempfile::TempDir,
    _server: Server,
    store: Store,
    orders: Orders,
    ends: mpsc::Receiver<End>,
    told: Arc<Mutex<Vec<Ask>>>,
    _kiosk: AskService,
}

fn fleet_key() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

/// As an enrolment leaves it.
pub fn vault(folder: &Path, proxy: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let trusted = TrustedKey::new(&fleet_key().verifying_key(), &[KEY_COMMANDS]);
    let enrolment = Enrolment {
        config: DeviceConfig { store: "s".into(), device: "k".into(), source: SOURCE.into(), ..DeviceConfig::default() },
        trust_root: TrustRoot { version: 1, keys: vec![trusted], device_ca: String::new() },
        backend: "http://127.0.0.1:9".into(),
        proxy: proxy.into(),
        ..Enrolment::default()
    };
    std::fs::write(folder.join("enrolment.json"), serde_json::to_vec(&enrolment).unwrap()).unwrap();
    std::fs::write(folder.join("device.key"), hex::encode(&[1; 32])).unwrap();
}

impl Device {
    async fn new() -> Device {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(Ledger::default()).await;
        vault(&dir.path().join("enrolment"), "");
        std::fs::write(dir.path().join("token"), "right").unwrap();
        let text = format!(
            "outbox = \"kiosk.db\"\nstate = \"agent.db\"\n[enrol]\nfolder = \"enrolment\"\nseal = \"file\"\n[backend]\nurl = \"{}\"\n",
            server.url
        );
        let mut config = Config::parse(&text, &dir.path().join("agent.toml")).unwrap();
        let enrolled = Arc::new(Enrolled::open(config.enrol.as_ref().unwrap()).unwrap().unwrap());
        config.source = SOURCE.into();
        config.backend.token_file = dir.path().join("token");
        let config = Arc::new(config);
        let store = Store::open(&config.state, SOURCE).unwrap();
        let client = Client::new(&config.backend, 2, store.floor().clone()).unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let kiosk = AskServer::bind(config.kiosk_path(), &[]).unwrap().serve(move |ask| {
            heard.lock().unwrap().push(ask);
            Answer::Done
        });
        let (end, ends) = mpsc::channel(2);
        let orders = Orders::new(config, enrolled, store.clone(), client, end);
        Device { dir, _server: server, store, orders, ends, told, _kiosk: kiosk.unwrap() }
    }

    async fn outcomes(&self) -> Vec<CommandOutcome> {
        self.orders.answers().await.unwrap().iter().map(|answer| answer.outcome).collect()
    }

    fn told(&self) -> Vec<Ask> {
        self.told.lock().unwrap().clone()
    }
}

fn command(n: u128, kind: CommandKind, valid_ms: i64) -> Command {
    Command::sign(Uuid::from_u128(n), kind, SOURCE, now_ms() + valid_ms, &fleet_key()).unwrap()
}

#[tokio::test]
async fn a_command_is_carried_out_once_however_often_it_comes() {
    let device = Device::new().await;
    let identify = command(1, CommandKind::Identify, 60_000);
    assert!(device.orders.take(vec![identify.clone()]).await.unwrap());
    assert!(!device.orders.take(vec![identify.clone(), identify]).await.unwrap());
    assert_eq!(device.told(), [Ask::Identify]);
    assert_eq!(device.outcomes().await, [CommandOutcome::Done]);
    let told = device.orders.answers().await.unwrap();
    device.orders.told(&told).await.unwrap();
    assert_eq!(device.outcomes().await, []);
}

#[tokio::test]
async fn a_command_that_is_late_or_not_known_is_refused_and_one_of_a_stranger_is_an_alarm() {
    let device = Device::new().await;
    let stranger = SigningKey::from_bytes(&[9; 32]);
    let forged = Command::sign(Uuid::from_u128(1), CommandKind::RetireNow, SOURCE, now_ms() + 60_000, &stranger).unwrap();
    let others = "/stores/s/devices/other";
    let of_another = Command::sign(Uuid::from_u128(2), CommandKind::RetireNow, others, now_ms() + 60_000, &fleet_key()).unwrap();
    device.orders.take(vec![forged, of_another, command(3, CommandKind::Identify, -1)]).await.unwrap();
    assert_eq!(device.outcomes().await, [CommandOutcome::Refused]);
    assert_eq!(device.told(), []);
    let alarms = edge_db::LogReader::open(device.dir.path().join("agent.db")).unwrap().unwrap();
    let log = alarms.logs().unwrap()[0].log;
    let rows = alarms.after(log, 0, 10, 1 << 20).unwrap().rows;
    assert_eq!(rows.iter().filter(|row| row.kind == "cem.device.alarm.v1").count(), 2);
    // Its id was not used up by the forger.
    device.orders.take(vec![command(1, CommandKind::Identify, 60_000)]).await.unwrap();
    assert_eq!(device.told(), [Ask::Identify]);
}

#[tokio::test]
async fn a_lock_outlives_the_process_and_what_turned_the_device_away_says_it_signed() {
    let device = Device::new().await;
    let lock = command(1, CommandKind::Lock, 60_000);
    let body = serde_json::json!({"title": "Unauthorized", "status": 401, "command": lock}).to_string();
    let answer = |status: u16, body: &str| sync_agent::http::Answer {
        status,
        headers: Default::default(),
        body: body.to_owned().into(),
        round_trip_ms: 1,
    };
    device.orders.turned_away(&answer(200, &body)).await.unwrap();
    device.orders.turned_away(&answer(401, "<html>log in</html>")).await.unwrap();
    device.orders.turned_away(&answer(401, &body.replace("lock", "retire_now"))).await.unwrap();
    assert!(!device.store.raw().locked().unwrap(), "a captive portal locks nothing, a forger wipes nothing");
    device.orders.turned_away(&answer(401, &body)).await.unwrap();
    device.orders.turned_away(&answer(401, &body)).await.unwrap();
    assert!(device.store.raw().locked().unwrap());
    assert_eq!(device.told(), [Ask::Lock { locked: true }]);
    assert_eq!(device.outcomes().await, [], "there is nobody to answer");
    device.orders.take(vec![command(2, CommandKind::Unlock, 60_000)]).await.unwrap();
    assert!(!device.store.raw().locked().unwrap());
}

#[tokio::test]
async fn a_device_is_wiped_only_after_the_backend_has_heard_that_everything_is_sent() {
    let mut device = Device::new().await;
    device.store.record("cem.help.called.v1", serde_json::json!({"place": "kiosk"})).await.unwrap();
    let retire = tokio::spawn(device.orders.clone().retire());
    device.orders.take(vec![command(1, CommandKind::Retire, 60_000)]).await.unwrap();
    let wanted = |outcome: CommandOutcome| {
        let orders = device.orders.clone();
        async move {
            loop {
                let answers = orders.answers().await.unwrap();
                if let Some(found) = answers
                    .iter()
                    .find(|answer| answer.outcome == outcome && (outcome == CommandOutcome::Done || answer.detail.is_some()))
                {
                    return found.clone();
                }
                tokio::task::yield_now().await;
            }
        }
    };
    assert_eq!(wanted(CommandOutcome::Started).await.detail.as_deref(), Some("events are left to send"));
    let log = device.store.raw().outbox().log().unwrap().log;
    device.store.raw().acknowledge_to(SOURCE, log, 1).unwrap();
    let done = wanted(CommandOutcome::Done).await;
    assert!(device.ends.try_recv().is_err(), "not before it was told");
    device.orders.told(&[done]).await.unwrap();
    assert_eq!(device.ends.try_recv(), Ok(End::Wipe));
    assert!(device.told().contains(&Ask::StopSelling));
    retire.abort();
}
