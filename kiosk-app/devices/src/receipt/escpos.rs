//! ESC/POS commands, by Epson's command reference, and code pages.

use super::{Bitmap, typeset};
use serde::Deserialize;

/// A printer's character table for bytes from 80 hex, selected by `ESC t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodePage {
    /// Western European with the euro sign.
    #[default]
    Pc858,
    /// Cyrillic of DOS.
    Pc866,
    /// Cyrillic of Windows.
    Wpc1251,
    /// Western European of Windows.
    Wpc1252,
}

const PC858: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈ€ÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";
const PC866: &str = "АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмноп░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀рстуфхцчшщъыьэюяЁёЄєЇїЎў°∙·√№¤■\u{a0}";
const WPC1251: &str = "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—\0™љ›њќћџ\u{a0}ЎўЈ¤Ґ¦§Ё©Є«¬\u{ad}®Ї°±Ііґµ¶·ё№є»јЅѕїАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюя";
const WPC1252: &str = "€\0‚ƒ„…†‡ˆ‰Š‹Œ\0Ž\0\0‘’“”•–—˜™š›œ\0žŸ\u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ";

impl CodePage {
    const ALL: [Self; 4] = [Self::Pc858, Self::Pc866, Self::Wpc1251, Self::Wpc1252];

    /// The number that `ESC t` takes, as on Epson's printers.
    pub fn number(self) -> u8 {
        match self {
            Self::Pc858 => 19,
            Self::Pc866 => 17,
            Self::Wpc1251 => 46,
            Self::Wpc1252 => 16,
        }
    }

    /// The table of an `ESC t` number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.number() == number)
    }

    fn upper(self) -> &'static str {
        match self {
            Self::Pc858 => PC858,
            Self::Pc866 => PC866,
            Self::Wpc1251 => WPC1251,
            Self::Wpc1252 => WPC1252,
        }
    }

    /// The byte for a character, `None` if the table lacks it. Control characters are never passed on: a name from a
    /// menu must not be able to command the printer.
    pub fn byte(self, c: char) -> Option<u8> {
        match c {
            ' '..='~' => Some(c as u8),
            _ if c.is_control() => None,
            _ => self.upper().chars().position(|u| u == c).and_then(|i| u8::try_from(128 + i).ok()),
        }
    }

    /// The character of a byte from 20 hex.
    pub fn char(self, byte: u8) -> char {
        match byte {
            0x20..=0x7E => byte as char,
            0x80.. => self.upper().chars().nth(usize::from(byte) - 128).filter(|&c| c != '\0').unwrap_or('?'),
            _ => '?',
        }
    }

    /// True if a line goes out as text: each character has a byte, or a stand-in that means the same, or is one that could
    /// not be drawn either.
    pub fn writes(self, text: &str) -> bool {
        text.chars().all(|c| self.byte(c).is_some() || c.is_control() || nearest(c).is_some() || !typeset::has(c))
    }

    /// The text with what the table lacks replaced by what means the same, '?' at worst. Each character of the result has
    /// a byte.
    pub fn fit(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            if self.byte(c).is_some() {
                out.push(c);
            } else {
                nearest(c).unwrap_or("?").chars().for_each(|c| out.push(if self.byte(c).is_some() { c } else { '?' }));
            }
        }
        out
    }
}

/// What stands in for a sign that a table lacks. Letters have no stand-in: a name is written as it is.
fn nearest(c: char) -> Option<&'static str> {
    Some(match c {
        '‘' | '’' | '‚' | '´' => "'",
        '“' | '”' | '„' | '«' | '»' => "\"",
        '–' | '—' | '‑' | '−' => "-",
        '…' => "...",
        '·' | '•' => "*",
        '×' => "x",
        '€' => "EUR",
        '£' => "GBP",
        '№' => "No.",
        '\u{a0}' | '\u{202f}' | '\u{2009}' | '\t' | '\n' => " ",
        '\u{ad}' | '\u{200b}' => "",
        _ => return None,
    })
}

/// Where a cash drawer hangs on a printer: the pin of its connector that is pulsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DrawerPin {
    /// Pin 2, where nearly all drawers are.
    Pin2,
    /// Pin 5: a second drawer.
    Pin5,
}

impl DrawerPin {
    /// `ESC p m t1 t2`: a pulse of 100 ms and a pause of 500 ms, in units of 2 ms.
    pub fn pulse(self) -> [u8; 5] {
        [0x1B, b'p', u8::from(self == Self::Pin5), 50, 250]
    }
}

