// SPDX-License-Identifier: GPL-3.0-only
//! kiosk-app: the screens in Slint, the view model behind them, and the program that puts screen and shell together.
//!
//! Three ways to run, one set of views:
//!
//! - on a display, fed by kiosk-shell;
//! - `--headless --scenario FILE`: drawn into memory, touched by the steps of a file, with the real shell and whatever
//!   devices or simulators its config names;
//! - `--headless --screenshots DIR`: a picture of every view, without any device.
//!
//! The screen is never asked: snapshots come in, become a [`ui::view_model::ViewModel`], and the bindings set what
//! changed; touches go out as [`kiosk_core::Intent`]s. What is decided is decided in kiosk-core; what is carried out is
//! carried out in kiosk-shell.

mod alive;
pub mod args;
mod board;
mod camera;
mod closed;
mod commands;
pub mod control;
mod feed;
mod first_start;
pub mod gallery;
mod glass;
pub mod headless;
mod rehearsal;
pub mod scenario;
mod stop;
mod turned;
pub mod ui;
mod windowed;

use anyhow::{Context as _, Result, bail};
use args::{Args, Command, Journal, Nfc};
use clap::Parser as _;
use kiosk_shell::{Content, KioskConfig, audit::Wanted};
use std::process::ExitCode;

/// The program.
pub fn main() -> ExitCode {
    let args = Args::parse();
    log_to_stderr();
    let done = match &args.command {
        None => run(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Check { board }) => commands::check(board),
        Some(Command::Journal(Journal::Export { config, from, to, out, release, till })) => load(config).and_then(|config| {
            let till = till.clone().unwrap_or_else(|| config.device.clone());
            let wanted = Wanted { till, from: from.clone(), to: to.clone() };
            commands::export_journal(&config.kiosk_db(), &wanted, out.as_deref(), *release)
        }),
        Some(Command::Nfc(Nfc::Watch { config })) => load(config).and_then(|config| commands::watch(&config)),
        Some(Command::Nfc(issue @ Nfc::Issue { config, .. })) => load(config).and_then(|config| commands::issue(&config, issue)),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("kiosk-app: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the command line says.
///
/// # Errors
/// A sentence that says what is wrong and what to do.
pub fn run(args: &Args) -> Result<()> {
    match (&args.config, &args.scenario, &args.screenshots) {
        (Some(config), Some(scenario), pictures) => scenario::run(&load(config)?, scenario, pictures.as_deref(), args.size),
        (Some(config), None, None) if !args.headless => match &args.first_start {
            Some(first) if !config.exists() => first_start::run(first, args),
            _ => windowed::run(&load(config)?, args),
        },
        (config, None, Some(pictures)) => {
            let content = match (config, &args.content) {
                (Some(config), _) => load(config)?.content,
                (None, Some(content)) => content.clone(),
                (None, None) => bail!("pictures of what? Give --content DIR, the shop's folder, or --config FILE"),
            };
            gallery::write(&Content::load(content)?, pictures, args.only.as_deref())
        }
        (None, ..) => bail!("who is this kiosk? Give --config FILE, its kiosk.toml"),
        (Some(_), None, None) => bail!("--headless needs something to do: --scenario FILE or --screenshots DIR"),
    }
}

fn load(config: &std::path::Path) -> Result<KioskConfig> {
    KioskConfig::load(config).with_context(|| format!("the kiosk's file {} cannot be used", config.display()))
}

/// Logs go to standard error, which systemd keeps. They carry ids, never names, cards or tokens.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let to_stderr = || kiosk_shell::KeptLog(std::io::stderr());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(to_stderr).with_target(false);
    // A terminal has colours, a journal has none.
    let log = log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // A second logger in one process is a test's business.
    let _ = log.try_init();
}
