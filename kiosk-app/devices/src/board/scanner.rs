//! `[scanner]`.

use super::BAUDS;
use crate::scanner::MAX_CODE;
use serde::Deserialize;
use std::path::PathBuf;

/// The longest code that any scanner reads: a QR code of 4,296 letters and digits has no use here.
const MOST: u16 = 4096;

/// How the scanner of barcodes and QR codes is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Scanner {
    /// A serial port, 8 data bits, no parity, 1 stop bit: a UART, USB CDC-ACM or a pty.
    Serial {
        /// A stable name, best a udev symlink.
        path: PathBuf,
        /// 9600, 19200, 38400, 57600 or 115200; 9600 if left out.
        #[serde(default = "baud")]
        baud: u32,
        /// Characters of the longest code that is taken, 1 to 4096.
        #[serde(default = "max")]
        max: u16,
    },
    /// A scanner that is a keyboard: it is grabbed, and types into nothing else.
    Hid {
        /// Its input device under a stable name: `/dev/input/by-id/…-event-kbd`.
        path: PathBuf,
        /// Characters of the longest code that is taken, 1 to 4096.
        #[serde(default = "max")]
        max: u16,
    },
}

fn baud() -> u32 {
    9600
}

fn max() -> u16 {
    MAX_CODE
}

impl Scanner {
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        if let Self::Serial { baud, .. } = self
            && !BAUDS.contains(baud)
        {
            return Some(("scanner.baud", format!("{baud} is not one of {BAUDS:?}")));
        }
        let (Self::Serial { max, .. } | Self::Hid { max, .. }) = self;
        (!(1..=MOST).contains(max)).then(|| ("scanner.max", format!("{max} is not in 1..={MOST}")))
    }
}
