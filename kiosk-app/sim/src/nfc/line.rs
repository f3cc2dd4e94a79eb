//! The serial line of the simulated reader: bytes in and out at its pace, plugged in or not.

use super::{
    cards::{self, Tag},
    chip::{Chip, Fault, Reply, Stats, Timing, Vanish},
    frame::{ACK, Frames, FromHost, NACK},
};
use crate::{
    control::{Answer, unknown},
    lock,
    pty::Pty,
};
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd, poll},
    fd::OwnedFd,
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// An answer that comes late comes after the host has given up waiting.
const LATE: Duration = Duration::from_millis(400);

/// A running reader.
pub struct Pn532Sim {
    shared: Arc<Shared>,
    keys: cards::Keys,
}

impl std::fmt::Debug for Pn532Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pn532Sim({})", self.shared.path.display())
    }
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    wake: OwnedFd,
    path: PathBuf,
}

struct State {
    chip: Chip,
    pty: Option<Arc<Pty>>,
    stopping: bool,
    /// Cards that were placed before: they keep their state.
    drawer: cards::Drawer,
    on_reader: Option<String>,
}

impl Pn532Sim {
    /// Makes the serial line `path`; when this returns, it can be opened. `keys` are those of the demo's cards.
    pub fn start(path: &Path, timing: Timing, keys: cards::Keys) -> io::Result<Self> {
        let state = State {
            chip: Chip::new(timing),
            pty: Some(Arc::new(Pty::open(path)?)),
            stopping: false,
            drawer: cards::Drawer::default(),
            on_reader: None,
        };
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), wake, path: path.to_owned() });
        let inside = Arc::clone(&shared);
        thread::Builder::new().name("reader".into()).spawn(move || inside.run())?;
        Ok(Self { shared, keys })
    }

    /// Lays a card on the reader; one that lay there goes.
    pub fn place(&self, card: Box<dyn Tag>) {
        self.with(|state| {
            state.remove();
            state.chip.card = Some(card);
        });
    }

    /// Takes the card away, and gives it back with its state.
    pub fn remove(&self) -> Option<Box<dyn Tag>> {
        self.with(|state| state.chip.remove())
    }

    /// The card leaves by itself.
    pub fn vanish(&self, vanish: Vanish) {
        self.with(|state| state.chip.vanish = Some(vanish));
    }

    /// Something goes wrong; `None`: all is well again.
    pub fn fault(&self, fault: Option<Fault>) {
        self.with(|state| state.chip.fault = fault);
    }

    /// True once a fault that happens once has happened.
    pub fn is_well(&self) -> bool {
        self.with(|state| state.chip.fault.is_none())
    }

    /// Pulls the plug: the line hangs up and its name goes.
    pub fn unplug(&self) {
        self.with(State::hang_up);
    }

    /// Plugs it in again, under its name.
    pub fn plug(&self) -> io::Result<()> {
        let pty = Arc::new(Pty::open(&self.shared.path)?);
        self.with(|state| {
            state.chip.power_up();
            state.pty = Some(pty);
        });
        Ok(())
    }

    /// What the chip has counted.
    pub fn stats(&self) -> Stats {
        self.with(|state| state.chip.stats)
    }

    /// Waits until the chip has counted that; false after `patience`.
    pub fn wait_for(&self, patience: Duration, mut like: impl FnMut(&Stats) -> bool) -> bool {
        let state = lock(&self.shared.state);
        let wait = self.shared.changed.wait_timeout_while(state, patience, |state| !like(&state.chip.stats));
        !wait.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Obeys a control line.
    pub fn obey(&self, line: &str) -> Answer {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["place", word] => self.with(|state| {
                state.put_back();
                state.chip.remove();
                let card = state.drawer.take(word, &self.keys).ok_or_else(|| unknown(word, &cards::Drawer::words()))?;
                (state.chip.card, state.on_reader) = (Some(card), Some(word.to_owned()));
                Ok(())
            }),
            ["remove"] => self.with(|state| {
                if state.chip.card.is_none() {
                    return Err("no card is on the reader".into());
                }
                state.put_back();
                state.chip.remove();
                Ok(())
            }),
            ["remove", when @ ("before" | "after"), at] => {
                let at = at.parse().ok().filter(|at| (1..=1000).contains(at)).ok_or("1 is the next exchange, 1000 the last")?;
                self.vanish(Vanish { at, done: when == "after" });
                Ok(())
            }
            ["lost" | "unplug"] => {
                self.unplug();
                Ok(())
            }
            ["back" | "plug"] => self.plug().map_err(|error| error.to_string()),
            ["fault", word] => {
                let fault = Fault::WORDS.iter().find(|(known, _)| *known == word).map(|(_, fault)| *fault);
                let known = || Fault::WORDS.map(|(word, _)| word).join(", ");
                self.fault(Some(fault.ok_or_else(|| unknown(word, &known()))?));
                Ok(())
            }
            ["well"] => {
                self.fault(None);
                Ok(())
            }
            _ => Err(unknown(line, "place, remove, remove before N, remove after N, unplug, plug, fault, well")),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let result = act(&mut lock(&self.shared.state));
        self.shared.signal();
        result
    }
}

