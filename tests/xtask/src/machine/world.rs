//! What surrounds a kiosk under test, on the host: a backend over TLS, a terminal and a printer that are simulated.

use super::root::Root;
use crate::run::{Failed, Run};
use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

pub(crate) const STORE: &str = "s-001";
pub(crate) const DEVICE: &str = "k-01";
const SOURCE: &str = "/stores/s-001/devices/k-01";

/// A program of ours on the host; stopped when dropped.
struct Process {
    child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the backend runs.
pub(crate) enum Place {
    /// On this machine, as it was built for tests.
    Host,
    /// As its package installed it, by its own user.
    Package(Root),
}

/// The backend's data and secrets where its package has them.
const BACKEND_DATA: &str = "/var/lib/cem-backend";
const BACKEND_SECRETS: &str = "run/credentials/cem-backend.service";

/// Backend, terminal and printer.
pub(crate) struct World {
    place: Place,
    folder: PathBuf,
    programs: PathBuf,
    backend: Option<Process>,
    port: u16,
    _devices: Vec<Process>,
    terminal: u16,
    printer: u16,
    ops: String,
    tenant_key: String,
}

/// What the backend has of the kiosk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// `GET /v1/fleet/summary`, as it is.
    pub(crate) summary: String,
    /// Types of all events, in the order of their numbers.
    pub(crate) kinds: Vec<String>,
}

impl Seen {
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.kinds.iter().filter(|known| *known == kind).count()
    }
}

