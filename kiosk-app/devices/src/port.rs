//! The ports. Each is small and speaks the domain; each call is bounded in time.

use crate::{reader::ReaderLine, receipt::DrawerPin};
use kiosk_core::{Command, CommandOutcome, Currency, DeviceEvent, Enquiry, Id, Signal, TerminalWord, device::Health};
use rustix::{
    event::{EventfdFlags, eventfd},
    fd::OwnedFd,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// One financial command. Sent at most once: a failed call is not repeated, it has an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinancialRequest {
    /// The attempt this belongs to.
    pub attempt: Id,
    /// What is asked for.
    pub command: Command,
    /// Currency of its amounts.
    pub currency: Currency,
}

/// What the terminal wants printed of a command; masked lines only, at most 200 a slip.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slips {
    /// For the guest.
    pub customer: Vec<String>,
    /// For the shop.
    pub merchant: Vec<String>,
}

/// Raised by the shell to ask a running [`PaymentTerminal::run`] to stop. One flag serves one command.
#[derive(Clone, Debug, Default)]
pub struct AbortFlag(Arc<AtomicBool>);

impl AbortFlag {
    /// A lowered flag.
    pub fn new() -> Self {
        Self::default()
    }
    /// Asks the command to stop. It still ends by the terminal's word.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }
    /// True once raised.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A payment terminal.
pub trait PaymentTerminal: Send {
    /// Sends a command and waits for its end. `on_word` hears the terminal's acknowledgement once, and every intermediate
    /// status.
    ///
    /// [`CommandOutcome::NotSent`] is answered only if not a single byte of the command was written;
    /// [`CommandOutcome::Unknown`] whenever bytes were written and no answer settles it.
    fn run(
        &mut self,
        request: &FinancialRequest,
        abort: &AbortFlag,
        on_word: &mut dyn FnMut(TerminalWord),
    ) -> (CommandOutcome, Slips);

    /// Asks for the receipt of `attempt` where the protocol carries our reference, and for the last receipt where it does
    /// not. Moves nothing; called while no command runs.
    fn enquire(&mut self, attempt: Id) -> Enquiry;

    /// How the terminal is, without moving money. Called while no command runs.
    fn probe(&mut self) -> Health;
}

/// Why a job is not known to be on paper.
#[derive(Debug, thiserror::Error)]
pub enum PrintError {
    /// The printer could not be reached; nothing was sent.
    #[error("printer not reached: {0}")]
    Lost(std::io::Error),
    /// Reached, and it said that it cannot print (paper out, cover open); nothing was sent.
    #[error("printer cannot print: paper out, cover open or off line")]
    Blocked,
    /// The job was sent and the printer stopped (paper out, cover open): what is left of it may come once that is cured.
    #[error("printer stopped during the job: paper out or cover open")]
    Stopped,
    /// Some of the job was sent and then the connection failed: it may be on paper in part.
    #[error("printer lost in the middle of a job: {0}")]
    Cut(std::io::Error),
}

impl PrintError {
    /// The health that this error shows.
    pub fn health(&self) -> Health {
        match self {
            Self::Blocked | Self::Stopped => Health::Blocked,
            Self::Lost(_) | Self::Cut(_) => Health::Lost,
        }
    }
}

/// A receipt printer.
pub trait ReceiptPrinter: Send {
    /// Prints one rendered job (see [`crate::render_receipt`]) and returns the health afterwards: [`Health::Ok`] or
    /// [`Health::Low`].
    fn print(&mut self, job: &[u8]) -> Result<Health, PrintError>;

    /// Pulses the cash drawer that hangs on the printer, once. An error means that it was not pulsed, or may not have been.
    fn kick(&mut self, drawer: DrawerPin) -> Result<(), PrintError>;

