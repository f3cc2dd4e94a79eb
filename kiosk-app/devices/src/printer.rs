//! Ways to a receipt printer: raw TCP (port 9100) and a file or character device.

use crate::{
    peripherals::timespec,
    port::{PrintError, ReceiptPrinter},
    receipt::DrawerPin,
};
use kiosk_core::device::Health;
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::OFlags,
    termios::{ControlModes, OptionalActions, tcgetattr, tcsetattr},
};
use std::{
    fs::{File, OpenOptions},
    io::{Error, ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Time-outs of a network printer.
#[derive(Clone, Copy, Debug)]
pub struct PrinterLimits {
    /// To connect.
    pub connect: Duration,
    /// For an answer to a status query; a printer that does not answer within it is taken for one that never does.
    pub status: Duration,
    /// For the printer to take more of the job when its buffer is full.
    pub job: Duration,
    /// For a printer that answers queries to say that it has come to the end of the job.
    pub finish: Duration,
}

impl Default for PrinterLimits {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self { connect: ms(2000), status: ms(500), job: ms(15_000), finish: ms(6000) }
    }
}

/// `DLE EOT n`, real-time status: n = 1 printer, 2 cause of being off line, 4 paper sensor.
const ASK: [u8; 9] = [0x10, 0x04, 1, 0x10, 0x04, 2, 0x10, 0x04, 4];

/// `GS r 1`: the paper sensor again, but answered in its turn, so behind a job it means that the job is through.
const ASK_BEHIND: [u8; 3] = [0x1D, 0x72, 1];

/// Raw ESC/POS over TCP. A connection a job: these printers serve one at a time, and a held one locks out the others.
#[derive(Debug)]
pub struct TcpPrinter {
    address: String,
    limits: PrinterLimits,
}

impl TcpPrinter {
    /// A printer at `host:port`.
    pub fn new(address: &str, limits: PrinterLimits) -> Self {
        Self { address: address.to_owned(), limits }
    }

    fn connect(&self) -> Result<TcpStream, PrintError> {
        let stream = connect(&self.address, self.limits.connect).map_err(PrintError::Lost)?;
        stream.set_write_timeout(Some(self.limits.job)).map_err(PrintError::Lost)?;
        Ok(stream)
    }

    /// Asks for the status over an open connection, `None` if there is no answer.
    fn ask(&self, stream: &mut TcpStream) -> Result<Option<Health>, Error> {
        stream.write_all(&ASK)?;
        let answer = answers::<3>(stream, self.limits.status, |b| b & 0b1001_0011 == 0b0001_0010)?;
        Ok(answer.map(|[printer, cause, paper]| status(printer, cause, paper)))
    }
}

/// Waits for `N` bytes that look like answers.
fn answers<const N: usize>(stream: &mut TcpStream, limit: Duration, ours: fn(u8) -> bool) -> Result<Option<[u8; N]>, Error> {
    let deadline = Instant::now() + limit;
    let mut found = [0; N];
    let mut n = 0;
    while n < N {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        stream.set_read_timeout(Some(left))?;
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) if ours(byte[0]) => {
                found[n] = byte[0];
                n += 1;
            }
            Ok(_) => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(Some(found))
}

/// What the answers to `DLE EOT 1`, `2` and `4` mean, by Epson's command reference.
pub fn status(printer: u8, cause: u8, paper: u8) -> Health {
    let off_line = printer & 0x08 != 0;
    let cover_open_or_stopped = cause & (0x04 | 0x20 | 0x40) != 0;
    let paper_end = paper & 0x60 != 0;
    if off_line || cover_open_or_stopped || paper_end {
        Health::Blocked
    } else if paper & 0x0C != 0 {
        Health::Low
    } else {
        Health::Ok
    }
}

impl ReceiptPrinter for TcpPrinter {
    fn print(&mut self, job: &[u8]) -> Result<Health, PrintError> {
        let mut stream = self.connect()?;
        let before = self.ask(&mut stream).map_err(PrintError::Lost)?;
        if before == Some(Health::Blocked) {
            return Err(PrintError::Blocked);
        }
        stream.write_all(job).map_err(PrintError::Cut)?;
        if before.is_none() {
            // One of the many that never answer: it has taken the job, and nobody can know more.
            return Ok(Health::Ok);
        }
        stream.write_all(&ASK_BEHIND).map_err(PrintError::Cut)?;
        answers::<1>(&mut stream, self.limits.finish, |b| b & 0b1001_0000 == 0).map_err(PrintError::Cut)?;
        match self.ask(&mut stream).map_err(PrintError::Cut)? {
            Some(Health::Blocked) => Err(PrintError::Stopped),
            health => Ok(health.unwrap_or(Health::Ok)),
        }
    }

    fn kick(&mut self, drawer: DrawerPin) -> Result<(), PrintError> {
        let mut stream = self.connect()?;
        // A printer that is off line would keep the pulse until somebody puts paper in.
        let before = self.ask(&mut stream).map_err(PrintError::Lost)?;
        if before == Some(Health::Blocked) {
            return Err(PrintError::Blocked);
        }
        stream.write_all(&drawer.pulse()).map_err(PrintError::Cut)?;
        if before.is_some() {
            stream.write_all(&ASK_BEHIND).map_err(PrintError::Cut)?;
            answers::<1>(&mut stream, self.limits.status, |b| b & 0b1001_0000 == 0).map_err(PrintError::Cut)?;
        }
        Ok(())
    }

    fn health(&mut self) -> Health {
        let asked = self.connect().and_then(|mut s| self.ask(&mut s).map_err(PrintError::Lost));
        asked.map_or(Health::Lost, |answer| answer.unwrap_or(Health::Ok))
    }
}

/// A file or character device that gets the bytes appended.
#[derive(Debug)]
pub struct FilePrinter {
    path: PathBuf,
    patience: Duration,
    baud: Option<u32>,
}

impl FilePrinter {
    /// Prints into `path`, which is made if its folder exists.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), patience: PrinterLimits::default().job, baud: None }
    }

    /// Prints on the serial port `path`: 8 data bits, no parity, 1 stop bit, hardware flow control, without which a printer
    /// that has no paper would lose what it is sent.
    pub fn serial(path: &Path, baud: u32) -> Self {
        Self { baud: Some(baud), ..Self::new(path) }
    }

    /// A device is opened so that a printer without paper cannot hold a write for ever.
    fn open(&self) -> std::io::Result<File> {
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
        let Some(baud) = self.baud else {
            return OpenOptions::new().create(true).append(true).custom_flags(flags).open(&self.path);
        };
        let port = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&self.path)?;
        let mut line = tcgetattr(&port)?;
        line.make_raw();
        line.set_speed(baud)?;
        line.control_modes |= ControlModes::CRTSCTS | ControlModes::CLOCAL;
        tcsetattr(&port, OptionalActions::Now, &line)?;
        Ok(port)
    }

    fn write(&self, file: &mut File, mut job: &[u8]) -> Result<(), PrintError> {
        let wait = timespec(self.patience);
        while !job.is_empty() {
            match file.write(job) {
                Ok(0) => return Err(PrintError::Cut(ErrorKind::WriteZero.into())),
                Ok(n) => job = &job[n..],
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    let ready = poll(&mut [PollFd::new(&*file, PollFlags::OUT)], Some(&wait));
                    if ready.map_err(|e| PrintError::Cut(e.into()))? == 0 {
                        return Err(PrintError::Stopped);
                    }
                }
                Err(e) => return Err(PrintError::Cut(e)),
            }
        }
        Ok(())
    }
}

