//! Packing: the same tree gives the same bytes.

use super::{Arch, stage};
use crate::run::Failed;
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Seconds since 1970 that stand for 'when': `SOURCE_DATE_EPOCH`, else the time of the commit that is built.
pub(super) fn source_date() -> Result<u64, Failed> {
    if let Ok(given) = env::var("SOURCE_DATE_EPOCH") {
        return given.parse().map_err(|_| Failed(format!("SOURCE_DATE_EPOCH is '{given}', not a number of seconds")));
    }
    let output = Command::new("git").args(["log", "-1", "--format=%ct"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    text.parse()
        .map_err(|_| Failed("not a git repository: set SOURCE_DATE_EPOCH to the seconds since 1970 of this source".into()))
}

/// `<place>/<name>_<version>_<arch>.deb`.
pub(super) fn pack(tree: &Path, place: &Path, name: &str, arch: Arch, epoch: u64) -> Result<PathBuf, Failed> {
    let file = place.join(format!("{name}_{}_{}.deb", stage::version()?, arch.debian()));
    // Only times later than the epoch are clamped; a checkout's are all of today.
    run(Command::new("find")
        .arg(tree)
        .args(["-exec", "touch", "--no-dereference", "--date"])
        .arg(format!("@{epoch}"))
        .args(["{}", "+"]))?;
    run(Command::new("chmod").args(["-R", "u=rwX,go=rX"]).arg(tree))?;
    run(Command::new("dpkg-deb")
        .env("SOURCE_DATE_EPOCH", epoch.to_string())
        .args(["--root-owner-group", "-Zxz", "--threads-max=1", "--build"])
        .arg(tree)
        .arg(&file)
        .stdout(std::process::Stdio::null()))?;
    Ok(file)
}

/// Its first sixteen digits are enough to tell two builds apart.
pub(super) fn sha256(file: &Path) -> Result<String, Failed> {
    let output = Command::new("sha256sum").arg(file).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).chars().take(16).collect())
}

fn run(command: &mut Command) -> Result<(), Failed> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| Failed(format!("cannot run {name}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failed(format!("{name} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())))
}
