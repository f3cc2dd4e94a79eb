use crate::common::*;
use edge_db::{AgentStore, CachedProfile, Class, LogReader, Outbox, OutboxOptions, QuarantineState, watermarks};
use std::{fs, path::Path};
use uuid::Uuid;

fn open_agent(path: &Path) -> AgentStore {
    AgentStore::open_with(options(path)).unwrap()
}

#[test]
fn acknowledgements_in_any_order_join_into_one_watermark() {
    let dir = tempdir();
    let store = open_agent(&dir.path().join("agent.db"));
    let log = Uuid::from_u128(1);
    assert_eq!(store.watermark(SOURCE, log).unwrap(), 0);
    assert_eq!(store.acknowledge(SOURCE, log, &[3, 4]).unwrap(), 0);
    assert_eq!(store.acknowledged_beyond(SOURCE, log).unwrap(), [3..=4]);
    assert_eq!(store.acknowledge(SOURCE, log, &[1]).unwrap(), 1);
    assert_eq!(store.acknowledge(SOURCE, log, &[7, 2, 2, 6]).unwrap(), 4);
    assert_eq!(store.acknowledged_beyond(SOURCE, log).unwrap(), [6..=7]);
    assert_eq!(store.acknowledge_to(SOURCE, log, 5).unwrap(), 7);
    assert_eq!(store.acknowledged_beyond(SOURCE, log).unwrap(), []);
    assert_eq!(store.watermark("/other", log).unwrap(), 0);
}

#[test]
fn the_watermark_survives_a_restart_and_others_may_read_it() {
    let dir = tempdir();
    let path = dir.path().join("agent.db");
    assert_eq!(watermarks(&path).unwrap(), []);
    let log = Uuid::from_u128(1);
    let store = open_agent(&path);
    store.acknowledge_to(SOURCE, log, 40).unwrap();
    assert_eq!(watermarks(&path).unwrap()[0].up_to, 40);
    drop(store);
    assert_eq!(open_agent(&path).watermark(SOURCE, log).unwrap(), 40);
}

#[test]
fn the_kiosk_gives_up_rows_by_the_agent_s_watermark() {
    let dir = tempdir();
    let (kiosk, agent) = (dir.path().join("kiosk.db"), dir.path().join("agent.db"));
    let mut opts = OutboxOptions { watermarks: Some(agent.clone()), ..options(&kiosk) };
    opts.limits.retention_days = 0;
    opts.clock = std::sync::Arc::new(|| NOW_MS);
    let outbox = Outbox::open(opts.clone()).unwrap();
    for n in 0..5 {
        outbox.commit(telemetry(n)).unwrap();
    }
    let log = outbox.log().unwrap().log;
    let store = open_agent(&agent);
    store.acknowledge_to(SOURCE, log, 3).unwrap();
    outbox.housekeep().unwrap();
    assert_eq!(outbox.log().unwrap().first, 1, "recorded in this very millisecond");
    drop(outbox);
    opts.clock = std::sync::Arc::new(|| NOW_MS + 1);
    let outbox = Outbox::open(opts).unwrap();
    outbox.housekeep().unwrap();
    assert_eq!(outbox.log().unwrap().first, 4);
}

#[test]
fn a_file_that_fell_behind_its_watermark_opens_a_new_log() {
    let dir = tempdir();
    let (kiosk, agent) = (dir.path().join("kiosk.db"), dir.path().join("agent.db"));
    let opts = OutboxOptions { watermarks: Some(agent.clone()), ..options(&kiosk) };
    let outbox = Outbox::open(opts.clone()).unwrap();
    let log = outbox.commit(telemetry(1)).unwrap().log;
    open_agent(&agent).acknowledge_to(SOURCE, log, 2).unwrap();
    drop(outbox);
    let outbox = Outbox::open(opts).unwrap();
    assert_eq!(outbox.opened().new_log.as_deref(), Some("rolled back"));
    assert_ne!(outbox.log().unwrap().log, log);
}

#[test]
fn enqueued_events_are_read_like_the_kiosk_s() {
    let dir = tempdir();
    let path = dir.path().join("agent.db");
    let store = open_agent(&path);
    let committed = store.enqueue(Class::Telemetry, vec![event(1), event(2)]).unwrap();
    assert_eq!(committed.sequences, [(event(1).id, 1), (event(2).id, 2)]);
    let reader = LogReader::open(&path).unwrap().unwrap();
    assert_eq!(reader.source().unwrap(), SOURCE);
    assert_eq!(reader.after(committed.log, 0, 10, usize::MAX).unwrap().rows.len(), 2);
    assert!(store.outbox().submit(edge_db::Commit { orders: vec![order(1)], ..Default::default() }).is_err());
}

