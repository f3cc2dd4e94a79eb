//! Enrolment: how this device becomes one of ours, and what it holds from then on.
//!
//! With a table `[enrol]` in `agent.toml` the device's name, address and token are not configured but given, for a one-time
//! code: typed at the kiosk's first start (questions over the link), or put there in a file (`handsoff`). Until then the
//! agent does nothing else; it opens no file of events, because it does not know yet whose they are. What it was given lies in
//! its [`vault`].

mod client;
mod handsoff;
pub mod vault;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use cem_contract::enrol::{
    DeviceConfig, DeviceKeys, EnrolAnswer, EnrolRefusal, EnrolRequest, EnrolStep, Enrolment, EnrolmentState, Machine,
    PURPOSE_TENANT, ScopedKey,
};
use cem_contract::{SigningKey, hex, time};
use edge_db::link::{Answer, Ask, AskServer};
use sd_notify::NotifyState;
use tokio::sync::Notify;
use tracing::{info, warn};

pub use client::Refused;
use vault::{DEVICE_KEY, KEYS, TOKEN, Vault};

use crate::alive;
use crate::clock::Floor;
use crate::config::{Config, Enrol};
use crate::tls::{Identity, proxy_address};

const BEAT: Duration = Duration::from_secs(1);
/// How often the hands-off file is looked for.
const LOOK: Duration = Duration::from_secs(2);
/// A hands-off code that could not be used for want of a network is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// What an enrolled device holds.
#[derive(Debug)]
pub struct Enrolled {
    vault: Vault,
    enrolment: Mutex<Enrolment>,
    key: SigningKey,
    keys: Mutex<Vec<ScopedKey>>,
}

impl Enrolled {
    /// Opens what this device holds; `None` when it is not enrolled.
    ///
    /// # Errors
    /// When something of it is there and cannot be read.
    pub fn open(enrol: &Enrol) -> anyhow::Result<Option<Enrolled>> {
        let vault = Vault::new(&enrol.folder, enrol.seal);
        let Some(enrolment) = vault.enrolment()? else { return Ok(None) };
        let unsealed = "it was sealed on another machine, or is lost: `fleet replace` makes this a new device";
        let key = device_key(&vault)?.with_context(|| format!("{DEVICE_KEY} is missing: {unsealed}"))?;
        let keys = vault.get(KEYS).context(unsealed)?;
        let keys = keys.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Ok(Some(Enrolled { vault, enrolment: Mutex::new(enrolment), key, keys: Mutex::new(keys) }))
    }

    /// Who the device is.
    #[must_use]
    pub fn enrolment(&self) -> Enrolment {
        self.enrolment.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key that it signs with.
    #[must_use]
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The scoped keys.
    #[must_use]
    pub fn keys(&self) -> Vec<ScopedKey> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The newest version of the tenant's key.
    #[must_use]
    pub fn key_version(&self) -> Option<u32> {
        ScopedKey::newest(&self.keys(), PURPOSE_TENANT).map(|key| key.version)
    }

    /// Keeps keys that were fetched anew. The trust root is replaced by a newer one only.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn put_keys(&self, new: DeviceKeys) -> anyhow::Result<()> {
        self.vault.put(KEYS, &serde_json::to_vec(&new.keys)?)?;
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = new.keys;
        let mut enrolment = self.enrolment();
        if new.trust_root.version > enrolment.trust_root.version {
            enrolment.trust_root = new.trust_root;
            self.vault.put_enrolment(&enrolment)?;
            *self.enrolment.lock().unwrap_or_else(PoisonError::into_inner) = enrolment;
        }
        Ok(())
    }

    /// Where the token lies.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.vault.path_of(TOKEN)
    }

    /// Forgets all of it.
    ///
    /// # Errors
    /// When something cannot be deleted.
    pub fn wipe(&self) -> anyhow::Result<()> {
        self.vault.wipe()
    }

    /// Whether this is another machine, or another disk, than was enrolled: a copy.
    #[must_use]
    pub fn is_copied(&self, here: &Machine) -> bool {
        here.differs(&self.enrolment().machine)
    }
}

