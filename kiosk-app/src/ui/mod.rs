// SPDX-License-Identifier: GPL-3.0-only
//! The screen: a snapshot comes in, a view model is made of it, the bindings set what changed. Touches go out as intents.
//! The screen is never asked for anything.

pub mod access_tree;
mod bind_attract;
mod bind_basket;
mod bind_checkout;
mod bind_chrome;
mod bind_done;
mod bind_gift;
mod bind_greeting;
mod bind_item;
mod bind_menu;
mod bind_overlay;
pub mod bind_page;
mod bind_pay;
mod bind_privacy;
mod bind_theme;
mod focus;
pub mod pictures;
mod qr;
mod rows;
#[cfg(test)]
mod translations;
pub mod view_model;
pub mod words;

/// What the Slint compiler makes of `ui/app.slint`.
#[allow(warnings, clippy::all, clippy::restriction, reason = "generated")]
pub(crate) mod slint_app {
    slint::include_modules!();
}

pub use slint_app::App;

use kiosk_core::{Intent, Now, Snapshot};
use kiosk_shell::Content;
use pictures::{Pictures, Sizes};
use slint::ComponentHandle as _;
use std::{cell::RefCell, rc::Rc, sync::Arc};
use view_model::{BoardFacts, Scene, ViewModel};

/// The most bytes that decoded pictures may take: two categories of cards and everything large, at 1080 by 1920.
const PICTURE_BYTES: usize = 48 * 1024 * 1024;

/// Where touches go.
pub type Send = Rc<dyn Fn(Intent)>;

/// One screen with everything that fills it.
pub struct Ui {
    app: App,
    content: Content,
    board: BoardFacts,
    still_there_ms: u64,
    pictures: Pictures,
    sizes: Sizes,
    shown: Option<ViewModel>,
    snapshot: Arc<Snapshot>,
    greeting: bind_greeting::GreetingBinding,
    chrome: bind_chrome::ChromeBinding,
    menu: bind_menu::MenuBinding,
    item: bind_item::ItemBinding,
    basket: bind_basket::BasketBinding,
    overlay: bind_overlay::OverlayBinding,
    privacy: bind_privacy::PrivacyBinding,
    page: bind_page::PageBinding,
    page_shown: Option<view_model::page::PageView>,
    ask: Rc<RefCell<Option<view_model::desk::Ask>>>,
    focus: focus::Focus,
}

impl std::fmt::Debug for Ui {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ui").field("view", &self.shown.as_ref().map(|v| v.chrome.view)).finish_non_exhaustive()
    }
}

impl Ui {
    /// A screen that shows the attract view until it is told otherwise. Needs a Slint platform.
    ///
    /// # Errors
    /// What the platform says where it has no window to give.
    pub fn new(content: Content, board: BoardFacts, send: Send, say: &bind_page::Say) -> Result<Self, slint::PlatformError> {
        let app = App::new()?;
        let ask: Rc<RefCell<Option<view_model::desk::Ask>>> = Rc::default();
        let say = answered(&ask, say);
        let pictures = Pictures::new(content.pictures.clone(), PICTURE_BYTES);
        bind_attract::wire(&app, &send, &say);
        bind_checkout::wire(&app, &send);
        bind_gift::wire(&app, &send);
        bind_pay::wire(&app, &send);
        bind_done::wire(&app, &send);
        let ui = Self {
            greeting: bind_greeting::GreetingBinding::new(&app, &send),
            chrome: bind_chrome::ChromeBinding::new(&app, &send),
            menu: bind_menu::MenuBinding::new(&app, &send),
            item: bind_item::ItemBinding::new(&app, &send),
            basket: bind_basket::BasketBinding::new(&app, &send),
            overlay: bind_overlay::OverlayBinding::new(&app, &send),
            privacy: bind_privacy::PrivacyBinding::new(&app, &send),
            page: bind_page::PageBinding::new(&app, &say),
            page_shown: None,
            ask,
            app,
            content,
            board,
            still_there_ms: kiosk_core::Config::default().still_there_ms,
            pictures,
            sizes: Sizes::default(),
            shown: None,
            snapshot: Arc::default(),
            focus: focus::Focus::default(),
        };
        bind_theme::apply(&ui.app, &ui.content.theme, ui.board.dpi);
        Ok(ui)
    }

    /// The window.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// How long 'still there?' waits, where the shop's config says it.
    pub fn set_still_there_ms(&mut self, ms: u64) {
        self.still_there_ms = ms;
    }

    /// Other content is in force: other ids, pictures, colours.
    pub fn set_content(&mut self, content: Content) {
        self.pictures = Pictures::new(content.pictures.clone(), PICTURE_BYTES);
        self.content = content;
        bind_theme::apply(&self.app, &self.content.theme, self.board.dpi);
        self.shown = None;
    }

