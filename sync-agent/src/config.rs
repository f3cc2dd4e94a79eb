//! `agent.toml`: read once at start, strictly. Every key but a few has a default that suits a shop.
//!
//! ```toml
//! outbox = "/var/lib/cem/kiosk.db"         # the kiosk's file, opened read-only; may not exist yet
//! state  = "/var/lib/cem/agent.db"         # the agent's own file
//! source = "/stores/s-001/devices/k-01"    # what the backend calls this device
//!
//! [backend]
//! url        = "https://cem.example"
//! token_file = "/etc/cem/token"            # read again after every 401 and 403
//! proxy      = "http://proxy:3128"         # on the way to it and to mirrors; left out: none
//!
//! [retry]                                  # all optional, defaults shown
//! base_ms  = 200      # first delay is drawn from 0..base_ms, doubling after each failure
//! cap_ms   = 30000    # no delay is drawn from more than this
//! budget   = 10       # retries a minute before every delay becomes a long one
//! spread_s = 600      # after a long outage the first upload waits 0..min(spread_s, outage / 8)
//!
//! [batch]
//! max_events = 500
//! max_bytes  = 1048576
//! gather_ms  = 20     # how long a lone event waits for company
//! pipeline   = 6      # requests on their way at once
//!
//! [link]              # sockets between the processes of one device
//! wake    = "…"       # default: the outbox with `.wake` added
//! ask     = "…"       # default: the outbox with `.ask` added
//! kiosk   = "…"       # default: the outbox with `.kiosk` added
//! uids    = []        # users beside the agent's own who may ask, by number
//! users   = []        # the same by name: ["cem-kiosk"] where processes have users of their own
//! control = "…"       # default: the state file with `.ctl` added
//!
//! [enrol]             # instead of `source` and `token_file`: the device gets them for a one-time code
//! folder = "/var/lib/cem/enrolment"   # what it was given, sealed
//! file   = "/etc/cem/enrol.toml"      # hands-off: the code in a file, deleted once it was used
//! seal   = "auto"                     # systemd-creds where it works; "file": only ever files of mode 0600
//!
//! [[mirror]]          # any number
//! name = "lake"
//! kind = "cloudevents"             # or unomi, segment
//! url = "https://lake.example/in"
//! secret_file = "/etc/cem/lake"    # bearer token, Unomi peer key, or Segment write key
//! marker = "accepted"              # cloudevents: text that a true answer contains
//! ```
//!
//! Relative paths count from the folder that holds the configuration file.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::enrol::vault::Seal;
use crate::tls::{Identity, proxy_address};

/// The largest configuration file that is read at all, in bytes.
pub const MAX_CONFIG_BYTES: u64 = 256 * 1024;

/// A whole `agent.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The kiosk's file; it may appear later.
    pub outbox: PathBuf,
    /// The agent's own file; made when missing.
    pub state: PathBuf,
    /// The CloudEvents `source` of this device; given by enrolment where there is a table `[enrol]`.
    #[serde(default)]
    pub source: String,
    /// Where events go.
    #[serde(default)]
    pub backend: Backend,
    /// How this device is given what it is not configured with.
    #[serde(default)]
    pub enrol: Option<Enrol>,
    /// When to try again.
    #[serde(default)]
    pub retry: Retry,
    /// How events are grouped.
    #[serde(default)]
    pub batch: Batch,
    /// Sockets between this device's processes.
    #[serde(default)]
    pub link: Link,
    /// The visitor cache.
    #[serde(default)]
    pub visitors: Visitors,
    /// What this device tells about itself.
    #[serde(default)]
    pub report: Report,
    /// Further receivers of the same events; none of them delays the backend.
    #[serde(default)]
    pub mirror: Vec<Mirror>,
}

/// The one primary backend.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// Base address, for example `https://cem.example`; a path prefix is kept. With `[enrol]`: the one to ask where a person
    /// types none.
    #[serde(default)]
    pub url: String,
    /// A file that holds the device token and nothing else.
    #[serde(default)]
    pub token_file: PathBuf,
    /// The proxy on the way to it and to mirrors; empty for none. With `[enrol]`: the one for a device whose person types none.
    #[serde(default)]
    pub proxy: String,
    /// What an enrolled device shows of itself.
    #[serde(skip)]
    pub identity: Option<Identity>,
    /// Sends the token without TLS to another machine. For laboratories.
    #[serde(default)]
    pub dangerous_plain_http: bool,
    /// A request without an answer after this many milliseconds has an unknown outcome.
    #[serde(default = "defaults::timeout_ms")]
    pub timeout_ms: u64,
    /// How long a connection may take to come up, in milliseconds.
    #[serde(default = "defaults::connect_timeout_ms")]
    pub connect_timeout_ms: u64,
}

