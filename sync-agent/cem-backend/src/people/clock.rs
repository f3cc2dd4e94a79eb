//! When it happened, by devices whose clock was not synced.
//!
//! A board without a battery wakes up in 1970. Its events keep the `time` that they came with; the best time known is
//! stored beside it and is what visits and histories show:
//!
//! - In a boot of which a sample of the backend's clock is known (`cem.device.clock_sampled.v1`): the sample less the
//!   difference of uptimes; of several samples the nearest. A sample that arrives later corrects its boot again.
//! - A boot without a sample lies between its neighbours in the log: after the end of the sampled boot before it, and
//!   so early that it ends before the next one begins; within that, where its own clock says. Marked `estimated`. A
//!   clock that became synced later in the boot vouches for what came before.
//! - Nothing happened after it arrived here.
//!
//! All this depends on which events are stored, not on the order in which they came. Order is never made from these
//! times: within a log it is by number.

use super::{Touched, touch_visits};
use crate::store::Result;
use cem_contract::{Clock, Event, kinds, time};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Boots without a sample that are looked at on either side of one. A month of daily restarts without network is half.
const WINDOW: i64 = 64;

/// How far a stored time can be trusted; the least certain is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Certainty {
    /// The device's clock was synced.
    Synced,
    /// By a sample of the backend's clock.
    Corrected,
    /// Between neighbours, or by a clock that nobody vouches for.
    Estimated,
    /// Nobody knows.
    Unset,
}

impl Certainty {
    /// As stored.
    pub(crate) fn of(stored: i64) -> Self {
        match stored {
            0 => Self::Synced,
            1 => Self::Corrected,
            2 => Self::Estimated,
            _ => Self::Unset,
        }
    }

    /// The word that marks such a time; none where the device's own is as good.
    pub(crate) fn mark(self) -> Option<&'static str> {
        match self {
            Self::Synced => None,
            Self::Corrected => Some("corrected"),
            Self::Estimated => Some("estimated"),
            Self::Unset => Some("unset"),
        }
    }
}

/// The quality of an event's own clock, as stored: the best is the least.
pub(super) fn rank(clock: Clock) -> i64 {
    match clock {
        Clock::Synced => 0,
        Clock::Estimated => 1,
        Clock::Unset => 2,
    }
}

/// What the events of one request tell about clocks, to be settled once at its end.
#[derive(Default)]
pub(super) struct Told {
    boots: BTreeMap<BootKey, Span>,
    /// Boots with new samples, and the uptimes of those.
    samples: BTreeMap<(i64, String), BTreeSet<i64>>,
    /// Events that need a corrected time, by row.
    events: BTreeSet<i64>,
}

/// A boot within a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct BootKey {
    source: i64,
    log: [u8; 16],
    boot: String,
}

/// What is known of a boot within a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: i64,
    last_uptime_ms: i64,
    /// Quality of the best clock it had, and the number of the first event that had it.
    own: (i64, i64),
    /// When it began by that clock; `None` where that was unset.
    own_start_ms: Option<i64>,
}

impl Span {
    fn of(event: &Event, uptime_ms: i64) -> Self {
        let sequence = event.sequence.cast_signed();
        let start_ms = event.time_ms.saturating_sub(uptime_ms);
        Self {
            first: sequence,
            last_uptime_ms: uptime_ms,
            own: (rank(event.clock), sequence),
            own_start_ms: (event.clock != Clock::Unset).then_some(start_ms),
        }
    }

    /// The same whichever of the two came first.
    fn join(self, other: Self) -> Self {
        let better = if other.own < self.own { other } else { self };
        Self {
            first: self.first.min(other.first),
            last_uptime_ms: self.last_uptime_ms.max(other.last_uptime_ms),
            own: better.own,
            own_start_ms: better.own_start_ms,
        }
    }
}

/// Notes what a stored event tells about its device's clock.
pub(super) fn hear(connection: &Connection, told: &mut Told, source: i64, n: i64, event: &Event) -> Result<()> {
    if event.kind == kinds::DEVICE_CLOCK_SAMPLED
        && let Some(sample) = Sample::read(&event.data)
    {
        sample.store(connection, source)?;
        told.samples.entry((source, sample.boot)).or_default().insert(sample.uptime_ms);
    }
    let boot = event.boot.as_deref().filter(|boot| !boot.is_empty()).zip(event.uptime_ms.and_then(|ms| i64::try_from(ms).ok()));
    if event.clock != Clock::Synced {
        let mut place = connection.prepare_cached("UPDATE event SET boot = ?2, uptime_ms = ?3 WHERE n = ?1")?;
        place.execute(params![n, boot.map(|(boot, _)| boot), boot.map(|(_, uptime_ms)| uptime_ms)])?;
        told.events.insert(n);
    }
    let Some((boot, uptime_ms)) = boot else { return Ok(()) };
    let span = Span::of(event, uptime_ms);
    let key = BootKey { source, log: *event.log.as_bytes(), boot: boot.to_owned() };
    told.boots.entry(key).and_modify(|known| *known = known.join(span)).or_insert(span);
    Ok(())
}

