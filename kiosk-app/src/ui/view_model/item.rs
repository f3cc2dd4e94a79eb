// SPDX-License-Identifier: GPL-3.0-only
//! The open article: its words and its questions.

use super::Scene;
use crate::ui::words;
use kiosk_core::{
    Article, ArticleId, Draft, Intent,
    basket::DraftPart,
    catalogue::{Allergen, Group, GroupId, Mark, Part},
};

/// The most of one article that can be asked for.
const QUANTITY_MAX: u16 = 99;

/// The open article.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemView {
    /// Which, `None` while no article is open.
    pub article: Option<ArticleId>,
    /// Shown name.
    pub name: String,
    /// Price of one without what is chosen.
    pub price: String,
    /// One sentence.
    pub description: String,
    /// '780 kcal', may be empty.
    pub kcal: String,
    /// Picture key.
    pub picture: String,
    /// Index of the theme's picture tint.
    pub tint: u8,
    /// Words of the allergens it contains, with what is chosen.
    pub contains: Vec<&'static str>,
    /// Words of the allergens it may contain, or that nobody has spoken about.
    pub may_contain: Vec<&'static str>,
    /// Questions in order.
    pub questions: Vec<QuestionView>,
    /// How many of the whole.
    pub quantity: u16,
    /// At most this many.
    pub most: u16,
    /// Everything that must be chosen is.
    pub complete: bool,
    /// It is a line of the basket that is being changed.
    pub editing: bool,
    /// False while sold out.
    pub available: bool,
    /// Price of all with what is chosen.
    pub total: String,
}

/// How a question is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asking {
    /// Exactly one.
    #[default]
    One,
    /// One or none.
    OptionalOne,
    /// Several.
    Several,
}

/// What a question is about; its choices are those of the catalogue, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Which size.
    Variant,
    /// A modifier group, of the article itself or of a filled combo part.
    Group {
        /// Combo part.
        part: Option<u8>,
        /// Index into the groups.
        group: u8,
    },
    /// What fills a combo part.
    Part(u8),
}

impl Ask {
    /// The intent for choosing `option`, `count` of it.
    pub fn intent(self, option: u8, count: u8) -> Intent {
        match self {
            Self::Variant => Intent::ChooseVariant(option),
            Self::Group { part, group } => Intent::SetChoice { part, group, choice: option, count },
            Self::Part(part) => Intent::ChoosePart { part, choice: option },
        }
    }
}

/// A question with its choices.
#[derive(Clone, Debug, PartialEq)]
pub struct QuestionView {
    /// What it is about.
    pub ask: Ask,
    /// The question.
    pub title: String,
    /// How it is answered.
    pub asking: Asking,
    /// At most this many in all, 0 where that goes without saying.
    pub up_to: u8,
    /// Something must still be chosen here.
    pub missing: bool,
    /// Belongs to the combo part above.
    pub nested: bool,
    /// Choices in the order of the catalogue.
    pub options: Vec<OptionView>,
}

/// One thing that may be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionView {
    /// Shown name.
    pub name: String,
    /// '+ €1.20', the price of a size, or empty.
    pub price: String,
    /// Picture key.
    pub picture: String,
    /// How many are chosen.
    pub count: u8,
    /// At most this many.
    pub most: u8,
    /// False while sold out.
    pub available: bool,
}

pub(super) fn view(scene: &Scene<'_>) -> ItemView {
    let Some(draft) = &scene.snapshot.draft else { return ItemView::default() };
    let Some(article) = scene.catalogue.article(draft.article) else { return ItemView::default() };
    let (lang, service) = (scene.lang(), scene.service());
    let marks = draft.allergens(scene.catalogue);
    let tongue = scene.tongue();
    let marked = |wanted: &[Mark]| -> Vec<&'static str> {
        Allergen::ALL.into_iter().filter(|a| wanted.contains(&marks.get(*a))).map(|a| words::allergen(a, tongue)).collect()
    };
    // A combo with open parts is unknown in everything: a wall of words says less than none.
    let open_parts = draft.parts.iter().any(|slot| slot.choice.is_none());
    let one = Draft { quantity: 1, ..draft.clone() };
    let total = scene.snapshot.draft_price;
    let total = total.unwrap_or_else(|| one.unit_price(scene.catalogue, service).times(u32::from(draft.quantity)));
    ItemView {
        article: Some(draft.article),
        name: article.name.get(lang).to_owned(),
        price: base_price(scene, article, draft),
        description: article.description.get(lang).to_owned(),
        kcal: article.kcal.map(|kcal| words::kcal(kcal, tongue)).unwrap_or_default(),
        picture: article.picture.clone(),
        tint: article.tint,
        contains: marked(&[Mark::Contains]),
        may_contain: if open_parts { Vec::new() } else { marked(&[Mark::MayContain, Mark::Unknown]) },
        questions: questions(scene, article, draft),
        quantity: draft.quantity,
        most: QUANTITY_MAX,
        complete: scene.snapshot.draft_complete,
        editing: draft.editing.is_some(),
        available: article.available,
        total: scene.money(total),
    }
}

