//! Where a device keeps what it was given: a folder of its own, readable by the agent's user only.
//!
//! | File | What |
//! |---|---|
//! | `enrolment.json` | who the device is and whom it believes; nothing secret. Written last: without it nothing else counts |
//! | `device.key` | the seed of its Ed25519 key, made here; it never leaves |
//! | `token` | the device token |
//! | `keys.json` | the scoped keys |
//! | `cache.key` | the key of the visitor cache |
//! | `retired` | the device has wiped itself, or is at it |
//!
//! Secrets are sealed to the machine by `systemd-creds` where that works for the agent's user (host key or TPM: the file then
//! ends in `.cred` and cannot be read elsewhere), else they lie in files of mode 0600, with a warning that says so.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::PoisonError;

use anyhow::Context as _;
use cem_contract::enrol::Enrolment;
use serde::Deserialize;
use tracing::warn;

/// Names of the files.
pub const TOKEN: &str = "token";
pub(super) const DEVICE_KEY: &str = "device.key";
/// The key under which the visitor cache lies on disk.
pub const CACHE_KEY: &str = "cache.key";
pub(super) const KEYS: &str = "keys.json";
const ENROLMENT: &str = "enrolment.json";
const RETIRED: &str = "retired";
const SEALED: &str = "cred";
/// Nothing that is kept is longer.
const MAX_BYTES: u64 = 256 * 1024;

/// How secrets are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seal {
    /// By `systemd-creds` where it works, else in files.
    #[default]
    Auto,
    /// In files of mode 0600.
    File,
}

/// The folder.
#[derive(Debug)]
pub struct Vault {
    folder: PathBuf,
    seal: Seal,
    /// Whether `systemd-creds` works here, once it was tried.
    works: Mutex<Option<bool>>,
}

impl Vault {
    /// The vault in a folder, which is made when something is put there.
    #[must_use]
    pub fn new(folder: &Path, seal: Seal) -> Vault {
        Vault { folder: folder.to_owned(), seal, works: Mutex::new(None) }
    }

    /// Who this device is; `None` when it is not enrolled.
    ///
    /// # Errors
    /// When the file is there and cannot be read: a person must look, because a new enrolment would replace it.
    pub fn enrolment(&self) -> anyhow::Result<Option<Enrolment>> {
        let path = self.folder.join(ENROLMENT);
        let Some(bytes) = read(&path).with_context(|| format!("cannot read {}", path.display()))? else { return Ok(None) };
        let parsed = serde_json::from_slice(&bytes);
        Ok(Some(parsed.with_context(|| format!("{} is damaged: `fleet replace` makes this a new device", path.display()))?))
    }

    /// Writes who this device is. From now on it is enrolled.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_enrolment(&self, enrolment: &Enrolment) -> anyhow::Result<()> {
        self.write(ENROLMENT, &serde_json::to_vec_pretty(enrolment)?)?;
        remove(&self.folder.join(RETIRED))
    }

    /// Keeps a secret.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, name: &str, secret: &[u8]) -> anyhow::Result<()> {
        let sealed = format!("{name}.{SEALED}");
        if self.is_sealing() {
            self.write(&sealed, &seal(name, secret)?)?;
            return remove(&self.folder.join(name));
        }
        self.write(name, secret)?;
        remove(&self.folder.join(sealed))
    }

    /// A secret; `None` when it is not there.
    ///
    /// # Errors
    /// When it cannot be read: on another machine than it was sealed to, for example.
    pub fn get(&self, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let path = self.path_of(name);
        match read_secret(&path) {
            Ok(secret) => Ok(Some(secret)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }

    /// Where a secret lies; read it with [`read_secret`].
    #[must_use]
    pub fn path_of(&self, name: &str) -> PathBuf {
        let sealed = self.folder.join(format!("{name}.{SEALED}"));
        if sealed.exists() { sealed } else { self.folder.join(name) }
    }

    /// Whether this device was retired: it has wiped itself, or must go on with it.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.folder.join(RETIRED).exists()
    }

    /// Forgets everything but that this device was retired. Secrets are overwritten first, for what that is worth on flash.
    ///
    /// # Errors
    /// When something cannot be deleted; the mark that it must be stays.
    pub fn wipe(&self) -> anyhow::Result<()> {
        self.write(RETIRED, b"")?;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.is_file() && path.file_name().is_none_or(|name| name != RETIRED) {
                overwrite(&path);
                remove(&path)?;
            }
        }
        Ok(File::open(&self.folder)?.sync_all()?)
    }

    /// Tries `systemd-creds` once: what is sealed must come out again.
    fn is_sealing(&self) -> bool {
        if self.seal == Seal::File {
            return false;
        }
        let mut works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
        *works.get_or_insert_with(|| {
            let tried = seal("trial", b"trial").and_then(|sealed| run_creds("decrypt", "trial", &sealed));
            match tried {
                Ok(back) if back == b"trial" => true,
                Ok(_) | Err(_) => {
                    warn!(
                        folder = %self.folder.display(),
                        "systemd-creds does not seal for this user: token and keys lie in files that only this user may read, \
                         and whoever takes the disk has them. `fleet lock` is what helps then"
                    );
                    false
                }
            }
        })
    }

    /// The file appears complete or not at all.
    fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let shown = self.folder.display();
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).with_context(|| format!("cannot make {shown}"))?;
        let (path, part) = (self.folder.join(name), self.folder.join(format!("{name}.part")));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, &path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(File::open(&self.folder)?.sync_all()?)
    }
}

