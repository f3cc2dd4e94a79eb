//! The microcontroller's program: built for thumbv6m, measured, packed as UF2, and driven in an emulator.
//!
//! Two ways to the target: rustup where it can add it, else Debian's compiler, which builds the core library itself. Both
//! give the program the same flags; `firmware/.cargo/config.toml` holds those for who calls cargo there by hand.

use crate::{
    build_programs, nostd, packages,
    run::{Failed, Run, which},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The boot program and the program it starts, in the order in which they lie in flash.
const PROGRAMS: [&str; 2] = ["boot", "firmware"];

/// What the program may take.
const FLASH: usize = 64 * 1024;
const STATIC_RAM: usize = 16 * 1024;

pub(crate) fn command(words: &[&str]) -> Result<(), Failed> {
    let run = Run::at_root()?;
    let outcome = match words {
        ["build"] => build(&run),
        [] | ["test"] => build(&run).and_then(|()| emulate(&run)).and_then(|()| order_by_keypad(&run)),
        ["flash"] => build(&run).and_then(|()| flash(&images(&run).join(UF2))),
        ["flash", "--key", public] => build(&run).and_then(|()| flash(&provisioned(&run, public)?)),
        ["flash", "--tty", tty, "--sign", private] => build(&run).and_then(|()| update(&run, tty, private)),
        ["keys", directory] => bench(&run, &["keys", directory]),
        _ => return Err(Failed(USAGE.to_owned())),
    };
    run.report();
    outcome
}

const USAGE: &str = "firmware takes: build | test | keys DIR | flash [--key update.pub] | flash --tty TTY --sign update.key";

/// What goes onto a board in its boot loader, and what goes over its link.
const UF2: &str = "kiosk-board.uf2";
const IMAGE: &str = "firmware.bin";

/// Where the program's slot begins.
const SLOT: u32 = 0x1001_0000;

/// Builds the image and holds it to its budgets.
pub(crate) fn build(run: &Run) -> Result<(), Failed> {
    let by_rustup = nostd::rustup_has_target();
    if !by_rustup {
        packages::ensure(run, packages::BARE_METAL)?;
        if debian_linker().is_none() {
            packages::ensure(run, packages::BARE_METAL_LINK)?;
        }
    }
    run.step("build the firmware", || run.command(&mut compile(run, by_rustup)?))?;
    measure(run)
}

fn folder(run: &Run) -> PathBuf {
    run.target().join("rp2040")
}

fn images(run: &Run) -> PathBuf {
    folder(run).join(nostd::TARGET).join("release")
}

fn compile(run: &Run, by_rustup: bool) -> Result<Command, Failed> {
    let cargo = if by_rustup { "cargo" } else { "/usr/bin/cargo" };
    let mut command = Command::new(cargo);
    // In its own folder: its configuration is found from there, and it is a workspace of its own.
    command.current_dir("firmware").args(["build", "--release", "--locked", "--target", nostd::TARGET, "--target-dir"]);
    command.arg(fs::canonicalize(".")?.join(folder(run))).env("CARGO_ENCODED_RUSTFLAGS", flags());
    if !by_rustup {
        let linker = debian_linker().ok_or_else(|| Failed("no ld.lld was found; install Debian's package lld".into()))?;
        command
            .env("RUSTC", "/usr/bin/rustc")
            .env("RUSTC_BOOTSTRAP", "1")
            .env_remove("RUSTUP_TOOLCHAIN")
            .env("CARGO_TARGET_THUMBV6M_NONE_EABI_LINKER", linker)
            .arg("-Zbuild-std=core,alloc");
    }
    Ok(command)
}

/// Those of the configuration, and the paths of this machine out of the image: they are 3 KiB of it, and two machines
/// are to build the same bytes.
fn flags() -> String {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let sources = home.map(|home| home.join("registry/src")).and_then(|sources| fs::read_dir(sources).ok());
    let mut flags = vec!["--cfg".to_owned(), "sha2_backend_soft=\"compact\"".to_owned()];
    flags.extend(
        sources.into_iter().flatten().flatten().map(|source| format!("--remap-path-prefix={}=", source.path().display())),
    );
    flags.join("\x1f")
}

/// Debian names it with its version.
fn debian_linker() -> Option<PathBuf> {
    which("ld.lld").or_else(|| (14..40).rev().find_map(|version| which(&format!("ld.lld-{version}"))))
}

/// Reads both images, writes the UF2, and says what they take.
fn measure(run: &Run) -> Result<(), Failed> {
    let mut parts = Vec::new();
    for name in PROGRAMS {
        let path = images(run).join(name);
        let elf = fs::read(&path).map_err(|error| Failed(format!("{}: {error}", path.display())))?;
        let elf = Elf::read(&elf).ok_or_else(|| Failed(format!("{} is not an ELF for ARM", path.display())))?;
        println!("  {name:10} {:6} bytes of flash, {:6} of static RAM", elf.flash(), elf.ram);
        if elf.flash() > FLASH || elf.ram > STATIC_RAM {
            return Err(Failed(format!("{name} is over its budget of {FLASH} bytes of flash and {STATIC_RAM} of static RAM")));
        }
        parts.extend(elf.parts);
    }
    fs::write(images(run).join(IMAGE), image(&parts))?;
    let path = images(run).join(UF2);
    fs::write(&path, uf2(&parts))?;
    println!("  {}", path.display());
    Ok(())
}

/// Runs the tests of `firmware/emulator` against the images that were built.
pub(crate) fn emulate(run: &Run) -> Result<(), Failed> {
    if which("node").is_none() || which("npm").is_none() {
        packages::ensure(run, packages::EMULATOR)?;
    }
    let emulator = Path::new("firmware/emulator");
    run.step("fetch the emulator", || {
        if emulator.join("node_modules/rp2040js/package.json").exists() {
            return Ok(());
        }
        run.command(Command::new("npm").current_dir(emulator).args(["ci", "--no-audit", "--no-fund", "--silent"]))
    })?;
    let images = fs::canonicalize(images(run))?;
    run.step("the real image in the emulator", || {
        run.counted(
            Command::new("node")
                .current_dir(emulator)
                .args(["--test", "--test-reporter=spec", "test/"])
                .env("FIRMWARE_IMAGES", &images),
        )
    })
}

/// The whole kiosk, driven by nothing but the keys of the emulated board.
pub(crate) fn order_by_keypad(run: &Run) -> Result<(), Failed> {
    build_programs(run)?;
    let images = fs::canonicalize(images(run))?;
    run.step("an order by the emulated board's keys", || {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // The whole workspace, so that features are those of the other tests: for one package alone everything is built again.
        command.args(["test", "--quiet", "--locked", "--workspace", "--test", "it", "--", "--ignored", "emulated_board"]);
        run.counted(command.env("FIRMWARE_IMAGES", images))
    })
}

/// Clippy for the chip, where the toolchain that has its target has clippy too.
pub(crate) fn lint(run: &Run) -> Result<(), Failed> {
    if !nostd::rustup_has_target() {
        println!("\nnot checked here: clippy of the firmware, whose target only Debian's compiler has");
        return Ok(());
    }
    run.step("clippy of the firmware", || {
        let mut command = Command::new("cargo");
        command.current_dir("firmware").args(["clippy", "--quiet", "--release", "--locked", "--target", nostd::TARGET]);
        command.arg("--target-dir").arg(fs::canonicalize(".")?.join(folder(run))).env("CARGO_ENCODED_RUSTFLAGS", flags());
        run.command(command.args(["--", "-D", "warnings"]))
    })
}

/// Runs the workbench of the board.
fn bench(run: &Run, arguments: &[&str]) -> Result<(), Failed> {
    run.cargo(&[&["run", "--quiet", "--locked", "-p", "kiosk-devices", "--bin", "kiosk-board", "--"], arguments].concat())
}

/// The UF2 with a public key's page in it.
fn provisioned(run: &Run, public: &str) -> Result<PathBuf, Failed> {
    let (base, out) = (images(run).join(UF2), images(run).join("kiosk-board-with-key.uf2"));
    let path = |path: &Path| path.display().to_string();
    bench(run, &["provision", "--public", public, "--base", &path(&base), "--out", &path(&out)])?;
    Ok(out)
}

/// Signs the program and gives it to a board that runs.
fn update(run: &Run, tty: &str, private: &str) -> Result<(), Failed> {
    let path = |name: &str| images(run).join(name).display().to_string();
    bench(run, &["sign", "--key", private, "--image", &path(IMAGE), "--out", &path("firmware.signed")])?;
    bench(run, &["update", "--tty", tty, &path("firmware.signed")])
}

/// Copies the UF2 to the drive that the chip's own boot loader shows.
fn flash(uf2: &Path) -> Result<(), Failed> {
    let drives = ["/media", "/run/media", "/mnt", "/Volumes"];
    let drive = drives.iter().flat_map(|root| below(Path::new(root), 2)).find(|path| path.join("INFO_UF2.TXT").exists());
    let drive = drive.ok_or_else(|| {
        Failed(
            "no board is in its boot loader: hold BOOTSEL while you plug it in, and mount the drive RPI-RP2 that appears".into(),
        )
    })?;
    fs::copy(uf2, drive.join(UF2))?;
    println!("copied to {}; the board restarts by itself", drive.display());
    Ok(())
}

/// The folders below `root`, so many levels deep.
fn below(root: &Path, levels: u32) -> Vec<PathBuf> {
    let mut found = vec![root.to_path_buf()];
    if levels > 0 {
        let entries = fs::read_dir(root).into_iter().flatten().flatten();
        found.extend(entries.filter(|entry| entry.path().is_dir()).flat_map(|entry| below(&entry.path(), levels - 1)));
    }
    found
}

/// What of an ELF goes to flash, by load address, and how much RAM it takes before its stack.
struct Elf {
    parts: Vec<(u32, Vec<u8>)>,
    ram: usize,
}

impl Elf {
    fn read(file: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?));
        let half = |at: usize| Some(u16::from_le_bytes(file.get(at..at + 2)?.try_into().ok()?));
        if !file.starts_with(b"\x7fELF\x01") {
            return None;
        }
        let (table, size, count) = (word(28)? as usize, usize::from(half(42)?), usize::from(half(44)?));
        let mut elf = Self { parts: Vec::new(), ram: 0 };
        for header in (0..count).map(|i| table + i * size) {
            let (kind, offset, address, load) =
                (word(header)?, word(header + 4)? as usize, word(header + 8)?, word(header + 12)?);
            let (bytes, memory) = (word(header + 16)? as usize, word(header + 20)? as usize);
            if kind == 1 && bytes > 0 {
                elf.parts.push((load, file.get(offset..offset + bytes)?.to_vec()));
            }
            if kind == 1 && address >> 28 == 2 {
                elf.ram += memory;
            }
        }
        elf.parts.sort();
        Some(elf)
    }

    /// From the first byte to the last, without the second stage of the chip's boot loader, which lies apart.
    fn flash(&self) -> usize {
        self.parts.iter().filter(|(at, _)| *at >= 0x1000_0100).map(|(_, bytes)| bytes.len()).sum()
    }
}

