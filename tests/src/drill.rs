//! What drills with copied files and wrong clocks have in common: a kiosk's file written by this process, so that its
//! clock and the identity of its disk can be chosen, and the real agent beside it.

use crate::{
    appliance::{Appliance, SOURCE},
    proc::output,
};
use anyhow::{Context, Result, ensure};
use cem_contract::{Clock, Consent, NewEvent, kinds, time};
use edge_db::{
    Class, Commit, Identity, Limits, Outbox, OutboxOptions,
    link::{Answer, Ask, AskServer, AskService},
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use uuid::Uuid;

/// By which clock an event happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// What the device's clock said, milliseconds since 1970.
    pub time_ms: i64,
    /// What that was worth.
    pub clock: Clock,
    /// Boot id.
    pub boot: String,
    /// Milliseconds since that boot.
    pub uptime_ms: u64,
}

impl When {
    /// Now, by a clock that is right.
    pub fn now() -> Self {
        let time_ms = jiff::Timestamp::now().as_millisecond();
        Self { time_ms, clock: Clock::Synced, boot: "00000000-0000-4000-8000-000000000000".into(), uptime_ms: 1 }
    }
}

/// A guest begins a visit.
pub fn visit_started(when: When) -> NewEvent {
    NewEvent {
        id: Uuid::now_v7(),
        kind: "cem.visit.started.v1".into(),
        time_ms: when.time_ms,
        visitid: Some(Uuid::now_v7()),
        visitor: None,
        consent: Consent::None,
        clock: when.clock,
        boot: when.boot,
        uptime_ms: when.uptime_ms,
        data: serde_json::json!({"trigger": "touch", "role": "kiosk", "language": "en"}),
    }
}

/// A kiosk's file, and whoever answers the agent's questions for it.
pub struct Kiosk {
    outbox: Arc<Outbox>,
    _answers: AskService,
}

impl Kiosk {
    /// Opens `kiosk/kiosk.db` of a device's folder as a machine with this identity; `None`: as this machine.
    pub fn open(device: &Path, identity: Option<Identity>) -> Result<Self> {
        let path = device.join("kiosk/kiosk.db");
        let mut options = OutboxOptions::new(&path, SOURCE);
        options.limits = Limits::small();
        options.identity = identity;
        let outbox = Arc::new(Outbox::open(options)?);
        let asked = Arc::clone(&outbox);
        let answers = AskServer::bind(path.with_extension("db.kiosk"), &[])?.serve(move |ask| match ask {
            Ask::OpenLog { log } => match asked.log() {
                Ok(current) if current.log != log => Answer::Done,
                Ok(_) => asked.open_new_log("collided").map_or(Answer::Unavailable, |_| Answer::Done),
                Err(_) => Answer::Unavailable,
            },
            _ => Answer::Unavailable,
        })?;
        Ok(Self { outbox, _answers: answers })
    }

    /// The log that the next event goes to.
    pub fn log(&self) -> Result<Uuid> {
        Ok(self.outbox.log()?.log)
    }

    /// Records events, each durable before the next; gives their ids.
    pub fn record(&self, whens: impl IntoIterator<Item = When>) -> Result<BTreeSet<String>> {
        let mut ids = BTreeSet::new();
        for when in whens {
            let event = visit_started(when);
            ids.insert(event.id.to_string());
            self.outbox.commit(Commit::events(Class::Sale, vec![event]))?;
        }
        Ok(ids)
    }

    /// Records a sample of the backend's clock, as the agent does.
    pub fn record_sample(&self, boot: &str, uptime_ms: u64, backend_ms: i64) -> Result<()> {
        let data = serde_json::json!({"boot": boot, "uptime": time::uptime(uptime_ms),
            "backend_time": time::rfc3339(backend_ms), "round_trip_ms": 1});
        let kind = kinds::DEVICE_CLOCK_SAMPLED.to_owned();
        let event = NewEvent { kind, visitid: None, data, ..visit_started(When::now()) };
        self.outbox.commit(Commit::events(Class::Sale, vec![event]))?;
        Ok(())
    }

    /// As many, by a clock that is right.
    pub fn record_now(&self, count: usize) -> Result<BTreeSet<String>> {
        self.record(std::iter::repeat_with(When::now).take(count))
    }
}

/// A second device made of a copy of the first one's folders, as a cloned disk would make it. Nothing may be running.
pub fn twin(appliance: &Appliance) -> Result<PathBuf> {
    let twin = appliance.folder().join("twin");
    for part in ["kiosk", "agent"] {
        copy(&appliance.folder().join(part), &twin.join(part))?;
    }
    let config = fs::read_to_string(appliance.agent_config())?;
    let here = |part: &str| twin.join(part).display().to_string();
    let there = |part: &str| appliance.folder().join(part).display().to_string();
    let config = config.replace(&there("kiosk"), &here("kiosk")).replace(&there("agent"), &here("agent"));
    fs::write(twin.join("agent/agent.toml"), config)?;
    Ok(twin)
}

/// Copies the files of a folder; sockets stay behind. Files that are there keep their place on the disk, as on a card
/// that an image is written to; others are removed.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let names = |folder: &Path| -> Result<BTreeSet<std::ffi::OsString>> {
        let files = fs::read_dir(folder).with_context(|| folder.display().to_string())?.filter_map(Result::ok);
        Ok(files.filter(|file| file.file_type().is_ok_and(|kind| kind.is_file())).map(|file| file.file_name()).collect())
    };
    let wanted = names(from)?;
    for extra in names(to)?.difference(&wanted) {
        fs::remove_file(to.join(extra))?;
    }
    for name in wanted {
        // Into the file that is there, if there is one: its inode stays.
        fs::copy(from.join(&name), to.join(&name)).with_context(|| name.display().to_string())?;
    }
    Ok(())
}

/// Runs `sync-agent once` for a device's folder.
pub fn send_all(device: &Path) -> Result<()> {
    output("sync-agent", &["once", "--config", &device.join("agent/agent.toml").display().to_string()]).map(drop)
}

/// Fails unless everything that was recorded is at the backend, once, and no number is missing there.
pub fn check_whole(appliance: &Appliance, recorded: &BTreeSet<String>) -> Result<()> {
    let ledger = appliance.ledger(|_| ())?;
    ledger.check_gapless()?;
    let arrived: BTreeSet<&str> = ledger.events.iter().filter_map(|event| event["id"].as_str()).collect();
    let lost: Vec<&String> = recorded.iter().filter(|id| !arrived.contains(id.as_str())).collect();
    ensure!(lost.is_empty(), "{} of {} recorded events never arrived: {lost:?}", lost.len(), recorded.len());
    Ok(())
}

/// The logs in which recorded events arrived.
pub fn logs_of(appliance: &Appliance, recorded: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let ledger = appliance.ledger(|_| ())?;
    let ours = ledger.events.iter().filter(|event| event["id"].as_str().is_some_and(|id| recorded.contains(id)));
    Ok(ours.filter_map(|event| event["log"].as_str().map(str::to_owned)).collect())
}

/// Alarms of a kind that arrived.
pub fn alarms(appliance: &Appliance, alarm: &str) -> Result<usize> {
    let ledger = appliance.ledger(|_| ())?;
    Ok(ledger.of("cem.device.alarm.v1").filter(|event| event["data"]["alarm"] == alarm).count())
}
