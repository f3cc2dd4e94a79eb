//! Who works here, on the device's side: keeps the roster, proves to the backend that somebody signed in, and passes on what
//! managers change.
//!
//! The kiosk checks PIN and badge against the roster in the agent's file; the agent holds the device's key, so the kiosk asks
//! it for the assertion. A change made here is on disk before it is answered, counts here at once, and is sent until the
//! backend has judged it. Names, PINs and badges are never logged.

use std::sync::Arc;

use anyhow::Context as _;
use cem_contract::enrol::KEY_ROSTER;
use cem_contract::staff::{ASSERTION_VALID_MS, CHANGE_PAYLOAD_TYPE, StaffAssertion, StaffChange, StaffRoster};
use cem_contract::{Envelope, kinds, time};
use edge_db::link::Answer;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::enrol::Enrolled;
use crate::http::Client;
use crate::store::Store;
use crate::visitors::escape;

/// The staff of this device's store.
#[derive(Clone)]
pub struct Staff {
    enrolled: Arc<Enrolled>,
    store: Store,
    client: Client,
    /// Somebody changed something here.
    pub(crate) changed: Arc<Notify>,
}

impl Staff {
    /// The staff as the agent's file knows it.
    #[must_use]
    pub fn new(enrolled: Arc<Enrolled>, store: Store, client: Client) -> Staff {
        Staff { enrolled, store, client, changed: Arc::default() }
    }

