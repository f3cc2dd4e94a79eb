//! The guest's receipt for money given back, slips of the terminal on paper of their own, and a page that sells nothing.

use super::{
    ReceiptLayout,
    escpos::Align,
    page::{Look, Page},
};
use kiosk_core::{
    Minor, RefundReceipt,
    paper::{CardSlip, TestPage},
};

/// Renders the receipt for a refund or a reversal.
pub fn render_refund(refund: &RefundReceipt, layout: &ReceiptLayout) -> Vec<u8> {
    let mut page = Page::new(&refund.language, layout);
    let words = page.words;
    page.letterhead(refund.copy, Some(words.refund));
    if let Some(ms) = refund.at_utc_ms {
        page.text(&page.date(ms), Look::Plain);
    }
    page.job.align(Align::Left);
    page.blank();
    for (word, value) in [
        (words.receipt, &refund.serial),
        (words.of_order, &refund.number),
        (words.receipt, &refund.of_serial),
        (words.reason, &refund.reason),
        (words.staff, &refund.staff),
    ] {
        if !value.is_empty() {
            page.pair(word, value, 2);
        }
    }
    page.rule();
    for line in &refund.lines {
        page.pair(&format!("{} x {}", line.quantity, line.name), &page.money(line.amount), 4);
    }
    if refund.tip != Minor::ZERO {
        page.pair(words.tip, &page.money(refund.tip), 0);
    }
    page.rule();
    let total = format!("{} {}", layout.currency.letters(), page.money(refund.total));
    page.pair_in(words.refund, &total, 0, Look::Tall);
    if refund.rounding != Minor::ZERO {
        page.pair(words.rounding, &page.money(refund.rounding), 0);
    }
    for (tender, amount) in &refund.paid {
        page.pair(words.tender(*tender), &page.money(*amount), 0);
    }
    if !refund.masked.is_empty() {
        page.pair(&crate::mask::masked(&refund.masked), "", 0);
    }
    page.tax_table(&refund.tax);
    if !refund.slip.is_empty() {
        page.rule();
        page.slip(&refund.slip);
    }
    page.fiscal(&refund.fiscal, &refund.fiscal_qr);
    if refund.in_doubt {
        page.rule();
        page.text(words.in_doubt, Look::Bold);
    }
    page.end(refund.copy)
}

/// Renders a slip of the terminal: the shop's copy, or a guest's that belongs to no receipt.
pub fn render_slip(slip: &CardSlip, layout: &ReceiptLayout) -> Vec<u8> {
    let mut page = Page::new(&slip.language, layout);
    let title = if slip.merchant { page.words.merchant } else { page.words.customer };
    page.letterhead(slip.copy, Some(title));
    if !slip.number.is_empty() {
        page.text(&format!("{} {}", page.words.of_order, slip.number), Look::Plain);
    }
    page.job.align(Align::Left);
    page.rule();
    page.slip(&slip.lines);
    page.end(slip.copy)
}

/// Renders a page that shows whether the printer prints: every column has a character, and each script of its table a line.
pub fn render_test(test: &TestPage, layout: &ReceiptLayout) -> Vec<u8> {
    let mut page = Page::new(&test.language, layout);
    page.letterhead(false, Some(page.words.test));
    page.text(&test.till, Look::Plain);
    if let Some(at) = test.at_utc_ms {
        page.text(&page.date(at), Look::Plain);
    }
    page.job.align(Align::Left);
    page.rule();
    let ruler: String = "1234567890".chars().cycle().take(usize::from(layout.columns)).collect();
    page.text(&ruler, Look::Plain);
    for line in [page.words.total, page.words.thanks, "ÄÖÜ äöü ß É é € £ 0123456789"] {
        page.text(line, Look::Plain);
    }
    page.rule();
    page.end(false)
}
