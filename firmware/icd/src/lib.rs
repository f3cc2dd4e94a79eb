//! peripheral-icd: what the kiosk ("host") and its microcontroller board ("MCU") say to each other, over any byte
//! stream: USB CDC-ACM, UART, or a pty.
//!
//! `no_std`, no allocation, no clock, no randomness: nonces and session ids come in as arguments. It never does IO.
//!
//! # Frame
//!
//! ```text
//! 00 | COBS( session u32 LE | sequence u32 LE | postcard(message) | CRC-32 u32 LE ) | 00
//! ```
//!
//! CRC-32 is that of IEEE 802.3 (reflected polynomial EDB88320), over everything before it. COBS keeps zero out of the
//! frame, so a receiver that has lost its place finds it again at the next zero: within one valid frame, whatever came
//! before. The leading zero ends whatever noise was on the line. At most [`MAX_FRAME`] bytes between two zeros.
//!
//! # Messages of version 1
//!
//! | No. | Host to MCU ([`ToMcu`]) | Meaning |
//! |---|---|---|
//! | 0 | `Hello { min, max, features, nonce }` | Opens a session; session id 0, sequence 0. All else is refused before it |
//! | 1 | `Ping { token }` | Every 500 ms; the MCU calls the host gone after 1.5 s without a frame |
//! | 2 | `Show(signal)` | Light and sound by meaning, until the next |
//! | 3 | `OpenDrawer { id, pulse_ms }` | One pulse, 10 to 500 ms. Answered by `Drawer` with the same id |
//!
//! | No. | MCU to host ([`ToHost`]) | Meaning |
//! |---|---|---|
//! | 0 | `Hello { version, min, max, features, nonce, firmware }` | Opens the session whose id stands in its header; echoes the nonce. `version` 0: no common version |
//! | 1 | `Pong { token, uptime_ms }` | Answer to `Ping` |
//! | 2 | `Key { key, down }` | A debounced edge |
//! | 3 | `Presence(bool)` | On change, and once after `Hello` |
//! | 4 | `Headphones(bool)` | On change, and once after `Hello` |
//! | 5 | `Drawer { id, state }` | What became of a drawer command |
//! | 6 | `Fault { fault, detail }` | Something is wrong with the board |
//! | 7 | `Nack { sequence, reason }` | A frame of this session was intact and could not be obeyed |
//!
//! # Messages by feature
//!
//! Of version 1 too, but sent only to a side that announced the feature in its `Hello`, so that boards and hosts of
//! different age understand one another. A board without the feature answers `Nack`.
//!
//! | No. | Host to MCU | Feature | Meaning |
//! |---|---|---|---|
//! | 2 | `Show(Ready)` | `COMFORT` | The order can be fetched |
//! | 4 | `AskTime(grace)` | `HOST_POWER` | Silence is to be expected: 180 s to boot, 600 s to update, 180 s for an open payment. Each kind once in a row |
//! | 5 | `Comfort { reduced_motion, volume }` | `COMFORT` | How light and sound are to be |
//! | 6 | `UpdateBegin { length, crc }` | `UPDATE` | A new program follows; each `Update…` is answered before the next is sent |
//! | 7 | `UpdateData { offset, bytes }` | `UPDATE` | 32 bytes of it, in order |
//! | 8 | `UpdateSignature { half, bytes }` | `UPDATE` | Ed25519 over the program, in two halves |
//! | 9 | `UpdateCommit` | `UPDATE` | Check it, restart into it, on trial |
//! | 10 | `SetTime { utc_s }` | `CLOCK` | What time it is, by a source that can be trusted |
//!
//! | No. | MCU to host | Feature | Meaning |
//! |---|---|---|---|
//! | 6 | `Fault` from `Overheat` on | `REPORT` | |
//! | 8 | `Time { grace, granted_ms }` | `HOST_POWER` | Answer to `AskTime`; 0: refused |
//! | 9 | `Started { cause, boots }` | `REPORT` | Once after `Hello` |
//! | 10 | `LastWords { part, bytes }` | `REPORT` | After `Started`, if the program panicked |
//! | 11 | `Climate { … }` | `CLIMATE` | Every 10 s, and once after `Hello` |
//! | 12 | `Contact { contact, open }` | `CONTACTS` | On change, and once after `Hello` |
//! | 13 | `KeyRepeat(key)` | `KEY_REPEAT` | While a key is held |
//! | 14 | `Update { state, offset }` | `UPDATE` | Answer to each `Update…`, and once after `Hello` |
//! | 15 | `Clock { utc_s, age_s }` | `CLOCK` | Once after `Hello`, if it was told the time before: the host may have lost it |
//! | 16 | `Layout { pins }` | `LAYOUT` | Once after `Hello`: a checksum of the pins it was built for ([`pins`]) |
//!
//! Enums only grow, at their end; a field is never added to a variant that has shipped. A variant that the receiver does
//! not know is [`FrameError::Unknown`]: counted, answered by `Nack`, never fatal. The bytes of each version are frozen by
//! a test file of its own.
//!
//! # Session and replay
//!
//! The MCU makes a fresh session id for every `Hello`, and every later frame of both sides carries it. Sequence numbers
//! start at 1 with each session and only rise, on each side by itself. A frame of another session, or whose number does
//! not rise, is refused: a recorded drawer command opens nothing, neither in its own session nor in a later one. The
//! echoed nonce keeps the host from taking a recorded `Hello` for an answer. See [`HostLink`] and [`McuLink`].
//!
//! This is protection against noise, echoes and stale buffers, and against a replay on the wire. It is not
//! cryptography: who can write frames of his own to the wire can open the drawer.
#![no_std]
#![forbid(unsafe_code)]

mod crc;
mod frame;
mod link;
mod message;
pub mod pins;
pub mod provision;

pub use crc::{Crc32, crc32};
pub use frame::{Decoder, FrameError, Header, MAX_FRAME, MAX_PAYLOAD, decode_frame, encode_frame};
pub use link::{HostEvent, HostLink, LinkError, McuEvent, McuLink};
pub use message::{
    Contact, Drawer, Fault, Features, Firmware, Grace, Key, NackReason, ResetCause, Signal, ToHost, ToMcu, UpdateState,
};

/// Versions of this protocol that this crate speaks: lowest and highest.
pub const VERSIONS: (u8, u8) = (1, 1);

/// Drawer pulses are held to this range, milliseconds: the coil of a drawer burns out above it.
pub const DRAWER_PULSE_MS: core::ops::RangeInclusive<u16> = 10..=500;

/// The host pings this often, milliseconds.
pub const PING_MS: u32 = 500;

/// Either side calls the other gone after this long without an accepted frame, milliseconds.
pub const SILENCE_MS: u32 = 1500;
