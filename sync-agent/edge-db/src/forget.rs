//! Forgetting a person: what a file holds of them is rewritten until it names nobody.
//!
//! | What | Becomes |
//! |---|---|
//! | events under one of their pseudonyms or cards, and all others of those visits | [`cem_contract::erase::scrub`]: same id, log, number, type, money and tax, marked `erased` |
//! | events without a visit that tell how an order of theirs went on | the same |
//! | orders of those visits | their body without the person; number, state and total as they were |
//! | the last counter of their cards, profiles, the cards that lead to them | gone |
//! | events in quarantine | as above |
//!
//! Numbers stay without a gap, and acknowledged rows are rewritten like all others. Pages are overwritten
//! (`secure_delete`), then the WAL is copied back, emptied and filled with zeros. It is done in pieces between commits, so
//! that no sale waits for a long log.

use crate::{
    AgentStore, CommitError, OrderRow, Outbox,
    agent::forget_in_quarantine,
    log, money,
    writer::{Writer, in_transaction},
};
use rusqlite::{Connection, params};
use std::{collections::HashSet, time::Duration};
use uuid::Uuid;

/// Rows looked at in one transaction.
const PIECE: usize = 2_000;
/// How often the WAL is tried to be emptied: a reader may stand in it.
const SCRUBS: usize = 20;
const SCRUB_PAUSE: Duration = Duration::from_millis(100);

/// Who is to be forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Their pseudonyms, all that were merged.
    pub visitors: Vec<String>,
    /// Their cards, `<key version>:<hex>`.
    pub tokens: Vec<String>,
}

/// What was found of them.
#[derive(Clone, Debug, Default)]
struct Traces {
    /// Their pseudonyms and cards as they stand in JSON text.
    names: Vec<Vec<u8>>,
    tokens: Vec<String>,
    visits: HashSet<String>,
    orders: HashSet<String>,
}

impl Traces {
    fn of(person: &Person) -> Self {
        let names = person.visitors.iter().chain(&person.tokens).filter(|name| !name.is_empty());
        let names = names.map(|name| serde_json::Value::from(name.as_str()).to_string().into_bytes()).collect();
        Self { names, tokens: person.tokens.clone(), ..Self::default() }
    }

    fn named(&self, body: &[u8]) -> bool {
        self.names.iter().any(|name| contains(body, name))
    }

    /// Notes the visit and the orders of an event that names them.
    fn learn(&mut self, body: &[u8]) {
        if self.named(body) {
            self.visits.extend(member(body, b"\"visitid\":\"").map(str::to_owned));
        }
    }

    fn learn_orders(&mut self, body: &[u8]) {
        if member(body, b"\"visitid\":\"").is_some_and(|visit| self.visits.contains(visit)) {
            self.orders.extend(member(body, b"\"order\":\"").map(str::to_owned));
        }
    }

    /// Whether an event is about them.
    pub(crate) fn is_theirs(&self, body: &[u8]) -> bool {
        match member(body, b"\"visitid\":\"") {
            Some(visit) if self.visits.contains(visit) => true,
            None if member(body, b"\"order\":\"").is_some_and(|order| self.orders.contains(order)) => true,
            _ => self.named(body),
        }
    }

    /// The event without them; `None` where nothing is to be changed, or the bytes are no event.
    pub(crate) fn scrubbed(&self, body: &[u8]) -> Option<Vec<u8>> {
        if !self.is_theirs(body) {
            return None;
        }
        let left = cem_contract::erase::scrub(std::str::from_utf8(body).ok()?).ok()?.into_bytes();
        (left != body).then_some(left)
    }
}

impl Outbox {
    /// Forgets a person. Returns how many rows were rewritten. What is committed meanwhile under their pseudonym is not
    /// found: whoever calls has seen to it that nothing is.
    ///
    /// # Errors
    /// When it cannot be written, or a reader did not let go of the WAL. Asked again, it goes on.
    pub fn forget(&self, person: &Person) -> Result<u64, CommitError> {
        let (_, changed) = self.forget_events(person)?;
        self.scrub()?;
        Ok(changed)
    }

    fn forget_events(&self, person: &Person) -> Result<(Traces, u64), CommitError> {
        let mut traces = Traces::of(person);
        for learn in [Traces::learn as fn(&mut Traces, &[u8]), Traces::learn_orders] {
            let mut after = 0;
            while let Some(next) = self.piece(after, &mut traces, learn)? {
                after = next;
            }
        }
        let (mut after, mut changed) = (0, 0);
        loop {
            let known = traces.clone();
            let (next, rewritten) = self.run_fallible(move |writer| rewrite(writer, after, &known))?;
            changed += rewritten;
            let Some(next) = next else { break };
            after = next;
        }
        if self.opened().has_money {
            let known = traces.clone();
            changed += self.run_fallible(move |writer| in_transaction(&mut writer.conn, |tx| forget_orders(tx, &known)))?;
        }
        Ok((traces, changed))
    }

