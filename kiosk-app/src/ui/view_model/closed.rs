// SPDX-License-Identifier: GPL-3.0-only
//! The pages of a kiosk that serves no guest: out of service, or asked for its name.

use super::{
    Scene,
    page::{ActionView, PageView, Said, Tone, say},
    setup::words,
};
use kiosk_core::desk::DeskIntent;

/// The page over everything, `None` while guests are served.
pub fn page(scene: &Scene<'_>) -> Option<PageView> {
    let (t, snapshot) = (scene.tongue(), scene.snapshot);
    let mut page = if let Some(name) = &snapshot.identify {
        PageView {
            title: name.clone(),
            text: say!(t, "This is the kiosk that you asked for.", "Это киоск, который вы ищете.").to_owned(),
            ..PageView::default()
        }
    } else if snapshot.out_of_service {
        let text = say!(
            t,
            "This kiosk takes no orders at the moment. We are glad to take yours at the counter.",
            "Этот киоск сейчас не принимает заказы. Мы с радостью примем ваш заказ у стойки."
        );
        let staff = ActionView::say(say!(t, "For staff", "Для персонала"), Said::Desk(DeskIntent::Open));
        PageView {
            title: say!(t, "Out of service", "Не работает").to_owned(),
            text: text.to_owned(),
            actions: vec![ActionView { tone: Tone::Quiet, ..staff }],
            ..PageView::default()
        }
    } else {
        return None;
    };
    page.place = scene.shop.name.clone();
    page.words = words(t);
    Some(page)
}
