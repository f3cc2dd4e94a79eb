//! Questions between processes, each with a time budget.

use super::{clear, deadline, ready, users::open_to_group};
use cem_contract::{
    cards::{CardSaid, CardWant},
    enrol::{EnrolmentState, ScopedKey},
    gift::{GiftSaid, GiftWant},
    staff::StaffChange,
};
use rustix::{
    event::PollFlags,
    net::{RecvFlags, SendFlags},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Bytes of one message. A signed profile has a few kilobytes.
pub const MESSAGE_BYTES: usize = 64 << 10;
/// Connections that an [`AskService`] serves at a time; one more is closed at once.
const CONNECTIONS: usize = 8;
const TICK: Duration = Duration::from_millis(200);

/// A question. Later versions only add; an unknown one is answered [`Answer::Unavailable`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ask {
    /// Who is this? Kiosk to agent.
    Resolve {
        /// `<key version>:<hex>`.
        token: String,
        /// The card's own message, where the kiosk lacks the key to check it: the backend answers with that card's key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// The same card under the tenant's older keys, while two are in use.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        older: Vec<String>,
    },
    /// Something about guests' cards, for somebody who has signed in. Answered [`Answer::Cards`], or [`Answer::Refused`].
    /// Kiosk to agent.
    Cards {
        /// The person's id.
        staff: String,
        /// What.
        want: Box<CardWant>,
    },
    /// Something about a gift card, under a key that has one effect. Answered [`Answer::Gift`], or [`Answer::Unavailable`] where
    /// nobody knows what became of it. Kiosk to agent.
    Gift {
        /// The key.
        key: Uuid,
        /// What.
        want: Box<GiftWant>,
    },
    /// Forget this visitor: erasure arrived. Answered [`Answer::Done`] once nothing in the kiosk's file names them. Agent to
    /// kiosk.
    Forget {
        /// The pseudonym.
        visitor: String,
        /// Further pseudonyms of the same person.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        merged: Vec<String>,
        /// Their cards.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tokens: Vec<String>,
    },
    /// This log's numbers collide with those of another copy of the file: open a new one. Agent to kiosk.
    OpenLog {
        /// The log that collides.
        log: Uuid,
    },
    /// The key of the visitor cache in the agent's file. Answered [`Answer::CacheKey`]. Kiosk to agent.
    CacheKey,
    /// Are you there?
    Ping,
    /// Become one of ours with this code; answered [`Answer::Enrolment`] at once, then ask [`Ask::Enrolment`] how far it is.
    /// Kiosk to agent.
    Enrol {
        /// The one-time code as it was typed or read.
        code: String,
        /// The backend's base address; where none is given, the one that the agent was configured with.
        #[serde(default)]
        backend: Option<String>,
        /// The shop's proxy as it was typed; where none is given, the one that the agent was configured with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proxy: Option<String>,
    },
    /// How far is the enrolment, and who are we? Answered [`Answer::Enrolment`]. Kiosk to agent.
    Enrolment,
    /// The scoped keys of this device, all versions. Answered [`Answer::Keys`]. Kiosk to agent.
    Keys,
    /// This person has proved who they are by PIN or badge: a proof for the backend. Answered [`Answer::Assertion`], or
    /// [`Answer::Refused`] where the roster says otherwise. Kiosk to agent.
    Assert {
        /// The person's id.
        staff: String,
    },
    /// A manager's edit, or somebody's new PIN. Answered [`Answer::Done`] once the agent has it on disk; it counts on this
    /// device at once ([`crate::StoredRoster`]) and is carried to the backend as soon as that is in reach. Kiosk to agent.
    ChangeStaff {
        /// The change.
        change: Box<StaffChange>,
    },
    /// Sell nothing (or sell again), and show it. Agent to kiosk; also kept in the agent's file ([`crate::is_locked`]).
    Lock {
        /// What holds from now on.
        locked: bool,
    },
    /// Show which device this is. Agent to kiosk.
    Identify,
    /// Write a picture of the screen, guests' data left out, as PNG to this new file. Answered [`Answer::Done`] once it is
    /// there. Agent to kiosk.
    Screenshot {
        /// Where.
        path: PathBuf,
    },
    /// End the program cleanly; it is started again. Agent to kiosk.
    Restart,
    /// Take no new sale; answered [`Answer::Done`] once none is under way, [`Answer::Unavailable`] until then. Agent to
    /// kiosk.
    StopSelling,
    /// This device is retired and everything is sent: close the file, delete it and every secret, answer, and end. Agent to
    /// kiosk.
    Wipe,
}

