//! The reader's port: found by its name, taken for this process alone, opened by libnfc.

use anyhow::{Result, ensure};
use nfc1::{Context, Device, Property};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FlockOperation, Mode, OFlags, flock, open},
    io::Errno,
    termios::{InputModes, OptionalActions, tcgetattr, tcsetattr},
};
use std::{os::fd::OwnedFd, path::PathBuf};

/// libnfc marks a port as taken by this bit of `c_iflag`. A process that was killed leaves it behind where the C library keeps
/// it, and then the port could never be opened again; the lock is what keeps others off.
const CLAIMED: InputModes = InputModes::from_bits_retain(1 << 31);

/// Where the reader is.
#[derive(Debug)]
pub(crate) struct Port {
    tty: Option<PathBuf>,
    connstring: String,
}

/// An open reader. Closed in the order of its fields: the device, the library's context, the lock.
pub(crate) struct Reader {
    pub(crate) device: Device,
    _context: Context,
    lock: Option<OwnedFd>,
}

impl Port {
    /// A serial port with the chip's driver, or whatever libnfc's own words name.
    pub(crate) fn new(tty: Option<PathBuf>, driver: &str, connstring: Option<String>) -> Result<Self> {
        if let Some(connstring) = connstring {
            return Ok(Self { tty: None, connstring });
        }
        let tty = tty.unwrap_or_default();
        let name = tty.to_string_lossy();
        ensure!(
            !name.contains(':') && name.len() < 256,
            "{name}: libnfc splits names at a colon; give the port a name without one by a udev rule (SYMLINK+=\"nfc-reader\")"
        );
        Ok(Self { connstring: format!("{driver}:{name}"), tty: Some(tty) })
    }

    /// What is named in messages.
    pub(crate) fn driver(&self) -> &str {
        self.connstring.split(':').next().unwrap_or_default()
    }

    /// Takes the port and opens the reader behind it. Bounded: 1.5 s for a chip that says nothing.
    ///
    /// # Errors
    /// A sentence for staff. libnfc gives one error for everything, so that the reason is looked for before it is asked.
    pub(crate) fn open(&self) -> Result<Reader, String> {
        let lock = self.tty.as_ref().map(take).transpose()?;
        let mut context = Context::new().map_err(|error| format!("libnfc: {error}"))?;
        let mut device = context
            .open_with_connstring(&self.connstring)
            .map_err(|_| format!("no {} answers at {}", self.driver(), self.place()))?;
        let failed = |error| format!("the reader cannot be set up: {error}");
        device.initiator_init().map_err(failed)?;
        // Else a look for a card that is not there ends in an error after 350 ms, with the chip still looking.
        device.set_property_bool(Property::InfiniteSelect, false).map_err(failed)?;
        Ok(Reader { device, _context: context, lock })
    }

    fn place(&self) -> String {
        self.tty.as_ref().map_or_else(|| "its port".into(), |tty| tty.display().to_string())
    }
}

impl Reader {
    /// True once the port is gone: what the handle says then will never be right again.
    pub(crate) fn is_gone(&self) -> bool {
        let Some(tty) = &self.lock else { return false };
        let mut fds = [PollFd::new(tty, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
    }
}

/// Opens the tty beside libnfc and locks it: two processes on one reader would corrupt each other's frames.
fn take(tty: &PathBuf) -> Result<OwnedFd, String> {
    let name = tty.display();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let port = open(tty, flags, Mode::empty()).map_err(|error| match error {
        Errno::NOENT => format!("{name}: no reader is plugged in"),
        Errno::ACCESS => format!("{name}: this user may not open it; add the user to the port's group"),
        error => format!("{name}: {error}"),
    })?;
    flock(&port, FlockOperation::NonBlockingLockExclusive).map_err(|_| format!("{name}: another process has the reader"))?;
    if let Ok(mut modes) = tcgetattr(&port)
        && modes.input_modes.intersects(CLAIMED)
    {
        modes.input_modes.remove(CLAIMED);
        tcsetattr(&port, OptionalActions::Now, &modes).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(port)
}
