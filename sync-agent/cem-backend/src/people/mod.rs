//! What events mean for persons: visits, visitors, consent, erasure. Everything here runs inside the writer and depends
//! on which events are stored, never on the order in which they came.
//!
//! Who is who, who has agreed to what and who is to be forgotten is decided in the transaction that stores the event.
//! Visits and profiles, which are only views of it, are made later: that transaction writes down which ones have become
//! old, and [`catch_up`] makes them afresh, when nothing waits or when somebody is going to look. So an event is
//! acknowledged without waiting for that, and a crash between forgets nothing.

pub(crate) mod agreed;
pub(crate) mod clock;
pub(crate) mod consent;
pub(crate) mod erase;
mod usual;
mod visit;
pub(crate) mod visitor;
mod visits;

use crate::{
    cards, codes, feed,
    store::{Result, StoreError},
};
use cem_contract::{Clock, Consent, Event, kinds};
use rusqlite::{Connection, params};
use serde_json::Value;
use std::collections::BTreeSet;

const VISIT: i64 = 0;
const VISITOR: i64 = 1;
/// Rows of the list that are read at once.
const FOLDED_AT_ONCE: usize = 256;

/// What the events of one request have touched, to be noted once at its end.
#[derive(Default)]
pub(crate) struct Touched {
    /// Visits by id.
    pub(crate) visits: BTreeSet<String>,
    /// Visitors by id.
    pub(crate) visitors: BTreeSet<String>,
    /// Sources that wrote.
    sources: BTreeSet<String>,
    /// What was told about the clocks of devices.
    clocks: clock::Told,
}

