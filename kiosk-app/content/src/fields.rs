//! The strict reader: typed access to the keys of one TOML table, each failure told with its line and its cure.
//!
//! Every getter tells what is wrong and returns a harmless value, so that one reading finds all problems of a file. The
//! caller looks at the report in the end.

use crate::{
    problem::{did_you_mean, shown},
    source::Scope,
};
use kiosk_core::Text;
use std::fmt;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A parsed TOML value with its place.
pub(crate) type Value<'a> = Spanned<DeValue<'a>>;

/// Parses a file and tells what is not TOML in it.
pub(crate) fn parse<'a>(scope: Scope<'a>) -> Option<DeTable<'a>> {
    told(scope, parse_text(&scope.source.text))
}

/// Parses a file's text. Only the first of TOML's own errors counts, because what follows one is guesswork.
pub(crate) fn parse_text(text: &str) -> Result<DeTable<'_>, toml::de::Error> {
    DeTable::parse(text).map(Spanned::into_inner)
}

/// The table, or `None` after telling why there is none.
pub(crate) fn told<'a>(scope: Scope<'a>, parsed: Result<DeTable<'a>, toml::de::Error>) -> Option<DeTable<'a>> {
    let error = match parsed {
        Ok(table) => return Some(table),
        Err(error) => error,
    };
    let mut at = error.span().map_or(0, |s| s.start);
    if error.message().contains("string") && scope.source.text.as_bytes().get(..at).is_some_and(|t| t.ends_with(b"\n")) {
        // A text without its closing quote ends where its line does, not where the next begins.
        at -= 1;
    }
    let what = format!("this is not TOML: {}.", error.message().trim_end_matches('.').replace('\n', ", "));
    scope.problem(at, what, "Compare the line with the ones around it: quotes, brackets and commas come in pairs.");
    None
}

/// Stands for a text that was refused, so that it is not told as missing as well. What holds it is never shown.
const REFUSED: &str = "?";

/// A text with its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot<'a> {
    pub(crate) text: &'a str,
    pub(crate) at: usize,
}

/// What a table describes, for messages: 'article harbour-burger'.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    pub(crate) kind: &'static str,
    pub(crate) name: &'a str,
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)?;
        if !self.name.is_empty() {
            write!(f, " {}", shown(self.name))?;
        }
        Ok(())
    }
}

/// One table and what it describes.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) owner: Owner<'a>,
    /// Where the table begins.
    pub(crate) at: usize,
    table: &'a DeTable<'a>,
}

impl<'a> Fields<'a> {
    /// A file's top level.
    pub(crate) fn root(scope: Scope<'a>, table: &'a DeTable<'a>) -> Self {
        Self { scope, owner: Owner { kind: "the file", name: "" }, at: 0, table }
    }

    /// A table within; told and `None` where `value` is none.
    pub(crate) fn of(scope: Scope<'a>, owner: Owner<'a>, value: &'a Value<'a>) -> Option<Self> {
        let at = value.span().start;
        if let DeValue::Table(table) = value.get_ref() {
            return Some(Self { scope, owner, at, table });
        }
        let what = format!("{owner} is {}, but belongs in a table.", kind(value.get_ref()));
        scope.problem(at, what, "Write it as { key = value } or under a heading in brackets.");
        None
    }

    /// The same table under the name that its own key gives it.
    pub(crate) fn named(mut self, kind: &'static str, name: &'a str) -> Self {
        self.owner = Owner { kind, name };
        self
    }

    /// Tells every key that is not among `known`.
    pub(crate) fn only(&self, known: &[&str]) {
        for key in self.table.keys().filter(|k| !known.contains(&k.get_ref().as_ref())) {
            let word = key.get_ref();
            let what = format!("{} does not know the key \"{}\".", self.owner, shown(word));
            let mut cure = did_you_mean(word, known.iter().copied());
            if cure.is_empty() {
                cure = format!(" Take it out; the keys are {}.", known.join(", "));
            }
            self.scope.problem(key.span().start, what, cure.trim_start());
        }
    }

