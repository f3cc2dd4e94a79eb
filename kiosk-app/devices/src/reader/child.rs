//! A sidecar that this process starts, watches and ends: in the demo, and wherever systemd does not run it.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    time::{Duration, Instant},
};

/// A sidecar that lived this long is started again at once.
const HEALTHY: Duration = Duration::from_secs(5);
/// Pauses before a start that follows an early end: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(800));

/// What to start.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    started: Option<Instant>,
    pause: Duration,
}

impl Program {
    pub(super) fn new(path: &Path, arguments: &[String]) -> Self {
        Self { path: path.to_owned(), arguments: arguments.to_vec(), started: None, pause: PAUSES.0 }
    }

    /// Starts it with one end of a pair of sockets as its standard input.
    pub(super) fn start(&mut self) -> io::Result<(UnixStream, Child)> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(&self.path)
            .args(["--socket", "-"])
            // libnfc writes to standard error in its own words, and would try every serial port of the machine.
            .envs([("LIBNFC_LOG_LEVEL", "0"), ("LIBNFC_AUTO_SCAN", "false")])
            .args(&self.arguments)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display())))?;
        self.started = Some(Instant::now());
        tracing::info!(pid = child.id(), "the reader's process was started");
        Ok((ours, Child(child)))
    }

    /// How long to wait before the next start.
    pub(super) fn pause(&mut self) -> Duration {
        if self.started.is_none_or(|at| at.elapsed() >= HEALTHY) {
            self.pause = PAUSES.0;
            return Duration::ZERO;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSES.1);
        pause
    }
}

/// A running sidecar. Dropped, it is killed: nothing else ends a call into libnfc that hangs.
#[derive(Debug)]
pub(super) struct Child(process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        match self.0.wait() {
            Ok(status) => tracing::info!(%status, "the reader's process has ended"),
            Err(error) => tracing::warn!(%error, "the reader's process cannot be waited for"),
        }
    }
}
