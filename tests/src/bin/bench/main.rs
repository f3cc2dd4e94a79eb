//! Benchmarks beside peers, in the same run: counts first, then ratios, then times.

use anyhow::{Context, Result, anyhow, bail};
use cem_tests::{kills, money, proc};
use clap::{Parser, Subcommand};

mod basket;
mod greeting;
mod queue;
mod tap;
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
    /// Every way in which a card payment can go wrong: the real core on models of journal and terminal.
    Money {
        /// How many schedules; every one there is by default.
        #[arg(long, default_value_t = money::SCHEDULES)]
        schedules: u64,
    },
    /// From a card on the simulated reader to its proven identity, through the real libnfc.
    Tap {
        /// How many taps at the pace of wire and radio.
        #[arg(long, default_value_t = 200)]
        taps: usize,
        /// Looks for a card between the first and the last taps without any pace.
        #[arg(long, default_value_t = 100_000)]
        polls: u64,
        /// How many first and last taps.
        #[arg(long, default_value_t = 1000)]
        drift_taps: usize,
    },
    /// The next basket of real households, beside TIFU-KNN.
    Basket {
        /// Leave out the second-last basket, to choose numbers by; peers are not asked.
        #[arg(long)]
        tune: bool,
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
        Bench::Money { schedules } => paid(schedules),
        Bench::Tap { taps, polls, drift_taps } => tap::run(taps, polls, drift_taps),
        Bench::Basket { tune } => basket::run(tune),
        Bench::Upload { events, round_trip_ms } => upload::run(events, round_trip_ms),
    }
}

fn paid(schedules: u64) -> Result<()> {
    let begun = std::time::Instant::now();
    let other = std::thread::spawn(move || money::run(schedules, 1, 2, None));
    let halves = [money::run(schedules, 0, 2, None), other.join().map_err(|_| anyhow!("a half of the run ended badly"))?];
    let mut all = money::Seen::default();
    for half in halves {
        let seen = half.map_err(|why| anyhow!("{why}"))?;
        all.schedules += seen.schedules;
        all.charges += seen.charges;
        all.by_enquiry += seen.by_enquiry;
        all.by_person += seen.by_person;
    }
    println!(
        "{} schedules, {} charges: 0 twice, 0 forgotten, 0 made unpaid, 0 settled by another's receipt",
        all.schedules, all.charges
    );
    println!("{} settled by the terminal's last receipt, {} by a person, {:.1?}", all.by_enquiry, all.by_person, begun.elapsed());
    for mutant in money::Mutant::ALL {
        match money::run(schedules, 0, 1, Some(mutant)) {
            Err(why) => println!("{mutant:?}: caught ({})", why.lines().next().unwrap_or_default()),
            Ok(_) => bail!("{mutant:?} went unnoticed"),
        }
    }
    Ok(())
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
