//! Guests' cards, for staff who have signed in at a device, and what every device must refuse.
//!
//! ```text
//! POST /v1/cards/keys                       (staff) {"uid"} -> version, keys of that one card
//! POST /v1/cards                            (staff) {"token","message","visitor","replaces"} -> visitor, blocked
//! POST /v1/visitors/{visitor}/cards/block   (staff) all cards of a visitor are lost -> blocked
//! GET  /v1/cards/blocked?after=&limit=      (device) tokens of blocked cards
//! ```

use super::{App, auth::Caller, body, error::HttpError, query::ListQuery, visitors::audit};
use crate::{
    cards, feed,
    people::{self, Touched, visitor},
    store::{self, now_ms},
};
use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use card_auth::{Key, hex};
use cem_contract::{
    Page,
    cards::{CARD_BLOCKED_PROBLEM, CardBound, CardIssued, CardKeys, CardKeysRequest, CardsBlocked},
};
use rusqlite::Connection;

/// `POST /v1/cards/keys`: the keys of one card, which leave in this answer and are not kept. Written down before they leave.
pub(super) async fn keys(State(app): State<App>, headers: HeaderMap, request: Body) -> Result<Json<CardKeys>, HttpError> {
    let staff = Caller::of(&app, &headers).await?.staff(&app, &headers).await?;
    let CardKeysRequest { uid } = body::json(request).await?;
    let uid = hex::array(&uid).ok_or_else(|| HttpError::bad("uid is the number of an NTAG 424 DNA, 14 hex digits"))?;
    let set = app.cards.set(&uid).ok_or_else(|| HttpError::new(500, "Internal error", "the card keys cannot be derived"))?;
    audit(&app, staff, "card.keys", None).await?;
    let keys = set.keys().iter().map(|key| hex::upper(key.expose())).collect();
    Ok(Json(CardKeys { version: set.version(), keys }))
}

/// What became of a card that is said to be finished.
enum Bound {
    To(CardBound),
    Blocked,
    Unknown,
    SomebodyElses,
}

/// `POST /v1/cards`: a card is finished. Said twice, it is bound once.
pub(super) async fn issued(
    State(app): State<App>,
    headers: HeaderMap,
    request: Body,
) -> Result<(StatusCode, Json<CardBound>), HttpError> {
    let caller = Caller::of(&app, &headers).await?;
    let staff = caller.staff(&app, &headers).await?;
    let store = feed::store_of(caller.source()).unwrap_or_default().to_owned();
    let issued: CardIssued = body::json(request).await?;
    if !cards::is_token(&issued.token) {
        return Err(HttpError::bad("token is `<key version>:<64 hex digits>`"));
    }
    let key = app.cards.proven(&issued.message).ok_or_else(|| HttpError::forbidden("this card does not prove itself"))?;
    let now = now_ms();
    let visitor = issued.visitor.clone();
    match app.store.writer.run(move |connection| bind(connection, &issued, &key, &store, now)).await? {
        Bound::To(bound) => {
            audit(&app, staff, "card.issued", visitor).await?;
            Ok((StatusCode::CREATED, Json(bound)))
        }
        Bound::Blocked => Err(HttpError::forbidden("this card was reported lost and is blocked").kind(CARD_BLOCKED_PROBLEM)),
        Bound::Unknown => Err(HttpError::not_found("no visitor has this id")),
        Bound::SomebodyElses => Err(HttpError::new(409, "Not bound", "this card is somebody else's")),
    }
}

fn bind(connection: &Connection, issued: &CardIssued, key: &Key, store: &str, now: i64) -> store::Result<Bound> {
    let token = &issued.token;
    if cards::is_blocked(connection, token)? {
        return Ok(Bound::Blocked);
    }
    let holder = visitor::by_token(connection, token)?;
    let Some(wanted) = &issued.visitor else {
        cards::keep(connection, token, key)?;
        return Ok(Bound::To(CardBound { visitor: holder, blocked: 0 }));
    };
    let Some(survivor) = visitor::survivor(connection, wanted)? else { return Ok(Bound::Unknown) };
    if holder.is_some_and(|holder| holder != survivor) {
        return Ok(Bound::SomebodyElses);
    }
    cards::keep(connection, token, key)?;
    let mut touched = Touched::default();
    visitor::claim(connection, &mut touched, token, &survivor, now)?;
    people::fold(connection, touched, now)?;
    visitor::tell_anew(connection, &survivor)?;
    visitor::comes_to(connection, &survivor, store)?;
    let blocked = if issued.replaces { cards::block(connection, &survivor, Some(token), now)? } else { 0 };
    visitor::refold(connection, &survivor, now)?;
    Ok(Bound::To(CardBound { visitor: Some(survivor), blocked }))
}

/// `POST /v1/visitors/{visitor}/cards/block`
pub(super) async fn block(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<CardsBlocked>, HttpError> {
    let staff = Caller::of(&app, &headers).await?.staff(&app, &headers).await?;
    let now = now_ms();
    let asked = id.clone();
    let done = app.store.writer.run(move |connection| {
        let Some(survivor) = visitor::survivor(connection, &asked)? else { return Ok(None) };
        cards::block(connection, &survivor, None, now).map(Some)
    });
    let blocked = done.await?.ok_or_else(|| HttpError::not_found("no visitor has this id"))?;
    audit(&app, staff, "card.block", Some(id)).await?;
    Ok(Json(CardsBlocked { blocked }))
}

/// `GET /v1/cards/blocked?after=&limit=`: every device refuses them, whichever store they were lost in.
pub(super) async fn blocked(
    State(app): State<App>,
    query: ListQuery,
    headers: HeaderMap,
) -> Result<Json<Page<String>>, HttpError> {
    Caller::of(&app, &headers).await?.device()?;
    let limit = query.limit()?;
    let after = query.after.unwrap_or_default();
    let items = app.store.readers.run(move |connection| cards::blocked(connection, &after, limit)).await?;
    let next = items.last().filter(|_| items.len() == limit).cloned();
    Ok(Json(Page { items, next }))
}
