//! Tokens: random, shown once, stored hashed.

use crate::store::Result;
use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

/// What a token may be used for: section 4 of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scope {
    /// A device: its own events, its store's cache and feed.
    Device,
    /// A store's server: events of every device under it, nothing else.
    Store,
    /// People at a console.
    Staff,
    /// A web shop or call centre: its own events and consent.
    Channel,
    /// Fleet, erasure.
    Ops,
}

impl Scope {
    /// The word on the command line and in the table.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Store => "store",
            Self::Staff => "staff",
            Self::Channel => "channel",
            Self::Ops => "ops",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Device, Self::Store, Self::Staff, Self::Channel, Self::Ops].into_iter().find(|scope| scope.word() == word)
    }
}

/// A known token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Its name in lists and in the audit; says nothing about the token itself.
    pub(crate) id: String,
    pub(crate) scope: Scope,
    pub(crate) source: String,
    pub(crate) created_ms: i64,
    pub(crate) revoked_ms: Option<i64>,
}

/// Makes a token and gives its text, which is kept nowhere.
pub(crate) fn create(connection: &Connection, scope: Scope, source: &str, now_ms: i64) -> anyhow::Result<String> {
    Ok(make(connection, scope, source, now_ms)?.1)
}

/// Makes a token and gives its id and its text.
pub(crate) fn make(connection: &Connection, scope: Scope, source: &str, now_ms: i64) -> anyhow::Result<(String, String)> {
    check_source(scope, source)?;
    let mut random = [0u8; 32];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
    let text = format!("cem_{}_{}", scope.word(), URL_SAFE_NO_PAD.encode(random));
    let id = uuid::Uuid::now_v7().simple().to_string();
    connection
        .execute(
            "INSERT INTO token(hash, id, scope, source, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![hash(&text), id, scope.word(), source, now_ms],
        )
        .context("cannot store the token")?;
    Ok((id, text))
}

/// All tokens, oldest first.
pub(crate) fn list(connection: &Connection) -> anyhow::Result<Vec<Known>> {
    let mut query = connection.prepare("SELECT id, scope, source, created_ms, revoked_ms FROM token ORDER BY created_ms, id")?;
    let rows = query.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Revokes a token by its id; it stays in the list.
pub(crate) fn revoke(connection: &Connection, id: &str, now_ms: i64) -> anyhow::Result<()> {
    ensure!(revoke_known(connection, id, now_ms)?, "no token has the id {id}: see `cem-backend token list`");
    Ok(())
}

/// The same, inside a transaction of the running backend: false when no token has this id.
pub(crate) fn revoke_known(connection: &Connection, id: &str, now_ms: i64) -> Result<bool> {
    let mut revoke = connection.prepare_cached("UPDATE token SET revoked_ms = coalesce(revoked_ms, ?2) WHERE id = ?1")?;
    Ok(revoke.execute(params![id, now_ms])? > 0)
}

/// The token with this text, revoked or not: whoever asks decides what a revoked one means.
pub(crate) fn find(connection: &Connection, text: &str) -> Result<Option<Known>> {
    let mut query = connection.prepare_cached("SELECT id, scope, source, created_ms, revoked_ms FROM token WHERE hash = ?1")?;
    Ok(query.query_row([hash(text)], read).optional()?)
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Known> {
    let word: String = row.get(1)?;
    let scope = Scope::from_word(&word).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, format!("unknown scope {word}").into())
    })?;
    Ok(Known { id: row.get(0)?, scope, source: row.get(2)?, created_ms: row.get(3)?, revoked_ms: row.get(4)? })
}

fn hash(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

fn check_source(scope: Scope, source: &str) -> anyhow::Result<()> {
    let wanted = match scope {
        Scope::Device => "/stores/<store>/devices/<device>",
        Scope::Store => "/stores/<store>",
        Scope::Channel => "/channels/<channel>",
        Scope::Staff | Scope::Ops => return Ok(()),
    };
    if source.is_empty() {
        bail!("a {} token needs --source {wanted}", scope.word());
    }
    if scope == Scope::Channel {
        ensure!(source.starts_with("/channels/"), "a channel token writes for {wanted}, not for {source}");
    }
    ensure!(source.starts_with('/') && !source.ends_with('/'), "{source} is not a source like {wanted}");
    Ok(())
}
