//! Large menus, and files too large to be read.

use super::shop_folder::{MENU, open, put, whole};
use kiosk_content::{Limits, load};
use std::fmt::Write as _;

/// `count` articles over fifty files, as an exporter would write them.
fn many(dir: &std::path::Path, count: usize) {
    let mut files = vec![String::new(); 50];
    for n in 0..count {
        let file = &mut files[n * 50 / count];
        writeln!(
            file,
            "[[article]]\nsku = \"a-{n}\"\ncategory = \"all\"\ntax = \"food\"\nname = {{ en = \"Article number {n}\" }}\n\
             description = {{ en = \"One of many, with a sentence that is about as long as such sentences are.\" }}\n\
             picture = \"bun\"\nprice = {{ eat_in = \"{}.{:02}\", takeaway = \"1.00\" }}\ngroups = [\"extras\"]\n\
             allergens = {{ contains = [\"milk\"], may_contain = [\"nuts\"], free = \"rest\" }}\nkcal = 100",
            n / 100,
            n % 100
        )
        .unwrap();
    }
    for (n, text) in files.iter().enumerate() {
        put(dir, &format!("menu/x{n:03}.toml"), text);
    }
}

#[test]
fn ten_thousand_articles_open() {
    let dir = whole();
    many(dir.path(), 10_000);
    let began = std::time::Instant::now();
    let (content, warnings) = open(dir.path()).unwrap();
    let took = began.elapsed();
    println!("10,000 articles in {took:?}");
    assert_eq!(warnings, []);
    assert_eq!(content.menu.catalogue.articles.len(), 10_002);
    let last = content.menu.catalogue.articles.iter().find(|a| a.sku == "a-9999").unwrap();
    assert_eq!(last.price.eat_in.0, 9_999);
    // Far above what it takes, so that a busy machine does not fail it; a quadratic walk would.
    assert!(took.as_secs() < 10, "{took:?}");
}

#[test]
fn ten_thousand_broken_articles_are_answered_as_fast() {
    let dir = whole();
    many(dir.path(), 10_000);
    put(dir.path(), "menu/menu.toml", MENU.replace("key = \"extras\"", "key = \"other\"").replace("groups = [\"extras\"]", ""));
    let began = std::time::Instant::now();
    let problems = open(dir.path()).unwrap_err();
    assert_eq!((problems.list.len(), problems.more), (50, 9_950));
    assert!(began.elapsed().as_secs() < 10);
}

#[test]
fn more_articles_than_possible_are_refused_as_one_problem() {
    let dir = whole();
    many(dir.path(), 200);
    let told = load(dir.path(), &Limits { articles: 100, ..Limits::default() }).unwrap_err().to_string();
    assert!(told.ends_with("menu: the menu has 202 articles; 100 are possible. Take out what is no longer sold."), "{told}");
}

#[test]
fn a_hundred_megabytes_are_refused_unread() {
    for file in ["menu/menu.toml", "shop.toml", "theme.toml"] {
        let dir = whole();
        std::fs::OpenOptions::new().write(true).open(dir.path().join(file)).unwrap().set_len(100 << 20).unwrap();
        let began = std::time::Instant::now();
        let told = open(dir.path()).unwrap_err().to_string();
        let expected = format!(
            "{file}: the file is larger than 8388608 bytes and was not read. \
             Split it into smaller files, or take out what is not menu text."
        );
        assert!(told.contains(&expected), "{told}");
        assert!(began.elapsed().as_secs() < 5);
    }
    let dir = whole();
    std::fs::OpenOptions::new().write(true).open(dir.path().join("pictures/bun.png")).unwrap().set_len(100 << 20).unwrap();
    let told = open(dir.path()).unwrap_err().to_string();
    assert!(told.contains("pictures/bun.png: the file is larger than 4194304 bytes. Make it smaller"), "{told}");
}

#[test]
fn too_many_files_and_pictures_are_refused() {
    let dir = whole();
    for n in 0..20 {
        put(dir.path(), &format!("menu/f{n}.toml"), "");
        put(dir.path(), &format!("pictures/p{n}.png"), "");
    }
    let limits = Limits { menu_files: 10, pictures: 10, ..Limits::default() };
    let told = load(dir.path(), &limits).unwrap_err().to_string();
    assert!(told.contains("menu: there are more than 10 files or 33554432 bytes. Take out what is not the menu."), "{told}");
    assert!(told.contains("pictures: there are more than 10 pictures. Take out those that no article shows."), "{told}");
}

#[test]
fn a_folder_or_a_pipe_in_place_of_a_file_is_told() {
    let dir = whole();
    std::fs::create_dir(dir.path().join("menu/sub.toml")).unwrap();
    let told = open(dir.path()).unwrap_err().to_string();
    assert_eq!(
        told,
        "menu/sub.toml: the file cannot be read: it is not a plain file. Put it there as a plain file the kiosk may read."
    );
}

#[test]
fn deep_nesting_and_endless_brackets_are_told() {
    for text in ["x = ".to_owned() + &"[".repeat(200_000), "x".to_owned() + &".x".repeat(100_000) + " = 1", "[".repeat(500_000)] {
        let dir = whole();
        put(dir.path(), "menu/deep.toml", text);
        assert!(!open(dir.path()).unwrap_err().list.is_empty());
    }
}
