//! Joining a shop: the agent enrols this device, and what it has become is written down as `kiosk.toml`. Its keys stay with
//! the agent, which gives them to the kiosk at every start: no file of the kiosk's holds one.

use super::FirstStart;
use cem_contract::enrol::{
    EnrolRefusal, EnrolStep, Enrolment, EnrolmentState, KEY_PROFILES, KEY_ROSTER, PURPOSE_TENANT, ScopedKey, TrustRoot,
};
use edge_db::link::{Answer, Ask, AskClient};
use kiosk_core::setup::{Joined, Joining, SetupTrouble};
use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// What one question to the agent may take.
const BUDGET: Duration = Duration::from_secs(5);
/// What the enrolment may take at most; the backend is asked over the internet.
const PATIENCE: Duration = Duration::from_secs(75);
/// How often the agent is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Enrols this device with a one-time code and writes its `kiosk.toml`.
pub(super) fn join(settings: &FirstStart, code: &str, progress: &dyn Fn(Joining)) -> Result<Joined, SetupTrouble> {
    let mut agent = AskClient::new(&settings.agent.ask);
    let backend = Some(settings.backend.clone()).filter(|backend| !backend.is_empty());
    let proxy = Some(settings.proxy.clone()).filter(|proxy| !proxy.is_empty());
    let begun = ask(&mut agent, &Ask::Enrol { code: code.to_owned(), backend, proxy })?;
    let enrolment = follow(&mut agent, begun, progress)?;
    progress(Joining::Trusted);
    let Answer::Keys { keys } = ask(&mut agent, &Ask::Keys)? else { return Err(SetupTrouble::NoAgent) };
    write(settings, &enrolment, &keys).map_err(|error| {
        tracing::error!(%error, config = %settings.config.display(), "what this device has become cannot be written");
        SetupTrouble::NotAllowed
    })?;
    progress(Joining::Menu);
    let config = enrolment.config;
    Ok(Joined { store: config.store, device: config.device, role: config.role })
}

fn ask(agent: &mut AskClient, question: &Ask) -> Result<Answer, SetupTrouble> {
    agent.ask(question, BUDGET).map_err(|error| {
        tracing::warn!(%error, "the sync agent does not answer the first start");
        SetupTrouble::NoAgent
    })
}

/// Asks how far it is until it has ended.
fn follow(agent: &mut AskClient, mut answer: Answer, progress: &dyn Fn(Joining)) -> Result<Enrolment, SetupTrouble> {
    let until = Instant::now() + PATIENCE;
    // Nobody signals this wait: it only paces the questions.
    let pace = crate::supervise::Stopping::default();
    loop {
        match answer {
            Answer::Enrolment { state: EnrolmentState::Enrolled { enrolment } } => return Ok(*enrolment),
            Answer::Enrolment { state: EnrolmentState::Refused { reason, text } } => {
                tracing::warn!(?reason, text, "the enrolment was refused");
                return Err(refusal(reason));
            }
            Answer::Enrolment { state: EnrolmentState::Working { step } } => progress(match step {
                EnrolStep::Keys | EnrolStep::Asking => Joining::Asking,
                EnrolStep::Storing | EnrolStep::Starting => Joining::Trusted,
            }),
            // It has not begun yet.
            Answer::Enrolment { .. } => {}
            _ => return Err(SetupTrouble::NoAgent),
        }
        if Instant::now() >= until {
            return Err(SetupTrouble::NoAnswer);
        }
        pace.wait(LOOK_EVERY);
        answer = ask(agent, &Ask::Enrolment)?;
    }
}

fn refusal(reason: EnrolRefusal) -> SetupTrouble {
    match reason {
        EnrolRefusal::Wrong | EnrolRefusal::Malformed => SetupTrouble::WrongCode,
        EnrolRefusal::Used => SetupTrouble::UsedCode,
        EnrolRefusal::Late => SetupTrouble::LateCode,
        EnrolRefusal::TooMany => SetupTrouble::TooManyCodes,
        EnrolRefusal::Unreachable => SetupTrouble::NoBackend,
        EnrolRefusal::Storage | EnrolRefusal::Enrolled => SetupTrouble::NotAllowed,
    }
}

/// The config last: while `kiosk.toml` is missing, this is still the first start.
fn write(settings: &FirstStart, enrolment: &Enrolment, keys: &[ScopedKey]) -> io::Result<()> {
    let missing = || io::Error::other("the backend gave no key for guests' cards");
    ScopedKey::newest(keys, PURPOSE_TENANT).ok_or_else(missing)?;
    let folder = settings.config.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(&settings.data)?;
    fs::create_dir_all(folder)?;
    let board = turned_board(settings, folder)?;
    put(&settings.config, kiosk_toml(settings, &board, enrolment).as_bytes())
}

