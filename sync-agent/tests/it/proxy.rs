//! A TCP proxy between agent and backend that loses answers, resets, half-closes, delays, slices and lets few bytes a second
//! through, at random from a seed: the ledger must show exactly one effect for each event all the same.
//!
//! Where it is slow, time is virtual: agent, proxy and server share one thread, whose clock goes on only while no socket has
//! anything to say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cem_contract::NewEvent;
use edge_db::Class;
use serde_json::json;
use sync_agent::clock::Floor;
use sync_agent::config::Config;
use sync_agent::http::Client;
use sync_agent::retry::Jitter;
use sync_agent::run::engine;
use sync_agent::store::Store;
use sync_agent::upload::{Until, Upload, Wiring};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};
use uuid::Uuid;

use crate::ledger::Ledger;
use crate::tcp::Server;

/// What happens to a connection, drawn when it is opened.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// Bytes pass.
    Pass,
    /// The request passes, the answer is swallowed and the connection reset.
    LoseAnswer,
    /// Reset after this many bytes of the request.
    CutRequest(u64),
    /// Reset after this many bytes of the answer.
    CutAnswer(u64),
    /// The agent's side is told that no more comes, while its request goes on.
    HalfClose,
    /// Answers in pieces of this size, with a pause between them.
    Slice(u64),
    /// Whatever passes is late by this many milliseconds.
    Late(u64),
}

/// How bad a line is.
#[derive(Debug, Clone, Copy)]
struct Line {
    /// Of a hundred connections so many lose their answer.
    loss: u64,
    /// The greatest delay, milliseconds.
    late_ms: u64,
    /// Bytes a second on each connection and way; 0: as many as there are.
    bandwidth: u64,
    /// When the agent gives up, milliseconds.
    timeout_ms: u64,
}

/// Bad, but quick.
const QUICK: Line = Line { loss: 0, late_ms: 30, bandwidth: 0, timeout_ms: 2_000 };

fn fate(jitter: &mut Jitter, line: Line) -> Fate {
    let loss = line.loss;
    match jitter.between(0, 99) {
        n if n < loss => Fate::LoseAnswer,
        n if n < loss + 8 => Fate::CutRequest(jitter.between(0, 3_000)),
        n if n < loss + 16 => Fate::CutAnswer(jitter.between(0, 3_000)),
        n if n < loss + 20 => Fate::HalfClose,
        n if n < loss + 26 => Fate::Slice(jitter.between(1, 400)),
        n if n < loss + 34 => Fate::Late(jitter.between(1, line.late_ms)),
        _ => Fate::Pass,
    }
}

async fn proxy(upstream: SocketAddr, seed: u64, line: Line) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut jitter = Jitter::seeded(&format!("proxy {seed}"));
    tokio::spawn(async move {
        while let Ok((down, _)) = listener.accept().await {
            let fate = fate(&mut jitter, line);
            tokio::spawn(async move {
                if let Ok(up) = TcpStream::connect(upstream).await {
                    carry(down, up, fate, line.bandwidth).await;
                }
            });
        }
    });
    address
}

/// How long so many bytes are on their way.
async fn pass(bytes: usize, fate: Fate, bandwidth: u64) {
    let narrow = if bandwidth == 0 { Duration::ZERO } else { Duration::from_secs_f64(bytes as f64 / bandwidth as f64) };
    let late = if let Fate::Late(ms) = fate { Duration::from_millis(ms) } else { Duration::ZERO };
    let pause = narrow + late;
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
}

