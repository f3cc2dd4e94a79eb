//! The guest's receipt for an order.

use super::{
    ReceiptLayout,
    escpos::Align,
    page::{Look, Page},
};
use kiosk_core::{
    Minor, Receipt, Service,
    basket::{Priced, PricedLine},
};

/// Renders one receipt in the language it names, English where that has no words here.
pub fn render_receipt(receipt: &Receipt, layout: &ReceiptLayout) -> Vec<u8> {
    let mut page = Page::new(&receipt.language, layout);
    page.letterhead(receipt.copy, None);
    page.order(receipt);
    page.rule();
    receipt.priced.lines.iter().for_each(|line| page.item(&receipt.priced, line));
    page.rule();
    page.totals(receipt);
    page.tax_table(&receipt.priced.tax);
    page.proof(receipt);
    page.tail();
    page.end(receipt.copy)
}

impl Page<'_> {
    fn order(&mut self, receipt: &Receipt) {
        self.blank();
        self.text(self.words.order, Look::Plain);
        self.text(&receipt.number, Look::Huge);
        if !receipt.called_name.is_empty() {
            self.heading(&receipt.called_name, true);
        }
        let service = match receipt.service {
            Service::EatIn => self.words.eat_in,
            Service::Takeaway => self.words.takeaway,
        };
        self.text(service, Look::Plain);
        if let Some(ms) = receipt.placed_utc_ms {
            self.text(&self.date(ms), Look::Plain);
        }
        if !receipt.settlement.serial.is_empty() {
            self.text(&format!("{} {}", self.words.receipt, receipt.settlement.serial), Look::Plain);
        }
        self.job.align(Align::Left);
    }

    /// A combo stands with its whole price; what its parts make of it is for the tax, not for the guest.
    fn item(&mut self, priced: &Priced, line: &PricedLine) {
        let indent = if line.parent.is_some() { "  " } else { "" };
        let name = format!("{indent}{} x {}", line.quantity, line.name);
        let amount = if line.parent.is_some() { String::new() } else { self.money(priced.whole(line)) };
        self.pair(&name, &amount, indent.len() + 4);
        for m in &line.modifiers {
            let count = if m.quantity > 1 { format!("{} x ", m.quantity) } else { String::new() };
            let extra = if m.amount == Minor::ZERO { String::new() } else { format!(" ({})", self.money(m.amount)) };
            self.pair(&format!("{indent}    + {count}{}{extra}", m.name), "", indent.len() + 6);
        }
    }

    fn totals(&mut self, receipt: &Receipt) {
        let (priced, settlement) = (&receipt.priced, &receipt.settlement);
        let added: Vec<_> = priced.tax.iter().filter(|t| !t.included).collect();
        if !added.is_empty() {
            self.pair(self.words.goods, &self.money(priced.goods), 0);
            for tax in added {
                let name = format!("{} {} {}", self.words.tax, tax.code, self.words.rate(tax.rate_ppm));
                self.pair(&name, &self.money(tax.amount), 0);
            }
        }
        let total = format!("{} {}", self.layout.currency.letters(), self.money(priced.total));
        self.pair_in(self.words.total, &total, 0, Look::Tall);
        for (word, amount) in [(self.words.rounding, settlement.rounding), (self.words.tip, settlement.tip)] {
            if amount != Minor::ZERO {
                self.pair(word, &self.money(amount), 0);
            }
        }
        for (tender, amount) in &receipt.paid {
            self.pair(self.words.tender(*tender), &self.money(*amount), 0);
        }
        if let Some(cash) = settlement.cash {
            self.pair(self.words.given, &self.money(cash.given), 0);
            self.pair(self.words.change, &self.money(cash.change), 0);
        }
        if !receipt.masked.is_empty() {
            self.pair(&crate::mask::masked(&receipt.masked), "", 0);
        }
    }

    /// What terminal and fiscal device want the guest to have.
    fn proof(&mut self, receipt: &Receipt) {
        let settlement = &receipt.settlement;
        if !settlement.slip.is_empty() {
            self.rule();
            self.slip(&settlement.slip);
        }
        self.fiscal(&settlement.fiscal, &settlement.fiscal_qr);
    }

    /// What a fiscal device, or the law about one that does not answer, wants on paper.
    pub(super) fn fiscal(&mut self, lines: &[String], code: &str) {
        if lines.is_empty() && code.is_empty() {
            return;
        }
        self.rule();
        lines.iter().for_each(|line| self.text(line, Look::Plain));
        self.job.align(Align::Centre);
        self.job.qr(code, 4);
        self.job.align(Align::Left);
    }

    fn tail(&mut self) {
        self.job.align(Align::Centre);
        if let Some(url) = &self.layout.page_url {
            self.blank();
            self.text(self.words.page, Look::Plain);
            self.job.qr(url, 6);
        }
        self.blank();
        for line in &self.layout.footer {
            self.heading(line, false);
        }
        self.heading(self.words.thanks, false);
    }
}
