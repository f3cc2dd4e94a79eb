// SPDX-License-Identifier: GPL-3.0-only
//! `DoneState`.

use super::{App, Send, pictures::Sizes, qr, slint_app::DoneState, view_model::DoneView};
use kiosk_core::Intent;
use slint::ComponentHandle as _;

/// Scores up to this one bring a person at once: the view promises it.
const UNHAPPY: u8 = 2;

pub(super) fn wire(app: &App, send: &Send) {
    let state = app.global::<DoneState<'_>>();
    let to = send.clone();
    state.on_print(move || to(Intent::PrintReceipt));
    let to = send.clone();
    state.on_finish(move || to(Intent::Finish));
    let to = send.clone();
    state.on_rate(move |score| {
        let Ok(score) = u8::try_from(score) else { return };
        to(Intent::Rate(score));
        if score <= UNHAPPY {
            to(Intent::CallPerson);
        }
    });
}

pub(super) fn apply(app: &App, view: &DoneView, sizes: Sizes) {
    let state = app.global::<DoneState<'_>>();
    state.set_name(view.name.as_str().into());
    state.set_number(view.number.as_str().into());
    state.set_amount(view.amount.as_str().into());
    state.set_in_cash(view.in_cash.as_str().into());
    state.set_paid(view.paid);
    state.set_by_gift(view.by_gift.as_str().into());
    state.set_masked(view.masked.as_str().into());
    state.set_receipt_code(qr::image(&view.code, sizes.code));
    state.set_printer(view.printer);
    state.set_printed(view.printed);
    state.set_rated(i32::from(view.rated));
    state.set_has_points(view.points.is_some());
    state.set_points(points(view.points));
}

/// Points as Slint counts them.
pub(super) fn points(points: Option<i64>) -> i32 {
    points.and_then(|points| i32::try_from(points).ok()).unwrap_or(0)
}
