//! What the device says about itself: the state of its queues, its status to the fleet, its health, its clock.

use std::path::Path;
use std::time::{Duration, Instant};

use cem_contract::enrol::Machine;
use cem_contract::{Acked, Commands, DeviceStatus, Resend, kinds, time};
use edge_db::{LogReader, ReadError, Watermark};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tracing::warn;
use uuid::Uuid;

use crate::commands::Orders;
use crate::config::Config;
use crate::enrol::Enrolled;
use crate::http::Client;
use crate::staff::Staff;
use crate::store::Store;
use crate::upload::Command;

/// One log of the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    /// Its source.
    pub source: String,
    /// Its id.
    pub log: Uuid,
    /// Everything up to this number is settled.
    pub watermark: u64,
    /// The highest number given.
    pub head: u64,
    /// When the first event above the watermark was recorded, milliseconds since 1970.
    pub oldest_ms: Option<i64>,
}

/// What is queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// All logs of both files.
    pub logs: Vec<LogState>,
    /// Events in quarantine, where it is known.
    pub quarantined: Option<u64>,
    /// When this was looked up, milliseconds since 1970.
    pub now_ms: i64,
}

impl Queue {
    /// Events that are not settled.
    #[must_use]
    pub fn depth(&self) -> u64 {
        self.logs.iter().map(|l| l.head.saturating_sub(l.watermark)).sum()
    }

    /// How far the logs of a source are settled.
    #[must_use]
    pub fn acked(&self, source: &str) -> Vec<Acked> {
        let ours = self.logs.iter().filter(|l| l.source == source && l.watermark > 0);
        ours.map(|l| Acked { log: l.log, sequence: l.watermark }).collect()
    }

    /// When the oldest of them was recorded, milliseconds since 1970.
    #[must_use]
    pub fn oldest_ms(&self) -> Option<i64> {
        self.logs.iter().filter_map(|l| l.oldest_ms).min()
    }

    /// Its age in seconds, 0 when there is none.
    #[must_use]
    pub fn oldest_s(&self) -> u64 {
        self.oldest_ms().map_or(0, |ms| u64::try_from((self.now_ms - ms) / 1_000).unwrap_or(0))
    }

    /// As `sync-agent status --json` prints it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let watermark: Map<String, Value> = self.logs.iter().map(|l| (l.log.to_string(), json!(l.watermark))).collect();
        let logs: Vec<Value> = self
            .logs
            .iter()
            .map(|l| json!({"source": l.source, "log": l.log, "watermark": l.watermark, "head": l.head, "depth": l.head.saturating_sub(l.watermark)}))
            .collect();
        json!({
            "depth": self.depth(),
            "oldest": self.oldest_ms().map(time::rfc3339),
            "oldest_unsent_s": self.oldest_s(),
            "quarantined": self.quarantined,
            "watermark": watermark,
            "logs": logs,
        })
    }
}

/// Looks at both files, read-only. Blocks for a few milliseconds.
///
/// # Errors
/// When a file is there and cannot be read.
pub fn queue(config: &Config, quarantined: Option<u64>) -> Result<Queue, ReadError> {
    let marks = edge_db::watermarks(&config.state)?;
    let mut logs = logs_of(&config.outbox, &marks)?;
    logs.extend(logs_of(&config.state, &marks)?);
    Ok(Queue { logs, quarantined, now_ms: crate::clock::now_ms() })
}

fn logs_of(path: &Path, marks: &[Watermark]) -> Result<Vec<LogState>, ReadError> {
    let Some(reader) = LogReader::open(path)? else { return Ok(Vec::new()) };
    let mut logs = Vec::new();
    for info in reader.logs()? {
        let mark = marks.iter().find(|m| m.log == info.log && m.source == info.source).map_or(0, |m| m.up_to);
        let watermark = mark.max(info.first.saturating_sub(1)).min(info.head);
        let oldest_ms = if info.head > watermark {
            reader.after(info.log, watermark, 1, 1)?.rows.first().map(|row| row.recorded_ms)
        } else {
            None
        };
        logs.push(LogState { source: info.source, log: info.log, watermark, head: info.head, oldest_ms });
    }
    Ok(logs)
}

