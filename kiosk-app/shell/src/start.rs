//! From a config to what the loop is made of: the disk with what is on it, and the adapters of the board.

use crate::{
    adapters::{Asking, CardDesk, DeskSide, FiscalSide, Fitted, Render, ScannerSide, Seals, agent_at},
    agent::{CachedKeys, KeyAtHand, Link, backend_at},
    clock::Clock,
    config::{KioskConfig, SessionTimes},
    content::{Content, Shown},
    desk,
    engine::{Durability, Engine, NoPorts},
    glass::GlassSide,
    guest::LookUp,
    issue::{AgentOffice, Bench, Issuer, address},
    keys::{KeyAsker, KeyRing},
    outbox::OutboxJournal,
    page::Pages,
    proof::Proofs,
    pseudonym::{KnownBadges, Pseudonyms},
    record::{Recorder, Recording},
    staff::StaffDoor,
    verify::{CardKeys, Handed, NoKeys, TapCounters, Verifier},
    words,
};
use anyhow::{Context as _, Result};
use cem_contract::kinds;
use edge_db::{AttemptKind, AttemptRow, AttemptState, OrderState, Outbox, OutboxOptions, TerminalRow};
use kiosk_core::{
    Catalogue, Config, Id, Kiosk, Minor, OpenAttempt, OrderCounter, Paper, Restored,
    accounts::is_account,
    config::TerminalLimits,
    event::{PaymentFact, TerminalBook, Trail},
    payments::OrderInParts,
};
use kiosk_devices::{
    Bitmap, BoardConfig, ReceiptLayout,
    board::{Fiscal, OnOutage, Terminal},
    open_fiscal, open_peripherals, open_printer, open_reader, open_scanner, open_terminal, render,
};
use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc, PoisonError,
        mpsc::{SyncSender, sync_channel},
    },
    time::Duration,
};
use uuid::Uuid;

/// The disk, and a core that knows what is on it.
pub(crate) struct OnDisk {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) kiosk: Kiosk,
    pub(crate) recorder: Recorder,
}

/// Opens the kiosk's file.
pub(crate) fn open_outbox(config: &KioskConfig) -> Result<Arc<Outbox>> {
    let path = config.kiosk_db();
    let mut options = OutboxOptions::new(&path, config.source());
    options.limits.max_bytes = config.disk_max_bytes.unwrap_or(options.limits.max_bytes);
    if let Some(agent) = &config.agent {
        options.watermarks = Some(agent.agent_db.clone());
        options.wake = Some(agent.wake.clone());
    }
    let outbox = Arc::new(Outbox::open(options).with_context(|| format!("{} cannot be opened", path.display()))?);
    tell(&outbox);
    Ok(outbox)
}

