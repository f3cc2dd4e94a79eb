//! What makes a catalogue fit to sell from.

use crate::{
    catalogue::{Article, ByService, Catalogue, GroupId, PartChoice, TaxId},
    money::Minor,
};
use alloc::{
    collections::BTreeSet,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

/// The highest price of one thing, in minor units: a basket full of such things still fits a [`Minor`].
pub const PRICE_MAX: Minor = Minor(100_000_000_000);
/// The most languages, variants, parts, groups of an article, and choices of a group or part: they are counted in bytes.
pub const COUNT_MAX: usize = 64;

/// Why a catalogue is refused. `sku` and `key` name the thing as the menu's files do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum CatalogueProblem {
    NoLanguages,
    DuplicateLanguage { tag: String },
    DuplicateTax { code: String },
    RateTooHigh { code: String, rate_ppm: u32 },
    TaxPart { code: String },
    DuplicateCategory { key: String },
    MissingArticle { category: String, index: usize },
    EmptySku { name: String },
    DuplicateSku { sku: String },
    MissingName { sku: String },
    MissingTax { sku: String, tax: TaxId },
    NegativePrice { sku: String, price: Minor },
    PriceTooHigh { sku: String, price: Minor },
    MissingGroup { sku: String, group: GroupId },
    RepeatedGroup { sku: String, group: String },
    DuplicateGroup { key: String },
    EmptyGroup { group: String },
    MinAboveMax { group: String, min: u8, max: u8 },
    MinOutOfReach { group: String, min: u8, reach: u32 },
    NothingMayBeChosen { group: String },
    ChoiceMaxIsZero { group: String, sku: String },
    PresetAboveMax { group: String, sku: String, preset: u8, max: u8 },
    PresetsAboveGroupMax { group: String, presets: u32, max: u8 },
    EmptyPart { sku: String, part: usize },
    MissingPartArticle { sku: String, part: usize, choice: usize },
    ComboInCombo { sku: String, part: usize, inner: String },
    PartVariant { sku: String, part: usize, inner: String },
    TooMany { of: &'static str, inside: String, count: usize, max: usize },
}

impl fmt::Display for CatalogueProblem {
    #[allow(clippy::too_many_lines)]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLanguages => write!(f, "no language is named: name at least one"),
            Self::DuplicateLanguage { tag } => write!(f, "language '{tag}' is named twice"),
            Self::DuplicateTax { code } => write!(f, "tax code '{code}' is given twice"),
            Self::RateTooHigh { code, rate_ppm } => {
                write!(f, "tax code '{code}' is {rate_ppm} millionths, which is above 100 %: check the unit")
            }
            Self::TaxPart { code } => {
                write!(
                    f,
                    "tax code '{code}' names taxes side by side that are not there, are included, or name others themselves"
                )
            }
            Self::DuplicateCategory { key } => write!(f, "category '{key}' is given twice"),
            Self::MissingArticle { category, index } => {
                write!(f, "entry {} of category '{category}' is no article", index + 1)
            }
            Self::EmptySku { name } => write!(f, "'{name}' has no SKU"),
            Self::DuplicateSku { sku } => write!(f, "SKU '{sku}' is used twice: each needs its own"),
            Self::MissingName { sku } => write!(f, "'{sku}' has no name in the first language"),
            Self::MissingTax { sku, tax } => write!(f, "'{sku}' refers to tax {}, which does not exist", tax.0),
            Self::NegativePrice { sku, price } => write!(f, "'{sku}' has the negative price {}", price.0),
            Self::PriceTooHigh { sku, price } => {
                write!(f, "'{sku}' costs {} minor units, above the limit of {}", price.0, PRICE_MAX.0)
            }
            Self::MissingGroup { sku, group } => write!(f, "'{sku}' refers to group {}, which does not exist", group.0),
            Self::RepeatedGroup { sku, group } => write!(f, "'{sku}' asks group '{group}' twice"),
            Self::DuplicateGroup { key } => write!(f, "group '{key}' is given twice"),
            Self::EmptyGroup { group } => write!(f, "group '{group}' has no choices"),
            Self::MinAboveMax { group, min, max } => write!(f, "group '{group}' wants at least {min} and at most {max}"),
            Self::MinOutOfReach { group, min, reach } => {
                write!(f, "group '{group}' wants at least {min}, but its choices allow only {reach}")
            }
            Self::NothingMayBeChosen { group } => write!(f, "group '{group}' has max 0: nothing may be chosen"),
            Self::ChoiceMaxIsZero { group, sku } => write!(f, "choice '{sku}' of group '{group}' has max 0"),
            Self::PresetAboveMax { group, sku, preset, max } => {
                write!(f, "choice '{sku}' of group '{group}' is preset to {preset}, above its max {max}")
            }
            Self::PresetsAboveGroupMax { group, presets, max } => {
                write!(f, "the presets of group '{group}' sum up to {presets}, above its max {max}")
            }
            Self::EmptyPart { sku, part } => write!(f, "part {} of combo '{sku}' has no choices", part + 1),
            Self::MissingPartArticle { sku, part, choice } => {
                write!(f, "choice {} of part {} of combo '{sku}' is no article", choice + 1, part + 1)
            }
            Self::ComboInCombo { sku, part, inner } => {
                write!(f, "part {} of combo '{sku}' offers '{inner}', which is itself a combo", part + 1)
            }
            Self::PartVariant { sku, part, inner } => {
                write!(f, "part {} of combo '{sku}' offers '{inner}' without naming one of its variants", part + 1)
            }
            Self::TooMany { of, inside, count, max } => write!(f, "'{inside}' has {count} {of}, more than {max}"),
        }
    }
}

