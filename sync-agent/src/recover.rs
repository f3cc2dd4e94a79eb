//! `sync-agent recover`: what a dead device had not sent is read off its card and sent, under the ids it was given.
//!
//! The card is only read. Its files are copied into a folder of ours and sent from there by the same code that sends every
//! day, with this device's token: it works under the name of the dead one, so it may write for it. The events keep their log
//! and their numbers; what had arrived is answered `duplicate`. A damaged file is salvaged in the copy.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use edge_db::{LogReader, Outbox, OutboxOptions};

use crate::config::{Config, Link};
use crate::report;

/// Folders that are looked into: a card has thousands.
const FOLDERS: usize = 50_000;

/// What was found on a card.
#[derive(Debug)]
pub struct Found {
    /// Configuration that sends it: this device's, with the copies as its files.
    pub config: Config,
    /// Events that were not sent, as far as the card says.
    pub unsent: u64,
    /// Why the kiosk's file had to be salvaged.
    pub salvaged: Option<String>,
    copies: PathBuf,
}

impl Found {
    /// Deletes the copies: call it once everything was sent.
    ///
    /// # Errors
    /// When they cannot be deleted.
    pub fn delete(&self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.copies).with_context(|| format!("cannot delete {}", self.copies.display()))
    }

    /// Where the copies are.
    #[must_use]
    pub fn copies(&self) -> &Path {
        &self.copies
    }
}

/// Looks for the files of a device of this `source` below `from`, and copies them.
///
/// # Errors
/// When there are none, when they are another device's, or cannot be read.
pub fn find(config: &Config, from: &Path) -> anyhow::Result<Found> {
    let name = |path: &Path| path.file_name().map(OsStr::to_owned).context("a file without a name");
    let (outbox, state) = (name(&config.outbox)?, name(&config.state)?);
    let folder = config.state.parent().unwrap_or(Path::new("."));
    let copies = folder.join(format!("recover-{}", std::process::id()));
    ensure!(!from.starts_with(folder) || !config.outbox.starts_with(from), "{} are this device's own files", from.display());
    let kiosk = search(from, &outbox)?;
    let agent = search(from, &state)?;
    if kiosk.is_none() && agent.is_none() {
        bail!("no {} below {}: is the right partition mounted there?", outbox.display(), from.display());
    }
    private_folder(&copies)?;
    let found = [&kiosk, &agent].into_iter().flatten().try_for_each(|file| copy_with_all_beside(file, &copies));
    let found = found.and_then(|()| look(config, (&outbox, &state), &copies));
    if found.is_err() {
        // Another device's events, or half of a copy: nothing that should stay here.
        let _ = fs::remove_dir_all(&copies);
    }
    found
}

/// What the copies hold.
fn look(config: &Config, (outbox, state): (&OsStr, &OsStr), copies: &Path) -> anyhow::Result<Found> {
    let config = Config {
        outbox: copies.join(outbox),
        state: copies.join(state),
        link: Link::default(),
        enrol: None,
        mirror: Vec::new(),
        ..config.clone()
    };
    let salvaged = match logs_of(&config.outbox, &config.source) {
        Ok(()) => None,
        Err(Unread::Foreign(why)) => bail!(why),
        Err(Unread::Damaged(why)) => {
            drop(Outbox::open(OutboxOptions::new(&config.outbox, &config.source)).context("the file cannot be salvaged")?);
            Some(why)
        }
    };
    let unsent = report::queue(&config, None).context("the copies cannot be read")?.depth();
    Ok(Found { config, unsent, salvaged, copies: copies.to_owned() })
}

/// Sends what was found. What keeps the rest from being sent, if something is left.
///
/// # Errors
/// When the copies fail.
pub async fn send(found: &Found, print_events: bool) -> anyhow::Result<Option<String>> {
    crate::run::once(Arc::new(found.config.clone()), print_events).await
}

enum Unread {
    Damaged(String),
    Foreign(String),
}

/// Whether the kiosk's file can be read, and is that of a device of this name. No file is no fault: then the card has only the
/// agent's.
fn logs_of(path: &Path, source: &str) -> Result<(), Unread> {
    let damaged = |error: edge_db::ReadError| Unread::Damaged(error.to_string());
    let Some(reader) = LogReader::open(path).map_err(damaged)? else { return Ok(()) };
    let logs = reader.logs().map_err(damaged)?;
    match logs.iter().find(|log| log.source != source) {
        Some(log) => Err(Unread::Foreign(format!("these are the files of {}; this device is {source}", log.source))),
        None => Ok(()),
    }
}

/// The nearest file of this name.
fn search(from: &Path, name: &OsStr) -> anyhow::Result<Option<PathBuf>> {
    let mut folders = VecDeque::from([from.to_owned()]);
    fs::read_dir(from).with_context(|| format!("cannot look into {}", from.display()))?;
    for _ in 0..FOLDERS {
        let Some(folder) = folders.pop_front() else { return Ok(None) };
        let candidate = folder.join(name);
        if candidate.is_file() {
            return Ok(Some(candidate));
        }
        // What cannot be looked into is passed over: a card holds other programs' folders too.
        let inside = fs::read_dir(&folder).into_iter().flatten().flatten();
        folders.extend(inside.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()));
    }
    bail!("{} has too many folders: give the one that holds {}", from.display(), name.display())
}

