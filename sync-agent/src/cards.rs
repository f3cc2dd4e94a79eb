//! Guests' cards, on the device's side: what staff want of the backend about them, and which cards are refused.
//!
//! Who asks has signed in at the kiosk, which has checked them; this process holds the device's key and proves it to the
//! backend. Keys of cards pass through it to the kiosk and are not kept. Numbers, keys and names are never logged.

use std::time::Duration;

use cem_contract::cards::{CardBound, CardIssued, CardKeys, CardSaid, CardWant, CardsBlocked, Holder};
use cem_contract::{Page, Problem, Profile};
use edge_db::link::Answer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use crate::http::{self, Client};
use crate::staff::Staff;
use crate::store::Store;
use crate::visitors::escape;

/// Somebody stands at the counter and waits.
const BUDGET: Duration = Duration::from_secs(4);
/// People that are shown of those who fit.
const FOUND: usize = 20;
/// Pages of blocked cards; more than that no company loses.
const PAGES: usize = 2_000;

/// Asks the backend about cards. Clones share it.
#[derive(Clone)]
pub struct Cards {
    client: Client,
    store: Store,
    staff: Staff,
}

impl Cards {
    /// For this device.
    #[must_use]
    pub fn new(client: Client, store: Store, staff: Staff) -> Cards {
        Cards { client, store, staff }
    }

    /// Answers the kiosk.
    pub async fn answer(&self, staff: String, want: CardWant) -> Answer {
        let proof = self.staff.clone();
        let header = match tokio::task::spawn_blocking(move || proof.assert(&staff)).await {
            Ok(Answer::Assertion { header, .. }) => header,
            Ok(refused) => return refused,
            Err(_) => return Answer::Unavailable,
        };
        match want {
            CardWant::Keys(request) => {
                said(self.post(&header, "v1/cards/keys", &request).await, |keys: CardKeys| CardSaid::Keys(keys))
            }
            CardWant::Issued(issued) => self.issued(&header, &issued).await,
            CardWant::Block { visitor } => {
                let path = format!("v1/visitors/{}/cards/block", escape(&visitor));
                said(self.post(&header, &path, &serde_json::json!({})).await, |done: CardsBlocked| CardSaid::Blocked(done))
            }
            CardWant::Find { query } => {
                let path = format!("v1/visitors?limit={FOUND}&query={}", escape(&query));
                let answer = self.client.as_staff(&header, &path, None, BUDGET).await;
                said(answer.ok(), |page: Page<Profile>| CardSaid::Found(page.items.into_iter().map(holder).collect()))
            }
        }
    }

    async fn issued(&self, header: &str, issued: &CardIssued) -> Answer {
        said(self.post(header, "v1/cards", issued).await, |bound: CardBound| CardSaid::Bound(bound))
    }

    async fn post(&self, header: &str, path: &str, body: &impl Serialize) -> Option<http::Answer> {
        let body = serde_json::to_vec(body).ok()?;
        self.client.as_staff(header, path, Some(body), BUDGET).await.ok()
    }

    /// One more card is refused from now on.
    ///
    /// # Errors
    /// When the agent's file fails.
    pub async fn block(&self, token: &str) -> anyhow::Result<()> {
        let (store, token) = (self.store.clone(), token.to_owned());
        Ok(tokio::task::spawn_blocking(move || store.raw().block_cards(&[token])).await??)
    }

    /// Fetches all blocked cards. False without a whole answer: then those known stay blocked.
    ///
    /// # Errors
    /// When the agent's file fails.
    pub async fn refresh(&self) -> anyhow::Result<bool> {
        let mut tokens: Vec<String> = Vec::new();
        let mut after = String::new();
        for _ in 0..PAGES {
            let path = format!("v1/cards/blocked?limit=500&after={}", escape(&after));
            let Ok(answer) = self.client.get(&path, None).await else { return Ok(false) };
            let page = match serde_json::from_slice::<Page<String>>(&answer.body) {
                Ok(page) if answer.status == 200 => page,
                _ => return Ok(false),
            };
            tokens.extend(page.items);
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || store.raw().set_blocked_cards(&tokens)).await??;
        Ok(true)
    }
}

fn holder(profile: Profile) -> Holder {
    Holder {
        visitor: profile.visitor,
        name: profile.display_name.unwrap_or_default(),
        phone_ending: profile.phone_ending.unwrap_or_default(),
        points: profile.points,
    }
}

/// What the backend answered; its own words where it refused.
fn said<T: DeserializeOwned>(answer: Option<http::Answer>, of: impl FnOnce(T) -> CardSaid) -> Answer {
    let Some(answer) = answer else { return Answer::Unavailable };
    match answer.status {
        200..=299 => match serde_json::from_slice(&answer.body) {
            Ok(body) => Answer::Cards { said: Box::new(of(body)) },
            Err(_) => Answer::Unavailable,
        },
        400..=499 => match serde_json::from_slice::<Problem>(&answer.body) {
            Ok(problem) => {
                let why = problem.detail.unwrap_or_default();
                warn!(status = answer.status, why, "the backend refused something about cards");
                Answer::Refused { why }
            }
            Err(_) => Answer::Unavailable,
        },
        _ => Answer::Unavailable,
    }
}
