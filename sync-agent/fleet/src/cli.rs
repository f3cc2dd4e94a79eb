//! The command line.

use crate::{
    api::Api,
    devices,
    settings::{Given, Settings},
    staff,
};
use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use std::{fmt::Display, io::Write, path::PathBuf};

/// Runs a fleet of kiosks: enrols, replaces, locks and retires devices, and edits who works in the stores.
#[derive(Debug, Parser)]
#[command(name = "fleet", version)]
struct Cli {
    #[command(flatten)]
    where_to: WhereTo,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct WhereTo {
    /// Settings; default: cem-fleet.toml in the user's configuration folder.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The backend's base address.
    #[arg(long, global = true, value_name = "URL")]
    backend: Option<String>,
    /// A file that holds the ops token and nothing else.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The store; needed for staff, and where two stores have a device of the same name.
    #[arg(long, global = true, value_name = "STORE")]
    store: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a one-time code, as text and as QR, for a new device. It is good for 15 minutes, once.
    Enrol {
        /// The device's name within the store: k-01.
        #[arg(long)]
        device: String,
        /// What it will be: kiosk, counter, order-board.
        #[arg(long)]
        role: String,
    },
    /// Put another device in the place of one that died: revokes the old one, and prints a code for the new one, which keeps
    /// name, till number and order letter.
    Replace { device: String },
    /// Let a device send what it has and then wipe itself.
    Retire {
        device: String,
        /// Wipe at once; what it has not sent is lost.
        #[arg(long)]
        now: bool,
    },
    /// Turn a device away at once, and give all others a new version of the tenant's key.
    Lock { device: String },
    /// Let a locked device work again.
    Unlock { device: String },
    /// Tell a device to do something: logs, restart, screenshot, identify.
    Tell { device: String, what: String },
    /// What a device was told lately, and what became of it.
    Told { device: String },
    /// Save what a device has sent for a command.
    Answer {
        /// The command's id, as `told` lists it.
        id: String,
        /// Where to; it must not be there yet.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// List the devices: state, last report, what they have not sent.
    Devices,
    /// Who works in a store.
    Staff {
        #[command(subcommand)]
        action: Staff,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Staff {
    /// Somebody new. Prints the first PIN, which is replaced at its first use.
    Add {
        /// The person's id: st-7.
        staff: String,
        /// The name on the screen.
        #[arg(long)]
        name: String,
        /// staff, manager, service or ops.
        #[arg(long, default_value = "staff")]
        role: String,
        /// The badge's pseudonym, as the counter screen shows it: `1:<hex>`.
        #[arg(long)]
        badge: Option<String>,
        /// The last moment: 2026-12-31T22:00:00Z.
        #[arg(long)]
        ends: Option<String>,
    },
    /// Everybody who ever worked there.
    List,
    /// Give a badge, or take it away.
    Badge {
        staff: String,
        /// The badge's pseudonym; without one, the badge is taken away.
        badge: Option<String>,
    },
    /// Give another role.
    Role { staff: String, role: String },
    /// Print a new PIN, which is replaced at its first use.
    ResetPin { staff: String },
    /// Somebody leaves: now, or later.
    End {
        staff: String,
        /// The last moment: 2026-12-31T22:00:00Z.
        #[arg(long)]
        at: Option<String>,
    },
}

/// Does what the command line says.
pub(crate) async fn run() -> anyhow::Result<()> {
    let Cli { where_to: WhereTo { config, backend, token_file, store }, command } = Cli::parse();
    let given = Given { config, backend, token_file, store: store.clone() };
    let api = Api::new(Settings::find(given, |name| std::env::var(name).ok())?)?;
    match command {
        Command::Enrol { device, role } => devices::enrol(&api, store, &device, &role).await,
        Command::Replace { device } => devices::replace(&api, store, &device).await,
        Command::Retire { device, now } => devices::retire(&api, store, &device, now).await,
        Command::Lock { device } => devices::lock(&api, store, &device).await,
        Command::Unlock { device } => devices::unlock(&api, store, &device).await,
        Command::Tell { device, what } => devices::tell(&api, store, &device, &what).await,
        Command::Told { device } => devices::told(&api, store, &device).await,
        Command::Answer { id, to } => devices::answer(&api, &id, &to).await,
        Command::Devices => devices::list(&api, store).await,
        Command::Staff { action } => staff::run(&api, store, action).await,
    }
}

/// Prints a line for whoever called; a closed pipe is an error, not a panic.
pub(crate) fn say(line: impl Display) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("cannot write to stdout")
}
