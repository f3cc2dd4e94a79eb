//! What the fleet tells this device to do. A command is believed by its signature, carried out until it expires, and once:
//! its id is on disk before anything is done. What became of it goes with the next status.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cem_contract::enrol::KEY_COMMANDS;
use cem_contract::{Command, CommandAnswer, CommandKind, CommandOutcome, CommandRefused, Problem, kinds, time};
use edge_db::link::{Ask, AskClient, AskError};
use serde_json::json;
use tokio::sync::Notify;
use tracing::{info, warn};
use uuid::Uuid;

use crate::config::Config;
use crate::enrol::Enrolled;
use crate::http::{Answer, Client};
use crate::store::Store;
use crate::visitors::escape;

/// How long the kiosk may take for something small.
const KIOSK_BUDGET: Duration = Duration::from_secs(2);
/// How long the log reader may take.
const LOGS_BUDGET: Duration = Duration::from_secs(20);
/// The end of a log that is sent; pictures may be as long.
const BODY_BYTES: usize = 1024 * 1024;
/// Ids remembered: a command that is older has expired.
const REMEMBERED: usize = 500;
/// Between two looks whether a device that is to be retired has sent everything.
const RETIRE_LOOK: Duration = Duration::from_secs(2);
const DONE: &str = "commands.done";
const ANSWERS: &str = "commands.answers";
const RETIRING: &str = "commands.retiring";
const RETIRED_BY: &str = "commands.retired_by";

/// How the process is to end, once it is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Start again.
    Restart,
    /// Everything is sent, or does not matter any more: wipe.
    Wipe,
}

/// Carries commands out. Clones share it.
#[derive(Clone)]
pub struct Orders {
    config: Arc<Config>,
    enrolled: Arc<Enrolled>,
    store: Store,
    client: Client,
    end: tokio::sync::mpsc::Sender<End>,
    retire: Arc<Notify>,
    /// Held while the list of answers is read and written: several tasks do.
    answering: Arc<tokio::sync::Mutex<()>>,
    /// There is something to tell that should not wait for the next status.
    pub(crate) report: Arc<Notify>,
}

impl Orders {
    /// `end` hears how the process is to end.
    #[must_use]
    pub fn new(
        config: Arc<Config>,
        enrolled: Arc<Enrolled>,
        store: Store,
        client: Client,
        end: tokio::sync::mpsc::Sender<End>,
    ) -> Orders {
        Orders { config, enrolled, store, client, end, retire: Arc::default(), answering: Arc::default(), report: Arc::default() }
    }

