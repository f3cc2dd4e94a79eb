//! `theme.toml`: colours and shape, refused where a guest could not read the result.

use crate::{
    Board, Limits, Rgb, Shape, Theme, Tint,
    fields::{Fields, Owner, parse},
    problem::{Report, shown},
    source::{Scope, Source},
};
use std::path::Path;

const COLOURS: [&str; 12] = [
    "background",
    "surface",
    "ink",
    "muted",
    "line",
    "primary",
    "on_primary",
    "primary_tint",
    "accent",
    "accent_tint",
    "danger",
    "danger_tint",
];

/// Contrast of text, WCAG 2.2 success criterion 1.4.3, level AA.
const TEXT: f64 = 4.5;
/// Contrast of large text and of shapes that mean something, criteria 1.4.3 and 1.4.11.
const LARGE: f64 = 3.0;

/// Reads `theme.toml` in `dir`.
pub(crate) fn read(dir: &Path, limits: &Limits, report: &Report) -> Option<Theme> {
    let source = Source::read(dir, "theme.toml", limits, report)?;
    let scope = Scope { source: &source, report, limits };
    let table = parse(scope)?;
    let root = Fields::root(scope, &table);
    root.only(&["brand", "colours", "board", "tint", "shape"]);
    let brand = root.sentence("brand", limits.name_bytes, "\"Boyd's\"");
    let colours = section(&root, "colours", "the section [colours]");
    let board = section(&root, "board", "the section [board]");
    let tints = tints(&root, limits);
    let shape = match root.get("shape") {
        Some(value) => Fields::of(scope, Owner { kind: "the section [shape]", name: "" }, value).map(|f| shape(&f)),
        None => Some(Shape { card_radius: 40, button_radius: None }),
    };
    let (colours, board, shape) = (colours?, board?, shape?);
    colours.only(&COLOURS);
    board.only(&["background", "text", "ready", "making"]);
    let theme = Theme {
        brand,
        background: colour(&colours, "background"),
        surface: colour(&colours, "surface"),
        ink: colour(&colours, "ink"),
        muted: colour(&colours, "muted"),
        line: colour(&colours, "line"),
        primary: colour(&colours, "primary"),
        on_primary: colour(&colours, "on_primary"),
        primary_tint: colour(&colours, "primary_tint"),
        accent: colour(&colours, "accent"),
        accent_tint: colour(&colours, "accent_tint"),
        danger: colour(&colours, "danger"),
        danger_tint: colour(&colours, "danger_tint"),
        tints,
        board: Board {
            background: colour(&board, "background"),
            text: colour(&board, "text"),
            ready: colour(&board, "ready"),
            making: colour(&board, "making"),
        },
        shape,
    };
    // The contrast of a colour that was not read says nothing.
    if !report.has_problems() {
        check_contrast(&theme, &colours, &board, &root);
    }
    Some(theme)
}

fn section<'a>(root: &Fields<'a>, key: &str, kind: &'static str) -> Option<Fields<'a>> {
    let value = root.get(key);
    if value.is_none() {
        root.scope.problem(0, format!("the file has no section [{key}]."), format!("Add [{key}] with its colours."));
    }
    Fields::of(root.scope, Owner { kind, name: "" }, value?)
}

fn shape(fields: &Fields<'_>) -> Shape {
    fields.only(&["card_radius", "button_radius"]);
    let radius = |key| fields.whole(key, 0..=200).and_then(|r| u16::try_from(r).ok());
    Shape { card_radius: radius("card_radius").unwrap_or(40), button_radius: radius("button_radius") }
}

fn tints(root: &Fields<'_>, limits: &Limits) -> Vec<Tint> {
    let mut tints: Vec<Tint> = Vec::new();
    for fields in root.tables("tint", limits.entries.min(200), "tint") {
        fields.only(&["name", "colour"]);
        let Some(name) = fields.key("name", "\"butter\"") else { continue };
        let fields = fields.named("tint", name.text);
        if tints.iter().any(|t| t.name == name.text) {
            let cure = "Give one of them another name.";
            fields.scope.problem(name.at, format!("the tint {} is there twice.", name.text), cure);
        }
        tints.push(Tint { name: name.text.to_owned(), colour: colour(&fields, "colour") });
    }
    if tints.is_empty() && root.get("tint").is_none() {
        root.scope.problem(
            0,
            "the theme has no tint.".to_owned(),
            "Add [[tint]] with name = \"butter\" and colour = \"#FFF0CC\".",
        );
    }
    tints
}

