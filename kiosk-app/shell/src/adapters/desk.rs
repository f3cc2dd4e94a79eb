//! The thread `desk`: reads for the staff's desk and checks PINs, so that the loop never waits for either.

use super::{CardDesk, Wires};
use crate::{
    check, desk::look, engine::Errand, glass::GlassSide, proof::Proofs, pseudonym::KnownBadges, staff::StaffDoor,
    supervise::supervised,
};
use edge_db::Outbox;
use kiosk_core::{
    DeviceEvent,
    closed::Fleet,
    desk::{Answer, CardAnswer, CardErrand, Query, ServiceFacts},
    staff::SignInResult,
};
use kiosk_devices::BoardConfig;
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
/// How often the thread looks whether it shall end, and who works here now.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A proof with less than this left is replaced while its person is still at the desk.
const RENEW_MS: i64 = 120_000;

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
    /// For the reader's thread.
    pub(crate) badges: KnownBadges,
    /// For whoever needs a proof.
    pub(crate) proofs: Proofs,
    /// Who stands at the desk.
    pub(crate) signed_in: Option<String>,
    /// Touches.
    pub(crate) glass: GlassSide,
    /// What should be fitted.
    pub(crate) board: Option<Arc<BoardConfig>>,
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
    let mut locked = false;
    while !wires.stopping.is_stopped() {
        let now = side.door.badges();
        if now != badges {
            badges.clone_from(&now);
            side.badges.set(&now);
            wires.send(DeviceEvent::Badges(now));
        }
        // The agent tells of a lock at once; here it is heard by a kiosk that was not running then.
        if let Some(now) = side.door.is_locked().filter(|now| *now != locked) {
            locked = now;
            wires.send(DeviceEvent::Fleet(Fleet::Lock(now)));
        }
        if let Some(event) = side.look_after() {
            wires.send(event);
        }
        match queue.recv_timeout(LOOK_EVERY) {
            Ok(errand) => {
                if let Some(event) = side.run(errand) {
                    wires.send(event);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl DeskSide {
    /// Does one errand, and says what came of it.
    fn run(&mut self, errand: Errand) -> Option<DeviceEvent> {
        Some(match errand {
            Errand::Look { request, query } => DeviceEvent::Found { request, answer: self.look(&query) },
            Errand::EditStaff { request, by, edit } => DeviceEvent::StaffEdited { request, edited: self.door.edit(&by, &edit) },
            Errand::SignIn { request, credential } => {
                let result = self.door.sign_in(&credential);
                if let SignInResult::Welcome(person) = &result {
                    self.welcome(&person.id, person.must_reset);
                }
                DeviceEvent::SignedIn { request, result }
            }
            Errand::ChoosePin { request, staff, pin } => {
                let taken = self.door.choose_pin(&staff, &pin);
                if taken {
                    self.prove(&staff);
                }
                DeviceEvent::PinChosen { request, taken }
            }
            Errand::Cards { request, staff, errand } => {
                let answer = self.run_cards(&staff, errand)?;
                DeviceEvent::Cards { request, answer }
            }
            Errand::Glass(order) => {
                self.glass.run(order);
                return None;
            }
            Errand::SignOut => {
                self.run_cards("", CardErrand::Stop);
                self.signed_in = None;
                self.proofs.clear();
                return None;
            }
        })
    }

    fn run_cards(&mut self, staff: &str, errand: CardErrand) -> Option<CardAnswer> {
        match &mut self.cards {
            Some(cards) => cards.run(staff, errand),
            None => (errand != CardErrand::Stop).then_some(CardAnswer::NotHere),
        }
    }

    fn look(&self, query: &Query) -> Answer {
        match query {
            Query::Staff => self.door.colleagues().map_or(Answer::Failed, Answer::Staff),
            Query::Service => {
                let seen = self.board.as_deref().map(check::seen).unwrap_or_default();
                Answer::Service(Box::new(ServiceFacts { seen, ..self.door.facts() }))
            }
            Query::Orders { .. } | Query::Order(_) => look(&self.outbox, &self.terminal, query),
        }
    }

    /// The first who is welcome stands at the desk; whoever comes then only approves. A PIN that was given by somebody else
    /// proves nothing yet.
    fn welcome(&mut self, staff: &str, must_reset: bool) {
        self.signed_in.get_or_insert_with(|| staff.to_owned());
        if !must_reset {
            self.prove(staff);
        }
    }

    fn prove(&self, staff: &str) {
        if let Some((header, expires)) = self.door.proof(staff) {
            self.proofs.keep(staff, header, &expires);
        }
    }

    /// Who stands at the desk must still work here. A proof that ends while they do is replaced: the agent looks at the
    /// staff list again.
    fn look_after(&mut self) -> Option<DeviceEvent> {
        let staff = self.signed_in.clone()?;
        if !self.door.works(&staff) {
            self.proofs.clear();
            return Some(DeviceEvent::StaffGone { staff });
        }
        let left = self.door.clock.now().utc_ms.map_or(0, |now| self.proofs.left_ms(&staff, now));
        if (1..RENEW_MS).contains(&left) {
            self.prove(&staff);
        }
        None
    }
}

#[cfg(test)]
mod tests;
