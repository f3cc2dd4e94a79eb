//! Gift cards, for the kiosk: its question goes to the backend under the kiosk's key, and the answer back. Nothing is kept here:
//! what is not answered is asked again by the kiosk with the same key. Codes pass through and are never logged.

use std::time::Duration;

use cem_contract::Problem;
use cem_contract::gift::{GONE, GiftAmount, GiftCard, GiftHold, GiftMoved, GiftSaid, GiftWant, KEY_HEADER, NO_CODE, UNKNOWN};
use edge_db::link::Answer;
use serde::Serialize;
use tracing::warn;
use uuid::Uuid;

use crate::http::{self, Client};
use crate::visitors::escape;

/// A guest stands there and waits; the kiosk counts six seconds.
const BUDGET: Duration = Duration::from_millis(4_500);

/// Asks the backend about gift cards.
#[derive(Clone)]
pub struct Gifts {
    client: Client,
}

impl Gifts {
    /// With this device's client.
    #[must_use]
    pub fn new(client: Client) -> Gifts {
        Gifts { client }
    }

    /// Answers the kiosk.
    pub async fn answer(&self, key: Uuid, want: GiftWant) -> Answer {
        let key = key.to_string();
        let answer = match want {
            GiftWant::Look { code } => {
                let path = format!("v1/gift-cards/{}", escape(&code));
                let answer = self.client.get(&path, Some(BUDGET)).await.ok();
                return said(answer, |body| {
                    serde_json::from_slice(body).ok().map(|card: GiftCard| GiftSaid::Balance(card.balance))
                });
            }
            GiftWant::Hold { code, amount } => self.post(&key, &code, "holds", &GiftAmount { amount, order: None }).await,
            GiftWant::Capture => self.post(&key, NO_CODE, "captures", &GiftHold { hold: key.clone(), amount: None }).await,
            GiftWant::Release => self.post(&key, NO_CODE, "releases", &GiftHold { hold: key.clone(), amount: None }).await,
            GiftWant::Refund { hold, amount } => {
                self.post(&key, NO_CODE, "refunds", &GiftHold { hold, amount: Some(amount) }).await
            }
        };
        said(answer, |body| serde_json::from_slice(body).ok().map(|moved: GiftMoved| GiftSaid::Moved(moved.state)))
    }

    async fn post(&self, key: &str, code: &str, what: &str, body: &impl Serialize) -> Option<http::Answer> {
        let body = serde_json::to_vec(body).ok()?;
        let path = format!("v1/gift-cards/{}/{what}", escape(code));
        self.client.keyed(KEY_HEADER, key, &path, body, BUDGET).await.ok()
    }
}

/// Only what the backend says of gift cards settles anything; whatever else comes back leaves it open.
fn said(answer: Option<http::Answer>, of: impl FnOnce(&[u8]) -> Option<GiftSaid>) -> Answer {
    let Some(answer) = answer else { return Answer::Unavailable };
    let said = match answer.status {
        200 => of(&answer.body),
        404 | 409 | 429 => {
            let kind = serde_json::from_slice::<Problem>(&answer.body).map(|problem| problem.kind).unwrap_or_default();
            // A page of somebody else's says nothing about money.
            kind.starts_with("urn:cem:problem:gift-").then_some(GiftSaid::Refused(kind))
        }
        _ => None,
    };
    match said {
        Some(said) => {
            if let GiftSaid::Refused(kind) = &said
                && matches!(kind.as_str(), GONE | UNKNOWN)
            {
                warn!(kind, "the backend refused something about a gift card");
            }
            Answer::Gift { said }
        }
        None => {
            warn!(status = answer.status, "no usable answer about a gift card");
            Answer::Unavailable
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(status: u16, body: &str) -> Answer {
        let headers = reqwest::header::HeaderMap::new();
        let answer = http::Answer { status, headers, body: body.as_bytes().to_vec().into(), round_trip_ms: 1 };
        said(Some(answer), |body| serde_json::from_slice(body).ok().map(|moved: GiftMoved| GiftSaid::Moved(moved.state)))
    }

    #[test]
    fn only_the_backends_own_words_settle_anything() {
        assert_eq!(of(200, r#"{"state":"held"}"#), Answer::Gift { said: GiftSaid::Moved("held".into()) });
        let gone = format!(r#"{{"type":"{GONE}","title":"Gone","status":409}}"#);
        assert_eq!(of(409, &gone), Answer::Gift { said: GiftSaid::Refused(GONE.into()) });
        for (status, body) in [(200, "<html>log in</html>"), (404, "not here"), (409, "{}"), (503, &gone), (302, "")] {
            assert_eq!(of(status, body), Answer::Unavailable, "{status} {body}");
        }
    }
}