/// Opens the kiosk's file and restores the core from it: before anything else may happen, what was begun is known again.
pub(crate) fn open(config: &KioskConfig, shared: &Shared, board: &BoardConfig, content: &Content) -> Result<OnDisk> {
    let outbox = open_outbox(config)?;
    let mut kiosk = Kiosk::new(core_config(config, board, content, seed()?), content.catalogue.clone());
    let pages = config.receipt.page_url.is_some().then(|| Pages::new(shared.ring.clone()));
    let here = Recording { till: config.device.clone(), pages, ..Recording::here(&config.device, config.role.word())? };
    let terminal = here.terminal.clone();
    let mut recorder = Recorder::new(here).with_proofs(shared.proofs.clone());
    kiosk.restore(restored(&outbox, &terminal, &mut recorder)?, order_counter(&outbox)?);
    kiosk.restore_desk(desk::restored(&outbox, &config.device).context("the till's book cannot be read")?);
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

/// Orders that are looked at for having been left behind by a stop.
const LEFT_BEHIND: usize = 64;

/// What is on disk about money, as the core wants it: attempts without an outcome count as sent. Orders whose state may still
/// change go to the recorder.
///
/// # Errors
/// When the rows cannot be read: then nothing may be sold.
pub fn restored(outbox: &Outbox, terminal: &str, recorder: &mut Recorder) -> Result<Restored> {
    let unreadable = "the payment journal cannot be read";
    let rows = outbox.open_attempts().context(unreadable)?;
    if !rows.is_empty() {
        tracing::warn!(count = rows.len(), "payments without an end were found; each counts as sent");
    }
    let mut open = Vec::new();
    for row in &rows {
        let order = outbox.order(row.order).context("the orders cannot be read")?;
        open.push(OpenAttempt {
            fact: fact_of(row),
            visit: order.as_ref().and_then(|order| order.visit).map(id_of),
            number: order.as_ref().map(|order| order.number.clone()).unwrap_or_default(),
            unknown: row.state == AttemptState::Unknown,
            placed: order.as_ref().is_none_or(|order| order.state == OrderState::Placed),
        });
        order.into_iter().for_each(|order| recorder.remember(order));
    }
    let book = outbox.terminal(terminal).context(unreadable)?.map(book_of).unwrap_or_default();
    let held = outbox.held_receipts(terminal, book.period.saturating_sub(1)).context(unreadable)?;
    let provisional = outbox.provisional_attempts().context(unreadable)?;
    Ok(Restored {
        open,
        provisional: provisional.iter().map(fact_of).collect(),
        book,
        held: held.into_iter().map(|(period, number, attempt)| (period, number, id_of(attempt))).collect(),
        parts: in_parts(outbox)?,
        abandoned: abandoned(outbox, recorder)?,
        paid: paid(outbox)?,
    })
}

/// Events among which the end of the last visit is looked for.
const LAST_EVENTS: usize = 256;

/// The last order's payment, where it was approved and the stop came before its visit's end.
fn paid(outbox: &Outbox) -> Result<Option<OpenAttempt>> {
    let newest = outbox.newest_orders(1).context("the orders cannot be read")?.into_iter().next();
    let Some(order) = newest.filter(|order| order.state == OrderState::Received) else { return Ok(None) };
    let Some(visit) = order.visit else { return Ok(None) };
    if outbox.has_recent(kinds::VISIT_ENDED, visit, LAST_EVENTS).context("the events cannot be read")? {
        return Ok(None);
    }
    let attempts = outbox.attempts_of(order.order).context("the payment journal cannot be read")?;
    let approved = attempts.iter().find(|attempt| attempt.state == AttemptState::Approved);
    let found = |row| OpenAttempt {
        fact: fact_of(row),
        visit: Some(id_of(visit)),
        number: order.number.clone(),
        unknown: false,
        placed: false,
    };
    Ok(approved.map(found))
}

/// Orders that a stop left behind between a refused payment and what the guest would have done next: all their attempts ended
/// without money. One that waits for the counter has no attempt, and stays.
fn abandoned(outbox: &Outbox, recorder: &mut Recorder) -> Result<Vec<(Id, Option<Id>)>> {
    let mut left = Vec::new();
    for order in outbox.newest_orders(LEFT_BEHIND).context("the orders cannot be read")? {
        if order.state != OrderState::Placed {
            continue;
        }
        let attempts = outbox.attempts_of(order.order).context("the payment journal cannot be read")?;
        if !attempts.is_empty() && attempts.iter().all(|attempt| attempt.state == AttemptState::Declined) {
            left.push((id_of(order.order), order.visit.map(id_of)));
            recorder.remember(order);
        }
    }
    Ok(left)
}

/// Orders that are not paid and of which a part is taken or may be: their attempts are over less than the order.
fn in_parts(outbox: &Outbox) -> Result<Vec<OrderInParts>> {
    let mut parts = Vec::new();
    for row in outbox.newest_orders(LEFT_BEHIND).context("the orders cannot be read")? {
        if row.state != OrderState::Placed {
            continue;
        }
        let (Some(sold), attempts) =
            (desk::sold_of(&row), outbox.attempts_of(row.order).context("the payment journal cannot be read")?)
        else {
            continue;
        };
        let due = sold.total + sold.tip;
        let lives = |attempt: &&AttemptRow| desk::may_have_moved(attempt) && attempt.note.kind == AttemptKind::Authorise;
        // What lies at the backend is taken last, so that all of an order may still hang on it.
        let in_part =
            |attempt: &AttemptRow| Minor(attempt.amount_minor) < due || words::tender_of(&attempt.tender).is_some_and(is_account);
        if attempts.iter().filter(lives).any(in_part) {
            let taken = attempts.iter().filter(|attempt| desk::has_moved(attempt) && lives(attempt));
            let left = |attempt: &AttemptRow| Minor(attempt.amount_minor) - desk::returned(&attempts, attempt.attempt);
            let taken = taken.map(|attempt| (id_of(attempt.attempt), left(attempt))).filter(|(_, left)| *left > Minor::ZERO);
            parts.push(OrderInParts { order: id_of(row.order), due, taken: taken.collect() });
        }
    }
    Ok(parts)
}

fn id_of(uuid: Uuid) -> Id {
    Id(uuid.into_bytes())
}

fn book_of(row: TerminalRow) -> TerminalBook {
    TerminalBook {
        tid: row.tid,
        period: row.period,
        last_receipt: row.last_receipt,
        last_trace: row.last_trace,
        at_utc_ms: Some(row.updated_ms),
    }
}

fn fact_of(row: &AttemptRow) -> PaymentFact {
    PaymentFact {
        payment: id_of(row.payment),
        order: id_of(row.order),
        attempt: id_of(row.attempt),
        // A word of a later release: the terminal is the one tender that must never be thought free.
        tender: words::tender_of(&row.tender).unwrap_or(kiosk_core::Tender::Card),
        amount: Minor(row.amount_minor),
        // Only cash is rounded, and cash has no open end.
        rounding: Minor::ZERO,
        reference: row.reference,
        outcome: row.outcome.clone(),
        kind: words::command_kind(row.note.kind),
        original: row.note.original.map(id_of),
        lines: row.note.lines.clone(),
        staff: row.note.staff.clone(),
        trail: Trail {
            tid: row.note.tid.clone(),
            period: row.period,
            receipt_before: row.receipt_before,
            trace_before: row.note.trace_before,
            trace: row.note.trace,
            acknowledged: row.acknowledged,
            began_utc_ms: row.note.began_ms,
            heard_utc_ms: row.note.heard_ms,
            provisional: row.note.provisional,
        },
    }
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
        Ok(Self { device: device.to_owned(), role, till: String::new(), terminal, boot: boot_id(), seed: seed()?, pages: None })
    }
}

