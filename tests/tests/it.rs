//! What holds for the project as a whole: its layout, its rules for other people's code, and its scenarios.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "it/architecture.rs"]
mod architecture;
#[path = "it/kills.rs"]
mod kills;
#[path = "it/third_party.rs"]
mod third_party;
