//! Visits in the tables: read the events, fold, replace.

use super::{
    clock::Certainty,
    consent,
    visit::{FOLDED, Folded, Seen, fold},
    visitor,
};
use crate::store::Result;
use cem_contract::{Consent, VisitOrder};
use rusqlite::{Connection, OptionalExtension, params, types::Type};
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeSet, sync::LazyLock};

/// Events folded into one visit. A visit has some dozens; the first in order are folded, and all are stored.
const MAX_EVENTS: i64 = 2_000;

/// Bodies are read only of the types that are folded: most events of a visit are stages and views.
static SELECT: LazyLock<String> = LazyLock::new(|| {
    let folded = FOLDED.iter().map(|kind| format!("'{kind}'")).collect::<Vec<_>>().join(", ");
    format!(
        "SELECT s.name, e.type, coalesce(e.corrected_ms, e.time_ms), e.visitor,
             CASE WHEN e.type IN ({folded}) THEN e.body END, e.certainty
         FROM event e JOIN source s ON s.n = e.source
         WHERE e.n IN (
             SELECT n FROM event WHERE visitid = ?1
             UNION SELECT told.n FROM event placed JOIN event told ON told.ord = placed.ord
             WHERE placed.visitid = ?1 AND placed.type = 'cem.order.placed.v1' AND placed.ord IS NOT NULL
                 AND told.visitid IS NULL)
         ORDER BY s.name, e.log, e.sequence, e.id LIMIT {MAX_EVENTS}"
    )
});

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    data: Value,
}

/// Folds a visit afresh and replaces it. The visitors it had and has are added to `visitors`.
pub(super) fn refold(connection: &Connection, id: &str, visitors: &mut BTreeSet<String>) -> Result<()> {
    let events = read(connection, id)?;
    if events.is_empty() {
        return Ok(());
    }
    let Folded { mut visit, started_ms, feedback_ms, token, placed_ms } = fold(id, &events);
    visit.erased = connection.prepare_cached("SELECT 1 FROM erased_visit WHERE id = ?1")?.exists([id])?;
    if visit.visitor.is_none()
        && let Some(token) = token
    {
        // Whoever wants no data across visits is not found by their card either.
        let who = visitor::by_tap(connection, &token)?;
        let agreed = who.as_deref().map(|who| consent::of(connection, who)).transpose()?;
        visit.visitor = who.filter(|_| agreed > Some(Consent::None));
    }
    let had: Option<Option<String>> =
        connection.prepare_cached("SELECT visitor FROM visit WHERE id = ?1")?.query_row([id], |row| row.get(0)).optional()?;
    visitors.extend(had.flatten());
    if let Some(who) = &visit.visitor {
        visitors.insert(who.clone());
        if let Some(store) = &visit.store {
            visitor::comes_to(connection, who, store)?;
        }
    }
    let mut replace = connection.prepare_cached(
        "INSERT INTO visit(id, visitor, store, started_ms, feedback_ms, orders, erased, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET visitor = excluded.visitor, store = excluded.store,
         started_ms = excluded.started_ms, feedback_ms = excluded.feedback_ms, orders = excluded.orders,
         erased = excluded.erased, body = excluded.body",
    )?;
    let body = serde_json::to_string(&visit)?;
    let orders = visit.orders.len() as i64;
    replace.execute(params![id, visit.visitor, visit.store, started_ms, feedback_ms, orders, visit.erased, body])?;
    replace_orders(connection, id, visit.store.as_deref(), &visit.orders, &placed_ms)
}

fn read(connection: &Connection, id: &str) -> Result<Vec<Seen>> {
    let mut query = connection.prepare_cached(&SELECT)?;
    let rows = query.query_map([id], |row| {
        let body: Option<String> = row.get(4)?;
        let data = match body {
            None => Value::Null,
            Some(body) => {
                serde_json::from_str::<Body>(&body)
                    .map_err(|error| rusqlite::Error::FromSqlConversionFailure(4, Type::Text, Box::new(error)))?
                    .data
            }
        };
        let certainty = Certainty::of(row.get(5)?);
        Ok(Seen { source: row.get(0)?, kind: row.get(1)?, time_ms: row.get(2)?, certainty, visitor: row.get(3)?, data })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn replace_orders(connection: &Connection, id: &str, store: Option<&str>, orders: &[VisitOrder], placed: &[i64]) -> Result<()> {
    connection.prepare_cached("DELETE FROM visit_order WHERE visit = ?1")?.execute([id])?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO visit_order(ord, visit, store, number, state, placed_ms, minor, currency)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (order, placed_ms) in orders.iter().zip(placed) {
        let number = order.number.as_str().map_or_else(|| order.number.to_string(), str::to_owned).to_lowercase();
        let minor = order.total.get("minor").and_then(Value::as_i64).unwrap_or(0);
        let currency = order.total.get("currency").and_then(Value::as_str).unwrap_or_default();
        insert.execute(params![order.order, id, store, number, order.state, placed_ms, minor, currency])?;
    }
    Ok(())
}