/// The slot's bytes from its first to its last, with ones where there are none.
fn image(parts: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, bytes) in parts.iter().filter(|(at, _)| *at >= SLOT) {
        let from = (at - SLOT) as usize;
        out.resize(out.len().max(from + bytes.len()), 0xFF);
        out[from..from + bytes.len()].copy_from_slice(bytes);
    }
    out
}

/// Blocks of 512 bytes that each say where 256 of theirs belong (github.com/microsoft/uf2), family RP2040. Parts that
/// share a page, as both programs' second stages do, are laid over one another.
fn uf2(parts: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut pages = std::collections::BTreeMap::<u32, [u8; 256]>::new();
    for (at, bytes) in parts {
        for (address, &byte) in (*at..).zip(bytes) {
            pages.entry(address & !255).or_insert([0xFF; 256])[(address & 255) as usize] = byte;
        }
    }
    let count = pages.len() as u32;
    let mut out = Vec::with_capacity(pages.len() * 512);
    for (number, (address, page)) in (0u32..).zip(pages) {
        for word in [0x0A32_4655, 0x9E5D_5157, 0x2000, address, 256, number, count, 0xE48B_FF56] {
            out.extend_from_slice(&u32::to_le_bytes(word));
        }
        out.extend_from_slice(&page);
        out.resize(out.len() + 220, 0);
        out.extend_from_slice(&0x0AB1_6F30u32.to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{SLOT, image, uf2};

    #[test]
    fn an_image_has_ones_between_its_parts_and_nothing_of_the_boot_program() {
        let parts = [(SLOT - 16, vec![9; 4]), (SLOT, vec![1, 2]), (SLOT + 4, vec![3])];
        assert_eq!(image(&parts), [1, 2, 0xFF, 0xFF, 3]);
    }

    #[test]
    fn a_uf2_has_a_numbered_block_for_every_page_that_is_touched() {
        let file = uf2(&[(0x1000_0000, vec![1; 256]), (0x1001_00F0, vec![2; 32])]);
        assert_eq!(file.len(), 3 * 512);
        for (number, block) in file.chunks(512).enumerate() {
            assert_eq!(block[..4], *b"UF2\n");
            assert_eq!(block[508..], 0x0AB1_6F30u32.to_le_bytes());
            assert_eq!((block[20], block[24]), (number as u8, 3));
        }
        assert_eq!(file[512 + 12..512 + 16], 0x1001_0000u32.to_le_bytes());
        assert_eq!(
            (file[512 + 32 + 0xEF], file[512 + 32 + 0xF0], file[1024 + 32 + 15], file[1024 + 32 + 16]),
            (0xFF, 2, 2, 0xFF)
        );
    }
}
