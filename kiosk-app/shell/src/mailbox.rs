//! The one queue into the loop. Bounded; what the screen cannot put in is refused and counted, what an adapter cannot
//! put in makes the adapter wait.

use kiosk_core::{DeviceEvent, Input, Intent};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

/// Nobody touches this often while the loop waits for one commit.
const QUEUE: usize = 4096;

/// What the loop is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// For the core.
    Input(Input),
    /// New content is at hand.
    Content(Box<crate::content::Content>),
    /// Finish, delete everything that this kiosk recorded and was given, say so, and end.
    Wipe(SyncSender<()>),
    /// These visitors are to be forgotten. Answered once nothing that is still to be recorded names them.
    Forget { visitors: Vec<String>, done: SyncSender<()> },
    /// Finish: no new sale, wait for a payment in flight, then end.
    Stop,
}

/// Why an intent was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The loop is far behind; the touch was not taken and is counted and logged.
    #[error("the queue into the shell is full")]
    Full,
    /// The loop has ended; nothing will be taken any more.
    #[error("the shell has ended")]
    Stopped,
}

/// The sending end. Cloned to whoever has something to say.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    queue: SyncSender<Message>,
    refused: Arc<AtomicU64>,
}

/// The loop's end.
#[derive(Debug)]
pub(crate) struct Mailbox(Receiver<Message>);

/// A queue and both its ends.
pub(crate) fn mailbox() -> (Sender, Mailbox) {
    let (queue, receiver) = sync_channel(QUEUE);
    (Sender { queue, refused: Arc::default() }, Mailbox(receiver))
}

impl Sender {
    /// From the screen: never blocks.
    pub(crate) fn intent(&self, intent: Intent) -> Result<(), Refused> {
        self.touch(Input::Intent(intent))
    }

    /// As [`Sender::intent`], for any input that a finger makes.
    pub(crate) fn touch(&self, input: Input) -> Result<(), Refused> {
        match self.queue.try_send(Message::Input(input)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                let count = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
                tracing::error!(refused_so_far = count, "a touch was refused: the shell is not keeping up");
                Err(Refused::Full)
            }
            Err(TrySendError::Disconnected(_)) => Err(Refused::Stopped),
        }
    }

    /// From an adapter: waits for room, so that the end of a payment is never lost.
    pub(crate) fn device(&self, event: DeviceEvent) -> Result<(), Refused> {
        self.message(Message::Input(Input::Device(event)))
    }

    /// Anything; waits for room.
    pub(crate) fn message(&self, message: Message) -> Result<(), Refused> {
        self.queue.send(message).map_err(|_| Refused::Stopped)
    }

    /// Touches refused since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Mailbox {
    /// The next message, `None` when `wait` has passed. When nobody can send any more, that is [`Message::Stop`].
    pub(crate) fn next(&self, wait: Duration) -> Option<Message> {
        match self.0.recv_timeout(wait) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Message::Stop),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_touch_that_finds_the_queue_full_is_refused_and_counted_and_the_earlier_ones_stay() {
        let (sender, mailbox) = mailbox();
        for _ in 0..QUEUE {
            sender.intent(Intent::Begin).unwrap();
        }
        assert_eq!(sender.intent(Intent::Touched), Err(Refused::Full));
        assert_eq!(sender.refused(), 1);
        for _ in 0..QUEUE {
            assert!(matches!(mailbox.next(Duration::ZERO), Some(Message::Input(Input::Intent(Intent::Begin)))));
        }
        assert!(mailbox.next(Duration::ZERO).is_none());
    }

    #[test]
    fn a_sender_notices_that_the_loop_has_ended() {
        let (sender, mailbox) = mailbox();
        drop(mailbox);
        assert_eq!(sender.intent(Intent::Begin), Err(Refused::Stopped));
        assert_eq!(sender.device(DeviceEvent::BankCardSeen), Err(Refused::Stopped));
    }
}
