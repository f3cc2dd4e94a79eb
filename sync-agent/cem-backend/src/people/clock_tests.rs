#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    ingest::{self, MayWrite, read_batch},
    people::visitor::strings,
    store::in_memory,
};
use cem_contract::{Status, Visit};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

const NOW: i64 = 1_795_260_000_000;
const MINUTE: i64 = 60_000;
const KIOSK: &str = "/stores/s-001/devices/k-01";
/// Logs of the kiosk and of the agent beside it.
const SALES: u128 = 0xa1;
const AGENT: u128 = 0xa2;

/// Writes events into the two logs of one device.
#[derive(Default)]
struct Device {
    events: Vec<Value>,
    numbers: BTreeMap<u128, u64>,
}

impl Device {
    #[expect(clippy::too_many_arguments, reason = "an event has that many sides")]
    fn add(&mut self, log: u128, boot: &str, uptime_ms: i64, time_ms: i64, clock: &str, kind: &str, data: Value) -> &mut Self {
        let number = self.numbers.entry(log).or_default();
        *number += 1;
        self.events.push(json!({
            "specversion": "1.0", "id": Uuid::from_u128(self.events.len() as u128 + 1), "source": KIOSK, "type": kind,
            "time": time::rfc3339(time_ms), "log": Uuid::from_u128(log), "sequence": time::sequence(*number), "clock": clock,
            "boot": boot, "uptime": time::uptime(uptime_ms.cast_unsigned()), "data": data,
        }));
        self
    }

    /// A visit as a kiosk records it whose clock was never set.
    fn visit(&mut self, boot: &str, uptime_ms: i64, n: u128) -> &mut Self {
        self.visit_at(boot, uptime_ms, uptime_ms, "unset", n)
    }

    fn visit_at(&mut self, boot: &str, uptime_ms: i64, time_ms: i64, clock: &str, n: u128) -> &mut Self {
        let data = json!({"trigger": "touch", "role": "kiosk", "language": "en"});
        self.add(SALES, boot, uptime_ms, time_ms, clock, "cem.visit.started.v1", data);
        self.events.last_mut().unwrap()["visitid"] = json!(visit(n));
        self
    }

    fn sample(&mut self, boot: &str, uptime_ms: i64, backend_ms: i64) -> &mut Self {
        let data = json!({"boot": boot, "uptime": time::uptime(uptime_ms.cast_unsigned()),
            "backend_time": time::rfc3339(backend_ms), "round_trip_ms": 20});
        self.add(AGENT, boot, uptime_ms, uptime_ms, "unset", "cem.device.clock_sampled.v1", data)
    }
}

fn visit(n: u128) -> Uuid {
    Uuid::from_u128(0x100 + n)
}

fn send(db: &Connection, events: &[Value], batch: usize) {
    for chunk in events.chunks(batch) {
        let batch = read_batch(&serde_json::to_vec(chunk).unwrap()).unwrap();
        let answer = ingest::take(db, &MayWrite::Source(KIOSK.into()), &batch, NOW).unwrap();
        assert!(answer.results.iter().all(|result| result.status == Status::Accepted), "{answer:?}");
    }
    super::super::catch_up(db, usize::MAX, NOW).unwrap();
}

fn stored(device: &Device) -> Connection {
    let db = in_memory();
    send(&db, &device.events, 1);
    db
}

/// When a visit began, in milliseconds before [`NOW`], and what marks that time.
fn began(db: &Connection, n: u128) -> (i64, Option<String>) {
    let body = strings(db, "SELECT body FROM visit WHERE id = ?1", &visit(n).to_string()).unwrap().pop().unwrap();
    let visit: Visit = serde_json::from_str(&body).unwrap();
    (NOW - time::parse_rfc3339(&visit.started).unwrap(), visit.clock)
}

fn marked(before_ms: i64, mark: &str) -> (i64, Option<String>) {
    (before_ms, Some(mark.to_owned()))
}

