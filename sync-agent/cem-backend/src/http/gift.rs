//! Gift cards, as [`cem_contract::gift`] says.

use super::{App, auth::Caller, body, error::HttpError, visitors::audit};
use crate::{
    gift::{self, AMOUNT_MAX, Done, Key},
    store::now_ms,
};
use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use cem_contract::{
    data::Money,
    gift::{GONE, GiftAmount, GiftCard, GiftHold, GiftIssued, GiftMoved, KEY_HEADER, NOT_USABLE, TOO_LITTLE, TOO_MANY, UNKNOWN},
    time,
};
use uuid::Uuid;

type Moved = Result<Json<GiftMoved>, HttpError>;

/// `GET /v1/gift-cards/{code}`
pub(super) async fn look(
    State(app): State<App>,
    Path(code): Path<String>,
    headers: HeaderMap,
) -> Result<Json<GiftCard>, HttpError> {
    Caller::of(&app, &headers).await?.device()?;
    let id = known_id(&app, &code)?;
    let now = now_ms();
    match app.store.readers.run(move |connection| gift::look(connection, &id, now)).await? {
        Ok((balance, ending, expires)) => Ok(Json(GiftCard { balance, ending, expires: expires.map(time::rfc3339) })),
        Err(done) => Err(refused(&app, done)),
    }
}

/// `POST /v1/gift-cards/{code}/holds`
pub(super) async fn hold(State(app): State<App>, Path(code): Path<String>, headers: HeaderMap, request: Body) -> Moved {
    let key = key(&app, &headers).await?;
    let id = known_id(&app, &code)?;
    let GiftAmount { amount, order } = body::json(request).await?;
    let now = now_ms();
    let done = app.store.writer.run(move |c| gift::hold(c, &key, &id, &amount, order.as_deref(), now)).await?;
    said(&app, done)
}

/// `POST /v1/gift-cards/{code}/captures`
pub(super) async fn capture(State(app): State<App>, headers: HeaderMap, request: Body) -> Moved {
    let key = of_hold(&app, &headers, &body::json(request).await?).await?;
    let now = now_ms();
    let done = app.store.writer.run(move |connection| gift::capture(connection, &key, now)).await?;
    said(&app, done)
}

/// `POST /v1/gift-cards/{code}/releases`
pub(super) async fn release(State(app): State<App>, headers: HeaderMap, request: Body) -> Moved {
    let key = of_hold(&app, &headers, &body::json(request).await?).await?;
    let now = now_ms();
    let done = app.store.writer.run(move |connection| gift::release(connection, &key, now)).await?;
    said(&app, done)
}

/// `POST /v1/gift-cards/{code}/refunds`
pub(super) async fn refund(State(app): State<App>, headers: HeaderMap, request: Body) -> Moved {
    let key = key(&app, &headers).await?;
    let GiftHold { hold, amount } = body::json(request).await?;
    let hold = uuid(&hold)?;
    let amount = amount.ok_or_else(|| HttpError::bad("amount is missing"))?;
    let now = now_ms();
    let done = app.store.writer.run(move |connection| gift::refund(connection, &key, hold, &amount, now)).await?;
    said(&app, done)
}

/// `POST /v1/gift-cards`
pub(super) async fn issue(
    State(app): State<App>,
    headers: HeaderMap,
    request: Body,
) -> Result<(StatusCode, Json<GiftIssued>), HttpError> {
    let caller = Caller::of(&app, &headers).await?;
    let staff = caller.staff(&app, &headers).await?;
    let key = Key { source: caller.source().to_owned(), key: idempotency(&headers)? };
    let amount = sum(body::json::<GiftAmount>(request).await?.amount)?;
    let (codes, now, by) = (app.gifts.clone(), now_ms(), staff.id.clone());
    audit(&app, staff, "gift.issued", None).await?;
    let issued = app.store.writer.run(move |connection| gift::issue(connection, &codes, &key, &amount, &by, now)).await?;
    let (code, balance) = issued;
    Ok((StatusCode::CREATED, Json(GiftIssued { code, balance })))
}

/// `POST /v1/gift-cards/{code}/top-ups`
pub(super) async fn top_up(State(app): State<App>, Path(code): Path<String>, headers: HeaderMap, request: Body) -> Moved {
    let caller = Caller::of(&app, &headers).await?;
    let staff = caller.staff(&app, &headers).await?;
    let key = Key { source: caller.source().to_owned(), key: idempotency(&headers)? };
    let id = known_id(&app, &code)?;
    let amount = sum(body::json::<GiftAmount>(request).await?.amount)?;
    let (now, by) = (now_ms(), staff.id.clone());
    audit(&app, staff, "gift.topped_up", None).await?;
    let done = app.store.writer.run(move |connection| gift::top_up(connection, &key, &id, &amount, &by, now)).await?;
    said(&app, done)
}

fn sum(amount: Money) -> Result<Money, HttpError> {
    if amount.minor < 1 || amount.minor > AMOUNT_MAX || amount.currency.len() != 3 {
        return Err(HttpError::bad("amount is more than nothing, of an ISO 4217 currency, and no fortune"));
    }
    Ok(amount)
}

/// A code that may be looked at now. Each one that nobody has counts against everybody's bucket.
fn known_id(app: &App, code: &str) -> Result<[u8; 32], HttpError> {
    app.gift_limiter.check(now_ms()).map_err(|seconds| {
        HttpError::new(429, "Too many", "too many wrong codes: try later").kind(TOO_MANY).retry_after(seconds)
    })?;
    app.gifts.id(code)?.ok_or_else(|| refused(app, Done::Unknown))
}

/// The device that asks, with the key of what it asks.
async fn key(app: &App, headers: &HeaderMap) -> Result<Key, HttpError> {
    let caller = Caller::of(app, headers).await?;
    caller.device()?;
    Ok(Key { source: caller.source().to_owned(), key: idempotency(headers)? })
}

/// The same, of a hold that was made before.
async fn of_hold(app: &App, headers: &HeaderMap, said: &GiftHold) -> Result<Key, HttpError> {
    let Key { source, .. } = key(app, headers).await?;
    Ok(Key { source, key: uuid(&said.hold)? })
}

fn idempotency(headers: &HeaderMap) -> Result<Uuid, HttpError> {
    let text = headers.get(KEY_HEADER).and_then(|value| value.to_str().ok());
    uuid(text.ok_or_else(|| HttpError::bad("this needs a key: Idempotency-Key: <UUID>"))?)
}

fn uuid(text: &str) -> Result<Uuid, HttpError> {
    Uuid::parse_str(text).map_err(|_| HttpError::bad("a key is a UUID"))
}

fn said(app: &App, done: Done) -> Moved {
    match done {
        Done::Moved(state, balance) => Ok(Json(GiftMoved { state: state.to_owned(), balance })),
        refusal => Err(refused(app, refusal)),
    }
}

fn refused(app: &App, done: Done) -> HttpError {
    match done {
        Done::Unknown => {
            app.gift_limiter.spend(now_ms());
            HttpError::not_found("no gift card has this code").kind(UNKNOWN)
        }
        Done::TooLittle => HttpError::new(409, "Too little", "there is not so much on it").kind(TOO_LITTLE),
        Done::NotUsable => HttpError::new(409, "Not usable", "this gift card cannot be used for that").kind(NOT_USABLE),
        Done::Gone | Done::Moved(..) => HttpError::new(409, "Gone", "nothing is held under this key any more").kind(GONE),
    }
}