/// Corrects what is new, and what is known better now; adds the visits and visitors whose times have changed.
pub(super) fn settle(connection: &Connection, touched: &mut Touched) -> Result<()> {
    let Told { boots, samples, mut events } = std::mem::take(&mut touched.clocks);
    let mut gaps = BTreeSet::new();
    for (key, span) in boots {
        let place = merge(connection, &key, span)?;
        gaps.extend(place.gaps(&key));
    }
    for ((source, boot), uptimes) in samples {
        gaps.extend(mark_sampled(connection, source, &boot)?);
        for uptime_ms in uptimes {
            events.extend(nearest_to(connection, source, &boot, uptime_ms)?);
        }
    }
    for Gap { source, log, at } in gaps {
        estimate(connection, source, &log, at, &mut events)?;
    }
    for n in events {
        correct(connection, touched, n)?;
    }
    Ok(())
}

/// Does for events that an earlier version stored what is done for new ones, and folds them again.
pub(crate) fn learn_stored(connection: &Connection) -> anyhow::Result<()> {
    let mut touched = Touched::default();
    let mut latest_ms = 0;
    let mut query = connection.prepare("SELECT n, source, received_ms, body FROM event ORDER BY n")?;
    let mut clock = connection.prepare("UPDATE event SET clock = ?2 WHERE n = ?1")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (n, body): (i64, String) = (row.get(0)?, row.get(3)?);
        latest_ms = latest_ms.max(row.get(2)?);
        let Ok(event) = Event::parse(&body) else { continue };
        clock.execute(params![n, rank(event.clock)])?;
        hear(connection, &mut touched.clocks, row.get(1)?, n, &event)?;
    }
    drop(rows);
    Ok(super::fold(connection, touched, latest_ms)?)
}

/// A sample of the backend's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sample {
    boot: String,
    uptime_ms: i64,
    backend_ms: i64,
    round_trip_ms: i64,
}

impl Sample {
    fn read(data: &Value) -> Option<Self> {
        let text = |name: &str| data.get(name).and_then(Value::as_str);
        Some(Self {
            boot: text("boot").filter(|boot| !boot.is_empty())?.to_owned(),
            uptime_ms: text("uptime")?.parse().ok().filter(|ms| *ms >= 0)?,
            backend_ms: time::parse_rfc3339(text("backend_time")?)?,
            round_trip_ms: data.get("round_trip_ms").and_then(Value::as_i64).unwrap_or(i64::MAX),
        })
    }

    /// Of two at the same moment the one that was on its way for a shorter time stays.
    fn store(&self, connection: &Connection, source: i64) -> Result<()> {
        let mut upsert = connection.prepare_cached(
            "INSERT INTO clock_sample(source, boot, uptime_ms, backend_ms, round_trip_ms) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET backend_ms = excluded.backend_ms, round_trip_ms = excluded.round_trip_ms
             WHERE (excluded.round_trip_ms, excluded.backend_ms) < (clock_sample.round_trip_ms, clock_sample.backend_ms)",
        )?;
        upsert.execute(params![source, self.boot, self.uptime_ms, self.backend_ms, self.round_trip_ms])?;
        Ok(())
    }
}

/// A run of boots without a sample between two that have one; `at` lies in it or at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Gap {
    source: i64,
    log: [u8; 16],
    at: i64,
}

/// Where a boot lies in its log, and what became of it.
struct Merged {
    first: i64,
    sampled: bool,
    /// The boots before it must be looked at again, too.
    moved: bool,
}

impl Merged {
    fn gaps(self, key: &BootKey) -> impl Iterator<Item = Gap> {
        let gap = |at| Gap { source: key.source, log: key.log, at };
        let before = (!self.sampled || self.moved).then(|| gap(self.first));
        before.into_iter().chain(self.sampled.then(|| gap(self.first + 1)))
    }
}

