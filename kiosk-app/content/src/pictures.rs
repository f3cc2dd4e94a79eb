//! `pictures/`: every PNG is decoded once, so that a broken one is found in the office and not in front of a guest.

use crate::{
    Limits, Picture, parallel,
    problem::{Problem, Report, shown},
    source::read_bounded,
};
use std::{
    collections::BTreeMap,
    io::Cursor,
    path::{Path, PathBuf},
};

const LARGE: &str = "@2x";

/// All pictures of `dir`/pictures by key. What is wrong is told and left out.
pub(crate) fn read(dir: &Path, limits: &Limits, report: &Report) -> BTreeMap<String, Picture> {
    let mut pictures: BTreeMap<String, Picture> = BTreeMap::new();
    let mut large: Vec<(String, PathBuf)> = Vec::new();
    let files = list(dir, limits, report);
    let sizes = parallel::map(&files, |(_, path)| decode(path, limits));
    for ((name, path), size) in files.into_iter().zip(sizes) {
        let (width, height) = match size {
            Ok(size) => size,
            Err(why) => {
                let file = format!("pictures/{}", shown(&name));
                report.problem(|| Problem { file, line: None, what: why.what(limits), cure: why.cure().to_owned() });
                continue;
            }
        };
        let stem = name.trim_end_matches(".png");
        if let Some(key) = stem.strip_suffix(LARGE) {
            large.push((key.to_owned(), path));
            continue;
        }
        if width != height {
            warn(report, &name, format!("the picture is {width} by {height} pixels."), "Cut it to a square: it is shown in one.");
        }
        pictures.insert(stem.to_owned(), Picture { path, width, height, large: None });
    }
    for (key, path) in large {
        match pictures.get_mut(&key) {
            Some(picture) => picture.large = Some(path),
            None => {
                let name = format!("{key}{LARGE}.png");
                warn(report, &name, "the large picture has no small one beside it.".to_owned(), "Save it as <key>.png as well.");
            }
        }
    }
    pictures
}

fn warn(report: &Report, name: &str, what: String, cure: &str) {
    let file = format!("pictures/{}", shown(name));
    report.warning(|| Problem { file, line: None, what, cure: cure.to_owned() });
}

/// The PNG files by name, sorted. A folder that is not there is one without pictures.
fn list(dir: &Path, limits: &Limits, report: &Report) -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(dir.join("pictures")) else { return Vec::new() };
    let mut files = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if !name.ends_with(".png") {
            warn(report, &name, "the file is not read, because its name does not end in .png.".to_owned(), "Save it as a PNG.");
            continue;
        }
        if files.len() >= limits.pictures {
            let what = format!("there are more than {} pictures.", limits.pictures);
            let cure = "Take out those that no article shows.".to_owned();
            report.problem(|| Problem { file: "pictures".to_owned(), line: None, what, cure });
            break;
        }
        files.push((name, entry.path()));
    }
    files.sort_unstable();
    files
}

/// Why a picture cannot be shown.
#[derive(Debug)]
enum Broken {
    Unreadable(std::io::Error),
    Large,
    Side(u32, u32),
    Decode(String),
}

impl Broken {
    fn what(&self, limits: &Limits) -> String {
        match self {
            Self::Unreadable(error) => format!("the picture cannot be read: {error}."),
            Self::Large => format!("the file is larger than {} bytes.", limits.picture_bytes),
            Self::Side(width, height) => {
                format!("the picture is {width} by {height} pixels; {0} by {0} are possible.", limits.picture_side)
            }
            Self::Decode(why) => format!("the picture is broken: {}.", shown(why.trim_end_matches('.'))),
        }
    }

    fn cure(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "Put it there as a plain file the kiosk may read.",
            Self::Large | Self::Side(..) => "Make it smaller: 640 by 640 pixels are enough for any screen.",
            Self::Decode(_) => "Save it again as a PNG, or copy it again: it may have been cut short.",
        }
    }
}

/// Decodes to the last byte: a header alone says nothing about a file that was cut short.
fn decode(path: &Path, limits: &Limits) -> Result<(u32, u32), Broken> {
    let bytes = read_bounded(path, limits.picture_bytes).map_err(Broken::Unreadable)?.ok_or(Broken::Large)?;
    let broken = |error: png::DecodingError| Broken::Decode(error.to_string());
    let side = u64::from(limits.picture_side);
    let most = usize::try_from(side.saturating_mul(side).saturating_mul(8)).unwrap_or(usize::MAX);
    let mut reader =
        png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: most }).read_info().map_err(broken)?;
    let (width, height) = reader.info().size();
    if width > limits.picture_side || height > limits.picture_side {
        return Err(Broken::Side(width, height));
    }
    let size = reader.output_buffer_size().filter(|s| *s <= most).ok_or(Broken::Side(width, height))?;
    let mut pixels = vec![0; size];
    reader.next_frame(&mut pixels).map_err(broken)?;
    reader.finish().map_err(broken)?;
    Ok((width, height))
}
