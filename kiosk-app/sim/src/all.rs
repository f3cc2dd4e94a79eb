//! All simulators of one kiosk in one process, and the board-config that leads to them.

use crate::{
    BoardSim, FiscalSim, LinkSim, Mode, Pn532Sim, PrinterSim, ScannerSim, TerminalSim,
    control::{Answer, Control, serve, serve_for},
    nfc::{Keys, Timing},
};
use anyhow::{Context, Result};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// What to start.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where sockets, the pty's link, the receipts and `board.toml` go. It must exist.
    pub run: PathBuf,
    /// The backend behind the simulated network; without it there is no link.
    pub to: Option<SocketAddr>,
    /// The board-config to start from: display and all that is not simulated are taken from it.
    pub board: Option<PathBuf>,
    /// What the guests' cards were issued with.
    pub cards: Keys,
    /// How authorisations end at first.
    pub mode: Mode,
    /// How long one takes.
    pub delay: Duration,
}

/// The demo's board-config, the one to start from by default.
const DEMO: &str = include_str!("../../../board-configs/demo.toml");

/// All simulators, running. Dropped, their sockets go.
#[derive(Debug)]
pub struct AllSims {
    /// The guest-card reader.
    pub reader: Arc<Pn532Sim>,
    /// The payment terminal.
    pub terminal: Arc<TerminalSim>,
    /// The cable to it: what the board-config leads to.
    pub terminal_line: Arc<LinkSim>,
    /// The receipt printer.
    pub printer: Arc<PrinterSim>,
    /// The cable to it.
    pub printer_line: Arc<LinkSim>,
    /// The microcontroller board.
    pub board: Arc<BoardSim>,
    /// The scanner of codes; reached only where the board-config has one.
    pub scanner: Arc<ScannerSim>,
    /// The device that signs receipts; reached only where the board-config has one.
    pub fiscal: Arc<FiscalSim>,
    /// The network to the backend.
    pub link: Option<Arc<LinkSim>>,
    run: PathBuf,
    _controls: Vec<Control>,
}

impl AllSims {
    /// Starts everything; when this returns, all of it can be used.
    pub fn start(plan: &Plan) -> Result<Self> {
        let run = plan.run.canonicalize().with_context(|| format!("the run folder {}", plan.run.display()))?;
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let at = |name: &str| run.join(name);
        let reader = Arc::new(Pn532Sim::start(&at("reader.tty"), Timing::PACED, plan.cards.clone()).context("the reader")?);
        let (board_name, template) = template(plan.board.as_deref())?;
        let nexo = template.get("terminal").and_then(|t| t.get("kind")).and_then(toml::Value::as_str) == Some("nexo");
        let start = if nexo { TerminalSim::start_nexo } else { TerminalSim::start };
        let terminal = Arc::new(start(free, plan.mode, plan.delay).context("the terminal")?);
        let printer = Arc::new(PrinterSim::start(free, &at("receipts.bin")).context("the printer")?);
        let fiscal = Arc::new(FiscalSim::start(free).context("the device that signs")?);
        let terminal_line = Arc::new(LinkSim::start(free, terminal.address()).context("the terminal's cable")?);
        let printer_line = Arc::new(LinkSim::start(free, printer.address()).context("the printer's cable")?);
        let board = Arc::new(BoardSim::start(&at("board.pty")).context("the board")?);
        let scanner = Arc::new(ScannerSim::start(&at("scanner.tty")).context("the scanner")?);
        let link = plan.to.map(|to| LinkSim::start(free, to).context("the link").map(Arc::new)).transpose()?;
        let mut controls = vec![
            serve_for(&at("reader.ctl"), &reader, Pn532Sim::obey)?,
            serve(&at("terminal.ctl"), by_cable(&terminal_line, &terminal, TerminalSim::obey))?,
            serve(&at("printer.ctl"), by_cable(&printer_line, &printer, PrinterSim::obey))?,
            serve_for(&at("board.ctl"), &board, BoardSim::obey)?,
            serve_for(&at("scanner.ctl"), &scanner, ScannerSim::obey)?,
            serve_for(&at("fiscal.ctl"), &fiscal, FiscalSim::obey)?,
        ];
        if let Some(link) = &link {
            controls.push(serve_for(&at("link.ctl"), link, LinkSim::obey)?);
        }
        let all = Self {
            reader,
            terminal,
            terminal_line,
            printer,
            printer_line,
            board,
            scanner,
            fiscal,
            link,
            run,
            _controls: controls,
        };
        all.write_board(&board_name, template)?;
        Ok(all)
    }

