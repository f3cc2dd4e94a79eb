// SPDX-License-Identifier: GPL-3.0-only
//! A picture of the screen for the fleet: half the size, and only of a screen that shows nothing of a guest or of the till.

use crate::ui::Ui;
use anyhow::{Context as _, Result, bail, ensure};
use kiosk_shell::{Camera, is_impersonal};
use slint::{ComponentHandle as _, Rgba8Pixel, SharedPixelBuffer};
use std::{
    fs::OpenOptions,
    io::BufWriter,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    time::Duration,
};

/// How long the screen may take to be photographed; the fleet's question has two seconds.
const EXPOSURE: Duration = Duration::from_millis(1_200);

/// What the screen's own thread answers when it is asked for a picture.
pub(crate) type Photograph = Result<SharedPixelBuffer<Rgba8Pixel>, String>;

/// Asks the screen's thread by `ask` for a photograph, and writes the picture on the caller's thread.
pub(crate) fn camera(ask: impl Fn(SyncSender<Photograph>) -> Result<(), String> + Send + Sync + 'static) -> Camera {
    Arc::new(move |path| {
        let (done, taken) = sync_channel(1);
        ask(done)?;
        let picture = taken.recv_timeout(EXPOSURE).map_err(|_| "the screen did not answer in time".to_owned())??;
        write(&picture, path).map_err(|error| format!("{error:#}"))
    })
}

/// Photographs the screen; on the screen's own thread.
pub(crate) fn photograph(ui: &Ui) -> Photograph {
    if !is_impersonal(ui.snapshot()) {
        return Err("a guest, an order or the till is on the screen: ask again later".to_owned());
    }
    ui.app().window().take_snapshot().map_err(|error| error.to_string())
}

/// Half as wide and half as high, without transparency: each pixel is the mean of four.
fn halved(full: &SharedPixelBuffer<Rgba8Pixel>) -> (u32, u32, Vec<u8>) {
    let (width, height) = (full.width() / 2, full.height() / 2);
    let stride = full.width() as usize;
    let pixels = full.as_slice();
    let mut out = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height as usize {
        for x in 0..width as usize {
            let first = 2 * y * stride + 2 * x;
            let four = [first, first + 1, first + stride, first + stride + 1].map(|at| pixels[at]);
            let mean = |part: fn(&Rgba8Pixel) -> u8| four.iter().map(|pixel| u16::from(part(pixel))).sum::<u16>() / 4;
            out.extend([mean(|p| p.r), mean(|p| p.g), mean(|p| p.b)].map(|part| part.to_le_bytes()[0]));
        }
    }
    (width, height, out)
}

/// Writes the picture into a new file that the group may read.
///
/// # Errors
/// Where the file is there already or cannot be written.
fn write(full: &SharedPixelBuffer<Rgba8Pixel>, path: &Path) -> Result<()> {
    ensure!(full.width() >= 2 && full.height() >= 2, "the screen shows nothing");
    let (width, height, pixels) = halved(full);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(path);
    let file = match file {
        Ok(file) => file,
        Err(error) => bail!("the picture cannot be written: {error}"),
    };
    let mut encoder = png::Encoder::new(BufWriter::new(file), width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().context("the picture cannot be written")?;
    writer.write_image_data(&pixels).context("the picture cannot be written")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_picture_is_half_as_large_in_a_file_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("screen-1.png");
        let mut full = SharedPixelBuffer::<Rgba8Pixel>::new(4, 2);
        for (at, pixel) in full.make_mut_slice().iter_mut().enumerate() {
            *pixel = if at % 4 < 2 { Rgba8Pixel::new(200, 100, 0, 255) } else { Rgba8Pixel::new(0, 0, 0, 255) };
        }
        write(&full, &path).unwrap();
        let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&path).unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; 6];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height, pixels), (2, 1, vec![200, 100, 0, 0, 0, 0]));
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o037, 0, "nobody but the group reads it");
        assert!(write(&full, &path).is_err(), "a file that is there is not written over");
    }
}
