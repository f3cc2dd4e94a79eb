//! Tells systemd that this process lives (`sd_notify(3)`, `WatchdogSec=`).

use std::{
    env,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    time::{Duration, Instant},
};

/// Feeds systemd's watchdog; where there is none, does nothing.
#[derive(Debug)]
pub(crate) struct Watchdog {
    systemd: Option<(UnixDatagram, SocketAddr)>,
    every: Duration,
    fed: Option<Instant>,
}

impl Watchdog {
    /// As `NOTIFY_SOCKET` and `WATCHDOG_USEC` say.
    pub(crate) fn from_environment() -> Self {
        let address = env::var_os("NOTIFY_SOCKET").and_then(|path| {
            let bytes = path.as_encoded_bytes();
            match bytes.strip_prefix(b"@") {
                Some(name) => SocketAddr::from_abstract_name(name).ok(),
                None => SocketAddr::from_pathname(&path).ok(),
            }
        });
        let limit = env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok()).map(Duration::from_micros);
        Self {
            systemd: address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address))),
            // Four times as often as needed.
            every: limit.unwrap_or(Duration::from_secs(2)) / 4,
            fed: None,
        }
    }

    /// Everything that is needed is there.
    pub(crate) fn ready(&mut self) {
        self.say(b"READY=1");
    }

    /// Called between two bounded calls, and nowhere else.
    pub(crate) fn feed(&mut self) {
        if self.fed.is_none_or(|at| at.elapsed() >= self.every) {
            self.fed = Some(Instant::now());
            self.say(b"WATCHDOG=1");
        }
    }

    fn say(&self, text: &[u8]) {
        if let Some((socket, address)) = &self.systemd {
            // A message that systemd does not get is its own alarm.
            let _ = socket.send_to_addr(text, address);
        }
    }
}
