//! `shop.toml`: who the shop is, its currency and languages, what it says while nobody is there and on receipts.

use crate::{
    Attract, Language, Limits, Receipt, Shop,
    amount::{currencies, currency},
    fields::{Fields, Owner, Spot, parse},
    pay,
    problem::{Report, did_you_mean, shown},
    source::{Scope, Source},
};
use kiosk_core::money::Currency;
use std::path::Path;

const DAY: u16 = 24 * 60;

/// Reads `shop.toml` in `dir`.
pub(crate) fn read(dir: &Path, limits: &Limits, report: &Report) -> Option<Shop> {
    let source = Source::read(dir, "shop.toml", limits, report)?;
    let scope = Scope { source: &source, report, limits };
    let table = parse(scope)?;
    let root = Fields::root(scope, &table);
    root.only(&["name", "tagline", "currency", "language", "attract", "receipt", "pay"]);
    let languages = languages(&root);
    let tags: Vec<String> = languages.iter().map(|l| l.tag.clone()).collect();
    let example = "{ en = \"A café by the sea\" }";
    let currency = shop_currency(&root)?;
    let shop = Shop {
        name: root.sentence("name", limits.name_bytes, "\"Boyd's\""),
        tagline: root.opt_text("tagline", &tags, limits.text_bytes, example),
        currency,
        pay: pay::read(&root, currency),
        attract: attract(&root, dir, &tags),
        receipt: receipt(&root, dir, &tags),
        languages,
    };
    // Without a language no text of the menu can be judged.
    (!shop.languages.is_empty()).then_some(shop)
}

/// Tells what is wrong with three letters of a currency.
pub(crate) fn read_currency(fields: &Fields<'_>, spot: Spot<'_>) -> Option<Currency> {
    let found = currency(spot.text);
    if found.is_none() {
        let what = format!("\"currency\" of {} is \"{}\", which ISO 4217 does not know.", fields.owner, shown(spot.text));
        let mut cure = did_you_mean(spot.text, currencies());
        if cure.is_empty() {
            cure = " Use three capital letters, such as \"EUR\".".to_owned();
        }
        fields.scope.problem(spot.at, what, cure.trim_start());
    }
    found
}

fn shop_currency(root: &Fields<'_>) -> Option<Currency> {
    let spot = root.str("currency", "\"EUR\"")?;
    read_currency(root, spot)
}

fn languages(root: &Fields<'_>) -> Vec<Language> {
    let limits = root.scope.limits;
    let mut languages: Vec<Language> = Vec::new();
    for fields in root.tables("language", limits.languages.min(255), "language") {
        fields.only(&["tag", "name"]);
        let Some(tag) = fields.key("tag", "\"en\"") else { continue };
        if languages.iter().any(|l| l.tag.eq_ignore_ascii_case(tag.text)) {
            fields.scope.problem(tag.at, format!("the language {} is there twice.", tag.text), "Take one of them out.");
        }
        let name = fields.named("language", tag.text).sentence("name", limits.name_bytes, "\"English\"");
        languages.push(Language { tag: tag.text.to_owned(), name });
    }
    if root.get("language").is_none() {
        let cure = "Add [[language]] with tag = \"en\" and name = \"English\".";
        root.scope.problem(0, "the shop has no language.".to_owned(), cure);
    }
    languages
}

