//! Whatever is down: what is sold, by which tenders, what the guest reads, who is told. Each row of README's table is a
//! scenario (`tests/scenarios/outage-*.toml`), which is played here, and the table is held against it.

use crate::scenarios::play_with;
use anyhow::{Context as _, Result};
use cem_contract::{Clock, Consent, NewEvent, kinds};
use cem_tests::{
    appliance::{Appliance, SOURCE, root},
    ledger::Ledger,
};
use edge_db::{Class, Commit, CommitError, Outbox, OutboxOptions, Refused};
use serde::Deserialize;
use serde_json::Value;
use std::{fs, io::Write as _};

/// Rows of the table, in its order, by the names of their scenarios.
const ROWS: [&str; 8] = ["internet", "backend", "terminal", "printer", "reader", "board", "disk", "clock"];
/// What a scenario has to prove of each.
const CELLS: [&str; 4] = ["sold", "tenders", "guest", "told"];
/// The bound of the file that is filled.
const MEGABYTE: u64 = 1 << 20;

/// What these tests read of a scenario; the kiosk reads the rest, strictly.
#[derive(Deserialize)]
struct Scenario {
    outage: Outage,
    #[serde(default)]
    told: Vec<Told>,
    step: Vec<Step>,
}

/// A row of the table.
#[derive(Deserialize)]
struct Outage {
    down: String,
    sold: String,
    tenders: String,
    guest: String,
    told: String,
}

/// What the backend knows in the end.
#[derive(Deserialize)]
struct Told {
    r#type: String,
    /// Part of the event's data.
    #[serde(default)]
    data: toml::Table,
    /// How often; at least once where nothing is said.
    times: Option<usize>,
}

#[derive(Deserialize)]
struct Step {
    expect_text: Option<String>,
    proves: Option<String>,
}

fn file(row: &str) -> String {
    format!("outage-{row}.toml")
}

fn scenario(row: &str) -> Scenario {
    let path = root().join("tests/scenarios").join(file(row));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Plays a row; what it promises about the backend must be there.
fn outage(row: &str) {
    told(row, &play_with(&[&file(row)], |_| Ok(())));
}

fn told(row: &str, ledger: &Ledger) {
    for told in scenario(row).told {
        let wanted = serde_json::to_value(&told.data).unwrap();
        let found = ledger.of(&told.r#type).filter(|event| has(&event["data"], &wanted)).count();
        let data: Vec<&Value> = ledger.of(&told.r#type).map(|event| &event["data"]).collect();
        match told.times {
            Some(times) => assert_eq!(found, times, "{} with {wanted}: {data:?}", told.r#type),
            None => assert!(found > 0, "no {} with {wanted}: {data:?}", told.r#type),
        }
    }
}

/// Whether all of `part` is in `whole`.
fn has(whole: &Value, part: &Value) -> bool {
    match part {
        Value::Object(part) => part.iter().all(|(key, value)| has(&whole[key], value)),
        part => whole == part,
    }
}

#[test]
fn without_the_internet() {
    outage("internet");
}

#[test]
fn without_the_backend() {
    outage("backend");
}

#[test]
fn without_the_payment_terminal() {
    outage("terminal");
}

#[test]
fn without_the_printer_or_its_paper() {
    outage("printer");
}

#[test]
fn without_the_guest_card_reader() {
    outage("reader");
}

#[test]
fn without_the_board() {
    outage("board");
}

#[test]
fn without_room_on_the_disk() {
    told("disk", &play_with(&[&file("disk")], fill_the_disk));
}

#[test]
fn without_the_time() {
    outage("clock");
}

/// The backend is away, and the kiosk's file holds as much as its bound lets it.
fn fill_the_disk(appliance: &Appliance) -> Result<()> {
    appliance.stop_backend()?;
    let mut config = fs::OpenOptions::new().append(true).open(appliance.kiosk_config())?;
    // A guest who is turned away leaves; the next one is what this is about.
    write!(config, "\n[disk]\nmax_mb = 1\n\n[session]\nidle_s = 40\nstill_there_s = 3\n")?;
    let mut options = OutboxOptions::new(appliance.folder().join("kiosk/kiosk.db"), SOURCE);
    options.limits.max_bytes = MEGABYTE;
    let outbox = Outbox::open(options)?;
    for number in 0.. {
        match outbox.commit(Commit::events(Class::Sale, vec![padding(number)])) {
            Ok(_) => {}
            Err(CommitError::Refused(Refused::Full { .. })) => break,
            Err(error) => return Err(error).context("filling the file"),
        }
    }
    Ok(())
}

/// A valid event of four kilobytes.
fn padding(number: u128) -> NewEvent {
    NewEvent {
        id: uuid::Uuid::from_u128((1 << 100) + number),
        kind: kinds::PRESENCE_SEEN.to_owned(),
        time_ms: 1_795_253_460_000,
        visitid: None,
        visitor: None,
        consent: Consent::None,
        clock: Clock::Synced,
        boot: "before".to_owned(),
        uptime_ms: 1,
        data: serde_json::json!({ "seconds": 1, "padding": "x".repeat(4000) }),
    }
}

#[test]
fn each_cell_of_the_table_is_proved_by_a_step_of_its_scenario() {
    for row in ROWS {
        let scenario = scenario(row);
        for cell in CELLS {
            let proved = scenario.step.iter().any(|step| step.proves.as_deref() == Some(cell));
            assert!(proved, "no step of {} proves '{cell}'", file(row));
        }
        assert!(scenario.told.iter().any(|told| told.r#type == kinds::DEVICE_HEALTH), "{row}: the backend is not told");
        let read = |step: &&Step| step.proves.as_deref() == Some("guest");
        let read: Vec<&str> = scenario.step.iter().filter(read).filter_map(|step| step.expect_text.as_deref()).collect();
        for said in quoted(&scenario.outage.guest) {
            // What stands in the table is read on the screen, sentence by sentence.
            let rest = read.iter().fold(said.to_owned(), |rest, text| rest.replace(text, ""));
            assert!(rest.chars().all(|c| !c.is_alphanumeric()), "{row}: nobody has read '{rest}' of '{said}'");
        }
    }
}

#[test]
fn the_table_in_readme_says_what_the_scenarios_prove() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut table = String::new();
    for row in ROWS {
        let Outage { down, sold, tenders, guest, told } = scenario(row).outage;
        table += &format!("| [{down}](tests/scenarios/{}) | {sold} | {tenders} | {guest} | {told} |\n", file(row));
    }
    assert!(readme.contains(&table), "README's table of outages should be:\n{table}");
    let files = fs::read_dir(root().join("tests/scenarios")).unwrap();
    let files = files.filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    assert_eq!(files.filter(|name| name.starts_with("outage-")).count(), ROWS.len(), "a scenario has no row");
}

/// What stands between “ and ”.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('“').skip(1).filter_map(|rest| Some(rest.split_once('”')?.0))
}
