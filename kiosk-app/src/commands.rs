// SPDX-License-Identifier: GPL-3.0-only
//! What the program does beside showing the screens.

use anyhow::{Context as _, Result};
use kiosk_shell::check::{Verdict, check as try_devices};
use std::{path::Path, process::ExitCode};

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