#[test]
fn a_collided_log_is_adopted_under_its_old_ids() {
    let dir = tempdir();
    let (kiosk, agent) = (dir.path().join("kiosk.db"), dir.path().join("agent.db"));
    let outbox = open(&kiosk);
    for n in 1..=3 {
        outbox.commit(telemetry(n)).unwrap();
    }
    let store = open_agent(&agent);
    store.enqueue(Class::Telemetry, vec![event(9)]).unwrap();
    let adopted = store.adopt(rows(&kiosk)).unwrap();
    assert_eq!(adopted.sequences, [(event(1).id, 2), (event(2).id, 3), (event(3).id, 4)]);
    let moved = rows(&agent);
    let wire = cem_contract::Event::parse(std::str::from_utf8(&moved[3].body).unwrap()).unwrap();
    assert_eq!((wire.id, wire.log, wire.sequence, wire.data["seconds"].as_u64()), (event(3).id, adopted.log, 4, Some(3)));
    assert_eq!(moved[3].body, event(3).seal(SOURCE, adopted.log, 4, NOW_MS));
    let fresh = outbox.open_new_log("collision").unwrap();
    assert_eq!(outbox.commit(telemetry(4)).unwrap(), edge_db::Committed { log: fresh.log, sequences: vec![(event(4).id, 1)] });
}

#[test]
fn a_quarantined_event_blocks_nobody_and_waits_for_a_person() {
    let dir = tempdir();
    let (kiosk, path) = (dir.path().join("kiosk.db"), dir.path().join("agent.db"));
    let outbox = open(&kiosk);
    outbox.commit(telemetry(1)).unwrap();
    let log = outbox.log().unwrap().log;
    let row = rows(&kiosk).remove(0);
    let store = open_agent(&path);
    assert_eq!(store.quarantine(SOURCE, log, &row, "data.lines: missing", NOW_MS).unwrap(), 1);
    let held = store.quarantine_show(row.id).unwrap().unwrap();
    assert_eq!(
        (held.reason.as_str(), held.state, held.times, &held.body),
        ("data.lines: missing", QuarantineState::Held, 1, &row.body)
    );
    assert!(store.quarantine_replay(row.id).unwrap());
    assert_eq!(store.quarantine_replays(10).unwrap().len(), 1);
    store.quarantine(SOURCE, log, &row, "again", NOW_MS + 1).unwrap();
    assert_eq!(store.quarantine_replays(10).unwrap(), []);
    let listed = store.quarantine_list(None, 10).unwrap();
    assert_eq!((listed.len(), listed[0].times, store.quarantine_count().unwrap()), (1, 2, 1));
    assert!(store.quarantine_drop(row.id).unwrap());
    assert!(!store.quarantine_drop(row.id).unwrap() && !store.quarantine_replay(row.id).unwrap());
}

#[test]
fn what_is_to_be_sent_again_is_remembered_until_it_is() {
    let dir = tempdir();
    let store = open_agent(&dir.path().join("agent.db"));
    let log = Uuid::from_u128(1);
    store.add_resend(SOURCE, log, 17, 40).unwrap();
    store.add_resend(SOURCE, log, 17, 30).unwrap();
    assert_eq!(store.resends().unwrap(), [(SOURCE.to_owned(), log, 17..=40)]);
    store.resent(SOURCE, log, 17, 20).unwrap();
    assert_eq!(store.resends().unwrap(), [(SOURCE.to_owned(), log, 21..=40)]);
    store.resent(SOURCE, log, 21, 40).unwrap();
    assert_eq!(store.resends().unwrap(), []);
}

fn profile(visitor: &str, token: &str, version: u64) -> CachedProfile {
    CachedProfile {
        visitor: visitor.to_owned(),
        tokens: vec![token.to_owned(), format!("{token}ff")],
        version,
        expires_ms: NOW_MS + 1000,
        envelope: format!("{visitor} canary {version}").into_bytes(),
    }
}

