//! The adapter: a port that is read until it hangs up, and opened again by its name.

use super::{
    CodeScanner, Codes, ScannerError,
    keys::{EVENT_BYTES, Keyboard, Typed},
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fd::OwnedFd,
    fs::{Mode, OFlags},
    io::Errno,
    termios::{OptionalActions, isatty, tcgetattr, tcsetattr},
};
use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Between two attempts to open it.
const RETRY: Duration = Duration::from_millis(250);
/// Codes that wait to be fetched; nobody scans faster.
const WAITING: usize = 4;

/// How a port is read.
#[derive(Clone, Copy, Debug)]
enum Way {
    Serial { baud: u32 },
    Keyboard,
}

/// A scanner behind a serial port or a keyboard.
#[derive(Debug)]
pub struct PortScanner {
    path: PathBuf,
    way: Way,
    max: u16,
    open: Option<Open>,
    retry_at: Option<Instant>,
    waiting: VecDeque<String>,
}

#[derive(Debug)]
struct Open {
    fd: OwnedFd,
    codes: Codes,
    keyboard: Keyboard,
    /// The beginning of an input event.
    rest: Vec<u8>,
}

impl PortScanner {
    /// A scanner behind the tty `path`, opened at the first call.
    pub fn serial(path: &Path, baud: u32, max: u16) -> Self {
        Self::by(path, Way::Serial { baud }, max)
    }

    /// A scanner that is the keyboard `path`, opened and grabbed at the first call.
    pub fn keyboard(path: &Path, max: u16) -> Self {
        Self::by(path, Way::Keyboard, max)
    }

    fn by(path: &Path, way: Way, max: u16) -> Self {
        Self { path: path.to_owned(), way, max, open: None, retry_at: None, waiting: VecDeque::new() }
    }

    fn open(&mut self, deadline: Instant) -> Result<(), ScannerError> {
        if self.open.is_some() {
            return Ok(());
        }
        // A missing port refuses at once; the pause keeps the loop of the caller from spinning.
        if let Some(at) = self.retry_at {
            std::thread::sleep(at.min(deadline).saturating_duration_since(Instant::now()));
            if at > deadline {
                return Err(ScannerError::Lost("waiting to open it again".into()));
            }
        }
        self.retry_at = Some(Instant::now() + RETRY);
        let fd = match self.way {
            Way::Serial { baud } => tty(&self.path, baud),
            Way::Keyboard => keyboard(&self.path),
        };
        let fd = fd.map_err(|error| ScannerError::Lost(error.to_string()))?;
        self.open = Some(Open { fd, codes: Codes::new(self.max), keyboard: Keyboard::default(), rest: Vec::new() });
        self.retry_at = None;
        Ok(())
    }

    fn lose(&mut self, error: Errno) -> ScannerError {
        self.open = None;
        self.retry_at = Some(Instant::now() + RETRY);
        ScannerError::Lost(error.to_string())
    }

    /// Waits for bytes until `deadline` and takes what has come.
    fn hear(&mut self, deadline: Instant) -> Result<(), Errno> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let wait = crate::peripherals::timespec(deadline.saturating_duration_since(Instant::now()));
        let mut fds = [PollFd::new(&open.fd, PollFlags::IN)];
        match poll(&mut fds, Some(&wait)) {
            Ok(0) | Err(Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
        let mut chunk = [0; 512];
        let read = match rustix::io::read(&open.fd, &mut chunk) {
            Ok(0) => return Err(Errno::PIPE),
            Ok(read) => read,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(error) => return Err(error),
        };
        let found = match self.way {
            Way::Serial { .. } => open.characters(&chunk[..read]),
            Way::Keyboard => open.events(&chunk[..read]),
        };
        self.waiting.extend(found);
        while self.waiting.len() > WAITING {
            self.waiting.pop_front();
        }
        Ok(())
    }
}

impl Open {
    fn characters(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for byte in bytes {
            match byte {
                b'\r' | b'\n' => found.extend(self.codes.end()),
                byte => self.codes.take(char::from(*byte)),
            }
        }
        found
    }

