//! Between the kiosk's process and the agent's: a wake-up that may be lost, and questions with a time budget.
//!
//! - [`WakeSender`] / [`WakeReceiver`]: a Unix datagram socket. After each COMMIT the writer sends one byte; a lost one
//!   costs nothing but time, because the agent also looks at [`crate::LogReader::data_version`].
//! - [`AskServer`] / [`AskClient`]: a Unix SEQPACKET socket. One packet is one JSON message of at most
//!   [`MESSAGE_BYTES`]; peers are checked by SO_PEERCRED; every question has a budget, and without an answer in it the
//!   asker goes on alone.
//!
//! Sockets can be connected to by their file's group, so that each process can have a user of its own ([`uid_of`]).
//!
//! Nothing here blocks without a time-out, and nothing here is needed for a sale.

mod ask;
mod users;
mod wake;

pub use ask::{Answer, Ask, AskClient, AskConnection, AskError, AskServer, AskService, MESSAGE_BYTES, Question};
pub use users::uid_of;
pub use wake::{WakeReceiver, WakeSender};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    io,
    os::fd::BorrowedFd,
    path::Path,
    time::{Duration, Instant},
};

/// Waits until the descriptor can be read (or written); false when the deadline passes first.
fn ready(fd: BorrowedFd<'_>, flags: PollFlags, deadline: Instant) -> io::Result<bool> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left =
            Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::from_borrowed_fd(fd, flags)], Some(&left)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// A deadline that cannot overflow.
fn deadline(budget: Duration) -> Instant {
    Instant::now() + budget.min(Duration::from_secs(86_400))
}

/// Makes room for a socket at `path`: its directory, and away with the file of a dead process.
fn clear(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir)?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} is there and is no socket", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
