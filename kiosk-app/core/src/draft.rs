//! Configuring an article: sizes, choices, combo parts, and whether it is complete.
//!
//! Every method takes indices from outside and answers `false`, or does nothing, for those that do not exist.

use crate::{
    basket::{Draft, DraftPart},
    catalogue::{Allergen, Allergens, Article, ArticleId, Catalogue, Group, GroupId, Mark, PartChoice, Service},
    money::Minor,
};
use alloc::{vec, vec::Vec};

/// The most of one line.
pub const QUANTITY_MAX: u16 = 99;

impl Draft {
    /// The article as it is opened: presets chosen, and what leaves no choice (one size, one filling) chosen as well.
    /// `None` for an id of another catalogue.
    pub fn new(article: ArticleId, catalogue: &Catalogue) -> Option<Self> {
        let found = catalogue.article(article)?;
        let parts = found.parts.iter().map(|part| match part.choices.as_slice() {
            [only] => DraftPart { choice: Some(0), counts: preset_counts(catalogue, only) },
            _ => DraftPart::default(),
        });
        Some(Self {
            article,
            variant: (found.variants.len() == 1).then_some(0),
            counts: presets(catalogue, &found.groups),
            parts: parts.collect(),
            quantity: 1,
            editing: None,
        })
    }

    /// Chooses a size. True where it exists.
    pub fn choose_variant(&mut self, catalogue: &Catalogue, variant: u8) -> bool {
        let exists = catalogue.article(self.article).is_some_and(|a| usize::from(variant) < a.variants.len());
        if exists {
            self.variant = Some(variant);
        }
        exists
    }

    /// Fills a combo part, with that article's presets; filling it with the same again keeps what was chosen in it. False
    /// for a part or filling that does not exist or is sold out.
    pub fn choose_part(&mut self, catalogue: &Catalogue, part: u8, choice: u8) -> bool {
        let Some(offered) = part_choice(catalogue, self.article, part, choice) else { return false };
        if !catalogue.article(offered.article).is_some_and(|a| a.available) {
            return false;
        }
        let Some(slot) = self.parts.get_mut(usize::from(part)) else { return false };
        if slot.choice != Some(choice) {
            *slot = DraftPart { choice: Some(choice), counts: preset_counts(catalogue, offered) };
        }
        true
    }

    /// Sets how many of a choice. In a choose-one group 1 replaces the other, and a required one cannot be unset;
    /// elsewhere the count is cut to what the choice and its group still allow. False for indices that do not exist.
    pub fn set_choice(&mut self, catalogue: &Catalogue, part: Option<u8>, group: u8, choice: u8, count: u8) -> bool {
        let Some(ids) = self.groups_of(catalogue, part) else { return false };
        let Some(asked) = ids.get(usize::from(group)).and_then(|id| catalogue.group(*id)) else { return false };
        let counts = match part {
            None => &mut self.counts,
            Some(part) => match self.parts.get_mut(usize::from(part)) {
                None => return false,
                Some(slot) => &mut slot.counts,
            },
        };
        // Drafts from outside may be shorter than their groups.
        counts.resize(counts.len().max(ids.len()), Vec::new());
        set_count(&mut counts[usize::from(group)], asked, usize::from(choice), count)
    }

    /// True where a size, every part and every required choice is there, no more than allowed, and all of it available.
    pub fn is_complete(&self, catalogue: &Catalogue) -> bool {
        let Some(article) = catalogue.article(self.article) else { return false };
        let variant = match self.variant {
            None => article.variants.is_empty(),
            Some(variant) => usize::from(variant) < article.variants.len(),
        };
        let part = |(at, slot): (usize, &DraftPart)| {
            let offered = slot.choice.and_then(|choice| article.parts.get(at)?.choices.get(usize::from(choice)));
            offered
                .and_then(|offered| catalogue.article(offered.article))
                .is_some_and(|inner| inner.available && answered(catalogue, &inner.groups, &slot.counts))
        };
        variant
            && article.available
            && (1..=QUANTITY_MAX).contains(&self.quantity)
            && answered(catalogue, &article.groups, &self.counts)
            && self.parts.len() == article.parts.len()
            && self.parts.iter().enumerate().all(part)
    }

    /// Price of the line with its quantity, `None` while something must still be chosen.
    pub fn price(&self, catalogue: &Catalogue, service: Service) -> Option<Minor> {
        self.is_complete(catalogue).then(|| self.unit_price(catalogue, service).times(u32::from(self.quantity)))
    }

