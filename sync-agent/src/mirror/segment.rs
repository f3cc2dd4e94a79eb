//! The Segment protocol: `POST v1/batch` with the write key as user name. 500 KB a request, 32 KB an event; a 200 says
//! nothing about single events, `messageId` makes sending again harmless.

use base64::Engine as _;
use cem_contract::{Event, time};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use super::{Mirror, not_ok, secret, send, unknown};
use crate::engine::Verdict;
use crate::http::Wire;

/// What the receiver takes in one request.
pub(super) const MAX_BATCH_BYTES: usize = 480_000;
/// What it takes of one event.
const MAX_EVENT_BYTES: usize = 32_000;

pub(super) async fn deliver(mirror: &Mirror, events: &[Event]) -> Wire {
    let mut verdicts = Vec::with_capacity(events.len());
    let (mut pieces, mut bytes): (Vec<String>, usize) = (Vec::new(), 0);
    for event in events {
        let piece = track(event).to_string();
        if piece.len() > MAX_EVENT_BYTES {
            verdicts.push(Verdict::Rejected(format!("{} bytes, the receiver takes {MAX_EVENT_BYTES} an event", piece.len())));
            continue;
        }
        verdicts.push(Verdict::Accepted);
        if bytes + piece.len() > MAX_BATCH_BYTES {
            if let Err(wire) = post(mirror, &std::mem::take(&mut pieces)).await {
                return wire;
            }
            bytes = 0;
        }
        bytes += piece.len() + 1;
        pieces.push(piece);
    }
    match post(mirror, &pieces).await {
        Ok(()) => Wire::Answered { verdicts, resend: Vec::new() },
        Err(wire) => wire,
    }
}

async fn post(mirror: &Mirror, pieces: &[String]) -> Result<(), Wire> {
    if pieces.is_empty() {
        return Ok(());
    }
    let key = match &mirror.config.secret_file {
        Some(path) => secret(path).map_err(Wire::Unauthorised)?,
        None => return Err(Wire::Unauthorised("no write key is configured".to_owned())),
    };
    let url = mirror.base.join("v1/batch").map_err(|e| unknown(&e.to_string()))?;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{key}:"));
    let sent_at = time::rfc3339(crate::clock::now_ms());
    let body = format!("{{\"batch\":[{}],\"sentAt\":\"{sent_at}\"}}", pieces.join(","));
    let request =
        mirror.http.post(url).header(AUTHORIZATION, format!("Basic {basic}")).header(CONTENT_TYPE, "application/json").body(body);
    let answer = send(request).await?;
    match answer.status {
        200 if mirror.config.marker.as_ref().is_some_and(|m| !String::from_utf8_lossy(&answer.body).contains(m.as_str())) => {
            Err(unknown("a 200 without the configured marker"))
        }
        200 if answer.body.trim_ascii_start().starts_with(b"<") => Err(unknown("a 200 with a page for people")),
        200 => Ok(()),
        _ => Err(not_ok(&answer)),
    }
}

/// One event as a `track` call. Who is anonymous is known by the visit, a device event by the device.
fn track(event: &Event) -> Value {
    let mut properties = match &event.data {
        Value::Object(members) => members.clone(),
        other => [("data".to_owned(), other.clone())].into_iter().collect(),
    };
    properties.insert("source".into(), json!(event.source));
    properties.insert("log".into(), json!(event.log));
    properties.insert("sequence".into(), json!(event.sequence));
    if let Some(visit) = &event.visitid {
        properties.insert("visitid".into(), json!(visit));
    }
    let mut call = json!({
        "type": "track",
        "messageId": event.id,
        "event": event.kind,
        "timestamp": time::rfc3339(event.time_ms),
        "properties": properties,
    });
    match &event.visitor {
        Some(visitor) => call["userId"] = json!(visitor),
        None => call["anonymousId"] = json!(event.visitid.as_ref().unwrap_or(&event.source)),
    }
    call
}
