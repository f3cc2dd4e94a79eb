//! From a config to what the loop is made of: the disk with what is on it, and the adapters of the board.

use crate::{
    adapters::{AgentSide, Fitted, Render},
    agent::{Link, backend_at},
    clock::Clock,
    config::{AgentPaths, KioskConfig, SessionTimes},
    content::{Content, Shown},
    engine::{Durability, Engine, NoPorts},
    guest::LookUp,
    outbox::OutboxJournal,
    pseudonym::Pseudonyms,
    record::{Recorder, Recording},
    words,
};
use anyhow::{Context as _, Result};
use edge_db::{AttemptRow, AttemptState, Outbox, OutboxOptions};
use kiosk_core::{
    Catalogue, CommandKind, Config, Id, Kiosk, Minor, OpenAttempt, OrderCounter,
    event::{PaymentFact, Trail},
};
use kiosk_devices::{BoardConfig, ReceiptLayout, open_peripherals, open_printer, open_reader, open_terminal, render};
use std::{
    fs,
    sync::{Arc, PoisonError},
};

/// The disk, and a core that knows what is on it.
pub(crate) struct OnDisk {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) kiosk: Kiosk,
    pub(crate) recorder: Recorder,
}

/// Opens the kiosk's file and restores the core from it: before anything else may happen, what was begun is known again.
pub(crate) fn open(config: &KioskConfig, content: &Content) -> Result<OnDisk> {
    let path = config.kiosk_db();
    let mut options = OutboxOptions::new(&path, config.source());
    if let Some(agent) = &config.agent {
        options.watermarks = Some(agent.agent_db.clone());
        options.wake = Some(agent.wake.clone());
    }
    let outbox = Arc::new(Outbox::open(options).with_context(|| format!("{} cannot be opened", path.display()))?);
    tell(&outbox);
    let mut kiosk = Kiosk::new(core_config(config, seed()?), content.catalogue.clone());
    kiosk.restore(open_attempts(&outbox)?, order_counter(&outbox)?);
    let recorder = Recorder::new(Recording::here(&config.device, config.role.word())?);
    Ok(OnDisk { outbox, kiosk, recorder })
}

/// What the start of a damaged, copied or restored file has found, for the log.
fn tell(outbox: &Outbox) {
    let opened = outbox.opened();
    if let Some(why) = &opened.new_log {
        tracing::warn!(why, "a new log was opened");
    }
    if let Some(report) = &opened.salvage {
        tracing::error!(?report, "kiosk.db was damaged; going on with what could be read");
    }
    for hole in &opened.holes {
        tracing::error!(?hole, "events of the log cannot be read");
    }
}

/// Attempts without an outcome on disk, as the core wants them: each counts as sent.
///
/// # Errors
/// When the rows cannot be read: then nothing may be sold.
pub fn open_attempts(outbox: &Outbox) -> Result<Vec<OpenAttempt>> {
    let rows = outbox.open_attempts().context("the payment journal cannot be read")?;
    if !rows.is_empty() {
        tracing::warn!(count = rows.len(), "payments without an end were found; each counts as sent");
    }
    rows.into_iter()
        .map(|row| {
            let visit = outbox.order(row.order).context("the orders cannot be read")?.and_then(|order| order.visit);
            Ok(open_attempt(&row, visit.map(|visit| Id(visit.into_bytes()))))
        })
        .collect()
}

fn open_attempt(row: &AttemptRow, visit: Option<Id>) -> OpenAttempt {
    let fact = PaymentFact {
        payment: Id(row.payment.into_bytes()),
        order: Id(row.order.into_bytes()),
        attempt: Id(row.attempt.into_bytes()),
        // A word of a later release: the terminal is the one tender that must never be thought free.
        tender: words::tender_of(&row.tender).unwrap_or(kiosk_core::Tender::Card),
        amount: Minor(row.amount_minor),
        reference: row.reference,
        outcome: row.outcome.clone(),
        kind: CommandKind::Authorise,
        original: None,
        lines: Vec::new(),
        staff: None,
        trail: Trail {
            period: row.period,
            receipt_before: row.receipt_before,
            acknowledged: row.acknowledged,
            ..Trail::default()
        },
    };
    OpenAttempt { fact, visit, unknown: row.state == AttemptState::Unknown }
}

