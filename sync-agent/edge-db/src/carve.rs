//! Rows out of a file that SQLite cannot read any more: every page of the database and every frame of its WAL is looked
//! at by itself. What comes out are candidates; the rows' own checksums decide.
//!
//! Format: <https://www.sqlite.org/fileformat2.html>, sections 1.6 (pages and cells), 2.1 (records) and 4.1 (WAL).

use crate::file::{FRAME, PAGE, beside};
use rusqlite::types::Value;
use std::{collections::HashMap, fs::File, io, os::unix::fs::FileExt as _, path::Path};

const TABLE_LEAF: u8 = 0x0d;
const INDEX_LEAF: u8 = 0x0a;
/// Its cells hold rows too, each behind the number of a child page.
const INDEX_INTERIOR: u8 = 0x02;
const WAL_HEADER: u64 = 32;
/// Payloads beyond this are no rows of ours.
const PAYLOAD_MAX: usize = 1 << 20;
const PAGE_SIZE: usize = PAGE as usize;

/// A row as found: its rowid where the table has one, and its columns.
pub(crate) struct Found {
    pub(crate) rowid: Option<i64>,
    pub(crate) values: Vec<Value>,
}

/// Hands every row that can be decoded to `take`, those of the WAL first and the newest of them first of all.
pub(crate) fn scan(database: &Path, take: &mut dyn FnMut(Found)) -> io::Result<()> {
    let pages = Pages::open(database)?;
    for frame in (0..pages.frames).rev() {
        if let Some(page) = pages.frame(frame) {
            pages.rows(&page, 0, take);
        }
    }
    for number in 1..=pages.count {
        if let Some(page) = pages.database(number) {
            pages.rows(&page, if number == 1 { 100 } else { 0 }, take);
        }
    }
    Ok(())
}

struct Pages {
    database: File,
    count: u32,
    wal: Option<File>,
    frames: u64,
    /// The newest frame of each page.
    newest: HashMap<u32, u64>,
}

impl Pages {
    fn open(path: &Path) -> io::Result<Self> {
        let database = File::open(path)?;
        let count = u32::try_from(database.metadata()?.len() / PAGE).unwrap_or(u32::MAX);
        let wal = File::open(beside(path, "-wal")).ok();
        let size = wal.as_ref().and_then(|wal| wal.metadata().ok()).map_or(0, |meta| meta.len());
        let mut pages = Self { database, count, wal, frames: size.saturating_sub(WAL_HEADER) / FRAME, newest: HashMap::new() };
        for frame in 0..pages.frames {
            let mut number = [0; 4];
            if let Some(wal) = &pages.wal
                && wal.read_exact_at(&mut number, WAL_HEADER + frame * FRAME).is_ok()
            {
                pages.newest.insert(u32::from_be_bytes(number), frame);
            }
        }
        Ok(pages)
    }

    fn database(&self, number: u32) -> Option<Vec<u8>> {
        let mut page = vec![0; PAGE_SIZE];
        let at = u64::from(number.checked_sub(1)?) * PAGE;
        self.database.read_exact_at(&mut page, at).ok().map(|()| page)
    }

    fn frame(&self, frame: u64) -> Option<Vec<u8>> {
        let mut page = vec![0; PAGE_SIZE];
        let at = WAL_HEADER + frame * FRAME + (FRAME - PAGE);
        self.wal.as_ref()?.read_exact_at(&mut page, at).ok().map(|()| page)
    }

    /// Rows of one page, if it holds any. `start` skips the file header on page 1.
    fn rows(&self, page: &[u8], start: usize, take: &mut dyn FnMut(Found)) {
        let kind = page[start];
        let (header, child) = match kind {
            TABLE_LEAF | INDEX_LEAF => (8, 0),
            INDEX_INTERIOR => (12, 4),
            _ => return,
        };
        for cell in 0..usize::from(u16_at(page, start + 3).unwrap_or(0)) {
            let Some(at) = u16_at(page, start + header + 2 * cell) else { return };
            for wal in [true, false] {
                if let Some(found) = self.row(page, usize::from(at) + child, kind == TABLE_LEAF, wal) {
                    take(found);
                }
                // A row within one page does not depend on where its overflow pages are taken from.
                if self.newest.is_empty() {
                    break;
                }
            }
        }
    }

    fn row(&self, page: &[u8], mut at: usize, table: bool, wal: bool) -> Option<Found> {
        let size = usize::try_from(varint(page, &mut at)?).ok().filter(|size| *size <= PAYLOAD_MAX)?;
        let rowid = if table { Some(varint(page, &mut at)?) } else { None };
        let payload = self.payload(page, at, size, table, wal)?;
        Some(Found { rowid, values: record(&payload)? })
    }

