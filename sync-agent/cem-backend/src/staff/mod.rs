//! Who works where: the staff of each store, the roster that its devices get, and changes of it.
//!
//! A change counts as soon as it is written: the roster's version goes up, and the store's feed tells its devices. A leaver
//! stays in the table and is left out of the roster.

mod judge;

pub(crate) use judge::{Judged, judge};

use crate::{feed, store::Result};
use cem_contract::{
    Envelope, SigningKey,
    staff::{ROSTER_MEMBERS, ROSTER_VALID_MS, StaffAction, StaffMember, StaffRole, StaffRoster},
    time,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const ID_CHARS: usize = 64;
const NAME_CHARS: usize = 80;
const BADGE_CHARS: usize = 160;
const PIN_CHARS: usize = 200;

/// Why a change cannot be made, for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoChange {
    #[error("nobody in this store has the id {0}")]
    Unknown(String),
    #[error("{0} works here already")]
    Exists(String),
    #[error("this badge is {0}'s")]
    BadgeTaken(String),
    #[error("a store has at most {ROSTER_MEMBERS} people")]
    TooMany,
    #[error("{0}")]
    Invalid(&'static str),
    #[error("{0}")]
    NotAllowed(&'static str),
}

/// The person with this id, leavers included.
pub(crate) fn find(connection: &Connection, store: &str, id: &str) -> Result<Option<StaffMember>> {
    let mut query = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM staff WHERE store = ?1 AND id = ?2"))?;
    Ok(query.query_row([store, id], read).optional()?)
}

/// Everybody who ever worked in a store.
pub(crate) fn list(connection: &Connection, store: &str) -> Result<Vec<StaffMember>> {
    let mut query = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM staff WHERE store = ?1 ORDER BY id"))?;
    let rows = query.query_map([store], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

const COLUMNS: &str = "id, name, role, badge, pin, must_reset, ends_ms, version";

fn read(row: &Row<'_>) -> rusqlite::Result<StaffMember> {
    Ok(StaffMember {
        staff: row.get(0)?,
        display_name: row.get(1)?,
        role: StaffRole::from_word(&row.get::<_, String>(2)?).unwrap_or_default(),
        badge: row.get(3)?,
        pin: row.get(4)?,
        must_reset: row.get(5)?,
        ends: row.get::<_, Option<i64>>(6)?.map(time::rfc3339),
        valid_until: String::new(),
        version: u64::try_from(row.get::<_, i64>(7)?).unwrap_or(0),
    })
}

/// Whether somebody works here at a moment.
pub(crate) fn works(member: &StaffMember, at_ms: i64) -> bool {
    member.ends.as_deref().is_none_or(|ends| time::parse_rfc3339(ends).is_some_and(|ends| at_ms < ends))
}

/// The roster of a store as it is now, signed.
pub(crate) fn roster(connection: &Connection, key: &SigningKey, store: &str, now_ms: i64) -> Result<Envelope> {
    let valid_until = time::rfc3339(now_ms + ROSTER_VALID_MS);
    let mut members: Vec<StaffMember> = list(connection, store)?.into_iter().filter(|member| works(member, now_ms)).collect();
    members.truncate(ROSTER_MEMBERS);
    for member in &mut members {
        member.valid_until.clone_from(&valid_until);
    }
    let (version, issued) = (version(connection, store)?, time::rfc3339(now_ms));
    Ok(StaffRoster { store: store.to_owned(), version, issued, members }.sign(key)?)
}

/// The version of a store's roster.
pub(crate) fn version(connection: &Connection, store: &str) -> Result<u64> {
    let found: Option<i64> = connection
        .prepare_cached("SELECT version FROM staff_roster WHERE store = ?1")?
        .query_row([store], |row| row.get(0))
        .optional()?;
    Ok(found.and_then(|version| u64::try_from(version).ok()).unwrap_or(0))
}

/// Makes a change, whoever may have asked for it, and tells the store's devices.
pub(crate) fn change(
    connection: &Connection,
    store: &str,
    staff: &str,
    action: &StaffAction,
    now_ms: i64,
) -> Result<std::result::Result<(), NoChange>> {
    if let Err(why) = check(connection, store, staff, action, now_ms)? {
        return Ok(Err(why));
    }
    write(connection, store, staff, action, now_ms)?;
    connection
        .prepare_cached("INSERT INTO staff_roster VALUES (?1, 1) ON CONFLICT DO UPDATE SET version = version + 1")?
        .execute([store])?;
    feed::staff(connection, store, now_ms)?;
    Ok(Ok(()))
}

fn check(
    connection: &Connection,
    store: &str,
    staff: &str,
    action: &StaffAction,
    now_ms: i64,
) -> Result<std::result::Result<(), NoChange>> {
    let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if staff.is_empty() || staff.len() > ID_CHARS || !staff.chars().all(is_id) {
        return Ok(Err(NoChange::Invalid("a person's id has 1 to 64 letters, digits, dots and dashes")));
    }
    if let Err(why) = check_texts(action) {
        return Ok(Err(NoChange::Invalid(why)));
    }
    let known = find(connection, store, staff)?;
    match (action, &known) {
        // Somebody who left may come back under the old id.
        (StaffAction::Add { .. }, Some(member)) if works(member, now_ms) => {
            return Ok(Err(NoChange::Exists(staff.to_owned())));
        }
        (StaffAction::Add { .. }, _) => {
            let working = list(connection, store)?.iter().filter(|member| works(member, now_ms)).count();
            if working >= ROSTER_MEMBERS {
                return Ok(Err(NoChange::TooMany));
            }
        }
        (_, None) => return Ok(Err(NoChange::Unknown(staff.to_owned()))),
        _ => {}
    }
    if let StaffAction::Add { badge: Some(badge), .. } | StaffAction::Badge { badge: Some(badge) } = action {
        let others = list(connection, store)?.into_iter().filter(|member| member.staff != staff && works(member, now_ms));
        if let Some(owner) = others.into_iter().find(|member| member.badge.as_ref() == Some(badge)) {
            return Ok(Err(NoChange::BadgeTaken(owner.staff)));
        }
    }
    Ok(Ok(()))
}

fn check_texts(action: &StaffAction) -> std::result::Result<(), &'static str> {
    let name = |text: &str| {
        let fits = !text.trim().is_empty() && text.chars().count() <= NAME_CHARS && !text.chars().any(char::is_control);
        if fits { Ok(()) } else { Err("a name has 1 to 80 characters") }
    };
    let role =
        |role: StaffRole| if role == StaffRole::Unknown { Err("a role is staff, manager, service or ops") } else { Ok(()) };
    let badge = |badge: Option<&String>| match badge {
        Some(text) if text.len() > BADGE_CHARS || !text.contains(':') => Err("a badge is `<key version>:<hex>`"),
        _ => Ok(()),
    };
    let pin = |pin: Option<&String>| match pin {
        Some(text) if text.len() > PIN_CHARS || !text.starts_with("$argon2id$") => Err("a PIN comes as an argon2id hash"),
        _ => Ok(()),
    };
    let at = |at: Option<&String>| match at {
        Some(text) if time::parse_rfc3339(text).is_none() => Err("an end is a time like 2026-11-21T22:00:00Z"),
        _ => Ok(()),
    };
    match action {
        StaffAction::Add { display_name, role: given, badge: card, pin: hash, ends } => {
            name(display_name)?;
            role(*given)?;
            badge(card.as_ref())?;
            pin(hash.as_ref())?;
            at(ends.as_ref())
        }
        StaffAction::Rename { display_name } => name(display_name),
        StaffAction::Role { role: given } => role(*given),
        StaffAction::Badge { badge: card } => badge(card.as_ref()),
        StaffAction::Pin { pin: hash, .. } => pin(Some(hash)),
        StaffAction::End { at: end } => at(Some(end)),
    }
}

fn write(connection: &Connection, store: &str, staff: &str, action: &StaffAction, now_ms: i64) -> Result<()> {
    let set = |what: &str, value: &dyn rusqlite::ToSql| -> Result<()> {
        connection
            .prepare_cached(&format!("UPDATE staff SET {what} = ?3, version = version + 1 WHERE store = ?1 AND id = ?2"))?
            .execute(params![store, staff, value])?;
        Ok(())
    };
    match action {
        StaffAction::Add { display_name, role, badge, pin, ends } => {
            let ends_ms = ends.as_deref().and_then(time::parse_rfc3339);
            connection
                .prepare_cached(
                    "INSERT INTO staff VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1) ON CONFLICT DO UPDATE SET name = excluded.name,
                     role = excluded.role, badge = excluded.badge, pin = excluded.pin, must_reset = excluded.must_reset,
                     ends_ms = excluded.ends_ms, version = staff.version + 1",
                )?
                .execute(params![store, staff, display_name.trim(), role.word(), badge, pin, pin.is_some(), ends_ms])?;
            Ok(())
        }
        StaffAction::Rename { display_name } => set("name", &display_name.trim()),
        StaffAction::Role { role } => set("role", &role.word()),
        StaffAction::Badge { badge } => set("badge", badge),
        StaffAction::Pin { pin, must_reset } => {
            set("pin", pin)?;
            set("must_reset", must_reset)
        }
        // In the past is now: a roster that was given out meanwhile must not be contradicted.
        StaffAction::End { at } => set("ends_ms", &time::parse_rfc3339(at).map(|at| at.max(now_ms))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::in_memory;

    fn add(name: &str, badge: Option<&str>) -> StaffAction {
        StaffAction::Add {
            display_name: name.into(),
            role: StaffRole::Staff,
            badge: badge.map(str::to_owned),
            pin: None,
            ends: None,
        }
    }

    fn members(db: &Connection, now: i64) -> (u64, Vec<String>) {
        let key = SigningKey::from_bytes(&[1; 32]);
        let envelope = roster(db, &key, "s-1", now).unwrap();
        let roster = StaffRoster::verify(&envelope, &[key.verifying_key()], "s-1").unwrap().into_inner();
        assert!(roster.members.iter().all(|member| member.check(now).is_ok()));
        (roster.version, roster.members.into_iter().map(|member| member.staff).collect())
    }

    #[test]
    fn every_change_is_in_the_next_roster_and_a_leaver_is_not() {
        let db = in_memory();
        assert_eq!(members(&db, 0), (0, vec![]));
        for (id, name) in [("st-1", "Ada"), ("st-2", "Grace")] {
            change(&db, "s-1", id, &add(name, None), 0).unwrap().unwrap();
        }
        assert_eq!(members(&db, 1), (2, vec!["st-1".into(), "st-2".into()]));
        change(&db, "s-1", "st-1", &StaffAction::End { at: time::rfc3339(5) }, 2).unwrap().unwrap();
        assert_eq!(members(&db, 4).1.len(), 2);
        assert_eq!(members(&db, 5), (3, vec!["st-2".into()]));
        change(&db, "s-1", "st-1", &add("Ada", None), 9).unwrap().unwrap();
        assert_eq!(members(&db, 9).1.len(), 2, "who left may come back");
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_reason() {
        let db = in_memory();
        change(&db, "s-1", "st-1", &add("Ada", Some("1:ab")), 0).unwrap().unwrap();
        let refused = |id: &str, action: &StaffAction| change(&db, "s-1", id, action, 1).unwrap().unwrap_err();
        assert_eq!(refused("st-1", &add("Ada", None)), NoChange::Exists("st-1".into()));
        assert_eq!(refused("st-2", &add("Eve", Some("1:ab"))), NoChange::BadgeTaken("st-1".into()));
        assert_eq!(refused("st-9", &StaffAction::Badge { badge: None }), NoChange::Unknown("st-9".into()));
        for (id, action) in [
            ("st 1", add("Ada", None)),
            ("st-2", add(" ", None)),
            ("st-2", add("Eve", Some("badge"))),
            ("st-1", StaffAction::Pin { pin: "4711".into(), must_reset: false }),
            ("st-1", StaffAction::End { at: "tomorrow".into() }),
            ("st-1", StaffAction::Role { role: StaffRole::Unknown }),
        ] {
            assert!(matches!(refused(id, &action), NoChange::Invalid(_)), "{id} {action:?}");
        }
        assert_eq!(members(&db, 1).0, 1, "nothing was changed");
    }
}
