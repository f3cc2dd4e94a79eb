//! Real shop baskets through basket, session, outbox, agent and backend, as visits. At the end the backend's orders must agree
//! with the data to the cent, basket by basket, and the numbers of the log must have no gap.

use anyhow::{Context, Result, ensure};
use cem_tests::{
    appliance::{Appliance, Parts},
    baskets::{self, Basket},
};
use clap::Parser;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    collections::HashMap,
    path::PathBuf,
    time::{Duration, Instant},
};

#[derive(Parser)]
#[command(version, about = "Replays real shop baskets as visits")]
struct Arguments {
    /// How many baskets, in order of time; 155848 are all.
    #[arg(long, default_value_t = 10_000)]
    baskets: usize,
    /// Where the replay keeps its files.
    #[arg(long, value_name = "DIR", default_value = "target/replay")]
    run: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let baskets = baskets::read(&baskets::fetch(&arguments.run, arguments.baskets)?)?;
    println!(
        "{} baskets of {} lines in all, {}.{:02} USD",
        baskets.len(),
        baskets.iter().map(|basket| basket.lines.len()).sum::<usize>(),
        baskets::total(&baskets) / 100,
        baskets::total(&baskets) % 100
    );
    let mut appliance = Appliance::start(&arguments.run.join("appliance"), Parts::Upload)?;
    let begun = Instant::now();
    let bars = Bars::new(baskets.len())?;
    appliance.start_agent()?;
    let outbox = appliance.folder().join("kiosk/kiosk.db");
    let expected = baskets::sell(&baskets, &outbox, || {
        bars.sold.inc(1);
        bars.sent.inc(appliance.agent()?.drain().len() as u64);
        Ok(())
    })?;
    bars.sold.finish();
    let sold = begun.elapsed();
    let delivered = deliver(&mut appliance, &bars)?;
    bars.sent.finish();
    verify(&appliance, &baskets, &expected, &bars)?;
    println!(
        "sold in {:.1} s, all at the backend after {:.1} s",
        sold.as_secs_f64(),
        delivered.as_secs_f64() + sold.as_secs_f64()
    );
    appliance.stop()
}

/// Waits until the agent has nothing left, watching its results go by.
fn deliver(appliance: &mut Appliance, bars: &Bars) -> Result<Duration> {
    let begun = Instant::now();
    let mut last_news = Instant::now();
    while appliance.unsent()? > 0 {
        let arrived = appliance.agent()?.drain().len();
        if arrived > 0 {
            last_news = Instant::now();
        }
        ensure!(last_news.elapsed() < Duration::from_secs(60), "nothing has arrived for a minute; see the agent's log");
        bars.sent.inc(arrived as u64);
    }
    Ok(begun.elapsed())
}

fn verify(appliance: &Appliance, baskets: &[Basket], expected: &HashMap<String, i64>, bars: &Bars) -> Result<()> {
    let ledger = appliance.ledger(|read| bars.read.set_position(read as u64))?;
    bars.read.finish();
    ledger.check_gapless()?;
    let visits = ledger.of("cem.visit.started.v1").count();
    ensure!(visits == baskets.len(), "{} visits were made, the backend knows {visits}", baskets.len());
    let mut sum = 0;
    for placed in ledger.of("cem.order.placed.v1") {
        let order = placed["data"]["order"].as_str().context("an order has an id")?;
        let total = placed["data"]["total"]["minor"].as_i64().context("an order has a total")?;
        let wanted = expected.get(order).with_context(|| format!("the backend has the order {order}, which nobody placed"))?;
        ensure!(total == *wanted, "order {order}: {total} at the backend, {wanted} in the data");
        sum += total;
    }
    let orders = ledger.of("cem.order.placed.v1").count();
    ensure!(orders == expected.len(), "{} orders were placed, the backend knows {orders}", expected.len());
    ensure!(sum == baskets::total(baskets), "{sum} at the backend, {} in the data", baskets::total(baskets));
    println!(
        "\n{visits} visits and {orders} orders at the backend, {} events, no gap in `sequence`, totals equal to the cent: {}.{:02} USD",
        ledger.events.len(),
        sum / 100,
        sum % 100
    );
    Ok(())
}

struct Bars {
    sold: ProgressBar,
    sent: ProgressBar,
    read: ProgressBar,
}

impl Bars {
    fn new(baskets: usize) -> Result<Self> {
        let bars = MultiProgress::new();
        let counted = ProgressStyle::with_template("{prefix:28} {bar:40} {pos}/{len} {per_sec}")?;
        let open = ProgressStyle::with_template("{prefix:28} {pos} {per_sec}")?;
        let sold = bars.add(ProgressBar::new(baskets as u64).with_style(counted).with_prefix("visits sold"));
        let sent = bars.add(ProgressBar::no_length().with_style(open.clone()).with_prefix("events accepted"));
        let read = bars.add(ProgressBar::no_length().with_style(open).with_prefix("events read back"));
        Ok(Self { sold, sent, read })
    }
}
