//! A board without a battery: its clock is unset, steps, runs ahead. What it recorded keeps its order and its own time,
//! and the backend knows better.

use cem_contract::{Clock, time};
use cem_tests::{
    appliance::{Appliance, Parts, SOURCE},
    drill::{self, Kiosk, When},
};
use serde_json::Value;
use std::{fs, time::Duration};

const PATIENCE: Duration = Duration::from_secs(30);
/// The `Date` of an answer has whole seconds, and a sample is taken when the answer has arrived.
const SLACK_MS: i64 = 3_000;

/// The boot that this machine is in, by which the agent samples.
fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned()
}

/// `CLOCK_BOOTTIME`, as kiosk and agent read it.
fn uptime_ms() -> u64 {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(at.tv_sec * 1_000 + at.tv_nsec / 1_000_000).unwrap()
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn unset(boot: &str, uptime_ms: u64) -> When {
    When { time_ms: i64::try_from(uptime_ms).unwrap(), clock: Clock::Unset, boot: boot.to_owned(), uptime_ms }
}

fn estimated(time_ms: i64, uptime_ms: u64) -> When {
    When { time_ms, clock: Clock::Estimated, boot: boot(), uptime_ms }
}

/// What the backend stored of the kiosk's own log, in its order.
fn stored(appliance: &Appliance) -> Vec<Value> {
    let page = appliance.ops_get(&format!("/v1/fleet/events?source={SOURCE}&limit=500")).unwrap();
    let mut items = page["items"].as_array().unwrap().clone();
    items.retain(|item| item["event"]["type"] == "cem.visit.started.v1");
    items.sort_by_key(|item| item["event"]["sequence"].as_str().unwrap().to_owned());
    items
}

fn ms(text: &Value) -> i64 {
    time::parse_rfc3339(text.as_str().unwrap()).unwrap()
}

#[test]
fn events_recorded_in_1970_keep_their_order_and_get_their_time_from_the_backends_clock() {
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path(), Parts::Upload).unwrap();
    let config = fs::read_to_string(appliance.agent_config()).unwrap();
    fs::write(appliance.agent_config(), format!("{config}\n[report]\nstatus_s = 0\nclock_s = 3600\n")).unwrap();

    let kiosk = Kiosk::open(appliance.folder(), None).unwrap();
    let (up, begun) = (uptime_ms(), now_ms());
    // Events a second apart, the last of them now; on a machine that has just started they are closer.
    let step = (up / 8).min(1_000);
    let at = |n: u64| up - (5 - n) * step;
    let far = begun + 10 * 365 * 86_400_000;
    let recorded = kiosk
        .record([
            // A boot without network: nothing is known of it but its place.
            unset("an earlier boot", 4_000),
            unset("an earlier boot", 9_000),
            unset(&boot(), at(0)),
            unset(&boot(), at(1)),
            // Somebody sets the clock by hand, ten years ahead, then back to last week.
            estimated(far, at(2)),
            estimated(far + 1_000, at(3)),
            estimated(begun - 7 * 86_400_000, at(4)),
            estimated(begun - 7 * 86_400_000 - 5_000, at(5)),
        ])
        .unwrap();
    appliance.start_agent().unwrap();
    appliance.agent().unwrap().wait_for("a sample", PATIENCE, |line| line.contains("clock_sampled").then_some(())).unwrap();
    appliance.stop_agent().unwrap();
    appliance.send_all().unwrap();
    drill::check_whole(&appliance, &recorded).unwrap();

    let events = stored(&appliance);
    assert_eq!(events.len(), 8);
    assert_eq!(ms(&events[2]["event"]["time"]), i64::try_from(at(0)).unwrap(), "the original stays as it was");
    assert_eq!(ms(&events[4]["event"]["time"]), far);
    let marks: Vec<&str> = events.iter().map(|item| item["corrected"]["clock"].as_str().unwrap()).collect();
    assert_eq!(marks[..2], ["estimated"; 2]);
    assert_eq!(marks[2..], ["corrected"; 6]);
    let times: Vec<i64> = events.iter().map(|item| ms(&item["corrected"]["time"])).collect();
    for (n, corrected) in (0_u64..).zip(&times[2..]) {
        let truly = begun - i64::try_from(up - at(n)).unwrap();
        assert!((corrected - truly).abs() <= SLACK_MS, "event {n}: {corrected} instead of {truly}");
    }
    assert!(times.is_sorted(), "the order of the numbers is the order of the times: {times:?}");
    assert_eq!(times[1] - times[0], 5_000, "within a boot the uptimes tell");
    assert!(times[1] <= begun - i64::try_from(up).unwrap() + SLACK_MS, "the earlier boot ended before this one began");
    drop(kiosk);
    appliance.stop().unwrap();
}

#[test]
fn a_sample_that_comes_long_after_its_boot_corrects_what_was_stored_before() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path(), Parts::Upload).unwrap();
    let kiosk = Kiosk::open(appliance.folder(), None).unwrap();
    kiosk.record([unset("b-1", 10_000), unset("b-1", 20_000)]).unwrap();
    appliance.send_all().unwrap();
    let before = stored(&appliance);
    assert!(before.iter().all(|item| item["corrected"]["clock"] == "unset"), "{before:?}");
    assert_eq!(ms(&before[0]["corrected"]["time"]), 10_000, "nobody knows better yet");

    let sampled_ms = now_ms() / 1_000 * 1_000 - 60_000;
    kiosk.record_sample("b-1", 50_000, sampled_ms).unwrap();
    appliance.send_all().unwrap();
    let after = stored(&appliance);
    let times: Vec<i64> = after.iter().map(|item| ms(&item["corrected"]["time"])).collect();
    assert_eq!(times, [sampled_ms - 40_000, sampled_ms - 30_000]);
    assert_eq!(after[0]["event"], before[0]["event"]);
    assert_eq!(after[0]["received"], before[0]["received"]);
    drop(kiosk);
    appliance.stop().unwrap();
}
