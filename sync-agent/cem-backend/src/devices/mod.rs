//! The devices of the fleet: who they are, in which state, with which keys, and what they are told.
//!
//! A device is named by its `source`. Its row is made when the first code for it is given out and stays for ever, so that a
//! replacement keeps till number and order letter. What is done to a device is done here, in the transaction of whoever
//! calls; nothing here reads a clock.

mod authority;
mod command;
mod keys;
pub(crate) mod schema;

pub(crate) use authority::Authority;
pub(crate) use command::{Given, answer, answer_body, give, listed, store_body, waiting};
pub(crate) use keys::{KeyVersion, newest, rotate, versions};

use crate::{
    peer::Peer,
    store::Result,
    tokens::{self, Known, Scope},
};
use cem_contract::{
    CommandKind, VerifyingKey,
    enrol::{self, DeviceConfig, Machine, PURPOSE_TENANT},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// A device's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A code was given out and not used yet.
    Waiting,
    /// Works.
    Active,
    /// May do nothing, until it is unlocked.
    Locked,
    /// Sends what it has and then wipes itself.
    Retiring,
    /// Gone.
    Retired,
}

impl State {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Active => "active",
            Self::Locked => "locked",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Waiting, Self::Active, Self::Locked, Self::Retiring, Self::Retired].into_iter().find(|state| state.word() == word)
    }
}

/// A device's row.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) config: DeviceConfig,
    pub(crate) state: State,
    pub(crate) public_key: Option<String>,
    pub(crate) machine: Machine,
    pub(crate) token_id: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) enrolled_ms: Option<i64>,
    pub(crate) copied_ms: Option<i64>,
}

impl Device {
    /// The key that the device signs with.
    pub(crate) fn key(&self) -> Option<VerifyingKey> {
        self.public_key.as_deref().and_then(enrol::public_key)
    }
}

const COLUMNS: &str = "source, store, device, role, till, letter, state, public_key, machine, disk, model, token_id, serial, \
                       enrolled_ms, copied_ms";

/// The device with this `source`.
pub(crate) fn find(connection: &Connection, source: &str) -> Result<Option<Device>> {
    let mut query = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM fleet_device WHERE source = ?1"))?;
    Ok(query.query_row([source], read).optional()?)
}

/// The devices of this name: one a store at most.
pub(crate) fn named(connection: &Connection, device: &str, store: Option<&str>) -> Result<Vec<Device>> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM fleet_device WHERE device = ?1 AND (?2 IS NULL OR store = ?2) ORDER BY store"
    ))?;
    let rows = query.query_map(params![device, store], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Device> {
    let word: String = row.get(6)?;
    let state = State::from_word(&word).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(6, rusqlite::types::Type::Text, format!("unknown state {word}").into())
    })?;
    let text = |column: usize| row.get::<_, Option<String>>(column).map(Option::unwrap_or_default);
    Ok(Device {
        config: DeviceConfig {
            source: row.get(0)?,
            store: row.get(1)?,
            device: row.get(2)?,
            role: row.get(3)?,
            till: row.get(4)?,
            order_letter: row.get(5)?,
        },
        state,
        public_key: row.get(7)?,
        machine: Machine { id: text(8)?, disk: text(9)?, model: text(10)? },
        token_id: row.get(11)?,
        serial: row.get(12)?,
        enrolled_ms: row.get(13)?,
        copied_ms: row.get(14)?,
    })
}

/// Makes the row of a new device, with the store's next till number and order letter.
pub(crate) fn add(connection: &Connection, store: &str, device: &str, role: &str, now_ms: i64) -> Result<Device> {
    let till: u32 = connection
        .prepare_cached("SELECT coalesce(max(till), 0) + 1 FROM fleet_device WHERE store = ?1")?
        .query_row([store], |row| row.get(0))?;
    let source = format!("/stores/{store}/devices/{device}");
    connection
        .prepare_cached(
            "INSERT INTO fleet_device(source, store, device, role, till, letter, state, changed_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'waiting', ?7)",
        )?
        .execute(params![source, store, device, role, till, letter(till), now_ms])?;
    let config = DeviceConfig {
        store: store.to_owned(),
        device: device.to_owned(),
        role: role.to_owned(),
        source,
        till,
        order_letter: letter(till),
    };
    let (public_key, machine, token_id, serial) = (None, Machine::default(), None, None);
    Ok(Device { config, state: State::Waiting, public_key, machine, token_id, serial, enrolled_ms: None, copied_ms: None })
}

