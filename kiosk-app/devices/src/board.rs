//! The board-config: which hardware is fitted and how it is reached. One TOML file a board, data only, read strictly.
//!
//! ```toml
//! name = "demo"
//!
//! [display]
//! width_px = 720            # as mounted, after rotation
//! height_px = 1280
//! dpi = 212
//! rotation = 0              # 0, 90, 180 or 270 degrees clockwise
//! dims = true               # grow darker with the surroundings, as the light sensor of the board sees them; true if left out
//!
//! [reader]                  # leave a table out where nothing is fitted
//! kind = "sidecar"
//! socket = "reader.sock"    # relative paths start at the folder of this file
//!
//! [terminal]
//! kind = "zvt"
//! address = "192.168.1.50:20007"
//! password = "000000"       # the terminal's ECR password, six digits
//! side = "right"            # where the guest finds it: left, right, below
//! patience_s = 60           # longest silence during a payment before it counts as unknown; 60 if left out
//! slips = "kiosk"           # the kiosk prints the terminal's slips; "terminal" if left out
//!
//! [terminal.own]            # what the terminal does by itself; as its manual and its acquirer say. Here what holds if left out
//! by_hand = true            # somebody can make a sale at the terminal itself: it has keys or a menu
//! hand_s = 20               # the shortest time in which somebody can make one
//! processing_s = 90         # it goes on with a command for so long after its line was lost: only then 'no such receipt' counts
//! reversal_s = 10           # it takes so long to reverse what nobody acknowledged: so long must a receipt stay the last one
//!
//! # or: [terminal] with kind = "nexo", address = "192.168.1.50:8443", certificate_sha256 = "<64 hex digits>",
//! #     poi_id = "POI-1", sale_id = "KIOSK-1", side and patience_s as above
//!
//! [printer]
//! kind = "tcp"              # or: kind = "file", path = "/dev/usb/lp0"; kind = "serial", path, baud = 19200
//! address = "192.168.1.51:9100"
//! columns = 42
//! code_page = "pc866"
//! drawer = "pin2"           # the cash drawer hangs on the printer: pin 2 or pin 5 of its connector. Left out: on the board
//!
//! [scanner]                 # of barcodes and QR codes
//! kind = "serial"           # or: kind = "hid", path = "/dev/input/by-id/…-event-kbd": one that is a keyboard, without baud
//! path = "/dev/kiosk-scanner"
//! baud = 9600               # 9600 if left out
//! max = 512                 # longest code that is taken, 1 to 4096 characters; 512 if left out
//!
//! [fiscal]                  # leave it out where the law asks for no signed receipts
//! kind = "tcp"
//! address = "192.168.1.52:20010"
//! wait_s = 3                # a receipt waits so long for its signature; 3 if left out
//! on_outage = "sell"        # sell without, say so on the receipt, sign later; or "refuse": no sale until it answers again
//!
//! [peripherals]
//! kind = "serial"
//! path = "/dev/kiosk-board"
//! volume = 60               # of the buzzer, 0 to 100; 60 if left out
//! reduced_motion = false    # true: the light ring never moves
//! fitted = ["keypad", "presence", "light_ring", "drawer"]   # held against what the board says of itself
//! firmware = "0.1.0"        # the oldest program that this kiosk wants on its board
//!
//! [peripherals.pins]        # GPIO numbers, all of them or no table; held against the program's own
//! drawer = 13
//! ```
//!
//! What the board says and the config does not, or the other way round, is an alarm and no reason to stop: see
//! [`crate::peripherals`].

use crate::{
    peripherals::{Expect, FITTED, version},
    receipt::{CodePage, DrawerPin},
};
use peripheral_icd::pins;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// What is fitted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardConfig {
    /// Shown to staff and in logs.
    pub name: String,
    /// The screen.
    pub display: Display,
    /// Guest-card reader.
    pub reader: Option<Reader>,
    /// Payment terminal.
    pub terminal: Option<Terminal>,
    /// Receipt printer.
    pub printer: Option<Printer>,
    /// Scanner of barcodes and QR codes.
    pub scanner: Option<Scanner>,
    /// Device that signs receipts.
    pub fiscal: Option<Fiscal>,
    /// Microcontroller board.
    pub peripherals: Option<Serial>,
}

mod scanner;

pub use scanner::Scanner;

