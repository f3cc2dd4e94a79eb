//! A guest's card from blank to lost: made by staff at the reader, known at the next tap, blocked, replaced; and what each tap
//! proves, told by `kiosk-app nfc watch`. Backend, agent, kiosk and the reader's process are the real ones.

use crate::enrol::{Device, Office, until};
use anyhow::{Context, Result, bail, ensure};
use cem_contract::{
    enrol::{Enrolment, KEY_PROFILES, KEY_ROSTER, PURPOSE_PICC_DATA, PURPOSE_PIN_PEPPER, PURPOSE_TENANT, ScopedKey},
    pin,
    staff::{StaffAction, StaffChange},
    time,
};
use cem_tests::proc::{Running, output, program};
use edge_db::link::{Answer, Ask};
use kiosk_sim::{AllSims, Mode, Plan, nfc::Keys};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);
const STAFF: &str = "1001";
const PIN: &str = "907152";
const JANE: &str = "v_00000000000000000000000000000001";

/// A shop with one enrolled device on simulated hardware, where Mia works and Jane is known.
struct Shop {
    office: Option<Office>,
    device: Device,
    _agent: Running,
    sims: AllSims,
    config: PathBuf,
}

impl Shop {
    fn open() -> Result<Self> {
        let office = Office::open()?;
        let device = Device::new(&office, "k-01")?;
        device.enrolled(&office.new_code()?)?;
        let agent = device.running()?;
        office.fleet(&["staff", "add", STAFF, "--name", "Mia"])?;
        let run = device.at("run");
        fs::create_dir_all(&run)?;
        let plan = Plan { run, to: None, board: None, cards: Keys::KNOWN, mode: Mode::Approve, delay: Duration::from_millis(1) };
        let sims = AllSims::start(&plan)?;
        let config = configure(&device, &sims)?;
        let jane = office.folder.path().join("jane.toml");
        let text = format!(
            "[[visitor]]\nvisitor = \"{JANE}\"\nstores = [\"s-001\"]\ntokens = []\ndisplay_name = \"Jane\"\nconsent = \"personal\"\npoints = 412\n"
        );
        fs::write(&jane, text)?;
        let data = office.folder.path().join("backend").display().to_string();
        output("cem-backend", &["seed", "--data", &data, "--file", &jane.display().to_string()])?;
        Ok(Self { office: Some(office), device, _agent: agent, sims, config })
    }

    /// `kiosk-app nfc issue`, with this PIN typed.
    fn issue(&self, pin: &str, more: &[&str]) -> Result<Running> {
        let mut command = program("kiosk-app")?;
        command.args(["nfc", "issue", "--staff", STAFF, "--config"]).arg(&self.config).args(more);
        Running::start_and_type("nfc-issue", command, &self.device.folder, &format!("{pin}\n"))
    }

    fn watch(&self) -> Result<Running> {
        let mut command = program("kiosk-app")?;
        command.args(["nfc", "watch", "--config"]).arg(&self.config);
        Running::start("nfc-watch", command, &self.device.folder)
    }

    fn reader(&self, line: &str) -> Result<()> {
        self.sims.reader.obey(line).map_err(anyhow::Error::msg)
    }

    /// Lays a card on and takes it away once it was read.
    fn tap(&self, watch: &mut Running, card: &str) -> Result<Value> {
        self.reader(&format!("place {card}"))?;
        let line = watch.wait_for(card, PATIENCE, |line| serde_json::from_str::<Value>(line).ok())?;
        self.reader("remove")?;
        ensure!(gone(&self.sims), "the card was missed");
        Ok(line)
    }
}

/// The reader has looked and found nothing: the card that lay there counts as gone.
fn gone(sims: &AllSims) -> bool {
    let empty = sims.reader.stats().empty;
    sims.reader.wait_for(PATIENCE, |stats| stats.empty > empty + 3)
}

/// What became of the card that was laid on.
fn told(issue: &mut Running) -> Result<Value> {
    issue.wait_for("a card", PATIENCE, |line| serde_json::from_str::<Value>(line).ok())
}

fn secret(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
}