impl Default for Backend {
    fn default() -> Backend {
        Backend {
            url: String::new(),
            token_file: PathBuf::new(),
            proxy: String::new(),
            identity: None,
            dangerous_plain_http: false,
            timeout_ms: defaults::timeout_ms(),
            connect_timeout_ms: defaults::connect_timeout_ms(),
        }
    }
}

/// How this device is given what it is not configured with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrol {
    /// What it was given; made when missing.
    pub folder: PathBuf,
    /// Where a code may lie for a hands-off install.
    #[serde(default = "defaults::enrol_file")]
    pub file: PathBuf,
    /// How secrets are kept.
    #[serde(default)]
    pub seal: Seal,
}

/// When to try again.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Upper end of the first delay, in milliseconds.
    pub base_ms: u64,
    /// Upper end of any delay, in milliseconds.
    pub cap_ms: u64,
    /// Retries a minute that may use a short delay.
    pub budget: u32,
    /// Upper end of the wait of the first upload after a long outage, in seconds.
    pub spread_s: u64,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { base_ms: 200, cap_ms: 30_000, budget: 10, spread_s: 600 }
    }
}

/// How events are grouped.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batch {
    /// Events a request, at most 1,000.
    pub max_events: usize,
    /// Bytes a request before compression, at most 2 MiB.
    pub max_bytes: usize,
    /// How long a lone event waits for company, in milliseconds.
    pub gather_ms: u64,
    /// Requests on their way at once.
    pub pipeline: usize,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch { max_events: 500, max_bytes: 1024 * 1024, gather_ms: 20, pipeline: 6 }
    }
}

/// Sockets between this device's processes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Link {
    /// Datagrams of the kiosk that say 'something was committed'.
    pub wake: Option<PathBuf>,
    /// Questions of the kiosk.
    pub ask: Option<PathBuf>,
    /// Questions to the kiosk: forget a visitor, open a new log.
    pub kiosk: Option<PathBuf>,
    /// Users beside the agent's own who may ask, by number.
    pub uids: Vec<u32>,
    /// The same, by name.
    pub users: Vec<String>,
    /// Commands of `sync-agent` itself to the running agent.
    pub control: Option<PathBuf>,
}

/// The visitor cache.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Visitors {
    /// Seconds between two looks at the store's changes and the erasure list; 0: never.
    pub refresh_s: u64,
    /// Milliseconds the backend has to say who a card is.
    pub resolve_ms: u64,
    /// Seconds during which a cached profile is answered without asking the backend.
    pub fresh_s: u64,
}

impl Default for Visitors {
    fn default() -> Visitors {
        Visitors { refresh_s: 60, resolve_ms: 250, fresh_s: 600 }
    }
}

/// What this device tells about itself.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    /// Seconds between two status reports; 0: never.
    pub status_s: u64,
    /// Seconds between two `cem.device.health.v1` events; 0: never.
    pub health_s: u64,
    /// Seconds between two samples of the backend's clock; 0: never.
    pub clock_s: u64,
}

impl Default for Report {
    fn default() -> Report {
        Report { status_s: 60, health_s: 0, clock_s: 3600 }
    }
}

/// A further receiver of the same events.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    /// Names its watermark; letters, digits, `-` and `_`.
    pub name: String,
    /// What it speaks.
    pub kind: MirrorKind,
    /// The whole address for a CloudEvents receiver, the base address for the others.
    pub url: String,
    /// Bearer token (cloudevents), private key (unomi) or write key (segment).
    pub secret_file: Option<PathBuf>,
    /// `user:password` that may register event types (unomi).
    pub admin_file: Option<PathBuf>,
    /// Text that a true answer of a CloudEvents receiver contains; captive portals answer 200 too.
    pub marker: Option<String>,
    /// Unomi's scope.
    pub scope: Option<String>,
    /// See [`Backend::dangerous_plain_http`].
    #[serde(default)]
    pub dangerous_plain_http: bool,
}

/// What a mirror speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MirrorKind {
    /// CloudEvents 1.0, HTTP batched mode.
    Cloudevents,
    /// Apache Unomi's event collector.
    Unomi,
    /// The Segment protocol (Segment, RudderStack).
    Segment,
}

