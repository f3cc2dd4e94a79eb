//! What is kept beside the attempts since the second step of the money tables: notes, and where a terminal's numbers stand.

use crate::{
    AttemptKind, AttemptNote, TerminalRow,
    log::{Sum, uuid},
    money::damaged,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use uuid::Uuid;

/// The columns of a note, to be read by [`stored_note`].
pub(crate) const NOTE_COLUMNS: &str =
    "n.kind, n.original, n.lines, n.staff, n.tid, n.trace, n.trace_before, n.began_ms, n.heard_ms, n.provisional, n.crc";

fn note_crc(attempt: Uuid, note: &AttemptNote, lines: &str) -> u32 {
    Sum::default()
        .bytes(attempt.as_bytes())
        .bytes(note.kind.word().as_bytes())
        .bytes(note.original.unwrap_or_default().as_bytes())
        .bytes(lines.as_bytes())
        .bytes(note.staff.as_deref().unwrap_or("\0").as_bytes())
        .bytes(note.tid.as_bytes())
        .maybe(note.trace)
        .maybe(note.trace_before)
        .num(note.began_ms.unwrap_or(i64::MIN))
        .num(note.heard_ms.unwrap_or(i64::MIN))
        .num(i64::from(note.provisional))
        .done()
}

/// Inserts or replaces the note of an attempt.
pub(crate) fn put_note(conn: &Connection, attempt: Uuid, note: &AttemptNote) -> rusqlite::Result<()> {
    let lines: Vec<String> = note.lines.iter().map(u32::to_string).collect();
    let lines = lines.join(" ");
    conn.prepare_cached(
        "INSERT OR REPLACE INTO attempt_notes(id, kind, original, lines, staff, tid, trace, trace_before, began_ms, heard_ms,
           provisional, crc) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        attempt.as_bytes().as_slice(),
        note.kind.word(),
        note.original.as_ref().map(|original| original.as_bytes().as_slice()),
        lines,
        note.staff,
        note.tid,
        note.trace,
        note.trace_before,
        note.began_ms,
        note.heard_ms,
        note.provisional,
        note_crc(attempt, note, &lines)
    ])?;
    Ok(())
}

/// The note in the columns from `at` on; the default where the attempt has none, as one of an earlier release.
pub(crate) fn stored_note(row: &Row<'_>, at: usize, attempt: Uuid) -> rusqlite::Result<AttemptNote> {
    let Some(kind) = row.get::<_, Option<String>>(at)? else { return Ok(AttemptNote::default()) };
    let (original, lines): (Option<[u8; 16]>, String) = (row.get(at + 1)?, row.get(at + 2)?);
    let note = AttemptNote {
        kind: AttemptKind::from_word(&kind).ok_or_else(|| damaged("attempt kind", &kind))?,
        original: original.map(Uuid::from_bytes),
        lines: lines.split_ascii_whitespace().filter_map(|line| line.parse().ok()).collect(),
        staff: row.get(at + 3)?,
        tid: row.get(at + 4)?,
        trace: row.get(at + 5)?,
        trace_before: row.get(at + 6)?,
        began_ms: row.get(at + 7)?,
        heard_ms: row.get(at + 8)?,
        provisional: row.get(at + 9)?,
    };
    if note_crc(attempt, &note, &lines) != row.get::<_, u32>(at + 10)? {
        return Err(damaged("note of attempt", &attempt.to_string()));
    }
    Ok(note)
}

/// True where the stored note of this id is whole.
pub(crate) fn note_is_good(conn: &Connection, id: &[u8]) -> bool {
    let read = |row: &Row<'_>| stored_note(row, 1, uuid(row, 0)?);
    conn.query_row(&format!("SELECT n.id, {NOTE_COLUMNS} FROM attempt_notes n WHERE n.id = ?1"), [id], read).is_ok()
}

fn terminal_crc(row: &TerminalRow) -> u32 {
    Sum::default()
        .bytes(row.terminal.as_bytes())
        .bytes(row.tid.as_bytes())
        .num(i64::from(row.period))
        .maybe(row.last_receipt)
        .maybe(row.last_trace)
        .num(row.updated_ms)
        .done()
}

/// Inserts or replaces where a terminal's numbers stand.
pub(crate) fn put_terminal(conn: &Connection, row: &TerminalRow) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO terminals(terminal, tid, period, last_receipt, last_trace, updated_ms, crc)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        row.terminal,
        row.tid,
        row.period,
        row.last_receipt,
        row.last_trace,
        row.updated_ms,
        terminal_crc(row)
    ])?;
    Ok(())
}

/// Where a terminal's numbers stand, `None` before its first receipt.
pub(crate) fn terminal(conn: &Connection, name: &str) -> rusqlite::Result<Option<TerminalRow>> {
    let read = |row: &Row<'_>| {
        let read = TerminalRow {
            terminal: row.get(0)?,
            tid: row.get(1)?,
            period: row.get(2)?,
            last_receipt: row.get(3)?,
            last_trace: row.get(4)?,
            updated_ms: row.get(5)?,
        };
        if terminal_crc(&read) != row.get::<_, u32>(6)? {
            return Err(damaged("terminal", &read.terminal));
        }
        Ok(read)
    };
    conn.prepare_cached(
        "SELECT terminal, tid, period, last_receipt, last_trace, updated_ms, crc FROM terminals WHERE terminal = ?1",
    )?
    .query_row([name], read)
    .optional()
}

/// Receipt numbers held by attempts at a terminal, from a period on: period, number, attempt.
pub(crate) fn held_receipts(conn: &Connection, name: &str, from: u32) -> rusqlite::Result<Vec<(u32, u32, Uuid)>> {
    conn.prepare_cached(
        "SELECT id, period, reference FROM attempts
         WHERE terminal = ?1 AND period >= ?2 AND reference IS NOT NULL ORDER BY period, reference",
    )?
    .query_map(params![name, from], |row| Ok((row.get(1)?, row.get(2)?, uuid(row, 0)?)))?
    .collect()
}

/// Deletes rows whose checksum is wrong. Returns how many of each table.
pub(crate) fn purge(conn: &Connection) -> rusqlite::Result<[(&'static str, usize); 2]> {
    let ids: Vec<Vec<u8>> =
        conn.prepare("SELECT id FROM attempt_notes")?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut purged = [("attempt_notes", 0), ("terminals", 0)];
    for id in ids.iter().filter(|id| !note_is_good(conn, id)) {
        purged[0].1 += conn.execute("DELETE FROM attempt_notes WHERE id = ?1", [id])?;
    }
    let names: Vec<String> =
        conn.prepare("SELECT terminal FROM terminals")?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for name in names.iter().filter(|name| terminal(conn, name).is_err()) {
        purged[1].1 += conn.execute("DELETE FROM terminals WHERE terminal = ?1", [name])?;
    }
    Ok(purged)
}
