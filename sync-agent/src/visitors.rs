//! Who is this card? Answers the kiosk from the cache, asks the backend within a budget, and keeps the cache current.
//!
//! The agent stores and hands on signed envelopes as the backend made them; whether a signature is good is judged by
//! the kiosk, which holds the keys. Names and tokens are never logged.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use cem_contract::cards::CARD_BLOCKED_PROBLEM;
use cem_contract::codes::{CODE_REFUSED_PROBLEM, GUEST_CODE_PREFIX};
use cem_contract::{Envelope, Erasure, IssuedProfile, Page, Problem, ResolveRequest, time};
use edge_db::link::{Answer, Ask, AskClient};
use edge_db::{CachedProfile, Person};
use serde_json::Value;
use serde_json::value::RawValue;
use tracing::{info, warn};

use crate::http::Client;
use crate::store::Store;

/// Pages taken in one round of a list; the next round goes on from there.
const PAGES_A_ROUND: usize = 200;
/// How long the kiosk may take to forget somebody: a month's log is gone through.
const KIOSK_BUDGET: Duration = Duration::from_secs(30);
/// Until a kiosk that has still to forget somebody is asked again.
const OWED_PAUSE: Duration = Duration::from_secs(5);
/// How long the backend may take to show that it is there again.
const PING_BUDGET: Duration = Duration::from_millis(700);
/// Tokens remembered as fetched lately.
const RECENT_TOKENS: usize = 10_000;
pub(crate) const STORE_CURSOR: &str = "visitors.cursor";
const ERASURE_CURSOR: &str = "erasures.cursor";
const OWED: &str = "erasures.owed";

/// Whom the kiosk has still to forget: pseudonyms and cards.
type Owed = (Vec<String>, Vec<String>);

/// What was fetched lately, so that a guest is greeted without asking again.
#[derive(Default)]
struct Recent {
    by_token: HashMap<String, Instant>,
    list: Option<Instant>,
}

/// The visitor cache of a store.
#[derive(Clone)]
pub struct Visitors {
    client: Client,
    store: Store,
    budget: Duration,
    fresh: Duration,
    recent: Arc<Mutex<Recent>>,
    /// `None` for a source that belongs to no store.
    shop: Option<Arc<str>>,
    kiosk: Arc<std::path::Path>,
}

impl Visitors {
    /// `budget` is what the backend has to answer in; a profile stored within `fresh` is answered without asking.
    #[must_use]
    pub fn new(
        client: Client,
        store: Store,
        budget: Duration,
        fresh: Duration,
        shop: Option<&str>,
        kiosk: &std::path::Path,
    ) -> Visitors {
        Visitors { client, store, budget, fresh, recent: Arc::default(), shop: shop.map(Arc::from), kiosk: Arc::from(kiosk) }
    }

