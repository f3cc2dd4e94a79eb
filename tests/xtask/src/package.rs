//! Debian packages, one a process: built for release, staged from `assets/packaging`, searched for what must not ship,
//! packed so that the same source gives the same bytes, with a bill of materials beside them.

mod deb;
mod inspect;
mod sbom;
mod stage;

use crate::{
    packages,
    run::{Failed, Run, which},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What is packed, in the order in which it is printed.
const PACKAGES: [&str; 5] = ["cem-kiosk", "cem-sync-agent", "cem-nfc-sidecar", "cem-backend", "cem-fleet"];

/// Exposure levels of `systemd-analyze security` that a unit may have at most.
const EXPOSURE: [(&str, f64); 4] = [("cem-sync-agent", 1.5), ("cem-kiosk", 2.5), ("cem-nfc-sidecar", 1.5), ("cem-backend", 1.5)];

/// A Debian architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arch {
    Amd64,
    Arm64,
}

impl Arch {
    /// What a command line of `command` asks for.
    pub(crate) fn of(words: &[&str], command: &str, default: Self) -> Result<Self, Failed> {
        match words {
            [] => Ok(default),
            ["--arch", "amd64"] => Ok(Self::Amd64),
            ["--arch", "arm64"] => Ok(Self::Arm64),
            _ => Err(Failed(format!("{command} takes --arch amd64 or --arch arm64, not '{}'", words.join(" ")))),
        }
    }

    /// Of the machine that this runs on.
    pub(crate) fn here() -> Self {
        if env::consts::ARCH == "aarch64" { Self::Arm64 } else { Self::Amd64 }
    }

    /// Debian's name.
    pub(crate) fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    pub(crate) fn triple(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// The folder of its libraries under `/usr/lib`.
    fn multiarch(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-linux-gnu",
            Self::Arm64 => "aarch64-linux-gnu",
        }
    }
}

/// One package of this project that can be built: its program's crate is there.
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    /// `assets/packaging/<name>`.
    pub(crate) folder: PathBuf,
    pub(crate) lines: Vec<stage::Line>,
}

/// `cargo xtask package [--arch amd64|arm64]`.
pub(crate) fn command(words: &[&str]) -> Result<(), Failed> {
    let arch = Arch::of(words, "package", Arch::here())?;
    let run = Run::at_root()?;
    let outcome = build(&run, arch).map(drop);
    run.report();
    outcome
}

/// Builds all packages and gives back their files.
pub(crate) fn build(run: &Run, arch: Arch) -> Result<Vec<PathBuf>, Failed> {
    ensure_tools(run, arch)?;
    let recipes = recipes()?;
    run.step(&format!("build for release, {}", arch.debian()), || compile(run, arch, &recipes))?;
    let mut built = Vec::new();
    run.step("pack", || {
        let epoch = deb::source_date()?;
        let place = run.target().join("packages").join(arch.debian());
        fs::create_dir_all(&place)?;
        for recipe in &recipes {
            let tree = stage::stage(recipe, &place.join("stage"), &programs(run, arch), arch)?;
            inspect::nothing_that_must_not_ship(&tree)?;
            let libraries = inspect::libraries(&tree)?;
            stage::control(recipe, &tree, arch, &libraries)?;
            let file = deb::pack(&tree, &place, recipe.name, arch, epoch)?;
            sbom::write(recipe, arch, &libraries, &file.with_extension("cdx.json"), epoch)?;
            built.push(file);
        }
        Ok(())
    })?;
    run.step("exposure of the units", || inspect::exposure(&recipes, &EXPOSURE))?;
    println!();
    for file in &built {
        println!("{:>9} kB  {}  {}", fs::metadata(file)?.len() / 1000, deb::sha256(file)?, file.display());
    }
    Ok(built)
}

fn ensure_tools(run: &Run, arch: Arch) -> Result<(), Failed> {
    packages::ensure(run, packages::BUILD)?;
    packages::ensure(run, packages::PACKAGE)?;
    if arch == Arch::here() {
        return packages::ensure(run, packages::PACKAGE_NATIVE);
    }
    if arch == Arch::Amd64 {
        return Err(Failed("packages for amd64 are built on an amd64 machine; for arm64 on either".into()));
    }
    packages::add_architecture(run, arch.debian())?;
    packages::ensure(run, packages::PACKAGE_ARM64)?;
    if !rustup_has(arch) { packages::ensure(run, packages::RUST_ARM64) } else { Ok(()) }
}

