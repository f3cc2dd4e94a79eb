//! The tables. `schema(module, version, min_reader)` says what the file holds and which programs can read it.

use crate::people;
use anyhow::bail;
use rusqlite::{Connection, OptionalExtension, params};

const MODULE: &str = "cem-backend";
const VERSION: i64 = 3;
/// The oldest program that reads this version: columns and tables are only added, so far.
const MIN_READER: i64 = 1;

/// Brings the file to this program's version, in one transaction. A file of a later version is refused.
pub(super) fn migrate(connection: &Connection) -> anyhow::Result<()> {
    // Immediate: two programs that start at once must not both find an empty file.
    connection.execute_batch("BEGIN IMMEDIATE")?;
    match migrate_inside(connection) {
        Ok(()) => Ok(connection.execute_batch("COMMIT")?),
        Err(error) => {
            connection.execute_batch("ROLLBACK")?;
            Err(error)
        }
    }
}

fn migrate_inside(connection: &Connection) -> anyhow::Result<()> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema(module TEXT PRIMARY KEY, version INTEGER NOT NULL, min_reader INTEGER NOT NULL)",
    )?;
    // Beside the versions: a program that does not know it does without.
    connection.execute_batch(crate::cards::TABLES)?;
    connection.execute_batch(crate::gift::TABLES)?;
    connection.execute_batch(crate::codes::TABLES)?;
    let found: Option<(i64, i64)> = connection
        .query_row("SELECT version, min_reader FROM schema WHERE module = ?1", [MODULE], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        Some((_, min_reader)) if min_reader > VERSION => {
            bail!("the file was written by a later cem-backend (it needs version {min_reader}, this is {VERSION}): use that one")
        }
        Some((VERSION.., _)) => return Ok(()),
        Some((version, _)) => {
            connection.execute_batch(V3)?;
            if version < 2 {
                connection.execute_batch(V2)?;
                people::clock::learn_stored(connection)?;
            }
        }
        None => {
            connection.execute_batch(V1)?;
            connection.execute_batch(V2)?;
            connection.execute_batch(V3)?;
            connection.execute("INSERT INTO meta VALUES ('epoch', ?1)", [new_epoch()?])?;
        }
    }
    connection.execute("INSERT OR REPLACE INTO schema VALUES (?1, ?2, ?3)", params![MODULE, VERSION, MIN_READER])?;
    Ok(())
}

/// A name for this database in cursors: another one, or this one after a restore, has another.
pub(crate) fn new_epoch() -> anyhow::Result<String> {
    let mut epoch = [0u8; 4];
    getrandom::fill(&mut epoch).map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
    Ok(format!("{:08x}", u32::from_be_bytes(epoch)))
}

const V1: &str = "
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL);

-- Tokens are stored hashed: SHA-256 of a random text, so that no stretching is needed.
CREATE TABLE token(
    hash BLOB PRIMARY KEY, id TEXT NOT NULL UNIQUE, scope TEXT NOT NULL, source TEXT NOT NULL,
    created_ms INTEGER NOT NULL, revoked_ms INTEGER);

