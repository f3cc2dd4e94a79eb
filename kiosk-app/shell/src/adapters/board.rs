//! The thread `board`: what the microcontroller senses, and light, sound and drawer.

use super::Wires;
use crate::{clock::Clock, supervise::supervised};
use kiosk_core::{
    ClockQuality, DeviceEvent, Signal,
    device::{DeviceKind, Health},
};
use kiosk_devices::{Grace, Notice, Peripherals, Waker};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::Ordering,
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Commands that wait for the board; the next one is refused.
const QUEUE: usize = 32;
/// The wait for the next event; a command ends it early.
const WAIT: Duration = Duration::from_secs(1);
/// The board is told the time this often: its crystal is off by 2.6 s a day at most.
const TELL_TIME_MS: u64 = 3_600_000;

#[derive(Debug)]
enum Command {
    OpenDrawer,
    AskTime(Grace),
}

/// The shell's end.
pub(crate) struct BoardHand {
    commands: SyncSender<Command>,
    signal: Arc<Mutex<Option<Signal>>>,
    waker: Waker,
}

impl BoardHand {
    /// Light and sound. One that the board has not been shown yet is replaced: only the newest means anything.
    pub(crate) fn show(&self, signal: Signal) {
        *self.signal.lock().unwrap_or_else(PoisonError::into_inner) = Some(signal);
        self.waker.wake();
    }

    /// Pulses the drawer; false if it was not taken.
    pub(crate) fn open_drawer(&self) -> bool {
        self.send(Command::OpenDrawer)
    }

    /// The drawer alone, for whoever tries another way first.
    pub(crate) fn drawer(&self) -> DrawerHand {
        DrawerHand { commands: self.commands.clone(), waker: self.waker.clone() }
    }

    /// This machine may be silent for a while. A board that is not there switches nothing off either.
    pub(crate) fn ask_time(&self, grace: Grace) {
        if !self.send(Command::AskTime(grace)) {
            tracing::warn!(?grace, "the board is behind; it was not asked for time");
        }
    }

    fn send(&self, command: Command) -> bool {
        let taken = self.commands.try_send(command).is_ok();
        self.waker.wake();
        taken
    }
}

/// The board's drawer in another adapter's hand.
pub(crate) struct DrawerHand {
    commands: SyncSender<Command>,
    waker: Waker,
}

impl DrawerHand {
    /// Pulses the drawer; false if it was not taken.
    pub(crate) fn open(&self) -> bool {
        let taken = self.commands.try_send(Command::OpenDrawer).is_ok();
        self.waker.wake();
        taken
    }
}

impl Drop for DrawerHand {
    fn drop(&mut self) {
        drop(std::mem::replace(&mut self.commands, sync_channel(0).0));
        self.waker.wake();
    }
}

impl Drop for BoardHand {
    fn drop(&mut self) {
        // Whoever ends this program starts it again in a moment, or the machine. What is queued is still carried out.
        self.ask_time(Grace::Boot);
        // Fields are dropped after this; the queue goes first, so that the woken thread sees its end.
        drop(std::mem::replace(&mut self.commands, sync_channel(0).0));
        self.waker.wake();
    }
}

/// Starts the thread.
pub(crate) fn start(
    mut board: Box<dyn Peripherals>,
    clock: Arc<dyn Clock>,
    wires: Wires,
) -> std::io::Result<(BoardHand, JoinHandle<()>)> {
    let (commands, queue) = sync_channel(QUEUE);
    let waker = board.waker();
    let signal = Arc::default();
    let stopping = wires.stopping.clone();
    let to_lost = wires.clone();
    let lost = move || to_lost.send(DeviceEvent::Health(DeviceKind::Peripherals, Health::Lost));
    let inbox = Arc::clone(&signal);
    let thread = supervised("board", stopping, lost, move || Worker::new(&wires, &*clock, &inbox).run(&mut *board, &queue))?;
    Ok((BoardHand { commands, signal, waker }, thread))
}

struct Worker<'a> {
    wires: &'a Wires,
    clock: &'a dyn Clock,
    signal: &'a Mutex<Option<Signal>>,
    beats: Option<u64>,
    time_due_ms: u64,
}

impl<'a> Worker<'a> {
    fn new(wires: &'a Wires, clock: &'a dyn Clock, signal: &'a Mutex<Option<Signal>>) -> Self {
        Self { wires, clock, signal, beats: None, time_due_ms: 0 }
    }