/// An answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// The visitor's profile, in the envelope exactly as the backend signed it.
    Profile {
        /// JSON text of the DSSE envelope.
        envelope: Box<RawValue>,
    },
    /// Nobody is known by this token.
    Unknown,
    /// The card was reported lost.
    Blocked,
    /// The code of a guest's page is too old, or was used before.
    CodeRefused,
    /// What the backend said about cards.
    Cards {
        /// What.
        said: Box<CardSaid>,
    },
    /// What the backend said about a gift card.
    Gift {
        /// What.
        said: GiftSaid,
    },
    /// No answer can be given now: no network, no cache, a question of a later version.
    Unavailable,
    /// It is done.
    Done,
    /// How far the enrolment is.
    Enrolment {
        /// How far.
        state: EnrolmentState,
    },
    /// The scoped keys of this device.
    Keys {
        /// All versions in use.
        keys: Vec<ScopedKey>,
    },
    /// A proof that somebody signed in here.
    Assertion {
        /// The value of the header `CEM-Staff`.
        header: String,
        /// When it ends, RFC 3339.
        expires: String,
    },
    /// The key of the visitor cache: kept in memory, never written down by whoever asked.
    CacheKey {
        /// Its bytes.
        key: Vec<u8>,
    },
    /// It will not be done.
    Refused {
        /// Why, a sentence in English.
        why: String,
    },
}

impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Profile { envelope: a }, Self::Profile { envelope: b }) => a.get() == b.get(),
            (Self::Enrolment { state: a }, Self::Enrolment { state: b }) => a == b,
            (Self::Keys { keys: a }, Self::Keys { keys: b }) => a == b,
            (Self::Assertion { header: a, .. }, Self::Assertion { header: b, .. }) => a == b,
            (Self::Cards { said: a }, Self::Cards { said: b }) => a == b,
            (Self::Gift { said: a }, Self::Gift { said: b }) => a == b,
            (Self::CacheKey { key: a }, Self::CacheKey { key: b }) => a == b,
            (Self::Refused { why: a }, Self::Refused { why: b }) => a == b,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

/// Why there is no answer. In every case the asker goes on alone.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The budget ran out.
    #[error("no answer in time")]
    TimedOut,
    /// Nobody listens, or the other side went away.
    #[error("the other side is not there: {0}")]
    Gone(io::Error),
    /// A message beyond the bounds, or not of this protocol.
    #[error("not a message of this protocol: {0}")]
    Protocol(String),
}

impl From<io::Error> for AskError {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

#[derive(Serialize, Deserialize)]
struct AskMessage {
    n: u64,
    ask: Ask,
}

#[derive(Serialize, Deserialize)]
struct AnswerMessage {
    n: u64,
    answer: Answer,
}

/// Only the number, for a question that this version does not know.
#[derive(Deserialize)]
struct Numbered {
    n: u64,
}

/// The asking end: connects when needed, again after a failure.
#[derive(Debug)]
pub struct AskClient {
    path: PathBuf,
    socket: Option<Socket>,
    last: u64,
}

impl AskClient {
    /// A client of the server at `path`, which need not exist yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), socket: None, last: 0 }
    }

    /// Asks, and waits for the answer no longer than the budget. Answers to earlier questions that come late are dropped.
    ///
    /// # Errors
    /// As [`AskError`] says.
    pub fn ask(&mut self, ask: &Ask, budget: Duration) -> Result<Answer, AskError> {
        let until = deadline(budget);
        let fresh = self.socket.is_none();
        match self.try_ask(ask, until) {
            // A server that was restarted has closed the old connection: once more, over a new one.
            Err(AskError::Gone(_)) if !fresh => {
                self.socket = None;
                self.try_ask(ask, until)
            }
            other => other,
        }
        .inspect_err(|error| {
            if !matches!(error, AskError::TimedOut) {
                self.socket = None;
            }
        })
    }

