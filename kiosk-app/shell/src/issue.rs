//! Making guests' cards: what lies on the reader is made into one, with keys that the backend gives for this card alone.
//!
//! The keys live in this process while the card lies there, and are wiped with [`card_auth::issue::CardSet`]; the reader's
//! process only relays. A card that is taken away too soon is laid on again, and what is left to do is done: nothing of a
//! half-made card is remembered here.

use crate::pseudonym::Pseudonyms;
use card_auth::{
    Key, TagKind,
    issue::{CardSet, IssueError, personalise},
    ntag424::{Template, Uid7, template},
};
use cem_contract::cards::{CardBound, CardIssued, CardKeysRequest, CardSaid, CardWant, Holder as WireHolder};
use edge_db::link::{Answer, Ask, AskClient};
use kiosk_core::desk::{CardStep, Holder};
use kiosk_devices::{Tag, TagReader, reader};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use zeroize::Zeroize as _;

/// One exchange with a card that is being made.
const EXCHANGE: Duration = Duration::from_millis(900);
/// What the agent may take to ask the backend: somebody waits at the counter.
const ASK_BUDGET: Duration = Duration::from_secs(5);
/// Cards of one batch.
pub(crate) const BATCH_MAX: u16 = 500;

/// Why the backend did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoOffice {
    /// It cannot be reached.
    Away,
    /// It refuses, and says why in a sentence.
    Refused(String),
}

/// The backend as far as cards go, for somebody who has signed in.
pub(crate) trait CardOffice: Send {
    fn ask(&mut self, staff: &str, want: CardWant) -> Result<CardSaid, NoOffice>;
}

/// Through the agent, who proves to the backend who has signed in.
pub(crate) struct AgentOffice(PathBuf);

impl AgentOffice {
    pub(crate) fn new(ask: &Path) -> Self {
        Self(ask.to_owned())
    }
}

impl CardOffice for AgentOffice {
    fn ask(&mut self, staff: &str, want: CardWant) -> Result<CardSaid, NoOffice> {
        let ask = Ask::Cards { staff: staff.to_owned(), want: Box::new(want) };
        match AskClient::new(&self.0).ask(&ask, ASK_BUDGET) {
            Ok(Answer::Cards { said }) => Ok(*said),
            Ok(Answer::Refused { why }) => Err(NoOffice::Refused(why)),
            Ok(_) => Err(NoOffice::Away),
            Err(error) => {
                tracing::warn!(%error, "the agent was not asked about a card");
                Err(NoOffice::Away)
            }
        }
    }
}

/// Who may hold a card: by name, or by the end of a telephone number.
pub(crate) fn holders(office: &mut dyn CardOffice, staff: &str, text: &str) -> Result<Vec<Holder>, NoOffice> {
    match office.ask(staff, CardWant::Find { query: text.to_owned() })? {
        CardSaid::Found(found) => Ok(found.into_iter().map(holder).collect()),
        _ => Err(NoOffice::Away),
    }
}

/// Blocks all cards of somebody; how many.
pub(crate) fn block(office: &mut dyn CardOffice, staff: &str, visitor: &str) -> Result<u32, NoOffice> {
    match office.ask(staff, CardWant::Block { visitor: visitor.to_owned() })? {
        CardSaid::Blocked(done) => Ok(u32::try_from(done.blocked).unwrap_or(u32::MAX)),
        _ => Err(NoOffice::Away),
    }
}

fn holder(wire: WireHolder) -> Holder {
    let WireHolder { visitor, name, phone_ending, points } = wire;
    Holder { visitor, name, phone_ending, points }
}

/// Cards to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// Who makes them.
    pub(crate) staff: String,
    /// Whose they are; `None`: whoever comes.
    pub(crate) visitor: Option<String>,
    /// The holder's other cards are lost.
    pub(crate) replaces: bool,
    /// How many.
    pub(crate) count: u16,
    /// Pseudonyms of those that are made.
    made: BTreeSet<String>,
}

impl Job {
    pub(crate) fn new(staff: String, visitor: Option<String>, replaces: bool, count: u16) -> Self {
        Self { staff, visitor, replaces, count: count.clamp(1, BATCH_MAX), made: BTreeSet::new() }
    }

    fn is_done(&self) -> bool {
        self.made.len() >= usize::from(self.count)
    }
}

