//! What the guest decides about being known: joining, more or less of it, being forgotten.
//!
//! - A card that nobody is known by is asked about once: 'Shall we know you next time?' One touch joins; the kiosk makes the
//!   pseudonym. Where the look-up had no answer, the question waits for 'thank you', in case the answer comes meanwhile.
//! - A higher level needs its own question on the screen; without it, [`Intent::Agree`](crate::Intent::Agree) does nothing.
//! - A lower level is in force at once. Without any, the visit goes on anonymously.
//! - An identity that can be copied decides nothing: whoever found a card must not change, read or erase its owner's data.
//! - 'Forget me' is asked twice, recorded under the guest's pseudonym, and from the next event on nobody is known any more.

use super::{Overlay, Session, turn::Turn};
use crate::{
    consent::Question,
    device::{Assurance, Consent, Guest, Method},
    event::{Event, Problem, Stage},
};
use alloc::{format, string::String, vec::Vec};

impl Session {
    /// The question that may be answered now: the one over the screen, else the one on 'thank you'.
    pub(super) fn question(&self, joining: bool) -> Option<Question> {
        if let Some(Overlay::Ask(question)) = self.overlay {
            return Some(question);
        }
        let visit = self.visit.as_deref()?;
        if visit.declined || !matches!(self.stage, Stage::Done | Stage::Feedback) {
            return None;
        }
        match &visit.guest {
            Some(guest) if guest.consent == Consent::Service && self.may_change() => Some(Question::Level(Consent::Personal)),
            Some(_) => None,
            None => (joining && self.stranger().is_some()).then_some(Question::Join),
        }
    }

    /// Whether the guest in front of the screen may decide about what is kept.
    pub(super) fn may_change(&self) -> bool {
        let visit = self.visit.as_deref();
        visit.is_some_and(|v| v.guest.is_some() && (v.assurance == Assurance::High || v.joined))
    }

    /// The card by which somebody could join.
    fn stranger(&self) -> Option<&String> {
        let visit = self.visit.as_deref()?;
        let late = visit.lookup.as_ref().filter(|lookup| lookup.late && lookup.method != Method::Qr).map(|lookup| &lookup.token);
        visit.stranger.as_ref().or(late).filter(|token| !token.is_empty())
    }

    /// Nobody is known by this card: may they be, next time?
    pub(super) fn ask_to_join(&mut self, turn: &mut Turn<'_>, token: String) {
        let Some(visit) = self.visit.as_deref_mut() else { return };
        visit.stranger = Some(token).filter(|token| !token.is_empty());
        let asks = turn.config.joining && turn.can_record && !visit.declined && visit.stranger.is_some();
        if matches!(self.overlay, None | Some(Overlay::Problem(_))) {
            if asks {
                self.close_overlay();
                self.overlay = Some(Overlay::Ask(Question::Join));
            } else if !turn.config.joining {
                self.notice(turn, Problem::UnknownCard);
            }
        }
    }

    pub(super) fn ask(&mut self, question: Question) {
        let Some(visit) = self.visit.as_deref() else { return };
        let fits = match (question, &visit.guest) {
            (Question::Join, None) => self.stranger().is_some(),
            (Question::Level(level), Some(guest)) => self.may_change() && guest.consent.next() == Some(level),
            _ => false,
        };
        if fits {
            self.overlay = Some(Overlay::Ask(question));
        }
    }

    pub(super) fn agree(&mut self, turn: &mut Turn<'_>, question: Question) {
        let asked = self.question(turn.config.joining) == Some(question);
        self.close_overlay();
        if !asked {
            return;
        }
        if !turn.can_record {
            return self.notice(turn, Problem::CannotRecord);
        }
        match question {
            Question::Join => self.join_now(turn),
            Question::Level(level) => self.set_consent(turn, level),
        }
    }

    pub(super) fn decline(&mut self) {
        self.close_overlay();
        if let Some(visit) = self.visit.as_deref_mut() {
            visit.declined = true;
        }
    }

