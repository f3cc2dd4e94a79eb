//! Paper: what a printer makes of the bytes that it is sent, as dots and as a PNG.
//!
//! It knows the commands that kiosk-devices writes and skips others by their length as far as that can be told. Letters are
//! drawn in the cells of font A, 12 by 24 dots, or font B, 9 wide, where a line has more than 48 columns; a line is 30 dots.

use fast_qr::qr::QRBuilder;
use kiosk_devices::{
    Bitmap, CodePage,
    receipt::typeset::{self, Face},
};
use std::{collections::HashMap, io};

/// Dots between the tops of two lines of plain text.
const LINE: usize = 30;
/// Height of a letter's cell.
const CELL: usize = 24;
/// Rows above a letter that its cell leaves out, so that what hangs below the line is in it.
const RISE: usize = 3;
/// Longest paper that is drawn, dots: about two and a half metres.
const LONGEST: usize = 20_000;
/// Blank dots around a QR code; its own quiet zone is the printer's business.
const QUIET: usize = 4;

/// Draws a job on paper of so many columns.
pub fn picture(job: &[u8], columns: u8) -> Bitmap {
    let columns = usize::from(columns.max(1));
    let cell = if columns > 48 { 9 } else { 12 };
    let mut head = Head {
        paper: vec![],
        width: columns * cell,
        cell,
        page: CodePage::Pc858,
        centred: false,
        bold: false,
        size: (1, 1),
        line: vec![],
        qr: Qr { data: String::new(), dots: 3 },
        letters: HashMap::new(),
    };
    head.print(job);
    head.end_line();
    let height = head.paper.iter().map(|(top, strip)| top + strip.height()).max().unwrap_or(0).min(LONGEST);
    let mut paper = Bitmap::new(head.width, height.max(1));
    head.paper.iter().for_each(|(top, strip)| paper.draw(strip, 0, *top));
    paper
}

/// A PNG of one bit a dot.
pub fn png(paper: &Bitmap) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let side = |n: usize| u32::try_from(n).map_err(io::Error::other);
    let mut encoder = png::Encoder::new(&mut file, side(paper.width())?, side(paper.height())?);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let rows: Vec<u8> = paper.rows(0..paper.height()).iter().map(|byte| !byte).collect();
    encoder.write_header().and_then(|mut w| w.write_image_data(&rows)).map_err(io::Error::other)?;
    Ok(file)
}

/// A letter as it is on the line: character, bold, magnification.
type Letter = (char, bool, (usize, usize));

struct Qr {
    data: String,
    dots: usize,
}

/// The print head and what it has been told.
struct Head {
    /// Strips with their tops.
    paper: Vec<(usize, Bitmap)>,
    width: usize,
    cell: usize,
    page: CodePage,
    centred: bool,
    bold: bool,
    size: (usize, usize),
    line: Vec<Letter>,
    qr: Qr,
    letters: HashMap<(char, bool), Bitmap>,
}

impl Head {
    fn print(&mut self, mut rest: &[u8]) {
        while !rest.is_empty() && self.top() < LONGEST {
            rest = self.step(rest);
        }
    }

