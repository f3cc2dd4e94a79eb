//! The adapter: a TCP connection to the terminal, and every wait on it bounded.

use super::{
    Apdu, Exchange, Framer, FromTerminal, Question, Reply,
    apdu::wipe,
    command::{self, SlipsTo, ZvtPassword},
    print::SlipBook,
};
use crate::{
    port::{AbortFlag, FinancialRequest, PaymentTerminal, Slips},
    printer::connect,
};
use kiosk_core::{CommandOutcome, Enquiry, Id, TerminalWord, device::Health};
use std::{
    io::{Error, ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// How long each wait may last.
#[derive(Clone, Copy, Debug)]
pub struct ZvtLimits {
    /// To connect.
    pub connect: Duration,
    /// For the acknowledgement of a command; the specification's T3 is 5 s.
    pub acknowledge: Duration,
    /// For the registration to complete after its acknowledgement.
    pub register: Duration,
    /// Between two messages of a running authorisation; an intermediate status may ask for more.
    pub reply: Duration,
    /// For a whole authorisation, whatever the terminal asks for.
    pub total: Duration,
    /// For the end after our own abort at one of the bounds above.
    pub abort: Duration,
}

impl Default for ZvtLimits {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self { connect: s(3), acknowledge: s(5), register: s(10), reply: s(60), total: s(300), abort: s(5) }
    }
}

/// How often a wait looks at the abort flag.
const LOOK: Duration = Duration::from_millis(50);

/// A ZVT terminal at `host:port` (20007 by custom).
#[derive(Debug)]
pub struct ZvtTerminal {
    address: String,
    password: ZvtPassword,
    limits: ZvtLimits,
    slips: SlipsTo,
    currency: u16,
    line: Option<Line>,
}

impl ZvtTerminal {
    /// Connects on the first call.
    pub fn new(address: &str, password: ZvtPassword, limits: ZvtLimits, slips: SlipsTo) -> Self {
        Self { address: address.to_owned(), password, limits, slips, currency: 978, line: None }
    }

    /// A line over which a registration has just gone both ways, so that what is written next is heard. An old
    /// connection may be dead without knowing it, so it gets one try and a new one the other.
    fn ready(&mut self) -> Result<Line, Health> {
        if let Some(old) = self.line.take()
            && let Ok(line) = self.register(old)
        {
            return Ok(line);
        }
        let stream = connect(&self.address, self.limits.connect).map_err(|e| {
            tracing::debug!(error = %e, "terminal not reached");
            Health::Lost
        })?;
        self.register(Line { stream, framer: Framer::default() })
    }

    fn register(&self, mut line: Line) -> Result<Line, Health> {
        let failed = |e: Error| {
            tracing::debug!(error = %e, "registration failed");
            Health::Lost
        };
        line.write(&command::registration(self.password, self.currency, self.slips).encode()).map_err(|cut| failed(cut.error))?;
        let mut deadline = Instant::now() + self.limits.acknowledge;
        loop {
            match line.read(deadline).map_err(failed)?.ok_or(Health::Lost)? {
                FromTerminal::Ack => deadline = Instant::now() + self.limits.register,
                FromTerminal::Intermediate { .. } | FromTerminal::Print(_) => line.acknowledge().map_err(failed)?,
                FromTerminal::Completion { .. } => {
                    line.acknowledge().map_err(failed)?;
                    // Bytes beyond the completion belong to something that this till did not start.
                    return if line.framer.is_empty() { Ok(line) } else { Err(Health::Blocked) };
                }
                FromTerminal::Nack(code) | FromTerminal::Abort { code } => {
                    tracing::warn!(code, "terminal refused the registration: check its password and state");
                    return Err(Health::Blocked);
                }
                // The end of an earlier payment must never be taken for that of the next.
                FromTerminal::Status(_) | FromTerminal::Other(_) => return Err(Health::Blocked),
            }
        }
    }

    /// Waits for the end of a command that has been written. The line is given back only after a clean end.
    fn follow(&self, mut line: Line, mut exchange: Exchange, run: &mut Run<'_>) -> (CommandOutcome, Option<Line>) {
        let mut wait = Wait::new(&self.limits);
        loop {
            let now = Instant::now();
            let expired = now >= wait.deadline;
            if expired && wait.last_chance {
                return (CommandOutcome::Unknown, None);
            }
            if (expired || run.abort.is_raised()) && !wait.asked_to_abort {
                wait.asked_to_abort = true;
                if line.write(&command::abort().encode()).is_err() {
                    return (CommandOutcome::Unknown, None);
                }
            }
            if expired {
                wait.last_chance = true;
                wait.deadline = now + self.limits.abort;
            }
            let message = match line.read(wait.deadline.min(now + LOOK)) {
                Ok(None) => continue,
                Ok(Some(message)) => message,
                Err(error) => {
                    tracing::warn!(%error, "terminal lost during a command");
                    return (CommandOutcome::Unknown, None);
                }
            };
            let heard = exchange.is_acknowledged();
            let step = exchange.take(message);
            if exchange.is_acknowledged() && !heard {
                (run.on_word)(TerminalWord::Acknowledged);
            }
            if line.reply(step.reply).is_err() {
                // Unacknowledged, the terminal may take back what it has just said.
                let settled = step.end.filter(|end| matches!(end, CommandOutcome::Declined { .. }));
                return (settled.unwrap_or(CommandOutcome::Unknown), None);
            }
            if let Some(end) = step.end {
                let clean = end != CommandOutcome::Unknown;
                return (end, clean.then_some(line));
            }
            if let Some(status) = step.status {
                (run.on_word)(TerminalWord::Status(status));
            }
            if let Some(print) = step.print {
                run.book.take(print);
            }
            if exchange.is_acknowledged() {
                wait.more(&self.limits, step.patience_min);
            }
        }
    }

    fn command(&mut self, request: &FinancialRequest, run: &mut Run<'_>) -> CommandOutcome {
        let number = command::number_of(request.currency);
        let apdu = command::financial(request.command, request.currency, self.password);
        let (Some(number), Some(apdu)) = (number, apdu) else {
            tracing::error!(currency = request.currency.letters(), "this command cannot be given over ZVT");
            return CommandOutcome::NotSent;
        };
        self.currency = number;
        let Ok(mut line) = self.ready() else { return CommandOutcome::NotSent };
        if run.abort.is_raised() {
            self.line = Some(line);
            return CommandOutcome::NotSent;
        }
        if let Err(cut) = line.write(&apdu.encode()) {
            return if cut.written == 0 { CommandOutcome::NotSent } else { CommandOutcome::Unknown };
        }
        let (outcome, line) = self.follow(line, Exchange::new(request.command, number), run);
        self.line = line;
        outcome
    }

    /// Asks something that moves no money, over a line that is given back only after a clean end.
    fn ask<T>(&mut self, apdu: &Apdu, mut take: impl FnMut(FromTerminal) -> (Reply, Option<T>)) -> Result<T, Health> {
        let mut line = self.ready()?;
        let lost = |error: Error| {
            tracing::debug!(%error, "a question was not answered");
            Health::Lost
        };
        line.write(&apdu.encode()).map_err(|cut| lost(cut.error))?;
        let (end, mut deadline) = (Instant::now() + self.limits.total, Instant::now() + self.limits.acknowledge);
        loop {
            let message = line.read(deadline.min(end)).map_err(lost)?.ok_or(Health::Lost)?;
            let (reply, answer) = take(message);
            line.reply(reply).map_err(lost)?;
            if let Some(answer) = answer {
                self.line = Some(line);
                return Ok(answer);
            }
            deadline = Instant::now() + self.limits.register;
        }
    }
}

/// What a command brings along and leaves behind.
struct Run<'a> {
    abort: &'a AbortFlag,
    on_word: &'a mut dyn FnMut(TerminalWord),
    book: SlipBook,
}

