//! What is done to devices.

use crate::{api::Api, cli::say};
use anyhow::{Context, bail};
use cem_contract::{
    Page,
    enrol::{CodeGiven, CodeRequest, EnrolLink, Unsent},
};
use fast_qr::qr::QRBuilder;
use serde_json::{Value, json};
use std::{fs::OpenOptions, io::Write, path::Path};

pub(crate) async fn enrol(api: &Api, store: Option<String>, device: &str, role: &str) -> anyhow::Result<()> {
    let store = api.store(store).context("in which store? Give --store")?;
    let request = CodeRequest { store, device: device.to_owned(), role: role.to_owned() };
    let given: CodeGiven = api.post(&["v1", "fleet", "codes"], &[], &json!(request)).await?;
    show(api, &given)
}

pub(crate) async fn replace(api: &Api, store: Option<String>, device: &str) -> anyhow::Result<()> {
    let given: CodeGiven = edit(api, store, device, "replace", &json!({})).await?;
    say(format_args!("{device} is out: its token, certificate and keys are revoked."))?;
    if let Some(unsent) = &given.unsent {
        for line in unsent_lines(unsent) {
            say(line)?;
        }
    }
    show(api, &given)?;
    say("\nIf the old device's card can still be read, mount it at the new device once that is enrolled, and run there:")?;
    say("  sync-agent recover --config /etc/cem/agent.toml --from /mnt/card")
}

fn show(api: &Api, given: &CodeGiven) -> anyhow::Result<()> {
    let link = EnrolLink { backend: api.backend().to_owned(), code: given.code.clone() };
    let config = &given.config;
    say(format_args!("\n{}, {}, till {}, order letter {}", config.source, config.role, config.till, config.order_letter))?;
    say(format_args!("code     {}", given.code))?;
    say(format_args!("backend  {}", api.backend()))?;
    say(format_args!("until    {}, once\n", given.expires))?;
    match QRBuilder::new(link.text()).build() {
        Ok(code) => say(code.to_str()),
        Err(error) => say(format_args!("(no QR: {error:?})")),
    }
}

/// What is known of events that the old device had not sent.
fn unsent_lines(unsent: &Unsent) -> Vec<String> {
    let mut lines = Vec::new();
    match &unsent.reported {
        Some(at) if unsent.queue_depth == 0 => lines.push(format!("At its last report, {at}, it had sent everything.")),
        Some(at) => {
            let age = unsent.oldest_unsent_s;
            lines.push(format!(
                "At its last report, {at}, it had not sent {} events, the oldest {age} s old.",
                unsent.queue_depth
            ));
        }
        None => lines.push("It never reported: what it had not sent is not known.".to_owned()),
    }
    if let Some(at) = &unsent.last_event {
        lines.push(format!("Its last event arrived at {at}."));
    }
    for log in &unsent.logs {
        let missing = if log.missing > 0 { format!(", {} below it are missing", log.missing) } else { String::new() };
        lines.push(format!("log {}: up to number {}{missing}", log.log, log.last));
    }
    lines
}

pub(crate) async fn retire(api: &Api, store: Option<String>, device: &str, now: bool) -> anyhow::Result<()> {
    let done: Value = edit(api, store, device, "retire", &json!({ "now": now })).await?;
    match done["state"].as_str() {
        Some("retired") => say(format_args!("{device} is out; it wipes itself as soon as it asks the backend for anything.")),
        _ => say(format_args!("{device} sends what it has, wipes itself and is out then: `fleet devices` shows when.")),
    }
}

pub(crate) async fn lock(api: &Api, store: Option<String>, device: &str) -> anyhow::Result<()> {
    let done: Value = edit(api, store, device, "lock", &json!({})).await?;
    say(format_args!("{device} is locked: nothing of it is taken any more."))?;
    say(format_args!("All other devices get version {} of the tenant's key.", done["key_version"]))
}

pub(crate) async fn unlock(api: &Api, store: Option<String>, device: &str) -> anyhow::Result<()> {
    let _: Value = edit(api, store, device, "unlock", &json!({})).await?;
    say(format_args!("{device} may work again; it hears of it within a minute."))
}

pub(crate) async fn tell(api: &Api, store: Option<String>, device: &str, what: &str) -> anyhow::Result<()> {
    let given: Value = edit(api, store, device, "commands", &json!({ "kind": what })).await?;
    say(format_args!("{} is told at its next report: `fleet told {device}`", given["id"].as_str().unwrap_or_default()))
}

