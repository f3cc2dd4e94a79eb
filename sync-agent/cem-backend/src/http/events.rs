//! `POST /v1/events`.

use super::{App, auth::Caller, body, error::HttpError};
use crate::{
    ingest::{self, MayWrite, NoBatch},
    store::now_ms,
};
use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, header},
};
use cem_contract::BatchAnswer;
use rusqlite::Connection;

const BATCH: &str = "application/cloudevents-batch+json";

/// Takes a batch: each event has its own result, and `accepted` means on disk.
pub(super) async fn take(State(app): State<App>, headers: HeaderMap, request: Body) -> Result<Json<BatchAnswer>, HttpError> {
    let may = match admit(&app, &headers).await {
        Ok(may) => may,
        Err(refused) => {
            body::discard(request).await;
            return Err(refused);
        }
    };
    let bytes = body::batch(&headers, request).await?;
    let batch = tokio::task::spawn_blocking(move || ingest::read_batch(&bytes))
        .await
        .map_err(|_| HttpError::new(503, "Busy", "stopping"))?
        .map_err(|error| match error {
            NoBatch::NotAnArray(_) => HttpError::new(400, "Not a batch", error.to_string()),
            NoBatch::TooMany(_) => HttpError::new(413, "Content too large", error.to_string()),
        })?;
    if batch.is_empty() {
        return Ok(Json(BatchAnswer::default()));
    }
    let now = now_ms();
    // The batch comes back, so that freeing it does not keep the writer.
    let take = move |connection: &Connection| Ok((ingest::take(connection, &may, &batch, now)?, batch));
    let (answer, _) = app.store.writer.run_ahead(take).await?;
    Ok(Json(answer))
}

async fn admit(app: &App, headers: &HeaderMap) -> Result<MayWrite, HttpError> {
    let may = Caller::of(app, headers).await?.may_write()?;
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(BATCH) {
        return Err(HttpError::new(415, "Unsupported media type", format!("Content-Type is {BATCH}")));
    }
    Ok(may)
}
