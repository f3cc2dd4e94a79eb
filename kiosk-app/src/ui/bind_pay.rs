// SPDX-License-Identifier: GPL-3.0-only
//! `PayState`.

use super::{
    App, Send,
    slint_app::{PayState, PayStep as ShownStep, Side as ShownSide},
    view_model::{PayStep, PayView, Side},
};
use kiosk_core::{Intent, Tender};
use slint::ComponentHandle as _;

pub(super) fn wire(app: &App, send: &Send) {
    let state = app.global::<PayState<'_>>();
    let simple = |intent: Intent| {
        let to = send.clone();
        move || to(intent.clone())
    };
    state.on_cancel(simple(Intent::CancelPayment));
    state.on_again(simple(Intent::Pay(Tender::Card)));
    state.on_with_gift(simple(Intent::OpenGift));
    state.on_counter(simple(Intent::Pay(Tender::Cash)));
    state.on_call_person(simple(Intent::CallPerson));
    state.on_finish(simple(Intent::Finish));
}

pub(super) fn apply(app: &App, view: &PayView) {
    let state = app.global::<PayState<'_>>();
    state.set_step(step(view.step));
    state.set_terminal(side(view.terminal));
    state.set_amount(view.amount.as_str().into());
    state.set_number(view.number.as_str().into());
    state.set_at_counter(view.counter);
    state.set_gift(view.gift);
    state.set_part(i32::from(view.part.0));
    state.set_parts(i32::from(view.part.1));
    state.set_taken(view.taken.as_str().into());
    state.set_looked_at(view.looked_at);
}

fn step(step: PayStep) -> ShownStep {
    match step {
        PayStep::Waiting => ShownStep::Waiting,
        PayStep::Pin => ShownStep::Pin,
        PayStep::Processing => ShownStep::Processing,
        PayStep::Remove => ShownStep::Remove,
        PayStep::Cancelling => ShownStep::Cancelling,
        PayStep::Declined => ShownStep::Declined,
        PayStep::Lost => ShownStep::Lost,
        PayStep::Unknown => ShownStep::Unknown,
        PayStep::Approved => ShownStep::Approved,
        PayStep::Counter => ShownStep::Counter,
        PayStep::Part => ShownStep::Part,
        PayStep::Giving => ShownStep::Giving,
        PayStep::Staff => ShownStep::Staff,
        PayStep::Gift => ShownStep::Gift,
    }
}

fn side(side: Side) -> ShownSide {
    match side {
        Side::Right => ShownSide::Right,
        Side::Left => ShownSide::Left,
        Side::Below => ShownSide::Below,
    }
}
