//! Cards that were reported lost: what every kiosk refuses, with or without a network.
//!
//! The agent keeps them as the feed brings them; the kiosk looks into the agent's file at each tap. Stored are pseudonyms.

use super::{AgentStore, beside};
use crate::{CommitError, ReadError};
use rusqlite::{Connection, Transaction};
use std::{path::Path, time::Duration};

/// In front of the pseudonym, a key of the table `state`.
const PREFIX: &str = "card.blocked/";

/// Whether any of these names of one card is blocked, by another process's agent file; false while there is none.
///
/// # Errors
/// As [`ReadError`] says.
pub fn is_card_blocked(agent_db: &Path, tokens: &[String], patience: Duration) -> Result<bool, ReadError> {
    let Some(conn) = beside(agent_db)? else { return Ok(false) };
    conn.busy_timeout(patience)?;
    tokens.iter().try_fold(false, |found, token| Ok(found || exists(&conn, token)?))
}

impl AgentStore {
    /// These cards are blocked, too.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn block_cards(&self, tokens: &[String]) -> Result<(), CommitError> {
        self.write(|tx| insert(tx, tokens))
    }

    /// These cards are blocked, and no others.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_blocked_cards(&self, tokens: &[String]) -> Result<(), CommitError> {
        self.write(|tx| {
            tx.prepare_cached("DELETE FROM state WHERE substr(key, 1, length(?1)) = ?1")?.execute([PREFIX])?;
            insert(tx, tokens)
        })
    }
}

fn insert(tx: &Transaction<'_>, tokens: &[String]) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached("INSERT OR REPLACE INTO state(key, value) VALUES(?1 || ?2, x'01')")?;
    tokens.iter().try_for_each(|token| insert.execute([PREFIX, token]).map(drop))
}

/// A card of somebody who is to be forgotten: the backend blocks it no longer.
pub(super) fn forget(tx: &Transaction<'_>, token: &str) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM state WHERE key = ?1 || ?2")?.execute([PREFIX, token]).map(drop)
}

fn exists(conn: &Connection, token: &str) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM state WHERE key = ?1 || ?2")?.exists([PREFIX, token])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Limits, OutboxOptions};

    #[test]
    fn a_lost_card_is_refused_under_each_of_its_names_until_it_is_off_the_list() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.db");
        let blocked = |tokens: &[&str]| {
            let tokens: Vec<String> = tokens.iter().map(|token| (*token).to_owned()).collect();
            is_card_blocked(&path, &tokens, Duration::from_secs(1)).unwrap()
        };
        assert!(!blocked(&["1:aa"]), "there is no file yet");
        let mut options = OutboxOptions::new(&path, "/stores/s/devices/k");
        options.limits = Limits::small();
        let store = AgentStore::open_with(options).unwrap();
        store.set_state("card.other", b"x").unwrap();
        store.block_cards(&["1:aa".into(), "1:bb".into()]).unwrap();
        assert!(blocked(&["1:aa"]) && blocked(&["2:cc", "1:bb"]) && !blocked(&["2:cc"]) && !blocked(&[]));
        store.set_blocked_cards(&["2:cc".into()]).unwrap();
        assert!(!blocked(&["1:aa", "1:bb"]) && blocked(&["2:cc"]));
        assert_eq!(store.state("card.other").unwrap().as_deref(), Some(&b"x"[..]));
    }
}
