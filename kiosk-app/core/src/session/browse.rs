//! The menu and the basket: what is shown, and what is in it.

use super::{PayView, Session, turn::Turn};
use crate::{
    basket::{Added, Draft, Item, LineId},
    catalogue::{Allergen, ArticleId, Catalogue, CategoryId, Service},
    draft::QUANTITY_MAX,
    event::{BasketAction, By, Event, Problem, Stage},
};
use alloc::boxed::Box;

impl Session {
    /// True in the stages in which the menu and the basket are open.
    pub(super) fn is_choosing(&self) -> bool {
        matches!(self.stage, Stage::Greeting | Stage::Browse | Stage::Item | Stage::Basket | Stage::Checkout)
    }

    pub(super) fn see_menu(&mut self, turn: &mut Turn<'_>) {
        if self.is_choosing() {
            self.park();
            self.go(turn, Stage::Browse);
        }
    }

    pub(super) fn open_category(&mut self, turn: &mut Turn<'_>, category: CategoryId) {
        if !self.is_choosing() || turn.catalogue.category(category).is_none() {
            return;
        }
        self.park();
        if let Some(visit) = self.visit.as_deref_mut() {
            visit.category = category;
            visit.deep = true;
        }
        self.go(turn, Stage::Browse);
    }

    pub(super) fn quick_add(&mut self, turn: &mut Turn<'_>, id: ArticleId) {
        let plain = turn.catalogue.article(id).is_some_and(|a| a.available && a.is_plain(turn.catalogue));
        let draft = Draft::new(id, turn.catalogue).filter(|draft| plain && draft.is_complete(turn.catalogue));
        let Some(draft) = draft else { return self.open_article(turn, id) };
        if !self.is_choosing() {
            return;
        }
        self.put(turn, draft, By::Customer);
        if self.stage == Stage::Greeting {
            self.go(turn, Stage::Browse);
        }
    }

    pub(super) fn open_article(&mut self, turn: &mut Turn<'_>, id: ArticleId) {
        let Some(article) = turn.catalogue.article(id).filter(|_| self.is_choosing()) else { return };
        if !article.available {
            return self.notice(turn, Problem::SoldOut);
        }
        let Some(draft) = Draft::new(id, turn.catalogue) else { return };
        turn.event(Event::ItemViewed { sku: article.sku.clone() });
        self.open(turn, draft);
    }

    pub(super) fn edit_line(&mut self, turn: &mut Turn<'_>, id: LineId) {
        if !self.is_choosing() {
            return;
        }
        let line = self.visit.as_deref().and_then(|v| v.basket.line(id));
        if let Some(Item::Configured(draft)) = line.map(|line| &line.item) {
            let draft = Draft { editing: Some(id), ..draft.clone() };
            self.open(turn, draft);
        }
    }

    /// Opens a draft, or the unfinished one of the same thing that was left before.
    fn open(&mut self, turn: &mut Turn<'_>, draft: Draft) {
        self.park();
        let Some(visit) = self.visit.as_deref_mut() else { return };
        let resumes = |parked: &mut Draft| (parked.article, parked.editing) == (draft.article, draft.editing);
        let draft = visit.parked.take_if(resumes).unwrap_or(draft);
        visit.draft = Some(draft);
        visit.deep = true;
        if self.stage != Stage::Item {
            visit.opened_from = if self.stage == Stage::Greeting { Stage::Browse } else { self.stage };
        }
        self.go(turn, Stage::Item);
    }

    /// Closes the open article and keeps what was chosen in it.
    pub(super) fn park(&mut self) {
        if let Some(visit) = self.visit.as_deref_mut()
            && let Some(draft) = visit.draft.take()
        {
            visit.parked = Some(draft);
        }
    }

    pub(super) fn back(&mut self, turn: &mut Turn<'_>) {
        let Some(visit) = self.visit.as_deref() else { return };
        match self.stage {
            Stage::Item => {
                let to = visit.opened_from;
                self.park();
                self.go(turn, to);
            }
            Stage::Basket => self.go(turn, Stage::Browse),
            Stage::Checkout => self.go(turn, Stage::Basket),
            Stage::Paying if matches!(visit.pay, PayView::Waiting { .. }) => self.cancel_payment(turn),
            Stage::Paying => self.give_order_up(turn, Stage::Basket),
            Stage::Attract | Stage::Greeting | Stage::Browse | Stage::Done | Stage::Feedback => {}
        }
    }

