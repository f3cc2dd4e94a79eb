//! The visitor endpoints.

use super::{
    App,
    auth::{Caller, Staff, names_staff},
    body,
    error::HttpError,
    query::ListQuery,
};
use crate::{
    cards, codes, issue,
    people::{self, Touched, agreed, consent as consents, erase as erasure, visitor},
    store::{self, now_ms},
    tokens::Scope,
};
use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use cem_contract::{
    Consent, ConsentChange, Envelope, Note, Page, Profile, ResolveRequest, Visit,
    cards::CARD_BLOCKED_PROBLEM,
    codes::{CODE_REFUSED_PROBLEM, GUEST_CODE_PREFIX},
    limits, time,
};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use uuid::Uuid;

/// Ids are `v_` and 32 hex digits; other makers' may be longer, but not any length.
const MAX_ID: usize = 128;
const MAX_NOTE: usize = 2_000;

/// `POST /v1/visitors/resolve`: the signed profile of whoever holds one of the tokens. The device's store keeps it from
/// then on.
pub(super) async fn resolve(State(app): State<App>, headers: HeaderMap, request: Body) -> Result<Json<Envelope>, HttpError> {
    let caller = Caller::of(&app, &headers).await?;
    let store = caller.device()?.0.to_owned();
    let ResolveRequest { tokens, message } = body::json(request).await?;
    if tokens.is_empty() || tokens.len() > limits::RESOLVE_TOKENS {
        return Err(HttpError::bad(format!("tokens holds 1 to {} tokens", limits::RESOLVE_TOKENS)));
    }
    if let (Some(code), Some(token)) = (message.as_deref().filter(|m| m.starts_with(GUEST_CODE_PREFIX)), tokens.first()) {
        return redeem(&app, store, code.to_owned(), token.clone()).await.map(Json);
    }
    let proven = message.and_then(|message| app.cards.proven(&message)).zip(tokens.first().cloned());
    let here = store.clone();
    let newest = tokens.first().cloned().unwrap_or_default();
    let found = app.store.read(move |connection| find_holder(connection, &tokens, &here));
    let (survivor, known, claims) = match found.await? {
        Holder::Nobody => return Err(HttpError::not_found("no visitor holds these tokens")),
        Holder::Blocked => {
            return Err(HttpError::forbidden("this card was reported lost and is blocked").kind(CARD_BLOCKED_PROBLEM));
        }
        Holder::Known { survivor, here, claims } => (survivor, here, claims),
    };
    let now = now_ms();
    if !known || !claims || proven.is_some() {
        let (survivor, store) = (survivor.clone(), store.clone());
        let comes = move |connection: &Connection| {
            if !claims {
                // The same card under the tenant's newer key: from now on both names are the visitor's.
                let mut touched = Touched::default();
                visitor::claim(connection, &mut touched, &newest, &survivor, now)?;
                people::fold(connection, touched, now)?;
                visitor::tell_anew(connection, &survivor)?;
            }
            if let Some((key, token)) = &proven {
                // Every device of the visitor's stores gets the key with the next version of the profile.
                if cards::keep(connection, token, key)? {
                    visitor::tell_anew(connection, &survivor)?;
                }
            }
            visitor::comes_to(connection, &survivor, &store)?;
            visitor::refold(connection, &survivor, now)
        };
        app.store.writer.run(comes).await?;
    }
    let key = app.key.clone();
    let envelope = app.store.read(move |connection| {
        let profile = visitor::profile(connection, &survivor)?;
        profile.map(|profile| issue::issue(connection, &key, profile, &store, now)).transpose()
    });
    envelope.await?.map(Json).ok_or_else(|| HttpError::not_found("no visitor holds these tokens"))
}

/// The profile of whose page showed this code; every other code is refused in the same words.
async fn redeem(app: &App, store: String, code: String, token: String) -> Result<Envelope, HttpError> {
    let refused = || HttpError::forbidden("this code is not valid, or not any more").kind(CODE_REFUSED_PROBLEM);
    if !cards::is_token(&token) {
        return Err(HttpError::bad("a code comes with its pseudonym, <key version>:<hex>"));
    }
    let (key, now) = (app.key.clone(), now_ms());
    let issued = app.store.writer.run(move |connection| {
        let Some(who) = codes::redeem(connection, &key, &code, &token, now)? else { return Ok(None) };
        visitor::comes_to(connection, &who, &store)?;
        visitor::refold(connection, &who, now)?;
        let Some(profile) = visitor::profile(connection, &who)? else { return Ok(None) };
        issue::issue_to(connection, &key, profile, (&store, Some(&token)), now).map(Some)
    });
    issued.await?.ok_or_else(refused)
}

