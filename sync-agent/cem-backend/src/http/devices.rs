//! What ops do to devices, and what a device fetches and sends because of it.
//!
//! ```text
//! POST /v1/fleet/codes                              {"store","device","role"} -> code, expires, config
//! POST /v1/fleet/devices/{device}/replace?store=    -> code, expires, config, unsent
//! POST /v1/fleet/devices/{device}/retire?store=     {"now": bool}
//! POST /v1/fleet/devices/{device}/lock?store=       -> key_version
//! POST /v1/fleet/devices/{device}/unlock?store=
//! POST /v1/fleet/devices/{device}/commands?store=   {"kind"} -> id
//! GET  /v1/fleet/devices/{device}/commands?store=   the latest, with what became of them
//! GET  /v1/fleet/commands/{id}/answer               what the device sent for it
//! GET  /v1/devices/{device}/keys                    (device) keys, trust_root
//! POST /v1/devices/{device}/logs?command=           (device) the answer to a command
//! ```
//!
//! `store` is needed only where two stores have a device of the same name.

use super::{App, auth::Caller, body, error::HttpError, fleet::unsent, query::ListQuery, random};
use crate::{
    devices::{self, Device, State},
    enrol,
    store::{self, now_ms},
    tokens::Scope,
};
use axum::{
    Json,
    body::Body,
    extract::{Path, State as Extract},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use cem_contract::{
    CommandKind, Page,
    enrol::{CODE_VALID_MS, CodeGiven, CodeRequest, DeviceKeys},
    time,
};
use rusqlite::{Connection, params};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

const NAME_CHARS: usize = 40;

/// `POST /v1/fleet/codes`
pub(super) async fn code(
    Extract(app): Extract<App>,
    headers: HeaderMap,
    request: Body,
) -> Result<(StatusCode, Json<CodeGiven>), HttpError> {
    let token = ops(&app, &headers).await?;
    let CodeRequest { store, device, role } = body::json(request).await?;
    for (what, name) in [("store", &store), ("device", &device), ("role", &role)] {
        check_name(what, name)?;
    }
    let (now, random) = (now_ms(), random()?);
    let made = app.store.writer.run(move |connection| {
        let made = enrol::code_for_new(connection, (&store, &device, &role), random, now)?;
        if let Ok((_, config)) = &made {
            note(connection, &token, "code", &config.source, now)?;
        }
        Ok(made)
    });
    let (code, config) = made.await?.map_err(|why| HttpError::new(409, "No code", why.to_string()))?;
    let expires = time::rfc3339(now + CODE_VALID_MS);
    Ok((StatusCode::CREATED, Json(CodeGiven { code, expires, config, unsent: None })))
}

/// `POST /v1/fleet/devices/{device}/replace`
pub(super) async fn replace(
    Extract(app): Extract<App>,
    Path(name): Path<String>,
    query: ListQuery,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<CodeGiven>), HttpError> {
    let (now, random) = (now_ms(), random()?);
    let given = edit(&app, &headers, name, query, "replace", move |connection, device| {
        let code = enrol::code_for_replacement(connection, device, random, now)?;
        let unsent = Some(unsent(connection, &device.config.source)?);
        Ok(CodeGiven { code, expires: time::rfc3339(now + CODE_VALID_MS), config: device.config.clone(), unsent })
    });
    Ok((StatusCode::CREATED, Json(given.await?)))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Retire {
    now: bool,
}

/// `POST /v1/fleet/devices/{device}/retire`
pub(super) async fn retire(
    Extract(app): Extract<App>,
    Path(name): Path<String>,
    query: ListQuery,
    headers: HeaderMap,
    request: Body,
) -> Result<Json<Value>, HttpError> {
    let Retire { now: at_once } = body::json(request).await?;
    let now = now_ms();
    let state = edit(&app, &headers, name, query, "retire", move |connection, device| {
        let source = &device.config.source;
        if at_once || matches!(device.state, State::Waiting | State::Retired) {
            devices::revoke(connection, device, State::Retired, now)?;
            return Ok(State::Retired);
        }
        devices::set_state(connection, source, State::Retiring, now)?;
        devices::give(connection, source, CommandKind::Retire, Uuid::now_v7(), now)?;
        Ok(State::Retiring)
    });
    Ok(Json(json!({"state": state.await?.word()})))
}

/// `POST /v1/fleet/devices/{device}/lock`
pub(super) async fn lock(
    Extract(app): Extract<App>,
    Path(name): Path<String>,
    query: ListQuery,
    headers: HeaderMap,
) -> Result<Json<Value>, HttpError> {
    let now = now_ms();
    let version = edit(&app, &headers, name, query, "lock", move |connection, device| match device.state {
        State::Active | State::Retiring | State::Locked => devices::lock(connection, device, now).map(Some),
        State::Waiting | State::Retired => Ok(None),
    });
    let version = version.await?.ok_or_else(|| HttpError::new(409, "Not enrolled", "no device works under this name"))?;
    Ok(Json(json!({"state": "locked", "key_version": version})))
}

/// `POST /v1/fleet/devices/{device}/unlock`
pub(super) async fn unlock(
    Extract(app): Extract<App>,
    Path(name): Path<String>,
    query: ListQuery,
    headers: HeaderMap,
) -> Result<Json<Value>, HttpError> {
    let now = now_ms();
    let done = edit(&app, &headers, name, query, "unlock", move |connection, device| {
        if device.state != State::Locked {
            return Ok(false);
        }
        devices::set_state(connection, &device.config.source, State::Active, now)?;
        devices::give(connection, &device.config.source, CommandKind::Unlock, Uuid::now_v7(), now)?;
        Ok(true)
    });
    if done.await? {
        Ok(Json(json!({"state": "active"})))
    } else {
        Err(HttpError::new(409, "Not locked", "this device is not locked"))
    }
}

#[derive(Debug, Deserialize)]
struct Tell {
    kind: String,
}

/// `POST /v1/fleet/devices/{device}/commands`
pub(super) async fn tell(
    Extract(app): Extract<App>,
    Path(name): Path<String>,
    query: ListQuery,
    headers: HeaderMap,
    request: Body,
) -> Result<(StatusCode, Json<Value>), HttpError> {
    use CommandKind::{Identify, Logs, Restart, Screenshot};
    let Tell { kind } = body::json(request).await?;
    // The others change what the device may do: they have routes of their own.
    let kind = CommandKind::from_word(&kind).filter(|kind| matches!(kind, Logs | Restart | Screenshot | Identify));
    let kind = kind.ok_or_else(|| HttpError::bad("kind is logs, restart, screenshot or identify"))?;
    let (id, now) = (Uuid::now_v7(), now_ms());
    edit(&app, &headers, name, query, "command", move |connection, device| {
        devices::give(connection, &device.config.source, kind, id, now)
    })
    .await?;
    Ok((StatusCode::CREATED, Json(json!({"id": id}))))
}

/// `GET /v1/fleet/devices/{device}/commands`
pub(super) async fn told(
    Extract(app): Extract<App>,
    Path(name): Path<String>,
    query: ListQuery,
    headers: HeaderMap,
) -> Result<Json<Page<Value>>, HttpError> {
    ops(&app, &headers).await?;
    let limit = query.limit()?;
    let store = ListQuery::given(query.store.as_ref());
    let found = app.store.readers.run(move |connection| {
        let known = devices::named(connection, &name, store.as_deref())?;
        let items = match known.as_slice() {
            [device] => devices::listed(connection, device, limit)?,
            _ => Vec::new(),
        };
        Ok((known.len(), items))
    });
    let (count, items) = found.await?;
    one_of(count)?;
    Ok(Json(Page { items, next: None }))
}

/// `GET /v1/fleet/commands/{id}/answer`
pub(super) async fn told_answer(
    Extract(app): Extract<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    ops(&app, &headers).await?;
    let id: Uuid = id.parse().map_err(|_| HttpError::bad("a command's id is a UUID"))?;
    let found = app.store.readers.run(move |connection| devices::answer_body(connection, id)).await?;
    let (content_type, body) = found.ok_or_else(|| HttpError::not_found("the device has sent nothing for this command (yet)"))?;
    Ok(([(header::CONTENT_TYPE, content_type)], body).into_response())
}

/// `GET /v1/devices/{device}/keys`
pub(super) async fn keys(
    Extract(app): Extract<App>,
    Path(device): Path<String>,
    headers: HeaderMap,
) -> Result<Json<DeviceKeys>, HttpError> {
    own(&app, &headers, &device).await?;
    let (fleet, now) = (app.fleet.clone(), now_ms());
    let keys = app.store.readers.run(move |connection| enrol::scoped(&fleet, devices::versions(connection, now)?)).await?;
    Ok(Json(DeviceKeys { keys, trust_root: app.fleet.trust.clone() }))
}

/// `POST /v1/devices/{device}/logs?command=`
pub(super) async fn logs(
    Extract(app): Extract<App>,
    Path(device): Path<String>,
    query: ListQuery,
    headers: HeaderMap,
    request: Body,
) -> Result<StatusCode, HttpError> {
    let source = own(&app, &headers, &device).await?;
    let id = query.command.as_deref().and_then(|text| text.parse::<Uuid>().ok());
    let id = id.ok_or_else(|| HttpError::bad("say which command this answers: ?command=<id>"))?;
    // Whoever looks at it gets it under a type that no browser runs.
    let kind = match headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) {
        Some("image/png") => "image/png",
        _ => "text/plain; charset=utf-8",
    };
    let bytes = body::bytes(request).await?;
    let stored = app.store.writer.run(move |connection| devices::store_body(connection, &source, id, kind, &bytes));
    if stored.await? { Ok(StatusCode::NO_CONTENT) } else { Err(HttpError::not_found("this device was not given this command")) }
}

/// The `source` of the device that asks about itself.
async fn own(app: &App, headers: &HeaderMap, device: &str) -> Result<String, HttpError> {
    let caller = Caller::of(app, headers).await?;
    if caller.device()?.1 != device {
        return Err(HttpError::forbidden("this is another device's"));
    }
    Ok(caller.source().to_owned())
}

/// The id of the ops token.
async fn ops(app: &App, headers: &HeaderMap) -> Result<String, HttpError> {
    let caller = Caller::of(app, headers).await?;
    caller.only(&[Scope::Ops], "run the fleet")?;
    Ok(caller.id().to_owned())
}

/// Finds the one device that is meant, does something to it, and writes down who did.
async fn edit<T: Send + 'static>(
    app: &App,
    headers: &HeaderMap,
    name: String,
    query: ListQuery,
    action: &'static str,
    job: impl FnOnce(&Connection, &Device) -> store::Result<T> + Send + 'static,
) -> Result<T, HttpError> {
    let token = ops(app, headers).await?;
    let now = now_ms();
    let store = ListQuery::given(query.store.as_ref());
    let done = app.store.writer.run(move |connection| {
        let known = devices::named(connection, &name, store.as_deref())?;
        let [device] = known.as_slice() else { return Ok(Err(known.len())) };
        let done = job(connection, device)?;
        note(connection, &token, action, &device.config.source, now)?;
        tracing::info!(source = device.config.source, action, "ops");
        Ok(Ok(done))
    });
    match done.await? {
        Ok(done) => Ok(done),
        Err(count) => Err(one_of(count).err().unwrap_or_else(|| HttpError::not_found("no device has this name"))),
    }
}

fn one_of(count: usize) -> Result<(), HttpError> {
    match count {
        1 => Ok(()),
        0 => Err(HttpError::not_found("no device has this name: see the list of devices")),
        _ => Err(HttpError::new(409, "Which one?", "several stores have a device of this name: say which, ?store=<store>")),
    }
}

fn note(connection: &Connection, token: &str, action: &str, source: &str, now: i64) -> store::Result<()> {
    connection.prepare_cached("INSERT INTO audit(at_ms, token, staff, action) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        now,
        token,
        None::<String>,
        format!("fleet.{action} {source}")
    ])?;
    Ok(())
}

fn check_name(what: &str, name: &str) -> Result<(), HttpError> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.is_empty() && name.len() <= NAME_CHARS && name.chars().all(is_part) && !name.starts_with('.') {
        return Ok(());
    }
    Err(HttpError::bad(format!("{what} has 1 to {NAME_CHARS} letters, digits, dots and dashes")))
}
