//! Adapters: one named thread a device. What the loop wants done goes in by a small bounded queue and never blocks the
//! loop; what hardware says comes back as [`DeviceEvent`]s and waits for room, so that the end of a payment is not lost.

mod accounts;
mod backend;
mod board;
mod cards;
mod desk;
mod fiscal;
mod identify;
mod keys;
mod printer;
mod reader;
mod scanner;
mod terminal;

pub(crate) use accounts::{Office, agent_at};
pub(crate) use backend::Look;
pub(crate) use cards::CardDesk;
pub(crate) use desk::DeskSide;
pub(crate) use fiscal::{FiscalSide, Seals, Waking};
pub(crate) use identify::{AgentSide, Asking, Resolved, Settled};

use crate::{
    clock::Clock,
    engine::{Errand, Ports},
    issue::Issuer,
    keys::KeyAsker,
    mailbox::{Message, Refused, Sender},
    supervise::Stopping,
    verify::Verifier,
};
use board::BoardHand;
use identify::IdentifyHand;
use kiosk_core::{
    AccountAsk, Command, Currency, DeviceEvent, Id, Paper, Signal,
    device::{DeviceKind, Health},
};
use kiosk_devices::{DrawerPin, FinancialRequest, Grace, PaymentTerminal, Peripherals, ReceiptPrinter, TagReader};
use printer::PrinterHand;
pub(crate) use printer::Render;
pub(crate) use scanner::ScannerSide;
use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicU64, mpsc};
use terminal::TerminalHand;

/// What every adapter holds: the way back into the loop and the signal that ends it.
#[derive(Clone, Debug)]
pub(crate) struct Wires {
    to_shell: Sender,
    pub(crate) stopping: Stopping,
    /// Rounds of the loop.
    pub(crate) beats: Arc<AtomicU64>,
    /// Never sent on: its other end tells when the last adapter is gone.
    _alive: mpsc::Sender<()>,
}

impl Wires {
    pub(crate) fn new(to_shell: Sender, stopping: Stopping, alive: mpsc::Sender<()>) -> Self {
        Self { to_shell, stopping, beats: Arc::default(), _alive: alive }
    }

    /// With the loop's own counter of rounds.
    pub(crate) fn counting(self, beats: Arc<AtomicU64>) -> Self {
        Self { beats, ..self }
    }

    /// Sends anything else to the loop.
    pub(crate) fn message(&self, message: Message) -> Result<(), Refused> {
        self.to_shell.message(message)
    }

    /// Tells the loop. Once the loop has ended there is nobody to tell, and the adapter ends too.
    pub(crate) fn send(&self, event: DeviceEvent) {
        if self.to_shell.device(event).is_err() {
            self.stopping.stop();
        }
    }
}

/// Says how a device is, but only when that changed.
#[derive(Debug)]
pub(crate) struct HealthReport {
    kind: DeviceKind,
    last: Option<Health>,
}

impl HealthReport {
    pub(crate) fn new(kind: DeviceKind) -> Self {
        Self { kind, last: None }
    }

    /// The next report is made whatever it says.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }

    pub(crate) fn say(&mut self, health: Health, wires: &Wires) {
        if self.last != Some(health) {
            self.always(health, wires);
        }
    }

    pub(crate) fn always(&mut self, health: Health, wires: &Wires) {
        tracing::info!(device = ?self.kind, ?health, "device health");
        self.last = Some(health);
        wires.send(DeviceEvent::Health(self.kind, health));
    }
}

/// Hardware that is fitted, and who is asked about cards.
#[derive(Default)]
pub(crate) struct Fitted {
    pub(crate) reader: Option<(Box<dyn TagReader>, Verifier)>,
    pub(crate) scanner: Option<ScannerSide>,
    pub(crate) issuer: Option<Issuer>,
    pub(crate) terminal: Option<Box<dyn PaymentTerminal>>,
    pub(crate) printer: Option<(Box<dyn ReceiptPrinter>, Render)>,
    /// The cash drawer hangs on the printer.
    pub(crate) drawer: Option<DrawerPin>,
    pub(crate) board: Option<(Box<dyn Peripherals>, Arc<dyn Clock>)>,
    /// What a person sets where nothing else has.
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) agent: Option<Asking>,
    pub(crate) backend: Option<Look>,
    pub(crate) desk: Option<DeskSide>,
    /// The device that signs receipts.
    pub(crate) fiscal: Option<FiscalSide>,
    pub(crate) keys: Option<KeyAsker>,
    /// Who is asked about gift cards.
    pub(crate) accounts: Option<Office>,
}

/// The currency that the terminal is asked for; it changes with the catalogue.
pub(crate) type SharedCurrency = Arc<Mutex<Currency>>;

/// All adapters of a kiosk: the loop's [`Ports`].
pub(crate) struct Hands {
    terminal: Option<TerminalHand>,
    printer: Option<PrinterHand>,
    board: Option<BoardHand>,
    identify: Option<IdentifyHand>,
    desk: Option<desk::DeskHand>,
    accounts: Option<accounts::AccountHand>,
    clock: Option<Arc<dyn Clock>>,
    currency: SharedCurrency,
}

