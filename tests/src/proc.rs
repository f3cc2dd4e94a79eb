//! A program of ours as a child process: its lines can be waited for, and it is stopped the way systemd stops it.

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::VecDeque,
    fs::OpenOptions,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// The folder of the programs built beside the one that runs.
pub fn programs() -> Result<PathBuf> {
    let me = std::env::current_exe().context("where this program is")?;
    let mut folder = me.parent().context("this program has no folder")?;
    if folder.ends_with("deps") {
        folder = folder.parent().context("target folder")?;
    }
    Ok(folder.to_path_buf())
}

/// A command for one of our programs; says what to do where it was not built.
pub fn program(name: &str) -> Result<Command> {
    let path = programs()?.join(name);
    if !path.exists() {
        bail!("{name} is not built; `cargo xtask test` and `cargo xtask demo` build it first");
    }
    Ok(Command::new(path))
}

/// Runs one of our programs to its end and gives back what it printed.
pub fn output(name: &str, arguments: &[&str]) -> Result<String> {
    let output = program(name)?.args(arguments).stdin(Stdio::null()).output().with_context(|| format!("running {name}"))?;
    if !output.status.success() {
        bail!("{name} {} ended with {}: {}", arguments.join(" "), output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A running program. Dropped, it is killed.
pub struct Running {
    name: String,
    child: Child,
    lines: Receiver<String>,
    seen: VecDeque<String>,
    log: PathBuf,
}

impl Running {
    /// Starts it; its log goes to `<logs>/<name>.log`.
    pub fn start(name: &str, command: Command, logs: &Path) -> Result<Self> {
        Self::start_and_type(name, command, logs, "")
    }

    /// The same, with this on its standard input, which is closed behind it.
    pub fn start_and_type(name: &str, mut command: Command, logs: &Path, typed: &str) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let errors = OpenOptions::new().create(true).append(true).open(&log).with_context(|| log.display().to_string())?;
        let mut child = command
            .stdin(if typed.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(typed.as_bytes()).with_context(|| format!("typing for {name}"))?;
        }
        let stdout = child.stdout.take().context("its output")?;
        let (sender, lines) = channel();
        thread::Builder::new().name(format!("{name} output")).spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = String::new();
            // A line without its end was cut off by a kill and was never said.
            while stdout.read_line(&mut line).is_ok() && line.ends_with('\n') {
                line.truncate(line.trim_end().len());
                if sender.send(std::mem::take(&mut line)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { name: name.to_owned(), child, lines, seen: VecDeque::new(), log })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line it printed, `None` once it has closed its output, an error after `patience`.
    pub fn line(&mut self, patience: Duration) -> Result<Option<String>> {
        if let Some(line) = self.seen.pop_front() {
            return Ok(Some(line));
        }
        match self.lines.recv_timeout(patience) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => bail!("{} printed nothing for {patience:?}", self.name),
        }
    }

    /// The first line for which `pick` gives something; the lines before it are passed over.
    pub fn wait_for<T>(&mut self, what: &str, patience: Duration, mut pick: impl FnMut(&str) -> Option<T>) -> Result<T> {
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.line(left).with_context(|| format!("waiting for {what}"))?;
            let Some(line) = line else { return Err(self.gone(what)) };
            if let Some(found) = pick(&line) {
                return Ok(found);
            }
        }
    }

    /// Lines that have arrived so far.
    pub fn drain(&mut self) -> Vec<String> {
        self.seen.drain(..).chain(self.lines.try_iter()).collect()
    }

    /// Its end, if it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// SIGTERM, then up to `patience` for a clean end, then SIGKILL. A forced or failed end is an error.
    pub fn stop(mut self, patience: Duration) -> Result<()> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).ok();
        let end = Instant::now() + patience;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            match self.lines.recv_timeout(left) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait()?;
                    return if status.success() { Ok(()) } else { Err(anyhow!("{} ended with {status} on SIGTERM", self.name)) };
                }
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        self.child.kill().ok();
        self.child.wait()?;
        bail!("{} did not end within {patience:?} of SIGTERM", self.name)
    }

    /// SIGKILL. Gives back the whole lines that it had printed and nobody had read.
    pub fn kill(mut self) -> Result<Vec<String>> {
        self.child.kill()?;
        self.child.wait()?;
        let mut rest: Vec<String> = self.seen.drain(..).collect();
        rest.extend(self.lines.iter());
        Ok(rest)
    }

    fn gone(&mut self, what: &str) -> anyhow::Error {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(8).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        anyhow!("{} ended before {what}:\n{}", self.name, tail.join("\n"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
