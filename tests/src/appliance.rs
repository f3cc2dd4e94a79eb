//! The whole appliance in one folder: backend, agent, simulated devices, and the configuration of the kiosk.

use crate::{
    control, http,
    ledger::Ledger,
    proc::{Running, output, program},
    wire::{self, Meter},
};
use anyhow::{Context, Result, bail};
use std::{
    fs,
    io::Read,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The shop, device and source of the demo.
pub const STORE: &str = "s-001";
/// The demo's kiosk.
pub const DEVICE: &str = "k-01";
/// What its events say they come from.
pub const SOURCE: &str = "/stores/s-001/devices/k-01";

/// Keys of guest cards in the backend's folder: one derives those of single cards, one reads what a card says.
const CARD_MASTER: &str = "card-master.1.key";
const PICC_KEY: &str = "picc-data.1.key";
/// The company's key that makes pseudonyms of cards: there from the start, so that guests and badges can be told of before
/// anybody taps.
const TENANT_KEY: &str = "tenant.1.key";

/// Who works in the demo's shop: number, name, role, and the card that is their badge.
const STAFF: [(&str, &str, &str, Option<&str>); 3] =
    [("1001", "Mia", "manager", Some("badge")), ("1002", "Ben", "staff", None), ("1003", "Sam", "service", None)];

/// Somebody of the demo's staff, as the backend gave them out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Employee {
    /// Staff number.
    pub number: &'static str,
    /// Name on the screen.
    pub name: &'static str,
    /// `manager`, `staff`, `service`.
    pub role: &'static str,
    /// The first PIN, to be replaced at its first use.
    pub pin: String,
}

const PATIENCE: Duration = Duration::from_secs(20);

/// What to start beside the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Backend, agent and simulated devices: what a kiosk needs.
    Everything,
    /// Backend and agent only: what the replay needs.
    Upload,
}

/// The running appliance. Dropped, all of it is killed.
pub struct Appliance {
    folder: PathBuf,
    backend: Arc<Mutex<Backend>>,
    agent: Option<Running>,
    devices: Option<Running>,
    ops_token: String,
    staff: Vec<Employee>,
    quit: Arc<AtomicBool>,
}

/// The backend can be stopped and started while the rest runs; it keeps its address.
struct Backend {
    folder: PathBuf,
    logs: PathBuf,
    address: SocketAddr,
    running: Option<Running>,
}

/// An agent that somebody looks on at waits less.
const EAGER: &str = "\n[visitors]\nrefresh_s = 2\n\n[retry]\ncap_ms = 2000\n";

impl Appliance {
    /// Starts everything in `folder`, which is emptied first: every demo begins on a fresh day.
    pub fn start(folder: &Path, parts: Parts) -> Result<Self> {
        fs::remove_dir_all(folder).ok();
        for part in ["backend", "agent", "kiosk", "run", "logs"] {
            fs::create_dir_all(folder.join(part)).with_context(|| folder.display().to_string())?;
        }
        let folder = folder.canonicalize()?;
        for (key, bytes) in [(CARD_MASTER, 16), (PICC_KEY, 16), (TENANT_KEY, 32)] {
            secret(&folder.join("backend").join(key), &random_hex(bytes)?)?;
        }
        let backend = Backend::start(&folder)?;
        let address = backend.address;
        let data = folder.join("backend").display().to_string();
        let ops_token = output("cem-backend", &["token", "--data", &data, "--scope", "ops", "--source", "/ops/demo"])?;
        secret(&folder.join("ops.token"), &ops_token)?;

        let mut appliance = Self {
            backend: Arc::new(Mutex::new(backend)),
            agent: None,
            devices: None,
            ops_token,
            staff: Vec::new(),
            folder: folder.clone(),
            quit: Arc::default(),
        };
        if parts == Parts::Everything {
            let upstream = appliance.start_devices(address)?;
            appliance.seed()?;
            appliance.write_kiosk_config()?;
            appliance.serve_control()?;
            appliance.enrol(upstream)?;
            appliance.start_agent()?;
            appliance.hire()?;
        } else {
            let device_token = output("cem-backend", &["token", "--data", &data, "--scope", "device", "--source", SOURCE])?;
            secret(&folder.join("agent/token"), &device_token)?;
            appliance.write_agent_config(address)?;
        }
        Ok(appliance)
    }