fn span_of(row: &Row<'_>) -> rusqlite::Result<Span> {
    Ok(Span { first: row.get(0)?, last_uptime_ms: row.get(1)?, own: (row.get(2)?, row.get(3)?), own_start_ms: row.get(4)? })
}

fn merge(connection: &Connection, key: &BootKey, new: Span) -> Result<Merged> {
    let known: Option<(Span, bool)> = connection
        .prepare_cached(
            "SELECT first, last_uptime_ms, own_clock, own_sequence, own_start_ms, sampled FROM clock_boot
             WHERE source = ?1 AND log = ?2 AND boot = ?3",
        )?
        .query_row(params![key.source, key.log, key.boot], |row| Ok((span_of(row)?, row.get(5)?)))
        .optional()?;
    let sampled = match known {
        Some((_, sampled)) => sampled,
        None => connection
            .prepare_cached("SELECT 1 FROM clock_sample WHERE source = ?1 AND boot = ?2")?
            .exists(params![key.source, key.boot])?,
    };
    let span = known.map_or(new, |(known, _)| known.join(new));
    let mut upsert = connection.prepare_cached(
        "INSERT INTO clock_boot(source, log, boot, first, last_uptime_ms, own_clock, own_sequence, own_start_ms, sampled)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO UPDATE SET first = excluded.first,
         last_uptime_ms = excluded.last_uptime_ms, own_clock = excluded.own_clock, own_sequence = excluded.own_sequence,
         own_start_ms = excluded.own_start_ms",
    )?;
    let (own_clock, own_sequence) = span.own;
    upsert.execute(params![
        key.source,
        key.log,
        key.boot,
        span.first,
        span.last_uptime_ms,
        own_clock,
        own_sequence,
        span.own_start_ms,
        sampled
    ])?;
    Ok(Merged { first: span.first, sampled, moved: known.is_none_or(|(known, _)| known.first != span.first) })
}

/// A sample is known of this boot, in whichever log of the device it is: gives the gaps that it bounds.
fn mark_sampled(connection: &Connection, source: i64, boot: &str) -> Result<Vec<Gap>> {
    connection
        .prepare_cached("UPDATE clock_boot SET sampled = 1, start_ms = NULL WHERE source = ?1 AND boot = ?2")?
        .execute(params![source, boot])?;
    let mut query = connection.prepare_cached("SELECT log, first FROM clock_boot WHERE source = ?1 AND boot = ?2")?;
    let rows = query.query_map(params![source, boot], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, i64>(1)?)))?;
    let mut gaps = Vec::new();
    for row in rows {
        let (log, first) = row?;
        gaps.extend([first, first + 1].map(|at| Gap { source, log, at }));
    }
    Ok(gaps)
}

