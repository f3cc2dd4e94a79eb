// SPDX-License-Identifier: GPL-3.0-only
//! `GiftState`. What is typed goes to the core as it is and stays nowhere.

use super::{
    App, Send,
    slint_app::{GiftState, GiftWord},
    view_model::GiftSheet,
};
use kiosk_core::{Intent, event::Problem, intent::Secret};
use slint::ComponentHandle as _;

pub(super) fn wire(app: &App, send: &Send) {
    let state = app.global::<GiftState<'_>>();
    let to = send.clone();
    state.on_look(move |typed| to(Intent::GiftCode(Secret(typed.to_string()))));
    let to = send.clone();
    state.on_use(move || to(Intent::UseGift(None)));
    let to = send.clone();
    state.on_dismiss(move || to(Intent::Dismiss));
    state.on_shown(|typed| shown(&typed).into());
}

pub(super) fn apply(app: &App, view: &GiftSheet) {
    let state = app.global::<GiftState<'_>>();
    state.set_word(match view.problem {
        _ if view.asking => GiftWord::Asking,
        None => GiftWord::Nothing,
        Some(Problem::GiftUnknown) => GiftWord::Unknown,
        Some(Problem::GiftOffline) => GiftWord::Offline,
        Some(_) => GiftWord::Refused,
    });
    state.set_ending(view.ending.as_str().into());
    state.set_balance(view.balance.as_str().into());
    state.set_uses(view.uses.as_str().into());
    state.set_rest(view.rest.as_str().into());
}

/// In groups of four, only the last digit as it is: somebody may look over the guest's shoulder.
fn shown(typed: &str) -> String {
    let last = typed.chars().count().saturating_sub(1);
    let mut shown = String::new();
    for (at, digit) in typed.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            shown.push(' ');
        }
        shown.push(if at == last { digit } else { '•' });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_digit_just_typed_is_seen() {
        assert_eq!((shown(""), shown("1"), shown("12345")), (String::new(), "1".to_owned(), "•••• 5".to_owned()));
    }
}
