//! `kill -9` of the real kiosk at every effect of a sale, then a restart: what the guest reads, what staff find, and what the
//! terminal has in its books must agree.
//!
//! The kiosk is the program that ships, told nothing about this. Its effects are seen from outside, where they leave it: the
//! datagram after each commit, and each message to and from terminal and printer, which pass through a relay. A kill before a
//! message means that it never arrives; a kill after it, that it does.

use crate::proc::{Running, program};
use anyhow::{Context as _, Result, bail, ensure};
use edge_db::{LogReader, OrderState};
use kiosk_sim::{Kind, Mode, PrinterSim, TerminalSim};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Longer than any scenario here.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the guest touches last before money moves: from here on effects are counted.
const PAYS: &str = "By card, phone or watch";

/// One effect of a sale, and on which side of it the kiosk is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    what: &'static str,
    number: usize,
    after: bool,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.what, self.number, if self.after { "after" } else { "before" })
    }
}

/// How a killed sale ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// From the start of the program to the words on the screen.
    pub within: Duration,
    /// The terminal has the payment in its books.
    pub booked: bool,
    /// The order is being made.
    pub sold: bool,
    /// A person has to look.
    pub left_to_staff: bool,
}

/// A kiosk's folder, its terminal and its printer.
pub struct Shop {
    folder: PathBuf,
    terminal: TerminalSim,
    trip: Arc<Trip>,
    _printer: PrinterSim,
}

impl Shop {
    /// With everything new. `content` is the folder of the shop.
    pub fn open(folder: &Path, content: &Path) -> Result<Self> {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let terminal = TerminalSim::start(free, Mode::Approve, Duration::ZERO)?;
        let printer = PrinterSim::start(free, &folder.join("receipts.bin"))?;
        let trip = Arc::new(Trip::default());
        let near_terminal = relay(terminal.address(), &trip, ["to-terminal", "from-terminal"])?;
        let near_printer = relay(printer.address(), &trip, ["to-printer", "from-printer"])?;
        let shop = Self { folder: folder.to_owned(), terminal, trip, _printer: printer };
        shop.write_config(content, near_terminal, near_printer)?;
        shop.watch_commits()?;
        Ok(shop)
    }

    fn write_config(&self, content: &Path, terminal: SocketAddr, printer: SocketAddr) -> Result<()> {
        let at = |name: &str| self.folder.join(name);
        fs::create_dir_all(at("logs"))?;
        fs::write(at("tenant.key"), format!("{}\n", "ab".repeat(32)))?;
        fs::set_permissions(at("tenant.key"), fs::Permissions::from_mode(0o600))?;
        // A terminal without keys that reverses quickly: its last receipt may settle a payment soon.
        let board = format!(
            "name = \"test\"\n[display]\nwidth_px = 720\nheight_px = 1280\ndpi = 210\n\n\
             [terminal]\nkind = \"zvt\"\naddress = \"{terminal}\"\npassword = \"000000\"\nside = \"right\"\npatience_s = 5\n\n\
             [terminal.own]\nby_hand = false\nhand_s = 1\nprocessing_s = 10\nreversal_s = 1\n\n\
             [printer]\nkind = \"tcp\"\naddress = \"{printer}\"\ncolumns = 42\ncode_page = \"pc858\"\n"
        );
        fs::write(at("board.toml"), board)?;
        let kiosk = format!(
            "store = \"s-001\"\ndevice = \"k-01\"\nrole = \"kiosk\"\ndata = \".\"\nboard = \"board.toml\"\ncontent = \"{}\"\n\n\
             [agent]\nask = \"agent.ask\"\nwake = \"agent.wake\"\nagent_db = \"agent.db\"\n\n\
             [cem]\ntenant_key_file = \"tenant.key\"\n",
            content.display()
        );
        fs::write(self.config(), kiosk)?;
        Ok(())
    }

    /// Has receipts signed by the device at this address; `on_outage` as in a board-config.
    pub fn sign_by(&self, device: SocketAddr, on_outage: &str) -> Result<()> {
        let board = self.folder.join("board.toml");
        let fiscal = format!("\n[fiscal]\nkind = \"tcp\"\naddress = \"{device}\"\nwait_s = 1\non_outage = \"{on_outage}\"\n");
        Ok(fs::write(&board, fs::read_to_string(&board)? + &fiscal)?)
    }

