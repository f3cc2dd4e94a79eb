// SPDX-License-Identifier: GPL-3.0-only
//! A picture of every view, in every size and language: to be looked at, and to be shown.
//!
//! The real content, the real core, the real views; no device and no disk. One process makes them all.

mod pages;
mod views;

use crate::{
    headless::Headless,
    rehearsal::Rehearsal,
    ui::{
        Ui,
        bind_page::Say,
        view_model::{BoardFacts, Side},
    },
};
use anyhow::{Result, ensure};
use kiosk_core::{Lang, Stage};
use kiosk_shell::Content;

use std::{path::Path, rc::Rc, sync::Arc, time::Duration};

/// The sizes of the boards that are supported, with their pixels an inch: width, height, dpi.
const SIZES: [(u32, u32, u32); 3] = [(1080, 1920, 102), (720, 1280, 210), (1280, 800, 149)];

/// Writes the pictures whose name contains `only` into `dir`, as `<size>-<language>-<view>.png`.
///
/// # Errors
/// A view that could not be reached, by its name; what the disk says.
pub fn write(content: &Content, dir: &Path, only: Option<&str>) -> Result<()> {
    let headless = Headless::install(SIZES[0].0, SIZES[0].1)?;
    let mut ui = Ui::new(content.clone(), facts(SIZES[0].2), Rc::new(|_| {}), &nothing())?;
    ui.set_reduced_motion(true);
    slint::ComponentHandle::show(ui.app())?;
    let wanted = |name: &str| only.is_none_or(|only| name.contains(only));
    let mut written = 0usize;
    for (width, height, dpi) in SIZES {
        headless.resize(width, height);
        for (at, tag) in (0u8..).zip(&content.catalogue.languages) {
            for view in views::ALL {
                let name = format!("{width}x{height}-{tag}-{}", view.name);
                if !wanted(&name) {
                    continue;
                }
                if let Some(content) = content_of(&ui, content, view.sold_out) {
                    ui.set_content(content);
                }
                let mut rehearsal = Rehearsal::new(ui.content().catalogue.clone(), content.shop.pay.clone(), Lang(at));
                (view.reach)(&mut rehearsal);
                ui.set_board(BoardFacts { terminal: view.terminal, ..facts(dpi) });
                reach(&headless, &mut ui, &rehearsal, view)?;
                headless.screenshot(&dir.join(format!("{name}.png")))?;
                println!("{name}.png");
                written += 1;
            }
            for (page, make) in pages::ALL {
                let name = format!("{width}x{height}-{tag}-{page}");
                if !wanted(&name) {
                    continue;
                }
                ui.set_board(facts(dpi));
                ui.show_page(Some(make(content, Lang(at))));
                headless.settle();
                headless.screenshot(&dir.join(format!("{name}.png")))?;
                println!("{name}.png");
                written += 1;
            }
            ui.show_page(None);
        }
    }
    ensure!(written > 0, "no view's picture has a name that contains '{}'", only.unwrap_or_default());
    tracing::info!(written, dir = %dir.display(), "pictures of the views");
    Ok(())
}

/// Brings the screen to a view.
fn reach(headless: &Headless, ui: &mut Ui, rehearsal: &Rehearsal, view: &views::View) -> Result<()> {
    let snapshot = Arc::new(rehearsal.snapshot());
    ensure!(snapshot.stage == view.stage, "the view {} was not reached: the visit is at {:?}", view.name, snapshot.stage);
    // Through the attract screen, so that nothing of the view before is left.
    ui.show(Arc::default(), rehearsal.now());
    headless.advance(Duration::from_millis(16));
    ui.show(snapshot, rehearsal.now());
    headless.settle();
    // Once more: sizes that follow from easy access are known only now.
    ui.refresh(rehearsal.now());
    (view.touch)(ui, headless)?;
    headless.settle();
    Ok(())
}

