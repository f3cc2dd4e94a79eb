//! The till's journal for an auditor: one CSV file, its lines chained by SHA-256, readable and verifiable without this
//! program.
//!
//! # The file
//!
//! Lines that begin with `#` say what it is and how to check it; then a line of column names; then the lines of the till's
//! book in their order, none left out between the first and the last. Text is UTF-8, fields are quoted as RFC 4180 says,
//! lines end by one line feed. Amounts are in the currency's smallest unit: 390 EUR is 3.90.
//!
//! # The chain
//!
//! The last field of a line is the SHA-256 of: the hash before it, a comma, and the line up to its last comma. The hash
//! before the first is stated above it, and is 64 zeros for the first line of a till. A line has the same hash in every
//! export that contains it: whoever keeps one export's last hash can tell that a later export tells the same past. `sha256sum`
//! and a loop of a shell check it; the loop stands in the file.
//!
//! # What is not in it
//!
//! What a fiscal device said of a receipt is the reason of a line `signed`, as JSON.
//!
//! Nothing of a guest: no name, no visitor, no visit, no card number. Staff stand in it by their number. A reason that was
//! typed in somebody's own words is told as `own_words`; the words stay in the device's book.

use crate::desk::EntryBody;
use anyhow::{Context as _, Result, ensure};
use cem_contract::hex;
use edge_db::{Exported, LogReader, TillRow, exported, note_exported};
use kiosk_core::{desk::Reason, till::EntryKind};
use sha2::{Digest as _, Sha256};
use std::{io::Write, path::Path};

/// Lines read at a time.
const BATCH: usize = 1_000;

/// The columns, in their order; `hash` is always the last.
pub const COLUMNS: [&str; 25] = [
    "till",
    "line",
    "time_utc",
    "business_date",
    "shift",
    "kind",
    "receipt",
    "order_number",
    "order",
    "tender",
    "amount",
    "currency",
    "tip",
    "rounding",
    "discounts",
    "tax",
    "returned_lines",
    "counted",
    "attempt",
    "terminal_receipt",
    "staff",
    "approver",
    "reason",
    "shift_id",
    "hash",
];

/// Which part of a till's book.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The till.
    pub till: String,
    /// First business date, `2026-11-01`; `None` from the beginning.
    pub from: Option<String>,
    /// Last business date, itself included; `None` to the end.
    pub to: Option<String>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// How many lines.
    pub lines: u64,
    /// Number of the last one, 0 for none.
    pub last: u64,
    /// The last hash: to be kept elsewhere, as a seal on the whole file.
    pub hash: String,
}

/// Writes the lines of a till. The database is read only, and may be in use.
///
/// # Errors
/// Where the database cannot be read, a line of it is damaged, a date is none, or `out` takes nothing more.
pub fn export(db: &Path, wanted: &Wanted, out: &mut dyn Write) -> Result<Written> {
    for date in [&wanted.from, &wanted.to].into_iter().flatten() {
        ensure!(is_date(date), "'{date}' is no date such as 2026-11-01");
    }
    let reader = LogReader::open(db)?.with_context(|| format!("there is no journal at {}", db.display()))?;
    let marks = exported(db).context("the marks of earlier exports cannot be read")?;
    let mut book = Book::begin(&reader, &wanted.till, &marks)?;
    let mut written = Written { lines: 0, last: 0, hash: book.hash.clone() };
    while let Some((line, row)) = book.next()? {
        let date = date_of(&row)?;
        let early = wanted.from.as_ref().is_some_and(|from| date < *from);
        let late = wanted.to.as_ref().is_some_and(|to| date > *to);
        if written.lines == 0 {
            if early || late {
                continue;
            }
            head(out, &wanted.till, book.cut, &line.before)?;
        } else if late {
            break;
        }
        writeln!(out, "{},{}", line.text, line.hash)?;
        written = Written { lines: written.lines + 1, last: row.number, hash: line.hash };
    }
    if written.lines == 0 {
        head(out, &wanted.till, book.cut, &book.hash)?;
    }
    out.flush()?;
    Ok(written)
}

/// Says that the lines up to the last one written are kept elsewhere: from now on they go when they are as old as orders.
///
/// # Errors
/// Where the mark cannot be written.
pub fn release(db: &Path, till: &str, written: &Written) -> Result<()> {
    if written.lines == 0 {
        return Ok(());
    }
    let mark = Exported { till: till.to_owned(), number: written.last, hash: written.hash.clone() };
    note_exported(db, &mark).context("the mark that these lines are kept elsewhere cannot be written")
}

/// A line of the file, and the hash before it.
struct Line {
    before: String,
    text: String,
    hash: String,
}

/// The book from its first line on, with the chain.
struct Book<'a> {
    reader: &'a LogReader,
    till: &'a str,
    next: u64,
    hash: String,
    /// The number that the book begins with, where what was before it is gone and no mark says its hash.
    cut: Option<u64>,
    batch: std::vec::IntoIter<TillRow>,
}

