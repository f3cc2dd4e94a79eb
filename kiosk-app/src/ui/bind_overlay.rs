// SPDX-License-Identifier: GPL-3.0-only
//! `OverlayState`.

use super::{
    App, Send,
    bind_basket::service,
    rows,
    slint_app::{Over as Shown, OverlayState, Trouble},
    view_model::{Over, OverlayView},
};
use kiosk_core::{ArticleId, Intent, event::Problem};
use slint::{ComponentHandle as _, SharedString, VecModel};
use std::{cell::RefCell, rc::Rc};

pub(super) struct OverlayBinding {
    alternatives: Rc<VecModel<SharedString>>,
    ids: Rc<RefCell<Vec<ArticleId>>>,
}

impl OverlayBinding {
    pub(super) fn new(app: &App, send: &Send) -> Self {
        let binding = Self { alternatives: Rc::default(), ids: Rc::default() };
        let state = app.global::<OverlayState<'_>>();
        state.set_alternatives(binding.alternatives.clone().into());
        let simple = |intent: Intent| {
            let to = send.clone();
            move || to(intent.clone())
        };
        state.on_still_here(simple(Intent::StillHere));
        state.on_dismiss(simple(Intent::Dismiss));
        state.on_start_over(simple(Intent::StartOver));
        state.on_stay_anonymous(simple(Intent::StayAnonymous));
        state.on_call_person(simple(Intent::CallPerson));
        let to = send.clone();
        state.on_choose_service(move |takeaway| to(Intent::ChooseService(service(takeaway))));
        let (to, ids) = (send.clone(), binding.ids.clone());
        state.on_open_alternative(move |index| {
            let id = usize::try_from(index).ok().and_then(|at| ids.borrow().get(at).copied());
            if let Some(id) = id {
                to(Intent::OpenArticle(id));
            }
        });
        binding
    }

    pub(super) fn apply(&self, app: &App, view: &OverlayView) {
        let state = app.global::<OverlayState<'_>>();
        state.set_over(shown(view.over));
        if let Some(Over::Problem(problem)) = view.over {
            state.set_trouble(trouble(problem));
        }
        state.set_seconds(i32::try_from(view.seconds).unwrap_or(i32::MAX));
        state.set_seconds_left(view.left);
        state.set_paid(view.paid);
        self.ids.replace(view.alternatives.iter().map(|(id, _)| *id).collect());
        rows::sync(&self.alternatives, view.alternatives.iter().map(|(_, name)| SharedString::from(name)));
    }
}

fn shown(over: Option<Over>) -> Shown {
    match over {
        None => Shown::Nothing,
        Some(Over::StillThere) => Shown::StillThere,
        Some(Over::Service) => Shown::Service,
        Some(Over::PersonCalled) => Shown::PersonCalled,
        Some(Over::Problem(_)) => Shown::Problem,
        Some(Over::StartOver) => Shown::StartOver,
        Some(Over::Why) => Shown::Why,
        Some(Over::Privacy) => Shown::Privacy,
        Some(Over::Ask) => Shown::Ask,
        Some(Over::ConfirmForget) => Shown::ConfirmForget,
        Some(Over::Forgotten) => Shown::Forgotten,
        Some(Over::Gift) => Shown::Gift,
    }
}

fn trouble(problem: Problem) -> Trouble {
    match problem {
        Problem::CardDeclined => Trouble::Declined,
        Problem::TerminalLost => Trouble::TerminalLost,
        Problem::PaymentUnknown => Trouble::PaymentUnknown,
        Problem::PrinterBlocked => Trouble::Printer,
        Problem::ReaderLost => Trouble::ReaderLost,
        Problem::BankCardAtReader => Trouble::BankCard,
        Problem::RandomCard => Trouble::RandomCard,
        Problem::CardNotTaken => Trouble::CardNotTaken,
        Problem::CardNotGenuine => Trouble::CardNotGenuine,
        Problem::CardBlocked => Trouble::CardBlocked,
        Problem::UnknownCard => Trouble::UnknownCard,
        Problem::CodeRefused => Trouble::CodeRefused,
        Problem::CodeUnchecked => Trouble::CodeUnchecked,
        Problem::CodeUnknown => Trouble::CodeUnknown,
        Problem::CannotRecord => Trouble::CannotRecord,
        Problem::GiftUnknown => Trouble::GiftUnknown,
        Problem::GiftRefused => Trouble::GiftRefused,
        Problem::GiftOffline => Trouble::GiftOffline,
        Problem::ClockUnset => Trouble::ClockUnset,
        Problem::SoldOut => Trouble::SoldOut,
    }
}