    pub(super) fn open_basket(&mut self, turn: &mut Turn<'_>) {
        if self.is_choosing() {
            self.park();
            self.go(turn, Stage::Basket);
        } else {
            self.give_order_up(turn, Stage::Basket);
        }
    }

    pub(super) fn checkout(&mut self, turn: &mut Turn<'_>) {
        let filled = self.visit.as_deref().is_some_and(|v| !v.basket.lines.is_empty());
        if self.is_choosing() && filled {
            self.park();
            self.go(turn, Stage::Checkout);
        }
    }

    pub(super) fn toggle_allergen(&mut self, allergen: Allergen) {
        let Some(visit) = self.visit.as_deref_mut() else { return };
        match visit.avoid.iter().position(|a| *a == allergen) {
            Some(at) => {
                visit.avoid.remove(at);
            }
            None => visit.avoid.push(allergen),
        }
    }

    pub(super) fn set_line_quantity(&mut self, turn: &mut Turn<'_>, id: LineId, quantity: u16) {
        let Some(visit) = self.visit.as_deref_mut() else { return };
        if matches!(self.stage, Stage::Browse | Stage::Item | Stage::Basket | Stage::Checkout)
            && visit.basket.set_quantity(id, quantity.min(QUANTITY_MAX))
        {
            self.reprice(turn.catalogue);
            self.changed(turn, BasketAction::Change, id, By::Customer);
        }
    }

    pub(super) fn remove_line(&mut self, turn: &mut Turn<'_>, id: LineId) {
        if !self.is_choosing() {
            return;
        }
        // The event tells what was taken out, so it is written while the line is still priced.
        self.changed(turn, BasketAction::Remove, id, By::Customer);
        let Some(visit) = self.visit.as_deref_mut() else { return };
        visit.basket.remove(id);
        let edited = |draft: &Draft| draft.editing == Some(id);
        visit.parked.take_if(|draft| edited(draft));
        if visit.draft.take_if(|draft| edited(draft)).is_some() {
            let to = visit.opened_from;
            self.go(turn, to);
        }
        self.reprice(turn.catalogue);
        let empty = self.visit.as_deref().is_some_and(|v| v.basket.lines.is_empty());
        if empty && self.stage == Stage::Checkout {
            self.go(turn, Stage::Basket);
        }
    }

    /// Puts a complete draft into the basket. False where the basket is full.
    pub(super) fn put(&mut self, turn: &mut Turn<'_>, draft: Draft, by: By) -> bool {
        let Some(visit) = self.visit.as_deref_mut() else { return false };
        let (action, id) = match visit.basket.add(LineId(visit.next_line), draft) {
            Added::New(id) => (BasketAction::Add, id),
            Added::Merged(id) => (BasketAction::Change, id),
            Added::Full => return false,
        };
        visit.next_line = visit.next_line.saturating_add(1);
        self.reprice(turn.catalogue);
        self.changed(turn, action, id, by);
        true
    }

    /// Tells of a change: the line as it stands (as it stood, for a removal), a combo with its parts in one amount.
    pub(super) fn changed(&self, turn: &mut Turn<'_>, action: BasketAction, id: LineId, by: By) {
        let Some(visit) = self.visit.as_deref() else { return };
        let found = visit.priced.tops().find(|line| line.id == id);
        if let Some(line) = found {
            let line = crate::PricedLine { amount: visit.priced.whole(line), ..line.clone() };
            turn.event(Event::BasketChanged { action, line: Box::new(line), by });
        }
    }

    /// Prices anew after a change of basket, service or language.
    pub(super) fn reprice(&mut self, catalogue: &Catalogue) {
        let lang = self.lang;
        let Some(visit) = self.visit.as_deref_mut() else { return };
        visit.basket.service = visit.service.unwrap_or(visit.basket.service);
        visit.priced = visit.basket.price(catalogue, lang);
        visit.usual_priced = usual_price(catalogue, lang, visit.basket.service, &visit.usual);
    }
}

fn usual_price(catalogue: &Catalogue, lang: crate::Lang, service: Service, usual: &[Draft]) -> Option<crate::Priced> {
    let mut basket = crate::Basket { service, lines: alloc::vec::Vec::new() };
    for (draft, id) in usual.iter().zip(1..) {
        basket.add(LineId(id), draft.clone());
    }
    (!basket.lines.is_empty()).then(|| basket.price(catalogue, lang))
}