/// Alignment of what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left = 0,
    Centre = 1,
}

/// Error correction of a QR code.
const QR_LEVEL_M: u8 = 49;

/// Rows of one `GS v 0`.
const BAND: usize = 96;

/// A job being written.
#[derive(Debug)]
pub(crate) struct Job {
    bytes: Vec<u8>,
    page: CodePage,
}

impl Job {
    /// Resets the printer, leaves the multi-byte mode in which some printers wake up, selects the table.
    pub(crate) fn new(page: CodePage) -> Self {
        let mut job = Self { bytes: Vec::with_capacity(2048), page };
        job.raw(&[0x1B, b'@', 0x1C, b'.', 0x1B, b't', page.number()]);
        job
    }
    fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
    pub(crate) fn align(&mut self, align: Align) {
        self.raw(&[0x1B, b'a', align as u8]);
    }
    pub(crate) fn bold(&mut self, on: bool) {
        self.raw(&[0x1B, b'E', on.into()]);
    }
    /// Magnification, 1 to 8 each way.
    pub(crate) fn size(&mut self, width: u8, height: u8) {
        self.raw(&[0x1D, b'!', ((width.clamp(1, 8) - 1) << 4) | (height.clamp(1, 8) - 1)]);
    }
    /// A line of text that has been fitted to the table and the width.
    pub(crate) fn line(&mut self, text: &str) {
        let page = self.page;
        self.bytes.extend(page.fit(text).chars().map(|c| page.byte(c).unwrap_or(b'?')));
        self.bytes.push(b'\n');
    }
    /// Dots, in bands that fit into a small printer's buffer.
    pub(crate) fn raster(&mut self, picture: &Bitmap) {
        let Ok(stride) = u16::try_from(picture.width().div_ceil(8)) else { return };
        for top in (0..picture.height()).step_by(BAND) {
            let rows = picture.rows(top..top + BAND);
            let height = (rows.len() / usize::from(stride).max(1)) as u16;
            if height > 0 {
                self.raw(&[0x1D, b'v', b'0', 0]);
                self.raw(&stride.to_le_bytes());
                self.raw(&height.to_le_bytes());
                self.raw(rows);
            }
        }
    }
    /// A QR code drawn by the printer: model 2, level M. Nothing if the data is longer than such a code holds.
    pub(crate) fn qr(&mut self, data: &str, module_dots: u8) {
        let Ok(length) = u16::try_from(data.len() + 3) else { return };
        if data.is_empty() || data.len() > 2331 {
            return;
        }
        let head = [0x1D, b'(', b'k'];
        for function in [&[4, 0, 49, 65, 50, 0][..], &[3, 0, 49, 67, module_dots.clamp(1, 16)], &[3, 0, 49, 69, QR_LEVEL_M]] {
            self.raw(&head);
            self.raw(function);
        }
        self.raw(&head);
        self.raw(&length.to_le_bytes());
        self.raw(&[49, 80, 48]);
        self.raw(data.as_bytes());
        self.raw(&head);
        self.raw(&[3, 0, 49, 81, 48]);
    }
    /// Feeds to the cutter, cuts, and ends.
    pub(crate) fn cut(mut self) -> Vec<u8> {
        self.raw(&[0x1D, b'V', 66, 0]);
        self.bytes
    }
}

