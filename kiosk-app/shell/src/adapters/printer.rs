//! The thread `printer`: receipts onto paper.

use super::{HealthReport, Wires};
use crate::supervise::supervised;
use kiosk_core::{
    DeviceEvent, Id, Paper,
    device::{DeviceKind, Health},
};
use kiosk_devices::ReceiptPrinter;
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

/// The shell's end.
pub(crate) struct PrinterHand(SyncSender<Paper>);

impl PrinterHand {
    /// Hands a job over; false if too many wait already.
    pub(crate) fn print(&self, paper: Paper) -> bool {
        self.0.try_send(paper).is_ok()
    }
}

/// Starts the thread.
pub(crate) fn start(
    printer: Box<dyn ReceiptPrinter>,
    render: Render,
    wires: Wires,
) -> std::io::Result<(PrinterHand, JoinHandle<()>)> {
    let (jobs, queue) = sync_channel(QUEUE);
    let printing = Arc::new(Mutex::new(None));
    let health = HealthReport::new(DeviceKind::Printer);
    let mut worker = Worker { printer, render, wires: wires.clone(), queue, printing: printing.clone(), health };
    let mut report = HealthReport::new(DeviceKind::Printer);
    let stopping = wires.stopping.clone();
    let lost = move || {
        if let Some(order) = printing.lock().unwrap_or_else(PoisonError::into_inner).take() {
            wires.send(DeviceEvent::Printed { order, health: Health::Lost });
        }
        report.always(Health::Lost, &wires);
    };
    let thread = supervised("printer", stopping, lost, move || worker.run())?;
    Ok((PrinterHand(jobs), thread))
}

struct Worker {
    printer: Box<dyn ReceiptPrinter>,
    render: Render,
    wires: Wires,
    queue: Receiver<Paper>,
    printing: Arc<Mutex<Option<Id>>>,
    health: HealthReport,
}

impl Worker {
    fn run(&mut self) {
        self.health.forget();
        self.health.say(self.printer.health(), &self.wires);
        while !self.wires.stopping.is_stopped() {
            match self.queue.recv_timeout(LOOK_EVERY) {
                Ok(paper) => self.print(&paper),
                Err(RecvTimeoutError::Timeout) => self.health.say(self.printer.health(), &self.wires),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
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
        fn health(&mut self) -> Health {
            Health::Ok
        }
    }

    #[test]
    fn a_receipt_that_meets_no_paper_says_so_with_its_order() {
        let (wires, heard) = test_wires();
        let (hand, thread) = start(Box::new(OutOfPaper), Box::new(|_| b"job".to_vec()), wires).unwrap();
        assert!(hand.print(test_receipt()));
        assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Printer, Health::Ok));
        assert_eq!(heard.event(), DeviceEvent::Printed { order: test_receipt().subject(), health: Health::Blocked });
        assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Printer, Health::Blocked));
        drop(hand);
        thread.join().unwrap();
    }
}
