//! Power cuts: what was acknowledged is there after each of them. `CEM_POWER_IMAGES` sets how many are tried,
//! `CEM_POWER_SEED` which ones, so that a long run can be split.

use crate::{
    common::*,
    disk::{self, Disk, Random},
    vfs::{self, Op, Tap},
};
use edge_db::{AgentStore, AttemptState, Class, Commit, Durability, Identity, LogReader, Outbox, OutboxOptions};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

fn images(default: u64) -> u64 {
    number("CEM_POWER_IMAGES").unwrap_or(default)
}

fn seed() -> u64 {
    number("CEM_POWER_SEED").unwrap_or(0)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Kilobytes where a shop has megabytes, so that every few commits a checkpoint comes.
fn cramped(path: &Path) -> OutboxOptions {
    let mut options = options(path);
    options.identity = Some(Identity { machine: "m".to_owned(), disk: "d".to_owned(), inode: 1 });
    options.limits.checkpoint_idle_bytes = 24 << 10;
    options.limits.checkpoint_bytes = 48 << 10;
    options.limits.wal_bytes = 64 << 10;
    options.limits.ballast_bytes = 0;
    options.limits.tail_rows = 1000;
    options
}

/// What was written, what was answered, and in which order the disk saw it.
struct Recording {
    start: Disk,
    ops: Vec<Op>,
    /// Event ids in the order of their numbers.
    events: Vec<u64>,
    /// Numbers after which a commit ends.
    ends: Vec<u64>,
    /// Numbers of the events that came with an order and an attempt.
    sales: Vec<u64>,
    log: uuid::Uuid,
}

fn record(durability: Durability, commits: u64) -> Recording {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let tap = Tap::watch(dir.path());
    let outbox = Outbox::open(OutboxOptions { vfs: Some(vfs::NAME.to_owned()), durability, ..cramped(&path) }).unwrap();
    let start = Disk::of(&path);
    tap.record();
    let mut recording = Recording {
        start,
        ops: Vec::new(),
        events: Vec::new(),
        ends: vec![0],
        sales: Vec::new(),
        log: outbox.log().unwrap().log,
    };
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut random = Random::new(7 + seed());
    for n in 0..commits {
        let count = 1 + random.below(3) as u64;
        let first = recording.events.len() as u64;
        let ids = first..first + count;
        let mut commit =
            Commit::events(Class::Sale, ids.clone().map(|id| large_event(id, 300 + 700 * random.below(2))).collect());
        recording.events.extend(ids);
        if n % 3 == 0 {
            commit.orders.push(order(n));
            commit.attempts.push(attempt(n, AttemptState::Started));
            recording.sales.push(first + count);
        }
        recording.ends.push(first + count);
        let (tap, acknowledged) = (tap.clone(), acknowledged.clone());
        let done = Box::new(move |answer: Result<edge_db::Committed, _>| {
            let head = answer.unwrap().sequences.last().unwrap().1;
            acknowledged.store(head, Relaxed);
            tap.mark(head);
        });
        outbox.submit_with(commit, done).unwrap();
        // Some go together, some alone; now and then housekeeping comes between.
        if random.below(3) == 0 {
            outbox.log().unwrap();
        }
        if n % 16 == 15 {
            outbox.housekeep().unwrap();
        }
    }
    drop(outbox);
    assert_eq!(acknowledged.load(Relaxed), recording.events.len() as u64);
    recording.ops = tap.take();
    recording
}

/// Cuts the power at `count` places and hands each image, with the number acknowledged by then, to `judge`.
fn cut(recording: &Recording, count: u64, seed: u64, mut judge: impl FnMut(&disk::Files, u64)) {
    let places = recording.ops.len() as u64 + 1;
    let mut random = Random::new(seed);
    let mut disk = recording.start.clone();
    let (mut acknowledged, mut made) = (0, 0);
    for place in 0..places {
        let due = count * (place + 1) / places;
        while made < due {
            judge(&disk.cut(&mut random), acknowledged);
            made += 1;
        }
        if let Some(op) = recording.ops.get(place as usize) {
            disk.apply(op);
            if let Op::Acknowledged(number) = op {
                acknowledged = *number;
            }
        }
    }
}

/// Opens an image; how many events it holds, all of them right.
fn survivors(recording: &Recording, files: &disk::Files, path: &Path, go_on: bool) -> u64 {
    disk::store(files, path);
    let outbox = Outbox::open(cramped(path)).unwrap();
    let opened = outbox.opened();
    assert!(opened.salvage.is_none() && opened.holes.is_empty() && opened.new_log.is_none(), "{opened:?}");
    let reader = LogReader::open(path).unwrap().unwrap();
    let batch = reader.after(recording.log, 0, usize::MAX, usize::MAX).unwrap();
    assert_eq!(batch.holes, []);
    let head = batch.rows.len() as u64;
    for (at, row) in batch.rows.iter().enumerate() {
        assert_eq!((row.sequence, row.id), (at as u64 + 1, event(recording.events[at]).id));
    }
    assert!(recording.ends.contains(&head), "a commit is there by half: {head}");
    let sales = recording.sales.iter().filter(|number| **number <= head).count();
    assert_eq!((reader.newest_orders(1000).unwrap().len(), reader.open_attempts().unwrap().len()), (sales, sales));
    if go_on {
        assert_eq!(outbox.commit(telemetry(9999)).unwrap().sequences[0].1, head + 1);
        assert_eq!(outbox.quick_check().unwrap(), Vec::<String>::new());
    }
    head
}

/// Runs `count` images on two threads; how many lost something acknowledged.
fn losses(durability: Durability, count: u64) -> u64 {
    let recording = Arc::new(record(durability, 96));
    let workers: Vec<_> = (0..2)
        .map(|worker| {
            let recording = recording.clone();
            std::thread::spawn(move || {
                let dir = tempdir();
                let (mut lost, mut tried) = (0, 0);
                cut(&recording, count / 2, 2 * seed() + worker + 1, |files, acknowledged| {
                    tried += 1;
                    let head = survivors(&recording, files, &dir.path().join("image.db"), tried % 16 == 0);
                    lost += u64::from(head < acknowledged);
                });
                lost
            })
        })
        .collect();
    workers.into_iter().map(|worker| worker.join().unwrap()).sum()
}

#[test]
fn no_power_cut_loses_what_was_acknowledged() {
    let count = images(1000);
    let lost = losses(Durability::Full, count);
    println!("{lost} of {count} images lost something acknowledged, synchronous=FULL, seed {}", seed());
    assert_eq!(lost, 0, "of {count} images");
}

#[test]
fn without_fsync_the_same_cuts_lose_events_so_this_test_bites() {
    let count = images(300).min(10_000);
    let lost = losses(Durability::DangerousNormal, count);
    println!("{lost} of {count} images lost something acknowledged, synchronous=NORMAL, seed {}", seed());
    assert!(lost > count / 10, "only {lost} of {count} images lost something");
}

#[test]
fn the_agent_s_events_survive_and_its_lazy_rows_are_of_one_moment() {
    let dir = tempdir();
    let path = dir.path().join("agent.db");
    let tap = Tap::watch(dir.path());
    let store = AgentStore::open_with(OutboxOptions { vfs: Some(vfs::NAME.to_owned()), ..cramped(&path) }).unwrap();
    let start = Disk::of(&path);
    tap.record();
    let log = store.outbox().log().unwrap().log;
    let mut random = Random::new(9);
    let (mut head, mut mark) = (0, 0);
    for n in 0..150_u64 {
        if random.below(3) == 0 {
            head = store.enqueue(Class::Telemetry, vec![large_event(n, 300)]).unwrap().sequences[0].1;
            tap.mark(head);
        } else {
            // Two rows that belong together, in one lazy transaction each.
            mark += 1;
            let row = edge_db::Row {
                sequence: mark,
                id: event(mark).id,
                kind: "cem.presence.seen.v1".to_owned(),
                time_ms: 0,
                recorded_ms: 0,
                body: vec![b'x'; 200],
            };
            store.quarantine("/k", log, &row, "poison", 0).unwrap();
        }
    }
    drop(store);
    let recording = Recording { start, ops: tap.take(), events: vec![], ends: vec![], sales: vec![], log };
    let images_dir = tempdir();
    let image = images_dir.path().join("image.db");
    let mut older = 0;
    cut(&recording, images(400).min(50_000), 4, |files, acknowledged| {
        disk::store(files, &image);
        let store = AgentStore::open_with(cramped(&image)).unwrap();
        assert!(store.outbox().opened().salvage.is_none());
        let found = store.outbox().log().unwrap().head;
        assert!((acknowledged..=head).contains(&found), "{found} of {acknowledged} are left");
        let watermark = store.watermark("/k", log).unwrap();
        assert_eq!(store.quarantine_count().unwrap(), watermark, "one transaction");
        older += u64::from(watermark < mark);
    });
    assert!(older > 0);
}

#[test]
fn a_power_cut_while_the_file_is_made_leaves_a_file_that_opens() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let tap = Tap::watch(dir.path());
    tap.record();
    drop(Outbox::open(OutboxOptions { vfs: Some(vfs::NAME.to_owned()), ..cramped(&path) }).unwrap());
    let ops = tap.take();
    assert!(ops.len() > 10, "{}", ops.len());
    let recording =
        Recording { start: Disk::default(), ops, events: vec![1], ends: vec![0], sales: Vec::new(), log: uuid::Uuid::nil() };
    let images_dir = tempdir();
    let image = images_dir.path().join("image.db");
    cut(&recording, images(300).min(20_000), 3, |files, _| {
        disk::store(files, &image);
        let outbox = Outbox::open(cramped(&image)).unwrap();
        assert_eq!(outbox.opened().salvage, None);
        assert_eq!(outbox.commit(telemetry(1)).unwrap().sequences[0].1, 1);
    });
}

