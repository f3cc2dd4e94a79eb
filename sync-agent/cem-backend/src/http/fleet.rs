//! What devices report, and what ops see of it.

use super::{App, auth::Caller, body, error::HttpError, query::ListQuery};
use crate::{
    cards,
    devices::{self, Device, Given},
    feed, ingest,
    people::{clock::Certainty, erase},
    store::{self, now_ms},
    tokens::Scope,
};
use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::HeaderMap,
};
use cem_contract::{
    Command, Commands, DeviceStatus, Page,
    enrol::{LogSeen, Unsent},
    time,
};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Answers to commands that one status carries.
const MAX_ANSWERS: usize = 32;

/// `POST /v1/devices/{device}/status`
pub(super) async fn status(
    State(app): State<App>,
    Path(device): Path<String>,
    headers: HeaderMap,
    request: Body,
) -> Result<Json<Commands>, HttpError> {
    let caller = Caller::of(&app, &headers).await?;
    let (store, own) = caller.device()?;
    if own != device {
        return Err(HttpError::forbidden("a device posts its own status only"));
    }
    let (source, store) = (caller.source().to_owned(), store.to_owned());
    // Kept as it came: a newer device may tell more.
    let status: Map<String, Value> = body::json(request).await?;
    let told: DeviceStatus = serde_json::from_value(Value::Object(status.clone())).unwrap_or_default();
    let text = Value::Object(status).to_string();
    let now = now_ms();
    let of = source.clone();
    let given = app.store.writer.run_ahead(move |connection| {
        let mut upsert = connection.prepare_cached(
            "INSERT INTO device(source, store, device, status, status_ms) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET status = excluded.status, status_ms = excluded.status_ms",
        )?;
        upsert.execute(params![source, store, device, text, now])?;
        for answer in told.answers.iter().take(MAX_ANSWERS) {
            devices::answer(connection, &source, answer, now)?;
        }
        if let Some(machine) = &told.machine
            && devices::seen_on(connection, &source, machine, now)?
        {
            tracing::warn!(source, "another machine reports under this name: a copied disk?");
        }
        let resend = ingest::lacking(connection, &source, &told.acked)?;
        Ok((devices::waiting(connection, &source, now)?, resend))
    });
    let sign = |given: Given| Command::sign(given.id, given.kind, &of, given.expires_ms, &app.fleet.signing).ok();
    let (given, resend) = given.await?;
    Ok(Json(Commands { commands: given.into_iter().filter_map(sign).collect(), resend }))
}

/// `GET /v1/fleet/devices?store=&ring=`
pub(super) async fn devices(
    State(app): State<App>,
    query: ListQuery,
    headers: HeaderMap,
) -> Result<Json<Page<Value>>, HttpError> {
    Caller::of(&app, &headers).await?.only(&[Scope::Ops], "see the fleet")?;
    let limit = query.limit()?;
    let (store, ring) = (ListQuery::given(query.store.as_ref()), ListQuery::given(query.ring.as_ref()));
    let after = query.after.unwrap_or_default();
    let page = app.store.readers.run(move |connection| {
        let mut select = connection.prepare_cached(
            "SELECT k.source, d.status, d.status_ms, d.event_ms
             FROM (SELECT source FROM device UNION SELECT source FROM fleet_device) k LEFT JOIN device d ON d.source = k.source
             WHERE k.source > ?1 AND (?2 IS NULL OR instr(k.source, '/stores/' || ?2 || '/devices/') = 1)
             AND (?3 IS NULL OR json_extract(d.status, '$.ring') = ?3) ORDER BY k.source LIMIT ?4",
        )?;
        let rows = select.query_map(params![after, store, ring, limit as i64], device_of_row)?;
        let mut items = rows.collect::<rusqlite::Result<Vec<Value>>>()?;
        for item in &mut items {
            let enrolled = devices::find(connection, item["source"].as_str().unwrap_or_default())?;
            item["enrolment"] = enrolled.map_or(Value::Null, |device| shown(&device));
        }
        let next = items.last().filter(|_| items.len() == limit).and_then(|last| last["source"].as_str()).map(str::to_owned);
        Ok(Page { items, next })
    });
    Ok(Json(page.await?))
}

fn device_of_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Value> {
    let source: String = row.get(0)?;
    let status: Option<String> = row.get(1)?;
    let status: Value = status.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let (store, device) = feed::device_of(&source).unwrap_or_default();
    Ok(json!({
        "source": source,
        "store": store,
        "device": device,
        "status": status,
        "reported": row.get::<_, Option<i64>>(2)?.map(time::rfc3339),
        "last_event": row.get::<_, Option<i64>>(3)?.map(time::rfc3339),
    }))
}

fn shown(device: &Device) -> Value {
    json!({
        "state": device.state.word(), "role": device.config.role, "till": device.config.till,
        "order_letter": device.config.order_letter, "enrolled": device.enrolled_ms.map(time::rfc3339),
        "copied": device.copied_ms.map(time::rfc3339), "certificate": device.serial, "machine": device.machine,
    })
}

