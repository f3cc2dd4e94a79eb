//! From a board-config to the adapters it names.

use crate::{
    BoardConfig, FilePrinter, PaymentTerminal, Peripherals, ReceiptPrinter, SerialBoard, SidecarReader, TagReader, TcpPrinter,
    ZvtTerminal, board,
    zvt::{ZvtLimits, ZvtPassword},
};
use std::time::Duration;

/// The guest-card reader, if one is fitted.
pub fn open_reader(config: &BoardConfig) -> Option<Box<dyn TagReader>> {
    config.reader.as_ref().map(|reader| match reader {
        board::Reader::Sidecar { socket } => Box::new(SidecarReader::new(socket)) as Box<dyn TagReader>,
    })
}

/// The payment terminal, if one is fitted.
pub fn open_terminal(config: &BoardConfig) -> Option<Box<dyn PaymentTerminal>> {
    config.terminal.as_ref().and_then(|terminal| match terminal {
        board::Terminal::Zvt { address, password, patience_s, .. } => {
            let password = ZvtPassword::parse(password)?;
            let limits = ZvtLimits { reply: Duration::from_secs((*patience_s).into()), ..ZvtLimits::default() };
            Some(Box::new(ZvtTerminal::new(address, password, limits)) as Box<dyn PaymentTerminal>)
        }
    })
}

/// The receipt printer, if one is fitted.
pub fn open_printer(config: &BoardConfig) -> Option<Box<dyn ReceiptPrinter>> {
    config.printer.as_ref().map(|printer| match printer {
        board::Printer::Tcp { address, .. } => Box::new(TcpPrinter::new(address, Default::default())) as Box<dyn ReceiptPrinter>,
        board::Printer::File { path, .. } => Box::new(FilePrinter::new(path)),
    })
}

/// The microcontroller board, if one is fitted.
pub fn open_peripherals(config: &BoardConfig) -> std::io::Result<Option<Box<dyn Peripherals>>> {
    Ok(match &config.peripherals {
        Some(board::Serial::Serial { path }) => Some(Box::new(SerialBoard::new(path)?)),
        None => None,
    })
}