/// Who holds one of these tokens, the first of which is the newest name of the card.
enum Holder {
    Nobody,
    Blocked,
    Known {
        survivor: String,
        /// The store keeps the profile.
        here: bool,
        /// They are known by the newest token, too.
        claims: bool,
    },
}

fn find_holder(connection: &Connection, tokens: &[String], store: &str) -> store::Result<Holder> {
    for token in tokens {
        if cards::is_blocked(connection, token)? {
            return Ok(Holder::Blocked);
        }
    }
    for (at, token) in tokens.iter().enumerate() {
        if let Some(survivor) = visitor::by_token(connection, token)? {
            let here = visitor::is_known_in(connection, &survivor, store)?;
            return Ok(Holder::Known { survivor, here, claims: at == 0 });
        }
    }
    Ok(Holder::Nobody)
}

/// `GET /v1/visitors/{visitor}?order=`: staff any, a device by itself those of its store's cache. Staff are told what somebody
/// must not eat only with the order of theirs that is being made.
pub(super) async fn profile(
    State(app): State<App>,
    Path(id): Path<String>,
    query: ListQuery,
    headers: HeaderMap,
) -> Result<Json<Profile>, HttpError> {
    let caller = Caller::of(&app, &headers).await?;
    let device = caller.scope() == Scope::Device && !names_staff(&headers);
    let store = if device { Some(caller.device()?.0.to_owned()) } else { None };
    let staff = if device { None } else { Some(caller.staff(&app, &headers).await?) };
    let asked = id.clone();
    let order = ListQuery::given(query.order.as_ref());
    let found = app.store.read(move |connection| {
        let Some(mut profile) = visitor::profile(connection, &asked)? else { return Ok(None) };
        let allowed = match &store {
            Some(store) => visitor::is_known_in(connection, &profile.visitor, store)?,
            None => true,
        };
        let making = order.map(|order| agreed::has_open_order(connection, &profile.visitor, &order)).transpose()?;
        if store.is_none() && making != Some(true) {
            profile.dietary.clear();
        }
        Ok(Some((profile, allowed)))
    });
    let (profile, allowed) = found.await?.ok_or_else(unknown)?;
    if !allowed {
        return Err(HttpError::forbidden("this visitor is not in the cache of the device's store"));
    }
    let Some(staff) = staff else { return Ok(Json(agreed::of(profile))) };
    audit(&app, staff, "profile", Some(id)).await?;
    Ok(Json(profile))
}

/// `GET /v1/visitors?query=&store=`: by name, phone ending, or order number.
pub(super) async fn search(
    State(app): State<App>,
    query: ListQuery,
    headers: HeaderMap,
) -> Result<Json<Page<Profile>>, HttpError> {
    let staff = Caller::of(&app, &headers).await?.staff(&app, &headers).await?;
    let limit = query.limit()?;
    let text = query.query.unwrap_or_default().trim().to_lowercase();
    if text.is_empty() {
        return Err(HttpError::bad("query is a name, the end of a telephone number, or an order number"));
    }
    let store = query.store.filter(|store| !store.is_empty());
    let found = app.store.read(move |connection| {
        let mut select = connection.prepare_cached(
            "SELECT DISTINCT s.id FROM visitor s WHERE s.id = s.survivor
             AND (instr(s.name_folded, ?1) > 0 OR s.phone_ending = ?1 OR EXISTS (
                 SELECT 1 FROM visit_order o JOIN visit t ON t.id = o.visit JOIN visitor v ON v.id = t.visitor
                 WHERE o.number = ?1 AND v.survivor = s.id AND (?2 IS NULL OR o.store = ?2)))
             AND (?2 IS NULL OR EXISTS (SELECT 1 FROM store_visitor c WHERE c.visitor = s.id AND c.store = ?2))
             ORDER BY s.last_seen_ms DESC, s.id LIMIT ?3",
        )?;
        let ids = select.query_map(params![text, store, limit as i64], |row| row.get::<_, String>(0))?;
        let ids = ids.collect::<rusqlite::Result<Vec<_>>>()?;
        let profiles = ids.iter().filter_map(|id| visitor::profile(connection, id).transpose());
        profiles.map(|profile| Ok(Profile { dietary: Vec::new(), ..profile? })).collect::<store::Result<Vec<_>>>()
    });
    let items = found.await?;
    audit(&app, staff, "search", None).await?;
    Ok(Json(Page { items, next: None }))
}

