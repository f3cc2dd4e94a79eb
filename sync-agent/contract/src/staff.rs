//! Who works in a store: the roster that devices hold, changes to it, and the proof that somebody signed in.
//!
//! The roster is signed by the backend and brought by the store's feed; it works without a network until each entry's
//! `valid_until`. A leaver is out when a newer roster arrives, and when that time passes at the latest. Signing in yields an
//! assertion, signed by the device's enrolled key, that is good for a quarter of an hour.

use crate::{Envelope, EnvelopeError, SigningKey, Verified, VerifyingKey, time};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The payload type of a roster.
pub const ROSTER_PAYLOAD_TYPE: &str = "application/vnd.cem.staff-roster.v1+json";
/// The payload type of an assertion.
pub const ASSERTION_PAYLOAD_TYPE: &str = "application/vnd.cem.staff-assertion.v1+json";
/// The payload type of a change that a device passes on.
pub const CHANGE_PAYLOAD_TYPE: &str = "application/vnd.cem.staff-change.v1+json";
/// An entry of the roster is good for this long after it was issued, milliseconds: a leaver is out a day later at most.
pub const ROSTER_VALID_MS: i64 = 24 * 60 * 60 * 1_000;
/// An assertion is good for this long at most, milliseconds.
pub const ASSERTION_VALID_MS: i64 = 15 * 60 * 1_000;
/// People in one store's roster, leavers left out.
pub const ROSTER_MEMBERS: usize = 500;
/// The clock of a device may be ahead by this much, milliseconds.
const SKEW_MS: i64 = 60 * 1_000;
/// A `CEM-Staff` header has about 700 bytes.
const HEADER_BYTES: usize = 4 * 1024;

/// What a person may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StaffRole {
    /// Serves guests.
    Staff,
    /// Also approves, and edits who works here.
    Manager,
    /// Tests devices, reads logs, mends; sees no guest's data.
    Service,
    /// Runs the fleet.
    Ops,
    /// A role of a later version: may do nothing here.
    #[default]
    #[serde(other)]
    Unknown,
}

impl StaffRole {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::Manager => "manager",
            Self::Service => "service",
            Self::Ops => "ops",
            Self::Unknown => "unknown",
        }
    }

    /// The role of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Staff, Self::Manager, Self::Service, Self::Ops].into_iter().find(|role| role.word() == word)
    }

    /// Looks guests up, serves them, writes notes.
    #[must_use]
    pub const fn may_see_guests(self) -> bool {
        matches!(self, Self::Staff | Self::Manager)
    }

    /// Approves what others may not do alone: refunds, overrides, voids.
    #[must_use]
    pub const fn may_approve(self) -> bool {
        matches!(self, Self::Manager)
    }

    /// Edits who works in the store.
    #[must_use]
    pub const fn may_edit_staff(self) -> bool {
        matches!(self, Self::Manager | Self::Ops)
    }

    /// Tests devices, reads logs, restarts.
    #[must_use]
    pub const fn may_service(self) -> bool {
        matches!(self, Self::Manager | Self::Service | Self::Ops)
    }

    /// May give this role to somebody: a manager makes staff, managers and service people, nobody makes ops from a store.
    #[must_use]
    pub const fn may_give(self, role: Self) -> bool {
        match self {
            Self::Manager => matches!(role, Self::Staff | Self::Manager | Self::Service),
            Self::Ops => !matches!(role, Self::Unknown),
            Self::Staff | Self::Service | Self::Unknown => false,
        }
    }
}

/// One person in a roster.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffMember {
    /// The person's id, unique in the store: `st-7`.
    pub staff: String,
    /// The name on the screen and on receipts.
    #[serde(default)]
    pub display_name: String,
    /// What the person may do.
    #[serde(default)]
    pub role: StaffRole,
    /// Pseudonym of the person's badge, `<key version>:<hex>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub badge: Option<String>,
    /// The PIN's hash, an argon2id PHC string: see [`crate::pin`]. Without one, only the badge signs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// The PIN was given by somebody else and must be replaced at its first use.
    #[serde(default)]
    pub must_reset: bool,
    /// The last moment that the person works here, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<String>,
    /// After this the entry proves nothing any more, RFC 3339: a newer roster is needed.
    #[serde(default)]
    pub valid_until: String,
    /// Counts up with every change of this person.
    #[serde(default)]
    pub version: u64,
}

