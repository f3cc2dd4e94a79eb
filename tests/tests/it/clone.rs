//! A disk is cloned, or an image of it is written back: two devices, or two lives of one, that know the same log.

use cem_tests::{
    appliance::{Appliance, Parts, SOURCE},
    drill::{self, Kiosk},
    proc::{Running, output, program},
};
use edge_db::Identity;
use std::{collections::BTreeSet, path::Path, time::Duration};

const PATIENCE: Duration = Duration::from_secs(30);

/// The whole of a file's identity as it is on every clone whose disk cannot be told from the first.
fn same_disk() -> Option<Identity> {
    Some(Identity { machine: "9f2c".into(), disk: "0x1234".into(), inode: 7 })
}

fn load(device: &Path, count: &str) -> Vec<String> {
    let outbox = device.join("kiosk/kiosk.db").display().to_string();
    vec!["--outbox".into(), outbox, "--producers".into(), "2".into(), "--count".into(), count.into(), "--print-ids".into()]
}

fn ids<'a>(lines: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let acknowledged = lines.into_iter().filter_map(|line| line.strip_prefix("ack "));
    acknowledged.filter_map(|rest| Some(rest.split(' ').next()?.to_owned())).collect()
}

fn load_now(device: &Path, count: &str) -> BTreeSet<String> {
    let arguments = load(device, count);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    ids(output("load", &arguments).unwrap().lines())
}

fn start(appliance: &Appliance, name: &str, program_name: &str, arguments: &[String]) -> Running {
    let mut command = program(program_name).unwrap();
    command.args(arguments);
    let logs = appliance.folder().join("logs").join(name);
    std::fs::create_dir_all(&logs).unwrap();
    Running::start(program_name, command, &logs).unwrap()
}

#[test]
fn two_clones_that_run_at_the_same_time_write_two_logs_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path(), Parts::Upload).unwrap();
    let first = appliance.folder().to_owned();
    let mut recorded = load_now(&first, "60");
    appliance.send_all().unwrap();
    // Not sent before the disk is cloned: both copies will send these.
    recorded.extend(load_now(&first, "40"));
    let second = drill::twin(&appliance).unwrap();

    let config = second.join("agent/agent.toml").display().to_string();
    let twin_agent = start(&appliance, "twin", "sync-agent", &["run".into(), "--config".into(), config]);
    appliance.start_agent().unwrap();
    let mut writers =
        [("first", &first), ("second", &second)].map(|(name, at)| start(&appliance, name, "load", &load(at, "100")));
    for writer in &mut writers {
        while let Some(line) = writer.line(PATIENCE).unwrap() {
            recorded.extend(ids([line.as_str()]));
        }
    }
    appliance.stop_agent().unwrap();
    twin_agent.stop(PATIENCE).unwrap();
    drill::send_all(&first).unwrap();
    drill::send_all(&second).unwrap();

    assert_eq!(recorded.len(), 2 * (60 + 40 + 100 + 100));
    drill::check_whole(&appliance, &recorded).unwrap();
    assert_eq!(drill::logs_of(&appliance, &recorded).unwrap().len(), 2, "the copy opened a log before its first event");
    assert_eq!(drill::alarms(&appliance, "log_conflict").unwrap(), 0, "so no number was given twice");
    appliance.stop().unwrap();
}

#[test]
fn clones_that_cannot_tell_themselves_apart_are_found_by_the_backend_and_healed_by_a_new_log() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path(), Parts::Upload).unwrap();
    let first = appliance.folder().to_owned();
    let kiosk = Kiosk::open(&first, same_disk()).unwrap();
    let mut recorded = kiosk.record_now(20).unwrap();
    drill::send_all(&first).unwrap();
    recorded.extend(kiosk.record_now(10).unwrap());
    drop(kiosk);
    let second = drill::twin(&appliance).unwrap();

    let kiosks = [&first, &second].map(|at| Kiosk::open(at, same_disk()).unwrap());
    let log = kiosks[0].log().unwrap();
    assert_eq!(kiosks[1].log().unwrap(), log, "the copy goes on with the same numbers");
    recorded.extend(kiosks[0].record_now(30).unwrap());
    recorded.extend(kiosks[1].record_now(45).unwrap());
    drill::send_all(&first).unwrap();
    drill::send_all(&second).unwrap();
    assert_eq!(kiosks[0].log().unwrap(), log);
    assert_ne!(kiosks[1].log().unwrap(), log, "whose numbers were taken opens a new log");
    drill::check_whole(&appliance, &recorded).unwrap();

    for (kiosk, at) in kiosks.iter().zip([&first, &second]) {
        recorded.extend(kiosk.record_now(20).unwrap());
        drill::send_all(at).unwrap();
    }
    // The second clone had given more numbers of the old log than the first, which collided with those now.
    assert!(kiosks.iter().all(|kiosk| kiosk.log().unwrap() != log));
    assert_eq!(recorded.len(), 30 + 30 + 45 + 20 + 20);
    drill::check_whole(&appliance, &recorded).unwrap();
    assert!(drill::alarms(&appliance, "log_conflict").unwrap() >= 2, "a person should know, of both");
    drop(kiosks);
    appliance.stop().unwrap();
}

#[test]
fn an_old_image_written_back_to_the_same_card_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path(), Parts::Upload).unwrap();
    let device = appliance.folder().to_owned();
    let image = device.join("image");
    let parts = ["kiosk", "agent"];
    let write = |from: &Path, to: &Path| parts.iter().for_each(|part| drill::copy(&from.join(part), &to.join(part)).unwrap());
    let session = |count| {
        let kiosk = Kiosk::open(&device, None).unwrap();
        let recorded = kiosk.record_now(count).unwrap();
        drill::send_all(&device).unwrap();
        (recorded, kiosk.log().unwrap())
    };
    let (mut recorded, log) = session(25);
    write(&device, &image);
    let (later, same) = session(25);
    assert_eq!(same, log);
    recorded.extend(later);
    write(&image, &device);
    // The file does not know that it is old; the backend does.
    let (again, _) = session(40);
    recorded.extend(again);
    let (last, healed) = session(5);
    recorded.extend(last);
    assert_ne!(healed, log);
    assert_eq!(recorded.len(), 25 + 25 + 40 + 5);
    drill::check_whole(&appliance, &recorded).unwrap();
    assert!(drill::alarms(&appliance, "log_conflict").unwrap() >= 1);
    let logs = appliance.ops_get("/v1/fleet/summary").unwrap();
    let logs = logs["logs"].as_array().unwrap();
    assert!(logs.iter().all(|log| log["source"] == SOURCE && log["missing"] == 0), "{logs:?}");
    appliance.stop().unwrap();
}
