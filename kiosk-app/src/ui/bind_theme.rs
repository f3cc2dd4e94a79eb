// SPDX-License-Identifier: GPL-3.0-only
//! `Theme`: the shop's colours and shapes, the board's resolution.

use super::{App, slint_app::Theme};
use kiosk_content::{Rgb, Theme as Shown};
use slint::{Color, ComponentHandle as _, VecModel};
use std::rc::Rc;

/// A target has at least this side.
const TARGET_MM: f32 = 14.0;
/// However coarse the display, no target is smaller.
const TARGET_PX: f32 = 80.0;

pub(super) fn apply(app: &App, shown: &Shown, dpi: u32) {
    let theme = app.global::<Theme<'_>>();
    theme.set_brand(shown.brand.as_str().into());
    theme.set_brand_background(colour(shown.background));
    theme.set_brand_surface(colour(shown.surface));
    theme.set_brand_ink(colour(shown.ink));
    theme.set_brand_muted(colour(shown.muted));
    theme.set_brand_line(colour(shown.line));
    theme.set_brand_primary(colour(shown.primary));
    theme.set_brand_on_primary(colour(shown.on_primary));
    theme.set_brand_primary_tint(colour(shown.primary_tint));
    theme.set_brand_accent(colour(shown.accent));
    theme.set_brand_accent_tint(colour(shown.accent_tint));
    let tints: Vec<Color> = shown.tints.iter().map(|tint| colour(tint.colour)).collect();
    theme.set_brand_tints(Rc::new(VecModel::from(tints)).into());
    theme.set_brand_card_radius(f32::from(shown.shape.card_radius));
    theme.set_brand_button_radius(shown.shape.button_radius.map_or(-1.0, f32::from));
    theme.set_min_target(min_target(dpi));
}

/// The side of the smallest target in pixels.
fn min_target(dpi: u32) -> f32 {
    #[allow(clippy::cast_precision_loss)]
    let dpi = dpi.min(1000) as f32;
    (TARGET_MM / 25.4 * dpi).round().max(TARGET_PX)
}

fn colour(Rgb(rgb): Rgb) -> Color {
    Color::from_argb_encoded(0xff00_0000 | rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_fourteen_millimetres_and_never_below_eighty_pixels() {
        assert!((min_target(212) - 117.0).abs() < 0.5);
        assert!((min_target(100) - 80.0).abs() < f32::EPSILON);
    }
}