    /// Carries out the first command, returns what is behind it.
    fn step<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        match bytes {
            [b'\n', tail @ ..] => {
                let blank = self.line.is_empty();
                self.end_line();
                if blank {
                    let top = self.top();
                    self.paper.push((top, Bitmap::new(self.width, LINE)));
                }
                tail
            }
            [0x1B, b'@', tail @ ..] | [0x1C, b'.', tail @ ..] => tail,
            [0x1B, b't', n, tail @ ..] => {
                self.page = CodePage::from_number(*n).unwrap_or(self.page);
                tail
            }
            [0x1B, b'a', n, tail @ ..] => {
                self.centred = *n == 1;
                tail
            }
            [0x1B, b'E', n, tail @ ..] => {
                self.bold = n & 1 == 1;
                tail
            }
            [0x1D, b'!', n, tail @ ..] => {
                self.size = (usize::from(n >> 4) + 1, usize::from(n & 15) + 1);
                tail
            }
            [0x1D, b'v', b'0', _, x, more_x, y, more_y, tail @ ..] => {
                let stride = usize::from(u16::from_le_bytes([*x, *more_x]));
                let height = usize::from(u16::from_le_bytes([*y, *more_y]));
                let end = (stride * height).min(tail.len());
                self.dots(&tail[..end], stride);
                &tail[end..]
            }
            [0x1D, b'(', b'k', low, high, tail @ ..] => {
                let n = usize::from(u16::from_le_bytes([*low, *high])).min(tail.len());
                self.code(&tail[..n]);
                &tail[n..]
            }
            [0x1D, b'V', 66, _, tail @ ..] => {
                self.end_line();
                let top = self.top();
                self.paper.push((top, Bitmap::new(self.width, 2 * LINE)));
                tail
            }
            [0x1B | 0x1D | 0x10, _, _, tail @ ..] => tail,
            [] | [0x1B | 0x1C | 0x1D | 0x10, ..] => &[],
            [byte, tail @ ..] => {
                self.line.push((self.page.char(*byte), self.bold, self.size));
                tail
            }
        }
    }

    fn top(&self) -> usize {
        self.paper.last().map_or(0, |(top, strip)| top + strip.height())
    }

    /// Puts a strip down, centred if that is what was asked for.
    fn put(&mut self, strip: &Bitmap) {
        let left = if self.centred { self.width.saturating_sub(strip.width()) / 2 } else { 0 };
        let mut whole = Bitmap::new(self.width, strip.height());
        whole.draw(strip, left, 0);
        let top = self.top();
        self.paper.push((top, whole));
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return;
        }
        let tall = line.iter().map(|(_, _, (_, down))| *down).max().unwrap_or(1);
        let wide = line.iter().map(|(_, _, (across, _))| across * self.cell).sum();
        let mut strip = Bitmap::new(wide, CELL * tall + LINE - CELL);
        let mut left = 0;
        for (c, bold, (across, down)) in line {
            let letter = self.letter(c, bold);
            for (x, y) in
                (0..self.cell + 1).flat_map(|x| (0..CELL).map(move |y| (x, y))).filter(|(x, y)| letter.get(*x, *y + RISE))
            {
                for (dx, dy) in (0..across).flat_map(|dx| (0..down).map(move |dy| (dx, dy))) {
                    strip.set(left + x * across + dx, CELL * (tall - down) + y * down + dy);
                }
            }
            left += across * self.cell;
        }
        self.put(&strip);
    }

    fn letter(&mut self, c: char, bold: bool) -> Bitmap {
        let em = 20.0 * self.cell as f32 / 12.0;
        let draw = || typeset::draw(c.encode_utf8(&mut [0; 4]), Face { em, bold, right_to_left: false });
        self.letters.entry((c, bold)).or_insert_with(draw).clone()
    }

    fn dots(&mut self, bytes: &[u8], stride: usize) {
        if stride == 0 {
            return;
        }
        let mut strip = Bitmap::new(stride * 8, bytes.len() / stride);
        for (n, byte) in bytes.iter().enumerate() {
            (0..8).filter(|bit| byte & (0x80 >> bit) != 0).for_each(|bit| strip.set(n % stride * 8 + bit, n / stride));
        }
        self.end_line();
        self.put(&strip);
    }

    /// `GS ( k`: size of a module, data, and the order to print.
    fn code(&mut self, function: &[u8]) {
        match function {
            [49, 67, dots] => self.qr.dots = usize::from(*dots).clamp(1, 16),
            [49, 80, 48, data @ ..] => self.qr.data = String::from_utf8_lossy(data).into_owned(),
            [49, 81, 48] => {
                let Ok(code) = QRBuilder::new(self.qr.data.clone()).ecl(fast_qr::ECL::M).build() else { return };
                let side = (code.size + 2 * QUIET) * self.qr.dots;
                let mut strip = Bitmap::new(side, side);
                for (x, y) in (0..side).flat_map(|x| (0..side).map(move |y| (x, y))) {
                    let module = |at: usize| (at / self.qr.dots).checked_sub(QUIET).filter(|m| *m < code.size);
                    if let (Some(column), Some(row)) = (module(x), module(y))
                        && code[row][column].value()
                    {
                        strip.set(x, y);
                    }
                }
                self.end_line();
                self.put(&strip);
            }
            _ => {}
        }
    }
}