/// The text of a job, one string a line, QR codes as `[QR data]`, dots as `[dots WIDTH x HEIGHT]`, the cut as `[cut]`: for tests, logs of a simulator, and
/// people who debug a receipt. Commands that this crate does not write are skipped as far as they can be told.
pub fn to_text(job: &[u8]) -> Vec<String> {
    let mut page = CodePage::Pc858;
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut rest = job;
    loop {
        rest = match rest {
            [] => break,
            [0x1B, b't', n, tail @ ..] => {
                page = CodePage::from_number(*n).unwrap_or(page);
                tail
            }
            [0x1B, b'@', tail @ ..] | [0x1C, b'.', tail @ ..] => tail,
            [0x1B, b'p', _, _, _, tail @ ..] => {
                lines.push("[drawer]".to_owned());
                tail
            }
            [0x1B, _, _, tail @ ..] | [0x1D, b'!' | b'r', _, tail @ ..] | [0x10, 0x04, _, tail @ ..] => tail,
            [0x1D, b'(', b'k', low, high, tail @ ..] => {
                let n = usize::from(u16::from_le_bytes([*low, *high])).min(tail.len());
                if let [49, 80, 48, data @ ..] = &tail[..n] {
                    lines.push(format!("[QR {}]", String::from_utf8_lossy(data)));
                }
                &tail[n..]
            }
            [0x1D, b'v', b'0', _, x, more_x, y, more_y, tail @ ..] => {
                let (stride, height) = (u16::from_le_bytes([*x, *more_x]), u16::from_le_bytes([*y, *more_y]));
                lines.push(format!("[dots {} x {height}]", u32::from(stride) * 8));
                tail.get(usize::from(stride) * usize::from(height)..).unwrap_or_default()
            }
            [0x1D, b'V', 66, _, tail @ ..] => {
                lines.push("[cut]".to_owned());
                tail
            }
            [b'\n', tail @ ..] => {
                lines.push(std::mem::take(&mut line));
                tail
            }
            [byte, tail @ ..] => {
                line.push(page.char(*byte));
                tail
            }
        };
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_table_has_128_characters_and_reads_as_it_writes() {
        for page in CodePage::ALL {
            assert_eq!(page.upper().chars().count(), 128);
            for byte in 0x80..=0xFF {
                let c = page.char(byte);
                assert!(c == '?' || page.byte(c) == Some(byte), "{page:?} {byte:02X} {c}");
            }
        }
        assert_eq!(CodePage::Pc866.byte('Я'), Some(0x9F));
        assert_eq!(CodePage::Wpc1251.byte('Я'), Some(0xDF));
        assert_eq!(CodePage::Pc858.byte('€'), Some(0xD5));
        assert_eq!(CodePage::Wpc1252.byte('€'), Some(0x80));
    }

    #[test]
    fn a_sign_that_a_table_lacks_is_replaced_by_what_means_the_same() {
        assert_eq!(CodePage::Pc866.fit("Ёлка – 5 €"), "Ёлка - 5 EUR");
        assert_eq!(CodePage::Pc858.fit("Ёлка"), "????");
        assert_eq!(CodePage::Pc858.fit("a\u{1b}@b🍔"), "a?@b?");
    }

    #[test]
    fn letters_that_a_table_lacks_and_a_font_has_are_not_written_as_text() {
        assert!(CodePage::Pc858.writes("Crème brûlée – 5 €"));
        assert!(CodePage::Pc858.writes("a\u{1b}b 🍔"), "nothing better can be drawn");
        assert!(!CodePage::Pc866.writes("Crème brûlée"));
        assert!(!CodePage::Pc858.writes("شكرا"));
    }

    #[test]
    fn dots_are_those_of_the_command_reference_in_bands() {
        let mut picture = Bitmap::new(10, 97);
        picture.set(0, 0);
        picture.set(9, 96);
        let mut job = Job::new(CodePage::Pc858);
        job.raster(&picture);
        let bytes = job.cut();
        assert_eq!(bytes[7..17], [0x1D, b'v', b'0', 0, 2, 0, 96, 0, 0x80, 0]);
        assert_eq!(bytes[7 + 8 + 192..][..10], [0x1D, b'v', b'0', 0, 2, 0, 1, 0, 0, 0x40]);
        assert_eq!(to_text(&bytes), ["[dots 16 x 96]", "[dots 16 x 1]", "[cut]"]);
    }

    #[test]
    fn a_name_cannot_command_the_printer() {
        let mut job = Job::new(CodePage::Pc858);
        job.line("x\u{1b}p0\u{1d}V0\n\u{10}\u{4}");
        let bytes = job.cut();
        let text = &bytes[7..bytes.len() - 4];
        assert!(text[..text.len() - 1].iter().all(|b| *b >= 0x20), "{text:?}");
    }

    #[test]
    fn qr_bytes_are_those_of_the_command_reference() {
        let mut job = Job::new(CodePage::Pc858);
        job.qr("AB", 6);
        let bytes = job.cut();
        let expect: Vec<u8> = [
            &b"\x1b@\x1c.\x1bt\x13"[..],
            b"\x1d(k\x04\x00\x31\x41\x32\x00",
            b"\x1d(k\x03\x00\x31\x43\x06",
            b"\x1d(k\x03\x00\x31\x45\x31",
            b"\x1d(k\x05\x00\x31\x50\x30AB",
            b"\x1d(k\x03\x00\x31\x51\x30",
            b"\x1dVB\x00",
        ]
        .concat();
        assert_eq!(bytes, expect);
        assert_eq!(to_text(&bytes), ["[QR AB]", "[cut]"]);
    }
}
