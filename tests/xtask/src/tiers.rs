//! What is checked, by tier.

use crate::{
    build_programs, firmware, installed, machine, nostd,
    package::Arch,
    packages,
    run::{Failed, Run, which},
};
use std::process::Command;

/// `cargo xtask test`: what CI runs and what has to pass from nothing.
pub(crate) fn test(full: bool) -> Result<(), Failed> {
    let run = Run::at_root()?;
    let outcome = short(&run).and_then(|()| if full { long(&run) } else { Ok(()) });
    if !full {
        println!(
            "\nnot checked here (cargo xtask test --full): advisories by cargo-deny, ZVT against another codec, the demo's pictures, a replay of real baskets, \
             the packages in a fresh root and in an emulated machine"
        );
    }
    run.report();
    outcome
}

/// `cargo xtask lint`.
pub(crate) fn lint() -> Result<(), Failed> {
    let run = Run::at_root()?;
    packages::ensure(&run, packages::BUILD)?;
    lints(&run)
}

fn lints(run: &Run) -> Result<(), Failed> {
    run.step("format", || {
        run.cargo(&["fmt", "--all", "--check"])?;
        run.command(Command::new("cargo").current_dir("firmware").args(["fmt", "--check"]))
    })?;
    run.step("clippy", || run.cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    run.step("docs", || {
        run.command(
            Command::new("cargo")
                .args(["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items", "--locked"])
                .env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links"),
        )
    })
}

fn short(run: &Run) -> Result<(), Failed> {
    packages::ensure(run, packages::BUILD)?;
    lints(run)?;
    build_programs(run)?;
    run.step("tests", || run.cargo_test(&["test", "--workspace", "--locked", "--no-fail-fast"]))?;
    run.step("no_std for the microcontroller", || nostd::check(run))?;
    firmware::lint(run)?;
    firmware::build(run)?;
    firmware::emulate(run)?;
    firmware::order_by_keypad(run)
}

fn long(run: &Run) -> Result<(), Failed> {
    run.step("licences, bans, sources, advisories", || {
        if which("cargo-deny").is_none() {
            run.cargo(&["install", "cargo-deny", "--locked"])?;
        }
        run.cargo(&["deny", "check", "bans", "licenses", "sources"])?;
        run.cargo(&["deny", "--manifest-path", "firmware/Cargo.toml", "check", "licenses", "sources"])
    })?;
    run.step("other people's readings of the same protocols", || {
        let place = run.target().join("oracles");
        run.counted(
            Command::new("cargo")
                .args(["test", "--locked", "--manifest-path", "tests/oracles/Cargo.toml", "--target-dir"])
                .arg(std::path::absolute(place)?),
        )
    })?;
    run.step("demo, headless", || run.program("demo", &["--headless"]))?;
    packages::ensure(run, packages::PYTHON)?;
    run.step("replay of 10,000 real baskets", || run.program("replay", &[]))?;
    as_shipped(run)
}

/// What ships, where it will run: installed by its packages, and in a whole machine.
fn as_shipped(run: &Run) -> Result<(), Failed> {
    if !packages::is_root() {
        println!(
            "\nnot checked here, for want of root: packages installed in a fresh Debian root (amd64, arm64) that are enrolled, sell, \
             upload, are replaced and retired; an emulated arm64 machine that boots them, sells by touches and loses its power"
        );
        return Ok(());
    }
    installed::story(run, Arch::here())?;
    if Arch::here() != Arch::Arm64 {
        installed::story(run, Arch::Arm64)?;
    }
    machine::story(run, Arch::Arm64)
}
