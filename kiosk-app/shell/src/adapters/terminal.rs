//! The thread `terminal`: one charge at a time, and a probe now and then while none runs.

use super::{HealthReport, Wires};
use crate::supervise::supervised;
use kiosk_core::{
    DeviceEvent, Id,
    device::{ChargeOutcome, DeviceKind, Health},
};
use kiosk_devices::{AbortFlag, ChargeRequest, PaymentTerminal};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

/// How often an idle terminal is looked at.
const PROBE_EVERY: Duration = Duration::from_secs(10);

/// What a charge is made of on its way to the thread.
type Order = (ChargeRequest, AbortFlag);
/// The attempt that the terminal is working on.
type InFlight = Arc<Mutex<Option<Id>>>;

/// The shell's end.
pub(crate) struct TerminalHand {
    orders: SyncSender<Order>,
    running: Option<(Id, AbortFlag)>,
}

impl TerminalHand {
    /// Hands a charge over; false if it was not taken, and then nothing was or will be sent.
    pub(crate) fn charge(&mut self, request: ChargeRequest) -> bool {
        let flag = AbortFlag::new();
        let taken = self.orders.try_send((request, flag.clone())).is_ok();
        if taken {
            self.running = Some((request.attempt, flag));
        }
        taken
    }

    /// Asks a running charge to stop.
    pub(crate) fn abort(&self, attempt: Id) {
        if let Some((running, flag)) = &self.running
            && *running == attempt
        {
            flag.raise();
        }
    }
}

/// Starts the thread.
pub(crate) fn start(terminal: Box<dyn PaymentTerminal>, wires: Wires) -> std::io::Result<(TerminalHand, JoinHandle<()>)> {
    let (orders, queue) = sync_channel(1);
    let in_flight = InFlight::default();
    let mut worker = Worker { terminal, wires: wires.clone(), queue, in_flight: in_flight.clone(), health: health() };
    let mut report = health();
    let stopping = wires.stopping.clone();
    let lost = move || {
        // The call did not come back: whatever was sent, nobody heard the end of it.
        if let Some(attempt) = in_flight.lock().unwrap_or_else(PoisonError::into_inner).take() {
            wires.send(DeviceEvent::ChargeEnded { attempt, outcome: ChargeOutcome::Unknown });
        }
        report.always(Health::Lost, &wires);
    };
    let thread = supervised("terminal", stopping, lost, move || worker.run())?;
    Ok((TerminalHand { orders, running: None }, thread))
}

fn health() -> HealthReport {
    HealthReport::new(DeviceKind::Terminal)
}

struct Worker {
    terminal: Box<dyn PaymentTerminal>,
    wires: Wires,
    queue: Receiver<Order>,
    in_flight: InFlight,
    health: HealthReport,
}

impl Worker {
    fn run(&mut self) {
        self.health.forget();
        self.health.say(self.terminal.probe(), &self.wires);
        while !self.wires.stopping.is_stopped() {
            match self.queue.recv_timeout(PROBE_EVERY) {
                Ok(order) => self.charge(&order),
                Err(RecvTimeoutError::Timeout) => self.health.say(self.terminal.probe(), &self.wires),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn charge(&mut self, (request, abort): &Order) {
        let attempt = request.attempt;
        self.set_in_flight(Some(attempt));
        let wires = &self.wires;
        let mut on_status = |code| wires.send(DeviceEvent::TerminalStatus { attempt, code });
        let outcome = self.terminal.charge(request, abort, &mut on_status);
        let health = match outcome {
            ChargeOutcome::NotSent => Health::Lost,
            ChargeOutcome::Approved { .. } | ChargeOutcome::Declined { .. } => Health::Ok,
            ChargeOutcome::Unknown => self.terminal.probe(),
        };
        self.wires.send(DeviceEvent::ChargeEnded { attempt, outcome });
        self.set_in_flight(None);
        self.health.say(health, &self.wires);
    }

    fn set_in_flight(&self, attempt: Option<Id>) {
        *self.in_flight.lock().unwrap_or_else(PoisonError::into_inner) = attempt;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::adapters::test_wires;
    use kiosk_core::{Currency, Minor};

    struct Fake {
        outcome: Option<ChargeOutcome>,
    }
    impl PaymentTerminal for Fake {
        fn charge(&mut self, _: &ChargeRequest, abort: &AbortFlag, on_status: &mut dyn FnMut(u8)) -> ChargeOutcome {
            on_status(0x0A);
            let outcome = self.outcome.take().expect("the fake fails on a second charge");
            while matches!(outcome, ChargeOutcome::Declined { .. }) && !abort.is_raised() {
                std::thread::yield_now();
            }
            outcome
        }
        fn probe(&mut self) -> Health {
            Health::Ok
        }
    }

    fn request(n: u8) -> ChargeRequest {
        ChargeRequest { attempt: Id([n; 16]), amount: Minor(1250), currency: Currency::EUR }
    }

    #[test]
    fn a_charge_reports_its_status_and_its_end_once() {
        let (wires, heard) = test_wires();
        let (mut hand, thread) = start(Box::new(Fake { outcome: Some(ChargeOutcome::NotSent) }), wires.clone()).unwrap();
        assert!(hand.charge(request(1)));
        assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Terminal, Health::Ok));
        assert_eq!(heard.event(), DeviceEvent::TerminalStatus { attempt: Id([1; 16]), code: 0x0A });
        assert_eq!(heard.event(), DeviceEvent::ChargeEnded { attempt: Id([1; 16]), outcome: ChargeOutcome::NotSent });
        assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Terminal, Health::Lost));
        drop(hand);
        thread.join().unwrap();
    }

    #[test]
    fn an_abort_reaches_only_the_charge_that_it_names() {
        let (wires, heard) = test_wires();
        let declined = ChargeOutcome::Declined { code: 0x6C };
        let (mut hand, thread) = start(Box::new(Fake { outcome: Some(declined.clone()) }), wires).unwrap();
        assert!(hand.charge(request(1)));
        hand.abort(Id([9; 16]));
        assert!(!hand.running.as_ref().unwrap().1.is_raised());
        hand.abort(Id([1; 16]));
        while heard.event() != (DeviceEvent::ChargeEnded { attempt: Id([1; 16]), outcome: declined.clone() }) {}
        drop(hand);
        thread.join().unwrap();
    }

    #[test]
    fn a_terminal_adapter_that_panics_in_a_charge_leaves_it_unknown() {
        let (wires, heard) = test_wires();
        let (mut hand, thread) = start(Box::new(Fake { outcome: None }), wires.clone()).unwrap();
        assert!(hand.charge(request(1)));
        while heard.event() != (DeviceEvent::ChargeEnded { attempt: Id([1; 16]), outcome: ChargeOutcome::Unknown }) {}
        assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Terminal, Health::Lost));
        wires.stopping.stop();
        drop(hand);
        thread.join().unwrap();
    }
}
