//! A tty that is read and written without ever waiting for it.

use rustix::{
    event::PollFlags,
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{Mode, OFlags},
    io::Errno,
    termios::{OptionalActions, isatty, tcgetattr, tcsetattr},
};
use std::path::Path;

/// Bytes that may wait for a tty: eight of the longest frames. One that takes no more is as good as lost.
const WAITING_MAX: usize = 512;

/// The open device.
#[derive(Debug)]
pub(super) struct Tty {
    fd: OwnedFd,
    waiting: Vec<u8>,
}

impl Tty {
    /// Raw, 115200 8N1; a USB device and a pty take any speed.
    pub(super) fn open(path: &Path) -> Result<Self, Errno> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        if !isatty(&fd) {
            return Err(Errno::NOTTY);
        }
        let mut raw = tcgetattr(&fd)?;
        raw.make_raw();
        raw.set_speed(115_200)?;
        tcsetattr(&fd, OptionalActions::Now, &raw)?;
        Ok(Self { fd, waiting: Vec::new() })
    }

    /// True while everything that was written is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> PollFlags {
        if self.is_idle() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT }
    }

    /// Writes a frame, behind what still waits.
    pub(super) fn write(&mut self, frame: &[u8]) -> Result<(), Errno> {
        if self.waiting.len() + frame.len() > WAITING_MAX {
            return Err(Errno::NOBUFS);
        }
        self.waiting.extend_from_slice(frame);
        self.flush()
    }

    /// Writes what waits, as far as the tty takes it.
    pub(super) fn flush(&mut self) -> Result<(), Errno> {
        while !self.waiting.is_empty() {
            match rustix::io::write(&self.fd, &self.waiting) {
                Ok(n) => drop(self.waiting.drain(..n)),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What has come; empty if nothing has.
    pub(super) fn read<'a>(&self, into: &'a mut [u8]) -> Result<&'a [u8], Errno> {
        match rustix::io::read(&self.fd, &mut *into) {
            Ok(0) => Err(Errno::PIPE),
            Ok(n) => Ok(&into[..n]),
            Err(Errno::AGAIN | Errno::INTR) => Ok(&[]),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Tty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
