//! Erasure: what is left of a person names nobody. What an erased event keeps is the contract's to say
//! ([`cem_contract::erase`]).

use super::{Touched, visitor};
use crate::{cards, feed, store::Result};
pub(crate) use cem_contract::erase::scrub;
use cem_contract::{Clock, Erasure, Event, kinds};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

/// Whether an event is of a person who has been erased. A guest who joins anew with the same card is a new person from
/// then on: the card may be used again, what came before stays erased.
pub(super) fn is_erased(connection: &Connection, event: &Event, token: Option<&str>) -> Result<bool> {
    if !connection.prepare_cached("SELECT 1 FROM erasure LIMIT 1")?.exists([])? {
        return Ok(false);
    }
    let exists = |query: &str, key: &str| -> Result<bool> { Ok(connection.prepare_cached(query)?.exists([key])?) };
    if let Some(visit) = &event.visitid
        && exists("SELECT 1 FROM erased_visit WHERE id = ?1", visit)?
    {
        return Ok(true);
    }
    if let Some(visitor) = &event.visitor
        && exists("SELECT 1 FROM erased_visitor WHERE id = ?1", visitor)?
    {
        return Ok(true);
    }
    if let (None, Some(order)) = (&event.visitid, event.data.get("order").and_then(Value::as_str))
        && exists("SELECT 1 FROM event WHERE ord = ?1 AND type = 'cem.order.placed.v1' AND erased = 1", order)?
    {
        return Ok(true);
    }
    let Some(token) = token else { return Ok(false) };
    let row: Option<(i64, Option<i64>)> = connection
        .prepare_cached("SELECT at_ms, rejoined_ms FROM erased_token WHERE token = ?1")?
        .query_row([token], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((at_ms, rejoined_ms)) = row else { return Ok(false) };
    let joins_anew = event.kind == kinds::VISITOR_JOINED && event.clock == Clock::Synced && event.time_ms > at_ms;
    if joins_anew && rejoined_ms.is_none_or(|known| event.time_ms < known) {
        connection
            .prepare_cached("UPDATE erased_token SET rejoined_ms = ?2 WHERE token = ?1")?
            .execute(params![token, event.time_ms])?;
        return Ok(false);
    }
    Ok(rejoined_ms.is_none_or(|rejoined| event.time_ms < rejoined))
}

/// A late event of an erased person was stored: whatever it links to the person goes the same way.
pub(super) fn late(
    connection: &Connection,
    touched: &mut Touched,
    event: &Event,
    token: Option<&str>,
    now_ms: i64,
) -> Result<()> {
    if let Some(visit) = &event.visitid {
        erase_visit(connection, touched, visit)?;
    }
    let (Some(visitor), Some(token)) = (event.visitor.as_deref(), token) else { return Ok(()) };
    if is_erased_visitor(connection, visitor)? {
        // Only now it is known that this card was theirs, too.
        if !connection.prepare_cached("SELECT 1 FROM erased_token WHERE token = ?1")?.exists([token])? {
            record(connection, visitor, &[], &[token.to_owned()], now_ms)?;
            erase_token(connection, touched, token, now_ms)?;
        }
    } else if event.kind == kinds::VISITOR_JOINED {
        // A kiosk that was offline made a second id for the erased card: it is the same person.
        visitor::claim(connection, touched, token, visitor, now_ms)?;
        person(connection, touched, visitor, now_ms)?;
    }
    Ok(())
}

/// Erases a person: all merged ids, all their events, visits, notes. Ids that are not known yet are erased too, because
/// their events may still be on their way. Doing it again does nothing.
pub(crate) fn person(connection: &Connection, touched: &mut Touched, id: &str, now_ms: i64) -> Result<()> {
    if is_erased_visitor(connection, id)? {
        return Ok(());
    }
    visitor::know(connection, id)?;
    let survivor = visitor::survivor(connection, id)?.unwrap_or_else(|| id.to_owned());
    let members = visitor::members(connection, &survivor)?;
    let tokens = all_tokens(connection, &survivor, &members)?;
    let merged: Vec<String> = members.iter().filter(|member| **member != survivor).cloned().collect();
    record(connection, &survivor, &merged, &tokens, now_ms)?;
    for member in &members {
        forget(connection, touched, member)?;
    }
    for token in &tokens {
        erase_token(connection, touched, token, now_ms)?;
    }
    Ok(())
}

/// Does an erasure of another database here, as of when it was asked for: who joined since is a new person.
pub(crate) fn again(connection: &Connection, touched: &mut Touched, erasure: &Erasure, at_ms: i64) -> Result<()> {
    for id in std::iter::once(&erasure.visitor).chain(&erasure.merged) {
        person(connection, touched, id, at_ms)?;
    }
    for token in &erasure.tokens {
        if !connection.prepare_cached("SELECT 1 FROM erased_token WHERE token = ?1")?.exists([token])? {
            record(connection, &erasure.visitor, &[], std::slice::from_ref(token), at_ms)?;
            erase_token(connection, touched, token, at_ms)?;
        }
    }
    Ok(())
}

/// Adds an entry to the list of what every kiosk must forget.
fn record(connection: &Connection, visitor: &str, merged: &[String], tokens: &[String], now_ms: i64) -> Result<()> {
    connection
        .prepare_cached("INSERT INTO erasure(visitor, merged, tokens, at_ms) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![visitor, serde_json::to_string(merged)?, serde_json::to_string(tokens)?, now_ms])?;
    feed::erasure(connection, connection.last_insert_rowid(), now_ms)
}

/// Erases what is known by a token: its visits, its events, and whoever else claims it, who is the same person.
fn erase_token(connection: &Connection, touched: &mut Touched, token: &str, now_ms: i64) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO erased_token(token, at_ms) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms, rejoined_ms = NULL",
        )?
        .execute(params![token, now_ms])?;
    cards::forget(connection, token)?;
    let visits =
        visitor::strings(connection, "SELECT DISTINCT visitid FROM event WHERE token = ?1 AND visitid IS NOT NULL", token)?;
    for visit in visits {
        erase_visit(connection, touched, &visit)?;
    }
    scrub_where(connection, "token = ?1", token)?;
    for other in visitor::strings(connection, "SELECT visitor FROM claim WHERE token = ?1", token)? {
        person(connection, touched, &other, now_ms)?;
    }
    Ok(())
}

