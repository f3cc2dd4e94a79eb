//! The demo shop is what it promises to be.

use kiosk_content::{Content, Limits, load};
use kiosk_core::{
    Lang, Minor, Service, Text,
    catalogue::{Allergen, Article, Mark, PartChoice},
};
use std::path::Path;

fn demo() -> Content {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/demo");
    let (content, warnings) = load(&dir, &Limits::default()).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(warnings.is_empty(), "{}", warnings.iter().map(|w| format!("{w}\n")).collect::<String>());
    content
}

fn article<'a>(content: &'a Content, sku: &str) -> &'a Article {
    let catalogue = &content.menu.catalogue;
    catalogue.find(sku).and_then(|(id, _)| catalogue.article(id)).unwrap_or_else(|| panic!("no {sku}"))
}

#[test]
fn the_demo_shop_opens_without_a_warning_in_both_languages() {
    let content = demo();
    assert_eq!(content.shop.name, "Boyd's");
    assert_eq!(content.menu.catalogue.languages, ["en", "ru"]);
    assert_eq!(content.menu.catalogue.check(), Ok(()));
    assert_eq!(content.shop.lang("ru"), Some(Lang(1)));
}

#[test]
fn at_least_sixty_articles_each_have_a_picture_and_both_names() {
    let content = demo();
    let articles = &content.menu.catalogue.articles;
    assert!(articles.len() >= 64, "{}", articles.len());
    for article in articles {
        assert!(content.menu.pictures.contains_key(&article.picture), "{}", article.sku);
        assert!(usize::from(article.tint) < content.theme.tints.len());
        assert!(!article.description.get(Lang(0)).is_empty(), "{}", article.sku);
        assert_ne!(article.name.get(Lang(0)), article.name.get(Lang(1)), "{}", article.sku);
    }
    for category in &content.menu.catalogue.categories {
        assert!(category.articles.len() >= 4, "{}", category.key);
    }
}

#[test]
fn every_article_stands_in_a_category_of_its_own() {
    let content = demo();
    let homes = content.menu.catalogue.categories.iter().filter(|c| c.key != "for-you");
    let mut listed: Vec<u32> = homes.flat_map(|c| c.articles.iter().map(|a| a.0)).collect();
    listed.sort_unstable();
    assert!(listed.into_iter().eq(0..u32::try_from(content.menu.catalogue.articles.len()).unwrap()));
}

#[test]
fn allergens_are_known_but_for_the_deliberate_two() {
    let content = demo();
    let silent = |a: &&Article| a.allergens.0.contains(&Mark::Unknown);
    let skus: Vec<&str> = content.menu.catalogue.articles.iter().filter(silent).map(|a| a.sku.as_str()).collect();
    assert_eq!(skus, ["bubble-tea", "soup-of-the-day"]);
    let choices = content.menu.catalogue.groups.iter().flat_map(|g| &g.choices);
    assert!(choices.into_iter().all(|c| !c.allergens.0.contains(&Mark::Unknown)));
}

#[test]
fn the_drawn_articles_are_priced_as_drawn() {
    let content = demo();
    for (sku, minor) in [
        ("shakshuka", 950),
        ("pancake-stack", 820),
        ("avocado-toast", 890),
        ("club-sandwich", 990),
        ("flat-white", 340),
        ("almond-croissant", 340),
        ("matcha-latte", 410),
        ("harbour-burger", 1190),
    ] {
        assert_eq!(article(&content, sku).price.eat_in, Minor(minor), "{sku}");
    }
    let burger = article(&content, "harbour-burger");
    assert_eq!(burger.kcal, Some(780));
    assert_eq!(burger.description.get(Lang(0)), "Dry-aged beef, cheddar, pickles, brioche.");
    let extras = content.menu.catalogue.groups.iter().find(|g| g.key == "burger-extras").unwrap();
    let prices: Vec<i64> = extras.choices.iter().take(3).map(|c| c.price.eat_in.0).collect();
    assert_eq!((prices, extras.min, extras.max), (vec![120, 180, 150], 0, 4));
}

#[test]
fn oat_milk_takes_the_milk_out_of_a_flat_white() {
    let content = demo();
    let coffee = article(&content, "flat-white");
    let milk = content.menu.catalogue.group(coffee.groups[0]).unwrap();
    let of = |sku: &str| milk.choices.iter().find(|c| c.sku == sku).unwrap().allergens;
    assert_eq!(coffee.allergens.and(&of("milk-whole")).get(Allergen::Milk), Mark::Contains);
    assert_eq!(coffee.allergens.and(&of("milk-oat")).get(Allergen::Milk), Mark::Free);
    assert_eq!(coffee.allergens.and(&of("milk-oat")).get(Allergen::Gluten), Mark::Contains);
}

#[test]
fn a_meal_never_costs_more_than_its_parts() {
    let content = demo();
    let catalogue = &content.menu.catalogue;
    for combo in catalogue.articles.iter().filter(|a| !a.parts.is_empty()) {
        for service in [Service::EatIn, Service::Takeaway] {
            // What a choice costs alone less what it adds to the meal: the least of each part is the worst filling.
            let gain = |choice: &PartChoice| {
                let article = catalogue.article(choice.article).unwrap();
                let price = choice.variant.map_or(article.price, |v| article.variants[usize::from(v)].price);
                price.get(service) - choice.surcharge.get(service)
            };
            let worst: Minor = combo.parts.iter().map(|p| p.choices.iter().map(gain).min().unwrap()).sum();
            assert!(combo.price.get(service) <= worst, "{} {service:?}: at most {}", combo.sku, worst.0);
        }
    }
}

#[test]
fn every_minute_of_the_day_has_a_greeting_and_its_picture() {
    let content = demo();
    for minute in 0..1440 {
        let attract = content.shop.attract_at(minute).unwrap();
        assert!(attract.covers(minute));
        assert!(content.menu.pictures.contains_key(&attract.picture));
        let full = |text: &Text| text.0.iter().all(|t| !t.is_empty()) && text.0.len() == 2;
        assert!(full(&attract.title) && full(&attract.text));
    }
    let morning = content.shop.attract_at(8 * 60).unwrap();
    assert_eq!(morning.text.get(Lang(0)), "The almond croissants came out of the oven eleven minutes ago.");
}

#[test]
fn the_screens_find_their_own_pictures() {
    let content = demo();
    let ui = "accessibility bell wave check globe person receipt warning offline bag plate card";
    for key in ui.split(' ').map(|k| format!("ui-{k}")).chain((1..=5).map(|n| format!("face-{n}"))) {
        assert!(content.menu.pictures.contains_key(&key), "{key}");
    }
    assert!(content.menu.pictures["almond-croissant"].large.is_some());
}
