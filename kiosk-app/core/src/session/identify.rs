//! Who is it? A card is seen, the adapter looks it up, the visit goes on in the meantime.
//!
//! - At the attract screen a card begins the visit and shows a neutral greeting at once.
//! - An answer within the budget greets by name and speaks the guest's language, unless the guest has chosen one. Where
//!   the guest has already looked into the menu, nothing moves: the guest is joined to the visit quietly.
//! - An answer after the budget is joined quietly, too: neither the stage nor the language changes.
//! - Consent decides what is taken from an answer ([`crate::consent`]): without any, the guest stays anonymous and no identity
//!   is recorded.
//! - A card at 'thank you' makes the visit, anonymous until then, one of that guest: the same happens, and nothing moves.

use super::{Lookup, Overlay, Session, turn::Turn};
use crate::{
    basket::Draft,
    catalogue::{Article, Catalogue, Lang},
    consent::Use,
    device::{Assurance, CardRefusal, DeviceKind, Guest, Method, UsualItem},
    draft::QUANTITY_MAX,
    effect::{Effect, Signal},
    event::{By, Event, Problem, Stage, Trigger},
    payments::Tender,
    scan,
};
use alloc::{string::String, vec::Vec};

/// The most lines of a usual that are looked at.
const USUAL_MAX: usize = 20;

impl Session {
    pub(super) fn card_seen(
        &mut self,
        turn: &mut Turn<'_>,
        token: String,
        method: Method,
        assurance: Assurance,
        counter: Option<u32>,
    ) {
        let begins = self.visit.is_none();
        if begins && !self.begin(turn, Trigger::Tap, None) {
            return;
        }
        self.touch(turn);
        if begins {
            self.go(turn, Stage::Greeting);
        }
        if matches!(self.overlay, Some(Overlay::StillThere { .. })) {
            self.close_overlay();
        }
        let welcome = self.is_choosing() || matches!(self.stage, Stage::Done | Stage::Feedback);
        let Some(visit) = self.visit.as_deref_mut().filter(|_| welcome) else { return };
        let asked = visit.lookup.as_ref().is_some_and(|l| l.token == token);
        if asked || visit.token.as_ref() == Some(&token) {
            return;
        }
        let until_ms = turn.after(turn.config.identify_budget_ms);
        visit.lookup = Some(Lookup { token: token.clone(), method, assurance, counter, until_ms, late: false });
        turn.effect(Effect::Identify { token });
        turn.signal(Signal::Thinking);
    }

    /// A guest's code is a card that lasts for one look-up: whoever sees it on a telephone can copy it, so that it proves
    /// little; whether it is new and genuine only the backend knows.
    pub(super) fn scanned(&mut self, turn: &mut Turn<'_>, code: &str, token: String) {
        match scan::meaning(code) {
            scan::Meaning::Guest => self.card_seen(turn, token, Method::Qr, Assurance::Low, None),
            scan::Meaning::Other => {
                self.touch(turn);
                self.notice(turn, Problem::CodeUnknown);
            }
        }
    }

    pub(super) fn bank_card_seen(&mut self, turn: &mut Turn<'_>) {
        self.touch(turn);
        self.notice(turn, Problem::BankCardAtReader);
    }

    /// A look-up that still runs goes on: it was begun by another card. One by a code has its answer by that.
    pub(super) fn card_refused(&mut self, turn: &mut Turn<'_>, why: CardRefusal) {
        self.touch(turn);
        let by_code = |lookup: &mut Lookup| why == CardRefusal::Code && lookup.method == Method::Qr;
        if let Some(lookup) = self.visit.as_deref_mut().and_then(|visit| visit.lookup.take_if(by_code))
            && !lookup.late
        {
            record(turn, &lookup, None);
            turn.signal(Signal::Idle);
        }
        let problem = match why {
            CardRefusal::RandomNumber => Problem::RandomCard,
            CardRefusal::NotTaken => Problem::CardNotTaken,
            CardRefusal::NotGenuine => Problem::CardNotGenuine,
            CardRefusal::Blocked => Problem::CardBlocked,
            CardRefusal::Code => Problem::CodeRefused,
        };
        self.notice(turn, problem);
    }

    pub(super) fn identified(&mut self, turn: &mut Turn<'_>, token: &str, guest: Option<Guest>, proven: bool) {
        let Some(visit) = self.visit.as_deref_mut() else { return };
        let Some(mut lookup) = visit.lookup.take_if(|l| l.token == token) else { return };
        if proven {
            lookup.assurance = Assurance::High;
        }
        let in_time = !lookup.late && turn.now.mono_ms < lookup.until_ms;
        if !lookup.late {
            turn.signal(Signal::Idle);
        }
        let Some(guest) = guest else {
            record(turn, &lookup, None);
            if lookup.method == Method::Qr {
                // Nobody joins by a code that is gone in a minute.
                self.notice(turn, Problem::CodeRefused);
            } else if in_time {
                self.ask_to_join(turn, lookup.token);
            }
            return;
        };
        let Some(guest) = guest.as_agreed() else { return };
        record(turn, &lookup, guest.consent.allows(Use::History).then_some(guest.visits_before));
        if let Some(visit) = self.visit.as_deref_mut() {
            visit.assurance = lookup.assurance;
            visit.stranger = None;
            visit.token = Some(lookup.token);
        }
        self.join(turn, guest, in_time);
    }

