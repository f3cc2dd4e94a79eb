//! What the fleet has a kiosk do, with the operators' own program against the real kiosk, its agent and the backend.

use crate::enrol::until;
use cem_tests::{
    appliance::{Appliance, DEVICE, Parts, root},
    proc::Running,
};
use std::{fs, time::Duration};

const PATIENCE: Duration = Duration::from_secs(90);

/// The kiosk has come to the step of its scenario that says this.
fn comes_to(kiosk: &mut Running, step: &str) {
    kiosk.wait_for(step, PATIENCE, |line| line.contains(step).then_some(())).unwrap();
}

#[test]
fn a_kiosk_is_locked_unlocked_named_photographed_and_retired_by_the_fleet() {
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path(), Parts::Everything).unwrap();
    appliance.hurry_agent().unwrap();
    let file = root().join("tests/scenarios/fleet.toml").display().to_string();
    let pictures = concat!(env!("CARGO_TARGET_TMPDIR"), "/scenario-pictures");
    let mut kiosk = appliance.kiosk(&["--headless", "--scenario", &file, "--screenshots", pictures]).unwrap();
    let fleet = |words: &[&str]| appliance.fleet(words).unwrap();

    comes_to(&mut kiosk, "Out of service");
    fleet(&["lock", DEVICE]);
    comes_to(&mut kiosk, "fleet-1-locked");
    fleet(&["unlock", DEVICE]);
    comes_to(&mut kiosk, "the kiosk that you asked for");
    fleet(&["tell", DEVICE, "identify"]);
    comes_to(&mut kiosk, "fleet-2-identified");
    comes_to(&mut kiosk, "Out of service");
    fleet(&["tell", DEVICE, "screenshot"]);
    let id = until("the picture", || {
        let told = appliance.fleet(&["told", DEVICE])?;
        Ok(told.lines().find(|line| line.contains("screenshot  done")).and_then(|line| Some(line.split_once(' ')?.0.to_owned())))
    });
    let picture = folder.path().join("screen.png");
    fleet(&["answer", &id.unwrap(), "--to", &picture.display().to_string()]);
    assert_eq!(fs::read(&picture).unwrap()[..4], *b"\x89PNG");

    fleet(&["retire", DEVICE]);
    while kiosk.line(PATIENCE).unwrap().is_some() {}
    let log = fs::read_to_string(folder.path().join("logs/kiosk-app.log")).unwrap_or_default();
    assert!(kiosk.wait().unwrap().success(), "{}", log.lines().last().unwrap_or(""));
    let agent = appliance.agent().unwrap();
    assert!(agent.wait().unwrap().success());
    let left = |part: &str| fs::read_dir(folder.path().join(part)).unwrap().flatten().map(|entry| entry.file_name());
    let left: Vec<_> = left("agent/enrolment").collect();
    assert_eq!(left, ["retired"], "neither token nor keys stay");
}