    /// What became of commands, not told yet.
    ///
    /// # Errors
    /// When the agent's file fails.
    pub async fn answers(&self) -> anyhow::Result<Vec<CommandAnswer>> {
        Ok(self.store.note(ANSWERS).await?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// These were told.
    ///
    /// # Errors
    /// When the agent's file fails.
    pub async fn told(&self, told: &[CommandAnswer]) -> anyhow::Result<()> {
        if told.is_empty() {
            return Ok(());
        }
        {
            let _held = self.answering.lock().await;
            let mut left = self.answers().await?;
            left.retain(|answer| !told.contains(answer));
            self.store.set_note(ANSWERS, serde_json::to_string(&left)?).await?;
        }
        self.wipe_if_told(told).await
    }

    /// Carries commands out, oldest first. True when there is something to tell.
    ///
    /// # Errors
    /// When the agent's file fails.
    pub async fn take(&self, commands: Vec<Command>) -> anyhow::Result<bool> {
        let mut news = false;
        for command in commands {
            let Some(kind) = self.admit(&command, true).await? else { continue };
            news = true;
            let (outcome, detail) = self.carry_out(kind, command.id).await?;
            info!(command = %command.id, kind = kind.word(), ?outcome, "a command");
            self.answer(command.id, outcome, detail).await?;
        }
        Ok(news)
    }

    /// A request was turned away. The backend may say, signed, what a device does that may not do anything any more; there is
    /// nobody to answer.
    ///
    /// # Errors
    /// When the agent's file fails.
    pub async fn turned_away(&self, answer: &Answer) -> anyhow::Result<()> {
        if answer.status != 401 {
            return Ok(());
        }
        let problem = serde_json::from_slice::<Problem>(&answer.body).ok();
        let command = problem.and_then(|mut problem| problem.extra.remove("command"));
        let Some(command) = command.and_then(|command| serde_json::from_value::<Command>(command).ok()) else { return Ok(()) };
        if command.kind == CommandKind::Lock.word() && self.store.raw().locked().unwrap_or(false) {
            return Ok(());
        }
        match self.admit(&command, false).await? {
            Some(kind) => {
                let (outcome, _) = self.carry_out(kind, command.id).await?;
                warn!(kind = kind.word(), ?outcome, "the backend turned this device away");
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether a command is to be carried out now; it is written down that it was.
    async fn admit(&self, command: &Command, tell: bool) -> anyhow::Result<Option<CommandKind>> {
        let enrolment = self.enrolled.enrolment();
        let keys = enrolment.trust_root.keys_for(KEY_COMMANDS);
        let verified = command.verify(&enrolment.config.source, &keys, self.store.floor().now_ms());
        let mut done: VecDeque<Uuid> =
            self.store.note(DONE).await?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        if done.contains(&command.id) {
            return Ok(None);
        }
        done.push_back(command.id);
        if done.len() > REMEMBERED {
            done.pop_front();
        }
        match verified {
            // Not by the fleet: who sent it learns nothing, and its id may still come signed.
            Err(CommandRefused::Envelope(error)) => {
                warn!(command = %command.id, %error, "a command is not believed");
                let data = json!({"alarm": "command_not_believed", "detail": error.to_string(), "by": "sync-agent"});
                self.store.record(kinds::DEVICE_ALARM, data).await?;
                Ok(None)
            }
            Err(refused) => {
                self.store.set_note(DONE, serde_json::to_string(&done)?).await?;
                if tell {
                    self.answer(command.id, CommandOutcome::Refused, Some(refused.to_string())).await?;
                }
                Ok(None)
            }
            Ok(kind) => {
                self.store.set_note(DONE, serde_json::to_string(&done)?).await?;
                Ok(Some(kind.into_inner()))
            }
        }
    }

    async fn answer(&self, id: Uuid, outcome: CommandOutcome, detail: Option<String>) -> anyhow::Result<()> {
        let _held = self.answering.lock().await;
        let mut answers = self.answers().await?;
        // What was ended while it was being started stays ended.
        if outcome == CommandOutcome::Started && answers.iter().any(|known| known.id == id && known.outcome != outcome) {
            return Ok(());
        }
        answers.retain(|answer| answer.id != id);
        answers.push(CommandAnswer { id, outcome, detail, at: time::rfc3339(self.store.floor().now_ms()) });
        self.store.set_note(ANSWERS, serde_json::to_string(&answers)?).await
    }

    async fn carry_out(&self, kind: CommandKind, id: Uuid) -> anyhow::Result<(CommandOutcome, Option<String>)> {
        let tried = match kind {
            CommandKind::Lock => return self.lock(true).await,
            CommandKind::Unlock => return self.lock(false).await,
            CommandKind::Identify => self.ask_kiosk(Ask::Identify).await,
            CommandKind::Logs => self.send_logs(id).await,
            CommandKind::Screenshot => self.send_screenshot(id).await,
            CommandKind::Restart => {
                // The kiosk may be what hangs: systemd ends it then.
                let kiosk = self.ask_kiosk(Ask::Restart).await;
                let _ = self.end.try_send(End::Restart);
                return Ok((CommandOutcome::Done, kiosk.err().map(|error| format!("the kiosk did not answer: {error:#}"))));
            }
            CommandKind::Retire => {
                self.store.set_note(RETIRING, id.to_string()).await?;
                self.retire.notify_one();
                return Ok((CommandOutcome::Started, None));
            }
            CommandKind::RetireNow => {
                let _ = self.end.try_send(End::Wipe);
                return Ok((CommandOutcome::Started, None));
            }
        };
        Ok(match tried {
            Ok(()) => (CommandOutcome::Done, None),
            Err(error) => (CommandOutcome::Failed, Some(format!("{error:#}"))),
        })
    }

    /// On disk first: the kiosk reads it there when it starts.
    async fn lock(&self, locked: bool) -> anyhow::Result<(CommandOutcome, Option<String>)> {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || store.raw().set_locked(locked)).await??;
        let told = self.ask_kiosk(Ask::Lock { locked }).await;
        Ok((CommandOutcome::Done, told.err().map(|error| format!("the kiosk hears of it when it starts: {error:#}"))))
    }

    async fn ask_kiosk(&self, ask: Ask) -> anyhow::Result<()> {
        let path = self.config.kiosk_path();
        let answer = tokio::task::spawn_blocking(move || AskClient::new(path).ask(&ask, KIOSK_BUDGET)).await??;
        match answer {
            edge_db::link::Answer::Done => Ok(()),
            edge_db::link::Answer::Refused { why } => anyhow::bail!(why),
            _ => anyhow::bail!("the kiosk cannot do that now"),
        }
    }

    async fn send_logs(&self, id: Uuid) -> anyhow::Result<()> {
        let mut command = tokio::process::Command::new("journalctl");
        command.args(["--unit=cem-*", "--lines=5000", "--no-pager", "--output=short-iso", "--boot=all"]).kill_on_drop(true);
        let output = tokio::time::timeout(LOGS_BUDGET, command.output()).await??;
        anyhow::ensure!(output.status.success(), "journalctl failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        let from = output.stdout.len().saturating_sub(BODY_BYTES);
        self.send(id, "text/plain", output.stdout[from..].to_vec()).await
    }

    async fn send_screenshot(&self, id: Uuid) -> anyhow::Result<()> {
        let folder = self.config.kiosk_path().parent().map(PathBuf::from).unwrap_or_default();
        let path = folder.join(format!("screen-{id}.png"));
        let made = self.ask_kiosk(Ask::Screenshot { path: path.clone() }).await;
        let picture = tokio::fs::read(&path).await;
        let _ = tokio::fs::remove_file(&path).await;
        made?;
        let picture = picture?;
        anyhow::ensure!(picture.len() <= BODY_BYTES, "the picture has {} bytes, too many to be sent", picture.len());
        self.send(id, "image/png", picture).await
    }

    async fn send(&self, id: Uuid, content_type: &'static str, body: Vec<u8>) -> anyhow::Result<()> {
        let device = self.enrolled.enrolment().config.device;
        let path = format!("v1/devices/{}/logs?command={id}", escape(&device));
        let answer = self.client.post_bytes(&path, content_type, body).await?;
        anyhow::ensure!(answer.status == 204, "the backend answered {}", answer.status);
        Ok(())
    }

    /// Retires this device once it is told to, now or before the last start: no new sale, everything sent, told, then wiped.
    ///
    /// # Errors
    /// When the agent's file fails.
    pub async fn retire(self) -> anyhow::Result<()> {
        let mut said = None;
        loop {
            if let Some(id) = self.store.note(RETIRING).await?.and_then(|text| text.parse::<Uuid>().ok()) {
                let keeps = self.keeps_from_retiring().await?;
                if keeps.is_none() {
                    info!("everything is sent: this device is retired");
                    self.store.set_note(RETIRED_BY, id.to_string()).await?;
                    self.answer(id, CommandOutcome::Done, None).await?;
                    // Last: cut off before this, it is said once more after the next start.
                    self.store.set_note(RETIRING, String::new()).await?;
                    self.report.notify_one();
                } else if keeps != said {
                    self.answer(id, CommandOutcome::Started, keeps.clone()).await?;
                    said = keeps;
                }
            }
            tokio::select! {
                () = self.retire.notified() => {}
                () = tokio::time::sleep(RETIRE_LOOK) => {}
            }
        }
    }

    /// Once the backend has heard that this device is ready, nothing keeps it from being wiped.
    async fn wipe_if_told(&self, told: &[CommandAnswer]) -> anyhow::Result<()> {
        let retired = self.store.note(RETIRED_BY).await?.and_then(|text| text.parse::<Uuid>().ok());
        if told.iter().any(|answer| answer.outcome == CommandOutcome::Done && Some(answer.id) == retired) {
            let _ = self.end.try_send(End::Wipe);
        }
        Ok(())
    }

    /// What keeps this device from being retired; `None` when nothing does.
    async fn keeps_from_retiring(&self) -> anyhow::Result<Option<String>> {
        let path = self.config.kiosk_path();
        let asked = tokio::task::spawn_blocking(move || AskClient::new(path).ask(&Ask::StopSelling, KIOSK_BUDGET)).await?;
        // A kiosk that is not there sells nothing.
        if !matches!(asked, Ok(edge_db::link::Answer::Done) | Err(AskError::Gone(_))) {
            return Ok(Some("a sale is under way".to_owned()));
        }
        let (config, store) = (Arc::clone(&self.config), self.store.clone());
        let queue = tokio::task::spawn_blocking(move || {
            let quarantined = store.raw().quarantine_count()?;
            crate::report::queue(&config, Some(quarantined))
        });
        let queue = queue.await??;
        Ok(match (queue.depth(), queue.quarantined.unwrap_or(0)) {
            (0, 0) => None,
            (0, apart) => Some(format!("{apart} events are in quarantine: look at them, or retire with --now")),
            (_, _) => Some("events are left to send".to_owned()),
        })
    }
}