mod defaults {
    use std::path::PathBuf;

    pub(super) fn enrol_file() -> PathBuf {
        PathBuf::from("/etc/cem/enrol.toml")
    }
    pub(super) fn timeout_ms() -> u64 {
        30_000
    }
    pub(super) fn connect_timeout_ms() -> u64 {
        5_000
    }
}

/// Why a configuration was refused: file, line where there is one, and what to do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub struct ConfigError {
    file: PathBuf,
    line: Option<usize>,
    message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl Config {
    /// Reads and checks a file, and makes its relative paths absolute.
    ///
    /// # Errors
    /// [`ConfigError`] names the file, the line, the key and the cure.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let error = |message: String| ConfigError { file: path.to_owned(), line: None, message };
        let size =
            std::fs::metadata(path).map_err(|e| error(format!("cannot be read ({e}); give --config a readable file")))?.len();
        if size > MAX_CONFIG_BYTES {
            return Err(error(format!("is {size} bytes long; a configuration is at most {MAX_CONFIG_BYTES}")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| error(format!("cannot be read: {e}")))?;
        Config::parse(&text, path)
    }

    /// Checks the text of a configuration that was read from `path`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
        let mut config: Config = toml::from_str(text).map_err(|e| {
            let line = e.span().map(|span| line_of(text, span.start));
            let shown = line.and_then(|n| text.lines().nth(n - 1)).map(str::trim).filter(|l| !l.is_empty());
            let within = shown.map(|l| format!(" (at `{}`)", l.chars().take(80).collect::<String>())).unwrap_or_default();
            ConfigError { file: path.to_owned(), line, message: format!("{}{within}", e.message().trim()) }
        })?;
        config.check().map_err(|(key, message)| ConfigError {
            file: path.to_owned(),
            line: line_of_key(text, key),
            message: format!("`{key}` {message}"),
        })?;
        config.resolve_paths(path.parent().unwrap_or(Path::new(".")));
        Ok(config)
    }

    /// The store in `source`, when it has the form `/stores/<store>/devices/<device>`.
    #[must_use]
    pub fn store(&self) -> Option<&str> {
        self.place().map(|(store, _)| store)
    }

    /// The device in `source`, when it has the form `/stores/<store>/devices/<device>`.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        self.place().map(|(_, device)| device)
    }

    /// Where the kiosk's wake-up datagrams arrive.
    #[must_use]
    pub fn wake_path(&self) -> PathBuf {
        self.link.wake.clone().unwrap_or_else(|| with_added(&self.outbox, ".wake"))
    }

    /// Where the kiosk's questions arrive.
    #[must_use]
    pub fn ask_path(&self) -> PathBuf {
        self.link.ask.clone().unwrap_or_else(|| with_added(&self.outbox, ".ask"))
    }

    /// Where the kiosk answers the agent's questions.
    #[must_use]
    pub fn kiosk_path(&self) -> PathBuf {
        self.link.kiosk.clone().unwrap_or_else(|| with_added(&self.outbox, ".kiosk"))
    }

    /// Where the commands of other `sync-agent` processes arrive.
    #[must_use]
    pub fn control_path(&self) -> PathBuf {
        self.link.control.clone().unwrap_or_else(|| with_added(&self.state, ".ctl"))
    }

    fn place(&self) -> Option<(&str, &str)> {
        let rest = self.source.strip_prefix("/stores/")?;
        let (store, rest) = rest.split_once('/')?;
        let device = rest.strip_prefix("devices/")?;
        (!store.is_empty() && !device.is_empty() && !device.contains('/')).then_some((store, device))
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        if self.enrol.is_none() {
            return self.check_complete();
        }
        if !self.source.is_empty() {
            return Err(("source", "is given by enrolment: leave it out, or leave the table `enrol` out".into()));
        }
        if !self.backend.token_file.as_os_str().is_empty() {
            return Err(("token_file", "is given by enrolment: leave it out, or leave the table `enrol` out".into()));
        }
        if !self.backend.url.is_empty() {
            check_url(&self.backend.url, self.backend.dangerous_plain_http).map_err(|m| ("url", m))?;
        }
        self.check_values()
    }

    /// The same of a configuration that says everything.
    pub(crate) fn check_complete(&self) -> Result<(), (&'static str, String)> {
        if self.source.is_empty() {
            return Err(("source", "is missing: say which device this is, or let it be enrolled by a table `enrol`".into()));
        }
        if !self.source.starts_with('/')
            || self.source.len() > 200
            || self.source.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            return Err(("source", "must look like `/stores/s-001/devices/k-01`".into()));
        }
        if self.backend.url.is_empty() {
            return Err(("url", "is missing: the backend's base address".into()));
        }
        check_url(&self.backend.url, self.backend.dangerous_plain_http).map_err(|m| ("url", m))?;
        if self.backend.token_file.as_os_str().is_empty() {
            return Err(("token_file", "is missing: the file that holds the device token".into()));
        }
        self.check_values()
    }

    fn check_values(&self) -> Result<(), (&'static str, String)> {
        proxy_address(&self.backend.proxy).map_err(|m| ("proxy", m))?;
        if self.outbox == self.state {
            return Err(("state", "is the same file as `outbox`; the agent must have a file of its own".into()));
        }
        range("max_events", self.batch.max_events as u64, 1, 1_000)?;
        range("max_bytes", self.batch.max_bytes as u64, 64 * 1024, 2 * 1024 * 1024)?;
        range("gather_ms", self.batch.gather_ms, 0, 1_000)?;
        range("pipeline", self.batch.pipeline as u64, 1, 32)?;
        range("base_ms", self.retry.base_ms, 1, 60_000)?;
        range("cap_ms", self.retry.cap_ms, self.retry.base_ms, 3_600_000)?;
        range("budget", u64::from(self.retry.budget), 1, 10_000)?;
        range("spread_s", self.retry.spread_s, 0, 86_400)?;
        range("timeout_ms", self.backend.timeout_ms, 1, 600_000)?;
        range("connect_timeout_ms", self.backend.connect_timeout_ms, 1, 60_000)?;
        range("resolve_ms", self.visitors.resolve_ms, 1, 10_000)?;
        self.mirror.iter().try_for_each(check_mirror)
    }

    fn resolve_paths(&mut self, folder: &Path) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let join = |path: &mut PathBuf| {
            if path.is_relative() {
                *path = folder.join(&*path);
            }
        };
        join(&mut self.outbox);
        join(&mut self.state);
        if !self.backend.token_file.as_os_str().is_empty() {
            join(&mut self.backend.token_file);
        }
        if let Some(enrol) = &mut self.enrol {
            join(&mut enrol.folder);
            join(&mut enrol.file);
        }
        [&mut self.link.wake, &mut self.link.ask, &mut self.link.kiosk, &mut self.link.control]
            .into_iter()
            .flatten()
            .for_each(join);
        self.mirror.iter_mut().flat_map(|m| [&mut m.secret_file, &mut m.admin_file]).flatten().for_each(join);
    }
}

