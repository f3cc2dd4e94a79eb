//! The thread `terminal`: one command or enquiry at a time, and a probe now and then while none runs.

use super::{HealthReport, Wires};
use crate::supervise::supervised;
use kiosk_core::{
    CommandOutcome, DeviceEvent, Enquiry, Id, TerminalWord,
    device::{DeviceKind, Health},
};
use kiosk_devices::{AbortFlag, FinancialRequest, PaymentTerminal, Slips};
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

/// What goes to the thread.
enum Order {
    Run(FinancialRequest, AbortFlag),
    Enquire(Id),
}

/// What the terminal is working on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Command(Id),
    Enquiry(Id),
}
type InFlight = Arc<Mutex<Option<Work>>>;

/// The shell's end.
pub(crate) struct TerminalHand {
    orders: SyncSender<Order>,
    running: Option<(Id, AbortFlag)>,
}

impl TerminalHand {
    /// Hands a command over; false if it was not taken, and then nothing was or will be sent.
    pub(crate) fn run(&mut self, request: FinancialRequest) -> bool {
        let flag = AbortFlag::new();
        let taken = self.orders.try_send(Order::Run(request, flag.clone())).is_ok();
        if taken {
            self.running = Some((request.attempt, flag));
        }
        taken
    }

    /// Hands an enquiry over; false if it was not taken.
    pub(crate) fn enquire(&self, attempt: Id) -> bool {
        self.orders.try_send(Order::Enquire(attempt)).is_ok()
    }

    /// Asks a running command to stop.
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
        match in_flight.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(Work::Command(attempt)) => {
                wires.send(DeviceEvent::CommandEnded { attempt, outcome: CommandOutcome::Unknown });
            }
            Some(Work::Enquiry(attempt)) => wires.send(DeviceEvent::Enquired { attempt, enquiry: Enquiry::Failed }),
            None => {}
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
                Ok(Order::Run(request, abort)) => self.command(&request, &abort),
                Ok(Order::Enquire(attempt)) => self.enquire(attempt),
                Err(RecvTimeoutError::Timeout) => self.health.say(self.terminal.probe(), &self.wires),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn command(&mut self, request: &FinancialRequest, abort: &AbortFlag) {
        let attempt = request.attempt;
        self.set_in_flight(Some(Work::Command(attempt)));
        let wires = &self.wires;
        let mut on_word = |word| {
            wires.send(match word {
                TerminalWord::Acknowledged => DeviceEvent::CommandAcknowledged { attempt },
                TerminalWord::Status(code) => DeviceEvent::TerminalStatus { attempt, code },
            });
        };
        let (outcome, slips) = self.terminal.run(request, abort, &mut on_word);
        let health = match outcome {
            CommandOutcome::NotSent => Health::Lost,
            CommandOutcome::Approved(_) | CommandOutcome::Declined { .. } | CommandOutcome::Totals(_) => Health::Ok,
            CommandOutcome::Unknown => self.terminal.probe(),
        };
        if slips != Slips::default() {
            self.wires.send(DeviceEvent::Slips { attempt, customer: slips.customer, merchant: slips.merchant });
        }
        self.wires.send(DeviceEvent::CommandEnded { attempt, outcome });
        self.set_in_flight(None);
        self.health.say(health, &self.wires);
    }

    fn enquire(&mut self, attempt: Id) {
        self.set_in_flight(Some(Work::Enquiry(attempt)));
        let enquiry = self.terminal.enquire(attempt);
        self.wires.send(DeviceEvent::Enquired { attempt, enquiry });
        self.set_in_flight(None);
    }

