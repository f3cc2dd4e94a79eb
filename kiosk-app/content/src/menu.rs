//! `menu/*.toml`: from files to a catalogue in two passes. The first learns what is defined and where, the second builds,
//! so that an article may name a group of any other file.

use crate::{
    Limits, Menu, Shop, Theme,
    article::ArticleReader,
    fields::{Fields, Owner, Spot, parse_text, told},
    group::{minor, read_group},
    index::{Index, Sku},
    parallel, pictures,
    problem::{Problem, Report, shown},
    shop::read_currency,
    source::{Scope, Source},
};
use kiosk_core::{
    ArticleId, Catalogue, CategoryId,
    catalogue::{Category, GroupId, Tax, TaxRounding},
    money::Currency,
};
use std::{collections::HashSet, path::Path};
use toml::de::DeTable;

/// Reads `menu/` and `pictures/` in `dir`.
pub(crate) fn read(dir: &Path, shop: &Shop, theme: &Theme, limits: &Limits, report: &Report) -> Option<Menu> {
    let pictures = pictures::read(dir, limits, report);
    let sources = read_files(dir, limits, report)?;
    let parsed = parallel::map(&sources, |source| parse_text(&source.text));
    let scopes = sources.iter().map(|source| Scope { source, report, limits });
    let tables: Vec<(Scope<'_>, DeTable<'_>)> =
        scopes.zip(parsed).filter_map(|(scope, table)| Some((scope, told(scope, table)?))).collect();
    let files: Vec<MenuFile<'_>> = tables.iter().map(|(scope, table)| MenuFile::open(*scope, table)).collect();
    let count: usize = files.iter().map(|f| f.articles.len()).sum();
    if count > limits.articles {
        let what = format!("the menu has {count} articles; {} are possible.", limits.articles);
        tell_folder(report, what, "Take out what is no longer sold.");
        return None;
    }
    let languages: Vec<String> = shop.languages.iter().map(|l| l.tag.clone()).collect();
    let tints = theme.tints.iter().map(|t| t.name.as_str()).collect();
    let index = Index::learn(&files, shop.currency, &languages, tints, &pictures);
    let catalogue = build(&files, &index, version(&files, &sources));
    Some(Menu { catalogue, pictures })
}

fn tell_folder(report: &Report, what: String, cure: &str) {
    report.problem(|| Problem { file: "menu".to_owned(), line: None, what, cure: cure.to_owned() });
}

/// The files of `menu/` in the order of their names. Sizes are looked at before any is read.
fn read_files(dir: &Path, limits: &Limits, report: &Report) -> Option<Vec<Source>> {
    let entries = match std::fs::read_dir(dir.join("menu")) {
        Ok(entries) => entries,
        Err(error) => {
            tell_folder(report, format!("the folder cannot be read: {error}."), "Put the menu's TOML files into a folder menu.");
            return None;
        }
    };
    let mut names = Vec::new();
    let mut bytes = 0u64;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if !name.ends_with(".toml") {
            report.warning(|| Problem {
                file: format!("menu/{}", shown(&name)),
                line: None,
                what: "the file is not read, because its name does not end in .toml.".to_owned(),
                cure: "Rename it, or move it out of the folder.".to_owned(),
            });
            continue;
        }
        bytes = bytes.saturating_add(entry.path().metadata().map_or(0, |m| m.len()).min(limits.file_bytes));
        names.push(format!("menu/{name}"));
        if names.len() > limits.menu_files || bytes > limits.menu_bytes {
            let what = format!("there are more than {} files or {} bytes.", limits.menu_files, limits.menu_bytes);
            tell_folder(report, what, "Take out what is not the menu.");
            return None;
        }
    }
    if names.is_empty() {
        tell_folder(report, "the folder holds no menu.".to_owned(), "Put at least one file with [[article]] entries there.");
        return None;
    }
    names.sort_unstable();
    Some(names.iter().filter_map(|name| Source::read(dir, name, limits, report)).collect())
}

/// One file's top level, taken apart once so that each malformed entry is told once.
pub(crate) struct MenuFile<'a> {
    root: Fields<'a>,
    defaults: Option<Fields<'a>>,
    pub(crate) taxes: Vec<Fields<'a>>,
    pub(crate) categories: Vec<Fields<'a>>,
    pub(crate) groups: Vec<Fields<'a>>,
    /// Articles and combos as they stand in the file; true for a combo.
    pub(crate) articles: Vec<(Fields<'a>, bool)>,
}

