//! `kiosk.toml`: who this kiosk is and where its things lie.
//!
//! ```toml
//! store = "s-001"                  # [a-z0-9-], at most 40
//! device = "k-01"
//! role = "kiosk"
//! letter = "A"                     # first part of the number called out; default A
//! data = "data"                    # folder of kiosk.db, made where missing
//! board = "board.toml"             # board-config: display, reader, terminal, printer, microcontroller
//! content = "shop"                 # folder with menu/, theme.toml, shop.toml, pictures
//!
//! [cem]                            # an enrolled device is given all of this by its agent, and needs no file of it
//! tenant_key_file = "tenant.key"   # 32 bytes as 64 hex digits, mode 0600; may be left out where there is an [agent]
//! tenant_key_version = 1           # written in front of each card token; default 1
//! profile_keys = [{ id = "2026-1", public = "<64 hex digits>" }]
//! roster_keys = []                 # whose signature on the staff list counts, written as above
//!
//! [agent]                          # optional: without it nobody is looked up
//! ask = "run/agent.sock"           # 'who is this card?'
//! wake = "run/wake.sock"           # datagram after each commit
//! agent_db = "data/agent.db"       # visitor cache, opened read-only
//! answer = "run/kiosk.sock"        # where the agent asks this kiosk; default: kiosk.db with `.kiosk` added
//! users = ["cem-agent"]            # who may ask there, beside this kiosk's own user
//!
//! [disk]                           # optional
//! max_mb = 1024                    # bound of kiosk.db: beyond 80 % of it telemetry is given up, beyond 95 % no sale begins
//!
//! [session]                        # optional, as is each key
//! idle_s = 45
//! still_there_s = 15
//! joining = true                   # ask a guest whose card nobody knows whether they want to be known next time
//! ```
//!
//! `[cards]`, optional: see [`CardPolicy`]. `[desk]`, optional: see [`DeskSettings`].
//!
//! A key that is not listed here is an error that names file, line and key. Relative paths are taken from the folder of
//! the file itself, so that a kiosk's folder can be moved.

use crate::cards::{CardPolicy, RawCards};
use crate::counter::{DeskSettings, RawDesk};
use anyhow::{Context as _, Result, anyhow, ensure};
use ed25519_dalek::VerifyingKey;
use edge_db::link::uid_of;
use kiosk_devices::BoardConfig;
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A config file larger than this is not one of ours.
const CONFIG_BYTES: u64 = 256 * 1024;
/// Store and device ids stand in every event's `source`.
const ID_CHARS: usize = 40;
/// More keys than this were never issued: two are valid at once.
const PROFILE_KEYS: usize = 16;

/// What the kiosk was told about itself. Made by [`KioskConfig::load`]; all paths are resolved.
#[derive(Clone, Debug)]
pub struct KioskConfig {
    /// The store, `s-001`.
    pub store: String,
    /// This device, `k-01`.
    pub device: String,
    /// What it does in the shop.
    pub role: Role,
    /// First part of the number called out.
    pub letter: char,
    /// Folder of `kiosk.db`.
    pub data: PathBuf,
    /// The board-config.
    pub board: PathBuf,
    /// The shop's content.
    pub content: PathBuf,
    /// Key that makes pseudonyms out of cards; `None` where only the agent has it.
    pub tenant_key: Option<TenantKey>,
    /// Keys whose signature on a profile counts, beside those that the agent was given.
    pub profile_keys: Vec<ProfileKey>,
    /// Keys whose signature on a staff list counts, beside those that the agent was given.
    pub roster_keys: Vec<ProfileKey>,
    /// The sync agent, `None` where none runs.
    pub agent: Option<AgentPaths>,
    /// Bound of `kiosk.db` in bytes, `None` for edge-db's own.
    pub disk_max_bytes: Option<u64>,
    /// Time-outs of a visit.
    pub session: SessionTimes,
    /// What stands on receipts besides the shop's own words.
    pub receipt: Receipts,
    /// Which cards are taken, and what they may do.
    pub cards: CardPolicy,
    /// How the shop's own people work here.
    pub desk: DeskSettings,
    /// The config itself, the keys that it names, and the staff list beside the data: what goes when this device is retired.
    pub own_files: Vec<PathBuf>,
}

