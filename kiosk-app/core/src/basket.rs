//! The basket and its exact price. How it is reckoned stands in [`crate::price`], how an article is configured in
//! [`crate::draft`].

use crate::{
    catalogue::{ArticleId, Service, TaxId},
    draft::QUANTITY_MAX,
    money::Minor,
};
use alloc::{string::String, vec::Vec};

/// A line's id, unique within one basket and never reused in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(pub u32);

/// What fills one combo part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DraftPart {
    /// Index into the part's choices, `None` until the guest chose.
    pub choice: Option<u8>,
    /// Counts by group and choice of the chosen article.
    pub counts: Vec<Vec<u8>>,
}

/// An article being configured, or a configured line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The article.
    pub article: ArticleId,
    /// Index into its variants, `None` until the guest chose.
    pub variant: Option<u8>,
    /// Counts by group and choice.
    pub counts: Vec<Vec<u8>>,
    /// Combo parts in order.
    pub parts: Vec<DraftPart>,
    /// How many, at least 1.
    pub quantity: u16,
    /// The line being changed, `None` for a new one.
    pub editing: Option<LineId>,
}

/// What a line is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// From the catalogue.
    Configured(Draft),
    /// Open price: `amount` is for the whole line.
    Open {
        /// Need not be in the catalogue.
        sku: String,
        /// Shown and printed.
        name: String,
        /// How many.
        quantity: u16,
        /// Whole line.
        amount: Minor,
        /// Its tax.
        tax: TaxId,
    },
}

/// A line of the basket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its id.
    pub id: LineId,
    /// What it is.
    pub item: Item,
}

/// What the guest has gathered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basket {
    /// Eat in or takeaway: decides prices and taxes.
    pub service: Service,
    /// Lines in the order added.
    pub lines: Vec<Line>,
}

/// The most lines of a basket; more are not taken. With [`crate::check::PRICE_MAX`] no sum overflows.
pub const LINES_MAX: usize = 500;

/// What became of a configured article on its way into the basket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is a line of its own.
    New(LineId),
    /// The same thing was there; its quantity grew, to [`QUANTITY_MAX`] at most.
    Merged(LineId),
    /// The basket has [`LINES_MAX`] lines.
    Full,
}

impl Basket {
    /// The line.
    pub fn line(&self, id: LineId) -> Option<&Line> {
        self.lines.iter().find(|line| line.id == id)
    }

    /// Adds a configured article, into the line of the same thing where there is one. `id` is used for a new line.
    pub fn add(&mut self, id: LineId, draft: Draft) -> Added {
        let same = |line: &&mut Line| matches!(&line.item, Item::Configured(there) if there.is_same_thing(&draft));
        if let Some(line) = self.lines.iter_mut().find(same) {
            if let Item::Configured(there) = &mut line.item {
                there.quantity = there.quantity.saturating_add(draft.quantity).min(QUANTITY_MAX);
            }
            return Added::Merged(line.id);
        }
        self.push(Line { id, item: Item::Configured(Draft { editing: None, ..draft }) })
    }

    /// Adds a line as it is.
    pub fn push(&mut self, line: Line) -> Added {
        if self.lines.len() >= LINES_MAX {
            return Added::Full;
        }
        let id = line.id;
        self.lines.push(line);
        Added::New(id)
    }

    /// Takes a line out.
    pub fn remove(&mut self, id: LineId) -> Option<Line> {
        let at = self.lines.iter().position(|line| line.id == id)?;
        Some(self.lines.remove(at))
    }

    /// Sets how many of a configured line, 1 to [`QUANTITY_MAX`]. False for a line that is not there, is of open price
    /// (its amount is for the whole line), or already has that many.
    pub fn set_quantity(&mut self, id: LineId, quantity: u16) -> bool {
        let quantity = quantity.clamp(1, QUANTITY_MAX);
        match self.lines.iter_mut().find(|line| line.id == id).map(|line| &mut line.item) {
            Some(Item::Configured(draft)) if draft.quantity != quantity => {
                draft.quantity = quantity;
                true
            }
            _ => false,
        }
    }