/// A terminal speaks before its silence counts; so much longer is waited for it.
const AFTER_PATIENCE_MS: u64 = 60_000;

/// What this terminal does by itself, as the board-config says.
fn terminal_limits(terminal: Option<&Terminal>) -> TerminalLimits {
    let default = TerminalLimits::default();
    let Some(terminal) = terminal else { return default };
    let (own, ms) = (terminal.own(), |seconds: u32| u64::from(seconds) * 1_000);
    TerminalLimits {
        answer_ms: default.answer_ms.max(ms(terminal.patience_s()) + AFTER_PATIENCE_MS),
        processing_ms: ms(own.processing_s),
        reversal_ms: ms(own.reversal_s),
        by_hand: own.by_hand,
        hand_ms: ms(own.hand_s),
        ..default
    }
}

fn core_config(config: &KioskConfig, board: &BoardConfig, content: &Content, seed: [u8; 32]) -> Config {
    let default = Config::default();
    let SessionTimes { idle_s, still_there_s, done_s, joining } = config.session;
    let ms = |seconds: Option<u32>, default: u64| seconds.map_or(default, |s| u64::from(s) * 1_000);
    Config {
        device: config.letter,
        idle_ms: ms(idle_s, default.idle_ms),
        joining: joining.unwrap_or(default.joining),
        still_there_ms: ms(still_there_s, default.still_there_ms),
        done_ms: ms(done_s, default.done_ms),
        terminal: terminal_limits(board.terminal.as_ref()),
        sells_signed_only: matches!(board.fiscal, Some(Fiscal::Tcp { on_outage: OnOutage::Refuse, .. })),
        desk: config.desk.desk.clone(),
        pay: content.shop.pay.clone(),
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
    let terminal = who.terminal.clone();
    let mut recorder = Recorder::new(who);
    kiosk.restore(restored(&outbox, &terminal, &mut recorder)?, order_counter(&outbox)?);
    let engine = Engine::new(kiosk, recorder, Box::new(OutboxJournal::new(outbox)), Box::new(NoPorts));
    Ok(engine.with_durability(Durability::DangerousAtFlush))
}

/// What the adapters share: the keys, who is known by a badge, and who has proved that they signed in.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) ring: KeyRing,
    pub(crate) badges: KnownBadges,
    pub(crate) proofs: Proofs,
    /// Where guests' cards are made.
    pub(crate) bench: Bench,
}

