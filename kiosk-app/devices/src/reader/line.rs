//! One line, read and written.

use super::MAX_APDU;
use serde::{Deserialize, Serialize};
use std::fmt;

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
        Self::new(&from_hex(hex)?)
    }
    /// The bytes, for making a pseudonym of them.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
    /// Upper-case hex, for the line.
    pub fn to_hex(&self) -> String {
        to_hex(&self.0)
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
    /// Counts taps, so that a command meant for one card never reaches the next.
    pub number: u32,
    /// What kind of card.
    pub kind: TagKind,
    /// Its number as seen in anti-collision.
    pub uid: Uid,
    /// The URL read from it.
    pub url: Option<String>,
    /// What the shop's application on a telephone answered when it was selected.
    pub data: Vec<u8>,
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
    /// What the card answered to a [`Request`], or why it did not.
    Answer {
        /// The request's number.
        number: u32,
        /// Data and status bytes.
        outcome: Result<Vec<u8>, String>,
    },
    /// Nothing to say.
    Beat,
    /// The sidecar runs and its reader does not.
    Down {
        /// For staff.
        why: String,
    },
}

/// Version 1 as it stands on the wire.
#[derive(Default, Serialize, Deserialize)]
struct Wire<'a> {
    v: u32,
    kind: &'a str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tap: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tag: Option<TagKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reader: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl Wire<'_> {
    fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

    fn parse(line: &[u8]) -> Result<Wire<'_>, LineError> {
        let wire: Wire<'_> = serde_json::from_slice(line).map_err(|_| LineError::Shape)?;
        if wire.v == 1 { Ok(wire) } else { Err(LineError::Version(wire.v)) }
    }

    fn data(&self) -> Result<Vec<u8>, LineError> {
        from_hex(self.data.as_deref().unwrap_or_default()).ok_or(LineError::Data)
    }
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
    /// Bytes that are no hex, or too many of them.
    #[error("bytes that are no hex digits, or too many")]
    Data,
}

impl ReaderLine {
    /// Writes the line, newline included.
    pub fn to_line(&self) -> String {
        let mut wire = Wire { v: 1, kind: "beat", ..Wire::default() };
        match self {
            Self::Up { reader } => (wire.kind, wire.reader) = ("up", Some(reader.clone())),
            Self::Tap(tag) => {
                (wire.kind, wire.n, wire.tag, wire.uid) = ("tap", Some(tag.number), Some(tag.kind), Some(tag.uid.to_hex()));
                wire.url.clone_from(&tag.url);
                wire.data = Some(to_hex(&tag.data)).filter(|data| !data.is_empty());
            }
            Self::Gone => wire.kind = "gone",
            Self::BankCard => wire.kind = "bank_card",
            Self::Answer { number, outcome } => {
                (wire.kind, wire.n) = ("answer", Some(*number));
                match outcome {
                    Ok(data) => wire.data = Some(to_hex(data)),
                    Err(why) => wire.why = Some(why.clone()),
                }
            }
            Self::Beat => {}
            Self::Down { why } => (wire.kind, wire.why) = ("down", Some(why.clone())),
        }
        wire.to_line()
    }

    /// Reads a line, newline or not.
    pub fn parse(line: &[u8]) -> Result<Self, LineError> {
        let wire = Wire::parse(line)?;
        Ok(match wire.kind {
            "up" => Self::Up { reader: wire.reader.unwrap_or_default() },
            "tap" => {
                let uid = wire.uid.as_deref().and_then(Uid::from_hex).ok_or(LineError::Uid)?;
                let (number, data) = (wire.n.unwrap_or_default(), wire.data()?);
                Self::Tap(Tag { number, kind: wire.tag.unwrap_or(TagKind::Uid), uid, url: wire.url, data })
            }
            "answer" => {
                let outcome = match (&wire.data, &wire.why) {
                    (Some(_), _) => Ok(wire.data()?),
                    (None, why) => Err(why.clone().unwrap_or_default()),
                };
                Self::Answer { number: wire.n.unwrap_or_default(), outcome }
            }
            "gone" => Self::Gone,
            "bank_card" => Self::BankCard,
            "beat" => Self::Beat,
            "down" => Self::Down { why: wire.why.unwrap_or_default() },
            _ => return Err(LineError::Kind),
        })
    }
}