    /// The board-config that leads to these simulators.
    pub fn board_config(&self) -> PathBuf {
        self.run.join("board.toml")
    }

    /// Addresses and paths for whoever started this.
    pub fn addresses(&self) -> serde_json::Value {
        serde_json::json!({
            "ready": true,
            "reader": self.run.join("reader.tty"),
            "terminal": self.terminal_line.address().to_string(),
            "printer": self.printer_line.address().to_string(),
            "scanner": self.run.join("scanner.tty"),
            "peripherals": self.run.join("board.pty"),
            "link": self.link.as_ref().map(|l| l.address().to_string()),
            "board": self.board_config(),
        })
    }

    fn write_board(&self, name: &str, mut board: toml::Table) -> Result<()> {
        for (table, key, value) in [
            ("terminal", "address", self.terminal_line.address().to_string()),
            ("printer", "address", self.printer_line.address().to_string()),
            ("fiscal", "address", self.fiscal.address().to_string()),
            ("peripherals", "path", "board.pty".to_owned()),
        ] {
            // A board without such a device stays without it.
            if let Some(device) = board.get_mut(table).and_then(toml::Value::as_table_mut) {
                device.insert(key.to_owned(), value.into());
            }
        }
        if let Some(scanner) = board.get_mut("scanner") {
            *scanner = toml::toml! { kind = "serial" path = "scanner.tty" }.into();
        }
        if let (Some(pin), Some(terminal)) = (self.terminal.pin(), board.get_mut("terminal").and_then(toml::Value::as_table_mut))
        {
            terminal.insert("certificate_sha256".to_owned(), pin.hex().into());
        }
        if let Some(reader) = board.get_mut("reader") {
            *reader = toml::toml! { kind = "nfc" }.into();
            let sidecar = programs()?.join("nfc-sidecar").display().to_string();
            for (key, value) in [("tty", "reader.tty".to_owned()), ("program", sidecar)] {
                reader.as_table_mut().into_iter().for_each(|reader| drop(reader.insert(key.to_owned(), value.clone().into())));
            }
        }
        let path = self.board_config();
        let text = format!("# Made by kiosk-sim from {name}; made again at its next start.\n{board}");
        kiosk_devices::BoardConfig::parse(&text, &path).with_context(|| format!("made from {name}"))?;
        std::fs::write(&path, text).with_context(|| path.display().to_string())
    }
}

/// `down` and `up` are the cable's, everything else is the simulator's. Keeps neither alive.
fn by_cable<T: Send + Sync + 'static>(
    line: &Arc<LinkSim>,
    sim: &Arc<T>,
    obey: fn(&T, &str) -> Answer,
) -> impl Fn(&str) -> Answer + Send + Sync + 'static {
    let (line, sim) = (Arc::downgrade(line), Arc::downgrade(sim));
    move |said| {
        let (Some(line), Some(sim)) = (line.upgrade(), sim.upgrade()) else { return Err("the simulator has stopped".into()) };
        match said {
            "down" | "up" => line.obey(said),
            said => obey(&sim, said),
        }
    }
}

/// The board-config to start from and its name.
fn template(from: Option<&Path>) -> Result<(String, toml::Table)> {
    let text = match from {
        Some(path) => std::fs::read_to_string(path).with_context(|| path.display().to_string())?,
        None => DEMO.to_owned(),
    };
    let name = from.map_or("the demo's board-config".into(), |p| p.display().to_string());
    let board = text.parse().with_context(|| name.clone())?;
    Ok((name, board))
}

/// Where the programs of this project lie that were built beside this one.
fn programs() -> Result<PathBuf> {
    let me = std::env::current_exe().context("where this program is")?;
    let folder = me.parent().context("this program has no folder")?;
    Ok(if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder }.to_owned())
}
