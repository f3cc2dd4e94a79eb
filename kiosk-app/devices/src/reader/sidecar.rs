//! The adapter: connects to the sidecar, or starts it, and again whenever it is lost.

use super::{
    LOST_AFTER, MAX_APDU, MAX_LINE, ReaderLine, Request,
    child::{Child, Program},
};
use crate::port::{ExchangeError, ReaderError, TagReader};
use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(250);
/// Lines that come while a card's answer is waited for; a reader says far fewer.
const WAITING: usize = 64;

/// A reader behind a sidecar.
#[derive(Debug)]
pub struct SidecarReader {
    way: Way,
    lost_after: Duration,
    link: Option<Link>,
    retry_at: Option<Instant>,
    /// Lines that were heard while an answer was waited for.
    waiting: VecDeque<ReaderLine>,
    tap: u32,
    requests: u32,
}

/// How the sidecar is reached.
#[derive(Debug)]
enum Way {
    /// Somebody else runs it.
    Socket(PathBuf),
    /// This process does.
    Child(Box<Program>),
}

#[derive(Debug)]
struct Link {
    stream: UnixStream,
    buffer: Vec<u8>,
    heard: Instant,
    /// Dropped with the link, it is killed.
    _child: Option<Child>,
}

impl SidecarReader {
    /// A reader behind `socket`; connects on the first call.
    pub fn new(socket: &Path) -> Self {
        Self::by(Way::Socket(socket.to_owned()))
    }

    /// A sidecar of our own: `program` is started with `--socket -` and `arguments`, on the first call and again whenever it
    /// has ended or fallen silent.
    pub fn start(program: &Path, arguments: &[String]) -> Self {
        Self::by(Way::Child(Box::new(Program::new(program, arguments))))
    }

    fn by(way: Way) -> Self {
        let waiting = VecDeque::new();
        Self { way, lost_after: LOST_AFTER, link: None, retry_at: None, waiting, tap: 0, requests: 0 }
    }

    /// Changes how long a silent reader counts as alive, [`LOST_AFTER`] by default.
    pub fn lost_after(mut self, limit: Duration) -> Self {
        self.lost_after = limit;
        self
    }

    fn connect(&mut self, deadline: Instant) -> Result<(), ReaderError> {
        if self.link.is_some() {
            return Ok(());
        }
        // A missing socket refuses at once; the pause keeps the loop of the caller from spinning.
        if let Some(at) = self.retry_at {
            let now = Instant::now();
            std::thread::sleep(at.min(deadline).saturating_duration_since(now));
            if at > deadline {
                return Err(ReaderError::Lost("waiting to connect again".into()));
            }
        }
        self.retry_at = Some(Instant::now() + RETRY);
        let lost = |error: std::io::Error| ReaderError::Lost(error.to_string());
        let (stream, child) = match &mut self.way {
            Way::Socket(path) => (UnixStream::connect(path).map_err(lost)?, None),
            Way::Child(program) => {
                let (stream, child) = program.start().map_err(lost)?;
                (stream, Some(child))
            }
        };
        self.link = Some(Link { stream, buffer: Vec::with_capacity(MAX_LINE), heard: Instant::now(), _child: child });
        self.retry_at = None;
        Ok(())
    }

    fn lose(&mut self, why: &str) -> ReaderError {
        self.link = None;
        let pause = match &mut self.way {
            Way::Socket(_) => RETRY,
            Way::Child(program) => program.pause(),
        };
        self.retry_at = Some(Instant::now() + pause);
        ReaderError::Lost(why.to_owned())
    }

    /// The next line from the socket, beats included in what keeps it alive.
    fn hear(&mut self, deadline: Instant) -> Result<ReaderLine, ReaderError> {
        loop {
            let Some(link) = &mut self.link else { return Err(ReaderError::Timeout) };
            if let Some(line) = link.line() {
                link.heard = Instant::now();
                match line {
                    ReaderLine::Beat => continue,
                    ReaderLine::Tap(ref tag) => self.tap = tag.number,
                    _ => {}
                }
                return Ok(line);
            }
            let silent_at = link.heard + self.lost_after;
            let now = Instant::now();
            if now >= deadline && now < silent_at {
                return Err(ReaderError::Timeout);
            }
            // A caller that was away for longer than that (the backend was asked about a card) has not listened: what was said
            // meanwhile waits here.
            match link.fill(deadline.min(silent_at)) {
                Ok(true) => {}
                Ok(false) if Instant::now() >= silent_at => return Err(self.lose("silent")),
                Ok(false) => {}
                Err(e) => return Err(self.lose(&e.to_string())),
            }
        }
    }

