// SPDX-License-Identifier: GPL-3.0-only
//! What the program does beside showing the screens.

use crate::{args::Nfc, stop};
use anyhow::{Context as _, Result};
use kiosk_shell::{
    IssueOrder, KioskConfig,
    audit::{self, Wanted},
    check::{Verdict, check as try_devices},
};
use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Tries each device of a board-config and prints one line each. Status 1 where one does not work.
///
/// # Errors
/// When the board-config cannot be read.
pub(crate) fn check(board: &Path) -> Result<ExitCode> {
    let config = kiosk_shell::BoardConfig::load(board).context("the board-config cannot be used")?;
    println!("{}: trying each device, this takes some seconds", config.name);
    let findings = try_devices(&config);
    for finding in &findings {
        println!("{finding}");
    }
    let faults = findings.iter().filter(|finding| finding.verdict == Verdict::Fault).count();
    match faults {
        0 => println!("all that is fitted works"),
        n => println!("{n} to be put right"),
    }
    Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One line of JSON for each card that is laid on, until there are enough of them or the process is asked to end.
///
/// # Errors
/// A sentence that says what is missing, or who may not.
pub(crate) fn issue(config: &KioskConfig, order: &Nfc) -> Result<ExitCode> {
    let Nfc::Issue { staff, count, visitor, replaces, .. } = order else { return Ok(ExitCode::FAILURE) };
    eprintln!("PIN of {staff}:");
    let pin = kiosk_shell::read_pin()?;
    let order = IssueOrder { staff: staff.clone(), pin, visitor: visitor.clone(), replaces: *replaces, count: *count };
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    stop::on_signal(move || told.store(true, Ordering::Relaxed))?;
    let mut out = std::io::stdout();
    kiosk_shell::issue(config, &order, &stop, |line| {
        if writeln!(out, "{}", line.to_json()).and_then(|()| out.flush()).is_err() {
            stop.store(true, Ordering::Relaxed);
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// One line of JSON for each tap, until the process is asked to end.
///
/// # Errors
/// A sentence that says what is missing.
pub(crate) fn watch(config: &KioskConfig) -> Result<ExitCode> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    stop::on_signal(move || told.store(true, Ordering::Relaxed))?;
    let mut out = std::io::stdout();
    kiosk_shell::watch(config, &stop, |line| {
        // Whoever read the lines has gone: the end.
        if writeln!(out, "{}", line.to_json()).and_then(|()| out.flush()).is_err() {
            stop.store(true, Ordering::Relaxed);
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the till's journal. The last hash goes to standard error, to be kept elsewhere than the file.
///
/// # Errors
/// A sentence that says what cannot be read or written.
pub(crate) fn export_journal(db: &Path, wanted: &Wanted, out: Option<&Path>, release: bool) -> Result<ExitCode> {
    let written = match out {
        None => audit::export(db, wanted, &mut std::io::stdout().lock())?,
        Some(path) => {
            // Never over an older export: that may be the only copy of lines that are gone.
            let file = File::create_new(path).with_context(|| format!("{} cannot be made", path.display()))?;
            let mut writer = BufWriter::new(file);
            let written = audit::export(db, wanted, &mut writer)?;
            let file = writer.into_inner().context("the last bytes cannot be written")?;
            file.sync_all().with_context(|| format!("{} cannot be written", path.display()))?;
            written
        }
    };
    eprintln!("{} lines of till {}; the last hash is {}", written.lines, wanted.till, written.hash);
    if release {
        audit::release(db, &wanted.till, &written)?;
        eprintln!("lines up to {} may go once they are as old as orders", written.last);
    }
    Ok(ExitCode::SUCCESS)
}
