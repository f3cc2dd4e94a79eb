//! Benchmarks beside peers, in the same run: counts first, then ratios, then times.

use anyhow::Result;
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
        Bench::Upload { events, round_trip_ms } => upload::run(events, round_trip_ms),
    }
}
