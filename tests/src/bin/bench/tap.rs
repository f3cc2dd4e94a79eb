//! A tap: how long from the card on the reader to its proven identity, beside what the reader and the radio take themselves,
//! and whether a long day without a card makes it slower or the reader's process larger.
//!
//! The reader's process with the real libnfc works a PN532 that is simulated at the pace of 115200 baud with assumed times of
//! the radio; no radio is involved. What the simulator itself spends on a tap is its floor: nobody can be faster.

use super::greeting;
use anyhow::{Context, Result, bail, ensure};
use card_auth::{SunMessage, diversify, ntag424::KeyNo};
use cem_tests::proc;
use kiosk_devices::{ReaderError, ReaderLine, SidecarReader, TagReader};
use kiosk_sim::{
    Pn532Sim,
    nfc::{Fault, Keys, Ntag424, Timing},
};
use std::{
    fs,
    time::{Duration, Instant},
};

const UID: [u8; 7] = [4, 1, 2, 3, 4, 5, 6];
const PATIENCE: Duration = Duration::from_secs(20);

struct Rig {
    _folder: tempfile::TempDir,
    sim: Pn532Sim,
    reader: SidecarReader,
}

impl Rig {
    fn new(timing: Timing) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let tty = folder.path().join("reader.tty");
        let sim = Pn532Sim::start(&tty, timing, Keys::KNOWN)?;
        let program = proc::programs()?.join("nfc-sidecar");
        let reader = SidecarReader::start(&program, &["--tty".to_owned(), tty.display().to_string()]);
        let mut rig = Self { _folder: folder, sim, reader };
        rig.until(|line| matches!(line, Ok(ReaderLine::Up { .. })))?;
        Ok(rig)
    }

    fn until(&mut self, like: impl Fn(&Result<ReaderLine, ReaderError>) -> bool) -> Result<Option<ReaderLine>> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let heard = self.reader.next(Duration::from_millis(20));
            if like(&heard) {
                return Ok(heard.ok());
            }
        }
        bail!("the reader said nothing of the kind within {PATIENCE:?}")
    }

    /// From the card on the reader to its proven identity, and the simulator's own part of it.
    fn tap(&mut self) -> Result<(Duration, Duration)> {
        let card = Ntag424::issued(UID, &Keys::KNOWN.master, &Keys::KNOWN.picc, "cem.example/t").context("a card")?;
        let placed = Instant::now();
        self.sim.place(Box::new(card));
        let Some(ReaderLine::Tap(tag)) = self.until(|line| matches!(line, Ok(ReaderLine::Tap(_))))? else { bail!("no tap") };
        let message = SunMessage::from_url(tag.url.as_deref().context("no message")?)?;
        let key = diversify::card_key(&Keys::KNOWN.master, &UID, KeyNo::File);
        ensure!(message.verify(&Keys::KNOWN.picc, &key)?.card.uid[..] == *tag.uid.bytes(), "another card");
        let took = placed.elapsed();
        let floor = self.sim.stats().floor;
        self.sim.remove();
        self.until(|line| matches!(line, Ok(ReaderLine::Gone)))?;
        Ok((took, floor))
    }

    fn taps(&mut self, count: usize) -> Result<(Vec<Duration>, Duration)> {
        let mut above = Vec::with_capacity(count);
        let mut most = Duration::ZERO;
        for _ in 0..count {
            let (took, floor) = self.tap()?;
            above.push(took.saturating_sub(floor));
            most = most.max(floor);
        }
        above.sort();
        Ok((above, most))
    }

    fn times(
        &mut self,
        what: &str,
        act: impl Fn(&Pn532Sim) -> Result<()>,
        like: fn(&Result<ReaderLine, ReaderError>) -> bool,
    ) -> Result<()> {
        let begun = Instant::now();
        act(&self.sim)?;
        self.until(like)?;
        println!("  {what:44} {:7.1} ms", ms(begun.elapsed()));
        Ok(())
    }
}