/// `GET /v1/visitors/{visitor}/visits?limit=&before=`: newest first.
pub(super) async fn visits(
    State(app): State<App>,
    Path(id): Path<String>,
    query: ListQuery,
    headers: HeaderMap,
) -> Result<Json<Page<Visit>>, HttpError> {
    let staff = Caller::of(&app, &headers).await?.staff(&app, &headers).await?;
    let limit = query.limit()?;
    let before = before(query.before.as_deref())?;
    let asked = id.clone();
    let page = app.store.read(move |connection| {
        let Some(survivor) = visitor::survivor(connection, &asked)? else { return Ok(None) };
        read_visits(connection, &survivor, before, limit).map(Some)
    });
    let page = page.await?.ok_or_else(unknown)?;
    audit(&app, staff, "visits", Some(id)).await?;
    Ok(Json(page))
}

/// `PUT /v1/visitors/{visitor}/consent`
pub(super) async fn consent(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Body,
) -> Result<Json<Value>, HttpError> {
    let caller = Caller::of(&app, &headers).await?;
    let channel = caller.scope() == Scope::Channel;
    let staff = if channel { None } else { Some(caller.staff(&app, &headers).await?) };
    let ConsentChange { consent, text_version } = body::json(request).await?;
    let level =
        Consent::from_word(&consent).ok_or_else(|| HttpError::bad("consent is one of none, service, personal, marketing"))?;
    let now = now_ms();
    let asked = id.clone();
    let set = app.store.writer.run(move |connection| {
        let Some(survivor) = visitor::survivor(connection, &asked)? else { return Ok(None) };
        // Said of the person: of every id that was merged, or the strictest of the others would stay in force.
        for member in visitor::members(connection, &survivor)? {
            consents::say_here(connection, &member, level, &text_version, now)?;
        }
        visitor::refold(connection, &survivor, now)?;
        visitor::profile(connection, &asked)
    });
    let profile = set.await?.ok_or_else(unknown)?;
    match staff {
        None => Ok(Json(json!({"visitor": profile.visitor, "consent": profile.consent}))),
        Some(staff) => {
            audit(&app, staff, "consent", Some(id)).await?;
            Ok(Json(json!(profile)))
        }
    }
}

#[derive(Deserialize)]
struct NewNote {
    text: String,
}

/// `POST /v1/visitors/{visitor}/notes`
pub(super) async fn note(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Body,
) -> Result<(StatusCode, Json<Note>), HttpError> {
    let staff = Caller::of(&app, &headers).await?.staff(&app, &headers).await?;
    let NewNote { text } = body::json(request).await?;
    if text.trim().is_empty() || text.len() > MAX_NOTE {
        return Err(HttpError::bad(format!("text has 1 to {MAX_NOTE} bytes")));
    }
    let now = now_ms();
    let note = Note { id: Uuid::now_v7().to_string(), text, staff: staff.id.clone(), at: time::rfc3339(now) };
    let (asked, stored) = (id.clone(), note.clone());
    let written = app.store.writer.run(move |connection| {
        let Some(survivor) = visitor::survivor(connection, &asked)? else { return Ok(false) };
        connection
            .prepare_cached("INSERT INTO note(id, visitor, text, staff, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![stored.id, survivor, stored.text, stored.staff, now])?;
        Ok(true)
    });
    if !written.await? {
        return Err(unknown());
    }
    audit(&app, staff, "note", Some(id)).await?;
    Ok((StatusCode::CREATED, Json(note)))
}

/// All that is known of a person.
#[derive(Serialize)]
pub(super) struct Export {
    exported: String,
    profile: Profile,
    merged: Vec<String>,
    tokens: Vec<String>,
    consent: Vec<Value>,
    visits: Vec<Visit>,
    notes: Vec<Note>,
    /// As the devices wrote them.
    events: Vec<Box<RawValue>>,
}

/// `GET /v1/visitors/{visitor}/export`
pub(super) async fn export(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Export>, HttpError> {
    let staff = Caller::of(&app, &headers).await?.staff(&app, &headers).await?;
    let asked = id.clone();
    let export = app.store.read(move |connection| {
        let Some(profile) = visitor::profile(connection, &asked)? else { return Ok(None) };
        let who = profile.visitor.clone();
        let merged = visitor::members(connection, &who)?.into_iter().filter(|member| *member != who).collect();
        Ok(Some(Export {
            exported: time::rfc3339(now_ms()),
            merged,
            tokens: visitor::tokens(connection, &who)?,
            consent: read_consents(connection, &who)?,
            visits: read_visits(connection, &who, LATEST, usize::MAX >> 1)?.items,
            notes: read_notes(connection, &who)?,
            events: read_events(connection, &who)?,
            profile,
        }))
    });
    let export = export.await?.ok_or_else(unknown)?;
    audit(&app, staff, "export", Some(id)).await?;
    Ok(Json(export))
}

/// `DELETE /v1/visitors/{visitor}`: erasure. Ids that are not known yet are erased too.
pub(super) async fn erase(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<Value>), HttpError> {
    Caller::of(&app, &headers).await?.only(&[Scope::Ops], "erase")?;
    if id.is_empty() || id.len() > MAX_ID {
        return Err(HttpError::bad("a visitor id is v_ and 32 hex digits"));
    }
    let now = now_ms();
    let asked = id.clone();
    app.store
        .writer
        .run(move |connection| {
            let mut touched = Touched::default();
            erasure::person(connection, &mut touched, &asked, now)?;
            people::fold(connection, touched, now)
        })
        .await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"visitor": id}))))
}

