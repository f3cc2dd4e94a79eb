//! Visitors: who is the same person as whom, and the profile that is made of all that is known.
//!
//! Two kiosks that are offline may make two ids for one card. Whoever claims the same token is the same person; the
//! smallest id survives, whatever arrives first, and the others answer with the survivor's profile.

pub(crate) use super::usual::history;
use super::{Touched, agreed, consent, usual};
use crate::{feed, seed::Seed, store::Result};
use cem_contract::{Consent, Feedback, Profile, Visit, time};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;

/// Visits of which the usual and the history are made.
const RECENT_VISITS: i64 = 20;

/// Makes sure that an id has a row.
pub(crate) fn know(connection: &Connection, id: &str) -> Result<()> {
    let mut insert = connection
        .prepare_cached("INSERT INTO visitor(id, survivor, version, profile) VALUES (?1, ?1, 0, '{}') ON CONFLICT DO NOTHING")?;
    insert.execute([id])?;
    Ok(())
}

/// The id that survives for this one; `None` for an id that is not known.
pub(crate) fn survivor(connection: &Connection, id: &str) -> Result<Option<String>> {
    let mut query = connection.prepare_cached("SELECT survivor FROM visitor WHERE id = ?1")?;
    Ok(query.query_row([id], |row| row.get(0)).optional()?)
}

/// All ids of a survivor, its own included, sorted.
pub(crate) fn members(connection: &Connection, survivor: &str) -> Result<Vec<String>> {
    strings(connection, "SELECT id FROM visitor WHERE survivor = ?1 ORDER BY id", survivor)
}

/// All tokens of a survivor, sorted.
pub(crate) fn tokens(connection: &Connection, survivor: &str) -> Result<Vec<String>> {
    strings(
        connection,
        "SELECT DISTINCT token FROM claim c JOIN visitor v ON v.id = c.visitor WHERE v.survivor = ?1 ORDER BY token",
        survivor,
    )
}

/// The surviving id of whoever claims a token.
pub(crate) fn by_token(connection: &Connection, token: &str) -> Result<Option<String>> {
    let mut query =
        connection.prepare_cached("SELECT min(v.survivor) FROM claim c JOIN visitor v ON v.id = c.visitor WHERE c.token = ?1")?;
    Ok(query.query_row([token], |row| row.get(0))?)
}

/// The surviving id of whoever a visit is of that knows only this token: a card, or a code that was used.
pub(crate) fn by_tap(connection: &Connection, token: &str) -> Result<Option<String>> {
    let mut query = connection.prepare_cached(
        "SELECT min(v.survivor) FROM (SELECT visitor FROM claim WHERE token = ?1
             UNION ALL SELECT visitor FROM guest_code WHERE token = ?1) c JOIN visitor v ON v.id = c.visitor",
    )?;
    Ok(query.query_row([token], |row| row.get(0))?)
}

/// A visitor claims a token: joins them with everybody who claims it, and the visits that waited for this token.
pub(crate) fn claim(connection: &Connection, touched: &mut Touched, token: &str, id: &str, now_ms: i64) -> Result<()> {
    know(connection, id)?;
    touched.visitors.insert(id.to_owned());
    let mut insert = connection.prepare_cached("INSERT INTO claim(token, visitor) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    insert.execute([token, id])?;
    touched.visits.extend(strings(
        connection,
        "SELECT DISTINCT visitid FROM event WHERE token = ?1 AND visitid IS NOT NULL",
        token,
    )?);
    let joined = strings(
        connection,
        "SELECT DISTINCT v.survivor FROM claim c JOIN visitor v ON v.id = c.visitor WHERE c.token = ?1 ORDER BY 1",
        token,
    )?;
    let Some((survivor, merged)) = joined.split_first() else { return Ok(()) };
    for other in merged {
        merge(connection, other, survivor, now_ms)?;
        touched.visitors.insert(survivor.clone());
    }
    Ok(())
}

fn merge(connection: &Connection, other: &str, survivor: &str, now_ms: i64) -> Result<()> {
    // A device refuses a version below the last it saw of either id.
    connection
        .prepare_cached("UPDATE visitor SET version = max(version, (SELECT version FROM visitor WHERE id = ?2)) WHERE id = ?1")?
        .execute([survivor, other])?;
    connection.prepare_cached("UPDATE visitor SET survivor = ?1 WHERE survivor = ?2")?.execute([survivor, other])?;
    let stores = strings(connection, "SELECT store FROM store_visitor WHERE visitor = ?1", other)?;
    for store in stores {
        feed::visitor(connection, &store, other, feed::VisitorChange::Removed, now_ms)?;
        comes_to(connection, survivor, &store)?;
    }
    connection.prepare_cached("DELETE FROM store_visitor WHERE visitor = ?1")?.execute([other])?;
    Ok(())
}

/// The next fold gives the profile a new version, whether it changes or not.
pub(crate) fn tell_anew(connection: &Connection, id: &str) -> Result<()> {
    let sql = "UPDATE visitor SET profile = '{}' WHERE id = (SELECT survivor FROM visitor WHERE id = ?1)";
    connection.prepare_cached(sql)?.execute([id])?;
    Ok(())
}

/// A visitor is known in a store from now on: the store's devices keep the profile.
pub(crate) fn comes_to(connection: &Connection, id: &str, store: &str) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO store_visitor(store, visitor) SELECT ?2, survivor FROM visitor WHERE id = ?1 ON CONFLICT DO NOTHING",
    )?;
    if insert.execute([id, store])? > 0 {
        // Whoever is new in a store is told to it, even if the profile itself does not change.
        tell_anew(connection, id)?;
    }
    Ok(())
}