impl core::error::Error for CatalogueProblem {}

impl Catalogue {
    /// Everything that is wrong with it, in the order of the catalogue. A choice's SKU may stand in several groups (the
    /// same thing offered by two questions), but not twice in one, and not as an article's or variant's.
    pub fn check(&self) -> Result<(), Vec<CatalogueProblem>> {
        let mut check = Check { catalogue: self, problems: Vec::new() };
        check.languages();
        check.taxes();
        check.categories();
        check.skus();
        for article in &self.articles {
            check.article(article);
        }
        check.groups();
        if check.problems.is_empty() { Ok(()) } else { Err(check.problems) }
    }
}

struct Check<'a> {
    catalogue: &'a Catalogue,
    problems: Vec<CatalogueProblem>,
}

impl<'a> Check<'a> {
    fn add(&mut self, problem: CatalogueProblem) {
        self.problems.push(problem);
    }

    fn count(&mut self, of: &'static str, inside: &str, count: usize) {
        if count > COUNT_MAX {
            self.add(CatalogueProblem::TooMany { of, inside: inside.to_string(), count, max: COUNT_MAX });
        }
    }

    fn languages(&mut self) {
        let languages = &self.catalogue.languages;
        if languages.is_empty() {
            self.add(CatalogueProblem::NoLanguages);
        }
        for tag in duplicates(languages.iter().map(String::as_str)) {
            self.add(CatalogueProblem::DuplicateLanguage { tag });
        }
        self.count("languages", "the menu", languages.len());
    }

    fn taxes(&mut self) {
        for code in duplicates(self.catalogue.taxes.iter().map(|t| t.code.as_str())) {
            self.add(CatalogueProblem::DuplicateTax { code });
        }
        for tax in self.catalogue.taxes.iter().filter(|t| t.rate_ppm > 1_000_000) {
            self.problems.push(CatalogueProblem::RateTooHigh { code: tax.code.clone(), rate_ppm: tax.rate_ppm });
        }
        let added = |id: &TaxId| self.catalogue.tax(*id).is_some_and(|tax| !tax.included && tax.parts.is_empty());
        for tax in self.catalogue.taxes.iter().filter(|tax| !tax.parts.iter().all(added)) {
            self.problems.push(CatalogueProblem::TaxPart { code: tax.code.clone() });
        }
    }

    fn categories(&mut self) {
        for key in duplicates(self.catalogue.categories.iter().map(|c| c.key.as_str())) {
            self.add(CatalogueProblem::DuplicateCategory { key });
        }
        for category in &self.catalogue.categories {
            for (index, id) in category.articles.iter().enumerate() {
                if self.catalogue.article(*id).is_none() {
                    self.add(CatalogueProblem::MissingArticle { category: category.key.clone(), index });
                }
            }
        }
    }