/// The kiosk's own file, with what the device was given when it was enrolled; and Mia's own PIN.
fn configure(device: &Device, sims: &AllSims) -> Result<PathBuf> {
    let Answer::Keys { keys } = device.ask(&Ask::Keys)? else { bail!("no keys") };
    let newest = |purpose: &str| ScopedKey::newest(&keys, purpose).context("a key");
    secret(&device.at("tenant.key"), &newest(PURPOSE_TENANT)?.key)?;
    secret(&device.at("picc.key"), &newest(PURPOSE_PICC_DATA)?.key)?;
    let hash = pin::hash(PIN, &[7; 16], &newest(PURPOSE_PIN_PEPPER)?.bytes().context("hex")?)?;
    let change = StaffChange {
        id: uuid::Uuid::now_v7(),
        at: time::rfc3339(now_ms()?),
        by: STAFF.into(),
        staff: STAFF.into(),
        action: StaffAction::Pin { pin: hash, must_reset: false },
    };
    until("Mia on the staff list", || {
        Ok((device.ask(&Ask::ChangeStaff { change: Box::new(change.clone()) })? == Answer::Done).then_some(()))
    })?;
    let enrolment: Enrolment = serde_json::from_slice(&fs::read(device.at("enrolment/enrolment.json"))?)?;
    let trusted = enrolment
        .trust_root
        .keys
        .iter()
        .filter(|key| [KEY_PROFILES, KEY_ROSTER].iter().any(|word| key.uses.iter().any(|own| own == word)));
    let trusted: Vec<String> = trusted.map(|key| format!("{{ id = \"{}\", public = \"{}\" }}", key.id, key.public)).collect();
    let text = format!(
        "store = \"s-001\"\ndevice = \"k-01\"\nrole = \"kiosk\"\ndata = \".\"\nboard = \"{}\"\ncontent = \"shop\"\n\
         [cem]\ntenant_key_file = \"tenant.key\"\nprofile_keys = [{}]\n\
         [cards]\npicc_key_file = \"picc.key\"\naddress = \"cem.example/t\"\n\
         [agent]\nask = \"kiosk.db.ask\"\nwake = \"kiosk.db.wake\"\nagent_db = \"agent.db\"\n",
        sims.board_config().display(),
        trusted.join(", "),
    );
    let config = device.at("kiosk.toml");
    fs::write(&config, text)?;
    Ok(config)
}

fn now_ms() -> Result<i64> {
    Ok(i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())?)
}

#[test]
fn cards_are_made_known_blocked_and_replaced() -> Result<()> {
    let mut shop = Shop::open()?;

    // A wrong PIN makes nothing.
    assert!(!shop.issue("135790", &[])?.wait()?.success(), "somebody else's PIN");

    // A batch of two; the first is taken away in the middle, and gone on with.
    let mut issue = shop.issue(PIN, &["--count", "2"])?;
    shop.reader("place blank")?;
    shop.reader("remove after 12")?;
    assert_eq!(told(&mut issue)?["step"], "taken_away");
    assert!(gone(&shop.sims));
    for (card, made) in [("blank", 1), ("blank-2", 2)] {
        shop.reader(&format!("place {card}"))?;
        let line = told(&mut issue)?;
        assert_eq!((&line["step"], &line["made"], &line["of"]), (&"made".into(), &made.into(), &2.into()), "{line}");
        shop.reader("remove")?;
        // After the last one nobody looks any more.
        assert!(made == 2 || gone(&shop.sims));
    }
    assert!(issue.wait()?.success(), "it ends with the last one");

    // One for Jane, who is known by it from then on.
    let mut issue = shop.issue(PIN, &["--visitor", JANE])?;
    shop.reader("place blank")?;
    assert_eq!(told(&mut issue)?["step"], "made", "a card of the batch is bound as it is");
    shop.reader("remove")?;
    assert!(issue.wait()?.success());
    let mut watch = shop.watch()?;
    let first = shop.tap(&mut watch, "blank")?;
    assert_eq!(
        (&first["method"], &first["assurance"], &first["refused"]),
        (&"ntag424".into(), &"high".into(), &Value::Null),
        "{first}"
    );
    assert_eq!(first["uid_len"], 7);
    let second = shop.tap(&mut watch, "blank")?;
    assert!(second["counter"].as_u64() > first["counter"].as_u64() && second["token"] == first["token"], "{second}");
    // Nobody is known by the other; a telephone and a bank card are told apart.
    assert_eq!(shop.tap(&mut watch, "blank-2")?["assurance"], "low", "its key is not here, and the backend knows no holder");
    assert_eq!(shop.tap(&mut watch, "phone")?["refused"], "random");
    let bank = shop.tap(&mut watch, "bank")?;
    assert_eq!((&bank["refused"], &bank["token"], &bank["uid_len"]), (&"bank_card".into(), &Value::Null, &Value::Null));
    watch.stop(PATIENCE)?;

    // It is lost, and replaced by another.
    let mut issue = shop.issue(PIN, &["--visitor", JANE, "--replaces"])?;
    shop.reader("place blank-3")?;
    let line = told(&mut issue)?;
    assert_eq!((&line["step"], &line["blocked"]), (&"made".into(), &1.into()), "{line}");
    let reported = Instant::now();
    shop.reader("remove")?;
    assert!(issue.wait()?.success());
    let mut watch = shop.watch()?;
    until("the lost card is refused", || Ok((shop.tap(&mut watch, "blank")?["refused"] == "blocked").then_some(())))?;
    assert!(reported.elapsed() < Duration::from_secs(60), "{:?}", reported.elapsed());
    let new = shop.tap(&mut watch, "blank-3")?;
    assert_eq!((&new["assurance"], &new["refused"]), (&"high".into(), &Value::Null), "{new}");
    watch.stop(PATIENCE)?;

    // Without the backend the store still knows both.
    let _folder = shop.office.take().context("an office")?.go_away()?;
    let mut watch = shop.watch()?;
    assert_eq!(shop.tap(&mut watch, "blank")?["refused"], "blocked");
    assert_eq!(shop.tap(&mut watch, "blank-3")?["assurance"], "high");
    watch.stop(PATIENCE)
}
