// SPDX-License-Identifier: GPL-3.0-only
//! `BasketState`.

use super::{
    App, Send,
    pictures::{Pictures, Sizes},
    rows,
    slint_app::{BasketLine, BasketState},
    view_model::BasketView,
};
use kiosk_core::{Intent, LineId, Service};
use slint::{ComponentHandle as _, VecModel};
use std::{cell::RefCell, rc::Rc};

pub(super) struct BasketBinding {
    lines: Rc<VecModel<BasketLine>>,
    ids: Rc<RefCell<Vec<LineId>>>,
}

impl BasketBinding {
    pub(super) fn new(app: &App, send: &Send) -> Self {
        let binding = Self { lines: Rc::default(), ids: Rc::default() };
        let state = app.global::<BasketState<'_>>();
        state.set_lines(binding.lines.clone().into());
        let simple = |intent: Intent| {
            let to = send.clone();
            move || to(intent.clone())
        };
        state.on_open(simple(Intent::OpenBasket));
        state.on_back(simple(Intent::Back));
        state.on_checkout(simple(Intent::Checkout));
        let line =
            |ids: &Rc<RefCell<Vec<LineId>>>, index: i32| usize::try_from(index).ok().and_then(|at| ids.borrow().get(at).copied());
        let (to, ids) = (send.clone(), binding.ids.clone());
        state.on_edit(move |index| {
            if let Some(id) = line(&ids, index) {
                to(Intent::EditLine(id));
            }
        });
        let (to, ids) = (send.clone(), binding.ids.clone());
        state.on_set_quantity(move |index, count| {
            if let (Some(id), Ok(count)) = (line(&ids, index), u16::try_from(count)) {
                to(Intent::SetLineQuantity(id, count));
            }
        });
        let to = send.clone();
        state.on_choose_service(move |takeaway| to(Intent::ChooseService(service(takeaway))));
        binding
    }

    pub(super) fn apply(&self, app: &App, view: &BasketView, pictures: &Pictures, sizes: Sizes) {
        let state = app.global::<BasketState<'_>>();
        self.ids.replace(view.lines.iter().map(|line| line.id).collect());
        state.set_count(i32::try_from(view.count).unwrap_or(i32::MAX));
        state.set_tip(view.tip.as_str().into());
        state.set_total(view.total.as_str().into());
        state.set_service_chosen(view.service.is_some());
        state.set_takeaway(view.service == Some(Service::Takeaway));
        state.set_taxes(view.taxes.as_str().into());
        rows::sync(
            &self.lines,
            view.lines.iter().map(|line| BasketLine {
                name: line.name.as_str().into(),
                detail: line.detail.as_str().into(),
                amount: line.amount.as_str().into(),
                quantity: i32::from(line.quantity),
                picture: pictures.get(&line.picture, sizes.small),
                tint: i32::from(line.tint),
                can_edit: line.can_edit,
            }),
        );
    }
}

/// What the two chips and the two buttons mean.
pub(super) fn service(takeaway: bool) -> Service {
    if takeaway { Service::Takeaway } else { Service::EatIn }
}
