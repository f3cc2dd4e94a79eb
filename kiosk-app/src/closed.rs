// SPDX-License-Identifier: GPL-3.0-only
//! A kiosk that cannot start, its disk dead perhaps, in front of guests: kind words for a while instead of a dark screen,
//! then the end, so that the service manager tries again.

use crate::{
    args::Args,
    board,
    ui::{Ui, view_model::BoardFacts},
};
use anyhow::{Context as _, Error, Result};
use kiosk_core::{
    Snapshot,
    device::{DeviceKind, Health},
};
use kiosk_shell::{BoardConfig, Clock as _, Content, KioskConfig, SystemClock};
use slint::{ComponentHandle as _, PhysicalSize, Timer};
use std::{rc::Rc, sync::Arc, time::Duration};

/// How long the words stand before the next try: long enough to be read, and short enough for a disk that has recovered.
const STANDS: Duration = Duration::from_secs(20);

/// Says to the guests that nothing is sold here, where guests stand, and gives the reason on.
pub(crate) fn until_next_try(config: &KioskConfig, args: &Args, why: Error) -> Error {
    // At a developer's desk the reason itself is what is wanted.
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return why;
    }
    tracing::error!(why = format!("{why:#}"), "the kiosk cannot start; guests are sent to the counter");
    if let Err(error) = show(config, args) {
        tracing::error!(error = format!("{error:#}"), "nor can it say so");
    }
    why
}

fn show(config: &KioskConfig, args: &Args) -> Result<()> {
    let content = Content::load(&config.content)?;
    let board = BoardConfig::load(&config.board)?;
    let mut ui = Ui::new(content, facts(&board), Rc::new(|_| {}), &(Rc::new(|_| {}) as _))?;
    let (width, height) = args.size.unwrap_or((board.display.width_px, board.display.height_px));
    let window = ui.app().window();
    window.set_size(PhysicalSize::new(width, height));
    window.set_fullscreen(args.fullscreen);
    ui.app().show().context("the window could not be shown")?;
    ui.show(Arc::new(snapshot()), SystemClock::new().now());
    Timer::single_shot(STANDS, || {
        let _ = slint::quit_event_loop();
    });
    slint::run_event_loop().context("the window's event loop failed")
}

/// Nothing that needs a device is offered.
fn facts(board: &BoardConfig) -> BoardFacts {
    BoardFacts { reader: false, scanner: false, ..board::facts_of(board) }
}

/// The attract screen of a kiosk that cannot record.
fn snapshot() -> Snapshot {
    Snapshot { devices: vec![(DeviceKind::Disk, Health::Lost)], ..Snapshot::default() }
}
