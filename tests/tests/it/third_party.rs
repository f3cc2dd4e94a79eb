//! Other people's code: licences, bans and sources of `deny.toml`, checked on the resolved graph without any tool.

use std::{collections::BTreeSet, path::Path, process::Command};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn rules() -> toml::Table {
    std::fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap()
}

fn words(value: &toml::Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// True where the SPDX expression can be met with what `allowed` says. 'A/B' is the old way to write 'A OR B'.
fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    either(&tokens, &mut at, allowed) && at == tokens.len()
}

fn either(tokens: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = both(tokens, at, allowed);
    while tokens.get(*at) == Some(&"OR") {
        *at += 1;
        met |= both(tokens, at, allowed);
    }
    met
}

fn both(tokens: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = one(tokens, at, allowed);
    while tokens.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(tokens, at, allowed);
    }
    met
}

fn one(tokens: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let Some(word) = tokens.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let met = either(tokens, at, allowed);
        *at += 1;
        return met;
    }
    if tokens.get(*at) == Some(&"WITH") {
        let with = format!("{word} WITH {}", tokens.get(*at + 1).unwrap_or(&""));
        *at += 2;
        return allowed(&with);
    }
    allowed(word)
}

/// What is really linked into something of ours on Linux: name and licence.
fn linked() -> BTreeSet<(String, String)> {
    tree(&["--edges", "normal,build,dev"])
}

fn tree(more: &[&str]) -> BTreeSet<(String, String)> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--prefix", "none", "--format", "{p}|{l}"])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .args(more)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter_map(|line| line.trim_end_matches(" (*)").split_once('|'));
    lines.map(|(package, licence)| (package.to_owned(), licence.to_owned())).collect()
}

#[test]
fn third_party_crates_keep_to_the_rules() {
    let rules = rules();
    let allow = words(&rules["licenses"]["allow"]);
    let exceptions = rules["licenses"]["exceptions"].as_array().unwrap();
    let bans = rules["bans"]["deny"].as_array().unwrap();

    let mut wrong = Vec::new();
    for (package, licence) in linked() {
        let name = package.split(' ').next().unwrap();
        let excepted =
            exceptions.iter().filter(|entry| entry["crate"].as_str() == Some(name)).flat_map(|entry| words(&entry["allow"]));
        let allowed: BTreeSet<String> = allow.iter().cloned().chain(excepted).collect();
        if !satisfied(&licence, &|word| allowed.contains(word)) {
            wrong.push(format!("{name}: licence '{licence}'"));
        }
        if package.contains("(git+") || package.contains("(http") {
            wrong.push(format!("{package} does not come from the registry"));
        }
        if let Some(ban) = bans.iter().find(|ban| ban["crate"].as_str() == Some(name)) {
            let wrappers = ban.get("wrappers").map(words).unwrap_or_default();
            let by =
                tree(&["--invert", name, "--depth", "1"]).into_iter().map(|(by, _)| by.split(' ').next().unwrap().to_owned());
            let direct: Vec<String> = by.filter(|by| by != name && !wrappers.contains(by)).collect();
            wrong.extend(direct.iter().map(|by| format!("{name} is banned and used by {by}: {}", ban["reason"])));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn licence_expressions_are_read_as_spdx_defines_them() {
    let allowed = |word: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&word);
    assert!(satisfied("MIT OR GPL-3.0", &allowed));
    assert!(satisfied("Apache-2.0/MIT", &allowed));
    assert!(satisfied("ISC AND (Apache-2.0 OR MIT)", &allowed));
    assert!(satisfied("Apache-2.0 WITH LLVM-exception", &allowed));
    assert!(!satisfied("MIT AND GPL-3.0", &allowed));
    assert!(!satisfied("", &allowed));
    assert!(!satisfied("Apache-2.0", &allowed));
}
