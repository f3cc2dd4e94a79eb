// SPDX-License-Identifier: GPL-3.0-only
//! What the screens show, as plain values.
//!
//! Pure: a [`Scene`] in, a [`ViewModel`] out. Nothing here knows Slint, reads a clock or a file. Pictures are named by
//! their keys; sentences without values are named by their case and worded in the `.slint` files.

pub mod closed;
pub mod desk;
mod item;
mod menu;
mod order;
pub mod page;
mod pay;
pub mod setup;
mod team;

pub use item::{Ask, Asking, ItemView, OptionView, QuestionView};
pub use menu::{ArticleView, MenuView, TabView};
pub use order::{BasketView, LineView};
pub use pay::{DoneView, GiftSheet, PayStep, PayView};

use crate::ui::words::{self, LocalTime, Tongue};
use kiosk_content::Shop;
use kiosk_core::{
    ArticleId, Catalogue, Lang, Minor, Now, Question, Service, Snapshot, Stage,
    consent::Use,
    device::{Ambient, Consent, DeviceKind, Health},
    event::Problem,
    instalment::Quote,
    session::{Overlay, TipOffer},
};

/// The most pictures of the usual that are shown.
const USUAL_PICTURES: usize = 4;
/// The most lines of the usual that are named.
const USUAL_LINES: usize = 3;
/// How many articles are offered in place of one that is sold out.
const ALTERNATIVES: usize = 3;

/// Everything the screens are made from.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Where the visit stands.
    pub snapshot: &'a Snapshot,
    /// What the ids in the snapshot refer to.
    pub catalogue: &'a Catalogue,
    /// Names, languages, attract texts.
    pub shop: &'a Shop,
    /// What is fitted, and where.
    pub board: BoardFacts,
    /// The time, for greetings, ages and countdowns.
    pub now: Now,
    /// How long 'still there?' waits, in milliseconds: the full length of its line.
    pub still_there_ms: u64,
}

/// What the screens know of the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardFacts {
    /// Where the guest finds the payment terminal, `None` where none is fitted.
    pub terminal: Option<Side>,
    /// A receipt printer is fitted.
    pub printer: bool,
    /// A guest-card reader is fitted.
    pub reader: bool,
    /// A scanner of codes is fitted.
    pub scanner: bool,
    /// Pixels an inch of the display.
    pub dpi: u32,
    /// The screen grows darker with its surroundings.
    pub dims: bool,
}

/// Where a device is, seen by the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Side {
    #[default]
    Right,
    Left,
    Below,
}

/// Which view fills the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum View {
    #[default]
    Attract,
    Greeting,
    Menu,
    Item,
    Basket,
    Checkout,
    Pay,
    Done,
}

/// Everything the screens show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ViewModel {
    /// Around every view.
    pub chrome: ChromeView,
    /// Waiting for somebody.
    pub attract: AttractView,
    /// Somebody was recognised.
    pub greeting: GreetingView,
    /// Tabs and cards.
    pub menu: MenuView,
    /// The open article; the last one after it was closed.
    pub item: ItemView,
    /// The order.
    pub basket: BasketView,
    /// Which ways to pay there are.
    pub checkout: CheckoutView,
    /// A gift card that is looked at.
    pub gift: GiftSheet,
    /// While money moves.
    pub pay: PayView,
    /// It is ordered.
    pub done: DoneView,
    /// What is kept of the guest.
    pub privacy: PrivacyView,
    /// What lies over the view.
    pub overlay: OverlayView,
}

/// Around every view.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChromeView {
    /// Which view fills the screen.
    pub view: View,
    /// The languages by their own names, and which one is spoken.
    pub languages: Vec<(String, bool)>,
    /// Index of the language after the current one.
    pub next_language: u8,
    /// The language of texts made elsewhere.
    pub tag: &'static str,
    /// Large text, strong contrast.
    pub easy_access: bool,
    /// The guest is known, so that staying anonymous is a choice.
    pub known: bool,
    /// 'Saturday, 10:31'.
    pub clock: String,
    /// The way to the backend is lost.
    pub offline: bool,
    /// Cards are not taken here just now; the counter takes them. Said while the order is still being made.
    pub counter_only: bool,
    /// How much of its light the screen keeps back, in percent.
    pub dim: u8,
}

/// Waiting for somebody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttractView {
    /// 'Good morning.'
    pub title: String,
    /// One sentence under it.
    pub line: String,
    /// Picture key.
    pub hero: String,
    /// A guest card can be read.
    pub cards: bool,
    /// Orders are taken.
    pub open: bool,
    /// What the shop's own people should look into, empty for nothing.
    pub team: String,
    /// Title and line tell what became of a payment.
    pub told: bool,
}