impl World {
    /// Starts it in `folder`, which is emptied first.
    pub(crate) fn start(run: &Run, folder: &Path, place: Place) -> Result<Self, Failed> {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder.join("backend"))?;
        let folder = folder.canonicalize()?;
        let programs = run.target().join("debug").canonicalize()?;
        certificate(&folder)?;
        if let Place::Package(root) = &place {
            for (from, to) in [("cert.pem", "tls.cert"), ("key.pem", "tls.key")] {
                root.secret(&format!("{BACKEND_SECRETS}/{to}"), &fs::read_to_string(folder.join(from))?)?;
            }
            root.output(&["chown", "-R", "cem-backend:", &format!("/{BACKEND_SECRETS}")])?;
        }
        let token = |scope: &str, source: &str| {
            let (mut command, data) = backend(&place, &programs, &folder);
            output(command.args(["token", "--scope", scope, "--source", source, "--data", &data]))
        };
        let ops = token("ops", "/ops/test")?;
        let tenant_key = random_hex()?;
        let sim = |arguments: &[&str]| start(Command::new(programs.join("kiosk-sim")).args(arguments).current_dir(&folder));
        let (terminal, line) = sim(&["terminal", "--listen", "127.0.0.1:0", "--control", "terminal.ctl"])?;
        let terminal_port = port_in(&line)?;
        let (printer, line) = sim(&["printer", "--listen", "127.0.0.1:0", "--out", "receipts.bin", "--control", "printer.ctl"])?;
        let printer_port = port_in(&line)?;
        let mut world = Self {
            place,
            folder,
            programs,
            backend: None,
            port: 0,
            _devices: vec![terminal, printer],
            terminal: terminal_port,
            printer: printer_port,
            ops,
            tenant_key,
        };
        world.start_backend()?;
        Ok(world)
    }

    /// Starts the backend, at the port that it had.
    pub(crate) fn start_backend(&mut self) -> Result<(), Failed> {
        let (mut command, data) = backend(&self.place, &self.programs, &self.folder);
        let (cert, key) = match &self.place {
            Place::Host => (self.folder.join("cert.pem"), self.folder.join("key.pem")),
            Place::Package(_) => {
                let secrets = Path::new("/").join(BACKEND_SECRETS);
                (secrets.join("tls.cert"), secrets.join("tls.key"))
            }
        };
        command.args(["serve", "--listen", &format!("127.0.0.1:{}", self.port), "--data", &data]);
        command.arg("--tls-cert").arg(cert).arg("--tls-key").arg(key);
        command.stderr(fs::OpenOptions::new().create(true).append(true).open(self.folder.join("backend.log"))?);
        let (process, line) = start(&mut command)?;
        self.port = port_in(&line)?;
        self.backend = Some(process);
        Ok(())
    }

    /// Holds the backend in the middle of whatever it does, or lets it go on.
    pub(crate) fn hold_backend(&self, hold: bool) -> Result<(), Failed> {
        let Some(backend) = &self.backend else { return Ok(()) };
        let signal = if hold { "-STOP" } else { "-CONT" };
        output(Command::new("kill").args([signal, &backend.child.id().to_string()])).map(drop)
    }

    /// Tells the terminal: `mode manual`, `approve`, …
    pub(crate) fn terminal(&self, line: &str) -> Result<(), Failed> {
        let mut command = Command::new(self.programs.join("kiosk-sim"));
        output(command.args(["say", "--control"]).arg(self.folder.join("terminal.ctl")).args(line.split(' '))).map(drop)
    }

    /// Everything that a kiosk has to be told: who it is, where backend and devices are, its secrets.
    pub(crate) fn configure_kiosk(&self, root: &Root, host: &str) -> Result<(), Failed> {
        let example = root.folder.join("usr/share/doc/cem-kiosk/examples/kiosk.toml");
        let kiosk = fs::read_to_string(&example).map_err(|error| Failed(format!("{}: {error}", example.display())))?;
        let kiosk = kiosk.replace("\"s-001\"", &format!("\"{STORE}\"")).replace("\"k-01\"", &format!("\"{DEVICE}\""));
        root.write("etc/cem/board.toml", &self.board(host))?;
        root.secret("var/lib/cem/kiosk/kiosk.toml", &kiosk)?;
        root.secret("var/lib/cem/kiosk/tenant.key", &format!("{}\n", self.tenant_key))?;
        root.output(&["chown", "cem-kiosk:cem", "/var/lib/cem/kiosk/kiosk.toml", "/var/lib/cem/kiosk/tenant.key"])?;
        root.write("usr/local/share/ca-certificates/cem-test.crt", &fs::read_to_string(self.folder.join("cert.pem"))?)
    }

    /// Has a code made for this device, as ops do.
    pub(crate) fn code(&self, words: &[&str]) -> Result<String, Failed> {
        let said = self.fleet(words)?;
        let code = said.lines().find_map(|line| line.strip_prefix("code "));
        code.map(|code| code.trim().to_owned()).ok_or_else(|| Failed(format!("fleet printed no code: {said}")))
    }

    /// Runs the operators' program.
    pub(crate) fn fleet(&self, words: &[&str]) -> Result<String, Failed> {
        let token = self.folder.join("ops.token");
        fs::write(&token, format!("{}\n", self.ops))?;
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600))?;
        let mut command = Command::new(self.programs.join("fleet"));
        command.args(["--backend", &format!("https://127.0.0.1:{}", self.port), "--store", STORE, "--token-file"]).arg(token);
        output(command.args(words).env("SSL_CERT_FILE", self.folder.join("cert.pem")))
    }

    /// Waits until the device has said that it did what it was told last; gives back that command's id.
    pub(crate) fn told(&self, what: &str, patience: Duration) -> Result<String, Failed> {
        let (until, wanted) = (Instant::now() + patience, format!("{what}  done"));
        loop {
            let told = self.fleet(&["told", DEVICE])?;
            if let Some((id, _)) = told.lines().find(|line| line.contains(&wanted)).and_then(|line| line.split_once(' ')) {
                return Ok(id.to_owned());
            }
            if Instant::now() > until {
                return Err(Failed(format!("within {} s the device did not do '{what}': {told}", patience.as_secs())));
            }
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// Leaves a code where the agent finds it: an install that nobody stands beside.
    pub(crate) fn leave_code(&self, root: &Root, host: &str, code: &str) -> Result<(), Failed> {
        let path = "var/lib/cem/agent/enrol.toml";
        root.secret(path, &format!("backend = \"https://{host}:{}\"\ncode = \"{code}\"\n", self.port))?;
        root.output(&["chown", "cem-agent:cem", &format!("/{path}")]).map(drop)
    }

    fn board(&self, host: &str) -> String {
        format!(
            "name = \"emulated\"\n\n[display]\nwidth_px = 720\nheight_px = 1280\ndpi = 210\n\n\
             [terminal]\nkind = \"zvt\"\naddress = \"{host}:{}\"\npassword = \"000000\"\nside = \"right\"\npatience_s = 60\n\n\
             [printer]\nkind = \"tcp\"\naddress = \"{host}:{}\"\ncolumns = 42\ncode_page = \"pc858\"\n",
            self.terminal, self.printer
        )
    }

    /// What has arrived.
    pub(crate) fn seen(&self) -> Result<Seen, Failed> {
        let summary = self.get(&format!("/v1/fleet/summary?source={SOURCE}"))?;
        let mut kinds = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.get(&format!("/v1/fleet/events?source={SOURCE}&limit=200{after}"))?;
            let found: Vec<String> = texts(&page, "\"type\":\"").into_iter().filter(|kind| kind.starts_with("cem.")).collect();
            if found.is_empty() {
                return Ok(Seen { summary, kinds });
            }
            kinds.extend(found);
            after = format!("&after={}", texts(&page, "\"next\":\"").pop().unwrap_or_default());
        }
    }

    fn get(&self, path: &str) -> Result<String, Failed> {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail", "--max-time", "20", "--cacert"]).arg(self.folder.join("cert.pem"));
        // On standard input: arguments can be read by everybody.
        command.args(["--config", "-"]).arg(format!("https://127.0.0.1:{}{path}", self.port));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut input) = child.stdin.take() {
            use std::io::Write as _;
            writeln!(input, "header = \"Authorization: Bearer {}\"", self.ops)?;
        }
        let output = child.wait_with_output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Failed(format!("GET {path}: {}", String::from_utf8_lossy(&output.stderr).trim())))
    }

    /// Waits until what has arrived is as wanted.
    pub(crate) fn wait_until(&self, what: &str, patience: Duration, wanted: impl Fn(&Seen) -> bool) -> Result<Seen, Failed> {
        let until = Instant::now() + patience;
        loop {
            let seen = self.seen()?;
            if wanted(&seen) {
                return Ok(seen);
            }
            if Instant::now() > until {
                return Err(Failed(format!(
                    "within {} s the backend did not have {what}; it has {:?}",
                    patience.as_secs(),
                    seen.kinds
                )));
            }
            thread::sleep(Duration::from_millis(500));
        }
    }
}

