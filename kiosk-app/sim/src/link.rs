//! The network between agent and backend: a TCP relay that can be cut.

use crate::{
    control::{Answer, unknown},
    lock,
};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    sync::{Arc, Condvar, Mutex},
    thread,
};

/// A running relay. Cut, it has no listening socket: new connections are refused as by a host without a service.
#[derive(Debug)]
pub struct LinkSim {
    shared: Arc<Shared>,
    address: SocketAddr,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    wake: OwnedFd,
}

#[derive(Debug, Default)]
struct State {
    want_up: bool,
    is_up: bool,
    stopping: bool,
    failed: Option<String>,
    open: Vec<TcpStream>,
}

impl LinkSim {
    /// Relays from `listen` (port 0: one that is free) to `to`.
    pub fn start(listen: SocketAddr, to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State { want_up: true, is_up: true, ..Default::default() }),
            changed: Condvar::new(),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        });
        let inside = Arc::clone(&shared);
        thread::Builder::new().name("link".into()).spawn(move || inside.run(listener, address, to))?;
        Ok(Self { shared, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Obeys a control line; when this returns, it is so.
    pub fn obey(&self, line: &str) -> Answer {
        match line {
            "down" => self.set(false),
            "up" => self.set(true),
            _ => Err(unknown(line, "down, up")),
        }
    }

    fn set(&self, up: bool) -> Answer {
        let mut state = lock(&self.shared.state);
        state.want_up = up;
        state.failed = None;
        self.shared.signal();
        while state.is_up != up && state.failed.is_none() {
            state = self.shared.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        state.failed.take().map_or(Ok(()), Err)
    }
}

impl Drop for LinkSim {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        (state.stopping, state.want_up) = (true, false);
        self.shared.signal();
    }
}

impl Shared {
    fn signal(&self) {
        self.changed.notify_all();
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    fn run(self: Arc<Self>, listener: TcpListener, address: SocketAddr, to: SocketAddr) {
        let mut listener = Some(listener);
        loop {
            if let Some(open) = &listener {
                self.accept_until_told(open, to);
            }
            listener = None;
            let mut state = lock(&self.state);
            state.open.drain(..).for_each(|s| drop(s.shutdown(Shutdown::Both)));
            state.is_up = false;
            self.changed.notify_all();
            while !state.want_up && !state.stopping {
                state = self.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
            }
            if state.stopping {
                return;
            }
            match TcpListener::bind(address) {
                Ok(open) => {
                    listener = Some(open);
                    state.is_up = true;
                }
                Err(e) => {
                    state.want_up = false;
                    state.failed = Some(format!("{address} cannot be taken again: {e}"));
                }
            }
            self.changed.notify_all();
        }
    }

    fn accept_until_told(self: &Arc<Self>, listener: &TcpListener, to: SocketAddr) {
        loop {
            let mut fds = [PollFd::new(&self.wake, PollFlags::IN), PollFd::new(listener, PollFlags::IN)];
            let _ = poll(&mut fds, None);
            let accepted = !fds[1].revents().is_empty();
            let _ = rustix::io::read(&self.wake, &mut [0u8; 8]);
            if !lock(&self.state).want_up {
                return;
            }
            if accepted && let Ok((near, _)) = listener.accept() {
                self.relay(near, to);
            }
        }
    }

    /// A backend that is not there looks to the agent like a connection that is closed at once.
    fn relay(self: &Arc<Self>, near: TcpStream, to: SocketAddr) {
        let Ok(far) = TcpStream::connect(to) else { return };
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        let clones = (near.try_clone(), far.try_clone(), near.try_clone(), far.try_clone());
        let (Ok(near2), Ok(far2), Ok(near3), Ok(far3)) = clones else { return };
        {
            let mut state = lock(&self.state);
            state.open.retain(|s| s.peer_addr().is_ok());
            state.open.extend([near3, far3]);
        }
        pump(near, far2);
        pump(far, near2);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    let copy = move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    if let Err(error) = thread::Builder::new().name("link pump".into()).spawn(copy) {
        tracing::warn!(%error, "a connection was dropped");
    }
}