/// Somebody was recognised.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GreetingView {
    /// Name to be greeted by, may be empty.
    pub name: String,
    /// A look-up runs.
    pub identifying: bool,
    /// Has been here before.
    pub returning: bool,
    /// 'Your usual'.
    pub usual_title: String,
    /// 'You often take this on Mondays'; empty where the guest's own history did not choose it.
    pub usual_because: String,
    /// Names of the usual.
    pub usual_lines: Vec<String>,
    /// Picture keys of the usual.
    pub usual_pictures: Vec<String>,
    /// Price of the usual; empty where there is none.
    pub usual_price: String,
    /// Points, `None` where there are none to be shown.
    pub points: Option<i64>,
    /// 'as of 10:02', empty where it was just asked.
    pub as_of: String,
    /// '23 visits so far'.
    pub visits: String,
}

/// Which ways to pay there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckoutView {
    /// The terminal is fitted and works.
    pub card: bool,
    /// The counter takes money.
    pub counter: bool,
    /// Gift cards are taken.
    pub gift: bool,
    /// Tips beside 'no tip': '10 %' and what it comes to (empty where the amount is all there is), and whether it is chosen.
    pub tips: Vec<(String, String, bool)>,
    /// 'No tip' is chosen.
    pub no_tip: bool,
    /// In how many parts it may be paid, and in how many the guest wants to.
    pub parts_max: u8,
    /// The guest's choice.
    pub parts: u8,
    /// '12 × €50.20', the total, the annual percentage rate.
    pub plans: Vec<(String, String, String)>,
}

/// What is kept of the guest, and what they decide about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrivacyView {
    /// What they are asked.
    pub asked: Option<Question>,
    /// What they have agreed to.
    pub level: Consent,
    /// Their card is proven, so that it may decide.
    pub may_change: bool,
    /// What they avoid is kept.
    pub dietary_kept: bool,
}

/// What lies over the view.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OverlayView {
    /// Which.
    pub over: Option<Over>,
    /// Whole seconds until the basket is wiped.
    pub seconds: u32,
    /// How much of the time is left, 0 to 1.
    pub left: f32,
    /// The order is paid, so that starting over loses nothing.
    pub paid: bool,
    /// What is offered in place of something sold out: article and name.
    pub alternatives: Vec<(ArticleId, String)>,
}

/// The kinds of overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Over {
    StillThere,
    Service,
    PersonCalled,
    Problem(Problem),
    StartOver,
    Why,
    Privacy,
    Ask,
    ConfirmForget,
    Forgotten,
    Gift,
}

