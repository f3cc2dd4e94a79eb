//! The microcontroller board, simulated: `peripheral_logic::Board`, the very program that runs on the chip, behind a
//! pseudo-terminal, with pins that obey lines of text and flash that is memory.

use crate::{
    control::{Answer, unknown},
    lock,
    pty::Pty,
};
use peripheral_icd::{Features, Firmware, ResetCause, Signal, pins, provision};
use peripheral_logic::{
    Board, FEATURES, Input, Keeper, Known, Levels, Millis, Outputs, Port, SAMPLE_MS, Start,
    flash::{BEFORE, Flash, FlashError, SECTOR, SLOT},
    update,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    io::Errno,
};
use std::{
    io,
    path::Path,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// A running board. The link to its pty goes when this is dropped.
#[derive(Debug)]
pub struct BoardSim {
    shared: Arc<Shared>,
}

/// What is on the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardPlan {
    /// What is fitted.
    pub features: Features,
    /// The program's version.
    pub firmware: Firmware,
    /// The provisioned key that updates are signed with.
    pub update_key: Option<[u8; 32]>,
}

impl Default for BoardPlan {
    fn default() -> Self {
        Self { features: FEATURES, firmware: Firmware { major: 0, minor: 1, patch: 0 }, update_key: None }
    }
}

/// What can be seen of the board from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoardState {
    /// A kiosk has said hello.
    pub connected: bool,
    /// What the light ring shows.
    pub signal: Option<Signal>,
    /// How often the drawer was opened.
    pub drawer_pulses: u32,
    /// Frames that were refused.
    pub refused: u32,
    /// How often the kiosk's supply was cut for its silence. Nothing is cut here; it is said in the log.
    pub host_cuts: u32,
    /// How often the board has started.
    pub boots: u32,
}

#[derive(Debug)]
struct Shared {
    pty: Pty,
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug)]
struct Inner {
    plan: BoardPlan,
    board: Board,
    keeper: Keeper<Chip>,
    began: Instant,
    /// The last sample of the pins.
    sampled: Millis,
    levels: Levels,
    host_off: bool,
    /// Its plug is pulled: it hears and says nothing.
    unplugged: bool,
    seen: BoardState,
}

/// Nothing pressed, nobody near, 20 degrees Celsius, daylight, 12 V.
const QUIET: Levels = Levels {
    keys: 0,
    presence: false,
    headphones: false,
    door: false,
    tamper: false,
    thermistor: 2278,
    light: 3500,
    supply: 2686,
};

/// The pins are looked at this often; the board is then given every sample that it would have taken meanwhile.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// A key or plug is held for this long before the next line is obeyed: longer than any contact bounces.
const CONTACT: Duration = Duration::from_millis(25);

/// As [`CONTACT`], for the presence sensor, which is believed only after a while.
const APPROACH: Duration = Duration::from_millis(330);

/// Keys in the order of their bits.
const KEYS: [&str; 5] = ["up", "down", "select", "back", "help"];

impl Drop for BoardSim {
    fn drop(&mut self) {
        self.shared.pty.hide();
    }
}

impl BoardSim {
    /// Makes a pty and a symbolic link `path` to it; when this returns, it can be opened.
    ///
    /// # Errors
    /// What the system says where it has no pty to give.
    pub fn start(path: &Path) -> io::Result<Self> {
        Self::start_with(path, BoardPlan::default())
    }

    /// As [`BoardSim::start`], with another board on the bench.
    ///
    /// # Errors
    /// As [`BoardSim::start`].
    pub fn start_with(path: &Path, plan: BoardPlan) -> io::Result<Self> {
        let pty = Pty::open(path)?;
        rustix::fs::fcntl_setfl(&pty, OFlags::RDWR | OFlags::NONBLOCK)?;
        let mut flash = Chip::new();
        if let Some(key) = &plan.update_key {
            flash.place(provision::AT, &provision::page(key));
        }
        let shared = Shared { pty, inner: Mutex::new(Inner::new(plan, flash, ResetCause::Power)), changed: Condvar::new() };
        let shared = Arc::new(shared);
        let inside = Arc::downgrade(&shared);
        thread::Builder::new().name("board".into()).spawn(move || {
            while let Some(shared) = inside.upgrade() {
                shared.turn();
            }
        })?;
        Ok(Self { shared })
    }

