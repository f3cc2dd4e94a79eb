//! The rooms and the arrows between them, read from the manifests: dev- and build-dependencies and all targets included.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Which of our crates each of our crates may depend on. A crate that is not listed may not exist.
const ARROWS: &[(&str, &[&str])] = &[
    ("cem-ledger", &[]),
    ("card-auth", &[]),
    ("peripheral-icd", &[]),
    ("peripheral-icd-fuzz", &["peripheral-icd"]),
    ("cem-contract", &[]),
    ("fleet-config", &[]),
    ("xtask", &[]),
    ("kiosk-core", &["cem-ledger"]),
    ("kiosk-content", &["kiosk-core"]),
    ("kiosk-devices", &["kiosk-core", "peripheral-icd"]),
    ("peripheral-logic", &["peripheral-icd"]),
    ("edge-db", &["cem-contract"]),
    ("fleet-tuf", &["fleet-config"]),
    (
        "kiosk-shell",
        &[
            "kiosk-core",
            "cem-ledger",
            "kiosk-content",
            "kiosk-devices",
            "card-auth",
            "peripheral-icd",
            "cem-contract",
            "edge-db",
            "fleet-config",
        ],
    ),
    ("kiosk-app", &["kiosk-shell", "kiosk-core", "kiosk-content"]),
    ("nfc-sidecar", &["kiosk-devices"]),
    ("kiosk-sim", &["kiosk-core", "kiosk-devices", "card-auth", "peripheral-icd", "peripheral-logic"]),
    ("firmware", &["peripheral-icd", "peripheral-logic"]),
    ("oracles", &["kiosk-core", "kiosk-devices"]),
    ("sync-agent", &["cem-contract", "edge-db", "fleet-config", "fleet-tuf"]),
    ("fleet", &["cem-contract", "fleet-config", "fleet-tuf", "kiosk-content"]),
    ("cem-backend", &["card-auth", "cem-contract", "cem-ledger", "fleet-config", "fleet-tuf", "kiosk-content"]),
    (
        "cem-tests",
        &[
            "cem-ledger",
            "card-auth",
            "peripheral-icd",
            "cem-contract",
            "fleet-config",
            "kiosk-core",
            "kiosk-content",
            "kiosk-devices",
            "peripheral-logic",
            "edge-db",
            "fleet-tuf",
            "kiosk-shell",
            "kiosk-app",
            "nfc-sidecar",
            "kiosk-sim",
            "sync-agent",
            "fleet",
            "cem-backend",
        ],
    ),
];

/// Other people's crates that only some rooms may see, by the beginning of the name.
const RESERVED: &[(&[&str], &[&str])] = &[
    (&["slint", "i-slint"], &["kiosk-app"]),
    (&["reqwest", "hyper", "axum", "ureq", "tower"], &["sync-agent", "fleet", "cem-backend"]),
    (&["nfc1"], &["nfc-sidecar"]),
    (&["embassy", "cortex-m"], &["firmware"]),
    (&["rusqlite"], &["edge-db", "cem-backend", "cem-tests"]),
];

struct Room {
    folder: PathBuf,
    manifest: toml::Table,
}

impl Room {
    fn name(&self) -> &str {
        self.manifest["package"]["name"].as_str().unwrap()
    }

    /// Names of all dependencies: normal, dev, build, and those of any target.
    fn dependencies(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        collect(&self.manifest, &mut found);
        if let Some(targets) = self.manifest.get("target").and_then(toml::Value::as_table) {
            targets.values().filter_map(toml::Value::as_table).for_each(|target| collect(target, &mut found));
        }
        found
    }
}

fn collect(table: &toml::Table, found: &mut BTreeSet<String>) {
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (key, value) in table.get(kind).and_then(toml::Value::as_table).into_iter().flatten() {
            let name = value.get("package").and_then(toml::Value::as_str).unwrap_or(key);
            found.insert(name.to_owned());
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn rooms() -> BTreeMap<String, Room> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
                folders.push(entry.path());
            }
        }
        let Ok(text) = fs::read_to_string(folder.join("Cargo.toml")) else { continue };
        let manifest: toml::Table = text.parse().unwrap();
        if manifest.contains_key("package") {
            let room = Room { folder, manifest };
            found.insert(room.name().to_owned(), room);
        }
    }
    found
}

