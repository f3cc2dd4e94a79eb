//! Lines on paper: text where the printer's table has every character, dots where it has not.

use super::{
    Bitmap, ReceiptLayout, ReceiptWords,
    escpos::{Align, Job},
    typeset::{self, Face},
};
use crate::mask::masked;
use kiosk_core::{Minor, TaxAmount};

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    Bold,
    /// Bold and twice as high.
    Tall,
    /// Bold and twice as large.
    Large,
    /// Bold and three times as large.
    Huge,
}

impl Look {
    /// Magnification of the printer's own letters, across and down.
    fn size(self) -> (u8, u8) {
        match self {
            Self::Plain | Self::Bold => (1, 1),
            Self::Tall => (1, 2),
            Self::Large => (2, 2),
            Self::Huge => (3, 3),
        }
    }
}

/// Dots of a letter in the printer's two fonts.
const FONT_A: usize = 12;
const FONT_B: usize = 9;
/// Above so many characters a line is set in the smaller font.
const FONT_A_COLUMNS: usize = 48;
/// Em of the monospaced font whose letters are as wide as font A's.
const EM_A: f32 = 20.0;

pub(super) struct Page<'a> {
    pub(super) job: Job,
    pub(super) width: usize,
    pub(super) words: &'static ReceiptWords,
    pub(super) layout: &'a ReceiptLayout,
}

impl<'a> Page<'a> {
    pub(super) fn new(language: &str, layout: &'a ReceiptLayout) -> Self {
        let width = usize::from(layout.columns.max(24));
        Self { job: Job::new(layout.code_page), width, words: ReceiptWords::of(language), layout }
    }

    /// Logo, name and address of the shop, and what kind of paper this is.
    pub(super) fn letterhead(&mut self, copy: bool, title: Option<&str>) {
        self.job.align(Align::Centre);
        if let Some(logo) = &self.layout.logo {
            self.job.raster(logo);
        }
        for (n, line) in self.layout.header.iter().enumerate() {
            self.heading(line, n == 0);
        }
        if let Some(title) = title {
            self.heading(title, true);
        }
        if copy {
            self.heading(self.words.copy, true);
        }
    }

    /// Cut, after another word that this is a copy if it is.
    pub(super) fn end(mut self, copy: bool) -> Vec<u8> {
        if copy {
            self.job.align(Align::Centre);
            self.heading(self.words.copy, true);
        }
        self.job.cut()
    }

    /// A text of its own, wrapped; large ones have half the room. Centred between `align` calls.
    pub(super) fn heading(&mut self, text: &str, large: bool) {
        self.text(text, if large { Look::Large } else { Look::Plain });
    }

    /// A text of its own, wrapped, where the alignment says.
    pub(super) fn text(&mut self, text: &str, look: Look) {
        let (across, _) = look.size();
        for line in self.wrap(text, self.width / usize::from(across)) {
            self.free(&line, look);
        }
    }

    fn free(&mut self, text: &str, look: Look) {
        if self.layout.code_page.writes(text) {
            self.styled(look, |job| job.line(text));
        } else {
            let mut face = self.face(look);
            let room = self.dots();
            let wide = typeset::width(text, face);
            face.em *= (room as f32 / wide.max(1) as f32).min(1.0);
            let drawn = typeset::draw(text, face);
            self.job.raster(&drawn);
        }
    }

    fn styled(&mut self, look: Look, write: impl FnOnce(&mut Job)) {
        if look == Look::Plain {
            return write(&mut self.job);
        }
        let (across, down) = look.size();
        self.job.bold(true);
        self.job.size(across, down);
        write(&mut self.job);
        self.job.size(1, 1);
        self.job.bold(false);
    }

    pub(super) fn rule(&mut self) {
        self.job.line(&"-".repeat(self.width));
    }

    pub(super) fn blank(&mut self) {
        self.job.line("");
    }

    /// Text on the left, wrapped with an indent, and an amount at the right of its first line. The other way round in a
    /// language that is written from the right.
    pub(super) fn pair(&mut self, left: &str, right: &str, indent: usize) {
        self.pair_in(left, right, indent, Look::Plain);
    }

    pub(super) fn pair_in(&mut self, left: &str, right: &str, indent: usize, look: Look) {
        if !left.is_empty() && self.columns_of(right) + indent + 10 > self.width {
            self.pair_in(left, "", indent, look);
            return self.pair_in("", right, 0, look);
        }
        let right: String = right.chars().take(self.width).collect();
        let room = self.width.saturating_sub(if right.is_empty() { 0 } else { self.columns_of(&right) + 1 });
        let lead: String = left.chars().take_while(|c| *c == ' ').collect();
        let lines = self.wrap(left.trim_start(), room.saturating_sub(lead.len().max(indent)).max(8));
        let mut lines = lines.iter();
        let first = format!("{lead}{}", lines.next().map_or("", String::as_str));
        self.row(&[(&first, End::Left), (&right, End::Right(self.width))], look);
        lines.for_each(|l| self.row(&[(&format!("{}{l}", " ".repeat(indent)), End::Left)], look));
    }

    /// Tax by code: rate, net, tax, gross.
    pub(super) fn tax_table(&mut self, taxes: &[TaxAmount]) {
        if taxes.is_empty() {
            return;
        }
        self.rule();
        let w = self.words;
        self.columns([w.tax, w.net, w.tax, w.gross].map(str::to_owned));
        for t in taxes {
            let name = format!("{} {}", t.code, w.rate(t.rate_ppm));
            self.columns([name, self.money(t.base), self.money(t.amount), self.money(t.base + t.amount)]);
        }
    }

