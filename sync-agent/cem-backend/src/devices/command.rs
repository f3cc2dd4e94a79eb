//! What devices are told to do, and what became of it. A command waits until its device answers or it expires; it is
//! signed anew each time it is handed out, and carried out once, by its id.

use super::{Device, State, find, revoke};
use crate::store::Result;
use cem_contract::{CommandAnswer, CommandKind, CommandOutcome, time};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};
use uuid::Uuid;

/// Most commands are of use now or never.
const VALID_MS: i64 = 15 * 60 * 1_000;
/// A device that is to be retired may be in a drawer.
const RETIRE_VALID_MS: i64 = 90 * 24 * 60 * 60 * 1_000;
/// Commands handed out at once.
const AT_ONCE: usize = 16;
const DETAIL_CHARS: usize = 500;

/// A command as it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) id: Uuid,
    pub(crate) kind: CommandKind,
    pub(crate) expires_ms: i64,
}

/// Tells a device to do something. `id` is new.
pub(crate) fn give(connection: &Connection, source: &str, kind: CommandKind, id: Uuid, now_ms: i64) -> Result<()> {
    let valid_ms = if kind == CommandKind::Retire { RETIRE_VALID_MS } else { VALID_MS };
    connection
        .prepare_cached("INSERT INTO fleet_command(id, source, kind, created_ms, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![id.to_string(), source, kind.word(), now_ms, now_ms + valid_ms])?;
    Ok(())
}

/// What waits for a device, oldest first.
pub(crate) fn waiting(connection: &Connection, source: &str, now_ms: i64) -> Result<Vec<Given>> {
    let mut query = connection.prepare_cached(
        "SELECT id, kind, expires_ms FROM fleet_command WHERE source = ?1 AND answered_ms IS NULL AND expires_ms > ?2
         ORDER BY created_ms, id LIMIT ?3",
    )?;
    let rows = query.query_map(params![source, now_ms, AT_ONCE as i64], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
    })?;
    let mut found = Vec::new();
    for row in rows {
        let (id, kind, expires_ms) = row?;
        if let (Ok(id), Some(kind)) = (id.parse(), CommandKind::from_word(&kind)) {
            found.push(Given { id, kind, expires_ms });
        }
    }
    Ok(found)
}

/// Takes a device's answer. A `started` one leaves the command waiting to be answered for good. The first final answer
/// counts; that of a retirement ends the device.
pub(crate) fn answer(connection: &Connection, source: &str, said: &CommandAnswer, now_ms: i64) -> Result<()> {
    let outcome = serde_json::to_value(said.outcome)?;
    let detail: Option<String> = said.detail.as_ref().map(|text| text.chars().take(DETAIL_CHARS).collect());
    let answered_ms = (said.outcome != CommandOutcome::Started).then_some(now_ms);
    let kind: Option<String> = connection
        .prepare_cached(
            "UPDATE fleet_command SET outcome = ?3, detail = ?4, answered_ms = ?5
             WHERE id = ?1 AND source = ?2 AND answered_ms IS NULL RETURNING kind",
        )?
        .query_row(params![said.id.to_string(), source, outcome.as_str(), detail, answered_ms], |row| row.get(0))
        .optional()?;
    let is_retired = kind.as_deref() == Some(CommandKind::Retire.word()) && said.outcome == CommandOutcome::Done;
    if let Some(device) = find(connection, source)?.filter(|device| is_retired && device.state == State::Retiring) {
        revoke(connection, &device, State::Retired, now_ms)?;
    }
    Ok(())
}

/// Stores what a device sends for a command: log lines, a picture. False when it was not told to.
pub(crate) fn store_body(connection: &Connection, source: &str, id: Uuid, content_type: &str, body: &[u8]) -> Result<bool> {
    let changed = connection
        .prepare_cached("UPDATE fleet_command SET content_type = ?3, body = ?4 WHERE id = ?1 AND source = ?2")?
        .execute(params![id.to_string(), source, content_type, body])?;
    Ok(changed > 0)
}

