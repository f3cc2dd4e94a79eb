//! What is printed, as plain data: the till decides what stands on paper, the printer's adapter how it looks. No text here
//! is law's wording, all of it is names, numbers and amounts; the words are chosen by [`language`](Receipt::language).
//!
//! What comes from a terminal ([`CardSlip`], [`Settlement::slip`]) has been masked by its adapter: no card number is in it.

use crate::{
    basket::{Priced, TaxAmount},
    catalogue::Service,
    ids::Id,
    money::Minor,
    payments::Tender,
};
use alloc::{string::String, vec::Vec};

/// One job for the printer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paper {
    /// The guest's receipt for an order.
    Sale(Receipt),
    /// The guest's receipt for money given back.
    Refund(RefundReceipt),
    /// The till's totals.
    Report(Report),
    /// A slip that the terminal wants kept by the shop, or one that belongs to no receipt.
    Slip(CardSlip),
    /// Shows whoever mends the kiosk that its printer prints.
    Test(TestPage),
}

impl Paper {
    /// What this job is about: order or refund or till period, for the answer that says whether it was printed.
    pub fn subject(&self) -> Id {
        match self {
            Self::Sale(receipt) => receipt.order,
            Self::Refund(refund) => refund.refund,
            Self::Report(report) => report.period,
            Self::Slip(slip) => slip.attempt,
            Self::Test(page) => page.id,
        }
    }

    /// BCP 47 tag of the language it is printed in.
    pub fn language(&self) -> &str {
        match self {
            Self::Sale(receipt) => &receipt.language,
            Self::Refund(refund) => &refund.language,
            Self::Report(report) => &report.language,
            Self::Slip(slip) => &slip.language,
            Self::Test(page) => &page.language,
        }
    }
}

/// Nothing was sold: the width of the paper, its characters, and where and when it was printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestPage {
    /// This job.
    pub id: Id,
    /// The till.
    pub till: String,
    /// BCP 47 tag.
    pub language: String,
    /// When; `None` where nobody knows the time.
    pub at_utc_ms: Option<i64>,
}

/// A receipt for an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The order it is for.
    pub order: Id,
    /// Number called out ('A-17').
    pub number: String,
    /// Name called out, may be empty.
    pub called_name: String,
    /// Eat in or takeaway.
    pub service: Service,
    /// Lines, taxes, total.
    pub priced: Priced,
    /// How it was paid: tender word key and amount.
    pub paid: Vec<(Tender, Minor)>,
    /// Scheme and last digits, may be empty.
    pub masked: String,
    /// What stands below the total besides the tenders.
    pub settlement: Settlement,
    /// True on every print after the first.
    pub copy: bool,
    /// BCP 47 tag of the guest's language.
    pub language: String,
    /// When the order was placed.
    pub placed_utc_ms: Option<i64>,
}

/// What stands on a receipt besides goods, taxes and tenders. Everything may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// The till's gapless receipt number, empty where there is none.
    pub serial: String,
    /// Given to the staff, on top of the total.
    pub tip: Minor,
    /// What cash rounding added (above zero) or took off.
    pub rounding: Minor,
    /// Notes and coins that were handed over and back.
    pub cash: Option<CashGiven>,
    /// The guest's copy of the terminal's slip, line by line, masked.
    pub slip: Vec<String>,
    /// What a fiscal device wants printed, line by line.
    pub fiscal: Vec<String>,
    /// What a fiscal device wants printed as a QR code, empty for none.
    pub fiscal_qr: String,
}

/// Cash that changed hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CashGiven {
    /// By the guest.
    pub given: Minor,
    /// Back to the guest.
    pub change: Minor,
}

/// A receipt for money given back. Amounts are above zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundReceipt {
    /// Which refund.
    pub refund: Id,
    /// The till's gapless receipt number, empty where there is none.
    pub serial: String,
    /// Number of the order ('A-17').
    pub number: String,
    /// Receipt number of the sale, may be empty.
    pub of_serial: String,
    /// What comes back.
    pub lines: Vec<RefundedLine>,
    /// Tax in it, one entry a code.
    pub tax: Vec<TaxAmount>,
    /// Tip that goes back with it.
    pub tip: Minor,
    /// All of it.
    pub total: Minor,
    /// What cash rounding added to that, or took off.
    pub rounding: Minor,
    /// To where.
    pub paid: Vec<(Tender, Minor)>,
    /// Scheme and last digits, may be empty.
    pub masked: String,
    /// The guest's copy of the terminal's slip, masked.
    pub slip: Vec<String>,
    /// What a fiscal device wants printed, line by line.
    pub fiscal: Vec<String>,
    /// What a fiscal device wants printed as a QR code, empty for none.
    pub fiscal_qr: String,
    /// True where the terminal has not settled it yet: the paper says that the money is being looked for.
    pub in_doubt: bool,
    /// Why, in the staff's words; may be empty.
    pub reason: String,
    /// Who did it, a short name.
    pub staff: String,
    /// True on every print after the first.
    pub copy: bool,
    /// BCP 47 tag.
    pub language: String,
    /// When.
    pub at_utc_ms: Option<i64>,
}

