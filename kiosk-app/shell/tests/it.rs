//! The shell from outside: what is recorded, and that it is recorded before anything is done.
#![allow(clippy::unwrap_used)]

#[path = "it/mapping.rs"]
mod mapping;
