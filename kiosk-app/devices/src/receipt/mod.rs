//! What the till wants on paper, as ESC/POS bytes for a printer of a given width and code page.
//!
//! What the printer's own character table has goes out as text, which is quick and sharp. A line with anything else
//! (Arabic, Hebrew, or a guest's name in letters of another alphabet) is set here and goes out as dots (`GS v 0`).
//!
//! The writer is our own because the bytes are few, known and frozen by tests, and because text from a menu must not be
//! able to command the printer. The `escpos` crate would bring its own transports and code page handling beside ours, and
//! has neither shaping nor a way to tell that a table lacks a character.

mod bitmap;
mod escpos;
mod page;
mod refund;
mod report;
mod sale;
pub mod typeset;
mod vocabulary;
mod words;

pub use bitmap::Bitmap;
pub use escpos::{CodePage, DrawerPin, to_text};
pub use refund::{render_refund, render_slip, render_test};
pub use report::render_report;
pub use sale::render_receipt;
pub use words::ReceiptWords;
pub(crate) use words::stamp;

use kiosk_core::{Currency, Paper};

/// What the shop and the printer bring to what is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptLayout {
    /// Centred at the top: name (printed large), address, tax number.
    pub header: Vec<String>,
    /// Centred at the end.
    pub footer: Vec<String>,
    /// Characters a line: 42 or 48 on 80 mm paper, 32 on 58 mm.
    pub columns: u8,
    /// The printer's character table.
    pub code_page: CodePage,
    /// What the amounts are in.
    pub currency: Currency,
    /// The guest's page, printed as a QR code.
    pub page_url: Option<String>,
    /// Minutes that local time is ahead of UTC.
    pub offset_min: i32,
    /// Centred above the header; see [`Bitmap::from_png`].
    pub logo: Option<Bitmap>,
}

/// Renders whatever is to be printed.
pub fn render(paper: &Paper, layout: &ReceiptLayout) -> Vec<u8> {
    match paper {
        Paper::Sale(receipt) => render_receipt(receipt, layout),
        Paper::Refund(refund) => render_refund(refund, layout),
        Paper::Report(report) => render_report(report, layout),
        Paper::Slip(slip) => render_slip(slip, layout),
        Paper::Test(page) => render_test(page, layout),
    }
}

#[cfg(test)]
mod tests;
