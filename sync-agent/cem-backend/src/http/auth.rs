//! Who asks, and what they may.

use super::{App, error::HttpError};
use crate::{
    devices, feed,
    ingest::MayWrite,
    peer::Peer,
    staff,
    store::now_ms,
    tokens::{self, Known, Scope},
};
use axum::http::{HeaderMap, header};
use cem_contract::{
    Command, CommandKind,
    staff::{StaffAssertion, is_assertion},
};
use serde_json::json;
use uuid::Uuid;

/// Staff ids are written into the audit: no longer than this.
const MAX_STAFF: usize = 64;
/// A device that is turned away asks again within a minute.
const COMMAND_VALID_MS: i64 = 10 * 60 * 1_000;
const ASSERTION_PROBLEM: &str = "urn:cem:problem:assertion";

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
    /// Finds out who asks: 401 without a known token, and for a device that is locked, replaced or retired. Such a device
    /// is told, signed, what to do. Over TLS the token that enrolment gave counts only together with the device's certificate.
    pub(crate) async fn of(app: &App, headers: &HeaderMap) -> Result<Self, HttpError> {
        let text = bearer(headers).ok_or_else(HttpError::unauthorized)?.to_owned();
        let peer = Peer::of(headers);
        let found = app.store.readers.run(move |connection| {
            let Some(known) = tokens::find(connection, &text)? else { return Ok(None) };
            let turned_away = devices::turned_away(connection, &known)?;
            let proven = devices::is_proven(connection, &known, &peer)?;
            Ok(Some((known, turned_away, proven)))
        });
        match found.await? {
            Some((known, Some((state, kind)), _)) => Err(turned_away(app, &known, state, kind)),
            Some((known, None, false)) if known.revoked_ms.is_none() => {
                tracing::warn!(source = known.source, "a device's token came without its certificate");
                app.store.writer.run_ahead(|connection| devices::count(connection, "token-without-certificate")).await?;
                Err(HttpError::unauthorized_because("this token counts only together with its device's certificate"))
            }
            Some((known, None, true)) if known.revoked_ms.is_none() => Ok(Self { known }),
            _ => Err(HttpError::unauthorized()),
        }
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

    /// The person who asks: by an assertion of the device where somebody signed in, or at a console with a static staff
    /// token, which must be allowed at the start of the program.
    pub(crate) async fn staff(&self, app: &App, headers: &HeaderMap) -> Result<Staff, HttpError> {
        if self.known.scope == Scope::Device {
            return self.signed_in(app, headers).await;
        }
        self.only(&[Scope::Staff], "do this; staff may")?;
        if !app.allow_static_staff {
            return Err(HttpError::forbidden(
                "static staff tokens are for tests only: start the backend with --allow-static-staff to use one",
            ));
        }
        let id = staff_header(headers).unwrap_or_default();
        if id.is_empty() || id.len() > MAX_STAFF {
            return Err(HttpError::forbidden("say who is at the console: CEM-Staff: <id>"));
        }
        Ok(Staff { id: id.to_owned(), token: self.known.id.clone() })
    }

    /// Checks device, person, role and time of an assertion.
    async fn signed_in(&self, app: &App, headers: &HeaderMap) -> Result<Staff, HttpError> {
        let refused = |why: &str| HttpError::forbidden(why).kind(ASSERTION_PROBLEM);
        let header = staff_header(headers).ok_or_else(|| refused("say who signed in at this device: CEM-Staff: <assertion>"))?;
        let (header, source, now) = (header.to_owned(), self.known.source.clone(), now_ms());
        let (store, _) = self.device()?;
        let store = store.to_owned();
        let found = app.store.readers.run(move |connection| {
            let Some(key) = devices::find(connection, &source)?.and_then(|device| device.key()) else {
                return Ok(Err("this device is not enrolled: it cannot say who signed in".to_owned()));
            };
            let assertion = match StaffAssertion::verify(&header, &key, now) {
                Ok(verified) => verified.into_inner(),
                Err(error) => return Ok(Err(error.to_string())),
            };
            let member = staff::find(connection, &store, &assertion.staff)?;
            Ok(match member.filter(|member| staff::works(member, now)) {
                _ if assertion.device != source => Err("the assertion is another device's".to_owned()),
                None => Err("this person does not work here".to_owned()),
                Some(member) if member.role != assertion.role => Err("this person's role has changed: sign in again".to_owned()),
                Some(member) if !member.role.may_see_guests() => {
                    Err(format!("the role {} sees no guest's data", member.role.word()))
                }
                Some(member) => Ok(member.staff),
            })
        });
        match found.await? {
            Ok(id) => Ok(Staff { id, token: self.known.id.clone() }),
            Err(why) => {
                tracing::warn!(why, "an assertion was refused");
                Err(refused(&why))
            }
        }
    }

    /// The token's id, for the audit.
    pub(crate) fn id(&self) -> &str {
        &self.known.id
    }

    pub(crate) fn scope(&self) -> Scope {
        self.known.scope
    }

    pub(crate) fn source(&self) -> &str {
        &self.known.source
    }
}

/// 401 with a signed command: what a device does that may not do anything any more.
fn turned_away(app: &App, known: &Known, state: devices::State, kind: CommandKind) -> HttpError {
    let detail = match state {
        devices::State::Locked => "this device is locked: ops unlock it with `fleet unlock`",
        devices::State::Retired => "this device is retired",
        _ => "another device was put in this one's place",
    };
    let error = HttpError::unauthorized_because(detail);
    match Command::sign(Uuid::now_v7(), kind, &known.source, now_ms() + COMMAND_VALID_MS, &app.fleet.signing) {
        Ok(command) => error.with("command", json!(command)),
        Err(_) => error,
    }
}

/// Whether somebody is said to have signed in at a device.
pub(crate) fn names_staff(headers: &HeaderMap) -> bool {
    staff_header(headers).is_some_and(is_assertion)
}

fn staff_header(headers: &HeaderMap) -> Option<&str> {
    headers.get("cem-staff").and_then(|value| value.to_str().ok()).map(str::trim)
}

fn beyond(scope: Scope, what: &str) -> HttpError {
    HttpError::forbidden(format!("a {} token may not {what}", scope.word()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
