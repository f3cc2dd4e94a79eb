//! Reading a batch, before the writer is asked: what is expensive and needs no state happens here.

use cem_contract::{Event, Invalid, limits, time};
use serde_json::{Map, Value, value::RawValue};
use uuid::Uuid;

/// One element of a batch, read as far as it can be read.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    /// The `id` as it was sent, empty where there is none: what the answer names.
    pub(crate) id_text: String,
    pub(crate) id: Option<Uuid>,
    pub(crate) source: Option<String>,
    /// Log and sequence, where both are well formed.
    pub(crate) number: Option<(Uuid, u64)>,
    /// The event, or why it can never be taken.
    pub(crate) event: Result<Event, Invalid>,
    /// The bytes as they came.
    pub(crate) raw: String,
}

/// Why a body is no batch.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoBatch {
    #[error("the body is not a JSON array of events: {0}")]
    NotAnArray(serde_json::Error),
    #[error("{0} events; a batch holds at most {max}", max = limits::BATCH_EVENTS)]
    TooMany(usize),
}

/// Reads a body as a batch. What is wrong with a single event is told with that event.
pub(crate) fn read_batch(body: &[u8]) -> Result<Vec<Incoming>, NoBatch> {
    let events: Vec<&RawValue> = serde_json::from_slice(body).map_err(NoBatch::NotAnArray)?;
    if events.len() > limits::BATCH_EVENTS {
        return Err(NoBatch::TooMany(events.len()));
    }
    Ok(events.into_iter().map(|raw| Incoming::read(raw.get())).collect())
}

impl Incoming {
    /// Reads one event.
    pub(crate) fn read(raw: &str) -> Self {
        let members: Map<String, Value> = match serde_json::from_str(raw) {
            Ok(members) => members,
            Err(error) => return Self::nameless(raw, Invalid { path: String::new(), problem: not_an_object(&error) }),
        };
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let uuid = |name: &str| text(name).filter(|text| text.len() == 36).and_then(|text| Uuid::try_parse(text).ok());
        let id_text = text("id").unwrap_or_default().to_owned();
        let id = uuid("id");
        let source = text("source").filter(|source| !source.is_empty()).map(str::to_owned);
        let number = uuid("log").zip(text("sequence").and_then(time::parse_sequence));
        let event = if raw.len() > limits::EVENT_BYTES {
            let problem = format!("{} bytes; an event has at most {}", raw.len(), limits::EVENT_BYTES);
            Err(Invalid { path: String::new(), problem })
        } else {
            Event::from_members(members).and_then(|event| event.validate().map(|()| event))
        };
        Self { id_text, id, source, number, event, raw: raw.to_owned() }
    }

    /// Why it cannot be taken, for an event that lacks an id or a source.
    pub(crate) fn wrong(&self) -> Invalid {
        match &self.event {
            Err(invalid) => invalid.clone(),
            Ok(_) => Invalid { path: "id".to_owned(), problem: "missing".to_owned() },
        }
    }

    fn nameless(raw: &str, invalid: Invalid) -> Self {
        Self { id_text: String::new(), id: None, source: None, number: None, event: Err(invalid), raw: raw.to_owned() }
    }
}

fn not_an_object(error: &serde_json::Error) -> String {
    format!("not a JSON object: {error}")
}

/// The run that a `cem.log.lost.v1` speaks of. Numbers may be written as numbers or as 20 digits.
pub(super) fn lost(data: &Value) -> Option<(Uuid, u64, u64)> {
    let number = |name: &str| match data.get(name)? {
        Value::String(digits) => digits.parse().ok(),
        value => value.as_u64(),
    };
    let log = Uuid::try_parse(data.get("log")?.as_str()?).ok()?;
    let (from, to) = (number("from")?, number("to")?);
    (1 <= from && from <= to && to <= i64::MAX as u64).then_some((log, from, to))
}