/// What is known of events that a device had not sent: by its last report, and by the numbers that arrived.
pub(super) fn unsent(connection: &Connection, source: &str) -> store::Result<Unsent> {
    let row: Option<(Option<String>, Option<i64>, Option<i64>)> = connection
        .prepare_cached("SELECT status, status_ms, event_ms FROM device WHERE source = ?1")?
        .query_row([source], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let (status, reported, last_event) = row.unwrap_or_default();
    let status: DeviceStatus = status.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let mut logs = connection.prepare_cached(
        "SELECT s.name, e.log, min(e.lo), max(e.hi), sum(e.hi - e.lo + 1) FROM seen e JOIN source s ON s.n = e.source
         WHERE s.name = ?1 GROUP BY e.log ORDER BY e.log",
    )?;
    let logs = logs.query_map([source], log_of_row)?.collect::<rusqlite::Result<Vec<Value>>>()?;
    let seen = |log: &Value| LogSeen {
        log: log["log"].as_str().unwrap_or_default().to_owned(),
        last: log["last"].as_u64().unwrap_or(0),
        missing: log["missing"].as_u64().unwrap_or(0),
    };
    Ok(Unsent {
        reported: reported.map(time::rfc3339),
        queue_depth: status.queue_depth,
        oldest_unsent_s: status.oldest_unsent_s,
        last_event: last_event.map(time::rfc3339),
        logs: logs.iter().map(seen).collect(),
    })
}

/// `GET /v1/fleet/events?source=&after=&limit=`: stored events, oldest first, without what erasure would remove. Beside an
/// event whose clock was not synced stands `corrected`: the best `time` known, and by which `clock`.
pub(super) async fn events(State(app): State<App>, query: ListQuery, headers: HeaderMap) -> Result<Json<Page<Value>>, HttpError> {
    Caller::of(&app, &headers).await?.only(&[Scope::Ops], "see the fleet's events")?;
    let limit = query.limit()?;
    let source = ListQuery::given(query.source.as_ref());
    let epoch = app.store.epoch.clone();
    let after = query.after.as_deref().and_then(|cursor| feed::place(&epoch, cursor)).unwrap_or(0);
    let page = app.store.readers.run(move |connection| {
        let mut select = connection.prepare_cached(
            "SELECT e.n, e.received_ms, e.erased, e.body, e.corrected_ms, e.certainty FROM event e JOIN source s ON s.n = e.source
             WHERE e.n > ?1 AND (?2 IS NULL OR s.name = ?2) ORDER BY e.n LIMIT ?3",
        )?;
        let mut rows = select.query(params![after, source, limit as i64])?;
        let mut items = Vec::new();
        let mut last = after;
        while let Some(row) = rows.next()? {
            last = row.get(0)?;
            let mut event: Value = serde_json::from_str(&erase::scrub(&row.get::<_, String>(3)?)?)?;
            event["erased"] = json!(row.get::<_, bool>(2)?);
            let received = time::rfc3339(row.get(1)?);
            let mut item = json!({"cursor": feed::cursor(&epoch, last), "received": received, "event": event});
            if let (Some(corrected_ms), Some(mark)) = (row.get::<_, Option<i64>>(4)?, Certainty::of(row.get(5)?).mark()) {
                item["corrected"] = json!({"time": time::rfc3339(corrected_ms), "clock": mark});
            }
            items.push(item);
        }
        Ok(Page { items, next: Some(feed::cursor(&epoch, last)) })
    });
    Ok(Json(page.await?))
}

/// `GET /v1/fleet/summary`: counts, and the state of every log.
pub(super) async fn summary(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, HttpError> {
    Caller::of(&app, &headers).await?.only(&[Scope::Ops], "see the fleet")?;
    Ok(Json(app.store.read(summarise).await?))
}

fn summarise(connection: &Connection) -> store::Result<Value> {
    let count = |query: &str| -> store::Result<i64> { Ok(connection.query_row(query, [], |row| row.get(0))?) };
    let mut totals =
        connection.prepare_cached("SELECT currency, sum(minor) FROM visit_order GROUP BY currency ORDER BY currency")?;
    let totals = totals
        .query_map([], |row| Ok(json!({"currency": row.get::<_, String>(0)?, "minor": row.get::<_, i64>(1)?})))?
        .collect::<rusqlite::Result<Vec<Value>>>()?;
    let mut logs = connection.prepare_cached(
        "SELECT s.name, e.log, min(e.lo), max(e.hi), sum(e.hi - e.lo + 1) FROM seen e JOIN source s ON s.n = e.source
         GROUP BY s.name, e.log ORDER BY s.name, e.log",
    )?;
    let logs = logs.query_map([], log_of_row)?.collect::<rusqlite::Result<Vec<Value>>>()?;
    let counted: Map<String, Value> = devices::counts(connection)?.into_iter().map(|(name, n)| (name, json!(n))).collect();
    Ok(json!({
        "counted": counted,
        "events": count("SELECT count(*) FROM event")?,
        "visits": count("SELECT count(*) FROM visit")?,
        "orders": count("SELECT count(*) FROM visit_order")?,
        "visitors": count("SELECT count(*) FROM visitor WHERE id = survivor")?,
        "totals": totals,
        // One message of a card at two kiosks: which, and when.
        "replays": cards::replays(connection)?,
        "logs": logs,
    }))
}

fn log_of_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Value> {
    let log: [u8; 16] = row.get(1)?;
    let (last, seen): (i64, i64) = (row.get(3)?, row.get(4)?);
    Ok(json!({
        "source": row.get::<_, String>(0)?, "log": Uuid::from_bytes(log), "last": last, "seen": seen, "missing": last - seen,
    }))
}
