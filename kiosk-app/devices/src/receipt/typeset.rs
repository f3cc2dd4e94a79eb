//! Text as dots, for what a printer's own character table lacks: shaped, right to left where it is written so.
//!
//! The fonts are in the program: DejaVu Sans Mono (Latin, Greek, Cyrillic and more, as wide as a printer's own letters),
//! Noto Sans Arabic and Noto Sans Hebrew. A character that none of them has is drawn as a question mark.

use super::bitmap::Bitmap;
use harfrust::{Direction, ShapeOptions, ShaperData, UnicodeBuffer};
use skrifa::{
    FontRef, GlyphId, MetadataProvider,
    instance::{LocationRef, Size},
    outline::{DrawSettings, OutlinePen},
};
use unicode_bidi::{BidiInfo, Level};
use zeno::{Command, Mask, PathBuilder};

const FONTS: [&[u8]; 3] = [
    include_bytes!("../../../../assets/fonts/receipt/DejaVuSansMono.ttf"),
    include_bytes!("../../../../assets/fonts/receipt/NotoSansArabic-Regular.ttf"),
    include_bytes!("../../../../assets/fonts/receipt/NotoSansHebrew-Regular.ttf"),
];

/// Longest text that is shaped, characters: wider than any paper.
const LONGEST: usize = 256;

/// How text is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Face {
    /// Size of an em in dots; a letter of the monospaced font is 0.602 of it wide.
    pub em: f32,
    /// Twice, a dot apart.
    pub bold: bool,
    /// True if the line as a whole reads from the right.
    pub right_to_left: bool,
}

impl Face {
    /// Rows of a line.
    pub fn height(self) -> usize {
        (self.em * 1.5).ceil() as usize
    }
}

/// True if a font has the character.
pub fn has(c: char) -> bool {
    font_of(c).is_some()
}

/// Width of a text in dots.
pub fn width(text: &str, face: Face) -> usize {
    lay_out(text, face).1
}

/// One line of text, as wide as it is and [`Face::height`] high.
pub fn draw(text: &str, face: Face) -> Bitmap {
    let (glyphs, width) = lay_out(text, face);
    let mut paper = Bitmap::new(width, face.height());
    let baseline = face.em * 1.1;
    for glyph in glyphs {
        ink(&mut paper, &glyph, baseline, face);
    }
    paper
}

/// A glyph with the place of its origin, dots from the left and above the baseline.
struct Placed {
    font: usize,
    glyph: GlyphId,
    x: f32,
    y: f32,
}

fn font(index: usize) -> Option<FontRef<'static>> {
    FontRef::new(FONTS.get(index)?).ok()
}

/// Arabic and Hebrew come from their own fonts, though the monospaced one has some of it.
fn font_of(c: char) -> Option<usize> {
    let own = |index: usize| font(index).is_some_and(|f| f.charmap().map(c).is_some());
    [2, 1].into_iter().filter(|_| !c.is_ascii() && !c.is_whitespace()).chain([0]).find(|index| own(*index))
}

/// The glyphs in the order of the paper, and how wide they are together.
fn lay_out(text: &str, face: Face) -> (Vec<Placed>, usize) {
    let text: String = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let level = if face.right_to_left { Level::rtl() } else { Level::ltr() };
    let bidi = BidiInfo::new(&text, Some(level));
    let Some(paragraph) = bidi.paragraphs.first() else { return (vec![], 0) };
    let (levels, runs) = bidi.visual_runs(paragraph, paragraph.range.clone());
    let (mut glyphs, mut x) = (Vec::new(), 0.0);
    for run in runs {
        let backwards = levels.get(run.start).is_some_and(Level::is_rtl);
        let mut pieces = by_font(&text[run]);
        if backwards {
            pieces.reverse();
        }
        for (font, piece) in pieces {
            x = shape(&mut glyphs, font, &piece, backwards, x, face.em);
        }
    }
    (glyphs, (x.ceil().max(0.0) as usize) + usize::from(face.bold))
}

/// Cuts a run into pieces of one font each. What stands between Arabic words stays with them.
fn by_font(run: &str) -> Vec<(usize, String)> {
    let mut pieces: Vec<(usize, String)> = Vec::new();
    for c in run.chars() {
        let (mut index, c) = font_of(c).map_or((0, '?'), |index| (index, c));
        if let Some((last, piece)) = pieces.last_mut() {
            let joins = c == ' ' || is_mark(c);
            if joins && font(*last).is_some_and(|f| f.charmap().map(c).is_some()) {
                index = *last;
            }
            if index == *last {
                piece.push(c);
                continue;
            }
        }
        pieces.push((index, c.into()));
    }
    pieces
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{200c}'..='\u{200f}')
}

