// SPDX-License-Identifier: GPL-3.0-only
//! `CheckoutState`.

use super::{App, Send, slint_app::CheckoutState, view_model::CheckoutView};
use kiosk_core::{Intent, Tender};
use slint::ComponentHandle as _;

pub(super) fn wire(app: &App, send: &Send) {
    let state = app.global::<CheckoutState<'_>>();
    let simple = |intent: Intent| {
        let to = send.clone();
        move || to(intent.clone())
    };
    state.on_pay_card(simple(Intent::Pay(Tender::Card)));
    state.on_pay_counter(simple(Intent::Pay(Tender::Cash)));
    state.on_back(simple(Intent::Back));
}

pub(super) fn apply(app: &App, view: CheckoutView) {
    let state = app.global::<CheckoutState<'_>>();
    state.set_card(view.card);
    state.set_counter(view.counter);
}
