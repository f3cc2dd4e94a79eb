//! Enrolment: one-time codes, and what a device gets for one.
//!
//! A code is twelve characters, good for a quarter of an hour, for one device, once; it is stored hashed. Refusals differ
//! (wrong, used, late) so that a person knows what to do; each is logged and counted. Wrong codes are limited for everybody
//! together: [`Limiter`].
//!
//! An answer may be lost on its way. So within its time a used code is good once more for the same public key, which gets a
//! token anew and loses the one before.

mod limiter;

pub(crate) use limiter::Limiter;

use crate::{
    devices::{self, Device, Enrolled, KeyVersion, State},
    keys::FleetKeys,
    store::Result,
    tokens::{self, Scope},
};
use cem_contract::enrol::{self, CODE_CHARS, CODE_VALID_MS, DeviceConfig, EnrolAnswer, EnrolRefusal, EnrolRequest, ScopedKey};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

/// Text from a device about itself is cut here.
const MACHINE_CHARS: usize = 200;
/// Codes are kept for this long, so that a late one is told from a wrong one.
const KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// Why no code is given out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoCode {
    /// Another device works under this name.
    #[error("{0} is enrolled: `fleet replace` puts another device in its place")]
    Enrolled(String),
    /// It was something else.
    #[error("{0} has the role {1}: use that, or another name")]
    OtherRole(String, String),
}

/// A new code for a device, which is made when it is not known. Withdraws the codes before it.
pub(crate) fn code_for_new(
    connection: &Connection,
    (store, device, role): (&str, &str, &str),
    random: [u8; CODE_CHARS],
    now_ms: i64,
) -> Result<std::result::Result<(String, DeviceConfig), NoCode>> {
    let known = devices::find(connection, &format!("/stores/{store}/devices/{device}"))?;
    let known = match known {
        None => devices::add(connection, store, device, role, now_ms)?,
        Some(known) if known.config.role != role => {
            return Ok(Err(NoCode::OtherRole(device.to_owned(), known.config.role)));
        }
        Some(known) if matches!(known.state, State::Waiting | State::Retired) => known,
        Some(_) => return Ok(Err(NoCode::Enrolled(device.to_owned()))),
    };
    Ok(Ok((code_for(connection, &known, random, now_ms)?, known.config)))
}

/// A new code for whatever device is to work under this name. What worked under it before is revoked.
pub(crate) fn code_for_replacement(
    connection: &Connection,
    device: &Device,
    random: [u8; CODE_CHARS],
    now_ms: i64,
) -> Result<String> {
    devices::revoke(connection, device, State::Waiting, now_ms)?;
    code_for(connection, device, random, now_ms)
}

