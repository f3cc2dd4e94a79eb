//! What an HTTP answer to a batch means. A pure function: the agent's behaviour hangs on it, so it is tested as a table.
//!
//! Only a 200 whose `results` name exactly the events that were sent, in the same order and number, acknowledges
//! anything. A captive portal answers 200 too; so does a proxy that lost half of the body.

use crate::{BatchAnswer, Problem, Resend, Status};
use uuid::Uuid;

/// No server may silence a device for longer than this with one `Retry-After`.
const MAX_RETRY_AFTER_S: u64 = 24 * 60 * 60;

/// An HTTP answer that arrived completely. A cut or a time-out is no answer: its outcome is unknown too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpAnswer<'a> {
    /// The status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Retry-After`.
    pub retry_after: Option<&'a str>,
    /// The body, decompressed.
    pub body: &'a [u8],
}

/// What an answer means for the events that were sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Each event has its own outcome.
    Answered {
        /// In the order sent.
        outcomes: Vec<Outcome>,
        /// Numbers to be sent again.
        resend: Vec<Resend>,
    },
    /// The request was refused as a whole; no event has an outcome.
    Refused(WholeRequest),
    /// Nobody knows whether the events were taken: the same events are sent again.
    Unknown {
        /// For the log: what was wrong with the answer.
        why: String,
        /// How long the server asks to wait, in seconds.
        retry_after_s: Option<u64>,
    },
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The event's id.
    pub id: Uuid,
    /// What became of it.
    pub status: Status,
    /// Why.
    pub reason: Option<String>,
}

/// Why a request was refused as a whole. `problem` is there when the body was problem+json, that is, when it was the
/// backend and not something on the way that answered.
#[derive(Clone, Debug, PartialEq)]
pub enum WholeRequest {
    /// 400: not a batch. With one event in it, and `[]` taken on the same route, that event is poison; with more, bisect.
    NotABatch {
        /// The backend's words.
        problem: Option<Problem>,
    },
    /// 401 or 403: stop sending, raise an alarm, lose nothing.
    Stop {
        /// 401 or 403.
        status: u16,
        /// The backend's words.
        problem: Option<Problem>,
    },
    /// 413: halve the batch; a single event is quarantined.
    TooLarge {
        /// The backend's words.
        problem: Option<Problem>,
    },
    /// 415: the backend does not take this content type or encoding.
    Unsupported {
        /// The backend's words.
        problem: Option<Problem>,
    },
    /// 429 or 503: wait.
    Busy {
        /// How long the server asks to wait, in seconds, at most a day.
        retry_after_s: Option<u64>,
    },
}

/// Judges the answer to a request that carried the events `sent`, in this order.
pub fn classify(sent: &[Uuid], http: &HttpAnswer<'_>) -> Verdict {
    let retry_after_s = http.retry_after.and_then(parse_retry_after);
    match http.status {
        200 => match answered(sent, http.body) {
            Ok(verdict) => verdict,
            Err(why) => Verdict::Unknown { why, retry_after_s },
        },
        400 => Verdict::Refused(WholeRequest::NotABatch { problem: problem(http) }),
        status @ (401 | 403) => Verdict::Refused(WholeRequest::Stop { status, problem: problem(http) }),
        413 => Verdict::Refused(WholeRequest::TooLarge { problem: problem(http) }),
        415 => Verdict::Refused(WholeRequest::Unsupported { problem: problem(http) }),
        429 | 503 => Verdict::Refused(WholeRequest::Busy { retry_after_s }),
        other => Verdict::Unknown { why: format!("answered {other}"), retry_after_s },
    }
}

fn answered(sent: &[Uuid], body: &[u8]) -> Result<Verdict, String> {
    let answer: BatchAnswer = serde_json::from_slice(body).map_err(|error| format!("a 200 without a batch answer: {error}"))?;
    if answer.results.len() != sent.len() {
        return Err(format!("a 200 with {} results for {} events", answer.results.len(), sent.len()));
    }
    let outcomes = sent
        .iter()
        .zip(answer.results)
        .enumerate()
        .map(|(at, (id, result))| match Uuid::try_parse(&result.id) {
            Ok(named) if named == *id => Ok(Outcome { id: *id, status: result.status, reason: result.reason }),
            _ => Err(format!("a 200 whose result {at} names another event")),
        })
        .collect::<Result<_, _>>()?;
    Ok(Verdict::Answered { outcomes, resend: answer.resend })
}

fn problem(http: &HttpAnswer<'_>) -> Option<Problem> {
    let essence = http.content_type?.split(';').next()?.trim();
    if !essence.eq_ignore_ascii_case("application/problem+json") {
        return None;
    }
    serde_json::from_slice(http.body).ok()
}

