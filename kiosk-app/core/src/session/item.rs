//! The open article.

use super::{Session, turn::Turn};
use crate::{
    basket::{Added, Draft, Item, Line, LineId},
    catalogue::Catalogue,
    check::PRICE_MAX,
    draft::QUANTITY_MAX,
    event::{BasketAction, By, Stage},
    money::Minor,
};
use alloc::string::String;

/// The longest SKU or name of an open-price line, in bytes.
const OPEN_TEXT_MAX: usize = 256;

impl Session {
    pub(super) fn change_draft(&mut self, change: impl FnOnce(&Catalogue, &mut Draft) -> bool, turn: &Turn<'_>) {
        if let Some(draft) = self.visit.as_deref_mut().and_then(|v| v.draft.as_mut()) {
            change(turn.catalogue, draft);
        }
    }

    pub(super) fn set_quantity(&mut self, turn: &Turn<'_>, quantity: u16) {
        let quantity = quantity.clamp(1, QUANTITY_MAX);
        self.change_draft(
            |_, draft| {
                draft.quantity = quantity;
                true
            },
            turn,
        );
    }

    /// Puts the open article into the basket, or its change back into its line. An incomplete one stays open.
    pub(super) fn add(&mut self, turn: &mut Turn<'_>) {
        let Some(visit) = self.visit.as_deref_mut() else { return };
        let Some(draft) = visit.draft.take_if(|draft| draft.is_complete(turn.catalogue)) else { return };
        let to = visit.opened_from;
        match draft.editing {
            Some(line) if visit.basket.replace(line, draft.clone()) => {
                self.reprice(turn.catalogue);
                self.changed(turn, BasketAction::Change, line, By::Customer);
            }
            _ => {
                if !self.put(turn, draft.clone(), By::Customer) {
                    return self.reopen(draft);
                }
            }
        }
        self.go(turn, to);
    }

    /// A full basket takes nothing: what was configured stays on the screen.
    fn reopen(&mut self, draft: Draft) {
        if let Some(visit) = self.visit.as_deref_mut() {
            visit.draft = Some(draft);
        }
    }

    /// A line as the caller priced it. What is negative, absurd or overlong is not taken.
    pub(super) fn add_open_price(&mut self, turn: &mut Turn<'_>, sku: String, name: String, quantity: u16, amount: Minor) {
        let fits = sku.len() <= OPEN_TEXT_MAX && name.len() <= OPEN_TEXT_MAX && (Minor::ZERO..=PRICE_MAX).contains(&amount);
        if !fits || !self.is_choosing() {
            return;
        }
        let Some(visit) = self.visit.as_deref_mut() else { return };
        let tax = turn.config.open_price_tax;
        let item = Item::Open { sku, name, quantity: quantity.max(1), amount, tax };
        let Added::New(id) = visit.basket.push(Line { id: LineId(visit.next_line), item }) else { return };
        visit.next_line = visit.next_line.saturating_add(1);
        self.reprice(turn.catalogue);
        self.changed(turn, BasketAction::Add, id, By::Customer);
        if self.stage == Stage::Greeting {
            self.go(turn, Stage::Browse);
        }
    }
}
