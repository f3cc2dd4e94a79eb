//! A receipt from the core as ESC/POS bytes for a printer of a given width and code page.

mod escpos;
mod words;

pub use escpos::{CodePage, to_text};
pub use words::ReceiptWords;

use escpos::{Align, Job};
use kiosk_core::{
    Currency, Minor, Receipt, Service,
    basket::{Priced, PricedLine},
};

/// What the shop and the printer bring to a receipt.
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
}

/// Renders one receipt in the language it names, English where that has no words here.
pub fn render_receipt(receipt: &Receipt, layout: &ReceiptLayout) -> Vec<u8> {
    let words = ReceiptWords::of(&receipt.language);
    let mut page = Page { job: Job::new(layout.code_page), width: usize::from(layout.columns.max(24)), words, layout };
    page.head(receipt);
    page.rule();
    receipt.priced.lines.iter().for_each(|line| page.item(&receipt.priced, line));
    page.rule();
    page.totals(receipt);
    page.tax_table(receipt);
    page.tail(receipt);
    page.job.cut()
}

struct Page<'a> {
    job: Job,
    width: usize,
    words: &'static ReceiptWords,
    layout: &'a ReceiptLayout,
}

impl Page<'_> {
    fn head(&mut self, receipt: &Receipt) {
        self.job.align(Align::Centre);
        for (n, line) in self.layout.header.iter().enumerate() {
            self.heading(line, n == 0);
        }
        if receipt.copy {
            self.heading(self.words.copy, true);
        }
        self.job.line("");
        self.job.line(self.words.order);
        self.job.bold(true);
        self.job.size(3, 3);
        self.job.line(&receipt.number);
        self.job.size(1, 1);
        self.job.bold(false);
        if !receipt.called_name.is_empty() {
            self.heading(&receipt.called_name, true);
        }
        self.job.line(match receipt.service {
            Service::EatIn => self.words.eat_in,
            Service::Takeaway => self.words.takeaway,
        });
        if let Some(ms) = receipt.placed_utc_ms {
            self.job.line(&self.words.date(ms, self.layout.offset_min));
        }
        self.job.align(Align::Left);
    }

    /// A centred text, wrapped; large ones have half the room.
    fn heading(&mut self, text: &str, large: bool) {
        let width = if large { self.width / 2 } else { self.width };
        self.job.bold(large);
        self.job.size(1 + u8::from(large), 1 + u8::from(large));
        wrap(&self.fit(text), width).iter().for_each(|l| self.job.line(l));
        self.job.size(1, 1);
        self.job.bold(false);
    }

    fn fit(&self, text: &str) -> String {
        self.layout.code_page.fit(text)
    }

    fn rule(&mut self) {
        self.job.line(&"-".repeat(self.width));
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
        let priced = &receipt.priced;
        let added: Vec<_> = priced.tax.iter().filter(|t| !t.included).collect();
        if !added.is_empty() {
            self.pair(self.words.goods, &self.money(priced.goods), 0);
            for tax in added {
                let name = format!("{} {} {}", self.words.tax, tax.code, self.words.rate(tax.rate_ppm));
                self.pair(&name, &self.money(tax.amount), 0);
            }
        }
        self.job.bold(true);
        self.job.size(1, 2);
        let total = format!("{} {}", self.layout.currency.letters(), self.money(priced.total));
        self.pair(self.words.total, &total, 0);
        self.job.size(1, 1);
        self.job.bold(false);
        for (tender, amount) in &receipt.paid {
            self.pair(self.words.tender(*tender), &self.money(*amount), 0);
        }
        if !receipt.masked.is_empty() {
            self.pair(&receipt.masked, "", 0);
        }
    }

    fn tax_table(&mut self, receipt: &Receipt) {
        if receipt.priced.tax.is_empty() {
            return;
        }
        self.rule();
        let w = self.words;
        self.columns([w.tax, w.net, w.tax, w.gross].map(str::to_owned));
        for t in &receipt.priced.tax {
            let name = format!("{} {}", t.code, w.rate(t.rate_ppm));
            self.columns([name, self.money(t.base), self.money(t.amount), self.money(t.base + t.amount)]);
        }
    }

    /// Four columns, the first left and the others right; one below the other where they do not fit.
    fn columns(&mut self, [first, b, c, d]: [String; 4]) {
        let cell = self.width / 4;
        if [&b, &c, &d].iter().any(|text| chars(text) >= cell) {
            self.pair(&first, "", 0);
            return [b, c, d].iter().for_each(|text| self.pair("", text, 0));
        }
        let first = shorten(&self.fit(&first), self.width - 3 * cell - 1);
        let lead = self.width - 3 * cell;
        self.job.line(&format!("{first:lead$}{b:>cell$}{c:>cell$}{d:>cell$}"));
    }

    fn tail(&mut self, receipt: &Receipt) {
        self.job.align(Align::Centre);
        if let Some(url) = &self.layout.page_url {
            self.job.line("");
            wrap(&self.fit(self.words.page), self.width).iter().for_each(|l| self.job.line(l));
            self.job.qr(url, 6);
        }
        self.job.line("");
        for line in &self.layout.footer {
            self.heading(line, false);
        }
        self.heading(self.words.thanks, false);
        if receipt.copy {
            self.heading(self.words.copy, true);
        }
    }

    /// Text on the left, wrapped with an indent, and an amount at the right of its first line.
    fn pair(&mut self, left: &str, right: &str, indent: usize) {
        if !left.is_empty() && chars(right) + indent + 10 > self.width {
            self.pair(left, "", indent);
            return self.pair("", right, 0);
        }
        let right = &shorten(&self.fit(right), self.width);
        let room = self.width.saturating_sub(if right.is_empty() { 0 } else { chars(right) + 1 });
        let left = self.fit(left);
        let lead: String = left.chars().take_while(|c| *c == ' ').collect();
        let lines = wrap(left.trim_start(), room.saturating_sub(lead.len().max(indent)).max(8));
        let mut lines = lines.iter();
        let first = format!("{lead}{}", lines.next().map_or("", String::as_str));
        let gap = self.width.saturating_sub(chars(&first) + chars(right));
        self.job.line(&format!(
            "{first}{}{right}",
            " ".repeat(if right.is_empty() { 0 } else { if first.is_empty() { gap } else { gap.max(1) } })
        ));
        lines.for_each(|l| self.job.line(&format!("{}{l}", " ".repeat(indent))));
    }

    fn money(&self, amount: Minor) -> String {
        self.words.money(amount, self.layout.currency)
    }
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

fn shorten(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

/// Lines of at most `width` characters, broken at spaces, longer words cut. At most 8: a receipt is not a book.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        while !word.is_empty() {
            let Some(line) = lines.last_mut() else { break };
            let used = chars(line) + usize::from(!line.is_empty());
            if used + word.len() <= width {
                line.push_str(if line.is_empty() { "" } else { " " });
                line.extend(word.drain(..));
            } else if line.is_empty() {
                line.extend(word.drain(..width));
                lines.push(String::new());
            } else {
                lines.push(String::new());
            }
        }
    }
    if lines.len() > 1 && lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.truncate(8);
    lines
}

#[cfg(test)]
mod tests;
