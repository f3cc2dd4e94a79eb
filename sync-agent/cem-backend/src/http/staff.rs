//! Who works in a store: for ops, and for the store's devices.
//!
//! ```text
//! GET  /v1/stores/{store}/roster                (device, ops) the signed roster
//! GET  /v1/stores/{store}/staff                 (ops) everybody who ever worked there, without PINs
//! POST /v1/stores/{store}/staff                 (ops) {"staff","action"}; (device) a signed change
//! POST /v1/stores/{store}/staff/{staff}/pin     (ops) a new PIN, given once: {"pin"}
//! ```

use super::{App, auth::Caller, body, error::HttpError, random};
use crate::{
    devices,
    staff::{self, Judged, NoChange},
    store::now_ms,
    tokens::Scope,
};
use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::HeaderMap,
};
use cem_contract::{
    Envelope, Page,
    enrol::PURPOSE_PIN_PEPPER,
    hex, pin,
    staff::{StaffAction, StaffMember},
};
use rusqlite::params;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// `GET /v1/stores/{store}/roster`
pub(super) async fn roster(
    State(app): State<App>,
    Path(store): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Envelope>, HttpError> {
    let caller = Caller::of(&app, &headers).await?;
    if caller.scope() != Scope::Ops {
        caller.device_in(&store)?;
    }
    let (fleet, now) = (app.fleet.clone(), now_ms());
    Ok(Json(app.store.readers.run(move |connection| staff::roster(connection, &fleet.signing, &store, now)).await?))
}

/// `GET /v1/stores/{store}/staff`
pub(super) async fn list(
    State(app): State<App>,
    Path(store): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Page<Value>>, HttpError> {
    Caller::of(&app, &headers).await?.only(&[Scope::Ops], "list staff")?;
    let now = now_ms();
    let people = app.store.readers.run(move |connection| staff::list(connection, &store)).await?;
    let items = people.iter().map(|member| shown(member, now)).collect();
    Ok(Json(Page { items, next: None }))
}

fn shown(member: &StaffMember, now: i64) -> Value {
    json!({
        "staff": member.staff, "display_name": member.display_name, "role": member.role, "has_badge": member.badge.is_some(),
        "has_pin": member.pin.is_some(), "must_reset": member.must_reset, "ends": member.ends,
        "works": staff::works(member, now), "version": member.version,
    })
}

#[derive(Deserialize)]
struct Edit {
    staff: String,
    action: StaffAction,
}

/// `POST /v1/stores/{store}/staff`
pub(super) async fn change(
    State(app): State<App>,
    Path(store): Path<String>,
    headers: HeaderMap,
    request: Body,
) -> Result<Json<Value>, HttpError> {
    let caller = Caller::of(&app, &headers).await?;
    if caller.scope() == Scope::Device {
        caller.device_in(&store)?;
        return passed_on(&app, caller.source().to_owned(), body::json(request).await?).await;
    }
    caller.only(&[Scope::Ops], "edit staff")?;
    let Edit { staff, action } = body::json(request).await?;
    by_ops(&app, caller.id().to_owned(), store, staff, action).await?;
    Ok(Json(json!({"outcome": "made"})))
}

/// A change that a device signed: judged once, whatever becomes of it; the device then forgets it.
async fn passed_on(app: &App, source: String, envelope: Envelope) -> Result<Json<Value>, HttpError> {
    let now = now_ms();
    let judged = app.store.writer.run(move |connection| {
        let Some(device) = devices::find(connection, &source)? else { return Ok(None) };
        staff::judge(connection, &device, &envelope, now).map(Some)
    });
    let judged = judged.await?;
    Ok(Json(match judged.ok_or_else(|| HttpError::forbidden("only an enrolled device passes changes of the staff on"))? {
        Judged::Made | Judged::Before(None) => json!({"outcome": "made"}),
        Judged::Refused(why) | Judged::Before(Some(why)) => {
            tracing::warn!(why, "a change of the staff was refused");
            json!({"outcome": "refused", "why": why})
        }
    }))
}

/// `POST /v1/stores/{store}/staff/{staff}/pin`
pub(super) async fn new_pin(
    State(app): State<App>,
    Path((store, staff)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, HttpError> {
    let caller = Caller::of(&app, &headers).await?;
    caller.only(&[Scope::Ops], "reset a PIN")?;
    let version = app.store.readers.run(|connection| devices::newest(connection, PURPOSE_PIN_PEPPER)).await?;
    let pepper = app.fleet.scoped(PURPOSE_PIN_PEPPER, version).ok().and_then(|key| hex::decode(&key));
    let pepper = pepper.ok_or_else(|| HttpError::new(500, "Internal error", "the pepper of PINs cannot be read"))?;
    let (pin, salt) = (draw_pin()?, random()?);
    let given = pin.clone();
    let hashed = tokio::task::spawn_blocking(move || pin::hash(&given, &salt, &pepper)).await;
    let hash = hashed.ok().and_then(Result::ok).ok_or_else(|| HttpError::new(500, "Internal error", "the PIN was not hashed"))?;
    let action = StaffAction::Pin { pin: hash, must_reset: true };
    by_ops(&app, caller.id().to_owned(), store, staff, action).await?;
    Ok(Json(json!({"pin": pin})))
}

/// Six digits that nobody tries first.
fn draw_pin() -> Result<String, HttpError> {
    for _ in 0..64 {
        let drawn = u32::from_be_bytes(random()?);
        let pin = format!("{:06}", drawn % 1_000_000);
        // Beyond the last whole million, digits would not be equally likely.
        if drawn < u32::MAX / 1_000_000 * 1_000_000 && pin::check(&pin).is_ok() {
            return Ok(pin);
        }
    }
    Err(HttpError::new(500, "Internal error", "the system's random bytes are not random"))
}

async fn by_ops(app: &App, token: String, store: String, staff: String, action: StaffAction) -> Result<(), HttpError> {
    let now = now_ms();
    let made = app.store.writer.run(move |connection| {
        let made = staff::change(connection, &store, &staff, &action, now)?;
        if made.is_ok() {
            connection
                .prepare_cached("INSERT INTO staff_change VALUES (?1, ?2, ?3, ?3, 'ops', ?4, ?5, ?6, NULL)")?
                .execute(params![Uuid::now_v7().to_string(), store, now, token, staff, format!("{action:?}")])?;
        }
        Ok(made)
    });
    made.await?.map_err(|why| match why {
        NoChange::Unknown(_) => HttpError::not_found(why.to_string()),
        NoChange::Invalid(_) => HttpError::bad(why.to_string()),
        why => HttpError::new(409, "Not changed", why.to_string()),
    })
}