    /// What can be seen of the board from outside.
    pub fn state(&self) -> BoardState {
        lock(&self.shared.inner).seen.clone()
    }

    /// Waits until the board looks like that; false after `patience`.
    pub fn wait_for(&self, patience: Duration, mut like: impl FnMut(&BoardState) -> bool) -> bool {
        let inner = lock(&self.shared.inner);
        let wait = self.shared.changed.wait_timeout_while(inner, patience, |inner| !like(&inner.seen));
        !wait.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Obeys a control line; when this returns, the board has told its kiosk.
    pub fn obey(&self, line: &str) -> Answer {
        let on = |word: &str| match word {
            "on" | "open" => Ok(true),
            "off" | "closed" => Ok(false),
            _ => Err(unknown(word, "on, off, open, closed")),
        };
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["presence", word] => {
                let near = on(word)?;
                self.set(if near { APPROACH } else { CONTACT }, |levels| levels.presence = near);
            }
            ["headphones", word] => {
                let there = on(word)?;
                self.set(CONTACT, |levels| levels.headphones = there);
            }
            ["door", word] => {
                let open = on(word)?;
                self.set(CONTACT, |levels| levels.door = open);
            }
            ["light", word] => {
                let percent = word.parse::<u16>().ok().filter(|n| *n <= 100).ok_or_else(|| unknown(word, "0 to 100"))?;
                self.set(CONTACT, |levels| levels.light = percent * 40);
            }
            ["key", word] => {
                let key = KEYS.iter().position(|known| *known == word).ok_or_else(|| unknown(word, &KEYS.join(", ")))?;
                if !lock(&self.shared.inner).board.is_open() {
                    return Err("no kiosk is connected to the board".into());
                }
                self.set(CONTACT, |levels| levels.keys |= 1 << key);
                self.set(CONTACT, |levels| levels.keys &= !(1 << key));
            }
            ["unplug"] => lock(&self.shared.inner).unplugged = true,
            // It has no battery: plugged in, it starts.
            ["plug"] => {
                let mut inner = lock(&self.shared.inner);
                if std::mem::take(&mut inner.unplugged) {
                    inner.restart();
                }
            }
            _ => return Err(unknown(line, "presence, headphones, door, light, key, unplug, plug")),
        }
        Ok(())
    }

    /// Changes the pins and leaves them so for `hold`.
    fn set(&self, hold: Duration, change: impl FnOnce(&mut Levels)) {
        let mut inner = lock(&self.shared.inner);
        // Up to now they were as before.
        self.shared.sample(&mut inner);
        change(&mut inner.levels);
        let until = Instant::now() + hold;
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            inner = self.shared.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        self.shared.sample(&mut inner);
    }
}

impl Inner {
    fn new(plan: BoardPlan, flash: Chip, cause: ResetCause) -> Self {
        let (keeper, Known { boots, block, standing }) = Keeper::open(flash, 0);
        let start = Start {
            features: plan.features,
            firmware: plan.firmware,
            cause,
            boots,
            // Flash that is memory forgets what was used; another process must not use it again.
            block: block ^ (getrandom::u32().unwrap_or(0) >> 12 << 8),
            words: None,
            standing,
            pins: pins::checksum(&pins::FIRMWARE),
        };
        let seen = BoardState { boots, ..BoardState::default() };
        let board = Board::new(0, start);
        Self { plan, board, keeper, began: Instant::now(), sampled: 0, levels: QUIET, host_off: false, unplugged: false, seen }
    }