/// What a kiosk does in the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Self-service.
    Kiosk,
}

impl Role {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kiosk => "kiosk",
        }
    }
}

/// The key under which cards become pseudonyms, never shown by `Debug`.
#[derive(Clone)]
pub struct TenantKey {
    /// Written in front of each token.
    pub version: u32,
    /// The key.
    pub bytes: [u8; 32],
}

impl std::fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TenantKey {{ version: {}, bytes: .. }}", self.version)
    }
}

/// An Ed25519 public key that signs visitor profiles or staff lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileKey {
    /// Key id as in the envelope.
    pub id: String,
    /// The public key.
    pub public: VerifyingKey,
}

/// Where the sync agent is met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPaths {
    /// SEQPACKET socket that answers questions.
    pub ask: PathBuf,
    /// Datagram socket that is woken after each commit.
    pub wake: PathBuf,
    /// The agent's database, opened read-only.
    pub agent_db: PathBuf,
    /// SEQPACKET socket where this kiosk answers the agent.
    pub answer: PathBuf,
    /// Numbers of the users who may ask there, beside this process's own.
    pub uids: Vec<u32>,
}

/// What stands on receipts besides the shop's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipts {
    /// Where guests' pages are served: the token is put behind it and printed as a QR code. Left out: no page.
    pub page_url: Option<String>,
}

impl Receipts {
    fn check(&self) -> std::result::Result<(), Fault> {
        let Some(url) = &self.page_url else { return Ok(()) };
        let plain = url.bytes().all(|b| b.is_ascii_graphic() && b != b'#' && b != b'?');
        if url.starts_with("https://") && url.ends_with('/') && plain && url.len() <= PAGE_URL_BYTES {
            return Ok(());
        }
        let why = format!("'{url}' is no address such as https://shop.example/g/ (at most {PAGE_URL_BYTES} bytes)");
        Err(Fault::new("receipt.page_url", why))
    }
}

/// Bytes of a page's address before its token: the code is read from thermal paper.
const PAGE_URL_BYTES: usize = 100;