fn code_for(connection: &Connection, device: &Device, random: [u8; CODE_CHARS], now_ms: i64) -> Result<String> {
    let source = &device.config.source;
    connection.prepare_cached("DELETE FROM enrol_code WHERE created_ms < ?1")?.execute([now_ms - KEPT_MS])?;
    connection
        .prepare_cached("UPDATE enrol_code SET withdrawn_ms = ?2 WHERE source = ?1 AND used_ms IS NULL AND withdrawn_ms IS NULL")?
        .execute(params![source, now_ms])?;
    if device.state == State::Retired {
        devices::set_state(connection, source, State::Waiting, now_ms)?;
    }
    let code = enrol::code(random);
    connection
        .prepare_cached("INSERT INTO enrol_code(hash, source, created_ms, expires_ms) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![hash(&code).unwrap_or_default(), source, now_ms, now_ms + CODE_VALID_MS])?;
    Ok(code)
}

/// Takes a device in, or says why not. Both are written down.
pub(crate) fn enrol(
    connection: &Connection,
    keys: &FleetKeys,
    request: &EnrolRequest,
    serial: [u8; 16],
    now_ms: i64,
) -> Result<std::result::Result<EnrolAnswer, EnrolRefusal>> {
    let outcome = match judge(connection, request, now_ms)? {
        Ok(device) => Ok(admit(connection, keys, &device, request, serial, now_ms)?),
        Err(refusal) => Err(refusal),
    };
    let name = match &outcome {
        Ok(_) => "enrolled",
        Err(EnrolRefusal::Used) => "enrol_refused_used",
        Err(EnrolRefusal::Late) => "enrol_refused_late",
        Err(EnrolRefusal::Malformed) => "enrol_refused_malformed",
        Err(_) => "enrol_refused_wrong",
    };
    devices::count(connection, name)?;
    Ok(outcome)
}

fn judge(connection: &Connection, request: &EnrolRequest, now_ms: i64) -> Result<std::result::Result<Device, EnrolRefusal>> {
    let (Some(hash), Some(_)) = (hash(&request.code), enrol::public_key(&request.public_key)) else {
        return Ok(Err(EnrolRefusal::Malformed));
    };
    let found: Option<(String, i64, Option<i64>, Option<i64>)> = connection
        .prepare_cached("SELECT source, expires_ms, used_ms, withdrawn_ms FROM enrol_code WHERE hash = ?1")?
        .query_row([hash], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((source, expires_ms, used_ms, withdrawn_ms)) = found else { return Ok(Err(EnrolRefusal::Wrong)) };
    let Some(device) = devices::find(connection, &source)? else { return Ok(Err(EnrolRefusal::Wrong)) };
    let is_the_same = device.public_key.as_deref().is_some_and(|key| key.eq_ignore_ascii_case(&request.public_key));
    Ok(match (withdrawn_ms, used_ms) {
        (Some(_), _) => Err(EnrolRefusal::Wrong),
        (None, Some(_)) if !is_the_same || device.state != State::Active => Err(EnrolRefusal::Used),
        _ if now_ms >= expires_ms => Err(if used_ms.is_some() { EnrolRefusal::Used } else { EnrolRefusal::Late }),
        _ => Ok(device),
    })
}

fn admit(
    connection: &Connection,
    keys: &FleetKeys,
    device: &Device,
    request: &EnrolRequest,
    serial: [u8; 16],
    now_ms: i64,
) -> Result<EnrolAnswer> {
    let source = &device.config.source;
    let key = enrol::public_key(&request.public_key).ok_or_else(|| internal("a key that was checked is none"))?;
    let issued = keys.authority.issue(source, &key, serial).map_err(internal)?;
    devices::revoke(connection, device, State::Waiting, now_ms)?;
    let (token_id, token) = tokens::make(connection, Scope::Device, source, now_ms).map_err(internal)?;
    let cut = |text: &str| text.chars().filter(|c| !c.is_control()).take(MACHINE_CHARS).collect::<String>();
    let said = &request.machine;
    let machine = enrol::Machine { id: cut(&said.id), disk: cut(&said.disk), model: cut(&said.model) };
    let public_key = request.public_key.to_ascii_lowercase();
    let new = Enrolled { public_key: &public_key, machine: &machine, token_id: &token_id, serial: &issued.serial };
    devices::enrolled(connection, source, &new, now_ms)?;
    connection
        .prepare_cached("UPDATE enrol_code SET used_ms = coalesce(used_ms, ?2) WHERE hash = ?1")?
        .execute(params![hash(&request.code).unwrap_or_default(), now_ms])?;
    Ok(EnrolAnswer {
        token,
        certificate: issued.certificate,
        trust_root: keys.trust.clone(),
        keys: scoped(keys, devices::versions(connection, now_ms)?)?,
        config: device.config.clone(),
    })
}

/// The bytes of the keys that devices hold.
pub(crate) fn scoped(keys: &FleetKeys, versions: Vec<KeyVersion>) -> Result<Vec<ScopedKey>> {
    versions
        .into_iter()
        .map(|KeyVersion { purpose, version, retires }| {
            let key = keys.scoped(&purpose, version).map_err(internal)?;
            Ok(ScopedKey { purpose, version, key, retires })
        })
        .collect()
}

fn hash(code: &str) -> Option<Vec<u8>> {
    Some(Sha256::digest(enrol::normalise_code(code)?.as_bytes()).to_vec())
}

/// What a person must mend before it can work: told in the log; the device hears that the backend is busy.
fn internal(error: impl std::fmt::Display) -> crate::store::StoreError {
    tracing::error!(error = format!("{error:#}"), "an enrolment failed");
    crate::store::StoreError::Busy("a key cannot be used: see the backend's log".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{keys::profile_key, store::in_memory};
    use cem_contract::{SigningKey, hex};

    const NEW: (&str, &str, &str) = ("s-001", "k-01", "kiosk");

    struct Office {
        db: Connection,
        keys: FleetKeys,
        _dir: tempfile::TempDir,
    }

    impl Office {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let keys = FleetKeys::open(dir.path(), &profile_key(dir.path()).unwrap().verifying_key()).unwrap();
            Self { db: in_memory(), keys, _dir: dir }
        }

        fn code(&self, random: u8, now: i64) -> String {
            code_for_new(&self.db, NEW, [random; CODE_CHARS], now).unwrap().unwrap().0
        }

        fn enrol(&self, code: &str, seed: u8, now: i64) -> std::result::Result<EnrolAnswer, EnrolRefusal> {
            let public_key = hex::encode(SigningKey::from_bytes(&[seed; 32]).verifying_key().as_bytes());
            let request = EnrolRequest { code: code.to_owned(), public_key, machine: enrol::Machine::default() };
            enrol(&self.db, &self.keys, &request, [1; 16], now).unwrap()
        }

        fn code_to_replace(&self, random: u8, now: i64) -> String {
            let device = devices::find(&self.db, "/stores/s-001/devices/k-01").unwrap().unwrap();
            code_for_replacement(&self.db, &device, [random; CODE_CHARS], now).unwrap()
        }

        fn is_good(&self, token: &str) -> bool {
            tokens::find(&self.db, token).unwrap().unwrap().revoked_ms.is_none()
        }
    }

    #[test]
    fn a_code_is_good_once_and_for_a_quarter_of_an_hour() {
        let office = Office::new();
        let code = office.code(1, 0);
        assert_eq!(office.enrol("0000-0000-0000", 1, 1), Err(EnrolRefusal::Wrong));
        assert_eq!(office.enrol("rubbish", 1, 1), Err(EnrolRefusal::Malformed));
        assert_eq!(office.enrol(&code, 1, CODE_VALID_MS), Err(EnrolRefusal::Late));
        let answer = office.enrol(&code.to_lowercase(), 1, CODE_VALID_MS - 1).unwrap();
        assert!(office.is_good(&answer.token));
        assert_eq!(office.enrol(&code, 2, CODE_VALID_MS - 1), Err(EnrolRefusal::Used));
        let counted = devices::counts(&office.db).unwrap();
        let names: Vec<&str> = counted.iter().map(|(name, _)| name.as_str()).collect();
        let expected = ["enrol_refused_late", "enrol_refused_malformed", "enrol_refused_used", "enrol_refused_wrong", "enrolled"];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_device_whose_answer_was_lost_may_ask_again_with_the_same_key() {
        let office = Office::new();
        let code = office.code(1, 0);
        let lost = office.enrol(&code, 1, 1).unwrap();
        let answer = office.enrol(&code, 1, 2).unwrap();
        assert!(!office.is_good(&lost.token) && office.is_good(&answer.token));
        assert_eq!(office.enrol(&code, 1, CODE_VALID_MS), Err(EnrolRefusal::Used));
    }

    #[test]
    fn a_new_code_withdraws_the_one_before_and_an_enrolled_device_gets_none() {
        let office = Office::new();
        let (old, new) = (office.code(1, 0), office.code(2, 1));
        assert_eq!(office.enrol(&old, 1, 2), Err(EnrolRefusal::Wrong));
        assert!(office.enrol(&new, 1, 2).is_ok());
        assert!(matches!(code_for_new(&office.db, NEW, [3; CODE_CHARS], 3).unwrap(), Err(NoCode::Enrolled(_))));
        let other = ("s-001", "k-01", "counter");
        assert!(matches!(code_for_new(&office.db, other, [3; CODE_CHARS], 3).unwrap(), Err(NoCode::OtherRole(..))));
    }

    #[test]
    fn a_replacement_keeps_till_and_letter_and_what_it_replaces_is_turned_away() {
        let office = Office::new();
        let first = office.enrol(&office.code(1, 0), 1, 1).unwrap();
        let code = office.code_to_replace(2, 2);
        assert!(!office.is_good(&first.token), "at once, not when the new device comes");
        let second = office.enrol(&code, 2, 3).unwrap();
        assert_eq!((second.config.clone(), second.config.till), (first.config, 1));
        assert_ne!(second.certificate, "");
        assert!(office.is_good(&second.token));
        let device = devices::find(&office.db, &second.config.source).unwrap().unwrap();
        assert_eq!(device.key(), Some(SigningKey::from_bytes(&[2; 32]).verifying_key()));
    }

    #[test]
    fn a_device_gets_scoped_keys_and_never_the_master() {
        let office = Office::new();
        let answer = office.enrol(&office.code(1, 0), 1, 1).unwrap();
        let purposes: Vec<(&str, usize)> = answer.keys.iter().map(|key| (key.purpose.as_str(), key.key.len())).collect();
        assert_eq!(purposes, [("tenant", 64), ("picc-data", 32), ("pin-pepper", 64)]);
        assert_eq!(answer.trust_root, office.keys.trust);
        assert_eq!(answer.trust_root.keys_for(enrol::KEY_ROSTER), [office.keys.signing.verifying_key()]);
    }
}