#[test]
fn every_arrow_between_rooms_is_allowed() {
    let rooms = rooms();
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (name, room) in &rooms {
        let Some(may) = allowed.get(name.as_str()) else {
            wrong.push(format!("{name} is not in the table of rooms"));
            continue;
        };
        let ours = room.dependencies().into_iter().filter(|dependency| rooms.contains_key(dependency));
        wrong.extend(ours.filter(|to| !may.contains(&to.as_str())).map(|to| format!("{name} must not depend on {to}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn screens_radios_networks_and_databases_are_seen_only_by_their_rooms() {
    let mut wrong = Vec::new();
    for (name, room) in rooms() {
        for dependency in room.dependencies() {
            let reserved = RESERVED.iter().filter(|(prefixes, _)| prefixes.iter().any(|prefix| dependency.starts_with(prefix)));
            wrong.extend(
                reserved
                    .filter(|(_, by)| !by.contains(&name.as_str()))
                    .map(|_| format!("{name} must not depend on {dependency}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_shipped_kiosk_can_not_contain_a_simulator() {
    let rooms = rooms();
    let mut seen = BTreeSet::new();
    let mut open = vec!["kiosk-app".to_owned(), "sync-agent".to_owned(), "cem-backend".to_owned()];
    while let Some(name) = open.pop() {
        if seen.insert(name.clone()) {
            open.extend(rooms[&name].dependencies().into_iter().filter(|dependency| rooms.contains_key(dependency)));
        }
    }
    assert!(!seen.contains("kiosk-sim"), "a shipped program reaches kiosk-sim: {seen:?}");
    let features = rooms["kiosk-app"].manifest.get("features").map(toml::Value::to_string).unwrap_or_default();
    assert!(!features.contains("sim"), "kiosk-app has a simulator feature: {features}");
}

#[test]
fn licences_are_those_that_readme_states() {
    for (name, room) in rooms() {
        let package = &room.manifest["package"];
        let own = package.get("license").and_then(toml::Value::as_str);
        let inherited = package.get("license").and_then(|licence| licence.get("workspace")).is_some();
        if name == "kiosk-app" {
            assert_eq!(own, Some("GPL-3.0-only"), "kiosk-app links Slint");
        } else {
            assert!(inherited || own == Some("MIT OR Apache-2.0"), "{name} must be MIT OR Apache-2.0");
        }
        let described = package.get("description").and_then(toml::Value::as_str).unwrap_or("");
        assert!(described.len() > 20, "{name} needs a description in its manifest");
    }
}

#[test]
fn every_room_says_what_it_is_and_inherits_the_lints() {
    for (name, room) in rooms() {
        let face = ["src/lib.rs", "src/main.rs"].iter().find_map(|file| fs::read_to_string(room.folder.join(file)).ok());
        let face = face.unwrap_or_else(|| panic!("{name} has neither src/lib.rs nor src/main.rs"));
        let doc: String =
            face.lines().skip_while(|line| line.starts_with("// SPDX")).take_while(|line| line.starts_with("//!")).collect();
        assert!(doc.len() > 80, "{name}: the crate doc must say what the crate is and what it never does");
        let lints = room.manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        // A workspace of its own has nothing to inherit from.
        let alone = room.manifest.contains_key("workspace");
        assert!(lints == Some(true) || alone, "{name} must inherit the workspace's lints");
    }
}

#[test]
fn the_top_level_is_what_it_is_agreed_to_be() {
    let agreed =
        ["Cargo.toml", "Cargo.lock", "kiosk-app", "firmware", "sync-agent", "assets", "board-configs", "tests", "README.md"];
    let also = ["LICENSE-APACHE", "LICENSE-MIT", "CHANGELOG.md", "deny.toml", "rustfmt.toml", "target"];
    for entry in fs::read_dir(root()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(
            name.starts_with('.') || agreed.contains(&name.as_str()) || also.contains(&name.as_str()),
            "{name} does not belong at the top level"
        );
    }
    for name in agreed {
        assert!(root().join(name).exists(), "{name} is missing at the top level");
    }
}