fn base_price(scene: &Scene<'_>, article: &Article, draft: &Draft) -> String {
    let service = scene.service();
    let chosen = draft.variant.and_then(|v| article.variants.get(usize::from(v)));
    match (chosen, article.variants.iter().map(|v| v.price.get(service)).min()) {
        (Some(variant), _) => scene.money(variant.price.get(service)),
        (None, Some(least)) => words::from_price(least, scene.catalogue.currency, scene.tongue()),
        (None, None) => scene.money(article.price.get(service)),
    }
}

fn questions(scene: &Scene<'_>, article: &Article, draft: &Draft) -> Vec<QuestionView> {
    let mut questions = Vec::new();
    if !article.variants.is_empty() {
        questions.push(sizes(scene, article, draft));
    }
    for ((part, slot), at) in article.parts.iter().zip(&draft.parts).zip(0u8..) {
        questions.push(filling(scene, part, slot, at));
        let inner = slot.choice.and_then(|c| part.choices.get(usize::from(c))).and_then(|c| scene.catalogue.article(c.article));
        if let Some(inner) = inner {
            questions.extend(groups(scene, &inner.groups, &slot.counts, Some(at)));
        }
    }
    questions.extend(groups(scene, &article.groups, &draft.counts, None));
    questions
}

fn sizes(scene: &Scene<'_>, article: &Article, draft: &Draft) -> QuestionView {
    let option = |(variant, at): (&kiosk_core::catalogue::Variant, u8)| OptionView {
        name: variant.name.get(scene.lang()).to_owned(),
        price: scene.money(variant.price.get(scene.service())),
        picture: String::new(),
        count: u8::from(draft.variant == Some(at)),
        most: 1,
        available: true,
    };
    QuestionView {
        ask: Ask::Variant,
        title: words::which_size(scene.tongue()).to_owned(),
        asking: Asking::One,
        up_to: 0,
        missing: draft.variant.is_none(),
        nested: false,
        options: article.variants.iter().zip(0u8..).map(option).collect(),
    }
}

fn filling(scene: &Scene<'_>, part: &Part, slot: &DraftPart, at: u8) -> QuestionView {
    let option = |(choice, index): (&kiosk_core::catalogue::PartChoice, u8)| {
        let article = scene.catalogue.article(choice.article);
        let name = article.map(|a| a.name.get(scene.lang())).unwrap_or_default();
        let size = article.zip(choice.variant).and_then(|(a, v)| a.variants.get(usize::from(v)));
        OptionView {
            name: match size {
                Some(size) => format!("{name}, {}", size.name.get(scene.lang())),
                None => name.to_owned(),
            },
            price: scene.surcharge(choice.surcharge.get(scene.service())),
            picture: article.map(|a| a.picture.clone()).unwrap_or_default(),
            count: u8::from(slot.choice == Some(index)),
            most: 1,
            available: article.is_some_and(|a| a.available),
        }
    };
    QuestionView {
        ask: Ask::Part(at),
        title: part.name.get(scene.lang()).to_owned(),
        asking: Asking::One,
        up_to: 0,
        missing: slot.choice.is_none(),
        nested: false,
        options: part.choices.iter().zip(0u8..).map(option).collect(),
    }
}

fn groups<'a>(
    scene: &'a Scene<'_>,
    ids: &'a [GroupId],
    counts: &'a [Vec<u8>],
    part: Option<u8>,
) -> impl Iterator<Item = QuestionView> + 'a {
    ids.iter().zip(0u8..).filter_map(move |(id, at)| {
        let group = scene.catalogue.group(*id)?;
        let counts = counts.get(usize::from(at)).map(Vec::as_slice).unwrap_or_default();
        Some(question(scene, group, counts, Ask::Group { part, group: at }))
    })
}

fn question(scene: &Scene<'_>, group: &Group, counts: &[u8], ask: Ask) -> QuestionView {
    let sum: u32 = counts.iter().map(|c| u32::from(*c)).sum();
    let room = u32::from(group.max).saturating_sub(sum);
    let asking = match (group.min, group.max) {
        (1.., 1) => Asking::One,
        (0, 1) => Asking::OptionalOne,
        _ => Asking::Several,
    };
    let option = |(choice, at): (&kiosk_core::catalogue::Choice, usize)| {
        let count = counts.get(at).copied().unwrap_or(0);
        let most = u32::from(choice.max).min(u32::from(count).saturating_add(room));
        OptionView {
            name: choice.name.get(scene.lang()).to_owned(),
            price: scene.surcharge(choice.price.get(scene.service())),
            picture: choice.picture.clone(),
            count,
            most: u8::try_from(most).unwrap_or(u8::MAX),
            available: true,
        }
    };
    let bound: u32 = group.choices.iter().map(|c| u32::from(c.max)).sum();
    QuestionView {
        ask,
        title: group.name.get(scene.lang()).to_owned(),
        asking,
        up_to: if u32::from(group.max) < bound { group.max } else { 0 },
        missing: sum < u32::from(group.min),
        nested: matches!(ask, Ask::Group { part: Some(_), .. }),
        options: group.choices.iter().zip(0usize..).map(option).collect(),
    }
}
