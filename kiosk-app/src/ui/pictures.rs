// SPDX-License-Identifier: GPL-3.0-only
//! Pictures, decoded once at the size they are shown in.
//!
//! A picture that fills its square (a photograph) gets rounded corners; one with transparency stays as it is. What was
//! not shown for longest is dropped when the bound is reached. A key without a file is an empty picture.

use super::{App, slint_app::Theme};
use kiosk_content::Picture;
use slint::{ComponentHandle as _, Global as _, Image, Rgba8Pixel, SharedPixelBuffer};
use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    fs::File,
    io::BufReader,
    path::Path,
    sync::Arc,
};

/// No picture in a shop is larger; content refuses it before.
const SIDE_MAX: u32 = 4096;
/// Corner of a photograph, in parts of its side.
const CORNER: f32 = 0.12;

/// The sizes in physical pixels in which pictures are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Beside a word.
    pub icon: u32,
    /// In a line.
    pub small: u32,
    /// In a sheet.
    pub notice: u32,
    /// A face of the feedback.
    pub face: u32,
    /// The usual.
    pub usual: u32,
    /// On a card.
    pub card: u32,
    /// Alone on the screen.
    pub hero: u32,
    /// A code to be scanned.
    pub code: u32,
}

impl Sizes {
    /// The sizes for the window as it is now.
    pub fn of(app: &App) -> Self {
        let theme = Theme::get(app);
        let factor = app.window().scale_factor();
        let px = |length: f32| physical(length * factor);
        Self {
            icon: px(theme.get_picture_icon()),
            small: px(theme.get_picture_small()),
            notice: px(theme.get_picture_notice()),
            face: px(theme.get_picture_face()),
            usual: px(theme.get_picture_usual()),
            card: px(theme.get_picture_card()),
            hero: px(theme.get_picture_hero()),
            code: px(theme.get_picture_code()),
        }
    }
}

/// The pictures of a shop.
#[derive(Debug)]
pub struct Pictures {
    files: Arc<BTreeMap<String, Picture>>,
    cache: RefCell<Cache>,
}

#[derive(Debug)]
struct Cache {
    images: HashMap<(String, u32), Held>,
    bytes: usize,
    most: usize,
    clock: u64,
}

#[derive(Debug)]
struct Held {
    image: Image,
    bytes: usize,
    used: u64,
}

impl Pictures {
    /// The pictures in `files`; decoded ones take at most about `most` bytes.
    pub fn new(files: Arc<BTreeMap<String, Picture>>, most: usize) -> Self {
        Self { files, cache: RefCell::new(Cache { images: HashMap::new(), bytes: 0, most, clock: 0 }) }
    }

    /// The picture `key` in a square of `px` pixels.
    pub fn get(&self, key: &str, px: u32) -> Image {
        if key.is_empty() || px == 0 {
            return Image::default();
        }
        let name = (key.to_owned(), px);
        if let Some(image) = self.cache.borrow_mut().find(&name) {
            return image;
        }
        let image = self.files.get(key).map(|picture| open(picture, px)).unwrap_or_default();
        self.cache.borrow_mut().keep(name, image)
    }

    /// How many bytes of pixels are held.
    pub fn held_bytes(&self) -> usize {
        self.cache.borrow().bytes
    }
}

impl Cache {
    fn find(&mut self, name: &(String, u32)) -> Option<Image> {
        self.clock += 1;
        let held = self.images.get_mut(name)?;
        held.used = self.clock;
        Some(held.image.clone())
    }

