// SPDX-License-Identifier: GPL-3.0-only
//! `PrivacyState`.

use super::{
    App, Send,
    slint_app::{Asked, PrivacyState},
    view_model::PrivacyView,
};
use kiosk_core::{Intent, Question, device::Consent};
use slint::ComponentHandle as _;
use std::{cell::Cell, rc::Rc};

/// What the answers and the questions of the sheets are about.
pub(super) struct PrivacyBinding {
    asked: Rc<Cell<Option<Question>>>,
    level: Rc<Cell<Consent>>,
}

impl PrivacyBinding {
    pub(super) fn new(app: &App, send: &Send) -> Self {
        let binding = Self { asked: Rc::default(), level: Rc::default() };
        let state = app.global::<PrivacyState<'_>>();
        let simple = |intent: Intent| {
            let to = send.clone();
            move || to(intent.clone())
        };
        state.on_decline(simple(Intent::Decline));
        state.on_ask_why(simple(Intent::AskWhy));
        state.on_ask_privacy(simple(Intent::AskPrivacy));
        state.on_keep_less(simple(Intent::KeepLess(Consent::Service)));
        state.on_keep_nothing(simple(Intent::KeepLess(Consent::None)));
        state.on_forget_me(simple(Intent::ForgetMe));
        let to = send.clone();
        state.on_keep_dietary(move |keep| to(Intent::KeepDietary(keep)));
        let (to, asked) = (send.clone(), binding.asked.clone());
        state.on_agree(move || {
            if let Some(question) = asked.get() {
                to(Intent::Agree(question));
            }
        });
        let (to, level) = (send.clone(), binding.level.clone());
        state.on_ask_more(move || {
            if let Some(next) = level.get().next() {
                to(Intent::Ask(Question::Level(next)));
            }
        });
        binding
    }

    pub(super) fn apply(&self, app: &App, view: PrivacyView) {
        let state = app.global::<PrivacyState<'_>>();
        self.asked.set(view.asked);
        self.level.set(view.level);
        state.set_asked(match view.asked {
            None | Some(Question::Level(Consent::None | Consent::Service)) => Asked::Nothing,
            Some(Question::Join) => Asked::Join,
            Some(Question::Level(Consent::Personal)) => Asked::Personal,
            Some(Question::Level(Consent::Marketing)) => Asked::Marketing,
        });
        state.set_level(match view.level {
            Consent::None => 0,
            Consent::Service => 1,
            Consent::Personal => 2,
            Consent::Marketing => 3,
        });
        state.set_may_change(view.may_change);
        state.set_dietary_kept(view.dietary_kept);
    }
}