CREATE TABLE source(n INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- Accepted events; body holds the bytes as they came (or what erasure left of them).
CREATE TABLE event(
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    source INTEGER NOT NULL REFERENCES source(n), id BLOB NOT NULL, log BLOB NOT NULL, sequence INTEGER NOT NULL,
    type TEXT NOT NULL, time_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL,
    visitid TEXT, visitor TEXT, token TEXT, ord TEXT, erased INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL);
CREATE UNIQUE INDEX event_id ON event(source, id);
CREATE INDEX event_visit ON event(visitid) WHERE visitid IS NOT NULL;
CREATE INDEX event_visitor ON event(visitor, type) WHERE visitor IS NOT NULL;
CREATE INDEX event_token ON event(token) WHERE token IS NOT NULL;
CREATE INDEX event_order ON event(ord) WHERE ord IS NOT NULL;

-- Which id has used which number, for ever. rejected: only by a rejection of this very id.
CREATE TABLE number(
    source INTEGER NOT NULL, log BLOB NOT NULL, sequence INTEGER NOT NULL, id BLOB NOT NULL, rejected INTEGER NOT NULL,
    PRIMARY KEY(source, log, sequence)) WITHOUT ROWID;

-- Numbers seen as runs without a gap: as many rows as there are gaps.
CREATE TABLE seen(
    source INTEGER NOT NULL, log BLOB NOT NULL, lo INTEGER NOT NULL, hi INTEGER NOT NULL,
    PRIMARY KEY(source, log, lo)) WITHOUT ROWID;

-- Folded from events, replaced whole whenever one of them arrives.
CREATE TABLE visit(
    id TEXT PRIMARY KEY, visitor TEXT, store TEXT, started_ms INTEGER NOT NULL, feedback_ms INTEGER,
    orders INTEGER NOT NULL, erased INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX visit_visitor ON visit(visitor, started_ms, id) WHERE visitor IS NOT NULL;
CREATE TABLE visit_order(
    ord TEXT NOT NULL, visit TEXT NOT NULL, store TEXT, number TEXT NOT NULL, state TEXT NOT NULL, placed_ms INTEGER NOT NULL,
    minor INTEGER NOT NULL, currency TEXT NOT NULL, PRIMARY KEY(ord, visit)) WITHOUT ROWID;
CREATE INDEX visit_order_visit ON visit_order(visit);
CREATE INDEX visit_order_number ON visit_order(number);
CREATE INDEX visit_order_open ON visit_order(store, placed_ms) WHERE state NOT IN ('collected', 'cancelled');

CREATE TABLE visitor(
    id TEXT PRIMARY KEY, survivor TEXT NOT NULL, version INTEGER NOT NULL, profile TEXT NOT NULL, seed TEXT,
    name_folded TEXT NOT NULL DEFAULT '', phone_ending TEXT, last_seen_ms INTEGER);
CREATE INDEX visitor_survivor ON visitor(survivor);
CREATE TABLE claim(token TEXT NOT NULL, visitor TEXT NOT NULL, PRIMARY KEY(token, visitor)) WITHOUT ROWID;
CREATE INDEX claim_visitor ON claim(visitor);
-- What a visitor said about consent: within a stream the last position counts, between streams the time.
CREATE TABLE consent(
    visitor TEXT NOT NULL, stream TEXT NOT NULL, position INTEGER NOT NULL, earliest_ms INTEGER NOT NULL,
    latest_ms INTEGER NOT NULL, level TEXT NOT NULL, text_version TEXT NOT NULL, PRIMARY KEY(visitor, stream, position)) WITHOUT ROWID;
CREATE TABLE ledger(entry TEXT PRIMARY KEY, visitor TEXT, visitid TEXT, points INTEGER NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX ledger_visitor ON ledger(visitor) WHERE visitor IS NOT NULL;
CREATE INDEX ledger_visit ON ledger(visitid) WHERE visitid IS NOT NULL;
CREATE TABLE note(id TEXT PRIMARY KEY, visitor TEXT NOT NULL, text TEXT NOT NULL, staff TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE INDEX note_visitor ON note(visitor);
CREATE TABLE store_visitor(store TEXT NOT NULL, visitor TEXT NOT NULL, PRIMARY KEY(store, visitor)) WITHOUT ROWID;
CREATE INDEX store_visitor_visitor ON store_visitor(visitor);

CREATE TABLE erasure(
    n INTEGER PRIMARY KEY AUTOINCREMENT, visitor TEXT NOT NULL, merged TEXT NOT NULL, tokens TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE TABLE erased_visitor(id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE erased_token(token TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, rejoined_ms INTEGER) WITHOUT ROWID;
CREATE TABLE erased_visit(id TEXT PRIMARY KEY) WITHOUT ROWID;

-- What a store's devices must know, in order. store NULL: every store. ref: an event's n, a visitor, an erasure's n.
CREATE TABLE feed(
    n INTEGER PRIMARY KEY AUTOINCREMENT, store TEXT, kind TEXT NOT NULL, ref TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE INDEX feed_store ON feed(store, n);
CREATE INDEX feed_ref ON feed(kind, ref);
CREATE INDEX feed_at ON feed(at_ms);
CREATE TABLE article(store TEXT NOT NULL, sku TEXT NOT NULL, sold_out INTEGER NOT NULL, time_ms INTEGER NOT NULL,
    PRIMARY KEY(store, sku)) WITHOUT ROWID;

CREATE TABLE device(
    source TEXT PRIMARY KEY, store TEXT NOT NULL, device TEXT NOT NULL, status TEXT, status_ms INTEGER, event_ms INTEGER);
CREATE TABLE audit(
    n INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, token TEXT NOT NULL, staff TEXT, action TEXT NOT NULL,
    visitor TEXT);
CREATE INDEX audit_visitor ON audit(visitor) WHERE visitor IS NOT NULL;
";

/// What corrects the times of devices whose clock was not synced: see `people::clock`.
const V2: &str = "
-- clock: 0 synced, 1 estimated, 2 unset, as the event says. boot and uptime_ms only where it is not synced.
-- corrected_ms is the best time known, beside time_ms, which stays; certainty: 0 synced, 1 corrected, 2 estimated, 3 unset.
ALTER TABLE event ADD COLUMN clock INTEGER NOT NULL DEFAULT 0;
ALTER TABLE event ADD COLUMN boot TEXT;
ALTER TABLE event ADD COLUMN uptime_ms INTEGER;
ALTER TABLE event ADD COLUMN corrected_ms INTEGER;
ALTER TABLE event ADD COLUMN certainty INTEGER NOT NULL DEFAULT 0;
CREATE INDEX event_boot ON event(source, boot, uptime_ms) WHERE boot IS NOT NULL;
-- The event that told of the entry, for its time.
ALTER TABLE ledger ADD COLUMN event INTEGER;

CREATE TABLE clock_sample(
    source INTEGER NOT NULL, boot TEXT NOT NULL, uptime_ms INTEGER NOT NULL, backend_ms INTEGER NOT NULL,
    round_trip_ms INTEGER NOT NULL, PRIMARY KEY(source, boot, uptime_ms)) WITHOUT ROWID;
-- A boot within a log. first: its lowest number there. own_start_ms: when it began by its own best clock, told by the
-- event own_sequence. start_ms: when it began as far as the neighbours allow, which is from earliest_ms to latest_ms;
-- sampled boots need none of the three.
CREATE TABLE clock_boot(
    source INTEGER NOT NULL, log BLOB NOT NULL, boot TEXT NOT NULL, first INTEGER NOT NULL, last_uptime_ms INTEGER NOT NULL,
    own_clock INTEGER NOT NULL, own_sequence INTEGER NOT NULL, own_start_ms INTEGER, sampled INTEGER NOT NULL,
    start_ms INTEGER, earliest_ms INTEGER, latest_ms INTEGER, PRIMARY KEY(source, log, boot)) WITHOUT ROWID;
CREATE INDEX clock_boot_order ON clock_boot(source, log, sampled, first);
CREATE INDEX clock_boot_name ON clock_boot(source, boot);
";

/// What is still to be folded, written by the transaction that stored the events: see `people::catch_up`. A program of an
/// earlier version leaves it alone; it is folded when this one opens the file again.
const V3: &str = "
-- kind: 0 a visit, 1 a visitor.
CREATE TABLE unfolded(kind INTEGER NOT NULL, id TEXT NOT NULL, PRIMARY KEY(kind, id)) WITHOUT ROWID;
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_of_the_first_version_gets_its_times_corrected_and_keeps_its_epoch() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE schema(module TEXT PRIMARY KEY, version INTEGER NOT NULL, min_reader INTEGER NOT NULL)")
            .unwrap();
        db.execute_batch(V1).unwrap();
        db.execute_batch(
            "INSERT INTO schema VALUES ('cem-backend', 1, 1); INSERT INTO meta VALUES ('epoch', 'ab12');
             INSERT INTO source VALUES (1, '/stores/s/devices/k')",
        )
        .unwrap();
        let log = uuid::Uuid::from_u128(7);
        for (sequence, kind, data) in [
            (1, "cem.help.called.v1", r#"{"place":"bar"}"#),
            (
                2,
                "cem.device.clock_sampled.v1",
                r#"{"boot":"b","uptime":"000000000009000","backend_time":"2026-11-21T10:30:00.000Z","round_trip_ms":1}"#,
            ),
        ] {
            let id = uuid::Uuid::from_u128(sequence);
            let body = format!(
                r#"{{"specversion":"1.0","id":"{id}","source":"/stores/s/devices/k","type":"{kind}","time":"1970-01-01T00:00:04Z",
                "log":"{log}","sequence":"{sequence:020}","clock":"unset","boot":"b","uptime":"000000000004000","data":{data}}}"#
            );
            db.execute(
                "INSERT INTO event(source, id, log, sequence, type, time_ms, received_ms, body) VALUES (1, ?1, ?2, ?3, ?4, 4000, ?5, ?6)",
                params![id.as_bytes(), log.as_bytes(), sequence as i64, kind, i64::MAX, body],
            )
            .unwrap();
        }
        migrate(&db).unwrap();
        migrate(&db).unwrap();
        let corrected: i64 = db.query_row("SELECT corrected_ms FROM event WHERE sequence = 1", [], |row| row.get(0)).unwrap();
        assert_eq!(cem_contract::time::rfc3339(corrected), "2026-11-21T10:29:55.000Z");
        let (version, min_reader, epoch): (i64, i64, String) = db
            .query_row("SELECT version, min_reader, value FROM schema, meta", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .unwrap();
        assert_eq!((version, min_reader, epoch.as_str()), (3, 1, "ab12"));
    }
}