    /// Reads one piece of the log; where the next one begins.
    fn piece(&self, after: i64, traces: &mut Traces, learn: fn(&mut Traces, &[u8])) -> Result<Option<i64>, CommitError> {
        let mut known = std::mem::take(traces);
        let (known, next) = self.run_fallible(move |writer| {
            let mut statement =
                writer.conn.prepare_cached("SELECT key, body FROM events WHERE key > ?1 ORDER BY key LIMIT ?2")?;
            let mut rows = statement.query(params![after, PIECE as i64])?;
            let mut next = None;
            while let Some(row) = rows.next()? {
                next = Some(row.get(0)?);
                learn(&mut known, row.get_ref(1)?.as_bytes().unwrap_or_default());
            }
            drop(rows);
            drop(statement);
            Ok((known, next))
        })?;
        *traces = known;
        Ok(next)
    }

    /// Copies the whole WAL back and overwrites it with zeros, so that nothing erased can be found in it.
    pub(crate) fn scrub(&self) -> Result<(), CommitError> {
        let mut result = self.run(Writer::scrub)?;
        for _ in 1..SCRUBS {
            match &result {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                _ => break,
            }
            std::thread::sleep(SCRUB_PAUSE);
            result = self.run(Writer::scrub)?;
        }
        result.map_err(|error| crate::WriteError::Unknown { why: error.to_string() }.into())
    }
}

impl AgentStore {
    /// Forgets a person: profile, cards, what is in quarantine, and what the agent's own log has taken over from other logs.
    /// Returns how many rows were rewritten.
    ///
    /// # Errors
    /// As [`Outbox::forget`].
    pub fn forget_person(&self, person: &Person) -> Result<u64, CommitError> {
        self.drop_profiles(person)?;
        let (traces, changed) = self.outbox().forget_events(person)?;
        let quarantined = forget_in_quarantine(self, |body| traces.scrubbed(body))?;
        self.outbox().scrub()?;
        Ok(changed + quarantined)
    }
}

/// Rewrites one piece of the log: where the next one begins, and how many rows were changed.
fn rewrite(writer: &mut Writer, after: i64, traces: &Traces) -> rusqlite::Result<(Option<i64>, u64)> {
    in_transaction(&mut writer.conn, |tx| {
        let logs = log::load(tx)?.0;
        let (mut next, mut rows) = (None, Vec::new());
        {
            let mut statement = tx.prepare_cached("SELECT key, body FROM events WHERE key > ?1 ORDER BY key LIMIT ?2")?;
            let mut found = statement.query(params![after, PIECE as i64])?;
            while let Some(row) = found.next()? {
                let key = row.get(0)?;
                next = Some(key);
                if let Some(left) = traces.scrubbed(row.get_ref(1)?.as_bytes().unwrap_or_default()) {
                    rows.push((key, left));
                }
            }
        }
        let mut changed = 0;
        for (key, body) in rows {
            changed += u64::from(log::replace_body(tx, &logs, key, body)?);
        }
        Ok((next, changed))
    })
}

fn forget_orders(conn: &Connection, traces: &Traces) -> rusqlite::Result<u64> {
    for token in &traces.tokens {
        conn.prepare_cached("DELETE FROM taps WHERE card = ?1")?.execute([token])?;
    }
    let mut orders: HashSet<Uuid> = traces.orders.iter().filter_map(|order| Uuid::parse_str(order).ok()).collect();
    for visit in traces.visits.iter().filter_map(|visit| Uuid::parse_str(visit).ok()) {
        let mut statement = conn.prepare_cached("SELECT id FROM orders WHERE visit = ?1")?;
        let found = statement.query_map([visit.as_bytes().as_slice()], |row| log::uuid(row, 0))?;
        orders.extend(found.collect::<rusqlite::Result<Vec<_>>>()?);
    }
    let mut changed = 0;
    for order in orders {
        let Some(row) = money::order(conn, order)? else { continue };
        let body = cem_contract::erase::scrub_order(row.body.clone());
        if body != row.body {
            money::replace_order(conn, &OrderRow { body, ..row })?;
            changed += 1;
        }
    }
    Ok(changed)
}

/// The text of a member of an event sealed by the contract: its quotes cannot stand inside another text.
fn member<'a>(body: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let at = find(body, name)? + name.len();
    let end = at + body.get(at..)?.iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(&body[at..end]).ok()
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    find(body, part).is_some()
}

fn find(body: &[u8], part: &[u8]) -> Option<usize> {
    let first = *part.first()?;
    let mut from = 0;
    while let Some(at) = body.get(from..)?.iter().position(|byte| *byte == first) {
        let at = from + at;
        if body[at..].starts_with(part) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}
