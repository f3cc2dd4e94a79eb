//! What the backend answers to a batch.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// The body of a 200 to `POST /v1/events`: one result an event, in the order of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchAnswer {
    /// One an event, in the order of the request.
    pub results: Vec<EventResult>,
    /// Numbers that the backend lacks below those it has seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resend: Vec<Resend>,
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventResult {
    /// The event's `id` as it was sent; empty where it had none.
    pub id: String,
    /// What became of it.
    pub status: Status,
    /// Why, for all but `accepted` and `duplicate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// On the backend's disk.
    Accepted,
    /// Was there already.
    Duplicate,
    /// Can never be taken: the sender quarantines it and goes on.
    Rejected,
    /// Not now: the sender sends it again.
    Retry,
    /// Its number is used by another event: the sender opens a new log.
    Conflict,
}

/// A run of numbers to be sent again, both ends included.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Resend {
    /// The source they belong to.
    pub source: String,
    /// The log they are numbered in.
    pub log: Uuid,
    /// The first that is missing.
    pub from: u64,
    /// The last that is missing.
    pub to: u64,
}

/// An error of the whole request (RFC 9457, `application/problem+json`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// A URI reference that names the kind of problem, `about:blank` where the status says it all.
    #[serde(rename = "type", default = "about_blank")]
    pub kind: String,
    /// A short sentence, the same for every occurrence.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What is wrong with this request and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Members beyond the standard's.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Problem {
    /// A problem of a status, with what is wrong and what to do.
    pub fn new(status: u16, title: &str, detail: impl Into<String>) -> Self {
        Self { kind: about_blank(), title: title.to_owned(), status, detail: Some(detail.into()), extra: Map::new() }
    }
}

fn about_blank() -> String {
    "about:blank".to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_without_gaps_has_no_resend() {
        let answer =
            BatchAnswer { results: vec![EventResult { id: "a".into(), status: Status::Accepted, reason: None }], resend: vec![] };
        assert_eq!(serde_json::to_value(&answer).unwrap(), json!({"results": [{"id": "a", "status": "accepted"}]}));
    }

    #[test]
    fn an_answer_with_members_of_a_later_version_is_read() {
        let text = r#"{"results":[{"id":"a","status":"rejected","reason":"data.lines: missing","hint":1}],"next":2,
            "resend":[{"source":"/s","log":"0192e000-0000-7000-8000-000000000003","from":17,"to":40}]}"#;
        let answer: BatchAnswer = serde_json::from_str(text).unwrap();
        assert_eq!(answer.results[0].reason.as_deref(), Some("data.lines: missing"));
        assert_eq!((answer.resend[0].from, answer.resend[0].to), (17, 40));
    }

    #[test]
    fn a_problem_keeps_members_it_does_not_know() {
        let problem: Problem = serde_json::from_value(json!({"title": "Gone", "status": 410, "snapshot": {"a": 1}})).unwrap();
        assert_eq!(problem.kind, "about:blank");
        assert_eq!(problem.extra["snapshot"], json!({"a": 1}));
    }
}
