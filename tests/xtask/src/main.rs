//! `cargo xtask`: the one door to the project. Standard library only, links nothing of ours, so that it builds in
//! seconds on a machine that has Rust and nothing else.
//!
//! It installs what a command needs (Debian packages through apt, asking first where somebody can answer), shows what
//! it does, and says plainly what it lacks otherwise.

#![forbid(unsafe_code)]

mod firmware;
mod installed;
mod machine;
mod nostd;
mod package;
mod packages;
mod run;
mod tiers;

use run::{Failed, Run};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  demo [--headless]        build and run the whole appliance: backend, agent, simulated devices, kiosk.
                           With a display: the kiosk and its control panel. Without, or with --headless: one visit of a
                           known guest and one of an anonymous customer, pictures of every view, every event as it arrives.
  test [--full]            everything that has to be true: format, lints, docs, architecture, units, scenarios, no_std.
                           --full adds what takes longer or needs more packages.
  lint                     format, clippy, docs, licences.
  screens [DIR]            a PNG of every view in every size and language (default target/screens).
  bench tap                from a card on a simulated reader to its proven identity, through the real libnfc.
  bench queue | upload     figures beside peers in the same run: counts, ratios, times.
  bench basket             the next basket of real households, foretold by the kiosk and by TIFU-KNN.
  bench money              every way in which a card payment can go wrong, and broken journals that must be caught.
  bench kills | power      the long forms: 10,000 kills, 1,000,000 images of a power cut (about an hour each).
  firmware [build|test]    the board's program for the RP2040: build it (ELF, UF2, sizes), drive the very image in an
                           emulator, alone and as the keypad of the whole kiosk.
  firmware keys DIR        a key pair for its updates.
  firmware flash           copy it to a board that is in its boot loader; --key update.pub adds the key's page;
                           --tty TTY --sign update.key sends it, signed, to a board that runs.
  package [--arch amd64|arm64]
                           Debian packages, one a process, with their bills of materials (target/packages).
  machine [--arch amd64|arm64]
                           a whole emulated machine boots the packages, sells by touches, loses its power and comes back.
  installed [--arch amd64|arm64]
                           the packages in a fresh Debian root, each process by its own user: they sell and upload.
  replay [--baskets N]     real shop baskets through basket, session, outbox, agent and backend (default 10000).
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["demo", rest @ ..] => demo(rest),
        ["test"] => tiers::test(false),
        ["test", "--full"] => tiers::test(true),
        ["lint"] => tiers::lint(),
        ["screens"] => screens("target/screens"),
        ["screens", directory] => screens(directory),
        ["firmware", rest @ ..] => firmware::command(rest),
        ["replay", rest @ ..] => replay(rest),
        ["package", rest @ ..] => package::command(rest),
        ["machine", rest @ ..] => machine::command(rest),
        ["installed", rest @ ..] => installed::command(rest),
        ["bench", rest @ ..] => bench(rest),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        ["--version" | "-V"] => {
            println!("xtask {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        other => {
            eprintln!("xtask: there is no command '{}'\n\n{HELP}", other.join(" "));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(why)) => {
            eprintln!("\nxtask: {why}");
            ExitCode::FAILURE
        }
    }
}

/// What the demo, the scenarios and the replay run as processes.
const PROGRAMS: [&str; 6] = ["kiosk-app", "kiosk-sim", "nfc-sidecar", "sync-agent", "cem-backend", "fleet"];

fn build_programs(run: &Run) -> Result<(), Failed> {
    let mut arguments = vec!["build", "--bins", "--package", "cem-tests"];
    for program in PROGRAMS {
        arguments.extend(["--package", program]);
    }
    run.step("build the appliance", || run.cargo(&arguments))
}

/// Builds what surrounds packages under test: backend, simulated devices, the operators' program.
fn build_world(run: &Run) -> Result<(), Failed> {
    let packages = ["cem-backend", "kiosk-sim", "fleet"].map(|name| ["--package", name]).concat();
    run.step("build what surrounds it", || run.cargo(&[&["build", "--bins"], packages.as_slice()].concat()))
}

fn demo(rest: &[&str]) -> Result<(), Failed> {
    if let Some(odd) = rest.iter().find(|word| **word != "--headless") {
        return Err(Failed(format!("demo takes --headless and nothing else, not '{odd}'")));
    }
    let run = Run::at_root()?;
    packages::ensure(&run, packages::BUILD)?;
    if !rest.contains(&"--headless") && run::display() {
        packages::ensure(&run, packages::WINDOW)?;
    }
    build_programs(&run)?;
    run.program("demo", rest)
}

fn screens(directory: &str) -> Result<(), Failed> {
    let run = Run::at_root()?;
    packages::ensure(&run, packages::BUILD)?;
    build_programs(&run)?;
    run.program("demo", &["--screens", directory])
}

fn replay(rest: &[&str]) -> Result<(), Failed> {
    let run = Run::at_root()?;
    packages::ensure(&run, packages::BUILD)?;
    packages::ensure(&run, packages::PYTHON)?;
    build_programs(&run)?;
    run.program("replay", rest)
}

const POWER: [&str; 8] = ["test", "--release", "--package", "edge-db", "--test", "it", "power", "--"];

/// Benches are built for release: what is measured is what ships.
fn bench(rest: &[&str]) -> Result<(), Failed> {
    let run = Run::at_root()?;
    packages::ensure(&run, packages::BUILD)?;
    packages::ensure(&run, packages::PYTHON)?;
    packages::ensure(&run, packages::BENCH)?;
    let mut arguments = vec!["build", "--release", "--bins", "--package", "cem-tests"];
    for program in ["sync-agent", "cem-backend", "nfc-sidecar", "kiosk-sim"] {
        arguments.extend(["--package", program]);
    }
    if rest == ["power"] {
        return run.step("a million images of a power cut", || run.cargo_env(&POWER, ("CEM_POWER_IMAGES", "1000000")));
    }
    run.step("build for release", || run.cargo(&arguments))?;
    run.release_program("bench", rest)
}
