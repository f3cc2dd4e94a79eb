//! The next basket of real households, foretold by the kiosk's own habits, beside others in the same run.
//!
//! Of 'The Complete Journey' each household's last basket is left out; everything before it becomes the history that a signed profile
//! carries, at most 2 KB, and is read back from its bytes. Recall and nDCG of the first ten, mean over the households. The numbers in
//! `kiosk_core::habit` were chosen on the second-last baskets (`--tune`), never on these.

use anyhow::{Context, Result, ensure};
use cem_contract::history::{History, PastOrder};
use cem_tests::{appliance::root, baskets, proc, python};
use kiosk_core::{
    device::UsualItem,
    habit::{Habit, Habits, Moment, Rhythm},
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// How many are foretold.
const AT: usize = 10;
/// More than there are.
const ALL: usize = 10_000_000;

/// What a thing is.
#[derive(Clone, Copy)]
struct Kind {
    title: &'static str,
    /// Its column in the file, for the peers.
    column: &'static str,
    of: fn(&baskets::Line) -> &str,
}

const KINDS: [Kind; 2] = [
    Kind { title: "product types", column: "7", of: |line| &line.name },
    Kind { title: "products", column: "4", of: |line| &line.product },
];

#[derive(Deserialize)]
struct Line {
    name: String,
    version: String,
    recall: f64,
    ndcg: f64,
    guests: usize,
    ms: f64,
}

pub(crate) fn run(tune: bool) -> Result<()> {
    let folder = proc::programs()?.parent().context("target folder")?.join("replay");
    let file = baskets::fetch(&folder, ALL)?;
    let baskets = baskets::read(&file)?;
    let left_out = if tune { 2 } else { 1 };
    for kind in KINDS {
        println!("{}, the {} basket left out:", kind.title, if tune { "second-last" } else { "last" });
        ours(&baskets, kind, left_out)?;
        if !tune {
            peers(&file, kind)?;
        }
    }
    Ok(())
}

fn ours(baskets: &[baskets::Basket], kind: Kind, left_out: usize) -> Result<()> {
    let mut households: BTreeMap<u32, Vec<PastOrder>> = BTreeMap::new();
    for basket in baskets {
        let things: BTreeSet<&str> = basket.lines.iter().map(kind.of).collect();
        let things = things.into_iter().map(|thing| (thing.to_owned(), Vec::new())).collect();
        households.entry(basket.household).or_default().push(PastOrder { at_ms: basket.at_s * 1_000, things });
    }
    households.retain(|_, orders| orders.len() > left_out);
    let mut sold: HashMap<&str, u32> = HashMap::new();
    for order in households.values().flat_map(|orders| &orders[..orders.len() - left_out]) {
        order.things.iter().for_each(|(thing, _)| *sold.entry(thing).or_default() += 1);
    }
    let mut popular: Vec<&str> = sold.keys().copied().collect();
    popular.sort_by_key(|thing| std::cmp::Reverse((sold[thing], *thing)));

    let (mut recall, mut gain, mut bytes, mut largest) = (0.0, 0.0, 0, 0);
    let (mut folding, mut ranking, mut slowest) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for orders in households.values() {
        let (before, rest) = orders.split_at(orders.len() - left_out);
        let wanted: BTreeSet<&str> = rest[0].things.iter().map(|(thing, _)| thing.as_str()).collect();
        let begun = Instant::now();
        let wire = serde_json::to_vec(&History::fold(before, rest[0].at_ms))?;
        folding += begun.elapsed();
        (bytes, largest) = (bytes + wire.len(), largest.max(wire.len()));
        let begun = Instant::now();
        let habits = read(&wire)?;
        let ranked = habits.ranked(Moment::at(rest[0].at_ms), |sku| sold.get(sku).copied().unwrap_or(0));
        let took = begun.elapsed();
        (ranking, slowest) = (ranking + took, slowest.max(took));
        let mut best: Vec<&str> = ranked.into_iter().take(AT).map(|habit| habit.item.sku.as_str()).collect();
        let others = popular.iter().filter(|thing| !best.contains(thing)).take(AT - best.len()).copied().collect::<Vec<_>>();
        best.extend(others);
        let hits: Vec<f64> = best.iter().map(|thing| f64::from(u8::from(wanted.contains(thing)))).collect();
        recall += hits.iter().sum::<f64>() / wanted.len() as f64;
        let discount = |at: usize| (at as f64 + 2.0).log2();
        let ideal: f64 = (0..AT.min(wanted.len())).map(|at| 1.0 / discount(at)).sum();
        gain += hits.iter().enumerate().map(|(at, hit)| hit / discount(at)).sum::<f64>() / ideal;
    }
    let guests = households.len();
    let each = |total: Duration| total.as_secs_f64() * 1_000.0 / guests as f64;
    println!(
        "  kiosk's habits          recall@10 {:.4}  nDCG@10 {:.4}  {guests} guests",
        recall / guests as f64,
        gain / guests as f64
    );
    println!(
        "    {} bytes a guest, {largest} at most; {:.3} ms to read and rank, {:.3} at most; {:.3} ms to fold at the backend",
        bytes / guests,
        each(ranking),
        slowest.as_secs_f64() * 1_000.0,
        each(folding)
    );
    Ok(())
}

/// As the kiosk reads it.
fn read(wire: &[u8]) -> Result<Habits> {
    let history: History = serde_json::from_slice(wire)?;
    ensure!(history.is_readable(), "a form that the kiosk does not know");
    let rhythm = |r: cem_contract::history::Rhythm| Rhythm { parts: r.parts, days: r.days };
    let items = history.items.iter().map(|habit| Habit {
        item: UsualItem { sku: habit.sku.clone(), modifiers: Vec::new(), quantity: 1 },
        orders: habit.orders,
        last_day: habit.last_day.into(),
        gap_days: habit.gap_days,
        rhythm: rhythm(habit.rhythm),
    });
    Ok(Habits { whole: rhythm(history.rhythm()), items: items.collect() })
}

fn peers(file: &Path, kind: Kind) -> Result<()> {
    let python = python::environment("basket", &["cornac==3.0.1", "scipy", "numpy"])?;
    let output = Command::new(python)
        .arg(root().join("tests/bench/basket_peers.py"))
        .arg(file)
        .arg(kind.column)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    ensure!(output.status.success(), "the peers ended with {}", output.status);
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Line { name, version, recall, ndcg, guests, ms } = serde_json::from_str(line)?;
        println!("  {name:<17} {version:<12}  recall@10 {recall:.4}  nDCG@10 {ndcg:.4}  {guests} guests, {ms:.1} ms each");
    }
    Ok(())
}
