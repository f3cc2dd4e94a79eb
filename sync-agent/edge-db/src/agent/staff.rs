//! Who works here: the roster as the backend signed it, changes made on this device that the backend has not seen yet,
//! and whether the device is locked.
//!
//! The kiosk reads this from the agent's file ([`staff_roster`], [`is_locked`]): a roster is longer than a message of the
//! link may be, and signing in works while the agent does not.

use super::{AgentStore, beside};
use crate::{CommitError, ReadError};
use cem_contract::staff::StaffChange;
use rusqlite::{Connection, OptionalExtension as _, Transaction};
use std::path::Path;
use uuid::Uuid;

const ROSTER: &str = "staff.roster";
const PENDING: &str = "staff.pending";
const LOCKED: &str = "device.locked";
/// Changes that wait for the backend; one more is refused.
const PENDING_CHANGES: usize = 200;

/// What is stored of the staff.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredRoster {
    /// The DSSE envelope, JSON, exactly as the backend signed it. Check it with
    /// [`cem_contract::staff::StaffRoster::verify`].
    pub envelope: Vec<u8>,
    /// Changes made on this device, oldest first, to be applied to it: see [`cem_contract::staff::StaffRoster::apply`].
    pub pending: Vec<StaffChange>,
}

/// The roster in another process's agent file; `None` while there is none.
///
/// # Errors
/// As [`ReadError`] says.
pub fn staff_roster(agent_db: &Path) -> Result<Option<StoredRoster>, ReadError> {
    let Some(conn) = beside(agent_db)? else { return Ok(None) };
    read_roster(&conn)
}

/// Whether the fleet has locked this device; false while the agent has no file.
///
/// # Errors
/// As [`ReadError`] says.
pub fn is_locked(agent_db: &Path) -> Result<bool, ReadError> {
    let Some(conn) = beside(agent_db)? else { return Ok(false) };
    Ok(value(&conn, LOCKED)?.is_some_and(|value| value == b"1"))
}

impl AgentStore {
    /// What is stored of the staff.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn roster(&self) -> Result<Option<StoredRoster>, ReadError> {
        read_roster(&self.lock())
    }

    /// Keeps a roster that was checked.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_roster(&self, envelope: &[u8]) -> Result<(), CommitError> {
        self.write(|tx| put(tx, ROSTER, envelope))
    }

    /// Adds a change that waits for the backend; false when too many wait already.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_staff_change(&self, change: &StaffChange) -> Result<bool, CommitError> {
        self.write(|tx| {
            let mut pending = read_pending(tx)?;
            if pending.iter().any(|known| known.id == change.id) {
                return Ok(true);
            }
            if pending.len() >= PENDING_CHANGES {
                return Ok(false);
            }
            pending.push(change.clone());
            put_pending(tx, &pending).map(|()| true)
        })
    }

    /// Takes away a change that the backend has judged.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn drop_staff_change(&self, id: Uuid) -> Result<(), CommitError> {
        self.write(|tx| {
            let mut pending = read_pending(tx)?;
            pending.retain(|change| change.id != id);
            put_pending(tx, &pending)
        })
    }

    /// Remembers whether the fleet has locked this device.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_locked(&self, locked: bool) -> Result<(), CommitError> {
        self.write(|tx| put(tx, LOCKED, if locked { b"1" } else { b"0" }))
    }

    /// Whether the fleet has locked this device.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn locked(&self) -> Result<bool, ReadError> {
        Ok(value(&self.lock(), LOCKED)?.is_some_and(|value| value == b"1"))
    }
}

fn read_roster(conn: &Connection) -> Result<Option<StoredRoster>, ReadError> {
    let Some(envelope) = value(conn, ROSTER)? else { return Ok(None) };
    Ok(Some(StoredRoster { envelope, pending: read_pending(conn)? }))
}

/// A list that cannot be read (a later version's) counts as empty: the roster itself does not depend on it.
fn read_pending(conn: &Connection) -> rusqlite::Result<Vec<StaffChange>> {
    Ok(value(conn, PENDING)?.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default())
}

fn put_pending(tx: &Transaction<'_>, pending: &[StaffChange]) -> rusqlite::Result<()> {
    let text = serde_json::to_vec(pending).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    put(tx, PENDING, &text)
}

fn put(tx: &Transaction<'_>, key: &str, bytes: &[u8]) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO state(key, value) VALUES(?1, ?2)")?.execute(rusqlite::params![key, bytes]).map(drop)
}

fn value(conn: &Connection, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    conn.prepare_cached("SELECT value FROM state WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Limits, OutboxOptions};
    use cem_contract::staff::StaffAction;

    fn change(n: u128) -> StaffChange {
        let action = StaffAction::End { at: "2026-11-21T10:30:00.000Z".into() };
        let at = "2026-11-21T10:30:00.000Z".into();
        StaffChange { id: Uuid::from_u128(n), at, by: "st-1".into(), staff: "st-2".into(), action }
    }

    #[test]
    fn the_kiosk_reads_roster_changes_and_lock_from_the_agents_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.db");
        assert_eq!((staff_roster(&path).unwrap(), is_locked(&path).unwrap()), (None, false));
        let mut options = OutboxOptions::new(&path, "/stores/s/devices/k");
        options.limits = Limits::small();
        let store = AgentStore::open_with(options).unwrap();
        assert_eq!(staff_roster(&path).unwrap(), None);
        store.put_roster(b"{}").unwrap();
        for n in [1, 2, 2] {
            assert!(store.add_staff_change(&change(n)).unwrap());
        }
        store.drop_staff_change(Uuid::from_u128(1)).unwrap();
        store.set_locked(true).unwrap();
        let stored = staff_roster(&path).unwrap().unwrap();
        assert_eq!((stored.envelope.as_slice(), stored.pending), (b"{}".as_slice(), vec![change(2)]));
        assert!(is_locked(&path).unwrap() && store.locked().unwrap());
        store.set_locked(false).unwrap();
        assert!(!is_locked(&path).unwrap());
    }

    #[test]
    fn no_more_changes_wait_than_there_is_room_for() {
        let dir = tempfile::tempdir().unwrap();
        let mut options = OutboxOptions::new(dir.path().join("agent.db"), "/stores/s/devices/k");
        options.limits = Limits::small();
        let store = AgentStore::open_with(options).unwrap();
        for n in 0..PENDING_CHANGES as u128 {
            assert!(store.add_staff_change(&change(n)).unwrap());
        }
        assert!(!store.add_staff_change(&change(9_999)).unwrap());
    }
}