/// An outbox that gathers for as long as the test needs, and the tap of its directory.
fn patient(path: &Path) -> (Arc<Outbox>, Arc<Tap>) {
    let tap = Tap::watch(path.parent().unwrap());
    let limits =
        edge_db::Limits { ballast_bytes: 0, gather: std::time::Duration::from_millis(300), ..edge_db::Limits::default() };
    let options = OutboxOptions { vfs: Some(vfs::NAME.to_owned()), limits, ..options(path) };
    (Arc::new(Outbox::open(options).unwrap()), tap)
}

#[test]
fn an_event_alone_costs_one_fsync() {
    let dir = tempdir();
    let (outbox, tap) = patient(&dir.path().join("kiosk.db"));
    let before = tap.syncs();
    for n in 0..3000 {
        outbox.commit(Commit::events(Class::Telemetry, vec![large_event(n, 400)])).unwrap();
    }
    let alone = tap.syncs() - before;
    assert!(alone <= 3030, "{alone} fsyncs for 3000 events");
}

#[test]
fn producers_that_wait_for_their_events_share_each_fsync_with_all_others() {
    const EACH: u64 = 50;
    for producers in [16, 64] {
        let dir = tempdir();
        let (outbox, tap) = patient(&dir.path().join("kiosk.db"));
        let (before, commits) = (tap.syncs(), outbox.health().commits);
        // As on a slow disk: a sync takes so long that every producer that is not answered yet has come meanwhile.
        let watched = Arc::downgrade(&outbox);
        tap.hold_syncs(move || {
            while let Some(health) = watched.upgrade().map(|outbox| outbox.health())
                && health.commits - commits < (EACH - 1) * producers
                && (health.waiting as u64) < producers
            {
                std::thread::yield_now();
            }
        });
        let threads: Vec<_> = (0..producers)
            .map(|producer| {
                let outbox = outbox.clone();
                std::thread::spawn(move || {
                    for n in 0..EACH {
                        outbox.commit(telemetry(10_000 + producer * 100 + n)).unwrap();
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        tap.hold_syncs(|| ());
        let together = tap.syncs() - before;
        println!("{producers} producers: {together} fsyncs for {} events", EACH * producers);
        // One a round, and a few until the first round is whole.
        assert!(together <= EACH + 8, "{together} fsyncs for {} events", EACH * producers);
    }
}
