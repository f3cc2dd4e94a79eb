//! X and Z: the till's totals.

use super::{
    ReceiptLayout,
    escpos::Align,
    page::{Look, Page},
};
use kiosk_core::{
    Minor, Report,
    paper::{CashReport, Count, ReportKind, TerminalReport},
};

/// Renders an X or a Z in the shop's language.
pub fn render_report(report: &Report, layout: &ReceiptLayout) -> Vec<u8> {
    let mut page = Page::new(&report.language, layout);
    let words = page.words;
    let title = match report.kind {
        ReportKind::X => words.report[0].to_owned(),
        ReportKind::Z => report.number.map_or(words.report[1].to_owned(), |n| format!("{} {n}", words.report[1])),
    };
    page.letterhead(report.copy, Some(&title));
    page.job.align(Align::Left);
    page.blank();
    page.about(report);
    page.rule();
    page.sums(report);
    page.tax_table(&report.tax);
    page.section(words.by_tender);
    for (tender, count) in &report.tenders {
        page.count(words.tender(*tender), *count);
    }
    if let Some(cash) = &report.cash {
        page.drawer(cash);
    }
    page.pair(words.no_sales, &report.no_sales.to_string(), 0);
    if let Some(terminal) = &report.terminal {
        page.terminal(terminal);
    }
    if !report.unresolved.is_empty() {
        page.section(words.carried_over);
        for payment in &report.unresolved {
            page.pair(&format!("{} {}", payment.number, payment.staff), &page.money(payment.amount), 2);
        }
    }
    page.end(report.copy)
}

impl Page<'_> {
    fn about(&mut self, report: &Report) {
        let words = self.words;
        self.pair(words.till, &report.till, 0);
        self.pair(words.business_date, &report.business_date, 0);
        for (word, at) in [(words.from, report.from_utc_ms), (words.to, report.to_utc_ms)] {
            if let Some(ms) = at {
                self.pair(word, &self.date(ms), 0);
            }
        }
        self.pair(words.staff, &report.staff, 0);
        if let Some((first, last)) = &report.serials {
            self.pair(words.receipts, &format!("{first} - {last}"), 0);
        }
    }

    fn sums(&mut self, report: &Report) {
        let words = self.words;
        self.count(words.sales, report.sales);
        self.count(words.refunds, report.refunds);
        self.count(words.voids, report.voids);
        self.count(words.discounts, report.discounts);
        self.pair(words.tips, &self.money(report.tips), 0);
        self.pair(words.rounding, &self.money(report.rounding), 0);
        let net = Minor(report.sales.amount.0.saturating_sub(report.refunds.amount.0));
        let total = format!("{} {}", self.layout.currency.letters(), self.money(net));
        self.pair_in(words.total, &total, 0, Look::Tall);
    }

    fn drawer(&mut self, cash: &CashReport) {
        let words = self.words;
        self.section(words.drawer);
        for (word, amount) in [
            (words.float, cash.float),
            (words.sales, cash.sales),
            (words.refunds, -cash.refunds),
            (words.paid_in, cash.paid_in),
            (words.paid_out, -cash.paid_out),
            (words.dropped, -cash.dropped),
            (words.expected, cash.expected),
        ] {
            self.pair(word, &self.money(amount), 0);
        }
        let Some(counted) = cash.counted else { return };
        self.pair(words.counted, &self.money(counted), 0);
        let difference = counted.0.saturating_sub(cash.expected.0);
        let word = if difference < 0 { words.short } else { words.over };
        self.pair_in(word, &self.money(Minor(difference)), 0, Look::Bold);
    }

    fn terminal(&mut self, terminal: &TerminalReport) {
        let words = self.words;
        self.section(words.terminal);
        terminal.rows.iter().for_each(|(scheme, count)| self.count(scheme, *count));
        self.count(words.by_terminal, terminal.terminal);
        self.count(words.by_journal, terminal.journal);
        let agrees = terminal.differences.is_empty() && terminal.terminal == terminal.journal;
        self.text(if agrees { words.agrees } else { words.differs }, Look::Bold);
        for difference in &terminal.differences {
            let amount = |minor: Option<Minor>| minor.map_or("-".to_owned(), |minor| self.money(minor));
            let both = format!("{} / {}", amount(difference.terminal), amount(difference.journal));
            self.pair(&difference.name, &both, 2);
        }
    }

    fn section(&mut self, title: &str) {
        self.rule();
        self.text(title, Look::Bold);
    }

    fn count(&mut self, word: &str, count: Count) {
        self.pair(&format!("{word} ({})", count.count), &self.money(count.amount), 2);
    }
}
