//! Visits from the first touch to the last.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    Effect, Event, Lang, Question, Service, Signal,
    basket::LineId,
    device::{Consent, Key},
    event::{BasketAction, By, Outcome, Trigger},
    fixture::{BURGER, CAKE, COFFEE, COLA, COMBO, CROISSANT, FRIES},
    rig::{Rig, ivan, jane, records},
};

mod browsing;
mod consent;
mod fitness;
mod gift;
mod identity;
mod money;
mod parts;
mod time;
