//! The workbench of the microcontroller board: keys for its updates, signed programs, and programs over its link.
//!
//! `cargo xtask firmware` calls it; a private key never leaves the file that it was made in, and belongs on no kiosk.

#![forbid(unsafe_code)]

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use kiosk_devices::{SerialBoard, peripherals::SignedImage};
use peripheral_icd::provision;
use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Keys and programs for the kiosk's microcontroller board.
#[derive(Parser)]
#[command(name = "kiosk-board", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a key pair: DIR/update.key, which is to be kept secret, and DIR/update.pub, which goes onto boards
    Keys {
        /// An existing folder without such files
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Adds the page of a public key to a board's UF2
    Provision {
        /// update.pub
        #[arg(long, value_name = "FILE")]
        public: PathBuf,
        /// What `cargo xtask firmware build` has made
        #[arg(long, value_name = "UF2")]
        base: PathBuf,
        /// What is to be copied to a board in its boot loader
        #[arg(long, value_name = "UF2")]
        out: PathBuf,
    },
    /// Signs a program
    Sign {
        /// update.key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// firmware.bin
        #[arg(long, value_name = "FILE")]
        image: PathBuf,
        /// The signed program
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Gives a board a signed program over its link; stop the kiosk before
    Update {
        /// The board's device, such as /dev/ttyACM0
        #[arg(long, value_name = "TTY")]
        tty: PathBuf,
        /// A signed program
        file: PathBuf,
    },
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::Keys { folder } => keys(&folder),
        Command::Provision { public, base, out } => {
            let key = read_key(&public)?;
            VerifyingKey::from_bytes(&key).with_context(|| format!("{} holds no public key", public.display()))?;
            let base = fs::read(&base).with_context(|| base.display().to_string())?;
            let uf2 = with_page(&base, &provision::page(&key))?;
            fs::write(&out, uf2).with_context(|| out.display().to_string())
        }
        Command::Sign { key, image, out } => {
            let image = fs::read(&image).with_context(|| image.display().to_string())?;
            let signature = SigningKey::from_bytes(&read_key(&key)?).sign(&image).to_bytes();
            let signed = SignedImage::new(image, signature)?;
            fs::write(&out, signed.to_file()).with_context(|| out.display().to_string())
        }
        Command::Update { tty, file } => update(&tty, &file),
    }
}

fn keys(folder: &Path) -> Result<()> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("the system gives no random numbers")?;
    let key = SigningKey::from_bytes(&seed);
    write_new(&folder.join("update.key"), &hex(&seed), 0o600)?;
    write_new(&folder.join("update.pub"), &hex(key.verifying_key().as_bytes()), 0o644)?;
    println!(
        "{0}/update.key signs programs: keep it off every kiosk and out of git. {0}/update.pub goes onto boards.",
        folder.display()
    );
    Ok(())
}

/// Never over a key that boards may have been made with.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.with_context(|| format!("{} cannot be made; a key that exists is not replaced", path.display()))?;
    writeln!(file, "{text}").with_context(|| path.display().to_string())
}

fn read_key(path: &Path) -> Result<[u8; 32]> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    unhex(text.trim()).with_context(|| format!("{}: a key is 64 hex digits", path.display()))
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}

/// A block of a UF2 (github.com/microsoft/uf2): where 256 of its 512 bytes belong.
const BLOCK: usize = 512;
const FLASH: u32 = 0x1000_0000;

/// A UF2 with one block more. Every block says how many there are.
fn with_page(base: &[u8], page: &[u8; provision::SIZE]) -> Result<Vec<u8>> {
    ensure!(!base.is_empty() && base.len().is_multiple_of(BLOCK) && base.starts_with(b"UF2\n"), "the base is no UF2");
    let mut block: [u8; BLOCK] = base[..BLOCK].try_into()?;
    let count = u32::try_from(base.len() / BLOCK)?;
    block[12..16].copy_from_slice(&(FLASH + provision::AT).to_le_bytes());
    block[20..24].copy_from_slice(&count.to_le_bytes());
    block[32..288].fill(0xFF);
    block[32..32 + page.len()].copy_from_slice(page);
    let mut out = [base, &block].concat();
    for block in out.chunks_exact_mut(BLOCK) {
        ensure!(block[..4] == *b"UF2\n", "the base is no UF2");
        block[24..28].copy_from_slice(&(count + 1).to_le_bytes());
    }
    Ok(out)
}

fn update(tty: &Path, file: &Path) -> Result<()> {
    let signed = SignedImage::parse(&fs::read(file).with_context(|| file.display().to_string())?)?;
    let mut board = SerialBoard::new(tty)?;
    let mut told = 0;
    board.install(&signed, &mut |sent, all| {
        let tenth = sent * 10 / all;
        if tenth > told {
            told = tenth;
            println!("{} % sent", tenth * 10);
        }
    })?;
    println!("the board runs the new program, and it has proved itself");
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_are_written_once_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        keys(dir.path()).unwrap();
        let (private, public) =
            (read_key(&dir.path().join("update.key")).unwrap(), read_key(&dir.path().join("update.pub")).unwrap());
        assert_eq!(SigningKey::from_bytes(&private).verifying_key().to_bytes(), public);
        assert!(keys(dir.path()).unwrap_err().to_string().contains("not replaced"));
        assert!(unhex("00").is_none() && unhex(&"g".repeat(64)).is_none());
    }

    #[test]
    fn the_page_of_the_key_is_one_block_more_and_all_blocks_know_it() {
        let mut base = vec![0; BLOCK * 2];
        for (number, block) in base.chunks_exact_mut(BLOCK).enumerate() {
            block[..4].copy_from_slice(b"UF2\n");
            block[20] = u8::try_from(number).unwrap();
            block[24] = 2;
        }
        let page = provision::page(&[3; 32]);
        let out = with_page(&base, &page).unwrap();
        let blocks: Vec<_> = out.chunks_exact(BLOCK).collect();
        assert_eq!(blocks.iter().map(|block| (block[20], block[24])).collect::<Vec<_>>(), [(0, 3), (1, 3), (2, 3)]);
        assert_eq!(blocks[2][12..16], 0x1000_8000u32.to_le_bytes());
        assert_eq!(blocks[2][32..72], page);
        assert!(with_page(b"UF2", &page).is_err());
    }
}