/// The packages whose program is part of this source tree.
fn recipes() -> Result<Vec<Recipe>, Failed> {
    let mut found = Vec::new();
    for name in PACKAGES {
        let folder = Path::new("assets/packaging").join(name);
        let lines = stage::lines(&folder.join("install"))?;
        let there = lines.iter().filter_map(stage::Line::program).all(|(package, _)| manifest_of(package).is_some());
        if there {
            found.push(Recipe { name, folder, lines });
        } else {
            println!("{name}: left out, its program is not in this source tree");
        }
    }
    Ok(found)
}

/// The folder of one of our crates.
fn manifest_of(package: &str) -> Option<PathBuf> {
    let folders = ["kiosk-app", "kiosk-app/nfc-sidecar", "sync-agent", "sync-agent/cem-backend", "sync-agent/fleet"];
    folders.iter().map(PathBuf::from).find(|folder| folder.ends_with(package) && folder.join("Cargo.toml").exists())
}

/// Where the compiled programs are.
fn programs(run: &Run, arch: Arch) -> PathBuf {
    if arch == Arch::here() { run.target().join("release") } else { run.target().join(arch.triple()).join("release") }
}

fn compile(run: &Run, arch: Arch, recipes: &[Recipe]) -> Result<(), Failed> {
    let cross = arch != Arch::here();
    let debian = cross && !rustup_has(arch);
    let mut command = Command::new(if debian { "/usr/bin/cargo".into() } else { env::var_os("CARGO").unwrap_or("cargo".into()) });
    command.args(["build", "--release", "--locked"]);
    for (package, name) in recipes.iter().flat_map(|recipe| &recipe.lines).filter_map(stage::Line::program) {
        command.args(["--package", package, "--bin", name]);
    }
    // Only a packaged kiosk draws on the display itself: demo and tests build without its libraries.
    command.args(["--features", "kiosk-app/linuxkms"]);
    if debian {
        command.env("RUSTC", "/usr/bin/rustc").env_remove("RUSTUP_TOOLCHAIN");
    }
    if cross {
        let found = format!("{}:/usr/lib/{}/pkgconfig:/usr/share/pkgconfig", nfc_for(run, arch)?.display(), arch.multiarch());
        let gnu = "aarch64-linux-gnu";
        command
            .args(["--target", arch.triple()])
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", format!("{gnu}-gcc"))
            .env("CC_aarch64_unknown_linux_gnu", format!("{gnu}-gcc"))
            .env("CXX_aarch64_unknown_linux_gnu", format!("{gnu}-g++"))
            .env("PKG_CONFIG_ALLOW_CROSS", "1")
            .env("PKG_CONFIG_LIBDIR", found);
    }
    without_paths(run, &mut command)?;
    run.command(&mut command)
}

/// What `libnfc-dev` would bring for another architecture, which cannot be installed beside this machine's own: its header is the
/// same, so the link's name and the note for pkg-config are all that is missing. Gives back their folder.
fn nfc_for(run: &Run, arch: Arch) -> Result<PathBuf, Failed> {
    let folder = run.target().join("packages").join(arch.debian()).join("link");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let library = Path::new("/usr/lib").join(arch.multiarch()).join("libnfc.so.6");
    std::os::unix::fs::symlink(library, folder.join("libnfc.so"))?;
    let note = format!(
        "Name: libnfc\nDescription: card readers\nVersion: 1.8.0\nLibs: -L{} -lnfc\nCflags: -I/usr/include\n",
        folder.display()
    );
    fs::write(folder.join("libnfc.pc"), note)?;
    Ok(folder)
}

/// Whose machine built it is nobody's business, and two machines build the same: paths are replaced in what is compiled.
fn without_paths(run: &Run, command: &mut Command) -> Result<(), Failed> {
    let cargo = env::var_os("CARGO_HOME").map_or_else(|| home().join(".cargo"), PathBuf::from);
    let here = env::current_dir()?;
    let places = [(cargo.as_path(), "/cargo"), (here.as_path(), "/source"), (&run.target(), "/target")];
    let flags = |option: &str| places.map(|(from, to)| format!("{option}={}={to}", from.display()));
    let c = flags("-ffile-prefix-map").join(" ");
    command.env("CARGO_ENCODED_RUSTFLAGS", flags("--remap-path-prefix").join("\u{1f}")).env("CFLAGS", &c).env("CXXFLAGS", &c);
    Ok(())
}

fn home() -> PathBuf {
    env::var_os("HOME").map_or_else(|| "/root".into(), PathBuf::from)
}

fn rustup_has(arch: Arch) -> bool {
    which("rustup").is_some()
        && Command::new("rustup")
            .args(["target", "list", "--installed"])
            .output()
            .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).lines().any(|line| line == arch.triple()))
}
