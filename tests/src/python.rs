//! Python packages that a tool needs, in a virtual environment of their own below the target folder.

use crate::proc::programs;
use anyhow::{Context, Result, bail};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The interpreter of a virtual environment `target/<name>/venv` that holds `packages`; made on first use.
pub fn environment(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let target = programs()?.parent().context("target folder")?.join(name);
    let python = target.join("venv/bin/python");
    if !python.exists() {
        std::fs::create_dir_all(&target)?;
        quiet(Command::new("python3").args(["-m", "venv"]).arg(target.join("venv")))
            .context("python3 with venv is needed (Debian: python3-venv)")?;
    }
    let marker = target.join("venv/installed");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    println!("fetching {} with pip", packages.join(", "));
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
    quiet(&mut pip).context("pip could not fetch the packages; is there a network?")?;
    std::fs::write(marker, wanted)?;
    Ok(python)
}

/// Where a package of the environment keeps its files.
pub fn package_folder(python: &Path, package: &str) -> Result<PathBuf> {
    let code = format!("import importlib.util; print(importlib.util.find_spec('{package}').submodule_search_locations[0])");
    let output = Command::new(python).args(["-c", &code]).output()?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    if path.is_dir() { Ok(path) } else { bail!("{package} is not in {}", python.display()) }
}

fn quiet(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
