//! nfc-sidecar: the process that links libnfc. It reads guest cards and relays commands to them; it holds no keys, decides
//! nothing, and may die at any time: two bad bytes from a reader can abort libnfc, and a call into it can hang.
//!
//! It speaks the lines of `kiosk_devices::reader` with one kiosk: on a Unix socket that it binds (`--socket PATH`, where
//! systemd runs it as a unit of its own), or on its standard input (`--socket -`, as a child of the kiosk). It ends when that
//! connection closes; whoever started it starts it again.
//!
//! - Only calls into libnfc that are bounded in time, and the reader's line for itself alone (`flock`).
//! - A beat at least every 500 ms between such calls, to the kiosk and, where systemd wants it, to the watchdog: a call that
//!   hangs stops both, and somebody else ends this process.
//! - A reader that is unplugged or silent is reported and opened again by its name, as often as it takes.
//! - Of a bank card nothing is read but that it is one, and its number is not passed on.
//! - Logs carry no numbers of cards and none of their data.

#![forbid(unsafe_code)]

mod card;
mod kiosk;
mod port;
mod serve;
mod watchdog;

use anyhow::{Context, Result};
use clap::Parser;
use kiosk::Kiosk;
use port::Port;
use rustix::process::{DumpableBehavior, Signal, set_dumpable_behavior, set_parent_process_death_signal};
use std::{path::PathBuf, process::ExitCode};
use watchdog::Watchdog;

/// Reads guest cards by libnfc for one kiosk, and ends when that kiosk is gone.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Unix socket to listen on for the kiosk; `-`: the kiosk is connected to standard input.
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// The reader's serial port, under a name that stays when it is plugged in again; without a colon.
    #[arg(long, value_name = "PATH", required_unless_present = "connstring", conflicts_with = "connstring")]
    tty: Option<PathBuf>,
    /// The chip on that port, by the name of libnfc's driver.
    #[arg(long, default_value = "pn532_uart")]
    driver: String,
    /// A reader without a serial port, in libnfc's words, such as `acr122_usb`.
    #[arg(long, value_name = "TEXT")]
    connstring: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nfc-sidecar: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let port = Port::new(arguments.tty, &arguments.driver, arguments.connstring)?;
    // What a card said may lie in memory: no core dumps, whatever kills this process.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("core dumps cannot be switched off")?;
    let mut watchdog = Watchdog::from_environment();
    let kiosk = if arguments.socket.as_os_str() == "-" {
        // A child that hangs in libnfc would not notice that its parent has ended.
        set_parent_process_death_signal(Some(Signal::KILL)).context("the parent's end cannot be watched")?;
        Some(Kiosk::on_stdin()?)
    } else {
        Kiosk::listen(&arguments.socket, &mut watchdog)?
    };
    match kiosk {
        Some(kiosk) => serve::serve(kiosk, &port, watchdog),
        None => Ok(()),
    }
}