/// How the device that signs receipts is reached, and what the law says about its outage.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Fiscal {
    /// One JSON message a line over TCP; see [`crate::fiscal`].
    Tcp {
        /// `host:port`.
        address: String,
        /// How long a receipt waits for its signature, seconds, 1 to 30.
        #[serde(default = "fiscal_wait")]
        wait_s: u32,
        /// What becomes of sales while it does not answer.
        #[serde(default)]
        on_outage: OnOutage,
    },
}

/// What becomes of sales while the fiscal device does not answer: a matter of the law.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnOutage {
    /// They go on; receipts say that they are not signed, and are signed later.
    #[default]
    Sell,
    /// None begins until it answers again.
    Refuse,
}

fn fiscal_wait() -> u32 {
    3
}

/// The screen as mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Display {
    /// Width after rotation, 320 to 7680.
    pub width_px: u32,
    /// Height after rotation, 320 to 7680.
    pub height_px: u32,
    /// Pixels an inch, 60 to 600: touch targets are measured in millimetres.
    pub dpi: u32,
    /// Degrees clockwise: 0, 90, 180, 270.
    #[serde(default)]
    pub rotation: u16,
    /// Grow darker with the surroundings, as the board's light sensor sees them.
    #[serde(default = "yes")]
    pub dims: bool,
}

fn yes() -> bool {
    true
}

/// How the guest-card reader is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Reader {
    /// A process of its own that writes JSON lines.
    Sidecar {
        /// Unix stream socket on which that process listens.
        socket: PathBuf,
    },
    /// The same process, started and watched by this kiosk itself.
    Nfc {
        /// The reader's serial port, under a name that stays when it is plugged in again.
        tty: PathBuf,
        /// The process; by default `nfc-sidecar` beside this kiosk's own program.
        #[serde(default)]
        program: Option<PathBuf>,
    },
}

/// How the payment terminal is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Terminal {
    /// ZVT over TCP.
    Zvt {
        /// `host:port`.
        address: String,
        /// Six digits, as set at the terminal.
        password: String,
        /// Where the guest finds it.
        side: Side,
        /// Longest silence during a payment, seconds, 5 to 300: then the terminal is asked to stop, and without its word
        /// the payment is unknown.
        #[serde(default = "patience")]
        patience_s: u32,
        /// Who prints the terminal's slips.
        #[serde(default)]
        slips: SlipPrinter,
        /// What the terminal does by itself.
        #[serde(default)]
        own: TerminalOwn,
    },
    /// SaleToPOI messages of nexo's Retailer Protocol, JSON over HTTPS.
    Nexo {
        /// `host:port`, port 8443 by custom.
        address: String,
        /// SHA-256 of the terminal's certificate (DER), 64 hex digits: the terminal is known by it and by nothing else.
        certificate_sha256: String,
        /// What the terminal calls itself (POIID).
        poi_id: String,
        /// What this kiosk calls itself (SaleID).
        sale_id: String,
        /// Where the guest finds it.
        side: Side,
        /// Longest silence during a payment, seconds, 5 to 300.
        #[serde(default = "patience")]
        patience_s: u32,
        /// What the terminal does by itself.
        #[serde(default)]
        own: TerminalOwn,
    },
}

/// What a terminal does by itself, as its manual and its acquirer say: how far its last receipt may be trusted depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TerminalOwn {
    /// True where somebody can make a sale at the terminal itself (it has keys or a menu).
    pub by_hand: bool,
    /// The shortest time in which somebody can make such a sale, seconds, 1 to 300.
    pub hand_s: u32,
    /// The longest that it goes on with a command after its line was lost, seconds, 10 to 900.
    pub processing_s: u32,
    /// How long it may take to reverse by itself what nobody acknowledged, seconds, 1 to 300.
    pub reversal_s: u32,
}

impl Default for TerminalOwn {
    fn default() -> Self {
        Self { by_hand: true, hand_s: 20, processing_s: 90, reversal_s: 10 }
    }
}

/// Who prints the terminal's slips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlipPrinter {
    /// The terminal itself, or nobody.
    #[default]
    Terminal,
    /// The kiosk's receipt printer.
    Kiosk,
}

fn baud() -> u32 {
    19_200
}

fn patience() -> u32 {
    60
}

impl Terminal {
    /// Where the guest finds it.
    pub fn side(&self) -> Side {
        match self {
            Self::Zvt { side, .. } | Self::Nexo { side, .. } => *side,
        }
    }

    /// What it does by itself.
    pub fn own(&self) -> TerminalOwn {
        match self {
            Self::Zvt { own, .. } | Self::Nexo { own, .. } => *own,
        }
    }

