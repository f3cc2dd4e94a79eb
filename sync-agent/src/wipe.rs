//! Retirement: what a device recorded and what it was given is deleted.
//!
//! The kiosk deletes its own files when it is told to ([`edge_db::link::Ask::Wipe`]); where it is not there, the agent deletes
//! what it may. The mark in the vault is written first, so that a wipe that was cut off is gone on with at the next start.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use edge_db::link::{Answer, Ask, AskClient};
use tracing::{error, info, warn};

use crate::config::Config;
use crate::enrol::Enrolled;

/// Closing and deleting takes the kiosk a moment.
const KIOSK_BUDGET: Duration = Duration::from_secs(10);

/// Wipes this device. Blocks; the process must end afterwards.
///
/// # Errors
/// When the vault cannot be emptied.
pub fn device(config: &Config, enrolled: &Enrolled) -> anyhow::Result<()> {
    match AskClient::new(config.kiosk_path()).ask(&Ask::Wipe, KIOSK_BUDGET) {
        Ok(Answer::Done) => info!("the kiosk has wiped itself"),
        Ok(_) => warn!("the kiosk did not say that it wiped itself; its files are deleted from here"),
        Err(error) => warn!(%error, "the kiosk is not there; its files are deleted from here"),
    }
    enrolled.wipe()?;
    files(config);
    info!("this device is wiped");
    Ok(())
}

/// Deletes both files of events with everything beside them. What cannot be deleted is reported.
pub fn files(config: &Config) {
    for file in [&config.outbox, &config.state] {
        beside(file);
    }
}

fn beside(file: &Path) {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else { return };
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let found = entry.file_name();
        // `kiosk.db`, `kiosk.db-wal`, `kiosk.db.damaged-1`, …, and nothing else that begins alike.
        if !is_beside(&found, name) || !entry.path().is_file() {
            continue;
        }
        if let Err(error) = std::fs::remove_file(entry.path()) {
            error!(%error, path = %entry.path().display(), "not deleted: delete it by hand");
        }
    }
}

fn is_beside(found: &OsString, name: &std::ffi::OsStr) -> bool {
    let rest = found.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
    rest.is_some_and(|rest| rest.is_empty() || matches!(rest[0], b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_goes_with_everything_beside_it_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["kiosk.db", "kiosk.db-wal", "kiosk.db.damaged-1", "kiosk.dbx", "menu.toml"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        beside(&dir.path().join("kiosk.db"));
        let mut left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["kiosk.dbx", "menu.toml"]);
    }
}