/// Touches that lead nowhere.
fn nothing() -> Say {
    Rc::new(|_| {})
}

fn facts(dpi: u32) -> BoardFacts {
    BoardFacts { terminal: Some(Side::Right), printer: true, reader: true, scanner: true, dpi, dims: true }
}

/// The shop on a day on which these are sold out; `None` where it is shown already.
fn content_of(ui: &Ui, content: &Content, sold_out: &[&str]) -> Option<Content> {
    if sold_out.is_empty() {
        return (!Arc::ptr_eq(&ui.content().catalogue, &content.catalogue)).then(|| content.clone());
    }
    let mut catalogue = (*content.catalogue).clone();
    for article in catalogue.articles.iter_mut().filter(|article| sold_out.contains(&article.sku.as_str())) {
        article.available = false;
    }
    Some(Content { catalogue: Arc::new(catalogue), ..content.clone() })
}

/// Where a view is expected.
type At = Stage;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ui::access_tree::{self, Node};
    use kiosk_core::Intent;
    use slint::ComponentHandle as _;
    use std::{cell::RefCell, time::Instant};

    /// The screen of a kiosk that is played by hand: what is touched goes into the core, what the core says is shown.
    struct Played {
        headless: Headless,
        ui: Ui,
        rehearsal: Rehearsal,
        touched: Rc<RefCell<Vec<Intent>>>,
    }

    impl Played {
        fn tap(&mut self, label: &str) {
            self.headless.tap(self.ui.app(), label).unwrap();
            for intent in self.touched.take() {
                self.rehearsal.intent(intent);
            }
            self.show();
        }

        fn show(&mut self) {
            self.ui.show(Arc::new(self.rehearsal.snapshot()), self.rehearsal.now());
            self.headless.settle();
        }

        fn says(&self, text: &str) -> bool {
            access_tree::says(&access_tree::nodes(self.ui.app().window()), text)
        }
    }

    /// One test, because a process has one platform: a visit by touch, then every view at every size.
    #[test]
    fn a_visit_can_be_made_by_touch_and_every_control_can_be_touched() {
        let content = Content::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo")).unwrap();
        let headless = Headless::install(1080, 1920).unwrap();
        let touched: Rc<RefCell<Vec<Intent>>> = Rc::default();
        let sink = touched.clone();
        let mut ui =
            Ui::new(content.clone(), facts(102), Rc::new(move |intent| sink.borrow_mut().push(intent)), &nothing()).unwrap();
        ui.set_reduced_motion(true);
        slint::ComponentHandle::show(ui.app()).unwrap();
        headless.settle();
        let rehearsal = Rehearsal::new(content.catalogue.clone(), content.shop.pay.clone(), Lang(0));
        let mut played = Played { headless, ui, rehearsal, touched };
        visit(&mut played);
        let Played { headless, mut ui, .. } = played;
        for (width, height, dpi) in SIZES {
            headless.resize(width, height);
            for view in views::ALL {
                look(&headless, &mut ui, &content, view, dpi);
            }
            for (name, make) in pages::ALL {
                ui.show_page(Some(make(&content, Lang(1))));
                headless.settle();
                controls(&ui, name, dpi);
            }
            ui.show_page(None);
        }
    }

    /// Two frames after a finger is on a card of the list, the card shows it; the list itself waits longer.
    fn shows_a_touch_at_once(played: &Played) {
        let card = |played: &Played| {
            let nodes = access_tree::nodes(played.ui.app().window());
            let node = access_tree::control(&nodes, "Shakshuka").unwrap().clone();
            let (x, y) = (node.position.x + 60.0, node.position.y + node.size.height - 20.0);
            let pixels = played.headless.pixels();
            let at = f64::from(y).floor() * f64::from(pixels.width()) + f64::from(x).floor();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let colour = pixels.as_slice()[at as usize];
            (slint::LogicalPosition::new(x, y), colour)
        };
        let window = played.ui.app().window();
        let button = slint::platform::PointerEventButton::Left;
        let (position, before) = card(played);
        window.dispatch_event(slint::platform::WindowEvent::PointerPressed { position, button });
        played.headless.advance(Duration::from_millis(33));
        assert_ne!(card(played).1, before);
        window.dispatch_event(slint::platform::WindowEvent::PointerReleased { position, button });
        window.dispatch_event(slint::platform::WindowEvent::PointerExited);
        played.headless.settle();
        assert!(matches!(played.touched.take()[..], [Intent::OpenArticle(_)]));
        assert_eq!(card(played).1, before);
    }

    fn visit(played: &mut Played) {
        played.show();
        played.tap("Touch to order");
        let takes_a_touch =
            |played: &Played, label| access_tree::takes_a_touch(&access_tree::nodes(played.ui.app().window()), label);
        assert!(!takes_a_touch(played, "Add Shakshuka"), "the sheet lies over it");
        assert!(takes_a_touch(played, "Eat in") && takes_a_touch(played, "Call a person"));
        played.tap("Eat in");
        assert!(takes_a_touch(played, "Add Shakshuka"));
        shows_a_touch_at_once(played);
        played.tap("Burgers");
        played.tap("Harbour burger");
        played.tap("One more, Extra cheddar");
        assert!(played.says("Add · €13.10"));
        played.tap("Add · €13.10");
        assert!(played.says("1 in your order"));
        played.tap("Русский");
        assert!(played.says("Бургеры") && played.says("13,10 €"), "texts and amounts follow the language at once");
        played.tap("English");
        played.tap("Review order");
        played.tap("One more, Harbour burger");
        assert!(played.says("€26.20"));
        played.tap("Takeaway");
        played.tap("Go to pay");
        played.tap("By card, phone or watch");
        assert!(played.says("Hold your card to the terminal, on the right"));
        played.rehearsal.approved();
        played.show();
        assert!(played.says("Your number is A-1"));
        played.tap("Not good");
        assert!(played.says("Somebody is on the way"), "what the view promises is done");
        played.tap("Thank you");
        played.tap("Done");
        assert!(played.says("Touch to order"));
    }

    fn look(headless: &Headless, ui: &mut Ui, content: &Content, view: &views::View, dpi: u32) {
        let mut rehearsal = Rehearsal::new(content.catalogue.clone(), content.shop.pay.clone(), Lang(1));
        (view.reach)(&mut rehearsal);
        ui.set_board(BoardFacts { terminal: view.terminal, ..facts(dpi) });
        let begun = Instant::now();
        reach(headless, ui, &rehearsal, view).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5), "{} takes {:?}", view.name, begun.elapsed());
        let nodes = controls(ui, view.name, dpi);
        let bar = ["Удобный режим", "Позвать сотрудника"];
        assert!(bar.iter().all(|label| access_tree::control(&nodes, label).is_some()), "the bar is missing in {}", view.name);
    }

    /// What is shown, after a look at whether every control has words and a size that a finger hits.
    fn controls(ui: &Ui, view: &str, dpi: u32) -> Vec<Node> {
        let least = (f64::from(dpi) * 14.0 / 25.4).round().max(80.0);
        let small = |node: &&Node| {
            // A keyboard's ten keys a line are as wide as the display lets them be, and full height.
            let key = node.label.chars().count() == 1;
            let width = f64::from(node.whole.width) * if key { 2.0 } else { 1.0 };
            let side = width.min(f64::from(node.whole.height));
            node.is_control() && (node.label.is_empty() || side < least - 1.0)
        };
        let nodes = access_tree::nodes(ui.app().window());
        let faults: Vec<&Node> = nodes.iter().filter(small).collect();
        assert!(faults.is_empty(), "in {view} at {dpi} dpi, smaller than {least} or without words: {faults:#?}");
        nodes
    }
}
