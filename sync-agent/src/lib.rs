//! The sync agent: carries what a shop's device recorded to the CEM backend, each event with exactly one effect.
//!
//! It reads the kiosk's file (read-only) and owns one of its own; it drains both logs in batches, acknowledges only by
//! the backend's result for each event, keeps apart what can never be taken, answers the kiosk's question 'who is
//! this card?', keeps the store's visitor cache fresh, and reports the device's health. It never writes the kiosk's
//! file and never decides about a sale.
//!
//! - [`config`] reads `agent.toml`.
//! - [`engine`] says what to send when, [`retry`] when to try again; both without IO.
//! - [`upload`] is the task that drives the engine, [`http`] the way to the backend, [`tls`] by which proxy and as whom, [`store`] the agent's file.
//! - [`mirror`] carries the same events to further receivers.
//! - [`lines`] takes events from standard input, [`control`] takes commands while the agent runs.
//! - [`visitors`] knows who a card is, [`report`] what the device says about itself, [`clock`] the time without a clock.
//! - [`enrol`] is how the device becomes one of ours, [`staff`] who works here, [`cards`] which guests' cards are issued and lost, [`gift`] what gift cards are asked, [`feed`] how it hears of changes,
//!   [`commands`] what the fleet tells it to do, [`wipe`] its end, [`recover`] what is read off a dead one.
//! - [`run`] puts all of it together, [`supervise`] names and watches the tasks.

pub mod alive;
pub mod cards;
pub mod clock;
pub mod commands;
pub mod config;
pub mod control;
pub mod engine;
pub mod enrol;
pub mod feed;
pub mod gift;
pub mod http;
pub mod lines;
pub mod mirror;
pub mod recover;
pub mod report;
pub mod retry;
pub mod run;
pub mod staff;
pub mod store;
pub mod supervise;
pub mod tls;
pub mod upload;
pub mod visitors;
pub mod wipe;