async fn carry(mut down: TcpStream, mut up: TcpStream, fate: Fate, bandwidth: u64) {
    let (mut request, mut answer) = (vec![0; 16_384], vec![0; 16_384]);
    let (mut sent, mut returned) = (0_u64, 0_u64);
    let reset = |stream: &TcpStream| drop(stream.set_zero_linger());
    if matches!(fate, Fate::HalfClose) {
        drop(down.shutdown().await);
    }
    loop {
        tokio::select! {
            read = down.read(&mut request) => {
                let Ok(count @ 1..) = read else { return };
                sent += count as u64;
                if let Fate::CutRequest(after) = fate && sent > after {
                    return reset(&down);
                }
                pass(count, fate, bandwidth).await;
                if up.write_all(&request[..count]).await.is_err() {
                    return;
                }
            }
            read = up.read(&mut answer) => {
                let Ok(count @ 1..) = read else { return };
                returned += count as u64;
                pass(count, fate, bandwidth).await;
                match fate {
                    Fate::LoseAnswer => return reset(&down),
                    Fate::CutAnswer(after) if returned > after => return reset(&down),
                    Fate::Slice(size) => {
                        for piece in answer[..count].chunks(usize::try_from(size).unwrap()) {
                            if down.write_all(piece).await.is_err() {
                                return;
                            }
                            tokio::task::yield_now().await;
                        }
                    }
                    _ => {
                        if down.write_all(&answer[..count]).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }
}

async fn exactly_once(seed: u64, line: Line) {
    let server = Server::start(Ledger::default()).await;
    let upstream = server.url.strip_prefix("http://").unwrap().parse().unwrap();
    let address = proxy(upstream, seed, line).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "right").unwrap();
    let text = format!(
        "outbox = \"kiosk.db\"\nstate = \"agent.db\"\nsource = \"/stores/s/devices/k{seed}\"\n\
         [backend]\nurl = \"http://{address}\"\ntoken_file = \"token\"\ntimeout_ms = {}\n\
         [retry]\nbase_ms = 1\ncap_ms = 8\nbudget = 10000\nspread_s = 0\n[batch]\nmax_events = 20\n",
        line.timeout_ms
    );
    let config = Config::parse(&text, &dir.path().join("agent.toml")).unwrap();
    let store = Store::open(&config.state, &config.source).unwrap();
    let events = (0..600).map(|_| NewEvent {
        id: Uuid::now_v7(),
        kind: "demo.sold".into(),
        time_ms: 0,
        visitid: None,
        visitor: None,
        consent: cem_contract::Consent::None,
        clock: cem_contract::Clock::Synced,
        boot: "b".into(),
        uptime_ms: 1,
        data: json!({"seed": seed}),
    });
    store.raw().enqueue(Class::Sale, events.collect()).unwrap();
    let (_stop, stopped) = watch::channel(false);
    let (_orders, commands) = mpsc::channel(1);
    let wiring = Wiring {
        name: "backend".to_owned(),
        store: store.clone(),
        wake: Arc::new(Notify::new()),
        commands,
        stop: stopped,
        watcher: None,
        gather: Duration::from_millis(1),
        dates: None,
        kiosk: config.kiosk_path(),
    };
    let client = Client::new(&config.backend, 4, Floor::default()).unwrap();
    let upload = Upload::new(engine(&config), Arc::new(client), wiring, &config.outbox, &config.state);
    let patient = Until { drained: true, patience: Duration::from_secs(86_400), max_failures: u32::MAX };
    assert_eq!(upload.run(patient).await.unwrap(), None, "seed {seed}, {line:?}");
    let ledger = server.ledger.lock().unwrap();
    assert_eq!(ledger.stored.len(), 600, "seed {seed}, {line:?}");
    assert!(ledger.applied.values().all(|times| *times == 1));
    assert_eq!(store.raw().quarantine_count().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_mixture_of_network_faults_leaves_exactly_one_effect() {
    for (seed, loss) in [(1, 0), (2, 10), (3, 30), (4, 50)] {
        exactly_once(seed, Line { loss, ..QUICK }).await;
    }
}

/// Ten seconds each way and half a kilobyte a second, on a clock of its own.
#[tokio::test(start_paused = true)]
async fn a_late_and_narrow_line_leaves_exactly_one_effect() {
    let begun = tokio::time::Instant::now();
    for (seed, loss) in [(11, 0), (12, 10), (13, 50)] {
        exactly_once(seed, Line { loss, late_ms: 10_000, bandwidth: 500, timeout_ms: 15_000 }).await;
    }
    assert!(begun.elapsed() > Duration::from_secs(60), "{:?}: it was not slow", begun.elapsed());
}

/// The long form: `cargo test -p sync-agent --test it -- --ignored`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes"]
async fn any_mixture_of_network_faults_leaves_exactly_one_effect_a_thousand_times() {
    for seed in 0..1_000 {
        exactly_once(seed, Line { loss: seed % 51, ..QUICK }).await;
    }
}