fn attract(root: &Fields<'_>, dir: &Path, tags: &[String]) -> Vec<Attract> {
    let limits = root.scope.limits;
    let mut parts = Vec::new();
    for fields in root.tables("attract", limits.entries, "attract text") {
        fields.only(&["from", "until", "title", "text", "picture"]);
        let from = time(&fields, "from", "\"06:00\"");
        let until = time(&fields, "until", "\"11:00\"");
        if from == Some(DAY) {
            fields.scope.problem(fields.at_key("from"), "an attract text begins at 24:00.".to_owned(), "Write \"00:00\".");
        }
        let picture = picture(&fields, dir);
        parts.push(Attract {
            from: from.unwrap_or(0).min(DAY - 1),
            until: until.filter(|u| *u > 0).unwrap_or(DAY),
            title: fields.text("title", tags, limits.name_bytes, "{ en = \"Good morning.\" }"),
            text: fields.text("text", tags, limits.text_bytes, "{ en = \"The coffee is ready.\" }"),
            picture,
        });
    }
    let gap = (0..DAY).find(|minute| !parts.iter().any(|p| p.covers(*minute)));
    if let Some(minute) = gap {
        let what = format!("no attract text covers {:02}:{:02}.", minute / 60, minute % 60);
        let cure = "Let the [[attract]] texts cover the whole day: from = \"00:00\", until = \"24:00\" is one for all of it.";
        root.scope.problem(root.at_key("attract"), what, cure);
    }
    parts
}

/// A picture's key, which must be there. Whether the picture can be shown is found out with all the others.
fn picture(fields: &Fields<'_>, dir: &Path) -> String {
    let Some(spot) = fields.key("picture", "\"almond-croissant\"") else { return String::new() };
    if !dir.join("pictures").join(format!("{}.png", spot.text)).is_file() {
        let what = format!("{} shows the picture \"{1}\", but there is no pictures/{1}.png.", fields.owner, spot.text);
        fields.scope.problem(spot.at, what, "Put it there, or name another.");
    }
    spot.text.to_owned()
}

/// '06:00' in minutes of the day; '24:00' is the end of it.
fn time(fields: &Fields<'_>, key: &str, example: &str) -> Option<u16> {
    let spot = fields.str(key, example)?;
    let digits = |s: &str| (s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse::<u16>().ok()).flatten();
    let minutes = spot.text.split_once(':').and_then(|(h, m)| Some((digits(h)?, digits(m).filter(|m| *m < 60)?)));
    let minutes = minutes.map(|(h, m)| h * 60 + m).filter(|m| *m <= DAY);
    if minutes.is_none() {
        let what = format!("\"{key}\" of {} is \"{}\", which is no time of day.", fields.owner, shown(spot.text));
        fields.scope.problem(spot.at, what, format!("Write hours and minutes, such as {example}."));
    }
    minutes
}

fn receipt(root: &Fields<'_>, dir: &Path, tags: &[String]) -> Receipt {
    let limits = root.scope.limits;
    let Some(value) = root.get("receipt") else {
        root.missing("receipt", "the section [receipt] with header = [\"Boyd's\", \"1 Harbour Road\"]");
        return Receipt::default();
    };
    let Some(fields) = Fields::of(root.scope, Owner { kind: "the section [receipt]", name: "" }, value) else {
        return Receipt::default();
    };
    fields.only(&["header", "footer", "logo"]);
    let header = fields.strings("header", 12, "[\"Boyd's\", \"1 Harbour Road\"]");
    Receipt {
        header: header.map(|s| fields.checked("header", s, limits.name_bytes)).collect(),
        footer: fields.opt_text("footer", tags, limits.text_bytes, "{ en = \"See you soon.\" }"),
        logo: fields.get("logo").and_then(|_| logo(&fields, dir)),
    }
}

/// The picture on top of receipts: a PNG beside `shop.toml`'s pictures.
fn logo(fields: &Fields<'_>, dir: &Path) -> Option<Vec<u8>> {
    let spot = fields.key("logo", "\"receipt-logo\"")?;
    let path = dir.join("pictures").join(format!("{}.png", spot.text));
    let size = std::fs::metadata(&path).ok().map(|meta| meta.len());
    let png = size.filter(|size| *size <= fields.scope.limits.picture_bytes).and_then(|_| std::fs::read(&path).ok());
    let is_png = |bytes: &Vec<u8>| png::Decoder::new(std::io::Cursor::new(bytes)).read_info().is_ok();
    let png = png.filter(is_png);
    if png.is_none() {
        let what = format!("the receipt's logo is \"{0}\", and pictures/{0}.png is no picture that can be read.", spot.text);
        fields.scope.problem(spot.at, what, "Put a PNG there, or take the line out.");
    }
    png
}
