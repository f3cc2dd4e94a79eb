//! What staff want done about guests' cards, on the thread `desk`: the backend is asked, or the reader is told to make some.

use crate::issue::{AgentOffice, Bench, CardOffice, Job, NoOffice, block, holders};
use kiosk_core::desk::{CardAnswer, CardErrand};
use std::path::Path;

/// Guests' cards as far as this kiosk can do anything about them.
pub(crate) struct CardDesk {
    office: Box<dyn CardOffice>,
    /// Where the reader looks what it shall make; `None` where this kiosk makes no cards.
    bench: Option<Bench>,
}

impl CardDesk {
    /// Through the agent at this socket.
    pub(crate) fn new(ask: &Path, bench: Option<Bench>) -> Self {
        Self { office: Box::new(AgentOffice::new(ask)), bench }
    }

    /// Does it. [`CardErrand::Stop`] has no answer.
    pub(crate) fn run(&mut self, staff: &str, errand: CardErrand) -> Option<CardAnswer> {
        let answer = match errand {
            CardErrand::Find(text) => holders(&mut *self.office, staff, &text).map(CardAnswer::Found),
            CardErrand::Block(visitor) => block(&mut *self.office, staff, &visitor).map(CardAnswer::Blocked),
            CardErrand::Make { visitor, replaces, count } => {
                let Some(bench) = &self.bench else { return Some(CardAnswer::NotHere) };
                bench.put(Some(Job::new(staff.to_owned(), visitor, replaces, count)));
                Ok(CardAnswer::Ready)
            }
            CardErrand::Stop => {
                self.stop();
                return None;
            }
        };
        Some(answer.unwrap_or_else(|why| match why {
            NoOffice::Away => CardAnswer::Away,
            NoOffice::Refused(why) => {
                tracing::warn!(why, "the backend refused something about cards");
                CardAnswer::Refused
            }
        }))
    }

    /// The reader reads guests' cards again.
    pub(crate) fn stop(&self) {
        if let Some(bench) = &self.bench {
            bench.put(None);
        }
    }
}