    /// Backend and agent with a wire between them that delays each direction by `one_way`.
    pub fn start_on_a_wire(folder: &Path, one_way: Duration) -> Result<(Self, Arc<Meter>)> {
        let appliance = Self::start(folder, Parts::Upload)?;
        let (near, meter) = wire::relay(appliance.backend_address(), one_way)?;
        appliance.write_agent_config(near)?;
        Ok((appliance, meter))
    }

    /// The folder of this appliance.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the control sockets are.
    pub fn run_folder(&self) -> PathBuf {
        self.folder.join("run")
    }

    /// The kiosk's configuration file.
    pub fn kiosk_config(&self) -> PathBuf {
        self.folder.join("kiosk/kiosk.toml")
    }

    /// The agent's configuration file.
    pub fn agent_config(&self) -> PathBuf {
        self.folder.join("agent/agent.toml")
    }

    /// The agent, which prints one line an event result.
    pub fn agent(&mut self) -> Result<&mut Running> {
        self.agent.as_mut().context("the agent is not running")
    }

    /// Where the backend listens.
    pub fn backend_address(&self) -> SocketAddr {
        self.backend.lock().unwrap_or_else(PoisonError::into_inner).address
    }

    /// Who works here. Nobody where only the upload runs.
    pub fn staff(&self) -> &[Employee] {
        &self.staff
    }

    /// Runs the operators' program.
    pub fn fleet(&self, arguments: &[&str]) -> Result<String> {
        let (backend, token) =
            (format!("http://{}", self.backend_address()), self.folder.join("ops.token").display().to_string());
        let mut all = vec!["--backend", &backend, "--token-file", &token, "--store", STORE];
        all.extend_from_slice(arguments);
        output("fleet", &all)
    }

    /// What the backend has stored of the kiosk.
    pub fn ledger(&self, tick: impl FnMut(usize)) -> Result<Ledger> {
        Ledger::read(self.backend_address(), &self.ops_token, SOURCE, tick)
    }

    /// GET as an operator.
    pub fn ops_get(&self, path: &str) -> Result<serde_json::Value> {
        http::get(self.backend_address(), path, &self.ops_token, &[])
    }

    /// Starts a kiosk with these arguments beside its configuration.
    pub fn kiosk(&self, arguments: &[&str]) -> Result<Running> {
        let mut command = program("kiosk-app")?;
        command.arg("--config").arg(self.kiosk_config()).args(arguments).current_dir(root());
        command.env("KIOSK_RUN_DIR", self.run_folder());
        Running::start("kiosk-app", command, &self.folder.join("logs"))
    }

    /// Stops the backend cleanly.
    pub fn stop_backend(&self) -> Result<()> {
        self.backend.lock().unwrap_or_else(PoisonError::into_inner).down()
    }

    /// Starts the backend again, at the address that it had.
    pub fn start_backend(&self) -> Result<()> {
        self.backend.lock().unwrap_or_else(PoisonError::into_inner).up()
    }

    /// Runs `sync-agent once`: an error unless nothing is left to send.
    pub fn send_all(&self) -> Result<()> {
        output("sync-agent", &["once", "--config", &self.agent_config().display().to_string()]).map(drop)
    }

    /// How many events are not acknowledged yet.
    pub fn unsent(&self) -> Result<u64> {
        let status = output("sync-agent", &["status", "--config", &self.agent_config().display().to_string(), "--json"])?;
        let status: serde_json::Value = serde_json::from_str(&status).context("status of the agent")?;
        status["depth"].as_u64().context("status has 'depth'")
    }

    /// Starts the agent anew as one that asks what it has to do every second.
    pub fn hurry_agent(&mut self) -> Result<()> {
        self.stop_agent()?;
        let text = fs::read_to_string(self.agent_config()).context("agent.toml")?;
        fs::write(self.agent_config(), format!("{text}\n[report]\nstatus_s = 1\n")).context("agent.toml")?;
        self.start_agent()
    }

