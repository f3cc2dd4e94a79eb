//! The card reader's process ("sidecar") writes JSON lines to a Unix stream; this is their format and the adapter that
//! reads them.
//!
//! One object a line, at most [`MAX_LINE`] bytes, `v` is 1, `kind` one of
//!
//! ```json
//! {"v":1,"kind":"up","reader":"pn532_uart"}
//! {"v":1,"kind":"tap","tag":"ntag424","uid":"04DE5F1EACC040","url":"https://example.org/t?picc_data=…&cmac=…"}
//! {"v":1,"kind":"tap","tag":"uid","uid":"04A1B2C3D4E580"}
//! {"v":1,"kind":"gone"}
//! {"v":1,"kind":"beat"}
//! {"v":1,"kind":"bank_card"}
//! {"v":1,"kind":"down","why":"no such device"}
//! ```
//!
//! `up` comes first on every connection, or `down` if the sidecar runs and its reader does not. A `beat` comes every
//! 500 ms when nothing else does; a reader is lost [`LOST_AFTER`] after its last line. `uid` is upper-case hex of 4, 7 or
//! 10 bytes; a bank card is told by its application and has no uid here, because nothing may be kept of it. Unknown fields
//! and kinds are ignored, so that an older kiosk reads a newer sidecar.

use crate::port::{ReaderError, TagReader};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    io::{ErrorKind, Read},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// A reader is lost this long after its last line.
pub const LOST_AFTER: Duration = Duration::from_millis(1500);

/// A sidecar writes a beat this often when it has nothing else to say.
pub const BEAT_EVERY: Duration = Duration::from_millis(500);

/// Longest line, bytes, newline not counted.
pub const MAX_LINE: usize = 2048;

/// A card's number. Never printed: neither `Debug` nor a log shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Uid(Vec<u8>);

impl Uid {
    /// From 4, 7 or 10 bytes; `None` for any other length.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        matches!(bytes.len(), 4 | 7 | 10).then(|| Self(bytes.to_vec()))
    }
    /// From hex digits.
    pub fn from_hex(hex: &str) -> Option<Self> {
        let digits = hex.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|p| p.len() == 2 && !p.starts_with('+'))?;
            u8::from_str_radix(pair, 16).ok()
        });
        Self::new(&digits.collect::<Option<Vec<u8>>>()?)
    }
    /// The bytes, for making a pseudonym of them.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
    /// Upper-case hex, for the line.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|b| format!("{b:02X}")).collect()
    }
    /// True for the four-byte numbers from 08 that telephones draw afresh for each tap: they identify nobody.
    pub fn is_random(&self) -> bool {
        self.0.len() == 4 && self.0[0] == 0x08
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uid({} bytes)", self.0.len())
    }
}

/// What kind of card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TagKind {
    /// NTAG 424 DNA: `url` holds its secure message.
    Ntag424,
    /// Any other: the number is all there is.
    Uid,
    /// A telephone with the shop's application.
    Hce,
}

/// A card in the field.
#[derive(Clone, PartialEq, Eq)]
pub struct Tag {
    /// What kind of card.
    pub kind: TagKind,
    /// Its number as seen in anti-collision.
    pub uid: Uid,
    /// The URL read from it.
    pub url: Option<String>,
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({:?}, url: {})", self.kind, self.url.is_some())
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReaderLine {
    /// The reader works.
    Up {
        /// Driver name, for staff.
        reader: String,
    },
    /// A card came into the field.
    Tap(Tag),
    /// The card has left the field.
    Gone,
    /// A bank card came into the field.
    BankCard,
    /// Nothing to say.
    Beat,
    /// The sidecar runs and its reader does not.
    Down {
        /// For staff.
        why: String,
    },
}

/// Version 1 as it stands on the wire.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    v: u32,
    kind: &'a str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tag: Option<TagKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reader: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// Why a line is not one of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not JSON of this shape.
    #[error("not a reader line")]
    Shape,
    /// Another version.
    #[error("version {0} of the reader's lines; this kiosk reads version 1")]
    Version(u32),
    /// A kind that this version does not know, to be ignored.
    #[error("unknown kind of line")]
    Kind,
    /// A tap without a card number of 4, 7 or 10 bytes.
    #[error("a tap without a valid uid")]
    Uid,
}