/// How a visit goes, `None` for the core's own default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionTimes {
    /// Seconds without a touch until 'still there?', 5 to 600.
    pub idle_s: Option<u32>,
    /// Seconds from 'still there?' until the basket is wiped, 3 to 120.
    pub still_there_s: Option<u32>,
    /// Seconds for which 'thank you' stays, 3 to 120.
    pub done_s: Option<u32>,
    /// A guest whose card nobody knows is asked whether they want to be known next time.
    pub joining: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    store: String,
    device: String,
    role: Role,
    #[serde(default = "default_letter")]
    letter: char,
    data: PathBuf,
    board: PathBuf,
    content: PathBuf,
    #[serde(default)]
    cem: RawCem,
    agent: Option<RawAgent>,
    #[serde(default)]
    disk: RawDisk,
    #[serde(default)]
    session: SessionTimes,
    #[serde(default)]
    receipt: Receipts,
    #[serde(default)]
    cards: RawCards,
    #[serde(default)]
    desk: RawDesk,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDisk {
    max_mb: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawCem {
    tenant_key_file: Option<PathBuf>,
    tenant_key_version: Option<u32>,
    profile_keys: Vec<RawProfileKey>,
    roster_keys: Vec<RawProfileKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProfileKey {
    id: String,
    public: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAgent {
    ask: PathBuf,
    wake: PathBuf,
    agent_db: PathBuf,
    answer: Option<PathBuf>,
    #[serde(default)]
    users: Vec<String>,
}

fn default_letter() -> char {
    'A'
}

impl KioskConfig {
    /// Reads and checks a config file, and the tenant key that it names.
    ///
    /// # Errors
    /// A sentence that names the file, the line and the key where there is one, and says what to do.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (text, raw): (String, RawConfig) = read_strict(path)?;
        let from = path.parent().unwrap_or(Path::new(""));
        let own_files = raw.own_files(path, from);
        let loaded = Self::check(raw, from).map(|config| Self { own_files, ..config });
        loaded.map_err(|Fault { key, why }| anyhow!("{}:{}: {key}: {why}", path.display(), line_of(&text, key)))
    }

    /// The `source` of every event of this device.
    pub fn source(&self) -> String {
        format!("/stores/{}/devices/{}", self.store, self.device)
    }

    /// How the display is mounted, in degrees clockwise: 0, 90, 180 or 270. Read from the board-config, before anything starts.
    ///
    /// # Errors
    /// Where the board-config cannot be used.
    pub fn rotation(&self) -> Result<u16> {
        Ok(BoardConfig::load(&self.board)?.display.rotation)
    }

    /// What was measured of the glass, beside the kiosk's database.
    pub fn glass(&self) -> PathBuf {
        self.data.join("touch.toml")
    }

    /// The kiosk's database.
    pub fn kiosk_db(&self) -> PathBuf {
        self.data.join("kiosk.db")
    }

    fn check(raw: RawConfig, from: &Path) -> std::result::Result<Self, Fault> {
        check_id("store", &raw.store)?;
        check_id("device", &raw.device)?;
        if !raw.letter.is_ascii_uppercase() {
            return Err(Fault::new("letter", format!("'{}' is not one of A to Z", raw.letter)));
        }
        raw.receipt.check()?;
        check_range("session.idle_s", raw.session.idle_s, 5, 600)?;
        check_range("session.still_there_s", raw.session.still_there_s, 3, 120)?;
        check_range("session.done_s", raw.session.done_s, 3, 120)?;
        if let Some(mb @ (0 | 1_048_577..)) = raw.disk.max_mb {
            return Err(Fault::new("disk.max_mb", format!("{mb} is not between 1 and 1048576 megabytes")));
        }
        let tenant_key = tenant_key(&raw.cem, from, raw.agent.is_some())?;
        if raw.cards.address.as_deref().is_some_and(|base| crate::issue::address(base).is_none()) {
            let why = "is no host and path that fits on a card, such as 'cem.example/t'".to_owned();
            return Err(Fault::new("cards.address", why));
        }
        let picc_key = raw.cards.picc_key_file.as_ref().map(|file| read_picc_key(&from.join(file))).transpose()?;
        let pepper = raw.desk.pin_pepper_file.as_ref().map(|file| read_pepper(&from.join(file))).transpose()?;
        let desk = raw.desk.settings(&raw.device, pepper).map_err(|(key, why)| Fault::new(key, why))?;
        let data = from.join(raw.data);
        let uids = raw.agent.as_ref().map(|agent| who_may_ask(&agent.users)).transpose()?.unwrap_or_default();
        Ok(Self {
            store: raw.store,
            device: raw.device,
            role: raw.role,
            letter: raw.letter,
            board: from.join(raw.board),
            content: from.join(raw.content),
            tenant_key,
            profile_keys: check_keys("cem.profile_keys", &raw.cem.profile_keys)?,
            roster_keys: check_keys("cem.roster_keys", &raw.cem.roster_keys)?,
            agent: raw.agent.map(|agent| AgentPaths {
                ask: from.join(agent.ask),
                wake: from.join(agent.wake),
                agent_db: from.join(agent.agent_db),
                answer: agent.answer.map_or_else(|| data.join("kiosk.db.kiosk"), |answer| from.join(answer)),
                uids,
            }),
            disk_max_bytes: raw.disk.max_mb.map(|mb| u64::from(mb) << 20),
            session: raw.session,
            receipt: raw.receipt,
            cards: raw.cards.with_key(picc_key),
            desk,
            own_files: Vec::new(),
            data,
        })
    }
}

impl RawConfig {
    fn own_files(&self, config: &Path, from: &Path) -> Vec<PathBuf> {
        let keys = [&self.cem.tenant_key_file, &self.cards.picc_key_file, &self.desk.pin_pepper_file];
        let keys = keys.into_iter().flatten().map(|file| from.join(file));
        keys.chain([from.join(&self.data).join("staff.json"), config.to_owned()]).collect()
    }
}

/// A value that cannot be: its dotted key, and what to do.
struct Fault {
    key: &'static str,
    why: String,
}

impl Fault {
    fn new(key: &'static str, why: String) -> Self {
        Self { key, why }
    }
}

/// Reads a TOML file of ours with its text: bounded, and an unknown or missing key is an error with file and line.
pub(crate) fn read_strict<T: DeserializeOwned>(path: &Path) -> Result<(String, T)> {
    let size = fs::metadata(path).with_context(|| format!("{}: cannot be read", path.display()))?.len();
    ensure!(size <= CONFIG_BYTES, "{}: {size} bytes; a config has at most {CONFIG_BYTES}", path.display());
    let text = fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let value = toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(start).filter(|b| *b == b'\n').count();
        anyhow!("{}:{line}: {}", path.display(), error.message())
    })?;
    Ok((text, value))
}

