//! The kiosk at the other end of the socket: lines to it, requests from it, and its end, which is ours.

use crate::watchdog::Watchdog;
use anyhow::{Context, Result};
use kiosk_devices::{
    ReaderLine,
    reader::{BEAT_EVERY, MAX_LINE, Request},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    os::{
        fd::AsFd,
        unix::{
            fs::FileTypeExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
    time::{Duration, Instant},
};

/// A kiosk that has not read a line for this long has hung.
const WRITE: Duration = Duration::from_secs(2);
/// Requests that wait; a kiosk asks one by one.
const WAITING: usize = 8;
const TICK: Duration = Duration::from_millis(250);

/// The connection is closed: the end of this process.
#[derive(Debug)]
pub(crate) struct Closed;

/// The connected kiosk.
#[derive(Debug)]
pub(crate) struct Kiosk {
    stream: UnixStream,
    buffer: Vec<u8>,
    requests: VecDeque<Request>,
    said: Instant,
}

impl Kiosk {
    /// The socket on standard input.
    pub(crate) fn on_stdin() -> Result<Self> {
        let stdin = std::io::stdin().as_fd().try_clone_to_owned().context("standard input")?;
        Self::new(UnixStream::from(stdin))
    }

    /// Binds `path`, where a dead socket may lie, and waits for one kiosk; `None` once asked to end.
    pub(crate) fn listen(path: &Path, watchdog: &mut Watchdog) -> Result<Option<Self>> {
        if std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
            std::fs::remove_file(path).with_context(|| path.display().to_string())?;
        }
        let listener = UnixListener::bind(path).with_context(|| format!("{}: cannot listen", path.display()))?;
        listener.set_nonblocking(true)?;
        watchdog.ready();
        loop {
            watchdog.feed();
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    // One kiosk at a time: the next is told at once that nobody listens.
                    std::fs::remove_file(path).ok();
                    return Self::new(stream).map(Some);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => readable(&listener, TICK),
                Err(error) => return Err(error).context("waiting for the kiosk"),
            }
        }
    }

    fn new(stream: UnixStream) -> Result<Self> {
        stream.set_write_timeout(Some(WRITE)).context("this is not a socket; see --help")?;
        stream.set_nonblocking(false)?;
        Ok(Self { stream, buffer: Vec::new(), requests: VecDeque::new(), said: Instant::now() })
    }

    /// Writes a line.
    pub(crate) fn say(&mut self, line: &ReaderLine) -> Result<(), Closed> {
        self.said = Instant::now();
        self.stream.write_all(line.to_line().as_bytes()).map_err(|_| Closed)
    }

    /// Writes a beat if nothing else was said for a while, takes what the kiosk has said, and waits for it no longer than
    /// `patience`. Gives the next request.
    pub(crate) fn listen_for(&mut self, patience: Duration) -> Result<Option<Request>, Closed> {
        if self.said.elapsed() + patience >= BEAT_EVERY {
            self.say(&ReaderLine::Beat)?;
        }
        if self.requests.is_empty() {
            readable(&self.stream, patience);
            self.take()?;
        }
        Ok(self.requests.pop_front())
    }

    fn take(&mut self) -> Result<(), Closed> {
        let mut chunk = [0; 1024];
        self.stream.set_read_timeout(Some(Duration::from_millis(1))).map_err(|_| Closed)?;
        match self.stream.read(&mut chunk) {
            Ok(0) => return Err(Closed),
            Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(_) => return Err(Closed),
        }
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            match Request::parse(&line) {
                Ok(request) if self.requests.len() < WAITING => self.requests.push_back(request),
                Ok(_) => tracing::warn!("too many requests wait; one was left out"),
                Err(error) => tracing::warn!(%error, "a line of the kiosk was ignored"),
            }
        }
        if self.buffer.len() > MAX_LINE {
            tracing::warn!("a line of the kiosk without end was ignored");
            self.buffer.clear();
        }
        Ok(())
    }
}

/// Waits until something can be read, at most that long.
fn readable(fd: &impl AsFd, patience: Duration) {
    let spec =
        Timespec { tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX), tv_nsec: patience.subsec_nanos().into() };
    // An interrupted wait is a short one.
    let _ = poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&spec));
}
