//! The tables. `schema(module, version, min_reader)` says what the file holds and which programs can read it.

use anyhow::bail;
use rusqlite::{Connection, OptionalExtension, params};

const MODULE: &str = "cem-backend";
const VERSION: i64 = 1;

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
    let found: Option<(i64, i64)> = connection
        .query_row("SELECT version, min_reader FROM schema WHERE module = ?1", [MODULE], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        Some((_, min_reader)) if min_reader > VERSION => {
            bail!("the file was written by a later cem-backend (it needs version {min_reader}, this is {VERSION}): use that one")
        }
        Some(_) => return Ok(()),
        None => {}
    }
    connection.execute_batch(V1)?;
    connection.execute("INSERT INTO schema VALUES (?1, ?2, ?2)", params![MODULE, VERSION])?;
    let mut epoch = [0u8; 4];
    getrandom::fill(&mut epoch).map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
    connection.execute("INSERT INTO meta VALUES ('epoch', ?1)", [format!("{:08x}", u32::from_be_bytes(epoch))])?;
    Ok(())
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