/// How long the end of a command is waited for.
struct Wait {
    deadline: Instant,
    total: Instant,
    asked_to_abort: bool,
    last_chance: bool,
}

impl Wait {
    fn new(limits: &ZvtLimits) -> Self {
        let (now, total) = (Instant::now(), Instant::now() + limits.total);
        Self { deadline: (now + limits.acknowledge).min(total), total, asked_to_abort: false, last_chance: false }
    }

    /// The terminal is alive and may have asked for time.
    fn more(&mut self, limits: &ZvtLimits, patience_min: Option<u8>) {
        if !self.last_chance {
            let asked = Duration::from_secs(60 * u64::from(patience_min.unwrap_or(0)));
            self.deadline = (Instant::now() + limits.reply.max(asked)).min(self.total);
        }
    }
}

/// What a status enquiry means: initialisation (50), diagnosis (51) or an operator (52) is needed before anything is sold.
fn health_of(status: u8) -> Health {
    if (0x50..=0x52).contains(&status) { Health::Blocked } else { Health::Ok }
}

impl PaymentTerminal for ZvtTerminal {
    fn run(
        &mut self,
        request: &FinancialRequest,
        abort: &AbortFlag,
        on_word: &mut dyn FnMut(TerminalWord),
    ) -> (CommandOutcome, Slips) {
        let mut run = Run { abort, on_word, book: SlipBook::default() };
        let outcome = self.command(request, &mut run);
        (outcome, run.book.finish())
    }

