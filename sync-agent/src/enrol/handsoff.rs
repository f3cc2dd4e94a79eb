//! Enrolment by a file, for installs that nobody stands beside: `/etc/cem/enrol.toml`.
//!
//! ```toml
//! backend = "https://cem.example"
//! code    = "K7PM-2QXA-9TDE"
//! proxy   = "http://proxy:3128"   # where the shop has one
//! ```
//!
//! It is looked at while the device is not enrolled, whenever it changes, and deleted once it was used: a code is good once.
//! What it asks for beside the two (network, time zone, language) is applied by whoever installs, not by the agent: those
//! tables are read past.

use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;
use cem_contract::enrol::normalise_code;
use serde::Deserialize;

const MAX_BYTES: u64 = 64 * 1024;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HandsOff {
    /// The backend's base address; the configured one when absent.
    pub(crate) backend: Option<String>,
    /// The code.
    pub(crate) code: String,
    /// The shop's proxy; the configured one when absent.
    pub(crate) proxy: Option<String>,
    /// For the installer.
    #[serde(default, rename = "network")]
    _network: toml::Table,
    #[serde(default, rename = "locale")]
    _locale: toml::Table,
    #[serde(default, rename = "display")]
    _display: toml::Table,
}

/// The file, when it is there and another one than at `seen`.
///
/// # Errors
/// File, line and cure.
pub(crate) fn look(path: &Path, seen: &mut Option<SystemTime>) -> anyhow::Result<Option<HandsOff>> {
    let Ok(meta) = std::fs::metadata(path) else { return Ok(None) };
    let modified = meta.modified().ok();
    if modified.is_some() && *seen == modified {
        return Ok(None);
    }
    *seen = modified;
    anyhow::ensure!(meta.len() <= MAX_BYTES, "{} is too long", path.display());
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let file: HandsOff = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        anyhow::anyhow!("{}:{line}: {}", path.display(), error.message().trim())
    })?;
    let is_code = normalise_code(&file.code).is_some();
    anyhow::ensure!(is_code, "{}: `code` is not a code: twelve letters and digits, from `fleet enrol`", path.display());
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_read_once_and_its_mistakes_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("enrol.toml");
        let mut seen = None;
        assert_eq!(look(&path, &mut seen).unwrap(), None);
        std::fs::write(&path, "backend = \"https://x\"\ncode = \"K7PM-2QXA-9TDE\"\n[network]\nwifi = \"shop\"\n").unwrap();
        let file = look(&path, &mut seen).unwrap().unwrap();
        assert_eq!((file.backend.as_deref(), file.code.as_str()), (Some("https://x"), "K7PM-2QXA-9TDE"));
        assert_eq!(look(&path, &mut seen).unwrap(), None, "until it changes");
        std::fs::write(&path, "code = \"K7PM-2QXA-9TDE\"\ncolour = 1\n").unwrap();
        let said = look(&path, &mut None).unwrap_err().to_string();
        assert!(said.contains("enrol.toml:2: ") && said.contains("colour"), "{said}");
        std::fs::write(&path, "code = \"1234\"\n").unwrap();
        assert!(look(&path, &mut None).unwrap_err().to_string().contains("fleet enrol"));
    }
}