    /// Longest silence during a payment, seconds.
    pub fn patience_s(&self) -> u32 {
        match self {
            Self::Zvt { patience_s, .. } | Self::Nexo { patience_s, .. } => *patience_s,
        }
    }
}

/// Where a device is mounted, seen by the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Side {
    Left,
    Right,
    Below,
}

/// How the receipt printer is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Printer {
    /// Raw ESC/POS over TCP, usually port 9100.
    Tcp {
        /// `host:port`.
        address: String,
        /// Characters a line: 42 or 48 on 80 mm paper, 32 on 58 mm.
        columns: u8,
        /// Character table of the printer.
        code_page: CodePage,
        /// Where the cash drawer hangs on the printer, if it does.
        #[serde(default)]
        drawer: Option<DrawerPin>,
    },
    /// A serial port: 8 data bits, no parity, 1 stop bit, hardware flow control.
    Serial {
        /// A stable name, best a udev symlink.
        path: PathBuf,
        /// 9600, 19200, 38400, 57600 or 115200; 19200 if left out.
        #[serde(default = "baud")]
        baud: u32,
        /// Characters a line.
        columns: u8,
        /// Character table of the printer.
        code_page: CodePage,
        /// Where the cash drawer hangs on the printer, if it does.
        #[serde(default)]
        drawer: Option<DrawerPin>,
    },
    /// A file or character device (`/dev/usb/lp0`) that gets the bytes appended.
    File {
        /// Where.
        path: PathBuf,
        /// Characters a line.
        columns: u8,
        /// Character table of the printer.
        code_page: CodePage,
        /// Where the cash drawer hangs on the printer, if it does.
        #[serde(default)]
        drawer: Option<DrawerPin>,
    },
}

impl Printer {
    /// Characters a line.
    pub fn columns(&self) -> u8 {
        match self {
            Self::Tcp { columns, .. } | Self::File { columns, .. } | Self::Serial { columns, .. } => *columns,
        }
    }
    /// Character table of the printer.
    pub fn code_page(&self) -> CodePage {
        match self {
            Self::Tcp { code_page, .. } | Self::File { code_page, .. } | Self::Serial { code_page, .. } => *code_page,
        }
    }
    /// Where the cash drawer hangs on it, if it does.
    pub fn drawer(&self) -> Option<DrawerPin> {
        match self {
            Self::Tcp { drawer, .. } | Self::File { drawer, .. } | Self::Serial { drawer, .. } => *drawer,
        }
    }
}

/// How the microcontroller board is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Serial {
    /// A tty: USB CDC-ACM, UART or a pty.
    Serial {
        /// A stable name, best a udev symlink.
        path: PathBuf,
        /// Loudness of its buzzer, 0 to 100.
        #[serde(default = "volume")]
        volume: u8,
        /// Nothing on its light ring moves.
        #[serde(default)]
        reduced_motion: bool,
        /// Words of [`FITTED`]: what is connected to it. Not checked where it is left out.
        fitted: Option<Vec<String>>,
        /// `major.minor.patch`: the oldest program that will do.
        firmware: Option<String>,
        /// GPIO numbers by [`pins::Part::word`].
        pins: Option<BTreeMap<String, u8>>,
    },
}

fn volume() -> u8 {
    60
}

impl Serial {
    /// What the board is held against.
    pub fn expect(&self) -> Expect {
        let Self::Serial { fitted, firmware, pins, .. } = self;
        Expect {
            fitted: fitted.as_ref().map(|words| words.iter().filter_map(|word| feature(word)).collect()),
            firmware: firmware.as_deref().and_then(version),
            pins: pins.as_ref().map(|table| pins::checksum(&in_order(table))),
        }
    }

    fn fault(&self) -> Option<(&'static str, String)> {
        let Self::Serial { volume, fitted, firmware, pins, .. } = self;
        if *volume > 100 {
            return Some(("peripherals.volume", format!("{volume} is not in 0..=100")));
        }
        if let Some(word) = fitted.iter().flatten().find(|word| feature(word).is_none()) {
            let words: Vec<&str> = FITTED.iter().map(|(word, _)| *word).collect();
            return Some(("peripherals.fitted", format!("'{word}' is not known; there are {}", words.join(", "))));
        }
        if firmware.as_deref().is_some_and(|text| version(text).is_none()) {
            return Some(("peripherals.firmware", "must be three numbers, such as 0.1.0".to_owned()));
        }
        let parts = || pins::FIRMWARE.iter().map(|(part, _)| part.word());
        let table = pins.as_ref()?;
        let unknown = table.keys().find(|word| !parts().any(|part| part == word.as_str()));
        let missing = parts().find(|part| !table.contains_key(*part));
        let why = unknown.map(|word| format!("'{word}' is no part of a board"));
        let why =
            why.or_else(|| missing.map(|part| format!("{part} is missing; name the pin of every part, or leave the table out")));
        why.map(|why| ("peripherals.pins", why))
    }
}