/// A colour written '#RRGGBB'.
fn colour(fields: &Fields<'_>, key: &str) -> Rgb {
    let Some(spot) = fields.str(key, "\"#0E5C52\"") else { return Rgb::default() };
    let digits = spot.text.strip_prefix('#').filter(|d| d.len() == 6 && d.bytes().all(|b| b.is_ascii_hexdigit()));
    match digits.and_then(|d| u32::from_str_radix(d, 16).ok()) {
        Some(value) => Rgb(value),
        None => {
            let what = format!("\"{key}\" of {} is \"{}\", which is no colour.", fields.owner, shown(spot.text));
            fields.scope.problem(spot.at, what, "Write a # and six digits 0 to F, such as \"#0E5C52\".");
            Rgb::default()
        }
    }
}

fn check_contrast(theme: &Theme, colours: &Fields<'_>, board: &Fields<'_>, root: &Fields<'_>) {
    let pairs = [
        ("ink", theme.ink, "background", theme.background, TEXT),
        ("ink", theme.ink, "surface", theme.surface, TEXT),
        ("ink", theme.ink, "primary_tint", theme.primary_tint, TEXT),
        ("ink", theme.ink, "accent_tint", theme.accent_tint, TEXT),
        ("muted", theme.muted, "background", theme.background, TEXT),
        ("muted", theme.muted, "surface", theme.surface, TEXT),
        ("on_primary", theme.on_primary, "primary", theme.primary, TEXT),
        ("primary", theme.primary, "background", theme.background, TEXT),
        ("primary", theme.primary, "surface", theme.surface, TEXT),
        ("primary", theme.primary, "primary_tint", theme.primary_tint, TEXT),
        ("accent", theme.accent, "surface", theme.surface, LARGE),
        ("danger", theme.danger, "background", theme.background, TEXT),
        ("danger", theme.danger, "surface", theme.surface, TEXT),
        ("danger", theme.danger, "danger_tint", theme.danger_tint, TEXT),
        ("ink", theme.ink, "danger_tint", theme.danger_tint, TEXT),
    ];
    for (front, f, back, b, least) in pairs {
        check_pair(colours, front, (f, b), back, least);
    }
    let on_board = theme.board.background;
    for (front, f) in [("text", theme.board.text), ("ready", theme.board.ready), ("making", theme.board.making)] {
        check_pair(board, front, (f, on_board), "background", TEXT);
    }
    for (tint, entry) in theme.tints.iter().zip(root.tables("tint", usize::MAX, "tint")) {
        for (front, f) in [("ink", theme.ink), ("muted", theme.muted)] {
            check_pair_at(&entry, "colour", (front, f), (&format!("the tint {}", tint.name), tint.colour), TEXT);
        }
    }
}

fn check_pair(fields: &Fields<'_>, front: &str, (f, b): (Rgb, Rgb), back: &str, least: f64) {
    check_pair_at(fields, front, (front, f), (back, b), least);
}

fn check_pair_at(fields: &Fields<'_>, key: &str, (front, f): (&str, Rgb), (back, b): (&str, Rgb), least: f64) {
    let ratio = contrast(f, b);
    if ratio >= least {
        return;
    }
    // Rounded down: 4.496 must not be told as 4.50, which would be enough.
    let told = (ratio * 100.0).floor() / 100.0;
    let what =
        format!("{front} {} on {back} {} has a contrast of {told:.2}; at least {least:.1} is needed to be read.", hex(f), hex(b));
    let cure = if luminance(f) > luminance(b) { "lighter, or the other darker" } else { "darker, or the other lighter" };
    fields.scope.problem(fields.at_key(key), what, format!("Make {front} {cure}."));
}

fn hex(colour: Rgb) -> String {
    format!("#{:06X}", colour.0)
}

/// Contrast ratio of WCAG 2.2, 1 to 21.
fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Relative luminance of WCAG 2.2, 0 to 1.
fn luminance(Rgb(rgb): Rgb) -> f64 {
    let channel = |shift: u32| {
        let c = f64::from((rgb >> shift) & 0xff) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((contrast(Rgb(0x00_0000), Rgb(0xff_ffff)) - 21.0).abs() < 1e-9);
        assert!((contrast(Rgb(0x77_7777), Rgb(0xff_ffff)) - 4.478).abs() < 0.001);
        assert!((contrast(Rgb(0x0e_5c52), Rgb(0x0e_5c52)) - 1.0).abs() < 1e-9);
    }
}
