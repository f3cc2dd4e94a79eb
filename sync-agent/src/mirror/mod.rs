//! Mirrors: further receivers of the same events, beside the one backend. Each has its own watermark in the agent's
//! file and its own engine, so that none ever delays the backend or another mirror. A new mirror begins with the
//! oldest event that the files still hold.
//!
//! None of them answers event by event, so what counts as an acknowledgement is said for each kind:
//!
//! | Kind | Acknowledged by | Cannot be told |
//! |---|---|---|
//! | CloudEvents receiver | a 2xx whose body contains the configured `marker` | which event of a batch was refused |
//! | Segment protocol | a 200 that is no page for people | a 200 is given for refused events too; `messageId` dedupes |
//! | Apache Unomi | a 200 with a numeric `updated`, one request an event | an event type without a schema is dropped in silence: ours are registered first |
//!
//! An event that a mirror can never take is left out for that mirror, logged and counted; it stays in the log.

mod segment;
mod unomi;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cem_contract::Event;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{RequestBuilder, Url};
use uuid::Uuid;

use crate::clock::Floor;
use crate::config::{self, MirrorKind};
use crate::engine::{Engine, Limits, Verdict};
use crate::http::{self, Answer, Failure, Sent, Wire};
use crate::retry::{Policy, Retry};
use crate::tls::Way;
use crate::upload::Transport;

const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Delays between tries; nobody waits for a mirror.
const POLICY: Policy = Policy { base_ms: 1_000, cap_ms: 120_000, budget: 10, spread_ms: 600_000 };
/// Events remembered as taken, for receivers that do not dedupe.
const REMEMBERED: usize = 10_000;

/// One mirror.
pub struct Mirror {
    config: config::Mirror,
    http: reqwest::Client,
    base: Url,
    /// What was taken of a batch that failed half way: not sent again while this process lives.
    taken: Mutex<HashSet<Uuid>>,
    /// Event types whose schema is known to Unomi.
    registered: tokio::sync::Mutex<HashSet<String>>,
}

impl Mirror {
    /// A client of a configured mirror.
    ///
    /// # Errors
    /// When the address or the TLS set-up is unusable, or a secret is missing.
    pub fn new(config: &config::Mirror, proxy: &str, floor: Floor) -> anyhow::Result<Mirror> {
        let base = match config.kind {
            MirrorKind::Cloudevents => Url::parse(&config.url)?,
            MirrorKind::Unomi | MirrorKind::Segment => http::base_url(&config.url)?,
        };
        for path in [&config.secret_file, &config.admin_file].into_iter().flatten() {
            secret(path).map_err(anyhow::Error::msg)?;
        }
        let way = Way { proxy, identity: None };
        let http = http::builder(&base, floor, way)?.timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT).build()?;
        Ok(Mirror { config: config.clone(), http, base, taken: Mutex::default(), registered: tokio::sync::Mutex::default() })
    }

    /// The engine for this kind of receiver: one request at a time, in order.
    #[must_use]
    pub fn engine(&self, device: &str) -> Engine {
        let (max_events, max_bytes) = match self.config.kind {
            MirrorKind::Cloudevents => (500, 1024 * 1024),
            MirrorKind::Segment => (500, segment::MAX_BATCH_BYTES / 2),
            MirrorKind::Unomi => (50, 512 * 1024),
        };
        let retry = Retry::new(POLICY, 1, &format!("{device} {}", self.config.name), 0);
        Engine::new(retry, Limits { max_events, max_bytes, window: max_events * 2 }, POLICY.cap_ms)
    }

    async fn deliver(&self, events: &[Event], body: Vec<u8>) -> Wire {
        if events.is_empty() {
            return self.probe().await;
        }
        match self.config.kind {
            MirrorKind::Cloudevents => self.cloudevents(events.len(), body).await,
            MirrorKind::Segment => segment::deliver(self, events).await,
            MirrorKind::Unomi => unomi::deliver(self, events).await,
        }
    }

    async fn cloudevents(&self, count: usize, body: Vec<u8>) -> Wire {
        let answer = match self.post_batch(body).await {
            Ok(answer) => answer,
            Err(wire) => return wire,
        };
        let marker = self.config.marker.as_deref().unwrap_or_default();
        if (200..300).contains(&answer.status) {
            if String::from_utf8_lossy(&answer.body).contains(marker) && !marker.is_empty() {
                return all_accepted(count);
            }
            return unknown("a 2xx without the configured marker");
        }
        not_ok(&answer)
    }

    async fn post_batch(&self, body: Vec<u8>) -> Result<Answer, Wire> {
        let mut request = self.http.post(self.base.clone()).header(CONTENT_TYPE, "application/cloudevents-batch+json").body(body);
        if let Some(path) = &self.config.secret_file {
            request = request.header(AUTHORIZATION, format!("Bearer {}", secret(path).map_err(Wire::Unauthorised)?));
        }
        send(request).await
    }

    /// Whether the receiver is there, without an event.
    async fn probe(&self) -> Wire {
        let answer = match self.config.kind {
            MirrorKind::Cloudevents => self.post_batch(b"[]".to_vec()).await,
            MirrorKind::Unomi | MirrorKind::Segment => send(self.http.get(self.base.clone())).await,
        };
        match answer {
            Ok(answer) if (200..300).contains(&answer.status) => all_accepted(0),
            Ok(answer) if answer.status < 500 && self.config.kind != MirrorKind::Cloudevents => all_accepted(0),
            Ok(answer) => not_ok(&answer),
            Err(wire) => wire,
        }
    }

    fn was_taken(&self, id: Uuid) -> bool {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    fn remember(&self, id: Uuid) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= REMEMBERED {
            taken.clear();
        }
        taken.insert(id);
    }
}

