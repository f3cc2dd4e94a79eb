//! The thread `identify`: whose card is this? The agent is asked within the look-up's budget, then the visitor cache that
//! the agent keeps on disk; what neither can say leaves the guest anonymous.

use super::Wires;
use crate::{
    cards::CardPolicy,
    guest::LookUp,
    keys::KeyRing,
    supervise::supervised,
    verify::{Handed, Tap, TapCounters, check},
};
use card_auth::SunMessage;
use kiosk_core::{
    DeviceEvent,
    device::{Assurance, CardRefusal, Guest},
};
use std::{
    sync::Arc,
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
    /// The card was reported lost.
    Blocked,
    /// The code is too old, or was used before.
    CodeRefused,
    /// The backend cannot be asked now.
    Unavailable,
}

/// The agent, as little of it as is needed.
pub(crate) trait AgentSide: Send {
    /// Asks the agent, who asks the backend, within the budget.
    /// The card's message goes with it where it could not be checked here, and its names under older keys.
    fn resolve(&mut self, token: &str, tap: &Tap) -> Resolved;
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
pub(crate) fn start(asking: Asking, wires: Wires) -> std::io::Result<(IdentifyHand, JoinHandle<()>)> {
    let (tokens, queue) = sync_channel(QUEUE);
    let stopping = wires.stopping.clone();
    let mut worker = Worker { asking, wires, queue };
    // A look-up that panics has no answer; the core's budget ends it.
    let thread = supervised("identify", stopping, || {}, move || worker.run())?;
    Ok((IdentifyHand(tokens), thread))
}

/// What a look-up needs.
pub(crate) struct Asking {
    pub(crate) agent: Box<dyn AgentSide>,
    pub(crate) look_up: LookUp,
    pub(crate) policy: CardPolicy,
    pub(crate) keys: KeyRing,
    pub(crate) counters: Arc<dyn TapCounters>,
    pub(crate) handed: Handed,
}

/// How a look-up ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Who it is, and how far that is proven. `None`: nobody is known by this card.
    Known(Option<Guest>, Assurance),
    /// The card is not genuine.
    Refused(CardRefusal),
    /// Nobody can say.
    Unsaid,
}

impl Asking {
    /// Looks up, and checks the card where that was not possible before.
    ///
    /// 'Nobody knows this card' is said only where the backend said so. Where it could not be asked and the cache does not
    /// know the card, nothing is said, and the core goes on anonymously when its budget is spent: a guest who is known
    /// elsewhere must not be told that they are not.
    pub(crate) fn settle(&mut self, token: &str) -> Settled {
        let tap = self.handed.of(token);
        let (found, envelope) = match self.agent.resolve(token, &tap) {
            Resolved::Blocked => return Settled::Refused(CardRefusal::Blocked),
            Resolved::CodeRefused => return Settled::Refused(CardRefusal::Code),
            Resolved::Unknown => return Settled::Known(None, tap.assurance),
            Resolved::Profile(envelope) => (self.look_up.fresh(&envelope, token), Some(envelope)),
            Resolved::Unavailable => (None, None),
        };
        let (found, envelope) = match (found, envelope) {
            (Some(found), Some(envelope)) => (found, envelope),
            _ => {
                let Some(envelope) = self.agent.cached(token) else { return Settled::Unsaid };
                let Some(found) = self.look_up.stored(&envelope, token) else { return Settled::Unsaid };
                (found, envelope)
            }
        };
        let assurance = match tap.message.as_ref().and_then(|message| self.proven(message, &envelope, token, &tap.older)) {
            Some(Err(refusal)) => return Settled::Refused(refusal),
            // A message can be copied before it is used. Where mutual authentication is asked for, it comes at the next tap:
            // the card's key is here from now on.
            Some(Ok(())) if self.policy.session => Assurance::Low,
            Some(Ok(())) => Assurance::High,
            None => tap.assurance,
        };
        Settled::Known(found.and_then(|guest| self.policy.allowed(guest, assurance)), assurance)
    }

    /// Whether the message is genuine; `None` where the profile brings no key for it.
    fn proven(&mut self, message: &str, envelope: &str, token: &str, older: &[String]) -> Option<Result<(), CardRefusal>> {
        let picc_key = self.keys.now().picc.clone()?;
        let key = self.look_up.card_key(envelope, token)?;
        let message = SunMessage::from_url(message).ok()?;
        Some(check(&message, &picc_key, &key, (token, older), &*self.counters).map(drop))
    }
}

struct Worker {
    asking: Asking,
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

    fn identify(&mut self, token: String) {
        match self.asking.settle(&token) {
            Settled::Known(guest, assurance) => {
                self.wires.send(DeviceEvent::Identified { token, guest, proven: assurance == Assurance::High });
            }
            // The look-up has no answer; the core's budget ends it.
            Settled::Refused(refusal) => self.wires.send(DeviceEvent::CardRefused(refusal)),
            Settled::Unsaid => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{adapters::test_wires, guest::test_profile, verify::tests::Memory};

    struct Fake {
        says: Resolved,
        cache: Option<String>,
    }
    impl AgentSide for Fake {
        fn resolve(&mut self, _: &str, _: &Tap) -> Resolved {
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
        let handed = Handed::default();
        handed.put(&token, Tap { assurance: Assurance::High, message: None, older: Vec::new() });
        let counters = Arc::new(Memory::default());
        let agent = Box::new(Fake { says, cache });
        let asking = Asking { agent, look_up, policy: CardPolicy::default(), keys: KeyRing::default(), counters, handed };
        let (hand, thread) = start(asking, wires).unwrap();
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
        assert_eq!(heard(Resolved::Blocked, None), Some(DeviceEvent::CardRefused(CardRefusal::Blocked)));
        assert_eq!(heard(Resolved::CodeRefused, None), Some(DeviceEvent::CardRefused(CardRefusal::Code)));
        assert_eq!(heard(Resolved::Unavailable, None), None, "a stranger stays anonymous, and nobody says so");
        assert_eq!(heard(Resolved::Profile("{}".into()), None), None, "a forged profile says nothing");
    }
}