    fn join_now(&mut self, turn: &mut Turn<'_>) {
        let Some(token) = self.stranger().cloned() else { return };
        let language = super::language_tag(turn.catalogue, self.lang);
        let Some(visit) = self.visit.as_deref_mut() else { return };
        let hex: String = turn.ids.next(turn.now).0.iter().map(|byte| format!("{byte:02x}")).collect();
        visit.guest = Some(Guest {
            visitor: format!("v_{hex}"),
            display_name: String::new(),
            language: language.clone(),
            consent: Consent::Service,
            usual: Vec::new(),
            usual_because: None,
            dietary: Vec::new(),
            points: 0,
            visits_before: 0,
            as_of_ms: None,
        });
        visit.joined = true;
        visit.stranger = None;
        visit.lookup = None;
        visit.token = Some(token.clone());
        turn.event(Event::VisitorJoined { token, language });
    }

    /// A lower level. Never a higher one.
    pub(super) fn keep_less(&mut self, turn: &mut Turn<'_>, level: Consent) {
        self.close_overlay();
        let has = self.visit.as_deref().and_then(|v| v.guest.as_ref()).map(|guest| guest.consent);
        if self.may_change() && has.is_some_and(|has| level < has) {
            self.set_consent(turn, level);
        }
    }

    fn set_consent(&mut self, turn: &mut Turn<'_>, to: Consent) {
        let before = self.who(turn.catalogue);
        let Some(visit) = self.visit.as_deref_mut() else { return };
        let Some(mut guest) = visit.guest.take() else { return };
        let from = core::mem::replace(&mut guest.consent, to);
        turn.event(Event::ConsentChanged { from, to, dietary: None });
        match guest.as_agreed() {
            Some(guest) => {
                if guest.usual.is_empty() {
                    visit.usual.clear();
                    visit.usual_priced = None;
                }
                visit.guest = Some(guest);
            }
            None => {
                // Said by the guest that was: without that nobody knew whose consent ended.
                turn.who = Some(before);
                self.forget_identity();
            }
        }
        self.overlay = None;
    }

    /// Keeps what the guest avoids, or keeps it no longer.
    pub(super) fn keep_dietary(&mut self, turn: &mut Turn<'_>, keep: bool) {
        if !self.may_change() || !turn.can_record {
            return;
        }
        let Some(visit) = self.visit.as_deref_mut() else { return };
        let Some(guest) = visit.guest.as_mut() else { return };
        let mut dietary = if keep { visit.avoid.clone() } else { Vec::new() };
        dietary.sort_unstable();
        if dietary != guest.dietary {
            guest.dietary.clone_from(&dietary);
            let level = guest.consent;
            turn.event(Event::ConsentChanged { from: level, to: level, dietary: Some(dietary) });
        }
    }

    /// Asked first; said again, it is done.
    pub(super) fn forget_me(&mut self, turn: &mut Turn<'_>) {
        if !self.may_change() {
            return self.close_overlay();
        }
        if self.overlay != Some(Overlay::ConfirmForget) {
            self.overlay = Some(Overlay::ConfirmForget);
            return;
        }
        if !turn.can_record {
            return self.notice(turn, Problem::CannotRecord);
        }
        turn.event(Event::ErasureRequested);
        turn.who = Some(self.who(turn.catalogue));
        self.forget_identity();
        self.show(turn.now, turn.config, Overlay::Forgotten);
    }

    /// The backend wants these forgotten: nothing that is still to come names them.
    pub(super) fn forget(&mut self, visitors: &[String]) {
        for print in &mut self.prints {
            print.who.forget(visitors);
        }
        let known = self.visit.as_deref().and_then(|v| v.guest.as_ref()).is_some_and(|g| visitors.contains(&g.visitor));
        if known {
            self.forget_identity();
        }
    }

    /// The visit goes on without anybody.
    pub(super) fn forget_identity(&mut self) {
        let Some(visit) = self.visit.as_deref_mut() else { return };
        visit.guest = None;
        visit.lookup = None;
        visit.token = None;
        visit.stranger = None;
        visit.declined = true;
        visit.usual.clear();
        visit.usual_priced = None;
        if let Some(order) = &mut visit.order {
            order.placed.called_name.clear();
        }
        if matches!(self.overlay, Some(Overlay::WhyThis | Overlay::Privacy | Overlay::Ask(_) | Overlay::ConfirmForget)) {
            self.close_overlay();
        }
    }
}