    fn keep(&mut self, name: (String, u32), image: Image) -> Image {
        let side = image.size();
        let bytes = usize::try_from(u64::from(side.width) * u64::from(side.height) * 4).unwrap_or(usize::MAX);
        while self.bytes.saturating_add(bytes) > self.most
            && let Some(oldest) = self.images.iter().min_by_key(|(_, held)| held.used).map(|(name, _)| name.clone())
        {
            let gone = self.images.remove(&oldest).map_or(0, |held| held.bytes);
            self.bytes = self.bytes.saturating_sub(gone);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.images.insert(name, Held { image: image.clone(), bytes, used: self.clock });
        image
    }
}

/// A picture at its size; empty, with a line in the log, where its file is gone.
fn open(picture: &Picture, px: u32) -> Image {
    let path = match &picture.large {
        Some(large) if px > picture.width => large,
        _ => &picture.path,
    };
    match decode(path) {
        Ok(pixels) => fit(&pixels, px),
        Err(why) => {
            tracing::warn!(file = %path.display(), why, "a picture is left out");
            Image::default()
        }
    }
}

/// Straight RGBA.
struct Pixels {
    width: u32,
    height: u32,
    rgba: Vec<u8>,
}

fn decode(path: &Path) -> Result<Pixels, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let most = usize::try_from(SIDE_MAX).unwrap_or(0).pow(2) * 8;
    let mut decoder = png::Decoder::new_with_limits(BufReader::new(file), png::Limits { bytes: most });
    decoder.set_transformations(png::Transformations::normalize_to_color8() | png::Transformations::ALPHA);
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    let (width, height) = reader.info().size();
    if width > SIDE_MAX || height > SIDE_MAX || width == 0 || height == 0 {
        return Err(format!("it is {width} by {height} pixels; {SIDE_MAX} by {SIDE_MAX} are possible"));
    }
    let size = reader.output_buffer_size().filter(|size| *size <= most).ok_or("it is too large")?;
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes).map_err(|e| e.to_string())?;
    bytes.truncate(frame.buffer_size());
    let rgba = match frame.color_type {
        png::ColorType::Rgba => bytes,
        png::ColorType::GrayscaleAlpha => bytes.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect(),
        other => return Err(format!("its colours are {other:?}, which is not understood")),
    };
    Ok(Pixels { width, height, rgba })
}

/// The picture within a square of `px`, as large as it goes, each pixel the mean of what it covers.
fn fit(source: &Pixels, px: u32) -> Image {
    let longest = source.width.max(source.height);
    let scaled = |side: u32| (u64::from(side) * u64::from(px) / u64::from(longest)).clamp(1, u64::from(px));
    let (width, height) = (scaled(source.width), scaled(source.height));
    let (width, height) = (u32::try_from(width).unwrap_or(1), u32::try_from(height).unwrap_or(1));
    let columns = spans(source.width, width);
    let rows = spans(source.height, height);
    let mut buffer = SharedPixelBuffer::<Rgba8Pixel>::new(width, height);
    let out = buffer.make_mut_slice();
    let mut at = 0;
    for row in &rows {
        for column in &columns {
            out[at] = mean(source, column, row);
            at += 1;
        }
    }
    if out.iter().all(|pixel| pixel.a == 255) {
        round_corners(out, width, height);
    }
    Image::from_rgba8_premultiplied(buffer)
}

/// Where the pixels of a side come from: first source pixel and the weight of each.
fn spans(source: u32, target: u32) -> Vec<(usize, Vec<f32>)> {
    #[allow(clippy::cast_precision_loss)]
    let ratio = source as f32 / target as f32;
    // When growing, a pixel covers a whole source pixel around its place, which is bilinear.
    let reach = ratio.max(1.0);
    let span = |at: u32| {
        #[allow(clippy::cast_precision_loss)]
        let centre = (at as f32 + 0.5) * ratio;
        let (low, high) = (centre - reach / 2.0, centre + reach / 2.0);
        let first = whole(low.max(0.0));
        let last = whole(high.ceil() - 1.0).min(usize::try_from(source).unwrap_or(1) - 1).max(first);
        #[allow(clippy::cast_precision_loss)]
        let weights = (first..=last).map(|i| (high.min(i as f32 + 1.0) - low.max(i as f32)).max(0.0)).collect();
        (first, weights)
    };
    (0..target).map(span).collect()
}

fn mean(source: &Pixels, (x0, wx): &(usize, Vec<f32>), (y0, wy): &(usize, Vec<f32>)) -> Rgba8Pixel {
    let stride = usize::try_from(source.width).unwrap_or(0) * 4;
    let mut sum = [0.0f32; 4];
    let mut weight = 0.0;
    for (dy, wy) in wy.iter().enumerate() {
        for (dx, wx) in wx.iter().enumerate() {
            let at = (y0 + dy) * stride + (x0 + dx) * 4;
            let Some(&[r, g, b, a]) = source.rgba.get(at..at + 4) else { continue };
            let (w, a) = (wx * wy, f32::from(a));
            for (sum, colour) in sum.iter_mut().zip([r, g, b]) {
                *sum += w * f32::from(colour) * a / 255.0;
            }
            sum[3] += w * a;
            weight += w;
        }
    }
    let [r, g, b, a] = sum.map(|sum| byte(sum / weight.max(f32::EPSILON)));
    Rgba8Pixel { r: r.min(a), g: g.min(a), b: b.min(a), a }
}

