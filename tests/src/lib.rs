//! The harness: starts the whole appliance as processes (backend, agent, simulated devices, kiosk), watches what arrives
//! at the backend, and stops everything again. The demo, the scenarios and the replay stand on it.
//!
//! Nothing here ships. It waits on what programs print and on sockets, with bounds, and never for a fixed time.

pub mod appliance;
pub mod baskets;
pub mod control;
pub mod drill;
pub mod emulated;
pub mod http;
pub mod kills;
pub mod ledger;
pub mod money;
pub mod proc;
pub mod python;
pub mod sale;
pub mod till;
pub mod wire;
