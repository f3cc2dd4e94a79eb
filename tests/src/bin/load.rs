//! Load on the outbox: producers beside each other, each waiting for its event to be durable before it makes the next.
//! Prints one line an acknowledged event, or a summary with latencies. Used by the kill test and the queue bench.

use anyhow::{Context, Result};
use cem_contract::{Clock, Consent, NewEvent};
use clap::Parser;
use edge_db::{Class, Commit, Durability, Outbox, OutboxOptions};
use std::{
    collections::VecDeque,
    fs::File,
    io::{Seek, Write},
    path::{Path, PathBuf},
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Events of one producer that are made beforehand, at most.
const READY: u64 = 20_000;
const PAGE: usize = 4096;

#[derive(Parser)]
#[command(version, about = "Writes events into an outbox as fast as they become durable")]
struct Arguments {
    /// The outbox file.
    #[arg(long)]
    outbox: PathBuf,
    /// The source of the events.
    #[arg(long, default_value = "/stores/s-001/devices/k-01")]
    source: String,
    /// Producers beside each other.
    #[arg(long, default_value_t = 16)]
    producers: usize,
    /// Events that each producer has under way at a time.
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
    /// Stop after this many seconds.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Stop after this many events of each producer.
    #[arg(long, default_value_t = u64::MAX)]
    count: u64,
    /// Print each acknowledged id as soon as it is durable.
    #[arg(long)]
    print_ids: bool,
    /// Only write a page to the file and fsync it, so many times: what the disk itself takes.
    #[arg(long)]
    bare_fsync: Option<usize>,
    /// Promise less, to show what it costs: a power cut loses acknowledged events.
    #[arg(long)]
    dangerous_normal: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(times) = arguments.bare_fsync {
        return bare_fsync(&arguments.outbox, times);
    }
    let mut options = OutboxOptions::new(&arguments.outbox, &arguments.source);
    if arguments.dangerous_normal {
        options.durability = Durability::DangerousNormal;
    }
    let outbox = Arc::new(Outbox::open(options).context("opening the outbox")?);
    let start = Arc::new(Barrier::new(arguments.producers + 1));
    let producers: Vec<_> = (0..arguments.producers)
        .map(|index| {
            let (outbox, start) = (Arc::clone(&outbox), Arc::clone(&start));
            let (seconds, print, in_flight) =
                (Duration::from_secs_f64(arguments.seconds), arguments.print_ids, arguments.in_flight);
            let count = arguments.count;
            thread::Builder::new().name(format!("producer {index}")).spawn(move || {
                // A bounded run has its events ready: what is measured is the queue, not how long it takes to write JSON.
                let ready = (0..if count <= READY { count } else { 0 }).map(|number| event(index, number)).collect();
                start.wait();
                produce(&outbox, Run { producer: index, count, in_flight, end: Instant::now() + seconds, print }, ready)
            })
        })
        .collect::<Result<_, _>>()?;
    start.wait();
    let begun = Instant::now();
    let mut latencies = Vec::new();
    for producer in producers {
        latencies.extend(producer.join().map_err(|_| anyhow::anyhow!("a producer panicked"))??);
    }
    let took = begun.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at =
        |share: f64| latencies.get(((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1))).copied();
    println!(
        "{}",
        serde_json::json!({
            "events": latencies.len(), "seconds": took, "per_second": latencies.len() as f64 / took,
            "producers": arguments.producers, "in_flight": arguments.in_flight,
            "p50_ms": at(0.5).map(milliseconds), "p99_ms": at(0.99).map(milliseconds), "max_ms": at(1.0).map(milliseconds),
        })
    );
    Ok(())
}

fn bare_fsync(path: &Path, times: usize) -> Result<()> {
    let mut file = File::create(path).context("making the file")?;
    // Written beforehand, as the outbox does with its WAL.
    file.write_all(&vec![0; PAGE * times]).and_then(|()| file.sync_all()).context("preparing the file")?;
    file.rewind()?;
    let mut latencies = Vec::with_capacity(times);
    for _ in 0..times {
        let begun = Instant::now();
        file.write_all(&[1; PAGE]).and_then(|()| file.sync_all()).context("writing")?;
        latencies.push(begun.elapsed());
    }
    latencies.sort_unstable();
    println!("{}", serde_json::json!({ "p50_ms": latencies.get(times / 2).copied().map(milliseconds) }));
    Ok(())
}

fn milliseconds(latency: Duration) -> f64 {
    latency.as_secs_f64() * 1000.0
}

/// What one producer does.
struct Run {
    producer: usize,
    count: u64,
    in_flight: usize,
    end: Instant,
    print: bool,
}

fn produce(outbox: &Outbox, run: Run, mut ready: VecDeque<NewEvent>) -> Result<Vec<Duration>> {
    let Run { producer, count, in_flight, end, print } = run;
    let mut latencies = Vec::new();
    let mut made = 0;
    while made < count && Instant::now() < end {
        let mut waiting = Vec::with_capacity(in_flight);
        for _ in 0..in_flight {
            let commit = Commit::events(Class::Sale, vec![ready.pop_front().unwrap_or_else(|| event(producer, made))]);
            waiting.push((Instant::now(), outbox.submit(commit).context("submit")?));
            made += 1;
        }
        for (begun, ticket) in waiting {
            let committed = ticket.wait().context("commit")?;
            latencies.push(begun.elapsed());
            if print {
                let mut out = std::io::stdout().lock();
                for (id, sequence) in committed.sequences {
                    writeln!(out, "ack {id} {sequence}")?;
                }
                out.flush()?;
            }
        }
    }
    Ok(latencies)
}

/// A basket change of the size that real ones have.
fn event(producer: usize, number: u64) -> NewEvent {
    let line = serde_json::json!({
        "line": 1, "sku": format!("sku-{producer}-{number}"), "name": "Harbour burger, medium, extra cheddar", "quantity": 1,
        "amount": {"minor": 1310, "currency": "EUR"}, "tax_code": "A",
        "modifiers": [{"group": "cooking", "sku": "medium", "name": "Medium", "quantity": 1, "amount": {"minor": 0, "currency": "EUR"}},
                      {"group": "extras", "sku": "cheddar", "name": "Extra cheddar", "quantity": 1, "amount": {"minor": 120, "currency": "EUR"}}],
    });
    NewEvent {
        id: Uuid::now_v7(),
        kind: "cem.basket.changed.v1".into(),
        time_ms: jiff::Timestamp::now().as_millisecond(),
        visitid: Some(Uuid::now_v7()),
        visitor: None,
        consent: Consent::None,
        clock: Clock::Synced,
        boot: "00000000-0000-4000-8000-000000000000".into(),
        uptime_ms: 1,
        data: serde_json::json!({"action": "add", "line": line, "by": "customer"}),
    }
}