/// A, B, … Z, AA, AB, …: the letter of the store's nth till, from 1.
fn letter(till: u32) -> String {
    let mut left = till;
    let mut letters = Vec::new();
    while left > 0 {
        left -= 1;
        letters.push(b'A' + u8::try_from(left % 26).unwrap_or(0));
        left /= 26;
    }
    letters.iter().rev().map(|letter| char::from(*letter)).collect()
}

/// Puts a device into a state.
pub(crate) fn set_state(connection: &Connection, source: &str, state: State, now_ms: i64) -> Result<()> {
    connection.prepare_cached("UPDATE fleet_device SET state = ?2, changed_ms = ?3 WHERE source = ?1")?.execute(params![
        source,
        state.word(),
        now_ms
    ])?;
    Ok(())
}

/// What a device has become by enrolment.
pub(crate) struct Enrolled<'a> {
    pub(crate) public_key: &'a str,
    pub(crate) machine: &'a Machine,
    pub(crate) token_id: &'a str,
    pub(crate) serial: &'a str,
}

/// Writes an enrolment into the device's row: it works from now on.
pub(crate) fn enrolled(connection: &Connection, source: &str, new: &Enrolled<'_>, now_ms: i64) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE fleet_device SET state = 'active', public_key = ?2, machine = ?3, disk = ?4, model = ?5, token_id = ?6,
             serial = ?7, enrolled_ms = ?8, changed_ms = ?8, copied_ms = NULL WHERE source = ?1",
        )?
        .execute(params![
            source,
            new.public_key,
            new.machine.id,
            new.machine.disk,
            new.machine.model,
            new.token_id,
            new.serial,
            now_ms
        ])?;
    Ok(())
}

/// Revokes a device's token and certificate, and forgets its key: what it signs is not believed any more.
pub(crate) fn revoke(connection: &Connection, device: &Device, state: State, now_ms: i64) -> Result<()> {
    if let Some(id) = &device.token_id {
        tokens::revoke_known(connection, id, now_ms)?;
    }
    connection
        .prepare_cached("UPDATE fleet_device SET public_key = NULL, serial = NULL WHERE source = ?1")?
        .execute([&device.config.source])?;
    set_state(connection, &device.config.source, state, now_ms)
}

/// Locks a device: nothing of it is taken from now on, and every other device gets a new version of the tenant's key.
/// Gives that version.
pub(crate) fn lock(connection: &Connection, device: &Device, now_ms: i64) -> Result<u32> {
    set_state(connection, &device.config.source, State::Locked, now_ms)?;
    rotate(connection, PURPOSE_TENANT, now_ms)
}

/// What a device that is turned away is told to do. `None` for whoever is no device of the fleet.
pub(crate) fn turned_away(connection: &Connection, known: &Known) -> Result<Option<(State, CommandKind)>> {
    if known.scope != Scope::Device {
        return Ok(None);
    }
    let Some(device) = find(connection, &known.source)? else { return Ok(None) };
    Ok(match device.state {
        State::Locked => Some((State::Locked, CommandKind::Lock)),
        State::Retired if known.revoked_ms.is_some() => Some((State::Retired, CommandKind::RetireNow)),
        // Replaced: another device has its name, till and letter now, so it must not sell any more.
        _ if known.revoked_ms.is_some() => Some((device.state, CommandKind::Lock)),
        _ => None,
    })
}

/// Whether the token of an enrolled device comes with that device's certificate, where it could.
pub(crate) fn is_proven(connection: &Connection, known: &Known, peer: &Peer) -> Result<bool> {
    let Peer::Tls(shown) = peer else { return Ok(true) };
    let device = if known.scope == Scope::Device { find(connection, &known.source)? } else { None };
    // A token that was made by hand belongs to no enrolment and to no certificate.
    let device = device.filter(|device| device.token_id.as_ref() == Some(&known.id));
    Ok(device.is_none_or(|device| device.public_key.is_some() && device.public_key == *shown))
}

