//! What the terminal wants printed: `06 D1` line by line, `06 D3` as a block. Every line is masked where it is read.

use super::{apdu::wipe, tlv};
use crate::{mask::masked, port::Slips};

/// Most lines of a slip that are kept.
const LINES: usize = 200;
/// Longest line, characters.
const LONGEST: usize = 64;

/// Characters of bytes from 80 hex: code page 437, the one of `06 D1` and of blocks that name no other.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// One message of that kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Print {
    /// What the terminal says it is.
    pub copy: Copy,
    /// Masked.
    pub lines: Vec<String>,
    /// True if the slip ends here.
    pub last: bool,
}

/// Whose slip it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// The shop's.
    Merchant,
    /// The guest's.
    Customer,
    /// An administrative receipt, such as that of an end of day: the shop's.
    Administration,
    /// Not said, as always with `06 D1`.
    Unsaid,
}

impl Print {
    /// Reads `06 D1`: an attribute byte, then text. `FF` and a number are empty lines; the highest bit is set on the last.
    pub(super) fn line(data: &[u8]) -> Self {
        let (lines, last) = match data {
            [0xFF, feeds, ..] => (vec![String::new(); usize::from(*feeds).min(8)], false),
            [attribute, text @ ..] => (vec![text_of(text)], attribute & 0x80 != 0),
            [] => (vec![], false),
        };
        Self { copy: Copy::Unsaid, lines, last }
    }

    /// Reads `06 D3`: container 06 with the receipt's kind in 1F07 and text lines in 07.
    pub(super) fn block(data: &[u8]) -> Self {
        let (mut copy, mut lines) = (Copy::Unsaid, Vec::new());
        let inside = match data {
            [0x06, rest @ ..] => tlv::length(rest).and_then(|(head, n)| rest.get(head..head + n)).unwrap_or_default(),
            _ => data,
        };
        for (tag, value) in tlv::objects(inside) {
            match (tag, value) {
                (0x1F07, [1]) => copy = Copy::Merchant,
                (0x1F07, [2]) => copy = Copy::Customer,
                (0x1F07, [3]) => copy = Copy::Administration,
                (0x07, text) if lines.len() < LINES => lines.push(text_of(text)),
                _ => {}
            }
        }
        Self { copy, lines, last: true }
    }
}

fn text_of(bytes: &[u8]) -> String {
    let letter = |b: &u8| match *b {
        b @ 0x20..=0x7E => char::from(b),
        b @ 0x80.. => CP437.chars().nth(usize::from(b) - 0x80).unwrap_or(' '),
        _ => ' ',
    };
    // As large as it will get: a text that grows leaves its beginnings behind.
    let mut text = String::with_capacity(4 * LONGEST);
    text.extend(bytes.iter().take(LONGEST).map(letter));
    let shown = masked(text.trim_end());
    wipe(&mut text.into_bytes());
    shown
}

/// Puts the messages of one command together.
#[derive(Clone, Debug, Default)]
pub struct SlipBook {
    slips: Slips,
    open: Vec<String>,
}

impl SlipBook {
    /// Takes one message.
    pub fn take(&mut self, print: Print) {
        let room = LINES.saturating_sub(self.open.len());
        self.open.extend(print.lines.into_iter().take(room));
        if print.last {
            self.close(print.copy);
        }
    }

    /// All slips. Lines without an end count as a slip.
    pub fn finish(mut self) -> Slips {
        self.close(Copy::Unsaid);
        self.slips
    }

    /// Terminals that do not say print the shop's copy first.
    fn close(&mut self, copy: Copy) {
        let lines = std::mem::take(&mut self.open);
        if lines.iter().all(|line| line.trim().is_empty()) {
            return;
        }
        let customer = match copy {
            Copy::Customer => true,
            Copy::Merchant | Copy::Administration => false,
            Copy::Unsaid => named(&lines).unwrap_or(!self.slips.merchant.is_empty()),
        };
        let into = if customer { &mut self.slips.customer } else { &mut self.slips.merchant };
        let room = LINES.saturating_sub(into.len());
        into.extend(lines.into_iter().take(room));
    }
}

/// Whose slip it is by its own words; the letters may be spaced out.
fn named(lines: &[String]) -> Option<bool> {
    lines.iter().take(8).find_map(|line| {
        let line: String = line.to_lowercase().chars().filter(|c| c.is_alphabetic()).collect();
        let has = |words: [&str; 2]| words.iter().any(|word| line.contains(word));
        if has(["kundenbeleg", "customer"]) { Some(true) } else { has(["händlerbeleg", "merchant"]).then_some(false) }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn line(attribute: u8, text: &str) -> Print {
        Print::line(&[&[attribute], text.as_bytes()].concat())
    }

    fn block(kind: u8, texts: &[&str]) -> Print {
        let (mut lines, mut data, mut whole) = (vec![], vec![], vec![]);
        texts.iter().for_each(|t| tlv::write(&mut lines, 0x07, t.as_bytes()));
        tlv::write(&mut data, 0x1F07, &[kind]);
        tlv::write(&mut data, 0x25, &lines);
        tlv::write(&mut whole, 0x06, &data);
        Print::block(&whole)
    }

    #[test]
    fn blocks_go_where_the_terminal_says() {
        let mut book = SlipBook::default();
        book.take(block(1, &["shop", "signature"]));
        book.take(block(2, &["guest"]));
        let slips = book.finish();
        assert_eq!((slips.merchant, slips.customer), (vec!["shop".into(), "signature".into()], vec!["guest".to_owned()]));
    }

    #[test]
    fn lines_are_sorted_by_their_words_or_the_shops_copy_comes_first() {
        let mut book = SlipBook::default();
        for print in [line(0, "K-U-N-D-E-N-B-E-L-E-G"), line(0x80, "ende"), line(0x40, "H\u{e4}"), line(0x80, "x")] {
            book.take(print);
        }
        let slips = book.finish();
        assert_eq!(slips.customer, ["K-U-N-D-E-N-B-E-L-E-G", "ende"]);
        assert_eq!(slips.merchant.len(), 2);
        let mut book = SlipBook::default();
        [line(0, "a"), line(0x80, "b"), line(0, "c")].into_iter().for_each(|print| book.take(print));
        let slips = book.finish();
        assert_eq!((slips.merchant.len(), slips.customer.len()), (2, 1));
    }

    #[test]
    fn a_terminal_that_prints_without_end_is_cut_off() {
        let mut book = SlipBook::default();
        for _ in 0..1000 {
            book.take(Print::line(&[0xFF, 0xFF]));
            book.take(line(0, &"x".repeat(500)));
        }
        let slips = book.finish();
        assert_eq!(slips.merchant.len(), LINES);
        assert!(slips.merchant.iter().all(|l| l.len() <= LONGEST));
    }

    #[test]
    fn umlauts_come_in_as_they_are_and_card_numbers_masked() {
        assert_eq!(Print::line(b"\x00H\x84ndler").lines, ["Händler"]);
        assert_eq!(line(0, "PAN 4111111111111111").lines, ["PAN ************1111"]);
        assert_eq!(block(2, &["4111 1111 1111 1111"]).lines, ["**** **** **** 1111"]);
    }
}
