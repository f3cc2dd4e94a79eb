//! The backend's own secrets, each a file of 32 random bytes in base64, made on first use and readable by the backend's
//! user only:
//!
//! | File | What for |
//! |---|---|
//! | `profile.key` | signs guests' profiles |
//! | `fleet.key` | signs staff rosters and commands to devices |
//! | `device-ca.key` | signs devices' certificates |
//! | `scoped.key` | the master from which devices' scoped keys are derived; it never leaves this folder |
//!
//! A scoped key that was made elsewhere (the one that cards were written with) is put beside them as
//! `<purpose>.<version>.key`, in hex: it is given out instead of the derived one.

use anyhow::{Context, anyhow, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use cem_contract::{
    SigningKey, VerifyingKey,
    enrol::{KEY_COMMANDS, KEY_PROFILES, KEY_ROSTER, PURPOSE_PICC_DATA, TrustRoot, TrustedKey},
    hex,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Derives the keys of single guest cards. Never given to a device.
pub(crate) const PURPOSE_CARD_MASTER: &str = "card-master";

/// The key that signs profiles: read, or made.
pub(crate) fn profile_key(data: &Path) -> anyhow::Result<SigningKey> {
    Ok(SigningKey::from_bytes(&secret(data, "profile.key")?))
}

/// What the fleet's side of the backend signs with and gives out.
pub(crate) struct FleetKeys {
    /// Signs rosters and commands.
    pub(crate) signing: SigningKey,
    /// Whom devices are told to believe.
    pub(crate) trust: TrustRoot,
    /// Signs devices' certificates.
    pub(crate) authority: crate::devices::Authority,
    scoped: [u8; 32],
    data: PathBuf,
}

impl FleetKeys {
    /// Reads the keys, or makes them.
    pub(crate) fn open(data: &Path, profiles: &VerifyingKey) -> anyhow::Result<Self> {
        let signing = SigningKey::from_bytes(&secret(data, "fleet.key")?);
        let authority = crate::devices::Authority::new(&secret(data, "device-ca.key")?)?;
        let keys = vec![
            TrustedKey::new(profiles, &[KEY_PROFILES]),
            TrustedKey::new(&signing.verifying_key(), &[KEY_ROSTER, KEY_COMMANDS]),
        ];
        let trust = TrustRoot { version: 1, keys, device_ca: authority.certificate().to_owned() };
        Ok(Self { signing, trust, authority, scoped: secret(data, "scoped.key")?, data: data.to_owned() })
    }

    /// A scoped key in hex: the imported one, or the one derived for purpose and version.
    pub(crate) fn scoped(&self, purpose: &str, version: u32) -> anyhow::Result<String> {
        let length = if matches!(purpose, PURPOSE_PICC_DATA | PURPOSE_CARD_MASTER) { 16 } else { 32 };
        let path = self.data.join(format!("{purpose}.{version}.key"));
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let bytes = hex::decode(text.trim()).filter(|bytes| bytes.len() == length);
                let bytes = bytes.with_context(|| format!("{} must hold {length} bytes in hex", path.display()))?;
                return Ok(hex::encode(&bytes));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.scoped).context("a key of 32 bytes")?;
        for part in [b"cem scoped key".as_slice(), purpose.as_bytes(), &version.to_be_bytes()] {
            mac.update(&[u8::try_from(part.len()).unwrap_or(u8::MAX)]);
            mac.update(part);
        }
        Ok(hex::encode(&mac.finalize().into_bytes()[..length]))
    }
}

/// Reads a secret, or makes it.
fn secret(data: &Path, name: &str) -> anyhow::Result<[u8; 32]> {
    let path = data.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text).with_context(|| format!("{} is damaged: restore it from a backup", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => make(data, &path),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn parse(text: &str) -> anyhow::Result<[u8; 32]> {
    let bytes = STANDARD.decode(text.trim()).context("not base64")?;
    bytes.try_into().map_err(|_| anyhow!("not 32 bytes"))
}

/// The file appears complete or not at all, and whoever comes second takes the first one's key.
fn make(data: &Path, path: &Path) -> anyhow::Result<[u8; 32]> {
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow!("the system gives no random bytes: {error}"))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = data.join(format!("{name}.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    writeln!(file, "{}", STANDARD.encode(seed))?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&part, path);
    std::fs::remove_file(&part)?;
    match linked {
        Ok(()) => File::open(data)?.sync_all()?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(|| format!("cannot make {}", path.display())),
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let seed = parse(&text)?;
    ensure!(!seed.iter().all(|byte| *byte == 0), "the system's random bytes are all zero");
    Ok(seed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cem_contract::enrol::{PURPOSE_PIN_PEPPER, PURPOSE_TENANT};

    #[test]
    fn scoped_keys_differ_by_purpose_and_version_and_stay_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let profiles = profile_key(dir.path()).unwrap().verifying_key();
        let keys = FleetKeys::open(dir.path(), &profiles).unwrap();
        let tenant = keys.scoped(PURPOSE_TENANT, 1).unwrap();
        let all = [tenant.clone(), keys.scoped(PURPOSE_TENANT, 2).unwrap(), keys.scoped(PURPOSE_PIN_PEPPER, 1).unwrap()];
        assert!(all.iter().all(|key| key.len() == 64) && all[0] != all[1] && all[0] != all[2]);
        assert_eq!(keys.scoped(PURPOSE_PICC_DATA, 1).unwrap().len(), 32);
        let again = FleetKeys::open(dir.path(), &profiles).unwrap();
        assert_eq!(again.scoped(PURPOSE_TENANT, 1).unwrap(), tenant);
        assert_eq!(again.trust, keys.trust);
    }

    #[test]
    fn a_key_that_cards_were_written_with_is_given_out_instead() {
        let dir = tempfile::tempdir().unwrap();
        let keys = FleetKeys::open(dir.path(), &profile_key(dir.path()).unwrap().verifying_key()).unwrap();
        std::fs::write(dir.path().join("picc-data.1.key"), "000102030405060708090A0B0C0D0E0F\n").unwrap();
        assert_eq!(keys.scoped(PURPOSE_PICC_DATA, 1).unwrap(), "000102030405060708090a0b0c0d0e0f");
        std::fs::write(dir.path().join("tenant.1.key"), "0001").unwrap();
        assert!(keys.scoped(PURPOSE_TENANT, 1).unwrap_err().to_string().contains("32 bytes"));
    }
}
