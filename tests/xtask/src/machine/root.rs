//! A fresh Debian root to install packages into: made once, unpacked for each test, entered without disturbing the host.

use crate::{
    package::Arch,
    packages,
    run::{Failed, Run},
};
use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Debian's release.
const SUITE: &str = "bookworm";

/// What every root has, so that our packages install without a network. A machine to be booted has a kernel besides.
const ALWAYS: &str =
    "systemd-sysv,udev,ca-certificates,libinput10,libxkbcommon0,xkb-data,libfontconfig1,libnfc6,init-system-helpers";
const TO_BOOT: &str = "kmod,initramfs-tools,zstd";
/// How its first stage is packed: without every driver there is, which takes an emulated processor a quarter of an hour.
const SMALL: &str = "MODULES=list\\nCOMPRESS=gzip\\nBUSYBOX=n\\n";

/// An unpacked root.
#[derive(Clone)]
pub(crate) struct Root {
    pub(crate) folder: PathBuf,
}

impl Root {
    /// A fresh root in `folder`, which is emptied first.
    pub(crate) fn fresh(run: &Run, arch: Arch, bootable: bool, folder: &Path) -> Result<Self, Failed> {
        let base = base(run, arch, bootable)?;
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        run.command(Command::new("tar").args(["--numeric-owner", "--xattrs", "-xpf"]).arg(base).arg("-C").arg(folder))?;
        // What kept the root small must not keep parts of our packages out.
        let _ = fs::remove_file(folder.join("etc/dpkg/dpkg.cfg.d/99mmdebstrap"));
        Ok(Self { folder: folder.canonicalize()? })
    }

    /// A command inside, in a mount namespace of its own: nothing stays mounted, however it ends.
    pub(crate) fn inside(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("unshare");
        let mounts = "mount --bind /dev \"$0/dev\" && mount -t proc proc \"$0/proc\" && mount -t tmpfs tmpfs \"$0/tmp\" && exec chroot \"$0\" \"$@\"";
        command.args(["--mount", "--", "sh", "-c", mounts]).arg(&self.folder).arg(program);
        command.env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C.UTF-8").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// A command inside as one of the packages' users, with nothing that a service does not have.
    pub(crate) fn inside_as(&self, user: &str, group: &str) -> Command {
        let mut command = self.inside("setpriv");
        command.args(["--reuid", user, "--regid", group, "--clear-groups", "--no-new-privs", "--inh-caps=-all", "--"]);
        command
    }

    /// Runs a command inside to its end and gives back what it printed.
    pub(crate) fn output(&self, words: &[&str]) -> Result<String, Failed> {
        let (program, arguments) = words.split_first().ok_or_else(|| Failed("no command".into()))?;
        let output = self.inside(program).args(arguments).stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Failed(format!("{} ended with {}: {said}", words.join(" "), output.status)))
    }

    /// Installs packages as an administrator does.
    pub(crate) fn install(&self, debs: &[PathBuf]) -> Result<(), Failed> {
        let mut arguments = vec!["dpkg".to_owned(), "--install".to_owned()];
        for deb in debs {
            let name = deb.file_name().unwrap_or_default().to_string_lossy().into_owned();
            fs::copy(deb, self.folder.join("var/cache").join(&name))?;
            arguments.push(format!("/var/cache/{name}"));
        }
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.output(&words).map(drop)
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &str, text: &str) -> Result<(), Failed> {
        let to = self.folder.join(path);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&to, text).map_err(|error| Failed(format!("{}: {error}", to.display())))
    }

    /// Writes a file that only root may read.
    pub(crate) fn secret(&self, path: &str, text: &str) -> Result<(), Failed> {
        self.write(path, text)?;
        Ok(fs::set_permissions(self.folder.join(path), fs::Permissions::from_mode(0o600))?)
    }
}

/// The packed root, made on first use.
fn base(run: &Run, arch: Arch, bootable: bool) -> Result<PathBuf, Failed> {
    let kind = if bootable { "machine" } else { "root" };
    let file = run.target().join("machine").join(format!("{kind}-{}.tar", arch.debian()));
    if file.exists() {
        return Ok(file);
    }
    packages::ensure(run, packages::ROOT)?;
    if arch != Arch::here() {
        packages::ensure(run, packages::FOREIGN)?;
        let_run(arch)?;
    }
    fs::create_dir_all(run.target().join("machine"))?;
    let kernel = if bootable { format!(",{TO_BOOT},linux-image-{}", arch.debian()) } else { String::new() };
    let part = file.with_extension("part");
    run.step(&format!("a fresh Debian root, {}", arch.debian()), || {
        run.command(
            Command::new("mmdebstrap")
                .args(["--quiet", "--variant=minbase", "--format=tar", "--aptopt=APT::Install-Recommends=false"])
                .args(["--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"])
                .arg(format!("--architectures={}", arch.debian()))
                .args(bootable.then(|| {
                    let folder = "\"$1/etc/initramfs-tools/conf.d\"";
                    format!("--essential-hook=mkdir -p {folder} && printf '{SMALL}' > {folder}/small")
                }))
                .arg(format!("--include={ALWAYS}{kernel}"))
                .arg(SUITE)
                .arg(&part),
        )
    })?;
    fs::rename(&part, &file)?;
    Ok(file)
}

/// Tells the kernel to run programs of another architecture through qemu-user, where it does not know yet.
fn let_run(arch: Arch) -> Result<(), Failed> {
    let name = match arch {
        Arch::Amd64 => "qemu-x86_64",
        Arch::Arm64 => "qemu-aarch64",
    };
    let misc = Path::new("/proc/sys/fs/binfmt_misc");
    if misc.join(name).exists() {
        return Ok(());
    }
    if !misc.join("register").exists() {
        let mounted = Command::new("mount").args(["-t", "binfmt_misc", "binfmt_misc"]).arg(misc).status()?;
        if !mounted.success() {
            return Err(Failed("binfmt_misc cannot be mounted: this must run as root on a kernel that has it".into()));
        }
    }
    let rule = fs::read_to_string(format!("/usr/lib/binfmt.d/{name}.conf"))?;
    fs::write(misc.join("register"), rule.trim()).map_err(|error| Failed(format!("{name} cannot be registered: {error}")))
}