/// The feature that a word of `fitted` stands for.
fn feature(word: &str) -> Option<peripheral_icd::Features> {
    FITTED.iter().find(|(known, _)| *known == word).map(|(_, feature)| *feature)
}

/// As the checksum takes them.
fn in_order(table: &BTreeMap<String, u8>) -> Vec<(pins::Part, u8)> {
    pins::FIRMWARE.iter().filter_map(|(part, _)| Some((*part, *table.get(part.word())?))).collect()
}

/// What is wrong with a board-config, with file, line, key and cure.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// The file could not be read.
    #[error("{}: cannot be read: {source}. Check the path and its permissions", file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not as it should be.
    #[error("{}:{line}: {key}: {why}", file.display())]
    Bad {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// Which key, dotted.
        key: String,
        /// What is wrong and what to do.
        why: String,
    },
}

/// Speeds of serial ports.
const BAUDS: [u32; 5] = [9600, 19_200, 38_400, 57_600, 115_200];

/// A board-config is a page of text; anything larger is not one.
const MAX_BYTES: u64 = 64 * 1024;

impl BoardConfig {
    /// Reads a board-config. Relative paths in it start at its folder.
    pub fn load(file: &Path) -> Result<Self, BoardError> {
        let read = |source| BoardError::Read { file: file.to_owned(), source };
        let size = std::fs::metadata(file).map_err(read)?.len();
        if size > MAX_BYTES {
            let why = format!("{size} bytes; a board-config has at most {MAX_BYTES}. Is this the right file?");
            return Err(BoardError::Bad { file: file.to_owned(), line: 1, key: "file".into(), why });
        }
        Self::parse(&std::fs::read_to_string(file).map_err(read)?, file)
    }

    /// Parses the text of `file`, which is used for messages and as the start of relative paths.
    pub fn parse(text: &str, file: &Path) -> Result<Self, BoardError> {
        let bad = |line, key: String, why| BoardError::Bad { file: file.to_owned(), line, key, why };
        let mut board: Self = toml::from_str(text).map_err(|e| {
            let at = e.span().map_or(0, |s| s.start);
            let (line, key) = place(text, at);
            bad(line, unknown_key(e.message()).unwrap_or(key), e.message().replace('\n', " "))
        })?;
        if let Some((key, why)) = board.fault() {
            return Err(bad(line_of(text, key), key.to_owned(), why));
        }
        let base = file.parent().unwrap_or(Path::new("."));
        match &mut board.reader {
            Some(Reader::Sidecar { socket: path } | Reader::Nfc { tty: path, .. }) => *path = base.join(&*path),
            None => {}
        }
        if let Some(Reader::Nfc { program: Some(program), .. }) = &mut board.reader {
            *program = base.join(&*program);
        }
        if let Some(Printer::File { path, .. } | Printer::Serial { path, .. }) = &mut board.printer {
            *path = base.join(&*path);
        }
        if let Some(Scanner::Serial { path, .. } | Scanner::Hid { path, .. }) = &mut board.scanner {
            *path = base.join(&*path);
        }
        if let Some(Serial::Serial { path, .. }) = &mut board.peripherals {
            *path = base.join(&*path);
        }
        Ok(board)
    }

