//! The first day and the last: `fleet`, backend and agent as processes. A device is enrolled by a file and by its kiosk, its
//! staff comes and goes, it is locked, dies and is replaced, is copied, and retires.

use anyhow::{Context, Result, bail, ensure};
use cem_contract::{
    enrol::{EnrolRefusal, EnrolmentState, KEY_ROSTER, PURPOSE_TENANT, ScopedKey},
    staff::{StaffAction, StaffChange, StaffRole, StaffRoster},
    time,
};
use cem_tests::{
    drill::{When, visit_started},
    http,
    proc::{Running, output, program},
};
use edge_db::{
    Class, Commit, Limits, Outbox, OutboxOptions, is_locked,
    link::{Answer, Ask, AskClient, AskServer, AskService},
    staff_roster,
};
use std::{
    collections::BTreeSet,
    fs,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);
const SOURCE: &str = "/stores/s-001/devices/k-01";
const BUDGET: Duration = Duration::from_secs(5);

/// A backend, and ops with their program.
pub(crate) struct Office {
    pub(crate) folder: tempfile::TempDir,
    backend: Running,
    address: SocketAddr,
    token: String,
}

impl Office {
    pub(crate) fn open() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("backend").display().to_string();
        let token = output("cem-backend", &["token", "--data", &data, "--scope", "ops"])?;
        let file = folder.path().join("ops.token");
        fs::write(&file, &token)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        let mut command = program("cem-backend")?;
        command.args(["serve", "--data", &data]);
        let mut backend = Running::start("cem-backend", command, folder.path())?;
        let address =
            backend.wait_for("the backend", PATIENCE, |line| line.strip_prefix("listening on http://")?.parse().ok())?;
        Ok(Self { folder, backend, address, token })
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn fleet(&self, arguments: &[&str]) -> Result<String> {
        let token_file = self.folder.path().join("ops.token").display().to_string();
        let url = self.url();
        let mut all = vec!["--backend", url.as_str(), "--token-file", token_file.as_str(), "--store", "s-001"];
        all.extend_from_slice(arguments);
        output("fleet", &all)
    }

    /// A code that a `fleet` command printed.
    fn code(&self, arguments: &[&str]) -> Result<String> {
        let printed = self.fleet(arguments)?;
        ensure!(printed.contains('█') || printed.contains('▀'), "the code is shown as QR too: {printed}");
        let code = printed.lines().find_map(|line| line.strip_prefix("code     "));
        Ok(code.with_context(|| printed.clone())?.to_owned())
    }

    pub(crate) fn new_code(&self) -> Result<String> {
        self.code(&["enrol", "--device", "k-01", "--role", "kiosk"])
    }

    fn get(&self, path: &str) -> Result<serde_json::Value> {
        http::get(self.address, path, &self.token, &[])
    }

    fn state(&self) -> Result<String> {
        let listed = self.get("/v1/fleet/devices")?;
        Ok(listed["items"][0]["enrolment"]["state"].as_str().unwrap_or("-").to_owned())
    }

    /// Ids of the events that arrived, with their logs.
    fn arrived(&self) -> Result<Vec<(String, String, serde_json::Value)>> {
        let page = self.get("/v1/fleet/events?limit=500")?;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let events = page["items"].as_array().context("a list")?.iter().map(|item| &item["event"]);
        Ok(events.map(|event| (text(&event["id"]), text(&event["log"]), event["data"].clone())).collect())
    }

    /// The backend is gone; the folders stay.
    pub(crate) fn go_away(self) -> Result<tempfile::TempDir> {
        self.backend.stop(PATIENCE)?;
        Ok(self.folder)
    }

    fn close(self) -> Result<()> {
        self.backend.stop(PATIENCE)
    }
}

/// A device's folders, with its agent.
pub(crate) struct Device {
    pub(crate) folder: PathBuf,
}