fn copy_with_all_beside(file: &Path, to: &Path) -> anyhow::Result<()> {
    let (folder, name) = (file.parent().unwrap_or(Path::new(".")), file.file_name().unwrap_or_default());
    for ending in ["", "-wal"] {
        let mut from = name.to_owned();
        from.push(ending);
        let source = folder.join(&from);
        if source.exists() {
            fs::copy(&source, to.join(&from)).with_context(|| format!("cannot copy {}", source.display()))?;
        }
    }
    Ok(())
}

fn private_folder(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("cannot make {}", folder.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_are_found_wherever_they_lie_on_the_card_and_nearest_first() {
        let dir = tempfile::tempdir().unwrap();
        for place in ["a/b/c", "var/lib"] {
            fs::create_dir_all(dir.path().join(place)).unwrap();
            fs::write(dir.path().join(place).join("kiosk.db"), place).unwrap();
        }
        assert_eq!(search(dir.path(), OsStr::new("kiosk.db")).unwrap().unwrap(), dir.path().join("var/lib/kiosk.db"));
        assert_eq!(search(dir.path(), OsStr::new("agent.db")).unwrap(), None);
        assert!(search(&dir.path().join("nowhere"), OsStr::new("x")).is_err());
    }

    const SOURCE: &str = "/stores/s/devices/k";

    /// A card with events that nobody acknowledged.
    fn card(dir: &Path, source: &str, events: u128) {
        let mut options = OutboxOptions::new(dir.join("lib/kiosk.db"), source);
        options.limits = edge_db::Limits::small();
        let outbox = Outbox::open(options).unwrap();
        for n in 1..=events {
            let event = cem_contract::NewEvent {
                id: uuid::Uuid::from_u128(n),
                kind: "cem.help.called.v1".into(),
                time_ms: 0,
                visitid: None,
                visitor: None,
                consent: Default::default(),
                clock: Default::default(),
                boot: "b".into(),
                uptime_ms: 1,
                data: serde_json::json!({"place": "kiosk"}),
            };
            outbox.commit(edge_db::Commit::events(edge_db::Class::Sale, vec![event])).unwrap();
        }
        outbox.housekeep().unwrap();
    }

    fn config(dir: &Path) -> Config {
        let text = format!(
            "outbox = \"kiosk.db\"\nstate = \"agent.db\"\nsource = \"{SOURCE}\"\n[backend]\nurl = \"http://127.0.0.1:1\"\n\
             token_file = \"token\"\n"
        );
        Config::parse(&text, &dir.join("agent.toml")).unwrap()
    }

    #[test]
    fn a_card_is_only_read_and_its_copies_are_what_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let (mounted, here) = (dir.path().join("card"), dir.path().join("here"));
        card(&mounted, SOURCE, 7);
        let before = fs::read(mounted.join("lib/kiosk.db")).unwrap();
        let found = find(&config(&here), &mounted).unwrap();
        assert_eq!((found.unsent, &found.salvaged), (7, &None));
        assert!(found.config.outbox.starts_with(&here) && found.config.outbox != here.join("kiosk.db"));
        assert_eq!(fs::read(mounted.join("lib/kiosk.db")).unwrap(), before);
        found.delete().unwrap();
        assert!(!found.copies().exists());
    }

    #[test]
    fn what_can_be_read_of_a_damaged_file_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let (mounted, here) = (dir.path().join("card"), dir.path().join("here"));
        card(&mounted, SOURCE, 40);
        let path = mounted.join("lib/kiosk.db");
        fs::remove_file(mounted.join("lib/kiosk.db-wal")).ok();
        let mut bytes = fs::read(&path).unwrap();
        // The first page holds the schema: nothing can be read by name any more.
        bytes[100..4096].fill(0xff);
        fs::write(&path, bytes).unwrap();
        let found = find(&config(&here), &mounted).unwrap();
        assert!(found.salvaged.is_some());
        assert!(found.unsent > 0, "{found:?}");
    }

    #[test]
    fn another_devices_card_is_not_sent_under_this_name() {
        let dir = tempfile::tempdir().unwrap();
        let (mounted, here) = (dir.path().join("card"), dir.path().join("here"));
        card(&mounted, "/stores/s/devices/other", 1);
        let said = find(&config(&here), &mounted).unwrap_err().to_string();
        assert!(said.contains("/stores/s/devices/other"), "{said}");
        assert_eq!(fs::read_dir(&here).unwrap().count(), 0, "no copy is left");
        assert!(find(&config(&here), dir.path().join("nowhere").as_path()).is_err());
    }
}
