//! The basket and its exact price.

use crate::{
    catalogue::{ArticleId, Service, TaxId},
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