impl Device {
    pub(crate) fn new(office: &Office, name: &str) -> Result<Self> {
        let folder = office.folder.path().join(name);
        fs::create_dir_all(&folder)?;
        let text = format!(
            "outbox = \"kiosk.db\"\nstate = \"agent.db\"\n[enrol]\nfolder = \"enrolment\"\nfile = \"enrol.toml\"\nseal = \"file\"\n\
             [backend]\nurl = \"{}\"\n[report]\nstatus_s = 1\nclock_s = 0\n[retry]\nbase_ms = 5\ncap_ms = 100\nbudget = 10000\nspread_s = 0\n",
            office.url()
        );
        fs::write(folder.join("agent.toml"), text)?;
        Ok(Self { folder })
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn agent(&self) -> Result<Running> {
        let mut command = program("sync-agent")?;
        command.args(["run", "--print-events", "--config"]).arg(self.at("agent.toml"));
        Running::start("sync-agent", command, &self.folder)
    }

    /// The agent of an enrolled device.
    pub(crate) fn running(&self) -> Result<Running> {
        let mut agent = self.agent()?;
        agent.wait_for("the agent", PATIENCE, |line| (line == "running").then_some(()))?;
        Ok(agent)
    }

    /// By the command for machines without a screen.
    pub(crate) fn enrolled(&self, code: &str) -> Result<()> {
        use std::{io::Write, process::Stdio};
        let mut command = program("sync-agent")?;
        command.args(["enrol", "--config"]).arg(self.at("agent.toml")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        child.stdin.take().context("a pipe")?.write_all(format!("{code}\n").as_bytes())?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success() && said.starts_with("enrolled as /stores/s-001/devices/k-01, till 1"), "{said}");
        Ok(())
    }

    pub(crate) fn ask(&self, ask: &Ask) -> Result<Answer> {
        let mut client = AskClient::new(self.at("kiosk.db.ask"));
        until("an answer over the link", || Ok(client.ask(ask, BUDGET).ok()))
    }
}

/// What a kiosk does of all this: it records, and obeys.
struct Kiosk {
    outbox: Arc<Mutex<Option<Outbox>>>,
    told: Arc<Mutex<Vec<String>>>,
    _answers: AskService,
}

impl Kiosk {
    fn open(device: &Device) -> Result<Self> {
        let path = device.at("kiosk.db");
        let mut options = OutboxOptions::new(&path, SOURCE);
        options.limits = Limits::small();
        let outbox = Arc::new(Mutex::new(Some(Outbox::open(options)?)));
        let told = Arc::new(Mutex::new(Vec::new()));
        let (held, heard) = (Arc::clone(&outbox), Arc::clone(&told));
        let answers = AskServer::bind(device.at("kiosk.db.kiosk"), &[])?.serve(move |ask| {
            heard.lock().unwrap().push(format!("{ask:?}"));
            match ask {
                Ask::Lock { .. } | Ask::Identify | Ask::StopSelling => Answer::Done,
                Ask::Screenshot { path } => fs::write(path, b"PNG").map_or(Answer::Unavailable, |()| Answer::Done),
                Ask::Wipe => {
                    drop(held.lock().unwrap().take());
                    fs::remove_file(&path).map_or(Answer::Unavailable, |()| Answer::Done)
                }
                _ => Answer::Unavailable,
            }
        })?;
        Ok(Self { outbox, told, _answers: answers })
    }

    fn record(&self, count: usize) -> Result<BTreeSet<String>> {
        let outbox = self.outbox.lock().unwrap();
        let outbox = outbox.as_ref().context("the file is open")?;
        let events: Vec<_> = std::iter::repeat_with(|| visit_started(When::now())).take(count).collect();
        let ids = events.iter().map(|event| event.id.to_string()).collect();
        outbox.commit(Commit::events(Class::Sale, events))?;
        Ok(ids)
    }

    fn log(&self) -> Result<String> {
        Ok(self.outbox.lock().unwrap().as_ref().context("the file is open")?.log()?.log.to_string())
    }

    fn was_told(&self, what: &str) -> Result<()> {
        until(what, || Ok(self.told.lock().unwrap().iter().any(|told| told.starts_with(what)).then_some(())))
    }
}

/// Looks again and again, for as long as anybody would wait.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(found) = look()? {
            return Ok(found);
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    bail!("{what} did not come within {PATIENCE:?}")
}

fn roster(device: &Device) -> Result<Option<StaffRoster>> {
    roster_at(&device.folder).map(|held| held.map(|(roster, _)| roster))
}

/// The staff list that an agent in this folder holds, and how many edits of it are not at the backend yet.
pub(crate) fn roster_at(agent: &Path) -> Result<Option<(StaffRoster, usize)>> {
    let Some(stored) = staff_roster(&agent.join("agent.db"))? else { return Ok(None) };
    let enrolment: cem_contract::enrol::Enrolment = serde_json::from_slice(&fs::read(agent.join("enrolment/enrolment.json"))?)?;
    let keys = enrolment.trust_root.keys_for(KEY_ROSTER);
    let mut roster = StaffRoster::verify(&serde_json::from_slice(&stored.envelope)?, &keys, "s-001")?.into_inner();
    roster.apply(&stored.pending);
    Ok(Some((roster, stored.pending.len())))
}

