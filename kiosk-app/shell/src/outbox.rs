//! The journal that a shop uses: edge-db's outbox, with a bound on every wait.

use crate::journal::{Journal, JournalError, Wait};
use edge_db::{Class, Commit, Outbox, Refused, Ticket, WriteError};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// A disk that does not answer for so long is not coming back to this process.
const COMMIT_WAIT: Duration = Duration::from_secs(20);
/// Commits handed over whose end nobody has looked at; beyond it the oldest is waited for.
const UNSEEN: usize = 256;
/// How often a full queue is tried again where the caller does not wait for the disk itself.
const BUSY_TRIES: usize = 64;

/// Commits into an [`Outbox`]. Cheap to make: several engines may share one outbox, and then share its fsyncs.
#[derive(Debug)]
pub struct OutboxJournal {
    outbox: Arc<Outbox>,
    unseen: VecDeque<(Class, Ticket)>,
}

impl OutboxJournal {
    /// A journal over an open outbox.
    pub fn new(outbox: Arc<Outbox>) -> Self {
        Self { outbox, unseen: VecDeque::new() }
    }

    /// Hands a commit over. A queue that is full of this journal's own commits is waited for; one that others fill is not.
    fn submit(&mut self, commit: Commit) -> Result<Ticket, JournalError> {
        for _ in 0..BUSY_TRIES {
            match self.outbox.submit(commit.clone()) {
                Err(Refused::Busy { .. }) if !self.unseen.is_empty() => self.see_oldest()?,
                other => return other.map_err(refused),
            }
        }
        self.outbox.submit(commit).map_err(refused)
    }

    /// Waits for the oldest commit that nobody has looked at. Only a dead disk matters by now: its caller has gone on.
    fn see_oldest(&mut self) -> Result<(), JournalError> {
        let Some((class, ticket)) = self.unseen.pop_front() else { return Ok(()) };
        match wait(&ticket) {
            Err(JournalError::Dead(why)) => Err(JournalError::Dead(why)),
            Err(error) if class == Class::Telemetry => {
                tracing::warn!(%error, "telemetry was not recorded");
                Ok(())
            }
            Err(error) => Err(JournalError::Dead(format!("a record that was not waited for: {error}"))),
            Ok(()) => Ok(()),
        }
    }
}

impl Journal for OutboxJournal {
    fn commit(&mut self, commit: Commit, how: Wait) -> Result<(), JournalError> {
        let class = commit.class;
        let ticket = self.submit(commit)?;
        if how == Wait::Later {
            self.unseen.push_back((class, ticket));
            return if self.unseen.len() > UNSEEN { self.see_oldest() } else { Ok(()) };
        }
        wait(&ticket)
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        while !self.unseen.is_empty() {
            self.see_oldest()?;
        }
        Ok(())
    }
}

fn wait(ticket: &Ticket) -> Result<(), JournalError> {
    match ticket.wait_timeout(COMMIT_WAIT) {
        Some(Ok(_)) => Ok(()),
        Some(Err(error)) => Err(failed(error)),
        None => Err(JournalError::Dead(format!("the disk did not answer within {} s", COMMIT_WAIT.as_secs()))),
    }
}

fn refused(error: Refused) -> JournalError {
    let why = error.to_string();
    match error {
        Refused::Busy { .. } | Refused::Full { .. } => JournalError::NotNow(why),
        Refused::Invalid { .. } | Refused::TooLarge { .. } => JournalError::Invalid(why),
        Refused::Poisoned { .. } | Refused::Closed => JournalError::Dead(why),
    }
}

fn failed(error: WriteError) -> JournalError {
    let why = error.to_string();
    match error {
        WriteError::Full { .. } | WriteError::Busy => JournalError::NotNow(why),
        WriteError::Conflict { .. } => JournalError::Conflict(why),
        WriteError::NotWritten { .. } | WriteError::Unknown { .. } => JournalError::Dead(why),
    }
}
