//! What a menu defines and where: the first pass over its files, and the references of the second.

use crate::{
    Picture,
    fields::{Fields, Spot, Value},
    menu::MenuFile,
    problem::{did_you_mean, shown},
    source::Source,
};
use kiosk_core::{
    ArticleId, CategoryId,
    catalogue::{GroupId, TaxId},
    money::Currency,
};
use std::collections::{BTreeMap, HashMap};
use toml::de::DeValue;

/// What a SKU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sku {
    Article {
        at: ArticleId,
        sized: bool,
    },
    Combo {
        at: ArticleId,
    },
    Variant {
        of: ArticleId,
        index: u8,
    },
    /// The same choice may stand in several groups.
    Choice {
        group: GroupId,
    },
}

/// What is defined anywhere in the menu.
pub(crate) struct Index<'a> {
    pub(crate) currency: Currency,
    pub(crate) languages: &'a [String],
    pub(crate) tints: Vec<&'a str>,
    pub(crate) pictures: &'a BTreeMap<String, Picture>,
    taxes: HashMap<&'a str, (TaxId, Place<'a>)>,
    categories: HashMap<&'a str, (CategoryId, Place<'a>)>,
    groups: HashMap<&'a str, (GroupId, Place<'a>)>,
    skus: HashMap<&'a str, (Sku, Place<'a>)>,
}

/// What may be named by whom.
trait Name {
    /// True where two of a kind may have the same name.
    fn may_share_with(&self, _other: &Self) -> bool {
        false
    }
}
impl Name for TaxId {}
impl Name for CategoryId {}
impl Name for GroupId {}
impl Name for Sku {
    fn may_share_with(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Choice { group: a }, Self::Choice { group: b }) if a != b)
    }
}

/// Where a name was first seen.
#[derive(Clone, Copy)]
struct Place<'a> {
    source: &'a Source,
    at: usize,
}

impl<'a> Index<'a> {
    pub(crate) fn learn(
        files: &[MenuFile<'a>],
        currency: Currency,
        languages: &'a [String],
        tints: Vec<&'a str>,
        pictures: &'a BTreeMap<String, Picture>,
    ) -> Self {
        let mut taxes = HashMap::new();
        let mut categories = HashMap::new();
        let mut groups = HashMap::new();
        let mut skus = HashMap::new();
        for (fields, at) in entries(files, |f| &f.taxes) {
            define(&mut taxes, &fields, "code", "tax", TaxId(at));
        }
        for (fields, at) in entries(files, |f| &f.categories) {
            define(&mut categories, &fields, "key", "category", CategoryId(at));
        }
        for (fields, at) in entries(files, |f| &f.groups) {
            define(&mut groups, &fields, "key", "modifier group", GroupId(at));
            for choice in peek_tables(&fields, "choice") {
                define(&mut skus, &choice, "sku", "SKU", Sku::Choice { group: GroupId(at) });
            }
        }
        let articles = files.iter().flat_map(|f| f.articles.iter().copied()).zip(0u32..);
        for ((fields, combo), at) in articles {
            let at = ArticleId(at);
            let variants = peek_tables(&fields, "variant");
            let sku = if combo { Sku::Combo { at } } else { Sku::Article { at, sized: !variants.is_empty() } };
            define(&mut skus, &fields, "sku", "SKU", sku);
            for (variant, index) in variants.iter().zip(0u8..) {
                define(&mut skus, variant, "sku", "SKU", Sku::Variant { of: at, index });
            }
        }
        Self { currency, languages, tints, pictures, taxes, categories, groups, skus }
    }

    pub(crate) fn tax(&self, fields: &Fields<'a>, spot: Spot<'a>) -> Option<TaxId> {
        self.refer(&self.taxes, fields, spot, "the tax", "[[tax]] code")
    }

    pub(crate) fn category(&self, fields: &Fields<'a>, spot: Spot<'a>) -> Option<CategoryId> {
        self.refer(&self.categories, fields, spot, "the category", "[[category]] key")
    }

    pub(crate) fn group(&self, fields: &Fields<'a>, spot: Spot<'a>) -> Option<GroupId> {
        self.refer(&self.groups, fields, spot, "the modifier group", "[[group]] key")
    }

    /// What a SKU names, for combos and highlights.
    pub(crate) fn sku(&self, fields: &Fields<'a>, spot: Spot<'a>) -> Option<Sku> {
        self.refer(&self.skus, fields, spot, "the article", "[[article]] sku")
    }

    fn refer<T: Copy>(
        &self,
        known: &HashMap<&'a str, (T, Place<'a>)>,
        fields: &Fields<'a>,
        spot: Spot<'a>,
        what: &str,
        define: &str,
    ) -> Option<T> {
        let found = known.get(spot.text).map(|(id, _)| *id);
        if found.is_none() {
            let word = shown(spot.text);
            let mut cure = did_you_mean(spot.text, known.keys().copied());
            if cure.is_empty() {
                cure = format!(" Define it with {define} = \"{word}\", or take it out here.");
            }
            let what = format!("{} names {what} \"{word}\", which no file defines.", fields.owner);
            fields.scope.problem(spot.at, what, cure.trim_start());
        }
        found
    }

    /// A picture's key that must be there or may be left out.
    pub(crate) fn picture(&self, fields: &Fields<'a>) -> String {
        let Some(spot) = fields.opt_str("picture", "\"croissant\"") else { return String::new() };
        if !self.pictures.contains_key(spot.text) {
            let word = shown(spot.text);
            let mut cure = did_you_mean(spot.text, self.pictures.keys().map(String::as_str));
            if cure.is_empty() {
                cure = format!(" Put a PNG at pictures/{word}.png, or take the picture out here.");
            }
            let what =
                format!("{} shows the picture \"{word}\", but there is no pictures/{word}.png that can be shown.", fields.owner);
            fields.scope.problem(spot.at, what, cure.trim_start());
        }
        spot.text.to_owned()
    }
}

/// One kind of entry in all files, with the index that the catalogue gives it.
fn entries<'f, 'a>(
    files: &'f [MenuFile<'a>],
    part: fn(&'f MenuFile<'a>) -> &'f [Fields<'a>],
) -> impl Iterator<Item = (Fields<'a>, u32)> {
    files.iter().flat_map(move |f| part(f).iter().copied()).zip(0u32..)
}

/// Learns one name; a second use of it is told with the place of the first. Malformed names are told when built.
fn define<'a, T: Name>(known: &mut HashMap<&'a str, (T, Place<'a>)>, fields: &Fields<'a>, key: &str, kind: &str, id: T) {
    let Some((name, at)) = fields.get(key).and_then(|v| Some((v.get_ref().as_str()?, v.span().start))) else { return };
    if let Some((other, first)) = known.get(name) {
        if id.may_share_with(other) {
            return;
        }
        let (file, line) = (&first.source.name, first.source.line(first.at));
        let what = format!("the {kind} \"{}\" is used a second time.", shown(name));
        fields.scope.problem(at, what, format!("It is already in {file} line {line}: give one of them another name."));
        return;
    }
    known.insert(name, (id, Place { source: fields.scope.source, at }));
}

/// Tables of a list, without telling what is none: the second pass does.
fn peek_tables<'a>(fields: &Fields<'a>, key: &str) -> Vec<Fields<'a>> {
    let entries: &'a [Value<'a>] = match fields.get(key).map(|v| v.get_ref()) {
        Some(DeValue::Array(array)) => array,
        _ => &[],
    };
    let tables = entries.iter().filter(|v| v.get_ref().is_table());
    tables.filter_map(|v| Fields::of(fields.scope, fields.owner, v)).collect()
}