    /// Answers a question of the kiosk.
    pub async fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::Resolve { token, message, older } => self.resolve(token, older, message).await,
            Ask::Ping => self.ping().await,
            Ask::CacheKey => Answer::CacheKey { key: self.store.raw().cache_key().bytes().to_vec() },
            _ => Answer::Unavailable,
        }
    }

    /// `Done` while the backend is in reach. When it was not, it is asked again: nobody else may ask for a minute.
    async fn ping(&self) -> Answer {
        let online = self.client.is_online()
            || self.client.get("v1/erasures?limit=1", Some(PING_BUDGET)).await.is_ok_and(|a| a.status < 500);
        if online { Answer::Done } else { Answer::Unavailable }
    }

    /// `older`: the same card under the tenant's older keys.
    async fn resolve(&self, token: String, older: Vec<String>, message: Option<String>) -> Answer {
        if let Some(code) = message.as_deref().filter(|message| message.starts_with(GUEST_CODE_PREFIX)) {
            return self.redeem(token, code.to_owned()).await;
        }
        let cached = self.cached(&token).await;
        if cached.is_none() && !older.is_empty() {
            return self.resolve_older(token, older, message).await;
        }
        if let Some(known) = &cached
            && message.is_none()
            && self.is_current(&token)
        {
            return profile(known);
        }
        // With something in hand the guest need not wait for the whole budget.
        let budget = if cached.is_some() { self.budget / 2 } else { self.budget };
        match self.ask_backend(vec![token.clone()], message, budget).await {
            Found::Profile(fresh) => {
                self.remember(token);
                profile(&fresh)
            }
            Found::Nobody => Answer::Unknown,
            Found::Blocked => Answer::Blocked,
            Found::CodeRefused => Answer::CodeRefused,
            Found::NoAnswer => cached.as_deref().map_or(Answer::Unavailable, profile),
        }
    }

    /// A code of a guest's page counts once, and the backend alone knows whether it has: no copy answers for it.
    async fn redeem(&self, token: String, code: String) -> Answer {
        match self.ask_backend(vec![token], Some(code), self.budget).await {
            Found::Profile(fresh) => profile(&fresh),
            Found::Blocked => Answer::Blocked,
            Found::CodeRefused | Found::Nobody => Answer::CodeRefused,
            Found::NoAnswer => Answer::Unavailable,
        }
    }

    /// The tenant's key has a new version, and this card was not seen since: the backend learns its new name by this question.
    async fn resolve_older(&self, token: String, older: Vec<String>, message: Option<String>) -> Answer {
        let names: Vec<String> = std::iter::once(token.clone()).chain(older.iter().cloned()).collect();
        match self.ask_backend(names, message, self.budget).await {
            Found::Profile(fresh) => {
                self.remember(token);
                return profile(&fresh);
            }
            Found::Nobody => return Answer::Unknown,
            Found::Blocked => return Answer::Blocked,
            Found::CodeRefused => return Answer::CodeRefused,
            Found::NoAnswer => {}
        }
        for name in older {
            if let Some(known) = self.cached(&name).await {
                return profile(&known);
            }
        }
        Answer::Unavailable
    }

    async fn cached(&self, token: &str) -> Option<Vec<u8>> {
        self.store.cached(token.to_owned()).await.unwrap_or_else(|error| {
            warn!(%error, "the visitor cache cannot be read");
            None
        })
    }

    /// The profile was fetched a moment ago, or the store's list of changes was read to its end a moment ago.
    fn is_current(&self, token: &str) -> bool {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let within = |at: &Instant| at.elapsed() < self.fresh;
        recent.by_token.get(token).is_some_and(within) || recent.list.as_ref().is_some_and(within)
    }

    fn remember(&self, token: String) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.by_token.len() >= RECENT_TOKENS {
            recent.by_token.clear();
        }
        recent.by_token.insert(token, Instant::now());
    }

    async fn ask_backend(&self, tokens: Vec<String>, message: Option<String>, budget: Duration) -> Found {
        let spent = message.as_ref().filter(|message| message.starts_with(GUEST_CODE_PREFIX)).and(tokens.first().cloned());
        let request = ResolveRequest { tokens, message };
        let Ok(body) = serde_json::to_vec(&request) else { return Found::NoAnswer };
        let Ok(answer) = self.client.post_json("v1/visitors/resolve", body, Some(budget)).await else { return Found::NoAnswer };
        match answer.status {
            200 => match self.keep(&answer.body, spent.as_deref()).await {
                Ok(true) => Found::Profile(answer.body.to_vec()),
                // A version below the one kept: a backend that was restored. What is kept counts.
                Ok(false) => Found::NoAnswer,
                Err(error) => {
                    warn!(%error, "the backend's profile is not usable");
                    Found::NoAnswer
                }
            },
            // Only the backend says 404 as problem+json; anything on the way says it in its own words.
            404 if serde_json::from_slice::<Problem>(&answer.body).is_ok() => Found::Nobody,
            403 if serde_json::from_slice::<Problem>(&answer.body).is_ok_and(|p| p.kind == CARD_BLOCKED_PROBLEM) => {
                Found::Blocked
            }
            403 if serde_json::from_slice::<Problem>(&answer.body).is_ok_and(|p| p.kind == CODE_REFUSED_PROBLEM) => {
                Found::CodeRefused
            }
            _ => Found::NoAnswer,
        }
    }

    /// Stores an envelope under the tokens it names, but not under a code that is `spent`; false when a newer version is kept.
    async fn keep(&self, envelope: &[u8], spent: Option<&str>) -> anyhow::Result<bool> {
        let issued = issued(envelope)?;
        let expires_ms = time::parse_rfc3339(&issued.expires).ok_or_else(|| anyhow::anyhow!("`expires` is no time"))?;
        let profile = CachedProfile {
            visitor: issued.profile.visitor,
            tokens: issued.tokens.into_iter().filter(|token| Some(token.as_str()) != spent).collect(),
            version: issued.profile.version,
            expires_ms,
            envelope: envelope.to_vec(),
        };
        self.store.cache(profile).await
    }

    /// Looks at both lists again and again.
    ///
    /// # Errors
    /// Never by the network; only when the agent's file fails.
    pub async fn keep_current(self, every: Duration) -> anyhow::Result<()> {
        loop {
            let owed = self.round().await?;
            tokio::time::sleep(if owed { every.min(OWED_PAUSE) } else { every }).await;
        }
    }

    /// One look at both lists. Erasures first: what must be forgotten must not be fetched again. True where the kiosk has still
    /// to forget somebody: it is asked again soon.
    ///
    /// # Errors
    /// As [`Visitors::keep_current`].
    pub async fn round(&self) -> anyhow::Result<bool> {
        self.follow("v1/erasures", ERASURE_CURSOR, |this, item| async move { this.erase(item).await }).await?;
        let owed = self.tell_kiosk().await?;
        if let Some(shop) = &self.shop {
            let path = format!("v1/stores/{}/visitors", escape(shop));
            if self.follow(&path, STORE_CURSOR, |this, item| async move { this.change(item).await }).await? {
                self.recent.lock().unwrap_or_else(PoisonError::into_inner).list = Some(Instant::now());
            }
        }
        Ok(owed)
    }

    /// Reads a list from where it was left. True when its end was reached.
    async fn follow<F>(&self, path: &str, cursor_key: &'static str, take: impl Fn(Visitors, Value) -> F) -> anyhow::Result<bool>
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        for _ in 0..PAGES_A_ROUND {
            let cursor = self.store.note(cursor_key).await?;
            let after = cursor.as_deref().map(|c| format!("&after={}", escape(c))).unwrap_or_default();
            let answer = match self.client.get(&format!("{path}?limit=200{after}"), None).await {
                Ok(answer) => answer,
                Err(_) => return Ok(false),
            };
            if answer.status == 410 {
                info!(path, "the list's cursor expired: from the beginning");
                self.store.set_note(cursor_key, String::new()).await?;
                continue;
            }
            let Ok(page) = serde_json::from_slice::<Page<Value>>(&answer.body) else { return Ok(false) };
            if answer.status != 200 {
                return Ok(false);
            }
            let empty = page.items.is_empty();
            for item in page.items {
                take(self.clone(), item).await?;
            }
            match page.next {
                Some(next) if Some(&next) != cursor.as_ref() => self.store.set_note(cursor_key, next).await?,
                _ => return Ok(true),
            }
            if empty {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A change of the store's cache: an envelope, or a visitor who is no longer in it.
    async fn change(self, item: Value) -> anyhow::Result<()> {
        let envelope = ["envelope", "profile"].iter().filter_map(|key| item.get(key)).find(|v| v.get("payload").is_some());
        let envelope = envelope.or_else(|| item.get("payload").map(|_| &item));
        match (envelope, item.get("visitor").and_then(Value::as_str)) {
            (Some(envelope), _) => {
                if let Err(error) = self.keep(envelope.to_string().as_bytes(), None).await {
                    warn!(%error, "a profile of the store's list is not usable");
                }
            }
            (None, Some(visitor)) => self.store.forget(vec![visitor.to_owned()]).await?,
            (None, None) => warn!("an entry of the store's list is not understood"),
        }
        Ok(())
    }

    async fn erase(self, item: Value) -> anyhow::Result<()> {
        let Ok(erasure) = serde_json::from_value::<Erasure>(item) else {
            warn!("an entry of the erasure list is not understood");
            return Ok(());
        };
        let mut visitors = erasure.merged;
        visitors.insert(0, erasure.visitor);
        let person = Person { visitors, tokens: erasure.tokens };
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).by_token.retain(|token, _| !person.tokens.contains(token));
        self.store.forget_person(person.clone()).await?;
        // Written down before the list's cursor passes it: a kiosk that is not there now is told when it is.
        let mut owed = self.owed().await?;
        owed.push((person.visitors, person.tokens));
        self.store.set_note(OWED, serde_json::to_string(&owed)?).await?;
        info!("forgot an erased visitor");
        Ok(())
    }

    /// Whom the kiosk has still to forget: pseudonyms and cards.
    async fn owed(&self) -> anyhow::Result<Vec<Owed>> {
        let note = self.store.note(OWED).await?.unwrap_or_default();
        Ok(serde_json::from_str(&note).unwrap_or_default())
    }

    /// Lets the kiosk forget whom it has still to forget. True where somebody is left.
    async fn tell_kiosk(&self) -> anyhow::Result<bool> {
        let owed = self.owed().await?;
        if owed.is_empty() {
            return Ok(false);
        }
        let kiosk = Arc::clone(&self.kiosk);
        let (asked, before) = (owed.clone(), owed.len());
        let left = tokio::task::spawn_blocking(move || {
            let mut client = AskClient::new(&*kiosk);
            let left = asked.into_iter().filter(|(visitors, tokens)| {
                let Some((visitor, merged)) = visitors.split_first() else { return false };
                let (visitor, merged, tokens) = (visitor.clone(), merged.to_vec(), tokens.clone());
                !matches!(client.ask(&Ask::Forget { visitor, merged, tokens }, KIOSK_BUDGET), Ok(Answer::Done))
            });
            left.collect::<Vec<Owed>>()
        });
        let left = left.await?;
        if left.len() < before {
            self.store.set_note(OWED, serde_json::to_string(&left)?).await?;
            // The note has named them, too.
            self.store.forget_person(Person::default()).await?;
            info!(left = left.len(), "the kiosk forgot erased visitors");
        }
        Ok(!left.is_empty())
    }
}

enum Found {
    Profile(Vec<u8>),
    Nobody,
    Blocked,
    CodeRefused,
    NoAnswer,
}

fn profile(envelope: &[u8]) -> Answer {
    match serde_json::from_slice::<Box<RawValue>>(envelope) {
        Ok(envelope) => Answer::Profile { envelope },
        Err(_) => Answer::Unavailable,
    }
}

/// What an envelope says about itself, without judging its signature.
fn issued(envelope: &[u8]) -> anyhow::Result<IssuedProfile> {
    let envelope: Envelope = serde_json::from_slice(envelope)?;
    let payload = base64::engine::general_purpose::STANDARD
        .decode(&envelope.payload)
        .or_else(|_| base64::engine::general_purpose::URL_SAFE.decode(&envelope.payload))?;
    Ok(serde_json::from_slice(&payload)?)
}

/// Percent-encodes what a path segment or a query value must not hold.
pub(crate) fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_envelope_is_read_without_its_keys() {
        let payload = base64::engine::general_purpose::STANDARD.encode(
            r#"{"visitor":"v_1","version":3,"tokens":["1:ab"],"store":"s-001","issued":"2026-11-21T10:00:00Z","expires":"2026-11-22T10:00:00Z"}"#,
        );
        let text = format!(r#"{{"payload":"{payload}","payloadType":"t","signatures":[]}}"#);
        let issued = issued(text.as_bytes()).unwrap();
        assert_eq!((issued.profile.visitor.as_str(), issued.profile.version, issued.tokens.len()), ("v_1", 3, 1));
    }

    #[test]
    fn cursors_are_opaque_and_escaped() {
        assert_eq!(escape("a/b c+ü"), "a%2Fb%20c%2B%C3%BC");
    }
}
