//! Gift cards: what is on them, what is set aside, what was taken and what went back. Each command has a key of its source and
//! one effect, whatever arrives late or twice.
//!
//! | Table | What |
//! |---|---|
//! | `gift_card` | balance of each card, under a keyed hash of its code; the code itself is not kept |
//! | `gift_hold` | what was set aside, and what became of it; a release that came before its hold stands there without a card |
//! | `gift_credit` | what was put on: issued, topped up, refunded |
//!
//! What can be spent is the balance less what is held and not run out.

use crate::{keys::FleetKeys, store};
use anyhow::Context as _;
use cem_contract::{data::Money, gift::HOLD_SECONDS};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::Sha256;
use uuid::Uuid;

/// Derives the hash of a code, and new codes. Never given to a device.
const PURPOSE: &str = "gift-cards";
/// Digits of a code.
pub(crate) const DIGITS: usize = 16;
const HOLD_MS: i64 = HOLD_SECONDS as i64 * 1_000;
/// The most that goes onto a card at once.
pub(crate) const AMOUNT_MAX: i64 = 100_000_000;

/// Made beside the numbered versions of the file: a program that does not know them does without.
pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS gift_card(
    id BLOB PRIMARY KEY, ending TEXT NOT NULL, currency TEXT NOT NULL, balance INTEGER NOT NULL CHECK(balance >= 0),
    expires_ms INTEGER, blocked INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gift_hold(
    source TEXT NOT NULL, key BLOB NOT NULL, card BLOB REFERENCES gift_card(id), amount INTEGER NOT NULL, state TEXT NOT NULL,
    ord TEXT, at_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, PRIMARY KEY(source, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS gift_hold_card ON gift_hold(card) WHERE state = 'held';
CREATE TABLE IF NOT EXISTS gift_credit(
    source TEXT NOT NULL, key BLOB NOT NULL, card BLOB NOT NULL REFERENCES gift_card(id), amount INTEGER NOT NULL,
    why TEXT NOT NULL, hold BLOB, staff TEXT, at_ms INTEGER NOT NULL, PRIMARY KEY(source, key)) WITHOUT ROWID;
";

/// Who asks, and the key of what is asked.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) source: String,
    pub(crate) key: Uuid,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// State and what can be spent now, where a card is known.
    Moved(&'static str, Option<Money>),
    /// No such card.
    Unknown,
    /// Not so much on it.
    TooLittle,
    /// Blocked, run out, of another currency.
    NotUsable,
    /// What was held is not held any more, or was never.
    Gone,
}

/// What codes are hashed with.
#[derive(Clone)]
pub(crate) struct GiftKey([u8; 32]);

impl GiftKey {
    /// Derived from the backend's master of keys.
    pub(crate) fn of(fleet: &FleetKeys) -> anyhow::Result<Self> {
        let bytes = cem_contract::hex::decode(&fleet.scoped(PURPOSE, 1)?).context("a key in hex")?;
        Ok(Self(bytes.try_into().map_err(|_| anyhow::anyhow!("a key of 32 bytes"))?))
    }

    fn mac(&self, what: &str, parts: &[&[u8]]) -> store::Result<[u8; 32]> {
        let busy = |_| store::StoreError::Busy("no key for gift cards".to_owned());
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).map_err(busy)?;
        mac.update(what.as_bytes());
        for part in parts {
            mac.update(&[0]);
            mac.update(part);
        }
        Ok(mac.finalize().into_bytes().into())
    }

    /// Under what a card is kept; `None` for what is no code.
    pub(crate) fn id(&self, code: &str) -> store::Result<Option<[u8; 32]>> {
        if code.len() != DIGITS || !code.bytes().all(|digit| digit.is_ascii_digit()) {
            return Ok(None);
        }
        self.mac("id", &[code.as_bytes()]).map(Some)
    }

    /// The code of a card that is issued under this key: asked again, it is the same.
    fn new_code(&self, key: &Key) -> store::Result<String> {
        let mac = self.mac("code", &[key.source.as_bytes(), key.key.as_bytes()])?;
        Ok(mac.iter().take(DIGITS).map(|byte| char::from(b'0' + byte % 10)).collect())
    }
}

struct Card {
    id: [u8; 32],
    ending: String,
    currency: String,
    balance: i64,
    expires_ms: Option<i64>,
    blocked: bool,
}

impl Card {
    fn is_usable(&self, now_ms: i64) -> bool {
        !self.blocked && self.expires_ms.is_none_or(|expires| expires > now_ms)
    }
}

fn card(connection: &Connection, id: &[u8]) -> store::Result<Option<Card>> {
    let mut query =
        connection.prepare_cached("SELECT id, ending, currency, balance, expires_ms, blocked FROM gift_card WHERE id = ?1")?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Card {
            id: row.get(0)?,
            ending: row.get(1)?,
            currency: row.get(2)?,
            balance: row.get(3)?,
            expires_ms: row.get(4)?,
            blocked: row.get(5)?,
        })
    };
    Ok(query.query_row([id], read).optional()?)
}

