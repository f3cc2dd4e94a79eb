//! Control lines: one line of text to a Unix socket, one line back, `ok` or `error: …`. The simulators answer theirs,
//! the harness answers `demo.ctl`.

use anyhow::{Context, Result, bail};
use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    thread,
    time::Duration,
};

/// Longest control line, in bytes.
const LINE: u64 = 256;

/// Sends one line and waits for the answer.
pub fn send(socket: &Path, line: &str) -> Result<()> {
    let mut stream = UnixStream::connect(socket).with_context(|| format!("control socket {}", socket.display()))?;
    stream.set_read_timeout(Some(Duration::from_secs(15)))?;
    writeln!(stream, "{line}")?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE)).read_line(&mut answer).with_context(|| format!("answer to '{line}'"))?;
    match answer.trim() {
        "ok" => Ok(()),
        other => bail!("'{line}' was answered with '{other}'"),
    }
}

/// Answers control lines at `socket` on a thread of its own, for as long as the process lives.
pub fn serve(socket: &Path, mut act: impl FnMut(&str) -> Result<()> + Send + 'static) -> Result<()> {
    std::fs::remove_file(socket).ok();
    let listener = UnixListener::bind(socket).with_context(|| socket.display().to_string())?;
    thread::Builder::new().name("demo control".into()).spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut line = String::new();
            let Ok(reading) = stream.try_clone() else { continue };
            if BufReader::new(reading.take(LINE)).read_line(&mut line).is_err() {
                continue;
            }
            let answer = match act(line.trim()) {
                Ok(()) => "ok".to_owned(),
                Err(error) => format!("error: {error:#}"),
            };
            writeln!(stream, "{answer}").ok();
        }
    })?;
    Ok(())
}
