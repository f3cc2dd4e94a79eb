//! `[[article]]` and `[[combo]]`.

use crate::{
    fields::{Fields, Spot, Value},
    group::{allergens, opt_price, price},
    index::{Index, Sku},
    problem::{did_you_mean, shown},
};
use kiosk_core::{
    Minor,
    catalogue::{Allergens, Article, ByService, CategoryId, GroupId, Part, PartChoice, TaxId, Variant},
};

const ARTICLE: [&str; 14] = [
    "sku",
    "category",
    "name",
    "description",
    "picture",
    "tint",
    "price",
    "tax",
    "variant",
    "groups",
    "allergens",
    "kcal",
    "badge",
    "available",
];
const COMBO: [&str; 14] = [
    "sku",
    "category",
    "name",
    "description",
    "picture",
    "tint",
    "price",
    "tax",
    "part",
    "groups",
    "allergens",
    "kcal",
    "badge",
    "available",
];

/// Reads the articles of one file, with the file's defaults.
pub(crate) struct ArticleReader<'a, 'i> {
    index: &'i Index<'a>,
    category: Option<CategoryId>,
    tax: Option<ByService<TaxId>>,
    tint: u8,
}

impl<'a, 'i> ArticleReader<'a, 'i> {
    /// `defaults` is the file's section of that name: category, tax and tint of articles that say none.
    pub(crate) fn new(index: &'i Index<'a>, defaults: Option<Fields<'a>>) -> Self {
        let mut reader = Self { index, category: None, tax: None, tint: 0 };
        if let Some(fields) = defaults {
            fields.only(&["category", "tax", "tint"]);
            reader.category = reader.category(&fields);
            reader.tax = reader.tax(&fields);
            reader.tint = reader.tint(&fields);
        }
        reader
    }

    /// The article, with the category it belongs to. What is wrong is told, and the article is not to be used then.
    pub(crate) fn read(&self, fields: &Fields<'a>, combo: bool) -> (Article, Option<CategoryId>) {
        let sku = fields.key("sku", "\"harbour-burger\"").map_or("", |s| s.text);
        let fields = &fields.named(fields.owner.kind, sku);
        fields.only(if combo { &COMBO } else { &ARTICLE });
        let (languages, limits) = (self.index.languages, fields.scope.limits);
        let variants = self.variants(fields);
        let category = self.category(fields);
        if category.is_none() && fields.get("category").is_none() {
            fields.missing("category", "\"burgers\" (or a [defaults] section with it)");
        }
        let tax = self.tax(fields);
        if tax.is_none() && fields.get("tax").is_none() {
            fields.missing("tax", "\"food\" (or a [defaults] section with it)");
        }
        let article = Article {
            sku: sku.to_owned(),
            name: fields.text("name", languages, limits.name_bytes, "{ en = \"Harbour burger\" }"),
            description: fields.opt_text("description", languages, limits.text_bytes, "{ en = \"Beef, cheddar, brioche.\" }"),
            picture: self.index.picture(fields),
            tint: self.tint(fields),
            price: self.article_price(fields, &variants),
            tax: tax.unwrap_or(ByService::both(TaxId(0))),
            variants,
            groups: self.groups(fields),
            parts: if combo { self.parts(fields) } else { Vec::new() },
            allergens: allergens(fields, if combo { Allergens::FREE } else { Allergens::default() }),
            kcal: fields.whole("kcal", 0..=20_000),
            badge: fields.opt_text("badge", languages, limits.name_bytes, "{ en = \"new\" }"),
            available: fields.bool("available", true),
        };
        (article, category)
    }

    /// The article's own price, the lowest of its sizes where it has sizes.
    fn article_price(&self, fields: &Fields<'a>, variants: &[Variant]) -> ByService<Minor> {
        let lowest = |part: fn(&ByService<Minor>) -> Minor| variants.iter().map(|v| part(&v.price)).min();
        match (lowest(|p| p.eat_in), lowest(|p| p.takeaway)) {
            (Some(eat_in), Some(takeaway)) => {
                if fields.get("price").is_some() {
                    let what = format!("{} has sizes and a price of its own.", fields.owner);
                    fields.scope.problem(fields.at_key("price"), what, "Take \"price\" out: each size has its own.");
                }
                ByService { eat_in, takeaway }
            }
            _ => price(fields, "price", self.index.currency, "\"11.90\""),
        }
    }

    fn category(&self, fields: &Fields<'a>) -> Option<CategoryId> {
        match fields.opt_str("category", "\"burgers\"") {
            Some(spot) => self.index.category(fields, spot),
            None => self.category,
        }
    }

    /// `"food"`, or `{ eat_in = "drink", takeaway = "food" }`.
    fn tax(&self, fields: &Fields<'a>) -> Option<ByService<TaxId>> {
        let Some(value) = fields.get("tax") else { return self.tax };
        let read = |fields: &Fields<'a>, key| self.index.tax(fields, fields.str(key, "\"food\"")?);
        if value.get_ref().is_table() {
            let both = Fields::of(fields.scope, fields.owner, value)?;
            both.only(&["eat_in", "takeaway"]);
            let (eat_in, takeaway) = (read(&both, "eat_in"), read(&both, "takeaway"));
            return Some(ByService { eat_in: eat_in?, takeaway: takeaway? });
        }
        read(fields, "tax").map(ByService::both)
    }

