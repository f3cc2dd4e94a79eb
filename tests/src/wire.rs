//! A long wire: a TCP relay that delays each direction and counts what crosses it.

use anyhow::{Context, Result};
use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// What crossed the wire.
#[derive(Debug, Default)]
pub struct Meter {
    /// Bytes towards the far end.
    pub up: AtomicU64,
    /// Bytes back.
    pub down: AtomicU64,
    /// Connections made.
    pub connections: AtomicU64,
    span: Mutex<Option<(Instant, Instant)>>,
}

impl Meter {
    /// From the first byte to the last.
    pub fn link_time(&self) -> Duration {
        let span = *self.span.lock().unwrap_or_else(PoisonError::into_inner);
        span.map_or(Duration::ZERO, |(first, last)| last - first)
    }

    /// Begins anew: what crossed before does not count.
    pub fn restart(&self) {
        for counter in [&self.up, &self.down, &self.connections] {
            counter.store(0, Ordering::Relaxed);
        }
        *self.span.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn count(&self, counter: &AtomicU64, bytes: usize) {
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
        let now = Instant::now();
        let mut span = self.span.lock().unwrap_or_else(PoisonError::into_inner);
        *span = Some((span.map_or(now, |(first, _)| first), now));
    }
}

/// Listens on loopback and relays to `far`, `one_way` late in each direction, for as long as the process lives.
pub fn relay(far: SocketAddr, one_way: Duration) -> Result<(SocketAddr, Arc<Meter>)> {
    relay_at(SocketAddr::from(([127, 0, 0, 1], 0)), far, one_way)
}

/// The same, listening at `near`.
pub fn relay_at(near: SocketAddr, far: SocketAddr, one_way: Duration) -> Result<(SocketAddr, Arc<Meter>)> {
    let listener = TcpListener::bind(near).context("a port for the wire")?;
    let address = listener.local_addr()?;
    let meter = Arc::new(Meter::default());
    let counted = Arc::clone(&meter);
    thread::Builder::new().name("wire".into()).spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(far) else { continue };
            counted.connections.fetch_add(1, Ordering::Relaxed);
            for (from, to, upward) in [(near.try_clone(), far.try_clone(), true), (Ok(far), Ok(near), false)] {
                let (Ok(from), Ok(to)) = (from, to) else { continue };
                to.set_nodelay(true).ok();
                let meter = Arc::clone(&counted);
                let (sender, receiver) = channel();
                thread::spawn(move || read(from, &sender, &meter, upward));
                thread::spawn(move || write(to, &receiver, one_way));
            }
        }
    })?;
    Ok((address, meter))
}

fn read(mut from: TcpStream, sender: &Sender<(Instant, Vec<u8>)>, meter: &Meter, upward: bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(bytes) = from.read(&mut buffer) {
        meter.count(if upward { &meter.up } else { &meter.down }, bytes);
        if bytes == 0 || sender.send((Instant::now(), buffer[..bytes].to_vec())).is_err() {
            return;
        }
    }
}

fn write(mut to: TcpStream, receiver: &Receiver<(Instant, Vec<u8>)>, one_way: Duration) {
    for (arrived, bytes) in receiver {
        let due = arrived + one_way;
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            thread::park_timeout(left);
        }
        if to.write_all(&bytes).is_err() {
            return;
        }
    }
    to.shutdown(Shutdown::Write).ok();
}