    /// Makes the guest known to the visit, and greets where that takes nothing away.
    fn join(&mut self, turn: &mut Turn<'_>, guest: Guest, in_time: bool) {
        let choosing = self.is_choosing();
        let Some(visit) = self.visit.as_deref_mut() else { return };
        visit.usual = usual(turn.catalogue, &guest.usual).unwrap_or_default();
        let language = language_of(turn.catalogue, &guest.language);
        if let Some(lang) = language.filter(|_| in_time && choosing && !visit.lang_chosen) {
            self.lang = lang;
        }
        let untouched = !visit.deep && visit.basket.lines.is_empty();
        if untouched && visit.avoid.is_empty() {
            visit.avoid.clone_from(&guest.dietary);
        }
        visit.guest = Some(guest);
        self.reprice(turn.catalogue);
        if in_time && untouched && self.stage == Stage::Browse {
            self.go(turn, Stage::Greeting);
        }
    }

    /// The budget is over, or nobody can answer: the visit goes on anonymously.
    pub(super) fn lookup_over(&mut self, turn: &mut Turn<'_>) {
        let lookup = self.visit.as_deref_mut().and_then(|v| v.lookup.as_mut());
        if let Some(lookup) = lookup.filter(|l| !l.late) {
            // Recorded now, while the visit is sure to run: the backend may know whom this kiosk does not.
            record(turn, lookup, None);
            lookup.late = true;
            let by_code = lookup.method == Method::Qr;
            turn.signal(Signal::Idle);
            if by_code {
                // No copy of a profile answers for a code; a card may be known here all the same.
                self.notice(turn, Problem::CodeUnchecked);
            }
        }
    }

    pub(super) fn stay_anonymous(&mut self, turn: &mut Turn<'_>) {
        self.forget_identity();
        if self.stage == Stage::Greeting {
            self.go(turn, Stage::Browse);
        }
    }

    /// The usual, in three touches: the card at the reader, this, the card at the terminal. With nothing else in the
    /// basket it goes straight to the terminal, for the service chosen, else for the shop's own; otherwise it joins the
    /// basket and the guest sees the whole at checkout.
    pub(super) fn order_usual(&mut self, turn: &mut Turn<'_>) {
        let choosing = self.is_choosing();
        let Some(visit) = self.visit.as_deref_mut().filter(|v| choosing && v.usual_priced.is_some()) else { return };
        if !turn.can_record {
            return self.notice(turn, Problem::CannotRecord);
        }
        let straight = self.stage == Stage::Greeting && visit.basket.lines.is_empty();
        visit.service.get_or_insert(turn.config.service);
        for draft in visit.usual.clone() {
            self.put(turn, draft, By::Usual);
        }
        self.park();
        if straight && !self.is_lost(DeviceKind::Terminal) {
            self.sell(turn, Tender::Card);
        }
        if self.is_choosing() {
            self.go(turn, Stage::Checkout);
        }
    }
}

fn record(turn: &mut Turn<'_>, lookup: &Lookup, visits_before: Option<u32>) {
    if !lookup.late {
        turn.event(Event::VisitIdentified {
            method: lookup.method,
            assurance: lookup.assurance,
            visits_before,
            token: lookup.token.clone(),
            counter: lookup.counter,
        });
    }
}

/// 'en-GB' finds itself, else the first language with the same beginning.
fn language_of(catalogue: &Catalogue, tag: &str) -> Option<Lang> {
    let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let tags = &catalogue.languages;
    let exact = tags.iter().position(|t| t.eq_ignore_ascii_case(tag));
    let at = exact.or_else(|| tags.iter().position(|t| !tag.is_empty() && primary(t) == primary(tag)))?;
    u8::try_from(at).ok().map(Lang)
}

/// The usual as drafts; `None` where any of it cannot be sold now: half a usual is none.
fn usual(catalogue: &Catalogue, items: &[UsualItem]) -> Option<Vec<Draft>> {
    items.iter().take(USUAL_MAX).map(|item| usual_draft(catalogue, item)).collect()
}

fn usual_draft(catalogue: &Catalogue, item: &UsualItem) -> Option<Draft> {
    let (id, variant) = catalogue.find(&item.sku)?;
    let article = catalogue.article(id)?;
    let mut draft = Draft::new(id, catalogue)?;
    draft.variant = variant.or(draft.variant);
    draft.quantity = item.quantity.clamp(1, QUANTITY_MAX);
    let counts = |sku: &str| item.modifiers.iter().find(|(known, _)| known == sku).map_or(0, |(_, count)| *count);
    for (part, at) in article.parts.iter().zip(0u8..) {
        let named = part.choices.iter().position(|choice| {
            let filling = catalogue.article(choice.article);
            let variant = filling.and_then(|f| f.variants.get(usize::from(choice.variant?)));
            filling.map(|f| variant.map_or(&f.sku, |v| &v.sku)).is_some_and(|sku| counts(sku) > 0)
        });
        if let Some(choice) = named.and_then(|n| u8::try_from(n).ok()) {
            draft.choose_part(catalogue, at, choice);
            let filling = catalogue.article(part.choices[usize::from(choice)].article)?;
            let slot = draft.parts.get_mut(usize::from(at))?;
            set_counts(catalogue, filling, &mut slot.counts, &counts);
        }
    }
    set_counts(catalogue, article, &mut draft.counts, &counts);
    draft.is_complete(catalogue).then_some(draft)
}

/// The usual says what is in it and what is not; where it is silent about a required group, the presets stand.
fn set_counts(catalogue: &Catalogue, article: &Article, counts: &mut [Vec<u8>], wanted: &dyn Fn(&str) -> u8) {
    for (id, counts) in article.groups.iter().zip(counts) {
        let Some(group) = catalogue.group(*id) else { continue };
        let named: Vec<u8> = group.choices.iter().map(|choice| wanted(&choice.sku)).collect();
        if group.min == 0 || named.iter().any(|count| *count > 0) {
            *counts = named;
        }
    }
}
