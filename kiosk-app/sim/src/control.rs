//! Control sockets: a Unix stream; each line of text is answered by one line, `ok` or `error: ` and why.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::{
        fs::FileTypeExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

/// Longest line, bytes.
const LINE: u64 = 256;

/// A command carried out, or why not.
pub type Answer = Result<(), String>;

/// A control socket that is being served. The socket file goes when this is dropped.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Serves `path` on threads of its own; when this returns, connections are taken. A stale socket is replaced.
pub fn serve(path: &Path, obey: impl Fn(&str) -> Answer + Send + Sync + 'static) -> io::Result<Control> {
    let listener = bind(path)?;
    let obey: Arc<dyn Fn(&str) -> Answer + Send + Sync> = Arc::new(obey);
    thread::Builder::new().name("control".into()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let obey = Arc::clone(&obey);
            let talk = move || {
                let _ = converse(stream, &*obey);
            };
            if let Err(error) = thread::Builder::new().name("control line".into()).spawn(talk) {
                tracing::warn!(%error, "a control connection was dropped");
            }
        }
    })?;
    Ok(Control { path: path.to_owned() })
}

/// Serves `path` for a simulator, which the socket does not keep alive.
pub fn serve_for<T: Send + Sync + 'static>(path: &Path, sim: &Arc<T>, obey: fn(&T, &str) -> Answer) -> io::Result<Control> {
    let sim = Arc::downgrade(sim);
    serve(path, move |line| sim.upgrade().map_or_else(|| Err("the simulator has stopped".into()), |sim| obey(&sim, line)))
}

/// Binds a Unix stream socket where a dead one may lie.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    if std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))
}

/// Sends one line to a control socket and waits for its answer.
pub fn send(path: &Path, line: &str) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10)))?;
    stream.write_all(format!("{line}\n").as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream.take(4 * LINE)).read_line(&mut answer)?;
    Ok(match answer.trim() {
        "ok" => Ok(()),
        other => Err(other.strip_prefix("error: ").unwrap_or(other).to_owned()),
    })
}

fn converse(stream: UnixStream, obey: &dyn Fn(&str) -> Answer) -> io::Result<()> {
    let mut answers = stream.try_clone()?;
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        let n = lines.by_ref().take(LINE).read_until(b'\n', &mut line)?;
        if n == 0 {
            return Ok(());
        }
        let whole = line.ends_with(b"\n") || n < LINE as usize;
        let text = String::from_utf8_lossy(&line);
        let answer = if whole { obey(text.trim()) } else { Err(format!("a line has at most {LINE} bytes")) };
        let answer = answer.map_or_else(|why| format!("error: {why}\n"), |()| "ok\n".to_owned());
        answers.write_all(answer.as_bytes())?;
        if !whole {
            return Ok(());
        }
    }
}

/// The sentence for a line that nobody knows.
pub(crate) fn unknown(line: &str, known: &str) -> String {
    format!("'{line}' is not known here; there is {known}")
}