/// The backend's program, ready for its arguments, and where its data lies.
fn backend(place: &Place, programs: &Path, folder: &Path) -> (Command, String) {
    match place {
        Place::Host => (Command::new(programs.join("cem-backend")), folder.join("backend").display().to_string()),
        Place::Package(root) => {
            let mut command = root.inside_as("cem-backend", "cem-backend");
            command.arg("/usr/bin/cem-backend");
            (command, BACKEND_DATA.to_owned())
        }
    }
}

/// A certificate for the address under which machines see their host.
fn certificate(folder: &Path) -> Result<(), Failed> {
    output(
        Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=cem test", "-addext", "subjectAltName=IP:10.0.2.2,IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(folder.join("key.pem"))
            .arg("-out")
            .arg(folder.join("cert.pem")),
    )?;
    Ok(fs::set_permissions(folder.join("key.pem"), fs::Permissions::from_mode(0o600))?)
}

/// Starts a program and waits for its first line.
fn start(command: &mut Command) -> Result<(Process, String), Failed> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|error| Failed(format!("{name}: {error}")))?;
    let stdout = child.stdout.take();
    let process = Process { child };
    let mut line = String::new();
    let mut reader = BufReader::new(stdout.ok_or_else(|| Failed("no output".into()))?);
    if reader.read_line(&mut line)? == 0 {
        return Err(Failed(format!("{name} ended before it was ready")));
    }
    keep_reading(reader);
    Ok((process, line))
}

/// A program that nobody listens to must not be stopped by a full pipe.
fn keep_reading(mut reader: BufReader<ChildStdout>) {
    thread::spawn(move || {
        let _ = std::io::copy(&mut reader, &mut std::io::sink());
    });
}

fn output(command: &mut Command) -> Result<String, Failed> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| Failed(format!("cannot run {name}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(Failed(format!("{name} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())))
}

/// The port in `listening on https://127.0.0.1:8443` or `{"terminal":"127.0.0.1:20007"}`.
fn port_in(line: &str) -> Result<u16, Failed> {
    let after = line.split("127.0.0.1:").nth(1).unwrap_or_default();
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().map_err(|_| Failed(format!("no address in '{}'", line.trim())))
}

/// All texts that follow a key of JSON that has no spaces.
fn texts(json: &str, key: &str) -> Vec<String> {
    json.split(key).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}

fn random_hex() -> Result<String, Failed> {
    let mut bytes = [0; 32];
    std::io::Read::read_exact(&mut fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::{port_in, texts};

    #[test]
    fn answers_are_read() {
        assert_eq!(port_in("listening on https://127.0.0.1:8443\n").ok(), Some(8443));
        assert_eq!(port_in("{\"terminal\":\"127.0.0.1:20007\"}").ok(), Some(20007));
        assert!(port_in("nothing").is_err());
        assert_eq!(texts(r#"[{"type":"a.v1","x":1},{"type":"b.v1"}]"#, "\"type\":\""), ["a.v1", "b.v1"]);
    }
}