#[test]
fn a_profile_is_found_by_each_token_until_it_expires_and_never_goes_back() {
    let dir = tempdir();
    let store = open_agent(&dir.path().join("agent.db"));
    assert!(store.put_profile(&profile("v_1", "1:aa", 5), NOW_MS).unwrap());
    assert!(!store.put_profile(&profile("v_1", "1:bb", 4), NOW_MS).unwrap());
    assert_eq!(store.profile_by_token("1:aaff", NOW_MS).unwrap(), Some(b"v_1 canary 5".to_vec()));
    assert_eq!(store.profile_by_token("1:bb", NOW_MS).unwrap(), None);
    assert!(store.put_profile(&profile("v_1", "1:bb", 6), NOW_MS).unwrap());
    assert_eq!(store.profile_by_token("1:aa", NOW_MS).unwrap(), None, "the card was replaced");
    assert_eq!(store.profile_by_token("1:bb", NOW_MS + 1000).unwrap(), None, "expired");
    assert_eq!(store.profile_version("v_1").unwrap(), Some(6));
}

#[test]
fn a_forgotten_visitor_is_in_no_byte_of_the_files() {
    let dir = tempdir();
    let path = dir.path().join("agent.db");
    let store = open_agent(&path);
    for n in 0..50 {
        store.put_profile(&profile(&format!("v_{n}"), &format!("1:{n:04}"), 1), NOW_MS).unwrap();
    }
    assert!(store.forget("v_7").unwrap());
    assert!(!store.forget("v_7").unwrap());
    assert_eq!(store.profile_by_token("1:0007", NOW_MS).unwrap(), None);
    for name in ["agent.db", "agent.db-wal"] {
        let bytes = fs::read(dir.path().join(name)).unwrap();
        for canary in [&b"v_7 canary"[..], b"1:0007"] {
            assert!(!bytes.windows(canary.len()).any(|window| window == canary), "{name}");
        }
    }
    assert!(store.profile_by_token("1:0008", NOW_MS).unwrap().is_some());
}

#[test]
fn state_and_housekeeping_work_beside_the_log() {
    let dir = tempdir();
    let path = dir.path().join("agent.db");
    let store = open_agent(&path);
    assert_eq!(store.state("cursor").unwrap(), None);
    for n in 0..300_u64 {
        store.set_state("cursor", &n.to_le_bytes()).unwrap();
        store.acknowledge(SOURCE, Uuid::from_u128(1), &[n + 1]).unwrap();
        if n % 10 == 0 {
            store.enqueue(Class::Telemetry, vec![event(n)]).unwrap();
        }
    }
    assert_eq!(store.outbox().health().transactions, 30, "only events are fsynced");
    store.housekeep().unwrap();
    assert!(fs::metadata(dir.path().join("agent.db-wal")).unwrap().len() <= store.outbox().options().limits.wal_bytes * 2);
    drop(store);
    let store = open_agent(&path);
    assert_eq!(store.state("cursor").unwrap(), Some(299_u64.to_le_bytes().to_vec()));
    assert_eq!(store.watermark(SOURCE, Uuid::from_u128(1)).unwrap(), 300);
    assert_eq!(store.outbox().log().unwrap().head, 30);
}

#[test]
fn the_visitor_cache_says_nothing_without_its_key_and_begins_anew_under_another() {
    let dir = tempdir();
    let path = dir.path().join("agent.db");
    let key = edge_db::CacheKey::from_bytes(&[7; 32]).unwrap();
    let store = open_agent(&path);
    assert!(!store.use_cache_key(key.clone()).unwrap(), "a new file");
    store.put_profile(&profile("v_1", "1:aa", 5), NOW_MS).unwrap();
    for name in ["agent.db", "agent.db-wal"] {
        let bytes = fs::read(dir.path().join(name)).unwrap();
        for canary in [&b"canary"[..], b"v_1", b"1:aa"] {
            assert!(!bytes.windows(canary.len()).any(|window| window == canary), "{name}");
        }
    }
    let beside = |key| edge_db::cached_profile(&path, key, "1:aaff", std::time::Duration::from_secs(1)).unwrap();
    let other = edge_db::CacheKey::from_bytes(&[8; 32]).unwrap();
    assert_eq!((beside(&key), beside(&other)), (Some(b"v_1 canary 5".to_vec()), None));
    drop(store);
    let store = open_agent(&path);
    assert_eq!(store.profile_by_token("1:aaff", NOW_MS).unwrap(), None, "not before the key is there");
    assert!(store.use_cache_key(key).unwrap());
    assert_eq!(store.profile_by_token("1:aaff", NOW_MS).unwrap(), Some(b"v_1 canary 5".to_vec()));
    assert!(!store.use_cache_key(other).unwrap());
    assert_eq!(store.profile_version("v_1").unwrap(), None);
}