/// Shapes one piece from `x` on; returns where the next one starts.
fn shape(glyphs: &mut Vec<Placed>, index: usize, piece: &str, backwards: bool, mut x: f32, em: f32) -> f32 {
    let Some(font) = font(index) else { return x };
    let data = ShaperData::new(&font);
    let shaper = data.shaper(&font).build();
    let mut buffer = UnicodeBuffer::new();
    buffer.push_str(piece);
    buffer.guess_segment_properties();
    buffer.set_direction(if backwards { Direction::RightToLeft } else { Direction::LeftToRight });
    let shaped = shaper.shape(buffer, ShapeOptions::default());
    let scale = em / shaper.units_per_em() as f32;
    for (info, at) in shaped.glyph_infos().iter().zip(shaped.glyph_positions()) {
        let place = |offset: i32| offset as f32 * scale;
        glyphs.push(Placed { font: index, glyph: info.glyph_id.into(), x: x + place(at.x_offset), y: place(at.y_offset) });
        x += place(at.x_advance);
    }
    x
}

/// Fills the outline of a glyph where at least half a dot is covered.
fn ink(paper: &mut Bitmap, placed: &Placed, baseline: f32, face: Face) {
    let Some(outline) = font(placed.font).and_then(|f| f.outline_glyphs().get(placed.glyph)) else { return };
    let mut pen = Pen { path: Vec::new(), x: placed.x, y: baseline - placed.y };
    let settings = DrawSettings::unhinted(Size::new(face.em), LocationRef::default());
    if outline.draw(settings, &mut pen).is_err() || pen.path.is_empty() {
        return;
    }
    let (mask, at) = Mask::new(&pen.path).render();
    let stride = at.width as usize;
    for (i, _) in mask.iter().enumerate().filter(|(_, covered)| **covered >= 0x70) {
        let (x, y) = (at.left + (i % stride) as i32, at.top + (i / stride) as i32);
        if let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) {
            paper.set(x, y);
            if face.bold {
                paper.set(x + 1, y);
            }
        }
    }
}

/// Turns a font's outline, which grows upwards, into dots, which grow downwards.
struct Pen {
    path: Vec<Command>,
    x: f32,
    y: f32,
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x, self.y - y)
    }
}

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let to = self.at(x, y);
        self.path.move_to(to);
    }
    fn line_to(&mut self, x: f32, y: f32) {
        let to = self.at(x, y);
        self.path.line_to(to);
    }
    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        let (control, to) = (self.at(cx, cy), self.at(x, y));
        self.path.quad_to(control, to);
    }
    fn curve_to(&mut self, cx0: f32, cy0: f32, cx1: f32, cy1: f32, x: f32, y: f32) {
        let (first, second, to) = (self.at(cx0, cy0), self.at(cx1, cy1), self.at(x, y));
        self.path.curve_to(first, second, to);
    }
    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FACE: Face = Face { em: 20.0, bold: false, right_to_left: false };

    fn black(paper: &Bitmap) -> usize {
        (0..paper.width() * paper.height()).filter(|i| paper.get(i % paper.width(), i / paper.width())).count()
    }

    #[test]
    fn a_letter_is_as_wide_as_a_printers_own() {
        assert_eq!(width("0123456789", FACE), 121);
        assert_eq!(draw("Hg", FACE).height(), 30);
        assert!(black(&draw("Hg", FACE)) > 40);
    }

    #[test]
    fn arabic_letters_join_and_run_from_the_right() {
        // Joined, a word is narrower than its letters one by one.
        let apart: usize = "شكرا".chars().map(|c| width(&c.to_string(), FACE)).sum();
        assert!(width("شكرا", FACE) < apart, "{} {apart}", width("شكرا", FACE));
        let alef_seen = draw("\u{627}\u{633}", FACE);
        let (width, height) = (alef_seen.width(), alef_seen.height());
        let highest = (0..width * height).map(|i| (i % width, i / width)).find(|(x, y)| alef_seen.get(*x, *y));
        assert!(highest.is_some_and(|(x, _)| x > width / 2), "the tall alef comes first, on the right: {highest:?}");
    }

    #[test]
    fn what_no_font_has_is_a_question_mark() {
        assert!(!has('🍔') && has('ف') && has('Ж') && has('ש') && has('ő'));
        assert_eq!(draw("🍔", FACE), draw("?", FACE));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_is_drawn_or_left_out(text in "\\PC{0,40}|[\u{600}-\u{6ff} 0-9a-z]{0,40}", rtl in any::<bool>()) {
            let face = Face { right_to_left: rtl, ..FACE };
            prop_assert_eq!(draw(&text, face).width(), width(&text, face));
        }
    }
}