fn is_erased_visitor(connection: &Connection, id: &str) -> Result<bool> {
    Ok(connection.prepare_cached("SELECT 1 FROM erased_visitor WHERE id = ?1")?.exists([id])?)
}

/// Tokens that a person claimed, and those by which they were recognised in their own visits.
fn all_tokens(connection: &Connection, survivor: &str, members: &[String]) -> Result<Vec<String>> {
    let mut tokens = visitor::tokens(connection, survivor)?;
    for member in members {
        tokens.extend(visitor::strings(
            connection,
            "SELECT DISTINCT token FROM event WHERE visitor = ?1 AND token IS NOT NULL",
            member,
        )?);
        tokens.extend(visitor::strings(connection, "SELECT token FROM guest_code WHERE visitor = ?1", member)?);
    }
    tokens.sort();
    tokens.dedup();
    Ok(tokens)
}

fn forget(connection: &Connection, touched: &mut Touched, member: &str) -> Result<()> {
    connection.prepare_cached("INSERT INTO erased_visitor(id) VALUES (?1) ON CONFLICT DO NOTHING")?.execute([member])?;
    let visits = visitor::strings(
        connection,
        "SELECT id FROM visit WHERE visitor = ?1
         UNION SELECT visitid FROM event WHERE visitor = ?1 AND visitid IS NOT NULL",
        member,
    )?;
    for visit in visits {
        erase_visit(connection, touched, &visit)?;
    }
    scrub_where(connection, "visitor = ?1", member)?;
    for delete in [
        "DELETE FROM claim WHERE visitor = ?1",
        "DELETE FROM guest_code WHERE visitor = ?1",
        "DELETE FROM consent WHERE visitor = ?1",
        "DELETE FROM ledger WHERE visitor = ?1",
        "DELETE FROM note WHERE visitor = ?1",
        "DELETE FROM store_visitor WHERE visitor = ?1",
        "DELETE FROM feed WHERE kind IN ('visitor', 'visitor_removed') AND ref = ?1",
        "UPDATE audit SET visitor = NULL WHERE visitor = ?1",
        "DELETE FROM visitor WHERE id = ?1",
    ] {
        connection.prepare_cached(delete)?.execute([member])?;
    }
    touched.visitors.remove(member);
    Ok(())
}

fn erase_visit(connection: &Connection, touched: &mut Touched, visit: &str) -> Result<()> {
    connection.prepare_cached("INSERT INTO erased_visit(id) VALUES (?1) ON CONFLICT DO NOTHING")?.execute([visit])?;
    connection.prepare_cached("DELETE FROM ledger WHERE visitid = ?1")?.execute([visit])?;
    connection
        .prepare_cached("DELETE FROM guest_page WHERE ord IN (SELECT ord FROM event WHERE visitid = ?1 AND ord IS NOT NULL)")?
        .execute([visit])?;
    scrub_where(connection, "visitid = ?1", visit)?;
    scrub_where(
        connection,
        "visitid IS NULL AND ord IN (SELECT ord FROM event WHERE visitid = ?1 AND type = 'cem.order.placed.v1')",
        visit,
    )?;
    touched.visits.insert(visit.to_owned());
    Ok(())
}

fn scrub_where(connection: &Connection, condition: &str, key: &str) -> Result<()> {
    let mut query = connection.prepare_cached(&format!("SELECT n, body FROM event WHERE {condition} AND erased = 0"))?;
    let rows: Vec<(i64, String)> =
        query.query_map([key], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let mut update =
        connection.prepare_cached("UPDATE event SET body = ?2, erased = 1, visitor = NULL, token = NULL WHERE n = ?1")?;
    for (n, body) in rows {
        update.execute(params![n, scrub(&body)?])?;
    }
    Ok(())
}
