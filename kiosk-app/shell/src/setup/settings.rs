//! `first-start.toml`: where the first start puts what it learns, and how this board is built.

use crate::config::read_strict;
use anyhow::Result;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What the first start knows of this machine.
///
/// ```toml
/// config = "/var/lib/cem/kiosk/kiosk.toml"     # written at the end; while it is missing, this is the first start
/// data = "/var/lib/cem/kiosk"
/// board = "/etc/cem/board.toml"
/// content = "/usr/share/cem/shop"
/// backend = "https://cem.example"              # may be left out: then it is asked for
/// zones = ["Europe/Berlin", "Europe/London"]   # offered, the first one in force
///
/// [agent]
/// ask = "/run/cem-agent/ask"
/// wake = "/run/cem-agent/wake"
/// agent_db = "/var/lib/cem/agent/agent.db"
/// answer = "/run/cem-kiosk/answer"
/// users = ["cem-agent"]
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstStart {
    /// The kiosk's own file, to be written.
    pub config: PathBuf,
    /// Folder of the kiosk's data.
    pub data: PathBuf,
    /// The board-config.
    pub board: PathBuf,
    /// The shop's content until the shop's own arrives.
    pub content: PathBuf,
    /// Address of the backend, empty where it is asked for.
    #[serde(default)]
    pub backend: String,
    /// Time zones that are offered.
    #[serde(default = "zones")]
    pub zones: Vec<String>,
    /// The sync agent's places.
    pub agent: AgentPlaces,
    /// The shop's proxy, as a person typed it, with its scheme; empty for none.
    #[serde(skip)]
    pub proxy: String,
    /// Degrees that a person turned the picture by.
    #[serde(skip)]
    pub rotation: Option<u16>,
}

/// Where the sync agent is met, as in `kiosk.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct AgentPlaces {
    pub ask: PathBuf,
    pub wake: PathBuf,
    pub agent_db: PathBuf,
    pub answer: PathBuf,
    #[serde(default)]
    pub users: Vec<String>,
}

fn zones() -> Vec<String> {
    let common = [
        "Europe/Berlin",
        "Europe/London",
        "Europe/Lisbon",
        "Europe/Athens",
        "Europe/Istanbul",
        "Europe/Moscow",
        "Asia/Tbilisi",
        "Asia/Dubai",
        "Asia/Almaty",
        "Asia/Bangkok",
        "Asia/Tokyo",
        "Australia/Sydney",
        "America/New_York",
        "America/Chicago",
        "America/Denver",
        "America/Los_Angeles",
        "America/Sao_Paulo",
    ];
    common.map(str::to_owned).to_vec()
}

impl FirstStart {
    /// Takes the proxy that a person typed: `proxy:3128` will do.
    pub(super) fn set_proxy(&mut self, typed: &str) {
        let typed = typed.trim();
        let bare = !typed.is_empty() && !typed.contains("://");
        self.proxy = if bare { format!("http://{typed}") } else { typed.to_owned() };
    }

    /// What has to answer before the backend can: the proxy, where there is one.
    pub(super) fn first_hop(&self) -> &str {
        if self.proxy.is_empty() { &self.backend } else { &self.proxy }
    }

    /// Reads and checks the file. Relative paths start at its folder.
    ///
    /// # Errors
    /// A sentence that names file, line and key.
    pub fn load(path: &Path) -> Result<Self> {
        let (_, mut read) = read_strict::<Self>(path)?;
        let from = path.parent().unwrap_or(Path::new(""));
        let places = [&mut read.config, &mut read.data, &mut read.board, &mut read.content];
        let agent = &mut read.agent;
        for place in places.into_iter().chain([&mut agent.ask, &mut agent.wake, &mut agent.agent_db, &mut agent.answer]) {
            *place = from.join(&*place);
        }
        Ok(read)
    }
}
