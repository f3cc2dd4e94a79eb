//! Apache Unomi's event collector. One request carries one profile and one `timestamp`, so an event is a request; ids
//! are limited in length and letters; an event type without a registered schema is dropped in silence, so schemas and
//! the scope are registered before the first event of a type.

use cem_contract::{Event, time};
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tracing::warn;

use super::{Mirror, not_ok, secret, send, unknown};
use crate::engine::Verdict;
use crate::http::Wire;

/// What the receiver takes in one request.
const MAX_BODY_BYTES: usize = 200_000;
const MAX_ID: usize = 60;
const DEFAULT_SCOPE: &str = "cem";

pub(super) async fn deliver(mirror: &Mirror, events: &[Event]) -> Wire {
    let mut verdicts = Vec::with_capacity(events.len());
    for event in events {
        if mirror.was_taken(event.id) {
            verdicts.push(Verdict::Duplicate);
            continue;
        }
        let body = request(event, scope(mirror)).to_string();
        if body.len() > MAX_BODY_BYTES {
            verdicts.push(Verdict::Rejected(format!("{} bytes, the receiver takes {MAX_BODY_BYTES}", body.len())));
            continue;
        }
        if let Err(wire) = register(mirror, &event.kind).await {
            return wire;
        }
        match collect(mirror, event, body).await {
            Ok(()) => {
                mirror.remember(event.id);
                verdicts.push(Verdict::Accepted);
            }
            // The request as a whole was refused, and it held one event.
            Err(Wire::Refused(why)) => verdicts.push(Verdict::Rejected(why)),
            Err(wire) => return wire,
        }
    }
    Wire::Answered { verdicts, resend: Vec::new() }
}

async fn collect(mirror: &Mirror, event: &Event, body: String) -> Result<(), Wire> {
    let mut url = mirror.base.join("cxs/eventcollector").map_err(|e| unknown(&e.to_string()))?;
    url.query_pairs_mut().append_pair("timestamp", &event.time_ms.to_string());
    let mut request = mirror.http.post(url).header(CONTENT_TYPE, "application/json").body(body);
    if let Some(path) = &mirror.config.secret_file {
        // With the key of a known peer `itemId` is believed, and sending again is harmless.
        request = request.header("X-Unomi-Peer", secret(path).map_err(Wire::Unauthorised)?);
    }
    let answer = send(request).await?;
    if answer.status != 200 {
        return Err(not_ok(&answer));
    }
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(said) if said["updated"].is_number() => Ok(()),
        _ => Err(unknown("a 200 without `updated`")),
    }
}

/// Makes scope and schema of an event type known, once in the life of this process.
async fn register(mirror: &Mirror, kind: &str) -> Result<(), Wire> {
    let Some(admin) = &mirror.config.admin_file else { return Ok(()) };
    let mut registered = mirror.registered.lock().await;
    if registered.contains(kind) {
        return Ok(());
    }
    let admin = secret(admin).map_err(Wire::Unauthorised)?;
    if registered.is_empty() {
        let name = scope(mirror);
        let body = json!({"itemId": name, "itemType": "scope", "metadata": {"id": name, "name": name}});
        post_admin(mirror, "cxs/scopes", &admin, &body).await?;
    }
    post_admin(mirror, "cxs/jsonSchema", &admin, &schema(kind)).await?;
    registered.insert(kind.to_owned());
    Ok(())
}

async fn post_admin(mirror: &Mirror, path: &str, admin: &str, body: &Value) -> Result<(), Wire> {
    let url = mirror.base.join(path).map_err(|e| unknown(&e.to_string()))?;
    let (user, password) = admin.split_once(':').unwrap_or((admin, ""));
    let request =
        mirror.http.post(url).basic_auth(user, Some(password)).header(CONTENT_TYPE, "application/json").body(body.to_string());
    let answer = send(request).await?;
    match answer.status {
        200..300 => Ok(()),
        401 | 403 => Err(Wire::Unauthorised(format!("{path}: {}", answer.status))),
        status => {
            // Nothing may pass before its schema is known: it would be dropped in silence.
            warn!(path, status, "a schema was not taken");
            Err(unknown(&format!("{path}: {status}")))
        }
    }
}

fn scope(mirror: &Mirror) -> &str {
    mirror.config.scope.as_deref().unwrap_or(DEFAULT_SCOPE)
}

fn schema(kind: &str) -> Value {
    json!({
        "$id": format!("https://cem.example/schemas/json/events/{kind}/1-0-0"),
        "$schema": "https://json-schema.org/draft/2019-09/schema",
        "self": {"vendor": "cem", "name": kind, "format": "jsonschema", "target": "events", "version": "1-0-0"},
        "title": kind,
        "type": "object",
        "allOf": [{"$ref": "https://unomi.apache.org/schemas/json/event/1-0-0"}],
        "properties": {"source": {"type": "object"}, "target": {"type": "object"}, "properties": {"type": "object"}},
    })
}

fn request(event: &Event, scope: &str) -> Value {
    let device = id_of(&event.source);
    let session = event.visitid.as_deref().map_or_else(|| device.clone(), id_of);
    let profile = event.visitor.as_deref().map_or_else(|| session.clone(), id_of);
    let mut properties = match &event.data {
        Value::Object(members) => members.clone(),
        other => [("data".to_owned(), other.clone())].into_iter().collect(),
    };
    properties.insert("sequence".into(), json!(event.sequence));
    properties.insert("log".into(), json!(event.log));
    let target = event.visitid.as_deref().map_or_else(
        || json!({"itemId": device, "itemType": "device", "scope": scope}),
        |visit| json!({"itemId": id_of(visit), "itemType": "visit", "scope": scope}),
    );
    json!({
        "sessionId": session,
        "profileId": profile,
        "events": [{
            "itemId": id_of(&event.id.to_string()),
            "eventType": event.kind,
            "scope": scope,
            "timeStamp": time::rfc3339(event.time_ms),
            "source": {"itemId": device, "itemType": "device", "scope": scope},
            "target": target,
            "properties": properties,
        }],
    })
}

/// An id as Unomi takes it, `^(\w|[-_@\.]){0,60}$`: other letters become dots. A longer one keeps its end, which tells
/// devices apart.
fn id_of(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || "-_@.".contains(c) { c } else { '.' }).collect();
    let clean = clean.trim_start_matches('.');
    clean[clean.len().saturating_sub(MAX_ID)..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_hold_only_what_unomi_takes() {
        assert_eq!(id_of("/stores/s-001/devices/k-01"), "stores.s-001.devices.k-01");
        let long = format!("/stores/{}/devices/k-01", "é".repeat(80));
        let id = id_of(&long);
        assert!(id.len() <= 60 && id.ends_with(".devices.k-01"), "{id}");
    }
}
