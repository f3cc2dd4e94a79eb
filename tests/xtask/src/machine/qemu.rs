//! A running machine: its console with the time of each line, its monitor, its touchscreen, its power.

use crate::{package::Arch, run::Failed};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// The display: that of the 7-inch Touch Display 2.
pub(super) const WIDTH: u32 = 720;
pub(super) const HEIGHT: u32 = 1280;
/// The virtual tablet's range on both axes.
const RANGE: u32 = 32_767;
/// How long a finger stays.
const TOUCH: Duration = Duration::from_millis(120);

/// What to boot.
pub(super) struct Image {
    pub(super) arch: Arch,
    pub(super) kernel: PathBuf,
    pub(super) initrd: PathBuf,
    pub(super) disk: PathBuf,
}

/// A machine with its power on. Dropped, its power is cut.
pub(super) struct Machine {
    child: Child,
    monitor: BufReader<UnixStream>,
    console: Receiver<(Instant, String)>,
    pub(super) powered: Instant,
    /// Everything its console said.
    pub(super) said: Vec<(Duration, String)>,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Machine {
    /// Switches the power on.
    pub(super) fn start(image: &Image, folder: &Path) -> Result<Self, Failed> {
        let socket = folder.join("monitor.sock");
        let _ = fs::remove_file(&socket);
        let powered = Instant::now();
        let mut child = command(image, &socket)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("qemu.log"))?)
            .spawn()
            .map_err(|error| Failed(format!("the emulator cannot be started: {error}")))?;
        let output = child.stdout.take().ok_or_else(|| Failed("no console".into()))?;
        let (lines, console) = channel();
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim().to_owned();
                line.clear();
                if lines.send((Instant::now(), text)).is_err() {
                    break;
                }
            }
        });
        let monitor = connect(&socket, &mut child)?;
        let mut machine = Self { child, monitor, console, powered, said: Vec::new() };
        machine.ask("{\"execute\":\"qmp_capabilities\"}")?;
        Ok(machine)
    }

    /// Waits for a line on the console that holds this text; when after power-on that was.
    pub(super) fn wait_for(&mut self, text: &str, patience: Duration) -> Result<Duration, Failed> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.console.recv_timeout(left) {
                Ok((at, line)) => {
                    let at = at.duration_since(self.powered);
                    let found = line.contains(text);
                    self.said.push((at, line));
                    if found {
                        return Ok(at);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Failed(format!("within {} s the console did not say '{}'", patience.as_secs(), text)));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(Failed("the machine has stopped".into())),
            }
        }
    }

    /// Takes what the console has said meanwhile.
    pub(super) fn listen(&mut self) {
        while let Ok((at, line)) = self.console.try_recv() {
            self.said.push((at.duration_since(self.powered), line));
        }
    }

    /// A finger on the glass, at a place of the display in pixels.
    pub(super) fn touch(&mut self, x: u32, y: u32) -> Result<(), Failed> {
        let scale = |at: u32, of: u32| at * RANGE / of;
        let place = format!(
            "{{\"type\":\"abs\",\"data\":{{\"axis\":\"x\",\"value\":{}}}}},{{\"type\":\"abs\",\"data\":{{\"axis\":\"y\",\"value\":{}}}}}",
            scale(x, WIDTH),
            scale(y, HEIGHT)
        );
        self.input(&place)?;
        self.input("{\"type\":\"btn\",\"data\":{\"button\":\"left\",\"down\":true}}")?;
        thread::sleep(TOUCH);
        self.input("{\"type\":\"btn\",\"data\":{\"button\":\"left\",\"down\":false}}")
    }

    fn input(&mut self, events: &str) -> Result<(), Failed> {
        self.ask(&format!("{{\"execute\":\"input-send-event\",\"arguments\":{{\"events\":[{events}]}}}}"))
    }

    /// A picture of the display.
    pub(super) fn picture(&mut self, to: &Path) -> Result<(), Failed> {
        let name = to.display();
        self.ask(&format!("{{\"execute\":\"screendump\",\"arguments\":{{\"filename\":\"{name}\",\"format\":\"png\"}}}}"))
    }

    /// Pulls the plug: whatever the machine had not told its disk is gone.
    pub(super) fn cut_power(mut self) -> Vec<(Duration, String)> {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.listen();
        std::mem::take(&mut self.said)
    }

    /// Asks the monitor and reads its answer; events in between are passed over.
    fn ask(&mut self, command: &str) -> Result<(), Failed> {
        let stream = self.monitor.get_mut();
        stream.write_all(command.as_bytes())?;
        stream.write_all(b"\n")?;
        loop {
            let mut line = String::new();
            if self.monitor.read_line(&mut line)? == 0 {
                return Err(Failed("the machine has stopped".into()));
            }
            if line.contains("\"error\"") {
                return Err(Failed(format!("the monitor refuses {command}: {line}")));
            }
            if line.contains("\"return\"") {
                return Ok(());
            }
        }
    }
}

fn connect(socket: &Path, child: &mut Child) -> Result<BufReader<UnixStream>, Failed> {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        if let Ok(stream) = UnixStream::connect(socket) {
            let mut monitor = BufReader::new(stream);
            let mut greeting = String::new();
            monitor.read_line(&mut greeting)?;
            return Ok(monitor);
        }
        if let Some(status) = child.try_wait()? {
            return Err(Failed(format!("the emulator ended with {status}: see qemu.log")));
        }
        if Instant::now() > until {
            return Err(Failed("the emulator's monitor did not come up".into()));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn command(image: &Image, socket: &Path) -> Command {
    let (program, console) = match image.arch {
        Arch::Amd64 => ("qemu-system-x86_64", "ttyS0"),
        Arch::Arm64 => ("qemu-system-aarch64", "ttyAMA0"),
    };
    let mut command = Command::new(program);
    match image.arch {
        // Emulated like the other one: what a host's own virtualisation can do differs from host to host.
        Arch::Amd64 => command.args(["-M", "q35", "-accel", "tcg", "-cpu", "max", "-vga", "none"]),
        Arch::Arm64 => command.args(["-M", "virt", "-cpu", "cortex-a72"]),
    };
    let append = format!("console={console} root=/dev/vda rw quiet loglevel=4 vt.global_cursor_default=0 systemd.show_status=0");
    command.args(["-smp", "2", "-m", "1024", "-display", "none", "-serial", "stdio", "-rtc", "base=utc", "-append", &append]);
    command.arg("-kernel").arg(&image.kernel).arg("-initrd").arg(&image.initrd);
    // Writeback: the host keeps what was written, and the guest's flushes reach the disk.
    let drive = format!("if=none,id=disk,format=raw,cache=writeback,file={}", image.disk.display());
    command.args(["-drive", &drive, "-device", "virtio-blk-pci,drive=disk"]);
    command.args(["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="]);
    command.args(["-device", &format!("virtio-gpu-pci,xres={WIDTH},yres={HEIGHT}"), "-device", "virtio-tablet-pci"]);
    command.args(["-device", "virtio-keyboard-pci", "-qmp", &format!("unix:{},server,nowait", socket.display())]);
    command
}