#[test]
fn a_device_is_enrolled_by_a_file_that_nobody_stands_beside() -> Result<()> {
    let office = Office::open()?;
    let device = Device::new(&office, "k-01")?;
    fs::write(device.at("enrol.toml"), format!("code = \"{}\"\n[network]\nwifi = \"shop\"\n", office.new_code()?))?;
    let mut agent = device.running()?;
    assert!(!device.at("enrol.toml").exists(), "a code is good once");
    let kiosk = Kiosk::open(&device)?;
    let recorded = kiosk.record(3)?;
    for _ in &recorded {
        agent.wait_for("an event", PATIENCE, |line| line.starts_with("accepted ").then_some(()))?;
    }
    let devices = until("a report", || {
        let devices = office.fleet(&["devices"])?;
        Ok(devices.contains("0.1.0").then_some(devices))
    })?;
    assert!(devices.contains("s-001/k-01") && devices.contains("active") && devices.contains("1 A"), "{devices}");
    agent.stop(PATIENCE)?;
    // What it was given survives the restart, and is nobody else's to read.
    device.running()?.stop(PATIENCE)?;
    assert_eq!(fs::metadata(device.at("enrolment/token"))?.permissions().mode() & 0o777, 0o600);
    office.close()
}

/// A shop's proxy: whatever is asked for by its whole address goes to the backend. Counts what came.
fn shops_proxy(backend: SocketAddr) -> Result<(String, Arc<AtomicUsize>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, count) = (format!("http://{}", listener.local_addr()?), Arc::<AtomicUsize>::default());
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(backend) else { continue };
            counted.fetch_add(1, Ordering::Relaxed);
            for (mut from, mut to) in [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))]
                .into_iter()
                .filter_map(|(from, to)| Some((from.ok()?, to.ok()?)))
            {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    Ok((address, count))
}

#[test]
fn a_device_behind_a_shops_proxy_is_enrolled_and_uploads_through_it_and_by_no_other_way() -> Result<()> {
    let office = Office::open()?;
    let device = Device::new(&office, "k-01")?;
    let (proxy, count) = shops_proxy(office.address)?;
    // Nobody listens there: only the proxy knows the way.
    let nowhere = "http://127.0.0.1:9";
    fs::write(device.at("agent.toml"), fs::read_to_string(device.at("agent.toml"))?.replace(&office.url(), nowhere))?;
    let mut agent = device.agent()?;
    let ask = Ask::Enrol { code: office.new_code()?, backend: Some(nowhere.into()), proxy: Some(proxy) };
    device.ask(&ask)?;
    agent.wait_for("the agent", PATIENCE, |line| (line == "running").then_some(()))?;
    assert!(count.load(Ordering::Relaxed) > 0, "it came by the proxy");
    let kiosk = Kiosk::open(&device)?;
    let recorded = kiosk.record(5)?;
    until("the events", || {
        let arrived: BTreeSet<String> = office.arrived()?.into_iter().map(|(id, ..)| id).collect();
        Ok(recorded.is_subset(&arrived).then_some(()))
    })?;
    agent.stop(PATIENCE)?;
    office.close()
}

