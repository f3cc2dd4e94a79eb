//! kill -9 at random points under load. `CEM_KILLS` sets how many.

use crate::{common::*, disk::Random};
use edge_db::{Class, Commit, Identity, LogReader, Outbox, OutboxOptions};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

const FILE: &str = "CEM_KILL_FILE";

fn shop(path: &Path) -> OutboxOptions {
    let mut options = options(path);
    options.identity = Some(Identity { machine: "m".to_owned(), disk: "d".to_owned(), inode: 1 });
    options.limits.max_bytes = 64 << 20;
    options.limits.tail_rows = 100_000;
    options
}

/// The victim: four producers, each printing what it was told is on disk. Does nothing unless started as a child.
#[test]
fn victim() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let outbox = Arc::new(Outbox::open(shop(Path::new(&file))).unwrap());
    let next = Arc::new(AtomicU64::new(outbox.log().unwrap().head * 1000));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (outbox, next) = (outbox.clone(), next.clone());
            std::thread::spawn(move || {
                loop {
                    let n = next.fetch_add(2, Relaxed);
                    let commit = Commit { orders: vec![order(n)], ..Commit::events(Class::Sale, vec![event(n), event(n + 1)]) };
                    let Ok(committed) = outbox.commit(commit) else { return };
                    let lines: String = committed.sequences.iter().map(|(id, number)| format!("acked {number} {id}\n")).collect();
                    if std::io::stdout().lock().write_all(lines.as_bytes()).is_err() {
                        return;
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| drop(thread.join()));
}

#[test]
fn kill_9_under_load_loses_nothing_and_leaves_no_gap() {
    let kills = std::env::var("CEM_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let dir = tempdir();
    let mut random = Random::new(5);
    let mut path = dir.path().join("0.db");
    let mut seen = 0;
    let mut acked: Vec<(u64, String)> = Vec::new();
    for kill in 0..kills {
        if kill % 50 == 0 {
            // A new file now and then, so that looking at all of it stays cheap.
            path = dir.path().join(format!("{kill}.db"));
            acked.clear();
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::victim", "--nocapture", "--test-threads=1"])
            .env(FILE, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left = random.below(60);
        for line in lines.map_while(Result::ok) {
            if let Some(("acked", rest)) = line.split_once(' ')
                && let Some((number, id)) = rest.split_once(' ')
                && id.len() == 36
            {
                seen += 1;
                acked.push((number.parse().unwrap(), id.to_owned()));
            }
            if left == 0 {
                // Once; what is in the pipe is read to its end.
                child.kill().unwrap();
            }
            left = left.wrapping_sub(1);
        }
        child.wait().unwrap();
        verify(&path, &acked, kill);
    }
    assert!(seen > kills, "{seen} acknowledgements in {kills} runs");
}

fn verify(path: &Path, acked: &[(u64, String)], kill: u64) {
    let outbox = Outbox::open(shop(path)).unwrap();
    let opened = outbox.opened();
    assert!(opened.salvage.is_none() && opened.holes.is_empty() && opened.new_log.is_none(), "{kill}: {opened:?}");
    let reader = LogReader::open(path).unwrap().unwrap();
    let info = reader.logs().unwrap().pop().unwrap();
    let stored = reader.after(info.log, 0, usize::MAX, usize::MAX).unwrap();
    assert_eq!((stored.rows.len() as u64, stored.holes.len()), (info.head, 0), "{kill}");
    for (number, id) in acked {
        let row = stored.rows.get(*number as usize - 1);
        assert!(row.is_some_and(|row| row.id.to_string() == *id), "{kill}: {number} is lost");
    }
    let orders = reader.newest_orders(usize::MAX).unwrap().len() as u64;
    assert_eq!(orders * 2, info.head, "{kill}: an order without its events");
}