/// Checks an address: https, or http to this machine, or http that was asked for by its dangerous name.
///
/// # Errors
/// A sentence that follows the key's name.
pub fn check_url(url: &str, dangerous_plain_http: bool) -> Result<(), String> {
    if url.starts_with("https://") {
        return Ok(());
    }
    let Some(rest) = url.strip_prefix("http://") else {
        return Err(format!("is `{url}`; it must start with https:// (or http:// for this machine)"));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("must not hold a user name; the token comes from a file".into());
    }
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if host.is_empty() {
        return Err(format!("is `{url}`, which names no host"));
    }
    if local || dangerous_plain_http {
        return Ok(());
    }
    Err(format!(
        "is `{url}`: without TLS only this machine may be addressed; use https, or `dangerous_plain_http = true` in a laboratory"
    ))
}

fn check_mirror(mirror: &Mirror) -> Result<(), (&'static str, String)> {
    let name_ok = !mirror.name.is_empty()
        && mirror.name.len() <= 40
        && mirror.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !name_ok {
        return Err(("name", "of a mirror is 1 to 40 letters, digits, `-` or `_`".into()));
    }
    check_url(&mirror.url, mirror.dangerous_plain_http).map_err(|m| ("url", format!("of mirror `{}` {m}", mirror.name)))?;
    if mirror.kind == MirrorKind::Cloudevents && mirror.marker.as_ref().is_none_or(String::is_empty) {
        return Err(("marker", format!("is missing in mirror `{}`: text that its true answer contains", mirror.name)));
    }
    if mirror.kind == MirrorKind::Segment && mirror.secret_file.is_none() {
        return Err(("secret_file", format!("is missing in mirror `{}`: the file with its write key", mirror.name)));
    }
    Ok(())
}

