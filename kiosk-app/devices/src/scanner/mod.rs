//! Scanners of barcodes and QR codes: one code, one line.
//!
//! | `kind` | What it is | How it is read |
//! |---|---|---|
//! | `serial` | A scanner with a serial port: a UART, USB CDC-ACM, or a pty | lines ended by CR, LF or both |
//! | `hid` | A scanner that is a keyboard | the kernel's input events (`/dev/input/by-id/…-event-kbd`), grabbed, so that no code is typed into the screen; ended by Enter or Tab |
//!
//! Both are opened at the first call, and again by their stable name after they were unplugged. A scanner says nothing
//! while nobody scans: it is lost where its port is not there or hangs up, and by nothing else.
//!
//! A code has 1 to `max` printable characters of ASCII; a longer one, and one with anything else in it, is dropped whole
//! up to its end, so that no part of one code is taken for another. A keyboard is read as one of the United States, which is
//! what scanners are delivered as.

mod keys;
mod port;

pub use port::PortScanner;

use std::time::Duration;

/// The longest code that is taken where the board-config says nothing: the largest QR code of an address.
pub const MAX_CODE: u16 = 512;

/// Why there is no code.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ScannerError {
    /// Nothing within the caller's time-out, and the scanner's port is there: call again.
    #[error("nothing was scanned")]
    Timeout,
    /// Its port is not there, or hung up. The next call tries to open it again.
    #[error("scanner lost: {0}")]
    Lost(String),
}

/// A scanner of codes.
pub trait CodeScanner: Send {
    /// The next code, [`ScannerError::Timeout`] after `timeout` without one.
    ///
    /// # Errors
    /// As [`ScannerError`] says.
    fn next(&mut self, timeout: Duration) -> Result<String, ScannerError>;
}

/// Puts characters together to codes.
#[derive(Debug)]
struct Codes {
    max: usize,
    code: String,
    /// What is being read is no code of ours; it is dropped up to its end.
    bad: bool,
}

impl Codes {
    fn new(max: u16) -> Self {
        Self { max: max.into(), code: String::new(), bad: false }
    }

    fn take(&mut self, character: char) {
        if !(character.is_ascii_graphic() || character == ' ') || self.code.len() >= self.max {
            self.bad = true;
        }
        if !self.bad {
            self.code.push(character);
        }
    }

    /// The code that ends here.
    fn end(&mut self) -> Option<String> {
        let code = std::mem::take(&mut self.code);
        if std::mem::take(&mut self.bad) {
            tracing::warn!("a code that is too long, or not of printable characters, was dropped");
            return None;
        }
        Some(code).filter(|code| !code.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(max: u16, text: &str) -> Vec<String> {
        let mut codes = Codes::new(max);
        let mut found = Vec::new();
        for character in text.chars() {
            match character {
                '\r' | '\n' => found.extend(codes.end()),
                other => codes.take(other),
            }
        }
        found
    }

    #[test]
    fn a_code_ends_with_its_line_whatever_ends_it() {
        assert_eq!(read(9, "ABC\r\n12 3\n\n\rX"), ["ABC", "12 3"]);
    }

    #[test]
    fn a_code_that_is_too_long_or_not_printable_is_dropped_whole() {
        assert_eq!(read(4, "ABCD\rABCDE\rF\r"), ["ABCD", "F"]);
        assert_eq!(read(9, "A\u{1b}B\rC\u{e9}D\rE\r"), ["E"]);
    }
}
