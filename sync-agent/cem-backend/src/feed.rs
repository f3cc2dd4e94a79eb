//! What a store's devices must know, in one order: orders, articles, tasks, erasures, changes of the visitor cache, blocked
//! cards, who works there, and that there are new keys.
//!
//! Rows point at what they tell of, so that an erasure reaches them too. Of each visitor in a store only the last row
//! is kept; other rows are kept for the devices' retention window. A cursor older than that, or of another database, is
//! expired: the device takes a snapshot and goes on from there.

use crate::{people::visitor, store::Result};
use cem_contract::{Erasure, Event, kinds, limits, time};
use rusqlite::{Connection, params, types::Value as Sql};
use serde_json::{Value, json};

/// Orders older than this are not open any more, whatever the kitchen forgot to say.
const OPEN_ORDER_MS: i64 = 24 * 60 * 60 * 1_000;
const RETENTION_MS: i64 = limits::RETENTION_DAYS as i64 * 24 * 60 * 60 * 1_000;

/// What happened to a visitor in a store's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VisitorChange {
    Changed,
    Removed,
}

/// Which rows of the feed a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// All of them.
    Feed,
    /// The visitor cache: changes and removals, erasures included.
    Visitors,
}

/// A row of the feed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) n: i64,
    pub(crate) entry: Entry,
}

/// What a row tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    /// A visitor whose profile must be signed for the store.
    Visitor(String),
    /// The staff has changed: the roster must be signed for the store.
    Staff,
    /// Everything else, ready to be sent.
    Ready(Value),
}

/// Adds what a store must know of an event.
pub(crate) fn of_event(connection: &Connection, n: i64, event: &Event, now_ms: i64) -> Result<()> {
    let kind = match event.kind.as_str() {
        kinds::ORDER_PLACED | kinds::ORDER_PROGRESSED => "order",
        kinds::ARTICLE_SOLD_OUT | kinds::ARTICLE_BACK => "article",
        kinds::TASK_RAISED | kinds::TASK_CLOSED => "task",
        _ => return Ok(()),
    };
    let Some(store) = store_of(&event.source) else { return Ok(()) };
    if let ("article", Some(sku)) = (kind, event.data.get("sku").and_then(Value::as_str)) {
        let mut upsert = connection.prepare_cached(
            "INSERT INTO article(store, sku, sold_out, time_ms) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE
             SET sold_out = excluded.sold_out, time_ms = excluded.time_ms WHERE excluded.time_ms >= article.time_ms",
        )?;
        // A clock that runs ahead must not outlast every later word.
        let at_ms = event.time_ms.min(now_ms);
        upsert.execute(params![store, sku, event.kind == kinds::ARTICLE_SOLD_OUT, at_ms])?;
    }
    add(connection, Some(store), kind, &n.to_string(), now_ms)
}

/// Tells a store of a visitor; what it was told before of the same one is dropped.
pub(crate) fn visitor(connection: &Connection, store: &str, id: &str, change: VisitorChange, now_ms: i64) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM feed WHERE kind IN ('visitor', 'visitor_removed') AND ref = ?2 AND store = ?1")?
        .execute([store, id])?;
    let kind = match change {
        VisitorChange::Changed => "visitor",
        VisitorChange::Removed => "visitor_removed",
    };
    add(connection, Some(store), kind, id, now_ms)
}

/// Tells a store that its staff has changed; the roster itself is signed when it is read.
pub(crate) fn staff(connection: &Connection, store: &str, now_ms: i64) -> Result<()> {
    connection.prepare_cached("DELETE FROM feed WHERE kind = 'staff' AND store = ?1")?.execute([store])?;
    add(connection, Some(store), "staff", "", now_ms)
}

/// Tells every store that devices must fetch their keys.
pub(crate) fn keys(connection: &Connection, now_ms: i64) -> Result<()> {
    connection.prepare_cached("DELETE FROM feed WHERE kind = 'keys'")?.execute([])?;
    add(connection, None, "keys", "", now_ms)
}

/// Tells every store of a card that was lost.
pub(crate) fn card_blocked(connection: &Connection, token: &str, now_ms: i64) -> Result<()> {
    add(connection, None, "card_blocked", token, now_ms)
}

/// Tells every store what it must forget.
pub(crate) fn erasure(connection: &Connection, n: i64, now_ms: i64) -> Result<()> {
    add(connection, None, "erasure", &n.to_string(), now_ms)
}

/// Notes that a device has written, so that ops see it before its first status.
pub(crate) fn device_wrote(connection: &Connection, source: &str, now_ms: i64) -> Result<()> {
    let Some((store, device)) = device_of(source) else { return Ok(()) };
    let mut upsert = connection.prepare_cached(
        "INSERT INTO device(source, store, device, event_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET event_ms = excluded.event_ms",
    )?;
    upsert.execute(params![source, store, device, now_ms])?;
    Ok(())
}

