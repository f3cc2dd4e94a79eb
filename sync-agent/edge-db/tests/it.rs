//! Behaviour of the device's files, seen from outside the crate.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

#[path = "it/agent.rs"]
mod agent;
#[path = "it/common.rs"]
mod common;
#[path = "it/damage.rs"]
mod damage;
#[path = "it/disk.rs"]
mod disk;
#[path = "it/faults.rs"]
mod faults;
#[path = "it/forget.rs"]
mod forget;
#[path = "it/full.rs"]
mod full;
#[path = "it/kill.rs"]
mod kill;
#[path = "it/link.rs"]
mod link;
#[path = "it/model.rs"]
mod model;
#[path = "it/outbox.rs"]
mod outbox;
#[path = "it/power.rs"]
mod power;
#[path = "it/till.rs"]
mod till;
#[path = "it/vfs.rs"]
mod vfs;
