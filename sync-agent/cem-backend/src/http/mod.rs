//! The contract over HTTP.
//!
//! Beyond the contract's endpoints there are two of our own for ops, which name no person:
//! `GET /v1/fleet/events?source=&after=&limit=` lists stored events (without what erasure would remove), and
//! `GET /v1/fleet/summary` counts events, visits, orders, totals, what was refused, and the numbers seen and missing of each
//! log. The fleet's and the staff's routes stand in [`devices`] and [`staff`].

mod auth;
mod body;
mod cards;
mod devices;
mod enrol;
mod error;
mod events;
mod fleet;
mod gift;
mod page;
mod query;
mod staff;
mod stores;
mod visitors;

use crate::{cards::CardKeys, enrol::Limiter, gift::GiftKey, keys::FleetKeys, peer, store::Store};
use axum::{
    Router,
    extract::{MatchedPath, Request},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use cem_contract::SigningKey;
use error::HttpError;
use std::{sync::Arc, time::Instant};
use tokio::sync::watch;

/// What every handler needs.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) key: Arc<SigningKey>,
    /// What the fleet is run with.
    pub(crate) fleet: Arc<FleetKeys>,
    /// Bounds wrong enrolment codes.
    pub(crate) limiter: Arc<Limiter>,
    /// What guest cards are made with.
    pub(crate) cards: Arc<CardKeys>,
    /// What codes of gift cards are hashed with.
    pub(crate) gifts: GiftKey,
    /// Bounds wrong codes of gift cards.
    pub(crate) gift_limiter: Arc<Limiter>,
    /// Static staff tokens are for tests and demonstrations only.
    pub(crate) allow_static_staff: bool,
    /// Turns true when the program stops, so that long polls end.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// All routes.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/v1/events", post(events::take))
        .route("/v1/visitors", get(visitors::search))
        .route("/v1/visitors/resolve", post(visitors::resolve))
        .route("/v1/visitors/{visitor}", get(visitors::profile).delete(visitors::erase))
        .route("/v1/visitors/{visitor}/visits", get(visitors::visits))
        .route("/v1/visitors/{visitor}/consent", put(visitors::consent))
        .route("/v1/visitors/{visitor}/notes", post(visitors::note))
        .route("/v1/visitors/{visitor}/export", get(visitors::export))
        .route("/v1/visitors/{visitor}/cards/block", post(cards::block))
        .route("/v1/cards", post(cards::issued))
        .route("/v1/cards/keys", post(cards::keys))
        .route("/v1/cards/blocked", get(cards::blocked))
        .route("/v1/gift-cards", post(gift::issue))
        .route("/v1/gift-cards/{code}", get(gift::look))
        .route("/v1/gift-cards/{code}/holds", post(gift::hold))
        .route("/v1/gift-cards/{code}/captures", post(gift::capture))
        .route("/v1/gift-cards/{code}/releases", post(gift::release))
        .route("/v1/gift-cards/{code}/refunds", post(gift::refund))
        .route("/v1/gift-cards/{code}/top-ups", post(gift::top_up))
        .route("/v1/erasures", get(stores::erasures))
        .route("/v1/stores/{store}/visitors", get(stores::visitors))
        .route("/v1/stores/{store}/feed", get(stores::feed))
        .route("/v1/stores/{store}/roster", get(staff::roster))
        .route("/v1/stores/{store}/staff", get(staff::list).post(staff::change))
        .route("/v1/stores/{store}/staff/{staff}/pin", post(staff::new_pin))
        .route("/v1/devices/enrol", post(enrol::enrol))
        .route("/v1/devices/{device}/status", post(fleet::status))
        .route("/v1/devices/{device}/keys", get(devices::keys))
        .route("/v1/devices/{device}/logs", post(devices::logs))
        .route("/v1/fleet/codes", post(devices::code))
        .route("/v1/fleet/devices/{device}/replace", post(devices::replace))
        .route("/v1/fleet/devices/{device}/retire", post(devices::retire))
        .route("/v1/fleet/devices/{device}/lock", post(devices::lock))
        .route("/v1/fleet/devices/{device}/unlock", post(devices::unlock))
        .route("/v1/fleet/devices/{device}/commands", get(devices::told).post(devices::tell))
        .route("/v1/fleet/commands/{id}/answer", get(devices::told_answer))
        .route("/v1/fleet/devices", get(fleet::devices))
        .route("/v1/fleet/events", get(fleet::events))
        .route("/v1/fleet/summary", get(fleet::summary))
        .route("/g/{secret}", get(page::page))
        .route("/g/{secret}/code.svg", get(page::code))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(log))
        .layer(middleware::from_fn(peer::note))
        .with_state(app)
}

/// Logs the route's template, never the path: paths hold visitor ids.
async fn log(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let began = Instant::now();
    let response = next.run(request).await;
    let (status, ms) = (response.status().as_u16(), began.elapsed().as_millis() as u64);
    tracing::info!(%method, route = route.as_deref().unwrap_or("none"), status, ms, "answered");
    response
}

/// Random bytes of the system.
fn random<const N: usize>() -> Result<[u8; N], HttpError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| HttpError::new(503, "Busy", "the system gives no random bytes"))?;
    Ok(bytes)
}

async fn not_found() -> Response {
    HttpError::new(404, "Not found", "there is nothing at this path").into_response()
}

async fn method_not_allowed() -> Response {
    HttpError::new(405, "Method not allowed", "this path takes another method").into_response()
}