/// A place in a list of visits: start and id of the visit before which to go on.
type Before = (i64, String);
const LATEST: Before = (i64::MAX, String::new());

/// `before` is a `next` of the same list, or a time.
fn before(text: Option<&str>) -> Result<Before, HttpError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(LATEST) };
    if let Some(ms) = time::parse_rfc3339(text) {
        return Ok((ms, String::new()));
    }
    let place = text.split_once('_').and_then(|(ms, id)| Some((ms.parse().ok()?, id.to_owned())));
    place.ok_or_else(|| HttpError::bad("before is the `next` of this list, or a time like 2026-11-21T10:30:00Z"))
}

fn read_visits(connection: &Connection, survivor: &str, before: Before, limit: usize) -> store::Result<Page<Visit>> {
    let mut select = connection.prepare_cached(
        "SELECT t.started_ms, t.id, t.body FROM visit t JOIN visitor v ON v.id = t.visitor
         WHERE v.survivor = ?1 AND (t.started_ms, t.id) < (?2, ?3) ORDER BY t.started_ms DESC, t.id DESC LIMIT ?4",
    )?;
    let mut rows = select.query(params![survivor, before.0, before.1, limit as i64])?;
    let mut page = Page { items: Vec::new(), next: None };
    let mut last = None;
    while let Some(row) = rows.next()? {
        page.items.push(serde_json::from_str(&row.get::<_, String>(2)?)?);
        last = Some(format!("{}_{}", row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    }
    page.next = last.filter(|_| page.items.len() == limit);
    Ok(page)
}

fn read_consents(connection: &Connection, survivor: &str) -> store::Result<Vec<Value>> {
    let mut select = connection.prepare_cached(
        "SELECT c.visitor, c.stream, c.latest_ms, c.level, c.text_version FROM consent c JOIN visitor v ON v.id = c.visitor
         WHERE v.survivor = ?1 ORDER BY c.latest_ms, c.stream, c.position",
    )?;
    let rows = select.query_map([survivor], |row| {
        Ok(json!({
            "visitor": row.get::<_, String>(0)?, "where": row.get::<_, String>(1)?, "at": time::rfc3339(row.get(2)?),
            "consent": row.get::<_, String>(3)?, "text_version": row.get::<_, String>(4)?,
        }))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn read_notes(connection: &Connection, survivor: &str) -> store::Result<Vec<Note>> {
    let mut select = connection.prepare_cached(
        "SELECT n.id, n.text, n.staff, n.at_ms FROM note n JOIN visitor v ON v.id = n.visitor WHERE v.survivor = ?1
         ORDER BY n.at_ms, n.id",
    )?;
    let rows = select.query_map([survivor], |row| {
        Ok(Note { id: row.get(0)?, text: row.get(1)?, staff: row.get(2)?, at: time::rfc3339(row.get(3)?) })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn read_events(connection: &Connection, survivor: &str) -> store::Result<Vec<Box<RawValue>>> {
    let bodies = visitor::strings(
        connection,
        "SELECT body FROM event WHERE n IN (
             SELECT e.n FROM event e JOIN visitor v ON v.id = e.visitor WHERE v.survivor = ?1
             UNION SELECT e.n FROM event e JOIN visit t ON t.id = e.visitid JOIN visitor v ON v.id = t.visitor
             WHERE v.survivor = ?1) ORDER BY coalesce(corrected_ms, time_ms), n",
        survivor,
    )?;
    bodies.into_iter().map(|body| Ok(RawValue::from_string(body)?)).collect()
}

/// Writes down who looked at what: before the answer leaves, so that nobody looks unseen.
pub(super) async fn audit(app: &App, staff: Staff, action: &'static str, visitor: Option<String>) -> Result<(), HttpError> {
    let now = now_ms();
    let write = move |connection: &Connection| {
        connection
            .prepare_cached("INSERT INTO audit(at_ms, token, staff, action, visitor) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![now, staff.token, staff.id, action, visitor])?;
        Ok(())
    };
    Ok(app.store.writer.run_ahead(write).await?)
}

fn unknown() -> HttpError {
    HttpError::not_found("no visitor has this id")
}
