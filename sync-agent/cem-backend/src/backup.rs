//! `cem-backend backup` and `restore`.
//!
//! A backup is one SQLite file: everything but the keys (`*.key`), which are secrets and are kept apart. A restored backend
//! asks the devices for the events that it lost, as soon as they report or send a later one, and they send them again from
//! their retention. What no device can send again is taken over from the replaced database, where that can still be read:
//! tokens and their revocation, devices, staff, what was erased, what consoles said about consent.
//!
//! A backend that serves is handed the backup: it stops as if told to, begins again as the same process, and puts the backup in
//! place before it opens anything. Whatever ends that process between leaves the wish on disk, and the next start fulfils it.
//!
//! Restored is not the same: cursors that devices hold would point at other rows, and versions of profiles would fall
//! below those that devices have seen. So a restored database has a new epoch, and its versions go on from far above.

use crate::{
    devices,
    people::{self, consent, erase, visitor},
    store,
};
use anyhow::{Context, bail, ensure};
use cem_contract::{Erasure, time};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// Versions of profiles that may have been given out since the backup.
const VERSIONS: i64 = 1 << 20;
/// A backup that a serving backend is to put in place.
const WANTED: &str = "cem.db.wanted";
/// What became of it.
const OUTCOME: &str = "restored.json";
/// How long the serving backend is waited for; a large database is copied and looked through meanwhile.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
const LOOK: Duration = Duration::from_millis(100);

/// Writes a copy of one moment while the backend may be running. The file must not be there; it appears whole or not at
/// all.
pub(crate) fn backup(data: &Path, to: &Path) -> anyhow::Result<()> {
    let from = store::database(data);
    ensure!(from.exists(), "there is no {}: nothing to back up", from.display());
    ensure!(!to.exists(), "{} is there already: choose another name", to.display());
    let part = beside(to, ".part");
    remove(&part)?;
    drop(store::make_private_file(&part)?);
    // Not the backup API: that starts again from the beginning whenever another process commits. This is one reader.
    store::open_for_reading(&from)?
        .execute("VACUUM INTO ?1", [text(&part)?])
        .with_context(|| format!("cannot copy {} to {}", from.display(), part.display()))?;
    File::open(&part)?.sync_all()?;
    // Unlike a rename, a link never replaces what somebody else has put there meanwhile.
    let linked = fs::hard_link(&part, to).with_context(|| format!("cannot make {}", to.display()));
    fs::remove_file(&part)?;
    linked?;
    sync_folder(to)
}

/// What a restore did.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restored {
    /// Events in the backup.
    pub(crate) events: i64,
    /// Where the replaced database is, if there was one.
    pub(crate) kept: Option<PathBuf>,
    /// Why nothing could be taken over from it.
    pub(crate) unreadable: Option<String>,
}

/// Puts a backup in the place of the database, or has the backend do it that serves this folder.
pub(crate) fn restore(data: &Path, from: &Path, now_ms: i64) -> anyhow::Result<Restored> {
    match store::try_lock(data)? {
        Some(_lock) => put_in_place(data, from, now_ms),
        None => hand_over(data, from),
    }
}

/// What a serving backend is asked for by a file.
pub(crate) fn is_wanted(data: &Path) -> bool {
    data.join(WANTED).exists()
}

/// What became of a backup that was wanted; the error is a sentence.
pub(crate) type Outcome = Result<Restored, String>;

/// At the start of a backend that holds the folder: puts in place what is wanted, if anything is. A backup that cannot be used is
/// refused, and the database stays as it was.
pub(crate) fn take_wanted(data: &Path, now_ms: i64) -> Option<Outcome> {
    let wanted = data.join(WANTED);
    if !wanted.exists() {
        return None;
    }
    let outcome = put_in_place(data, &wanted, now_ms).map_err(|error| format!("{error:#}"));
    match &outcome {
        Ok(restored) => tracing::warn!(events = restored.events, "a backup was put in the place of the database"),
        Err(error) => tracing::error!(error, "a backup was to be restored and could not be"),
    }
    Some(outcome)
}

