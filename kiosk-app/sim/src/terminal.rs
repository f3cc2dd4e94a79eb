//! A payment terminal, simulated: ZVT over TCP, ending as it is told to.

use crate::{
    control::{Answer, unknown},
    lock,
};
use kiosk_devices::zvt::{
    Apdu, Framer,
    command::{bcd, from_bcd},
};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// How the next authorisation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Approved after the delay.
    Approve,
    /// Refused by the bank after the delay.
    Decline,
    /// The command is taken and nothing is ever said.
    Silent,
    /// By a control line.
    Manual,
}

impl Mode {
    /// By its word.
    pub fn named(word: &str) -> Option<Self> {
        Some(match word {
            "approve" => Self::Approve,
            "decline" => Self::Decline,
            "silent" => Self::Silent,
            "manual" => Self::Manual,
            _ => return None,
        })
    }
}

/// What a person at the control line decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The card is held to it and the bank agrees.
    Approve,
    /// The bank refuses.
    Decline,
    /// The terminal stops talking in the middle.
    Timeout,
}

/// What the terminal has in its own books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Receipt number, from 1.
    pub receipt: u32,
    /// Minor units.
    pub amount: u64,
    /// True if the till did not acknowledge the approval and the terminal took it back by itself.
    pub reversed: bool,
}

/// A running terminal.
#[derive(Debug)]
pub struct TerminalSim {
    desk: Arc<Desk>,
    address: SocketAddr,
}

#[derive(Debug)]
struct Desk {
    shared: Mutex<Shared>,
    changed: Condvar,
}

#[derive(Debug)]
struct Shared {
    mode: Mode,
    delay: Duration,
    books: Vec<Transaction>,
    /// The authorisation that waits for a person.
    waiting: Option<Sender<Heard>>,
}

#[derive(Debug)]
enum Heard {
    Apdu(Apdu),
    Decided(Decision),
    Gone,
}

/// Terminal id, field 29.
const TERMINAL_ID: u64 = 52_500_001;
/// How often a waiting terminal says that it waits, so that the till does not give up.
const STILL_WAITING: Duration = Duration::from_secs(3);
/// How long a decision waits for a payment.
const ON_ITS_WAY: Duration = Duration::from_secs(5);
/// The specification's T3.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(5);
/// Result codes: refused by the bank; ended by time-out or the stop key.
const REFUSED: u8 = 0x05;
const STOPPED: u8 = 0x6C;
/// Intermediate statuses: insert card; please wait; approved, take goods; declined.
const INSERT_CARD: u8 = 0x0A;
const PLEASE_WAIT: u8 = 0x0E;

