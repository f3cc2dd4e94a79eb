//! Commands while another process writes the agent's file: `agent.db` has one writer, so whoever holds it also
//! listens on the control socket, and every other `sync-agent` hands its command over instead of opening the file.
//!
//! A connection is one command: a line of JSON ([`Request`]), for `enqueue` followed by the lines to take. Answers are
//! lines; the last one is `{"done": {"taken", "refused"}}`, so that a writer that died is told from one that is ready.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use edge_db::{OpenError, QuarantineState, Quarantined};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::{debug, warn};
use uuid::Uuid;

use crate::config::Config;
use crate::lines::{self, Tally};
use crate::report;
use crate::store::Store;
use crate::upload::Command;

/// Connections served at once; one more is closed.
const CONNECTIONS: usize = 16;
/// The longest first line.
const MAX_REQUEST_BYTES: u64 = 4_096;
/// How long a command waits for the file to become free or its holder to listen.
const ACCESS_PATIENCE: Duration = Duration::from_secs(15);
/// A peer that sends no first line for this long is dropped.
const FIRST_LINE: Duration = Duration::from_secs(5);
const LIST_ROWS: usize = 10_000;

/// One command, as it goes over the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "command")]
pub enum Request {
    /// Lines to take follow.
    Enqueue,
    /// What is queued and what is quarantined.
    Status,
    /// All quarantined events, without their bodies.
    List,
    /// One quarantined event with its body.
    Show {
        /// The event.
        id: Uuid,
    },
    /// Send a quarantined event again.
    Replay {
        /// The event.
        id: Uuid,
    },
    /// Give a quarantined event up.
    Drop {
        /// The event.
        id: Uuid,
    },
}

/// Tells the upload in this process, if there is one, what to do.
pub type Orders = Arc<dyn Fn(Command) + Send + Sync>;
/// Called when the agent's own log grew.
pub type Grown = Arc<dyn Fn() + Send + Sync>;

/// What a holder of the file serves.
#[derive(Clone)]
pub struct Holder {
    /// The file.
    pub store: Store,
    /// The configuration it was opened by.
    pub config: Arc<Config>,
    /// The upload, if this process has one.
    pub orders: Option<Orders>,
    /// Wakes the upload.
    pub grown: Option<Grown>,
}

/// The listening socket; dropping it stops listening.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens beside the file that `holder` holds.
    ///
    /// # Errors
    /// When the path cannot be used.
    pub fn start(path: &Path, holder: Holder) -> anyhow::Result<Server> {
        let shown = path.display();
        if let Ok(meta) = std::fs::symlink_metadata(path) {
            use std::os::unix::fs::FileTypeExt as _;
            anyhow::ensure!(
                meta.file_type().is_socket(),
                "{shown}: is there and is no socket; set [link] control to another path"
            );
            std::fs::remove_file(path).with_context(|| format!("{shown}: cannot remove the socket of a dead process"))?;
        }
        let listener = UnixListener::bind(path).with_context(|| format!("{shown}: cannot listen for commands"))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("control".into()).spawn(move || accept(&listener, &told, &holder))?;
        Ok(Server { path: path.to_owned(), stop, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The thread waits in accept: a connection wakes it.
        let woken = UnixStream::connect(&self.path).is_ok();
        if let Some(thread) = self.thread.take()
            && woken
        {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

fn accept(listener: &UnixListener, stop: &AtomicBool, holder: &Holder) {
    let live = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                warn!(%error, "a command could not connect");
                continue;
            }
        };
        if live.load(Ordering::Relaxed) >= CONNECTIONS {
            warn!("too many commands at once");
            continue;
        }
        let (holder, live) = (holder.clone(), Arc::clone(&live));
        live.fetch_add(1, Ordering::Relaxed);
        let spawned = std::thread::Builder::new().name("command".into()).spawn(move || {
            if let Err(error) = serve(&stream, &holder) {
                debug!(%error, "a command broke off");
            }
            live.fetch_sub(1, Ordering::Relaxed);
        });
        if let Err(error) = spawned {
            warn!(%error, "no thread for a command");
        }
    }
}

fn serve(stream: &UnixStream, holder: &Holder) -> io::Result<()> {
    let uid = rustix::net::sockopt::socket_peercred(stream)?.uid;
    if uid != rustix::process::getuid() && !uid.is_root() {
        return Err(io::Error::other("a peer of another user"));
    }
    stream.set_read_timeout(Some(FIRST_LINE))?;
    let mut input = BufReader::with_capacity(64 * 1024, stream);
    let mut first = String::new();
    io::Read::take(&mut input, MAX_REQUEST_BYTES).read_line(&mut first)?;
    let request: Request = serde_json::from_str(&first).map_err(io::Error::other)?;
    stream.set_read_timeout(None)?;
    let tally = if request == Request::Enqueue {
        lines::pump(input, stream, &holder.sink(), holder.store.origin())?
    } else {
        let mut output = io::BufWriter::new(stream);
        let (answers, tally) = match perform(&request, holder) {
            Ok(answers) => (answers, Tally::default()),
            Err(error) => (vec![json!({"error": format!("{error:#}")})], Tally { taken: 0, refused: 1 }),
        };
        answers.iter().try_for_each(|line| writeln!(output, "{line}"))?;
        output.flush()?;
        tally
    };
    let mut output = stream;
    writeln!(output, "{}", json!({"done": {"taken": tally.taken, "refused": tally.refused}}))
}

/// Where enqueued lines go: the file, and a wake-up for the upload.
struct WakingSink<'a>(&'a Holder);