    /// Puts a changed configuration back into its line. False for a line that is not there.
    pub fn replace(&mut self, id: LineId, draft: Draft) -> bool {
        let line = self.lines.iter_mut().find(|line| line.id == id);
        line.map(|line| line.item = Item::Configured(Draft { editing: None, ..draft })).is_some()
    }
}

/// A modifier of a priced line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedModifier {
    /// Key of the group.
    pub group: String,
    /// SKU of the choice.
    pub sku: String,
    /// Name in the session's language.
    pub name: String,
    /// How many for each of the line's quantity.
    pub quantity: u8,
    /// For the whole line.
    pub amount: Minor,
}

/// A line with its price. Combo parts are lines of their own with `parent` set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedLine {
    /// Number within the order, from 1.
    pub line: u32,
    /// The combo line it belongs to.
    pub parent: Option<u32>,
    /// The basket line it came from.
    pub id: LineId,
    /// SKU (the variant's, where there is one).
    pub sku: String,
    /// Name in the session's language.
    pub name: String,
    /// How many.
    pub quantity: u16,
    /// Whole line before discounts, modifiers included. The amounts of all lines sum up to the order's goods.
    pub amount: Minor,
    /// Modifiers.
    pub modifiers: Vec<PricedModifier>,
    /// Tax code.
    pub tax_code: String,
}

/// Tax of one code over the whole order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaxAmount {
    /// Tax code.
    pub code: String,
    /// Millionths.
    pub rate_ppm: u32,
    /// Net base.
    pub base: Minor,
    /// Tax.
    pub amount: Minor,
    /// True where the price contained it.
    pub included: bool,
}

/// A basket with its price.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Priced {
    /// Lines in order, combo parts after their combo.
    pub lines: Vec<PricedLine>,
    /// One entry a tax code in use.
    pub tax: Vec<TaxAmount>,
    /// Sum of the lines.
    pub goods: Minor,
    /// What is paid: goods, and tax where it is added.
    pub total: Minor,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture::{BURGER, FRIES, cafe};

    fn draft(article: ArticleId, quantity: u16) -> Draft {
        Draft { quantity, ..Draft::new(article, &cafe()).unwrap() }
    }

    #[test]
    fn the_same_thing_is_one_line_and_another_configuration_is_another() {
        let mut basket = Basket::default();
        assert_eq!(basket.add(LineId(1), draft(FRIES, 2)), Added::New(LineId(1)));
        assert_eq!(basket.add(LineId(2), draft(FRIES, 3)), Added::Merged(LineId(1)));
        assert_eq!(basket.add(LineId(2), draft(BURGER, 1)), Added::New(LineId(2)));
        let mut with_cheese = draft(BURGER, 1);
        with_cheese.set_choice(&cafe(), None, 0, 0, 1);
        assert_eq!(basket.add(LineId(3), with_cheese), Added::New(LineId(3)));
        assert_eq!(basket.price(&cafe(), crate::Lang(0)).count(), 7);
    }

    #[test]
    fn quantities_stay_between_one_and_ninety_nine() {
        let mut basket = Basket::default();
        basket.add(LineId(1), draft(FRIES, 60));
        basket.add(LineId(2), draft(FRIES, 60));
        assert_eq!(basket.price(&cafe(), crate::Lang(0)).count(), 99);
        assert!(basket.set_quantity(LineId(1), 0));
        assert_eq!(basket.price(&cafe(), crate::Lang(0)).count(), 1);
        assert!(!basket.set_quantity(LineId(1), 1), "nothing changed");
        assert!(!basket.set_quantity(LineId(9), 5));
    }

    #[test]
    fn a_full_basket_takes_no_more() {
        let open = |id| Line {
            id: LineId(id),
            item: Item::Open { sku: String::new(), name: String::new(), quantity: 1, amount: Minor(1), tax: TaxId(0) },
        };
        let mut basket = Basket::default();
        for id in 0..500 {
            assert_eq!(basket.push(open(id)), Added::New(LineId(id)));
        }
        assert_eq!(basket.push(open(500)), Added::Full);
        assert!(basket.remove(LineId(7)).is_some());
        assert_eq!(basket.push(open(501)), Added::New(LineId(501)));
    }
}