#[test]
fn the_kiosks_assistant_enrols_and_the_staff_comes_and_goes() -> Result<()> {
    let office = Office::open()?;
    let device = Device::new(&office, "k-01")?;
    let mut agent = device.agent()?;
    let state = |answer: Answer| match answer {
        Answer::Enrolment { state } => Ok(state),
        other => bail!("{other:?}"),
    };
    assert_eq!(state(device.ask(&Ask::Enrolment)?)?, EnrolmentState::NotEnrolled);
    let settled = |code: &str| -> Result<EnrolmentState> {
        device.ask(&Ask::Enrol { code: code.to_owned(), backend: None, proxy: None })?;
        until("the end of the enrolment", || {
            let now = state(device.ask(&Ask::Enrolment)?)?;
            Ok((!matches!(now, EnrolmentState::Working { .. })).then_some(now))
        })
    };
    let refused = settled("0000-0000-0000")?;
    assert!(matches!(refused, EnrolmentState::Refused { reason: EnrolRefusal::Wrong, .. }), "{refused:?}");
    let EnrolmentState::Enrolled { enrolment } = settled(&office.new_code()?)? else { bail!("not enrolled") };
    assert_eq!((enrolment.config.source.as_str(), enrolment.config.till), (SOURCE, 1));
    agent.wait_for("the agent", PATIENCE, |line| (line == "running").then_some(()))?;
    let Answer::Keys { keys } = device.ask(&Ask::Keys)? else { bail!("no keys") };
    assert_eq!(ScopedKey::newest(&keys, PURPOSE_TENANT).map(|key| key.version), Some(1));

    let said = office.fleet(&["staff", "add", "st-1", "--name", "Ada", "--role", "manager"])?;
    assert!(said.contains("st-1's PIN is "), "{said}");
    office.fleet(&["staff", "add", "st-2", "--name", "Grace"])?;
    let both = |roster: &StaffRoster| roster.members.len() == 2 && roster.members.iter().all(|member| member.pin.is_some());
    until("both of the staff", || Ok(roster(&device)?.filter(both)))?;
    let Answer::Assertion { .. } = device.ask(&Ask::Assert { staff: "st-1".into() })? else { bail!("no assertion") };
    assert!(matches!(device.ask(&Ask::Assert { staff: "st-9".into() })?, Answer::Refused { .. }));

    // A manager's edit at the counter, and a leaver.
    let (at, action) = (time::rfc3339(When::now().time_ms), StaffAction::Role { role: StaffRole::Service });
    let change = StaffChange { id: uuid::Uuid::now_v7(), at, by: "st-1".into(), staff: "st-2".into(), action };
    assert_eq!(device.ask(&Ask::ChangeStaff { change: Box::new(change) })?, Answer::Done);
    until("the manager's edit at the backend", || {
        Ok(office
            .fleet(&["staff", "list"])?
            .lines()
            .any(|line| line.starts_with("st-2") && line.contains("service"))
            .then_some(()))
    })?;
    let begun = Instant::now();
    office.fleet(&["staff", "end", "st-2"])?;
    until("the leaver's end", || {
        Ok(matches!(device.ask(&Ask::Assert { staff: "st-2".into() })?, Answer::Refused { .. }).then_some(()))
    })?;
    println!("a leaver was out after {} ms", begun.elapsed().as_millis());
    assert!(begun.elapsed() < Duration::from_secs(60));
    agent.stop(PATIENCE)?;
    // A day without the backend, and nobody signs in: the entries say so themselves.
    let held = roster(&device)?.context("a roster")?;
    assert!(held.by_id("st-1", When::now().time_ms + 24 * 60 * 60 * 1_000).is_err());
    office.close()
}

#[test]
fn a_locked_device_is_out_within_moments_and_others_get_a_new_key() -> Result<()> {
    let office = Office::open()?;
    let device = Device::new(&office, "k-01")?;
    device.enrolled(&office.new_code()?)?;
    let kiosk = Kiosk::open(&device)?;
    let agent = device.running()?;
    let agent_db = device.at("agent.db");
    office.fleet(&["lock", "k-01"])?;
    kiosk.was_told("Lock { locked: true }")?;
    assert!(is_locked(&agent_db)?);
    let recorded = kiosk.record(5)?;
    office.fleet(&["unlock", "k-01"])?;
    kiosk.was_told("Lock { locked: false }")?;
    assert!(!is_locked(&agent_db)?);
    until("what was recorded meanwhile", || {
        let arrived: BTreeSet<String> = office.arrived()?.into_iter().map(|(id, ..)| id).collect();
        Ok(recorded.is_subset(&arrived).then_some(()))
    })?;
    until("the new key", || match device.ask(&Ask::Keys)? {
        Answer::Keys { keys } => Ok(ScopedKey::newest(&keys, PURPOSE_TENANT).filter(|key| key.version == 2).map(drop)),
        other => bail!("{other:?}"),
    })?;
    office.fleet(&["tell", "k-01", "screenshot"])?;
    until("the picture", || Ok(office.fleet(&["told", "k-01"])?.contains("screenshot  done").then_some(())))?;
    agent.stop(PATIENCE)?;
    office.close()
}