/// Notes which machine reports under this name. True when it is noticed just now that it is another one than was enrolled.
pub(crate) fn seen_on(connection: &Connection, source: &str, machine: &Machine, now_ms: i64) -> Result<bool> {
    let Some(device) = find(connection, source)? else { return Ok(false) };
    if device.copied_ms.is_some() || !machine.differs(&device.machine) {
        return Ok(false);
    }
    connection.prepare_cached("UPDATE fleet_device SET copied_ms = ?2 WHERE source = ?1")?.execute(params![source, now_ms])?;
    count(connection, "copied")?;
    Ok(true)
}

/// Counts something under a name.
pub(crate) fn count(connection: &Connection, name: &str) -> Result<()> {
    connection.prepare_cached("INSERT INTO fleet_count VALUES (?1, 1) ON CONFLICT DO UPDATE SET n = n + 1")?.execute([name])?;
    Ok(())
}

/// What was counted, by name.
pub(crate) fn counts(connection: &Connection) -> Result<Vec<(String, i64)>> {
    let mut query = connection.prepare_cached("SELECT name, n FROM fleet_count ORDER BY name")?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::in_memory;

    const SOURCE: &str = "/stores/s-001/devices/k-01";

    #[test]
    fn tills_count_up_and_letters_go_on_after_z() {
        assert_eq!([1, 2, 26, 27, 52, 53, 703].map(letter), ["A", "B", "Z", "AA", "AZ", "BA", "AAA"]);
        let db = in_memory();
        let (a, b) = (add(&db, "s-001", "k-01", "kiosk", 0).unwrap(), add(&db, "s-001", "k-02", "kiosk", 0).unwrap());
        assert_eq!((a.config.till, b.config.till, b.config.order_letter.as_str()), (1, 2, "B"));
        assert_eq!(add(&db, "s-002", "k-01", "kiosk", 0).unwrap().config.till, 1);
        assert_eq!((named(&db, "k-01", None).unwrap().len(), named(&db, "k-01", Some("s-002")).unwrap().len()), (2, 1));
    }

    #[test]
    fn another_machine_under_the_same_name_is_noticed_once() {
        let db = in_memory();
        add(&db, "s-001", "k-01", "kiosk", 0).unwrap();
        let machine = |id: &str| Machine { id: id.into(), disk: "d".into(), model: String::new() };
        let new = Enrolled { public_key: "", machine: &machine("m-1"), token_id: "t", serial: "1" };
        enrolled(&db, SOURCE, &new, 1).unwrap();
        assert!(!seen_on(&db, SOURCE, &machine("m-1"), 2).unwrap());
        assert!(seen_on(&db, SOURCE, &machine("m-2"), 3).unwrap());
        assert!(!seen_on(&db, SOURCE, &machine("m-2"), 4).unwrap());
        assert_eq!(counts(&db).unwrap(), [("copied".to_owned(), 1)]);
        assert_eq!(find(&db, SOURCE).unwrap().unwrap().copied_ms, Some(3));
    }

    #[test]
    fn a_locked_a_replaced_and_a_retired_device_are_told_what_to_do_and_others_are_not() {
        let db = in_memory();
        let device = add(&db, "s-001", "k-01", "kiosk", 0).unwrap();
        let (id, text) = tokens::make(&db, Scope::Device, SOURCE, 0).unwrap();
        let new = Enrolled { public_key: "", machine: &Machine::default(), token_id: &id, serial: "1" };
        enrolled(&db, SOURCE, &new, 1).unwrap();
        let told = || turned_away(&db, &tokens::find(&db, &text).unwrap().unwrap()).unwrap().map(|(_, kind)| kind);
        assert_eq!(told(), None);
        assert_eq!(lock(&db, &device, 2).unwrap(), 2, "the tenant's key got a new version");
        assert_eq!(told(), Some(CommandKind::Lock));
        set_state(&db, SOURCE, State::Active, 3).unwrap();
        assert_eq!(told(), None);
        revoke(&db, &find(&db, SOURCE).unwrap().unwrap(), State::Waiting, 4).unwrap();
        assert_eq!(told(), Some(CommandKind::Lock));
        set_state(&db, SOURCE, State::Retired, 5).unwrap();
        assert_eq!(told(), Some(CommandKind::RetireNow));
    }
}