    /// The content that is shown.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Other hardware, for a gallery of views.
    pub fn set_board(&mut self, board: BoardFacts) {
        self.board = board;
        bind_theme::apply(&self.app, &self.content.theme, self.board.dpi);
    }

    /// Nothing moves any more than it must.
    pub fn set_reduced_motion(&mut self, reduced: bool) {
        self.app.global::<slint_app::Theme<'_>>().set_reduced_motion(reduced);
    }

    /// What was shown last.
    pub fn view_model(&self) -> Option<&ViewModel> {
        self.shown.as_ref()
    }

    /// The visit stands elsewhere.
    pub fn show(&mut self, snapshot: Arc<Snapshot>, now: Now) {
        self.snapshot = snapshot;
        self.refresh(now);
    }

    /// A page over everything, `None` for none.
    pub fn show_page(&mut self, page: Option<view_model::page::PageView>) {
        self.page.apply(&self.app, page.as_ref());
        self.page_shown = page;
    }

    /// What the screen shows, as the shell gave it.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Time has passed, or the window has another size.
    pub fn refresh(&mut self, now: Now) {
        let scene = Scene {
            snapshot: &self.snapshot,
            catalogue: &self.content.catalogue,
            shop: &self.content.shop,
            board: self.board,
            now,
            still_there_ms: self.still_there_ms,
        };
        let next = scene.view_model();
        let page = scene.page(self.ask.borrow().as_ref());
        self.chrome.apply_first(&self.app, &next.chrome);
        let sizes = Sizes::of(&self.app);
        let fresh = self.shown.is_none() || sizes != self.sizes;
        self.sizes = sizes;
        self.set(&next, fresh);
        let view = next.chrome.view;
        self.shown = Some(next);
        if self.snapshot.desk.is_none() {
            self.ask.take();
        }
        if self.page_shown != page {
            self.page.apply(&self.app, page.as_ref());
            self.page_shown = page;
        }
        self.focus.take(&self.app, view, &self.snapshot.pad);
    }

    /// What the key pad has in focus.
    pub fn focused(&self) -> Option<&str> {
        self.focus.label()
    }

    /// Sets what differs from what is shown; everything where `fresh`.
    fn set(&mut self, next: &ViewModel, fresh: bool) {
        let Self { app, pictures, sizes, .. } = self;
        let last = self.shown.take();
        if last.as_ref().is_none_or(|last| last.chrome.view != next.chrome.view) {
            close_sheets(app);
        }
        let last = last.filter(|_| !fresh).unwrap_or_default();
        macro_rules! changed {
            ($part:ident, $set:expr) => {
                if fresh || last.$part != next.$part {
                    $set;
                }
            };
        }
        changed!(chrome, self.chrome.apply(app, &next.chrome, pictures, *sizes));
        changed!(attract, bind_attract::apply(app, &next.attract, pictures, *sizes));
        changed!(greeting, self.greeting.apply(app, &next.greeting, pictures, *sizes));
        changed!(basket, self.basket.apply(app, &next.basket, pictures, *sizes));
        changed!(menu, self.menu.apply(app, &next.menu, pictures, *sizes));
        changed!(item, self.item.apply(app, &next.item, pictures, *sizes));
        changed!(checkout, bind_checkout::apply(app, &next.checkout));
        changed!(gift, bind_gift::apply(app, &next.gift));
        changed!(pay, bind_pay::apply(app, &next.pay));
        changed!(done, bind_done::apply(app, &next.done, *sizes));
        changed!(privacy, self.privacy.apply(app, next.privacy));
        changed!(overlay, self.overlay.apply(app, &next.overlay));
    }
}

/// What is said on the pages of a running kiosk: to its desk.
pub fn said_to(handle: &kiosk_shell::ShellHandle) -> bind_page::Say {
    let handle = handle.clone();
    Rc::new(move |said| {
        if let view_model::page::Said::Desk(intent) = said {
            // What is refused is counted and logged by the shell.
            let _ = handle.desk(intent);
        }
    })
}

/// What the screen asks by itself stays here; what follows from the answer goes on. A question is over once anything is
/// said to the desk, and asking is a sign of life.
fn answered(ask: &Rc<RefCell<Option<view_model::desk::Ask>>>, say: &bind_page::Say) -> bind_page::Say {
    use kiosk_core::DeskIntent;
    use view_model::page::Said;
    let (ask, say) = (ask.clone(), say.clone());
    Rc::new(move |said| match said {
        Said::Ask(next) => {
            ask.replace(next);
            say(Said::Desk(DeskIntent::Touched));
        }
        other => {
            ask.take();
            say(other);
        }
    })
}

/// What the guest opened on the screen alone does not outlive its view: the next guest must not find it.
fn close_sheets(app: &App) {
    app.global::<slint_app::MenuState<'_>>().set_choosing_allergens(false);
    app.global::<slint_app::Chrome<'_>>().set_choosing_language(false);
}
