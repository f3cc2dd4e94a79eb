//! Table `schema(module, version, min_reader)` and the runner that brings a file up to date.
//!
//! Each step is one transaction together with its row in `schema`: after a crash the file is before or after it, and
//! opening it again goes on from there. Version N opens what N+1 wrote as long as `min_reader` allows it, so that a
//! release can be taken back.

use crate::{
    OpenError,
    file::{APPLICATION_ID, sql_error},
};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use std::path::Path;

/// One change of a module's tables.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    /// Lowest version of this module that may open the file afterwards.
    pub(crate) min_reader: u32,
    /// The statements.
    pub(crate) sql: &'static str,
}

/// Tables that belong together and change together. Its version is the number of its steps.
pub(crate) struct Module {
    /// Name in `schema`.
    pub(crate) name: &'static str,
    /// All steps since the first release. Only ever appended to.
    pub(crate) steps: &'static [Step],
}

impl Module {
    fn version(&self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX)
    }
}

/// What `schema` says about a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) version: u32,
    pub(crate) min_reader: u32,
}

/// True when nothing was ever put into the file.
pub(crate) fn is_empty(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("SELECT count(*) = 0 FROM sqlite_master", [], |row| row.get(0))
}

/// What the file holds of `module`; `None` when the module, or the whole table, is missing.
pub(crate) fn found(conn: &Connection, module: &str) -> rusqlite::Result<Option<Found>> {
    let there: bool =
        conn.query_row("SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = 'schema'", [], |row| row.get(0))?;
    if !there {
        return Ok(None);
    }
    conn.query_row("SELECT version, min_reader FROM schema WHERE module = ?1", [module], |row| {
        Ok(Found { version: row.get(0)?, min_reader: row.get(1)? })
    })
    .optional()
}

/// Brings every module up to date. Nothing is touched when a newer program forbids it.
pub(crate) fn migrate(conn: &mut Connection, path: &Path, modules: &[&Module]) -> Result<(), OpenError> {
    let application: i32 =
        conn.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(sql_error(path, "read the application id"))?;
    if application != APPLICATION_ID {
        if !is_empty(conn).map_err(sql_error(path, "read the schema"))? {
            let why = "is a SQLite file of another program".to_owned();
            return Err(OpenError::Option { field: "path", why });
        }
        create(conn).map_err(sql_error(path, "create"))?;
    }
    for module in modules {
        if let Some(found) = found(conn, module.name).map_err(sql_error(path, "read the schema"))?
            && found.min_reader > module.version()
        {
            return Err(OpenError::TooNew {
                path: path.to_owned(),
                module: module.name.to_owned(),
                found: found.version,
                needs: found.min_reader,
                ours: module.version(),
            });
        }
    }
    for module in modules {
        while step(conn, module).map_err(sql_error(path, "migrate"))? {}
    }
    Ok(())
}

fn create(conn: &mut Connection) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch(
        "CREATE TABLE schema(module TEXT PRIMARY KEY, version INTEGER NOT NULL, min_reader INTEGER NOT NULL) WITHOUT ROWID",
    )?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.commit()
}

/// Takes the next step of a module. False when there is none.
pub(crate) fn step(conn: &mut Connection, module: &Module) -> rusqlite::Result<bool> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = found(&tx, module.name)?.map_or(0, |found| found.version);
    let Some(next) = module.steps.get(done as usize) else {
        return Ok(false);
    };
    tx.execute_batch(next.sql)?;
    tx.execute(
        "INSERT INTO schema(module, version, min_reader) VALUES(?1, ?2, ?3)
         ON CONFLICT(module) DO UPDATE SET version = excluded.version, min_reader = excluded.min_reader",
        params![module.name, done + 1, next.min_reader],
    )?;
    tx.commit()?;
    Ok(true)
}

/// Events and the logs they belong to. In every file.
pub(crate) const LOG: Module = Module {
    name: "log",
    steps: &[Step {
        min_reader: 1,
        sql: "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
              CREATE TABLE logs(
                n INTEGER PRIMARY KEY, log BLOB NOT NULL UNIQUE, source TEXT NOT NULL, first INTEGER NOT NULL,
                head INTEGER NOT NULL, opened_ms INTEGER NOT NULL, why TEXT NOT NULL, crc INTEGER NOT NULL);
              CREATE TABLE events(
                key INTEGER PRIMARY KEY, id BLOB NOT NULL, kind TEXT NOT NULL, time_ms INTEGER NOT NULL,
                recorded_ms INTEGER NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL);",
    }],
};