/// The rows of a store after a place, at most `limit`, and the place to go on from.
pub(crate) fn list(
    connection: &Connection,
    store: &str,
    view: View,
    after: i64,
    limit: usize,
    epoch: &str,
) -> Result<(Vec<Row>, i64)> {
    let mut query = connection.prepare_cached(
        "SELECT n, kind, ref FROM feed WHERE n > ?2 AND (store = ?1 OR store IS NULL)
         AND (?3 OR kind IN ('visitor', 'visitor_removed', 'erasure')) ORDER BY n LIMIT ?4",
    )?;
    let rows = query.query_map(params![store, after, view == View::Feed, limit as i64], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
    })?;
    let mut entries = Vec::new();
    let mut next = after;
    for row in rows {
        let (n, kind, reference) = row?;
        next = n;
        let cursor = cursor(epoch, n);
        let entry = match kind.as_str() {
            "visitor" => Entry::Visitor(reference),
            "staff" => Entry::Staff,
            "keys" => Entry::Ready(json!({"cursor": cursor, "kind": kind})),
            "card_blocked" => Entry::Ready(json!({"cursor": cursor, "kind": kind, "token": reference})),
            "visitor_removed" => {
                let merged_into = visitor::survivor(connection, &reference)?.filter(|survivor| *survivor != reference);
                Entry::Ready(json!({"cursor": cursor, "kind": kind, "visitor": reference, "merged_into": merged_into}))
            }
            "erasure" => erasure_entry(connection, &reference, cursor, &kind)?,
            _ => event_entry(connection, &reference, cursor, &kind)?,
        };
        entries.push(Row { n, entry });
    }
    Ok((entries, next))
}

/// Whether the rows after a place are all still there.
pub(crate) fn is_expired(connection: &Connection, after: i64) -> Result<bool> {
    let floor: Option<i64> = connection
        .prepare_cached("SELECT CAST(max(value) AS INTEGER) FROM meta WHERE name = 'feed_floor'")?
        .query_row([], |row| row.get(0))?;
    Ok(after < floor.unwrap_or(0) || after > last(connection)?)
}

/// The place of the last row.
pub(crate) fn last(connection: &Connection) -> Result<i64> {
    let last: Option<i64> =
        connection.prepare_cached("SELECT max(seq) FROM sqlite_sequence WHERE name = 'feed'")?.query_row([], |row| row.get(0))?;
    Ok(last.unwrap_or(0))
}

/// The state of a store, for a device whose cursor has expired. The visitor cache is read from its own list.
pub(crate) fn snapshot(connection: &Connection, store: &str, now_ms: i64) -> Result<Value> {
    let sold_out = visitor::strings(connection, "SELECT sku FROM article WHERE store = ?1 AND sold_out ORDER BY sku", store)?;
    let mut query = connection.prepare_cached(
        "SELECT o.state, e.body FROM visit_order o
         JOIN event e ON e.ord = o.ord AND e.type = 'cem.order.placed.v1'
         WHERE o.store = ?1 AND o.state NOT IN ('collected', 'cancelled') AND o.placed_ms > ?2
         ORDER BY o.placed_ms DESC LIMIT ?3",
    )?;
    let rows = query.query_map(params![store, now_ms - OPEN_ORDER_MS, limits::PAGE as i64], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    let mut orders = Vec::new();
    for row in rows {
        let (state, body) = row?;
        let event: Value = serde_json::from_str(&body)?;
        orders.push(json!({"state": state, "source": event["source"], "time": event["time"], "data": event["data"]}));
    }
    Ok(json!({"sold_out": sold_out, "orders": orders}))
}

/// Drops what no device may still be missing, and remembers how far.
pub(crate) fn prune(connection: &Connection, now_ms: i64) -> Result<()> {
    let before = now_ms - RETENTION_MS;
    let floor: Option<i64> = connection
        .prepare_cached("SELECT max(n) FROM feed WHERE at_ms < ?1 AND kind <> 'visitor'")?
        .query_row([before], |row| row.get(0))?;
    let Some(floor) = floor else { return Ok(()) };
    connection.prepare_cached("DELETE FROM feed WHERE at_ms < ?1 AND kind <> 'visitor'")?.execute([before])?;
    connection
        .prepare_cached("INSERT INTO meta VALUES ('feed_floor', ?1) ON CONFLICT DO UPDATE SET value = excluded.value")?
        .execute([Sql::Text(floor.to_string())])?;
    Ok(())
}

/// Erasures after a place, at most `limit`.
pub(crate) fn erasures(connection: &Connection, after: i64, limit: usize, epoch: &str) -> Result<Vec<Erasure>> {
    let mut query =
        connection.prepare_cached("SELECT n, visitor, merged, tokens, at_ms FROM erasure WHERE n > ?1 ORDER BY n LIMIT ?2")?;
    let rows = query.query_map(params![after, limit as i64], |row| {
        let texts: (String, String) = (row.get(2)?, row.get(3)?);
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, texts, row.get::<_, i64>(4)?))
    })?;
    rows.map(|row| {
        let (n, visitor, (merged, tokens), at_ms) = row?;
        Ok(Erasure {
            cursor: cursor(epoch, n),
            visitor,
            merged: serde_json::from_str(&merged)?,
            tokens: serde_json::from_str(&tokens)?,
            at: time::rfc3339(at_ms),
        })
    })
    .collect()
}

