//! A payment terminal, simulated: books of its own, ending as it is told to, spoken to by ZVT or by nexo's messages.

mod desk;
mod nexo;
mod zvt;

pub use desk::{Decision, Kind, Mode, Transaction};

use crate::control::Answer;
use desk::Desk;
use kiosk_devices::nexo::Pin;
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};

/// A running terminal.
pub struct TerminalSim {
    desk: Arc<Desk>,
    address: SocketAddr,
    pin: Option<Pin>,
}

impl std::fmt::Debug for TerminalSim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TerminalSim({})", self.address)
    }
}

impl TerminalSim {
    /// Listens for ZVT at `listen` (port 0: one that is free). `delay` lies between a command and its end.
    pub fn start(listen: SocketAddr, mode: Mode, delay: Duration) -> io::Result<Self> {
        let (sim, listener) = Self::bind(listen, mode, delay, None)?;
        let desk = Arc::clone(&sim.desk);
        thread::Builder::new().name("terminal".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Err(error) = zvt::serve(stream, Arc::clone(&desk)) {
                    tracing::warn!(%error, "a connection was dropped");
                }
            }
        })?;
        Ok(sim)
    }

    /// Listens for nexo's messages over HTTPS, with a certificate made for this run: see [`TerminalSim::pin`].
    pub fn start_nexo(listen: SocketAddr, mode: Mode, delay: Duration) -> io::Result<Self> {
        let (tls, pin) = nexo::identity()?;
        let (sim, listener) = Self::bind(listen, mode, delay, Some(pin))?;
        let front = Arc::new(nexo::Front::new(Arc::clone(&sim.desk), tls));
        thread::Builder::new().name("terminal".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                let front = Arc::clone(&front);
                let serve = move || front.serve(stream);
                if let Err(error) = thread::Builder::new().name("terminal till".into()).spawn(serve) {
                    tracing::warn!(%error, "a connection was dropped");
                }
            }
        })?;
        Ok(sim)
    }

    fn bind(listen: SocketAddr, mode: Mode, delay: Duration, pin: Option<Pin>) -> io::Result<(Self, TcpListener)> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let desk = Arc::new(Desk::default());
        {
            let mut shared = desk.lock();
            (shared.mode, shared.delay) = (mode, delay);
        }
        Ok((Self { desk, address, pin }, listener))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// By which a till knows a terminal that speaks nexo's messages.
    pub fn pin(&self) -> Option<Pin> {
        self.pin
    }

    /// The terminal's own books.
    pub fn books(&self) -> Vec<Transaction> {
        self.desk.books()
    }

    /// Obeys a control line. A decision in manual mode waits a few seconds for its payment.
    pub fn obey(&self, line: &str) -> Answer {
        self.desk.obey(line)
    }
}