    /// Price of one with what is chosen so far; what is missing counts nothing.
    pub fn unit_price(&self, catalogue: &Catalogue, service: Service) -> Minor {
        let Some(article) = catalogue.article(self.article) else { return Minor::ZERO };
        let mut sum = base_price(article, self.variant, service);
        sum += modifiers_price(catalogue, &article.groups, &self.counts, service);
        for (offered, inner, slot) in self.fillings(catalogue) {
            sum += offered.surcharge.get(service);
            sum += modifiers_price(catalogue, &inner.groups, &slot.counts, service);
        }
        sum
    }

    /// Allergens of the whole: the article, what is chosen in it, its parts and what is chosen in them. A part not yet
    /// chosen makes everything unknown.
    pub fn allergens(&self, catalogue: &Catalogue) -> Allergens {
        let Some(article) = catalogue.article(self.article) else { return Allergens::default() };
        let mut marks = fold(article.allergens, catalogue, &article.groups, &self.counts);
        for (_, inner, slot) in self.fillings(catalogue) {
            marks = marks.and(&fold(inner.allergens, catalogue, &inner.groups, &slot.counts));
        }
        if self.fillings(catalogue).count() < article.parts.len() {
            marks = marks.and(&Allergens::default());
        }
        marks
    }

    /// True where both are the same thing, whatever their quantity.
    pub fn is_same_thing(&self, other: &Self) -> bool {
        self.article == other.article && self.variant == other.variant && self.counts == other.counts && self.parts == other.parts
    }

    /// The chosen parts that exist: what was offered, its article, and what was chosen in it.
    pub(crate) fn fillings<'a>(
        &'a self,
        catalogue: &'a Catalogue,
    ) -> impl Iterator<Item = (&'a PartChoice, &'a Article, &'a DraftPart)> {
        self.parts.iter().zip(0u8..).filter_map(move |(slot, at)| {
            let offered = part_choice(catalogue, self.article, at, slot.choice?)?;
            Some((offered, catalogue.article(offered.article)?, slot))
        })
    }

    fn groups_of<'a>(&self, catalogue: &'a Catalogue, part: Option<u8>) -> Option<&'a [GroupId]> {
        let article = match part {
            None => self.article,
            Some(part) => {
                let choice = self.parts.get(usize::from(part))?.choice?;
                part_choice(catalogue, self.article, part, choice)?.article
            }
        };
        Some(&catalogue.article(article)?.groups)
    }
}

impl Catalogue {
    /// True where `article` can be had without the allergens in `avoid`: it is stated to be free of them, every part has
    /// a filling that suits, and every required group has enough choices that suit. Traces and silence do not suit.
    pub fn suits(&self, article: ArticleId, avoid: &[Allergen]) -> bool {
        let Some(article) = self.article(article) else { return false };
        let plain = |article: &Article| {
            free_of(&article.allergens, avoid)
                && article.groups.iter().filter_map(|id| self.group(*id)).all(|group| {
                    let suiting = group.choices.iter().filter(|c| free_of(&c.allergens, avoid));
                    suiting.map(|c| u32::from(c.max)).sum::<u32>() >= u32::from(group.min)
                })
        };
        let fills = |choice: &PartChoice| self.article(choice.article).is_some_and(|a| a.available && plain(a));
        avoid.is_empty() || plain(article) && article.parts.iter().all(|part| part.choices.iter().any(fills))
    }
}

/// True where every one of `avoid` is stated to be absent.
pub fn free_of(marks: &Allergens, avoid: &[Allergen]) -> bool {
    avoid.iter().all(|allergen| marks.get(*allergen) == Mark::Free)
}

/// The price of a size, or of the article where it has none or none is chosen.
pub(crate) fn base_price(article: &Article, variant: Option<u8>, service: Service) -> Minor {
    let variant = variant.and_then(|v| article.variants.get(usize::from(v)));
    variant.map_or(article.price, |v| v.price).get(service)
}

/// The chosen ones: group, choice and count, in order, none with count 0.
pub(crate) fn chosen<'a>(
    catalogue: &'a Catalogue,
    groups: &'a [GroupId],
    counts: &'a [Vec<u8>],
) -> impl Iterator<Item = (&'a Group, &'a crate::catalogue::Choice, u8)> {
    groups.iter().zip(counts).filter_map(|(id, counts)| Some((catalogue.group(*id)?, counts))).flat_map(|(group, counts)| {
        group.choices.iter().zip(counts).filter(|(_, count)| **count > 0).map(move |(choice, count)| (group, choice, *count))
    })
}

