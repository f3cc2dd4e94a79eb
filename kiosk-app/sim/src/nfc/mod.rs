//! A card reader, simulated: the NXP PN532 on a serial line (user manual UM0701-02), with cards that keep their state.
//!
//! The chip answers what libnfc's driver `pn532_uart` sends: frames, normal and extended, acknowledgements, and the commands
//! to select a card, to exchange data with it and to see whether it is still there. It keeps the pace of a serial line at
//! 115200 baud and of the radio ([`Timing::PACED`]), or none ([`Timing::INSTANT`]).
//!
//! Not modelled: two cards at once, other baud rates, chaining and waiting-time extension of ISO-DEP, cards of types B and F.
//! The radio's times are assumptions.

mod cards;
mod chip;
mod frame;
mod line;

pub use cards::{BankCard, Emulator, Identity, Keys, Ntag424, Phone, Tag, Type2};
pub use chip::{Fault, Stats, Timing, Vanish};
pub use line::Pn532Sim;
