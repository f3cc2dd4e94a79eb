//! Taking a batch: each event is judged in the contract's order, for ever, and what has to be folded because of it is
//! written down in the same transaction.
//!
//! 1. Its `id` is stored for this `source`: `duplicate`, and its number counts as seen.
//! 2. Its number is used by another id: `conflict`.
//! 3. Its number was seen only as this id's own rejection: judged afresh.
//! 4. Otherwise it is judged: `accepted`, or `rejected` for ever (and its number counts as seen).
//!
//! An event of a source that the token may not write for is rejected alone and leaves no trace.

mod incoming;
mod seen;

pub(crate) use incoming::{Incoming, NoBatch, read_batch};

use crate::{people, store::Result};
use cem_contract::{Acked, BatchAnswer, Event, EventResult, Invalid, Resend, Status};
use rusqlite::{Connection, OptionalExtension, params};
use seen::Marks;
use uuid::Uuid;

/// Runs of missing numbers in one answer; the next answer asks for the rest.
const RESEND_RUNS: usize = 100;

/// What a token may write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MayWrite {
    /// Events of exactly this source.
    Source(String),
    /// Events of every source under this one.
    Under(String),
}

impl MayWrite {
    fn allows(&self, source: &str) -> bool {
        match self {
            Self::Source(own) => source == own,
            Self::Under(root) => source.strip_prefix(root.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/')),
        }
    }
}

/// Judges and stores a batch. Must run inside the writer: what it answers is true only after the commit.
pub(crate) fn take(connection: &Connection, may: &MayWrite, batch: &[Incoming], now_ms: i64) -> Result<BatchAnswer> {
    let mut taking = Taking { connection, now_ms, source: None, marks: Marks::default(), touched: people::Touched::default() };
    let results = batch.iter().map(|incoming| taking.one(may, incoming)).collect::<Result<_>>()?;
    let Taking { marks, touched, .. } = taking;
    let mut resend = Vec::new();
    for (log, runs) in marks.write(connection)? {
        let room = RESEND_RUNS.saturating_sub(resend.len());
        let source = source_name(connection, log.source)?;
        resend.extend(seen::gaps(&runs).take(room).map(|(from, to)| Resend { source: source.clone(), log: log.log, from, to }));
    }
    people::note(connection, touched, now_ms)?;
    Ok(BatchAnswer { results, resend })
}

struct Taking<'a> {
    connection: &'a Connection,
    now_ms: i64,
    /// The last source and its number: mostly a batch has one.
    source: Option<(&'a str, i64)>,
    marks: Marks,
    touched: people::Touched,
}

/// An id and number that are well formed, whatever else may be wrong with the event.
struct Place {
    source: i64,
    id: Uuid,
    /// Log and number, where the event has both.
    number: Option<(Uuid, u64)>,
}

impl<'a> Taking<'a> {
    fn one(&mut self, may: &MayWrite, incoming: &'a Incoming) -> Result<EventResult> {
        let (status, reason) = self.judge(may, incoming)?;
        Ok(EventResult { id: incoming.id_text.clone(), status, reason })
    }

    fn judge(&mut self, may: &MayWrite, incoming: &'a Incoming) -> Result<(Status, Option<String>)> {
        let reject = |invalid: &Invalid| Ok((Status::Rejected, Some(invalid.to_string())));
        match &incoming.source {
            Some(source) if may.allows(source) => {}
            Some(_) => return Ok((Status::Rejected, Some("source: not one that this token may write for".to_owned()))),
            None => return reject(&incoming.wrong()),
        }
        let source = self.source_number(incoming.source.as_deref().unwrap_or_default())?;
        let Some(id) = incoming.id else {
            // It has no name under which it could come back repaired, so its number stays free for another.
            if let Some((log, sequence)) = incoming.number {
                self.marks.add(source, log, sequence, sequence);
            }
            return reject(&incoming.wrong());
        };
        let place = Place { source, id, number: incoming.number };
        if self.is_stored(&place)? {
            self.use_number(&place, false)?;
            return Ok((Status::Duplicate, None));
        }
        if self.number_is_taken(&place)? {
            return Ok((Status::Conflict, Some("number used by another event".to_owned())));
        }
        match &incoming.event {
            Err(invalid) => {
                self.use_number(&place, true)?;
                reject(invalid)
            }
            Ok(event) => {
                self.use_number(&place, false)?;
                self.accept(source, event, &incoming.raw)?;
                Ok((Status::Accepted, None))
            }
        }
    }