    /// Version of the roster held here.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.stored().ok().flatten().map(|(roster, _)| roster.version)
    }

    /// The roster as it was signed, checked again, and what was changed here since.
    fn stored(&self) -> anyhow::Result<Option<(StaffRoster, Vec<StaffChange>)>> {
        let Some(stored) = self.store.raw().roster()? else { return Ok(None) };
        let roster = self.check(&serde_json::from_slice(&stored.envelope)?)?;
        Ok(Some((roster, stored.pending)))
    }

    fn check(&self, envelope: &Envelope) -> anyhow::Result<StaffRoster> {
        let enrolment = self.enrolled.enrolment();
        let keys = enrolment.trust_root.keys_for(KEY_ROSTER);
        Ok(StaffRoster::verify(envelope, &keys, &enrolment.config.store)?.into_inner())
    }

    /// Takes a roster that came from the backend, unless it is older than the one held.
    ///
    /// # Errors
    /// When the agent's file fails. A roster that is not believed is logged and left.
    pub async fn take(&self, envelope: &Value) -> anyhow::Result<()> {
        let (this, envelope) = (self.clone(), envelope.clone());
        tokio::task::spawn_blocking(move || this.take_now(&envelope)).await?
    }

    fn take_now(&self, envelope: &Value) -> anyhow::Result<()> {
        let read = serde_json::from_value::<Envelope>(envelope.clone()).context("it is no envelope");
        let new = match read.and_then(|envelope| self.check(&envelope)) {
            Ok(new) => new,
            Err(error) => {
                warn!(error = format!("{error:#}"), "a staff list is not believed");
                return Ok(());
            }
        };
        let issued = |roster: &StaffRoster| time::parse_rfc3339(&roster.issued).unwrap_or(0);
        if let Ok(Some((held, _))) = self.stored()
            && (held.version, issued(&held)) >= (new.version, issued(&new))
        {
            return Ok(());
        }
        self.store.raw().put_roster(&serde_json::to_vec(envelope)?)?;
        info!(version = new.version, people = new.members.len(), "the staff list is new");
        Ok(())
    }

    /// Fetches the roster: each is good for a day, so it is fetched many times a day even where nothing changes. False
    /// without an answer: then the one held stays.
    ///
    /// # Errors
    /// When the agent's file fails.
    pub async fn refresh(&self) -> anyhow::Result<bool> {
        let path = format!("v1/stores/{}/roster", escape(&self.enrolled.enrolment().config.store));
        let Ok(answer) = self.client.get(&path, None).await else { return Ok(false) };
        match serde_json::from_slice::<Value>(&answer.body) {
            Ok(envelope) if answer.status == 200 => self.take(&envelope).await.map(|()| true),
            _ => Ok(false),
        }
    }

    /// Proves that somebody signed in here, who the kiosk has checked. Blocks for a few milliseconds.
    #[must_use]
    pub fn assert(&self, staff: &str) -> Answer {
        let now = self.store.floor().now_ms();
        let refused = |why: String| Answer::Refused { why };
        if crate::clock::quality(self.store.floor()) == cem_contract::Clock::Unset {
            // By a clock that stands still nobody would ever leave.
            return refused("this device's clock is not set: set it, or connect the device".to_owned());
        }
        let roster = match self.stored() {
            Ok(Some((mut roster, pending))) => {
                roster.apply(&pending);
                roster
            }
            Ok(None) => return refused("this device has no staff list yet".to_owned()),
            Err(error) => return refused(format!("the staff list cannot be used: {error:#}")),
        };
        let member = match roster.by_id(staff, now) {
            Ok(member) => member,
            Err(why) => return refused(why.to_string()),
        };
        let source = self.enrolled.enrolment().config.source;
        let assertion = StaffAssertion::new(&member.staff, member.role, &source, now, ASSERTION_VALID_MS);
        match assertion.sign(self.enrolled.key()) {
            Ok(header) => Answer::Assertion { header, expires: assertion.exp },
            Err(error) => refused(error.to_string()),
        }
    }

    /// Takes a change made at the kiosk: it counts here at once. Blocks for a few milliseconds.
    #[must_use]
    pub fn change(&self, change: &StaffChange) -> Answer {
        let now = self.store.floor().now_ms();
        match self.stored() {
            Ok(Some((roster, _))) if roster.by_id(&change.by, now).is_ok() => {}
            Ok(Some(_)) => return Answer::Refused { why: "whoever makes the change does not work here".to_owned() },
            Ok(None) | Err(_) => return Answer::Refused { why: "this device has no staff list yet".to_owned() },
        }
        match self.store.raw().add_staff_change(change) {
            Ok(true) => {
                self.changed.notify_one();
                Answer::Done
            }
            Ok(false) => Answer::Refused { why: "too many changes wait for the backend: connect this device first".to_owned() },
            Err(error) => {
                warn!(%error, "a change of the staff was not kept");
                Answer::Unavailable
            }
        }
    }

    /// Sends the changes made here, oldest first, until one finds no answer.
    ///
    /// # Errors
    /// When the agent's file fails.
    pub async fn send_changes(&self) -> anyhow::Result<()> {
        let this = self.clone();
        let pending = tokio::task::spawn_blocking(move || this.store.raw().roster()).await??.unwrap_or_default().pending;
        if pending.is_empty() {
            return Ok(());
        }
        let path = format!("v1/stores/{}/staff", escape(&self.enrolled.enrolment().config.store));
        let mut judged = Vec::new();
        for change in pending {
            let envelope = Envelope::sign(CHANGE_PAYLOAD_TYPE, &serde_json::to_vec(&change)?, self.enrolled.key());
            let Ok(answer) = self.client.post_json(&path, serde_json::to_vec(&envelope)?, None).await else { break };
            let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            match (answer.status, said["outcome"].as_str()) {
                (200, Some("made")) => {}
                (200, Some("refused")) => self.report_refused(&change, said["why"].as_str().unwrap_or_default()).await?,
                _ => break,
            }
            judged.push(change.id);
        }
        // The roster that has them comes first, so that what counted here does not stop to count for a moment.
        if !self.refresh().await? {
            return Ok(());
        }
        let this = self.clone();
        tokio::task::spawn_blocking(move || judged.into_iter().try_for_each(|id| this.store.raw().drop_staff_change(id)))
            .await??;
        Ok(())
    }

    async fn report_refused(&self, change: &StaffChange, why: &str) -> anyhow::Result<()> {
        warn!(change = %change.id, why, "the backend refused a change of the staff");
        let data = json!({"alarm": "staff_change_refused", "detail": why, "by": "sync-agent", "change": change.id});
        self.store.record(kinds::DEVICE_ALARM, data).await
    }
}
