// SPDX-License-Identifier: GPL-3.0-only
//! Tabs and cards.

use super::Scene;
use crate::ui::words;
use kiosk_core::{
    Article, ArticleId, CategoryId,
    catalogue::{Allergen, Category},
};

/// Tabs and cards.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MenuView {
    /// Tabs in order.
    pub tabs: Vec<TabView>,
    /// What the open category is called.
    pub heading: String,
    /// Articles of the open category that suit the guest.
    pub cards: Vec<ArticleView>,
    /// Allergens in the order of the Regulation: which, its word, whether the guest avoids it.
    pub allergens: Vec<(Allergen, &'static str, bool)>,
    /// 'nuts, milk'; empty while nothing is avoided.
    pub avoiding: String,
    /// How many articles of the open category are hidden for it.
    pub hidden: usize,
    /// The open category.
    pub open: Option<CategoryId>,
}

/// A tab.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TabView {
    /// Shown name.
    pub name: String,
    /// Picture key.
    pub picture: String,
    /// Open.
    pub current: bool,
}

/// A card.
#[derive(Clone, Debug, PartialEq)]
pub struct ArticleView {
    /// What a touch opens.
    pub id: ArticleId,
    /// Shown name.
    pub name: String,
    /// '€9.50', 'from €3.40'.
    pub price: String,
    /// Picture key.
    pub picture: String,
    /// Index of the theme's picture tint.
    pub tint: u8,
    /// 'new', may be empty.
    pub badge: String,
    /// False while sold out.
    pub available: bool,
    /// How many are in the basket.
    pub in_basket: u32,
    /// What is read out.
    pub label: String,
}

pub(super) fn view(scene: &Scene<'_>) -> MenuView {
    let s = scene.snapshot;
    let lang = scene.lang();
    let category = scene.catalogue.category(s.category);
    let articles = category.map(|c| c.articles.as_slice()).unwrap_or_default();
    let suiting: Vec<ArticleId> = articles.iter().copied().filter(|id| scene.catalogue.suits(*id, &s.avoid)).collect();
    let avoids = |allergen: &Allergen| s.avoid.contains(allergen);
    let tongue = scene.tongue();
    let avoiding: Vec<&str> = Allergen::ALL.iter().filter(|a| avoids(a)).map(|a| words::allergen(*a, tongue)).collect();
    MenuView {
        tabs: scene.catalogue.categories.iter().zip(0..).map(|(c, at)| tab(scene, c, CategoryId(at) == s.category)).collect(),
        heading: category.map(|c| c.name.get(lang).to_owned()).unwrap_or_default(),
        hidden: articles.len() - suiting.len(),
        cards: suiting.into_iter().filter_map(|id| card(scene, id)).collect(),
        allergens: Allergen::ALL.iter().map(|a| (*a, words::allergen(*a, tongue), avoids(a))).collect(),
        avoiding: avoiding.join(", "),
        open: category.map(|_| s.category),
    }
}

/// Articles of the open category that can be had instead.
pub(super) fn alternatives(scene: &Scene<'_>, most: usize) -> Vec<(ArticleId, String)> {
    let category = scene.catalogue.category(scene.snapshot.category);
    let ids = category.into_iter().flat_map(|c| c.articles.iter().copied());
    let fits = |id: &ArticleId| scene.catalogue.suits(*id, &scene.snapshot.avoid);
    let named = |id| {
        let article = scene.catalogue.article(id).filter(|a| a.available)?;
        Some((id, article.name.get(scene.lang()).to_owned()))
    };
    ids.filter(fits).filter_map(named).take(most).collect()
}

fn tab(scene: &Scene<'_>, category: &Category, current: bool) -> TabView {
    TabView { name: category.name.get(scene.lang()).to_owned(), picture: category.picture.clone(), current }
}

fn card(scene: &Scene<'_>, id: ArticleId) -> Option<ArticleView> {
    let article = scene.catalogue.article(id)?;
    let name = article.name.get(scene.lang()).to_owned();
    let price = price(scene, article);
    Some(ArticleView {
        id,
        label: format!("{name}, {price}"),
        name,
        price,
        picture: article.picture.clone(),
        tint: article.tint,
        badge: article.badge.get(scene.lang()).to_owned(),
        available: article.available,
        in_basket: in_basket(scene, article),
    })
}

fn price(scene: &Scene<'_>, article: &Article) -> String {
    let service = scene.service();
    match article.variants.iter().map(|v| v.price.get(service)).min() {
        Some(least) => words::from_price(least, scene.catalogue.currency, scene.tongue()),
        None => scene.money(article.price.get(service)),
    }
}

fn in_basket(scene: &Scene<'_>, article: &Article) -> u32 {
    let is = |sku: &str| article.sku == sku || article.variants.iter().any(|v| v.sku == sku);
    let lines = scene.snapshot.basket.tops().filter(|line| is(&line.sku));
    lines.map(|line| u32::from(line.quantity)).fold(0, u32::saturating_add)
}
