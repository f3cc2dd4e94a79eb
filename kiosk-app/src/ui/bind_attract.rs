// SPDX-License-Identifier: GPL-3.0-only
//! `AttractState`.

use super::{
    App, Send,
    bind_page::Say,
    pictures::{Pictures, Sizes},
    slint_app::AttractState,
    view_model::{AttractView, page::Said},
};
use kiosk_core::{DeskIntent, Intent};
use slint::ComponentHandle as _;

pub(super) fn wire(app: &App, send: &Send, say: &Say) {
    let (send, say) = (send.clone(), say.clone());
    app.global::<AttractState<'_>>().on_begin(move || send(Intent::Begin));
    app.global::<AttractState<'_>>().on_staff(move || say(Said::Desk(DeskIntent::Open)));
}

pub(super) fn apply(app: &App, view: &AttractView, pictures: &Pictures, sizes: Sizes) {
    let state = app.global::<AttractState<'_>>();
    state.set_title(view.title.as_str().into());
    state.set_line(view.line.as_str().into());
    state.set_hero(pictures.get(&view.hero, sizes.hero));
    state.set_cards(view.cards);
    state.set_open(view.open);
    state.set_team(view.team.as_str().into());
    state.set_told(view.told);
}
