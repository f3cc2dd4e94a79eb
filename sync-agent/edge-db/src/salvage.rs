//! A damaged file: everything that can be read goes into a new one, the damaged one is kept beside it.
//!
//! The new file is finished under the name `<file>.salvage` first. Then the damaged one is renamed, its WAL after it, and
//! the new one takes its place; a crash anywhere in between is finished by the next start ([`finish`]). Nothing writes
//! to the damaged file.

use crate::{
    Hole, OpenError, OutboxOptions, Row,
    carve::{self, Found},
    file::{self, APPLICATION_ID, beside, io_error, sql_error},
    log::{self, Log},
    money,
    open::Kind,
    schema, till,
};
use rusqlite::{Connection, OpenFlags, config::DbConfig, types::Value};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What a salvage brought over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SalvageReport {
    /// What was wrong.
    pub why: String,
    /// Where the damaged file is kept.
    pub kept: PathBuf,
    /// Events brought over.
    pub events: u64,
    /// Numbers that were given and cannot be read.
    pub holes: Vec<Hole>,
    /// Rows of the other tables brought over.
    pub rows: u64,
    /// Tables of which some rows may be missing.
    pub torn_tables: Vec<String>,
}

/// Marks a log that came out of a damaged file: its end may be missing.
pub(crate) const SALVAGED: &str = "salvaged";
const NEW: &str = ".salvage";
/// Halvings of a stretch that cannot be read, before it is given up.
const DEPTH: u32 = 24;
const ROWS: i64 = 500;

/// Finishes what an interrupted salvage left behind.
pub(crate) fn finish(path: &Path) -> io::Result<()> {
    let new = beside(path, NEW);
    if !new.try_exists()? {
        return Ok(());
    }
    if path.try_exists()? {
        remove(&beside(&new, "-journal"))?;
        return remove(&new);
    }
    swap(path, &new)
}

/// The database has its other name already; its WAL follows, then the new file takes the place.
fn swap(path: &Path, new: &Path) -> io::Result<()> {
    let wal = beside(path, "-wal");
    if wal.try_exists()? {
        fs::rename(&wal, beside(&newest_damaged(path)?, "-wal"))?;
    }
    remove(&beside(path, "-shm"))?;
    fs::rename(new, path)?;
    file::sync_dir(path)
}

fn damaged_name(path: &Path, n: u32) -> PathBuf {
    beside(path, &format!(".damaged-{n}"))
}

