//! kiosk-core: what a visit is. Money, catalogue, basket, the pure [`Session`] and the pure [`Payments`] beside it, wired in
//! [`Kiosk`].
//!
//! A touch becomes an [`Intent`], [`Kiosk::step`] decides, [`Effect`]s are carried out by adapters, what happened is an
//! [`Event`] that is on disk before anything else happens. What is shown is [`Kiosk::snapshot`].
//!
//! This crate never reads a clock, draws randomness, or does IO: time comes in as [`Now`], unpredictability as a seed at
//! construction. It never panics on data from outside. It is `no_std` and checked for `thumbv6m-none-eabi`.
//!
//! # Where a rule stands
//!
//! | Rule | Module |
//! |---|---|
//! | Rounding of tax, half away from zero | [`money`], [`price`] |
//! | Rounding of what is paid in coins | [`cash`] |
//! | Price of a line, of a combo and its parts, of the whole; which tax on what | [`price`] |
//! | Sizes, required and optional choices, combo parts; allergens of what was chosen | [`draft`] |
//! | What makes a menu fit to sell from | [`check`] |
//! | Order numbers and the business day | [`number`] |
//! | Touches, stages, time-outs, the end of a visit | [`session`] |
//! | What a terminal is asked and answers | [`terminal`] |
//! | One attempt, one command; unknown payments and who settles them | [`payments`] |
//! | Gift cards: set aside, taken, put back, under a key of ours | [`accounts`] |
//! | Who may do what at the desk; wrong PINs | [`staff`] |
//! | What staff do: unknown payments, orders, refunds, cash | [`desk`] |
//! | What a refund is worth, and where it goes | [`refund`] |
//! | The till's book, shifts, X and Z, the terminal's end of day | [`till`] |
//! | What an order costs in instalments | [`instalment`] |
//! | What each level of consent allows | [`consent`] |
//! | What a guest is told after a restart | [`recovered`] |
//! | What happens when nothing can be recorded | [`kiosk`] |
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

/// Shared without a copy. Where the target has no compare-and-swap (thumbv6m), it counts without atomics.
#[cfg(not(target_has_atomic = "ptr"))]
pub use alloc::rc::Rc as Arc;
#[cfg(target_has_atomic = "ptr")]
pub use alloc::sync::Arc;

pub mod accounts;
pub mod basket;
pub mod cash;
pub mod catalogue;
pub mod check;
pub mod closed;
pub mod config;
pub mod consent;
pub mod desk;
pub mod device;
pub mod draft;
pub mod effect;
pub mod event;
pub mod habit;
pub mod ids;
pub mod instalment;
pub mod intent;
pub mod kiosk;
pub mod money;
pub mod now;
pub mod number;
pub mod paper;
pub mod payments;
pub mod price;
pub mod recovered;
pub mod refund;
pub mod scan;
pub mod session;
pub mod setup;
pub mod staff;
pub mod terminal;
pub mod till;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod walk;

pub use accounts::{AccountAnswer, AccountAsk, AccountRefusal, GiftCode};
pub use basket::{Basket, Draft, LineId, Priced, PricedLine, PricedModifier, TaxAmount};
pub use catalogue::{Article, ArticleId, Catalogue, CategoryId, Lang, Service, Text};
pub use config::Config;
pub use consent::Question;
pub use desk::{DeskIntent, DeskView};
pub use device::DeviceEvent;
pub use effect::{Effect, GlassOrder, Record, Signal};
pub use event::{By, Event, PlacedOrder, Stage};
pub use ids::Id;
pub use intent::Intent;
pub use kiosk::Kiosk;
pub use money::{Currency, Minor};
pub use now::{ClockQuality, Now};
pub use number::OrderCounter;
pub use paper::{Paper, Receipt, RefundReceipt, Report};
pub use payments::{OpenAttempt, Payments, Restored, Tender};
pub use recovered::{Recovered, RecoveredState};
pub use session::{Input, Session, Snapshot};
pub use terminal::{Command, CommandKind, CommandOutcome, DayTotals, Enquiry, TerminalReceipt, TerminalWord};
