//! A disk that fails once, at every place in turn; bits that flip.

use crate::{
    common::*,
    disk::Random,
    vfs::{self, Fault, Tap},
};
use edge_db::{
    AttemptState, Class, Commit, CommitError, Identity, LogReader, NewEvent, OpenError, Outbox, OutboxOptions, WriteError,
};
use std::{
    fs,
    path::Path,
    sync::{Arc, atomic::AtomicI64, atomic::Ordering::Relaxed},
};

fn cramped(path: &Path) -> OutboxOptions {
    let mut options = options(path);
    options.identity = Some(Identity { machine: "m".to_owned(), disk: "d".to_owned(), inode: 1 });
    options.limits.checkpoint_idle_bytes = 24 << 10;
    options.limits.checkpoint_bytes = 48 << 10;
    options.limits.wal_bytes = 64 << 10;
    options.limits.ballast_bytes = 4 << 10;
    options.limits.retention_days = 0;
    options.limits.tail_rows = 1000;
    options
}

/// What became of each commit of the workload, in order.
struct Outcome {
    /// Events that are on disk for sure, with their numbers.
    recorded: Vec<(NewEvent, u64)>,
    /// Events of which nobody knows.
    unknown: Vec<NewEvent>,
    full: u32,
    poisoned: bool,
}

/// Sales, settlements, housekeeping and a checkpoint, as far as the disk lets them come.
fn work(outbox: &Outbox) -> Outcome {
    let mut outcome = Outcome { recorded: Vec::new(), unknown: Vec::new(), full: 0, poisoned: false };
    for n in 0..14 {
        let class = if n % 2 == 0 { Class::Sale } else { Class::Settlement };
        let new = large_event(n, 3000);
        let state = if n % 2 == 0 { AttemptState::Started } else { AttemptState::Approved };
        let commit = Commit {
            orders: vec![order(n / 2)],
            attempts: vec![attempt(n / 2, state)],
            ..Commit::events(class, vec![new.clone()])
        };
        match outbox.commit(commit) {
            Ok(committed) => outcome.recorded.push((new, committed.sequences[0].1)),
            Err(CommitError::Write(WriteError::Unknown { .. })) => outcome.unknown.push(new),
            Err(CommitError::Write(WriteError::Full { .. })) => outcome.full += 1,
            Err(CommitError::Refused(edge_db::Refused::Poisoned { .. }) | CommitError::Write(WriteError::NotWritten { .. })) => {}
            Err(other) => panic!("{other}"),
        }
        if n == 7 {
            if let Some((_, number)) = outcome.recorded.first() {
                let log = outbox.log().unwrap().log;
                outbox.acknowledged(log, *number).unwrap();
            }
            outbox.housekeep().unwrap();
        }
    }
    outcome.poisoned = outbox.health().poisoned.is_some();
    outcome
}

/// The file holds what was recorded, under its numbers, perhaps what is unknown, and nothing else.
fn verify(path: &Path, outcome: &Outcome, what: &str) {
    let outbox = Outbox::open(cramped(path)).unwrap();
    assert!(outbox.opened().salvage.is_none() && outbox.opened().holes.is_empty(), "{what}: {:?}", outbox.opened());
    let info = outbox.log().unwrap();
    let stored = rows(path);
    assert_eq!(stored.len() as u64, info.head + 1 - info.first, "{what}");
    for (event, number) in outcome.recorded.iter().filter(|(_, number)| *number >= info.first) {
        let row = stored.iter().find(|row| row.sequence == *number);
        assert!(row.is_some_and(|row| row.id == event.id), "{what}: {number} is lost");
    }
    let extra = info.head - outcome.recorded.last().map_or(0, |(_, number)| *number);
    assert!(extra <= outcome.unknown.len() as u64, "{what}");
    for row in stored.iter().rev().take(extra as usize) {
        assert!(outcome.unknown.iter().any(|event| event.id == row.id), "{what}");
    }
    let committed = outbox.commit(telemetry(77)).unwrap();
    assert_eq!(committed.sequences[0].1, info.head + 1, "{what}");
}

/// Runs the workload with the fault at its `n`th call; false when the fault did not come any more.
fn fails_at(n: u64, fault: Fault) -> bool {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let tap = Tap::watch(dir.path());
    // The clock goes on, so that the retention window passes.
    let clock = AtomicI64::new(NOW_MS);
    let clock: edge_db::Clock = Arc::new(move || clock.fetch_add(1, Relaxed));
    let what = format!("{fault:?} at {n}");
    tap.fail_at(n, fault);
    let outcome = match Outbox::open(OutboxOptions { vfs: Some(vfs::NAME.to_owned()), clock, ..cramped(&path) }) {
        Ok(outbox) => work(&outbox),
        Err(OpenError::Sqlite { .. }) => Outcome { recorded: Vec::new(), unknown: Vec::new(), full: 0, poisoned: false },
        Err(other) => panic!("{what}: {other}"),
    };
    if matches!(fault, Fault::NoSpace) {
        assert!(!outcome.poisoned && outcome.unknown.is_empty(), "{what}: a full disk is no broken one");
        assert!(outcome.full <= 1, "{what}: room came back at once");
    }
    verify(&path, &outcome, &what);
    tap.failed()
}