/// What can be spent of a card now.
fn available(connection: &Connection, card: &Card, now_ms: i64) -> store::Result<i64> {
    let held: i64 = connection
        .prepare_cached("SELECT ifnull(sum(amount), 0) FROM gift_hold WHERE card = ?1 AND state = 'held' AND expires_ms > ?2")?
        .query_row(params![card.id, now_ms], |row| row.get(0))?;
    Ok((card.balance - held).max(0))
}

/// What can be spent of a card, its last digits, when it runs out.
pub(crate) type Spendable = (Money, String, Option<i64>);

/// A card that can be used.
pub(crate) fn look(connection: &Connection, id: &[u8], now_ms: i64) -> store::Result<Result<Spendable, Done>> {
    let Some(card) = card(connection, id)? else { return Ok(Err(Done::Unknown)) };
    if !card.is_usable(now_ms) {
        return Ok(Err(Done::NotUsable));
    }
    let balance = Money::new(available(connection, &card, now_ms)?, &card.currency);
    Ok(Ok((balance, card.ending, card.expires_ms)))
}

fn moved(connection: &Connection, state: &'static str, id: &[u8], now_ms: i64) -> store::Result<Done> {
    let Some(card) = card(connection, id)? else { return Ok(Done::Moved(state, None)) };
    let balance = available(connection, &card, now_ms)?;
    Ok(Done::Moved(state, Some(Money::new(balance, &card.currency))))
}

/// Sets so much aside.
pub(crate) fn hold(
    connection: &Connection,
    key: &Key,
    id: &[u8],
    amount: &Money,
    order: Option<&str>,
    now_ms: i64,
) -> store::Result<Done> {
    if let Some(known) = held(connection, key)? {
        return match known.state.as_str() {
            "held" => moved(connection, "held", id, now_ms),
            "captured" => moved(connection, "captured", id, now_ms),
            _ => Ok(Done::Gone),
        };
    }
    let Some(card) = card(connection, id)? else { return Ok(Done::Unknown) };
    if !card.is_usable(now_ms) || card.currency != amount.currency {
        return Ok(Done::NotUsable);
    }
    if amount.minor <= 0 || amount.minor > available(connection, &card, now_ms)? {
        return Ok(Done::TooLittle);
    }
    connection
        .prepare_cached(
            "INSERT INTO gift_hold(source, key, card, amount, state, ord, at_ms, expires_ms)
             VALUES (?1, ?2, ?3, ?4, 'held', ?5, ?6, ?7)",
        )?
        .execute(params![key.source, key.key.as_bytes(), id, amount.minor, order, now_ms, now_ms + HOLD_MS])?;
    moved(connection, "held", id, now_ms)
}

struct Held {
    card: Option<[u8; 32]>,
    amount: i64,
    state: String,
    expires_ms: i64,
}

fn held(connection: &Connection, key: &Key) -> store::Result<Option<Held>> {
    let mut query =
        connection.prepare_cached("SELECT card, amount, state, expires_ms FROM gift_hold WHERE source = ?1 AND key = ?2")?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Held { card: row.get(0)?, amount: row.get(1)?, state: row.get(2)?, expires_ms: row.get(3)? })
    };
    Ok(query.query_row(params![key.source, key.key.as_bytes()], read).optional()?)
}