    /// The value of a key as it is.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Value<'a>> {
        self.table.get(key)
    }

    /// Where a key's value stands, else where the table begins.
    pub(crate) fn at_key(&self, key: &str) -> usize {
        self.get(key).map_or(self.at, |v| v.span().start)
    }

    /// Tells that a key is missing.
    pub(crate) fn missing(&self, key: &str, example: &str) {
        self.scope.problem(self.at, format!("{} has no \"{key}\".", self.owner), format!("Add {key} = {example}."));
    }

    fn wrong_type(&self, key: &str, value: &Value<'_>, example: &str) {
        let what = format!("\"{key}\" of {} is {}.", self.owner, kind(value.get_ref()));
        self.scope.problem(value.span().start, what, format!("Write {key} = {example}."));
    }

    /// A text that may be missing.
    pub(crate) fn opt_str(&self, key: &str, example: &str) -> Option<Spot<'a>> {
        let value = self.get(key)?;
        let spot = spot(value);
        if spot.is_none() {
            self.wrong_type(key, value, example);
        }
        spot
    }

    /// A text that must be there.
    pub(crate) fn str(&self, key: &str, example: &str) -> Option<Spot<'a>> {
        if self.get(key).is_none() {
            self.missing(key, example);
        }
        self.opt_str(key, example)
    }

    /// A key or SKU that must be there: letters, digits, point, hyphen and underscore.
    pub(crate) fn key(&self, key: &str, example: &str) -> Option<Spot<'a>> {
        let spot = self.str(key, example)?;
        let longest = self.scope.limits.key_bytes;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if spot.text.is_empty() || spot.text.len() > longest || !spot.text.bytes().all(plain) {
            let what = format!("\"{key}\" of {} is \"{}\".", self.owner, shown(spot.text));
            let cure = format!("Use 1 to {longest} letters a to z, digits, points, hyphens and underscores, such as {example}.");
            self.scope.problem(spot.at, what, cure);
            return None;
        }
        Some(spot)
    }

    /// A sentence in no language in particular, such as a brand: bounded and without control characters.
    pub(crate) fn sentence(&self, key: &str, bound: usize, example: &str) -> String {
        self.str(key, example).map(|s| self.checked(key, s, bound)).unwrap_or_default()
    }

    /// True or false, `default` where it is missing.
    pub(crate) fn bool(&self, key: &str, default: bool) -> bool {
        match self.get(key).map(|v| (v, v.get_ref())) {
            None => default,
            Some((_, DeValue::Boolean(value))) => *value,
            Some((value, _)) => {
                self.wrong_type(key, value, "true");
                default
            }
        }
    }

    /// A whole number within bounds, `None` where it is missing or wrong.
    pub(crate) fn whole(&self, key: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let value = self.get(key)?;
        let number = value.get_ref().as_integer().and_then(|i| u32::from_str_radix(i.as_str(), i.radix()).ok());
        let within = number.filter(|n| range.contains(n));
        if within.is_none() {
            let what = format!("\"{key}\" of {} is no whole number from {} to {}.", self.owner, range.start(), range.end());
            self.scope.problem(
                value.span().start,
                what,
                format!("Write a number without quotes, such as {key} = {}.", range.start()),
            );
        }
        within
    }

    /// The whole numbers of a list, each within bounds; those that are not are told and left out.
    pub(crate) fn numbers(&self, key: &str, bound: usize, range: std::ops::RangeInclusive<u32>) -> Vec<u32> {
        let number = |value: &Value<'_>| {
            let number = value.get_ref().as_integer().and_then(|i| u32::from_str_radix(i.as_str(), i.radix()).ok());
            let within = number.filter(|n| range.contains(n));
            if within.is_none() {
                let what =
                    format!("\"{key}\" of {} is no list of numbers from {} to {}.", self.owner, range.start(), range.end());
                self.scope.problem(value.span().start, what, format!("Write {key} = [{}].", range.start()));
            }
            within
        };
        self.list(key, bound).iter().filter_map(number).collect()
    }

    /// The entries of a list, none where it is missing. More than `bound` are told and left out.
    pub(crate) fn list(&self, key: &str, bound: usize) -> &'a [Value<'a>] {
        let Some(value) = self.get(key) else { return &[] };
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(key, value, "[ ... ]");
            return &[];
        };
        let entries: &'a [Value<'a>] = array;
        if entries.len() > bound {
            let what = format!("\"{key}\" of {} has {} entries; {bound} are possible.", self.owner, entries.len());
            let at = entries.get(bound).map_or(value.span().start, |e| e.span().start);
            self.scope.problem(at, what, "Take some out, or split them up.");
        }
        entries.get(..bound).unwrap_or(entries)
    }

    /// The texts of a list.
    pub(crate) fn strings(&self, key: &str, bound: usize, example: &str) -> impl Iterator<Item = Spot<'a>> + use<'a, '_> {
        let this = *self;
        let (key, example) = (key.to_owned(), example.to_owned());
        self.list(&key, bound).iter().filter_map(move |value| {
            let spot = spot(value);
            if spot.is_none() {
                this.wrong_type(&key, value, &example);
            }
            spot
        })
    }

    /// The tables of a list.
    pub(crate) fn tables(&self, key: &str, bound: usize, kind: &'static str) -> impl Iterator<Item = Fields<'a>> + use<'a> {
        let scope = self.scope;
        self.list(key, bound).iter().filter_map(move |value| Fields::of(scope, Owner { kind, name: "" }, value))
    }

    /// A text in the shop's languages. The first language must be there; others that are missing are warnings.
    pub(crate) fn text(&self, key: &str, languages: &[String], bound: usize, example: &str) -> Text {
        if self.get(key).is_none() {
            self.missing(key, example);
        }
        self.opt_text(key, languages, bound, example)
    }

    /// A text in the shop's languages that may be missing altogether.
    pub(crate) fn opt_text(&self, key: &str, languages: &[String], bound: usize, example: &str) -> Text {
        let Some(value) = self.get(key) else { return Text::default() };
        let mut texts = vec![String::new(); languages.len()];
        match value.get_ref() {
            DeValue::String(_) => {
                if let (Some(slot), Some(spot)) = (texts.first_mut(), spot(value)) {
                    *slot = self.checked(key, spot, bound);
                }
            }
            DeValue::Table(table) => {
                for (tag, entry) in table {
                    self.translation(key, languages, bound, (tag, entry), &mut texts);
                }
            }
            _ => {
                self.wrong_type(key, value, example);
                return Text::default();
            }
        }
        self.tell_missing_translations(key, languages, value, &texts);
        Text(texts)
    }

    fn translation(
        &self,
        key: &str,
        languages: &[String],
        bound: usize,
        (tag, value): (&Spanned<std::borrow::Cow<'a, str>>, &'a Value<'a>),
        texts: &mut [String],
    ) {
        let tag_text = tag.get_ref().as_ref();
        let Some(slot) = languages.iter().position(|l| l == tag_text).and_then(|i| texts.get_mut(i)) else {
            let what =
                format!("\"{key}\" of {} has a text in \"{}\", which is no language of the shop.", self.owner, shown(tag_text));
            let mut cure = did_you_mean(tag_text, languages.iter().map(String::as_str));
            if cure.is_empty() {
                cure =
                    format!(" The languages in shop.toml are {}: take it out, or add the language there.", languages.join(", "));
            }
            self.scope.problem(tag.span().start, what, cure.trim_start());
            return;
        };
        match spot(value) {
            Some(spot) => *slot = self.checked(key, spot, bound),
            None => self.wrong_type(key, value, "{ en = \"...\" }"),
        }
    }

    fn tell_missing_translations(&self, key: &str, languages: &[String], value: &Value<'_>, texts: &[String]) {
        let at = value.span().start;
        for (at_lang, (tag, text)) in languages.iter().zip(texts).enumerate() {
            if !text.trim().is_empty() {
                continue;
            }
            let what = format!("\"{key}\" of {} has no text in \"{tag}\".", self.owner);
            if at_lang == 0 {
                self.scope.problem(
                    at,
                    what,
                    format!("Add {tag} = \"...\": it is the shop's first language, shown wherever another is missing."),
                );
            } else {
                self.scope.warning(
                    at,
                    what,
                    format!("Add {tag} = \"...\"; until then the text in \"{}\" is shown.", languages[0]),
                );
            }
        }
    }

    /// A text that may be shown and printed: within its bound, no control characters (a printer would obey them) and no
    /// direction overrides (they make text read as what it is not).
    pub(crate) fn checked(&self, key: &str, spot: Spot<'_>, bound: usize) -> String {
        if spot.text.len() > bound {
            let what = format!("\"{key}\" of {} is {} bytes long; {bound} are possible.", self.owner, spot.text.len());
            self.scope.problem(spot.at, what, "Shorten it.");
            return REFUSED.to_owned();
        }
        let refused = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if let Some(c) = spot.text.chars().find(|c| refused(*c)) {
            let what = format!("\"{key}\" of {} holds the invisible character U+{:04X}.", self.owner, u32::from(c));
            self.scope.problem(spot.at, what, "Type the text again on one line instead of pasting it.");
            return REFUSED.to_owned();
        }
        spot.text.trim().to_owned()
    }
}

fn spot<'a>(value: &'a Value<'a>) -> Option<Spot<'a>> {
    value.get_ref().as_str().map(|text| Spot { text, at: value.span().start })
}

/// What a value is, with its article.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text in quotes",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