    fn source_number(&mut self, name: &'a str) -> Result<i64> {
        if let Some((last, n)) = self.source
            && last == name
        {
            return Ok(n);
        }
        let n = intern(self.connection, name)?;
        self.source = Some((name, n));
        Ok(n)
    }

    fn is_stored(&self, place: &Place) -> Result<bool> {
        let mut query = self.connection.prepare_cached("SELECT 1 FROM event WHERE source = ?1 AND id = ?2")?;
        Ok(query.exists(params![place.source, place.id.as_bytes()])?)
    }

    fn number_is_taken(&self, place: &Place) -> Result<bool> {
        let Some((log, sequence)) = place.number else { return Ok(false) };
        let mut query = self
            .connection
            .prepare_cached("SELECT 1 FROM number WHERE source = ?1 AND log = ?2 AND sequence = ?3 AND id <> ?4")?;
        Ok(query.exists(params![place.source, log.as_bytes(), sequence.cast_signed(), place.id.as_bytes()])?)
    }

    /// Writes down that this id has used its number, if nobody has before.
    fn use_number(&mut self, place: &Place, rejected: bool) -> Result<()> {
        let Some((log, sequence)) = place.number else { return Ok(()) };
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO number(source, log, sequence, id, rejected) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET rejected = excluded.rejected WHERE number.id = excluded.id",
        )?;
        insert.execute(params![place.source, log.as_bytes(), sequence.cast_signed(), place.id.as_bytes(), rejected])?;
        self.marks.add(place.source, log, sequence, sequence);
        Ok(())
    }

    fn accept(&mut self, source: i64, event: &Event, raw: &str) -> Result<()> {
        if event.kind == cem_contract::kinds::LOG_LOST
            && let Some((log, from, to)) = incoming::lost(&event.data)
        {
            self.marks.add(source, log, from, to);
        }
        people::take(self.connection, &mut self.touched, source, event, raw, self.now_ms)
    }
}

/// What to ask a device for that has settled more than is known here, as after a restore from a backup.
pub(crate) fn lacking(connection: &Connection, source: &str, acked: &[Acked]) -> Result<Vec<Resend>> {
    let mut resend = Vec::new();
    let n = intern(connection, source)?;
    for Acked { log, sequence } in acked.iter().take(RESEND_RUNS) {
        // No log has more numbers than fit into a file's integers.
        let settled = (*sequence).min(i64::MAX as u64);
        let runs = seen::lost_end(connection, seen::LogKey { source: n, log: *log }, settled)?;
        let room = RESEND_RUNS - resend.len();
        resend.extend(runs.into_iter().take(room).map(|(from, to)| Resend { source: source.to_owned(), log: *log, from, to }));
    }
    Ok(resend)
}

/// The number by which a source is stored.
pub(crate) fn intern(connection: &Connection, name: &str) -> Result<i64> {
    let known: Option<i64> =
        connection.prepare_cached("SELECT n FROM source WHERE name = ?1")?.query_row([name], |row| row.get(0)).optional()?;
    if let Some(n) = known {
        return Ok(n);
    }
    connection.prepare_cached("INSERT INTO source(name) VALUES (?1)")?.execute([name])?;
    Ok(connection.last_insert_rowid())
}

fn source_name(connection: &Connection, n: i64) -> Result<String> {
    Ok(connection.prepare_cached("SELECT name FROM source WHERE n = ?1")?.query_row([n], |row| row.get(0))?)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
