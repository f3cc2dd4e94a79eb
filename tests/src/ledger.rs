//! What the backend says that it has stored, read as an operator would read it.

use crate::http;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

/// Page size of the operator's list.
const PAGE: usize = 500;

/// Events of one device as the backend stored them, in the order of log and sequence.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Whole wire events.
    pub events: Vec<Value>,
}

impl Ledger {
    /// Reads all events of `source`. `tick` is called with how many have been read.
    pub fn read(backend: SocketAddr, ops_token: &str, source: &str, mut tick: impl FnMut(usize)) -> Result<Self> {
        let mut events = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("/v1/fleet/events?source={source}&limit={PAGE}&after={after}");
            let mut page = http::get(backend, &path, ops_token, &[])?;
            let rows = page.get_mut("items").and_then(Value::as_array_mut).context("a page has 'items'")?;
            let read = rows.len();
            events.extend(rows.iter_mut().map(|row| row["event"].take()));
            tick(events.len());
            match page["next"].as_str() {
                Some(next) if read == PAGE => next.clone_into(&mut after),
                _ => return Ok(Self { events }),
            }
        }
    }

    /// Events of one type.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event["type"] == kind)
    }

    /// Fails unless every log's numbers run from 1 without gap and no id or number stands twice.
    pub fn check_gapless(&self) -> Result<()> {
        let mut ids = BTreeSet::new();
        let mut numbers: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for event in &self.events {
            let id = text(event, "id")?;
            if !ids.insert(id.to_owned()) {
                bail!("the event {id} is stored twice");
            }
            let sequence: u64 = text(event, "sequence")?.parse().context("sequence")?;
            if !numbers.entry(text(event, "log")?.to_owned()).or_default().insert(sequence) {
                bail!("the number {sequence} is stored twice");
            }
        }
        for (log, seen) in numbers {
            let highest = seen.last().copied().unwrap_or(0);
            if highest != seen.len() as u64 {
                bail!("log {log}: {} numbers up to {highest}", seen.len());
            }
        }
        Ok(())
    }
}

fn text<'a>(event: &'a Value, field: &str) -> Result<&'a str> {
    event[field].as_str().with_context(|| format!("an event has '{field}'"))
}
