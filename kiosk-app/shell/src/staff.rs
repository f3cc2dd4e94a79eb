//! Whether somebody works here: the roster that the agent brought, or the sealed file beside the config, and PINs.
//!
//! - A roster counts where a key that this kiosk believes signed it for this store. Of two the newer counts. Changes made on this device
//!   count at once.
//! - A try is on disk before its PIN is looked at, so that no restart and no power cut gives a free one. Numbers that nobody
//!   has are counted together, and cost the same time.
//! - The log says that a PIN was wrong and how often, never which or whose.

mod edit;
mod facts;

use crate::{clock::Clock, keys::KeyRing};
use cem_contract::{
    Envelope,
    pin::{self, SALT_BYTES},
    staff::{StaffAction, StaffChange, StaffMember, StaffRefused, StaffRoster},
    time::rfc3339,
};
use edge_db::{
    Class, Commit, Outbox, StaffRow, TillRows,
    link::{Answer, Ask, AskClient},
};
use kiosk_core::{
    Now,
    staff::{Credential, Person, Pin, SignInResult, Tries, pause_after},
};
use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc, time::Duration};
use uuid::Uuid;

/// A roster file larger than this is none.
const ROSTER_BYTES: u64 = 1 << 20;
/// How long the agent may take to keep a change.
const CHANGE_BUDGET: Duration = Duration::from_secs(2);
/// How long the agent may take to sign that somebody signed in.
const PROOF_BUDGET: Duration = Duration::from_millis(500);
/// Tries of numbers that nobody has.
const NOBODY: &str = "";
/// A hash that no PIN fits: what a number that nobody has is checked against, so that it takes as long.
const NO_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Where rosters come from, and what PINs are checked with.
pub(crate) struct StaffDoor {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) store: String,
    pub(crate) ring: KeyRing,
    /// The agent's file and socket.
    pub(crate) agent: Option<(PathBuf, PathBuf)>,
    /// The sealed roster beside the config.
    pub(crate) file: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) started_mono_ms: u64,
    pub(crate) tries: BTreeMap<String, Tries>,
}

impl StaffDoor {
    /// Badges of those who work here now.
    pub(crate) fn badges(&self) -> Vec<String> {
        let Some(now) = self.clock.now().utc_ms else { return Vec::new() };
        let roster = self.roster().unwrap_or_default();
        roster.members.into_iter().filter(|member| member.check(now).is_ok()).filter_map(|member| member.badge).collect()
    }

    /// Whether the fleet has locked this device; `None` where the agent's file does not say.
    pub(crate) fn is_locked(&self) -> Option<bool> {
        edge_db::is_locked(&self.agent.as_ref()?.0).ok()
    }

    /// Judges what was shown.
    pub(crate) fn sign_in(&mut self, credential: &Credential) -> SignInResult {
        let now = self.clock.now();
        let (Some(roster), Some(utc_ms)) = (self.roster(), now.utc_ms) else { return SignInResult::NoRoster };
        match credential {
            Credential::Badge { token, proof } => match roster.by_badge(std::slice::from_ref(token), utc_ms).map(person) {
                Ok(Some(person)) if *proof => SignInResult::Welcome(person),
                Ok(Some(person)) => SignInResult::PinNeeded(person),
                Err(StaffRefused::Stale) => SignInResult::NoRoster,
                Ok(None) | Err(_) => SignInResult::Refused { pause_ms: 0 },
            },
            Credential::Pin { staff, pin } => match roster.by_id(staff, utc_ms) {
                Err(StaffRefused::Stale) => SignInResult::NoRoster,
                member => self.try_pin(now, member.ok(), pin),
            },
        }
    }

    fn try_pin(&mut self, now: Now, member: Option<&StaffMember>, pin: &Pin) -> SignInResult {
        let key = member.map_or(NOBODY, |member| member.staff.as_str()).to_owned();
        if self.ring.now().peppers.is_empty() {
            // Nobody's PIN can be judged before the agent has brought the pepper: that is no wrong try.
            return SignInResult::NoRoster;
        }
        let Some(tries) = self.tries_of(&key) else { return SignInResult::CannotRecord };
        let pause_ms = tries.pause_ms(now, self.started_mono_ms);
        if pause_ms > 0 {
            return SignInResult::Refused { pause_ms };
        }
        let counted = tries.wrong(now);
        if !self.keep(&key, counted) {
            return SignInResult::CannotRecord;
        }
        let hash = member.and_then(|member| member.pin.as_deref());
        let right = self.fits(pin, hash.unwrap_or(NO_HASH)) && hash.is_some();
        match member.filter(|_| right).and_then(person) {
            Some(person) => {
                // A good try that cannot be counted as one only makes the next pause come earlier.
                self.keep(&key, Tries::default());
                SignInResult::Welcome(person)
            }
            None => {
                tracing::warn!(in_a_row = counted.wrong, "a wrong PIN");
                SignInResult::Refused { pause_ms: pause_after(counted.wrong) }
            }
        }
    }

    /// Gives somebody a PIN of their own. False where it is the old one, or could not be kept.
    pub(crate) fn choose_pin(&mut self, staff: &str, pin: &Pin) -> bool {
        let (Some(roster), Some(utc_ms)) = (self.roster(), self.clock.now().utc_ms) else { return false };
        let Ok(member) = roster.by_id(staff, utc_ms) else { return false };
        if member.pin.as_deref().is_some_and(|hash| self.fits(pin, hash)) {
            return false;
        }
        let Some(hash) = self.hashed(pin) else { return false };
        let change = StaffChange {
            id: Uuid::now_v7(),
            at: rfc3339(utc_ms),
            by: staff.to_owned(),
            staff: staff.to_owned(),
            action: StaffAction::Pin { pin: hash, must_reset: false },
        };
        self.pass_on(&change) || self.keep_change(&change)
    }

