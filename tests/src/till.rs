//! A kiosk without a screen: the real shell, disk and adapters, and hands that sell one article after the other.

use anyhow::{Context as _, Result, anyhow, bail};
use kiosk_core::{Intent, Service, Snapshot, Stage, Tender, session::PayView};
use kiosk_shell::{KioskConfig, Shell, ShellHandle};
use std::{
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

/// For one step of one sale.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running kiosk. Dropped, it stops.
pub struct Till {
    shell: Shell,
    handle: ShellHandle,
    screen: Receiver<Arc<Snapshot>>,
}

impl Till {
    /// Starts the kiosk of this config.
    pub fn start(config: &Path) -> Result<Self> {
        let (shown, screen) = channel();
        let shell = Shell::start(KioskConfig::load(config)?, Box::new(move |snapshot| drop(shown.send(snapshot))))?;
        let handle = shell.handle();
        Ok(Self { shell, handle, screen })
    }

    /// Sells one article for a card, and waits for its receipt.
    pub fn sell(&self) -> Result<()> {
        let articles = &self.handle.content().catalogue.articles;
        let plain = articles.iter().position(|article| article.groups.is_empty() && article.variants.is_empty());
        let plain = plain.and_then(|at| u32::try_from(at).ok()).context("an article without a choice")?;
        self.until(|snapshot| snapshot.stage == Stage::Attract)?;
        for intent in [
            Intent::Begin,
            Intent::ChooseService(Service::Takeaway),
            Intent::QuickAdd(kiosk_core::ArticleId(plain)),
            Intent::OpenBasket,
            Intent::Checkout,
            Intent::Pay(Tender::Card),
        ] {
            self.send(intent)?;
        }
        let refused = |pay: PayView| matches!(pay, PayView::Declined { .. } | PayView::TerminalLost);
        let end = self.until(|snapshot| snapshot.receipt_printed || refused(snapshot.pay))?;
        if refused(end.pay) {
            bail!("the sale ended as {:?}", end.pay);
        }
        self.send(Intent::Finish)
    }

    /// What a guest does.
    pub fn send(&self, intent: Intent) -> Result<()> {
        self.handle.send(intent).map_err(|refused| anyhow!("{refused:?}"))
    }

    /// The first of the snapshots to come that is so.
    pub fn until(&self, is: impl Fn(&Snapshot) -> bool) -> Result<Arc<Snapshot>> {
        loop {
            let snapshot = self.screen.recv_timeout(PATIENCE).context("the kiosk shows nothing new")?;
            if is(&snapshot) {
                return Ok(snapshot);
            }
        }
    }

    /// Stops it; all is on disk.
    pub fn stop(self) {
        self.shell.stop();
    }
}