    /// The payload of a cell, with its overflow pages.
    fn payload(&self, page: &[u8], at: usize, size: usize, table: bool, wal: bool) -> Option<Vec<u8>> {
        let most = if table { PAGE_SIZE - 35 } else { (PAGE_SIZE - 12) * 64 / 255 - 23 };
        if size <= most {
            return page.get(at..at + size).map(<[u8]>::to_vec);
        }
        let least = (PAGE_SIZE - 12) * 32 / 255 - 23;
        let fitting = least + (size - least) % (PAGE_SIZE - 4);
        let local = if fitting <= most { fitting } else { least };
        let mut payload = page.get(at..at + local)?.to_vec();
        let mut next = u32_at(page, at + local)?;
        while payload.len() < size {
            let newest = self.newest.get(&next).filter(|_| wal);
            let overflow = newest.and_then(|frame| self.frame(*frame)).or_else(|| self.database(next))?;
            let piece = (size - payload.len()).min(PAGE_SIZE - 4);
            payload.extend_from_slice(overflow.get(4..4 + piece)?);
            next = u32_at(&overflow, 0)?;
        }
        Some(payload)
    }
}

/// The columns of a record.
fn record(payload: &[u8]) -> Option<Vec<Value>> {
    let mut at = 0;
    let header = usize::try_from(varint(payload, &mut at)?).ok()?;
    let mut body = header;
    let mut values = Vec::new();
    while at < header {
        let kind = varint(payload, &mut at)?;
        let size = match kind {
            0 | 8 | 9 => 0,
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 | 7 => 8,
            12.. => usize::try_from((kind - 12) / 2).ok()?,
            _ => return None,
        };
        let bytes = payload.get(body..body.checked_add(size)?)?;
        body += size;
        values.push(match kind {
            0 => Value::Null,
            7 => Value::Real(f64::from_be_bytes(bytes.try_into().ok()?)),
            8 => Value::Integer(0),
            9 => Value::Integer(1),
            1..=6 => Value::Integer(integer(bytes)),
            _ if kind % 2 == 0 => Value::Blob(bytes.to_vec()),
            _ => Value::Text(String::from_utf8(bytes.to_vec()).ok()?),
        });
    }
    Some(values)
}

/// Big-endian, signed, of up to 8 bytes.
fn integer(bytes: &[u8]) -> i64 {
    let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().fold(sign, |number, byte| (number << 8) | i64::from(*byte))
}

/// SQLite's variable-length integer: seven bits a byte, eight in the ninth.
fn varint(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let mut number = 0_i64;
    for count in 0..9 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if count == 8 {
            return Some((number << 8) | i64::from(byte));
        }
        number = (number << 7) | i64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_row_of_a_healthy_file_is_found_whatever_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let conn = rusqlite::Connection::open(&path).unwrap();
        conn.execute_batch(
            "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b, c) ; CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID",
        )
        .unwrap();
        let sizes = [0_usize, 1, 500, 1000, 4050, 4061, 4062, 9000, 70_000];
        for (at, size) in sizes.iter().enumerate() {
            let text = "x".repeat(*size);
            conn.execute(
                "INSERT INTO t VALUES(?1, ?2, ?3, ?4)",
                rusqlite::params![at as i64 - 4, text.as_bytes(), i64::MIN >> (7 * at), text],
            )
            .unwrap();
            conn.execute("INSERT INTO w VALUES(?1, ?2)", rusqlite::params![format!("{at}"), text]).unwrap();
        }
        drop(conn);
        let (mut table, mut index) = (Vec::new(), Vec::new());
        scan(&path, &mut |found| match (found.rowid, found.values.len()) {
            (Some(rowid), 4) => table.push((rowid, found.values)),
            (None, 2) => index.push(found.values),
            _ => {}
        })
        .unwrap();
        table.sort_by_key(|(rowid, _)| *rowid);
        assert_eq!(table.len(), sizes.len());
        for (at, (rowid, values)) in table.iter().enumerate() {
            let text = "x".repeat(sizes[at]);
            let expected =
                [Value::Null, Value::Blob(text.clone().into_bytes()), Value::Integer(i64::MIN >> (7 * at)), Value::Text(text)];
            assert_eq!((*rowid, values.as_slice()), (at as i64 - 4, expected.as_slice()));
        }
        assert_eq!(index.len(), sizes.len());
    }

    #[test]
    fn noise_is_no_row_and_no_panic() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let mut seed = 7_u64;
        let mut bytes: Vec<u8> = (0..64 * PAGE_SIZE)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .collect();
        for page in 0..64 {
            bytes[page * PAGE_SIZE] = [TABLE_LEAF, INDEX_LEAF, INDEX_INTERIOR][page % 3];
        }
        std::fs::write(&path, &bytes).unwrap();
        std::fs::write(beside(&path, "-wal"), &bytes[..20_000]).unwrap();
        scan(&path, &mut |_| {}).unwrap();
    }
}