/// What this machine is. `beside` lies on the disk that is meant.
#[must_use]
pub fn machine(beside: &Path) -> Machine {
    let identity = edge_db::Identity::of_this_machine(beside).unwrap_or_default();
    let model = ["/sys/firmware/devicetree/base/model", "/sys/class/dmi/id/product_name"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .unwrap_or_default();
    let model = model.chars().filter(|c| !c.is_control()).take(100).collect();
    Machine { id: identity.machine, disk: identity.disk, model }
}

/// The configuration with what enrolment gave: name, address, token.
///
/// # Errors
/// When the address cannot be used.
pub fn configured(config: &Config, enrolled: &Enrolled) -> anyhow::Result<Config> {
    let enrolment = enrolled.enrolment();
    let mut config = config.clone();
    config.source = enrolment.config.source;
    config.backend.url = enrolment.backend;
    config.backend.token_file = enrolled.token_file();
    if !enrolment.proxy.is_empty() {
        config.backend.proxy = enrolment.proxy;
    }
    if !enrolment.certificate.is_empty() {
        config.backend.identity = Some(Identity::new(&enrolment.certificate, enrolled.key())?);
    }
    config.check_complete().map_err(|(key, message)| anyhow::anyhow!("what enrolment gave cannot be used: `{key}` {message}"))?;
    Ok(config)
}

/// The device's key, made when there is none.
fn device_key(vault: &Vault) -> anyhow::Result<Option<SigningKey>> {
    let Some(text) = vault.get(DEVICE_KEY)? else { return Ok(None) };
    let seed = std::str::from_utf8(&text).ok().and_then(|text| hex::decode(text.trim()));
    let seed: [u8; 32] = seed.and_then(|seed| seed.try_into().ok()).context("the device's key is damaged")?;
    Ok(Some(SigningKey::from_bytes(&seed)))
}

/// A code, and what came with it.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The one-time code as it was typed.
    pub code: String,
    /// The backend's base address; else the configured one.
    pub backend: Option<String>,
    /// The shop's proxy; else the configured one.
    pub proxy: Option<String>,
}

/// A device that waits for its code. Clones share it.
#[derive(Clone)]
pub struct Office {
    config: Arc<Config>,
    enrol: Arc<Enrol>,
    state: Arc<Mutex<EnrolmentState>>,
    wanted: Arc<Mutex<Option<Wanted>>>,
    changed: Arc<Notify>,
}

impl Office {
    /// The office of a device that is not enrolled.
    #[must_use]
    pub fn new(config: &Arc<Config>, enrol: &Enrol) -> Office {
        let retired = Vault::new(&enrol.folder, enrol.seal).is_retired();
        let state = if retired { EnrolmentState::Retired } else { EnrolmentState::NotEnrolled };
        Office {
            config: Arc::clone(config),
            enrol: Arc::new(enrol.clone()),
            state: Arc::new(Mutex::new(state)),
            wanted: Arc::default(),
            changed: Arc::default(),
        }
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> EnrolmentState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, state: EnrolmentState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Answers the kiosk's first-start assistant.
    #[must_use]
    pub fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::Enrol { code, backend, proxy } => {
                if !matches!(self.state(), EnrolmentState::Working { .. } | EnrolmentState::Enrolled { .. }) {
                    *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Wanted { code, backend, proxy });
                    self.set(EnrolmentState::Working { step: EnrolStep::Keys });
                    self.changed.notify_one();
                }
                Answer::Enrolment { state: self.state() }
            }
            Ask::Enrolment => Answer::Enrolment { state: self.state() },
            _ => Answer::Unavailable,
        }
    }

    /// Enrols with this code, now.
    ///
    /// # Errors
    /// When it was refused, or the device is enrolled already.
    pub async fn enrol_now(self, wanted: Wanted) -> anyhow::Result<DeviceConfig> {
        if let Some(enrolled) = Enrolled::open(&self.enrol)? {
            anyhow::bail!("this device is enrolled already, as {}", enrolled.enrolment().config.source);
        }
        match self.try_code(wanted).await? {
            Some(enrolled) => Ok(enrolled.enrolment().config),
            None => match self.state() {
                EnrolmentState::Refused { text, .. } => anyhow::bail!(text),
                _ => anyhow::bail!("the enrolment did not end"),
            },
        }
    }

    /// Waits for a code, from the kiosk or from the file, until one was good.
    ///
    /// # Errors
    /// When what the device was given cannot be opened again.
    pub async fn wait(self) -> anyhow::Result<Enrolled> {
        let mut seen = None;
        loop {
            let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(wanted) = wanted {
                if let Some(enrolled) = self.try_code(wanted).await? {
                    return Ok(enrolled);
                }
                continue;
            }
            if let Some(enrolled) = self.try_file(&mut seen).await? {
                return Ok(enrolled);
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn try_file(&self, seen: &mut Option<std::time::SystemTime>) -> anyhow::Result<Option<Enrolled>> {
        let path = &self.enrol.file;
        let file = match handsoff::look(path, seen) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(None),
            Err(error) => {
                warn!("{error:#}");
                return Ok(None);
            }
        };
        let wanted = Wanted { code: file.code, backend: file.backend, proxy: file.proxy };
        let enrolled = self.try_code(wanted).await?;
        if enrolled.is_some() {
            if let Err(error) = std::fs::remove_file(path) {
                warn!(%error, path = %path.display(), "the used code was not deleted");
            }
        } else if matches!(self.state(), EnrolmentState::Refused { reason: EnrolRefusal::Unreachable, .. }) {
            *seen = None;
            tokio::time::sleep(AGAIN).await;
        }
        Ok(enrolled)
    }

    async fn try_code(&self, wanted: Wanted) -> anyhow::Result<Option<Enrolled>> {
        match self.enrol(wanted).await {
            Ok(()) => {
                let enrolled = Enrolled::open(&self.enrol)?.context("what was stored is not there")?;
                let enrolment = Box::new(enrolled.enrolment());
                info!(source = enrolment.config.source, "enrolled");
                self.set(EnrolmentState::Enrolled { enrolment });
                Ok(Some(enrolled))
            }
            Err(Refused { reason, text }) => {
                warn!(?reason, text, "the enrolment was refused");
                self.set(EnrolmentState::Refused { reason, text });
                Ok(None)
            }
        }
    }

    async fn enrol(&self, Wanted { code, backend, proxy }: Wanted) -> Result<(), Refused> {
        let storage = |error: anyhow::Error| Refused::new(EnrolRefusal::Storage, format!("{error:#}"));
        let backend = backend.unwrap_or_else(|| self.config.backend.url.clone());
        if backend.is_empty() {
            let text = "no backend's address is known: type it, or scan the code that `fleet enrol` shows";
            return Err(Refused::new(EnrolRefusal::Unreachable, text));
        }
        let proxy = proxy_address(&proxy.unwrap_or_else(|| self.config.backend.proxy.clone()))
            .map_err(|why| Refused::new(EnrolRefusal::Unreachable, format!("the proxy's address {why}")))?;
        self.set(EnrolmentState::Working { step: EnrolStep::Keys });
        let enrol = Arc::clone(&self.enrol);
        let made = tokio::task::spawn_blocking(move || prepare(&enrol)).await.map_err(|error| storage(error.into()))?;
        let (key, machine) = made.map_err(storage)?;
        self.set(EnrolmentState::Working { step: EnrolStep::Asking });
        let public_key = hex::encode(key.verifying_key().as_bytes());
        let request = EnrolRequest { code: code.trim().to_owned(), public_key: public_key.clone(), machine: machine.clone() };
        let floor = Floor::new(crate::clock::built_ms());
        let answer = client::ask(&backend, self.config.backend.dangerous_plain_http, &proxy, &request, floor.clone()).await?;
        self.set(EnrolmentState::Working { step: EnrolStep::Storing });
        let enrolled = time::rfc3339(floor.now_ms());
        let EnrolAnswer { token, certificate, trust_root, keys, config } = answer;
        let enrolment = Enrolment { config, backend, proxy, public_key, certificate, trust_root, machine, enrolled };
        let enrol = Arc::clone(&self.enrol);
        let stored = tokio::task::spawn_blocking(move || {
            let vault = Vault::new(&enrol.folder, enrol.seal);
            vault.put(TOKEN, token.as_bytes())?;
            vault.put(KEYS, &serde_json::to_vec(&keys)?)?;
            vault.put_enrolment(&enrolment)
        });
        stored.await.map_err(|error| storage(error.into()))?.map_err(storage)?;
        self.set(EnrolmentState::Working { step: EnrolStep::Starting });
        Ok(())
    }
}

/// The key pair is made before anybody is asked and kept when the answer is no: the next code may come after a lost answer.
fn prepare(enrol: &Enrol) -> anyhow::Result<(SigningKey, Machine)> {
    let vault = Vault::new(&enrol.folder, enrol.seal);
    let key = match device_key(&vault)? {
        Some(key) => key,
        None => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
            vault.put(DEVICE_KEY, hex::encode(&seed).as_bytes())?;
            SigningKey::from_bytes(&seed)
        }
    };
    Ok((key, machine(&enrol.folder)))
}

