//! The thread `board`: what the microcontroller senses, and light, sound and drawer.

use super::Wires;
use crate::supervise::supervised;
use kiosk_core::{
    DeviceEvent, Signal,
    device::{DeviceKind, Health},
};
use kiosk_devices::{Peripherals, Waker};
use std::{
    sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    thread::JoinHandle,
    time::Duration,
};

/// Commands that wait for the board; the next one is refused.
const QUEUE: usize = 32;
/// The wait for the next event; a command ends it early.
const WAIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
enum Command {
    Show(Signal),
    OpenDrawer,
}

/// The shell's end.
pub(crate) struct BoardHand {
    commands: SyncSender<Command>,
    waker: Waker,
}

impl BoardHand {
    /// Light and sound; a refused one is only logged: the next one replaces it anyway.
    pub(crate) fn show(&self, signal: Signal) {
        if self.commands.try_send(Command::Show(signal)).is_err() {
            tracing::warn!("the board is behind; a signal was left out");
        }
        self.waker.wake();
    }

    /// Pulses the drawer; false if it was not taken.
    pub(crate) fn open_drawer(&self) -> bool {
        let taken = self.commands.try_send(Command::OpenDrawer).is_ok();
        self.waker.wake();
        taken
    }
}

impl Drop for BoardHand {
    fn drop(&mut self) {
        // Fields are dropped after this; the queue goes first, so that the woken thread sees its end.
        drop(std::mem::replace(&mut self.commands, sync_channel(0).0));
        self.waker.wake();
    }
}

/// Starts the thread.
pub(crate) fn start(mut board: Box<dyn Peripherals>, wires: Wires) -> std::io::Result<(BoardHand, JoinHandle<()>)> {
    let (commands, queue) = sync_channel(QUEUE);
    let waker = board.waker();
    let stopping = wires.stopping.clone();
    let to_lost = wires.clone();
    let lost = move || to_lost.send(DeviceEvent::Health(DeviceKind::Peripherals, Health::Lost));
    let thread = supervised("board", stopping, lost, move || run(&mut *board, &queue, &wires))?;
    Ok((BoardHand { commands, waker }, thread))
}

fn run(board: &mut dyn Peripherals, queue: &Receiver<Command>, wires: &Wires) {
    while !wires.stopping.is_stopped() {
        loop {
            match queue.try_recv() {
                Ok(Command::Show(signal)) => board.show(signal),
                Ok(Command::OpenDrawer) => {
                    if !board.open_drawer() {
                        tracing::warn!("the drawer could not be opened: the board is not there");
                    }
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        if let Some(event) = board.next(WAIT) {
            wires.send(event);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::adapters::test_wires;
    use kiosk_core::device::Key;
    use std::sync::mpsc::{Sender, channel};

    struct Fake {
        shown: Sender<Signal>,
        waker: Waker,
        events: Vec<DeviceEvent>,
    }
    impl Peripherals for Fake {
        fn next(&mut self, timeout: Duration) -> Option<DeviceEvent> {
            self.events.pop().or_else(|| {
                self.waker.wait(timeout);
                None
            })
        }
        fn show(&mut self, signal: Signal) {
            self.shown.send(signal).unwrap();
        }
        fn open_drawer(&mut self) -> bool {
            true
        }
        fn waker(&self) -> Waker {
            self.waker.clone()
        }
    }

    #[test]
    fn events_come_in_and_signals_go_out_at_once() {
        let (wires, heard) = test_wires();
        let (shown, signals) = channel();
        let events = vec![DeviceEvent::Key(Key::Up)];
        let fake = Fake { shown, waker: Waker::new().unwrap(), events };
        let (hand, thread) = start(Box::new(fake), wires).unwrap();
        assert_eq!(heard.event(), DeviceEvent::Key(Key::Up));
        hand.show(Signal::Approved);
        assert_eq!(signals.recv().unwrap(), Signal::Approved);
        assert!(hand.open_drawer());
        drop(hand);
        thread.join().unwrap();
    }
}
