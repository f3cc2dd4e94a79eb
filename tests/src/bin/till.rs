//! A kiosk without a screen in a process of its own: sells for a card, again and again, then waits to be looked at.

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use kiosk_core::{Intent, Service, Snapshot, Stage, Tender, session::PayView};
use kiosk_shell::{KioskConfig, Shell, ShellHandle};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

/// For one step of one sale.
const PATIENCE: Duration = Duration::from_secs(60);

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
    let filter = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(std::io::stderr);
    filter.with_ansi(false).init();
    let (shown, screen) = channel();
    let shell = Shell::start(KioskConfig::load(&args.config)?, Box::new(move |snapshot| drop(shown.send(snapshot))))?;
    let handle = shell.handle();
    for _ in 0..args.sales {
        sell(&handle, &screen)?;
    }
    println!("sold {}", args.sales);
    // Whoever looks ends this process when done; nobody looks for so long.
    std::thread::park_timeout(PATIENCE * 10);
    shell.stop();
    Ok(())
}

fn sell(handle: &ShellHandle, screen: &Receiver<Arc<Snapshot>>) -> Result<()> {
    let plain = handle.content().catalogue.articles.iter().position(|a| a.groups.is_empty() && a.variants.is_empty());
    let plain = plain.and_then(|at| u32::try_from(at).ok()).context("an article without a choice")?;
    let send = |intent| handle.send(intent).map_err(|refused| anyhow::anyhow!("{refused:?}"));
    until(screen, |s| s.stage == Stage::Attract)?;
    send(Intent::Begin)?;
    send(Intent::ChooseService(Service::Takeaway))?;
    send(Intent::QuickAdd(kiosk_core::ArticleId(plain)))?;
    send(Intent::OpenBasket)?;
    send(Intent::Checkout)?;
    send(Intent::Pay(Tender::Card))?;
    let end = until(screen, |s| s.stage == Stage::Done || matches!(s.pay, PayView::Declined { .. } | PayView::TerminalLost))?;
    if end.stage != Stage::Done {
        bail!("the sale ended as {:?}", end.pay);
    }
    send(Intent::Finish)?;
    Ok(())
}

fn until(screen: &Receiver<Arc<Snapshot>>, is: impl Fn(&Snapshot) -> bool) -> Result<Arc<Snapshot>> {
    loop {
        let snapshot = screen.recv_timeout(PATIENCE).context("the kiosk shows nothing new")?;
        if is(&snapshot) {
            return Ok(snapshot);
        }
    }
}
