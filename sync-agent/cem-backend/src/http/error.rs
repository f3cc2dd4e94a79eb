//! Errors of a whole request: problem+json (RFC 9457).

use crate::store::StoreError;
use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use cem_contract::Problem;
use std::borrow::Cow;

/// Seconds after which a busy store may be asked again.
const RETRY_AFTER_S: &str = "1";

/// A request that is answered by a problem.
#[derive(Debug)]
pub(crate) struct HttpError {
    problem: Box<Problem>,
    header: Option<(HeaderName, Cow<'static, str>)>,
}

impl HttpError {
    pub(crate) fn new(status: u16, title: &str, detail: impl Into<String>) -> Self {
        Self { problem: Box::new(Problem::new(status, title, detail)), header: None }
    }

    /// 400: what is wrong with the request.
    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(400, "Bad request", detail)
    }

    /// 401: who is asking?
    pub(crate) fn unauthorized() -> Self {
        Self::unauthorized_because("a known token is needed: Authorization: Bearer <token>, made by `cem-backend token`")
    }

    /// 401, and why.
    pub(crate) fn unauthorized_because(detail: &str) -> Self {
        let error = Self::new(401, "Unauthorized", detail);
        Self { header: Some((header::WWW_AUTHENTICATE, "Bearer".into())), ..error }
    }

    /// 403: a known token beyond its scope.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", detail)
    }

    /// 404.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, "Not found", detail)
    }

    /// Names the kind of problem, for a program.
    pub(crate) fn kind(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.problem.kind);
        self
    }

    /// Says when to come back, in seconds.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self { header: Some((header::RETRY_AFTER, seconds.to_string().into())), ..self }
    }

    /// A member beyond the standard's.
    pub(crate) fn with(mut self, name: &str, value: serde_json::Value) -> Self {
        self.problem.extra.insert(name.to_owned(), value);
        self
    }
}

impl From<StoreError> for HttpError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged(error) => {
                tracing::error!(%error, "a stored document cannot be read");
                Self::new(500, "Internal error", "a stored document cannot be read")
            }
            error @ (StoreError::Busy(_) | StoreError::Sqlite(_)) => {
                tracing::warn!(%error, "answered 503");
                let busy = Self::new(503, "Busy", "nothing was stored: send the same again");
                Self { header: Some((header::RETRY_AFTER, RETRY_AFTER_S.into())), ..busy }
            }
        }
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.problem).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some((name, value)) = self.header
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
