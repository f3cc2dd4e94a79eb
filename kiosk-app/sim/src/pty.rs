//! A pseudo-terminal that stands for a serial port, under a name that stays.

use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{OptionalActions, tcgetattr, tcsetattr},
};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

/// The simulator's end of a pty. Dropped, the line hangs up.
#[derive(Debug)]
pub(crate) struct Pty {
    master: OwnedFd,
    /// Kept open, so that a kiosk that closes its end does not hang up the line.
    _slave: OwnedFd,
    path: PathBuf,
}

impl Pty {
    /// Makes a raw pty and a symbolic link `path` to it. Neither end is inherited by a child: a kiosk that is one would
    /// otherwise hold the line of a port that was unplugged.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, vec![])?;
        let slave = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let mut raw = tcgetattr(&slave)?;
        raw.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &raw)?;
        if std::fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink()) {
            std::fs::remove_file(path)?;
        }
        std::os::unix::fs::symlink(PathBuf::from(name.to_string_lossy().into_owned()), path)?;
        Ok(Self { master, _slave: slave, path: path.to_owned() })
    }
}

impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }
}

impl Pty {
    /// Takes the name away, at once, whoever still works with the line. Another line may have it then.
    pub(crate) fn hide(&self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
