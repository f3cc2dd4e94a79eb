//! Files as text, read within bounds, and places in them.

use crate::{
    Limits,
    problem::{Problem, Report},
};
use std::{fs::File, io::Read, path::Path};

/// A file's text with the name that problems give it.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the shop's folder, with forward slashes.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Source {
    /// Reads `dir`/`name`. The size is looked at before the file is; `None` after telling why.
    pub(crate) fn read(dir: &Path, name: &str, limits: &Limits, report: &Report) -> Option<Self> {
        let tell = |line, what: String, cure: &str| {
            report.problem(|| Problem { file: name.to_owned(), line, what, cure: cure.to_owned() });
        };
        let bytes = match read_bounded(&dir.join(name), limits.file_bytes) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                tell(
                    None,
                    format!("the file is larger than {} bytes and was not read.", limits.file_bytes),
                    "Split it into smaller files, or take out what is not menu text.",
                );
                return None;
            }
            Err(error) => {
                tell(None, format!("the file cannot be read: {error}."), "Put it there as a plain file the kiosk may read.");
                return None;
            }
        };
        match String::from_utf8(bytes) {
            Ok(text) => Some(Self { name: name.to_owned(), text }),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let line = line_at(error.as_bytes(), good);
                tell(
                    Some(line),
                    "the file holds bytes that are not UTF-8 text.".to_owned(),
                    "Save it again with the encoding UTF-8.",
                );
                None
            }
        }
    }

    /// The line of a byte offset, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        line_at(self.text.as_bytes(), at)
    }
}

fn line_at(bytes: &[u8], at: usize) -> usize {
    1 + bytes.iter().take(at).filter(|b| **b == b'\n').count()
}

/// The whole file, `None` where it holds more than `bound` bytes.
pub(crate) fn read_bounded(path: &Path, bound: u64) -> std::io::Result<Option<Vec<u8>>> {
    // Looked at before opening: opening a named pipe would wait for ever.
    let meta = path.metadata()?;
    if !meta.is_file() {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a plain file"));
    }
    if meta.len() > bound {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    File::open(path)?.take(bound.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= bound).then_some(bytes))
}

/// Where reading is: what every helper needs to tell a problem.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) source: &'a Source,
    pub(crate) report: &'a Report,
    pub(crate) limits: &'a Limits,
}

impl Scope<'_> {
    /// Tells a problem at a byte offset of the file.
    pub(crate) fn problem(&self, at: usize, what: String, cure: impl Into<String>) {
        self.report.problem(|| self.make(at, what, cure.into()));
    }

    /// Tells a warning at a byte offset of the file.
    pub(crate) fn warning(&self, at: usize, what: String, cure: impl Into<String>) {
        self.report.warning(|| self.make(at, what, cure.into()));
    }

    fn make(&self, at: usize, what: String, cure: String) -> Problem {
        Problem { file: self.source.name.clone(), line: Some(self.source.line(at)), what, cure }
    }
}
