//! Checks the no_std crates for the microcontroller: `no_std` on the host alone is a promise, not a proof.
//!
//! Two ways to the target: rustup where it can add it, else Debian's compiler, which builds the core library itself.

use crate::{
    packages,
    run::{Failed, Run, which},
};
use std::process::{Command, Stdio};

pub(crate) const TARGET: &str = "thumbv6m-none-eabi";
const CRATES: [&str; 4] = ["kiosk-core", "card-auth", "peripheral-icd", "peripheral-logic"];

pub(crate) fn check(run: &Run) -> Result<(), Failed> {
    if rustup_has_target() {
        let mut arguments = vec!["check", "--target", TARGET];
        arguments.extend(CRATES.iter().flat_map(|name| ["--package", name]));
        return run.cargo(&arguments);
    }
    packages::ensure(run, packages::BARE_METAL)?;
    run.command(&mut debian_check(run))
}

pub(crate) fn rustup_has_target() -> bool {
    which("rustup").is_some()
        && Command::new("rustup")
            .args(["target", "add", TARGET])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
}

/// Debian's cargo has no release channel compiled in and so takes `-Z`; its rustc needs RUSTC_BOOTSTRAP.
fn debian_check(run: &Run) -> Command {
    let mut command = Command::new("/usr/bin/cargo");
    command
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env("CARGO_TARGET_DIR", run.target().join("bare-metal"))
        .args(["check", "-Zbuild-std=core,alloc", "--target", TARGET])
        .args(CRATES.iter().flat_map(|name| ["--package", name]));
    command
}
