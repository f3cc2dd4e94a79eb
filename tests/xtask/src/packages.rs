//! Debian packages that a command needs: what is missing is named, asked for where somebody can answer, and installed.

use crate::run::{Failed, Run, which};
use std::{
    io::{IsTerminal, Write, stdin, stdout},
    process::{Command, Stdio},
};

/// A package and what it is needed for.
pub(crate) type Package = (&'static str, &'static str);

/// To compile: C code (SQLite, TLS, compression) and font look-up.
pub(crate) const BUILD: &[Package] = &[
    ("gcc", "compiles SQLite, zstd and the TLS library"),
    ("libc6-dev", "C headers"),
    ("pkg-config", "finds libraries"),
    ("libfontconfig-dev", "fonts of the screen"),
    ("libnfc-dev", "card readers"),
    ("libclang-dev", "reads libnfc's headers"),
];

/// To open a window on X11 or Wayland.
pub(crate) const WINDOW: &[Package] = &[
    ("libxkbcommon0", "keyboard"),
    ("libxkbcommon-x11-0", "keyboard under X11"),
    ("libxcursor1", "pointer"),
    ("libxi6", "touch"),
];

/// To fetch and read the public basket data.
pub(crate) const PYTHON: &[Package] = &[("python3", "reads the data set"), ("python3-venv", "keeps its packages apart")];

/// To measure: what slows a disk down, and a peer.
pub(crate) const BENCH: &[Package] = &[
    ("strace", "holds back each fsync and counts them"),
    ("syslog-ng-core", "the peer of the upload bench"),
    ("syslog-ng-mod-http", "its HTTP destination"),
];

/// To check the no_std crates for the microcontroller where rustup cannot add its target.
pub(crate) const BARE_METAL: &[Package] =
    &[("rustc-web", "compiler for the target"), ("cargo-web", "its cargo"), ("rust-web-src", "its core library")];

/// To link the microcontroller's program where rustup does not bring a linker.
pub(crate) const BARE_METAL_LINK: &[Package] = &[("lld", "links for the target")];

/// To run the microcontroller's program in an emulator.
pub(crate) const EMULATOR: &[Package] = &[("nodejs", "runs the emulator"), ("npm", "fetches it")];

/// To pack and to inspect what is packed.
pub(crate) const PACKAGE: &[Package] =
    &[("dpkg-dev", "packs"), ("binutils", "says which libraries a program needs"), ("systemd", "says how exposed a service is")];

/// To compile the kiosk for a display without a desktop.
pub(crate) const PACKAGE_NATIVE: &[Package] = &[
    ("g++", "compiles the TLS library"),
    ("libinput-dev", "touchscreens"),
    ("libudev-dev", "finds touchscreens"),
    ("libxkbcommon-dev", "keyboards"),
];

/// The same for arm64, on another machine.
pub(crate) const PACKAGE_ARM64: &[Package] = &[
    ("gcc-aarch64-linux-gnu", "compiles for arm64"),
    ("g++-aarch64-linux-gnu", "compiles the TLS library for arm64"),
    ("libc6-dev-arm64-cross", "C headers for arm64"),
    ("libfontconfig-dev:arm64", "fonts of the screen"),
    ("libinput-dev:arm64", "touchscreens"),
    ("libudev-dev:arm64", "finds touchscreens"),
    ("libxkbcommon-dev:arm64", "keyboards"),
    ("libnfc6:arm64", "card readers"),
];

/// To compile Rust for arm64 where rustup has not added it: Debian's compiler, whose library no other one takes.
pub(crate) const RUST_ARM64: &[Package] =
    &[("rustc-web", "compiler for arm64"), ("cargo-web", "its cargo"), ("libstd-rust-web-dev:arm64", "its library for arm64")];

/// To make a fresh Debian root, and to ask a backend over TLS from outside.
pub(crate) const ROOT: &[Package] =
    &[("mmdebstrap", "makes a Debian root"), ("openssl", "makes a certificate for a test"), ("curl", "asks the backend")];

/// To run programs of another architecture in it.
pub(crate) const FOREIGN: &[Package] = &[("qemu-user-static", "runs programs for arm64"), ("arch-test", "says whether it does")];

/// To run a whole machine.
pub(crate) const MACHINE: &[Package] = &[
    ("qemu-system-arm", "a machine with an arm64 processor"),
    ("qemu-system-x86", "a machine with an amd64 processor"),
    ("e2fsprogs", "its disk"),
];

/// Lets apt install packages of another architecture beside this machine's own.
pub(crate) fn add_architecture(run: &Run, name: &str) -> Result<(), Failed> {
    let known = Command::new("dpkg").arg("--print-foreign-architectures").output()?;
    if String::from_utf8_lossy(&known.stdout).lines().any(|line| line == name) {
        return Ok(());
    }
    let by_hand = format!("dpkg --add-architecture {name}");
    if !is_root() && which("sudo").is_none() {
        return Err(Failed(format!("please run as root: {by_hand}")));
    }
    if stdin().is_terminal() {
        println!("{by_hand}");
        if !agreed()? {
            return Err(Failed(format!("nothing was changed. By hand: {by_hand}")));
        }
    }
    let mut command = Command::new(if is_root() { "dpkg" } else { "sudo" });
    if !is_root() {
        command.arg("dpkg");
    }
    run.command(command.args(["--add-architecture", name]))
}

/// Installs what is missing. Where it may not, it says what to type.
pub(crate) fn ensure(run: &Run, packages: &[Package]) -> Result<(), Failed> {
    let missing: Vec<&Package> = packages.iter().filter(|(name, _)| !installed(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    let by_hand = format!("apt-get install --no-install-recommends {}", names.join(" "));
    if which("apt-get").is_none() {
        return Err(Failed(format!("this is not a Debian system; please install what these packages hold: {}", names.join(" "))));
    }
    println!("missing packages:");
    for (name, why) in &missing {
        println!("  {name:22} {why}");
    }
    let sudo = !is_root();
    if sudo && which("sudo").is_none() {
        return Err(Failed(format!("please run as root: {by_hand}")));
    }
    if stdin().is_terminal() && !agreed()? {
        return Err(Failed(format!("nothing was installed. By hand: {by_hand}")));
    }
    run.step("install packages", || {
        run.command(apt(sudo).args(["update", "-qq"]))?;
        run.command(apt(sudo).args(["install", "-y", "-qq", "--no-install-recommends"]).args(&names))
    })
    .map_err(|Failed(why)| Failed(format!("{why}. By hand: {by_hand}")))
}

fn apt(sudo: bool) -> Command {
    let mut command = Command::new(if sudo { "sudo" } else { "apt-get" });
    if sudo {
        command.arg("apt-get");
    }
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=600"]).stdout(Stdio::null());
    command
}

fn agreed() -> Result<bool, Failed> {
    print!("install them now? [Y/n] ");
    stdout().flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "" | "y" | "Y" | "yes"))
}

fn installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"installed"))
}

pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
