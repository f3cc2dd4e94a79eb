//! Black dots on white paper.

use std::io::Cursor;

/// Rows of dots, eight a byte, the leftmost in the highest bit, 1 for black.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    width: usize,
    height: usize,
    dots: Vec<u8>,
}

/// Longest side of a picture that is taken from a file, pixels.
const MAX_SIDE: u32 = 4096;

impl Bitmap {
    /// White paper.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, dots: vec![0; width.div_ceil(8) * height] }
    }

    /// Dots a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Makes a dot black; nothing outside the paper.
    pub fn set(&mut self, x: usize, y: usize) {
        if x < self.width && y < self.height {
            self.dots[y * self.width.div_ceil(8) + x / 8] |= 0x80 >> (x % 8);
        }
    }

    /// True if black; white outside the paper.
    pub fn get(&self, x: usize, y: usize) -> bool {
        x < self.width && y < self.height && self.dots[y * self.width.div_ceil(8) + x / 8] & (0x80 >> (x % 8)) != 0
    }

    /// Puts another one on top; what does not fit is cut off.
    pub fn draw(&mut self, other: &Self, left: usize, top: usize) {
        for y in 0..other.height {
            (0..other.width).filter(|x| other.get(*x, y)).for_each(|x| self.set(left + x, top + y));
        }
    }

    /// The bytes of `rows`, row after row, each `width.div_ceil(8)` long.
    pub fn rows(&self, rows: std::ops::Range<usize>) -> &[u8] {
        let stride = self.width.div_ceil(8);
        &self.dots[rows.start.min(self.height) * stride..rows.end.min(self.height) * stride]
    }

    /// A grey picture (0 black to 255 white, row after row) as dots, by Floyd and Steinberg. White where `luma` is short.
    pub fn from_luma(width: usize, height: usize, luma: &[u8]) -> Self {
        let mut picture = Self::new(width, height);
        let mut below = vec![0i32; width + 2];
        for y in 0..height {
            let mut here = std::mem::replace(&mut below, vec![0; width + 2]);
            for x in 0..width {
                let wanted = i32::from(luma.get(y * width + x).copied().unwrap_or(255)) + here[x + 1] / 16;
                let black = wanted < 128;
                if black {
                    picture.set(x, y);
                }
                let error = wanted - if black { 0 } else { 255 };
                here[x + 2] += error * 7;
                below[x] += error * 3;
                below[x + 1] += error * 5;
                below[x + 2] += error;
            }
        }
        picture
    }

    /// A PNG as dots, made smaller to at most `widest` dots across; what is transparent is white.
    ///
    /// The error says what is wrong with the file.
    pub fn from_png(png: &[u8], widest: usize) -> Result<Self, String> {
        let mut decoder = png::Decoder::new(Cursor::new(png));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
        let (width, height) = (reader.info().width, reader.info().height);
        if width > MAX_SIDE || height > MAX_SIDE {
            return Err(format!("{width} x {height} pixels; a picture for paper has at most {MAX_SIDE} a side"));
        }
        let mut pixels = vec![0; reader.output_buffer_size().unwrap_or(0)];
        let frame = reader.next_frame(&mut pixels).map_err(|e| e.to_string())?;
        let (width, height) = (width as usize, height as usize);
        let grey: Vec<u8> = pixels.chunks_exact(frame.color_type.samples()).map(luma).collect();
        let into = width.min(widest.max(1));
        let tall = (height * into / width.max(1)).max(1);
        Ok(Self::from_luma(into, tall, &shrink(&grey, (width, height), (into, tall))))
    }
}

/// Grey of a pixel on white paper (Rec. 601).
fn luma(pixel: &[u8]) -> u8 {
    let (grey, alpha) = match *pixel {
        [grey] => (u32::from(grey), 255),
        [grey, alpha] => (u32::from(grey), u32::from(alpha)),
        [r, g, b] => (rec601(r, g, b), 255),
        [r, g, b, alpha, ..] => (rec601(r, g, b), u32::from(alpha)),
        [] => (255, 255),
    };
    u8::try_from((grey * alpha + 255 * (255 - alpha)) / 255).unwrap_or(255)
}

fn rec601(r: u8, g: u8, b: u8) -> u32 {
    (u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114) / 1000
}

/// Averages the pixels that each new one covers.
fn shrink(grey: &[u8], (width, height): (usize, usize), (into, tall): (usize, usize)) -> Vec<u8> {
    let span = |i: usize, from: usize, to: usize| (i * from / to, ((i + 1) * from / to).max(i * from / to + 1));
    let mut out = Vec::with_capacity(into * tall);
    for y in 0..tall {
        let (top, bottom) = span(y, height, tall);
        for x in 0..into {
            let (left, right) = span(x, width, into);
            let all = (top..bottom).flat_map(|y| grey.get(y * width + left..y * width + right).unwrap_or_default());
            let (sum, n) = all.fold((0u32, 0u32), |(sum, n), p| (sum + u32::from(*p), n + 1));
            out.push(u8::try_from(sum / n.max(1)).unwrap_or(255));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn png(width: u32, height: u32, rgba: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Rgba);
        encoder.write_header().unwrap().write_image_data(rgba).unwrap();
        file
    }

    #[test]
    fn dots_stand_where_they_were_set_and_none_outside() {
        let mut paper = Bitmap::new(10, 2);
        paper.set(9, 1);
        paper.set(10, 0);
        paper.set(0, 2);
        assert!(paper.get(9, 1) && !paper.get(10, 0) && !paper.get(0, 2));
        assert_eq!(paper.rows(0..2), [0, 0, 0, 0x40]);
        assert_eq!(paper.rows(1..9), [0, 0x40]);
    }

    #[test]
    fn grey_becomes_as_many_dots_as_it_is_dark() {
        for (grey, low, high) in [(255, 0, 0), (0, 1024, 1024), (128, 460, 560), (64, 700, 830)] {
            let picture = Bitmap::from_luma(32, 32, &[grey; 1024]);
            let black = (0..1024).filter(|i| picture.get(i % 32, i / 32)).count();
            assert!((low..=high).contains(&black), "{grey}: {black}");
        }
    }

    #[test]
    fn a_logo_is_made_to_fit_and_what_is_transparent_stays_white() {
        let clear = png(4, 2, &[[0, 0, 0, 0]; 8].concat());
        assert_eq!(Bitmap::from_png(&clear, 100).unwrap(), Bitmap::new(4, 2));
        let black = png(100, 50, &[[0, 0, 0, 255]; 5000].concat());
        let small = Bitmap::from_png(&black, 20).unwrap();
        assert_eq!((small.width(), small.height(), small.get(19, 9)), (20, 10, true));
        assert!(Bitmap::from_png(b"not a picture", 20).is_err());
        assert!(Bitmap::from_png(&black[..60], 20).is_err());
    }
}