/// The line on which a dotted key stands, 1 for one that is not written there.
fn line_of(text: &str, dotted: &str) -> usize {
    let mut table = String::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            table = format!("{}.", name.trim());
        } else if let Some((key, _)) = line.split_once('=')
            && format!("{table}{}", key.trim()) == dotted
        {
            return at + 1;
        }
    }
    1
}

fn check_id(key: &'static str, id: &str) -> std::result::Result<(), Fault> {
    let plain = id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if plain && !id.is_empty() && id.len() <= ID_CHARS {
        return Ok(());
    }
    let shown: String = id.chars().take(ID_CHARS).collect();
    Err(Fault::new(key, format!("'{shown}' is not 1 to {ID_CHARS} of a-z, 0-9 and '-'")))
}

fn who_may_ask(users: &[String]) -> std::result::Result<Vec<u32>, Fault> {
    let uid = |user: &String| uid_of(user).map_err(|error| Fault::new("agent.users", error.to_string()));
    users.iter().map(uid).collect()
}

fn check_range(key: &'static str, value: Option<u32>, min: u32, max: u32) -> std::result::Result<(), Fault> {
    match value {
        Some(value) if !(min..=max).contains(&value) => {
            Err(Fault::new(key, format!("{value} is not between {min} and {max} seconds")))
        }
        _ => Ok(()),
    }
}

fn check_keys(key: &'static str, raw: &[RawProfileKey]) -> std::result::Result<Vec<ProfileKey>, Fault> {
    let fault = |why| Fault::new(key, why);
    if raw.len() > PROFILE_KEYS {
        return Err(fault(format!("{} keys; at most {PROFILE_KEYS}", raw.len())));
    }
    raw.iter()
        .map(|key| {
            let bytes = hex32(&key.public).ok_or_else(|| {
                fault(format!("`public` of '{}' is not 64 hex digits; `cem-backend profile-key` prints it", key.id))
            })?;
            let public = VerifyingKey::from_bytes(&bytes)
                .map_err(|_| fault(format!("`public` of '{}' is not an Ed25519 key; copy it again from the backend", key.id)))?;
            Ok(ProfileKey { id: key.id.clone(), public })
        })
        .collect()
}

/// The key of the file that is named; none where the agent of an enrolled device is to give it.
fn tenant_key(cem: &RawCem, from: &Path, agent: bool) -> std::result::Result<Option<TenantKey>, Fault> {
    let Some(file) = &cem.tenant_key_file else {
        let why = "is missing. Name the file with the company's tenant key, or add the table [agent]: an enrolled device's \
                   agent has it";
        return if agent { Ok(None) } else { Err(Fault::new("cem.tenant_key_file", why.to_owned())) };
    };
    let bytes = read_tenant_key(&from.join(file))?;
    Ok(Some(TenantKey { version: cem.tenant_key_version.unwrap_or(1), bytes }))
}