/// A synced day, a day in 1970 with network, two without, a clock that runs ahead, and a day with network again.
fn story() -> Device {
    let mut device = Device::default();
    device
        .visit_at("a", 1_000, NOW - 500 * MINUTE, "synced", 1)
        .visit("b", 1_000, 2)
        .visit("b", 90 * MINUTE, 3)
        .sample("b", 2_000, NOW - 300 * MINUTE + 2_000)
        .sample("b", 80 * MINUTE, NOW - 220 * MINUTE + 700)
        .visit("c", 4_000, 4)
        .visit("c", 10 * MINUTE, 5)
        .visit_at("d", 6_000, NOW + 9_000 * MINUTE, "estimated", 6)
        .visit("e", 5_000, 7)
        .sample("e", 9_000, NOW - 60 * MINUTE + 9_000)
        .visit("f", 3_000, 8);
    device
}

#[test]
fn a_time_in_1970_becomes_the_sample_less_the_difference_of_uptimes() {
    let mut device = Device::default();
    device.visit("b", 1_000, 1).sample("b", 61_000, NOW - 10 * MINUTE);
    let db = stored(&device);
    assert_eq!(began(&db, 1), marked(11 * MINUTE, "corrected"));
    let (own, corrected): (i64, i64) = db
        .query_row("SELECT time_ms, corrected_ms FROM event WHERE visitid IS NOT NULL", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!((own, corrected), (1_000, NOW - 11 * MINUTE), "the original stays");
}

#[test]
fn a_clock_that_steps_within_a_boot_keeps_the_order_of_its_visits() {
    let mut device = Device::default();
    device
        .visit("b", 1_000, 1)
        .visit_at("b", 2_000, NOW - 900 * MINUTE, "estimated", 2)
        .visit_at("b", 3_000, NOW - 901 * MINUTE, "estimated", 3)
        .sample("b", 4_000, NOW - MINUTE);
    let db = stored(&device);
    assert_eq!([1, 2, 3].map(|n| began(&db, n).0 - MINUTE), [3_000, 2_000, 1_000]);
}

#[test]
fn a_clock_that_is_set_within_a_boot_without_sample_is_believed_from_then_on_where_the_neighbours_allow_it() {
    let mut device = Device::default();
    device
        .visit_at("a", 1_000, NOW - 400 * MINUTE, "synced", 1)
        .sample("a", 2_000, NOW - 400 * MINUTE + 1_000)
        .visit_at("b", 1_000, NOW - 4_000 * MINUTE, "estimated", 2)
        .visit_at("b", 2_000, NOW - 90 * MINUTE, "estimated", 3);
    let db = stored(&device);
    assert_eq!(began(&db, 2), marked(400 * MINUTE - 1_000, "estimated"), "not before the boot before it");
    assert_eq!(began(&db, 3), marked(90 * MINUTE, "estimated"));
}

#[test]
fn of_several_samples_the_nearest_counts() {
    let db = stored(&story());
    assert_eq!(began(&db, 2), marked(300 * MINUTE - 1_000, "corrected"));
    assert_eq!(began(&db, 3), marked(210 * MINUTE - 700, "corrected"));
}

#[test]
fn a_boot_without_a_sample_lies_between_its_neighbours_and_is_marked_estimated() {
    let db = stored(&story());
    // After the last event of the boot before it, which was 90 minutes up.
    assert_eq!(began(&db, 4), marked(210 * MINUTE - 700 - 4_000, "estimated"));
    assert_eq!(began(&db, 5), marked(200 * MINUTE - 700, "estimated"));
    // A clock that runs ahead is drawn back to before the next boot began.
    assert_eq!(began(&db, 6), marked(60 * MINUTE, "estimated"));
    assert_eq!(began(&db, 7), marked(60 * MINUTE - 5_000, "corrected"));
    // Nothing follows the last: it began when the one before was last heard of.
    assert_eq!(began(&db, 8), marked(60 * MINUTE - 5_000 - 3_000, "estimated"));
}

#[test]
fn a_synced_clock_is_left_alone_and_vouches_for_what_its_boot_said_before() {
    let mut device = Device::default();
    device.visit("a", 5_000, 1).visit_at("a", 65_000, NOW - 30 * MINUTE, "synced", 2);
    let db = stored(&device);
    assert_eq!(began(&db, 2), (30 * MINUTE, None));
    assert_eq!(began(&db, 1), marked(31 * MINUTE, "estimated"));
}

#[test]
fn without_any_hint_a_time_stays_and_is_marked_but_never_lies_after_its_arrival() {
    let mut device = Device::default();
    device.visit("a", 5_000, 1).visit_at("", 5_000, NOW + MINUTE, "estimated", 2);
    let db = stored(&device);
    assert_eq!(began(&db, 1), marked(NOW - 5_000, "unset"));
    assert_eq!(began(&db, 2), marked(0, "estimated"));
}

#[test]
fn a_month_of_boots_without_network_keeps_its_order() {
    let mut device = Device::default();
    device.visit("start", 1_000, 1_000).sample("start", 1_000, NOW - 50_000 * MINUTE);
    for day in 0..100 {
        device.visit(&format!("day {day}"), 10 * MINUTE, day);
    }
    device.visit("end", 1_000, 1_001).sample("end", 1_000, NOW - MINUTE);
    let db = stored(&device);
    let times: Vec<i64> = (0..100).map(|day| began(&db, day).0).collect();
    assert!(times.is_sorted_by(|one, next| one > next), "{times:?}");
    assert!(times.iter().all(|before| (MINUTE..50_000 * MINUTE).contains(before)));
}

#[test]
fn neighbours_that_contradict_each_other_do_no_harm() {
    let place = |own_ms, earliest_ms, latest_ms| Start::place(own_ms, earliest_ms, latest_ms).at_ms;
    let (a, b) = (Some(1), Some(9));
    assert_eq!(place(Some(5), a, b), Some(5));
    assert_eq!([place(Some(0), a, b), place(Some(12), a, b), place(None, a, b)], [a, b, a]);
    assert_eq!([place(Some(5), b, a), place(None, None, b), place(None, None, None)], [b, b, None]);
    assert_eq!(place(Some(i64::MIN), None, Some(i64::MAX)), Some(i64::MIN));
}

#[test]
fn a_sample_that_says_nothing_is_no_sample() {
    let good = json!({"boot": "b", "uptime": "000000000009000", "backend_time": "2026-11-21T10:30:00.000Z", "round_trip_ms": 1});
    assert!(Sample::read(&good).is_some());
    for (member, value) in
        [("boot", json!("")), ("uptime", json!("-5")), ("uptime", json!("soon")), ("backend_time", json!("now"))]
    {
        let mut bad = good.clone();
        bad[member] = value;
        assert_eq!(Sample::read(&bad), None, "{bad}");
    }
}

/// Every visit, and every event with its times.
fn known(db: &Connection) -> Vec<String> {
    let mut all = strings(db, "SELECT body || ?1 FROM visit ORDER BY id", "").unwrap();
    let times =
        "SELECT hex(id) || ' ' || time_ms || ' ' || ifnull(corrected_ms, '-') || ' ' || certainty || ?1 FROM event ORDER BY id";
    all.extend(strings(db, times, "").unwrap());
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whenever_a_sample_arrives_the_times_are_the_same_in_the_end(
        events in Just(story().events).prop_shuffle(), batch in 1usize..6,
    ) {
        let (straight, shuffled) = (in_memory(), in_memory());
        send(&straight, &story().events, 100);
        send(&shuffled, &events, batch);
        prop_assert_eq!(known(&straight), known(&shuffled));
    }
}