impl<'a> MenuFile<'a> {
    fn open(scope: Scope<'a>, table: &'a DeTable<'a>) -> Self {
        let limits = scope.limits;
        let root = Fields::root(scope, table);
        root.only(&["version", "currency", "defaults", "tax", "category", "group", "article", "combo"]);
        // One more than the limit, so that the sum over all files shows that it is passed.
        let most = limits.articles.saturating_add(1);
        let plain = root.tables("article", most, "article").map(|f| (f, false));
        let combos = root.tables("combo", most, "combo").map(|f| (f, true));
        let mut articles: Vec<_> = plain.chain(combos).collect();
        articles.sort_by_key(|(fields, _)| fields.at);
        Self {
            defaults: root.get("defaults").and_then(|v| Fields::of(scope, Owner { kind: "the section [defaults]", name: "" }, v)),
            taxes: root.tables("tax", limits.entries, "tax").collect(),
            categories: root.tables("category", limits.categories, "category").collect(),
            groups: root.tables("group", limits.groups, "group").collect(),
            articles,
            root,
        }
    }
}

fn build<'a>(files: &[MenuFile<'a>], index: &Index<'a>, version: String) -> Catalogue {
    let mut catalogue = Catalogue {
        version,
        currency: index.currency,
        languages: index.languages.to_vec(),
        taxes: Vec::new(),
        categories: Vec::new(),
        articles: Vec::new(),
        groups: Vec::new(),
    };
    for file in files {
        check_currency(&file.root, index.currency);
        catalogue.taxes.extend(file.taxes.iter().map(|fields| read_tax(fields, index)));
        catalogue.categories.extend(file.categories.iter().map(|f| read_category(f, index)));
        catalogue.groups.extend(file.groups.iter().map(|f| read_group(f, index)));
    }
    check_counts(files, &catalogue);
    let mut homes = Vec::new();
    for file in files {
        let reader = ArticleReader::new(index, file.defaults);
        for (fields, combo) in &file.articles {
            let (article, home) = reader.read(fields, *combo);
            catalogue.articles.push(article);
            homes.push(home);
        }
    }
    fill_categories(files, index, &homes, &mut catalogue);
    warn_unused_groups(files, &catalogue);
    check_again(files, &catalogue);
    catalogue
}

/// The core's own check is the second net: what it finds here is a gap in this crate, told without a line.
fn check_again(files: &[MenuFile<'_>], catalogue: &Catalogue) {
    let Some(report) = files.first().map(|f| f.root.scope.report).filter(|r| !r.has_problems()) else { return };
    for problem in catalogue.check().err().unwrap_or_default() {
        tell_folder(report, format!("{problem}."), "Look for the name in the menu's files.");
    }
}

fn check_currency(root: &Fields<'_>, currency: Currency) {
    let Some(spot) = root.opt_str("currency", "\"EUR\"") else { return };
    if let Some(found) = read_currency(root, spot).filter(|c| *c != currency) {
        let what = format!("the file's prices are in {}, but the shop sells in {}.", found.letters(), currency.letters());
        root.scope.problem(spot.at, what, "Convert the prices, or set the currency in shop.toml.");
    }
}

/// `of = ["gst", "qst"]` names taxes that are levied side by side on the same goods; all others have a rate.
fn read_tax<'a>(fields: &Fields<'a>, index: &Index<'a>) -> Tax {
    let code = fields.key("code", "\"food\"").map_or("", |s| s.text);
    let fields = fields.named("tax", code);
    if fields.get("of").is_some() {
        return side_by_side(&fields, index);
    }
    fields.only(&["code", "rate", "included", "rounding", "of"]);
    // A percentage with four digits after the point is a whole number of millionths.
    let percent = Currency { code: *b"XXX", exponent: 4 };
    let rate = minor(&fields, "rate", percent, 1_000_000, "\"7\"");
    if fields.get("included").is_none() {
        fields.missing("included", "true where prices contain the tax, false where it is added");
    }
    Tax {
        code: code.to_owned(),
        rate_ppm: u32::try_from(rate.0).unwrap_or(0),
        included: fields.bool("included", true),
        rounding: tax_rounding(&fields),
        parts: Vec::new(),
    }
}

fn side_by_side<'a>(fields: &Fields<'a>, index: &Index<'a>) -> Tax {
    fields.only(&["code", "of"]);
    let most = fields.scope.limits.entries;
    let named: Vec<_> = fields.strings("of", most, "[\"gst\", \"qst\"]").collect();
    let parts = named.iter().filter_map(|spot| index.tax(fields, *spot)).collect();
    let code = named.iter().map(|spot| spot.text).collect::<Vec<_>>().join("+");
    Tax { code, parts, ..Tax::default() }
}

fn tax_rounding(fields: &Fields<'_>) -> TaxRounding {
    let Some(spot) = fields.opt_str("rounding", "\"order\"") else { return TaxRounding::Order };
    match spot.text {
        "order" => TaxRounding::Order,
        "line" => TaxRounding::Line,
        "piece" => TaxRounding::Piece,
        other => {
            let what = format!("\"rounding\" of {} is \"{}\".", fields.owner, shown(other));
            let cure = "Write \"order\" (once on the sum of the code), \"line\" or \"piece\", as the law of the place says.";
            fields.scope.problem(spot.at, what, cure);
            TaxRounding::Order
        }
    }
}