fn set_state(connection: &Connection, key: &Key, state: &str) -> store::Result<()> {
    connection.prepare_cached("UPDATE gift_hold SET state = ?3 WHERE source = ?1 AND key = ?2")?.execute(params![
        key.source,
        key.key.as_bytes(),
        state
    ])?;
    Ok(())
}

/// Takes what this key has set aside. One that has run out takes what is there, if it is enough: what was paid beside it
/// cannot be undone by a slow network.
pub(crate) fn capture(connection: &Connection, key: &Key, now_ms: i64) -> store::Result<Done> {
    let Some(Held { card: Some(id), amount, state, expires_ms }) = held(connection, key)? else { return Ok(Done::Gone) };
    match state.as_str() {
        "captured" => return moved(connection, "captured", &id, now_ms),
        "held" => {}
        _ => return Ok(Done::Gone),
    }
    let Some(card) = card(connection, &id)? else { return Ok(Done::Gone) };
    if expires_ms <= now_ms && available(connection, &card, now_ms)? < amount {
        set_state(connection, key, "released")?;
        return Ok(Done::Gone);
    }
    connection.prepare_cached("UPDATE gift_card SET balance = balance - ?2 WHERE id = ?1")?.execute(params![id, amount])?;
    set_state(connection, key, "captured")?;
    moved(connection, "captured", &id, now_ms)
}

/// Puts back what this key has set aside, and remembers that where it never arrived.
pub(crate) fn release(connection: &Connection, key: &Key, now_ms: i64) -> store::Result<Done> {
    let Some(Held { card, state, .. }) = held(connection, key)? else {
        connection
            .prepare_cached(
                "INSERT INTO gift_hold(source, key, card, amount, state, ord, at_ms, expires_ms)
                 VALUES (?1, ?2, NULL, 0, 'released', NULL, ?3, ?3)",
            )?
            .execute(params![key.source, key.key.as_bytes(), now_ms])?;
        return Ok(Done::Moved("released", None));
    };
    let id = card.unwrap_or_default();
    if state == "captured" {
        return moved(connection, "captured", &id, now_ms);
    }
    set_state(connection, key, "released")?;
    moved(connection, "released", &id, now_ms)
}

/// Puts back what another key has taken, or a part of it; in all never more.
pub(crate) fn refund(connection: &Connection, key: &Key, hold: Uuid, amount: &Money, now_ms: i64) -> store::Result<Done> {
    let original = Key { source: key.source.clone(), key: hold };
    let Some(Held { card: Some(id), amount: taken, state, .. }) = held(connection, &original)? else { return Ok(Done::Gone) };
    if is_credited(connection, key)? {
        return moved(connection, "refunded", &id, now_ms);
    }
    let back: i64 = connection
        .prepare_cached("SELECT ifnull(sum(amount), 0) FROM gift_credit WHERE source = ?1 AND hold = ?2")?
        .query_row(params![key.source, hold.as_bytes()], |row| row.get(0))?;
    let Some(card) = card(connection, &id)? else { return Ok(Done::Gone) };
    if state != "captured" || amount.minor <= 0 || card.currency != amount.currency {
        return Ok(Done::NotUsable);
    }
    if back + amount.minor > taken {
        return Ok(Done::TooLittle);
    }
    credit(connection, key, &id, amount.minor, "refund", Some(hold), None, now_ms)?;
    moved(connection, "refunded", &id, now_ms)
}

fn is_credited(connection: &Connection, key: &Key) -> store::Result<bool> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM gift_credit WHERE source = ?1 AND key = ?2")?
        .exists(params![key.source, key.key.as_bytes()])?)
}

#[allow(clippy::too_many_arguments)] // The columns of a row.
fn credit(
    connection: &Connection,
    key: &Key,
    id: &[u8],
    amount: i64,
    why: &str,
    hold: Option<Uuid>,
    staff: Option<&str>,
    now_ms: i64,
) -> store::Result<()> {
    let hold = hold.map(|hold| hold.as_bytes().to_vec());
    connection.prepare_cached("INSERT INTO gift_credit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(params![
        key.source,
        key.key.as_bytes(),
        id,
        amount,
        why,
        hold,
        staff,
        now_ms
    ])?;
    connection.prepare_cached("UPDATE gift_card SET balance = balance + ?2 WHERE id = ?1")?.execute(params![id, amount])?;
    Ok(())
}