fn read_tenant_key(path: &Path) -> std::result::Result<[u8; 32], Fault> {
    use std::os::unix::fs::PermissionsExt as _;
    let shown = path.display();
    let fault = |why| Fault::new("cem.tenant_key_file", why);
    let meta = fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => fault(format!(
            "{shown} is missing. Copy the tenant key that the CEM backend issued for this company there (64 hex digits, mode \
             0600); without it no card can be recognised"
        )),
        _ => fault(format!("{shown} cannot be read: {error}")),
    })?;
    if meta.permissions().mode() & others(path) != 0 {
        return Err(fault(format!("others can read {shown}; run: chmod 600 {shown}")));
    }
    let wrong = || fault(format!("{shown} must hold 64 hex digits and nothing else"));
    if meta.len() > 256 {
        return Err(wrong());
    }
    let text = fs::read_to_string(path).map_err(|error| fault(format!("{shown} cannot be read: {error}")))?;
    hex32(text.trim()).ok_or_else(wrong)
}

/// Permission bits that make a secret readable by others. Where systemd hands it over as a credential, an access list lets
/// this service's user in, and its mask shows as the group's bits.
fn others(path: &Path) -> u32 {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    if credentials.is_some_and(|folder| path.starts_with(folder)) { 0o007 } else { 0o077 }
}

/// The key that reads what a card says of itself.
fn read_picc_key(path: &Path) -> std::result::Result<card_auth::Key, Fault> {
    let shown = path.display();
    let fault = |why| Fault::new("cards.picc_key_file", why);
    let text = read_secret(path).map_err(|why| {
        fault(format!("{why}. Copy `picc.key` of the CEM backend there (32 hex digits, mode 0600), or leave the line out"))
    })?;
    card_auth::Key::from_hex(text.trim()).ok_or_else(|| fault(format!("{shown} must hold 32 hex digits and nothing else")))
}

/// The secret that PIN hashes are made with.
fn read_pepper(path: &Path) -> std::result::Result<[u8; 32], Fault> {
    let fault = |why| Fault::new("desk.pin_pepper_file", why);
    let text = read_secret(path).map_err(|why| fault(format!("{why}. Leave the line out where the agent is enrolled")))?;
    hex32(text.trim()).ok_or_else(|| fault(format!("{} must hold 64 hex digits and nothing else", path.display())))
}

/// A small file that nobody else may read.
fn read_secret(path: &Path) -> std::result::Result<String, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let shown = path.display();
    let meta = fs::metadata(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    if meta.permissions().mode() & others(path) != 0 {
        return Err(format!("others can read {shown}; run: chmod 600 {shown}"));
    }
    if meta.len() > 256 {
        return Err(format!("{shown} is too long"));
    }
    fs::read_to_string(path).map_err(|error| format!("{shown} cannot be read: {error}"))
}