fn read_category<'a>(fields: &Fields<'a>, index: &Index<'a>) -> Category {
    let key = fields.key("key", "\"burgers\"").map_or("", |s| s.text);
    let fields = fields.named("category", key);
    fields.only(&["key", "name", "picture", "highlights"]);
    let name = fields.text("name", index.languages, fields.scope.limits.name_bytes, "{ en = \"Burgers\" }");
    Category { key: key.to_owned(), name, picture: index.picture(&fields), articles: Vec::new() }
}

fn check_counts(files: &[MenuFile<'_>], catalogue: &Catalogue) {
    let Some(scope) = files.first().map(|f| f.root.scope) else { return };
    let limits = scope.limits;
    for (count, most, what) in [
        (catalogue.taxes.len(), limits.entries, "taxes"),
        (catalogue.categories.len(), limits.categories, "categories"),
        (catalogue.groups.len(), limits.groups, "modifier groups"),
    ] {
        if count > most {
            tell_folder(scope.report, format!("the menu has {count} {what}; {most} are possible."), "Take some out.");
        }
    }
    if catalogue.articles.is_empty() && files.iter().all(|f| f.articles.is_empty()) {
        tell_folder(scope.report, "the menu has no article.".to_owned(), "Add at least one [[article]].");
    }
}

/// Highlights first, in their order, then the articles that name the category, in the order of the files.
fn fill_categories<'a>(files: &[MenuFile<'a>], index: &Index<'a>, homes: &[Option<CategoryId>], catalogue: &mut Catalogue) {
    let tables = files.iter().flat_map(|f| &f.categories);
    for (fields, category) in tables.clone().zip(&mut catalogue.categories) {
        let fields = fields.named("category", fields.get("key").and_then(|v| v.get_ref().as_str()).unwrap_or(""));
        for spot in fields.strings("highlights", fields.scope.limits.entries, "[\"flat-white\"]") {
            let id = match index.sku(&fields, spot) {
                Some(Sku::Article { at, .. } | Sku::Combo { at } | Sku::Variant { of: at, .. }) => Some(at),
                Some(Sku::Choice { .. }) => {
                    let what =
                        format!("{} highlights \"{}\", which is no article but a modifier.", fields.owner, shown(spot.text));
                    fields.scope.problem(spot.at, what, "Name an article or a combo.");
                    None
                }
                None => None,
            };
            category.articles.extend(id.filter(|id| !category.articles.contains(id)));
        }
    }
    let mut seen: Vec<HashSet<ArticleId>> = catalogue.categories.iter().map(|c| c.articles.iter().copied().collect()).collect();
    for (home, at) in homes.iter().zip(0u32..) {
        let Some(home) = home.map(|h| h.0 as usize) else { continue };
        if let (Some(category), Some(seen)) = (catalogue.categories.get_mut(home), seen.get_mut(home))
            && seen.insert(ArticleId(at))
        {
            category.articles.push(ArticleId(at));
        }
    }
    for (fields, category) in tables.zip(&catalogue.categories) {
        if category.articles.is_empty() {
            let what = format!("category {} has no article.", category.key);
            fields.scope.warning(fields.at, what, "Give it some, or take it out: guests would see an empty page.");
        }
    }
}

fn warn_unused_groups(files: &[MenuFile<'_>], catalogue: &Catalogue) {
    let used: HashSet<GroupId> = catalogue.articles.iter().flat_map(|a| a.groups.iter().copied()).collect();
    for (fields, at) in files.iter().flat_map(|f| &f.groups).zip(0u32..) {
        if !used.contains(&GroupId(at)) {
            let key = catalogue.groups.get(at as usize).map_or("", |g| g.key.as_str());
            fields.scope.warning(
                fields.at,
                format!("no article asks the modifier group {key}."),
                "Name it in an article's groups, or take it out.",
            );
        }
    }
}

/// The menu's own `version`, else one made of its bytes.
fn version(files: &[MenuFile<'_>], sources: &[Source]) -> String {
    let mut found: Option<Spot<'_>> = None;
    for file in files {
        let Some(spot) = file.root.opt_str("version", "\"2026-11\"") else { continue };
        let text = file.root.key("version", "\"2026-11\"");
        if found.is_some() && text.is_some() {
            file.root.scope.problem(spot.at, "the menu's version is given a second time.".to_owned(), "Keep it in one file.");
        }
        found = found.or(text);
    }
    found.map_or_else(|| format!("files-{:016x}", digest(sources)), |s| s.text.to_owned())
}

/// FNV-1a over eight bytes at a time: tells versions apart, and is no signature.
fn digest(sources: &[Source]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |bytes: &[u8]| {
        for chunk in bytes.chunks(8) {
            let mut word = [0u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x0100_0000_01b3).rotate_left(29);
        }
        hash ^= bytes.len() as u64;
    };
    for source in sources {
        take(source.name.as_bytes());
        take(source.text.as_bytes());
    }
    hash
}
