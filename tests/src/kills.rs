//! `kill -9` of the writer and of the agent at random points under load, with the backend as the ledger: everything that
//! was acknowledged arrives, once, and the numbers have no gap.

use crate::{
    appliance::{Appliance, Parts},
    proc::{Running, program},
};
use anyhow::{Context, Result, ensure};
use std::{collections::BTreeSet, path::Path, time::Duration};

const PATIENCE: Duration = Duration::from_secs(30);

/// What was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Toll {
    /// Writers killed.
    pub writers: usize,
    /// Agents killed.
    pub agents: usize,
    /// Events that the writer said were durable.
    pub acknowledged: usize,
    /// Events at the backend: those, and some whose acknowledgement the kill cut off.
    pub arrived: usize,
}

/// Kills `kills` times in all, at points drawn from `seed`; fails on any lost, doubled or missing number.
pub fn run(folder: &Path, kills: usize, seed: u64) -> Result<Toll> {
    let mut appliance = Appliance::start(folder, Parts::Upload)?;
    let mut random = Random(seed);
    let mut toll = Toll::default();
    let mut acknowledged = BTreeSet::new();
    appliance.start_agent()?;
    while toll.writers + toll.agents < kills {
        let mut writer = start_writer(&appliance)?;
        let until = 1 + random.below(400);
        for _ in 0..until {
            let line = writer.line(PATIENCE)?.context("the writer goes on until it is killed")?;
            acknowledged.insert(id_of(&line)?);
        }
        if random.below(2) == 0 {
            appliance.kill_agent()?;
            appliance.start_agent()?;
            toll.agents += 1;
        }
        let rest = writer.kill()?;
        toll.writers += 1;
        for line in rest.iter().filter(|line| line.starts_with("ack ")) {
            acknowledged.insert(id_of(line)?);
        }
    }
    appliance.stop_agent()?;
    appliance.send_all().context("after the last kill everything can be sent")?;
    let ledger = appliance.ledger(|_| ())?;
    ledger.check_gapless()?;
    let arrived: BTreeSet<&str> = ledger.events.iter().filter_map(|event| event["id"].as_str()).collect();
    let lost: Vec<&String> = acknowledged.iter().filter(|id| !arrived.contains(id.as_str())).collect();
    ensure!(lost.is_empty(), "{} acknowledged events never arrived: {lost:?}", lost.len());
    toll.acknowledged = acknowledged.len();
    toll.arrived = arrived.len();
    appliance.stop()?;
    Ok(toll)
}

fn start_writer(appliance: &Appliance) -> Result<Running> {
    let mut command = program("load")?;
    command.arg("--outbox").arg(appliance.folder().join("kiosk/kiosk.db")).args([
        "--producers",
        "4",
        "--seconds",
        "600",
        "--print-ids",
    ]);
    Running::start("load", command, &appliance.folder().join("logs"))
}

/// `ack <id> <number>`; a line cut off by the kill was never said.
fn id_of(line: &str) -> Result<String> {
    Ok(line.split(' ').nth(1).with_context(|| format!("'{line}' names no event"))?.to_owned())
}

/// SplitMix64: the points of a run can be drawn again from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}
