//! The sync agent, seen from the kiosk: asked over its socket, read from its file, and answered.

use crate::{
    adapters::{AgentSide, Look, Resolved},
    config::AgentPaths,
    fleet::FleetDoor,
    guest::LookUp,
    mailbox::{Message, Sender},
    verify::{CardKeys, Tap},
};
use edge_db::{
    CacheKey, Outbox, Person,
    link::{Answer, Ask, AskClient, AskServer, AskService},
};
use kiosk_core::{closed::Fleet, device::Health};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc::sync_channel},
    time::Duration,
};

/// What the agent gets of the core's look-up budget of 300 ms. The agent itself gives the backend 250 ms.
const ASK_BUDGET: Duration = Duration::from_millis(280);
/// 'Are you there?' has time: nobody waits for it.
const PING_BUDGET: Duration = Duration::from_secs(2);
/// A cache that is locked for longer is left alone.
const BUSY: Duration = Duration::from_millis(50);
/// A loop that does not answer within this is asked again later.
const LOOP_BUDGET: Duration = Duration::from_secs(5);

/// The key of the agent's visitor cache, once the agent has told it. In memory only.
#[derive(Clone, Default)]
pub(crate) struct KeyAtHand(Arc<Mutex<Option<CacheKey>>>);

impl KeyAtHand {
    /// Asked for at once, where an agent is there already.
    pub(crate) fn asked(paths: Option<&AgentPaths>) -> Self {
        let key = Self::default();
        if let Some(paths) = paths {
            key.refresh(&mut AskClient::new(&paths.ask));
        }
        key
    }

    fn get(&self) -> Option<CacheKey> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for it, and again now and then: an agent that was enrolled anew has another.
    fn refresh(&self, client: &mut AskClient) {
        if let Ok(Answer::CacheKey { key }) = client.ask(&Ask::CacheKey, ASK_BUDGET)
            && let Some(key) = CacheKey::from_bytes(&key)
        {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
        }
    }
}

/// The agent's socket and file.
pub(crate) struct Link {
    client: AskClient,
    agent_db: PathBuf,
    key: KeyAtHand,
}

impl Link {
    pub(crate) fn new(ask: &Path, agent_db: &Path, key: KeyAtHand) -> Self {
        Self { client: AskClient::new(ask), agent_db: agent_db.to_owned(), key }
    }
}

impl AgentSide for Link {
    fn resolve(&mut self, token: &str, tap: &Tap) -> Resolved {
        let Tap { message, older, .. } = tap.clone();
        let ask = Ask::Resolve { token: token.to_owned(), message, older };
        match self.client.ask(&ask, ASK_BUDGET) {
            Ok(Answer::Profile { envelope }) => Resolved::Profile(envelope.get().to_owned()),
            Ok(Answer::Unknown) => Resolved::Unknown,
            Ok(Answer::Blocked) => Resolved::Blocked,
            Ok(Answer::CodeRefused) => Resolved::CodeRefused,
            Ok(_) => Resolved::Unavailable,
            Err(error) => {
                tracing::info!(%error, "the agent did not say who this is");
                Resolved::Unavailable
            }
        }
    }

    fn cached(&mut self, token: &str) -> Option<String> {
        let key = self.key.get()?;
        let envelope = edge_db::cached_profile(&self.agent_db, &key, token, BUSY).unwrap_or_else(|error| {
            tracing::info!(%error, "the visitor cache cannot be read");
            None
        });
        envelope.and_then(|bytes| String::from_utf8(bytes).ok())
    }
}

/// Keys of single cards, out of the signed profiles in the agent's visitor cache.
pub(crate) struct CachedKeys {
    agent_db: PathBuf,
    look_up: LookUp,
    key: KeyAtHand,
}

impl CachedKeys {
    pub(crate) fn new(agent_db: &Path, look_up: LookUp, key: KeyAtHand) -> Self {
        Self { agent_db: agent_db.to_owned(), look_up, key }
    }
}

impl CardKeys for CachedKeys {
    fn file_key(&mut self, token: &str) -> Option<card_auth::Key> {
        let envelope = edge_db::cached_profile(&self.agent_db, &self.key.get()?, token, BUSY).ok()??;
        self.look_up.card_key(std::str::from_utf8(&envelope).ok()?, token)
    }

    fn is_blocked(&mut self, tokens: &[String]) -> bool {
        edge_db::is_card_blocked(&self.agent_db, tokens, BUSY).unwrap_or_else(|error| {
            tracing::warn!(%error, "lost cards cannot be looked up");
            false
        })
    }
}

/// Looks at the way to the backend: an agent that cannot reach it answers `Unavailable`. Beside that it keeps the key of the
/// visitor cache at hand, so that guests are known while the agent is not there.
pub(crate) fn backend_at(ask: &Path, key: KeyAtHand) -> Look {
    let mut client = AskClient::new(ask);
    Box::new(move || {
        key.refresh(&mut client);
        match client.ask(&Ask::Ping, PING_BUDGET) {
            Ok(Answer::Done) => Health::Ok,
            Ok(_) | Err(_) => Health::Lost,
        }
    })
}