    fn run(&mut self, board: &mut dyn Peripherals, queue: &Receiver<Command>) {
        loop {
            self.pass_on_life(board);
            let signal = self.signal.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(signal) = signal {
                board.show(signal);
            }
            match queue.try_recv() {
                Ok(Command::AskTime(grace)) => board.tell(Notice::AskTime(grace)),
                Ok(Command::OpenDrawer) => {
                    if !board.open_drawer() {
                        tracing::warn!("the drawer could not be opened: the board is not there");
                        self.wires.send(DeviceEvent::DrawerStuck);
                    }
                }
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) if self.wires.stopping.is_stopped() => return,
                Err(TryRecvError::Empty) => self.listen(board),
            }
        }
    }

    /// The board is fed only while the shell's loop makes progress, whatever else this process does.
    fn pass_on_life(&mut self, board: &mut dyn Peripherals) {
        let beats = self.wires.beats.load(Ordering::Relaxed);
        if self.beats.replace(beats) != Some(beats) {
            board.tell(Notice::Alive);
        }
    }

    fn listen(&mut self, board: &mut dyn Peripherals) {
        let event = board.next(WAIT);
        if let Some(DeviceEvent::Health(DeviceKind::Peripherals, Health::Ok | Health::Low)) = event {
            // Another session: that board may know nothing yet.
            self.time_due_ms = 0;
        }
        self.keep_time(board);
        if let Some(event) = event {
            self.wires.send(event);
        }
    }

    /// Time that is sure goes to the board now and then; a machine that has none takes the board's.
    fn keep_time(&mut self, board: &mut dyn Peripherals) {
        let now = self.clock.now();
        if let Some(utc_s) = board.kept_time() {
            self.clock.hint(i64::from(utc_s) * 1_000);
        }
        let sure = now.utc_ms.filter(|_| now.quality == ClockQuality::Synced);
        if now.mono_ms >= self.time_due_ms
            && let Some(utc_s) = sure.and_then(|utc_ms| u32::try_from(utc_ms / 1_000).ok())
        {
            self.time_due_ms = now.mono_ms.saturating_add(TELL_TIME_MS);
            board.tell(Notice::Time(utc_s));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{adapters::test_wires, clock::VirtualClock};
    use kiosk_core::{Now, device::Key};
    use std::sync::mpsc::{Sender, channel};

    #[derive(Debug, PartialEq)]
    enum Told {
        Shown(Signal),
        Drawer,
        Notice(Notice),
    }

    struct Fake {
        told: Sender<Told>,
        waker: Waker,
        events: Vec<DeviceEvent>,
        kept: Option<u32>,
    }
    impl Peripherals for Fake {
        fn next(&mut self, timeout: Duration) -> Option<DeviceEvent> {
            self.events.pop().or_else(|| {
                self.waker.wait(timeout);
                None
            })
        }
        fn show(&mut self, signal: Signal) {
            self.told.send(Told::Shown(signal)).unwrap();
        }
        fn open_drawer(&mut self) -> bool {
            self.told.send(Told::Drawer).is_ok()
        }
        fn tell(&mut self, notice: Notice) {
            self.told.send(Told::Notice(notice)).unwrap();
        }
        fn kept_time(&mut self) -> Option<u32> {
            self.kept.take()
        }
        fn waker(&self) -> Waker {
            self.waker.clone()
        }
    }

    fn at(utc_ms: Option<i64>, quality: ClockQuality) -> VirtualClock {
        VirtualClock::new(Now { mono_ms: 5_000, utc_ms, offset_min: 0, quality })
    }

    #[test]
    fn events_come_in_signals_go_out_and_a_board_is_told_of_payments_and_of_the_end() {
        let (wires, heard) = test_wires();
        let (told, tells) = channel();
        let events = vec![DeviceEvent::Key(Key::Up)];
        let fake = Fake { told, waker: Waker::new().unwrap(), events, kept: None };
        let clock = Arc::new(at(Some(1_795_253_460_000), ClockQuality::Synced));
        let (hand, thread) = start(Box::new(fake), clock, wires).unwrap();
        assert_eq!(heard.event(), DeviceEvent::Key(Key::Up));
        assert_eq!(tells.recv().unwrap(), Told::Notice(Notice::Alive));
        assert_eq!(tells.recv().unwrap(), Told::Notice(Notice::Time(1_795_253_460)));
        hand.show(Signal::Approved);
        assert_eq!(tells.recv().unwrap(), Told::Shown(Signal::Approved));
        hand.ask_time(Grace::Payment);
        assert!(hand.open_drawer());
        drop(hand);
        thread.join().unwrap();
        let rest: Vec<_> = tells.iter().collect();
        let asks = |grace| Told::Notice(Notice::AskTime(grace));
        assert_eq!(rest, [asks(Grace::Payment), Told::Drawer, asks(Grace::Boot)]);
    }

    #[test]
    fn a_loop_that_stands_still_does_not_feed_the_board() {
        let (wires, _heard) = test_wires();
        let (told, tells) = channel();
        let mut fake = Fake { told, waker: Waker::new().unwrap(), events: vec![], kept: None };
        let (clock, signal) = (at(None, ClockQuality::Unset), Mutex::new(None));
        let mut worker = Worker::new(&wires, &clock, &signal);
        (0..3).for_each(|_| worker.pass_on_life(&mut fake));
        wires.beats.fetch_add(1, Ordering::Relaxed);
        (0..3).for_each(|_| worker.pass_on_life(&mut fake));
        drop(fake);
        assert_eq!(tells.iter().count(), 2);
    }

    #[test]
    fn a_machine_that_lost_the_time_takes_the_boards_and_does_not_give_it_back_as_its_own() {
        let (wires, _heard) = test_wires();
        let (told, tells) = channel();
        let mut fake = Fake { told, waker: Waker::new().unwrap(), events: vec![], kept: Some(1_795_253_460) };
        let (clock, signal) = (at(None, ClockQuality::Unset), Mutex::new(None));
        let mut worker = Worker::new(&wires, &clock, &signal);
        worker.keep_time(&mut fake);
        let now = clock.now();
        assert_eq!((now.utc_ms, now.quality), (Some(1_795_253_460_000), ClockQuality::Estimated));
        worker.keep_time(&mut fake);
        drop(fake);
        assert_eq!(tells.iter().count(), 0);
    }
}
