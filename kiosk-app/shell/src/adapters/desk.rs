//! The thread `desk`: reads for the staff's desk and checks PINs, so that the loop never waits for either.

use super::{CardDesk, Wires};
use crate::{desk::look, engine::Errand, staff::StaffDoor, supervise::supervised};
use edge_db::Outbox;
use kiosk_core::{
    DeviceEvent,
    desk::{CardAnswer, CardErrand},
};
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Errands that wait; staff do one thing at a time.
const QUEUE: usize = 8;
/// How often the thread looks whether it shall end.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What the thread works with.
pub(crate) struct DeskSide {
    /// The kiosk's file.
    pub(crate) outbox: Arc<Outbox>,
    /// Name of the terminal in payment rows.
    pub(crate) terminal: String,
    /// Who works here.
    pub(crate) door: StaffDoor,
    /// Guests' cards; `None` without an agent.
    pub(crate) cards: Option<CardDesk>,
}

/// The shell's end.
pub(crate) struct DeskHand(SyncSender<Errand>);

impl DeskHand {
    /// Hands an errand over; false where too many wait.
    pub(crate) fn run(&self, errand: Errand) -> bool {
        self.0.try_send(errand).is_ok()
    }
}

/// Starts the thread.
pub(crate) fn start(mut side: DeskSide, wires: Wires) -> std::io::Result<(DeskHand, JoinHandle<()>)> {
    let (errands, queue) = sync_channel(QUEUE);
    let stopping = wires.stopping.clone();
    let thread = supervised("desk", stopping, || {}, move || run(&mut side, &wires, &queue))?;
    Ok((DeskHand(errands), thread))
}

fn run(side: &mut DeskSide, wires: &Wires, queue: &Receiver<Errand>) {
    let mut badges = Vec::new();
    while !wires.stopping.is_stopped() {
        let now = side.door.badges();
        if now != badges {
            badges.clone_from(&now);
            wires.send(DeviceEvent::Badges(now));
        }
        match queue.recv_timeout(LOOK_EVERY) {
            Ok(Errand::Look { request, query }) => {
                let answer = look(&side.outbox, &side.terminal, &query);
                wires.send(DeviceEvent::Found { request, answer });
            }
            Ok(Errand::SignIn { request, credential }) => {
                let result = side.door.sign_in(&credential);
                wires.send(DeviceEvent::SignedIn { request, result });
            }
            Ok(Errand::ChoosePin { request, staff, pin }) => {
                let taken = side.door.choose_pin(&staff, &pin);
                wires.send(DeviceEvent::PinChosen { request, taken });
            }
            Ok(Errand::Cards { request, staff, errand }) => {
                if let Some(answer) = side.run_cards(&staff, errand) {
                    wires.send(DeviceEvent::Cards { request, answer });
                }
            }
            Ok(Errand::SignOut) => {
                side.run_cards("", CardErrand::Stop);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl DeskSide {
    fn run_cards(&mut self, staff: &str, errand: CardErrand) -> Option<CardAnswer> {
        match &mut self.cards {
            Some(cards) => cards.run(staff, errand),
            None => (errand != CardErrand::Stop).then_some(CardAnswer::NotHere),
        }
    }
}