    /// How the printer is. A printer that never answers status queries counts as [`Health::Ok`] while it can be
    /// reached: many do not answer.
    fn health(&mut self) -> Health;
}

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// Nothing within the caller's time-out, and the reader is alive: call again.
    #[error("no line within the time-out")]
    Timeout,
    /// No line for [`crate::reader::LOST_AFTER`], or no connection. The next call tries to connect again.
    #[error("reader lost: {0}")]
    Lost(String),
}

/// Why a card has not answered.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The card has left the field, or did not answer; the reader works.
    #[error("the card did not answer: {0}")]
    Card(String),
    /// The reader is lost.
    #[error("reader lost: {0}")]
    Lost(String),
    /// Nothing was sent: a command has 1 to [`crate::reader::MAX_APDU`] bytes.
    #[error("a command to a card has 1 to 255 bytes")]
    Length,
}

/// A reader of guest cards.
pub trait TagReader: Send {
    /// The next line, `Err(Timeout)` after `timeout` without one. Beats are swallowed: they only keep the reader alive.
    /// After [`ReaderError::Lost`] the first `Ok` means that the reader is back.
    fn next(&mut self, timeout: Duration) -> Result<ReaderLine, ReaderError>;

    /// Sends a command to the card of the last tap and waits for its answer, status bytes included. Lines that come
    /// meanwhile are kept for [`TagReader::next`].
    ///
    /// # Errors
    /// As [`ExchangeError`] says; whether the card has carried out the command is then not known.
    fn exchange(&mut self, apdu: &[u8], timeout: Duration) -> Result<Vec<u8>, ExchangeError>;
}

/// Ends a blocking [`Peripherals::next`] early, so that its thread can carry out a command at once. An eventfd.
#[derive(Clone, Debug)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// A new waker.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }
    /// Ends the wait, or the next one if none runs.
    pub fn wake(&self) {
        // The only failure is a full counter, and then the wait ends anyway.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }
    /// Waits for [`Waker::wake`] alone, for fakes that have nothing else to wait on. True if woken.
    pub fn wait(&self, timeout: Duration) -> bool {
        let spec = crate::peripherals::timespec(timeout);
        let mut fds = [rustix::event::PollFd::new(&*self.0, rustix::event::PollFlags::IN)];
        let _ = rustix::event::poll(&mut fds, Some(&spec));
        self.drain()
    }
    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.0
    }
    pub(crate) fn drain(&self) -> bool {
        rustix::io::read(&*self.0, &mut [0u8; 8]).is_ok()
    }
}

/// For what this machine may be silent longer than a board bears without being told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grace {
    /// It, or this program, is about to start again: 180 s.
    Boot,
    /// It is about to install: 600 s.
    Update,
    /// A payment begins at the terminal: 180 s.
    Payment,
}

/// What a board should know of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// What this program is there for makes progress. A board that does not hear this for a while calls the host dead.
    Alive,
    /// Silence is to be expected.
    AskTime(Grace),
    /// What time it is, by a source that can be trusted: seconds since 1970.
    Time(u32),
}

/// The microcontroller board: senses and hands.
pub trait Peripherals: Send {
    /// The next event, `None` after `timeout` or a wake. The board's coming and going is
    /// `DeviceEvent::Health(DeviceKind::Peripherals, ..)`, the first one included.
    fn next(&mut self, timeout: Duration) -> Option<DeviceEvent>;

    /// Light and sound. Kept and shown again when the board comes back.
    fn show(&mut self, signal: Signal);

    /// What the board should know of its host.
    fn tell(&mut self, notice: Notice);

    /// Seconds since 1970 by the board's crystal, where a host has told it the time before; handed out once a session. For
    /// a machine that has lost the time, and no proof of anything.
    fn kept_time(&mut self) -> Option<u32>;

    /// Pulses the cash drawer once. Never repeated by the adapter; false if the command could not be written.
    fn open_drawer(&mut self) -> bool;

    /// What ends a running [`Peripherals::next`].
    fn waker(&self) -> Waker;
}