impl ReaderLine {
    /// Writes the line, newline included.
    pub fn to_line(&self) -> String {
        let mut wire = Wire { v: 1, kind: "beat", tag: None, uid: None, url: None, reader: None, why: None };
        match self {
            Self::Up { reader } => (wire.kind, wire.reader) = ("up", Some(reader.clone())),
            Self::Tap(tag) => {
                (wire.kind, wire.tag, wire.uid) = ("tap", Some(tag.kind), Some(tag.uid.to_hex()));
                wire.url.clone_from(&tag.url);
            }
            Self::Gone => wire.kind = "gone",
            Self::BankCard => wire.kind = "bank_card",
            Self::Beat => {}
            Self::Down { why } => (wire.kind, wire.why) = ("down", Some(why.clone())),
        }
        let mut line = serde_json::to_string(&wire).unwrap_or_default();
        line.push('\n');
        line
    }

    /// Reads a line, newline or not.
    pub fn parse(line: &[u8]) -> Result<Self, LineError> {
        let wire: Wire<'_> = serde_json::from_slice(line).map_err(|_| LineError::Shape)?;
        if wire.v != 1 {
            return Err(LineError::Version(wire.v));
        }
        Ok(match wire.kind {
            "up" => Self::Up { reader: wire.reader.unwrap_or_default() },
            "tap" => {
                let uid = wire.uid.as_deref().and_then(Uid::from_hex).ok_or(LineError::Uid)?;
                Self::Tap(Tag { kind: wire.tag.unwrap_or(TagKind::Uid), uid, url: wire.url })
            }
            "gone" => Self::Gone,
            "bank_card" => Self::BankCard,
            "beat" => Self::Beat,
            "down" => Self::Down { why: wire.why.unwrap_or_default() },
            _ => return Err(LineError::Kind),
        })
    }
}

/// The adapter: connects to the sidecar's socket, and again whenever it is lost.
#[derive(Debug)]
pub struct SidecarReader {
    socket: PathBuf,
    lost_after: Duration,
    link: Option<Link>,
    retry_at: Option<Instant>,
}

#[derive(Debug)]
struct Link {
    stream: UnixStream,
    buffer: Vec<u8>,
    heard: Instant,
}

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(250);

impl SidecarReader {
    /// A reader behind `socket`; connects on the first call.
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), lost_after: LOST_AFTER, link: None, retry_at: None }
    }

    /// Changes how long a silent reader counts as alive, [`LOST_AFTER`] by default.
    pub fn lost_after(mut self, limit: Duration) -> Self {
        self.lost_after = limit;
        self
    }

    fn connect(&mut self, deadline: Instant) -> Result<(), ReaderError> {
        if self.link.is_some() {
            return Ok(());
        }
        // A missing socket refuses at once; the pause keeps the loop of the caller from spinning.
        if let Some(at) = self.retry_at {
            let now = Instant::now();
            std::thread::sleep(at.min(deadline).saturating_duration_since(now));
            if at > deadline {
                return Err(ReaderError::Lost("waiting to connect again".into()));
            }
        }
        self.retry_at = Some(Instant::now() + RETRY);
        let stream = UnixStream::connect(&self.socket).map_err(|e| ReaderError::Lost(e.to_string()))?;
        self.link = Some(Link { stream, buffer: Vec::with_capacity(MAX_LINE), heard: Instant::now() });
        self.retry_at = None;
        Ok(())
    }

    fn lose(&mut self, why: &str) -> ReaderError {
        self.link = None;
        self.retry_at = Some(Instant::now() + RETRY);
        ReaderError::Lost(why.to_owned())
    }
}

