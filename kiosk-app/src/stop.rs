// SPDX-License-Identifier: GPL-3.0-only
//! SIGTERM and SIGINT: an end that loses nothing.

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

/// Calls `stop` once, on a thread of its own, when the process is asked to end.
pub(crate) fn on_signal(stop: impl FnOnce() + Send + 'static) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().context("signals cannot be heard")?;
    let entered = runtime.enter();
    let mut term = signal(SignalKind::terminate()).context("SIGTERM cannot be heard")?;
    let mut int = signal(SignalKind::interrupt()).context("SIGINT cannot be heard")?;
    drop(entered);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            });
            tracing::info!("asked to stop");
            stop();
        })
        .context("the thread for signals could not be started")?;
    Ok(())
}
