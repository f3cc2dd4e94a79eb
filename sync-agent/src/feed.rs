//! The store's feed, as far as the agent itself needs it: who works here, which cards were lost, and that there are new keys.
//! One long poll after the other, so that a leaver and a lost card are out within seconds while the backend is in reach.

use std::sync::Arc;
use std::time::Duration;

use cem_contract::enrol::DeviceKeys;
use cem_contract::{Page, Problem};
use serde_json::Value;
use tracing::{info, warn};

use crate::cards::Cards;
use crate::commands::Orders;
use crate::enrol::Enrolled;
use crate::http::{Answer, Client};
use crate::staff::Staff;
use crate::store::Store;
use crate::visitors::escape;

/// Seconds that the backend may hold a poll.
const WAIT_S: u64 = 25;
/// A poll without an answer after this is given up.
const POLL_BUDGET: Duration = Duration::from_secs(40);
/// After a failure.
const PAUSE: Duration = Duration::from_secs(5);
/// A roster is good for a day and an answer may be lost; keys may have changed while the cursor was expired.
const REFRESH: Duration = Duration::from_secs(15 * 60);
const CURSOR: &str = "feed.cursor";
/// Means nothing to any backend: it answers with the place to begin from, without the store's whole history.
const NOWHERE: &str = "now";

/// Follows the feed.
#[derive(Clone)]
pub struct Feed {
    /// What this device holds.
    pub enrolled: Arc<Enrolled>,
    /// The agent's file.
    pub store: Store,
    /// The way to the backend.
    pub client: Client,
    /// Takes rosters.
    pub staff: Staff,
    /// Takes lost cards.
    pub cards: Cards,
    /// Takes the command that comes when this device is turned away.
    pub orders: Orders,
}

impl Feed {
    /// One poll after the other.
    ///
    /// # Errors
    /// When the agent's file fails.
    pub async fn follow(self) -> anyhow::Result<()> {
        loop {
            if !self.poll(WAIT_S).await? {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Fetches roster and keys, and sends what was changed here, now and then and whenever something was changed.
    ///
    /// # Errors
    /// When the agent's file fails.
    pub async fn refresh(self) -> anyhow::Result<()> {
        loop {
            self.staff.refresh().await?;
            self.cards.refresh().await?;
            self.fetch_keys().await?;
            self.staff.send_changes().await?;
            tokio::select! {
                () = self.staff.changed.notified() => {}
                () = tokio::time::sleep(REFRESH) => {}
            }
        }
    }

    /// Asks once. True when there was an answer and the next poll may follow at once.
    ///
    /// # Errors
    /// When the agent's file fails.
    pub async fn poll(&self, wait_s: u64) -> anyhow::Result<bool> {
        let cursor = self.store.note(CURSOR).await?.filter(|cursor| !cursor.is_empty());
        let after = escape(cursor.as_deref().unwrap_or(NOWHERE));
        let path =
            format!("v1/stores/{}/feed?limit=200&wait={wait_s}&after={after}", escape(&self.enrolled.enrolment().config.store));
        let Ok(answer) = self.client.get(&path, Some(POLL_BUDGET)).await else { return Ok(false) };
        match answer.status {
            200 => self.take(&answer).await,
            410 => self.begin(&answer).await,
            _ => {
                self.orders.turned_away(&answer).await?;
                Ok(false)
            }
        }
    }

    async fn take(&self, answer: &Answer) -> anyhow::Result<bool> {
        let Ok(page) = serde_json::from_slice::<Page<Value>>(&answer.body) else { return Ok(false) };
        for item in page.items {
            match item["kind"].as_str() {
                Some("staff") => self.staff.take(&item["envelope"]).await?,
                Some("card_blocked") => self.cards.block(item["token"].as_str().unwrap_or_default()).await?,
                // The place is not moved on before they are here: they would be missed until the next refresh.
                Some("keys") if !self.fetch_keys().await? => return Ok(false),
                // Orders, articles, tasks, visitors: others follow those.
                _ => {}
            }
        }
        if let Some(next) = page.next {
            self.store.set_note(CURSOR, next).await?;
        }
        self.staff.send_changes().await?;
        Ok(true)
    }

    /// The cursor means nothing to this backend: go on from where it says, and fetch what may have been missed.
    async fn begin(&self, answer: &Answer) -> anyhow::Result<bool> {
        let Ok(problem) = serde_json::from_slice::<Problem>(&answer.body) else { return Ok(false) };
        let Some(next) = problem.extra.get("next").and_then(Value::as_str) else { return Ok(false) };
        if !(self.staff.refresh().await? && self.cards.refresh().await? && self.fetch_keys().await?) {
            return Ok(false);
        }
        self.store.set_note(CURSOR, next.to_owned()).await?;
        Ok(true)
    }

    /// True when what the backend has is held here.
    async fn fetch_keys(&self) -> anyhow::Result<bool> {
        let path = format!("v1/devices/{}/keys", escape(&self.enrolled.enrolment().config.device));
        let Ok(answer) = self.client.get(&path, None).await else { return Ok(false) };
        let new = match serde_json::from_slice::<DeviceKeys>(&answer.body) {
            Ok(new) if answer.status == 200 && !new.keys.is_empty() => new,
            _ => return Ok(false),
        };
        if new.keys == self.enrolled.keys() && new.trust_root.version <= self.enrolled.enrolment().trust_root.version {
            return Ok(true);
        }
        let enrolled = Arc::clone(&self.enrolled);
        match tokio::task::spawn_blocking(move || enrolled.put_keys(new)).await? {
            Ok(()) => {
                info!(version = self.enrolled.key_version(), "new keys");
                Ok(true)
            }
            Err(error) => {
                warn!(error = format!("{error:#}"), "new keys were not stored; they are fetched again");
                Ok(false)
            }
        }
    }
}
