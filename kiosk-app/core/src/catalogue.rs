//! What the shop sells. Ids are indices into the catalogue that made them; SKUs are what goes on the wire.
//!
//! A `Catalogue` is built by kiosk-content, which refuses anything that [`Catalogue::check`] would refuse, with file,
//! line and cure.

use crate::money::{Currency, Minor};
use alloc::{string::String, vec::Vec};

/// Index into [`Catalogue::languages`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lang(pub u8);

/// A text per language, in the order of [`Catalogue::languages`]; an empty entry falls back to the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub Vec<String>);

impl Text {
    /// The text in `lang`, else in the first language, else "".
    pub fn get(&self, lang: Lang) -> &str {
        let pick = |i: usize| self.0.get(i).map(String::as_str).filter(|s| !s.is_empty());
        pick(usize::from(lang.0)).or_else(|| pick(0)).unwrap_or("")
    }
}

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);
    };
}
index!(/// Index into [`Catalogue::articles`].
    ArticleId);
index!(/// Index into [`Catalogue::categories`].
    CategoryId);
index!(/// Index into [`Catalogue::groups`].
    GroupId);
index!(/// Index into [`Catalogue::taxes`].
    TaxId);

/// How the guest takes the order; prices and tax may differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Service {
    /// Eaten in the shop.
    #[default]
    EatIn,
    /// Taken away.
    Takeaway,
}

/// One value for each [`Service`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByService<T> {
    /// Eaten in the shop.
    pub eat_in: T,
    /// Taken away.
    pub takeaway: T,
}

impl<T: Copy> ByService<T> {
    /// The same for both.
    pub fn both(value: T) -> Self {
        Self { eat_in: value, takeaway: value }
    }
    /// The value for `service`.
    pub fn get(&self, service: Service) -> T {
        match service {
            Service::EatIn => self.eat_in,
            Service::Takeaway => self.takeaway,
        }
    }
}

/// A tax code with its rate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tax {
    /// The code as the shop's accounts know it. Taxes levied side by side on the same goods (GST and QST) are one entry whose
    /// code names them, joined by '+'.
    pub code: String,
    /// Millionths: 70_000 is 7 %. 0 for an entry that only names others.
    pub rate_ppm: u32,
    /// True where the shown price contains the tax, false where it is added on top.
    pub included: bool,
    /// On what it is rounded.
    pub rounding: TaxRounding,
    /// The taxes that are levied side by side, where this entry only names them; each is added on top.
    pub parts: Vec<TaxId>,
}

/// On what a tax is rounded to the minor unit, half away from zero. The law of the place says which is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TaxRounding {
    /// On the sum of the code over the order.
    #[default]
    Order,
    /// On each line.
    Line,
    /// On each piece of a line.
    Piece,
}

/// The fourteen allergens of Regulation (EU) No 1169/2011, Annex II, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Allergen {
    Gluten,
    Crustaceans,
    Egg,
    Fish,
    Peanut,
    Soya,
    Milk,
    Nuts,
    Celery,
    Mustard,
    Sesame,
    Sulphites,
    Lupin,
    Molluscs,
}

impl Allergen {
    /// All, in order.
    pub const ALL: [Self; 14] = [
        Self::Gluten,
        Self::Crustaceans,
        Self::Egg,
        Self::Fish,
        Self::Peanut,
        Self::Soya,
        Self::Milk,
        Self::Nuts,
        Self::Celery,
        Self::Mustard,
        Self::Sesame,
        Self::Sulphites,
        Self::Lupin,
        Self::Molluscs,
    ];
    /// The lower-case word used in menu files and translations.
    pub fn key(self) -> &'static str {
        match self {
            Self::Gluten => "gluten",
            Self::Crustaceans => "crustaceans",
            Self::Egg => "egg",
            Self::Fish => "fish",
            Self::Peanut => "peanut",
            Self::Soya => "soya",
            Self::Milk => "milk",
            Self::Nuts => "nuts",
            Self::Celery => "celery",
            Self::Mustard => "mustard",
            Self::Sesame => "sesame",
            Self::Sulphites => "sulphites",
            Self::Lupin => "lupin",
            Self::Molluscs => "molluscs",
        }
    }
}

/// What is known of one allergen in one thing. The order is by danger: combining two things takes the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Stated to be free of it.
    Free,
    /// Traces are possible.
    MayContain,
    /// Nobody said: shown and filtered like `Contains`.
    #[default]
    Unknown,
    /// Contains it.
    Contains,
}

/// A mark for each of [`Allergen::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allergens(pub [Mark; 14]);

impl Allergens {
    /// Stated to be free of all.
    pub const FREE: Self = Self([Mark::Free; 14]);
    /// The mark of one.
    pub fn get(&self, allergen: Allergen) -> Mark {
        self.0[allergen as usize]
    }
    /// With one mark set.
    #[must_use]
    pub fn with(mut self, allergen: Allergen, mark: Mark) -> Self {
        self.0[allergen as usize] = mark;
        self
    }
    /// Both together: the more dangerous mark of each.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = (*mine).max(theirs);
        }
        self
    }
}

