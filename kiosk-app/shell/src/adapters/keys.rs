//! The thread `keys`: asks the agent for this device's keys, until it has answered and once a minute from then on.

use super::Wires;
use crate::{keys::KeyAsker, supervise::supervised};
use std::thread::JoinHandle;

/// Starts the thread. The first question is asked here, so that the adapters which start afterwards have their keys where
/// the agent is up.
pub(crate) fn start(mut asker: KeyAsker, wires: Wires) -> std::io::Result<JoinHandle<()>> {
    asker.at_start();
    let stopping = wires.stopping.clone();
    supervised("keys", stopping, || {}, move || while !wires.stopping.wait(asker.again()) {})
}
