//! kiosk-devices: the kiosk's hardware behind small ports, the codecs of the protocols spoken on the way to it,
//! and the board-config that says what is fitted.
//!
//! | Port | Adapter | Protocol |
//! |---|---|---|
//! | [`TagReader`] | [`SidecarReader`] | JSON lines of the reader's process over a Unix stream ([`reader`]) |
//! | [`PaymentTerminal`] | [`ZvtTerminal`] | ZVT over TCP ([`zvt`]) |
//! | | [`NexoTerminal`] | SaleToPOI messages as JSON over HTTPS ([`nexo`]) |
//! | [`ReceiptPrinter`] | [`TcpPrinter`], [`FilePrinter`] (file, USB, serial) | ESC/POS ([`printer`], [`receipt`]) |
//! | [`Peripherals`] | [`SerialBoard`] | peripheral-icd over a tty ([`peripherals`]) |
//! | [`CodeScanner`] | [`PortScanner`] | lines of a tty, or the keys of a keyboard ([`scanner`]) |
//!
//! Every port blocks, is bounded by its own time-outs, and runs on a thread of its own in the shell. [`open_reader`],
//! [`open_terminal`], [`open_printer`], [`open_scanner`] and [`open_peripherals`] make the adapters that a [`BoardConfig`] names.
//!
//! What this crate never does: decide anything about a visit, keep a secret, write to a disk (but the receipt file of a
//! `file` printer), or let a bank card's number out of a terminal's decoder: it is dropped where it is parsed, and
//! what a terminal prints is masked ([`mask`]).

// One system call in it, which grabs a keyboard: `scanner`.
#![deny(unsafe_code)]

pub mod board;
pub mod fiscal;
mod fitted;
pub mod mask;
pub mod nexo;
pub mod peripherals;
mod port;
pub mod printer;
pub mod reader;
pub mod receipt;
pub mod scanner;
pub mod zvt;

pub use board::{BoardConfig, BoardError};
pub use fiscal::{FiscalDevice, FiscalError, FiscalRequest, FiscalState, Seal, TcpFiscal};
pub use fitted::{open_fiscal, open_peripherals, open_printer, open_reader, open_scanner, open_terminal};
pub use nexo::NexoTerminal;
pub use peripherals::SerialBoard;
pub use port::{
    AbortFlag, ExchangeError, FinancialRequest, Grace, Notice, PaymentTerminal, Peripherals, PrintError, ReaderError,
    ReceiptPrinter, Slips, TagReader, Waker,
};
pub use printer::{FilePrinter, TcpPrinter};
pub use reader::{ReaderLine, SidecarReader, Tag, TagKind, Uid};
pub use receipt::{
    Bitmap, CodePage, DrawerPin, ReceiptLayout, render, render_receipt, render_refund, render_report, render_slip,
};
pub use scanner::{CodeScanner, PortScanner, ScannerError};
pub use zvt::ZvtTerminal;