    fn set_in_flight(&self, work: Option<Work>) {
        *self.in_flight.lock().unwrap_or_else(PoisonError::into_inner) = work;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::adapters::test_wires;
    use kiosk_core::{Command, Currency, Minor};

    struct Fake {
        outcome: Option<CommandOutcome>,
    }
    impl PaymentTerminal for Fake {
        fn run(
            &mut self,
            _: &FinancialRequest,
            abort: &AbortFlag,
            on_word: &mut dyn FnMut(TerminalWord),
        ) -> (CommandOutcome, Slips) {
            on_word(TerminalWord::Acknowledged);
            on_word(TerminalWord::Status(0x0A));
            let outcome = self.outcome.take().expect("the fake fails on a second command");
            while matches!(outcome, CommandOutcome::Declined { .. }) && !abort.is_raised() {
                std::thread::yield_now();
            }
            (outcome, Slips { customer: vec!["Visa **** 1234".into()], merchant: Vec::new() })
        }
        fn enquire(&mut self, _: Id) -> Enquiry {
            assert!(self.outcome.is_some(), "the fake fails on an enquiry without an outcome");
            Enquiry::Last(None)
        }
        fn probe(&mut self) -> Health {
            Health::Ok
        }
    }

    fn request(n: u8) -> FinancialRequest {
        FinancialRequest { attempt: Id([n; 16]), command: Command::Authorise { amount: Minor(1250) }, currency: Currency::EUR }
    }

    #[test]
    fn a_command_reports_its_words_its_slip_and_its_end_once() {
        let (wires, heard) = test_wires();
        let (mut hand, thread) = start(Box::new(Fake { outcome: Some(CommandOutcome::NotSent) }), wires.clone()).unwrap();
        assert!(hand.run(request(1)));
        assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Terminal, Health::Ok));
        assert_eq!(heard.event(), DeviceEvent::CommandAcknowledged { attempt: Id([1; 16]) });
        assert_eq!(heard.event(), DeviceEvent::TerminalStatus { attempt: Id([1; 16]), code: 0x0A });
        let (customer, merchant) = (vec!["Visa **** 1234".to_owned()], Vec::new());
        assert_eq!(heard.event(), DeviceEvent::Slips { attempt: Id([1; 16]), customer, merchant });
        assert_eq!(heard.event(), DeviceEvent::CommandEnded { attempt: Id([1; 16]), outcome: CommandOutcome::NotSent });
        assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Terminal, Health::Lost));
        drop(hand);
        thread.join().unwrap();
    }

    #[test]
    fn an_abort_reaches_only_the_command_that_it_names() {
        let (wires, heard) = test_wires();
        let declined = CommandOutcome::Declined { code: 0x6C };
        let (mut hand, thread) = start(Box::new(Fake { outcome: Some(declined.clone()) }), wires).unwrap();
        assert!(hand.run(request(1)));
        hand.abort(Id([9; 16]));
        assert!(!hand.running.as_ref().unwrap().1.is_raised());
        hand.abort(Id([1; 16]));
        while heard.event() != (DeviceEvent::CommandEnded { attempt: Id([1; 16]), outcome: declined.clone() }) {}
        drop(hand);
        thread.join().unwrap();
    }

    #[test]
    fn a_terminal_adapter_that_panics_in_a_command_leaves_it_unknown() {
        let (wires, heard) = test_wires();
        let (mut hand, thread) = start(Box::new(Fake { outcome: None }), wires.clone()).unwrap();
        assert!(hand.run(request(1)));
        while heard.event() != (DeviceEvent::CommandEnded { attempt: Id([1; 16]), outcome: CommandOutcome::Unknown }) {}
        assert_eq!(heard.event(), DeviceEvent::Health(DeviceKind::Terminal, Health::Lost));
        wires.stopping.stop();
        drop(hand);
        thread.join().unwrap();
    }

    #[test]
    fn an_enquiry_is_answered_and_one_that_panics_has_failed() {
        for (outcome, enquiry) in [(Some(CommandOutcome::NotSent), Enquiry::Last(None)), (None, Enquiry::Failed)] {
            let (wires, heard) = test_wires();
            let (hand, thread) = start(Box::new(Fake { outcome }), wires.clone()).unwrap();
            assert!(hand.enquire(Id([1; 16])));
            while heard.event() != (DeviceEvent::Enquired { attempt: Id([1; 16]), enquiry: enquiry.clone() }) {}
            wires.stopping.stop();
            drop(hand);
            thread.join().unwrap();
        }
    }
}
