//! The side of a ZVT terminal.

use super::desk::{Asked, Closed, Decision, Desk, Done, Mode, SCHEMES, TERMINAL_ID, Transaction, refusal, slip};
use kiosk_devices::zvt::{
    Apdu, Framer,
    command::{bcd, from_bcd},
    tlv,
};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

enum Heard {
    Apdu(Apdu),
    Decided(Decision),
    Gone,
}

/// How often a waiting terminal says that it waits, so that the till does not give up.
const STILL_WAITING: Duration = Duration::from_secs(3);
/// The specification's T3.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(5);
/// Intermediate statuses: insert card; please wait.
const INSERT_CARD: u8 = 0x0A;
const PLEASE_WAIT: u8 = 0x0E;
/// Bit of the registration's config byte: receipts of payments come to the till.
const SLIPS: u8 = 0x02;

/// A connection of a till.
struct Till {
    stream: TcpStream,
    heard: Receiver<Heard>,
    hear: Sender<Heard>,
    desk: Arc<Desk>,
    slips: bool,
    /// The till asked to stop while something was being said.
    stop: bool,
}

/// The till has gone, or does not acknowledge.
#[derive(Debug)]
struct Gone;

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Self {
        Self
    }
}

/// Serves a connection on threads of its own.
pub(super) fn serve(stream: TcpStream, desk: Arc<Desk>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (hear, heard) = channel();
    let (reading, to_till) = (stream.try_clone()?, hear.clone());
    thread::Builder::new().name("terminal in".into()).spawn(move || listen(reading, &to_till))?;
    let mut till = Till { stream, heard, hear, desk, slips: false, stop: false };
    thread::Builder::new().name("terminal till".into()).spawn(move || {
        while let Ok(Heard::Apdu(apdu)) = till.heard.recv() {
            if till.command(&apdu).is_err() {
                break;
            }
        }
    })?;
    Ok(())
}

impl Till {
    fn command(&mut self, apdu: &Apdu) -> Result<(), Gone> {
        let data = apdu.data();
        match apdu.control() {
            [0x06, 0x00] => {
                self.slips = data.get(3).is_some_and(|config| config & SLIPS != 0);
                self.send_raw(&Apdu::ACK)?;
                let id = bcd::<4>(TERMINAL_ID);
                self.say([0x06, 0x0F], &[&[0x19, 0x00, 0x29][..], &id, &[0x49, 0x09, 0x78]].concat())
            }
            [0x05, 0x01] => {
                self.send_raw(&Apdu::ACK)?;
                self.say([0x06, 0x0F], &[0x00])
            }
            [0x06, 0x20] => self.repeat(),
            control @ [0x06, 0x01 | 0x30 | 0x31 | 0x50] => match asked(control, data) {
                Some(asked) => self.financial(asked),
                None => self.send_raw(&[0x84, 0x9C, 0x00]),
            },
            // Nothing runs that could be stopped.
            [0x06, 0xB0] => self.send_raw(&Apdu::ACK),
            [0x80 | 0x84, _] => Ok(()),
            _ => self.send_raw(&[0x84, 0x83, 0x00]),
        }
    }

    fn financial(&mut self, asked: Asked) -> Result<(), Gone> {
        let (mode, delay) = {
            let shared = self.desk.lock();
            (shared.mode, shared.delay)
        };
        if mode == Mode::Silent {
            return Ok(());
        }
        self.stop = false;
        self.send_raw(&Apdu::ACK)?;
        self.say([0x04, 0xFF], &[if asked == Asked::EndOfDay { PLEASE_WAIT } else { INSERT_CARD }])?;
        let end = match mode {
            // A day is closed without a card.
            Mode::Manual if asked != Asked::EndOfDay => self.wait_for_person()?,
            Mode::Decline => self.wait(Some((delay, Decision::Decline)))?,
            _ => self.wait(Some((delay, Decision::Approve)))?,
        };
        match end {
            Some(Decision::Timeout) => Ok(()),
            Some(Decision::Approve) => {
                if asked != Asked::EndOfDay {
                    self.say([0x04, 0xFF], &[PLEASE_WAIT])?;
                }
                self.carry_out(asked, mode)
            }
            Some(Decision::Decline) => self.refuse(refusal::BANK),
            None => self.refuse(refusal::STOPPED),
        }
    }