impl TerminalSim {
    /// Listens at `listen` (port 0: one that is free). `delay` lies between the command and its end.
    pub fn start(listen: SocketAddr, mode: Mode, delay: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let shared = Mutex::new(Shared { mode, delay, books: vec![], waiting: None });
        let desk = Arc::new(Desk { shared, changed: Condvar::new() });
        let inside = Arc::clone(&desk);
        thread::Builder::new().name("terminal".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Err(error) = Till::serve(stream, Arc::clone(&inside)) {
                    tracing::warn!(%error, "a connection was dropped");
                }
            }
        })?;
        Ok(Self { desk, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The terminal's own books.
    pub fn books(&self) -> Vec<Transaction> {
        lock(&self.desk.shared).books.clone()
    }

    /// Obeys a control line. A decision in manual mode waits a few seconds for its payment.
    pub fn obey(&self, line: &str) -> Answer {
        let decision = match line {
            "approve" => Decision::Approve,
            "decline" => Decision::Decline,
            "timeout" => Decision::Timeout,
            _ => {
                let mode = line.strip_prefix("mode ").and_then(Mode::named);
                let known = "mode approve|decline|silent|manual, approve, decline, timeout";
                lock(&self.desk.shared).mode = mode.ok_or_else(|| unknown(line, known))?;
                return Ok(());
            }
        };
        self.decide(decision).ok_or_else(|| "no payment waits for a decision: say 'mode manual' and start one".to_owned())
    }

    /// In manual mode a payment that has just been started on the screen may be on its way here: it is waited for.
    fn decide(&self, decision: Decision) -> Option<()> {
        let shared = lock(&self.desk.shared);
        let none = |s: &mut Shared| s.waiting.is_none() && s.mode == Mode::Manual;
        let shared = self.desk.changed.wait_timeout_while(shared, ON_ITS_WAY, none);
        let waiting = shared.unwrap_or_else(PoisonError::into_inner).0.waiting.take()?;
        waiting.send(Heard::Decided(decision)).ok()
    }
}

/// A connection of a till.
struct Till {
    stream: TcpStream,
    heard: Receiver<Heard>,
    hear: Sender<Heard>,
    desk: Arc<Desk>,
}

/// The till has gone, or does not acknowledge.
#[derive(Debug)]
struct Gone;

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl Till {
    fn serve(stream: TcpStream, desk: Arc<Desk>) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (hear, heard) = channel();
        let (reading, to_till) = (stream.try_clone()?, hear.clone());
        thread::Builder::new().name("terminal in".into()).spawn(move || listen(reading, &to_till))?;
        let mut till = Self { stream, heard, hear, desk };
        thread::Builder::new().name("terminal till".into()).spawn(move || {
            while let Ok(Heard::Apdu(apdu)) = till.heard.recv() {
                if till.command(&apdu).is_err() {
                    break;
                }
            }
        })?;
        Ok(())
    }

    fn command(&mut self, apdu: &Apdu) -> Result<(), Gone> {
        match apdu.control() {
            [0x06, 0x00] => {
                self.send_raw(&Apdu::ACK)?;
                let id = bcd::<4>(TERMINAL_ID);
                let data = [&[0x19, 0x00, 0x29][..], &id, &[0x49, 0x09, 0x78]].concat();
                self.say([0x06, 0x0F], &data)
            }
            [0x06, 0x01] => self.authorise(apdu.data()),
            // Nothing runs that could be stopped.
            [0x06, 0xB0] => self.send_raw(&Apdu::ACK),
            [0x80 | 0x84, _] => Ok(()),
            _ => self.send_raw(&[0x84, 0x83, 0x00]),
        }
    }

    fn authorise(&mut self, data: &[u8]) -> Result<(), Gone> {
        let Some(amount) = data.first().filter(|f| **f == 0x04).and_then(|_| from_bcd(data.get(1..7)?)) else {
            return self.send_raw(&[0x84, 0x9C, 0x00]);
        };
        let (mode, delay) = {
            let shared = lock(&self.desk.shared);
            (shared.mode, shared.delay)
        };
        if mode == Mode::Silent {
            return Ok(());
        }
        self.send_raw(&Apdu::ACK)?;
        self.say([0x04, 0xFF], &[INSERT_CARD])?;
        let end = match mode {
            Mode::Manual => {
                lock(&self.desk.shared).waiting = Some(self.hear.clone());
                self.desk.changed.notify_all();
                let end = self.wait(None);
                lock(&self.desk.shared).waiting = None;
                end?
            }
            Mode::Decline => self.wait(Some((delay, Decision::Decline)))?,
            Mode::Approve | Mode::Silent => self.wait(Some((delay, Decision::Approve)))?,
        };
        match end {
            Some(Decision::Timeout) => Ok(()),
            Some(Decision::Approve) => {
                self.say([0x04, 0xFF], &[PLEASE_WAIT])?;
                self.approve(amount)
            }
            Some(Decision::Decline) => self.refuse(REFUSED),
            None => self.refuse(STOPPED),
        }
    }

    /// Waits for the delay or for a person; `None` if the till asks to stop.
    fn wait(&mut self, planned: Option<(Duration, Decision)>) -> Result<Option<Decision>, Gone> {
        let end = planned.map(|(delay, decision)| (Instant::now() + delay, decision));
        loop {
            let left = end.map_or(STILL_WAITING, |(at, _)| at.saturating_duration_since(Instant::now()));
            match self.heard.recv_timeout(left) {
                Ok(Heard::Decided(decision)) => return Ok(Some(decision)),
                Ok(Heard::Apdu(apdu)) if apdu.control() == [0x06, 0xB0] => {
                    self.send_raw(&Apdu::ACK)?;
                    return Ok(None);
                }
                Ok(Heard::Apdu(_)) => {}
                Err(RecvTimeoutError::Timeout) => match end {
                    Some((_, decision)) => return Ok(Some(decision)),
                    None => self.say([0x04, 0xFF], &[INSERT_CARD])?,
                },
                Ok(Heard::Gone) | Err(RecvTimeoutError::Disconnected) => return Err(Gone),
            }
        }
    }

    fn approve(&mut self, amount: u64) -> Result<(), Gone> {
        let receipt = {
            let mut shared = lock(&self.desk.shared);
            let receipt = u32::try_from(shared.books.len()).unwrap_or(u32::MAX) + 1;
            shared.books.push(Transaction { receipt, amount, reversed: false });
            receipt
        };
        let said = self.say([0x04, 0x0F], &approval(amount, receipt));
        if said.is_err() {
            let mut shared = lock(&self.desk.shared);
            let booked = shared.books.iter_mut().find(|t| t.receipt == receipt);
            booked.into_iter().for_each(|t| t.reversed = true);
        }
        said?;
        self.say([0x06, 0x0F], &[])
    }

    fn refuse(&mut self, code: u8) -> Result<(), Gone> {
        let data = [&[0x27, code, 0x29][..], &bcd::<4>(TERMINAL_ID)].concat();
        self.say([0x04, 0x0F], &data)?;
        self.say([0x06, 0x1E], &[code])
    }

    /// Sends a command and waits for its acknowledgement.
    fn say(&mut self, control: [u8; 2], data: &[u8]) -> Result<(), Gone> {
        self.send_raw(&Apdu::new(control, data).encode())?;
        let until = Instant::now() + ACKNOWLEDGED_WITHIN;
        loop {
            match self.heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Heard::Apdu(apdu)) if apdu.control() == [0x80, 0x00] => return Ok(()),
                // Too late to stop: acknowledged, and what was begun goes on.
                Ok(Heard::Apdu(apdu)) if apdu.control() == [0x06, 0xB0] => self.send_raw(&Apdu::ACK)?,
                Ok(Heard::Apdu(_) | Heard::Decided(_)) => {}
                Ok(Heard::Gone) | Err(_) => return Err(Gone),
            }
        }
    }

    fn send_raw(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        Ok(self.stream.write_all(bytes)?)
    }
}

