//! What a service person reads of this kiosk: nothing of a guest is in it.

use super::StaffDoor;
use crate::logs;
use edge_db::LogReader;
use kiosk_core::desk::ServiceFacts;
use std::{
    fs,
    net::UdpSocket,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// Lines of the log that are shown.
const LINES: usize = 40;
/// An address to be routed to, of those kept for documentation (RFC 5737): nothing is sent.
const SOMEWHERE: &str = "192.0.2.1:9";

impl StaffDoor {
    /// Looks at both files, the disk and the network; a few milliseconds.
    pub(crate) fn facts(&self) -> ServiceFacts {
        let (unsent, oldest_s) = self.queue().unzip();
        let keys = self.ring.now();
        ServiceFacts {
            software: env!("CARGO_PKG_VERSION").to_owned(),
            host: fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default(),
            address: own_address(),
            unsent,
            oldest_s: oldest_s.flatten(),
            key_version: keys.tenant.first().map(|key| key.version),
            roster_version: self.roster().map(|roster| roster.version),
            disk_free_mib: disk_free_mib(&self.file),
            log: logs::newest(LINES),
            seen: Vec::new(),
        }
    }

    /// How many events the backend lacks, and the age of the oldest in seconds.
    fn queue(&self) -> Option<(u64, Option<u64>)> {
        let (agent_db, _) = self.agent.as_ref()?;
        let marks = edge_db::watermarks(agent_db).ok()?;
        let reader = LogReader::open(self.file.with_file_name("kiosk.db")).ok()??;
        let (mut unsent, mut oldest) = (0, None);
        for info in reader.logs().ok()? {
            let mark = marks.iter().find(|mark| mark.log == info.log && mark.source == info.source).map_or(0, |mark| mark.up_to);
            let settled = mark.max(info.first.saturating_sub(1)).min(info.head);
            unsent += info.head.saturating_sub(settled);
            if info.head > settled {
                let first = reader.after(info.log, settled, 1, 1).ok()?.rows.first().map(|row| row.recorded_ms);
                oldest = [oldest, first].into_iter().flatten().min();
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_millis()).ok());
        let age = now.zip(oldest).and_then(|(now, oldest)| u64::try_from((now - oldest) / 1_000).ok());
        Some((unsent, age))
    }
}

/// The address that this machine would send from.
fn own_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect(SOMEWHERE).ok()?;
    Some(socket.local_addr().ok()?.ip().to_string())
}

fn disk_free_mib(beside: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(beside.parent()?).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize) >> 20)
}