/// Reads a secret where it lies, sealed or not.
///
/// # Errors
/// As the system says, or what `systemd-creds` said.
pub fn read_secret(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = read(path)?.ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
    match (path.extension(), path.file_stem().and_then(|stem| stem.to_str())) {
        (Some(ending), Some(name)) if ending == SEALED => run_creds("decrypt", name, &bytes).map_err(io::Error::other),
        _ => Ok(bytes),
    }
}

fn seal(name: &str, secret: &[u8]) -> anyhow::Result<Vec<u8>> {
    run_creds("encrypt", name, secret)
}

/// The secret goes through pipes: never an argument, never a file.
fn run_creds(what: &str, name: &str, input: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut child = Command::new("systemd-creds")
        .args([what, &format!("--name=cem-{name}"), "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("systemd-creds cannot be started")?;
    if let Some(mut stdin) = child.stdin.take() {
        // What it does not read, it complains about itself.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::bail!("systemd-creds {what} failed: {}", said.lines().last().unwrap_or("it said nothing"));
    }
    Ok(output.stdout)
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn overwrite(path: &Path) {
    let written = fs::metadata(path).and_then(|meta| {
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.write_all(&vec![0; usize::try_from(meta.len().min(MAX_BYTES)).unwrap_or(0)])?;
        file.sync_all()
    });
    if let Err(error) = written {
        warn!(%error, path = %path.display(), "not overwritten before it is deleted");
    }
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot delete {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn secrets_in_files_are_nobody_elses_to_read_and_gone_after_a_wipe() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("enrolment");
        let vault = Vault::new(&folder, Seal::File);
        assert_eq!((vault.get(TOKEN).unwrap(), vault.enrolment().unwrap()), (None, None));
        vault.put(TOKEN, b"one").unwrap();
        vault.put(TOKEN, b"two").unwrap();
        vault.put_enrolment(&Enrolment::default()).unwrap();
        assert_eq!(vault.get(TOKEN).unwrap().unwrap(), b"two");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&vault.path_of(TOKEN))), (0o700, 0o600));
        vault.wipe().unwrap();
        assert!(vault.is_retired());
        assert_eq!((vault.get(TOKEN).unwrap(), vault.enrolment().unwrap()), (None, None));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        vault.put_enrolment(&Enrolment::default()).unwrap();
        assert!(!vault.is_retired(), "enrolled anew");
    }

    #[test]
    fn what_is_sealed_comes_out_again_under_its_own_name_only() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::new(dir.path(), Seal::Auto);
        vault.put(TOKEN, b"secret").unwrap();
        assert_eq!(vault.get(TOKEN).unwrap().unwrap(), b"secret");
        let path = vault.path_of(TOKEN);
        if path.extension().is_some_and(|ending| ending == SEALED) {
            let bytes = fs::read(&path).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains("secret"));
            fs::rename(&path, dir.path().join("keys.json.cred")).unwrap();
            assert!(vault.get(KEYS).is_err(), "a secret does not pass for another");
        }
    }

    #[test]
    fn a_damaged_enrolment_is_not_taken_for_none() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(ENROLMENT), "{").unwrap();
        let said = Vault::new(dir.path(), Seal::File).enrolment().unwrap_err().to_string();
        assert!(said.contains("fleet replace"), "{said}");
    }
}
