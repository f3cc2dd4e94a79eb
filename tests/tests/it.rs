//! What holds for the project as a whole: its layout, its rules for other people's code, and its scenarios.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "it/architecture.rs"]
mod architecture;
#[path = "it/canaries.rs"]
mod canaries;
#[path = "it/cards.rs"]
mod cards;
#[path = "it/clocks.rs"]
mod clocks;
#[path = "it/clone.rs"]
mod clone;
#[path = "it/enrol.rs"]
mod enrol;
#[path = "it/fiscal.rs"]
mod fiscal;
#[path = "it/fleet.rs"]
mod fleet;
#[path = "it/guests.rs"]
mod guests;
#[path = "it/issuing.rs"]
mod issuing;
#[path = "it/kills.rs"]
mod kills;
#[path = "it/money.rs"]
mod money;
#[path = "it/outages.rs"]
mod outages;
#[path = "it/restore.rs"]
mod restore;
#[path = "it/sale.rs"]
mod sale;
#[path = "it/scenarios.rs"]
mod scenarios;
#[path = "it/third_party.rs"]
mod third_party;