/// A command for the card that is there.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Comes back with the answer.
    pub number: u32,
    /// The tap that it is meant for.
    pub tap: u32,
    /// At most [`MAX_APDU`] bytes.
    pub apdu: Vec<u8>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} of tap {}, {} bytes)", self.number, self.tap, self.apdu.len())
    }
}

impl Request {
    /// Writes the line, newline included.
    pub fn to_line(&self) -> String {
        let data = Some(to_hex(&self.apdu));
        Wire { v: 1, kind: "apdu", n: Some(self.number), tap: Some(self.tap), data, ..Wire::default() }.to_line()
    }

    /// Reads a line, newline or not.
    ///
    /// # Errors
    /// As [`LineError`] says.
    pub fn parse(line: &[u8]) -> Result<Self, LineError> {
        let wire = Wire::parse(line)?;
        let apdu = wire.data()?;
        match wire {
            Wire { kind: "apdu", .. } if apdu.is_empty() || apdu.len() > MAX_APDU => Err(LineError::Data),
            Wire { kind: "apdu", n: Some(number), tap: Some(tap), .. } => Ok(Self { number, tap, apdu }),
            Wire { kind: "apdu", .. } => Err(LineError::Shape),
            _ => Err(LineError::Kind),
        }
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|p| p.len() == 2 && !p.starts_with('+'))?;
        u8::from_str_radix(pair, 16).ok()
    });
    digits.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn version_one_reads_as_it_is_written() {
        let uid = Uid::from_hex("04DE5F1EACC040").unwrap();
        let tap = Tag { number: 3, kind: TagKind::Ntag424, uid, url: Some("https://x/t?cmac=1".into()), data: vec![] };
        let phone =
            Tag { number: 4, kind: TagKind::Hce, uid: Uid::new(&[8, 1, 2, 3]).unwrap(), url: None, data: vec![1, 0x90, 0] };
        for (line, text) in [
            (ReaderLine::Up { reader: "sim".into() }, r#"{"v":1,"kind":"up","reader":"sim"}"#),
            (
                ReaderLine::Tap(tap),
                r#"{"v":1,"kind":"tap","n":3,"tag":"ntag424","uid":"04DE5F1EACC040","url":"https://x/t?cmac=1"}"#,
            ),
            (ReaderLine::Tap(phone), r#"{"v":1,"kind":"tap","n":4,"tag":"hce","uid":"08010203","data":"019000"}"#),
            (ReaderLine::Answer { number: 17, outcome: Ok(vec![0x90, 0]) }, r#"{"v":1,"kind":"answer","n":17,"data":"9000"}"#),
            (ReaderLine::Answer { number: 18, outcome: Err("gone".into()) }, r#"{"v":1,"kind":"answer","n":18,"why":"gone"}"#),
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
    fn a_request_reads_as_it_is_written_and_is_bounded() {
        let request = Request { number: 17, tap: 3, apdu: vec![0x90, 0x71] };
        let text = r#"{"v":1,"kind":"apdu","n":17,"tap":3,"data":"9071"}"#;
        assert_eq!(request.to_line(), format!("{text}\n"));
        assert_eq!(Request::parse(text.as_bytes()), Ok(request));
        let long = Request { number: 1, tap: 1, apdu: vec![0; MAX_APDU + 1] };
        assert_eq!(Request::parse(long.to_line().as_bytes()), Err(LineError::Data));
        assert_eq!(Request::parse(br#"{"v":1,"kind":"apdu","n":1,"tap":1}"#), Err(LineError::Data));
        assert_eq!(Request::parse(br#"{"v":1,"kind":"beat"}"#), Err(LineError::Kind));
    }

    #[test]
    fn a_card_number_is_not_shown_by_debug() {
        let uid = Uid::from_hex("04DE5F1EACC040").unwrap();
        let line =
            ReaderLine::Tap(Tag { number: 1, kind: TagKind::Uid, uid, url: Some("https://x?uid=04DE5F".into()), data: vec![] });
        let shown = format!("{line:?}");
        assert!(!shown.contains("04DE5F") && !shown.contains("222"), "{shown}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (ReaderLine::parse(&bytes), Request::parse(&bytes));
        }
    }
}