impl ReceiptPrinter for FilePrinter {
    fn print(&mut self, job: &[u8]) -> Result<Health, PrintError> {
        let mut file = self.open().map_err(PrintError::Lost)?;
        self.write(&mut file, job)?;
        Ok(Health::Ok)
    }

    fn kick(&mut self, drawer: DrawerPin) -> Result<(), PrintError> {
        let mut file = self.open().map_err(PrintError::Lost)?;
        self.write(&mut file, &drawer.pulse())
    }

    fn health(&mut self) -> Health {
        if self.open().is_ok() { Health::Ok } else { Health::Lost }
    }
}

/// Connects to `host:port`, trying each address of the name, within `limit` for each.
pub(crate) fn connect(address: &str, limit: Duration) -> std::io::Result<TcpStream> {
    let mut last = Error::new(ErrorKind::NotFound, "the name has no address");
    for a in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&a, limit) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(e) => last = e,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn status_bytes_mean_what_the_manual_says() {
        assert_eq!(status(0x12, 0x12, 0x12), Health::Ok);
        assert_eq!(status(0x12, 0x12, 0x1E), Health::Low);
        assert_eq!(status(0x1A, 0x12, 0x12), Health::Blocked);
        assert_eq!(status(0x12, 0x16, 0x12), Health::Blocked);
        assert_eq!(status(0x12, 0x32, 0x12), Health::Blocked);
        assert_eq!(status(0x12, 0x12, 0x7E), Health::Blocked);
    }

    #[test]
    fn a_file_gets_job_after_job_and_a_stuck_device_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let mut printer = FilePrinter::new(&dir.path().join("r.bin"));
        assert_eq!(printer.health(), Health::Ok);
        printer.print(b"one").unwrap();
        printer.print(b"two").unwrap();
        assert_eq!(std::fs::read(dir.path().join("r.bin")).unwrap(), b"onetwo");
        printer.kick(DrawerPin::Pin5).unwrap();
        assert_eq!(std::fs::read(dir.path().join("r.bin")).unwrap(), b"onetwo\x1bp\x01\x32\xfa");
        let mut stuck = FilePrinter { path: dir.path().join("fifo"), patience: Duration::from_millis(1), baud: None };
        rustix::fs::mkfifoat(rustix::fs::CWD, &stuck.path, rustix::fs::Mode::RWXU).unwrap();
        let _reader = File::options().read(true).write(true).open(&stuck.path).unwrap();
        assert!(matches!(stuck.print(&[0; 200_000]), Err(PrintError::Stopped)));
        let mut nowhere = FilePrinter::new(&dir.path().join("no/such"));
        assert_eq!(nowhere.health(), Health::Lost);
        assert!(matches!(nowhere.print(b"x"), Err(PrintError::Lost(_))));
    }
}
