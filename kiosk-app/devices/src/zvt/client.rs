//! The adapter: a TCP connection to the terminal, and every wait on it bounded.

use super::{
    Apdu, Exchange, Framer, FromTerminal, Reply,
    apdu::wipe,
    command::{self, ZvtPassword},
};
use crate::{
    port::{AbortFlag, FinancialRequest, PaymentTerminal, Slips},
    printer::connect,
};
use kiosk_core::{Command, CommandOutcome, Enquiry, TerminalWord, device::Health};
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
    currency: u16,
    line: Option<Line>,
}

impl ZvtTerminal {
    /// Connects on the first call.
    pub fn new(address: &str, password: ZvtPassword, limits: ZvtLimits) -> Self {
        Self { address: address.to_owned(), password, limits, currency: 978, line: None }
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
        line.write(&command::registration(self.password, self.currency).encode()).map_err(|cut| failed(cut.error))?;
        let mut deadline = Instant::now() + self.limits.acknowledge;
        loop {
            match line.read(deadline).map_err(failed)?.ok_or(Health::Lost)? {
                FromTerminal::Ack => deadline = Instant::now() + self.limits.register,
                FromTerminal::Intermediate { .. } | FromTerminal::Print => line.acknowledge().map_err(failed)?,
                FromTerminal::Completion => {
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

    /// Waits for the end of an authorisation that has been written. The line is given back only after a clean end.
    fn follow(
        &self,
        mut line: Line,
        mut exchange: Exchange,
        abort: &AbortFlag,
        on_word: &mut dyn FnMut(TerminalWord),
    ) -> (CommandOutcome, Option<Line>) {
        let total = Instant::now() + self.limits.total;
        let mut deadline = Instant::now() + self.limits.acknowledge;
        let (mut asked_to_abort, mut last_chance) = (false, false);
        loop {
            let now = Instant::now();
            if now >= deadline.min(total) && last_chance {
                return (CommandOutcome::Unknown, None);
            }
            let expired = now >= deadline.min(total);
            if (expired || abort.is_raised()) && !asked_to_abort {
                asked_to_abort = true;
                if line.write(&command::abort().encode()).is_err() {
                    return (CommandOutcome::Unknown, None);
                }
            }
            if expired {
                last_chance = true;
                deadline = now + self.limits.abort;
            }
            let until = if last_chance { deadline } else { deadline.min(total) };
            let message = match line.read(until.min(now + LOOK)) {
                Ok(None) => continue,
                Ok(Some(message)) => message,
                Err(error) => {
                    tracing::warn!(%error, "terminal lost during an authorisation");
                    return (CommandOutcome::Unknown, None);
                }
            };
            let heard = exchange.is_acknowledged();
            let step = exchange.take(message);
            if exchange.is_acknowledged() && !heard {
                on_word(TerminalWord::Acknowledged);
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
                on_word(TerminalWord::Status(status));
            }
            if !last_chance && exchange.is_acknowledged() {
                let asked = Duration::from_secs(60 * u64::from(step.patience_min.unwrap_or(0)));
                deadline = Instant::now() + self.limits.reply.max(asked);
            }
        }
    }

    fn authorise(
        &mut self,
        request: &FinancialRequest,
        abort: &AbortFlag,
        on_word: &mut dyn FnMut(TerminalWord),
    ) -> CommandOutcome {
        let Command::Authorise { amount } = request.command else {
            tracing::error!(command = ?request.command, "this command is not spoken over ZVT yet");
            return CommandOutcome::NotSent;
        };
        let number = command::number_of(request.currency);
        let (Some(number), Some(apdu)) = (number, command::authorization(amount, request.currency)) else {
            tracing::error!(currency = request.currency.letters(), "this amount cannot be asked for over ZVT");
            return CommandOutcome::NotSent;
        };
        self.currency = number;
        let Ok(mut line) = self.ready() else { return CommandOutcome::NotSent };
        if abort.is_raised() {
            self.line = Some(line);
            return CommandOutcome::NotSent;
        }
        if let Err(cut) = line.write(&apdu.encode()) {
            return if cut.written == 0 { CommandOutcome::NotSent } else { CommandOutcome::Unknown };
        }
        let (outcome, line) = self.follow(line, Exchange::new(amount, number), abort, on_word);
        self.line = line;
        outcome
    }
}

impl PaymentTerminal for ZvtTerminal {
    fn run(
        &mut self,
        request: &FinancialRequest,
        abort: &AbortFlag,
        on_word: &mut dyn FnMut(TerminalWord),
    ) -> (CommandOutcome, Slips) {
        (self.authorise(request, abort, on_word), Slips::default())
    }

    fn enquire(&mut self) -> Enquiry {
        Enquiry::Unsupported
    }

    fn probe(&mut self) -> Health {
        match self.ready() {
            Ok(line) => {
                self.line = Some(line);
                Health::Ok
            }
            Err(health) => health,
        }
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
