//! Guest cards that prove themselves: the keys that cards are made with, and those of single cards that devices may have.
//!
//! The key `card-master` derives the keys of each card and never leaves this machine; `picc-data` reads number and counter out
//! of a card's message, authenticates nothing, and is given to enrolled devices ([`crate::keys`] says where they lie). Table
//! `card` holds the key of each card that has proven itself, under its pseudonym; the card's number is not kept.

use crate::{
    keys::{FleetKeys, PURPOSE_CARD_MASTER},
    store,
};
use anyhow::Context as _;
use card_auth::{Key, SunMessage, diversify, hex, ntag424::KeyNo};
use cem_contract::{CardKey, enrol::PURPOSE_PICC_DATA};
use rusqlite::{Connection, OptionalExtension, params};

/// Version of both keys; cards carry no other yet.
const VERSION: u32 = 1;

/// The keys that cards are made with.
#[derive(Clone, Debug)]
pub(crate) struct CardKeys {
    master: Key,
    picc: Key,
}

impl CardKeys {
    /// Derived from the backend's master of keys, or imported beside it.
    pub(crate) fn of(fleet: &FleetKeys) -> anyhow::Result<Self> {
        let key = |purpose| Key::from_hex(&fleet.scoped(purpose, VERSION)?).context("a card key has 16 bytes");
        Ok(Self { master: key(PURPOSE_CARD_MASTER)?, picc: key(PURPOSE_PICC_DATA)? })
    }

    /// The card's own key if `message` is genuine. Whether it is new is for the device to know, which remembers counters.
    pub(crate) fn proven(&self, message: &str) -> Option<Key> {
        let message = SunMessage::from_url(message).ok()?;
        let key = diversify::card_key(&self.master, &message.claimed(&self.picc).ok()?.uid, KeyNo::File);
        message.verify(&self.picc, &key).is_ok().then_some(key)
    }
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
        connection.execute_batch("CREATE TABLE card(token TEXT PRIMARY KEY, file_key BLOB NOT NULL)").unwrap();
        let key = Key::new([0xAB; 16]);
        assert!(keep(&connection, "1:aa", &key).unwrap() && !keep(&connection, "1:aa", &key).unwrap());
        let tokens = ["1:aa".to_owned(), "1:bb".to_owned()];
        assert_eq!(of(&connection, &tokens).unwrap(), [CardKey { token: "1:aa".into(), key: "AB".repeat(16) }]);
    }
}