/// The events of a boot for which a sample at this uptime may be the nearest.
fn nearest_to(connection: &Connection, source: i64, boot: &str, uptime_ms: i64) -> Result<Vec<i64>> {
    let mut query = connection.prepare_cached(
        "SELECT n FROM event WHERE source = ?1 AND boot = ?2
         AND uptime_ms > (SELECT coalesce(max(uptime_ms), -1) FROM clock_sample WHERE source = ?1 AND boot = ?2 AND uptime_ms < ?3)
         AND uptime_ms <= (SELECT coalesce(min(uptime_ms), ?4) FROM clock_sample WHERE source = ?1 AND boot = ?2 AND uptime_ms > ?3)",
    )?;
    let rows = query.query_map(params![source, boot, uptime_ms, i64::MAX], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// When a sampled boot began, by the sample that is nearest to this uptime; of two as near the earlier.
fn start_by_sample(connection: &Connection, source: i64, boot: &str, uptime_ms: i64) -> Result<Option<i64>> {
    let sample = |query: &str| -> Result<Option<(i64, i64)>> {
        let mut query = connection.prepare_cached(query)?;
        Ok(query.query_row(params![source, boot, uptime_ms], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    };
    let before = sample(
        "SELECT uptime_ms, backend_ms FROM clock_sample WHERE source = ?1 AND boot = ?2 AND uptime_ms <= ?3
         ORDER BY uptime_ms DESC LIMIT 1",
    )?;
    let after = sample(
        "SELECT uptime_ms, backend_ms FROM clock_sample WHERE source = ?1 AND boot = ?2 AND uptime_ms > ?3
         ORDER BY uptime_ms LIMIT 1",
    )?;
    let nearest = before.into_iter().chain(after).min_by_key(|(at, _)| at.abs_diff(uptime_ms));
    Ok(nearest.map(|(at, backend_ms)| backend_ms.saturating_sub(at)))
}

/// When a boot without a sample began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Start {
    at_ms: Option<i64>,
    /// What the neighbours allow.
    earliest_ms: Option<i64>,
    latest_ms: Option<i64>,
}

impl Start {
    /// By its own clock, not later than it can have begun, and before all not earlier.
    fn place(own_ms: Option<i64>, earliest_ms: Option<i64>, latest_ms: Option<i64>) -> Self {
        let not_late = match (own_ms, latest_ms) {
            (Some(own_ms), Some(latest_ms)) => Some(own_ms.min(latest_ms)),
            (Some(own_ms), None) => Some(own_ms),
            (None, Some(latest_ms)) if earliest_ms.is_none() => Some(latest_ms),
            (None, _) => None,
        };
        Self { at_ms: not_late.max(earliest_ms), earliest_ms, latest_ms }
    }
}

/// A boot without a sample, as it stands in its gap.
struct Unsampled {
    boot: String,
    span: Span,
    start: Start,
}

impl Unsampled {
    fn end_ms(&self) -> Option<i64> {
        self.start.at_ms.map(|start_ms| start_ms.saturating_add(self.span.last_uptime_ms))
    }
}

/// Places the boots of a gap between its ends; events of those that moved are added to `events`.
fn estimate(connection: &Connection, source: i64, log: &[u8; 16], at: i64, events: &mut BTreeSet<i64>) -> Result<()> {
    let before = sampled_beside(connection, source, log, at, "first < ?3 ORDER BY first DESC")?;
    let after = sampled_beside(connection, source, log, at, "first >= ?3 ORDER BY first")?;
    let (from, to) = (before.as_ref().map_or(0, |(first, ..)| *first), after.as_ref().map_or(i64::MAX, |(first, ..)| *first));
    let mut boots = unsampled(connection, source, log, (from, at), "DESC")?;
    let later = unsampled(connection, source, log, (at - 1, to), "ASC")?;
    let is_full = |boots: &[Unsampled]| boots.len() as i64 == WINDOW;
    let (more_before, more_after) = (is_full(&boots), is_full(&later));
    boots.reverse();
    boots.extend(later);

    let mut earliest_ms = match &before {
        Some((_, boot, last_uptime_ms)) => {
            start_by_sample(connection, source, boot, *last_uptime_ms)?.map(|start_ms| start_ms.saturating_add(*last_uptime_ms))
        }
        None => None,
    };
    let mut latest_ms = match &after {
        Some((_, boot, _)) => start_by_sample(connection, source, boot, 0)?,
        None => None,
    };
    // What stands at the edge of the window keeps its place and bounds the rest.
    if more_before {
        earliest_ms = earliest_ms.max(boots.remove(0).end_ms());
    }
    if more_after {
        latest_ms = boots.pop().and_then(|boot| boot.start.at_ms);
    }
    let mut latest_starts = Vec::with_capacity(boots.len());
    for boot in boots.iter().rev() {
        latest_ms = latest_ms.map(|latest_ms| latest_ms.saturating_sub(boot.span.last_uptime_ms));
        latest_starts.push(latest_ms);
    }
    for (mut boot, latest_start_ms) in boots.into_iter().zip(latest_starts.into_iter().rev()) {
        let start = Start::place(boot.span.own_start_ms, earliest_ms, latest_start_ms);
        if start != boot.start {
            boot.start = start;
            move_boot(connection, source, log, &boot, events)?;
        }
        earliest_ms = earliest_ms.max(boot.end_ms());
    }
    Ok(())
}

/// The sampled boot next to a place: its lowest number, name and last uptime.
fn sampled_beside(
    connection: &Connection,
    source: i64,
    log: &[u8; 16],
    at: i64,
    side: &str,
) -> Result<Option<(i64, String, i64)>> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT first, boot, last_uptime_ms FROM clock_boot WHERE source = ?1 AND log = ?2 AND sampled = 1 AND {side} LIMIT 1"
    ))?;
    Ok(query.query_row(params![source, log, at], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?)
}

/// Boots without a sample strictly between two numbers, nearest to one of them first.
fn unsampled(
    connection: &Connection,
    source: i64,
    log: &[u8; 16],
    (from, to): (i64, i64),
    direction: &str,
) -> Result<Vec<Unsampled>> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT first, last_uptime_ms, own_clock, own_sequence, own_start_ms, boot, start_ms, earliest_ms, latest_ms
         FROM clock_boot WHERE source = ?1 AND log = ?2 AND sampled = 0 AND first > ?3 AND first < ?4 ORDER BY first {direction} LIMIT {WINDOW}"
    ))?;
    let rows = query.query_map(params![source, log, from, to], |row| {
        let start = Start { at_ms: row.get(6)?, earliest_ms: row.get(7)?, latest_ms: row.get(8)? };
        Ok(Unsampled { span: span_of(row)?, boot: row.get(5)?, start })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn move_boot(connection: &Connection, source: i64, log: &[u8; 16], boot: &Unsampled, events: &mut BTreeSet<i64>) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE clock_boot SET start_ms = ?4, earliest_ms = ?5, latest_ms = ?6
             WHERE source = ?1 AND log = ?2 AND boot = ?3",
        )?
        .execute(params![source, log, boot.boot, boot.start.at_ms, boot.start.earliest_ms, boot.start.latest_ms])?;
    let mut query = connection.prepare_cached("SELECT n FROM event WHERE source = ?1 AND boot = ?2 AND log = ?3")?;
    let rows = query.query_map(params![source, boot.boot, log], |row| row.get(0))?;
    for n in rows {
        events.insert(n?);
    }
    Ok(())
}

