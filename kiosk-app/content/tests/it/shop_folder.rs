//! A small whole shop in a temporary folder, to be broken by tests.

use kiosk_content::{Content, Limits, Problems, Warning, load};
use std::{fs, path::Path};
use tempfile::TempDir;

pub(crate) const SHOP: &str = r##"name = "Test"
currency = "EUR"
[[language]]
tag = "en"
name = "English"
[[attract]]
from = "00:00"
until = "24:00"
title = { en = "Hello" }
text = { en = "Come in." }
picture = "bun"
[receipt]
header = ["Test"]
"##;

pub(crate) const THEME: &str = r##"brand = "Test"
[colours]
background = "#FFFFFF"
surface = "#FFFFFF"
ink = "#000000"
muted = "#444444"
line = "#DDDDDD"
primary = "#003300"
on_primary = "#FFFFFF"
primary_tint = "#EEEEEE"
accent = "#AA0000"
accent_tint = "#EEEEEE"
danger = "#880000"
danger_tint = "#EEEEEE"
[board]
background = "#000000"
text = "#FFFFFF"
ready = "#EEEEEE"
making = "#DDDDDD"
[[tint]]
name = "plain"
colour = "#F0F0F0"
"##;

pub(crate) const MENU: &str = r#"[[tax]]
code = "food"
rate = "7"
included = true

[[category]]
key = "all"
name = { en = "All" }

[[group]]
key = "extras"
name = { en = "Extras" }
max = 2
[[group.choice]]
sku = "cheese"
name = { en = "Cheese" }
price = "1.20"
allergens = { contains = ["milk"], free = "rest" }

[[article]]
sku = "bun"
category = "all"
tax = "food"
name = { en = "Bun" }
picture = "bun"
price = "3.40"
groups = ["extras"]
allergens = { contains = ["gluten"], free = "rest" }

[[combo]]
sku = "deal"
category = "all"
tax = "food"
name = { en = "Deal" }
price = "5.00"
[[combo.part]]
name = { en = "Bun" }
choices = ["bun"]
"#;

/// A whole shop; nothing is wrong with it.
pub(crate) fn whole() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "shop.toml", SHOP);
    put(dir.path(), "theme.toml", THEME);
    put(dir.path(), "menu/menu.toml", MENU);
    put(dir.path(), "pictures/bun.png", png(8, 8));
    dir
}

/// Writes a file of the shop.
pub(crate) fn put(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

pub(crate) fn open(dir: &Path) -> Result<(Content, Vec<Warning>), Problems> {
    load(dir, &Limits::default())
}

/// A grey PNG.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&vec![128; (width * height) as usize]).unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn the_small_shop_is_whole() {
    let dir = whole();
    let (content, warnings) = open(dir.path()).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(content.menu.catalogue.articles.len(), 2);
    assert_eq!(content.menu.catalogue.check(), Ok(()));
}
