// SPDX-License-Identifier: GPL-3.0-only
//! A picture of every view, in every size and language: to be looked at, and to be shown.
//!
//! The real content, the real core, the real views; no device and no disk. One process makes them all.

mod rehearsal;
mod views;

use crate::{
    headless::Headless,
    ui::{
        Ui,
        view_model::{BoardFacts, Side},
    },
};
use anyhow::{Result, ensure};
use kiosk_core::{Lang, Stage};
use kiosk_shell::Content;
use rehearsal::Rehearsal;
use std::{path::Path, rc::Rc, sync::Arc, time::Duration};

/// The sizes of the boards that are supported, with their pixels an inch: width, height, dpi.
const SIZES: [(u32, u32, u32); 3] = [(1080, 1920, 102), (720, 1280, 210), (1280, 800, 149)];

/// Writes the pictures whose name contains `only` into `dir`, as `<size>-<language>-<view>.png`.
///
/// # Errors
/// A view that could not be reached, by its name; what the disk says.
pub fn write(content: &Content, dir: &Path, only: Option<&str>) -> Result<()> {
    let headless = Headless::install(SIZES[0].0, SIZES[0].1)?;
    let mut ui = Ui::new(content.clone(), facts(SIZES[0].2), Rc::new(|_| {}))?;
    ui.set_reduced_motion(true);
    slint::ComponentHandle::show(ui.app())?;
    let mut written = 0usize;
    for (width, height, dpi) in SIZES {
        headless.resize(width, height);
        for (at, tag) in (0u8..).zip(&content.catalogue.languages) {
            for view in views::ALL {
                let name = format!("{width}x{height}-{tag}-{}", view.name);
                if only.is_some_and(|only| !name.contains(only)) {
                    continue;
                }
                if let Some(content) = content_of(&ui, content, view.sold_out) {
                    ui.set_content(content);
                }
                let mut rehearsal = Rehearsal::new(ui.content().catalogue.clone(), Lang(at));
                (view.reach)(&mut rehearsal);
                ui.set_board(BoardFacts { terminal: view.terminal, ..facts(dpi) });
                draw(&headless, &mut ui, &rehearsal, view)?;
                headless.screenshot(&dir.join(format!("{name}.png")))?;
                written += 1;
            }
        }
    }
    ensure!(written > 0, "no view's picture has a name that contains '{}'", only.unwrap_or_default());
    tracing::info!(written, dir = %dir.display(), "pictures of the views");
    Ok(())
}

fn draw(headless: &Headless, ui: &mut Ui, rehearsal: &Rehearsal, view: &views::View) -> Result<()> {
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

fn facts(dpi: u32) -> BoardFacts {
    BoardFacts { terminal: Some(Side::Right), printer: true, reader: true, dpi }
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
