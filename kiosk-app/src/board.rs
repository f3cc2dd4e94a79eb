// SPDX-License-Identifier: GPL-3.0-only
//! What the screens need to know of the board-config.

use crate::ui::view_model::{BoardFacts, Side};
use kiosk_shell::{BoardConfig, MountedAt, ShellHandle};

/// The facts of the board that the shell runs on.
pub(crate) fn facts(handle: &ShellHandle) -> BoardFacts {
    facts_of(&handle.board())
}

/// The facts of a board-config.
pub(crate) fn facts_of(board: &BoardConfig) -> BoardFacts {
    BoardFacts {
        terminal: board.terminal.as_ref().map(|terminal| match terminal.side() {
            MountedAt::Left => Side::Left,
            MountedAt::Right => Side::Right,
            MountedAt::Below => Side::Below,
        }),
        printer: board.printer.is_some(),
        reader: board.reader.is_some(),
        scanner: board.scanner.is_some(),
        dpi: board.display.dpi,
        dims: board.display.dims,
    }
}

/// The display's size in pixels.
pub(crate) fn size(handle: &ShellHandle) -> (u32, u32) {
    let display = handle.board().display;
    (display.width_px, display.height_px)
}