    fn wait_for_person(&mut self) -> Result<Option<Decision>, Gone> {
        let hear = self.hear.clone();
        self.desk.wait_for_person(Box::new(move |decision| drop(hear.send(Heard::Decided(decision)))));
        let end = self.wait(None);
        self.desk.nobody_waits();
        end
    }

    /// Waits for the delay or for a person; `None` if the till asks to stop.
    fn wait(&mut self, planned: Option<(Duration, Decision)>) -> Result<Option<Decision>, Gone> {
        let end = planned.map(|(delay, decision)| (Instant::now() + delay, decision));
        loop {
            if self.stop {
                return Ok(None);
            }
            let left = end.map_or(STILL_WAITING, |(at, _)| at.saturating_duration_since(Instant::now()));
            match self.heard.recv_timeout(left.min(STILL_WAITING)) {
                Ok(Heard::Decided(decision)) => return Ok(Some(decision)),
                Ok(Heard::Apdu(apdu)) if apdu.control() == [0x06, 0xB0] => {
                    self.send_raw(&Apdu::ACK)?;
                    return Ok(None);
                }
                Ok(Heard::Apdu(_)) => {}
                Err(RecvTimeoutError::Timeout) => match end {
                    Some((at, decision)) if at <= Instant::now() => return Ok(Some(decision)),
                    _ => self.say([0x04, 0xFF], &[INSERT_CARD])?,
                },
                Ok(Heard::Gone) | Err(RecvTimeoutError::Disconnected) => return Err(Gone),
            }
        }
    }

    fn carry_out(&mut self, asked: Asked, mode: Mode) -> Result<(), Gone> {
        let done = self.desk.carry_out(asked);
        if mode == Mode::Cut && !matches!(done, Done::Refused(_)) {
            // The till is gone before it hears of what is in the books.
            let _ = self.stream.shutdown(Shutdown::Both);
            return Err(Gone);
        }
        match done {
            Done::Refused(code) => self.refuse(code),
            Done::Closed(closed) => {
                self.say([0x04, 0x0F], &totals(&closed))?;
                self.print(3, &["* * Kassenschnitt * *".to_owned(), format!("Terminal-ID {TERMINAL_ID}")])?;
                self.say([0x06, 0x0F], &[])
            }
            Done::Booked(t) => {
                let said = self.tell(&t);
                if said.is_err() || mode == Mode::Deaf {
                    self.desk.take_back(&t);
                }
                said
            }
        }
    }

    /// Status, slips, completion, each acknowledged.
    fn tell(&mut self, t: &Transaction) -> Result<(), Gone> {
        self.say([0x04, 0x0F], &approval(t))?;
        self.print(1, &slip(t, false))?;
        self.print(2, &slip(t, true))?;
        self.say([0x06, 0x0F], &[])
    }

    fn repeat(&mut self) -> Result<(), Gone> {
        let Ok(last) = self.desk.last() else { return self.send_raw(&[0x84, 0x83, 0x00]) };
        self.send_raw(&Apdu::ACK)?;
        match last {
            Some(t) => self.say([0x04, 0x0F], &approval(&t))?,
            None => self.say([0x04, 0x0F], &[0x27, 0x00, 0x87, 0x00, 0x00])?,
        }
        self.say([0x06, 0x0F], &[])
    }

