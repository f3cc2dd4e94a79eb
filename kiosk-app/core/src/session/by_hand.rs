//! What staff change in the basket of the visit in front of the screen.

use super::{Session, turn::Turn};
use crate::{
    basket::{Item, LineId},
    catalogue::TaxId,
    money::Minor,
};
use alloc::string::String;

impl Session {
    /// Staff stand at the screen: the visit behind the desk does not time out under their hands.
    pub(crate) fn keep(&mut self, turn: &Turn<'_>) {
        self.alive(turn);
    }

    /// Gives a basket line another price: it becomes one of open price, with the same name, count and tax. Its SKU and its
    /// price before; `None` where there is no such line, it is a combo, or nothing can be changed any more.
    pub(crate) fn override_price(&mut self, turn: &Turn<'_>, line: LineId, amount: Minor) -> Option<(String, Minor)> {
        let choosing = self.is_choosing();
        let visit = self.visit.as_deref_mut().filter(|_| choosing)?;
        let mut priced = visit.priced.lines.iter().filter(|priced| priced.id == line);
        let was = priced.next()?.clone();
        if priced.next().is_some() {
            return None;
        }
        let tax = turn.catalogue.taxes.iter().position(|tax| tax.code == was.tax_code)?;
        let tax = TaxId(u32::try_from(tax).ok()?);
        let there = visit.basket.lines.iter_mut().find(|there| there.id == line)?;
        there.item = Item::Open { sku: was.sku.clone(), name: was.name, quantity: was.quantity, amount, tax };
        self.reprice(turn.catalogue);
        Some((was.sku, was.amount))
    }
}
