//! Asking the backend to take this device in.

use std::time::Duration;

use cem_contract::Problem;
use cem_contract::enrol::{EnrolAnswer, EnrolRefusal, EnrolRequest};

use crate::clock::Floor;
use crate::config::check_url;
use crate::http::{base_url, builder, receive};
use crate::tls::Way;

/// One try may take this long.
const PATIENCE: Duration = Duration::from_secs(15);
/// An answer may be lost: the same code with the same key is asked for again, at once and a little later.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// Why it did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// For a program.
    pub reason: EnrolRefusal,
    /// For a person: what is wrong and what to do.
    pub text: String,
}

impl Refused {
    pub(crate) fn new(reason: EnrolRefusal, text: impl Into<String>) -> Refused {
        Refused { reason, text: text.into() }
    }
}

/// Sends the request and judges what comes back. Only the backend's own words are believed: a captive portal refuses
/// nothing.
pub(crate) async fn ask(
    backend: &str,
    dangerous_plain_http: bool,
    proxy: &str,
    request: &EnrolRequest,
    floor: Floor,
) -> Result<EnrolAnswer, Refused> {
    let unreachable = |text: String| Refused::new(EnrolRefusal::Unreachable, text);
    check_url(backend, dangerous_plain_http).map_err(|why| unreachable(format!("the backend's address {why}")))?;
    let base = base_url(backend).map_err(|error| unreachable(format!("the backend's address is none: {error}")))?;
    let url = base.join("v1/devices/enrol").map_err(|error| unreachable(error.to_string()))?;
    let client =
        builder(&base, floor, Way { proxy, identity: None }).and_then(|builder| Ok(builder.timeout(PATIENCE).build()?));
    let client = client.map_err(|error| unreachable(format!("{error:#}")))?;
    let body = serde_json::to_vec(request).map_err(|error| unreachable(error.to_string()))?;
    let mut last = unreachable("the backend was not asked".to_owned());
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let post = client.post(url.clone()).header("content-type", "application/json").body(body.clone());
        match receive(post).await {
            Ok(answer) => match judge(answer.status, &answer.body) {
                Err(refused) if refused.reason == EnrolRefusal::Unreachable => last = refused,
                judged => return judged,
            },
            Err(failure) => {
                last = unreachable(format!("{backend} was not reached ({failure}): check network, proxy and address"));
            }
        }
    }
    Err(last)
}

fn judge(status: u16, body: &[u8]) -> Result<EnrolAnswer, Refused> {
    if status == 201 {
        return match serde_json::from_slice::<EnrolAnswer>(body) {
            Ok(answer) if is_usable(&answer) => Ok(answer),
            _ => Err(Refused::new(EnrolRefusal::Unreachable, "what answered is not a CEM backend: check its address")),
        };
    }
    let problem = serde_json::from_slice::<Problem>(body).ok();
    let reason = problem.as_ref().and_then(|problem| EnrolRefusal::of_problem_type(&problem.kind));
    match (reason, problem.and_then(|problem| problem.detail)) {
        (Some(reason), Some(text)) => Err(Refused::new(reason, text)),
        _ => Err(Refused::new(
            EnrolRefusal::Unreachable,
            format!("the backend answered {status}: try again, or check its address"),
        )),
    }
}

/// What a device cannot work without.
fn is_usable(answer: &EnrolAnswer) -> bool {
    let config = &answer.config;
    !answer.token.is_empty()
        && !answer.token.contains(char::is_whitespace)
        && config.source == format!("/stores/{}/devices/{}", config.store, config.device)
        && !answer.trust_root.keys_for(cem_contract::enrol::KEY_COMMANDS).is_empty()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_backends_own_words_refuse_a_code() {
        let problem = r#"{"type":"urn:cem:problem:enrol-code-late","title":"t","status":410,"detail":"ask for a new one"}"#;
        assert_eq!(judge(410, problem.as_bytes()).unwrap_err(), Refused::new(EnrolRefusal::Late, "ask for a new one"));
        for (status, body) in [(410, "<html>"), (200, "{}"), (201, "{}"), (503, r#"{"title":"Busy"}"#)] {
            assert_eq!(judge(status, body.as_bytes()).unwrap_err().reason, EnrolRefusal::Unreachable, "{status} {body}");
        }
    }
}
