//! Visits as files, played on the real screens against the real shell, agent, backend and simulated devices.

use crate::enrol::{roster_at, until};
use cem_tests::{
    appliance::{Appliance, Parts, root},
    drill::When,
    emulated::EmulatedBoard,
    ledger::Ledger,
};
use serde_json::Value;
use std::{path::Path, time::Duration};

/// Longer than any scenario: each of its steps has a bound of its own.
const PATIENCE: Duration = Duration::from_secs(120);

/// Plays scenarios one after the other on one appliance; gives back what the backend has in the end.
pub(crate) fn play(scenarios: &[&str]) -> Ledger {
    play_with(scenarios, |_| Ok(()))
}

/// As [`play`], with something else in the place of a simulated device for as long as what `plug` gives back lives.
pub(crate) fn play_with<T>(scenarios: &[&str], plug: impl FnOnce(&Appliance) -> anyhow::Result<T>) -> Ledger {
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path(), Parts::Everything).unwrap();
    let _plugged = plug(&appliance).unwrap();
    for scenario in scenarios {
        run(&appliance, scenario);
    }
    appliance.stop_agent().unwrap();
    appliance.send_all().unwrap();
    let ledger = appliance.ledger(|_| ()).unwrap();
    ledger.check_gapless().unwrap();
    appliance.stop().unwrap();
    ledger
}

/// Plays one scenario on a kiosk of its own.
pub(crate) fn run(appliance: &Appliance, scenario: &str) {
    let file = root().join("tests/scenarios").join(scenario).display().to_string();
    // In target/tmp, to be looked at after a failure.
    let pictures = concat!(env!("CARGO_TARGET_TMPDIR"), "/scenario-pictures");
    let mut kiosk = appliance.kiosk(&["--headless", "--scenario", &file, "--screenshots", pictures]).unwrap();
    while kiosk.line(PATIENCE).unwrap().is_some() {}
    let log = std::fs::read_to_string(appliance.folder().join("logs/kiosk-app.log")).unwrap_or_default();
    assert!(kiosk.wait().unwrap().success(), "{scenario}: {}", log.lines().last().unwrap_or(""));
}

#[test]
fn a_guest_and_an_anonymous_customer_are_served_and_the_backend_knows_both_visits() {
    let ledger = play(&["guest-jane.toml", "anonymous.toml"]);
    assert_eq!(ledger.of("cem.visit.started.v1").count(), 2);
    assert_eq!(ledger.of("cem.order.placed.v1").count(), 2);
    assert_eq!(ledger.of("cem.payment.approved.v1").count(), 2);
    assert_eq!(ledger.of("cem.payment.declined.v1").count(), 1);
    assert_eq!(ledger.of("cem.feedback.given.v1").count(), 1);
    let identified: Vec<_> = ledger.of("cem.visit.identified.v1").collect();
    assert_eq!(identified.len(), 1);
    assert_eq!(ledger.of("cem.visit.ended.v1").filter(|event| event["data"]["outcome"] == "completed").count(), 2);
}

#[test]
fn a_gift_card_pays_a_part_and_a_shift_with_everything_that_money_does_ends_in_a_z_that_balances() {
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path(), Parts::Everything).unwrap();
    run(&appliance, "gift-card.toml");
    run(&appliance, "money.toml");
    appliance.stop_agent().unwrap();
    appliance.send_all().unwrap();
    let ledger = appliance.ledger(|_| ()).unwrap();
    let gift: Vec<_> = ledger.of("cem.payment.approved.v1").filter(|event| event["data"]["tender"] == "gift").collect();
    assert_eq!((gift.len(), &gift[0]["data"]["amount"]["minor"]), (1, &Value::from(500)));
    assert_eq!(ledger.of("cem.payment.approved.v1").count(), 4, "a gift card and three cards");
    assert_eq!(ledger.of("cem.payment.declined.v1").count(), 1);
    assert_eq!((ledger.of("cem.payment.unknown.v1").count(), ledger.of("cem.payment.resolved.v1").count()), (1, 1));
    let back: Vec<_> = ledger.of("cem.payment.refunded.v1").map(|event| event["data"]["amount"]["minor"].clone()).collect();
    assert_eq!(back, [340]);
    let closed = ledger.of("cem.till.closed.v1").next().expect("a shift was closed");
    assert_eq!(closed["data"]["counted"], closed["data"]["expected"]);
    assert_eq!(ledger.of("cem.task.raised.v1").count(), 0, "nothing is left for anybody to find");
    check_sign_ins(&folder.path().join("kiosk/kiosk.db"));
    appliance.stop().unwrap();
    // The gift card's number is in nothing that was written down.
    for part in ["kiosk", "agent", "backend", "logs"] {
        let bytes = all_bytes(&folder.path().join(part), &["visitors.toml"]);
        assert!(!bytes.windows(16).any(|window| window == b"4000123456789012"), "{part}");
    }
}

/// Everything in a folder but these files.
fn all_bytes(folder: &Path, but: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            bytes.extend(all_bytes(&path, but));
        } else if !but.iter().any(|but| name == *but) {
            bytes.extend(std::fs::read(path).unwrap_or_default());
        }
    }
    bytes
}

