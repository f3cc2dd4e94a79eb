//! A scanner of barcodes and QR codes: characters and CR on a pseudo-terminal, as one with a serial port sends them.

use crate::{
    control::{Answer, unknown},
    lock,
    pty::Pty,
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Mutex,
};

/// The simulated scanner. Dropped, its line hangs up.
#[derive(Debug)]
pub struct ScannerSim {
    path: PathBuf,
    pty: Mutex<Option<Pty>>,
}

impl Drop for ScannerSim {
    fn drop(&mut self) {
        if let Some(pty) = lock(&self.pty).take() {
            pty.hide();
        }
    }
}

impl ScannerSim {
    /// Plugged in at the symbolic link `path`.
    ///
    /// # Errors
    /// When the system gives no pseudo-terminal, or the link cannot be made.
    pub fn start(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), pty: Mutex::new(Some(Pty::open(path)?)) })
    }

    /// Obeys a control line: `scan CODE`, `unplug`, `plug`.
    ///
    /// # Errors
    /// For any other line, and for a code while it is unplugged.
    pub fn obey(&self, line: &str) -> Answer {
        let mut pty = lock(&self.pty);
        match line.split_once(' ') {
            Some(("scan", code)) => {
                let pty = pty.as_ref().ok_or("the scanner is unplugged")?;
                let sent = rustix::io::write(pty, format!("{}\r", code.trim()).as_bytes());
                sent.map(drop).map_err(|error| error.to_string())?;
            }
            None if line == "unplug" => {
                if let Some(pty) = pty.take() {
                    pty.hide();
                }
            }
            None if line == "plug" => {
                if pty.is_none() {
                    *pty = Some(Pty::open(&self.path).map_err(|error| error.to_string())?);
                }
            }
            _ => return Err(unknown(line, "scan CODE, unplug, plug")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use kiosk_devices::{CodeScanner, PortScanner, ScannerError};
    use std::time::Duration;

    #[test]
    fn a_kiosk_reads_what_is_scanned_and_sees_the_scanner_go_and_come() {
        let patience = Duration::from_secs(20);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scanner.tty");
        let sim = ScannerSim::start(&path).unwrap();
        let mut scanner = PortScanner::serial(&path, 9600, 64);
        assert_eq!(scanner.next(Duration::ZERO), Err(ScannerError::Timeout));
        sim.obey("scan 4006381333931").unwrap();
        assert_eq!(scanner.next(patience).unwrap(), "4006381333931");
        sim.obey("unplug").unwrap();
        assert!(matches!(scanner.next(patience), Err(ScannerError::Lost(_))));
        assert!(sim.obey("scan 1").is_err());
        sim.obey("plug").unwrap();
        let back = (0..80).map(|_| scanner.next(Duration::from_millis(250))).find(|said| *said == Err(ScannerError::Timeout));
        assert!(back.is_some());
        sim.obey("scan CEMG01").unwrap();
        assert_eq!(scanner.next(patience).unwrap(), "CEMG01");
        assert!(sim.obey("sing").is_err());
    }
}
