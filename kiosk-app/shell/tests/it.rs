//! The shell from outside: what is recorded, and that it is recorded before anything is done.
#![allow(clippy::unwrap_used)]

#[path = "it/audit.rs"]
mod audit;
#[path = "it/disk.rs"]
mod disk;
#[path = "it/engine.rs"]
mod engine;
#[path = "it/mapping.rs"]
mod mapping;
#[path = "it/shell.rs"]
mod shell;
#[path = "it/support.rs"]
mod support;