/// Whole or not at all, and for nobody else's eyes.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let coming = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&coming)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&coming, path)?;
    fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// The board-config to start with: the one that came with the machine, or a copy in which the display is turned as a
/// person saw it right.
fn turned_board(settings: &FirstStart, folder: &Path) -> io::Result<PathBuf> {
    let Some(degrees) = settings.rotation else { return Ok(settings.board.clone()) };
    let mut board: toml::Table = fs::read_to_string(&settings.board)?.parse().map_err(io::Error::other)?;
    let Some(display) = board.get_mut("display").and_then(toml::Value::as_table_mut) else { return Ok(settings.board.clone()) };
    let before = display.get("rotation").and_then(toml::Value::as_integer).unwrap_or(0);
    if before == i64::from(degrees) {
        return Ok(settings.board.clone());
    }
    display.insert("rotation".to_owned(), i64::from(degrees).into());
    // Width and height are as mounted: a quarter turn exchanges them.
    if (before - i64::from(degrees)).rem_euclid(180) == 90
        && let (Some(width), Some(height)) = (display.get("width_px").cloned(), display.get("height_px").cloned())
    {
        display.insert("width_px".to_owned(), height);
        display.insert("height_px".to_owned(), width);
    }
    let turned = folder.join("board.toml");
    put(&turned, board.to_string().as_bytes())?;
    Ok(turned)
}

fn kiosk_toml(settings: &FirstStart, board: &Path, enrolment: &Enrolment) -> String {
    let config = &enrolment.config;
    let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let path = |path: &Path| text(&path.display().to_string());
    let letter = config.order_letter.chars().next().filter(char::is_ascii_uppercase).unwrap_or('A');
    let keys = |wanted: &str| {
        let keys = trusted(&enrolment.trust_root, wanted);
        let keys = keys.map(|(id, public)| format!("{{ id = {}, public = {} }}", text(id), text(public)));
        keys.collect::<Vec<_>>().join(", ")
    };
    let users: Vec<String> = settings.agent.users.iter().map(|user| text(user)).collect();
    format!(
        "# Written by the first start, when this device joined its shop.\n\
         store = {}\ndevice = {}\nrole = {}\nletter = \"{letter}\"\ndata = {}\nboard = {}\ncontent = {}\n\n\
         [cem]\nprofile_keys = [{}]\nroster_keys = [{}]\n\n\
         [agent]\nask = {}\nwake = {}\nagent_db = {}\nanswer = {}\nusers = [{}]\n",
        text(&config.store),
        text(&config.device),
        text(&config.role),
        path(&settings.data),
        path(board),
        path(&settings.content),
        keys(KEY_PROFILES),
        keys(KEY_ROSTER),
        path(&settings.agent.ask),
        path(&settings.agent.wake),
        path(&settings.agent.agent_db),
        path(&settings.agent.answer),
        users.join(", "),
    )
}

