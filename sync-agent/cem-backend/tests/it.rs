//! The backend as others see it: its command line, and the wire over loopback. Each test has a process and a folder of
//! its own.
#![allow(clippy::unwrap_used)]

#[path = "it/backend.rs"]
mod backend;
#[path = "it/backup.rs"]
mod backup;
#[path = "it/cards.rs"]
mod cards;
#[path = "it/cli.rs"]
mod cli;
#[path = "it/codes.rs"]
mod codes;
#[path = "it/enrol.rs"]
mod enrol;
#[path = "it/events.rs"]
mod events;
#[path = "it/fleet.rs"]
mod fleet;
#[path = "it/gift.rs"]
mod gift;
#[path = "it/staff.rs"]
mod staff;
#[path = "it/tls.rs"]
mod tls;
#[path = "it/visitors.rs"]
mod visitors;
