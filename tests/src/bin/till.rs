//! A kiosk without a screen in a process of its own: sells for a card, again and again, then waits to be looked at.

use anyhow::Result;
use cem_tests::till::{PATIENCE, Till};
use clap::Parser;
use std::path::PathBuf;

#[derive(Parser)]
struct Args {
    /// The kiosk's own file
    #[arg(long)]
    config: PathBuf,
    /// How many sales
    #[arg(long)]
    sales: u32,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(std::io::stderr);
    log.with_ansi(false).init();
    let till = Till::start(&args.config)?;
    for _ in 0..args.sales {
        till.sell()?;
    }
    println!("sold {}", args.sales);
    // Whoever looks ends this process when done; nobody looks for so long.
    std::thread::park_timeout(PATIENCE * 10);
    till.stop();
    Ok(())
}
