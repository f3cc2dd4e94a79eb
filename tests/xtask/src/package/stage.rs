//! From a folder of `assets/packaging` to the tree of files that becomes a package.

use super::{Arch, Recipe};
use crate::run::Failed;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// A line of an `install` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A program of one of our crates, for `/usr/bin`.
    Program { package: String, name: String },
    /// A file and where it goes.
    File { from: PathBuf, to: PathBuf },
    /// A folder with all that is in it.
    Folder { from: PathBuf, to: PathBuf },
    /// A file for people to start from.
    Example { from: PathBuf },
}

impl Line {
    pub(crate) fn program(&self) -> Option<(&str, &str)> {
        match self {
            Self::Program { package, name } => Some((package, name)),
            _ => None,
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["program", package, name] => Some(Self::Program { package: (*package).into(), name: (*name).into() }),
            ["file", from, to] => Some(Self::File { from: from.into(), to: to.into() }),
            ["folder", from, to] => Some(Self::Folder { from: from.into(), to: to.into() }),
            ["example", from] => Some(Self::Example { from: from.into() }),
            _ => None,
        }
    }
}

/// Reads an `install` file strictly.
pub(super) fn lines(path: &Path) -> Result<Vec<Line>, Failed> {
    let text = fs::read_to_string(path).map_err(|error| Failed(format!("{}: {error}", path.display())))?;
    let written = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    written
        .map(|(at, line)| {
            let wrong = || Failed(format!("{}:{}: '{line}' is not a line of an install file", path.display(), at + 1));
            Line::parse(line).ok_or_else(wrong)
        })
        .collect()
}

/// Lays out all files of a package but `DEBIAN/control`.
pub(super) fn stage(recipe: &Recipe, place: &Path, programs: &Path, arch: Arch) -> Result<PathBuf, Failed> {
    let tree = place.join(recipe.name);
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    let doc = tree.join("usr/share/doc").join(recipe.name);
    for line in &recipe.lines {
        match line {
            Line::Program { name, .. } => program(&programs.join(name), &tree.join("usr/bin").join(name), arch)?,
            Line::File { from, to } => put(from, &tree.join(to))?,
            Line::Folder { from, to } => put_folder(from, &tree.join(to))?,
            Line::Example { from } => put(from, &doc.join("examples").join(from.file_name().unwrap_or_default()))?,
        }
    }
    put(Path::new("assets/packaging/copyright"), &doc.join("copyright"))?;
    for entry in fs::read_dir(&recipe.folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(to) = place_of(recipe.name, &name) {
            put(&path, &tree.join(to))?;
        }
    }
    scripts(recipe, &tree)?;
    conffiles(&tree)?;
    Ok(tree)
}

/// Where systemd and udev look for what lies in a package's folder.
fn place_of(package: &str, name: &str) -> Option<String> {
    match name {
        "sysusers.conf" => Some(format!("usr/lib/sysusers.d/{package}.conf")),
        "tmpfiles.conf" => Some(format!("usr/lib/tmpfiles.d/{package}.conf")),
        "polkit.rules" => Some(format!("usr/share/polkit-1/rules.d/50-{package}.rules")),
        _ if name.ends_with(".service") => Some(format!("usr/lib/systemd/system/{name}")),
        _ if name.ends_with(".rules") => Some(format!("usr/lib/udev/rules.d/{name}")),
        _ => None,
    }
}

fn program(from: &Path, to: &Path, arch: Arch) -> Result<(), Failed> {
    put(from, to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    let machine = fs::read(to)?.get(18..20).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    let expected = match arch {
        Arch::Amd64 => 62,
        Arch::Arm64 => 183,
    };
    if machine == Some(expected) {
        Ok(())
    } else {
        Err(Failed(format!("{} is not a program for {}", from.display(), arch.debian())))
    }
}

fn put(from: &Path, to: &Path) -> Result<(), Failed> {
    let named = |error: std::io::Error| Failed(format!("{} to {}: {error}", from.display(), to.display()));
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(named)?;
    }
    fs::copy(from, to).map_err(named)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o644)).map_err(named)
}

fn put_folder(from: &Path, to: &Path) -> Result<(), Failed> {
    for entry in fs::read_dir(from).map_err(|error| Failed(format!("{}: {error}", from.display())))? {
        let path = entry?.path();
        let to = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() { put_folder(&path, &to)? } else { put(&path, &to)? }
    }
    Ok(())
}

/// The package's service, if it has one.
pub(super) fn unit(recipe: &Recipe) -> Option<PathBuf> {
    let unit = recipe.folder.join(format!("{}.service", recipe.name));
    unit.exists().then_some(unit)
}