/// What a device has sent for a command: content type and bytes.
pub(crate) fn answer_body(connection: &Connection, id: Uuid) -> Result<Option<(String, Vec<u8>)>> {
    Ok(connection
        .prepare_cached("SELECT content_type, body FROM fleet_command WHERE id = ?1 AND body IS NOT NULL")?
        .query_row([id.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

/// The latest commands of a device, for ops.
pub(crate) fn listed(connection: &Connection, device: &Device, limit: usize) -> Result<Vec<Value>> {
    let mut query = connection.prepare_cached(
        "SELECT id, kind, created_ms, expires_ms, outcome, detail, answered_ms, body IS NOT NULL FROM fleet_command
         WHERE source = ?1 ORDER BY created_ms DESC, id DESC LIMIT ?2",
    )?;
    let rows = query.query_map(params![device.config.source, limit as i64], |row| {
        Ok(json!({
            "id": row.get::<_, String>(0)?, "kind": row.get::<_, String>(1)?, "given": time::rfc3339(row.get(2)?),
            "expires": time::rfc3339(row.get(3)?), "outcome": row.get::<_, Option<String>>(4)?,
            "detail": row.get::<_, Option<String>>(5)?, "answered": row.get::<_, Option<i64>>(6)?.map(time::rfc3339),
            "has_answer": row.get::<_, bool>(7)?,
        }))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{devices, store::in_memory};

    const SOURCE: &str = "/stores/s-001/devices/k-01";

    fn said(id: Uuid, outcome: CommandOutcome) -> CommandAnswer {
        CommandAnswer { id, outcome, detail: None, at: String::new() }
    }

    #[test]
    fn a_command_waits_until_it_is_answered_or_expires() {
        let db = in_memory();
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        give(&db, SOURCE, CommandKind::Identify, a, 0).unwrap();
        give(&db, SOURCE, CommandKind::Logs, b, 1).unwrap();
        let ids = |now| waiting(&db, SOURCE, now).unwrap().into_iter().map(|given| given.id).collect::<Vec<_>>();
        assert_eq!(ids(2), [a, b]);
        assert!(waiting(&db, "/stores/s-001/devices/k-02", 2).unwrap().is_empty());
        answer(&db, SOURCE, &said(b, CommandOutcome::Started), 3).unwrap();
        assert_eq!(ids(3), [a, b]);
        answer(&db, "/stores/s-001/devices/k-02", &said(a, CommandOutcome::Done), 3).unwrap();
        answer(&db, SOURCE, &said(b, CommandOutcome::Done), 3).unwrap();
        assert_eq!(ids(3), [a], "another device answers for nobody but itself");
        assert_eq!(ids(VALID_MS), Vec::<Uuid>::new());
        assert!(store_body(&db, SOURCE, b, "text/plain", b"lines").unwrap());
        assert!(!store_body(&db, "/stores/s-001/devices/k-02", b, "text/plain", b"others").unwrap());
        assert_eq!(answer_body(&db, b).unwrap(), Some(("text/plain".to_owned(), b"lines".to_vec())));
    }

    #[test]
    fn a_device_is_retired_when_it_says_that_it_has_wiped_itself() {
        let db = in_memory();
        devices::add(&db, "s-001", "k-01", "kiosk", 0).unwrap();
        devices::set_state(&db, SOURCE, State::Retiring, 1).unwrap();
        give(&db, SOURCE, CommandKind::Retire, Uuid::from_u128(1), 1).unwrap();
        let state = || find(&db, SOURCE).unwrap().unwrap().state;
        answer(&db, SOURCE, &said(Uuid::from_u128(1), CommandOutcome::Started), 2).unwrap();
        assert_eq!(state(), State::Retiring);
        answer(&db, SOURCE, &said(Uuid::from_u128(1), CommandOutcome::Done), 3).unwrap();
        assert_eq!(state(), State::Retired);
    }
}
