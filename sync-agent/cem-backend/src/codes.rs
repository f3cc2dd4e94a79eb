//! Codes of the guest's page: who sees the page of a receipt may show a code that a kiosk takes for a guest card.
//!
//! A code is `CEMG` and the upper-case hex of
//!
//! | Bytes | What |
//! |---|---|
//! | 16 | the order whose receipt leads to the page |
//! | 4 | when the code ends, seconds since 1970, big-endian |
//! | 8 | drawn at random |
//! | 16 | HMAC-SHA256 over all before, cut to its first half |
//!
//! It names an order and not a person: whose order that was is asked when the code is used, so that a person who is
//! erased, or has taken all consent back, is known by no code any more. It counts once.
//!
//! | Table | What |
//! |---|---|
//! | `guest_page` | SHA-256 of the secret in a receipt's address, and the order |
//! | `guest_code` | codes that were used, the pseudonym that the kiosk gave the code, and who it was |

use crate::{
    people::{consent, visitor},
    store::Result,
};
use cem_contract::{
    Consent, Event, SigningKey,
    codes::{GUEST_CODE_MS, GUEST_CODE_PREFIX},
    hex, kinds, limits,
};
use ed25519_dalek::Signer as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// As long as events of a kiosk that was offline may bring the pseudonym.
const KEPT_MS: i64 = limits::RETENTION_DAYS as i64 * 24 * 60 * 60 * 1_000;
const ORDER: usize = 16;
const ENDS: usize = 4;
const RANDOM: usize = 8;
const MAC: usize = 16;
const SIGNED: usize = ORDER + ENDS + RANDOM;