impl std::fmt::Debug for StaffMember {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaffMember").field("staff", &self.staff).field("role", &self.role).finish_non_exhaustive()
    }
}

/// Why a person of the roster may not sign in now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StaffRefused {
    /// Not in the roster.
    #[error("nobody here has this id or badge")]
    Unknown,
    /// The person's last day is over.
    #[error("this person does not work here any more")]
    Ended,
    /// The roster is older than a day.
    #[error("the staff list is too old: this device must reach the backend first")]
    Stale,
    /// A role of a later version.
    #[error("this person's role is not known to this device")]
    NoRole,
}

impl StaffMember {
    /// Whether the person may sign in now (PIN or badge are checked by the caller).
    ///
    /// # Errors
    /// [`StaffRefused`] says why not. A time that cannot be read is over.
    pub fn check(&self, now_ms: i64) -> Result<(), StaffRefused> {
        if self.role == StaffRole::Unknown {
            return Err(StaffRefused::NoRole);
        }
        if let Some(ends) = &self.ends
            && time::parse_rfc3339(ends).is_none_or(|ends| now_ms >= ends)
        {
            return Err(StaffRefused::Ended);
        }
        match time::parse_rfc3339(&self.valid_until) {
            Some(until) if now_ms < until => Ok(()),
            _ => Err(StaffRefused::Stale),
        }
    }
}

/// Who works in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffRoster {
    /// The store.
    pub store: String,
    /// Counts up with every change; a device refuses one below the last it saw.
    pub version: u64,
    /// When it was signed, RFC 3339.
    pub issued: String,
    /// The people, leavers left out.
    pub members: Vec<StaffMember>,
}

impl StaffRoster {
    /// Signs the roster for the store's devices.
    ///
    /// # Errors
    /// Never in practice: when it cannot be written as JSON.
    pub fn sign(&self, key: &SigningKey) -> serde_json::Result<Envelope> {
        Ok(Envelope::sign(ROSTER_PAYLOAD_TYPE, &serde_json::to_vec(self)?, key))
    }

    /// Checks a roster's signature and its store.
    ///
    /// # Errors
    /// As [`EnvelopeError`] says; a roster of another store is not of the expected shape.
    pub fn verify(envelope: &Envelope, keys: &[VerifyingKey], store: &str) -> Result<Verified<Self>, EnvelopeError> {
        let roster: Verified<Self> = envelope.verify(ROSTER_PAYLOAD_TYPE, keys)?;
        if roster.get().store != store {
            return Err(EnvelopeError::NotReadable(format!("it is the roster of store {}", roster.get().store)));
        }
        Ok(roster)
    }

    /// The person with this id.
    ///
    /// # Errors
    /// When there is none, or the person may not sign in now.
    pub fn by_id(&self, staff: &str, now_ms: i64) -> Result<&StaffMember, StaffRefused> {
        let member = self.members.iter().find(|member| member.staff == staff).ok_or(StaffRefused::Unknown)?;
        member.check(now_ms).map(|()| member)
    }

    /// The person with this badge. With several key versions in use, any of the badge's tokens will do.
    ///
    /// # Errors
    /// As [`StaffRoster::by_id`].
    pub fn by_badge(&self, tokens: &[String], now_ms: i64) -> Result<&StaffMember, StaffRefused> {
        let has_it = |member: &&StaffMember| member.badge.as_ref().is_some_and(|badge| tokens.contains(badge));
        let member = self.members.iter().find(has_it).ok_or(StaffRefused::Unknown)?;
        member.check(now_ms).map(|()| member)
    }

    /// Applies changes that were made on this device and have not come back with a newer roster yet, oldest first.
    pub fn apply(&mut self, pending: &[StaffChange]) {
        for change in pending {
            self.apply_one(change);
        }
    }