    fn try_ask(&mut self, ask: &Ask, until: Instant) -> Result<Answer, AskError> {
        if self.socket.is_none() {
            self.socket = Some(connect(&self.path)?);
        }
        let Some(socket) = &self.socket else { return Err(AskError::TimedOut) };
        self.last += 1;
        send(socket, &AskMessage { n: self.last, ask: ask.clone() }, until)?;
        loop {
            let bytes = receive(socket, until)?;
            let message: AnswerMessage = serde_json::from_slice(&bytes).map_err(|error| AskError::Protocol(error.to_string()))?;
            if message.n == self.last {
                return Ok(message.answer);
            }
        }
    }
}

fn connect(path: &Path) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
    // Not blocking from the start: a server with a full backlog would make connect wait for ever.
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(socket)
}

fn send(socket: &Socket, message: &impl Serialize, until: Instant) -> Result<(), AskError> {
    let bytes = serde_json::to_vec(message).map_err(|error| AskError::Protocol(error.to_string()))?;
    if bytes.len() > MESSAGE_BYTES {
        return Err(AskError::Protocol(format!("{} bytes, the limit is {MESSAGE_BYTES}", bytes.len())));
    }
    loop {
        // NOSIGNAL: a peer that went away is an error, not the end of this process.
        match rustix::net::send(socket, &bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::AGAIN) => {
                if !ready(socket.as_fd(), PollFlags::OUT, until)? {
                    return Err(AskError::TimedOut);
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(AskError::Gone(errno.into())),
        }
    }
}

fn receive(socket: &Socket, until: Instant) -> Result<Vec<u8>, AskError> {
    loop {
        if let Some(bytes) = try_receive(socket)? {
            return Ok(bytes);
        }
        if !ready(socket.as_fd(), PollFlags::IN, until)? {
            return Err(AskError::TimedOut);
        }
    }
}

/// One packet; `None` when none waits.
fn try_receive(socket: &Socket) -> Result<Option<Vec<u8>>, AskError> {
    let mut bytes = vec![0; MESSAGE_BYTES + 1];
    loop {
        return match rustix::net::recv(socket, bytes.as_mut_slice(), RecvFlags::DONTWAIT) {
            Ok((0, _)) => Err(AskError::Gone(io::ErrorKind::UnexpectedEof.into())),
            Ok((length, _)) if length > MESSAGE_BYTES => Err(AskError::Protocol("the message is too long".to_owned())),
            Ok((length, _)) => {
                bytes.truncate(length);
                Ok(Some(bytes))
            }
            Err(rustix::io::Errno::AGAIN) => Ok(None),
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => Err(AskError::Gone(errno.into())),
        };
    }
}

/// The answering end. It is readable when somebody wants to connect; see [`AskServer::accept`].
#[derive(Debug)]
pub struct AskServer {
    socket: Socket,
    path: PathBuf,
    uids: Vec<u32>,
}

impl AskServer {
    /// Listens at `path`, replacing the socket of a dead process. Connections of other users than `uids` (and this
    /// process's own) are closed at once.
    ///
    /// # Errors
    /// When the path cannot be used.
    pub fn bind(path: impl Into<PathBuf>, uids: &[u32]) -> io::Result<Self> {
        let path = path.into();
        clear(&path)?;
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(&path)?)?;
        open_to_group(&path)?;
        socket.listen(16)?;
        let mut uids = uids.to_vec();
        uids.push(rustix::process::getuid().as_raw());
        Ok(Self { socket, path, uids })
    }

    /// The next connection of a user who may ask; `None` when none waits. Never blocks.
    ///
    /// # Errors
    /// When the socket is broken.
    pub fn accept(&self) -> io::Result<Option<AskConnection>> {
        loop {
            let socket = match self.socket.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            socket.set_nonblocking(true)?;
            let uid = rustix::net::sockopt::socket_peercred(&socket)?.uid.as_raw();
            if self.uids.contains(&uid) {
                return Ok(Some(AskConnection { socket }));
            }
            tracing::warn!(uid, "a connection of another user was refused");
        }
    }

    /// Serves on a thread of its own until the returned service is dropped; each connection has a thread, at most eight
    /// at a time.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn serve(self, answer: impl Fn(Ask) -> Answer + Send + Sync + 'static) -> io::Result<AskService> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread =
            std::thread::Builder::new().name("ask".to_owned()).spawn(move || accept_all(&self, &told, &Arc::new(answer)))?;
        Ok(AskService { stop, thread: Some(thread) })
    }
}

