//! What a card proves. Runs where the reader is heard; the number does not leave this file.
//!
//! - An NTAG 424 DNA: its message is checked by the card's own key, which the visitor cache holds of the store's guests; the
//!   counter is on disk before anything is believed. Where the key is not there, the message goes with the look-up
//!   ([`Handed`]): the backend checks it and sends the key, and the message is then checked here by it.
//! - A telephone with the shop's application signs a challenge.
//! - Anything else says a number, which can be copied: low assurance.

use crate::{
    cards::CardPolicy,
    pseudonym::{NoPseudonym, Pseudonyms},
};
use card_auth::{Key, SunMessage, TagKind, ev2, hce, ntag424::KeyNo, sun::SunError};
use edge_db::Outbox;
use kiosk_core::{
    DeviceEvent,
    device::{Assurance, CardRefusal, Method},
};
use kiosk_devices::{Tag, TagReader, reader};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// One exchange with a card: a guest does not hold it for longer.
const EXCHANGE: Duration = Duration::from_millis(700);
/// Taps whose look-up has not begun.
const HANDED: usize = 8;

/// Where the keys of single cards are found.
pub(crate) trait CardKeys: Send {
    /// The file key of the card with this pseudonym.
    fn file_key(&mut self, token: &str) -> Option<Key>;
    /// True where the card of these names was reported lost.
    fn is_blocked(&mut self, tokens: &[String]) -> bool;
}

/// A kiosk without an agent has no cache.
pub(crate) struct NoKeys;

impl CardKeys for NoKeys {
    fn file_key(&mut self, _: &str) -> Option<Key> {
        None
    }

    fn is_blocked(&mut self, _: &[String]) -> bool {
        false
    }
}

/// Remembers counters.
pub(crate) trait TapCounters: Send + Sync {
    /// True if the counter is new and now on disk; `None` if the disk does not take it.
    fn take(&self, token: &str, counter: u32) -> Option<bool>;
}

impl TapCounters for Outbox {
    fn take(&self, token: &str, counter: u32) -> Option<bool> {
        self.take_tap(token, counter).inspect_err(|error| tracing::error!(%error, "a tap cannot be remembered")).ok()
    }
}

/// A tap on its way to the look-up.
#[derive(Clone)]
pub(crate) struct Tap {
    pub(crate) assurance: Assurance,
    /// Not yet checked: the card's key is missing.
    pub(crate) message: Option<String>,
    /// What the card is called under the tenant's older keys.
    pub(crate) older: Vec<String>,
}

impl Default for Tap {
    /// Proves nothing.
    fn default() -> Self {
        Self { assurance: Assurance::Low, message: None, older: Vec::new() }
    }
}

/// Taps from the reader's thread to the one that looks up, by token.
#[derive(Clone, Default)]
pub(crate) struct Handed(Arc<Mutex<VecDeque<(String, Tap)>>>);

impl Handed {
    pub(crate) fn put(&self, token: &str, tap: Tap) {
        let mut taps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taps.retain(|(known, _)| known != token);
        taps.push_back((token.to_owned(), tap));
        if taps.len() > HANDED {
            taps.pop_front();
        }
    }

    /// The tap of that token. One that nobody handed over proves nothing.
    pub(crate) fn of(&self, token: &str) -> Tap {
        let taps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = taps.iter().find(|(known, _)| known == token).map(|(_, tap)| tap.clone());
        found.unwrap_or_default()
    }
}

/// Checks cards.
pub(crate) struct Verifier {
    pub(crate) pseudonyms: Pseudonyms,
    pub(crate) policy: CardPolicy,
    pub(crate) keys: Box<dyn CardKeys>,
    pub(crate) counters: Arc<dyn TapCounters>,
    pub(crate) handed: Handed,
}

impl Verifier {
    /// What the core is told of a card; `None` where it left too soon, or this kiosk has no key yet.
    pub(crate) fn see(&mut self, tag: &Tag, reader: &mut dyn TagReader) -> Option<DeviceEvent> {
        match tag.kind {
            reader::TagKind::Ntag424 => self.message(tag, reader).unwrap_or_else(|| self.number(tag)),
            reader::TagKind::Hce => self.telephone(tag, reader),
            reader::TagKind::Uid => self.number(tag),
        }
    }

    /// `None`: not a message of ours, so that only the number is left.
    fn message(&mut self, tag: &Tag, reader: &mut dyn TagReader) -> Option<Option<DeviceEvent>> {
        let picc_key = self.pseudonyms.picc()?;
        let url = tag.url.as_deref()?;
        let message = SunMessage::from_url(url).ok()?;
        let claimed = message.claimed(&picc_key).ok()?;
        if claimed.uid != tag.uid.bytes() {
            return Some(Some(DeviceEvent::CardRefused(CardRefusal::NotGenuine)));
        }
        let names = self.names(TagKind::Ntag424, &claimed.uid).ok()?;
        if self.keys.is_blocked(&names.all) {
            return Some(Some(DeviceEvent::CardRefused(CardRefusal::Blocked)));
        }
        let (token, older) = names.split();
        let known = std::iter::once(&token).chain(&older).find_map(|name| self.keys.file_key(name));
        let Some(key) = known else {
            self.handed.put(&token, Tap { assurance: Assurance::Low, message: Some(url.to_owned()), older });
            return Some(Some(seen(token, Method::Ntag424, Assurance::Low, Some(claimed.counter))));
        };
        if self.policy.session {
            match prove(&key, reader) {
                Proof::Given => {}
                Proof::Denied => return Some(Some(DeviceEvent::CardRefused(CardRefusal::NotGenuine))),
                Proof::Gone => return Some(None),
            }
        }
        let event = match check(&message, &picc_key, &key, (&token, &older), &*self.counters) {
            Ok(counter) => {
                self.handed.put(&token, Tap { assurance: Assurance::High, message: None, older });
                seen(token, Method::Ntag424, Assurance::High, Some(counter))
            }
            Err(refusal) => DeviceEvent::CardRefused(refusal),
        };
        Some(Some(event))
    }