/// Where the order numbers of the newest day on disk stand.
///
/// # Errors
/// When the rows cannot be read.
pub fn order_counter(outbox: &Outbox) -> Result<OrderCounter> {
    let newest = outbox.newest_orders(1).context("the orders cannot be read")?;
    let Some(order) = newest.into_iter().next() else { return Ok(OrderCounter::default()) };
    let last = outbox.order_counter(&order.business_date).context("the order counter cannot be read")?;
    Ok(OrderCounter { business_date: order.business_date, last: u32::try_from(last).unwrap_or(u32::MAX) })
}

impl Recording {
    /// A device recording on this machine, in this boot.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn here(device: &str, role: &'static str) -> Result<Self> {
        let terminal = format!("{device}/terminal");
        Ok(Self { device: device.to_owned(), role, till: device.to_owned(), terminal, boot: boot_id(), seed: seed()? })
    }
}

fn core_config(config: &KioskConfig, seed: [u8; 32]) -> Config {
    let default = Config::default();
    let SessionTimes { idle_s, still_there_s, done_s } = config.session;
    let ms = |seconds: Option<u32>, default: u64| seconds.map_or(default, |s| u64::from(s) * 1_000);
    Config {
        device: config.letter,
        idle_ms: ms(idle_s, default.idle_ms),
        still_there_ms: ms(still_there_s, default.still_there_ms),
        done_ms: ms(done_s, default.done_ms),
        seed,
        ..default
    }
}

fn seed() -> Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("the system gives no random numbers")?;
    Ok(seed)
}

/// `proc(5)`: a random id for each boot. Empty where there is none; then uptimes of two boots cannot be told apart.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// An engine for replaying baskets into an outbox, without any hardware: feed it intents with the times at which they
/// happened, and [`Engine::flush`] at the end. Records gather into large transactions; a sale in cash is complete without a
/// device, a card is not taken.
///
/// # Errors
/// When the outbox cannot be read.
pub fn replay(outbox: Arc<Outbox>, config: Config, catalogue: Arc<Catalogue>, who: Recording) -> Result<Engine> {
    let mut kiosk = Kiosk::new(config, catalogue);
    kiosk.restore(open_attempts(&outbox)?, order_counter(&outbox)?);
    let engine = Engine::new(kiosk, Recorder::new(who), Box::new(OutboxJournal::new(outbox)), Box::new(NoPorts));
    Ok(engine.with_durability(Durability::DangerousAtFlush))
}

/// Opens what the board-config names.
pub(crate) fn fit(config: &KioskConfig, board: &BoardConfig, shown: &Shown, clock: &Arc<dyn Clock>) -> Result<Fitted> {
    let pseudonyms = Pseudonyms::new(config.tenant_key.clone());
    Ok(Fitted {
        reader: open_reader(board).map(|reader| (reader, pseudonyms)),
        terminal: open_terminal(board),
        printer: open_printer(board).map(|printer| (printer, renderer(board, shown.clone(), clock.clone()))),
        board: open_peripherals(board).context("the microcontroller board cannot be opened")?,
        agent: config.agent.as_ref().map(|paths| agent(paths, config, clock)),
        backend: config.agent.as_ref().map(|paths| backend_at(&paths.ask)),
    })
}

fn agent(paths: &AgentPaths, config: &KioskConfig, clock: &Arc<dyn Clock>) -> (Box<dyn AgentSide>, LookUp) {
    let look_up = LookUp::new(&config.profile_keys, config.store.clone(), clock.clone());
    (Box::new(Link::new(&paths.ask, &paths.agent_db)), look_up)
}

/// Receipts in the shop's words, on this printer's paper.
fn renderer(board: &BoardConfig, shown: Shown, clock: Arc<dyn Clock>) -> Render {
    let printer = board.printer.clone();
    Box::new(move |paper| {
        let content = shown.read().unwrap_or_else(PoisonError::into_inner).clone();
        let lang = content.shop.lang(paper.language()).unwrap_or_default();
        let footer = content.shop.receipt.footer.get(lang);
        let layout = ReceiptLayout {
            header: content.shop.receipt.header.clone(),
            footer: Some(footer.to_owned()).filter(|text| !text.is_empty()).into_iter().collect(),
            columns: printer.as_ref().map_or(42, |p| p.columns()),
            code_page: printer.as_ref().map(|p| p.code_page()).unwrap_or_default(),
            currency: content.catalogue.currency,
            page_url: None,
            offset_min: i32::from(clock.now().offset_min),
            logo: None,
        };
        render(paper, &layout)
    })
}