/// Whether a store keeps a visitor's profile.
pub(crate) fn is_known_in(connection: &Connection, survivor: &str, store: &str) -> Result<bool> {
    Ok(connection.prepare_cached("SELECT 1 FROM store_visitor WHERE store = ?1 AND visitor = ?2")?.exists([store, survivor])?)
}

/// The profile that an id answers with: the survivor's.
pub(crate) fn profile(connection: &Connection, id: &str) -> Result<Option<Profile>> {
    let row: Option<(String, i64, String)> = connection
        .prepare_cached("SELECT s.id, s.version, s.profile FROM visitor v JOIN visitor s ON s.id = v.survivor WHERE v.id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((survivor, version, stored)) = row else { return Ok(None) };
    let mut profile = serde_json::from_str::<Stored>(&stored)?.0.unwrap_or_default();
    profile.version = version.cast_unsigned();
    profile.merged_into = (survivor != id).then(|| survivor.clone());
    profile.visitor = survivor;
    Ok(Some(profile))
}

/// A stored profile; `{}` where it has still to be folded.
struct Stored(Option<Profile>);

impl<'de> Deserialize<'de> for Stored {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(from)?;
        if value.as_object().is_some_and(serde_json::Map::is_empty) {
            return Ok(Self(None));
        }
        Profile::deserialize(value).map(|profile| Self(Some(profile))).map_err(serde::de::Error::custom)
    }
}

/// Makes the profile of an id's survivor afresh; a change raises the version and is told to the stores that keep it.
pub(crate) fn refold(connection: &Connection, id: &str, now_ms: i64) -> Result<()> {
    let Some(survivor) = survivor(connection, id)? else { return Ok(()) };
    let profile = make(connection, &survivor)?;
    let stored = serde_json::to_string(&profile)?;
    let last_seen_ms = profile.last_seen.as_deref().and_then(time::parse_rfc3339);
    let folded = profile.display_name.as_deref().unwrap_or_default().to_lowercase();
    let changed = connection
        .prepare_cached(
            "UPDATE visitor SET profile = ?2, version = version + 1, name_folded = ?3, phone_ending = ?4, last_seen_ms = ?5
             WHERE id = ?1 AND profile <> ?2",
        )?
        .execute(params![survivor, stored, folded, profile.phone_ending, last_seen_ms])?;
    if changed > 0 {
        for store in strings(connection, "SELECT store FROM store_visitor WHERE visitor = ?1", &survivor)? {
            feed::visitor(connection, &store, &survivor, feed::VisitorChange::Changed, now_ms)?;
        }
    }
    Ok(())
}

fn make(connection: &Connection, survivor: &str) -> Result<Profile> {
    let members = members(connection, survivor)?;
    let mut profile = Profile { visitor: survivor.to_owned(), ..Profile::default() };
    let mut names = Vec::new();
    let mut consents = Vec::new();
    let mut visits = Visits::default();
    let mut dietary = None;
    for member in &members {
        dietary = agreed::dietary(connection, member)?.into_iter().chain(dietary).max();
        if let Some(seed) = seed(connection, member)? {
            seed.fill(&mut profile, &mut names);
        }
        names.extend(joined(connection, member)?);
        consents.extend(consent::in_force(&consent::statements(connection, member)?));
        visits.add(connection, member)?;
    }
    names.sort();
    for Name { display_name, language, .. } in names {
        profile.display_name = display_name.or(profile.display_name);
        profile.language = language.or(profile.language);
    }
    profile.consent = consents.into_iter().min().unwrap_or_default();
    if let Some((_, dietary)) = dietary {
        profile.dietary = dietary;
    }
    if profile.consent == Consent::None {
        profile.dietary.clear();
    }
    profile.visits += visits.count;
    let written = |ms: Option<i64>| ms.map(time::rfc3339);
    profile.first_seen = earlier(profile.first_seen, written(visits.first_ms));
    profile.last_seen = written(visits.last_ms).or(profile.last_seen);
    profile.last_feedback = last_feedback(connection, survivor)?;
    add_points(connection, survivor, &mut profile)?;
    if profile.usual.is_empty() && profile.consent >= Consent::Personal {
        profile.usual = usual::usual(&recent_visits(connection, survivor)?);
    }
    Ok(profile)
}

/// A name and language as told at some time; sorts by that time.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) at_ms: i64,
    pub(crate) display_name: Option<String>,
    pub(crate) language: Option<String>,
}

