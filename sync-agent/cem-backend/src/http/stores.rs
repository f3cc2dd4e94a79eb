//! What a store's devices read: the feed and its views.

use super::{App, auth::Caller, error::HttpError, query::ListQuery};
use crate::{
    feed::{self, Entry, Row, View},
    issue,
    people::visitor,
    staff,
    store::{self, now_ms},
    tokens::Scope,
};
use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
};
use cem_contract::{Erasure, Page, SigningKey};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time::Instant;

/// `GET /v1/stores/{store}/feed?after=&wait=`: waits until there is something to tell.
pub(super) async fn feed(
    State(app): State<App>,
    Path(store): Path<String>,
    query: ListQuery,
    headers: HeaderMap,
) -> Result<Json<Page<Value>>, HttpError> {
    Caller::of(&app, &headers).await?.device_in(&store)?;
    let deadline = Instant::now() + query.wait()?;
    let mut news = app.store.writer.feed();
    let mut stopping = app.stopping.clone();
    loop {
        news.mark_unchanged();
        let page = read(&app, &store, &query, View::Feed).await?;
        if !page.items.is_empty() || Instant::now() >= deadline || *stopping.borrow() {
            return Ok(Json(page));
        }
        tokio::select! {
            _ = news.changed() => {}
            _ = stopping.changed() => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
}

/// `GET /v1/stores/{store}/visitors?after=&limit=`: changes to the store's visitor cache.
pub(super) async fn visitors(
    State(app): State<App>,
    Path(store): Path<String>,
    query: ListQuery,
    headers: HeaderMap,
) -> Result<Json<Page<Value>>, HttpError> {
    Caller::of(&app, &headers).await?.device_in(&store)?;
    Ok(Json(read(&app, &store, &query, View::Visitors).await?))
}

/// `GET /v1/erasures?after=`: what every kiosk must forget. A cursor of another database starts from the beginning,
/// because forgetting twice does no harm.
pub(super) async fn erasures(
    State(app): State<App>,
    query: ListQuery,
    headers: HeaderMap,
) -> Result<Json<Page<Erasure>>, HttpError> {
    Caller::of(&app, &headers).await?.only(&[Scope::Device, Scope::Ops], "read erasures")?;
    let limit = query.limit()?;
    let epoch = app.store.epoch.clone();
    let after = query.after.as_deref().and_then(|cursor| feed::place(&epoch, cursor)).unwrap_or(0);
    let items = app.store.readers.run(move |connection| feed::erasures(connection, after, limit, &epoch)).await?;
    let next = items.last().map_or_else(|| feed::cursor(&app.store.epoch, after), |last| last.cursor.clone());
    Ok(Json(Page { items, next: Some(next) }))
}

/// Of profiles, and of rosters.
type SigningKeys = (Arc<SigningKey>, SigningKey);

enum Read {
    Page(Page<Value>),
    Expired { snapshot: Value, next: String },
}

async fn read(app: &App, store: &str, query: &ListQuery, view: View) -> Result<Page<Value>, HttpError> {
    let limit = query.limit()?;
    let (epoch, store) = (app.store.epoch.clone(), store.to_owned());
    let keys: SigningKeys = (app.key.clone(), app.fleet.signing.clone());
    // Without a cursor from the beginning; with one that means nothing here, as with an expired one.
    let after = query.after.as_deref().filter(|text| !text.is_empty()).map(|cursor| feed::place(&epoch, cursor));
    let now = now_ms();
    // The cache is read from the beginning once; a feed is told when a profile has changed.
    let read = move |connection: &Connection| {
        let after = match after {
            None => 0,
            Some(Some(after)) if !feed::is_expired(connection, after)? => after,
            Some(_) => {
                let next = feed::cursor(&epoch, feed::last(connection)?);
                return Ok(Read::Expired { snapshot: feed::snapshot(connection, &store, now)?, next });
            }
        };
        let (rows, next) = feed::list(connection, &store, view, after, limit, &epoch)?;
        let items =
            rows.into_iter().map(|row| entry(connection, &keys, row, &store, &epoch, now)).collect::<store::Result<Vec<_>>>()?;
        Ok(Read::Page(Page { items, next: Some(feed::cursor(&epoch, next)) }))
    };
    let waits = view == View::Visitors || !matches!(after, Some(Some(_)));
    match if waits { app.store.read(read).await? } else { app.store.readers.run(read).await? } {
        Read::Page(page) => Ok(page),
        Read::Expired { snapshot, next } => {
            let detail = "this cursor has expired: take the snapshot, read the visitor cache anew, and go on from `next`";
            Err(HttpError::new(410, "Cursor expired", detail).with("snapshot", snapshot).with("next", json!(next)))
        }
    }
}

fn entry(connection: &Connection, keys: &SigningKeys, row: Row, store: &str, epoch: &str, now: i64) -> store::Result<Value> {
    let cursor = feed::cursor(epoch, row.n);
    let id = match row.entry {
        Entry::Ready(value) => return Ok(value),
        Entry::Staff => {
            let envelope = staff::roster(connection, &keys.1, store, now)?;
            return Ok(json!({"cursor": cursor, "kind": "staff", "envelope": envelope}));
        }
        Entry::Visitor(id) => id,
    };
    let Some(profile) = visitor::profile(connection, &id)? else {
        return Ok(json!({"cursor": cursor, "kind": "visitor_removed", "visitor": id}));
    };
    let version = profile.version;
    let envelope = issue::issue(connection, &keys.0, profile, store, now)?;
    Ok(json!({"cursor": cursor, "kind": "visitor", "visitor": id, "version": version, "envelope": envelope}))
}