/// What the reporting tasks share.
#[derive(Clone)]
pub struct Reporter {
    /// The configuration.
    pub config: std::sync::Arc<Config>,
    /// The agent's file.
    pub store: Store,
    /// The way to the backend.
    pub client: Client,
    /// When the process started.
    pub started: Instant,
    /// Of an enrolled device.
    pub fleet: Option<Fleet>,
}

/// What an enrolled device reports beside its queues, and who takes its commands.
#[derive(Clone)]
pub struct Fleet {
    /// What it holds.
    pub enrolled: std::sync::Arc<Enrolled>,
    /// The machine that it runs on.
    pub machine: Machine,
    /// Takes commands.
    pub orders: Orders,
    /// Who works here.
    pub staff: Staff,
}

impl Reporter {
    async fn status(&self) -> anyhow::Result<DeviceStatus> {
        Ok(DeviceStatus { acked: Vec::new(), ..self.status_and_acked().await? })
    }

    async fn status_and_acked(&self) -> anyhow::Result<DeviceStatus> {
        let (config, store) = (std::sync::Arc::clone(&self.config), self.store.clone());
        let queue = tokio::task::spawn_blocking(move || {
            let quarantined = store.raw().quarantine_count()?;
            queue(&config, Some(quarantined))
        })
        .await?;
        let queue = queue?;
        Ok(DeviceStatus {
            software_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            queue_depth: queue.depth(),
            oldest_unsent_s: queue.oldest_s(),
            quarantined: queue.quarantined.unwrap_or(0),
            acked: queue.acked(&self.config.source),
            clock: Some(crate::clock::quality(self.store.floor()).word().to_owned()),
            uptime_s: self.started.elapsed().as_secs(),
            disk_free_bytes: disk_free(&self.config.state),
            ..DeviceStatus::default()
        })
    }

    /// Posts the device's status again and again, and takes the commands that come back.
    ///
    /// # Errors
    /// When the agent's file fails; what cannot be told now is told next time.
    pub async fn post_status(self, device: String, every: Duration, upload: mpsc::Sender<Command>) -> anyhow::Result<()> {
        let mut ticks = ticks(every);
        loop {
            match &self.fleet {
                Some(fleet) => tokio::select! {
                    _ = ticks.tick() => {}
                    () = fleet.orders.report.notified() => {}
                },
                None => drop(ticks.tick().await),
            }
            // What came of commands is told at once.
            while self.post_one(&device, &upload).await? {}
        }
    }

    /// True when there is news already that the next one should tell.
    async fn post_one(&self, device: &str, upload: &mpsc::Sender<Command>) -> anyhow::Result<bool> {
        let mut status = match self.status_and_acked().await {
            Ok(status) => status,
            Err(error) => {
                warn!(%error, "the queue's state cannot be read");
                return Ok(false);
            }
        };
        if let Some(fleet) = &self.fleet {
            status.answers = fleet.orders.answers().await?;
            status.machine = Some(fleet.machine.clone());
            status.roster_version = fleet.staff.version();
            status.key_version = fleet.enrolled.key_version();
        }
        let path = format!("v1/devices/{}/status", crate::visitors::escape(device));
        let Ok(answer) = self.client.post_json(&path, serde_json::to_vec(&status)?, None).await else { return Ok(false) };
        let told = serde_json::from_slice::<Commands>(&answer.body);
        if let Ok(Commands { resend, .. }) = &told
            && answer.status == 200
        {
            ask_again(resend, &status.acked, upload);
        }
        let Some(fleet) = &self.fleet else { return Ok(false) };
        match told {
            Ok(Commands { commands, .. }) if answer.status == 200 => {
                fleet.orders.told(&status.answers).await?;
                fleet.orders.take(commands).await
            }
            _ => {
                fleet.orders.turned_away(&answer).await?;
                Ok(false)
            }
        }
    }

