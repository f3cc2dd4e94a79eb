//! Durable events a second on a disk whose fsync is slow, beside other queues; fsyncs an event; latency.
//!
//! The slow disk is made by strace, which holds back each fsync and fdatasync of the traced program and counts them.

use anyhow::{Context, Result, bail, ensure};
use cem_tests::{appliance::root, proc::program, python};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const PEERS: [&str; 5] = ["persist-queue", "localqueue-durable", "litequeue-full", "sqlite-full", "litequeue-normal"];
const PRODUCERS: &str = "16";

/// What one run said: its own summary, and the fsyncs that strace counted.
struct Ran {
    said: Value,
    fsyncs: usize,
}

impl Ran {
    fn number(&self, field: &str) -> f64 {
        self.said[field].as_f64().unwrap_or(f64::NAN)
    }
}

pub(crate) fn run(seconds: f64, rounds: usize, fsync_ms: u32) -> Result<()> {
    let python = python::environment("bench", &["persist-queue==1.1.0", "localqueue==1.4.1", "litequeue==0.9"])?;
    let folder = program("load")?.get_program().to_owned();
    let folder = PathBuf::from(folder).parent().and_then(Path::parent).context("target folder")?.join("bench/queue");
    let seconds_text = seconds.to_string();

    println!(
        "every fsync is held back by {fsync_ms} ms; {PRODUCERS} producers, each waiting for its own event; {rounds} rounds of {seconds} s\n"
    );
    let mut ours = Vec::new();
    let mut theirs: Vec<Vec<Ran>> = PEERS.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        ours.push(load(&folder, fsync_ms, &["--producers", PRODUCERS, "--seconds", &seconds_text])?);
        for (peer, runs) in PEERS.iter().zip(&mut theirs) {
            let mut command = Command::new(&python);
            command
                .arg(root().join("tests/bench/queue_peers.py"))
                .arg(peer)
                .arg(fresh(&folder)?)
                .args([PRODUCERS, &seconds_text]);
            runs.push(traced(command, fsync_ms, &folder)?);
        }
    }
    let own = median(&ours, "per_second");
    println!("{:22} {:>28} {:>10} {:>12} {:>8}", "", "durability", "events", "events/s", "ours is");
    row("outbox (this project)", "WAL, synchronous=FULL", &ours, own);
    for (peer, runs) in PEERS.iter().zip(&theirs) {
        row(&format!("{peer} {}", word(runs, "version")), &word(runs, "durability"), runs, own);
    }
    let best =
        PEERS.iter().zip(&theirs).filter(|(peer, _)| !peer.ends_with("normal")).map(|(_, runs)| median(runs, "per_second"));
    println!("\nbeside the best durable peer: {:.1} times as many events a second", own / best.fold(f64::NAN, f64::max));

    let bare = load(&folder, fsync_ms, &["--bare-fsync", "400"])?.number("p50_ms");
    println!("\nfsyncs an event and latency, the same slow disk; a page written and fsynced alone takes {bare:.2} ms");
    for (what, arguments) in [
        ("one producer", vec!["--producers", "1", "--count", "400", "--seconds", "60"]),
        ("64 in flight", vec!["--producers", "1", "--in-flight", "64", "--count", "12800", "--seconds", "60"]),
        ("16 closed-loop producers", vec!["--producers", "16", "--count", "1000", "--seconds", "60"]),
    ] {
        let ran = load(&folder, fsync_ms, &arguments)?;
        let empty = load(&folder, fsync_ms, &["--producers", "1", "--count", "0"])?;
        let fsyncs = ran.fsyncs.saturating_sub(empty.fsyncs);
        println!(
            "  {what:26} {:6} events {fsyncs:6} fsyncs {:.4} an event   p50 {:.2} ms = {:.2} fsyncs   p99 {:.2} ms = {:.2} fsyncs",
            ran.number("events"),
            fsyncs as f64 / ran.number("events"),
            ran.number("p50_ms"),
            ran.number("p50_ms") / bare,
            ran.number("p99_ms"),
            ran.number("p99_ms") / bare,
        );
    }
    Ok(())
}

fn load(folder: &Path, fsync_ms: u32, arguments: &[&str]) -> Result<Ran> {
    let mut command = program("load")?;
    command.arg("--outbox").arg(fresh(folder)?.join("kiosk.db")).args(arguments);
    traced(command, fsync_ms, folder)
}

/// Runs a command on a disk with a slow fsync.
fn traced(command: Command, fsync_ms: u32, folder: &Path) -> Result<Ran> {
    let trace = folder.join("trace.txt");
    let output = Command::new("strace")
        .args(["--seccomp-bpf", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-e"])
        .arg(format!("inject=fsync,fdatasync:delay_exit={}", fsync_ms * 1000))
        .arg("-o")
        .arg(&trace)
        .arg(command.get_program())
        .args(command.get_args())
        .output()
        .context("strace is needed (Debian: strace)")?;
    if !output.status.success() {
        bail!(
            "{} ended with {}: {}",
            command.get_program().to_string_lossy(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let said = serde_json::from_str(text.lines().last().unwrap_or("")).with_context(|| format!("no summary in: {text}"))?;
    let fsyncs = fs::read_to_string(&trace)?.lines().filter(|line| line.contains("sync(")).count();
    Ok(Ran { said, fsyncs })
}

fn fresh(folder: &Path) -> Result<PathBuf> {
    let fresh = folder.join("files");
    fs::remove_dir_all(&fresh).ok();
    fs::create_dir_all(&fresh)?;
    ensure!(fresh.is_dir(), "{} is not a folder", fresh.display());
    Ok(fresh)
}

fn median(runs: &[Ran], field: &str) -> f64 {
    let mut numbers: Vec<f64> = runs.iter().map(|run| run.number(field)).collect();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn word(runs: &[Ran], field: &str) -> String {
    runs.first().and_then(|run| run.said[field].as_str()).unwrap_or("").to_owned()
}

fn row(name: &str, durability: &str, runs: &[Ran], own: f64) {
    let count = |run: &Ran| run.said["events"].as_f64().or_else(|| run.said["puts"].as_f64()).unwrap_or(0.0);
    let events: f64 = runs.iter().map(count).sum();
    let rate = median(runs, "per_second");
    println!("{name:22} {durability:>28} {events:>10} {rate:>12.0} {:>7.1}x", own / rate);
}
