//! A gift card as a way to pay: its number, its balance, what of it is used.
//!
//! The number is asked for over the checkout, or between two parts. What is on the card is shown before anything is set aside.
//! What is used becomes a part of the order: set aside first, and taken once the other parts are paid.

use super::{
    Overlay, PayView, Session,
    parts::{Part, PartState},
    turn::{SaleUndo, Turn, Undo},
};
use crate::{
    accounts::{ASK_FOR_MS, AccountAnswer, AccountAsk, AccountRefusal, GiftCode},
    config::PayConfig,
    device::DeviceKind,
    effect::{Effect, Signal},
    event::{Event, PaymentFact, Problem, Stage},
    ids::Id,
    money::Minor,
    payments::Tender,
};
use alloc::string::String;

/// Wrong numbers in one visit; then a person is called.
const WRONG_MAX: u8 = 5;

/// What the screen shows of a gift card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GiftView {
    /// The backend is being asked.
    pub asking: bool,
    /// Its last digits, empty before there is a number.
    pub ending: String,
    /// What is on it, once that is known.
    pub balance: Option<Minor>,
    /// What would be used of it.
    pub uses: Minor,
    /// What would be left to pay.
    pub rest: Minor,
    /// Why it cannot be used.
    pub problem: Option<Problem>,
}

/// How far the looking has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Looking {
    code: Option<GiftCode>,
    /// The question, and when it counts as unanswered.
    asked: Option<(Id, u64)>,
    balance: Option<Minor>,
    problem: Option<Problem>,
    wrong: u8,
}

impl Session {
    /// True where this order is the one in front of the screen.
    pub(crate) fn has_order(&self, order: Id) -> bool {
        self.visit.as_deref().and_then(|visit| visit.order.as_ref()).is_some_and(|known| known.placed.order == order)
    }

    pub(super) fn open_gift(&mut self, turn: &mut Turn<'_>) {
        if !turn.config.pay.gift || !self.may_pay(turn) {
            return;
        }
        if self.is_lost(DeviceKind::Backend) {
            return self.notice(turn, Problem::GiftOffline);
        }
        let Some(visit) = self.visit.as_deref_mut() else { return };
        visit.gift = Looking { wrong: visit.gift.wrong, ..Looking::default() };
        self.overlay = Some(Overlay::Gift);
        self.notice_until_ms = None;
    }

    pub(super) fn look_at_gift(&mut self, turn: &mut Turn<'_>, text: &str) {
        if self.overlay != Some(Overlay::Gift) {
            return;
        }
        let Some(visit) = self.visit.as_deref_mut() else { return };
        if visit.gift.wrong >= WRONG_MAX {
            return self.call_person(turn);
        }
        let wrong = visit.gift.wrong;
        let Some(code) = GiftCode::parse(text) else {
            visit.gift = Looking { problem: Some(Problem::GiftUnknown), wrong: wrong.saturating_add(1), ..Looking::default() };
            return;
        };
        let attempt = turn.ids.next(turn.now);
        let asked = Some((attempt, turn.after(ASK_FOR_MS)));
        visit.gift = Looking { code: Some(code.clone()), asked, wrong, ..Looking::default() };
        turn.effect(Effect::Account { attempt, ask: AccountAsk::Look { code } });
    }

    /// True where the answer was to the question about a balance.
    pub(crate) fn looked_at_gift(&mut self, turn: &Turn<'_>, attempt: Id, answer: AccountAnswer) -> bool {
        let Some(visit) = self.visit.as_deref_mut() else { return false };
        let gift = &mut visit.gift;
        if gift.asked.is_none_or(|(asked, _)| asked != attempt) {
            return false;
        }
        gift.asked = None;
        match answer {
            AccountAnswer::Balance(balance) if balance > Minor::ZERO => gift.balance = Some(balance),
            AccountAnswer::Balance(_) => gift.problem = Some(Problem::GiftRefused),
            AccountAnswer::Refused(AccountRefusal::Unknown) => {
                gift.problem = Some(Problem::GiftUnknown);
                gift.wrong = gift.wrong.saturating_add(1);
            }
            AccountAnswer::Refused(why) => gift.problem = Some(problem(Some(why))),
            _ => gift.problem = Some(Problem::GiftOffline),
        }
        if gift.balance.is_none() {
            gift.code = None;
        }
        self.alive(turn);
        true
    }

