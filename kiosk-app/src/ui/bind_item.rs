// SPDX-License-Identifier: GPL-3.0-only
//! `ItemState`.

use super::{
    App, Send,
    pictures::{Pictures, Sizes},
    rows,
    slint_app::{Asking as Shown, Choice, ItemState, Question},
    view_model::{Ask, Asking, ItemView, OptionView, QuestionView},
};
use kiosk_core::{ArticleId, Intent};
use slint::{ComponentHandle as _, SharedString, VecModel};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

pub(super) struct ItemBinding {
    contains: Rc<VecModel<SharedString>>,
    may_contain: Rc<VecModel<SharedString>>,
    questions: Rc<VecModel<Question>>,
    /// The choices of each question. They stay where they are as long as there is such a question.
    choices: RefCell<Vec<Rc<VecModel<Choice>>>>,
    asks: Rc<RefCell<Vec<Ask>>>,
    open: Cell<Option<ArticleId>>,
}

impl ItemBinding {
    pub(super) fn new(app: &App, send: &Send) -> Self {
        let binding = Self {
            contains: Rc::default(),
            may_contain: Rc::default(),
            questions: Rc::default(),
            choices: RefCell::default(),
            asks: Rc::default(),
            open: Cell::default(),
        };
        let state = app.global::<ItemState<'_>>();
        state.set_contains(binding.contains.clone().into());
        state.set_may_contain(binding.may_contain.clone().into());
        state.set_questions(binding.questions.clone().into());
        let (to, asks) = (send.clone(), binding.asks.clone());
        state.on_set(move |question, option, count| {
            let ask = usize::try_from(question).ok().and_then(|at| asks.borrow().get(at).copied());
            if let (Some(ask), Ok(option), Ok(count)) = (ask, u8::try_from(option), u8::try_from(count)) {
                to(ask.intent(option, count));
            }
        });
        let to = send.clone();
        state.on_set_quantity(move |count| {
            if let Ok(count) = u16::try_from(count) {
                to(Intent::SetQuantity(count));
            }
        });
        let to = send.clone();
        state.on_add(move || to(Intent::Add));
        let to = send.clone();
        state.on_back(move || to(Intent::Back));
        binding
    }

    pub(super) fn apply(&self, app: &App, view: &ItemView, pictures: &Pictures, sizes: Sizes) {
        // What was open stays drawn while its view goes away.
        if view.article.is_none() {
            self.open.set(None);
            return;
        }
        let state = app.global::<ItemState<'_>>();
        state.set_name(view.name.as_str().into());
        state.set_price(view.price.as_str().into());
        state.set_description(view.description.as_str().into());
        state.set_kcal(view.kcal.as_str().into());
        state.set_picture(pictures.get(&view.picture, sizes.hero));
        state.set_tint(i32::from(view.tint));
        state.set_quantity(i32::from(view.quantity));
        state.set_max_quantity(i32::from(view.most));
        state.set_complete(view.complete);
        state.set_editing(view.editing);
        state.set_available(view.available);
        state.set_total(view.total.as_str().into());
        rows::sync(&self.contains, view.contains.iter().map(|word| SharedString::from(*word)));
        rows::sync(&self.may_contain, view.may_contain.iter().map(|word| SharedString::from(*word)));
        self.questions(&view.questions, pictures, sizes);
        if self.open.replace(view.article) != view.article {
            state.set_opened(state.get_opened().wrapping_add(1));
        }
    }

    fn questions(&self, questions: &[QuestionView], pictures: &Pictures, sizes: Sizes) {
        self.asks.replace(questions.iter().map(|q| q.ask).collect());
        let mut choices = self.choices.borrow_mut();
        choices.resize_with(questions.len(), Rc::default);
        for (question, model) in questions.iter().zip(choices.iter()) {
            rows::sync(model, question.options.iter().map(|option| choice(option, question, pictures, sizes)));
        }
        rows::sync(
            &self.questions,
            questions.iter().zip(choices.iter()).map(|(question, model)| Question {
                title: question.title.as_str().into(),
                asking: asking(question.asking),
                up_to: i32::from(question.up_to),
                missing: question.missing,
                nested: question.nested,
                options: model.clone().into(),
            }),
        );
    }
}

fn choice(option: &OptionView, question: &QuestionView, pictures: &Pictures, sizes: Sizes) -> Choice {
    // Only rows have room for a picture.
    let picture = if question.asking == Asking::Several { option.picture.as_str() } else { "" };
    Choice {
        name: option.name.as_str().into(),
        price: option.price.as_str().into(),
        picture: pictures.get(picture, sizes.small),
        count: i32::from(option.count),
        max: i32::from(option.most),
        available: option.available,
    }
}

fn asking(asking: Asking) -> Shown {
    match asking {
        Asking::One => Shown::One,
        Asking::OptionalOne => Shown::OptionalOne,
        Asking::Several => Shown::Several,
    }
}