impl Scene<'_> {
    /// The page over everything, for the shop's own people. `ask` is what the screen itself asks over it.
    pub fn page(&self, ask: Option<&desk::Ask>) -> Option<page::PageView> {
        if let Some(asks) = self.snapshot.asks_time {
            return Some(team::time_page(self, asks));
        }
        let desk = self.snapshot.desk.as_deref().map(|shown| desk::page(self, shown, ask));
        desk.or_else(|| closed::page(self))
    }

    /// Everything the screens show.
    pub fn view_model(&self) -> ViewModel {
        ViewModel {
            chrome: self.chrome(),
            attract: self.attract(),
            greeting: self.greeting(),
            menu: menu::view(self),
            item: item::view(self),
            basket: order::view(self),
            checkout: self.checkout(),
            gift: pay::gift(self),
            pay: pay::view(self),
            done: pay::done(self),
            privacy: self.privacy(),
            overlay: self.overlay(),
        }
    }

    fn checkout(&self) -> CheckoutView {
        let s = self.snapshot;
        let tip = |(at, offer): (u8, &TipOffer)| {
            let (amount, chosen) = (self.money(offer.amount), s.tip == Some(Some(at)));
            match offer.share_ppm {
                Some(ppm) => (words::percent(ppm, self.tongue()), amount, chosen),
                None => (amount, String::new(), chosen),
            }
        };
        let plan = |quote: &Quote| {
            let each = words::times(u32::from(quote.months), &self.money(quote.instalment));
            // To one decimal, as the directive on consumer credit asks for at least.
            let rate = (quote.apr_ppm + 500) / 1_000 * 1_000;
            (each, self.money(quote.total), words::percent(rate, self.tongue()))
        };
        CheckoutView {
            card: self.works(DeviceKind::Terminal),
            counter: s.pay_at_counter,
            gift: s.gift,
            tips: (0..).zip(&s.tips).map(tip).collect(),
            no_tip: s.tip == Some(None),
            parts_max: s.parts_max,
            parts: s.parts,
            plans: s.instalments.iter().map(plan).collect(),
        }
    }

    /// The language the guest is spoken to in.
    pub(crate) fn lang(&self) -> Lang {
        self.snapshot.lang
    }

    /// The language of texts made from values.
    pub(crate) fn tongue(&self) -> Tongue {
        let tag = self.catalogue.languages.get(usize::from(self.snapshot.lang.0));
        Tongue::of(tag.map_or("", String::as_str))
    }

    /// The service prices are shown for.
    pub(crate) fn service(&self) -> Service {
        self.snapshot.service.unwrap_or_default()
    }

    /// An amount as the guest reads it.
    pub(crate) fn money(&self, amount: Minor) -> String {
        words::money(amount, self.catalogue.currency, self.tongue())
    }

    /// A surcharge as the guest reads it.
    pub(crate) fn surcharge(&self, amount: Minor) -> String {
        words::surcharge(amount, self.catalogue.currency, self.tongue())
    }

    /// True where the device is fitted and not known to be unable.
    pub(crate) fn works(&self, kind: DeviceKind) -> bool {
        let fitted = match kind {
            DeviceKind::Terminal => self.board.terminal.is_some(),
            DeviceKind::Printer => self.board.printer,
            DeviceKind::Reader => self.board.reader,
            DeviceKind::Scanner => self.board.scanner,
            DeviceKind::Peripherals | DeviceKind::Backend | DeviceKind::Disk | DeviceKind::Clock => true,
        };
        let down = |(device, health): &(DeviceKind, Health)| *device == kind && matches!(health, Health::Blocked | Health::Lost);
        fitted && !self.snapshot.devices.iter().any(down)
    }

    /// Picture key and tint of the article with this SKU.
    pub(crate) fn picture_of(&self, sku: &str) -> (String, u8) {
        let article = self.catalogue.find(sku).and_then(|(id, _)| self.catalogue.article(id));
        article.map_or_else(Default::default, |article| (article.picture.clone(), article.tint))
    }

    fn chrome(&self) -> ChromeView {
        let s = self.snapshot;
        let current = usize::from(s.lang.0);
        let names = self.shop.languages.iter().map(|language| language.name.clone());
        let languages: Vec<_> = names.enumerate().map(|(at, name)| (name, at == current)).collect();
        ChromeView {
            view: view(s.stage),
            next_language: u8::try_from((current + 1) % languages.len().max(1)).unwrap_or(0),
            languages,
            tag: self.tongue().tag(),
            easy_access: s.easy_access,
            known: s.guest.is_some() || s.identifying,
            clock: words::weekday_clock(LocalTime::of(&self.now), self.tongue()),
            offline: !self.works(DeviceKind::Backend),
            counter_only: self.counter_only(),
            dim: if self.board.dims { dim(s.ambient) } else { 0 },
        }
    }

    fn counter_only(&self) -> bool {
        let choosing = matches!(self.snapshot.stage, Stage::Browse | Stage::Item | Stage::Basket);
        let resting = self.board.terminal.is_some() && !self.works(DeviceKind::Terminal);
        choosing && resting && self.snapshot.pay_at_counter
    }

    fn attract(&self) -> AttractView {
        // With no clock, the middle of the day is the least wrong.
        let minute = LocalTime::of(&self.now).map_or(12 * 60, |time| time.minute);
        let said = self.shop.attract_at(minute);
        let lang = self.lang();
        // Who paid just before a restart reads first what became of it.
        let recovered = self.snapshot.recovered.as_ref();
        let told = recovered.map(|told| words::recovered(told.state, &told.number, &self.money(told.amount), self.tongue()));
        let (title, line) = match told {
            Some((title, line)) => (title.to_owned(), line),
            None => (
                said.map(|a| a.title.get(lang).to_owned()).unwrap_or_default(),
                said.map(|a| a.text.get(lang).to_owned()).unwrap_or_default(),
            ),
        };
        AttractView {
            title,
            line,
            told: recovered.is_some(),
            hero: said.map(|a| a.picture.clone()).unwrap_or_default(),
            cards: self.works(DeviceKind::Reader),
            open: self.works(DeviceKind::Disk)
                && self.works(DeviceKind::Clock)
                && self.snapshot.overlay != Some(Overlay::Problem(Problem::CannotRecord)),
            team: team::sign(self),
        }
    }

    fn greeting(&self) -> GreetingView {
        let s = self.snapshot;
        let tongue = self.tongue();
        let guest = s.guest.as_ref();
        let now = LocalTime::of(&self.now);
        let known = guest.and_then(|g| g.as_of_ms).map(|ms| LocalTime::at(ms, self.now.offset_min));
        let usual = s.usual.as_ref();
        let pictures = usual.into_iter().flat_map(|u| u.tops()).map(|line| self.picture_of(&line.sku).0);
        GreetingView {
            name: guest.map(|g| g.display_name.clone()).unwrap_or_default(),
            identifying: s.identifying,
            returning: guest.is_some_and(|g| g.visits_before > 0 || !g.usual.is_empty()),
            usual_title: words::usual(tongue).to_owned(),
            usual_because: guest
                .and_then(|g| g.usual_because)
                .zip(now)
                .filter(|_| usual.is_some())
                .map(|(because, now)| words::usual_because(because, now, tongue).to_owned())
                .unwrap_or_default(),
            usual_lines: usual.map(|u| self.usual_lines(u)).unwrap_or_default(),
            usual_pictures: pictures.filter(|key| !key.is_empty()).take(USUAL_PICTURES).collect(),
            usual_price: usual.map(|u| self.money(u.total)).unwrap_or_default(),
            points: guest.map(|g| g.points).filter(|points| *points > 0),
            as_of: known.map(|at| words::as_of(at, now, tongue)).unwrap_or_default(),
            // Without that consent nobody has counted.
            visits: guest
                .filter(|g| g.consent.allows(Use::History) && g.visits_before > 0)
                .map(|g| words::visits(g.visits_before, tongue))
                .unwrap_or_default(),
        }
    }

    fn usual_lines(&self, usual: &kiosk_core::Priced) -> Vec<String> {
        let line = |line: &kiosk_core::PricedLine| {
            let detail = order::detail(usual, line);
            let name = words::times(u32::from(line.quantity), &line.name);
            if detail.is_empty() { name } else { format!("{name}, {}", detail.to_lowercase()) }
        };
        let mut lines: Vec<String> = usual.tops().take(USUAL_LINES).map(line).collect();
        if usual.tops().count() > USUAL_LINES {
            lines.push("…".to_owned());
        }
        lines
    }

    fn privacy(&self) -> PrivacyView {
        let s = self.snapshot;
        let guest = s.guest.as_ref();
        PrivacyView {
            asked: s.question,
            level: guest.map(|guest| guest.consent).unwrap_or_default(),
            may_change: s.may_change,
            dietary_kept: guest.is_some_and(|guest| !guest.dietary.is_empty()),
        }
    }

    fn overlay(&self) -> OverlayView {
        let s = self.snapshot;
        let mut view = OverlayView { paid: matches!(s.stage, Stage::Done | Stage::Feedback), ..OverlayView::default() };
        view.over = s.overlay.map(|overlay| match overlay {
            Overlay::StillThere { until_ms } => {
                let left = until_ms.saturating_sub(self.now.mono_ms);
                view.seconds = u32::try_from(left.div_ceil(1000)).unwrap_or(u32::MAX);
                let whole = u16::try_from(self.still_there_ms.div_ceil(1000).max(1)).unwrap_or(u16::MAX);
                let seconds = u16::try_from(view.seconds).unwrap_or(u16::MAX);
                view.left = (f32::from(seconds) / f32::from(whole)).min(1.0);
                Over::StillThere
            }
            Overlay::Service => Over::Service,
            Overlay::PersonCalled => Over::PersonCalled,
            Overlay::Problem(problem) => Over::Problem(problem),
            Overlay::ConfirmStartOver => Over::StartOver,
            Overlay::WhyThis => Over::Why,
            Overlay::Privacy => Over::Privacy,
            Overlay::Ask(_) => Over::Ask,
            Overlay::ConfirmForget => Over::ConfirmForget,
            Overlay::Forgotten => Over::Forgotten,
            Overlay::Gift => Over::Gift,
        });
        if view.over == Some(Over::Problem(Problem::SoldOut)) {
            view.alternatives = menu::alternatives(self, ALTERNATIVES);
        }
        view
    }
}

/// What would dazzle at night is read well with less light; contrast stays as it is.
fn dim(ambient: Ambient) -> u8 {
    match ambient {
        Ambient::Dark => 45,
        Ambient::Dim => 20,
        Ambient::Day => 0,
    }
}

fn view(stage: Stage) -> View {
    match stage {
        Stage::Attract => View::Attract,
        Stage::Greeting => View::Greeting,
        Stage::Browse => View::Menu,
        Stage::Item => View::Item,
        Stage::Basket => View::Basket,
        Stage::Checkout => View::Checkout,
        Stage::Paying => View::Pay,
        Stage::Done | Stage::Feedback => View::Done,
    }
}

#[cfg(test)]
mod tests;