    fn apply_one(&mut self, change: &StaffChange) {
        // A new entry is as good as the rest of the roster: it must not outlive it.
        let valid_until = self.members.iter().map(|member| &member.valid_until).min().cloned().unwrap_or_default();
        let position = self.members.iter().position(|member| member.staff == change.staff);
        match (&change.action, position) {
            (StaffAction::Add { display_name, role, badge, pin, ends }, None) => self.members.push(StaffMember {
                staff: change.staff.clone(),
                display_name: display_name.clone(),
                role: *role,
                badge: badge.clone(),
                pin: pin.clone(),
                must_reset: pin.is_some(),
                ends: ends.clone(),
                valid_until,
                version: 0,
            }),
            (action, Some(at)) => {
                let member = &mut self.members[at];
                match action {
                    StaffAction::Add { .. } => {}
                    StaffAction::Rename { display_name } => member.display_name.clone_from(display_name),
                    StaffAction::Role { role } => member.role = *role,
                    StaffAction::Badge { badge } => member.badge.clone_from(badge),
                    StaffAction::Pin { pin, must_reset } => {
                        member.pin = Some(pin.clone());
                        member.must_reset = *must_reset;
                    }
                    StaffAction::End { at } => member.ends = Some(at.clone()),
                }
            }
            (_, None) => {}
        }
    }
}

/// One change of who works in a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffChange {
    /// Its id: the backend carries each out once.
    pub id: Uuid,
    /// When it was made, RFC 3339.
    pub at: String,
    /// Who made it: a manager of the store, or the person (a new PIN only).
    pub by: String,
    /// Whom it is about.
    pub staff: String,
    /// What.
    pub action: StaffAction,
}

/// What is changed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StaffAction {
    /// Somebody new.
    Add {
        /// Name on the screen.
        display_name: String,
        /// Role.
        role: StaffRole,
        /// Pseudonym of the badge.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        badge: Option<String>,
        /// The first PIN's hash; it must be replaced at its first use.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pin: Option<String>,
        /// Last moment, RFC 3339.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ends: Option<String>,
    },
    /// Another name.
    Rename {
        /// Name on the screen.
        display_name: String,
    },
    /// Another role.
    Role {
        /// Role.
        role: StaffRole,
    },
    /// Another badge, or none.
    Badge {
        /// Pseudonym of the badge.
        badge: Option<String>,
    },
    /// Another PIN.
    Pin {
        /// Its hash.
        pin: String,
        /// It was given by somebody else.
        must_reset: bool,
    },
    /// The person leaves.
    End {
        /// When, RFC 3339; now, for whoever is to be out at once.
        at: String,
    },
}

impl std::fmt::Debug for StaffAction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Add { .. } => "Add",
            Self::Rename { .. } => "Rename",
            Self::Role { .. } => "Role",
            Self::Badge { .. } => "Badge",
            Self::Pin { .. } => "Pin",
            Self::End { .. } => "End",
        })
    }
}

/// That somebody signed in at a device: what the header `CEM-Staff` proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffAssertion {
    /// The person.
    pub staff: String,
    /// In this role.
    pub role: StaffRole,
    /// At this device: its `source`.
    pub device: String,
    /// When it was made, RFC 3339.
    pub iat: String,
    /// When it ends, RFC 3339; at most a quarter of an hour later.
    pub exp: String,
}

/// Why an assertion is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// Not signed by the device it names.
    #[error("the assertion is not believed: {0}")]
    Envelope(#[from] EnvelopeError),
    /// Not an assertion at all.
    #[error("this is no assertion")]
    Malformed,
    /// Its time is over, or not yet there: sign in again.
    #[error("the assertion is not valid now: sign in again")]
    Expired,
    /// It says that it lasts longer than any may.
    #[error("the assertion is made for more than a quarter of an hour")]
    TooLong,
}

