//! What touches on the glass mean: a correction that was measured here is kept beside the kiosk's file, and given to whoever
//! has the glass.
//!
//! ```toml
//! # touch.toml
//! touch = [1000000, 0, 0, 0, 1000000, 0]    # millionths, as libinput's calibration matrix
//! ```

use kiosk_core::{GlassOrder, desk::Correction};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// Corrects all touches from now on so, and only so.
pub type Glazier = Arc<dyn Fn(Correction) + Send + Sync>;

/// Longer is no correction.
const BYTES: u64 = 4_096;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    touch: [i32; 6],
}

/// The correction that was kept; none where there is no file, or one that cannot be read: that stands in the log.
pub fn kept_glass(file: &Path) -> Correction {
    match read(file) {
        Ok(correction) => correction,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Correction::default(),
        Err(error) => {
            tracing::error!(%error, file = %file.display(), "touches are not corrected: calibrate the glass again");
            Correction::default()
        }
    }
}

fn read(file: &Path) -> io::Result<Correction> {
    if fs::metadata(file)?.len() > BYTES {
        return Err(io::Error::other("the file is too long"));
    }
    let kept: Kept = toml::from_str(&fs::read_to_string(file)?).map_err(io::Error::other)?;
    Ok(Correction(kept.touch))
}

/// Whole or not at all.
fn write(file: &Path, correction: Correction) -> io::Result<()> {
    let text = toml::to_string(&Kept { touch: correction.0 }).map_err(io::Error::other)?;
    let coming = file.with_extension("new");
    let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&coming)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    fs::rename(&coming, file)?;
    fs::File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Carries out what the desk says of the glass.
pub(crate) struct GlassSide {
    file: PathBuf,
    kept: Correction,
    tried: Option<Correction>,
    glazier: Arc<OnceLock<Glazier>>,
}

impl GlassSide {
    pub(crate) fn new(file: PathBuf, glazier: Arc<OnceLock<Glazier>>) -> Self {
        Self { kept: kept_glass(&file), file, tried: None, glazier }
    }

    pub(crate) fn run(&mut self, order: GlassOrder) {
        match order {
            GlassOrder::Try(correction) => match correction.after(self.kept) {
                Some(both) => {
                    self.tried = Some(both);
                    self.hold(both);
                }
                None => tracing::warn!("touches are off by more than can be: not tried"),
            },
            GlassOrder::Keep => {
                if let Some(tried) = self.tried.take() {
                    self.keep(tried);
                }
            }
            GlassOrder::Back => {
                self.tried = None;
                self.hold(self.kept);
            }
            GlassOrder::Forget => {
                self.tried = None;
                self.keep(Correction::default());
                self.hold(self.kept);
            }
        }
    }

    /// It holds until the next start even where it cannot be written.
    fn keep(&mut self, correction: Correction) {
        self.kept = correction;
        match write(&self.file, correction) {
            Ok(()) => tracing::info!(touch = ?correction.0, "touches are corrected"),
            Err(error) => tracing::error!(%error, "the correction of touches cannot be kept: calibrate again after a restart"),
        }
    }

    fn hold(&self, correction: Correction) {
        match self.glazier.get() {
            Some(glazier) => glazier(correction),
            None => tracing::info!("whoever has the screen corrects no touches"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::Mutex;

    const OFF: Correction = Correction([900_000, 0, 50_000, 0, 1_100_000, -20_000]);

    #[test]
    fn a_proven_correction_is_kept_over_a_restart_and_an_unproven_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("touch.toml");
        let held = Arc::new(Mutex::new(Vec::new()));
        let sink = held.clone();
        let glazier: Arc<OnceLock<Glazier>> = Arc::default();
        assert!(glazier.set(Arc::new(move |correction| sink.lock().unwrap().push(correction))).is_ok());
        let mut side = GlassSide::new(file.clone(), glazier.clone());
        side.run(GlassOrder::Try(OFF));
        side.run(GlassOrder::Back);
        assert_eq!(*held.lock().unwrap(), [OFF, Correction::default()]);
        assert!(!file.exists(), "nothing was kept");
        side.run(GlassOrder::Try(OFF));
        side.run(GlassOrder::Keep);
        assert_eq!(kept_glass(&file), OFF);

        // Measured again, with the first one in force.
        let mut side = GlassSide::new(file.clone(), glazier);
        side.run(GlassOrder::Try(OFF));
        side.run(GlassOrder::Keep);
        assert_eq!(kept_glass(&file), OFF.after(OFF).unwrap());
        side.run(GlassOrder::Forget);
        assert_eq!(kept_glass(&file), Correction::default());
        assert_eq!(held.lock().unwrap().last(), Some(&Correction::default()));
        fs::write(&file, "touch = [1]").unwrap();
        assert_eq!(kept_glass(&file), Correction::default());
    }
}