    /// A card number for each of the next payments.
    pub fn cards(&self, numbers: &[u64]) -> Result<()> {
        numbers
            .iter()
            .try_for_each(|number| self.terminal.obey(&format!("card {number}")).map_err(|why| anyhow::anyhow!("{why}")))
    }

    /// Card numbers in the terminal's own books.
    pub fn cards_taken(&self) -> Vec<u64> {
        self.terminal.books().iter().map(|transaction| transaction.card).collect()
    }

    /// What the kiosk has said to terminal and printer since this was made.
    pub fn captured(&self) -> Vec<u8> {
        self.trip.lock().said.clone()
    }

    /// The kiosk's own file.
    pub fn config(&self) -> PathBuf {
        self.folder.join("kiosk.toml")
    }

    /// Where the agent would be woken: one datagram after each commit.
    fn watch_commits(&self) -> Result<()> {
        let wake = UnixDatagram::bind(self.folder.join("agent.wake"))?;
        let trip = Arc::clone(&self.trip);
        thread::Builder::new().name("commits".into()).spawn(move || {
            while wake.recv(&mut [0; 8]).is_ok() {
                trip.passes("commit", true);
            }
        })?;
        Ok(())
    }

    /// Plays a sale; killed at `at`, or to its end. Gives back the points that it came by.
    pub fn sell(&self, at: Option<Point>) -> Result<Vec<Point>> {
        let taps = ["Touch to order", "Takeaway", "Add Shakshuka", "Review order", "Go to pay", PAYS];
        let mut scenario: String = taps.iter().map(|label| format!("[[step]]\ntap = \"{label}\"\nwithin_s = 60\n\n")).collect();
        scenario += "[[step]]\nwait_stage = \"done\"\nwithin_s = 60\n\n[[step]]\nexpect_text = \"Your number\"\nwithin_s = 60\n";
        let mut kiosk = self.start("sell", &scenario)?;
        self.trip.begin(&kiosk, at);
        while let Some(line) = kiosk.line(PATIENCE)? {
            if line.contains(PAYS) {
                self.trip.count();
            }
        }
        let (seen, dead) = self.trip.end();
        let status = kiosk.wait()?;
        ensure!(dead || status.success(), "the sale failed: {}", self.log());
        Ok(seen)
    }

    /// Starts the kiosk again and says what it tells, and whether that is so.
    pub fn start_again(&self, pictures: &str) -> Result<Told> {
        let (order, open) = self.on_disk()?;
        let expect = match (&order, open) {
            (None, _) => "Touch to order",
            (Some(_), true) => "order A-1",
            (Some(OrderState::Received), false) => "Your payment was received",
            (Some(other), false) => bail!("the order is {other:?} and no payment of it is open"),
        };
        let scenario = format!(
            "[[step]]\nexpect_text = \"{expect}\"\nwithin_s = 30\n\n[[step]]\nscreenshot = \"{pictures}-told\"\n\n\
             [[step]]\nexpect_no_text = \"We are checking\"\nwithin_s = 60\n\n[[step]]\nscreenshot = \"{pictures}-settled\"\n"
        );
        let began = Instant::now();
        let mut kiosk = self.start("after", &scenario)?;
        let told = kiosk.wait_for("the truth on the screen", PATIENCE, |line| line.contains("-told").then(|| began.elapsed()));
        while kiosk.line(PATIENCE)?.is_some() {}
        ensure!(kiosk.wait()?.success(), "{}", self.log());
        let within = told?;
        let booked = self.terminal.books().iter().filter(|t| t.kind == Kind::Sale && !t.reversed).count();
        ensure!(booked <= 1, "charged {booked} times");
        let (order, open) = self.on_disk()?;
        let told = Told { within, booked: booked == 1, sold: order == Some(OrderState::Received), left_to_staff: open };
        ensure!(told.booked || !told.sold, "goods without a payment");
        ensure!(!told.booked || told.sold || told.left_to_staff, "charged, and neither sold nor left to a person");
        ensure!(!(told.sold && told.left_to_staff), "sold, and still looked for");
        Ok(told)
    }