fn part_choice(catalogue: &Catalogue, combo: ArticleId, part: u8, choice: u8) -> Option<&PartChoice> {
    catalogue.article(combo)?.parts.get(usize::from(part))?.choices.get(usize::from(choice))
}

fn presets(catalogue: &Catalogue, groups: &[GroupId]) -> Vec<Vec<u8>> {
    let preset = |id: &GroupId| catalogue.group(*id).map_or_else(Vec::new, |g| g.choices.iter().map(|c| c.preset).collect());
    groups.iter().map(preset).collect()
}

fn preset_counts(catalogue: &Catalogue, offered: &PartChoice) -> Vec<Vec<u8>> {
    catalogue.article(offered.article).map_or_else(Vec::new, |a| presets(catalogue, &a.groups))
}

fn set_count(counts: &mut Vec<u8>, group: &Group, choice: usize, count: u8) -> bool {
    let Some(wanted) = group.choices.get(choice) else { return false };
    counts.resize(group.choices.len(), 0);
    if group.max == 1 {
        if count > 0 {
            *counts = vec![0; group.choices.len()];
            counts[choice] = 1;
        } else if group.min == 0 {
            counts[choice] = 0;
        }
        return true;
    }
    let others: u32 = counts.iter().map(|c| u32::from(*c)).sum::<u32>() - u32::from(counts[choice]);
    let room = u8::try_from(u32::from(group.max).saturating_sub(others)).unwrap_or(u8::MAX);
    counts[choice] = count.min(wanted.max).min(room);
    true
}

fn answered(catalogue: &Catalogue, groups: &[GroupId], counts: &[Vec<u8>]) -> bool {
    groups.len() == counts.len()
        && groups.iter().zip(counts).all(|(id, counts)| {
            catalogue.group(*id).is_some_and(|group| {
                let sum: u32 = counts.iter().map(|c| u32::from(*c)).sum();
                counts.len() == group.choices.len()
                    && group.choices.iter().zip(counts).all(|(choice, count)| *count <= choice.max)
                    && (u32::from(group.min)..=u32::from(group.max)).contains(&sum)
            })
        })
}

fn modifiers_price(catalogue: &Catalogue, groups: &[GroupId], counts: &[Vec<u8>], service: Service) -> Minor {
    chosen(catalogue, groups, counts).map(|(_, choice, count)| choice.price.get(service).times(u32::from(count))).sum()
}

