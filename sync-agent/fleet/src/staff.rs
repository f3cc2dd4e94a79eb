//! Who works in a store.

use crate::{
    api::Api,
    cli::{Staff, say},
};
use anyhow::Context;
use cem_contract::{
    Page,
    staff::{StaffAction, StaffRole},
    time,
};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) async fn run(api: &Api, store: Option<String>, action: Staff) -> anyhow::Result<()> {
    let store = api.store(store).context("in which store? Give --store")?;
    match action {
        Staff::Add { staff, name, role, badge, ends } => {
            let role = role_of(&role)?;
            let action = StaffAction::Add { display_name: name, role, badge, pin: None, ends };
            change(api, &store, &staff, &action).await?;
            new_pin(api, &store, &staff).await
        }
        Staff::List => list(api, &store).await,
        Staff::Badge { staff, badge } => change(api, &store, &staff, &StaffAction::Badge { badge }).await,
        Staff::Role { staff, role } => {
            let role = role_of(&role)?;
            change(api, &store, &staff, &StaffAction::Role { role }).await
        }
        Staff::ResetPin { staff } => new_pin(api, &store, &staff).await,
        Staff::End { staff, at } => {
            let at = at.unwrap_or_else(now);
            change(api, &store, &staff, &StaffAction::End { at: at.clone() }).await?;
            say(format_args!("{staff} works until {at}: out within a minute at devices online, within a day at others."))
        }
    }
}

async fn change(api: &Api, store: &str, staff: &str, action: &StaffAction) -> anyhow::Result<()> {
    let body = json!({"staff": staff, "action": action});
    let _: Value = api.post(&["v1", "stores", store, "staff"], &[], &body).await?;
    Ok(())
}

async fn new_pin(api: &Api, store: &str, staff: &str) -> anyhow::Result<()> {
    let given: Value = api.post(&["v1", "stores", store, "staff", staff, "pin"], &[], &json!({})).await?;
    say(format_args!("{staff}'s PIN is {}; it is asked to choose another at first use", given["pin"].as_str().unwrap_or("-")))
}

async fn list(api: &Api, store: &str) -> anyhow::Result<()> {
    let page: Page<Value> = api.get(&["v1", "stores", store, "staff"], &[]).await?;
    for item in page.items {
        let text = |key: &str| item[key].as_str().unwrap_or("-").to_owned();
        let has = |key: &str, word: &'static str| if item[key] == json!(true) { word } else { "-" };
        let marks = format!("{:<6} {:<4} {:<6}", has("has_badge", "badge"), has("has_pin", "pin"), has("must_reset", "reset"));
        say(format_args!("{:<12} {:<8} {marks} {:<25} {}", text("staff"), text("role"), text("ends"), text("display_name")))?;
    }
    Ok(())
}

fn role_of(word: &str) -> anyhow::Result<StaffRole> {
    StaffRole::from_word(word).with_context(|| format!("{word} is no role: staff, manager, service or ops"))
}

fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    time::rfc3339(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
