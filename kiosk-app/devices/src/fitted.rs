//! From a board-config to the adapters it names.

use crate::{
    BoardConfig, CodeScanner, FilePrinter, FiscalDevice, PaymentTerminal, Peripherals, PortScanner, ReceiptPrinter, SerialBoard,
    SidecarReader, TagReader, TcpFiscal, TcpPrinter, ZvtTerminal, board,
    nexo::{NexoLimits, NexoNames, NexoTerminal, Pin},
    peripherals::Comfort,
    zvt::{SlipsTo, ZvtLimits, ZvtPassword},
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// The guest-card reader, if one is fitted.
pub fn open_reader(config: &BoardConfig) -> Option<Box<dyn TagReader>> {
    config.reader.as_ref().map(|reader| match reader {
        board::Reader::Sidecar { socket } => Box::new(SidecarReader::new(socket)) as Box<dyn TagReader>,
        board::Reader::Nfc { tty, program } => {
            let program = program.clone().unwrap_or_else(beside_me);
            Box::new(SidecarReader::start(&program, &["--tty".to_owned(), tty.display().to_string()]))
        }
    })
}

/// The reader's process as it is installed: beside the kiosk's program.
fn beside_me() -> PathBuf {
    let me = std::env::current_exe().ok();
    me.as_deref().and_then(Path::parent).map_or_else(|| "nfc-sidecar".into(), |folder| folder.join("nfc-sidecar"))
}

/// The payment terminal, if one is fitted.
pub fn open_terminal(config: &BoardConfig) -> Option<Box<dyn PaymentTerminal>> {
    config.terminal.as_ref().and_then(|terminal| match terminal {
        board::Terminal::Zvt { address, password, patience_s, slips, .. } => {
            let password = ZvtPassword::parse(password)?;
            let limits = ZvtLimits { reply: Duration::from_secs((*patience_s).into()), ..ZvtLimits::default() };
            let slips = match slips {
                board::SlipPrinter::Terminal => SlipsTo::Terminal,
                board::SlipPrinter::Kiosk => SlipsTo::Till,
            };
            Some(Box::new(ZvtTerminal::new(address, password, limits, slips)) as Box<dyn PaymentTerminal>)
        }
        board::Terminal::Nexo { address, certificate_sha256, poi_id, sale_id, patience_s, .. } => {
            let limits = NexoLimits { reply: Duration::from_secs((*patience_s).into()), ..NexoLimits::default() };
            let names = NexoNames { sale: sale_id.clone(), poi: poi_id.clone() };
            Some(Box::new(NexoTerminal::new(address, Pin::parse(certificate_sha256)?, names, limits)))
        }
    })
}

/// The device that signs receipts, if the law asks for one.
pub fn open_fiscal(config: &BoardConfig) -> Option<Box<dyn FiscalDevice>> {
    config.fiscal.as_ref().map(|board::Fiscal::Tcp { address, wait_s, .. }| {
        Box::new(TcpFiscal::new(address, Duration::from_secs((*wait_s).into()))) as Box<dyn FiscalDevice>
    })
}

/// The receipt printer, if one is fitted.
pub fn open_printer(config: &BoardConfig) -> Option<Box<dyn ReceiptPrinter>> {
    config.printer.as_ref().map(|printer| match printer {
        board::Printer::Tcp { address, .. } => Box::new(TcpPrinter::new(address, Default::default())) as Box<dyn ReceiptPrinter>,
        board::Printer::File { path, .. } => Box::new(FilePrinter::new(path)),
        board::Printer::Serial { path, baud, .. } => Box::new(FilePrinter::serial(path, *baud)),
    })
}

/// The scanner of codes, if one is fitted.
pub fn open_scanner(config: &BoardConfig) -> Option<Box<dyn CodeScanner>> {
    config.scanner.as_ref().map(|scanner| match scanner {
        board::Scanner::Serial { path, baud, max } => Box::new(PortScanner::serial(path, *baud, *max)) as Box<dyn CodeScanner>,
        board::Scanner::Hid { path, max } => Box::new(PortScanner::keyboard(path, *max)),
    })
}

/// The microcontroller board, if one is fitted.
pub fn open_peripherals(config: &BoardConfig) -> std::io::Result<Option<Box<dyn Peripherals>>> {
    Ok(match &config.peripherals {
        Some(serial @ board::Serial::Serial { path, volume, reduced_motion, .. }) => {
            let comfort = Comfort { reduced_motion: *reduced_motion, volume: *volume };
            Some(Box::new(SerialBoard::new(path)?.expecting(serial.expect()).with_comfort(comfort)))
        }
        None => None,
    })
}
