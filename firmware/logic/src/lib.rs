//! peripheral-logic: what the kiosk's microcontroller board does, without its pins.
//!
//! `no_std`, no allocation, no clock, no randomness, no IO: [`Board::step`] takes the time in milliseconds and one
//! [`Input`], and says in [`Outputs`] how the pins are to be. The same code runs on the RP2040, on the host under
//! property tests, and behind the simulated board. It never waits, and nothing from the wire makes it panic.
//!
//! | Module | Decides |
//! |---|---|
//! | [`board`] | Everything together: sessions on two interchangeable ports, what is said when |
//! | [`keys`] | Debounce, repeat, stuck keys |
//! | [`presence`] | Somebody near, with hysteresis |
//! | [`light`], [`sound`] | What a signal looks and sounds like, as pure functions of time |
//! | [`drawer`] | Pulses, capped in length and in duty |
//! | [`climate`] | Temperature to fan, ambient light, the 12 V supply |
//! | [`host`] | The host's heartbeat and its supply |
//! | [`words`] | What a panic leaves behind over a reset |
//! | [`flash`], [`journal`], [`update`] | Where things lie in flash, what survives a power cut, which program runs |
//! | [`keeper`] | What the board asks of flash, done |
//! | [`signature`] | Whether a new program is one of ours |
//!
//! # Safe state
//!
//! Without a session (no frame for [`peripheral_icd::SILENCE_MS`]) the buzzer is silent, the drawer stays shut whatever
//! arrives, and the ring shows one dim dot. Below [`climate::SUPPLY_LOW_MV`] the ring, the buzzer and the fan are off too
//! and the drawer is refused. After a reset every pin is released before anything else happens: that is the state in
//! which the host has power and the coil has none.
#![no_std]
#![forbid(unsafe_code)]

pub mod board;
pub mod climate;
pub mod drawer;
pub mod flash;
pub mod host;
pub mod journal;
pub mod keeper;
pub mod keys;
pub mod light;
pub mod presence;
pub mod signature;
pub mod sound;
pub mod update;
pub mod words;

pub use board::{Board, FlashJob, Input, Levels, Outputs, Port, Start};
pub use keeper::{Keeper, Known};

/// Time since the board started, milliseconds. It never wraps.
pub type Millis = u64;

/// What this program can do.
pub const FEATURES: peripheral_icd::Features = peripheral_icd::Features::ALL;

/// Inputs are sampled this often, milliseconds.
pub const SAMPLE_MS: Millis = 5;