    fn skus(&mut self) {
        let mut seen = BTreeSet::new();
        let mut twice = BTreeSet::new();
        for article in &self.catalogue.articles {
            let own = core::iter::once((&article.sku, &article.name));
            for (sku, name) in own.chain(article.variants.iter().map(|v| (&v.sku, &v.name))) {
                if sku.is_empty() {
                    self.problems.push(CatalogueProblem::EmptySku { name: name.get(Default::default()).to_string() });
                } else if !seen.insert(sku.as_str()) {
                    twice.insert(sku.clone());
                }
            }
        }
        for group in &self.catalogue.groups {
            twice.extend(duplicates(group.choices.iter().map(|c| c.sku.as_str())));
            twice.extend(group.choices.iter().map(|c| &c.sku).filter(|sku| seen.contains(sku.as_str())).cloned());
        }
        self.problems.extend(twice.into_iter().map(|sku| CatalogueProblem::DuplicateSku { sku }));
    }

    fn article(&mut self, article: &'a Article) {
        let sku = &article.sku;
        self.name(sku, &article.name);
        self.price(sku, article.price);
        for tax in [article.tax.eat_in, article.tax.takeaway] {
            if self.catalogue.tax(tax).is_none() {
                self.add(CatalogueProblem::MissingTax { sku: sku.clone(), tax });
            }
        }
        for variant in &article.variants {
            self.name(&variant.sku, &variant.name);
            self.price(&variant.sku, variant.price);
        }
        let mut asked = BTreeSet::new();
        for &group in &article.groups {
            match self.catalogue.group(group) {
                None => self.add(CatalogueProblem::MissingGroup { sku: sku.clone(), group }),
                Some(known) if !asked.insert(group) => {
                    self.add(CatalogueProblem::RepeatedGroup { sku: sku.clone(), group: known.key.clone() });
                }
                Some(_) => {}
            }
        }
        self.count("variants", sku, article.variants.len());
        self.count("groups", sku, article.groups.len());
        self.count("parts", sku, article.parts.len());
        self.parts(article);
    }

    fn parts(&mut self, article: &'a Article) {
        for (at, part) in article.parts.iter().enumerate() {
            if part.choices.is_empty() {
                self.add(CatalogueProblem::EmptyPart { sku: article.sku.clone(), part: at });
            }
            self.count("choices of a part", &article.sku, part.choices.len());
            for (index, choice) in part.choices.iter().enumerate() {
                self.part_choice(article, at, index, choice);
            }
        }
    }

    fn part_choice(&mut self, combo: &Article, part: usize, choice: usize, offered: &PartChoice) {
        let sku = combo.sku.clone();
        self.price(&combo.sku, offered.surcharge);
        let Some(inner) = self.catalogue.article(offered.article) else {
            return self.add(CatalogueProblem::MissingPartArticle { sku, part, choice });
        };
        let variant_fits = match offered.variant {
            None => inner.variants.is_empty(),
            Some(variant) => usize::from(variant) < inner.variants.len(),
        };
        let inner_sku = inner.sku.clone();
        if !inner.parts.is_empty() {
            self.add(CatalogueProblem::ComboInCombo { sku, part, inner: inner_sku });
        } else if !variant_fits {
            self.add(CatalogueProblem::PartVariant { sku, part, inner: inner_sku });
        }
    }