/// A place in a list of this database, opaque to everybody else.
pub(crate) fn cursor(epoch: &str, n: i64) -> String {
    format!("{epoch}-{n}")
}

/// The place that a cursor means; `None` for one of another database, or none at all.
pub(crate) fn place(epoch: &str, cursor: &str) -> Option<i64> {
    cursor.strip_prefix(epoch)?.strip_prefix('-')?.parse().ok().filter(|n| *n >= 0)
}

/// Store and device of a source: `/stores/s-001/devices/k-01`.
pub(crate) fn device_of(source: &str) -> Option<(&str, &str)> {
    let (store, device) = source.strip_prefix("/stores/")?.split_once("/devices/")?;
    let is_name = |name: &str| !name.is_empty() && !name.contains('/');
    (is_name(store) && is_name(device)).then_some((store, device))
}

/// The store of a source.
pub(crate) fn store_of(source: &str) -> Option<&str> {
    source.strip_prefix("/stores/")?.split('/').next().filter(|store| !store.is_empty())
}

fn add(connection: &Connection, store: Option<&str>, kind: &str, reference: &str, now_ms: i64) -> Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO feed(store, kind, ref, at_ms) VALUES (?1, ?2, ?3, ?4)")?;
    insert.execute(params![store, kind, reference, now_ms])?;
    Ok(())
}

fn event_entry(connection: &Connection, n: &str, cursor: String, kind: &str) -> Result<Entry> {
    let body: String = connection.prepare_cached("SELECT body FROM event WHERE n = ?1")?.query_row([n], |row| row.get(0))?;
    let event: Value = serde_json::from_str(&body)?;
    Ok(Entry::Ready(json!({
        "cursor": cursor, "kind": kind, "type": event["type"], "id": event["id"], "source": event["source"],
        "time": event["time"], "data": event["data"],
    })))
}

fn erasure_entry(connection: &Connection, n: &str, cursor: String, kind: &str) -> Result<Entry> {
    let n: i64 = n.parse().unwrap_or(0);
    let Some(erasure) = erasures(connection, n - 1, 1, "")?.pop() else { return Ok(Entry::Ready(Value::Null)) };
    Ok(Entry::Ready(json!({
        "cursor": cursor, "kind": kind, "visitor": erasure.visitor, "merged": erasure.merged, "tokens": erasure.tokens,
        "at": erasure.at,
    })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::in_memory;

    #[test]
    fn pruned_rows_expire_the_cursors_before_them_but_not_the_visitor_cache() {
        let db = in_memory();
        visitor(&db, "s-1", "v_1", VisitorChange::Changed, 0).unwrap();
        add(&db, Some("s-1"), "visitor_removed", "v_2", 0).unwrap();
        add(&db, Some("s-1"), "visitor_removed", "v_3", RETENTION_MS).unwrap();
        prune(&db, RETENTION_MS + 1).unwrap();
        assert!(is_expired(&db, 1).unwrap() && !is_expired(&db, 2).unwrap() && !is_expired(&db, 3).unwrap());
        assert!(is_expired(&db, 4).unwrap(), "a place that this database has not reached is not its own");
        let (rows, next) = list(&db, "s-1", View::Feed, 0, 10, "e").unwrap();
        assert_eq!((rows.len(), next), (2, 3));
        assert_eq!(rows[0].entry, Entry::Visitor("v_1".into()));
    }

    #[test]
    fn of_a_visitor_only_the_last_change_is_kept() {
        let db = in_memory();
        for change in [VisitorChange::Changed, VisitorChange::Changed, VisitorChange::Removed] {
            visitor(&db, "s-1", "v_1", change, 0).unwrap();
        }
        let (rows, next) = list(&db, "s-1", View::Visitors, 0, 10, "e").unwrap();
        assert_eq!((rows.len(), next), (1, 3));
    }

    #[test]
    fn a_cursor_is_read_by_the_database_that_wrote_it() {
        assert_eq!(place("ab12", &cursor("ab12", 7)), Some(7));
        for foreign in ["", "7", "cd34-7", "ab12-", "ab12--7", "ab12-x"] {
            assert_eq!(place("ab12", foreign), None, "{foreign}");
        }
    }
}
