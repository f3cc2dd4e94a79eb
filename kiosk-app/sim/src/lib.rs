//! kiosk-sim: the devices of a kiosk, simulated, for people and tests without hardware. Each speaks the real protocol over
//! the real kind of channel, so that the kiosk cannot tell, and each obeys lines of text on a control socket ([`control`]).
//!
//! | Simulator | Channel and protocol | Control lines |
//! |---|---|---|
//! | [`Pn532Sim`] | pty, frames of the PN532 | `place jane` (and the other cards of [`Card`]), `remove`, `remove before 3`, `remove after 3`, `unplug`, `plug`, `fault junk` (and others), `well` |
//! | [`TerminalSim`] | TCP, ZVT; or nexo's messages over HTTPS | `mode approve`, `mode decline`, `mode silent`, `mode cut`, `mode deaf`, `mode manual`; in manual mode `approve`, `decline`, `timeout`; `delay MS`, `enquiry truth`, `enquiry deny`, `enquiry unsupported`, `numbering restart`, `numbering continue`, `hand AMOUNT`, `close`, `card NUMBER`; of its cable `down`, `up` |
//! | [`PrinterSim`] | TCP, ESC/POS into a file, status queries answered | `paper ok`, `paper low`, `paper out`; of its cable `down`, `up` |
//! | [`BoardSim`] | pty, peripheral-icd; what it does is `peripheral_logic::Board` | `presence on`, `presence off`, `headphones on`, `headphones off`, `door open`, `door closed`, `light 0` to `light 100`, `key up`, `key down`, `key select`, `key back`, `key help`, `unplug`, `plug` |
//! | [`ScannerSim`] | pty, characters ended by CR | `scan CODE`, `unplug`, `plug` |
//! | [`LinkSim`] | TCP relay | `down`, `up` |
//!
//! The library is for tests in process; the program `kiosk-sim` runs each alone or all of them (`kiosk-sim all`).
//!
//! # Demo cards
//!
//! [`Card`] lists them with their numbers. `kiosk-sim token` prints the pseudonym that a kiosk with a given tenant key makes
//! of a card, so that a backend can be told beforehand who comes.
//!
//! None of this can be in a shipped kiosk: the architecture test refuses an arrow from the kiosk to this crate.

#![forbid(unsafe_code)]

mod all;
mod board;
mod card;
pub mod control;
pub mod fiscal;
mod link;
pub mod nfc;
pub mod paper;
mod printer;
mod pty;
mod scanner;
mod terminal;

pub use all::{AllSims, Plan};
pub use board::{BoardPlan, BoardSim, BoardState};
pub use card::Card;
pub use fiscal::FiscalSim;
pub use link::LinkSim;
pub use nfc::Pn532Sim;
pub use printer::{Paper, PrinterSim};
pub use scanner::ScannerSim;
pub use terminal::{Decision, Kind, Mode, TerminalSim, Transaction};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock that survives a thread that panicked: a simulator's state is plain data and always valid.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
