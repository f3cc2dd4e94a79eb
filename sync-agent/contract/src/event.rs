//! Events as they are written and as they are read.

use crate::{
    Invalid, time,
    validate::{self, Envelope as Checks},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// What a person has agreed to; each level includes those before it. On the wire the enumeration is open: a reader
/// takes an unknown word as [`Consent::None`], the strictest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    /// No visitor id, no data across visits.
    #[default]
    None,
    /// Points, receipts, a name on the board.
    Service,
    /// History, the usual, offers.
    Personal,
    /// Contact outside the shop.
    Marketing,
}

impl Consent {
    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Service => "service",
            Self::Personal => "personal",
            Self::Marketing => "marketing",
        }
    }

    /// The level of a word, `None` for a word of a later version.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::None, Self::Service, Self::Personal, Self::Marketing].into_iter().find(|c| c.word() == word)
    }
}

/// How far an event's `time` can be trusted. Open on the wire: an unknown word counts as [`Clock::Unset`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// Set by an authenticated source since boot.
    Synced,
    /// Derived from a stored floor or an unauthenticated source.
    Estimated,
    /// Nobody knows.
    #[default]
    Unset,
}

impl Clock {
    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Estimated => "estimated",
            Self::Unset => "unset",
        }
    }

    /// The quality of a word, `None` for a word of a later version.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Synced, Self::Estimated, Self::Unset].into_iter().find(|c| c.word() == word)
    }
}

/// An event before it has a place in a log.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// UUIDv7, made once and kept for ever.
    pub id: Uuid,
    /// The CloudEvents type: one of [`crate::kinds`], or of a later version.
    pub kind: String,
    /// When it happened by the best clock then known, milliseconds since 1970.
    pub time_ms: i64,
    /// The visit it belongs to, absent on device events.
    pub visitid: Option<Uuid>,
    /// Pseudonym of the visitor, absent when anonymous.
    pub visitor: Option<String>,
    /// What the visitor had agreed to when it happened.
    pub consent: Consent,
    /// How far `time_ms` can be trusted.
    pub clock: Clock,
    /// Boot id of the machine.
    pub boot: String,
    /// Milliseconds since that boot.
    pub uptime_ms: u64,
    /// By type: see [`crate::data`].
    pub data: Value,
}

impl NewEvent {
    /// The exact bytes of this event on the wire, at its place in a log. The bytes are a function of the arguments
    /// alone: members in the contract's order, `data` with its members sorted by name.
    pub fn seal(&self, source: &str, log: Uuid, sequence: u64, recorded_ms: i64) -> Vec<u8> {
        let wire = Sealed {
            specversion: "1.0",
            id: self.id,
            source,
            kind: &self.kind,
            time: time::rfc3339(self.time_ms),
            datacontenttype: "application/json",
            log,
            sequence: time::sequence(sequence),
            recordedtime: time::rfc3339(recorded_ms),
            visitid: self.visitid,
            visitor: self.visitor.as_deref(),
            consent: self.consent,
            clock: self.clock,
            boot: &self.boot,
            uptime: time::uptime(self.uptime_ms),
            data: &self.data,
        };
        serde_json::to_vec(&wire).unwrap_or_else(|never| unreachable!("strings and JSON values always serialise: {never}"))
    }

    /// Checks what the backend will check: see [`crate::validate()`].
    pub fn validate(&self) -> Result<(), Invalid> {
        validate::validate_data(&self.kind, Some(&self.data))
    }
}

#[derive(Serialize)]
struct Sealed<'a> {
    specversion: &'static str,
    id: Uuid,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    time: String,
    datacontenttype: &'static str,
    log: Uuid,
    sequence: String,
    recordedtime: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    visitid: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    visitor: Option<&'a str>,
    consent: Consent,
    clock: Clock,
    boot: &'a str,
    uptime: String,
    data: &'a Value,
}

/// An event as read from the wire. Reading is lenient: unknown members are kept in [`Event::extra`], unknown types and
/// words are taken as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The event's id.
    pub id: Uuid,
    /// The device or channel that wrote it.
    pub source: String,
    /// The CloudEvents type.
    pub kind: String,
    /// When it happened by the best clock then known, milliseconds since 1970.
    pub time_ms: i64,
    /// The log it is numbered in.
    pub log: Uuid,
    /// Its number there, from 1.
    pub sequence: u64,
    /// When it was committed at the device, milliseconds since 1970.
    pub recorded_ms: Option<i64>,
    /// The visit it belongs to.
    pub visitid: Option<String>,
    /// Pseudonym of the visitor.
    pub visitor: Option<String>,
    /// What the visitor had agreed to, `None` where the event does not say or says an unknown word.
    pub consent: Option<Consent>,
    /// How far `time_ms` can be trusted.
    pub clock: Clock,
    /// Boot id of the machine.
    pub boot: Option<String>,
    /// Milliseconds since that boot.
    pub uptime_ms: Option<u64>,
    /// By type; [`Value::Null`] where there is none.
    pub data: Value,
    /// Members that this version does not know.
    pub extra: Map<String, Value>,
}

impl Event {
    /// Reads one event and checks its envelope, not its `data`: see [`Event::validate`].
    pub fn parse(json: &str) -> Result<Self, Invalid> {
        let members: Map<String, Value> =
            serde_json::from_str(json).map_err(|error| Invalid::new("", format!("not a JSON object: {error}")))?;
        Self::from_members(members)
    }