impl Transport for Mirror {
    async fn post_events(&self, ids: Vec<Uuid>, body: Vec<u8>) -> Sent {
        let outcome = match read(&ids, &body) {
            Ok(events) => self.deliver(&events, body).await,
            Err(what) => Wire::Refused(what),
        };
        Sent { outcome, date_ms: None, round_trip_ms: 0, status: None }
    }

    fn token_changed(&self) -> bool {
        // Secrets are read for each request; a refused one is tried slowly.
        false
    }
}

fn read(ids: &[Uuid], body: &[u8]) -> Result<Vec<Event>, String> {
    let members: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    if members.len() != ids.len() {
        return Err("a batch that is not what its ids say".to_owned());
    }
    members.into_iter().map(|m| Event::from_members(m).map_err(|e| e.to_string())).collect()
}

async fn send(request: RequestBuilder) -> Result<Answer, Wire> {
    http::receive(request).await.map_err(|failure| match failure {
        Failure::Token(what) | Failure::Path(what) => unknown(&what),
    })
}

/// What an answer without a 2xx means, the same for all kinds.
fn not_ok(answer: &Answer) -> Wire {
    let retry_after_ms = answer
        .headers
        .get("retry-after")
        .and_then(|v| v.to_str().ok()?.trim().parse::<u64>().ok())
        .map(|s| s.saturating_mul(1_000));
    match answer.status {
        401 | 403 => Wire::Unauthorised(answer.status.to_string()),
        413 => Wire::TooLarge,
        408 | 425 | 429 => Wire::Unknown { what: answer.status.to_string(), retry_after_ms },
        status @ 400..500 => Wire::Refused(status.to_string()),
        status => Wire::Unknown { what: status.to_string(), retry_after_ms },
    }
}

fn unknown(what: &str) -> Wire {
    Wire::Unknown { what: what.to_owned(), retry_after_ms: None }
}

fn all_accepted(count: usize) -> Wire {
    Wire::Answered { verdicts: vec![Verdict::Accepted; count], resend: Vec::new() }
}

/// A secret, read each time, so that a new one needs no restart.
fn secret(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| format!("{shown}: the mirror's secret cannot be read ({e})"))?;
    let text = text.trim();
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(format!("{shown}: must hold the mirror's secret and nothing else"));
    }
    Ok(text.to_owned())
}
