//! A bill of materials: CycloneDX 1.5 as JSON, what cargo says was compiled into a package and which libraries it loads.
//!
//! Serial number and time come from the source, not from the clock: the same source has the same bill.

use super::{Arch, Recipe, stage};
use crate::run::Failed;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
};

/// A crate as `cargo tree` prints it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    name: String,
    version: String,
    licence: String,
    source: String,
}

/// Writes the bill of one package beside it.
pub(super) fn write(recipe: &Recipe, arch: Arch, libraries: &[String], to: &Path, epoch: u64) -> Result<(), Failed> {
    let mut parts = BTreeSet::new();
    for (package, _) in recipe.lines.iter().filter_map(stage::Line::program) {
        parts.extend(crates(package, arch)?);
    }
    let sums = checksums(&fs::read_to_string("Cargo.lock")?);
    Ok(fs::write(to, bill(recipe.name, &stage::version()?, &parts, libraries, &sums, epoch))?)
}

fn crates(package: &str, arch: Arch) -> Result<BTreeSet<Part>, Failed> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--no-dedupe", "--package", package]);
    command.args(["--target", arch.triple(), "--format", "{p}|{l}|{r}"]);
    if package == "kiosk-app" {
        command.args(["--features", "linuxkms"]);
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(Failed(format!("cargo tree: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(part).collect())
}

/// `serde v1.0.228|MIT OR Apache-2.0|https://…`; a crate of ours has its folder after its version.
fn part(line: &str) -> Option<Part> {
    let mut fields = line.splitn(3, '|');
    let mut words = fields.next()?.split_whitespace();
    Some(Part {
        name: words.next()?.to_owned(),
        version: words.next()?.strip_prefix('v')?.to_owned(),
        licence: fields.next().unwrap_or_default().to_owned(),
        source: fields.next().unwrap_or_default().to_owned(),
    })
}

/// SHA-256 by name and version, from the lock file. Crates of ours have none.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |entry: &str, key: &str| {
        let line = entry.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
        line.and_then(|rest| rest.strip_suffix('"')).map(str::to_owned)
    };
    lock.split("[[package]]")
        .filter_map(|entry| Some(((value(entry, "name")?, value(entry, "version")?), value(entry, "checksum")?)))
        .collect()
}

fn bill(
    name: &str,
    version: &str,
    parts: &BTreeSet<Part>,
    libraries: &[String],
    sums: &BTreeMap<(String, String), String>,
    epoch: u64,
) -> String {
    let mut components = Vec::new();
    for part in parts {
        let mut text = format!(
            "{{\"type\":\"library\",\"name\":{},\"version\":{},\"purl\":{}",
            quoted(&part.name),
            quoted(&part.version),
            quoted(&format!("pkg:cargo/{}@{}", part.name, part.version.replace('+', "%2B")))
        );
        if !part.licence.is_empty() {
            let _ = write!(text, ",\"licenses\":[{{\"expression\":{}}}]", quoted(&part.licence.replace('/', " OR ")));
        }
        if let Some(sum) = sums.get(&(part.name.clone(), part.version.clone())) {
            let _ = write!(text, ",\"hashes\":[{{\"alg\":\"SHA-256\",\"content\":{}}}]", quoted(sum));
        }
        if part.source.starts_with("https://") {
            let _ = write!(text, ",\"externalReferences\":[{{\"type\":\"vcs\",\"url\":{}}}]", quoted(&part.source));
        }
        text.push('}');
        components.push(text);
    }
    for library in libraries.iter().flat_map(|list| list.split(", ")) {
        let name = library.split_whitespace().next().unwrap_or_default();
        components.push(format!(
            "{{\"type\":\"library\",\"name\":{},\"purl\":{}}}",
            quoted(name),
            quoted(&format!("pkg:deb/debian/{name}"))
        ));
    }
    format!(
        "{{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.5\",\"version\":1,\"metadata\":{{\"timestamp\":{},\"component\":{{\"type\":\"application\",\"name\":{},\"version\":{}}}}},\"components\":[\n{}\n]}}\n",
        quoted(&rfc3339(epoch)),
        quoted(name),
        quoted(version),
        components.join(",\n")
    )
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Civil time of seconds since 1970, by Howard Hinnant's algorithm.
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_named_with_licence_source_and_checksum() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"ff\"\n\n[[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n";
        let parts: BTreeSet<Part> = ["a v1.0.0|MIT/Apache-2.0|https://x.example", "ours v0.1.0 (/source)||", "[dev]"]
            .iter()
            .filter_map(|l| part(l))
            .collect();
        let text = bill("cem-x", "0.1.0+1", &parts, &["libc6 (>= 2.36)".into()], &checksums(lock), 0);
        assert!(
            text.contains(r#""licenses":[{"expression":"MIT OR Apache-2.0"}],"hashes":[{"alg":"SHA-256","content":"ff"}]"#),
            "{text}"
        );
        assert!(text.contains(r#""purl":"pkg:cargo/ours@0.1.0"}"#), "{text}");
        assert!(text.contains("pkg:deb/debian/libc6") && text.contains("1970-01-01T00:00:00Z"), "{text}");
    }

    #[test]
    fn seconds_become_a_date() {
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_795_257_000), "2026-11-21T10:30:00Z");
    }

    #[test]
    fn text_in_json_is_escaped() {
        assert_eq!(quoted("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
    }
}