fn scripts(recipe: &Recipe, tree: &Path) -> Result<(), Failed> {
    let unit = unit(recipe).and_then(|unit| Some(unit.file_name()?.to_string_lossy().into_owned())).unwrap_or_default();
    for name in ["postinst", "prerm", "postrm"] {
        let text = fs::read_to_string(Path::new("assets/packaging").join(name))?;
        let text = text.replace("#PACKAGE#", recipe.name).replace("#UNIT#", &unit);
        let to = tree.join("DEBIAN").join(name);
        fs::create_dir_all(tree.join("DEBIAN"))?;
        fs::write(&to, text)?;
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Everything under `/etc` belongs to the machine once it is there.
fn conffiles(tree: &Path) -> Result<(), Failed> {
    let list: String =
        files(tree)?.iter().filter(|path| path.starts_with("etc")).map(|path| format!("/{}\n", path.display())).collect();
    if list.is_empty() { Ok(()) } else { Ok(fs::write(tree.join("DEBIAN/conffiles"), list)?) }
}

/// All files of a tree but `DEBIAN`, relative to it, in order.
pub(super) fn files(tree: &Path) -> Result<Vec<PathBuf>, Failed> {
    fn walk(tree: &Path, folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failed> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                walk(tree, &path, found)?;
            } else if let Ok(inside) = path.strip_prefix(tree) {
                found.push(inside.to_owned());
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(tree, tree, &mut found)?;
    found.retain(|path| !path.starts_with("DEBIAN"));
    found.sort();
    Ok(found)
}

/// `DEBIAN/control`: the package's own words, with what its programs are linked with.
pub(super) fn control(recipe: &Recipe, tree: &Path, arch: Arch, libraries: &[String]) -> Result<(), Failed> {
    let words = fs::read_to_string(recipe.folder.join("control"))?;
    let own = words.lines().find_map(|line| line.strip_prefix("Depends: ")).unwrap_or_default();
    let mut depends: Vec<&str> = own.split(", ").filter(|name| !name.is_empty()).collect();
    depends.extend(libraries.iter().map(String::as_str));
    let size: u64 = files(tree)?.iter().map(|path| fs::metadata(tree.join(path)).map_or(0, |meta| meta.len())).sum();
    let mut text = format!(
        "Package: {}\nVersion: {}\nArchitecture: {}\nMaintainer: The CEM kiosk authors <kiosk@localhost>\nInstalled-Size: {}\nPriority: optional\nDepends: {}\n",
        recipe.name,
        version()?,
        arch.debian(),
        size.div_ceil(1024),
        depends.join(", ")
    );
    for line in words.lines().filter(|line| !line.starts_with("Depends: ")) {
        text.push_str(line);
        text.push('\n');
    }
    fs::write(tree.join("DEBIAN/control"), text)?;
    md5sums(tree)
}

fn md5sums(tree: &Path) -> Result<(), Failed> {
    let output = Command::new("md5sum").current_dir(tree).args(files(tree)?).output()?;
    if !output.status.success() {
        return Err(Failed("md5sum failed".into()));
    }
    Ok(fs::write(tree.join("DEBIAN/md5sums"), output.stdout)?)
}

/// The workspace's version, and for what lies between releases the commit's time, so that an update is one.
pub(super) fn version() -> Result<String, Failed> {
    let manifest = fs::read_to_string("Cargo.toml")?;
    let section = manifest.split("[workspace.package]").nth(1).unwrap_or_default();
    let line = section.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    let number = line.ok_or_else(|| Failed("Cargo.toml names no version".into()))?;
    Ok(format!("{number}+{}", super::deb::source_date()?))
}

#[cfg(test)]
mod tests {
    use super::{Line, place_of};

    #[test]
    fn an_install_file_is_read_strictly() {
        let program = Line::Program { package: "kiosk-app".into(), name: "kiosk-app".into() };
        assert_eq!(Line::parse("program kiosk-app kiosk-app"), Some(program));
        assert_eq!(Line::parse("folder a usr/share/a"), Some(Line::Folder { from: "a".into(), to: "usr/share/a".into() }));
        assert_eq!(Line::parse("program kiosk-app"), None);
        assert_eq!(Line::parse("link a b"), None);
    }

    #[test]
    fn units_users_and_rules_go_where_the_system_looks_for_them() {
        assert_eq!(place_of("cem-x", "cem-x.service").as_deref(), Some("usr/lib/systemd/system/cem-x.service"));
        assert_eq!(place_of("cem-x", "sysusers.conf").as_deref(), Some("usr/lib/sysusers.d/cem-x.conf"));
        assert_eq!(place_of("cem-x", "70-x.rules").as_deref(), Some("usr/lib/udev/rules.d/70-x.rules"));
        assert_eq!(place_of("cem-x", "polkit.rules").as_deref(), Some("usr/share/polkit-1/rules.d/50-cem-x.rules"));
        assert_eq!(place_of("cem-x", "install"), None);
    }
}
