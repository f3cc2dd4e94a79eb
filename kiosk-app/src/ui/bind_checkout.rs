// SPDX-License-Identifier: GPL-3.0-only
//! `CheckoutState`.

use super::{
    App, Send,
    slint_app::{CheckoutState, InstalmentPlan, TipChoice},
    view_model::CheckoutView,
};
use kiosk_core::{Intent, Tender};
use slint::{ComponentHandle as _, ModelRc, VecModel};

pub(super) fn wire(app: &App, send: &Send) {
    let state = app.global::<CheckoutState<'_>>();
    let simple = |intent: Intent| {
        let to = send.clone();
        move || to(intent.clone())
    };
    state.on_pay_card(simple(Intent::Pay(Tender::Card)));
    state.on_pay_gift(simple(Intent::OpenGift));
    state.on_pay_counter(simple(Intent::Pay(Tender::Cash)));
    state.on_call_person(simple(Intent::CallPerson));
    let to = send.clone();
    state.on_pay_in_parts(move |count| to(Intent::Parts(u8::try_from(count).unwrap_or(1))));
    let to = send.clone();
    state.on_tip(move |at| to(Intent::Tip(u8::try_from(at).ok())));
    state.on_back(simple(Intent::Back));
}

pub(super) fn apply(app: &App, view: &CheckoutView) {
    let state = app.global::<CheckoutState<'_>>();
    state.set_card(view.card);
    state.set_counter(view.counter);
    state.set_gift(view.gift);
    state.set_no_tip(view.no_tip);
    state.set_parts_max(i32::from(view.parts_max));
    state.set_parts(i32::from(view.parts));
    let tips = view.tips.iter().map(|(text, detail, selected)| TipChoice {
        text: text.into(),
        detail: detail.into(),
        selected: *selected,
    });
    state.set_tips(ModelRc::new(VecModel::from_iter(tips)));
    let plans =
        view.plans.iter().map(|(each, total, rate)| InstalmentPlan { each: each.into(), total: total.into(), rate: rate.into() });
    state.set_plans(ModelRc::new(VecModel::from_iter(plans)));
}