fn range(key: &'static str, value: u64, low: u64, high: u64) -> Result<(), (&'static str, String)> {
    if (low..=high).contains(&value) { Ok(()) } else { Err((key, format!("is {value}; it must be {low} to {high}"))) }
}

fn with_added(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1
}

fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let names = |line: &str| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
    text.lines().position(names).map(|n| n + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = "outbox = \"kiosk.db\"\nstate = \"agent.db\"\nsource = \"/stores/s-001/devices/k-01\"\n\
                        [backend]\nurl = \"http://127.0.0.1:8080\"\ntoken_file = \"/etc/token\"\n";

    fn refused(text: &str) -> String {
        Config::parse(text, Path::new("/etc/cem/agent.toml")).unwrap_err().to_string()
    }

    #[test]
    fn three_paths_a_source_and_a_backend_are_enough() {
        let config = Config::parse(GOOD, Path::new("/etc/cem/agent.toml")).unwrap();
        assert_eq!(config.outbox, Path::new("/etc/cem/kiosk.db"));
        assert_eq!(config.backend.token_file, Path::new("/etc/token"));
        assert_eq!(config.control_path(), Path::new("/etc/cem/agent.db.ctl"));
        assert_eq!((config.store(), config.device()), (Some("s-001"), Some("k-01")));
        assert_eq!((config.retry.cap_ms, config.batch.gather_ms), (30_000, 20));
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_file_line_and_key() {
        let text = refused(&format!("{GOOD}[retry]\nbase_mss = 3\n"));
        assert!(text.starts_with("/etc/cem/agent.toml:8: "), "{text}");
        assert!(text.contains("base_mss"), "{text}");
    }

    #[test]
    fn a_missing_key_and_a_wrong_type_are_named() {
        assert!(refused("outbox = \"a\"\nstate = \"b\"\n").contains("`source`"));
        let text = refused(&GOOD.replace("\"agent.db\"", "7"));
        assert!(text.contains("agent.toml:2: ") && text.contains("state = 7"), "{text}");
    }

    #[test]
    fn a_device_that_is_enrolled_is_not_told_who_it_is() {
        let text = "outbox = \"kiosk.db\"\nstate = \"agent.db\"\n[enrol]\nfolder = \"enrolment\"\n";
        let config = Config::parse(text, Path::new("/var/lib/cem/agent.toml")).unwrap();
        let enrol = config.enrol.clone().unwrap();
        assert_eq!(
            (enrol.folder.as_path(), enrol.file.as_path()),
            (Path::new("/var/lib/cem/enrolment"), Path::new("/etc/cem/enrol.toml"))
        );
        assert!(config.check_complete().is_err());
        assert!(
            refused(&format!("source = \"/stores/s/devices/k\"\n{text}"))
                .contains("agent.toml:1: `source` is given by enrolment")
        );
        assert!(refused(&GOOD.replace("token_file = \"/etc/token\"\n", "")).contains("`token_file` is missing"));
        assert!(refused(&GOOD.replace("url = \"http://127.0.0.1:8080\"\n", "")).contains("`url` is missing"));
    }

    #[test]
    fn values_out_of_range_name_their_line() {
        let text = refused(&format!("{GOOD}[batch]\npipeline = 0\n"));
        assert_eq!(text, "/etc/cem/agent.toml:8: `pipeline` is 0; it must be 1 to 32");
    }

    #[test]
    fn plain_http_leaves_this_machine_only_under_its_dangerous_name() {
        for good in ["https://cem.example", "http://localhost:1", "http://127.0.0.1:9/x", "http://[::1]:80"] {
            assert_eq!(check_url(good, false), Ok(()), "{good}");
        }
        for bad in ["http://cem.example", "http://127.0.0.1.evil.example", "http://localhost@evil.example", "ftp://x", "http://"]
        {
            assert!(check_url(bad, false).is_err(), "{bad}");
        }
        assert_eq!(check_url("http://cem.example", true), Ok(()));
    }

    #[test]
    fn a_mirror_that_could_believe_a_captive_portal_is_refused() {
        let mirror = "[[mirror]]\nname = \"lake\"\nkind = \"cloudevents\"\nurl = \"https://lake.example/in\"\n";
        assert!(refused(&format!("{GOOD}{mirror}")).contains("`marker` is missing"));
        assert!(Config::parse(&format!("{GOOD}{mirror}marker = \"ok\"\n"), Path::new("a")).is_ok());
    }
}
