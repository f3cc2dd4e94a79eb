//! A small shop for the tests: prices by service, two included taxes and one added, sizes, groups, a combo, a thing sold
//! out.

use crate::{
    catalogue::{
        Allergen, Allergens, Article, ArticleId, ByService, Catalogue, Category, Choice, Group, GroupId, Mark, Part, PartChoice,
        Tax, TaxId, Text, Variant,
    },
    money::{Currency, Minor},
};
use alloc::{
    string::{String, ToString},
    vec,
    vec::Vec,
};

pub(crate) const REDUCED: TaxId = TaxId(0);
pub(crate) const FULL: TaxId = TaxId(1);
pub(crate) const SALES: TaxId = TaxId(2);

/// Flat white, one size, milk asked for.
pub(crate) const COFFEE: ArticleId = ArticleId(0);
/// Croissant, plain.
pub(crate) const CROISSANT: ArticleId = ArticleId(1);
/// Burger with optional extras, dearer eaten in, tax by service.
pub(crate) const BURGER: ArticleId = ArticleId(2);
/// Fries, plain.
pub(crate) const FRIES: ArticleId = ArticleId(3);
/// Cola in two sizes.
pub(crate) const COLA: ArticleId = ArticleId(4);
/// Burger, side, drink.
pub(crate) const COMBO: ArticleId = ArticleId(5);
/// Sold out.
pub(crate) const CAKE: ArticleId = ArticleId(6);
/// A mug, its tax added on top.
pub(crate) const MUG: ArticleId = ArticleId(7);

fn text(s: &str) -> Text {
    Text(vec![s.to_string(), String::new()])
}

fn article(sku: &str, price: i64, tax: TaxId) -> Article {
    Article {
        sku: sku.into(),
        name: text(sku),
        description: Text::default(),
        picture: String::new(),
        tint: 0,
        price: ByService::both(Minor(price)),
        tax: ByService::both(tax),
        variants: Vec::new(),
        groups: Vec::new(),
        parts: Vec::new(),
        allergens: Allergens::FREE,
        kcal: None,
        badge: Text::default(),
        available: true,
    }
}

fn choice(sku: &str, price: i64, max: u8, preset: u8, allergens: Allergens) -> Choice {
    let price = ByService::both(Minor(price));
    Choice { sku: sku.into(), name: text(sku), price, max, preset, allergens, picture: String::new() }
}

fn part(name: &str, choices: &[(ArticleId, Option<u8>, i64)]) -> Part {
    let fill = |&(article, variant, surcharge): &(ArticleId, Option<u8>, i64)| PartChoice {
        article,
        variant,
        surcharge: ByService::both(Minor(surcharge)),
    };
    Part { name: text(name), choices: choices.iter().map(fill).collect() }
}

/// The shop.
pub(crate) fn cafe() -> Catalogue {
    let free = Allergens::FREE;
    let milk = free.with(Allergen::Milk, Mark::Contains);
    let gluten = free.with(Allergen::Gluten, Mark::Contains);
    let groups = vec![
        Group {
            key: "milk".into(),
            name: text("Which milk?"),
            min: 1,
            max: 1,
            choices: vec![choice("whole-milk", 0, 1, 0, milk), choice("oat-milk", 50, 1, 0, gluten)],
        },
        Group {
            key: "extras".into(),
            name: text("Extras"),
            min: 0,
            max: 4,
            choices: vec![choice("cheese", 120, 2, 0, milk), choice("onions", 0, 1, 1, free), choice("bacon", 180, 3, 0, free)],
        },
    ];
    let cola = Article {
        variants: vec![
            Variant { sku: "cola-s".into(), name: text("small"), price: ByService::both(Minor(290)) },
            Variant { sku: "cola-l".into(), name: text("large"), price: ByService::both(Minor(390)) },
        ],
        ..article("cola", 0, FULL)
    };
    let burger = Article {
        price: ByService { eat_in: Minor(890), takeaway: Minor(850) },
        tax: ByService { eat_in: FULL, takeaway: REDUCED },
        groups: vec![GroupId(1)],
        allergens: gluten,
        ..article("burger", 0, FULL)
    };
    let combo = Article {
        parts: vec![
            part("Your burger", &[(BURGER, None, 0)]),
            part("Your side", &[(FRIES, None, 0), (CROISSANT, None, 30)]),
            part("Your drink", &[(COLA, Some(0), 0), (COLA, Some(1), 80), (COFFEE, None, 40)]),
        ],
        ..article("combo", 1190, FULL)
    };
    let articles = vec![
        Article { groups: vec![GroupId(0)], ..article("flat-white", 380, FULL) },
        Article { allergens: Allergens::default(), ..article("croissant", 320, REDUCED) },
        burger,
        article("fries", 350, REDUCED),
        cola,
        combo,
        Article { available: false, ..article("cake", 420, REDUCED) },
        article("mug", 1295, SALES),
    ];
    let ids: Vec<ArticleId> = (0u32..8).map(ArticleId).collect();
    let category = |key: &str, articles: &[ArticleId]| Category {
        key: key.into(),
        name: text(key),
        picture: String::new(),
        articles: articles.to_vec(),
    };
    Catalogue {
        version: "1".into(),
        currency: Currency::EUR,
        languages: vec!["en".into(), "ru".into()],
        taxes: vec![
            Tax { code: "reduced".into(), rate_ppm: 70_000, included: true, ..Tax::default() },
            Tax { code: "full".into(), rate_ppm: 190_000, included: true, ..Tax::default() },
            Tax { code: "sales".into(), rate_ppm: 88_750, included: false, ..Tax::default() },
        ],
        categories: vec![category("all", &ids), category("food", &ids[1..4])],
        articles,
        groups,
    }
}
