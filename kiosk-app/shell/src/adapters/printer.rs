//! The thread `printer`: receipts onto paper, and the cash drawer where it hangs on the printer.

use super::{HealthReport, Wires};
use crate::supervise::supervised;
use kiosk_core::{
    DeviceEvent, Id, Paper,
    device::{DeviceKind, Health},
};
use kiosk_devices::{DrawerPin, ReceiptPrinter};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Jobs that wait for the printer; the next one is refused.
const QUEUE: usize = 8;
/// How often an idle printer is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Turns paper into the bytes of one job.
pub(crate) type Render = Box<dyn FnMut(&Paper) -> Vec<u8> + Send>;

/// What opens the drawer where the printer could not; false if that is not taken either.
pub(crate) type Otherwise = Box<dyn FnMut() -> bool + Send>;

/// A cash drawer that hangs on the printer.
pub(crate) struct Drawer {
    pub(crate) pin: DrawerPin,
    pub(crate) otherwise: Otherwise,
}

enum Job {
    Print(Box<Paper>),
    Kick,
}

/// The shell's end.
pub(crate) struct PrinterHand {
    jobs: SyncSender<Job>,
    drawer: bool,
}

impl PrinterHand {
    /// Hands a job over; false if too many wait already.
    pub(crate) fn print(&self, paper: Paper) -> bool {
        self.jobs.try_send(Job::Print(paper.into())).is_ok()
    }

    /// Pulses the drawer; false where none hangs here, or too much waits already.
    pub(crate) fn open_drawer(&self) -> bool {
        self.drawer && self.jobs.try_send(Job::Kick).is_ok()
    }
}

/// Starts the thread.
pub(crate) fn start(
    printer: Box<dyn ReceiptPrinter>,
    render: Render,
    drawer: Option<Drawer>,
    wires: Wires,
) -> std::io::Result<(PrinterHand, JoinHandle<()>)> {
    let (jobs, queue) = sync_channel(QUEUE);
    let printing = Arc::new(Mutex::new(None));
    let health = HealthReport::new(DeviceKind::Printer);
    let has_drawer = drawer.is_some();
    let mut worker = Worker { printer, render, drawer, wires: wires.clone(), queue, printing: printing.clone(), health };
    let mut report = HealthReport::new(DeviceKind::Printer);
    let stopping = wires.stopping.clone();
    let lost = move || {
        if let Some(order) = printing.lock().unwrap_or_else(PoisonError::into_inner).take() {
            wires.send(DeviceEvent::Printed { order, health: Health::Lost });
        }
        report.always(Health::Lost, &wires);
    };
    let thread = supervised("printer", stopping, lost, move || worker.run())?;
    Ok((PrinterHand { jobs, drawer: has_drawer }, thread))
}

struct Worker {
    printer: Box<dyn ReceiptPrinter>,
    render: Render,
    drawer: Option<Drawer>,
    wires: Wires,
    queue: Receiver<Job>,
    printing: Arc<Mutex<Option<Id>>>,
    health: HealthReport,
}

impl Worker {
    fn run(&mut self) {
        self.health.forget();
        self.health.say(self.printer.health(), &self.wires);
        while !self.wires.stopping.is_stopped() {
            match self.queue.recv_timeout(LOOK_EVERY) {
                Ok(Job::Print(paper)) => self.print(&paper),
                Ok(Job::Kick) => self.kick(),
                Err(RecvTimeoutError::Timeout) => self.health.say(self.printer.health(), &self.wires),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// The printer first, whatever else opens the drawer second.
    fn kick(&mut self) {
        let Some(drawer) = &mut self.drawer else { return };
        let Err(error) = self.printer.kick(drawer.pin) else { return };
        tracing::warn!(%error, "the printer did not open the drawer");
        if !(drawer.otherwise)() {
            self.wires.send(DeviceEvent::DrawerStuck);
        }
        self.health.say(error.health(), &self.wires);
    }

    fn print(&mut self, paper: &Paper) {
        let order = paper.subject();
        *self.printing.lock().unwrap_or_else(PoisonError::into_inner) = Some(order);
        let job = (self.render)(paper);
        let health = self.printer.print(&job).unwrap_or_else(|error| {
            tracing::warn!(%error, "a job was not printed");
            error.health()
        });
        self.wires.send(DeviceEvent::Printed { order, health });
        *self.printing.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.health.say(health, &self.wires);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::adapters::{test_receipt, test_wires};
    use kiosk_devices::PrintError;

    struct OutOfPaper;
    impl ReceiptPrinter for OutOfPaper {
        fn print(&mut self, _: &[u8]) -> Result<Health, PrintError> {
            Err(PrintError::Blocked)
        }
        fn kick(&mut self, _: DrawerPin) -> Result<(), PrintError> {
            Err(PrintError::Blocked)
        }
        fn health(&mut self) -> Health {
            Health::Ok
        }
    }

    #[test]
    fn a_receipt_that_meets_no_paper_says_so_with_its_order() {
        let (wires, heard) = test_wires();
        let (hand, thread) = start(Box::new(OutOfPaper), Box::new(|_| b"job".to_vec()), None, wires).unwrap();
        assert!(hand.print(test_receipt()));
        assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Printer, Health::Ok));
        assert_eq!(heard.event(), DeviceEvent::Printed { order: test_receipt().subject(), health: Health::Blocked });
        assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Printer, Health::Blocked));
        assert!(!hand.open_drawer(), "none hangs on it");
        drop(hand);
        thread.join().unwrap();
    }

    #[test]
    fn a_drawer_that_the_printer_does_not_open_is_opened_otherwise_or_somebody_is_told() {
        for board in [true, false] {
            let (wires, heard) = test_wires();
            let (tried, tries) = std::sync::mpsc::channel();
            let otherwise = Box::new(move || tried.send(()).is_ok() && board);
            let drawer = Drawer { pin: DrawerPin::Pin2, otherwise };
            let (hand, thread) = start(Box::new(OutOfPaper), Box::new(|_| Vec::new()), Some(drawer), wires).unwrap();
            assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Printer, Health::Ok));
            assert!(hand.open_drawer());
            tries.recv().unwrap();
            if !board {
                assert_eq!(heard.event(), DeviceEvent::DrawerStuck);
            }
            assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Printer, Health::Blocked));
            drop(hand);
            thread.join().unwrap();
        }
    }
}