    /// Records `cem.device.health.v1` again and again.
    ///
    /// # Errors
    /// When the agent's file fails.
    pub async fn record_health(self, every: Duration) -> anyhow::Result<()> {
        let mut ticks = ticks(every);
        loop {
            ticks.tick().await;
            match self.status().await {
                Ok(status) => self.store.record(kinds::DEVICE_HEALTH, serde_json::to_value(status)?).await?,
                Err(error) => warn!(%error, "the queue's state cannot be read"),
            }
        }
    }

    /// Raises the clock's floor with every date of the backend, and records a sample of its clock at most every
    /// `every` (never when zero).
    ///
    /// # Errors
    /// When the agent's file fails.
    pub async fn watch_clock(self, every: Duration, mut dates: mpsc::Receiver<(i64, u64)>) -> anyhow::Result<()> {
        let mut last: Option<Instant> = None;
        while let Some((date_ms, round_trip_ms)) = dates.recv().await {
            self.store.raise_floor(date_ms).await?;
            if every.is_zero() || last.is_some_and(|at| at.elapsed() < every) {
                continue;
            }
            last = Some(Instant::now());
            let data = json!({
                "boot": self.store.origin().boot,
                "uptime": time::uptime(crate::clock::uptime_ms()),
                "backend_time": time::rfc3339(date_ms),
                "round_trip_ms": round_trip_ms,
            });
            self.store.record(kinds::DEVICE_CLOCK_SAMPLED, data).await?;
        }
        std::future::pending().await
    }

    /// Retention and checkpoints of the agent's own file.
    ///
    /// # Errors
    /// When the agent's file fails.
    pub async fn keep_house(self, every: Duration) -> anyhow::Result<()> {
        let mut ticks = ticks(every);
        loop {
            ticks.tick().await;
            self.store.housekeep().await?;
        }
    }
}

/// Hands on what the backend has lost. Where too much waits already, it asks for the rest next time.
fn ask_again(resend: &[Resend], acked: &[Acked], upload: &mpsc::Sender<Command>) {
    for Resend { source, log, from, to } in resend {
        warn!(%log, from, to, "the backend has lost events and asks for them");
        let settled = acked.iter().find(|acked| acked.log == *log).map_or(0, |acked| acked.sequence);
        let _ = upload.try_send(Command::Resend { source: source.clone(), log: *log, from: *from, to: *to, settled });
    }
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks
}

fn disk_free(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path.parent()?).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_and_age_count_what_is_above_the_watermarks() {
        let log = |n: u128, watermark, head, oldest_ms| LogState {
            source: "/s".into(),
            log: Uuid::from_u128(n),
            watermark,
            head,
            oldest_ms,
        };
        let queue = Queue {
            logs: vec![log(1, 5, 9, Some(60_000)), log(2, 3, 3, None), log(3, 0, 2, Some(50_000))],
            quarantined: Some(1),
            now_ms: 110_500,
        };
        assert_eq!((queue.depth(), queue.oldest_s()), (6, 60));
        let json = queue.to_json();
        assert_eq!((&json["depth"], &json["quarantined"]), (&json!(6), &json!(1)));
        assert_eq!(json["watermark"][Uuid::from_u128(1).to_string()], json!(5));
        assert_eq!(json["oldest"], "1970-01-01T00:00:50.000Z");
    }

    #[test]
    fn an_empty_queue_has_no_oldest() {
        let queue = Queue { logs: Vec::new(), quarantined: None, now_ms: 5 };
        assert_eq!((queue.depth(), queue.oldest_ms(), queue.oldest_s()), (0, None, 0));
        assert_eq!(queue.to_json()["oldest"], Value::Null);
    }
}
