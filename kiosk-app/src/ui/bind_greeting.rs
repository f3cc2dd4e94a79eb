// SPDX-License-Identifier: GPL-3.0-only
//! `GreetingState`.

use super::{
    App, Send,
    pictures::{Pictures, Sizes},
    rows,
    slint_app::GreetingState,
    view_model::GreetingView,
};
use kiosk_core::Intent;
use slint::{ComponentHandle as _, Image, SharedString, VecModel};
use std::rc::Rc;

pub(super) struct GreetingBinding {
    lines: Rc<VecModel<SharedString>>,
    pictures: Rc<VecModel<Image>>,
}

impl GreetingBinding {
    pub(super) fn new(app: &App, send: &Send) -> Self {
        let binding = Self { lines: Rc::default(), pictures: Rc::default() };
        let state = app.global::<GreetingState<'_>>();
        state.set_usual_lines(binding.lines.clone().into());
        state.set_usual_pictures(binding.pictures.clone().into());
        let to = send.clone();
        state.on_order_usual(move || to(Intent::OrderUsual));
        let to = send.clone();
        state.on_see_menu(move || to(Intent::SeeMenu));
        binding
    }

    pub(super) fn apply(&self, app: &App, view: &GreetingView, pictures: &Pictures, sizes: Sizes) {
        let state = app.global::<GreetingState<'_>>();
        state.set_name(view.name.as_str().into());
        state.set_identifying(view.identifying);
        state.set_returning(view.returning);
        state.set_usual_title(view.usual_title.as_str().into());
        state.set_usual_because(view.usual_because.as_str().into());
        state.set_has_usual(!view.usual_price.is_empty());
        state.set_usual_price(view.usual_price.as_str().into());
        state.set_has_points(view.points.is_some());
        state.set_points(super::bind_done::points(view.points));
        state.set_as_of(view.as_of.as_str().into());
        state.set_visits(view.visits.as_str().into());
        rows::sync(&self.lines, view.usual_lines.iter().map(SharedString::from));
        rows::sync(&self.pictures, view.usual_pictures.iter().map(|key| pictures.get(key, sizes.usual)));
    }
}
