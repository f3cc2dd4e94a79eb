//! Modifier groups, and what articles and choices have in common: prices and allergens.

use crate::{
    amount::{NoAmount, amount},
    fields::{Fields, Owner, Spot},
    index::Index,
    problem::{did_you_mean, shown},
};
use kiosk_core::{
    Minor,
    catalogue::{Allergen, Allergens, ByService, Choice, Group, Mark},
    money::Currency,
};

/// Reads a `[[group]]`.
pub(crate) fn read_group<'a>(fields: &Fields<'a>, index: &Index<'a>) -> Group {
    let limits = fields.scope.limits;
    let key = fields.key("key", "\"milk\"").map_or("", |s| s.text);
    let fields = &fields.named("modifier group", key);
    fields.only(&["key", "name", "min", "max", "choice"]);
    let group = Group {
        key: key.to_owned(),
        name: fields.text("name", index.languages, limits.name_bytes, "{ en = \"Which milk?\" }"),
        min: count(fields, "min", 0..=99).unwrap_or(0),
        max: count(fields, "max", 1..=99).unwrap_or(1),
        choices: fields.tables("choice", limits.entries, "choice").map(|f| read_choice(&f, index)).collect(),
    };
    check_counts(fields, &group);
    group
}

fn check_counts(fields: &Fields<'_>, group: &Group) {
    let scope = fields.scope;
    if group.choices.is_empty() {
        let need = if group.min > 0 { "asks for one but offers no choice" } else { "offers no choice" };
        let cure = "Add [[group.choice]] entries, or take the group out here and in the articles that name it.";
        scope.problem(fields.at, format!("{} {need}.", fields.owner), cure);
        return;
    }
    if group.min > group.max {
        let what = format!("{} asks for at least {} but allows {} at the most.", fields.owner, group.min, group.max);
        scope.problem(fields.at_key("min"), what, "Raise max, or lower min.");
    }
    let sum = |part: fn(&Choice) -> u8| group.choices.iter().map(|c| u32::from(part(c))).sum::<u32>();
    if group.min <= group.max && sum(|c| c.max) < u32::from(group.min) {
        let what = format!("{} asks for at least {} but offers only {}.", fields.owner, group.min, sum(|c| c.max));
        scope.problem(fields.at_key("min"), what, "Lower min, or let a choice be taken more than once with its max.");
    }
    if sum(|c| c.preset) > u32::from(group.max) {
        let what = format!("{} presets {} but allows {} at the most.", fields.owner, sum(|c| c.preset), group.max);
        scope.problem(fields.at, what, "Take a preset out, or raise max.");
    }
}

fn read_choice<'a>(fields: &Fields<'a>, index: &Index<'a>) -> Choice {
    let sku = fields.key("sku", "\"milk-oat\"").map_or("", |s| s.text);
    let fields = &fields.named("choice", sku);
    fields.only(&["sku", "name", "price", "max", "preset", "allergens", "picture"]);
    let choice = Choice {
        sku: sku.to_owned(),
        name: fields.text("name", index.languages, fields.scope.limits.name_bytes, "{ en = \"Oat milk\" }"),
        price: opt_price(fields, "price", index.currency, "\"0.50\""),
        max: count(fields, "max", 1..=99).unwrap_or(1),
        preset: count(fields, "preset", 0..=99).unwrap_or(0),
        allergens: allergens(fields, Allergens::default()),
        picture: index.picture(fields),
    };
    if choice.preset > choice.max {
        let what = format!("{} presets {} but allows {} at the most.", fields.owner, choice.preset, choice.max);
        fields.scope.problem(fields.at_key("preset"), what, "Lower preset, or raise max.");
    }
    choice
}

fn count(fields: &Fields<'_>, key: &str, range: std::ops::RangeInclusive<u32>) -> Option<u8> {
    fields.whole(key, range).and_then(|n| u8::try_from(n).ok())
}

/// A price that must be there: `"3.40"`, or `{ eat_in = "3.40", takeaway = "3.20" }`.
pub(crate) fn price(fields: &Fields<'_>, key: &str, currency: Currency, example: &str) -> ByService<Minor> {
    if fields.get(key).is_none() {
        fields.missing(key, example);
    }
    opt_price(fields, key, currency, example)
}

/// A price that is nothing where it is missing.
pub(crate) fn opt_price(fields: &Fields<'_>, key: &str, currency: Currency, example: &str) -> ByService<Minor> {
    let Some(value) = fields.get(key) else { return ByService::default() };
    let most = fields.scope.limits.amount;
    if value.get_ref().is_table() {
        let Some(both) = Fields::of(fields.scope, fields.owner, value) else { return ByService::default() };
        both.only(&["eat_in", "takeaway"]);
        let read = |service| minor(&both, service, currency, most, example);
        ByService { eat_in: read("eat_in"), takeaway: read("takeaway") }
    } else {
        ByService::both(minor(fields, key, currency, most, example))
    }
}

