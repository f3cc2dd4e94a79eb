// SPDX-License-Identifier: GPL-3.0-only
//! Control sockets of the simulators: one line in, `ok` or `error: <why>` out.

use anyhow::{Context as _, Result, bail, ensure};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// A simulator that does not answer in this time hangs.
const ANSWER: Duration = Duration::from_secs(5);
/// No answer is longer.
const ANSWER_BYTES: u64 = 4096;

/// Sends `line` to the Unix socket at `path` and takes `ok` for an answer.
///
/// # Errors
/// Where nobody listens there, nobody answers within five seconds, or the answer is not `ok`.
pub fn send(path: &Path, line: &str) -> Result<()> {
    ensure!(!line.contains('\n'), "a command is one line");
    let mut stream = UnixStream::connect(path).with_context(|| format!("nobody listens at {}", path.display()))?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    stream.write_all(format!("{line}\n").as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream.take(ANSWER_BYTES))
        .read_line(&mut answer)
        .with_context(|| format!("no answer to '{line}' from {}", path.display()))?;
    match answer.trim_end() {
        "ok" => Ok(()),
        "" => bail!("no answer to '{line}' from {}", path.display()),
        other => bail!("'{line}' was answered: {other}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{os::unix::net::UnixListener, thread};

    /// A simulator that hears one line and gives one answer.
    fn answer(reply: &'static str, then: impl FnOnce(&Path)) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.ctl");
        let listener = UnixListener::bind(&path).unwrap();
        let heard = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            (&stream).write_all(reply.as_bytes()).unwrap();
            line
        });
        then(&path);
        heard.join().unwrap()
    }

    #[test]
    fn a_command_is_one_line_and_ok_is_success() {
        let heard = answer("ok\n", |path| send(path, "place jane").unwrap());
        assert_eq!(heard, "place jane\n");
    }

    #[test]
    fn an_error_and_a_silence_are_told_as_they_are() {
        answer("error: no such card\n", |path| {
            let told = send(path, "place nobody").unwrap_err().to_string();
            assert!(told.contains("no such card"), "{told}");
        });
        answer("", |path| assert!(send(path, "remove").is_err()));
        assert!(send(Path::new("/nonexistent/x.ctl"), "remove").unwrap_err().to_string().contains("nobody listens"));
        assert!(send(Path::new("/nonexistent/x.ctl"), "a\nb").is_err());
    }
}