/// In the same task as the wait: neither goes on without the other.
async fn beat(beats: &alive::Beats) {
    loop {
        beats.beat();
        tokio::time::sleep(BEAT).await;
    }
}

/// What to run with: the configuration as it is, or, with `[enrol]`, with what enrolment gave, waiting for it if need be.
///
/// # Errors
/// When the link cannot be served, or what the device holds cannot be read.
pub async fn settle(config: Arc<Config>) -> anyhow::Result<(Arc<Config>, Option<Arc<Enrolled>>)> {
    let Some(enrol) = &config.enrol else { return Ok((config, None)) };
    if Vault::new(&enrol.folder, enrol.seal).is_retired() {
        // A wipe that was cut off is gone on with before anything else.
        crate::wipe::files(&config);
        Vault::new(&enrol.folder, enrol.seal).wipe()?;
    }
    let enrolled = match Enrolled::open(enrol)? {
        Some(enrolled) => enrolled,
        None => {
            info!(file = %enrol.file.display(), "not enrolled: waiting for a code, from the kiosk or in a file");
            let office = Office::new(&config, enrol);
            let path = config.ask_path();
            let shown = path.display().to_string();
            let server = AskServer::bind(path, &crate::run::who_may_ask(&config)?);
            let server = server.with_context(|| format!("{shown}: cannot listen for the kiosk"))?;
            let at_the_counter = office.clone();
            let _service = server.serve(move |ask| at_the_counter.answer(ask))?;
            alive::tell(NotifyState::Ready);
            let beats = alive::Beats::default();
            tokio::select! {
                enrolled = office.wait() => enrolled?,
                () = beat(&beats) => anyhow::bail!("the heart stopped"),
                ended = alive::feed(beats.clone()) => return ended.and(Err(anyhow::anyhow!("the watchdog's task ended"))),
            }
        }
    };
    let config = configured(&config, &enrolled)?;
    Ok((Arc::new(config), Some(Arc::new(enrolled))))
}