    pub(super) fn gift_overdue(&mut self, turn: &Turn<'_>) {
        let asked = self.visit.as_deref().and_then(|visit| visit.gift.asked);
        if let Some((attempt, _)) = asked.filter(|(_, until)| *until <= turn.now.mono_ms) {
            self.looked_at_gift(turn, attempt, AccountAnswer::Silent);
        }
    }

    pub(super) fn gift_until_ms(&self) -> Option<u64> {
        self.visit.as_deref()?.gift.asked.map(|(_, until)| until)
    }

    pub(super) fn gift_view(&self, config: &PayConfig) -> Option<GiftView> {
        let visit = self.visit.as_deref().filter(|_| self.overlay == Some(Overlay::Gift))?;
        let gift = &visit.gift;
        let open = visit.order.as_ref().map_or(visit.priced.total + visit.tip_amount(config), |order| order.open());
        let uses = gift.balance.unwrap_or(Minor::ZERO).min(open);
        Some(GiftView {
            asking: gift.asked.is_some(),
            ending: gift.code.as_ref().map_or_else(String::new, |code| code.ending().into()),
            balance: gift.balance,
            uses,
            rest: open - uses,
            problem: gift.problem,
        })
    }

    /// Sets aside what the card holds and the order needs.
    pub(super) fn use_gift(&mut self, turn: &mut Turn<'_>, most: Option<Minor>) {
        if self.overlay != Some(Overlay::Gift) || !self.may_pay(turn) {
            return;
        }
        let Some(visit) = self.visit.as_deref() else { return };
        let (Some(code), Some(balance)) = (visit.gift.code.clone(), visit.gift.balance) else { return };
        let tip = visit.tip_amount(&turn.config.pay);
        let open = visit.order.as_ref().map_or(visit.priced.total + tip, |order| order.open());
        let amount = balance.min(open).min(most.unwrap_or(balance));
        if amount <= Minor::ZERO {
            return;
        }
        if !turn.can_record {
            return self.notice(turn, Problem::CannotRecord);
        }
        if turn.now.utc_ms.is_none() {
            return self.notice(turn, Problem::ClockUnset);
        }
        let undo = SaleUndo { stage: self.stage, pay: visit.pay, placed: visit.order.is_none(), attempt: None };
        let before = turn.events.len();
        self.place(turn);
        match self.hold(turn, code, amount) {
            Some(attempt) => turn.undo = Undo::Sale(SaleUndo { attempt: Some(attempt), ..undo }),
            None => {
                turn.events.truncate(before);
                if let Some(visit) = self.visit.as_deref_mut().filter(|_| undo.placed) {
                    visit.order = None;
                }
                self.notice(turn, Problem::GiftOffline);
            }
        }
    }

    fn hold(&mut self, turn: &mut Turn<'_>, code: GiftCode, amount: Minor) -> Option<Id> {
        let who = self.who(turn.catalogue);
        let order = self.placed_order()?;
        let (payment, attempt) = (turn.ids.next(turn.now), turn.ids.next(turn.now));
        let fact = PaymentFact { tender: Tender::Gift, ..PaymentFact::card(payment, order.placed.order, attempt, amount) };
        let (fact, ask) = turn.accounts.hold(fact, who, code, turn.now).ok()?;
        order.parts.push(Part { attempt, payment, tender: Tender::Gift, amount, state: PartState::Running });
        turn.payments.in_parts(order.placed.order, order.placed.to_pay());
        turn.event(Event::PaymentStarted(fact));
        turn.effect(Effect::Account { attempt, ask });
        turn.signal(Signal::Thinking);
        self.close_overlay();
        self.set_pay(PayView::Waiting { tender: Tender::Gift, code: None });
        self.go(turn, Stage::Paying);
        if let Some(visit) = self.visit.as_deref_mut() {
            visit.gift = Looking::default();
        }
        Some(attempt)
    }

