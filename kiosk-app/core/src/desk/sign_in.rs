//! Who stands at the desk, and who approves.

use super::{Desk, DeskPage, Notice, SignInView, Waiting, What};
use crate::{
    device::Assurance,
    effect::Effect,
    event::Event,
    session::{Session, turn::Turn},
    staff::{Credential, Person, Pin, STAFF_ID_MAX, SignInResult},
};
use alloc::string::String;

impl Desk {
    pub(super) fn show_sign_in(&mut self, turn: &Turn<'_>) {
        if !self.open {
            self.open = true;
            self.page = DeskPage::SignIn;
            self.sign_in = SignInView::default();
        }
        self.last_touch_ms = turn.now.mono_ms;
    }

    /// True where this card is for the desk: it is on the roster, or the desk asks for one.
    pub(super) fn wants_badge(&self, token: &str) -> bool {
        let asks = self.open && (self.person.is_none() || self.pending.is_some());
        asks || self.badges.iter().any(|badge| badge == token)
    }

    pub(super) fn badge(&mut self, turn: &mut Turn<'_>, token: String, assurance: Assurance) {
        self.show_sign_in(turn);
        self.last_touch_ms = turn.now.mono_ms;
        let proof = assurance == Assurance::High && turn.config.desk.badge_alone;
        // Whoever is signed in and taps again changes nothing.
        if self.person.is_none() || self.pending.is_some() {
            self.show_credential(turn, Credential::Badge { token, proof });
        }
    }

    pub(super) fn show_credential(&mut self, turn: &mut Turn<'_>, credential: Credential) {
        if self.waiting.is_some() || self.page == DeskPage::ChoosePin {
            return;
        }
        let what = match (&self.pending, &self.person) {
            (Some(_), _) => What::Approval,
            (None, None) => What::SignIn,
            (None, Some(_)) => return,
        };
        if matches!(&credential, Credential::Pin { staff, .. } if staff.is_empty() || staff.len() > STAFF_ID_MAX) {
            self.sign_in.refused = true;
            return;
        }
        let request = self.ask(what);
        turn.effect(Effect::SignIn { request, credential });
    }

    pub(super) fn ask(&mut self, what: What) -> u32 {
        self.requests = self.requests.wrapping_add(1);
        self.waiting = Some(Waiting { request: self.requests, what });
        self.requests
    }

    /// What was asked by this request; `None` for an answer that nobody waits for any more.
    pub(super) fn answered(&mut self, request: u32) -> Option<What> {
        self.waiting.take_if(|waiting| waiting.request == request).map(|waiting| waiting.what)
    }

    pub(super) fn signed_in(&mut self, turn: &mut Turn<'_>, session: &mut Session, request: u32, result: SignInResult) {
        let Some(what) = self.answered(request) else { return };
        turn.undo = crate::session::turn::Undo::Desk;
        self.last_touch_ms = turn.now.mono_ms;
        self.sign_in = SignInView::default();
        match result {
            SignInResult::Welcome(person) if what == What::Approval => self.approve(turn, session, &person),
            SignInResult::Welcome(person) => self.welcome(turn, person),
            SignInResult::PinNeeded(person) => self.sign_in.known = Some(person),
            SignInResult::Refused { pause_ms } => {
                self.sign_in.refused = true;
                self.sign_in.paused_until_ms = (pause_ms > 0).then(|| turn.after(pause_ms));
            }
            SignInResult::NoRoster => self.notice = Some(Notice::NoRoster),
            SignInResult::CannotRecord => self.notice = Some(Notice::CannotRecord),
        }
    }

    fn welcome(&mut self, turn: &mut Turn<'_>, person: Person) {
        if person.must_reset {
            self.page = DeskPage::ChoosePin;
        } else {
            turn.event(Event::StaffSignedIn { staff: person.id.clone() });
        }
        let ready = !person.must_reset;
        self.person = Some(person);
        if ready {
            self.first_page(turn);
        }
    }

    /// A second person has shown who they are.
    fn approve(&mut self, turn: &mut Turn<'_>, session: &mut Session, approver: &Person) {
        let Some(pending) = self.pending.take() else { return };
        let own = self.person.as_ref().is_some_and(|person| person.id == approver.id);
        if own || approver.must_reset || approver.role < pending.shown.role {
            self.notice = Some(if own { Notice::OwnApproval } else { Notice::RoleTooSmall });
            self.pending = Some(pending);
            return;
        }
        self.perform(turn, session, pending.intent, Some(approver));
    }

    /// Who left is signed out. What they have at the terminal ends first: the shell says it again.
    pub(super) fn staff_gone(&mut self, turn: &mut Turn<'_>, staff: &str) {
        if self.person.as_ref().is_some_and(|person| person.id == staff) && self.run_attempt().is_none() && !self.goes_on() {
            turn.undo = crate::session::turn::Undo::Desk;
            self.leave(turn);
        }
    }

    pub(super) fn choose_pin(&mut self, turn: &mut Turn<'_>, pin: Pin) {
        let Some(staff) = self.person.as_ref().map(|person| person.id.clone()) else { return };
        if self.page != DeskPage::ChoosePin || self.waiting.is_some() {
            return;
        }
        if pin.is_easy() {
            self.notice = Some(Notice::EasyPin);
            return;
        }
        let request = self.ask(What::Pin);
        turn.effect(Effect::ChoosePin { request, staff, pin });
    }

    pub(super) fn pin_chosen(&mut self, turn: &mut Turn<'_>, request: u32, taken: bool) {
        if self.answered(request) != Some(What::Pin) {
            return;
        }
        turn.undo = crate::session::turn::Undo::Desk;
        if !taken {
            self.notice = Some(Notice::EasyPin);
            return;
        }
        let Some(person) = self.person.take() else { return };
        self.welcome(turn, Person { must_reset: false, ..person });
        self.notice = Some(Notice::PinChanged);
    }
}
