//! Guest cards that prove themselves: the keys that cards are made with, those of single cards that devices may have, which
//! cards are blocked, and whether one message was used at two kiosks.
//!
//! The key `card-master` derives the keys of each card and never leaves this machine; `picc-data` reads number and counter out
//! of a card's message, authenticates nothing, and is given to enrolled devices ([`crate::keys`] says where they lie).
//!
//! | Table | What |
//! |---|---|
//! | `card` | the key of each card that has proven itself, under its pseudonym; the card's number is not kept |
//! | `card_block` | cards that were reported lost; every store hears of them by its feed |
//! | `card_tap` | where each counter of a card was used first |
//! | `card_replay` | counters that were used at a second kiosk: somebody has copied a message |

use crate::{
    devices, feed,
    keys::{FleetKeys, PURPOSE_CARD_MASTER},
    people::visitor,
    store,
};
use anyhow::Context as _;
use card_auth::{
    Key, SunMessage, diversify, hex,
    issue::CardSet,
    ntag424::{KeyNo, Uid7},
};
use cem_contract::{CardKey, Event, enrol::PURPOSE_PICC_DATA, kinds, limits, time};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};

/// Version of both keys; cards carry no other yet.
const VERSION: u8 = 1;
/// Replays that ops are shown, the latest.
const SHOWN_REPLAYS: i64 = 20;
/// A device that was offline brings its taps as late as this.
const TAPS_KEPT_MS: i64 = limits::RETENTION_DAYS as i64 * 24 * 60 * 60 * 1_000;