fn fold(own: Allergens, catalogue: &Catalogue, groups: &[GroupId], counts: &[Vec<u8>]) -> Allergens {
    chosen(catalogue, groups, counts).fold(own, |marks, (_, choice, _)| marks.and(&choice.allergens))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture::{BURGER, CAKE, COFFEE, COLA, COMBO, CROISSANT, FRIES, cafe};

    #[test]
    fn an_article_opens_with_its_presets() {
        let cafe = cafe();
        let burger = Draft::new(BURGER, &cafe).unwrap();
        assert_eq!(burger.counts, [[0, 1, 0]], "onions are preset");
        assert!(burger.is_complete(&cafe));
        assert_eq!(burger.price(&cafe, Service::EatIn), Some(Minor(890)));
        assert_eq!(Draft::new(ArticleId(99), &cafe), None);
    }

    #[test]
    fn a_size_must_be_chosen_where_there_are_sizes() {
        let cafe = cafe();
        let mut cola = Draft::new(COLA, &cafe).unwrap();
        assert!(!cola.is_complete(&cafe));
        assert!(!cola.choose_variant(&cafe, 2));
        assert!(cola.choose_variant(&cafe, 1));
        assert_eq!(cola.price(&cafe, Service::Takeaway), Some(Minor(390)));
    }

    #[test]
    fn in_a_choose_one_group_one_replaces_the_other_and_cannot_be_unset() {
        let cafe = cafe();
        let mut coffee = Draft::new(COFFEE, &cafe).unwrap();
        assert!(!coffee.is_complete(&cafe), "milk is required");
        coffee.set_choice(&cafe, None, 0, 0, 1);
        coffee.set_choice(&cafe, None, 0, 1, 3);
        assert_eq!(coffee.counts, [[0, 1]]);
        coffee.set_choice(&cafe, None, 0, 1, 0);
        assert_eq!(coffee.counts, [[0, 1]]);
        assert_eq!(coffee.price(&cafe, Service::EatIn), Some(Minor(430)));
    }

    #[test]
    fn counts_are_cut_to_what_choice_and_group_allow() {
        let cafe = cafe();
        let mut burger = Draft::new(BURGER, &cafe).unwrap();
        assert!(burger.set_choice(&cafe, None, 0, 0, 200));
        assert_eq!(burger.counts, [[2, 1, 0]], "at most two of cheese");
        burger.set_choice(&cafe, None, 0, 2, 3);
        assert_eq!(burger.counts, [[2, 1, 1]], "at most four in all");
        assert!(!burger.set_choice(&cafe, None, 0, 9, 1));
        assert!(!burger.set_choice(&cafe, None, 9, 0, 1));
        assert!(!burger.set_choice(&cafe, Some(0), 0, 0, 1));
        assert_eq!(burger.price(&cafe, Service::EatIn), Some(Minor(890 + 2 * 120 + 180)));
    }

    #[test]
    fn a_combo_is_complete_once_every_part_is_filled() {
        let cafe = cafe();
        let mut combo = Draft::new(COMBO, &cafe).unwrap();
        assert_eq!(combo.parts[0].choice, Some(0), "only one burger is offered");
        assert!(!combo.is_complete(&cafe));
        assert!(combo.choose_part(&cafe, 1, 1));
        assert!(combo.choose_part(&cafe, 2, 2));
        assert!(!combo.is_complete(&cafe), "the coffee wants its milk");
        assert!(combo.set_choice(&cafe, Some(2), 0, 1, 1));
        assert!(combo.choose_part(&cafe, 2, 2), "the same again keeps the milk");
        assert_eq!(combo.price(&cafe, Service::EatIn), Some(Minor(1190 + 30 + 40 + 50)));
        assert!(!combo.choose_part(&cafe, 3, 0));
        assert!(!combo.choose_part(&cafe, 1, 9));
    }

    #[test]
    fn what_is_sold_out_is_neither_complete_nor_a_filling() {
        let mut cafe = cafe();
        assert!(!Draft::new(CAKE, &cafe).unwrap().is_complete(&cafe));
        cafe.articles[FRIES.0 as usize].available = false;
        let mut combo = Draft::new(COMBO, &cafe).unwrap();
        assert!(!combo.choose_part(&cafe, 1, 0));
        assert!(combo.choose_part(&cafe, 1, 1));
    }

    #[test]
    fn allergens_fold_over_choices_and_parts_and_silence_stays_unknown() {
        let cafe = cafe();
        let mut coffee = Draft::new(COFFEE, &cafe).unwrap();
        assert_eq!(coffee.allergens(&cafe).get(Allergen::Milk), Mark::Free);
        coffee.set_choice(&cafe, None, 0, 0, 1);
        assert_eq!(coffee.allergens(&cafe).get(Allergen::Milk), Mark::Contains);
        let mut combo = Draft::new(COMBO, &cafe).unwrap();
        assert_eq!(combo.allergens(&cafe).get(Allergen::Fish), Mark::Unknown, "parts are open");
        combo.choose_part(&cafe, 1, 0);
        combo.choose_part(&cafe, 2, 0);
        assert_eq!(combo.allergens(&cafe).get(Allergen::Gluten), Mark::Contains);
        assert_eq!(combo.allergens(&cafe).get(Allergen::Fish), Mark::Free);
        combo.choose_part(&cafe, 1, 1);
        assert_eq!(combo.allergens(&cafe).get(Allergen::Fish), Mark::Unknown, "nobody said it of the croissant");
    }

    #[test]
    fn an_article_suits_only_where_it_can_be_had_without() {
        let cafe = cafe();
        assert!(cafe.suits(CROISSANT, &[]));
        assert!(!cafe.suits(CROISSANT, &[Allergen::Fish]), "silence does not suit");
        assert!(cafe.suits(COFFEE, &[Allergen::Milk]), "with oats");
        assert!(!cafe.suits(COFFEE, &[Allergen::Milk, Allergen::Gluten]));
        assert!(cafe.suits(COMBO, &[Allergen::Milk]), "fries and cola");
        assert!(!cafe.suits(COMBO, &[Allergen::Gluten]), "the burger");
        assert!(!cafe.suits(ArticleId(99), &[]));
    }
}
