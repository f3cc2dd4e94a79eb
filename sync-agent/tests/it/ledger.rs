//! A backend in memory: judges in the contract's order and keeps a ledger of effects.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

/// What a backend answers.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply { status, headers: Vec::new(), body: body.into() }
    }

    pub fn problem(status: u16, detail: &str) -> Reply {
        let body = json!({"type": "about:blank", "title": "refused", "status": status, "detail": detail}).to_string();
        let mut reply = Reply::new(status, body);
        reply.headers.push(("content-type", "application/problem+json".to_owned()));
        reply
    }

    pub fn after(mut self, seconds: u32) -> Reply {
        self.headers.push(("retry-after", seconds.to_string()));
        self
    }
}

/// Effects by event id, and the rules of a test.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Id -> (log, sequence, type).
    pub stored: HashMap<String, (String, u64, String)>,
    pub numbers: HashMap<(String, u64), String>,
    /// How often each id was applied: never more than once.
    pub applied: HashMap<String, u32>,
    /// Types rejected event by event.
    pub rejects: Vec<&'static str>,
    /// Types that make the whole request a 400.
    pub poisons: Vec<&'static str>,
    /// More bytes than this get 413.
    pub largest: Option<usize>,
    /// The token that is taken; `None`: any.
    pub token: Option<String>,
    pub requests: u32,
    pub empty_requests: u32,
    /// Bytes of all bodies after decompression.
    pub bytes: usize,
}

impl Ledger {
    /// The honest answer to a decompressed body.
    pub fn serve(&mut self, token: Option<&str>, body: &[u8]) -> Reply {
        self.requests += 1;
        self.bytes += body.len();
        if self.token.as_deref().is_some_and(|right| token != Some(right)) {
            return Reply::problem(401, "unknown token");
        }
        if self.largest.is_some_and(|largest| body.len() > largest) {
            return Reply::problem(413, "too large");
        }
        let Ok(events) = serde_json::from_slice::<Vec<Value>>(body) else { return Reply::problem(400, "not a batch") };
        self.empty_requests += u32::from(events.is_empty());
        let is = |set: &[&str], event: &Value| set.iter().any(|kind| event["type"] == *kind);
        if events.iter().any(|e| is(&self.poisons, e)) {
            return Reply::problem(400, "not a batch");
        }
        let results: Vec<Value> = events.iter().map(|event| self.judge(event)).collect();
        Reply::new(200, json!({ "results": results }).to_string())
    }

    fn judge(&mut self, event: &Value) -> Value {
        let id = event["id"].as_str().unwrap().to_owned();
        let log = event["log"].as_str().unwrap().to_owned();
        let sequence: u64 = event["sequence"].as_str().unwrap().parse().unwrap();
        let kind = event["type"].as_str().unwrap().to_owned();
        if self.stored.contains_key(&id) {
            return json!({"id": id, "status": "duplicate"});
        }
        if self.numbers.get(&(log.clone(), sequence)).is_some_and(|other| *other != id) {
            return json!({"id": id, "status": "conflict", "reason": "number used by another event"});
        }
        self.numbers.insert((log.clone(), sequence), id.clone());
        if self.rejects.iter().any(|r| *r == kind) {
            return json!({"id": id, "status": "rejected", "reason": "data.lines: missing"});
        }
        *self.applied.entry(id.clone()).or_insert(0) += 1;
        self.stored.insert(id.clone(), (log, sequence, kind));
        json!({"id": id, "status": "accepted"})
    }

    /// Claims numbers of a log for another event, as a cloned device would.
    pub fn occupy(&mut self, log: &str, numbers: std::ops::RangeInclusive<u64>) {
        for number in numbers {
            self.numbers.insert((log.to_owned(), number), format!("clone-{number}"));
        }
    }

    /// Stored events by type.
    pub fn count(&self, kind: &str) -> usize {
        self.stored.values().filter(|(_, _, k)| k == kind).count()
    }

    /// The numbers stored of each log.
    pub fn logs(&self) -> BTreeMap<String, Vec<u64>> {
        let mut logs: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (log, sequence, _) in self.stored.values() {
            logs.entry(log.clone()).or_default().push(*sequence);
        }
        logs.values_mut().for_each(|numbers| numbers.sort_unstable());
        logs
    }
}
