//! Changes that devices pass on: who may make which.

use super::{NoChange, change, find, works};
use crate::{devices::Device, store::Result};
use cem_contract::{
    Envelope,
    staff::{CHANGE_PAYLOAD_TYPE, StaffAction, StaffChange},
    time,
};
use rusqlite::{Connection, OptionalExtension, params};

/// A change may have waited this long on a device without a network.
const LATE_MS: i64 = 35 * 24 * 60 * 60 * 1_000;
/// A device's clock may be ahead by this much.
const SKEW_MS: i64 = 10 * 60 * 1_000;

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// It was made.
    Made,
    /// It was judged before; `None`: and made.
    Before(Option<String>),
    /// It will not be made.
    Refused(String),
}

/// Judges a change that was signed by a device's key, and makes it.
pub(crate) fn judge(connection: &Connection, device: &Device, envelope: &Envelope, now_ms: i64) -> Result<Judged> {
    let keys: Vec<_> = device.key().into_iter().collect();
    let said: StaffChange = match envelope.verify(CHANGE_PAYLOAD_TYPE, &keys) {
        Ok(verified) => verified.into_inner(),
        Err(error) => return Ok(Judged::Refused(error.to_string())),
    };
    let id = said.id.to_string();
    let before: Option<Option<String>> = connection
        .prepare_cached("SELECT refused FROM staff_change WHERE id = ?1")?
        .query_row([&id], |row| row.get(0))
        .optional()?;
    if let Some(refused) = before {
        return Ok(Judged::Before(refused));
    }
    let store = &device.config.store;
    let outcome = match allowed(connection, store, &said, now_ms)? {
        Ok(()) => change(connection, store, &said.staff, &said.action, now_ms)?,
        Err(why) => Err(why),
    };
    let refused = outcome.err().map(|why| why.to_string());
    connection.prepare_cached("INSERT INTO staff_change VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?.execute(params![
        id,
        store,
        time::parse_rfc3339(&said.at).unwrap_or(now_ms),
        now_ms,
        said.by,
        device.config.source,
        said.staff,
        format!("{:?}", said.action),
        refused
    ])?;
    Ok(refused.map_or(Judged::Made, Judged::Refused))
}