fn listen(mut stream: TcpStream, hear: &Sender<Heard>) {
    let mut framer = Framer::default();
    let mut chunk = [0; 1024];
    loop {
        match stream.read(&mut chunk) {
            Ok(n @ 1..) => framer.push(&chunk[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => {
                let _ = hear.send(Heard::Gone);
                return;
            }
        }
        while let Some(apdu) = framer.next() {
            if hear.send(Heard::Apdu(apdu)).is_err() {
                return;
            }
        }
    }
}

/// A status information as of a terminal that does not mask the card number, so that dropping it is put to the test.
fn approval(amount: u64, receipt: u32) -> Vec<u8> {
    let mut data = vec![0x27, 0x00, 0x04];
    data.extend(bcd::<6>(amount));
    data.push(0x0B);
    data.extend(bcd::<3>(receipt.into()));
    data.extend([0x0E, 0x30, 0x12, 0x17, 0x00, 0x01, 0x19, 0x70, 0x22, 0xF0, 0xF8]);
    data.extend(card_number(receipt));
    data.push(0x29);
    data.extend(bcd::<4>(TERMINAL_ID));
    data.extend([0x49, 0x09, 0x78, 0x87]);
    data.extend(bcd::<2>(receipt.into()));
    data.extend([0x8A, 0x0A, 0x8B, 0xF0, 0xF5]);
    data.extend(b"VISA\0");
    data
}

/// A card number that passes Luhn's check: 411111, a count, a check digit. It is nobody's: the range is for tests.
pub(crate) fn card_number(count: u32) -> [u8; 8] {
    let body = 411_111_000_000_000 + u64::from(count % 1_000_000) * 1000;
    let digits = (0..15u32).map(|i| body / 10u64.pow(i) % 10);
    let sum: u64 = digits.enumerate().map(|(i, d)| if i.is_multiple_of(2) { d * 2 / 10 + d * 2 % 10 } else { d }).sum();
    bcd(body * 10 + (10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_numbers_of_the_simulator_pass_the_check_of_luhn() {
        for count in [0, 1, 17, 999_999] {
            let number = from_bcd(&card_number(count)).unwrap_or(0);
            let digits = (0..16u32).map(|i| number / 10u64.pow(i) % 10);
            let sum: u64 = digits.enumerate().map(|(i, d)| if i % 2 == 1 { d * 2 / 10 + d * 2 % 10 } else { d }).sum();
            assert_eq!((number / 10u64.pow(10), sum % 10), (411_111, 0), "{number}");
        }
    }
}