    /// Four columns, the first left and the others right; one below the other where they do not fit.
    fn columns(&mut self, [first, b, c, d]: [String; 4]) {
        let cell = self.width / 4;
        if [&b, &c, &d].iter().any(|text| self.columns_of(text) >= cell) {
            self.pair(&first, "", 0);
            return [b, c, d].iter().for_each(|text| self.pair("", text, 0));
        }
        let lead = self.width - 3 * cell;
        let first: String = first.chars().take(lead - 1).collect();
        let ends = [1, 2, 3].map(|n| End::Right(lead + n * cell));
        self.row(&[(&first, End::Left), (&b, ends[0]), (&c, ends[1]), (&d, ends[2])], Look::Plain);
    }

    /// One line of cells, none over the other.
    fn row(&mut self, cells: &[(&str, End)], look: Look) {
        let cells: Vec<_> = cells.iter().filter(|(text, _)| !text.is_empty()).copied().collect();
        if cells.iter().all(|(text, _)| self.layout.code_page.writes(text)) {
            let line = self.in_text(&cells);
            self.styled(look, |job| job.line(&line));
        } else {
            let line = self.in_dots(&cells, look);
            self.job.raster(&line);
        }
    }

    fn in_text(&self, cells: &[(&str, End)]) -> String {
        let mut line = vec![' '; self.width];
        for (text, end) in cells {
            let text: Vec<char> = self.layout.code_page.fit(text).chars().collect();
            let start = match end {
                End::Left => 0,
                End::Right(column) => column.saturating_sub(text.len()),
            };
            let start = if self.words.right_to_left { self.width.saturating_sub(start + text.len()) } else { start };
            line.iter_mut().skip(start).zip(text).for_each(|(place, c)| *place = c);
        }
        line.iter().collect::<String>().trim_end().to_owned()
    }

    fn in_dots(&self, cells: &[(&str, End)], look: Look) -> Bitmap {
        let mut face = self.face(look);
        let (dots, cell) = (self.dots(), self.dots() / self.width);
        // What came out wider than planned is drawn smaller, so that no cell lies over another.
        let wide: usize = cells.iter().map(|(text, _)| typeset::width(text, face) + cell).sum();
        face.em *= (dots as f32 / wide.max(1) as f32).min(1.0);
        let mut line = Bitmap::new(dots, face.height());
        for (text, end) in cells {
            let drawn = typeset::draw(text.trim_start(), face);
            let lead = cell * text.chars().take_while(|c| *c == ' ').count();
            let start = match end {
                End::Left => lead,
                End::Right(column) => (column * cell).saturating_sub(drawn.width()),
            };
            let start = if self.words.right_to_left { dots.saturating_sub(start + drawn.width()) } else { start };
            line.draw(&drawn, start, 0);
        }
        line
    }

    /// The terminal's own lines, as it set them, and once more looked through for what must not be on paper.
    pub(super) fn slip(&mut self, lines: &[String]) {
        for line in lines {
            let line: String = masked(line).chars().take(self.width).collect();
            self.free(&line, Look::Plain);
        }
    }

    pub(super) fn money(&self, amount: Minor) -> String {
        self.words.money(amount, self.layout.currency)
    }

    pub(super) fn date(&self, utc_ms: i64) -> String {
        self.words.date(utc_ms, self.layout.offset_min)
    }

    /// Dots across the paper.
    fn dots(&self) -> usize {
        self.width * if self.width > FONT_A_COLUMNS { FONT_B } else { FONT_A }
    }

    fn face(&self, look: Look) -> Face {
        let plain = EM_A * (self.dots() / self.width) as f32 / FONT_A as f32;
        let em = match look {
            Look::Plain | Look::Bold => plain,
            Look::Tall => plain * 1.3,
            Look::Large => plain * 2.0,
            Look::Huge => plain * 3.0,
        };
        Face { em, bold: look != Look::Plain, right_to_left: self.words.right_to_left }
    }

    /// Columns that a text takes.
    fn columns_of(&self, text: &str) -> usize {
        if self.layout.code_page.writes(text) {
            self.layout.code_page.fit(text).chars().count()
        } else {
            typeset::width(text, self.face(Look::Plain)).div_ceil(self.dots() / self.width)
        }
    }

    /// Lines of at most `width` columns, broken at spaces, longer words cut. At most 8: a receipt is not a book.
    fn wrap(&self, text: &str, width: usize) -> Vec<String> {
        let width = width.max(1);
        let mut lines = vec![String::new()];
        for word in text.split_whitespace() {
            let Some(line) = lines.last_mut() else { break };
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if self.columns_of(&longer) <= width {
                *line = longer;
                continue;
            }
            let mut rest = word.to_owned();
            while lines.len() < 9 && !rest.is_empty() {
                let head = self.head_of(&rest, width);
                rest.drain(..head.len());
                match lines.last_mut() {
                    Some(line) if line.is_empty() => *line = head,
                    _ => lines.push(head),
                }
            }
        }
        lines.truncate(8);
        lines
    }

    /// The longest beginning that fits, one character at least.
    fn head_of(&self, word: &str, width: usize) -> String {
        let mut ends: Vec<usize> = word.char_indices().skip(1).map(|(at, _)| at).chain([word.len()]).take(256).collect();
        let fitting = ends.partition_point(|end| self.columns_of(&word[..*end]) <= width).max(1);
        ends.truncate(fitting);
        word[..ends.last().copied().unwrap_or(word.len())].to_owned()
    }
}

/// Where a cell stands, mirrored in a language that is written from the right.
#[derive(Clone, Copy)]
enum End {
    Left,
    /// Ends before this column.
    Right(usize),
}
