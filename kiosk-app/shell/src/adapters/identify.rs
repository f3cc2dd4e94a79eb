//! The thread `identify`: whose card is this? The agent is asked within the look-up's budget, then the visitor cache that
//! the agent keeps on disk; what neither can say leaves the guest anonymous.

use super::Wires;
use crate::{
    guest::{Found, LookUp},
    supervise::supervised,
};
use kiosk_core::DeviceEvent;
use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread::JoinHandle,
    time::Duration,
};

/// Look-ups that wait; nobody taps faster.
const QUEUE: usize = 4;
/// How often the thread looks whether it shall end.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What the agent says of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// The JSON text of the signed envelope.
    Profile(String),
    /// The backend knows nobody by it.
    Unknown,
    /// The backend cannot be asked now.
    Unavailable,
}

/// The agent, as little of it as is needed.
pub(crate) trait AgentSide: Send {
    /// Asks the agent, who asks the backend, within the budget.
    fn resolve(&mut self, token: &str) -> Resolved;
    /// Looks into the agent's visitor cache on disk.
    fn cached(&mut self, token: &str) -> Option<String>;
}

/// The shell's end.
pub(crate) struct IdentifyHand(SyncSender<String>);

impl IdentifyHand {
    /// Hands a look-up over; one that finds too many waiting is left out, and that guest stays anonymous.
    pub(crate) fn identify(&self, token: String) {
        if self.0.try_send(token).is_err() {
            tracing::warn!("too many look-ups wait; one was left out");
        }
    }
}

/// Starts the thread.
pub(crate) fn start(agent: Box<dyn AgentSide>, look_up: LookUp, wires: Wires) -> std::io::Result<(IdentifyHand, JoinHandle<()>)> {
    let (tokens, queue) = sync_channel(QUEUE);
    let stopping = wires.stopping.clone();
    let mut worker = Worker { agent, look_up, wires, queue };
    // A look-up that panics has no answer; the core's budget ends it.
    let thread = supervised("identify", stopping, || {}, move || worker.run())?;
    Ok((IdentifyHand(tokens), thread))
}

struct Worker {
    agent: Box<dyn AgentSide>,
    look_up: LookUp,
    wires: Wires,
    queue: Receiver<String>,
}

impl Worker {
    fn run(&mut self) {
        while !self.wires.stopping.is_stopped() {
            match self.queue.recv_timeout(LOOK_EVERY) {
                Ok(token) => self.identify(token),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// 'Nobody knows this card' is said only where the backend said so. Where it could not be asked and the cache does not
    /// know the card, nothing is said, and the core goes on anonymously when its budget is spent: a guest who is known
    /// elsewhere must not be told that they are not.
    fn identify(&mut self, token: String) {
        let guest = match self.agent.resolve(&token) {
            Resolved::Unknown => Some(None),
            Resolved::Profile(envelope) => self.look_up.fresh(&envelope, &token).or_else(|| self.look_into_cache(&token)),
            Resolved::Unavailable => self.look_into_cache(&token),
        };
        if let Some(guest) = guest {
            self.wires.send(DeviceEvent::Identified { token, guest });
        }
    }

    fn look_into_cache(&mut self, token: &str) -> Found {
        let envelope = self.agent.cached(token)?;
        self.look_up.stored(&envelope, token)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{adapters::test_wires, guest::test_profile};

    struct Fake {
        says: Resolved,
        cache: Option<String>,
    }
    impl AgentSide for Fake {
        fn resolve(&mut self, _: &str) -> Resolved {
            self.says.clone()
        }
        fn cached(&mut self, _: &str) -> Option<String> {
            self.cache.clone()
        }
    }

    /// What the loop hears after a tap.
    fn heard(says: Resolved, cache: Option<String>) -> Option<DeviceEvent> {
        let (_, token, look_up) = test_profile();
        let (wires, heard) = test_wires();
        let (hand, thread) = start(Box::new(Fake { says, cache }), look_up, wires).unwrap();
        hand.identify(token);
        drop(hand);
        thread.join().unwrap();
        heard.next_event()
    }

    fn name(event: Option<DeviceEvent>) -> Option<String> {
        match event {
            Some(DeviceEvent::Identified { guest, .. }) => guest.map(|guest| guest.display_name),
            _ => None,
        }
    }

    #[test]
    fn a_guest_is_known_by_the_agent_or_by_its_cache() {
        let (envelope, _, _) = test_profile();
        assert_eq!(name(heard(Resolved::Profile(envelope.clone()), None)).as_deref(), Some("Jane"));
        assert_eq!(name(heard(Resolved::Unavailable, Some(envelope.clone()))).as_deref(), Some("Jane"));
        assert_eq!(name(heard(Resolved::Profile("{}".into()), Some(envelope))).as_deref(), Some("Jane"));
    }

    #[test]
    fn only_the_backend_can_say_that_a_card_is_unknown() {
        assert!(matches!(heard(Resolved::Unknown, None), Some(DeviceEvent::Identified { guest: None, .. })));
        assert_eq!(heard(Resolved::Unavailable, None), None, "a stranger stays anonymous, and nobody says so");
        assert_eq!(heard(Resolved::Profile("{}".into()), None), None, "a forged profile says nothing");
    }
}