/// Each sign-in of the manager whom the backend hired is proven by the device's key. The fleet's view of an event names nobody, so
/// the kiosk's own log is asked.
fn check_sign_ins(kiosk_db: &Path) {
    let reader = edge_db::LogReader::open(kiosk_db).unwrap().unwrap();
    let log = reader.logs().unwrap().pop().unwrap().log;
    let rows = reader.after(log, 0, 1_000, usize::MAX).unwrap().rows;
    let signed_in: Vec<Value> = rows
        .iter()
        .filter(|row| row.kind == "cem.staff.signed_in.v1")
        .map(|row| serde_json::from_slice(&row.body).unwrap())
        .collect();
    assert_eq!(signed_in.len(), 2, "by number and by badge");
    for event in signed_in {
        let proof = event["data"]["proof"].as_str().expect("a proof");
        assert_eq!(event["data"]["staff"], "1001");
        assert!(cem_contract::staff::is_assertion(proof) && proof.len() < 1_500, "{proof}");
    }
}

#[test]
fn a_manager_hires_and_lets_go_at_the_desk_and_the_backend_and_the_device_know() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path(), Parts::Everything).unwrap();
    run(&appliance, "desk-sign-in.toml");
    check_sign_ins(&folder.path().join("kiosk/kiosk.db"));
    // What she changed at the screen is the backend's list, and comes back to the device signed.
    until("her edits at the backend", || {
        let listed = appliance.fleet(&["staff", "list"])?;
        let is = |staff: &str, like: &dyn Fn(&str) -> bool| listed.lines().any(|line| line.starts_with(staff) && like(line));
        let hired = is("1007", &|line| line.contains("manager") && line.contains("reset") && line.ends_with("zoe"));
        Ok((hired && is("1002", &|line| !line.contains(" -          "))).then_some(()))
    })
    .unwrap();
    let held = until("the store's own list, with no edit of it pending", || {
        let held = roster_at(&folder.path().join("agent"))?.filter(|(_, pending)| *pending == 0).map(|(roster, _)| roster);
        Ok(held.filter(|roster| roster.members.iter().any(|member| member.staff == "1007")))
    })
    .unwrap();
    let now = When::now().time_ms;
    assert!(held.by_id("1007", now).is_ok(), "whom she hired");
    assert!(held.by_id("1002", now).is_err(), "who was let go");
    appliance.stop().unwrap();
}

#[test]
fn an_order_by_the_key_pad_alone_is_placed_and_paid() {
    let ledger = play(&["keypad.toml"]);
    assert_eq!(ledger.of("cem.order.placed.v1").count(), 1);
    assert_eq!(ledger.of("cem.payment.approved.v1").count(), 1);
    assert_eq!(ledger.of("cem.help.called.v1").count(), 1);
}

/// Needs node and the images: `cargo xtask firmware test` gives both.
#[test]
#[ignore = "`cargo xtask firmware test` runs it, with FIRMWARE_IMAGES"]
fn an_order_by_the_key_pad_of_the_emulated_board_is_placed_and_paid() {
    let images = std::env::var_os("FIRMWARE_IMAGES").expect("FIRMWARE_IMAGES is the folder of the board's programs");
    let ledger = play_with(&["keypad.toml"], |appliance| {
        EmulatedBoard::start(&appliance.run_folder(), &appliance.folder().join("logs"), Path::new(&images))
    });
    assert_eq!(ledger.of("cem.order.placed.v1").count(), 1);
    assert_eq!(ledger.of("cem.payment.approved.v1").count(), 1);
}

#[test]
fn the_kiosk_sells_while_the_backend_is_down_and_everything_arrives_once_and_in_order() {
    let ledger = play(&["backend-down.toml"]);
    let kinds: Vec<&str> = ledger.events.iter().filter_map(|event| event["type"].as_str()).collect();
    let at = |kind: &str| kinds.iter().position(|have| *have == kind).unwrap_or_else(|| panic!("{kind} in {kinds:?}"));
    assert!(at("cem.visit.started.v1") < at("cem.order.placed.v1"));
    assert!(at("cem.order.placed.v1") < at("cem.payment.started.v1"));
    assert!(at("cem.payment.started.v1") < at("cem.payment.approved.v1"));
    assert!(at("cem.payment.approved.v1") < at("cem.visit.ended.v1"));
    assert_eq!(ledger.of("cem.order.placed.v1").count(), 1);
}

#[test]
fn cards_that_prove_nothing_are_answered_with_a_sentence_and_give_no_name_away() {
    let ledger = play(&["cards.toml"]);
    let shown: Vec<_> = ledger.of("cem.problem.shown.v1").filter_map(|event| event["data"]["problem"].as_str()).collect();
    let cards = ["bank_card_at_reader", "random_card", "card_not_taken", "card_not_genuine"];
    assert_eq!(shown, [&cards[..], &["code_unknown", "code_refused"]].concat());
    let last = ledger.of("cem.visit.identified.v1").last().unwrap();
    assert_eq!((&last["data"]["method"], &last["data"]["assurance"]), (&"uid".into(), &"low".into()));
}

#[test]
fn the_kiosk_sells_whatever_the_reader_does_and_knows_guests_again_once_it_is_well() {
    let ledger = play(&["reader-faults.toml"]);
    assert_eq!(ledger.of("cem.order.placed.v1").count(), 1);
    assert_eq!(ledger.of("cem.payment.approved.v1").count(), 1);
    assert!(ledger.of("cem.visit.identified.v1").count() > 0);
}
