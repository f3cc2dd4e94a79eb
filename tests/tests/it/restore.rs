//! The backend's disk is lost and a backup is put in its place: the agent is asked for what came since, and sends it again,
//! whether or not there is anything new to send.

use cem_tests::{
    appliance::{Appliance, Parts},
    drill::{self, Kiosk},
    proc::output,
};
use std::{path::Path, time::Duration};

/// Records and sends, saves the backend, records and sends more, brings the saved state back.
fn drill(save: impl Fn(&Appliance, &Path), bring_back: impl Fn(&Appliance, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path(), Parts::Upload).unwrap();
    // The agent's own samples of the clock would be events beside those that are counted here.
    let config = std::fs::read_to_string(appliance.agent_config()).unwrap();
    std::fs::write(appliance.agent_config(), format!("{config}\n[report]\nclock_s = 0\n")).unwrap();
    let saved = appliance.folder().join("saved");
    let kiosk = Kiosk::open(appliance.folder(), None).unwrap();
    let mut recorded = kiosk.record_now(40).unwrap();
    appliance.send_all().unwrap();
    save(&appliance, &saved);

    let mut lost = kiosk.record_now(60).unwrap();
    recorded.extend(lost.iter().cloned());
    appliance.send_all().unwrap();
    assert_eq!(appliance.unsent().unwrap(), 0, "all is acknowledged: the agent has nothing left to do");
    bring_back(&appliance, &saved);
    assert_eq!(appliance.ledger(|_| ()).unwrap().events.len(), 40);

    // Nothing new happens in the shop: the agent's report is what shows the backend what it lacks.
    appliance.start_agent().unwrap();
    let sent_again = |line: &str| {
        lost.retain(|id| !line.contains(id.as_str()));
        lost.is_empty().then_some(())
    };
    appliance.agent().unwrap().wait_for("everything lost to be sent again", Duration::from_secs(20), sent_again).unwrap();
    appliance.stop_agent().unwrap();
    assert_eq!(recorded.len(), 100);
    drill::check_whole(&appliance, &recorded).unwrap();
    let summary = appliance.ops_get("/v1/fleet/summary").unwrap();
    assert_eq!((&summary["events"], &summary["visits"]), (&100.into(), &100.into()), "{summary}");
    assert!(summary["logs"].as_array().unwrap().iter().all(|log| log["missing"] == 0), "{summary}");
    drop(kiosk);
    appliance.stop().unwrap();
}

fn command(appliance: &Appliance, command: &str, option: &str, file: &Path) {
    let data = appliance.folder().join("backend").display().to_string();
    output("cem-backend", &[command, "--data", &data, option, &file.display().to_string()]).unwrap();
}

#[test]
fn after_a_restore_from_a_backup_made_while_serving_the_agent_sends_again_what_was_lost() {
    drill(
        |appliance, to| command(appliance, "backup", "--to", to),
        |appliance, from| {
            appliance.stop_backend().unwrap();
            command(appliance, "restore", "--from", from);
            appliance.start_backend().unwrap();
        },
    );
}

#[test]
fn after_a_backend_that_serves_was_given_its_backup_back_the_agent_sends_again_what_was_lost() {
    drill(
        |appliance, to| command(appliance, "backup", "--to", to),
        |appliance, from| command(appliance, "restore", "--from", from),
    );
}

#[test]
fn after_the_data_folder_came_back_as_it_was_the_agent_sends_again_what_was_lost() {
    let swap = |from: &Path, to: &Path, appliance: &Appliance| {
        appliance.stop_backend().unwrap();
        drill::copy(from, to).unwrap();
        appliance.start_backend().unwrap();
    };
    drill(
        |appliance, to| swap(&appliance.folder().join("backend"), to, appliance),
        |appliance, from| swap(from, &appliance.folder().join("backend"), appliance),
    );
}
