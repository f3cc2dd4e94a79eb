//! From a board-config to the adapters it names.

use crate::{
    BoardConfig, FilePrinter, Peripherals, ReceiptPrinter, SerialBoard, SidecarReader, TagReader, TcpPrinter,
    board,
};

/// The guest-card reader, if one is fitted.
pub fn open_reader(config: &BoardConfig) -> Option<Box<dyn TagReader>> {
    config.reader.as_ref().map(|reader| match reader {
        board::Reader::Sidecar { socket } => Box::new(SidecarReader::new(socket)) as Box<dyn TagReader>,
    })
}

/// The receipt printer, if one is fitted.
pub fn open_printer(config: &BoardConfig) -> Option<Box<dyn ReceiptPrinter>> {
    config.printer.as_ref().map(|printer| match printer {
        board::Printer::Tcp { address, .. } => {
            Box::new(TcpPrinter::new(address, Default::default())) as Box<dyn ReceiptPrinter>
        }
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
