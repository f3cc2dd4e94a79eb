//! What may be told of a person, by what they have agreed to. One table: the same as on the kiosk.
//!
//! | Level | A device is told |
//! |---|---|
//! | none | that there is somebody who wants to be nobody |
//! | service | name, language, points, wallet, the end of the telephone number |
//! | personal | also visits, the usual, offers, segments, the last feedback |
//! | marketing | also the referral code |
//!
//! What somebody must not eat is kept by a consent of its own and only while there is any other: a device filters the menu by
//! it; the shop's people are told where an order needs it.

use crate::store::Result;
use cem_contract::{Consent, Profile, kinds};
use rusqlite::{Connection, params};
use serde::Deserialize;

/// The profile with what its consent allows.
pub(crate) fn of(profile: Profile) -> Profile {
    let level = profile.consent;
    let mut told = profile;
    if level < Consent::Marketing {
        told.referral = None;
    }
    if level < Consent::Personal {
        told = Profile {
            usual: Vec::new(),
            offers: Vec::new(),
            segments: Vec::new(),
            last_feedback: None,
            visits: 0,
            first_seen: None,
            last_seen: None,
            ..told
        };
    }
    if level < Consent::Service {
        let Profile { visitor, merged_into, consent, version, .. } = told;
        told = Profile { visitor, merged_into, consent, version, ..Profile::default() };
    }
    told
}

/// What an id said last about what it must not eat, with the time; `None` where it never said anything.
pub(super) fn dietary(connection: &Connection, member: &str) -> Result<Option<(i64, Vec<String>)>> {
    #[derive(Deserialize)]
    struct Body {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        dietary: Option<Vec<String>>,
    }
    let mut query = connection.prepare_cached(
        "SELECT coalesce(corrected_ms, time_ms), body FROM event WHERE visitor = ?1 AND type = ?2 AND erased = 0",
    )?;
    let rows =
        query.query_map(params![member, kinds::CONSENT_CHANGED], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    let mut last = None;
    for row in rows {
        let (at_ms, body) = row?;
        // An event of another shape says nothing about it.
        let said = serde_json::from_str::<Body>(&body).ok().and_then(|body| body.data.dietary);
        last = said.map(|dietary| (at_ms, dietary)).into_iter().chain(last).max();
    }
    Ok(last)
}

/// Whether an order of that visitor is being made.
pub(crate) fn has_open_order(connection: &Connection, survivor: &str, order: &str) -> Result<bool> {
    let mut query = connection.prepare_cached(
        "SELECT 1 FROM visit_order o JOIN visit t ON t.id = o.visit JOIN visitor v ON v.id = t.visitor
         WHERE o.ord = ?1 AND v.survivor = ?2 AND o.state NOT IN ('collected', 'cancelled')",
    )?;
    Ok(query.exists([order, survivor])?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cem_contract::{Feedback, UsualItem};

    fn all(consent: Consent) -> Profile {
        Profile {
            visitor: "v_1".into(),
            display_name: Some("Jane".into()),
            language: Some("en".into()),
            phone_ending: Some("17".into()),
            dietary: vec!["nuts".into()],
            segments: vec!["regular".into()],
            points: 412,
            usual: vec![UsualItem { sku: "tea".into(), quantity: 1, modifiers: Vec::new() }],
            offers: vec!["offer".into()],
            referral: Some("JANE".into()),
            visits: 9,
            first_seen: Some("2026-11-01T10:00:00Z".into()),
            last_feedback: Some(Feedback::default()),
            version: 7,
            consent,
            ..Profile::default()
        }
    }

    /// One row a thing, one column a level: none, service, personal, marketing.
    #[test]
    fn each_level_tells_what_its_row_says_and_nothing_else() {
        type Told = fn(&Profile) -> bool;
        let table: [(&str, Told, [bool; 4]); 10] = [
            ("name", |p| p.display_name.is_some(), [false, true, true, true]),
            ("language", |p| p.language.is_some(), [false, true, true, true]),
            ("balance", |p| p.points != 0, [false, true, true, true]),
            ("dietary", |p| !p.dietary.is_empty(), [false, true, true, true]),
            ("telephone", |p| p.phone_ending.is_some(), [false, true, true, true]),
            ("history", |p| p.visits > 0 || p.first_seen.is_some() || p.last_feedback.is_some(), [false, false, true, true]),
            ("usual", |p| !p.usual.is_empty(), [false, false, true, true]),
            ("offers", |p| !p.offers.is_empty(), [false, false, true, true]),
            ("recommendations", |p| !p.segments.is_empty(), [false, false, true, true]),
            ("referral", |p| p.referral.is_some(), [false, false, false, true]),
        ];
        let levels = [Consent::None, Consent::Service, Consent::Personal, Consent::Marketing];
        for (thing, told, columns) in table {
            for (level, wanted) in levels.into_iter().zip(columns) {
                assert_eq!(told(&of(all(level))), wanted, "{thing} at {level:?}");
            }
        }
        assert_eq!((of(all(Consent::None)).version, of(all(Consent::None)).visitor.as_str()), (7, "v_1"));
    }
}
