//! The card reader's process, simulated: JSON lines over a Unix stream.

use crate::{
    Card,
    control::{Answer, bind, unknown},
    lock,
};
use kiosk_devices::{ReaderLine, reader::BEAT_EVERY};
use std::{
    io::{self, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread,
};

/// A running reader.
#[derive(Debug)]
pub struct ReaderSim {
    shared: Arc<Mutex<Shared>>,
    path: PathBuf,
    /// Dropped, it ends the beats.
    _beats: Sender<()>,
}

#[derive(Debug, Default)]
struct Shared {
    kiosks: Vec<UnixStream>,
    card: Option<Card>,
    lost: bool,
}

impl ReaderSim {
    /// Listens at `path`; when this returns, connections are taken.
    pub fn start(path: &Path) -> io::Result<Self> {
        let listener = bind(path)?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let welcome = Arc::clone(&shared);
        thread::Builder::new().name("reader".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                lock(&welcome).welcome(stream);
            }
        })?;
        let (beats, stopped) = channel::<()>();
        let beating = Arc::clone(&shared);
        thread::Builder::new().name("reader beat".into()).spawn(move || {
            while stopped.recv_timeout(BEAT_EVERY) == Err(RecvTimeoutError::Timeout) {
                lock(&beating).say(&ReaderLine::Beat);
            }
        })?;
        Ok(Self { shared, path: path.to_owned(), _beats: beats })
    }

    /// Obeys a control line.
    pub fn obey(&self, line: &str) -> Answer {
        let mut shared = lock(&self.shared);
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["place", word] => {
                let card = Card::named(word).ok_or_else(|| unknown(word, "jane, ivan, stranger, bank"))?;
                shared.place(card)
            }
            ["remove"] => shared.remove(),
            ["lost"] => {
                shared.lost = true;
                Ok(())
            }
            ["back"] => {
                shared.lost = false;
                shared.say_up();
                Ok(())
            }
            _ => Err(unknown(line, "place, remove, lost, back")),
        }
    }
}

impl Drop for ReaderSim {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Shared {
    fn welcome(&mut self, stream: UnixStream) {
        // A kiosk that does not read must not stop the beats of the others.
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        self.kiosks.push(stream);
        if !self.lost {
            self.say_up();
        }
    }

    fn say_up(&mut self) {
        self.say(&ReaderLine::Up { reader: "kiosk-sim".into() });
        if let Some(card) = self.card {
            self.say(&card.line());
        }
    }

    fn place(&mut self, card: Card) -> Answer {
        if self.lost {
            return Err("the reader is lost; say 'back' first".into());
        }
        if self.card.is_some() {
            self.remove()?;
        }
        self.card = Some(card);
        self.say(&card.line());
        Ok(())
    }

    fn remove(&mut self) -> Answer {
        self.card.take().ok_or("no card is on the reader")?;
        self.say(&ReaderLine::Gone);
        Ok(())
    }

    /// Writes to all, and forgets those that are gone. A lost reader says nothing.
    fn say(&mut self, line: &ReaderLine) {
        if !self.lost {
            let text = line.to_line();
            self.kiosks.retain_mut(|k| matches!(k.write(text.as_bytes()), Ok(n) if n == text.len()));
        }
    }
}
