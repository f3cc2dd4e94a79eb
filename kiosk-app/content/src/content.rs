//! What a shop's folder becomes: plain data, in the terms of the screens and the core.

use kiosk_core::{
    Catalogue,
    catalogue::{Lang, Text},
    config::PayConfig,
    money::Currency,
};
use std::{collections::BTreeMap, path::PathBuf};

/// A whole shop: all that its folder says.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// `shop.toml`.
    pub shop: Shop,
    /// `theme.toml`.
    pub theme: Theme,
    /// `menu/` and `pictures/`.
    pub menu: Menu,
}

/// What is sold, and the pictures of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Menu {
    /// What is sold.
    pub catalogue: Catalogue,
    /// Every picture of the folder by its key, decoded once to know that it can be. Keys beginning with `ui-` and
    /// `face-` belong to the screens, all others to the menu.
    pub pictures: BTreeMap<String, Picture>,
}

/// A picture that is known to decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The PNG file.
    pub path: PathBuf,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `<key>@2x.png`, where there is one, for where the picture is shown large.
    pub large: Option<PathBuf>,
}

/// Who the shop is and how it speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shop {
    /// Shown name, 'Boyd's'.
    pub name: String,
    /// What it is in a few words.
    pub tagline: Text,
    /// The currency of every price.
    pub currency: Currency,
    /// Languages in the order offered; the first is the fallback. The same order as in every [`Text`].
    pub languages: Vec<Language>,
    /// What the attract screen says, by time of day; never empty, and every minute of the day is covered.
    pub attract: Vec<Attract>,
    /// What every receipt says.
    pub receipt: Receipt,
    /// Ways to pay.
    pub pay: PayConfig,
}

impl Shop {
    /// What the attract screen says at `minute` of the local day, 0 to 1439; anything above counts as 1439.
    pub fn attract_at(&self, minute: u16) -> Option<&Attract> {
        let minute = minute.min(24 * 60 - 1);
        self.attract.iter().find(|a| a.covers(minute)).or(self.attract.first())
    }

    /// The index of the language with this BCP 47 tag.
    pub fn lang(&self, tag: &str) -> Option<Lang> {
        let at = self.languages.iter().position(|l| l.tag.eq_ignore_ascii_case(tag))?;
        u8::try_from(at).ok().map(Lang)
    }
}

/// A language the screens speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language {
    /// BCP 47 tag, 'en'.
    pub tag: String,
    /// Its name in itself, 'English'.
    pub name: String,
}

/// What the attract screen says during a part of the day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attract {
    /// First minute of the local day, 0 to 1439.
    pub from: u16,
    /// First minute that no longer belongs, 1 to 1440. At or before `from`, the part goes on past midnight.
    pub until: u16,
    /// 'Good morning.'
    pub title: Text,
    /// One sentence under it.
    pub text: Text,
    /// Picture key.
    pub picture: String,
}

impl Attract {
    /// True where `minute` of the local day belongs to this part.
    pub fn covers(&self, minute: u16) -> bool {
        if self.from < self.until {
            (self.from..self.until).contains(&minute)
        } else {
            minute >= self.from || minute < self.until
        }
    }
}

/// What every receipt says around its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Lines above: legal name, address, tax number.
    pub header: Vec<String>,
    /// A sentence below.
    pub footer: Text,
    /// A PNG printed above all, black on white; `None` for none.
    pub logo: Option<Vec<u8>>,
}

/// A colour, 0xRRGGBB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rgb(pub u32);

/// How the screens look. Text pairs are known to reach the contrast of WCAG 2.2 AA.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    /// The brand as it is written on screens.
    pub brand: String,
    /// Behind everything.
    pub background: Rgb,
    /// Cards and bars.
    pub surface: Rgb,
    /// Text.
    pub ink: Rgb,
    /// Quiet text.
    pub muted: Rgb,
    /// Fine lines.
    pub line: Rgb,
    /// The one primary action, and the attract screen.
    pub primary: Rgb,
    /// Text on `primary`.
    pub on_primary: Rgb,
    /// Quiet areas in the primary's family.
    pub primary_tint: Rgb,
    /// Large text and shapes only.
    pub accent: Rgb,
    /// Quiet areas in the accent's family.
    pub accent_tint: Rgb,
    /// What went wrong, as text.
    pub danger: Rgb,
    /// Areas of what went wrong.
    pub danger_tint: Rgb,
    /// Behind pictures; an article's `tint` is an index into it. Never empty.
    pub tints: Vec<Tint>,
    /// The order board.
    pub board: Board,
    /// Radii.
    pub shape: Shape,
}

/// A named colour behind pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tint {
    /// What menu files call it.
    pub name: String,
    /// The colour.
    pub colour: Rgb,
}

/// Colours of the order board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Board {
    /// Behind everything.
    pub background: Rgb,
    /// Names and numbers.
    pub text: Rgb,
    /// 'Ready, please take'.
    pub ready: Rgb,
    /// 'Being made'.
    pub making: Rgb,
}

/// Radii in pixels at 1080 wide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Corners of cards.
    pub card_radius: u16,
    /// Corners of buttons; `None` is half the button's height.
    pub button_radius: Option<u16>,
}