/// Orders, payment attempts, order counters. In the kiosk's file.
pub(crate) const MONEY: Module = Module { name: "money", steps: &[ORDERS_AND_ATTEMPTS, NOTES_AND_TERMINALS] };

/// The first release's tables.
const ORDERS_AND_ATTEMPTS: Step = Step {
    min_reader: 1,
    sql: "CREATE TABLE orders(
                id BLOB PRIMARY KEY, number TEXT NOT NULL, business_date TEXT NOT NULL, visit BLOB, state TEXT NOT NULL,
                total_minor INTEGER NOT NULL, currency TEXT NOT NULL, body TEXT NOT NULL, updated_ms INTEGER NOT NULL,
                crc INTEGER NOT NULL);
              CREATE TABLE attempts(
                id BLOB PRIMARY KEY, payment BLOB NOT NULL, order_id BLOB NOT NULL, terminal TEXT NOT NULL,
                tender TEXT NOT NULL, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL, state TEXT NOT NULL,
                reference INTEGER, period INTEGER, receipt_before INTEGER, acknowledged INTEGER NOT NULL, outcome TEXT,
                updated_ms INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
              CREATE INDEX orders_updated ON orders(updated_ms);
              CREATE INDEX attempts_open ON attempts(state) WHERE state IN ('started', 'unknown');
              CREATE INDEX attempts_order ON attempts(order_id);
              CREATE UNIQUE INDEX attempts_receipt ON attempts(terminal, period, reference)
                WHERE reference IS NOT NULL AND period IS NOT NULL;
              CREATE TABLE order_counters(
                business_date TEXT PRIMARY KEY, value INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;",
};

/// Tables of their own, so that a release before them still reads and writes the attempts.
const NOTES_AND_TERMINALS: Step = Step {
    min_reader: 1,
    sql: "CREATE TABLE attempt_notes(
            id BLOB PRIMARY KEY, kind TEXT NOT NULL, original BLOB, lines TEXT NOT NULL, staff TEXT, tid TEXT NOT NULL,
            trace INTEGER, trace_before INTEGER, began_ms INTEGER, heard_ms INTEGER, provisional INTEGER NOT NULL,
            crc INTEGER NOT NULL) WITHOUT ROWID;
          CREATE INDEX notes_provisional ON attempt_notes(provisional) WHERE provisional = 1;
          CREATE TABLE terminals(
            terminal TEXT PRIMARY KEY, tid TEXT NOT NULL, period INTEGER NOT NULL, last_receipt INTEGER, last_trace INTEGER,
            updated_ms INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;",
};

/// The last counter of each guest card that proves itself by messages. In the kiosk's file.
pub(crate) const TAPS: Module = Module {
    name: "taps",
    steps: &[Step {
        min_reader: 1,
        sql: "CREATE TABLE taps(card TEXT PRIMARY KEY, counter INTEGER NOT NULL, seen_ms INTEGER NOT NULL) WITHOUT ROWID;
              CREATE INDEX taps_seen ON taps(seen_ms);",
    }],
};

/// What only the agent keeps.
pub(crate) const AGENT: Module = Module {
    name: "agent",
    steps: &[Step {
        min_reader: 1,
        sql: "CREATE TABLE acked(
                source TEXT NOT NULL, log BLOB NOT NULL, from_n INTEGER NOT NULL, to_n INTEGER NOT NULL, crc INTEGER NOT NULL,
                PRIMARY KEY(source, log, from_n)) WITHOUT ROWID;
              CREATE TABLE resend(
                source TEXT NOT NULL, log BLOB NOT NULL, from_n INTEGER NOT NULL, to_n INTEGER NOT NULL,
                PRIMARY KEY(source, log, from_n)) WITHOUT ROWID;
              CREATE TABLE quarantine(
                id BLOB PRIMARY KEY, source TEXT NOT NULL, log BLOB NOT NULL, sequence INTEGER NOT NULL, kind TEXT NOT NULL,
                reason TEXT NOT NULL, state TEXT NOT NULL, at_ms INTEGER NOT NULL, times INTEGER NOT NULL,
                body BLOB NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
              CREATE TABLE profiles(
                visitor TEXT PRIMARY KEY, version INTEGER NOT NULL, expires_ms INTEGER NOT NULL, stored_ms INTEGER NOT NULL,
                envelope BLOB NOT NULL);
              CREATE TABLE tokens(token TEXT PRIMARY KEY, visitor TEXT NOT NULL) WITHOUT ROWID;
              CREATE INDEX tokens_visitor ON tokens(visitor);
              CREATE TABLE state(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;",
    }],
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::file;

    const STEPS: &[Step] = &[
        Step { min_reader: 1, sql: "CREATE TABLE a(x INTEGER NOT NULL); INSERT INTO a VALUES(1), (2)" },
        Step { min_reader: 1, sql: "ALTER TABLE a ADD COLUMN y INTEGER; UPDATE a SET y = x * 10" },
        Step { min_reader: 3, sql: "CREATE TABLE b AS SELECT sum(y) AS total FROM a; DROP TABLE a" },
    ];
    const MODULE: Module = Module { name: "m", steps: STEPS };

    fn open(path: &Path) -> Connection {
        let conn = Connection::open(path).unwrap();
        conn.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(())).unwrap();
        conn
    }

    fn total(conn: &Connection) -> i64 {
        conn.query_row("SELECT total FROM b", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_crash_after_any_step_is_gone_on_from() {
        for crash_after in 0..=STEPS.len() {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("x.db");
            let mut conn = open(&path);
            migrate(&mut conn, &path, &[]).unwrap();
            for _ in 0..crash_after {
                assert!(step(&mut conn, &MODULE).unwrap());
            }
            // The process is gone in the middle of the next step: the files as they are, with half a transaction.
            conn.execute_batch("BEGIN IMMEDIATE; CREATE TABLE half(x); INSERT INTO half VALUES(1)").unwrap();
            let copy = dir.path().join("copy.db");
            for ending in ["", "-wal"] {
                std::fs::copy(file::beside(&path, ending), file::beside(&copy, ending)).unwrap();
            }
            let mut conn = open(&copy);
            migrate(&mut conn, &copy, &[&MODULE]).unwrap();
            assert_eq!(total(&conn), 30);
            assert_eq!(found(&conn, "m").unwrap(), Some(Found { version: 3, min_reader: 3 }));
            assert!(conn.prepare("SELECT * FROM half").is_err());
        }
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_as_it_was() {
        const BROKEN: Module = Module {
            name: "m",
            steps: &[
                Step { min_reader: 1, sql: "CREATE TABLE a(x); INSERT INTO a VALUES(1)" },
                Step { min_reader: 1, sql: "UPDATE a SET x = 2; INSERT INTO nowhere VALUES(1)" },
            ],
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let mut conn = open(&path);
        assert!(matches!(migrate(&mut conn, &path, &[&BROKEN]), Err(OpenError::Sqlite { .. })));
        assert_eq!(found(&conn, "m").unwrap(), Some(Found { version: 1, min_reader: 1 }));
        assert_eq!(conn.query_row("SELECT x FROM a", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    }

    #[test]
    fn a_newer_file_is_opened_as_far_as_it_allows() {
        const OLD: Module = Module { name: "m", steps: &[STEPS[0], STEPS[1]] };
        const OLDER: Module = Module { name: "m", steps: &[STEPS[0]] };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let mut conn = open(&path);
        migrate(&mut conn, &path, &[&OLD]).unwrap();
        migrate(&mut conn, &path, &[&OLDER]).unwrap();
        assert_eq!(found(&conn, "m").unwrap().unwrap().version, 2, "never taken back");
        migrate(&mut conn, &path, &[&MODULE]).unwrap();
        let error = migrate(&mut conn, &path, &[&OLD]).unwrap_err();
        assert!(matches!(error, OpenError::TooNew { found: 3, needs: 3, ours: 2, .. }), "{error}");
    }
}