/// Whether whoever made the change was allowed to, at the time when it was made.
fn allowed(connection: &Connection, store: &str, said: &StaffChange, now_ms: i64) -> Result<std::result::Result<(), NoChange>> {
    let refuse = |why| Ok(Err(NoChange::NotAllowed(why)));
    let Some(at_ms) = time::parse_rfc3339(&said.at) else { return Ok(Err(NoChange::Invalid("`at` is a time"))) };
    if at_ms > now_ms + SKEW_MS || at_ms < now_ms - LATE_MS {
        return refuse("the change was made too long ago, or the device's clock is wrong");
    }
    let Some(by) = find(connection, store, &said.by)?.filter(|by| works(by, at_ms)) else {
        return refuse("whoever made the change does not work here");
    };
    // Their own PIN is everybody's.
    if said.by == said.staff && matches!(said.action, StaffAction::Pin { must_reset: false, .. }) {
        return Ok(Ok(()));
    }
    if !by.role.may_edit_staff() {
        return refuse("only a manager edits who works here");
    }
    if let StaffAction::Add { role, .. } | StaffAction::Role { role } = &said.action
        && !by.role.may_give(*role)
    {
        return refuse("a manager may not give this role");
    }
    match find(connection, store, &said.staff)? {
        Some(whom) if !by.role.may_give(whom.role) => refuse("a manager may not edit this person"),
        _ => Ok(Ok(())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        devices::{self, Enrolled},
        store::in_memory,
    };
    use cem_contract::{SigningKey, enrol::Machine, hex, staff::StaffRole};
    use uuid::Uuid;

    const NOON: i64 = 1_795_257_000_000;

    fn shop() -> (Connection, Device) {
        let db = in_memory();
        for (id, role) in [("st-1", StaffRole::Manager), ("st-2", StaffRole::Staff), ("st-9", StaffRole::Ops)] {
            let add = StaffAction::Add { display_name: id.into(), role, badge: None, pin: None, ends: None };
            change(&db, "s-1", id, &add, NOON).unwrap().unwrap();
        }
        let device = devices::add(&db, "s-1", "k-01", "kiosk", NOON).unwrap();
        let public_key = hex::encode(key().verifying_key().as_bytes());
        let new = Enrolled { public_key: &public_key, machine: &Machine::default(), token_id: "t", serial: "1" };
        devices::enrolled(&db, &device.config.source, &new, NOON).unwrap();
        let device = devices::find(&db, &device.config.source).unwrap().unwrap();
        (db, device)
    }

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[4; 32])
    }

    fn said(n: u128, by: &str, staff: &str, action: StaffAction) -> StaffChange {
        StaffChange { id: Uuid::from_u128(n), at: time::rfc3339(NOON), by: by.into(), staff: staff.into(), action }
    }

    fn signed(said: &StaffChange, key: &SigningKey) -> Envelope {
        Envelope::sign(CHANGE_PAYLOAD_TYPE, &serde_json::to_vec(said).unwrap(), key)
    }

    fn pin(must_reset: bool) -> StaffAction {
        StaffAction::Pin { pin: "$argon2id$v=19$x".into(), must_reset }
    }

    #[test]
    fn a_manager_edits_the_store_and_everybody_their_own_pin() {
        let (db, device) = shop();
        let judged = |said: &StaffChange| judge(&db, &device, &signed(said, &key()), NOON + 1).unwrap();
        let role = |role| StaffAction::Role { role };
        assert_eq!(judged(&said(1, "st-1", "st-2", role(StaffRole::Service))), Judged::Made);
        assert_eq!(judged(&said(1, "st-1", "st-2", role(StaffRole::Service))), Judged::Before(None));
        assert_eq!(judged(&said(2, "st-2", "st-2", pin(false))), Judged::Made);
        for (n, refused) in [
            said(3, "st-2", "st-1", pin(false)),
            said(4, "st-2", "st-2", role(StaffRole::Manager)),
            said(5, "st-1", "st-2", role(StaffRole::Ops)),
            said(6, "st-1", "st-9", pin(true)),
            said(7, "st-8", "st-2", pin(true)),
        ]
        .into_iter()
        .enumerate()
        {
            assert!(matches!(judged(&refused), Judged::Refused(_)), "{n}");
            assert!(matches!(judged(&refused), Judged::Before(Some(_))), "{n}");
        }
        assert_eq!(find(&db, "s-1", "st-2").unwrap().unwrap().role, StaffRole::Service);
    }

    #[test]
    fn a_change_that_the_device_did_not_sign_is_not_believed_and_not_written_down() {
        let (db, device) = shop();
        let mut change = said(1, "st-1", "st-2", pin(true));
        let stranger = SigningKey::from_bytes(&[5; 32]);
        assert!(matches!(judge(&db, &device, &signed(&change, &stranger), NOON).unwrap(), Judged::Refused(_)));
        let revoked = Device { public_key: None, ..device.clone() };
        assert!(matches!(judge(&db, &revoked, &signed(&change, &key()), NOON).unwrap(), Judged::Refused(_)));
        assert_eq!(judge(&db, &device, &signed(&change, &key()), NOON).unwrap(), Judged::Made);
        change.id = Uuid::from_u128(2);
        change.at = time::rfc3339(NOON + SKEW_MS + 2);
        assert!(matches!(judge(&db, &device, &signed(&change, &key()), NOON + 1).unwrap(), Judged::Refused(_)));
    }

    #[test]
    fn what_a_manager_did_before_leaving_still_counts_when_it_arrives_late() {
        let (db, device) = shop();
        change(&db, "s-1", "st-1", &StaffAction::End { at: time::rfc3339(NOON + 10) }, NOON).unwrap().unwrap();
        let mut late = said(1, "st-1", "st-2", pin(true));
        assert_eq!(judge(&db, &device, &signed(&late, &key()), NOON + 1_000).unwrap(), Judged::Made);
        (late.id, late.at) = (Uuid::from_u128(2), time::rfc3339(NOON + 11));
        assert!(matches!(judge(&db, &device, &signed(&late, &key()), NOON + 1_000).unwrap(), Judged::Refused(_)));
    }
}
