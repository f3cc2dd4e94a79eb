//! What a package must not hold, what its programs are linked with, and how exposed its service is.

use super::{Recipe, stage};
use crate::run::Failed;
use std::{collections::BTreeSet, fs, path::Path, process::Command};

/// Names that no file of a package may have: programs and data that stand in for the real world.
const NAMES: [&str; 8] = ["kiosk-sim", "demo-panel", "demo", "replay", "load", "bench", "visitors.toml", "demo.toml"];

/// Bytes that no file of a package may hold.
const BYTES: [(&str, &str); 6] = [
    ("kiosk-sim", "a simulator, or the way to one"),
    ("kiosk_sim", "a simulator's code"),
    ("demo-panel", "the demo's control panel"),
    ("v_0000000000000000000000000000000a", "a visitor of the demo"),
    ("-----BEGIN PRIVATE KEY-----", "a private key"),
    ("-----BEGIN EC PRIVATE KEY-----", "a private key"),
];

/// Which Debian package holds a library that our programs are linked with. One that is not listed stops the build.
const LIBRARIES: [(&str, &str); 13] = [
    ("libc.so.6", "libc6 (>= 2.36)"),
    ("libm.so.6", "libc6 (>= 2.36)"),
    ("libdl.so.2", "libc6 (>= 2.36)"),
    ("libpthread.so.0", "libc6 (>= 2.36)"),
    ("ld-linux-x86-64.so.2", "libc6 (>= 2.36)"),
    ("ld-linux-aarch64.so.1", "libc6 (>= 2.36)"),
    ("libgcc_s.so.1", "libgcc-s1"),
    ("libstdc++.so.6", "libstdc++6"),
    ("libfontconfig.so.1", "libfontconfig1"),
    ("libinput.so.10", "libinput10"),
    ("libnfc.so.6", "libnfc6"),
    ("libudev.so.1", "libudev1"),
    ("libxkbcommon.so.0", "libxkbcommon0, xkb-data"),
];

/// Fails where the list of files or their bytes show what must never leave the workshop.
pub(super) fn nothing_that_must_not_ship(tree: &Path) -> Result<(), Failed> {
    for path in stage::files(tree)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if NAMES.contains(&name.as_ref()) {
            return Err(Failed(format!("{} must not be in a package", path.display())));
        }
        let bytes = fs::read(tree.join(&path))?;
        if let Some((what, why)) = BYTES.iter().find(|(what, _)| holds(&bytes, what.as_bytes())) {
            return Err(Failed(format!("{} holds '{what}': {why} must not be in a package", path.display())));
        }
    }
    Ok(())
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    let Some(first) = what.first() else { return false };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        if rest[at..].starts_with(what) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// The Debian packages of the libraries that a package's programs are linked with.
pub(super) fn libraries(tree: &Path) -> Result<Vec<String>, Failed> {
    let mut needed = BTreeSet::new();
    for path in stage::files(tree)?.iter().filter(|path| path.starts_with("usr/bin")) {
        let output = Command::new("readelf").env("LC_ALL", "C").arg("--dynamic").arg(tree.join(path)).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for soname in text.lines().filter(|line| line.contains("(NEEDED)")).filter_map(between_brackets) {
            let known = LIBRARIES.iter().find(|(name, _)| *name == soname);
            let (_, package) = known.ok_or_else(|| {
                Failed(format!("{} needs {soname}: say in tests/xtask which Debian package holds it", path.display()))
            })?;
            needed.insert((*package).to_owned());
        }
    }
    Ok(needed.into_iter().collect())
}

fn between_brackets(line: &str) -> Option<&str> {
    line.split('[').nth(1)?.split(']').next()
}

/// `systemd-analyze security --offline=true` of each unit, held to its bound.
pub(super) fn exposure(recipes: &[Recipe], bounds: &[(&str, f64)]) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for recipe in recipes {
        let Some(unit) = stage::unit(recipe) else { continue };
        let output = Command::new("systemd-analyze").args(["security", "--offline=true", "--no-pager"]).arg(&unit).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let level = level(&text).ok_or_else(|| Failed(format!("systemd-analyze says nothing about {}", unit.display())))?;
        let bound = bounds.iter().find(|(name, _)| *name == recipe.name).map_or(1.5, |(_, bound)| *bound);
        println!("  {:16} {level:.1}   at most {bound:.1}", recipe.name);
        if level > bound {
            wrong.push(recipe.name);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failed(format!("too exposed: {}", wrong.join(", ")))) }
}

/// `→ Overall exposure level for cem-kiosk.service: 1.5 OK 🙂`.
fn level(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.contains("Overall exposure level"))?;
    line.rsplit(": ").next()?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{between_brackets, holds, level};

    #[test]
    fn bytes_are_found_wherever_they_are() {
        assert!(holds(b"aab", b"ab") && holds(b"kkiosk-sim\0", b"kiosk-sim") && !holds(b"kiosk-si", b"kiosk-sim"));
    }

    #[test]
    fn answers_of_other_programs_are_read() {
        assert_eq!(level("x\n→ Overall exposure level for cem-kiosk.service: 1.5 OK 🙂\n"), Some(1.5));
        assert_eq!(level("nothing"), None);
        assert_eq!(between_brackets(" 0x1 (NEEDED)  Shared library: [libc.so.6]"), Some("libc.so.6"));
    }
}
