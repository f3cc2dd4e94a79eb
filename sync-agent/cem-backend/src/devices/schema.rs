//! The fleet's tables, a module of their own in `schema`.

use anyhow::bail;
use rusqlite::{Connection, OptionalExtension, params, types::Value};

const MODULE: &str = "cem-fleet";
const VERSION: i64 = 1;
const MIN_READER: i64 = 1;

/// What a restored backup takes over from the database that it replaces: nobody can send it again.
const TABLES: [&str; 7] = ["fleet_device", "enrol_code", "fleet_command", "key_version", "staff", "staff_roster", "staff_change"];

/// Versions of rosters that may have been given out since a backup.
const VERSIONS: i64 = 1 << 20;

/// Brings the tables to this program's version, in one transaction. A file of a later version is refused.
pub(crate) fn migrate(connection: &Connection) -> anyhow::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let done = migrate_inside(connection);
    connection.execute_batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    done
}

fn migrate_inside(connection: &Connection) -> anyhow::Result<()> {
    let found: Option<(i64, i64)> = connection
        .query_row("SELECT version, min_reader FROM schema WHERE module = ?1", [MODULE], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        Some((_, min_reader)) if min_reader > VERSION => {
            bail!("the file was written by a later cem-backend (it needs {MODULE} {min_reader}, this is {VERSION}): use that one")
        }
        Some((VERSION.., _)) => return Ok(()),
        _ => connection.execute_batch(V1)?,
    }
    connection.execute("INSERT OR REPLACE INTO schema VALUES (?1, ?2, ?3)", params![MODULE, VERSION, MIN_READER])?;
    Ok(())
}

/// All rows of the fleet's tables.
pub(crate) struct Rows(Vec<(&'static str, Vec<Vec<Value>>)>);

impl Rows {
    /// Reads them. A database from before there was a fleet has none.
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut all = Vec::new();
        for table in TABLES {
            let Ok(mut query) = connection.prepare(&format!("SELECT * FROM {table}")) else { continue };
            let columns = query.column_count();
            let rows = query.query_map([], |row| (0..columns).map(|column| row.get(column)).collect())?;
            all.push((table, rows.collect::<rusqlite::Result<_>>()?));
        }
        Ok(Self(all))
    }

    /// Writes them over those of a backup, which are older, and lets rosters go on from far above what devices have seen.
    pub(crate) fn give(self, to: &Connection) -> rusqlite::Result<()> {
        for (table, rows) in self.0 {
            for row in rows {
                let places = vec!["?"; row.len()].join(", ");
                to.prepare_cached(&format!("INSERT OR REPLACE INTO {table} VALUES ({places})"))?
                    .execute(rusqlite::params_from_iter(row))?;
            }
        }
        Ok(())
    }
}

/// Lets rosters of a restored database go on from far above what devices have seen.
pub(crate) fn raise_versions(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE staff_roster SET version = version + ?1", [VERSIONS]).map(drop)
}

const V1: &str = "
-- state: waiting (a code was given out), active, locked, retiring, retired. The row outlives its device: till and letter are
-- kept for the next one of the same name. copied_ms: when another machine reported under this name.
CREATE TABLE fleet_device(
    source TEXT PRIMARY KEY, store TEXT NOT NULL, device TEXT NOT NULL, role TEXT NOT NULL, till INTEGER NOT NULL,
    letter TEXT NOT NULL, state TEXT NOT NULL, public_key TEXT, machine TEXT, disk TEXT, model TEXT, token_id TEXT,
    serial TEXT, enrolled_ms INTEGER, changed_ms INTEGER NOT NULL, copied_ms INTEGER) WITHOUT ROWID;
CREATE UNIQUE INDEX fleet_device_till ON fleet_device(store, till);
CREATE INDEX fleet_device_name ON fleet_device(device);

-- One-time codes, hashed: SHA-256 of 60 random bits that are good for a quarter of an hour.
CREATE TABLE enrol_code(
    hash BLOB PRIMARY KEY, source TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, used_ms INTEGER,
    withdrawn_ms INTEGER) WITHOUT ROWID;
CREATE INDEX enrol_code_source ON enrol_code(source);

-- How often what was refused, and what was noticed.
CREATE TABLE fleet_count(name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE fleet_command(
    id TEXT PRIMARY KEY, source TEXT NOT NULL, kind TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
    outcome TEXT, detail TEXT, answered_ms INTEGER, content_type TEXT, body BLOB) WITHOUT ROWID;
CREATE INDEX fleet_command_open ON fleet_command(source, created_ms) WHERE answered_ms IS NULL;

CREATE TABLE key_version(
    purpose TEXT NOT NULL, version INTEGER NOT NULL, created_ms INTEGER NOT NULL, retires_ms INTEGER,
    PRIMARY KEY(purpose, version)) WITHOUT ROWID;

CREATE TABLE staff(
    store TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, badge TEXT, pin TEXT,
    must_reset INTEGER NOT NULL, ends_ms INTEGER, version INTEGER NOT NULL, PRIMARY KEY(store, id)) WITHOUT ROWID;
CREATE TABLE staff_roster(store TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
-- Who changed what, without the PINs. via: the device, or the ops token.
CREATE TABLE staff_change(
    id TEXT PRIMARY KEY, store TEXT NOT NULL, at_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL, who TEXT NOT NULL,
    via TEXT NOT NULL, staff TEXT NOT NULL, kind TEXT NOT NULL, refused TEXT) WITHOUT ROWID;
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::in_memory;

    #[test]
    fn a_restored_database_takes_over_who_works_here_and_who_does_not() {
        let (old, backup) = (in_memory(), in_memory());
        for (db, role) in [(&old, "staff"), (&backup, "manager")] {
            db.execute("INSERT INTO staff VALUES ('s', 'st-1', 'Ada', ?1, NULL, NULL, 0, NULL, 1)", [role]).unwrap();
            db.execute("INSERT INTO staff_roster VALUES ('s', 4)", []).unwrap();
        }
        migrate(&old).unwrap();
        Rows::read(&old).unwrap().give(&backup).unwrap();
        raise_versions(&backup).unwrap();
        let (role, version): (String, i64) = backup
            .query_row("SELECT role, r.version FROM staff, staff_roster r", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!((role.as_str(), version), ("staff", 4 + VERSIONS));
        let none = Rows::read(&Connection::open_in_memory().unwrap()).unwrap();
        assert!(none.0.is_empty());
    }
}
