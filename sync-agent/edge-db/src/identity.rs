//! Whose file it is. Two machines that continue one log would give the same numbers to different events; a file that
//! was copied, restored or whose card was cloned is recognised here and opens a log of its own.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

/// What tells one copy of a file from another. Any difference to the stored one means: a new log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `/etc/machine-id`; empty when there is none.
    pub machine: String,
    /// Serial or CID of the disk that holds the file; empty when it has none.
    pub disk: String,
    /// Inode of the file. A copy on the same disk gets another one.
    pub inode: u64,
}

impl Identity {
    /// Asks the machine. `file` must exist.
    ///
    /// # Errors
    /// When `file` cannot be looked at. What the machine does not know is left empty.
    pub fn of_this_machine(file: &Path) -> io::Result<Self> {
        let meta = fs::metadata(file)?;
        let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
        Ok(Self { machine: clean(&machine), disk: disk_serial(meta.dev()), inode: meta.ino() })
    }

    /// The stored form.
    pub(crate) fn text(&self) -> String {
        format!("{}|{}|{}", self.machine, self.disk, self.inode)
    }
}

/// Serial of the disk with this device number: the partition's own node or its parent's, block device (`serial`,
/// `wwid`) or SD card (`cid`).
fn disk_serial(dev: u64) -> String {
    let node = format!("/sys/dev/block/{}:{}", rustix::fs::major(dev), rustix::fs::minor(dev));
    for dir in [node.clone(), format!("{node}/..")] {
        for name in ["device/cid", "device/serial", "serial", "wwid"] {
            if let Ok(text) = fs::read_to_string(format!("{dir}/{name}")) {
                let text = clean(&text);
                if !text.is_empty() {
                    return text;
                }
            }
        }
    }
    String::new()
}

fn clean(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() && *c != '|').take(128).collect()
}
