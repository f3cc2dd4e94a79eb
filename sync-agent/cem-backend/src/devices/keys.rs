//! Versions of the scoped keys that devices hold. The bytes are derived in [`crate::keys`]; here stands which are in use.

use crate::{feed, store::Result};
use cem_contract::{enrol, time};
use rusqlite::{Connection, params};

/// A replaced version stays in use for this long: cards that come rarely are still recognised, and recognised anew.
const RETIRES_AFTER_MS: i64 = 180 * 24 * 60 * 60 * 1_000;

/// A version of a key that devices hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyVersion {
    pub(crate) purpose: String,
    pub(crate) version: u32,
    /// When it goes out of use, RFC 3339.
    pub(crate) retires: Option<String>,
}

/// The versions in use, of every purpose at least the first.
pub(crate) fn versions(connection: &Connection, now_ms: i64) -> Result<Vec<KeyVersion>> {
    let mut found = Vec::new();
    for purpose in [enrol::PURPOSE_TENANT, enrol::PURPOSE_PICC_DATA, enrol::PURPOSE_PIN_PEPPER] {
        let mut query = connection.prepare_cached(
            "SELECT version, retires_ms FROM key_version WHERE purpose = ?1 AND (retires_ms IS NULL OR retires_ms > ?2)
             ORDER BY version",
        )?;
        let rows = query.query_map(params![purpose, now_ms], |row| {
            let retires = row.get::<_, Option<i64>>(1)?.map(time::rfc3339);
            Ok(KeyVersion { purpose: purpose.to_owned(), version: row.get(0)?, retires })
        })?;
        let before = found.len();
        found.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
        if found.len() == before {
            found.push(KeyVersion { purpose: purpose.to_owned(), version: 1, retires: None });
        }
    }
    Ok(found)
}

/// The newest version of a purpose.
pub(crate) fn newest(connection: &Connection, purpose: &str) -> Result<u32> {
    let newest: Option<u32> = connection
        .prepare_cached("SELECT max(version) FROM key_version WHERE purpose = ?1")?
        .query_row([purpose], |row| row.get(0))?;
    Ok(newest.unwrap_or(1))
}

/// Begins a new version: devices hear of it by the feed and use it for what is new; the old one stays readable for half a
/// year. Gives the new version.
pub(crate) fn rotate(connection: &Connection, purpose: &str, now_ms: i64) -> Result<u32> {
    let old = newest(connection, purpose)?;
    let mut replace = connection.prepare_cached(
        "INSERT INTO key_version VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET retires_ms = coalesce(key_version.retires_ms, excluded.retires_ms)",
    )?;
    replace.execute(params![purpose, old, now_ms, now_ms + RETIRES_AFTER_MS])?;
    replace.execute(params![purpose, old + 1, now_ms, None::<i64>])?;
    feed::keys(connection, now_ms)?;
    Ok(old + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::in_memory;

    #[test]
    fn a_rotated_key_goes_out_of_use_half_a_year_later() {
        let db = in_memory();
        let tenant = |now| {
            let all = versions(&db, now).unwrap();
            all.into_iter()
                .filter(|key| key.purpose == "tenant")
                .map(|key| (key.version, key.retires.is_some()))
                .collect::<Vec<_>>()
        };
        assert_eq!(tenant(0), [(1, false)]);
        assert_eq!(rotate(&db, "tenant", 0).unwrap(), 2);
        assert_eq!(tenant(1), [(1, true), (2, false)]);
        assert_eq!(rotate(&db, "tenant", 10).unwrap(), 3);
        assert_eq!(tenant(RETIRES_AFTER_MS + 1), [(2, true), (3, false)]);
        assert_eq!(tenant(RETIRES_AFTER_MS + 11), [(3, false)]);
        assert_eq!(versions(&db, 0).unwrap().len(), 5, "the other purposes have their first version");
    }
}