#[test]
fn a_dead_device_is_replaced_and_what_it_had_not_sent_is_read_off_its_card() -> Result<()> {
    let office = Office::open()?;
    let dead = Device::new(&office, "dead")?;
    dead.enrolled(&office.new_code()?)?;
    let kiosk = Kiosk::open(&dead)?;
    let mut agent = dead.running()?;
    let mut recorded = kiosk.record(10)?;
    for _ in &recorded {
        agent.wait_for("an event", PATIENCE, |line| line.starts_with("accepted ").then_some(()))?;
    }
    agent.kill()?;
    recorded.extend(kiosk.record(25)?);
    let old_log = kiosk.log()?;
    drop(kiosk);

    let begun = Instant::now();
    let code = office.code(&["replace", "k-01"])?;
    let new = Device::new(&office, "new")?;
    new.enrolled(&code)?;
    let kiosk = Kiosk::open(&new)?;
    let agent = new.running()?;
    recorded.extend(kiosk.record(5)?);
    assert_ne!(kiosk.log()?, old_log);
    let (config, card) = (new.at("agent.toml").display().to_string(), dead.folder.display().to_string());
    let said = output("sync-agent", &["recover", "--config", &config, "--from", &card])?;
    assert!(said.contains("25 events had not been sent") && said.contains("not needed any more"), "{said}");
    println!("replaced and recovered after {} ms", begun.elapsed().as_millis());
    let arrived = until("all events", || {
        let arrived = office.arrived()?;
        let ids: BTreeSet<String> = arrived.iter().map(|(id, ..)| id.clone()).collect();
        Ok(recorded.is_subset(&ids).then_some(arrived))
    })?;
    let visits: Vec<_> = arrived.iter().filter(|(id, ..)| recorded.contains(id)).collect();
    assert_eq!(visits.len(), recorded.len(), "each once");
    assert_eq!(visits.iter().filter(|(_, log, _)| *log == old_log).count(), 35, "under the numbers they were given");
    assert!(fs::read_dir(&new.folder)?.flatten().all(|entry| !entry.file_name().to_string_lossy().starts_with("recover-")));

    // Switched on again, the dead one is turned away and locks itself.
    let ghost = dead.running()?;
    until("the lock", || Ok(is_locked(&dead.at("agent.db"))?.then_some(())))?;
    ghost.stop(PATIENCE)?;
    agent.stop(PATIENCE)?;
    office.close()
}

#[test]
fn a_retired_device_sends_everything_and_then_knows_nothing() -> Result<()> {
    let office = Office::open()?;
    let device = Device::new(&office, "k-01")?;
    device.enrolled(&office.new_code()?)?;
    let kiosk = Kiosk::open(&device)?;
    let recorded = kiosk.record(50)?;
    let mut agent = device.running()?;
    office.fleet(&["retire", "k-01"])?;
    let status = agent.wait()?;
    assert!(status.success(), "{status}");
    kiosk.was_told("Wipe")?;
    assert_eq!(office.state()?, "retired");
    let arrived: BTreeSet<String> = office.arrived()?.into_iter().map(|(id, ..)| id).collect();
    assert!(recorded.is_subset(&arrived), "nothing was lost");
    let left: Vec<String> =
        fs::read_dir(&device.folder)?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(left.iter().all(|name| !name.starts_with("agent.db") && !name.starts_with("kiosk.db-")), "{left:?}");
    let kept: Vec<_> = fs::read_dir(device.at("enrolment"))?.flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(kept, ["retired"]);
    // It may become a new device.
    drop(kiosk);
    let agent = device.agent()?;
    assert_eq!(device.ask(&Ask::Enrolment)?, Answer::Enrolment { state: EnrolmentState::Retired });
    agent.stop(PATIENCE)?;
    device.enrolled(&office.new_code()?)?;
    office.close()
}

#[test]
fn a_copied_disk_is_noticed_and_loses_nothing() -> Result<()> {
    let office = Office::open()?;
    let device = Device::new(&office, "k-01")?;
    device.enrolled(&office.new_code()?)?;
    let file = device.at("enrolment/enrolment.json");
    let mut enrolment: cem_contract::enrol::Enrolment = serde_json::from_slice(&fs::read(&file)?)?;
    enrolment.machine.id = "another-machine".into();
    enrolment.machine.disk = "another-disk".into();
    fs::write(&file, serde_json::to_vec(&enrolment)?)?;
    let kiosk = Kiosk::open(&device)?;
    let agent = device.running()?;
    let recorded = kiosk.record(5)?;
    until("the alarm and the events", || {
        let arrived = office.arrived()?;
        let is_told = arrived.iter().any(|(.., data)| data["alarm"] == "copied");
        let ids: BTreeSet<String> = arrived.into_iter().map(|(id, ..)| id).collect();
        Ok((is_told && recorded.is_subset(&ids)).then_some(()))
    })?;
    agent.stop(PATIENCE)?;
    office.close()
}