    /// As [`Event::parse`], of an object that is already read.
    pub fn from_members(mut members: Map<String, Value>) -> Result<Self, Invalid> {
        let mut checks = Checks::new(&mut members);
        checks.specversion()?;
        let event = Self {
            id: checks.uuid("id")?,
            source: checks.text("source")?,
            kind: checks.text("type")?,
            time_ms: checks.time("time")?,
            log: checks.uuid("log")?,
            sequence: checks.sequence("sequence")?,
            recorded_ms: checks.optional_time("recordedtime")?,
            visitid: checks.optional_text("visitid")?,
            visitor: checks.optional_text("visitor")?,
            consent: checks.optional_text("consent")?.and_then(|word| Consent::from_word(&word)),
            clock: checks.optional_text("clock")?.and_then(|word| Clock::from_word(&word)).unwrap_or_default(),
            boot: checks.optional_text("boot")?,
            uptime_ms: checks.optional_text("uptime")?.and_then(|digits| digits.parse().ok()),
            data: checks.take("data"),
            extra: Map::new(),
        };
        members.remove("datacontenttype");
        Ok(Self { extra: members, ..event })
    }

    /// What is left of an event of a person who was erased ([`crate::erase`]).
    pub fn is_erased(&self) -> bool {
        self.extra.get("erased") == Some(&Value::Bool(true))
    }

    /// Checks `data` against the table of types: see [`crate::validate()`]. What is left of an erased event may lack what was
    /// personal.
    pub fn validate(&self) -> Result<(), Invalid> {
        match validate::validate_data(&self.kind, Some(&self.data).filter(|data| !data.is_null())) {
            Err(lacking) if self.is_erased() && lacking.problem == validate::MISSING => Ok(()),
            judged => judged,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn sample() -> NewEvent {
        NewEvent {
            id: Uuid::from_u128(0x0192_f0c1_0000_7000_8000_0000_0000_0001),
            kind: crate::kinds::VISIT_STARTED.to_owned(),
            time_ms: 1_795_257_000_123,
            visitid: Some(Uuid::from_u128(0x0192_f0c0_0000_7000_8000_0000_0000_0002)),
            visitor: Some("v_00112233445566778899aabbccddeeff".to_owned()),
            consent: Consent::Personal,
            clock: Clock::Synced,
            boot: "b-1".to_owned(),
            uptime_ms: 12_345_678,
            data: json!({"trigger": "touch", "role": "kiosk", "language": "en"}),
        }
    }

    /// Frozen: these bytes are stored on devices and signed by peers. Nobody edits this test.
    #[test]
    fn a_sealed_event_has_these_bytes_for_ever() {
        let log = Uuid::from_u128(0x0192_e000_0000_7000_8000_0000_0000_0003);
        let bytes = sample().seal("/stores/s-001/devices/k-01", log, 42, 1_795_257_000_130);
        let frozen = concat!(
            r#"{"specversion":"1.0","id":"0192f0c1-0000-7000-8000-000000000001","source":"/stores/s-001/devices/k-01","#,
            r#""type":"cem.visit.started.v1","time":"2026-11-21T10:30:00.123Z","datacontenttype":"application/json","#,
            r#""log":"0192e000-0000-7000-8000-000000000003","sequence":"00000000000000000042","#,
            r#""recordedtime":"2026-11-21T10:30:00.130Z","visitid":"0192f0c0-0000-7000-8000-000000000002","#,
            r#""visitor":"v_00112233445566778899aabbccddeeff","consent":"personal","clock":"synced","boot":"b-1","#,
            r#""uptime":"000000012345678","data":{"language":"en","role":"kiosk","trigger":"touch"}}"#
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), frozen);
    }

    #[test]
    fn an_anonymous_device_event_leaves_visit_and_visitor_out() {
        let event = NewEvent { visitid: None, visitor: None, consent: Consent::None, ..sample() };
        let text = String::from_utf8(event.seal("/s", Uuid::nil(), 1, 0)).unwrap();
        assert!(!text.contains("visitid") && !text.contains("visitor"), "{text}");
    }

    #[test]
    fn what_was_sealed_is_read_back() {
        let new = sample();
        let log = Uuid::from_u128(3);
        let text = String::from_utf8(new.seal("/stores/s-001/devices/k-01", log, 7, 1_795_257_000_130)).unwrap();
        let event = Event::parse(&text).unwrap();
        assert_eq!((event.id, event.log, event.sequence, event.time_ms), (new.id, log, 7, new.time_ms));
        assert_eq!(event.recorded_ms, Some(1_795_257_000_130));
        assert_eq!((event.visitor, event.consent, event.clock), (new.visitor, Some(Consent::Personal), Clock::Synced));
        assert_eq!((event.data, event.uptime_ms), (new.data, Some(12_345_678)));
        assert!(event.extra.is_empty());
    }

    #[test]
    fn unknown_members_are_kept_and_unknown_words_are_taken() {
        let mut wire: Map<String, Value> = serde_json::from_slice(&sample().seal("/s", Uuid::nil(), 1, 0)).unwrap();
        wire.insert("traceparent".to_owned(), json!("00-aa-bb-01"));
        wire.insert("consent".to_owned(), json!("everything"));
        wire.insert("clock".to_owned(), json!("atomic"));
        let event = Event::from_members(wire).unwrap();
        assert_eq!(event.extra.get("traceparent"), Some(&json!("00-aa-bb-01")));
        assert_eq!((event.consent, event.clock), (None, Clock::Unset));
    }
}
