//! The wake-up: a datagram of one byte that may be lost.

use super::{clear, deadline, ready, users::open_to_group};
use rustix::event::PollFlags;
use std::{
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
        unix::net::UnixDatagram,
    },
    path::{Path, PathBuf},
    time::Duration,
};

/// The writer's end. Never blocks and never fails.
#[derive(Debug)]
pub struct WakeSender {
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

impl WakeSender {
    /// A sender to the receiver at `path`, which need not exist yet and may come and go.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let socket = UnixDatagram::unbound().and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        if let Err(error) = &socket {
            tracing::warn!(%error, "no wake-ups: the agent will look by itself");
        }
        Self { path: path.into(), socket: socket.ok() }
    }

    /// Sends one byte. False when nobody got it: no receiver, or one that has enough of them already.
    pub fn wake(&self) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.send_to(&[1], &self.path).is_ok())
    }
}

/// The agent's end, also for event loops: it is readable when somebody woke it.
#[derive(Debug)]
pub struct WakeReceiver {
    socket: UnixDatagram,
    path: PathBuf,
}

impl WakeReceiver {
    /// Binds the socket, replacing that of a dead process.
    ///
    /// # Errors
    /// When the path cannot be used.
    pub fn bind(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        clear(&path)?;
        let socket = UnixDatagram::bind(&path)?;
        open_to_group(&path)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, path })
    }

    /// Takes all wake-ups that wait; how many there were. Never blocks.
    pub fn drain(&self) -> usize {
        let mut count = 0;
        while self.socket.recv(&mut [0; 8]).is_ok() {
            count += 1;
        }
        count
    }

    /// Waits for a wake-up and takes all that wait. False when the budget ran out.
    ///
    /// # Errors
    /// When the socket cannot be waited for.
    pub fn wait(&self, budget: Duration) -> io::Result<bool> {
        Ok(ready(self.socket.as_fd(), PollFlags::IN, deadline(budget))? && self.drain() > 0)
    }

    /// Where it is bound.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for WakeReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for WakeReceiver {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Drop for WakeReceiver {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