fn newest_damaged(path: &Path) -> io::Result<PathBuf> {
    let mut n = 1;
    while damaged_name(path, n + 1).try_exists()? {
        n += 1;
    }
    Ok(damaged_name(path, n))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Builds the new file and puts it in place. The caller holds the lock and no connection.
pub(crate) fn run(options: &OutboxOptions, kind: Kind, why: String) -> Result<SalvageReport, OpenError> {
    let path = &options.path;
    let new = beside(path, NEW);
    finish(path).map_err(io_error(path, "clear an earlier salvage"))?;
    let mut kept = damaged_name(path, 1);
    for n in 2.. {
        if !kept.try_exists().map_err(io_error(path, "look for earlier damaged files"))? {
            break;
        }
        kept = damaged_name(path, n);
    }
    let mut report = SalvageReport { why, kept, ..SalvageReport::default() };
    build(options, kind, &new, &mut report)?;
    fs::rename(path, &report.kept).map_err(io_error(path, "move the damaged file aside"))?;
    swap(path, &new).map_err(io_error(path, "put the salvaged file in place"))?;
    tracing::error!(kept = %report.kept.display(), events = report.events, holes = report.holes.len(), "salvaged");
    Ok(report)
}

fn build(options: &OutboxOptions, kind: Kind, new: &Path, report: &mut SalvageReport) -> Result<(), OpenError> {
    let failed = |doing| sql_error(new, doing);
    let mut target = Connection::open(new).map_err(failed("make the new file"))?;
    target.pragma_update(None, "page_size", file::PAGE as i64).map_err(failed("make the new file"))?;
    target.pragma_update(None, "synchronous", "FULL").map_err(failed("make the new file"))?;
    schema::migrate(&mut target, new, kind.modules())?;
    let tx = target.transaction().map_err(failed("make the new file"))?;
    let whole = match source(&options.path) {
        Ok(source) => {
            let whole = events(&source, &tx).map_err(failed("copy the events"))?;
            tables(&source, &tx, kind, report).map_err(failed("copy the tables"))? && whole
        }
        Err(error) => {
            report.torn_tables.push(format!("all: {error}"));
            false
        }
    };
    if !whole {
        // First the logs: their rows say which of the events were given up long ago.
        for logs in [true, false] {
            let mut take = |found: Found| {
                if is_log(&found) == logs
                    && let Err(error) = carved(&tx, kind, found)
                {
                    tracing::debug!(%error, "a carved row was not taken");
                }
            };
            carve::scan(&options.path, &mut take).map_err(io_error(&options.path, "look at every page"))?;
        }
    }
    finish_tables(&tx, kind, report).map_err(failed("check the tables"))?;
    finish_logs(&tx, report).map_err(failed("check the logs"))?;
    tx.commit().map_err(failed("finish the new file"))?;
    target.close().map_err(|(_, error)| error).map_err(failed("finish the new file"))
}

/// The damaged file, for reading; whatever its checks say.
fn source(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let application: i32 = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if application != APPLICATION_ID {
        tracing::warn!(application, "the damaged file has lost its mark");
    }
    schema::is_empty(&conn)?;
    Ok(conn)
}

/// Copies logs and events. A row counts only with the checksum that belongs to its log and number. True when SQLite
/// could read all of it.
fn events(source: &Connection, target: &Connection) -> rusqlite::Result<bool> {
    let Ok((logs, bad)) = log::load(source) else { return Ok(false) };
    let mut whole = bad.is_empty();
    for mut log in logs {
        log.why = SALVAGED.to_owned();
        let highest = log::highest(source, &log);
        whole &= highest.is_ok();
        log.head = log.head.max(highest.ok().flatten().unwrap_or(0));
        log::store_log(target, &log)?;
        let (mut next, mut failed) = (log.first, None);
        rescue(source, &log, log.first.saturating_sub(1), log.head, DEPTH, &mut |row| {
            whole &= row.sequence == next;
            next = row.sequence + 1;
            failed = log::insert(target, &log, &row).err().or(failed.take());
        });
        whole &= next == log.head + 1;
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(whole)
}

fn is_log(found: &Found) -> bool {
    found.rowid.is_some() && found.values.len() == 8
}

/// Takes a row that was found by itself, if its checksum is right and it is not there yet.
fn carved(target: &Connection, kind: Kind, found: Found) -> rusqlite::Result<()> {
    match (found.rowid, found.values.len()) {
        (Some(n), _) if is_log(&found) => log::insert_carved_log(target, n, &found.values, SALVAGED),
        (Some(key), 7) => log::insert_carved(target, key, &found.values, SALVAGED),
        (Some(_), 10) if kind == Kind::Kiosk => money::insert_carved(target, "orders", found.values),
        (None, 15) if kind == Kind::Kiosk => money::insert_carved(target, "attempts", found.values),
        (None, 12) if kind == Kind::Kiosk => money::insert_carved(target, "attempt_notes", found.values),
        (None, 7) if kind == Kind::Kiosk => money::insert_carved(target, "terminals", found.values),
        (None, 3) if kind == Kind::Kiosk => money::insert_carved(target, "order_counters", found.values),
        (None, columns) if kind == Kind::Kiosk => {
            let mut tables = till::TABLES.iter().filter(|(_, count)| *count == columns);
            tables.try_for_each(|(table, _)| till::insert_carved(target, table, &found.values))
        }
        _ => Ok(()),
    }
}

/// Money rows with a wrong checksum stay behind; what they were is in the file that is kept.
fn finish_tables(target: &Connection, kind: Kind, report: &mut SalvageReport) -> rusqlite::Result<()> {
    if kind == Kind::Kiosk {
        let beside = till::purge(target)?;
        for (name, count) in money::purge(target)?.into_iter().chain(beside).filter(|(_, count)| *count > 0) {
            tracing::error!(name, count, "rows with a wrong checksum stay in the damaged file only");
            report.torn_tables.push(name.to_owned());
        }
    }
    report.torn_tables.sort();
    report.torn_tables.dedup();
    Ok(())
}

/// Counts what came over and names what did not.
fn finish_logs(target: &Connection, report: &mut SalvageReport) -> rusqlite::Result<()> {
    for log in log::load(target)?.0 {
        let mut next = log.first.saturating_sub(1);
        while next < log.head {
            let batch = log::read(target, &log, next, ROWS as usize, usize::MAX)?;
            report.events += batch.rows.len() as u64;
            for hole in batch.holes {
                match report.holes.last_mut().filter(|last| last.log == hole.log && last.to + 1 == hole.from) {
                    Some(last) => last.to = hole.to,
                    None => report.holes.push(hole),
                }
            }
            next = batch.next;
        }
    }
    Ok(())
}

/// Reads `(after, to]` forward, then backward, then both halves of what lies between.
fn rescue(source: &Connection, log: &Log, after: u64, to: u64, depth: u32, take: &mut impl FnMut(Row)) {
    let mut low = after;
    // Ascending, so that whoever takes the rows sees what is missing.
    while low < to {
        let part = Log { head: to, ..log.clone() };
        match log::read(source, &part, low, ROWS as usize, usize::MAX) {
            Ok(batch) => {
                low = batch.next.max(low + 1);
                batch.rows.into_iter().for_each(&mut *take);
            }
            Err(_) if depth == 0 || to - low <= 1 => return,
            Err(_) => {
                let middle = low + (to - low) / 2;
                rescue(source, log, low, middle, depth - 1, take);
                return rescue(source, log, middle, to, depth - 1, take);
            }
        }
    }
}

/// Copies the other tables row by row, from the front, and where that breaks off from the back. True when SQLite could
/// read all of them.
fn tables(source: &Connection, target: &Connection, kind: Kind, report: &mut SalvageReport) -> rusqlite::Result<bool> {
    let names: &[&str] = match kind {
        Kind::Kiosk => &[
            "meta",
            "orders",
            "attempts",
            "attempt_notes",
            "terminals",
            "order_counters",
            "till_entries",
            "tills",
            "refunds",
            "staff",
        ],
        Kind::Agent => &["meta", "acked", "resend", "quarantine", "profiles", "tokens", "state"],
    };
    let torn = report.torn_tables.len();
    for name in names.iter().filter(|name| is_there(source, name)) {
        for order in ["ASC", "DESC"] {
            match table(source, target, name, order, &mut report.rows) {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(%error, name, "a table breaks off");
                    report.torn_tables.push((*name).to_owned());
                }
            }
        }
    }
    Ok(report.torn_tables.len() == torn)
}

/// A file of an earlier release lacks the newest tables. Where that cannot be told, the table is tried.
fn is_there(source: &Connection, name: &str) -> bool {
    source.query_row("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?1", [name], |row| row.get(0)) != Ok(0)
}

fn table(source: &Connection, target: &Connection, name: &str, order: &str, copied: &mut u64) -> rusqlite::Result<()> {
    let mut select = source.prepare(&format!("SELECT * FROM {name} ORDER BY 1 {order}"))?;
    let columns = select.column_count();
    let marks = vec!["?"; columns].join(", ");
    let mut insert = target.prepare(&format!("INSERT OR IGNORE INTO {name} VALUES({marks})"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let values: Vec<Value> = (0..columns).map(|column| row.get(column)).collect::<rusqlite::Result<_>>()?;
        // A row that breaks a rule of its table is damaged too.
        *copied += insert.execute(rusqlite::params_from_iter(values)).unwrap_or(0) as u64;
    }
    Ok(())
}