    fn tint(&self, fields: &Fields<'a>) -> u8 {
        let Some(spot) = fields.opt_str("tint", "\"butter\"") else { return self.tint };
        let found = self.index.tints.iter().position(|t| *t == spot.text).and_then(|at| u8::try_from(at).ok());
        found.unwrap_or_else(|| {
            let what = format!("{} stands on the tint \"{}\", which theme.toml does not define.", fields.owner, shown(spot.text));
            let mut cure = did_you_mean(spot.text, self.index.tints.iter().copied());
            if cure.is_empty() {
                cure = format!(" The tints are {}.", self.index.tints.join(", "));
            }
            fields.scope.problem(spot.at, what, cure.trim_start());
            0
        })
    }

    fn variants(&self, fields: &Fields<'a>) -> Vec<Variant> {
        let limits = fields.scope.limits;
        let tables = fields.tables("variant", limits.entries.min(255), "size");
        let read = |fields: Fields<'a>| {
            let sku = fields.key("sku", "\"latte-large\"").map_or("", |s| s.text);
            let fields = fields.named("size", sku);
            fields.only(&["sku", "name", "price"]);
            Variant {
                sku: sku.to_owned(),
                name: fields.text("name", self.index.languages, limits.name_bytes, "{ en = \"Large\" }"),
                price: price(&fields, "price", self.index.currency, "\"4.50\""),
            }
        };
        tables.map(read).collect()
    }

    fn groups(&self, fields: &Fields<'a>) -> Vec<GroupId> {
        let mut groups = Vec::new();
        for spot in fields.strings("groups", fields.scope.limits.entries, "[\"milk\"]") {
            let Some(group) = self.index.group(fields, spot) else { continue };
            if groups.contains(&group) {
                let what = format!("{} asks \"{}\" twice.", fields.owner, shown(spot.text));
                fields.scope.problem(spot.at, what, "Take one of them out.");
            }
            groups.push(group);
        }
        groups
    }

    fn parts(&self, fields: &Fields<'a>) -> Vec<Part> {
        let limits = fields.scope.limits;
        let tables = fields.tables("part", limits.entries, "part");
        let parts: Vec<Part> = tables
            .map(|part| {
                let part = part.named("a part of combo", fields.owner.name);
                part.only(&["name", "choices"]);
                let choices = part.list("choices", limits.entries);
                if choices.is_empty() && part.get("choices").is_none_or(|v| v.get_ref().is_array()) {
                    let what = format!("{} offers no choice.", part.owner);
                    part.scope.problem(part.at, what, "Add choices = [\"fries\", \"side-salad\"].");
                }
                Part {
                    name: part.text("name", self.index.languages, limits.name_bytes, "{ en = \"Your side\" }"),
                    choices: choices.iter().filter_map(|value| self.part_choice(&part, value)).collect(),
                }
            })
            .collect();
        if parts.is_empty() {
            let cure = "Add [[combo.part]] entries, or make it an [[article]].";
            fields.scope.problem(fields.at, format!("{} has no part.", fields.owner), cure);
        }
        parts
    }

    /// `"fries"`, or `{ article = "fries", surcharge = "1.00" }`.
    fn part_choice(&self, part: &Fields<'a>, value: &'a Value<'a>) -> Option<PartChoice> {
        let (spot, surcharge) = match value.get_ref().as_str() {
            Some(text) => (Spot { text, at: value.span().start }, ByService::default()),
            None => {
                let fields = Fields::of(part.scope, part.owner, value)?;
                fields.only(&["article", "surcharge"]);
                let surcharge = opt_price(&fields, "surcharge", self.index.currency, "\"1.00\"");
                (fields.str("article", "\"fries\"")?, surcharge)
            }
        };
        let word = shown(spot.text);
        let owner = part.owner;
        let refuse = |what: String, cure: &str| {
            part.scope.problem(spot.at, what, cure);
            None
        };
        match self.index.sku(part, spot)? {
            Sku::Article { at, sized: false } => Some(PartChoice { article: at, variant: None, surcharge }),
            Sku::Variant { of, index } => Some(PartChoice { article: of, variant: Some(index), surcharge }),
            Sku::Article { sized: true, .. } => refuse(
                format!("{owner} offers \"{word}\", which comes in sizes."),
                "Name the size: the sku of one of its variants.",
            ),
            Sku::Combo { .. } => refuse(
                format!("{owner} offers \"{word}\", which is itself a combo."),
                "Offer its articles one by one: a combo cannot hold another.",
            ),
            Sku::Choice { .. } => refuse(
                format!("{owner} offers \"{word}\", which is a modifier and not sold by itself."),
                "Make an [[article]] of it, or take it out here.",
            ),
        }
    }
}