impl<'a> Book<'a> {
    /// The chain begins at line 1, else behind the first mark from which on all lines are still there.
    fn begin(reader: &'a LogReader, till: &'a str, marks: &[Exported]) -> Result<Self> {
        let zeros = "0".repeat(64);
        let first = reader.till_entries(till, 1, 1)?.first().map_or(1, |row| row.number);
        let behind = marks.iter().filter(|mark| mark.till == till && mark.number + 1 >= first).min_by_key(|mark| mark.number);
        let (next, hash, cut) = match behind {
            _ if first == 1 => (1, zeros, None),
            Some(mark) => (mark.number + 1, mark.hash.clone(), None),
            None => (first, zeros, Some(first)),
        };
        Ok(Self { reader, till, next, hash, cut, batch: Vec::new().into_iter() })
    }

    fn next(&mut self) -> Result<Option<(Line, TillRow)>> {
        if self.batch.len() == 0 {
            self.batch = self.reader.till_entries(self.till, self.next, BATCH)?.into_iter();
        }
        let Some(row) = self.batch.next() else { return Ok(None) };
        ensure!(row.number == self.next, "line {} of till {} is missing", self.next, self.till);
        self.next += 1;
        let text = text_of(&row)?;
        let hash = hex::encode(&Sha256::digest(format!("{},{text}", self.hash)));
        let before = std::mem::replace(&mut self.hash, hash.clone());
        Ok(Some((Line { before, text, hash }, row)))
    }
}

fn head(out: &mut dyn Write, till: &str, cut: Option<u64>, before: &str) -> Result<()> {
    writeln!(out, "# Journal of till {till}, format 1. Amounts are in the currency's smallest unit (390 EUR is 3.90).")?;
    writeln!(out, "# Each line ends in the SHA-256 of: the hash before it, a comma, and the line up to its last comma.")?;
    writeln!(out, "# Checked by any shell, FILE being this file; it prints the first line that was changed, or nothing:")?;
    writeln!(out, "#   h=$(sed -n 's/^# before=//p' FILE); sed '/^#/d' FILE | sed 1d | while IFS= read -r l; do")?;
    writeln!(
        out,
        "#   h=$(printf '%s,%s' \"$h\" \"${{l%,*}}\" | sha256sum | cut -c1-64); [ \"$h\" = \"${{l##*,}}\" ] || {{ echo \"$l\"; break; }}; done"
    )?;
    if let Some(first) = cut {
        writeln!(out, "# Lines before {first} are no longer on this device and were never exported: the chain begins anew.")?;
    }
    writeln!(out, "# before={before}")?;
    writeln!(out, "{}", COLUMNS.join(","))?;
    Ok(())
}

fn body_of(row: &TillRow) -> Result<EntryBody> {
    serde_json::from_value(row.body.clone()).with_context(|| format!("line {} of till {}", row.number, row.till))
}

fn date_of(row: &TillRow) -> Result<String> {
    Ok(body_of(row)?.business_date)
}

/// A line up to its hash.
fn text_of(row: &TillRow) -> Result<String> {
    let body = body_of(row)?;
    let detail = &body.detail;
    let some = |text: Option<String>| text.unwrap_or_default();
    let list = |items: Vec<String>| items.join(" ");
    let tax = |t: &crate::desk::TaxBody| {
        let kind = if t.included { "included" } else { "added" };
        format!("{}:{}ppm:base={}:tax={}:{kind}", t.code, t.rate_ppm, t.base, t.amount)
    };
    let fields = [
        row.till.clone(),
        row.number.to_string(),
        some(body.at_utc_ms.and_then(time)),
        body.business_date.clone(),
        body.shift_number.to_string(),
        row.kind.clone(),
        some(row.serial.map(|serial| kiosk_core::till::serial_text(&row.till, serial))),
        body.order_number.clone(),
        some(row.order.map(|order| order.to_string())),
        body.tender.clone().unwrap_or_default(),
        body.amount.to_string(),
        body.currency.clone(),
        detail.tip.to_string(),
        detail.rounding.to_string(),
        detail.discounts.to_string(),
        list(detail.tax.iter().map(tax).collect()),
        list(detail.lines.iter().map(|(line, pieces)| format!("{line}x{pieces}")).collect()),
        some(detail.counted.map(|counted| counted.to_string())),
        some(body.attempt.map(|attempt| attempt.to_string())),
        some(body.receipt.map(|receipt| receipt.to_string())),
        body.staff.clone(),
        body.approver.clone(),
        reason(&row.kind, &body.reason).to_owned(),
        row.shift.to_string(),
    ];
    Ok(fields.map(|field| quoted(&field)).join(","))
}

/// A key as it is; words that somebody typed are not told, because they may be about somebody.
fn reason<'a>(kind: &str, reason: &'a str) -> &'a str {
    let machine = [EntryKind::Verdict, EntryKind::Confirmed, EntryKind::Contradicted, EntryKind::Signed, EntryKind::Unsigned];
    let machine = machine.iter().any(|k| k.word() == kind);
    let offered = [&Reason::RETURNS[..], &Reason::PRICES, &Reason::CASH, &Reason::DRAWER];
    let known = offered.iter().any(|reasons| reasons.iter().any(|known| known.word() == reason));
    if machine || known || matches!(reason, "" | "none") { reason } else { "own_words" }
}

fn time(utc_ms: i64) -> Option<String> {
    jiff::Timestamp::from_millisecond(utc_ms).ok().map(|at| format!("{at:.3}"))
}

fn quoted(field: &str) -> String {
    let plain: String = field.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if plain.contains([',', '"', '#']) { format!("\"{}\"", plain.replace('"', "\"\"")) } else { plain }
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}
