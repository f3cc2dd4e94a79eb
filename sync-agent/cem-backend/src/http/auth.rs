//! Who asks, and what they may.

use super::{App, error::HttpError};
use crate::{
    feed,
    ingest::MayWrite,
    tokens::{self, Known, Scope},
};
use axum::http::{HeaderMap, header};

/// Staff ids are written into the audit: no longer than this.
const MAX_STAFF: usize = 64;

/// The holder of a known token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    known: Known,
}

/// A person at a console.
#[derive(Clone, Debug)]
pub(crate) struct Staff {
    /// Who, as the console says.
    pub(crate) id: String,
    /// The token used.
    pub(crate) token: String,
}

impl Caller {
    /// Finds out who asks: 401 without a known token.
    pub(crate) async fn of(app: &App, headers: &HeaderMap) -> Result<Self, HttpError> {
        let text = bearer(headers).ok_or_else(HttpError::unauthorized)?.to_owned();
        let known = app.store.readers.run(move |connection| tokens::find(connection, &text)).await?;
        known.map(|known| Self { known }).ok_or_else(HttpError::unauthorized)
    }

    /// What the caller may write: 403 for scopes that write nothing.
    pub(crate) fn may_write(&self) -> Result<MayWrite, HttpError> {
        let source = self.known.source.clone();
        match self.known.scope {
            Scope::Device => Ok(MayWrite::Source(source)),
            Scope::Channel => Ok(MayWrite::Source(source)),
            Scope::Store => Ok(MayWrite::Under(source)),
            scope @ (Scope::Staff | Scope::Ops) => Err(beyond(scope, "write events")),
        }
    }

    /// The store and name of the device that asks.
    pub(crate) fn device(&self) -> Result<(&str, &str), HttpError> {
        self.only(&[Scope::Device], "do this; a device may")?;
        feed::device_of(&self.known.source)
            .ok_or_else(|| HttpError::forbidden("this token's source is not /stores/<store>/devices/<device>"))
    }

    /// The device's store, which must be this one.
    pub(crate) fn device_in(&self, store: &str) -> Result<(), HttpError> {
        let (own, _) = self.device()?;
        if own == store { Ok(()) } else { Err(HttpError::forbidden("this is another store's")) }
    }

    pub(crate) fn only(&self, scopes: &[Scope], what: &str) -> Result<Scope, HttpError> {
        let scope = self.known.scope;
        if scopes.contains(&scope) { Ok(scope) } else { Err(beyond(scope, what)) }
    }

    /// The person at the console. Static staff tokens must be allowed at the start of the program.
    pub(crate) fn staff(&self, app: &App, headers: &HeaderMap) -> Result<Staff, HttpError> {
        self.only(&[Scope::Staff], "do this; staff may")?;
        if !app.allow_static_staff {
            return Err(HttpError::forbidden(
                "static staff tokens are for tests only: start the backend with --allow-static-staff to use one",
            ));
        }
        let id = headers.get("cem-staff").and_then(|value| value.to_str().ok()).map(str::trim).unwrap_or_default();
        if id.is_empty() || id.len() > MAX_STAFF {
            return Err(HttpError::forbidden("say who is at the console: CEM-Staff: <id>"));
        }
        Ok(Staff { id: id.to_owned(), token: self.known.id.clone() })
    }

    pub(crate) fn scope(&self) -> Scope {
        self.known.scope
    }

    pub(crate) fn source(&self) -> &str {
        &self.known.source
    }
}

fn beyond(scope: Scope, what: &str) -> HttpError {
    HttpError::forbidden(format!("a {} token may not {what}", scope.word()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