    /// So much of what is open by card, the rest otherwise.
    pub(super) fn pay_amount(&mut self, turn: &mut Turn<'_>, amount: Minor) {
        if amount > Minor::ZERO && self.may_pay(turn) {
            self.sell_part(turn, Tender::Card, Some(amount));
        }
    }

    /// It is set aside.
    pub(super) fn held(&mut self, turn: &mut Turn<'_>) {
        self.alive(turn);
        if !self.goes_on_with_holds(turn) {
            self.show_parts();
        }
    }

    /// Takes what is set aside, where that is all that is missing. True where the guest waits for it, or goes to the counter
    /// for the rest.
    pub(super) fn goes_on_with_holds(&mut self, turn: &mut Turn<'_>) -> bool {
        let Some(order) = self.placed_order() else { return false };
        let running = order.parts.iter().any(|part| part.state == PartState::Running);
        let covered = order.open() <= Minor::ZERO && order.unknown() == Minor::ZERO;
        if order.to_counter && !running && order.held() == Minor::ZERO {
            order.to_counter = false;
            self.sold(turn, PayView::AtCounter);
            return true;
        }
        if running || !covered || order.held() == Minor::ZERO {
            return running;
        }
        self.take_holds(turn);
        true
    }

    /// The counter takes the rest: what is set aside is taken first. True where there is something.
    pub(super) fn takes_holds(&mut self, turn: &mut Turn<'_>) -> bool {
        let Some(order) = self.placed_order().filter(|order| order.held() > Minor::ZERO) else { return false };
        order.to_counter = true;
        self.take_holds(turn);
        true
    }

    fn take_holds(&mut self, turn: &mut Turn<'_>) {
        let Some(order) = self.placed_order() else { return };
        for part in order.parts.iter_mut().filter(|part| part.state == PartState::Held) {
            if let Some(ask) = turn.accounts.capture(part.attempt, turn.now) {
                part.state = PartState::Running;
                turn.effects.push(Effect::Account { attempt: part.attempt, ask });
            }
        }
        self.close_overlay();
        self.set_pay(PayView::Waiting { tender: Tender::Gift, code: None });
        turn.signal(Signal::Thinking);
    }

    /// Nothing of what is set aside is used.
    pub(super) fn put_back_holds(&mut self, turn: &mut Turn<'_>) {
        let Some(order) = self.placed_order() else { return };
        let (held, others): (alloc::vec::Vec<_>, _) = order.parts.iter().partition(|part| part.state == PartState::Held);
        order.parts = others;
        for part in held {
            if let Some(ask) = turn.accounts.release(part.attempt, turn.now) {
                turn.effect(Effect::Account { attempt: part.attempt, ask });
            }
        }
    }

    /// Nothing came of a gift card: the rest is paid otherwise.
    pub(super) fn account_refused(&mut self, turn: &mut Turn<'_>, why: Option<AccountRefusal>) {
        self.alive(turn);
        if let Some(order) = self.placed_order() {
            order.to_counter = false;
        }
        if self.is_partly_paid() || self.placed_order().is_some_and(|order| !order.parts.is_empty()) {
            self.show_parts();
        } else {
            self.cancel_order(turn, Stage::Checkout);
        }
        self.notice(turn, problem(why));
        turn.signal(Signal::Declined);
    }
}

fn problem(why: Option<AccountRefusal>) -> Problem {
    match why {
        Some(AccountRefusal::Unknown) => Problem::GiftUnknown,
        Some(_) => Problem::GiftRefused,
        None => Problem::GiftOffline,
    }
}