/// A tab of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// Stable key from the menu file.
    pub key: String,
    /// Shown name.
    pub name: Text,
    /// Picture key (file stem under the menu's pictures), may be empty.
    pub picture: String,
    /// Articles in the order shown.
    pub articles: Vec<ArticleId>,
}

/// A size of an article: its own SKU and its own price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// SKU of the size.
    pub sku: String,
    /// 'Large'.
    pub name: Text,
    /// Replaces the article's price.
    pub price: ByService<Minor>,
}

/// One thing that may be added in a modifier group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// SKU of the option.
    pub sku: String,
    /// 'Oat milk'.
    pub name: Text,
    /// Added for each, never negative.
    pub price: ByService<Minor>,
    /// How many of it at the most, at least 1.
    pub max: u8,
    /// How many are chosen when the article is opened; visible to the guest.
    pub preset: u8,
    /// What it brings with it.
    pub allergens: Allergens,
    /// Picture key, may be empty.
    pub picture: String,
}

/// A question asked of an article: 'Which milk?'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Stable key from the menu file.
    pub key: String,
    /// The question.
    pub name: Text,
    /// At least this many in all; 0 makes the group optional.
    pub min: u8,
    /// At most this many in all.
    pub max: u8,
    /// What can be chosen.
    pub choices: Vec<Choice>,
}

/// An article that may fill a part of a combo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartChoice {
    /// The article, never itself a combo.
    pub article: ArticleId,
    /// Index of its variant where it has variants.
    pub variant: Option<u8>,
    /// Added to the combo's price.
    pub surcharge: ByService<Minor>,
}

/// 'Your side', 'your drink'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What is asked.
    pub name: Text,
    /// What may fill it; exactly one does.
    pub choices: Vec<PartChoice>,
}

/// Something for sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Article {
    /// Stock-keeping unit, unique among articles, variants and choices.
    pub sku: String,
    /// Shown name.
    pub name: Text,
    /// One sentence.
    pub description: Text,
    /// Picture key, may be empty.
    pub picture: String,
    /// Index of the theme's picture tint.
    pub tint: u8,
    /// Price where it has no variants; the price of the whole where it is a combo.
    pub price: ByService<Minor>,
    /// Tax by service.
    pub tax: ByService<TaxId>,
    /// Sizes; empty for most. The guest must choose one where there are any.
    pub variants: Vec<Variant>,
    /// Questions in order.
    pub groups: Vec<GroupId>,
    /// Combo parts; empty for a plain article.
    pub parts: Vec<Part>,
    /// Of the article itself, without modifiers and parts.
    pub allergens: Allergens,
    /// Kilocalories, where known.
    pub kcal: Option<u32>,
    /// 'new', may be empty.
    pub badge: Text,
    /// False while sold out.
    pub available: bool,
}

impl Article {
    /// True where a touch on '+' can add it at once: nothing must be chosen first.
    pub fn is_plain(&self, catalogue: &Catalogue) -> bool {
        self.variants.is_empty()
            && self.parts.is_empty()
            && self.groups.iter().all(|g| catalogue.group(*g).is_none_or(|g| g.min == 0))
    }
}

/// Everything the shop sells, in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// Version of the menu that this was made from.
    pub version: String,
    /// The shop's currency.
    pub currency: Currency,
    /// BCP 47 tags; the first is the fallback.
    pub languages: Vec<String>,
    /// Tax codes.
    pub taxes: Vec<Tax>,
    /// Menu tabs in order.
    pub categories: Vec<Category>,
    /// Articles.
    pub articles: Vec<Article>,
    /// Modifier groups.
    pub groups: Vec<Group>,
}

impl Catalogue {
    /// The article, `None` for an id of another catalogue.
    pub fn article(&self, id: ArticleId) -> Option<&Article> {
        self.articles.get(id.0 as usize)
    }
    /// The group, `None` for an id of another catalogue.
    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(id.0 as usize)
    }
    /// The category, `None` for an id of another catalogue.
    pub fn category(&self, id: CategoryId) -> Option<&Category> {
        self.categories.get(id.0 as usize)
    }
    /// The tax, `None` for an id of another catalogue.
    pub fn tax(&self, id: TaxId) -> Option<&Tax> {
        self.taxes.get(id.0 as usize)
    }
    /// The taxes that an entry stands for: itself, or those that it names. None for an id of another catalogue.
    pub fn levies(&self, id: TaxId) -> impl Iterator<Item = (TaxId, &Tax)> {
        let parts = self.tax(id).map_or(&[][..], |tax| &tax.parts);
        let own = parts.is_empty().then_some(id);
        own.into_iter().chain(parts.iter().copied()).filter_map(|id| Some((id, self.tax(id)?)))
    }
    /// The article whose SKU, or a variant's SKU, is `sku`, with the variant's index.
    pub fn find(&self, sku: &str) -> Option<(ArticleId, Option<u8>)> {
        self.articles.iter().zip(0u32..).find_map(|(article, at)| {
            if article.sku == sku {
                return Some((ArticleId(at), None));
            }
            let variant = article.variants.iter().position(|v| v.sku == sku)?;
            Some((ArticleId(at), u8::try_from(variant).ok()))
        })
    }
}