    /// Under any version of the pepper that is in use.
    fn fits(&self, pin: &Pin, hash: &str) -> bool {
        let digits = std::str::from_utf8(pin.digits()).unwrap_or_default();
        self.ring.now().peppers.iter().any(|pepper| pin::verify(digits, hash, &pepper[..]).unwrap_or(false))
    }

    /// A PIN that may be chosen, under the newest pepper.
    fn hashed(&self, pin: &Pin) -> Option<String> {
        let digits = std::str::from_utf8(pin.digits()).ok()?;
        let mut salt = [0; SALT_BYTES];
        if pin::check(digits).is_err() || getrandom::fill(&mut salt).is_err() {
            return None;
        }
        pin::hash(digits, &salt, &self.ring.now().peppers.first()?[..]).ok()
    }

    /// Whether somebody who is signed in works here still. While nobody can say, they do: the desk's own silence ends it.
    pub(crate) fn works(&self, staff: &str) -> bool {
        let (Some(roster), Some(utc_ms)) = (self.roster(), self.clock.now().utc_ms) else { return true };
        roster.by_id(staff, utc_ms).is_ok_and(|member| person(member).is_some())
    }

    /// Asks the agent for the proof that this person, who was checked here, signed in. `None` where there is no agent that
    /// has this device's key.
    pub(crate) fn proof(&self, staff: &str) -> Option<(String, String)> {
        let (_, ask) = self.agent.as_ref()?;
        match AskClient::new(ask).ask(&Ask::Assert { staff: staff.to_owned() }, PROOF_BUDGET) {
            Ok(Answer::Assertion { header, expires }) => Some((header, expires)),
            Ok(Answer::Refused { why }) => {
                tracing::warn!(why, "the agent gives no proof of a sign-in");
                None
            }
            Ok(_) | Err(_) => None,
        }
    }

    /// The agent carries the change to the backend.
    fn pass_on(&self, change: &StaffChange) -> bool {
        let Some((_, ask)) = &self.agent else { return false };
        let answer = AskClient::new(ask).ask(&Ask::ChangeStaff { change: Box::new(change.clone()) }, CHANGE_BUDGET);
        matches!(answer, Ok(Answer::Done))
    }

    /// Without an agent the change is kept here.
    fn keep_change(&self, change: &StaffChange) -> bool {
        let Ok(text) = serde_json::to_string(change) else { return false };
        self.write(StaffRow { staff: change.staff.clone(), pin: Some(text), ..StaffRow::default() })
    }

    fn tries_of(&mut self, key: &str) -> Option<Tries> {
        if let Some(tries) = self.tries.get(key) {
            return Some(*tries);
        }
        let row = self.outbox.staff(key).ok()?.unwrap_or_default();
        Some(Tries { wrong: row.wrong, at_utc_ms: row.at_ms, at_mono_ms: None })
    }

    fn keep(&mut self, key: &str, tries: Tries) -> bool {
        let pin = self.outbox.staff(key).ok().flatten().and_then(|row| row.pin);
        let kept = self.write(StaffRow { staff: key.to_owned(), wrong: tries.wrong, at_ms: tries.at_utc_ms, pin });
        if kept {
            self.tries.insert(key.to_owned(), tries);
        }
        kept
    }

    fn write(&self, row: StaffRow) -> bool {
        let till = TillRows { staff: vec![row], ..TillRows::default() };
        let done = self.outbox.commit(Commit { class: Class::Sale, till, ..Commit::default() });
        done.inspect_err(|error| tracing::error!(%error, "a try could not be counted")).is_ok()
    }

    /// The newest roster that is believed, with the changes made here.
    fn roster(&self) -> Option<StaffRoster> {
        let keys = self.ring.now();
        let brought = self.agent.as_ref().and_then(|(db, _)| edge_db::staff_roster(db).ok().flatten());
        let pending = brought.as_ref().map(|stored| stored.pending.clone()).unwrap_or_default();
        let sealed =
            fs::metadata(&self.file).ok().filter(|meta| meta.len() <= ROSTER_BYTES).and_then(|_| fs::read(&self.file).ok());
        let believed = [brought.map(|stored| stored.envelope), sealed].into_iter().flatten().filter_map(|bytes| {
            let envelope: Envelope = serde_json::from_slice(&bytes).ok()?;
            StaffRoster::verify(&envelope, &keys.rosters, &self.store).ok().map(cem_contract::Verified::into_inner)
        });
        let mut roster = believed.max_by_key(|roster| roster.version)?;
        let kept: Vec<StaffChange> = roster.members.iter().filter_map(|member| self.kept_change(&member.staff)).collect();
        roster.apply(&kept);
        roster.apply(&pending);
        Some(roster)
    }

    fn kept_change(&self, staff: &str) -> Option<StaffChange> {
        let row = self.outbox.staff(staff).ok().flatten()?;
        serde_json::from_str(&row.pin?).ok()
    }
}

/// Whoever may stand at a desk; ops do not.
fn person(member: &StaffMember) -> Option<Person> {
    let role = edit::role(member.role)?;
    Some(Person { id: member.staff.clone(), name: member.display_name.clone(), role, must_reset: member.must_reset })
}
