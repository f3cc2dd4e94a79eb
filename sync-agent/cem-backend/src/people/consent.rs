//! What a visitor has agreed to, from everything that was said about it.
//!
//! Within one device's log the last word counts. Between devices the later time wins where both times are certain;
//! where one of the clocks was not synced, the stricter word does. A word that certainly came later (an office entry
//! after the device's event had already arrived) wins over an uncertain one.

use super::happened;
use crate::store::Result;
use cem_contract::{Consent, Event, kinds};
use rusqlite::{Connection, params};
use serde_json::Value;

/// The stream of the levels that ordinary events carry: counted only where nothing was said.
const ENVELOPE: &str = "envelope";
/// The stream of what was said at the backend itself.
const HERE: &str = "backend";

/// One word about consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// A device's log, or the office.
    pub(crate) stream: String,
    /// Its place there.
    pub(crate) position: i64,
    /// When it was said, at the earliest.
    pub(crate) earliest_ms: i64,
    /// And at the latest.
    pub(crate) latest_ms: i64,
    /// What was said.
    pub(crate) level: Consent,
}

/// The level in force. `None` where nothing was ever said.
pub(crate) fn in_force(statements: &[Statement]) -> Option<Consent> {
    let said: Vec<&Statement> = statements.iter().filter(|statement| statement.stream != ENVELOPE).collect();
    let considered = if said.is_empty() { statements.iter().collect() } else { said };
    let last_of_stream: Vec<&Statement> = considered
        .iter()
        .filter(|one| !considered.iter().any(|other| other.stream == one.stream && other.position > one.position))
        .copied()
        .collect();
    let not_overtaken = last_of_stream.iter().filter(|one| !last_of_stream.iter().any(|other| other.earliest_ms > one.latest_ms));
    not_overtaken.map(|statement| statement.level).min()
}

/// The level that holds for a survivor and all merged into it: the strictest of theirs.
pub(crate) fn of(connection: &Connection, survivor: &str) -> Result<Consent> {
    let mut levels = Vec::new();
    for member in super::visitor::members(connection, survivor)? {
        levels.extend(in_force(&statements(connection, &member)?));
    }
    Ok(levels.into_iter().min().unwrap_or_default())
}

/// Stores what an event says about its visitor's consent.
pub(super) fn of_event(connection: &Connection, visitor: &str, event: &Event, now_ms: i64) -> Result<()> {
    let text = |name: &str| event.data.get(name).and_then(Value::as_str);
    let word = match event.kind.as_str() {
        // An unknown word is the strictest: nothing is known to be allowed.
        kinds::CONSENT_CHANGED => Some(text("to").and_then(Consent::from_word).unwrap_or_default()),
        kinds::VISITOR_JOINED => event.consent,
        _ => None,
    };
    if let Some(level) = word {
        let (earliest_ms, latest_ms) = happened(event, now_ms);
        let stream = format!("{} {}", event.source, event.log);
        let statement = Statement { stream, position: event.sequence.cast_signed(), earliest_ms, latest_ms, level };
        return say(connection, visitor, &statement, text("text_version").unwrap_or_default());
    }
    let Some(level) = event.consent else { return Ok(()) };
    let mut upsert = connection.prepare_cached(
        "INSERT INTO consent(visitor, stream, position, earliest_ms, latest_ms, level, text_version)
         VALUES (?1, ?2, 0, ?3, ?3, ?4, '') ON CONFLICT DO UPDATE
         SET earliest_ms = excluded.earliest_ms, latest_ms = excluded.latest_ms, level = excluded.level
         WHERE (excluded.latest_ms, excluded.level) > (consent.latest_ms, consent.level)",
    )?;
    // A clock that runs ahead must not outlast every later word.
    upsert.execute(params![visitor, ENVELOPE, event.time_ms.min(now_ms), level.word()])?;
    Ok(())
}

