//! The outbox against a model: a list of what was acknowledged to the caller.

use crate::common::*;
use edge_db::{AttemptState, Class, Commit, Identity, LogReader, NewEvent, Outbox, OutboxOptions};
use proptest::prelude::*;
use std::{fs, path::Path};
use tempfile::TempDir;

#[derive(Clone, Debug)]
enum Op {
    /// Commits of this many events each, all in flight at once.
    Append(Vec<u8>),
    /// A commit that contradicts a stored row, between two good ones.
    Contradict,
    /// The backend has this share (of 255) of the log.
    Acknowledge(u8),
    /// The window passes.
    Housekeep,
    /// A clean stop and start.
    Reopen,
    /// The process dies with everything it had written; the disk is as it is.
    Crash,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => prop::collection::vec(0_u8..5, 1..6).prop_map(Op::Append),
        1 => Just(Op::Contradict),
        2 => any::<u8>().prop_map(Op::Acknowledge),
        1 => Just(Op::Housekeep),
        1 => Just(Op::Reopen),
        2 => Just(Op::Crash),
    ];
    prop::collection::vec(op, 1..40)
}

struct World {
    dir: TempDir,
    generation: u32,
    outbox: Option<Outbox>,
    /// Ids by number; those below `first` may be gone.
    committed: Vec<NewEvent>,
    acknowledged: u64,
    next_id: u64,
}

impl World {
    fn new() -> Self {
        let dir = tempdir();
        let mut world = Self { dir, generation: 0, outbox: None, committed: Vec::new(), acknowledged: 0, next_id: 0 };
        fs::create_dir(world.home()).unwrap();
        world.start();
        let settled = attempt(1, AttemptState::Approved);
        world.outbox().commit(Commit { attempts: vec![settled], ..Commit::default() }).unwrap();
        world
    }

    fn home(&self) -> std::path::PathBuf {
        self.dir.path().join(self.generation.to_string())
    }

    fn start(&mut self) {
        let identity = Some(Identity { machine: "m".to_owned(), disk: "d".to_owned(), inode: 1 });
        let mut options = OutboxOptions { identity, ..options(&self.home().join("kiosk.db")) };
        options.limits.checkpoint_idle_bytes = 16 << 10;
        options.limits.checkpoint_bytes = 32 << 10;
        options.limits.wal_bytes = 40 << 10;
        options.limits.ballast_bytes = 0;
        options.limits.retention_days = 0;
        options.limits.batch_rows = 3;
        options.clock = std::sync::Arc::new(|| NOW_MS + 1);
        let outbox = Outbox::open(options).unwrap();
        assert!(outbox.opened().salvage.is_none() && outbox.opened().new_log.is_none());
        self.outbox = Some(outbox);
    }

    fn outbox(&self) -> &Outbox {
        self.outbox.as_ref().unwrap()
    }

    fn events(&mut self, count: u8) -> Vec<NewEvent> {
        (0..count)
            .map(|_| {
                self.next_id += 1;
                large_event(self.next_id, 500)
            })
            .collect()
    }

    fn append(&mut self, sizes: &[u8], contradict: bool) {
        let mut tickets = Vec::new();
        for (at, size) in sizes.iter().enumerate() {
            let events = self.events(*size);
            let mut commit = Commit::events(Class::Telemetry, events.clone());
            let bad = contradict && at == 1;
            if bad {
                commit.attempts.push(attempt(1, AttemptState::Started));
            }
            tickets.push((events, bad, self.outbox().submit(commit).unwrap()));
        }
        for (events, bad, ticket) in tickets {
            match ticket.wait() {
                Ok(committed) => {
                    assert!(!bad);
                    for (event, (id, sequence)) in events.into_iter().zip(committed.sequences) {
                        assert_eq!((event.id, self.committed.len() as u64 + 1), (id, sequence));
                        self.committed.push(event);
                    }
                }
                Err(error) => assert!(bad, "{error}"),
            }
        }
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Append(sizes) => self.append(sizes, false),
            Op::Contradict => self.append(&[1, 2, 1], true),
            Op::Acknowledge(share) => {
                let up_to = self.committed.len() as u64 * u64::from(*share) / 255;
                self.acknowledged = self.acknowledged.max(up_to);
                let log = self.outbox().log().unwrap().log;
                self.outbox().acknowledged(log, up_to).unwrap();
            }
            Op::Housekeep => self.outbox().housekeep().unwrap(),
            Op::Reopen => {
                self.outbox = None;
                self.start();
            }
            Op::Crash => self.crash(),
        }
    }

    fn crash(&mut self) {
        let old = self.home();
        self.generation += 1;
        fs::create_dir(self.home()).unwrap();
        // The writer is idle here: every ticket was waited for. A job of its own would be the first to change a byte.
        for name in ["kiosk.db", "kiosk.db-wal"] {
            fs::copy(old.join(name), self.home().join(name)).unwrap();
        }
        self.outbox = None;
        fs::remove_dir_all(old).unwrap();
        self.start();
    }

    fn verify(&self) {
        let info = self.outbox().log().unwrap();
        assert_eq!(info.head, self.committed.len() as u64);
        assert!(info.first <= self.acknowledged + 1, "{} was given up, {} is acknowledged", info.first - 1, self.acknowledged);
        let stored = read_all(&self.home().join("kiosk.db"), info.log);
        assert_eq!(stored.len() as u64, info.head + 1 - info.first);
        for row in stored {
            let event = &self.committed[row.sequence as usize - 1];
            assert_eq!(row.body, event.seal(SOURCE, info.log, row.sequence, NOW_MS + 1));
        }
    }
}

fn read_all(path: &Path, log: uuid::Uuid) -> Vec<edge_db::Row> {
    let reader = LogReader::open(path).unwrap().unwrap();
    let batch = reader.after(log, 0, usize::MAX, usize::MAX).unwrap();
    assert_eq!(batch.holes, []);
    batch.rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_was_acknowledged_to_the_caller_is_there_in_order_once(ops in ops()) {
        let mut world = World::new();
        for op in &ops {
            world.step(op);
            world.verify();
        }
    }
}
