//! Being known, as the guest wants it: joining, showing the card at the end, not being known, being forgotten.

use crate::scenarios::{play, run};
use cem_tests::appliance::{Appliance, Parts};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

/// Jane of the demo.
const JANE: &str = "v_0000000000000000000000000000000a";
/// Files in which nothing of her may be left: of the kiosk and of the agent, with what they logged.
const FOLDERS: [&str; 3] = ["kiosk", "agent", "logs"];
/// The kiosk is asked to forget while it runs: so many further visits at most.
const VISITS: usize = 3;

fn visitors(ledger: &cem_tests::ledger::Ledger, kind: &str) -> Vec<Value> {
    ledger.of(kind).map(|event| event["data"].clone()).collect()
}

#[test]
fn somebody_joins_by_one_touch_agrees_to_more_and_is_known_the_next_time() {
    let ledger = play(&["joining.toml"]);
    let joined = visitors(&ledger, "cem.visitor.joined.v1");
    assert_eq!((joined.len(), &joined[0]["text_version"]), (1, &Value::from("2")));
    let changed = visitors(&ledger, "cem.consent.changed.v1");
    assert_eq!(changed.len(), 1, "each level is a question of its own");
    assert_eq!(
        (&changed[0]["from"], &changed[0]["to"], &changed[0]["text_version"]),
        (&Value::from("service"), &Value::from("personal"), &Value::from("2"))
    );
    assert_eq!(ledger.of("cem.visit.identified.v1").count(), 2);
}

#[test]
fn a_card_at_the_end_is_recorded_with_the_visit_that_was_anonymous() {
    let ledger = play(&["tap-at-the-end.toml"]);
    let visits: BTreeSet<&str> = ledger.events.iter().filter_map(|event| event["visitid"].as_str()).collect();
    assert_eq!(visits.len(), 1);
    assert_eq!(ledger.of("cem.visit.identified.v1").count(), 1);
}

#[test]
fn a_stranger_is_greeted_and_served_while_nobody_can_be_asked() {
    let ledger = play(&["offline-stranger.toml"]);
    assert_eq!(ledger.of("cem.order.placed.v1").count(), 1);
    assert_eq!(ledger.of("cem.visitor.joined.v1").count(), 0);
}

#[test]
fn who_wants_to_be_forgotten_is_in_no_byte_of_both_processes_and_the_money_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path(), Parts::Everything).unwrap();
    let seeded: toml::Table = fs::read_to_string(folder.path().join("backend/visitors.toml")).unwrap().parse().unwrap();
    let token = seeded["visitor"][0]["tokens"][0].as_str().unwrap().to_owned();
    let canaries = [JANE, token.as_str(), "\"Jane\""];
    run(&appliance, "guest-jane.toml");
    assert!(!found(folder.path(), &canaries).is_empty(), "she was there");
    run(&appliance, "forgetting.toml");
    for _ in 0..VISITS {
        if found(folder.path(), &canaries).is_empty() {
            break;
        }
        run(&appliance, "anonymous.toml");
    }
    assert_eq!(found(folder.path(), &canaries), Vec::<String>::new());
    appliance.stop_agent().unwrap();
    appliance.send_all().unwrap();
    let ledger = appliance.ledger(|_| ()).unwrap();
    ledger.check_gapless().unwrap();
    assert_eq!(ledger.of("cem.visitor.erasure_requested.v1").count(), 1);
    let orders: Vec<&Value> = ledger.of("cem.order.placed.v1").collect();
    assert!(orders.len() >= 2);
    assert!(orders.iter().all(|order| order["data"]["total"]["minor"].as_i64().is_some_and(|minor| minor > 0)));
    let reader = edge_db::LogReader::open(folder.path().join("kiosk/kiosk.db")).unwrap().unwrap();
    let kept = reader.newest_orders(10).unwrap();
    assert_eq!(kept.len(), orders.len());
    assert!(kept.iter().all(|order| order.total_minor > 0 && order.body["called_name"].is_null()));
    appliance.stop().unwrap();
}

/// Where something of somebody is left.
fn found(folder: &Path, canaries: &[&str]) -> Vec<String> {
    let mut places = Vec::new();
    for part in FOLDERS {
        for entry in fs::read_dir(folder.join(part)).unwrap() {
            let path = entry.unwrap().path();
            // The backend and the simulated devices are not the kiosk's; sockets have no bytes.
            let other = ["cem-backend", "kiosk-sim"].iter().any(|name| path.to_string_lossy().contains(name));
            let Ok(bytes) = fs::read(&path).map(|bytes| if other { Vec::new() } else { bytes }) else { continue };
            let there = |canary: &&&str| bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            places.extend(canaries.iter().filter(there).map(|canary| format!("{canary} in {}", path.display())));
        }
    }
    places
}
