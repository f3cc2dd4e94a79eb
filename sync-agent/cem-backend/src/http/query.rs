//! The query of lists: `limit`, `after`, and what each list is filtered by.

use super::error::HttpError;
use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use cem_contract::limits;
use serde::Deserialize;
use std::time::Duration;

/// A long poll waits no longer.
const MAX_WAIT_S: u64 = 30;
const DEFAULT_LIMIT: usize = 100;

/// All members that any list knows; each list reads its own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ListQuery {
    limit: Option<String>,
    wait: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) before: Option<String>,
    pub(crate) query: Option<String>,
    pub(crate) store: Option<String>,
    pub(crate) ring: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) command: Option<String>,
    pub(crate) order: Option<String>,
}

impl ListQuery {
    /// How many entries: from 1 to the contract's 500.
    pub(crate) fn limit(&self) -> Result<usize, HttpError> {
        match &self.limit {
            None => Ok(DEFAULT_LIMIT),
            Some(text) => text
                .parse::<usize>()
                .map(|limit| limit.clamp(1, limits::PAGE))
                .map_err(|_| HttpError::bad(format!("limit is a number up to {}", limits::PAGE))),
        }
    }

    /// How long to wait for something new.
    pub(crate) fn wait(&self) -> Result<Duration, HttpError> {
        match &self.wait {
            None => Ok(Duration::ZERO),
            Some(text) => text
                .parse::<u64>()
                .map(|seconds| Duration::from_secs(seconds.min(MAX_WAIT_S)))
                .map_err(|_| HttpError::bad("wait is a number of seconds")),
        }
    }

    /// A filter, `None` where it is absent or empty.
    pub(crate) fn given(filter: Option<&String>) -> Option<String> {
        filter.filter(|text| !text.is_empty()).cloned()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ListQuery {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        match Query::<Self>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(query),
            Err(error) => Err(HttpError::bad(format!("the query cannot be read: {error}"))),
        }
    }
}
