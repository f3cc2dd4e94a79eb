//! The last counter of each guest card, so that a message is taken once (module `taps` of kiosk.db).

use crate::{CommitError, Outbox, writer::in_transaction};
use rusqlite::{Connection, OptionalExtension as _, params};

/// Cards that are remembered; beyond it the one that was away longest is forgotten.
const CARDS: i64 = 200_000;

impl Outbox {
    /// Takes a card's counter: true if it is above the last one taken, which is on disk when this returns. `card` is the
    /// card's pseudonym. A counter that was taken is refused for ever, after a crash, too.
    ///
    /// # Errors
    /// When it cannot be written; the counter then counts as not taken, and nothing may be opened by it.
    pub fn take_tap(&self, card: &str, counter: u32) -> Result<bool, CommitError> {
        let card = card.to_owned();
        self.run_fallible(move |writer| {
            let now = (writer.clock)();
            in_transaction(&mut writer.conn, |tx| take(tx, &card, counter, now, CARDS))
        })
    }

    /// Forgets a card: its owner asked for it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn forget_tap(&self, card: &str) -> Result<(), CommitError> {
        let card = card.to_owned();
        self.run_fallible(move |writer| {
            in_transaction(&mut writer.conn, |tx| tx.execute("DELETE FROM taps WHERE card = ?1", [&card]).map(drop))
        })
    }
}

fn take(conn: &Connection, card: &str, counter: u32, now_ms: i64, cards: i64) -> rusqlite::Result<bool> {
    let last: Option<u32> =
        conn.prepare_cached("SELECT counter FROM taps WHERE card = ?1")?.query_row([card], |row| row.get(0)).optional()?;
    match last {
        Some(last) if counter <= last => return Ok(false),
        Some(_) => {}
        None => {
            let known: i64 = conn.prepare_cached("SELECT count(*) FROM taps")?.query_row([], |row| row.get(0))?;
            if known >= cards {
                conn.prepare_cached("DELETE FROM taps WHERE card = (SELECT card FROM taps ORDER BY seen_ms LIMIT 1)")?
                    .execute([])?;
            }
        }
    }
    conn.prepare_cached("INSERT OR REPLACE INTO taps(card, counter, seen_ms) VALUES(?1, ?2, ?3)")?
        .execute(params![card, counter, now_ms])?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Limits, OutboxOptions};

    fn options(dir: &std::path::Path) -> OutboxOptions {
        OutboxOptions { limits: Limits::small(), ..OutboxOptions::new(dir.join("kiosk.db"), "/stores/s-001/devices/k-01") }
    }

    #[test]
    fn a_counter_is_taken_once_and_after_a_restart_neither_again() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(options(dir.path())).unwrap();
        assert!(outbox.take_tap("1:ab", 7).unwrap());
        assert!(!outbox.take_tap("1:ab", 7).unwrap() && !outbox.take_tap("1:ab", 6).unwrap());
        assert!(outbox.take_tap("1:cd", 7).unwrap(), "another card");
        drop(outbox);
        let outbox = Outbox::open(options(dir.path())).unwrap();
        assert!(!outbox.take_tap("1:ab", 7).unwrap() && outbox.take_tap("1:ab", 8).unwrap());
        outbox.forget_tap("1:ab").unwrap();
        assert!(outbox.take_tap("1:ab", 1).unwrap());
    }

    #[test]
    fn at_the_bound_the_card_that_was_away_longest_is_forgotten() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(crate::schema::TAPS.steps[0].sql).unwrap();
        for (at, card) in ["a", "b", "c"].into_iter().enumerate() {
            assert!(take(&conn, card, 5, i64::try_from(at).unwrap(), 2).unwrap());
        }
        assert!(!take(&conn, "c", 5, 9, 2).unwrap() && !take(&conn, "b", 5, 9, 2).unwrap());
        assert!(take(&conn, "a", 5, 9, 2).unwrap());
    }
}
