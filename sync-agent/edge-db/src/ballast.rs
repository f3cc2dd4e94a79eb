//! A file of zeros that is deleted when the disk is full, so that the sales under way can still be settled.

use crate::file;
use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) struct Ballast {
    path: PathBuf,
    bytes: u64,
}

impl Ballast {
    /// The ballast of a database; written where it is missing and there is room.
    pub(crate) fn new(database: &Path, bytes: u64, reserve: u64) -> Self {
        let ballast = Self { path: file::beside(database, "-ballast"), bytes };
        ballast.restore(reserve);
        ballast
    }

    pub(crate) fn is_there(&self) -> bool {
        self.bytes > 0 && fs::metadata(&self.path).is_ok_and(|meta| meta.len() >= self.bytes)
    }

    /// Gives the room free. False when there was nothing to give.
    pub(crate) fn release(&self) -> bool {
        self.bytes > 0 && fs::remove_file(&self.path).is_ok()
    }

    /// Writes it again once the disk has its reserve and room for it. Failing is no harm.
    pub(crate) fn restore(&self, reserve: u64) {
        if self.bytes == 0 || self.is_there() || self.disk_free() < reserve.saturating_add(self.bytes.saturating_mul(2)) {
            return;
        }
        if let Err(error) = file::grow_with_zeros(&self.path, self.bytes) {
            tracing::warn!(%error, "cannot write the ballast");
            self.release();
        }
    }

    /// Free bytes on the disk; `u64::MAX` where it does not say.
    pub(crate) fn disk_free(&self) -> u64 {
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        rustix::fs::statvfs(dir).map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}