/// Stores an accepted event and notes what it touches.
pub(crate) fn take(
    connection: &Connection,
    touched: &mut Touched,
    source: i64,
    event: &Event,
    raw: &str,
    now_ms: i64,
) -> Result<()> {
    let text = |name: &str| event.data.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let token = text("token");
    let erased = erase::is_erased(connection, event, token)?;
    let nameless = is_nameless(event).then(|| Event { visitor: None, ..event.clone() });
    let event = nameless.as_ref().unwrap_or(event);
    let rewritten = match (erased, &nameless) {
        (true, _) => Some(erase::scrub(raw)?),
        (false, Some(_)) => Some(without_visitor(raw)?),
        (false, None) => None,
    };
    let mut insert = connection.prepare_cached(
        "INSERT INTO event(source, id, log, sequence, type, time_ms, received_ms, visitid, visitor, token, ord, erased, body, clock)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?;
    insert.execute(params![
        source,
        event.id.as_bytes(),
        event.log.as_bytes(),
        event.sequence.cast_signed(),
        event.kind,
        event.time_ms,
        now_ms,
        event.visitid,
        event.visitor.as_deref().filter(|_| !erased),
        token.filter(|_| !erased),
        text("order"),
        erased,
        rewritten.as_deref().unwrap_or(raw),
        clock::rank(event.clock),
    ])?;
    let n = connection.last_insert_rowid();
    clock::hear(connection, &mut touched.clocks, source, n, event)?;
    touch_visits(connection, touched, event.visitid.as_deref(), text("order"))?;
    touched.sources.insert(event.source.clone());
    if erased {
        erase::late(connection, touched, event, token, now_ms)?;
    } else {
        codes::learn_page(connection, event)?;
        if let Some(token) = token {
            cards::tapped(connection, source, event, token, now_ms)?;
        }
        take_person(connection, touched, n, event, token, now_ms)?;
    }
    feed::of_event(connection, n, event, now_ms)
}

/// Without any consent an event names nobody, whoever wrote it. Joining, withdrawing and asking to be forgotten do: they are
/// what the person said.
fn is_nameless(event: &Event) -> bool {
    let said = matches!(event.kind.as_str(), kinds::CONSENT_CHANGED | kinds::VISITOR_JOINED | kinds::VISITOR_ERASURE_REQUESTED);
    event.consent == Some(Consent::None) && event.visitor.is_some() && !said
}

fn without_visitor(raw: &str) -> Result<String> {
    let mut members: serde_json::Map<String, Value> = serde_json::from_str(raw)?;
    members.remove("visitor");
    Ok(serde_json::to_string(&members)?)
}

/// Settles times, and writes down what is to be folded afresh.
pub(crate) fn note(connection: &Connection, mut touched: Touched, now_ms: i64) -> Result<()> {
    clock::settle(connection, &mut touched)?;
    let mut insert = connection.prepare_cached("INSERT INTO unfolded(kind, id) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    for (kind, ids) in [(VISIT, &touched.visits), (VISITOR, &touched.visitors)] {
        for id in ids {
            insert.execute(params![kind, id])?;
        }
    }
    for source in touched.sources {
        feed::device_wrote(connection, &source, now_ms)?;
    }
    Ok(())
}

/// Notes and folds at once, with whatever else was to be folded.
pub(crate) fn fold(connection: &Connection, touched: Touched, now_ms: i64) -> Result<()> {
    note(connection, touched, now_ms)?;
    catch_up(connection, usize::MAX, now_ms)
}

/// Whether there are more than `beyond` visits and visitors to fold.
pub(crate) fn is_behind(connection: &Connection, beyond: usize) -> Result<bool> {
    let mut query = connection.prepare_cached("SELECT 1 FROM unfolded LIMIT 1 OFFSET ?1")?;
    Ok(query.exists([beyond as i64])?)
}

/// Folds at most `most` of what is to be folded: visits first, because profiles are made of them.
pub(crate) fn catch_up(connection: &Connection, most: usize, now_ms: i64) -> Result<()> {
    let mut left = most;
    while left > 0 {
        let batch = left.min(FOLDED_AT_ONCE);
        let mut query = connection.prepare_cached("SELECT kind, id FROM unfolded ORDER BY kind, id LIMIT ?1")?;
        let rows = query.query_map([batch as i64], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
        let rows: Vec<_> = rows.collect::<rusqlite::Result<_>>()?;
        if rows.is_empty() {
            break;
        }
        left -= rows.len();
        let mut visitors = BTreeSet::new();
        let mut delete = connection.prepare_cached("DELETE FROM unfolded WHERE kind = ?1 AND id = ?2")?;
        for (kind, id) in &rows {
            let folded = match *kind {
                VISIT => visits::refold(connection, id, &mut visitors),
                _ => visitor::refold(connection, id, now_ms),
            };
            match folded {
                // One that cannot be read keeps its old view, and nobody else from theirs.
                Err(StoreError::Damaged(error)) => tracing::error!(kind, %error, "a stored document cannot be folded"),
                other => other?,
            }
            delete.execute(params![kind, id])?;
        }
        note(connection, Touched { visitors, ..Touched::default() }, now_ms)?;
    }
    Ok(())
}

/// The visit that an event names, or those in which the order it speaks of was placed: the kitchen knows no visits.
fn touch_visits(connection: &Connection, touched: &mut Touched, visit: Option<&str>, order: Option<&str>) -> Result<()> {
    if let Some(visit) = visit {
        touched.visits.insert(visit.to_owned());
        return Ok(());
    }
    let Some(order) = order else { return Ok(()) };
    let mut query = connection.prepare_cached(
        "SELECT DISTINCT visitid FROM event WHERE ord = ?1 AND type = 'cem.order.placed.v1' AND visitid IS NOT NULL",
    )?;
    for visit in query.query_map([order], |row| row.get(0))? {
        touched.visits.insert(visit?);
    }
    Ok(())
}

fn take_person(
    connection: &Connection,
    touched: &mut Touched,
    n: i64,
    event: &Event,
    token: Option<&str>,
    now_ms: i64,
) -> Result<()> {
    if event.kind == kinds::LOYALTY_EARNED || event.kind == kinds::LOYALTY_BURNED {
        take_points(connection, n, event)?;
    }
    let Some(id) = event.visitor.as_deref().filter(|id| !id.is_empty()) else { return Ok(()) };
    visitor::know(connection, id)?;
    touched.visitors.insert(id.to_owned());
    consent::of_event(connection, id, event, now_ms)?;
    if let (kinds::VISITOR_JOINED, Some(token)) = (event.kind.as_str(), token) {
        visitor::claim(connection, touched, token, id, now_ms)?;
    }
    if event.kind == kinds::VISITOR_ERASURE_REQUESTED {
        erase::person(connection, touched, id, now_ms)?;
    }
    Ok(())
}

/// A ledger entry counts once, however many events speak of it.
fn take_points(connection: &Connection, n: i64, event: &Event) -> Result<()> {
    let number = |value: &Value| value.as_i64().or_else(|| value.as_f64().map(|float| float as i64));
    let (Some(entry), Some(points)) =
        (event.data.get("entry").and_then(Value::as_str), event.data.get("points").and_then(number))
    else {
        return Ok(());
    };
    let signed = if event.kind == kinds::LOYALTY_BURNED { -points.saturating_abs() } else { points };
    let mut insert = connection.prepare_cached(
        "INSERT INTO ledger(entry, visitor, visitid, points, at_ms, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?;
    insert.execute(params![entry, event.visitor, event.visitid, signed, event.time_ms, n])?;
    Ok(())
}

/// The interval in which an event certainly happened: with a synced clock when it says, otherwise before it arrived.
fn happened(event: &Event, now_ms: i64) -> (i64, i64) {
    match event.clock {
        Clock::Synced => (event.time_ms, event.time_ms),
        Clock::Estimated | Clock::Unset => (i64::MIN, now_ms),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
