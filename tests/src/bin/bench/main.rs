//! Benchmarks beside peers, in the same run: counts first, then ratios, then times.

use anyhow::{Context, Result};
use cem_tests::{kills, proc};
use clap::{Parser, Subcommand};

mod queue;
mod upload;

#[derive(Parser)]
#[command(version, about = "Measures beside peers, in the same run")]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// The outbox beside other durable queues, on a disk with a slow fsync.
    Queue {
        /// Seconds of each run.
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
        /// Rounds; each runs every contestant once, in turn.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Milliseconds that each fsync takes.
        #[arg(long, default_value_t = 6)]
        fsync_ms: u32,
    },
    /// `kill -9` of writer and agent under load, with the backend as the ledger.
    Kills {
        /// How many kills.
        #[arg(long, default_value_t = 10_000)]
        kills: usize,
        /// Where the points are drawn from.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Catching up over a long wire, beside syslog-ng with a disk buffer.
    Upload {
        /// How many events of real baskets are waiting.
        #[arg(long, default_value_t = 100_000)]
        events: usize,
        /// Round trip of the wire, milliseconds.
        #[arg(long, default_value_t = 50)]
        round_trip_ms: u64,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().bench {
        Bench::Queue { seconds, rounds, fsync_ms } => queue::run(seconds, rounds, fsync_ms),
        Bench::Kills { kills, seed } => killed(kills, seed),
        Bench::Upload { events, round_trip_ms } => upload::run(events, round_trip_ms),
    }
}

/// Rounds of at most this many kills, so that the ledger read at the end of each stays small.
const ROUND: usize = 250;

fn killed(kills: usize, seed: u64) -> Result<()> {
    let folder = proc::programs()?.parent().context("target folder")?.join("bench/kills");
    let mut all = kills::Toll::default();
    let mut round = seed;
    while all.writers + all.agents < kills {
        let toll = kills::run(&folder, ROUND.min(kills - all.writers - all.agents), round)?;
        all.writers += toll.writers;
        all.agents += toll.agents;
        all.acknowledged += toll.acknowledged;
        all.arrived += toll.arrived;
        round = round.wrapping_add(1);
        println!(
            "{} writers and {} agents killed: {} events acknowledged, {} arrived, 0 lost, 0 doubled, no gap",
            all.writers, all.agents, all.acknowledged, all.arrived
        );
    }
    Ok(())
}