    fn telephone(&mut self, tag: &Tag, reader: &mut dyn TagReader) -> Option<DeviceEvent> {
        let refused = Some(DeviceEvent::CardRefused(CardRefusal::NotGenuine));
        let Some(identity) = hce::identity(&tag.data) else { return refused };
        let challenge = random()?;
        let response = reader.exchange(&hce::challenge_apdu(&challenge), EXCHANGE).ok()?;
        if !hce::is_proof(&identity, &challenge, &response) {
            return refused;
        }
        let names = self.names(TagKind::Hce, &identity).ok()?;
        Some(self.seen_without_message(names, Method::Hce, Assurance::High))
    }

    /// A number that a card says of itself.
    fn number(&mut self, tag: &Tag) -> Option<DeviceEvent> {
        if tag.uid.is_random() {
            return Some(DeviceEvent::CardRefused(CardRefusal::RandomNumber));
        }
        if tag.uid.bytes().len() == 4 && !self.policy.four_byte {
            return Some(DeviceEvent::CardRefused(CardRefusal::NotTaken));
        }
        match self.names(TagKind::Uid, tag.uid.bytes()) {
            Ok(names) => Some(self.seen_without_message(names, Method::Uid, Assurance::Low)),
            Err(NoPseudonym::Refused) => Some(DeviceEvent::CardRefused(CardRefusal::NotTaken)),
            Err(NoPseudonym::NoKey) => None,
        }
    }

    /// What proves itself otherwise, or not at all.
    fn seen_without_message(&mut self, names: Names, method: Method, assurance: Assurance) -> DeviceEvent {
        if self.keys.is_blocked(&names.all) {
            return DeviceEvent::CardRefused(CardRefusal::Blocked);
        }
        let (token, older) = names.split();
        self.handed.put(&token, Tap { assurance, message: None, older });
        seen(token, method, assurance, None)
    }

    /// What a card is called under each of the tenant's keys.
    fn names(&self, kind: TagKind, id: &[u8]) -> Result<Names, NoPseudonym> {
        Ok(Names { all: self.pseudonyms.of(kind, id)? })
    }
}

/// The names of one card, the one to go by first; never empty.
struct Names {
    all: Vec<String>,
}

impl Names {
    fn split(self) -> (String, Vec<String>) {
        let mut all = self.all.into_iter();
        (all.next().unwrap_or_default(), all.collect())
    }
}

/// Checks a message by the card's key and takes its counter, which is on disk before this returns. The counter must be new
/// under each of the card's names: a change of the tenant's key gives nobody a second use of a message.
pub(crate) fn check(
    message: &SunMessage,
    picc_key: &Key,
    key: &Key,
    (token, older): (&str, &[String]),
    counters: &dyn TapCounters,
) -> Result<u32, CardRefusal> {
    let proven = message.verify(picc_key, key).map_err(|error: SunError| {
        tracing::warn!(%error, "a card was refused");
        CardRefusal::NotGenuine
    })?;
    for name in std::iter::once(token).chain(older.iter().map(String::as_str)) {
        match counters.take(name, proven.card.counter) {
            Some(true) => {}
            Some(false) => {
                tracing::warn!("a card was refused: its message was used before");
                return Err(CardRefusal::NotGenuine);
            }
            None => return Err(CardRefusal::NotGenuine),
        }
    }
    Ok(proven.card.counter)
}

fn seen(token: String, method: Method, assurance: Assurance, counter: Option<u32>) -> DeviceEvent {
    DeviceEvent::CardSeen { token, method, assurance, counter }
}

enum Proof {
    Given,
    Denied,
    Gone,
}

/// Mutual authentication under the card's file key; the key stays here, the commands go through the reader's process.
fn prove(key: &Key, reader: &mut dyn TagReader) -> Proof {
    let Some(random) = random() else { return Proof::Gone };
    let Ok(challenge) = reader.exchange(&ev2::first_apdu(KeyNo::File as u8), EXCHANGE) else { return Proof::Gone };
    let Ok((command, pending)) = ev2::answer(key, random, &challenge) else { return Proof::Denied };
    let Ok(response) = reader.exchange(&command, EXCHANGE) else { return Proof::Gone };
    if pending.finish(&response).is_ok() { Proof::Given } else { Proof::Denied }
}

/// A challenge of the system's random numbers; `None` where it has none.
pub(crate) fn random() -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).inspect_err(|error| tracing::error!(%error, "no random numbers")).ok()?;
    Some(bytes)
}

#[cfg(test)]
pub(crate) mod tests;
