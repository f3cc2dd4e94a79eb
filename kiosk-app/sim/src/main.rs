//! The program around [`kiosk_sim`]. Each command prints one line of JSON once everything it started can be used, and runs
//! until SIGTERM or SIGINT.

#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use kiosk_sim::{AllSims, BoardSim, Card, LinkSim, Mode, Plan, Pn532Sim, PrinterSim, ScannerSim, TerminalSim, control, nfc};
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
    /// A card reader: a PN532 on a pseudo-terminal, with cards.
    Reader {
        /// Symbolic link to the pseudo-terminal.
        #[arg(long)]
        tty: PathBuf,
        /// Control socket.
        #[arg(long)]
        control: PathBuf,
        /// Answers at once instead of at the pace of the wire and the radio.
        #[arg(long)]
        instant: bool,
        #[command(flatten)]
        keys: CardKeys,
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
    /// A scanner of codes on a pseudo-terminal.
    Scanner {
        /// Symbolic link to the pseudo-terminal.
        #[arg(long)]
        tty: PathBuf,
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
        keys: CardKeys,
        #[command(flatten)]
        script: Script,
    },
    /// Prints the pseudonym that a kiosk with this tenant key makes of a demo card.
    Token {
        /// File with the 32-byte key as 64 hex digits.
        #[arg(long)]
        tenant_key_file: PathBuf,
        /// jane, ivan, stranger, ring, four, app.
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

/// What the demo's cards were issued with: drawn anew where no file is named.
#[derive(clap::Args)]
struct CardKeys {
    /// File with the key that the cards' own keys are derived from, 32 hex digits.
    #[arg(long, requires = "picc_key_file")]
    card_master_file: Option<PathBuf>,
    /// File with the key of what a card says of itself, 32 hex digits.
    #[arg(long, requires = "card_master_file")]
    picc_key_file: Option<PathBuf>,
}

impl CardKeys {
    fn load(&self) -> Result<nfc::Keys> {
        let (Some(master), Some(picc)) = (&self.card_master_file, &self.picc_key_file) else {
            return nfc::Keys::draw().context("the system gives no random numbers");
        };
        Ok(nfc::Keys { master: card_key(master)?, picc: card_key(picc)? })
    }
}

fn card_key(file: &Path) -> Result<card_auth::Key> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    card_auth::Key::from_hex(text.trim()).with_context(|| format!("{}: a card key is 32 hex digits", file.display()))
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
        Command::Reader { tty, control, instant, keys } => {
            let timing = if instant { nfc::Timing::INSTANT } else { nfc::Timing::PACED };
            let sim = Arc::new(Pn532Sim::start(&tty, timing, keys.load()?)?);
            serve(&control, &sim, Pn532Sim::obey, &json!({"ready": true, "reader": tty}))
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
        Command::Scanner { tty, control } => {
            let sim = Arc::new(ScannerSim::start(&tty)?);
            serve(&control, &sim, ScannerSim::obey, &json!({"ready": true, "scanner": tty}))
        }
        Command::Link { listen, to, control } => {
            let sim = Arc::new(LinkSim::start(listen, to)?);
            let ready = json!({"ready": true, "link": sim.address().to_string()});
            serve(&control, &sim, LinkSim::obey, &ready)
        }
        Command::All { run, to, board, keys, script } => {
            let delay = Duration::from_millis(script.delay_ms);
            let all = AllSims::start(&Plan { run, to, board, cards: keys.load()?, mode: script.mode, delay })?;
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
    let card = Card::named(card).with_context(|| format!("there is no card '{card}'; see `kiosk-sim token --help`"))?;
    let (kind, id) = card.id().context("this card proves nothing and says nothing that stays, so it has no pseudonym")?;
    Ok(card_auth::pseudonym(&key, key_version, kind, &id)?)
}

fn key(hex: &str) -> Option<[u8; 32]> {
    card_auth::hex::array(hex)
}
