//! A disk to boot from: a Debian root with our packages, the configuration of one kiosk, and a console that tells.

use super::{
    qemu::Image,
    root::Root,
    world::{DEVICE, World},
};
use crate::{
    package::Arch,
    run::{Failed, Run},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where the machine's network is led to the host.
pub(super) const HOST: &str = "10.0.2.2";
/// Drivers that the first stage needs to find its disk; the rest is loaded by udev.
const FIRST_STAGE: &str = "virtio_pci\nvirtio_blk\next4\n";
const DISK: &str = "2G";

/// Makes the disk of a kiosk that belongs to this world.
pub(super) fn make(run: &Run, arch: Arch, debs: &[PathBuf], world: &World, folder: &Path) -> Result<Image, Failed> {
    let root = Root::fresh(run, arch, true, &folder.join("root"))?;
    root.install(debs)?;
    configure(&root, arch, world)?;
    root.write("etc/initramfs-tools/modules", FIRST_STAGE)?;
    root.output(&["update-initramfs", "-c", "-k", "all"])?;
    let found = |start: &str| -> Result<PathBuf, Failed> {
        let names = fs::read_dir(root.folder.join("boot"))?.flatten().map(|entry| entry.path());
        let mut names = names.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start)));
        names.next().ok_or_else(|| Failed(format!("the root has no {start}")))
    };
    let image = Image { arch, kernel: folder.join("kernel"), initrd: folder.join("initrd"), disk: folder.join("disk.img") };
    fs::copy(found("vmlinuz-")?, &image.kernel)?;
    fs::copy(found("initrd.img-")?, &image.initrd)?;
    let _ = fs::remove_file(&image.disk);
    run.command(
        Command::new("mke2fs").args(["-q", "-t", "ext4", "-L", "root", "-d"]).arg(&root.folder).arg(&image.disk).arg(DISK),
    )?;
    fs::remove_dir_all(&root.folder)?;
    Ok(image)
}

/// The same disk before anybody told the kiosk who it is.
pub(super) fn bare(run: &Run, image: &Image) -> Result<Image, Failed> {
    let disk = image.disk.with_file_name("bare.img");
    run.command(Command::new("cp").arg("--sparse=always").arg(&image.disk).arg(&disk))?;
    for told in ["/var/lib/cem/kiosk/kiosk.toml", "/var/lib/cem/kiosk/tenant.key", "/var/lib/cem/agent/enrol.toml"] {
        run.command(Command::new("debugfs").args(["-w", "-R", &format!("rm {told}")]).arg(&disk))?;
    }
    Ok(Image { disk, kernel: image.kernel.clone(), initrd: image.initrd.clone(), arch: image.arch })
}

fn configure(root: &Root, arch: Arch, world: &World) -> Result<(), Failed> {
    world.configure_kiosk(root, HOST)?;
    world.leave_code(root, HOST, &world.code(&["enrol", "--device", DEVICE, "--role", "kiosk"])?)?;
    root.write("etc/fstab", "/dev/vda / ext4 rw,noatime,errors=remount-ro 0 1\n")?;
    root.write("etc/hostname", "kiosk\n")?;
    root.write(
        "etc/systemd/network/10-wired.network",
        "[Match]\nName=en* eth*\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n",
    )?;
    let console = match arch {
        Arch::Amd64 => "ttyS0",
        Arch::Arm64 => "ttyAMA0",
    };
    // The console is the test's ear: what the journal hears it hears too.
    root.write(
        "etc/systemd/journald.conf.d/console.conf",
        &format!("[Journal]\nForwardToConsole=yes\nTTYPath=/dev/{console}\nMaxLevelConsole=info\n"),
    )?;
    root.write(
        "etc/systemd/system/boot-report.service",
        "[Service]\nType=exec\n\
         ExecStart=/bin/sh -c 'until systemd-analyze time; do sleep 2; done; systemd-analyze critical-chain cem-kiosk.service; \
         systemctl show --property=Id,MemoryCurrent,NRestarts cem-kiosk cem-sync-agent; echo reported'\n\
         [Install]\nWantedBy=multi-user.target\n",
    )?;
    root.output(&["systemctl", "enable", "systemd-networkd.service", "boot-report.service"])?;
    root.output(&[
        "systemctl",
        "mask",
        &format!("serial-getty@{console}.service"),
        "apt-daily.timer",
        "apt-daily-upgrade.timer",
    ])?;
    root.output(&["update-ca-certificates"]).map(drop)
}