/// What the reader has to make, given by the desk.
#[derive(Clone, Default)]
pub(crate) struct Bench(Arc<Mutex<Option<Job>>>);

impl Bench {
    pub(crate) fn put(&self, job: Option<Job>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = job;
    }

    /// What is to be made, `None` where cards are only read.
    pub(crate) fn job(&self) -> Option<Job> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One more is made. How many are; `None` where it was made before, or the desk wants no more.
    fn made(&self, token: &str) -> Option<u16> {
        let mut bench = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let job = bench.as_mut()?;
        if !job.made.insert(token.to_owned()) {
            return None;
        }
        let made = u16::try_from(job.made.len()).unwrap_or(u16::MAX);
        if job.is_done() {
            *bench = None;
        }
        Some(made)
    }
}

/// Makes cards.
pub(crate) struct Issuer {
    pub(crate) office: Box<dyn CardOffice>,
    pub(crate) pseudonyms: Pseudonyms,
    pub(crate) template: Template,
    pub(crate) bench: Bench,
}

/// Host and path that cards lead to, as a template; `None` where they do not fit on a card.
pub(crate) fn address(base: &str) -> Option<Template> {
    template(base)
}

impl Issuer {
    /// Makes a guest card of what lies on the reader, or goes on with one.
    pub(crate) fn make(&mut self, job: &Job, tag: &Tag, reader: &mut dyn TagReader) -> CardStep {
        let uid: Uid7 = match (tag.kind, tag.uid.bytes().try_into()) {
            (reader::TagKind::Ntag424, Ok(uid)) => uid,
            _ => return CardStep::WrongKind,
        };
        let names = self.pseudonyms.of(TagKind::Ntag424, &uid).unwrap_or_default();
        let Some(token) = names.into_iter().next() else { return CardStep::WrongKind };
        let keys = self.office.ask(&job.staff, CardWant::Keys(CardKeysRequest { uid: card_auth::hex::upper(&uid) }));
        let set = match keys {
            Ok(CardSaid::Keys(keys)) => set_of(keys),
            Ok(_) => None,
            Err(why) => return refused(why),
        };
        let Some(set) = set else { return CardStep::NoBackend };
        let mut exchange = |apdu: &[u8]| reader.exchange(apdu, EXCHANGE);
        match personalise(&uid, &set, &self.template, &mut crate::verify::random, &mut exchange) {
            Ok(made) => self.finished(job, token, made.message),
            Err(error) => {
                tracing::info!(%error, "a card is not finished");
                match error {
                    IssueError::Gone(_) => CardStep::TakenAway,
                    IssueError::Foreign => CardStep::Foreign,
                    IssueError::Card(_) | IssueError::ReadBack | IssueError::Random => CardStep::Faulty,
                }
            }
        }
    }

    /// The card is finished; it counts once the backend has it.
    fn finished(&mut self, job: &Job, token: String, message: String) -> CardStep {
        let issued = CardIssued { token: token.clone(), message, visitor: job.visitor.clone(), replaces: job.replaces };
        match self.office.ask(&job.staff, CardWant::Issued(issued)) {
            Ok(CardSaid::Bound(CardBound { blocked, .. })) => match self.bench.made(&token) {
                Some(made) => CardStep::Made { made, of: job.count, blocked: u32::try_from(blocked).unwrap_or(u32::MAX) },
                None => CardStep::MadeBefore,
            },
            Ok(_) => CardStep::NoBackend,
            Err(why) => refused(why),
        }
    }
}

fn refused(why: NoOffice) -> CardStep {
    match why {
        NoOffice::Away => CardStep::NoBackend,
        NoOffice::Refused(why) => {
            tracing::warn!(why, "a card is not issued");
            CardStep::Refused
        }
    }
}

/// The keys as the card takes them; their digits are wiped.
fn set_of(keys: cem_contract::cards::CardKeys) -> Option<CardSet> {
    let parsed: Option<Vec<Key>> = keys.keys.iter().map(|digits| Key::from_hex(digits)).collect();
    for digits in keys.keys {
        digits.into_bytes().as_mut_slice().zeroize();
    }
    CardSet::new(parsed?.try_into().ok()?, keys.version)
}

#[cfg(test)]
mod tests;