impl Shared {
    pub(crate) fn new(config: &KioskConfig) -> Self {
        Self {
            ring: KeyRing::configured(config),
            badges: KnownBadges::default(),
            proofs: Proofs::default(),
            bench: Bench::default(),
        }
    }
}

/// The thread that reads for the desk and checks PINs. The staff list is the agent's, or `staff.json` in the data folder.
pub(crate) fn desk_side(
    config: &KioskConfig,
    shared: &Shared,
    outbox: Arc<Outbox>,
    clock: &Arc<dyn Clock>,
    glass: GlassSide,
) -> DeskSide {
    let door = door(config, shared, outbox.clone(), clock);
    let bench = makes_cards(config).then(|| shared.bench.clone());
    let cards = config.agent.as_ref().map(|agent| CardDesk::new(&agent.ask, bench));
    let Shared { badges, proofs, .. } = shared.clone();
    let terminal = format!("{}/terminal", config.device);
    DeskSide { outbox, terminal, door, cards, badges, proofs, signed_in: None, glass, board: None }
}

/// Who works here.
pub(crate) fn door(config: &KioskConfig, shared: &Shared, outbox: Arc<Outbox>, clock: &Arc<dyn Clock>) -> StaffDoor {
    StaffDoor {
        outbox,
        store: config.store.clone(),
        ring: shared.ring.clone(),
        agent: config.agent.as_ref().map(|agent| (agent.agent_db.clone(), agent.ask.clone())),
        file: config.data.join("staff.json"),
        clock: clock.clone(),
        started_mono_ms: clock.now().mono_ms,
        tries: BTreeMap::new(),
    }
}

/// Whether guests' cards can be made here: there is somebody to ask for keys, and an address to write.
fn makes_cards(config: &KioskConfig) -> bool {
    config.agent.is_some() && config.cards.address.is_some()
}

fn issuer(config: &KioskConfig, shared: &Shared) -> Option<Issuer> {
    let office = Box::new(AgentOffice::new(&config.agent.as_ref()?.ask));
    let template = address(config.cards.address.as_deref()?)?;
    Some(Issuer { office, pseudonyms: pseudonyms(shared), template, bench: shared.bench.clone() })
}

/// Under the keys that this kiosk has.
pub(crate) fn pseudonyms(shared: &Shared) -> Pseudonyms {
    Pseudonyms::new(shared.ring.clone(), shared.badges.clone())
}

/// Opens what the board-config names.
pub(crate) fn fit(
    config: &KioskConfig,
    shared: &Shared,
    board: &BoardConfig,
    shown: &Shown,
    clock: &Arc<dyn Clock>,
    outbox: &Arc<Outbox>,
    fiscal: Option<FiscalSide>,
) -> Result<Fitted> {
    let key = KeyAtHand::asked(config.agent.as_ref());
    let (verifier, asking) = identity(config, shared, clock, outbox, &key);
    let scanner = open_scanner(board);
    let handed = verifier.handed.clone();
    Ok(Fitted {
        scanner: scanner.map(|scanner| ScannerSide { scanner, pseudonyms: pseudonyms(shared), handed }),
        reader: open_reader(board).map(|reader| (reader, verifier)),
        issuer: issuer(config, shared),
        terminal: open_terminal(board),
        printer: open_printer(board).map(|printer| {
            let seals = fiscal.as_ref().map(|side| side.seals.clone());
            (printer, renderer(config, shared, board, (shown.clone(), clock.clone()), seals))
        }),
        drawer: board.printer.as_ref().and_then(|printer| printer.drawer()),
        board: open_peripherals(board)
            .context("the microcontroller board cannot be opened")?
            .map(|peripherals| (peripherals, clock.clone())),
        clock: Some(clock.clone()),
        agent: asking,
        backend: config.agent.as_ref().map(|paths| backend_at(&paths.ask, key)),
        desk: None,
        fiscal,
        accounts: config.agent.as_ref().map(|paths| agent_at(paths.ask.clone())),
        keys: config.agent.as_ref().map(|paths| KeyAsker::new(&paths.ask, shared.ring.clone())),
    })
}