fn trusted<'a>(root: &'a TrustRoot, wanted: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let good = root.keys.iter().filter(move |key| key.uses.iter().any(|used| used == wanted));
    good.map(|key| (key.id.as_str(), key.public.as_str()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{KioskConfig, setup::settings::AgentPlaces};
    use cem_contract::enrol::{DeviceConfig, TrustedKey};
    use edge_db::link::AskServer;
    use std::sync::{Arc, Mutex};

    fn settings(folder: &Path) -> FirstStart {
        let at = |name: &str| folder.join(name);
        FirstStart {
            config: at("kiosk/kiosk.toml"),
            data: at("kiosk"),
            board: at("board.toml"),
            content: at("shop"),
            backend: "https://cem.example".into(),
            zones: Vec::new(),
            agent: AgentPlaces {
                ask: at("ask"),
                wake: at("wake"),
                agent_db: at("agent.db"),
                answer: at("answer"),
                users: Vec::new(),
            },
            proxy: String::new(),
            rotation: None,
        }
    }

    fn enrolment() -> Enrolment {
        let key = cem_contract::SigningKey::from_bytes(&[7; 32]).verifying_key();
        let config = DeviceConfig {
            store: "s-001".into(),
            device: "k-02".into(),
            role: "kiosk".into(),
            order_letter: "B".into(),
            ..DeviceConfig::default()
        };
        let trust_root = TrustRoot { keys: vec![TrustedKey::new(&key, &[KEY_PROFILES, KEY_ROSTER])], ..TrustRoot::default() };
        Enrolment { config, trust_root, ..Enrolment::default() }
    }

    /// An agent that works for two looks, and then says `end`.
    fn agent(at: PathBuf, end: EnrolmentState) -> edge_db::link::AskService {
        let looks = Arc::new(Mutex::new(0));
        let server = AskServer::bind(at, &[]).unwrap();
        server
            .serve(move |ask| match ask {
                Ask::Keys => {
                    let key = "11".repeat(32);
                    Answer::Keys { keys: vec![ScopedKey { purpose: PURPOSE_TENANT.into(), version: 3, key, retires: None }] }
                }
                _ => {
                    let mut looks = looks.lock().unwrap();
                    *looks += 1;
                    let state = if *looks < 3 { EnrolmentState::Working { step: EnrolStep::Asking } } else { end.clone() };
                    Answer::Enrolment { state }
                }
            })
            .unwrap()
    }

    #[test]
    fn what_was_written_starts_as_that_kiosk() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let _agent = agent(settings.agent.ask.clone(), EnrolmentState::Enrolled { enrolment: Box::new(enrolment()) });
        let joined = join(&settings, "K7PM2QXA9TDE", &|_| {}).unwrap();
        assert_eq!((joined.store.as_str(), joined.device.as_str()), ("s-001", "k-02"));

        let kiosk = KioskConfig::load(&settings.config).unwrap();
        assert_eq!((kiosk.source().as_str(), kiosk.letter), ("/stores/s-001/devices/k-02", 'B'));
        assert!(kiosk.tenant_key.is_none(), "the agent has it");
        assert_eq!((kiosk.profile_keys.len(), kiosk.roster_keys.len()), (1, 1));
        for file in fs::read_dir(folder.path().join("kiosk")).unwrap().flatten() {
            assert!(!fs::read_to_string(file.path()).unwrap().contains(&"11".repeat(32)), "no file holds a key");
        }
    }

    #[test]
    fn a_proxy_that_a_person_typed_is_asked_first_and_handed_to_the_agent() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(folder.path());
        assert_eq!(settings.first_hop(), "https://cem.example");
        settings.set_proxy(" proxy:3128 ");
        assert_eq!(settings.first_hop(), "http://proxy:3128");
        let told = Arc::new(Mutex::new(None));
        let heard = Arc::clone(&told);
        let _agent = AskServer::bind(settings.agent.ask.clone(), &[])
            .unwrap()
            .serve(move |ask| {
                if let Ask::Enrol { proxy, .. } = ask {
                    *heard.lock().unwrap() = proxy;
                }
                Answer::Unavailable
            })
            .unwrap();
        assert_eq!(join(&settings, "K7PM2QXA9TDE", &|_| {}), Err(SetupTrouble::NoAgent));
        assert_eq!(told.lock().unwrap().as_deref(), Some("http://proxy:3128"));
    }

    #[test]
    fn a_refusal_says_why_and_leaves_a_first_start_behind() {
        for (reason, trouble) in [
            (EnrolRefusal::Wrong, SetupTrouble::WrongCode),
            (EnrolRefusal::Used, SetupTrouble::UsedCode),
            (EnrolRefusal::Late, SetupTrouble::LateCode),
            (EnrolRefusal::Unreachable, SetupTrouble::NoBackend),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let settings = settings(folder.path());
            let _agent = agent(settings.agent.ask.clone(), EnrolmentState::Refused { reason, text: String::new() });
            assert_eq!(join(&settings, "K7PM2QXA9TDE", &|_| {}), Err(trouble));
            assert!(!settings.config.exists());
        }
    }

    #[test]
    fn a_display_that_was_turned_by_hand_stays_turned() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(folder.path());
        let board = "name = \"b\"\n[display]\nwidth_px = 720\nheight_px = 1280\ndpi = 210\n";
        fs::write(&settings.board, board).unwrap();
        assert_eq!(turned_board(&settings, folder.path()).unwrap(), settings.board);
        settings.rotation = Some(90);
        fs::create_dir(folder.path().join("kiosk")).unwrap();
        let turned = turned_board(&settings, &folder.path().join("kiosk")).unwrap();
        let display = kiosk_devices::BoardConfig::load(&turned).unwrap().display;
        assert_eq!((display.width_px, display.height_px, display.rotation), (1280, 720, 90));
    }

    #[test]
    fn without_an_agent_it_says_so() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(join(&settings(folder.path()), "K7PM2QXA9TDE", &|_| {}), Err(SetupTrouble::NoAgent));
    }
}
