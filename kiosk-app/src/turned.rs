// SPDX-License-Identifier: GPL-3.0-only
//! A display that is mounted turned. The screen's library takes its turn from the environment and from nowhere else, so
//! the program starts itself once more, in the same process, with what the board-config says.

use anyhow::{Context as _, Result};
use std::{os::unix::process::CommandExt as _, process::Command};

const BACKEND: &str = "SLINT_BACKEND";
const ROTATION: &str = "SLINT_KMS_ROTATION";

/// Degrees clockwise. Returns where nothing has to be turned, or it is said already.
pub(crate) fn turn(rotation: u16) -> Result<()> {
    let set = |name: &str| std::env::var(name).ok();
    let Some(degrees) = needed(set(BACKEND).as_deref(), set(ROTATION).as_deref(), rotation) else {
        return Ok(());
    };
    let me = std::env::current_exe().context("where this program is")?;
    let error = Command::new(me).args(std::env::args_os().skip(1)).env(ROTATION, degrees.to_string()).exec();
    Err(error).context("the display could not be turned")
}

/// Only where this program draws on the display itself; a desktop turns its own.
fn needed(backend: Option<&str>, said: Option<&str>, rotation: u16) -> Option<u16> {
    let own = backend.is_some_and(|name| name.starts_with("linuxkms"));
    (own && said.is_none() && rotation != 0).then_some(rotation)
}

#[cfg(test)]
mod tests {
    use super::needed;

    #[test]
    fn a_turned_display_is_turned_once_and_only_without_a_desktop() {
        assert_eq!(needed(Some("linuxkms-software"), None, 90), Some(90));
        assert_eq!(needed(Some("linuxkms-software"), Some("90"), 90), None);
        assert_eq!(needed(Some("linuxkms-software"), None, 0), None);
        assert_eq!(needed(Some("winit"), None, 90), None);
        assert_eq!(needed(None, None, 90), None);
    }
}