impl Link {
    /// The next whole line in the buffer. A bad line is dropped, a line without end is cut.
    fn line(&mut self) -> Option<ReaderLine> {
        while let Some(end) = self.buffer.iter().position(|&b| b == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            match ReaderLine::parse(&line) {
                Ok(line) => return Some(line),
                Err(error) => tracing::warn!(%error, "reader line ignored"),
            }
        }
        if self.buffer.len() > MAX_LINE {
            tracing::warn!("reader line without end ignored");
            self.buffer.clear();
        }
        None
    }

    /// Reads what is there until `until`. `Ok(false)` at a time-out.
    fn fill(&mut self, until: Instant) -> std::io::Result<bool> {
        let wait = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(wait))?;
        let mut chunk = [0; 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                Ok(true)
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => Ok(false),
            Err(e) => Err(e),
        }
    }
}

impl TagReader for SidecarReader {
    fn next(&mut self, timeout: Duration) -> Result<ReaderLine, ReaderError> {
        let deadline = Instant::now() + timeout;
        self.connect(deadline)?;
        loop {
            let Some(link) = &mut self.link else { return Err(ReaderError::Timeout) };
            if let Some(line) = link.line() {
                link.heard = Instant::now();
                if line == ReaderLine::Beat {
                    continue;
                }
                return Ok(line);
            }
            let silent_at = link.heard + self.lost_after;
            let now = Instant::now();
            if now >= silent_at {
                return Err(self.lose("silent"));
            }
            if now >= deadline {
                return Err(ReaderError::Timeout);
            }
            if let Err(e) = link.fill(deadline.min(silent_at)) {
                return Err(self.lose(&e.to_string()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn version_one_reads_as_it_is_written() {
        let uid = Uid::from_hex("04DE5F1EACC040").unwrap();
        let tap = Tag { kind: TagKind::Ntag424, uid, url: Some("https://x/t?cmac=1".into()) };
        for (line, text) in [
            (ReaderLine::Up { reader: "sim".into() }, r#"{"v":1,"kind":"up","reader":"sim"}"#),
            (ReaderLine::Tap(tap), r#"{"v":1,"kind":"tap","tag":"ntag424","uid":"04DE5F1EACC040","url":"https://x/t?cmac=1"}"#),
            (ReaderLine::Gone, r#"{"v":1,"kind":"gone"}"#),
            (ReaderLine::BankCard, r#"{"v":1,"kind":"bank_card"}"#),
            (ReaderLine::Beat, r#"{"v":1,"kind":"beat"}"#),
            (ReaderLine::Down { why: "unplugged".into() }, r#"{"v":1,"kind":"down","why":"unplugged"}"#),
        ] {
            assert_eq!(line.to_line(), format!("{text}\n"));
            assert_eq!(ReaderLine::parse(text.as_bytes()).unwrap(), line);
        }
    }

    #[test]
    fn what_is_not_a_line_is_told_apart() {
        assert_eq!(ReaderLine::parse(b"{}"), Err(LineError::Shape));
        assert_eq!(ReaderLine::parse(br#"{"v":2,"kind":"beat"}"#), Err(LineError::Version(2)));
        assert_eq!(ReaderLine::parse(br#"{"v":1,"kind":"sneeze","x":1}"#), Err(LineError::Kind));
        for uid in ["", "04", "04A1B2C3D4E5", "0+A1B2C3", "04A1B2C3D", "ГГГГ"] {
            let line = format!(r#"{{"v":1,"kind":"tap","uid":"{uid}"}}"#);
            assert_eq!(ReaderLine::parse(line.as_bytes()), Err(LineError::Uid), "{uid}");
        }
    }

    #[test]
    fn a_card_number_is_not_shown_by_debug() {
        let uid = Uid::from_hex("04DE5F1EACC040").unwrap();
        let line = ReaderLine::Tap(Tag { kind: TagKind::Uid, uid, url: Some("https://x?uid=04DE5F".into()) });
        let shown = format!("{line:?}");
        assert!(!shown.contains("04DE5F") && !shown.contains("222"), "{shown}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = ReaderLine::parse(&bytes);
        }
    }
}