    /// A text block, if the till has asked for slips.
    fn print(&mut self, kind: u8, lines: &[String]) -> Result<(), Gone> {
        if !self.slips {
            return Ok(());
        }
        let (mut texts, mut inside, mut data) = (vec![], vec![], vec![]);
        lines.iter().for_each(|line| tlv::write(&mut texts, 0x07, &cp437(line)));
        tlv::write(&mut inside, 0x1F07, &[kind]);
        tlv::write(&mut inside, 0x25, &texts);
        tlv::write(&mut data, 0x06, &inside);
        self.say([0x06, 0xD3], &data)
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
                // Looked at by the next wait; after the approval it is too late, and what was begun goes on.
                Ok(Heard::Apdu(apdu)) if apdu.control() == [0x06, 0xB0] => {
                    self.stop = true;
                    self.send_raw(&Apdu::ACK)?;
                }
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

/// Reads a financial command. A password stands before all but an authorisation; every terminal here takes any.
fn asked(control: [u8; 2], data: &[u8]) -> Option<Asked> {
    let fields = if control == [0x06, 0x01] { data } else { data.get(3..)? };
    let (mut amount, mut receipt, mut rest) = (None, None, fields);
    while let [field, tail @ ..] = rest {
        let n = match field {
            0x04 => 6,
            0x49 | 0x87 => 2,
            0x19 => 1,
            _ => return None,
        };
        let value = from_bcd(tail.get(..n)?);
        match field {
            0x04 => amount = value,
            0x87 => receipt = value.and_then(|n| u32::try_from(n).ok()),
            _ => {}
        }
        rest = &tail[n..];
    }
    Some(match control[1] {
        0x01 => Asked::Sale { amount: amount? },
        0x30 => Asked::Reversal { receipt: receipt?, amount },
        0x31 => Asked::Refund { amount: amount? },
        _ => Asked::EndOfDay,
    })
}

/// A status information as of a terminal that masks nothing, neither in the card number's field nor in the track data and
/// the container, so that dropping it is put to the test.
fn approval(t: &Transaction) -> Vec<u8> {
    let number = t.card.to_string();
    let padded = if number.len().is_multiple_of(2) { number.clone() } else { format!("{number}F") };
    let packed: Vec<u8> = padded.as_bytes().chunks(2).map(|pair| (nibble(pair[0]) << 4) | nibble(pair[1])).collect();
    let mut data = vec![0x27, 0x00, 0x04];
    data.extend(bcd::<6>(t.amount));
    data.push(0x0B);
    data.extend(bcd::<3>(t.trace.into()));
    data.extend([0x0E, 0x30, 0x12, 0x17, 0x00, 0x01, 0x19, 0x70]);
    for field in [0x22, 0x23] {
        data.extend([field, 0xF0 | (packed.len() / 10) as u8, 0xF0 | (packed.len() % 10) as u8]);
        data.extend(&packed);
    }
    data.push(0x29);
    data.extend(bcd::<4>(TERMINAL_ID));
    data.extend([0x49, 0x09, 0x78, 0x87]);
    data.extend(bcd::<2>(t.receipt.into()));
    let scheme = SCHEMES.get(t.scheme).copied().unwrap_or_default();
    data.extend([0x8A, 0x0A, 0x8B, 0xF0 | ((scheme.len() + 1) / 10) as u8, 0xF0 | ((scheme.len() + 1) % 10) as u8]);
    data.extend(scheme.as_bytes());
    data.push(0);
    // Text for the slip, and a container with the number in it.
    data.extend([0x3C, 0xF0, 0xF0 | (number.len() / 10) as u8, 0xF0 | (number.len() % 10) as u8]);
    data.extend(number.as_bytes());
    let (mut inside, mut container) = (vec![], vec![]);
    tlv::write(&mut inside, 0x45, &packed);
    tlv::write(&mut inside, 0x07, number.as_bytes());
    tlv::write(&mut container, 0x06, &inside);
    data.extend(container);
    data
}

fn nibble(digit: u8) -> u8 {
    if digit.is_ascii_digit() { digit - b'0' } else { 0xF }
}

/// Field 60. It has no sign: a scheme that gave back more than it took is said as nothing.
fn totals(closed: &Closed) -> Vec<u8> {
    let amount = |sum: i64| u64::try_from(sum).unwrap_or(0);
    let mut data = vec![0x27, 0x00, 0x04];
    data.extend(bcd::<6>(closed.schemes.iter().map(|(_, sum)| amount(*sum)).sum()));
    data.push(0x29);
    data.extend(bcd::<4>(TERMINAL_ID));
    data.extend([0x60, 0xF0, 0xF5, 0xF3]);
    data.extend(bcd::<2>(closed.receipts.0.into()));
    data.extend(bcd::<2>(closed.receipts.1.into()));
    for (count, sum) in closed.schemes {
        data.push(u8::try_from(count).unwrap_or(u8::MAX));
        data.extend(bcd::<6>(amount(sum)));
    }
    data
}

fn cp437(text: &str) -> Vec<u8> {
    text.chars().map(|c| if c == 'ä' { 0x84 } else { u8::try_from(c).unwrap_or(b'?') }).collect()
}
