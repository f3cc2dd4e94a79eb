// SPDX-License-Identifier: GPL-3.0-only
//! `Chrome` and `Icons`: what is around every view.

use super::{
    App, Send,
    pictures::{Pictures, Sizes},
    rows,
    slint_app::{Chrome, Icons, Language, Theme, View as Shown},
    view_model::{ChromeView, View},
};
use kiosk_core::{Intent, Lang};
use slint::{ComponentHandle as _, Image, VecModel};
use std::{cell::Cell, rc::Rc};

const FACES: [&str; 5] = ["face-1", "face-2", "face-3", "face-4", "face-5"];

pub(super) struct ChromeBinding {
    languages: Rc<VecModel<Language>>,
    faces: Rc<VecModel<Image>>,
    next_language: Rc<Cell<u8>>,
}

impl ChromeBinding {
    pub(super) fn new(app: &App, send: &Send) -> Self {
        let binding = Self { languages: Rc::default(), faces: Rc::default(), next_language: Rc::default() };
        let chrome = app.global::<Chrome<'_>>();
        chrome.set_languages(binding.languages.clone().into());
        app.global::<Icons<'_>>().set_faces(binding.faces.clone().into());
        let simple = |intent: Intent| {
            let send = send.clone();
            move || send(intent.clone())
        };
        chrome.on_toggle_easy_access(simple(Intent::ToggleEasyAccess));
        chrome.on_call_person(simple(Intent::CallPerson));
        chrome.on_stay_anonymous(simple(Intent::StayAnonymous));
        chrome.on_start_over(simple(Intent::StartOver));
        chrome.on_touched(simple(Intent::Touched));
        let (next, to) = (binding.next_language.clone(), send.clone());
        chrome.on_next_language(move || to(Intent::ChooseLanguage(Lang(next.get()))));
        let to = send.clone();
        chrome.on_choose_language(move |index| {
            if let Ok(index) = u8::try_from(index) {
                to(Intent::ChooseLanguage(Lang(index)));
            }
        });
        binding
    }

    /// What decides sizes and texts of everything else.
    pub(super) fn apply_first(&self, app: &App, view: &ChromeView) {
        app.global::<Theme<'_>>().set_easy(view.easy_access);
        if let Err(error) = slint::select_bundled_translation(view.tag) {
            tracing::error!(%error, language = view.tag, "the texts stay in the language before");
        }
    }

    pub(super) fn apply(&self, app: &App, view: &ChromeView, pictures: &Pictures, sizes: Sizes) {
        let chrome = app.global::<Chrome<'_>>();
        chrome.set_view(shown(view.view));
        chrome.set_easy_access(view.easy_access);
        chrome.set_known(view.known);
        chrome.set_clock(view.clock.as_str().into());
        chrome.set_offline(view.offline);
        chrome.set_counter_only(view.counter_only);
        chrome.set_dim(f32::from(view.dim) / 100.0);
        self.next_language.set(view.next_language);
        // Two languages need no menu: the bar names the other one.
        let menu = view.languages.len() > 2;
        let current = view.languages.iter().find(|(_, current)| *current);
        let next = view.languages.get(usize::from(view.next_language));
        let named = if menu { current } else { next };
        chrome.set_language_menu(menu);
        chrome.set_language_label(named.map(|(name, _)| name.as_str()).unwrap_or_default().into());
        let row = |(name, current): &(String, bool)| Language { name: name.as_str().into(), current: *current };
        rows::sync(&self.languages, view.languages.iter().map(row));
        self.icons(app, pictures, sizes);
    }

    fn icons(&self, app: &App, pictures: &Pictures, sizes: Sizes) {
        let icons = app.global::<Icons<'_>>();
        icons.set_globe(pictures.get("ui-globe", sizes.icon));
        icons.set_access(pictures.get("ui-accessibility", sizes.icon));
        icons.set_bell(pictures.get("ui-bell", sizes.icon));
        icons.set_mask(pictures.get("ui-lock", sizes.icon));
        icons.set_wave(pictures.get("ui-wave", sizes.small));
        icons.set_check(pictures.get("ui-check", sizes.small));
        icons.set_gift(pictures.get("ui-gift", sizes.small));
        icons.set_globe_large(pictures.get("ui-globe", sizes.notice));
        icons.set_bell_large(pictures.get("ui-bell", sizes.notice));
        icons.set_wave_large(pictures.get("ui-wave", sizes.notice));
        icons.set_card(pictures.get("ui-card", sizes.notice));
        icons.set_counter(pictures.get("ui-bellhop", sizes.notice));
        icons.set_warning(pictures.get("ui-warning", sizes.notice));
        icons.set_warning_small(pictures.get("ui-warning", sizes.small));
        icons.set_plate(pictures.get("ui-plate", sizes.small));
        icons.set_bag(pictures.get("ui-bag", sizes.small));
        icons.set_basket(pictures.get("ui-basket", sizes.notice));
        rows::sync(&self.faces, FACES.map(|key| pictures.get(key, sizes.face)));
    }
}

fn shown(view: View) -> Shown {
    match view {
        View::Attract => Shown::Attract,
        View::Greeting => Shown::Greeting,
        View::Menu => Shown::Menu,
        View::Item => Shown::Item,
        View::Basket => Shown::Basket,
        View::Checkout => Shown::Checkout,
        View::Pay => Shown::Pay,
        View::Done => Shown::Done,
    }
}