/// Made beside the numbered versions of the file: a program that does not know them does without.
pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS guest_page(hash TEXT PRIMARY KEY, ord TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS guest_page_ord ON guest_page(ord);
CREATE TABLE IF NOT EXISTS guest_code(
    code BLOB PRIMARY KEY, token TEXT NOT NULL, visitor TEXT NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS guest_code_token ON guest_code(token);
CREATE INDEX IF NOT EXISTS guest_code_visitor ON guest_code(visitor);
";

/// Keeps which order the page of a receipt is of.
pub(crate) fn learn_page(connection: &Connection, event: &Event) -> Result<()> {
    if event.kind != kinds::ORDER_PLACED {
        return Ok(());
    }
    let text = |name: &str| event.data.get(name).and_then(Value::as_str);
    let (Some(hash), Some(order)) = (text("page"), text("order")) else { return Ok(()) };
    let mut insert = connection.prepare_cached("INSERT INTO guest_page(hash, ord) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    insert.execute([hash, order])?;
    Ok(())
}

/// The order whose page has this secret, 32 hex digits, if there is one.
pub(crate) fn order_of_page(connection: &Connection, secret: &str) -> Result<Option<String>> {
    let Some(secret) = hex::decode(secret).filter(|bytes| bytes.len() == 16) else { return Ok(None) };
    let hash = hex::encode(&Sha256::digest(secret));
    let mut query = connection.prepare_cached("SELECT ord FROM guest_page WHERE hash = ?1")?;
    Ok(query.query_row([hash], |row| row.get(0)).optional()?)
}

/// The surviving id of whose order it was, where they want to be known here.
pub(crate) fn guest_of(connection: &Connection, order: &str) -> Result<Option<String>> {
    let found: Option<Option<String>> = connection
        .prepare_cached("SELECT t.visitor FROM visit_order o JOIN visit t ON t.id = o.visit WHERE o.ord = ?1")?
        .query_row([order], |row| row.get(0))
        .optional()?;
    let Some(id) = found.flatten() else { return Ok(None) };
    let Some(survivor) = visitor::survivor(connection, &id)? else { return Ok(None) };
    Ok((consent::of(connection, &survivor)? >= Consent::Service).then_some(survivor))
}

/// The key that codes are signed with: made of the one that profiles are signed with, so that there is no further secret to
/// keep, and none that changes at a restart.
fn mac(signing: &SigningKey, signed: &[u8]) -> Option<Hmac<Sha256>> {
    let key = Sha256::digest(signing.sign(b"codes of the guest's page, 1").to_bytes());
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(signed);
    Some(mac)
}

/// A new code for an order's page.
///
/// `None` where the order's id is not one.
pub(crate) fn make(signing: &SigningKey, order: &str, random: [u8; RANDOM], now_ms: i64) -> Option<String> {
    let order = uuid::Uuid::parse_str(order).ok()?;
    let ends = u32::try_from((now_ms + GUEST_CODE_MS) / 1_000).ok()?;
    let mut code = order.as_bytes().to_vec();
    code.extend_from_slice(&ends.to_be_bytes());
    code.extend_from_slice(&random);
    let mac = mac(signing, &code)?.finalize().into_bytes();
    code.extend_from_slice(&mac[..MAC]);
    Some(format!("{GUEST_CODE_PREFIX}{}", hex::encode(&code).to_uppercase()))
}

/// The order of a code that is genuine and has not ended, and what tells it from other codes.
fn read(signing: &SigningKey, code: &str, now_ms: i64) -> Option<(String, Vec<u8>)> {
    let bytes = hex::decode(&code.strip_prefix(GUEST_CODE_PREFIX)?.to_lowercase())?;
    if bytes.len() != SIGNED + MAC {
        return None;
    }
    let (signed, tag) = bytes.split_at(SIGNED);
    mac(signing, signed)?.verify_truncated_left(tag).ok()?;
    let (order, rest) = signed.split_at(ORDER);
    let (ends, _) = rest.split_at(ENDS);
    let ends_ms = i64::from(u32::from_be_bytes(ends.try_into().ok()?)) * 1_000;
    let order = uuid::Uuid::from_slice(order).ok()?.to_string();
    (now_ms < ends_ms).then(|| (order, signed.to_vec()))
}

/// Uses a code, once: who it is. `token` is what the kiosk calls it; a visit that knows only that is theirs.
pub(crate) fn redeem(
    connection: &Connection,
    signing: &SigningKey,
    code: &str,
    token: &str,
    now_ms: i64,
) -> Result<Option<String>> {
    let Some((order, spent)) = read(signing, code, now_ms) else { return Ok(None) };
    let Some(who) = guest_of(connection, &order)? else { return Ok(None) };
    connection.prepare_cached("DELETE FROM guest_code WHERE at_ms < ?1")?.execute([now_ms - KEPT_MS])?;
    let mut insert = connection
        .prepare_cached("INSERT INTO guest_code(code, token, visitor, at_ms) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?;
    let new = insert.execute(params![spent, token, who, now_ms])? > 0;
    Ok(new.then_some(who))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ORDER_ID: &str = "0192f0c0-0000-7000-8000-000000000001";
    const NOW: i64 = 1_790_000_000_000;

    #[test]
    fn a_code_is_read_back_until_it_ends_and_fits_a_small_code() {
        let key = SigningKey::from_bytes(&[5; 32]);
        let code = make(&key, ORDER_ID, [7; 8], NOW).unwrap();
        assert_eq!(code.len(), 92);
        assert_eq!(read(&key, &code, NOW).unwrap().0, ORDER_ID);
        assert!(read(&key, &code, NOW + GUEST_CODE_MS - 1_000).is_some());
        assert!(read(&key, &code, NOW + GUEST_CODE_MS).is_none());
        assert!(read(&SigningKey::from_bytes(&[6; 32]), &code, NOW).is_none(), "signed by somebody else");
        assert_ne!(make(&key, ORDER_ID, [8; 8], NOW).unwrap(), code);
    }

    #[test]
    fn every_bit_of_a_code_counts() {
        let key = SigningKey::from_bytes(&[5; 32]);
        let code = make(&key, ORDER_ID, [7; 8], NOW).unwrap();
        let bytes = hex::decode(&code[4..].to_lowercase()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let text = format!("{GUEST_CODE_PREFIX}{}", hex::encode(&flipped).to_uppercase());
            assert!(read(&key, &text, NOW).is_none(), "bit {bit}");
        }
        assert!(read(&key, &code[..code.len() - 2], NOW).is_none());
        assert!(read(&key, "CEMG", NOW).is_none());
    }
}
