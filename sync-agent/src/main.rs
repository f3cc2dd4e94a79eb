//! The command line of the sync agent. Everything it does is in the library.

use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use serde_json::Value;
use sync_agent::config::Config;
use sync_agent::control::{self, Request};
use sync_agent::enrol::{Enrolled, Office, Wanted};
use sync_agent::{recover, run};
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
    /// Read what a dead device had not sent off its card, and send it under the ids it was given. Run this on the device that
    /// replaces it (`fleet replace`); the card is only read.
    Recover {
        #[command(flatten)]
        config: ConfigArg,
        /// Where the card is mounted, or a folder with the dead device's kiosk.db and agent.db.
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
    },
    /// Become one of the fleet's devices with a one-time code (`fleet enrol` prints one), read from standard input. For
    /// installs without a touchscreen; the table [enrol] must be in the configuration, and the agent must not be running.
    Enrol {
        #[command(flatten)]
        config: ConfigArg,
        /// The backend's base address, where the configuration has none.
        #[arg(long, value_name = "URL")]
        backend: Option<String>,
        /// The shop's proxy, such as http://proxy:3128.
        #[arg(long, value_name = "URL")]
        proxy: Option<String>,
    },
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
        matches!(self, Command::Run(_) | Command::Once(_) | Command::Recover { .. } | Command::Enrol { .. })
    }
}

fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(sending) => {
            let config = load_as_written(&sending.config.config)?;
            runtime()?.block_on(run::run(config, sending.print_events))?;
        }
        Command::Once(sending) => {
            let config = load_as_written(&sending.config.config)?;
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
        Command::Recover { config, from } => {
            let config = load(&config.config)?;
            return recover(&config, &from);
        }
        Command::Enrol { config, backend, proxy } => enrol(&load_as_written(&config.config)?, backend, proxy)?,
        Command::Quarantine { action } => quarantine(action)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn recover(config: &Config, from: &Path) -> anyhow::Result<ExitCode> {
    let found = recover::find(config, from)?;
    if let Some(why) = &found.salvaged {
        println!("the file was damaged ({why}); what can be read of it is sent");
    }
    println!("{} events had not been sent, as far as the card says", found.unsent);
    if let Some(left) = runtime()?.block_on(recover::send(&found, true))? {
        eprintln!("sync-agent: events are left to send: {left}; run the same again. Copies: {}", found.copies().display());
        return Ok(ExitCode::FAILURE);
    }
    found.delete()?;
    println!("everything that could be read is at the backend; the card is not needed any more");
    Ok(ExitCode::SUCCESS)
}

fn enrol(config: &Arc<Config>, backend: Option<String>, proxy: Option<String>) -> anyhow::Result<()> {
    let table = config.enrol.as_ref().context("the configuration has no table [enrol]: nothing to enrol")?;
    let mut code = String::new();
    io::stdin().lock().take(256).read_line(&mut code).context("cannot read the code from standard input")?;
    let enrolment = runtime()?.block_on(Office::new(config, table).enrol_now(Wanted { code, backend, proxy }))?;
    println!("enrolled as {}, till {}, order letter {}", enrolment.source, enrolment.till, enrolment.order_letter);
    Ok(())
}

fn load_as_written(path: &Path) -> anyhow::Result<Arc<Config>> {
    Ok(Arc::new(Config::load(path)?))
}

/// With what enrolment gave, where the device is enrolled.
fn load(path: &Path) -> anyhow::Result<Arc<Config>> {
    let config = Config::load(path)?;
    let enrolled = config.enrol.as_ref().map(Enrolled::open).transpose()?.flatten();
    let Some(enrolled) = enrolled else { return Ok(Arc::new(config)) };
    Ok(Arc::new(sync_agent::enrol::configured(&config, &enrolled)?))
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
