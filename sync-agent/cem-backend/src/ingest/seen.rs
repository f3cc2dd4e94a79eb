//! Which numbers of a log were seen, as runs without a gap: state grows with the gaps, not with the events.

use crate::store::Result;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A log of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LogKey {
    pub(super) source: i64,
    pub(super) log: Uuid,
}

/// A run of numbers, both ends included.
pub(super) type Run = (u64, u64);

/// Numbers seen by one request, gathered so that each log is written once.
#[derive(Default)]
pub(super) struct Marks {
    logs: BTreeMap<LogKey, Vec<Run>>,
}

impl Marks {
    pub(super) fn add(&mut self, source: i64, log: Uuid, from: u64, to: u64) {
        let runs = self.logs.entry(LogKey { source, log }).or_default();
        match runs.last_mut() {
            Some(last) if last.1.checked_add(1) == Some(from) => last.1 = to,
            _ => runs.push((from, to)),
        }
    }

    /// Stores the numbers and gives all runs of each log that was touched.
    pub(super) fn write(self, connection: &Connection) -> Result<Vec<(LogKey, Vec<Run>)>> {
        self.logs.into_iter().map(|(key, new)| Ok((key, write_log(connection, key, new)?))).collect()
    }
}

/// The runs between those seen, lowest first, from number 1.
pub(super) fn gaps(runs: &[Run]) -> impl Iterator<Item = Run> + '_ {
    let before = std::iter::once(0).chain(runs.iter().map(|(_, hi)| *hi));
    before.zip(runs).filter(|(before, (lo, _))| before + 1 < *lo).map(|(before, (lo, _))| (before + 1, lo - 1))
}

fn write_log(connection: &Connection, key: LogKey, new: Vec<Run>) -> Result<Vec<Run>> {
    let old = read_log(connection, key)?;
    let runs = union(old.iter().copied().chain(new).collect());
    let mut delete = connection.prepare_cached("DELETE FROM seen WHERE source = ?1 AND log = ?2 AND lo = ?3")?;
    for run in old.iter().filter(|run| runs.binary_search(run).is_err()) {
        delete.execute(params![key.source, key.log.as_bytes(), run.0.cast_signed()])?;
    }
    let mut insert = connection.prepare_cached("INSERT INTO seen(source, log, lo, hi) VALUES (?1, ?2, ?3, ?4)")?;
    for run in runs.iter().filter(|run| old.binary_search(run).is_err()) {
        insert.execute(params![key.source, key.log.as_bytes(), run.0.cast_signed(), run.1.cast_signed()])?;
    }
    Ok(runs)
}

/// What is missing of a log that was told to be settled up to a number, if the end of it is: nothing else tells of that
/// before the log's next event.
pub(super) fn lost_end(connection: &Connection, key: LogKey, settled: u64) -> Result<Vec<Run>> {
    let runs = read_log(connection, key)?;
    let last = runs.last().map_or(0, |(_, hi)| *hi);
    if last >= settled {
        return Ok(Vec::new());
    }
    Ok(gaps(&runs).chain([(last + 1, settled)]).collect())
}

fn read_log(connection: &Connection, key: LogKey) -> Result<Vec<Run>> {
    let mut query = connection.prepare_cached("SELECT lo, hi FROM seen WHERE source = ?1 AND log = ?2 ORDER BY lo")?;
    let runs = query.query_map(params![key.source, key.log.as_bytes()], |row| {
        Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
    })?;
    Ok(runs.collect::<rusqlite::Result<_>>()?)
}

/// Joins runs that overlap or touch.
fn union(mut runs: Vec<Run>) -> Vec<Run> {
    runs.sort_unstable();
    let mut joined: Vec<Run> = Vec::with_capacity(runs.len());
    for (lo, hi) in runs {
        match joined.last_mut() {
            Some(last) if lo <= last.1.saturating_add(1) => last.1 = last.1.max(hi),
            _ => joined.push((lo, hi)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_gaps_lie_below_the_highest_number_seen() {
        assert_eq!(gaps(&[]).count(), 0);
        assert_eq!(gaps(&[(1, 9)]).count(), 0);
        assert_eq!(gaps(&[(3, 4), (6, 6), (9, 12)]).collect::<Vec<_>>(), [(1, 2), (5, 5), (7, 8)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn runs_say_the_same_as_a_set_of_numbers(requests in prop::collection::vec(prop::collection::vec(1u64..60, 1..12), 1..8)) {
            let connection = crate::store::in_memory();
            let key = LogKey { source: 1, log: Uuid::nil() };
            let mut set = BTreeSet::new();
            for request in requests {
                let mut marks = Marks::default();
                for n in request {
                    marks.add(key.source, key.log, n, n);
                    set.insert(n);
                }
                let written = marks.write(&connection).unwrap();
                prop_assert_eq!(&written[0].1, &read_log(&connection, key).unwrap());
            }
            let runs = read_log(&connection, key).unwrap();
            let numbers: BTreeSet<u64> = runs.iter().flat_map(|(lo, hi)| *lo..=*hi).collect();
            prop_assert_eq!(&numbers, &set);
            let missing: Vec<u64> = gaps(&runs).flat_map(|(from, to)| from..=to).collect();
            let expected: Vec<u64> = (1..*set.last().unwrap()).filter(|n| !set.contains(n)).collect();
            prop_assert_eq!(missing, expected);
        }
    }
}