impl Holder {
    fn sink(&self) -> impl lines::Sink<Pending = edge_db::Ticket> + '_ {
        WakingSink(self)
    }
}

impl lines::Sink for WakingSink<'_> {
    type Pending = edge_db::Ticket;
    fn submit(&self, event: cem_contract::NewEvent) -> Result<Self::Pending, String> {
        self.0.store.submit(event)
    }
    fn wait(&self, pending: Self::Pending) -> Result<u64, String> {
        let number = self.0.store.wait(pending)?;
        if let Some(grown) = &self.0.grown {
            grown();
        }
        Ok(number)
    }
}

/// Carries out everything but `enqueue`; the lines to answer.
fn perform(request: &Request, holder: &Holder) -> anyhow::Result<Vec<Value>> {
    let raw = holder.store.raw();
    let missing = |id: &Uuid| anyhow::anyhow!("no event {id} is in quarantine (`sync-agent quarantine list` shows all)");
    match request {
        Request::Enqueue => bail!("enqueue has lines of its own"),
        Request::Status => Ok(vec![report::queue(&holder.config, Some(raw.quarantine_count()?))?.to_json()]),
        Request::List => Ok(raw.quarantine_list(None, LIST_ROWS)?.iter().map(|q| shown(q, false)).collect()),
        Request::Show { id } => Ok(vec![shown(&raw.quarantine_show(*id)?.ok_or_else(|| missing(id))?, true)]),
        Request::Replay { id } => {
            let event = raw.quarantine_show(*id)?.ok_or_else(|| missing(id))?;
            raw.quarantine_replay(*id)?;
            if let Some(orders) = &holder.orders {
                orders(Command::Replay { log: event.log, sequence: event.sequence });
            }
            Ok(vec![json!({"id": id, "state": "replay"})])
        }
        Request::Drop { id } => {
            anyhow::ensure!(raw.quarantine_drop(*id)?, missing(id));
            Ok(vec![json!({"id": id, "state": "dropped"})])
        }
    }
}

fn shown(q: &Quarantined, with_body: bool) -> Value {
    let mut value = json!({
        "id": q.id,
        "type": q.kind,
        "source": q.source,
        "log": q.log,
        "sequence": cem_contract::time::sequence(q.sequence),
        "reason": q.reason,
        "state": if q.state == QuarantineState::Replay { "replay" } else { "held" },
        "since": cem_contract::time::rfc3339(q.at_ms),
        "times": q.times,
    });
    if with_body {
        let body =
            serde_json::from_slice(&q.body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&q.body).into_owned()));
        value["event"] = body;
    }
    value
}