    /// Starts the agent.
    pub fn start_agent(&mut self) -> Result<()> {
        let mut command = program("sync-agent")?;
        command.arg("run").arg("--config").arg(self.agent_config()).arg("--print-events");
        let mut agent = Running::start("sync-agent", command, &self.folder.join("logs"))?;
        agent.wait_for("the agent", PATIENCE, |line| (line == "running").then_some(()))?;
        self.agent = Some(agent);
        Ok(())
    }

    /// Kills the agent, as a crash would.
    pub fn kill_agent(&mut self) -> Result<()> {
        self.agent.take().map_or(Ok(()), |agent| agent.kill().map(drop))
    }

    /// Stops the agent cleanly; it drains what it can first.
    pub fn stop_agent(&mut self) -> Result<()> {
        self.agent.take().map_or(Ok(()), |agent| agent.stop(PATIENCE))
    }

    /// Stops everything cleanly.
    pub fn stop(mut self) -> Result<()> {
        self.stop_agent()?;
        if let Some(devices) = self.devices.take() {
            devices.stop(PATIENCE)?;
        }
        self.backend.lock().unwrap_or_else(PoisonError::into_inner).down()
    }

    /// Simulated devices and the relay that stands for the network; gives back where the agent has to connect.
    fn start_devices(&mut self, backend: SocketAddr) -> Result<SocketAddr> {
        let mut command = program("kiosk-sim")?;
        command.args(["all", "--run"]).arg(self.run_folder()).args(["--to", &backend.to_string()]);
        // The guests' cards were issued with the keys that the backend has.
        for (option, key) in [("--card-master-file", CARD_MASTER), ("--picc-key-file", PICC_KEY)] {
            command.arg(option).arg(self.folder.join("backend").join(key));
        }
        let mut devices = Running::start("kiosk-sim", command, &self.folder.join("logs"))?;
        let addresses =
            devices.wait_for("the simulated devices", PATIENCE, |line| serde_json::from_str::<serde_json::Value>(line).ok())?;
        self.devices = Some(devices);
        addresses["link"].as_str().context("kiosk-sim names its link")?.parse().context("address of the link")
    }

    /// Jane and Ivan become known to the backend. Their tokens depend on the shop's key, which is new in every demo.
    fn seed(&self) -> Result<()> {
        let template = fs::read_to_string(root().join("assets/demo/visitors.toml")).context("assets/demo/visitors.toml")?;
        let mut visitors: toml::Table = template.parse().context("assets/demo/visitors.toml")?;
        for visitor in visitors.get_mut("visitor").and_then(toml::Value::as_array_mut).into_iter().flatten() {
            let visitor = visitor.as_table_mut().context("a visitor is a table")?;
            let card = visitor.remove("card").context("a visitor of the demo has a card")?;
            let card = card.as_str().context("'card' is a text")?;
            let token = self.token_of(card)?;
            visitor.insert("tokens".into(), toml::Value::Array(vec![token.into()]));
        }
        let file = self.folder.join("backend/visitors.toml");
        fs::write(&file, visitors.to_string())?;
        let data = self.folder.join("backend").display().to_string();
        output("cem-backend", &["seed", "--data", &data, "--file", &file.display().to_string()]).map(drop)
    }

    /// What a card's pseudonym is under the shop's key.
    fn token_of(&self, card: &str) -> Result<String> {
        let key = self.folder.join("backend").join(TENANT_KEY).display().to_string();
        output("kiosk-sim", &["token", "--tenant-key-file", &key, "--card", card])
    }

    /// The device is enrolled as in a shop, by a code that is left in a file: its agent gets token, certificate and keys.
    fn enrol(&self, upstream: SocketAddr) -> Result<()> {
        let said = self.fleet(&["enrol", "--device", DEVICE, "--role", "kiosk"])?;
        let code = said.lines().find_map(|line| line.strip_prefix("code ")).context("fleet prints a code")?;
        secret(&self.folder.join("agent/enrol.toml"), &format!("backend = \"http://{upstream}\"\ncode = \"{}\"", code.trim()))?;
        let text = format!(
            "outbox = \"{0}/kiosk/kiosk.db\"\nstate = \"{0}/agent/agent.db\"\n\n\
             [enrol]\nfolder = \"{0}/agent/enrolment\"\nfile = \"{0}/agent/enrol.toml\"\nseal = \"file\"\n{1}",
            self.folder.display(),
            EAGER
        );
        fs::write(self.agent_config(), text).context("agent.toml")
    }