    fn groups(&mut self) {
        for key in duplicates(self.catalogue.groups.iter().map(|g| g.key.as_str())) {
            self.add(CatalogueProblem::DuplicateGroup { key });
        }
        for group in &self.catalogue.groups {
            let key = || group.key.clone();
            let (min, max) = (group.min, group.max);
            let reach: u32 = group.choices.iter().map(|c| u32::from(c.max)).sum();
            let presets: u32 = group.choices.iter().map(|c| u32::from(c.preset)).sum();
            if group.choices.is_empty() {
                self.add(CatalogueProblem::EmptyGroup { group: key() });
            } else if max == 0 {
                self.add(CatalogueProblem::NothingMayBeChosen { group: key() });
            } else if min > max {
                self.add(CatalogueProblem::MinAboveMax { group: key(), min, max });
            } else if u32::from(min) > reach {
                self.add(CatalogueProblem::MinOutOfReach { group: key(), min, reach });
            } else if presets > u32::from(max) {
                self.add(CatalogueProblem::PresetsAboveGroupMax { group: key(), presets, max });
            }
            self.count("choices", &group.key, group.choices.len());
            for choice in &group.choices {
                self.name(&choice.sku, &choice.name);
                self.price(&choice.sku, choice.price);
                if choice.max == 0 {
                    self.add(CatalogueProblem::ChoiceMaxIsZero { group: key(), sku: choice.sku.clone() });
                } else if choice.preset > choice.max {
                    let (sku, preset, max) = (choice.sku.clone(), choice.preset, choice.max);
                    self.add(CatalogueProblem::PresetAboveMax { group: key(), sku, preset, max });
                }
            }
        }
    }

    fn name(&mut self, sku: &str, name: &crate::catalogue::Text) {
        if name.get(Default::default()).is_empty() {
            self.add(CatalogueProblem::MissingName { sku: sku.to_string() });
        }
    }

    fn price(&mut self, sku: &str, price: ByService<Minor>) {
        for price in [price.eat_in, price.takeaway] {
            let sku = sku.to_string();
            if price.is_negative() {
                return self.add(CatalogueProblem::NegativePrice { sku, price });
            }
            if price > PRICE_MAX {
                return self.add(CatalogueProblem::PriceTooHigh { sku, price });
            }
        }
    }
}