pub(super) fn run(taps: usize, polls: u64, drift_taps: usize) -> Result<()> {
    let mut rig = Rig::new(Timing::PACED)?;
    let before = rig.sim.stats();
    let (above, floor) = rig.taps(taps)?;
    let after = rig.sim.stats();
    let each = |count: u64| count as f64 / taps.max(1) as f64;
    println!("card placed to proven identity, {taps} taps, 115200 baud and an assumed radio");
    println!(
        "  a tap: {:.2} exchanges with the card, {:.2} times found, {} of {taps} proven",
        each(after.exchanges - before.exchanges),
        each(after.found - before.found),
        above.len()
    );
    println!("  the simulator's own floor                    {:7.1} ms", ms(floor));
    println!(
        "  above it     p50 {:6.1}   p95 {:6.1}   max {:6.1} ms   (wanted: p95 <= 35)",
        at(&above, 50),
        at(&above, 95),
        at(&above, 100)
    );
    println!("  the whole beside the floor   {:.2} at the 95th percentile", (at(&above, 95) + ms(floor)) / ms(floor).max(0.001));

    println!("  the software's share at the 95th percentile: {:.1} ms (wanted: <= 20)", at(&above, 95));
    let greeted = greeting::run(taps)?;
    println!("card placed to greeting on the screen's model, {taps} visits of a known guest, backend and agent beside it");
    for (what, times) in [("neutral", &greeted.neutral), ("by name", &greeted.named)] {
        println!(
            "  {what}      p50 {:6.1}   p95 {:6.1}   max {:6.1} ms   (wanted: p95 <= 250)",
            at(times, 50),
            at(times, 95),
            at(times, 100)
        );
    }

    println!("a reader that fails");
    let down = |line: &Result<ReaderLine, ReaderError>| matches!(line, Ok(ReaderLine::Down { .. }) | Err(ReaderError::Lost(_)));
    let up = |line: &Result<ReaderLine, ReaderError>| matches!(line, Ok(ReaderLine::Up { .. }));
    rig.times(
        "unplugged, until it is missed (<= 500)",
        |sim| {
            sim.unplug();
            Ok(())
        },
        down,
    )?;
    rig.times("plugged in, until it works (<= 1000)", |sim| Ok(sim.plug()?), up)?;
    rig.times(
        "silent, until it is missed (<= 1500)",
        |sim| {
            sim.fault(Some(Fault::Silent));
            Ok(())
        },
        down,
    )?;
    rig.times(
        "speaking again, until it works (<= 1000)",
        |sim| {
            sim.fault(None);
            Ok(())
        },
        up,
    )?;
    let mut rig = Rig::new(Timing::PACED)?;
    rig.sim.fault(Some(Fault::AtsZero));
    rig.times(
        "bad byte ends the process, tap is read after",
        |sim| sim.obey("place jane").map_err(anyhow::Error::msg),
        |line| matches!(line, Ok(ReaderLine::Tap(_))),
    )?;

    let mut rig = Rig::new(Timing::INSTANT)?;
    let (first, _) = rig.taps(drift_taps)?;
    let small = Size::of_the_readers_process()?;
    let from = rig.sim.stats().empty;
    while rig.sim.stats().empty < from + polls {
        // Beats keep the connection.
        let _ = rig.reader.next(Duration::from_millis(500));
    }
    let looks = rig.sim.stats().empty - from;
    let large = Size::of_the_readers_process()?;
    let (last, _) = rig.taps(drift_taps)?;
    println!("drift: {drift_taps} unpaced taps, {looks} looks without a card, {drift_taps} taps");
    println!(
        "  the reader's process: {} -> {} KiB resident, {} -> {} open files",
        small.kib, large.kib, small.files, large.files
    );
    println!("  before       p50 {:6.2}   p95 {:6.2} ms", at(&first, 50), at(&first, 95));
    println!("  after        p50 {:6.2}   p95 {:6.2} ms", at(&last, 50), at(&last, 95));
    println!("  after beside before   {:.2} at the median", at(&last, 50) / at(&first, 50).max(0.001));
    Ok(())
}

/// How large the reader's process is.
struct Size {
    kib: u64,
    files: usize,
}

impl Size {
    /// Of the youngest child of this process that is one.
    fn of_the_readers_process() -> Result<Self> {
        let me = std::process::id();
        let children = fs::read_dir("/proc/self/task")?
            .flatten()
            .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
            .collect::<Vec<_>>()
            .join(" ");
        let is_reader =
            |pid: &&str| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "nfc-sidecar");
        let pid = children.split_whitespace().filter(is_reader).max_by_key(|pid| pid.parse::<u32>().unwrap_or(0));
        let pid = pid.with_context(|| format!("no child of {me} is the reader's process"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
        // Its files are its own to see: it shows nobody its memory, and its folder of files only to whoever may.
        let files = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        Ok(Self { kib: kib.unwrap_or(0), files })
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn at(sorted: &[Duration], percent: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((sorted.len() * percent / 100).min(last)).map_or(0.0, |time| ms(*time))
}
