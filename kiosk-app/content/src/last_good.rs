//! A running kiosk keeps the last content that was whole.

use crate::{Content, Limits, Problems, Warning, load};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The last good content of a folder. Whoever runs it calls [`LastGood::refresh`] now and then; it looks at the names,
/// sizes and times of the files first, so that a look at an unchanged folder costs next to nothing.
#[derive(Debug)]
pub struct LastGood {
    dir: PathBuf,
    limits: Limits,
    seen: u64,
    current: Arc<Content>,
}

/// What a look at the folder brought.
#[derive(Debug)]
pub enum Outcome {
    /// No file has changed since the last look, or files are changing right now and the next look will tell.
    Unchanged,
    /// The files have changed and are good: [`LastGood::current`] is new.
    Replaced {
        /// What a guest can live with.
        warnings: Vec<Warning>,
    },
    /// The files have changed and are not good: [`LastGood::current`] is what it was. Told once a change.
    Kept {
        /// Why.
        problems: Problems,
    },
}

impl LastGood {
    /// Reads the folder for the first time. There is nothing to fall back on yet, so problems are an error.
    pub fn open(dir: &Path, limits: &Limits) -> Result<(Self, Vec<Warning>), Problems> {
        // Taken before reading: a change during the reading makes the next look read again.
        let seen = fingerprint(dir, limits);
        let (content, warnings) = load(dir, limits)?;
        Ok((Self { dir: dir.to_owned(), limits: limits.clone(), seen, current: Arc::new(content) }, warnings))
    }

    /// The last good content.
    pub fn current(&self) -> &Arc<Content> {
        &self.current
    }

    /// Looks at the folder, and reads it where it has changed.
    pub fn refresh(&mut self) -> Outcome {
        let before = fingerprint(&self.dir, &self.limits);
        if before == self.seen {
            return Outcome::Unchanged;
        }
        let loaded = load(&self.dir, &self.limits);
        if fingerprint(&self.dir, &self.limits) != before {
            // Somebody is still copying: half of the old and half of the new is no menu.
            return Outcome::Unchanged;
        }
        self.seen = before;
        match loaded {
            Ok((content, warnings)) => {
                self.current = Arc::new(content);
                Outcome::Replaced { warnings }
            }
            Err(problems) => Outcome::Kept { problems },
        }
    }
}

/// Names, sizes and times of all files that count. What cannot be looked at counts as not there.
fn fingerprint(dir: &Path, limits: &Limits) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in ["shop.toml", "theme.toml"] {
        hash_file(&dir.join(file), &mut hasher);
    }
    for (folder, bound) in [("menu", limits.menu_files), ("pictures", limits.pictures)] {
        let Ok(entries) = std::fs::read_dir(dir.join(folder)) else { continue };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).take(bound.saturating_add(1)).collect();
        paths.sort_unstable();
        for path in paths {
            hash_file(&path, &mut hasher);
        }
    }
    hasher.finish()
}

fn hash_file(path: &Path, hasher: &mut DefaultHasher) {
    let Ok(meta) = path.metadata() else { return };
    path.hash(hasher);
    meta.len().hash(hasher);
    meta.modified().ok().hash(hasher);
}
