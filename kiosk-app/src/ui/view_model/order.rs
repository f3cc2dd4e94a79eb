// SPDX-License-Identifier: GPL-3.0-only
//! The order as it grows.

use super::Scene;
use crate::ui::words;
use kiosk_core::{LineId, Minor, Priced, PricedLine, Service};

/// The order as it grows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BasketView {
    /// Lines in the order added.
    pub lines: Vec<LineView>,
    /// How many articles.
    pub count: u32,
    /// What is paid.
    pub total: String,
    /// A tip that is in it; empty for none.
    pub tip: String,
    /// 'incl. 7 % VAT €1.08 · incl. 19 % VAT €0.54', may be empty.
    pub taxes: String,
    /// Eat in or takeaway, `None` until chosen.
    pub service: Option<Service>,
}

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub struct LineView {
    /// Its id.
    pub id: LineId,
    /// Shown name.
    pub name: String,
    /// What was chosen in it.
    pub detail: String,
    /// Whole line.
    pub amount: String,
    /// How many.
    pub quantity: u16,
    /// Picture key.
    pub picture: String,
    /// Index of the theme's picture tint.
    pub tint: u8,
    /// Something in it can be chosen otherwise.
    pub can_edit: bool,
}

pub(super) fn view(scene: &Scene<'_>) -> BasketView {
    let s = scene.snapshot;
    // Once placed, the order is what counts: it is frozen with its prices.
    let priced = s.order.as_ref().map_or(&s.basket, |order| &order.priced);
    let tax = |tax: &kiosk_core::TaxAmount| {
        let label = words::tax(tax.rate_ppm, tax.included, scene.tongue());
        format!("{label}\u{a0}{}", scene.money(tax.amount))
    };
    let taxes: Vec<String> = priced.tax.iter().filter(|tax| tax.rate_ppm > 0).map(tax).collect();
    BasketView {
        lines: priced.tops().map(|line| row(scene, priced, line)).collect(),
        count: priced.count(),
        total: scene.money(s.to_pay),
        tip: Some(s.to_pay - priced.total).filter(|tip| *tip > Minor::ZERO).map(|tip| scene.money(tip)).unwrap_or_default(),
        taxes: taxes.join(" · "),
        service: s.service,
    }
}

/// Everything chosen in a line, and in the parts of a combo.
pub(super) fn detail(priced: &Priced, line: &PricedLine) -> String {
    let chosen = |line: &PricedLine| -> Vec<String> {
        line.modifiers.iter().map(|m| words::times(u32::from(m.quantity), &m.name)).collect()
    };
    let parts = priced.parts(line).map(|part| {
        let inner = chosen(part);
        if inner.is_empty() { part.name.clone() } else { format!("{} ({})", part.name, inner.join(", ")) }
    });
    chosen(line).into_iter().chain(parts).collect::<Vec<_>>().join(", ")
}

fn row(scene: &Scene<'_>, priced: &Priced, line: &PricedLine) -> LineView {
    let (picture, tint) = scene.picture_of(&line.sku);
    let article = scene.catalogue.find(&line.sku).and_then(|(id, _)| scene.catalogue.article(id));
    LineView {
        id: line.id,
        name: line.name.clone(),
        detail: detail(priced, line),
        amount: scene.money(priced.whole(line)),
        quantity: line.quantity,
        picture,
        tint,
        can_edit: article.is_some_and(|a| !(a.variants.is_empty() && a.groups.is_empty() && a.parts.is_empty())),
    }
}