/// The device that signs receipts, and what wakes it.
pub(crate) fn fiscal_side(
    config: &KioskConfig,
    board: &BoardConfig,
    outbox: &Arc<Outbox>,
) -> Option<(FiscalSide, SyncSender<()>)> {
    let Some(Fiscal::Tcp { wait_s, .. }) = &board.fiscal else { return None };
    let device = open_fiscal(board)?;
    let (wake, woken) = sync_channel(1);
    // It may have to be reached first, and then has as long to answer.
    let seals = Arc::new(Seals::new(outbox.clone(), Duration::from_secs(u64::from(*wait_s) * 2 + 1)));
    Some((FiscalSide { device, seals, outbox: outbox.clone(), till: config.device.clone(), woken }, wake))
}

/// What checks cards and who is asked about them; both take counters from the same file.
pub(crate) fn identity(
    config: &KioskConfig,
    shared: &Shared,
    clock: &Arc<dyn Clock>,
    outbox: &Arc<Outbox>,
    key: &KeyAtHand,
) -> (Verifier, Option<Asking>) {
    let look_up = || LookUp::new(shared.ring.clone(), config.store.clone(), clock.clone());
    let keys: Box<dyn CardKeys> = match &config.agent {
        Some(paths) => Box::new(CachedKeys::new(&paths.agent_db, look_up(), key.clone())),
        None => Box::new(NoKeys),
    };
    let (counters, handed, policy): (Arc<dyn TapCounters>, _, _) = (outbox.clone(), Handed::default(), config.cards.clone());
    let verifier = Verifier {
        pseudonyms: pseudonyms(shared),
        policy: policy.clone(),
        keys,
        counters: counters.clone(),
        handed: handed.clone(),
    };
    let asking = config.agent.as_ref().map(|paths| {
        let agent = Box::new(Link::new(&paths.ask, &paths.agent_db, key.clone()));
        Asking { agent, look_up: look_up(), policy, keys: shared.ring.clone(), counters, handed }
    });
    (verifier, asking)
}

/// Receipts in the shop's words, on this printer's paper.
fn renderer(
    config: &KioskConfig,
    shared: &Shared,
    board: &BoardConfig,
    (shown, clock): (Shown, Arc<dyn Clock>),
    seals: Option<Arc<Seals>>,
) -> Render {
    let printer = board.printer.clone();
    let columns = printer.as_ref().map_or(42, |p| p.columns());
    let pages = config.receipt.page_url.clone().map(|url| (url, Pages::new(shared.ring.clone())));
    Box::new(move |paper| {
        let content = shown.read().unwrap_or_else(PoisonError::into_inner).clone();
        let lang = content.shop.lang(paper.language()).unwrap_or_default();
        let footer = content.shop.receipt.footer.get(lang);
        let layout = ReceiptLayout {
            header: content.shop.receipt.header.clone(),
            footer: Some(footer.to_owned()).filter(|text| !text.is_empty()).into_iter().collect(),
            columns,
            code_page: printer.as_ref().map(|p| p.code_page()).unwrap_or_default(),
            currency: content.catalogue.currency,
            page_url: match (&pages, paper) {
                (Some((url, pages)), Paper::Sale(receipt)) => pages.address(url, receipt.order),
                _ => None,
            },
            offset_min: i32::from(clock.now().offset_min),
            // Half the paper's width: a letter is 12 dots wide.
            logo: content.shop.receipt.logo.as_ref().and_then(|png| Bitmap::from_png(png, usize::from(columns) * 6).ok()),
        };
        let mut paper = paper.clone();
        if let Some(seals) = &seals {
            seals.onto(&mut paper);
        }
        render(&paper, &layout)
    })
}
