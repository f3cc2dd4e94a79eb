//! Which lines of a till's book are kept elsewhere: `….exported` beside the database, one line of text a mark.
//!
//! The mark is made by whoever wrote the lines out and knows them safe, not by the database's writer; that one only reads it
//! when it looks for what may be given up. Lines up to a mark may go once they are as old as orders.

use crate::file::beside;
use std::{
    fs::{self, File},
    io::{Error, ErrorKind, Write as _},
    path::Path,
};

/// Marks that are remembered: eleven years of one a day.
const MARKS_MAX: usize = 4_096;
/// The longest such file that is read.
const BYTES_MAX: u64 = 1 << 20;

/// A till's lines up to this one are kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Which till.
    pub till: String,
    /// Number of the last line.
    pub number: u64,
    /// What the chain of exported lines comes to there, as hex digits.
    pub hash: String,
}

impl Exported {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (till, number, hash) = (words.next()?.to_owned(), words.next()?.parse().ok()?, words.next()?.to_owned());
        let is_hash = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        (is_hash && words.next().is_none()).then_some(Self { till, number, hash })
    }
}

/// The marks beside a database, oldest first. None where there is no such file.
///
/// # Errors
/// Where the file is there and cannot be read.
pub fn exported(db: &Path) -> Result<Vec<Exported>, Error> {
    let path = beside(db, ".exported");
    match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Ok(meta) if meta.len() > BYTES_MAX => return Err(ErrorKind::FileTooLarge.into()),
        _ => {}
    }
    Ok(fs::read_to_string(&path)?.lines().filter_map(Exported::parse).collect())
}

/// Adds a mark, on disk when this returns.
///
/// # Errors
/// For a till whose name cannot stand in the file, and where it cannot be written.
pub fn note_exported(db: &Path, mark: &Exported) -> Result<(), Error> {
    let line = format!("{} {} {}", mark.till, mark.number, mark.hash);
    if Exported::parse(&line).as_ref() != Some(mark) {
        return Err(Error::new(ErrorKind::InvalidInput, "a till's name has no space, and a hash 64 hex digits"));
    }
    let mut marks = exported(db)?;
    marks.retain(|known| known.till != mark.till || known.number != mark.number);
    marks.push(mark.clone());
    let kept = &marks[marks.len().saturating_sub(MARKS_MAX)..];
    let text: String = kept.iter().map(|mark| format!("{} {} {}\n", mark.till, mark.number, mark.hash)).collect();
    let (path, new) = (beside(db, ".exported"), beside(db, ".exported-new"));
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn marks_are_read_as_they_were_written_and_nonsense_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("kiosk.db");
        assert_eq!(exported(&db).unwrap(), []);
        let mark = |till: &str, number| Exported { till: till.into(), number, hash: "ab".repeat(32) };
        for mark in [mark("k-01", 7), mark("k-02", 7), mark("k-01", 9), mark("k-01", 7)] {
            note_exported(&db, &mark).unwrap();
        }
        assert_eq!(exported(&db).unwrap(), [mark("k-02", 7), mark("k-01", 9), mark("k-01", 7)]);
        assert!(note_exported(&db, &mark("a b", 1)).is_err());
        fs::write(dir.path().join("kiosk.db.exported"), "nonsense\nk-01 x y\n").unwrap();
        assert_eq!(exported(&db).unwrap(), []);
    }
}