/// Seconds only: the other form, an HTTP date, would need a clock that a device may not have.
fn parse_retry_after(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX).min(MAX_RETRY_AFTER_S))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    const A: Uuid = Uuid::from_u128(0xA);
    const B: Uuid = Uuid::from_u128(0xB);

    fn ok(body: &[u8]) -> Verdict {
        classify(&[A, B], &HttpAnswer { status: 200, content_type: Some("application/json"), retry_after: None, body })
    }

    fn results(ids: &[Uuid]) -> Vec<u8> {
        let results: Vec<_> = ids.iter().map(|id| json!({"id": id, "status": "accepted"})).collect();
        json!({ "results": results }).to_string().into_bytes()
    }

    fn status(status: u16, retry_after: Option<&str>) -> Verdict {
        let body = br#"{"title":"t","status":1,"detail":"d"}"#;
        classify(&[A], &HttpAnswer { status, content_type: Some("application/problem+json; charset=utf-8"), retry_after, body })
    }

    #[test]
    fn a_200_with_exactly_the_sent_ids_answers_each_event() {
        let body = json!({"results": [{"id": A, "status": "accepted"}, {"id": B, "status": "conflict", "reason": "r"}],
            "resend": [{"source": "/s", "log": B, "from": 1, "to": 2}]});
        let Verdict::Answered { outcomes, resend } = ok(body.to_string().as_bytes()) else { panic!("not answered") };
        assert_eq!(outcomes[0], Outcome { id: A, status: Status::Accepted, reason: None });
        assert_eq!(outcomes[1], Outcome { id: B, status: Status::Conflict, reason: Some("r".into()) });
        assert_eq!(resend.len(), 1);
    }

    #[test]
    fn any_other_200_is_an_unknown_outcome() {
        let portal = b"<html>Welcome to the free wireless network</html>".to_vec();
        let cut = results(&[A, B])[..40].to_vec();
        let unheard_of = json!({"results": [{"id": A, "status": "perhaps"}, {"id": B, "status": "accepted"}]});
        for body in [portal, cut, results(&[A]), results(&[B, A]), results(&[A, B, B]), vec![], b"{}".to_vec(), b"[]".to_vec()] {
            assert!(matches!(ok(&body), Verdict::Unknown { .. }), "{}", String::from_utf8_lossy(&body));
        }
        assert!(matches!(ok(unheard_of.to_string().as_bytes()), Verdict::Unknown { .. }));
    }

    #[test]
    fn an_empty_batch_is_answered_by_empty_results_only() {
        let empty = |body: &[u8]| classify(&[], &HttpAnswer { status: 200, content_type: None, retry_after: None, body });
        assert_eq!(empty(br#"{"results":[]}"#), Verdict::Answered { outcomes: vec![], resend: vec![] });
        assert!(matches!(empty(b"hello"), Verdict::Unknown { .. }));
    }

    #[test]
    fn whole_request_errors_are_told_apart_by_what_the_agent_does_next() {
        assert!(matches!(status(400, None), Verdict::Refused(WholeRequest::NotABatch { problem: Some(_) })));
        assert!(matches!(status(401, None), Verdict::Refused(WholeRequest::Stop { status: 401, .. })));
        assert!(matches!(status(403, None), Verdict::Refused(WholeRequest::Stop { status: 403, .. })));
        assert!(matches!(status(413, None), Verdict::Refused(WholeRequest::TooLarge { .. })));
        assert!(matches!(status(415, None), Verdict::Refused(WholeRequest::Unsupported { .. })));
        assert_eq!(status(429, Some("7")), Verdict::Refused(WholeRequest::Busy { retry_after_s: Some(7) }));
        assert_eq!(status(503, None), Verdict::Refused(WholeRequest::Busy { retry_after_s: None }));
    }

    #[test]
    fn everything_else_is_an_unknown_outcome() {
        for code in [100, 201, 202, 204, 206, 301, 302, 304, 402, 404, 408, 409, 418, 500, 502, 504, 511, 599] {
            assert!(matches!(status(code, None), Verdict::Unknown { .. }), "{code}");
        }
    }

    #[test]
    fn a_retry_after_is_bounded_and_dates_are_ignored() {
        let busy = |text| match status(503, Some(text)) {
            Verdict::Refused(WholeRequest::Busy { retry_after_s }) => retry_after_s,
            other => panic!("{other:?}"),
        };
        assert_eq!(busy("99999999999999999999999999"), Some(86_400));
        assert_eq!(busy("-1"), None);
        assert_eq!(busy("Sun, 06 Nov 1994 08:49:37 GMT"), None);
    }

    #[test]
    fn a_403_of_a_proxy_carries_no_problem_of_the_backend() {
        let http = HttpAnswer { status: 403, content_type: Some("text/html"), retry_after: None, body: b"{}" };
        assert_eq!(classify(&[A], &http), Verdict::Refused(WholeRequest::Stop { status: 403, problem: None }));
    }
}