/// Answers the agent's questions until the returned service is dropped.
pub(crate) fn answer_at(paths: &AgentPaths, outbox: Arc<Outbox>, fleet: FleetDoor) -> io::Result<AskService> {
    AskServer::bind(&paths.answer, &paths.uids)?.serve(move |ask| match ask {
        Ask::Ping => Answer::Done,
        Ask::OpenLog { log } => open_log(&outbox, log),
        Ask::Lock { locked } => fleet.tell(Fleet::Lock(locked)),
        Ask::Identify => fleet.tell(Fleet::Identify),
        Ask::StopSelling => fleet.stop_selling(),
        Ask::Restart => fleet.restart(),
        Ask::Screenshot { path } => fleet.screenshot(&path),
        Ask::Wipe => fleet.wipe(),
        Ask::Forget { visitor, mut merged, tokens } => {
            merged.push(visitor);
            forget(&outbox, &fleet.to_loop, &Person { visitors: merged, tokens })
        }
        _ => Answer::Unavailable,
    })
}

/// First the loop, so that nothing more is recorded of them; then what was. Where either does not answer, the agent asks again.
fn forget(outbox: &Outbox, sender: &Sender, person: &Person) -> Answer {
    let (done, heard) = sync_channel(1);
    let told = sender.message(Message::Forget { visitors: person.visitors.clone(), done }).is_ok();
    if !told || heard.recv_timeout(LOOP_BUDGET).is_err() {
        return Answer::Unavailable;
    }
    match outbox.forget(person) {
        Ok(rows) => {
            tracing::info!(rows, "a visitor was forgotten");
            Answer::Done
        }
        Err(error) => {
            tracing::error!(%error, "a visitor could not be forgotten; it is tried again");
            Answer::Unavailable
        }
    }
}

/// A new log, because another copy of this file gave the same numbers. Asked twice, it is opened once.
fn open_log(outbox: &Outbox, collided: uuid::Uuid) -> Answer {
    let current = match outbox.log() {
        Ok(log) if log.log != collided => return Answer::Done,
        other => other,
    };
    match current.and_then(|_| outbox.open_new_log("its numbers collided with those of another copy of this file")) {
        Ok(log) => {
            tracing::warn!(log = %log.log, "a new log was opened: the old one collided with a copy of this file");
            Answer::Done
        }
        Err(error) => {
            tracing::error!(%error, "no new log could be opened");
            Answer::Unavailable
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::mailbox::mailbox;
    use edge_db::{AgentStore, CachedProfile, Limits, OutboxOptions};

    fn small(path: PathBuf) -> OutboxOptions {
        OutboxOptions { limits: Limits::small(), ..OutboxOptions::new(path, "/stores/s-001/devices/k-01") }
    }

    #[test]
    fn a_profile_in_the_agents_file_is_found_by_its_token() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.db");
        let key = KeyAtHand::default();
        let mut link = Link::new(&dir.path().join("ask"), &path, key.clone());
        assert_eq!(link.cached("1:00ff"), None, "there is no file yet");
        let store = AgentStore::open_with(small(path.clone())).unwrap();
        let profile = CachedProfile {
            visitor: "v_1".into(),
            tokens: vec!["1:00ff".into()],
            version: 1,
            expires_ms: i64::MAX,
            envelope: b"{}".to_vec(),
        };
        assert!(store.put_profile(&profile, 0).unwrap());
        assert_eq!(link.cached("1:00ff"), None, "without the key nobody reads it");
        let answer = store.cache_key().bytes().to_vec();
        let serve = AskServer::bind(dir.path().join("ask"), &[]).unwrap();
        let _serve = serve.serve(move |_| Answer::CacheKey { key: answer.clone() }).unwrap();
        key.refresh(&mut AskClient::new(dir.path().join("ask")));
        assert_eq!(link.cached("1:00ff").as_deref(), Some("{}"), "its writer has it open");
        assert_eq!(link.cached("1:00fe"), None);
    }

    #[test]
    fn the_agent_is_asked_and_answered_over_sockets() {
        let dir = tempfile::tempdir().unwrap();
        let ask = dir.path().join("ask");
        let mut link = Link::new(&ask, &dir.path().join("agent.db"), KeyAtHand::default());
        let mut backend = backend_at(&ask, KeyAtHand::default());
        assert_eq!((link.resolve("1:00ff", &Tap::default()), backend()), (Resolved::Unavailable, Health::Lost));
        let serve = AskServer::bind(&ask, &[]).unwrap().serve(|ask| match ask {
            Ask::Ping => Answer::Done,
            _ => Answer::Unknown,
        });
        let _serve = serve.unwrap();
        assert_eq!((link.resolve("1:00ff", &Tap::default()), backend()), (Resolved::Unknown, Health::Ok));
    }

    #[test]
    fn a_log_that_collided_is_replaced_once() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Arc::new(Outbox::open(small(dir.path().join("kiosk.db"))).unwrap());
        let path = dir.path().join("kiosk.ask");
        let paths =
            AgentPaths { ask: path.clone(), wake: path.clone(), agent_db: path.clone(), answer: path.clone(), uids: Vec::new() };
        let (to_loop, inbox) = mailbox();
        let door = FleetDoor { to_loop, status: Arc::default(), camera: Arc::default(), pictures: dir.path().to_owned() };
        let _service = answer_at(&paths, outbox.clone(), door).unwrap();
        let mut agent = AskClient::new(&path);
        let old = outbox.log().unwrap().log;
        for _ in 0..2 {
            assert_eq!(agent.ask(&Ask::OpenLog { log: old }, Duration::from_secs(20)).unwrap(), Answer::Done);
        }
        let new = outbox.log().unwrap().log;
        assert_ne!(new, old);
        drop(inbox);
        let forget = Ask::Forget { visitor: "v_1".into(), merged: Vec::new(), tokens: Vec::new() };
        assert_eq!(agent.ask(&forget, Duration::from_secs(20)).unwrap(), Answer::Unavailable, "the loop has ended");
    }
}