/// Decimal text that must be there, in minor units; nothing after telling what is wrong.
pub(crate) fn minor(fields: &Fields<'_>, key: &str, currency: Currency, most: i64, example: &str) -> Minor {
    let Some(spot) = fields.str(key, example) else { return Minor::ZERO };
    amount(spot.text, currency, most).unwrap_or_else(|why| {
        tell_no_amount(fields, key, spot, currency, why, example);
        Minor::ZERO
    })
}

fn tell_no_amount(fields: &Fields<'_>, key: &str, spot: Spot<'_>, currency: Currency, why: NoAmount, example: &str) {
    let written = shown(spot.text);
    let start = format!("\"{key}\" of {} is \"{written}\"", fields.owner);
    let example = format!("Write {key} = {example}.");
    let digits = currency.exponent;
    let (what, cure) = match why {
        NoAmount::Form => (format!("{start}, which is no amount."), example),
        NoAmount::Comma => (format!("{start}, with a comma."), format!("Write a point: \"{}\".", written.replace(',', "."))),
        NoAmount::Negative => {
            (format!("{start}, which is negative."), "Write 0 or more; a reduction is an offer, not a price.".to_owned())
        }
        NoAmount::Digits => {
            (format!("{start}, but there are only {digits} digits after the point."), "Round it to what can be paid.".to_owned())
        }
        NoAmount::Large => (format!("{start}, more than is possible."), "Check the point: is it in the right place?".to_owned()),
    };
    fields.scope.problem(spot.at, what, cure);
}

/// What is known of allergens: `{ contains = [..], may_contain = [..], free = [..] }`, where `free = "rest"` states that
/// the thing is free of all others, and what is not named is unknown. `"unknown"` says on purpose that nothing is known.
/// Where the key is missing, `missing` holds; for what is not a combo that is a warning.
pub(crate) fn allergens(fields: &Fields<'_>, missing: Allergens) -> Allergens {
    const EXAMPLE: &str = "{ contains = [\"milk\"], may_contain = [\"nuts\"], free = \"rest\" }";
    let Some(value) = fields.get("allergens") else {
        if missing != Allergens::FREE {
            let what = format!("{} says nothing about allergens: guests see all as unknown.", fields.owner);
            fields.scope.warning(fields.at, what, format!("Add allergens = {EXAMPLE}, or \"unknown\" if nobody knows."));
        }
        return missing;
    };
    if let Some(text) = value.get_ref().as_str() {
        if text != "unknown" {
            let what = format!("\"allergens\" of {} is \"{}\".", fields.owner, shown(text));
            fields.scope.problem(value.span().start, what, format!("Write \"unknown\" or {EXAMPLE}."));
        }
        return Allergens::default();
    }
    let Some(table) = Fields::of(fields.scope, Owner { kind: "\"allergens\"", name: "" }, value) else { return missing };
    table.only(&["contains", "may_contain", "free"]);
    let mut marks: [Option<Mark>; 14] = [None; 14];
    for (key, mark) in [("contains", Mark::Contains), ("may_contain", Mark::MayContain)] {
        mark_all(&table, key, mark, &mut marks);
    }
    let rest = table.get("free").and_then(|v| v.get_ref().as_str().map(|text| (text, v.span().start)));
    match rest {
        Some(("rest", _)) => marks.iter_mut().for_each(|m| *m = m.or(Some(Mark::Free))),
        Some((text, at)) => {
            let what = format!("\"free\" of {} is \"{}\".", fields.owner, shown(text));
            fields.scope.problem(at, what, "Write free = \"rest\", or a list such as [\"nuts\"].");
        }
        None => mark_all(&table, "free", Mark::Free, &mut marks),
    }
    Allergens(marks.map(Option::unwrap_or_default))
}

fn mark_all(table: &Fields<'_>, key: &str, mark: Mark, marks: &mut [Option<Mark>; 14]) {
    for spot in table.strings(key, Allergen::ALL.len(), "[\"milk\"]") {
        let Some(allergen) = Allergen::ALL.iter().find(|a| a.key() == spot.text) else {
            let words: Vec<&str> = Allergen::ALL.iter().map(|a| a.key()).collect();
            let mut cure = did_you_mean(spot.text, words.iter().copied());
            if cure.is_empty() {
                cure = format!(" The fourteen are {}.", words.join(", "));
            }
            table.scope.problem(spot.at, format!("\"{}\" is no allergen.", shown(spot.text)), cure.trim_start());
            continue;
        };
        let Some(slot) = marks.get_mut(*allergen as usize) else { continue };
        if slot.is_some() {
            let what = format!("the allergen {} is named twice.", spot.text);
            table.scope.problem(spot.at, what, "Leave it in one of contains, may_contain and free.");
        }
        // Twice and differently: the danger stays.
        *slot = (*slot).max(Some(mark));
    }
}
