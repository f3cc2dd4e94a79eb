//! The visitor cache: signed profiles by token, so that a guest is greeted without a network. The envelope's bytes are
//! kept exactly as the backend signed them; whoever greets verifies the signature.

use super::AgentStore;
use crate::{CommitError, ReadError};
use rusqlite::{OptionalExtension as _, Transaction, params};
use std::{path::Path, time::Duration};

/// Profiles kept at most; the one stored longest ago goes first.
const PROFILES: i64 = 20_000;

/// A profile to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedProfile {
    /// The visitor's pseudonym.
    pub visitor: String,
    /// The tokens it is found by, `<key version>:<hex>`.
    pub tokens: Vec<String>,
    /// The profile's version; one below the stored is not taken.
    pub version: u64,
    /// When it must no longer be used, milliseconds since 1970.
    pub expires_ms: i64,
    /// The DSSE envelope, the exact bytes.
    pub envelope: Vec<u8>,
}

/// The envelope that an agent's file holds for a token, expired or not, read without disturbing its writer. Nothing when the
/// file does not exist yet. Whether the envelope counts is judged by its signature and dates.
///
/// # Errors
/// As [`ReadError`] says; a file that stays locked for `patience` is an error too.
pub fn cached_profile(agent_db: &Path, token: &str, patience: Duration) -> Result<Option<Vec<u8>>, ReadError> {
    let Some(conn) = super::beside(agent_db)? else { return Ok(None) };
    conn.busy_timeout(patience)?;
    let found = conn
        .query_row("SELECT envelope FROM profiles JOIN tokens USING(visitor) WHERE token = ?1", [token], |row| row.get(0))
        .optional()?;
    Ok(found)
}

impl AgentStore {
    /// Keeps a profile under all its tokens. False when a newer version is kept already.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_profile(&self, profile: &CachedProfile, now_ms: i64) -> Result<bool, CommitError> {
        self.write(|tx| {
            let stored: Option<i64> = tx
                .prepare_cached("SELECT version FROM profiles WHERE visitor = ?1")?
                .query_row([&profile.visitor], |row| row.get(0))
                .optional()?;
            let version = i64::try_from(profile.version).unwrap_or(i64::MAX);
            if stored.is_some_and(|stored| stored > version) {
                return Ok(false);
            }
            tx.prepare_cached(
                "INSERT OR REPLACE INTO profiles(visitor, version, expires_ms, stored_ms, envelope) VALUES(?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![profile.visitor, version, profile.expires_ms, now_ms, profile.envelope])?;
            tx.prepare_cached("DELETE FROM tokens WHERE visitor = ?1")?.execute([&profile.visitor])?;
            for token in &profile.tokens {
                tx.prepare_cached("INSERT OR REPLACE INTO tokens(token, visitor) VALUES(?1, ?2)")?
                    .execute([token, &profile.visitor])?;
            }
            bound(tx)?;
            Ok(true)
        })
    }

    /// The envelope of the visitor with this token, unless it has expired.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn profile_by_token(&self, token: &str, now_ms: i64) -> Result<Option<Vec<u8>>, ReadError> {
        let conn = self.lock();
        let found = conn
            .prepare_cached("SELECT envelope FROM profiles JOIN tokens USING(visitor) WHERE token = ?1 AND expires_ms > ?2")?
            .query_row(params![token, now_ms], |row| row.get(0))
            .optional()?;
        Ok(found)
    }

    /// The version kept of a visitor, expired or not.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn profile_version(&self, visitor: &str) -> Result<Option<u64>, ReadError> {
        let conn = self.lock();
        let found = conn
            .prepare_cached("SELECT version FROM profiles WHERE visitor = ?1")?
            .query_row([visitor], |row| crate::log::number(row, 0))
            .optional()?;
        Ok(found)
    }

    /// Forgets a visitor: profile and tokens. The pages are overwritten (`secure_delete`) and the WAL is copied back at
    /// once, so that no older copy of them is read again. False when nothing was known.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn forget(&self, visitor: &str) -> Result<bool, CommitError> {
        let known = self.write(|tx| {
            tx.prepare_cached("DELETE FROM tokens WHERE visitor = ?1")?.execute([visitor])?;
            Ok(tx.prepare_cached("DELETE FROM profiles WHERE visitor = ?1")?.execute([visitor])? > 0)
        })?;
        self.outbox.scrub()?;
        Ok(known)
    }
}

/// Gives up expired profiles.
pub(super) fn expire(tx: &Transaction<'_>, now_ms: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM profiles WHERE expires_ms <= ?1")?.execute([now_ms])?;
    orphans(tx)
}

/// Keeps the cache within its bound.
fn bound(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let count: i64 = tx.prepare_cached("SELECT count(*) FROM profiles")?.query_row([], |row| row.get(0))?;
    if count <= PROFILES {
        return Ok(());
    }
    tx.prepare_cached("DELETE FROM profiles WHERE visitor IN (SELECT visitor FROM profiles ORDER BY stored_ms LIMIT ?1)")?
        .execute([count - PROFILES / 10 * 9])?;
    orphans(tx)
}

fn orphans(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM tokens WHERE visitor NOT IN (SELECT visitor FROM profiles)")?.execute([]).map(drop)
}
