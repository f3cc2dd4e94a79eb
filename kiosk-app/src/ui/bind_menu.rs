// SPDX-License-Identifier: GPL-3.0-only
//! `MenuState`.

use super::{
    App, Send,
    pictures::{Pictures, Sizes},
    rows,
    slint_app::{AllergenChoice, ArticleCard, CategoryTab, MenuState},
    view_model::{ArticleView, MenuView},
};
use kiosk_core::{ArticleId, CategoryId, Intent, catalogue::Allergen};
use slint::{ComponentHandle as _, VecModel};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

pub(super) struct MenuBinding {
    tabs: Rc<VecModel<CategoryTab>>,
    cards: Rc<VecModel<ArticleCard>>,
    allergens: Rc<VecModel<AllergenChoice>>,
    ids: Rc<RefCell<Vec<ArticleId>>>,
    open: Cell<Option<CategoryId>>,
}

impl MenuBinding {
    pub(super) fn new(app: &App, send: &Send) -> Self {
        let binding = Self {
            tabs: Rc::default(),
            cards: Rc::default(),
            allergens: Rc::default(),
            ids: Rc::default(),
            open: Cell::default(),
        };
        let state = app.global::<MenuState<'_>>();
        state.set_tabs(binding.tabs.clone().into());
        state.set_cards(binding.cards.clone().into());
        state.set_allergens(binding.allergens.clone().into());
        let to = send.clone();
        state.on_open_category(move |index| {
            if let Ok(index) = u32::try_from(index) {
                to(Intent::OpenCategory(CategoryId(index)));
            }
        });
        let article = |make: fn(ArticleId) -> Intent| {
            let (to, ids) = (send.clone(), binding.ids.clone());
            move |index: i32| {
                let id = usize::try_from(index).ok().and_then(|at| ids.borrow().get(at).copied());
                if let Some(id) = id {
                    to(make(id));
                }
            }
        };
        state.on_open(article(Intent::OpenArticle));
        state.on_quick_add(article(Intent::QuickAdd));
        let to = send.clone();
        state.on_toggle_allergen(move |index| {
            let allergen = usize::try_from(index).ok().and_then(|at| Allergen::ALL.get(at).copied());
            if let Some(allergen) = allergen {
                to(Intent::ToggleAllergen(allergen));
            }
        });
        binding
    }

    pub(super) fn apply(&self, app: &App, view: &MenuView, pictures: &Pictures, sizes: Sizes) {
        let state = app.global::<MenuState<'_>>();
        self.ids.replace(view.cards.iter().map(|card| card.id).collect());
        state.set_heading(view.heading.as_str().into());
        state.set_avoiding(view.avoiding.as_str().into());
        state.set_hidden(i32::try_from(view.hidden).unwrap_or(i32::MAX));
        rows::sync(
            &self.tabs,
            view.tabs.iter().map(|tab| CategoryTab {
                name: tab.name.as_str().into(),
                icon: pictures.get(&tab.picture, sizes.icon),
                current: tab.current,
            }),
        );
        rows::sync(&self.cards, view.cards.iter().map(|card| row(card, pictures, sizes)));
        rows::sync(
            &self.allergens,
            view.allergens.iter().map(|(_, name, avoided)| AllergenChoice { name: (*name).into(), avoided: *avoided }),
        );
        if self.open.replace(view.open) != view.open {
            state.set_opened(state.get_opened().wrapping_add(1));
        }
    }
}

fn row(card: &ArticleView, pictures: &Pictures, sizes: Sizes) -> ArticleCard {
    ArticleCard {
        name: card.name.as_str().into(),
        price: card.price.as_str().into(),
        picture: pictures.get(&card.picture, sizes.card),
        tint: i32::from(card.tint),
        badge: card.badge.as_str().into(),
        available: card.available,
        in_basket: i32::try_from(card.in_basket).unwrap_or(i32::MAX),
        label: card.label.as_str().into(),
    }
}
