//! kiosk-content: a shop's files become the [`Catalogue`](kiosk_core::Catalogue), the [`Theme`] and the [`Shop`].
//!
//! A shop is a folder that a manager can edit:
//!
//! ```text
//! shop.toml            name, currency, languages, attract texts, receipt
//! theme.toml           colours, tints, shape
//! menu/*.toml          taxes, categories, modifier groups, articles, combos; read in the order of their names
//! pictures/<key>.png   what the files above call `picture = "<key>"`; `<key>@2x.png` is its large form
//! ```
//!
//! Reading is strict: an unknown key, a reference to nothing, an amount with too many digits, a picture that does not
//! decode are [`Problem`]s, each with its file, its line and its cure, and all of them are told at once, up to
//! [`Limits::problems`]. What a guest could live with, such as a missing translation, is a [`Warning`]. Everything is
//! bounded by [`Limits`], and the size of a file is looked at before the file is.
//!
//! This crate reads files and nothing else: no clock, no network, no writing. It never panics on what a file says.
#![forbid(unsafe_code)]

mod amount;
mod article;
mod content;
mod fields;
mod group;
mod index;
mod last_good;
mod limits;
mod menu;
mod parallel;
mod pay;
mod pictures;
mod problem;
mod shop;
mod source;
mod theme;

pub use content::{Attract, Board, Content, Language, Menu, Picture, Receipt, Rgb, Shape, Shop, Theme, Tint};
pub use last_good::{LastGood, Outcome};
pub use limits::Limits;
pub use problem::{Problem, Problems, Warning};

use problem::Report;
use std::path::Path;

/// Reads a whole shop: the content with its warnings, or all that is wrong with it.
pub fn load(dir: &Path, limits: &Limits) -> Result<(Content, Vec<Warning>), Problems> {
    let report = Report::new(limits);
    let shop = shop::read(dir, limits, &report);
    let theme = theme::read(dir, limits, &report);
    let content = shop.zip(theme).and_then(|(shop, theme)| {
        let menu = menu::read(dir, &shop, &theme, limits, &report)?;
        Some(Content { shop, theme, menu })
    });
    report.finish(content)
}

/// Reads `shop.toml` of a folder.
pub fn load_shop(dir: &Path, limits: &Limits) -> Result<(Shop, Vec<Warning>), Problems> {
    let report = Report::new(limits);
    let shop = shop::read(dir, limits, &report);
    report.finish(shop)
}

/// Reads `theme.toml` of a folder.
pub fn load_theme(dir: &Path, limits: &Limits) -> Result<(Theme, Vec<Warning>), Problems> {
    let report = Report::new(limits);
    let theme = theme::read(dir, limits, &report);
    report.finish(theme)
}

/// Reads `menu/` and `pictures/` of a folder, and of `shop.toml` and `theme.toml` what a menu refers to: currency,
/// languages and tints.
pub fn load_menu(dir: &Path, limits: &Limits) -> Result<(Menu, Vec<Warning>), Problems> {
    load(dir, limits).map(|(content, warnings)| (content.menu, warnings))
}
