//! `POST /v1/devices/enrol`: the one door without a token.

use super::{App, body, error::HttpError, random};
use crate::{enrol, store::now_ms};
use axum::{Json, body::Body, extract::State, http::StatusCode};
use cem_contract::enrol::{EnrolAnswer, EnrolRefusal, EnrolRequest};

/// Takes a device in for a one-time code.
pub(super) async fn enrol(State(app): State<App>, request: Body) -> Result<(StatusCode, Json<EnrolAnswer>), HttpError> {
    let now = now_ms();
    if let Err(seconds) = app.limiter.check(now) {
        body::discard(request).await;
        tracing::warn!("an enrolment was not looked at: too many wrong codes");
        app.store.writer.run(|connection| crate::devices::count(connection, "enrol_refused_too_many")).await?;
        return Err(refused(EnrolRefusal::TooMany).retry_after(seconds));
    }
    let request: EnrolRequest = body::json(request).await?;
    let (fleet, serial) = (app.fleet.clone(), random()?);
    let judged = app.store.writer.run(move |connection| enrol::enrol(connection, &fleet, &request, serial, now)).await?;
    match judged {
        Ok(answer) => {
            tracing::info!(source = answer.config.source, role = answer.config.role, "a device was enrolled");
            Ok((StatusCode::CREATED, Json(answer)))
        }
        Err(refusal) => {
            app.limiter.spend(now);
            tracing::warn!(?refusal, "an enrolment was refused");
            Err(refused(refusal))
        }
    }
}

fn refused(refusal: EnrolRefusal) -> HttpError {
    let (status, title, detail) = match refusal {
        EnrolRefusal::Used => (409, "Code used", "this code was used already: ask for a new one (`fleet enrol`)"),
        EnrolRefusal::Late => (410, "Code too late", "this code's fifteen minutes are over: ask for a new one (`fleet enrol`)"),
        EnrolRefusal::TooMany => (429, "Too many wrong codes", "too many wrong codes were sent: wait a little"),
        EnrolRefusal::Malformed => {
            (400, "Not a code", "a code has twelve letters and digits, and the public key is 64 hex digits of Ed25519")
        }
        _ => (403, "Code wrong", "nobody was given this code: look at it again, or ask for a new one (`fleet enrol`)"),
    };
    let error = HttpError::new(status, title, detail);
    match refusal.problem_type() {
        Some(kind) => error.kind(kind),
        None => error,
    }
}
