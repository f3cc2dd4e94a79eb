//! Gives each program its own memory map: cortex-m-rt's `link.x` includes whatever `memory.x` is found first.

use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    for program in ["boot", "firmware"] {
        let folder = out.join(program);
        fs::create_dir_all(&folder)?;
        fs::copy(format!("layout/{program}.x"), folder.join("memory.x"))?;
        println!("cargo:rustc-link-arg-bin={program}=-L{}", folder.display());
    }
    // Functions that came out the same are kept once: nothing here tells functions apart by their addresses.
    for argument in ["--nmagic", "--icf=all", "-Tlink.x", "-Tlink-rp.x"] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    println!("cargo:rerun-if-changed=layout");
    Ok(())
}
