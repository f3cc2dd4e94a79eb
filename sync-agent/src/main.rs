//! The command line of the sync agent. Everything it does is in the library.

use std::io::{self, BufReader, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use serde_json::Value;
use sync_agent::config::Config;
use sync_agent::control::{self, Request};
use sync_agent::run;
use uuid::Uuid;

/// Carries what this device recorded to the CEM backend, each event with exactly one effect.
#[derive(Parser)]
#[command(name = "sync-agent", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Send events as they are recorded, until told to stop (SIGTERM); drains, then exits.
    Run(Sending),
    /// Send what is there; exit 0 when nothing is left to send.
    Once(Sending),
    /// Show what is queued: depth, oldest, quarantined, watermark.
    Status {
        #[command(flatten)]
        config: ConfigArg,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Record events: one JSON line {type,data[,visitid,visitor,consent,time]} in, one {id,sequence} out once it is durable.
    Enqueue(ConfigArg),
    /// Events that the backend can never take.
    Quarantine {
        #[command(subcommand)]
        action: Action,
    },
}

#[derive(Subcommand)]
enum Action {
    /// One line an event: id, type, number, reason.
    List {
        #[command(flatten)]
        config: ConfigArg,
        /// Print a JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// One event with its body, as JSON.
    Show(One),
    /// Send an event again.
    Replay(One),
    /// Give an event up for ever.
    Drop(One),
}

#[derive(Args)]
struct ConfigArg {
    /// The agent's configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Args)]
struct Sending {
    #[command(flatten)]
    config: ConfigArg,
    /// Print `running` once started, then a line for each event that arrived: `accepted 00000000000000000042 cem.order.placed.v1 <id>`.
    #[arg(long)]
    print_events: bool,
}

#[derive(Args)]
struct One {
    /// The event's id.
    id: Uuid,
    #[command(flatten)]
    config: ConfigArg,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(if cli.command.is_long() { "info" } else { "warn" }));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(io::stderr().is_terminal()).with_writer(io::stderr).init();
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("sync-agent: another TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    match carry_out(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sync-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Command {
    fn is_long(&self) -> bool {
        matches!(self, Command::Run(_) | Command::Once(_))
    }
}

fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(sending) => {
            let config = load(&sending.config.config)?;
            runtime()?.block_on(run::run(config, sending.print_events))?;
        }
        Command::Once(sending) => {
            let config = load(&sending.config.config)?;
            let runtime = runtime()?;
            if let Some(left) = runtime.block_on(run::once(config, sending.print_events))? {
                eprintln!("sync-agent: events are left to send: {left}");
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Status { config, json } => status(&load(&config.config)?, json)?,
        Command::Enqueue(config) => {
            let tally = control::enqueue(&load(&config.config)?, BufReader::with_capacity(64 * 1024, io::stdin()), io::stdout())?;
            if tally.refused > 0 {
                eprintln!("sync-agent: {} of {} lines were refused", tally.refused, tally.refused + tally.taken);
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Quarantine { action } => quarantine(action)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn load(path: &Path) -> anyhow::Result<Arc<Config>> {
    Ok(Arc::new(Config::load(path)?))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .thread_name("sync-agent")
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

fn status(config: &Arc<Config>, json: bool) -> anyhow::Result<()> {
    let status = if config.state.exists() {
        control::command(config, &Request::Status)?.into_iter().next().context("the running agent gave no status")?
    } else {
        // Looking must not make the file.
        sync_agent::report::queue(config, Some(0))?.to_json()
    };
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{status}")?;
        return Ok(());
    }
    writeln!(out, "to send      {}", status["depth"])?;
    writeln!(out, "oldest       {}", status["oldest"].as_str().unwrap_or("-"))?;
    writeln!(out, "quarantined  {}", status["quarantined"])?;
    for log in status["logs"].as_array().into_iter().flatten() {
        writeln!(out, "log {}  {} of {}", log["log"].as_str().unwrap_or_default(), log["watermark"], log["head"])?;
    }
    Ok(())
}

fn quarantine(action: Action) -> anyhow::Result<()> {
    let (config, request, json) = match action {
        Action::List { config, json } => (config, Request::List, json),
        Action::Show(one) => (one.config, Request::Show { id: one.id }, true),
        Action::Replay(one) => (one.config, Request::Replay { id: one.id }, false),
        Action::Drop(one) => (one.config, Request::Drop { id: one.id }, false),
    };
    let answers = control::command(&load(&config.config)?, &request)?;
    let mut out = io::stdout().lock();
    for answer in answers {
        let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        match request {
            Request::List if !json => {
                writeln!(out, "{}  {}  {}  {}  {}", text("id"), text("type"), text("sequence"), text("state"), text("reason"))?;
            }
            Request::Show { .. } => writeln!(out, "{}", serde_json::to_string_pretty::<Value>(&answer)?)?,
            Request::Replay { .. } => writeln!(out, "{} is sent again", text("id"))?,
            Request::Drop { .. } => writeln!(out, "{} is given up", text("id"))?,
            _ => writeln!(out, "{answer}")?,
        }
    }
    Ok(())
}