fn joined(connection: &Connection, member: &str) -> Result<Vec<Name>> {
    #[derive(Deserialize)]
    struct Body {
        data: Joined,
    }
    #[derive(Deserialize)]
    struct Joined {
        display_name: Option<serde_json::Value>,
        language: Option<serde_json::Value>,
    }
    let text = |value: Option<serde_json::Value>| value.as_ref().and_then(serde_json::Value::as_str).map(str::to_owned);
    let mut query = connection
        .prepare_cached("SELECT coalesce(corrected_ms, time_ms), body FROM event WHERE visitor = ?1 AND type = 'cem.visitor.joined.v1' AND erased = 0")?;
    let rows = query.query_map([member], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    let mut names = Vec::new();
    for row in rows {
        let (at_ms, body) = row?;
        let Joined { display_name, language } = serde_json::from_str::<Body>(&body)?.data;
        names.push(Name { at_ms, display_name: text(display_name), language: text(language) });
    }
    Ok(names)
}

#[derive(Default)]
struct Visits {
    count: u64,
    first_ms: Option<i64>,
    last_ms: Option<i64>,
}

impl Visits {
    fn add(&mut self, connection: &Connection, member: &str) -> Result<()> {
        let (count, first_ms, last_ms): (i64, Option<i64>, Option<i64>) = connection
            .prepare_cached("SELECT count(*), min(started_ms), max(started_ms) FROM visit WHERE visitor = ?1")?
            .query_row([member], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        self.count += count.cast_unsigned();
        self.first_ms = self.first_ms.into_iter().chain(first_ms).min();
        self.last_ms = self.last_ms.into_iter().chain(last_ms).max();
        Ok(())
    }
}

fn last_feedback(connection: &Connection, survivor: &str) -> Result<Option<Feedback>> {
    let body: Option<String> = connection
        .prepare_cached(
            "SELECT t.body FROM visit t JOIN visitor v ON v.id = t.visitor
             WHERE v.survivor = ?1 AND t.feedback_ms IS NOT NULL ORDER BY t.feedback_ms DESC, t.id DESC LIMIT 1",
        )?
        .query_row([survivor], |row| row.get(0))
        .optional()?;
    let Some(body) = body else { return Ok(None) };
    Ok(serde_json::from_str::<Visit>(&body)?.feedback.pop())
}

fn add_points(connection: &Connection, survivor: &str, profile: &mut Profile) -> Result<()> {
    let (sum, last_ms): (i64, Option<i64>) = connection
        .prepare_cached(
            "SELECT coalesce(sum(points), 0), max(coalesce(e.corrected_ms, a.at_ms)) FROM (
                 SELECT points, at_ms, event FROM ledger l JOIN visitor v ON v.id = l.visitor WHERE v.survivor = ?1
                 UNION ALL SELECT points, at_ms, event FROM visitor v JOIN visit t ON t.visitor = v.id
                     JOIN ledger l ON l.visitid = t.id WHERE v.survivor = ?1 AND l.visitor IS NULL) a
             LEFT JOIN event e ON e.n = a.event",
        )?
        .query_row([survivor], |row| Ok((row.get(0)?, row.get(1)?)))?;
    profile.points = profile.points.saturating_add(sum);
    profile.points_as_of = last_ms.map(time::rfc3339).max(profile.points_as_of.take());
    Ok(())
}

/// The last visits of a survivor and all merged into it, newest first.
pub(crate) fn recent_visits(connection: &Connection, survivor: &str) -> Result<Vec<Visit>> {
    let mut query = connection.prepare_cached(
        "SELECT t.body FROM visit t JOIN visitor v ON v.id = t.visitor WHERE v.survivor = ?1 AND t.orders > 0
         ORDER BY t.started_ms DESC, t.id DESC LIMIT ?2",
    )?;
    let rows = query.query_map(params![survivor, RECENT_VISITS], |row| row.get::<_, String>(0))?;
    rows.map(|body| Ok(serde_json::from_str(&body?)?)).collect()
}

fn seed(connection: &Connection, member: &str) -> Result<Option<Seed>> {
    let seed: Option<String> =
        connection.prepare_cached("SELECT seed FROM visitor WHERE id = ?1")?.query_row([member], |row| row.get(0))?;
    Ok(seed.map(|seed| serde_json::from_str(&seed)).transpose()?)
}

/// The loyalty tier, where one was given.
pub(crate) fn tier(connection: &Connection, survivor: &str) -> Result<Option<String>> {
    for member in members(connection, survivor)? {
        if let Some(tier) = seed(connection, &member)?.and_then(|seed| seed.tier) {
            return Ok(Some(tier));
        }
    }
    Ok(None)
}

/// The earlier of two times in the wire's format, which sorts as text.
fn earlier(one: Option<String>, other: Option<String>) -> Option<String> {
    one.into_iter().chain(other).min()
}

pub(crate) fn strings(connection: &Connection, query: &str, argument: &str) -> Result<Vec<String>> {
    let mut query = connection.prepare_cached(query)?;
    let rows = query.query_map([argument], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