fn accept_all<F: Fn(Ask) -> Answer + Send + Sync + 'static>(server: &AskServer, stop: &Arc<AtomicBool>, answer: &Arc<F>) {
    let live = Arc::new(AtomicUsize::new(0));
    while !stop.load(Relaxed) {
        match server.accept() {
            Ok(Some(connection)) if live.load(Relaxed) < CONNECTIONS => {
                let (stop, answer, live) = (stop.clone(), answer.clone(), live.clone());
                live.fetch_add(1, Relaxed);
                let spawned = std::thread::Builder::new().name("ask connection".to_owned()).spawn(move || {
                    answer_all(&connection, &stop, &*answer);
                    live.fetch_sub(1, Relaxed);
                });
                if let Err(error) = spawned {
                    tracing::warn!(%error, "no thread for a connection");
                }
            }
            Ok(Some(_)) => tracing::warn!("too many connections"),
            Ok(None) => {
                if let Err(error) = ready(server.as_fd(), PollFlags::IN, deadline(TICK)) {
                    return tracing::error!(%error, "the ask socket is broken");
                }
            }
            Err(error) => return tracing::error!(%error, "the ask socket is broken"),
        }
    }
}

fn answer_all(connection: &AskConnection, stop: &AtomicBool, answer: &(impl Fn(Ask) -> Answer + ?Sized)) {
    while !stop.load(Relaxed) {
        match connection.try_next() {
            Ok(Some(question)) => {
                let words = question.ask.clone().map_or(Answer::Unavailable, answer);
                if let Err(error) = connection.answer(question.n, words, TICK) {
                    return tracing::debug!(%error, "an answer was not taken");
                }
            }
            Ok(None) => {
                if ready(connection.as_fd(), PollFlags::IN, deadline(TICK)).is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

/// A running server; dropping it stops it.
#[derive(Debug)]
pub struct AskService {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for AskService {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A question as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its number, to be given with the answer.
    pub n: u64,
    /// What is asked; `None` for a question of a later version.
    pub ask: Option<Ask>,
}

/// One connection at the answering end. It is readable when a question waits.
#[derive(Debug)]
pub struct AskConnection {
    socket: Socket,
}

impl AskConnection {
    /// The next question; `None` when none waits. Never blocks.
    ///
    /// # Errors
    /// When the other side went away or does not speak this protocol: drop the connection.
    pub fn try_next(&self) -> Result<Option<Question>, AskError> {
        let Some(bytes) = try_receive(&self.socket)? else { return Ok(None) };
        if let Ok(message) = serde_json::from_slice::<AskMessage>(&bytes) {
            return Ok(Some(Question { n: message.n, ask: Some(message.ask) }));
        }
        let Numbered { n } = serde_json::from_slice(&bytes).map_err(|error| AskError::Protocol(error.to_string()))?;
        Ok(Some(Question { n, ask: None }))
    }

    /// Answers a question.
    ///
    /// # Errors
    /// When the other side went away, or does not read in time.
    pub fn answer(&self, n: u64, answer: Answer, budget: Duration) -> Result<(), AskError> {
        send(&self.socket, &AnswerMessage { n, answer }, deadline(budget))
    }
}

macro_rules! descriptor {
    ($($name:ident),+) => {$(
        impl AsFd for $name {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.socket.as_fd()
            }
        }
        impl AsRawFd for $name {
            fn as_raw_fd(&self) -> RawFd {
                self.socket.as_raw_fd()
            }
        }
    )+};
}
descriptor!(AskServer, AskConnection);

impl Drop for AskServer {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
