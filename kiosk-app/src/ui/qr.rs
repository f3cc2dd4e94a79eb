// SPDX-License-Identifier: GPL-3.0-only
//! A QR code as a picture whose modules are whole pixels.

use fast_qr::{ECL, QRBuilder};
use slint::{Image, Rgb8Pixel, SharedPixelBuffer};

/// White around the code that readers need: four modules, ISO/IEC 18004.
const QUIET: usize = 4;

/// `text` as a code of at most `px` pixels a side; an empty picture for no text, or for more than a code can hold.
pub(super) fn image(text: &str, px: u32) -> Image {
    if text.is_empty() {
        return Image::default();
    }
    let Ok(code) = QRBuilder::new(text).ecl(ECL::L).build() else { return Image::default() };
    let modules = code.size + 2 * QUIET;
    let scale = (usize::try_from(px).unwrap_or(0) / modules).max(1);
    let side = modules * scale;
    let Ok(pixels) = u32::try_from(side) else { return Image::default() };
    let mut buffer = SharedPixelBuffer::<Rgb8Pixel>::new(pixels, pixels);
    for (at, pixel) in buffer.make_mut_slice().iter_mut().enumerate() {
        let (x, y) = (at % side / scale, at / side / scale);
        let inside = (QUIET..QUIET + code.size).contains(&x) && (QUIET..QUIET + code.size).contains(&y);
        let dark = inside && code[y - QUIET][x - QUIET].value();
        let level = if dark { 0 } else { 255 };
        *pixel = Rgb8Pixel { r: level, g: level, b: level };
    }
    Image::from_rgb8(buffer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn modules_are_whole_pixels_with_white_around_them() {
        let image = image("A-17, €21.80", 260);
        let pixels = image.to_rgba8().unwrap();
        assert_eq!(pixels.width(), pixels.height());
        assert!(pixels.width() <= 260 && pixels.width() > 160);
        assert_eq!(pixels.as_slice()[0].r, 255);
    }

    #[test]
    fn nothing_is_drawn_for_nothing_or_for_too_much() {
        assert_eq!(image("", 260).size().width, 0);
        assert_eq!(image(&"x".repeat(8000), 260).size().width, 0);
    }
}