    fn request(&mut self, apdu: &[u8]) -> Result<u32, ExchangeError> {
        if apdu.is_empty() || apdu.len() > MAX_APDU {
            return Err(ExchangeError::Length);
        }
        self.requests = self.requests.wrapping_add(1);
        let request = Request { number: self.requests, tap: self.tap, apdu: apdu.to_vec() };
        let link = self.link.as_mut().ok_or_else(|| ExchangeError::Lost("no connection".into()))?;
        if let Err(error) = link.stream.write_all(request.to_line().as_bytes()) {
            self.lose(&error.to_string());
            return Err(ExchangeError::Lost(error.to_string()));
        }
        Ok(self.requests)
    }
}

impl Link {
    /// The next whole line in the buffer. A bad line is dropped, a line without end is cut.
    fn line(&mut self) -> Option<ReaderLine> {
        while let Some(end) = self.buffer.iter().position(|&b| b == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            match ReaderLine::parse(&line) {
                Ok(line) => return Some(line),
                Err(error) => tracing::warn!(%error, "reader line ignored"),
            }
        }
        if self.buffer.len() > MAX_LINE {
            tracing::warn!("reader line without end ignored");
            self.buffer.clear();
        }
        None
    }

    /// Reads what is there until `until`. `Ok(false)` at a time-out.
    fn fill(&mut self, until: Instant) -> std::io::Result<bool> {
        let wait = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(wait))?;
        let mut chunk = [0; 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                Ok(true)
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => Ok(false),
            Err(e) => Err(e),
        }
    }
}

impl TagReader for SidecarReader {
    fn next(&mut self, timeout: Duration) -> Result<ReaderLine, ReaderError> {
        if let Some(line) = self.waiting.pop_front() {
            return Ok(line);
        }
        let deadline = Instant::now() + timeout;
        self.connect(deadline)?;
        loop {
            match self.hear(deadline)? {
                // An answer that nobody waits for any more.
                ReaderLine::Answer { .. } => {}
                line => return Ok(line),
            }
        }
    }

    fn exchange(&mut self, apdu: &[u8], timeout: Duration) -> Result<Vec<u8>, ExchangeError> {
        let deadline = Instant::now() + timeout;
        let number = self.request(apdu)?;
        loop {
            match self.hear(deadline) {
                Ok(ReaderLine::Answer { number: of, outcome }) if of == number => return outcome.map_err(ExchangeError::Card),
                Ok(ReaderLine::Answer { .. }) => {}
                Ok(line) if self.waiting.len() < WAITING => self.waiting.push_back(line),
                Ok(_) => return Err(self.overrun()),
                Err(ReaderError::Timeout) => return Err(ExchangeError::Card("no answer in time".into())),
                Err(ReaderError::Lost(why)) => return Err(ExchangeError::Lost(why)),
            }
        }
    }
}

impl SidecarReader {
    fn overrun(&mut self) -> ExchangeError {
        self.waiting.clear();
        ExchangeError::Lost(self.lose("more lines than a reader can have to say").to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::net::UnixListener;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn what_was_said_while_nobody_listened_is_heard_before_silence_is_believed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nfc");
        let listener = UnixListener::bind(&path).unwrap();
        // Whatever time passes is longer than this.
        let mut reader = SidecarReader::new(&path).lost_after(Duration::ZERO);
        reader.connect(Instant::now() + PATIENCE).unwrap();
        let (mut sidecar, _) = listener.accept().unwrap();
        for line in [ReaderLine::Up { reader: "sim".into() }, ReaderLine::Beat, ReaderLine::Gone] {
            sidecar.write_all(line.to_line().as_bytes()).unwrap();
        }
        assert!(matches!(reader.next(PATIENCE), Ok(ReaderLine::Up { .. })));
        assert_eq!(reader.next(PATIENCE).ok(), Some(ReaderLine::Gone));
        assert!(matches!(reader.next(PATIENCE), Err(ReaderError::Lost(_))), "nothing more was said");
    }
}