impl StaffAssertion {
    /// An assertion that begins now. `valid_ms` is drawn to [`ASSERTION_VALID_MS`].
    #[must_use]
    pub fn new(staff: &str, role: StaffRole, device: &str, now_ms: i64, valid_ms: i64) -> Self {
        let exp = now_ms.saturating_add(valid_ms.clamp(0, ASSERTION_VALID_MS));
        let (iat, exp) = (time::rfc3339(now_ms), time::rfc3339(exp));
        Self { staff: staff.to_owned(), role, device: device.to_owned(), iat, exp }
    }

    /// Signs with the device's key and gives the header's value.
    ///
    /// # Errors
    /// Never in practice: when it cannot be written as JSON.
    pub fn sign(&self, key: &SigningKey) -> serde_json::Result<String> {
        let envelope = Envelope::sign(ASSERTION_PAYLOAD_TYPE, &serde_json::to_vec(self)?, key);
        Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(&envelope)?))
    }

    /// Checks a header's value against the device's key.
    ///
    /// # Errors
    /// As [`AssertionError`] says.
    pub fn verify(header: &str, key: &VerifyingKey, now_ms: i64) -> Result<Verified<Self>, AssertionError> {
        let envelope = envelope_of(header).ok_or(AssertionError::Malformed)?;
        let assertion: Verified<Self> = envelope.verify(ASSERTION_PAYLOAD_TYPE, std::slice::from_ref(key))?;
        let times = (time::parse_rfc3339(&assertion.get().iat), time::parse_rfc3339(&assertion.get().exp));
        let (Some(iat), Some(exp)) = times else { return Err(AssertionError::Malformed) };
        if exp.saturating_sub(iat) > ASSERTION_VALID_MS {
            return Err(AssertionError::TooLong);
        }
        if now_ms >= exp || iat > now_ms.saturating_add(SKEW_MS) {
            return Err(AssertionError::Expired);
        }
        Ok(assertion)
    }
}

/// Whether a `CEM-Staff` header is an assertion rather than a bare id.
#[must_use]
pub fn is_assertion(header: &str) -> bool {
    envelope_of(header).is_some()
}