fn hex32(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let nibble = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const GOOD: &str = r#"store = "s-001"
device = "k-01"
role = "kiosk"
data = "data"
board = "/etc/board.toml"
content = "shop"
[cem]
tenant_key_file = "tenant.key"
profile_keys = [{ id = "a", public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a" }]
[agent]
ask = "ask.sock"
wake = "wake.sock"
agent_db = "agent.db"
[session]
idle_s = 30
"#;

    fn folder(config: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("kiosk.toml"), config).unwrap();
        fs::write(dir.path().join("tenant.key"), format!("{}\n", "ab".repeat(32))).unwrap();
        mode(dir.path(), 0o600);
        dir
    }

    fn mode(dir: &Path, mode: u32) {
        fs::set_permissions(dir.join("tenant.key"), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn refusal(dir: &Path) -> String {
        format!("{:#}", KioskConfig::load(dir.join("kiosk.toml")).unwrap_err())
    }

    #[test]
    fn a_good_config_resolves_paths_against_its_own_folder() {
        let dir = folder(GOOD);
        let config = KioskConfig::load(dir.path().join("kiosk.toml")).unwrap();
        assert_eq!(config.source(), "/stores/s-001/devices/k-01");
        assert_eq!(config.kiosk_db(), dir.path().join("data/kiosk.db"));
        assert_eq!(config.board, Path::new("/etc/board.toml"));
        assert_eq!(config.tenant_key.as_ref().map(|key| key.bytes), Some([0xab; 32]));
        assert_eq!(config.profile_keys[0].public.as_bytes()[..2], [0xd7, 0x5a]);
        assert_eq!(config.session.idle_s, Some(30));
        assert!(!format!("{config:?}").contains("171"), "the key must not show in Debug output");
    }

    #[test]
    fn an_unknown_key_is_refused_with_file_line_and_key() {
        let dir = folder(&GOOD.replace("idle_s", "idel_s"));
        let said = refusal(dir.path());
        assert!(said.contains("kiosk.toml:15: unknown field `idel_s`"), "{said}");
    }

    #[test]
    fn a_missing_key_is_refused_by_name() {
        let dir = folder(&GOOD.replace("device = \"k-01\"\n", ""));
        let said = refusal(dir.path());
        assert!(said.contains("kiosk.toml:1: missing field `device`"), "{said}");
    }

    #[test]
    fn a_missing_tenant_key_says_what_to_do() {
        let dir = folder(GOOD);
        fs::remove_file(dir.path().join("tenant.key")).unwrap();
        let said = refusal(dir.path());
        assert!(said.contains("tenant.key is missing. Copy the tenant key"), "{said}");
    }

    #[test]
    fn without_a_tenant_key_there_must_be_an_agent_that_has_it() {
        let bare = GOOD.replace("tenant_key_file = \"tenant.key\"\n", "");
        let dir = folder(&bare);
        assert!(KioskConfig::load(dir.path().join("kiosk.toml")).unwrap().tenant_key.is_none());
        let alone = bare.replace("[agent]\nask = \"ask.sock\"\nwake = \"wake.sock\"\nagent_db = \"agent.db\"\n", "");
        let said = refusal(folder(&alone).path());
        assert!(said.contains("cem.tenant_key_file: is missing. Name the file"), "{said}");
    }

    #[test]
    fn the_desks_settings_and_its_pepper_are_read() {
        let dir =
            folder(&format!("{GOOD}[desk]\nidle_s = 120\npin_pepper_file = \"pepper.key\"\n[desk.may]\nvoid = \"staff\"\n"));
        let pepper = dir.path().join("pepper.key");
        assert!(refusal(dir.path()).contains("desk.pin_pepper_file"));
        fs::write(&pepper, "cd".repeat(32)).unwrap();
        fs::set_permissions(&pepper, fs::Permissions::from_mode(0o600)).unwrap();
        let desk = KioskConfig::load(dir.path().join("kiosk.toml")).unwrap().desk;
        assert_eq!((desk.desk.idle_ms, desk.pin_pepper.map(|pepper| pepper[0])), (120_000, Some(0xcd)));
    }

    #[test]
    fn a_tenant_key_that_others_can_read_is_refused() {
        let dir = folder(GOOD);
        mode(dir.path(), 0o644);
        assert!(refusal(dir.path()).contains("chmod 600"));
    }

    #[test]
    fn a_tenant_key_of_the_wrong_length_is_refused() {
        let dir = folder(GOOD);
        fs::write(dir.path().join("tenant.key"), "abcd").unwrap();
        assert!(refusal(dir.path()).contains("64 hex digits"));
    }

    #[test]
    fn ids_and_times_out_of_bounds_are_refused_with_their_key() {
        let said = refusal(folder(&GOOD.replace("s-001", "S 001")).path());
        assert!(said.contains("kiosk.toml:1: store: 'S 001'"), "{said}");
        let said = refusal(folder(&format!("{GOOD}[receipt]\npage_url = \"http://shop.example/\"\n")).path());
        assert!(said.contains("kiosk.toml:17: receipt.page_url: 'http://shop.example/' is no address"), "{said}");
        let said = refusal(folder(&GOOD.replace("idle_s = 30", "idle_s = 3600")).path());
        assert!(said.contains("kiosk.toml:15: session.idle_s: 3600"), "{said}");
        let said = refusal(folder(&GOOD.replace("d75a98", "zz5a98")).path());
        assert!(said.contains("kiosk.toml:9: cem.profile_keys: `public` of 'a'"), "{said}");
    }
}