/// Made beside the numbered versions of the file: a program that does not know them does without.
pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS card(token TEXT PRIMARY KEY, file_key BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS card_block(token TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS card_tap(
    token TEXT NOT NULL, counter INTEGER NOT NULL, source INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY(token, counter)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS card_replay(
    n INTEGER PRIMARY KEY, token TEXT NOT NULL, counter INTEGER NOT NULL, first INTEGER NOT NULL, second INTEGER NOT NULL,
    at_ms INTEGER NOT NULL);
";

/// The keys that cards are made with.
#[derive(Clone, Debug)]
pub(crate) struct CardKeys {
    master: Key,
    picc: Key,
}

impl CardKeys {
    /// Derived from the backend's master of keys, or imported beside it.
    pub(crate) fn of(fleet: &FleetKeys) -> anyhow::Result<Self> {
        let key = |purpose| Key::from_hex(&fleet.scoped(purpose, VERSION.into())?).context("a card key has 16 bytes");
        Ok(Self { master: key(PURPOSE_CARD_MASTER)?, picc: key(PURPOSE_PICC_DATA)? })
    }

    /// The card's own key if `message` is genuine. Whether it is new is for the device to know, which remembers counters.
    pub(crate) fn proven(&self, message: &str) -> Option<Key> {
        let message = SunMessage::from_url(message).ok()?;
        let key = diversify::card_key(&self.master, &message.claimed(&self.picc).ok()?.uid, KeyNo::File);
        message.verify(&self.picc, &key).is_ok().then_some(key)
    }
}

impl CardKeys {
    /// The keys to make the card `uid` with; `None` where the version is not one that a card can hold.
    pub(crate) fn set(&self, uid: &Uid7) -> Option<CardSet> {
        CardSet::derive(&self.master, &self.picc, uid, VERSION)
    }
}

/// Whether a token has the shape `<key version>:<64 hex digits>`.
pub(crate) fn is_token(text: &str) -> bool {
    text.split_once(':').is_some_and(|(version, digits)| {
        version.parse::<u32>().is_ok() && digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

/// Whether a card was reported lost.
pub(crate) fn is_blocked(connection: &Connection, token: &str) -> store::Result<bool> {
    Ok(connection.prepare_cached("SELECT 1 FROM card_block WHERE token = ?1")?.exists([token])?)
}

/// Blocks all cards of a survivor but `except`, tells every store, and takes them out of the signed profile. How many were
/// not blocked before.
pub(crate) fn block(connection: &Connection, survivor: &str, except: Option<&str>, now_ms: i64) -> store::Result<u64> {
    let mut insert = connection.prepare_cached("INSERT INTO card_block VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    let mut blocked = 0;
    for token in visitor::tokens(connection, survivor)?.iter().filter(|token| Some(token.as_str()) != except) {
        if insert.execute(params![token, now_ms])? > 0 {
            feed::card_blocked(connection, token, now_ms)?;
            blocked += 1;
        }
    }
    if blocked > 0 {
        visitor::tell_anew(connection, survivor)?;
        visitor::refold(connection, survivor, now_ms)?;
    }
    Ok(blocked)
}

/// Blocked cards after one, in order, at most `limit`.
pub(crate) fn blocked(connection: &Connection, after: &str, limit: usize) -> store::Result<Vec<String>> {
    let mut query = connection.prepare_cached("SELECT token FROM card_block WHERE token > ?1 ORDER BY token LIMIT ?2")?;
    let rows = query.query_map(params![after, limit as i64], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Notes where a card's counter was used. A message is good for one tap: a second kiosk that saw it saw a copy, whichever of
/// the two told of it first.
pub(crate) fn tapped(connection: &Connection, source: i64, event: &Event, token: &str, now_ms: i64) -> store::Result<()> {
    let Some(counter) = event.data.get("counter").and_then(Value::as_i64).filter(|_| event.kind == kinds::VISIT_IDENTIFIED)
    else {
        return Ok(());
    };
    let mut insert = connection.prepare_cached("INSERT INTO card_tap VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?;
    if insert.execute(params![token, counter, source, now_ms])? > 0 {
        return Ok(());
    }
    let first: i64 = connection
        .prepare_cached("SELECT source FROM card_tap WHERE token = ?1 AND counter = ?2")?
        .query_row(params![token, counter], |row| row.get(0))?;
    if first == source {
        return Ok(());
    }
    connection
        .prepare_cached("INSERT INTO card_replay(token, counter, first, second, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![token, counter, first, source, event.time_ms])?;
    devices::count(connection, "card_used_at_two_kiosks")?;
    tracing::warn!(event = %event.id, "one message of a card was used at two kiosks: somebody has copied it");
    Ok(())
}

/// Replays for ops, the latest first, without the card's pseudonym: where, which counter, when.
pub(crate) fn replays(connection: &Connection) -> store::Result<Vec<Value>> {
    let mut query = connection.prepare_cached(
        "SELECT a.name, b.name, r.counter, r.at_ms FROM card_replay r JOIN source a ON a.n = r.first JOIN source b ON b.n = r.second
         ORDER BY r.n DESC LIMIT ?1",
    )?;
    let rows = query.query_map([SHOWN_REPLAYS], |row| {
        let sources: [String; 2] = [row.get(0)?, row.get(1)?];
        Ok(json!({"sources": sources, "counter": row.get::<_, i64>(2)?, "at": time::rfc3339(row.get(3)?)}))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Forgets what is known of a card, because its holder is forgotten.
pub(crate) fn forget(connection: &Connection, token: &str) -> store::Result<()> {
    for delete in [
        "DELETE FROM card WHERE token = ?1",
        "DELETE FROM card_block WHERE token = ?1",
        "DELETE FROM card_tap WHERE token = ?1",
        "DELETE FROM card_replay WHERE token = ?1",
    ] {
        connection.prepare_cached(delete)?.execute([token])?;
    }
    Ok(())
}

/// Drops taps that no device can still bring a second time.
pub(crate) fn prune(connection: &Connection, now_ms: i64) -> store::Result<()> {
    connection.prepare_cached("DELETE FROM card_tap WHERE at_ms < ?1")?.execute([now_ms - TAPS_KEPT_MS])?;
    Ok(())
}

/// Keeps the key of a card. True where it was not kept before.
pub(crate) fn keep(connection: &Connection, token: &str, key: &Key) -> store::Result<bool> {
    let sql = "INSERT INTO card(token, file_key) VALUES (?1, ?2) ON CONFLICT(token) DO UPDATE SET file_key = excluded.file_key
               WHERE file_key <> excluded.file_key";
    Ok(connection.prepare_cached(sql)?.execute(params![token, key.expose()])? > 0)
}

/// The keys of these cards, as far as they are known.
pub(crate) fn of(connection: &Connection, tokens: &[String]) -> store::Result<Vec<CardKey>> {
    let mut query = connection.prepare_cached("SELECT file_key FROM card WHERE token = ?1")?;
    let mut found = Vec::new();
    for token in tokens {
        let key: Option<Vec<u8>> = query.query_row([token], |row| row.get(0)).optional()?;
        found.extend(key.map(|key| CardKey { token: token.clone(), key: hex::upper(&key) }));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use card_auth::sun::{self, Mirror};

    #[test]
    fn only_a_genuine_message_gives_the_key_of_its_card() {
        let dir = tempfile::tempdir().unwrap();
        let profiles = crate::keys::profile_key(dir.path()).unwrap().verifying_key();
        let open = || CardKeys::of(&FleetKeys::open(dir.path(), &profiles).unwrap()).unwrap();
        let (keys, again) = (open(), open());
        assert!(keys.master == again.master && keys.picc == again.picc && keys.master != keys.picc);
        let card = Mirror { uid: [4, 1, 2, 3, 4, 5, 6], counter: 9 };
        let key = diversify::card_key(&keys.master, &card.uid, KeyNo::File);
        let picc = hex::upper(&sun::picc_data(&keys.picc, &card, [0; 5]));
        let url = |mac: [u8; 8]| format!("https://x?picc_data={picc}&cmac={}", hex::upper(&mac));
        assert_eq!(keys.proven(&url(sun::message_mac(&key, &card, b""))), Some(key));
        assert_eq!(keys.proven(&url([0; 8])), None);
        assert_eq!(keys.proven("https://x"), None);
    }

    #[test]
    fn keys_are_kept_under_pseudonyms() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLES).unwrap();
        let key = Key::new([0xAB; 16]);
        assert!(keep(&connection, "1:aa", &key).unwrap() && !keep(&connection, "1:aa", &key).unwrap());
        let tokens = ["1:aa".to_owned(), "1:bb".to_owned()];
        assert_eq!(of(&connection, &tokens).unwrap(), [CardKey { token: "1:aa".into(), key: "AB".repeat(16) }]);
    }

    #[test]
    fn a_token_is_a_version_and_64_digits() {
        assert!(is_token(&format!("1:{}", "0a".repeat(32))));
        for bad in ["", "1:", "1:00ff", ":00", "a:00"] {
            assert!(!is_token(bad), "{bad}");
        }
    }
}