    fn now(&self) -> Millis {
        Millis::try_from(self.began.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    /// What the boot program and the start of the program do.
    fn restart(&mut self) {
        let mut flash = std::mem::replace(&mut self.keeper, Keeper::open(Chip::new(), 0).0).into_flash();
        if update::boot(&mut flash).is_err() {
            tracing::error!("the simulated flash failed");
        }
        let before = std::mem::take(&mut self.seen);
        let levels = self.levels;
        *self = Self::new(self.plan, flash, ResetCause::Own);
        self.levels = levels;
        self.seen = BoardState { boots: self.seen.boots, connected: false, ..before };
    }
}

impl Shared {
    /// Waits for bytes, a moment at most, and takes them.
    fn turn(&self) {
        let mut fds = [PollFd::new(&self.pty, PollFlags::IN)];
        let _ = poll(&mut fds, Some(&LOOK));
        let readable = !fds[0].revents().is_empty();
        let mut chunk = [0; 256];
        let n = if readable { rustix::io::read(&self.pty, &mut chunk).unwrap_or(0) } else { 0 };
        let mut inner = lock(&self.inner);
        if inner.unplugged {
            return;
        }
        self.sample(&mut inner);
        let (now, boots) = (inner.sampled, inner.seen.boots);
        for &byte in &chunk[..n] {
            self.step(&mut inner, now, Input::Byte(Port::Usb, byte));
            if inner.seen.boots != boots {
                // What else came was meant for the program before.
                break;
            }
        }
        let Inner { board, seen, .. } = &mut *inner;
        (seen.connected, seen.refused) = (board.is_open(), board.refused());
        seen.signal = board.is_open().then(|| board.signal());
        self.changed.notify_all();
    }

    /// Gives the board every sample that was due.
    fn sample(&self, inner: &mut Inner) {
        if inner.unplugged {
            return;
        }
        while inner.sampled + SAMPLE_MS <= inner.now() {
            inner.sampled += SAMPLE_MS;
            let (at, levels) = (inner.sampled, inner.levels);
            self.step(inner, at, Input::Levels(levels));
        }
    }

    fn step(&self, inner: &mut Inner, now: Millis, input: Input) {
        let mut input = Some(input);
        while let Some(next) = input.take() {
            let out = inner.board.step(now, next);
            self.write(out.bytes());
            self.hands(inner, &out);
            if out.confirm {
                inner.keeper.confirm();
            }
            if out.restart {
                return inner.restart();
            }
            let Inner { board, keeper, .. } = &mut *inner;
            if let Some(job) = out.job {
                input = Some(keeper.work(job, board));
            } else if out.reserve {
                input = keeper.reserve();
            }
        }
    }

    fn hands(&self, inner: &mut Inner, out: &Outputs) {
        inner.seen.drawer_pulses += u32::from(out.drawer_ms.is_some());
        if out.host_off != inner.host_off {
            inner.host_off = out.host_off;
            inner.seen.host_cuts += u32::from(out.host_off);
            tracing::warn!(off = out.host_off, "the board switches the kiosk's supply");
        }
    }

    fn write(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match rustix::io::write(&self.pty, bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(Errno::INTR) => {}
                // Nobody reads: as on a wire, the bytes are gone.
                Err(_) => return,
            }
        }
    }
}

/// NOR flash as memory. It holds a program of nothing, which is what runs.
#[derive(Debug)]
struct Chip(Vec<u8>);

impl Chip {
    fn new() -> Self {
        Self(vec![0xFF; (BEFORE + SLOT) as usize])
    }

    fn place(&mut self, at: u32, bytes: &[u8]) {
        self.0[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    }

    fn part(&mut self, at: u32, length: usize) -> Result<&mut [u8], FlashError> {
        self.0.get_mut(at as usize..).and_then(|rest| rest.get_mut(..length)).ok_or(FlashError)
    }
}

impl Flash for Chip {
    fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), FlashError> {
        into.copy_from_slice(self.part(at, into.len())?);
        Ok(())
    }

    fn erase(&mut self, at: u32) -> Result<(), FlashError> {
        self.part(at, SECTOR as usize)?.fill(0xFF);
        Ok(())
    }

    fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), FlashError> {
        self.part(at, bytes.len())?.iter_mut().zip(bytes).for_each(|(old, new)| *old &= new);
        Ok(())
    }

    fn mapped(&self, at: u32, length: u32) -> &[u8] {
        let rest = self.0.get(at as usize..).unwrap_or_default();
        &rest[..rest.len().min(length as usize)]
    }
}
