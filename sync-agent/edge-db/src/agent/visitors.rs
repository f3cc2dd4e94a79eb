//! The visitor cache: signed profiles by token, so that a guest is greeted without a network. The envelope's bytes are
//! kept exactly as the backend signed them, sealed under the cache's key ([`CacheKey`]); whoever greets verifies the signature.

use super::AgentStore;
use crate::{CacheKey, CommitError, ReadError};
use rusqlite::{OptionalExtension as _, Transaction, params};
use std::{path::Path, sync::PoisonError, time::Duration};

/// Profiles kept at most; the one stored longest ago goes first.
const PROFILES: i64 = 20_000;
/// Names the key under which the cache lies.
const KEY_ID: &str = "cache.key";

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
pub fn cached_profile(agent_db: &Path, key: &CacheKey, token: &str, patience: Duration) -> Result<Option<Vec<u8>>, ReadError> {
    let Some(conn) = super::beside(agent_db)? else { return Ok(None) };
    conn.busy_timeout(patience)?;
    let found = conn
        .query_row(
            "SELECT visitor, envelope FROM profiles JOIN tokens USING(visitor) WHERE token = ?1",
            [key.name(token)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    Ok(found.and_then(|row| opened(key, row)))
}

/// What was sealed; `None` where it was under another key.
fn opened(key: &CacheKey, (owner, sealed): (String, Vec<u8>)) -> Option<Vec<u8>> {
    key.open(&owner, &sealed)
}

impl AgentStore {
    /// Uses this key for the visitor cache. What lies there under another one is of no use any more and goes. False where that
    /// was so: the cache must be filled anew.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn use_cache_key(&self, key: CacheKey) -> Result<bool, CommitError> {
        let id = key.id();
        let known = self.write(|tx| {
            let stored: Option<Vec<u8>> =
                tx.query_row("SELECT value FROM state WHERE key = ?1", [KEY_ID], |row| row.get(0)).optional()?;
            if stored.as_deref() == Some(id.as_bytes()) {
                return Ok(true);
            }
            tx.execute("DELETE FROM profiles", [])?;
            tx.execute("DELETE FROM tokens", [])?;
            tx.execute("INSERT OR REPLACE INTO state(key, value) VALUES(?1, ?2)", params![KEY_ID, id.as_bytes()])?;
            Ok(false)
        })?;
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = key;
        if !known {
            self.outbox.scrub()?;
        }
        Ok(known)
    }

    /// The key of the visitor cache: drawn when the file was opened, unless another was given.
    #[must_use]
    pub fn cache_key(&self) -> CacheKey {
        self.key.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps a profile under all its tokens. False when a newer version is kept already.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_profile(&self, profile: &CachedProfile, now_ms: i64) -> Result<bool, CommitError> {
        let key = self.cache_key();
        let visitor = key.name(&profile.visitor);
        let Some(sealed) = key.seal(&visitor, &profile.envelope) else {
            return Err(crate::WriteError::NotWritten { why: "the system gives no random numbers".to_owned() }.into());
        };
        self.write(|tx| {
            let stored: Option<i64> = tx
                .prepare_cached("SELECT version FROM profiles WHERE visitor = ?1")?
                .query_row([&visitor], |row| row.get(0))
                .optional()?;
            let version = i64::try_from(profile.version).unwrap_or(i64::MAX);
            if stored.is_some_and(|stored| stored > version) {
                return Ok(false);
            }
            tx.prepare_cached(
                "INSERT OR REPLACE INTO profiles(visitor, version, expires_ms, stored_ms, envelope) VALUES(?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![visitor, version, profile.expires_ms, now_ms, sealed])?;
            tx.prepare_cached("DELETE FROM tokens WHERE visitor = ?1")?.execute([&visitor])?;
            for token in &profile.tokens {
                tx.prepare_cached("INSERT OR REPLACE INTO tokens(token, visitor) VALUES(?1, ?2)")?
                    .execute([&key.name(token), &visitor])?;
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
        let key = self.cache_key();
        let conn = self.lock();
        let found = conn
            .prepare_cached(
                "SELECT visitor, envelope FROM profiles JOIN tokens USING(visitor) WHERE token = ?1 AND expires_ms > ?2",
            )?
            .query_row(params![key.name(token), now_ms], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(found.and_then(|row| opened(&key, row)))
    }

    /// The version kept of a visitor, expired or not.
    ///
    /// # Errors
    /// As [`ReadError`] says.
    pub fn profile_version(&self, visitor: &str) -> Result<Option<u64>, ReadError> {
        let conn = self.lock();
        let found = conn
            .prepare_cached("SELECT version FROM profiles WHERE visitor = ?1")?
            .query_row([self.cache_key().name(visitor)], |row| crate::log::number(row, 0))
            .optional()?;
        Ok(found)
    }

    /// Deletes the profiles and cards of a person; the pages are overwritten, the WAL is not yet.
    pub(crate) fn drop_profiles(&self, person: &crate::Person) -> Result<bool, CommitError> {
        let key = self.cache_key();
        self.write(|tx| {
            let mut gone = 0;
            for visitor in person.visitors.iter().map(|visitor| key.name(visitor)) {
                tx.prepare_cached("DELETE FROM tokens WHERE visitor = ?1")?.execute([&visitor])?;
                gone += tx.prepare_cached("DELETE FROM profiles WHERE visitor = ?1")?.execute([visitor])?;
            }
            for token in &person.tokens {
                super::cards::forget(tx, token)?;
            }
            for token in person.tokens.iter().map(|token| key.name(token)) {
                let sql = "DELETE FROM profiles WHERE visitor = (SELECT visitor FROM tokens WHERE token = ?1)";
                gone += tx.prepare_cached(sql)?.execute([&token])?;
                tx.prepare_cached("DELETE FROM tokens WHERE token = ?1")?.execute([&token])?;
            }
            orphans(tx)?;
            Ok(gone > 0)
        })
    }

    /// Forgets a visitor: profile and tokens. The pages are overwritten (`secure_delete`) and the WAL is copied back at
    /// once, so that no older copy of them is read again. False when nothing was known.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn forget(&self, visitor: &str) -> Result<bool, CommitError> {
        let known = self.drop_profiles(&crate::Person { visitors: vec![visitor.to_owned()], tokens: Vec::new() })?;
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