/// Lets the fault come at one call after the other, until it comes no more; how often it came. `CEM_FAULT_STEP` sets the
/// step, 1 in the long form.
fn every(fault: Fault) -> usize {
    let step = std::env::var("CEM_FAULT_STEP").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    (0..).step_by(step).take_while(|n| fails_at(*n, fault)).count()
}

#[test]
fn every_write_in_turn_finds_no_room_and_nothing_recorded_is_lost() {
    let tried = every(Fault::NoSpace);
    assert!(tried > 60, "{tried}");
}

#[test]
fn every_write_and_sync_in_turn_fails_and_nothing_recorded_is_lost() {
    for fault in [Fault::Io, Fault::TornIo] {
        let tried = every(fault);
        assert!(tried > 60, "{tried}");
    }
}

#[test]
fn after_a_failed_fsync_the_outbox_takes_nothing_more() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let tap = Tap::watch(dir.path());
    let outbox = Outbox::open(OutboxOptions { vfs: Some(vfs::NAME.to_owned()), ..cramped(&path) }).unwrap();
    outbox.commit(telemetry(1)).unwrap();
    // Whatever the writer does after its answer is done when it answers the next question.
    outbox.log().unwrap();
    tap.fail_at(0, Fault::Io);
    let error = outbox.commit(telemetry(2)).unwrap_err();
    assert!(matches!(error, CommitError::Write(WriteError::Unknown { .. })), "{error}");
    let error = outbox.commit(telemetry(3)).unwrap_err();
    assert!(matches!(error, CommitError::Refused(edge_db::Refused::Poisoned { .. })), "{error}");
    assert!(outbox.health().poisoned.is_some());
    drop(outbox);
    let stored = rows(&path);
    assert!(stored.iter().all(|row| row.id != event(3).id) && stored[0].id == event(1).id);
}

#[test]
fn a_flipped_bit_is_never_a_wrong_event() {
    let dir = tempdir();
    let path = dir.path().join("kiosk.db");
    let outbox = Outbox::open(cramped(&path)).unwrap();
    // The first part goes into the database, the rest stays in the WAL.
    let mut events = Vec::new();
    for n in 0..60 {
        let new = large_event(n, 200 + 40 * n as usize);
        let commit = Commit { orders: vec![order(n)], attempts: vec![attempt(n, AttemptState::Unknown)], ..Commit::default() };
        outbox.commit(Commit { events: vec![new.clone()], ..commit }).unwrap();
        events.push(new);
        if n == 52 {
            outbox.housekeep().unwrap();
        }
    }
    let log = outbox.log().unwrap().log;
    let image = [fs::read(&path).unwrap(), fs::read(path.with_extension("db-wal")).unwrap()];
    let used = [image[0].len(), outbox.health().wal_bytes as usize];
    drop(outbox);
    assert!(used[1] > 8192, "{used:?}");
    let right = |row: &edge_db::Row| row.body == events[row.sequence as usize - 1].seal(SOURCE, log, row.sequence, NOW_MS);

    let mut random = Random::new(11);
    let mut reported = 0;
    let flips = std::env::var("CEM_FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(160);
    for flip in 0..flips {
        let which = flip % 2;
        let mut files = image.clone();
        let bit = random.below(used[which] * 8);
        files[which][bit / 8] ^= 1 << (bit % 8);
        let dir = tempdir();
        let copy = dir.path().join("kiosk.db");
        fs::write(&copy, &files[0]).unwrap();
        fs::write(copy.with_extension("db-wal"), &files[1]).unwrap();
        let what = format!("bit {bit} of file {which}");

        if let Ok(Some(reader)) = LogReader::open(&copy)
            && let Ok(batch) = reader.after(log, 0, usize::MAX, usize::MAX)
        {
            assert!(batch.rows.iter().all(right), "{what}");
            reported += u32::from(!batch.holes.is_empty());
        }
        let outbox = match Outbox::open(cramped(&copy)) {
            Ok(outbox) => outbox,
            // A mark of the file that says whose it is, or who may read it, is believed.
            Err(OpenError::Option { field: "path", .. } | OpenError::TooNew { .. }) => continue,
            Err(other) => panic!("{what}: {other}"),
        };
        reported += u32::from(outbox.opened().salvage.is_some());
        let Ok(Some(reader)) = LogReader::open(&copy) else { continue };
        let batch = reader.after(log, 0, usize::MAX, usize::MAX).unwrap();
        assert!(batch.rows.iter().all(right), "{what}");
        // A row may be gone with its page, never changed.
        for row in outbox.open_attempts().unwrap_or_default() {
            assert!((0..60).any(|n| row == attempt(n, AttemptState::Unknown)), "{what}");
        }
    }
    assert!(reported > 8, "{reported}");
}