/// An event whose clock was not synced.
struct Wrong {
    source: i64,
    log: [u8; 16],
    boot: Option<(String, i64)>,
    time_ms: i64,
    received_ms: i64,
    clock: i64,
}

fn correct(connection: &Connection, touched: &mut Touched, n: i64) -> Result<()> {
    let mut query =
        connection.prepare_cached("SELECT source, log, boot, uptime_ms, time_ms, received_ms, clock FROM event WHERE n = ?1")?;
    let event = query.query_row([n], |row| {
        let boot: Option<String> = row.get(2)?;
        Ok(Wrong {
            source: row.get(0)?,
            log: row.get(1)?,
            boot: boot.zip(row.get(3)?),
            time_ms: row.get(4)?,
            received_ms: row.get(5)?,
            clock: row.get(6)?,
        })
    })?;
    let (corrected_ms, certainty) = best_time(connection, &event)?;
    let mut update = connection.prepare_cached(
        "UPDATE event SET corrected_ms = ?2, certainty = ?3 WHERE n = ?1 AND (corrected_ms IS NOT ?2 OR certainty <> ?3)
         RETURNING visitid, ord, CASE WHEN erased THEN NULL ELSE visitor END",
    )?;
    let changed: Option<[Option<String>; 3]> = update
        .query_row(params![n, corrected_ms.min(event.received_ms), certainty as i64], |row| {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?])
        })
        .optional()?;
    let Some([visit, order, visitor]) = changed else { return Ok(()) };
    touch_visits(connection, touched, visit.as_deref(), order.as_deref())?;
    touched.visitors.extend(visitor);
    Ok(())
}

fn best_time(connection: &Connection, event: &Wrong) -> Result<(i64, Certainty)> {
    let own = (event.time_ms, if event.clock == rank(Clock::Unset) { Certainty::Unset } else { Certainty::Estimated });
    let Some((boot, uptime_ms)) = &event.boot else { return Ok(own) };
    if let Some(start_ms) = start_by_sample(connection, event.source, boot, *uptime_ms)? {
        return Ok((start_ms.saturating_add(*uptime_ms), Certainty::Corrected));
    }
    let boot = connection
        .prepare_cached(
            "SELECT start_ms, earliest_ms, latest_ms, own_clock FROM clock_boot WHERE source = ?1 AND log = ?2 AND boot = ?3",
        )?
        .query_row(params![event.source, event.log, boot], |row| {
            Ok((Start { at_ms: row.get(0)?, earliest_ms: row.get(1)?, latest_ms: row.get(2)? }, row.get::<_, i64>(3)?))
        })
        .optional()?;
    let Some((mut start, best_clock)) = boot else { return Ok(own) };
    if event.clock == rank(Clock::Estimated) && best_clock != rank(Clock::Synced) {
        // It may have been set since the boot's first event, so each event's own time counts within what is allowed.
        start = Start::place(Some(event.time_ms.saturating_sub(*uptime_ms)), start.earliest_ms, start.latest_ms);
    }
    Ok(start.at_ms.map_or(own, |start_ms| (start_ms.saturating_add(*uptime_ms), Certainty::Estimated)))
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