    fn enquire(&mut self, _: Id) -> Enquiry {
        let mut question = Question::default();
        self.ask(&command::repeat_receipt(self.password), |message| question.take(message)).unwrap_or(Enquiry::Failed)
    }

    fn probe(&mut self) -> Health {
        let health = self.ask(&command::status_enquiry(self.password), |message| match message {
            FromTerminal::Ack => (Reply::None, None),
            FromTerminal::Completion { status } => (Reply::Ack, Some(health_of(status.unwrap_or(0)))),
            // Registered, but without this command: it is there.
            FromTerminal::Nack(_) => (Reply::None, Some(Health::Ok)),
            FromTerminal::Abort { .. } => (Reply::Ack, Some(Health::Ok)),
            FromTerminal::Intermediate { .. } | FromTerminal::Print(_) => (Reply::Ack, None),
            // The end of an earlier payment must never be taken for that of the next.
            FromTerminal::Status(_) | FromTerminal::Other(_) => (Reply::NotPossible, Some(Health::Blocked)),
        });
        health.unwrap_or_else(|health| health)
    }
}

/// A connection.
#[derive(Debug)]
struct Line {
    stream: TcpStream,
    framer: Framer,
}

/// A write that failed after so many bytes.
struct Cut {
    written: usize,
    error: Error,
}

impl Line {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Cut> {
        let mut written = 0;
        // The time-out cannot be refused: it is not zero.
        let _ = self.stream.set_write_timeout(Some(Duration::from_secs(5)));
        while written < bytes.len() {
            match self.stream.write(&bytes[written..]) {
                Ok(0) => return Err(Cut { written, error: ErrorKind::WriteZero.into() }),
                Ok(n) => written += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Cut { written, error }),
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self) -> Result<(), Error> {
        self.reply(Reply::Ack)
    }

    fn reply(&mut self, reply: Reply) -> Result<(), Error> {
        let bytes: &[u8] = match reply {
            Reply::None => return Ok(()),
            Reply::Ack => &Apdu::ACK,
            Reply::NotPossible => &[0x84, 0x83, 0x00],
        };
        self.write(bytes).map_err(|cut| cut.error)
    }

    /// The next message, `None` at `until`.
    fn read(&mut self, until: Instant) -> Result<Option<FromTerminal>, Error> {
        loop {
            if let Some(apdu) = self.framer.next() {
                tracing::trace!(?apdu, "from terminal");
                return FromTerminal::read(&apdu).map(Some).map_err(Error::other);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut chunk = [0; 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => self.framer.push(&chunk[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
                Err(e) => return Err(e),
            }
            wipe(&mut chunk);
        }
    }
}
