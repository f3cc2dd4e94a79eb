//! A running kiosk and files that change under it.

use super::shop_folder::{MENU, png, put, whole};
use kiosk_content::{LastGood, Limits, Outcome};
use std::sync::Arc;

fn price(last: &LastGood) -> i64 {
    last.current().menu.catalogue.articles[0].price.eat_in.0
}

#[test]
fn a_bad_change_keeps_the_last_good_menu_and_is_told_once() {
    let dir = whole();
    let (mut last, warnings) = LastGood::open(dir.path(), &Limits::default()).unwrap();
    assert_eq!((price(&last), warnings.len()), (340, 0));
    let before = Arc::clone(last.current());
    assert!(matches!(last.refresh(), Outcome::Unchanged));

    put(dir.path(), "menu/menu.toml", MENU.replace("\"3.40\"", "\"-13.40\""));
    match last.refresh() {
        Outcome::Kept { problems } => assert_eq!(problems.list[0].line, Some(26)),
        other => panic!("{other:?}"),
    }
    assert!(Arc::ptr_eq(&before, last.current()));
    assert!(matches!(last.refresh(), Outcome::Unchanged));

    put(dir.path(), "menu/menu.toml", MENU.replace("\"3.40\"", "\"13.40\""));
    assert!(matches!(last.refresh(), Outcome::Replaced { warnings } if warnings.is_empty()));
    assert_eq!(price(&last), 1340);
    assert_eq!(before.menu.catalogue.articles[0].price.eat_in.0, 340);
}

#[test]
fn a_file_added_a_picture_broken_and_a_folder_gone_are_changes() {
    let dir = whole();
    let (mut last, _) = LastGood::open(dir.path(), &Limits::default()).unwrap();
    put(dir.path(), "pictures/extra.png", png(4, 4));
    assert!(matches!(last.refresh(), Outcome::Replaced { .. }));
    put(dir.path(), "pictures/extra.png", "cut");
    assert!(matches!(last.refresh(), Outcome::Kept { .. }));
    std::fs::remove_dir_all(dir.path().join("menu")).unwrap();
    assert!(matches!(last.refresh(), Outcome::Kept { .. }));
    assert_eq!(price(&last), 340);
}

#[test]
fn a_kiosk_without_a_good_menu_does_not_start() {
    let dir = whole();
    put(dir.path(), "menu/menu.toml", "nothing");
    assert!(LastGood::open(dir.path(), &Limits::default()).is_err());
}

#[test]
fn the_version_is_the_menu_s_own_or_follows_its_bytes() {
    let dir = whole();
    let version =
        |dir: &std::path::Path| LastGood::open(dir, &Limits::default()).unwrap().0.current().menu.catalogue.version.clone();
    let first = version(dir.path());
    assert!(first.starts_with("files-"));
    assert_eq!(first, version(dir.path()));
    put(dir.path(), "menu/menu.toml", MENU.replace("\"3.40\"", "\"3.50\""));
    assert_ne!(first, version(dir.path()));
    put(dir.path(), "menu/menu.toml", format!("version = \"2026-11\"\n{MENU}"));
    assert_eq!(version(dir.path()), "2026-11");
}