/// A line that was given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundedLine {
    /// As on the sale's receipt.
    pub name: String,
    /// How many of them.
    pub quantity: u16,
    /// For all of these, modifiers included.
    pub amount: Minor,
}

/// Whether a report closes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// A look: nothing is reset.
    X,
    /// The end of the till's day.
    Z,
}

/// The till's totals since its last Z.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The period it is about.
    pub period: Id,
    /// X or Z.
    pub kind: ReportKind,
    /// Number of the Z, `None` on an X.
    pub number: Option<u32>,
    /// Name of the till.
    pub till: String,
    /// Business date, `YYYY-MM-DD`.
    pub business_date: String,
    /// When the period was opened.
    pub from_utc_ms: Option<i64>,
    /// When this was made.
    pub to_utc_ms: Option<i64>,
    /// Who made it, a short name.
    pub staff: String,
    /// First and last receipt number of the period, `None` where there was none.
    pub serials: Option<(String, String)>,
    /// Orders paid.
    pub sales: Count,
    /// Of them per tax code.
    pub tax: Vec<TaxAmount>,
    /// Money given back.
    pub refunds: Count,
    /// Orders and lines taken back before they were paid.
    pub voids: Count,
    /// What offers and overrides took off.
    pub discounts: Count,
    /// Tips, within the tenders.
    pub tips: Minor,
    /// What cash rounding added up to.
    pub rounding: Minor,
    /// Per tender, what came in less what went back.
    pub tenders: Vec<(Tender, Count)>,
    /// The drawer, where there is one.
    pub cash: Option<CashReport>,
    /// The terminal's end of day beside the journal, where there is a terminal.
    pub terminal: Option<TerminalReport>,
    /// Payments that nobody knows the end of, carried over by name.
    pub unresolved: Vec<CarriedOver>,
    /// Drawer openings without a sale.
    pub no_sales: u32,
    /// True on every print after the first.
    pub copy: bool,
    /// BCP 47 tag of the shop's language.
    pub language: String,
}

/// How many and how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub count: u32,
    /// Together.
    pub amount: Minor,
}

/// What should be in the drawer and what is. Expected is float, sales and paid in, less refunds, paid out and dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CashReport {
    /// Put in at the start.
    pub float: Minor,
    /// Taken for sales, change taken off.
    pub sales: Minor,
    /// Given back for returned goods.
    pub refunds: Minor,
    /// Put in besides sales.
    pub paid_in: Minor,
    /// Taken out for the shop's expenses.
    pub paid_out: Minor,
    /// Taken out to the safe.
    pub dropped: Minor,
    /// What follows.
    pub expected: Minor,
    /// What was counted, `None` before that.
    pub counted: Option<Minor>,
}

/// The terminal's totals beside the journal's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TerminalReport {
    /// Per card scheme, as the terminal names it.
    pub rows: Vec<(String, Count)>,
    /// What the terminal says of all schemes.
    pub terminal: Count,
    /// What the journal says.
    pub journal: Count,
    /// What differs, payment by payment: receipt number, amount by the terminal and by the journal.
    pub differences: Vec<Difference>,
}

/// A payment on which terminal and journal do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Receipt number of the terminal, or the order's number where the terminal knows none.
    pub name: String,
    /// By the terminal, `None` where it has none.
    pub terminal: Option<Minor>,
    /// By the journal, `None` where it has none.
    pub journal: Option<Minor>,
}

/// A payment that is carried over into the next period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarriedOver {
    /// Order number.
    pub number: String,
    /// How much.
    pub amount: Minor,
    /// Who took it over, a short name.
    pub staff: String,
}

/// A slip of the terminal, masked by its adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardSlip {
    /// Which attempt it is for.
    pub attempt: Id,
    /// Order number, may be empty.
    pub number: String,
    /// Line by line.
    pub lines: Vec<String>,
    /// True for the shop's copy, false for the guest's.
    pub merchant: bool,
    /// True on every print after the first.
    pub copy: bool,
    /// BCP 47 tag.
    pub language: String,
}