impl Hands {
    /// Starts a thread for each device that is fitted. A terminal or printer that is not is reported as such, so that
    /// nobody is sent to it.
    pub(crate) fn start(fitted: Fitted, wires: &Wires, currency: SharedCurrency) -> std::io::Result<Self> {
        let clock = fitted.clock;
        let mut hands =
            Self { terminal: None, printer: None, board: None, identify: None, desk: None, accounts: None, clock, currency };
        if let Some(asker) = fitted.keys {
            keys::start(asker, wires.clone())?;
        }
        if let Some((reader, verifier)) = fitted.reader {
            reader::start(reader, verifier, fitted.issuer, wires.clone())?;
        }
        if let Some(side) = fitted.scanner {
            scanner::start(side, wires.clone())?;
        }
        if let Some(terminal) = fitted.terminal {
            let (hand, _) = terminal::start(terminal, wires.clone())?;
            hands.terminal = Some(hand);
        } else {
            wires.send(DeviceEvent::NotFitted(DeviceKind::Terminal));
        }
        if let Some((board, clock)) = fitted.board {
            let (hand, _) = board::start(board, clock, wires.clone())?;
            hands.board = Some(hand);
        }
        if let Some((printer, render)) = fitted.printer {
            let by_board = hands.board.as_ref().map(BoardHand::drawer);
            let otherwise = move || by_board.as_ref().is_some_and(|drawer| drawer.open());
            let drawer = fitted.drawer.map(|pin| printer::Drawer { pin, otherwise: Box::new(otherwise) });
            let (hand, _) = printer::start(printer, render, drawer, wires.clone())?;
            hands.printer = Some(hand);
        } else {
            wires.send(DeviceEvent::NotFitted(DeviceKind::Printer));
        }
        if let Some(asking) = fitted.agent {
            let (hand, _) = identify::start(asking, wires.clone())?;
            hands.identify = Some(hand);
        }
        if let Some(office) = fitted.accounts {
            let (hand, _) = accounts::start(office, wires.clone())?;
            hands.accounts = Some(hand);
        }
        if let Some(side) = fitted.desk {
            let (hand, _) = desk::start(side, wires.clone())?;
            hands.desk = Some(hand);
        }
        if let Some(side) = fitted.fiscal {
            fiscal::start(side, wires.clone())?;
        }
        if let Some(look) = fitted.backend {
            backend::start(look, wires.clone())?;
        }
        Ok(hands)
    }
}

impl Ports for Hands {
    fn command(&mut self, attempt: Id, command: Command) -> bool {
        // Before the terminal: whoever is busy with money is not switched off for being silent.
        if let Some(board) = &self.board {
            board.ask_time(Grace::Payment);
        }
        let currency = *self.currency.lock().unwrap_or_else(PoisonError::into_inner);
        self.terminal.as_mut().is_some_and(|hand| hand.run(FinancialRequest { attempt, command, currency }))
    }

    fn enquire(&mut self, attempt: Id) -> bool {
        self.terminal.as_ref().is_some_and(|hand| hand.enquire(attempt))
    }

    fn abort_command(&mut self, attempt: Id) {
        if let Some(hand) = &self.terminal {
            hand.abort(attempt);
        }
    }

    fn identify(&mut self, token: String) {
        if let Some(hand) = &self.identify {
            hand.identify(token);
        }
    }

    fn account(&mut self, attempt: Id, ask: AccountAsk) {
        let currency = *self.currency.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hand) = &self.accounts {
            hand.ask(attempt, ask, currency);
        }
    }

    fn print(&mut self, paper: Paper) -> bool {
        self.printer.as_ref().is_some_and(|hand| hand.print(paper))
    }

    fn signal(&mut self, signal: Signal) {
        if let Some(hand) = &self.board {
            hand.show(signal);
        }
    }

    fn set_clock(&mut self, local: &str) {
        if let Some(clock) = &self.clock {
            tracing::warn!(local, "a person has set the clock");
            clock.hint_by_wall(local);
        }
    }

    fn run_errand(&mut self, errand: Errand) -> bool {
        self.desk.as_ref().is_some_and(|hand| hand.run(errand))
    }

    fn open_drawer(&mut self) -> bool {
        self.printer.as_ref().is_some_and(PrinterHand::open_drawer) || self.board.as_ref().is_some_and(BoardHand::open_drawer)
    }
}

#[cfg(test)]
pub(crate) use test_support::{test_receipt, test_wires};

#[cfg(test)]
mod test_support {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::mailbox::{Mailbox, Message, mailbox};
    use kiosk_core::{Input, Priced, Receipt, Service, paper::Settlement};
    use std::time::Duration;

    /// What the loop would have heard.
    pub(crate) struct Heard(Mailbox);

    impl Heard {
        /// The next event; waits for the adapter's thread, which sends it.
        pub(crate) fn event(&self) -> DeviceEvent {
            match self.0.next(Duration::from_secs(20)) {
                Some(Message::Input(Input::Device(event))) => event,
                other => panic!("expected an event, got {other:?}"),
            }
        }

        /// The next event if one is there already.
        pub(crate) fn next_event(&self) -> Option<DeviceEvent> {
            match self.0.next(Duration::ZERO) {
                Some(Message::Input(Input::Device(event))) => Some(event),
                _ => None,
            }
        }
    }

    pub(crate) fn test_wires() -> (Wires, Heard) {
        let (sender, inbox) = mailbox();
        let (alive, _) = mpsc::channel();
        (Wires::new(sender, Stopping::default(), alive), Heard(inbox))
    }

    pub(crate) fn test_receipt() -> Paper {
        Paper::Sale(Receipt {
            order: Id([7; 16]),
            number: "A-17".into(),
            called_name: String::new(),
            service: Service::EatIn,
            priced: Priced::default(),
            paid: Vec::new(),
            masked: String::new(),
            settlement: Settlement::default(),
            copy: false,
            language: "en".into(),
            placed_utc_ms: None,
        })
    }
}