    fn events(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        self.rest.extend_from_slice(bytes);
        while let Some((event, rest)) = self.rest.split_first_chunk::<EVENT_BYTES>() {
            match self.keyboard.event(event) {
                Some(Typed::Character(character)) => self.codes.take(character),
                Some(Typed::End) => found.extend(self.codes.end()),
                None => {}
            }
            self.rest = rest.to_vec();
        }
        found
    }
}

impl CodeScanner for PortScanner {
    fn next(&mut self, timeout: Duration) -> Result<String, ScannerError> {
        let deadline = Instant::now() + timeout;
        self.open(deadline)?;
        loop {
            if let Some(code) = self.waiting.pop_front() {
                return Ok(code);
            }
            if Instant::now() >= deadline {
                return Err(ScannerError::Timeout);
            }
            self.hear(deadline).map_err(|error| self.lose(error))?;
        }
    }
}

/// Raw, 8N1.
fn tty(path: &Path, baud: u32) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::empty())?;
    if !isatty(&fd) {
        return Err(Errno::NOTTY);
    }
    let mut raw = tcgetattr(&fd)?;
    raw.make_raw();
    raw.set_speed(baud)?;
    tcsetattr(&fd, OptionalActions::Now, &raw)?;
    Ok(fd)
}

fn keyboard(path: &Path) -> Result<OwnedFd, Errno> {
    let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    grab(&fd)?;
    Ok(fd)
}

/// From now on its keys come here and nowhere else: neither the screen nor a console sees them. Ends with the descriptor.
#[allow(unsafe_code)]
fn grab(fd: &OwnedFd) -> Result<(), Errno> {
    // EVIOCGRAB of linux/input.h.
    const GRAB: rustix::ioctl::Opcode = rustix::ioctl::opcode::write::<i32>(b'E', 0x90);
    // SAFETY: EVIOCGRAB takes its argument as a number and touches no memory of ours; on any other file it is refused.
    unsafe { rustix::ioctl::ioctl(fd, rustix::ioctl::IntegerSetter::<GRAB>::new_usize(1)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::scanner::keys::tests::event;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    const PATIENCE: Duration = Duration::from_secs(20);

    fn pty() -> (OwnedFd, PathBuf) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, vec![]).unwrap().into_string().unwrap();
        (master, name.into())
    }

    #[test]
    fn a_serial_scanner_is_read_until_it_is_unplugged_and_again_when_it_is_back() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("scanner.tty");
        let mut scanner = PortScanner::serial(&link, 9600, 16);
        assert!(matches!(scanner.next(Duration::ZERO), Err(ScannerError::Lost(_))), "it is not there yet");
        for code in ["4006381333931", "AGAIN"] {
            let (master, name) = pty();
            std::os::unix::fs::symlink(&name, &link).unwrap();
            let quiet = (0..80).map(|_| scanner.next(RETRY)).find(|said| !matches!(said, Err(ScannerError::Lost(_))));
            assert_eq!(quiet, Some(Err(ScannerError::Timeout)));
            rustix::io::write(&master, code.as_bytes()).unwrap();
            rustix::io::write(&master, b"\r\nSECOND\r").unwrap();
            assert_eq!(scanner.next(PATIENCE).unwrap(), code);
            assert_eq!(scanner.next(PATIENCE).unwrap(), "SECOND");
            drop(master);
            std::fs::remove_file(&link).unwrap();
            assert!(matches!(scanner.next(PATIENCE), Err(ScannerError::Lost(_))));
        }
    }

    #[test]
    fn a_file_that_is_no_port_is_no_scanner() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "CODE\n").unwrap();
        assert!(matches!(PortScanner::serial(&file, 9600, 16).next(PATIENCE), Err(ScannerError::Lost(_))));
        let (_master, tty) = pty();
        let mut scanner = PortScanner::keyboard(&tty, 16);
        assert!(matches!(scanner.next(PATIENCE), Err(ScannerError::Lost(_))), "a tty cannot be grabbed as a keyboard");
    }

    #[test]
    fn a_keyboard_that_is_read_in_pieces_types_the_same_code() {
        let (fd, _) = pty();
        let mut open = Open { fd, codes: Codes::new(16), keyboard: Keyboard::default(), rest: Vec::new() };
        let keys = [(42, 1), (46, 1), (46, 0), (42, 0), (2, 1), (2, 0), (28, 1), (28, 0)];
        let bytes: Vec<u8> = keys.iter().flat_map(|(code, value)| event(1, *code, *value)).collect();
        let found: Vec<String> = bytes.chunks(7).flat_map(|piece| open.events(piece)).collect();
        assert_eq!(found, ["C1"]);
    }
}