/// Issues a card, or puts more on one. Gives the code of a new one.
pub(crate) fn issue(
    connection: &Connection,
    codes: &GiftKey,
    key: &Key,
    amount: &Money,
    staff: &str,
    now_ms: i64,
) -> store::Result<(String, Money)> {
    let code = codes.new_code(key)?;
    let id = codes.id(&code)?.unwrap_or_default();
    if !is_credited(connection, key)? {
        put(connection, &id, &code, &amount.currency)?;
        credit(connection, key, &id, amount.minor, "issued", None, Some(staff), now_ms)?;
    }
    let balance = look(connection, &id, now_ms)?.map_or(0, |(balance, ..)| balance.minor);
    Ok((code, Money::new(balance, &amount.currency)))
}

fn put(connection: &Connection, id: &[u8], code: &str, currency: &str) -> store::Result<()> {
    connection
        .prepare_cached("INSERT INTO gift_card(id, ending, currency, balance) VALUES (?1, ?2, ?3, 0) ON CONFLICT DO NOTHING")?
        .execute(params![id, code.get(DIGITS - 4..).unwrap_or_default(), currency])?;
    Ok(())
}

/// Puts more on a card.
pub(crate) fn top_up(
    connection: &Connection,
    key: &Key,
    id: &[u8],
    amount: &Money,
    staff: &str,
    now_ms: i64,
) -> store::Result<Done> {
    let Some(card) = card(connection, id)? else { return Ok(Done::Unknown) };
    if !card.is_usable(now_ms) || card.currency != amount.currency || amount.minor <= 0 {
        return Ok(Done::NotUsable);
    }
    if !is_credited(connection, key)? {
        credit(connection, key, id, amount.minor, "topped_up", None, Some(staff), now_ms)?;
    }
    moved(connection, "topped_up", id, now_ms)
}

