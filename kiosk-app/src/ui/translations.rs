// SPDX-License-Identifier: GPL-3.0-only
//! Every sentence of the screens is there in every language.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A sentence, and its plural where it has one.
type Source = (String, Option<String>);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Every `@tr` of the screens.
fn sentences() -> BTreeSet<Source> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root().join("ui")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "slint") {
                let text = fs::read_to_string(&path).unwrap();
                found.extend(text.split("@tr(").skip(1).map(|rest| source(rest).unwrap_or_else(|| panic!("{}", path.display()))));
            }
        }
    }
    found
}

fn source(rest: &str) -> Option<Source> {
    let (one, rest) = quoted(rest)?;
    let many = rest.trim_start().strip_prefix('|').map(|rest| quoted(rest).unwrap().0);
    Some((one, many))
}

/// A quoted string at the beginning, still escaped, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start().strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some((text[..at].to_owned(), &text[at + 1..])),
            _ => {}
        }
    }
    None
}

/// A catalogue: translations by source. One line a string is all that ours use.
fn catalogue(language: &str) -> BTreeMap<Source, Vec<String>> {
    let path = root().join(format!("../assets/translations/{language}/LC_MESSAGES/kiosk-app.po"));
    let text = fs::read_to_string(path).unwrap();
    let mut entries = BTreeMap::new();
    for block in text.split("\n\n") {
        let field = |line: &str, key: &str| line.strip_prefix(key).and_then(|rest| Some(quoted(rest)?.0));
        let find = |key: &str| block.lines().find_map(|line| field(line, key));
        let Some(one) = find("msgid ").filter(|one| !one.is_empty()) else { continue };
        let words = block.lines().filter(|line| line.starts_with("msgstr"));
        let words = words.map(|line| quoted(&line[line.find('"').unwrap()..]).unwrap().0).collect();
        assert!(entries.insert((one, find("msgid_plural ")), words).is_none(), "an entry is there twice:\n{block}");
    }
    entries
}

#[test]
fn every_sentence_is_there_in_russian_and_none_is_left_over() {
    let (sentences, catalogue) = (sentences(), catalogue("ru"));
    let missing: Vec<_> = sentences.iter().filter(|s| !catalogue.contains_key(*s)).collect();
    assert!(missing.is_empty(), "without a translation: {missing:#?}");
    let unused: Vec<_> = catalogue.keys().filter(|s| !sentences.contains(*s)).collect();
    assert!(unused.is_empty(), "translated and not used: {unused:#?}");
}

#[test]
fn every_translation_has_all_its_forms_and_all_its_values() {
    let holes = |text: &str| -> BTreeSet<String> {
        text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0.to_owned())).collect()
    };
    for ((one, many), words) in catalogue("ru") {
        assert_eq!(words.len(), if many.is_some() { 3 } else { 1 }, "{one}");
        for word in words {
            assert!(!word.is_empty(), "{one}");
            assert_eq!(holes(&word), holes(many.as_ref().unwrap_or(&one)), "{one}");
            let russian = word.chars().any(|c| matches!(c, 'а'..='я' | 'А'..='Я' | 'ё'));
            assert!(russian || holes(&word).len() == 1, "not Russian: {word}");
        }
    }
}

#[test]
fn english_needs_no_translation_of_its_own() {
    assert!(catalogue("en").keys().all(|source| sentences().contains(source)));
}