/// Tells whoever wanted it, once the backend serves again.
pub(crate) fn tell(data: &Path, outcome: &Outcome) -> anyhow::Result<()> {
    let wanted = data.join(WANTED);
    let part = data.join("restored.json.part");
    remove(&part)?;
    let mut file = store::make_private_file(&part)?;
    serde_json::to_writer(&mut file, outcome)?;
    file.sync_all()?;
    fs::rename(&part, data.join(OUTCOME))?;
    remove(&wanted)?;
    sync_folder(&wanted)
}

/// Leaves a checked copy where the serving backend looks for it, and waits for what becomes of it.
fn hand_over(data: &Path, from: &Path) -> anyhow::Result<Restored> {
    check(from).with_context(|| format!("{} cannot be restored", from.display()))?;
    let (wanted, part, outcome) = (data.join(WANTED), data.join("cem.db.wanted.part"), data.join(OUTCOME));
    ensure!(!wanted.exists(), "another restore is under way");
    remove(&outcome)?;
    remove(&part)?;
    drop(store::make_private_file(&part)?);
    fs::copy(from, &part).with_context(|| format!("cannot copy {}", from.display()))?;
    File::open(&part)?.sync_all()?;
    fs::rename(&part, &wanted)?;
    sync_folder(&wanted)?;
    let until = Instant::now() + PATIENCE;
    loop {
        // The outcome is there before the wish is gone.
        if !wanted.exists() {
            let said = fs::read(&outcome).context("the backend did not say what became of it: see its log")?;
            remove(&outcome)?;
            let said: Outcome = serde_json::from_slice(&said)?;
            return said.map_err(|why| anyhow::anyhow!("the backend goes on with what it had: {why}"));
        }
        if Instant::now() >= until {
            remove(&wanted)?;
            bail!("the backend that serves {} did not take the backup: see its log, or stop it and try again", data.display());
        }
        thread::sleep(LOOK);
    }
}

fn put_in_place(data: &Path, from: &Path, now_ms: i64) -> anyhow::Result<Restored> {
    check(from).with_context(|| format!("{} cannot be restored", from.display()))?;
    let (place, fresh) = (store::database(data), data.join("cem.db.restoring"));
    for ending in ["", "-wal", "-shm"] {
        remove(&beside(&fresh, ending))?;
    }
    drop(store::make_private_file(&fresh)?);
    fs::copy(from, &fresh).with_context(|| format!("cannot copy {}", from.display()))?;
    let mut restored = Restored::default();
    let mut legacy = Legacy::default();
    if place.exists() {
        match Legacy::read(&place) {
            Ok(read) => legacy = read,
            Err(error) => restored.unreadable = Some(format!("{error:#}")),
        }
    }
    restored.events = prepare(&fresh, legacy, now_ms)?;
    restored.kept = replace(&place, &fresh, now_ms)?;
    Ok(restored)
}

/// Whether a file is a sound database of this program.
fn check(from: &Path) -> anyhow::Result<()> {
    ensure!(from.is_file(), "there is no such file");
    let connection = store::open_for_reading(from)?;
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    ensure!(verdict == "ok", "it is damaged: {verdict}");
    let is_ours: bool = connection.prepare("SELECT 1 FROM schema WHERE module = 'cem-backend'")?.exists([])?;
    ensure!(is_ours, "it is not a backup of cem-backend");
    Ok(())
}

/// Takes over what no device can send again, and makes sure that nobody takes this database for the one it replaces.
fn prepare(fresh: &Path, legacy: Legacy, now_ms: i64) -> anyhow::Result<i64> {
    let mut connection = store::open_file(fresh)?;
    let transaction = connection.transaction()?;
    legacy.give(&transaction, now_ms)?;
    transaction.execute("UPDATE visitor SET version = version + ?1", [VERSIONS])?;
    devices::schema::raise_versions(&transaction)?;
    transaction.execute("UPDATE meta SET value = ?1 WHERE name = 'epoch'", [store::new_epoch()?])?;
    let events = transaction.query_row("SELECT count(*) FROM event", [], |row| row.get(0))?;
    transaction.commit()?;
    // The file alone must hold everything: its log does not come along.
    let (busy, left): (bool, i64) =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    ensure!(!busy && left == 0, "{} is in use by another program", fresh.display());
    connection.close().map_err(|(_, error)| error)?;
    File::open(fresh)?.sync_all()?;
    Ok(events)
}