fn envelope_of(header: &str) -> Option<Envelope> {
    if header.len() > HEADER_BYTES {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOON: i64 = 1_795_257_000_000;

    fn member(staff: &str, role: StaffRole) -> StaffMember {
        StaffMember {
            staff: staff.into(),
            display_name: "Ada".into(),
            role,
            badge: Some(format!("1:{staff}")),
            pin: None,
            must_reset: false,
            ends: None,
            valid_until: time::rfc3339(NOON + ROSTER_VALID_MS),
            version: 1,
        }
    }

    fn roster() -> StaffRoster {
        let members = vec![member("st-1", StaffRole::Manager), member("st-2", StaffRole::Staff)];
        StaffRoster { store: "s-001".into(), version: 4, issued: time::rfc3339(NOON), members }
    }

    fn change(staff: &str, action: StaffAction) -> StaffChange {
        StaffChange { id: Uuid::from_u128(1), at: time::rfc3339(NOON), by: "st-1".into(), staff: staff.into(), action }
    }

    #[test]
    fn a_roster_is_believed_from_the_backend_and_for_its_own_store() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let envelope = roster().sign(&key).unwrap();
        let keys = [key.verifying_key()];
        assert_eq!(StaffRoster::verify(&envelope, &keys, "s-001").unwrap().into_inner(), roster());
        assert!(matches!(StaffRoster::verify(&envelope, &keys, "s-002"), Err(EnvelopeError::NotReadable(_))));
        let other = [SigningKey::from_bytes(&[4; 32]).verifying_key()];
        assert_eq!(StaffRoster::verify(&envelope, &other, "s-001"), Err(EnvelopeError::NotSigned));
    }

    #[test]
    fn somebody_signs_in_until_the_last_day_or_until_the_roster_is_a_day_old() {
        let mut roster = roster();
        assert_eq!(roster.by_id("st-1", NOON).unwrap().staff, "st-1");
        assert_eq!(roster.by_badge(&["2:x".into(), "1:st-2".into()], NOON).unwrap().staff, "st-2");
        assert_eq!(roster.by_id("st-9", NOON), Err(StaffRefused::Unknown));
        assert_eq!(roster.by_id("st-1", NOON + ROSTER_VALID_MS), Err(StaffRefused::Stale));
        roster.members[0].ends = Some(time::rfc3339(NOON + 1_000));
        assert!(roster.by_id("st-1", NOON + 999).is_ok());
        assert_eq!(roster.by_id("st-1", NOON + 1_000), Err(StaffRefused::Ended));
        roster.members[0].ends = Some("tomorrow".into());
        assert_eq!(roster.by_id("st-1", NOON), Err(StaffRefused::Ended));
    }

    #[test]
    fn a_role_of_a_later_version_is_read_and_may_do_nothing() {
        let member: StaffMember = serde_json::from_str(r#"{"staff":"st-3","role":"wizard","wand":true}"#).unwrap();
        assert_eq!(member.role, StaffRole::Unknown);
        assert_eq!(member.check(NOON), Err(StaffRefused::NoRole));
        assert!(!member.role.may_see_guests() && !member.role.may_service() && !member.role.may_edit_staff());
        assert!(!StaffRole::Service.may_see_guests() && !StaffRole::Manager.may_give(StaffRole::Ops));
    }

    #[test]
    fn changes_made_here_count_at_once_and_do_not_outlive_the_roster() {
        let mut roster = roster();
        let add = StaffAction::Add {
            display_name: "Grace".into(),
            role: StaffRole::Staff,
            badge: None,
            pin: Some("$argon2id$".into()),
            ends: None,
        };
        let pin = StaffAction::Pin { pin: "new".into(), must_reset: false };
        let pending = [change("st-3", add), change("st-3", pin), change("st-2", StaffAction::End { at: time::rfc3339(NOON) })];
        roster.apply(&pending);
        let grace = roster.by_id("st-3", NOON).unwrap();
        assert_eq!((grace.pin.as_deref(), grace.must_reset), (Some("new"), false));
        assert_eq!(roster.by_id("st-3", NOON + ROSTER_VALID_MS), Err(StaffRefused::Stale));
        assert_eq!(roster.by_id("st-2", NOON), Err(StaffRefused::Ended));
    }

    #[test]
    fn an_assertion_lasts_a_quarter_of_an_hour_at_most() {
        let key = SigningKey::from_bytes(&[5; 32]);
        let assertion = StaffAssertion::new("st-1", StaffRole::Manager, "/stores/s/devices/k", NOON, i64::MAX);
        let header = assertion.sign(&key).unwrap();
        assert!(is_assertion(&header) && !is_assertion("st-1") && header.len() < 1_000);
        let verify = |header: &str, now| StaffAssertion::verify(header, &key.verifying_key(), now);
        assert_eq!(verify(&header, NOON).unwrap().into_inner(), assertion);
        assert!(verify(&header, NOON + ASSERTION_VALID_MS - 1).is_ok());
        assert_eq!(verify(&header, NOON + ASSERTION_VALID_MS), Err(AssertionError::Expired));
        assert_eq!(verify(&header, NOON - SKEW_MS - 1), Err(AssertionError::Expired));
        let forever = StaffAssertion { exp: time::rfc3339(NOON + ASSERTION_VALID_MS + 1), ..assertion };
        assert_eq!(verify(&forever.sign(&key).unwrap(), NOON), Err(AssertionError::TooLong));
        let stranger = SigningKey::from_bytes(&[6; 32]).verifying_key();
        assert!(matches!(StaffAssertion::verify(&header, &stranger, NOON), Err(AssertionError::Envelope(_))));
        assert_eq!(verify("st-1", NOON), Err(AssertionError::Malformed));
    }

    #[test]
    fn names_and_hashes_are_not_shown() {
        assert!(!format!("{:?}", roster()).contains("Ada"));
        let pin = change("st-1", StaffAction::Pin { pin: "$argon2id$x".into(), must_reset: true });
        assert!(!format!("{pin:?}").contains("argon2"));
    }
}
