//! A network receipt printer, simulated: what it prints goes into a file, and it answers status queries.

use crate::{
    control::{Answer, unknown},
    lock,
};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

/// How much paper there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paper {
    /// Enough.
    Ok,
    /// Near its end.
    Low,
    /// None: the printer is off line and holds what it gets.
    Out,
}

impl Paper {
    /// The answer to `DLE EOT n`.
    fn status(self, n: u8) -> u8 {
        match (n, self) {
            (1, Self::Out) => 0x1A,
            (2, Self::Out) => 0x32,
            (4, Self::Out) => 0x7E,
            (4, Self::Low) => 0x1E,
            _ => 0x12,
        }
    }
}

/// A running printer.
#[derive(Debug)]
pub struct PrinterSim {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
}

#[derive(Debug)]
struct State {
    paper: Paper,
    held: Vec<u8>,
    /// Who is to be told once what is held has been printed.
    waiting: Vec<TcpStream>,
    out: File,
    /// How often the drawer was pulsed.
    kicks: u32,
    broken: Option<String>,
}

impl PrinterSim {
    /// Listens at `listen` (port 0: one that is free) and appends to `out`.
    pub fn start(listen: SocketAddr, out: &Path) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let out = OpenOptions::new().create(true).append(true).open(out)?;
        let state = State { paper: Paper::Ok, held: vec![], waiting: vec![], out, kicks: 0, broken: None };
        let state = Arc::new(Mutex::new(state));
        let inside = Arc::clone(&state);
        thread::Builder::new().name("printer".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&inside);
                let job = move || {
                    let _ = serve(&state, stream);
                };
                if let Err(error) = thread::Builder::new().name("printer job".into()).spawn(job) {
                    tracing::warn!(%error, "a job was dropped");
                }
            }
        })?;
        Ok(Self { state, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often the drawer that hangs on it was pulsed.
    pub fn drawer_pulses(&self) -> u32 {
        lock(&self.state).kicks
    }

    /// Obeys a control line.
    pub fn obey(&self, line: &str) -> Answer {
        let paper = match line {
            "paper ok" => Paper::Ok,
            "paper low" => Paper::Low,
            "paper out" => Paper::Out,
            _ => return Err(unknown(line, "paper ok, paper low, paper out")),
        };
        let mut state = lock(&self.state);
        state.paper = paper;
        if paper != Paper::Out {
            let held = std::mem::take(&mut state.held);
            state.print(&held);
            let waiting = std::mem::take(&mut state.waiting);
            waiting.into_iter().for_each(|s| state.answer_in_turn(s));
        }
        state.broken.take().map_or(Ok(()), Err)
    }
}

impl State {
    fn print(&mut self, bytes: &[u8]) {
        if self.paper == Paper::Out {
            self.held.extend_from_slice(bytes);
        } else if let Err(e) = self.out.write_all(bytes).and_then(|()| self.out.flush()) {
            self.broken = Some(format!("the receipt file cannot be written: {e}"));
        }
    }

    /// Answers `GS r 1` once everything before it has been printed. A client that has gone no longer wants to know.
    fn answer_in_turn(&mut self, mut stream: TcpStream) {
        match self.paper {
            Paper::Out => self.waiting.push(stream),
            Paper::Low => drop(stream.write_all(&[0x03])),
            Paper::Ok => drop(stream.write_all(&[0x00])),
        }
    }
}

fn serve(state: &Mutex<State>, mut stream: TcpStream) -> io::Result<()> {
    let mut pending = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let n = stream.read(&mut chunk)?;
        if n == 0 {
            lock(state).print(&pending);
            return Ok(());
        }
        pending.extend_from_slice(&chunk[..n]);
        while let Some((token, used)) = token(&pending) {
            let mut state = lock(state);
            match token {
                Token::RealTime(n) => stream.write_all(&[state.paper.status(n)])?,
                Token::InTurn => state.answer_in_turn(stream.try_clone()?),
                Token::Kick => state.kicks += 1,
                Token::Print => state.print(&pending[..used]),
            }
            pending.drain(..used);
        }
    }
}

enum Token {
    RealTime(u8),
    InTurn,
    Kick,
    Print,
}

/// The first command of `bytes` and its length; `None` if it is not whole yet. Text is one token up to the next command.
fn token(bytes: &[u8]) -> Option<(Token, usize)> {
    let print = |n: usize| (n <= bytes.len()).then_some((Token::Print, n));
    match bytes {
        [0x1B, b'p', _, _, _, ..] => Some((Token::Kick, 5)),
        [] | [0x10 | 0x1B | 0x1C | 0x1D] | [0x1B, b'p', ..] | [0x10, 0x04] | [0x1D, b'r' | b'(' | b'v'] | [0x1D, b'(', _] => None,
        [0x10, 0x04, n, ..] => Some((Token::RealTime(*n), 3)),
        [0x1D, b'r', _, ..] => Some((Token::InTurn, 3)),
        // The data of a QR code is not looked into.
        [0x1D, b'(', _, low, high, ..] => print(5 + usize::from(u16::from_le_bytes([*low, *high]))),
        [0x1D, b'(', ..] => None,
        // Nor are dots.
        [0x1D, b'v', _, _, x, more_x, y, more_y, ..] => {
            let (stride, rows) = (u16::from_le_bytes([*x, *more_x]), u16::from_le_bytes([*y, *more_y]));
            print(8 + usize::from(stride) * usize::from(rows))
        }
        [0x1D, b'v', ..] => None,
        [0x10 | 0x1B | 0x1C | 0x1D, ..] => print(2),
        _ => print(bytes.iter().position(|b| matches!(b, 0x10 | 0x1B | 0x1C | 0x1D)).unwrap_or(bytes.len())),
    }
}