/// Swaps the files. At every step there is a whole database in place, and never one with the log of another.
fn replace(place: &Path, fresh: &Path, now_ms: i64) -> anyhow::Result<Option<PathBuf>> {
    let kept = beside(place, &format!(".replaced-{now_ms}"));
    for ending in ["-wal", "-shm"] {
        match fs::rename(beside(place, ending), beside(&kept, ending)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    let had = match fs::hard_link(place, &kept) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(error).with_context(|| format!("cannot keep {}", kept.display())),
    };
    sync_folder(place)?;
    fs::rename(fresh, place).with_context(|| format!("cannot put {} in place", place.display()))?;
    sync_folder(place)?;
    Ok(had.then_some(kept))
}

/// What a replaced database knows and no device does.
#[derive(Default)]
struct Legacy {
    tokens: Vec<Token>,
    consents: Vec<(String, consent::Statement, String)>,
    erasures: Vec<(Erasure, i64)>,
    fleet: Option<devices::schema::Rows>,
}

struct Token {
    hash: Vec<u8>,
    id: String,
    scope: String,
    source: String,
    created_ms: i64,
    revoked_ms: Option<i64>,
}

impl Legacy {
    fn read(place: &Path) -> anyhow::Result<Self> {
        // Not only for reading: the log of a backend that was killed is folded into the file, which is kept.
        let connection = Connection::open(place)?;
        let mut query = connection.prepare("SELECT hash, id, scope, source, created_ms, revoked_ms FROM token")?;
        let tokens = query.query_map([], |row| {
            Ok(Token {
                hash: row.get(0)?,
                id: row.get(1)?,
                scope: row.get(2)?,
                source: row.get(3)?,
                created_ms: row.get(4)?,
                revoked_ms: row.get(5)?,
            })
        })?;
        let tokens = tokens.collect::<rusqlite::Result<_>>()?;
        let mut query = connection.prepare("SELECT visitor, merged, tokens, at_ms FROM erasure ORDER BY n")?;
        let mut rows = query.query([])?;
        let mut erasures = Vec::new();
        while let Some(row) = rows.next()? {
            let (merged, tokens): (String, String) = (row.get(1)?, row.get(2)?);
            let (merged, tokens) = (serde_json::from_str(&merged)?, serde_json::from_str(&tokens)?);
            let (cursor, at_ms) = (String::new(), row.get(3)?);
            erasures.push((Erasure { cursor, visitor: row.get(0)?, merged, tokens, at: time::rfc3339(at_ms) }, at_ms));
        }
        let consents = consent::said_here(&connection)?;
        let fleet = Some(devices::schema::Rows::read(&connection)?);
        Ok(Self { tokens, consents, erasures, fleet })
    }

    fn give(self, to: &Connection, now_ms: i64) -> anyhow::Result<()> {
        for token in self.tokens {
            to.prepare_cached(
                "INSERT INTO token(hash, id, scope, source, created_ms, revoked_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET revoked_ms = coalesce(token.revoked_ms, excluded.revoked_ms)",
            )?
            .execute(params![
                token.hash,
                token.id,
                token.scope,
                token.source,
                token.created_ms,
                token.revoked_ms
            ])?;
        }
        if let Some(fleet) = self.fleet {
            fleet.give(to)?;
        }
        let mut touched = people::Touched::default();
        for (visitor, statement, text_version) in self.consents {
            visitor::know(to, &visitor)?;
            consent::say(to, &visitor, &statement, &text_version)?;
            touched.visitors.insert(visitor);
        }
        for (erasure, at_ms) in self.erasures {
            erase::again(to, &mut touched, &erasure, at_ms)?;
        }
        Ok(people::fold(to, touched, now_ms)?)
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn text(path: &Path) -> anyhow::Result<&str> {
    match path.to_str() {
        Some(text) => Ok(text),
        None => bail!("{} is not UTF-8: choose another name", path.display()),
    }
}

/// A new name is on disk only when its folder is.
fn sync_folder(of: &Path) -> anyhow::Result<()> {
    let folder = of.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| format!("cannot sync {}", folder.display()))
}