/// The way to the agent's file: itself, or the process that holds it.
pub enum Access {
    /// This process holds the file now.
    Own(Box<Store>),
    /// Another one does, and listens.
    Other(UnixStream),
}

/// Gets at the agent's file, waiting a moment where its holder is just starting or ending.
///
/// # Errors
/// When neither is possible, in a sentence that says what to do.
pub fn access(config: &Config) -> anyhow::Result<Access> {
    let begun = Instant::now();
    loop {
        if let Ok(stream) = UnixStream::connect(config.control_path()) {
            return Ok(Access::Other(stream));
        }
        match Store::open(&config.state, &config.source) {
            Ok(store) => return Ok(Access::Own(Box::new(store))),
            Err(OpenError::InUse { .. }) if begun.elapsed() < ACCESS_PATIENCE => {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            Err(error) => return Err(error).with_context(|| format!("cannot open the agent's file {}", config.state.display())),
        }
    }
}

/// `sync-agent enqueue`: takes lines from `input`, answers on `output`.
///
/// # Errors
/// When the lines cannot be handed over or answered; what was answered until then is durable.
pub fn enqueue(
    config: &Arc<Config>,
    input: impl BufRead + Send + 'static,
    mut output: impl Write + Send,
) -> anyhow::Result<Tally> {
    match access(config)? {
        Access::Own(store) => {
            let holder = Holder { store: *store, config: Arc::clone(config), orders: None, grown: None };
            let _server = Server::start(&config.control_path(), holder.clone())?;
            Ok(lines::pump(input, output, &holder.store, holder.store.origin())?)
        }
        Access::Other(stream) => {
            say(&stream, &Request::Enqueue)?;
            let writing = stream.try_clone()?;
            // Detached: a reader that waits for input must not keep this process when the other side is gone.
            std::thread::Builder::new().name("hand over".into()).spawn(move || hand_over(input, &writing))?;
            relay(stream, |line| writeln!(output, "{line}"))
        }
    }
}

fn hand_over(mut input: impl BufRead, stream: &UnixStream) {
    let mut output = io::BufWriter::with_capacity(64 * 1024, stream);
    loop {
        let piece = match input.fill_buf() {
            Ok([]) | Err(_) => break,
            Ok(piece) => piece,
        };
        let length = piece.len();
        if output.write_all(piece).and_then(|()| output.flush()).is_err() {
            return;
        }
        input.consume(length);
    }
    let _ = output.flush();
    let _ = stream.shutdown(std::net::Shutdown::Write);
}

/// Any other command: its answers.
///
/// # Errors
/// When it cannot be carried out.
pub fn command(config: &Arc<Config>, request: &Request) -> anyhow::Result<Vec<Value>> {
    match access(config)? {
        Access::Own(store) => perform(request, &Holder { store: *store, config: Arc::clone(config), orders: None, grown: None }),
        Access::Other(stream) => {
            say(&stream, request)?;
            let mut answers = Vec::new();
            relay(stream, |line| {
                answers.push(serde_json::from_str::<Value>(line)?);
                Ok(())
            })?;
            match answers.first().and_then(|a| a.get("error")).and_then(Value::as_str) {
                Some(error) => bail!("{error}"),
                None => Ok(answers),
            }
        }
    }
}

fn say(mut stream: &UnixStream, request: &Request) -> anyhow::Result<()> {
    writeln!(stream, "{}", serde_json::to_string(request)?)?;
    Ok(())
}

/// Hands every answer on until the last one.
fn relay(stream: UnixStream, mut take: impl FnMut(&str) -> io::Result<()>) -> anyhow::Result<Tally> {
    #[derive(Deserialize)]
    struct Last {
        done: Done,
    }
    #[derive(Deserialize)]
    struct Done {
        taken: u64,
        refused: u64,
    }
    for line in BufReader::new(stream).lines() {
        let line = line.context("the running agent went away; lines without an answer may or may not be recorded")?;
        if line.starts_with("{\"done\"")
            && let Ok(Last { done }) = serde_json::from_str(&line)
        {
            return Ok(Tally { taken: done.taken, refused: done.refused });
        }
        take(&line)?;
    }
    bail!("the running agent went away; lines without an answer may or may not be recorded")
}