fn duplicates<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    names.filter(|name| !seen.insert(*name)).map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{CatalogueProblem as P, *};
    use crate::{
        catalogue::{ArticleId, Category, Part, Text},
        fixture,
    };

    fn problems(break_it: impl FnOnce(&mut Catalogue)) -> Vec<P> {
        let mut catalogue = fixture::cafe();
        break_it(&mut catalogue);
        catalogue.check().unwrap_err()
    }

    #[test]
    fn the_fixture_is_fit_to_sell_from() {
        assert_eq!(fixture::cafe().check(), Ok(()));
    }

    #[test]
    fn a_catalogue_without_a_language_is_refused() {
        assert!(problems(|c| c.languages.clear()).contains(&P::NoLanguages));
        assert_eq!(problems(|c| c.languages.push("en".into())), [P::DuplicateLanguage { tag: "en".into() }]);
    }

    #[test]
    fn taxes_are_unique_possible_and_present() {
        let twice = problems(|c| {
            let tax = c.taxes[0].clone();
            c.taxes.push(tax);
        });
        assert_eq!(twice, [P::DuplicateTax { code: "reduced".into() }]);
        let high = problems(|c| c.taxes[0].rate_ppm = 1_000_001);
        assert_eq!(high, [P::RateTooHigh { code: "reduced".into(), rate_ppm: 1_000_001 }]);
        let missing = problems(|c| c.articles[0].tax.takeaway = TaxId(9));
        assert_eq!(missing, [P::MissingTax { sku: c_sku(0), tax: TaxId(9) }]);
    }

    fn c_sku(at: usize) -> String {
        fixture::cafe().articles[at].sku.clone()
    }

    #[test]
    fn references_to_nothing_are_refused() {
        let category = Category { key: "x".into(), articles: [ArticleId(99)].into(), ..fixture::cafe().categories[0].clone() };
        assert_eq!(problems(|c| c.categories.push(category)), [P::MissingArticle { category: "x".into(), index: 0 }]);
        let group = problems(|c| c.articles[0].groups.push(GroupId(99)));
        assert_eq!(group, [P::MissingGroup { sku: c_sku(0), group: GroupId(99) }]);
        let combo = fixture::COMBO.0 as usize;
        let part = problems(|c| c.articles[combo].parts[0].choices[0].article = ArticleId(99));
        assert_eq!(part, [P::MissingPartArticle { sku: c_sku(combo), part: 0, choice: 0 }]);
    }

    #[test]
    fn prices_are_never_negative_nor_absurd() {
        let negative = problems(|c| c.articles[0].price.takeaway = Minor(-1));
        assert_eq!(negative, [P::NegativePrice { sku: c_sku(0), price: Minor(-1) }]);
        let high = problems(|c| c.groups[0].choices[0].price.eat_in = Minor(PRICE_MAX.0 + 1));
        assert!(matches!(high[..], [P::PriceTooHigh { .. }]));
        let surcharge = problems(|c| {
            c.articles[fixture::COMBO.0 as usize].parts[0].choices[0].surcharge = ByService::both(Minor(-5));
        });
        assert!(matches!(surcharge[..], [P::NegativePrice { .. }]));
    }

    #[test]
    fn groups_can_be_answered() {
        assert!(matches!(problems(|c| c.groups[0].choices.clear())[..], [P::EmptyGroup { .. }]));
        assert!(matches!(problems(|c| (c.groups[0].min, c.groups[0].max) = (2, 1))[..], [P::MinAboveMax { .. }]));
        assert!(matches!(problems(|c| c.groups[0].max = 0)[..], [P::NothingMayBeChosen { .. }]));
        let reach = problems(|c| {
            (c.groups[0].min, c.groups[0].max) = (200, 200);
        });
        assert!(matches!(reach[..], [P::MinOutOfReach { .. }]));
        assert!(problems(|c| c.groups[0].choices[0].max = 0).iter().any(|p| matches!(p, P::ChoiceMaxIsZero { .. })));
        assert!(problems(|c| c.groups[1].choices[0].preset = 9).iter().any(|p| matches!(p, P::PresetAboveMax { .. })));
        let presets = problems(|c| c.groups[0].choices.iter_mut().for_each(|c| c.preset = 1));
        assert!(matches!(presets[..], [P::PresetsAboveGroupMax { .. }]));
    }

    #[test]
    fn a_sku_names_one_thing() {
        let article = problems(|c| c.articles[1].sku = c.articles[0].sku.clone());
        assert_eq!(article, [P::DuplicateSku { sku: c_sku(0) }]);
        let choice = problems(|c| c.groups[0].choices[0].sku = c.articles[0].sku.clone());
        assert_eq!(choice, [P::DuplicateSku { sku: c_sku(0) }]);
        assert!(matches!(problems(|c| c.articles[0].sku.clear())[..], [P::EmptySku { .. }]));
        let shared = {
            let mut catalogue = fixture::cafe();
            catalogue.groups[1].choices[0].sku = catalogue.groups[0].choices[0].sku.clone();
            catalogue.check()
        };
        assert_eq!(shared, Ok(()), "one option may stand in two groups");
    }

    #[test]
    fn combos_hold_plain_articles_in_a_named_size() {
        let combo = fixture::COMBO.0 as usize;
        let nested = problems(|c| {
            c.articles[combo].parts[0].choices[0].article = fixture::COMBO;
            c.articles[combo].parts[0].choices[0].variant = None;
        });
        assert!(matches!(nested[..], [P::ComboInCombo { .. }]));
        let size = problems(|c| c.articles[combo].parts[2].choices[0].variant = None);
        assert!(matches!(size[..], [P::PartVariant { .. }]));
        let size = problems(|c| c.articles[combo].parts[2].choices[0].variant = Some(9));
        assert!(matches!(size[..], [P::PartVariant { .. }]));
        let empty = problems(|c| c.articles[combo].parts.push(Part { name: Text(["x".into()].into()), choices: Vec::new() }));
        assert!(matches!(empty[..], [P::EmptyPart { part: 3, .. }]));
    }

    #[test]
    fn counts_fit_their_indices() {
        let many = problems(|c| {
            let choice = c.groups[1].choices[0].clone();
            c.groups[1].choices =
                (0..65).map(|i| crate::catalogue::Choice { sku: alloc::format!("x{i}"), ..choice.clone() }).collect();
        });
        assert!(matches!(many[..], [P::TooMany { count: 65, .. }]));
        assert!(many[0].to_string().contains("65"));
    }
}