    /// The first value out of its range: dotted key and what to do.
    fn fault(&self) -> Option<(&'static str, String)> {
        let d = &self.display;
        let range = |key, value: u32, low: u32, high: u32| {
            (!(low..=high).contains(&value)).then(|| (key, format!("{value} is not in {low}..={high}")))
        };
        let address = |key, a: &str| {
            let ok = a.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
            (!ok).then(|| (key, format!("'{a}' is not host:port, such as 192.168.1.50:20007")))
        };
        let empty = self.name.is_empty().then(|| ("name", "is empty; give the board a name".to_owned()));
        empty
            .or_else(|| range("display.width_px", d.width_px, 320, 7680))
            .or_else(|| range("display.height_px", d.height_px, 320, 7680))
            .or_else(|| range("display.dpi", d.dpi, 60, 600))
            .or_else(|| {
                let why = || ("display.rotation", format!("{} is not 0, 90, 180 or 270", d.rotation));
                (![0, 90, 180, 270].contains(&d.rotation)).then(why)
            })
            .or_else(|| match &self.terminal {
                Some(Terminal::Zvt { address: a, password, patience_s, .. }) => address("terminal.address", a)
                    .or_else(|| {
                        let six = password.len() == 6 && password.bytes().all(|b| b.is_ascii_digit());
                        (!six).then(|| ("terminal.password", "must be six digits, as set at the terminal".to_owned()))
                    })
                    .or_else(|| range("terminal.patience_s", *patience_s, 5, 300)),
                Some(Terminal::Nexo { address: a, certificate_sha256: pin, poi_id, sale_id, patience_s, .. }) => {
                    let hex = pin.len() == 64 && pin.bytes().all(|b| b.is_ascii_hexdigit());
                    let why = "must be 64 hex digits: openssl x509 -in CERTIFICATE -outform der | sha256sum".to_owned();
                    address("terminal.address", a)
                        .or_else(|| (!hex).then_some(("terminal.certificate_sha256", why)))
                        .or_else(|| name_fault("terminal.poi_id", poi_id))
                        .or_else(|| name_fault("terminal.sale_id", sale_id))
                        .or_else(|| range("terminal.patience_s", *patience_s, 5, 300))
                }
                None => None,
            })
            .or_else(|| {
                let own = self.terminal.as_ref().map(Terminal::own).unwrap_or_default();
                range("terminal.own.hand_s", own.hand_s, 1, 300)
                    .or_else(|| range("terminal.own.processing_s", own.processing_s, 10, 900))
                    .or_else(|| range("terminal.own.reversal_s", own.reversal_s, 1, 300))
            })
            .or_else(|| match &self.printer {
                Some(Printer::Tcp { address: a, .. }) => address("printer.address", a),
                Some(Printer::Serial { baud, .. }) if !BAUDS.contains(baud) => {
                    Some(("printer.baud", format!("{baud} is not one of {BAUDS:?}")))
                }
                _ => None,
            })
            .or_else(|| {
                let Fiscal::Tcp { address: a, wait_s, .. } = self.fiscal.as_ref()?;
                address("fiscal.address", a).or_else(|| range("fiscal.wait_s", *wait_s, 1, 30))
            })
            .or_else(|| self.scanner.as_ref().and_then(Scanner::fault))
            .or_else(|| self.peripherals.as_ref().and_then(Serial::fault))
            .or_else(|| self.printer.as_ref().and_then(|p| range("printer.columns", p.columns().into(), 24, 64)))
    }
}

fn name_fault(key: &'static str, name: &str) -> Option<(&'static str, String)> {
    let fits = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
    (!fits).then(|| (key, "must be 1 to 64 letters, digits or signs without a space".to_owned()))
}

/// Line (from 1) and dotted key at byte `at`.
fn place(text: &str, at: usize) -> (usize, String) {
    let head = text.get(..at).unwrap_or(text);
    let line = head.matches('\n').count() + 1;
    let table = |l: &str| l.trim().strip_prefix('[').and_then(|l| l.split(']').next()).map(|t| t.trim().to_owned());
    let mut inside = String::new();
    let mut key = String::new();
    for l in text.lines().take(line) {
        key.clear();
        if let Some(t) = table(l) {
            inside = t;
        } else if let Some((k, _)) = l.split_once('=') {
            k.trim().clone_into(&mut key);
        }
    }
    let dotted = [inside.as_str(), key.as_str()].into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join(".");
    (line, if dotted.is_empty() { "file".to_owned() } else { dotted })
}

/// The name in serde's "unknown field `x`" and "missing field `x`", whose span is the table that it belongs to.
fn unknown_key(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field `").or_else(|| message.strip_prefix("missing field `"))?;
    rest.split('`').next().map(str::to_owned)
}

/// The line on which a dotted key stands, 1 if it is not found.
fn line_of(text: &str, dotted: &str) -> usize {
    let mut inside = "";
    for (n, l) in text.lines().enumerate() {
        let l = l.trim();
        if let Some(t) = l.strip_prefix('[').and_then(|l| l.split(']').next()) {
            inside = t.trim();
        } else if let Some((k, _)) = l.split_once('=') {
            let full = if inside.is_empty() { k.trim().to_owned() } else { format!("{inside}.{}", k.trim()) };
            if full == dotted {
                return n + 1;
            }
        }
    }
    1
}

#[cfg(test)]
mod tests;