    /// The order's state, and whether a payment has no end.
    fn on_disk(&self) -> Result<(Option<OrderState>, bool)> {
        let reader = LogReader::open(self.folder.join("kiosk.db"))?.context("the kiosk has made its file")?;
        let orders = reader.newest_orders(4)?;
        ensure!(orders.len() <= 1, "one sale is one order");
        Ok((orders.first().map(|order| order.state), !reader.open_attempts()?.is_empty()))
    }

    fn start(&self, name: &str, scenario: &str) -> Result<Running> {
        let file = self.folder.join(format!("{name}.toml"));
        fs::write(&file, scenario)?;
        let mut command = program("kiosk-app")?;
        command.arg("--config").arg(self.config()).arg("--headless").arg("--scenario").arg(&file);
        command.arg("--screenshots").arg(self.folder.join("pictures")).env("KIOSK_RUN_DIR", &self.folder);
        fs::create_dir_all(self.folder.join("pictures"))?;
        Running::start("kiosk-app", command, &self.folder.join("logs"))
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.join("logs/kiosk-app.log")).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(12).collect();
        tail.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// Counts effects, and kills at one of them.
#[derive(Default)]
struct Trip(Mutex<TripState>);

#[derive(Default)]
struct TripState {
    pid: Option<Pid>,
    at: Option<Point>,
    counting: bool,
    dead: bool,
    numbers: BTreeMap<&'static str, usize>,
    /// What went from the kiosk to its devices.
    said: Vec<u8>,
    seen: Vec<Point>,
}

impl Trip {
    fn lock(&self) -> MutexGuard<'_, TripState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, kiosk: &Running, at: Option<Point>) {
        let pid = i32::try_from(kiosk.pid()).ok().and_then(Pid::from_raw);
        *self.lock() = TripState { pid, at, ..TripState::default() };
    }

    fn count(&self) {
        self.lock().counting = true;
    }

    fn end(&self) -> (Vec<Point>, bool) {
        let state = std::mem::take(&mut *self.lock());
        (state.seen, state.dead)
    }

    /// An effect is at this point. False: the kiosk is dead, and what it had not sent yet never comes.
    fn passes(&self, what: &'static str, after: bool) -> bool {
        let mut state = self.lock();
        if state.dead || !state.counting {
            return !state.dead;
        }
        let number = *state.numbers.entry(what).or_default();
        *state.numbers.entry(what).or_default() += usize::from(after);
        let point = Point { what, number, after };
        state.seen.push(point);
        if state.at == Some(point) {
            state.dead = true;
            state.pid.into_iter().for_each(|pid| kill_process(pid, Signal::KILL).unwrap_or_default());
        }
        !state.dead
    }
}

/// Stands between the kiosk and a device; gives back where the kiosk connects.
fn relay(device: SocketAddr, trip: &Arc<Trip>, [to, from]: [&'static str; 2]) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let trip = Arc::clone(trip);
    thread::Builder::new().name("relay".into()).spawn(move || {
        for kiosk in listener.incoming().flatten() {
            let Ok(device) = TcpStream::connect(device) else { continue };
            let both = (kiosk.try_clone(), device.try_clone());
            let (Ok(kiosk_2), Ok(device_2)) = both else { continue };
            let (there, back) = (Arc::clone(&trip), Arc::clone(&trip));
            thread::spawn(move || pump(kiosk, device, &there, to));
            thread::spawn(move || pump(device_2, kiosk_2, &back, from));
        }
    })?;
    Ok(address)
}

fn pump(mut from: TcpStream, mut to: TcpStream, trip: &Trip, what: &'static str) {
    let mut bytes = [0; 8192];
    while let Ok(n @ 1..) = from.read(&mut bytes) {
        if what.starts_with("to-") {
            trip.lock().said.extend_from_slice(&bytes[..n]);
        }
        if !trip.passes(what, false) || to.write_all(&bytes[..n]).is_err() || !trip.passes(what, true) {
            break;
        }
    }
    for stream in [from, to] {
        // Either end may be gone already.
        let _ = stream.shutdown(Shutdown::Both);
    }
}
