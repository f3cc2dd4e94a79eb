//! The key that signs profiles: made on first use, kept in `profile.key`, readable by the backend's user only.

use anyhow::{Context, anyhow, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use cem_contract::SigningKey;
use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Reads the key, or makes it.
pub(crate) fn profile_key(data: &Path) -> anyhow::Result<SigningKey> {
    let path = data.join("profile.key");
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text).with_context(|| format!("{} is damaged: restore it from a backup", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => make(data, &path),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn parse(text: &str) -> anyhow::Result<SigningKey> {
    let bytes = STANDARD.decode(text.trim()).context("not base64")?;
    let seed: [u8; 32] = bytes.try_into().map_err(|_| anyhow!("not 32 bytes"))?;
    Ok(SigningKey::from_bytes(&seed))
}

/// The file appears complete or not at all, and whoever comes second takes the first one's key.
fn make(data: &Path, path: &Path) -> anyhow::Result<SigningKey> {
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow!("the system gives no random bytes: {error}"))?;
    let part = data.join(format!("profile.key.{}", std::process::id()));
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
    let key = parse(&text)?;
    ensure!(!key.to_bytes().iter().all(|byte| *byte == 0), "the system's random bytes are all zero");
    Ok(key)
}
