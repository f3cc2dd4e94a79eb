//! The program around [`kiosk_sim`]. Each command prints one line of JSON once everything it started can be used, and runs
//! until SIGTERM or SIGINT.

#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use kiosk_sim::{AllSims, BoardSim, Card, LinkSim, Mode, Plan, PrinterSim, ReaderSim, TerminalSim, control};
use serde_json::json;
use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Simulated devices that speak the real protocols, obeying lines of text on a control socket.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The card reader's process: JSON lines over a Unix stream.
    Reader {
        /// Socket on which kiosks connect.
        #[arg(long)]
        socket: PathBuf,
        /// Control socket.
        #[arg(long)]
        control: PathBuf,
    },
    /// A payment terminal: ZVT over TCP, or nexo's messages over HTTPS.
    Terminal {
        /// nexo's messages instead of ZVT; the certificate's pin is in the line that says ready.
        #[arg(long)]
        nexo: bool,
        /// Port 0 takes one that is free.
        #[arg(long, default_value = "127.0.0.1:20007")]
        listen: SocketAddr,
        /// Control socket.
        #[arg(long)]
        control: PathBuf,
        #[command(flatten)]
        script: Script,
    },
    /// A network receipt printer: ESC/POS into a file.
    Printer {
        /// Port 0 takes one that is free.
        #[arg(long, default_value = "127.0.0.1:9100")]
        listen: SocketAddr,
        /// File that gets the bytes appended.
        #[arg(long)]
        out: PathBuf,
        /// Control socket.
        #[arg(long)]
        control: PathBuf,
    },
    /// The microcontroller board on a pseudo-terminal.
    Board {
        /// Symbolic link to the pseudo-terminal.
        #[arg(long)]
        pty: PathBuf,
        /// Control socket.
        #[arg(long)]
        control: PathBuf,
    },
    /// The network between agent and backend: a TCP relay that can be cut.
    Link {
        /// Port 0 takes one that is free.
        #[arg(long)]
        listen: SocketAddr,
        /// The backend.
        #[arg(long)]
        to: SocketAddr,
        /// Control socket.
        #[arg(long)]
        control: PathBuf,
    },
    /// All of them in one folder, with a board.toml that leads to them.
    All {
        /// The folder; it must exist.
        #[arg(long)]
        run: PathBuf,
        /// The backend behind the simulated network; without it there is no link.
        #[arg(long)]
        to: Option<SocketAddr>,
        /// Board-config to start from, the demo's by default.
        #[arg(long)]
        board: Option<PathBuf>,
        #[command(flatten)]
        script: Script,
    },
    /// Prints the pseudonym that a kiosk with this tenant key makes of a demo card.
    Token {
        /// File with the 32-byte key as 64 hex digits.
        #[arg(long)]
        tenant_key_file: PathBuf,
        /// jane, ivan or stranger.
        #[arg(long)]
        card: String,
        /// Version of the key.
        #[arg(long, default_value_t = 1)]
        key_version: u16,
    },
    /// Sends one line to a control socket; exit code 1 and the reason if it was not obeyed.
    Say {
        /// Control socket.
        #[arg(long)]
        control: PathBuf,
        /// The line.
        line: Vec<String>,
    },
}

#[derive(clap::Args)]
struct Script {
    /// How commands end: approve, decline, silent, manual, cut, deaf.
    #[arg(long, default_value = "approve", value_parser = mode)]
    mode: Mode,
    /// How long an authorisation takes, milliseconds.
    #[arg(long, default_value_t = 600)]
    delay_ms: u64,
}

fn mode(word: &str) -> Result<Mode, String> {
    Mode::named(word).ok_or_else(|| "there are approve, decline, silent, manual, cut and deaf".into())
}

fn main() -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match Arguments::parse().command {
        Command::Reader { socket, control } => {
            let sim = Arc::new(ReaderSim::start(&socket)?);
            serve(&control, &sim, ReaderSim::obey, &json!({"ready": true, "reader": socket}))
        }
        Command::Terminal { nexo, listen, control, script } => {
            let delay = Duration::from_millis(script.delay_ms);
            let start = if nexo { TerminalSim::start_nexo } else { TerminalSim::start };
            let sim = Arc::new(start(listen, script.mode, delay)?);
            let pin = sim.pin().map(|pin| pin.hex());
            let ready = json!({"ready": true, "terminal": sim.address().to_string(), "certificate_sha256": pin});
            serve(&control, &sim, TerminalSim::obey, &ready)
        }
        Command::Printer { listen, out, control } => {
            let sim = Arc::new(PrinterSim::start(listen, &out)?);
            let ready = json!({"ready": true, "printer": sim.address().to_string()});
            serve(&control, &sim, PrinterSim::obey, &ready)
        }
        Command::Board { pty, control } => {
            let sim = Arc::new(BoardSim::start(&pty)?);
            serve(&control, &sim, BoardSim::obey, &json!({"ready": true, "peripherals": pty}))
        }
        Command::Link { listen, to, control } => {
            let sim = Arc::new(LinkSim::start(listen, to)?);
            let ready = json!({"ready": true, "link": sim.address().to_string()});
            serve(&control, &sim, LinkSim::obey, &ready)
        }
        Command::All { run, to, board, script } => {
            let delay = Duration::from_millis(script.delay_ms);
            let all = AllSims::start(&Plan { run, to, board, mode: script.mode, delay })?;
            until_told(&all.addresses())
        }
        Command::Token { tenant_key_file, card, key_version } => {
            println!("{}", token(&tenant_key_file, &card, key_version)?);
            Ok(())
        }
        Command::Say { control, line } => match control::send(&control, &line.join(" "))? {
            Ok(()) => Ok(()),
            Err(why) => bail!(why),
        },
    }
}

/// Serves the control socket, says that all is ready, and waits for the end.
fn serve<T: Send + Sync + 'static>(
    path: &Path,
    sim: &Arc<T>,
    obey: fn(&T, &str) -> control::Answer,
    ready: &serde_json::Value,
) -> Result<()> {
    let _control = control::serve_for(path, sim, obey).with_context(|| path.display().to_string())?;
    until_told(ready)
}

fn until_told(ready: &serde_json::Value) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        let mut out = std::io::stdout();
        writeln!(out, "{ready}").and_then(|()| out.flush())?;
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        Ok(())
    })
}

fn token(key_file: &Path, card: &str, key_version: u16) -> Result<String> {
    let text = std::fs::read_to_string(key_file).with_context(|| key_file.display().to_string())?;
    let key = key(text.trim()).with_context(|| format!("{}: a tenant key is 64 hex digits", key_file.display()))?;
    let uid = Card::named(card).with_context(|| format!("there is no card '{card}'; there are jane, ivan, stranger"))?.uid();
    let uid = uid.context("nothing is read of a bank card, so it has no pseudonym")?;
    Ok(card_auth::pseudonym(&key, key_version, card_auth::TagKind::Uid, &uid)?)
}

fn key(hex: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> = hex.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    let bytes: Vec<u8> = digits?.chunks_exact(2).map(|pair| (pair[0] << 4) | pair[1]).collect();
    (hex.len() == 64).then_some(())?;
    bytes.try_into().ok()
}