fn round_corners(pixels: &mut [Rgba8Pixel], width: u32, height: u32) {
    #[allow(clippy::cast_precision_loss)]
    let (w, h) = (width as f32, height as f32);
    let radius = w.min(h) * CORNER;
    let mut at = 0;
    for y in 0..height {
        for x in 0..width {
            #[allow(clippy::cast_precision_loss)]
            let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
            let dx = (radius - x).max(x - (w - radius)).max(0.0);
            let dy = (radius - y).max(y - (h - radius)).max(0.0);
            let cover = (radius - dx.hypot(dy) + 0.5).clamp(0.0, 1.0);
            if cover < 1.0 {
                let pixel = &mut pixels[at];
                let dim = |colour: u8| byte(f32::from(colour) * cover);
                *pixel = Rgba8Pixel { r: dim(pixel.r), g: dim(pixel.g), b: dim(pixel.b), a: dim(pixel.a) };
            }
            at += 1;
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn byte(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(value: f32) -> usize {
    value.max(0.0) as usize
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn physical(length: f32) -> u32 {
    length.round().clamp(0.0, 2000.0) as u32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn flat(side: u32, rgba: [u8; 4]) -> Pixels {
        let count = usize::try_from(side * side).unwrap();
        Pixels { width: side, height: side, rgba: rgba.repeat(count) }
    }

    fn pixel(image: &Image, x: u32, y: u32) -> Rgba8Pixel {
        let pixels = image.to_rgba8_premultiplied().unwrap();
        pixels.as_slice()[usize::try_from(y * pixels.width() + x).unwrap()]
    }

    #[test]
    fn a_flat_colour_stays_itself_at_every_size() {
        for side in [3, 7, 64, 200] {
            let image = fit(&flat(64, [200, 100, 50, 128]), side);
            assert_eq!(image.size().width, side);
            assert_eq!(pixel(&image, side / 2, side / 2), Rgba8Pixel { r: 100, g: 50, b: 25, a: 128 });
        }
    }

    #[test]
    fn what_cannot_be_seen_does_not_colour_its_neighbours() {
        let mut source = flat(2, [255, 255, 255, 0]);
        source.rgba[..4].copy_from_slice(&[10, 20, 30, 255]);
        let one = pixel(&fit(&source, 1), 0, 0);
        assert_eq!(one.a, 64);
        assert!(one.r <= 3 && one.g <= 5 && one.b <= 8, "{one:?}");
    }

    #[test]
    fn a_photograph_gets_round_corners_and_a_cut_out_keeps_its_own() {
        let photograph = fit(&flat(80, [9, 9, 9, 255]), 40);
        assert_eq!(pixel(&photograph, 0, 0).a, 0);
        assert_eq!(pixel(&photograph, 20, 0).a, 255);
        let mut source = flat(80, [9, 9, 9, 255]);
        source.rgba[3] = 0;
        assert_eq!(pixel(&fit(&source, 40), 39, 0).a, 255);
    }

    #[test]
    fn a_wide_picture_keeps_its_shape() {
        let source = Pixels { width: 40, height: 20, rgba: vec![255; 40 * 20 * 4] };
        let size = fit(&source, 10).size();
        assert_eq!((size.width, size.height), (10, 5));
    }

    #[test]
    fn the_cache_holds_no_more_than_it_may_and_drops_the_oldest() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo/pictures");
        let entry = |key: &str| {
            let path = dir.join(format!("{key}.png"));
            (key.to_owned(), Picture { path, width: 320, height: 320, large: None })
        };
        let files: BTreeMap<_, _> = ["croissant", "cola", "fries"].map(entry).into();
        let pictures = Pictures::new(Arc::new(files), 2 * 100 * 100 * 4);
        for key in ["croissant", "cola", "fries", "croissant"] {
            assert_eq!(pictures.get(key, 100).size().width, 100);
            assert!(pictures.held_bytes() <= 80_000);
        }
        assert_eq!(pictures.get("nothing", 100).size().width, 0);
    }
}
