//! The wire contract between a shop's devices and the CEM backend, version 1.
//!
//! What both ends share and nothing else: the CloudEvents that devices write ([`NewEvent`], [`Event`], [`kinds`],
//! [`data`]), the validator that a device runs before it commits and the backend before it accepts ([`validate()`]), the
//! backend's answer and its pure classification ([`BatchAnswer`], [`classify()`]), the guest's profile in its signed
//! envelope ([`Profile`], [`Envelope`]), how a device becomes one of ours ([`enrol`]), who works in a store ([`staff`],
//! [`pin`]), how guests' cards are issued and blocked ([`cards`]), what gift cards are asked ([`gift`]), and the fleet's status messages and commands ([`DeviceStatus`], [`Command`]).
//!
//! The crate does no IO, reads no clock and draws no randomness.
//!
//! # Rules of the wire
//!
//! - Times are RFC 3339 in UTC with milliseconds; money is `{"minor": 1250, "currency": "EUR"}`.
//! - Field names are fixed; a later version only adds. Readers ignore what they do not know, enumerations are open.
//! - An event's `id` is a UUIDv7 made once and kept for ever. `log` and `sequence` number the events of one device's log
//!   file without a gap, from 1, as 20 digits.
//! - An event of a known type is refused only when a required field is missing or has the wrong JSON type.
//! - Only a per-event result acknowledges an event: see [`classify()`].

#![forbid(unsafe_code)]

mod answer;
pub mod cards;
mod classify;
pub mod codes;
pub mod data;
mod dsse;
pub mod enrol;
pub mod erase;
mod event;
mod fleet;
pub mod gift;
pub mod hex;
pub mod history;
pub mod kinds;
pub mod limits;
pub mod pin;
mod profile;
pub mod staff;
pub mod time;
mod validate;

pub use answer::{BatchAnswer, EventResult, Problem, Resend, Status};
pub use classify::{HttpAnswer, Outcome, Verdict, WholeRequest, classify};
pub use dsse::{
    Envelope, EnvelopeError, EnvelopeSignature, PROFILE_PAYLOAD_TYPE, SigningKey, Verified, VerifyingKey, key_id, pae,
};
pub use event::{Clock, Consent, Event, NewEvent};
pub use fleet::{
    Acked, COMMAND_PAYLOAD_TYPE, Command, CommandAnswer, CommandKind, CommandOutcome, CommandRefused, Commands, DeviceStatus,
};
pub use profile::{
    CardKey, ConsentChange, Erasure, Feedback, IssuedProfile, Lease, Note, Page, Profile, ResolveRequest, UsualItem,
    UsualModifier, Visit, VisitOrder, VisitPayment, Wallet,
};
pub use validate::{Invalid, validate, validate_data};