    /// The shop's people, made at the backend. Their first PINs also lie in `staff.toml` beside the control sockets, for
    /// scenarios.
    fn hire(&mut self) -> Result<()> {
        let mut pins = String::new();
        for (number, name, role, badge) in STAFF {
            let badge = badge.map(|card| self.token_of(card)).transpose()?;
            let mut arguments = vec!["staff", "add", number, "--name", name, "--role", role];
            if let Some(badge) = &badge {
                arguments.extend(["--badge", badge]);
            }
            let said = self.fleet(&arguments)?;
            let pin = said.split(" PIN is ").nth(1).and_then(|rest| rest.split(';').next()).context("fleet prints a PIN")?;
            pins += &format!("\"{number}\" = \"{pin}\"\n");
            self.staff.push(Employee { number, name, role, pin: pin.to_owned() });
        }
        secret(&self.run_folder().join("staff.toml"), pins.trim_end())
    }

    fn write_agent_config(&self, upstream: SocketAddr) -> Result<()> {
        let text = format!(
            "outbox = \"{0}/kiosk/kiosk.db\"\nstate = \"{0}/agent/agent.db\"\nsource = \"{SOURCE}\"\n\n\
             [backend]\nurl = \"http://{upstream}\"\ntoken_file = \"{0}/agent/token\"\n{1}",
            self.folder.display(),
            EAGER
        );
        fs::write(self.agent_config(), text).context("agent.toml")
    }

    fn write_kiosk_config(&self) -> Result<()> {
        // All keys come from the agent, as at every enrolled device.
        let text = format!(
            "store = \"{STORE}\"\ndevice = \"{DEVICE}\"\nrole = \"kiosk\"\ndata = \".\"\nboard = \"../run/board.toml\"\n\
             content = \"{content}\"\n\n\
             [agent]\nask = \"kiosk.db.ask\"\nwake = \"kiosk.db.wake\"\nagent_db = \"../agent/agent.db\"\n",
            content = root().join("assets/demo").display(),
        );
        fs::write(self.kiosk_config(), text).context("kiosk.toml")
    }

    /// True once somebody asked by `demo.ctl` for the end.
    pub fn told_to_quit(&self) -> bool {
        self.quit.load(Ordering::Relaxed)
    }

    /// `backend down`, `backend up` and `quit`, for the panel and for scenarios.
    fn serve_control(&self) -> Result<()> {
        let (backend, quit) = (Arc::clone(&self.backend), Arc::clone(&self.quit));
        control::serve(&self.run_folder().join("demo.ctl"), move |line| {
            let mut backend = backend.lock().unwrap_or_else(PoisonError::into_inner);
            match line {
                "backend down" => backend.down(),
                "backend up" => backend.up(),
                "quit" => {
                    quit.store(true, Ordering::Relaxed);
                    Ok(())
                }
                other => bail!("'{other}' is not known here; there are 'backend down', 'backend up' and 'quit'"),
            }
        })
    }
}

impl Backend {
    fn start(folder: &Path) -> Result<Self> {
        let mut backend = Self {
            folder: folder.join("backend"),
            logs: folder.join("logs"),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            running: None,
        };
        backend.up()?;
        Ok(backend)
    }

    fn up(&mut self) -> Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        let mut command = program("cem-backend")?;
        command.args(["serve", "--listen", &self.address.to_string(), "--data"]).arg(&self.folder);
        let mut running = Running::start("cem-backend", command, &self.logs)?;
        self.address =
            running.wait_for("the backend", PATIENCE, |line| line.strip_prefix("listening on http://")?.parse().ok())?;
        self.running = Some(running);
        Ok(())
    }

    fn down(&mut self) -> Result<()> {
        self.running.take().map_or(Ok(()), |running| running.stop(PATIENCE))
    }
}

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Writes a file that only its owner may read.
fn secret(path: &Path, text: &str) -> Result<()> {
    fs::write(path, format!("{text}\n")).with_context(|| path.display().to_string())?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

fn random_hex(bytes: usize) -> Result<String> {
    let mut random = vec![0; bytes];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