/// Stores a word about a visitor's consent.
pub(crate) fn say(connection: &Connection, visitor: &str, statement: &Statement, text_version: &str) -> Result<()> {
    let Statement { stream, position, earliest_ms, latest_ms, level } = statement;
    let mut insert = connection.prepare_cached(
        "INSERT INTO consent(visitor, stream, position, earliest_ms, latest_ms, level, text_version)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
    )?;
    insert.execute(params![visitor, stream, position, earliest_ms, latest_ms, level.word(), text_version])?;
    Ok(())
}

/// A word said at the backend itself, by console, channel or seed: one stream, whose order the backend knows.
pub(crate) fn say_here(connection: &Connection, visitor: &str, level: Consent, text_version: &str, now_ms: i64) -> Result<()> {
    let position: i64 = connection
        .prepare_cached("SELECT coalesce(max(position), 0) + 1 FROM consent WHERE visitor = ?1 AND stream = ?2")?
        .query_row([visitor, HERE], |row| row.get(0))?;
    let statement = Statement { stream: HERE.to_owned(), position, earliest_ms: now_ms, latest_ms: now_ms, level };
    say(connection, visitor, &statement, text_version)
}

/// Every word said at the backend itself: whose, what, and the version of the text that was shown.
pub(crate) fn said_here(connection: &Connection) -> Result<Vec<(String, Statement, String)>> {
    let mut query = connection.prepare(
        "SELECT stream, position, earliest_ms, latest_ms, level, visitor, text_version FROM consent WHERE stream = ?1",
    )?;
    let rows = query.query_map([HERE], |row| Ok((row.get(5)?, statement(row)?, row.get(6)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Everything said about one id.
pub(super) fn statements(connection: &Connection, visitor: &str) -> Result<Vec<Statement>> {
    let mut query =
        connection.prepare_cached("SELECT stream, position, earliest_ms, latest_ms, level FROM consent WHERE visitor = ?1")?;
    let rows = query.query_map([visitor], statement)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn statement(row: &rusqlite::Row<'_>) -> rusqlite::Result<Statement> {
    Ok(Statement {
        stream: row.get(0)?,
        position: row.get(1)?,
        earliest_ms: row.get(2)?,
        latest_ms: row.get(3)?,
        level: Consent::from_word(&row.get::<_, String>(4)?).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stream: &str, position: i64, time: Option<i64>, level: Consent) -> Statement {
        let (earliest_ms, latest_ms) = time.map_or((i64::MIN, 1_000), |at| (at, at));
        Statement { stream: stream.into(), position, earliest_ms, latest_ms, level }
    }

    #[test]
    fn the_later_of_two_certain_words_wins() {
        let (a, b) = (said("a", 1, Some(10), Consent::None), said("b", 1, Some(20), Consent::Marketing));
        assert_eq!(in_force(&[a.clone(), b.clone()]), Some(Consent::Marketing));
        assert_eq!(in_force(&[b, a]), Some(Consent::Marketing));
    }

    #[test]
    fn where_a_clock_is_not_synced_the_stricter_word_wins() {
        let (a, b) = (said("a", 1, None, Consent::Service), said("b", 1, Some(20), Consent::Marketing));
        assert_eq!(in_force(&[a, b]), Some(Consent::Service));
    }

    #[test]
    fn within_a_log_the_last_word_counts_whatever_its_clock_said() {
        let words = [said("a", 1, Some(90), Consent::None), said("a", 2, Some(10), Consent::Personal)];
        assert_eq!(in_force(&words), Some(Consent::Personal));
    }

    #[test]
    fn what_was_said_after_an_uncertain_word_had_arrived_wins() {
        let words = [said("a", 1, None, Consent::None), said("office", 1, Some(1_001), Consent::Personal)];
        assert_eq!(in_force(&words), Some(Consent::Personal));
    }

    #[test]
    fn what_events_carry_counts_only_where_nothing_was_said() {
        let carried = said(ENVELOPE, 0, Some(99), Consent::Personal);
        assert_eq!(in_force(std::slice::from_ref(&carried)), Some(Consent::Personal));
        assert_eq!(in_force(&[carried, said("a", 1, Some(1), Consent::None)]), Some(Consent::None));
        assert_eq!(in_force(&[]), None);
    }
}