pub(crate) async fn told(api: &Api, store: Option<String>, device: &str) -> anyhow::Result<()> {
    let store = api.store(store);
    let query: Vec<(&str, &str)> = store.iter().map(|store| ("store", store.as_str())).collect();
    let page: Page<Value> = api.get(&["v1", "fleet", "devices", device, "commands"], &query).await?;
    for item in page.items {
        let text = |key: &str| item[key].as_str().unwrap_or("-").to_owned();
        let file = if item["has_answer"] == json!(true) { "  (fleet answer)" } else { "" };
        say(format_args!("{}  {}  {}  {}  {}{file}", text("id"), text("given"), text("kind"), text("outcome"), text("detail")))?;
    }
    Ok(())
}

pub(crate) async fn answer(api: &Api, id: &str, to: &Path) -> anyhow::Result<()> {
    let bytes = api.bytes(&["v1", "fleet", "commands", id, "answer"]).await?;
    let shown = to.display();
    let mut file = OpenOptions::new().write(true).create_new(true).open(to).with_context(|| format!("cannot make {shown}"))?;
    file.write_all(&bytes).with_context(|| format!("cannot write {shown}"))?;
    say(format_args!("{} bytes in {shown}", bytes.len()))
}

pub(crate) async fn list(api: &Api, store: Option<String>) -> anyhow::Result<()> {
    let store = api.store(store).unwrap_or_default();
    let mut after = String::new();
    say(row(["DEVICE", "STATE", "TILL", "REPORTED", "UNSENT", "APART", "SOFTWARE", "NOTES"].map(str::to_owned)))?;
    loop {
        let page: Page<Value> = api.get(&["v1", "fleet", "devices"], &[("store", &store), ("after", &after)]).await?;
        for item in &page.items {
            say(row(columns(item)))?;
        }
        match page.next {
            Some(next) if next != after => after = next,
            _ => return Ok(()),
        }
    }
}

fn columns(item: &Value) -> [String; 8] {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let number = |value: &Value| value.as_u64().map_or_else(|| "-".to_owned(), |number| number.to_string());
    let (enrolment, status) = (&item["enrolment"], &item["status"]);
    let till = match (enrolment["till"].as_u64(), enrolment["order_letter"].as_str()) {
        (Some(till), Some(letter)) => format!("{till} {letter}"),
        _ => "-".to_owned(),
    };
    let copied = enrolment["copied"].as_str().map(|at| format!("COPIED? another machine reported at {at}"));
    [
        format!("{}/{}", text(&item["store"]), text(&item["device"])),
        enrolment["state"].as_str().unwrap_or("by token").to_owned(),
        till,
        text(&item["reported"]),
        number(&status["queue_depth"]),
        number(&status["quarantined"]),
        text(&status["software_version"]),
        copied.unwrap_or_default(),
    ]
}

fn row(columns: [String; 8]) -> String {
    let [device, state, till, reported, unsent, apart, software, notes] = columns;
    format!("{device:<16} {state:<9} {till:<6} {reported:<25} {unsent:>7} {apart:>6} {software:<10} {notes}")
        .trim_end()
        .to_owned()
}

async fn edit<T: serde::de::DeserializeOwned>(
    api: &Api,
    store: Option<String>,
    device: &str,
    action: &str,
    body: &Value,
) -> anyhow::Result<T> {
    if device.is_empty() {
        bail!("which device?");
    }
    let store = api.store(store);
    let query: Vec<(&str, &str)> = store.iter().map(|store| ("store", store.as_str())).collect();
    api.post(&["v1", "fleet", "devices", device, action], &query, body).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use cem_contract::enrol::LogSeen;

    #[test]
    fn what_the_dead_device_had_not_sent_is_told_in_words() {
        let mut unsent = Unsent::default();
        assert_eq!(unsent_lines(&unsent), ["It never reported: what it had not sent is not known."]);
        unsent.reported = Some("2026-11-21T10:30:00.000Z".into());
        assert!(unsent_lines(&unsent)[0].ends_with("it had sent everything."));
        (unsent.queue_depth, unsent.oldest_unsent_s) = (7, 60);
        unsent.logs = vec![LogSeen { log: "0192".into(), last: 40, missing: 2 }];
        let lines = unsent_lines(&unsent);
        assert!(lines[0].contains("had not sent 7 events, the oldest 60 s old"), "{lines:?}");
        assert_eq!(lines[1], "log 0192: up to number 40, 2 below it are missing");
    }

    #[test]
    fn a_device_is_a_row_whether_it_was_enrolled_or_not() {
        let item = json!({"store": "s-001", "device": "k-01", "enrolment": null, "status": null, "reported": null});
        assert_eq!(columns(&item)[..3], ["s-001/k-01", "by token", "-"]);
        let item = json!({"store": "s-001", "device": "k-01", "status": {"queue_depth": 3},
            "enrolment": {"state": "active", "till": 1, "order_letter": "A", "copied": "2026-11-21T10:30:00.000Z"}});
        let columns = columns(&item);
        assert_eq!((columns[2].as_str(), columns[4].as_str()), ("1 A", "3"));
        assert!(columns[7].starts_with("COPIED?"));
    }
}