/// A card with a code of its own choosing, for demonstrations and migrations: said again, it has this balance again.
pub(crate) fn plant(connection: &Connection, codes: &GiftKey, code: &str, balance: &Money) -> store::Result<bool> {
    let Some(id) = codes.id(code)? else { return Ok(false) };
    put(connection, &id, code, &balance.currency)?;
    connection
        .prepare_cached("UPDATE gift_card SET balance = ?2 WHERE id = ?1")?
        .execute(params![id, balance.minor.clamp(0, AMOUNT_MAX)])?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CODE: &str = "1234567890123456";

    struct Bench {
        connection: Connection,
        codes: GiftKey,
        id: [u8; 32],
    }

    fn bench(minor: i64) -> Bench {
        let connection = store::in_memory();
        let codes = GiftKey([7; 32]);
        assert!(plant(&connection, &codes, CODE, &eur(minor)).unwrap());
        let id = codes.id(CODE).unwrap().unwrap();
        Bench { connection, codes, id }
    }

    fn eur(minor: i64) -> Money {
        Money::new(minor, "EUR")
    }

    fn key(n: u128) -> Key {
        Key { source: "/stores/s-001/devices/k-01".into(), key: Uuid::from_u128(n) }
    }

    impl Bench {
        fn hold(&self, n: u128, minor: i64, now: i64) -> Done {
            hold(&self.connection, &key(n), &self.id, &eur(minor), None, now).unwrap()
        }
        fn balance(&self, now: i64) -> i64 {
            look(&self.connection, &self.id, now).unwrap().unwrap().0.minor
        }
        fn is(&self, done: Done, state: &str, balance: i64) {
            assert_eq!(
                done,
                Done::Moved(
                    match state {
                        "held" => "held",
                        "captured" => "captured",
                        "released" => "released",
                        _ => "refunded",
                    },
                    Some(eur(balance))
                )
            );
        }
    }

    #[test]
    fn a_key_has_one_effect_whatever_comes_twice() {
        let b = bench(1_000);
        for _ in 0..2 {
            b.is(b.hold(1, 400, 0), "held", 600);
        }
        for _ in 0..2 {
            b.is(capture(&b.connection, &key(1), 0).unwrap(), "captured", 600);
        }
        b.is(b.hold(1, 400, 0), "captured", 600);
        b.is(release(&b.connection, &key(1), 0).unwrap(), "captured", 600);
        assert_eq!(b.balance(0), 600);
    }

    #[test]
    fn nothing_is_held_twice_or_beyond_the_balance() {
        let b = bench(1_000);
        b.is(b.hold(1, 700, 0), "held", 300);
        assert_eq!(b.hold(2, 301, 0), Done::TooLittle);
        b.is(release(&b.connection, &key(1), 0).unwrap(), "released", 1_000);
        assert_eq!((capture(&b.connection, &key(1), 0).unwrap(), b.hold(1, 700, 0)), (Done::Gone, Done::Gone));
        assert_eq!(b.balance(0), 1_000);
        let dollars = hold(&b.connection, &key(3), &b.id, &Money::new(1, "USD"), None, 0).unwrap();
        assert_eq!((dollars, b.hold(4, 0, 0)), (Done::NotUsable, Done::TooLittle));
    }

    #[test]
    fn a_hold_that_arrives_after_its_release_takes_nothing() {
        let b = bench(1_000);
        assert_eq!(release(&b.connection, &key(1), 0).unwrap(), Done::Moved("released", None));
        assert_eq!((b.hold(1, 400, 1), b.balance(1)), (Done::Gone, 1_000));
    }

    #[test]
    fn a_hold_ends_by_itself_and_its_capture_takes_what_is_still_there() {
        let b = bench(1_000);
        b.is(b.hold(1, 800, 0), "held", 200);
        assert_eq!((b.balance(HOLD_MS - 1), b.balance(HOLD_MS)), (200, 1_000));
        b.is(capture(&b.connection, &key(1), HOLD_MS).unwrap(), "captured", 200);
        b.is(b.hold(2, 200, 0), "held", 0);
        b.is(b.hold(3, 150, HOLD_MS), "held", 50);
        assert_eq!(capture(&b.connection, &key(2), HOLD_MS).unwrap(), Done::Gone, "another has it");
    }

    #[test]
    fn what_goes_back_is_never_more_than_was_taken() {
        let b = bench(1_000);
        b.hold(1, 500, 0);
        let back = |n, minor| refund(&b.connection, &key(n), Uuid::from_u128(1), &eur(minor), 0).unwrap();
        assert_eq!(back(9, 1), Done::NotUsable, "not taken yet");
        capture(&b.connection, &key(1), 0).unwrap();
        for _ in 0..2 {
            b.is(back(10, 300), "refunded", 800);
        }
        assert_eq!(back(11, 201), Done::TooLittle);
        b.is(back(12, 200), "refunded", 1_000);
        let other = Key { source: "/stores/s-001/devices/k-02".into(), key: Uuid::from_u128(13) };
        assert_eq!(refund(&b.connection, &other, Uuid::from_u128(1), &eur(1), 0).unwrap(), Done::Gone, "another kiosk's");
    }

    #[test]
    fn a_card_is_issued_once_under_its_key_and_its_code_is_in_no_row() {
        let b = bench(0);
        let new = || issue(&b.connection, &b.codes, &key(1), &eur(2_500), "st-1", 0).unwrap();
        let (code, balance) = new();
        assert_eq!((new(), balance), ((code.clone(), eur(2_500)), eur(2_500)));
        let id = b.codes.id(&code).unwrap().unwrap();
        let more = top_up(&b.connection, &key(2), &id, &eur(500), "st-1", 0).unwrap();
        assert_eq!(more, Done::Moved("topped_up", Some(eur(3_000))));
        let rows: i64 = b
            .connection
            .query_row("SELECT count(*) FROM gift_card WHERE hex(id) LIKE '%' || ?1 || '%' OR ending = ?1", [&code], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(rows, 0);
    }
}