impl Drop for Pn532Sim {
    fn drop(&mut self) {
        self.with(|state| {
            state.stopping = true;
            state.hang_up();
        });
    }
}

impl State {
    fn hang_up(&mut self) {
        if let Some(pty) = self.pty.take() {
            pty.hide();
        }
    }

    fn remove(&mut self) {
        self.put_back();
        self.chip.remove();
    }

    /// A card of the demo goes back to where it is found again.
    fn put_back(&mut self) {
        if let (Some(name), Some(card)) = (self.on_reader.take(), self.chip.remove()) {
            self.drawer.put_back(name, card);
        }
    }
}

impl Shared {
    fn signal(&self) {
        self.changed.notify_all();
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    fn run(&self) {
        loop {
            let state = lock(&self.state);
            let state = self.changed.wait_while(state, |s| s.pty.is_none() && !s.stopping);
            let state = state.unwrap_or_else(PoisonError::into_inner);
            let Some(pty) = state.pty.clone().filter(|_| !state.stopping) else { return };
            drop(state);
            self.serve(&pty);
        }
    }

    /// True while this line is plugged in.
    fn plugged(&self, pty: &Arc<Pty>) -> bool {
        lock(&self.state).pty.as_ref().is_some_and(|now| Arc::ptr_eq(now, pty))
    }

    fn serve(&self, pty: &Arc<Pty>) {
        let mut frames = Frames::default();
        let mut chunk = [0; 512];
        while self.plugged(pty) {
            let readable = {
                let mut fds = [PollFd::new(pty, PollFlags::IN), PollFd::new(&self.wake, PollFlags::IN)];
                let _ = poll(&mut fds, None);
                !fds[0].revents().is_empty()
            };
            let _ = rustix::io::read(&self.wake, &mut [0u8; 8]);
            if !readable {
                continue;
            }
            let Ok(count) = rustix::io::read(pty, &mut chunk) else { return };
            frames.push(&chunk[..count]);
            while let Some(heard) = frames.next() {
                self.hear(pty, heard);
            }
        }
    }

    fn hear(&self, pty: &Arc<Pty>, heard: FromHost) {
        let (timing, fault) = {
            let mut state = lock(&self.state);
            let wakes = matches!(heard, FromHost::Command { code: 0x14, .. });
            // Opening the line anew wakes a chip that sleeps.
            state.chip.fault.take_if(|fault| *fault == Fault::Asleep && wakes);
            (state.chip.timing, state.chip.fault)
        };
        let (number, data, bytes) = match heard {
            FromHost::Ack => return,
            FromHost::Bad => return self.send(pty, &NACK, timing),
            FromHost::Command { code, data, bytes } => (code, data, bytes),
        };
        if matches!(fault, Some(Fault::Silent | Fault::Asleep)) {
            return;
        }
        self.spend(timing.byte * u32::try_from(bytes).unwrap_or(0));
        if fault == Some(Fault::Nack) {
            lock(&self.state).chip.fault = None;
            return self.send(pty, &NACK, timing);
        }
        self.send(pty, &ACK, timing);
        let reply = lock(&self.state).chip.command(number, &data);
        let answer = match reply {
            Reply::Now(answer, after) => {
                self.spend(after);
                Some(answer)
            }
            Reply::Search { every, left } => self.search(pty, &data, every, left),
            Reply::None => None,
        };
        let late = lock(&self.state).chip.fault == Some(Fault::Late);
        let answer = answer.and_then(|answer| lock(&self.state).chip.spoiled(answer));
        if late {
            self.idle_for(LATE);
        }
        if let Some(answer) = answer {
            self.send(pty, &answer, timing);
        }
        self.changed.notify_all();
    }

    /// Looks for a card until its tries are used up, or without end until it comes or the host speaks again.
    fn search(&self, pty: &Arc<Pty>, data: &[u8], every: Duration, mut left: Option<u32>) -> Option<Vec<u8>> {
        let uid = data.get(2..).unwrap_or_default();
        loop {
            let mut state = lock(&self.state);
            if let Some(Reply::Now(answer, after)) = state.chip.found(uid) {
                drop(state);
                self.spend(after);
                return Some(answer);
            }
            if left == Some(0) {
                return Some(state.chip.not_found());
            }
            left = left.map(|left| left - 1);
            drop(state);
            if left.is_none() {
                let mut fds = [PollFd::new(pty, PollFlags::IN), PollFd::new(&self.wake, PollFlags::IN)];
                let _ = poll(&mut fds, None);
                if !fds[0].revents().is_empty() || !self.plugged(pty) {
                    return None;
                }
            } else {
                self.idle_for(every);
            }
        }
    }

    /// Time that the chip takes for a card that it has found.
    fn spend(&self, time: Duration) {
        lock(&self.state).chip.stats.floor += time;
        self.idle_for(time);
    }

    fn idle_for(&self, time: Duration) {
        if time > Duration::ZERO {
            let until = Instant::now() + time;
            thread::sleep(until.saturating_duration_since(Instant::now()));
        }
    }

    fn send(&self, pty: &Arc<Pty>, bytes: &[u8], timing: Timing) {
        self.spend(timing.byte * u32::try_from(bytes.len()).unwrap_or(0));
        if rustix::io::write(pty, bytes).is_err() {
            tracing::debug!("the line hung up");
        }
    }
}
